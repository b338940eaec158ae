"""Widgets without a browser: traits are the whole state, and the shown code gives what the widget holds."""

import asyncio
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import traitlets as t
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.pipeline import make_pipeline
from tables import EVIL, ODD_NAMES, oddly_named, purchases, three_groups

import segkit as sg
from segkit.core.schema import BASES
from segkit.methods.fitting import make_model
from segkit.show.plots.theme import GREY
from segkit.show.widgets import cluster_tuner
from segkit.show.widgets.map_colors import packed, shades_of, steps_of, unpacked
from segkit.trust.scan import suggested_k, suggestion

AS_OF = "2024-03-01"


def shop(**more):
    """Orders of three customers with two lines each; what else is known of the lines as columns."""
    lines = [
        (c, f"2024-01-{day:02}", day * 10.0)
        for c, days in (("ada", (1, 5)), ("bob", (2, 9)), ("cy", (3, 30)))
        for day in days
    ]
    return purchases(*lines, **more)


def full_shop():
    return shop(
        order_id=list("123456"), product_id=list("ppqrst"), category=["Tea", "Tea", "Milk", "Tea", "<b>", None],
        quantity=[1, 2, 3, 1, 2, 3], discount=[0.0, 1, 2, 0, 5, 0],
    )  # fmt: skip


def crm(*ids, **columns):
    """What is known of these customers."""
    table = pd.DataFrame({"customer_id": list(ids), "age": [30 + i for i in range(len(ids))], **columns})
    return sg.read_attributes(table, demographic="age", geographic=[*columns])


def run(code, **names):
    """Execute the code that a widget shows, beside segkit and what the notebook holds; return what it made."""
    space = {"sg": sg, **names}
    exec(code, space)
    return space


def last_value(code, **names):
    """Execute all lines but the last, and evaluate that."""
    *lines, last = code.split("\n")
    return eval(last, run("\n".join(lines), **names))


# FeaturePicker


@pytest.fixture(scope="module")
def bare():
    """A picker of the lines alone, as it begins; tests leave it so."""
    return sg.FeaturePicker(shop(), as_of=AS_OF)


@pytest.fixture(scope="module")
def full():
    """A picker of lines of which all is known, as it begins; tests leave it so."""
    return sg.FeaturePicker(full_shop(), as_of=AS_OF)


def test_the_picker_begins_with_a_good_choice(full):
    picker = full
    assert {"recency", "monetary"} <= set(picker.value)
    assert "top_category" not in picker.value
    assert [f.name for f in picker.features] == picker.value


@pytest.mark.parametrize("more", [{}, {"window": "30 days", "as_of": pd.Timestamp("2024-01-31 12:00")}])
def test_the_picker_reads_back_as_its_code(more):
    events, looked = full_shop(), {"as_of": AS_OF} | more
    picker = sg.FeaturePicker(events, **looked)
    many = [f.name for f in sg.RFM + sg.CADENCE] + ["variety"]
    for names in (["monetary"], ["tenure", "recency"], many):
        picker.value = names
        assert picker.value == [f.name for f in sg.FAMILIES if f.name in names]
        expected = sg.customer_features(events, picker.features, **looked)
        for customers in (picker.customers, run(picker.code, events=events)["customers"]):
            assert_frame_equal(customers, expected)
            assert customers.attrs == expected.attrs


def test_features_of_ones_own_are_offered():
    biggest = sg.Feature(
        "biggest", lambda orders: orders.amount.max(), "currency", "Value of the biggest order."
    )
    events = shop()
    picker = sg.FeaturePicker(events, as_of=AS_OF, offered=(*sg.RFM, biggest), chosen=["biggest", "recency"])
    assert_frame_equal(run(picker.code, events=events, biggest=biggest)["customers"], picker.customers)
    assert picker.customers.loc["cy", "biggest"] == 300


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (["recencyy"], "'recencyy' is not offered. Did you mean 'recency'\\? Choose from recency, frequency"),
        ([], "No feature is left. Keep at least one."),
    ],
)
def test_the_picker_refuses_what_cannot_be(bare, value, said):
    picker = bare
    before = picker.value
    with pytest.raises(t.TraitError, match=said):
        picker.value = value
    assert picker.value == before
    with pytest.raises(t.TraitError, match=said):
        sg.FeaturePicker(shop(), as_of=AS_OF, chosen=value)


def test_the_picker_takes_a_list_of_names():
    with pytest.raises(TypeError, match=r"chosen='recency' should be a list of names: chosen=\['recency'\]"):
        sg.FeaturePicker(shop(), as_of=AS_OF, chosen="recency")


def test_what_the_events_lack_is_shown_and_cannot_be_ticked(bare):
    picker = bare
    needs = {option["name"]: option["needs"] for option in picker.options}
    by_basis = sorted(sg.FAMILIES, key=lambda f: BASES.index(f.basis))
    assert list(needs) == [f.name for f in by_basis]
    assert (needs["variety"], needs["discount_share"], needs["recency"]) == ("product_id", "discount", "")
    assert not [name for name in picker.value if needs[name]]
    with pytest.raises(t.TraitError, match="'variety' is not offered"):
        picker.value = ["variety"]


