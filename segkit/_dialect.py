"""The few things that engines say differently; everything else is Ibis, and the same on each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
import ibis.expr.datatypes as dt

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.timestamp), dt.Timestamp("UTC")))
def _instant(zone, local):
    """The moment at which clocks in the zone show this."""


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.Timestamp("UTC")), dt.timestamp))
def _clock(zone, instant):
    """What clocks in the zone show at this moment."""


def dialect_of(table: ir.Table) -> str:
    """Return the engine that a table lives in; DuckDB where it lives nowhere yet."""
    backends = table._find_backends()[0]
    return backends[0].name if backends else "duckdb"


def age_of(timestamp: ir.Column, moment: pd.Timestamp | ir.Column, dialect: str) -> ir.IntegerColumn:
    """Return the microseconds from a time to a moment."""
    moment = moment if isinstance(moment, ibis.Expr) else ibis.literal(moment, type="timestamp(6)")
    return moment.delta(timestamp, unit="microsecond")


def local_time(timestamp: ir.Column, zone: str | ir.Column, dialect: str) -> ir.TimestampColumn:
    """Return what clocks in a zone show at a time in UTC."""
    if isinstance(zone, str) and zone == "UTC":
        return timestamp
    return _clock(zone, _instant("UTC", timestamp))


def sortable(text: ir.StringColumn, dialect: str) -> ir.StringColumn:
    """Return a text that sorts by the bytes of this one, whatever the collation."""
    return text


def readable(text: ir.StringColumn, dialect: str) -> ir.StringColumn:
    """Return the text that a sortable one was made from."""
    return text
