"""Put a statement together from steps, each a named query on the one before."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import sqlglot.expressions as sge

from segkit.core.engine.rewrites import portable

EXACT_DIGITS = 15  # of a decimal number that every engine turns into the same float
CUSTOMER = "customer_id"


class Statement:
    """A statement that grows by steps, in the SQL of one engine.

    Parameters
    ----------
    ibis_dialect : str
        The engine, by its name in Ibis.
    """

    def __init__(self, ibis_dialect: str):
        self._dialect = ibis_dialect
        self._steps: list[str] = []
        self._names: list[str] = []
        self.notes: list[str] = []

    def step(self, name: str, query: ir.Table, *, formulas: bool = False) -> ir.Table:
        """Add a query under a name, and return a table of its columns for the next one.

        Where the name is taken, it gets a number. Long formulas stay on one line, since warehouses limit the length of
        a statement.
        PostgreSQL would put the expressions of a step in place of each use of its columns, so it is told not to.
        """
        self._names.append(name)
        again = self._names.count(name)
        name = f"segkit_{name}" if again == 1 else f"segkit_{name}_{again}"
        quoted = sge.to_identifier(name, quoted=True).sql(dialect=self._dialect)
        kept = "MATERIALIZED " if self._dialect == "postgres" else ""
        text = "\n".join(
            f"  {line}" if line else line for line in self._text(query, pretty=not formulas).splitlines()
        )
        self._steps.append(f"{quoted} AS {kept}(\n{text}\n)")
        return ibis.table(query.schema(), name=name)

    def ending(self, query: ir.Table) -> str:
        """Return the whole statement, with a last query."""
        return "WITH " + ",\n".join(self._steps) + "\n" + self._text(query)

    def _text(self, query: ir.Table, *, pretty: bool = True) -> str:
        return str(ibis.to_sql(portable(query, self._dialect), dialect=self._dialect, pretty=pretty))


def number(value: float) -> ir.FloatingValue:
    """Return a number as a literal that every engine reads as the same float: some take 0.1 for a decimal."""
    return ibis.literal(repr(float(value))).cast("float64")


def limit(value: float) -> ir.NumericValue:
    """Return a number to compare columns with, as plain as it can be."""
    value = float(value)
    shown = repr(value)
    plain = "e" not in shown and sum(sign.isdigit() for sign in shown) <= EXACT_DIGITS
    return ibis.literal(int(value) if plain and value.is_integer() else value) if plain else number(value)


def total(terms: Sequence[ir.NumericValue]) -> ir.NumericValue:
    """Return the sum of terms, added in pairs, so that no expression is deeply nested."""
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    return total(terms[:middle]) + total(terms[middle:])


def all_of(conditions: Sequence[ir.BooleanValue]) -> ir.BooleanValue:
    """Return whether all conditions hold."""
    return _paired(conditions, lambda one, other: one & other)


def any_of(conditions: Sequence[ir.BooleanValue]) -> ir.BooleanValue:
    """Return whether any condition holds."""
    return _paired(conditions, lambda one, other: one | other)


def _paired(conditions, join):
    if len(conditions) == 1:
        return conditions[0]
    middle = len(conditions) // 2
    return join(_paired(conditions[:middle], join), _paired(conditions[middle:], join))
