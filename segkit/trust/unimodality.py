"""Does a single feature fall into groups: the valleys of its density against those of a flat one.

A flat density has the deepest valleys by chance of all that have one mode (Hartigan & Hartigan 1985), so whoever is
compared with it is seldom blamed wrongly. A lowest or highest value that many customers share, such as 0, is left
out: being at one place makes no group. And counts are not asked: between whole numbers everything is a gap.
"""

from __future__ import annotations

import numpy as np

from segkit.trust.density_valleys import BINS, depths

ATOM = 0.02  # of the customers: a value that more of them share is left out
UNEQUAL = 0.5  # different values for each customer, at the least
ENOUGH = 40  # customers with values of their own
FLAT = 999  # flat shops to compare with
CERTAIN = 0.99
ENDS = (0.005, 0.995)  # quantiles between which the density is looked at


def own_valleys(values: np.ndarray) -> tuple[float, int]:
    """Return how deep the deepest valley of a feature's density is, in standard errors, and of how many customers.

    Missing where too few customers have values of their own.

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
    return _deepest(np.histogram(own, BINS, tuple(np.quantile(own, ENDS)))[0]), len(own)


def flat_valleys(sizes: list[int], draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return the deepest valley of as many features with flat densities, shape (draws,)."""
    flat = np.full(BINS, 1 / BINS)
    return np.max([depths(rng.multinomial(n, flat, size=draws).astype(float)) for n in sizes], axis=0)


def features_in_groups(values: list[np.ndarray], rng: np.random.Generator) -> tuple[float, list[int]]:
    """Return a p-value for "no feature falls into groups by itself", and which do.

    Parameters
    ----------
    values : list of ndarray
        Prepared values of each numeric feature, NaN where missing.
    rng : Generator

    Returns
    -------
    p_value : float
        For the deepest of all features.
    found : list of int
        Positions of those that are deeper than 99 % of what the deepest of as many flat ones is.
    """
    told = [own_valleys(v) for v in values]
    asked = [i for i, (depth, _) in enumerate(told) if not np.isnan(depth)]
    if not asked:
        return 1.0, []
    flat = flat_valleys([told[i][1] for i in asked], FLAT, rng)
    deepest = max(told[i][0] for i in asked)
    return (1 + int((flat >= deepest).sum())) / (FLAT + 1), [
        i for i in asked if told[i][0] > np.quantile(flat, CERTAIN)
    ]


def _deepest(counts: np.ndarray) -> float:
    return float(depths(counts[None, :].astype(float))[0])
