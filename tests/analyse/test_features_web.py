"""Visits: each feature by hand, where a visit ends, what converts it, and how long it took."""

import math

import numpy as np
import pandas as pd
import pytest
from by_hand import AS_OF, ada, differences, each, exactly, log, scenarios_log

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


COLUMNS = {"page": None, "duration": math.nan, "channel": None, "amount": 1.0}
VIEWED = ("page_view", "2024-06-10 09:00")


def at(clock):
    return f"2024-06-10 {clock}"


def sites(scenarios, *features):
    """Compute features of several scenarios of a website."""
    return each(scenarios, *features, columns=COLUMNS)


@pytest.fixture(scope="module")
def month():
    """A visit that ends in an order, one of a single page, one that leaves a cart, and one that is only counted.

    An order in a store is of no visit, though it is within the second one; one by telephone is no visit.
    """
    return log(
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
        ("page_view", "2024-07-01 00:00", {"page": "/"}),  # at as_of, so it does not count
        columns=COLUMNS,
    )


def test_features_by_hand(month):
    assert differences(ada(month, WEB), BY_HAND) == {}


def test_snapshots_are_features_of_dates(month):
    dates = ["2024-05-31 10:05", "2024-06-28 20:30:00.000001", "2024-07-02"]
    together = sg.snapshots(month, WEB, dates=dates)
    for date in dates:
        apart = sg.customer_features(month, WEB, as_of=date)
        pd.testing.assert_frame_equal(together.loc[pd.Timestamp(date)], apart, check_exact=True)


# --- where a visit ends ------------------------------------------------------------------------------


def test_a_visit_ends_after_the_gap():
    pages = {
        next_at: [VIEWED, ("page_view", at(next_at))]
        for next_at in ("09:00", "09:30", "09:30:00.000001", "09:40")
    }
    events = scenarios_log(pages, COLUMNS)
    expected = {None: [1, 1, 2, 2], "45 minutes": [1, 1, 1, 1], "10 minutes": [1, 2, 2, 2]}
    for gap, visits in expected.items():
        features = sg.select_features("visits")
        features = sg.with_settings(features, visit_gap=gap) if gap else features
        assert sg.customer_features(events, features, as_of=AS_OF)["visits"].to_list() == visits


@pytest.mark.parametrize("gap", ["30 minutes", "7 minutes", "1 microsecond"])
def test_visits_do_not_depend_on_the_clock(gap):
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


def test_what_belongs_to_a_visit():
    pages = [VIEWED, ("page_view", at("09:40"))]
    order = ("purchase", at("09:20"))
    visits = {
        "over midnight": [("page_view", "2024-06-09 23:50"), ("page_view", "2024-06-10 00:10")],
        "two": pages,
        "an order between": [*pages, order],
        "an order in a store between": [*pages, (*order, {"channel": "store"})],
        "one in a store": [("visit", at("09:00"), {"channel": "store"}), ("visit", at("15:00"))],
        "no visit": [order, ("email_open", at("10:00"))],
        "three": [("page_view", at(hour)) for hour in ("09:00", "09:40", "10:20")],
    }
    rows = sites(visits, *WEB)
    assert rows["visits"].to_list() == [1, 2, 1, 2, 1, 0, 3]
    counts = [f.name for f in WEB if f.empty == 0]
    none = rows.loc["no visit"]
    assert (none[counts] == 0).all() and none.drop(counts).isna().all()


def test_orders_convert_visits():
    online = ("web", None, "app", "shopify", "shop app", "storefront", "phone app")
    stores = ("Store", "in-store", "POS", "offline", " Store ", "Store 12", "store-3", "STORE7")
    stores += ("Brick-and-mortar", "telephone")
    scenarios = {
        channel: [VIEWED, ("purchase", at("09:10"), {"channel": channel})] for channel in online + stores
    }
    times = {"09:30": 1, "09:30:01": 0, "08:55": 1, "08:00": 0}
    scenarios |= {time: [VIEWED, ("purchase", at(time))] for time in times}
    scenarios["two lines"] = [VIEWED, *[("purchase", at("09:10"))] * 2]
    rows = sites(scenarios, "visits", "conversion_rate")
    expected = [*[1] * len(online), *[0] * len(stores), *times.values(), 1]
    assert rows["conversion_rate"].to_list() == expected
    assert (rows["visits"] == 1).all()


# --- what happens in a visit -------------------------------------------------------------------------


