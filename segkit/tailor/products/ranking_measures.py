"""Measure recommendations against what customers bought afterwards: recall, NDCG and hit, with intervals."""

from __future__ import annotations

import numpy as np
from scipy.stats import t

MEASURES = ("recall", "ndcg", "hit")


def ranking_measures(best: np.ndarray, relevant: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Measure the recommendations of each customer.

    Parameters
    ----------
    best : ndarray of int, shape (n_customers, n)
        Places of the recommended products, the best first; −1 where there is none.
    relevant : ndarray of bool, shape (n_customers, n_products)
        Which products the customer bought afterwards.
    total : ndarray of int, shape (n_customers,)
        How many products the customer bought afterwards, 1 or more; also those that no method could know.

    Returns
    -------
    ndarray of shape (n_customers, 3)
        Recall (share of the bought products that were recommended), NDCG [1]_ and hit (whether any was).

    References
    ----------
    .. [1] Järvelin & Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques, ACM TOIS 20.
    """
    n = best.shape[1]
    found = np.take_along_axis(relevant, np.maximum(best, 0), axis=1) & (best >= 0)
    discount = 1 / np.log2(np.arange(2, n + 2))
    ideal = np.cumsum(discount)[np.minimum(total, n) - 1]
    return np.column_stack([found.sum(axis=1) / total, found @ discount / ideal, found.any(axis=1)])


def mean_interval(values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean over customers and its interval by Student's t, column by column; missing where unknown."""
    n = len(values)
    if n == 0:
        unknown = np.full(values.shape[1], np.nan)
        return unknown, unknown, unknown
    mean = values.mean(axis=0)
    if n == 1:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    wide = t.ppf(0.5 + level / 2, n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return mean, mean - wide, mean + wide
