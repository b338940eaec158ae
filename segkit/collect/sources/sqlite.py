"""SQLite: a file, opened to be read only, whose columns may hold values of several types."""

from __future__ import annotations

import importlib.util
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from segkit.collect.sources.source import named

if TYPE_CHECKING:
    from segkit.collect.sources.database_readers import DbapiReader

ENDINGS = (".db", ".sqlite", ".sqlite3")
TABLES = (
    "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT GLOB 'sqlite_*' ORDER BY 1"
)
SAMPLE = "segkit sample"


def connected(path: str) -> Any:
    """Connect to a file by ADBC where that is installed, else by Python's own module; it cannot be written to.

    Returns
    -------
    DBAPI or ADBC connection
        In a transaction, so that all is read as of one moment.
    """
    uri = f"file:{quote(Path(path).resolve().as_posix())}?mode=ro"
    if importlib.util.find_spec("adbc_driver_sqlite"):
        from adbc_driver_sqlite import dbapi

        return dbapi.connect(uri)
    connection = sqlite3.connect(uri, uri=True)
    connection.text_factory = text_of
    connection.execute("BEGIN")
    return connection


class NotUtf8(str):
    """Text that is not UTF-8, read as Latin-1: to be shown, and used for nothing."""


def text_of(value: bytes) -> str:
    """Return a text of a database as it should be, or else as what it is not."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return NotUtf8(value.decode("latin-1"))


def as_written(names: Sequence[str]) -> list[str]:
    """Return the names of a query's columns without the number that SQLite gives to one that is there already."""
    known = {name.lower() for name in names}
    bare = [re.sub(r":\d+$", "", name) for name in names]
    return [short if short.lower() in known else name for short, name in zip(bare, names, strict=True)]


def typed_query(query: str, names: Sequence[str], reader: DbapiReader) -> str:
    """Return a query of the same rows in which each column is of one type.

    SQLite holds a type for each value. Whole numbers beside fractions become fractions; numbers beside
    words become words.

    Parameters
    ----------
    query : str
    names : sequence of str
        Its columns.
    reader : DbapiReader
        If its driver takes the types from the first rows, a row of each column's type comes first, with a 1
        in the column `SAMPLE`.
    """
    kinds = ", ".join(f"group_concat(DISTINCT typeof({named(name)}))" for name in names)
    [found] = reader.rows(f"SELECT {kinds} FROM ({query})")
    types = [set((kind or "null").split(",")) - {"null"} for kind in found]
    columns = [
        f"{_of_one_type(name, held)} AS {named(name)}" for name, held in zip(names, types, strict=True)
    ]
    typed = f"SELECT {', '.join(columns)} FROM ({query})"
    if not reader.samples:
        return typed
    first = ", ".join(f"{_sample(held)} AS {named(name)}" for name, held in zip(names, types, strict=True))
    return f'SELECT 1 AS "{SAMPLE}", {first} UNION ALL SELECT 0, * FROM ({typed})'


def _of_one_type(name: str, held: set[str]) -> str:
    column = named(name)
    if len(held) <= 1:
        return column
    if held == {"integer", "real"}:
        return f"CAST({column} AS REAL)"
    short = f"CAST({column} AS TEXT)"  # 15 digits: more only where they are needed to read it back
    return (
        f"CASE WHEN typeof({column}) = 'real' AND CAST({short} AS REAL) <> {column} "
        f"THEN printf('%!.17g', {column}) ELSE {short} END"
    )


def _sample(held: set[str]) -> str:
    if held == {"integer"}:
        return "0"
    if held in ({"real"}, {"integer", "real"}):
        return "0.5"
    return "x'00'" if held == {"blob"} else "'text'"
