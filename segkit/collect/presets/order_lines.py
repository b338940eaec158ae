"""Sales as lines: one row a product, the order's money shared among them, no order counted twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import ibis

from segkit.collect.presets.columns import filled

if TYPE_CHECKING:
    import ibis.expr.datatypes as dt
    import ibis.expr.types as ir

KIND = "segkit kind"
ITEM = "segkit item"
AMOUNT = "segkit amount"
DISCOUNT = "segkit discount"
REFUSED = "segkit refused"
USABLE = "segkit usable"
ORDER = "segkit order"
TOTAL = "segkit total"
WHEN = "segkit when"
LINES = "segkit lines"
BACK = "segkit back"
ONCE = "segkit once"
WHO = "segkit who"
SALE, PLACE, WORTH, WHOLE, UPTO, PART = (
    f"segkit {word}" for word in ("sale", "place", "worth", "whole", "upto", "part")
)
REPEATED = "order counted already"
UNUSABLE = "copy that lacks what an event needs"
WORTHLESS = "refund without an amount"
SAME = 1e-6  # money this near is the same: amounts are summed to the millionth


def order_lines(sales: ir.Table, worth: Callable[[ir.Value], ir.Value]) -> ir.Table:
    """Return a row for each product of each sale, with its share of what was paid.

    Of the purchases that say they are one and the same, the earliest that can be used counts, and the others get
    a reason under `REFUSED`; what has one already is none of them. Returns may come in parts, so all of them count.

    Parameters
    ----------
    sales : ibis Table
        One row a sale or return, with the columns `ONCE` (what only one purchase can bear: its order's id, or
        missing), `TOTAL` (what was paid for its goods, or missing), `LINES` (an array of its products), `WHEN`,
        `WHO` (the earliest of one moment is the first by this) and `BACK` (whether it is a return); where they
        are there, also of `REFUSED` and `USABLE`.
    worth : callable
        From a product to what it would cost without the order's own discount.

    Returns
    -------
    ibis Table
        The same columns and `ITEM` (the product), `AMOUNT`, `DISCOUNT` and `REFUSED`. A sale that says no
        products is one row.
    """
    sales = sales.mutate(**{SALE: ibis.row_number()})
    known, usable = refusal(sales), usable_of(sales)
    alone = (sales[BACK] | known.notnull()).ifelse(ibis.null("string"), sales[ONCE])
    key = ibis.coalesce(alone, ibis.literal("segkit sale ") + sales[SALE].cast("string"))
    lacking = unpriced(sales[TOTAL], sales[LINES], worth)
    content = sales[LINES].cast("string")
    order = [usable.desc(), lacking, sales[WHEN], sales[WHO], sales[TOTAL], content]
    nth = ibis.row_number().over(ibis.window(group_by=key, order_by=order))
    sales = sales.mutate(**{REFUSED: known.coalesce(_copy_reason(nth, usable & (lacking < 1), REPEATED))})
    products = sales[REFUSED].isnull().ifelse(sales[LINES], ibis.null(sales[LINES].type()))
    lines = sales.mutate(**{LINES: products}).unnest(LINES, offset=PLACE, keep_empty=True)
    lines = lines.rename({ITEM: LINES})
    lines = lines.mutate(**{PLACE: lines[PLACE].fill_null(0), WORTH: worth(lines[ITEM])})
    return shared(lines)


def unpriced(total: ir.Column, lines: ir.Column, worth: Callable[[ir.Value], ir.Value]) -> ir.Column:
    """Return the part of a sale's lines that would have no amount: 0 where its total is known, 1 if none has."""
    without = lines.map(worth).filter(lambda amount: amount.isnull()).length()
    part = without.cast("float64") / lines.length().nullif(0)
    return total.notnull().ifelse(0.0, part.fill_null(1.0))


def refusal(table: ir.Table) -> ir.Column:
    """Return why a row was refused before, missing where it was not."""
    return table[REFUSED] if REFUSED in table.columns else ibis.null("string")


def usable_of(table: ir.Table) -> ir.Column:
    """Say which rows have a customer and a time, as far as that is known."""
    return table[USABLE] if USABLE in table.columns else ibis.literal(True)


def _copy_reason(nth: ir.Column, usable: ir.Column, reason: str) -> ir.Column:
    return ibis.cases(((nth > 0) & usable, reason), (nth > 0, UNUSABLE))


