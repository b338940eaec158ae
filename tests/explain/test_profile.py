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
    sizes = sg.segment_sizes(six().with_names({1: "Regulars"}), minimum=1)
    assert sizes.to_dict("list") == {
        "segment": ["Segment 0", "Regulars"],
        "customers": [3, 3],
        "share": [0.5, 0.5],
    }
    assert (sizes.index.name, sizes.index.to_list()) == ("segment_id", [0, 1])


def test_outside_comes_last():
    sizes = sg.segment_sizes(with_outsider(), minimum=1)
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


def test_effect_is_never_infinite():
    effects = sg.effect_sizes(pd.DataFrame({"a": [0.0, 0.0, 1.0, 1.0]}), pd.Series([0, 0, 1, 1]))
    assert effects["a"].to_list() == [-10, 10]


def test_one_group_is_refused():
    with pytest.raises(ValueError, match=r"holds 1 segment\(s\) and no other customers"):
        sg.effect_sizes(pd.DataFrame({"a": [1.0, 2.0]}), pd.Series([0, 0]))


def test_compare_by_hand():
    """Medians in natural units, whatever was logged and scaled."""
    table = sg.compare(six(), ["a", "b", "d"], minimum=1)
    assert table[["inside", "others"]].to_dict("index") == {"frequency": {"inside": 2, "others": 29}}


def test_group_as_ids_or_mask():
    result = six()
    chosen = [
        ["d", "e", "f"],
        pd.Index(list("fed")),
        result.labels == result.labels["d"],
        ["d", "d", "e", "f"],
    ]
    tables = [sg.compare(result, group, minimum=1) for group in chosen]
    assert all(table.equals(tables[0]) for table in tables)


def test_words_and_gaps_are_shares():
    customers = three_groups(word=pd.Categorical(["x", "y"] * 30), gap=[np.nan] * 20 + list(range(40)))
    table = sg.compare(sg.segment(customers, n_segments=3), customers.index[:20], minimum=1)
    assert table.loc["word = y", ["inside", "others", "unit"]].to_list() == [0.5, 0.5, "share of customers"]
    assert table.loc["gap missing", ["inside", "others"]].to_list() == [1, 0]
    assert np.isnan(table.loc["gap", "inside"]) and table.loc["gap", "others"] == 19.5
    assert table.index[0] == "gap missing"


def test_strongest_difference_comes_first():
    profile = sg.profile(sg.segment(three_groups(noise=np.arange(60) % 7), n_segments=3), minimum=1)
    for _, rows in profile.groupby("segment_id"):
        assert rows["effect"].abs().is_monotonic_decreasing
    assert list(profile)[:7] == ["segment_id", "segment", "feature", "effect", "inside", "others", "unit"]
    assert len(profile) == 9 and np.isfinite(profile["effect"]).all()


def test_profile_leaves_out_outside():
    profile = sg.profile(with_outsider(), minimum=1)
    assert set(profile["segment_id"]) == set(with_outsider().segments)


def test_units_come_from_the_features():
    customers = three_groups()
    customers.attrs["segkit"] = {"units": {"visits": "visits a year"}}
    assert (
        sg.compare(sg.segment(customers, n_segments=3), ["c000"], minimum=1).loc["visits", "unit"]
        == "visits a year"
    )


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
    table = sg.profile(sg.segment(three_groups(extra=column), model=model), minimum=1)
    plain = sg.profile(
        sg.segment(three_groups(extra=pd.Series(column).astype(float).to_numpy()), model=model), minimum=1
    )
    pd.testing.assert_frame_equal(table, plain)


def test_odd_names_are_only_names():
    result = sg.segment(oddly_named(), n_segments=3)
    assert set(sg.profile(result, minimum=1)["feature"]) == set(result.prepared)


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
        sg.compare(six(), chosen, minimum=1)


def test_one_segment_has_no_profile():
    with pytest.raises(ValueError, match="6 of 6 customers, so there is nothing to compare"):
        sg.profile(sg.segment(SIX, model=KMeans(1, n_init=1)), minimum=1)


