"""Compute 31 features of events of all kinds by hand: in one DuckDB query, in polars, in pandas.

Each peer takes a Parquet file of ``generate.py`` and a moment, and returns one row for each customer. The code is what
an expert would write for speed and for this file only: sums of floats, each purchase an order, no row refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

PLAIN = (
    *("recency", "frequency", "monetary", "tenure", "average_order_value", "return_rate", "weekend_share"),
    *("orders_7d", "orders_30d", "orders_90d", "spend_7d", "spend_30d", "spend_90d"),
    *("searches", "cart_adds", "visits", "visits_30d", "visit_recency"),
    *("category_count", "category_entropy", "top_category_share", "device_count", "mobile_share"),
    *("spend_slope", "gap_mean", "gap_std", "gap_max"),
)
FEATURES = (*PLAIN, "visits_7d", "evening_share", "order_value_max", "orders_change")
"""The names: plain features, windows, visits, counts by category and device, the weekly slope, gaps."""

IN_VISITS = (*PLAIN, "pages_per_visit", "time_on_site", "bounce_rate", "conversion_rate")
"""Another 31, four of which describe what was done in each visit."""

DAY = 86_400_000_000  # microseconds
GAP = 1_800_000_000  # microseconds; a longer gap ends a visit
WEEKS = 26
SPANS = (7, 30, 90)  # days

SCAN = """
SELECT sum(strlen(customer_id)), sum(strlen(kind)), sum(strlen(category)), sum(strlen(device)), sum(amount),
       max(epoch_us(timestamp)) FROM '{path}'
"""
"""Read all columns once."""

BY_HAND = """
WITH events AS (
    SELECT customer_id, kind, category, device, amount, timestamp,
           epoch_us(TIMESTAMP '{as_of}') - epoch_us(timestamp) AS age
    FROM '{path}'
    WHERE timestamp < TIMESTAMP '{as_of}'
), by_events AS (
    SELECT customer_id, avg((isodow(timestamp) >= 6)::INT) AS weekend_share,
           avg((hour(timestamp) >= 18)::INT) AS evening_share,
           count(*) FILTER (kind = 'search') AS searches, count(*) FILTER (kind = 'cart_add') AS cart_adds,
           -coalesce(sum(amount) FILTER (kind = 'return'), 0) / nullif(sum(amount) FILTER (kind = 'purchase'), 0)
           AS return_rate
    FROM events GROUP BY customer_id
), orders AS (
    SELECT customer_id, age, age / 86400000000 AS days_ago, amount FROM events WHERE kind = 'purchase'
), by_orders AS (
    SELECT customer_id, min(days_ago) AS recency, count(*) AS frequency, sum(amount) AS monetary,
           max(days_ago) AS tenure, avg(amount) AS average_order_value, max(amount) AS order_value_max,
           (max(days_ago) - min(days_ago)) / nullif(count(*) - 1, 0) AS gap_mean,
           count(*) FILTER (days_ago <= 7) AS orders_7d, coalesce(sum(amount) FILTER (days_ago <= 7), 0) AS spend_7d,
           count(*) FILTER (days_ago <= 30) AS orders_30d,
           coalesce(sum(amount) FILTER (days_ago <= 30), 0) AS spend_30d,
           count(*) FILTER (days_ago <= 90) AS orders_90d,
           coalesce(sum(amount) FILTER (days_ago <= 90), 0) AS spend_90d,
           count(*) FILTER (days_ago <= 91) AS orders_now,
           count(*) FILTER (days_ago > 91 AND days_ago <= 182) AS orders_before,
           coalesce(sum(amount) FILTER (days_ago < 182), 0) AS spent,
           coalesce(sum(amount * floor(days_ago / 7)) FILTER (days_ago < 182), 0) AS moment
    FROM orders GROUP BY customer_id
), gaps AS (
    SELECT customer_id, lag(age) OVER (PARTITION BY customer_id ORDER BY age DESC) - age AS gap FROM orders
), by_gaps AS (
    SELECT customer_id, stddev_samp(gap / 86400000000) AS gap_std, max(gap) / 86400000000 AS gap_max
    FROM gaps WHERE gap IS NOT NULL GROUP BY customer_id
), categories AS (
    SELECT customer_id, category, count(*) AS n
    FROM events WHERE kind = 'purchase' AND category IS NOT NULL GROUP BY customer_id, category
), by_categories AS (
    SELECT customer_id, count(*) AS category_count, log2(sum(n)) - sum(n * log2(n)) / sum(n) AS category_entropy,
           max(n) / sum(n) AS top_category_share
    FROM categories GROUP BY customer_id
), devices AS (
    SELECT customer_id, device, count(*) AS n FROM events WHERE device IS NOT NULL GROUP BY customer_id, device
), by_devices AS (
    SELECT customer_id, count(*) AS device_count,
           coalesce(sum(n) FILTER (device ILIKE '%phone%'), 0) / sum(n) AS mobile_share
    FROM devices GROUP BY customer_id
{visits})
SELECT customer_id, recency, coalesce(frequency, 0) AS frequency, coalesce(monetary, 0) AS monetary, tenure,
       average_order_value, return_rate, weekend_share,
       coalesce(orders_7d, 0) AS orders_7d, coalesce(orders_30d, 0) AS orders_30d,
       coalesce(orders_90d, 0) AS orders_90d,
       coalesce(spend_7d, 0) AS spend_7d, coalesce(spend_30d, 0) AS spend_30d, coalesce(spend_90d, 0) AS spend_90d,
       coalesce(visits, 0) AS visits, coalesce(visits_30d, 0) AS visits_30d, visit_recency, searches, cart_adds,
       coalesce(category_count, 0) AS category_count, category_entropy, top_category_share,
       coalesce(device_count, 0) AS device_count, mobile_share,
       CASE WHEN tenure >= 182 THEN (12.5 * spent - moment) / (26 * (26 * 26 - 1) / 12) END AS spend_slope,
       gap_mean, gap_std, gap_max, {more}
