"""Sources as they come: text files that are not as they should be, workbooks, databases, other engines.

Whatever the source, its rows are the events and what was refused, to the last one.
"""

import codecs
import datetime
import decimal
import gzip
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import closing

import duckdb
import ibis
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from engines import lacks, postgres_server
from hypothesis import given
from hypothesis import strategies as st
from tables import orders

import segkit as sg
from segkit.collect.events import Events
from segkit.collect.sources.open import open_source
from segkit.core.engine.connection import drop_unused, engine, run

HEADER = "customer_id,timestamp,amount\n"
GOOD = "".join(f"c{i},2024-01-01,{i}\n" for i in range(40))
LINES = orders(("ada", "2024-01-01 10:00:00", 30.0), ("bob", "2024-01-02 11:30:00", 5.5))
SECRET = "s3cr%40t/hid"


def read(source, **said):
    return sg.read_events(source, **({"kind": "purchase"} | said))


def file(folder, content, name="lines.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def counted(events):
    """Events, and lines refused."""
    return int(events.kinds().sum()), int(events.refused["count"].sum())


def column(source, name, **said):
    return open_source(source, **said).table.to_pandas()[name].to_list()


def tables_of_the_engine():
    drop_unused()
    return set(run("SELECT table_name FROM duckdb_tables()"))


# --- text files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "used", "broken"),
    [
        pytest.param(HEADER + GOOD, 40, 0, id="as it should be"),
        pytest.param((HEADER + GOOD)[:-1], 40, 0, id="the last line does not end"),
        pytest.param(HEADER + GOOD + "\n\n" + GOOD + "\n", 80, 0, id="blank lines"),
        pytest.param(HEADER.replace("\n", "\r\n") + GOOD, 40, 0, id="a header from Windows"),
        pytest.param(
            HEADER + GOOD + GOOD.replace("\n", "\r\n") + GOOD, 120, 0, id="line ends of Unix and Windows"
        ),
        pytest.param((HEADER + GOOD).replace("\n", "\r"), 40, 0, id="line ends of old Macs"),
        pytest.param(HEADER + GOOD + "a,2024-01-01,1\rb,2024-01-01,1\n", 42, 0, id="one line end of old Macs"),
        pytest.param(codecs.BOM_UTF8 + (HEADER + GOOD).encode(), 40, 0, id="a byte-order mark"),
        pytest.param((HEADER + GOOD).encode("utf-16"), 40, 0, id="UTF-16"),
        pytest.param(codecs.BOM_UTF16_BE + (HEADER + GOOD).encode("utf-16-be"), 40, 0, id="UTF-16, big ends"),
        pytest.param((HEADER + GOOD).encode("utf-16-le"), 40, 0, id="UTF-16 that does not say so"),
        pytest.param((HEADER + GOOD).encode("utf-32"), 40, 0, id="UTF-32"),
        pytest.param((HEADER + GOOD + "Jürgen,2024-01-01,3\n").encode("latin-1"), 40, 1, id="a line in Latin-1"),
        pytest.param(HEADER + GOOD + "a,2024-01-01\n" + GOOD, 80, 1, id="too few fields"),
        pytest.param(HEADER + GOOD + "a,2024-01-01,1,2,3\n" + GOOD, 80, 1, id="too many fields"),
        pytest.param(HEADER + GOOD.replace("\n", ",\n"), 40, 0, id="a comma at each end"),
        pytest.param(HEADER + '"a,2024-01-01,1\n' + GOOD, 40, 1, id="a quote that never closes, at the top"),
        pytest.param(HEADER + GOOD + '"a,2024-01-01,1\n' + GOOD, 80, 1, id="a quote that never closes"),
        pytest.param(
            HEADER + GOOD + '"a,2024-01-01,1\n' + GOOD + '"b",2024-01-01,1\n', 81, 1, id="a quote closed far below"
        ),
        pytest.param(HEADER + 'a,2024-01-01,"1\n' * 3 + GOOD, 40, 3, id="quotes that never close, in a row"),
        pytest.param(HEADER + GOOD + '"a"b,2024-01-01,1\n' + GOOD, 81, 0, id="text after a quote"),
        pytest.param(HEADER + GOOD + 'a"b,2024-01-01,1\n' + GOOD, 81, 0, id="a quote within a word"),
        pytest.param(HEADER + GOOD + "a\x00b,2024-01-01,1\n", 41, 0, id="NUL in a word"),
        pytest.param(HEADER + GOOD + "\x00" * 5000, 40, 1, id="NULs at the end"),
        pytest.param(HEADER + GOOD + "z" * 6_000_000 + "\n" + GOOD, 80, 1, id="a line longer than a block"),
        pytest.param("\n\n" + HEADER + GOOD, 40, 0, id="blank lines on top"),
        pytest.param("sep=;\n" + (HEADER + GOOD).replace(",", ";"), 40, 0, id="a line that says what separates"),
        pytest.param((HEADER + GOOD).replace(",", "|"), 40, 0, id="bars"),
        pytest.param(HEADER.replace(",", " , ") + GOOD, 40, 0, id="blanks around names"),
        pytest.param('customer_id,timestamp,"amount\nin euros"\n' + GOOD, 40, 0, id="a name over two lines"),
    ],
)  # fmt: skip
def test_each_line_of_a_text_file_is_an_event_or_is_counted(content, used, broken, tmp_path):
    events = read(file(tmp_path, content), kind="visit")
    assert counted(events) == (used, broken)
    assert set(events.refused["reason"]) <= {"line not readable as a row"}
    assert events.table.timestamp.max().to_pandas() == pd.Timestamp("2024-01-01")


RECORDS = {
    "c1,2024-01-01,1": True,
    '"c2","2024-01-01","2"': True,
    '"over\ntwo lines",2024-01-01,3': True,
    'c4,2024-01-01,"4\n\n"': True,
    "short,2024-01-01": False,
    "long,2024-01-01,1,2": False,
    '"open,2024-01-01,1': False,
    'open,2024-01-01,"1': False,
    "Jürgen,2024-01-01,1": None,  # in Latin-1
}


