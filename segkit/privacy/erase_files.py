"""Erase customers from the files of a folder, each by its form, and say where they are still found."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
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
SCHEMAS = (b"ARROW:schema",)  # in the metadata of Parquet: of types only
UNPACK = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ": lzma.decompress}
PACKED = {  # forms in whose bytes a search finds nothing
    "Feather": b"ARROW1",
    "ORC": b"ORC",
    "zstd": b"\x28\xb5\x2f\xfd",
    "LZ4": b"\x04\x22\x4d\x18",
    "Snappy": b"\xff\x06\x00\x00sNaPpY",
    "7z": b"7z\xbc\xaf\x27\x1c",
    "RAR": b"Rar!",
    "PDF": b"%PDF",
    "HDF5": b"\x89HDF",
}
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
            done = "rows removed, and the file written anew" if place.rows or not place.left else ""
            again = "not erased, make this file again or delete it" if place.left else ""
            place.action = "; ".join(filter(None, [done, again]))
    except (
        OSError,
        duckdb.Error,
        pa.ArrowException,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        csv.Error,
    ) as error:
        first = str(error).strip().partition("\n")[0]
        place.action, place.left = f"could not be read, so look yourself: {first}", {"?"}
    if search.found_in(path.name.encode("utf-8", "surrogateescape")):
        place.name, place.left = "a file with an id in its name", place.left | {"?"}
        place.action += "; rename it"
    return place


def _ways_of(
    path: Path, start: bytes, ids: Set[str], search: IdSearch
) -> tuple[Callable[[], set[str]], Callable[[], int] | None]:
    """Return what finds ids in a file of this form, and what erases them; None where nothing does."""
    if packed := next((name for name, magic in PACKED.items() if start.startswith(magic)), None):
        raise OSError(f"it is packed as {packed}")
    if start[8:12] == DUCKDB:
        return lambda: ids_in(path, ids, search), lambda: erase_rows(path, ids)
    if start[:4] == PARQUET:
        return lambda: _in_parquet(path, ids, search), lambda: _erase_parquet(path, ids)
    if path.suffix.lower() in LINES:
        return lambda: _in_bytes(path, search), lambda: _erase_text(path, _other_lines(path, ids))
    if path.suffix.lower() in DELIMITED:
        return lambda: _in_bytes(path, search), lambda: _erase_text(path, _other_records(path, ids))
    return lambda: _in_bytes(path, search), None


def _in_parquet(path: Path, ids: Set[str], search: IdSearch) -> set[str]:
    found = set()
    with pq.ParquetFile(path) as file:
        for key, value in (file.schema_arrow.metadata or {}).items():
            if key not in SCHEMAS:
                found |= search.found_in(value)
        for batch in file.iter_batches():
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                found |= _in_column(column, _is_id(name), ids, search)
    return found


def _in_column(column: pa.Array, is_id: bool, ids: Set[str], search: IdSearch) -> set[str]:
    """Search a column: numbers only if it is of ids, of others also what is within texts and lists."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary  # values that no row has any longer are in the file too
    text = _text(column)
    if is_id and text is not None:
        return set(text.filter(pc.is_in(text, value_set=pa.array(sorted(ids), pa.string()))).to_pylist())
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return search.found_in(b"\n".join(filter(None, column.to_pylist())))
    if pa.types.is_nested(column.type):
        return search.found_in(json.dumps(column.to_pylist(), default=str).encode())
    if text is None or not _is_text(column.type):
        return set()
    return search.found_in("\n".join(text.unique().drop_null().to_pylist()).encode("utf-8", "surrogatepass"))


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
                left = batch.filter(pc.invert(hers))
                columns = [_without_unused(column) for column in left.columns]
                writer.write_batch(pa.record_batch(columns, schema=batch.schema))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return number


def _without_unused(column: pa.Array) -> pa.Array:
    """Return a column without values that no row has any longer: they would be written all the same."""
    if not pa.types.is_dictionary(column.type):
        return column
    return column.dictionary_decode().dictionary_encode().cast(column.type)


def _text(column: pa.Array) -> pa.Array | None:
    """Return a column of text or numbers as text, whole numbers without a point; None for others."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
        whole = pc.and_(pc.equal(column, pc.floor(column)), pc.less(pc.abs(column), 2.0**53))
        column = pc.if_else(whole, column, None).cast(pa.int64())
    return column.cast(pa.string()) if _is_text(column.type) or pa.types.is_integer(column.type) else None


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_id(name: object) -> bool:
    return standard_name(str(name)) == ID


def _in_bytes(path: Path, search: IdSearch) -> set[str]:
    """Search a file, and what is compressed in it."""
    content = path.read_bytes()
    found = search.found_in(content)
    if content[:2] in UTF_16:
        found |= search.found_in(content.decode("utf-16", "ignore").encode("utf-8", "ignore"))
    for magic, unpack in UNPACK.items():
        if content.startswith(magic):
            found |= search.found_in(unpack(content))
    if zipfile.is_zipfile(path):
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
        for record in csv.reader(read(), delimiter=delimiter, strict=True):
            part = "".join(taken)
            taken.clear()
            if at is None:
                at = [i for i, name in enumerate(record) if _is_id(name.lstrip("\ufeff"))]
                yield part, False
            else:
                yield part, any(i < len(record) and record[i].strip() in ids for i in at)
    finally:
        csv.field_size_limit(limit)