def test_a_single_customer_can_be_described():
    picker = sg.FeaturePicker(purchases(("ada", "2024-01-01", 5.0)), as_of=AS_OF)
    options = {option["name"]: option for option in picker.options}
    assert options["monetary"]["range"] == "5 to 5, median 5"
    assert (options["gap_mean"]["bars"], options["gap_mean"]["missing"]) == ([], 1.0)
    assert options["gap_mean"]["range"] == "unknown for all"
    assert len(picker.customers) == 1


def test_what_is_the_same_for_all_is_marked():
    options = {o["name"]: o for o in sg.FeaturePicker(shop(), as_of=AS_OF, offered=sg.RFM).options}
    assert {name: option["same"] for name, option in options.items()} == {
        "recency": False, "frequency": True, "monetary": False, "tenure": False
    }  # fmt: skip


def test_words_are_shown_by_their_counts(full):
    options = {o["name"]: o for o in full.options}
    assert options["top_category"]["range"] == "2 words, most often Tea"
    assert options["top_category"]["bars"] == [1, 0.5]
    nothing = shop(category=[None] * 6)
    options = {o["name"]: o for o in sg.FeaturePicker(nothing, as_of=AS_OF).options}
    assert options["top_category"]["range"] == "unknown for all"


def test_changing_the_table_read_back_changes_nothing_in_the_picker():
    picker = sg.FeaturePicker(shop(), as_of=AS_OF)
    before, table = picker.customers, picker.customers
    table.loc[:, :] = 0
    table.attrs["segkit"]["units"].clear()
    assert_frame_equal(picker.customers, before)
    assert picker.customers.attrs["segkit"]["units"]["monetary"] == "currency"


def test_attributes_are_offered_by_basis_and_none_is_ticked(full):
    attributes = crm("ada", "bob", "cy", town=["P", "Q", "P"])
    picker = sg.FeaturePicker(full_shop(), as_of=AS_OF, attributes=attributes)
    order = [option["basis"] for option in picker.options]
    assert order == sorted(order, key=BASES.index)
    options = {option["name"]: option for option in picker.options}
    assert (options["age"]["basis"], options["age"]["family"]) == ("demographic", "Your DataFrame")
    assert (options["town"]["basis"], options["town"]["range"]) == ("geographic", "2 words, most often P")
    assert options["recency"]["basis"] == "behavioural"
    assert picker.value == full.value
    assert picker.note == ""


@pytest.mark.parametrize(
    "names", [["age", "monetary"], ["monetary"], ["town", "age"], ["town", "recency", "gap_cv", "age"]]
)
def test_what_is_ticked_of_both_reads_back_as_its_code(names):
    events, attributes = full_shop(), crm("bob", "ada", "zed", town=["P", "Q", "P"])
    picker = sg.FeaturePicker(events, as_of=AS_OF, offered=sg.RFM + sg.CADENCE, attributes=attributes)
    picker.value = names
    assert sorted(picker.value) == sorted(names)
    customers = run(picker.code, events=events, attributes=attributes)["customers"]
    assert_frame_equal(customers, picker.customers)
    assert customers.attrs == picker.customers.attrs
    assert {f.name for f in picker.features} == {n for n in names if n not in ("age", "town")}
    assert {n: b for b, block in sg.bases(customers).items() for n in block} == {
        n: {"age": "demographic", "town": "geographic"}.get(n, "behavioural") for n in names
    }


def test_the_picker_says_of_how_many_attributes_are_known():
    attributes = crm("ada", "bob")
    picker = sg.FeaturePicker(shop(), as_of=AS_OF, offered=sg.RFM, attributes=attributes, chosen=["age"])
    assert picker.note == "Attributes are known for 2 of 3 customers; for the others they are missing."
    assert {o["name"]: o["missing"] for o in picker.options}["age"] == pytest.approx(1 / 3)
    assert picker.features == () and list(picker.customers) == ["age"] and len(picker.customers) == 3


def test_an_attribute_may_not_be_called_like_a_feature():
    people = pd.DataFrame({"customer_id": ["ada"], "Recency": [1]})
    with pytest.raises(
        ValueError, match="A feature and an attribute are both called 'recency' and 'Recency'"
    ):
        sg.FeaturePicker(shop(), as_of=AS_OF, attributes=sg.read_attributes(people, behavioural="Recency"))


def test_ordered_words_are_shown_in_their_order():
    people = pd.DataFrame({"customer_id": ["ada", "bob", "cy"], "income": ["high", "low", "high"]})
    attributes = sg.read_attributes(people, demographic="income", ordered={"income": ["low", "mid", "high"]})
    picker = sg.FeaturePicker(shop(), as_of=AS_OF, offered=sg.RFM, attributes=attributes)
    options = {o["name"]: o for o in picker.options}
    assert options["income"]["bars"] == [0.5, 1]
    assert options["income"]["range"] == "2 words, most often high"


