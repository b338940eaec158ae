"""Compare methods of recommending products on the last period of the log, which they were not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from segkit.collect.events import Events, checked_events
from segkit.core.checks import check_count
from segkit.core.messages import counted
from segkit.core.moments import read_moment, read_span
from segkit.methods.partition import Partition, labels_by_customer
from segkit.tailor.products.methods import (
    EASE,
    ITEM_KNN,
    LASTING_POPULARITY,
    OWN_HISTORY,
    RECENT_POPULARITY,
    SEGMENT_POPULARITY,
    fit_method,
)
from segkit.tailor.products.products_or_categories import products_of
from segkit.tailor.products.purchase_matrix import PurchaseMatrix, purchase_matrix
from segkit.tailor.products.ranking import blocks, top_products
from segkit.tailor.products.ranking_measures import MEASURES, mean_interval, ranking_measures

NEW, AGAIN = "new", "again"
LEVEL = 0.95
LEAST = 30  # customers, below which nothing is said
SLIGHT = 0.1  # of the yardstick's NDCG: a gain that would change little
MOST = 20_000  # customers that are tested; more make intervals no narrower than matters


def recommendation_scoreboard(
    events: Events,
    *,
    as_of: str | pd.Timestamp,
    horizon: str | timedelta,
    by: Partition | pd.Series | None = None,
    n: int = 10,
    of: str = "product_id",
) -> pd.DataFrame:
    """Compare methods of recommending products on purchases that they have not seen.

    Methods learn from purchases before `as_of` − `horizon`, recommend `n` products to each customer, and are compared
    with what the customer bought in the `horizon` before `as_of`.

    Parameters
    ----------
    events : Events
        The log; returns are no purchases.
    as_of : str or Timestamp
        Only events before it count.
    horizon : str or timedelta
        How long customers had time to buy, such as ``"28 days"``.
    by : Segmentation or Series, optional
        Segments of customers, to see whether what is popular in a segment suits its customers better than what is
        popular in the shop. A Series holds labels by customer. Make them as of `as_of` − `horizon`, so that they do
        not know the purchases that are tested.
    n : int, default=10
        Products recommended to each customer.
    of : {"product_id", "category"}, default="product_id"
        What to recommend.

    Returns
    -------
    DataFrame
        A row for each goal and method. `goal`: "new" (products that the customer never bought before) or "again"
        (products bought before); `method`; `customers` (who bought such products in the test); `recall` (share of what
        they bought that was recommended), `ndcg` (the same, with more weight for higher ranks, 0 to 1) and `hit` (share
        of customers who bought any recommended product), each with its 95 % interval, as `recall_low` and
        `recall_high`; `gain` (NDCG beyond that of recent popularity) with `gain_low`, `gain_high`, paired by customer;
        and `verdict` in words. A method is better only if it also surely beats lasting popularity. Recent popularity
        counts 28 days; lasting popularity all purchases, halved with each 91 days: a method that knows no taste, and
        merely counts over a longer time, does as well. ``.attrs["segkit"]["best"]`` names the best method of each goal:
        recent popularity, unless another is surely better.

    Raises
    ------
    ValueError
        If events do not know products, nobody bought any before or within the horizon, or no customer of `by` did.

    Notes
    -----
    Only customers with a purchase before the test are tested; the others are counted in ``.attrs["segkit"]``. Products
    first sold in the test count among what customers bought, though no method can know them. Of more than 20,000
    customers, 20,000 drawn at random are tested. EASE compares the 6,000 products with the most buyers, item-kNN
    20,000. Taste of segments is judged by new products only: among products bought before, a segment also tells what
    the customer bought.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> pairs = [("tea", "cup"), ("rum", "ice")] * 40  # who buys tea buys cups later
    >>> lines = [(f"c{i:02}", "2024-01-01", first) for i, (first, then) in enumerate(pairs)]
    >>> lines += [(f"c{i:02}", "2024-01-20", then) for i, (first, then) in enumerate(pairs) if i < 40]
    >>> lines += [(f"c{i:02}", "2024-02-10", then) for i, (first, then) in enumerate(pairs) if i >= 40]
    >>> events = sg.read_events(pd.DataFrame(lines, columns=["customer_id", "timestamp", "product_id"]),
    ...                         kind="purchase")
    >>> board = sg.recommendation_scoreboard(events, as_of="2024-03-01", horizon="28 days", n=1)
    >>> board.loc[board["goal"] == "new", ["method", "customers", "hit", "verdict"]]
                   method  customers  hit                        verdict
    0   recent popularity         40  0.5                  the yardstick
    1  lasting popularity         40  0.0   worse than recent popularity
    2            item-kNN         40  1.0  better than recent popularity
    3                EASE         40  1.0  better than recent popularity
    """
    checked_events(events)
    events = products_of(events, of)
    labels = None if by is None else labels_by_customer(by, "by")
    moment, span = read_moment(as_of), read_span(horizon, "horizon")
    check_count("n", n, 1)
    split = moment - span
    if split <= events.first:
        raise ValueError(
            f"The log begins at {events.first}, and horizon={str(horizon)!r} before {moment} leaves nothing before it "
            "to learn from. Say a shorter horizon, or a later as_of."
        )
    known = purchase_matrix(events, split)
    later = purchase_matrix(events, moment, window=span)
    _check_labels(labels, known)
    test = held_out_purchases(known, later, MOST)
    segments = () if labels is None else (SEGMENT_POPULARITY,)
    names = (RECENT_POPULARITY, LASTING_POPULARITY, *segments, ITEM_KNN, EASE, OWN_HISTORY)
    measured = measure_methods(names, known, test, labels, n)
    late = isinstance(by, Partition) and _made_after(by, split)
    rows = pd.DataFrame([row for goal in (NEW, AGAIN) for row in _rows(goal, measured[goal], late)])
    table = rows.drop(columns="sure")
    table.attrs["segkit"] = {
        "as_of": moment.isoformat(),
        "learnt_before": split.isoformat(),
        "n": n,
        "level": LEVEL,
        "best": {goal: _best(rows[rows["goal"] == goal]) for goal in (NEW, AGAIN)},
        "customers": {
            "tested": len(test.rows),
            "not_drawn": test.not_drawn,
            "without_history": test.without_history,
        },
    }
    return table


@dataclass(frozen=True, eq=False)
class TestSet:
    """What the tested customers bought: `rows` of the matrix, `bought` of known products, and how many `unknown`."""

    rows: np.ndarray
    bought: sparse.csr_array
    unknown: np.ndarray
    without_history: int
    not_drawn: int


def held_out_purchases(known: PurchaseMatrix, later: PurchaseMatrix, most: int = MOST) -> TestSet:
    """Line up the test's purchases with the rows and columns of what was known, for at most `most` customers."""
    row = known.customers.get_indexer(later.customers)
    column = known.products.get_indexer(later.products)
    chosen = np.flatnonzero(row >= 0)
    drawn = chosen
    if len(chosen) > most:
        drawn = np.sort(np.random.default_rng(0).choice(chosen, most, replace=False))
    bought = later.bought[drawn].tocoo()
    at = column[bought.col]
    shape = (len(drawn), len(known.products))
    place = (bought.row[at >= 0], at[at >= 0])
    return TestSet(
        row[drawn],
        sparse.csr_array((np.ones(len(place[0]), dtype=bool), place), shape=shape),
        np.bincount(bought.row[at < 0], minlength=len(drawn)),
        int((row < 0).sum()),
        len(chosen) - len(drawn),
    )


