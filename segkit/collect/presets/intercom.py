"""Intercom: conversations."""

from __future__ import annotations

from collections.abc import Mapping

from segkit.collect.presets.conversations import refuse_older_copies, with_ratings
from segkit.collect.presets.helper_columns import KIND, RATING, TEXT_SAID, TIME
from segkit.collect.presets.preset import Preset
from segkit.collect.presets.rows import Rows
from segkit.collect.presets.sql import fields, is_any


def _reshape(rows: Rows, kinds: Mapping[str, str]) -> Rows:
    rating = rows.number("conversation_rating.rating")
    rows = refuse_older_copies(rows, "conversation", rating)
    created = rows.first("created_at")
    from_shop = is_any(f"lower({rows.text('source.author.type')})", ["admin", "bot", "team"])
    body = f"regexp_replace({rows.text('source.body', 'source.subject')}, '<[^>]*>', ' ', 'g')"
    words = f"nullif(trim(regexp_replace({body}, '\\s+', ' ', 'g')), '')"
    rows = rows.with_columns(
        {
            KIND: f"CASE WHEN {from_shop} THEN 'outreach' ELSE 'chat' END",
            TIME: created.sql,
            TEXT_SAID: f"CASE WHEN NOT {from_shop} THEN {words} END",
        },
        {TIME: created.type},
    )
    time = rows.text("conversation_rating.updated_at", "conversation_rating.created_at", "updated_at")
    return with_ratings(rows, rating, time, rows.text("conversation_rating.remark"))


INTERCOM = Preset(
    name="intercom",
    title="Intercom: conversations",
    file="conversation objects of the API as JSON lines or Parquet, one conversation a row.",
    counts=(
        "A conversation is a chat at the time of its first message, with that message as the text; if your "
        "side began it, it is an outreach. A rated conversation (1 to 5) adds a review at the time of the "
        "rating, with the remark as the text. Of several copies of a conversation, the latest counts."
    ),
    cites=(
        "https://github.com/airbytehq/airbyte source-intercom schemas/conversations.json",
        "https://developers.intercom.com/docs/references/rest-api/api.intercom.io/Models/contact_reference/",
        "https://developers.intercom.com/docs/references/1.3/rest-api/conversations/conversation-rating-model",
    ),
    columns={
        "customer_id": (
            "contacts.contacts.0.external_id",
            "contacts.contacts.0.id",
            "user.id",
            "customers.0.id",
        ),
        "timestamp": TIME,
        "kind": KIND,
        "channel": "source.type",
        "page": "source.url",
        "rating": RATING,
        "text": TEXT_SAID,
    },
    formats=("epoch_s",),
    needs=(("timestamp", ("created_at",)),),
    nested={
        "source": {**fields("type body subject url"), "author": fields("type")},
        "contacts": {"contacts": [fields("id external_id")]},
        "customers": [fields("id")],
        "user": fields("id"),
        "conversation_rating": fields("rating remark created_at updated_at"),
    },
    reshape=_reshape,
)
