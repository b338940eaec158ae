"""The studio by its traits: one state in picker, tuner, map, cards and builder, which reads back as its code."""

import dataclasses
import json
import random
import threading

import numpy as np
import pandas as pd
import pytest
import traitlets as t
from ipywidgets.embed import dependency_state
from pandas.testing import assert_frame_equal, assert_series_equal
from tables import purchases, three_groups

import segkit as sg
from segkit.show.widgets.studio_fits import Fits


def people(n=30):
    return three_groups(n, monetary=np.repeat([1.0, 2.0, 7.0], n))


@pytest.fixture
def studio():
    return sg.SegmentStudio(people(), n_segments=3)


def run(studio, **names):
    """Execute the code that the studio shows, without what it exports."""
    space = {"sg": sg, "studio": studio, **names}
    exec(studio.code.split("\naudience = ")[0], space)
    return space["result"]


def check_one_state(studio, **names):
    assert studio.explorer.result is studio.cards.result is studio.result
    assert studio.bar.at == studio.bar.under == studio.bar.drawn == studio.n_segments
    made = run(studio, customers=studio.customers, **names)
    assert_series_equal(made.labels, studio.result.labels)
    assert_frame_equal(made.embedding, studio.result.embedding)
    assert made.names == studio.result.names


def test_moving_the_number_shows_it_and_letting_go_takes_it(studio):
    before = studio.result
    studio.bar.under = 4
    everyone, preview = studio._shown.children
    preview_map, preview_cards = preview.explorer, preview.cards
    assert (studio.bar.drawn, studio.n_segments) == (4, 3) and studio.result is before
    assert len(preview_map.result.segments) == len(preview_cards.cards) == 4
    assert (everyone.layout.display, preview.layout.display) == ("none", None)
    assert studio.bar.said == "90 customers in 4 segments: let go to take them."
    studio.bar.at = 4
    assert studio.n_segments == len(studio.cards.cards) == 4
    assert (everyone.layout.display, preview.layout.display) == (None, "none")
    assert studio.bar.said == "90 customers in 4 segments."
    check_one_state(studio)
    studio.bar.under = 5
    studio.bar.under = 4  # and back, without letting go
    assert (everyone.layout.display, studio.explorer.error) == (None, "")


def test_names_go_round_and_come_back_with_their_number(studio):
    studio.cards.wanted_names = {"0": "Regulars"}
    check_one_state(studio)
    studio.explorer.wanted_names = {1: "Spenders"}
    check_one_state(studio)
    assert studio.result.names == {0: "Regulars", 1: "Spenders"}
    studio.n_segments = 2
    check_one_state(studio)
    studio.n_segments = 3
    assert studio.result.names == {0: "Regulars", 1: "Spenders"}
    check_one_state(studio)


def test_edits_on_the_map_are_on_the_cards_and_in_the_code(studio):
    studio.cards.wanted_names = {"2": "Quiet"}
    studio.explorer.wanted = {"do": "merge", "segments": [0, 1]}
    assert studio.explorer.error == "" and len(studio.cards.cards) == 2
    check_one_state(studio)
    studio.cards.wanted_names = {str(studio.cards.cards[0]["id"]): "Both"}
    check_one_state(studio)
    studio.explorer.wanted = {"do": "undo"}
    studio.explorer.wanted = {"do": "undo"}
    assert len(studio.cards.cards) == 3 and studio.result.names == {2: "Quiet"}
    check_one_state(studio)


def test_names_in_the_code_are_left_alone(studio):
    studio.explorer.wanted_names = {"0": "Users of explorer."}
    studio.explorer.chosen = list(studio.customers.index[:12])
    studio.explorer.wanted = {"do": "make", "name": "More explorer. users"}
    check_one_state(studio)


def test_undo_beyond_a_number_goes_back_to_that_number(studio):
    first = studio.result
    studio.n_segments = 4
    studio.explorer.wanted = {"do": "undo"}
    assert studio.result is first and studio.n_segments == 3
    check_one_state(studio)