def test_the_picker_says_which_features_say_the_same():
    lines = [
        (f"c{i:02}", f"2024-01-{day:02}", 1.0 + i * day) for i in range(20) for day in range(1, 2 + i % 3)
    ]
    double = sg.Feature(
        "double", lambda orders: 2 * orders.amount.sum(), "currency", "Twice the value of the orders."
    )
    picker = sg.FeaturePicker(
        purchases(*lines), as_of=AS_OF, offered=(*sg.RFM, double), chosen=["recency", "monetary"]
    )
    like = {option["name"]: option["like"] for option in picker.options}
    assert (like["monetary"], like["double"], like["frequency"]) == (["double"], ["monetary"], ["recency"])
    assert picker.same == ""
    picker.value = ["monetary", "double"]
    said = (
        "Total value of all orders and Twice the value of the orders say the same (correlation of 0.98 or more) and "
        "count as one: keep one of them."
    )
    assert picker.same == said
    picker.value = ["monetary"]
    assert picker.same == ""


def test_the_picker_names_features_for_people_and_finds_them_by_synonyms(full):
    options = {o["name"]: o for o in full.options}
    assert options["gap_cv"]["label"] == "Irregularity of orders"
    assert {name for name, o in options.items() if "churn" in o["synonyms"].split()} >= {"recency", "overdue"}
    assert "lifetime" in options["monetary"]["synonyms"] and "loyal" in options["frequency"]["synonyms"]


@pytest.fixture(scope="module")
def two_rhythms():
    """Orders of 60 customers: half spend 10 and half 1,000, and a third order twice."""
    lines = [
        (f"c{i:02}", f"2024-01-{day:02}", (10.0 if i % 2 else 1000.0) + i / 10)
        for i in range(60)
        for day in ((1, 15 + i % 5) if i % 3 == 0 else (15 + i % 5,))
    ]
    return purchases(*lines)


def test_the_picker_leaves_one_feature_out(two_rhythms):
    picker = sg.FeaturePicker(
        two_rhythms, as_of=AS_OF, offered=sg.RFM, chosen=["recency", "monetary"], n_segments=2
    )
    assert (picker.influence, picker.agreement) == (None, {})
    picker.asked += 1
    expected = sg.feature_influence(sg.segment(picker.customers, n_segments=2))
    assert_frame_equal(picker.influence, expected)
    assert picker.agreement == {"monetary": expected.loc["monetary", "agreement"], "recency": 1.0}
    assert expected.loc["monetary", "agreement"] < 0.1
    assert (picker.answered, picker.error) == (1, "")
    picker.value = ["recency", "monetary", "tenure"]
    assert (picker.influence, picker.agreement) == (None, {})
    assert_frame_equal(picker.leave_one_out(), picker.influence)
    picker.n_segments = 3
    assert picker.agreement == {}


def test_the_picker_says_why_nothing_can_be_left_out():
    picker = sg.FeaturePicker(shop(), as_of=AS_OF, offered=sg.RFM, n_segments=4)
    picker.asked += 1
    assert picker.error == "n_segments=4 is more than 3 customers. Choose fewer segments."
    assert picker.answered == 1
    picker.n_segments = 2
    assert picker.error == ""
    picker.asked += 1
    assert picker.error == "" and picker.answered == 2 and picker.agreement


# ClusterTuner


def test_tuner_reports_the_structure():
    rng = np.random.default_rng(0)
    continuum = pd.DataFrame(
        rng.normal(size=(120, 3)), columns=list("abc"), index=[f"c{i:03}" for i in range(120)]
    )
    tuner = sg.ClusterTuner(continuum, k=[2, 3])
    assert "One continuum: " in tuner._note.value
    assert tuner._chart.chart.to_dict()["title"]["text"] == "How many segments?"


@pytest.fixture(scope="module")
def groups():
    return three_groups(word=["a", "b", None] * 20, gap=[np.nan, 1.0, 2.0] * 20).astype({"word": "category"})


def tuner_of(customers, **more):
    return sg.ClusterTuner(customers, **{"k": range(2, 5), "method": "kmeans", **more})


@pytest.fixture(scope="module")
def begun(groups):
    """A tuner as it begins; tests leave it so."""
    return tuner_of(groups)


def test_the_tuner_begins_with_a_number_that_holds(groups, begun):
    assert begun.n_segments == suggested_k(begun.scan)
    assert tuner_of(groups, n_segments=2).n_segments == 2


def test_the_tuner_draws_each_choice_once(groups, monkeypatch):
    drawn = []
    plot = cluster_tuner.plot_scan
    monkeypatch.setattr(
        cluster_tuner, "plot_scan", lambda scan, chosen: drawn.append(chosen) or plot(scan, chosen=chosen)
    )
    tuner = tuner_of(groups, n_segments=4)
    assert drawn == [4] and "With 4 segments" in tuner._note.value and "n_segments=4" in tuner.code
    tuner.n_segments = 2
    tuner.method = "ward"
    assert drawn == [4, 2, 2]


