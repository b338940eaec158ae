"""Checks of an experiment: each fault is found where it was planted, and nowhere else."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare

import segkit as sg

SHOP = sg.datasets.make_experiment(5000)
SHARES = {"treated": 0.9, "held out": 0.1}


def checked(arms=SHOP.arms, outcomes=SHOP.outcomes["spend"], **said):
    return sg.check_experiment(arms, outcomes, **({"shares": SHARES} | said)).set_index("check")


def test_a_sound_experiment_is_fine():
    arms = sg.assign_arms(SHOP.arms.index, experiment="sound", by=SHOP.segments)
    held = arms.index[arms == "treated"]
    table = sg.check_experiment(
        arms, SHOP.outcomes["spend"], by=SHOP.segments, before=SHOP.before["conversion"], contacted=held
    ).set_index("check")
    assert set(table["verdict"]) == {"fine"} and len(table) == 1 + 6 + 1 + 4 + 2
    row = table.loc["sample ratio, New"]
    counts = pd.Series(arms.attrs["segkit"]["customers_by_segment"]["New"])
    assert row["value"] == pytest.approx(counts["held out"] / counts.sum())
    assert row["p"] == pytest.approx(chisquare(counts, counts.sum() * np.array([0.9, 0.1])).pvalue)


def test_each_planted_fault_is_found():
    arms, outcomes = SHOP.arms, SHOP.outcomes["spend"]
    new = SHOP.segments == "New"
    lost = arms[~(new & (arms == "held out") & (np.arange(len(arms)) % 2 == 0))]
    table = checked(lost, by=SHOP.segments)
    failed = table.index[table["verdict"].str.startswith("failed")]
    assert list(failed) == ["sample ratio, New"]
    assert table.loc["outcome without an arm", "value"] == len(arms) - len(lost)

    leaky = outcomes.where((arms == "treated") | (np.arange(len(arms)) % 3 > 0))
    assert (
        checked(outcomes=leaky).loc["missing outcomes", "verdict"].startswith("failed: outcomes are missing")
    )
    thinned = outcomes.where(np.arange(len(arms)) % 3 > 0)
    assert checked(outcomes=thinned).loc["missing outcomes", "verdict"].startswith("the same in all arms")

    better = SHOP.before["spend"] + 5 * (arms == "treated")
    assert (
        checked(before=better)
        .loc["before, treated", "verdict"]
        .startswith("failed: the arms differed before")
    )

    both = pd.concat([arms, arms[:7].map({"treated": "held out", "held out": "treated"}), arms[10:12]])
    twice = pd.concat([outcomes, outcomes[20:23]])
    table = checked(both, twice, contacted=[*arms.index[arms == "held out"][10:14], "stranger"])
    assert table.loc["in two arms", "value"] == 7 and table.loc["more than one outcome", "value"] == 3
    assert table.loc["held out but contacted", "verdict"].startswith("4 customers: the lift is too small")


def test_a_name_used_again_is_found():
    ids = SHOP.arms.index
    arms = sg.assign_arms(ids, experiment="spring")
    other = sg.assign_arms(ids[:2500], experiment="spring", shares={"treated": 0.8, "held out": 0.2})
    mixed = arms.copy()
    mixed[:2500] = other.to_numpy()
    table = sg.check_experiment(mixed, SHOP.outcomes["spend"]).set_index("check")
    assert table.loc["arms as assigned", "value"] == (other != arms[:2500]).sum() > 200
    assert table.loc["sample ratio, all customers", "verdict"].startswith("failed")
    with pytest.raises(ValueError, match="An experiment keeps its shares"):
        checked(arms, shares={"treated": 0.8, "held out": 0.2})


def test_what_cannot_be_checked_says_so():
    few = pd.concat([SHOP.arms[SHOP.arms == arm][:9] for arm in SHARES])
    assert checked(few).loc["sample ratio, all customers", "verdict"] == "too few customers to check"
    table = sg.check_experiment(SHOP.arms, SHOP.outcomes["spend"])
    assert table.loc[0, "verdict"] == "not checked: say shares=" and "arms as assigned" not in set(
        table["check"]
    )
    same = pd.Series(1.0, index=SHOP.arms.index)
    assert checked(before=same + 1).loc["before, treated", "verdict"] == "too few customers, or all the same"
