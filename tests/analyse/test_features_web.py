"""Visits: each feature by hand, where one ends, what converts it, and how long it took."""

import math

import numpy as np
import pandas as pd
import pytest
from by_hand import AS_OF, ada, exactly, one

import segkit as sg
from segkit.analyse.features.query import missing_columns
from segkit.analyse.features.web import WEB

BY_HAND = {
    "visits": 4.0,
    "visits_7d": 2.0,
    "visits_30d": 3.0,
    "visit_recency": 1 + 16 / 24,
    "pages_per_visit": (3 + 1 + 2) / 3,  # the fourth visit has no page view
    "visit_depth": (3 + 1 + 1) / 3,
    "deepest_visit": 3.0,
    "time_on_site": ((630 + 20) + 1860 + 600) / 3,  # the second saw one page, for who knows how long
    "time_on_page": (60 + 180 + 20 + 1800 + 60) / 5,
    "bounce_rate": 1 / 3,
    "searches": 1.0,
    "cart_adds": 2.0,
    "cart_abandonment": 1 / 2,
    "conversion_rate": 1 / 4,
    "view_to_order": 10 / 1440,
}


def site(*rows, **said):
    """Events of Ada, (kind, time) or (kind, time, columns) each; page, duration and channel are known columns."""
    known = {"page": None, "duration": math.nan, "channel": None, "amount": 1.0}
    lines = [{"kind": row[0], "timestamp": row[1], **known, **(row[2] if row[2:] else {})} for row in rows]
    return sg.read_events(pd.DataFrame(lines).assign(customer_id="ada"), **said)


def at(clock):
    return f"2024-06-10 {clock}"


@pytest.fixture(scope="module")
def month():
    """A visit that ends in an order, one of a single page, one that leaves a cart, and one that is only counted.

    An order in a store, though within the second visit, is of no visit, and one by telephone is none.
    """
    return site(
        ("page_view", "2024-05-31 10:00", {"page": "/"}),
        ("search", "2024-05-31 10:01"),
        ("page_view", "2024-05-31 10:02", {"page": "/p/1"}),
        ("cart_add", "2024-05-31 10:05"),
        ("purchase", "2024-05-31 10:10", {"channel": "web"}),
        ("page_view", "2024-05-31 10:10:30", {"page": "/thanks", "duration": 20.0}),
        ("page_view", "2024-06-20 09:00", {"page": "/"}),
        ("purchase", "2024-06-20 09:10", {"channel": "Store"}),
        ("purchase", "2024-06-26 12:00"),
        ("page_view", "2024-06-28 20:00", {"page": "/p/1"}),
        ("page_view", "2024-06-28 20:30", {"page": "/p/1"}),
        ("cart_add", "2024-06-28 20:31"),
        ("visit", "2024-06-29 08:00", {"duration": 600.0}),
        ("page_view", "2024-07-01 00:00", {"page": "/"}),  # the first moment that is not seen
    )


@pytest.fixture(scope="module")
def row(month):
    return ada(month, WEB)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_feature_by_hand(row, name):
    assert row[name] == exactly(BY_HAND[name])


def test_snapshots_are_the_features_of_each_date(month):
    dates = ["2024-05-31 10:05", "2024-06-28 20:30:00.000001", "2024-07-02"]
    together = sg.snapshots(month, WEB, dates=dates)
    for date in dates:
        apart = sg.customer_features(month, WEB, as_of=date)
        pd.testing.assert_frame_equal(together.loc[pd.Timestamp(date)], apart, check_exact=True)


def test_who_never_came_has_no_visits():
    row = ada(site(("purchase", at("09:00")), ("email_open", at("10:00"))), WEB)
    assert {name for name, value in row.items() if value == 0} == {f.name for f in WEB if f.empty == 0}
    assert all(math.isnan(value) for value in row.values() if value != 0)


# --- where a visit ends ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("next_at", "gap", "visits"),
    [
        ("09:30", None, 1),  # half an hour to the microsecond is the same visit
        ("09:30:00.000001", None, 2),
        ("09:40", "45 minutes", 1),
        ("09:40", "10 minutes", 2),
        ("09:00", "1 minute", 1),
    ],
)
def test_a_visit_is_over_after_the_gap(next_at, gap, visits):
    features = WEB if gap is None else sg.with_settings(WEB, visit_gap=gap)
    assert ada(site(("page_view", at("09:00")), ("page_view", at(next_at))), features)["visits"] == visits


