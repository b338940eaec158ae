"""Shopify: the export of orders."""

from __future__ import annotations

from collections.abc import Mapping

from segkit.collect.presets.helper_columns import (
    AMOUNT,
    DISCOUNT,
    IS_RETURN,
    KIND,
    LINE_NUMBER,
    LIST_PRICE,
    ORDER,
    REFUSED,
    SALE,
    TOTAL,
)
from segkit.collect.presets.order_lines import REPEATED, shared
from segkit.collect.presets.preset import Preset
from segkit.collect.presets.rows import Rows, lowered
from segkit.collect.presets.sql import as_text, coalesced, is_any, no_number, place_in
from segkit.collect.sources.source import named
from segkit.collect.values import MISSING_WORDS
from segkit.core.engine.connection import quoted

OF_A_LINE = ("lineitem", "vendor", "name")
"""How the names of columns begin that describe a line; the first line of an order has all others."""
OF_AN_ORDER = ("Financial Status", "Subtotal", "Total", "Refunded Amount", "Payment Method", "Currency")
PRICE = "Lineitem price"
PAYMENT_STATES = (
    "pending",
    "authorized",
    "expired",
    "voided",
    "partially_paid",
    "paid",
    "partially_refunded",
    "refunded",
)
"""From the earliest to the latest."""
UNCLEAR = "several orders have this name: unclear which"
BOGUS = "test order: paid through the bogus gateway"
FIRST_ROW, ABOVE, SHARES_NAME = "segkit_first_row", "segkit_above", "segkit_shares_name"
POSITION, CONTENT, N_ALIKE, NTH_ALIKE, N_COPIES, OWN_DISCOUNT = (
    f"segkit_{name}" for name in ("position", "content", "n_alike", "nth_alike", "n_copies", "own_discount")
)


def _reshape(rows: Rows, kinds: Mapping[str, str]) -> Rows:
    rows = _refuse_copies(_with_orders(rows))
    rows = _filled_down(
        rows.with_columns({SALE: f"CASE WHEN {REFUSED} IS NULL THEN {SALE} ELSE 'refused ' || {SALE} END"})
    )
    return _with_refunds(_with_amounts(rows))


def _with_orders(rows: Rows) -> Rows:
    """Find the order of each line, under `SALE`; a line without a name belongs to the order above it.

    Two stores may both have an order #1001. First lines with another id, time or customer start another order. A line
    below belongs to the order above it if the names are equal, and the e-mail addresses do not differ.
    """
    name, email = rows.text("Name"), f"lower({rows.text('Email')})"
    identity, created = rows.text("Id"), rows.text("Created at")
    label = coalesced(identity, created, email)
    own = coalesced(identity, f"coalesce({created}, '') || ' ' || coalesce({email}, '')")
    is_first = f"{rows.text('Financial Status', 'Subtotal', 'Total')} IS NOT NULL AND {label} IS NOT NULL"
    above = f"OVER (ORDER BY {POSITION} ROWS UNBOUNDED PRECEDING)"
    rows = rows.with_columns({POSITION: "row_number() OVER ()", ORDER: name, FIRST_ROW: is_first})
    rows = rows.with_columns({ORDER: f"last_value({ORDER} IGNORE NULLS) {above}"})
    start = f"struct_pack(own := {own}, label := {label}, name := {ORDER}, email := {email})"
    rows = rows.with_columns({ABOVE: f"CASE WHEN {FIRST_ROW} THEN {start} END"})
    of_name = f"OVER (PARTITION BY {ORDER})"
    shares_name = f"min({ABOVE}['own']) {of_name} != max({ABOVE}['own']) {of_name}"
    rows = rows.with_columns(
        {SHARES_NAME: f"coalesce({shares_name}, false)", ABOVE: f"last_value({ABOVE} IGNORE NULLS) {above}"}
    )
    of_above = f"{ABOVE}['name'] = {ORDER} AND coalesce({email} = coalesce({ABOVE}['email'], ''), true)"
    is_known = f"{FIRST_ROW} OR coalesce({of_above}, false)"
    return rows.with_columns(
        {
            REFUSED: f"CASE WHEN {SHARES_NAME} AND NOT ({is_known}) THEN {quoted(UNCLEAR)} END",
            SALE: f"CASE WHEN {SHARES_NAME} AND ({is_known}) THEN {ORDER} || ' ' || {ABOVE}['own'] ELSE {ORDER} END",
            ORDER: f"CASE WHEN {SHARES_NAME} AND ({is_known}) THEN {ORDER} || ' ' || {ABOVE}['label'] ELSE {ORDER} END",
        }
    )


