"""What was kept out is tested; what built the segments is not."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import vl_convert
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline

import segkit as sg
from segkit.explain.rank_tests import adjusted, numbers_differ, words_differ


def one_population(seed, n=240):
    """Customers without groups, cut into four; nothing that was kept out has to do with the cut."""
    rng = np.random.default_rng(seed)
    customers = pd.DataFrame(rng.normal(size=(n, 4)), columns=["visits", "spend", "breadth", "gap"])
    model = make_pipeline(sg.make_preparer(), KMeans(4, n_init=1, random_state=0))
    kept_out = pd.DataFrame(
        {
            "age": rng.normal(40, 10, n),
            "late": np.where(rng.random(n) < 0.8, 0.0, rng.exponential(9, n)),
            "rare": np.where(rng.random(n) < 0.02, rng.integers(1, 4, n), 0),
            "vip": rng.random(n) < 0.05,
            "region": rng.choice(["N", "E", "S", "W"], n, p=[0.6, 0.3, 0.09, 0.01]),
            "partly": np.where(rng.random(n) < 0.3, np.nan, rng.lognormal(size=n)),
        }
    )
    return sg.segment(customers, model=model), kept_out


def findings(table, fdr=0.05):
    return table[table["q"] <= fdr]


def test_used_features_get_no_test():
    """Also in one population, where naive tests of them find nearly everything."""
    result, kept_out = one_population(0)
    table = sg.evidence(result, kept_out, minimum=1)
    built = table[table["kind"] == "built the segments"]
    assert set(built["feature"]) == set(result.customers) and len(built) == 16
    assert built[["p", "q", "effect_low", "effect_high"]].isna().all(axis=None)
    assert set(built["verdict"]) == {"not tested: built the segments"} and built["effect"].notna().all()
    labels = result.labels.to_numpy()
    naive = [numbers_differ(result.customers[c].to_numpy(), labels, 4, None).p_all for c in result.customers]
    assert max(naive) < 1e-6


def check_false_findings(simulations):
    """On average, at most 5 % of the findings are false; without any difference, as many simulations have one."""
    wrong, of_planted, found = [], [], []
    for seed in range(simulations):
        result, kept_out = one_population(seed)
        wrong.append(len(findings(sg.evidence(result, kept_out, minimum=1))) > 0)
        if seed % 3:
            continue
        planted = kept_out.assign(
            outcome=(result.labels == 1) * 1.5 + np.random.default_rng(seed).normal(size=len(kept_out))
        )
        table = findings(sg.evidence(result, planted, minimum=1))
        of_planted.append((table["column"] != "outcome").mean())
        found.append((table["column"] == "outcome").any())
    slack = 2 * np.sqrt(0.05 * 0.95 / simulations)
    assert np.mean(wrong) <= 0.05 + slack and np.mean(of_planted) <= 0.05 + slack and np.mean(found) == 1


def test_few_findings_are_false():
    check_false_findings(30)


@pytest.mark.simulation
def test_few_findings_are_false_in_200_simulations():
    check_false_findings(200)


def check_left_out_once(simulations):
    """Independent features: none is found. A group in two of four: both are found, each by the other."""
    wrong = []
    for seed in range(simulations):
        result, _ = one_population(seed)
        table = sg.evidence(result, split=True, random_state=seed, minimum=1)
        tested = table[table["kind"] == "left out once"]
        assert len(tested) == 4 and set(tested["segment"]) == {"all segments"}
        wrong.append(len(findings(tested)) > 0)
    assert np.mean(wrong) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / simulations)


def test_a_feature_left_out_is_seldom_found_in_one_population():
    check_left_out_once(15)


@pytest.mark.simulation
def test_a_feature_left_out_is_seldom_found_in_200_simulations():
    check_left_out_once(200)


def test_groups_show_in_features_left_out():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 8], 100)
    columns = {
        "a": group + rng.normal(size=200),
        "b": group + rng.normal(size=200),
        "c": rng.normal(size=200),
    }
    customers = pd.DataFrame(columns | {"word": rng.choice(["x", "y", "z"], 200)})
    result = sg.segment(customers, n_segments=2)
    table = sg.evidence(result, split=True, minimum=1)
    assert set(findings(table)["feature"]) == {"a", "b"}
    assert sg.evidence(result, split=True, minimum=1).equals(table)
    alone = sg.evidence(sg.segment(customers[["a"]], n_segments=2), split=True, minimum=1)
    assert alone.iloc[0]["verdict"] == "cannot be told: no segments are made without it"
    mixed = sg.segment(customers, n_segments=2, method="mixed_mixture")
    assert set(findings(sg.evidence(mixed, split=True, minimum=1))["feature"]) == {"a", "b"}


def test_tests_agree_with_scipy():
    """With ties, gaps and customers outside."""
    rng = np.random.default_rng(3)
    values, codes = rng.integers(0, 12, 300).astype(float), rng.integers(0, 4, 300)
    values[:30] = np.nan
    known = ~np.isnan(values)
    tested = numbers_differ(values, codes, 3, rng)
    parts = [values[known & (codes == g)] for g in range(4)]
    for g in range(3):
        rest = np.concatenate([part for h, part in enumerate(parts) if h != g])
        assert tested.p[g] == pytest.approx(
            scipy.stats.mannwhitneyu(parts[g], rest, method="asymptotic").pvalue
        )
    assert tested.p_all == pytest.approx(scipy.stats.kruskal(*parts[:3]).pvalue)
    words = pd.Series(np.where(known, values % 3, np.nan)).map({0.0: "x", 1.0: "y", 2.0: "z"})
    p, test = words_differ(words, codes, 4, rng)
    assert test == "chi-square" and p == pytest.approx(
        scipy.stats.chi2_contingency(pd.crosstab(codes, words)).pvalue
    )
    q = adjusted(np.array([0.01, np.nan, 0.02, 0.5]))
    assert q[[0, 2, 3]] == pytest.approx([0.03, 0.03, 0.5]) and np.isnan(q[1])


def test_few_expected_are_tested_by_chance():
    """Exact for two values; permutations agree with all possible draws; a segment of one."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], [6, 34])
    yes = np.r_[np.ones(4), np.zeros(2), np.ones(2), np.zeros(32)]
    tested = numbers_differ(yes, codes, 2, rng)
    assert tested.tests == ["exact", "exact"]
    assert tested.p == pytest.approx(scipy.stats.fisher_exact([[4, 2], [2, 32]]).pvalue)
    alone = numbers_differ(np.arange(50.0), (np.arange(50) > 0).astype(int), 2, rng)
    assert alone.tests[0] == "permutation" and alone.p == pytest.approx(2 / 50, abs=0.01)
    p, test = words_differ(pd.Series(["x", "x", "x", "y", "y", "z"]), np.array([0, 0, 0, 1, 1, 1]), 2, rng)
    assert test == "permutation" and p == pytest.approx(0.1, abs=0.02)


