"""Real, repeatable, useful: three verdicts that do not stand for each other, and what every chart says of them."""

import numpy as np
import pandas as pd
import pytest
from segkit.create.choice import structure_summary
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from tables import three_groups

import segkit as sg
from segkit.datasets import make_events, one_population
from segkit.trust.assess import Trust, _later_in_words, _repeats, _useful_in_words
from segkit.trust.null_model import CopulaNull


def crowd(n=300, seed=0):
    """One population: log-normal, correlated, without groups."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(0.6 * np.eye(4) + 0.4)
    ids = pd.Index([f"c{i:04}" for i in range(n)], name="customer_id", dtype="str")
    return pd.DataFrame(np.exp(rng.normal(size=(n, 4)) @ root.T), ids, columns=["monetary", "b", "c", "d"])


@pytest.fixture(scope="module")
def shop():
    events, _ = make_events(400, kinds="purchase")
    return events, sg.customer_features(events, sg.RFM + sg.CADENCE, as_of="2024-10-01")


@pytest.fixture(scope="module")
def of_groups():
    return sg.segment(three_groups(40), n_segments=3)


@pytest.fixture(scope="module")
def of_crowd():
    return sg.segment(crowd(), n_segments=3)


def test_groups_are_real_and_repeatable(of_groups):
    told = of_groups.trust
    assert told.real.startswith("yes") and told.repeatable == "yes (weakest 1.00)"
    assert told.useful == "not asked"
    assert set(told.segments["verdict"]) == {"real and repeatable"}
    assert of_groups.trust_line == told.summary and told.summary in repr(of_groups)
    assert not of_groups.is_bands and of_groups.noun == "segments"


def test_parts_of_a_crowd_are_bands_and_no_segment_of_them_is_real(of_crowd):
    told = of_crowd.trust
    assert told.real.startswith("no, one continuum cut into bands")
    assert set(told.segments["real"]) == {"arbitrary"}
    assert of_crowd.noun == "bands" and of_crowd.name_of(1) == "Band 1"
    assert "300 customers in 3 bands" in repr(of_crowd)
    with pytest.raises(ValueError, match="Two bands would be called 'Band 1'"):
        of_crowd.with_names({0: "Band 1"})


@pytest.mark.slow
def test_structureless_shops_are_called_repeatable_but_arbitrary_where_they_are():
    """Two halves of 10 crowds with a long main direction: cut at the same place each time, and never called real."""
    words = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        size = rng.normal(size=500)
        table = pd.DataFrame({c: np.exp(size + rng.normal(0, 0.5, 500)) for c in "abc"})
        words += list(sg.segment(table, n_segments=2).trust.segments["verdict"])
    assert words.count("repeatable but arbitrary") >= 16
    assert sum(word.startswith("real") for word in words) <= 2


def test_useful_needs_the_next_period(shop):
    events, customers = shop
    result = sg.segment(customers, n_segments=4)
    told = sg.assess(result, events=events, horizon="90 days", resamples=10, progress=False)
    assert told.useful.startswith("yes, more than RFM quintiles")
    assert "useful" in set(told.segments["useful"])
    assert any("repeat purchase" in words for words in told.segments["next_period"])
    kept = result.with_trust(told)
    assert kept.trust_line == told.summary
    assert kept.with_names({0: "Fans"}).trust.segments.loc[0, "name"] == "Fans"


def test_by_lot_is_no_more_than_chance(shop):
    events, customers = shop
    lot = customers[[]].assign(a=np.random.default_rng(3).normal(size=len(customers)))
    lot.attrs = dict(customers.attrs)
    result = sg.segment(lot, n_segments=3)
    told = sg.assess(result, events=events, horizon="90 days", resamples=5, progress=False)
    assert told.useful == "no more than chance"
    assert set(told.segments["useful"]) == {"no different"}


def test_events_need_a_horizon_and_segments_a_moment(shop, of_groups):
    events, _ = shop
    with pytest.raises(ValueError, match="needs both the events and how far"):
        sg.assess(of_groups, events=events)
    with pytest.raises(ValueError, match="as of which moment"):
        sg.assess(of_groups, events=events, horizon="90 days", resamples=2, progress=False)


def test_few_customers_and_one_segment_get_an_answer():
    few = sg.segment(three_groups(4), n_segments=3)
    assert few.trust.real == "Too little to tell"
    assert set(few.trust.segments["verdict"]) == {"too little to tell"}
    from sklearn.cluster import DBSCAN

    one = sg.segment(three_groups(30), model=DBSCAN(eps=1e6))
    assert one.trust.repeatable == "not asked" and len(one.trust.segments) == 1


def test_it_is_kept_over_a_folder(of_groups, tmp_path):
    told = of_groups.trust
    again = sg.Segmentation.load(of_groups.save(tmp_path / "kept"))
    assert again.trust.summary == told.summary
    pd.testing.assert_frame_equal(again.trust.segments, told.segments, check_dtype=False)
    assert again.trust.structure is None and isinstance(again.assessment, Trust)
    assert again.provenance["structure"] == of_groups.provenance["structure"]


def test_the_trust_of_another_result_is_refused(of_crowd, of_groups):
    other = sg.segment(crowd(120, seed=77), n_segments=len(of_groups.segments))
    assert other.segments == of_groups.segments
    with pytest.raises(ValueError, match="This trust is of another segmentation"):
        other.with_trust(of_groups.trust)
    with pytest.raises(TypeError, match="trust is a str"):
        other.with_trust("yes")
    named = of_groups.with_names({0: "VIP"})
    assert named.with_trust(of_groups.trust).trust.stability.segments.loc[0, "name"] == "VIP"


@pytest.mark.parametrize("asked", [sg.assess, sg.stability, sg.segment_structure])
def test_what_is_no_segmentation_is_named(asked):
    with pytest.raises(TypeError, match=r"result is a DataFrame\. It should be a Segmentation"):
        asked(crowd(60))


def test_provenance_and_trust_say_the_same():
    customers = crowd(150, seed=4)
    model = make_pipeline(
        sg.make_preparer(scale="standard", log="none"), KMeans(12, n_init=1, random_state=0)
    )
    for result in (sg.segment(customers, model=model), sg.segment(customers, n_segments=3)):
        told = sg.assess(result, resamples=2, progress=False).structure
        assert result.provenance["structure"]["sentence"] == told.sentence
        assert told.observed.index[-1] == max(10, len(result.segments))


def test_rfm_scores_can_be_asked_for_trust():
    rng = np.random.default_rng(2)
    rfm = pd.DataFrame(rng.lognormal(size=(150, 3)), columns=["recency", "frequency", "monetary"])
    told = sg.stability(sg.segment(rfm, model=sg.RFMSegmenter()), resamples=2, progress=False)
    assert told.segments["without_feature"].isna().all() and (told.segments["most_needed"] == "").all()


def stopping_after(shops, monkeypatch):
    """Let Ctrl-C come while reference shops are simulated."""
    drawn, calls = CopulaNull.draw, []

    def stopped(self, rng):
        calls.append(1)
        if len(calls) > shops:
            raise KeyboardInterrupt
        return drawn(self, rng)

    monkeypatch.setattr(CopulaNull, "draw", stopped)


def test_an_answer_cut_short_is_not_remembered(monkeypatch):
    customers = crowd(150, seed=21)
    with monkeypatch.context() as patch:
        stopping_after(70, patch)
        with pytest.raises(KeyboardInterrupt):
            sg.segment(customers, n_segments=3)
    assert "of 99 made-up shops" in sg.segment(customers, n_segments=3).provenance["structure"]["sentence"]


def test_assess_stopped_keeps_what_the_shops_said(monkeypatch):
    result = sg.segment(crowd(150, seed=22), n_segments=3)
    with monkeypatch.context() as patch:
        stopping_after(70, patch)
        told = sg.assess(result, progress=False)
    assert (
        told.structure.facts["references"] == 70 and told.repeatable == "not asked" and told.stability is None
    )
    assert (told.segments["verdict"] == "arbitrary; whether it comes back was not asked").all()


def test_one_segment_is_told_what_the_customers_are():
    whole = lambda table: sg.segment(table, model=make_pipeline(sg.make_preparer(), KMeans(1, n_init=1)))  # noqa: E731
    assert sg.assess(whole(crowd(150, seed=23))).segments["verdict"].to_list() == ["all of one continuum"]
    apart = crowd(150, seed=23).add(1000.0 * (np.arange(150)[:, None] % 3))
    assert sg.assess(whole(apart)).segments["verdict"].to_list() == ["several groups in one segment"]


def test_the_same_customers_are_asked_once(monkeypatch):
    calls = []
    import segkit.trust.choice as choice

    asked = choice.prepared_test
    monkeypatch.setattr(choice, "prepared_test", lambda *a, **k: calls.append(1) or asked(*a, **k))
    customers = crowd(120, seed=9)
    for k in (2, 3):
        sg.segment(customers.sample(frac=1, random_state=k), n_segments=k)
    assert len(calls) == 1
    structure_summary(crowd(120, seed=8))["verdict"] = "changed by the caller"
    assert structure_summary(crowd(120, seed=8))["verdict"] == "continuum"


def test_tables_charts_and_exports_carry_it(of_crowd):
    told = of_crowd.trust.summary
    frame = of_crowd.with_embedding(sg.project(of_crowd)).to_frame()
    assert frame.attrs["segkit"]["trust"] == told
    assert set(frame["trust"]) <= set(of_crowd.trust.segments["verdict"])
    charts = [
        sg.plot_sizes(sg.segment_sizes(of_crowd)),
        sg.plot_profile(sg.profile(of_crowd)),
        sg.plot_map(frame),
        sg.plot_distributions(frame, ["monetary"]),
    ]
    for chart in charts:
        assert told in chart.to_dict()["title"]["subtitle"]


def test_the_picture_says_it_in_words_and_signs(of_groups):
    cells = (
        sg.plot_trust(of_groups.trust).layer[0].data if False else sg.plot_trust(of_groups.trust).to_dict()
    )
    rows = next(iter(cells["datasets"].values()))
    assert {row["said"] for row in rows} == {"✓ real", "✓ repeatable", "? not asked"}
    assert cells["title"]["subtitle"][0].startswith("Real? yes")


def test_evidence_opens_by_a_click_and_names_are_text(of_groups):
    evil = of_groups.with_names({0: "<script>alert(1)</script>"})
    shown = evil.trust._repr_html_()
    assert shown.count("<details>") == 3 and "<script>" not in shown and "&lt;script&gt;" in shown


def test_words_of_usefulness():
    def board(*verdicts):
        index = pd.MultiIndex.from_product([["repeat purchase", "spend", "churn"], ["segments"]])
        return pd.DataFrame({"verdict": verdicts}, index=index.set_names(["outcome", "segmentation"]))

    more, as_much, less = ("more than RFM quintiles", "as much as RFM quintiles", "less than RFM quintiles")
    chance = "no more than chance"
    assert _useful_in_words(board(more, less, chance)) == (
        "yes, more than RFM quintiles of repeat purchase; RFM quintiles say more of spend"
    )
    assert (
        _useful_in_words(board(as_much, as_much, chance))
        == "as much as RFM quintiles of repeat purchase and spend"
    )
    assert (
        _useful_in_words(board(less, less, less))
        == "RFM quintiles say more of repeat purchase, spend and churn"
    )
    assert _useful_in_words(board(chance, chance, chance)) == "no more than chance"
    assert _repeats(0.7) == "in part" and _repeats(np.nan) == "not asked"


def test_a_segment_differs_only_beyond_the_false_discovery_rate():
    """Of 30 comparisons without a difference, p uniform: hardly one is told; a difference of six errors is."""
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([["repeat purchase", "spend", "churn"], range(10)])
    index = index.set_names(["outcome", "segment"])
    apart = rng.normal(size=30)
    table = pd.DataFrame({"mean": 0.5, "others": 0.5, "difference": apart}, index=index)
    table["low"], table["high"] = apart - 1.96, apart + 1.96
    useful, _ = _later_in_words(table, pd.Index(range(10), name="segment"))
    assert useful.count("useful") <= 1
    table.loc[("spend", 3), ["difference", "low", "high"]] = 6.0, 4.04, 7.96
    useful, said = _later_in_words(table, pd.Index(range(10), name="segment"))
    assert useful[3] == "useful" and said[3].startswith("spend")


# --- how many, left open -----------------------------------------------------------------------------


def test_a_number_left_open_explains_itself():
    result = sg.segment(three_groups(40), n_segments="auto")
    choice = result.provenance["choice"]
    assert choice["chosen"] == 3 == len(result.segments) and 3 in choice["defensible"]
    assert choice["why"].startswith("Of 2 to 10 segments, 3 are the most that hold")


def test_a_choice_among_fewer_than_were_asked_for_says_so(monkeypatch):
    import segkit.trust.choice as choice

    scan = choice.scan_clusters
    monkeypatch.setattr(choice, "scan_clusters", lambda *a, **k: scan(*a, **{**k, "k": [2, 3]}))
    why = sg.segment(three_groups(40), n_segments="auto").provenance["choice"]["why"]
    assert why.startswith("Of 2 to 3 segments, 3 are") and why.endswith("It was stopped before 10 was tried.")


def test_a_continuum_left_open_becomes_bands_of_value():
    result = sg.segment(crowd(), n_segments="auto")
    assert result.provenance["method"] == "value_bands" and result.provenance["choice"]["defensible"] == []
    assert "No segments were found" in result.provenance["choice"]["why"]
    assert result.name_of(0) == "Band 1: highest monetary"
    means = result.customers["monetary"].groupby(result.labels).min()
    assert means.is_monotonic_decreasing and result.labels.value_counts().eq(60).all()
    assert result.assign(result.customers).equals(result.labels)


def test_the_smallest_share_is_kept_to():
    customers = pd.concat([three_groups(60), three_groups(3).set_axis([f"x{i}" for i in range(9)]) + 900])
    with pytest.raises(ValueError, match="min_share asks for 10"):
        sg.segment(customers, n_segments=4, min_share=0.1)
    result = sg.segment(customers, n_segments="auto", min_share=0.04)
    assert result.labels.value_counts(normalize=True).min() >= 0.04 and len(result.segments) >= 2
    with pytest.raises(ValueError, match="No number of segments from 2 to 10 leaves 40%"):
        sg.segment(customers, n_segments="auto", min_share=0.4)
    with pytest.raises(ValueError, match=r"min_share=0.9 is not the share"):
        sg.segment(customers, n_segments=3, min_share=0.9)


def test_what_auto_does_not_go_with():
    from sklearn.cluster import KMeans

    with pytest.raises(ValueError, match="neither a number nor 'auto'"):
        sg.segment(three_groups(), n_segments="many")
    with pytest.raises(ValueError, match="a model is used exactly as passed"):
        sg.segment(three_groups(), n_segments="auto", model=KMeans(2))
    alike = pd.DataFrame({"a": [1.0] * 60, "b": [2.0] * 60}, index=[f"c{i:02}" for i in range(60)])
    with pytest.raises(ValueError, match="do not differ in these features"):
        sg.segment(alike, n_segments="auto")


def test_a_continuum_of_words_has_no_value_and_is_cut_all_the_same():
    rng = np.random.default_rng(0)
    words = {c: rng.choice(list("uvwxyz"), 200) for c in "abcd"}
    result = sg.segment(pd.DataFrame(words, index=[f"c{i:03}" for i in range(200)]), n_segments="auto")
    assert result.noun == "bands" and result.provenance["method"] == "kmeans"


def test_auto_goes_on_from_previous_segments():
    first = sg.segment(three_groups(40), n_segments=3).with_names({0: "A", 1: "B", 2: "C"})
    again = sg.segment(three_groups(40), n_segments="auto", previous=first, random_state=5)
    assert again.names == first.names and again.labels.equals(first.labels)


@pytest.mark.slow
def test_auto_finds_the_planted_number_and_bands_where_nothing_was_planted():
    """8 shops of five kinds of customer, 8 of one: the number is right in 7, bands in 6 at the least."""
    found, bands = [], []
    for seed in range(8):
        for personas, told in ((None, found), (one_population(), bands)):
            events, _ = make_events(500, kinds="purchase", segments=personas, random_state=seed)
            customers = sg.customer_features(events, sg.RFM + sg.CADENCE, as_of="2025-01-01")
            told.append(sg.segment(customers, n_segments="auto"))
    assert sum(len(r.segments) == 5 and not r.is_bands for r in found) >= 7
    assert sum(r.is_bands for r in bands) >= 6


def test_groups_that_the_segments_cut_across_make_none_of_them_real():
    table = three_groups(60).assign(monetary=np.random.default_rng(0).lognormal(size=180))
    bands = sg.value_bands(table, by="monetary")
    assert bands.trust_line.startswith("Groups? Yes (p = ")
    told = sg.assess(bands, resamples=3, progress=False)
    assert told.real.startswith("no: there are groups (p = ") and (told.segments["real"] == "arbitrary").all()


def test_bands_made_again_are_of_the_same_feature_under_the_same_names():
    rng = np.random.default_rng(4)
    tables = [
        pd.DataFrame(np.exp(rng.normal(size=(200, 4)) + rng.normal(size=(200, 1))), columns=list("abcd"))
        for _ in "12"
    ]
    for by in "abcd":
        before = sg.value_bands(tables[0], by=by).with_names({0: "Gold"})
        again = sg.segment(tables[1], n_segments="auto", previous=before)
        assert again.provenance["by"] == by and again.name_of(0) == "Gold"


def test_events_of_another_sort_are_named(of_groups):
    with pytest.raises(TypeError, match="events is a DataFrame"):
        sg.assess(of_groups, events=pd.DataFrame(), horizon="90 days")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"horizon": "-5 days"}, "not longer than nothing"),
        ({"horizon": "soon"}, "not a span of time"),
        ({"horizon": "10000 days"}, "before the horizon does"),
        ({"resamples": 0}, "resamples=0 should be a whole number"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_the_long_work(shop, monkeypatch, said, why):
    def too_late(*arguments, **options):
        raise AssertionError("the long work began")

    events, customers = shop
    result = sg.segment(customers, n_segments=3)
    monkeypatch.setattr("segkit.trust.assess.examine", too_late)
    with pytest.raises(ValueError, match=why):
        sg.assess(result, **({"events": events, "horizon": "90 days"} | said))


def test_segments_without_a_moment_are_refused_before_the_long_work(shop, of_groups, monkeypatch):
    monkeypatch.delattr("segkit.trust.assess.examine")
    with pytest.raises(ValueError, match="as of which moment"):
        sg.assess(of_groups, events=shop[0], horizon="90 days")
