"""Group by hashes of customer and product ids where an engine does so faster than by the texts themselves.

Hashes have 64 bits: of a million ids, two share one in about one log of forty million. Each result shows whether any
do, and is then computed again from the ids themselves.
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
SHARED = "codes_met"
"""Column of a result that shows whether two products share a code."""
BYTES_A_ROW = 24  # of memory; partial results of products take up to 100
LEAST_MEGABYTES = 32


def customer_codes(customers: ir.Table) -> dict[str, ir.IntegerColumn]:
    """Return the codes of customers, by the name of their column."""
    return {CUSTOMER: codes_of(customers.customer_id)}


def shared_codes(query: ir.Table, log: ir.Table, tables: TableBuilder) -> dict[str, ir.Value]:
    """Return the columns by which :func:`run_checked` sees whether two ids share a code."""
    shared = ibis.literal(False)
    if tables.has_built("products"):
        ids = log.select(id=log.product_id).distinct()
        shared = ids.agg(shared=codes_of(ids.id).nunique() < ids.id.count()).as_scalar()
    return {CUSTOMER: query[CUSTOMER], SHARED: shared}


def run_checked(build_query: Callable[..., ir.Table], dialect: str, n_rows: int) -> pd.DataFrame:
    """Run a query, by codes where the engine has them; by the ids where it has none, or two ids share a code.

    `n_rows` is the number of events that it reads, each as often as it is read; it tells how much memory to use.
    """
    if has_codes(dialect):
        with gc_paused():
            query = build_query(coded=True)
        frame = run_to_arrow(query, "Computing features", _megabytes(n_rows)).to_pandas()
        keys = [name for name in ("snapshot", CUSTOMER) if name in frame]
        if not (frame[SHARED].any() or frame.duplicated(keys).any()):
            return frame.drop(columns=[CUSTOMER, SHARED])
    return build_query().to_pyarrow().to_pandas()


def _megabytes(n_rows: int) -> int:
    """Return the memory for a query: partial results of which more would be kept go to the disk, and come back."""
    return max(n_rows * BYTES_A_ROW // 1_000_000, LEAST_MEGABYTES)