@given(
    records=st.lists(st.sampled_from(list(RECORDS)), min_size=1, max_size=60),
    ends=st.sampled_from(["\n", "\r\n"]),
)
def test_used_and_refused_add_up_however_lines_are_broken(records, ends, tmp_path_factory):
    """Records over several lines stay together even where quotes before and after them never close."""
    lines = ["customer_id,timestamp,text", *records]
    content = b"".join(
        (line + "\n").replace("\n", ends).encode("latin-1" if line.startswith("J") else "utf-8")
        for line in lines
    )
    whole = sum(RECORDS[record] is True for record in records)
    source = open_source(file(tmp_path_factory.mktemp("lines"), content))
    assert (source.table.count().to_pandas(), source.broken) == (whole, len(records) - whole)


@pytest.mark.slow
def test_one_broken_line_in_a_hundred_costs_that_line_and_no_other(tmp_path):
    """200,000 lines, of which 2,000 are broken in five ways."""
    ways = [
        "c,2024-01-01\n",
        "c,2024-01-01,1,x,y\n",
        "Jürgen,2024-01-01,1\n",
        "\x00\x01\n",
        '"c,2024-01-01,1\n',
    ]
    lines = [f"c{i % 900},2024-01-01,{i}\n" for i in range(200_000)]
    for n, i in enumerate(range(37, 200_000, 100)):
        lines[i] = ways[n % 5]
    events = read(file(tmp_path, (HEADER + "".join(lines)).encode("latin-1")))
    assert counted(events) == (198_000, 2_000)
    assert events.table.amount.sum().to_pandas() == sum(i for i in range(200_000) if i % 100 != 37)


def test_the_first_broken_line_is_shown(tmp_path):
    assert read(file(tmp_path, HEADER + GOOD + "a,b\n")).refused["example"].to_list() == ["a,b"]
    assert read(file(tmp_path, HEADER + GOOD + '"a,b\n')).refused["example"].to_list() == ['"a,b']
    latin = read(file(tmp_path, (HEADER + GOOD + "Jürgen,2024-01-01,3\n").encode("latin-1")))
    assert latin.refused["example"].to_list() == ["Jürgen,2024-01-01,3 (not UTF-8)"]
    cut = read(file(tmp_path, (HEADER + GOOD + "a,2024-01-01,é").encode()[:-1]))
    assert cut.refused["example"].to_list() == ["a,2024-01-01,Ã (not UTF-8)"]
    shown = read(file(tmp_path, HEADER + GOOD + "\x00\x07bell\n")).refused["example"][0]
    assert shown.isprintable() and shown.endswith("bell")


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "txt.gz", "jsonl.gz"])
def test_packed_files_are_read_and_half_of_one_is_explained(ending, tmp_path):
    content = HEADER + GOOD * 50
    if "json" in ending:
        content = '{"customer_id": "ada", "timestamp": "2024-01-01", "amount": 5}\n' * 2000
    raw = content.encode()
    whole = gzip.compress(raw) if ending.endswith("gz") else raw
    assert counted(read(file(tmp_path, whole, f"a.{ending}"))) == (2000, 0)
    if ending.endswith("gz"):
        with pytest.raises(
            ValueError, match=r"half\..* could not be unpacked: .* should be a whole gzip file"
        ):
            read(file(tmp_path, whole[:-30], f"half.{ending}"))


