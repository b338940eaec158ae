"""One definition, three engines: Spark and PostgreSQL answer every feature as the embedded DuckDB does."""

import pandas as pd
import pytest
import sqlglot
from engines import (
    AS_OF,
    difference,
    duckdb_answers,
    equal_on_all_engines,
    postgres_answers,
    spark_answers,
    spark_events_of,
    spark_sql_answers,
    varied_events,
)

import segkit as sg
from segkit._standard import STANDARD
from segkit.features import FAMILIES
from segkit.features.sql import DIALECTS, feature_sql

EVERY = (
    *FAMILIES,
    *sg.path_feature("cart_add", "purchase", within="1 day"),
    *sg.path_feature("purchase", without="chat", within="7 days"),
    sg.distance_feature(51.5, -0.13),
)
"""One query of all features an engine, and one comparison a feature, so that a failure names it."""


@pytest.fixture(scope="module")
def ours():
    return duckdb_answers(EVERY, varied_events())


@pytest.fixture(scope="module")
def on_postgres():
    return postgres_answers(EVERY, varied_events())


@pytest.fixture(scope="module")
def on_spark():
    return spark_answers(EVERY, varied_events())


@pytest.mark.parametrize("name", [f.name for f in EVERY])
def test_postgres_answers_as_duckdb(name, ours, on_postgres):
    assert difference(ours[name], on_postgres[name]) == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", [f.name for f in EVERY])
def test_spark_answers_as_duckdb(name, ours, on_spark):
    assert difference(ours[name], on_spark[name]) == ""


@pytest.mark.slow
def test_the_sql_for_databricks_runs_on_spark():
    theirs = spark_sql_answers(sg.RFM + sg.CADENCE + sg.BASKET, varied_events())
    mine = duckdb_answers(sg.RFM + sg.CADENCE + sg.BASKET, varied_events())
    unlike = {name: difference(mine[name], theirs[name]) for name in mine}
    assert not {name: what for name, what in unlike.items() if what}


@pytest.mark.slow
def test_a_window_is_the_same_everywhere():
    equal_on_all_engines(sg.RFM + sg.TREND, window="90 days")


@pytest.mark.slow
def test_events_of_spark_stay_there_and_say_what_they_are():
    events = spark_events_of(varied_events())
    assert events.table._find_backend().name == "pyspark"
    here = sg.read_events(varied_events())
    pd.testing.assert_series_equal(events.kinds().sort_index(), here.kinds().sort_index())
    assert repr(events).startswith("Events: ")


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_every_dialect_gets_sql_of_its_own_grammar(dialect):
    text = feature_sql(STANDARD, EVERY, as_of=AS_OF, dialect=dialect)
    [query] = sqlglot.parse(text, dialect=DIALECTS[dialect].ibis)
    assert query.named_selects == ["customer_id", *(f.name for f in EVERY)]
    if dialect != "duckdb":
        assert "EPOCH_US" not in text.upper()


def test_the_sql_says_what_it_expects():
    events = sg.read_events(varied_events())
    head = feature_sql(events, sg.RFM, as_of=AS_OF, window="90 days", dialect="postgres").split("WITH")[0]
    assert f"as of {AS_OF} UTC, over the 90 days 00:00:00 before it" in head and "amount" in head


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"dialect": "snowflke"}, "Did you mean 'snowflake'"),
        ({"events": ["amuont"]}, "'amuont' is no standard column. Did you mean 'amount'"),
        ({"events": ["channel"]}, "needs 'amount'"),
    ],
)
def test_what_sql_cannot_be_written_for_is_said(said, message):
    given = {"events": STANDARD, "features": sg.RFM, "as_of": AS_OF} | said
    with pytest.raises(ValueError, match=message):
        feature_sql(given.pop("events"), given.pop("features"), **given)
