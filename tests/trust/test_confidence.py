"""Confidence is how often a model of fresh customers would agree, and it depends on nobody else."""

import itertools
import json
import os
import sys
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal
from segkit.create.choice import structure_summary
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
from segkit.trust.confidence.calibration import confidences
from segkit.trust.confidence.voting import NOBODY, Panel

sys.path.append(str(CHECKOUT / "benchmarks"))
from confidence import curve, reliability

pytestmark = pytest.mark.usefixtures("structure_not_asked")

SHOPS = int(os.environ.get("SEGKIT_SHOPS", "5"))


def crowd(n=90, seed=0):
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


def ours(clusterer):
    return {"model": make_pipeline(sg.make_preparer(), clusterer)}


WAYS = {
    "kmeans": {"n_segments": 3},
    "gaussian_mixture": {"n_segments": 3, "method": "gaussian_mixture"},
    "ward": {"n_segments": 3, "method": "ward"},
    "MiniBatchKMeans": ours(MiniBatchKMeans(3, n_init=1, random_state=0)),
    "tied mixture": ours(GaussianMixture(3, covariance_type="tied", random_state=0)),
    "HDBSCAN": ours(HDBSCAN(min_cluster_size=10, copy=True)),
    "OPTICS": ours(OPTICS(min_samples=8)),
    "DBSCAN": ours(DBSCAN(eps=1.0)),
    "SpectralClustering": ours(SpectralClustering(3, random_state=0)),
    "AffinityPropagation": ours(AffinityPropagation(preference=-60, random_state=0)),
    "BisectingKMeans": ours(BisectingKMeans(3, random_state=0)),
    "three steps": {
        "model": make_pipeline(sg.make_preparer(), StandardScaler(), KMeans(3, n_init=1, random_state=0))
    },
}


@pytest.fixture(scope="module", params=WAYS)
def result(request):
    return sg.segment(crowd(), **WAYS[request.param])


@pytest.fixture(scope="module")
def kmeans():
    return sg.segment(crowd(), n_segments=3)


# --- a row depends on nobody -------------------------------------------------------------------------


def test_each_customer_is_placed_as_alone(result):
    """By every method: the label, the confidence and the runner-up, bit for bit."""
    newcomers = crowd(30, seed=5)
    together = result.place(newcomers)
    assert_series_equal(together["segment_id"], result.assign(newcomers).rename("segment_id"))
    assert together["confidence"].between(0, 1).all()
    for i in newcomers.index[::3]:
        assert_frame_equal(result.place(newcomers.loc[[i]]), together.loc[[i]], check_exact=True)


def test_those_who_were_fitted_have_the_confidence_of_their_row(result):
    assert result.confidence.index.equals(result.customers.index) and result.confidence.name == "confidence"
    placed = result.place(result.customers)
    assert_series_equal(placed["confidence"], result.confidence, check_exact=True)
    assert_series_equal(placed["segment_id"], result.labels.rename("segment_id"))


def test_rfm_scores_have_confidence_too():
    rng = np.random.default_rng(0)
    columns = ["recency", "frequency", "monetary"]
    customers = pd.DataFrame(np.exp(rng.normal(3, 1, (200, 3))), columns=columns)
    result = sg.segment(customers, model=sg.RFMSegmenter())
    placed = result.place(customers)
    assert 0.5 < placed["confidence"].mean() < 1
    for i in customers.index[::23]:
        assert_frame_equal(result.place(customers.loc[[i]]), placed.loc[[i]], check_exact=True)


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture"])
@settings(max_examples=12)
@given(
    rows=st.lists(
        st.lists(
            st.sampled_from([0.0, 1.0, 2.0, 5.0, 40.0, 1e6, -1e200, float("nan")]), min_size=3, max_size=3
        ),
        min_size=2,
        max_size=9,
    )
)
def test_any_row_is_placed_as_alone(method, rows):
    customers = crowd(60).drop(columns="channel")
    result = _fitted(method)
    newcomers = pd.DataFrame(rows, columns=customers.columns)
    placed = result.place(newcomers)
    for i in newcomers.index:
        assert_frame_equal(result.place(newcomers.loc[[i]]), placed.loc[[i]], check_exact=True)


