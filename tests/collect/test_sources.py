"""Sources: text files with every fault, workbooks, databases and other engines.

Every row of a source becomes an event or is counted as refused.
"""

import bz2
import codecs
import datetime
import gzip
import json
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
from decimal import Decimal

import duckdb
import ibis
import numpy as np
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
from segkit.collect.sources.csv import CsvOptions
from segkit.collect.sources.open import open_source
from segkit.collect.sources.source import numbered
from segkit.core.engine.connection import drop_unused, engine, run

HEADER = "customer_id,timestamp,amount\n"
GOOD = "".join(f"c{i},2024-01-01,{i}\n" for i in range(40))
LINES = orders(("ada", "2024-01-01 10:00:00", 30.0), ("bob", "2024-01-02 11:30:00", 5.5))
SECRET = "s3cr%40t/hid"


def read(source, **options):
    return sg.read_events(source, **({"kind": "purchase"} | options))


def file(folder, content, name="lines.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def counted(events):
    """Return the number of events, and of refused rows."""
    return int(events.kinds().sum()), int(events.refused["count"].sum())


def split(source, **options):
    """Return the number of rows of a source, and of those that are not rows."""
    opened = open_source(source, **options)
    return opened.table.count().to_pandas(), opened.broken


def column(source, name, **options):
    return open_source(source, **options).table.to_pandas()[name].to_list()


def tables_of_the_engine():
    drop_unused()
    return set(run("SELECT table_name FROM duckdb_tables()"))


# --- text files --------------------------------------------------------------------------------------

TEXT_FILES = {
    "plain": (HEADER + GOOD, 40, 0),
    "no end of the last line": ((HEADER + GOOD)[:-1], 40, 0),
    "blank lines": (HEADER + GOOD + "\n\n" + GOOD + "\n", 80, 0),
    "a header from Windows": (HEADER.replace("\n", "\r\n") + GOOD, 40, 0),
    "mixed line ends": (HEADER + GOOD + GOOD.replace("\n", "\r\n") + GOOD, 120, 0),
    "line ends of old Macs": ((HEADER + GOOD).replace("\n", "\r"), 40, 0),
    "one line end of old Macs": (HEADER + GOOD + "a,2024-01-01,1\rb,2024-01-01,1\n", 42, 0),
    "a byte-order mark": (codecs.BOM_UTF8 + (HEADER + GOOD).encode(), 40, 0),
    "UTF-16": ((HEADER + GOOD).encode("utf-16"), 40, 0),
    "UTF-16, big ends": (codecs.BOM_UTF16_BE + (HEADER + GOOD).encode("utf-16-be"), 40, 0),
    "UTF-16 without a mark": ((HEADER + GOOD).encode("utf-16-le"), 40, 0),
    "UTF-32": ((HEADER + GOOD).encode("utf-32"), 40, 0),
    "a line in Latin-1": ((HEADER + GOOD + "Jürgen,2024-01-01,3\n").encode("latin-1"), 40, 1),
    "too few fields": (HEADER + GOOD + "a,2024-01-01\n" + GOOD, 80, 1),
    "too many fields": (HEADER + GOOD + "a,2024-01-01,1,2,3\n" + GOOD, 80, 1),
    "a comma at each end": (HEADER + GOOD.replace("\n", ",\n"), 40, 0),
    "an open quote at the top": (HEADER + '"a,2024-01-01,1\n' + GOOD, 40, 1),
    "an open quote": (HEADER + GOOD + '"a,2024-01-01,1\n' + GOOD, 80, 1),
    "a quote closed far below": (
        HEADER + GOOD + '"a,2024-01-01,1\n' + GOOD + '"b",2024-01-01,1\n', 81, 1
    ),
    "open quotes in a row": (HEADER + 'a,2024-01-01,"1\n' * 3 + GOOD, 40, 3),
    "a quote in a word, another open": (HEADER + 'a"b,"2024-01-01,1\n' + GOOD, 40, 1),
    "text after a quote": (HEADER + GOOD + '"a"b,2024-01-01,1\n' + GOOD, 80, 1),
    "a quote in a word": (HEADER + GOOD + 'a"b,2024-01-01,1\n' + GOOD, 81, 0),
    "NUL in a word": (HEADER + GOOD + "a\x00b,2024-01-01,1\n", 41, 0),
    "NULs at the end": (HEADER + GOOD + "\x00" * 5000, 40, 1),
    "a line longer than a block": (HEADER + GOOD + "z" * 6_000_000 + "\n" + GOOD, 80, 1),
    "blank lines on top": ("\n\n" + HEADER + GOOD, 40, 0),
    "a line that names the delimiter": ("sep=;\n" + (HEADER + GOOD).replace(",", ";"), 40, 0),
    "bars": ((HEADER + GOOD).replace(",", "|"), 40, 0),
    "tabs and semicolons in text": ("a\tb\n" + "x;y\tz,w\n" * 3, 3, 0),
    "blanks around names": (HEADER.replace(",", " , ") + GOOD, 40, 0),
    "a name over two lines": ('customer_id,timestamp,"amount\nin euros"\n' + GOOD, 40, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXT_FILES)
def test_each_line_is_counted(name, tmp_path):
    content, used, broken = TEXT_FILES[name]
    assert split(file(tmp_path, content)) == (used, broken)


RECORDS = {
    "c1,2024-01-01,1": True,
    '"c2","2024-01-01","2"': True,
    '"over\ntwo lines",2024-01-01,3': True,
    'c4,2024-01-01,"4\n\n"': True,
    'c5,"a ""b","5\nd"': True,
    "short,2024-01-01": False,
    "long,2024-01-01,1,2": False,
    '"open,2024-01-01,1': False,
    'open,2024-01-01,"1': False,
    "Jürgen,2024-01-01,1": None,  # in Latin-1
}


@given(
    records=st.lists(st.sampled_from(list(RECORDS)), min_size=1, max_size=60),
    ends=st.sampled_from(["\n", "\r\n"]),
    block=st.sampled_from([*range(30, 200), 2**22]),
)
def test_records_add_up(records, ends, block, tmp_path_factory):
    """Records over several lines stay whole between lines with open quotes, and at the end of a block."""
    lines = ["customer_id,timestamp,text", *records]
    content = b"".join(
        (line + "\n").replace("\n", ends).encode("latin-1" if line.startswith("J") else "utf-8")
        for line in lines
    )
    whole = [record for record in records if RECORDS[record]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segkit.collect.sources.text_files.BLOCK", block)
        source = open_source(file(tmp_path_factory.mktemp("lines"), content))
    texts = source.table.to_pandas()["text"].dropna()
    assert (len(texts), source.broken) == (len(whole), len(records) - len(whole))
    assert texts.str.contains("\n").sum() == sum('"4\n' in record or '"5\n' in record for record in whole)


def test_broken_lines_cost_no_others(tmp_path, monkeypatch):
    """40,000 lines, of which 400 are broken in five ways; small files stay in memory, large ones do not."""
    ways = ["c,2024-01-01", "c,2024-01-01,1,x,y", "Jürgen,2024-01-01,1", "\x00\x01", '"c,2024-01-01,1']
    lines = [f"c{i % 900},2024-01-01,{i}" for i in range(40_000)]
    lines[37::100] = [ways[n % 5] for n in range(400)]
    path = file(tmp_path, (HEADER + "\n".join(lines)).encode("latin-1"))
    for held in (2**29, 2**18):
        monkeypatch.setattr("segkit.collect.sources.batches.HELD", held)
        monkeypatch.setattr("segkit.collect.sources.text_files.BLOCK", held)
        source = open_source(path)
        assert (source.broken, source.broken_example.partition(" (")[0] in ways) == (400, True)
        total = source.table.amount.cast("int64").sum().to_pandas()
        assert total == sum(i for i in range(40_000) if i % 100 != 37)


def test_a_broken_line_is_shown(tmp_path):
    def shown(end):
        return open_source(file(tmp_path, (HEADER + GOOD).encode() + end)).broken_example

    assert shown(b"a,b\n") == "a,b (2 fields, not 3)"
    assert shown(b"a,2024-01-01,1,x,y\n") == "a,2024-01-01,1,x,y (5 fields, not 3)"
    assert shown(b'"a,b\n') == '"a,b (quotes do not match)'
    assert shown(b"a" * 500 + b"\n") == "a" * 63 + " (1 field, not 3)"
    assert shown("Jürgen,2024-01-01,3\n".encode("latin-1")) == "Jürgen,2024-01-01,3 (not UTF-8)"
    assert shown("a,2024-01-01,é".encode()[:-1]) == "a,2024-01-01,Ã (not UTF-8)"
    assert shown(b"\x00\x07bell\n").isprintable() and "bell (1 field" in shown(b"\x00\x07bell\n")


def test_quotes_may_come_late(tmp_path):
    plain = "".join(f"c{i},2024-01-01,1,home\n" for i in range(3_000))
    quoted = '"c5",2024-02-01,5,"say ""hi"", twice\nor more"\n'
    path = file(tmp_path, "customer_id,timestamp,amount,page\n" + plain + quoted * 300)
    assert split(path) == (3_300, 0)
    assert column(path, "page")[-1] == 'say "hi", twice\nor more'


def test_a_line_without_end_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr("segkit.collect.sources.text_files.LONGEST_LINE", 1000)
    monkeypatch.setattr("segkit.collect.sources.text_files.BLOCK", 500)
    with pytest.raises(ValueError, match="has a line of more than"):
        open_source(file(tmp_path, HEADER + "x" * 3000))


@pytest.mark.parametrize("ending", ["csv.gz", "txt.gz", "jsonl.gz", "csv.zst"])
def test_compressed_files_are_read(ending, tmp_path):
    """Half a file would otherwise be a shorter one, and nobody would know."""
    content = HEADER + GOOD * 50
    if "json" in ending:
        content = '{"customer_id": "ada", "timestamp": "2024-01-01", "amount": 5}\n' * 2000
    raw = content.encode()
    zstd = ending.endswith("zst")
    whole = pa.compress(raw, codec="zstd", asbytes=True) if zstd else gzip.compress(raw)
    assert split(file(tmp_path, whole, f"a.{ending}")) == (2000, 0)
    kind = "zstd" if zstd else "gzip"
    with pytest.raises(
        ValueError, match=rf"half\..* could not be unpacked: .* should be a whole {kind} file"
    ):
        open_source(file(tmp_path, whole[:-30], f"half.{ending}"))


LATIN = (HEADER + "Jürgen,2024-01-01,3\n").encode("latin-1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lines.csv is empty. It should hold a header line"),
        (b"\n\n \n", "lines.csv is empty"),
        (codecs.BOM_UTF8, "lines.csv is empty"),
        (HEADER[:-1], "lines.csv has columns but no rows"),
        ('customer_id,"timestamp,amount\n' + GOOD * 9, "header of lines.csv opens a quote that it does not close"),
        ("Größe,timestamp\n".encode("latin-1"), r"header of lines\.csv is not in UTF-8, .*'Größe.*encoding='latin-1'"),
        ("Export of May\n" + HEADER + GOOD, r"no comma, .* names of columns: 'Export of May'\. .* Remove lines above"),
        (HEADER.replace(",", "  ") + "a  2024-01-01  1\n", r"'customer_id  timestamp  amount'.* blanks .*sep=r'\\s\+'"),
        (GOOD, "has no column 'customer_id'. Its columns are c0, 2024-01-01, 0"),
        ("customer_id,timestamp,amount,Amount\n", r"'amount' more than once\. .* 'amount \(1\)' or 'Amount \(2\)'"),
        (LATIN, r"1 × line not readable as a row \(Jürgen.*not UTF-8.*encoding='latin-1' .*save other files again"),
        (HEADER.replace(",", ";") + "a;2024-01-01;2,55\n", r"number: it has a comma \(amount=2,55\).*decimal=','"),
        (HEADER.replace(",", "\t") + "a\t2024-01-01\t2,55\n", r"has a comma \(amount=2,55\).*thousands=','"),
        (HEADER + "a,1704067200,1\n", r"timestamp=1704067200\).* since 2000, .*timestamp_format='epoch_s'"),
        (HEADER + "a,1704067200000.0,1\n", r"timestamp_format='epoch_ms'"),
        (HEADER + "a,20240131,1\n", r"timestamp_format='%Y%m%d'"),
        (HEADER + "a,31012024,1\n", r'timestamp_format="%d/%m/%Y %H:%M"'),
        (HEADER + "a,31.1.2024,1\n", r'timestamp_format="%d/%m/%Y %H:%M"'),
        (LATIN + b"a,x,1\n" * 2, r"timestamp_format="),
    ],
)  # fmt: skip
def test_unusable_text_files_are_explained(content, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read(file(tmp_path, content))


def test_json_lines_add_up(tmp_path):
    line = '{"customer_id": "ada", "timestamp": "2024-01-01", "amount": 5}'
    bad = '{"customer_id": "Jürgen", "timestamp": "2024-01-01", "amount": 5}'.encode("latin-1")
    assert split(file(tmp_path, f"{line}\r\n{line}\n\n{line}", "a.jsonl")) == (3, 0)
    assert split(file(tmp_path, f"{line}\n{line}\n".encode("utf-16"), "a.jsonl")) == (2, 0)
    source = open_source(file(tmp_path, line.encode() + b"\n" + bad + b"\n", "a.jsonl"))
    assert (source.broken, source.broken_example.endswith("(not UTF-8)")) == (1, True)
    with pytest.raises(
        ValueError, match=r"no JSON object.* not in UTF-8\. .*save other files again as UTF-8"
    ):
        open_source(file(tmp_path, bad, "a.jsonl"))


def test_files_of_one_export_may_differ(tmp_path):
    """What a file does not have is missing in its rows; broken lines of all are counted."""
    file(tmp_path, HEADER + "ada,2024-01-01,1\n", "a.csv")
    file(tmp_path, "timestamp,customer_id,channel,amount\n2024-01-02,bob,web,2\nbroken\n", "b.csv")
    source = open_source(tmp_path / "*.csv")
    rows = source.table.order_by("customer_id").to_pandas()
    assert source.broken == 1
    assert rows["channel"].fillna("missing").to_list() == ["missing", "web"]


# --- Parquet -----------------------------------------------------------------------------------------


@pytest.fixture
def parquet(tmp_path):
    path = tmp_path / "orders.parquet"
    LINES.to_parquet(path)
    return path


def test_changed_parquet_gives_no_answer(parquet):
    events = read(parquet)
    assert counted(events) == (2, 0)
    pd.concat([LINES, LINES]).to_parquet(parquet)
    with pytest.raises(
        duckdb.Error, match=r"orders\.parquet was changed after it was read.*read it again: read_events"
    ):
        events.table.to_pandas()
    parquet.unlink()
    with pytest.raises(duckdb.Error, match=r"orders\.parquet"):
        events.table.to_pandas()


@pytest.mark.parametrize("after", [None, b"PAR1 and no more"])
def test_a_lost_parquet_file_is_named(after, parquet):
    """By every query of the log, as long as it is gone."""
    events = read(parquet)
    parquet.unlink() if after is None else parquet.write_bytes(after)
    queries = [events.kinds, events.describe, events.cache, lambda: events.sample(1), lambda: repr(events)]
    queries += [
        lambda: sg.customer_features(events, sg.RFM, as_of="2024-02-01"),
        lambda: sg.check_events(events),
    ]
    for query in queries:
        with pytest.raises(
            FileNotFoundError, match=r"orders\.parquet is gone, or is no longer Parquet.*cache\(\)"
        ):
            query()


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (
            gzip.compress(GOOD.encode()),
            "orders.csv",
            "orders.csv is compressed with gzip.*Name it orders.csv.gz",
        ),
        (gzip.compress(b"{}", mtime=0), "orders.jsonl", "orders.jsonl is compressed with gzip"),
        (bz2.compress(GOOD.encode()), "orders.csv", "bzip2.*Unpack it first"),
        (b"PK\x03\x04" + bytes(100), "orders.csv", "a ZIP archive or a workbook.*xlsx"),
        (b"PAR1\x15\x04" + bytes(100), "orders.txt", "is Parquet, though its name ends in '.txt'"),
        (b"SQLite format 3\x00" + bytes(100), "orders.csv", "an SQLite database"),
    ],
)
def test_a_file_of_another_format_is_named(content, name, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read(file(tmp_path, content, name))


def test_text_that_begins_like_another_format_is_read(tmp_path):
    path = file(tmp_path, "PAR1,PK,BZh," + HEADER + "1,2,3,ada,2024-01-01,5\n")
    assert counted(read(path)) == (1, 0)


@pytest.mark.parametrize("through", ["pandas", "table", "reader"])
def test_amounts_of_rare_arrow_types_are_read(through):
    """Half floats, decimals of 256 bits with few and many digits, and dictionaries of numbers."""
    wide = pa.array([Decimal("1.50"), Decimal("2.25")], pa.decimal256(60, 2))
    long = pa.array([Decimal("1." + "5" * 45), Decimal("2." + "25" * 20)], pa.decimal256(60, 45))
    half = pa.array(np.array([1.5, 2.25], dtype="float16"))
    for amount in (half, wide, long, pa.array([1.5, 2.25]).dictionary_encode()):
        columns = {
            "customer_id": pa.array(["a", "b"]),
            "timestamp": pa.array(["2024-01-01"] * 2),
            "amount": amount,
        }
        source = pa.table(columns)
        if through == "pandas":
            source = pd.DataFrame({name: pd.arrays.ArrowExtensionArray(c) for name, c in columns.items()})
        elif through == "reader":
            source = source.to_reader()
        read_amounts = read(source).table.order_by("customer_id").amount.to_pyarrow().to_pylist()
        assert [float(a) for a in read_amounts] == pytest.approx([float(a.as_py()) for a in amount])


def test_long_ids_keep_their_digits():
    ids = pa.array([Decimal(f"{10**40 + i}") for i in range(2)], pa.decimal256(60, 0))
    events = read(pa.table({"customer_id": ids, "timestamp": ["2024-01-01"] * 2, "amount": [1.0, 2.0]}))
    assert sorted(events.table.customer_id.to_pyarrow().to_pylist()) == [str(10**40), str(10**40 + 1)]


def test_a_copied_file_may_go(tmp_path):
    path = file(tmp_path, HEADER + GOOD)
    events = read(path)
    path.unlink()
    assert counted(events) == (40, 0)


def test_folders_of_parquet(parquet):
    """Logs and half-written files are no data; files may have different columns."""
    for name in ("_log/00.parquet", ".part.parquet"):
        (parquet.parent / name).parent.mkdir(exist_ok=True)
        LINES.to_parquet(parquet.parent / name)
    assert split(parquet.parent) == (2, 0)
    LINES.assign(channel="web").drop(columns="amount").to_parquet(parquet.parent / "b.parquet")
    table = open_source(parquet.parent).table
    assert (table.count().to_pandas(), table.channel.count().to_pandas()) == (4, 2)


# --- frames ------------------------------------------------------------------------------------------


def test_mixed_zones_are_told_apart():
    """Ten o'clock in Paris is eight in UTC, whether the row says so or the reader."""
    aware = pd.Timestamp("2024-07-01 10:00", tz="Europe/Paris")
    naive = pd.Timestamp("2024-07-01 10:00")
    for times in ([naive, aware], [aware.to_pydatetime(), naive.to_pydatetime()]):
        lines = pd.DataFrame({"customer_id": [1, 2], "timestamp": pd.Series(times, dtype="object")})
        events = read(lines, kind="visit", timezone="Europe/Paris")
        assert set(events.table.to_pandas()["timestamp"]) == {pd.Timestamp("2024-07-01 08:00")}


@pytest.mark.parametrize("way", ["pandas", "arrow", "polars", "parquet", "duckdb"])
def test_nanoseconds_with_a_zone_are_times(way, tmp_path):
    moments = pd.DatetimeIndex(
        ["2024-01-31 23:30:00.5", "2024-07-01 12:00:00.25"], tz="Europe/Berlin"
    ).as_unit("ns")
    lines = pd.DataFrame({"customer_id": ["a", "b"], "timestamp": moments, "amount": [1.0, 2.0]})
    polars = pytest.importorskip("polars") if way == "polars" else None
    lines.to_parquet(tmp_path / "lines.parquet")
    source = {
        "pandas": lambda: lines,
        "arrow": lambda: pa.Table.from_pandas(lines),
        "polars": lambda: polars.from_pandas(lines),
        "parquet": lambda: tmp_path / "lines.parquet",
        "duckdb": lambda: duckdb.connect().from_df(lines),
    }[way]()
    times = read(source).table.to_pandas().sort_values("customer_id")["timestamp"]
    assert times.to_list() == [pd.Timestamp("2024-01-31 22:30:00.5"), pd.Timestamp("2024-07-01 10:00:00.25")]


def test_text_that_cannot_be_encoded_is_kept():
    assert column(pd.DataFrame({"a": ["x\ud800", None]}, dtype="object"), "a")[0] == "x?"


def test_batches_are_stored_as_they_come(monkeypatch):
    """Dictionaries become text; a large reader is never whole in memory."""
    monkeypatch.setattr("segkit.collect.sources.batches.HELD", 2**16)
    batch = pa.record_batch({"customer_id": pa.array(["ada"] * 1000).dictionary_encode(), "n": range(1000)})
    reader = pa.RecordBatchReader.from_batches(batch.schema, (batch for _ in range(50)))
    table = open_source(reader).table
    assert table.customer_id.type().is_string()
    assert table.agg(a=table.count(), b=table.n.sum()).to_pandas().to_numpy().tolist() == [
        [50_000, 24_975_000]
    ]


# --- workbooks ---------------------------------------------------------------------------------------

NAMES = ["customer_id", "timestamp", "amount"]
DAY = datetime.datetime(2024, 1, 1, 10, 30)
SPANS = [datetime.timedelta(days=2), datetime.timedelta(hours=2), datetime.timedelta(days=70)]
SHEETS = {
    "orders": [
        [*NAMES, "product_id", "category", "duration", None],
        [17850, DAY, 2.5, "00123", "NA", datetime.timedelta(hours=30), None],
        [None] * 7,
        [17851, DAY, 3, "00124", 7, None],
    ],
    "below": [[None], [*NAMES, None], ["ada", DAY, 1, None]],
    "words": [[*NAMES, "note"], ["ada", DAY, 1, datetime.timedelta(1)], ["bob", DAY, 2, DAY]],
    "spans": [NAMES, ["ada", DAY, 1], *(["bob", span, 1] for span in SPANS)],
    "formula": [NAMES, ["ada", DAY, "=1+1"], ["bob", DAY, "=1/0"]],
    "empty": [],
    "title": [["Export of May"], [], NAMES, ["ada", DAY, 1]],
    "low title": [[], [], ["Export of May"], NAMES, ["ada", DAY, 1]],
    "twice": [[*NAMES, "amount"], ["ada", DAY, 1, 2]],
    "names": [NAMES],
}


def workbook(path, sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """All sheets, with the value of a formula as Excel saves it."""
    path = workbook(tmp_path_factory.mktemp("book") / "orders.xlsx", SHEETS)
    saved = path.with_suffix(".xlsm")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(saved, "w") as new:
        for item in old.infolist():
            text = old.read(item)
            for value in (b"<v />", b"<v></v>"):
                text = text.replace(b"<f>1+1</f>" + value, b"<f>1+1</f><v>2</v>")
            new.writestr(item, text)
    return saved


def test_sheets_are_read_as_saved(book):
    """Dates are dates, ids that Excel made numbers have no .0, text keeps its zeros, a span is in seconds."""
    events = read(book, table="orders")
    rows = events.table.order_by("customer_id").to_pandas()
    assert rows["customer_id"].to_list() == ["17850", "17851"]
    assert rows["timestamp"].to_list() == [pd.Timestamp(DAY)] * 2
    assert rows["product_id"].to_list() == ["00123", "00124"]
    assert rows["category"].to_list() == ["NA", "7"]
    assert rows["duration"][0] == 108_000
    assert events.sources == ("orders.xlsm, sheet 'orders'",)
    assert column(book, "customer_id") == [17850, 17851], "the first sheet is read without a name"


def test_formatting_and_words_are_kept_apart(book):
    assert open_source(book, table="below").table.columns == tuple(NAMES)
    assert column(book, "note", table="words")[1] == "2024-01-01 10:30:00"
    assert column(book, "timestamp", table="spans")[1:] == ["172800.0", "7200.0", "6048000.0"]
    assert column(book, "amount", table="formula")[0] == 2.0
    assert pd.isna(column(book, "amount", table="formula")[1])


def test_several_workbooks_are_one_table(tmp_path):
    workbook(tmp_path / "a.xlsx", {"a": [NAMES, ["ada", DAY, 1]]})
    workbook(tmp_path / "b.xlsx", {"a": [NAMES[::-1], [2, DAY, "bob"]]})
    assert sorted(column(tmp_path / "*.xlsx", "customer_id", table="a")) == ["ada", "bob"]
    LINES.to_excel(tmp_path / "a.xlsx")  # with an index without a name
    assert counted(read(tmp_path / "a.xlsx")) == (2, 0)


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        ("ordres", r"no sheet 'ordres'. Did you mean 'orders'\? Its sheets are orders, below, words"),
        ("empty", "sheet 'empty', is empty. It should hold a row of names"),
        ("title", r"first row of .*'title', names 1 of 3 columns: 'Export of May'.*header=2"),
        ("low title", "header=3"),
        ("twice", "'amount' more than once"),
        ("names", "has columns but no rows"),
    ],
)
def test_unusable_sheets_are_explained(sheet, message, book):
    with pytest.raises(ValueError, match=message):
        read(book, table=sheet)
    if sheet == "low title":
        assert list(pd.read_excel(book, sheet_name=sheet, header=3)) == NAMES


