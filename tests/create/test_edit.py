"""Segments that are edited by hand place new customers, and leave all others as they were."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.base import clone
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.pipeline import make_pipeline

import segkit as sg
from segkit.datasets import make_events
from segkit.methods.edited_rows import Fitted


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
    with pytest.raises(TypeError, match=r"the text 'Segment 1'. It should be a list"):
        sg.merge_segments(result, "Segment 1")
    with pytest.raises(ValueError, match="Two segments would be called 'Segment 3'"):
        sg.merge_segments(result, [0, 1], name="Segment 3")


def test_outside_is_not_merged():
    result = sg.segment(four_groups(), model=make_pipeline(sg.make_preparer(), DBSCAN(eps=0.05)))
    assert -1 in set(result.labels)
    with pytest.raises(ValueError, match=r"outside .* are no segment"):
        sg.merge_segments(result, [-1, 0])


# --- split -----------------------------------------------------------------------------------------


def two_and_two(method="kmeans"):
    """Four groups in two segments, 0 and 1, of which 0 is called "Many"."""
    customers = four_groups()
    customers = customers[customers["visits"].lt(30) | customers["spend"].rank().lt(130)]
    return sg.segment(customers, n_segments=2, method=method).with_names({0: "Many"})


@pytest.mark.parametrize("method", ["kmeans", "bisecting_kmeans", "mini_batch_kmeans", "gaussian_mixture"])
@pytest.mark.parametrize("base", ["kmeans", "ward"])
def test_split_segments_leave_all_others(base, method):
    """Only who was in the split segment is in a part now, new customers too."""
    result = two_and_two(base)
    split = sg.split_segment(result, "Many", method=method)
    new = elsewhere(result.customers)
    for was, now in ((result.labels, split.labels), (result.assign(new), split.assign(new))):
        assert set(now[was == 0]) == {2, 3}
        assert (now[was == 1] == 1).all()
    assert split.names == {2: "Many 1", 3: "Many 2"}
    assert_series_equal(split.assign(split.customers), split.labels)
    # Whoever is placed alone is placed as among others.
    alone = [split.assign(new.iloc[[i]]).item() for i in range(10)]
    assert alone == split.assign(new).to_list()[:10]


def test_a_split_finds_the_groups_within():
    """Two corners were merged; splitting them returns each corner, the largest first."""
    customers = four_groups().iloc[:-10]
    result = sg.segment(customers, n_segments=4)
    there = result.labels.to_numpy()
    merged = sg.merge_segments(result, [0, 3], name="Both")
    split = sg.split_segment(merged, "Both", names=["Large", "Small"])
    wanted = pd.Series(there, customers.index, name="segment").replace({0: 5, 3: 6})
    assert_series_equal(split.labels, wanted)
    assert split.named_labels[there == 3].unique().tolist() == ["Small"]
    assert split.provenance["edits"][1] == {
        "edit": "split_segment",
        "segment": 4,
        "n_segments": 2,
        "method": "kmeans",
        "random_state": 0,
        "into": [5, 6],
        "names": ["Large", "Small"],
    }


@given(seed=st.integers(0, 100), n_segments=st.integers(2, 4))
def test_any_split_keeps_members_together(seed, n_segments):
    rng = np.random.default_rng(seed)
    customers = pd.DataFrame(rng.exponential(size=(80, 3)), [f"c{i}" for i in range(80)], list("abc"))
    result = sg.segment(customers, n_segments=2)
    split = sg.split_segment(result, 0, n_segments)
    assert split.segments == [1, *range(2, 2 + n_segments)]
    assert list(split.labels.value_counts()[split.segments[1:]]) == sorted(
        split.labels.value_counts()[split.segments[1:]], reverse=True
    )
    new = elsewhere(customers)
    assert_series_equal(split.assign(new) == 1, result.assign(new) == 1)


def test_features_are_scaled_where_the_model_does_not():
    """RFM scores prepare nothing: without scales, spend alone would divide its segments."""
    rng = np.random.default_rng(0)
    visits = np.repeat([5, 20], 60)
    customers = pd.DataFrame(
        {
            "recency": visits + rng.integers(9, size=120),
            "frequency": visits,
            "monetary": rng.normal(9_000, 900, 120),
        },
        [f"c{i:03d}" for i in range(120)],
    )
    result = sg.segment(customers, model=sg.RFMSegmenter(limits={"All": ((1, 5),) * 3}))
    assert result.segments == [0]
    split = sg.split_segment(result, 0)
    assert pd.crosstab(split.labels, visits).min(axis=1).to_list() == [0, 0]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"segment": 7}, "There is no segment 7"),
        ({"segment": 0, "n_segments": 1}, "n_segments"),
        ({"segment": 0, "n_segments": 50}, "50, and of 40 customers to divide only 40 differ"),
        ({"segment": 0, "method": "ward"}, "a rule of its own: kmeans"),
        ({"segment": 0, "names": ["One"]}, "a list of 2 names"),
        ({"segment": 0, "names": {"One", "Two"}}, "a list of 2 names"),  # which has no order
        ({"segment": 0, "random_state": None}, "random_state=None should be"),
        ({"segment": 0, "names": ["Segment 1", "B"]}, "Two segments would be called 'Segment 1'"),
    ],
)
def test_impossible_splits_are_refused(said, message):
    with pytest.raises(ValueError, match=message):
        sg.split_segment(sg.segment(four_groups(), n_segments=4), **said)


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture"])
def test_split_segments_are_fitted_again_to_few_of_their_members(method):
    """A sample may hold one sort of members, or none: they are then in one part."""
    visits = [50.0] * 4 + [60.0] * 4 + np.linspace(1, 3, 32).tolist()
    customers = pd.DataFrame({"visits": visits}, [f"c{i:02d}" for i in range(40)])
    result = sg.segment(customers, n_segments=2)
    split = sg.split_segment(result, int(result.labels.iloc[0]), method=method)
    few, many = split.labels.iloc[0], split.labels.iloc[4]
    assert few != many
    rows = split.prepared.to_numpy()
    for left, expected in ((np.r_[0:4, 8:40], few), (np.r_[4:40], many)):
        again = clone(split.model[-1]).fit(rows[left])
        assert again.predict(rows[:8]).tolist() == [expected] * 8
    nobody = clone(split.model[-1]).fit(rows[8:])
    assert nobody.predict(rows).min() >= 0
    assert len(sg.stability(split, resamples=20).segments) == 3


@pytest.mark.parametrize("model", [KMeans(4, n_init=9, random_state=0), AgglomerativeClustering(4)])
def test_models_without_a_preparer_are_fitted_again(model):
    customers = four_groups()
    made = sg.make_segment(sg.segment(customers, model=model), customers.index[:40], "Mine")
    later = sg.segment(customers.iloc[1:], model=clone(made.model), previous=made)
    assert_series_equal(later.labels, made.labels.iloc[1:])


def test_equal_customers_are_not_split():
    customers = pd.DataFrame({"visits": [1.0] * 9 + [9.0] * 5}, [f"c{i}" for i in range(14)])
    with pytest.raises(ValueError, match="of 9 customers to divide only 1 differ"):
        sg.split_segment(sg.segment(customers, n_segments=2), 0)


# --- make ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_made_segments_take_the_nearest(method):
    """A new customer is in the made segment where the nearest fitted one was chosen; others are as before."""
    customers = four_groups()
    result = made_by(method, customers).with_names({0: "A"})
    chosen = customers.index[(customers["visits"] > 59) | (customers["spend"] > 59.5)]
    made = sg.make_segment(result, chosen, "Far")
    new = elsewhere(customers)
    distance = np.linalg.norm(
        result.prepare(new).to_numpy()[:, None] - result.prepared.to_numpy()[None], axis=2
    )
    near = customers.index[distance.argmin(axis=1)].isin(chosen)
    assert 0 < near.sum() < len(new)
    assert_series_equal(made.assign(new), result.assign(new).mask(near, 4))
    assert_series_equal(made.labels, result.labels.mask(customers.index.isin(chosen), 4))
    assert_series_equal(made.assign(customers), made.labels)
    assert made.names == {0: "A", 4: "Far"}
    assert made.provenance["edits"] == [{"edit": "make_segment", "into": 4, "name": "Far"}]


@given(picked=st.lists(st.booleans(), min_size=30, max_size=30).filter(lambda p: 0 < sum(p) < 30))
def test_any_selection_is_a_segment(picked):
    rng = np.random.default_rng(0)
    customers = pd.DataFrame(rng.normal(size=(30, 2)), [f"c{i}" for i in range(30)], ["a", "b"])
    result = sg.segment(customers, n_segments=3)
    chosen = np.array(picked)
    made = sg.make_segment(result, chosen, "Mine")
    assert ((made.labels == 3) == chosen).all()
    assert (made.labels[~chosen] == result.labels[~chosen]).all()
    assert_series_equal(made.assign(customers), made.labels)
    for same in (
        customers.index[chosen],
        customers.index[chosen].to_list(),
        pd.Series(chosen, customers.index),
    ):
        assert sg.make_segment(result, same, "Mine").hash == made.hash


def test_a_segment_without_members_is_gone():
    """Nobody is placed in a segment of which all members were chosen."""
    customers = four_groups()
    result = sg.segment(customers, n_segments=4).with_names({1: "Gone"})
    made = sg.make_segment(result, result.labels == 1, "Taken")
    assert (made.segments, made.names) == ([0, 2, 3, 4], {4: "Taken"})
    new = elsewhere(customers)
    assert set(made.assign(new)) == {0, 2, 3, 4}
    assert (made.assign(new)[result.assign(new) == 1] != 1).all()


@pytest.mark.parametrize(
    ("customers", "message"),
    [
        ([], "holds 0 of 160 customers"),
        (np.ones(160, dtype=bool), "holds 160 of 160"),
        (["nobody"], "1 customer is not in this segmentation, such as 'nobody'"),
        (np.ones(3, dtype=bool), "True or False for 3 customers instead of 160"),
        ([True, False, True], "True or False for 3 customers instead of 160"),
        (pd.Series([True, None], ["c000", "c001"], dtype="boolean"), "missing values beside True and False"),
    ],
)
def test_impossible_selections_are_refused(customers, message):
    with pytest.raises(ValueError, match=message):
        sg.make_segment(sg.segment(four_groups(), n_segments=4), customers, "Mine")


def test_made_segments_have_a_name():
    with pytest.raises(ValueError, match="name is empty"):
        sg.make_segment(sg.segment(four_groups(), n_segments=4), four_groups().index[:9], " ")


@pytest.mark.parametrize("few", [1, 4_096])
def test_new_customers_follow_most_of_those_they_equal(few, monkeypatch):
    """A few are chosen of each, and most of those with 4 visits: only like these are new customers, in any search."""
    monkeypatch.setattr("segkit.methods.edited_rows.FEW", few)
    values = np.random.default_rng(0).integers(0, 5, (300, 2)).astype(float)
    customers = pd.DataFrame(values, [f"c{i:03d}" for i in range(300)], ["visits", "orders"])
    chosen = pd.Series((np.arange(300) % 10 == 0) ^ (values[:, 0] == 4), customers.index)
    made = sg.make_segment(sg.segment(customers, n_segments=2), chosen, "Mine")
    share = chosen.groupby([customers["visits"], customers["orders"]]).transform("mean")
    assert share.between(0.01, 0.99).mean() > 0.5
    assert_series_equal(made.assign(customers) == made.segments[-1], share >= 0.5, check_names=False)
    assert (made.labels == made.segments[-1]).equals(chosen)


def test_all_edits_share_one_search_for_neighbours(monkeypatch):
    searched = []
    search = Fitted.nearest
    monkeypatch.setattr(
        Fitted, "nearest", lambda self, rows: searched.append(len(rows)) or search(self, rows)
    )
    customers = pd.DataFrame({"visits": [1.0, 2, 1, 2, 50, 51, 50, 90]}, index=list("abcdefgh"))
    made = sg.make_segment(sg.segment(customers, n_segments=2), ["c"], "One")
    made = sg.make_segment(made, ["h"], "Other")
    placed = made.assign(pd.DataFrame({"visits": [2.0, 88, 1]}, index=list("xyz")))
    assert placed.map(made.name_of).tolist() == [
        "Segment 1",
        "Other",
        "One",
    ]  # "a" equals "c": half of them were chosen
    assert searched == [3]


def test_the_rows_of_customers_are_kept_once():
    result = sg.segment(four_groups(), n_segments=4)
    once = sg.make_segment(result, result.labels == 0, "One")
    twice = sg.make_segment(once, result.labels == 1, "Two")
    assert twice.model[-1].rows_ is once.model[-1].rows_
    assert np.shares_memory(twice.prepared.to_numpy(), result.prepared.to_numpy())
    with pytest.raises(ValueError, match="cannot be shared"):
        twice.save("never", share=True)


# --- what works with all edits -----------------------------------------------------------------------


def edits(result):
    """Return the result after each kind of edit, and after all of them."""
    high = result.customers.iloc[:, 1].rank(pct=True) > 0.8
    merged = sg.merge_segments(result, [0, 1], name="Both")
    split = sg.split_segment(merged, "Both", 2)
    return {
        "merge": merged,
        "split": sg.split_segment(result, 0),
        "make": sg.make_segment(result, high, "High"),
        "all": sg.merge_segments(sg.make_segment(split, high, "High"), [2, "High"], name="End"),
    }


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


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_edited_segments_are_sure_where_groups_are_apart(method):
    """Edits are repeated in each refit: merged corners, corners split again, and a corner that was chosen."""
    result = made_by(method, four_groups())
    merged = sg.merge_segments(result, [0, 1])
    for made in (merged, sg.split_segment(merged, 4), sg.make_segment(merged, result.labels == 1, "One")):
        sure = made.confidence[made.labels != -1]
        assert sure.mean() > 0.9
    one_group = sg.split_segment(result, 0)
    doubtful = one_group.labels.isin([4, 5])
    assert one_group.confidence[doubtful].mean() < 0.9 < one_group.confidence[~doubtful].mean()


def test_edited_segments_place_with_confidence():
    result = made_by("kmeans", four_groups())
    made = edits(result)["all"]
    placed = made.place(elsewhere(result.customers))
    assert set(placed["segment_id"]) == set(made.segments)
    assert placed["confidence"].between(0, 1).all()


def test_edits_do_not_depend_on_the_order_of_rows():
    customers = four_groups()
    result = sg.segment(customers, n_segments=4)
    turned = sg.segment(customers[::-1], n_segments=4)
    one, other = edits(result)["all"], edits(turned)["all"]
    assert one.hash == other.hash
    assert_series_equal(one.assign(elsewhere(customers)), other.assign(elsewhere(customers)))
    assert_series_equal(one.confidence, other.confidence[customers.index])


def test_other_functions_take_edited_segments():
    events, _ = make_events(120, kinds="purchase")
    customers = sg.customer_features(events, sg.RFM, as_of="2025-01-01")
    made = edits(sg.segment(customers, n_segments=4))["all"]
    assert set(sg.profile(made, minimum=1)["segment"]) == {made.name_of(s) for s in made.segments}
    assert sorted(sg.rules(made).index) == made.segments
    assert list(sg.stability(made, resamples=5).segments.index) == made.segments
    # Continued a month later, edited segments keep their ids and names.
    later = sg.segment(customers, model=made.model, previous=made)
    assert_series_equal(later.labels, made.labels)
    assert later.names == made.names


def test_erased_customers_leave_the_edits():
    """The rows that a made segment keeps are those of the customers who are left; ids and names stay."""
    customers = four_groups()
    made = sg.pin_segments(edits(sg.segment(customers, n_segments=4))["all"], [3])
    erased = sg.erase([customers.index[3]], results=[made]).results[0]
    assert len(erased.labels) == len(made.model[-1].rows_) - 1 == len(erased.model[-1].rows_)
    assert (erased.names, erased.segments) == (made.names, made.segments)
    assert erased.provenance["edits"] == made.provenance["edits"]
    assert erased.provenance["pinned"] == [3]
    assert (erased.labels == made.labels.drop(customers.index[3])).mean() > 0.95
    assert_series_equal(erased.assign(erased.customers), erased.labels)
