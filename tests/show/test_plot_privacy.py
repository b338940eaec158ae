"""Points of the risk stand at segments with their sizes; bars of a budget follow each other up to what is left."""

import pandas as pd
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
    with pytest.raises(TypeError, match=r"to draw is 1\. Pass the table"):
        sg.plot_privacy(1)


def test_risk_of_each_segment():
    table = pd.DataFrame(
        {
            "segment": ["A", "B"],
            "customers": pd.array([1200, None], dtype="Int64"),
            "shown": ["median", "nothing"],
            "auc": [0.6, 0.5],
            "low": [0.58, 0.48],
            "high": [0.62, 0.52],
            "risk": ["hints at it", "tells little or nothing"],
        }
    )
    table.attrs["segkit"] = {"sentence": "Most is given away of A."}
    spec = sg.plot_privacy(table).to_dict()
    assert spec["title"]["subtitle"][0] == "Most is given away of A."
    rows = max(spec["datasets"].values(), key=len)
    assert [row["label"] for row in rows] == ["A (1,200 customers)", "B (size hidden)"]
    assert all("customers" not in row for row in rows)
    with pytest.raises(ValueError, match=r"no column 'risk'.*membership_risk"):
        sg.plot_privacy(table.drop(columns="risk"))