def test_a_full_sheet_is_warned_of(book, monkeypatch):
    monkeypatch.setattr("segkit.collect.sources.excel.MOST_ROWS", 3)
    with pytest.warns(UserWarning, match="as many rows as a sheet can hold"):
        open_source(book, table="words")


def test_fastexcel_may_be_missing(book, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'segkit\[excel\]'"):
        open_source(book)


def test_other_sources_have_no_tables(tmp_path):
    for source in (LINES, file(tmp_path, HEADER), [file(tmp_path, HEADER)], None):
        with pytest.raises(TypeError, match=r"table='a' names a sheet .* is neither. Leave it out"):
            open_source(source, table="a")


# --- SQLite ------------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path):
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
                       CASE WHEN i = 3000 THEN x'ff' END AS bytes, CASE WHEN i = 3000 THEN 'b' ELSE i END AS mixed,
                       NULL AS empty FROM c;
            CREATE TABLE damaged (customer_id, timestamp);
            INSERT INTO damaged VALUES (CAST(x'ff' AS TEXT), '2024-01-01');
            CREATE VIEW paid AS SELECT * FROM orders WHERE amount > 2;
            """
        )
    return tmp_path / "shop.db"


def test_sqlite_columns_of_several_types(shop, monkeypatch):
    """SQLite has a type for each value; one that comes late is the column's type."""
    events = read(f"sqlite:///{shop}", table="orders")
    rows = events.table.order_by("timestamp").to_pandas()
    assert rows["customer_id"].to_list() == ["17850", "ada", "17850", "0.1"]
    assert rows["amount"].to_list() == [2.5, 3.0, 4.25, 0.1]
    assert counted(events) == (4, 1)
    assert events.sources == ("orders of shop.db",)
    for rows_a_chunk in (1000, 5000):
        monkeypatch.setattr("segkit.collect.sources.databases.CHUNK", rows_a_chunk)
        table = open_source(shop, table="late").table
        types = [str(kind) for kind in table.schema().types]
        assert types == ["string", "float64", "binary", "string", "string"]
        totals = table.agg(words=table.word.count(), numbers=table.number.sum(), last=table.mixed.max())
        assert totals.to_pandas().to_numpy().tolist() == [[1, 4_498_500.5, "b"]]
    odd = open_source(shop, table='odd "name" here').table
    assert odd.to_pyarrow().to_pylist() == [{"a b": 9007199254740993, "select": 1}]


def test_queries_are_read_as_tables(shop):
    query = "-- paid\nSELECT * FROM orders WHERE timestamp LIKE '2024%' AND amount > 2;\n"
    assert split(shop, table="SELECT * FROM orders WHERE customer_id = 'ada'") == (1, 0)
    assert open_source(shop, table=query).name == "a query of shop.db"
    assert split(shop, table="PAID") == (3, 0)
    for end in ("-- all", "; -- all", ";\n-- all\n-- of them\n", "/* all */;"):
        assert column(shop, "one", table=f"SELECT '--;' AS one {end}") == ["--;"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, r"Name the table of shop\.db. It holds damaged, late, odd .*Say table='…'"),
        ("ordres", r"no table 'ordres'. Did you mean 'orders'\? It holds damaged"),
        ("DELETE FROM orders", "no table 'DELETE FROM orders'"),
        ("WITH x AS (SELECT 1) INSERT INTO orders SELECT 1, 2, 3", "a query of .* could not be read"),
        ("SELECT * FROM gone", r"could not be read: .*no such table: gone.*mend the query"),
        ("SELECT 1 AS a, 2 AS A", "more than once"),
    ],
)
def test_unusable_tables_are_explained(shop, table, message):
    before = shop.read_bytes()
    with pytest.raises(ValueError, match=message):
        open_source(shop, table=table)
    with (
        closing(sqlite3.connect(shop)) as connection,
        pytest.raises(ValueError, match=message.replace(r"shop\.db", ".*")),
    ):
        open_source(connection, table=table)
    assert shop.read_bytes() == before
    assert [path.name for path in shop.parent.iterdir()] == ["shop.db"]


