"""One definition, three engines: Spark and PostgreSQL compute every feature as DuckDB does."""

import decimal
import functools
import os
import re
import subprocess
import sys

import duckdb
import ibis
import pandas as pd
import pyarrow as pa
import pytest
import sqlglot
from engines import (
    AS_OF,
    SCRIPTS,
    difference,
    duckdb_answers,
    equal_on_all_engines,
    of_spark,
    postgres_answers,
    postgres_connection,
    spark_answers,
    spark_frame,
    spark_session,
    spark_sql_answers,
    standard,
    varied_events,
)

import segkit as sg
from segkit.analyse.features.catalogue import FAMILIES
from segkit.analyse.features.sql import DIALECTS, feature_sql
from segkit.collect.sources.open import open_source
from segkit.core.engine.connection import table_of
from segkit.core.engine.rewrites import portable
from segkit.core.schema import STANDARD

EVERY = (
    *FAMILIES,
    *sg.path_feature("cart_add", "purchase", within="1 day"),
    *sg.path_feature("purchase", without="chat", within="7 days"),
    *(
        feature  # with names that would be longer than PostgreSQL allows
        for left in ("email_unsubscribe", "email_sent")
        for feature in sg.path_feature(
            "email_click", "page_view", "cart_add", "purchase", within="30 days", without=left
        )
    ),
    sg.distance_feature(51.5, -0.13),
)
NAMES = [feature.name for feature in EVERY]


@pytest.fixture(scope="module")
def ours():
    return duckdb_answers(EVERY, varied_events())


@functools.cache
def sql_of(dialect):
    """Every feature in a dialect."""
    return feature_sql(STANDARD, EVERY, as_of=AS_OF, dialect=dialect)


def unlike(ours, theirs):
    """Return how each feature differs that is not the same in two tables."""
    return {name: what for name in NAMES if (what := difference(ours[name], theirs[name]))}


def marked(test):
    """Mark a test as one that asks Spark."""
    for mark in of_spark:
        test = mark(test)
    return test


def test_postgres_computes_the_same(ours):
    assert unlike(ours, postgres_answers(EVERY, varied_events())) == {}


@marked
def test_spark_computes_the_same(ours):
    assert unlike(ours, spark_answers(EVERY, varied_events())) == {}


@marked
def test_spark_runs_the_sql_of_databricks(ours):
    """In a session in New York."""
    assert unlike(ours, spark_sql_answers(EVERY, varied_events())) == {}


@marked
def test_windows_and_zones_are_the_same():
    features = sg.RFM + sg.TREND + sg.with_settings(sg.CONTEXT, timezone="Asia/Kathmandu")
    equal_on_all_engines(features, window="90 days")


def test_another_duckdb_runs_the_sql(ours):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'Asia/Tokyo'").fetchall()
    connection.register("events", standard(varied_events()))
    theirs = connection.sql(sql_of("duckdb")).df()
    connection.close()
    assert unlike(ours, theirs.set_index("customer_id").sort_index()) == {}


def test_engines_sort_differently():
    """Otherwise the comparisons above would not prove that sorting and zones do not matter."""
    assert set(varied_events()["brand"].to_pylist()) >= set(SCRIPTS)
    assert sorted(SCRIPTS) != sorted(SCRIPTS, key=lambda word: word.encode("utf-16-be"))
    with postgres_connection().cursor() as cursor:
        cursor.execute("SELECT 'zebra' < 'Äpfel', 'a' < 'B'")
        assert cursor.fetchone() == (False, True)  # by their bytes it is the other way round


@marked
def test_spark_is_in_another_zone():
    assert spark_session().conf.get("spark.sql.session.timeZone") == "America/New_York"


