"""Zendesk Support: tickets."""

from __future__ import annotations

from collections.abc import Mapping

from segkit.collect.presets.conversations import refuse_older_copies, with_ratings
from segkit.collect.presets.helper_columns import KIND, RATING, TEXT_SAID, TIME
from segkit.collect.presets.preset import Preset
from segkit.collect.presets.rows import Rows
from segkit.collect.presets.sql import fields


def _reshape(rows: Rows, kinds: Mapping[str, str]) -> Rows:
    score = f"lower({rows.text('satisfaction_rating.score')})"
    rating = f"CASE WHEN starts_with({score}, 'good') THEN 5.0 WHEN starts_with({score}, 'bad') THEN 1.0 END"
    rows = refuse_older_copies(rows, "ticket", rating)
    created = rows.first("created_at")
    talks = {KIND: "'chat'", TIME: created.sql, TEXT_SAID: rows.text("description", "subject")}
    rows = rows.with_columns(talks, {TIME: created.type})
    time = rows.text("satisfaction_rating.updated_at", "satisfaction_rating.created_at", "updated_at")
    return with_ratings(rows, rating, time, rows.text("satisfaction_rating.comment"))


ZENDESK = Preset(
    name="zendesk",
    title="Zendesk Support: tickets",
    file="ticket objects of the API or of the JSON export as JSON lines or Parquet, one ticket a row.",
    counts=(
        "A ticket is a chat at the time of its creation, with its description as the text. A rated ticket "
        "adds a review: good is 5 stars, bad is 1. The review has the time of the rating, else of the "
        "ticket's last update. Of several copies of a ticket, the latest counts."
    ),
    cites=(
        "https://github.com/airbytehq/airbyte source-zendesk-support schemas/shared/tickets.json",
        "https://github.com/airbytehq/airbyte source-zendesk-support schemas/satisfaction_ratings.json",
        "https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/",
    ),
    columns={
        "customer_id": "requester_id",
        "timestamp": TIME,
        "kind": KIND,
        "channel": "via.channel",
        "rating": RATING,
        "text": TEXT_SAID,
    },
    needs=(("timestamp", ("created_at",)),),
    nested={
        "via": fields("channel"),
        "satisfaction_rating": fields("score comment created_at updated_at"),
    },
    reshape=_reshape,
)
