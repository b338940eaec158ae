"""What segments predict of the next period: by hand, against RFM, against chance."""

import numpy as np
import pandas as pd
import pytest
from shared_data import shared
from tables import purchases

import segkit as sg
from segkit.datasets import make_events
from segkit.trust.outcome import RFM_CELLS, RFM_QUINTILES

AS_OF, HORIZON = "2024-07-01", "90 days"


def board(events, results, **arguments):
    return sg.outcome_scoreboard(events, results, **({"as_of": AS_OF, "horizon": HORIZON} | arguments))


def shop(rate, n=300, seed=0, before=6):
    """Customers who buy alike before, and later at a rate of their own."""
    rng = np.random.default_rng(seed)
    ids = [f"c{i:03}" for i in range(n)]
    past = [
        (i, pd.Timestamp("2024-01-01") + pd.Timedelta(days=float(d)), float(m))
        for i in ids
        for d, m in zip(rng.uniform(0, 181, before), rng.lognormal(3, 0.5, before), strict=True)
    ]
    bought = [i for i, p in zip(ids, rate, strict=True) if rng.random() < p]
    later = [
        (i, pd.Timestamp("2024-07-01") + pd.Timedelta(days=float(d)), 20.0)
        for i, d in zip(bought, rng.uniform(0, 90, len(bought)), strict=True)
    ]
    end = [("c000", pd.Timestamp("2024-09-29 12:00"), 1.0)]
    return purchases(*past, *later, *end), pd.Index(ids)


def test_explained_by_hand():
    """Two segments of five: all of one buy, none of the other."""
    events, ids = shop([1.0] * 5 + [0.0] * 5, n=10)
    labels = pd.Series([0] * 5 + [1] * 5, index=ids)
    table = board(events, {"mine": labels}).loc[("repeat purchase", "mine")]
    assert table["explained"] == pytest.approx(1) and table["segments"] == 2
    assert table["verdict"] in ("more than RFM quintiles", "as much as RFM quintiles")


def test_gain_over_rfm():
    rate = np.where(np.arange(300) % 2 == 0, 0.9, 0.2)
    events, ids = shop(rate)
    kinds = pd.Series(np.arange(300) % 2, index=ids)
    random = pd.Series(np.random.default_rng(1).integers(0, 4, 300), index=ids)
    table = board(events, {"kinds": kinds, "random": random}).loc["repeat purchase"]
    assert table.loc["kinds", "verdict"] == "more than RFM quintiles"
    assert table.loc["kinds", "explained"] == pytest.approx(0.5, abs=0.12)
    assert table.loc["random", "verdict"] == "no more than chance"


def test_loss_against_rfm():
    """How often customers buy is all that matters; segments by product taste do not predict it."""
    events, _ = make_events(400, kinds="purchase", end="2024-12-31")
    before = sg.customer_features(events, sg.RFM + sg.BASKET, as_of="2024-09-01")
    taste = sg.segment(before[["category_entropy", "items_per_order"]], n_segments=3)
    table = sg.outcome_scoreboard(events, {"taste": taste}, as_of="2024-09-01", horizon="90 days")
    spend = table.loc["spend"]
    assert spend.loc["taste", "verdict"] == "less than RFM quintiles"
    assert spend.loc[RFM_CELLS, "explained"] > spend.loc["taste", "explained"]
    assert spend.loc[RFM_QUINTILES, "verdict"] == "the yardstick"


@pytest.mark.simulation
def test_random_groups_seldom_pass():
    """Of 100 shops, random groups pass for more than chance in hardly more than 5 %."""
    passed = 0
    for seed in range(100):
        events, ids = shop(np.full(120, 0.5), n=120, seed=seed, before=3)
        random = pd.Series(np.random.default_rng(seed).integers(0, 4, 120), index=ids)
        table = board(events, random, random_state=seed).loc["repeat purchase"].loc["segments"]
        passed += table["verdict"] != "no more than chance"
    assert passed <= 10


def test_segments_of_the_future_are_refused():
    events, _ = make_events(60, kinds="purchase")
    late = sg.segment(sg.customer_features(events, sg.RFM, as_of="2024-12-01"), n_segments=2)
    with pytest.raises(ValueError, match="so it knows the period that it should predict"):
        sg.outcome_scoreboard(events, late, as_of="2024-06-01", horizon="90 days")


def test_horizon_beyond_events_is_refused():
    events, _ = make_events(60, kinds="purchase")
    result = sg.segment(sg.customer_features(events, sg.RFM, as_of="2024-12-01"), n_segments=2)
    with pytest.raises(ValueError, match="before the horizon does"):
        sg.outcome_scoreboard(events, result, as_of="2024-12-01", horizon="90 days")


def test_churn_needs_active_customers():
    events, ids = shop([1.0] * 10 + [0.0] * 10, n=20)
    labels = pd.Series([0] * 10 + [1] * 10, index=ids)
    table = sg.segment_outcomes(events, labels, as_of=AS_OF, horizon=HORIZON, minimum=1)
    assert table.loc[("churn", 1), "mean"] == 1 and table.loc[("repeat purchase", 1), "mean"] == 0
    assert table.loc[("spend", 0), "difference"] > 15
    long_gone = sg.segment_outcomes(events, labels, as_of=AS_OF, horizon="1 day", minimum=1)
    assert long_gone.loc["churn", "mean"].isna().any() or len(long_gone) == 6


