"""Time segkit's features against one hand-written DuckDB query for the same features, in one run.

    python benchmarks/features.py 10_000_000            # lines; the file is generated once
    python benchmarks/features.py 10_000_000 --memory 2GB

Prints the wall time of each (the best of three, alternating), their ratio, the largest relative
difference between the two answers, the peak memory and the machine's load.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from generate import make_purchase_lines

import segkit as sg
from segkit._engine import engine, run
from segkit.features import feature_query

AS_OF = pd.Timestamp("2025-01-01")

BY_HAND = """
WITH lines AS (
    SELECT customer_id, order_id, product_id, category, quantity, quantity * price AS amount, discount,
           date_diff('microsecond', timestamp, TIMESTAMP '{as_of}') / 86400000000.0 AS days_ago
    FROM '{path}'
    WHERE timestamp < TIMESTAMP '{as_of}'
), orders AS (
    SELECT customer_id, order_id, max(days_ago) AS days_ago, sum(amount) AS amount, sum(quantity) AS items,
           sum(discount) AS discount
    FROM lines WHERE amount >= 0
    GROUP BY customer_id, order_id
), by_orders AS (
    SELECT customer_id, min(days_ago) AS recency, count(*) AS frequency, sum(amount) AS monetary,
           max(days_ago) AS tenure, (max(days_ago) - min(days_ago)) / nullif(count(*) - 1, 0) AS gap_mean,
           min(days_ago) / nullif((max(days_ago) - min(days_ago)) / nullif(count(*) - 1, 0), 0) AS overdue,
           avg(amount) AS average_order_value, avg(items) AS items_per_order,
           sum(discount) / nullif(sum(amount) + sum(discount), 0) AS discount_share,
           count(*) FILTER (days_ago <= 91) AS orders_now,
           count(*) FILTER (days_ago > 91 AND days_ago <= 182) AS orders_before,
           coalesce(sum(amount) FILTER (days_ago <= 91), 0) AS spend_now,
           coalesce(sum(amount) FILTER (days_ago > 91 AND days_ago <= 182), 0) AS spend_before,
           coalesce(sum(amount) FILTER (floor(days_ago / 7) < 26), 0) AS spent,
           coalesce(sum(amount * floor(days_ago / 7)) FILTER (floor(days_ago / 7) < 26), 0) AS moment,
           least(floor(max(days_ago) / 7) + 1, 26) AS weeks
    FROM orders GROUP BY customer_id
), gaps AS (
    SELECT customer_id, lag(days_ago) OVER (PARTITION BY customer_id ORDER BY days_ago DESC) - days_ago AS days
    FROM orders
), by_gaps AS (
    SELECT customer_id, median(days) AS gap_median, stddev_samp(days) AS gap_std,
           stddev_samp(days) / nullif(avg(days), 0) AS gap_cv, max(days) AS gap_max
    FROM gaps WHERE days IS NOT NULL GROUP BY customer_id
), by_products AS (
    SELECT customer_id, count(DISTINCT product_id) AS variety FROM lines WHERE amount >= 0 GROUP BY customer_id
), categories AS (
    SELECT customer_id, category, count(*) AS lines
    FROM lines WHERE category IS NOT NULL AND amount >= 0 GROUP BY customer_id, category
), by_categories AS (
    SELECT customer_id, count(*) AS category_count,
           log2(sum(lines)) - sum(lines * log2(lines)) / sum(lines) AS category_entropy,
           max(lines) / sum(lines) AS top_category_share, max((lines, category))[2] AS top_category
    FROM categories GROUP BY customer_id
), by_lines AS (
    SELECT customer_id, -coalesce(sum(amount) FILTER (amount < 0), 0) / nullif(sum(amount) FILTER (amount >= 0), 0)
           AS return_rate
    FROM lines GROUP BY customer_id
)
SELECT customer_id, recency, frequency, monetary, tenure, gap_mean, gap_median, gap_std, gap_cv, gap_max, overdue,
       average_order_value, items_per_order, variety, category_count, category_entropy, top_category_share,
       top_category, discount_share, return_rate,
       CASE WHEN tenure >= 182 THEN (orders_now - orders_before) / nullif(orders_now + orders_before, 0) END
           AS orders_change,
       CASE WHEN tenure >= 182 THEN (spend_now - spend_before) / nullif(spend_now + spend_before, 0) END
           AS spend_change,
       CASE WHEN weeks >= 4 THEN -(moment - (weeks - 1) / 2 * spent) / nullif(weeks * (weeks * weeks - 1) / 12, 0) END
           AS spend_slope
