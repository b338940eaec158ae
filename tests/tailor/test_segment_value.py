"""What segments are worth: intervals cover, also where customers change, and nothing counts twice."""

import numpy as np
import pandas as pd
import pytest
from shared_data import shared
from simulated_shops import START, shop
from tables import orders, purchases

import segkit as sg
from segkit.tailor.experiments.experiment_table import EVERYONE
from segkit.tailor.value import backtests
from segkit.tailor.value.backtests import LookAlikes, PastErrors, independent_periods, past_origins
from segkit.tailor.value.order_history import order_history

AS_OF = START + pd.Timedelta("728 days")
DAYS = {"elog": (28, 56, 91), "journey": (14, 28, 56), "retail": (28, 56)}


def by_recency(events, as_of, n=4):
    """Segments as a Series of labels: equally many customers, by the time since the last order."""
    history = order_history(events, as_of)
    recency = (history["T"] - history["t_x"]).rank(method="first")
    return pd.Series(np.ceil(n * recency / len(history)).astype(int), index=history.index)


def by_rfm(events, as_of, n=4):
    """Segments of k-means."""
    features = [f for f in sg.RFM if f.name != "monetary" or "amount" in events.columns]
    return sg.segment(sg.customer_features(events, features, as_of=as_of), n_segments=n)


def covered(events, segments, as_of, horizon):
    """Return of each segment whether what came lies in the interval, and in that of the model alone."""
    as_of, horizon = pd.Timestamp(as_of), pd.Timedelta(horizon)
    worth = sg.segment_value(events, segments, as_of=as_of, horizon=horizon, minimum=1)
    what = "value" if worth["value"].notna().any() else "orders"
    column = "spend" if what == "value" else "x"
    before, after = order_history(events, as_of), order_history(events, as_of + horizon)
    came = after[column].loc[before.index].fillna(0) - before[column].fillna(0)
    labels = segments if isinstance(segments, pd.Series) else segments.labels
    actual = came.groupby(labels.reindex(came.index)).sum()
    actual = np.append(actual.loc[worth["segment_id"].dropna()].to_numpy(), came.sum())
    inside = (worth[f"{what}_low"] <= actual) & (actual <= worth[f"{what}_high"])
    return pd.DataFrame(
        {
            "as_of": as_of,
            "horizon": horizon,
            "segment": worth["segment"],
            "inside": inside,
            "model": (worth["model_low"] <= actual) & (actual <= worth["model_high"]),
            "width": worth[f"{what}_high"] / worth[f"{what}_low"].clip(lower=1e-9),
        }
    )


def covered_in_shops(n, drift, sizes=(300, 1000, 3000), seed=0):
    parts = []
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        events = shop(int(rng.choice(sizes)), rng, days=728 + 91, drift=drift)
        segments = (by_recency, by_rfm)[i % 2](events, AS_OF)
        parts.append(covered(events, segments, AS_OF, "91 days"))
    return pd.concat(parts)


def real_log(name):
    if name == "elog":
        path = shared("grocery_elog") / "grocery_elog.csv"
        return sg.read_events(path, kind="purchase", customer_id="cust", timestamp="date")
    if name == "journey":
        lines = pd.read_parquet(shared("complete_journey") / "transactions.parquet")
        baskets = lines.groupby(["household_id", "basket_id"], as_index=False).agg(
            timestamp=("transaction_timestamp", "min"), amount=("sales_value", "sum")
        )
        return sg.read_events(baskets, kind="purchase", customer_id="household_id", order_id="basket_id")
    lines = pd.read_parquet(shared("online_retail") / "online_retail.parquet")
    lines = lines[lines["CustomerID"].notna() & (lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)]
    lines = lines.assign(
        amount=lines["Quantity"] * lines["UnitPrice"], CustomerID=lines["CustomerID"].astype("int64")
    )
    return sg.read_events(
        lines, kind="purchase", customer_id="CustomerID", timestamp="InvoiceDate", order_id="InvoiceNo"
    )


def covered_in_log(name, moments=5):
    """Windows spread over the log, from where there is something to check on."""
    events = real_log(name).cache()
    first, last = events.first.floor("D"), events.last.floor("D") + pd.Timedelta("1 day")
    parts = []
    for days in DAYS[name]:
        horizon = pd.Timedelta(days=days)
        for as_of in pd.date_range(first + 3 * horizon, last - horizon, periods=moments).floor("D"):
            parts.append(covered(events, by_rfm(events, as_of), as_of, horizon))
    return pd.concat(parts).assign(log=name)


