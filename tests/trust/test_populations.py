"""Others like the customers: how many populations they seem to come from, and draws from each."""

import numpy as np
import pandas as pd
import pytest

import segkit as sg
from segkit.trust.confidence.mixture import DIRECTIONS, _mixture, drawn
from segkit.trust.confidence.mixture import memberships as memberships_of
from segkit.trust.null_model import CopulaNull


def memberships(prepared, rng):
    customers = pd.DataFrame(prepared).rename(columns=str)
    preparer = sg.make_preparer(log=[], scale="none").fit(customers)
    return memberships_of(customers, preparer, prepared, rng, continuum=False)


def crowd(n=400, d=4, groups=1, seed=0):
    """Groups of equal size, ten standard deviations apart, one after another."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + 10 * (np.arange(n) * groups // n)[:, None]


@pytest.mark.parametrize("d", [1, 4, 2 * DIRECTIONS])
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_groups_far_apart_are_populations_and_a_crowd_is_one(groups, d):
    found = memberships(crowd(groups=groups, d=d), np.random.default_rng(0))
    assert found.shape == (400, groups)
    assert np.allclose(found.sum(axis=1), 1)
    of = found.argmax(axis=1)
    assert len({tuple(np.unique(part)) for part in np.array_split(of, groups)}) == groups


def test_zeros_and_tails_alone_are_no_populations():
    """A mixture of normal populations fits them better; but so it does shops of one population that have the same."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(500, 2)) @ [[1, 0.5], [0, 1]]
    visits = np.where(latent[:, 0] > 0, np.round(np.exp(latent[:, 0])), 0.0)
    customers = pd.DataFrame({"visits": visits, "spend": np.exp(2 * latent[:, 1])})
    preparer = sg.make_preparer().fit(customers)
    prepared = preparer.transform(customers)
    found, gain = _mixture(prepared, np.random.default_rng(1))
    assert found.shape[1] > 1
    assert gain > 0
    for continuum in (True, False):
        of = memberships_of(customers, preparer, prepared, np.random.default_rng(1), continuum=continuum)
        assert (of.shape[1] == 1) is continuum


def test_many_customers_are_told_apart_by_some_of_them():
    found = memberships(crowd(n=5_000, groups=2), np.random.default_rng(0))
    assert found.shape == (5_000, 2)
    assert (np.diff(found.argmax(axis=1)) != 0).sum() == 1


@pytest.mark.parametrize("prepared", [np.zeros((50, 3)), np.zeros((1, 2)), crowd(n=4), crowd(n=30, d=40)])
def test_too_few_for_a_mixture_and_all_alike_are_one_population(prepared):
    assert np.allclose(memberships(prepared, np.random.default_rng(0)), np.ones((len(prepared), 1)))


def test_who_may_be_of_two_populations_is_of_each_as_often():
    likely = np.tile([0.25, 0.0, 0.75], (20_000, 1))
    of = drawn(likely, np.random.default_rng(0))
    assert np.bincount(of, minlength=3) / 20_000 == pytest.approx([0.25, 0, 0.75], abs=0.01)


@pytest.fixture
def two_kinds():
    """Thirty who buy little and are old, thirty who buy much and are young; one of each lacks an age."""
    rng = np.random.default_rng(0)
    spend = np.concatenate([rng.uniform(1, 5, 30), rng.uniform(100, 500, 30)])
    age = np.concatenate([rng.uniform(60, 80, 30), rng.uniform(20, 30, 30)])
    age[[3, 40]] = np.nan
    return pd.DataFrame({"spend": spend, "age": age, "channel": ["shop"] * 30 + ["web"] * 30})


def test_of_several_populations_each_is_drawn_by_itself(two_kinds):
    rng = np.random.default_rng(1)
    of = np.repeat([0, 1], 30)
    shop = CopulaNull(two_kinds, sg.make_preparer().fit(two_kinds), rng, population=of)
    for _ in range(5):
        fresh = shop.draw_customers(rng)
        little = fresh["spend"] < 50
        assert little.sum() == 30
        assert set(fresh.loc[little, "channel"]) == {"shop"}
        assert fresh.loc[little, "age"].dropna().ge(60).all()
        assert fresh.loc[~little, "age"].dropna().le(30).all()
        assert fresh["age"].isna().groupby(little).sum().tolist() == [1, 1]
        assert sorted(fresh["spend"]) == sorted(two_kinds["spend"])


def test_values_that_are_drawn_again_are_real_ones_and_not_each_once(two_kinds):
    rng = np.random.default_rng(1)
    shop = CopulaNull(two_kinds, sg.make_preparer().fit(two_kinds), rng)
    fresh = shop.draw_customers(rng, values_again=True)
    assert set(fresh["spend"]) < set(two_kinds["spend"])
    assert set(fresh["age"].dropna()) < set(two_kinds["age"].dropna())
    assert len(fresh) == 60
    once = shop.draw_customers(rng)
    assert set(once["spend"]) == set(two_kinds["spend"])


def test_nobody_misses_what_all_miss(two_kinds):
    """A feature that everyone misses, and one that is the same for all, have nothing to draw."""
    table = two_kinds.assign(none=np.nan, same=1.0)
    rng = np.random.default_rng(1)
    fresh = CopulaNull(table, sg.make_preparer().fit(table), rng).draw_customers(rng, values_again=True)
    assert fresh["none"].isna().all()
    assert fresh["same"].eq(1).all()
