"""Tiers of value: equal in size, cut where values differ, and the same for whoever comes later."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import segkit as sg
from segkit.bands import value_feature


@parametrize_with_checks([sg.ValueBands(2)])
def test_scikit_learn_finds_an_estimator(estimator, check):
    check(estimator)


def customers(**columns):
    n = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=pd.Index([f"c{i:02}" for i in range(n)], name="customer_id"))


def test_bands_by_hand():
    bands = sg.value_bands(customers(monetary=[1.0, 2, 3, 40, 50, 600]), n_bands=3)
    assert bands.labels.to_list() == [2, 2, 1, 1, 0, 0]
    assert bands.names == {0: "Band 1: highest monetary", 1: "Band 2", 2: "Band 3: lowest monetary"}
    later = customers(monetary=[0.0, 2.5, 3, 49, 1e9])
    assert bands.assign(later).to_list() == [2, 2, 1, 1, 0]


def test_a_band_is_not_cut_through_equals():
    """Seven of ten never bought: one band of them, and what is left for the others."""
    bands = sg.value_bands(customers(monetary=[0.0] * 7 + [5, 6, 7]), n_bands=5)
    zeros = bands.labels[:7]
    assert zeros.nunique() == 1 and zeros.iloc[0] == max(bands.segments)
    assert len(bands.segments) < 5


@pytest.mark.parametrize("beside", [[1.0] * 8, [np.nan, np.nan, 1, 2, 3, 4, 5, 6.0]])
def test_who_has_no_value_is_outside(beside):
    """Also where another feature misses the same customers, and the two share a flag."""
    table = customers(a=beside, monetary=[np.nan, np.nan, 1, 2, 3, 4, 5, 6])
    bands = sg.value_bands(table, n_bands=2)
    assert bands.labels.to_list() == [-1, -1, 1, 1, 1, 0, 0, 0]
    assert bands.assign(table.iloc[[0, 7]]).to_list() == [-1, 0]


def test_value_is_said_or_money_or_what_goes_with_the_rest():
    table = customers(age=[3.0, 1, 2, 5], a=[1.0, 2, 3, 4], b=[2.0, 4, 6, 9], word=list("xyzx"))
    assert value_feature(table, "age") == "age"
    assert value_feature(table, None) in ("a", "b")
    table.attrs["segkit"] = {"units": {"age": "currency"}}
    assert value_feature(table, None) == "age"
    assert value_feature(table.assign(monetary=[1.0, 2, 3, 3]), None) == "monetary"


def test_no_value_is_explained():
    with pytest.raises(ValueError, match=r"by='monetry' is no numeric feature.*monetary"):
        sg.value_bands(customers(monetary=[1.0, 2, 3]), by="monetry")
    with pytest.raises(ValueError, match="no value to make bands of"):
        sg.value_bands(customers(word=["a", "b", "c"], same=[1.0, 1, 1]))
    with pytest.raises(ValueError, match="n_bands=1 should be 2 or more"):
        sg.value_bands(customers(monetary=[1.0, 2, 3]), n_bands=1)
    with pytest.raises(ValueError, match="There is no column 5"):
        sg.ValueBands(2, column=5).fit(np.ones((3, 2)))


def test_bands_are_saved_and_shown(tmp_path):
    table = customers(monetary=np.arange(1.0, 61), visits=np.arange(60.0)[::-1])
    bands = sg.value_bands(table)
    again = sg.Segmentation.load(bands.save(tmp_path / "bands"))
    assert again.labels.equals(bands.labels) and again.is_bands and "5 bands" in repr(again)
    assert set(sg.profile(bands)["feature"]) == {"monetary", "visits"}


def test_order_of_rows_changes_nothing():
    table = customers(monetary=np.random.default_rng(0).lognormal(size=50))
    mixed = sg.value_bands(table.sample(frac=1, random_state=1))
    assert mixed.hash == sg.value_bands(table).hash
