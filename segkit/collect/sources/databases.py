"""Read tables and queries of databases into the engine, rows by the ten thousand; never write to them."""

from __future__ import annotations

import importlib.util
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

from segkit.collect.sources.batches import batches_of, stored, without_wrong_bytes
from segkit.collect.sources.dataframes import arrow_of_pandas
from segkit.collect.sources.paths import matching
from segkit.collect.sources.source import Broken, Source, check_names, first_line, named
from segkit.collect.sources.text_files import MARKING
from segkit.collect.sources.urls import URL, is_url, secrets_of, without_secrets
from segkit.core.engine.connection import engine, unique_name
from segkit.core.engine.interrupts import run_interruptibly
from segkit.core.messages import did_you_mean, listed

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
CHUNK = 50_000  # rows
FILES = (".db", ".sqlite", ".sqlite3")
NETWORK = ("http", "https", "ftp", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "hdfs", "file")
EXTRA = "pip install 'segkit[db]'"
QUERY = re.compile(r"\s*(?:--|/\*|\(|(?:select|with|values|table)\s)", re.IGNORECASE)
TABLES = {
    "postgresql": """
        SELECT n.nspname, c.relname, pg_catalog.pg_table_is_visible(c.oid)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p')
          AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        ORDER BY 3 DESC, 1, 2
    """,
    "sqlite": "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT GLOB 'sqlite_*' ORDER BY 1",
    "duckdb": "SELECT table_name FROM information_schema.tables ORDER BY table_name",
}
"""Queries of the names of tables: of PostgreSQL the schema, the name, and whether it needs no schema."""
PLAIN = re.compile(
    "(?:smallint|integer|bigint|real|double precision|boolean|date|bytea|text|name|character varying|interval|oid|"
    r"timestamp with(?:out)? time zone|time without time zone)(?:\[\])?"
)
"""Types of PostgreSQL that Arrow and Python know; others, such as JSON, are read as text."""


