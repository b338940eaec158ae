"""Shops and payments: Shopify's export of orders, Stripe's charges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import ibis

from segkit.presets._columns import as_number, at, fields, filled, first, is_any, lowered, number, text
from segkit.presets._orders import (
    AMOUNT,
    DISCOUNT,
    KIND,
    ORDER,
    PLACE,
    REFUSED,
    SALE,
    TOTAL,
    WHEN,
    WORTH,
    alike,
    repeats_refused,
    shared,
)
from segkit.presets._preset import TEXT, Preset

if TYPE_CHECKING:
    import ibis.expr.types as ir

FIRST = "segkit first"
OFF = "segkit off"

# --- Shopify ------------------------------------------------------------------------------------------

OF_A_LINE = ("lineitem", "vendor", "name", "segkit ")
"""How the columns begin that are each line's own; all others Shopify writes in the first line of an order only."""


def _shopify_lines(table: ir.Table, kinds: Mapping[str, str]) -> ir.Table:
    lines = _shopify_filled(table)
    cost = number(lines, "Lineitem price") * number(lines, "Lineitem quantity").fill_null(1.0)
    off = number(lines, "Lineitem discount").fill_null(0.0)
    by_content = [cost.desc(), text(lines, "Lineitem sku", "Lineitem name"), lines[PLACE]]
    nth = ibis.row_number().over(ibis.window(group_by=lines[SALE], order_by=by_content))
    lines = lines.mutate(**{TOTAL: number(lines, "Subtotal"), WORTH: cost - off, PLACE: nth, OFF: off})
    lines = shared(lines.mutate(**{ORDER: lines[SALE], KIND: _shopify_kind(lines), FIRST: nth == 0}))
    lines = lines.mutate(**{DISCOUNT: (lines[DISCOUNT] + lines[OFF]).round(6)})
    lines = lines.mutate(**{REFUSED: _shopify_test(lines)})
    return alike(lines.drop(FIRST, OFF, TOTAL), _shopify_refunds(lines))


def _shopify_filled(table: ir.Table) -> ir.Table:
    """Write what belongs to an order into each of its lines; a line without a name belongs to the one above."""
    table = table.mutate(**{PLACE: ibis.row_number()})
    above = ibis.window(order_by=PLACE, preceding=None, following=0)
    table = table.mutate(**{SALE: text(table, "Name")})
    table = table.mutate(**{WHEN: table[SALE].count().over(above)})  # how many names stand above, or here
    table = table.mutate(**{SALE: table[SALE].max().over(ibis.window(group_by=WHEN))}).drop(WHEN)
    whole = ibis.window(group_by=SALE)
    return table.mutate(**{name: filled(table[name]).max().over(whole) for name in _of_the_order(table)})


def _of_the_order(table: ir.Table) -> list[str]:
    return [name for name in table.columns if not name.lower().startswith(OF_A_LINE)]


def _shopify_kind(lines: ir.Table) -> ir.Column:
    status = text(lines, "Financial Status").lower()
    cancelled = text(lines, "Cancelled at", "Canceled at").notnull()
    return ibis.cases(
        (cancelled | ((status == "voided") | (status == "expired")).fill_null(False), "order_cancelled"),
        ((status == "pending").fill_null(False), "order_pending"),
        else_="purchase",
    )


def _shopify_test(lines: ir.Table) -> ir.Column:
    bogus = (text(lines, "Payment Method").lower() == "bogus").fill_null(False)
    return bogus.ifelse("test order: paid through the bogus gateway", ibis.null("string"))


def _shopify_refunds(lines: ir.Table) -> ir.Table:
    """Return a row for each order that money went back for: as much of it as was for goods, by their share."""
    sold = lines.filter(lines[FIRST] & (lines[KIND] == "purchase") & (number(lines, "Refunded Amount") > 0))
    back, paid = number(sold, "Refunded Amount"), number(sold, "Total")
    goods = ibis.coalesce((paid > 0).ifelse(sold[TOTAL] / paid, 1.0), 1.0)
    back = (back * goods).round(2)
    return sold.select(*_of_the_order(sold), ORDER, REFUSED, **{AMOUNT: back, KIND: ibis.literal("return")})


SHOPIFY = Preset(
    name="shopify_orders",
    title="Shopify: export of orders",
    file="the CSV of orders from Shopify's admin, a row for each line item, the order's own columns in its first row.",
    counts=(
        "Each line item is a purchase line; an order's lines share its Subtotal (after discounts, before shipping) "
        "in proportion to price × quantity less the line's own discount. Orders that are cancelled, voided or "
        "expired become order_cancelled and unpaid ones order_pending, neither being a sale; orders through the "
        "bogus gateway are refused. An order with a Refunded Amount adds one row, a return of the goods' share of "
        "it, dated as the order, since the file does not say when money went back."
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
        ("amount", ("Lineitem price",)),
        ("kind", ("Financial Status",)),
    ),
    lines=_shopify_lines,
    currency="Currency",
)


# --- Stripe -------------------------------------------------------------------------------------------

ZERO_DECIMALS = [
    "bif",
    "clp",
    "djf",
    "gnf",
    "jpy",
    "kmf",
    "krw",
    "mga",
    "pyg",
    "rwf",
    "vnd",
    "vuv",
    "xaf",
    "xof",
    "xpf",
]
THREE_DECIMALS = ["bhd", "jod", "kwd", "omr", "tnd"]


def _major(amount: ir.Column, currency: ir.Column) -> ir.Column:
    """Turn cents into money; UGX and ISK have none, but Stripe writes them with two digits all the same."""
    whole, mills = (is_any(currency.lower(), codes) for codes in (ZERO_DECIMALS, THREE_DECIMALS))
    return ibis.cases((whole, amount), (mills, amount / 1000), else_=amount / 100).round(3)