def _refuse_copies(rows: Rows) -> Rows:
    """Refuse repeated orders: an order was exported as often as its rarest first line occurs.

    Of copies that differ, the latest state counts: more money refunded, then cancelled, then a later payment state.
    """
    parts = ("Lineitem name", "Lineitem sku", PRICE, "Lineitem quantity")
    content = " || '|' || ".join(f"coalesce({rows.text(part)}, '')" for part in parts)
    alike = f"PARTITION BY {SALE}, {FIRST_ROW}, {CONTENT}"
    latest = (
        f"coalesce({rows.number('Refunded Amount')}, 0.0) DESC",
        f"{rows.text('Cancelled at', 'Canceled at')} DESC",
        f"{place_in(_payment_state(rows), PAYMENT_STATES)} DESC",
        POSITION,
    )
    rows = rows.with_columns({CONTENT: content})
    rows = rows.with_columns(
        {
            N_ALIKE: f"count(*) OVER ({alike})",
            NTH_ALIKE: f"row_number() OVER ({alike} ORDER BY {', '.join(latest)}) - 1",
        }
    )
    rarest = f"min(CASE WHEN {FIRST_ROW} THEN {N_ALIKE} END) OVER (PARTITION BY {SALE})"
    rows = rows.with_columns({N_COPIES: f"coalesce({rarest}, 1)"})
    is_copy = f"{SALE} IS NOT NULL AND {NTH_ALIKE} * {N_COPIES} >= {N_ALIKE}"
    return rows.with_columns(
        {REFUSED: f"coalesce({REFUSED}, CASE WHEN {is_copy} THEN {quoted(REPEATED)} END)"}
    )


def _payment_state(rows: Rows) -> str:
    return f"lower({rows.text('Financial Status')})"


def _filled_down(rows: Rows) -> Rows:
    """Copy the columns of an order from its first line to all lines; of payment states, take the latest."""
    of_order = f"OVER (PARTITION BY {SALE})"
    status = rows.found("Financial Status")
    for spec in (*rows.standard.values(), *OF_AN_ORDER):
        rows.value(spec)  # adds its columns to those that are used
    known = {
        name: f"max({as_text(named(name))}) {of_order}"
        for name in sorted(rows.used)
        if not name.lower().startswith(OF_A_LINE)
    }
    if status is not None:
        latest = f"max({place_in(_payment_state(rows), PAYMENT_STATES)}) {of_order}"
        states = ", ".join(map(quoted, PAYMENT_STATES))
        known[status] = f"coalesce([{states}][{latest} + 1], max({rows.text(status)}) {of_order})"
    return rows.with_columns(known)


def _with_amounts(rows: Rows) -> Rows:
    """Share the money of each order among its lines."""
    price, quantity = rows.number(PRICE), rows.number("Lineitem quantity")
    off = f"coalesce({rows.number('Lineitem discount')}, 0.0)"
    cost = f"({price}) * coalesce({quantity}, 1.0)"
    by_content = f"{cost} DESC, {rows.text('Lineitem sku', 'Lineitem name')}, {POSITION}"
    rows = rows.with_columns(
        {
            LINE_NUMBER: f"row_number() OVER (PARTITION BY {SALE} ORDER BY {by_content}) - 1",
            TOTAL: rows.number("Subtotal"),
            LIST_PRICE: f"{cost} - {off}",
            OWN_DISCOUNT: off,
            KIND: _kind(rows),
        }
    )
    rows = shared(rows).with_columns({DISCOUNT: f"round({DISCOUNT} + {OWN_DISCOUNT}, 6)"})
    is_test = f"lower({rows.text('Payment Method')}) = 'bogus'"
    # Without a Subtotal that can be read, the sale would count with its list prices.
    unread = [
        *(
            f"WHEN {_is_unread(rows, name)} THEN {no_number(name, rows.text(name))}"
            for name in ("Subtotal", "Refunded Amount")
        ),
        f"WHEN {_is_unread(rows, PRICE)} AND {AMOUNT} IS NULL THEN {no_number(PRICE, rows.text(PRICE))}",
    ]
    why = f"CASE WHEN {is_test} THEN {quoted(BOGUS)} {' '.join(unread)} END"
    return rows.with_columns({REFUSED: coalesced(REFUSED, why)})


