"""When, where and with what: each feature by hand, clocks, what counts as done, and distances."""

import math

import pandas as pd
import pytest
from by_hand import AS_OF, ada, exactly, one

import segkit as sg
from segkit.analyse.features.context import CONTEXT
from segkit.analyse.features.tables.visits import IN_STORE

BY_HAND = {  # of seven deeds
    "night_share": 2 / 7,
    "morning_share": 1 / 7,
    "afternoon_share": 2 / 7,
    "evening_share": 2 / 7,
    "top_hour_band": "night",  # of equals, the last in the alphabet
    "weekend_share": 2 / 7,
    "top_device": "desktop",
    "device_count": 3.0,
    "mobile_share": 2 / 4,
    "top_channel": "store",
    "channel_count": 3.0,
    "online_share": 1 / 2,
    "top_place": "Coast",
    "place_count": 2.0,
    "top_place_share": 2 / 3,
}
COLUMNS = {"order_id": None, "device": None, "channel": None, "place": None, "zone": None, "amount": 1.0}


def done(*rows, **said):
    """Events of Ada, (kind, time) or (kind, time, columns) each."""
    lines = [{"kind": row[0], "timestamp": row[1], **COLUMNS, **(row[2] if row[2:] else {})} for row in rows]
    return sg.read_events(pd.DataFrame(lines).assign(customer_id="ada"), **said)


@pytest.fixture(scope="module")
def week():
    """Two lines bought at once are one deed, and so are the two of a return; what was sent is none."""
    on_saturday = {"order_id": "o1", "channel": "store", "place": "Coast"}
    sent_back = on_saturday | {"zone": "Europe/Berlin"}  # where it is Saturday already
    return done(
        ("page_view", "2024-06-24 05:59:59", {"device": "iPhone", "place": "51.5, -0.1"}),
        ("page_view", "2024-06-24 06:00", {"device": "desktop"}),
        ("page_view", "2024-06-25 12:00", {"device": "desktop", "zone": "Asia/Tokyo"}),
        ("purchase", "2024-06-26 17:59", {"device": "Mobile app", "channel": "web"}),
        ("email_click", "2024-06-27 13:00", {"channel": "email"}),
        ("return", "2024-06-28 23:59", sent_back),
        ("return", "2024-06-28 23:59", sent_back),
        ("purchase", "2024-06-29 21:00", on_saturday),
        ("purchase", "2024-06-29 21:00", on_saturday),
        ("email_sent", "2024-06-30 10:00", {"device": "server", "channel": "email", "place": "Cellar"}),
    )


@pytest.fixture(scope="module")
def row(week):
    return ada(week, CONTEXT)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_feature_by_hand(row, name):
    assert row[name] == exactly(BY_HAND[name])


def test_snapshots_are_the_features_of_each_date(week):
    features = (*CONTEXT, sg.distance_feature(0, 0), sg.distance_feature(0, 0, name="last", of="last"))
    together = sg.snapshots(week, features, dates=["2024-06-25", "2024-07-01"])
    for date in ("2024-06-25", "2024-07-01"):
        apart = sg.customer_features(week, features, as_of=date)
        words = dict.fromkeys(apart.select_dtypes("category"), "str")
        there = together.loc[pd.Timestamp(date)].astype(words)
        pd.testing.assert_frame_equal(there, apart.astype(words), check_exact=True)


# --- what counts as done -----------------------------------------------------------------------------


def test_what_was_sent_was_not_done():
    row = ada(done(("email_sent", "2024-06-30 10:00", {"device": "server", "channel": "email"})), CONTEXT)
    assert {name for name, value in row.items() if value == 0} == {
        "device_count",
        "channel_count",
        "place_count",
    }
    assert all(pd.isna(value) for value in row.values() if value != 0)


@pytest.mark.parametrize(
    ("kind", "done_by_them"),
    [
        *(
            ("email_delivered", False),
            ("email_bounce", False),
            ("sms_bounced", False),
            ("push_dropped", False),
        ),
        *(("outreach", False), ("survey_invited", False), ("payment_failed", False), ("ad_sent", False)),
        *(("email_open", True), ("chat", True), ("outreach_answered", True), ("failed", True)),
    ],
)
def test_what_the_shop_did_was_not_done_by_them(kind, done_by_them):
    events = done((kind, "2024-06-30 10:00", {"device": "server"}))
    assert one(events, "device_count") == done_by_them


def test_a_survey_is_done_once_it_is_answered():
    asked = ("survey", "2024-06-24 10:00", {"rating": None})
    answered = ("survey", "2024-06-24 20:00", {"rating": 3.0})
    assert one(done(asked, answered), "evening_share") == 1
    assert math.isnan(one(done(asked), "evening_share"))
    assert one(done(asked[:2]), "morning_share") == 1  # nothing in this log tells answers from questions


