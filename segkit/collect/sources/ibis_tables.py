"""Ibis tables: lazy where they live in our engine, and copied into it, batch by batch, from any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis.expr.operations as ops

from segkit.collect.sources.batches import copied
from segkit.collect.sources.connections import Database, attempted, said
from segkit.collect.sources.database_readers import DbapiReader, DuckdbReader
from segkit.collect.sources.databases import broken_off, read
from segkit.collect.sources.source import Source, check_names
from segkit.core.engine.connection import engine, materialise, table_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import ibis.expr.types as ir

NAME = "the Ibis table"
DIALECTS = {"postgres": "postgresql", "sqlite": "sqlite"}


def of_ibis(table: ir.Table) -> Source:
    """Return an Ibis table as one of the engine's.

    What lives in another engine is copied: times and ids are read in the words of one that is set to UTC, and
    events of two engines could not be added. Select rows and columns first where it is large.

    Raises
    ------
    ValueError
        If it is a schema without rows, or cannot be computed there.
    ConnectionError
        If its engine goes away.
    """
    check_names("The Ibis table", table.columns)
    backends, unbound = table._find_backends()
    if unbound:
        raise ValueError(
            "The Ibis table is a schema without rows. It should belong to a connection; make it of one: "
            "connection.table('orders')."
        )
    if not backends:  # values in memory, which go wherever they are asked for
        return Source(NAME, materialise(table), owned=True)
    backend = backends[0]
    if backend is engine():
        return Source(NAME, table)
    if table.op().find(ops.InMemoryTable):  # values in memory beside its tables, which only Ibis knows
        return Source(NAME, _attempted(lambda: table_of(table.to_pyarrow())), owned=True)
    query = backend.compile(table)
    if backend.name == "duckdb":
        return Source(NAME, _attempted(lambda: DuckdbReader(backend.con).table(query)), owned=True)
    if backend.name in DIALECTS:
        database = Database(NAME, DbapiReader(backend.con, DIALECTS[backend.name]), str)
        return Source(NAME, read(database, query, NAME), owned=True)
    return Source(NAME, _attempted(lambda: copied(backend.to_pyarrow_batches(table))), owned=True)


def _attempted(action: Callable[[], ir.Table]) -> ir.Table:
    return attempted(action, lambda error: broken_off(NAME)(said(error)))


def check_one_engine(*tables: ir.Table) -> None:
    """Refuse to bring together what lives in several engines: no query spans them.

    Raises
    ------
    ValueError
        If they do not all live in one.
    """
    backends = {id(backend): backend.name for table in tables for backend in table._find_backends()[0]}
    if len(backends) > 1:
        raise ValueError(
            f"These events live in {len(backends)} engines ({', '.join(backends.values())}), and one query cannot span "
            "them. Read both by one: write either to Parquet, and read that with read_events, or as a DataFrame of the "
            "Spark session that has the other."
        )
