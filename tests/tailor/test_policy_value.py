"""A policy is valued from a log of another one, with the propensities of what was done."""

import numpy as np
import pandas as pd
import pytest

import segkit as sg

COLUMNS = {"action": "shown", "reward": "clicked", "propensity": "chance"}


def valued(log, policy, **more):
    table = sg.policy_value(log, policy, **COLUMNS, **more)
    return table.set_index("estimator"), table.attrs["segkit"]


def logged(n=2000, seed=0):
    """Who is old likes tea, who is young likes coffee; tea is shown to 0.8 of the old, and 0.3 of the young."""
    rng = np.random.default_rng(seed)
    old = rng.random(n) < 0.5
    tea = rng.random(n) < np.where(old, 0.8, 0.3)
    chance = np.where(old, np.where(tea, 0.8, 0.2), np.where(tea, 0.3, 0.7))
    clicked = (rng.random(n) < np.where(old == tea, 0.6, 0.2)).astype(float)
    return pd.DataFrame(
        {"shown": np.where(tea, "tea", "coffee"), "clicked": clicked, "chance": chance, "old": old}
    )


def test_values_by_hand():
    """Tea was chosen in rows 0 and 2, with weights 2 and 4: IPS (2·1 + 4·3) / 4, SNIPS the same over 6."""
    log = pd.DataFrame(
        {"shown": ["tea", "rum", "tea", "rum"], "clicked": [1.0, 2, 3, 4], "chance": [0.5, 0.5, 0.25, 0.75]}
    )
    table, facts = valued(log, pd.Series("tea", log.index))
    assert table.loc[["IPS", "SNIPS"], "value"].to_list() == pytest.approx([14 / 4, 14 / 6])
    assert table.loc["DR", "value"] > 0 and table[["low", "high"]].isna().all(axis=None)
    row = table.loc["IPS", ["effective_rows", "matched_rewards", "largest_weight"]]
    assert row.to_list() == pytest.approx([36 / 20, 2, 4])
    assert table["verdict"].str.endswith("too few: 2 matched rewards, and an interval needs 30").all()
    assert facts["logged_value"] == 2.5 and facts["mean_weight"] == 1.5


def test_the_logged_policy_is_worth_what_it_brought():
    log = logged()
    same = pd.DataFrame({"tea": np.where(log["old"], 0.8, 0.3)}).assign(coffee=lambda p: 1 - p["tea"])
    table, facts = valued(log, same)
    assert table["value"].to_list() == pytest.approx([log["clicked"].mean()] * 3, abs=0.001)
    assert facts["mean_weight"] == 1
    assert table["largest_weight"].to_list() == [1, 1, 1]
    assert (
        table["verdict"].iloc[0]
        == table["verdict"].iloc[1]
        == f"the same as what was done ({facts['logged_value']:.3g})"
    )
    assert (
        table["verdict"].iloc[2].startswith("no difference from what was done found; we would have seen 0.0")
    )


def test_a_better_policy_is_found():
    log = logged()
    liked = pd.Series(np.where(log["old"], "tea", "coffee"), log.index)
    table, _ = valued(log, liked, features=["old"])
    assert table["value"].to_list() == pytest.approx([0.6] * 3, abs=0.04)
    assert (table["verdict"] == f"better than what was done ({log['clicked'].mean():.3g})").all()
    widths = table["high"] - table["low"]
    assert widths[["DR", "SNIPS"]].max() < widths["IPS"]
    disliked = liked.map({"tea": "coffee", "coffee": "tea"})
    assert valued(log, disliked)[0]["verdict"].str.startswith("worse than what was done").all()
    assert valued(log.iloc[::-1], liked)[0].loc["IPS", "value"] == pytest.approx(table.loc["IPS", "value"])


