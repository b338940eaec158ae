"""Sizes and effects, by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.pipeline import make_pipeline
from tables import oddly_named, three_groups

import segkit as sg

SIX = pd.DataFrame({"frequency": [1, 2, 1, 30, 31, 29]}, index=list("abcdef"))


def six():
    return sg.segment(SIX, n_segments=2)


def with_outsider():
    customers = pd.concat(
        [three_groups(), pd.DataFrame({"visits": [900.0], "spend": [900.0]}, index=["stray"])]
    )
    return sg.segment(customers, model=HDBSCAN(copy=True))


def test_sizes_by_hand():
    sizes = sg.segment_sizes(six().with_names({1: "Regulars"}))
    assert sizes.to_dict("list") == {
        "segment": ["Segment 0", "Regulars"],
        "customers": [3, 3],
        "share": [0.5, 0.5],
    }
    assert (sizes.index.name, sizes.index.to_list()) == ("segment_id", [0, 1])


def test_outside_comes_last():
    sizes = sg.segment_sizes(with_outsider())
    assert sizes.index[-1] == -1 and sizes["segment"].iloc[-1] == "Outside" and sizes["customers"].sum() == 61


def test_effect_sizes_by_hand():
    """Means 1 and 11, variance 1 in both: pooled over n − 2, the deviation is √2."""
    prepared = pd.DataFrame({"recency": [0.0, 2.0, 10.0, 12.0], "same": [1.0] * 4})
    effects = sg.effect_sizes(prepared, pd.Series([0, 0, 1, 1]))
    assert effects["recency"].to_list() == pytest.approx([-10 / np.sqrt(2), 10 / np.sqrt(2)])
    assert effects["same"].to_list() == [0, 0]


def test_noise_is_among_the_others():
    effects = sg.effect_sizes(pd.DataFrame({"a": [0.0, 2.0, 10.0, 12.0]}), pd.Series([0, 0, -1, -1]))
    assert effects.index.to_list() == [0] and effects["a"][0] == pytest.approx(-10 / np.sqrt(2))


def test_effect_may_be_infinite():
    effects = sg.effect_sizes(pd.DataFrame({"a": [0.0, 0.0, 1.0, 1.0]}), pd.Series([0, 0, 1, 1]))
    assert effects["a"].to_list() == [-np.inf, np.inf]


def test_one_group_is_refused():
    with pytest.raises(ValueError, match=r"holds 1 segment\(s\) and no other customers"):
        sg.effect_sizes(pd.DataFrame({"a": [1.0, 2.0]}), pd.Series([0, 0]))


def test_compare_by_hand():
    """Medians in natural units, whatever was logged and scaled."""
    table = sg.compare(six(), ["a", "b", "d"])
    assert table[["inside", "others"]].to_dict("index") == {"frequency": {"inside": 2, "others": 29}}


def test_group_as_ids_or_mask():
    result = six()
    chosen = [
        ["d", "e", "f"],
        pd.Index(list("fed")),
        result.labels == result.labels["d"],
        ["d", "d", "e", "f"],
    ]
    tables = [sg.compare(result, group) for group in chosen]
    assert all(table.equals(tables[0]) for table in tables)


def test_words_and_gaps_are_shares():
    customers = three_groups(word=pd.Categorical(["x", "y"] * 30), gap=[np.nan] * 20 + list(range(40)))
    table = sg.compare(sg.segment(customers, n_segments=3), customers.index[:20])
    assert table.loc["word = y", ["inside", "others", "unit"]].to_list() == [0.5, 0.5, "share of customers"]
    assert table.loc["gap missing", ["inside", "others"]].to_list() == [1, 0]
    assert np.isnan(table.loc["gap", "inside"]) and table.loc["gap", "others"] == 19.5
    assert table.index[0] == "gap missing"


def test_strongest_difference_comes_first():
    profile = sg.profile(sg.segment(three_groups(noise=np.arange(60) % 7), n_segments=3))
    for _, rows in profile.groupby("segment_id"):
        assert rows["effect"].abs().is_monotonic_decreasing
    assert list(profile) == ["segment_id", "segment", "feature", "effect", "inside", "others", "unit"]
    assert len(profile) == 9


def test_profile_leaves_out_outside():
    profile = sg.profile(with_outsider())
    assert set(profile["segment_id"]) == set(with_outsider().segments)


def test_units_come_from_the_features():
    customers = three_groups()
    customers.attrs["segkit"] = {"units": {"visits": "visits a year"}}
    assert sg.compare(sg.segment(customers, n_segments=3), ["c000"]).loc["visits", "unit"] == "visits a year"


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, None, 3] * 20, dtype="Int64"),
        pd.array([True, None, False] * 20, dtype="boolean"),
        [True, False] * 30,
        pd.array([1, None] * 30, dtype="int64[pyarrow]"),
        [np.nan] * 60,
        [5.0] * 60,
    ],
)
def test_columns_of_every_type(column):
    model = make_pipeline(
        sg.make_preparer(), KMeans(3, n_init=2, random_state=0)
    )  # which constants are not dropped for
    table = sg.profile(sg.segment(three_groups(extra=column), model=model))
    plain = sg.profile(
        sg.segment(three_groups(extra=pd.Series(column).astype(float).to_numpy()), model=model)
    )
    pd.testing.assert_frame_equal(table, plain)


def test_odd_names_are_only_names():
    result = sg.segment(oddly_named(), n_segments=3)
    assert set(sg.profile(result)["feature"]) == set(result.prepared)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ([], "The group holds 0 of 6 customers"),
        (list("abcdef"), "The group holds 6 of 6 customers"),
        (["a", "z"], "1 customer is not in this segmentation, such as 'z'"),
    ],
)
def test_wrong_groups_are_explained(chosen, message):
    with pytest.raises(ValueError, match=message):
        sg.compare(six(), chosen)


def test_one_segment_has_no_profile():
    with pytest.raises(ValueError, match="6 of 6 customers, so there is nothing to compare"):
        sg.profile(sg.segment(SIX, model=KMeans(1, n_init=1)))


def test_feature_named_like_a_flag():
    customers = three_groups(gap=[np.nan, 1.0] * 30, **{"gap missing": np.arange(60) % 7})
    assert sg.profile(sg.segment(customers, n_segments=3))["effect"].notna().any()


def test_a_result_without_segments_says_so():
    nobody = sg.segment(SIX, model=HDBSCAN(min_samples=6, copy=True))
    assert nobody.segments == []
    with pytest.raises(ValueError, match="No segment was found: all 6 customers are outside"):
        sg.profile(nobody)
    assert nobody.with_trust(nobody.trust).to_frame()["trust"].unique() == ["outside all segments"]
    with pytest.raises(ValueError, match="verdicts on no segment"):
        sg.plot_trust(nobody.trust)


def test_a_segment_is_compared_by_id_or_name():
    result = six().with_names({1: "Regulars"})
    expected = sg.compare(result, result.labels == 1)
    for chosen in (1, np.int64(1), "Regulars"):
        assert sg.compare(result, chosen).equals(expected)
    assert sg.compare(with_outsider(), "Outside").equals(sg.compare(with_outsider(), ["stray"]))
    for chosen, words in {
        7: r"There is no segment 7. The segments are 0 \(Segment 0\), 1 \(Regulars\)",
        "Regular": "no segment 'Regular'. Did you mean 'Regulars'",
        "a": r"no segment 'a'.*It is a customer: compare\(result, \['a'\]\)",
        True: "no segment True",
    }.items():
        with pytest.raises((ValueError, TypeError), match=words):
            sg.compare(result, chosen)
