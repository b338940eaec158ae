"""What customers buy: each feature by hand, and the edges of ties, time and what is unknown."""

import math
import statistics

import numpy as np
import pandas as pd
import pytest
from by_hand import AS_OF, ada, bought, days_before, differences, each, exactly, log, one
from tables import purchases

import segkit as sg
from segkit.analyse.features.cadence import CADENCE
from segkit.analyse.features.rfm import RFM
from segkit.analyse.features.trend import TREND

ALIKE = round((6 / 174) ** 2, 9)  # contrast of the gaps of 84 and 90 days

BY_HAND = {
    "recency": 10.0,
    "frequency": 3.0,
    "monetary": 80.0,
    "tenure": 184.0,
    "gap_mean": 87.0,
    "gap_median": 87.0,
    "gap_std": math.sqrt(18),
    "gap_cv": math.sqrt(18) / 87,
    "gap_max": 90.0,
    "overdue": 10 / 87,
    "next_order_due": 77.0,
    "regularity": (1 - ALIKE) / (1 + ALIKE),
    "weekend_order_share": 2 / 3,  # two Saturdays and a Friday
    "average_order_value": 80 / 3,
    "order_value_max": 40.0,
    "order_value_min": 10.0,
    "order_value_spread": math.exp(statistics.stdev([math.log(30), math.log(10), math.log(40)])),
    "items_per_order": 2.0,
    "lines_per_order": 4 / 3,
    "single_item_order_share": 1 / 3,
    "variety": 3.0,
    "category_count": 2.0,
    "category_entropy": 2 - 3 / 4 * math.log2(3),
    "top_category_share": 0.75,
    "top_category": "A",
    "discount_share": 20 / 100,
    "discounted_order_share": 2 / 3,
    "return_rate": 10 / 80,
    "orders_7d": 0.0,
    "orders_30d": 1.0,
    "orders_90d": 1.0,
    "spend_7d": 0.0,
    "spend_30d": 40.0,
    "spend_90d": 40.0,
    "orders_change": (1 - 1) / 2,
    "spend_change": (40 - 10) / 50,
    "spend_slope": 445 / 1462.5,  # weeks 14 and 1 ago: −(180 − 12.5 · 50) over the spread of 0 … 25
    "order_trend": ((84 + 174) / 2 / 184 - 0.5) * math.sqrt(24),
    "top_product": "p1",
    "top_product_share": 0.5,
    "product_entropy": 1.5,
    "repeat_product_share": 1 / 3,
    "novelty": 1.0,
    "top_brand": "Y",
    "top_brand_share": 0.75,
    "price_level": 80 / 6,
    "price_spread": math.sqrt(2),  # of 10, 10, 10 and 20
}


COLUMNS = dict.fromkeys(("order_id", "product_id", "category", "brand", "quantity", "discount"))


def buyers(scenarios, *features):
    """Compute features of several scenarios of purchases, (days before AS_OF, amount, more columns) each."""
    purchases = {
        name: [
            ("purchase", days, {"amount": amount, **(more[0] if more else {})})
            for days, amount, *more in rows
        ]
        for name, rows in scenarios.items()
    }
    return each(purchases, *features, columns=COLUMNS)


def test_features_by_hand():
    """Ada orders 184, 100 and 10 days before, and returns something 5 days before."""
    lines = [
        ("purchase", 184, "o1", "p1", "A", "Y", 2, 20.0, 0.0),
        ("purchase", 184, "o1", "p2", "B", "X", 1, 10.0, 0.0),
        ("purchase", 100, "o2", "p1", "A", "Y", 1, 10.0, 5.0),
        ("purchase", 10, "o3", "p3", "A", "Y", 2, 40.0, 15.0),
        ("return", 5, "o3", "p1", "A", "Y", -1, -10.0, 0.0),
        ("purchase", -1, "o4", "p9", "Z", "Z", 9, 99.0, 9.0),  # tomorrow
    ]
    names = ("order_id", "product_id", "category", "brand", "quantity", "amount", "discount")
    events = log(*((kind, days, dict(zip(names, more, strict=True))) for kind, days, *more in lines))
    assert differences(ada(events, sg.select_features(*BY_HAND)), BY_HAND) == {}


def test_quantity_0_is_no_product():
    """A note in an order is a line of quantity 0; a missing quantity says nothing."""
    names = ["variety", "category_count", "lines_per_order", "frequency"]
    bottle, note = {"product_id": "p1", "category": "A"}, {"product_id": "p2", "category": "B", "quantity": 0}
    scenarios = {
        "in an order": [
            (9, 5.0, bottle | {"order_id": "1", "quantity": 1}),
            (9, 0.0, note | {"order_id": "1"}),
        ],
        "alone": [(9, 5.0, bottle | {"quantity": 1}), (8, 0.0, note)],
        "unknown": [(9, 5.0, bottle)],
    }
    counts = buyers(scenarios, *names)
    assert counts.to_dict("index") == {
        "in an order": dict(zip(names, [1, 1, 1, 1], strict=True)),
        "alone": dict(zip(names, [1, 1, 0.5, 2], strict=True)),
        "unknown": dict(zip(names, [1, 1, 1, 1], strict=True)),
    }


