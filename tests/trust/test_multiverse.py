"""Planted groups stay together whatever is chosen; few customers of a continuum do."""

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

SHOPS = int(os.environ.get("SEGKIT_SHOPS", "6"))


def run(customers, **arguments):
    return sg.multiverse(customers, **({"pipelines": 12, "null_sets": 0, "progress": False} | arguments))


def skewed(n=300, d=5, groups=0, apart=2.5, seed=0):
    """Log-normal features of a continuum, or of so many groups."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, d))
    truth = rng.integers(0, max(groups, 1), n)
    latent += apart * rng.normal(size=(max(groups, 1), d))[truth] * (groups > 0)
    ids = pd.Index([f"c{i:05}" for i in range(n)], name="customer_id", dtype="str")
    return pd.DataFrame(np.exp(latent), ids, [f"f{i}" for i in range(d)]), truth


# --- the design --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "ks"), [(20, (3, 4, 5)), (6, (2,)), (3, (4, 5)), (40, tuple(range(2, 9)))])
def test_design_is_balanced(d, ks):
    grid = ChoiceGrid((SKEWED, HEAVY), tuple(f"f{i}" for i in range(d)), ks)
    drawn = balanced_design(grid, 50, np.random.default_rng(0))
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
    assert left_out.max() - left_out.reindex(grid.features, fill_value=0).min() <= 4


def test_few_pipelines_are_all_taken():
    grid = ChoiceGrid((SKEWED,), ("a",), (3,))
    drawn = balanced_design(grid, 50, np.random.default_rng(0))
    assert len(drawn) == grid.size == len(SCALINGS) * len(METHODS) == len(set(drawn))
    assert {p.left_out for p in drawn} == {()}


@pytest.mark.parametrize("d", [1, 2, 3, 5, 6, 9])
def test_grid_counts_its_pipelines(d):
    grid = ChoiceGrid((SKEWED, HEAVY), tuple(f"f{i}" for i in range(d)), (2, 3))
    assert len(set(grid.every())) == grid.size
    assert max(len(p.left_out) for p in grid.every()) == min(d // 3, 2)


def test_heavy_tails_keep_their_logarithm():
    rng = np.random.default_rng(0)
    customers = pd.DataFrame(
        {
            "mild": rng.lognormal(sigma=0.6, size=2_000),
            "heavy": rng.lognormal(sigma=2.0, size=2_000),
            "even": rng.normal(size=2_000),
            "word": pd.Categorical(rng.choice(["a", "b"], 2_000)),
        }
    )
    assert log_variants(customers) == {SKEWED: ["heavy", "mild"], HEAVY: ["heavy"]}
    assert log_variants(customers[["even", "heavy"]]) == {SKEWED: ["heavy"]}


def test_features_left_out_by_hand():
    """Of features that miss together one flag stays as long as one of them does."""
    customers, _ = skewed(120)
    customers.iloc[:30, [0, 1]] = np.nan
    customers["word"] = pd.Categorical(np.where(np.arange(120) % 3, "x", "y"))
    rng = np.random.default_rng(0)
    compressed = compress(Preparer().fit_transform(customers), rng)
    variants = PreparedVariants(customers, compressed, log_variants(customers), rng)
    for left_out in [("f0",), ("f0", "f1"), ("word",), ()]:
        points, _, owners = variants._prepared[SKEWED, "auto"]
        kept = [i for i, own in enumerate(owners) if own - set(left_out)]
        fewer = customers.drop(columns=list(left_out))
        expected = Preparer(log=[c for c in log_variants(customers)[SKEWED] if c in fewer]).fit_transform(
            fewer
        )
        assert sorted(points[:, kept].sum(axis=0)) == pytest.approx(sorted(expected.sum(axis=0)))


def test_pipelines_match_segment():
    customers, _ = skewed(200, groups=3)
    rng = np.random.default_rng(0)
    variants = PreparedVariants(
        customers, compress(Preparer().fit_transform(customers), rng), log_variants(customers), rng
    )
    for method in ("kmeans", "gaussian_mixture", "ward"):
        ours = variants.labels(Pipeline(SKEWED, "auto", (), method, 3), seed=0)
        assert adjusted_rand_score(ours, sg.segment(customers, n_segments=3, method=method).labels) > 0.97


def test_a_mixture_does_not_collapse_onto_words():
    """It is the one that segment() fits: with words the least variance is wider."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        truth = rng.choice(3, 900, p=[0.5, 0.3, 0.2])
        customers = pd.DataFrame(rng.normal(size=(900, 3)), [f"c{i:03}" for i in range(900)], list("abc"))
        for i in range(4):
            drawn = np.where(rng.random(900) < 0.8, truth, rng.integers(4, size=900))
            customers[f"word {i}"] = np.array(list("wxyz"))[drawn]
        compressed = compress(Preparer().fit_transform(customers), rng)
        variants = PreparedVariants(customers, compressed, log_variants(customers), rng)
        found = variants.labels(Pipeline(SKEWED, "auto", (), "gaussian_mixture", 3), seed)
        assert adjusted_rand_score(truth, found) > 0.9


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


