"""The door: every source gives the same events, and what cannot be used is counted with its reason."""

import dataclasses
import datetime
import decimal
import json
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

LINES = orders(("ada", "2024-01-01 10:00:00", 30.0), ("bob", "2024-01-02 11:30:00", 5.5))
HEADER = "customer_id,timestamp,amount\n"


def read(source, **said):
    return sg.read_events(source, **({"kind": "purchase"} | said))


def rows(events):
    return events.table.to_pandas().sort_values(["customer_id", "timestamp"]).to_dict("list")


def refused(events):
    return dict(zip(events.refused["reason"], events.refused["count"], strict=True))


def times(values, **said):
    """The timestamps as read, as text, by customer 0, 1, 2 …; those refused are not there."""
    table = pd.DataFrame({"customer_id": range(len(values)), "timestamp": values})
    read_back = read(table, kind="visit", **said).table.to_pandas()
    return {
        int(i): f"{t:%Y-%m-%d %H:%M}"
        for i, t in zip(read_back["customer_id"], read_back["timestamp"], strict=True)
    }


def ids(values):
    events = read(pd.DataFrame({"customer_id": values, "timestamp": "2024-01-01"}), kind="visit")
    return events.table.to_pandas()["customer_id"].to_list()


def file(folder, text, name="lines.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
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
    said = ", ".join(map(str, frame.itertuples(index=False, name=None)))
    own.raw_sql(f"CREATE TABLE shop AS SELECT * FROM (VALUES {said}) AS t({', '.join(frame.columns)})")
    return own.table("shop")


SOURCES = {
    "csv": as_csv,
    "tsv": lambda f, d: f.to_csv(d / "lines.tsv", index=False, sep="\t") or d / "lines.tsv",
    "semicolons": lambda f, d: f.to_csv(d / "lines.csv", index=False, sep=";") or d / "lines.csv",
    "csv.gz": lambda f, d: f.to_csv(d / "lines.csv.gz", index=False) or d / "lines.csv.gz",
    "csv with a byte-order mark": lambda f, d: (
        f.to_csv(d / "a.csv", index=False, encoding="utf-8-sig") or d / "a.csv"
    ),
    "csv from Windows": lambda f, d: f.to_csv(d / "a.csv", index=False, lineterminator="\r\n") or d / "a.csv",
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
def test_every_source_gives_the_same_events(name, tmp_path):
    events = read(SOURCES[name](LINES, tmp_path))
    assert rows(events) == {
        "customer_id": ["ada", "bob"],
        "timestamp": [pd.Timestamp("2024-01-01 10:00"), pd.Timestamp("2024-01-02 11:30")],
        "kind": ["purchase", "purchase"],
        "amount": [30.0, 5.5],
    }
    assert events.refused.empty


def test_events_of_any_two_sources_can_be_added(tmp_path):
    own, file_ = read(LINES), read(as_csv(LINES, tmp_path))
    both = own + file_ + read(pl.from_pandas(LINES.assign(rating=[1, 2])), kind="review")
    assert both.kinds().to_dict() == {"purchase": 4, "review": 2}
    assert both.columns == ("customer_id", "timestamp", "kind", "amount", "rating")
    assert both.sources == ("the DataFrame", "lines.csv", "the DataFrame")


def test_simulated_events_can_be_added_to_a_file(tmp_path):
    made = sg.datasets.make_events(3, kinds="purchase")[0]
    assert (made + read(as_csv(LINES, tmp_path))).kinds()["purchase"] == made.kinds()["purchase"] + 2


def test_events_by_two_clocks_are_not_added_without_a_word():
    """Both bought at 9 by the clock of their shop; whose clock the hours are counted by has to be said."""
    london, angeles = (
        read(orders((who, "2024-01-05 09:00", 1.0)), timezone=zone)
        for who, zone in (("ada", "Europe/London"), ("bob", "America/Los_Angeles"))
    )
    with pytest.raises(ValueError, match=r"'America/Los_Angeles' and 'Europe/London'.*dataclasses\.replace"):
        angeles + london
    both = london + dataclasses.replace(angeles, timezone="Europe/London")
    assert both.timezone == "Europe/London"
    assert rows(both)["timestamp"] == [pd.Timestamp("2024-01-05 09:00"), pd.Timestamp("2024-01-05 17:00")]


def test_only_events_can_be_added():
    with pytest.raises(TypeError, match="unsupported operand"):
        read(LINES) + LINES.to_dict()


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
def test_a_file_is_used_as_it_came_only_where_that_changes_nothing(what, tmp_path):
    """Columns that need no cleaning are read anew, uncleaned, by each query: it must say the same."""
    table = pd.DataFrame(CLEAN | UNCLEAN[what])
    table.to_parquet(tmp_path / "log.parquet")
    events = sg.read_events(tmp_path / "log.parquet")
    expected = pd.DataFrame(CLEAN)
    if what == "a row that is refused":
        expected = expected.iloc[:2]
    found = events.table.order_by("timestamp").to_pandas()[list(CLEAN)]
    assert_frame_equal(found, expected, check_dtype=False)
    sql = str(ibis.to_sql(events.table, dialect="duckdb"))
    assert ("NULLIF" not in sql and "CASE" not in sql) is (what == "nothing")


def test_what_was_refused_adds_up():
    lines = LINES.assign(customer_id=["ada", None])
    assert refused(read(lines) + read(lines) + read(LINES)) == {"customer_id missing": 2}


def test_the_callers_table_is_left_as_it_was():
    before = LINES.copy()
    read(LINES)
    pd.testing.assert_frame_equal(LINES, before)


# --- ids, kinds, amounts -----------------------------------------------------------------------------


def test_ids_are_text():
    """A number, with or without the .0 of a column that missed values, is one customer."""
    assert ids([17850.0, np.nan, 3.0]) == ["17850", "3"]
    assert ids(["17850", "17850.0", " 17850\n", "017850", "1e3", "17850.00", "-5.0"]) == [
        "17850", "17850", "17850", "017850", "1e3", "17850.00", "-5",
    ]  # fmt: skip
    assert ids(pd.array([1, None], dtype="Int64")) == ["1"]
    assert ids([1.5, 2.0]) == ["1.5", "2"]
    assert ids([decimal.Decimal("17850")]) == ["17850"]


def test_blanks_of_all_kinds_are_stripped_from_ids():
    assert ids(["\u00a08", "8\u00a0 ", "\u200b8\u3000", "\ufeff8.0", "a\u00a0b", "é"]) == [
        *"8888",
        "a\u00a0b",
        "é",
    ]
    assert refused(read(LINES.assign(customer_id=["ada", "\u00a0"]))) == {"customer_id missing": 1}


OBJECTS = [{"id": 1}, [1], True, "{8F3A-0C}", "[word]", "true story"]


def test_what_holds_an_id_is_no_id(tmp_path):
    lines = "\n".join(json.dumps({"customer_id": one, "timestamp": "2024-01-01"}) for one in OBJECTS)
    events = read(file(tmp_path, lines, "lines.jsonl"), kind="visit")
    assert refused(events) == {"customer_id an object or a list": 2, "customer_id true or false": 1}
    assert rows(events)["customer_id"] == ["[word]", "true story", "{8F3A-0C}"]
    assert refused(read(LINES.assign(customer_id=["ada", {"id": 2}]))) == {
        "customer_id an object or a list": 1
    }
    for column, why in (
        ([True, False], "true or false"),
        ([[1], [2]], "an object or a list"),
        (OBJECTS[:1] * 2, "an obj"),
    ):
        with pytest.raises(ValueError, match=f"2 × customer_id {why}"):
            read(LINES.assign(customer_id=column))


def test_floats_that_have_lost_digits_are_no_ids():
    """From 2**53 on, two ids may be one float."""
    largest = 2.0**53
    assert ids([largest - 1, 1.0]) == ["9007199254740991", "1"]
    assert ids([2**53 + 1, 2**53 + 3]) == ["9007199254740993", "9007199254740995"]
    lines = LINES.assign(customer_id=[1.0, largest])
    assert refused(read(lines)) == {"customer_id a float that has lost digits": 1}
    assert refused(read(LINES.assign(order_id=[1.0, largest]))) == {
        "order_id a float that has lost digits": 1
    }
    assert refused(read(LINES.assign(customer_id=[1.0, np.inf]))) == {"customer_id not finite": 1}
    small = np.array([1, 2**24], dtype="float32")
    assert refused(read(LINES.assign(customer_id=small))) == {"customer_id a float that has lost digits": 1}
    with pytest.raises(ValueError, match="Read ids as text"):
        read(LINES.assign(customer_id=largest))


def test_ids_in_bytes_are_the_text_that_they_say_or_refused():
    """As databases give columns of bytes; ids of 16 bytes say no text."""
    lines = pd.DataFrame(
        {"customer_id": ["Jürgen".encode(), b" ada ", b"\xff\xfe", b"", None], "timestamp": "2024-01-01"}
    )
    events = read(lines)
    assert sorted(rows(events)["customer_id"]) == ["Jürgen", "ada"]
    assert refused(events) == {"customer_id missing": 2, "customer_id bytes that are no text": 1}
    blobs = duckdb.sql("SELECT 'ada'::BLOB AS customer_id, '2024-01-01' AS timestamp")
    assert rows(read(blobs))["customer_id"] == ["ada"]
    with pytest.raises(ValueError, match=r"bytes that are no text .*HEX\(id\)"):
        read(lines[2:3])
    attributes = sg.read_attributes(lines.assign(city="Ulm"), geographic="city")
    assert attributes.table.index.to_list() == ["Jürgen", "ada"]
    assert int(attributes.refused["count"].sum()) == 3


def test_a_rating_that_is_no_finite_number_is_refused_or_missing_and_features_stand():
    """Infinite ones are refused, missing ones are answers without a rating, and none are bounded."""
    ratings = [1.0, np.inf, -np.inf, np.nan, 400.0, 0.0]
    lines = pd.DataFrame({"customer_id": list("abcdef"), "timestamp": "2024-01-01", "rating": ratings})
    for rating in (lines.rating, lines.rating.astype(str)):
        events = read(lines.assign(rating=rating), kind="survey")
        assert refused(events) == {"rating not finite": 2} and int(events.kinds().sum()) == 4
        features = [f for f in sg.FEEDBACK if "sentiment" not in f.name]
        customers = sg.customer_features(events, features, as_of="2024-02-01")
        assert customers.index.to_list() == ["a", "d", "e", "f"]
        assert not np.isinf(customers.select_dtypes("number")).any().any()


def test_numbers_are_written_without_underscores(tmp_path):
    events = read(file(tmp_path, HEADER + "ada,2024-01-01,1_000\nbob,2024-01-01,1000\n"))
    assert refused(events) == {"amount not a number": 1}


def test_a_zone_may_have_blanks_around_it():
    assert rows(read(LINES.assign(zone=["UTC ", " Europe/Rome"])))["zone"] == ["UTC", "Europe/Rome"]


@pytest.mark.parametrize("word", ["", " ", "nan", "NaN", "None", "<NA>", "NaT"])
def test_words_for_missing_are_no_customer(word):
    assert refused(read(LINES.assign(customer_id=["ada", word]))) == {"customer_id missing": 1}


def test_an_id_of_100_000_characters_is_refused_and_not_shown(tmp_path):
    lines = LINES.assign(customer_id=["ada", "x" * 100_000])
    for source in (lines, as_csv(lines, tmp_path)):
        events = read(source)
        assert refused(events) == {"customer_id longer than 256 characters": 1}
        assert len(events.refused["example"][0]) < 100
    assert ids(["x" * 256]) == ["x" * 256]


def test_odd_ids_survive():
    odd = ["o'neil", 'say "hi"', "a,b", "é", "😀", "a\x00b", EVIL, "%s", "a\nb"]
    assert ids(odd) == odd


def test_amount_is_quantity_times_price():
    lines = LINES.drop(columns="amount").assign(n=[2, -1], each=[1.5, 4.0])
    events = read(lines, quantity="n", price="each")
    assert (rows(events)["amount"], rows(events)["kind"]) == ([3.0, -4.0], ["purchase", "return"])


def test_price_alone_is_the_amount():
    assert rows(read(LINES.rename(columns={"amount": "price"})))["amount"] == [30.0, 5.5]


def test_a_price_that_is_named_wins_over_a_column_called_amount():
    """In some exports "amount" counts the items."""
    assert rows(read(LINES.assign(each=[1.0, 2.0]), price="each"))["amount"] == [1.0, 2.0]


def test_a_purchase_of_negative_amount_is_a_return():
    events = read(LINES.assign(amount=[-1.0, 0.0]))
    assert rows(events)["kind"] == ["return", "purchase"]
    assert rows(read(LINES.assign(amount=[-1.0, 1.0]), kind="visit"))["kind"] == ["visit", "visit"]


def test_kinds_may_come_from_a_column_in_other_words():
    lines = LINES.assign(what=["order", "fax"])
    assert rows(read(lines, kind=None, kind_column="what", kinds={"order": "purchase"}))["kind"] == [
        "purchase",
        "fax",
    ]
    assert rows(read(LINES.assign(kind=["a", "b"]), kind=None))["kind"] == ["a", "b"]
    assert rows(read(LINES.assign(kind=["a", "b"])))["kind"] == ["purchase", "purchase"]


def test_a_word_in_kinds_that_no_row_has_is_warned_of():
    lines = LINES.assign(what=["order", "fax"])
    said = {"kind": None, "kind_column": "what"}
    with pytest.warns(
        UserWarning, match=r"'ordr', a word that no row of .* 'order'\? The kinds .* fax, order"
    ) as got:
        events = read(lines, **said, kinds={"ordr": "purchase", "fax": "chat"})
    assert rows(events)["kind"] == ["order", "chat"]
    assert [w.category for w in got].count(UserWarning) == 1
    with pytest.warns(UserWarning, match=r"Every row .* of kind 'purchase', so kinds=.*kind_column="):
        read(lines, kinds={"order": "purchase"})
    gone = lines.assign(customer_id=["ada", None])
    assert rows(read(gone, **said, kinds={"fax": "chat"}))["kind"] == ["order"], "a refused row has the word"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"amount": [1, np.inf]}, "amount not finite"),
        ({"amount": [1, -np.inf]}, "amount not finite"),
        ({"amount": ["1", "inf"]}, "amount not finite"),
        ({"amount": ["1", "1,234.50"]}, "amount not a number: it has a comma"),
        ({"amount": [1, "x"]}, "amount not a number"),
        ({"amount": [1, np.nan]}, "amount of a purchase missing"),
        ({"amount": ["1", ""]}, "amount of a purchase missing"),
        ({"amount": [1, 1e12]}, "amount beyond 1,000,000,000,000"),
        ({"amount": pd.array([1, None], dtype="Int64")}, "amount of a purchase missing"),
        ({"amount": pd.array([True, None], dtype="boolean")}, "amount of a purchase missing"),
        ({"amount": [decimal.Decimal("1.10"), None]}, "amount of a purchase missing"),
        ({"rating": ["5", "great"]}, "rating not a number"),
        ({"duration": [5, -1]}, "duration below 0"),
        ({"sentiment": [-1, 1.01]}, "sentiment outside -1 to 1"),
        ({"quantity": [1, -2], "price": [1, -2], "amount": [1, 4]}, "quantity and price both negative"),
        ({"customer_id": ["ada", None]}, "customer_id missing"),
        ({"timestamp": ["2024-01-01", None]}, "timestamp missing"),
        ({"timestamp": ["2024-01-01", "  "]}, "timestamp missing"),
        ({"timestamp": ["2024-01-01", "2024-02-30"]}, "timestamp not readable"),
        ({"timestamp": ["2024-01-01", "1066-10-14"]}, "timestamp outside 1900 to 2200"),
        ({"timestamp": ["2024-01-01", "infinity"]}, "timestamp not readable"),
        ({"timestamp": ["2024-01-01", "epoch"]}, "timestamp not readable"),
        ({"kind": ["purchase", None]}, "kind missing"),
        ({"kind": ["purchase", ""]}, "kind missing"),
    ],
)
def test_what_cannot_be_used_is_counted_with_its_reason(changed, reason):
    """The first line is good, the second is not."""
    events = read(LINES.assign(**changed), kind=None if "kind" in changed else "purchase")
    assert refused(events) == {reason: 1}
    assert len(events.table.to_pandas()) == 1
    assert events.refused["example"].str.contains("=").all()


