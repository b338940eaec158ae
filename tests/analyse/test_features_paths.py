"""Paths: counted by hand, at the edges of time, and written as code."""

import datetime
import math
import re

import pandas as pd
import pytest
from by_hand import AS_OF, ada, exactly
from pandas.testing import assert_frame_equal

import segkit as sg
from segkit.analyse.features.cadence import CADENCE
from segkit.analyse.features.catalogue import FAMILIES, code_for
from segkit.analyse.features.context import CONTEXT
from segkit.analyse.features.rfm import RFM
from segkit.analyse.features.web import WEB
from segkit.core.schema import KINDS

BY_HAND = {}  # paths are made, not brought

CARTS = sg.path_feature("cart_add", "purchase", within="1 day")


def log(*rows, **more):
    """Read events of Ada, (kind, time) each."""
    table = pd.DataFrame(rows, columns=["kind", "timestamp"]).assign(customer_id="ada", amount=1.0, **more)
    return sg.read_events(table, kinds={kind: kind for kind in table["kind"] if kind not in KINDS})


def path(events, *steps, as_of=AS_OF, **said):
    """Compute the features of a path: count, share, and hours where there is a second step."""
    return tuple(ada(events, sg.path_feature(*steps, **said), as_of=as_of).values())


@pytest.fixture(scope="module")
def carts():
    """Two of four products in the cart are bought, after 6 hours and 2; a fifth is too recent."""
    return log(
        ("purchase", "2024-05-31 12:00"),  # before
        ("cart_add", "2024-06-01 12:00"),
        ("cart_add", "2024-06-01 16:00"),
        ("search", "2024-06-01 17:00"),
        ("purchase", "2024-06-01 18:00"),
        ("purchase", "2024-06-01 19:00"),
        ("cart_add", "2024-06-10 12:00"),
        ("purchase", "2024-06-11 12:00:01"),
        ("cart_add", "2024-06-20 12:00"),
        ("cart_add", "2024-06-30 12:00"),
    )


def test_a_path_by_hand(carts):
    assert ada(carts, CARTS) == {
        "cart_add_to_purchase_1d_count": 2,
        "cart_add_to_purchase_1d_share": 2 / 4,
        "cart_add_to_purchase_1d_hours": (6 + 2) / 2,
    }


def test_snapshots_are_features_of_dates(carts):
    features = (*CARTS, *sg.path_feature("purchase", without="search", within="7 days"))
    dates = ["2024-06-01 18:00:00.000001", "2024-06-11", "2024-06-12", "2024-07-01"]
    together = sg.snapshots(carts, features, dates=dates)
    for date in dates:
        apart = sg.customer_features(carts, features, as_of=date)
        assert_frame_equal(together.loc[pd.Timestamp(date)], apart, check_exact=True)


def test_the_time_is_exact():
    for second, count in (("2024-06-02 12:00", 1), ("2024-06-02 12:00:00.000001", 0)):
        assert path(log(("a", "2024-06-01 12:00"), ("b", second)), "a", "b", within="1 day")[0] == count


def test_shares_wait_for_the_time():
    """Counting quick steps before slow ones had their time would make recent shares too high."""
    events = log(("a", "2024-06-30 12:00"), ("b", "2024-06-30 13:00"), ("a", "2024-06-30 14:00"))
    assert path(events, "a", "b", within="1 day") == exactly((1, math.nan, math.nan))
    assert path(events, "a", "b", within="1 day", as_of="2024-07-01 12:00") == exactly(
        (1, math.nan, math.nan)
    )
    assert path(events, "a", "b", within="1 day", as_of="2024-07-01 12:00:00.000001") == (1, 1, 1)
    assert path(events, "a", "b", within="1 day", as_of="2024-07-02") == (1, 0.5, 1)