def test_trust_is_tested_on_the_cards_and_kept(studio):
    studio.cards.wanted_test = True
    assert studio.result.assessment is not None
    assert studio.code.endswith("result = result.with_trust(sg.assess(result))")
    check_one_state(studio)


def test_a_saved_notebook_shows_the_segments_and_the_next_cells(studio):
    studio.cards.wanted_names = {"0": "Regulars"}
    assert "Regulars" in studio.still() and "sg.segment(customers, n_segments=3" in studio.still()


def test_the_state_that_a_notebook_is_saved_with_names_nobody():
    customers = people().rename(index=lambda name: f"secret-{name}")
    studio = sg.SegmentStudio(customers, n_segments=3)
    studio.explorer.chosen = list(customers.index[:30])
    studio.explorer.wanted = {"do": "make", "name": "Mine"}
    studio.explorer.wanted = {"do": "audience", "name": "Ours"}
    studio.cards.chosen = 1
    studio.bar.under = 4
    state = json.dumps(dependency_state(studio))
    assert (
        "customer 1" in state
        and "Mine" in state
        and studio.cards.people["customer_id"].str.startswith("secret").all()
    )
    assert "secret" not in state


def test_a_chosen_card_is_chosen_on_the_map(studio):
    studio.cards.chosen = 1
    assert set(studio.explorer.chosen) == set(studio.result.labels.index[studio.result.labels == 1])
    studio.cards.chosen = None
    assert studio.explorer.chosen == []


def test_a_card_is_let_go_where_others_are_chosen(studio):
    """Be it by hand, or since the segment of this id has other customers now."""
    studio.cards.chosen = 1
    studio.explorer.chosen = list(studio.customers.index[:12])
    assert studio.cards.chosen is None and len(studio.explorer.chosen) == 12
    studio.cards.chosen = 0
    before = studio.explorer.chosen
    studio.explorer.wanted_names = {0: "Regulars"}
    assert studio.cards.chosen == 0
    studio.n_segments = 2
    assert studio.cards.chosen is None and studio.explorer.chosen == before


def test_pinned_segments_keep_their_customers_with_any_number(studio):
    """Shown while one tries, taken when let go, and the same whatever numbers were between."""
    studio.explorer.chosen = list(studio.customers.index[25:40])
    studio.explorer.wanted = {"do": "make", "name": "Mine"}
    mine = studio.result.labels == 3
    studio.explorer.wanted = {"do": "pin", "segments": [3]}
    pinned = studio.result
    studio.bar.under = 5
    shown = studio._shown.sample.explorer.result
    assert ((shown.labels == 3) == mine).all() and len(shown.segments) == 5
    studio.bar.at = 5
    five = studio.result
    assert ((five.labels == 3) == mine).all() and five.names == {3: "Mine"} and len(five.segments) == 5
    assert studio.bar.said == "90 customers in 5 segments."
    studio.bar.at = 6
    studio.explorer.wanted = {"do": "undo"}
    assert studio.result is five and studio.bar.at == 5
    studio.bar.at = 6
    studio.bar.at = 5
    assert_series_equal(studio.result.labels, five.labels)
    check_one_state(studio)
    studio.bar.at = 3
    assert studio.result is pinned
    studio.explorer.wanted = {"do": "pin", "segments": []}
    studio.bar.at = 4
    assert studio.result.provenance.get("pinned", []) == [] and "previous=" not in studio.code


@pytest.mark.parametrize("looked", [True, False])
def test_any_number_can_be_set_from_python(studio, looked):
    """Also one that is not on the slider, whether the tuner was looked at before or not."""
    if looked:
        studio.step = "How many"
    studio.n_segments = 12
    studio.step = "How many"
    assert studio.error == "" and studio.tuner.n_segments == len(studio.result.segments) == 12
    assert studio.bar.numbers == [*range(2, 11), 12]
    studio.explorer.wanted = {"do": "undo"}
    assert studio.n_segments == studio.tuner.n_segments == 3
    check_one_state(studio)