def test_zstd_is_read_and_half_of_one_is_explained(tmp_path):
    """Half a file would otherwise be a shorter one, and nobody would know."""
    packed = pa.compress((HEADER + GOOD).encode(), codec="zstd", asbytes=True)
    assert counted(read(file(tmp_path, packed, "a.csv.zst"))) == (40, 0)
    with pytest.raises(ValueError, match="should be a whole zstd file"):
        read(file(tmp_path, packed[:-20], "half.csv.zst"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lines.csv is empty. It should hold a header line"),
        (b"\n\n \n", "lines.csv is empty"),
        (codecs.BOM_UTF8, "lines.csv is empty"),
        (HEADER, "lines.csv has columns but no rows"),
        (HEADER[:-1], "lines.csv has columns but no rows"),
        ('customer_id,"timestamp,amount\n' + GOOD * 9, "header of lines.csv opens a quote that it does not close"),
        ("Größe,timestamp\n".encode("latin-1"), r"header of lines\.csv is not UTF-8.*encoding='latin-1'"),
        ("Export of May\n" + HEADER + GOOD, "has no column 'customer_id'. Its columns are Export of May"),
        (GOOD, "has no column 'customer_id'. Its columns are c0, 2024-01-01, 0"),
        ("customer_id,timestamp,amount,amount\n", "'amount' more than once"),
        ((HEADER + "Jürgen,2024-01-01,3\n").encode("latin-1"), r"1 × line not readable as a row \(Jürgen.*not UTF-8"),
        ((HEADER + "Jürgen,2024-01-01,3\n").encode("latin-1"), r"not in UTF-8: save it again .*encoding='latin-1'"),
        (HEADER.replace(",", ";") + "a;2024-01-01;2,55\n", r"number: it has a comma \(amount=2,55\).*decimal=','"),
        (HEADER.replace(",", "\t") + "a\t2024-01-01\t2,55\n", r"has a comma \(amount=2,55\).*thousands=','"),
        (HEADER + "a,1704067200,1\n", r"timestamp=1704067200\).* count from 1970: .*timestamp_format='epoch_s'"),
        (HEADER + "a,1704067200000.0,1\n", r"timestamp_format='epoch_ms'"),
        (HEADER + "a,20240131,1\n", r"timestamp_format='%Y%m%d'"),
        (HEADER + "a,31012024,1\n", r'timestamp_format="%d/%m/%Y %H:%M"'),
        (HEADER + "a,31.1.2024,1\n", r'timestamp_format="%d/%m/%Y %H:%M"'),
        ((HEADER + "a,x,1\n" * 2 + "Jürgen,2024-01-01,3\n").encode("latin-1"), r"timestamp_format="),
    ],
)  # fmt: skip
def test_a_text_file_that_cannot_be_used_is_explained(content, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read(file(tmp_path, content))


def test_a_decimal_comma_is_counted_beside_numbers_that_have_none(tmp_path):
    events = read(file(tmp_path, "customer_id;timestamp;amount\na;2024-01-01;2,55\nb;2024-01-01;2\n"))
    assert events.refused[["reason", "count"]].to_numpy().tolist() == [
        ["amount not a number: it has a comma", 1]
    ]


def test_one_column_of_millions_of_broken_lines_is_no_burden(tmp_path):
    """A title above the header makes every line one of too many fields."""
    content = "Export of May\n" + (HEADER + GOOD) * 2000
    source = open_source(file(tmp_path, content))
    assert (source.table.count().to_pandas(), source.broken, source.broken_example) == (
        0,
        82_000,
        HEADER.strip(),
    )


def test_json_lines_of_any_line_ends_and_encodings_add_up(tmp_path):
    line = '{"customer_id": "ada", "timestamp": "2024-01-01", "amount": 5}'
    bad = '{"customer_id": "Jürgen", "timestamp": "2024-01-01", "amount": 5}'.encode("latin-1")
    assert counted(read(file(tmp_path, f"{line}\r\n{line}\n\n{line}", "a.jsonl"))) == (3, 0)
    assert counted(read(file(tmp_path, f"{line}\n{line}\n".encode("utf-16"), "a.jsonl"))) == (2, 0)
    events = read(file(tmp_path, line.encode() + b"\n" + bad + b"\n", "a.jsonl"))
    assert counted(events) == (1, 1)
    assert "not UTF-8" in events.refused["example"][0]
    with pytest.raises(
        ValueError, match=r"no JSON object.* not in UTF-8: .*read_json\(path, lines=True, encoding="
    ):
        read(file(tmp_path, bad, "a.jsonl"))


def test_files_of_one_export_may_lack_columns_and_hold_others(tmp_path):
    """What a file does not have is missing in its rows; broken lines of all are counted."""
    file(tmp_path, HEADER + "ada,2024-01-01,1\n", "a.csv")
    file(tmp_path, "timestamp,customer_id,channel,amount\n2024-01-02,bob,web,2\nbroken\n", "b.csv")
    events = read(tmp_path / "*.csv")
    assert counted(events) == (2, 1)
    assert events.table.order_by("customer_id").to_pandas()["channel"].fillna("missing").to_list() == [
        "missing",
        "web",
    ]


# --- Parquet -----------------------------------------------------------------------------------------


@pytest.fixture
def parquet(tmp_path):
    path = tmp_path / "orders.parquet"
    LINES.to_parquet(path)
    return path


def test_parquet_that_was_changed_after_it_was_read_gives_no_answer(parquet):
    events = read(parquet)
    assert counted(events) == (2, 0)
    pd.concat([LINES, LINES]).to_parquet(parquet)
    with pytest.raises(
        duckdb.Error, match=r"orders\.parquet was changed after it was read.*read it again: read_events"
    ):
        events.table.to_pandas()
    assert counted(read(parquet)) == (4, 0)


def test_parquet_that_is_gone_gives_no_answer(parquet):
    events = read(parquet)
    parquet.unlink()
    with pytest.raises(duckdb.Error, match=r"orders\.parquet"):
        events.table.to_pandas()


def test_files_that_are_read_once_may_go(tmp_path):
    path = file(tmp_path, HEADER + GOOD)
    events = read(path)
    path.unlink()
    assert counted(events) == (40, 0)


def test_logs_and_half_written_files_of_a_folder_are_no_data(parquet):
    for name in ("_log/00.parquet", ".part.parquet"):
        (parquet.parent / name).parent.mkdir(exist_ok=True)
        LINES.to_parquet(parquet.parent / name)
    assert counted(read(parquet.parent)) == (2, 0)


def test_parquet_files_of_different_columns_are_one_table(parquet):
    LINES.assign(channel="web").drop(columns="amount").to_parquet(parquet.parent / "b.parquet")
    events = read(parquet.parent, kind="visit")
    assert counted(events) == (4, 0)
    assert events.table.channel.count().to_pandas() == 2


# --- frames ------------------------------------------------------------------------------------------


def test_times_with_and_without_a_zone_in_one_column_are_told_apart():
    """Ten o'clock in Paris is eight in UTC, whether the row says so or the reader."""
    aware = pd.Timestamp("2024-07-01 10:00", tz="Europe/Paris")
    naive = pd.Timestamp("2024-07-01 10:00")
    for times in ([naive, aware], [aware, naive], [aware.to_pydatetime(), naive.to_pydatetime()]):
        lines = pd.DataFrame({"customer_id": [1, 2], "timestamp": pd.Series(times, dtype="object")})
        events = read(lines, kind="visit", timezone="Europe/Paris")
        assert set(events.table.to_pandas()["timestamp"]) == {pd.Timestamp("2024-07-01 08:00")}


@pytest.mark.parametrize("way", ["pandas", "arrow", "polars", "lazy", "parquet", "duckdb"])
def test_nanoseconds_of_a_zone_are_times(way, tmp_path):
    moments = pd.DatetimeIndex(
        ["2024-01-31 23:30:00.5", "2024-07-01 12:00:00.25"], tz="Europe/Berlin"
    ).as_unit("ns")
    lines = pd.DataFrame({"customer_id": ["a", "b"], "timestamp": moments, "amount": [1.0, 2.0]})
    polars = pytest.importorskip("polars") if way in ("polars", "lazy") else None
    lines.to_parquet(tmp_path / "lines.parquet")
    source = {
        "pandas": lambda: lines,
        "arrow": lambda: pa.Table.from_pandas(lines),
        "polars": lambda: polars.from_pandas(lines),
        "lazy": lambda: polars.from_pandas(lines).lazy(),
        "parquet": lambda: tmp_path / "lines.parquet",
        "duckdb": lambda: duckdb.connect().from_df(lines),
    }[way]()
    told = read(source).table.to_pandas().sort_values("customer_id")["timestamp"]
    assert told.to_list() == [pd.Timestamp("2024-01-31 22:30:00.5"), pd.Timestamp("2024-07-01 10:00:00.25")]


def test_text_that_no_encoding_can_write_is_kept_in_part():
    assert column(pd.DataFrame({"a": ["x\ud800", None]}, dtype="object"), "a")[0] == "x?"


def test_batches_are_taken_one_by_one():
    """The reader is asked for a batch when the one before it is in the engine."""
    schema = pa.schema([("customer_id", pa.string()), ("timestamp", pa.string())])
    batch = pa.record_batch([["ada"] * 1000, ["2024-01-01"] * 1000], schema=schema)
    reader = pa.RecordBatchReader.from_batches(schema, (batch for _ in range(50)))
    assert counted(read(reader, kind="visit")) == (50_000, 0)


# --- workbooks ---------------------------------------------------------------------------------------


def workbook(folder, *sheets, name="orders.xlsx"):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(folder / name)
    return folder / name


NAMES = ["customer_id", "timestamp", "amount"]
DAY = datetime.datetime(2024, 1, 1, 10, 30)


def test_a_sheet_is_read_as_excel_saved_it(tmp_path):
    """Dates are dates, ids that Excel made numbers have no .0, and text keeps its zeros."""
    path = workbook(
        tmp_path,
        ("notes", [["nothing"]]),
        (
            "May",
            [
                [*NAMES, "product_id", "category"],
                [17850, DAY, 2.5, "00123", "NA"],
                [17851, DAY, 3, "00124", 7],
            ],
        ),
    )
    events = read(path, table="May")
    rows = events.table.order_by("customer_id").to_pandas()
    assert rows["customer_id"].to_list() == ["17850", "17851"]
    assert rows["timestamp"].to_list() == [pd.Timestamp(DAY)] * 2
    assert rows["product_id"].to_list() == ["00123", "00124"]
    assert rows["category"].to_list() == ["NA", "7"]
    assert events.sources == ("orders.xlsx, sheet 'May'",)


def test_the_first_sheet_is_read_if_none_is_said(tmp_path):
    path = workbook(tmp_path, ("a", [NAMES, ["ada", DAY, 1]]), ("b", [NAMES, ["bob", DAY, 1]]))
    assert column(path, "customer_id") == ["ada"]


def test_rows_and_columns_of_formatting_only_are_none(tmp_path):
    path = workbook(
        tmp_path, ("a", [[None], [*NAMES, None], ["ada", DAY, 1, None], [None] * 4, ["bob", DAY, 2]])
    )
    assert open_source(path).table.columns == tuple(NAMES)
    assert column(path, "customer_id") == ["ada", "bob"]


def test_an_index_that_pandas_wrote_does_not_hide_the_names(tmp_path):
    LINES.to_excel(tmp_path / "a.xlsx")
    assert counted(read(tmp_path / "a.xlsx")) == (2, 0)


def test_a_span_of_time_is_seconds(tmp_path):
    path = workbook(
        tmp_path,
        ("a", [["customer_id", "timestamp", "duration"], ["ada", DAY, datetime.timedelta(hours=30)]]),
    )
    assert read(path, kind="visit").table.to_pandas()["duration"].to_list() == [108_000]


def test_a_formula_counts_by_the_value_that_was_saved(tmp_path):
    path = workbook(tmp_path, ("a", [NAMES, ["ada", DAY, "=1+1"], ["bob", DAY, "=1/0"]]))
    saved = tmp_path / "saved.xlsm"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(saved, "w") as new:
        for item in old.infolist():
            text = old.read(item)
            text = text.replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>").replace(
                b"<f>1+1</f><v></v>", b"<f>1+1</f><v>2</v>"
            )
            new.writestr(item, text)
    events = read(saved)
    assert events.table.to_pandas()["amount"].to_list() == [2.0]
    assert events.refused["reason"].to_list() == ["amount of a purchase missing"]


