"""Events: every source gives the same ones, and rows that cannot be used are counted with their reason."""

import contextlib
import copy
import dataclasses
import datetime
import decimal
import json
import pickle
import sqlite3
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import duckdb
import ibis
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal
from shared_data import shared
from tables import EVIL, orders

import segkit as sg
from segkit.collect.timestamps import EPOCHS

LINES = orders(("ada", "2024-01-01 10:00:00", 30.0), ("bob", "2024-01-02 11:30:00", 5.5))
HEADER = "customer_id,timestamp,amount\n"


def read(source, **options):
    return sg.read_events(source, **({"kind": "purchase"} | options))


def rows(events):
    return events.table.to_pandas().sort_values(["customer_id", "timestamp"]).to_dict("list")


def refused(events):
    return dict(zip(events.refused["reason"], events.refused["count"], strict=True))


def times(values, **options):
    """Return the timestamps that can be used, as text, by their position."""
    table = pd.DataFrame({"customer_id": range(len(values)), "timestamp": values})
    read_back = read(table, kind="visit", **options).table.to_pandas()
    return {
        int(i): f"{t:%Y-%m-%d %H:%M}"
        for i, t in zip(read_back["customer_id"], read_back["timestamp"], strict=True)
    }


def file(folder, text, name="lines.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# --- sources -----------------------------------------------------------------------------------------


def as_csv(frame, folder):
    frame.to_csv(folder / "lines.csv", index=False)
    return folder / "lines.csv"


def as_parquet(frame, folder):
    frame.to_parquet(folder / "lines.parquet")
    return str(folder / "lines.parquet")


def as_folder(frame, folder):
    """As Spark writes: several files in folders."""
    for i in range(len(frame)):
        (folder / f"day={i}").mkdir()
        frame.iloc[[i]].to_parquet(folder / f"day={i}" / "part.parquet")
    return folder


def as_glob(frame, folder):
    """Two files whose columns stand in another order."""
    frame.iloc[:1].to_csv(folder / "a.csv", index=False)
    frame.iloc[1:, ::-1].to_csv(folder / "b.csv", index=False)
    return folder / "*.csv"


def as_list(frame, folder):
    as_glob(frame, folder)
    return [folder / "a.csv", str(folder / "b.csv")]


def as_json_lines(frame, folder):
    frame.to_json(folder / "lines.jsonl", orient="records", lines=True)
    return folder / "lines.jsonl"


def as_own_table(frame, folder):
    own = ibis.duckdb.connect()
    values = ", ".join(map(str, frame.itertuples(index=False, name=None)))
    own.raw_sql(f"CREATE TABLE shop AS SELECT * FROM (VALUES {values}) AS t({', '.join(frame.columns)})")
    return own.table("shop")


SOURCES = {
    "csv": as_csv,
    "tsv": lambda f, d: f.to_csv(d / "lines.tsv", index=False, sep="\t") or d / "lines.tsv",
    "parquet": as_parquet,
    "folder of parquet": as_folder,
    "glob": as_glob,
    "list": as_list,
    "json lines": as_json_lines,
    "pandas": lambda f, d: f,
    "pandas, id as index": lambda f, d: f.set_index("customer_id"),
    "pandas, id and time as index": lambda f, d: f.set_index(["customer_id", "timestamp"]),
    "pandas, objects": lambda f, d: f.astype(object),
    "pandas, categories": lambda f, d: f.astype({"customer_id": "category"}),
    "polars": lambda f, d: pl.from_pandas(f),
    "polars, lazy": lambda f, d: pl.from_pandas(f).lazy(),
    "arrow": lambda f, d: pa.Table.from_pandas(f),
    "arrow batches": lambda f, d: pa.Table.from_pandas(f).to_reader(),
    "duckdb relation": lambda f, d: duckdb.from_arrow(pa.Table.from_pandas(f)),
    "ibis": as_own_table,
    "ibis, in memory": lambda f, d: ibis.memtable(f),
}


@pytest.mark.parametrize("name", SOURCES)
def test_sources_give_same_events(name, tmp_path):
    events = read(SOURCES[name](LINES, tmp_path))
    assert rows(events) == {
        "customer_id": ["ada", "bob"],
        "timestamp": [pd.Timestamp("2024-01-01 10:00"), pd.Timestamp("2024-01-02 11:30")],
        "kind": ["purchase", "purchase"],
        "amount": [30.0, 5.5],
    }
    assert events.refused.empty


def test_events_are_added(tmp_path):
    """A frame with a refused row, a file, a log of another kind, and simulated events."""
    before = LINES.copy()
    lines = LINES.assign(customer_id=["ada", None])
    made = sg.datasets.make_events(3, kinds="purchase")[0]
    reviews = read(pl.from_pandas(LINES.assign(rating=[1, 2])), kind="review")
    both = read(lines) + read(as_csv(LINES, tmp_path)) + reviews
    assert both.kinds().to_dict() == {"purchase": 3, "review": 2}
    assert both.columns == ("customer_id", "timestamp", "kind", "amount", "rating")
    assert both.sources == ("the DataFrame", "lines.csv", "the DataFrame")
    assert refused(both + both) == {"customer_id missing": 2}
    assert (made + both).kinds()["purchase"] == made.kinds()["purchase"] + 3
    pd.testing.assert_frame_equal(LINES, before)
    with pytest.raises(TypeError, match="unsupported operand"):
        both + LINES.to_dict()


def test_two_timezones_are_not_added():
    """Both bought at 9 by the clock of their shop, and a log has one clock."""
    london, angeles = (
        read(orders((name, "2024-01-05 09:00", 1.0)), timezone=zone)
        for name, zone in (("ada", "Europe/London"), ("bob", "America/Los_Angeles"))
    )
    with pytest.raises(ValueError, match=r"'America/Los_Angeles' and 'Europe/London'.*dataclasses\.replace"):
        angeles + london
    both = london + dataclasses.replace(angeles, timezone="Europe/London")
    assert both.timezone == "Europe/London"
    assert rows(both)["timestamp"] == [pd.Timestamp("2024-01-05 09:00"), pd.Timestamp("2024-01-05 17:00")]


CLEAN = {
    "customer_id": ["ada", "bob", "ada"],
    "kind": ["purchase", "return", "page_view"],
    "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"]),
    "amount": [5.0, -2.0, None],
    "category": ["tea", None, "tea"],
}
UNCLEAN = {
    "nothing": {},
    "blanks around an id": {"customer_id": [" ada", "bob", "ada\u00a0"]},
    "a kind in capitals": {"kind": ["Purchase", "return", "PAGE_VIEW"]},
    "a return of positive amount": {"amount": [5.0, 2.0, None]},
    "an empty word": {"category": ["tea", "", "tea"]},
    "a row that is refused": {"customer_id": ["ada", "bob", None]},
}


