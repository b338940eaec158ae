"""When, where and with what customers do things: hours, devices, channels, places."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING

import ibis

from segkit.analyse.features.tables.builder import key_columns
from segkit.core.engine.dialects import local_time, readable, sortable

if TYPE_CHECKING:
    import ibis.expr.types as ir

ANSWERS = ("rating", "text", "sentiment")  # a survey without any of these was sent, not answered
OURS = ("_sent", "_delivered", "_bounce", "_bounced", "_dropped", "_invited", "_failed")
"""How the kinds of what was done to customers end; ``outreach`` is such a kind too."""
CIRCUMSTANCES = ("zone", "device", "channel", "place")
SATURDAY = 5  # days of the week count from Monday, 0
BANDS = {"night": (0, 6), "morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24)}

EARTH_RADIUS = 6371.0088  # km, the mean of its axes (IUGG)
KM = "decimal(18, 9)"  # exact sums, to the micrometre


def deeds(seen: ir.Table, *, dialect: str) -> ir.Table:
    """Return one row for each thing that the customer did, not what was done to them.

    The shop's and its systems' are the kinds that end like ``email_sent``, ``email_bounce``,
    ``sms_delivered``, ``email_dropped``, ``survey_invited`` and ``payment_failed``, and ``outreach``; and
    surveys that nobody answered.

    Purchase lines that share an order id are one deed, at the time of the first, and so are those of a
    return: a full basket at night is not twenty nights.
    """
    # Of a value, DuckDB asks each different word once; of a condition, each row.
    done = seen.filter((~_done_to_them(seen)).cast("int8") > 0)
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


def hours(deeds: ir.Table, *, timezone: str, dialect: str) -> ir.Table:
    """Return one row a deed: the `hour`, 0 to 23, that clocks showed where it was done, and if it was a `weekend`.

    Clocks of the deed's own zone where that is known, of the shop's where not. Its `device` stands beside, where the
    log has any.
    """
    zone = deeds.zone.fill_null(timezone) if "zone" in deeds.columns else timezone
    local = local_time(deeds.timestamp, zone, dialect)
    device = ["device"] if "device" in deeds.columns else []
    return deeds.select(
        *key_columns(deeds), *device, hour=local.hour(), weekend=local.day_of_week.index() >= SATURDAY
    )


def by_device(hours: ir.Table) -> ir.Table:
    """Return one row for each device of a customer, the unknown one too: the number of `deeds`, by part of the day.

    Hours are counted with them, so that the deeds are gone through once for both; where no device is recorded,
    there is one row a customer.
    """
    device = ["device"] if "device" in hours.columns else []
    by_band = {
        band: hours.count(where=(hours.hour >= start) & (hours.hour < end))
        for band, (start, end) in BANDS.items()
    }
    return hours.group_by(*key_columns(hours), *device).agg(
        deeds=hours.count(), weekend=hours.count(where=hours.weekend), **by_band
    )


def devices(by_device: ir.Table) -> ir.Table:
    """Return one row for each device of a customer, with the number of `deeds`."""
    known = by_device.filter(by_device.device.notnull())
    return known.select(*key_columns(known), "device", "deeds")


def channels(deeds: ir.Table) -> ir.Table:
    """Return one row for each channel of a customer: the number of `deeds`, and of the `orders` among them."""
    known = deeds.filter(deeds.channel.notnull())
    orders = known.count(where=known.kind == "purchase")
    return known.group_by(*key_columns(known), "channel").agg(deeds=known.count(), orders=orders)


def places(deeds: ir.Table) -> ir.Table:
    """Return one row for each place of a customer, with the number of `deeds`."""
    known = deeds.filter(deeds.place.notnull())
    return known.group_by(*key_columns(known), "place").agg(deeds=known.count())


def distances(deeds: ir.Table, *, point: tuple[float, float]) -> ir.Table:
    """Return one row for each deed at a place written "latitude, longitude": `age`, and the `km` from a point."""
    parts = deeds.place.split(",")
    pair = parts.length() == 2
    spots = deeds.select(
        *key_columns(deeds),
        "age",
        latitude=pair.ifelse(parts[0], None).strip().try_cast("float64"),
        longitude=pair.ifelse(parts[1], None).strip().try_cast("float64"),
    )
    spots = spots.filter(spots.latitude.between(-90, 90) & spots.longitude.between(-180, 180))
    km = _great_circle(spots.latitude, spots.longitude, *point)
    return spots.select(*key_columns(spots), "age", km=km.cast(KM))


def last_distances(distances: ir.Table) -> ir.Table:
    """Return the distances of the last moment of which one is known: one, or several that came at once."""
    keys = key_columns(distances)
    last = distances.mutate(last=distances.age.min().over(group_by=keys))
    return last.filter(last.age == last["last"]).drop("last")


def _done_to_them(seen: ir.Table) -> ir.BooleanColumn:
    endings = (seen.kind.endswith(ending) for ending in OURS)
    ours = functools.reduce(operator.or_, endings, seen.kind == "outreach")
    answers = [seen[column].notnull() for column in ANSWERS if column in seen.columns]
    if not answers:
        return ours
    return ours | ((seen.kind == "survey") & ~functools.reduce(operator.or_, answers))


def _great_circle(
    latitude: ir.FloatingColumn, longitude: ir.FloatingColumn, from_latitude: float, from_longitude: float
) -> ir.FloatingColumn:
    """Return kilometres along the surface, by the haversine formula."""
    here, there = ibis.literal(from_latitude, "float64").radians(), latitude.radians()
    north, east = (there - here) / 2, (longitude - from_longitude).radians() / 2
    chord = north.sin() * north.sin() + here.cos() * there.cos() * east.sin() * east.sin()
    return 2 * EARTH_RADIUS * (chord > 1).ifelse(1, chord).sqrt().asin()


GRAINS = (deeds, hours, by_device, devices, channels, places, distances, last_distances)