def test_words_among_numbers_and_dates_are_kept(tmp_path):
    rows = [["ada", DAY, 1, "NA", datetime.timedelta(1)], ["bob", DAY, 2, 7, DAY]]
    path = workbook(tmp_path, ("a", [[*NAMES, "category", "note"], *rows]))
    assert column(path, "category") == ["NA", "7"]
    assert column(path, "note")[1] == "2024-01-01 10:30:00"


def test_sheets_of_several_workbooks_are_one_table(tmp_path):
    workbook(tmp_path, ("a", [NAMES, ["ada", DAY, 1]]), name="a.xlsx")
    workbook(tmp_path, ("a", [NAMES[::-1], [2, DAY, "bob"]]), name="b.xlsx")
    assert sorted(column(tmp_path / "*.xlsx", "customer_id", table="a")) == ["ada", "bob"]


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        (
            "ordres",
            r"no sheet 'ordres'. Did you mean 'orders'\? Its sheets are orders, empty, title, twice, names",
        ),
        ("empty", "sheet 'empty', is empty. It should hold a row of names"),
        ("title", r"first row of .*'title', names 1 of 3 columns: 'Export of May'.*header=2"),
        ("twice", "'amount' more than once"),
        ("names", "has columns but no rows"),
    ],
)
def test_a_sheet_that_cannot_be_used_is_explained(sheet, message, tmp_path):
    path = workbook(
        tmp_path,
        ("orders", [NAMES, ["ada", DAY, 1]]),
        ("empty", []),
        ("title", [["Export of May"], [], NAMES, ["ada", DAY, 1]]),
        ("twice", [[*NAMES, "amount"], ["ada", DAY, 1, 2]]),
        ("names", [NAMES]),
    )
    with pytest.raises(ValueError, match=message):
        read(path, table=sheet)


def test_the_row_of_the_names_is_counted_as_pandas_counts(tmp_path):
    path = workbook(tmp_path, ("a", [[], [], ["Export of May"], NAMES, ["ada", DAY, 1]]))
    with pytest.raises(ValueError, match="header=3"):
        read(path)
    assert list(pd.read_excel(path, header=3)) == NAMES


def test_a_span_of_time_is_no_moment(tmp_path):
    """Excel counts both in days, from 1900 on."""
    spans = [datetime.timedelta(days=2), datetime.timedelta(hours=2), datetime.timedelta(days=70)]
    path = workbook(tmp_path, ("a", [NAMES, ["ada", DAY, 1], *(["bob", span, 1] for span in spans)]))
    assert column(path, "timestamp")[1:] == ["172800.0", "7200.0", "6048000.0"]
    events = read(path)
    assert counted(events) == (1, 3)
    assert events.refused["reason"].to_list() == ["timestamp not readable"]


def test_a_full_sheet_is_warned_of(tmp_path, monkeypatch):
    monkeypatch.setattr("segkit.collect.sources.excel.MOST_ROWS", 3)
    path = workbook(tmp_path, ("a", [NAMES, ["ada", DAY, 1], ["bob", DAY, 1]]))
    with pytest.warns(UserWarning, match="as many rows as a sheet can hold"):
        read(path)


def test_what_reads_workbooks_may_not_be_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'segkit\[excel\]'"):
        read(workbook(tmp_path, ("a", [NAMES])))


def test_only_workbooks_and_databases_have_tables(tmp_path):
    for source in (LINES, file(tmp_path, HEADER), [file(tmp_path, HEADER)], None):
        with pytest.raises(TypeError, match=r"table='a' names a sheet .* is neither. Leave it out"):
            read(source, table="a")


# --- SQLite ------------------------------------------------------------------------------------------


