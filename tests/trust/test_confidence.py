"""Confidence is how often a model of other customers would agree; a row's confidence depends on no other row."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal
from shared_data import CHECKOUT
from sklearn.cluster import (
    DBSCAN,
    HDBSCAN,
    OPTICS,
    AffinityPropagation,
    BisectingKMeans,
    KMeans,
    MiniBatchKMeans,
    SpectralClustering,
)
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import three_groups
from threadpoolctl import threadpool_limits

import segkit as sg
from segkit.methods.assignment import _by_differences, nearest
from segkit.trust.confidence import ensemble
from segkit.trust.confidence.calibration import calibrated
from segkit.trust.confidence.voting import NO_MATCH, count_votes

sys.path.append(str(CHECKOUT / "benchmarks"))
from confidence import by_bin, reliability

pytestmark = pytest.mark.usefixtures("quick_refits")


@pytest.fixture(scope="module")
def quick_refits():
    """Fit 20 models instead of 50, on one thread, since several would wait for each other at every small table."""
    with threadpool_limits(limits=1), pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble, "MODELS", 20)
        yield


def touching_groups(n=90, seed=0):
    """Three groups that touch, some values missing, and a word."""
    rng = np.random.default_rng(seed)
    group = np.arange(n) % 3
    table = pd.DataFrame(
        rng.normal(size=(n, 2)) + np.array([[0, 0], [3, 0], [0, 4]])[group],
        columns=["balance", "trend"],
        index=[f"c{i:03}" for i in range(n)],
    )
    table["spend"] = np.exp(rng.normal(size=n) + group)
    table.loc[table.index[::11], "spend"] = np.nan
    return table.assign(channel=np.where(group == 1, "web", "shop"))


def prepared_for(clusterer):
    return {"model": make_pipeline(sg.make_preparer(), clusterer)}


METHODS = {
    "kmeans": {"n_segments": 3},
    "gaussian_mixture": {"n_segments": 3, "method": "gaussian_mixture"},
    "mixed_mixture": {"n_segments": 3, "method": "mixed_mixture"},
    "ward": {"n_segments": 3, "method": "ward"},
    "MiniBatchKMeans": prepared_for(MiniBatchKMeans(3, n_init=1, random_state=0)),
    "tied mixture": prepared_for(GaussianMixture(3, covariance_type="tied", random_state=0)),
    "HDBSCAN": prepared_for(HDBSCAN(min_cluster_size=10, copy=True)),
    "OPTICS": prepared_for(OPTICS(min_samples=8)),
    "DBSCAN": prepared_for(DBSCAN(eps=1.0)),
    "SpectralClustering": prepared_for(SpectralClustering(3, random_state=0)),
    "AffinityPropagation": prepared_for(AffinityPropagation(preference=-60, random_state=0)),
    "BisectingKMeans": prepared_for(BisectingKMeans(3, random_state=0)),
    "three steps": {
        "model": make_pipeline(sg.make_preparer(), StandardScaler(), KMeans(3, n_init=1, random_state=0))
    },
}


@pytest.fixture(scope="module", params=METHODS)
def result(request):
    return sg.segment(touching_groups(), **METHODS[request.param])


@pytest.fixture(scope="module")
def placed(result):
    """The fitted customers and some new ones, placed together."""
    return result.place(pd.concat([result.customers, touching_groups(6, seed=5).rename("new {}".format)]))


@pytest.fixture(scope="module")
def kmeans():
    return sg.segment(touching_groups(), n_segments=3)


# --- a row does not depend on the others --------------------------------------------------------------


def test_place_does_not_depend_on_batch(result, placed):
    """By every method: the label, the confidence and the runner-up, bit for bit."""
    new = touching_groups(6, seed=5).rename("new {}".format)
    assert_series_equal(placed["segment_id"].tail(6), result.assign(new).rename("segment_id"))
    for i in new.index[::2]:
        assert_frame_equal(result.place(new.loc[[i]]), placed.loc[[i]], check_exact=True)


def test_fitted_customers_are_placed_alike(result, placed):
    placed = placed.head(90)
    assert placed["confidence"].between(0, 1).all()
    assert_series_equal(placed["confidence"], result.confidence, check_exact=True)
    assert_series_equal(placed["segment_id"], result.labels.rename("segment_id"))


def test_rfm_segments_have_confidence():
    rng = np.random.default_rng(0)
    columns = ["recency", "frequency", "monetary"]
    customers = pd.DataFrame(np.exp(rng.normal(3, 1, (200, 3))), columns=columns)
    result = sg.segment(customers, model=sg.RFMSegmenter())
    placed = result.place(customers)
    assert 0.5 < placed["confidence"].mean() < 1
    for i in customers.index[::23]:
        assert_frame_equal(result.place(customers.loc[[i]]), placed.loc[[i]], check_exact=True)


@pytest.fixture(scope="module", params=["kmeans", "gaussian_mixture"])
def of_numbers(request):
    return sg.segment(touching_groups(60).drop(columns="channel"), n_segments=3, method=request.param)


ODD_NUMBERS = st.sampled_from([0.0, 1.0, 2.0, 5.0, 40.0, 1e6, -1e200, float("nan")])


@given(rows=st.lists(st.lists(ODD_NUMBERS, min_size=3, max_size=3), min_size=2, max_size=9))
def test_odd_rows_do_not_depend_on_batch(of_numbers, rows):
    new = pd.DataFrame(rows, columns=of_numbers.customers.columns)
    placed = of_numbers.place(new)
    for i in new.index:
        assert_frame_equal(of_numbers.place(new.loc[[i]]), placed.loc[[i]], check_exact=True)


@settings(max_examples=30)
@given(seed=st.integers(0, 999), far=st.sampled_from([0.0, 1.0, 1e8, 1e200]), d=st.integers(1, 12))
def test_nearest_center_is_exact(seed, far, d):
    """Also among ties, of which whole numbers have many, and where squares overflow."""
    rng = np.random.default_rng(seed)
    rows, centers = rng.integers(-2, 3, (60, d)) + far, rng.integers(-2, 3, (5, d)) + far
    with np.errstate(over="ignore", invalid="ignore"):
        exact = _by_differences(rows, centers)
        assert (nearest(rows, centers) == exact).all()
        assert [nearest(rows[[i]], centers)[0] for i in range(60)] == exact.tolist()


def test_row_order_and_threads_change_nothing(kmeans):
    mixed = touching_groups().sample(frac=1, random_state=3)
    with threadpool_limits(limits=2):
        again = sg.segment(mixed, n_segments=3).confidence
    assert_series_equal(again.loc[kmeans.confidence.index], kmeans.confidence, check_exact=True)


def test_seed_changes_the_refits(kmeans):
    other = sg.segment(touching_groups(), n_segments=3, random_state=1)
    assert not other.confidence.equals(kmeans.confidence)


def test_more_customers_raise_confidence(kmeans):
    assert sg.segment(touching_groups(900), n_segments=3).confidence.mean() > kmeans.confidence.mean()


def test_small_refits_are_corrected(kmeans, monkeypatch):
    """Refits on 15 customers err more than those on 45, and mean the same once corrected."""
    customers, labels = kmeans.customers, kmeans.labels
    monkeypatch.setattr(ensemble, "MOST", 15)
    small = sg.segment(customers, n_segments=3)
    assert_series_equal(small.labels, labels)
    votes = small._ensemble.votes(None, small.prepared.to_numpy())
    raw = (votes == labels.to_numpy()[:, None]).mean()
    assert raw < kmeans.confidence.mean() - 0.02
    assert small.confidence.mean() == pytest.approx(kmeans.confidence.mean(), abs=0.03)


# --- votes and confidence -----------------------------------------------------------------------


def test_count_votes_by_hand():
    """Four models: how many agree, and the runner-up; a cluster may match no segment."""
    votes = np.array(
        [[0, 0, 0, 0], [0, 1, 1, 2], [1, 2, 0, NO_MATCH], [1, NO_MATCH, NO_MATCH, NO_MATCH], [0, -1, -1, 0]]
    )
    agreeing, runner_up = count_votes(votes, np.array([0, 0, 1, 1, 0]))
    assert agreeing.tolist() == [4, 1, 1, 1, 2]
    assert runner_up.tolist() == [NO_MATCH, 1, 0, NO_MATCH, -1]


def test_calibrated_by_hand():
    """Two votes each: of shares 0, 0.5, 0.5 and 1, E[p(1 - p)] is 1/4 and Var[p] is 0, so that all is chance.

    Of 0, 0, 0.5, 1 and 1 they are 1/10 and 3/20: the prior counts for 2/3 of a vote, half of it in favour. For the one
    added customer, of any share, each count has probability 1/3 and means a share of 1/4, 1/2 or 3/4. For four
    customers at 0.5 the counts have probabilities 1/4, 1/2 and 1/4, for five of that prior 2/5, 1/5 and 2/5.
    """
    one = (4 / 4 * 1 / 2 + 1 / 3 * 1 / 4) / (4 / 4 + 1 / 3)
    assert calibrated(np.array([0, 1, 1, 2]), 2, 1.0) == pytest.approx([one, 0.5, 1 - one])
    one = (5 * 2 / 5 * 1 / 8 + 1 / 3 * 1 / 4) / (5 * 2 / 5 + 1 / 3)
    assert calibrated(np.array([0, 0, 1, 2, 2]), 2, 1.0) == pytest.approx([one, 1 / 2, 1 - one])


@pytest.mark.parametrize("error_ratio", [1.0, 3.0])
@pytest.mark.parametrize(
    "agreeing", [[50] * 89 + [49], [49] * 90, [50] * 80 + [49] * 10, [50] * 89 + [48], [0] * 89 + [1]]
)
def test_split_votes_are_always_undecided(agreeing, error_ratio):
    """However alike the fitted customers are."""
    confidence = calibrated(np.array(agreeing), 50, error_ratio)
    assert confidence[25] == pytest.approx(0.5, abs=0.05)
    assert confidence[0] < 0.1 and confidence[50] > 0.9
    if error_ratio == 1:  # customers like all others keep their share
        assert confidence[agreeing[0]] == pytest.approx(agreeing[0] / 50, abs=0.02)
    assert (np.diff(confidence) >= -1e-12).all()


def test_calibrated_votes_match_true_shares():
    """Customers with known true shares: at each confidence, their mean share is that confidence."""
    rng = np.random.default_rng(0)
    share = rng.beta(3, 1.5, 200_000)
    agreeing = rng.binomial(50, share)
    confidence = calibrated(agreeing[:1_000], 50, 1.0)
    off = (
        pd.Series(confidence[agreeing] - share)
        .groupby(pd.cut(confidence[agreeing], np.linspace(0, 1, 11)))
        .mean()
    )
    raw = pd.Series(agreeing / 50 - share).groupby(pd.cut(agreeing / 50, np.linspace(0, 1, 11))).mean()
    assert off.abs().max() < 0.015 < 0.04 < raw.abs().max()


@pytest.mark.parametrize("error_ratio", [1.0, 3.0])
@given(agreeing=st.lists(st.integers(0, 50), min_size=1, max_size=40))
def test_more_votes_never_lower_confidence(agreeing, error_ratio):
    confidence = calibrated(np.array(agreeing), 50, error_ratio)
    assert confidence.shape == (51,) and ((confidence >= 0) & (confidence <= 1)).all()
    assert (np.diff(confidence) >= -1e-12).all()


def test_distant_groups_have_high_confidence():
    rng = np.random.default_rng(0)
    customers = pd.DataFrame({"visits": np.r_[rng.normal(0, 1, 100), rng.normal(20, 1, 100)]})
    result = sg.segment(customers, n_segments=2)
    assert (result.confidence > 0.999).all() and not result.undecided().any()
    center = result.customers.groupby(result.labels)["visits"].mean()
    between = result.place(pd.DataFrame({"visits": [center.mean(), center[0]]}, index=["between", "inside"]))
    assert between.loc["between", "confidence"] < 0.95 and between.loc["inside", "confidence"] > 0.999
    assert between["runner_up"].isna().tolist() == [False, True]
    assert between.loc["between", "runner_up"] == 1 - between.loc["between", "segment_id"]


def test_low_confidence_is_called_undecided(kmeans):
    named = kmeans.with_names({0: "Regulars"})
    placed = named.place(touching_groups(), undecided_below=0.8)
    low = placed["confidence"] < 0.8
    assert low.any() and not low.all()
    assert (placed.loc[low, "segment"] == "Undecided").all()
    assert (placed.loc[~low, "segment"] == placed.loc[~low, "segment_id"].map(named.name_of)).all()
    assert_series_equal(named.undecided(0.8), low.rename("undecided"))
    assert (named.place(touching_groups(), undecided_below=0)["segment"] != "Undecided").all()


def test_renaming_keeps_the_ensemble(kmeans):
    kmeans.confidence  # noqa: B018
    assert kmeans.with_names({0: "A"})._ensemble is kmeans._ensemble


def test_undecided_cannot_be_a_name(kmeans):
    with pytest.raises(ValueError, match="would be called 'Undecided'"):
        kmeans.with_names({0: "Undecided"})


@pytest.mark.parametrize("level", [-0.1, 1.1, np.nan, "high"])
def test_wrong_level_is_refused(kmeans, level):
    with pytest.raises(ValueError, match=r"undecided_below=.* should be a confidence"):
        kmeans.place(touching_groups(), undecided_below=level)
    with pytest.raises(ValueError, match=r"below=.* should be a confidence"):
        kmeans.undecided(level)


def test_wrong_customers_are_explained(kmeans):
    with pytest.raises(ValueError, match="no feature 'spend'"):
        kmeans.place(touching_groups().drop(columns="spend"))
    with pytest.raises(ValueError, match="could not be assigned: 'balance' holds infinity"):
        kmeans.place(touching_groups().assign(balance=np.inf))
    with pytest.raises(TypeError, match="customers is a list"):
        kmeans.place([1])


def test_empty_table_is_placed(kmeans):
    empty, one = kmeans.place(touching_groups().iloc[:0]), kmeans.place(touching_groups().iloc[:1])
    assert len(empty) == 0 and empty.dtypes.equals(one.dtypes)


def test_outliers_are_placed_outside():
    strays = pd.DataFrame({"visits": 400.0 * np.arange(1, 9), "spend": -900.0 * np.arange(8)})
    customers = pd.concat([three_groups(), strays.set_axis(["stray", *"abcdefg"])])
    result = sg.segment(customers, model=HDBSCAN(copy=True))
    placed = result.place(customers)
    assert placed.loc["stray"].to_list()[:2] == [-1, "Outside"] and placed.loc["stray", "confidence"] > 0.85


# --- few customers, and odd ones ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Of .* segments only")  # one word, or k values, tell no classes apart
@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "mixed_mixture", "ward"])
@pytest.mark.parametrize(
    ("customers", "k"),
    [
        (touching_groups(30), 3),
        (pd.DataFrame({"visits": [1.0] * 15 + [9.0] * 15}), 2),
        (pd.DataFrame({"visits": [1.0] * 29 + [9.0]}), 2),
        (pd.DataFrame({"visits": [1.0, 9.0]}), 2),
        (pd.DataFrame({"visits": np.arange(30.0)}), 30),
        (pd.DataFrame({"channel": ["web", "shop", "web"] * 10}), 2),
        (pd.concat([three_groups(), three_groups(1).iloc[:1].set_axis(["giant"]) * 1e9]), 3),
    ],
    ids=["30", "two kinds", "one other", "two", "k is n", "words", "giant"],
)
def test_few_or_odd_customers_get_confidence(method, customers, k):
    result = sg.segment(customers, n_segments=k, method=method)
    assert result.confidence.between(0, 1).all() and result.confidence.notna().all()
    assert_series_equal(result.place(customers)["segment_id"], result.labels.rename("segment_id"))


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_equal_segments_have_equal_confidence(method):
    """Two customers: half of the refits have one cluster for both, which matches either segment equally well."""
    result = sg.segment(pd.DataFrame({"visits": [1.0, 9.0]}), n_segments=2, method=method)
    assert (
        result.confidence.between(0.6, 0.9).all() and result.confidence.max() - result.confidence.min() < 0.2
    )


def test_failed_refits_agree_with_no_label():
    """Half of the customers are too few for these settings."""
    result = sg.segment(
        three_groups(), **prepared_for(HDBSCAN(min_samples=40, min_cluster_size=10, copy=True))
    )
    placed = result.place(three_groups())
    assert (placed["confidence"] < 0.1).all() and placed["runner_up"].isna().all()


def test_one_customer_segments_are_undecided():
    alone = sg.segment(pd.DataFrame({"visits": np.arange(30.0)}), n_segments=30)
    assert alone.confidence.mean() < 0.6 and alone.undecided().any()


# --- saved -------------------------------------------------------------------------------------------


def test_ensemble_is_saved_and_loaded(result, placed, tmp_path):
    try:
        folder = result.save(tmp_path / "segments")
    except ValueError as error:
        pytest.skip(f"skops cannot save this model: {error}")
    assert (folder / "ensemble.parquet").exists()
    unknown = skops.io.get_untrusted_types(file=folder / "model.skops")
    again = sg.Segmentation.load(folder, trusted=tuple(unknown))
    assert "_ensemble" in vars(again)  # nothing is refit
    assert_frame_equal(again.place(result.customers), placed.head(90), check_exact=True)
    assert_series_equal(again.confidence, result.confidence, check_exact=True)


def test_unused_ensemble_is_refit_after_loading(tmp_path):
    fresh = sg.segment(touching_groups(), n_segments=3)
    folder = fresh.save(tmp_path / "segments")
    assert not (folder / "ensemble.parquet").exists()
    assert_series_equal(sg.Segmentation.load(folder).confidence, fresh.confidence, check_exact=True)


def test_changed_ensemble_file_is_refused(kmeans, tmp_path):
    kmeans.confidence  # noqa: B018
    folder = kmeans.save(tmp_path / "segments")
    other = sg.segment(touching_groups(seed=3), n_segments=3)
    other.confidence  # noqa: B018
    strange = other.save(tmp_path / "other") / "ensemble.parquet"
    (folder / "ensemble.parquet").write_bytes(strange.read_bytes())
    with pytest.raises(ValueError, match=r"ensemble.parquet .*is not the file that was saved"):
        sg.Segmentation.load(folder)
    (folder / "ensemble.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no ensemble.parquet"):
        sg.Segmentation.load(folder)


def test_ensemble_of_earlier_version_is_refit(kmeans, tmp_path):
    kmeans.confidence  # noqa: B018
    folder = kmeans.save(tmp_path / "segments")
    facts = json.loads((folder / "segmentation.json").read_text())
    facts["panel"] = {"kind": "centers", "confidences": [0.0, 1.0]}
    facts["files"]["panel.parquet"] = facts["files"].pop("ensemble.parquet")
    del facts["ensemble"]
    (folder / "ensemble.parquet").rename(folder / "panel.parquet")
    (folder / "segmentation.json").write_text(json.dumps(facts))
    again = sg.Segmentation.load(folder)
    assert "_ensemble" not in vars(again)
    assert_series_equal(again.confidence, kmeans.confidence, check_exact=True)
    kmeans.save(folder, overwrite=True)
    assert not (folder / "panel.parquet").exists()


def test_overwriting_removes_the_old_ensemble(kmeans, tmp_path):
    kmeans.confidence  # noqa: B018
    folder = kmeans.save(tmp_path / "segments")
    sg.segment(touching_groups(seed=3), n_segments=3).save(folder, overwrite=True)
    assert not (folder / "ensemble.parquet").exists()
    assert len(sg.Segmentation.load(folder).confidence) == 90


# --- calibration -------------------------------------------------------------------------------------


def test_confidence_is_near_agreement():
    """Roughly, on a few data sets; the simulations below measure it."""
    measured = reliability("kmeans", 300, data_sets=6, fresh=2)
    assert abs(measured["confidence"].mean() - measured["agreement"].mean()) <= 0.1


@pytest.mark.simulation
@pytest.mark.parametrize("method", ["kmeans", "ward", "gaussian_mixture"])
@pytest.mark.parametrize(("n", "data_sets"), [(300, 40), (2_000, 15)])
def test_confidence_is_calibrated(n, data_sets, method, monkeypatch):
    """Off by at most 5 points on average over the bins, and 10 in each, beyond twice the standard error."""
    monkeypatch.setattr(ensemble, "MODELS", 50)
    bins = by_bin(reliability(method, n, data_sets=data_sets, fresh=4))
    bins = bins[bins["share"] >= 0.05]
    off, error = bins["difference"].abs(), bins["error"]
    assert np.average((off - 2 * error).clip(lower=0), weights=bins["share"]) <= 0.05, bins.to_string()
    assert (off <= 0.1 + 2 * error).all(), bins.to_string()


# --- tables ------------------------------------------------------------------------------------------


def test_repeated_id_has_two_rows():
    result = sg.segment(pd.DataFrame({"visits": [1.0, 2, 3, 31, 32, 33] * 4}), n_segments=2)
    twice = result.customers.iloc[[0, 1, 0]]
    placed = result.place(twice)
    assert (
        placed.index.to_list() == [0, 1, 0]
        and placed["segment_id"].to_list() == result.assign(twice).to_list()
    )
    assert placed.iloc[0].equals(placed.iloc[2])


def test_confidence_is_a_copy():
    result = sg.segment(pd.DataFrame({"visits": [1.0, 2, 3, 31, 32, 33] * 4}), n_segments=2)
    taken = result.confidence
    taken.iloc[:] = -5
    assert (result.confidence > 0).all() and (result.with_names({0: "A"}).confidence > 0).all()


@pytest.mark.parametrize(
    "wrong", [pd.Timestamp("2020"), pd.Timedelta("1 day"), "3", pd.Categorical(["3"] * 24)]
)
def test_wrong_feature_types_are_refused(wrong):
    result = sg.segment(pd.DataFrame({"visits": [1.0, 2, 3, 31, 32, 33] * 4}), n_segments=2)
    with pytest.raises(ValueError, match="'visits' held numbers when the preparer was fitted"):
        result.assign(result.customers.assign(visits=wrong))
    assert len(result.assign(pd.DataFrame({"visits": [None]}))) == 1