_held = {}


def _fitted(method):
    if method not in _held:
        _held[method] = sg.segment(crowd(60).drop(columns="channel"), n_segments=3, method=method)
    return _held[method]


@settings(max_examples=30)
@given(seed=st.integers(0, 999), far=st.sampled_from([0.0, 1.0, 1e8, 1e200]), d=st.integers(1, 12))
def test_the_nearest_centre_is_the_one_by_differences(seed, far, d):
    """Also among ties, of which whole numbers have many, and where squares overflow."""
    rng = np.random.default_rng(seed)
    rows, centers = rng.integers(-2, 3, (60, d)) + far, rng.integers(-2, 3, (5, d)) + far
    with np.errstate(over="ignore", invalid="ignore"):
        exact = _by_differences(rows, centers)
        assert (nearest(rows, centers) == exact).all()
        assert [nearest(rows[[i]], centers)[0] for i in range(60)] == exact.tolist()


def test_order_of_rows_and_threads_change_nothing(kmeans):
    mixed = crowd().sample(frac=1, random_state=3)
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            again = sg.segment(mixed, n_segments=3).confidence
        assert_series_equal(again.loc[kmeans.confidence.index], kmeans.confidence, check_exact=True)


def test_another_seed_asks_other_models(kmeans):
    other = sg.segment(crowd(), n_segments=3, random_state=1)
    assert not other.confidence.equals(kmeans.confidence)


def test_many_customers_are_surer_than_few_in_any_order():
    customers = crowd(6_000, seed=1).fillna({"spend": 1.0})
    result = sg.segment(customers, n_segments=3)
    mixed = sg.segment(customers.sample(frac=1, random_state=0), n_segments=3)
    assert_series_equal(mixed.confidence.loc[customers.index], result.confidence, check_exact=True)
    middle = pd.DataFrame({"balance": [1.5, 0.0], "trend": 0.0, "spend": [1.65, 1.0], "channel": "shop"})
    assert result.confidence.mean() > sg.segment(crowd(), n_segments=3).confidence.mean()
    assert result.place(middle)["confidence"].iloc[1] > 0.999


def test_models_of_fewer_customers_are_sharpened():
    """n/2 of 12,000 is 6,000; k-means is made from 4,000, all else from 2,000. Mixtures of one population err less."""
    customers = crowd(12_000, seed=1)
    model = make_pipeline(sg.make_preparer(), BisectingKMeans(3, random_state=0))
    assert _sharpen(customers, model=model) == pytest.approx(np.sqrt(6_000 / 2_000))
    assert _sharpen(customers, n_segments=3) == pytest.approx(np.sqrt(6_000 / 4_000))
    one = pd.DataFrame(np.random.default_rng(0).normal(size=(90, 2)), columns=["balance", "trend"])
    assert _sharpen(one, n_segments=3, method="gaussian_mixture") == pytest.approx(np.sqrt(0.7))
    assert _sharpen(crowd(), n_segments=3, method="gaussian_mixture") == 1


def _sharpen(customers, **asked):
    with patch.object(ensemble, "confidences", wraps=confidences) as asked_for:
        sg.segment(customers, **asked).confidence  # noqa: B018
    return asked_for.call_args.args[2]


# --- what it says ------------------------------------------------------------------------------------


def test_votes_by_hand():
    """Four models; who agrees, who comes second, and clusters that are like none."""
    votes = np.array(
        [[0, 0, 0, 0], [0, 1, 1, 2], [1, 2, 0, NOBODY], [1, NOBODY, NOBODY, NOBODY], [0, -1, -1, 0]]
    )
    confidence, runner_up = Panel("centers", [], np.arange(5) / 4).judge(votes, np.array([0, 0, 1, 1, 0]))
    assert confidence.tolist() == [1, 0.25, 0.25, 0.25, 0.5]
    assert runner_up.isna().tolist() == [True, False, False, True, False]
    assert runner_up.dropna().tolist() == [1, 0, -1]