@pytest.fixture(params=["ADBC", "Python"])
def shop(request, tmp_path, monkeypatch):
    """A database file, read by ADBC and by Python's own module."""
    if request.param == "Python":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript(
            """
            CREATE TABLE orders (customer_id, timestamp TEXT, amount);
            INSERT INTO orders VALUES
                (17850, '2024-01-01', 2.5), ('ada', '2024-01-02', 3), (17850.0, '2024-01-03', '4.25'),
                (0.1, '2024-01-04', 0.1), (NULL, '2024-01-05', 1);
            CREATE TABLE "odd ""name"" here" ("a b", "select" INTEGER);
            INSERT INTO "odd ""name"" here" VALUES (9007199254740993, 1);
            CREATE TABLE late AS WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000)
                SELECT CASE WHEN i = 3000 THEN 'word' END AS word, CASE WHEN i = 3000 THEN 0.5 ELSE i END AS number,
                       CASE WHEN i = 3000 THEN x'ff' END AS bytes, NULL AS empty FROM c;
            CREATE TABLE damaged (customer_id, timestamp);
            INSERT INTO damaged VALUES (CAST(x'ff' AS TEXT), '2024-01-01');
            CREATE VIEW paid AS SELECT * FROM orders WHERE amount > 2;
            """
        )
    return tmp_path / "shop.db"


def test_values_of_several_types_in_one_column_are_all_read(shop):
    """SQLite has a type for each value: 2.5, 3 and '4.25' are amounts of one column."""
    events = read(f"sqlite:///{shop}", table="orders")
    rows = events.table.order_by("timestamp").to_pandas()
    assert rows["customer_id"].to_list() == ["17850", "ada", "17850", "0.1"]
    assert rows["amount"].to_list() == [2.5, 3.0, 4.25, 0.1]
    assert counted(events) == (4, 1)
    assert events.sources == ("orders of shop.db",)


def test_a_type_that_comes_late_is_the_columns_type(shop):
    table = open_source(shop, table="late").table
    assert [str(kind) for kind in table.schema().types[:3]] == ["string", "float64", "binary"]
    assert table.agg(
        words=table.word.count(), numbers=table.number.sum()
    ).to_pandas().to_numpy().tolist() == [[1, 4_498_500.5]]


def test_long_ids_and_odd_names_of_a_database_survive(shop):
    table = open_source(shop, table='odd "name" here').table
    assert table.columns == ("a b", "select")
    assert table.to_pyarrow().to_pylist() == [{"a b": 9007199254740993, "select": 1}]


def test_a_query_is_read_as_a_table(shop):
    query = "-- paid\nSELECT * FROM orders WHERE timestamp LIKE '2024%' AND amount > 2;\n"
    assert counted(read(shop, table="SELECT * FROM orders WHERE customer_id = 'ada'")) == (1, 0)
    assert open_source(shop, table=query).name == "a query of shop.db"
    assert counted(read(shop, table="PAID")) == (3, 0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, r"Name the table of shop\.db. It holds damaged, late, odd .*Say table='…'"),
        ("ordres", r"no table 'ordres'. Did you mean 'orders'\? It holds damaged"),
        ("DELETE FROM orders", "no table 'DELETE FROM orders'"),
        ("WITH x AS (SELECT 1) DELETE FROM orders", "a query of .* could not be read"),
        ("SELECT * FROM gone", r"could not be read: .*no such table: gone.*mend the query"),
        ("SELECT 1 AS a, 2 AS A", "more than once"),
    ],
)
def test_a_table_that_cannot_be_read_is_explained(shop, table, message):
    with pytest.raises(ValueError, match=message):
        open_source(shop, table=table)


def test_rows_of_a_database_that_are_not_utf8_are_refused(shop):
    """SQLite keeps any bytes; with a mark for each in place of them, two customers might be one."""
    damaged = open_source(shop, table="damaged")
    assert (damaged.broken, damaged.broken_example) == (1, "ÿ,2024-01-01 (not UTF-8)")
    events = read(
        shop,
        table="SELECT 'ada' AS customer_id, '2024-01-01' AS timestamp, 1 AS amount UNION ALL "
        "SELECT customer_id, '2024-01-01', 2 FROM damaged -- which holds one row",
    )
    assert counted(events) == (1, 1)


def test_a_comment_may_end_a_query(shop):
    for end in ("-- all", "; -- all", ";\n-- all\n-- of them\n", "/* all */;"):
        assert column(shop, "one", table=f"SELECT '--;' AS one {end}") == ["--;"]


def test_a_connection_of_ones_own_says_what_is_not_utf8(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("CREATE TABLE orders AS SELECT CAST(x'fc' AS TEXT) AS customer_id")
        with pytest.raises(ValueError, match=r"broke off: .*not UTF-8, set .*text_factory"):
            open_source(connection, table="orders")


def test_a_database_is_as_it_was(shop):
    before = shop.read_bytes()
    read(shop, table="orders")
    with pytest.raises(ValueError, match="could not be read"):
        read(shop, table="WITH x AS (SELECT 1) INSERT INTO orders SELECT 1, 2, 3")
    assert shop.read_bytes() == before
    assert [path.name for path in shop.parent.iterdir()] == ["shop.db"]


def test_the_only_table_needs_no_name(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as connection:
        LINES.to_sql("orders", connection, index=False)
        connection.commit()
    assert counted(read(tmp_path / "a.sqlite")) == (2, 0)


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("sqlite:///nowhere/ship.db", FileNotFoundError, "no file"),
        ("sqlite://", ValueError, "holds nothing. Give the file: sqlite:///shop.db"),
        ("sqlite:///:memory:", ValueError, "holds nothing"),
        ("https://example.org/orders.csv", ValueError, "is on a network.*Fetch it to a file"),
        ("s3://bucket/orders.parquet", ValueError, "is on a network"),
    ],
)
def test_a_url_that_cannot_be_read_is_explained(url, error, message):
    with pytest.raises(error, match=message):
        read(url, table="orders")


def test_a_file_that_is_no_database_is_explained(tmp_path):
    path = file(tmp_path, b"not a database at all, though it says so" * 100, "shop.db")
    with pytest.raises(ConnectionError, match=r"shop\.db could not list its tables: .*not a database"):
        read(path, table="orders")


