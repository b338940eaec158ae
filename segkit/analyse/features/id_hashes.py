"""Customers and products by numbers: an engine that groups by these sooner than by texts may do so unseen.

Codes are hashes of 64 bits. Two of a million ids share one in about one log of forty million; each answer
says whether any did, and is then asked for again by the ids themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import ibis

from segkit.analyse.features.tables.builder import TableBuilder
from segkit.core.engine.connection import gc_paused, run_to_arrow
from segkit.core.engine.dialects import codes_of, has_codes
from segkit.core.engine.event_cache import CODES

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

CUSTOMER = CODES["customer_id"]
MET = "codes_met"
"""Column of an answer: whether two products share a code."""


def customer_codes(customers: ir.Table) -> dict[str, ir.IntegerColumn]:
    """Return the codes of customers, by the name of their column."""
    return {CUSTOMER: codes_of(customers.customer_id)}


def checks(query: ir.Table, seen: ir.Table, grains: TableBuilder) -> dict[str, ir.Value]:
    """Return the columns of an answer by which :func:`run_checked` sees whether two ids share a code."""
    met = ibis.literal(False)
    if grains.has_built("products"):
        ids = seen.select(id=seen.product_id).distinct()
        met = ids.agg(met=codes_of(ids.id).nunique() < ids.id.count()).as_scalar()
    return {CUSTOMER: query[CUSTOMER], MET: met}


def run_checked(ask: Callable[..., ir.Table], dialect: str) -> pd.DataFrame:
    """Run a query, by codes where its engine has them; by the ids where it has none, or two ids share one."""
    if has_codes(dialect):
        with gc_paused():
            query = ask(coded=True)
        frame = run_to_arrow(query, "Computing features").to_pandas()
        whose = [name for name in ("snapshot", CUSTOMER) if name in frame]
        if not (frame[MET].any() or frame.duplicated(whose).any()):
            return frame.drop(columns=[CUSTOMER, MET])
    return ask().to_pyarrow().to_pandas()