def test_feature_named_like_a_flag():
    customers = three_groups(gap=[np.nan, 1.0] * 30, **{"gap missing": np.arange(60) % 7})
    assert sg.profile(sg.segment(customers, n_segments=3), minimum=1)["effect"].notna().any()


def test_a_result_without_segments_says_so():
    nobody = sg.segment(SIX, model=HDBSCAN(min_samples=6, copy=True))
    assert nobody.segments == []
    with pytest.raises(ValueError, match="No segment was found: all 6 customers are outside"):
        sg.profile(nobody, minimum=1)
    assert nobody.with_trust(nobody.trust).to_frame()["trust"].unique() == ["outside all segments"]
    with pytest.raises(ValueError, match="verdicts on no segment"):
        sg.plot_trust(nobody.trust)


def test_a_segment_is_compared_by_id_or_name():
    result = six().with_names({1: "Regulars"})
    expected = sg.compare(result, result.labels == 1, minimum=1)
    for chosen in (1, np.int64(1), "Regulars"):
        assert sg.compare(result, chosen, minimum=1).equals(expected)
    assert sg.compare(with_outsider(), "Outside", minimum=1).equals(
        sg.compare(with_outsider(), ["stray"], minimum=1)
    )
    for chosen, words in {
        7: r"There is no segment 7. The segments are 0 \(Segment 0\), 1 \(Regulars\)",
        "Regular": "no segment 'Regular'. Did you mean 'Regulars'",
        "a": r"no segment 'a'.*It is a customer: compare\(result, \['a'\]\)",
        True: "no segment True",
    }.items():
        with pytest.raises((ValueError, TypeError), match=words):
            sg.compare(result, chosen, minimum=1)


def halves(**columns):
    """Ten customers in two segments of five by visits; the columns describe them."""
    ids = list("abcdefghij")
    result = sg.segment(
        pd.DataFrame({"visits": [1, 2, 3, 4, 5, 91, 92, 93, 94, 95]}, index=ids), n_segments=2
    )
    result = result.with_names({result.labels["a"]: "first", result.labels["j"]: "second"})
    return result, pd.DataFrame(columns, index=ids)


def told(table, segment, feature):
    """The described row of a segment, without what is missing."""
    rows = table[(table["segment"] == ("first", "second")[segment]) & (table["feature"] == feature)]
    assert len(rows) == 1
    row = rows.iloc[0]
    return {
        f: row[f]
        for f in ("inside", "others", "low", "high", "of_those", "of_those_others", "index")
        if not pd.isna(row[f])
    } | {"unit": row["unit"]}


def test_medians_and_quartiles_are_in_natural_units():
    result, more = halves(age=[20, 30, 40, 50, 60, np.nan, 31, 33, 35, 37])
    more.attrs["segkit"] = {"units": {"age": "years"}}
    table = sg.profile(result, more, minimum=1)
    assert told(table, 0, "age") == {"inside": 40, "others": 34, "low": 30, "high": 50, "unit": "years"}
    assert told(table, 1, "age missing") == {
        "inside": 0.2,
        "others": 0,
        "index": 200,
        "unit": "share of customers",
    }
    assert not table["used"].any() and sg.profile(result, minimum=1)["used"].all()


def test_what_most_do_not_have_is_a_share():
    """At least half of all have the same value: "0 against 0" would say nothing."""
    result, more = halves(
        spend_30d=[0, 0, 0, 0, 0, 0, 0, 10, 20, 40],
        orders=[1, 1, 1, 2, 3, 1, 1, 1, 1, 1],
        on_time=[1, 1, 1, 1, 1, 1, 1, 1, 0.5, 0.7],
        change=[0, 0, 0, 0, 0, -1, 2, 0, 0, 5],
    )
    more.attrs["segkit"] = {"units": {"spend_30d": "currency"}}
    table = sg.profile(result, more, minimum=1)
    spend = told(table, 1, "spend_30d")
    assert spend == {"inside": 0.6, "others": 0, "low": 10, "high": 40, "of_those": 20, "index": 200} | {
        "unit": "share of customers above 0"
    }
    assert table.set_index("feature").loc["spend_30d", "of_those_unit"].to_list() == ["currency"] * 2
    orders = told(table, 0, "orders")
    assert (orders["inside"], orders["others"], orders["of_those"], orders["unit"]) == (
        0.4, 0, 2.5, "share of customers above 1",
    )  # fmt: skip
    on_time = told(table, 1, "on_time")
    assert (on_time["inside"], on_time["of_those"], on_time["unit"]) == (
        0.4,
        0.6,
        "share of customers below 1",
    )
    assert told(table, 1, "change")["unit"] == "share of customers above 0"


