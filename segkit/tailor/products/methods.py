"""Score products for customers: EASE, item-kNN, popularity, segment popularity and the customer's own history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from scipy import sparse
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from segkit.core.messages import choose_from
from segkit.methods.assignment import OUTSIDE
from segkit.tailor.products.purchase_matrix import PurchaseMatrix, like
from segkit.tailor.products.ranking import top_products

HALF_LIFE = 91.0  # days after which a purchase counts half
RECENT = 28.0  # days that recent popularity looks back
NOW = 0.25  # power of recent popularity in a customer's own history, for seasons and products that are gone
EASE_PRODUCTS = 6_000  # most bought products that EASE compares; work grows with their cube
RIDGE = 10.0  # penalty of EASE, in mean squared weights of a product
KNN_PRODUCTS = 20_000  # most bought products that item-kNN compares
NEIGHBOURS = 100  # of a product, in item-kNN
SHRINKAGE = 10.0  # buyers in common that halve the trust in a cosine
PRIOR = 100.0  # customers of the whole shop that are added to each segment
COLUMNS = 512  # products that are worked on at once, between two looks at the progress


class Scorer(Protocol):
    """A fitted method: higher scores first, −inf for a product that it cannot score."""

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Return the scores of all products for some rows of the matrix, shape (len(rows), n_products)."""
        ...


def fit_method(name: str, purchases: PurchaseMatrix, labels: pd.Series | None = None) -> Scorer:
    """Fit a method to purchases.

    Parameters
    ----------
    name : {"EASE", "item-kNN", "recent popularity", "lasting popularity", "segment popularity", "own history"}
        Own history scores only products that the customer bought before.
    purchases : PurchaseMatrix
    labels : Series, optional
        Segment of each customer by id; needed for segment popularity. Customers without one, or outside (−1), get
        what is popular in the shop.

    Returns
    -------
    Scorer
        Answers do not depend on the other customers that are asked about.

    Raises
    ------
    ValueError
        If the method is not known, or labels are missing.

    References
    ----------
    .. [1] Steck (2019), Embarrassingly Shallow Autoencoders for Sparse Data, WWW.
    .. [2] Deshpande & Karypis (2004), Item-based top-N recommendation algorithms, ACM TOIS 22.
    """
    if name not in METHODS:
        raise ValueError(f"The method {name!r} is not known.{choose_from(name, METHODS)}")
    if name == SEGMENT_POPULARITY:
        if labels is None:
            raise ValueError("Popularity by segment needs labels, the segment of each customer.")
        return _segment_popularity(purchases, labels)
    return METHODS[name](purchases)


@dataclass(frozen=True, eq=False)
class ItemWeights:
    """Scores that are sums of weights of the products that a customer bought.

    Attributes
    ----------
    known : csr_array of shape (n_customers, n_scored)
        What each customer bought of the scored products, recent purchases counting more.
    weights : ndarray or csr_array of shape (n_scored, n_scored)
    scored : ndarray of int
        Places of the scored products among all.
    n_products : int
    """

    known: sparse.csr_array
    weights: np.ndarray | sparse.csr_array
    scored: np.ndarray
    n_products: int

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Return the scores of all products for some customers."""
        found = self.known[rows] @ self.weights
        found = found.toarray() if sparse.issparse(found) else found
        if len(self.scored) == self.n_products:
            return found
        every = np.full((len(rows), self.n_products), -np.inf, dtype=found.dtype)
        every[:, self.scored] = found
        return every


@dataclass(frozen=True, eq=False)
class Popularity:
    """Scores that all customers of a segment share.

    Attributes
    ----------
    shares : ndarray of shape (n_segments, n_products)
        Share of the segment's customers who bought the product recently; the last row is the whole shop.
    place : ndarray of int, shape (n_customers,)
        Row of `shares` of each customer.
    """

    shares: np.ndarray
    place: np.ndarray

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Return the scores of all products for some customers."""
        return self.shares[self.place[rows]]


