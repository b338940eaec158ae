"""A log that is computed once and kept, in the order in which it is read: that of its customers.

Codes of ids stand beside the ids, so that no query makes them again; columns are compressed, as they are in a file. A
table says by itself that it is such a log, so that no list of them has to be kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis.expr.operations as ops

from segkit._dialect import codes_of, dialect_of, has_codes
from segkit._engine import STORE, stored

if TYPE_CHECKING:
    import ibis.expr.types as ir

CODES = {"customer_id": "customer_code", "product_id": "product_code"}
"""Columns of a log that stand for its ids, where its engine groups by numbers: shorter, and sooner compared."""


def cached(table: ir.Table) -> ir.Table:
    """Return a log that is computed: in the embedded engine's store, or wherever its own engine keeps tables.

    Parameters
    ----------
    table : ibis Table
        Under standard column names.

    Returns
    -------
    ibis Table
        The same columns and rows. Dropped once nothing refers to it any longer.
    """
    if _kept(table) is not None:
        return table
    if not has_codes(dialect_of(table)):
        return table.cache()
    coded = with_codes(table)
    return stored(coded.order_by(coded.customer_code, coded.timestamp)).select(*table.columns)


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
    return chosen.parent.to_expr() if as_stored and chosen.parent.namespace.catalog == STORE else None
