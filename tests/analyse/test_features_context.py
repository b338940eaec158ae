"""When, where and with what: each feature by hand, clocks, what counts as an action, and distances."""

import math

import pandas as pd
import pytest
from by_hand import AS_OF, ada, differences, each, exactly, log, scenarios_log

import segkit as sg
from segkit.analyse.features.context import CONTEXT
from segkit.analyse.features.tables.visits import IN_STORE

BY_HAND = {  # of seven actions
    "night_share": 2 / 7,
    "morning_share": 1 / 7,
    "afternoon_share": 2 / 7,
    "evening_share": 2 / 7,
    "top_hour_band": "night",  # of equal ones, the last in the alphabet
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
MONDAY = "2024-06-24 10:00"


@pytest.fixture(scope="module")
def week():
    """Two lines bought at once are one action, and so are the two of a return; what was sent is none."""
    on_saturday = {"order_id": "o1", "channel": "store", "place": "Coast"}
    sent_back = on_saturday | {"zone": "Europe/Berlin"}  # where it is Saturday already
    return log(
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
        columns=COLUMNS,
    )


def test_features_by_hand(week):
    assert differences(ada(week, CONTEXT), BY_HAND) == {}


def test_snapshots_are_features_of_dates(week):
    features = (*CONTEXT, sg.distance_feature(0, 0), sg.distance_feature(0, 0, name="last", of="last"))
    together = sg.snapshots(week, features, dates=["2024-06-25", "2024-07-01"])
    for date in ("2024-06-25", "2024-07-01"):
        apart = sg.customer_features(week, features, as_of=date)
        words = dict.fromkeys(apart.select_dtypes("category"), "str")
        there = together.loc[pd.Timestamp(date)].astype(words)
        pd.testing.assert_frame_equal(there, apart.astype(words), check_exact=True)


# --- what counts as an action ------------------------------------------------------------------------


def test_what_the_shop_does_is_no_action():
    of_shop = ("email_delivered", "email_bounce", "sms_bounced", "push_dropped", "outreach")
    of_shop += ("survey_invited", "payment_failed", "ad_sent", "email_sent")
    of_customer = ("email_open", "chat", "outreach_answered", "failed")
    scenarios = {kind: [(kind, MONDAY, {"device": "d", "channel": "c"})] for kind in of_shop + of_customer}
    rows = each(scenarios, *CONTEXT, columns=COLUMNS, kinds={kind: kind for kind in scenarios})
    assert rows["device_count"].to_dict() == dict.fromkeys(of_shop, 0) | dict.fromkeys(of_customer, 1)
    counts = ["device_count", "channel_count", "place_count"]
    assert (rows.loc["email_sent", counts] == 0).all() and rows.loc["email_sent"].drop(counts).isna().all()


def test_an_order_is_one_action_at_its_first_line():
    early, late = "2024-06-29 23:59", "2024-06-30 00:01"
    order = [("purchase", late, {"order_id": "o1"}), ("purchase", early, {"order_id": "o1"})]
    survey = [("survey", MONDAY, {"rating": None}), ("survey", "2024-06-24 20:00", {"rating": 3.0})]
    scenarios = {
        "order": order,
        "lines": [("purchase", late), ("purchase", early)],
        "with return": [*order, ("return", late, {"order_id": "o1"})],
        "survey": survey,
        "not answered": survey[:1],
    }
    shares = each(scenarios, "evening_share", columns=COLUMNS | {"rating": None})["evening_share"]
    assert shares.to_list() == exactly([1, 0.5, 0.5, 1, math.nan])
    # without a column of answers, every survey counts
    assert ada(log(("survey", MONDAY)), sg.select_features("morning_share")) == {"morning_share": 1}


# --- clocks ------------------------------------------------------------------------------------------

CLOCK = ("top_hour_band", "weekend_share")


def clocks(scenarios, **options):
    """Return the part of the day and the share of the weekend of page views, one for each scenario."""
    events = {name: [("page_view", *row)] for name, row in scenarios.items()}
    rows = each(events, *CLOCK, columns=COLUMNS, as_of="2025-01-01", **options)
    return dict(zip(rows.index, zip(rows["top_hour_band"], rows["weekend_share"], strict=True), strict=True))


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_parts_of_the_day_begin_with_their_first_moment(zone):
    """Times without a zone are the shop's, and hours are counted in its zone."""
    expected = {
        "2024-06-28 23:59:59.999999": ("evening", 0),
        "2024-06-29 00:00": ("night", 1),
        "2024-06-29 05:59:59.999999": ("night", 1),
        "2024-06-29 06:00": ("morning", 1),
        "2024-06-29 12:00": ("afternoon", 1),
        "2024-06-30 18:00": ("evening", 1),
        "2024-06-30 23:59:59.999999": ("evening", 1),
        "2024-06-24 00:00": ("night", 0),
    }
    assert clocks({moment: (moment,) for moment in expected}, timezone=zone) == expected


def test_clocks_change_in_summer():
    expected = {
        "2024-03-31T00:59:59Z": "night",  # London: 00:59, then 02:00
        "2024-03-31T05:00:00Z": "morning",
        "2024-03-30T05:59:59Z": "night",
        "2024-10-27T05:59:59Z": "night",  # 01:00 to 02:00 occurs twice
        "2024-10-27T00:30:00Z": "night",
        "2024-10-26T05:00:00Z": "morning",
    }
    parts = clocks({moment: (moment,) for moment in expected}, timezone="Europe/London")
    assert {moment: part for moment, (part, _) in parts.items()} == expected


def test_the_zone_of_an_action_goes_first():
    moment = "2024-06-28T23:00Z"
    assert clocks({"utc": (moment,)}) == {"utc": ("evening", 0)}
    there = {"shop": (moment,), "own": (moment, {"zone": "America/New_York"})}
    assert clocks(there, timezone="Europe/London") == {"shop": ("night", 1), "own": ("evening", 0)}


def test_features_can_have_a_zone():
    events = log(("page_view", "2024-06-28T23:00Z"), columns=COLUMNS)
    hours = sg.select_features("night_share", "morning_share", "weekend_share")
    in_london = sg.with_settings(hours, timezone="Europe/London")
    assert ada(events, in_london) == {"night_share": 1, "morning_share": 0, "weekend_share": 1}


# --- devices, channels, places -----------------------------------------------------------------------


def test_phones_are_mobile():
    phones = ("phone", "iPhone", "Smartphone", "mobile", "Mobile web", "Android", "iOS")
    others = ("desktop", "tablet", "kiosk", "iPad")
    views = {device: [("page_view", MONDAY, {"device": device})] for device in phones + others}
    views["half known"] = [("search", MONDAY, {"device": "phone"}), ("search", "2024-06-25")]
    rows = each(views, "mobile_share", "device_count", columns=COLUMNS)
    expected = dict.fromkeys(phones, 1) | dict.fromkeys(others, 0) | {"half known": 1}
    assert rows["mobile_share"].to_dict() == expected
    assert (rows["device_count"] == 1).all()


def test_hours_count_actions_on_any_device():
    scenario = [
        ("search", "2024-06-24 07:00", {"device": "phone"}),  # a Monday
        ("search", "2024-06-24 19:00", {"device": "desktop"}),
        ("search", "2024-06-24 20:00"),
        ("search", "2024-06-29 23:00"),  # a Saturday
    ]
    row = each({"ada": scenario}, *CONTEXT, columns=COLUMNS).loc["ada"]
    assert (row["morning_share"], row["evening_share"], row["weekend_share"]) == (1 / 4, 3 / 4, 1 / 4)
    assert (row["top_hour_band"], row["device_count"], row["mobile_share"]) == ("evening", 2, 1 / 2)


def test_of_equal_words_the_last_is_the_top():
    known = ("device", "channel", "place")
    searches = [("search", MONDAY, dict.fromkeys(known, word)) for word in "abc"]
    row = each({"ada": searches}, *CONTEXT, columns=COLUMNS).loc["ada"]
    assert {row[f"top_{name}"] for name in known} == {"c"}


def test_orders_in_a_store_are_not_online():
    stores = {*IN_STORE, *(word.upper() for word in IN_STORE)}
    scenarios, expected = {}, {}
    for store in stores:
        orders = [("purchase", MONDAY, {"channel": channel}) for channel in (store, "web", None)]
        scenarios |= {f"{store} and web": orders, store: orders[:1]}
        expected |= {f"{store} and web": 0.5, store: 0}
    scenarios["unknown"] = [("purchase", MONDAY), ("visit", MONDAY, {"channel": "web"})]
    shares = each(scenarios, "online_share", columns=COLUMNS)["online_share"]
    assert shares.to_dict() == exactly(expected | {"unknown": math.nan})


# --- distances ---------------------------------------------------------------------------------------

QUARTER_OF_THE_EQUATOR = math.pi / 2 * 6371.0088


def far(scenarios, *features):
    """Return distances for lists of places, each seen a day after the one before."""
    events = {
        name: [
            ("page_view", f"2024-06-{10 + day} 12:00", {"place": place}) for day, place in enumerate(places)
        ]
        for name, places in scenarios.items()
    }
    return each(events, *features)


def test_distances_by_hand():
    expected = {
        "0, 90": QUARTER_OF_THE_EQUATOR,
        "0,-90": QUARTER_OF_THE_EQUATOR,
        "90, 17": QUARTER_OF_THE_EQUATOR,
        "0, 180": 2 * QUARTER_OF_THE_EQUATOR,
        " 0 , 0.0 ": 0,
        "-0.5, 0": QUARTER_OF_THE_EQUATOR / 180,
        **dict.fromkeys(("Coast", "91, 0", "0, 181", "1", "1, 2, 3", "x, 2", "nan, 1"), math.nan),
    }
    places = {place: [place] for place in expected} | {"empty": [""], "missing": [None]}
    distances = far(places, sg.distance_feature(0, 0))["distance"]
    assert distances.to_dict() == exactly(expected | {"empty": math.nan, "missing": math.nan})


def test_distances_are_those_of_maps():
    places = {"Paris": ["48.8566, 2.3522"], "New York": ["40.7128, -74.0060"]}
    distances = far(places, sg.distance_feature(51.5074, -0.1278))["distance"]
    assert distances.to_dict() == pytest.approx({"Paris": 343.6, "New York": 5570}, abs=1)


def test_mean_and_last_distances():
    """Several points give several features, and the last of several at the same moment is their mean."""
    features = (
        sg.distance_feature(0, 0, name="mean"),
        sg.distance_feature(0, 0, name="last", of="last"),
        sg.distance_feature(0, 90, name="from_there"),
    )
    row = far({"ada": ["0, 90", None, "0, 180", "Coast"]}, *features).loc["ada"]
    quarters = {"mean": 1.5, "last": 2, "from_there": 0.5}
    assert row.to_dict() == exactly({name: n * QUARTER_OF_THE_EQUATOR for name, n in quarters.items()})
    at_once = {"ada": [("search", MONDAY, {"place": place}) for place in ("0, 90", "0, 180", "North")]}
    assert each(at_once, features[1]).loc["ada", "last"] == exactly(1.5 * QUARTER_OF_THE_EQUATOR)


def test_equal_points_are_equal_features():
    assert sg.distance_feature(1, 2) == sg.distance_feature(1.0, 2.0)
    assert sg.distance_feature(0, 2) == sg.distance_feature(-0.0, 2)
    assert len({sg.distance_feature(1, 2), sg.distance_feature(1, 2), sg.distance_feature(2, 1)}) == 2
    assert sg.distance_feature(1, 2) != sg.distance_feature(1, 2, of="last")


def test_distances_need_places():
    events = scenarios_log({"ada": [("search", MONDAY)]})
    with pytest.raises(ValueError, match="'distance' needs 'place'"):
        sg.customer_features(events, [sg.distance_feature(0, 0)], as_of=AS_OF)
    geographic = {f.name for f in (*CONTEXT, sg.distance_feature(0, 0)) if f.basis == "geographic"}
    assert geographic == {"top_place", "place_count", "top_place_share", "distance"}


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ((91, 0), "latitude=91 is not a latitude. Give it in degrees from -90 to 90"),
        ((0, 180.5), "longitude=180.5 is not a longitude"),
        ((math.nan, 0), "latitude=nan is not a latitude"),
        (("51 N", 0), "latitude='51 N' is not a latitude"),
        ((None, 0), "latitude=None is not a latitude"),
    ],
)
def test_wrong_points_are_refused(point, message):
    with pytest.raises(ValueError, match=message):
        sg.distance_feature(*point)


def test_distances_are_mean_or_last():
    with pytest.raises(ValueError, match=r"of='latest' is neither 'mean' nor 'last'\. Did you mean 'last'"):
        sg.distance_feature(0, 0, of="latest")
