"""The words of the log: its standard columns, what they hold, and the kinds of event."""

STANDARD = {
    "customer_id": "text",
    "timestamp": "time",
    "kind": "text",
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
"""The standard columns and what they hold, in their order (DESIGN §5)."""

KINDS = (
    *("purchase", "return", "page_view", "search", "cart_add", "visit", "survey", "review", "chat"),
    *(
        f"{by}_{what}"
        for by in ("email", "push", "sms", "ad")
        for what in ("sent", "open", "click", "unsubscribe")
    ),
    *("social_like", "social_share", "social_comment", "social_mention"),
)
"""The kinds of event that segkit knows; others are welcome and counted."""

TYPE_OF = {"text": "string", "number": "float64", "time": "timestamp(6)"}
"""The Ibis type of each of them."""

EXACT = ("quantity", "amount", "discount", "rating", "sentiment")  # summed as decimals, see features/_grains

BASES = ("demographic", "geographic", "psychographic", "behavioural")
"""What segments can be made from."""