def test_nan_everywhere_is_an_error_that_says_so():
    nothing = pd.DataFrame(
        {"customer_id": [None, None], "timestamp": [None, None], "amount": [np.nan, np.nan]}
    )
    with pytest.raises(ValueError, match=r"No row of the DataFrame can be used: 2 × customer_id missing"):
        read(nothing)


def test_numbers_of_every_type_are_read():
    for amount in (
        [1, 2],
        [True, False],
        [decimal.Decimal("1.5"), 2],
        pd.array([1, 2], "Float32"),
        [np.float16(1), 2],
        ["1", " 2 "],
    ):
        assert rows(read(LINES.assign(amount=amount)))["amount"] == [float(a) for a in amount]


# --- duplicates --------------------------------------------------------------------------------------


def test_equal_lines_are_kept_and_counted_or_refused():
    """Ada bought two of the same, or the file holds a line twice: only a person can know."""
    twice = pd.concat([LINES, LINES.iloc[:1]])
    kept = read(twice)
    assert (kept.kinds()["purchase"], kept.describe().loc["purchase", "repeats"]) == (3, 1)
    once = read(twice, duplicates="refuse")
    assert (once.kinds()["purchase"], refused(once)) == (2, {"equal to another line": 1})
    assert once.describe().loc["purchase", "repeats"] == 0