def test_wrong_bytes_of_a_database_are_refused(shop):
    """SQLite keeps any bytes; with a mark for each in place of them, two customers might be one."""
    damaged = open_source(shop, table="damaged")
    assert (damaged.broken, damaged.broken_example) == (1, "ÿ,2024-01-01 (not UTF-8)")
    query = "SELECT 'ada' AS customer_id UNION ALL SELECT customer_id FROM damaged -- which holds one row"
    assert split(shop, table=query) == (1, 1)
    with (
        closing(sqlite3.connect(shop)) as connection,
        pytest.raises(ValueError, match=r"broke off: .*not UTF-8, set .*text_factory"),
    ):
        open_source(connection, table="damaged")


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
def test_unusable_urls_are_explained(url, error, message):
    with pytest.raises(error, match=message):
        open_source(url, table="orders")


def test_a_file_that_is_no_database(tmp_path):
    path = file(tmp_path, b"not a database at all, though it says so" * 100, "shop.db")
    with pytest.raises(ConnectionError, match=r"shop\.db could not list its tables: .*not a database"):
        open_source(path, table="orders")


def test_connections_are_left_open(tmp_path):
    """With whatever rows the caller likes, and has not yet committed."""
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.row_factory = lambda cursor, row: dict(enumerate(row))
        connection.execute("CREATE TABLE orders AS SELECT 'ada' AS customer_id, '2024-01-01' AS timestamp")
        connection.execute("INSERT INTO orders VALUES ('bob', '2024-01-01')")
        assert split(connection) == (2, 0), "the only table needs no name"
        assert connection.in_transaction
        connection.text_factory = lambda text: text.decode("latin-1")
        connection.execute("INSERT INTO orders VALUES (CAST(x'fc' AS TEXT), '2024-01-01')")
        assert column(connection, "customer_id", table="orders")[-1] == "ü"


