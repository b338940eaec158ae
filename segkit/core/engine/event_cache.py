"""Store a log in DuckDB, sorted by customer, so that many queries of it are quick.

Codes of the ids stand beside the ids, and columns are compressed. Each log is a file of its own in the temporary folder
of the process, deleted with its table. A table itself shows that it is a whole stored log, so no list of them is kept.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import ibis.expr.operations as ops

from segkit.core.engine.connection import (
    drop_unused,
    drop_when_unused,
    dropped_on_error,
    folder,
    insert_into,
    locked_engine,
    naming_lost_files,
    quoted,
    run,
    stored_table,
    unique_name,
)
from segkit.core.engine.dialects import codes_of, dialect_of, has_codes
from segkit.core.engine.erase_rows import erase_rows
from segkit.core.schema import STANDARD, TYPE_OF

if TYPE_CHECKING:
    import ibis.expr.types as ir

CODES = {"customer_id": "customer_code", "product_id": "product_code"}
"""Columns of a stored log with numbers that stand for its ids, which are shorter and quicker to compare."""
CATALOG = "log"  # in the names of the files


def cached(table: ir.Table) -> ir.Table:
    """Store a log in a file of the embedded engine, or where its own engine caches tables.

    Parameters
    ----------
    table : ibis Table
        The log, under standard column names.

    Returns
    -------
    ibis Table
        The same columns and rows; dropped when nothing refers to it any longer.

    Raises
    ------
    ValueError
        If the log has a column that is named like a code.
    OSError
        If the file cannot be written.
    """
    if _stored(table) is not None:
        return table
    if not has_codes(dialect_of(table)):
        return table.cache()
    taken = [name for name in table.columns if name.lower() in CODES.values()]
    if taken:
        raise ValueError(
            f"The log has a column {taken[0]!r}, a name that segkit uses itself. Rename the column, or leave it out: "
            f"dataclasses.replace(events, table=events.table.drop({taken[0]!r}))."
        )
    unknown = {
        n: table[n].cast(TYPE_OF[STANDARD.get(n, "text")]) for n in table.columns if table[n].type().is_null()
    }
    coded = with_codes(table.mutate(**unknown) if unknown else table)
    return _store(coded.order_by(coded.customer_code, coded.timestamp)).select(*table.columns)


def with_codes(table: ir.Table) -> ir.Table:
    """Add the codes of its ids to a log: the stored ones where it is a stored log."""
    stored = _stored(table)
    if stored is not None:
        return stored
    return table.mutate(**{code: codes_of(table[ids]) for ids, code in CODES.items() if ids in table.columns})


def _stored(table: ir.Table) -> ir.Table | None:
    """Return the stored table where a log is all the rows of one, else None."""
    chosen = table.op()
    if not isinstance(chosen, ops.Project) or not isinstance(chosen.parent, ops.DatabaseTable):
        return None
    as_stored = all(isinstance(v, ops.Field) and v.name == name for name, v in chosen.values.items())
    ours = (chosen.parent.namespace.catalog or "").startswith(f"segkit_{CATALOG}_")
    return chosen.parent.to_expr() if as_stored and ours else None


def _store(table: ir.Table) -> ir.Table:
    """Write a table into a file of its own, compressed and in its order."""
    drop_unused()
    catalog, owner = unique_name(CATALOG), os.getpid()
    file = Path(folder()) / f"{catalog}_{owner}.duckdb"
    drop = functools.partial(_drop, catalog, file, owner)
    try:
        with naming_lost_files(), dropped_on_error(drop):
            run(f"ATTACH {quoted(str(file))} AS {catalog}")
            insert_into(f"{catalog}.main.events", table, "Keeping the log")
            run(f"CHECKPOINT {catalog}")
            return drop_when_unused(stored_table("events", database=(catalog, "main")), drop)
    except FileNotFoundError:
        raise
    except (duckdb.IOException, OSError) as error:
        raise OSError(
            f"The log could not be kept in {file.parent}: {str(error).strip().partition(chr(10))[0]} Make room "
            "there, or name another folder in the environment variable TMPDIR before Python starts; or go on "
            "without cache()."
        ) from error


@locked_engine
def erase_from_stored_logs(ids: Iterable[str]) -> int:
    """Erase customers from all stored logs of this process, also from those that other events use.

    Returns
    -------
    int
        Number of rows that were erased.
    """
    drop_unused()
    number = 0
    for file in sorted(Path(folder()).glob(f"segkit_{CATALOG}_*_{os.getpid()}.duckdb")):
        catalog = file.name.removesuffix(f"_{os.getpid()}.duckdb")
        run(f"DETACH {catalog}")
        try:
            number += erase_rows(file, ids)
        finally:
            run(f"ATTACH {quoted(str(file))} AS {catalog}")
    return number


def _drop(catalog: str, file: Path, owner: int) -> None:
    """Detach a log and delete its file, except in a forked process, where the file is the parent's."""
    if os.getpid() == owner:
        run(f"DETACH DATABASE IF EXISTS {catalog}")
        for left in (file, file.with_name(f"{file.name}.wal")):
            left.unlink(missing_ok=True)