# --- time --------------------------------------------------------------------------------------------


def test_times_with_a_zone_become_utc():
    mixed = ["2024-07-01 10:00:00+02:00", "2024-07-01T10:00:00Z", "2024-07-01 10:00", "2024-07-01T10:00-0500"]
    assert times(mixed) == {
        0: "2024-07-01 08:00",
        1: "2024-07-01 10:00",
        2: "2024-07-01 10:00",
        3: "2024-07-01 15:00",
    }
    assert times(mixed, timezone="Europe/Paris")[2] == "2024-07-01 08:00"
    assert times(mixed, timezone="Europe/Paris")[1] == "2024-07-01 10:00"


def test_pandas_times_of_several_zones_become_utc():
    paris, utc = (
        pd.Timestamp("2024-07-01 10:00", tz="Europe/Paris"),
        pd.Timestamp("2024-07-01 10:00", tz="UTC"),
    )
    assert times([paris, utc]) == {0: "2024-07-01 08:00", 1: "2024-07-01 10:00"}
    assert times(pd.DatetimeIndex([paris])) == {0: "2024-07-01 08:00"}
    assert times([datetime.date(2024, 7, 1)]) == {0: "2024-07-01 00:00"}


def test_hours_that_clocks_skip_or_repeat_stay_in_order():
    """In London, 1:30 did not exist on 31 March 2024 and came twice on 27 October."""
    london = times(
        [
            "2024-03-31 00:30",
            "2024-03-31 01:30",
            "2024-03-31 02:30",
            "2024-10-27 00:30",
            "2024-10-27 01:30",
            "2024-10-27 02:30",
        ],
        timezone="Europe/London",
    )
    assert london[0] == "2024-03-31 00:30"
    assert london[1] in ("2024-03-31 00:30", "2024-03-31 01:30")
    assert london[2] == "2024-03-31 01:30"
    assert london[3] == "2024-10-26 23:30"
    assert london[4] in ("2024-10-27 00:30", "2024-10-27 01:30")
    assert london[5] == "2024-10-27 02:30"