def test_sqlalchemy_is_read(tmp_path):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as connection:
        LINES.to_sql("orders", connection, index=False)
        assert split(connection, table="orders") == (2, 0)
    assert (
        open_source(engine, table="SELECT * FROM orders WHERE customer_id LIKE 'a%'").name
        == "a query of a.db"
    )
    with engine.connect() as connection:
        assert split(connection, table="orders") == (2, 0)
        assert not connection.in_transaction()
    with pytest.raises(ValueError, match=r"a\.db has no table 'order'. Did you mean 'orders'"):
        open_source(engine, table="order")
    engine.dispose()


def test_adbc_is_read(shop):
    dbapi = pytest.importorskip("adbc_driver_sqlite.dbapi")
    with closing(dbapi.connect(str(shop))) as connection:
        assert column(connection, "select", table='odd "name" here') == [1]


# --- passwords and drivers -----------------------------------------------------------------------------


def full_text(error):
    """Return the texts of an error and of those behind it, as a log file may hold them."""
    texts = []
    while error is not None:
        texts.append(f"{error!r} {error} {getattr(error, '__notes__', '')}")
        error = error.__cause__ or error.__context__
    return " ".join(texts)


@pytest.mark.parametrize("driver", ["", "+psycopg"])
def test_passwords_are_never_shown(driver):
    pytest.importorskip("psycopg")
    url = f"postgresql{driver}://ada:{SECRET.replace('/', '%2F')}@127.0.0.1:1/shop?sslpassword=hidden-too"
    with pytest.raises(
        ConnectionError, match=r"postgresql://127\.0\.0\.1:1/shop could not be opened: "
    ) as caught:
        open_source(url, table="orders")
    assert not re.search("s3cr|hid@|hidden-too|ada:", full_text(caught.value))


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
def test_ambiguous_passwords_are_refused(url):
    with pytest.raises(
        ValueError, match=r"The URL postgresql://… cannot be taken apart.*quote_plus"
    ) as caught:
        open_source(url, table="orders")
    assert not re.search("s3cr|et@|t/hid", full_text(caught.value))


