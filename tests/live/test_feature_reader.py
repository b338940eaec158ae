"""Features of each customer at a moment of its own equal those of the batch."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tables import event_tables, purchases

import segkit as sg
from segkit.live.feature_reader import FeatureReader

MADE = (
    *sg.path_feature("cart_add", "purchase", within="1 day"),
    *sg.path_feature("purchase", without=("chat", "return"), within="7 days"),
    sg.distance_feature(51.5, -0.1),
    sg.distance_feature(51.5, -0.1, name="last_distance", of="last"),
    sg.Feature("largest_square", lambda orders: (orders.amount * orders.amount).max(), "", "A product."),
)


def connected(events):
    """Return a connection of its own to a database with the log."""
    rows = events.table.to_pyarrow()
    connection = duckdb.connect()
    connection.register("rows", rows)
    connection.execute("CREATE TABLE log AS SELECT * FROM rows")
    connection.unregister("rows")
    return connection


def asked(*pairs):
    return pd.DataFrame(pairs, columns=["customer_id", "moment"]).astype({"moment": "datetime64[us]"})


def as_text(frame):
    words = frame.select_dtypes("category")
    return frame.astype(dict.fromkeys(words, "str"))


@pytest.mark.filterwarnings("ignore:as_of=")
@settings(max_examples=max(settings.default.max_examples // 2, 1))
@given(table=event_tables, seed=st.integers(0, 99), window=st.sampled_from([None, "90 days"]))
def test_each_row_is_that_of_the_batch(table, seed, window):
    """All features of 12 customers at 12 moments: those of events, and some a little or a month later."""
    events, rng = sg.read_events(table, timezone="Asia/Kolkata"), np.random.default_rng(seed)
    later = pd.to_timedelta([0, 1, 7_000_000, 30 * 86_400_000_000], unit="us")
    who = rng.choice([*table["customer_id"].unique(), "nobody"], 12)
    pairs = asked(*zip(who, rng.choice(table["timestamp"], 12) + rng.choice(later, 12), strict=True))
    features = sg.FAMILIES + MADE
    try:
        batch = sg.snapshots(events, features, dates=pairs["moment"].unique(), window=window)
    except ValueError as error:
        assert "No event lies" in str(error)
        assume(False)
    batch = batch[batch.index.isin(pd.MultiIndex.from_frame(pairs[["moment", "customer_id"]]))]
    reader = FeatureReader(connected(events), "log", features, window=window, timezone="Asia/Kolkata")
    rows = reader.read(pairs)
    assert list(rows.select_dtypes("category")) == list(batch.select_dtypes("category"))
    assert_frame_equal(as_text(rows), as_text(batch), check_exact=True)


@pytest.fixture
def shop():
    events = purchases(
        *(("ada", "2024-01-01", 10.0), ("ada", "2024-01-11", 30.0), ("bob", "2024-01-05 06:00", 20.0)),
        category=["A", "B", "B"],
    )
    return events, connected(events)


def test_moments_are_data(shop):
    """One reader, many readings; the moment itself does not count; who has no event before it has no row."""
    reader = FeatureReader(shop[1], "log", sg.select_features("recency", "frequency", "monetary"))
    pairs = asked(
        *(("ada", "2024-01-11"), ("ada", "2024-01-11 00:00:00.000001"), ("ada", "2024-01-11")),
        *(("bob", "2024-01-05 06:00"), ("bob", "2024-01-06"), ("eve", "2024-02-01")),
    )
    rows = reader.read(pairs)
    assert [(str(when), who) for when, who in rows.index] == [
        ("2024-01-06 00:00:00", "bob"),
        ("2024-01-11 00:00:00", "ada"),
        ("2024-01-11 00:00:00.000001", "ada"),
    ]
    assert rows["monetary"].to_list() == [20, 10, 40] and rows["frequency"].to_list() == [1, 1, 2]
    assert rows["recency"].to_list() == [0.75, 10, 1e-6 / 86400]
    assert reader.read(asked(("ada", "2024-01-02")))["recency"].to_list() == [1]
    assert len(reader.read(asked())) == 0
    zoned = pd.DataFrame({"customer_id": ["ada"], "moment": pd.to_datetime(["2024-01-02 01:00+01:00"])})
    assert reader.read(zoned)["recency"].to_list() == [1]


def test_at_one_moment_the_table_is_that_of_customer_features(shop):
    events, connection = shop
    features = sg.select_features("recency", "top_category")
    rows = FeatureReader(connection, "log", features).read(
        asked(("bob", "2024-02-01"), ("ada", "2024-02-01"))
    )
    batch = sg.customer_features(events, features, as_of="2024-02-01")
    assert_frame_equal(rows.loc[pd.Timestamp("2024-02-01")], batch, check_exact=True)


def test_new_events_count_at_once_and_not_after_a_rollback(shop):
    _, connection = shop
    reader = FeatureReader(connection, "log", sg.select_features("frequency"))
    pairs = asked(("ada", "2024-02-01"))
    connection.execute("BEGIN")
    connection.execute(
        "INSERT INTO log (customer_id, timestamp, kind, amount) VALUES ('ada', '2024-01-20', 'purchase', 5)"
    )
    assert reader.read(pairs)["frequency"].to_list() == [3]
    connection.execute("ROLLBACK")
    assert reader.read(pairs)["frequency"].to_list() == [2]
    other = FeatureReader(connection, "log", sg.select_features("frequency"), window="20 days")
    assert other.read(pairs).empty and reader.read(pairs)["frequency"].to_list() == [2]
    other.close()
    reader.close()
    left = "SELECT count(*) FROM duckdb_tables() WHERE temporary"
    left += " UNION ALL SELECT count(*) FROM duckdb_prepared_statements()"
    assert connection.execute(left).fetchall() == [(0,), (0,)]


@pytest.mark.parametrize(
    ("statement", "log", "said"),
    [
        ("SELECT 1", "logs", r"no table 'logs'.* Did you mean 'log'"),
        ("ALTER TABLE log DROP kind", "log", r"'log' has no column 'kind'.* Make it from events\.table"),
        (
            "ALTER TABLE log ALTER amount TYPE FLOAT",
            "log",
            "'amount' of the table 'log' is FLOAT. It should be DOUBLE",
        ),
        ("ALTER TABLE log DROP amount", "log", "feature 'monetary' needs 'amount'"),
    ],
)
def test_wrong_logs_are_explained(shop, statement, log, said):
    shop[1].execute(statement)
    with pytest.raises(ValueError, match=said):
        FeatureReader(shop[1], log, sg.RFM)


def test_wrong_questions_are_explained(shop):
    reader, good = FeatureReader(shop[1], "log", sg.RFM), asked(("ada", "2024-02-01"))
    wrong = [
        (["ada"], TypeError, "asked is a list"),
        (good[["moment"]], TypeError, "no column 'customer_id'"),
        (good.astype({"moment": "str"}), TypeError, "Convert it: pd.to_datetime"),
        (good.assign(customer_id=7), ValueError, "customer_id 7, which is not text"),
        (good.assign(customer_id=None), ValueError, "customer_id None, which is not text"),
        (good.assign(moment=pd.NaT), ValueError, "moment NaT for 'ada'"),
        (good.assign(moment=pd.Timestamp("1800-01-01")), ValueError, "within 1900 to 2200"),
    ]
    for question, error, said in wrong:
        with pytest.raises(error, match=said):
            reader.read(question)