def test_bounces_carts_and_depth():
    cart = ("cart_add", at("09:00"))
    others = {
        "visit": (("visit", at("09:00")), 1),  # only counts the visit
        "page": (VIEWED, 0),
        "search": (("search", at("09:01")), 0),
        "cart": (("cart_add", at("09:01")), 0),
        "order": (("purchase", at("09:01")), 0),
        "email": (("email_open", at("09:01")), 1),
    }
    scenarios = {name: [VIEWED, other] for name, (other, _) in others.items()}
    scenarios |= {
        "bought": [cart, ("purchase", at("09:20"))],
        "bought later": [cart, ("purchase", at("19:20"))],
        "left": [cart, cart, cart],
        "no pages": [("visit", at("09:00")), ("visit", at("15:00"))],
        "no names": [VIEWED, ("page_view", at("09:01"))],
    }
    rows = sites(scenarios, *WEB)
    assert rows["bounce_rate"].head(6).to_list() == [bounced for _, bounced in others.values()]
    carts = rows["cart_abandonment"][["bought", "bought later", "left"]]
    assert carts.to_list() == [0, 1, 1]
    empty = rows.loc["no pages"]
    unknown = ["bounce_rate", "pages_per_visit", "visit_depth", "time_on_page", "time_on_site"]
    assert (empty["visits"], empty["conversion_rate"]) == (2, 0)
    assert empty[[*unknown, "cart_abandonment"]].isna().all()
    views = rows.loc["no names"]
    assert views["pages_per_visit"] == 2 and views[["visit_depth", "deepest_visit"]].isna().all()


def test_only_depth_needs_pages():
    needs = missing_columns(scenarios_log({"ada": [VIEWED]}), WEB)
    assert {name for name, column in needs.items() if column == "page"} == {"visit_depth", "deepest_visit"}
    assert set(needs.values()) == {"", "page"}


# --- how long ----------------------------------------------------------------------------------------


def test_times_on_pages_and_on_the_site():
    nan, view = math.nan, "page_view"
    three = [VIEWED, ("cart_add", at("09:02")), (view, at("09:03"))]
    two = [(view, at("09:00"), {"page": "/a"}), (view, at("09:00"), {"page": "/b"})]
    visit, page = ("visit", at("09:00")), (view, at("09:01"))
    expected = [  # events, seconds on a page and on the site
        (three, 120, 180),
        ([*three, (view, at("10:03"))], 120, 180),  # of another visit
        ([VIEWED], nan, nan),
        ([(*VIEWED, {"duration": 7.5})], 7.5, 7.5),
        ([(*VIEWED, {"duration": 0.0})], 0, 0),
        ([(*VIEWED, {"duration": 20.0}), (*page, {"duration": 30.0})], 25, 90),  # the source goes first
        ([VIEWED, (view, at("09:20")), (view, at("09:21"))], (1200 + 60) / 2, 1260),
        ([(*VIEWED, {"duration": 86_400.0})], 1800, 1800),  # the longest time on a page
        ([(*visit, {"duration": 2400.0})], nan, 2400),  # a visit that has its length
        ([(*visit, {"duration": 2400.0}), page], nan, 2400),
        ([visit, page], nan, 60),
        ([(*visit, {"duration": 1e300})], nan, 86_400),
        (two, nan, nan),  # at the same moment
        ([*two, page], 60, 60),
        ([visit, ("search", at("09:00")), two[0]], nan, nan),
        ([visit, two[0], ("search", at("09:00")), ("cart_add", at("09:01"))], 60, 60),
    ]
    rows = sites({i: events for i, (events, *_) in enumerate(expected)}, "time_on_page", "time_on_site")
    assert rows["time_on_page"].to_list() == exactly([on_page for _, on_page, _ in expected])
    assert rows["time_on_site"].to_list() == exactly([on_site for _, _, on_site in expected])


def test_dwell_cap_is_the_longest_time_on_a_page():
    features = sg.with_settings(sg.select_features("time_on_page", "time_on_site"), dwell_cap="5 minutes")
    pages = {"ada": [VIEWED, ("page_view", at("09:20")), ("page_view", at("09:21"))]}
    assert sites(pages, *features).loc["ada"].to_list() == [(300 + 60) / 2, 360]


def test_days_from_first_view_to_order():
    orders = {
        "later": (["2024-06-12 09:00"], 2),
        "several": (["2024-06-01 09:00", "2024-06-13 09:00", "2024-06-11 09:00"], 1),  # the first was before
        "at once": (["2024-06-10 09:00"], 0),
        "before": (["2024-06-01 09:00"], math.nan),
        "none": ([], math.nan),
    }
    views = [VIEWED, ("page_view", at("11:00"))]
    scenarios = {
        name: [*views, *(("purchase", time, {"channel": "store"}) for time in times)]
        for name, (times, _) in orders.items()
    }
    days = sites(scenarios, "view_to_order")["view_to_order"]
    assert days.to_dict() == exactly({name: expected for name, (_, expected) in orders.items()})