def test_luck_of_votes_is_taken_out_by_hand():
    """Two votes each: of shares 0, 0.5, 0.5 and 1, E[p(1 - p)] is 1/4 and Var[p] nothing, so that all is luck.

    Of 0, 0, 0.5, 1 and 1 they are 1/10 and 3/20: the prior counts for 2/3 of a vote, half of it in favour. To one more
    customer, of any share, the counts are as likely (1/3), and he has shares of 1/4, 1/2 and 3/4 then; to four at 0.5
    they are 1/4, 1/2 and 1/4, and to five of that prior 2/5, 1/5 and 2/5.
    """
    one = (4 / 4 * 1 / 2 + 1 / 3 * 1 / 4) / (4 / 4 + 1 / 3)
    assert confidences(np.array([0, 1, 1, 2]), 2, 1.0) == pytest.approx([one, 0.5, 1 - one])
    one = (5 * 2 / 5 * 1 / 8 + 1 / 3 * 1 / 4) / (5 * 2 / 5 + 1 / 3)
    assert confidences(np.array([0, 0, 1, 2, 2]), 2, 1.0) == pytest.approx([one, 1 / 2, 1 - one])
    assert confidences(np.array([0, 2, 2]), 2, 1.0).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("sharpen", [0.7, 1.0, 3.0])
@pytest.mark.parametrize(
    "agreeing", [[50] * 89 + [49], [49] * 90, [50] * 80 + [49] * 10, [50] * 89 + [48], [0] * 89 + [1]]
)
def test_a_newcomer_may_be_like_none_of_those_who_are_sure(agreeing, sharpen):
    """However alike the customers are: whom the models are split on is undecided, and none is surer than all."""
    told = confidences(np.array(agreeing), 50, sharpen)
    assert told[25] == pytest.approx(0.5, abs=0.05)
    assert told[0] < 0.1 and told[50] > 0.9
    if sharpen == 1:  # and those who are like all others keep their share
        assert told[agreeing[0]] == pytest.approx(agreeing[0] / 50, abs=0.02)
    assert (np.diff(told) >= -1e-12).all()


def test_what_fifty_votes_say_is_what_infinitely_many_would():
    """Customers whose shares are known: whatever their votes, the confidence is the mean of their shares."""
    rng = np.random.default_rng(0)
    share = rng.beta(3, 1.5, 200_000)
    agreeing = rng.binomial(50, share)
    told = confidences(agreeing[:1_000], 50, 1.0)
    off = pd.Series(told[agreeing] - share).groupby(pd.cut(told[agreeing], np.linspace(0, 1, 11))).mean()
    raw = pd.Series(agreeing / 50 - share).groupby(pd.cut(agreeing / 50, np.linspace(0, 1, 11))).mean()
    assert off.abs().max() < 0.015 < 0.04 < raw.abs().max()


@pytest.mark.parametrize("sharpen", [0.5, 1.0, 3.0])
@given(agreeing=st.lists(st.integers(0, 50), min_size=1, max_size=40))
def test_more_votes_never_make_less_sure(agreeing, sharpen):
    told = confidences(np.array(agreeing), 50, sharpen)
    assert told.shape == (51,) and ((told >= 0) & (told <= 1)).all()
    assert (np.diff(told) >= -1e-12).all()


