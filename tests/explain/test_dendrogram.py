"""The dendrogram: a tree by hand, branches that are the segments, and its chart."""

import numpy as np
import pandas as pd
import pytest
from tables import three_groups

import segkit as sg


@pytest.mark.parametrize("method", ["ward", "average"])
def test_branches_are_the_segments(method):
    """Cut below the last two joins, the tree of a hierarchy gives its three segments; order of rows changes nothing."""
    result = sg.segment(three_groups(), n_segments=3, method=method)
    tree = sg.dendrogram(result, n_leaves=3)
    assert tree["customers"].to_list()[:3] == [20, 20, 20] and (tree["share"][:3] == 1).all()
    assert sorted(tree["segment"][:3]) == ["Segment 0", "Segment 1", "Segment 2"]
    assert tree["height"].is_monotonic_increasing and tree["customers"].iloc[-1] == 60
    full = sg.dendrogram(result)
    assert len(full) == 59 and full["left"].isna().sum() == 30
    assert sorted(full["x"][full["left"].isna()]) == list(range(30))
    mixed = three_groups().sample(frac=1, random_state=0)
    again = sg.segment(mixed, n_segments=3, method=method)
    pd.testing.assert_frame_equal(sg.dendrogram(again), full)


def test_heights_by_hand():
    """Standardised by hand: 0, 1 and 5 have mean 2 and standard deviation √(14/3)."""
    customers = pd.DataFrame({"visits": [0.0, 1.0, 5.0]}, index=list("abc"))
    result = sg.segment(customers, n_segments=2, method="average")
    tree = sg.dendrogram(result)
    scale = np.diff(result.prepared["visits"])[0]
    assert (tree["height"] / scale).to_list() == pytest.approx([0, 0, 0, 1, 4.5])
    assert tree["x"].to_list()[3:] == [1.5, 0.75] or tree["x"].to_list()[3:] == [0.5, 1.25]


def test_many_are_sampled(monkeypatch):
    monkeypatch.setattr("segkit.explain.dendrogram.LOOKED", 40)
    result = sg.segment(three_groups(), n_segments=3)
    tree = sg.dendrogram(result)
    assert tree["customers"].iloc[-1] == 40 and tree.attrs["segkit"]["linkage"] == "ward"
    title = sg.plot_dendrogram(tree, minimum=1).to_dict()["title"]
    assert "On a sample of 40 of 60 customers." in title["subtitle"]


def test_wrong_arguments_are_named():
    result = sg.segment(three_groups(), n_segments=3)
    with pytest.raises(ValueError, match="linkage='single' is neither"):
        sg.dendrogram(result, linkage="single")
    with pytest.raises(ValueError, match="n_leaves=1 should be"):
        sg.dendrogram(result, n_leaves=1)