@pytest.mark.parametrize("what", UNCLEAN)
def test_clean_columns_are_read_directly(what, tmp_path):
    """Only a column that cleaning leaves as it was is read without cleaning."""
    pd.DataFrame(CLEAN | UNCLEAN[what]).to_parquet(tmp_path / "log.parquet")
    events = sg.read_events(tmp_path / "log.parquet")
    expected = pd.DataFrame(CLEAN)
    if what == "a row that is refused":
        expected = expected.iloc[:2]
    cleaned = events.table.order_by("timestamp").to_pandas()[list(CLEAN)]
    assert_frame_equal(cleaned, expected, check_dtype=False)
    sql = str(ibis.to_sql(events.table, dialect="duckdb"))
    assert ("NULLIF" not in sql and "CASE" not in sql) is (what == "nothing")


# --- ids ---------------------------------------------------------------------------------------------

IDS = {
    "17850": "17850",
    "17850.0": "17850",
    " 17850\n": "17850",
    "017850": "017850",
    "0": "0",
    "10": "10",
    "1e3": "1e3",
    "17850.00": "17850.00",
    "-5.0": "-5",
    "v1.0": "v1.0",
    "\u00a08": "8",
    "8\u00a0 ": "8",
    "\u200b8\u3000": "8",
    "\ufeff8.0": "8",
    "a\u00a0b": "a\u00a0b",
    "é": "é",
    "Zoe\u0301": "Zo\u00e9",
    "\u200f123\u200e": "123",
    "\u202aada\u202c": "ada",
    "+1555": "+1555",
    "'+1555": "+1555",
    '="00123"': "00123",
    "'t Hooft": "'t Hooft",
    "9007199254740991.0": "9007199254740991",
    "123456789012345680": "123456789012345680",
    "1e17": "1e17",
    "1.2e": "1.2e",
    "{8F3A-0C}": "{8F3A-0C}",
    "[word]": "[word]",
    "true story": "true story",
    **{odd: odd for odd in ("o'neil", 'say "hi"', "a,b", "😀", "a\x00b", EVIL, "%s", "a\nb", "x" * 256)},
}
NO_IDS = {
    "customer_id missing": [
        "",
        " ",
        "\u00a0",
        "nan",
        "NaN",
        "None",
        "<NA>",
        "NaT",
        "NULL",
        "null",
        "\\N",
        "N/A",
        "n/a",
        "#N/A",
        "undefined",
        "(not set)",
    ],
    "customer_id a float that has lost digits": [
        "1.2E+17",
        " 1e+17",
        "1.23457E+11",
        "1.2345678901234568e17",
        "-1.2e+17",
        "9007199254740992.0",
    ],
    "customer_id an object or a list": ['{"id": 1}', "[1]", "{}", '["a"]'],
    "customer_id true or false": ["true", "FALSE"],
    "customer_id longer than 256 characters": ["x" * 257, "1" * 100_000],
}


@pytest.mark.parametrize("source", ["frame", "parquet", "json lines"])
def test_ids_in_text(source, tmp_path):
    words = [*IDS, *(word for some in NO_IDS.values() for word in some)]
    table = pd.DataFrame({"customer_id": words, "timestamp": "2024-01-01", "order_id": range(len(words))})
    made = {"frame": lambda: table, "parquet": lambda: as_parquet(table, tmp_path)}
    events = read(made.get(source, lambda: as_json_lines(table, tmp_path))(), kind="visit")
    read_back = events.table.to_pandas().astype({"order_id": int}).sort_values("order_id")["customer_id"]
    assert read_back.to_list() == list(IDS.values())
    assert refused(events) == {reason: len(some) for reason, some in NO_IDS.items()}
    assert events.refused["example"].str.len().max() < 100


def test_ids_in_numbers():
    """From 2**53 on, two ids may be one float; 32 bits tell fewer apart."""
    largest = 2.0**53
    floats = [17850.0, np.nan, 3.0, 1.5, largest - 1, largest, np.inf, 1e20]
    events = read(pd.DataFrame({"customer_id": floats, "timestamp": "2024-01-01"}), kind="visit")
    assert sorted(rows(events)["customer_id"]) == ["1.5", "17850", "3", "9007199254740991"]
    assert refused(events) == {
        "customer_id missing": 1,
        "customer_id a float that has lost digits": 2,
        "customer_id not finite": 1,
    }
    other = pd.DataFrame(
        {
            "customer_id": np.array([1, 2**24, 7], dtype="float32"),
            "timestamp": "2024-01-01",
            "order_id": [1.0, 2.0, largest],
            "product_id": [decimal.Decimal("17850.0"), None, None],
            "category": pd.array([2**53 + 1, None, None], dtype="Int64"),
        }
    )
    events = read(other, kind="visit")
    assert refused(events) == {
        "customer_id a float that has lost digits": 1,
        "order_id a float that has lost digits": 1,
    }
    assert [rows(events)[name] for name in ("order_id", "product_id")] == [["1"], ["17850"]]
    assert rows(read(other.iloc[:1], customer_id="category", kind="visit"))["customer_id"] == [str(2**53 + 1)]
    with pytest.raises(ValueError, match="Read ids as text"):
        read(LINES.assign(customer_id=largest))