def test_paths_ignore_the_future():
    events = log(("a", "2024-06-29 12:00"), ("b", "2024-06-30 11:00"))
    assert path(events, "a", "b", within="3 days", as_of="2024-06-30 11:00") == exactly(
        (0, math.nan, math.nan)
    )


def test_no_first_step_no_share():
    assert path(log(("b", "2024-06-01")), "a", "b", within="1 day") == exactly((0, math.nan, math.nan))


def test_a_path_has_one_customer():
    table = pd.DataFrame({"customer_id": ["ada", "bob"], "kind": ["a", "b"]})
    events = sg.read_events(table.assign(timestamp=["2024-06-01 09:00", "2024-06-01 10:00"]))
    counts = sg.customer_features(events, sg.path_feature("a", "b", within="1 day"), as_of=AS_OF)
    assert counts["a_to_b_1d_count"].to_dict() == {"ada": 0, "bob": 0}


def test_an_order_is_one_purchase():
    lines = log(*[("purchase", "2024-06-01 12:00")] * 3, order_id=["o1", "o1", "o2"])
    assert path(lines, "purchase", without="chat", within="7 days") == (2, 1)


# --- more than two steps -----------------------------------------------------------------------------


def test_three_steps_follow_each_other():
    steps = ("search", "cart_add", "purchase")
    events = log(
        ("search", "2024-06-01 10:00"),
        ("cart_add", "2024-06-01 11:00"),
        ("purchase", "2024-06-01 12:00"),
        ("search", "2024-06-02 10:00"),  # the order comes before the cart
        ("purchase", "2024-06-02 11:00"),
        ("cart_add", "2024-06-02 12:00"),
        ("search", "2024-06-10 10:00"),  # the cart is in time, the order is not
        ("cart_add", "2024-06-10 11:00"),
        ("purchase", "2024-06-10 16:00"),
    )
    assert path(events, *steps, within="3 hours") == (1, 1 / 3, 2)
    assert path(events, *steps, within="6 hours") == (2, 2 / 3, 4)


def test_steps_may_return():
    events = log(*(("ab"[i % 2], f"2024-06-01 0{i}:00") for i in range(5)))
    assert path(events, "a", "b", "a", within="1 day") == (2, 2 / 3, 2)


# --- without -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chat", "expected"),
    [
        ("2024-06-09 12:00", (1, 1)),  # before
        ("2024-06-10 12:00", (0, 0)),  # with it
        ("2024-06-17 12:00", (0, 0)),
        ("2024-06-17 12:00:00.000001", (1, 1)),
    ],
)
def test_purchases_without_chats(chat, expected):
    events = log(("purchase", "2024-06-10 12:00"), ("chat", chat))
    assert path(events, "purchase", without="chat", within="7 days") == expected


def test_without_waits_for_the_time():
    events = log(("purchase", "2024-06-10 12:00"))
    early = path(events, "purchase", without="chat", within="7 days", as_of="2024-06-17 12:00")
    assert early == exactly((0, math.nan))
    assert path(events, "purchase", without="chat", within="7 days", as_of="2024-06-17 12:00:01") == (1, 1)


@pytest.mark.parametrize(
    ("chat", "count"), [("10:00", 0), ("10:30", 0), ("11:00", 0), ("11:01", 1), ("09:59", 1)]
)
def test_nothing_excluded_on_the_way(chat, count):
    """Neither between the steps nor at the moment of one of them; later does not matter."""
    events = log(("a", "2024-06-10 10:00"), ("b", "2024-06-10 11:00"), ("chat", f"2024-06-10 {chat}"))
    assert path(events, "a", "b", without="chat", within="1 day")[0] == count


def test_without_several_kinds():
    features = sg.path_feature("purchase", without=["chat", "review"], within="2 days")
    assert [f.name for f in features] == [
        f"purchase_without_chat_or_review_2d_{what}" for what in ("count", "share")
    ]
    events = log(
        *(("purchase", f"2024-06-{day}") for day in (10, 15, 20)),
        ("chat", "2024-06-11"),
        ("review", "2024-06-16"),
    )
    assert tuple(ada(events, features).values()) == (1, 1 / 3)


