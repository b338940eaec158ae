"""Sales as order lines: one row for each product, with its share of what was paid for the order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ibis.expr.datatypes as dt

from segkit.collect.presets.copies import reason_of_copy, refusal
from segkit.collect.presets.helper_columns import (
    AMOUNT,
    CUSTOMER,
    DISCOUNT,
    HAS_ESSENTIALS,
    IS_RETURN,
    IS_SALE,
    ITEM,
    KIND,
    LINE_NUMBER,
    LIST_PRICE,
    ORDER,
    ORDER_KEY,
    PRODUCTS,
    REFUSED,
    SALE,
    TIME,
    TOTAL,
    UNPRICED,
)
from segkit.collect.presets.rows import Rows, Value
from segkit.collect.presets.sql import as_number, coalesced, is_any, no_number, type_name
from segkit.collect.values import MISSING_WORDS
from segkit.core.engine.connection import quoted

REPEATED = "order counted already"
NO_AMOUNT = "refund without an amount"
SAME = 1e-6  # amounts this near are the same: they are summed to the millionth
NTH, WHOLE, SHARE, CUMULATIVE, PAID = (f"segkit_{x}" for x in ("nth", "whole", "share", "cumulative", "paid"))
USABLE_SALE = f"{HAS_ESSENTIALS} AND (NOT {IS_SALE} OR {UNPRICED} < 1)"
"""SQL of whether a row has a customer, a time and, if it is a sale, an amount."""


def price_times_quantity(item: str) -> str:
    """Return SQL of price × quantity, where a missing quantity is 1."""
    price, quantity = as_number(f"{item}['price']"), as_number(f"{item}['quantity']")
    return f"({price}) * coalesce({quantity}, 1.0)"


def with_sales(
    rows: Rows,
    kinds: Mapping[str, str],
    *,
    columns: Mapping[str, str],
    products: str,
    price: Callable[[str], str] = price_times_quantity,
) -> Rows:
    """Mark purchases and returns, and add the order, total and products of each.

    Parameters
    ----------
    rows : Rows
        With `KIND`.
    kinds : dict of str to str
        The export's words to segkit's kinds.
    columns : dict of str to str
        SQL of `ORDER`, `ORDER_KEY`, `TOTAL`, `TIME` and `CUSTOMER` for sales.
    products : str
        SQL of the list of products in a row.
    price : callable
        From the SQL of a product to that of its price without the discount of the order.

    Returns
    -------
    Rows
        The same with these columns, `IS_SALE`, `IS_RETURN`, `PRODUCTS` and `UNPRICED`, the part of a sale's
        products that would have no amount: 0 where its total is known, 1 if none has one.
    """
    returns = [word for word, kind in kinds.items() if kind == "return"]
    purchases = [word for word, kind in kinds.items() if kind == "purchase"]
    marks = {IS_SALE: is_any(KIND, [*purchases, *returns]), IS_RETURN: is_any(KIND, returns)}
    rows = rows.with_columns(marks)
    sold = {name: f"CASE WHEN {IS_SALE} THEN {sql} END" for name, sql in columns.items()}
    rows = rows.with_columns({**sold, PRODUCTS: products})
    without = f"len(list_filter({PRODUCTS}, lambda item: ({price('item')}) IS NULL))"
    part = f"coalesce(CAST({without} AS DOUBLE) / nullif(len({PRODUCTS}), 0), 1.0)"
    unpriced = f"CASE WHEN {IS_SALE} THEN CASE WHEN {TOTAL} IS NULL THEN {part} ELSE 0.0 END END"
    return rows.with_columns({UNPRICED: unpriced})


def refuse_unread(rows: Rows, said: str) -> Rows:
    """Refuse sales whose money is no number: they would count with their list prices, or as without an amount.

    Parameters
    ----------
    rows : Rows
        As `with_sales` returns them.
    said : str
        SQL of the text of the total.
    """
    is_unread = f"{IS_SALE} AND {TOTAL} IS NULL AND {said} IS NOT NULL AND NOT {is_any(said, MISSING_WORDS)}"
    why = f"CASE WHEN {is_unread} THEN {no_number('amount', said)} END"
    return rows.with_columns({REFUSED: coalesced(refusal(rows), why)})


def sales_as_lines(rows: Rows, item: dt.DataType, price: Callable[[str], str] = price_times_quantity) -> Rows:
    """Turn sales into order lines; other events stay one row, with their product under `ITEM` if they have one only.

    Of purchases with the same `ORDER_KEY`, the earliest that can be used counts, and the others are `REFUSED`. All
    returns count, since they may come in parts.

    Parameters
    ----------
    rows : Rows
        As `with_sales` returns them.
    item : ibis type
        The type of a product.
    price : callable
        As in `with_sales`.

    Returns
    -------
    Rows
        With `ITEM`, `AMOUNT`, `DISCOUNT` and `REFUSED`. A sale without products is one row.
    """
    others = rows.where(f"NOT {IS_SALE}")
    # None of several products can stand for all of them.
    others = others.with_columns(
        {ITEM: f"CASE WHEN len({PRODUCTS}) = 1 THEN {PRODUCTS}[1] END"}, {ITEM: item}
    )
    sales = rows.where(IS_SALE).with_columns({SALE: "row_number() OVER ()"})
    key = f"CASE WHEN NOT {IS_RETURN} AND {refusal(rows)} IS NULL THEN {ORDER_KEY} END"
    key = f"coalesce({key}, 'segkit sale ' || {SALE})"
    order = [f"NOT ({HAS_ESSENTIALS})", UNPRICED, TIME, CUSTOMER, TOTAL, f"CAST({PRODUCTS} AS VARCHAR)"]
    sales = sales.with_columns({NTH: f"row_number() OVER (PARTITION BY {key} ORDER BY {', '.join(order)})"})
    copy = reason_of_copy(NTH, f"{HAS_ESSENTIALS} AND {UNPRICED} < 1", REPEATED)
    sales = sales.with_columns({REFUSED: coalesced(refusal(rows), copy)})
    listed = f"CASE WHEN {REFUSED} IS NULL AND len({PRODUCTS}) > 0 THEN {PRODUCTS} ELSE [NULL] END"
    lines = {ITEM: f"unnest({listed})", LINE_NUMBER: f"unnest(range(len({listed})))"}
    sales = sales.with_columns(lines, {ITEM: item})
    sales = shared(sales.with_columns({LIST_PRICE: price(ITEM)}))
    no_amount = f"CASE WHEN {IS_RETURN} AND {AMOUNT} IS NULL THEN {quoted(NO_AMOUNT)} END"
    return sales.with_columns({REFUSED: coalesced(REFUSED, no_amount)}).with_rows_of(others)


def shared(lines: Rows) -> Rows:
    """Share the `TOTAL` of each `SALE` among its lines by `LIST_PRICE`, in whole cents that add up to the total.

    Returns
    -------
    Rows
        The same with `AMOUNT` and `DISCOUNT`, the part of the order's discount. Where the total is missing, or
        equals the sum of list prices, each line costs its list price. Cents are rounded in the order of
        `LINE_NUMBER`.
    """
    of_sale = f"OVER (PARTITION BY {SALE} ORDER BY {LINE_NUMBER} ROWS BETWEEN UNBOUNDED PRECEDING AND"
    whole, so_far = f"{of_sale} UNBOUNDED FOLLOWING)", f"{of_sale} CURRENT ROW)"
    before = f"OVER (PARTITION BY {SALE} ORDER BY {LINE_NUMBER})"
    price = f"greatest(coalesce({LIST_PRICE}, 0.0), 0.0)"
    lines = lines.with_columns({WHOLE: f"sum({price}) {whole}"})
    lines = lines.with_columns({SHARE: f"CASE WHEN {WHOLE} > 0 THEN {price} ELSE 1.0 END"})
    lines = lines.with_columns({CUMULATIVE: f"sum({SHARE}) {so_far} / sum({SHARE}) {whole}"})
    lines = lines.with_columns({PAID: f"round({TOTAL} * {CUMULATIVE}, 2)"})
    earlier = f"coalesce(lag({PAID}) {before}, 0.0)"
    # The last line takes what rounding left.
    is_last = f"lead(true) {before} IS NULL"
    lines = lines.with_columns({SHARE: f"CASE WHEN {is_last} THEN {TOTAL} ELSE {PAID} END - {earlier}"})
    as_listed = f"{TOTAL} IS NULL OR abs({TOTAL} - {WHOLE}) < {SAME}"
    lines = lines.with_columns(
        {AMOUNT: f"CASE WHEN {as_listed} THEN {LIST_PRICE} ELSE round({SHARE}, 6) END"}
    )
    off = f"round({LIST_PRICE} - {AMOUNT}, 6)"  # missing where the price is not known
    return lines.with_columns({DISCOUNT: f"CASE WHEN {off} > 0 THEN {off} WHEN {off} <= 0 THEN 0.0 END"})


def no_products(item: dt.DataType) -> Callable[[Rows], Value]:
    """Return a missing list of products, for exports without products."""
    products = dt.Array(item)
    return lambda rows: Value(f"CAST(NULL AS {type_name(products)})", products)


def order_or(own: str) -> str:
    """Return SQL of the order's id; lines with an amount but no id get this one."""
    return f"CASE WHEN {AMOUNT} IS NULL THEN {ORDER} ELSE coalesce({ORDER}, {own}) END"
