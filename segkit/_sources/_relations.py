"""Ibis tables: lazy where they live in our engine, and copied into it, batch by batch, from any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis.expr.operations as ops

from segkit._engine import engine, kept
from segkit._sources._arriving import copied
from segkit._sources._connecting import Database, attempted, said
from segkit._sources._databases import broken_off, read
from segkit._sources._readers import DbapiReader
from segkit._sources._source import Source, check_names

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

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
        return Source(NAME, kept(table), owned=True)
    backend = backends[0]
    if backend is engine():
        return Source(NAME, table)
    # Its own values in memory, beside the tables, are known to Ibis only.
    plain = not table.op().find(ops.InMemoryTable)
    if backend.name in DIALECTS and plain:
        database = Database(NAME, DbapiReader(backend.con, DIALECTS[backend.name]), str)
        return Source(NAME, read(database, backend.compile(table), NAME), owned=True)

    def batches() -> pa.RecordBatchReader:
        if backend.name == "duckdb":
            return (
                backend.con.sql(backend.compile(table)).to_arrow_reader()
                if plain
                else table.to_pyarrow().to_reader()
            )
        return backend.to_pyarrow_batches(table)

    return Source(
        NAME, attempted(lambda: copied(batches()), lambda error: broken_off(NAME)(said(error))), owned=True
    )


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
