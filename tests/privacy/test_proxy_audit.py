"""Segments that tell a protected attribute are found, and those that do not are not blamed."""

import functools

import numpy as np
import pandas as pd
import pytest
from tables import EVIL, continuum, three_groups

import segkit as sg
from segkit.privacy.proxy_audit import _balanced_accuracy, _interval


@functools.cache
def four_segments():
    return sg.segment(continuum(600), n_segments=4)


def random_attribute(result, seed, groups=("woman", "man"), p=None):
    rng = np.random.default_rng(seed)
    return pd.Series(rng.choice(groups, len(result.labels), p=p), index=result.labels.index, name="gender")


def planted(result, v, seed=0):
    """An attribute of two groups that segments 0 and 1 tell from the others, in truth with Cramér's V of v."""
    rng = np.random.default_rng(seed)
    inside = result.labels.isin(result.segments[:2])
    n, m = inside.sum(), len(inside) - inside.sum()
    # P(woman) is a inside and b outside, with phi = v and as many women as customers inside.
    a = (n + v * m) / (n + m)
    b = a - v
    return pd.Series(
        np.where(rng.random(n + m) < np.where(inside, a, b), "woman", "man"), inside.index, name="gender"
    )


def test_a_planted_proxy_is_found():
    result = four_segments()
    audit = sg.proxy_audit(result, planted(result, 0.8))
    assert audit.verdict == "proxy" and audit.low < 0.8 < audit.high
    assert audit.cramers_v == pytest.approx(0.8, abs=0.08) and audit.balanced_accuracy > 0.85
    assert audit.segments.index[0] in result.segments and audit.sentence.startswith(
        "The segments tell gender: from"
    )
    worst = audit.segments.iloc[0]
    assert f"Most of all {worst['segment']}:" in audit.sentence


def check_random(n):
    result = four_segments()
    audits = [sg.proxy_audit(result, random_attribute(result, seed)) for seed in range(n)]
    assert sum(audit.verdict == "proxy" for audit in audits) <= 0.05 * n
    assert np.mean([audit.balanced_accuracy for audit in audits]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([audit.low == 0 for audit in audits]) >= 0.9


def test_random_attributes_are_seldom_blamed():
    check_random(30)


@pytest.mark.simulation
def test_random_attributes_are_seldom_blamed_of_200():
    check_random(200)
    result = four_segments()
    groups, p = ["a", "b", "c", "d"], [0.05, 0.1, 0.25, 0.6]
    rare = [sg.proxy_audit(result, random_attribute(result, seed, groups, p)) for seed in range(200)]
    assert sum(audit.verdict == "proxy" for audit in rare) <= 10


@pytest.mark.parametrize("v", [0.0, 0.3, 0.8])
def test_intervals_cover(v):
    """Of 95 %: at least 92 % of 300 tables, 3 standard errors below."""
    rng = np.random.default_rng(7)
    sizes, women = np.array([0.2, 0.3, 0.5]), 0.5
    apart = np.array([1, 1, -1]) * v / 2
    cells = np.column_stack([sizes * (women + apart), sizes * (women - apart)])
    expected = np.outer(cells.sum(axis=1), cells.sum(axis=0))
    true = np.sqrt(((cells - expected) ** 2 / expected).sum())
    assert true == pytest.approx(v, abs=0.02)
    bounds = [_interval(rng.multinomial(400, cells.ravel()).reshape(3, 2), 0.95) for _ in range(300)]
    assert np.mean([low <= true + 1e-9 and true <= high for low, high in bounds]) >= 0.92


def test_accuracy_by_hand():
    """Nine of ten women are in the first segment, four of five men in the second: 0.9 and 0.8."""
    assert _balanced_accuracy(np.array([[9, 1], [1, 4]])) == pytest.approx((0.9 + 0.8) / 2)
    # Each alone in her segment: the others say nothing of it, so it is a guess.
    assert _balanced_accuracy(np.eye(2, dtype=int)) == pytest.approx(0.5)


def test_segments_by_hand():
    """Of 20 customers each: 12 women, 19, and 10; of all 41 of 60."""
    customers = three_groups()
    result = sg.segment(customers, n_segments=3)
    women = [*range(12), *range(20, 39), *range(40, 50)]
    gender = pd.Series("man", index=customers.index, name="gender")
    gender.iloc[women] = "woman"
    audit = sg.proxy_audit(result, gender)
    shown = audit.segments
    worst = result.labels.iloc[20]
    assert shown.index[0] == worst and shown.loc[worst, ["group", "share", "at_least"]].tolist() == [
        "woman",
        0.5,
        True,
    ]
    third = result.labels.iloc[40]
    assert shown.loc[third, ["group", "share", "customers"]].tolist() == ["man", 0.5, 20]
    assert shown.loc[third, "share_of_all"] == pytest.approx(19 / 60)
    every = sg.proxy_audit(result, gender, minimum=1).segments
    assert every.loc[worst, ["share", "at_least"]].tolist() == [0.95, False]
    assert "more than 50%" in audit._repr_html_()


def test_small_groups_and_missing_values_are_counted():
    result = four_segments()
    gender = random_attribute(result, 0)
    gender = gender.where(result.labels != 0, None)
    gender.iloc[np.flatnonzero(result.labels == 0)[:5]] = "other"  # a segment of nobody else
    audit = sg.proxy_audit(result, gender)
    assert 0 not in audit.segments.index and audit.known + audit.missing == 600 - 5
    gender = random_attribute(result, 0)
    gender.iloc[:5] = "other"
    gender.iloc[5:105] = None
    audit = sg.proxy_audit(result, gender)
    assert (audit.known, audit.missing) == (495, 100) and "other" in audit.left_out
    assert "fewer than 10 customers: other" in audit.sentence
    with pytest.warns(
        UserWarning, match="gender is missing for 300 of 600 customers. The audit holds for the others"
    ):
        sg.proxy_audit(result, gender.where(np.arange(600) >= 300))


def test_few_customers_are_too_few_to_tell():
    result = sg.segment(three_groups(8), n_segments=3)
    audit = sg.proxy_audit(result, random_attribute(result, 3), minimum=2)
    assert audit.verdict == "too few to tell" and audit.high > 0.3


def test_a_feature_is_named_as_one():
    customers = three_groups().assign(gender=["woman"] * 30 + ["man"] * 30)
    audit = sg.proxy_audit(sg.segment(customers, n_segments=3), "gender")
    assert (
        audit.verdict == "proxy"
        and "is one of the features that the segments were made from" in audit.sentence
    )


def test_words_are_escaped():
    result = four_segments()
    page = sg.proxy_audit(result, planted(result, 0.8).replace("woman", EVIL).rename(EVIL))._repr_html_()
    assert "<script" not in page and "&lt;script" in page


@pytest.mark.parametrize(
    ("attribute", "error", "message"),
    [
        ("gendr", ValueError, "'gendr', which is no feature"),
        (pd.Series(range(600), continuum(600).index, name="age"), ValueError, "age has 600 different values"),
        (pd.Series("x", continuum(600).index), ValueError, "has 1 group of 10 or more"),
        (pd.Series(["x"], ["nobody"]), ValueError, "None of the 600 customers"),
    ],
)
def test_wrong_attributes(attribute, error, message):
    with pytest.raises(error, match=message):
        sg.proxy_audit(four_segments(), attribute)
