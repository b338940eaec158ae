"""Who travels together whatever is chosen: planted groups do, and of a crowd without groups few."""

import os

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.metrics import adjusted_rand_score
from tables import three_groups

import segkit as sg
from segkit.analyse.prepare import Preparer
from segkit.trust.micro_clusters import compress
from segkit.trust.multiverse import Multiverse, _co_association, _groups, _togetherness
from segkit.trust.multiverse_pipelines import (
    HEAVY,
    METHODS,
    SCALINGS,
    SKEWED,
    ChoiceGrid,
    Pipeline,
    PreparedVariants,
    balanced_design,
    log_variants,
)
from segkit.trust.null_model import CopulaNull

pytestmark = pytest.mark.usefixtures("structure_not_asked")

SHOPS = int(os.environ.get("SEGKIT_SHOPS", "6"))


def told(customers, **said):
    return sg.multiverse(customers, **({"pipelines": 12, "crowds": 0, "progress": False} | said))


def skewed(n=300, d=5, groups=0, apart=2.5, seed=0):
    """Log-normal features, of one population or of so many groups."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, d))
    truth = rng.integers(0, max(groups, 1), n)
    latent += apart * rng.normal(size=(max(groups, 1), d))[truth] * (groups > 0)
    ids = pd.Index([f"c{i:05}" for i in range(n)], name="customer_id", dtype="str")
    return pd.DataFrame(np.exp(latent), ids, [f"f{i}" for i in range(d)]), truth


# --- the design --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "ks"), [(20, (3, 4, 5)), (6, (2,)), (3, (4, 5)), (40, tuple(range(2, 9)))])
def test_every_level_and_every_pair_of_levels_is_as_frequent(d, ks):
    space = ChoiceGrid((SKEWED, HEAVY), tuple(f"f{i}" for i in range(d)), ks)
    drawn = balanced_design(space, 50, np.random.default_rng(0))
    assert len(set(drawn)) == 50
    table = pd.DataFrame(drawn)
    table["left_out"] = table["left_out"].map(len)
    for one in table:
        counts = table[one].value_counts()
        assert counts.max() - counts.min() <= 2, one
        for other in table.columns.drop(one):
            pairs = pd.crosstab(table[one], table[other]).to_numpy()
            assert pairs.max() - pairs.min() <= 6, (one, other)
    left_out = pd.Series([f for p in drawn for f in p.left_out]).value_counts()
    assert left_out.max() - left_out.reindex(space.features, fill_value=0).min() <= 4


def test_where_there_are_fewer_pipelines_than_asked_for_all_are_taken():
    space = ChoiceGrid((SKEWED,), ("a",), (3,))
    drawn = balanced_design(space, 50, np.random.default_rng(0))
    assert len(drawn) == space.size == len(SCALINGS) * len(METHODS) == len(set(drawn))
    assert {p.left_out for p in drawn} == {()}


@pytest.mark.parametrize("d", [1, 2, 3, 5, 6, 9])
def test_the_number_of_pipelines_is_counted_right(d):
    space = ChoiceGrid((SKEWED, HEAVY), tuple(f"f{i}" for i in range(d)), (2, 3))
    assert len(set(space.every())) == space.size
    assert max(len(p.left_out) for p in space.every()) == min(d // 3, 2)


def test_a_tail_that_the_clip_would_cut_keeps_its_logarithm():
    rng = np.random.default_rng(0)
    customers = pd.DataFrame(
        {
            "mild": rng.lognormal(sigma=0.6, size=2_000),
            "heavy": rng.lognormal(sigma=2.0, size=2_000),
            "even": rng.normal(size=2_000),
            "word": pd.Categorical(rng.choice(["a", "b"], 2_000)),
        }
    )
    assert log_variants(customers) == {SKEWED: ["mild", "heavy"], HEAVY: ["heavy"]}
    assert log_variants(customers[["even", "heavy"]]) == {SKEWED: ["heavy"]}


def test_leaving_a_feature_out_is_preparing_without_it():
    """Of features that miss together one flag stays as long as one of them does."""
    customers, _ = skewed(120)
    customers.iloc[:30, [0, 1]] = np.nan
    customers["word"] = pd.Categorical(np.where(np.arange(120) % 3, "x", "y"))
    rng = np.random.default_rng(0)
    crowd = compress(Preparer().fit_transform(customers), rng)
    bench = PreparedVariants(customers, crowd, log_variants(customers), rng)
    for left_out in [("f0",), ("f0", "f1"), ("word",), ()]:
        points, _, owners = bench._made[SKEWED, "robust"]
        kept = [i for i, own in enumerate(owners) if own - set(left_out)]
        fewer = customers.drop(columns=list(left_out))
        expected = Preparer(log=[c for c in log_variants(customers)[SKEWED] if c in fewer]).fit_transform(
            fewer
        )
        assert sorted(points[:, kept].sum(axis=0)) == pytest.approx(sorted(expected.sum(axis=0)))


def test_a_pipeline_is_what_a_person_would_run():
    customers, _ = skewed(200, groups=3)
    rng = np.random.default_rng(0)
    bench = PreparedVariants(
        customers, compress(Preparer().fit_transform(customers), rng), log_variants(customers), rng
    )
    for method in ("kmeans", "gaussian_mixture", "ward"):
        ours = bench.labels(Pipeline(SKEWED, "robust", (), method, 3), seed=0)
        assert adjusted_rand_score(ours, sg.segment(customers, n_segments=3, method=method).labels) > 0.97


# --- groups, by hand ---------------------------------------------------------------------------------


def test_togetherness_by_hand():
    """Five customers, three pipelines: a and b always together, c with them twice, d and e always."""
    labels = [np.array(x) for x in ([0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0, 0, 1, 1, 1])]
    together = _co_association(labels)
    assert (
        together[0, 1] == 1
        and together[0, 2] == pytest.approx(2 / 3)
        and together[2, 3] == pytest.approx(1 / 3)
    )
    weights = np.ones(5, dtype=int)
    group = _groups(together, weights)
    assert group.tolist() == [0, 0, 0, 1, 1]
    assert _togetherness(together, weights, group) == pytest.approx([5 / 6, 5 / 6, 2 / 3, 1, 1])
    assert _togetherness(together, np.array([1, 1, 4, 1, 1]), group)[2] == pytest.approx((3 + 2 * 2 / 3) / 5)


def test_crumbs_are_dealt_out_to_the_group_they_are_most_often_with():
    always = np.repeat([0, 1], 60)
    stray = always.copy()
    stray[0] = 2  # alone in two of three pipelines, and with group 1 in the third
    other = always.copy()
    other[0] = 1
    together = _co_association([stray, stray, other])
    group = _groups(together, np.ones(120, dtype=int))
    assert np.bincount(group).tolist() == [61, 59] and group[0] == group[-1]
    assert _togetherness(together, np.ones(120, dtype=int), group)[0] == pytest.approx(1 / 3)


# --- the whole ---------------------------------------------------------------------------------------


def test_planted_groups_travel_together():
    customers, truth = skewed(400, groups=4, apart=3.0)
    found = told(customers, n_segments=[4], crowds=2)
    assert adjusted_rand_score(truth, found.customers["group"]) > 0.95
    assert found.core_share > 0.8 and found.core_share > found.facts["beyond_chance"]
    assert "whatever is chosen" in found.verdict and repr(found).startswith(
        "Multiverse of 12 pipelines, 4 groups"
    )
    assert (
        found.groups["customers"].sum() == 400
        and found.groups["inside"].min() > found.groups["between"].max()
    )
    assert found.groups["core_share"] @ found.groups["share"] == pytest.approx(found.core_share)


def test_the_tables_hold_what_they_say():
    customers, _ = skewed()
    found = told(customers, n_segments=[3, 4])
    assert isinstance(found, Multiverse) and found.customers.index.equals(customers.index)
    assert list(found.customers) == ["group", "togetherness", "core"]
    assert (found.customers["core"] == (found.customers["togetherness"] >= found.facts["level"])).all()
    choices = ["transform", "scaling", "left_out", "method", "k"]
    assert list(found.pipelines) == [*choices, "seed", "segments", "smallest", "tiny", "agreement"]
    assert (
        not found.pipelines.duplicated(choices).any()
        and (found.pipelines["segments"] <= found.pipelines["k"]).all()
    )
    assert set(found.choices.index) == set(choices) and found.choices["cost"].is_monotonic_decreasing
    assert found.facts["by_chance"] == [] and "not compared" in found.verdict
    shown = found.together.to_numpy()
    assert shown.shape == (70, 70) and (np.diag(shown) == 1).all() and (shown == shown.T).all()
    groups = found.customers.loc[found.together.index, "group"]
    assert groups.to_list() == found.together.attrs["groups"] == sorted(groups)


def test_the_choices_that_matter_are_found():
    """One feature has two groups, far apart. Who leaves it out gets others; so does who scales robustly, since
    the quartiles lie in the two groups and the feature shrinks. The method changes nothing."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(200, 3)), columns=list("abc"))
    table["a"] += 12 * (np.arange(200) % 2)
    found = told(table, n_segments=[2], pipelines=32)
    costs, errors = found.choices["cost"], found.choices["error"]
    assert costs["scaling"] > 2 * errors["scaling"] > 0 and costs["left_out"] > 2 * errors["left_out"] > 0
    assert abs(costs["method"]) < 0.05
    assert np.isnan(costs["k"]) and found.choices.loc["k", "levels"] == 1
    standard = found.pipelines[found.pipelines["scaling"] == "standard"]
    without = standard["left_out"] == "a"
    assert standard.loc[without, "agreement"].max() < standard.loc[~without, "agreement"].min()