def test_tiny_groups_join_others():
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


def test_planted_groups_stay_together():
    customers, truth = skewed(400, groups=4, apart=3.0)
    result = run(customers, n_segments=[4], null_sets=2)
    assert adjusted_rand_score(truth, result.customers["group"]) > 0.95
    assert result.core_share > 0.8 and result.core_share > result.facts["beyond_chance"]
    assert "whatever is chosen" in result.verdict and repr(result).startswith(
        "Multiverse of 12 pipelines, 4 groups"
    )
    assert (
        result.groups["customers"].sum() == 400
        and result.groups["inside"].min() > result.groups["between"].max()
    )
    assert result.groups["core_share"] @ result.groups["share"] == pytest.approx(result.core_share)


def test_tables_agree_with_each_other():
    customers, _ = skewed()
    result = run(customers, n_segments=[3, 4])
    assert isinstance(result, Multiverse) and result.customers.index.equals(customers.index)
    assert list(result.customers) == ["group", "togetherness", "core"]
    assert (result.customers["core"] == (result.customers["togetherness"] >= result.facts["level"])).all()
    choices = ["transform", "scaling", "left_out", "method", "k"]
    assert list(result.pipelines) == [*choices, "seed", "segments", "smallest", "tiny", "agreement"]
    assert (
        not result.pipelines.duplicated(choices).any()
        and (result.pipelines["segments"] <= result.pipelines["k"]).all()
    )
    assert set(result.choices.index) == set(choices) and result.choices["cost"].is_monotonic_decreasing
    assert result.facts["by_chance"] == [] and "not compared" in result.verdict
    shown = result.together.to_numpy()
    assert shown.shape == (70, 70) and (np.diag(shown) == 1).all() and (shown == shown.T).all()
    groups = result.customers.loc[result.together.index, "group"]
    assert groups.to_list() == result.together.attrs["groups"] == sorted(groups)


