"""The embedded DuckDB that all events of this process share, and how segkit speaks to it."""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import itertools
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from segkit.core.engine.interrupts import (
    asking,
    defer_interrupts,
    raise_if_interrupted,
    run_interruptibly,
    stop_at_exit,
)

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

T = TypeVar("T")
_numbers = itertools.count()
_turn = threading.RLock()
_answer = threading.Lock()
_abandoned: list[Callable[[], object]] = []


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

    connection = ibis.duckdb.connect(temp_directory=folder())
    atexit.register(connection.disconnect)
    atexit.register(stop_at_exit, connection.con)  # before it
    connection.raw_sql("SET TimeZone = 'UTC'")
    connection.raw_sql("SET enable_progress_bar_print = false")
    connection.raw_sql("SET enable_progress_bar = true")  # it is asked, and shown by ours
    return connection


@functools.cache
def folder() -> str:
    """Return this process's temporary folder, which nobody else can read; it goes when the process ends by itself."""
    made = tempfile.mkdtemp(prefix="segkit-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def locked_engine(function: Callable[..., T]) -> Callable[..., T]:
    """Let only one thread into the engine, and leave it in order: JupyterLab may answer widgets beside a running cell.

    An interruption stops the engine, and is raised when what was begun is undone.
    """

    @functools.wraps(function)
    def locked(*args: Any, **options: Any) -> T:
        with _turn, unfused_selects(), defer_interrupts(engine().con.interrupt):
            return function(*args, **options)

    return locked


@contextlib.contextmanager
def unfused_selects() -> Iterator[None]:
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


@contextlib.contextmanager
def gc_paused() -> Iterator[None]:
    """Let Python look for no garbage while a query is written: a fifth of the time, and none of its objects is."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def run(sql: str) -> list[tuple]:
    """Run a statement in the engine to its end and return its rows."""
    import duckdb

    try:
        with _answer, asking():  # the connection holds one answer, whoever fetches it
            return engine().raw_sql(sql).fetchall()
    except duckdb.InterruptException:
        raise_if_interrupted()
        raise


@locked_engine
def run_with_progress(query: ir.Table, answer: Callable[[], T], what: str) -> T:
    """Return what a method of a query returns; say what it is beside a bar if its tables are here and it takes long."""
    return run_interruptibly(engine().con, answer, what) if is_embedded(query) else answer()


def is_embedded(query: ir.Table) -> bool:
    """Say whether a query asks tables of this engine only, or none."""
    return query._find_backends()[0] in ([], [engine()])


def run_to_arrow(query: ir.Table, what: str) -> pa.Table:
    """Run a query of the engine's tables, and return its rows; say what it is beside a bar if it takes long.

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
    with gc_paused():
        tree = backend.compiler.to_sqlglot(query)
        for step in tree.ctes:
            if step.find(*dear) is None:
                step.set("materialized", False)
        text = tree.sql(dialect=backend.dialect, copy=False)
    rows = run_interruptibly(backend.con, lambda: backend.con.sql(text).to_arrow_table(), what)
    schema = query.schema().to_pyarrow()
    columns = [
        pa.nulls(len(rows)) if pa.types.is_null(field.type) else rows[field.name].cast(field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


@locked_engine
def table_of(data: pa.Table) -> ir.Table:
    """Return an Arrow table as one of the engine's, without copying it."""
    drop_unused()
    name = unique_name("memory")
    engine().con.register(name, data)
    return drop_when_unused(engine().table(name), lambda: engine().con.unregister(name))


@locked_engine
def materialise(table: ir.Table, what: str = "Reading") -> ir.Table:
    """Return a computed copy of a table, in the engine, which spills to disk when memory is short.

    What holds nothing but missing values, of no type, becomes text.
    """
    drop_unused()
    untyped = {name: table[name].cast("string") for name in table.columns if table[name].type().is_null()}
    table = table.mutate(**untyped) if untyped else table
    name = unique_name("kept")
    drop = _dropping(name)
    try:
        insert_into(name, table, what, temporary=True)
        return drop_when_unused(engine().table(name), drop)
    except BaseException:  # an interruption too: the table may be there, and empty
        drop_unused(drop)
        raise


def insert_into(name: str, table: ir.Table, what: str, *, temporary: bool = False) -> None:
    """Make a table of the engine from the rows of another; say what that is beside a bar if it takes long.

    As Ibis does, but that it copies the query over and over, a third of the time that a small file takes to be read.
    """
    backend = engine()
    backend._run_pre_execute_hooks(table)
    columns = (
        column.sql(backend.dialect) for column in table.schema().to_sqlglot_column_defs(backend.dialect)
    )
    run(f"CREATE {'TEMP ' if temporary else ''}TABLE {name} ({', '.join(columns)})")
    with gc_paused():
        insert = f"INSERT INTO {name} {backend.compile(table)}"
    run_interruptibly(backend.con, lambda: run(insert), what)


def own_table(name: str, kind: str = "TABLE") -> ir.Table:
    """Return a temporary table, or view, that is dropped once nothing refers to it any longer."""
    drop = _dropping(name, kind)
    try:
        return drop_when_unused(engine().table(name), drop)
    except BaseException:
        drop_unused(drop)
        raise


def _dropping(name: str, kind: str = "TABLE") -> Callable[[], object]:
    return functools.partial(run, f"DROP {kind} IF EXISTS {name}")


def drop_when_unused(table: ir.Table, drop: Callable[[], object]) -> ir.Table:
    """Note how to drop a table when its last user is gone; done there and then, it might cut into a running query."""
    weakref.finalize(table.op(), _abandoned.append, drop).atexit = False
    return table


def drop_unused(*more: Callable[[], object]) -> None:
    """Drop the tables that nothing refers to any longer, and more; what cannot be dropped now, the next time.

    That a disk is full is of no concern to who reads other events.
    """
    import duckdb

    _abandoned.extend(more)
    for _ in range(len(_abandoned)):
        drop = _abandoned.pop(0)
        try:
            drop()
        except BaseException as error:
            _abandoned.append(drop)
            if not isinstance(error, (duckdb.Error, OSError)):
                raise


def unique_name(stem: str) -> str:
    """Return a table name that nothing in this process bears yet."""
    return f"segkit_{stem}_{next(_numbers)}"


def quoted(text: str) -> str:
    """Return ``text`` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
