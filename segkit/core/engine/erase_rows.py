"""Rewrite a DuckDB file without the rows of some customers, so that nothing of them is left in its bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from segkit.core.engine.connection import quoted
from segkit.core.id_search import IdSearch

PLAIN = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "U",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "BOOLEAN",
    "DATE",
    "TIME",
)
PART = 100_000  # values searched at once


def erase_rows(
    path: Path, ids: Iterable[str], also: Mapping[str, str] | None = None, column: str = "customer_id"
) -> int:
    """Rewrite a DuckDB file without the rows of some customers.

    A deleted row stays in the bytes of a DuckDB file until its space is used again. So all other rows are written to a
    new file, which then takes the place of this one; if that fails, this one is as it was.

    Parameters
    ----------
    path : Path
        A file that nobody has open.
    ids : iterable of str
        Values of `column`, in any table that has it.
    also : dict of str to str, optional
        By the name of a table, which of its rows to leave out besides, as an SQL condition; ``hers`` is a table of the
        `id`, and the file is attached as ``old``.
    column : str

    Returns
    -------
    int
        Number of rows that were left out. If it is 0, the file was not written.

    Raises
    ------
    duckdb.Error
        If it is no DuckDB file, or open elsewhere.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH {quoted(str(path))} AS old")  # a log of changes beside it is read as well
        connection.register("hers", pa.table({"id": pa.array(list(ids), pa.string())}))
        conditions = _conditions(connection, also or {}, column)
        counts = {
            table: _number(connection, f"SELECT count(*) FROM old.{table} WHERE {where}")
            for table, where in conditions.items()
        }
        try:
            if any(counts.values()):
                connection.execute("CHECKPOINT old")
                connection.execute(f"ATTACH {quoted(str(beside))} AS new")
                connection.execute("COPY FROM DATABASE old TO new (SCHEMA)")
                for table, where in conditions.items():
                    connection.execute(
                        f"INSERT INTO new.{table} SELECT * FROM old.{table} WHERE ({where}) IS NOT TRUE"
                    )
                connection.execute("DETACH new")
            connection.execute("DETACH old")
            if beside.exists():
                beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    return sum(counts.values())


def ids_in(path: Path, ids: Iterable[str], search: IdSearch, column: str = "customer_id") -> set[str]:
    """Return which of the ids a DuckDB file holds: in `column` of any type, or within what is no number or time."""
    found: set[str] = set()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH {quoted(str(path))} AS old (READ_ONLY)")
        connection.register("hers", pa.table({"id": pa.array(list(ids), pa.string())}))
        for table, columns in _columns(connection).items():
            for name, kind in columns.items():
                values = f"SELECT CAST({_quoted(name)} AS VARCHAR) AS id FROM old.{table}"
                if name.lower() == column:
                    rows = connection.execute(f"SELECT id FROM hers WHERE id IN ({values})").fetchall()
                    found |= {text for (text,) in rows}
                elif not kind.startswith(PLAIN) or kind.endswith("]"):
                    distinct = connection.execute(f"SELECT DISTINCT id FROM ({values}) WHERE id IS NOT NULL")
                    while some := distinct.fetchmany(PART):
                        words = "\n".join(text for (text,) in some)
                        found |= search.found_in(words.encode("utf-8", "surrogatepass"))
        connection.execute("DETACH old")
    return found


def _conditions(connection: Any, also: Mapping[str, str], column: str) -> dict[str, str]:
    """Return for each table which of its rows to leave out."""
    conditions = {}
    for table, columns in _columns(connection).items():
        parts = ["false"]
        ours = [name for name in columns if name.lower() == column]
        parts += [f"CAST({_quoted(name)} AS VARCHAR) IN (SELECT id FROM hers)" for name in ours]
        name = table.partition(".")[2].strip('"')
        conditions[table] = " OR ".join([*parts, *([also[name]] if name in also else [])])
    return conditions


def _columns(connection: Any) -> dict[str, dict[str, str]]:
    """Return the columns of each table, with their types."""
    rows = connection.execute(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() JOIN duckdb_tables() "
        "USING (database_name, schema_name, table_name) WHERE database_name = 'old' ORDER BY ALL"
    ).fetchall()
    tables: dict[str, dict[str, str]] = {}
    for schema, table, column, kind in rows:
        tables.setdefault(f"{_quoted(schema)}.{_quoted(table)}", {})[column] = kind
    return tables


def _number(connection: Any, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