@dataclass
class Database:
    """An open database.

    Attributes
    ----------
    name : str
        Its name in messages, without user and password.
    connection : object
        A DBAPI, ADBC, DuckDB or SQLAlchemy connection; it is neither committed nor closed here.
    dialect : str
        "postgresql", "sqlite", "duckdb", another that SQLAlchemy knows, or "".
    secrets : set of str
        Texts that must not appear in messages.
    broken : Broken
        Rows whose text is not UTF-8.
    """

    name: str
    connection: Any
    dialect: str
    secrets: set[str] = field(default_factory=set, repr=False)
    broken: Broken = field(default_factory=Broken)

    def tables(self) -> dict[str, tuple[str, ...]] | None:
        """Map the name of each table to its parts; None where the database does not list them."""
        if self.dialect == "postgresql":
            found = self.rows(TABLES["postgresql"])
            return {
                name if visible else f"{schema}.{name}": (schema, name) for schema, name, visible in found
            }
        if self.dialect in TABLES:
            return {name: (name,) for (name,) in self.rows(TABLES[self.dialect])}
        if not _is_sqlalchemy(self.connection):
            return None
        import sqlalchemy

        inspector = sqlalchemy.inspect(self.connection)
        return {name: (name,) for name in (*inspector.get_table_names(), *inspector.get_view_names())}

    def quoted(self, parts: Sequence[str]) -> str:
        """Return a table's name as the database's SQL writes it."""
        own = _is_sqlalchemy(self.connection)
        return ".".join(map(self.connection.dialect.identifier_preparer.quote if own else named, parts))

    def rows(self, query: str) -> list[tuple]:
        """Return all rows of a small query."""
        if self.dialect == "duckdb":
            return self.connection.sql(query).fetchall()
        with self._cursor(query) as cursor:
            return [tuple(row) for row in cursor.fetchall()]

    def columns(self, query: str) -> list[str]:
        """Return the names of a query's columns."""
        if self.dialect == "duckdb":
            return list(self.connection.sql(query).columns)
        with self._cursor(f"SELECT * FROM ({query}) AS q LIMIT 0") as cursor:
            description = cursor.cursor.description if _is_sqlalchemy(self.connection) else cursor.description
            names = [column[0] for column in description]
        # SQLite writes "a:1" for the second column "a".
        return [re.sub(r":\d+$", "", name) for name in names] if self.dialect == "sqlite" else names

    def chunks(self, query: str) -> Iterator[pa.Table]:
        """Return the rows of a query, one table of at least no rows."""
        if self.dialect == "duckdb":
            yield from self._duckdb_chunks(query)
            return
        with self._cursor(f"SELECT * FROM ({query}) AS q", stream=True) as cursor:
            if hasattr(cursor, "fetch_record_batch"):  # ADBC
                yield from batches_of(cursor.fetch_record_batch())
            else:
                yield from self._fetched(cursor)

    def _fetched(self, cursor: Any) -> Iterator[pa.Table]:
        import pandas as pd

        names = (
            list(cursor.keys()) if hasattr(cursor, "keys") else [column[0] for column in cursor.description]
        )
        rows = cursor.fetchmany(CHUNK)
        while True:
            columns = zip(*rows, strict=True) if rows else ([] for _ in names)
            frame = pd.DataFrame(
                {
                    name: pd.Series(_without_mixed_bytes(values), dtype="object")
                    for name, values in zip(names, columns, strict=True)
                }
            )
            yield without_wrong_bytes(arrow_of_pandas(frame), self.broken)
            rows = cursor.fetchmany(CHUNK)
            if not rows:
                return

    def _duckdb_chunks(self, query: str) -> Iterator[pa.Table]:
        relation = self.connection.sql(query)
        if self.connection is engine().con:  # which cannot give rows while it takes them
            yield relation.to_arrow_table()
            return
        batches = batches_of(relation.to_arrow_reader())
        while (rows := run_interruptibly(self.connection, lambda: next(batches, None))) is not None:
            yield rows

    @contextmanager
    def _cursor(self, query: str, *, stream: bool = False) -> Iterator[Any]:
        """Run a query; give the cursor, whose rows are tuples. With `stream`, not all rows are in memory at once."""
        if _is_sqlalchemy(self.connection):
            # Without parameters, a percent sign is one.
            options = {"no_parameters": True, "stream_results": stream, "max_row_buffer": CHUNK}
            with self.connection.exec_driver_sql(query, execution_options=options) as result:
                yield result
            return
        with ExitStack() as ending:
            if type(self.connection).__module__.partition(".")[0] == "psycopg":
                from psycopg.rows import tuple_row

                if stream:
                    ending.enter_context(self.connection.transaction())
                name = {"name": unique_name("cursor")} if stream else {}
                cursor = ending.enter_context(self.connection.cursor(**name, row_factory=tuple_row))
            else:
                cursor = ending.enter_context(closing(self.connection.cursor()))
                if isinstance(cursor, sqlite3.Cursor):
                    cursor.row_factory = None
            cursor.execute(query)
            yield cursor

    def attempt(self, action: Callable[[], T], explain: Callable[[Exception, str], Exception]) -> T:
        """Call a driver. Its error is replaced, not chained, since it may hold a password."""
        try:
            return action()
        except ModuleNotFoundError:
            raise
        except Exception as error:  # of whatever kind: each driver has its own
            message = without_secrets(first_line(error), self.secrets).rstrip(". ") or type(error).__name__
            failure = explain(error, message)
        raise failure

    def is_lost(self, error: Exception) -> bool:
        """Return whether an error came because the connection was lost."""
        if not hasattr(self.connection, "adbc_get_info"):  # "OperationalError" is DBAPI's name (PEP 249)
            return self.dialect not in ("sqlite", "duckdb") and type(error).__name__ == "OperationalError"
        try:
            self.connection.rollback()
            return not self.rows("SELECT 1")
        except Exception:  # of whatever kind: the database does not answer
            return True


def open_database(source: Any, table: str | None) -> Source:
    """Copy a table, or the rows of a query, into the engine.

    Parameters
    ----------
    source : str, Path, SQLAlchemy Engine or Connection, DBAPI or ADBC connection
    table : str or None
        A table's name, or a query; None if there is only one table.

    Returns
    -------
    Source
        Its name holds no user and no password.

    Raises
    ------
    FileNotFoundError
        If there is no such SQLite file.
    ConnectionError
        If the database cannot be reached, or goes away before the last row.
    ValueError
        If there is no such table, or the query cannot be run.
    ModuleNotFoundError
        If the database's driver is not installed.
    """
    with ExitStack() as ending:
        database = _opened(source, ending)
        if table is not None and QUERY.match(table):
            query, what = _as_subquery(table), "a query"
        else:
            parts, what = _named_table(database, table)
            query = f"SELECT * FROM {database.quoted(parts)}"
        return read_query(database, query, f"{what} of {database.name}")