def measure_methods(
    names: Sequence[str], known: PurchaseMatrix, test: TestSet, labels: pd.Series | None, n: int
) -> dict[str, dict[str, np.ndarray]]:
    """Return the measures of each tested customer, by goal and method; own history knows nothing of new products."""
    found: dict[str, dict[str, np.ndarray]] = {NEW: {}, AGAIN: {}}
    for name in names:
        scorer = fit_method(name, known, labels)
        goals = (AGAIN,) if name == OWN_HISTORY else (NEW, AGAIN)
        parts: dict[str, list[np.ndarray]] = {goal: [] for goal in goals}
        for at in blocks(np.arange(len(test.rows)), len(known.products), f"Testing {name}"):
            scores = scorer.scores(test.rows[at])
            before = known.orders[test.rows[at]].toarray() > 0
            after = test.bought[at].toarray()
            for goal in goals:
                allowed = before if goal == AGAIN else ~before
                relevant = after & allowed
                total = relevant.sum(axis=1) + (test.unknown[at] if goal == NEW else 0)
                bought = np.flatnonzero(total > 0)
                best = top_products(np.where(allowed, scores, -np.inf)[bought], n)
                parts[goal].append(ranking_measures(best, relevant[bought], total[bought]))
        for goal in goals:
            found[goal][name] = np.concatenate(parts[goal]) if parts[goal] else np.empty((0, len(MEASURES)))
    return found