def test_the_tuner_reads_back_as_its_code(groups):
    tuner = tuner_of(groups)
    for n_segments, method in ((2, "kmeans"), (4, "gaussian_mixture"), (3, "ward")):
        tuner.n_segments, tuner.method = n_segments, method
        assert tuner.error == ""
        result = run(tuner.code, customers=groups)["result"]
        assert_series_equal(result.labels, tuner.result.labels)
        assert (len(result.segments), result.provenance) == (n_segments, tuner.result.provenance)
        assert_frame_equal(tuner.scan, sg.scan_clusters(groups, k=range(2, 5), method=method, progress=False))


def test_the_model_is_that_of_the_result_and_not_fitted(groups):
    tuner = tuner_of(groups, n_segments=3, random_state=7)
    assert not [name for name in vars(tuner.model[-1]) if name.endswith("_")]
    own = sg.segment(groups, model=tuner.model)
    sizes = own.labels.groupby(tuner.result.labels).nunique()
    assert list(sizes) == [1, 1, 1]
    assert str(tuner.model) == str(sg.segment(groups, n_segments=3, random_state=7).model)


def test_the_tuner_marks_the_chosen_number(groups):
    tuner = tuner_of(groups)
    tuner.n_segments = 4
    assert "datum.k === 4" in tuner._chart.chart.to_json() or "datum.k == 4" in tuner._chart.chart.to_json()
    assert "With 4 segments" in tuner._note.value
    assert tuner._slider.value == 4
    tuner._slider.value = 2
    assert tuner.n_segments == 2


@pytest.mark.parametrize("n_segments", [1, 5, 99])
def test_only_the_numbers_on_offer_can_be_chosen(groups, begun, n_segments):
    before = begun.n_segments
    with pytest.raises(
        t.TraitError, match=rf"n_segments={n_segments} is not offered. Choose from \[2, 3, 4\]"
    ):
        begun.n_segments = n_segments
    assert begun.n_segments == before
    with pytest.raises(t.TraitError, match=rf"n_segments={n_segments} is not offered"):
        tuner_of(groups, n_segments=n_segments)


def test_no_more_segments_are_offered_than_customers_differ():
    customers = pd.DataFrame({"spend": [1.0, 1, 1, 5, 5, 9]}, index=list("abcdef"))
    tuner = tuner_of(customers, k=range(2, 11))
    assert tuner._slider.options == (2, 3)
    far = pd.DataFrame(
        {"spend": [*np.linspace(-1, 1, 30), 1e5, 2e5, 3e5]}, index=range(33)
    )  # the highest is pulled in to the next
    assert max(tuner_of(far, k=range(29, 34))._slider.options) == 32


@pytest.mark.parametrize(
    "customers", [{"spend": [1.0]}, {"spend": [2.0, 2.0, 2.0]}, {"spend": [np.nan, np.nan]}]
)
def test_customers_who_do_not_differ_cannot_be_divided(customers):
    with pytest.raises(ValueError, match=r"only 1 customer differs.*choose features that vary"):
        sg.ClusterTuner(pd.DataFrame(customers))


def test_a_method_that_cannot_serve_says_so_in_place(monkeypatch, groups):
    """That the scan would look at few enough does not help the segments."""

    def refuse(method, n_segments, customers, random_state):
        if method == "ward" and len(customers) > 50:
            raise ValueError("method='ward' measures every pair of customers.")
        return make_model(method, n_segments, customers, random_state)

    monkeypatch.setattr("segkit.show.widgets.cluster_tuner.make_model", refuse)
    monkeypatch.setattr("segkit.trust.scan.MOST", 10)
    tuner = tuner_of(groups)
    tuner._choice.value = "ward"
    assert (tuner.method, tuner._choice.value) == ("kmeans", "kmeans")
    assert "method='ward' measures every pair" in tuner.error
    assert "measures every pair" in tuner._note.value and "<b" in tuner._note.value
    assert "kmeans" in tuner.code
    with pytest.raises(t.TraitError, match="method='ward' measures every pair"):
        tuner.method = "ward"
    tuner._choice.value = "bisecting_kmeans"
    assert (tuner.method, tuner.error) == ("bisecting_kmeans", "")
    assert "measures" not in tuner._note.value
    tuner.method = "kmeans"
    assert tuner._choice.value == "kmeans"