def read_query(database: Database, query: str, where: str) -> Source:
    """Copy the rows of a query into the engine.

    Raises
    ------
    ValueError
        If the query cannot be run.
    ConnectionError
        If the database goes away before the last row.
    """

    def refused(_: Exception, message: str) -> Exception:
        return ValueError(
            f"{where} could not be read: {message}. It should be a table or query that the database can run; mend the "
            "query, or name another table."
        )

    numbers: list[str] = []
    names = database.attempt(lambda: database.columns(query), refused)
    check_names(where, names)
    if database.dialect == "postgresql":
        plain = query
        query, numbers = database.attempt(lambda: _with_known_types(database, plain, names), refused)
    elif database.dialect == "sqlite" and hasattr(database.connection, "adbc_get_info"):
        plain = query
        of_one_type = database.attempt(lambda: _with_one_type(database, plain, names), refused)
        if of_one_type is None:
            return Source(where, stored([_no_rows(names)]), owned=True)
        query = of_one_type
    table = database.attempt(
        lambda: stored(database.chunks(query), numbers=numbers), broke_off(database, where)
    )
    return Source(where, table, database.broken.count, database.broken.example, owned=True)


def _without_mixed_bytes(values: Sequence[Any]) -> list[Any]:
    """Return the values of a column; where only some are bytes, these are decoded, as ids are compared as text."""
    kinds = {type(value) for value in values if value is not None}
    if bytes not in kinds or len(kinds) == 1:
        return list(values)
    return [value.decode("utf-8", MARKING) if isinstance(value, bytes) else value for value in values]


def broke_off(database: Database, where: str) -> Callable[[Exception, str], Exception]:
    """Return a function that words the error of a reading that began and did not end."""

    def explain(error: Exception, message: str) -> Exception:
        hint = (
            " If its text is not UTF-8, set connection.text_factory = lambda text: text.decode('latin-1') on a sqlite3 "
            "connection, and pass that."
        )
        return (ConnectionError if database.is_lost(error) else ValueError)(
            f"Reading {where} broke off: {message}. All rows should come, so nothing of them was kept. See that the "
            f"database runs and can run the query, then read again.{hint if database.dialect == 'sqlite' else ''}"
        )

    return explain


def is_database(source: Any) -> bool:
    """Return whether this is a database's URL or file, or a connection to one."""
    if isinstance(source, (str, Path)):
        return is_url(str(source)) or str(source).lower().endswith(FILES)
    return _is_sqlalchemy(source) or (callable(getattr(source, "cursor", None)) and hasattr(source, "close"))


def _is_sqlalchemy(source: Any) -> bool:
    return type(source).__module__.partition(".")[0] == "sqlalchemy" and hasattr(source, "dialect")


def _as_subquery(query: str) -> str:
    """Return a query that can stand in brackets: a comment at its end would hide the closing one."""
    return re.sub(r";\s*(--[^\n'\"]*\s*)*$", "", query.strip()).rstrip("; \n") + "\n" * ("--" in query)


def _with_known_types(database: Database, query: str, names: list[str]) -> tuple[str, list[str]]:
    """Return a query of PostgreSQL whose types Arrow knows, and its columns of numbers that are read as text.

    Decimals are read as text since they may have more digits than Arrow's.
    """
    types = ", ".join(f"pg_typeof(q.{named(name)})::text" for name in names)
    [kinds] = database.rows(
        f"SELECT {types} FROM (SELECT 1) one LEFT JOIN (SELECT * FROM ({query}) i LIMIT 0) q ON true"
    )
    columns, numbers = [], []
    for name, kind in zip(names, kinds, strict=True):
        column = named(name)
        if kind in ("numeric", "money"):
            numbers.append(name)
            column = f"{column}::numeric"
        columns.append(named(name) if PLAIN.fullmatch(kind) else f"{column}::text AS {named(name)}")
    return f"SELECT {', '.join(columns)} FROM ({query}) AS i", numbers


