"""Rank products by score, in blocks of customers that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from tqdm.auto import tqdm

CELLS = 2**24  # scores that are held at once


def blocks(rows: np.ndarray, n_products: int, what: str) -> Iterator[np.ndarray]:
    """Cut rows into blocks whose scores fit into memory, with a progress bar labelled `what`."""
    size = max(1, CELLS // max(n_products, 1))
    with tqdm(total=len(rows), desc=what, unit="customer", delay=1, leave=False) as bar:
        for start in range(0, len(rows), size):
            yield rows[start : start + size]
            bar.update(len(rows[start : start + size]))


def top_products(scores: np.ndarray, n: int) -> np.ndarray:
    """Return the places of the highest scores of each row, the first product first where scores are equal.

    Parameters
    ----------
    scores : ndarray of shape (n_customers, n_products)
        −inf where a product must not be recommended.
    n : int

    Returns
    -------
    ndarray of int, shape (n_customers, n)
        −1 where a row has no further product.
    """
    best = np.full((len(scores), n), -1, dtype=np.int64)
    if not scores.size:
        return best
    n_products = scores.shape[1]
    least = np.full(len(scores), -np.inf)
    if n < n_products:
        least = np.partition(scores, n_products - n, axis=1)[:, n_products - n]
    row, place = np.nonzero((scores >= least[:, None]) & (scores > -np.inf))
    order = np.lexsort((place, -scores[row, place], row))
    row, place = row[order], place[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    kept = rank < n
    best[row[kept], rank[kept]] = place[kept]
    return best
