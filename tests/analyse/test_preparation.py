"""The table of how features are prepared: what each is, its scale, its copies, and what changes it."""

import numpy as np
import pandas as pd
import pytest

import segkit as sg

N = 200


@pytest.fixture(scope="module")
def customers():
    rng = np.random.default_rng(0)
    spend = np.exp(rng.normal(4, 1, N))
    spend[0] = 1e6
    unknown = np.arange(N) < 40
    sizes = pd.CategoricalDtype(["S", "M", "L"], ordered=True)
    columns = {
        "spend": spend,
        "copy": 1.1 * spend,
        "visits": rng.poisson(3, N),
        "age": np.where(unknown, np.nan, rng.normal(40, 9, N)),
        "miles": np.where(unknown, np.nan, rng.normal(0, 1, N)),
        "vip": rng.choice(["no", "yes"], N, p=[0.9, 0.1]),
        "mail": rng.random(N) < 0.5,
        "coupon": rng.integers(2, size=N) + 1,
        "size": pd.Series(rng.choice(["S", "M", "L"], N)).astype(sizes).array,
        "city": [f"city {i % 20:02}" for i in range(N)],
        "same": 1.0,
    }
    return pd.DataFrame(columns, index=[f"c{i:03}" for i in range(N)])


def test_what_each_feature_is(customers):
    table = sg.preparation(customers)
    assert table.index.name == "feature" and list(table.index) == list(customers.columns)
    assert table["is"].to_dict() == {
        "spend": "number", "copy": "number", "visits": "count", "age": "number", "miles": "number",
        "vip": "two values", "mail": "two values", "coupon": "two values", "size": "words in order", "city": "words",
        "same": "one value",
    }  # fmt: skip
    assert table.index[table["logarithm"]].to_list() == ["spend", "copy"]
    assert table["missing"].to_dict() == dict.fromkeys(table.index, 0) | {"age": 0.2, "miles": 0.2}
    assert table.loc[["vip", "size"], "levels"].to_list() == ["no, yes", "S, M, L"]
    assert table.loc["city", "levels"].endswith("and 7 more, (other)")


def test_fences_and_scales_are_in_the_features_unit(customers):
    table = sg.preparation(customers)
    assert table["low"].isna().all() and table.index[table["high"].notna()].to_list() == ["spend", "copy"]
    preparer = sg.make_preparer().fit(customers)
    pulled_in = preparer.inverse_transform(preparer.transform(customers))["spend"]
    assert table.loc["spend", "high"] == pytest.approx(pulled_in.max()) and pulled_in.max() < 1e5
    assert table.loc["age", "scale"] == pytest.approx(customers["age"].std(ddof=0))
    assert 2 < table.loc["spend", "scale"] < 3  # a factor
    assert np.isnan(table.loc["city", "scale"])


def test_copies_share_a_weight(customers):
    table = sg.preparation(customers)
    assert table.loc[["spend", "copy"], "same_as"].to_list() == ["copy", "spend"]
    others = table.index.drop(["spend", "copy"])
    assert table.loc[["spend", "copy"], "weight"].eq(0.5).all() and table.loc[others, "weight"].eq(1).all()
    assert "weights={'copy': 0} leaves it out" in table.loc["copy", "change"]
    assert table.loc["same", "change"] == "segment leaves it out"


def test_weights_are_shown_and_a_copy_of_weight_0_shares_nothing(customers):
    table = sg.preparation(customers, sg.make_preparer(weights={"city": 2, "copy": 0}, log="none"))
    assert table.loc[["city", "copy", "spend"], "weight"].to_list() == [2, 0, 1]
    assert not table["logarithm"].any()
    alone = sg.make_preparer(log="none").fit_transform(customers[["spend", "visits"]])
    beside = sg.make_preparer(log="none", weights={"copy": 0}).fit_transform(
        customers[["spend", "visits", "copy"]]
    )
    np.testing.assert_allclose(beside, np.column_stack([np.zeros(N), alone]))  # by name: copy, spend, visits


def test_the_preparer_of_a_result_is_shown_as_it_is(customers):
    varied = customers.drop(columns="same")
    result = sg.segment(varied, n_segments=3)
    pd.testing.assert_frame_equal(sg.preparation(varied, result.model[0]), sg.preparation(varied))
    few = sg.preparation(varied.tail(30), result.model[0])
    assert few.loc["age", "scale"] == pytest.approx(customers["age"].std(ddof=0))
    with pytest.raises(ValueError, match="feature names"):
        sg.preparation(varied[["age"]], result.model[0])
    with pytest.raises(TypeError, match=r"preparer is .*It should be from make_preparer\(…\)"):
        sg.preparation(varied, "auto")


def test_empty_and_single_columns():
    nothing = pd.DataFrame({"a": [np.nan, np.nan], "b": [None, None], "c": ["x", "x"]}, index=["u", "v"])
    table = sg.preparation(nothing)
    assert table["is"].eq("one value").all() and table["scale"].isna().all()
    assert table.loc["a", "missing"] == 1