FROM by_events
LEFT JOIN by_orders USING (customer_id)
LEFT JOIN by_gaps USING (customer_id)
LEFT JOIN by_categories USING (customer_id)
LEFT JOIN by_devices USING (customer_id)
LEFT JOIN by_visits USING (customer_id)
"""


VISITS = """), starts AS (
    SELECT customer_id, age, lag(age) OVER (PARTITION BY customer_id ORDER BY age DESC) - age AS idle
    FROM events WHERE kind != 'return'
), by_visits AS (
    SELECT customer_id, count(*) AS visits, count(*) FILTER (age <= 7 * 86400000000) AS visits_7d,
           count(*) FILTER (age <= 30 * 86400000000) AS visits_30d, min(age) / 86400000000 AS visit_recency
    FROM starts WHERE idle IS NULL OR idle > 1800000000 GROUP BY customer_id
"""
MORE = """coalesce(visits_7d, 0) AS visits_7d, evening_share, order_value_max,
       CASE WHEN tenure >= 182 THEN (orders_now - orders_before) / nullif(orders_now + orders_before, 0) END
           AS orders_change"""

DONE_IN_VISITS = """), starts AS (
    SELECT customer_id, age, kind,
           coalesce(lag(age) OVER (PARTITION BY customer_id ORDER BY age DESC) - age > 1800000000, true) AS begins
    FROM events WHERE kind != 'return'
), hits AS (
    SELECT customer_id, age, kind,
           sum(begins::INT) OVER (PARTITION BY customer_id ORDER BY age DESC RANGE UNBOUNDED PRECEDING) AS visit
    FROM starts
), visits AS (
    SELECT customer_id, max(age) AS age, nullif(max(age) - min(age), 0) AS stayed,
           count(*) FILTER (kind = 'page_view') AS pages, count(*) FILTER (kind != 'purchase') AS web,
           count(*) AS hits
    FROM hits GROUP BY customer_id, visit
), by_visits AS (
    SELECT customer_id, count(*) AS visits, count(*) FILTER (age <= 30 * 86400000000) AS visits_30d,
           min(age) / 86400000000 AS visit_recency,
           sum(pages) / nullif(count(*) FILTER (pages > 0), 0) AS pages_per_visit, avg(stayed) / 1e6 AS time_on_site,
           count(*) FILTER (pages = 1 AND hits = 1) / nullif(count(*) FILTER (pages > 0), 0) AS bounce_rate,
           avg((hits > web)::INT) AS conversion_rate
    FROM visits WHERE web > 0 GROUP BY customer_id
"""
MORE_OF_VISITS = "pages_per_visit, time_on_site, bounce_rate, conversion_rate"


def with_duckdb(path: Path, as_of: str, memory: str, spill: str, *, in_visits: bool = False) -> pa.Table:
    """Return the features by one DuckDB query."""
    import duckdb

    visits, more = (DONE_IN_VISITS, MORE_OF_VISITS) if in_visits else (VISITS, MORE)
    query = BY_HAND.format(path=path, as_of=as_of, visits=visits, more=more)
    with duckdb.connect(config={"temp_directory": spill, "memory_limit": memory}) as connection:
        return connection.sql(query).to_arrow_table()


def with_polars(path: Path, as_of: str, memory: str, spill: str, *, in_visits: bool = False) -> pa.Table:
    """Return the features by polars' streaming engine, which has no memory limit."""
    import polars as pl

    moment = pl.lit(as_of).str.to_datetime("%Y-%m-%d", time_unit="us")
    events = (
        pl.scan_parquet(path)
        .filter(pl.col("timestamp") < moment)
        .with_columns(age=(moment - pl.col("timestamp")).dt.total_microseconds())
    )
    kind, amount = pl.col("kind"), pl.col("amount")
    bought = events.filter(kind == "purchase")
    categories = bought.drop_nulls("category").group_by("customer_id", "category").agg(n=pl.len())
    devices = events.drop_nulls("device").group_by("customer_id", "device").agg(n=pl.len())
    n = pl.col("n").cast(pl.Float64)
    mobile = n.filter(pl.col("device").str.to_lowercase().str.contains("phone", literal=True)).sum()
    parts = [
        events.group_by("customer_id").agg(
            weekend_share=(pl.col("timestamp").dt.weekday() >= 6).mean(),
            evening_share=(pl.col("timestamp").dt.hour() >= 18).mean(),
            searches=(kind == "search").sum().cast(pl.Float64),
            cart_adds=(kind == "cart_add").sum().cast(pl.Float64),
            sold=amount.filter(kind == "purchase").sum(),
            back=-amount.filter(kind == "return").sum(),
        ),
        _polars_orders(bought, pl),
        categories.group_by("customer_id").agg(
            category_count=pl.len().cast(pl.Float64),
            category_entropy=n.sum().log(2) - (n * n.log(2)).sum() / n.sum(),
            top_category_share=n.max() / n.sum(),
        ),
        devices.group_by("customer_id").agg(
            device_count=pl.len().cast(pl.Float64), mobile_share=mobile / n.sum()
        ),
        (_polars_in_visits if in_visits else _polars_visits)(events.filter(kind != "return"), pl),
    ]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.join(part, on="customer_id", how="left")
    features = IN_VISITS if in_visits else FEATURES
    return (
        _polars_finished(joined, pl).select("customer_id", *features).collect(engine="streaming").to_arrow()
    )


def _polars_orders(bought, pl):
    days, amount = pl.col("days_ago"), pl.col("amount")
    gaps = pl.col("age").sort().diff().drop_nulls() / DAY
    recent, week = days < 7 * WEEKS, (days / 7).floor()
    return (
        bought.select("customer_id", "age", "amount", days_ago=pl.col("age") / DAY)
        .group_by("customer_id")
        .agg(
            days.min().alias("recency"),
            pl.len().cast(pl.Float64).alias("frequency"),
            amount.sum().alias("monetary"),
            days.max().alias("tenure"),
            amount.mean().alias("average_order_value"),
            amount.max().alias("order_value_max"),
            (days <= 91).sum().cast(pl.Float64).alias("orders_now"),
            ((days > 91) & (days <= 182)).sum().cast(pl.Float64).alias("orders_before"),
            *((days <= n).sum().cast(pl.Float64).alias(f"orders_{n}d") for n in SPANS),
            *(amount.filter(days <= n).sum().alias(f"spend_{n}d") for n in SPANS),
            amount.filter(recent).sum().alias("spent"),
            (amount * week).filter(recent).sum().alias("moment"),
            gaps.std().alias("gap_std"),
            gaps.max().alias("gap_max"),
        )
    )


def _polars_visits(hits, pl):
    customer, age = pl.col("customer_id"), pl.col("age")
    in_time = hits.select("customer_id", "age").sort("customer_id", "age", descending=[False, True])
    begins = (customer != customer.shift(1)) | (age.shift(1) - age > GAP)
    starts = in_time.filter(begins.fill_null(True))
    return starts.group_by("customer_id").agg(
        *((age <= n * DAY).sum().cast(pl.Float64).alias(f"visits_{n}d") for n in (7, 30)),
        visits=pl.len().cast(pl.Float64),
        visit_recency=age.min() / DAY,
    )


def _polars_in_visits(hits, pl):
    customer, age, kind = pl.col("customer_id"), pl.col("age"), pl.col("kind")
    in_time = hits.select("customer_id", "age", "kind").sort("customer_id", "age", descending=[False, True])
    begins = (customer != customer.shift(1)) | (age.shift(1) - age > GAP)
    visits = (
        in_time.with_columns(visit=begins.fill_null(True).cum_sum())
        .group_by("customer_id", "visit")
        .agg(
            age.max(),
            last=age.min(),
            pages=(kind == "page_view").sum(),
            web=(kind != "purchase").sum(),
            hits=pl.len(),
        )
        .filter(pl.col("web") > 0)
    )
    pages, stayed = pl.col("pages"), age - pl.col("last")
    viewed = (pages > 0).sum()
    return visits.group_by("customer_id").agg(
        visits=pl.len().cast(pl.Float64),
        visits_7d=(age <= 7 * DAY).sum().cast(pl.Float64),
        visits_30d=(age <= 30 * DAY).sum().cast(pl.Float64),
        visit_recency=age.min() / DAY,
        pages_per_visit=pl.when(viewed > 0).then(pages.sum() / viewed),
        time_on_site=stayed.filter(stayed > 0).mean() / 1e6,
        bounce_rate=pl.when(viewed > 0).then(((pages == 1) & (pl.col("hits") == 1)).sum() / viewed),
        conversion_rate=(pl.col("hits") > pl.col("web")).mean(),
    )


def _polars_finished(joined, pl):
    more, span = pl.col("frequency") - 1, pl.col("tenure") - pl.col("recency")
    slope = ((WEEKS - 1) / 2 * pl.col("spent") - pl.col("moment")) / (WEEKS * (WEEKS * WEEKS - 1) / 12)
    zeros = [f"{what}_{n}d" for what in ("orders", "spend") for n in SPANS]
    zeros += ["frequency", "monetary", "visits", "visits_7d", "visits_30d", "category_count", "device_count"]
    now, before = pl.col("orders_now"), pl.col("orders_before")
    known = (pl.col("tenure") >= 182) & (now + before != 0)
    return joined.with_columns(
        pl.col(*zeros).fill_null(0),
        return_rate=pl.when(pl.col("sold") != 0).then(pl.col("back") / pl.col("sold")),
        gap_mean=pl.when(more > 0).then(span / more),
        spend_slope=pl.when(pl.col("tenure") >= 7 * WEEKS).then(slope),
        orders_change=pl.when(known).then((now - before) / (now + before)),
    )


def with_pandas(path: Path, as_of: str, memory: str, spill: str, *, in_visits: bool = False) -> pd.DataFrame:
    """Return the features by pandas, which holds everything in memory."""
    import pandas as pd

    events = pd.read_parquet(path)
    events = events[events["timestamp"] < as_of]
    for word in ("customer_id", "kind", "category", "device"):  # group by number, not by text
        events[word] = events[word].astype("category")
    events["age"] = (pd.Timestamp(as_of) - events["timestamp"]) // pd.Timedelta(1, "us")
    for kind in ("search", "cart_add", "page_view", "purchase"):
        events[kind] = events["kind"] == kind
    events["weekend"] = events["timestamp"].dt.weekday >= 5
    events["evening"] = events["timestamp"].dt.hour >= 18
    events["back"] = -events["amount"].where(events["kind"] == "return", 0.0)
    events["sold"] = events["amount"].where(events["purchase"], 0.0)
    each = events.groupby("customer_id", observed=True)
    table = each[["search", "cart_add", "back", "sold"]].sum()
    table = table.rename(columns={"search": "searches", "cart_add": "cart_adds"})
    table["weekend_share"], table["evening_share"] = each["weekend"].mean(), each["evening"].mean()
    table["return_rate"] = table["back"] / table["sold"].where(table["sold"] != 0)
    bought = events[events["purchase"]]
    _pandas_orders(bought, table)
    _pandas_words(bought, events, table)
    (_pandas_in_visits if in_visits else _pandas_visits)(events.loc[events["kind"] != "return"], table)
    zeros = [f"{what}_{n}d" for what in ("orders", "spend") for n in SPANS]
    zeros += ["frequency", "monetary", "visits", "visits_7d", "visits_30d", "category_count", "device_count"]
    table[zeros] = table[zeros].astype(float).fillna(0)
    return table[list(IN_VISITS if in_visits else FEATURES)].reset_index()


def _pandas_orders(bought, table):
    orders = bought[["customer_id", "age", "amount"]].sort_values(["customer_id", "age"])
    days = orders["days_ago"] = orders["age"] / DAY
    orders["gap"] = orders["age"].diff().where(orders["customer_id"].eq(orders["customer_id"].shift())) / DAY
    for n in SPANS:
        orders[f"orders_{n}d"] = (days <= n).astype("int64")
        orders[f"spend_{n}d"] = orders["amount"].where(days <= n, 0.0)
    orders["orders_now"] = (days <= 91).astype("int64")
    orders["orders_before"] = ((days > 91) & (days <= 182)).astype("int64")
    orders["spent"] = orders["amount"].where(days < 7 * WEEKS, 0.0)
    orders["moment"] = orders["spent"] * (days / 7 // 1)
    each = orders.groupby("customer_id", observed=True)
    sums = [c for c in orders if c.startswith(("orders_", "spend_")) or c in ("spent", "moment")]
    table[sums] = each[sums].sum()
    table["recency"], table["tenure"] = each["days_ago"].min(), each["days_ago"].max()
    table["frequency"], table["monetary"] = each.size(), each["amount"].sum()
    table["average_order_value"], table["order_value_max"] = each["amount"].mean(), each["amount"].max()
    now, before = table["orders_now"], table["orders_before"]
    known = (table["tenure"] >= 182) & (now + before != 0)
    table["orders_change"] = ((now - before) / (now + before)).where(known)
    table["gap_std"], table["gap_max"] = each["gap"].std(), each["gap"].max()
    more = table["frequency"] - 1
    table["gap_mean"] = (table["tenure"] - table["recency"]) / more.where(more > 0)
    slope = ((WEEKS - 1) / 2 * table["spent"] - table["moment"]) / (WEEKS * (WEEKS * WEEKS - 1) / 12)
    table["spend_slope"] = slope.where(table["tenure"] >= 7 * WEEKS)


def _pandas_words(bought, events, table):
    import numpy as np

    lines = bought.groupby(["customer_id", "category"], observed=True).size().rename("n").reset_index()
    lines["term"] = lines["n"] * np.log2(lines["n"])
    each = lines.groupby("customer_id", observed=True)
    total = each["n"].sum()
    table["category_count"] = each.size()
    table["category_entropy"] = np.log2(total) - each["term"].sum() / total
    table["top_category_share"] = each["n"].max() / total
    deeds = events.groupby(["customer_id", "device"], observed=True).size().rename("n").reset_index()
    deeds["mobile"] = deeds["n"].where(deeds["device"].astype("str").str.lower().str.contains("phone"), 0)
    each = deeds.groupby("customer_id", observed=True)
    table["device_count"] = each.size()
    table["mobile_share"] = each["mobile"].sum() / each["n"].sum()


def _pandas_visits(hits, table):
    hits = hits[["customer_id", "age"]].sort_values(["customer_id", "age"], ascending=[True, False])
    began = hits["customer_id"].ne(hits["customer_id"].shift()) | (-hits["age"].diff() > GAP)
    _pandas_starts(hits[began], table)


def _pandas_starts(starts, table):
    starts = starts.assign(**{f"visits_{n}d": starts["age"] <= n * DAY for n in (7, 30)})
    each = starts.groupby("customer_id", observed=True)
    table["visits"], table["visit_recency"] = each.size(), each["age"].min() / DAY
    table[["visits_7d", "visits_30d"]] = each[["visits_7d", "visits_30d"]].sum()


def _pandas_in_visits(hits, table):
    hits = hits[["customer_id", "age", "page_view", "purchase"]]
    hits = hits.sort_values(["customer_id", "age"], ascending=[True, False])
    idle = -hits["age"].diff()
    hits["visit"] = (hits["customer_id"].ne(hits["customer_id"].shift()) | (idle > GAP)).cumsum()
    visits = hits.groupby(["visit"], sort=False).agg(
        customer_id=("customer_id", "first"),
        age=("age", "max"),
        last=("age", "min"),
        pages=("page_view", "sum"),
        orders=("purchase", "sum"),
        hits=("age", "size"),
    )
    visits = visits[visits["hits"] > visits["orders"]]
    visits["stayed"] = (visits["age"] - visits["last"]).where(visits["age"] > visits["last"])
    visits["viewed"], visits["ordered"] = visits["pages"] > 0, visits["orders"] > 0
    visits["bounced"] = (visits["pages"] == 1) & (visits["hits"] == 1)
    _pandas_starts(visits, table)
    each = visits.groupby("customer_id", observed=True)
    table["time_on_site"] = each["stayed"].mean() / 1e6
    viewed = each["viewed"].sum()
    viewed = viewed.where(viewed > 0)
    table["pages_per_visit"], table["bounce_rate"] = (
        each["pages"].sum() / viewed,
        each["bounced"].sum() / viewed,
    )
    table["conversion_rate"] = each["ordered"].mean()


PEERS = {"DuckDB by hand": with_duckdb, "polars streaming": with_polars, "pandas": with_pandas}
"""The peers by name. Arguments: the file, the moment, DuckDB's memory limit, a folder for its temporary files."""
