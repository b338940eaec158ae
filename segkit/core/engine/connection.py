"""Open the embedded DuckDB of this process and run queries in it."""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import itertools
import re
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from segkit.core.engine.interrupts import run_interruptibly, stop_at_exit
from segkit.core.files import take_lock

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from duckdb import DuckDBPyConnection
    from ibis.backends.duckdb import Backend

T = TypeVar("T")
FOLDER, OWNER = "segkit-", "owner.lock"
KEPT = "segkit_kept"  # the catalog of stored tables
LOST_FILE = re.compile(
    """No files found that match the pattern "(.+)"|File '(.+)' too small|magic bytes .* file '(.+?)'"""
)
_numbers = itertools.count()
_turn = threading.RLock()
_rows = threading.Lock()
_abandoned: list[Callable[[], object]] = []


@functools.cache
def engine() -> Backend:
    """Return the DuckDB connection of this process, opened at the first call.

    It is in memory and in UTC, and spills to the system's temporary folder when a query needs more memory
    than there is. Change DuckDB's settings with ``engine().raw_sql("SET memory_limit = '2GB'")``.

    Returns
    -------
    ibis.backends.duckdb.Backend
        The same connection at each call, so that events of different sources can be joined.
    """
    import ibis

    connection = ibis.duckdb.connect(temp_directory=folder())
    atexit.register(connection.disconnect)
    atexit.register(stop_at_exit, connection.con)  # runs first: Python goes from the last to the first
    connection.raw_sql("SET TimeZone = 'UTC'")
    connection.raw_sql("SET enable_progress_bar_print = false")
    connection.raw_sql("SET enable_progress_bar = true")  # measured by DuckDB, drawn by tqdm
    # Give freed memory back soon: by default, 100 MB of it stay with the process.
    connection.raw_sql("SET allocator_flush_threshold = '8MB'")
    connection.raw_sql("SET allocator_bulk_deallocation_flush_threshold = '8MB'")
    return connection


@functools.cache
def folder() -> str:
    """Return the temporary folder of this process, readable by its user only and deleted when the process ends.

    The file `owner.lock` in it is locked as long as the process lives.
    """
    try:
        path = tempfile.mkdtemp(prefix=FOLDER)
        owner = (Path(path) / OWNER).open("w", encoding="utf-8")
        take_lock(owner)
    except OSError as error:
        raise OSError(
            f"There is no folder for temporary files: {error.strerror or error}. Name one that can be written, in the "
            "environment variable TMPDIR, before Python starts."
        ) from error
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    atexit.register(owner.close)  # which keeps it open until then, and runs first
    return path


def abandoned_folders() -> list[Path]:
    """Return the temporary folders that killed processes of this user left behind."""
    left = []
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{FOLDER}*/{OWNER}")):
        with contextlib.suppress(OSError), path.open("a", encoding="utf-8") as owner:  # of others, or locked
            take_lock(owner)
            left.append(path.parent)
    return left


def locked_engine(function: Callable[..., T]) -> Callable[..., T]:
    """Let one thread at a time use the engine: in JupyterLab a widget may run beside a cell."""

    @functools.wraps(function)
    def locked(*args: Any, **options: Any) -> T:
        with _turn, unfused_selects():
            return function(*args, **options)

    return locked


class asked_once(functools.cached_property):
    """A property whose query runs at the first look, in this thread's turn, and whose answer is kept.

    The turn comes before the lock that a cached property has in Python 3.11: a thread that has the turn may look too,
    and each would wait for the other for ever.
    """

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        with _turn, unfused_selects():
            return super().__get__(instance, owner)


@contextlib.contextmanager
def unfused_selects() -> Iterator[None]:
    """Let Ibis write each step of a query as a step of its own.

    Merging the steps is the slowest part of writing a query, and a step that is used twice would be computed twice.
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
    """Pause garbage collection while a query is written, which makes very many objects and no garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def run(sql: str, what: str = "") -> list[tuple]:
    """Run a statement in the engine and return its rows; `what` labels the progress bar."""

    def fetch() -> list[tuple]:
        with _rows:  # the connection holds the rows of one statement, whichever thread fetches them
            return engine().raw_sql(sql).fetchall()

    return run_interruptibly(engine().con, fetch, what)


