"""Bars of a privacy budget follow each other up to what is left."""

import pytest

import segkit as sg


@pytest.fixture
def budget(tmp_path):
    return sg.PrivacyBudget(tmp_path / "budget.sqlite", epsilon=1)


def drawn(budget):
    spec = sg.plot_privacy(budget).to_dict()
    rows = next(iter(spec["datasets"].values()))
    keys = ("release", "start", "end", "part")
    return spec["title"]["subtitle"], [tuple(row[key] for key in keys) for row in rows]


def test_releases_and_what_is_left(budget):
    budget.spend("Sizes", epsilon=0.25)
    budget.spend("Sizes", epsilon=0.5)
    assert drawn(budget) == (
        "Epsilon 0.75 of 1, in 2 releases",
        [("1. Sizes", 0, 0.25, "spent"), ("2. Sizes", 0.25, 0.75, "spent"), ("Left", 0.75, 1, "left")],
    )


def test_untouched_and_exhausted_budgets(budget):
    assert drawn(budget)[1] == [("Left", 0, 1, "left")]
    budget.spend("All", epsilon=1)
    assert drawn(budget)[1] == [("1. All", 0, 1, "spent")]
    with pytest.raises(TypeError, match=r"budget is 1\. Begin one"):
        sg.plot_privacy(1)
