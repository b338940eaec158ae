"""Pinned segments stay as they are when the others are made again."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_series_equal
from tables import three_groups

import segkit as sg


def on_a_line(seed=0, n=90):
    rng = np.random.default_rng(seed)
    index = [f"c{i:03d}" for i in rng.permutation(n)]
    return pd.DataFrame(rng.normal(size=(n, 2)), index, ["a", "b"])


@given(
    seed=st.integers(0, 50), pinned=st.sets(st.integers(0, 3), min_size=1, max_size=3), more=st.integers(1, 4)
)
def test_pinned_segments_keep_their_members(seed, pinned, more):
    customers = on_a_line(seed)
    result = sg.segment(customers, n_segments=4).with_names({min(pinned): "Mine"})
    again = sg.segment(
        customers, n_segments=len(pinned) + more, previous=sg.pin_segments(result, list(pinned))
    )
    new = on_a_line(seed + 1)
    for was, now in ((result.labels, again.labels), (result.assign(new), again.assign(new))):
        for segment in pinned:
            assert ((was == segment) == (now == segment)).all()
    assert len(again.segments) == len(pinned) + more
    assert again.name_of(min(pinned)) == "Mine"
    assert again.provenance["pinned"] == sorted(pinned)
    assert_series_equal(again.assign(customers), again.labels)


def test_made_segments_are_pinned_too():
    """Also where another customer has the same features as a chosen one."""
    customers = on_a_line()
    customers.iloc[40:80] = customers.iloc[:40].to_numpy()
    result = sg.segment(customers, n_segments=3)
    made = sg.make_segment(result, customers.index[:20], "Mine")
    again = sg.segment(customers, n_segments=3, previous=sg.pin_segments(made, ["Mine"]))
    assert (again.named_labels == "Mine").to_numpy().nonzero()[0].tolist() == list(range(20))


def test_pinned_members_stay_where_whole_numbers_became_floats():
    customers = pd.DataFrame({"visits": [1, 2, 1, 2, 50, 51, 50, 90]}, index=list("abcdefgh"))
    made = sg.make_segment(sg.segment(customers, n_segments=2), ["a", "b", "g"], "Mine")
    pinned = sg.pin_segments(made, ["Mine"])
    for table in (customers, customers.astype(float), customers.astype("Int64").iloc[::-1]):
        again = sg.segment(table, n_segments=3, previous=pinned)
        assert sorted(again.labels.index[again.named_labels == "Mine"]) == ["a", "b", "g"]


def test_what_survives_keeps_id_and_name(tmp_path):
    customers = three_groups(40)
    result = sg.segment(customers, n_segments=3).with_names({0: "A", 1: "B", 2: "C"})
    pinned = sg.pin_segments(result, ["B"])
    again = sg.segment(customers, n_segments=3, previous=pinned)
    assert_series_equal(again.labels, result.labels)
    assert (again.names, again.provenance["previous"]) == (result.names, result.hash)
    four = sg.segment(customers, n_segments=4, previous=pinned)
    assert (four.segments, four.names) == ([0, 1, 2, 3], result.names)
    assert {row["previous"] for row in four.provenance["transitions"]} <= {0, 2, None}
    loaded = sg.Segmentation.load(four.save(tmp_path / "four"))
    assert loaded.provenance == four.provenance
    assert_series_equal(loaded.assign(customers), four.labels)


def test_another_moment_is_placed_by_the_frozen_model():
    customers = three_groups(40)
    pinned = sg.pin_segments(sg.segment(customers, n_segments=3), [1])
    later = (customers + 3).iloc[:-5].rename(lambda c: f"later {c}")
    again = sg.segment(later, n_segments=4, previous=pinned)
    assert ((again.labels == 1) == (pinned.assign(later) == 1)).all()
    assert list(again.customers.index) == list(later.index)
    moved = sg.segment(later, previous=again, refit="recentre")
    assert moved.provenance["pinned"] == [1]


@pytest.mark.parametrize("refit", [{"n_segments": 4}, {"refit": "recentre"}])
def test_edits_go_on_at_another_moment(refit):
    """A selection among later customers is not mixed up with one among earlier customers."""
    customers = on_a_line()
    result = sg.segment(customers, n_segments=3)
    made = sg.make_segment(result, customers["a"] > 1, "High a")
    later = on_a_line(1, 70).rename(lambda c: f"later {c}")
    again = sg.segment(later, previous=sg.pin_segments(made, ["High a"]), **refit)
    before = again.labels
    more = sg.make_segment(again, (later["b"] > 1).to_numpy(), "High b")
    assert_series_equal(more.labels, before.mask(later["b"] > 1, more.segment_id("High b")))
    assert_series_equal(more.assign(later), more.labels)


def test_pins_change_nothing_else():
    result = sg.segment(three_groups(), n_segments=3)
    sure = result.confidence
    pinned = sg.pin_segments(result, [2, 0])
    assert (pinned.hash, pinned.provenance["pinned"]) == (result.hash, [0, 2])
    assert_series_equal(pinned.confidence, sure)
    merged = sg.merge_segments(pinned, [1, 2])
    assert merged.provenance["pinned"] == [0]
    assert [e["edit"] for e in merged.provenance["edits"]] == ["pin_segments", "merge_segments"]
    unpinned = sg.pin_segments(pinned, [])
    assert sg.segment(three_groups(), n_segments=2, previous=unpinned).provenance["method"] == "kmeans"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {"n_segments": 2},
            r"n_segments=2, and 2 segments are pinned \(Segment 0, Segment 1\).*say 3 or more",
        ),
        ({}, "n_segments=None, and 2 segments are pinned"),
        ({"n_segments": "auto"}, "Pinned segments stay"),
        ({"n_segments": 4, "method": "ward"}, "a rule of its own: kmeans"),
        ({"n_segments": 99}, "n_segments=97, and of 20 customers to divide"),
    ],
)
def test_what_pins_do_not_allow_is_told(said, message):
    result = sg.segment(three_groups(), n_segments=3)
    with pytest.raises(
        ValueError, match=r"All segments are pinned.* Unpin some: pin_segments\(result, \[0, 1\]\)"
    ):
        sg.segment(three_groups(), n_segments=5, previous=sg.pin_segments(result, result.segments))
    pinned = sg.pin_segments(result, [0, 1])
    with pytest.raises(ValueError, match=message):
        sg.segment(three_groups(), previous=pinned, **said)


def test_value_bands_stay_where_they_are():
    bands = sg.value_bands(three_groups(), by="spend", n_bands=4)
    merged = sg.merge_segments(bands, [0, 1])
    with pytest.raises(ValueError, match="ValueBands divides customers by their values"):
        sg.segment(three_groups(), previous=merged, refit="recentre")