def test_groups_far_apart_leave_no_doubt_and_the_middle_is_undecided():
    rng = np.random.default_rng(0)
    customers = pd.DataFrame({"visits": np.r_[rng.normal(0, 1, 100), rng.normal(20, 1, 100)]})
    result = sg.segment(customers, n_segments=2)
    assert (result.confidence == 1).all() and not result.undecided().any()
    center = result.customers.groupby(result.labels)["visits"].mean()
    between = result.place(pd.DataFrame({"visits": [center.mean(), center[0]]}, index=["between", "inside"]))
    assert between.loc["between", "confidence"] < 0.95 and between.loc["inside", "confidence"] == 1
    assert between["runner_up"].isna().tolist() == [False, True]
    assert between.loc["between", "runner_up"] == 1 - between.loc["between", "segment_id"]


def test_who_is_below_the_level_is_called_undecided(kmeans):
    named = kmeans.with_names({0: "Regulars"})
    placed = named.place(crowd(), undecided_below=0.8)
    low = placed["confidence"] < 0.8
    assert low.any() and not low.all()
    assert (placed.loc[low, "segment"] == "Undecided").all()
    assert (placed.loc[~low, "segment"] == placed.loc[~low, "segment_id"].map(named.name_of)).all()
    assert_series_equal(named.undecided(0.8), low.rename("undecided"))
    assert (named.place(crowd(), undecided_below=0)["segment"] != "Undecided").all()


def test_a_new_name_asks_no_model_again(kmeans):
    kmeans.confidence  # noqa: B018
    assert kmeans.with_names({0: "A"})._panel is kmeans._panel


def test_undecided_is_no_name(kmeans):
    with pytest.raises(ValueError, match="would be called 'Undecided'"):
        kmeans.with_names({0: "Undecided"})


@pytest.mark.parametrize("level", [-0.1, 1.1, np.nan, "high"])
def test_a_level_that_is_no_share_is_refused(kmeans, level):
    with pytest.raises(ValueError, match=r"undecided_below=.* should be a confidence"):
        kmeans.place(crowd(), undecided_below=level)
    with pytest.raises(ValueError, match=r"below=.* should be a confidence"):
        kmeans.undecided(level)


def test_who_cannot_be_placed_is_explained(kmeans):
    with pytest.raises(ValueError, match="no feature 'spend'"):
        kmeans.place(crowd().drop(columns="spend"))
    with pytest.raises(ValueError, match="could not be placed: 'balance' holds infinity"):
        kmeans.place(crowd().assign(balance=np.inf))
    with pytest.raises(TypeError, match="customers is a list"):
        kmeans.place([1])


def test_nobody_is_placed_nowhere(kmeans):
    nobody, somebody = kmeans.place(crowd().iloc[:0]), kmeans.place(crowd().iloc[:1])
    assert len(nobody) == 0 and nobody.dtypes.equals(somebody.dtypes)


def test_outside_is_a_place_too():
    strays = pd.DataFrame({"visits": 400.0 * np.arange(1, 9), "spend": -900.0 * np.arange(8)})
    customers = pd.concat([three_groups(), strays.set_axis(["stray", *"abcdefg"])])
    result = sg.segment(customers, model=HDBSCAN(copy=True))
    placed = result.place(customers)
    assert placed.loc["stray"].to_list()[:2] == [-1, "Outside"] and placed.loc["stray", "confidence"] > 0.9


# --- few customers, and odd ones ---------------------------------------------------------------------


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "ward"])
@pytest.mark.parametrize(
    ("customers", "k"),
    [
        (crowd(30), 3),
        (pd.DataFrame({"visits": [1.0] * 15 + [9.0] * 15}), 2),
        (pd.DataFrame({"visits": [1.0] * 29 + [9.0]}), 2),
        (pd.DataFrame({"visits": [1.0, 9.0]}), 2),
        (pd.DataFrame({"visits": np.arange(30.0)}), 30),
        (three_groups(extra=[7.0] * 60), 3),
        (three_groups(extra=[np.nan] * 60), 3),
        (pd.DataFrame({"channel": ["web", "shop", "web"] * 10}), 2),
        (pd.concat([three_groups(), three_groups(1).iloc[:1].set_axis(["giant"]) * 1e9]), 3),
    ],
    ids=["30", "two kinds", "one other", "two", "k is n", "constant", "nothing known", "words", "giant"],
)
def test_few_and_odd_customers_get_an_answer(method, customers, k):
    result = sg.segment(customers, n_segments=k, method=method)
    assert result.confidence.between(0, 1).all() and result.confidence.notna().all()
    assert_series_equal(result.place(customers)["segment_id"], result.labels.rename("segment_id"))


