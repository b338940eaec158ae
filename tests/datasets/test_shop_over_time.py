"""Simulated tables over time: what is said to change changes, and nothing else does."""

import numpy as np
import pandas as pd
import pytest

from segkit.datasets import make_shop_over_time

GROUPS = {"Regulars": 0.30, "Bargain hunters": 0.25, "Big spenders": 0.20, "Occasional": 0.25}


def shares(shop):
    counts = shop.truth.groupby(level="as_of").value_counts(normalize=True).unstack(fill_value=0)
    return counts.reset_index(drop=True)


@pytest.mark.parametrize("same", [False, True])
def test_nothing_changes_by_default(same):
    shop = make_shop_over_time(1000, n_periods=5, same_customers=same)
    tables = shop.tables
    assert tables.index.is_monotonic_increasing and tables.index.is_unique
    assert np.isfinite(tables.to_numpy()).all() and (tables >= 0).all(axis=None)
    assert shares(shop).round(3).eq(pd.Series(GROUPS)).all(axis=None)
    first, second = tables.loc["2024-01-01"], tables.loc["2024-01-08"]
    there = first.index.intersection(second.index)
    assert len(there) == pytest.approx(980 if same else 0, abs=15)
    if same:
        own = [np.log(t.loc[there, "visits"]) for t in (first, second)]
        group = shop.truth.loc["2024-01-01"].loc[there]
        assert (own[0] - own[0].groupby(group).transform("mean")).corr(own[1]) > 0.4
    assert shop.tables.equals(make_shop_over_time(1000, n_periods=5, same_customers=same).tables)


def test_what_changes_is_what_was_asked_for():
    def shop(changes):
        return make_shop_over_time(2000, n_periods=20, after=8, grows=10, changes=changes)

    quiet, grown = shop(()), shares(shop("newcomers"))["Newcomers"]
    assert grown.iloc[:8].eq(0).all() and grown.iloc[[8, 17, 19]].to_list() == [0.005, 0.05, 0.05]
    moved = shares(shop("population"))
    assert moved["Regulars"].iloc[[7, 19]].round(2).to_list() == [0.3, 0.15]

    visits = shop("feed gap").tables["visits"] / quiet.tables["visits"]
    assert visits.groupby(level=0).first().round(3).to_list() == [1] * 8 + [0.5] * 4 + [1] * 8

    concept = shop("concept")
    assert concept.tables.equals(quiet.tables) and concept.since == pd.Timestamp("2024-02-26")
    for made, signs in ((quiet, [1, 1]), (concept, [1, -1])):
        busy = more_of_busy(made)
        of_busy = [busy.loc[: made.since].iloc[:-1].mean(), busy.loc[made.since :].mean()]
        assert list(np.sign(of_busy)) == signs

    swings = [np.ptp(np.log(s.tables["monetary"]).groupby(level=0).median()) for s in (shop("season"), quiet)]
    assert swings[0] > 0.25 > 0.15 > swings[1]


def more_of_busy(shop):
    """By how much more of those with many visits buy, within the Regulars, at each moment."""
    regulars = shop.truth == "Regulars"
    many = shop.tables["visits"][regulars].groupby(level=0).rank(pct=True) > 0.5
    bought = shop.outcomes[regulars]
    return bought[many].groupby(level=0).mean() - bought[~many].groupby(level=0).mean()


def test_the_new_group_is_as_far_apart_as_asked():
    shop = make_shop_over_time(20_000, n_periods=13, changes="newcomers", grows=1, newcomers=0.5, apart=3.0)
    last = shop.tables.loc["2024-03-25"]
    middles = np.log(last.drop(columns="discount_share")).groupby(shop.truth.loc["2024-03-25"]).mean() / 0.4
    distance = np.linalg.norm(middles - middles.loc["Newcomers"], axis=1)
    assert 2.0 < np.sort(distance)[1] < 3.0  # one of six features is left out


def test_wrong_arguments_are_refused():
    for wrong, message in (
        ({"changes": "seasn"}, "Did you mean 'season'"),
        ({"changes": ["newcomers", 3]}, "no change 3"),
        ({"n_customers": 0}, "n_customers=0"),
        ({"apart": 0}, "apart=0 should lie between 0 and 20"),
        ({"newcomers": 0.8}, "between 0 and 0.5"),
        ({"every": "soon"}, "every='soon' is not a span"),
    ):
        with pytest.raises(ValueError, match=message):
            make_shop_over_time(**wrong)
    with pytest.raises(TypeError, match="changes is"):
        make_shop_over_time(changes=3)