@pytest.mark.structure
def test_the_tuner_offers_methods_that_suit_and_says_why_not_the_others():
    rng = np.random.default_rng(0)
    index = [f"c{i:03}" for i in range(120)]
    tuner = sg.ClusterTuner(pd.DataFrame(rng.normal(size=(120, 3)), index, list("abc")), k=[2, 3])
    labels = {method: label for label, method in tuner._choice.options}
    assert labels["kmeans"] == "k-means: round groups (recommended)" and next(iter(labels)) == "kmeans"
    assert not {"spectral", "robust_linkage", "average", "hdbscan"} & set(labels)
    said = tuner.children[1].value
    assert "Recommended: k-means. 120 customers with 3 numbers. They form one continuum" in said
    assert "<li>spectral: It looks for groups with gaps between them, and there are none.</li>" in said
    tuner.method = "spectral"
    assert (tuner.method, tuner._choice.value) == ("spectral", "spectral")
    assert tuner._choice.label.endswith("linked by near customers (not suited)")
    tuner._choice.value = "ward"
    assert tuner.method == "ward" and "spectral" not in dict(map(reversed, tuner._choice.options))
    assert sg.ClusterTuner(tuner._customers, k=[2, 3], method="average")._choice.value == "average"


def test_an_unknown_method_is_refused(groups, begun):
    with pytest.raises(t.TraitError, match="method"):
        begun.method = "magic"
    with pytest.raises(ValueError, match="method='magic' is none of"):
        tuner_of(groups, method="magic")


def test_the_tuner_begins_with_what_it_recommends(groups):
    tuner = sg.ClusterTuner(groups, k=range(2, 5))
    assert tuner.method == tuner.advice.method == next(iter(tuner._choice.options))[1]
    k, why = suggestion(tuner.scan)
    assert tuner.n_segments == k and f"Suggested: {k}, {why}." in tuner._note.value
    tuner.n_segments = 2
    assert f"Suggested: {k}, {why}." in tuner._note.value


def test_the_tuner_shows_the_kind_and_makes_each_choice_once(groups, monkeypatch):
    made = []
    real = cluster_tuner.segment
    monkeypatch.setattr(
        cluster_tuner, "segment", lambda *a, **o: made.append(o["n_segments"]) or real(*a, **o)
    )
    tuner = tuner_of(groups, n_segments=4)
    assert tuner.badge == tuner.result.badge and tuner.badge in tuner._badge.value
    tuner.n_segments = 3
    assert tuner.result.kind_sentence in tuner._badge.value.replace("&#x27;", "'")
    tuner.n_segments = 4
    assert tuner.badge == tuner.result.badge and made == [4, 3]


def grey(tuner):
    return tuner._busy in tuner.children, "segkit-old" in tuner._picture._dom_classes


@pytest.mark.parametrize("cancelled", [False, True])
def test_the_old_picture_is_grey_while_a_method_is_tried(groups, monkeypatch, cancelled):
    """With a loop, as in a kernel, the method is tried beside it."""
    tuner, go_on, real = tuner_of(groups), threading.Event(), cluster_tuner.scan_clusters

    def slow(*given, progress, **options):
        def waiting(numbers):
            for n in progress(numbers):
                assert go_on.wait(20)
                yield n

        return real(*given, progress=waiting, **options)

    monkeypatch.setattr(cluster_tuner, "scan_clusters", slow)

    async def click():
        tuner._choice.value = "ward"
        work = tuner._trying
        assert grey(tuner) == (True, True) and (tuner.method, tuner._bar.value) == ("kmeans", 0)
        assert "Trying 2 to 4 segments" in tuner._busy_note.value
        if cancelled:
            tuner._busy.children[-1].click()
            assert grey(tuner) == (False, False) and tuner._choice.value == "kmeans"
        go_on.set()
        await asyncio.to_thread(work.join)
        await asyncio.sleep(0)
        if tuner._judging is not None:
            await asyncio.to_thread(tuner._judging.join)
        await asyncio.sleep(0)

    asyncio.run(click())
    assert grey(tuner) == (False, False)
    assert tuner.method == tuner._choice.value == ("kmeans" if cancelled else "ward")
    assert ("ward" in tuner._scans) is not cancelled
    assert tuner._bar.value == (0 if cancelled else 3)
    assert tuner.badge == tuner.result.badge


# SegmentExplorer


@pytest.fixture
def result(groups):
    return sg.segment(groups, n_segments=3)


def lasso(explorer, positions):
    """What the map sends when these points are drawn around."""
    explorer.group_a = packed(np.isin(np.arange(len(explorer.result.labels)), positions))


def show(explorer, segment):
    """What the page sends when "Show" of a segment is pressed."""
    explorer.group_a = packed((explorer.result.labels == segment).to_numpy())


def on_map(explorer):
    """Positions that the page shows as chosen."""
    return list(np.flatnonzero(unpacked(explorer.group_a, len(explorer.result.labels))))


def test_the_explorer_offers_names(result):
    """A suggested name is there until a name is given, and accepted like a written one."""
    explorer = sg.SegmentExplorer(result.with_names({1: "Regulars"}), minimum=1)
    suggested = sg.suggest_names(explorer.result)
    offered = {s["id"]: s["suggested"] for s in explorer.segments}
    assert offered == {0: suggested["name"][0], 1: "", 2: suggested["name"][2]}
    assert explorer.segments[0]["why"] == suggested["sentence"][0]
    explorer.wanted_names = {"0": offered[0]}
    assert explorer.result.names == {0: offered[0], 1: "Regulars"}
    assert [s["suggested"] for s in explorer.segments] == ["", "", offered[2]]