FROM by_lines
LEFT JOIN by_orders USING (customer_id)
LEFT JOIN by_gaps USING (customer_id)
LEFT JOIN by_products USING (customer_id)
LEFT JOIN by_categories USING (customer_id)
"""


def measure(n_lines: int, memory: str, repeats: int) -> None:
    """Run both, alternating, and print what they took."""
    path = Path(tempfile.gettempdir()) / f"segkit_lines_{n_lines}.parquet"
    if not path.exists():
        make_purchase_lines(n_lines, path)
    by_hand = duckdb.connect(config={"temp_directory": tempfile.mkdtemp(prefix="segkit-hand-")})
    by_hand.execute(f"SET memory_limit = '{memory}'").fetchall()
    run(f"SET memory_limit = '{memory}'")
    query = BY_HAND.format(path=path, as_of=AS_OF)

    door, events = timed(lambda: sg.read_events(path, kind="purchase"))
    build, _ = timed(lambda: feature_query(events, sg.FAMILIES, as_of=AS_OF))
    ours, theirs, scans = [], [], []
    for _ in range(repeats):
        seconds, hand = timed(lambda: by_hand.sql(query).to_arrow_table())
        theirs.append(seconds)
        seconds, customers = timed(lambda: sg.customer_features(events, sg.FAMILIES, as_of=AS_OF))
        ours.append(seconds)
        scans.append(timed(lambda: engine().raw_sql(scan(path)).fetchall())[0])

    print(
        f"{n_lines:,} lines, {len(customers):,} customers, {customers.shape[1]} features, memory limit {memory}"
    )
    print(f"  door (once)      {door:7.2f} s")
    print(f"  building         {build:7.2f} s")
    print(f"  bare scan        {min(scans):7.2f} s")
    print(f"  DuckDB by hand   {min(theirs):7.2f} s   of {', '.join(f'{s:.2f}' for s in theirs)}")
    print(f"  segkit           {min(ours):7.2f} s   of {', '.join(f'{s:.2f}' for s in ours)}")
    print(f"  segkit / by hand {min(ours) / min(theirs):7.2f}")
    print(f"  largest relative difference {difference(customers, hand.to_pandas()):.1e}")
    print(
        f"  peak memory of the process  {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"
    )
    print(
        f"  load (1, 5, 15 min)         {', '.join(f'{x:.2f}' for x in os.getloadavg())}; {os.cpu_count()} cores"
    )


def scan(path: Path) -> str:
    """Return a query that reads the columns and does nothing with them."""
    columns = ("customer_id", "order_id", "product_id", "category")
    sums = ", ".join(f"sum(strlen({c}))" for c in columns)
    return f"SELECT {sums}, sum(quantity * price), sum(discount), max(epoch_us(timestamp)) FROM '{path}'"


def timed(work):
    """Return the seconds that some work took, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def difference(customers: pd.DataFrame, hand: pd.DataFrame) -> float:
    """Return the largest relative difference between the two answers; words must be equal."""
    hand = hand.set_index("customer_id").sort_index()[list(customers.columns)]
    numbers = customers.select_dtypes("number").columns
    if not (customers["top_category"].astype("str") == hand["top_category"].astype("str")).all():
        raise AssertionError("The two answers name different top categories.")
    a, b = customers[numbers].to_numpy(), hand[numbers].astype(float).to_numpy()
    if (np.isnan(a) != np.isnan(b)).any():
        raise AssertionError("The two answers miss different values.")
    return float(np.nanmax(np.abs(a - b) / np.maximum(np.abs(b), 1)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lines", type=lambda text: int(text.replace("_", "")), help="purchase lines")
    parser.add_argument("--memory", default="2GB", help="DuckDB's memory limit, for both (2GB)")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    measure(given.lines, given.memory, given.repeats)