def test_connections_are_read_and_left_open(tmp_path):
    """Whatever rows the caller likes to get from it, and whatever it has not yet committed."""
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.row_factory = lambda cursor, row: dict(enumerate(row))
        connection.execute(
            "CREATE TABLE orders AS SELECT 'ada' AS customer_id, '2024-01-01' AS timestamp, 5 AS amount"
        )
        connection.execute("INSERT INTO orders VALUES ('bob', '2024-01-01', 5)")
        assert counted(read(connection, table="orders")) == (2, 0)
        assert connection.in_transaction
        connection.text_factory = lambda text: text.decode("latin-1")
        connection.execute("INSERT INTO orders VALUES (CAST(x'fc' AS TEXT), '2024-01-01', 1)")
        assert column(connection, "customer_id", table="orders")[-1] == "ü"


def test_sqlalchemy_is_read_as_it_is(tmp_path):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as connection:
        LINES.to_sql("orders", connection, index=False)
        assert counted(read(connection, table="orders")) == (2, 0)
    assert read(engine, table="SELECT * FROM orders WHERE customer_id LIKE 'a%'").sources == (
        "a query of a.db",
    )
    with engine.connect() as connection:
        assert counted(read(connection, table="orders")) == (2, 0)
        assert not connection.in_transaction()
    with pytest.raises(ValueError, match=r"a\.db has no table 'order'. Did you mean 'orders'"):
        read(engine, table="order")
    engine.dispose()


# --- passwords, and what is not installed --------------------------------------------------------------


def everything_said(error):
    """All that an error and those behind it say, as any logger might write it."""
    texts = []
    while error is not None:
        texts.append(f"{error!r} {error} {getattr(error, '__notes__', '')}")
        error = error.__cause__ or error.__context__
    return " ".join(texts)


@pytest.mark.parametrize("driver", ["", "+psycopg"])
def test_a_password_is_never_shown_by_what_cannot_be_reached(driver):
    pytest.importorskip("psycopg")
    url = f"postgresql{driver}://ada:{SECRET.replace('/', '%2F')}@127.0.0.1:1/shop?sslpassword=hidden-too"
    with pytest.raises(
        ConnectionError, match=r"postgresql://127\.0\.0\.1:1/shop could not be opened: "
    ) as caught:
        read(url, table="orders")
    said = everything_said(caught.value)
    assert not re.search("s3cr|hid@|hidden-too|ada:", said)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ada:{SECRET}@host/shop",
        "postgresql://ada:s3cr@et@host/shop",
        "postgresql://ada:s3cr?et@host/shop",
        "postgresql://ada:s3cr#et@host:5432/shop",
        "postgresql://ada:s3cr et@host:port/shop",
    ],
)
def test_a_url_whose_password_may_end_anywhere_is_not_tried(url):
    with pytest.raises(
        ValueError, match=r"The URL postgresql://… cannot be taken apart.*quote_plus"
    ) as caught:
        read(url, table="orders")
    assert not re.search("s3cr|et@|t/hid", everything_said(caught.value))


def test_drivers_may_not_be_installed(monkeypatch):
    pytest.importorskip("sqlalchemy")
    for url, message in (
        ("nosuch://ada:s3cret@host/shop", "nosuch://host/shop takes a driver that is not installed"),
        ("mysql+nosuch://ada:s3cret@host/shop", "takes a driver that is not installed"),
    ):
        with pytest.raises(ModuleNotFoundError, match=message) as caught:
            read(url, table="orders")
        assert "s3cret" not in everything_said(caught.value)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ModuleNotFoundError, match=r"postgresql://host/shop takes .* pip install 'segkit\[db\]'"
    ):
        read("postgresql://ada:s3cret@host/shop", table="orders")


# --- PostgreSQL --------------------------------------------------------------------------------------

ORDERS = """
    CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE SCHEMA shop;
    CREATE TABLE shop.orders (
        customer_id bigint, "timestamp" timestamptz, amount numeric(10, 2), long_id numeric, paid boolean, day date,
        token uuid, data jsonb, tags text[], feeling mood, price money, address inet, code char(4), local timestamp
    );
    INSERT INTO shop.orders VALUES
        (9007199254740993, '2024-07-01 10:00+02', 12.30, 12345678901234567890, true, '2024-02-29',
         '6f1c0a0e-0000-4000-8000-000000000001', '{"a": [1]}', '{a,b}', 'glad', '$1,234.50', '10.0.0.1', 'ab',
         '2024-01-01 10:00:00.123456'),
        (1, '2024-07-01 10:00+00', 'NaN', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    CREATE TABLE "Orders" (customer_id text, "timestamp" timestamp, amount double precision);
    INSERT INTO "Orders" SELECT 'c' || i % 100, timestamp '2024-01-01' + i * interval '1 minute', 1
        FROM generate_series(1, 120000) i;
"""


@pytest.fixture(scope="module")
def server():
    try:
        import psycopg
    except ImportError as error:
        lacks("PostgreSQL", str(error))
    with postgres_server() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(ORDERS)
        yield url.replace("postgres@", f"postgres:{SECRET.replace('/', '%2F')}@")


@pytest.fixture(params=["ADBC", "SQLAlchemy", "psycopg", "Ibis"])
def way(request, server):
    """A way to the same server: what to read, given a table's name."""
    plain = server.partition("@")[2].partition(":")
    if request.param == "ADBC":
        yield lambda table: open_source(server, table=table)
    elif request.param == "SQLAlchemy":
        yield lambda table: open_source(server.replace("postgresql:", "postgresql+psycopg:"), table=table)
    elif request.param == "psycopg":
        import psycopg

        with psycopg.connect(server, row_factory=psycopg.rows.dict_row) as connection:
            yield lambda table: open_source(connection, table=table)
    else:
        port = int(plain[2].partition("/")[0])
        connection = ibis.postgres.connect(host=plain[0], port=port, user="postgres", database="postgres")
        yield lambda table: open_source(
            connection.table(table.rpartition(".")[2], database=table.rpartition(".")[0] or None)
        )
        connection.disconnect()


def test_types_of_postgresql_come_as_what_they_are_or_as_text(way):
    table = way("shop.orders").table
    row = table.filter(table.paid).to_pyarrow().to_pylist()[0]
    tags = row.pop("tags")
    assert tags == ["a", "b"]
    assert row == {
        "customer_id": 9007199254740993,
        "timestamp": datetime.datetime(2024, 7, 1, 8, tzinfo=datetime.UTC),
        "amount": 12.3,
        "long_id": "12345678901234567890",
        "paid": True,
        "day": datetime.date(2024, 2, 29),
        "token": "6f1c0a0e-0000-4000-8000-000000000001",
        "data": '{"a": [1]}',
        "feeling": "glad",
        "price": 1234.5,
        "address": "10.0.0.1/32",
        "code": "ab",
        "local": datetime.datetime(2024, 1, 1, 10, 0, 0, 123456),
    }


