"""Statistics of exact numbers, the same for rows in any order: mean, spread, entropy, the most frequent word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from segkit.core.engine.dialects import readable, sortable

if TYPE_CHECKING:
    import ibis.expr.types as ir

TERM = "decimal(18, 9)"  # exact, before it is summed
_TWELVE_DIGITS = 100_000_000_000
SQUARED = "decimal(38, 22)"  # of days, see DAYS


def mean_of(values: ir.DecimalColumn, where: ir.BooleanColumn | None = None) -> ir.FloatingScalar:
    """Return the mean of exact numbers; missing where there are none."""
    return values.sum(where=where).cast("float64") / values.count(where=where).nullif(0)


def std_of(values: ir.DecimalColumn) -> ir.FloatingScalar:
    """Return the sample standard deviation of exact numbers; missing below two of them."""
    return _variance_of(values).sqrt()


def spread_of(values: ir.NumericColumn) -> ir.FloatingScalar:
    """Return the geometric standard deviation of what is above 0: the factor by which values usually differ.

    1 where all are alike, 2 where most lie between half and double; missing below two of them.
    """
    positive = (values > 0).ifelse(values.cast("float64"), None)
    return _variance_of(positive.ln().cast(TERM)).round(12).sqrt().exp()


def _variance_of(values: ir.DecimalColumn) -> ir.FloatingScalar:
    n, total = values.count(), values.sum().cast("float64")
    squares = (values * values).cast(SQUARED).sum().cast("float64")
    return ibis.greatest(squares - total * total / n, 0) / (n > 1).ifelse(n - 1, None)


def entropy_of(counts: ir.IntegerColumn) -> ir.FloatingScalar:
    """Return Shannon's entropy in bits of counts; each term is exact, so that their order changes nothing."""
    n = counts.sum()
    terms = (counts * counts.cast("float64").log2()).cast("decimal(38, 9)").sum()
    return (n.cast("float64").log2() - terms.cast("float64") / n).round(9)


def share_of(part: ir.BooleanColumn, of: ir.BooleanColumn | None = None) -> ir.FloatingScalar:
    """Return which part of the rows is so, among those that `of` holds of; missing where there are none."""
    so = part.count(where=part if of is None else of & part)
    return so.cast("float64") / part.count(where=of).nullif(0)


def favourite(word: ir.StringColumn, count: ir.IntegerColumn, dialect: str) -> ir.StringScalar:
    """Return the word of the highest count; of equals, the last by its bytes, on every engine.

    The count stands before the word, in twelve digits, so that the largest text is the answer.
    """
    ranked = (count + _TWELVE_DIGITS).cast("string") + sortable(word, dialect)
    return readable(ranked.max().substr(12), dialect)