def as_excel(frame, folder):
    frame.to_excel(folder / "lines.xlsx", index=False)
    return folder / "lines.xlsx"


def as_sqlite(frame, folder):
    with contextlib.closing(sqlite3.connect(folder / "lines.db")) as connection:
        connection.execute(f"CREATE TABLE lines ({', '.join(frame)})")
        marks = ", ".join("?" * len(frame.columns))
        connection.executemany(f"INSERT INTO lines VALUES ({marks})", frame.to_numpy().tolist())
        connection.commit()
    return folder / "lines.db"


def as_parquet_of_two_types(frame, folder):
    for i in frame.index:
        frame.iloc[[i]].infer_objects().to_parquet(folder / f"{i}.parquet")
    return folder / "*.parquet"


@pytest.mark.parametrize(
    "write",
    [lambda frame, _: frame, as_csv, as_excel, as_json_lines, as_sqlite, as_parquet_of_two_types],
    ids=["frame", "csv", "excel", "json lines", "sqlite", "parquet"],
)
def test_ids_that_were_floats(write, tmp_path):
    """Among text, floats come as text: from 2**53 on, they are refused too."""
    names, long = ["customer_id", "order_id", "product_id"], "123456789012345678"
    lines = pd.DataFrame({"timestamp": "2024-01-01", **dict.fromkeys(names, long)}, index=range(4))
    for i, name in enumerate(names):
        lines[name] = lines[name].astype("object")
        lines.loc[i, name] = 123456789012345680.0
        lines.loc[(i + 1) % 3, name] = "C-1"
    events = read(write(lines, tmp_path), kind="visit")
    assert refused(events) == {f"{name} a float that has lost digits": 1 for name in names}
    assert [rows(events)[name] for name in names] == [[long]] * 3


def test_ids_of_other_types(tmp_path):
    """Bytes are the text that they say; ids of 16 bytes say none."""
    lines = pd.DataFrame(
        {"customer_id": ["Jürgen".encode(), b" ada ", b"\xff\xfe", b"", None], "timestamp": "2024-01-01"}
    )
    events = read(lines)
    assert sorted(rows(events)["customer_id"]) == ["Jürgen", "ada"]
    assert refused(events) == {"customer_id missing": 2, "customer_id bytes that are no text": 1}
    with pytest.raises(ValueError, match=r"bytes that are no text .*HEX\(id\)"):
        read(lines[2:3])
    attributes = sg.read_attributes(lines.assign(city="Ulm"), geographic="city")
    assert attributes.table.index.to_list() == ["Jürgen", "ada"]
    assert int(attributes.refused["count"].sum()) == 3
    for column, reason in (
        ([True, False], "true or false"),
        ([[1], [2]], "an object or a list"),
        ([{"id": 1}] * 2, "an object or a list"),
    ):
        with pytest.raises(ValueError, match=f"2 × customer_id {reason}"):
            read(LINES.assign(customer_id=column))
    missing = pa.table(
        {
            "customer_id": ["a", "b", "c"],
            "timestamp": ["2024-01-01"] * 3,
            "product_id": pa.array([1.0, float("nan"), None]),
        }
    )
    events = read(missing, kind="visit")
    assert len(events.refused) == 0
    assert pd.Series(rows(events)["product_id"]).fillna("none").to_list() == ["1", "none", "none"]


@pytest.mark.parametrize(
    "column", [pd.period_range("2024-01-01", periods=2), [uuid.UUID(int=1)] * 2, [1j, 2j]]
)
def test_strange_types_are_explained(column):
    try:
        read(LINES.assign(product_id=column))
    except (ValueError, TypeError) as error:
        assert "product_id" in str(error)


# --- kinds and amounts -------------------------------------------------------------------------------


def test_amount_is_quantity_times_price():
    lines = LINES.drop(columns="amount").assign(n=[2, -1], each=[1.5, 4.0])
    events = read(lines, quantity="n", price="each")
    assert (rows(events)["amount"], rows(events)["kind"]) == ([3.0, -4.0], ["purchase", "return"])


def test_price_is_the_amount():
    """Also beside a column "amount", which in some exports counts the items."""
    assert rows(read(LINES.rename(columns={"amount": "price"})))["amount"] == [30.0, 5.5]
    assert rows(read(LINES.assign(each=[1.0, 2.0]), price="each"))["amount"] == [1.0, 2.0]


def test_returns_are_negative():
    lines = pd.DataFrame(
        {
            "customer_id": list("abcde"),
            "timestamp": "2024-01-01",
            "kind": ["purchase", "purchase", "return", "return", "visit"],
            "amount": [-1.0, 0.0, 4.0, -4.0, -1.0],
        }
    )
    events = sg.read_events(lines)
    assert rows(events)["kind"] == ["return", "purchase", "return", "return", "visit"]
    assert rows(events)["amount"] == [-1.0, 0.0, -4.0, -4.0, -1.0]