def test_two_values_are_one_row():
    """No mirror row for Yes and No, nor for a word and its absence."""
    yes = ["no"] * 4 + ["yes"] * 6
    result, more = halves(
        vip=yes, flag=[w == "yes" for w in yes], member=[np.nan] * 4 + ["gold"] * 6, size=[38] * 5 + [42] * 5
    )
    table = sg.profile(result, more, minimum=1)
    assert set(table["feature"]) == {"vip = yes", "flag", "member = gold", "size"}
    for feature, level in {"vip = yes": "yes", "flag": "", "member = gold": "gold"}.items():
        expected = {
            "inside": 1,
            "others": 0.2,
            "index": pytest.approx(1000 / 6),
            "unit": "share of customers",
        }
        assert told(table, 1, feature) == expected
        assert set(table.loc[table["feature"] == feature, "level"]) == {level}
    assert told(table, 1, "size")["unit"] == "share of customers with 42"
    assert table.loc[table["feature"] == "size", "effect"].abs().to_list() == [10, 10]


def test_categories_have_an_index():
    """Four of ten like tea, of five all but one are in the first segment."""
    order = pd.Categorical(
        ["low"] * 5 + ["mid", "mid", "high", "high", "high"], ["low", "mid", "high"], ordered=True
    )
    result, more = halves(
        likes=["tea"] * 3 + ["beer", "cola", "tea", "cola", "cola", "beer", "beer"], rank=order
    )
    table = sg.profile(result, more, minimum=1)
    assert told(table, 0, "likes = tea") == {
        "inside": 0.6,
        "others": 0.2,
        "index": 150,
        "unit": "share of customers",
    }
    assert set(table.loc[table["column"] == "likes", "level"]) == {"tea", "beer", "cola"}
    assert told(table, 1, "rank") == {
        "inside": 2,
        "others": 0,
        "low": 1,
        "high": 2,
        "unit": "rank, 0 (low) to 2 (high)",
    }


def test_weights_count_by_value():
    result, more = halves(
        app=["no", "yes", "no", "no", "no", *["no"] * 4, "yes"], age=[20, 30, 40, 50, 60, *range(5)]
    )
    value = pd.Series([1, 6, 1, 1, 1, 0, -3, np.nan, 0, 5], index=more.index)
    table = sg.profile(result, more, weights=value, minimum=1)
    assert told(table, 0, "app = yes") == {
        "inside": 0.6, "others": 1, "index": pytest.approx(60 / 11 * 15), "unit": "share of value",
    }  # fmt: skip
    assert told(table, 0, "age") == {"inside": 30, "others": 4, "low": 30, "high": 40, "unit": ""}
    assert table.attrs["segkit"]["without_weight"] == 2
    pd.testing.assert_frame_equal(
        sg.profile(result, more, weights=pd.Series(2.0, index=more.index), minimum=1).replace(
            "share of value", "share of customers"
        ),
        sg.profile(result, more, minimum=1),
    )
    by_name = sg.profile(result, "visits", weights="visits", minimum=1)
    assert told(by_name, 0, "visits") == {"inside": 4, "others": 93, "low": 3, "high": 5, "unit": ""}