# --- the same moment, the same kind ------------------------------------------------------------------


def test_steps_of_one_moment_are_in_order():
    both = log(("b", "2024-06-01"), ("a", "2024-06-01"))
    assert path(both, "a", "b", within="1 day") == (1, 1, 0)
    assert path(both, "b", "a", within="1 day") == (1, 1, 0)


def test_nothing_follows_itself():
    orders = [("purchase", f"2024-06-{day}") for day in ("01", "11", "11", "26")]
    later = {"as_of": "2025-01-01"}
    assert path(log(*orders), "purchase", "purchase", within="30 days", **later) == (3, 3 / 4, 15 * 24)
    assert path(log(*orders), "purchase", "purchase", within="12 days", **later) == (1, 1 / 4, 240)
    assert path(log(*orders), "purchase", without="purchase", within="12 days", **later) == (3, 3 / 4)
    there_and_back = log(("a", "2024-06-01"), ("b", "2024-06-01"))
    assert path(there_and_back, "a", "b", "a", within="1 day") == exactly((0, 0, math.nan))


# --- names, words, equality --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("within", "named"),
    [
        *(("1 day", "1d"), ("36 hours", "36h"), ("90min", "90min"), ("45 seconds", "45s"), ("7D", "7d")),
        *((datetime.timedelta(hours=48), "2d"), ("1.5 days", "36h"), ("100ms", "0_1s")),
    ],
)
def test_names_have_the_time(within, named):
    count, share, hours = sg.path_feature("cart_add", "purchase", within=within)
    assert [f.name for f in (count, share, hours)] == [
        f"cart_add_to_purchase_{named}_{what}" for what in ("count", "share", "hours")
    ]


def test_names_can_be_used_in_code():
    features = sg.path_feature("Video played", "plan: up!", within="1 day", without="can't", name=None)
    assert all(f.name.isidentifier() for f in features)
    assert sg.path_feature("a", "b", within="1 day", name="quick")[1].name == "quick_share"


FUNNEL = ("email_click", "page_view", "cart_add", "purchase")


def test_long_names_are_shortened():
    """PostgreSQL cuts names after 63 bytes; those of two long paths must differ before that."""
    within = {"within": "30 days"}
    one = sg.path_feature(*FUNNEL, without="email_unsubscribe", **within)
    other = sg.path_feature(*FUNNEL, without="email_sent", **within)
    foreign = sg.path_feature("Video angesehen für Käufer", "Wunschzettel geöffnet", "purchase", **within)
    names = [f.name for f in (*one, *other, *foreign)]
    assert len(set(names)) == 9 and all(len(name.encode()) <= 63 and name.isidentifier() for name in names)
    assert re.fullmatch("email_click_to_page_view_to_cart_add_to_[a-z_]+_[0-9a-f]{6}_30d_count", one[0].name)
    assert one == sg.path_feature(*FUNNEL, without="email_unsubscribe", **within)
    assert "without='email_unsubscribe')" in code_for(one) and "name=" not in code_for(one)
    just = sg.path_feature("a" * 30, "b" * 20, within="1 day")  # 57 bytes, and six more
    assert just[0].name == "a" * 30 + "_to_" + "b" * 20 + "_1d_count"


def test_misspelt_kinds_are_refused():
    for slip, meant in {
        **{"cart_ad": "cart_add", "purchse": "purchase", "page_veiw": "page_view"},
        **{"purhcase": "purchase", "vsit": "visit", "email_opem": "email_open"},
    }.items():
        with pytest.raises(ValueError, match=f"{slip!r} as a kind .* Did you mean {meant!r}"):
            sg.path_feature("search", slip, within="1 day")
        with pytest.raises(ValueError, match=f"Did you mean {meant!r}"):
            sg.path_feature("search", "return", without=[slip], within="1 day")


