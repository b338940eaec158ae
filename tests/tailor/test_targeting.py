"""Policies of whom to treat are measured on customers that they were not learned from."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from shared_data import shared
from tables import three_groups

import segkit as sg
from segkit.tailor.experiments.measured_policies import Measured, policies_table
from segkit.tailor.experiments.uplift_learners import Learning, effects_by_segment

LEARNED = ["per segment", "T-learner", "DR-learner"]


def experiment(n=240, seed=0, arms=("held out", "mail")):
    """Arms by turns, and regions at random."""
    rng = np.random.default_rng(seed)
    ids = pd.Index([f"c{i:05}" for i in range(n)], dtype="str")
    arm = pd.Series(np.resize(arms, n), index=ids)
    region = pd.Series(rng.permutation(np.resize(["North", "South"], n)), index=ids)
    features = pd.DataFrame(rng.normal(size=(n, 2)), ids, ["age", "spend"]).assign(town=region.to_numpy())
    return arm, region, features, rng


def by_policy(*args, **more):
    table = sg.targeting(*args, **more)
    return table.set_index("policy"), table.attrs["segkit"]


def test_mail_to_the_north_alone():
    """Mail raises 10 to 13 in the North, and lowers it to 9 in the South."""
    arm, region, features, _ = experiment()
    spend = pd.Series(np.where(arm == "mail", np.where(region == "North", 13.0, 9.0), 10.0), arm.index)
    table, facts = by_policy(arm, spend, by=region, features=features)
    assert list(table.index) == ["nobody", "everyone: mail", *LEARNED]
    assert table.loc["nobody", ["value", "treated"]].to_list() == pytest.approx([10, 0])
    assert facts["yardstick"] == "everyone: mail" and facts["customers"] == {"learned": 120, "measured": 120}
    assert facts["by_segment"] == {"North": "mail", "South": "held out"}
    for policy in LEARNED:
        assert table.loc[policy, "verdict"] == "better than everyone: mail"
        assert table.loc[policy, "gain"] == pytest.approx(1 - table.loc[policy, "treated"], abs=0.15)
        assert table.loc[policy, "qini"] > 5 * table.loc[policy, "qini_se"] > 0
    gains = table["value"] - table.loc["everyone: mail", "value"]
    assert table["gain"].to_numpy() == pytest.approx(gains.to_numpy())
    assert table.loc["nobody", "verdict"] == "worse than everyone: mail"


def test_values_are_means_of_arms():
    """Halves have equal arms, so that the value of an arm for all is its mean on the measured half."""
    arm, *_ = experiment(180, arms=("held out", "mail", "sms"))
    visits = pd.Series(np.resize([0, 1, 2, 3, 4], 180), arm.index)
    table, facts = by_policy(arm, visits, cost={"mail": 0.5, "sms": 0})
    assert list(table.index) == ["nobody", "everyone: mail", "everyone: sms"]
    assert table["qini"].isna().all() and facts["shares"] == pytest.approx(dict.fromkeys(arm.unique(), 1 / 3))
    mail = visits[arm == "mail"].mean()
    assert table.loc["everyone: mail", "value"] == pytest.approx(mail - 0.5, abs=0.5)
    free, _ = by_policy(arm, visits)
    assert (free["value"] - table["value"]).to_list() == pytest.approx([0, 0.5, 0])


def test_who_costs_more_than_she_brings_is_left_alone():
    arm, region, features, rng = experiment(600)
    spend = pd.Series(rng.normal(10 + 2 * (arm == "mail"), 1), arm.index)
    table, facts = by_policy(arm, spend, by=region, features=features, cost=5)
    assert facts["yardstick"] == "nobody" and (table.loc[LEARNED, "treated"] == 0).all()
    assert (table.loc[LEARNED, "verdict"] == "the same as treating nobody").all()
    assert table.loc["everyone: mail", "gain"] == pytest.approx(-3, abs=0.3)


def test_order_of_rows_changes_nothing():
    arm, region, features, rng = experiment()
    spend = pd.Series(rng.normal(size=240), arm.index)
    table = sg.targeting(arm, spend, by=region, features=features)
    order = rng.permutation(240)
    again = sg.targeting(arm.iloc[order], spend.iloc[::-1], by=region.iloc[order], features=features[::-1])
    assert_frame_equal(table, again, check_exact=True)
    for fact in ("by_segment", "customers", "qini"):
        assert table.attrs["segkit"][fact] == again.attrs["segkit"][fact]
    other = sg.targeting(arm, spend, by=region, features=features, random_state=1)
    assert not other["value"].equals(table["value"])


def test_missing_outcomes_are_left_out():
    arm, region, _, rng = experiment()
    spend = pd.Series(rng.normal(5, 1, 240), arm.index)
    spend.iloc[[0, 2, 3]] = np.nan
    more = pd.concat([spend.iloc[:-2], pd.Series({"stranger": 1e9})])
    table, facts = by_policy(arm, more, by=region.iloc[10:])
    assert facts["missing"] == {"held out": 3, "mail": 2} and facts["without_an_arm"] == 1
    assert sum(facts["customers"].values()) == 235 and table["value"].between(4, 6).all()
    assert list(facts["by_segment"]) == ["North", "South", "No segment"]


def test_segments_of_a_segmentation_by_name():
    result = sg.segment(three_groups(60), n_segments=3).with_names({0: "Regulars"})
    ids = result.labels.index
    arm = pd.Series(np.resize(["held out", "mail"], 180), index=ids)
    visits = pd.Series(np.random.default_rng(0).random(180), index=ids)
    _, facts = by_policy(arm, visits, by=result)
    assert list(facts["by_segment"]) == ["Regulars", "Segment 1", "Segment 2"]
    outside = result.labels.where(result.labels != 1, -1)
    _, facts = by_policy(arm, visits, by=outside)
    assert list(facts["by_segment"]) == ["0", "2", "-1"]


def test_few_and_equal_outcomes_are_said():
    arm, region, features, rng = experiment(400)
    alike, _ = by_policy(arm, pd.Series(0.1, arm.index), by=region, features=features)
    assert alike[["low", "high"]].isna().all(axis=None)
    assert set(alike["verdict"]) == {
        "the yardstick: the best that needs no features", "the same as treating nobody",
        "no interval: the outcomes of each arm are all alike",
    }  # fmt: skip
    rare = pd.Series(rng.random(400) < 0.05, arm.index)
    table, _ = by_policy(arm, rare, by=region)
    assert table["verdict"].str.match(r"few buyers \(\d in (mail|held out)\): ").all()
    other = "nobody" if table.loc["nobody", "gain"] != 0 else "everyone: mail"
    assert table.loc[other, ["gain_low", "gain_high"]].isna().all()
    assert (
        "too few: " in table.loc[other, "verdict"]
        and "outcomes of customers treated" in table.loc[other, "verdict"]
    )


def test_a_failed_sample_ratio_comes_first():
    arm, region, _, rng = experiment(400)
    arm.attrs["segkit"] = {"shares": {"mail": 0.9, "held out": 0.1}}
    table, facts = by_policy(arm, pd.Series(rng.normal(size=400), arm.index), by=region)
    assert table["verdict"].str.startswith("sample ratio failed (p").all() and facts["sample_ratio"] < 1e-100


def test_outcomes_as_for_lift():
    """A column of a table, and what events say happened after the start."""
    shop = sg.datasets.make_experiment(1000, holdout=0.3)
    table, _ = by_policy(shop.arms, shop.outcomes, outcome="conversion", by=shop.segments)
    same, _ = by_policy(shop.arms, shop.outcomes["conversion"], by=shop.segments)
    assert_frame_equal(table, same)
    bought = shop.outcomes.index[shop.outcomes["conversion"] == 1]
    rows = pd.DataFrame({"customer_id": bought, "timestamp": "2024-05-03", "amount": 1.0})
    later = pd.DataFrame({"customer_id": ["x"], "timestamp": "2024-05-20", "amount": 1.0})
    events = sg.read_events(pd.concat([rows, later]), kind="purchase")
    of_events, _ = by_policy(shop.arms, events, by=shop.segments, start="2024-05-01", horizon="14 days")
    assert_frame_equal(table, of_events)


def test_words_gaps_and_constants_among_features():
    arm, _, features, rng = experiment(400)
    features["town"] = features["town"].where(rng.random(400) < 0.7)
    features["age"] = features["age"].where(rng.random(400) < 0.5)
    features = features.assign(none=np.nan, same=1, newbie=rng.random(400) < 0.5)
    spend = pd.Series(rng.normal(10 + 3 * (arm == "mail") * features["newbie"], 1), arm.index)
    table, _ = by_policy(arm, spend, features=features, cost=1)
    assert (table.loc[["T-learner", "DR-learner"], "verdict"] == "better than everyone: mail").all()
    assert table.loc[["T-learner", "DR-learner"], "treated"].to_list() == pytest.approx([0.5, 0.5], abs=0.1)


def test_qini_by_hand():
    """The curve rises to 0.5 with the first half and stays: 0.375 below it, 0.25 below the line to the same end."""
    net = np.array([[0.0, 1.0], [0.0, 0.0]])
    measured = Measured(net, np.array([0, 1]), np.array([0.0, 1.0]), best=1, best_arm=1)
    effect = np.array([[0.0, 0.9], [0.0, 0.2]])
    assert measured.qini(effect)["qini"] == pytest.approx(0.125)
    curve = measured.curve("x", effect, 0.95)
    assert [curve[i]["gain"] for i in (0, 10, 20, 30, 40)] == pytest.approx([0, 0.25, 0.5, 0.5, 0.5])
    assert curve[20]["at_random"] == pytest.approx(0.25)
    assert measured.qini(np.array([[0.0, 0.2], [0.0, 0.9]]))["qini"] == pytest.approx(-0.125)
    assert measured.qini(np.array([[0.0, 0.5], [0.0, 0.5]])) == pytest.approx({"qini": 0, "qini_se": 0})


def test_better_means_better_than_all_that_needs_no_features():
    """The yardstick is a poor arm, by bad luck; a policy that beats it, but not the other arm, is not called better."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(400, 1)) / 10
    net = np.column_stack([np.zeros(400), np.ones(400), np.full(400, 2.0)]) + noise
    measured = Measured(
        net + rng.normal(size=net.shape), rng.integers(0, 3, 400), np.ones(400), best=1, best_arm=1
    )
    effect = np.zeros((400, 3))
    effect[np.arange(400), np.where(rng.random(400) < 0.95, 2, 1)] = 1
    table = policies_table(measured, {"T-learner": effect}, ["held out", "sms", "mail"], 0.95)
    verdicts = table.set_index("policy")["verdict"]
    assert verdicts["T-learner"] == "not shown to be better than everyone: mail"
    assert verdicts["everyone: mail"] == "better than everyone: sms"