def test_what_is_not_said_of_an_hour_is_read_by_one_rule():
    """In Berlin, 2:30 did not exist on 31 March 2024: it is 3:30. On 27 October the second 2:30 is taken."""
    said = ["2024-03-31 02:30", "2024-03-31 03:30", "2024-10-27 02:30", "2024-10-27 02:30+02:00"]
    read_as = {0: "2024-03-31 01:30", 1: "2024-03-31 01:30", 2: "2024-10-27 01:30", 3: "2024-10-27 00:30"}
    assert times(said, timezone="Europe/Berlin") == read_as
    assert times(pd.to_datetime(said[:3]), timezone="Europe/Berlin") == {i: read_as[i] for i in range(3)}
    del read_as[3]
    assert times(said[:3], timezone="Europe/Berlin", timestamp_format="%Y-%m-%d %H:%M") == read_as


def test_a_format_that_says_no_part_of_a_time_is_an_error():
    with pytest.raises(
        ValueError, match=r"timestamp_format='epoch' says no part of a time\. Did you mean 'epoch_s'"
    ):
        times([1704067200], timestamp_format="epoch")
    with pytest.raises(ValueError, match="'dd/mm/yyyy' says no part of a time"):
        times(["31/01/2024"], timestamp_format=["%Y-%m-%d", "dd/mm/yyyy"])


