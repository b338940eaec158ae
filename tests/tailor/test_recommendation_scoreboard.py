"""The scoreboard of recommendations: by hand, against shops whose taste is known, and on real logs."""

import numpy as np
import pandas as pd
import pytest
from shared_data import shared

import segkit as sg
from segkit.datasets.complete_journey import CompleteJourney
from segkit.tailor.products import scoreboard
from segkit.tailor.products.methods import RECENT_POPULARITY, SEGMENT_POPULARITY
from segkit.tailor.products.purchase_matrix import purchase_matrix
from segkit.tailor.products.ranking_measures import mean_interval, ranking_measures
from segkit.tailor.products.scoreboard import held_out_purchases, measure_methods

START = pd.Timestamp("2024-01-01")
SPLIT, END = START + pd.Timedelta("56 days"), START + pd.Timedelta("84 days")


def read(lines, **options):
    return sg.read_events(lines, **options or {"kind": "purchase"})


def shop(n, products, orders, *, taste=1.0, seed=0):
    """Twelve weeks of two segments; each likes half of the products `taste` times as much as the other does."""
    rng = np.random.default_rng(seed)
    labels = pd.Series(rng.integers(0, 2, n), index=[f"c{i:04}" for i in range(n)])
    liking = rng.gamma(1, 1, (n, products)) * np.exp(rng.normal(size=products))
    ours = (np.arange(products) % 2 == 0) == (labels.to_numpy()[:, None] == 0)
    liking = np.cumsum(liking * np.where(ours, taste, 1), axis=1)
    who = np.repeat(np.arange(n), rng.poisson(orders, n) + 1)
    drawn = rng.random(len(who)) * liking[who, -1]
    what = (drawn[:, None] > liking[who]).sum(axis=1)
    lines = pd.DataFrame(
        {
            "customer_id": labels.index[who],
            "product_id": [f"p{j:03}" for j in what],
            "timestamp": START + pd.to_timedelta(rng.integers(0, 84 * 86_400, len(who)), unit="s"),
        }
    )
    return read(lines), labels


def share_with_taste(events, customers, segments, draws):
    """How often segments of random labels are said to carry taste."""
    known = purchase_matrix(events, SPLIT)
    test = held_out_purchases(known, purchase_matrix(events, END, window="28 days"))
    said = []
    for seed in range(draws):
        drawn = pd.Series(np.random.default_rng(seed).integers(0, segments, len(customers)), index=customers)
        measured = measure_methods((RECENT_POPULARITY, SEGMENT_POPULARITY), known, test, drawn, 10)
        verdict = scoreboard._rows("new", measured["new"], late=False)[1]["verdict"]
        said.append("segments carry taste: what" in verdict)
    return np.mean(said)


def test_measures_by_hand():
    best = np.array([[2, 0, 1], [3, -1, -1], [1, 2, 3]])
    relevant = np.array([[1, 0, 1, 1], [0, 0, 0, 1], [1, 0, 0, 0]], dtype=bool)
    found = ranking_measures(best, relevant, np.array([4, 1, 1]))
    second, third = 1 / np.log2(3), 1 / 2
    assert np.allclose(found, [[2 / 4, (1 + second) / (1 + second + third), 1], [1, 1, 1], [0, 0, 0]])


def test_interval_covers_the_mean():
    rng = np.random.default_rng(0)
    bounds = [mean_interval(rng.exponential(size=(50, 1)), 0.95) for _ in range(1000)]
    assert 0.90 < np.mean([low[0] <= 1 <= high[0] for _, low, high in bounds]) < 0.97
    assert all(np.isnan(x).all() for x in mean_interval(np.empty((0, 3)), 0.95))


def test_scoreboard_by_hand():
    """Ann and Bo buy again what they bought, and a product each that is new to them; Cy was never seen before."""
    rows = [("ann", "tea", 1), ("ann", "rum", 2), ("bo", "rum", 3), ("dan", "oil", 4), ("dan", "oil", 5)]
    rows += [("ann", "rum", 60), ("ann", "oil", 61), ("bo", "rum", 62), ("bo", "new", 63), ("cy", "oil", 64)]
    lines = pd.DataFrame(rows, columns=["customer_id", "product_id", "day"])
    lines["timestamp"] = SPLIT - pd.Timedelta("10 days") + pd.to_timedelta(lines.pop("day") / 4, unit="D")
    lines = pd.concat([lines.assign(kind="purchase"), lines.tail(1).assign(kind="return", customer_id="ann")])
    board = sg.recommendation_scoreboard(read(lines, kind_column="kind"), as_of=END, horizon="28 days", n=1)
    popular = board.set_index(["goal", "method"]).xs("recent popularity", level="method")
    # rum has two buyers, then oil and tea have one: ann is told oil, which she buys; bo is told oil, and buys another
    assert popular.loc["new", ["customers", "recall", "ndcg", "hit"]].tolist() == [2, 0.5, 0.5, 0.5]
    assert popular.loc["again", ["customers", "recall", "ndcg", "hit"]].tolist() == [2, 1, 1, 1]
    assert set(board["verdict"]) == {"the yardstick", "not known: 2 customers are too few to tell"}
    facts = board.attrs["segkit"]
    assert facts["customers"] == {"tested": 2, "not_drawn": 0, "without_history": 1}
    assert facts["best"] == {"new": "recent popularity", "again": "recent popularity"}


def test_random_segments_carry_no_taste():
    events, labels = shop(300, 40, 8)
    assert share_with_taste(events, labels.index, segments=3, draws=60) <= 0.05


