"""Say in words why a product is recommended, with buyers that can be counted in the log."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from segkit.tailor.products.purchase_matrix import PurchaseMatrix

FEWEST = 5  # buyers in a count that is shown: fewer might tell what a single person bought
PAIRS = 2**21  # of an own and an offered product that are compared at a time
BLOCK = 256  # products whose common buyers are counted at a time


def strongest_own(
    history: sparse.csr_array, weights: np.ndarray | sparse.csr_array, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Return the own product that adds most to each score; the first by id where several do.

    Parameters
    ----------
    history : csr_array of shape (n_customers, n_products)
        What each customer's own products count.
    weights : array of shape (n_products, n_products)
        What a row's product adds to the score of a column's.
    rows, columns : ndarray of int, shape (n,)
        Customers with a history, and products with a score.

    Returns
    -------
    ndarray of int, shape (n,)
        Columns of `history`.

    Examples
    --------
    >>> history = sparse.csr_array([[1.0, 2.0, 0.0]])
    >>> weights = np.array([[0, 0, 0.3], [0, 0, 0.1], [0, 0, 0]])
    >>> strongest_own(history, weights, np.array([0]), np.array([2])).tolist()
    [0]
    """
    own = np.diff(history.indptr)[rows]
    parts = np.searchsorted(np.cumsum(own), np.arange(PAIRS, own.sum(), PAIRS))
    strongest = [
        _strongest(history, weights, r, c)
        for r, c in zip(np.split(rows, parts), np.split(columns, parts), strict=True)
        if len(r)
    ]
    return np.concatenate(strongest) if strongest else np.empty(0, dtype=np.int64)


def _strongest(
    history: sparse.csr_array, weights: np.ndarray | sparse.csr_array, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    own = np.diff(history.indptr)[rows]
    first = np.concatenate([[0], np.cumsum(own)[:-1]])
    which = np.repeat(np.arange(len(rows)), own)
    at = np.arange(len(which)) - first[which] + history.indptr[rows][which]
    products = history.indices[at]
    added = history.data[at] * np.asarray(weights[products, columns[which]])
    most = np.maximum.reduceat(added, first)
    candidates = np.where(added == most[which], products, history.shape[1])
    return np.minimum.reduceat(candidates, first)


def common_buyers(bought: sparse.csr_array, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Count the customers who bought both products of each pair.

    Examples
    --------
    >>> bought = sparse.csr_array([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    >>> common_buyers(bought, np.array([0]), np.array([1]))
    array([2])
    """
    counts = np.zeros(len(first), dtype=np.int64)
    by_product = bought.T.tocsr()
    order = np.argsort(first, kind="stable")
    products, start = np.unique(first[order], return_index=True)
    ends = np.append(start[1:], len(order))
    for block in range(0, len(products), BLOCK):
        here = products[block : block + BLOCK]
        pairs = order[start[block] : ends[min(block + BLOCK, len(products)) - 1]]
        both = (by_product[here] @ bought).tocsr()
        counts[pairs] = np.asarray(both[np.searchsorted(here, first[pairs]), second[pairs]]).astype(np.int64)
    return counts


def words_of_common_buyers(bought: PurchaseMatrix, own: np.ndarray, offered: np.ndarray) -> np.ndarray:
    """Return for each pair of an own and an offered product how many of its buyers bought the other too.

    Where fewer than five did, the words name the own product without a number.
    """
    width = len(bought.products)
    pairs, place = np.unique(own.astype(np.int64) * width + offered, return_inverse=True)
    first, second = pairs // width, pairs % width
    both, buyers, names = common_buyers(bought.bought, first, second), bought.buyers(), bought.products
    words = [
        f"with {names[i]}, bought by {n:,} of {buyers[i]:,} who bought {names[i]}"
        if n >= FEWEST
        else f"goes with {names[i]}"
        for i, n in zip(first, both, strict=True)
    ]
    return np.array(words, dtype=object)[place]


def words_of_popularity(buyers: np.ndarray, customers: np.ndarray, where: list[str]) -> np.ndarray:
    """Return how many customers bought products; without a number where fewer than five did.

    Examples
    --------
    >>> words_of_popularity(np.array([41, 2]), np.array([77, 77]), ["North", "the shop"]).tolist()
    ['bought by 41 of 77 customers in North', 'bought by fewer than 5 customers']
    """
    words = [
        f"bought by {n:,} of {all_of_them:,} customers in {place}"
        if n >= FEWEST
        else f"bought by fewer than {FEWEST} customers"
        for n, all_of_them, place in zip(buyers.tolist(), customers.tolist(), where, strict=True)
    ]
    return np.array(words, dtype=object)