def test_kinds_come_from_a_column():
    lines = LINES.assign(what=["order", "fax"], kind=["Purchase", " PURCHASE "])
    words = {"kind": None, "kind_column": "what"}
    assert rows(read(lines, **words, kinds={"order": "purchase", "fax": "fax"}))["kind"] == [
        "purchase",
        "fax",
    ]
    assert sg.read_events(lines).kinds().to_dict() == {"purchase": 2}, "known words in any letters"
    lines = lines.assign(kind=["Page Views", "pageView"])
    assert sg.read_events(lines).kinds().to_dict() == {"page_view": 2}, "in any spelling"
    assert sg.read_events(LINES, kind="Purchases").kinds().to_dict() == {"purchase": 2}
    assert rows(read(lines.assign(kind=["a", "b"])))["kind"] == ["purchase", "purchase"]


def test_unknown_kinds_are_asked_about():
    """No feature counts the money of an unknown kind, so its word is asked about, unless it is in kinds."""
    lines = LINES.assign(kind=["Order completed", "Refunds"])
    how = "kinds={'Order completed': 'purchase', 'Refunds': 'return'}, for instance"
    with pytest.raises(
        ValueError, match=f"^All amounts of the DataFrame .* 'Order completed', 'Refunds', .*{how}"
    ):
        sg.read_events(lines)
    with pytest.warns(
        UserWarning, match="amounts in rows of kind 'Refunds', .*{'Refunds': 'Refunds'}"
    ) as caught:
        sg.read_events(lines, kinds={"Order completed": "purchase"})
    assert [w.filename for w in caught if "Refunds" in str(w.message)] == [__file__]
    kept = sg.read_events(lines, kinds={"Order completed": "purchase", "Refunds": "Refunds"})
    assert kept.kinds().to_dict() == {"Refunds": 1, "purchase": 1}
    sg.read_events(lines.assign(amount=[1.0, 0.0]), kinds={"Order completed": "purchase"})
    without = lines.drop(columns="amount").assign(kind=["email_opened", "fax"])
    with pytest.warns(
        UserWarning, match=r"'email_opened' for 'email_open'\? .*kinds={'email_opened': 'email_open'}"
    ):
        sg.read_events(without)
    own = without.assign(kind=["preview", "repurchase"])  # no review, no purchase
    assert sg.read_events(own).kinds().to_dict() == {"preview": 1, "repurchase": 1}


def test_years_of_two_digits_are_explained():
    lines = LINES.assign(timestamp="31/01/24")
    with pytest.raises(ValueError, match="a year of two digits is %y"):
        read(lines, timestamp_format="%d/%m/%Y")
    assert rows(read(lines, timestamp_format="%d/%m/%y"))["timestamp"] == [pd.Timestamp("2024-01-31")] * 2


def test_kind_of_all_rows_is_a_known_word():
    lines = LINES.assign(what="order", visit=1)
    with pytest.raises(ValueError, match=r"kind='what' is a column .* kind_column='what'"):
        read(lines, kind="what")
    with pytest.raises(ValueError, match=r"kind='type' is a column .* kind_column='type'"):
        sg.read_events(LINES.assign(type="track"), preset="segment", kind="type")
    assert read(lines, kind="visit").kinds().to_dict() == {"visit": 2}, "a kind and a column"
    with pytest.raises(ValueError, match=r"All amounts .* of kind 'orders'"):
        read(lines, kind="orders")
    assert read(lines, kind="orders", kinds={"orders": "purchase"}).kinds().to_dict() == {"purchase": 2}
    assert read(lines, kind="gift", kinds={"gift": "gift"}).kinds().to_dict() == {"gift": 2}


def test_unused_words_of_kinds_are_warned_of():
    lines = LINES.drop(columns="amount").assign(what=["order", "fax"])
    words = {"kind": None, "kind_column": "what"}
    with pytest.warns(
        UserWarning, match=r"'ordr', a word that no row of .* 'order'\? The kinds .* fax, order"
    ) as caught:
        events = read(lines, **words, kinds={"ordr": "purchase", "fax": "chat"})
    assert rows(events)["kind"] == ["order", "chat"]
    assert [w.category for w in caught].count(UserWarning) == 1
    with pytest.warns(UserWarning, match=r"Every row .* of kind 'purchase', so kinds=.*kind_column="):
        read(lines, kinds={"order": "purchase"})
    gone = lines.assign(customer_id=["ada", None])
    assert rows(read(gone, **words, kinds={"fax": "chat"}))["kind"] == ["order"], "a refused row has the word"


GOOD = {
    "timestamp": "2024-01-01",
    "kind": "purchase",
    "amount": "1",
    "quantity": "1",
    "price": "1",
    "rating": "5",
    "duration": "5",
    "sentiment": "0",
    "zone": "UTC",
}
SCENARIOS = [
    ({}, None),
    ({"amount": " 2 ", "zone": " Europe/Rome "}, None),
    ({"rating": "", "duration": "NaN"}, None),
    ({"kind": "visit", "amount": ""}, None),
    ({"amount": "inf"}, "amount not finite"),
    ({"amount": "-inf"}, "amount not finite"),
    ({"amount": "1,234.50"}, "amount not a number: it has a comma"),
    ({"amount": "x"}, "amount not a number"),
    ({"amount": "1_000"}, "amount not a number"),
    ({"amount": ""}, "amount of a purchase missing"),
    ({"amount": "nan"}, "amount of a purchase missing"),
    ({"amount": "1e12"}, "amount beyond 1,000,000,000,000"),
    ({"quantity": "1e13"}, "quantity beyond 1,000,000,000,000"),
    ({"rating": "great"}, "rating not a number"),
    ({"rating": "-inf"}, "rating not finite"),
    ({"duration": "-1"}, "duration below 0"),
    ({"sentiment": "1.01"}, "sentiment outside -1 to 1"),
    ({"quantity": "-2", "price": "-2"}, "quantity and price both negative"),
    ({"customer_id": ""}, "customer_id missing"),
    ({"timestamp": ""}, "timestamp missing"),
    ({"timestamp": "  "}, "timestamp missing"),
    ({"timestamp": "2024-02-30"}, "timestamp not readable"),
    ({"timestamp": "infinity"}, "timestamp not readable"),
    ({"timestamp": "epoch"}, "timestamp not readable"),
    ({"timestamp": "1066-10-14"}, "timestamp outside 1900 to 2200"),
    ({"kind": ""}, "kind missing"),
    ({"kind": "  "}, "kind missing"),
    ({"zone": "Middle Earth"}, "zone not a time zone"),
]


