"""Each feature by hand, and the edges of time, ties and what is unknown."""

import math

import ibis
import pandas as pd
import pytest
from tables import orders, purchases

import segkit as sg
from segkit.features import BASKET, CADENCE, FAMILIES, RFM, TREND, feature_query
from segkit.features.catalogue import code_for

AS_OF = pd.Timestamp("2024-07-01")


def days_before(days):
    return AS_OF - pd.Timedelta(days=days)


def bought(*lines, **more):
    """Purchases of Ada, (days before AS_OF, amount) each."""
    return purchases(*(("ada", days_before(days), amount) for days, amount in lines), **more)


def ada(events, features=FAMILIES, **said):
    return sg.customer_features(events, features, **({"as_of": AS_OF} | said)).loc["ada"].to_dict()


def one(events, name, **said):
    return ada(events, sg.select_features(name), **said)[name]


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
    "average_order_value": 80 / 3,
    "items_per_order": 8 / 3,
    "variety": 3.0,
    "category_count": 2.0,
    "category_entropy": 2 - 3 / 4 * math.log2(3),
    "top_category_share": 0.75,
    "top_category": "A",
    "discount_share": 20 / 100,
    "return_rate": 10 / 80,
    "orders_change": (1 - 1) / 2,
    "spend_change": (40 - 10) / 50,
    "spend_slope": 445 / 1462.5,  # weeks 14 and 1 ago: −(180 − 12.5 · 50) over the spread of 0 … 25
}


@pytest.fixture(scope="module")
def shop():
    """Ada orders 184, 100 and 10 days before, and sends something back 5 days before."""
    columns = ["days", "kind", "order_id", "product_id", "category", "quantity", "amount", "discount"]
    lines = [
        (184, "purchase", "o1", "p1", "A", 2, 20.0, 0.0),
        (184, "purchase", "o1", "p2", "B", 1, 10.0, 0.0),
        (100, "purchase", "o2", "p1", "A", 1, 10.0, 5.0),
        (10, "purchase", "o3", "p3", "A", 4, 40.0, 15.0),
        (5, "return", "o3", "p1", "A", -1, -10.0, 0.0),
        (-1, "purchase", "o4", "p9", "Z", 9, 99.0, 9.0),  # tomorrow
    ]
    table = pd.DataFrame(lines, columns=columns).assign(customer_id="ada")
    return sg.read_events(table.assign(timestamp=[days_before(d) for d in table.pop("days")]))


def test_every_feature_is_computed_by_hand():
    assert set(BY_HAND) == {f.name for f in FAMILIES}


@pytest.fixture(scope="module")
def row(shop):
    return ada(shop)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_feature_by_hand(row, name):
    assert row[name] == (BY_HAND[name] if name == "top_category" else pytest.approx(BY_HAND[name], rel=1e-9))


def test_a_feature_alone_is_the_feature_among_others(shop, row):
    for feature in FAMILIES:
        assert one(shop, feature.name) == row[feature.name]


def test_one_order_has_no_rhythm():
    """Undefined is missing, never 0."""
    row = ada(bought((10, 30.0)), RFM + CADENCE + TREND)
    known = {"recency": 10.0, "frequency": 1.0, "monetary": 30.0, "tenure": 10.0}
    assert {name: row[name] for name in known} == known
    assert all(math.isnan(row[f.name]) for f in CADENCE + TREND)


@pytest.mark.parametrize("kind", ["return", "visit"])
def test_who_never_bought_has_no_orders(kind):
    lines = orders(("ada", days_before(5), -10.0), product_id="p", category="A", discount=1.0, quantity=-1)
    row = ada(sg.read_events(lines, kind=kind))
    zero = {f.name for f in FAMILIES if f.empty == 0}
    assert zero == {"frequency", "monetary", "variety", "category_count"}
    assert {name for name, value in row.items() if value == 0} == zero
    assert all(pd.isna(row[name]) for name in set(row) - zero)


def test_orders_at_the_same_instant_are_two_orders():
    row = ada(bought((20, 1.0), (20, 2.0), (10, 3.0)), RFM + CADENCE)
    assert (row["frequency"], row["gap_mean"], row["gap_median"], row["gap_max"]) == (3, 5, 5, 10)
    at_once = ada(bought((20, 1.0), (20, 2.0)), CADENCE)
    assert (at_once["gap_mean"], at_once["gap_max"]) == (0, 0)
    assert math.isnan(at_once["overdue"]) and math.isnan(at_once["gap_cv"]) and math.isnan(at_once["gap_std"])


def test_an_order_is_the_lines_that_share_its_id():
    """It happened when its first line did. A line without an id is an order by itself."""
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


# --- the window --------------------------------------------------------------------------------------

INSTANT = pd.Timedelta("1us")


def test_as_of_is_the_first_moment_that_is_not_seen():
    events = purchases(("ada", AS_OF, 1.0), ("ada", AS_OF - INSTANT, 2.0), ("ada", AS_OF + INSTANT, 4.0))
    assert one(events, "monetary") == 2