@dataclass(frozen=True, eq=False)
class OwnHistory:
    """Scores from what the customer bought before: how often and how lately, and how many others buy it now.

    Attributes
    ----------
    decayed : csr_array of shape (n_customers, n_products)
    """

    decayed: sparse.csr_array

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Return the scores of all products for some customers; −inf for products never bought."""
        chosen = self.decayed[rows]
        every = np.full(chosen.shape, -np.inf)
        every[np.repeat(np.arange(len(rows)), np.diff(chosen.indptr)), chosen.indices] = chosen.data
        return every


def _ease(purchases: PurchaseMatrix) -> ItemWeights:
    """Fit a linear model of each product on all others, with a ridge penalty and a diagonal of zero."""
    scored = _most_bought(purchases, EASE_PRODUCTS)
    known = _recent_weights(purchases)[:, scored].tocsr()
    inverse = _gram(known)
    diagonal = np.einsum("ii->i", inverse)
    diagonal += RIDGE * max(diagonal.mean(), np.finfo(float).tiny)
    _invert(inverse)
    inverse /= -diagonal.copy()
    np.fill_diagonal(inverse, 0.0)
    return ItemWeights(known, inverse.astype(np.float32), scored, len(purchases.products))


def _gram(known: sparse.csr_array) -> np.ndarray:
    """Return how often each two products are bought by the same customer, dense."""
    n = known.shape[1]
    turned = known.T.tocsr()
    gram = np.empty((n, n))
    for start in tqdm(range(0, n, COLUMNS), desc="EASE, counting pairs", delay=1, leave=False):
        gram[start : start + COLUMNS] = (turned[start : start + COLUMNS] @ known).toarray()
    return gram


def _invert(matrix: np.ndarray) -> None:
    """Invert a symmetric positive definite matrix in place, by sweeping blocks of columns.

    LAPACK would answer the same, but hears no Ctrl-C and shows no progress for half a minute.
    """
    n = len(matrix)
    with threadpool_limits(limits=1):
        for start in tqdm(range(0, n, COLUMNS), desc="EASE, solving", delay=1, leave=False):
            block = slice(start, min(start + COLUMNS, n))
            pivot = np.linalg.inv(matrix[block, block])
            columns = matrix[:, block] @ pivot
            old = matrix[block].copy()
            for top in range(0, n, COLUMNS):
                matrix[top : top + COLUMNS] -= columns[top : top + COLUMNS] @ old
            matrix[:, block] = columns
            matrix[block] = pivot @ old
            matrix[block, block] = -pivot
    np.negative(matrix, out=matrix)


def _item_knn(purchases: PurchaseMatrix) -> ItemWeights:
    """Compare products by the cosine of who bought them, shrunken by the buyers in common; keep the nearest ones."""
    scored = _most_bought(purchases, KNN_PRODUCTS)
    bought = purchases.bought[:, scored].tocsr()
    turned = bought.T.tocsr()
    buyers = purchases.buyers()[scored].astype(np.float64)
    n = len(scored)
    kept = []
    for start in tqdm(range(0, n, COLUMNS), desc="Comparing products", delay=1, leave=False):
        common = (turned[start : start + COLUMNS] @ bought).toarray().astype(np.float64)
        rows = np.arange(len(common))
        cosine = (
            common / np.sqrt(buyers[start : start + COLUMNS, None] * buyers) * (common / (common + SHRINKAGE))
        )
        cosine[rows, start + rows] = 0.0
        cosine[cosine == 0] = -np.inf
        near = top_products(cosine, NEIGHBOURS)
        row, rank = np.nonzero(near >= 0)
        place = near[row, rank]
        kept.append(
            sparse.csr_array((cosine[row, place].astype(np.float32), (row, place)), shape=cosine.shape)
        )
    weights = sparse.vstack(kept, format="csr").T.tocsr()
    known = _recent_weights(purchases)[:, scored].tocsr()
    return ItemWeights(known, weights, scored, len(purchases.products))


def _recent_popularity(purchases: PurchaseMatrix) -> Popularity:
    """Rank products by the share of customers who bought them recently."""
    shares = purchases.buyers(RECENT)[None, :] / len(purchases.customers)
    return Popularity(shares, np.zeros(len(purchases.customers), dtype=np.int64))


def _lasting_popularity(purchases: PurchaseMatrix) -> Popularity:
    """Rank products by who ever bought them, halved with each half-life: what EASE knows without any taste."""
    weights = 0.5 ** (purchases.last.data / HALF_LIFE)
    bought = np.bincount(purchases.last.indices, weights=weights, minlength=len(purchases.products))
    return Popularity(
        bought[None, :] / len(purchases.customers), np.zeros(len(purchases.customers), dtype=np.int64)
    )


def _segment_popularity(purchases: PurchaseMatrix, labels: pd.Series) -> Popularity:
    """Rank products by the share of the segment's customers who bought them recently, drawn towards the shop's."""
    found = labels.reindex(purchases.customers)
    codes, segments = pd.factorize(found.where(found != OUTSIDE), sort=True)
    place = np.where(codes < 0, len(segments), codes)
    recent = purchases.last.data <= RECENT
    row = np.repeat(place, np.diff(purchases.last.indptr))[recent]
    at = (row, purchases.last.indices[recent])
    shape = (len(segments) + 1, len(purchases.products))
    counts = sparse.coo_array((np.ones(len(row)), at), shape=shape).toarray()
    shop = counts.sum(axis=0) / len(purchases.customers)
    sizes = np.bincount(place, minlength=len(segments) + 1)[:, None]
    shares = (counts + PRIOR * shop) / (sizes + PRIOR)
    shares[-1] = shop
    return Popularity(shares, place)


def _own_history(purchases: PurchaseMatrix) -> OwnHistory:
    """Count a customer's orders of each product, halved with each half-life; more for what many buy now."""
    now = (purchases.buyers(RECENT) + 1) / len(purchases.customers)
    decayed = purchases.orders.data * 0.5 ** (purchases.last.data / HALF_LIFE)
    return OwnHistory(like(purchases.orders, decayed * now[purchases.orders.indices] ** NOW))


def _recent_weights(purchases: PurchaseMatrix) -> sparse.csr_array:
    """Return 1 for a purchase of today, halved with each half-life since."""
    return like(purchases.last, (0.5 ** (purchases.last.data / HALF_LIFE)).astype(np.float32))


def _most_bought(purchases: PurchaseMatrix, n: int) -> np.ndarray:
    """Return the places of the products that most customers bought, in order of places."""
    return np.sort(np.argsort(-purchases.buyers(), kind="stable")[:n])


EASE, ITEM_KNN = "EASE", "item-kNN"
RECENT_POPULARITY, LASTING_POPULARITY = "recent popularity", "lasting popularity"
SEGMENT_POPULARITY, OWN_HISTORY = "segment popularity", "own history"
METHODS: dict[str, Callable[..., Scorer]] = {
    RECENT_POPULARITY: _recent_popularity,
    LASTING_POPULARITY: _lasting_popularity,
    SEGMENT_POPULARITY: _segment_popularity,
    ITEM_KNN: _item_knn,
    EASE: _ease,
    OWN_HISTORY: _own_history,
}