@pytest.mark.parametrize("zone", [True, False])
@pytest.mark.parametrize("source", ["frame", "csv"])
def test_rows_are_refused_with_a_reason(source, zone, tmp_path):
    """One row each; a file is copied once, a frame is read by each query. Without zones, checks are faster."""
    scenarios = [s for s in SCENARIOS if zone or "zone" not in s[0]]
    lines = pd.DataFrame([{"customer_id": f"c{i}"} | GOOD | s for i, (s, _) in enumerate(scenarios)])
    lines = lines if zone else lines.drop(columns="zone")
    events = sg.read_events(lines if source == "frame" else as_csv(lines, tmp_path))
    used = [f"c{i}" for i, (_, reason) in enumerate(scenarios) if reason is None]
    assert sorted(rows(events)["customer_id"]) == used
    assert refused(events) == pd.Series([r for _, r in scenarios if r]).value_counts().to_dict()
    assert events.refused["example"].str.contains("=").all()
    if zone:
        assert set(rows(events)["zone"]) == {"UTC", "Europe/Rome"}


def test_numbers_of_every_type():
    lines = LINES.assign(
        amount=[decimal.Decimal("1.5"), 2],
        quantity=[1, 2],
        rating=[True, False],
        discount=pd.array([1, 2], "Float32"),
        duration=pd.array([1, None], "Int64"),
        sentiment=pd.Series([np.float16(1), None], dtype=object),
    )
    events = rows(read(lines))
    assert (events["amount"], events["quantity"], events["rating"]) == ([1.5, 2.0], [1.0, 2.0], [1.0, 0.0])
    assert events["discount"] == [1.0, 2.0]
    assert [events[name][0] for name in ("duration", "sentiment")] == [1.0, 1.0]
    for missing in (pd.array([1, None], "Int64"), [decimal.Decimal("1.10"), None], [1.0, np.nan]):
        assert refused(read(LINES.assign(amount=missing))) == {"amount of a purchase missing": 1}
    assert refused(read(LINES.assign(amount=[1, -np.inf]))) == {"amount not finite": 1}


def test_features_of_odd_numbers_are_finite():
    """Infinite ratings are refused, missing ones are answers without a rating, and none are bounded."""
    ratings = [1.0, np.inf, -np.inf, np.nan, 400.0, 0.0]
    lines = pd.DataFrame({"customer_id": list("abcdef"), "timestamp": "2024-01-01", "rating": ratings})
    events = read(lines, kind="survey")
    assert refused(events) == {"rating not finite": 2} and int(events.kinds().sum()) == 4
    features = [f for f in sg.FEEDBACK if "sentiment" not in f.name]
    customers = sg.customer_features(events, features, as_of="2024-02-01")
    assert customers.index.to_list() == ["a", "d", "e", "f"]
    assert not np.isinf(customers.select_dtypes("number")).any().any()
    large = read(
        LINES.assign(quantity=[1e13, 1.0], discount=[1.0, 1e13]).iloc[[0, 1, 1]].assign(discount=1.0)
    )
    sg.customer_features(large, sg.select_features("items_per_order", "discount_share"), as_of="2025-01-01")


def test_equal_lines_are_kept_or_refused():
    """Ada bought two of the same, or the file holds a line twice: only a person can know."""
    twice = pd.concat([LINES, LINES.iloc[:1]])
    kept = read(twice)
    assert (kept.kinds()["purchase"], kept.describe().loc["purchase", "repeats"]) == (3, 1)
    once = read(twice, duplicates="refuse")
    assert (once.kinds()["purchase"], refused(once)) == (2, {"equal to another line": 1})
    assert once.describe().loc["purchase", "repeats"] == 0


# --- time --------------------------------------------------------------------------------------------

PARIS = {
    "2024-07-01 10:00:00+02:00": "2024-07-01 08:00",
    "2024-07-01T10:00:00Z": "2024-07-01 10:00",
    "2024-07-01 10:00": "2024-07-01 08:00",
    "2024-07-01 10:00:00": "2024-07-01 08:00",
    "2024-07-01T10:00:00": "2024-07-01 08:00",
    "2024-07-01T10:00-0500": "2024-07-01 15:00",
    "2024-07-01 10:00:00 UTC": "2024-07-01 10:00",
    " 2024-07-01 ": "2024-06-30 22:00",
    "2024-07-01 10:00:0Z": "2024-07-01 10:00",
    # In Paris 2:30 did not exist on 31 March 2024: it is 3:30. On 27 October the second 2:30 is taken.
    "2024-03-31 02:30": "2024-03-31 01:30",
    "2024-03-31 03:30": "2024-03-31 01:30",
    "2024-10-27 02:30": "2024-10-27 01:30",
    "2024-10-27 02:30+02:00": "2024-10-27 00:30",
}
"""Times as they are written, and what they are in UTC when those without a zone are of Paris."""