def _rows(goal: str, measured: dict[str, np.ndarray], late: bool) -> list[dict[str, Any]]:
    """Return a row for each method: its measures, and its gain in NDCG over recent popularity."""
    rows = []
    ndcg = MEASURES.index("ndcg")
    for name, values in measured.items():
        row: dict[str, Any] = {"goal": goal, "method": name, "customers": len(values)}
        for measure, mean, low, high in zip(MEASURES, *mean_interval(values, LEVEL), strict=True):
            row |= {
                measure: mean,
                f"{measure}_low": np.maximum(low, 0),
                f"{measure}_high": np.minimum(high, 1),
            }
        ahead = {
            other: mean_interval(values[:, [ndcg]] - measured[other][:, [ndcg]], LEVEL)
            for other in (RECENT_POPULARITY, LASTING_POPULARITY)
            if other in measured
        }
        gain, low, high = (float(x[0]) for x in ahead[RECENT_POPULARITY])
        row |= {"gain": gain, "gain_low": low, "gain_high": high}
        sure = all(found[1][0] > 0 for other, found in ahead.items() if other != name)
        row["sure"] = sure and name != RECENT_POPULARITY
        slight = SLIGHT * float(measured[RECENT_POPULARITY][:, ndcg].mean()) if len(values) else np.nan
        row["verdict"] = _verdict(goal, name, len(values), (low, high), slight, sure, late)
        rows.append(row)
    return rows


def _verdict(
    goal: str,
    name: str,
    customers: int,
    gain: tuple[float, float],
    slight: float,
    sure: bool,
    late: bool,
) -> str:
    """Say what the interval of a gain means; no taste is only said where more than a slight gain is ruled out."""
    low, high = gain
    if name == RECENT_POPULARITY:
        return "the yardstick"
    if customers < LEAST:
        return f"not known: {counted(customers, 'customer is', 'customers are')} too few to tell"
    if name == SEGMENT_POPULARITY and goal == NEW:
        note = ". They were made later, and know the test period" if late else ""
        if low > 0:
            return f"your segments carry taste: what is popular in them is a better guide{note}"
        if high > slight:
            return f"it cannot be seen whether your segments carry taste: too few purchases{note}"
        return f"your segments carry no taste: what is popular in them is no better guide{note}"
    if low > 0:
        return "better than recent popularity" if sure else "no better than lasting popularity"
    return "worse than recent popularity" if high < 0 else "no better than recent popularity"


def _best(rows: pd.DataFrame) -> str:
    """Return the method with the highest NDCG among those that are surely better than what is popular."""
    better = rows[rows["sure"] & (rows["customers"] >= LEAST)]
    return str(better.loc[better["ndcg"].idxmax(), "method"]) if len(better) else RECENT_POPULARITY


def _made_after(result: Partition, split: pd.Timestamp) -> bool:
    """Return whether segments were made from features that know the test period."""
    made = result.provenance.get("as_of")
    return made is not None and read_moment(made) > split


def _check_labels(labels: pd.Series | None, known: PurchaseMatrix) -> None:
    """Refuse labels of customers who are not in the log."""
    if labels is None or labels.index.isin(known.customers).any():
        return
    if not len(labels):
        raise ValueError(
            "The segments of 'by' are empty: they hold no customer. Pass a segment for each customer."
        )
    raise ValueError(
        f"No customer of these segments bought anything before the test. Their ids look like {str(labels.index[0])!r}, "
        f"those of the log like {known.customers[0]!r}. Pass the log of these customers."
    )