def test_two_kinds_of_customers_leave_no_doubt():
    assert (sg.segment(pd.DataFrame({"visits": [1.0] * 15 + [9.0] * 15}), n_segments=2).confidence == 1).all()


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_segments_that_are_alike_are_as_sure_whatever_their_ids(method):
    """Two customers: half of the models have one cluster for both, which is as much the one's as the other's."""
    result = sg.segment(pd.DataFrame({"visits": [1.0, 9.0]}), n_segments=2, method=method)
    assert (
        result.confidence.between(0.6, 0.9).all() and result.confidence.max() - result.confidence.min() < 0.2
    )


def test_segments_of_one_customer_would_not_come_back():
    alone = sg.segment(pd.DataFrame({"visits": np.arange(30.0)}), n_segments=30)
    assert alone.confidence.mean() < 0.6 and alone.undecided().any()


# --- saved -------------------------------------------------------------------------------------------


def test_a_panel_is_saved_with_the_segments(result, tmp_path):
    newcomers = crowd(20, seed=8)
    placed = result.place(newcomers)
    try:
        folder = result.save(tmp_path / "segments")
    except ValueError as error:
        pytest.skip(f"skops cannot save this model: {error}")
    assert (folder / "panel.parquet").exists()
    unknown = skops.io.get_untrusted_types(file=folder / "model.skops")
    again = sg.Segmentation.load(folder, trusted=tuple(unknown))
    assert "_panel" in vars(again)  # nothing is made again
    assert_frame_equal(again.place(newcomers), placed, check_exact=True)
    assert_series_equal(again.confidence, result.confidence, check_exact=True)


def test_without_a_panel_the_same_one_is_made_after_loading(tmp_path):
    fresh = sg.segment(crowd(), n_segments=3)
    folder = fresh.save(tmp_path / "segments")
    assert not (folder / "panel.parquet").exists()
    assert_series_equal(sg.Segmentation.load(folder).confidence, fresh.confidence, check_exact=True)


def test_a_panel_that_was_changed_or_is_gone_is_noticed(kmeans, tmp_path):
    kmeans.confidence  # noqa: B018
    folder = kmeans.save(tmp_path / "segments")
    other = sg.segment(crowd(seed=3), n_segments=3)
    other.confidence  # noqa: B018
    strange = other.save(tmp_path / "other") / "panel.parquet"
    (folder / "panel.parquet").write_bytes(strange.read_bytes())
    with pytest.raises(ValueError, match=r"panel.parquet .*is not the file that was saved"):
        sg.Segmentation.load(folder)
    (folder / "panel.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no panel.parquet"):
        sg.Segmentation.load(folder)


def test_a_panel_of_an_earlier_version_is_made_again(kmeans, tmp_path):
    kmeans.confidence  # noqa: B018
    folder = kmeans.save(tmp_path / "segments")
    words = json.loads((folder / "segmentation.json").read_text())
    words["panel"] = {"kind": "centers", "sharpen": 1.0}
    (folder / "segmentation.json").write_text(json.dumps(words))
    again = sg.Segmentation.load(folder)
    assert "_panel" not in vars(again)
    assert_series_equal(again.confidence, kmeans.confidence, check_exact=True)


def test_an_old_panel_does_not_stay_beside_new_segments(kmeans, tmp_path):
    kmeans.confidence  # noqa: B018
    folder = kmeans.save(tmp_path / "segments")
    sg.segment(crowd(seed=3), n_segments=3).save(folder, overwrite=True)
    assert not (folder / "panel.parquet").exists()
    assert len(sg.Segmentation.load(folder).confidence) == 90