def test_times_become_utc():
    assert times(list(PARIS), timezone="Europe/Paris") == dict(enumerate(PARIS.values()))
    naive = [text for text in PARIS if len(text) == 16]
    expected = dict(enumerate(PARIS[text] for text in naive))
    assert times(pd.to_datetime(naive), timezone="Europe/Paris") == expected
    assert times(naive, timezone="Europe/Paris", timestamp_format="%Y-%m-%d %H:%M") == expected
    assert times(list(PARIS)[:3]) == {0: "2024-07-01 08:00", 1: "2024-07-01 10:00", 2: "2024-07-01 10:00"}


def test_times_of_pandas_become_utc():
    paris, utc = (pd.Timestamp("2024-07-01 10:00", tz=zone) for zone in ("Europe/Paris", "UTC"))
    assert times([paris, utc]) == {0: "2024-07-01 08:00", 1: "2024-07-01 10:00"}
    assert times(pd.DatetimeIndex([paris])) == {0: "2024-07-01 08:00"}
    assert times([datetime.date(2024, 7, 1)]) == {0: "2024-07-01 00:00"}


def test_formats_are_never_guessed():
    """Only ISO 8601 is read without a format; 03/04 is two different days."""
    mixed = ["2024-01-31", "31/01/2024", "Jan 31 2024", "31/01/2024 02:00 +0200"]
    formats = ["%Y-%m-%d", "%d/%m/%Y", "%b %d %Y"]
    assert times(mixed) == {0: "2024-01-31 00:00"}
    assert times(mixed, timestamp_format=formats) == dict.fromkeys(range(3), "2024-01-31 00:00")
    assert times(mixed, timestamp_format="%d/%m/%Y %H:%M %z") == {3: "2024-01-31 00:00"}
    with pytest.raises(
        ValueError, match=r"timestamp not readable \(timestamp=31/01/2024\).*timestamp_format="
    ):
        times(mixed[1:2])
    with pytest.raises(ValueError, match=r"'epoch' is not a time format\. Did you mean 'epoch_s'"):
        times([1704067200], timestamp_format="epoch")
    with pytest.raises(ValueError, match="'dd/mm/yyyy' is not a time format"):
        times(["31/01/2024"], timestamp_format=["%Y-%m-%d", "dd/mm/yyyy"])


def test_times_as_numbers_need_a_unit():
    assert times([1704067200_000], timestamp_format="epoch_ms") == {0: "2024-01-01 00:00"}
    assert times(["1704067200", "x", "9" * 30], timestamp_format="epoch_s") == {0: "2024-01-01 00:00"}
    assert times([20240131.0, np.nan, 20241399], timestamp_format="%Y%m%d") == {0: "2024-01-31 00:00"}
    with pytest.raises(ValueError, match=r"holds numbers.*timestamp_format='epoch_s'.*'%Y%m%d'"):
        times([1704067200])


TIMES = ["2023-11-14 22:13", "2024-03-09 16:00"]


def in_unit(microseconds):
    return [round(1_700_000_000_000_000 / microseconds), round(1_710_000_000_000_000 / microseconds), 0]


@pytest.mark.parametrize("said", EPOCHS)
def test_times_in_another_unit_are_refused(said):
    """Seconds read as milliseconds are all in January 1970, and so are days and dates read as seconds."""
    assert list(times(in_unit(EPOCHS[said]), timestamp_format=said).values()) == [*TIMES, "1970-01-01 00:00"]
    finer = [unit for unit in EPOCHS if EPOCHS[unit] > EPOCHS[said]]
    wrong = [(in_unit(EPOCHS[unit]), f"timestamp_format='{unit}'") for unit in finer]
    wrong += [([45244.9, 45360.6], "origin='1899-12-30'"), ([19675.9, 19791.6], "origin='1970-01-01'")]
    if said != "epoch_ns":
        wrong.append(([20231114, 20240309], "timestamp_format='%Y%m%d'"))
    for numbers, mend in wrong:
        with pytest.raises(ValueError, match=f"read as {said}, holds times from 1970-.*{mend}"):
            times(numbers, timestamp_format=said)


def test_times_that_pandas_counted_in_nanoseconds():
    for unit in ("s", "ms", "us"):
        with pytest.raises(ValueError, match=r"from 1970-01-.*unit='s'"):
            times(pd.to_datetime(in_unit(EPOCHS[f"epoch_{unit}"])))
    assert len(times(["1970-01-20", "1971-01-20"])) == len(times(["1971-01-20"])) + 1 == 2


# --- files -------------------------------------------------------------------------------------------


def test_broken_csv_lines_are_counted(tmp_path):
    """Two good lines, one too short, one too long, one that is not UTF-8, one without a customer."""
    text = (HEADER + "#1,2024-01-01,5\nbob,2024-01-02\nbob,2024-01-02,3,4,5\n").encode()
    text += "J\xfcrgen,2024-01-03,4\n".encode("latin-1") + b",2024-01-03,4\neve,2024-01-04,3\n"
    events = read(file(tmp_path, text))
    assert events.kinds()["purchase"] == 2
    assert refused(events) == {"line not readable as a row": 3, "customer_id missing": 1}
    assert events.refused["example"][0] == "bob,2024-01-02 (2 fields, not 3)"


JSON = [
    {"customer_id": "ada", "timestamp": "2024-01-01", "amount": 5, "seen": {"where": ["shop"]}},
    {"customer_id": 17850.0, "timestamp": "2024-01-01", "amount": "6", "late": True},
    {"customer_id": "odd", "timestamp": "2024-01-01", "amount": 7, "a.b/c~d\"e'$[0]é": 8},
    {"customer_id": None, "timestamp": "2024-01-01", "amount": 5},
]
NO_JSON = ['{"customer_id": "eve", "timest', "[1, 2]", "nonsense", "", "broken\x07line", '{"": 1}']


