"""What a feature can be an aggregate of: orders, the gaps between them, lines, categories.

Each grain is a function from the grains that its parameters name to a table with a `customer_id`;
a feature asks for one in the same way, by the name of its own parameter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ibis

if TYPE_CHECKING:
    import ibis.expr.types as ir

MONEY = "decimal(18, 6)"  # sums of decimals are exact, so they do not depend on the order of rows
DAYS = "decimal(18, 9)"  # exact likewise, to a tenth of a millisecond


def purchases(seen: ir.Table) -> ir.Table:
    """Return the purchase lines."""
    return seen.filter(seen.kind == "purchase")


def lines(seen: ir.Table) -> ir.Table:
    """Return the lines of purchases and of returns."""
    return seen.filter(seen.kind.isin(["purchase", "return"]))


def orders(purchases: ir.Table) -> ir.Table:
    """Return one row an order: the lines that share an order id; a line without one is an order by itself."""
    if "order_id" not in purchases.columns:
        return purchases.mutate(items=purchases.quantity) if "quantity" in purchases.columns else purchases
    totals = {"days_ago": purchases.days_ago.max()}
    for name, column in (("amount", "amount"), ("items", "quantity"), ("discount", "discount")):
        if column in purchases.columns:
            totals[name] = purchases[column].sum()
    order = purchases.order_id.coalesce(ibis.uuid().cast("string"))
    return purchases.group_by("customer_id", order_id=order).agg(**totals)


def gaps(orders: ir.Table) -> ir.Table:
    """Return one row for each order but the first of a customer: the days since the order before."""
    times = orders.select("customer_id", "days_ago")
    before = times.days_ago.lag().over(group_by="customer_id", order_by=times.days_ago.desc())
    steps = times.select("customer_id", days=(before - times.days_ago).cast(DAYS))
    return steps.filter(steps.days.notnull())


def categories(purchases: ir.Table) -> ir.Table:
    """Return one row for each category that a customer bought of, with the number of `lines`."""
    known = purchases.filter(purchases.category.notnull())
    return known.group_by("customer_id", "category").agg(lines=known.count())


GRAINS: dict[str, Callable[..., Any]] = {f.__name__: f for f in (purchases, lines, orders, gaps, categories)}


class Grains:
    """The grains of one log of events, each built once, when first asked for."""

    def __init__(self, seen: ir.Table):
        self._built = {"events": seen, "seen": seen}

    def __getitem__(self, name: str) -> ir.Table:
        if name not in self._built:
            self._built[name] = self.supply(GRAINS[name])
        return self._built[name]

    def supply(self, function: Callable[..., Any]) -> Any:
        """Call a function with the grains that its parameters name."""
        return function(*(self[name] for name in inspect.signature(function).parameters))
