"""Plans of experiments, against textbook figures and against the experiments that they plan."""

import numpy as np
import pandas as pd
import pytest

import segkit as sg
from segkit.tailor.experiments.intervals import Arm, Difference, FixedLook, ManyLooks

SEGMENTS = pd.Series(["Loyal"] * 20_000 + ["New"] * 2_000 + [-1] * 20)
BASE = {"Loyal": 0.10, "New": 0.08, "-1": 0.3}


def test_half_and_half_against_a_textbook():
    """10 % against 12 %: 3,841 in each arm at 80 % power (Fleiss 1981, normal approximation, unpooled)."""
    halves = pd.Series("all of them", index=range(7682))
    plan = sg.plan_experiment(halves, baseline=0.10, lift=0.02, holdout=0.5)
    assert plan["customers_needed"].to_list() == pytest.approx([7677, 7677], abs=6)
    assert plan["power"].to_list() == pytest.approx([0.8, 0.8], abs=0.001)
    assert plan["smallest_lift"].to_list() == pytest.approx([0.02, 0.02], rel=0.001)
    assert plan.loc[1, "verdict"] == "can show 2.0 points or more"


def test_small_segments_are_joined():
    plan = sg.plan_experiment(SEGMENTS, baseline=BASE, lift=0.025).set_index("segment")
    assert list(plan.index) == ["all customers", "Loyal", "New", "-1"]
    assert (
        (plan["treated"] + plan["held_out"]).to_list()
        == plan["customers"].to_list()
        == [22020, 20000, 2000, 20]
    )
    assert plan.loc["New", "verdict"] == "too small alone: join with Loyal"
    assert plan.loc["-1", "verdict"] == "too small, even joined with all others"
    assert plan.loc["all customers", "baseline"] == pytest.approx((2000 + 160 + 6) / 22020)
    assert plan.loc["-1", "power"] < 0.1 and np.isnan(plan.loc["-1", "smallest_lift"])
    open_plan = sg.plan_experiment(SEGMENTS, baseline=BASE).set_index("segment")
    assert open_plan["customers_needed"].isna().all() and (open_plan["power"] == 0.8).all()
    assert (
        open_plan.loc["Loyal", "verdict"].startswith("can show")
        and "too small" in open_plan.loc["-1", "verdict"]
    )
    impossible = sg.plan_experiment(SEGMENTS, baseline=BASE, lift=0.8).set_index("segment")
    assert impossible.loc["-1", "verdict"] == "a lift of +80.0 points is not possible here"
    assert sg.plan_experiment(SEGMENTS, baseline=BASE, lift=-0.05).loc[1, "power"] > 0.99


def test_past_outcomes_give_baseline_and_spread():
    shop = sg.datasets.make_experiment()
    plan = sg.plan_experiment(shop.segments, baseline=shop.before["spend"], outcome="spend").set_index(
        "segment"
    )
    known = shop.before["spend"][shop.segments == "New"]
    assert plan.loc["New", "baseline"] == pytest.approx(known.mean())
    n = plan.loc["New", ["treated", "held_out"]].astype(float)
    assert plan.loc["New", "smallest_lift"] == pytest.approx(
        2.8016 * known.std() * np.sqrt((1 / n).sum()), rel=1e-3
    )
    bought = sg.plan_experiment(shop.segments, baseline=shop.before["conversion"]).set_index("segment")
    assert bought.loc["New", "baseline"] == pytest.approx((known > 0).mean())


@pytest.mark.parametrize("peeking", [False, True])
def test_experiments_keep_the_planned_power(peeking):
    """5,000 customers, 20 % held out: the smallest lift is found in 80 % of experiments."""
    plan = sg.plan_experiment(pd.Series("x", index=range(5000)), baseline=0.1, holdout=0.2, peeking=peeking)
    lift, n, rng = plan.loc[0, "smallest_lift"], 4000, np.random.default_rng(0)

    def arm(size, share):
        bought = rng.binomial(size, share, n)
        p, zero = bought / size, np.zeros(n)
        return Arm(np.full(n, float(size)), p, p * (1 - p), zero, zero, zero, bought)

    found = Difference(arm(4000, 0.1 + lift), arm(1000, 0.1), shares=True)
    looks = ManyLooks(1.0, 0.05) if peeking else FixedLook()
    assert (looks.p(found.z) <= 0.05).mean() == pytest.approx(0.8, abs=0.025)


def test_wrong_arguments_are_explained():
    for wrong, message in [
        ({"baseline": 0}, "baseline=0 should lie between 0 and 1"),
        ({"baseline": {"Loyal": 0.1}}, "no share of the segment 'New'"),
        ({"baseline": "x"}, "baseline is the text 'x'"),
        ({"outcome": "visits"}, "Say 'conversion' or 'spend'"),
        ({"outcome": "spend"}, "pass past spend of each customer"),
        ({"baseline": pd.Series(5.0, index=SEGMENTS.index)}, "other values than 0 and 1"),
        ({"baseline": pd.Series([0, 1])}, "0 customers of 'New'"),
        ({"baseline": pd.Series(0.0, index=SEGMENTS.index), "outcome": "spend"}, "how much spend varies"),
        ({"by": SEGMENTS.replace("New", "all customers")}, "Rename it"),
        ({"lift": 0}, "lift=0 should be a difference"),
        ({"holdout": 10}, "holdout=10 should lie between 0 and 1"),
        ({"by": SEGMENTS[:0]}, "holds no customer"),
    ]:
        with pytest.raises((TypeError, ValueError), match=message):
            sg.plan_experiment(**({"by": SEGMENTS, "baseline": BASE} | wrong))