def test_broken_json_lines_are_counted(tmp_path):
    lines = [
        *map(json.dumps, JSON),
        *NO_JSON,
        '{"customer_id": "' + "x" * 5_000_000 + '"}',
        '{"customer_id": "Jürgen"}',
    ]
    path = file(tmp_path, "\n".join(lines).encode("latin-1"), "lines.jsonl")
    events = read(path)
    assert rows(events)["customer_id"] == ["17850", "ada", "odd"]
    assert refused(events) == {
        "line not readable as a row": 5,
        "customer_id missing": 2,
        "customer_id longer than 256 characters": 1,
    }
    assert rows(read(path, amount="a.b/c~d\"e'$[0]é", kind="visit"))["amount"][-1] == 8.0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("empty.csv", "", "empty.csv is empty. It should hold a header line"),
        ("empty.jsonl", "", "holds no JSON object"),
        ("hollow.jsonl", "{}\n{}\n", "holds 2 JSON objects, all of them empty"),
        ("text.jsonl", "hello\n", "holds no JSON object"),
        ("header.csv", HEADER, "has columns but no rows"),
        ("no.parquet", "PAR?", "no.parquet could not be read as Parquet"),
        ("sheet.xlsx", "PK", "sheet.xlsx could not be read as a workbook"),
        ("sheet.xls", "PK", "sheet.xls ends in '.xls'. .*read others with pandas"),
        ("title.csv", f"Export of May\n{HEADER}1,2024-01-01,5\n", "no comma, .*'Export of May'"),
        ("other.csv", "a,b\n1,2\n", "has no column 'customer_id'.*Its columns are a, b"),
    ],
)
def test_unreadable_files_are_explained(tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message):
        read(file(tmp_path, text, name))


def test_missing_files_are_explained(tmp_path):
    file(tmp_path, HEADER, "orders_2024.csv")
    with pytest.raises(
        FileNotFoundError, match=r"no file .*orders_2042.csv.*Did you mean 'orders_2024.csv'\?"
    ):
        read(tmp_path / "orders_2042.csv")
    with pytest.raises(FileNotFoundError, match=r"no file"):
        read([tmp_path / "orders_2024.csv", tmp_path / "*.tsv"])
    with pytest.raises(FileNotFoundError, match="is a folder without Parquet files"):
        read(tmp_path)
    with pytest.raises(ValueError, match=r"several formats \(csv, parquet\).*add them"):
        read([as_csv(LINES, tmp_path), as_parquet(LINES, tmp_path)])


def test_brackets_in_names_are_no_pattern(tmp_path):
    for name, customer in (("orders[1].csv", "bracket"), ("orders1.csv", "plain")):
        (tmp_path / name).write_text(f"customer_id,timestamp\n{customer},2024-01-01\n")
        pd.DataFrame({"customer_id": [customer], "timestamp": ["2024-01-01"]}).to_parquet(
            tmp_path / name.replace("csv", "parquet")
        )
    assert rows(read(tmp_path / "orders[1].csv"))["customer_id"] == ["bracket"]
    assert rows(read(tmp_path / "orders[1].parquet"))["customer_id"] == ["bracket"]
    assert rows(read(str(tmp_path / "*.csv")))["customer_id"] == ["bracket", "plain"]


@pytest.mark.parametrize("source", ["pandas", "parquet", "json lines", "csv"])
def test_columns_in_capitals_are_told_apart_or_refused(source, tmp_path):
    frame = LINES.assign(amount=[1.0, 2.0])
    frame.insert(0, "Amount", [10.0, 20.0])
    try:
        assert rows(read(SOURCES[source](frame, tmp_path)))["amount"] == [1.0, 2.0]
    except ValueError as error:
        assert "Amount" in str(error)


# --- arguments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"amount": "amuont"}, ValueError, r"no column 'amuont'. Did you mean 'amount'\?"),
        ({"custmer_id": "x"}, TypeError, r"no column 'custmer_id'. Did you mean 'customer_id'\?"),
        ({"kind": None}, ValueError, "Say kind='purchase' if all rows are purchases"),
        ({"kind": " "}, ValueError, "is not a word"),
        ({"kind_column": "amount"}, ValueError, "Both kind='purchase' and kind_column='amount'"),
        ({"kind": None, "kind_column": "tmestamp"}, ValueError, "Did you mean 'timestamp'"),
        ({"timezone": "Europe/Lodnon"}, ValueError, "Did you mean 'Europe/London'"),
        ({"duplicates": "drop"}, ValueError, "neither 'keep' nor 'refuse'"),
        ({"timestamp_format": "%Q"}, ValueError, "timestamp_format if one was given"),
        ({"timestamp": "amount"}, ValueError, "holds numbers"),
        ({"kinds": {1: "purchase"}}, TypeError, "kinds"),
        ({"timestamp_format": 5}, TypeError, "timestamp_format"),
    ],
)
def test_wrong_arguments_are_explained(options, error, message):
    with pytest.raises(error, match=message):
        read(LINES, **options)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (LINES.iloc[:0], ValueError, "has columns but no rows"),
        (LINES.drop(columns="timestamp"), ValueError, "no column 'timestamp'"),
        (LINES.rename(columns={"customer_id": "CustomerId"}), ValueError, "Did you mean 'CustomerId'"),
        (LINES.assign(timestamp=True), ValueError, "holds boolean. It should hold times"),
        (
            LINES.set_axis(["customer_id", "timestamp", "Timestamp"], axis=1),
            ValueError,
            "'timestamp' more than once",
        ),
        (
            pa.Table.from_arrays([[1], [2]], names=["customer_id", "customer_id"]),
            ValueError,
            "'customer_id' more than once",
        ),
        (
            LINES.assign(customer_id=None),
            ValueError,
            r"No row of the DataFrame can be used: 2 × customer_id missing",
        ),
        ({"customer_id": ["ada"]}, TypeError, "source is a builtins.dict"),
        (LINES["amount"], TypeError, "source is a pandas.*Series"),
        (None, TypeError, "source is a builtins.NoneType"),
        ([], TypeError, "source is a builtins.list"),
    ],
)
def test_wrong_sources_are_explained(source, error, message):
    with pytest.raises(error, match=message):
        read(source)