def test_rows_in_another_order_and_other_threads_change_nothing(monkeypatch):
    customers, _ = skewed(250)
    first = told(customers, crowds=1)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    again = told(customers.sample(frac=1, random_state=0), crowds=1)
    assert_frame_equal(first.customers, again.customers.loc[customers.index])
    for table in ("groups", "pipelines", "choices", "together"):
        assert_frame_equal(getattr(first, table), getattr(again, table))
    assert first.facts == again.facts
    assert not first.pipelines.equals(told(customers, random_state=1).pipelines)


def test_many_customers_are_looked_at_as_micro_clusters():
    customers, truth = skewed(4_000, groups=3, apart=3.0)
    found = told(customers, n_segments=[3], pipelines=6)
    assert found.facts["points"] <= 3_000 < len(found.customers)
    assert adjusted_rand_score(truth, found.customers["group"]) > 0.95


def test_what_is_done_is_kept_when_it_is_stopped(monkeypatch):
    customers, _ = skewed(100)
    labels, calls = PreparedVariants.labels, []

    def stopped(self, *arguments):
        calls.append(1)
        if len(calls) == limit:
            raise KeyboardInterrupt
        return labels(self, *arguments)

    monkeypatch.setattr(PreparedVariants, "labels", stopped)
    limit = 6
    found = told(customers, n_segments=3, crowds=2)
    assert len(found.pipelines) == found.facts["pipelines"] == 5 and found.facts["by_chance"] == []
    calls.clear()
    limit = 12 + 12 + 5  # in the midst of the second crowd
    found = told(customers, n_segments=3, crowds=2)
    assert len(found.pipelines) == 12 and len(found.facts["by_chance"]) == 1
    calls.clear()
    limit = 2
    with pytest.raises(KeyboardInterrupt):
        told(customers, n_segments=3)