def _no_rows(names: list[str]) -> pa.Table:
    import pyarrow as pa

    return pa.table({name: pa.array([], pa.string()) for name in names})


def _with_one_type(database: Database, query: str, names: list[str]) -> str | None:
    """Return a query of SQLite whose columns hold one type each; None if it has no rows.

    SQLite holds any type in any column, and its ADBC driver takes the type from the first rows and stops at another.
    """
    types = ", ".join(f"group_concat(DISTINCT typeof({named(name)}))" for name in names)
    [found] = database.rows(f"SELECT {types} FROM ({query}) AS i")
    if found[0] is None:
        return None
    columns = []
    for name, kinds in zip(names, (set(kinds.split(",")) - {"null"} for kinds in found), strict=True):
        column = named(name)
        if len(kinds) < 2:
            columns.append(column)
        elif kinds == {"integer", "real"}:
            columns.append(f"CAST({column} AS REAL) AS {column}")
        else:
            columns.append(f"CAST({column} AS TEXT) AS {column}")
    return f"SELECT {', '.join(columns)} FROM ({query}) AS i"


def _named_table(database: Database, table: str | None) -> tuple[tuple[str, ...], str]:
    """Return the parts of a table's name, and its name in messages."""
    known = database.attempt(
        database.tables,
        lambda _, message: ConnectionError(
            f"{database.name} could not list its tables: {message}. It should be a database that is open, and "
            "yours to read; check the file or the connection, and the user's rights."
        ),
    )
    if known is None:
        if table is not None:
            return tuple(table.split(".")), table
        raise ValueError(
            f"Name the table of {database.name}, or write a query: table='…' or table='SELECT …'."
        )
    if table in known:
        return known[table], table
    if table is None and len(known) == 1:
        return next((parts, name) for name, parts in known.items())
    held = f"It holds {listed(known, 20)}." if known else "It holds none."
    if table is None:
        raise ValueError(f"Name the table of {database.name}. {held} Say table='…' or table='SELECT …'.")
    alike = [name for name in known if table.lower() in (name.lower(), ".".join(known[name]).lower())]
    if len(alike) != 1:
        raise ValueError(
            f"{database.name} has no table {table!r}.{did_you_mean(table, known)} {held} "
            "Name one of these, or write a query: table='SELECT …'."
        )
    return known[alike[0]], alike[0]


# --- opening ------------------------------------------------------------------------------------------


def _opened(source: Any, ending: ExitStack) -> Database:
    """Open a database; `ending` closes what was opened here, and never the caller's connection."""
    if isinstance(source, (str, Path)):
        text = str(source)
        return _of_url(text, ending) if is_url(text) else _of_file(text, ending)
    if _is_sqlalchemy(source):
        return _of_sqlalchemy(source, ending)
    module = type(source).__module__.partition(".")[0]
    if module in ("duckdb", "_duckdb"):
        return Database("the DuckDB connection", source, "duckdb")
    vendor = {"psycopg": "PostgreSQL", "sqlite3": "SQLite"}.get(module, "")
    if hasattr(source, "adbc_get_info"):
        vendor = source.adbc_get_info().get("vendor_name", "")
    password = getattr(getattr(source, "info", None), "password", None)
    dialect = vendor.lower() if vendor in ("PostgreSQL", "SQLite") else ""
    return Database(f"the {vendor if dialect else 'database'} connection", source, dialect, {password or ""})


def _of_url(text: str, ending: ExitStack) -> Database:
    scheme = text.partition("://")[0].lower()
    if scheme in NETWORK:
        raise ValueError(
            f"{scheme}://… is on a network, and read_events reads files of this computer and databases. Fetch it to a "
            "file first, and read that; or read it with pandas or polars and pass the DataFrame."
        )
    if scheme.partition("+")[0] == "sqlite":
        return _of_file(_path_of(text), ending)
    found = URL.fullmatch(text)
    if not found:
        raise ValueError(
            f"The URL {scheme}://… cannot be taken apart. It should be {scheme}://user:password@host:port/database, "
            "with special characters in user and password written as urllib.parse.quote_plus(password) writes them."
        )
    database = Database(f"{found['scheme'].lower()}://{found['place']}", None, "", secrets_of(text))
    if scheme in ("postgresql", "postgres") and importlib.util.find_spec("adbc_driver_postgresql"):
        database.dialect = "postgresql"
        database.connection = ending.enter_context(closing(_connected(database, lambda: _adbc(text))))
        return database
    alchemy = _sqlalchemy_engine(database, text)
    ending.callback(alchemy.dispose)
    database.connection = ending.enter_context(_connected(database, alchemy.connect))
    database.dialect = alchemy.dialect.name
    if database.dialect == "postgresql":
        database.connection = database.connection.execution_options(postgresql_readonly=True)
    return database


