"""Erase customers from the files of a folder, each by its form, and say where they are still found."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from segkit.core.engine.erase_rows import erase_rows, ids_in
from segkit.core.files import write_file
from segkit.core.id_search import IdSearch
from segkit.tailor.audiences.contacts import standard_name

ID = "customer_id"
PARQUET, DUCKDB = b"PAR1", b"DUCK"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
LINES, DELIMITED = (".jsonl", ".ndjson"), (".csv", ".tsv", ".txt")
LONGEST_FIELD = 1 << 30


@dataclass
class Place:
    """A place that was searched.

    Attributes
    ----------
    name : str
    found : set of str
        The ids that it held.
    action : str
        What was done.
    rows : int
        Rows that were erased.
    left : set of str
        Ids that a search finds there afterwards.
    """

    name: str
    found: set[str] = field(default_factory=set)
    action: str = "held none of them"
    rows: int = 0
    left: set[str] = field(default_factory=set)


def erase_from_file(path: Path, ids: Set[str], search: IdSearch) -> Place:
    """Erase customers from one file, or say that it has to be made again."""
    path = path.resolve()  # a link stays a link
    place = Place(path.name)
    try:
        with path.open("rb") as file:
            start = file.read(16)
        found, erase = _ways_of(path, start, ids, search)
        place.found = place.left = found()
        if place.found and erase is not None:
            place.rows = erase()
            place.left = found()
        if place.found:
            done = "rows removed, and the file written anew" if place.rows else ""
            again = "not erased, make this file again or delete it" if place.left else ""
            place.action = "; ".join(filter(None, [done, again]))
    except (OSError, duckdb.Error, pa.ArrowException, zipfile.BadZipFile, zlib.error, csv.Error) as error:
        first = str(error).strip().partition("\n")[0]
        place.action, place.left = f"could not be read, so look yourself: {first}", {"?"}
    if search.found_in(path.name.encode()):
        place.name, place.left = "a file with an id in its name", place.left | {"?"}
        place.action += "; rename it"
    return place


def _ways_of(
    path: Path, start: bytes, ids: Set[str], search: IdSearch
) -> tuple[Callable[[], set[str]], Callable[[], int] | None]:
    """Return what finds ids in a file of this form, and what erases them; None where nothing does."""
    if start[8:12] == DUCKDB:
        return lambda: ids_in(path, ids), lambda: erase_rows(path, ids)
    if start[:4] == PARQUET:
        return lambda: _in_parquet(path, ids), lambda: _erase_parquet(path, ids)
    if path.suffix.lower() in LINES:
        return lambda: _in_bytes(path, search), lambda: _erase_text(path, _other_lines(path, ids))
    if path.suffix.lower() in DELIMITED:
        return lambda: _in_bytes(path, search), lambda: _erase_text(path, _other_records(path, ids))
    return lambda: _in_bytes(path, search), None


def _in_parquet(path: Path, ids: Set[str]) -> set[str]:
    sought, found = pa.array(sorted(ids), pa.string()), set()
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                text = _text(column)
                if text is not None and (_is_id(name) or not pa.types.is_integer(column.type)):
                    found |= set(text.filter(pc.is_in(text, value_set=sought)).to_pylist())
    return found


def _erase_parquet(path: Path, ids: Set[str]) -> int:
    """Write a Parquet file anew without some customers, a part at a time."""
    sought, number = pa.array(sorted(ids), pa.string()), 0
    beside = path.with_name(f".{path.name}.new")
    try:
        with pq.ParquetFile(path) as file, pq.ParquetWriter(beside, file.schema_arrow) as writer:
            for batch in file.iter_batches():
                hers = pa.array([False] * len(batch))
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    text = _text(column) if _is_id(name) else None
                    if text is not None:
                        hers = pc.or_(hers, pc.is_in(text, value_set=sought))
                number += pc.sum(hers).as_py() or 0
                writer.write_batch(batch.filter(pc.invert(hers)))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return number


def _text(column: pa.Array) -> pa.Array | None:
    """Return a column of text or whole numbers as text; None for others."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return column.cast(pa.string()) if is_text or pa.types.is_integer(kind) else None


def _is_id(name: object) -> bool:
    return standard_name(str(name)) == ID


def _in_bytes(path: Path, search: IdSearch) -> set[str]:
    """Search a file, and what is compressed in it."""
    content = path.read_bytes()
    found = search.found_in(content)
    if content[:2] in UTF_16:
        found |= search.found_in(content.decode("utf-16", "ignore").encode("utf-8", "ignore"))
    if content[:2] == b"\x1f\x8b":
        found |= search.found_in(gzip.decompress(content))
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            for name in packed.namelist():
                found |= search.found_in(name.encode()) | search.found_in(packed.read(name))
    return found


def _erase_text(path: Path, parts: Iterable[tuple[str, bool]]) -> int:
    """Write a text file anew from its parts, each with whether it goes."""
    kept, number = io.StringIO(), 0
    for part, goes in parts:
        number += goes
        if not goes:
            kept.write(part)
    if number:
        write_file(path, kept.getvalue().encode("utf-8", "surrogateescape"))
    return number


def _lines(path: Path) -> list[str]:
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    return io.StringIO(text, newline="").readlines()


def _other_lines(path: Path, ids: Set[str]) -> Iterator[tuple[str, bool]]:
    """Return each line of JSON, with whether it is of one of the customers."""
    for line in _lines(path):
        try:
            said = json.loads(line) if line.strip() else None
        except ValueError:
            said = None
        values = [v for k, v in said.items() if _is_id(k)] if isinstance(said, dict) else []
        yield line, any(str(value) in ids for value in values)


def _other_records(path: Path, ids: Set[str]) -> Iterator[tuple[str, bool]]:
    """Return each record of a delimited file as it is written, with whether it is of one of the customers."""
    lines = _lines(path)
    taken: list[str] = []

    def read() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    first = lines[0] if lines else ""
    delimiter = max(",;\t|", key=first.count)
    limit = csv.field_size_limit(LONGEST_FIELD)
    try:
        at: list[int] | None = None
        for record in csv.reader(read(), delimiter=delimiter):
            part = "".join(taken)
            taken.clear()
            if at is None:
                at = [i for i, name in enumerate(record) if _is_id(name.lstrip("\ufeff"))]
                yield part, False
            else:
                yield part, any(i < len(record) and record[i].strip() in ids for i in at)
    finally:
        csv.field_size_limit(limit)