def test_the_tuner_has_the_same_number_and_method(studio):
    assert studio.tuner is None
    studio.step = "How many"
    assert (studio.tuner.n_segments, studio.bar.step) == (3, "How many")
    studio.tuner.n_segments = 2
    assert (studio.n_segments, len(studio.cards.cards)) == (2, 2)
    studio.n_segments = 3
    assert studio.tuner.n_segments == 3
    studio.method = "ward"
    assert studio.tuner.method == "ward" and studio.result.provenance["method"] == "ward"
    check_one_state(studio)


def test_page_and_cell_wait_for_each_other(studio):
    """JupyterLab may answer the page in another thread while a cell runs: the last one to ask has its way."""
    drawing, go_on = threading.Event(), threading.Event()
    studio.cards.observe(lambda _: (drawing.set(), go_on.wait(10)), "cards")
    page = threading.Thread(target=studio.bar.set_trait, args=("at", 4))
    page.start()
    assert drawing.wait(10)
    cell = threading.Thread(target=studio.set_trait, args=("n_segments", 2))
    cell.start()
    cell.join(0.1)
    go_on.set()
    page.join(10)
    cell.join(10)
    assert len(studio.result.segments) == len(studio.cards.cards) == 2
    check_one_state(studio)


def test_the_suggested_number_is_the_tuners():
    studio = sg.SegmentStudio(people(12), k=[2, 3])
    assert studio.n_segments == studio.tuner.n_segments == 3


def test_what_cannot_be_is_refused_and_nothing_changes():
    studio = sg.SegmentStudio(pd.DataFrame({"visits": [1, 2, 30] * 10}, index=range(30)), n_segments=3)
    before = studio.result
    studio.bar.at = 7
    assert studio.result is before and studio.n_segments == studio.bar.at == 3
    assert studio.error.startswith("n_segments=7") and studio.bar.error == studio.error
    studio.bar.under = 8
    assert studio.bar.drawn == 8 and studio.error.startswith("n_segments=8")
    studio.bar.under = 2
    assert studio.bar.said == "30 customers in 2 segments: let go to take them."
    studio.bar.at = 7
    assert studio.bar.said == "30 customers in 3 segments." and studio.error.startswith("n_segments=7")
    studio.n_segments = 2
    assert studio.error == ""
    with pytest.raises(t.TraitError, match="other customers"):
        studio.result = sg.segment(people(), n_segments=2)


@pytest.fixture(scope="module")
def events():
    """Forty customers: odd ones pay 65 an order and even ones 5, and they order one to five times."""
    return purchases(
        *(
            (f"c{i:02}", f"2024-01-{1 + j:02}", 5.0 + 60 * (i % 2))
            for i in range(40)
            for j in range(1 + i % 5)
        )
    )


