"""Shops and payments: Shopify's export of orders, Stripe's charges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import ibis

from segkit.collect.presets.columns import (
    as_number,
    at,
    fields,
    filled,
    first,
    is_any,
    lowered,
    number,
    place_in,
    text,
)
from segkit.collect.presets.order_lines import (
    AMOUNT,
    DISCOUNT,
    KIND,
    ORDER,
    PART,
    PLACE,
    REFUSED,
    REPEATED,
    SALE,
    TOTAL,
    WHEN,
    WORTH,
    alike,
    repeats_refused,
    shared,
)
from segkit.collect.presets.preset import TEXT, Preset
from segkit.collect.values import is_blank, not_a_number

if TYPE_CHECKING:
    import ibis.expr.types as ir

FIRST = "segkit first"
OFF = "segkit off"
HEAD, OWN, LABEL = "segkit head", "segkit own", "segkit label"
SEVERAL, NAME_ABOVE, MAIL_ABOVE = "segkit several", "segkit name above", "segkit mail above"
LINE, TIMES, NTH, COPIES = "segkit line", "segkit times", "segkit nth", "segkit copies"
UNCLEAR = "one of several orders of a name: unclear which"

# --- Shopify ------------------------------------------------------------------------------------------

OF_A_LINE = ("lineitem", "vendor", "name", "segkit ")
"""How the columns begin that are each line's own; all others Shopify writes in the first line of an order only."""
STATES = [
    "pending",
    "authorized",
    "expired",
    "voided",
    "partially_paid",
    "paid",
    "partially_refunded",
    "refunded",
]
"""Of a payment, in the order in which they follow each other."""


def _shopify_lines(table: ir.Table, kinds: Mapping[str, str]) -> ir.Table:
    every = _shopify_copies(_shopify_orders(table))
    aside = every.filter(every[REFUSED].notnull())
    return alike(_shopify_sales(every.filter(every[REFUSED].isnull()).drop(REFUSED)), aside)


def _shopify_sales(lines: ir.Table) -> ir.Table:
    """Share each order's money among its lines, and add what went back."""
    whole = ibis.window(group_by=SALE)
    known = {name: filled(lines[name]).max().over(whole) for name in _of_the_order(lines)}
    known |= {name: _latest(lines[name], whole) for name in known if name.lower() == "financial status"}
    lines = lines.mutate(**known)
    cost = number(lines, "Lineitem price") * number(lines, "Lineitem quantity").fill_null(1.0)
    off = number(lines, "Lineitem discount").fill_null(0.0)
    by_content = [cost.desc(), text(lines, "Lineitem sku", "Lineitem name"), lines[PLACE]]
    nth = ibis.row_number().over(ibis.window(group_by=lines[SALE], order_by=by_content))
    lines = lines.mutate(**{TOTAL: number(lines, "Subtotal"), WORTH: cost - off, PLACE: nth, OFF: off})
    lines = shared(lines.mutate(**{KIND: _shopify_kind(lines), FIRST: nth == 0}))
    lines = lines.mutate(**{DISCOUNT: (lines[DISCOUNT] + lines[OFF]).round(6)})
    lines = lines.mutate(**{REFUSED: ibis.coalesce(_shopify_test(lines), _shopify_unread(lines))})
    return alike(lines.drop(FIRST, OFF, TOTAL), _shopify_refunds(lines))


def _latest(status: ir.Column, whole: ibis.expr.builders.WindowBuilder) -> ir.Column:
    """Return the latest state that copies of an order tell of; of states that are not known, the last by letter."""
    place = place_in(status.lower(), STATES).max().over(whole)
    words = ((place == at, ibis.literal(word)) for at, word in enumerate(STATES))
    return ibis.cases(*words, else_=filled(status).max().over(whole))


def _shopify_orders(table: ir.Table) -> ir.Table:
    """Say of each line, under `SALE`, whose order it is; a line without a name belongs to the one above.

    Two stores may both have an order #1001. What was written at another moment, for another customer or under
    another id is another order; a line that says none of that belongs to the one above, if that has its name.
    """
    table = _shopify_heads(table)
    nothing = ibis.null("string")
    theirs = (_email(table) == table[MAIL_ABOVE]).fill_null(True) & (table[NAME_ABOVE] == table[ORDER])
    lost = table[SEVERAL] & ~(table[HEAD] | theirs.fill_null(False))
    apart = table[SEVERAL] & ~lost
    table = table.mutate(
        **{
            REFUSED: lost.ifelse(UNCLEAR, nothing),
            SALE: apart.ifelse(table[ORDER] + " " + table[OWN], table[ORDER]),
            ORDER: apart.ifelse(table[ORDER] + " " + table[LABEL], table[ORDER]),
        }
    )
    return table.drop(OWN, LABEL, SEVERAL, NAME_ABOVE, MAIL_ABOVE)


def _email(table: ir.Table) -> ir.Column:
    return text(table, "Email").lower()