def test_unusable_rows_are_set_aside_and_counted():
    log = logged(200)
    log.loc[0, "shown"], log.loc[1, "clicked"], log.loc[2, "clicked"] = None, np.nan, np.inf
    log.loc[3:7, "chance"] = [np.nan, 0, -0.1, 1.01, 80]
    policy = pd.Series("tea", log.index).where(log.index != 8)
    table, facts = valued(log, policy)
    assert facts["set_aside"] == {
        "action missing": 1, "reward missing": 1, "reward infinite": 1, "propensity missing": 1,
        "propensity 0 or below": 2, "propensity above 1": 2, "policy missing": 1,
    }  # fmt: skip
    assert facts["rows"] == 191 and table["verdict"].str.endswith("; 9 rows set aside").all()
    clean, _ = valued(log.iloc[9:], policy.iloc[9:])
    assert clean.loc["IPS", "value"] == table.loc["IPS", "value"]


def test_propensities_that_do_not_fit_are_said():
    log = logged()
    liked = pd.Series(np.where(log["old"], "tea", "coffee"), log.index)
    assert not valued(log, liked)[0]["verdict"].str.contains("do not fit").any()
    table, _ = valued(log.assign(chance=1.0), liked)
    assert table["verdict"].str.startswith("the propensities do not fit (weights average 0.7").all()


def test_few_heavy_rows_give_no_interval():
    log = pd.DataFrame(
        {"shown": ["tea"] * 100 + ["rum"] * 100, "clicked": 1.0, "chance": [0.001] * 2 + [0.9] * 198}
    )
    table, _ = valued(log, pd.Series("tea", log.index))
    assert table["low"].isna().all() and table["matched_rewards"].eq(100).all()
    assert (
        table["verdict"].str.contains("too few: weights amount to 2.2 rows, and an interval needs 30").all()
    )
    none, _ = valued(log.assign(clicked=0.0), pd.Series("tea", log.index))
    assert none["verdict"].str.contains("too few: 0 matched rewards").all()


LOG = logged(60)
TEA = pd.Series("tea", LOG.index)


@pytest.mark.parametrize(
    ("log", "policy", "more", "message"),
    [
        (LOG, TEA.map({"tea": "rum"}), {}, "The policy does 'rum' in 60 rows, which the log never has"),
        (LOG, TEA.iloc[:9], {}, "policy has 9 rows and log 60, which are not on the same index"),
        (LOG, pd.DataFrame({"tea": 0.4, "coffee": 0.5}, LOG.index), {}, "In row 0 they sum to 0.9"),
        (
            LOG,
            pd.DataFrame({"tea": "a"}, LOG.index),
            {},
            "policy is a DataFrame, which should hold the probability",
        ),
        (
            LOG.drop(columns="chance"),
            TEA,
            {},
            "no column 'chance', which propensity names.*Its columns are shown",
        ),
        (LOG.assign(clicked="yes"), TEA, {}, "The reward 'clicked' holds 'yes'"),
        (LOG.assign(chance=50.0), TEA, {}, "No row of log can be used: propensity above 1 60"),
        (LOG.iloc[:0], TEA.iloc[:0], {}, "No row of log can be used: it is empty"),
        (pd.concat([LOG, LOG[["shown"]]], axis=1), TEA, {}, "log has two columns 'shown'"),
        (LOG, TEA, {"features": "old"}, "features is the text 'old'"),
        (LOG, TEA, {"features": ["age"]}, r"no column 'age', which features\[0\] names"),
        (LOG.assign(age=np.inf), TEA, {"features": ["age"]}, "The feature 'age' holds infinity"),
        (LOG, TEA, {"level": 2}, "level=2 should lie between 0 and 1"),
    ],
)
def test_bad_input_is_named(log, policy, more, message):
    with pytest.raises((TypeError, ValueError), match=message):
        valued(log, policy, **more)


def check_coverage(logs):
    """A policy that shows everyone what she likes is worth 0.6."""
    covered = []
    for seed in range(logs):
        log = logged(600, seed)
        liked = pd.Series(np.where(log["old"], "tea", "coffee"), log.index)
        table, _ = valued(log, liked, features=["old"] if logs >= 1000 else None)
        covered.append((table["low"] <= 0.6) & (table["high"] >= 0.6))
    shares = pd.DataFrame(covered).mean()
    print(shares.to_dict())
    assert (shares >= 0.94 - (0.01 if logs >= 1000 else 2 * np.sqrt(0.05 * 0.95 / logs))).all()


def test_intervals_cover():
    check_coverage(60)


@pytest.mark.simulation
def test_intervals_cover_in_1000_logs():
    check_coverage(1000)
