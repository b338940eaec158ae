"""What was sent to customers, and what they did with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from segkit.analyse.features.tables.builder import key_columns
from segkit.analyse.features.tables.visits import among
from segkit.core.engine.dialects import local_time

if TYPE_CHECKING:
    import ibis.expr.types as ir

MEDIA = ("email", "push", "sms", "ad")


def messages(seen: ir.Table) -> ir.Table:
    """Return one row for each thing that happened to a message, with its `medium`."""
    mediums = ibis.cases(*((seen.kind.startswith(f"{medium}_"), medium) for medium in MEDIA))
    every = seen.mutate(medium=mediums)
    return every.filter(every.medium.notnull())


def mailings(messages: ir.Table) -> ir.Table:
    """Return one row for each medium of a customer: how many messages were `sent`, and of these `opened`, `clicked`.

    Opens count against what was sent of their campaign. Where the campaign is known on one side only, an
    open without one may be of any message of the medium, and an open of a campaign that was not sent of
    any message without one. What was sent before the log or the window begins was opened by nobody here,
    where campaigns are known on both sides. Opens beyond the number sent are the same message opened
    again, and are not counted. What was clicked was opened, even where no open was logged.
    """
    campaign = ["campaign"] if "campaign" in messages.columns else []
    grouped = messages.group_by(*key_columns(messages), "medium", *campaign)
    counts = grouped.agg(
        sent=messages.count(where=_was(messages, "sent")),
        opens=messages.count(where=_was(messages, "open")),
        clicks=messages.count(where=_was(messages, "click")),
    )
    counts = counts.mutate(
        opens=ibis.greatest(counts.opens, counts.clicks),
        named=counts.campaign.notnull() if campaign else ibis.literal(False),
    )
    return counts.group_by(*key_columns(counts), "medium").agg(
        sent=counts.sent.sum(),
        opened=_of_what_was_sent(counts, counts.opens),
        clicked=_of_what_was_sent(counts, counts.clicks),
    )


def _of_what_was_sent(campaigns: ir.Table, done: ir.IntegerColumn) -> ir.IntegerScalar:
    """Return how many of the messages sent can have been what was opened or clicked, at most."""
    sent, named = campaigns.sent, campaigns.named
    of_their_own = ibis.least(sent, done).sum(where=named).fill_null(0)
    of_unnamed = ibis.least(
        done.sum(where=named & (sent == 0)).fill_null(0), sent.sum(where=~named).fill_null(0)
    )
    unnamed = done.sum(where=~named).fill_null(0)
    return ibis.least(sent.sum(), of_their_own + of_unnamed + unnamed)


def open_hours(messages: ir.Table, *, timezone: str, dialect: str) -> ir.Table:
    """Return one row for each medium and `hour` of the day in which a customer opened messages, with their number.

    By clocks of the open's own zone where that is known, of the shop's where not.
    """
    opens = messages.filter(_was(messages, "open"))
    zone = opens.zone.fill_null(timezone) if "zone" in opens.columns else timezone
    hours = opens.mutate(hour=local_time(opens.timestamp, zone, dialect).hour())
    return hours.group_by(*key_columns(hours), "medium", "hour").agg(opens=hours.count())


def _was(messages: ir.Table, what: str) -> ir.BooleanColumn:
    return among(messages.kind, tuple(f"{medium}_{what}" for medium in MEDIA))


GRAINS = (messages, mailings, open_hours)