def test_a_copy_is_no_evidence():
    result, kept_out = one_population(0)
    visits = result.customers["visits"]
    kept_out = kept_out.assign(
        again=np.exp(visits), opposite=-visits, gappy=visits.where(kept_out["age"] > 40), label=result.named_labels,
        number=result.labels, spend=result.customers["spend"], near=visits + kept_out["age"] / 20,
    )  # fmt: skip
    table = sg.evidence(result, kept_out, minimum=1)
    rows = table[(table["kind"] == "kept out") & (table["segment_id"].isin([0]))].set_index("column")
    for name, of in {"again": "visits", "opposite": "visits", "spend": "spend"}.items():
        assert rows.loc[name, "verdict"] == f"no evidence: says the same as {of}, which built the segments"
        assert np.isnan(rows.loc[name, "p"]) and rows.loc[name, "test"] == ""
    for name in ("label", "number"):
        told = table[table["column"] == name]
        assert len(told) == 5 and (told["verdict"] == "no evidence: says the same as the segments").all()
    gappy = table[(table["feature"] == "gappy")]
    assert gappy["verdict"].str.startswith("no evidence: says the same as visits").all()
    near = table[(table["feature"] == "near") & (table["segment"] == "all segments")]
    assert near["p"].item() < 1e-3 and near["verdict"].item() == "differs between segments"