def test_the_explorer_shows_worth_and_plays_of_these_segments_only(result):
    value = pd.DataFrame(
        {"segment_id": [1], "segment": ["Segment 1"], "customers": [20], "value": [200.0], "value_low": [100.0],
         "value_high": [300.0]}
    )  # fmt: skip
    plays = sg.playbook(result)
    explorer = sg.SegmentExplorer(result, value=value, playbook=plays, minimum=1)
    explorer.wanted_names = {"1": "Regulars"}
    assert [s["worth"] for s in explorer.segments] == ["", "10 a customer (5 to 15)", ""]
    shown = explorer.segments[0]["play"]
    assert ["Do", plays["strategy"][0], "custom of the trade"] in shown
    explorer.result = sg.segment(result.customers, n_segments=2)
    assert not any(s["play"] or s["worth"] for s in explorer.segments)


def test_the_explorer_begins_with_all_segments_and_nobody(result):
    explorer = sg.SegmentExplorer(result, minimum=1)
    assert [(s["id"], s["name"], s["size"]) for s in explorer.segments] == [
        (i, f"Segment {i}", "20 (33%)") for i in range(3)
    ]
    assert (explorer.chosen, explorer.comparison, len(explorer.selected)) == ([], None, 0)
    assert explorer.color_options == ["segment", *result.customers.columns, "confidence", "map trust"]


def test_the_colour_falls_back_when_its_feature_is_gone(result):
    other = sg.segment(result.customers.rename(columns={"spend": "sales"}), n_segments=2)
    explorer = sg.SegmentExplorer(result, minimum=1)
    explorer.color_by = "spend"
    explorer.result = other
    assert explorer.color_by == explorer.color_by == "segment"
    assert explorer.color_options == ["segment", *other.customers.columns, "confidence", "map trust"]
    explorer.color_by = "sales"
    explorer.chosen = ["c000"]
    explorer.result = other.with_names({0: "VIP"})
    assert explorer.color_by == "sales"


@pytest.mark.parametrize("ids", [list("dbca"), [30, 10, 20, 0], [f"{i} {EVIL}" for i in (3, 1, 2, 0)]])
def test_positions_on_the_map_are_ids_in_the_order_of_the_table(ids):
    result = sg.segment(
        pd.DataFrame({"spend": [1.0, 50, 2, 60], "visits": [1, 4, 2, 5]}, index=ids), n_segments=2
    )
    explorer = sg.SegmentExplorer(result, minimum=1)
    lasso(explorer, [2, 0])
    assert explorer.chosen == [ids[0], ids[2]]
    assert list(explorer.selected["spend"]) == [1, 2]
    assert type(explorer.chosen[0]) is type(ids[0])
    explorer.chosen = [ids[3]]
    assert on_map(explorer) == [3]
    x, y = np.frombuffer(explorer.places, "<u2").reshape(2, -1).astype(float)
    expected = sg.project(result)
    assert np.corrcoef(x, expected["x"])[0, 1] == pytest.approx(1)
    if np.ptp(expected["y"]):  # one scale for both
        assert np.ptp(x) / np.ptp(y) == pytest.approx(np.ptp(expected["x"]) / np.ptp(expected["y"]), rel=1e-3)
    lasso(explorer, [])
    assert explorer.chosen == []


@pytest.mark.parametrize("unknown", ["nobody", 3, EVIL])
def test_only_customers_can_be_chosen(result, unknown):
    explorer = sg.SegmentExplorer(result, minimum=1)
    with pytest.raises(
        t.TraitError, match=r"is not a customer of this segmentation\. Choose ids of its index"
    ):
        explorer.chosen = ["c000", unknown]
    assert explorer.chosen == []


def test_customers_are_chosen_once_and_in_the_order_of_the_table(result):
    explorer = sg.SegmentExplorer(result, minimum=1)
    explorer.chosen = ["c001", "c000", "c001"]
    assert explorer.chosen == ["c000", "c001"]
    assert explorer.group["count"] == len(explorer.selected) == 2


def test_what_sets_the_chosen_apart_is_compare(result):
    explorer = sg.SegmentExplorer(result, minimum=1)
    explorer.chosen = ["c025", "c001", "c030"]
    expected = sg.compare(result, explorer.chosen, minimum=1)
    assert_frame_equal(explorer.comparison, expected)
    assert explorer.group["count"] == 3
    assert [row["feature"] for row in explorer.group["rows"]] == list(expected.index[:8])


def test_nobody_and_everybody_are_compared_with_nobody(result):
    explorer = sg.SegmentExplorer(result, minimum=1)
    for chosen in (list(result.labels.index), []):
        explorer.chosen = chosen
        assert explorer.comparison is None
        assert explorer.group == {"rows": [], "hint": ""}
        assert len(explorer.selected) == len(chosen)
        run(explorer.code, result=result, explorer=explorer)