def test_an_order_happens_when_its_first_line_does():
    early, late = "2024-06-29 23:59", "2024-06-30 00:01"
    both = [("purchase", late, {"order_id": "o1"}), ("purchase", early, {"order_id": "o1"})]
    assert one(done(*both), "evening_share") == 1
    assert one(done(("purchase", late), ("purchase", early)), "evening_share") == 0.5
    with_return = ("return", late, {"order_id": "o1"})
    assert one(done(*both, with_return), "evening_share") == 0.5


# --- clocks ------------------------------------------------------------------------------------------

HOURS = sg.select_features("night_share", "morning_share", "weekend_share")


def clock(moment, shop="UTC", **more):
    """The part of the day and of the week in which one thing was done."""
    events = done(("page_view", moment, more), timezone=shop)
    row = ada(events, sg.select_features("top_hour_band", "weekend_share"), as_of="2025-01-01")
    return row["top_hour_band"], row["weekend_share"]


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2024-06-28 23:59:59.999999", ("evening", 0)),
        ("2024-06-29 00:00", ("night", 1)),
        ("2024-06-29 05:59:59.999999", ("night", 1)),
        ("2024-06-29 06:00", ("morning", 1)),
        ("2024-06-29 12:00", ("afternoon", 1)),
        ("2024-06-30 18:00", ("evening", 1)),
        ("2024-06-30 23:59:59.999999", ("evening", 1)),
        ("2024-06-24 00:00", ("night", 0)),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_bands_begin_with_their_first_moment(local, expected, zone):
    """Times without a zone are the shop's, and hours are counted by its clock."""
    assert clock(local, shop=zone) == expected


@pytest.mark.parametrize(
    ("utc", "expected"),
    [
        ("2024-03-31T00:59:59Z", "night"),  # London: 00:59, then 02:00
        ("2024-03-31T05:00:00Z", "morning"),
        ("2024-03-30T05:59:59Z", "night"),
        ("2024-10-27T05:59:59Z", "night"),  # and 01:00 to 02:00 twice
        ("2024-10-27T00:30:00Z", "night"),
        ("2024-10-26T05:00:00Z", "morning"),
    ],
)
def test_clocks_change_in_summer(utc, expected):
    events = done(("page_view", utc), timezone="Europe/London")
    assert one(events, "top_hour_band", as_of="2025-01-01") == expected


def test_the_zone_of_the_deed_goes_before_that_of_the_shop():
    assert clock("2024-06-28T23:00Z") == ("evening", 0)
    assert clock("2024-06-28T23:00Z", shop="Europe/London") == ("night", 1)
    assert clock("2024-06-28T23:00Z", shop="Europe/London", zone="America/New_York") == ("evening", 0)


def test_the_shops_zone_can_be_said_for_the_features():
    events = done(("page_view", "2024-06-28T23:00Z"))
    assert ada(events, HOURS)["night_share"] == 0
    in_london = sg.with_settings(HOURS, timezone="Europe/London")
    assert ada(events, in_london) == {"night_share": 1, "morning_share": 0, "weekend_share": 1}


# --- devices, channels, places -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "mobile"),
    [
        *(
            ("phone", 1),
            ("iPhone", 1),
            ("Smartphone", 1),
            ("mobile", 1),
            ("Mobile web", 1),
            ("Android", 1),
            ("iOS", 1),
        ),
        *(("desktop", 0), ("tablet", 0), ("kiosk", 0), ("iPad", 0)),
    ],
)
def test_phones_are_mobile(device, mobile):
    assert one(done(("page_view", "2024-06-24", {"device": device})), "mobile_share") == mobile


def test_the_share_of_mobile_is_of_known_devices():
    row = ada(done(("search", "2024-06-24", {"device": "phone"}), ("search", "2024-06-25")), CONTEXT)
    assert (row["mobile_share"], row["device_count"]) == (1, 1)


def test_hours_count_what_was_done_on_any_device_and_on_none():
    row = ada(
        done(
            ("search", "2024-06-24 07:00", {"device": "phone"}),  # a Monday
            ("search", "2024-06-24 19:00", {"device": "desktop"}),
            ("search", "2024-06-24 20:00"),
            ("search", "2024-06-29 23:00"),  # a Saturday
        ),
        CONTEXT,
    )
    assert (row["morning_share"], row["evening_share"], row["weekend_share"]) == (1 / 4, 3 / 4, 1 / 4)
    assert (row["top_hour_band"], row["device_count"], row["mobile_share"]) == ("evening", 2, 1 / 2)


def test_of_equals_the_last_in_the_alphabet_is_the_favourite():
    known = {"device": "b", "channel": "b", "place": "b"}
    row = ada(done(*(("search", "2024-06-24", dict.fromkeys(known, word)) for word in "abc")), CONTEXT)
    assert {row[f"top_{name}"] for name in known} == {"c"}