def _shopify_heads(table: ir.Table) -> ir.Table:
    """Mark the first lines of orders, under `HEAD`, and write what tells them apart into the lines below."""
    table = table.mutate(**{PLACE: ibis.row_number(), ORDER: text(table, "Name")})
    table = _from_above(table.mutate(**{HEAD: table[ORDER].notnull()}), ORDER)
    identity, made, email = text(table, "Id"), text(table, "Created at"), _email(table)
    label = ibis.coalesce(identity, made, email)
    own = ibis.coalesce(identity, made.fill_null("") + " " + email.fill_null(""))
    head = text(table, "Financial Status", "Subtotal", "Total").notnull() & label.notnull()
    of_a_head = {OWN: own, LABEL: label, NAME_ABOVE: table[ORDER], MAIL_ABOVE: email.fill_null("")}
    nothing = ibis.null("string")
    table = table.mutate(**{HEAD: head}, **{name: head.ifelse(c, nothing) for name, c in of_a_head.items()})
    named = ibis.window(group_by=ORDER)
    several = table[OWN].min().over(named) != table[OWN].max().over(named)
    return _from_above(table.mutate(**{SEVERAL: several.fill_null(False)}), *of_a_head)


def _from_above(table: ir.Table, *columns: str) -> ir.Table:
    """Fill columns down, from each row that is marked under `HEAD` to those below it that are not."""
    upto = ibis.window(order_by=PLACE, preceding=None, following=0)
    table = table.mutate(**{PART: table[HEAD].cast("int64").sum().over(upto)})
    below = ibis.window(group_by=PART)
    return table.mutate(**{column: table[column].max().over(below) for column in columns}).drop(PART)


def _shopify_copies(lines: ir.Table) -> ir.Table:
    """Refuse what was read before: an order stands there as often as the rarest of its first lines does.

    Of copies that differ the one counts that tells of more: of more money that went back, of a cancellation, or of
    a later state of the payment.
    """
    parts = ("Lineitem name", "Lineitem sku", "Lineitem price", "Lineitem quantity")
    what = ibis.literal("|").join([text(lines, part).fill_null("") for part in parts])
    lines = lines.mutate(**{LINE: what})
    same = [lines[SALE], lines[HEAD], lines[LINE]]
    later = [
        number(lines, "Refunded Amount").fill_null(0.0).desc(),
        text(lines, "Cancelled at", "Canceled at").desc(),
        place_in(text(lines, "Financial Status").lower(), STATES).desc(),
        lines[PLACE],
    ]
    lines = lines.mutate(
        **{
            TIMES: lines[PLACE].count().over(ibis.window(group_by=same)),
            NTH: ibis.row_number().over(ibis.window(group_by=same, order_by=later)),
        }
    )
    heads = lines[HEAD].ifelse(lines[TIMES], ibis.null("int64")).min().over(ibis.window(group_by=lines[SALE]))
    lines = lines.mutate(**{COPIES: heads.fill_null(1)})
    again = lines[NTH] * lines[COPIES] >= lines[TIMES]
    again = (again & lines[SALE].notnull()).ifelse(REPEATED, ibis.null("string"))
    lines = lines.mutate(**{REFUSED: ibis.coalesce(lines[REFUSED], again)})
    return lines.drop(HEAD, LINE, TIMES, NTH, COPIES)


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


def _shopify_unread(lines: ir.Table) -> ir.Column:
    """Say which money of a sale is written in a way that is no number: without it, the sale would be another."""

    def unread(name: str) -> ir.BooleanValue:
        return sold & ~is_blank(text(lines, name)) & number(lines, name).isnull()

    sold = (lines[KIND] == "purchase").fill_null(False)
    cases = [
        (unread(name), not_a_number(name, text(lines, name))) for name in ("Subtotal", "Refunded Amount")
    ]
    price = "Lineitem price"  # not asked for where the order says what it comes to
    cases.append((unread(price) & lines[AMOUNT].isnull(), not_a_number(price, text(lines, price))))
    return ibis.cases(*((when.fill_null(False), why) for when, why in cases))


def _shopify_refunds(lines: ir.Table) -> ir.Table:
    """Return a row for each order that money went back for: as much of it as was for goods, by their share."""
    used = lines[FIRST] & lines[REFUSED].isnull()
    sold = lines.filter(used & (lines[KIND] == "purchase") & (number(lines, "Refunded Amount") > 0))
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
        "it, dated as the order, since the file does not say when money went back. Orders of one Name that differ in "
        "Id, else in Created at or Email, are several, told apart in order_id; a line that could be of either is "
        "refused, and so are a sale whose Subtotal or Refunded Amount is no number (1,200.00 has a comma) and the "
        "lines of an order that was read before; of two exports of an order the one counts that tells of a later "
        "state of it."
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
    charges = table.mutate(
        **{
            KIND: _stripe_kind(table),
            ORDER: text(table, _id_of("payment_intent"), "id"),
            WHEN: first(table, "created"),
            TOTAL: _stripe_paid(table),
            REFUSED: _stripe_reason(table),
        }
    )
    charge = at(charges, "id")
    if charge is not None:
        charges = repeats_refused(
            charges,
            charge,
            "charge counted already",
            _stripe_latest,
            usable=lambda copies: copies[TOTAL].notnull(),
        )
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
    other = (text(charges, "object") != "charge").fill_null(False)
    test = _said_no(text(charges, "livemode"))
    return ibis.cases((other, "object is no charge"), (test, "test charge: livemode is false"))


def _stripe_latest(copies: ir.Table) -> list[ir.Value]:
    """Copies of a charge bear one time, that it was made at: the latest is the one that tells of more."""
    states = ["payment_pending", "payment_failed", "payment_authorized", "purchase"]
    listed = at(copies, "refunds.data")
    refunds = [] if listed is None else [listed.length().desc()]
    back = number(copies, "amount_refunded").fill_null(0.0)
    return [place_in(copies[KIND], states).desc(), back.desc(), *refunds]


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