def test_dates_in_three_formats_are_never_guessed():
    """Only ISO is read unasked; 03/04 is two different days."""
    mixed = ["2024-01-31", "31/01/2024", "Jan 31 2024"]
    assert times(mixed) == {0: "2024-01-31 00:00"}
    said = times(mixed, timestamp_format=["%Y-%m-%d", "%d/%m/%Y", "%b %d %Y"])
    assert set(said.values()) == {"2024-01-31 00:00"} and len(said) == 3
    with pytest.raises(
        ValueError, match=r"timestamp not readable \(timestamp=31/01/2024\).*timestamp_format="
    ):
        times(mixed[1:2])


def test_times_as_numbers_need_their_unit():
    assert times([1704067200], timestamp_format="epoch_s") == {0: "2024-01-01 00:00"}
    assert times([1704067200_000], timestamp_format="epoch_ms") == {0: "2024-01-01 00:00"}
    assert times(["1704067200", "x", "9" * 30], timestamp_format="epoch_s") == {0: "2024-01-01 00:00"}
    assert times([20240131.0, np.nan, 20241399], timestamp_format="%Y%m%d") == {0: "2024-01-31 00:00"}
    with pytest.raises(ValueError, match=r"holds numbers.*timestamp_format='epoch_s'.*'%Y%m%d'"):
        times([1704067200])


def test_a_format_may_hold_a_zone():
    assert times(["01/02/2024 10:00 +0200"], timestamp_format="%d/%m/%Y %H:%M %z") == {0: "2024-02-01 08:00"}


# --- files that are not as they should be ------------------------------------------------------------


def test_broken_csv_lines_are_counted(tmp_path):
    """Six lines: two good, one too short, one too long, one that is no UTF-8, one without a customer."""
    text = (HEADER + "ada,2024-01-01,5\nbob,2024-01-02\nbob,2024-01-02,3,4,5\n").encode()
    text += "J\xfcrgen,2024-01-03,4\n".encode("latin-1") + b",2024-01-03,4\neve,2024-01-04,3\n"
    events = read(file(tmp_path, text))
    assert events.kinds()["purchase"] == 2
    assert refused(events) == {"line not readable as a row": 3, "customer_id missing": 1}
    assert events.refused["example"][0] == "bob,2024-01-02"


def test_broken_lines_at_the_top_do_not_vanish(tmp_path):
    events = read(file(tmp_path, HEADER + "1,2024-01-01\n2,2024-01-02\n3,2024-01-02,3\n4,2024-01-02,3\n"))
    assert events.kinds()["purchase"] + events.refused["count"].sum() == 4