@pytest.mark.parametrize("with_map", [True, False])
def test_the_explorer_reads_back_as_its_code(result, with_map):
    given = result.with_embedding(sg.project(result)) if with_map else result
    explorer = sg.SegmentExplorer(given, minimum=1)
    explorer.wanted_names = {"0": "Loyal", "2": 'A "quoted" \\ name'}
    explorer.color_by = "spend"
    for choose in (lambda: show(explorer, 1), lambda: lasso(explorer, [1, 5, 41])):
        choose()
        space = run(explorer.code, result=given, explorer=explorer)
        assert_series_equal(space["result"].named_labels, explorer.result.named_labels)
        assert_frame_equal(space["result"].to_frame(), explorer.result.to_frame())
        assert_frame_equal(last_value(explorer.code, result=given, explorer=explorer), explorer.comparison)
        assert "color='spend'" in explorer.code


def test_show_chooses_a_segment_as_often_as_pressed(result):
    explorer = sg.SegmentExplorer(result, minimum=1)
    for _ in range(2):
        show(explorer, 1)
        assert set(explorer.selected["segment_id"]) == {1} and len(explorer.chosen) == 20
        assert on_map(explorer) == list(np.flatnonzero(result.labels == 1))
        lasso(explorer, [])


def test_names_are_written_into_a_new_result(result):
    explorer = sg.SegmentExplorer(result, minimum=1)
    explorer.wanted_names = {"1": "  Loyal \n families "}
    assert explorer.result.names == {1: "Loyal families"}
    assert [s["name"] for s in explorer.segments] == ["Segment 0", "Loyal families", "Segment 2"]
    explorer.wanted_names = {"1": ""}
    assert explorer.result.names == {}
    assert result.names == {} and result.embedding is None


def test_a_name_that_is_taken_is_refused_and_blocks_no_other(result):
    explorer = sg.SegmentExplorer(result, minimum=1)
    explorer.wanted_names = {"0": "Loyal"}
    for _ in range(2):
        explorer.wanted_names = {"1": "Loyal"}
        assert explorer.error == "Two segments would be called 'Loyal'. Give each its own name."
    assert explorer.result.names == {0: "Loyal"}
    explorer.wanted_names = {"2": "Thrifty"}
    assert (explorer.result.names, explorer.error) == ({0: "Loyal", 2: "Thrifty"}, "")
    explorer.wanted_names = {"2": "Outside"}
    assert "Outside" in explorer.error
    explorer.wanted_names = {"7": "Nobody"}
    assert "There is no segment 7" in explorer.error


def colored():
    n = 30
    customers = three_groups(n // 3).assign(
        same=1.0, gaps=[np.nan, 1.0, 100.0] * 10, empty=np.nan, flag=[True, False, False] * 10,
        whole=pd.array([1, None, 3] * 10, dtype="Int64"), word=pd.Categorical(["a", "unknown", None] * 10),
        many=pd.Categorical([f"w{min(i, 27):02}" for i in range(n)]), text=["<b>", "Outside", "segment"] * 10,
    )  # fmt: skip
    return sg.segment(customers, model=make_pipeline(sg.make_preparer(), KMeans(3, n_init=2, random_state=0)))


@pytest.mark.parametrize("name", ["segment", *colored().customers.columns])
def test_the_map_takes_its_colours_from_any_feature(name):
    explorer = sg.SegmentExplorer(colored(), minimum=1)
    explorer.color_by = name
    assert explorer.color_by == name
    codes = np.frombuffer(explorer.shade_codes, "uint8")
    if name != "segment":
        assert len(codes) == 30 and codes.max() < len(explorer.shade_colors)
    explorer.color_by = "segment"
    assert (explorer.color_by, explorer.ramp, explorer.shade_codes) == ("segment", {}, b"")


def test_the_scale_of_colours_says_what_its_ends_are():
    explorer = sg.SegmentExplorer(colored(), minimum=1)
    explorer.color_by = "gaps"
    assert explorer.ramp["ends"][0] == "1" and explorer.ramp["ends"][1].startswith("100")
    explorer.color_by = "empty"
    assert explorer.ramp["ends"] == ["unknown", "unknown"]
    explorer.color_by = "word"
    assert [word for word, _ in explorer.ramp["words"]] == ["a", "unknown"]


def test_grey_is_for_the_unknown_alone():
    codes, ends = steps_of(pd.Series([np.nan, 1.0, 2.0, 1000.0]))
    assert codes[0] == 0 and list(codes[[1, 3]]) == [1, 255] and 1 < codes[2] < 255
    assert ends == ["1.02", "980 (logarithmic)"]


def test_300_categories_have_13_colours_and_the_rest_is_counted():
    words = pd.Series([f"w{i:03}" for i in range(300)] + ["w299"] * 5)
    shades = shades_of(words)
    assert [word for word, _ in shades.legend["words"]][-2:] == ["w299", "287 others"]
    assert set(shades.codes[-5:]) == {12} and shades.colors[shades.codes[200]] == GREY
    assert len(set(shades.colors)) == 14