@pytest.mark.simulation
@pytest.mark.parametrize("segments", [2, 5, 20])
def test_random_segments_carry_no_taste_in_other_shops(segments):
    for n, products, orders in ((300, 40, 8), (1000, 200, 12), (2000, 60, 4)):
        events, labels = shop(n, products, orders)
        assert share_with_taste(events, labels.index, segments, draws=200) <= 0.05


def test_planted_taste_is_found_in_any_order_of_rows():
    events, labels = shop(800, 60, 8, taste=4.0)
    board = sg.recommendation_scoreboard(events, as_of=END, horizon="28 days", by=labels)
    of_segment = board[(board["method"] == "segment popularity") & (board["goal"] == "new")].iloc[0]
    assert "your segments carry taste" in of_segment["verdict"] and of_segment["gain_low"] > 0
    # EASE sees the same taste in what customers bought together
    assert (board[board["method"] == "EASE"]["verdict"] == "better than recent popularity").any()
    assert "own history" not in set(board[board["goal"] == "new"]["method"])
    shuffled = read(events.table.to_pandas().sample(frac=1, random_state=0))
    again = sg.recommendation_scoreboard(
        shuffled, as_of=END, horizon="28 days", by=labels.sample(frac=1, random_state=0)
    )
    pd.testing.assert_frame_equal(board, again)


def test_bad_input_is_named(monkeypatch):
    events, labels = shop(60, 8, 3)
    score = {"as_of": END, "horizon": "28 days"}
    for options, words in (
        ({"horizon": "90 days"}, "Say a shorter horizon"),
        ({"as_of": "2025-06-01"}, "Nobody bought a product in the 28 days before 2025"),
        ({"as_of": "2023-06-01"}, "Say a shorter horizon, or a later as_of"),
        (
            {"by": pd.Series({"elsewhere": 0})},
            "Their ids look like 'elsewhere', those of the log like 'c0000'",
        ),
        ({"by": pd.Series([], dtype="int64")}, "hold no customer"),
        ({"n": 0}, "n=0"),
    ):
        with pytest.raises(ValueError, match=words):
            sg.recommendation_scoreboard(events, **score | options)
    clicks = events.table.to_pandas().assign(kind="visit")
    with pytest.raises(ValueError, match="only events of kind 'purchase' that say what was bought"):
        sg.recommendation_scoreboard(read(clicks, kind_column="kind"), **score)
    # segments without customers in the log, customers without a segment or a purchase
    odd = pd.concat([labels.head(30).map({0: "a", 1: "b"}), pd.Series({"x": "c", "y": "c"})])
    board = sg.recommendation_scoreboard(events, **score, by=odd, n=20)
    assert board["ndcg"].between(0, 1).all() and (board["recall_high"] <= 1).all()
    monkeypatch.setattr(scoreboard, "MOST", 10)
    drawn = sg.recommendation_scoreboard(events, **score).attrs["segkit"]["customers"]
    assert drawn["tested"] == 10 and drawn["not_drawn"] > 0


def test_one_product_and_nobody_to_test():
    lines = pd.DataFrame(
        {"customer_id": ["a", "b"], "product_id": "tea", "timestamp": [START, END - pd.Timedelta("1 day")]}
    )
    board = sg.recommendation_scoreboard(read(lines), as_of=END, horizon="28 days")
    assert (board["customers"] == 0).all() and board["ndcg"].isna().all()
    assert board["verdict"].iloc[1] == "not known: 0 customers are too few to tell"
    both = read(pd.concat([lines, lines.assign(customer_id="b")]))
    again = sg.recommendation_scoreboard(both, as_of=END, horizon="28 days").query("goal == 'again'")
    assert (again["customers"] == 1).all() and (again["ndcg"] == 1).all() and again["ndcg_low"].isna().all()


def test_segments_that_know_the_test_are_told():
    events, _ = shop(200, 10, 6)
    for moment, told in ((SPLIT, False), (END, True)):
        result = sg.segment(sg.customer_features(events, sg.RFM[:2], as_of=moment), n_segments=2)
        board = sg.recommendation_scoreboard(events, as_of=END, horizon="28 days", by=result)
        verdict = board[(board["method"] == "segment popularity") & (board["goal"] == "new")]["verdict"].iloc[
            0
        ]
        assert ("know the test period" in verdict) == told


def check_real_log(events, new, again):
    """Last 28 days out: EASE for new products, own history for products bought before, and RFM without taste."""
    as_of = events.last + pd.Timedelta("1us")
    customers = sg.customer_features(events, sg.RFM, as_of=as_of - pd.Timedelta("28 days"))
    segments = pd.Series(sg.RFMSegmenter().fit_predict(customers), index=customers.index)
    board = sg.recommendation_scoreboard(events, as_of=as_of, horizon="28 days", by=segments)
    rows = board.set_index(["goal", "method"])
    assert rows.loc[("new", "EASE"), "ndcg"] >= new
    assert rows.loc[("new", "EASE"), "verdict"] == "better than recent popularity"
    assert rows.loc[("again", "own history"), "ndcg"] >= again
    assert rows.loc[("new", "segment popularity"), "verdict"].startswith("your segments carry no taste")
    assert board.attrs["segkit"]["best"] == {"new": "EASE", "again": "own history"}


def test_online_retail(monkeypatch):
    monkeypatch.setenv("SEGKIT_DATA_HOME", str(shared("online_retail")))
    check_real_log(sg.datasets.fetch_online_retail(), new=0.11, again=0.47)


@pytest.mark.simulation
def test_complete_journey():
    journey = CompleteJourney(shared("complete_journey"), "department")
    check_real_log(journey.events, new=0.050, again=0.48)
