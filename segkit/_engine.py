"""The embedded DuckDB that all events of this process share, and how segkit speaks to it."""

from __future__ import annotations

import atexit
import contextlib
import difflib
import functools
import itertools
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

STORE = "segkit_store"
"""Catalogue of tables that are kept compressed, in a file of the temporary folder."""
T = TypeVar("T")
_numbers = itertools.count()
_turn = threading.RLock()
_abandoned: list[tuple[str, str]] = []


@functools.cache
def engine() -> Backend:
    """Return the process's own DuckDB, opened when first asked for.

    In memory, in UTC, and spilling to the system's temporary folder when a query outgrows its
    memory. Settings are DuckDB's own: ``engine().raw_sql("SET memory_limit = '2GB'")``.

    Returns
    -------
    ibis.backends.duckdb.Backend
        The same connection at each call, so that events of different sources can be joined.
    """
    import ibis

    connection = ibis.duckdb.connect(temp_directory=_folder())
    atexit.register(connection.disconnect)
    connection.raw_sql("SET TimeZone = 'UTC'")
    connection.raw_sql("SET enable_progress_bar = false")
    return connection


@functools.cache
def _folder() -> str:
    """Return this process's temporary folder, which nobody else can read and which goes when the process ends."""
    folder = tempfile.mkdtemp(prefix="segkit-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _open_store() -> None:
    run(f"ATTACH {quoted(str(Path(_folder()) / 'store.duckdb'))} AS {STORE}")


def one_at_a_time(function: Callable[..., T]) -> Callable[..., T]:
    """Let only one thread into the engine: JupyterLab may answer widgets beside a running cell."""

    @functools.wraps(function)
    def locked(*args: Any, **options: Any) -> T:
        with _turn, step_by_step():
            return function(*args, **options)

    return locked


@contextlib.contextmanager
def step_by_step() -> Iterator[None]:
    """Let Ibis write each step of a query as one.

    Fusing them takes it longer than all else that it does, and what is used twice is then written, and
    computed, twice.
    """
    import ibis

    fuse = ibis.options.sql.fuse_selects
    ibis.options.sql.fuse_selects = False
    try:
        yield
    finally:
        ibis.options.sql.fuse_selects = fuse


def run(sql: str) -> list[tuple]:
    """Run a statement in the engine to its end and return its rows."""
    return engine().raw_sql(sql).fetchall()


def answered(query: ir.Table) -> pa.Table:
    """Run a query of the engine's tables, and return its rows.

    Steps that only choose, rename or compare are read anew by each part that uses them, so that each reads no
    more of a file than it needs, words as they are stored. The engine itself would read all once, and pass on to
    each part everything that any of them needs.
    """
    import pyarrow as pa
    from sqlglot import expressions as sql

    dear = (
        *(sql.AggFunc, sql.Window, sql.Join, sql.SetOperation, sql.Distinct, sql.UDTF),
        *(sql.Case, sql.If, sql.RegexpLike, sql.RegexpReplace, sql.Explode),
    )
    backend = engine()
    tree = backend.compiler.to_sqlglot(query)
    for step in tree.ctes:
        if step.find(*dear) is None:
            step.set("materialized", False)
    rows = backend.con.sql(tree.sql(dialect=backend.dialect, copy=False)).to_arrow_table()
    schema = query.schema().to_pyarrow()
    columns = [
        pa.nulls(len(rows)) if pa.types.is_null(field.type) else rows[field.name].cast(field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def table_of(data: pa.Table) -> ir.Table:
    """Return an Arrow table as one of the engine's, without copying it."""
    sweep()
    name = fresh_name("memory")
    engine().con.register(name, data)
    return _watched(name, "VIEW")


def kept(table: ir.Table) -> ir.Table:
    """Return a computed copy of a table, in the engine, which spills to disk when memory is short."""
    sweep()
    name = fresh_name("kept")
    engine().create_table(name, table, temp=True)
    return adopted(name)


def stored(table: ir.Table) -> ir.Table:
    """Return a computed copy of a table in a file, compressed and in its order; it needs little memory."""
    sweep()
    _open_store()
    name = fresh_name("stored")
    engine().create_table(name, table, database=(STORE, "main"))
    return _watched(name, "STORED")


def adopted(name: str) -> ir.Table:
    """Return a temporary table that is dropped once nothing refers to it any longer."""
    return _watched(name, "TABLE")


def _watched(name: str, what: str) -> ir.Table:
    """Note the name when its last user is gone; dropped there and then, it might cut into a running query."""
    table = engine().table(name, database=(STORE, "main") if what == "STORED" else None)
    weakref.finalize(table.op(), _abandoned.append, (what, name)).atexit = False
    return table


def sweep() -> None:
    """Drop the tables that nothing refers to any longer."""
    while _abandoned:
        what, name = _abandoned.pop()
        if what == "VIEW":
            engine().con.unregister(name)
        else:
            run(f"DROP TABLE IF EXISTS {f'{STORE}.main.' if what == 'STORED' else ''}{name}")


def fresh_name(stem: str) -> str:
    """Return a table name that nothing in this process bears yet."""
    return f"segkit_{stem}_{next(_numbers)}"


def quoted(text: str) -> str:
    """Return ``text`` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def near(word: str, words: Iterable[str]) -> str:
    """Say which of ``words`` was probably meant, or nothing where none is close."""
    words = [str(w) for w in words]
    lower = {w.lower(): w for w in reversed(words)}
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return f" Did you mean {lower[close[0]]!r}?" if close else ""
