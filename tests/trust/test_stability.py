"""Planted segments come back; arbitrary parts of a continuum need not."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.pipeline import make_pipeline
from tables import three_groups

import segkit as sg
from segkit.trust.micro_clusters import compress
from segkit.trust.stability import LEVELS, in_words


def measured(result, **arguments):
    return sg.stability(result, **({"resamples": 10, "progress": False} | arguments))


def continuum(n=400, d=3, seed=0):
    values = np.random.default_rng(seed).normal(size=(n, d))
    return pd.DataFrame(values, columns=list("abc")[:d], index=pd.RangeIndex(n))


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "mixed_mixture", "ward"])
def test_planted_segments_come_back(method):
    stable = measured(sg.segment(three_groups(), n_segments=3, method=method))
    table = stable.segments
    assert table.index.to_list() == [0, 1, 2] and table["share"].sum() == pytest.approx(1)
    for column in ("jaccard", "low", "high", "recovered", "prediction_strength", "other_seeds"):
        assert table[column].eq(1).all(), column
    assert (table["verdict"] == "very stable").all() and stable.weakest == 1
    assert repr(stable).startswith("Stability over 10 bootstrap samples")


def test_six_arbitrary_parts_do_not():
    stable = measured(sg.segment(continuum(), n_segments=6), resamples=20)
    assert stable.weakest < 0.75 and (stable.segments["low"] < stable.segments["jaccard"]).all()
    assert stable.segments["prediction_strength"].min() < 0.8


def test_most_needed_feature_is_named():
    """The third group differs from the first in spend alone."""
    table = measured(sg.segment(three_groups(), n_segments=3)).segments
    assert set(table["most_needed"]) == {"visits", "spend"} and (table["without_feature"] <= 0.6).any()


def test_the_feature_that_makes_the_segments_has_the_influence():
    """Two groups in `spend`, which `noise` and `copy` do not change; without it nothing of them is left."""
    rng = np.random.default_rng(0)
    customers = pd.DataFrame(
        {"noise": rng.normal(0, 0.1, 400), "spend": np.repeat([0.0, 10.0], 200) + rng.normal(0, 0.1, 400)},
        index=[f"c{i:03}" for i in range(400)],
    )
    result = sg.segment(
        customers, model=make_pipeline(sg.make_preparer(), KMeans(2, n_init=3, random_state=0))
    )
    table = sg.feature_influence(result)
    assert list(table.index) == ["spend", "noise"]
    assert table["agreement"]["noise"] == 1.0 and abs(table["agreement"]["spend"]) < 0.05
    shuffled = sg.segment(customers.sample(frac=1, random_state=1), model=result.model)
    assert_frame_equal(sg.feature_influence(shuffled), table)
    copied = sg.feature_influence(sg.segment(customers.assign(copy=customers["spend"]), n_segments=2))
    assert copied["agreement"].to_dict() == {"noise": 1.0, "spend": 1.0, "copy": 1.0}


def test_what_cannot_be_left_out_has_no_agreement():
    customers = pd.DataFrame({"spend": [1.0, 2, 30, 31]}, index=list("abcd"))
    assert sg.feature_influence(sg.segment(customers, n_segments=2))["agreement"].isna().all()
    bands = sg.value_bands(customers.assign(orders=[1, 2, 1, 2]), by="spend", n_bands=2)
    assert sg.feature_influence(bands)["agreement"].isna().to_dict() == {"spend": True, "orders": False}
    with pytest.raises(TypeError, match="result"):
        sg.feature_influence(customers)


def test_consensus_is_blocks():
    stable = measured(sg.segment(three_groups(), n_segments=3))
    together = stable.consensus.to_numpy()
    names = np.array(stable.consensus.attrs["segments"])
    same = names[:, None] == names[None, :]
    assert np.nanmin(together[same]) == 1 and np.nanmax(together[~same]) == 0
    assert list(names) == sorted(names) and stable.consensus.index.is_unique


def test_noise_is_no_segment():
    customers = pd.concat(
        [three_groups(), pd.DataFrame({"visits": [500.0], "spend": [500.0]}, index=["far"])]
    )
    table = measured(sg.segment(customers, model=HDBSCAN(min_cluster_size=5, copy=True))).segments
    assert -1 not in table.index and table["jaccard"].between(0, 1).all()


def test_row_order_changes_nothing():
    result = sg.segment(continuum(), n_segments=3)
    mixed = sg.segment(continuum().sample(frac=1, random_state=0), n_segments=3)
    assert_frame_equal(measured(result).segments, measured(mixed).segments)


def test_micro_clusters_stand_for_customers(monkeypatch):
    whole = measured(sg.segment(continuum(2_000), n_segments=2), resamples=20)
    monkeypatch.setattr(
        "segkit.trust.stability.compress", lambda rows, rng, **_: compress(rows, rng, most=500)
    )
    fewer = measured(sg.segment(continuum(2_000), n_segments=2), resamples=20)
    assert fewer.facts["looked_at"] == 2_000
    assert fewer.segments["jaccard"].to_numpy() == pytest.approx(
        whole.segments["jaccard"].to_numpy(), abs=0.1
    )


def test_levels_in_words():
    assert [in_words(x) for x in (1, 0.8, 0.65, 0.2)] == [word for _, word in LEVELS]


def test_wrong_arguments_are_explained():
    one = sg.segment(three_groups(), model=HDBSCAN(min_cluster_size=50, copy=True, allow_single_cluster=True))
    with pytest.raises(ValueError, match="stability compares 2 or more"):
        measured(one)
    with pytest.raises(ValueError, match="resamples=0"):
        measured(sg.segment(three_groups(), n_segments=2), resamples=0)