def test_intervals_cover_in_small_shops():
    found = covered_in_shops(2, drift=0.3, sizes=(300,))
    assert found["inside"].mean() >= 0.8 and (found["width"] > 1).all()


@pytest.mark.simulation
@pytest.mark.parametrize(("n", "drift", "least", "most"), [(200, 0.0, 0.87, 0.96), (100, 0.3, 0.8, 1.0)])
def test_intervals_cover_in_shops(n, drift, least, most):
    """Of shops of the model's own kind, and of those whose rates drift by 30 %.

    In smaller ones, where some segments expect three orders, more is covered: numbers of orders are whole.
    """
    found = covered_in_shops(n, drift, sizes=(1000, 3000))
    assert least <= found["inside"].mean() <= most
    assert found["inside"].mean() > found["model"].mean()


@pytest.mark.simulation
def test_intervals_cover_in_real_logs():
    """Where the model alone covers about half of what came."""
    found = pd.concat([covered_in_log(name) for name in DAYS])
    assert len(found) >= 60
    assert found["inside"].mean() >= 0.8 > found["model"].mean() + 0.15


def test_past_errors_by_hand():
    """Two errors of 0.1 and 0.3: each is corrected by half of the other, and the next by two thirds of their mean."""
    errors = PastErrors(np.array([0.1, 0.3]), independent=2.0)
    assert errors.mean == pytest.approx(0.2) and errors.shift == pytest.approx(0.4 / 3)
    assert errors.spread == pytest.approx(np.sqrt(((0.1 - 0.15) ** 2 + (0.3 - 0.05) ** 2) / 2))
    assert errors.half_width(0.05, level=0.9) == pytest.approx(2.919986 * errors.spread)  # Student's t
    usual = np.sqrt((2 * errors.spread**2 + 9 * 0.05**2) / 3)
    assert errors.half_width(0.05, level=0.9, usual=9.0) == pytest.approx(2.919986 * usual)
    assert errors.half_width(1.0, level=0.9) == pytest.approx(1.644854)  # the model's own error is larger
    one = PastErrors(np.array([0.2]), independent=1.0)
    assert (one.shift, one.spread) == pytest.approx((0.1, 0.2))


@pytest.mark.parametrize(("days", "horizon", "n"), [(900, 91, 4), (900, 300, 4), (900, 400, 1), (180, 91, 0)])
def test_origins_have_their_horizon(days, horizon, n):
    end, ahead = START + pd.Timedelta(days=days), pd.Timedelta(days=horizon)
    origins = past_origins(START, end, ahead, 4)
    assert len(origins) == n and past_origins(START, end, ahead, 0) == []
    assert all(START + ahead <= origin <= end - ahead for origin in origins)
    assert independent_periods(origins, ahead) == pytest.approx(n if n < 4 else {91: 4, 300: 2}[horizon])


def test_look_alikes_are_those_of_then():
    """Half of the shop stopped in the first year. Those who are active today say nothing of who seemed active then."""
    history = pd.DataFrame({"x": 5, "t_x": [300.0] * 50 + [95.0] * 50, "T": 300.0, "spend": 50.0, "paid": 5})
    then = pd.DataFrame({"x": 5, "t_x": [95.0] * 80 + [0.0] * 20, "T": 100.0, "spend": 50.0, "paid": 5})
    alike = LookAlikes(history, np.repeat([0, 1], 50), n_segments=2)
    assert alike.shares(then).sum(axis=0).tolist() == [80 + 20, 0] or alike.shares(then)[:80, 0].all()
    few = LookAlikes(history, np.arange(100) % 15, n_segments=15)  # more segments than leaves
    np.testing.assert_allclose(few.shares(then), few.shares(then)[:1].repeat(100, axis=0), atol=0.05)
    some = LookAlikes(history, np.repeat([0, -1], 50), n_segments=1)
    assert some.shares(history)[:, 0].tolist() == [1.0] * 50 + [0.0] * 50


@pytest.fixture(scope="module")
def small_shop():
    return shop(300, np.random.default_rng(1), days=728)


