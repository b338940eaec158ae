"""Choose between what is bought together and what is popular, by the latest purchases held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from segkit.collect.events import Events
from segkit.tailor.products.methods import (
    EASE,
    EASE_PRODUCTS,
    ITEM_KNN,
    RECENT_POPULARITY,
    Scorer,
    fit_method,
)
from segkit.tailor.products.offered_products import without_returned
from segkit.tailor.products.purchase_matrix import PurchaseMatrix, purchase_matrix
from segkit.tailor.products.ranking import blocks, top_products

TOP = 10  # places that count in the check
SAMPLE = 2000  # customers that are checked
FEWEST = 30  # below, no gain can be seen
SURE = 1.645  # standard errors that a gain must have: one-sided 95 %


@dataclass(frozen=True)
class Choice:
    """The method for new products, and how it did on the latest purchases.

    Attributes
    ----------
    method : str
        "EASE", "item-kNN", "recent popularity" or "own history".
    verdict : str
        Why, in words.
    ndcg, ndcg_of_popularity : float
        NDCG@10 of what is bought together and of recent popularity; missing where not checked.
    customers : int
        How many were checked.
    """

    method: str
    verdict: str
    ndcg: float = float("nan")
    ndcg_of_popularity: float = float("nan")
    customers: int = 0

    @property
    def check(self) -> dict[str, float | int]:
        """The numbers of the check; empty where there was none."""
        if np.isnan(self.ndcg):
            return {}
        numbers = {"ndcg": self.ndcg, "ndcg_of_popularity": self.ndcg_of_popularity}
        return {**numbers, "customers": self.customers}


def choose_method(events: Events, begin: pd.Timestamp, cut: pd.Timestamp, end: pd.Timestamp) -> Choice:
    """Choose the method that recommends new products better, learnt before `cut` and checked on what came until `end`.

    Popularity is left only for a gain that is surely above 0 (one-sided 95 %), on at most 2,000 customers, spread
    evenly over the sorted ids.
    """
    if cut < begin + pd.Timedelta(days=1):
        return Choice(RECENT_POPULARITY, "popularity: the log is too short to check anything else")
    learnt = without_returned(events, cut, purchase_matrix(events, cut))
    later = purchase_matrix(events, end, window=end - cut)
    rows, relevant = _new_products(learnt, later)
    method = EASE if len(learnt.products) <= EASE_PRODUCTS else ITEM_KNN
    if len(learnt.products) < 2 or len(rows) < FEWEST:
        return Choice(
            RECENT_POPULARITY,
            f"popularity: too few customers bought products new to them since {cut:%Y-%m-%d} ({len(rows):,}) to check "
            "anything else",
            customers=len(rows),
        )
    found = {
        name: _ndcg(fit_method(name, learnt), learnt, rows, relevant) for name in (method, RECENT_POPULARITY)
    }
    gain = found[method] - found[RECENT_POPULARITY]
    sure = bool(gain.mean() > SURE * gain.std(ddof=1) / np.sqrt(len(gain)))
    ours, theirs = float(found[method].mean()), float(found[RECENT_POPULARITY].mean())
    compared = (
        f"NDCG@{TOP} {ours:.3f}, popularity {theirs:.3f}, for {len(rows):,} customers since {cut:%Y-%m-%d}"
    )
    verdict = f"{method}: {compared}" if sure else f"popularity: {method} shows no gain ({compared})"
    return Choice(method if sure else RECENT_POPULARITY, verdict, ours, theirs, len(rows))


def _new_products(learnt: PurchaseMatrix, later: PurchaseMatrix) -> tuple[np.ndarray, sparse.csr_array]:
    """Return rows of customers who have a history and later bought known products new to them, and those products."""
    row, column = learnt.customers.get_indexer(later.customers), learnt.products.get_indexer(later.products)
    pairs = later.orders.tocoo()
    known = (row[pairs.row] >= 0) & (column[pairs.col] >= 0)
    at = (row[pairs.row[known]], column[pairs.col[known]])
    bought = sparse.csr_array((np.ones(len(at[0])), at), shape=learnt.orders.shape)
    new = (bought - bought * learnt.bought).tocsr()
    new.eliminate_zeros()
    rows = np.flatnonzero((np.diff(new.indptr) > 0) & (np.diff(learnt.orders.indptr) > 0))
    if len(rows) > SAMPLE:
        rows = rows[np.linspace(0, len(rows) - 1, SAMPLE).astype(int)]
    return rows, new


def _ndcg(scorer: Scorer, learnt: PurchaseMatrix, rows: np.ndarray, relevant: sparse.csr_array) -> np.ndarray:
    """Return the NDCG@10 of each customer's new products."""
    discount = 1 / np.log2(np.arange(2, TOP + 2))
    gained, bought = [], learnt.bought
    for some in blocks(rows, len(learnt.products), "Checking methods on the latest purchases"):
        scores = scorer.scores(some)
        scores[bought[some].toarray() > 0] = -np.inf
        best = top_products(scores, TOP)
        hit = (best >= 0) & (np.take_along_axis(relevant[some].toarray(), np.maximum(best, 0), axis=1) > 0)
        most = np.minimum(np.diff(relevant.indptr)[some], TOP)
        gained.append((hit * discount).sum(axis=1) / np.cumsum(discount)[most - 1])
    return np.concatenate(gained)
