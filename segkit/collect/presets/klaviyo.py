"""Klaviyo: events of profiles."""

from __future__ import annotations

from collections.abc import Mapping

from segkit.collect.presets.copies import refuse_copies
from segkit.collect.presets.helper_columns import AMOUNT, HAS_ESSENTIALS, IS_SALE, KIND, REFUSED
from segkit.collect.presets.preset import Preset
from segkit.collect.presets.rows import Rows, lowered
from segkit.collect.presets.sql import TEXT, as_number, coalesced, fields, is_any, is_true, robot_where


def _property(name: str) -> tuple[str, ...]:
    """Return the place of an event's property in each shape of the export."""
    column = "property_" + name.removeprefix("$").lower().replace(" ", "_")
    return (f"event_properties.{name}", f"attributes.event_properties.{name}", column)


def _reshape(rows: Rows, kinds: Mapping[str, str]) -> Rows:
    # In the API, every row has the type `event`, and only the id of its metric.
    kind = coalesced(
        rows.text("event_name"),
        f"nullif({rows.text('type')}, 'event')",
        rows.text("relationships.metric.data.id"),
    )
    rows = rows.with_columns({KIND: kind})
    value = rows.text(*_property("$value"))
    sold = is_any(KIND, [word for word, kind in kinds.items() if kind in ("purchase", "return")])
    rows = rows.with_columns({IS_SALE: sold, AMOUNT: f"CASE WHEN {sold} THEN {_money(value)} END"})
    unread = f"{IS_SALE} AND {value} IS NOT NULL AND {AMOUNT} IS NULL"
    rows = rows.with_columns({REFUSED: f"CASE WHEN {unread} THEN 'amount not a number' END"})
    event = rows.at("id")
    if event is None:
        return rows
    usable = f"{HAS_ESSENTIALS} AND (NOT {IS_SALE} OR {AMOUNT} IS NOT NULL)"
    return refuse_copies(rows, event.sql, "event counted already", [rows.text(*TIMES)], usable=usable)


def _money(value: str) -> str:
    """Return an amount such as $1,234.56 as a number; missing where a comma may be a decimal comma, as in 1,234."""
    bare = f"regexp_replace({value}, '^(-?) *[$€£¥] *', '\\1')"
    has_commas = f"regexp_matches({bare}, '^-?[0-9]{{1,3}}(,[0-9]{{3}})+\\.[0-9]+$')"
    is_plain = f"regexp_matches({bare}, '^-?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?$')"
    return as_number(f"CASE WHEN {has_commas} THEN replace({bare}, ',', '') WHEN {is_plain} THEN {bare} END")


def _robots(rows: Rows) -> str:
    return robot_where(
        {
            "Klaviyo marks the click as a bot's (Bot Click)": is_true(rows.text(*_property(BOT_CLICK))),
            "perhaps opened by Apple's mail privacy (Apple Privacy Open)": is_true(
                rows.text(*_property(PRIVACY_OPEN))
            ),
        }
    )


BOT_CLICK, PRIVACY_OPEN = "Bot Click", "Apple Privacy Open"
TIMES = ("attributes.datetime", "datetime", "timestamp")
PROPERTIES = {
    **fields("$value $event_id URL"),
    **dict.fromkeys(("Campaign Name", "Client Type", BOT_CLICK, PRIVACY_OPEN), TEXT),
}
KLAVIYO = Preset(
    name="klaviyo",
    title="Klaviyo: events of profiles",
    file=(
        "events as JSON lines or Parquet, as the API gives them or as connectors write them to a warehouse "
        "(Airbyte's events, Fivetran's event), one event a row."
    ),
    counts=(
        "One event a row. Placed Order is a purchase of its value. Ordered Product repeats that value "
        "product by product, so it is not a sale; neither are Fulfilled Order and Cancelled Order. A sale "
        "is refused if its value may not be a number (258,54), and so is a repeated event id. Refused "
        "as a robot's are clicks with Bot Click, and opens with Apple Privacy Open: these may be opened by Apple or by "
        "the customer. The API gives "
        'only the ids of metrics; say what they mean: kinds={"<metric id>": "email_open"}.'
    ),
    cites=(
        "https://developers.klaviyo.com/en/reference/events_api_overview",
        "https://github.com/airbytehq/airbyte source-klaviyo schemas/events.json",
        "https://github.com/fivetran/dbt_klaviyo integration_tests/seeds/event.csv",
        "https://help.klaviyo.com/hc/en-us/articles/360036974872",
        "https://help.klaviyo.com/hc/en-us/articles/360035345572-SMS-Metrics",
        "https://help.klaviyo.com/hc/en-us/articles/115005080447",
        "https://help.klaviyo.com/hc/en-us/articles/4416791883163",
    ),
    columns={
        "customer_id": lowered(
            "person.$email", "person.email", "person.id", "person_id", "relationships.profile.data.id"
        ),
        "timestamp": TIMES,
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
        "Bounced Email": "email_bounce",
        "Dropped Email": "email_dropped",
        "Subscribed to Email Marketing": "email_subscribe",
        "Unsubscribed from Email Marketing": "email_unsubscribe",
        "Unsubscribed": "email_unsubscribe",
        "Received SMS": "sms_sent",
        "Clicked SMS": "sms_click",
        "Failed to Deliver SMS": "sms_failed",
        "Subscribed to SMS Marketing": "sms_subscribe",
        "Consented to Receive SMS": "sms_subscribe",
        "Unsubscribed from SMS Marketing": "sms_unsubscribe",
        "Unsubscribed from SMS": "sms_unsubscribe",
        "Received Push": "push_sent",
        "Opened Push": "push_open",
        "Bounced Push": "push_bounce",
        "Active on Site": "visit",
        "Viewed Product": "page_view",
        "Viewed Collection": "page_view",
        "Submitted Search": "search",
        "Added to Cart": "cart_add",
        "Placed Order": "purchase",
        "Refunded Order": "return",
        "Submitted Review": "review",
    },
    nested={
        "event_properties": PROPERTIES,
        "attributes": {"datetime": TEXT, "event_properties": PROPERTIES},
        "person": fields("id $email email"),
        "relationships": {"profile": {"data": fields("id")}, "metric": {"data": fields("id")}},
    },
    needs=(
        ("customer_id", ("person", "person_id", "relationships")),
        ("kind", ("event_name", "type", "relationships")),
    ),
    reshape=_reshape,
    robots=_robots,
)