def test_one_order_has_no_rhythm():
    """Undefined is missing, never 0."""
    row = ada(bought((10, 30.0)), RFM + CADENCE + TREND)
    known = {"recency": 10.0, "frequency": 1.0, "monetary": 30.0, "tenure": 10.0}
    assert {name: row[name] for name in known} == known
    unknown = {f.name for f in CADENCE + TREND if f.empty is None} - {"weekend_order_share"}
    assert all(math.isnan(row[name]) for name in unknown)


def test_orders_of_one_moment_are_two():
    row = ada(bought((20, 1.0), (20, 2.0), (10, 3.0)), RFM + CADENCE)
    assert (row["frequency"], row["gap_mean"], row["gap_median"], row["gap_max"]) == (3, 5, 5, 10)
    at_once = ada(bought((20, 1.0), (20, 2.0)), CADENCE)
    assert (at_once["gap_mean"], at_once["gap_max"]) == (0, 0)
    assert math.isnan(at_once["overdue"]) and math.isnan(at_once["gap_cv"]) and math.isnan(at_once["gap_std"])


def test_lines_of_an_id_are_an_order():
    """Its time is that of its first line. A line without an id is an order by itself."""
    events = bought((20, 1.0), (19, 2.0), (10, 4.0), (10, 8.0), order_id=["a", "a", None, ""])
    row = ada(events, RFM + sg.select_features("average_order_value", "gap_max"))
    assert (row["frequency"], row["monetary"], row["average_order_value"]) == (3, 15, 5)
    assert (row["tenure"], row["gap_max"]) == (20, 10)
    assert one(bought((20, 1.0), (20, 1.0)), "frequency") == 2


def test_an_order_id_belongs_to_its_customer():
    events = purchases(("ada", days_before(2), 1.0), ("bob", days_before(1), 2.0), order_id="1")
    frame = sg.customer_features(events, RFM, as_of=AS_OF)
    assert frame["frequency"].to_dict() == {"ada": 1, "bob": 1}
    assert frame["monetary"].to_dict() == {"ada": 1, "bob": 2}


def test_money_is_exact():
    """Ten times 0.1 is 1, in whatever order it is added."""
    assert one(bought(*((d, 0.1) for d in range(1, 11))), "monetary") == 1.0
    assert (
        one(bought((1, 1e9), (2, 0.000001), (3, -1e9 + 1)), "monetary") == 1e9 + 0.000001
    )  # the last is a return


def test_days_are_elapsed_time():
    assert one(purchases(("ada", "2024-06-30 18:00", 1.0)), "recency") == 0.25


# --- families, at their edges ------------------------------------------------------------------------


def test_categories_of_lines():
    words = {"tie": ("A", "B", "B", "A", "C"), "ten": ["B"] * 9 + ["A"] * 10, "unknown": (None, None, "A")}
    words |= {"number": ("7",), "one": ("A", "A", "A"), "eight": "ABCDEFGH"}
    lines = {name: [(1, 1.0, {"category": word}) for word in some] for name, some in words.items()}
    rows = buyers(lines, "top_category", "top_category_share", "category_entropy")
    assert rows["top_category"].to_list()[:4] == [
        "B",
        "A",
        "A",
        "7",
    ]  # of equal ones, the last in the alphabet
    assert rows.loc["unknown", "top_category_share"] == 1
    assert rows["category_entropy"][["one", "eight"]].to_list() == [0, 3]  # the logarithm of their number


def test_shares_of_nothing_are_unknown():
    free = bought((1, 0.0), discount=0.0)
    assert math.isnan(one(free, "discount_share"))
    assert math.isnan(one(free, "return_rate"))
    assert one(bought((1, 0.0), discount=2.0), "discount_share") == 1
    assert math.isnan(one(log(("visit", 1, {"discount": 2.0})), "discounted_order_share"))