@locked_engine
def run_with_progress(query: ir.Table, execute: Callable[[], T], what: str) -> T:
    """Call a method of a query that executes it, with a progress bar where its tables are in this engine."""
    with naming_lost_files():
        if not is_embedded(query):
            return execute()
        try:
            return run_interruptibly(engine().con, execute, what)
        finally:
            give_back()


def give_back() -> None:
    """Return freed memory to the system, of which DuckDB would keep 50 to 100 MB; setting a limit does so at once."""

    def set_limit() -> None:
        with engine().con.cursor() as own:
            _set_limit(own, _limit_of(own))

    # In a thread, since DuckDB turns Ctrl-C into an error of its own.
    run_interruptibly(engine().con, set_limit)


def _limit_of(connection: DuckDBPyConnection) -> str:
    """Return the memory that the engine may take, such as "18.85 GiB", which DuckDB shows as 18.8; "-1" is no limit.

    It cuts digits off: 18.8 GiB, set again, would be shown as 18.7, and as less each time.
    """
    shown = connection.execute("SELECT current_setting('memory_limit')").fetchall()[0][0]
    return "-1" if shown.endswith("PiB") else re.sub(r"(\.\d) ", r"\g<1>5 ", shown)


def _is_more(connection: DuckDBPyConnection, limit: str, megabytes: int) -> bool:
    if limit == "-1":
        return True
    more = connection.execute("SELECT parse_formatted_bytes(?) > 1000000 * ?", [limit, megabytes])
    return bool(more.fetchall()[0][0])


def _set_limit(connection: DuckDBPyConnection, limit: str) -> None:
    connection.execute(f"SET memory_limit = {quoted(limit)}")


def is_embedded(query: ir.Table) -> bool:
    """Return whether a query uses tables of this engine only, or none."""
    return query._find_backends()[0] in ([], [engine()])


def run_to_arrow(query: ir.Table, what: str, megabytes: int | None = None) -> pa.Table:
    """Run a query of the engine's tables and return its rows.

    `what` labels the progress bar. What does not fit into `megabytes` goes to the disk; a query that cannot do with so
    little gets all that the engine may take.
    """
    import duckdb

    backend, text = engine(), lean_sql(query)

    def fetch(most: int | None) -> pa.Table:
        def work() -> pa.Table:
            with memory_limited(most):
                return backend.con.sql(text).to_arrow_table()

        return run_interruptibly(backend.con, work, what)

    with naming_lost_files():
        try:
            rows = fetch(megabytes)
        except duckdb.OutOfMemoryException:
            if megabytes is None:
                raise
            rows = fetch(None)
    give_back()
    return as_queried(rows, query.schema().to_pyarrow())


@contextlib.contextmanager
def memory_limited(megabytes: int | None) -> Iterator[None]:
    """Let the engine take less memory for a while, unless it may not take so much anyway; None limits nothing.

    Used in the thread of a query, where Ctrl-C cannot keep the old limit from coming back.
    """
    with engine().con.cursor() as own:
        allowed = _limit_of(own)
        lowered = megabytes is not None and _is_more(own, allowed, megabytes)
        if lowered:
            _set_limit(own, f"{megabytes}MB")
        try:
            yield
        finally:
            if lowered:
                _set_limit(own, allowed)


def lean_sql(query: ir.Table) -> str:
    """Write a query for DuckDB, so that each part of it reads only the columns that it needs.

    Steps that only select, rename or compare are read again by each part of the query that uses them. DuckDB would
    compute them once, with all columns for all parts.
    """
    from sqlglot import expressions as sql

    costly = (
        *(sql.AggFunc, sql.Window, sql.Join, sql.SetOperation, sql.Distinct, sql.UDTF),
        *(sql.Case, sql.If, sql.RegexpLike, sql.RegexpReplace, sql.Explode),
    )
    backend = engine()
    with gc_paused():
        tree = backend.compiler.to_sqlglot(query)
        for step in tree.ctes:
            if step.find(*costly) is None:
                step.set("materialized", False)
        return str(tree.sql(dialect=backend.dialect, copy=False))