FUNCTIONS = {  # the functions that segkit's SQL uses, which the documentation of each warehouse has
    "bigquery": (
        "ABS ARRAY_AGG ARRAY_LENGTH ASIN AVG CAST COALESCE CONCAT COS COUNT COUNTIF DATETIME DATETIME_DIFF ENDS_WITH "
        "EXP EXTRACT FLOOR GREATEST IEEE_DIVIDE IF INSTR LAG LEAD LEAST LENGTH LN LOG LOWER MAX MIN MOD NULLIF ROUND "
        "SAFE_CAST SAFE_OFFSET SIGN SIN SPLIT SQRT STARTS_WITH SUBSTRING SUM TIMESTAMP TRIM UPPER"
    ),
    "snowflake": (
        "ABS ARRAY_SIZE ASIN AVG CAST COALESCE CONCAT CONTAINS CONVERT_TIMEZONE COS COUNT COUNT_IF DATEDIFF DATE_PART "
        "DAYOFWEEKISO DECIMAL ENDSWITH EXP FLOOR GET GREATEST IFF LAG LEAD LEAST LENGTH LN LOG LOWER MAX MEDIAN MIN "
        "NULLIF RADIANS ROUND SIGN SIN SPLIT SQRT STARTSWITH SUBSTRING SUM TIMESTAMP_FROM_PARTS TRIM TRY_CAST UPPER"
    ),
}
WORDS = "AND AS ELSE EXCEPT EXCLUDE FROM IN JOIN NOT ON OR OVER SELECT THEN UNION WHEN WHERE WITH"


@pytest.mark.parametrize("dialect", FUNCTIONS)
def test_warehouses_have_all_functions(dialect):
    without_texts = re.sub(r"--[^\n]*|'(?:[^']|'')*'", "''", sql_of(dialect))
    called = {name.upper() for name in re.findall(r"([A-Za-z_][A-Za-z0-9_.]*)\s?\(", without_texts)}
    assert called - {*FUNCTIONS[dialect].split(), *WORDS.split()} == set()


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_sql_has_the_grammar_of_its_dialect(dialect):
    [query] = sqlglot.parse(sql_of(dialect), dialect=DIALECTS[dialect].ibis)
    assert query.named_selects == ["customer_id", *(f.name for f in EVERY)]


def test_sql_lists_its_columns():
    events = sg.read_events(varied_events())
    said = {"as_of": "2024-09-01", "window": "90 days", "dialect": "postgres", "table": "shop.events"}
    text = feature_sql(events, sg.RFM, **said)
    head = [line for line in text.splitlines() if line.startswith("--")]
    assert head[0].startswith("-- Features of customers as of 2024-09-01 00:00:00 UTC, over the 90 days ")
    assert head[1] == "-- The table shop.events should have these columns, and one row for each event:"
    assert [line.split()[1] for line in head[2:-1]] == [name for name in STANDARD if name in events.columns]
    assert {"--   timestamp TIMESTAMP (in UTC)", "--   amount DOUBLE PRECISION"} <= set(head)
    assert 'FROM "shop"."events"' in text


def test_sql_is_the_same_in_every_process():
    """Python hashes words differently in each process."""
    script = (
        "import segkit as sg\n"
        "print(sg.feature_sql(['kind', 'page', 'amount'], sg.select_features('visit_depth', 'frequency'), "
        "as_of='2024-07-01', dialect='snowflake'))"
    )
    once, again = (
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "7")
    )
    assert "visit_depth" in once and once == again


def test_sql_uses_the_zone_of_the_shop():
    events = sg.read_events(varied_events(), timezone="Asia/Tokyo")
    assert "'Asia/Tokyo'" in feature_sql(events, sg.CONTEXT, as_of=AS_OF, dialect="bigquery")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"dialect": "snowflke"}, "Did you mean 'snowflake'"),
        ({"events": ["amuont"]}, "'amuont' is not a standard column. Did you mean 'amount'"),
        ({"events": ["channel"]}, "needs 'amount'"),
        ({"table": "events; DROP TABLE events"}, "is not the name of a table"),
        ({"as_of": "soon"}, "as_of='soon' is not a moment"),
        (
            {"features": sg.path_feature("a", "b", within="1 day", name="ü" * 29), "dialect": "postgres"},
            r"'ü{29}_count' is 64 bytes long, but postgres cuts names after 63",
        ),
    ],
)
def test_wrong_arguments_are_explained(said, message):
    given = {"events": STANDARD, "features": sg.RFM, "as_of": AS_OF} | said
    with pytest.raises(ValueError, match=message):
        feature_sql(given.pop("events"), given.pop("features"), **given)


