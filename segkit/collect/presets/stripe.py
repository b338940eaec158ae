"""Stripe: charges."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ibis.expr.datatypes as dt

from segkit.collect.presets.copies import refuse_copies
from segkit.collect.presets.helper_columns import AMOUNT, HAS_ESSENTIALS, KIND, ORDER, REFUSED, TIME, TOTAL
from segkit.collect.presets.preset import Preset
from segkit.collect.presets.rows import Rows, Value, lowered
from segkit.collect.presets.sql import TEXT, as_number, fields, is_any, place_in, type_name

ZERO_DECIMALS = (
    *(
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
    ),
)
THREE_DECIMALS = ("bhd", "jod", "kwd", "omr", "tnd")
STATES = ("payment_pending", "payment_failed", "payment_authorized", "purchase")
"""From the earliest to the latest."""
REFUNDS, MOVEMENT = "segkit_refunds", "segkit_movement"


def _id_of(path: str) -> Callable[[Rows], Value | None]:
    """Return an id: the value itself, or the field `id` where the API expanded it to an object."""

    def column(rows: Rows) -> Value | None:
        plain, within = rows.at(path), rows.at(f"{path}.id")
        if plain is None or within is None or not plain.type.is_string():
            return within
        return Value(
            f"CASE WHEN starts_with({plain.sql}, '{{') THEN {within.sql} ELSE {plain.sql} END", dt.string
        )

    return column


def _reshape(rows: Rows, kinds: Mapping[str, str]) -> Rows:
    time = rows.first("created")
    captured = rows.number("amount_captured")
    not_charge = f"{rows.text('object')} != 'charge'"
    rows = rows.with_columns(
        {
            KIND: _kind(rows),
            ORDER: rows.text(_id_of("payment_intent"), "id"),
            TIME: time.sql,
            TOTAL: f"CASE WHEN {captured} > 0 THEN {captured} ELSE {rows.number('amount')} END",
            REFUSED: (
                f"CASE WHEN {not_charge} THEN 'object is no charge' "
                f"WHEN {_is_false(rows, 'livemode')} THEN 'test charge: livemode is false' END"
            ),
        },
        {TIME: time.type},
    )
    charge, listed = rows.at("id"), rows.at("refunds.data")
    back = f"coalesce({rows.number('amount_refunded')}, 0.0)"
    if charge is not None:
        # All copies have the time of the charge, so the copy in which most has happened is the latest.
        first = [f"{place_in(KIND, STATES)} DESC", f"{back} DESC"]
        first += [] if listed is None else [f"len({listed.sql}) DESC"]
        usable = f"{HAS_ESSENTIALS} AND {TOTAL} IS NOT NULL"
        rows = refuse_copies(rows, charge.sql, "charge counted already", first, usable=usable)
    rows = rows.with_columns({REFUNDS: _listed_refunds(rows)})
    rows = rows.with_columns({MOVEMENT: f"unnest({_movements(rows, back)})"})
    rows = rows.with_columns(
        {name: f"{MOVEMENT}['{name}']" for name in (KIND, TOTAL, TIME)}, {TIME: time.type}
    )
    return rows.with_columns({AMOUNT: _in_major_units(TOTAL, f"lower({rows.text('currency')})")})


def _is_false(rows: Rows, column: str) -> str:
    return f"coalesce(lower({rows.text(column)}) = 'false', false)"


def _kind(rows: Rows) -> str:
    state = f"lower({rows.text('status')})"
    return (
        f"CASE WHEN {state} = 'pending' THEN 'payment_pending' "
        f"WHEN {state} = 'failed' OR {_is_false(rows, 'paid')} THEN 'payment_failed' "
        f"WHEN {_is_false(rows, 'captured')} THEN 'payment_authorized' ELSE 'purchase' END"
    )


def _listed_refunds(rows: Rows) -> str:
    """Return the refunds with a time of their own; none for a charge that was captured in part."""
    listed = rows.at("refunds.data")
    if listed is None:
        return "CAST(NULL AS STRUCT(amount VARCHAR, created VARCHAR, status VARCHAR)[])"
    lost = is_any("refund['status']", ["failed", "canceled"])
    whole = f"coalesce({TOTAL} = {rows.number('amount')}, true)"
    return f"CASE WHEN {whole} THEN list_filter({listed.sql}, lambda refund: NOT {lost}) END"


def _movements(rows: Rows, back: str) -> str:
    """Return a list of the charge, its listed refunds and, with the time of the charge, the rest that was refunded."""

    def movement(kind: str, total: str, time: str) -> str:
        return f"struct_pack({KIND} := {kind}, {TOTAL} := {total}, {TIME} := {time})"

    amount = as_number("refund['amount']")
    created = f"TRY_CAST(refund['created'] AS {type_name(rows.types[TIME])})"
    refund = movement("'return'", amount, created)
    listed = f"coalesce(list_transform({REFUNDS}, lambda refund: {refund}), [])"
    # If a charge was captured in part, amount_refunded may include the rest.
    released = f"{rows.number('amount')} - {TOTAL}"
    returned = f"CASE WHEN {back} >= {released} THEN {back} - ({released}) ELSE {back} END"
    amounts = f"list_transform({REFUNDS}, lambda refund: {amount})"
    rest = f"({returned}) - coalesce(list_sum({amounts}), 0.0)"
    other = movement("'return'", rest, TIME)
    unlisted = f"CASE WHEN {rest} > 0 THEN [{other}] ELSE [] END"
    own = f"[{movement(KIND, TOTAL, TIME)}]"
    gave_back = f"{KIND} = 'purchase' AND {REFUSED} IS NULL AND ({back} > 0 OR len({REFUNDS}) > 0)"
    return f"CASE WHEN {gave_back} THEN {own} || {listed} || {unlisted} ELSE {own} END"


def _in_major_units(amount: str, currency: str) -> str:
    """Turn cents into whole units; Stripe writes UGX and ISK with two digits, although they have no cents."""
    whole, mills = is_any(currency, ZERO_DECIMALS), is_any(currency, THREE_DECIMALS)
    return (
        f"round(CASE WHEN {whole} THEN {amount} WHEN {mills} THEN {amount} / 1000 ELSE {amount} / 100 END, 3)"
    )


STRIPE = Preset(
    name="stripe_charges",
    title="Stripe: charges",
    file="charge objects of the API as JSON lines or Parquet, one charge a row.",
    counts=(
        "A captured charge is a purchase of the captured amount, tax and shipping included, in whole units "
        "of its currency. Failed, pending and uncaptured charges become payment_failed, payment_pending and "
        "payment_authorized, which are not sales. Test charges, other objects and repeated ids are refused. "
        "Each refund adds a return, at the time that refunds.data gives, else at the time of the charge. "
        "Disputes do not change a charge."
    ),
    cites=(
        "https://github.com/stripe/stripe-python stripe/_charge.py",
        "https://docs.stripe.com/currencies",
        "https://docs.stripe.com/api/charges/capture",
    ),
    columns={
        "customer_id": (_id_of("customer"), lowered("billing_details.email", "receipt_email")),
        "timestamp": TIME,
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
    reshape=_reshape,
    currency="currency",
)
