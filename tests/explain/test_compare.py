"""Groups of customers against each other, and customers at two moments."""

import numpy as np
import pandas as pd
import pytest

import segkit as sg

NOW = pd.DataFrame({"visits": [1, 2, 3, 30, 31, 32], "spend": [5.0, 6, 7, 5, 6, 9]}, index=list("abcdef"))


def result():
    return sg.segment(NOW, model=sg.rules_segmenter({"Rare": "visits < 10", "Often": "visits >= 10"}))


def medians(table, feature="visits"):
    return tuple(table.loc[feature, ["inside", "others"]])


def test_two_groups_are_compared_with_each_other_only():
    """By name, id, ids or mask; customers in neither do not count."""
    made = result()
    assert medians(sg.compare(made, "Rare", "Often", minimum=1)) == (2, 31)
    assert medians(sg.compare(made, ["a", "b"], made.labels["f"], minimum=1)) == (1.5, 31)
    table = sg.compare(made, NOW["visits"] < 2, ["c", "d"], minimum=1)
    assert medians(table) == (1, 16.5)
    assert (table.attrs["segkit"]["inside"], table.attrs["segkit"]["others"]) == (1, 2)
    against = sg.compare(made, "Often", "Rare", minimum=1)
    assert against["effect"].to_dict() == pytest.approx(
        (-sg.compare(made, "Rare", "Often", minimum=1)["effect"]).to_dict()
    )
    assert set(sg.profile(made)) - set(against) == {"segment_id", "segment", "feature"}


def test_the_same_customers_are_compared_at_two_moments():
    made = result()
    before = (NOW * 2).drop(index="f").assign(further=1)
    table = sg.compare(made, before, minimum=1)
    assert medians(table) == (3, 6) and table.attrs["segkit"]["not_there"] == 1
    often = sg.compare(made, "Often", before, minimum=1)
    assert medians(often) == (30.5, 61) and often.attrs["segkit"]["inside"] == 2
    assert medians(sg.compare(made, sg.segment(NOW + 1, n_segments=2), minimum=1)) == (16.5, 17.5)
    assert (sg.compare(made, NOW, minimum=1)["effect"] == 0).all()


@pytest.mark.parametrize(
    ("chosen", "other", "message"),
    [
        (["a", "b"], ["b", "c"], "1 customer is in both groups"),
        ("Rare", [], "A group holds no customer"),
        ("Rare", "Seldom", "There is no segment 'Seldom'"),
        ("Rare", NOW[["visits"]], "The other moment has no feature 'spend'"),
        ("Rare", NOW.set_axis(list("uvwxyz")), "None of the chosen customers \\(3\\) is at the other moment"),
        ("Rare", NOW.set_axis(list("aabcde")), "customer 'a' has more than one row there"),
        (NOW, "Rare", "The other moment comes last"),
        ("Rare", 1.5, "other is 1.5. It should be a segment"),
    ],
)
def test_what_cannot_be_compared_is_explained(chosen, other, message):
    with pytest.raises((ValueError, TypeError), match=message):
        sg.compare(result(), chosen, other, minimum=1)


def test_any_group_agrees_with_numpy():
    rng = np.random.default_rng(1)
    customers = pd.DataFrame(rng.normal(size=(80, 3)), columns=list("pqr"))
    made, chosen = sg.segment(customers, n_segments=3), rng.random(80) < 0.3
    table = sg.compare(made, chosen, minimum=1)
    for name in customers:
        assert medians(table, name) == (
            customers.loc[chosen, name].median(),
            customers.loc[~chosen, name].median(),
        )
