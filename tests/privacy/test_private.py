"""Sizes and means with noise keep the epsilon that they state, against attacks on many releases."""

import functools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

import segkit as sg

pytest.importorskip("opendp.prelude", reason="noise needs OpenDP: install segkit[privacy]")

from segkit.privacy.noise import noise_for
from segkit.privacy.private import PARTS, means_of, profile_noise, votes

DELTA = 0.01  # large, so that a test sees it
BOUNDS = {"visits": (0, 50), "spend": (0, 100)}


@pytest.fixture(scope="module")
def shop():
    """Two segments, of 600 and 400 customers; one of them never says what she spends."""
    customers = pd.DataFrame(
        {"visits": [1, 2] * 300 + [30, 31] * 200, "spend": [20.0] * 599 + [np.nan] + [80.0] * 400},
        index=[f"c{i:04}" for i in range(1000)],
    )
    return sg.segment(customers, n_segments=2)


@pytest.fixture
def budget(tmp_path):
    return sg.PrivacyBudget(tmp_path / "budget.sqlite", epsilon=10, delta=0.001)


def proven_epsilon(here, there, delta=0.0):
    """Return the largest epsilon that releases on neighbouring data prove, with an error of 1 in 10,000.

    By the scores of Neyman and Pearson: how often they exceed a threshold here and there, with exact bounds.
    """
    n, most = len(here), 0.0
    for one, other in ((here, there), (-there, -here)):
        cuts = np.unique(np.quantile(one, np.linspace(0.02, 0.98, 25)))
        for cut in cuts:
            k, j = int((one >= cut).sum()), int((other >= cut).sum())
            wrong = 1e-4 / (2 * len(cuts)) / 2
            low = beta.ppf(wrong, k, n - k + 1) if k else 0.0
            high = beta.ppf(1 - wrong, j + 1, n - j) if j < n else 1.0
            if low > delta:
                most = max(most, np.log((low - delta) / high))
    return most


def sizes_scored(n, epsilon, delta):
    """Return scores of n releases of a segment of 51 customers, and of 50."""
    noise = noise_for(1, 1.0, epsilon=epsilon, delta=delta)
    return noise(np.full(n, 51)), noise(np.full(n, 50))


def means_scored(n, epsilon, delta):
    """Return scores of n releases of means with one customer and without, who has extreme values."""
    others = pd.DataFrame({"visits": [10.0] * 50, "spend": [50.0] * 50})
    noise = profile_noise(2, epsilon=epsilon, delta=delta)
    without, change = votes(others, BOUNDS), votes(pd.DataFrame({"visits": [50.0], "spend": [0.0]}), BOUNDS)
    scores = []
    for exact in (without + change, without):
        released = noise(np.broadcast_to(exact, (n, 2, 2))) - without
        close = np.abs if delta == 0 else np.square
        scores.append(
            (close(released.astype(float)) - close(released - change.astype(float))).sum(axis=(1, 2))
        )
    return scores


CASES = pytest.mark.parametrize(
    ("scored", "delta"), [(sizes_scored, 0), (sizes_scored, DELTA), (means_scored, 0), (means_scored, DELTA)]
)


@CASES
def test_epsilon_is_not_exceeded(scored, delta):
    """A quarter of the noise is found out."""
    assert proven_epsilon(*scored(5_000, 1.0, delta), delta) <= 1.0
    assert proven_epsilon(*scored(5_000, 4.0, delta), delta) > 1.0


@pytest.mark.simulation
@CASES
@pytest.mark.parametrize("epsilon", [0.3, 1.0, 2.0])
def test_epsilon_of_many_releases(scored, delta, epsilon):
    least = 0.7 if delta == 0 else 0.4  # adding up Gaussian noise is bounded, not exact
    assert least * epsilon < proven_epsilon(*scored(100_000, epsilon, delta), delta) <= epsilon


numbers = st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([np.inf, -np.inf, 0.0, 50.0]))


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=6), st.integers(0, 5))
def test_nobody_has_more_than_her_votes(rows, place):
    customers = pd.DataFrame(rows, columns=list(BOUNDS), dtype=float)
    gone = customers.index[place % len(customers)]
    change = votes(customers, BOUNDS) - votes(customers.drop(gone), BOUNDS)
    known = customers.loc[gone].notna().to_numpy()
    assert (change >= 0).all()
    assert (change.sum(axis=1) == np.where(known, PARTS, 0)).all()
    assert (np.square(change).sum(axis=1) <= PARTS**2).all()


def test_sizes_of_segments(shop, budget):
    sizes = sg.private_sizes(shop, budget, epsilon=5)
    assert list(sizes["segment"]) == ["Segment 0", "Segment 1"]
    assert (sizes["customers"] - [600, 400]).abs().max() <= 4  # further off once in 10**8
    assert sizes["share"].sum() == pytest.approx(1)
    assert (sizes["high"] == sizes["low"]).all()  # exact in 98.7 % of releases
    assert budget.ledger[["release", "epsilon"]].to_numpy().tolist() == [["Sizes of 2 segments", 5]]
    sg.plot_sizes(sizes)