def test_a_table_of_several_batches_is_whole(way):
    table = way("Orders").table
    assert table.agg(
        n=table.count(), customers=table.customer_id.nunique()
    ).to_pandas().to_numpy().tolist() == [[120_000, 100]]


def test_events_of_postgresql_are_those_of_its_table(server):
    events = read(server, table="shop.orders")
    assert events.table.to_pandas()["customer_id"].to_list() == ["9007199254740993"]
    assert counted(events) == (1, 1)
    assert events.sources == (f"shop.orders of {server.replace(server[13 : server.index('@') + 1], '')}",)
    assert "s3cr" not in repr(events) + events._repr_html_() + str(events.sources)


@pytest.mark.parametrize("driver", ["", "+psycopg"])
@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "shop.ordres",
            r"no table 'shop\.ordres'. Did you mean 'shop\.orders'\? It holds Orders, shop\.orders",
        ),
        (None, "Name the table of postgresql://.* It holds Orders, shop.orders"),
        ("SELECT * FROM nothing", 'could not be read: .*relation "nothing" does not exist'),
        ("WITH x AS (DELETE FROM shop.orders RETURNING *) SELECT * FROM x", "top level"),
        ("SELECT 1 / (i - 90000) AS a FROM generate_series(1, 100000) i", "broke off: .*division by zero"),
        ("SELECT 1 AS a, 2 AS A", "'a' more than once"),
    ],
)
def test_a_table_of_postgresql_that_cannot_be_read_is_explained(server, driver, table, message):
    before = tables_of_the_engine()
    with pytest.raises(ValueError, match=message) as caught:
        read(server.replace("postgresql:", f"postgresql{driver}:"), table=table)
    assert "s3cr" not in everything_said(caught.value)
    assert tables_of_the_engine() == before


def test_reading_cannot_write(server):
    """Not even by a function that does."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION spoil() RETURNS int LANGUAGE sql AS 'DELETE FROM shop.orders; SELECT 1'"
        )
    for url in (server, server.replace("postgresql:", "postgresql+psycopg:")):
        with pytest.raises(ValueError, match="read-only transaction"):
            read(url, table="SELECT spoil() AS n")
    assert len(column(server, "customer_id", table="shop.orders")) == 2


@pytest.mark.parametrize("driver", ["", "+psycopg"])
def test_a_server_that_dies_while_it_is_read_leaves_nothing(server, driver):
    """It is killed when most rows have come and the rest is awaited, and so brings down all its connections."""
    import psycopg

    before = tables_of_the_engine()
    query = (
        "SELECT i, CASE WHEN i = 190000 THEN pg_sleep(60)::text END AS nap FROM generate_series(1, 200000) i"
    )
    killer = threading.Thread(target=_kill_the_sleeper, args=(server,))
    killer.start()
    with pytest.raises(
        ConnectionError, match=r"Reading a query of .* broke off: .* nothing of them was kept"
    ) as caught:
        read(server.replace("postgresql:", f"postgresql{driver}:"), table=query)
    killer.join()
    assert "s3cr" not in everything_said(caught.value)
    assert tables_of_the_engine() == before
    assert counted(read(LINES)) == (2, 0)
    for _ in range(100):
        try:
            psycopg.connect(server).close()
            break
        except psycopg.OperationalError:
            time.sleep(0.1)
    assert len(column(server, "customer_id", table="shop.orders")) == 2


def _kill_the_sleeper(server):
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        for _ in range(600):
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            ).fetchall()
            if found:
                if hasattr(os, "geteuid") and os.geteuid() == 0:
                    os.kill(found[0][0], signal.SIGKILL)
                else:
                    subprocess.run(["kill", "-KILL", str(found[0][0])], check=True)
                return
            time.sleep(0.05)


# --- another DuckDB, and other engines of Ibis ---------------------------------------------------------


@pytest.mark.parametrize("connect", [duckdb.connect, lambda: engine().con])
def test_a_connection_to_duckdb_is_read_by_table_or_query(connect):
    """Also our own, which cannot give rows while it takes them."""
    connection = connect()
    connection.execute(
        "CREATE TEMP TABLE lines AS SELECT 'ada' AS customer_id, '2024-01-01' AS timestamp, 5 AS amount"
    )
    assert counted(read(connection, table="lines")) == (1, 0)
    assert read(connection, table="SELECT * FROM lines").sources == ("a query of the DuckDB connection",)
    with pytest.raises(ValueError, match=r"no table 'line'. Did you mean 'lines'"):
        read(connection, table="line")
    with pytest.raises(ValueError, match="more than once"):
        read(connection, table="SELECT 1 AS a, 2 AS A")
    connection.execute("DROP TABLE lines")


def test_an_ibis_table_of_another_duckdb_is_read_in_our_zone():
    """Its session may be in New York: ten o'clock is still what the text says, in UTC."""
    other = ibis.duckdb.connect()
    other.raw_sql("SET TimeZone = 'America/New_York'")
    other.raw_sql(
        "CREATE TABLE orders AS SELECT 'ada' AS customer_id, '2024-07-01 10:00' AS timestamp, 1.5 AS amount"
    )
    events = read(other.table("orders"))
    assert events.table.to_pandas()["timestamp"].to_list() == [pd.Timestamp("2024-07-01 10:00")]
    assert counted(events + read(LINES)) == (3, 0)


def test_an_ibis_table_of_sqlite_keeps_values_of_all_types(shop):
    connection = ibis.sqlite.connect(shop)
    orders = connection.table("orders")
    events = read(orders.filter(orders.timestamp > "2024-01-01"))
    assert sorted(events.table.to_pandas()["customer_id"]) == ["0.1", "17850", "ada"]
    assert counted(events + read(LINES)) == (5, 1)
    connection.disconnect()


def test_values_in_memory_go_to_our_engine():
    table = ibis.memtable(LINES).mutate(channel=ibis.literal("web"))
    assert counted(read(table) + read(LINES)) == (4, 0)


