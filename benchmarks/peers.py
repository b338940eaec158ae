"""Compute 31 features of purchase lines by hand: in one DuckDB query, in polars, in pandas.

Each peer takes a Parquet file of ``generate.py`` and a moment, and returns one row for each customer. The code is what
an expert would write for speed and for this file only: sums of floats, returns marked by negative amounts, no row
refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FEATURES = (
    *("recency", "frequency", "monetary", "tenure"),
    *("gap_mean", "gap_median", "gap_std", "gap_cv", "gap_max", "overdue"),
    *("average_order_value", "items_per_order", "discount_share", "return_rate", "variety"),
    *("category_count", "category_entropy", "top_category_share", "top_category"),
    *("orders_change", "spend_change", "spend_slope"),
    *("orders_7d", "orders_30d", "orders_90d", "spend_7d", "spend_30d", "spend_90d"),
    *("repeat_product_share", "top_product_share", "weekend_order_share"),
)
"""The names, in the order of RFM, CADENCE, BASKET and TREND, and nine others."""

DAY = 86_400_000_000  # microseconds
QUARTER, WEEKS = 91, 26

SCAN = """
SELECT sum(strlen(customer_id)), sum(strlen(order_id)), sum(strlen(product_id)), sum(strlen(category)),
       sum(quantity * price), sum(discount), max(epoch_us(timestamp)) FROM '{path}'
