"""Tables of databases: read batch by batch into the engine, and never written to."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from segkit.collect.sources import postgres, sqlite
from segkit.collect.sources.connections import Database, opened
from segkit.collect.sources.source import Source, check_names
from segkit.core.messages import did_you_mean, listed

if TYPE_CHECKING:
    import ibis.expr.types as ir

QUERY = re.compile(r"\s*(?:--|/\*|\(|(?:select|with|values|table)\s)", re.IGNORECASE)


def open_database(source: Any, table: str | None) -> Source:
    """Read a table, or the rows of a query, into the engine.

    Parameters
    ----------
    source : str, Path, SQLAlchemy Engine or Connection, DBAPI or ADBC connection
    table : str or None
        A table's name, or a query; None if there is only one table.

    Returns
    -------
    Source
        A copy of our own. Its name holds no user and no password.

    Raises
    ------
    FileNotFoundError
        If there is no such SQLite file.
    ConnectionError
        If the database cannot be reached, or goes away before every row came.
    ValueError
        If there is no such table, or the query cannot be run.
    ModuleNotFoundError
        If what it takes to speak to the database is not installed.
    """
    with ExitStack() as ending:
        database = opened(source, ending)
        if table is not None and QUERY.match(table):
            query, what = _as_subquery(table), "a query"
        else:
            parts, what = _found(database, table)
            query = f"SELECT * FROM {database.reader.quoted(parts)}"
        name = f"{what} of {database.name}"
        rows = read(database, query, name)
        reader = database.reader
        return Source(name, rows, reader.broken, reader.broken_example, owned=True)


def _as_subquery(query: str) -> str:
    """Return a query as it can stand in brackets: a comment at its end would hide the closing one."""
    return re.sub(r";\s*(--[^\n'\"]*\s*)*$", "", query.strip()).rstrip("; \n") + "\n" * ("--" in query)


def _found(database: Database, table: str | None) -> tuple[tuple[str, ...], str]:
    """Return the parts of a table's name, and what to call it."""
    known = database.attempted(
        lambda: _tables(database),
        lambda said: ConnectionError(
            f"{database.name} did not say which tables it has: {said}. It should be a database that is open, and "
            "yours to read; check the file or the connection, and the user's rights."
        ),
    )
    if known is None:
        if table is not None:
            return tuple(table.split(".")), table
        raise ValueError(
            f"Which table of {database.name} to read was not said. Say table='…' or table='SELECT …'."
        )
    if table in known:
        return known[table], table
    if table is None and len(known) == 1:
        return next((parts, name) for name, parts in known.items())
    shown = listed(known, 20)
    held = f"It holds {shown}." if known else "It holds none."
    if table is None:
        raise ValueError(
            f"Which table of {database.name} to read was not said. {held} Say table='…' or table='SELECT …'."
        )
    alike = [name for name in known if table.lower() in (name.lower(), ".".join(known[name]).lower())]
    if len(alike) != 1:
        raise ValueError(
            f"{database.name} has no table {table!r}.{did_you_mean(table, known)} {held} "
            "Name one of these, or write a query: table='SELECT …'."
        )
    return known[alike[0]], alike[0]


def _tables(database: Database) -> dict[str, tuple[str, ...]] | None:
    """Map what each table may be called to the parts of its name."""
    reader = database.reader
    if reader.dialect == "postgresql":
        found = reader.rows(postgres.TABLES)
        return {name if visible else f"{schema}.{name}": (schema, name) for schema, name, visible in found}
    if reader.dialect == "sqlite":
        return {name: (name,) for (name,) in reader.rows(sqlite.TABLES)}
    names = reader.names_of_tables()
    return None if names is None else {".".join(parts): parts for parts in names}


def read(database: Database, query: str, where: str) -> ir.Table:
    """Return the rows of a query, in the engine, in types that it knows.

    Raises
    ------
    ValueError
        If the query cannot be run.
    ConnectionError
        If the database goes away before every row came.
    """

    def wrong(said: str) -> Exception:
        return ValueError(
            f"{where} could not be read: {said}. The database should be able to run what was asked of it; mend the "
            "query, or name another table."
        )

    reader = database.reader
    numbers: list[str] = []
    if reader.dialect in ("postgresql", "sqlite"):
        columns = database.attempted(lambda: reader.columns(query), wrong)
        names = [name for name, _ in columns]
        check_names(where, sqlite.as_written(names) if reader.dialect == "sqlite" else names)
        if reader.dialect == "postgresql":
            query, numbers = postgres.readable_query(query, columns)
        else:
            plain = query
            query = database.attempted(lambda: sqlite.typed_query(plain, names, reader), wrong)
    return database.attempted(lambda: reader.table(query, numbers), broken_off(where))


def broken_off(where: str) -> Callable[[str], Exception]:
    """Return what makes the error of a reading that was begun and not ended."""

    def error(said: str) -> Exception:
        if re.search("unicode|utf-8", said, re.IGNORECASE):
            return ValueError(
                f"Reading {where} broke off: {said}. Text should be UTF-8. Of SQLite, read it by its own encoding: set "
                "connection.text_factory = lambda text: text.decode('latin-1') on a sqlite3 connection, and pass that."
            )
        kind = ConnectionError if re.search("connection|server|shutdown", said, re.IGNORECASE) else ValueError
        return kind(
            f"Reading {where} broke off: {said}. All rows should come, so nothing of them was kept. See that the "
            "database runs and can run the query, then read again."
        )

    return error
