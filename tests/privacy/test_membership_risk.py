"""What is shown of a segment tells who is in it as much as theory says, and the audit says so."""

import functools

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from pandas.testing import assert_frame_equal
from shared_data import shared
from tables import three_groups

import segkit as sg
from segkit.privacy.membership_attack import attack
from segkit.privacy.private import PARTS, means_of, profile_noise

D = 27  # features
QUARTILES = ("low", "median", "high")


@functools.cache
def independent():
    return np.random.default_rng(0).normal(size=(3000, D))


@functools.cache
def going_together():
    """Features as those of customers are: five things that they do, described by 27 numbers."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(3000, 5)) @ rng.normal(size=(5, D)) + 0.5 * rng.normal(size=(3000, D))


def area(population, size, shown, seed=0):
    return attack(population, size, shown, np.random.default_rng(seed))[0]


def in_theory(size, features=D):
    """Sankararaman et al. (2009): the best attack on means of independent features."""
    return scipy.stats.norm.cdf(np.sqrt(features / size / 2))


@pytest.mark.parametrize("size", [20, 100, 2000])
def test_means_give_away_what_theory_says(size):
    assert area(independent(), size, ("mean",)) == pytest.approx(in_theory(size), abs=0.025)


def test_a_group_of_one_is_known():
    assert area(independent(), 1, ("mean",)) > 0.99
    assert area(independent(), 1, ("median",)) > 0.99


def test_nothing_shown_gives_nothing_away():
    assert attack(independent(), 5, (), np.random.default_rng(0)) == (0.5, 0.0)
    assert area(np.ones((50, 3)), 5, ("mean",)) == 0.5
    noise = area(independent(), 5, lambda group, rng: rng.normal(size=D))
    assert noise == pytest.approx(0.5, abs=0.04)


def test_intervals_cover_what_theory_says():
    """In 20 attacks, the 95 % interval misses 4 or fewer times (0.3 % chance of more)."""
    population = independent()[:, :8]
    found = [attack(population, 10, ("mean",), np.random.default_rng(seed)) for seed in range(20)]
    missed = [abs(auc - in_theory(10, 8)) > 1.96 * error for auc, error in found]
    assert sum(missed) <= 4


def test_medians_do_not_protect():
    """An attacker who asks on which side of the median a person is finds as much as from means."""
    means, medians = (area(independent(), 20, (shown,)) for shown in ("mean", "median"))
    assert medians > 0.72 and means - medians < 0.06
    assert area(independent(), 20, QUARTILES) > medians + 0.03


def test_shares_of_words_are_means():
    """Of features of two values the share is shown, which gives away as much as any mean."""
    words = (independent() > 0).astype(float)
    assert area(words, 20, ("median",)) == pytest.approx(in_theory(20), abs=0.03)
    half = np.where(np.arange(D) < D // 2, words, independent())
    assert area(half, 20, ("median",)) == pytest.approx(area(independent(), 20, ("median",)), abs=0.03)


def test_noise_protects():
    """Gaussian noise of the (1, 1e-5)-private mean of 20 customers, each feature within 3 spreads."""
    scale = 6 * np.sqrt(D) / 20 * np.sqrt(2 * np.log(1.25e5))

    def private(group, rng):
        return group.clip(-3, 3).mean(axis=0) + rng.normal(scale=scale, size=D)

    assert area(independent(), 20, private) < 0.55
    bare = area(independent(), 20, lambda group, rng: group.mean(axis=0))
    assert bare == pytest.approx(in_theory(20), abs=0.04)


@pytest.mark.simulation
def test_private_profiles_give_nothing_away():
    """The noise and the means of `private_profile`, with epsilon = 1: its draws are no seed's, so bounds are wide."""
    pytest.importorskip("opendp.prelude", reason="noise needs OpenDP: install segkit[privacy]")
    noise = profile_noise(D, epsilon=1.0, delta=1e-5)
    bounds = {f"f{i}": (-3.0, 3.0) for i in range(D)}

    def private(group, rng):
        above = np.round((group.clip(-3, 3) + 3) / 6 * PARTS).astype("int64")
        votes = np.stack([(PARTS - above).sum(axis=0), above.sum(axis=0)], axis=-1)
        return np.nan_to_num(means_of(noise(votes[None]), 0, bounds)[1][0])

    assert area(independent(), 20, private) < 0.55


