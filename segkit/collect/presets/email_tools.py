"""E-mail and SMS: Klaviyo's events, Mailchimp's e-mail activity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import ibis

from segkit.collect.presets.columns import as_number, at, fields, is_any, lowered, text
from segkit.collect.presets.order_lines import AMOUNT, KIND, REFUSED, repeats_refused
from segkit.collect.presets.preset import TEXT, Preset

if TYPE_CHECKING:
    import ibis.expr.types as ir


# --- Klaviyo ------------------------------------------------------------------------------------------

SOLD = "segkit sold"


def _property(name: str) -> tuple[str, ...]:
    """Where each shape of the export keeps an event's property."""
    column = "property_" + name.removeprefix("$").lower().replace(" ", "_")
    return (f"event_properties.{name}", f"attributes.event_properties.{name}", column)


def _klaviyo_kind(table: ir.Table) -> ir.Column:
    """The metric's name; the API says only its id, and `event` as the type of every row."""
    called = text(table, "type")
    named = (called == "event").fill_null(False).ifelse(ibis.null("string"), called)
    return ibis.coalesce(text(table, "event_name"), named, text(table, "relationships.metric.data.id"))


def _klaviyo_lines(table: ir.Table, kinds: Mapping[str, str]) -> ir.Table:
    table = table.mutate(**{KIND: _klaviyo_kind(table)})
    sold = is_any(table[KIND], [word for word, kind in kinds.items() if kind in ("purchase", "return")])
    said = text(table, *_property("$value"))
    worth = sold.ifelse(_klaviyo_money(said), ibis.null("float64"))
    unread = (sold & said.notnull() & worth.isnull()).ifelse("amount not a number", ibis.null("string"))
    table = table.mutate(**{AMOUNT: worth, REFUSED: unread, SOLD: sold})
    event = at(table, "id")
    if event is None:
        return table
    return repeats_refused(
        table,
        event,
        "event counted already",
        lambda events: [text(events, *KLAVIYO_TIMES)],
        usable=lambda events: ~events[SOLD] | events[AMOUNT].notnull(),
    )


def _klaviyo_money(said: ir.Column) -> ir.Column:
    """Return the number, also of $1,234.56; missing where a comma may be a decimal one, as in 1,234."""
    bare = said.re_replace(r"^(-?) *[$€£¥] *", r"\1")
    grouped = bare.re_search(r"^-?[0-9]{1,3}(,[0-9]{3})+\.[0-9]+$")
    plain = bare.re_search(r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$")
    number = ibis.cases((grouped, bare.replace(",", "")), (plain, bare))
    return as_number(number)


KLAVIYO_TIMES = ("attributes.datetime", "datetime", "timestamp")
KLAVIYO_PROPERTIES = {
    **fields("$value $event_id URL"),
    **dict.fromkeys(("Campaign Name", "Client Type"), TEXT),
}
KLAVIYO = Preset(
    name="klaviyo",
    title="Klaviyo: events of profiles",
    file=(
        "events as JSON lines or Parquet, as the API gives them or as connectors write them to a warehouse "
        "(Airbyte's events, Fivetran's event), one event a row."
    ),
    counts=(
        "One event a row. Placed Order is the purchase, by its value; Ordered Product, which tells of the same money "
        "product by product, keeps its name and counts as no sale, and so do Fulfilled and Cancelled Order. A sale "
        "whose value is not surely a number (258,54) is refused, and so is an event whose id came before. The "
        'API names a metric by its id only: kinds={"<metric id>": "email_open"}.'
    ),
    cites=(
        "https://developers.klaviyo.com/en/reference/events_api_overview",
        "https://github.com/airbytehq/airbyte source-klaviyo schemas/events.json",
        "https://github.com/fivetran/dbt_klaviyo integration_tests/seeds/event.csv",
        "https://help.klaviyo.com/hc/en-us/articles/360036974872",
        "https://help.klaviyo.com/hc/en-us/articles/360035345572-SMS-Metrics",
    ),
    columns={
        "customer_id": lowered(
            "person.$email", "person.email", "person.id", "person_id", "relationships.profile.data.id"
        ),
        "timestamp": KLAVIYO_TIMES,
        "kind": KIND,
        "order_id": _property("$event_id"),
        "amount": AMOUNT,
        "campaign": (*_property("Campaign Name"), "campaign_id", "flow_id"),
        "page": _property("URL"),
        "device": _property("Client Type"),
    },
    kinds={
        "Received Email": "email_sent",
        "Opened Email": "email_open",
        "Clicked Email": "email_click",
        "Unsubscribed": "email_unsubscribe",
        "Received SMS": "sms_sent",
        "Clicked SMS": "sms_click",
        "Unsubscribed from SMS": "sms_unsubscribe",
        "Viewed Product": "page_view",
        "Placed Order": "purchase",
        "Refunded Order": "return",
    },
    nested={
        "event_properties": KLAVIYO_PROPERTIES,
        "attributes": {"datetime": TEXT, "event_properties": KLAVIYO_PROPERTIES},
        "person": fields("id $email email"),
        "relationships": {"profile": {"data": fields("id")}, "metric": {"data": fields("id")}},
    },
    needs=(
        ("customer_id", ("person", "person_id", "relationships")),
        ("kind", ("event_name", "type", "relationships")),
    ),
    lines=_klaviyo_lines,
)


# --- Mailchimp ----------------------------------------------------------------------------------------

ACTIVITY = "segkit activity"


def _mailchimp_lines(table: ir.Table, kinds: Mapping[str, str]) -> ir.Table:
    """Turn the list of what a recipient did into rows; where it is empty, there is nothing with a time."""
    done = at(table, "activity")
    if done is None:
        return table.mutate(**{ACTIVITY: _flat_activity(table)})
    each = table.mutate(**{ACTIVITY: done}).unnest(ACTIVITY, keep_empty=True)
    nothing = each[ACTIVITY].isnull()
    return each.mutate(
        **{
            REFUSED: nothing.ifelse(
                "no activity: sent the e-mail, did nothing with a time", ibis.null("string")
            )
        }
    )


def _flat_activity(table: ir.Table) -> ir.Column:
    return ibis.struct({name: text(table, name) for name in ("action", "timestamp", "url")})


MAILCHIMP = Preset(
    name="mailchimp",
    title="Mailchimp: e-mail activity of a campaign's recipients",
    file=(
        "the Marketing API's report email-activity as JSON lines or Parquet: one recipient a row with the list "
        "`activity`, or, as Airbyte writes it, one activity a row."
    ),
    counts=(
        "Each activity is one event. Recipients without any are refused and counted: the report says that they were "
        "sent the e-mail, but not when."
    ),
    cites=("https://github.com/airbytehq/airbyte source-mailchimp schemas/email_activity.json",),
    columns={
        "customer_id": lowered("email_address", "email_id"),
        "timestamp": f"{ACTIVITY}.timestamp",
        "kind": f"{ACTIVITY}.action",
        "campaign": "campaign_id",
        "page": f"{ACTIVITY}.url",
    },
    kinds={"open": "email_open", "click": "email_click", "bounce": "email_bounce"},
    needs=(
        ("customer_id", ("email_address", "email_id")),
        ("kind", ("activity", "action")),
        ("timestamp", ("activity", "timestamp")),
    ),
    nested={"activity": [fields("action timestamp url")]},
    lines=_mailchimp_lines,
)