def test_only_features_colour_the_map(result):
    explorer = sg.SegmentExplorer(result, minimum=1)
    with pytest.raises(t.TraitError, match="There is no feature 'segment_id' to colour by"):
        explorer.color_by = "segment_id"
    assert explorer.color_by == "segment"


def test_customers_outside_all_segments_are_grey_and_keep_no_name():
    customers = three_groups(spread=np.arange(60) % 7 * 0.1)
    customers.iloc[0] = [200, 200, 0]
    result = sg.segment(customers, model=HDBSCAN(min_cluster_size=8, copy=True))
    assert result.labels.iloc[0] == -1
    explorer = sg.SegmentExplorer(result, minimum=1)
    outside = explorer.segments[-1]
    assert (outside["id"], outside["name"], outside["color"], outside["named"]) == (
        -1,
        "Outside",
        "#8C8C8C",
        False,
    )
    show(explorer, -1)
    assert set(explorer.selected["segment"]) == {"Outside"}
    assert_frame_equal(last_value(explorer.code, result=result, explorer=explorer), explorer.comparison)
    explorer.wanted_names = {"-1": "Strays"}
    assert "There is no segment -1" in explorer.error


def test_many_segments_have_a_row_each():
    customers = pd.DataFrame({"spend": np.arange(40.0) * 2}, index=range(40))
    explorer = sg.SegmentExplorer(
        sg.segment(customers, model=KMeans(20, n_init=1, random_state=0)), minimum=1
    )
    assert len(explorer.segments) == 20
    explorer.wanted_names = {"19": "Last"}
    assert explorer.segments[19]["name"] == "Last"


def test_two_explorers_of_one_result_are_independent(result):
    left, right = sg.SegmentExplorer(result, minimum=1), sg.SegmentExplorer(result, minimum=1)
    left.chosen, left.color_by, left.wanted_names = ["c001"], "spend", {"0": "Loyal"}
    assert (right.chosen, right.color_by, right.result.names) == ([], "segment", {})
    assert right.segments[0]["name"] == "Segment 0"


def test_nothing_leaks_into_the_callers_result(result):
    before, attrs = result.customers.copy(), dict(result.customers.attrs)
    explorer = sg.SegmentExplorer(result, minimum=1)
    explorer.wanted_names, explorer.color_by = {"0": "Loyal"}, "gap"
    lasso(explorer, [0, 1])
    selected = explorer.selected
    selected.loc[:, "spend"] = 0
    assert_frame_equal(result.customers, before)
    assert (result.customers.attrs, result.names, result.embedding) == (attrs, {}, None)
    assert explorer.selected["spend"].all()


def test_strange_names_pass_through_all_widgets():
    customers = oddly_named()
    tuner = sg.ClusterTuner(customers, k=[2, 3])
    explorer = sg.SegmentExplorer(tuner.result, minimum=1)
    for name in (*ODD_NAMES, "word"):
        explorer.color_by = name
        run(explorer.code, result=tuner.result, explorer=explorer)
    explorer.chosen = list(customers.index[:5])
    assert {row["feature"] for row in explorer.group["rows"]} & set(ODD_NAMES)


def test_a_result_of_other_customers_is_refused(result):
    explorer = sg.SegmentExplorer(result, minimum=1)
    other = sg.segment(three_groups(5), n_segments=3)
    with pytest.raises(t.TraitError, match="result holds other customers"):
        explorer.result = other
    assert len(explorer.result.labels) == 60


@pytest.mark.structure
def test_explorer_shows_the_kind(result):
    bands = sg.value_bands(result.customers, by="spend", n_bands=2)
    explorer = sg.SegmentExplorer(bands, minimum=1)
    assert explorer.badge == "Constructive segments"
    assert explorer.kind_sentence.startswith("Tiers of spend")
    explorer.wanted_names = {"0": "Twice", "1": "Twice"}
    assert explorer.error.startswith("Two segments would be called")
    explorer.result = result
    assert explorer.badge == result.badge
    view = (Path(sg.__file__).parent / "show" / "widgets" / "segment_explorer.js").read_text(encoding="utf-8")
    assert 'model.get("badge")' in view and '"change:badge"' in view


def test_the_explorer_says_nothing_of_few_customers():
    customers = three_groups().iloc[:45]  # 20, 20 and 5
    explorer = sg.SegmentExplorer(sg.segment(customers, n_segments=3, random_state=0))
    assert sorted(s["size"] for s in explorer.segments) == ["20 (44%)", "hidden", "hidden"]
    few = explorer.result.labels.value_counts().idxmin()
    show(explorer, int(few))
    assert len(explorer.selected) == 5  # the analyst may look them up
    assert explorer.comparison is None and explorer.group["rows"] == []
    assert explorer.group["hint"] == "Choose 10 customers or more to see what sets them apart."
    assert "compare" not in explorer.code