def test_the_gate_gives_little_away_of_100():
    assert area(going_together(), 100, (*QUARTILES, "mean")) < 0.62
    assert area(going_together(), 20, QUARTILES) > 0.62


def test_of_small_groups_the_gate_shows_medians_only():
    """Quartiles of 20 customers would tell who is in the group: .84 in place of .77."""
    customers = pd.DataFrame(
        np.repeat([[0.0], [20.0]], [120, 20], axis=0) + independent()[:140], [f"c{i:03}" for i in range(140)]
    )
    risk = sg.membership_risk(sg.segment(customers.add_prefix("f"), n_segments=2))
    assert risk["shown"].to_list() == ["low, median, high, mean", "median"]
    assert 0.7 < risk["auc"].iloc[1] < 0.8


@pytest.mark.simulation
def test_the_gate_gives_little_away_of_100_households():
    """Of households of The Complete Journey, by 27 features."""
    shared("complete_journey")
    events = sg.datasets.load_complete_journey().events
    features = [
        f for f in (*sg.RFM, *sg.CADENCE, *sg.BASKET, *sg.TREND, *sg.PREFERENCE) if "brand" not in f.name
    ]
    customers = sg.customer_features(events, features, as_of="2018-01-01").select_dtypes("number")
    customers = customers.drop(columns="return_rate").iloc[:, :D]
    prepared = sg.segment(customers, n_segments=4).prepared.to_numpy()
    assert area(prepared, 100, (*QUARTILES, "mean")) <= 0.62


@functools.cache
def small_and_large():
    """Segments of 120, 30 and 6 customers with 12 features."""
    rng = np.random.default_rng(2)
    centres = np.repeat([[0.0], [20.0], [40.0]], [120, 30, 6], axis=0)
    customers = pd.DataFrame(centres + rng.normal(size=(156, 12)), [f"c{i:03}" for i in range(156)])
    return sg.segment(customers.add_prefix("f"), n_segments=3)


def test_the_table_of_segments():
    result = small_and_large()
    gated, means = sg.membership_risk(result), sg.membership_risk(result, shows="means")
    assert gated["shown"].to_list() == ["low, median, high, mean", "median", "nothing"]
    assert gated["customers"].isna().to_list() == [False, True, True]
    assert gated["auc"].iloc[2] == 0.5 and gated["risk"].iloc[2] == "tells little or nothing"
    assert means["auc"].to_list() == pytest.approx([in_theory(size, 12) for size in (120, 30, 6)], abs=0.05)
    assert means["risk"].to_list() == ["tells little or nothing", "hints at it", "tells who is in it"]
    assert (means["low"] < means["auc"]).all() and (means["auc"] < means["high"]).all()
    facts = means.attrs["segkit"]
    assert facts["features"] == 12
    assert facts["sentence"].startswith("Most is given away of Segment 2: who knows the 12 prepared features")


def test_the_order_of_rows_changes_nothing():
    result = small_and_large()
    shuffled = sg.segment(result.customers.sample(frac=1, random_state=0), n_segments=3)
    assert_frame_equal(sg.membership_risk(result, shows="means"), sg.membership_risk(shuffled, shows="means"))
    other = sg.membership_risk(result, shows="means", random_state=1)["auc"]
    assert not other.equals(sg.membership_risk(result, shows="means")["auc"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shows": "medians"}, "shows is the text 'medians'. It should be 'gate', 'means', or a function"),
        ({"minimum": 0}, "minimum=0 should be"),
        ({"random_state": -1}, "random_state=-1 should be"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        sg.membership_risk(sg.segment(three_groups(), n_segments=3), **arguments)


@pytest.mark.parametrize("release", [lambda group, rng: np.zeros(7), lambda group, rng: np.full(3, np.nan)])
def test_a_function_that_shows_no_numbers_is_refused(release):
    """Missing numbers would look as if they gave nothing away."""
    customers = pd.DataFrame(independent()[:40, :3] + np.repeat([[0], [9]], 20, axis=0)).add_prefix("f")
    with pytest.raises(ValueError, match="should return 3 finite numbers"):
        sg.membership_risk(sg.segment(customers, n_segments=2), shows=release)
