"""The structure test: false alarms and power over simulated customers, null data sets, odd tables."""

import os

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from shared_data import shared
from simulated import CONTINUA, GROUPED, RandomLabels, four_groups, latent, log_normal, mixed_types
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.datasets import make_circles, make_moons
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import three_groups
from threadpoolctl import threadpool_limits

import segkit as sg
from segkit.trust.null_model import CopulaNull
from segkit.trust.structure import _verdict

pytestmark = pytest.mark.structure

SHOPS = int(os.environ.get("SEGKIT_SHOPS", "20"))
REFERENCES = 79


def run(customers, **arguments):
    return sg.structure_test(customers, **({"references": 62, "progress": False} | arguments))


def rate(shop, shops=SHOPS, n=400):
    """Count the shops with the verdict that there are groups."""
    alarms = 0
    for seed in range(shops):
        made = shop(n, np.random.default_rng(seed))
        customers = made[0] if isinstance(made, tuple) else made
        alarms += run(customers, references=REFERENCES, random_state=seed).verdict == "structure"
    return alarms


@pytest.mark.parametrize("shop", CONTINUA.values(), ids=CONTINUA)
def test_continua_have_no_groups(shop):
    assert not rate(shop, shops=1)


@pytest.mark.simulation
def test_false_alarms_are_rare():
    """Over all shops, no more than a test at 5 % would give in 99 of 100 runs; of no case, in 999 of 1,000."""
    alarms = {name: rate(shop) for name, shop in CONTINUA.items()}
    assert sum(alarms.values()) <= binom.ppf(0.99, SHOPS * len(alarms), 0.05), alarms
    assert max(alarms.values()) <= binom.ppf(0.999, SHOPS, 0.05), alarms


@pytest.mark.parametrize("make", [make_moons, make_circles], ids=["moons", "circles"])
def test_segments_across_groups_are_arbitrary(make):
    """k-means halves both moons, and both circles: the halves are no groups, although the moons are."""
    values, group = make(400, noise=0.05, random_state=1, **({"factor": 0.4} if make is make_circles else {}))
    customers = pd.DataFrame(values, columns=["a", "b"])
    result = sg.segment(customers, model=KMeans(2, n_init=5, random_state=0))
    halves = sg.segment_structure(result, references=62, progress=False)
    assert (halves["verdict"] == "arbitrary").all() and halves["border"].between(0.3, 0.6).all()
    model = make_pipeline(sg.make_preparer(), AgglomerativeClustering(2, linkage="single"))
    groups = sg.segment(customers, model=model)
    assert adjusted_rand_score(group, groups.labels) == 1
    border = sg.segment_structure(groups, references=62, progress=False)["border"]
    assert border.min() > 0.9


def test_yes_and_no_may_show_groups():
    """Groups of ten answers that are 0 or 1: a 0 is an answer, not a lack."""
    rng = np.random.default_rng(0)
    likely = np.where(rng.random((3, 10)) < 0.5, 0.9, 0.1)
    answers = pd.DataFrame((rng.random((400, 10)) < likely[rng.integers(0, 3, 400)]).astype(int)).add_prefix(
        "q"
    )
    assert run(answers).verdict == "structure" and run(answers == 1).verdict == "structure"


@pytest.mark.simulation
@pytest.mark.parametrize(("name", "power"), [("four_groups", 0.9), ("unequal_groups", 0.8)])
def test_power_is_as_stated(name, power):
    """No fewer than a test of that power would find in 999 of 1,000 runs."""
    assert rate(GROUPED[name], n=600) >= binom.ppf(0.001, SHOPS, power)


@pytest.mark.parametrize("name", GROUPED)
def test_planted_groups_are_found(name):
    assert rate(GROUPED[name], shops=1, n=600)


@pytest.mark.simulation
def test_only_groups_are_real():
    alarms, segments = 0, 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        of_continuum = sg.segment(log_normal(400, rng), n_segments=4)
        alarms += (sg.segment_structure(of_continuum, progress=False)["verdict"] == "real").any()
        of_groups = sg.segment(four_groups(600, rng)[0], n_segments=4)
        segments += (sg.segment_structure(of_groups, progress=False)["verdict"] == "real").sum()
    assert alarms <= 2 and segments >= 18


def test_one_planted_group_is_real():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(latent(600, 5, rng), columns=list("abcde"))
    table.iloc[:80] = rng.normal(0, 0.4, (80, 5)) + np.array([4, -4, 4, -4, 4])
    result = sg.segment(table, n_segments=3)
    table = sg.segment_structure(result, progress=False)
    planted = result.labels.iloc[:80].mode()[0]
    assert table.loc[planted, "verdict"] == "real" and table.loc[planted, "p_value"] <= 0.02
    assert (table.drop(index=planted)["verdict"] == "arbitrary").all()
    assert set(table.drop(index=planted)["nearest"]).isdisjoint({planted})