# --- as often as it says -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("method", ["kmeans", "ward", "gaussian_mixture"])
@pytest.mark.parametrize("kind", ["separated", "structureless"])
def test_fresh_models_agree_as_often_as_confidence_says(kind, method, monkeypatch):
    """Within 5 points and twice the standard error, in every bin that holds 5 % of the customers."""
    # What the structure test would say.
    answer = {"verdict": "structure" if kind == "separated" else "continuum", "line": "", "sentence": ""}
    answer |= {"p_value": None, "effect": None}
    monkeypatch.setattr("segkit.create.segment._structure", lambda *_: dict(answer))
    _holds(reliability(kind, method, 300, shops=SHOPS, fresh=4))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "shops"), [("kmeans", 4 * SHOPS), ("ward", 2 * SHOPS), ("gaussian_mixture", 4 * SHOPS)]
)
def test_in_any_shop_fresh_models_agree_as_often_as_confidence_says(method, shops, monkeypatch):
    """Shops that have nothing in common: groups or none, as many segments or not, all sorts of features, gaps."""
    made = itertools.count()
    answer = {"verdict": "too little", "line": "", "sentence": "", "p_value": None, "effect": None}
    fresh = 3

    def asked_once_a_shop(*args):
        return dict(answer) if next(made) % (1 + fresh) else structure_summary(*args)

    monkeypatch.setattr("segkit.create.segment._structure", asked_once_a_shop)
    told = reliability("any", method, 300, shops=shops, fresh=fresh)
    _holds(told)
    assert abs(told["confidence"].mean() - told["agreement"].mean()) <= 0.05
    if method == "kmeans":
        assert (curve(told)["share"] >= 0.05).all()


def _holds(told):
    table = curve(told)
    full = table[table["share"] >= 0.05]
    assert (full["difference"].abs() <= 0.05 + 2 * full["error"]).all(), table.to_string()
    off = told["confidence"].sub(told["agreement"]).groupby(told["shop"]).mean()
    assert abs(off.mean()) <= 0.05 + 2 * off.sem()


@pytest.mark.slow
def test_two_thousand_customers_get_the_confidence_that_fresh_models_have():
    told = reliability("overlapping", "kmeans", 2_000, shops=SHOPS, fresh=3)
    off = told["confidence"].sub(told["agreement"]).groupby(told["shop"]).mean()
    assert abs(off.mean()) <= 0.05 + 2 * off.sem()


def test_an_id_that_comes_twice_has_two_rows():
    result = sg.segment(pd.DataFrame({"visits": [1.0, 2, 3, 31, 32, 33] * 4}), n_segments=2)
    twice = result.customers.iloc[[0, 1, 0]]
    placed = result.place(twice)
    assert (
        placed.index.to_list() == [0, 1, 0]
        and placed["segment_id"].to_list() == result.assign(twice).to_list()
    )
    assert placed.iloc[0].equals(placed.iloc[2])


def test_confidence_belongs_to_the_result():
    result = sg.segment(pd.DataFrame({"visits": [1.0, 2, 3, 31, 32, 33] * 4}), n_segments=2)
    taken = result.confidence
    taken.iloc[:] = -5
    assert (result.confidence > 0).all() and (result.with_names({0: "A"}).confidence > 0).all()


@pytest.mark.parametrize(
    "wrong", [pd.Timestamp("2020"), pd.Timedelta("1 day"), "3", pd.Categorical(["3"] * 24)]
)
def test_what_is_no_number_is_not_placed(wrong):
    result = sg.segment(pd.DataFrame({"visits": [1.0, 2, 3, 31, 32, 33] * 4}), n_segments=2)
    with pytest.raises(ValueError, match="'visits' was made of numbers, and here it is of type"):
        result.assign(result.customers.assign(visits=wrong))
    assert len(result.assign(pd.DataFrame({"visits": [None]}))) == 1
