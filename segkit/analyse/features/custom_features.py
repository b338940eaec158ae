"""Check custom features, so that an error is about the feature and not about the query that it becomes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir

from segkit.core.engine.event_cache import CODES
from segkit.core.messages import did_you_mean

if TYPE_CHECKING:
    from segkit.analyse.features.feature import Feature

KEYS = {*CODES.values(), "snapshot", "age"}  # columns that queries add for themselves


def is_custom(feature: Feature) -> bool:
    """Return whether the expression of a feature was written outside segkit."""
    return not str(getattr(feature.expr, "__module__", "")).startswith("segkit.")


def unknown_column(feature: Feature, table: ir.Table, column: str) -> ValueError:
    """Return the error for an expression that uses a column that its table does not have."""
    columns = [name for name in table.columns if name not in KEYS]
    return ValueError(
        f"The feature {feature.name!r} uses {column!r}, which {feature.table} do not have."
        f"{did_you_mean(column, columns)} Use one of their columns: {', '.join(columns)}."
    )


def invalid_expression(feature: Feature, error: Exception) -> ValueError:
    """Return the error for an expression that cannot even be written as a query."""
    reason = str(error).strip().partition("\n")[0].rstrip(".")
    return ValueError(
        f"The expression of the feature {feature.name!r} cannot be used: {type(error).__name__}, {reason}. It should "
        f"be one aggregate of {feature.table}, such as {_example(feature)}."
    )


def check_aggregate(feature: Feature, table: ir.Table, value: Any) -> None:
    """Check that an expression gives one number or word for each customer.

    Raises
    ------
    ValueError
    """
    where = f"The expression of the feature {feature.name!r}"
    if not isinstance(value, ir.Scalar):
        raise ValueError(
            f"{where} is {_described(value)}, and not an aggregate. Write one, such as {_example(feature)}."
        )
    if not value.op().relations <= {table.op()}:
        raise ValueError(
            f"{where} uses another table than {feature.table}, or only some of their rows. It should use the table "
            f"that it is given; to leave rows out, write where=: "
            f"lambda {feature.table}: {feature.table}.count(where=…)."
        )
    if value.op().find(ops.Subquery):
        raise ValueError(
            f"{where} holds an aggregate as a value of its own, with as_scalar() or in isin(…), which is over all "
            "customers. A feature is of the customer's own events, so that other customers never change it."
        )
    kind = value.type()
    number = kind.is_numeric() or kind.is_boolean()
    if not (number or kind.is_string() or kind.is_null()):
        raise ValueError(
            f"{where} gives {kind}. A feature is a number or a word; turn it into one, such as days_ago for a time."
        )
    if feature.empty is not None and isinstance(feature.empty, str) == number:
        gives = "numbers" if number else "words"
        raise ValueError(
            f"{where} gives {gives}, but empty={feature.empty!r} is not one. Set empty to the value of a customer "
            "without such events, or leave it out: the value is missing then."
        )


def finite(column: ir.NumericColumn) -> ir.NumericColumn:
    """Replace infinite numbers and NaN by missing values: what is divided by zero is undefined."""
    return (column.abs() <= sys.float_info.max).ifelse(column, ibis.null("float64"))


def _described(value: Any) -> str:
    if isinstance(value, ir.Column):
        return "a column"
    return "a table" if isinstance(value, ir.Table) else repr(value)


def _example(feature: Feature) -> str:
    column = "amount.max" if feature.table == "orders" else "count"
    return f"lambda {feature.table}: {feature.table}.{column}()"