def test_ticked_features_are_tried_and_then_used(events):
    studio = sg.SegmentStudio(
        events, as_of="2024-02-01", chosen=["frequency", "average_order_value"], n_segments=2
    )
    first, map_of_first = studio.result, studio.explorer.places
    made = run(studio, events=events)
    assert_series_equal(made.labels, first.labels)
    studio.cards.wanted_names = {"0": "Zero", "1": "One"}
    named, code = studio.result, studio.code

    studio.step = "Features"
    assert studio._shown.layout.display is None  # map and cards stand beside the picker
    studio.picker.value = ["average_order_value"]
    everyone, tried = studio._shown.children
    assert (everyone.layout.display, tried.layout.display) == ("none", None)
    assert list(tried.explorer.result.customers.columns) == ["average_order_value"]
    assert studio.bar.said == (
        "40 customers in 2 segments by 1 feature: press “Use these features” to take them."
    )
    assert (studio.result, studio.code) == (named, code)  # until they are used
    studio.picker.value = ["tenure"]  # the same for all
    assert "do not differ" in studio.error and (everyone.layout.display, tried.layout.display) == (
        None,
        "none",
    )
    studio.picker.value = ["average_order_value"]
    assert studio.error == "" and (everyone.layout.display, tried.layout.display) == ("none", None)
    studio.bar.under = 3
    assert studio.error.startswith("n_segments=3") and studio.bar.drawn == 3
    studio.bar.under = 2
    studio.step = "Map and cards"  # of what is used
    assert (everyone.layout.display, tried.layout.display) == (None, "none")
    studio.step = "Features"
    assert (everyone.layout.display, tried.layout.display) == ("none", None)

    studio.use_features()
    assert list(studio.customers.columns) == list(studio.result.customers.columns) == ["average_order_value"]
    assert (everyone.layout.display, tried.layout.display) == (None, "none")
    assert studio.explorer.places != map_of_first
    assert studio.result.labels.groupby(np.arange(40) % 2).nunique().to_list() == [1, 1]
    check_one_state(studio, events=events)

    studio._on_key(studio.bar, {"do": "undo"}, [])
    assert studio.result is named and studio.picker.value == ["frequency", "average_order_value"]
    assert (studio.code, studio.explorer.places) == (code, map_of_first)
    studio._on_key(studio.bar, {"do": "redo"}, [])
    assert studio.picker.value == ["average_order_value"]
    check_one_state(studio, events=events)


def test_a_name_stays_where_its_segment_does(studio):
    """Of three groups apart from each other two become one: the third keeps its name, and the others lose theirs."""
    names = {0: "A", 1: "B", 2: "C"}
    studio.result = studio.result.with_names(names)
    three = studio.result.named_labels
    studio.bar.under = 2
    kept = studio._shown.sample.cards.result.names
    studio.bar.at = 2
    two = studio.result
    [(stays, name)] = two.names.items()
    assert kept == two.names and list(three.index[three == name]) == list(
        two.labels.index[two.labels == stays]
    )
    gone = sorted(set("ABC") - {name})
    assert studio.bar.said == (
        f"90 customers in 2 segments. No segment is like {gone[0]} and {gone[1]} any more, so the names are left out."
    )
    check_one_state(studio)
    studio.cards.wanted_names = {str(stays): "New", str(1 - stays): "Both"}
    studio.n_segments = 3
    assert studio.result.names == {s: "New" if n == name else n for s, n in names.items()}
    assert studio.bar.said == (
        "90 customers in 3 segments. No segment is like Both any more, so the name is left out."
    )
    check_one_state(studio)


def test_what_is_done_to_a_preview_is_put_back(studio):
    studio.bar.under = 4
    tried = studio._shown.sample
    before = [card["name"] for card in tried.cards.cards]
    tried.cards.wanted_names = {"0": "Lost"}
    assert [card["name"] for card in tried.cards.cards] == before and "a preview" in studio.bar.error
    tried.explorer.wanted = {"do": "merge", "segments": [0, 1]}
    assert len(tried.explorer.segments) == len(tried.cards.cards) == 4 and studio.n_segments == 3