# --- a crowd without groups --------------------------------------------------------------------------


def test_a_crowd_keeps_margins_and_rank_correlations():
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(3_000, 3)) @ np.linalg.cholesky(0.4 * np.eye(3) + 0.6).T
    customers = pd.DataFrame(
        {
            "money": np.exp(latent[:, 0]),
            "orders": np.maximum(np.round(2 * latent[:, 1]), 0),
            "gap": np.where(latent[:, 1] < 0, np.nan, latent[:, 2]),
            "word": pd.Categorical(np.where(latent[:, 2] > 0.5, "x", "y")),
        }
    )
    drawn = CopulaNull(customers, sg.make_preparer().fit(customers), rng).draw_customers(rng)
    assert list(drawn.dtypes) == list(customers.dtypes)
    assert set(drawn["money"]) <= set(customers["money"]) and set(drawn["word"]) == {"x", "y"}
    assert drawn["orders"].eq(0).mean() == pytest.approx(customers["orders"].eq(0).mean(), abs=0.03)
    assert drawn["gap"].isna().mean() == pytest.approx(customers["gap"].isna().mean(), abs=0.03)
    numbers = ["money", "orders"]
    ours, theirs = (t[numbers].corr(method="spearman").iloc[0, 1] for t in (drawn, customers))
    assert ours == pytest.approx(theirs, abs=0.05)


