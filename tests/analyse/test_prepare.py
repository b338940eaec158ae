"""Prepared features by hand, and scikit-learn's own checks of the estimator."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pandas.testing import assert_frame_equal
from sklearn.utils.estimator_checks import parametrize_with_checks

from segkit.analyse.prepare import MISSING, NORMAL_IQR, OTHER, Preparer, make_preparer


@parametrize_with_checks([Preparer(), Preparer(log="none", scale="standard")])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def prepared(customers, **said):
    preparer = make_preparer(**said).fit(customers)
    return pd.DataFrame(
        preparer.transform(customers), columns=preparer.get_feature_names_out(), index=customers.index
    )


def test_robust_scale_by_hand():
    """Median 3 and quartiles 2 and 4 of 1 … 5: a step of 1 is 1.349 ÷ 2."""
    values = prepared(pd.DataFrame({"a": [1, 2, 3, 4, 5]}))["a"]
    assert values.to_list() == pytest.approx([step * NORMAL_IQR / 2 for step in (-2, -1, 0, 1, 2)])


def test_standard_scale_by_hand():
    assert prepared(pd.DataFrame({"a": [1.0, 3.0]}), scale="standard")["a"].to_list() == [-1, 1]


def test_no_scale_by_hand():
    assert prepared(pd.DataFrame({"a": [1.0, 3.0]}), scale="none")["a"].to_list() == [1, 3]


def test_a_zero_range_scales_by_deviation():
    """Median 0, no distance between the quartiles; the standard deviation of 0, 0, 0, 0, 10 is 4."""
    values = prepared(pd.DataFrame({"a": [0, 0, 0, 0, 10]}), log="none")["a"]
    assert values.to_list() == [0, 0, 0, 0, 2.5]


def test_a_column_of_one_value_is_zero():
    assert prepared(pd.DataFrame({"a": [7.0, 7.0, 7.0], "b": [1.0, 2.0, 3.0]}))["a"].to_list() == [0, 0, 0]
    assert prepared(pd.DataFrame({"a": [0.1 + 0.2, 0.3, 0.3]}))["a"].abs().max() == pytest.approx(0, abs=1e-9)


def test_one_customer_is_zero():
    assert prepared(pd.DataFrame({"a": [7.0]})).to_numpy().tolist() == [[0.0]]


def test_only_skewed_features_are_logged():
    customers = pd.DataFrame(
        {"money": [1.0, 2, 3, 4, 1000], "even": [1.0, 2, 3, 4, 5], "debt": [-1.0, 2, 3, 4, 1000]}
    )
    preparer = make_preparer().fit(customers)
    assert preparer.logged_.tolist() == [True, False, False]
    assert preparer.center_[0] == pytest.approx(np.log1p(3))
    assert make_preparer(log="none").fit(customers).logged_.tolist() == [False] * 3
    assert make_preparer(log=["even"]).fit(customers).logged_.tolist() == [False, True, False]


def test_a_logged_feature_may_turn_negative_later():
    """A loss of 3 lies as far below 0 as a gain of 3 above."""
    preparer = make_preparer(log=["a"], scale="none").fit(pd.DataFrame({"a": [0.0, 1.0]}))
    assert preparer.transform(pd.DataFrame({"a": [-3.0, 3.0]}))[:, 0].tolist() == [-np.log(4), np.log(4)]


def test_outliers_are_clipped():
    """A giant lies no farther out than the clip, and no feature outweighs the others."""
    values = prepared(pd.DataFrame({"a": [1.0, 2, 3, 4, 1e9]}), log="none")["a"]
    spread = np.std([-2 / 2 * NORMAL_IQR, -1 / 2 * NORMAL_IQR, 0, 1 / 2 * NORMAL_IQR, 5])
    assert values.max() == pytest.approx(5 / spread)
    assert values.std(ddof=0) == pytest.approx(1)


@pytest.mark.parametrize("zeros", [0.5, 0.7, 0.74, 0.76, 0.9])
def test_mostly_zero_features_do_not_outweigh(zeros):
    rng = np.random.default_rng(0)
    values = np.where(rng.random(2_000) < zeros, 0, rng.uniform(0.01, 0.5, 2_000))
    assert prepared(pd.DataFrame({"a": values, "b": rng.normal(size=2_000)})).std(ddof=0).max() <= 1.05


def test_without_a_scale_nothing_is_clipped():
    assert prepared(pd.DataFrame({"a": [1.0, 2, 300]}), log="none", scale="none")["a"].to_list() == [
        1,
        2,
        300,
    ]


def test_missing_is_the_median_with_a_flag():
    customers = pd.DataFrame({"a": [1.0, 2, 3, np.nan], "b": [1.0, 2, 3, 4]})
    values = prepared(customers)
    assert list(values) == ["a", "b", "a missing"]
    assert values["a missing"].to_list() == [0, 0, 0, 1]
    assert values["a"].iloc[3] == 0


def test_missing_together_share_a_flag():
    """Who ordered once has no rhythm at all: that is one fact and should weigh as one."""
    nan = np.nan
    customers = pd.DataFrame(
        {"gap": [1, 2, nan], "late": [4, 5, nan], "rating": [nan, 1, 2], "empty": [nan] * 3}
    )
    assert list(prepared(customers)) == ["gap", "late", "rating", "empty", "gap missing", "rating missing"]


def test_rare_words_share_a_column():
    customers = pd.DataFrame({"w": pd.Categorical(["x"] * 3 + ["y"] * 2 + ["z", None])})
    values = prepared(customers, max_categories=2)
    assert list(values) == ["w = x", "w = y", f"w = {OTHER}", f"w = {MISSING}"]
    assert values.sum().to_list() == [3, 2, 1, 1]
    assert (values.sum(axis=1) == 1).all()


def test_new_words_are_rare_words():
    wide = make_preparer(max_categories=1).fit(pd.DataFrame({"w": ["x", "x", "y"]}))
    assert wide.transform(pd.DataFrame({"w": ["new", None]})).tolist() == [[0, 1], [0, 0]]
    narrow = make_preparer().fit(pd.DataFrame({"w": ["x", "y"]}))
    assert narrow.transform(pd.DataFrame({"w": ["new"]})).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, 2, None], dtype="Int64"),
        pd.array([True, False, None], dtype="boolean"),
        pd.array([1.5, 2.5, None], dtype="Float64"),
        pd.array([1, 2, None], dtype="int64[pyarrow]"),
        [True, False, True],
        np.array([1, 2, 3], dtype="uint8"),
    ],
)
def test_numbers_of_every_type_are_numbers(column):
    customers = pd.DataFrame({"a": column})
    plain = customers.astype({"a": "float64"})
    assert_frame_equal(prepared(customers), prepared(plain))


@given(
    values=arrays(float, (6, 3), elements=st.floats(-1e9, 1e9) | st.just(np.nan)),
    new=arrays(float, (4, 3), elements=st.floats(-1e12, 1e12) | st.just(np.nan)),
)
def test_rows_do_not_depend_on_others(values, new):
    columns = ["a", "b", "c"]
    preparer = make_preparer().fit(pd.DataFrame(values, columns=columns))
    together = preparer.transform(pd.DataFrame(new, columns=columns))
    assert np.isfinite(together).all() and np.abs(together).max() <= 5
    for row, alone in zip(together, new, strict=True):
        assert (preparer.transform(pd.DataFrame([alone], columns=columns))[0] == row).all()


def test_tables_are_not_changed():
    customers = pd.DataFrame({"a": [1.0, 2, 1000], "w": ["x", None, "y"]})
    before = customers.copy()
    prepared(customers)
    assert_frame_equal(customers, before)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"scale": "minmax"}, "scale='minmax' is none of"),
        ({"clip": 0}, "clip=0 should be a positive number"),
        ({"clip": np.nan}, "clip=nan should be a positive number"),
        ({"max_categories": 0}, "max_categories=0 should be 1 or more"),
        ({"log": "yes"}, "log='yes' is neither"),
        ({"log": ["b"]}, r"log names \['b'\], which are not numeric features"),
    ],
)
def test_wrong_parameters_are_explained(said, message):
    with pytest.raises(ValueError, match=message):
        make_preparer(**said).fit(pd.DataFrame({"a": [1.0, 2.0]}))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.0, np.inf], "'a' holds infinity"),
        (pd.to_datetime(["2024-01-01", "2024-01-02"]), "'a' is of type datetime64.*days since, for a date"),
        (pd.to_timedelta([1, 2], unit="D"), "'a' is of type timedelta64"),
        ([1j, 2j], "'a' is of type complex128"),
        (pd.Series([1, "x"], dtype=object), r"'a' holds objects \(mixed-integer\).*pd.to_numeric"),
        (pd.Series([1.5, 2.0], dtype=object), r"'a' holds objects \(floating\)"),
        (pd.Series([[1], [2]], dtype=object), r"'a' holds objects \(mixed\)"),
    ],
)
def test_wrong_columns_are_explained(column, message):
    with pytest.raises(ValueError, match=message):
        make_preparer().fit(pd.DataFrame({"a": column}))


def test_text_objects_are_categories():
    assert list(prepared(pd.DataFrame({"w": pd.Series(["x", None, "y"], dtype=object)}))) == [
        "w = x",
        "w = y",
        f"w = {MISSING}",
    ]


@pytest.mark.parametrize("huge", [1e200, -1e200, 1e308])
@pytest.mark.parametrize("scale", ["robust", "standard"])
def test_huge_numbers_are_clipped(huge, scale):
    values = pd.DataFrame({"balance": np.append(np.zeros(50), [huge, 1.0, 2.0]), "age": np.arange(53.0)})
    prepared = make_preparer(scale=scale).fit_transform(values)
    assert np.isfinite(prepared).all() and np.abs(prepared[50]).max() <= 5


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e-14, 1e200, 1e306])
@pytest.mark.parametrize("scale", ["robust", "standard"])
def test_the_unit_of_a_feature_changes_nothing(unit, scale):
    values = pd.DataFrame({"a": [10.0, 11, 12, 30, 31, 33], "b": [-5.0, -4, -5, 9, 8, 7]})
    expected = make_preparer(log="none", scale=scale).fit_transform(values)
    assert make_preparer(log="none", scale=scale).fit_transform(values * unit) == pytest.approx(expected)