def test_the_window_begins_with_its_first_moment():
    start = AS_OF - pd.Timedelta("30 days")
    events = purchases(("ada", start - INSTANT, 1.0), ("ada", start, 2.0), ("ada", start + INSTANT, 4.0))
    assert one(events, "monetary", window="30 days") == 6
    assert one(events, "frequency", window=pd.Timedelta(days=30)) == 2


def test_who_did_nothing_in_the_window_is_not_there():
    events = purchases(("ada", days_before(5), 1.0), ("bob", days_before(50), 1.0))
    assert sg.customer_features(events, RFM, as_of=AS_OF, window="30 days").index.to_list() == ["ada"]


def test_as_of_is_utc_and_may_carry_a_zone():
    events = purchases(("ada", "2024-06-30 23:30", 1.0), ("ada", "2024-06-30 21:30", 2.0))
    assert one(events, "monetary", as_of=pd.Timestamp("2024-07-01", tz="Europe/Paris")) == 2
    assert one(events, "monetary", as_of="2024-06-30 23:45") == 3


# --- families, at their edges ------------------------------------------------------------------------


def lines_of(*categories):
    return bought(*((1, 1.0) for _ in categories), category=list(categories))


def test_the_top_category_of_equals_is_the_last_in_the_alphabet():
    assert one(lines_of("A", "B", "B", "A", "C"), "top_category") == "B"
    assert one(lines_of(*["B"] * 9, *["A"] * 10), "top_category") == "A"
    assert one(lines_of(None, None, "A"), "top_category_share") == 1
    assert one(lines_of("7"), "top_category") == "7"


def test_entropy_of_equal_categories_is_the_logarithm_of_their_number():
    assert one(lines_of("A", "A", "A"), "category_entropy") == 0
    assert one(lines_of(*"ABCDEFGH"), "category_entropy") == 3


def test_shares_of_nothing_are_unknown():
    free = bought((1, 0.0), discount=0.0)
    assert math.isnan(one(free, "discount_share"))
    assert math.isnan(one(free, "return_rate"))
    assert one(bought((1, 0.0), discount=2.0), "discount_share") == 1
    assert one(bought((1, 5.0)), "return_rate") == 0


def test_the_last_quarter_is_91_days():
    """The order 91 days ago is of the last quarter, the one 182 days ago of the one before, 183 of none."""
    events = bought((91, 1.0), (92, 10.0), (182, 100.0), (183, 1000.0))
    assert one(events, "orders_change") == pytest.approx((1 - 2) / 3)
    assert one(events, "spend_change") == pytest.approx((1 - 110) / 111)


def test_newcomers_have_no_change():
    """Who came in the midst of the quarter before would seem to grow; so would all in a log that begins there."""
    assert math.isnan(one(bought((91, 1.0), (5, 1.0)), "orders_change"))
    assert math.isnan(one(bought((181.5, 1.0), (5, 1.0)), "orders_change"))
    assert one(bought((182, 1.0), (5, 1.0)), "orders_change") == 0
    assert math.isnan(one(bought((400, 1.0)), "orders_change"))
    assert math.isnan(one(bought((400, 1.0), (100, 1.0), (5, 1.0)), "orders_change", window="150 days"))


@pytest.mark.parametrize(
    ("lines", "slope"),
    [
        ([(21.5, 1.0), (14.5, 2.0), (7.5, 3.0), (0.5, 4.0)], 1.0),  # each week one more
        ([(21.5, 4.0), (14.5, 3.0), (7.5, 2.0), (0.5, 1.0)], -1.0),
        ([(21.5, 5.0), (14.5, 5.0), (7.5, 5.0), (0.5, 5.0)], 0.0),
        ([(21.0, 10.0)], -3.0),  # spend 10, 0, 0, 0
        ([(20.9, 10.0)], math.nan),  # three weeks
        ([(400, 10.0)], 0.0),  # nothing in the last 26 weeks
    ],
)
def test_slope_by_hand(lines, slope):
    assert one(bought(*lines), "spend_slope") == pytest.approx(slope, nan_ok=True)


# --- the frame ---------------------------------------------------------------------------------------


def test_the_frame_says_what_it_holds(shop):
    frame = sg.customer_features(shop, RFM + BASKET, as_of=AS_OF, window="200 days")
    assert (frame.index.name, frame.index.dtype) == ("customer_id", "str")
    assert frame.dtypes.drop("top_category").eq("float64").all() and frame["top_category"].dtype == "category"
    assert list(frame) == [f.name for f in RFM + BASKET]
    facts = frame.attrs["segkit"]
    assert (facts["as_of"], facts["window"], facts["sources"]) == (
        "2024-07-01T00:00:00",
        "200 days 00:00:00",
        ["the DataFrame"],
    )
    assert (
        facts["units"]["recency"] == "days" and facts["meanings"]["recency"] == "Time since the last order."
    )


def test_customers_are_in_the_order_of_their_ids():
    events = purchases(*((i, days_before(1), 1.0) for i in ["b", "10", "9", "a"]))
    assert sg.customer_features(events, RFM, as_of=AS_OF).index.to_list() == ["10", "9", "a", "b"]


