"""When, where and with what customers do things: hours of the day, devices, channels, places.

What the shop and its systems do is none of it: kinds that end in ``_sent``, ``_delivered``, ``_bounce``,
``_bounced``, ``_dropped``, ``_invited`` or ``_failed``, ``outreach``, and surveys that nobody answered.
"""

from __future__ import annotations

import functools
import math
import operator

import ibis

from segkit.analyse.features.feature import Feature, family
from segkit.analyse.features.statistics import favourite, mean_of
from segkit.analyse.features.tables.context import BANDS
from segkit.analyse.features.tables.visits import among, in_store
from segkit.core.messages import did_you_mean

PHONES = ("phone", "mobile")  # what the names of such devices contain, in small letters
PHONE_SYSTEMS = ("android", "ios")
ANY = ()  # kinds


def _band_share(band):
    start, end = BANDS[band]
    return Feature(
        f"{band}_share",
        lambda by_device: _part_of_deeds(by_device[band], by_device),
        "share",
        f"Part of what they did that fell between {start} and {end} o'clock, by the clock where they were.",
        kinds=ANY,
    )


def _part_of_deeds(part, by_device):
    return part.sum().cast("float64") / by_device.deeds.sum()


def _top_hour_band(by_device):
    """The band of most deeds; of equals, the last in the alphabet, as with other words."""
    deeds = {band: by_device[band].sum() for band in BANDS}
    most = ibis.greatest(*deeds.values())
    return ibis.cases(*((deeds[band] == most, band) for band in sorted(BANDS, reverse=True)))


def _mobile_share(by_device):
    device = by_device.device.lower()
    named = functools.reduce(operator.or_, (device.contains(word) for word in PHONES))
    mobile = named | among(device, PHONE_SYSTEMS)
    known = by_device.deeds.sum(where=device.notnull())
    return by_device.deeds.sum(where=mobile).fill_null(0).cast("float64") / known


def _online_share(channels):
    online = channels.orders.sum(where=~in_store(channels.channel)).fill_null(0)
    return online.cast("float64") / channels.orders.sum().nullif(0)


CONTEXT = family(
    "CONTEXT",
    *(_band_share(band) for band in BANDS),
    Feature(
        "top_hour_band",
        _top_hour_band,
        "part of the day",
        "The quarter of the day, from night (0 to 6) to evening (18 to 24), in which they did most.",
        kinds=ANY,
    ),
    Feature(
        "weekend_share",
        lambda by_device: _part_of_deeds(by_device.weekend, by_device),
        "share",
        "Part of what they did that fell on a Saturday or Sunday, by the clock where they were.",
        kinds=ANY,
    ),
    Feature(
        "top_device",
        lambda by_device, *, dialect: favourite(by_device.device, by_device.deeds, dialect),
        "device",
        "The device on which they did most.",
        kinds=ANY,
    ),
    Feature(
        "device_count",
        lambda by_device: by_device.device.count(),
        "devices",
        "Number of different devices.",
        kinds=ANY,
        empty=0,
    ),
    Feature(
        "mobile_share",
        _mobile_share,
        "share",
        "Part of what they did on a known device that was done on a phone; tablets are none.",
        kinds=ANY,
    ),
    Feature(
        "top_channel",
        lambda channels, *, dialect: favourite(channels.channel, channels.deeds, dialect),
        "channel",
        "The channel through which they did most.",
        kinds=ANY,
    ),
    Feature(
        "channel_count",
        lambda channels: channels.count(),
        "channels",
        "Number of different channels.",
        kinds=ANY,
        empty=0,
    ),
    Feature(
        "online_share",
        _online_share,
        "share",
        "Part of the orders of known channel that was placed neither in a store nor by telephone.",
    ),
    Feature(
        "top_place",
        lambda places, *, dialect: favourite(places.place, places.deeds, dialect),
        "place",
        "The place at which they did most.",
        kinds=ANY,
        basis="geographic",
    ),
    Feature(
        "place_count",
        lambda places: places.count(),
        "places",
        "Number of different places.",
        kinds=ANY,
        basis="geographic",
        empty=0,
    ),
    Feature(
        "top_place_share",
        lambda places: places.deeds.max().cast("float64") / places.deeds.sum(),
        "share",
        "Part of what they did at a known place that was done at their top place.",
        kinds=ANY,
        basis="geographic",
    ),
)


def _mean_distance(distances):
    return mean_of(distances.km)


def _last_distance(last_distances):
    return mean_of(last_distances.km)


_DISTANCES = {"mean": (_mean_distance, "Mean distance"), "last": (_last_distance, "Last known distance")}


def distance_feature(
    latitude: float, longitude: float, *, name: str = "distance", of: str = "mean"
) -> Feature:
    """Return a feature: how far from a point customers do things.

    Parameters
    ----------
    latitude, longitude : float
        The point, in degrees north and east, such as 51.5074, -0.1278 for London.
    name : str, default="distance"
        What the feature is called. Distances from several points need several names.
    of : {"mean", "last"}
        All that was done at a known place, or the last such thing.

    Returns
    -------
    Feature
        In kilometres along the surface, of events whose `place` is written "latitude, longitude" in
        degrees, such as ``"48.8566, 2.3522"``. Places named otherwise do not count; missing where there
        is none.

    Raises
    ------
    ValueError
        If the point is not on Earth, or `of` is something else.

    Notes
    -----
    The haversine formula [1]_ on a sphere of mean radius, which differs from the true distance by up to
    0.5 %.

    References
    ----------
    .. [1] Sinnott (1984), Virtues of the Haversine, Sky and Telescope 68(2).

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> seen = pd.DataFrame({"customer_id": ["ada"], "timestamp": ["2024-01-01"], "place": ["48.8566, 2.3522"]})
    >>> events = sg.read_events(seen, kind="page_view")
    >>> from_london = sg.distance_feature(51.5074, -0.1278, name="from_london")
    >>> sg.customer_features(events, [from_london], as_of="2024-02-01").round(1)
                 from_london
    customer_id
    ada                343.6
    """
    if of not in _DISTANCES:
        raise ValueError(
            f"of={of!r} is neither 'mean' nor 'last'.{did_you_mean(str(of), _DISTANCES)} Say one of these."
        )
    point = (
        _degrees(latitude, "latitude", 90),
        _degrees(longitude, "longitude", 180),
    )
    expression, said = _DISTANCES[of]
    return Feature(
        name,
        expression,
        "km",
        f"{said} of what they did from {point[0]:g}, {point[1]:g}.",
        kinds=ANY,
        basis="geographic",
        family="CONTEXT",
        settings=(("point", point),),
    )


def distance_code(feature: Feature) -> str:
    """Return the call of :func:`distance_feature` that gave a feature; nothing where none did."""
    point = dict(feature.settings).get("point", (0.0, 0.0))
    for of in _DISTANCES:
        if feature == distance_feature(*point, name=feature.name, of=of):
            said = "" if of == "mean" else f", of={of!r}"
            return f"sg.distance_feature({point[0]!r}, {point[1]!r}, name={feature.name!r}{said})"
    return ""


def _degrees(value: float, name: str, most: float) -> float:
    try:
        degrees = float(value)
    except (TypeError, ValueError):
        degrees = math.nan
    if not -most <= degrees <= most:
        raise ValueError(
            f"{name}={value!r} is no {name}. Say it in degrees from {-most} to {most}, such as "
            "distance_feature(51.5074, -0.1278)."
        )
    return degrees + 0.0  # −0 is 0, in code as on the globe