def test_ids_that_look_like_comments_do_not_vanish(tmp_path):
    assert (
        read(file(tmp_path, HEADER + "#1,2024-01-01,5\n#2,2024-01-02,6\nada,2024-01-03,7\n")).kinds()[
            "purchase"
        ]
        == 3
    )


def test_quoted_csv_may_hold_lines_and_quotes(tmp_path):
    events = read(file(tmp_path, HEADER.strip() + ',text\n1,2024-01-01,5,"a\nb, ""c"""\n2,2024-01-01,5,\n'))
    assert rows(events)["text"][0] == 'a\nb, "c"'


def test_broken_json_lines_are_counted(tmp_path):
    lines = [
        '{"customer_id": "ada", "timestamp": "2024-01-01", "amount": 5, "seen": {"where": ["shop"]}}',
        '{"customer_id": 17850.0, "timestamp": "2024-01-01", "amount": "6", "late": true}',
        '{"customer_id": null, "timestamp": "2024-01-01", "amount": 5}',
        '{"customer_id": "eve", "timest',
        "[1, 2]",
        "nonsense",
        "",
    ]
    events = read(file(tmp_path, "\n".join(lines), "lines.jsonl"))
    assert rows(events)["customer_id"] == ["17850", "ada"]
    assert refused(events) == {"line not readable as a row": 3, "customer_id missing": 1}


def test_json_keys_may_hold_any_character(tmp_path):
    odd = "a.b/c~d\"e'$[0]é"
    line = json.dumps({"customer_id": "ada", "timestamp": "2024-01-01", odd: 7})
    assert rows(read(file(tmp_path, line, "a.ndjson"), amount=odd))["amount"] == [7.0]


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
        ("title.csv", f"Export of May\n{HEADER}1,2024-01-01,5\n", "has no column 'customer_id'"),
        ("other.csv", "a,b\n1,2\n", "has no column 'customer_id'.*Its columns are a, b"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_explained(tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message):
        read(file(tmp_path, text, name))


def test_a_file_that_is_not_there_is_explained_with_the_nearest_name(tmp_path):
    file(tmp_path, HEADER, "orders_2024.csv")
    with pytest.raises(
        FileNotFoundError, match=r"no file .*orders_2042.csv.*Did you mean 'orders_2024.csv'\?"
    ):
        read(tmp_path / "orders_2042.csv")
    with pytest.raises(FileNotFoundError, match=r"no file"):
        read([tmp_path / "orders_2024.csv", tmp_path / "*.tsv"])
    with pytest.raises(FileNotFoundError, match="is a folder without Parquet files"):
        read(tmp_path)


def test_files_of_two_formats_are_two_sources(tmp_path):
    with pytest.raises(ValueError, match=r"several formats \(csv, parquet\).*add them"):
        read([as_csv(LINES, tmp_path), as_parquet(LINES, tmp_path)])


# --- what was said wrongly ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ({"amount": "amuont"}, ValueError, r"no column 'amuont'. Did you mean 'amount'\?"),
        ({"custmer_id": "x"}, TypeError, r"no column 'custmer_id'. Did you mean 'customer_id'\?"),
        ({"kind": None}, ValueError, "What kind of events .* was not said"),
        ({"kind": " "}, ValueError, "is not a word"),
        ({"kind_column": "amount"}, ValueError, "Both kind='purchase' and kind_column='amount'"),
        ({"kind": None, "kind_column": "tmestamp"}, ValueError, "Did you mean 'timestamp'"),
        ({"timezone": "Europe/Lodnon"}, ValueError, "Did you mean 'Europe/London'"),
        ({"duplicates": "drop"}, ValueError, "neither 'keep' nor 'refuse'"),
        ({"timestamp_format": "%Q"}, ValueError, "timestamp_format if one was given"),
        ({"timestamp": "amount"}, ValueError, "holds numbers"),
    ],
)
def test_what_was_said_wrongly_is_explained(said, error, message):
    with pytest.raises(error, match=message):
        read(LINES, **said)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (LINES.iloc[:0], ValueError, "has columns but no rows"),
        (LINES.drop(columns="timestamp"), ValueError, "no column 'timestamp'"),
        (LINES.rename(columns={"customer_id": "CustomerId"}), ValueError, "Did you mean 'CustomerId'"),
        (LINES.assign(timestamp=True), ValueError, "holds boolean. It should hold times"),
        (
            LINES.set_axis(["customer_id", "timestamp", "timestamp"], axis=1),
            ValueError,
            "'timestamp' more than once",
        ),
        (pa.Table.from_arrays([[1], [2]], names=["a", "a"]), ValueError, "'a' more than once"),
        ({"customer_id": ["ada"]}, TypeError, "source is a builtins.dict"),
        (LINES["amount"], TypeError, "source is a pandas.*Series"),
        (None, TypeError, "source is a builtins.NoneType"),
        ([], TypeError, "source is a builtins.list"),
    ],
)
def test_a_source_that_cannot_be_read_is_explained(source, error, message):
    with pytest.raises(error, match=message):
        read(source)


