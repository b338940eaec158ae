"""How many populations customers may come from, and how likely each customer is of each.

It only serves to draw others like them (:class:`segkit.trust.null_model.CopulaNull`): nobody is told of them.
The criterion is Akaike's with a penalty of 3 for each number [1]_, which simulations found best for mixtures of
customers [2]_: with his own 2 many a crowd is taken apart, with that of Schwarz groups that overlap are one. Ties,
zeros and tails look like several normal populations too: so where the structure test found one continuum, mixtures must
gain more on the customers than on shops of one population that have the same. After five of them it is enough if it is
three times as much as on any; else it must be more than on each of twelve.

References
----------
.. [1] Bozdogan (1994), Mixture-model cluster analysis using model selection criteria and a new informational measure of
   complexity, Proceedings of the First US/Japan Conference on the Frontiers of Statistical Modeling 2.
.. [2] Andrews & Currim (2003), A comparison of segment retention criteria for finite mixture logit models, Journal of
   Marketing Research 40.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from segkit.analyse.prepare import Preparer
from segkit.trust.null_model import CopulaNull

MOST = 8  # populations
SHAPES = ("tied", "diag", "full")
LOOKED = 2_000  # customers that the mixtures are fitted to
DIRECTIONS = 10  # principal ones, in which they are
PER_NUMBER = 2  # customers, at least, for each number that a mixture has
PENALTY = 3.0  # for each
REFERENCES = 12  # shops of one population that mixtures must gain less on
FIRST, CLEARLY = 5, 3  # after so many of them, so many times less is enough
LEAST_SPREAD = 0.01  # added to each variance


def memberships(
    customers: pd.DataFrame,
    preparer: Preparer,
    prepared: np.ndarray,
    rng: np.random.Generator,
    *,
    continuum: bool,
) -> np.ndarray:
    """Return how likely each customer is of each population.

    Parameters
    ----------
    customers : DataFrame of shape (n, n_features)
    preparer : Preparer
        Fitted to them.
    prepared : ndarray of shape (n, n_prepared)
    rng : Generator
    continuum : bool
        Whether the structure test found one: then several populations must show more than in shops of one.

    Returns
    -------
    ndarray of float, shape (n, n_populations)
        From 1 to 8 populations.
    """
    found, gain = _mixture(prepared, rng)
    if continuum and found.shape[1] > 1:
        one = CopulaNull(customers, preparer, rng)
        most = 0.0
        for i in range(REFERENCES):
            most = max(most, _mixture(one.draw(rng), rng)[1])
            if most >= gain:
                return np.ones((len(prepared), 1))
            if i + 1 >= FIRST and gain > CLEARLY * most:
                break
    return found


def _mixture(prepared: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Return who is how likely of which part of the best Gaussian mixture, and what it gains over one."""
    n, d = len(prepared), min(prepared.shape[1], DIRECTIONS)
    some = prepared if n <= LOOKED else prepared[np.sort(rng.choice(n, LOOKED, replace=False))]
    if prepared.shape[1] > DIRECTIONS:
        directions = PCA(min(d, len(some)), svd_solver="full").fit(some)
        some, prepared = directions.transform(some), directions.transform(prepared)
    best, least, of_one = None, np.inf, np.inf
    for shape in SHAPES:
        for k in range(1, min(MOST, len(np.unique(some, axis=0))) + 1):
            n_numbers = _numbers(shape, k, d)
            if PER_NUMBER * n_numbers > len(some):
                break
            seed = int(rng.integers(2**31))
            mixture = GaussianMixture(
                k, covariance_type=shape, reg_covar=LEAST_SPREAD, n_init=2, random_state=seed
            )
            criterion = PENALTY * n_numbers - 2 * len(some) * mixture.fit(some).score(some)
            of_one = min(of_one, criterion) if k == 1 else of_one
            if criterion < least:
                best, least = mixture, criterion
    return (np.ones((n, 1)), 0.0) if best is None else (best.predict_proba(prepared), of_one - least)


def drawn(memberships: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a population for each customer, by lot."""
    lots = rng.random(len(memberships))[:, None]
    return np.minimum((memberships.cumsum(axis=1) < lots).sum(axis=1), memberships.shape[1] - 1)


def _numbers(shape: str, k: int, d: int) -> int:
    """Return how many numbers a mixture has."""
    spreads = {"tied": d * (d + 1) // 2, "diag": k * d, "full": k * d * (d + 1) // 2}
    return k * d + k - 1 + spreads[shape]