def shared(lines: ir.Table) -> ir.Table:
    """Share each sale's `TOTAL` among its lines by their `WORTH`, to the cent and with none lost.

    Returns
    -------
    ibis Table
        The same with `AMOUNT` and `DISCOUNT`: what the order's discount took off a line. Where no total is
        known, or the lines come to it, each line is what it is worth. Lines are shared among in the order
        of `PLACE`, those of a sale being those of one `SALE`.
    """
    here = ibis.window(group_by=SALE, order_by=PLACE)
    whole = ibis.window(group_by=SALE, order_by=PLACE, preceding=None, following=None)
    upto = ibis.window(group_by=SALE, order_by=PLACE, preceding=None, following=0)
    worth = ibis.greatest(lines[WORTH].fill_null(0.0), 0.0)
    told = lines.mutate(**{WHOLE: worth.sum().over(whole)})
    told = told.mutate(
        **{PART: (told[WHOLE] > 0).ifelse(ibis.greatest(told[WORTH].fill_null(0.0), 0.0), 1.0)}
    )
    told = told.mutate(**{UPTO: told[PART].sum().over(upto) / told[PART].sum().over(whole)})
    cut = (told[TOTAL] * told[UPTO]).round(2)
    told = told.mutate(
        **{
            PART: cut - cut.lag().over(here).fill_null(0.0),
            UPTO: told[TOTAL] - cut.lag().over(here).fill_null(0.0),
            "segkit last": told[PLACE] == told[PLACE].max().over(whole),
        }
    )
    as_said = told[TOTAL].isnull() | ((told[TOTAL] - told[WHOLE]).abs() < SAME)
    share = told["segkit last"].ifelse(told[UPTO], told[PART]).round(6)
    told = told.mutate(**{AMOUNT: as_said.ifelse(told[WORTH], share)})
    off = (told[WORTH] - told[AMOUNT]).round(6)
    off = ibis.cases((off > 0, off), (off <= 0, 0.0))  # missing where the price is not known
    return told.mutate(**{DISCOUNT: off}).drop(SALE, PLACE, WORTH, WHOLE, UPTO, PART, "segkit last")


def only_product(lines: ir.Value) -> ir.Value:
    """Return the product of an event that is about one; about several, none can stand for all."""
    return (lines.length() == 1).ifelse(lines[0], ibis.null(lines.type().value_type))


def alike(table: ir.Table, other: ir.Table) -> ir.Table:
    """Return the rows of both, under the columns of either: missing where one has none."""
    types = {**other.schema(), **table.schema()}

    def wide(part: ir.Table) -> ir.Table:
        kept = {n: _as(part[n], t) if n in part.columns else ibis.null(t) for n, t in types.items()}
        return part.select(**kept)

    return ibis.union(wide(table), wide(other))


def _as(column: ir.Column, dtype: dt.DataType) -> ir.Column:
    return column if column.type() == dtype else column.try_cast(dtype)


def repeats_refused(
    table: ir.Table,
    key: ir.Column,
    reason: str,
    ahead: Callable[[ir.Table], list[ir.Value]],
    *,
    usable: Callable[[ir.Table], ir.Column] | None = None,
) -> ir.Table:
    """Mark the copies of a row under `REFUSED`, whatever the order that they came in.

    Parameters
    ----------
    table : ibis Table
        Rows that have a reason under `REFUSED` already are no copies.
    key : ibis Column
        What copies have in common. Rows without a key are no copies of each other.
    reason : str
    ahead : callable
        From the rows that have copies to what the one that counts comes first by, among those that can be used.
    usable : callable, optional
        From those rows to whether one can be used, if more is needed than a customer and a time.
    """
    table = table.mutate(**{ONCE: refusal(table).isnull().ifelse(filled(key), ibis.null("string"))})
    counted = table.group_by(key=table[ONCE]).agg(n=table.count())
    twice = counted.filter((counted.n > 1) & counted.key.notnull()).select("key")
    again = table.semi_join(twice, table[ONCE] == twice.key)
    fine = usable_of(again) if usable is None else usable_of(again) & usable(again)
    content = ibis.struct({name: again[name] for name in again.columns if not name.startswith("segkit ")})
    order = [fine.desc(), *ahead(again), content.cast("string")]
    nth = ibis.row_number().over(ibis.window(group_by=again[ONCE], order_by=order))
    again = again.mutate(**{REFUSED: _copy_reason(nth, fine, reason)})
    once = table.anti_join(twice, table[ONCE] == twice.key)
    return alike(once, again).drop(ONCE)
