"""Test whether a single feature falls into groups: the valleys of its density against those of a flat one.

Of all densities with one mode, a flat one has the deepest valleys by chance (Hartigan & Hartigan 1985), so comparing
with it gives few false alarms. A lowest or highest value that many customers share, such as 0, is left out, since one
value makes no group. Counts are not tested: they have gaps between whole numbers.
"""

from __future__ import annotations

import numpy as np

from segkit.trust.density_valleys import BINS, depths

ATOM = 0.02  # of the customers: a value that more of them share is left out
UNEQUAL = 0.5  # least share of different values
ENOUGH = 40  # least number of customers with values of their own
FLAT = 999  # flat null data sets
CERTAIN = 0.99  # quantile of the flat valleys that a feature in groups exceeds
ENDS = (0.005, 0.995)  # quantiles between which the density is measured


def own_valleys(values: np.ndarray) -> tuple[float, int]:
    """Return the depth of the deepest valley of a feature's density in standard errors, and the customers measured.

    The depth is missing where too few customers have values of their own.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Prepared; NaN where the customer's value is missing.
    """
    known = values[~np.isnan(values)]
    different, counts = np.unique(known, return_counts=True)
    shared = counts > max(ATOM * len(known), 1.5)
    own = np.repeat(different[~shared], counts[~shared])
    if len(own) < ENOUGH or shared[1:-1].any() or (~shared).sum() < UNEQUAL * len(own):
        return float("nan"), 0
    counts = np.histogram(own, BINS, tuple(np.quantile(own, ENDS)))[0]
    return float(depths(counts[None, :].astype(float))[0]), len(own)


def flat_valleys(sizes: list[int], draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return the deepest valley over features with flat densities and these numbers of customers, shape (draws,)."""
    flat = np.full(BINS, 1 / BINS)
    return np.max([depths(rng.multinomial(n, flat, size=draws).astype(float)) for n in sizes], axis=0)


def features_in_groups(values: list[np.ndarray], rng: np.random.Generator) -> tuple[float, list[int]]:
    """Test the hypothesis that no feature falls into groups by itself.

    Parameters
    ----------
    values : list of ndarray
        Prepared values of each numeric feature, NaN where missing.
    rng : Generator

    Returns
    -------
    p_value : float
        Of the deepest valley of all features.
    in_groups : list of int
        Positions of the features whose valley is deeper than the deepest of as many flat ones in 99 % of the draws.
    """
    valleys = [own_valleys(v) for v in values]
    tested = [i for i, (depth, _) in enumerate(valleys) if not np.isnan(depth)]
    if not tested:
        return 1.0, []
    flat = flat_valleys([valleys[i][1] for i in tested], FLAT, rng)
    deepest = max(valleys[i][0] for i in tested)
    p_value = (1 + int((flat >= deepest).sum())) / (FLAT + 1)
    return p_value, [i for i in tested if valleys[i][0] > np.quantile(flat, CERTAIN)]