# --- expressions that engines evaluate differently ---------------------------------------------------

HALVES = [0.5, 1.5, 2.5, -0.5, -2.5, 5e-7, -5e-7, 1.0000005, 1.005, 2.675, 0.1 + 0.2, 123456.1234565]
TEXTS = ["1", "1.5", "-1e5", "1d", "0x1p3", "1,5", "", "x", ".5", None, "5.", "1e"]
EXPRESSIONS = {
    "money": lambda t: t.x.cast("decimal(18, 6)").cast("float64"),
    "whole": lambda t: t.x.cast("int64"),
    "whole_of_decimal": lambda t: t.d.cast("int64"),
    "rounded": lambda t: t.x.round(),
    "rounded_to_three": lambda t: t.x.round(3),
    "quotient_of_whole": lambda t: t.n / 7,
    "quotient_of_decimals": lambda t: t.d / (t.d + 7),
    "square_of_decimals": lambda t: (t.d * t.d).cast("float64"),
    "least_known": lambda t: ibis.least(t.x, t.missing),
    "greatest_known": lambda t: ibis.greatest(t.missing, t.x, 0),
    "number_in_text": lambda t: t.text.try_cast("float64"),
    "whole_of_truth": lambda t: (t.x > 1).cast("int64"),
    "infinite": lambda t: (t.x > 2).ifelse(float("inf"), t.x).isinf().cast("int32"),
    "weekday": lambda t: t.time.day_of_week.index(),
    "since": lambda t: (t.time >= ibis.literal(pd.Timestamp("2024-03-10 02:30"), type="timestamp(6)")).cast(
        "int32"
    ),
    "hour": lambda t: t.time.cast("timestamp(6)").hour(),
}


def halves() -> pa.Table:
    """Return halves, texts that are nearly numbers, and the night in which clocks change."""
    n = len(HALVES)
    decimals = [decimal.Decimal(str(x)).quantize(decimal.Decimal("0.000001")) for x in HALVES]
    times = pd.date_range("2024-03-10 01:00", periods=n, freq="17min30s")
    columns = {
        "x": HALVES,
        "d": pa.array(decimals, pa.decimal128(18, 9)),
        "missing": pa.nulls(n, pa.float64()),
    }
    return pa.table(
        {"n": range(n), **columns, "text": TEXTS, "time": pa.array(times).cast(pa.timestamp("us"))}
    )


def evaluated(table):
    return table.select(
        "n", **{name: expression(table).cast("float64") for name, expression in EXPRESSIONS.items()}
    )


def by_row(frame):
    return frame.set_index("n").sort_index()


@pytest.fixture(scope="module")
def on_duckdb():
    return by_row(evaluated(table_of(halves())).to_pandas())


def test_postgres_evaluates_the_same(on_duckdb):
    with postgres_connection().cursor() as cursor:
        cursor.adbc_ingest("halves", halves(), mode="replace")
        query = evaluated(ibis.table(table_of(halves()).schema(), name="halves"))
        cursor.execute(str(ibis.to_sql(portable(query, "postgres"), dialect="postgres")))
        theirs = by_row(cursor.fetch_arrow_table().to_pandas())
    pd.testing.assert_frame_equal(on_duckdb, theirs, check_index_type=False, rtol=1e-15, atol=1e-15)


@marked
def test_spark_evaluates_the_same(on_duckdb):
    theirs = by_row(evaluated(open_source(spark_frame(halves())).table).to_pandas())
    pd.testing.assert_frame_equal(on_duckdb, theirs, check_index_type=False, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("dialect", ["snowflake", "bigquery"])
def test_missing_values_are_ignored_in_least(dialect):
    table = ibis.table({"a": "float64", "b": "float64"}, name="t")
    sql = ibis.to_sql(portable(table.select(least=ibis.least(table.a, table.b)), dialect), dialect=dialect)
    assert "LEAST(COALESCE(a, b), COALESCE(b, a))" in re.sub(r'[`"]t0[`"]\.|[`"]', "", str(sql))