def _adbc(url: str) -> Any:
    from adbc_driver_postgresql import dbapi

    connection = dbapi.connect(url)
    with closing(connection.cursor()) as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute("SET client_encoding = 'UTF8'")
    return connection


def _sqlalchemy_engine(database: Database, url: str) -> Any:
    if not importlib.util.find_spec("sqlalchemy"):
        raise ModuleNotFoundError(
            f"Reading {database.name} takes a package that is not installed, SQLAlchemy or an ADBC driver. "
            f"Install the packages for databases: {EXTRA}."
        )
    import sqlalchemy

    try:
        return sqlalchemy.create_engine(url.replace("postgres://", "postgresql://", 1))
    except (ModuleNotFoundError, sqlalchemy.exc.NoSuchModuleError) as error:
        missing = without_secrets(first_line(error), database.secrets)
    raise ModuleNotFoundError(
        f"Reading {database.name} takes a driver that is not installed ({missing}). Install the one that SQLAlchemy "
        f"uses for it; for PostgreSQL and SQLite: {EXTRA}."
    )


def _connected(database: Database, connect: Callable[[], T]) -> T:
    return database.attempt(
        connect,
        lambda _, message: ConnectionError(
            f"{database.name} could not be opened: {message}. It should be a database that runs and lets you in. "
            "Check host, port and database in the URL, the user and the password."
        ),
    )


def _path_of(url: str) -> str:
    """Return the path in an SQLite URL, which has three slashes before it."""
    path = url.partition("://")[2].partition("?")[0].removeprefix("/")
    if not path or path == ":memory:":
        raise ValueError(
            "sqlite:// without a path is a new database in memory, and holds nothing. Give the file: "
            "sqlite:///shop.db, or /absolute/shop.db as sqlite:////absolute/shop.db."
        )
    return path if Path(path).exists() else unquote(path)


def _of_file(text: str, ending: ExitStack) -> Database:
    path, *more = matching(text)
    if more:
        raise ValueError(
            f"{text!r} fits {len(more) + 1} files. A database is one file; read each and add the events."
        )
    database = Database(Path(path).name, None, "sqlite")
    read_only = f"file:{quote(Path(path).resolve().as_posix())}?mode=ro"
    connection = _connected(database, lambda: sqlite3.connect(read_only, uri=True))
    database.connection = ending.enter_context(closing(connection))
    connection.text_factory = lambda text: text.decode("utf-8", MARKING)
    connection.execute("BEGIN")  # so that all is read as of one moment
    return database


def _of_sqlalchemy(source: Any, ending: ExitStack) -> Database:
    if not hasattr(source, "url") and not hasattr(source, "exec_driver_sql"):
        raise TypeError(
            f"read_events got a {type(source).__module__}.{type(source).__qualname__}. Of SQLAlchemy it reads an "
            "Engine or a Connection; pass one of these."
        )
    alchemy = source if hasattr(source, "url") else source.engine
    url, dialect = alchemy.url, alchemy.dialect.name
    port = f":{url.port}" if url.port else ""
    name = f"{dialect}://{url.host or ''}{port}/{url.database or ''}"
    if dialect == "sqlite":
        name = Path(url.database or "the sqlite connection").name
    secrets = {*secrets_of(url.render_as_string(hide_password=False)), url.password or ""}
    database = Database(name, source, dialect, secrets)
    if alchemy is source:
        database.connection = ending.enter_context(_connected(database, alchemy.connect))
    elif not source.in_transaction():  # it begins one by itself
        ending.callback(source.rollback)
    return database