def test_drivers_may_be_missing(monkeypatch):
    pytest.importorskip("sqlalchemy")
    for url, message in (
        ("nosuch://ada:s3cret@host/shop", "nosuch://host/shop takes a driver that is not installed"),
        ("mysql+nosuch://ada:s3cret@host/shop", "takes a driver that is not installed"),
    ):
        with pytest.raises(ModuleNotFoundError, match=message) as caught:
            open_source(url, table="orders")
        assert "s3cret" not in full_text(caught.value)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ModuleNotFoundError, match=r"postgresql://host/shop takes .* pip install 'segkit\[db\]'"
    ):
        open_source("postgresql://ada:s3cret@host/shop", table="orders")


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


def test_types_of_postgresql(way):
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


def test_large_tables_are_whole(way):
    table = way("Orders").table
    assert table.agg(
        n=table.count(), customers=table.customer_id.nunique()
    ).to_pandas().to_numpy().tolist() == [[120_000, 100]]


def test_events_of_postgresql(server):
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
def test_postgresql_errors_are_explained(server, driver, table, message):
    before = tables_of_the_engine()
    with pytest.raises(ValueError, match=message) as caught:
        open_source(server.replace("postgresql:", f"postgresql{driver}:"), table=table)
    assert "s3cr" not in full_text(caught.value)
    assert tables_of_the_engine() == before