def test_sentence_gives_the_verdict():
    ungrouped = run(log_normal(300, np.random.default_rng(0)))
    assert (
        ungrouped.verdict == "continuum"
        and ungrouped.p_value > 0.05
        and repr(ungrouped) == ungrouped.sentence
    )
    assert "of 62 null data sets" in ungrouped.sentence
    groups = run(three_groups(40))
    assert groups.verdict == "structure" and groups.facts["by_themselves"] == ["spend", "visits"]
    assert groups.sentence.startswith("Your customers form distinct groups: spend and visits fall into")
    assert groups.effect > 3 and groups.references.shape == (62, 9)
    assert list(groups.observed.index) == list(range(2, 11))


@pytest.mark.parametrize("change", ["order", "ids"])
def test_row_order_changes_nothing(change):
    customers = mixed_types(200, np.random.default_rng(1))
    customers.index = [f"c{i:03}" for i in range(200)]
    one = run(customers)
    again = run(customers.sample(frac=1, random_state=3) if change == "order" else customers.copy())
    assert one.p_value == again.p_value and one.observed.equals(again.observed)
    assert one.references.equals(again.references)


def test_sample_size_is_stated():
    test = run(log_normal(1_500, np.random.default_rng(0)), references=62)
    assert (test.facts["customers"], test.facts["looked_at"]) == (1_500, 1_000)


# --- odd tables --------------------------------------------------------------------------------------


