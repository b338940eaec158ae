"""Spark DataFrames are read like the same rows in DuckDB, and stay in Spark."""

import datetime
import decimal
import gc
import subprocess
import sys
from pathlib import Path

import engines
import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from engines import lacks, spark_frame, spark_session
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import segkit as sg
from segkit.collect.sources.spark import of_spark

pytestmark = engines.of_spark
HERE = Path(__file__).parents[1]


def rows(*times, **more):
    """Return a numbered line for each time."""
    lines = [str(i) for i in range(len(times))]
    times = times if isinstance(times[0], str | None) else pd.array(times)
    return pa.table({"customer_id": lines, "order_id": lines, "timestamp": times} | more)


def read_on_both(table, **said):
    """Read a table in DuckDB and in Spark, and return its events; fail if they or the refused rows differ."""
    said = {"kind": "purchase"} | said if "kind" not in table.column_names else said
    here, there = sg.read_events(table, **said), sg.read_events(spark_frame(table), **said)
    assert there.table.get_backend().name == "pyspark"
    assert_frame_equal(here.refused, there.refused)
    ours, theirs = (events.table.to_pandas() for events in (here, there))
    order = ours.columns.to_list()
    ours, theirs = (
        t.sort_values(order, ignore_index=True).astype({"timestamp": "datetime64[us]"})
        for t in (ours, theirs)
    )
    assert_frame_equal(ours, theirs, check_dtype=False, rtol=0, atol=0)
    assert len(ours) + here.refused["count"].sum() == len(table)
    return here


ISO = [
    *(
        "2024-01-01",
        "2024-1-1",
        "2024/01/01",
        "2024 01 01",
        "2024-01-01T10:00",
        "2024-01-01 10:00:00",
        "2024-01-01 1:2:3",
    ),
    *(
        "2024-01-01 10:00:00.1",
        "2024-01-01 10:00:00.1234567",
        "2024-01-01T10:00:00.000Z",
        "2024-01-01 10:00Z",
    ),
    *(
        "2024-01-01 10:00:00+02",
        "2024-01-01 10:00:00-05:30",
        "2024-01-01 10:00:00+0200",
        "2024-01-01 10:00:00 -0500",
    ),
    *(
        "2024-01-01 10:00:00 UTC",
        "2024-01-01 10:00:00 gmt",
        "2024-01-01  10:00",
        "2024-02-29 24:00",
        " 2024-01-01\n",
    ),
    *(
        "2024-03-10 02:30",
        "2024-03-10 03:30",
        "2024-11-03 00:30",
        "2024-11-03 01:30",
        "2024-11-03 02:30:00.5",
    ),
]
NOT_ISO = [
    *(
        "2024-02-30",
        "2023-02-29",
        "2024-13-01",
        "2024-01-00",
        "2024-01",
        "2024",
        "20240101",
        "01/02/2024",
        "2024-01/01",
    ),
    *(
        "2024-01-01 10",
        "2024-01-01 25:00",
        "2024-01-01 10:60",
        "2024-01-01 24:00:01",
        "2024-01-01T",
        "2024-01-01Z",
    ),
    *(
        "2024-01-01 10:00:00 AM",
        "2024-01-01 10:00:00 PST",
        "2024-01-01 10:00:00 BST",
        "2024-01-01 10:00:00+2",
        "x",
    ),
    *(
        "2024-01-01 10:00:00 Nowhere",
        "2024-01-01 10:00:00 Europe/London",
        "-2024-01-01",
        "epoch",
        "infinity",
        "now",
    ),
]
FAR = ["1066-10-14", "1899-12-31 23:59:59.999999Z", "2200-01-02", "0001-01-01", "24-01-01", "12024-01-01"]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Australia/Lord_Howe"])
def test_times_in_text(zone):
    events = read_on_both(rows(*ISO, *NOT_ISO, *FAR, None, "", "nan"), kind="visit", timezone=zone)
    counts = dict(zip(events.refused["reason"], events.refused["count"], strict=True))
    assert counts == {
        "timestamp not readable": len(NOT_ISO),
        "timestamp outside 1900 to 2200": len(FAR),
        "timestamp missing": 3,
    }


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (
            "%d/%m/%Y",
            ["1/2/2024", "01/02/2024", " 1/2/2024"],
            ["001/02/2024", "30/2/2024", "1-2-2024", "1/2/2024x"],
        ),
        (
            "%d.%m.%y %H:%M",
            ["1.2.24 3:4", "1.2.69  23:59", "1.2.68 1:30"],
            ["1x2.24 3:4", "1.2.24 24:00", "1.2.24"],
        ),
        ("%b %d, %Y", ["Jan 5, 2024", "sep  5, 2024"], ["January 5, 2024", "Mai 5, 2024", "Jan 5,2024"]),
        ("%A %d %B %Y", ["Monday 05 May 2024"], ["Mon 05 May 2024", "Monday 05 Mai 2024"]),
        (
            "%Y-%m-%d %I:%M %p",
            ["2024-03-10 2:30 AM", "2024-01-01 12:05 am", "2024-01-01 12:05 PM"],
            ["2024-01-01 13:05 PM", "2024-01-01 0:05 AM", "2024-01-01 1:05 p.m."],
        ),
        ("%Y%m%d%H%M%S", ["20240131235959", "2024013123595"], ["202401312359", "20241301000000"]),
        (
            "%Y-%m-%dT%H:%M:%S.%f%z",
            ["2024-01-01T10:00:00.5+02:00", "2024-01-01T10:00:00.123456-0530"],
            ["2024-01-01"],
        ),
        (
            "%Y-%m-%d %H:%M:%S %Z",
            ["2024-01-01 10:00:00 UTC"],
            ["2024-01-01 10:00:00 BST", "2024-01-01 10:00:00"],
        ),
    ],
)
def test_times_by_their_format(form, good, bad):
    events = read_on_both(rows(*good, *bad), kind="visit", timestamp_format=form, timezone="America/New_York")
    assert events.kinds()["visit"] == len(good)