@pytest.mark.parametrize("gap", ["30 minutes", "7 minutes", "1 microsecond"])
def test_visits_do_not_depend_on_where_the_clock_stood(gap):
    """Ada's and Bob's clicks, many of them a microsecond more or less than the gap apart, against a plain count."""
    rng, microseconds = np.random.default_rng(7), pd.Timedelta(gap) // pd.Timedelta(1, "us")
    steps = rng.choice([0, 1, microseconds // 3, microseconds, microseconds + 1, 5 * microseconds], 400)
    times = pd.Timestamp("2024-06-10") + pd.to_timedelta(rng.integers(0, 10**9) + steps.cumsum(), unit="us")
    clicks = pd.DataFrame({"customer_id": rng.choice(["ada", "bob"], 400), "timestamp": times})
    clicks["kind"] = rng.choice(["page_view", "search", "purchase"], 400)
    clicks["page"] = rng.choice(["a", "b", "c", None], 400)
    said = clicks.assign(
        duration=math.nan
    )  # a column that says nothing, so that time on site is added up by steps

    features = sg.with_settings(WEB, visit_gap=gap)
    table = sg.customer_features(sg.read_events(clicks.sample(frac=1, random_state=1)), features, as_of=AS_OF)
    by_steps = sg.customer_features(sg.read_events(said), features, as_of=AS_OF)
    pd.testing.assert_frame_equal(table, by_steps, check_exact=True)
    for who, own in clicks.groupby("customer_id"):
        visit = (own["timestamp"].diff() > pd.Timedelta(gap)).cumsum()
        visits = own.groupby(visit).filter(lambda hits: hits["kind"].ne("purchase").any()).groupby(visit)
        stayed = visits["timestamp"].max() - visits["timestamp"].min()
        assert table.loc[who, "visits"] == visits.ngroups
        assert table.loc[who, "searches"] == own["kind"].eq("search").sum()
        ordered = visits["kind"].agg(lambda kinds: kinds.eq("purchase").any())
        assert table.loc[who, "conversion_rate"] == pytest.approx(ordered.mean(), rel=1e-12)
        mean = stayed[stayed > pd.Timedelta(0)].dt.total_seconds().mean()
        assert table.loc[who, "time_on_site"] == pytest.approx(mean, rel=1e-12)
        depths = own[own["kind"].eq("page_view")].groupby(visit)["page"].nunique()
        assert table.loc[who, "deepest_visit"] == depths.max()
        assert table.loc[who, "visit_depth"] == pytest.approx(depths[depths > 0].mean(), rel=1e-12)


def test_midnight_ends_no_visit():
    assert one(site(("page_view", "2024-06-09 23:50"), ("page_view", "2024-06-10 00:10")), "visits") == 1


def test_an_order_is_done_on_the_site_and_keeps_the_visit_going():
    order = ("purchase", at("09:20"))
    pages = ("page_view", at("09:00")), ("page_view", at("09:40"))
    assert one(site(*pages), "visits") == 2
    assert one(site(*pages, order), "visits") == 1
    in_store = ("purchase", at("09:20"), {"channel": "store"})
    assert one(site(*pages, in_store), "visits") == 2


@pytest.mark.parametrize(
    ("channel", "converts"),
    [
        *(
            ("web", 1),
            (None, 1),
            ("app", 1),
            ("shopify", 1),
            ("shop app", 1),
            ("storefront", 1),
            ("phone app", 1),
        ),
        *(("Store", 0), ("in-store", 0), ("POS", 0), ("offline", 0), (" Store ", 0), ("Store 12", 0)),
        *(("store-3", 0), ("STORE7", 0), ("Brick-and-mortar", 0), ("telephone", 0)),
    ],
)
def test_orders_in_a_store_convert_no_visit(channel, converts):
    events = site(("page_view", at("09:00")), ("purchase", at("09:10"), {"channel": channel}))
    assert one(events, "conversion_rate") == converts


@pytest.mark.parametrize(
    ("order_at", "converts"), [("09:30", 1), ("09:30:01", 0), ("08:55", 1), ("08:00", 0)]
)
def test_an_order_converts_the_visit_that_is_running(order_at, converts):
    row = ada(site(("page_view", at("09:00")), ("purchase", at(order_at))), WEB)
    assert (row["visits"], row["conversion_rate"]) == (1, converts)


def test_an_order_of_many_lines_converts_once():
    lines = [("purchase", at("09:10"), {"order_id": "o1"}), ("purchase", at("09:10"), {"order_id": "o1"})]
    assert one(site(("page_view", at("09:00")), *lines), "conversion_rate") == 1


def test_a_store_visit_is_none_of_the_site():
    assert one(site(("visit", at("09:00"), {"channel": "store"}), ("visit", at("15:00"))), "visits") == 1


def test_each_customer_has_visits_of_their_own():
    table = pd.DataFrame({"customer_id": ["ada", "bob"] * 3, "kind": "page_view", "page": "/"})
    table["timestamp"] = pd.date_range("2024-06-10 09:00", periods=6, freq="20min")
    frame = sg.customer_features(sg.read_events(table), sg.select_features("visits"), as_of=AS_OF)
    assert frame["visits"].to_dict() == {"ada": 3, "bob": 3}


# --- what happens in it ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "bounced"),
    [
        (("visit", at("09:00")), 1),  # only says that there was one
        (("page_view", at("09:00")), 0),
        (("search", at("09:01")), 0),
        (("cart_add", at("09:01")), 0),
        (("purchase", at("09:01")), 0),
        (("email_open", at("09:01")), 1),
    ],
)
def test_a_bounce_is_one_page_and_nothing_else(other, bounced):
    assert one(site(("page_view", at("09:00")), other), "bounce_rate") == bounced


def test_visits_without_pages_neither_bounce_nor_stay():
    row = ada(site(("visit", at("09:00")), ("visit", at("15:00"))), WEB)
    assert (row["visits"], row["conversion_rate"]) == (2, 0)
    unknown = (
        "bounce_rate",
        "pages_per_visit",
        "visit_depth",
        "time_on_page",
        "time_on_site",
        "cart_abandonment",
    )
    assert all(math.isnan(row[name]) for name in unknown)


def test_a_cart_is_abandoned_where_the_visit_ends_without_an_order():
    filled = ("cart_add", at("09:00"))
    assert one(site(filled, ("purchase", at("09:20"))), "cart_abandonment") == 0
    assert one(site(filled, ("purchase", at("19:20"))), "cart_abandonment") == 1
    assert one(site(filled, filled, filled), "cart_abandonment") == 1


def test_pages_without_a_name_are_views_of_no_known_depth():
    row = ada(site(("page_view", at("09:00")), ("page_view", at("09:01"))), WEB)
    assert row["pages_per_visit"] == 2
    assert math.isnan(row["visit_depth"]) and math.isnan(row["deepest_visit"])


def test_depth_needs_pages_and_nothing_else_does():
    bare = sg.read_events(
        pd.DataFrame({"customer_id": ["ada"], "timestamp": [at("09:00")], "kind": ["page_view"]})
    )
    needs = missing_columns(bare, WEB)
    assert {name: column for name, column in needs.items() if column} == dict.fromkeys(
        ("visit_depth", "deepest_visit"), "page"
    )


# --- how long ----------------------------------------------------------------------------------------


def times(*rows, **settings):
    """Seconds on a page, and on the site."""
    features = sg.select_features("time_on_page", "time_on_site")
    return tuple(ada(site(*rows), sg.with_settings(features, **settings) if settings else features).values())


def test_the_time_on_a_page_is_that_to_the_next_thing_done():
    pages = [("page_view", at("09:00")), ("cart_add", at("09:02")), ("page_view", at("09:03"))]
    assert times(*pages) == (120, 180)
    assert times(*pages, ("page_view", at("10:03"))) == (120, 180)  # of another visit


def test_a_page_that_nothing_follows_has_no_time_unless_it_says_so():
    assert times(("page_view", at("09:00"))) == exactly((math.nan, math.nan))
    assert times(("page_view", at("09:00"), {"duration": 7.5})) == (7.5, 7.5)
    assert times(("page_view", at("09:00"), {"duration": 0.0})) == (0, 0)


def test_what_a_page_itself_says_goes_before_what_the_clock_says():
    """The time on the site is that between the first thing and the last, and what the last one says."""
    pages = [("page_view", at("09:00"), {"duration": 20.0}), ("page_view", at("09:01"), {"duration": 30.0})]
    assert times(*pages) == (25, 90)


def test_nobody_looks_at_a_page_for_longer_than_the_cap():
    pages = [("page_view", at("09:00")), ("page_view", at("09:20")), ("page_view", at("09:21"))]
    assert times(*pages) == ((1200 + 60) / 2, 1260)
    assert times(*pages, dwell_cap="5 minutes") == ((300 + 60) / 2, 360)
    assert times(("page_view", at("09:00"), {"duration": 86_400.0})) == (1800, 1800)


def test_a_visit_that_says_its_length_is_believed():
    visit, page = ("visit", at("09:00"), {"duration": 2400.0}), ("page_view", at("09:01"))
    assert times(visit) == exactly((math.nan, 2400))
    assert times(visit, page) == exactly((math.nan, 2400))
    assert times(("visit", at("09:00")), page) == exactly((math.nan, 60))
    assert times(("visit", at("09:00"), {"duration": 1e300})) == exactly((math.nan, 86_400))


def test_what_happens_at_the_same_instant_takes_no_time():
    """Of two pages opened at once, one is looked at until the next thing, the other for who knows how long."""
    both = [("page_view", at("09:00"), {"page": "/a"}), ("page_view", at("09:00"), {"page": "/b"})]
    assert times(*both) == exactly((math.nan, math.nan))
    assert times(*both, ("page_view", at("09:01"))) == (60, 60)
    assert times(("visit", at("09:00")), ("search", at("09:00")), both[0]) == exactly((math.nan, math.nan))
    assert times(("visit", at("09:00")), both[0], ("search", at("09:00")), ("cart_add", at("09:01"))) == (
        60,
        60,
    )


# --- from the first view to an order -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("orders", "days"),
    [
        (["2024-06-12 09:00"], 2),
        (["2024-06-01 09:00", "2024-06-13 09:00", "2024-06-11 09:00"], 1),  # the first one was before
        (["2024-06-10 09:00"], 0),
        (["2024-06-01 09:00"], math.nan),
        ([], math.nan),
    ],
)
def test_the_first_order_after_the_first_view(orders, days):
    views = [("page_view", at("09:00")), ("page_view", at("11:00"))]
    events = site(*views, *(("purchase", order, {"channel": "store"}) for order in orders))
    assert one(events, "view_to_order") == exactly(days)