def odd(n=120):
    rng = np.random.default_rng(5)
    base = log_normal(n, rng)
    yield "constant and duplicated", base.assign(same=1.0, again=base["a"])
    yield "all zero", base.assign(z=0.0)
    yield "a tenth missing", base.mask(rng.random(base.shape) < 0.1)
    yield "nothing known of one", base.assign(z=np.nan)
    yield "one giant", base.assign(a=np.where(np.arange(n) == 7, 1e12, base["a"]))
    yield "a thousand words", base.assign(w=[f"w{i}" for i in range(n)])
    yield "a flag", base.assign(flag=base["a"] > 1)
    yield "nullable", base.assign(k=pd.array([None, 1, 2] * (n // 3), dtype="Int64"))
    yield (
        "ordered words",
        base.assign(s=pd.Categorical(["S", "M", "L"] * (n // 3), ["S", "M", "L"], ordered=True)),
    )
    yield "many features", pd.DataFrame(rng.normal(size=(60, 100))).rename(columns=str)
    yield "words alone", pd.DataFrame({"v": list("ab") * (n // 2), "w": list("abc") * (n // 3)})


@pytest.mark.parametrize(("customers"), [t for _, t in odd()], ids=[name for name, _ in odd()])
def test_odd_tables_get_an_answer(customers):
    test = run(customers, references=62)
    assert test.verdict in ("continuum", "too little"), test.sentence
    assert test.sentence


@pytest.mark.parametrize(
    ("customers", "why"),
    [
        (log_normal(30, np.random.default_rng(0)), "Only 30 customers"),
        (pd.DataFrame({"a": [1.0, 2] * 40, "b": [5.0, 1] * 40}), "The features have only 2 different"),
        (
            pd.concat([log_normal(5, np.random.default_rng(0))] * 40, ignore_index=True),
            "The features have only 5 different",
        ),
        (pd.DataFrame({"a": [1.0] * 80, "b": [5.0] * 80}), "At most one feature varies"),
        (pd.DataFrame({"a": np.arange(80.0) % 12, "b": 1.0}), "At most one feature varies"),
    ],
)
def test_too_little_data_is_reported(customers, why):
    test = run(customers)
    assert test.verdict == "too little" and np.isnan(test.p_value) and test.sentence.startswith(why)
    with pytest.raises(ValueError, match="There is nothing to draw"):
        sg.plot_structure(test)


def test_one_feature_may_show_groups():
    groups = three_groups(60)[["visits"]]
    assert run(groups).verdict == "structure"
    assert run(log_normal(200, np.random.default_rng(0))[["a"]]).verdict == "continuum"


def test_few_references_are_refused():
    with pytest.raises(ValueError, match="references=20 should be a whole number, 62 or more"):
        run(three_groups(), references=20)


def test_many_segments_and_outliers():
    customers = log_normal(60, np.random.default_rng(0))
    table = sg.segment_structure(sg.segment(customers, n_segments=20), references=62, progress=False)
    assert len(table) == 20 and set(table["verdict"]) <= {"too little", "arbitrary"}
    outliers = pd.concat([three_groups(40), pd.DataFrame({"visits": [900.0], "spend": [900.0]}, index=["x"])])
    noisy = sg.segment(
        outliers, model=make_pipeline(StandardScaler(), HDBSCAN(min_cluster_size=20, copy=True))
    )
    table = sg.segment_structure(noisy, references=62, progress=False)
    assert (noisy.labels == -1).any() and list(table.index) == noisy.segments
    assert (table["verdict"] == "real").all()


def test_other_preparers_are_replaced():
    model = make_pipeline(StandardScaler(), PCA(2), KMeans(3, n_init=3, random_state=0))
    table = sg.segment_structure(sg.segment(three_groups(40), model=model), references=62, progress=False)
    assert (table["verdict"] == "real").all()


def test_interrupted_test_keeps_references(monkeypatch):
    drawn, calls = CopulaNull.draw, []

    def stopped(self, rng):
        calls.append(1)
        if len(calls) == limit:
            raise KeyboardInterrupt
        return drawn(self, rng)

    monkeypatch.setattr(CopulaNull, "draw", stopped)
    limit = 70
    test = run(log_normal(100, np.random.default_rng(0)), references=99)
    assert test.facts["references"] == len(test.references) == 69
    calls.clear()
    limit = 5
    with pytest.raises(KeyboardInterrupt):
        run(log_normal(100, np.random.default_rng(0)))


def test_chart_shows_what_the_sentence_rests_on():
    """The deepest gap among null data sets, a feature that falls into groups, or how surely words tell apart."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, (400, 1))
    codes = np.where(rng.random((400, 5)) < 0.85, group, rng.integers(0, 4, (400, 5)))
    spelt = pd.DataFrame(
        np.array(["tea", "rum", "ale", "gin"])[codes], columns=[f"drink {i}" for i in range(5)]
    )
    tables = {"gaps": log_normal(100, rng), "feature": three_groups(40), "words": spelt}
    for rests_on, customers in tables.items():
        test = run(customers)
        assert test.facts["rests_on"] == rests_on
        drawn = sg.plot_structure(test).to_dict()
        assert " ".join(drawn["title"]["subtitle"]) == test.sentence
        first = drawn["layer"][0]
        bars = drawn["datasets"][first.get("data", drawn.get("data"))["name"]]
        assert (
            sum(row["counted"] for row in bars)
            == {"gaps": 62, "feature": len(customers), "words": 19}[rests_on]
        )
        if rests_on == "feature":
            assert first["encoding"]["x"]["title"] == test.facts["by_themselves"][0]
            continue
        line = drawn["datasets"][drawn["layer"][1]["data"]["name"]][0]["low"]
        assert line == pytest.approx(test.scores[0] if rests_on == "gaps" else test.facts["word_scores"][0])
        assert (line > max(row["high"] for row in bars) - 0.5) == (rests_on == "words")


def test_random_segments_are_not_real():
    customers = four_groups(400, np.random.default_rng(2))[0]
    random = sg.segment(customers, model=make_pipeline(sg.make_preparer(), RandomLabels()))
    table = sg.segment_structure(random, progress=False)
    assert (table["verdict"] == "arbitrary").all() and (table["separation"] == 0).all()


def test_threads_change_nothing():
    customers = mixed_types(300, np.random.default_rng(5))
    tests = []
    for threads in (1, 2, 4):
        with threadpool_limits(limits=threads):
            tests.append(run(customers))
    assert all(test.references.equals(tests[0].references) for test in tests)


def test_hint_between_the_levels():
    observed = np.array([3.0, 0.0])
    drawn = np.column_stack([np.r_[4.0, 3.5, np.zeros(97)], np.zeros(99)])
    facts = {"references": 99, "by_themselves": [], "words": []}
    test = _verdict(observed, drawn, 1.0, dict(facts))
    assert test.verdict == "continuum" and test.p_value == pytest.approx(0.03 / 0.8)
    assert test.sentence.startswith("One continuum, with a hint of groups: 2 of 99")
    assert _verdict(observed + 9, drawn, 1.0, dict(facts)).verdict == "structure"


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("mall_customers", "structure"), ("wholesale_customers", "continuum"), ("rfm_orders", "continuum")],
)
def test_verdicts_on_real_customers(name, verdict):
    """The mall's five corners of income and spending are the textbook's; the others are skewed clouds."""
    table = pd.read_csv(shared(name) / f"{name}.csv")
    if name == "rfm_orders":
        orders = sg.read_events(table, kind="purchase", timestamp="order_date", amount="revenue")
        table = sg.customer_features(orders, sg.RFM, as_of="2007-01-01")
    else:
        table = table.drop(columns=["CustomerID", "Gender", "Age", "Channel", "Region"], errors="ignore")
    assert run(table, references=99).verdict == verdict
