"""Mailchimp: the e-mail activity of the recipients of a campaign."""

from __future__ import annotations

from collections.abc import Mapping

from segkit.collect.presets.helper_columns import REFUSED
from segkit.collect.presets.preset import Preset
from segkit.collect.presets.rows import Rows, lowered
from segkit.collect.presets.sql import fields, type_of_shape

ACTIVITY = "segkit_activity"
ACTIVITY_SHAPE = fields("action timestamp url campaign_id")
NO_ACTIVITY = "no activity: the report does not say when the e-mail was sent"


def _reshape(rows: Rows, kinds: Mapping[str, str]) -> Rows:
    """Turn the list of a recipient's activities into rows."""
    activities, activity = rows.at("activity"), {ACTIVITY: type_of_shape(ACTIVITY_SHAPE)}
    if activities is None:
        own = ", ".join(f"{name} := {rows.text(name)}" for name in ACTIVITY_SHAPE)
        return rows.with_columns({ACTIVITY: f"struct_pack({own})"}, activity)
    each = f"unnest(CASE WHEN len({activities.sql}) > 0 THEN {activities.sql} ELSE [NULL] END)"
    rows = rows.with_columns({ACTIVITY: each}, activity)
    return rows.with_columns({REFUSED: f"CASE WHEN {ACTIVITY} IS NULL THEN '{NO_ACTIVITY}' END"})


MAILCHIMP = Preset(
    name="mailchimp",
    title="Mailchimp: e-mail activity of a campaign's recipients",
    file=(
        "the Marketing API's report email-activity as JSON lines or Parquet: one recipient a row with the list "
        "`activity`, or, as Airbyte writes it, one activity a row; "
        "or the activity of list members, which also says what was sent and who unsubscribed."
    ),
    counts=(
        "Each activity is one event. Recipients without activity are refused: the report does not say when "
        "they were sent the e-mail."
    ),
    cites=(
        "https://github.com/airbytehq/airbyte source-mailchimp schemas/email_activity.json",
        "https://mailchimp.com/developer/marketing/api/list-member-activity/",
    ),
    columns={
        "customer_id": lowered("email_address", "email_id"),
        "timestamp": f"{ACTIVITY}.timestamp",
        "kind": f"{ACTIVITY}.action",
        "campaign": (f"{ACTIVITY}.campaign_id", "campaign_id"),
        "page": f"{ACTIVITY}.url",
    },
    kinds={
        "sent": "email_sent",
        "open": "email_open",
        "click": "email_click",
        "bounce": "email_bounce",
        "unsub": "email_unsubscribe",
    },
    needs=(
        ("customer_id", ("email_address", "email_id")),
        ("kind", ("activity", "action")),
        ("timestamp", ("activity", "timestamp")),
    ),
    nested={"activity": [ACTIVITY_SHAPE]},
    reshape=_reshape,
)