def test_wrong_labels_are_explained():
    events, ids = shop([0.5] * 20, n=20)
    with pytest.raises(ValueError, match="no label for 1 customers"):
        board(events, pd.Series([0.0] * 19 + [None], index=ids))
    with pytest.raises(TypeError, match="is a list"):
        board(events, {"mine": [1, 2]})
    with pytest.raises(ValueError, match="Only 3 customers"):
        board(events, pd.Series([0, 1, 1], index=ids[:3]))


def test_log_without_amounts():
    """Half of ten customers buy twice: the benchmarks use recency and frequency, spend uses orders."""
    lines = pd.DataFrame(
        [(f"c{i}", day) for i in range(10) for day in ("2024-03-01", "2024-05-0" + str(1 + i % 5))]
        + [(f"c{i}", day) for i in range(5) for day in ("2024-08-01", "2024-09-29")],
        columns=["customer_id", "timestamp"],
    )
    events = sg.read_events(lines, kind="purchase")
    table = board(events, pd.Series([0] * 5 + [1] * 5, index=[f"c{i}" for i in range(10)]))
    assert table.loc[("spend", "segments"), "explained"] == pytest.approx(1)
    assert table.loc[("spend", RFM_QUINTILES), "segments"] == 5
    assert table.loc[("repeat purchase", "segments"), "verdict"] == "more than RFM quintiles"


def test_scoreboard_of_grocery_elog():
    """1,525 online grocery customers: segments of rhythm do not beat the five groups of RFM."""
    events = sg.read_events(
        shared("grocery_elog") / "grocery_elog.csv", kind="purchase", customer_id="cust", timestamp="date"
    )
    known = [f for f in sg.RFM + sg.CADENCE if f.name != "monetary"]
    then = sg.customer_features(events, known, as_of="2007-01-01")
    results = {
        "recency, frequency, tenure": sg.segment(then[["recency", "frequency", "tenure"]], n_segments=5),
        "rhythm too": sg.segment(then, n_segments=5),
    }
    table = sg.outcome_scoreboard(events, results, as_of="2007-01-01", horizon="91 days")
    assert table.attrs["segkit"]["customers"] == 1525
    for outcome in ("repeat purchase", "spend"):
        rows = table.loc[outcome]
        assert 0.4 < rows.loc[RFM_QUINTILES, "explained"] < 0.55
        assert (rows["low"] > rows["at_random"] + 0.2).all()  # all of them explain much
        assert (rows.loc[list(results), "gain_low"] < 0).all()  # and none clearly more than RFM
    assert (
        table.loc[("repeat purchase", "recency, frequency, tenure"), "verdict"] == "less than RFM quintiles"
    )
    assert table.loc[("spend", RFM_CELLS), "verdict"] == "more than RFM quintiles"
    assert table.loc[("churn", RFM_QUINTILES), "explained"] < 0.2  # hard to predict for active customers


def test_scoreboard_of_complete_journey():
    """2,446 households: RFM segments predict as much as quintiles do, baskets little."""
    events = sg.read_events(
        shared("complete_journey") / "transactions.parquet",
        kind="purchase",
        customer_id="household_id",
        timestamp="transaction_timestamp",
        order_id="basket_id",
        product_id="product_id",
        quantity="quantity",
        amount="sales_value",
    )
    basket = [f for f in sg.BASKET if f.name in ("items_per_order", "lines_per_order", "variety")]
    then = sg.customer_features(events, [*sg.RFM, *sg.CADENCE, *basket], as_of="2017-10-01")
    results = {
        "RFM, five": sg.segment(then[["recency", "frequency", "monetary"]], n_segments=5),
        "everything": sg.segment(then, n_segments=5),
        "items": sg.segment(then[["items_per_order", "lines_per_order"]], n_segments=5),
    }
    table = sg.outcome_scoreboard(events, results, as_of="2017-10-01", horizon="91 days")
    back, spend, churn = (table.loc[o] for o in ("repeat purchase", "spend", "churn"))
    assert 2_400 < table.attrs["segkit"]["customers"] <= 2_469
    for outcome in (back, spend, churn):
        assert outcome.loc["RFM, five", "verdict"] == "as much as RFM quintiles"
        assert outcome.loc["items", "gain"] < outcome.loc["everything", "gain"]
    assert back.loc["items", "verdict"] == "less than RFM quintiles"
    assert 0.35 < spend.loc[RFM_QUINTILES, "explained"] < 0.55
    assert abs(spend.loc["RFM, five", "gain"]) < 0.05
    assert not (table["verdict"].loc[:, "everything"] == "more than RFM quintiles").any()
    assert spend.loc["items", "verdict"] == "less than RFM quintiles"
    assert churn.loc["items", "explained"] < 0.05


def test_wrong_names_are_explained():
    events, ids = shop(np.full(40, 0.5), n=40)
    random = pd.Series(np.arange(40) % 2, ids)
    with pytest.raises(ValueError, match="results holds no segmentation"):
        board(events, {})
    with pytest.raises(ValueError, match="called 'RFM quintiles', which is the name of a benchmark"):
        board(events, {RFM_QUINTILES: random})
    with pytest.raises(ValueError, match="has two labels for 'c000'"):
        board(events, pd.concat([random, random.iloc[:1]]))


def test_other_events_are_refused():
    for function in (sg.outcome_scoreboard, sg.segment_outcomes):
        with pytest.raises(
            TypeError, match=r"events is a DataFrame. They should be Events, as from read_events"
        ):
            function(pd.DataFrame(), pd.Series([0, 1], ["a", "b"]), as_of=AS_OF, horizon=HORIZON)