def test_postgresql_is_not_written_to(server):
    """Not even by a function that does."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION spoil() RETURNS int LANGUAGE sql AS 'DELETE FROM shop.orders; SELECT 1'"
        )
    for url in (server, server.replace("postgresql:", "postgresql+psycopg:")):
        with pytest.raises(ValueError, match="read-only transaction"):
            open_source(url, table="SELECT spoil() AS n")
    assert len(column(server, "customer_id", table="shop.orders")) == 2


@pytest.mark.parametrize("driver", ["", "+psycopg"])
def test_a_killed_server_leaves_nothing(server, driver):
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
        open_source(server.replace("postgresql:", f"postgresql{driver}:"), table=query)
    killer.join()
    assert "s3cr" not in full_text(caught.value)
    assert tables_of_the_engine() == before
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
def test_duckdb_connections_are_read(connect):
    """Also our own, which cannot give rows while it takes them."""
    connection = connect()
    connection.execute(
        "CREATE TEMP TABLE lines AS SELECT 'ada' AS customer_id, '2024-01-01' AS timestamp, 5 AS amount"
    )
    assert split(connection, table="lines") == (1, 0)
    assert open_source(connection, table="SELECT * FROM lines").name == "a query of the DuckDB connection"
    with pytest.raises(ValueError, match=r"no table 'line'. Did you mean 'lines'"):
        open_source(connection, table="line")
    with pytest.raises(ValueError, match="more than once"):
        open_source(connection, table="SELECT 1 AS a, 2 AS A")
    connection.execute("DROP TABLE lines")


def test_another_duckdb_is_read_in_utc():
    """Its session may be in New York: ten o'clock is still what the text says, in UTC."""
    other = ibis.duckdb.connect()
    other.raw_sql("SET TimeZone = 'America/New_York'")
    other.raw_sql(
        "CREATE TABLE orders AS SELECT 'ada' AS customer_id, '2024-07-01 10:00' AS timestamp, 1.5 AS amount"
    )
    events = read(other.table("orders"))
    assert events.table.to_pandas()["timestamp"].to_list() == [pd.Timestamp("2024-07-01 10:00")]
    assert counted(events + read(LINES)) == (3, 0)


def test_ibis_sqlite_keeps_all_types(shop):
    connection = ibis.sqlite.connect(shop)
    orders = connection.table("orders")
    events = read(orders.filter(orders.timestamp > "2024-01-01"))
    assert sorted(events.table.to_pandas()["customer_id"]) == ["0.1", "17850", "ada"]
    assert counted(events + read(LINES)) == (5, 1)
    connection.disconnect()


def test_ibis_tables_in_memory():
    table = ibis.memtable(LINES).mutate(channel=ibis.literal("web"))
    assert counted(read(table) + read(LINES)) == (4, 0)


def test_ibis_joins_with_memory():
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


def test_failing_engines_are_explained():
    other = ibis.duckdb.connect()
    other.raw_sql("CREATE TABLE orders AS SELECT 'ada' AS customer_id")
    table = other.table("orders")
    other.raw_sql("DROP TABLE orders")
    with pytest.raises(ValueError, match=r"the Ibis table could not be read: .*orders"):
        read(table)


def test_two_engines_are_not_added(tmp_path):
    other = ibis.sqlite.connect(tmp_path / "a.db")
    other.raw_sql("CREATE TABLE orders (customer_id TEXT, timestamp TIMESTAMP, kind TEXT, amount REAL)")
    elsewhere = Events(other.table("orders"), read(LINES).refused, ("orders",))
    with pytest.raises(ValueError, match=r"live in 2 engines \(duckdb, sqlite\).*Read both by one"):
        read(LINES) + elsewhere
    other.disconnect()


# --- every kind of source ----------------------------------------------------------------------------


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
LONDON = {
    "2024-07-01 10:00:00+02:00": "07-01 08:00",
    "2024-07-01T10:00:00Z": "07-01 10:00",
    "2024-07-01 10:00:00": "07-01 09:00",
    "2024-07-01T10:00:00-0500": "07-01 15:00",
    # 1:30 did not exist on 31 March 2024, and came twice on 27 October.
    "2024-03-31 00:30": "03-31 00:30",
    "2024-03-31 01:30": "03-31 01:30",
    "2024-03-31 02:30": "03-31 01:30",
    "2024-10-27 00:30": "10-26 23:30",
    "2024-10-27 01:30": "10-27 01:30",
    "2199-12-31": "12-31 00:00",
}
UNUSABLE = {
    "timestamp outside 1900 to 2200": {"timestamp": "2200-01-02"},
    "timestamp not readable": {"timestamp": "yesterday"},
    "amount not a number": {"amount": "many"},
    "customer_id missing": {"customer_id": None},
}


@pytest.mark.parametrize("kind", KINDS_OF_SOURCE)
def test_sources_are_read_alike(kind, tmp_path):
    """Float ids, amounts in words, times of all zones, and columns that no one needs."""
    good = pd.DataFrame({"timestamp": list(LONDON), "amount": "5"})
    bad = pd.DataFrame([{"timestamp": "2024-01-01", "amount": "5"} | row for row in UNUSABLE.values()])
    lines = pd.concat([good, bad], ignore_index=True)
    lines["customer_id"] = [17850.0 + i for i in range(len(lines) - 1)] + [None]
    lines = lines.assign(weather="rain", **{'o\'dd "name"': 1})
    events = read(KINDS_OF_SOURCE[kind](lines, tmp_path), timezone="Europe/London")
    rows = events.table.order_by("customer_id").to_pandas()
    assert events.columns == ("customer_id", "timestamp", "kind", "amount")
    assert rows["customer_id"].to_list() == [str(17850 + i) for i in range(len(LONDON))]
    assert rows["timestamp"].dt.strftime("%m-%d %H:%M").to_list() == list(LONDON.values())
    assert dict(zip(events.refused["reason"], events.refused["count"], strict=True)) == dict.fromkeys(
        UNUSABLE, 1
    )


