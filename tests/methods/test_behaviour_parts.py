"""Parts that the behaviour of customers is a mix of: found whatever the volume and unit, and frozen."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_series_equal
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import segkit as sg
from segkit.methods.fitting import make_model

PAGES = [f"page_{i}" for i in range(10)]


def not_kept(estimator):
    """Return the checks that cluster rows below 0 whatever an estimator says that it takes, or want too many digits."""
    if isinstance(estimator, sg.SharesPreparer):
        return {}
    weights = "check_sample_weight_equivalence_on_dense_data"
    return {"check_clustering": "rows below 0", weights: "equal up to the tolerance of the factorisation"}


@parametrize_with_checks([sg.SharesPreparer(), sg.BehaviourParts()], expected_failed_checks=not_kept)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def planted(n=400, seed=0):
    """Customers who are mixes of three parts, of very different volumes, and a page that everybody opens."""
    rng = np.random.default_rng(seed)
    parts = (
        np.array([[8, 5, 4, 1, 0, 0, 0, 0, 1], [1, 0, 0, 8, 5, 4, 1, 0, 0], [0, 0, 1, 1, 0, 0, 8, 5, 4]]) / 19
    )
    mix = rng.dirichlet([0.5, 0.4, 0.3], n)
    visits = rng.lognormal(4, 1.2, (n, 1))
    home = rng.poisson(3 * visits * rng.lognormal(0, 0.5, (n, 1)))
    counts = np.concatenate([rng.poisson(mix @ parts * visits), home], axis=1)
    index = [f"c{i:03}" for i in range(n)]
    return pd.DataFrame(counts, index, PAGES), pd.DataFrame(mix, index)


@pytest.fixture(scope="module")
def found():
    table, mix = planted()
    return sg.segment(table, n_segments=3, method="parts"), table, mix


def test_planted_parts_are_found_where_volume_misleads_k_means(found):
    result, table, mix = found
    true = mix.to_numpy().argmax(axis=1)
    assert adjusted_rand_score(true, result.labels) > 0.65
    default = KMeans(3, n_init=10, random_state=0).fit_predict(sg.make_preparer().fit_transform(table))
    assert adjusted_rand_score(true, default) < 0.2
    shares = sg.membership(result)
    assert shares.iloc[:, :3].sum(axis=1).to_numpy() == pytest.approx(1)
    assert (shares.iloc[:, :3].idxmax(axis=1) == result.named_labels.astype(str)).all()
    of_parts = np.corrcoef(shares.iloc[:, :3].T, mix.T)[:3, 3:]
    assert of_parts.max(axis=1).min() > 0.9


def test_volume_and_units_change_nothing(found):
    """Each customer five times as busy, or one page counted in other units: the same segments, and so for new ones."""
    result, table, _ = found
    assert_series_equal(result.assign(5 * table), result.labels)
    cents = table.assign(page_3=100.0 * table["page_3"])
    assert_series_equal(sg.segment(cents, n_segments=3, method="parts").labels, result.labels)


def test_customers_who_did_nothing_are_outside(found, tmp_path):
    """Also new ones where all did something before, as surely as can be, and also after saving."""
    result, table, _ = found
    idle = (0 * table.iloc[:2]).rename("idle {}".format)
    placed = result.place(idle)
    assert placed["segment_id"].to_list() == [-1, -1] and placed["confidence"].min() > 0.9
    loaded = sg.Segmentation.load(result.save(tmp_path / "parts"))
    assert loaded.assign(idle).to_list() == [-1, -1]
    with_idle = sg.segment(pd.concat([table, idle]), n_segments=3, method="parts")
    assert with_idle.labels[idle.index].eq(-1).all()
    assert_series_equal(with_idle.labels[table.index], result.labels)
    shares = sg.membership(with_idle)
    assert shares.loc[idle.index].isna().all(axis=None) and shares.loc[table.index].notna().all(axis=None)
    assert 0 < shares.attrs["segkit"]["relative_entropy"] < 1
    drawn = next(iter(sg.plot_membership(shares).to_dict()["datasets"].values()))
    assert sum(cell["customers"] for cell in drawn) == 3 * len(table)


def test_weights_count_as_often(found):
    """Refits of stability weigh points instead of repeating them."""
    rows = sg.SharesPreparer().fit_transform(found[1])
    weights = np.random.default_rng(0).integers(3, size=len(rows))
    weighted = sg.BehaviourParts(3).fit(rows, sample_weight=weights)
    repeated = sg.BehaviourParts(3).fit(np.repeat(rows, weights, axis=0))
    assert weighted.predict_proba(rows) == pytest.approx(repeated.predict_proba(rows), abs=1e-3)
    assert np.abs(weighted.components_ - sg.BehaviourParts(3).fit(rows).components_).max() > 0.01
    assert sg.stability(found[0], resamples=5, progress=False).segments["jaccard"].min() > 0.7


def test_as_many_parts_as_features_are_found_without_a_warning(found):
    rows = sg.SharesPreparer().fit_transform(found[1])
    assert len(set(sg.BehaviourParts(10).fit(rows).labels_)) == 10


def test_of_many_customers_a_sample_is_looked_at(found):
    _, table, mix = found
    rows = sg.SharesPreparer().fit_transform(table)
    model = sg.BehaviourParts(3, max_rows=100).fit(rows)
    assert model.n_sampled_ == 100 and (model.predict(rows) == model.labels_).all()
    assert adjusted_rand_score(mix.to_numpy().argmax(axis=1), model.labels_) > 0.5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"plan": "gold", "city": "Oslo"}, "there are no numbers in plan, city. Leave them out, or"),
        ({"balance": [-1.0, *range(399)]}, "there are negative numbers in balance. Leave"),
        ({"calls": [np.nan, *range(399)]}, r"missing values in calls. Fill in 0 where missing means none"),
    ],
)
def test_what_is_no_amount_is_refused(found, changed, message):
    result, table, _ = found
    table = table.assign(**changed)
    with pytest.raises(ValueError, match=message):
        sg.SharesPreparer().fit(table)
    advice = make_error(table)
    assert "Parts are found in counts" in advice
    with pytest.raises(ValueError, match="negative numbers in page_1"):
        result.assign(result.customers.assign(page_1=-1))


def make_error(table):
    """Return why the model cannot be made, which is what recommend_method says."""
    with pytest.raises(ValueError) as error:
        make_model("parts", 2, table, 0)
    return str(error.value)


def test_more_segments_than_features_are_refused(found):
    _, table, _ = found
    with pytest.raises(ValueError, match="n_segments=4 is more than 3 features, and parts are mixes"):
        sg.segment(table[PAGES[:3]], n_segments=4, method="parts")
    chosen = sg.segment(table[PAGES[:3]].iloc[:60], n_segments="auto", method="parts")
    assert 2 <= len(chosen.segments) <= 3