def _kind(rows: Rows) -> str:
    cancelled, state = rows.text("Cancelled at", "Canceled at"), _payment_state(rows)
    return (
        f"CASE WHEN {cancelled} IS NOT NULL OR {state} IN ('voided', 'expired') THEN 'order_cancelled' "
        f"WHEN {state} = 'pending' THEN 'order_pending' ELSE 'purchase' END"
    )


def _is_unread(rows: Rows, name: str) -> str:
    blank = is_any(rows.text(name), MISSING_WORDS)
    return f"({KIND} = 'purchase' AND {rows.text(name)} IS NOT NULL AND NOT {blank} AND {rows.number(name)} IS NULL)"


def _with_refunds(rows: Rows) -> Rows:
    """Add a return for each refunded order, of the part of the refund that was for goods."""
    back, paid = rows.number("Refunded Amount"), rows.number("Total")
    of_goods = f"coalesce(CASE WHEN {paid} > 0 THEN {TOTAL} / {paid} ELSE 1.0 END, 1.0)"
    returned = f"{LINE_NUMBER} = 0 AND {REFUSED} IS NULL AND {KIND} = 'purchase' AND {back} > 0"
    rows = rows.with_columns({IS_RETURN: f"unnest(CASE WHEN {returned} THEN [false, true] ELSE [false] END)"})
    of_a_line = [name for name in rows.used if name.lower().startswith(OF_A_LINE)]
    return rows.with_columns(
        {
            AMOUNT: f"CASE WHEN {IS_RETURN} THEN round({back} * {of_goods}, 2) ELSE {AMOUNT} END",
            KIND: f"CASE WHEN {IS_RETURN} THEN 'return' ELSE {KIND} END",
            **{name: f"CASE WHEN NOT {IS_RETURN} THEN {named(name)} END" for name in (*of_a_line, DISCOUNT)},
        }
    )


SHOPIFY = Preset(
    name="shopify_orders",
    title="Shopify: export of orders",
    file="the CSV of orders from Shopify's admin, a row for each line item, the order's own columns in its first row.",
    counts=(
        "Each line item is a line of a purchase. The lines share the order's Subtotal (after discounts, "
        "before shipping) in proportion to price × quantity less the line's own discount. Cancelled, voided "
        "and expired orders become order_cancelled, unpaid ones order_pending; neither is a sale. A "
        "Refunded Amount adds a return of the part that was for goods, at the time of the order: the file "
        "does not say when money went back. Orders that share a Name but differ in Id, else in Created at "
        "or Email, are different orders; order_id shows which. Refused are: lines that may belong to "
        "several orders, orders through the bogus gateway, sales whose Subtotal or Refunded Amount is not a "
        "number (1,200.00 has a comma), and repeated lines. Of two exports of an order, the later state "
        "counts."
    ),
    cites=(
        "https://docs.xbp.app/docs/development/integrations/shopify/order-format",
        "https://github.com/jadwro/allegro_csv_parser src/Shopify/types/ShopifyOrderTypeCSV.ts",
        "https://github.com/laplace-live/shopify-csv-converter src/types/index.d.ts",
        "https://community.shopify.com/t/do-i-need-to-refund-orders-placed-in-test-mode/20534",
    ),
    columns={
        "customer_id": lowered("Email", "Phone"),
        "timestamp": "Created at",
        "kind": KIND,
        "order_id": ORDER,
        "product_id": ("Lineitem sku", "Lineitem name"),
        "brand": "Vendor",
        "quantity": "Lineitem quantity",
        "amount": AMOUNT,
        "discount": DISCOUNT,
        "channel": "Source",
        "place": ("Shipping Country", "Billing Country"),
    },
    formats=("%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S %Z", "%Y-%m-%dT%H:%M:%S%z"),
    needs=(
        ("order_id", ("Name",)),
        ("customer_id", ("Email", "Phone")),
        ("amount", (PRICE,)),
        ("kind", ("Financial Status",)),
    ),
    reshape=_reshape,
    currency="Currency",
)
