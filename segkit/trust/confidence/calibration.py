"""From how many models agree to how sure that is.

Of 50 models whose errors are chance, the share that agrees has itself a standard error of up to 7 points. Customers
with a high share have it by good luck too, and those with a low one by bad luck: taken at its word, the share is too
sure at the top and not sure enough at the bottom. How much of the spread among customers is luck is known from the
number of models, and the rest is how they differ. So each count of votes stands for the mean of what infinitely many
models would say of customers who got that many: a beta-binomial model by moments [1]_, whose answer is Kelley's, the
share drawn to the mean of all by what is luck [2]_.

How customers differ who are all sure says nothing of a newcomer whom the models are split on. So of one customer more
it is not known how he differs: he may have any share. He counts for one among the others, and that tells only where
votes are such as hardly any of them would get.

Where models err by another variance than one that stands for the segments, each such mean is taken of shares that are
corrected for it, as if errors were normal: a border that x lies from, in standard errors, is passed with probability
Φ(−x).

References
----------
.. [1] Skellam (1948), A probability distribution derived from the binomial distribution by regarding the probability of
   success as variable between the sets of trials, Journal of the Royal Statistical Society B 10.
.. [2] Kelley (1927), Interpretation of Educational Measurements.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv, ndtr, ndtri
from scipy.stats import betabinom, binom

POINTS = 200  # of a distribution, whose mean is taken


def confidences(agreeing: np.ndarray, n_models: int, sharpen: float) -> np.ndarray:
    """Return the confidence that each number of agreeing models stands for.

    Parameters
    ----------
    agreeing : ndarray of int, shape (n,)
        How many models agree on each of the customers whom the segments were made from.
    n_models : int
    sharpen : float
        How many times less than these a model errs that stands for the segments; under 1, it errs more.

    Returns
    -------
    ndarray of float, shape (n_models + 1,)
        In [0, 1] and never falling: for none that agrees, for one, and so on to all of them.
    """
    counts = np.arange(n_models + 1)
    for_it, against = _prior(agreeing, n_models)
    if for_it + against == 0:  # nobody whom the models are split on: there is no luck
        return _told(0.0, 0.0, n_models, sharpen)
    if np.isinf(for_it + against):  # customers do not differ: what is seen is luck alone
        share = agreeing.mean() / n_models
        told = np.full(n_models + 1, share if sharpen == 1 else _sharper(share, sharpen))
        customers = len(agreeing) * binom.pmf(counts, n_models, share)
    else:
        told = _told(for_it, against, n_models, sharpen)
        customers = len(agreeing) * betabinom.pmf(counts, n_models, for_it, against)
    other = 1 / (n_models + 1)  # of whom every count is as likely
    return (customers * told + other * _told(1.0, 1.0, n_models, sharpen)) / (customers + other)


def _told(for_it: float, against: float, n_models: int, sharpen: float) -> np.ndarray:
    """Return the confidence that each count stands for among customers whose shares have a beta distribution."""
    counts = np.arange(n_models + 1)
    a, b = for_it + counts, against + n_models - counts
    if sharpen == 1:
        return a / (a + b)
    found = counts / n_models
    open_ = (a > 0) & (b > 0)
    at = (np.arange(POINTS) + 0.5) / POINTS
    shares = betaincinv(a[open_, None], b[open_, None], at)
    found[open_] = _sharper(shares, sharpen).mean(axis=1)
    return found


def _prior(agreeing: np.ndarray, n_models: int) -> tuple[float, float]:
    """Return the two numbers of the beta distribution of what infinitely many models would say."""
    share = agreeing / n_models
    mean = float(share.mean())
    chance = float((share * (1 - share)).mean()) * n_models / max(n_models - 1, 1)
    differ = mean * (1 - mean) - chance
    if chance <= 0:
        return 0.0, 0.0
    if differ <= 1e-12:
        return np.inf, np.inf
    return mean * chance / differ, (1 - mean) * chance / differ


def _sharper(share: np.ndarray, sharpen: float) -> np.ndarray:
    return ndtr(ndtri(share) * sharpen)