def test_a_blank_discount_is_none():
    """Exports leave blank what had no discount: one of two orders, and of ada's alone none, whoever else has any."""
    some = bought((1, 9.0), (2, 10.0), discount=[1.0, None])
    assert one(some, "discounted_order_share") == 1 / 2 and one(some, "discount_share") == 1 / 20
    lines = bought((1, 9.0), (1, 10.0), (2, 5.0), discount=[1.0, None, None], order_id=["a", "a", "b"])
    assert one(lines, "discounted_order_share") == 1 / 2 and one(lines, "discount_share") == 1 / 25
    alone = bought((1, 9.0), (2, 10.0), discount=[None, None])
    names = ("discount_share", "discounted_order_share")
    assert [one(alone, name) for name in names] == [0, 0]
    bob = purchases(("bob", days_before(1), 5.0), discount=1.0)
    assert [one(alone + bob, name) for name in names] == [0, 0]
    assert one(bought((1, 5.0)), "return_rate") == 0


def test_trends_by_hand():
    """The order 91 days ago is of the last quarter, the one 182 days ago of the one before, 183 of none.

    New customers have no change: they would seem to grow, and so would all in a log that begins in that quarter.
    """
    nan, weeks = math.nan, range(26)
    changes = {  # of orders, of spend
        "quarters": ([(91, 1.0), (92, 10.0), (182, 100.0), (183, 1000.0)], -1 / 3, -109 / 111),
        "new": ([(91, 1.0), (5, 1.0)], nan, nan),
        "almost new": ([(181.5, 1.0), (5, 1.0)], nan, nan),
        "equal": ([(182, 1.0), (5, 1.0)], 0, 0),
        "gone": ([(400, 1.0)], nan, nan),
    }
    slopes = {
        "more each week": ([(200, 1.0), *((7 * w + 0.5, 26.0 - w) for w in weeks)], 1.0),
        "less each week": ([(200, 1.0), *((7 * w + 0.5, 1.0 + w) for w in weeks)], -1.0),
        "as much": ([(200, 1.0), *((7 * w + 0.5, 5.0) for w in weeks)], 0.0),
        "the first week": (
            [(182, 10.0), (181.9, 117.0)],
            -1.0,
        ),  # −(25 − 12.5) · 117 over the spread of 0 … 25
        "a newcomer": ([(181.9, 10.0), (5, 10.0)], nan),
        "nothing lately": ([(400, 10.0)], 0.0),
    }
    lines = {name: some for name, (some, *_) in (changes | slopes).items()}
    rows = buyers(lines, "orders_change", "spend_change", "spend_slope")
    for i, name in enumerate(("orders_change", "spend_change"), start=1):
        assert rows[name][list(changes)].to_dict() == exactly({key: row[i] for key, row in changes.items()})
    assert rows["spend_slope"][list(slopes)].to_dict() == exactly({key: s for key, (_, s) in slopes.items()})
    events = bought((400, 1.0), (100, 1.0), (5, 1.0))
    assert math.isnan(one(events, "orders_change", window="150 days"))


# --- rhythm ------------------------------------------------------------------------------------------


def test_regularity_and_pace():
    """Gaps of 10, 11, … 20 days vary as a whole, but each is like the one before."""
    slower = np.cumsum([0, *range(10, 21)])[::-1]
    days = {
        "clockwork": (50, 40, 30, 20),
        "bursts": (50, 49.99, 30, 29.99, 10),
        "two": (50, 40),
        "at once": (50, 50, 50, 50),
        "slower": tuple(float(d) for d in slower),
        "much faster": (200, 40, 30, 20, 10, 5),
        "much slower": (200, 195, 190, 180, 170, 160),
        "steady": (40, 20),
        "one": (40,),
    }
    rows = buyers({name: [(d, 1.0) for d in some] for name, some in days.items()}, *CADENCE, *TREND)
    regularity, trend = rows["regularity"], rows["order_trend"]
    assert regularity["clockwork"] == 1 and 0 <= regularity["bursts"] < 0.01
    assert regularity[["two", "at once"]].isna().all()
    assert regularity["slower"] > 0.99 > 1 - rows.loc["slower", "gap_cv"]
    assert trend["much faster"] > 2 and trend["much slower"] < -2 and trend["steady"] == 0
    assert math.isnan(trend["one"])
    assert rows.loc["two", "next_order_due"] == -30 and math.isnan(rows.loc["one", "next_order_due"])


def test_chance_is_half_regular():
    """Random orders of 200 customers, 50 each: r is 1/3 on average, so (1 − r) / (1 + r) is a half."""
    rng = np.random.default_rng(0)
    days = rng.uniform(0, 1000, (200, 50))
    events = purchases(*((f"c{i}", days_before(d), 1.0) for i, row in enumerate(days) for d in row))
    values = sg.customer_features(events, sg.select_features("regularity", "order_trend"), as_of=AS_OF)
    assert values["regularity"].mean() == pytest.approx(0.5, abs=0.02)
    assert values["order_trend"].mean() == pytest.approx(0, abs=0.25)
    assert values["order_trend"].std() == pytest.approx(1, abs=0.15)


