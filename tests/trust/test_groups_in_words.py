"""Groups that words form: false alarms in one population, power where groups were planted."""

import numpy as np
import pandas as pd
import pytest

import segkit as sg
from segkit.trust.groups_in_words import ProbitNull, groups_in_words, indicators, latent_classes

pytestmark = pytest.mark.structure
N = 1_000


def planted(purity, seed, n=N):
    """Three groups of 50, 30 and 20 %, each with a word of its own in four features, and the others at random."""
    rng = np.random.default_rng(seed)
    group = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    codes = []
    for _ in range(4):
        own = rng.permutation(4)[:3][group]
        other = (own + rng.integers(1, 4, n)) % 4
        codes.append(np.where(rng.random(n) < purity, own, other))
    return np.column_stack(codes), group


def ordinal(rng):
    """Answers of four steps that one trait moves."""
    trait = rng.normal(size=N)
    return [np.digitize(0.7 * trait + 0.7 * rng.normal(size=N), [-0.7, 0, 0.7]) for _ in range(5)]


def nominal(rng):
    trait = rng.normal(size=N)
    return [(np.outer(trait, rng.normal(size=4)) + rng.gumbel(size=(N, 4))).argmax(axis=1) for _ in range(5)]


def yes_or_no(rng):
    trait = rng.normal(size=N)
    return [(1.2 * trait + rng.logistic(size=N) > rng.normal()).astype(int) for _ in range(10)]


def independent(rng):
    return [rng.integers(0, 4, N) for _ in range(5)]


ONE_POPULATION = [ordinal, nominal, yes_or_no, independent]


def coded(columns):
    return np.column_stack([np.unique(c, return_inverse=True)[1] for c in columns])


def as_words(codes):
    return pd.DataFrame({f"w{i}": np.array(list("abcd"))[c] for i, c in enumerate(codes.T)})


def test_planted_words_are_groups():
    codes, group = planted(0.85, 0)
    p_value, classes, scores = groups_in_words(codes, np.random.default_rng(0))
    assert len(scores) == 20 and scores[0] > scores[1:].max()
    assert p_value < 0.004 and pd.crosstab(group, classes).max(axis=1).sum() > 0.9 * N


@pytest.mark.parametrize("make", ONE_POPULATION)
def test_one_population_has_no_groups(make):
    assert groups_in_words(coded(make(np.random.default_rng(3))), np.random.default_rng(3))[0] > 0.02


def test_null_has_the_same_shares_and_associations():
    codes = planted(0.8, 1)[0]
    null = ProbitNull(codes, np.random.default_rng(0))
    drawn = [indicators(null.draw(np.random.default_rng(i)))[0] for i in range(5)]
    ours, feature = indicators(codes)
    assert np.mean([d.mean(axis=0) for d in drawn], axis=0) == pytest.approx(ours.mean(axis=0), abs=0.03)
    other = feature[:, None] != feature[None, :]
    off = np.mean([np.corrcoef(d.T) for d in drawn], axis=0) - np.corrcoef(ours.T)
    assert np.abs(off[other]).mean() < 0.03


def test_latent_classes_by_hand():
    """Two kinds of rows without overlap: the classes are the kinds, and every customer is sure."""
    hot, _ = indicators(np.array([[0, 0, 0], [1, 1, 1]]))
    _, posterior = latent_classes(hot, np.array([60.0, 40.0]), 3, 2, np.random.default_rng(0))
    assert posterior.argmax(axis=1)[0] != posterior.argmax(axis=1)[1] and posterior.max(axis=1).min() > 0.99


def test_structure_and_kind_of_words():
    codes, group = planted(0.85, 2, 600)
    rng = np.random.default_rng(0)
    customers = as_words(codes).assign(a=rng.normal(size=600), b=rng.normal(size=600))
    test = sg.structure_test(customers, progress=False)
    assert test.verdict == "structure" and test.facts["words"] == ["w0", "w1", "w2", "w3"]
    assert "by their words in w0, w1, w2 and w3" in test.sentence
    result = sg.segment(customers, n_segments=3)
    assert result.kind == "natural" and (pd.crosstab(group, result.labels).max(axis=1).sum() > 540)


@pytest.mark.simulation
def test_false_alarms_and_power_over_words():
    """At a level of 2 % for all parts of the structure test together."""
    alarms = sum(
        sg.structure_test(as_words(coded(make(np.random.default_rng(100 + s)))), progress=False).verdict
        == "structure"
        for make in ONE_POPULATION
        for s in range(25)
    )
    assert alarms <= 5
    for purity, least in ((0.7, 6), (0.8, 9), (0.9, 8)):
        tests = [sg.structure_test(as_words(planted(purity, s)[0]), progress=False) for s in range(10)]
        assert sum(test.verdict == "structure" for test in tests) >= least, purity
