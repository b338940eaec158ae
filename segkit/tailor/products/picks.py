"""Pick products for customers, in blocks: the best scored ones first, then the popular ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from segkit.tailor.products.methods import ItemWeights, OwnHistory
from segkit.tailor.products.popular_products import PopularProducts
from segkit.tailor.products.purchase_matrix import PurchaseMatrix
from segkit.tailor.products.ranking import blocks, top_products
from segkit.tailor.products.reasons import strongest_own

SCORED, NOWHERE = -1, -2


@dataclass(frozen=True, eq=False)
class Picks:
    """The products picked for each customer who is asked for, the best first; filled in place.

    Attributes
    ----------
    asked : Index of str
        The customers.
    rows : ndarray of int, shape (n_asked,)
        Their rows in the purchases; −1 for who bought nothing.
    has_history : ndarray of bool, shape (n_asked,)
        Who bought anything without sending it back.
    bought : PurchaseMatrix
        All purchases.
    offered : ndarray of bool, shape (n_products,)
        What can be recommended.
    product : ndarray of int, shape (n_asked, n)
        Columns of products; −1 where there is none.
    score : ndarray of float, same shape
    own : ndarray of int, same shape
        The own product that adds most to the score; −1 where there is none.
    source : ndarray of int, same shape
        SCORED, or the row of the popular products that it comes from.
    """

    asked: pd.Index
    rows: np.ndarray
    has_history: np.ndarray
    bought: PurchaseMatrix
    offered: np.ndarray
    product: np.ndarray
    score: np.ndarray
    own: np.ndarray
    source: np.ndarray

    @classmethod
    def none(
        cls, asked: pd.Index, bought: PurchaseMatrix, liked: PurchaseMatrix, offered: np.ndarray, n: int
    ) -> Picks:
        """Return no picks yet, with places for `n` products each."""
        rows = bought.customers.get_indexer(asked)
        has_history = np.append(np.diff(liked.orders.indptr) > 0, False)[rows]
        shape = (len(asked), n)
        return cls(
            asked,
            rows,
            has_history,
            bought,
            offered,
            product=np.full(shape, -1, dtype=np.int32),
            score=np.full(shape, np.nan),
            own=np.full(shape, -1, dtype=np.int32),
            source=np.full(shape, NOWHERE, dtype=np.int32),
        )

    def add_scored(self, scorer: ItemWeights) -> None:
        """Pick the new products with the highest scores above 0, for customers with a history."""
        for some in self._blocks(self.has_history, "Scoring products"):
            scores = scorer.scores(self.rows[some])
            self._close(scores, some)
            scores[~(scores > 0)] = -np.inf
            best = top_products(scores, self.product.shape[1])
            who, rank = np.nonzero(best >= 0)
            at, column = (some[who], rank), best[who, rank]
            self.product[at], self.score[at], self.source[at] = column, scores[who, column], SCORED
            within = np.searchsorted(scorer.scored, column)
            strongest = strongest_own(scorer.known, scorer.weights, self.rows[some][who], within)
            self.own[at] = scorer.scored[strongest]

    def add_history(self, history: OwnHistory) -> None:
        """Pick the products with the highest scores among those that customers bought before."""
        for some in self._blocks(self.has_history, "Scoring products"):
            scores: sparse.csr_array = history.decayed[self.rows[some]]
            who = np.repeat(np.arange(len(some)), np.diff(scores.indptr))
            there = self.offered[scores.indices]
            who, column, score = who[there], scores.indices[there], scores.data[there]
            order = np.lexsort((column, -score, who))
            who, column, score = who[order], column[order], score[order]
            rank = np.arange(len(who)) - np.searchsorted(who, who)
            kept = rank < self.product.shape[1]
            at = (some[who[kept]], rank[kept])
            self.product[at], self.score[at], self.source[at] = column[kept], score[kept], SCORED

    def add_popular(self, popular: PopularProducts, *, again: bool) -> None:
        """Fill empty places with popular products; what to buy again is only filled for customers without a history."""
        n = self.product.shape[1]
        lacking = ~self.has_history if again else self.product[:, -1] < 0
        shop = len(popular.names) - 1
        for some in self._blocks(lacking, "Adding popular products"):
            place = np.where(self.has_history[some], shop, popular.place[some])
            order = -popular.turns[place]
            self._close(order, some)
            who, rank = np.nonzero(self.product[some] >= 0)
            order[who, self.product[some][who, rank]] = -np.inf
            best = top_products(order, n)
            who, turn = np.nonzero(best >= 0)
            rank = turn + (self.product[some] >= 0).sum(axis=1)[who]
            who, turn, rank = who[rank < n], turn[rank < n], rank[rank < n]
            at, column = (some[who], rank), best[who, turn]
            of_segment = popular.turns[place[who], column] < popular.own[place[who]]
            source = np.where(of_segment, place[who], shop)
            self.product[at], self.source[at] = column, source
            self.score[at] = popular.shares[source, column]

    def _blocks(self, chosen: np.ndarray, what: str) -> Iterator[np.ndarray]:
        return blocks(np.flatnonzero(chosen), len(self.offered), what)

    def _close(self, scores: np.ndarray, some: np.ndarray) -> None:
        """Close the products that are not offered, and those that a customer bought before."""
        scores[:, ~self.offered] = -np.inf
        known = np.flatnonzero(self.rows[some] >= 0)
        bought: sparse.csr_array = self.bought.orders[self.rows[some][known]]
        scores[np.repeat(known, np.diff(bought.indptr)), bought.indices] = -np.inf
