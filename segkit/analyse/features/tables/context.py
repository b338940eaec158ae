"""Tables of when, where and with what customers act: hours, devices, channels, places."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING

import ibis

from segkit.analyse.features.tables.builder import key_columns
from segkit.core.engine.dialects import local_time, readable, sortable

if TYPE_CHECKING:
    import ibis.expr.types as ir

ANSWERS = ("rating", "text", "sentiment")  # a survey without any of these was sent but not answered
OURS = ("_sent", "_delivered", "_bounce", "_bounced", "_dropped", "_invited", "_failed")
"""Endings of the kinds that the shop or its systems do; ``outreach`` is such a kind too."""
CIRCUMSTANCES = ("zone", "device", "channel", "place")
SATURDAY = 5  # Monday is 0
BANDS = {"night": (0, 6), "morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24)}

EARTH_RADIUS = 6371.0088  # km, the mean of its axes (IUGG)
KM = "decimal(18, 9)"  # sums of decimals are exact, in any order


def actions(log: ir.Table, *, dialect: str) -> ir.Table:
    """Return one row for each action of a customer.

    Left out is what the shop or its systems did: kinds that end like ``email_sent``, ``email_bounce``,
    ``sms_delivered``, ``email_dropped``, ``survey_invited`` and ``payment_failed``, ``outreach``, and surveys that
    were not answered. The lines of an order or of a return are one action, at the time of the first line: a full
    basket at night does not count as twenty actions.
    """
    # Cast to a number, DuckDB evaluates the condition once for each different word instead of each row.
    done = log.filter((~_done_by_shop(log)).cast("int8") > 0)
    known = [column for column in CIRCUMSTANCES if column in done.columns]
    keys = [*key_columns(done), "kind"]
    columns = [*keys, "timestamp", "age", *known]
    if "order_id" not in done.columns:
        return done.select(*columns)
    line = ((done.kind == "purchase") | (done.kind == "return")) & done.order_id.notnull()
    lines, rest = done.filter(line), done.filter(~line)
    words = {c: readable(sortable(lines[c], dialect).max(), dialect) for c in known}
    orders = lines.group_by(*keys, "order_id").agg(
        timestamp=lines.timestamp.min(), age=lines.age.max(), **words
    )
    return ibis.union(orders.select(*columns), rest.select(*columns))


def hours(actions: ir.Table, *, timezone: str, dialect: str) -> ir.Table:
    """Return the local `hour` of each action, from 0 to 23, whether it was on a `weekend`, and its `device` if known.

    Local means the zone of the action where it is known, otherwise that of the shop.
    """
    zone = actions.zone.fill_null(timezone) if "zone" in actions.columns else timezone
    local = local_time(actions.timestamp, zone, dialect)
    device = ["device"] if "device" in actions.columns else []
    return actions.select(
        *key_columns(actions), *device, hour=local.hour(), weekend=local.day_of_week.index() >= SATURDAY
    )


def by_device(hours: ir.Table) -> ir.Table:
    """Return the number of `actions` of a customer on each device, the unknown one included, by part of the day.

    One table counts devices and hours, so that the actions are read once. Without a column of devices there is one
    row for each customer.
    """
    device = ["device"] if "device" in hours.columns else []
    by_band = {
        band: hours.count(where=(hours.hour >= start) & (hours.hour < end))
        for band, (start, end) in BANDS.items()
    }
    return hours.group_by(*key_columns(hours), *device).agg(
        actions=hours.count(), weekend=hours.count(where=hours.weekend), **by_band
    )


def devices(by_device: ir.Table) -> ir.Table:
    """Return the number of `actions` of a customer on each known device."""
    known = by_device.filter(by_device.device.notnull())
    return known.select(*key_columns(known), "device", "actions")


def channels(actions: ir.Table) -> ir.Table:
    """Return the number of `actions` of a customer through each channel, and of the `orders` among them."""
    known = actions.filter(actions.channel.notnull())
    orders = known.count(where=known.kind == "purchase")
    return known.group_by(*key_columns(known), "channel").agg(actions=known.count(), orders=orders)


def places(actions: ir.Table) -> ir.Table:
    """Return the number of `actions` of a customer at each place."""
    known = actions.filter(actions.place.notnull())
    return known.group_by(*key_columns(known), "place").agg(actions=known.count())


def distances(actions: ir.Table, *, point: tuple[float, float]) -> ir.Table:
    """Return `age` and distance from a point (`km`) of each action whose place is "latitude, longitude"."""
    parts = actions.place.split(",")
    pair = parts.length() == 2
    spots = actions.select(
        *key_columns(actions),
        "age",
        latitude=pair.ifelse(parts[0], None).strip().try_cast("float64"),
        longitude=pair.ifelse(parts[1], None).strip().try_cast("float64"),
    )
    spots = spots.filter(spots.latitude.between(-90, 90) & spots.longitude.between(-180, 180))
    km = _great_circle(spots.latitude, spots.longitude, *point)
    return spots.select(*key_columns(spots), "age", km=km.cast(KM))


def last_distances(distances: ir.Table) -> ir.Table:
    """Return the last known distance of each customer, or several of the same moment."""
    keys = key_columns(distances)
    last = distances.mutate(last=distances.age.min().over(group_by=keys))
    return last.filter(last.age == last["last"]).drop("last")


def _done_by_shop(log: ir.Table) -> ir.BooleanColumn:
    endings = (log.kind.endswith(ending) for ending in OURS)
    ours = functools.reduce(operator.or_, endings, log.kind == "outreach")
    answers = [log[column].notnull() for column in ANSWERS if column in log.columns]
    if not answers:
        return ours
    return ours | ((log.kind == "survey") & ~functools.reduce(operator.or_, answers))


def _great_circle(
    latitude: ir.FloatingColumn, longitude: ir.FloatingColumn, from_latitude: float, from_longitude: float
) -> ir.FloatingColumn:
    """Return the distance in kilometres along the surface, by the haversine formula."""
    here, there = ibis.literal(from_latitude, "float64").radians(), latitude.radians()
    north, east = (there - here) / 2, (longitude - from_longitude).radians() / 2
    chord = north.sin() * north.sin() + here.cos() * there.cos() * east.sin() * east.sin()
    return 2 * EARTH_RADIUS * (chord > 1).ifelse(1, chord).sqrt().asin()


TABLES = (actions, hours, by_device, devices, channels, places, distances, last_distances)
