"""Features of context: hours of the day, devices, channels and places of a customer's actions.

What the shop and its systems do does not count: kinds that end in ``_sent``, ``_delivered``, ``_bounce``,
``_bounced``, ``_dropped``, ``_invited`` or ``_failed``, ``outreach``, and surveys that were not answered.
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
from segkit.core.messages import choose_from

PHONES = ("phone", "mobile")  # parts of the names of such devices, in lower case
PHONE_SYSTEMS = ("android", "ios")
ANY = ()  # kinds


def _band_share(band):
    start, end = BANDS[band]
    return Feature(
        f"{band}_share",
        lambda by_device: _share_of_actions(by_device[band], by_device),
        "share",
        f"Share of {band} actions: between {start} and {end} o'clock, local time.",
        kinds=ANY,
    )


def _share_of_actions(part, by_device):
    return part.sum().cast("float64") / by_device.actions.sum()


def _top_hour_band(by_device):
    """The part of the day with most actions; of equal ones the last in the alphabet, as with other words."""
    actions = {band: by_device[band].sum() for band in BANDS}
    most = ibis.greatest(*actions.values())
    return ibis.cases(*((actions[band] == most, band) for band in sorted(BANDS, reverse=True)))


def _mobile_share(by_device):
    device = by_device.device.lower()
    named = functools.reduce(operator.or_, (device.contains(word) for word in PHONES))
    mobile = named | among(device, PHONE_SYSTEMS)
    known = by_device.actions.sum(where=device.notnull())
    return by_device.actions.sum(where=mobile).fill_null(0).cast("float64") / known


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
        "Part of the day with most actions: night (0 to 6), morning, afternoon or evening (18 to 24).",
        kinds=ANY,
    ),
    Feature(
        "weekend_share",
        lambda by_device: _share_of_actions(by_device.weekend, by_device),
        "share",
        "Share of actions on a Saturday or Sunday (local time).",
        kinds=ANY,
    ),
    Feature(
        "top_device",
        lambda by_device, *, dialect: favourite(by_device.device, by_device.actions, dialect),
        "device",
        "The device with most actions.",
        kinds=ANY,
    ),
    Feature(
        "device_count",
        lambda by_device: by_device.device.count(),
        "devices",
        "Number of different devices used.",
        kinds=ANY,
        empty=0,
    ),
    Feature(
        "mobile_share",
        _mobile_share,
        "share",
        "Share of actions on a phone: of those on a known device; tablets are not phones.",
        kinds=ANY,
        synonyms=("smartphone",),
    ),
    Feature(
        "top_channel",
        lambda channels, *, dialect: favourite(channels.channel, channels.actions, dialect),
        "channel",
        "The channel with most actions.",
        kinds=ANY,
    ),
    Feature(
        "channel_count",
        lambda channels: channels.count(),
        "channels",
        "Number of different channels used.",
        kinds=ANY,
        empty=0,
    ),
    Feature(
        "online_share",
        _online_share,
        "share",
        "Share of orders placed online: neither in a store nor by telephone, of those with a known channel.",
        synonyms=("e-commerce", "web shop", "store"),
    ),
    Feature(
        "top_place",
        lambda places, *, dialect: favourite(places.place, places.actions, dialect),
        "place",
        "The place with most actions.",
        kinds=ANY,
        basis="geographic",
    ),
    Feature(
        "place_count",
        lambda places: places.count(),
        "places",
        "Number of different places of action.",
        kinds=ANY,
        basis="geographic",
        empty=0,
    ),
    Feature(
        "top_place_share",
        lambda places: places.actions.max().cast("float64") / places.actions.sum(),
        "share",
        "Share of actions at the customer's top place (of those at a known place).",
        kinds=ANY,
        basis="geographic",
    ),
)


def _mean_distance(distances):
    return mean_of(distances.km)


def _last_distance(last_distances):
    return mean_of(last_distances.km)


_DISTANCES = {
    "mean": (_mean_distance, "Average distance of the customer's actions"),
    "last": (_last_distance, "Distance of the customer's last action with a known place"),
}


def distance_feature(
    latitude: float, longitude: float, *, name: str = "distance", of: str = "mean"
) -> Feature:
    """Make a feature of the distance between customers and a point, such as a store.

    Parameters
    ----------
    latitude, longitude : float
        The point, in degrees north and east, such as 51.5074, -0.1278 for London.
    name : str, default="distance"
        The name of the feature. Distances from several points need several names.
    of : {"mean", "last"}
        The average over all actions at a known place, or the last of them.

    Returns
    -------
    Feature
        In kilometres along the surface. Only events whose `place` is "latitude, longitude" in degrees count, such
        as ``"48.8566, 2.3522"``; missing where there are none.

    Raises
    ------
    ValueError
        If the point is not on Earth, or `of` is neither "mean" nor "last".

    Notes
    -----
    Uses the haversine formula [1]_ on a sphere, which is within 0.5 % of the true distance.

    References
    ----------
    .. [1] Sinnott (1984), Virtues of the Haversine, Sky and Telescope 68(2).

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> views = pd.DataFrame({"customer_id": ["ada"], "timestamp": ["2024-01-01"], "place": ["48.8566, 2.3522"]})
    >>> events = sg.read_events(views, kind="page_view")
    >>> from_london = sg.distance_feature(51.5074, -0.1278, name="from_london")
    >>> sg.customer_features(events, [from_london], as_of="2024-02-01").round(1)
                 from_london
    customer_id
    ada                343.6
    """
    if of not in _DISTANCES:
        raise ValueError(f"of={of!r} is neither 'mean' nor 'last'.{choose_from(of, _DISTANCES)}")
    point = (
        _degrees(latitude, "latitude", 90),
        _degrees(longitude, "longitude", 180),
    )
    expression, doc = _DISTANCES[of]
    return Feature(
        name,
        expression,
        "km",
        f"{doc} from {point[0]:g}, {point[1]:g}.",
        kinds=ANY,
        basis="geographic",
        family="CONTEXT",
        settings=(("point", point),),
    )


def distance_code(feature: Feature) -> str:
    """Return the call of :func:`distance_feature` that made a feature, or "" for other features."""
    point = dict(feature.settings).get("point", (0.0, 0.0))
    for of in _DISTANCES:
        if feature == distance_feature(*point, name=feature.name, of=of):
            option = "" if of == "mean" else f", of={of!r}"
            return f"sg.distance_feature({point[0]!r}, {point[1]!r}, name={feature.name!r}{option})"
    return ""


def _degrees(value: float, name: str, most: float) -> float:
    try:
        degrees = float(value)
    except (TypeError, ValueError):
        degrees = math.nan
    if not -most <= degrees <= most:
        raise ValueError(
            f"{name}={value!r} is not a {name}. Give it in degrees from {-most} to {most}, such as "
            "distance_feature(51.5074, -0.1278)."
        )
    return degrees + 0.0  # −0 is 0, in code as on the globe