def test_one_of_several_formats():
    table = rows("1/2/2024", "2024-02-01", "x", amount=[1.0, 2.0, 3.0])
    assert read_on_both(table, timestamp_format=["%d/%m/%Y", "%Y-%m-%d"]).kinds()["purchase"] == 2


@pytest.mark.parametrize("how", [pa.int64(), pa.float64(), pa.string()], ids=str)
@pytest.mark.parametrize(("counted", "one"), [("epoch_s", 1), ("epoch_ms", 1_000), ("epoch_us", 1_000_000)])
def test_times_as_numbers(counted, one, how):
    times = pa.array([1_700_000_000 * one + one // 2, 0, None, -3_000_000_000 * one], pa.int64())
    read_on_both(
        rows("", "", "", "").set_column(2, "timestamp", times.cast(how)),
        kind="visit",
        timestamp_format=counted,
    )


@pytest.mark.parametrize(
    "times",
    [
        pa.array([datetime.date(2024, 3, 10), None, datetime.date(1066, 1, 1)]),
        pa.array(["2024-03-10 02:30:00.123456", "2024-11-03 01:30", None]).cast(pa.timestamp("us")),
        pa.array(["2024-03-10 02:30:00.123456", "2024-11-03 05:30", None])
        .cast(pa.timestamp("us"))
        .cast(pa.timestamp("us", "UTC")),
    ],
    ids=["dates", "times", "moments"],
)
def test_times_do_not_depend_on_the_session(times):
    """The session is in New York: times without a zone are not in that zone."""
    read_on_both(rows("", "", "").set_column(2, "timestamp", times), kind="visit", timezone="Europe/London")
    read_on_both(rows("", "", "").set_column(2, "timestamp", times), kind="visit")


NUMBERS = [
    "1",
    "1.",
    ".5",
    "+1",
    "-1",
    "1e5",
    "1_000",
    " 1 ",
    "1e400",
    "inf",
    "-Infinity",
    "nan",
    "",
    ".",
    "1e",
    "1__0",
]
NUMBERS += [
    "0x1F",
    "1d",
    "1f",
    "1,5",
    "1 000",
    "１",
    "--1",
    "1e5.5",
    "true",
    "$5",
    "1L",
    "1e-400",
    "NULL",
    None,
]


def test_numbers_in_text():
    read_on_both(rows(*["2024-01-01"] * len(NUMBERS), amount=NUMBERS, rating=NUMBERS[::-1]))


def test_ids_are_the_same_text():
    ids = [
        "17850",
        "17850.0",
        " a ",
        "a\t",
        "nan",
        "None",
        "  ",
        "N/A",
        "\\N",
        "x.0",
        "-5.0",
        "1.00",
        "é" * 300,
        "Zoë",
        None,
    ]
    numbers = pa.array([17850.0, 1.5, np.nan, None, -3.0, 9e15, 12345678.0] * 2 + [0.0])
    table = rows(*["2024-01-01"] * 15).set_column(0, "customer_id", [ids])
    read_on_both(table.append_column("product_id", numbers), kind="visit")
    read_on_both(table.set_column(0, "customer_id", numbers).append_column("product_id", [ids]), kind="visit")
    read_on_both(
        table.set_column(
            0, "customer_id", pa.array([decimal.Decimal("1.00"), None, decimal.Decimal("2.50")] * 5)
        ),
        kind="visit",
    )


def test_kinds_returns_zones_and_bounds():
    lines = 24
    events = read_on_both(
        rows(
            *["2024-10-27 01:30"] * lines,
            kind=(["order", "Purchase ", "RETURN", "Email_Open", "other", None, "", " "] * 3),
            price=[float(i % 5 - 2) for i in range(lines)],
            quantity=[i % 3 - 1 for i in range(lines)],
            zone=["Europe/London", "", None, "Mars/Base"] * 6,
            sentiment=[0.5, 2, -1, None] * 6,
            duration=[0.5, -2, 1, None, 3, float("nan")] * 4,
            category=["", "a", None] * 8,
        ),
        kinds={"order": "purchase", "other": "other"},
        timezone="Europe/London",
    )
    assert {"zone not a time zone", "kind missing", "sentiment outside -1 to 1"} <= set(
        events.refused["reason"]
    )


def test_repeated_lines_are_the_same():
    table = pa.concat_tables([rows("2024-01-01", "2024-01-02", amount=[1.0, None])] * 3)
    read_on_both(table, duplicates="refuse")
    there = sg.read_events(spark_frame(table), kind="purchase")
    assert there.describe()["repeats"].to_dict() == {"purchase": 2}


dirty = st.lists(
    st.tuples(
        st.sampled_from(["a", "b ", "17850.0", "", "nan", None]),
        st.sampled_from([*ISO, *NOT_ISO, *FAR, None]),
        st.sampled_from([None, "1", "2.0", "\\N"]),
        st.sampled_from(["purchase", "return", "Visit", "", None]),
        st.sampled_from(NUMBERS),
        st.sampled_from(["1", "-1", "x", "", "1e13", None]),
        st.sampled_from([None, "UTC", "Asia/Kolkata", "Moon"]),
    ),
    min_size=30,
    max_size=60,
)


@settings(max_examples=4)
@given(dirty, st.sampled_from(["UTC", "Europe/London"]))
def test_dirty_tables_are_the_same(lines, zone):
    names = ["customer_id", "timestamp", "order_id", "kind", "price", "quantity", "zone"]
    good = ("ok", "2024-01-01", "ok", "purchase", "1", "1", "UTC")
    columns = zip(*[good, *lines], strict=True)
    read_on_both(
        pa.table({name: pa.array(c, pa.string()) for name, c in zip(names, columns, strict=True)}),
        timezone=zone,
    )


# --- frames stay in Spark ----------------------------------------------------------------------------


def test_nothing_is_collected(monkeypatch):
    """Of 5,000 rows only reasons and counts leave Spark, until features are computed."""
    spark_session()  # skips the test where there is no Spark
    from pyspark.sql.classic.dataframe import DataFrame

    left, to_arrow = [], DataFrame.toArrow
    monkeypatch.setattr(DataFrame, "toArrow", lambda self: left.append(to_arrow(self)) or left[-1])
    n = 5_000
    frame = spark_frame(rows(*["2024-01-01"] * n, amount=[1.0] * n))
    events = sg.read_events(frame, kind="purchase")
    assert "5,000 events of 5,000 customers" in repr(events)
    assert left and max(map(len, left)) <= 2
    features = sg.customer_features(events, sg.RFM, as_of="2024-02-01")
    assert (len(features), len(left[-1])) == (n, n)


def test_the_session_is_unchanged():
    session = spark_session()
    before = {"settings": dict(session.conf.getAll), "tables": session.catalog.listTables()}
    events = sg.read_events(spark_frame(rows("2024-01-01", amount=[1.0])), kind="purchase")
    sg.customer_features(events, sg.RFM, as_of="2024-02-01")
    assert {"settings": dict(session.conf.getAll), "tables": session.catalog.listTables()} == before
    assert session.conf.get("spark.sql.session.timeZone") == "America/New_York"


def test_frames_belong_to_their_session():
    """Texts are times in its zone, and its tables and functions are known, though segkit uses UTC."""
    session = spark_session()
    session.udf.register("shout", lambda word: word.upper())
    session.sql("SELECT 'ada' AS who, '2024-03-10 12:00:00' AS clock").createOrReplaceTempView("theirs")
    frame = session.sql("SELECT shout(who) AS customer_id, to_timestamp(clock) AS timestamp FROM theirs")
    session.catalog.dropTempView("theirs")
    read = sg.read_events(frame, kind="visit").table.to_pandas()
    assert read.iloc[0].to_dict() == {
        "customer_id": "ADA",
        "timestamp": pd.Timestamp("2024-03-10 16:00"),
        "kind": "visit",
    }


def test_tables_of_other_connections():
    session = spark_session().newSession()
    connection = ibis.pyspark.connect(session)
    spark_frame(rows("2024-01-01", "x"), session).createOrReplaceTempView("own")
    events = sg.read_events(connection.table("own"), kind="visit")
    assert (events.kinds()["visit"], events.refused["count"].sum()) == (1, 1)
    again = sg.read_events(events.table, kind_column="kind")
    assert again.kinds()["visit"] == 1


def test_unused_views_are_dropped():
    frame = spark_frame(rows("2024-01-01"))
    table = of_spark(frame)
    catalog, name = table.get_backend()._session.catalog, table.get_name()
    assert catalog.tableExists(name)
    del table
    gc.collect()
    of_spark(frame)
    assert not catalog.tableExists(name)


def test_other_types_do_not_matter():
    frame = spark_session().sql(
        "SELECT 'ada' AS customer_id, DATE'2024-01-01' AS timestamp, NULL AS amount, "
        "parse_json('{}') AS `odd.name`, INTERVAL '1' YEAR AS age, array(1) AS list"
    )
    assert sg.read_events(frame, kind="visit").kinds()["visit"] == 1


# --- events of Spark ---------------------------------------------------------------------------------


def test_events_of_a_session_add():
    bought = sg.read_events(spark_frame(rows("2024-01-01", "x", amount=[5.0, 1.0])), kind="purchase")
    seen = sg.read_events(spark_frame(rows("2024-01-02 10:00", page=["home"])), kind="page_view")
    both = bought + seen
    assert both.kinds().to_dict() == {"page_view": 1, "purchase": 1}
    assert both.refused["count"].to_list() == [1]
    assert both.last == pd.Timestamp("2024-01-02 10:00")
    assert both.describe().loc["purchase", "amount"] == 5
    assert sg.customer_features(both, sg.RFM, as_of="2024-01-03").loc["0", "recency"] == 2


def test_events_of_two_engines_do_not_add():
    there = sg.read_events(spark_frame(rows("2024-01-01")), kind="visit")
    here = sg.read_events(rows("2024-01-01"), kind="visit")
    with pytest.raises(ValueError, match=r"live in 2 engines .*as a DataFrame of the Spark session"):
        here + there


def test_snapshots_are_the_same():
    table = rows(*(f"2024-0{1 + i % 4}-0{1 + i % 9} 10:00:00.000001" for i in range(20)), amount=[1.5] * 20)
    table = table.set_column(0, "customer_id", [["ada", "bob"] * 10])
    dates = ["2024-02-01", "2024-03-15 10:00", "2024-05-01"]
    here, there = (
        sg.snapshots(sg.read_events(t, kind="purchase"), sg.RFM + sg.CADENCE, dates=dates, window="60 days")
        for t in (table, spark_frame(table))
    )
    assert_frame_equal(here, there, rtol=1e-9, check_like=True)
    assert here.attrs["segkit"]["units"] == there.attrs["segkit"]["units"]


# --- what cannot be read -----------------------------------------------------------------------------


def test_a_stream_is_refused():
    stream = spark_session().readStream.format("rate").load()
    with pytest.raises(TypeError, match=r"streaming Spark DataFrame.*spark\.read\.table"):
        sg.read_events(stream, kind="visit", customer_id="value")


def test_repeated_columns_are_refused():
    frame = spark_session().sql("SELECT 1 AS customer_id, 2 AS customer_ID, DATE'2024-01-01' AS timestamp")
    with pytest.raises(ValueError, match="more than once"):
        sg.read_events(frame, kind="visit")


def test_unknown_directives_are_named():
    with pytest.raises(ValueError, match=r"timestamp_format='%Y-%j' has %j, which is not read in Spark"):
        sg.read_events(spark_frame(rows("2024-001")), kind="visit", timestamp_format="%Y-%j")


def test_failing_frames_are_explained():
    frame = spark_session().sql("SELECT 'ada' AS customer_id, raise_error('broken disk') AS timestamp")
    with pytest.raises(ValueError, match=r"the Spark DataFrame could not be read to its end.*broken disk"):
        sg.read_events(frame, kind="visit")


def test_spark_connect():
    """In a process of its own: one cannot have both."""
    spark_session()  # skips the test where there is no Spark
    try:
        import grpc  # noqa: F401
    except ImportError as error:
        lacks("Spark Connect", str(error))
    said = subprocess.run(
        [sys.executable, HERE / "spark_connect.py"], capture_output=True, text=True, timeout=300
    )
    assert said.stdout.splitlines()[-1:] == ["as on DuckDB"], said.stderr[-3000:]


def test_spark_keeps_a_stored_log():
    lines = pa.table(
        {"customer_id": ["ada", "bob"], "timestamp": ["2024-01-01", "2024-01-02"], "amount": [5.5, 7]}
    )
    events = sg.read_events(spark_frame(lines), kind="purchase")
    kept = events.cache()
    assert kept.table.get_backend().name == "pyspark"
    expected = sg.customer_features(events, sg.RFM, as_of="2024-02-01")
    assert_frame_equal(sg.customer_features(kept, sg.RFM, as_of="2024-02-01"), expected)
