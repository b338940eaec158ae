"""Tables of messages: what was sent to customers, and what they opened and clicked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from segkit.analyse.features.tables.builder import key_columns
from segkit.analyse.features.tables.visits import among
from segkit.core.engine.dialects import local_time

if TYPE_CHECKING:
    import ibis.expr.types as ir

MEDIA = ("email", "push", "sms", "ad")


def messages(log: ir.Table) -> ir.Table:
    """Return the events of messages, such as a message being sent or opened, with their `medium`."""
    mediums = ibis.cases(*((log.kind.startswith(f"{medium}_"), medium) for medium in MEDIA))
    every = log.mutate(medium=mediums)
    return every.filter(every.medium.notnull())


def mailings(messages: ir.Table) -> ir.Table:
    """Return how many messages of each medium were `sent` to a customer, and how many of these `opened` and `clicked`.

    - An open is matched to messages of its campaign. An open without a campaign may be of any message of the medium,
      an open of a campaign that was never sent of any message without a campaign.
    - Opens of messages from before the log or window begins do not count, where campaigns are known.
    - More opens than messages are repeated opens, which do not count.
    - A clicked message was opened, even if no open was logged.
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
    """Return how many of the messages that were sent can at most have been opened or clicked."""
    sent, named = campaigns.sent, campaigns.named
    of_same_campaign = ibis.least(sent, done).sum(where=named).fill_null(0)
    of_unknown_campaign = ibis.least(
        done.sum(where=named & (sent == 0)).fill_null(0), sent.sum(where=~named).fill_null(0)
    )
    without_campaign = done.sum(where=~named).fill_null(0)
    return ibis.least(sent.sum(), of_same_campaign + of_unknown_campaign + without_campaign)


def open_hours(messages: ir.Table, *, timezone: str, dialect: str) -> ir.Table:
    """Return the number of `opens` of a customer by medium and local `hour` of the day.

    Local means the zone of the open where it is known, otherwise that of the shop.
    """
    opens = messages.filter(_was(messages, "open"))
    zone = opens.zone.fill_null(timezone) if "zone" in opens.columns else timezone
    hours = opens.mutate(hour=local_time(opens.timestamp, zone, dialect).hour())
    return hours.group_by(*key_columns(hours), "medium", "hour").agg(opens=hours.count())


def _was(messages: ir.Table, what: str) -> ir.BooleanColumn:
    return among(messages.kind, tuple(f"{medium}_{what}" for medium in MEDIA))


TABLES = (messages, mailings, open_hours)
