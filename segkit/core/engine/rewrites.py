"""Rewrite Ibis expressions so that every backend returns DuckDB's result.

Engines differ in rounding floats, in quotients of whole numbers, and in the smaller of two values if one is missing.
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
_SPECIAL_NUMBER = "[+-]?(?i:inf|infinity|nan)"
_SMALL_NUMBER = "[+-]?(?:[0-9]{1,100}[.]?[0-9]*|[.][0-9]+)(?:[eE][+-]?[0-9]{1,2})?"


@ibis.udf.scalar.builtin(name="dayofweekiso", signature=((dt.timestamp,), dt.int64))
def _snowflake_weekday(time):
    """The day of the week, from 1 on Monday, in every session."""


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
    """Rewrite a query so that another engine returns DuckDB's result.

    Parameters
    ----------
    table : ibis Table
        Any query.
    dialect : str
        The engine that will run it.

    Returns
    -------
    ibis Table
        The same columns.
    """
    if dialect == "duckdb":
        return table

    def rewritten(node: ops.Node, changed: dict[str, Any] | None) -> ops.Node:
        node = node.__recreate__(changed) if changed else node
        rewrite = _REWRITES.get(type(node))
        return rewrite(node, dialect) if rewrite else node

    return table.op().replace(rewritten).to_expr()


def _divide(node: ops.Divide, dialect: str) -> ops.Node:
    """Divide floats: some engines cut quotients of whole numbers or decimals to a few decimals."""
    if node.left.dtype.is_floating() or node.right.dtype.is_floating():
        return node
    return ops.Divide(ops.Cast(node.left, dt.float64), node.right)


def _multiply(node: ops.Multiply, dialect: str) -> ops.Node:
    """Multiply wide decimals in BigQuery, which keeps only nine decimals of the square of a decimal."""
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
        return node.arg  # a cast would move it to the zone of the session
    if dialect in SPARK and to.is_integer() and came.is_floating():
        return ops.Cast(_spark_nearest(node.arg.to_expr()).op(), to)
    if dialect in SPARK and to.is_integer() and came.is_decimal():
        return ops.Cast(ops.Cast(node.arg, dt.Decimal(38, 0)), to)
    return node


def _as_decimal(number: ir.FloatingValue, to: dt.Decimal, dialect: str) -> ir.DecimalValue:
    """Round floats as floats, as DuckDB does; other engines convert them to text first."""
    units = _whole(number * float(10**to.scale), dialect).cast("int64")
    one = ibis.literal(10.0**-to.scale, type=dt.Decimal(to.scale + 1, to.scale))
    return (units * one).cast(to)


def _whole(number: ir.FloatingValue, dialect: str) -> ir.NumericValue:
    """Round to whole numbers, halves away from zero: PostgreSQL rounds halves of floats to even numbers."""
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
    """Ignore missing values: in Snowflake and BigQuery the result would be missing if one of the values is."""
    if dialect not in ("snowflake", "bigquery"):
        return node
    known = (ops.Coalesce((arg, *(other for other in node.arg if other is not arg))) for arg in node.arg)
    return type(node)(tuple(known))


def _try_cast(node: ops.TryCast, dialect: str) -> ops.Node:
    """Read as numbers only what DuckDB does: Spark also reads 1d and 0x1p3, and PostgreSQL has no ``TRY_CAST``."""
    if not (node.arg.dtype.is_string() and node.to.is_floating()):
        return node
    text = node.arg.to_expr()
    if dialect in SPARK:
        number = text.re_search(rf"^\s*(?:{_NUMBER}|{_SPECIAL_NUMBER})\s*$").ifelse(
            text.re_replace("^[+](?=-)|_", ""), None
        )
        return ops.TryCast(number.op(), node.to)
    if dialect == "postgres":
        return text.re_search(rf"^\s*{_SMALL_NUMBER}\s*$").ifelse(text, None).cast(node.to).op()
    return node


def _median(node: ops.Median, dialect: str) -> ops.Node:
    """Take the middle of the sorted values: BigQuery has no exact median of a group."""
    if dialect != "bigquery":
        return node
    values = node.arg.to_expr()
    where = values.notnull() if node.where is None else values.notnull() & node.where.to_expr()
    sorted_values, n = values.collect(where=where, order_by=values), values.count(where=where)
    middle = sorted_values[(n - 1) // 2].cast("float64") + sorted_values[n // 2].cast("float64")
    return (middle / 2).op()


def _is_infinite(node: ops.IsInf, dialect: str) -> ops.Node:
    """Compare with infinity: the ``isinf`` that Ibis 12 writes for Spark is always false."""
    return (node.arg.to_expr().abs() == float("inf")).op() if dialect in SPARK else node


def _weekday(node: ops.DayOfWeekIndex, dialect: str) -> ops.Node:
    return (_snowflake_weekday(node.arg.to_expr()) - 1).op() if dialect == "snowflake" else node


def _radians(node: ops.Radians, dialect: str) -> ops.Node:
    """Multiply: BigQuery has no such function, and Ibis calls one of its own project."""
    return (node.arg.to_expr() * (math.pi / 180)).op() if dialect == "bigquery" else node


def _literal(node: ops.Literal, dialect: str) -> ops.Node:
    """Write a time as text: Spark would read it in the zone of the session."""
    if dialect not in SPARK or not node.dtype.is_timestamp() or node.dtype.timezone or node.value is None:
        return node
    return _spark_time(f"{pd.Timestamp(node.value):%Y-%m-%d %H:%M:%S.%f}").op()


_REWRITES = {
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