def test_missing_values_have_a_type():
    """Ibis has no type for a column that holds only None."""
    nothing = LINES.assign(category=None)
    assert ibis.memtable(nothing).category.type().is_null()
    events = read(ibis.memtable(nothing))
    assert counted(events) == (2, 0)
    assert events.table.category.isnull().all().to_pandas()
    assert counted(events.cache()) == (2, 0)


def test_stray_quotes_change_no_value(tmp_path):
    """A quote inside a field refuses its line; an unquoted field may hold quotes."""
    lines = (
        'customer_id,timestamp,text\n"1"23,2024-01-01,a\n2,2024-01-01,"say \\"hi\\" now"\n3,2024-01-01,"x"y\n'
    )
    lines += '4,2024-01-01,"a ""b"" c"\n5,2024-01-01,5" pipe 6"\n6,2024-01-01,"a,b"\n7,2024-01-01,""\n'
    events = read(file(tmp_path, lines), kind="chat")
    assert counted(events) == (4, 3)
    texts = events.table.to_pandas().set_index("customer_id")["text"]
    assert texts.drop("7").to_dict() == {"4": 'a "b" c', "5": '5" pipe 6"', "6": "a,b"}


def test_long_quoted_values_are_read(tmp_path):
    thread = "\n".join(f"line {i}" for i in range(5_000))
    events = read(
        file(tmp_path, f'customer_id,timestamp,text\n1,2024-01-01,"{thread}"\n2,2024-01-01,b\n'), kind="chat"
    )
    assert counted(events) == (2, 0) and thread in events.table.to_pandas()["text"].to_list()


def test_adbc_columns_may_change_type(tmp_path):
    """SQLite holds any type in any column; its ADBC driver takes a column's type from the first rows."""
    dbapi = pytest.importorskip("adbc_driver_sqlite.dbapi")
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE lines (customer_id, timestamp TEXT, amount)")
        rows = [("1", "2024-01-01", 1)] * 2_000 + [(b"1", "2024-01-01", 2.5), (1, "2024-01-01", 0.1 + 0.2)]
        connection.executemany("INSERT INTO lines VALUES (?, ?, ?)", rows)
        connection.execute("CREATE TABLE empty (customer_id TEXT, timestamp TEXT, amount REAL)")
        connection.commit()
    with closing(dbapi.connect(str(path))) as by_adbc:
        for source in (by_adbc, f"sqlite:///{path}"):
            events = read(source, table="lines")
            assert counted(events) == (2_002, 0)
            assert events.table.to_pandas()["amount"].sum() == 2_000 + 2.5 + 0.1 + 0.2
            assert set(events.table.to_pandas()["customer_id"]) == {"1"}
            with pytest.raises(ValueError, match=r"empty of .* has columns but no rows"):
                read(source, table="empty")


@pytest.mark.parametrize(
    "address",
    [
        " postgresql://bob:S3cret@localhost:1/x",
        "jdbc:postgresql://bob:S3cret@localhost/x",
        "postgresql:/bob:S3cret@localhost/x",
        "host=localhost password=S3cret",
    ],
)
def test_slips_in_addresses_hide_passwords(address):
    for options in ({}, {"table": "lines"}):
        with pytest.raises((ValueError, ConnectionError, ModuleNotFoundError)) as raised:
            read(address, **options)
        assert "S3cret" not in str(raised.value) and "postgresql://" in str(raised.value)


def test_files_with_odd_names_are_read(tmp_path):
    assert counted(read(file(tmp_path, HEADER + GOOD, "orders password=none.csv"))) == (40, 0)


def test_empty_source_is_refused():
    with pytest.raises(ValueError, match="The source is an empty text"):
        read("  ")


# --- how a CSV file is written -----------------------------------------------------------------------

GERMAN = (
    HEADER.replace(",", ";")
    + "Jürgen;2024-01-01;1.250,50\nb;2024-01-01;12.50\nc;2024-01-01;-3\nd;2024-01-01;\n"
)
AS_GERMAN = {"sep": ";", "encoding": "latin-1", "decimal": ","}


def test_csv_is_read_as_it_is_written(tmp_path):
    """A point is a thousand where the comma is the decimal mark, and 12.50 is then no number."""
    path = file(tmp_path, GERMAN.encode("latin-1"))
    events = read(path, kind="visit", **AS_GERMAN)
    rows = events.table.to_pandas().set_index("customer_id")["amount"]
    assert rows.dropna().to_dict() == {"Jürgen": 1250.5, "c": -3} and set(rows.index) == {"Jürgen", "c", "d"}
    assert events.refused.to_numpy().tolist() == [["amount not a number", 1, "amount=12.50"]]
    path = file(tmp_path, GERMAN.replace("12.50", "12,5"))
    attributes = sg.read_attributes(path, demographic="amount", sep=";", decimal=",")
    assert attributes.table["amount"].dropna().to_dict() == {"Jürgen": 1250.5, "b": 12.5, "c": -3}
    path = file(tmp_path, HEADER.replace(",", ":") + "a:2024-01-01:1\n")
    assert counted(read(path, sep=":")) == (1, 0)
    assert column(
        file(tmp_path, "a:b\n1:é\n".encode("utf-16-be")), "b", csv=CsvOptions(":", "utf-16-be")
    ) == ["é"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sep": r"\s+"}, ValueError, r"sep='\\\\s\+' is not the character .*pd.read_csv\(path, sep="),
        ({"sep": ""}, ValueError, "sep='' is not the character"),
        ({"sep": "|"}, ValueError, r"first line of lines.csv has no '\|': 'customer_id;"),
        ({"encoding": "base64"}, ValueError, "encoding='base64' is not an encoding"),
        ({"encoding": "latin-1"}, ValueError, "begins with the mark of utf-8. Leave encoding out"),
        ({"decimal": "'"}, ValueError, 'decimal="\'" is no decimal mark'),
        (
            {"decimal": ",", "preset": "shopify_orders"},
            ValueError,
            "'shopify_orders' reads numbers with a decimal point",
        ),
    ],
)
def test_wrong_csv_options_are_explained(options, error, message, tmp_path):
    with pytest.raises(error, match=message):
        read(file(tmp_path, codecs.BOM_UTF8 + GERMAN.encode()), **options)


def test_other_sources_have_no_csv_options(tmp_path):
    file(tmp_path, '{"a": 1}\n', "a.jsonl")
    for source in (LINES, tmp_path / "a.jsonl", tmp_path / "a.js*", "sqlite:///shop.db", [LINES]):
        with pytest.raises(TypeError, match=r"sep=';' says how a CSV file is written, and .* is none"):
            read(source, sep=";")


def as_csv(frame, folder):
    frame.to_csv(folder / "a.csv", index=False)
    return folder / "a.csv"