def as_queried(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the rows of a query with the types that its expression has."""
    import pyarrow as pa

    columns = [
        pa.nulls(len(rows)) if pa.types.is_null(field.type) else rows[field.name].cast(field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


@contextlib.contextmanager
def naming_lost_files() -> Iterator[None]:
    """Say in words that a file of the log is gone: Parquet files are read again by each query.

    Raises
    ------
    FileNotFoundError
    """
    import duckdb

    try:
        yield
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        lost = LOST_FILE.search(str(error))
        if lost is None:
            raise
        raise FileNotFoundError(
            f"The file {lost[1] or lost[2] or lost[3]} is gone, or is no longer Parquet. Parquet files are read again "
            "by each query: put it back, or read the log again and keep a copy, read_events(…).cache()."
        ) from error


@locked_engine
def table_of(data: pa.Table) -> ir.Table:
    """Return an Arrow table as a table of the engine, without copying it."""
    drop_unused()
    name = unique_name("memory")

    def drop() -> None:
        engine().con.unregister(name)

    with dropped_on_error(drop):
        engine().con.register(name, data)
        return drop_when_unused(stored_table(name), drop)


@locked_engine
def materialise(table: ir.Table, what: str = "Reading") -> ir.Table:
    """Compute a table and store it, compressed, in a file of the temporary folder; memory would hold it uncompressed.

    Columns without a type, which hold missing values only, become text.
    """
    drop_unused()
    untyped = {name: table[name].cast("string") for name in table.columns if table[name].type().is_null()}
    table = table.mutate(**untyped) if untyped else table
    _open_kept()
    name = unique_name("kept")
    drop = _dropping(f"{KEPT}.main.{name}")
    with dropped_on_error(drop):
        insert_into(f"{KEPT}.main.{name}", table, what)
        give_back()
        return drop_when_unused(stored_table(name, database=(KEPT, "main")), drop)


@functools.cache
def _open_kept() -> None:
    """Attach the file of stored tables, which need not survive this process: changes are not logged."""
    file = Path(folder()) / f"{KEPT}.duckdb"
    run(f"ATTACH IF NOT EXISTS {quoted(str(file))} AS {KEPT} (RECOVERY_MODE no_wal_writes)")


def insert_into(name: str, table: ir.Table, what: str) -> None:
    """Create a table of the engine from the rows of another; `what` labels the progress bar.

    Ibis' own ``create_table`` copies the query many times, which takes longer than reading a small file.
    """
    backend = engine()
    backend._run_pre_execute_hooks(table)
    columns = (
        column.sql(backend.dialect) for column in table.schema().to_sqlglot_column_defs(backend.dialect)
    )
    run(f"CREATE TABLE {name} ({', '.join(columns)})")
    with gc_paused():
        insert = f"INSERT INTO {name} {backend.compile(table)}"
    run(insert, what)


def stored_table(name: str, **place: Any) -> ir.Table:
    """Return a table of the engine; asked for in a thread, since DuckDB turns Ctrl-C into an error of its own."""
    return run_interruptibly(engine().con, lambda: engine().table(name, **place))


def create(name: str, query: str, kind: str = "TABLE", what: str = "") -> ir.Table:
    """Create a temporary table or view from a query; it is dropped when nothing refers to it, and after Ctrl-C."""
    with dropped_on_error(_dropping(name, kind)):
        run(f"CREATE TEMP {kind} {name} AS {query}", what)
        return own_table(name, kind)


def own_table(name: str, kind: str = "TABLE") -> ir.Table:
    """Return a temporary table or view that is dropped when nothing refers to it any longer."""
    drop = _dropping(name, kind)
    with dropped_on_error(drop):
        return drop_when_unused(stored_table(name), drop)


@contextlib.contextmanager
def dropped_on_error(drop: Callable[[], object]) -> Iterator[None]:
    """Drop a table again that could not be completed, after Ctrl-C too."""
    try:
        yield
    except BaseException:
        drop_unused(drop)
        raise


def _dropping(name: str, kind: str = "TABLE") -> Callable[[], object]:
    return functools.partial(run, f"DROP {kind} IF EXISTS {name}")


def drop_when_unused(table: ir.Table, drop: Callable[[], object]) -> ir.Table:
    """Let :func:`drop_unused` drop a table that nothing refers to; dropped at once, it might disturb a query."""
    weakref.finalize(table.op(), _abandoned.append, drop).atexit = False
    return table


def drop_unused(*more: Callable[[], object]) -> None:
    """Drop the tables that nothing refers to any longer, and `more`; keep for the next call what cannot be dropped now.

    Errors of DuckDB and the disk stay silent: a full disk must not stop the reading of other events.
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
    """Return a table name that is not used in this process yet."""
    return f"segkit_{stem}_{next(_numbers)}"


def quoted(text: str) -> str:
    """Return text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
