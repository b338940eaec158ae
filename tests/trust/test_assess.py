"""Three verdicts that do not stand for each other: real, repeatable, useful."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import DBSCAN, KMeans
from sklearn.pipeline import make_pipeline
from tables import continuum, three_groups

import segkit as sg
from segkit.datasets import make_events
from segkit.trust.assess import Trust, _later_in_words, _repeats, _useful_in_words
from segkit.trust.null_model import CopulaNull

pytestmark = pytest.mark.structure


@pytest.fixture(scope="module")
def shop():
    events, _ = make_events(400, kinds="purchase")
    return events, sg.customer_features(events, sg.RFM + sg.CADENCE, as_of="2024-10-01")


@pytest.fixture(scope="module")
def grouped():
    return sg.segment(three_groups(40), n_segments=3)


@pytest.fixture(scope="module")
def ungrouped():
    return sg.segment(continuum(), n_segments=3)


def test_planted_groups_are_real(grouped):
    trust = grouped.trust
    assert trust.real.startswith("yes") and trust.repeatable == "yes (weakest 1.00)"
    assert trust.useful == "not tested"
    assert set(trust.segments["verdict"]) == {"real and repeatable"}


def test_continuum_has_no_real_segment(ungrouped):
    assert ungrouped.trust.real.startswith("no, one continuum (p = ")
    assert set(ungrouped.trust.segments["real"]) == {"arbitrary"}


@pytest.mark.simulation
def test_halves_are_repeatable_but_arbitrary():
    """10 continua with a long main direction: cut at the same place each time, and hardly ever called real."""
    verdicts = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        size = rng.normal(size=500)
        table = pd.DataFrame({c: np.exp(size + rng.normal(0, 0.5, 500)) for c in "abc"})
        verdicts += list(sg.segment(table, n_segments=2).trust.segments["verdict"])
    assert verdicts.count("repeatable but arbitrary") >= 16
    assert sum(verdict.startswith("real") for verdict in verdicts) <= 2


def test_useful_needs_the_next_period(shop):
    events, customers = shop
    result = sg.segment(customers, n_segments=4)
    trust = sg.assess(result, events=events, horizon="90 days", resamples=3, progress=False)
    assert trust.useful.startswith("yes, better than RFM quintiles at predicting")
    assert "useful" in set(trust.segments["useful"])
    assert any("repeat purchase" in words for words in trust.segments["next_period"])
    kept = result.with_trust(trust)
    assert kept.trust.summary == trust.summary
    assert kept.with_names({0: "Fans"}).trust.segments.loc[0, "name"] == "Fans"


def test_random_segments_are_not_useful(shop):
    events, customers = shop
    noise = customers[[]].assign(a=np.random.default_rng(3).normal(size=len(customers)))
    noise.attrs = dict(customers.attrs)
    result = sg.segment(noise, n_segments=3)
    trust = sg.assess(result, events=events, horizon="90 days", resamples=3, progress=False)
    assert trust.useful == "no better than chance"
    assert set(trust.segments["useful"]) == {"no different"}


def test_few_customers_get_an_answer():
    few = sg.segment(three_groups(4), n_segments=3)
    assert few.trust.real == "too little data to tell"
    assert set(few.trust.segments["verdict"]) == {"too little data to tell"}


def test_one_segment_gets_an_answer():
    one = sg.segment(three_groups(30), model=DBSCAN(eps=1e6))
    assert one.trust.repeatable == "not tested" and len(one.trust.segments) == 1


def test_undivided_customers_are_described():
    def whole(table):
        return sg.segment(table, model=make_pipeline(sg.make_preparer(), KMeans(1, n_init=1)))

    customers = continuum(150, seed=23)
    assert sg.assess(whole(customers)).segments["verdict"].to_list() == ["the whole continuum"]
    apart = customers.add(1000.0 * (np.arange(150)[:, None] % 3))
    assert sg.assess(whole(apart)).segments["verdict"].to_list() == ["several groups in one segment"]


def test_bands_across_groups_are_not_real():
    table = three_groups(60).assign(monetary=np.random.default_rng(0).lognormal(size=180))
    trust = sg.assess(sg.value_bands(table, by="monetary"), resamples=3, progress=False)
    assert trust.real.startswith("no: there are groups (p = ")
    assert (trust.segments["real"] == "arbitrary").all()


def test_trust_is_saved(grouped, tmp_path):
    trust = grouped.trust
    again = sg.Segmentation.load(grouped.save(tmp_path / "kept"))
    assert again.trust.summary == trust.summary
    pd.testing.assert_frame_equal(again.trust.segments, trust.segments, check_dtype=False)
    assert again.trust.structure is None and isinstance(again.assessment, Trust)


def test_trust_of_another_is_refused(ungrouped, grouped):
    assert ungrouped.segments == grouped.segments
    with pytest.raises(ValueError, match="This trust is of another segmentation"):
        ungrouped.with_trust(grouped.trust)
    with pytest.raises(TypeError, match="trust is the text 'yes'"):
        ungrouped.with_trust("yes")
    named = grouped.with_names({0: "VIP"})
    assert named.with_trust(grouped.trust).trust.stability.segments.loc[0, "name"] == "VIP"


def test_to_frame_holds_verdicts(grouped):
    table = grouped.with_trust(grouped.trust).to_frame()
    assert set(table["trust"]) == {"real and repeatable"}


@pytest.mark.parametrize("function", [sg.assess, sg.stability, sg.segment_structure])
def test_a_table_is_no_segmentation(function):
    with pytest.raises(TypeError, match=r"result is a DataFrame\. It should be a Segmentation"):
        function(continuum(60))


def test_provenance_agrees_with_trust():
    customers = continuum(150, seed=4)
    model = make_pipeline(
        sg.make_preparer(scale="standard", log="none"), KMeans(12, n_init=1, random_state=0)
    )
    for result in (sg.segment(customers, model=model), sg.segment(customers, n_segments=3)):
        test = sg.assess(result, resamples=2, progress=False).structure
        assert result.provenance["structure"]["sentence"] == test.sentence
        assert test.observed.index[-1] == max(10, len(result.segments))


# --- interrupted -------------------------------------------------------------------------------------


def interrupt_after(null_sets, monkeypatch):
    """Press Ctrl-C while null data sets are drawn."""
    draw, calls = CopulaNull.draw, []

    def stopped(self, rng):
        calls.append(1)
        if len(calls) > null_sets:
            raise KeyboardInterrupt
        return draw(self, rng)

    monkeypatch.setattr(CopulaNull, "draw", stopped)


def test_interrupted_tests_are_not_remembered(monkeypatch):
    customers = continuum(150, seed=21)
    with monkeypatch.context() as patch:
        interrupt_after(70, patch)
        with pytest.raises(KeyboardInterrupt):
            sg.segment(customers, n_segments=3)
    sentence = sg.segment(customers, n_segments=3).provenance["structure"]["sentence"]
    assert "of 99 null data sets" in sentence


def test_interrupted_assess_keeps_its_test(monkeypatch):
    result = sg.segment(continuum(150, seed=22), n_segments=3)
    with monkeypatch.context() as patch:
        interrupt_after(70, patch)
        trust = sg.assess(result, progress=False)
    assert trust.structure.facts["references"] == 70
    assert trust.repeatable == "not tested" and trust.stability is None
    assert (trust.segments["verdict"] == "arbitrary; repeatability not tested").all()


# --- words -------------------------------------------------------------------------------------------


def test_evidence_opens_by_click(grouped):
    evil = grouped.with_names({0: "<script>alert(1)</script>"})
    shown = evil.trust._repr_html_()
    assert shown.count("<details>") == 3 and "<script>" not in shown and "&lt;script&gt;" in shown


def test_usefulness_in_words():
    def words(*verdicts):
        index = pd.MultiIndex.from_product([["repeat purchase", "spend", "churn"], ["segments"]])
        board = pd.DataFrame({"verdict": verdicts}, index=index.set_names(["outcome", "segmentation"]))
        return _useful_in_words(board)

    more, as_much, less = ("more than RFM quintiles", "as much as RFM quintiles", "less than RFM quintiles")
    chance = "no more than chance"
    assert words(more, less, chance) == (
        "yes, better than RFM quintiles at predicting repeat purchase; RFM quintiles predict spend better"
    )
    assert words(as_much, as_much, chance) == (
        "as good as RFM quintiles at predicting repeat purchase and spend"
    )
    assert words(less, less, less) == "RFM quintiles predict repeat purchase, spend and churn better"
    assert words(chance, chance, chance) == "no better than chance"
    assert _repeats(0.7) == "in part" and _repeats(np.nan) == "not tested"


def test_differences_keep_the_discovery_rate():
    """Of 30 comparisons without a difference hardly one is reported; a difference of six errors is."""
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([["repeat purchase", "spend", "churn"], range(10)])
    index = index.set_names(["outcome", "segment"])
    apart = rng.normal(size=30)
    table = pd.DataFrame({"mean": 0.5, "others": 0.5, "difference": apart}, index=index)
    table["low"], table["high"] = apart - 1.96, apart + 1.96
    ids = pd.Index(range(10), name="segment")
    useful, _ = _later_in_words(table, ids)
    assert useful.count("useful") <= 1
    table.loc[("spend", 3), ["difference", "low", "high"]] = 6.0, 4.04, 7.96
    useful, sentences = _later_in_words(table, ids)
    assert useful[3] == "useful" and sentences[3].startswith("spend")


# --- wrong arguments ---------------------------------------------------------------------------------


def test_other_events_are_refused(grouped):
    with pytest.raises(TypeError, match="events is a DataFrame"):
        sg.assess(grouped, events=pd.DataFrame(), horizon="90 days")


def test_events_need_a_horizon(shop, grouped):
    with pytest.raises(ValueError, match="Usefulness needs both the events and how far"):
        sg.assess(grouped, events=shop[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"horizon": "-5 days"}, "is not positive"),
        ({"horizon": "soon"}, "not a span of time"),
        ({"horizon": "10000 days"}, "before the horizon does"),
        ({"resamples": 0}, "resamples=0 should be a whole number"),
    ],
)
def test_wrong_arguments_are_refused_first(shop, monkeypatch, arguments, message):
    events, customers = shop
    result = sg.segment(customers, n_segments=4)
    monkeypatch.delattr("segkit.trust.assess.test_partition")  # the long work would fail
    with pytest.raises(ValueError, match=message):
        sg.assess(result, **({"events": events, "horizon": "90 days"} | arguments))


def test_segments_need_an_as_of(shop, grouped, monkeypatch):
    monkeypatch.delattr("segkit.trust.assess.test_partition")
    with pytest.raises(ValueError, match="do not know their as_of"):
        sg.assess(grouped, events=shop[0], horizon="90 days")
