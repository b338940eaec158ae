"""Arms by hash: equal to sha256sum and to SQL, whoever else is assigned, and independent of other experiments."""

import hashlib

import duckdb
import numpy as np
import pandas as pd
import pytest
from engines import postgres_connection

import segkit as sg

NAME = "it's \\ a 'spring' mail"
THREE = {"mail": 0.45, "letter": 0.35, "held out": 0.2}
IDS = [f"c{i:05}" for i in range(9_990)] + ["", "it's", "Ärger", "жук", "日本", "😀", "a:b", " a", "\\", "%"]


def test_three_people_by_hand():
    """The digits are those of ``printf 'spring:ada' | sha256sum``."""
    starts = {"ada": "059dcc5e", "bob": hashlib.sha256(b"spring:bob").hexdigest()[:8]}
    arms = sg.assign_arms(["ada", "bob"], experiment="spring", shares={"a": 0.02, "b": 0.98})
    assert arms["ada"] == "b" and pytest.approx(0.02194, abs=1e-5) == 0x059DCC5E / 2**32
    assert sg.assign_arms(["ada"], experiment="spring", shares={"a": 0.022, "b": 0.978})["ada"] == "a"
    assert (arms["bob"] == "a") == (int(starts["bob"], 16) < 0.02 * 2**32)
    assert arms.name == "arm" and list(arms.index) == ["ada", "bob"]
    assert arms.attrs["segkit"] == {
        "experiment": "spring",
        "shares": {"a": 0.02, "b": 0.98},
        "customers": {"a": 0, "b": 2},
    }


def test_nobody_else_changes_an_arm():
    every = sg.assign_arms(IDS, experiment=NAME, shares=THREE)
    again = sg.assign_arms(IDS[::-1], experiment=NAME, shares=THREE)
    batch = pd.concat([sg.assign_arms(IDS[i::3], experiment=NAME, shares=THREE) for i in range(3)])
    assert every.equals(again.loc[IDS]) and every.equals(batch.loc[IDS])
    numbers = sg.assign_arms(range_of := pd.RangeIndex(100), experiment="n")
    assert numbers.index.equals(range_of)
    assert numbers.to_list() == sg.assign_arms([str(i) for i in range(100)], experiment="n").to_list()


def test_shares_hold_and_experiments_are_independent():
    first = sg.assign_arms(IDS, experiment="one", shares=THREE)
    second = sg.assign_arms(IDS, experiment="two", shares=THREE)
    for arm, share in THREE.items():
        assert abs((first == arm).mean() - share) < 4 * np.sqrt(share * (1 - share) / len(IDS))
    assert abs(np.corrcoef(first == "held out", second == "held out")[0, 1]) < 0.02


def test_sql_in_duckdb_gives_the_same_arms():
    people = pd.DataFrame({"customer id": IDS})
    text = sg.arms_sql(NAME, shares=THREE, customer_id="customer id")
    with duckdb.connect() as connection:
        found = connection.register("people", people).execute(f"SELECT {text} AS arm FROM people").df()["arm"]
    assert found.to_list() == sg.assign_arms(IDS, experiment=NAME, shares=THREE).to_list()
    with duckdb.connect() as connection:
        numbers = connection.execute(f"SELECT {sg.arms_sql('n')} AS arm FROM range(500) t(customer_id)").df()
    assert numbers["arm"].to_list() == sg.assign_arms(range(500), experiment="n").to_list()


@pytest.mark.engines
def test_sql_in_postgres_gives_the_same_arms():
    text = sg.arms_sql(NAME, shares=THREE, dialect="postgres")
    with postgres_connection().cursor() as cursor:
        cursor.adbc_ingest("segkit_arms", pd.DataFrame({"customer_id": IDS}), mode="replace")
        cursor.execute(f"SELECT customer_id, {text} AS arm FROM segkit_arms")
        found = cursor.fetch_arrow_table().to_pandas().set_index("customer_id")["arm"]
    assert found.loc[IDS].to_list() == sg.assign_arms(IDS, experiment=NAME, shares=THREE).to_list()


@pytest.mark.parametrize("dialect", ["snowflake", "bigquery", "databricks", "spark"])
def test_sql_of_warehouses_quotes_names(dialect):
    text = sg.arms_sql(NAME, shares={"it's": 0.5, "held out": 0.5}, dialect=dialect)
    assert (
        "'it\\'s \\\\ a \\'spring\\' mail:'" in text
        and "256" in text
        and "< '80000000' THEN 'it\\'s'" in text
    )


def test_segments_are_counted_and_change_nothing():
    labels = pd.Series(["A", "A", "B"], index=["ada", "bob", "cyd"])
    halves = {"mail": 0.5, "held out": 0.5}
    arms = sg.assign_arms(["ada", "bob", "cyd", "dan"], experiment="spring", shares=halves, by=labels)
    assert arms.equals(sg.assign_arms(["ada", "bob", "cyd", "dan"], experiment="spring", shares=halves))
    counts = pd.DataFrame(arms.attrs["segkit"]["customers_by_segment"]).T
    assert counts.sum(axis=1).to_dict() == {"A": 2, "B": 1, "No segment": 1}
    assert counts.sum().to_dict() == arms.value_counts().reindex(counts.columns, fill_value=0).to_dict()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shares": {"a": 0.5, "b": 0.4}}, "sum to 0.9. They should sum to 1"),
        ({"shares": {"a": 1.0}}, "'a' is 1.0. It should lie between 0 and 1"),
        ({"shares": {}}, "0 arms. A comparison needs 2"),
        ({"shares": {"": 0.5, "b": 0.5}}, "should be named by text"),
        ({"shares": 0.1}, "shares is 0.1"),
        ({"experiment": " "}, "Name the experiment"),
        ({"customers": ["a", "a"]}, "'a' occurs more than once"),
        ({"customers": ["a", None]}, "1 id of customers is missing"),
        ({"customers": [1.0, 2.5]}, "all text or all whole numbers, and begin with 1.0"),
        ({"customers": "abc"}, "the text 'abc'"),
    ],
)
def test_wrong_arguments_are_explained(wrong, message):
    with pytest.raises((ValueError, TypeError), match=message):
        sg.assign_arms(**({"customers": ["a"], "experiment": "x"} | wrong))