def test_an_error_of_a_callback_is_shown_above_the_studio(studio, monkeypatch):
    monkeypatch.setattr(studio._fits.present, "preview", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        studio.bar.under = 4
    assert "ZeroDivisionError: division by zero" in studio.children[0].value
    monkeypatch.undo()
    studio.bar.under = 5
    assert studio.children[0] is studio.bar


def test_the_audience_is_of_the_present_segments(tmp_path):
    customers = people()
    contacts = pd.DataFrame(
        {"customer_id": customers.index, "email": [f"a{i}@example.com" for i in range(90)]}
    )
    studio = sg.SegmentStudio(customers, n_segments=3, contacts=contacts)
    studio.step = "Audience and export"
    assert len(studio.builder.audience.table) == 90 and studio.code.endswith(studio.builder.code)
    studio.cards.wanted_names = {"0": "Regulars"}
    studio.builder.segments = ["Regulars"]
    assert len(studio.builder.audience.table) == 30 and "['Regulars']" in studio.code
    studio._export.file.value = str(tmp_path / "none" / "r.md")
    studio._export.write.click()
    assert "There is no folder" in studio._export.wrote.value


def test_a_preview_is_of_a_sample_on_the_same_map():
    customers = people(60)
    fits = Fits(customers, 0, n_sample=50)
    alone = fits.preview(3, "kmeans")
    everyone = fits.everyone(3, "kmeans").embedding
    preview = fits.preview(3, "kmeans")
    assert 40 <= len(alone.labels) <= len(preview.labels) <= 50
    assert_frame_equal(alone.embedding, sg.project(dataclasses.replace(alone, embedding=None)))
    assert_frame_equal(preview.embedding, everyone.loc[preview.customers.index])
    assert (preview.embedding.min() == everyone.min()).all() and (
        preview.embedding.max() == everyone.max()
    ).all()
    shuffled = Fits(customers.sample(frac=1, random_state=1), 0, n_sample=50).preview(3, "kmeans")
    assert set(shuffled.customers.index) == set(alone.customers.index)


def test_wrong_arguments_are_explained():
    with pytest.raises(TypeError, match="value"):
        sg.SegmentStudio(people(), n_segments=3, value=pd.DataFrame({"a": [1]}))
    with pytest.raises(TypeError, match="events"):
        sg.SegmentStudio([1, 2])


@pytest.mark.parametrize(
    ("k", "error", "said"),
    [
        ([], ValueError, "offers no number of segments"),
        ([0, 1], ValueError, "offers no number of segments"),
        (5, TypeError, "k=5 should be whole numbers"),
        ("23", TypeError, "k='23' should be whole numbers"),
        ([2.5], TypeError, "should be whole numbers"),
    ],
)
@pytest.mark.parametrize("widget", [sg.SegmentStudio, sg.ClusterTuner])
def test_numbers_to_choose_from_are_checked(widget, k, error, said):
    with pytest.raises(error, match=said):
        widget(people(), n_segments=3, k=k)


def test_one_name_in_two_numbers_means_two_groups(studio):
    """A group that is made of 3 segments keeps its customers when 4 segments get one of the same name."""
    for number, chosen in ((3, range(12)), (4, range(40, 60))):
        studio.n_segments = number
        studio.explorer.chosen = list(studio.customers.index[chosen])
        studio.explorer.wanted = {"do": "make", "name": "Mine"}
    for number in (3, 4):
        studio.n_segments = number
        check_one_state(studio)


def step_of(studio, chance):
    """Return a step at random, through slider, map, cards or tuner."""
    segments, ids = studio.result.segments, list(studio.customers.index)
    one, name = chance.choice(segments), chance.choice("cde")

    def want(**asked):
        studio.explorer.wanted = asked

    def make():
        studio.explorer.chosen = chance.sample(ids, 15)
        want(do="make", name=chance.choice("ab"))

    return chance.choice(
        [
            lambda: setattr(studio.bar, "at", chance.choice([2, 3, 4, 5])),
            lambda: setattr(studio, "method", chance.choice(["kmeans", "ward"])),
            lambda: setattr(studio.explorer, "wanted_names", {str(one): name}),
            lambda: setattr(studio.cards, "wanted_names", {str(one): name}),
            lambda: want(do="merge", segments=segments[:2]),
            lambda: want(do="split", segment=one),
            lambda: want(do="pin", segments=[one]),
            make,
            lambda: want(do="undo"),
            lambda: want(do="redo"),
        ]
    )


def test_the_code_repeats_whatever_was_done(studio):
    chance = random.Random(0)
    for i in range(20):
        step_of(studio, chance)()
        assert studio.explorer.result is studio.cards.result is studio.result
        assert studio.bar.at == studio.bar.under == studio.n_segments
        if i % 5 == 4:
            made = run(studio, customers=studio.customers)
            assert_series_equal(made.named_labels, studio.result.named_labels)
            assert made.provenance.get("pinned", []) == studio.result.provenance.get("pinned", [])
