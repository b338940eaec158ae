"""All features: each is checked by hand and uses its own kinds of event; custom features; the catalogue."""

import dataclasses
import importlib
import re
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
from by_hand import AS_OF, ada, bought, days_before, one
from pandas.testing import assert_frame_equal
from tables import orders, purchases

import segkit as sg
from segkit.analyse.features.basket import BASKET
from segkit.analyse.features.cadence import CADENCE
from segkit.analyse.features.catalogue import BY_FAMILY, FAMILIES, code_for
from segkit.analyse.features.rfm import RFM
from segkit.analyse.features.trend import TREND
from segkit.core.schema import KINDS
from segkit.datasets import make_events


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


def test_all_features_are_computed_by_hand():
    """Each file of a family's tests lists its features in ``BY_HAND``."""
    files = sorted(Path(__file__).parent.glob("test_features_*.py"))
    by_hand = [name for file in files for name in importlib.import_module(file.stem).BY_HAND]
    assert sorted(by_hand) == sorted(f.name for f in FAMILIES)


@pytest.fixture(scope="module")
def town():
    """Events of every kind and column of a dozen customers."""
    table = make_events(12)[0].table.to_pandas()
    brands = np.random.default_rng(0).choice(["X", "Y"], len(table))
    return sg.read_events(table.assign(brand=np.where(table["product_id"].notna(), brands, None), zone=None))


@pytest.fixture(scope="module")
def everything(town):
    return sg.customer_features(town, FAMILIES, as_of=AS_OF)


def test_other_features_change_nothing(town, everything):
    for family in BY_FAMILY.values():
        alone = sg.customer_features(town, family, as_of=AS_OF)
        assert_frame_equal(alone, everything[list(alone)], check_exact=True)
    for feature in (RFM[0], *sg.select_features("variety", "visits", "email_open_rate", "night_share")):
        alone = sg.customer_features(town, (feature,), as_of=AS_OF)
        pd.testing.assert_series_equal(alone[feature.name], everything[feature.name], check_exact=True)


def test_snapshots_are_features_of_dates(town, everything):
    together = sg.snapshots(town, FAMILIES, dates=["2024-03-01", AS_OF])
    assert_frame_equal(words(together.loc[AS_OF]), words(everything), check_exact=True)
    some = RFM + CADENCE + sg.select_features("visits", "night_share", "email_open_rate", "negative_share")
    windowed = sg.snapshots(town, some, dates=["2024-03-01", AS_OF], window="40 days")
    for date in ("2024-03-01", AS_OF):
        apart = sg.customer_features(town, some, as_of=date, window="40 days")
        assert_frame_equal(windowed.loc[pd.Timestamp(date)], apart, check_exact=True)


def words(frame):
    return frame.astype(dict.fromkeys(frame.select_dtypes("category"), "object"))


def test_features_use_only_their_kinds():
    """A customer without events of these kinds has 0 orders, and other features are missing."""
    table = pd.DataFrame({"customer_id": KINDS, "kind": KINDS, "timestamp": days_before(5)})
    numbers = {"quantity": 1, "amount": 1.0, "discount": 0.5, "duration": 9, "rating": 2, "sentiment": -0.5}
    words = ("product_id", "category", "brand", "page", "text", "channel", "device", "place")
    texts = dict.fromkeys(words, "a")
    frame = sg.customer_features(sg.read_events(table.assign(**numbers, **texts)), FAMILIES, as_of=AS_OF)
    done = [kind for kind in KINDS if not kind.endswith("_sent")]
    for feature in FAMILIES:
        kinds = feature.kinds or done
        others = frame.loc[[kind for kind in KINDS if kind not in kinds], feature.name]
        assert others.isna().all() if feature.empty is None else (others == feature.empty).all(), feature.name


# --- the window --------------------------------------------------------------------------------------

INSTANT = pd.Timedelta("1us")


def test_as_of_itself_does_not_count():
    events = purchases(("ada", AS_OF, 1.0), ("ada", AS_OF - INSTANT, 2.0), ("ada", AS_OF + INSTANT, 4.0))
    assert one(events, "monetary") == 2


def test_the_window_is_exact():
    start = AS_OF - pd.Timedelta("30 days")
    events = purchases(("ada", start - INSTANT, 1.0), ("ada", start, 2.0), ("ada", start + INSTANT, 4.0))
    assert one(events, "monetary", window="30 days") == 6
    assert one(events, "frequency", window=pd.Timedelta(days=30)) == 2