def test_effects_of_segments_are_drawn_together():
    """Without true differences, the segments have the effect on all; with large ones, nearly their own."""
    rng = np.random.default_rng(1)
    arm, segment = np.tile([0, 1], 300), np.repeat([0, 1, 2], 200)
    same = Learning(arm, rng.normal(arm, 1), np.array([0.5, 0.5]))
    effects = effects_by_segment(same, segment, np.arange(4))
    assert effects[3, 1] == pytest.approx(same.means[1] - same.means[0])
    apart = Learning(arm, rng.normal(arm * (segment - 1) * 5, 1), np.array([0.5, 0.5]))
    assert effects_by_segment(apart, segment, np.arange(3))[:, 1] == pytest.approx([-5, 0, 5], abs=0.4)
    means = pd.Series(same.outcome).groupby([segment, arm]).mean().unstack()
    assert np.ptp(effects[:3, 1]) < np.ptp(means[1] - means[0])


ARM, REGION, FEATURES, _ = experiment(120)
LATER = FEATURES.copy()
LATER.attrs["segkit"] = {"as_of": "2024-06-01T00:00:00"}
SPEND = pd.Series(np.arange(120.0), ARM.index)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"arms": pd.concat([ARM, ARM.iloc[:2]])}, "arms holds 2 customers more than once, such as 'c00000'"),
        ({"outcomes": pd.concat([SPEND, SPEND.iloc[:1]])}, "The customer 'c00000' occurs more than once in outcomes"),
        ({"arms": ARM.where(ARM.index != "c00003")}, "1 of them without an arm"),
        ({"arms": pd.Series("held out", ARM.index)}, "All customers are in the arm 'held out'"),
        ({"control": "none"}, "No customer is in the arm 'none'"),
        ({"arms": ARM.iloc[:100]}, "50 customers have an outcome in the arm 'held out'.*60 or more"),
        ({"outcomes": SPEND.astype(str)}, "outcomes holds '0.0', and it should hold numbers"),
        ({"outcomes": SPEND.where(SPEND > 0, np.inf)}, "outcomes holds infinity"),
        ({"outcomes": SPEND.set_axis(SPEND.to_numpy())}, "ids of outcomes should be all text or all whole numbers"),
        ({"features": FEATURES.iloc[5:]}, "features has no row for 5 customers of arms, such as 'c00000'"),
        ({"features": LATER}, "features is as of 2024-06-01.*when the treatment began is not known. Say start="),
        ({"features": LATER, "start": "2024-05-01"}, "features is as of 2024-06-01.*holds what the treatment did"),
        ({"features": FEATURES["age"]}, "features is a Series"),
        ({"by": "North"}, "'by' is the text 'North'"),
        ({"cost": "1"}, "cost='1' should be a number"),
        ({"cost": {"sms": 1}}, "cost should name each treated arm: mail. 'sms' does not fit"),
        ({"level": 95}, "level=95 should lie between 0 and 1"),
        ({"random_state": None}, "random_state=None should be a whole number"),
    ],
)  # fmt: skip
def test_bad_input_is_named(changed, message):
    with pytest.raises((TypeError, ValueError), match=message):
        sg.targeting(**({"arms": ARM, "outcomes": SPEND} | changed))


