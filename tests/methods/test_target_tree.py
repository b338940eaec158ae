"""Segments that differ in a stated outcome: by hand, with words and missing values, and as rules."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_series_equal
from sklearn.tree import DecisionTreeRegressor

import segkit as sg
from segkit.methods.target_tree import _columns


def customers(n=200, seed=0):
    """Spend depends on visits, the channel, and on whether age is known."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "visits": rng.integers(0, 1000, n) / 7,
            "age": np.where(rng.random(n) < 0.3, np.nan, rng.integers(18, 80, n)),
            "top channel": rng.choice(["web", "shop's", None], n),
        },
        index=[f"c{i:03}" for i in range(n)],
    )
    spend = 100 * (table["visits"] > 70) + 40 * (table["top channel"] == "shop's") + 20 * table["age"].isna()
    return table, spend.rename("spend")


def test_the_planted_cuts_are_found(tmp_path):
    table, spend = customers()
    model = sg.target_tree(table, spend, n_segments=8, min_share=0.01)
    result = sg.segment(table, model=model)
    assert len(result.segments) == 8 and -1 not in set(result.labels)
    assert spend.groupby(result.labels).nunique().eq(1).all()
    assert spend.groupby(result.labels).first().is_monotonic_decreasing
    assert "visits > 70" in result.names[0] and '`top channel` == "shop\'s"' in result.names[0]
    again = sg.Segmentation.load(result.save(tmp_path / "segments"))
    assert_series_equal(again.assign(table[::-1])[::-1], result.labels)


@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_tree_of_scikit_learn(seed):
    """Also where a branch is cut by a value and later by whether it is known."""
    table, spend = customers(seed=seed)
    table["age"] = table["age"] // 10
    noisy = spend / 4 + 20 * (table["age"] > 6) + np.random.default_rng(seed).normal(size=len(spend)) * 20
    model = sg.target_tree(table, noisy, n_segments=12, min_share=0.02)
    holds = model[0].fit_transform(table)[:, : len(model[0].rules)]
    assert (holds.sum(axis=1) == 1).all()
    tree = DecisionTreeRegressor(max_leaf_nodes=12, min_samples_leaf=4, random_state=0)
    columns = np.column_stack([values for *_, values in _columns(table)])
    leaves = tree.fit(columns, noisy).apply(columns)
    assert len(set(zip(leaves, holds.argmax(axis=1), strict=True))) == len(set(leaves)) == 12


def test_rows_and_words_as_outcome():
    """A column as outcome is in no rule; the order of rows changes nothing; missing outcomes are left out."""
    table, spend = customers()
    with_outcome = table.assign(big=np.where(spend >= 100, "yes", "no"))
    model = sg.target_tree(with_outcome, "big", n_segments=2)
    result = sg.segment(table, model=model)
    assert set(result.names.values()) == {"visits <= 70", "visits > 70"}
    assert (result.named_labels[spend < 100] == result.names[0]).all()
    mixed = with_outcome.sample(frac=1, random_state=0)
    mixed.loc[mixed.index[:5], "big"] = None
    again = sg.segment(table, model=sg.target_tree(mixed, "big", n_segments=2))
    assert next(iter(again.names.values())).startswith("visits <=")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": "spnd"}, "outcome='spnd' is no column of customers. Did you mean 'spend'?"),
        ({"outcome": pd.Series([1.0], index=["c000"])}, "'c001' is not in it"),
        ({"outcome": [1, 2]}, "outcome is a list"),
        ({"outcome": customers()[1] * 0}, "200 customers with one does not vary"),
        ({"min_share": 0.9}, "min_share=0.9 is not the share"),
        ({"n_segments": 1}, "n_segments=1 should be"),
        ({"outcome": customers()[1].replace(0, np.inf)}, "'outcome' holds infinity"),
        ({"outcome": customers()[1] * 1j}, "The outcome holds complex values"),
        ({"outcome": customers()[1].astype(object).replace(0, "none")}, "The outcome holds mixed"),
        ({"outcome": pd.Series(customers()[0].index, customers()[0].index)}, "200 words for 200 customers"),
        ({"outcome": pd.to_datetime(customers()[1])}, "'outcome' holds dates"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    table, spend = customers()
    arguments = {"outcome": "spend"} | change
    with pytest.raises((TypeError, ValueError)) as caught:
        sg.target_tree(table.assign(spend=spend), **arguments)
    assert message in str(caught.value)


def test_features_that_say_nothing_are_named():
    table = pd.DataFrame({"same": [1.0] * 20}, index=range(20))
    with pytest.raises(ValueError, match="No feature tells the outcome apart"):
        sg.target_tree(table, pd.Series(range(20)))


@pytest.mark.parametrize("name", ["class", "None", "it's `q`", "``", "ﬁt", "größe", "top age"])
def test_any_name_and_size_can_be_cut(name):
    """Names that Python reads otherwise; numbers that overflow or that single precision takes for equal."""
    ranks = np.repeat([3, 0, 4, 1, 5, 2], 5)
    high = ranks > 2
    outcome = pd.Series(np.where(high, 1e300, -1e300))
    for numbers in (ranks * 1e300, ranks * 1e-300, 1.7e9 + ranks):
        table = pd.DataFrame({name: numbers, "other": np.arange(30) % 3})
        result = sg.segment(table, model=sg.target_tree(table, outcome, n_segments=2))
        assert (result.labels == np.where(high, 0, 1)).all()
