"""A log that is computed once and kept, in the order in which it is read: that of its customers.

Codes of ids stand beside the ids, so that no query makes them again; columns are compressed, as they are in a file.
Each log is a file of its own in the process's temporary folder, which is deleted with it. A table says by itself that
it is a whole kept log, so that no list of them has to be kept.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import ibis.expr.operations as ops

from segkit.core.engine.connection import (
    drop_unused,
    drop_when_unused,
    engine,
    folder,
    insert_into,
    quoted,
    run,
    unique_name,
)
from segkit.core.engine.dialects import codes_of, dialect_of, has_codes
from segkit.core.schema import STANDARD, TYPE_OF

if TYPE_CHECKING:
    import ibis.expr.types as ir

CODES = {"customer_id": "customer_code", "product_id": "product_code"}
"""Columns of a log that stand for its ids, where its engine groups by numbers: shorter, and sooner compared."""
CATALOG = "log"  # what the names of the files' catalogues hold


def cached(table: ir.Table) -> ir.Table:
    """Return a log that is computed: in a file of the embedded engine, or wherever its own engine keeps tables.

    Parameters
    ----------
    table : ibis Table
        Under standard column names.

    Returns
    -------
    ibis Table
        The same columns and rows. Dropped once nothing refers to it any longer.

    Raises
    ------
    ValueError
        If it has a column of one of the codes' names.
    OSError
        If it cannot be written.
    """
    if _kept(table) is not None:
        return table
    if not has_codes(dialect_of(table)):
        return table.cache()
    taken = [name for name in table.columns if name.lower() in CODES.values()]
    if taken:
        raise ValueError(
            f"The log has a column {taken[0]!r}, a name that its queries use themselves. Rename it, or leave it out: "
            f"dataclasses.replace(events, table=events.table.drop({taken[0]!r}))."
        )
    unknown = {
        n: table[n].cast(TYPE_OF[STANDARD.get(n, "text")]) for n in table.columns if table[n].type().is_null()
    }
    coded = with_codes(table.mutate(**unknown) if unknown else table)
    return _stored(coded.order_by(coded.customer_code, coded.timestamp)).select(*table.columns)


def with_codes(table: ir.Table) -> ir.Table:
    """Return a log with a further column for the codes of each of its ids, those that it was kept with if it was."""
    kept = _kept(table)
    if kept is not None:
        return kept
    return table.mutate(**{code: codes_of(table[ids]) for ids, code in CODES.items() if ids in table.columns})


def _kept(table: ir.Table) -> ir.Table | None:
    """Return the stored table that a log is all the rows of, or nothing where it is not."""
    chosen = table.op()
    if not isinstance(chosen, ops.Project) or not isinstance(chosen.parent, ops.DatabaseTable):
        return None
    as_stored = all(isinstance(v, ops.Field) and v.name == name for name, v in chosen.values.items())
    ours = (chosen.parent.namespace.catalog or "").startswith(f"segkit_{CATALOG}_")
    return chosen.parent.to_expr() if as_stored and ours else None


def _stored(table: ir.Table) -> ir.Table:
    """Return a copy of a table in a file of its own, compressed and in its order; making it takes little memory."""
    drop_unused()
    catalog, owner = unique_name(CATALOG), os.getpid()
    file = Path(folder()) / f"{catalog}_{owner}.duckdb"
    drop = functools.partial(_drop, catalog, file, owner)
    try:
        run(f"ATTACH {quoted(str(file))} AS {catalog}")
        insert_into(f"{catalog}.main.events", table, "Keeping the log")
        run(f"CHECKPOINT {catalog}")
        return drop_when_unused(engine().table("events", database=(catalog, "main")), drop)
    except BaseException as error:  # an interruption too: what was written so far is of no use
        drop_unused(drop)
        if isinstance(error, (duckdb.IOException, OSError)):
            raise OSError(
                f"The log could not be kept in {file.parent}: {str(error).strip().partition(chr(10))[0]} Make room "
                "there, or name another folder in the environment variable TMPDIR before Python starts; or go on "
                "without cache()."
            ) from error
        raise


def _drop(catalog: str, file: Path, owner: int) -> None:
    """Let go of a log and delete its file, unless this process only inherited it."""
    if os.getpid() == owner:
        run(f"DETACH DATABASE IF EXISTS {catalog}")
        for left in (file, file.with_name(f"{file.name}.wal")):
            left.unlink(missing_ok=True)