def test_the_window_of_snapshots_is_exact():
    window = pd.Timedelta("1.5s") + INSTANT
    events = purchases(("ada", AS_OF - window - INSTANT, 1.0), ("ada", AS_OF - window, 2.0))
    assert sg.snapshots(events, RFM, dates=[AS_OF], window=window)["monetary"].to_list() == [2]


def test_customers_without_events_are_left_out():
    events = purchases(("ada", days_before(5), 1.0), ("bob", days_before(50), 1.0))
    assert sg.customer_features(events, RFM, as_of=AS_OF, window="30 days").index.to_list() == ["ada"]


def test_as_of_is_utc_and_may_carry_a_zone():
    events = purchases(("ada", "2024-06-30 23:30", 1.0), ("ada", "2024-06-30 21:30", 2.0))
    assert one(events, "monetary", as_of=pd.Timestamp("2024-07-01", tz="Europe/Paris")) == 2
    assert one(events, "monetary", as_of="2024-06-30 23:45") == 3


# --- the frame ---------------------------------------------------------------------------------------


def test_the_frame_has_units_and_meanings(shop):
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


def test_customers_are_sorted():
    events = purchases(*((i, days_before(1), 1.0) for i in ["b", "10", "9", "a"]))
    assert sg.customer_features(events, RFM, as_of=AS_OF).index.to_list() == ["10", "9", "a", "b"]


def test_repeated_features_are_computed_once(shop):
    assert list(sg.customer_features(shop, RFM + RFM, as_of=AS_OF)) == [f.name for f in RFM]


def test_custom_features_are_one_line(shop):
    expected = [
        (lambda events: events.count(), 5),
        (lambda log: log.count(), 5),
        (lambda orders: orders.amount.max(), 40),
        (lambda gaps: gaps.days.min(), 84),
        (lambda purchases: purchases.quantity.sum(), 8),
        (lambda lines: lines.count(), 5),
        (lambda categories: categories["lines"].min(), 1),
        (lambda events: events.kind.max(), "return"),
        (lambda orders: orders.count() > 2, 1),
    ]
    custom = [sg.Feature(f"custom{i}", expr, "things", "Things.") for i, (expr, _) in enumerate(expected)]
    assert list(ada(shop, custom).values()) == [value for _, value in expected]


def test_recency_needs_no_amount():
    events = sg.read_events(orders(("ada", days_before(4), 1.0)).drop(columns="amount"), kind="purchase")
    assert one(events, "recency") == 4


# --- what goes wrong ---------------------------------------------------------------------------------


def test_an_empty_log_is_explained(shop):
    nothing = dataclasses.replace(shop, table=shop.table.filter(shop.table.kind == "visit"))
    with pytest.raises(ValueError, match=r"There are no events\. Check the filter"):
        sg.customer_features(nothing, sg.RFM, as_of=AS_OF)


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        (
            {"as_of": "2024-01-01"},
            ValueError,
            "No event lies before 2024-01-01.*Choose a later moment, such as as_of='2024-06-22'",
        ),
        ({"window": "2h"}, ValueError, "No event lies in the 0 days 02:00:00 before 2024-07-01"),
        ({"as_of": "someday"}, ValueError, "as_of='someday' is not a moment"),
        (
            {"as_of": None},
            TypeError,
            r"as_of is missing\. Say as of which moment, such as as_of='2011-12-01'",
        ),
        ({"as_of": "2300-01-01"}, ValueError, "as_of='2300-01-01' is not between 1900 and 2200"),
        ({"as_of": pd.Timestamp("1677-09-22")}, ValueError, "is not between 1900 and 2200"),
        ({"as_of": 20240701}, ValueError, "as_of=20240701 is not a moment"),
        ({"window": "long"}, ValueError, "window='long' is not a span of time"),
        ({"window": "0 days"}, ValueError, "is not positive"),
        ({"window": "0.5us"}, ValueError, "shorter than a microsecond"),
        ({"features": ()}, ValueError, "No feature was chosen"),
        ({"features": ["recency"]}, TypeError, "features holds the text 'recency', which is not a Feature"),
        ({"features": "RFM"}, TypeError, "features is the text 'RFM'.*select_features"),
        (
            {"features": BASKET},
            ValueError,
            r"^The features 'items_per_order' and 'single_item_order_share' need 'quantity'; the feature 'variety' "
            r"needs 'product_id'; .*Say which column holds each when reading: read_events\(…, quantity=\"…\", "
            r"product_id=\"…\".*or leave these features out",
        ),
        (
            {"features": [f for f in BASKET if f.name == "variety"]},
            ValueError,
            r"^The feature 'variety' needs 'product_id'.*holds it.*or leave 'variety' out",
        ),
    ],
)
def test_wrong_arguments_are_explained(said, error, message, lone_order):
    with pytest.raises(error, match=message):
        sg.customer_features(lone_order, **({"features": RFM, "as_of": AS_OF} | said))