def test_sizes_add_up_the_value():
    result, more = halves(value=[1, 1, 1, 1, np.nan, 4, 4, 4, 4, 4])
    sizes = sg.segment_sizes(result, more["value"], minimum=1).sort_values("segment")
    assert sizes["value"].to_list() == [4, 20] and sizes["value_share"].to_list() == pytest.approx(
        [1 / 6, 5 / 6]
    )
    assert sizes.attrs["segkit"]["without_value"] == 1
    assert set(sg.segment_sizes(result, "visits", minimum=1)["value"]) == {15, 465}
    assert sg.segment_sizes(result, more["value"] * 0, minimum=1)["value_share"].isna().all()
    losses = sg.segment_sizes(result, more["value"] - 2, minimum=1)  # −4 and 10: no shares of 6
    assert sorted(losses["value"]) == [-4, 10] and losses["value_share"].isna().all()


def test_medians_agree_with_those_of_numpy():
    """Over groups of any size, with ties, gaps and weights of 1."""
    rng = np.random.default_rng(0)
    customers = pd.DataFrame({"visits": rng.normal(size=203), "spend": rng.integers(1, 9, 203)})
    customers["gap"] = customers["spend"].where(rng.random(203) < 0.7)
    result = sg.segment(customers[["visits"]], n_segments=5)
    plain, weighted = (
        sg.profile(result, customers, weights=w, minimum=1)
        for w in (None, pd.Series(1.0, index=customers.index))
    )
    for row, other in zip(plain.itertuples(), weighted.itertuples(), strict=True):
        if row.column == row.feature:
            inside = result.labels == row.segment_id
            ours, rest = (customers.loc[which, row.column].dropna() for which in (inside, ~inside))
            expected = [*np.quantile(ours, [0.25, 0.5, 0.75], method="averaged_inverted_cdf"), rest.median()]
            assert [row.low, row.inside, row.high, row.others] == pytest.approx(expected)
            assert [other.low, other.inside, other.high, other.others] == pytest.approx(expected)
            assert row.effect == pytest.approx(other.effect)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": "visit"}, r"'visit', which the segments were not made from\. Did you mean 'visits'"),
        ({"features": []}, "features is empty"),
        (
            {"features": pd.DataFrame({"a": [1]}, index=["z"])},
            "None of the 10 customers is in features.*'a'.*'z'",
        ),
        (
            {"features": pd.DataFrame({"a": [1, 2]}, index=["a", "a"])},
            "customer 'a' has more than one row in features",
        ),
        ({"weights": "visit"}, "weights='visit' is no numeric feature"),
        ({"weights": pd.Series(["x"] * 10, index=list("abcdefghij"))}, "weights is a Series of str"),
        ({"weights": pd.Series(-1.0, index=list("abcdefghij"))}, "No customer has a weight above 0"),
        ({"weights": 3}, "weights is 3. It should be a numeric feature"),
    ],
)
def test_wrong_arguments_of_a_profile_are_explained(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        sg.profile(halves()[0], **arguments, minimum=1)


def test_odd_attributes_are_described():
    """Constant, all missing and oddly named columns, a segment of one, and customers without attributes."""
    result = sg.segment(pd.DataFrame({"visits": [1, 2, 3, 4, 900]}, index=list("abcde")), n_segments=2)
    more = pd.DataFrame(
        {
            "constructor": [5.0] * 4, "toString": [None] * 4, "年齢": ["子"] * 4, "nothing": [np.nan] * 4,
        }, index=list("abcd"),
    )  # fmt: skip
    table = sg.profile(result, more, minimum=1)
    assert set(table["column"]) == set(more) and not np.isinf(table["effect"]).any()
    alone = table[table["segment_id"] == 1].set_index("column")
    assert alone["inside"].drop("年齢").drop_duplicates().shape and np.isnan(alone.loc["nothing", "effect"])
    profile = sg.profile(
        sg.segment(pd.DataFrame({"x1": np.arange(60.0) ** 2}), model=KMeans(60, n_init=1, random_state=0)),
        minimum=1,
    )
    assert len(profile) == 60 and np.isfinite(profile["effect"]).all()