def test_a_crowd_has_no_groups_left():
    """Two groups on the diagonal of a square: the crowd fills the other corners too, or the way between."""
    customers, _ = skewed(600, d=2, seed=3)
    rng = np.random.default_rng(0)
    sides = np.where(rng.random(600) < 0.5, 1.0, -1.0)
    customers = pd.DataFrame({"a": sides * 3 + rng.normal(size=600), "b": sides * 3 + rng.normal(size=600)})
    drawn = CopulaNull(customers, sg.make_preparer().fit(customers), rng).draw_customers(rng)
    gap = lambda t: float((t.sum(axis=1).abs() < 3).mean())  # noqa: E731
    assert gap(customers) < 0.05 < gap(drawn)


@pytest.mark.slow
def test_of_a_shop_without_groups_few_are_core_and_it_is_said():
    """Rates over seeded shops of 600 customers; SEGKIT_SHOPS=40 for what the documentation states."""
    shares, alarms = [], 0
    for seed in range(SHOPS):
        rng = np.random.default_rng(100 + seed)
        latent = rng.normal(size=(600, 5)) @ np.linalg.cholesky(0.7 * np.eye(5) + 0.3).T
        customers = pd.DataFrame(np.exp(latent), columns=list("abcde"))
        found = sg.multiverse(customers, n_segments=3, pipelines=30, random_state=seed, progress=False)
        shares.append(found.core_share)
        alarms += "whatever is chosen" in found.verdict
    assert np.mean(shares) < 0.2 and alarms <= max(1, 0.15 * SHOPS)


@pytest.mark.slow
def test_four_groups_are_mostly_core():
    shares, told_so = [], 0
    for seed in range(SHOPS):
        customers, _ = skewed(600, d=6, groups=4, apart=2.5, seed=seed)
        found = sg.multiverse(customers, n_segments=4, pipelines=30, random_state=seed, progress=False)
        shares.append(found.core_share)
        told_so += "whatever is chosen" in found.verdict
    assert np.median(shares) > 0.7 and told_so >= 0.6 * SHOPS


# --- bad input ---------------------------------------------------------------------------------------


def test_constant_and_duplicated_columns_change_little():
    customers, truth = skewed(200, groups=3, apart=3.0)
    more = customers.assign(nothing=0.0, missing=np.nan, again=customers["f0"])
    found = told(more, n_segments=[3])
    left_out = {f for names in found.pipelines["left_out"] for f in names.split(", ") if f}
    assert not left_out & {"nothing", "missing"}
    assert adjusted_rand_score(truth, found.customers["group"]) > 0.9


def test_thirty_customers_one_feature_gaps_and_a_thousand_words():
    few, _ = skewed(30)
    assert len(told(few).customers) == 30
    one = told(few[["f0"]], n_segments=3)
    assert set(one.pipelines["left_out"]) == {""} and len(one.groups) >= 1
    gaps = skewed(1_500)[0]
    gaps = gaps.mask(np.random.default_rng(0).random(gaps.shape) < 0.1)
    gaps["word"] = pd.Categorical([f"w{i % 1000}" for i in range(1_500)])
    gaps.iloc[0, 0] = 1e12
    found = told(gaps, n_segments=3, crowds=1)
    assert found.customers.notna().all(axis=None) and found.customers["togetherness"].between(0, 1).all()


@pytest.mark.parametrize(
    ("customers", "said", "message"),
    [
        (three_groups() * 0, {}, "Every feature is the same for all customers"),
        (pd.concat([three_groups().iloc[[0, 59]]] * 20, ignore_index=True), {}, "only 2 customers differ"),
        (three_groups(), {"n_segments": 40}, "Up to 41 segments are tried, and only 60"),
        (three_groups(), {"n_segments": 1}, "n_segments=1 should be a whole number"),
        (three_groups(), {"n_segments": []}, "2 or more, or several"),
        (three_groups(), {"pipelines": 1}, "pipelines=1 should be a whole number, 2 or more"),
        (three_groups(), {"crowds": -1}, "crowds=-1 should be a whole number, 0 or more"),
        (three_groups().iloc[:0], {}, "customers has 0 rows"),
    ],
)
def test_what_cannot_be_is_explained(customers, said, message):
    with pytest.raises(ValueError, match=message):
        told(customers, **said)