def _id_of(path: str) -> Callable[[ir.Table], ir.Column | None]:
    """Return an id that may stand by itself or, where it was expanded, within its object."""

    def column(table: ir.Table) -> ir.Column | None:
        plain, within = at(table, path), at(table, f"{path}.id")
        if plain is None or not plain.type().is_string():
            return within
        return plain.startswith("{").ifelse(within, plain)

    return column


def _stripe_lines(table: ir.Table, kinds: Mapping[str, str]) -> ir.Table:
    if at(table, "id") is not None:
        table = repeats_refused(table, "id", text(table, "created"), "charge counted already")
    charges = table.mutate(
        **{
            KIND: _stripe_kind(table),
            ORDER: text(table, _id_of("payment_intent"), "id"),
            WHEN: first(table, "created"),
            TOTAL: _stripe_paid(table),
        }
    )
    charges = charges.mutate(**{REFUSED: _stripe_reason(charges)})
    sold = charges.filter(charges[REFUSED].isnull() & (charges[KIND] == "purchase"))
    rows = alike(charges, alike(_stripe_listed(sold), _stripe_unlisted(sold)))
    return rows.mutate(**{AMOUNT: _major(rows[TOTAL], text(rows, "currency"))}).drop(TOTAL)


def _said_no(column: ir.Column) -> ir.Column:
    return (column.lower() == "false").fill_null(False)


def _stripe_kind(table: ir.Table) -> ir.Column:
    status = text(table, "status").lower()
    return ibis.cases(
        ((status == "pending").fill_null(False), "payment_pending"),
        ((status == "failed").fill_null(False) | _said_no(text(table, "paid")), "payment_failed"),
        (_said_no(text(table, "captured")), "payment_authorized"),
        else_="purchase",
    )


def _stripe_paid(table: ir.Table) -> ir.Column:
    captured = number(table, "amount_captured")
    return (captured > 0).fill_null(False).ifelse(captured, number(table, "amount"))


def _stripe_reason(charges: ir.Table) -> ir.Column:
    known = charges[REFUSED] if REFUSED in charges.columns else ibis.null("string")
    other = (text(charges, "object") != "charge").fill_null(False)
    test = _said_no(text(charges, "livemode"))
    return known.coalesce(
        ibis.cases((other, "object is no charge"), (test, "test charge: livemode is false"))
    )


def _stripe_back(sold: ir.Table) -> ir.Column:
    """What went back of what was captured: of a charge captured in part, the rest may count as refunded too."""
    back = number(sold, "amount_refunded").fill_null(0.0)
    released = number(sold, "amount") - sold[TOTAL]
    return (back >= released).fill_null(False).ifelse(back - released.fill_null(0.0), back)


def _stripe_refunds(sold: ir.Table) -> ir.Column:
    """Return the refunds that the export lists with a time of their own; none of a charge captured in part."""
    listed = at(sold, "refunds.data")
    if listed is None:
        return ibis.null("array<struct<amount: string, created: string, status: string>>")
    done = listed.filter(lambda refund: ~is_any(refund["status"], ["failed", "canceled"]))
    return (sold[TOTAL] == number(sold, "amount")).fill_null(True).ifelse(done, ibis.null(done.type()))


def _stripe_listed(sold: ir.Table) -> ir.Table:
    each = sold.mutate(**{"segkit refund": _stripe_refunds(sold)}).unnest("segkit refund")
    refund = each["segkit refund"]
    back = {TOTAL: as_number(refund["amount"]), WHEN: refund["created"], KIND: ibis.literal("return")}
    return each.mutate(**back).drop("segkit refund")


def _stripe_unlisted(sold: ir.Table) -> ir.Table:
    """Return what is known to have gone back, but not when: it is dated as the charge."""
    amounts = _stripe_refunds(sold).map(lambda refund: as_number(refund["amount"]))
    rest = _stripe_back(sold) - amounts.sums().fill_null(0.0)
    return sold.mutate(**{TOTAL: rest, KIND: ibis.literal("return")}).filter(rest > 0)


STRIPE = Preset(
    name="stripe_charges",
    title="Stripe: charges",
    file="charge objects of the API as JSON lines or Parquet, one charge a row.",
    counts=(
        "A charge that succeeded and was captured is a purchase of what was captured, tax and shipping included, in "
        "whole units of its currency. Failed, pending and uncaptured charges become payment_failed, "
        "payment_pending and payment_authorized, none of them a sale; test charges, objects that are no charge "
        "and repeated ids are refused. Each refund adds one row, a return dated as the refund where "
        "refunds.data lists it, else as the charge. Disputes leave a charge as it is."
    ),
    cites=(
        "https://github.com/stripe/stripe-python stripe/_charge.py",
        "https://docs.stripe.com/currencies",
        "https://docs.stripe.com/api/charges/capture",
    ),
    columns={
        "customer_id": (_id_of("customer"), lowered("billing_details.email", "receipt_email")),
        "timestamp": WHEN,
        "kind": KIND,
        "order_id": ORDER,
        "amount": AMOUNT,
        "place": "billing_details.address.country",
    },
    formats=("epoch_s",),
    needs=(
        ("customer_id", ("customer", "billing_details", "receipt_email")),
        ("timestamp", ("created",)),
        ("amount", ("amount",)),
        ("amount", ("currency",)),
        ("kind", ("status", "paid")),
    ),
    nested={
        "billing_details": {"email": TEXT, "address": fields("country")},
        "refunds": {"data": [fields("amount created status")]},
    },
    lines=_stripe_lines,
    currency="currency",
)
