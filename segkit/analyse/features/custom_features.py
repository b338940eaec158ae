"""What a feature of one's own may get wrong, said of the feature and not of the query that it would become."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.types as ir

from segkit.core.engine.event_cache import CODES
from segkit.core.messages import did_you_mean

if TYPE_CHECKING:
    from segkit.analyse.features.feature import Feature

KEYS = {*CODES.values(), "snapshot", "age"}  # columns of the query's own
LACKED = re.compile(r"(?:'Table' object has no attribute|^Column) '([^']*)'")


def is_own(feature: Feature) -> bool:
    """Say whether a feature's expression was written outside segkit, whose own are tested."""
    return not str(getattr(feature.expr, "__module__", "")).startswith("segkit.")


def invalid_expression(feature: Feature, table: ir.Table | None, error: Exception) -> ValueError:
    """Return what to raise where an expression could not even be written down."""
    lacked = LACKED.search(str(error))
    if lacked and table is not None:
        columns = [name for name in table.columns if name not in KEYS]
        wrong = (
            f"asks for {lacked[1]!r}, which {feature.grain} do not have.{did_you_mean(lacked[1], columns)}"
        )
        return ValueError(f"The feature {feature.name!r} {wrong} Their columns are {', '.join(columns)}.")
    said = str(error).strip().partition("\n")[0].rstrip(".")
    return ValueError(
        f"The expression of the feature {feature.name!r} cannot be used: {type(error).__name__}, {said}. It should "
        f"be one aggregate of {feature.grain}, such as {_example(feature)}."
    )


def check_aggregate(feature: Feature, table: ir.Table, value: Any) -> None:
    """Refuse an expression that is not one number or word of each customer.

    Raises
    ------
    ValueError
    """
    where = f"The expression of the feature {feature.name!r}"
    if not isinstance(value, ir.Scalar):
        what = _in_words(value)
        raise ValueError(f"{where} is {what}, and not an aggregate. Write one, such as {_example(feature)}.")
    if not value.op().relations <= {table.op()}:
        raise ValueError(
            f"{where} is of another table than {feature.grain}, or of some of their rows. It should use the table that "
            f"it is given; to leave rows out, say where=: lambda {feature.grain}: {feature.grain}.count(where=…)."
        )
    kind = value.type()
    number = kind.is_numeric() or kind.is_boolean()
    if not (number or kind.is_string() or kind.is_null()):
        raise ValueError(
            f"{where} gives {kind}. A feature is a number or a word; make one of it, such as the days_ago of a time."
        )
    if feature.empty is not None and isinstance(feature.empty, str) == number:
        gives = "numbers" if number else "words"
        raise ValueError(
            f"{where} gives {gives}, and empty={feature.empty!r} is none. Say what stands for a customer without such "
            "events, or leave it out: it is missing then."
        )


def finite(column: ir.NumericColumn) -> ir.NumericColumn:
    """Return numbers without those that are none: what is divided by zero is undefined, and so missing."""
    return (column.abs() <= sys.float_info.max).ifelse(column, ibis.null("float64"))


def _in_words(value: Any) -> str:
    if isinstance(value, ir.Column):
        return "a column"
    return "a table" if isinstance(value, ir.Table) else repr(value)


def _example(feature: Feature) -> str:
    column = "amount.max" if feature.grain == "orders" else "count"
    return f"lambda {feature.grain}: {feature.grain}.{column}()"