# --- saying what was read ----------------------------------------------------------------------------


def test_describe_by_hand():
    lines = LINES.assign(order_id=["1", "1"], kind=["purchase", "visit"], amount=[3.0, np.nan])
    summary = sg.read_events(lines).describe()
    assert summary.index.to_list() == ["purchase", "visit"]
    assert summary.loc["purchase", ["events", "customers", "orders", "amount", "repeats"]].to_list() == [
        1,
        1,
        1,
        3.0,
        0,
    ]
    assert summary.loc["visit", "first"] == pd.Timestamp("2024-01-02 11:30")


def test_events_say_what_they_are():
    events = read(LINES.assign(customer_id=["ada", None]))
    assert (
        repr(events) == "Events: 1 event of 1 customer, 2024-01-01 to 2024-01-01 (purchase 1); 1 row refused"
    )
    assert (events.first, events.last) == (pd.Timestamp("2024-01-01 10:00"),) * 2


def test_events_are_shown_as_text_and_never_as_markup():
    shown = sg.read_events(LINES.assign(kind=EVIL, timestamp=["2024-01-01", EVIL]))._repr_html_()
    assert "<script" not in shown and "<img" not in shown


def test_what_was_read_cannot_be_changed():
    events = read(LINES)
    with pytest.raises(AttributeError):
        events.table = None
    summary = events.describe()
    summary["events"] = 0
    assert events.describe()["events"].to_list() == [2]


# --- rare, and not to be fallen over ------------------------------------------------------------------


@pytest.mark.parametrize("how", ["pandas", "parquet", "json lines", "csv"])
def test_columns_that_differ_only_in_capitals_are_told_apart_or_refused(how, tmp_path):
    frame = LINES.assign(amount=[1.0, 2.0])
    frame.insert(0, "Amount", [10.0, 20.0])
    try:
        assert rows(read(SOURCES[how](frame, tmp_path)))["amount"] == [1.0, 2.0]
    except ValueError as error:
        assert "Amount" in str(error)


def test_one_enormous_id_does_not_stop_the_others():
    assert ids([17850.0, 1e20])[0] == "17850"


def test_a_decimal_id_is_the_same_customer():
    assert ids([decimal.Decimal("17850.0")]) == ["17850"]


def test_a_zone_by_name_is_a_zone():
    """Read in UTC, or refused: never five hours away."""
    said = times(["2024-01-01 10:00", "2024-01-01 10:00:00 UTC"], timezone="America/New_York")
    assert said.get(1, "2024-01-01 10:00") == "2024-01-01 10:00"


@pytest.mark.parametrize("column", ["quantity", "discount"])
def test_enormous_quantities_are_refused_and_do_not_break_features(column):
    events = read(LINES.assign(**{column: [1e13, 1.0]}))
    sg.customer_features(
        events,
        sg.select_features("items_per_order", "discount_share")[column == "discount" :][:1],
        as_of="2025-01-01",
    )


@pytest.mark.parametrize(
    "text",
    [
        b"broken\x07line\n",
        b'{"customer_id": "J\xfcrgen", "timestamp": "2024-01-01"}\n',
        b'{"": 1}\n',
        b'{"text": "' + b"x" * 3_000_000 + b'"}\n',
    ],
)
def test_json_lines_that_cannot_be_read_are_explained(text, tmp_path):
    good = b'{"customer_id": "ada", "timestamp": "2024-01-01", "amount": 5}\n'
    try:
        events = read(file(tmp_path, good + text, "lines.jsonl"))
        assert events.kinds()["purchase"] + events.refused["count"].sum() == 2
    except ValueError as error:
        assert "lines.jsonl" in str(error)


@pytest.mark.parametrize(
    "column", [pd.period_range("2024-01-01", periods=2), [uuid.UUID(int=1)] * 2, [1j, 2j]]
)
def test_columns_of_strange_types_are_read_as_text_or_explained(column):
    try:
        read(LINES.assign(product_id=column))
    except (ValueError, TypeError) as error:
        assert "product_id" in str(error)


# --- real data ---------------------------------------------------------------------------------------


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


def test_a_return_takes_money_back_whatever_its_sign():
    lines = pd.DataFrame(
        {
            "customer_id": ["ada", "ada"],
            "timestamp": ["2024-01-01", "2024-01-02"],
            "kind": ["purchase", "return"],
        }
    )
    events = sg.read_events(lines.assign(amount=[10.0, 4.0]))
    assert events.table.order_by("timestamp").to_pandas()["amount"].to_list() == [10.0, -4.0]