def test_the_weekend_is_that_of_the_shop():
    """At 23:30 UTC on a Friday it is Saturday in Berlin; at 23:30 on a Sunday, Monday."""
    lines = [
        ("ada", "2024-06-21 23:30", 1.0),
        ("ada", "2024-06-23 23:30", 1.0),
        ("ada", "2024-06-22 12:00", 1.0),
    ]
    assert one(purchases(*lines), "weekend_order_share") == exactly(2 / 3)
    here = sg.with_settings(sg.select_features("weekend_order_share"), timezone="Europe/Berlin")
    assert ada(purchases(*lines), here)["weekend_order_share"] == exactly(2 / 3)
    assert ada(purchases(lines[0]), here)["weekend_order_share"] == 1
    assert ada(purchases(lines[1]), here)["weekend_order_share"] == 0


def test_the_last_days_begin_with_their_first_moment():
    events = bought((7, 1.0), (7 + 1e-6, 10.0), (30, 100.0), (90, 1000.0), (90.5, 10_000.0))
    row = ada(events, TREND)
    assert (row["orders_7d"], row["orders_30d"], row["orders_90d"]) == (1, 3, 4)
    assert (row["spend_7d"], row["spend_30d"], row["spend_90d"]) == (1, 111, 1111)


# --- what is in an order -----------------------------------------------------------------------------


def test_spread_is_a_factor():
    """Values 5 and 20 lie a factor of 2 from their geometric mean 10; with two of them, √2 times as far in logs."""
    values = {"double": (5.0, 20.0), "equal": (9.99,) * 3, "one free": (9.99, 9.99, 0.0), "one": (9.99,)}
    rows = buyers(
        {name: list(enumerate(some, start=1)) for name, some in values.items()}, "order_value_spread"
    )
    expected = [2 ** math.sqrt(2), 1, 1, math.nan]  # what was free has no logarithm
    assert rows["order_value_spread"].to_list() == exactly(expected)


def test_orders_of_unknown_size_are_left_out():
    events = bought((3, 1.0), (2, 1.0), (1, 1.0), quantity=[1, 2, None], order_id=["a", "b", "c"])
    row = ada(events, sg.select_features("single_item_order_share", "items_per_order", "lines_per_order"))
    assert list(row.values()) == [0.5, 1.5, 1]


# --- preference --------------------------------------------------------------------------------------


def test_repeats_and_novelty():
    """Two lines of one order are no repeat; novelty is known of customers who bought before."""
    nan = math.nan
    products = {  # share of products that are repeated, share of recent products that are new
        "one order": ([(9, "p"), (9, "p"), (5, "q")], 0, nan),
        "two orders": ([(9, "p"), (8, "p"), (5, "q")], 0.5, nan),
        "old and new": ([(200, "p"), (20, "p"), (10, "q")], 0.5, 0.5),
        "old": ([(200, "p"), (20, "p")], 1, 0),
        "at the edge": ([(90.5, "p"), (90, "q")], 0, 1),
        "newcomer": ([(90, "p"), (10, "q")], 0, nan),
        "not lately": ([(200, "p")], 0, nan),
    }
    lines = {name: [(d, 1.0, {"product_id": p}) for d, p in some] for name, (some, *_) in products.items()}
    rows = buyers(lines, "repeat_product_share", "novelty")
    assert rows["repeat_product_share"].to_list() == [repeated for _, repeated, _ in products.values()]
    assert rows["novelty"].to_list() == exactly([new for *_, new in products.values()])


def test_of_equal_words_the_last_by_bytes_is_the_top():
    words = zip(("b", "é", "Z"), (None, "A", "a"), strict=True)
    lines = {
        "known": [(1, 1.0, {"product_id": product, "brand": brand}) for product, brand in words],
        "unknown": [(1, 1.0)],
    }
    rows = buyers(lines, "top_product", "top_brand", "top_brand_share", "product_entropy")
    assert rows.loc["known"].to_list()[:3] == ["é", "a", 0.5]
    assert pd.isna(rows.loc["unknown", "top_brand"]) and math.isnan(rows.loc["unknown", "product_entropy"])


def test_price_is_of_an_item_whose_number_is_known():
    events = bought((4, 10.0), (3, 6.0), (2, 99.0), (1, 0.0), quantity=[5, 1, None, 2])
    row = ada(events, sg.select_features("price_level", "price_spread"))
    assert row["price_level"] == 16 / 8
    assert row["price_spread"] == exactly(math.exp(statistics.stdev([math.log(2), math.log(6)])))
    free = ada(bought((1, 5.0), quantity=0.0), sg.select_features("price_level", "price_spread"))
    assert all(math.isnan(value) for value in free.values())