def test_kinds_are_read_as_in_the_log():
    spelt = sg.path_feature("Page-View", "purchases", without=["Email Open"], within="1 day")
    assert spelt == sg.path_feature("page_view", "purchase", without=["email_open"], within="1 day")


def test_other_kinds_are_allowed():
    own = (
        *("app_open", "email_bounce", "email_subscribe", "cart_remove", "refund", "mms_sent", "preview", "a"),
        *("social_unlike", "email_delivered", "checkout", *KINDS, *(k for f in FAMILIES for k in f.kinds)),
    )
    for kind in own:
        assert sg.path_feature(kind, "b", within="1 day")[0].kinds == (kind, "b")


def test_paths_have_meanings():
    said = [
        f.doc for f in sg.path_feature("search", "cart_add", "purchase", within="90 minutes", without="chat")
    ]
    followed = "was followed by cart_add, then purchase within 90 minutes, without chat."
    assert said == [
        f"How often search {followed}",
        f"Share of search events that {followed[:-1]}, among those whose time is over.",
        f"Typical (median) time from search to purchase, where it {followed}",
    ]
    assert sg.path_feature("purchase", without="chat", within="1 hour")[0].doc == (
        "How often purchase was followed by no chat within 1 hour."
    )
    assert {(f.family, f.unit, f.kinds) for f in CARTS} == {
        ("PATH", unit, ("cart_add", "purchase")) for unit in ("times", "share", "hours")
    }


def test_equal_paths_are_equal_features():
    assert sg.path_feature("a", "b", within="24h") == sg.path_feature("a", "b", within="1 day")
    assert sg.path_feature("a", "b", within="1h") != sg.path_feature("a", "b", within="2h")
    twice = sg.customer_features(log(("a", "2024-06-01")), CARTS + CARTS, as_of=AS_OF)
    assert list(twice) == [f.name for f in CARTS]


def test_kinds_are_written_as_in_the_log():
    loud = sg.path_feature(" Cart_Add", "PURCHASE", within="1 day", without="Chat ")
    assert loud == sg.path_feature("cart_add", "purchase", within="1 day", without="chat")
    own = sg.path_feature("Video Played", "purchase", within="1 day")
    assert own[0].kinds == ("Video Played", "purchase")


def test_paths_are_computed_together(carts):
    features = (
        CARTS
        + sg.path_feature("cart_add", "purchase", within="7 hours")
        + sg.path_feature("search", "purchase", within="1 day")
    )
    row = ada(carts, features)
    assert [row[f.name] for f in features if f.unit == "share"] == [2 / 4, 2 / 5, 1]


@pytest.mark.parametrize(
    ("steps", "said", "message"),
    [
        ((), {"within": "1 day"}, r"got 0 step\(s\), none. Give two or more"),
        (("a",), {"within": "1 day"}, r"got 1 step\(s\), 'a'. Give two or more"),
        ((), {"within": "1 day", "without": "chat"}, r"got 0 step\(s\)"),
        (("a", ""), {"within": "1 day"}, "got '' as a kind of event"),
        (("a", ["b"]), {"within": "1 day"}, r"got \['b'\] as a kind of event"),
        (("a", "b"), {"within": "soon"}, "within='soon' is not a span of time"),
        (("a", "b"), {"within": "0 days"}, "within='0 days' is not positive"),
        (("a", "b"), {"within": 3}, "within=3 is not a span of time. Write it as '7 days'"),
        (("a", "b"), {"within": "100ns"}, "within='100ns' is shorter than a microsecond"),
        (("a",), {"within": "1 day", "without": None}, "without=None is neither a kind"),
        (("a",), {"within": "1 day", "without": 3}, "without=3 is neither a kind"),
    ],
)
def test_wrong_paths_are_refused(steps, said, message):
    with pytest.raises(ValueError, match=message):
        sg.path_feature(*steps, **said)


