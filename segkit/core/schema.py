"""The schema of the log: standard columns, their types, and the kinds of event."""

STANDARD = {
    "customer_id": "text",
    "timestamp": "time",
    "kind": "text",
    "event_id": "text",
    "order_id": "text",
    "product_id": "text",
    "category": "text",
    "brand": "text",
    "quantity": "number",
    "amount": "number",
    "discount": "number",
    "channel": "text",
    "campaign": "text",
    "page": "text",
    "duration": "number",
    "rating": "number",
    "text": "text",
    "sentiment": "number",
    "place": "text",
    "zone": "text",
    "device": "text",
}
"""The standard columns in their order, and whether each holds text, numbers or times."""

KINDS = (
    *("purchase", "return", "page_view", "search", "cart_add", "visit", "survey", "review", "chat"),
    *(
        f"{by}_{what}"
        for by in ("email", "push", "sms", "ad")
        for what in ("sent", "open", "click", "unsubscribe", "subscribe")
    ),
    *("social_like", "social_share", "social_comment", "social_mention"),
)
"""The known kinds of event. Other kinds may occur in a log too."""

TYPE_OF = {"text": "string", "number": "float64", "time": "timestamp(6)"}
"""The Ibis types of text, numbers and times."""

EXACT = ("quantity", "amount", "discount", "rating", "sentiment")
"""Columns that features sum as decimals, so that sums do not depend on the order of rows."""

BASES = ("demographic", "geographic", "psychographic", "behavioural")
"""The four bases of segmentation."""