def test_moments_far_from_the_events_are_warned_of(lone_order):
    """The lone order is of 2024-06-21."""
    with pytest.warns(UserWarning, match="as_of=2025-06-23 is more than a year after the events") as warned:
        assert sg.customer_features(lone_order, RFM, as_of="2025-06-23")["recency"].item() > 366
    assert [w.filename for w in warned if "as_of" in str(w.message)] == [__file__]
    with pytest.warns(UserWarning, match="as_of=2023-06-20 is more than a year before the events"):
        sg.snapshots(lone_order, RFM, dates=["2023-06-20", "2024-07-01"])
    sg.snapshots(lone_order, RFM, dates=["2023-06-22", "2025-06-21"])


@pytest.fixture(scope="module")
def lone_order():
    return bought((10, 1.0))


def test_two_features_of_one_name_are_refused(shop):
    other = sg.Feature("recency", lambda orders: orders.days_ago.max(), "days", "Another.")
    with pytest.raises(ValueError, match="Two different features are called 'recency'"):
        sg.customer_features(shop, (*RFM, other), as_of=AS_OF)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": " "}, "should be a word"),
        ({"basis": "behavioral"}, "basis='behavioral' is not a basis. Did you mean 'behavioural'"),
        ({"expr": lambda order: order.count()}, "the parameter 'order' of its .* Did you mean 'orders'"),
        ({"expr": lambda: 1}, "is a function of no table. Write a function of one"),
        ({"expr": lambda orders, gaps: 1}, "is a function of orders, gaps. Write"),
        ({"expr": 1}, "1 is not a function"),
        ({"settings": {"timezone": "UTC"}}, "is not a tuple of pairs"),
        ({"settings": ("timezone", "UTC")}, "is not a tuple of pairs"),
        ({"name": "two\nlines"}, "leave out tabs, line breaks"),
        *(
            ({"name": name}, f"cannot be called {name!r}.* such as 'my_")
            for name in ("customer_id", "Customer_ID_0", "snapshot", "snapshot_1", "as_of", "amount_right")
        ),
    ],
)
def test_wrong_features_are_explained(changed, message):
    made = {"name": "n", "expr": lambda orders: orders.count(), "unit": "orders", "doc": "Number."}
    with pytest.raises((ValueError, TypeError), match=message):
        sg.Feature(**(made | changed))


def test_names_differ_by_more_than_capitals(shop):
    other = sg.Feature("Recency", lambda orders: orders.days_ago.max(), "days", "Another.")
    with pytest.raises(ValueError, match="'recency' and 'Recency' differ only by capitals"):
        sg.customer_features(shop, (*RFM, other), as_of=AS_OF)


@pytest.mark.parametrize(
    ("dates", "message"),
    [(AS_OF, "not a list of dates"), ("2024-07-01", "not a list of dates"), (None, "dates is missing")],
)
def test_one_date_is_no_list_of_them(shop, dates, message):
    with pytest.raises(TypeError, match=message):
        sg.snapshots(shop, RFM, dates=dates)


# --- the catalogue -----------------------------------------------------------------------------------


