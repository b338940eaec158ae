"""List what is popular in each segment, and in the whole shop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from segkit.core.messages import counted
from segkit.methods.assignment import OUTSIDE
from segkit.methods.partition import Partition, labels_by_customer
from segkit.tailor.audiences.contacts import shown
from segkit.tailor.products.methods import RECENT_POPULARITY, SEGMENT_POPULARITY, fit_method
from segkit.tailor.products.purchase_matrix import PurchaseMatrix
from segkit.tailor.products.reasons import FEWEST

SHOP = "the shop"


@dataclass(frozen=True, eq=False)
class PopularProducts:
    """The popular products of segments, and in the last row of each array those of the shop.

    Attributes
    ----------
    names : list of str
        The segments, and "the shop".
    place : ndarray of int, shape (n_asked,)
        Row of each customer who is asked for; without a segment, the last.
    shares : ndarray of shape (n_segments + 1, n_products)
        Share of the customers who bought the product recently; of segments, drawn towards the shop's.
    buyers : ndarray of int, same shape
        Customers who ever bought it.
    customers : ndarray of int, shape (n_segments + 1,)
        Customers who bought anything.
    turns : ndarray, same shape as `shares`
        In whose turn a product comes: first those that are popular in the segment, then those popular in the shop.
    own : ndarray of int, shape (n_segments + 1,)
        How many turns are the segment's: products with five buyers or more there.
    """

    names: list[str]
    place: np.ndarray
    shares: np.ndarray
    buyers: np.ndarray
    customers: np.ndarray
    turns: np.ndarray
    own: np.ndarray


def popular_products(
    bought: PurchaseMatrix, liked: PurchaseMatrix, by: Partition | pd.Series | None, asked: pd.Index
) -> PopularProducts:
    """List the popular products of the segments of customers who bought anything, and of the shop.

    Parameters
    ----------
    bought, liked : PurchaseMatrix
        All purchases, which are counted; and those not sent back, which make a product popular.
    by : Segmentation or Series, optional
    asked : Index of str
        Customers who are asked for.

    Raises
    ------
    ValueError
        If `by` knows none of the customers who bought anything.
    """
    shop = fit_method(RECENT_POPULARITY, liked).scores(np.zeros(1, dtype=int))
    shares, names, place = shop, [SHOP], np.zeros(len(asked), dtype=int)
    segment_of = np.zeros(len(bought.customers), dtype=int)
    if by is not None:
        labels = labels_by_customer(by, "by")
        labels = labels[(labels != OUTSIDE).to_numpy()]
        codes, segments = pd.factorize(labels, sort=True)
        at = labels.index.get_indexer(bought.customers)
        present, first = np.unique(codes[at[at >= 0]], return_index=True)
        if not len(present):
            raise ValueError(
                f"by knows none of the {counted(len(bought.customers), 'customer')} who bought anything, such as "
                f"{shown(bought.customers[0])}. Pass the segments of these customers, by the same ids."
            )
        own = fit_method(SEGMENT_POPULARITY, liked, labels).scores(np.flatnonzero(at >= 0)[first])
        shares = np.concatenate([own, shop])
        names = [by.name_of(s) if isinstance(by, Partition) else str(s) for s in segments[present]] + names
        row_of = np.full(len(segments) + 1, len(present))
        row_of[present] = np.arange(len(present))
        codes = np.append(
            codes, len(segments)
        )  # the last is that of customers without a segment, whose place is −1
        segment_of = row_of[codes[at]]
        place = row_of[codes[labels.index.get_indexer(asked)]]
    buyers, customers = _buyers(bought, segment_of, len(names))
    turns, own_turns = _turns(shares, buyers)
    return PopularProducts(names, place, shares, buyers, customers, turns, own_turns)


def _buyers(bought: PurchaseMatrix, place: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return who bought each product by segment, in the last row of all, and who bought anything."""
    everyone = np.arange(len(place))
    inside = sparse.csr_array((np.ones(len(place)), (place, everyone)), shape=(n, len(place)))
    buyers = (inside @ bought.bought).toarray().astype(np.int64)
    customers = np.bincount(place, minlength=n)
    buyers[-1], customers[-1] = bought.buyers(), len(place)
    return buyers, customers


def _turns(shares: np.ndarray, buyers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return when each product comes in each segment, and how many of these turns are the segment's own."""
    n_products = shares.shape[1]
    shop = np.lexsort((np.arange(n_products), -buyers[-1], -shares[-1]))
    turns, own = np.empty(shares.shape, dtype=np.float32), np.zeros(len(shares), dtype=np.int64)
    turns[-1, shop] = np.arange(n_products)
    for row in range(len(shares) - 1):
        order = np.lexsort((turns[-1], -buyers[row], -shares[row]))
        known = buyers[row, order] >= FEWEST
        order = np.concatenate([order[known], shop[buyers[row, shop] < FEWEST]])
        turns[row, order], own[row] = np.arange(n_products), known.sum()
    return turns, own
