"""Foresee when a customer needs a product again: the last purchase and the usual gap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from segkit.collect.events import Events
from segkit.core.engine.connection import locked_engine, run_with_progress
from segkit.tailor.products.purchase_matrix import PurchaseMatrix, product_lines

SECONDS_A_DAY = 86_400
FEWEST = 5  # customers who bought a product again, from whom its usual gap is known
WORTH = 3  # how many gaps of the customer the usual gap of the product weighs as much as


@dataclass(frozen=True, eq=False)
class Gaps:
    """Days between purchases of a product, on different days.

    Attributes
    ----------
    median : csr_array of float, shape (n_customers, n_products)
        The customer's own median gap; 0 where there is none.
    count : csr_array of float, same pattern
        Of how many gaps.
    usual : ndarray of float, shape (n_products,)
        The product's usual gap: the median of the customers' own ones; missing where fewer than five bought it again.
    """

    median: sparse.csr_array
    count: sparse.csr_array
    usual: np.ndarray

    def own(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return customers' own median gaps of products, in days; missing where they bought on one day only."""
        days = np.asarray(self.median[rows, columns], dtype=float)
        return np.where(days > 0, days, np.nan)

    def expected(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return customers' own gaps, shrunk to the usual ones of the products, in days; missing where unknown."""
        own, usual = self.own(rows, columns), self.usual[columns]
        times = np.asarray(self.count[rows, columns], dtype=float)
        both = (times * own + WORTH * usual) / (times + WORTH)
        return np.where(np.isnan(own), usual, np.where(np.isnan(usual), own, both))


@locked_engine
def gaps_of(events: Events, moment: pd.Timestamp, bought: PurchaseMatrix) -> Gaps:
    """Measure the days between a customer's purchases of a product, before a moment.

    Several purchases on one day (UTC) are one.
    """
    lines = product_lines(events, moment)
    day = (lines.timestamp.epoch_seconds() / SECONDS_A_DAY).floor().cast("int64")
    days = lines.select("customer_id", "product_id", day=day).distinct()
    before = days.day.lag().over(group_by=["customer_id", "product_id"], order_by=days.day)
    steps = days.mutate(gap=days.day - before)
    steps = steps.filter(steps.gap.notnull())
    query = steps.group_by(["customer_id", "product_id"]).agg(median=steps.gap.median(), count=steps.count())
    found = run_with_progress(query, query.to_pandas, "Measuring gaps between purchases")
    row = bought.customers.get_indexer(found["customer_id"])
    column = bought.products.get_indexer(found["product_id"])
    median = found["median"].to_numpy(dtype=float)
    shape = (len(bought.customers), len(bought.products))
    by_product = pd.Series(median).groupby(column).agg(["median", "size"])
    usual = np.full(shape[1], np.nan)
    known = by_product[by_product["size"] >= FEWEST]
    usual[known.index.to_numpy()] = known["median"]
    return Gaps(
        sparse.csr_array((median, (row, column)), shape=shape),
        sparse.csr_array((found["count"].to_numpy(dtype=float), (row, column)), shape=shape),
        usual,
    )


def due_dates(last: pd.Series, gap: np.ndarray) -> pd.Series:
    """Return the days of the next purchases: the days of the last ones and the gaps; missing where unknown.

    Examples
    --------
    >>> due_dates(pd.Series(pd.to_datetime(["2024-05-02 18:00", "2024-05-02 00:00"])), np.array([8.6, np.nan])).tolist()
    [Timestamp('2024-05-11 00:00:00'), NaT]
    """
    return last.dt.normalize() + pd.to_timedelta(np.round(gap), unit="D")


def words_of_history(
    times: np.ndarray, last: pd.Series, own: np.ndarray, due: pd.Series, moment: pd.Timestamp
) -> np.ndarray:
    """Return in words how often products were bought, when last, and by how much they are overdue.

    Examples
    --------
    >>> last = pd.Series(pd.to_datetime(["2024-05-02", "2024-05-02"]))
    >>> due = due_dates(last, np.array([9.0, np.nan]))
    >>> for words in words_of_history(np.array([7, 1]), last, np.array([9.0, np.nan]), due, pd.Timestamp("2024-05-20")):
    ...     print(words)
    bought 7 times, about every 9 days; last on 2024-05-02; 9 days overdue
    bought once, on 2024-05-02
    """
    late = (moment.normalize() - due).dt.days
    kinds = pd.DataFrame(
        {
            "times": times.astype("int64"),
            "last": last.dt.normalize().to_numpy(),
            "own": np.where(np.isnan(own), 0, np.maximum(np.round(np.nan_to_num(own)), 1)).astype("int64"),
            "late": late.fillna(0).clip(lower=0).astype("int64").to_numpy(),
        }
    )
    codes = kinds.groupby(list(kinds.columns), sort=False).ngroup().to_numpy()
    different = kinds[~kinds.duplicated()]
    words = [_in_words(*row) for row in different.itertuples(index=False)]
    return np.array(words, dtype=object)[codes]


def _in_words(times: int, last: pd.Timestamp, own: int, late: int) -> str:
    on = f"{last:%Y-%m-%d}"
    if times == 1:
        said = f"bought once, on {on}"
    else:
        every = f", about every {_days(own)}" if own else ""
        said = f"bought {times:,} times{every}; last on {on}"
    return said + (f"; {_days(late, 'day')} overdue" if late else "")


def _days(n: int, one: str = "") -> str:
    return f"{n:,} days" if n != 1 else f"1 {one}" if one else "day"