def test_the_catalogue_lists_missing_columns(lone_order):
    needs = sg.feature_catalogue(events=lone_order).set_index("name")["needs"]
    lacking = {
        "items_per_order": "quantity",
        "variety": "product_id",
        "category_entropy": "category",
        "top_category": "category",
        "top_brand": "brand",
        "discount_share": "discount",
        "price_level": "quantity",
        "survey_response_rate": "rating",
        "nps_class": "rating",
        "negative_share": "sentiment",
        "social_reach": "quantity",
        "visits": "page_view events",
        "visit_depth": "page",
        "email_open_rate": "email_sent events",
        "chat_count": "chat events",
        "top_device": "device",
    }
    assert needs[list(lacking)].to_dict() == lacking
    enough = [
        "recency",
        "monetary",
        "gap_cv",
        "spend_slope",
        "weekend_order_share",
        "night_share",
    ]
    assert set(needs[enough]) == {""}


def test_the_catalogue_is_complete():
    catalogue = sg.feature_catalogue()
    assert catalogue.drop(columns="synonyms").map(bool).all(axis=None)
    assert catalogue["label"].is_unique
    assert catalogue["label"].str.len().max() <= 55
    assert catalogue["label"].str.contains(" ").all(), "a label is words for people"
    assert catalogue["name"].is_unique
    assert catalogue["family"].unique().tolist() == list(BY_FAMILY)


@pytest.mark.parametrize(
    ("doc", "label"),
    [
        ("Irregularity of orders: 0 = always the same gap.", "Irregularity of orders"),
        ("Typical time between orders (median).", "Typical time between orders"),
        ("Days until the next order; negative = overdue.", "Days until the next order"),
        ("Share of orders above 0.5 of the mean. Rough.", "Share of orders above 0.5 of the mean"),
        ("Orders from 9:00 to 17:00", "Orders from 9:00 to 17:00"),
        ("", "own"),
    ],
)
def test_a_label_is_the_beginning_of_the_meaning(doc, label):
    feature = sg.Feature("own", lambda orders: orders.count(), "orders", doc)
    assert feature.label == label
    assert sg.feature_catalogue((feature,))["label"].tolist() == [label]


def test_people_find_features_by_their_own_words():
    catalogue = sg.feature_catalogue().set_index("name")["synonyms"].str.split(", ").explode()
    found = {word: set(catalogue.index[catalogue == word]) for word in ("churn", "lifetime", "loyal")}
    assert {"recency", "overdue", "spend_change"} <= found["churn"]
    assert found["lifetime"] == {"tenure"} and {"frequency", "top_brand_share"} <= found["loyal"]


def test_a_misspelt_feature_is_explained():
    with pytest.raises(ValueError, match=r"no feature 'recensy'. Did you mean 'recency'"):
        sg.select_features("recensy")
    for said in (["recency"], None):
        with pytest.raises(TypeError, match=r"which is not a name\. Pass the names one by one"):
            sg.select_features(said)


@pytest.mark.parametrize("chosen", [RFM, RFM + TREND, CADENCE + BASKET[:2], FAMILIES])
def test_code_makes_the_same_features(chosen):
    assert set(eval(code_for(chosen), {"sg": sg})) == set(chosen)


# --- custom features ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def custom():
    """Bob orders for 10 and 30, Ada for 0; return the values of a custom feature."""
    events = purchases(("ada", "2024-01-01", 0.0), ("bob", "2024-01-01", 10.0), ("bob", "2024-01-02", 30.0))

    def compute(expr, **more):
        feature = sg.Feature("mine", expr, "currency", "My own.", **more)
        return sg.customer_features(events, [feature], as_of="2024-02-01")["mine"].to_list()

    return compute


@pytest.mark.parametrize("ids", [{}, {"order_id": ["x", "y"]}], ids=["without order ids", "with"])
def test_custom_features_may_multiply_amounts(ids):
    log = sg.read_events(
        pd.DataFrame(
            {
                "customer_id": "ada",
                "timestamp": [days_before(2), days_before(1)],
                "amount": [3000.0, 4000.0],
                **ids,
            }
        ),
        kind="purchase",
    )
    squares = sg.Feature("squares", lambda orders: (orders.amount * orders.amount).sum(), "", "Squares.")
    spread = sg.Feature("spread", lambda orders: orders.amount.max() * orders.amount.min(), "", "A product.")
    of_lines = sg.Feature(
        "of_lines", lambda purchases: (purchases.amount * purchases.amount).sum(), "", "Same."
    )
    row = sg.customer_features(log, [squares, spread, of_lines, *sg.RFM], as_of=AS_OF).loc["ada"]
    assert (row["squares"], row["spread"], row["of_lines"], row["monetary"]) == (25e6, 12e6, 25e6, 7000)