def test_verdicts_are_words():
    result, _ = one_population(1)
    inside = (result.labels == 0).to_numpy()
    rng = np.random.default_rng(0)
    more = pd.DataFrame(
        {
            "spend later": inside * 3.0 + rng.normal(size=240),
            "opened": rng.random(240) < np.where(inside, 0.1, 0.9),
            "same": 1.0,
            "unknown": np.nan,
            "noise": rng.normal(size=240),
        }
    )
    table = sg.evidence(result, more, minimum=1)
    first = table[table["segment_id"] == 0].set_index("feature")["verdict"]
    assert first[["spend later", "opened", "noise"]].to_list() == [
        "higher than others", "less often than others", "no difference shown",
    ]  # fmt: skip
    assert set(first[["same", "unknown"]]) == {"cannot be told: too few known, or all alike"}
    every = table[table["segment"] == "all segments"].set_index("feature")
    assert every.loc["spend later", ["verdict", "test"]].to_list() == [
        "differs between segments",
        "Kruskal–Wallis",
    ]
    ours = table[(table["segment_id"] == 0) & (table["feature"] == "spend later")].iloc[0]
    assert ours["effect_low"] < ours["effect"] < ours["effect_high"]


def test_odd_results_have_evidence():
    """A segment of one, sixty segments, names of JavaScript, and customers without attributes."""
    ids = [f"c{i}" for i in range(120)]
    customers = pd.DataFrame({"constructor": np.arange(120.0) ** 2}, index=ids)
    sixty = sg.segment(customers, model=KMeans(60, n_init=1, random_state=0))
    more = pd.DataFrame(
        {"toString": np.arange(60) % 7, "年齢": ["子", "母"] * 30, "word": list("abc") * 20}, index=ids[:60]
    )
    table = sg.evidence(sixty, more, minimum=1)
    assert table["q"].dropna().between(0, 1).all() and np.isfinite(table["effect"].dropna()).all()
    assert "NaN" not in vl_convert.vegalite_to_svg(sg.plot_evidence(table).to_json())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"held_out": ["age"]}, "held_out is a list. It should be a table"),
        ({"held_out": pd.DataFrame({"a": [1]}, index=["z"])}, "None of the 240 customers is in held_out"),
        ({"fdr": 5}, "fdr=5 should be a share of wrong findings"),
        ({"random_state": -1}, "random_state=-1"),
    ],
)
def test_wrong_arguments_of_evidence_are_explained(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        sg.evidence(one_population(0)[0], **arguments, minimum=1)


def test_the_chart_keeps_the_two_kinds_apart():
    result, kept_out = one_population(0)
    kept_out["outcome"] = (result.labels == 0) * 3.0 + kept_out["age"] / 10
    chart = sg.plot_evidence(sg.evidence(result, kept_out, minimum=1), most=6).to_dict()
    left, right = chart["vconcat"]
    assert "tested" in left["title"] and "no evidence" in right["title"]
    rows = [
        [chart["datasets"][layer["data"]["name"]] for layer in panel["layer"] if "data" in layer][-1]
        for panel in (left, right)
    ]
    assert rows[0][0]["finding"] == "a finding" and {r["finding"] for r in rows[1]} == {"not tested"}
    assert len(rows[0]) == len(rows[1]) == 6 and "left out" in " ".join(chart["title"]["subtitle"])
    only_built = sg.plot_evidence(sg.evidence(result, minimum=1)).to_dict()
    assert len(only_built["vconcat"]) == 1
    with pytest.raises(ValueError, match="evidence"):
        sg.plot_evidence(sg.profile(result))


def test_customers_of_whom_nothing_was_kept_out_are_left_out():
    """A survey that every other customer answered says nothing of the others, and their silence is no finding."""
    rng = np.random.default_rng(0)
    visits = pd.DataFrame({"visits": np.r_[rng.normal(0, 1, 100), rng.normal(20, 1, 100)]})
    result = sg.segment(visits, n_segments=2)
    survey = pd.DataFrame({"age": rng.normal(40, 9, 200), "town": rng.choice(["Ulm", "Bonn", "Kiel"], 200)})
    some = sg.evidence(result, survey.iloc[np.r_[0:40, 100:190]], minimum=1)
    assert some.attrs["segkit"]["without"] == 70
    kept = some[some["kind"] == "kept out"]
    assert not kept["feature"].str.contains("missing").any()
    assert kept["verdict"].isin(["no difference shown"]).all()
    partly = survey.assign(age=survey["age"].where(np.arange(200) < 100))
    assert sg.evidence(result, partly, minimum=1).attrs["segkit"]["without"] == 0
    assert sg.evidence(result, partly, minimum=1)["feature"].str.contains("age missing").any()