def test_unchecked_value_is_that_of_customers(small_shop):
    """Nothing is counted twice: segments are sums of customer_value, margin and discount included."""
    labels = by_recency(small_shop, AS_OF)
    ahead = {"as_of": AS_OF, "horizon": "91 days", "margin": 0.4, "discount_rate": 0.1}
    worth = sg.segment_value(small_shop, labels, backtests=0, **ahead, minimum=1)
    each = sg.customer_value(small_shop, **ahead)[["orders", "value"]]
    sums = each.groupby(labels).sum()
    sums.loc["all"] = each.sum()
    np.testing.assert_allclose(worth[["orders", "value"]], sums, rtol=1e-9)
    assert worth["customers"].tolist() == [*labels.value_counts().sort_index(), len(labels)]
    assert worth["segment"].iloc[-1] == EVERYONE and worth["segment_id"].isna().tolist() == [False] * 4 + [
        True
    ]
    assert set(worth["verdict"]) == {"not checked: backtests=0"} and worth["bias"].isna().all()
    np.testing.assert_allclose(worth[["value_low", "value_high"]], worth[["model_low", "model_high"]])
    np.testing.assert_allclose(worth["per_customer"], worth["value"] / worth["customers"])


def test_value_is_checked_on_earlier_periods(small_shop):
    """The table says what was predicted then and what came, and is the same in any order of customers."""
    labels = by_recency(small_shop, AS_OF)
    worth = sg.segment_value(small_shop, labels, as_of=AS_OF, horizon="91 days", minimum=1)
    again = sg.segment_value(
        small_shop, labels.sample(frac=1, random_state=0), as_of=AS_OF, horizon="91 days", minimum=1
    )
    pd.testing.assert_frame_equal(worth, again)
    assert len(pd.concat([worth, again])) == 10
    assert sg.plot_value(worth).to_dict()["datasets"]
    facts = worth.attrs["segkit"]
    past = pd.DataFrame(facts["backtests"])
    past["origin"] = pd.to_datetime(past["origin"])
    assert past["origin"].nunique() == 4 and (past["origin"] + pd.Timedelta("91 days") <= AS_OF).all()
    everyone = past[past["segment"] == EVERYONE].set_index("origin")
    origin = everyone.index[0]
    before, after = (order_history(small_shop, origin + pd.Timedelta(days=d)) for d in (0, 91))
    came = (after["spend"].loc[before.index] - before["spend"]).sum()
    assert everyone["actual"].iloc[0] == pytest.approx(came)  # of customers who were there then
    assert worth["verdict"].iloc[-1] == "checked on 4 earlier periods"
    assert (worth["value_low"] < worth["value"]).all() and (worth["value"] < worth["value_high"]).all()
    ratio = np.log(everyone["actual"] / everyone["predicted"])
    assert worth["bias"].iloc[-1] == pytest.approx(np.expm1(ratio.mean()), abs=0.01)


def test_bad_input_is_said(small_shop):
    """Segments without orders, customers without a segment or outside, spend below 0, no amounts, a short log."""
    labels = by_recency(small_shop, AS_OF)
    labels[:100] = -1
    labels = pd.concat([labels[:-7], pd.Series([9], index=["a customer who never ordered"])])
    worth = sg.segment_value(small_shop, labels, as_of=AS_OF, horizon="600 days", minimum=1)
    facts = worth.attrs["segkit"]
    assert (facts["without_orders"], facts["without_segment"]) == (1, 7)
    empty = worth[worth["segment_id"] == 9].iloc[0]
    assert empty["customers"] == 0 and empty["verdict"] == "no orders in the log" and pd.isna(empty["value"])
    assert worth.loc[worth["segment_id"] == -1, "segment"].to_list() == ["-1"]
    assert set(worth["verdict"]) == {"no orders in the log", "not checked: the log is too short"}

    lines = [
        ("a", "2024-01-01", -5.0),
        ("a", "2024-01-20", 0.0),
        ("b", "2024-01-01", 30.0),
        ("c", "2024-02-01", 9.0),
    ]
    lines += [(name, f"2024-0{month}-29", 20.0) for name in "bde" for month in (2, 3, 4)]
    labels = pd.Series(list("xxyyy"), index=list("abcde"))
    worth = sg.segment_value(purchases(*lines), labels, as_of="2024-05-01", horizon="28 days", minimum=1)
    assert np.isfinite(worth[["value", "value_low", "value_high"]]).all(axis=None)
    assert worth["segment_id"].to_list()[:2] == ["x", "y"]
    counted = sg.read_events(orders(*lines).drop(columns="amount"), kind="purchase")
    worth = sg.segment_value(counted, labels, as_of="2024-05-01", horizon="28 days", minimum=1)
    assert worth["value"].isna().all() and worth.attrs["segkit"]["unit"] == "orders"
    assert ((worth["orders_low"] <= worth["orders"]) & (worth["model_low"] < worth["model_high"])).all()

    with pytest.raises(ValueError, match="ordered a second time"):
        sg.segment_value(
            purchases(("a", "2024-01-01", 3.0)), labels, as_of="2024-02-01", horizon="7 days", minimum=1
        )
    with pytest.raises(ValueError, match="None of the 5 customers with a segment ordered before 2024-05-01"):
        sg.segment_value(
            purchases(*lines), labels.set_axis(list("vwxyz")), as_of="2024-05-01", horizon="7 days", minimum=1
        )


