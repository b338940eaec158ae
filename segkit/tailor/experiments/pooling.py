"""Partial pooling: pull the differences of small segments towards the mean of all, and test whether they differ."""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2

FEW = 3  # segments up to which the spread between segments is integrated over
GRID = 400


def cochran_q(estimates: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Return Cochran's Q and its p-value: do segments differ by more than chance?

    Examples
    --------
    >>> q, p = cochran_q(np.array([0.0, 2.0]), np.array([1.0, 1.0]))
    >>> round(q, 3), round(p, 3)
    (2.0, 0.157)
    """
    if len(estimates) < 2:
        return float("nan"), float("nan")
    weights = errors**-2.0
    q = float((weights * (estimates - np.average(estimates, weights=weights)) ** 2).sum())
    return q, float(chi2.sf(q, len(estimates) - 1))


def paule_mandel(estimates: np.ndarray, errors: np.ndarray) -> float:
    """Return the variance of the true differences between segments [1]_.

    References
    ----------
    .. [1] Paule & Mandel (1982), Consensus values and weighting factors, Journal of Research of the NBS 87.

    Examples
    --------
    >>> round(paule_mandel(np.array([0.0, 4.0]), np.array([1.0, 1.0])), 6)
    7.0
    """

    def excess(variance: float) -> float:
        weights = 1 / (errors**2 + variance)
        mean = np.average(estimates, weights=weights)
        return float((weights * (estimates - mean) ** 2).sum()) - (len(estimates) - 1)

    if len(estimates) < 2 or excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, float(np.ptp(estimates) ** 2) * len(estimates)
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2


def partial_pooling(estimates: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each segment's difference pulled towards the mean, and its standard error.

    Parameters
    ----------
    estimates, errors : array of shape (n_segments,)
        Differences and their standard errors, known and above 0.

    Notes
    -----
    With four segments or more, empirical Bayes with Morris' correction for the estimated spread [1]_. With fewer that
    correction shrinks nothing, so the spread is integrated over, under the uniform shrinkage prior [2]_.

    References
    ----------
    .. [1] Morris (1983), Parametric empirical Bayes inference: theory and applications, JASA 78.
    .. [2] Daniels (1999), A prior for the variance in hierarchical models, Canadian Journal of Statistics 27.

    Examples
    --------
    >>> pooled, errors = partial_pooling(np.array([0.0, 1.0, 2.0, 3.0]), np.ones(4))
    >>> pooled.round(2).tolist()
    [0.3, 1.1, 1.9, 2.7]
    """
    if len(estimates) < 2:
        return estimates, errors
    return _integrated(estimates, errors) if len(estimates) <= FEW else _morris(estimates, errors)


def _morris(estimates: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    k, own = len(estimates), errors**2
    between = paule_mandel(estimates, errors)
    weights = 1 / (own + between)
    mean, typical = np.average(estimates, weights=weights), np.average(own, weights=weights)
    pull = (k - 3) / (k - 1) * own * weights
    fitted = k * weights / weights.sum()
    of_spread = 2 / (k - 3) * pull**2 * (typical + between) * weights * (estimates - mean) ** 2
    variance = own * (1 - (k - fitted) / k * pull) + of_spread
    return estimates - pull * (estimates - mean), np.sqrt(variance)


def _integrated(estimates: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    own = errors**2
    pull_of_typical = (np.arange(GRID) + 0.5) / GRID
    between = (len(own) / (1 / own).sum() * (1 - pull_of_typical) / pull_of_typical)[:, None]
    weights = 1 / (own + between)
    total = weights.sum(axis=1, keepdims=True)
    mean = (weights * estimates).sum(axis=1, keepdims=True) / total
    log_chance = (np.log(weights) - weights * (estimates - mean) ** 2).sum(axis=1) / 2 - np.log(
        total[:, 0]
    ) / 2
    chance = np.exp(log_chance - log_chance.max())
    chance = (chance / chance.sum())[:, None]
    pull = own * weights
    pooled = estimates - pull * (estimates - mean)
    variance = own * (1 - pull) + pull**2 / total
    centre = (chance * pooled).sum(axis=0)
    return centre, np.sqrt((chance * (variance + (pooled - centre) ** 2)).sum(axis=0))
