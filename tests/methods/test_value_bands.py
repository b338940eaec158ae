"""Value bands: tiers of equal size, cut where values differ, the same for new customers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import segkit as sg
from segkit.methods.value_bands import value_feature


@parametrize_with_checks([sg.ValueBands(2)])
def test_scikit_learn_contract(estimator, check):
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


def test_equal_values_share_a_band():
    """Seven of ten never bought: they are one band, and the others share the rest."""
    bands = sg.value_bands(customers(monetary=[0.0] * 7 + [5, 6, 7]), n_bands=5)
    zeros = bands.labels[:7]
    assert zeros.nunique() == 1 and zeros.iloc[0] == max(bands.segments)
    assert len(bands.segments) < 5


@pytest.mark.parametrize("beside", [[1.0] * 8, [np.nan, np.nan, 1, 2, 3, 4, 5, 6.0]])
def test_missing_values_are_outside(beside):
    """Also where another feature is missing for the same customers, so that the two share a flag."""
    table = customers(a=beside, monetary=[np.nan, np.nan, 1, 2, 3, 4, 5, 6])
    bands = sg.value_bands(table, n_bands=2)
    assert bands.labels.to_list() == [-1, -1, 1, 1, 1, 0, 0, 0]
    assert bands.assign(table.iloc[[0, 7]]).to_list() == [-1, 0]


def test_value_feature_by_default():
    table = customers(age=[3.0, 1, 2, 5], a=[1.0, 2, 3, 4], same=[2.0] * 4, word=list("xyzx"))
    assert value_feature(table, "age") == "age"
    with pytest.raises(ValueError, match=r"no value to divide by.*by='age'\), or another of age, a\.$"):
        value_feature(table, None)
    table.attrs["segkit"] = {"units": {"age": "days", "same": "currency"}}
    with pytest.raises(ValueError, match="no column that varies is called 'monetary' or is in currency"):
        value_feature(table, None)
    table.attrs["segkit"] = {"units": {"age": "currency"}}
    assert value_feature(table, None) == "age"
    assert value_feature(table.assign(monetary=[1.0, 2, 3, 3]), None) == "monetary"
    assert value_feature(table.assign(Monetary=[1.0, 2, 3, 3]), None) == "Monetary"


def test_wrong_arguments_are_explained():
    with pytest.raises(ValueError, match=r"by='monetry' is no numeric feature.*monetary"):
        sg.value_bands(customers(monetary=[1.0, 2, 3]), by="monetry")
    with pytest.raises(ValueError, match="no value to divide by"):
        sg.value_bands(customers(word=["a", "b", "c"], same=[1.0, 1, 1]))
    with pytest.raises(ValueError, match="n_bands=1 should be a whole number, 2 or more"):
        sg.value_bands(customers(monetary=[1.0, 2, 3]), n_bands=1)
    with pytest.raises(ValueError, match="There is no column 5"):
        sg.ValueBands(2, column=5).fit(np.ones((3, 2)))


@pytest.mark.parametrize("wrong", [2.5, "3", True, None])
def test_n_bands_is_whole(wrong):
    with pytest.raises(ValueError, match="should be a whole number, 2 or more"):
        sg.value_bands(customers(monetary=[1.0, 2, 3]), n_bands=wrong)


def test_constant_value_is_refused():
    with pytest.raises(ValueError, match="by='same' is the same for all 3 customers"):
        sg.value_bands(customers(monetary=[1.0, 2, 3], same=[7.0, 7, 7]), by="same")


def test_zero_spend_is_one_band():
    spend = [0.0] * 12 + [1, 2, 3, 4, 5, 6, 7, 8]
    bands = sg.value_bands(customers(monetary=spend), n_bands=5)
    assert bands.labels.value_counts().sort_index().to_list() == [2, 2, 2, 2, 12]
    assert bands.labels.groupby(bands.customers["monetary"]).first().to_dict() == {
        0: 4, 1: 3, 2: 3, 3: 2, 4: 2, 5: 1, 6: 1, 7: 0, 8: 0,
    }  # fmt: skip
    assert sg.value_bands(customers(monetary=spend), n_bands=2).labels.value_counts().to_dict() == {
        1: 12,
        0: 8,
    }


def test_more_bands_than_customers():
    assert sg.value_bands(customers(monetary=[3.0, 1])).labels.to_list() == [0, 1]
    assert sg.value_bands(customers(monetary=np.arange(20.0)), n_bands=1000).labels.nunique() == 20


def test_shared_high_value_leaves_two():
    bands = sg.value_bands(customers(rating=[1.0, 2] + [5.0] * 18), by="rating")
    assert len(bands.segments) == 2 and (bands.labels == 0).sum() == 18


def test_stability_in_any_column_order():
    rng = np.random.default_rng(1)
    for order in (["recency", "frequency", "monetary"], ["monetary", "recency", "frequency"]):
        table = customers(**{c: rng.lognormal(size=120) for c in order})
        rows = sg.stability(sg.value_bands(table), resamples=3, progress=False).segments
        assert (rows["without_feature"] == 1).all() and "monetary" not in set(rows["most_needed"])
    alone = sg.value_bands(table[["monetary", "recency"]])
    assert sg.stability(alone, resamples=3, progress=False).segments["most_needed"].eq("recency").all()


def test_segments_do_not_continue_bands():
    rng = np.random.default_rng(1)
    bands = sg.value_bands(customers(monetary=rng.lognormal(size=60), visits=rng.lognormal(size=60)))
    with pytest.raises(ValueError, match="numbered by value, so segments cannot continue them"):
        sg.segment(bands.customers, n_segments=3, previous=bands)
    apart = bands.customers.add(100.0 * (np.arange(60)[:, None] % 3))
    segments = sg.segment(apart, n_segments="auto", previous=bands)
    assert not segments.names and "bands are not continued" in segments.provenance["choice"]["why"]


def test_auto_keeps_bands_to_the_smallest_share():
    rng = np.random.default_rng(3)
    ungrouped = customers(monetary=rng.lognormal(size=200), visits=rng.lognormal(size=200))
    bands = sg.value_bands(ungrouped)
    again = sg.segment(ungrouped, n_segments="auto", previous=bands, min_share=0.3)
    assert again.provenance["method"] == "value_bands" and len(again.segments) == 3
    with pytest.raises(ValueError, match="min_share asks for 40%: many customers share"):
        sg.segment(
            ungrouped.assign(monetary=np.where(np.arange(200) < 140, 0, ungrouped["monetary"])),
            n_segments="auto",
            previous=bands,
            min_share=0.4,
        )
    with pytest.raises(ValueError, match="method='hdbsacn' is none of"):
        sg.segment(ungrouped, n_segments="auto", method="hdbsacn")


def test_bands_are_saved(tmp_path):
    table = customers(monetary=np.arange(1.0, 61), visits=np.arange(60.0)[::-1])
    bands = sg.value_bands(table)
    again = sg.Segmentation.load(bands.save(tmp_path / "bands"))
    assert again.labels.equals(bands.labels) and "5 segments" in repr(again)
    assert set(sg.profile(bands)["feature"]) == {"monetary", "visits"}


def test_row_order_changes_nothing():
    table = customers(monetary=np.random.default_rng(0).lognormal(size=50))
    mixed = sg.value_bands(table.sample(frac=1, random_state=1))
    assert mixed.hash == sg.value_bands(table).hash


def test_the_feature_of_earlier_bands_can_be_kept():
    table = customers(a=[1.0, 2, 3, 4, 5, 6], monetary=[1.0, 2, 3, 4, 6, 5])
    earlier = sg.value_bands(table, by="a", n_bands=2)
    kept = sg.value_bands(table, by=earlier.provenance["by"], n_bands=2)
    assert kept.provenance["by"] == "a" and kept.names[0] == "Band 1: highest a"
    with pytest.raises(ValueError, match=r"again: value_bands\(customers, by='a'\)"):
        sg.segment(table, n_segments=2, previous=earlier)


def test_words_that_are_all_missing_are_no_obstacle():
    table = pd.DataFrame({"monetary": np.arange(60.0) ** 2, "plan": [None] * 60, "age": np.arange(60) % 7})
    assert sg.value_bands(table, n_bands=3).labels.value_counts().to_list() == [20, 20, 20]