def test_every_so_many_customers_teach_the_same(monkeypatch):
    """Of many customers, a sample of each segment, weighted; of few, all."""
    rng = np.random.default_rng(0)
    history = pd.DataFrame({"x": rng.poisson(3, 6000), "t_x": 0.0, "T": rng.uniform(0, 90, 6000).round()})
    history = history.assign(spend=10.0, paid=1)
    place = (history["T"] > 60).to_numpy() * 1
    place[::200] = 2
    everyone = LookAlikes(history, place, 3).shares(history).sum(axis=0)
    monkeypatch.setattr(backtests, "MANY", 600)
    sampled = LookAlikes(history, place, 3)
    assert sampled.tree.tree_.n_node_samples[0] < 1300
    np.testing.assert_allclose(sampled.shares(history).sum(axis=0), everyone, rtol=0.02, atol=6)


def test_customers_who_never_come_back_have_a_value_near_0():
    """Also where the chance that they are there, or the horizon, is too small for a float."""
    lines = [("gone", START + pd.Timedelta(hours=i), 5.0) for i in range(900)]
    lines += [(f"c{i}", START + pd.Timedelta(days=30 * i + 40 * j), 7.0) for i in range(6) for j in range(14)]
    events, as_of = purchases(*lines), START + pd.Timedelta(days=672)
    labels = pd.Series({"gone": "gone"} | {f"c{i}": "there" for i in range(6)})
    assert sg.customer_value(events, as_of=as_of, horizon="60 days").loc["gone", "orders"] < 1e-12
    for horizon in ("60 days", "1 us"):
        worth = sg.segment_value(events, labels, as_of=as_of, horizon=horizon, minimum=1).set_index("segment")
        numbers = worth[["orders", "orders_low", "orders_high", "value", "value_low", "value_high"]]
        assert np.isfinite(numbers).all(axis=None) and (numbers >= 0).all(axis=None)
        assert worth.loc["gone", "model_high"] < 1e-6


def test_the_table_can_be_saved(small_shop, tmp_path):
    worth = sg.segment_value(
        small_shop, by_recency(small_shop, AS_OF), as_of=AS_OF, horizon="91 days", minimum=1
    )
    worth.to_parquet(tmp_path / "worth.parquet")
    again = pd.read_parquet(tmp_path / "worth.parquet")
    assert again.attrs == worth.attrs
    assert sg.plot_value(again).to_dict()["datasets"] == sg.plot_value(worth).to_dict()["datasets"]


def test_segments_that_cannot_be_told_apart_are_refused(small_shop):
    labels = by_recency(small_shop, AS_OF).astype(str)
    ahead = {"as_of": AS_OF, "horizon": "91 days"}
    with pytest.raises(ValueError, match="A segment is called 'all customers', as the row of everyone is"):
        sg.segment_value(small_shop, labels.replace("1", EVERYONE), **ahead, minimum=1)
    twice = pd.concat([labels, pd.Series(["1", "2"], index=[7, "7"])])
    with pytest.raises(ValueError, match="has two labels for '7'"):
        sg.segment_value(small_shop, twice, **ahead, minimum=1)
