"""Segments that are edited by hand place new customers, and leave all others as they were."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.cluster import DBSCAN
from sklearn.pipeline import make_pipeline

import segkit as sg
from segkit.datasets import make_events


def four_groups(n=40, random_state=0):
    """Four groups of n customers, around the corners of a square."""
    rng = np.random.default_rng(random_state)
    corners = np.repeat([[10.0, 10], [60, 10], [10, 60], [60, 60]], n, axis=0)
    index = [f"c{i:04d}" for i in rng.permutation(len(corners))]
    return pd.DataFrame(corners + rng.normal(size=corners.shape), index, ["visits", "spend"])


def by_group(result, n=40):
    """Return the segment of each group of `four_groups`."""
    return [result.labels.iloc[i * n : (i + 1) * n].unique().tolist() for i in range(4)]


def elsewhere(customers, n=60):
    """Return new customers, within and beyond the range of others."""
    rng = np.random.default_rng(1)
    low, high = customers.min().to_numpy(), customers.max().to_numpy()
    rows = low - 3 + (high - low + 6) * rng.random((n, customers.shape[1]))
    return pd.DataFrame(rows, [f"new{i}" for i in range(n)], customers.columns)


METHODS = ("kmeans", "gaussian_mixture", "ward", "hdbscan")


def made_by(method, customers):
    n_segments = None if method == "hdbscan" else 4
    return sg.segment(customers, n_segments=n_segments, method=method)


# --- merge -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_merged_segments_assign_exactly(method):
    """A new customer is in the merged segment where the model puts her into one of its parts."""
    customers = four_groups()
    result = made_by(method, customers).with_names({0: "A", 3: "D"})
    merged = sg.merge_segments(result, [1, "D"])
    new = elsewhere(customers)
    was = result.assign(new)
    assert was.nunique() >= 4
    assert_series_equal(merged.assign(new), was.replace({1: 4, 3: 4}))
    assert_series_equal(merged.labels, result.labels.replace({1: 4, 3: 4}))
    assert merged.assign(new.iloc[:1]).item() == merged.assign(new).iloc[0]
    assert merged.names == {0: "A", 4: "Segment 1 + D"}
    assert merged.provenance["edits"] == [
        {"edit": "merge_segments", "segments": [1, 3], "into": 4, "name": "Segment 1 + D"}
    ]
    assert (merged.kind, merged.assessment, merged.provenance["highest_id"]) == ("unclear", None, 4)
    assert "Edited by hand" in merged.kind_sentence


@given(groups=st.permutations(range(6)), first=st.integers(2, 4))
def test_merging_in_steps_equals_merging_at_once(groups, first):
    rng = np.random.default_rng(3)
    customers = pd.DataFrame(rng.normal(size=(60, 2)), [f"c{i}" for i in range(60)], ["a", "b"])
    result = sg.segment(customers, n_segments=6)
    at_once = sg.merge_segments(result, groups[:first])
    steps = result
    into = groups[0]
    for other in groups[1:first]:
        steps = sg.merge_segments(steps, [into, other])
        into = steps.segments[-1]
    new = elsewhere(customers)
    assert_series_equal(steps.assign(new).replace({into: 6}), at_once.assign(new))
    assert steps.segments[:-1] == at_once.segments[:-1] == sorted(set(range(6)) - set(groups[:first]))


def test_ids_of_merged_segments_are_not_used_again():
    result = sg.segment(four_groups(), n_segments=4)
    merged = sg.merge_segments(sg.merge_segments(result, [2, 3]), [0, 1], name="B")
    assert merged.segments == [4, 5]
    assert merged.names == {5: "B"}


def test_named_models_keep_their_meaning():
    """The label of a rule that held for no fitted customer stays its own."""
    rules = {
        "Never": "visits > 1000",
        "VIP": "visits > 30 and spend > 30",
        "Far": "visits > 30",
        "Near": "visits < 10",
    }
    customers = four_groups()
    with pytest.warns(UserWarning, match="No customer fulfils"):
        result = sg.segment(customers, model=sg.rules_segmenter(rules))
    merged = sg.merge_segments(result, ["VIP", "Far"])
    new = pd.DataFrame({"visits": [2000.0, 60, 60, 0, 20], "spend": [0.0, 60, 0, 0, 0]}, index=list("abcde"))
    assert (
        merged.assign(new).to_list() == result.assign(new).replace({1: 4, 2: 4}).to_list() == [0, 4, 4, 3, -1]
    )


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([1], "takes two or more"),
        ([1, 1], "names 1 segment"),
        ([0, 1, 2, 3], "These are all 4 segments"),
        ([0, 9], "There is no segment 9"),
    ],
)
def test_impossible_merges_are_refused(segments, message):
    with pytest.raises(ValueError, match=message):
        sg.merge_segments(sg.segment(four_groups(), n_segments=4), segments)


def test_merging_takes_a_list():
    result = sg.segment(four_groups(), n_segments=4)
    with pytest.raises(TypeError, match=r"is no list.*\[0, 2\]"):
        sg.merge_segments(result, "Segment 1")
    with pytest.raises(ValueError, match="Two segments would be called 'Segment 3'"):
        sg.merge_segments(result, [0, 1], name="Segment 3")


def test_outside_is_not_merged():
    result = sg.segment(four_groups(), model=make_pipeline(sg.make_preparer(), DBSCAN(eps=0.05)))
    assert -1 in set(result.labels)
    with pytest.raises(ValueError, match=r"outside .* are no segment"):
        sg.merge_segments(result, [-1, 0])


# --- what works with all edits -----------------------------------------------------------------------


def edits(result):
    """Return the result after each kind of edit."""
    return {"merge": sg.merge_segments(result, [0, 1], name="Both")}


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_edited_segments_are_saved(method, tmp_path):
    customers = four_groups()
    result = made_by(method, customers)
    result = result.with_embedding(sg.project(result, method="pca"))
    for name, made in edits(result).items():
        again = sg.Segmentation.load(made.save(tmp_path / name))
        assert (again.names, again.ids, again.provenance) == (made.names, made.ids, made.provenance)
        assert_series_equal(again.assign(elsewhere(customers)), made.assign(elsewhere(customers)))
        assert_frame_equal(made.embedding, result.embedding)
        assert_frame_equal(again.embedding, result.embedding)


@pytest.mark.parametrize("method", METHODS)
def test_edited_segments_are_sure_where_groups_are_apart(method):
    for made in edits(made_by(method, four_groups())).values():
        sure = made.confidence[made.labels != -1]
        assert sure.mean() > 0.9
        assert set(made.place(elsewhere(made.customers))["segment_id"]) <= {*made.segments, -1}


def test_edits_do_not_depend_on_the_order_of_rows():
    customers = four_groups()
    result = sg.segment(customers, n_segments=4)
    turned = sg.segment(customers[::-1], n_segments=4)
    for one, other in zip(edits(result).values(), edits(turned).values(), strict=True):
        assert one.hash == other.hash
        assert_series_equal(one.assign(elsewhere(customers)), other.assign(elsewhere(customers)))
        assert_series_equal(one.confidence, other.confidence[customers.index])


def test_other_functions_take_edited_segments():
    events, _ = make_events(120, kinds="purchase")
    customers = sg.customer_features(events, sg.RFM, as_of="2025-01-01")
    for made in edits(sg.segment(customers, n_segments=4)).values():
        assert set(sg.profile(made, minimum=1)["segment"]) == {made.name_of(s) for s in made.segments}
        assert list(sg.rules(made).index) == made.segments
        assert list(sg.stability(made, resamples=5).segments.index) == made.segments
        assert made.trust.of == made.hash
