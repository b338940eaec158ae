"""Read Ibis tables: lazily where they live in segkit's engine, and copied into it from any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis.expr.operations as ops

from segkit.collect.sources.batches import batches_of, stored
from segkit.collect.sources.databases import Database, broke_off, read_query
from segkit.collect.sources.source import Source, check_names
from segkit.core.engine.connection import engine, materialise

if TYPE_CHECKING:
    import ibis.expr.types as ir

NAME = "the Ibis table"
DIALECTS = {"postgres": "postgresql", "sqlite": "sqlite", "duckdb": "duckdb"}


def of_ibis(table: ir.Table) -> Source:
    """Return an Ibis table as one of the engine's.

    A table of another engine is copied, because times and ids are read as an engine in UTC reads them, and events of
    two engines could not be added. Select rows and columns first where it is large.

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
    if not backends:  # values in memory
        return Source(NAME, materialise(table), owned=True)
    backend = backends[0]
    if backend is engine():
        return Source(NAME, table)
    database = Database(NAME, getattr(backend, "con", None), DIALECTS.get(backend.name, ""))
    in_memory = bool(
        table.op().find(ops.InMemoryTable)
    )  # beside tables of the engine, and known to Ibis only
    if database.dialect and not in_memory:
        return read_query(database, backend.compile(table), NAME)
    read = table.to_pyarrow_batches if not in_memory else lambda: table.to_pyarrow().to_reader()
    copy = database.attempt(lambda: stored(batches_of(read())), broke_off(database, NAME))
    return Source(NAME, copy, owned=True)


def check_one_engine(*tables: ir.Table) -> None:
    """Refuse tables of several engines, which no query can join.

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
