"""Tables of purchases: orders, the gaps between them, products, categories, brands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import ibis

from segkit.analyse.features.tables.builder import key_column, key_columns

if TYPE_CHECKING:
    import ibis.expr.types as ir

MONEY = "decimal(18, 6)"  # sums of decimals are exact, so they do not depend on the order of rows
TOTAL = "decimal(38, 6)"  # of such sums
DAYS = "decimal(18, 11)"  # exact to the microsecond
MICROSECONDS_A_DAY = 86_400_000_000
ONE = ibis.literal(1, type="int64")


def purchases(log: ir.Table) -> ir.Table:
    """Return the purchase lines."""
    return log.filter(log.kind == "purchase")


def lines(log: ir.Table) -> ir.Table:
    """Return the lines of purchases and of returns."""
    return log.filter((log.kind == "purchase") | (log.kind == "return"))


def orders(purchases: ir.Table, *, age: Callable[[ir.Table], ir.IntegerColumn]) -> ir.Table:
    """Return one row for each order: the lines that share an order id, or a single line without one.

    The time of an order is that of its first line: `timestamp`, `age` in microseconds, `days_ago`. `lines` is the
    number of its lines with a product.
    """
    totals = {"amount": "amount", "items": "quantity", "discount": "discount"}
    totals = {name: column for name, column in totals.items() if column in purchases.columns}
    keys = key_columns(purchases)
    one = is_bought(purchases).ifelse(ONE, 0).cast("int64")
    single = {name: purchases[column] for name, column in totals.items()}
    if "order_id" not in purchases.columns:
        return purchases.select(*keys, "timestamp", "age", "days_ago", lines=one, **single)
    single = {name: amount.cast(TOTAL) for name, amount in single.items()}
    alone = purchases.filter(purchases.order_id.isnull()).select(*keys, "timestamp", lines=one, **single)
    shared = purchases.filter(purchases.order_id.notnull())
    sums = {name: shared[column].sum().cast(TOTAL) for name, column in totals.items()}
    grouped = shared.group_by(*keys, "order_id").agg(
        timestamp=shared.timestamp.min(), lines=shared.count(where=is_bought(shared)), **sums
    )
    every = ibis.union(grouped.drop("order_id"), alone)
    every = every.mutate(age=age(every))  # cheaper than a second aggregate, the largest age of the lines
    return every.mutate(days_ago=in_days(every.age))


def order_times(orders: ir.Table) -> ir.Table:
    """Return one row for each moment at which a customer ordered: the number of `orders`, and their `amount`."""
    money = {"amount": orders.amount.sum()} if "amount" in orders.columns else {}
    times = orders.group_by(*key_columns(orders), "age").agg(orders=orders.count(), **money)
    return times.mutate(days_ago=in_days(times.age))


def gaps(orders: ir.Table) -> ir.Table:
    """Return the `days` between each order of a customer and the one before."""
    times = orders.select(*key_columns(orders), "age")
    times = times.mutate(before=times.age.lag().over(group_by=key_columns(times), order_by=times.age.desc()))
    steps = times.filter(times.before.notnull())
    return steps.select(*key_columns(steps), days=in_days(steps.before - steps.age).cast(DAYS))


def gap_pairs(orders: ir.Table) -> ir.Table:
    """Return pairs of consecutive gaps: the `days` of the later one, and of the one `before`."""
    times = orders.select(*key_columns(orders), "age")
    order = {"group_by": key_columns(times), "order_by": times.age.desc()}
    last, last_but_one = times.age.lag(1).over(**order), times.age.lag(2).over(**order)
    steps = {"days": in_days(last - times.age), "before": in_days(last_but_one - last)}
    pairs = times.select(*key_columns(times), **steps)
    return pairs.filter(pairs.before.notnull())


def products(purchases: ir.Table) -> ir.Table:
    """Return one row for each product of a customer: the number of `lines`, `first_age` and `last_age`."""
    known = purchases.filter(purchases.product_id.notnull() & is_bought(purchases))
    key = key_column(known, "product_id")
    name = {} if key == "product_id" else {"product_id": known.product_id.arbitrary()}
    return known.group_by(*key_columns(known), key).agg(
        lines=known.count(), first_age=known.age.max(), last_age=known.age.min(), **name
    )


def is_bought(purchases: ir.Table) -> ir.BooleanValue:
    """Return which lines are of a product: not those of quantity 0, such as notes, gifts and cancelled lines."""
    return purchases.quantity.fill_null(1) != 0 if "quantity" in purchases.columns else ibis.literal(True)


def categories(purchases: ir.Table) -> ir.Table:
    """Return the number of `lines` of a customer in each category."""
    known = purchases.filter(purchases.category.notnull() & is_bought(purchases))
    return known.group_by(*key_columns(known), "category").agg(lines=known.count())


def brands(purchases: ir.Table) -> ir.Table:
    """Return the number of `lines` of a customer of each brand."""
    known = purchases.filter(purchases.brand.notnull() & is_bought(purchases))
    return known.group_by(*key_columns(known), "brand").agg(lines=known.count())


def in_days(microseconds: ir.NumericColumn) -> ir.FloatingColumn:
    """Convert microseconds to days."""
    return microseconds.cast("float64") / MICROSECONDS_A_DAY


TABLES = (purchases, lines, orders, order_times, gaps, gap_pairs, products, categories, brands)