@pytest.mark.parametrize("as_of", ["03/04/2024", "now", "today", "12:00"])
def test_moments_are_never_guessed(as_of):
    with pytest.raises(ValueError, match="is not a moment"):
        sg.customer_features(read(LINES), sg.RFM, as_of=as_of)


@pytest.mark.parametrize("window", [365, "365"])
def test_spans_need_a_unit(window):
    with pytest.raises(ValueError, match="is not a span of time"):
        sg.customer_features(read(LINES), sg.RFM, as_of="2025-01-01", window=window)


# --- the log -----------------------------------------------------------------------------------------


def test_describe_by_hand():
    lines = LINES.assign(order_id=["1", "1"], kind=["purchase", "visit"], amount=[3.0, np.nan])
    events = sg.read_events(lines)
    summary = events.describe()
    assert summary.index.to_list() == ["purchase", "visit"]
    numbers = summary.loc["purchase", ["events", "customers", "orders", "amount", "repeats"]]
    assert numbers.to_list() == [1, 1, 1, 3.0, 0]
    assert summary.loc["visit", "first"] == pd.Timestamp("2024-01-02 11:30")
    summary["events"] = 0
    assert events.describe()["events"].to_list() == [1, 1]
    with pytest.raises(AttributeError):
        events.table = None


def test_events_stay_in_their_process():
    events = read(LINES)
    assert copy.copy(events) is events and copy.deepcopy(events) is events
    with pytest.raises(
        TypeError, match=r"cannot be pickled or sent to another process.*call read_events there"
    ):
        pickle.dumps(events)


def test_refused_rows_are_told_by_reason():
    lines = pd.concat([LINES] * 3, ignore_index=True).assign(
        customer_id=[None, None, "ada", "bob", "bob", "bob"]
    )
    events = read(lines.assign(amount=[1.0, 1, 1, np.inf, 1, 1]))
    assert repr(events).endswith("; 3 rows refused: customer_id missing 2, amount not finite 1")
    assert events.refused_reasons() == {"customer_id missing": 2, "amount not finite": 1}


def test_no_folder_for_temporary_files_is_told():
    code = "import tempfile; tempfile.tempdir = 'nowhere'\nfrom segkit.core.engine.connection import engine\nengine()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "OSError: There is no folder for temporary files" in done.stderr and "TMPDIR" in done.stderr


def test_events_are_shown():
    events = read(LINES.assign(customer_id=["ada", None]))
    assert (
        repr(events)
        == "Events: 1 event of 1 customer, 2024-01-01 to 2024-01-01 (purchase 1); 1 row refused: "
        "customer_id missing"
    )
    assert (events.first, events.last) == (pd.Timestamp("2024-01-01 10:00"),) * 2
    shown = read(LINES.assign(timestamp=["2024-01-01", EVIL]), kind=EVIL, kinds={EVIL: EVIL})._repr_html_()
    assert "<script" not in shown and "<img" not in shown


def test_rfm_of_another_implementation():
    """4,906 orders of 995 customers; the reference counts whole days."""
    folder = shared("rfm_orders")
    events = sg.read_events(
        folder / "rfm_orders.csv", kind="purchase", timestamp="order_date", amount="revenue"
    )
    ours = sg.customer_features(events, sg.RFM, as_of="2006-12-31")
    theirs = pd.read_csv(folder / "rfm_reference_quintiles.csv", index_col="customer_id").loc[ours.index]
    assert len(ours) == len(theirs) == 995
    assert (ours["recency"] == theirs["recency_days"]).all()
    assert (ours["frequency"] == theirs["transaction_count"]).all()
    assert (ours["monetary"] == theirs["amount"]).all()


def test_threads_wait_for_each_other():
    """JupyterLab may run a widget beside a cell."""
    with ThreadPoolExecutor(3) as pool:
        tables = list(
            pool.map(lambda _: sg.customer_features(read(LINES), sg.RFM, as_of="2025-01-01"), range(3))
        )
    assert all(table.equals(tables[0]) for table in tables)


def test_samples_hold_whole_customers():
    table = orders(*((f"c{i % 9}", f"2024-01-{i + 1:02}", float(i)) for i in range(27)))
    events = sg.read_events(table, kind="purchase")
    some = events.sample(4, random_state=1)
    assert some.kinds().to_dict() == {"purchase": 12}
    mixed = sg.read_events(table.sample(frac=1, random_state=0), kind="purchase").sample(4, random_state=1)
    ids = [set(e.table.to_pandas()["customer_id"]) for e in (some, mixed, events.sample(4, random_state=2))]
    assert ids[0] == ids[1] != ids[2] and len(ids[0]) == 4
    assert events.sample(100).kinds().to_dict() == {"purchase": 27}
    for wrong in ("2", 0):
        with pytest.raises(ValueError, match=f"n_customers={wrong!r}"):
            events.sample(wrong)
