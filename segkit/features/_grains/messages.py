"""What was sent to customers, and what they did with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from segkit._dialect import local_time
from segkit.features._grains._building import who
from segkit.features._grains.web import among

if TYPE_CHECKING:
    import ibis.expr.types as ir

MEDIA = ("email", "push", "sms", "ad")


def messages(seen: ir.Table) -> ir.Table:
    """Return one row for each thing that happened to a message, with its `medium`."""
    mediums = ibis.cases(*((seen.kind.startswith(f"{medium}_"), medium) for medium in MEDIA))
    every = seen.mutate(medium=mediums)
    return every.filter(every.medium.notnull())


def mailings(messages: ir.Table) -> ir.Table:
    """Return one row for each medium and campaign of a customer: how many were `sent`, `opened`, `clicked`.

    Opens beyond the number sent are the same message opened again, and are not counted; nor are those of
    messages that were sent before the log or the window begins. What was clicked was opened, even where
    no open was logged. Where no campaign is known, all messages of a medium are one mailing.
    """
    campaign = ["campaign"] if "campaign" in messages.columns else []
    grouped = messages.group_by(*who(messages), "medium", *campaign)
    counts = grouped.agg(
        sent=messages.count(where=_was(messages, "sent")),
        opens=messages.count(where=_was(messages, "open")),
        clicks=messages.count(where=_was(messages, "click")),
    )
    return counts.select(
        *who(counts),
        "medium",
        "sent",
        opened=ibis.least(counts.sent, ibis.greatest(counts.opens, counts.clicks)),
        clicked=ibis.least(counts.sent, counts.clicks),
    )


def open_hours(messages: ir.Table, *, timezone: str, dialect: str) -> ir.Table:
    """Return one row for each medium and `hour` of the day in which a customer opened messages, with their number.

    By clocks of the open's own zone where that is known, of the shop's where not.
    """
    opens = messages.filter(_was(messages, "open"))
    zone = opens.zone.fill_null(timezone) if "zone" in opens.columns else timezone
    hours = opens.mutate(hour=local_time(opens.timestamp, zone, dialect).hour())
    return hours.group_by(*who(hours), "medium", "hour").agg(opens=hours.count())


def _was(messages: ir.Table, what: str) -> ir.BooleanColumn:
    return among(messages.kind, tuple(f"{medium}_{what}" for medium in MEDIA))


GRAINS = (messages, mailings, open_hours)