def test_choices_that_matter_are_found():
    """Two groups far apart in one feature: leaving it out changes the segments. Scaling and method change nothing."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(200, 3)), columns=list("abc"))
    table["a"] += 12 * (np.arange(200) % 2)
    result = run(table, n_segments=[2], pipelines=32)
    costs, errors = result.choices["cost"], result.choices["error"]
    assert costs["left_out"] > 2 * errors["left_out"] > 0
    assert abs(costs["scaling"]) < 0.05 and abs(costs["method"]) < 0.05
    assert np.isnan(costs["k"]) and result.choices.loc["k", "levels"] == 1
    standard = result.pipelines[result.pipelines["scaling"] == "standard"]
    without = standard["left_out"] == "a"
    assert standard.loc[without, "agreement"].max() < standard.loc[~without, "agreement"].min()


def test_row_order_and_threads_change_nothing(monkeypatch):
    customers, _ = skewed(250)
    first = run(customers, null_sets=1)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    again = run(customers.sample(frac=1, random_state=0), null_sets=1)
    assert_frame_equal(first.customers, again.customers.loc[customers.index])
    for table in ("groups", "pipelines", "choices", "together"):
        assert_frame_equal(getattr(first, table), getattr(again, table))
    assert first.facts == again.facts
    assert not first.pipelines.equals(run(customers, random_state=1).pipelines)


def test_many_customers_become_micro_clusters():
    customers, truth = skewed(4_000, groups=3, apart=3.0)
    result = run(customers, n_segments=[3], pipelines=6)
    assert result.facts["points"] <= 3_000 < len(result.customers)
    assert adjusted_rand_score(truth, result.customers["group"]) > 0.95


def test_interrupted_multiverse_keeps_pipelines(monkeypatch):
    customers, _ = skewed(100)
    labels, calls = PreparedVariants.labels, []

    def stopped(self, *arguments):
        calls.append(1)
        if len(calls) == limit:
            raise KeyboardInterrupt
        return labels(self, *arguments)

    monkeypatch.setattr(PreparedVariants, "labels", stopped)
    limit = 6
    result = run(customers, n_segments=3, null_sets=2)
    assert len(result.pipelines) == result.facts["pipelines"] == 5 and result.facts["by_chance"] == []
    calls.clear()
    limit = 12 + 12 + 5  # amid the second null data set
    result = run(customers, n_segments=3, null_sets=2)
    assert len(result.pipelines) == 12 and len(result.facts["by_chance"]) == 1
    calls.clear()
    limit = 2
    with pytest.raises(KeyboardInterrupt):
        run(customers, n_segments=3)


# --- continua ----------------------------------------------------------------------------------------


@pytest.mark.simulation
def test_continuum_has_few_core_customers():
    """Rates over simulated shops of 600 customers; set SEGKIT_SHOPS for more of them."""
    shares, alarms = [], 0
    for seed in range(SHOPS):
        rng = np.random.default_rng(100 + seed)
        latent = rng.normal(size=(600, 5)) @ np.linalg.cholesky(0.7 * np.eye(5) + 0.3).T
        customers = pd.DataFrame(np.exp(latent), columns=list("abcde"))
        result = sg.multiverse(customers, n_segments=3, pipelines=30, random_state=seed, progress=False)
        shares.append(result.core_share)
        alarms += "whatever is chosen" in result.verdict
    assert np.mean(shares) < 0.2 and alarms <= max(1, 0.15 * SHOPS)


@pytest.mark.simulation
def test_four_groups_are_mostly_core():
    shares, reported = [], 0
    for seed in range(SHOPS):
        customers, _ = skewed(600, d=6, groups=4, apart=2.5, seed=seed)
        result = sg.multiverse(customers, n_segments=4, pipelines=30, random_state=seed, progress=False)
        shares.append(result.core_share)
        reported += "whatever is chosen" in result.verdict
    assert np.median(shares) > 0.7 and reported >= 0.6 * SHOPS


# --- bad input ---------------------------------------------------------------------------------------


def test_constant_columns_change_little():
    customers, truth = skewed(200, groups=3, apart=3.0)
    more = customers.assign(nothing=0.0, missing=np.nan, again=customers["f0"])
    result = run(more, n_segments=[3])
    left_out = {f for names in result.pipelines["left_out"] for f in names.split(", ") if f}
    assert not left_out & {"nothing", "missing"}
    assert adjusted_rand_score(truth, result.customers["group"]) > 0.9


def test_odd_tables_get_an_answer():
    few, _ = skewed(30)
    assert len(run(few).customers) == 30
    one = run(few[["f0"]], n_segments=3)
    assert set(one.pipelines["left_out"]) == {""} and len(one.groups) >= 1
    gaps = skewed(1_500)[0]
    gaps = gaps.mask(np.random.default_rng(0).random(gaps.shape) < 0.1)
    gaps["word"] = pd.Categorical([f"w{i % 1000}" for i in range(1_500)])
    gaps.iloc[0, 0] = 1e12
    result = run(gaps, n_segments=3, null_sets=1)
    assert result.customers.notna().all(axis=None) and result.customers["togetherness"].between(0, 1).all()


@pytest.mark.parametrize(
    ("customers", "arguments", "message"),
    [
        (three_groups() * 0, {}, "Every feature is the same for all customers"),
        (pd.concat([three_groups().iloc[[0, 59]]] * 20, ignore_index=True), {}, "only 2 customers differ"),
        (three_groups(), {"n_segments": 40}, "Up to 41 segments are tried, and only 60"),
        (three_groups(), {"n_segments": 1}, "n_segments=1 should be a whole number"),
        (three_groups(), {"n_segments": []}, "2 or more, or several"),
        (three_groups(), {"pipelines": 1}, "pipelines=1 should be a whole number, 2 or more"),
        (three_groups(), {"null_sets": -1}, "null_sets=-1 should be a whole number, 0 or more"),
        (three_groups().iloc[:0], {}, "customers has 0 rows"),
    ],
)
def test_wrong_arguments_are_explained(customers, arguments, message):
    with pytest.raises(ValueError, match=message):
        run(customers, **arguments)
