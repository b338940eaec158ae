"""From a database's URL, file or connection to what reads it, under a name that shows no password."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from segkit.collect.sources import sqlite
from segkit.collect.sources.database_readers import AdbcReader, AlchemyReader, DbapiReader, DuckdbReader
from segkit.collect.sources.paths import matching
from segkit.collect.sources.source import first_line
from segkit.collect.sources.urls import Url, is_url, parsed_url, secrets_of, without_secrets

T = TypeVar("T")
NETWORK = ("http", "https", "ftp", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "hdfs", "file")
KNOWN = {"PostgreSQL": "postgresql", "SQLite": "sqlite", "psycopg": "postgresql", "sqlite3": "sqlite"}
EXTRA = "pip install 'segkit[db]'"


@dataclass(frozen=True, repr=False)
class Database:
    """A database that is open, with what may be shown of it.

    Attributes
    ----------
    name : str
        What to call it in messages.
    reader : DbapiReader
        What speaks to it.
    shown : callable
        Takes the secrets out of a message.
    """

    name: str
    reader: DbapiReader
    shown: Callable[[str], str]

    def attempted(self, action: Callable[[], T], explained: Callable[[str], Exception]) -> T:
        """Do something with it; what its driver says of a failure is told without its secrets."""
        return attempted(action, lambda error: explained(self.shown(said(error))))


def attempted(action: Callable[[], T], explained: Callable[[Exception], Exception]) -> T:
    """Do something with a driver. Its own error, which may hold a password, is not carried along."""
    try:
        return action()
    except ModuleNotFoundError:
        raise
    except Exception as error:  # each driver has its own kinds
        failure = explained(error)
    raise failure


def said(error: Exception) -> str:
    """Return what a driver says of a failure, without what was wrapped around it."""
    return (first_line(error).rpartition("failed: ")[2] or type(error).__name__).rstrip(". ")


def is_database(source: Any) -> bool:
    """Say whether this is a database's URL or file, or a connection to one."""
    if isinstance(source, (str, Path)):
        return is_url(str(source)) or str(source).lower().endswith(sqlite.ENDINGS)
    return _is_alchemy(source) or (callable(getattr(source, "cursor", None)) and hasattr(source, "close"))


def opened(source: Any, ending: ExitStack) -> Database:
    """Open a database; `ending` closes what was opened here, and never what the caller opened."""
    if isinstance(source, (str, Path)):
        text = str(source)
        return _of_url(text, ending) if is_url(text) else _of_file(text, ending)
    if _is_alchemy(source):
        return _of_alchemy(source, ending)
    return _of_connection(source)


def _is_alchemy(source: Any) -> bool:
    return type(source).__module__.partition(".")[0] == "sqlalchemy" and hasattr(source, "dialect")


def _of_url(text: str, ending: ExitStack) -> Database:
    scheme = text.partition("://")[0].lower()
    if scheme in NETWORK:
        raise ValueError(
            f"{scheme}://… is on a network, and read_events reads files of this computer and databases. Fetch it to a "
            "file first, and read that; or read it with pandas or polars and pass the DataFrame."
        )
    if scheme.partition("+")[0] == "sqlite":
        return _of_file(_path_of(text), ending)
    url = parsed_url(text)
    if scheme in ("postgresql", "postgres") and importlib.util.find_spec("adbc_driver_postgresql"):
        connection = ending.enter_context(closing(_connected(url.name, lambda: _adbc_of(text), url.shown)))
        return Database(url.name, AdbcReader(connection, "postgresql"), url.shown)
    engine = _alchemy_engine(url)
    ending.callback(engine.dispose)
    connection = ending.enter_context(_connected(url.name, engine.connect, url.shown))
    if engine.dialect.name == "postgresql":
        connection = connection.execution_options(postgresql_readonly=True)
    return Database(url.name, AlchemyReader(connection, engine.dialect.name), url.shown)


def _adbc_of(url: str) -> Any:
    from adbc_driver_postgresql import dbapi

    connection = dbapi.connect(url)
    with closing(connection.cursor()) as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute("SET client_encoding = 'UTF8'")
    return connection


def _alchemy_engine(url: Url) -> Any:
    if not importlib.util.find_spec("sqlalchemy"):
        raise ModuleNotFoundError(
            f"Reading {url.name} takes a package that is not installed, SQLAlchemy or an ADBC driver. "
            f"Install what reads databases: {EXTRA}."
        )
    import sqlalchemy

    text = url.text.replace("postgres://", "postgresql://", 1)
    try:
        return sqlalchemy.create_engine(text)
    except (ModuleNotFoundError, sqlalchemy.exc.NoSuchModuleError) as error:
        missing = url.shown(first_line(error))
    raise ModuleNotFoundError(
        f"Reading {url.name} takes a driver that is not installed ({missing}). Install the one that SQLAlchemy uses "
        f"for it; for PostgreSQL and SQLite: {EXTRA}."
    )


def _connected(name: str, connect: Callable[[], T], shown: Callable[[str], str]) -> T:
    return attempted(
        connect,
        lambda error: ConnectionError(
            f"{name} could not be opened: {shown(said(error))}. It should be a database that runs and lets you in. "
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
    name = Path(path).name
    connection = _connected(name, lambda: sqlite.connected(path), str)
    ending.enter_context(closing(connection))
    return Database(name, _reader_of(connection, "sqlite"), str)


def _of_alchemy(source: Any, ending: ExitStack) -> Database:
    if not hasattr(source, "url") and not hasattr(source, "exec_driver_sql"):
        raise TypeError(
            f"read_events got a {type(source).__module__}.{type(source).__qualname__}. Of SQLAlchemy it reads an "
            "Engine or a Connection; pass one of these."
        )
    engine = source if hasattr(source, "url") else source.engine
    url, dialect = engine.url, engine.dialect.name
    port = f":{url.port}" if url.port else ""
    name = f"{dialect}://{url.host or ''}{port}/{url.database or ''}"
    if dialect == "sqlite":
        name = Path(url.database or "the sqlite connection").name

    def shown(message: str) -> str:
        return without_secrets(
            message, {*secrets_of(url.render_as_string(hide_password=False)), url.password or ""}
        )

    if engine is source:
        connection = ending.enter_context(_connected(name, engine.connect, shown))
    else:
        connection = source
        if not source.in_transaction():  # it begins one by itself
            ending.callback(source.rollback)
    return Database(name, AlchemyReader(connection, dialect), shown)


def _of_connection(connection: Any) -> Database:
    module = type(connection).__module__.partition(".")[0]
    if module in ("duckdb", "_duckdb"):
        return Database("the DuckDB connection", DuckdbReader(connection), str)
    password = getattr(getattr(connection, "info", None), "password", None)
    vendor = KNOWN.get(module, "")
    if hasattr(connection, "adbc_get_info"):
        vendor = KNOWN.get(connection.adbc_get_info().get("vendor_name"), "")
    return Database(
        f"the {vendor or 'database'} connection",
        _reader_of(connection, vendor),
        lambda message: without_secrets(message, {password or ""}),
    )


def _reader_of(connection: Any, dialect: str) -> DbapiReader:
    arrow = hasattr(connection, "adbc_get_info")
    return AdbcReader(connection, dialect) if arrow else DbapiReader(connection, dialect)