def test_no_policy_beats_mens_mail_to_everyone():
    """Hillstrom's 64,000 customers: Women's mail works by what was bought before, and Men's mail works better still."""
    table = pd.read_csv(shared("hillstrom") / "hillstrom.csv")
    bought = table["mens"].map({1: "mens", 0: "womens"}).where(table["mens"] + table["womens"] < 2, "both")
    features = table[["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]]
    asked = {"by": bought, "control": "No E-Mail"}
    got, facts = by_policy(table["segment"], table["visit"], features=features, **asked)
    assert facts["yardstick"] == "everyone: Mens E-Mail"
    assert not got["verdict"].str.startswith("better").any()
    assert (
        got.loc[LEARNED, "verdict"].str.match("(no difference from|the same as) everyone: Mens E-Mail").all()
    )
    assert got["value"].iloc[:3].to_list() == pytest.approx([0.106167, 0.182757, 0.151400], abs=0.01)
    womens = table["segment"] != "Mens E-Mail"
    got, _ = by_policy(table.loc[womens, "segment"], table.loc[womens, "visit"], **asked)
    assert got.loc["per segment", "qini"] > 3 * got.loc["per segment", "qini_se"]


def check_nulls(experiments, *, features):
    """Nothing works: the gain is 0, whatever was learned."""
    covered, called, qini = [], [], []
    for seed in range(experiments):
        arm, _, table, rng = experiment(400, seed)
        arm = pd.Series(rng.permutation(arm), arm.index)
        segments = pd.Series(rng.integers(0, 6, 400), arm.index)
        spend = pd.Series(rng.normal(table["age"], 2), arm.index)
        got, _ = by_policy(arm, spend, by=segments, features=table if features else None, random_state=0)
        learned = got.loc[got.index.isin(LEARNED)]
        # policies that are equal to the yardstick have a gain of 0 without an interval: left out, they would help
        told = learned[learned["gain_high"] > learned["gain_low"]]
        covered += ((told["gain_low"] <= 0) & (told["gain_high"] >= 0)).to_list()
        ranked = learned[learned["qini_se"] > 0]
        qini += (ranked["qini"].abs() <= 1.96 * ranked["qini_se"]).to_list()
        called.append(got["verdict"].str.startswith("better").any())
    slack = 2 * np.sqrt(0.05 * 0.95 / np.array([len(covered), len(qini)]))
    figures = {
        "covered": np.mean(covered),
        "better": np.mean(called),
        "qini": np.mean(qini),
        "told": len(covered),
    }
    print(figures)
    exact = experiments >= 1000
    assert figures["covered"] >= 0.94 - slack[0] * (not exact)
    assert figures["better"] <= 0.03 + (0 if exact else 2 * np.sqrt(0.03 * 0.97 / experiments))
    assert figures["qini"] >= 0.94 - slack[1] * (not exact)


def test_nothing_is_found_where_nothing_works():
    check_nulls(30, features=False)
    check_nulls(3, features=True)


@pytest.mark.simulation
def test_nothing_is_found_in_1000_null_experiments():
    check_nulls(1000, features=True)


def check_gains(experiments):
    """Segments differ: the true gain of the learned policy is known from its arms."""
    effects = pd.Series([-0.4, -0.1, 0.0, 0.1, 0.3, 0.5], list("abcdef"))
    covered = []
    for seed in range(experiments):
        arm, _, _, rng = experiment(1200, seed)
        segments = pd.Series(rng.choice(effects.index, 1200), arm.index)
        spend = pd.Series(rng.normal((arm == "mail") * segments.map(effects), 2), arm.index)
        got, facts = by_policy(arm, spend, by=segments, random_state=seed)
        chosen = pd.Series(facts["by_segment"]) == "mail"
        truth = effects[chosen].sum() / 6 - (facts["yardstick"] != "nobody") * effects.mean()
        low, high = got.loc["per segment", ["gain_low", "gain_high"]]
        covered.append(low - 1e-12 <= truth <= high + 1e-12)
    print(np.mean(covered))
    assert np.mean(covered) >= 0.94 - (0 if experiments >= 1000 else 2 * np.sqrt(0.05 * 0.95 / experiments))


def test_gains_of_segments_are_covered():
    check_gains(40)


@pytest.mark.simulation
def test_gains_of_segments_are_covered_in_1000_experiments():
    check_gains(1000)