def test_one_query_computes_all(shop):
    sql = str(ibis.to_sql(feature_query(shop, FAMILIES, as_of=AS_OF), dialect="duckdb"))
    assert sql.startswith(("WITH", "SELECT")) and ";" not in sql


def test_naming_a_feature_twice_is_naming_it_once(shop):
    assert list(sg.customer_features(shop, RFM + RFM, as_of=AS_OF)) == [f.name for f in RFM]


@pytest.mark.parametrize(
    ("expr", "value"),
    [
        (lambda events: events.count(), 5),
        (lambda orders: orders.amount.max(), 40),
        (lambda gaps: gaps.days.min(), 84),
        (lambda purchases: purchases.quantity.sum(), 8),
        (lambda lines: lines.count(), 5),
        (lambda categories: categories["lines"].min(), 1),
        (lambda events: events.kind.max(), "return"),
        (lambda orders: orders.count() > 2, 1),
    ],
)
def test_a_feature_of_ones_own_is_one_line(shop, expr, value):
    own = sg.Feature("own", expr, "things", "Things.")
    assert ada(shop, (own,))["own"] == value


def test_features_without_orders_need_no_amount():
    events = sg.read_events(orders(("ada", days_before(4), 1.0)).drop(columns="amount"), kind="purchase")
    assert one(events, "recency") == 4


# --- what goes wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        (
            {"as_of": "2024-01-01"},
            ValueError,
            "No event lies before 2024-01-01.*Look at a later moment, such as as_of='2024-06-22'",
        ),
        ({"window": "2h"}, ValueError, "No event lies in the 0 days 02:00:00 before 2024-07-01"),
        ({"as_of": "someday"}, ValueError, "as_of='someday' is not a moment"),
        ({"as_of": None}, ValueError, "as_of=None is no moment"),
        ({"as_of": 20240701}, ValueError, "as_of=20240701 is not a moment"),
        ({"window": "long"}, ValueError, "window='long' is not a span of time"),
        ({"window": "0 days"}, ValueError, "not longer than nothing"),
        ({"features": ()}, ValueError, "No feature was chosen"),
        ({"features": ["recency"]}, TypeError, "'recency' is not a Feature"),
        ({"features": BASKET}, ValueError, "'items_per_order' needs 'quantity'.*read_events\\(…, quantity="),
    ],
)
def test_what_cannot_be_computed_is_explained(said, error, message):
    events = bought((10, 1.0))
    with pytest.raises(error, match=message):
        sg.customer_features(events, **({"features": RFM, "as_of": AS_OF} | said))


def test_two_features_of_one_name_are_refused(shop):
    other = sg.Feature("recency", lambda orders: orders.days_ago.max(), "days", "Another.")
    with pytest.raises(ValueError, match="Two different features are called 'recency'"):
        sg.customer_features(shop, (*RFM, other), as_of=AS_OF)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": " "}, "name is a word"),
        ({"basis": "behavioral"}, "basis='behavioral' is none of"),
        ({"expr": lambda order: order.count()}, "asks for a table 'order'. Did you mean 'orders'"),
    ],
)
def test_a_feature_that_makes_no_sense_is_explained(changed, message):
    made = {"name": "n", "expr": lambda orders: orders.count(), "unit": "orders", "doc": "Number."}
    with pytest.raises(ValueError, match=message):
        sg.Feature(**(made | changed))


def test_a_mistake_in_ones_own_expression_keeps_its_own_words(shop):
    own = sg.Feature("own", lambda orders: orders.amuont.sum(), "things", "Things.")
    with pytest.raises(AttributeError, match="amuont"):
        sg.customer_features(shop, (own,), as_of=AS_OF)


# --- the catalogue -----------------------------------------------------------------------------------


def test_the_catalogue_says_what_is_lacking():
    catalogue = sg.feature_catalogue(events=bought((1, 1.0))).set_index("name")
    needs = catalogue["needs"]
    assert needs[needs != ""].to_dict() == {
        "items_per_order": "quantity", "variety": "product_id", "category_count": "category",
        "category_entropy": "category", "top_category_share": "category", "top_category": "category",
        "discount_share": "discount",
    }  # fmt: skip


def test_every_feature_says_its_family_unit_and_meaning():
    catalogue = sg.feature_catalogue()
    assert catalogue.map(bool).all(axis=None)
    assert catalogue["name"].is_unique
    assert catalogue["family"].unique().tolist() == ["RFM", "CADENCE", "BASKET", "TREND"]


def test_a_misspelt_feature_is_explained():
    with pytest.raises(ValueError, match=r"no feature 'recensy'. Did you mean 'recency'"):
        sg.select_features("recensy")


@pytest.mark.parametrize("chosen", [RFM, RFM + TREND, CADENCE + BASKET[:2], FAMILIES])
def test_the_code_for_features_gives_them_again(chosen):
    assert set(eval(code_for(chosen), {"sg": sg})) == set(chosen)