# --- as code -----------------------------------------------------------------------------------------

SHORT_VISITS = sg.with_settings(WEB, visit_gap="45 minutes")
LONDON = sg.with_settings(CONTEXT, timezone="Europe/London")
NO_CHAT = sg.path_feature("purchase", without=("chat", "review"), within="36 hours", name="calm {order}")
NEAR = sg.distance_feature(51.5, -0.1, name="from_london")
LAST = sg.distance_feature(51.5, -0.1, of="last")


@pytest.mark.parametrize(
    ("features", "code"),
    [
        (WEB + CONTEXT, "sg.WEB + sg.CONTEXT"),
        (SHORT_VISITS, "sg.with_settings(sg.WEB, visit_gap='45 minutes')"),
        (
            sg.with_settings(WEB, visit_gap="1 hour", dwell_cap="90 seconds"),
            "sg.with_settings(sg.WEB, dwell_cap='90 seconds', visit_gap='1 hour')",
        ),
        (
            RFM + LONDON[:2] + CADENCE[:1],
            "sg.RFM + sg.with_settings(sg.select_features('night_share', 'morning_share'), "
            "timezone='Europe/London') + sg.select_features('gap_mean')",
        ),
        (CARTS, "sg.path_feature('cart_add', 'purchase', within='1 day')"),
        (
            CARTS[:1] + WEB[:1],
            "sg.select_features('cart_add_to_purchase_1d_count', offered=sg.path_feature('cart_add', 'purchase', "
            "within='1 day')) + sg.select_features('visits')",
        ),
        (
            NO_CHAT,
            "sg.path_feature('purchase', within='36 hours', without=('chat', 'review'), name='calm {order}')",
        ),
        (
            (NEAR, LAST),
            "(sg.distance_feature(51.5, -0.1, name='from_london'), "
            "sg.distance_feature(51.5, -0.1, name='distance', of='last'),)",
        ),
        (CADENCE[2:0:-1], "sg.select_features('gap_std', 'gap_median')"),
    ],
)
def test_the_code_for_features(features, code):
    assert code_for(features) == code
    assert code_for(list(features)) == code


@pytest.mark.parametrize(
    "features",
    [
        FAMILIES[3:-3],
        (*WEB[1:], NEAR, *CARTS[:2], *SHORT_VISITS[:1], LAST, *NO_CHAT, *LONDON[3:9], *RFM[::-1]),
        (*SHORT_VISITS[:3], *sg.with_settings(WEB, visit_gap="1 hour")[3:], *LONDON, NEAR),
        (NEAR, *CONTEXT[1:], *CARTS[::-1]),
        sg.path_feature("it's", 'a "kind"', within="100ms", without="back\\slash"),
        sg.path_feature("a", "b", within="1 us")
        + sg.path_feature("a", "b", within="12345678.123457 seconds"),
    ],
)
def test_code_keeps_order_and_settings(features):
    again = eval(code_for(tuple(features)), {"sg": sg})
    assert again == tuple(features)


def test_custom_features_are_variables():
    own = sg.Feature("biggest", lambda orders: orders.amount.max(), "currency", "Biggest order.")
    changed = sg.Feature("visits", lambda visits: visits.count(), "visits", "Mine.", family="WEB")
    assert code_for((own, *RFM, NEAR)) == (
        "(biggest,) + sg.RFM + (sg.distance_feature(51.5, -0.1, name='from_london'),)"
    )
    assert code_for((changed, own)) == "(visits, biggest,)"


def test_other_names_are_selected():
    own = tuple(
        sg.Feature(name, lambda orders: orders.amount.max(), "currency", "Biggest.")
        for name in ("biggest order", "import os; os.abort()", "class", "sg")
    )
    assert eval(code_for(own), {"sg": sg, "own_features": own}) == own
