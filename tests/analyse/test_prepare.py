"""Prepared features by hand, and scikit-learn's own checks of the estimator."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pandas.testing import assert_frame_equal
from sklearn.utils.estimator_checks import parametrize_with_checks

from segkit.analyse.prepare import Preparer, make_preparer
from segkit.analyse.words import MISSING, OTHER, WEIGHT


@parametrize_with_checks([Preparer(), Preparer(log="none", scale="standard"), Preparer(scale="none")])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def prepared(customers, **said):
    preparer = make_preparer(**said).fit(customers)
    return pd.DataFrame(
        preparer.transform(customers), columns=preparer.get_feature_names_out(), index=customers.index
    )


def test_default_scale_by_hand():
    """1 … 5 has mean 3 and standard deviation √2."""
    values = prepared(pd.DataFrame({"a": [1, 2, 3, 4, 5]}))["a"]
    assert values.to_list() == pytest.approx([step / np.sqrt(2) for step in (-2, -1, 0, 1, 2)])


def test_standard_scale_by_hand():
    assert prepared(pd.DataFrame({"a": [1.0, 3.0]}), scale="standard")["a"].to_list() == [-1, 1]


def test_no_scale_by_hand():
    assert prepared(pd.DataFrame({"a": [1.0, 3.0]}), scale="none")["a"].to_list() == [1, 3]


def test_mostly_one_value_scales_by_the_others():
    """0, 0, 0, 0, 0, 3, 4, 5: the others lie √(50/3) from 0 on quadratic average, and that becomes √2."""
    values = prepared(pd.DataFrame({"a": [0, 0, 0, 0, 0, 3, 4, 5]}), log="none")["a"]
    away = values.iloc[5:] - values.iloc[0]
    assert (away**2).mean() == pytest.approx(2) and values.mean() == pytest.approx(0)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
def test_two_values_are_one_thing_however_they_are_written(share):
    yes = np.arange(200) < 200 * share
    spelt = {
        "number": yes.astype(int),
        "bool": yes,
        "one or two": 1 + yes,
        "nullable": pd.array(yes, dtype="boolean"),
        "words": np.where(yes, "yes", "no"),
        "category": pd.Categorical(np.where(yes, "yes", "no")),
    }
    for name, column in spelt.items():
        values = prepared(pd.DataFrame({"a": column}))
        (named,) = values
        assert named == ("a = yes" if name in ("words", "category") else "a")
        assert values[named].mean() == pytest.approx(0), name
        assert np.ptp(values[named]) == pytest.approx(np.sqrt(2)), name


def test_two_modes_are_not_shrunk():
    rng = np.random.default_rng(0)
    modes = np.where(rng.random(500) < 0.4, 0.0, 10.0) + rng.normal(size=500)
    values = prepared(pd.DataFrame({"modes": modes, "one": rng.normal(size=500)}))
    assert values.std(ddof=0).to_list() == pytest.approx([1, 1], abs=1e-6)


def test_categories_with_an_order_are_ranks():
    sizes = pd.Categorical(["S", "L", "M", None], ["S", "M", "L", "XL"], ordered=True)
    preparer = make_preparer(scale="none").fit(pd.DataFrame({"size": sizes}))
    assert preparer.ranks_ == {0: ["S", "M", "L"]}
    assert preparer.transform(pd.DataFrame({"size": ["L", "M", "S", None, "XXL"]}))[:, 0].tolist() == [
        2,
        1,
        0,
        0,
        0,
    ]


def test_a_column_of_one_value_is_zero():
    assert prepared(pd.DataFrame({"a": [7.0, 7.0, 7.0], "b": [1.0, 2.0, 3.0]}))["a"].to_list() == [0, 0, 0]
    assert prepared(pd.DataFrame({"a": [0.1 + 0.2, 0.3, 0.3]}))["a"].abs().max() == pytest.approx(0, abs=1e-9)


def test_one_customer_is_zero():
    assert prepared(pd.DataFrame({"a": [7.0]})).to_numpy().tolist() == [[0.0]]


def test_only_skewed_features_are_logged():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=400)
    customers = pd.DataFrame({"money": np.exp(normal), "even": normal + 9, "debt": np.exp(normal) - 3})
    preparer = make_preparer().fit(customers)
    assert preparer.positions_ == [2, 1, 0]  # debt, even, money
    assert preparer.logged_.tolist() == [False, False, True]
    assert preparer.unit_[2] == pytest.approx(np.quantile(customers["money"], 0.05))
    assert make_preparer(log="none").fit(customers).logged_.tolist() == [False] * 3
    assert make_preparer(log=["even"]).fit(customers).logged_.tolist() == [False, True, False]


def test_a_logarithm_that_does_not_help_is_not_taken():
    """Most at 0, and the others all far away: as skewed with a logarithm as without."""
    assert (
        not make_preparer().fit(pd.DataFrame({"a": [0.0] * 90 + list(np.linspace(90, 110, 10))})).logged_[0]
    )


def test_cents_and_dollars_are_prepared_alike():
    money = np.exp(np.random.default_rng(0).normal(size=300))
    both = [make_preparer().fit_transform(pd.DataFrame({"a": money * unit})) for unit in (1, 100)]
    assert both[0] == pytest.approx(both[1])


def test_a_logged_feature_may_turn_negative_later():
    """A loss of 3 lies as far below 0 as a gain of 3 above."""
    preparer = make_preparer(log=["a"], scale="none").fit(pd.DataFrame({"a": [0.0, 1.0]}))
    assert preparer.unit_[0] == 1 and preparer.transform(pd.DataFrame({"a": [-3.0, 3.0]}))[:, 0].tolist() == [
        -np.log(4),
        np.log(4),
    ]


def test_outliers_are_pulled_in():
    """Of 1, …, 100 and a giant, the fence is five robust deviations from the median: 51 + 5 · 1.4826 · 25."""
    customers = pd.DataFrame({"a": [*range(1, 101), 1e9]})
    preparer = make_preparer(log="none").fit(customers)
    assert preparer.high_[0] == pytest.approx(51 + 5 * 1.4826 * 25)
    assert preparer.transform(customers).std() == pytest.approx(1)


def test_no_more_than_a_hundredth_is_pulled_in():
    values = np.concatenate([np.arange(900.0) % 10, np.full(100, 1e6)])
    preparer = make_preparer(log="none").fit(pd.DataFrame({"a": values}))
    assert preparer.high_[0] == 1e6


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


def test_missing_is_the_mean_with_a_flag():
    customers = pd.DataFrame({"a": [1.0, 2, 4, np.nan], "b": [1.0, 2, 3, 4]})
    values = prepared(customers)
    assert list(values) == ["a", "b", "a missing"] and values["a"].iloc[3] == 0
    assert np.ptp(values["a missing"]) == pytest.approx(np.sqrt(2)) and values["a missing"].idxmax() == 3


def test_missing_together_share_a_flag():
    """Who ordered once has no rhythm at all: that is one fact and should weigh as one."""
    nan = np.nan
    customers = pd.DataFrame(
        {"gap": [1, 2, nan], "late": [4, 5, nan], "rating": [nan, 1, 2], "empty": [nan] * 3}
    )
    assert list(prepared(customers)) == ["empty", "gap", "late", "rating", "gap missing", "rating missing"]


def test_rare_words_share_a_column():
    customers = pd.DataFrame({"w": pd.Categorical(["x"] * 3 + ["y"] * 2 + ["z", None])})
    values = prepared(customers, max_categories=2)
    assert list(values) == ["w = x", "w = y", f"w = {OTHER}", f"w = {MISSING}"]
    assert values.sum().to_list() == pytest.approx(WEIGHT * np.array([3, 2, 1, 1]))
    assert values.sum(axis=1).to_list() == pytest.approx([WEIGHT] * 7)


def test_new_words_are_rare_words():
    wide = make_preparer(max_categories=2).fit(pd.DataFrame({"w": ["x", "x", "y", "y", "z"]}))
    assert wide.transform(pd.DataFrame({"w": ["new", None]})) == pytest.approx(
        WEIGHT * np.array([[0, 0, 1], [0, 0, 0]])
    )
    narrow = make_preparer().fit(pd.DataFrame({"w": ["x", "y", "z"]}))
    assert narrow.transform(pd.DataFrame({"w": ["new"]})).tolist() == [[0, 0, 0]]


def test_copies_weigh_as_one():
    rng = np.random.default_rng(0)
    one = pd.DataFrame({"a": rng.normal(size=300), "w": rng.choice(list("xyz"), 300)})
    many = one.assign(
        b=3 - 2 * one["a"],
        c=one["a"] + rng.normal(0, 0.01, 300),
        v=one["w"].map({"x": "p", "y": "q", "z": "r"}),
    )
    distances = [
        ((made - made[:1]) ** 2).sum(axis=1) for made in (prepared(t).to_numpy() for t in (one, many))
    ]
    assert distances[0] == pytest.approx(distances[1], abs=0.1)
    preparer = make_preparer().fit(many)
    assert preparer.weight_ == pytest.approx(np.sqrt([1 / 3] * 3 + [1 / 2] * 6))


def test_weaker_correlations_are_left_alone():
    rng = np.random.default_rng(0)
    a = rng.normal(size=500)
    near = pd.DataFrame({"a": a, "b": a + rng.normal(0, 0.3, 500)})
    assert 0.94 < near.corr().iloc[0, 1] < 0.97 and make_preparer().fit(near).weight_.tolist() == [1, 1]


def test_weights_of_features_and_bases():
    rng = np.random.default_rng(0)
    customers = pd.DataFrame(rng.normal(size=(60, 3)), columns=["age", "visits", "gap"])
    customers["gap"] = customers["gap"].where(rng.random(60) < 0.5)
    customers["city"] = rng.choice(["a", "b", "c"], 60)
    customers.attrs["segkit"] = {
        "bases": {"age": "demographic", "city": "geographic", "visits": "behavioural"}
    }
    wanted = make_preparer(weights={"demographic": 0.5, "city": 0, "gap": 4}).fit(customers)
    assert wanted.weight_ == pytest.approx(np.sqrt([0.5, 4, 1, 4, 0, 0, 0]))
    with pytest.raises(ValueError, match="weights names 'agee', which is no feature"):
        make_preparer(weights={"agee": 1}).fit(customers)
    with pytest.raises(ValueError, match="The weight of 'age' is -1"):
        make_preparer(weights={"age": -1}).fit(customers)


def test_prepared_values_go_back():
    rng = np.random.default_rng(0)
    customers = pd.DataFrame(
        {
            "money": np.exp(rng.normal(size=200)),
            "share": rng.random(200),
            "gap": np.where(rng.random(200) < 0.3, np.nan, rng.random(200)),
            "vip": rng.random(200) < 0.2,
            "size": pd.Categorical.from_codes(rng.integers(0, 3, 200), ["S", "M", "L"], ordered=True),
            "city": rng.choice(["Rome", "Bern", "Oslo"], 200),
        }
    )
    preparer = make_preparer(fences=99).fit(customers)
    again = preparer.inverse_transform(preparer.transform(customers))
    for name in ("money", "share", "gap"):
        assert again[name].to_numpy() == pytest.approx(customers[name].to_numpy(), nan_ok=True)
    assert (again["vip"] == customers["vip"]).all()
    assert (
        again["size"].to_list() == customers["size"].to_list()
        and again["city"].to_list() == customers["city"].to_list()
    )
    left_out = make_preparer(weights={"money": 0, "city": 0}).fit(customers)
    again = left_out.inverse_transform(left_out.transform(customers))
    assert again["money"].nunique() == 1 and again["city"].isna().all()


def test_a_feature_left_out_gives_its_share_to_its_copies():
    rng = np.random.default_rng(0)
    customers = pd.DataFrame(rng.normal(size=(80, 2)), columns=["a", "b"]).assign(copy=lambda t: 2 * t["a"])
    for weights, factors in ((None, [np.sqrt(2), 1, 0]), ({"copy": 0}, [1, 1, 0])):
        preparer = make_preparer(weights=weights).fit(customers)
        without = preparer.weight_ * preparer.factors_without("copy")
        assert preparer.factors_without("copy") == pytest.approx(factors)
        assert without[:2] == pytest.approx(make_preparer().fit(customers[["a", "b"]]).weight_)


def test_owners_of_columns():
    customers = pd.DataFrame({"a": [1.0, np.nan], "b": [2.0, np.nan], "w": ["x", "y"]})
    assert make_preparer().fit(customers).owners_ == [["a"], ["b"], ["w"], ["a", "b"]]


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
    assert np.isfinite(together).all()
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
        ({"fences": 0}, "fences=0 should be a positive number"),
        ({"fences": np.nan}, "fences=nan should be a positive number"),
        ({"fences": "x"}, "fences='x' should be a positive number"),
        ({"max_categories": 0}, "max_categories=0 should be a whole number, 1 or more"),
        ({"max_categories": 1.5}, "max_categories=1.5 should be a whole number"),
        ({"log": 3}, "log is 3. It should be 'auto', 'none', or a list"),
        ({"weights": [2]}, "weights is a list. It should be a number for each feature"),
        ({"weights": {"a": 0}}, "The weights of all features are 0"),
        ({"log": "yes"}, "log='yes' is neither"),
        ({"log": ["b"]}, r"log names \['b'\], which are not numeric features"),
    ],
)
def test_wrong_parameters_are_explained(said, message):
    with pytest.raises((TypeError, ValueError), match=message):
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
    assert list(prepared(pd.DataFrame({"w": pd.Series(["x", None, "y", "z"], dtype=object)}))) == [
        "w = x",
        "w = y",
        "w = z",
        f"w = {MISSING}",
    ]


@pytest.mark.parametrize("huge", [1e200, -1e200, 1e308])
@pytest.mark.parametrize("scale", ["auto", "standard"])
def test_huge_numbers_are_clipped(huge, scale):
    values = pd.DataFrame({"balance": np.append(np.zeros(50), [huge, 1.0, 2.0]), "age": np.arange(53.0)})
    prepared = make_preparer(scale=scale).fit_transform(values)
    assert np.isfinite(prepared).all() and np.abs(prepared[50]).max() <= 8


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e-14, 1e200, 1e306])
@pytest.mark.parametrize("scale", ["auto", "standard"])
def test_the_unit_of_a_feature_changes_nothing(unit, scale):
    values = pd.DataFrame({"a": [10.0, 11, 12, 30, 31, 33], "b": [-5.0, -4, -5, 9, 8, 7]})
    expected = make_preparer(log="none", scale=scale).fit_transform(values)
    assert make_preparer(log="none", scale=scale).fit_transform(values * unit) == pytest.approx(expected)