def test_a_header_that_is_not_utf8_is_explained(tmp_path):
    (tmp_path / "lines.csv").write_bytes("customer_id,timestamp,Größe\nada,2024-01-01,1\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"header of lines\.csv is not UTF-8"):
        sg.read_events(tmp_path / "lines.csv", kind="purchase")


def test_names_with_brackets_are_names_and_not_patterns(tmp_path):
    for name, who in (("orders[1].csv", "bracket"), ("orders1.csv", "plain")):
        (tmp_path / name).write_text(f"customer_id,timestamp\n{who},2024-01-01\n")
    assert sg.read_events(tmp_path / "orders[1].csv", kind="purchase").table.to_pandas()[
        "customer_id"
    ].to_list() == ["bracket"]
    both = sg.read_events(str(tmp_path / "*.csv"), kind="purchase").table.to_pandas()
    assert sorted(both["customer_id"]) == ["bracket", "plain"]


def test_quotes_that_first_come_late_are_quotes(tmp_path):
    plain = "".join(f"c{i},2024-01-01,1,home\n" for i in range(30_000))
    (tmp_path / "late.csv").write_text(
        "customer_id,timestamp,amount,page\n"
        + plain
        + '"c5",2024-02-01,5,"say ""hi"", twice\nor more"\n' * 300
    )
    events = sg.read_events(tmp_path / "late.csv", kind="purchase")
    assert events.refused.empty
    assert events.kinds().to_dict() == {"purchase": 30_300}
    assert len(sg.customer_features(events, sg.RFM, as_of="2025-01-01")) == 30_000


def test_known_kinds_are_known_in_any_letters():
    lines = LINES.assign(kind=["Purchase", " PURCHASE "])
    assert sg.read_events(lines).kinds().to_dict() == {"purchase": 2}
    blank = sg.read_events(LINES.assign(kind=["purchase", "  "]))
    assert blank.refused[["reason", "count"]].to_numpy().tolist() == [["kind missing", 1]]


@pytest.mark.parametrize("word", ["NULL", "null", "\\N", "N/A"])
def test_what_databases_write_for_missing_is_missing(word):
    events = sg.read_events(LINES.assign(customer_id=["ada", word]), kind="purchase")
    assert events.refused["reason"].to_list() == ["customer_id missing"]


@pytest.mark.parametrize("said", [{"kinds": {1: "purchase"}}, {"timestamp_format": 5}])
def test_words_are_words(said):
    with pytest.raises(TypeError, match=next(iter(said))):
        sg.read_events(LINES.assign(kind="purchase"), **said)


@pytest.mark.parametrize("as_of", ["03/04/2024", "now", "today", "12:00"])
def test_a_moment_is_never_guessed(as_of):
    with pytest.raises(ValueError, match="is not a moment"):
        sg.customer_features(read(LINES), sg.RFM, as_of=as_of)


@pytest.mark.parametrize("window", [365, "365"])
def test_a_span_has_a_unit(window):
    with pytest.raises(ValueError, match="is not a span of time"):
        sg.customer_features(read(LINES), sg.RFM, as_of="2025-01-01", window=window)


def test_threads_wait_for_each_other():
    """JupyterLab may answer a widget beside a running cell."""
    with ThreadPoolExecutor(4) as pool:
        tables = list(
            pool.map(lambda _: sg.customer_features(read(LINES), sg.RFM, as_of="2025-01-01"), range(8))
        )
    assert all(table.equals(tables[0]) for table in tables)


def test_some_customers_are_drawn_with_all_their_events():
    table = orders(*((f"c{i % 9}", f"2024-01-{i + 1:02}", float(i)) for i in range(27)))
    events = sg.read_events(table, kind="purchase")
    some = events.sample(4, random_state=1)
    assert some.kinds().to_dict() == {"purchase": 12}
    mixed = sg.read_events(table.sample(frac=1, random_state=0), kind="purchase").sample(4, random_state=1)
    ids = [set(e.table.to_pandas()["customer_id"]) for e in (some, mixed, events.sample(4, random_state=2))]
    assert ids[0] == ids[1] != ids[2] and len(ids[0]) == 4
    assert len(sg.customer_features(some, sg.RFM, as_of="2024-02-01")) == 4
    assert events.sample(100).kinds().to_dict() == {"purchase": 27}
    with pytest.raises(ValueError, match="n_customers='2' should be a whole number, 1 or more"):
        events.sample("2")
    with pytest.raises(ValueError, match="n_customers=0"):
        events.sample(0)


def test_a_missing_number_is_no_id_and_no_reason_to_refuse(tmp_path):
    table = pa.table(
        {
            "customer_id": ["a", "b", "c"],
            "timestamp": ["2024-01-01"] * 3,
            "product_id": pa.array([1.0, float("nan"), None]),
        }
    )
    events = sg.read_events(table, kind="visit")
    assert len(events.refused) == 0
    assert events.table.to_pandas().set_index("customer_id")["product_id"].fillna("none").to_dict() == {
        "a": "1",
        "b": "none",
        "c": "none",
    }
