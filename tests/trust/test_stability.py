"""Which segments come back: planted ones do, arbitrary cuts of one crowd need not."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.cluster import HDBSCAN
from tables import three_groups

import segkit as sg
from segkit.trust.micro_clusters import compress
from segkit.trust.stability import LEVELS, in_words

pytestmark = pytest.mark.usefixtures("structure_not_asked")


def told(result, **said):
    return sg.stability(result, **({"resamples": 10, "progress": False} | said))


def crowd(n=400, d=3, seed=0):
    values = np.random.default_rng(seed).normal(size=(n, d))
    return pd.DataFrame(values, columns=list("abc")[:d], index=pd.RangeIndex(n))


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "ward"])
def test_planted_segments_come_back(method):
    found = told(sg.segment(three_groups(), n_segments=3, method=method))
    table = found.segments
    assert table.index.to_list() == [0, 1, 2] and table["share"].sum() == pytest.approx(1)
    for column in ("jaccard", "low", "high", "recovered", "prediction_strength", "other_seeds"):
        assert table[column].eq(1).all(), column
    assert (table["verdict"] == "very stable").all() and found.weakest == 1
    assert repr(found).startswith("Stability over 10 bootstrap samples")


def test_a_crowd_cut_in_six_does_not():
    found = told(sg.segment(crowd(), n_segments=6), resamples=20)
    assert found.weakest < 0.75 and (found.segments["low"] < found.segments["jaccard"]).all()
    assert found.segments["prediction_strength"].min() < 0.8


def test_a_segment_that_one_feature_makes_says_which():
    """The third group differs from the first in spend alone."""
    table = told(sg.segment(three_groups(), n_segments=3)).segments
    assert set(table["most_needed"]) == {"visits", "spend"} and (table["without_feature"] <= 0.6).any()


def test_the_consensus_of_planted_segments_is_blocks():
    found = told(sg.segment(three_groups(), n_segments=3))
    together = found.consensus.to_numpy()
    names = np.array(found.consensus.attrs["segments"])
    same = names[:, None] == names[None, :]
    assert np.nanmin(together[same]) == 1 and np.nanmax(together[~same]) == 0
    assert list(names) == sorted(names) and found.consensus.index.is_unique


def test_noise_is_no_segment():
    customers = pd.concat(
        [three_groups(), pd.DataFrame({"visits": [500.0], "spend": [500.0]}, index=["far"])]
    )
    table = told(sg.segment(customers, model=HDBSCAN(min_cluster_size=5, copy=True))).segments
    assert -1 not in table.index and table["jaccard"].between(0, 1).all()


def test_rows_in_another_order_change_nothing():
    result = sg.segment(crowd(), n_segments=3)
    mixed = sg.segment(crowd().sample(frac=1, random_state=0), n_segments=3)
    assert_frame_equal(told(result).segments, told(mixed).segments)


def test_many_customers_are_asked_through_micro_clusters(monkeypatch):
    whole = told(sg.segment(crowd(2_000), n_segments=2), resamples=20)
    monkeypatch.setattr(
        "segkit.trust.stability.compress", lambda rows, rng, **_: compress(rows, rng, most=500)
    )
    fewer = told(sg.segment(crowd(2_000), n_segments=2), resamples=20)
    assert fewer.facts["looked_at"] == 2_000
    assert fewer.segments["jaccard"].to_numpy() == pytest.approx(
        whole.segments["jaccard"].to_numpy(), abs=0.1
    )


def test_what_hennig_says():
    assert [in_words(x) for x in (1, 0.8, 0.65, 0.2)] == [word for _, word in LEVELS]


def test_one_segment_or_no_resample_is_explained():
    one = sg.segment(three_groups(), model=HDBSCAN(min_cluster_size=50, copy=True, allow_single_cluster=True))
    with pytest.raises(ValueError, match="2 or more can be compared"):
        told(one)
    with pytest.raises(ValueError, match="resamples=0"):
        told(sg.segment(three_groups(), n_segments=2), resamples=0)