def test_values_in_memory_beside_another_engines_table():
    other = ibis.duckdb.connect()
    other.raw_sql(
        "CREATE TABLE orders AS SELECT 'ada' AS customer_id, '2024-07-01' AS timestamp, 1.5 AS amount"
    )
    joined = other.table("orders").join(
        ibis.memtable({"customer_id": ["ada"], "channel": ["web"]}), "customer_id"
    )
    assert read(joined).table.to_pandas()["channel"].to_list() == ["web"]


def test_a_schema_is_no_table():
    with pytest.raises(ValueError, match="is a schema without rows"):
        read(ibis.table({"customer_id": "string"}, name="orders"))


def test_another_engine_that_fails_is_explained():
    other = ibis.duckdb.connect()
    other.raw_sql("CREATE TABLE orders AS SELECT 'ada' AS customer_id")
    table = other.table("orders")
    other.raw_sql("DROP TABLE orders")
    with pytest.raises(ValueError, match=r"the Ibis table could not be read: .*orders"):
        read(table)


def test_events_of_two_engines_cannot_be_added(tmp_path):
    other = ibis.sqlite.connect(tmp_path / "a.db")
    other.raw_sql("CREATE TABLE orders (customer_id TEXT, timestamp TIMESTAMP, kind TEXT, amount REAL)")
    elsewhere = Events(other.table("orders"), read(LINES).refused, ("orders",))
    with pytest.raises(ValueError, match=r"live in 2 engines \(duckdb, sqlite\).*Read both by one"):
        read(LINES) + elsewhere
    other.disconnect()


# --- columns that are not as expected, of any source --------------------------------------------------


def as_sqlite(frame, folder):
    with closing(sqlite3.connect(folder / "a.db")) as connection:
        frame.to_sql("a", connection, index=False)
        connection.commit()
    return folder / "a.db"


def as_workbook(frame, folder):
    frame.to_excel(folder / "a.xlsx", index=False)
    return folder / "a.xlsx"


KINDS_OF_SOURCE = {
    "frame": lambda frame, folder: frame,
    "csv": lambda frame, folder: frame.to_csv(folder / "a.csv", index=False) or folder / "a.csv",
    "json": lambda frame, folder: (
        frame.to_json(folder / "a.jsonl", orient="records", lines=True) or folder / "a.jsonl"
    ),
    "parquet": lambda frame, folder: frame.to_parquet(folder / "a.parquet") or folder / "a.parquet",
    "sqlite": as_sqlite,
    "workbook": as_workbook,
    "ibis": lambda frame, folder: ibis.sqlite.connect(as_sqlite(frame, folder)).table("a"),
}


@pytest.fixture(params=KINDS_OF_SOURCE)
def written(request, tmp_path):
    return lambda frame: KINDS_OF_SOURCE[request.param](frame, tmp_path)


def test_a_missing_column_is_explained(written):
    with pytest.raises(ValueError, match="no column 'timestamp'"):
        read(written(LINES.drop(columns="timestamp")))


def test_a_renamed_column_is_suggested(written):
    with pytest.raises(ValueError, match=r"no column 'customer_id'. Did you mean 'Customer_ID'\?"):
        read(written(LINES.rename(columns={"customer_id": "Customer_ID"}).assign(more=1)))


def test_further_columns_are_left_alone(written):
    events = read(written(LINES.assign(weather="rain", **{'o\'dd "name"': 1})))
    assert events.columns == ("customer_id", "timestamp", "kind", "amount")
    assert counted(events) == (2, 0)


def test_a_column_of_another_type_is_read_or_its_rows_are_counted(written):
    """An amount in words, a customer as a float, and a time that is no time."""
    lines = pd.DataFrame(
        {
            "customer_id": [17850.0, 17851.0, None, 17853.0],
            "timestamp": ["2024-01-01", "2024-01-02", "2024-01-03", "yesterday"],
            "amount": ["5", "many", "5", "5"],
        }
    )
    events = read(written(lines))
    assert events.table.to_pandas()["customer_id"].to_list() == ["17850"]
    assert dict(zip(events.refused["reason"], events.refused["count"], strict=True)) == {
        "amount not a number": 1,
        "customer_id missing": 1,
        "timestamp not readable": 1,
    }


def test_zones_mixed_in_one_column_become_utc(written):
    times = [
        "2024-07-01 10:00:00+02:00",
        "2024-07-01T10:00:00Z",
        "2024-07-01 10:00:00",
        "2024-07-01T10:00:00-0500",
    ]
    lines = pd.DataFrame({"customer_id": ["a", "b", "c", "d"], "timestamp": times, "amount": 1.0})
    rows = read(written(lines), timezone="Europe/Paris").table.order_by("customer_id").to_pandas()
    assert rows["timestamp"].dt.hour.to_list() == [8, 10, 8, 15]


def test_an_hour_that_clocks_skip_is_an_hour_later_and_of_one_shown_twice_the_second_is_taken(written):
    """In London 1:30 did not exist on 31 March 2024, and came twice on 27 October."""
    times = [
        "2024-03-31 00:30",
        "2024-03-31 01:30",
        "2024-03-31 02:30",
        "2024-10-27 00:30",
        "2024-10-27 01:30",
    ]
    lines = pd.DataFrame({"customer_id": list("abcde"), "timestamp": times, "amount": 1.0})
    events = read(written(lines), timezone="Europe/London")
    assert events.table.order_by("customer_id").to_pandas()["timestamp"].dt.strftime("%d %H:%M").to_list() == [
        "31 00:30", "31 01:30", "31 01:30", "26 23:30", "27 01:30",
    ]  # fmt: skip
    assert events.refused.empty


def test_the_far_future_is_counted_and_the_near_one_is_not_judged(written):
    """What time it is is never asked: only as_of separates past and future."""
    lines = LINES.assign(timestamp=["2199-12-31", "2200-01-01"])
    assert counted(read(written(lines))) == (1, 1)


def test_numbers_as_decimals_are_numbers():
    lines = LINES.assign(amount=[decimal.Decimal("1.10"), decimal.Decimal("100.25")])
    assert read(lines).table.order_by("amount").to_pandas()["amount"].to_list() == [1.1, 100.25]


def test_a_column_of_nothing_is_missing_everywhere():
    """Of no type at all, as Ibis has it of a column that holds only None."""
    nothing = LINES.assign(category=None)
    assert ibis.memtable(nothing).category.type().is_null()
    events = read(ibis.memtable(nothing))
    assert counted(events) == (2, 0)
    assert events.table.category.isnull().all().to_pandas()
    assert counted(events.cache()) == (2, 0)
