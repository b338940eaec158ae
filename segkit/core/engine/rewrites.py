"""What engines would each answer in their own way, put in words that all of them answer as DuckDB does.

A float made a whole number, a quotient of whole numbers, the smaller of two where one is missing: Ibis writes
the same query for each engine, and they round, cut and skip differently.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import pandas as pd

from segkit.core.engine.dialects import SPARK

if TYPE_CHECKING:
    import ibis.expr.types as ir

_DIGITS = "[0-9]+(?:_[0-9]+)*"
_NUMBER = rf"[+]?-?(?:{_DIGITS}[.]?(?:{_DIGITS})?|[.]{_DIGITS})(?:[eE][+-]?{_DIGITS})?"
_NO_NUMBER = "[+-]?(?i:inf|infinity|nan)"  # and yet one to computers
_SMALL_NUMBER = "[+-]?(?:[0-9]{1,100}[.]?[0-9]*|[.][0-9]+)(?:[eE][+-]?[0-9]{1,2})?"


@ibis.udf.scalar.builtin(name="dayofweekiso", signature=((dt.timestamp,), dt.int64))
def _snowflake_weekday(time):
    """The day of the week, from 1 on Monday, however the session counts."""


@ibis.udf.scalar.builtin(name="rint", signature=((dt.float64,), dt.float64))
def _spark_nearest(number):
    """The nearest whole number, halves to even."""


@ibis.udf.scalar.builtin(name="round", signature=((dt.decimal,), dt.Decimal(38, 0)))
def _postgres_round(number):
    """The nearest whole number, halves away from zero."""


@ibis.udf.scalar.builtin(name="to_timestamp_ntz", signature=((dt.string,), dt.timestamp))
def _spark_time(text):
    """A time without zone."""


def portable(table: ir.Table, dialect: str) -> ir.Table:
    """Return the same table in words that its engine answers as DuckDB does.

    Parameters
    ----------
    table : ibis Table
        Any query.
    dialect : str
        The engine that will run it.

    Returns
    -------
    ibis Table
        Of the same columns.
    """
    if dialect == "duckdb":
        return table

    def reworded(node: ops.Node, changed: dict[str, Any] | None) -> ops.Node:
        node = node.__recreate__(changed) if changed else node
        reword = _REWORDED.get(type(node))
        return reword(node, dialect) if reword else node

    return table.op().replace(reworded).to_expr()


def _divide(node: ops.Divide, dialect: str) -> ops.Node:
    """A quotient is a float: some engines cut that of whole numbers or decimals to a few places."""
    if node.left.dtype.is_floating() or node.right.dtype.is_floating():
        return node
    return ops.Divide(ops.Cast(node.left, dt.float64), node.right)


def _multiply(node: ops.Multiply, dialect: str) -> ops.Node:
    """BigQuery would keep nine places of the square of a decimal, and only nine."""
    if dialect != "bigquery" or not (node.left.dtype.is_decimal() and node.right.dtype.is_decimal()):
        return node
    return ops.Multiply(ops.Cast(node.left, dt.Decimal(76, 38)), node.right)


def _cast(node: ops.Cast, dialect: str) -> ops.Node:
    came, to = node.arg.dtype, node.to
    if came.is_floating() and to.is_decimal():
        return _as_decimal(node.arg.to_expr(), to, dialect).op()
    if dialect == "postgres" and came.is_boolean() and to.is_numeric() and not to.is_int32():
        return ops.Cast(ops.Cast(node.arg, dt.int32), to)
    if (
        dialect in SPARK
        and came.is_timestamp()
        and to.is_timestamp()
        and not came.timezone
        and not to.timezone
    ):
        return node.arg  # it would become one of the session's zone
    if dialect in SPARK and to.is_integer() and came.is_floating():
        return ops.Cast(_spark_nearest(node.arg.to_expr()).op(), to)
    if dialect in SPARK and to.is_integer() and came.is_decimal():
        return ops.Cast(ops.Cast(node.arg, dt.Decimal(38, 0)), to)
    return node


def _as_decimal(number: ir.FloatingValue, to: dt.Decimal, dialect: str) -> ir.DecimalValue:
    """Round to the last place in floats, as DuckDB does; others would first write the number down."""
    last_places = _whole(number * float(10**to.scale), dialect).cast("int64")
    one = ibis.literal(10.0**-to.scale, type=dt.Decimal(to.scale + 1, to.scale))
    return (last_places * one).cast(to)


def _whole(number: ir.FloatingValue, dialect: str) -> ir.NumericValue:
    """Round to whole numbers, halves away from zero: of floats, PostgreSQL would make them even."""
    return (
        _postgres_round(number.cast("string").cast("decimal")) if dialect == "postgres" else number.round(0)
    )


def _round(node: ops.Round, dialect: str) -> ops.Node:
    digits = getattr(node.digits, "value", None)
    if not node.arg.dtype.is_floating():
        return node
    scale = float(10 ** (digits or 0))
    whole = _whole(node.arg.to_expr() * scale if digits else node.arg.to_expr(), dialect)
    return ops.Cast((whole.cast("float64") / scale if digits else whole).op(), node.dtype)


def _extreme(node: ops.Least | ops.Greatest, dialect: str) -> ops.Node:
    """The smallest of those that are known; Snowflake and BigQuery would know nothing where one is missing."""
    if dialect not in ("snowflake", "bigquery"):
        return node
    known = (ops.Coalesce((arg, *(other for other in node.arg if other is not arg))) for arg in node.arg)
    return type(node)(tuple(known))


def _try_cast(node: ops.TryCast, dialect: str) -> ops.Node:
    """Spark reads 1d and 0x1p3 too, and PostgreSQL cannot try: they are asked for what DuckDB takes for a number."""
    if not (node.arg.dtype.is_string() and node.to.is_floating()):
        return node
    text = node.arg.to_expr()
    if dialect in SPARK:
        asked = text.re_search(rf"^\s*(?:{_NUMBER}|{_NO_NUMBER})\s*$").ifelse(
            text.re_replace("^[+](?=-)|_", ""), None
        )
        return ops.TryCast(asked.op(), node.to)
    if dialect == "postgres":
        return text.re_search(rf"^\s*{_SMALL_NUMBER}\s*$").ifelse(text, None).cast(node.to).op()
    return node


def _median(node: ops.Median, dialect: str) -> ops.Node:
    """BigQuery has no exact median of a group: the middle of the sorted values is one."""
    if dialect != "bigquery":
        return node
    values = node.arg.to_expr()
    where = values.notnull() if node.where is None else values.notnull() & node.where.to_expr()
    sorted_values, n = values.collect(where=where, order_by=values), values.count(where=where)
    middle = sorted_values[(n - 1) // 2].cast("float64") + sorted_values[n // 2].cast("float64")
    return (middle / 2).op()


def _is_infinite(node: ops.IsInf, dialect: str) -> ops.Node:
    """Ibis 12 compares what it writes for Spark in Python, so that nothing would be infinite there."""
    return (node.arg.to_expr().abs() == float("inf")).op() if dialect in SPARK else node


def _weekday(node: ops.DayOfWeekIndex, dialect: str) -> ops.Node:
    return (_snowflake_weekday(node.arg.to_expr()) - 1).op() if dialect == "snowflake" else node


def _radians(node: ops.Radians, dialect: str) -> ops.Node:
    """BigQuery has no such function, and Ibis writes one of its project's own."""
    return (node.arg.to_expr() * (math.pi / 180)).op() if dialect == "bigquery" else node


def _literal(node: ops.Literal, dialect: str) -> ops.Node:
    """Spark would read a time in the zone of the session."""
    if dialect not in SPARK or not node.dtype.is_timestamp() or node.dtype.timezone or node.value is None:
        return node
    return _spark_time(f"{pd.Timestamp(node.value):%Y-%m-%d %H:%M:%S.%f}").op()


_REWORDED = {
    ops.Divide: _divide,
    ops.Multiply: _multiply,
    ops.Cast: _cast,
    ops.TryCast: _try_cast,
    ops.Round: _round,
    ops.Least: _extreme,
    ops.Greatest: _extreme,
    ops.Median: _median,
    ops.IsInf: _is_infinite,
    ops.DayOfWeekIndex: _weekday,
    ops.Radians: _radians,
    ops.Literal: _literal,
}