def test_devices_are_known_ones():
    seen = pd.DataFrame(
        {"customer_id": "ada", "timestamp": [days_before(d) for d in (4, 3, 2, 1)], "kind": "search"}
    )
    count = sg.Feature("n", lambda devices: devices.count(), "", "Devices.", kinds=())
    most = sg.Feature("most", lambda devices: devices.actions.max(), "", "Most actions on one.", kinds=())
    log = sg.read_events(seen.assign(device=["phone", "desktop", None, None]))
    assert sg.customer_features(log, [count, most], as_of=AS_OF).loc["ada"].to_list() == [2, 1]
    with pytest.raises(ValueError, match="needs 'device'"):
        sg.customer_features(sg.read_events(seen), [count], as_of=AS_OF)


ELSEWHERE = ibis.memtable({"amount": [1.0]})


@pytest.mark.parametrize(
    ("expr", "more", "said"),
    [
        (
            lambda orders: orders.amnt.max(),
            {},
            "The feature 'mine' uses 'amnt', which orders do not have. Did you mean 'amount'? Use one of their columns",
        ),
        (lambda orders: orders["amnt"].max(), {}, "Did you mean 'amount'?"),
        (lambda orders: ibis._.amnt.max(), {}, "Did you mean 'amount'?"),
        (lambda orders: orders.count(where=ibis._.amnt > 1), {}, "Did you mean 'amount'?"),
        (lambda orders: orders.amount.maxx(), {}, "The expression of the feature 'mine' cannot be used"),
        (lambda orders: 1 / 0, {}, "cannot be used: ZeroDivisionError, division by zero. It should be one"),
        (lambda orders: orders.amount, {}, "'mine' is a column, and not an aggregate. Write one, such as"),
        (lambda orders: orders.amount.lag(), {}, "is a column, and not an aggregate"),
        (lambda orders: orders, {}, "is a table, and not an aggregate"),
        (lambda orders: 5, {}, "is 5, and not an aggregate"),
        (
            lambda orders: orders.amount.collect(),
            {},
            "gives array<decimal(38, 6)>. A feature is a number or a",
        ),
        (lambda orders: ELSEWHERE.amount.max(), {}, "uses another table than orders"),
        (lambda orders: orders.filter(orders.amount > 1).count(), {}, "or only some of their rows"),
        (lambda orders: orders.count() / orders.count().as_scalar(), {}, "which is over all customers"),
        (
            lambda orders: orders.count(where=orders.amount.isin(orders.select("amount").amount)),
            {},
            "which is over all customers",
        ),
        (lambda orders: orders.count(), {"empty": "zero"}, "gives numbers, but empty='zero' is not one"),
        (lambda orders: orders.count(), {"empty": np.inf}, "empty=inf should be the value of a customer"),
        (
            lambda orders: orders.count(),
            {"kinds": "purchase"},
            "kinds='purchase' should be a tuple of words, such as",
        ),
        (
            lambda orders: orders.product_id.nunique(),
            {},
            "needs 'product_id', which these events do not have",
        ),
    ],
)
def test_wrong_custom_features_are_explained(expr, more, said, custom):
    with pytest.raises((ValueError, TypeError), match=re.escape(said)):
        custom(expr, **more)


def test_a_division_by_zero_is_missing(custom):
    share = custom(lambda orders: orders.amount.min().cast("float64") / orders.amount.max().cast("float64"))
    assert np.isnan(share[0]) and share[1] == pytest.approx(1 / 3)
    infinite = custom(lambda orders: 1 / orders.amount.max().cast("float64"), empty=0)
    assert np.isnan(infinite[0]) and infinite[1] == pytest.approx(1 / 30)  # and not 0: there were orders


def test_custom_features_may_be_words(custom):
    assert custom(lambda orders: orders.count().cast("string"), empty="none") == ["1", "2"]
    assert custom(lambda orders: (orders.amount > 20).any()) == [0, 1]
    assert custom(lambda orders: ibis._.amount.max()) == [0, 30]
    assert sg.Feature("f", lambda orders: orders.count(), "", "", kinds=["chat"]).kinds == ("chat",)


def test_windows_have_a_limit(lone_order):
    with pytest.raises(ValueError, match="window='400000 days' is longer than 300 years"):
        one(lone_order, "monetary", window="400000 days")
