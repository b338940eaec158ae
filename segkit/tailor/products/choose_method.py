"""Choose between what is bought together and what is popular, by the latest purchases held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from segkit.collect.events import Events
from segkit.tailor.products.methods import (
    EASE,
    EASE_PRODUCTS,
    ITEM_KNN,
    LASTING_POPULARITY,
    RECENT_POPULARITY,
)
from segkit.tailor.products.offered_products import without_returned
from segkit.tailor.products.purchase_matrix import purchase_matrix
from segkit.tailor.products.ranking_measures import MEASURES, mean_interval
from segkit.tailor.products.scoreboard import LEAST, LEVEL, NEW, held_out_purchases, measure_methods

TOP = 10  # places that count in the check
SAMPLE = 2000  # customers that are checked


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
        NDCG@10 of what is bought together and of the better popularity; missing where not checked.
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

    Popularity is left only for a gain whose 95 % interval lies above 0, as in :func:`segkit.recommendation_scoreboard`,
    on at most 2,000 customers; over recent and over lasting popularity, since a method without any taste can beat the
    one that is measured on few purchases. Where the better of two methods is taken, its interval is that much wider.
    """
    if cut < begin + pd.Timedelta(days=1):
        return Choice(RECENT_POPULARITY, "popularity: the log is too short to check anything else")
    learnt = without_returned(events, cut, purchase_matrix(events, cut))
    later = purchase_matrix(events, end, window=end - cut)
    methods = (EASE,) if len(learnt.products) <= EASE_PRODUCTS else (EASE, ITEM_KNN)
    test = held_out_purchases(learnt, later, SAMPLE)
    popular = (RECENT_POPULARITY, LASTING_POPULARITY)
    found = measure_methods((*popular, *methods), learnt, test, None, TOP)[NEW]
    ndcg = {name: values[:, MEASURES.index("ndcg")] for name, values in found.items()}
    method = max(methods, key=lambda name: ndcg[name].sum())
    customers = len(ndcg[method])
    if customers < LEAST:
        return Choice(
            RECENT_POPULARITY,
            f"popularity: too few customers bought products new to them since {cut:%Y-%m-%d} ({customers:,}) to check "
            "anything else",
            customers=customers,
        )
    ours, theirs = float(ndcg[method].mean()), max(float(ndcg[name].mean()) for name in popular)
    ahead = np.column_stack([ndcg[method] - ndcg[name] for name in popular])
    _, low, _ = mean_interval(ahead, 1 - (1 - LEVEL) / len(methods))
    compared = (
        f"NDCG@{TOP} {ours:.3f}, popularity {theirs:.3f}, for {customers:,} customers since {cut:%Y-%m-%d}"
    )
    if (low > 0).all():
        return Choice(method, f"{method}: {compared}", ours, theirs, customers)
    return Choice(
        RECENT_POPULARITY, f"popularity: {method} shows no gain ({compared})", ours, theirs, customers
    )