def test_means_of_segments(shop, budget):
    means = sg.private_profile(shop, budget, bounds=BOUNDS, epsilon=5)
    assert means[["segment", "feature"]].to_numpy().tolist() == [
        [f"Segment {s}", feature] for s in (0, 1) for feature in BOUNDS
    ]
    exact = np.array([1.5, 20, 30.5, 80])
    assert (means["mean"] - exact).abs().max() < 2
    assert ((means["low"] < means["mean"]) & (means["mean"] < means["high"])).all()
    assert (means["customers"] - [600, 599, 400, 400]).abs().max() < 10
    assert budget.ledger["release"].to_list() == ["Means of 2 features in 2 segments"]


def test_same_call_differs_and_costs(shop, budget):
    first, second = (sg.private_sizes(shop, budget, epsilon=0.01) for _ in range(2))
    assert not first.equals(second)
    assert budget.left == 9.98


def test_other_customers_are_counted(shop, budget):
    sizes = sg.private_sizes(shop, budget, epsilon=5, customers=shop.customers.head(300))
    assert (sizes["customers"] - [300, 0]).abs().max() <= 4
    assert sizes["customers"].min() >= 0


def test_intervals_hold():
    """Of counts, and of means also where noise has drowned them."""
    for delta in (0, 1e-5):
        noise = noise_for(1, 1.0, epsilon=0.5, delta=delta)
        off = np.abs(noise(np.zeros(20_000, dtype=int)))
        assert (off <= noise.half_width()).mean() > 0.945
        assert (off < noise.half_width()).mean() < 0.96
    noise = profile_noise(2, epsilon=1, delta=0)
    for n in (3, 300):
        customers = pd.DataFrame({"visits": [40.0] * n, "spend": [10.0] * n})
        noisy = noise(np.broadcast_to(votes(customers, BOUNDS), (2_000, 2, 2)))
        low, mean, high = means_of(noisy, noise.half_width(0.975), BOUNDS)
        for at, exact in enumerate((40, 10)):
            assert ((low[:, at] <= exact) & (exact <= high[:, at])).mean() > 0.945
            assert np.nanmin(mean[:, at]) >= 0 and np.nanmax(mean[:, at]) <= list(BOUNDS.values())[at][1]
        widths = (high - low).mean(axis=0) / (50, 100)
        assert (widths > 0.8).all() if n == 3 else (widths < 0.1).all()


def auc_of_attack(release, n=100, features=27, rounds=60):
    """Return how well who knows the features of people tells members of a segment of n from others like them."""
    rng, wins = np.random.default_rng(0), []
    for _ in range(rounds):
        people = pd.DataFrame(rng.lognormal(0, 0.5, (2 * n, features)), columns=map(str, range(features)))
        released, center = release(people.head(n)), np.exp(0.125)
        scores = ((people - center) * (np.nan_to_num(released, nan=center) - center)).sum(axis=1)
        inside, outside = scores[:n].to_numpy(), scores[n:].to_numpy()
        wins.append((inside[:, None] > outside).mean())
    return np.mean(wins)


def test_noise_ends_the_attack_on_members():
    """Exact means of 27 features tell who is in a segment of 100; with an epsilon of 1 they do not."""
    bounds = {str(i): (0, 5) for i in range(27)}
    noise = {delta: profile_noise(27, epsilon=1, delta=delta) for delta in (0, 1e-6)}
    assert auc_of_attack(lambda people: people.mean().to_numpy()) > 0.62
    for mechanism in noise.values():
        private = auc_of_attack(
            lambda people, mechanism=mechanism: means_of(mechanism(votes(people, bounds)[None]), 1, bounds)[
                1
            ][0]
        )
        assert private <= 0.55


@pytest.mark.parametrize(
    ("bounds", "error"),
    [
        ({}, "bounds is empty"),
        ({"vists": (0, 1)}, "names 'vists', which is no feature of these customers. Did you mean 'visits'"),
        ({"visits": (1, 1)}, "bounds of 'visits' are 1 and 1. The first should be below the second"),
        ({"visits": (0, np.inf)}, "both finite"),
        ({"visits": 50}, "bounds of 'visits' are 50"),
    ],
)
def test_refuses_unusable_bounds(shop, budget, bounds, error):
    with pytest.raises(ValueError, match=error):
        sg.private_profile(shop, budget, bounds=bounds, epsilon=1)
    assert budget.left == 10


def test_refuses_without_spending(shop, budget):
    with pytest.raises(ValueError, match="10 of 10 is left"):
        sg.private_sizes(shop, budget, epsilon=11)
    with pytest.raises(ValueError, match="epsilon=inf should be above 0"):
        sg.private_profile(shop, budget, bounds=BOUNDS, epsilon=np.inf)
    with pytest.raises(TypeError, match=r"budget is 1\.0\. Begin one"):
        sg.private_sizes(shop, 1.0, epsilon=1)
    assert budget.left == 10


@pytest.mark.parametrize("release", [sg.private_sizes, functools.partial(sg.private_profile, bounds=BOUNDS)])
def test_a_customer_counts_once(shop, budget, release):
    """Ten rows of one customer would need ten times the noise."""
    with pytest.raises(ValueError, match="customers has 9 rows of customers who have another row"):
        release(shop, budget, epsilon=1, customers=shop.customers.iloc[[0] * 10 + [1]])
    assert budget.spent == 0


def test_bounds_further_apart_than_any_number_are_refused(shop, budget):
    with pytest.raises(ValueError, match="both finite"):
        sg.private_profile(shop, budget, epsilon=1, bounds={"visits": (-1e308, 1e308)})
    assert budget.spent == 0
