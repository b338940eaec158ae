"""Segment: track, page, screen and identify calls."""

from __future__ import annotations

from collections.abc import Mapping

from segkit.collect.presets.copies import refuse_copies
from segkit.collect.presets.helper_columns import (
    AMOUNT,
    CUSTOMER,
    DISCOUNT,
    ITEM,
    KIND,
    ORDER,
    ORDER_KEY,
    TIME,
    TOTAL,
)
from segkit.collect.presets.order_lines import (
    USABLE_SALE,
    no_products,
    order_or,
    refuse_unread,
    sales_as_lines,
    with_sales,
)
from segkit.collect.presets.preset import Preset
from segkit.collect.presets.rows import Rows
from segkit.collect.presets.sql import TEXT, coalesced, fields, in_known_spelling, type_of_shape


def _property(name: str) -> tuple[str, str]:
    """Return the two places of a property: in JSON, and in a warehouse, where it is a column."""
    return (f"properties.{name}", name)


def _kind(rows: Rows, kinds: Mapping[str, str]) -> str:
    """Return the name of a track call's event, the type of any other call."""
    called, event = rows.text("type"), rows.text("event_text", "event")
    event = in_known_spelling(event, {word: kind for word, kind in kinds.items() if word not in CALLS})
    return (
        f"coalesce(CASE WHEN coalesce({called}, 'track') = 'track' THEN {event} ELSE {called} END, {called})"
    )


def _reshape(rows: Rows, kinds: Mapping[str, str]) -> Rows:
    rows = rows.with_columns({KIND: _kind(rows, kinds)})
    shipping, tax = (f"coalesce({rows.number(*_property(name))}, 0.0)" for name in ("shipping", "tax"))
    order = rows.text(*_property("order_id"))
    sale = {
        ORDER: order,
        ORDER_KEY: order,
        TOTAL: coalesced(
            rows.number(*_property("subtotal")),
            f"({rows.number(*_property('total'))}) - {shipping} - {tax}",
            rows.number(*_property("revenue"), *_property("value")),
        ),
        TIME: rows.text(*TIMES),
        CUSTOMER: rows.text(*CUSTOMER_IDS),
    }
    item = type_of_shape(PRODUCT)
    products = rows.first(*_property("products"), no_products(item)).sql
    rows = with_sales(rows, kinds, columns=sale, products=products)
    money = (place for name in ("subtotal", "total", "revenue", "value") for place in _property(name))
    rows = refuse_unread(rows, rows.text(*money))
    call = rows.at("messageId") or rows.at("id")
    if call is not None:
        rows = refuse_copies(rows, call.sql, "call counted already", [rows.text(*TIMES)], usable=USABLE_SALE)
    lines = sales_as_lines(rows, item)
    own = f"'segment ' || {rows.text('messageId', 'id')}"
    return lines.with_columns({ORDER: order_or(own)})


def _both_spellings(events: Mapping[str, str]) -> dict[str, str]:
    """Add the names that warehouses give to events, such as order_completed."""
    return {**events, **{name.lower().replace(" ", "_"): kind for name, kind in events.items()}}


CALLS = ("page", "screen")
CUSTOMER_IDS = ("userId", "user_id", "anonymousId", "anonymous_id")
TIMES = ("timestamp", "originalTimestamp", "original_timestamp", "receivedAt", "received_at")
PRODUCT = fields("product_id sku name category brand price quantity coupon")
SEGMENT = Preset(
    name="segment",
    title="Segment: track, page, screen and identify calls",
    file="calls as JSON lines, or a warehouse's table of them (tracks, pages, order_completed, …), one call a row.",
    counts=(
        "Order Completed and Order Refunded are one row for each product. The rows share the subtotal, else "
        "the total without shipping and tax, else the revenue, in proportion to price × quantity. Repeated "
        "messageIds and order_ids are refused, and so are refunds without an amount; of two orders at one "
        "moment, the first by customer counts. Order Cancelled and Order Updated are not sales. If no other "
        'event says how much went back: kinds={"Order Cancelled": "return"}.'
    ),
    cites=(
        "https://github.com/segmentio/segment-docs src/connections/spec/common.md",
        "https://github.com/segmentio/segment-docs src/connections/spec/alias.md",
        "https://github.com/segmentio/segment-docs src/connections/spec/ecommerce/v2.md",
        "https://github.com/segmentio/segment-docs src/connections/spec/email.md",
        "https://github.com/segmentio/segment-docs src/connections/spec/live-chat.md",
        "https://www.twilio.com/docs/segment/spec/mobile",
        "https://github.com/segmentio/segment-docs src/connections/storage/warehouses/schema.md",
    ),
    columns={
        "customer_id": CUSTOMER_IDS,
        "timestamp": TIMES,
        "kind": KIND,
        "order_id": (ORDER, *_property("order_id")),
        "product_id": (
            f"{ITEM}.sku",
            f"{ITEM}.product_id",
            f"{ITEM}.name",
            *_property("sku"),
            *_property("product_id"),
        ),
        "category": (f"{ITEM}.category", *_property("category")),
        "brand": (f"{ITEM}.brand", *_property("brand")),
        "quantity": (f"{ITEM}.quantity", *_property("quantity")),
        "amount": AMOUNT,
        "discount": DISCOUNT,
        "channel": ("context.campaign.medium", "context_campaign_medium", "channel"),
        "campaign": (
            *_property("campaign_name"),
            *_property("campaign_id"),
            "context.campaign.name",
            "context_campaign_name",
        ),
        "page": ("context.page.url", "context_page_url", *_property("url")),
        "rating": _property("rating"),
        "text": (*_property("message_body"), *_property("review_body")),
        "place": ("context.location.country", "context_location_country"),
        "zone": ("context.timezone", "context_timezone"),
        "device": ("context.device.type", "context_device_type"),
    },
    kinds={
        "page": "page_view",
        "screen": "page_view",
        **_both_spellings(
            {
                "Products Searched": "search",
                "Product Added": "cart_add",
                "Added Product": "cart_add",
                "Order Completed": "purchase",
                "Completed Order": "purchase",
                "Order Refunded": "return",
                "Product Reviewed": "review",
                "Product Shared": "social_share",
                "Cart Shared": "social_share",
                "Application Opened": "visit",
                "Email Delivered": "email_sent",
                "Email Bounced": "email_bounce",
                "Email Opened": "email_open",
                "Email Link Clicked": "email_click",
                "Unsubscribed": "email_unsubscribe",
                "Push Notification Received": "push_sent",
                "Push Notification Tapped": "push_open",
                "Push Notification Bounced": "push_bounce",
                "Live Chat Message Sent": "chat",
            }
        ),
    },
    nested={
        "properties": {
            **fields(
                "order_id total subtotal revenue value shipping tax currency product_id sku category brand"
            ),
            **fields("quantity url rating review_body message_body campaign_id campaign_name"),
            "products": [PRODUCT],
        },
        "products": [PRODUCT],
        "context": {
            "campaign": fields("name medium"),
            "page": fields("url"),
            "location": fields("country"),
            "device": fields("type"),
            "timezone": TEXT,
        },
    },
    needs=(("kind", ("type", "event", "event_text")),),
    reshape=_reshape,
    aliases=(
        (("anonymousId", "anonymous_id"), ("userId", "user_id")),
        (("previousId", "previous_id"), ("userId", "user_id")),
    ),
    currency=_property("currency"),
)
