"""Statistics that do not depend on the order of rows: mean, spread, entropy, the most frequent word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from segkit.core.engine.dialects import readable, sortable

if TYPE_CHECKING:
    import ibis.expr.types as ir

TERM = "decimal(18, 9)"  # sums of decimals are exact
_TWELVE_DIGITS = 100_000_000_000
SQUARED = "decimal(38, 22)"  # of days, see DAYS


def mean_of(values: ir.DecimalColumn, where: ir.BooleanColumn | None = None) -> ir.FloatingScalar:
    """Return the mean of decimals; missing where there are none."""
    return values.sum(where=where).cast("float64") / values.count(where=where).nullif(0)


def std_of(values: ir.DecimalColumn) -> ir.FloatingScalar:
    """Return the sample standard deviation of decimals; missing for fewer than two."""
    return _variance_of(values).sqrt()


def spread_of(values: ir.NumericColumn) -> ir.FloatingScalar:
    """Return the geometric standard deviation of positive values; missing for fewer than two.

    1 where all are equal, 2 where most lie between half and double the typical value.
    """
    positive = (values > 0).ifelse(values.cast("float64"), None)
    return _variance_of(positive.ln().cast(TERM)).round(12).sqrt().exp()


def _variance_of(values: ir.DecimalColumn) -> ir.FloatingScalar:
    n, total = values.count(), values.sum().cast("float64")
    squares = (values * values).cast(SQUARED).sum().cast("float64")
    return ibis.greatest(squares - total * total / n, 0) / (n > 1).ifelse(n - 1, None)


def entropy_of(counts: ir.IntegerColumn) -> ir.FloatingScalar:
    """Return Shannon's entropy of counts, in bits; its terms are decimals, so that their order does not matter."""
    n = counts.sum()
    terms = (counts * counts.cast("float64").log2()).cast("decimal(38, 9)").sum()
    return (n.cast("float64").log2() - terms.cast("float64") / n).round(9)


def share_of(part: ir.BooleanColumn, of: ir.BooleanColumn | None = None) -> ir.FloatingScalar:
    """Return the share of rows where `part` is true, among those where `of` is; missing where there are none."""
    count = part.count(where=part if of is None else of & part)
    return count.cast("float64") / part.count(where=of).nullif(0)


def favourite(word: ir.StringColumn, count: ir.IntegerColumn, dialect: str) -> ir.StringScalar:
    """Return the word with the highest count; of equal ones the last by its bytes, on every engine.

    Words are ranked by a text of twelve digits of the count and the word, so that the largest text has the result.
    """
    ranked = (count + _TWELVE_DIGITS).cast("string") + sortable(word, dialect)
    return readable(ranked.max().substr(12), dialect)
