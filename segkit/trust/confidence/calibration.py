"""Turn the number of refits that agree into a confidence, corrected for the chance error of so few votes.

The share of 50 votes has a standard error of up to 7 points, so that very high and very low shares are partly luck.
A beta-binomial model fitted by moments [1]_ separates this luck from how customers differ, and shrinks each share
towards the mean of all customers [2]_.

References
----------
.. [1] Skellam (1948), A probability distribution derived from the binomial distribution by regarding the probability of
   success as variable between the sets of trials, Journal of the Royal Statistical Society B 10.
.. [2] Kelley (1927), Interpretation of Educational Measurements.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv, ndtr, ndtri
from scipy.stats import betabinom

QUANTILES = 200  # of a posterior distribution, to average over it
LEAST, MOST = (
    1e-9,
    1e7,
)  # strength of the prior, in votes: where no votes are split, and where customers do not differ


def calibrated(agreeing: np.ndarray, n_models: int, error_ratio: float) -> np.ndarray:
    """Return the confidence that each number of agreeing models stands for.

    Parameters
    ----------
    agreeing : ndarray of int, shape (n,)
        Number of models that agree with the label of each fitted customer.
    n_models : int
    error_ratio : float
        Sampling error of these models over that of models refit on half of the customers.

    Returns
    -------
    ndarray of float, shape (n_models + 1,)
        In [0, 1] and never falling: for 0 agreeing models, for 1, and so on to all of them.
    """
    prior = _fitted_prior(agreeing / n_models, n_models)
    known = len(agreeing) * betabinom.pmf(np.arange(n_models + 1), n_models, *prior)
    # A new customer may be unlike all fitted ones, who may all be sure: one customer of any share is added.
    unlike = 1 / (n_models + 1)
    confidence = known * _posterior_mean(*prior, n_models, error_ratio)
    return (confidence + unlike * _posterior_mean(1.0, 1.0, n_models, error_ratio)) / (known + unlike)


def _fitted_prior(share: np.ndarray, n_models: int) -> tuple[float, float]:
    """Return the parameters of the beta distribution of the customers' true shares."""
    chance = float((share * (1 - share)).mean()) * n_models / max(n_models - 1, 1)
    mean = float(np.clip(share.mean(), 1e-9, 1 - 1e-9))
    variance = mean * (1 - mean) - chance
    strength = float(np.clip(chance / max(variance, 1e-12), LEAST, MOST))
    return mean * strength, (1 - mean) * strength


def _posterior_mean(a: float, b: float, n_models: int, error_ratio: float) -> np.ndarray:
    """Return the mean share of customers with each count of votes, corrected for models with larger errors.

    Errors are taken as normal: models agree with probability Φ(x) on a customer who is x standard errors from the
    border between two segments.
    """
    votes = np.arange(n_models + 1)
    in_favour, against = a + votes, b + n_models - votes
    if error_ratio == 1:
        return in_favour / (in_favour + against)
    shares = betaincinv(in_favour[:, None], against[:, None], (np.arange(QUANTILES) + 0.5) / QUANTILES)
    return ndtr(ndtri(shares) * error_ratio).mean(axis=1)