@pytest.mark.parametrize("channel", [*IN_STORE, *(word.upper() for word in IN_STORE)])
def test_orders_in_a_store_are_not_online(channel):
    orders = [("purchase", "2024-06-24", {"channel": word}) for word in (channel, "web", None)]
    assert one(done(*orders), "online_share") == 0.5
    assert one(done(orders[0]), "online_share") == 0


def test_without_orders_of_known_channel_nobody_knows_what_is_online():
    assert math.isnan(
        one(done(("purchase", "2024-06-24"), ("visit", "2024-06-24", {"channel": "web"})), "online_share")
    )


# --- distances ---------------------------------------------------------------------------------------

LONDON = (51.5074, -0.1278)
QUARTER_OF_THE_EQUATOR = math.pi / 2 * 6371.0088


def far(*places, point=(0, 0), of="mean"):
    rows = [("page_view", f"2024-06-{10 + day} 12:00", {"place": place}) for day, place in enumerate(places)]
    return ada(done(*rows), [sg.distance_feature(*point, of=of)])["distance"]


@pytest.mark.parametrize(
    ("place", "km"),
    [
        ("0, 90", QUARTER_OF_THE_EQUATOR),
        ("0,-90", QUARTER_OF_THE_EQUATOR),
        ("90, 17", QUARTER_OF_THE_EQUATOR),
        ("0, 180", 2 * QUARTER_OF_THE_EQUATOR),
        (" 0 , 0.0 ", 0),
        ("-0.5, 0", QUARTER_OF_THE_EQUATOR / 180),
        *(
            (text, math.nan)
            for text in ("Coast", "", None, "91, 0", "0, 181", "1", "1, 2, 3", "x, 2", "nan, 1")
        ),
    ],
)
def test_a_distance_by_hand(place, km):
    assert far(place) == exactly(km)


def test_a_distance_is_that_of_the_maps():
    assert far("48.8566, 2.3522", point=LONDON) == pytest.approx(343.6, abs=0.1)  # Paris
    assert far("40.7128, -74.0060", point=LONDON) == pytest.approx(5570, abs=1)  # New York


def test_the_mean_distance_and_the_last():
    places = ["0, 90", None, "0, 180", "Coast"]
    assert far(*places) == exactly(1.5 * QUARTER_OF_THE_EQUATOR)
    assert far(*places, of="last") == exactly(2 * QUARTER_OF_THE_EQUATOR)
    at_once = done(*(("search", "2024-06-24", {"place": place}) for place in ("0, 90", "0, 180", "North")))
    last = sg.distance_feature(0, 0, of="last")
    assert ada(at_once, [last])["distance"] == exactly(1.5 * QUARTER_OF_THE_EQUATOR)  # the mean of both


def test_distances_from_several_points_are_several_features():
    features = [sg.distance_feature(0, 0, name="from_here"), sg.distance_feature(0, 90, name="from_there")]
    row = ada(done(("search", "2024-06-24", {"place": "0, 90"})), features)
    assert row == {"from_here": exactly(QUARTER_OF_THE_EQUATOR), "from_there": 0}


def test_equal_points_are_equal_features():
    assert sg.distance_feature(1, 2) == sg.distance_feature(1.0, 2.0)
    assert sg.distance_feature(0, 2) == sg.distance_feature(-0.0, 2)
    assert len({sg.distance_feature(1, 2), sg.distance_feature(1, 2), sg.distance_feature(2, 1)}) == 2
    assert sg.distance_feature(1, 2) != sg.distance_feature(1, 2, of="last")


def test_a_distance_needs_places_and_is_geographic():
    events = sg.read_events(pd.DataFrame({"customer_id": ["ada"], "timestamp": [AS_OF]}), kind="search")
    with pytest.raises(ValueError, match="'distance' needs 'place'"):
        sg.customer_features(events, [sg.distance_feature(0, 0)], as_of="2025-01-01")
    geographic = {f.name for f in (*CONTEXT, sg.distance_feature(0, 0)) if f.basis == "geographic"}
    assert geographic == {"top_place", "place_count", "top_place_share", "distance"}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ((91, 0), "latitude=91 is not a latitude. Give it in degrees from -90 to 90"),
        ((0, 180.5), "longitude=180.5 is not a longitude"),
        ((math.nan, 0), "latitude=nan is not a latitude"),
        (("51 N", 0), "latitude='51 N' is not a latitude"),
        ((None, 0), "latitude=None is not a latitude"),
    ],
)
def test_a_point_that_is_nowhere_is_refused(said, message):
    with pytest.raises(ValueError, match=message):
        sg.distance_feature(*said)


def test_a_distance_of_nothing_known_is_refused():
    with pytest.raises(ValueError, match=r"of='latest' is neither 'mean' nor 'last'\. Did you mean 'last'"):
        sg.distance_feature(0, 0, of="latest")