def as_json(frame, folder):
    return file(folder, "".join(json.dumps(dict(row)) + "\n" for _, row in frame.iterrows()), "a.jsonl")


def as_parquet(frame, folder):
    pa.parquet.write_table(arrow(frame), folder / "a.parquet")
    return folder / "a.parquet"


def arrow(frame, _=None):
    return pa.table([pa.array(frame.iloc[:, i]) for i in range(frame.shape[1])], names=list(frame.columns))


REPEATED = {
    "frame": lambda frame, folder: frame,
    "csv": as_csv,
    "json": as_json,
    "parquet": as_parquet,
    "workbook": as_workbook,
    "arrow": arrow,
    "reader": lambda frame, folder: arrow(frame).to_reader(),
}


@pytest.mark.parametrize("kind", REPEATED)
def test_columns_of_one_name_are_numbered(kind, tmp_path):
    """They cost nothing where nobody needs them, and are never chosen silently."""
    both = LINES.assign(Note="x", note="y")
    assert counted(read(REPEATED[kind](both, tmp_path))) == (2, 0)
    rows = read(REPEATED[kind](both, tmp_path), text="note (2)").table.to_pandas()
    assert set(rows["text"]) == {"y"}
    with pytest.raises(ValueError, match=r"'note' more than once.*: 'Note \(1\)' or 'note \(2\)'"):
        read(REPEATED[kind](both, tmp_path), text="note")
    with pytest.raises(ValueError, match="'category' more than once"):
        read(REPEATED[kind](LINES.assign(category="x", Category="y"), tmp_path))
    with pytest.raises(ValueError, match="'Note' more than once"):
        sg.read_attributes(REPEATED[kind](both, tmp_path), demographic="Note")


def test_repeated_names_of_an_export(tmp_path):
    header = "Name,Email,Created at,Total,Lineitem name,Lineitem price,Lineitem quantity,Financial Status,Notes,Notes\n"
    line = "#1,a@b.c,2024-01-01 10:00:00 +0000,5,Tea,5,1,paid,x,y\n"
    assert counted(read(file(tmp_path, header + line), preset="shopify_orders", kind=None)) == (1, 0)
    with pytest.raises(ValueError, match=r"'Email' more than once"):
        read(
            file(tmp_path, header.replace("Notes,Notes", "Notes,Email") + line),
            preset="shopify_orders",
            kind=None,
        )


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    """Other readers may leave it before the first name, and write it again."""
    marked = pd.DataFrame({"\ufeffcustomer_id": ["a"], "timestamp": ["2024-01-01"], "amount": [3.0]})
    marked.to_csv(tmp_path / "twice.csv", index=False, encoding="utf-8-sig")
    marked.to_parquet(tmp_path / "one.parquet")
    marked.to_json(tmp_path / "one.jsonl", orient="records", lines=True, force_ascii=False)
    for source in (marked, pa.Table.from_pandas(marked), *sorted(tmp_path.iterdir())):
        assert sg.read_events(source, kind="purchase").table.customer_id.to_pandas().to_list() == ["a"]
    with pytest.raises(ValueError, match="byte-order mark: read it with encoding='utf-8-sig'"):
        sg.segment(pd.DataFrame({"\ufeffage": [1.0, 2, 3]}), n_segments=2)


def test_names_are_numbered_past_others():
    assert numbered("a", ["x", "x (1)", "X"]) == (["x (2)", "x (1)", "X (3)"], {"x"})


# --- limits ------------------------------------------------------------------------------------------


def test_odd_paths_are_explained(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "below").mkdir()
    LINES.to_parquet(tmp_path / "below" / "a.parquet")
    for folder in ("~", ".", "..", "~/below/..", "/"):
        with pytest.raises(ValueError, match="in which you work, your home, or one above"):
            read(folder)
    assert counted(read("~/below")) == (2, 0)
    file(tmp_path, HEADER + GOOD, "~orders.csv")
    assert counted(read("~/~orders.csv")) == counted(read("~orders.csv")) == (40, 0)
    for name in ("x" * 300 + ".csv", "x" * 300 + "/*.csv", HEADER + GOOD * 20, "a/" * 3000):
        with pytest.raises(ValueError, match=r"…' cannot be the path of a file: File name too long"):
            read(name)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "xlsx", "db", "csv.gz"])
def test_pipes_are_refused_at_once(ending, tmp_path):
    """Reading one would wait for ever."""
    pipe = tmp_path / f"a.{ending}"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match="is a pipe, socket or device"):
        read(pipe)
    with pytest.raises(FileNotFoundError):
        read(str(tmp_path / "*"))
    if ending == "parquet":
        with pytest.raises(FileNotFoundError, match="without Parquet files"):
            read(tmp_path)
    if ending == "csv":
        link = tmp_path / "b.csv"
        link.symlink_to("/dev/zero")
        with pytest.raises(ValueError, match="is a pipe, socket or device"):
            read(link)


def test_wide_sources_are_refused_at_once(tmp_path):
    wide = {f"k{i}": 1 for i in range(20_000)}
    sources = [
        file(tmp_path, json.dumps(wide), "a.jsonl"),
        file(tmp_path, ",".join(wide) + "\n", "a.csv"),
        pd.DataFrame([wide]),
        pa.table({name: [1] for name in wide}),
    ]
    for source in sources:
        with pytest.raises(ValueError, match="has 20,000 columns, and segkit reads 4,000 at most"):
            read(source)


def test_deep_json_is_no_id(tmp_path):
    deep = "[" * 200_000 + "]" * 200_000
    lines = f'{{"customer_id": {deep}, "timestamp": "2024-01-01"}}\n{{"customer_id": 1, "timestamp": "2024-01-01"}}\n'
    events = read(file(tmp_path, lines, "a.jsonl"), kind="visit")
    assert counted(events) == (1, 1)
    assert events.refused["reason"].to_list() == ["customer_id longer than 256 characters"]


def test_bombs_are_refused(tmp_path, monkeypatch):
    """A line repeated two million times takes a thousandth of its size."""
    monkeypatch.setattr("segkit.collect.sources.source.LARGEST", 1_000_000)
    once = pa.table({"customer_id": ["ada"], "timestamp": ["2024-01-01"], "amount": [1.0]})
    rows = once.take([0] * 2_000_000)
    pa.parquet.write_table(rows, tmp_path / "rows.parquet")
    long = once.set_column(2, "note", pa.array(["x" * 2_000_000]))
    pa.parquet.write_table(long, tmp_path / "long.parquet", compression="zstd", use_dictionary=False)
    file(tmp_path, gzip.compress((HEADER + "ada,2024-01-01,1\n" * 200_000).encode()), "a.csv.gz")
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/workbook.xml", " " * 2_000_000)
    for name in ("rows.parquet", "long.parquet", "a.csv.gz", "a.xlsx"):
        with pytest.raises(ValueError, match=rf"{name} has [\d,]+ bytes and unpacks to [\d,]+ or more"):
            read(tmp_path / name)