"""
"""Read all columns once."""

BY_HAND = """
WITH lines AS (
    SELECT customer_id, order_id, product_id, category, quantity, quantity * price AS amount, discount, timestamp,
           epoch_us(TIMESTAMP '{as_of}') - epoch_us(timestamp) AS age
    FROM '{path}'
    WHERE timestamp < TIMESTAMP '{as_of}'
), orders AS (
    SELECT customer_id, max(age) / 86400000000 AS days_ago, min(timestamp) AS timestamp, sum(amount) AS amount,
           sum(quantity) AS items, sum(discount) AS discount
    FROM lines WHERE amount >= 0
    GROUP BY customer_id, order_id
), by_orders AS (
    SELECT customer_id, min(days_ago) AS recency, count(*) AS frequency, sum(amount) AS monetary,
           max(days_ago) AS tenure, (max(days_ago) - min(days_ago)) / nullif(count(*) - 1, 0) AS gap_mean,
           min(days_ago) / nullif((max(days_ago) - min(days_ago)) / nullif(count(*) - 1, 0), 0) AS overdue,
           avg(amount) AS average_order_value, avg(items) AS items_per_order,
           sum(discount) / nullif(sum(amount) + sum(discount), 0) AS discount_share,
           avg((isodow(timestamp) >= 6)::INT) AS weekend_order_share,
           count(*) FILTER (days_ago <= 7) AS orders_7d, coalesce(sum(amount) FILTER (days_ago <= 7), 0) AS spend_7d,
           count(*) FILTER (days_ago <= 30) AS orders_30d,
           coalesce(sum(amount) FILTER (days_ago <= 30), 0) AS spend_30d,
           count(*) FILTER (days_ago <= 90) AS orders_90d,
           coalesce(sum(amount) FILTER (days_ago <= 90), 0) AS spend_90d,
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
), products AS (
    SELECT customer_id, product_id, count(*) AS lines, max(age) > min(age) AS again
    FROM lines WHERE amount >= 0 AND product_id IS NOT NULL GROUP BY customer_id, product_id
), by_products AS (
    SELECT customer_id, count(*) AS variety, avg(again::INT) AS repeat_product_share,
           max(lines) / sum(lines) AS top_product_share
    FROM products GROUP BY customer_id
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
SELECT customer_id, recency, coalesce(frequency, 0) AS frequency, coalesce(monetary, 0) AS monetary, tenure,
       gap_mean, gap_median, gap_std, gap_cv, gap_max, overdue, average_order_value, items_per_order, discount_share,
       return_rate, coalesce(variety, 0) AS variety, coalesce(category_count, 0) AS category_count, category_entropy,
       top_category_share, top_category,
       CASE WHEN tenure >= 182 THEN (orders_now - orders_before) / nullif(orders_now + orders_before, 0) END
           AS orders_change,
       CASE WHEN tenure >= 182 THEN (spend_now - spend_before) / nullif(spend_now + spend_before, 0) END
           AS spend_change,
       CASE WHEN tenure >= 182 THEN -(moment - (weeks - 1) / 2 * spent) / (weeks * (weeks * weeks - 1) / 12) END
           AS spend_slope,
       coalesce(orders_7d, 0) AS orders_7d, coalesce(orders_30d, 0) AS orders_30d,
       coalesce(orders_90d, 0) AS orders_90d,
       coalesce(spend_7d, 0) AS spend_7d, coalesce(spend_30d, 0) AS spend_30d, coalesce(spend_90d, 0) AS spend_90d,
       repeat_product_share, top_product_share, weekend_order_share
FROM by_lines
LEFT JOIN by_orders USING (customer_id)
LEFT JOIN by_gaps USING (customer_id)
LEFT JOIN by_products USING (customer_id)
LEFT JOIN by_categories USING (customer_id)
"""


def with_duckdb(path: Path, as_of: str, memory: str, spill: str) -> pa.Table:
    """Return the features by one DuckDB query."""
    import duckdb

    with duckdb.connect(config={"temp_directory": spill, "memory_limit": memory}) as connection:
        return connection.sql(BY_HAND.format(path=path, as_of=as_of)).to_arrow_table()


def with_polars(path: Path, as_of: str, memory: str, spill: str) -> pa.Table:
    """Return the features by polars' streaming engine, which has no memory limit."""
    import polars as pl

    moment = pl.lit(as_of).str.to_datetime("%Y-%m-%d", time_unit="us")
    lines = (
        pl.scan_parquet(path)
        .filter(pl.col("timestamp") < moment)
        .with_columns(
            amount=pl.col("quantity") * pl.col("price"),
            age=(moment - pl.col("timestamp")).dt.total_microseconds(),
        )
    )
    bought = lines.filter(pl.col("amount") >= 0)
    orders = (
        bought.group_by("customer_id", "order_id")
        .agg(
            pl.col("age").max(),
            pl.col("timestamp").min(),
            pl.col("amount").sum(),
            pl.col("quantity").sum().alias("items"),
            pl.col("discount").sum(),
        )
        .with_columns(days_ago=pl.col("age") / DAY)
        .with_columns(week=(pl.col("days_ago") / 7).floor())
    )
    products = bought.drop_nulls("product_id").group_by("customer_id", "product_id")
    products = products.agg(
        pl.len().alias("lines"), (pl.col("age").max() > pl.col("age").min()).alias("again")
    )
    categories = (
        bought.drop_nulls("category").group_by("customer_id", "category").agg(pl.len().alias("lines"))
    )
    parts = [
        lines.group_by("customer_id").agg(_polars_returns(pl)),
        orders.group_by("customer_id").agg(*_polars_orders(pl)),
        products.group_by("customer_id").agg(
            pl.len().cast(pl.Float64).alias("variety"),
            pl.col("again").mean().alias("repeat_product_share"),
            (pl.col("lines").max() / pl.col("lines").sum()).alias("top_product_share"),
        ),
        categories.group_by("customer_id").agg(*_polars_categories(pl)),
    ]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.join(part, on="customer_id", how="left")
    return _polars_finished(joined, pl).collect(engine="streaming").to_arrow()


def _polars_returns(pl):
    amount = pl.col("amount")
    sold = amount.filter(amount >= 0).sum()
    back = -amount.filter(amount < 0).sum()
    return pl.when(sold != 0).then(back / sold).alias("return_rate")


def _polars_orders(pl):
    days, amount, discount = pl.col("days_ago"), pl.col("amount"), pl.col("discount")
    gaps = pl.col("age").sort().diff().drop_nulls() / DAY
    within = {"now": days <= QUARTER, "before": (days > QUARTER) & (days <= 2 * QUARTER)}
    within |= {f"{n}d": days <= n for n in (7, 30, 90)}
    recent = pl.col("week") < WEEKS
    yield from (
        days.min().alias("recency"),
        pl.len().cast(pl.Float64).alias("frequency"),
        days.max().alias("tenure"),
    )
    yield from (amount.sum().alias("monetary"), amount.mean().alias("average_order_value"))
    yield pl.col("items").mean().alias("items_per_order")
    yield (discount.sum() / (amount.sum() + discount.sum())).alias("discount_share")
    yield (pl.col("timestamp").dt.weekday() >= 6).mean().alias("weekend_order_share")
    yield from (gaps.median().alias("gap_median"), gaps.std().alias("gap_std"), gaps.max().alias("gap_max"))
    yield from (when.sum().cast(pl.Float64).alias(f"orders_{name}") for name, when in within.items())
    yield from (amount.filter(when).sum().alias(f"spend_{name}") for name, when in within.items())
    yield from (
        amount.filter(recent).sum().alias("spent"),
        (amount * pl.col("week")).filter(recent).sum().alias("moment"),
    )


def _polars_categories(pl):
    lines = pl.col("lines").cast(pl.Float64)
    yield pl.len().cast(pl.Float64).alias("category_count")
    yield (lines.sum().log(2) - (lines * lines.log(2)).sum() / lines.sum()).alias("category_entropy")
    yield (lines.max() / lines.sum()).alias("top_category_share")
    yield pl.col("category").sort_by("lines", "category").last().alias("top_category")


def _polars_finished(joined, pl):
    def col(name):
        return pl.when(pl.col(name) != 0).then(pl.col(name))

    orders = pl.col("frequency") - 1
    weeks = pl.min_horizontal((pl.col("tenure") / 7).floor() + 1, pl.lit(float(WEEKS)))
    slope = -(pl.col("moment") - (weeks - 1) / 2 * pl.col("spent")) / (weeks * (weeks * weeks - 1) / 12)
    joined = joined.with_columns(
        gap_mean=pl.when(orders > 0).then((pl.col("tenure") - pl.col("recency")) / orders),
        spend_slope=pl.when(pl.col("tenure") >= 2 * QUARTER).then(slope),
        **{f"{name}_change": _polars_change(pl, name) for name in ("orders", "spend")},
    )
    joined = joined.with_columns(
        gap_cv=pl.col("gap_std") / col("gap_mean"), overdue=pl.col("recency") / col("gap_mean")
    )
    zeros = [name for name in FEATURES if name.endswith("d") and name[-2].isdigit()]
    zeros += ["frequency", "monetary", "variety", "category_count"]
    return joined.with_columns(pl.col(*zeros).fill_null(0)).select("customer_id", *FEATURES)


def _polars_change(pl, name):
    now, before = pl.col(f"{name}_now"), pl.col(f"{name}_before")
    known = (pl.col("tenure") >= 2 * QUARTER) & (now + before != 0)
    return pl.when(known).then((now - before) / (now + before))


def with_pandas(path: Path, as_of: str, memory: str, spill: str) -> pd.DataFrame:
    """Return the features by pandas, which holds everything in memory."""
    import numpy as np
    import pandas as pd

    lines = pd.read_parquet(path)
    lines = lines[lines["timestamp"] < as_of]
    for word in ("customer_id", "product_id", "category"):  # group by number, not by text
        lines[word] = lines[word].astype("category")
    lines["amount"] = lines["quantity"] * lines["price"]
    lines["age"] = (pd.Timestamp(as_of) - lines["timestamp"]) // pd.Timedelta(1, "us")
    bought = lines[lines["amount"] >= 0]
    orders = bought.groupby(["customer_id", "order_id"], observed=True, sort=False).agg(
        age=("age", "max"),
        timestamp=("timestamp", "min"),
        amount=("amount", "sum"),
        items=("quantity", "sum"),
        discount=("discount", "sum"),
    )
    table = _pandas_orders(orders.reset_index(), np)
    returned = (
        -lines["amount"].where(lines["amount"] < 0, 0).groupby(lines["customer_id"], observed=True).sum()
    )
    table = table.reindex(returned.index)
    table["return_rate"] = returned / table["monetary"]
    products = bought.groupby(["customer_id", "product_id"], observed=True, sort=False)["age"]
    products = products.agg(lines="size", first="max", last="min").reset_index()
    products["again"] = products["first"] > products["last"]
    each = products.groupby("customer_id", observed=True)
    table["variety"], table["repeat_product_share"] = each.size(), each["again"].mean()
    table["top_product_share"] = each["lines"].max() / each["lines"].sum()
    _pandas_categories(bought, table, np)
    counts = [c for c in FEATURES if c.startswith(("orders_", "spend_")) and c.endswith("d")]
    counts += ["frequency", "monetary", "variety", "category_count"]
    table[counts] = table[counts].astype(float).fillna(0)
    return table[list(FEATURES)].reset_index()


def _pandas_orders(orders, np):
    orders = orders.sort_values(["customer_id", "age"])
    days = orders["days_ago"] = orders["age"] / DAY
    week = (days / 7) // 1
    orders["gap"] = orders["age"].diff().where(orders["customer_id"].eq(orders["customer_id"].shift())) / DAY
    orders["weekend"] = orders["timestamp"].dt.weekday >= 5
    within = {"now": days <= QUARTER, "before": (days > QUARTER) & (days <= 2 * QUARTER)}
    within |= {f"{n}d": days <= n for n in (7, 30, 90)}
    for name, when in within.items():
        orders[f"orders_{name}"] = when.astype("int64")
        orders[f"spend_{name}"] = orders["amount"].where(when, 0.0)
    orders["spent"] = orders["amount"].where(week < WEEKS, 0.0)
    orders["moment"] = orders["spent"] * week
    each = orders.groupby("customer_id", observed=True)
    sums = [c for c in orders if c.startswith(("orders_", "spend_")) or c in ("spent", "moment")]
    table = each[sums].sum()
    table["recency"], table["tenure"] = each["days_ago"].min(), each["days_ago"].max()
    table["frequency"], table["monetary"] = each.size(), each["amount"].sum()
    table["average_order_value"], table["items_per_order"] = each["amount"].mean(), each["items"].mean()
    discount = each["discount"].sum()
    table["discount_share"] = discount / (table["monetary"] + discount)
    table["weekend_order_share"] = each["weekend"].mean()
    gap = each["gap"]
    table["gap_median"], table["gap_std"], table["gap_max"] = gap.median(), gap.std(), gap.max()
    span = table["tenure"] - table["recency"]
    table["gap_mean"] = span / (table["frequency"] - 1).where(table["frequency"] > 1)
    mean = table["gap_mean"].where(table["gap_mean"] != 0)
    table["gap_cv"], table["overdue"] = table["gap_std"] / mean, table["recency"] / mean
    for name in ("orders", "spend"):
        now, before = table[f"{name}_now"], table[f"{name}_before"]
        known = (table["tenure"] >= 2 * QUARTER) & (now + before != 0)
        table[f"{name}_change"] = ((now - before) / (now + before)).where(known)
    weeks = np.minimum(table["tenure"] // 7 + 1, WEEKS)
    slope = -(table["moment"] - (weeks - 1) / 2 * table["spent"]) / (weeks * (weeks * weeks - 1) / 12)
    table["spend_slope"] = slope.where(table["tenure"] >= 2 * QUARTER)
    return table


def _pandas_categories(bought, table, np):
    lines = bought.groupby(["customer_id", "category"], observed=True).size().rename("lines").reset_index()
    lines["term"] = lines["lines"] * np.log2(lines["lines"])
    each = lines.groupby("customer_id", observed=True)
    total = each["lines"].sum()
    table["category_count"] = each.size()
    table["category_entropy"] = np.log2(total) - each["term"].sum() / total
    table["top_category_share"] = each["lines"].max() / total
    top = lines.sort_values(["customer_id", "lines", "category"]).drop_duplicates("customer_id", keep="last")
    table["top_category"] = top.set_index("customer_id")["category"].astype("str")


PEERS = {"DuckDB by hand": with_duckdb, "polars streaming": with_polars, "pandas": with_pandas}
"""The peers by name. Arguments: the file, the moment, DuckDB's memory limit, a folder for its temporary files."""
