"""Cards by their traits: what stands on them is what the public functions say, and nothing of few customers."""

import json

import numpy as np
import pandas as pd
import pytest
import traitlets as t
from pandas.testing import assert_frame_equal
from sklearn.cluster import KMeans
from tables import purchases, three_groups

import segkit as sg


def shop(n=20, **more):
    """Return three segments of n customers, called after their place: quiet, visitors, spenders."""
    customers = three_groups(n, monetary=np.repeat([1.0, 2.0, 7.0], n), **more)
    result = sg.segment(customers, n_segments=3)
    quiet, visitors, spenders = (result.labels.iloc[i] for i in (0, n, 2 * n))
    return result, {"Quiet": quiet, "Visitors": visitors, "Spenders": spenders}


@pytest.fixture(scope="module")
def made():
    return shop()


def card_of(cards, segment):
    return next(card for card in cards.cards if card["id"] == segment)


def test_a_card_says_what_the_functions_say(made):
    result, ids = made
    cards = sg.SegmentCards(result)
    suggested = sg.suggest_names(result)
    card = card_of(cards, ids["Spenders"])
    assert (card["name"], card["given"]) == (suggested.loc[ids["Spenders"], "name"], False)
    assert card["sentence"] == suggested.loc[ids["Spenders"], "sentence"]
    assert (card["size"], card["share_said"], card["value_said"]) == ("20 customers", "33%", "70%")
    rows = sg.profile(result).query(f"segment_id == {ids['Spenders']}").head(3)
    assert [row["feature"] for row in card["apart"]] == rows["feature"].to_list()
    assert [row["effect"] for row in card["apart"]] == rows["effect"].to_list()
    assert cards.value_name == "Share of revenue"
    assert cards.code == "sg.suggest_names(result)\nsg.profile(result)\nsg.typical(result)"


def test_typical_customers_stand_there_under_pseudonyms(made):
    result, _ = made
    cards = sg.SegmentCards(result)
    assert_frame_equal(cards.people.drop(columns="pseudonym"), sg.typical(result))
    said = [row for card in cards.cards for row in card["people"]["rows"]]
    assert [row[0] for row in said] == cards.people["pseudonym"].to_list()
    assert [row[1] for row in said] == cards.people["role"].to_list()
    state = json.dumps([cards.cards, cards.notes, cards.code])
    assert not [customer for customer in result.customers.index if customer in state]


def test_small_segments_are_named_and_not_described():
    customers = pd.concat(
        [three_groups(20), three_groups(4).iloc[:4].add([400.0, 400.0]).set_axis(list("wxyz"))]
    )
    result = sg.segment(customers, n_segments=4)
    few = int(result.labels["w"])
    cards = sg.SegmentCards(result)
    assert few not in [card["id"] for card in cards.cards]
    assert cards.notes[0].startswith("Hidden is 1 segment of fewer than 10 customers")
    assert sorted(card["size"] for card in cards.cards) == ["", "20 customers", "20 customers"]
    assert "is not shown" in cards.notes[1]
    everyone = sg.SegmentCards(result, minimum=1)
    assert card_of(everyone, few)["size"] == "4 customers"
    assert "minimum=1" in everyone.code


def test_a_name_is_written_kept_or_refused(made):
    result, ids = made
    cards = sg.SegmentCards(result)
    cards.wanted_names = {str(ids["Spenders"]): "Regulars"}
    assert card_of(cards, ids["Spenders"])["name"] == "Regulars" and card_of(cards, ids["Spenders"])["given"]
    assert cards.wanted_names == {} and cards.error == ""
    space = {"sg": sg, "result": result}
    exec(cards.code, space)
    assert space["result"].names == cards.result.names == {ids["Spenders"]: "Regulars"}
    cards.wanted_names = {str(ids["Quiet"]): "Regulars"}
    assert cards.error.startswith("Two segments would be called 'Regulars'")
    assert cards.result.names == {ids["Spenders"]: "Regulars"}


def test_trust_is_on_the_card_once_it_was_tested(made):
    result, ids = made
    bare = sg.segment(result.customers, n_segments=3)
    cards = sg.SegmentCards(bare)
    assert not cards.tested and "Trust" not in [line[0] for line in cards.cards[0]["lines"]]
    cards.wanted_test = True
    assert cards.tested and not cards.wanted_test
    assert cards.result.assessment is not None
    assert [line[0] for line in card_of(cards, ids["Quiet"])["lines"]] == ["Trust"]
    assert "result = result.with_trust(sg.assess(result))" in cards.code


def test_the_chosen_segment_reads_back(made):
    result, ids = made
    cards = sg.SegmentCards(result)
    assert cards.customers.empty
    cards.chosen = ids["Visitors"]
    expected = result.to_frame()[result.labels == ids["Visitors"]]
    assert_frame_equal(cards.customers, expected)
    last = cards.code.split("\n")[-1]
    assert_frame_equal(eval(last, {"result": result}), expected)
    with pytest.raises(t.TraitError, match=r"There is no segment 9\. Choose from 0, 1, 2"):
        cards.chosen = 9
    cards.result = sg.segment(result.customers, n_segments=2)
    assert cards.chosen is None or cards.chosen in cards.result.segments
    assert len(cards.cards) == 2


def test_where_customers_came_from_and_went():
    """Of 20 quiet customers 12 become visitors and 3 spenders; 11 are new and quiet."""
    result, ids = shop()
    may = result.customers
    june = may.copy()
    june.iloc[:12] = june.iloc[20]
    june.iloc[12:15] = june.iloc[40]
    new = may.iloc[:11].set_axis([f"n{i:02}" for i in range(11)])
    months = pd.to_datetime(["2024-05-01", "2024-06-01"])
    tables = pd.concat([may, pd.concat([june, new])], keys=months, names=["as_of", "customer_id"])
    result = result.with_names({s: name for name, s in ids.items()})
    cards = sg.SegmentCards(result, tables=tables)
    said = {card["name"]: dict(line[:2] for line in card["lines"])["Moved"] for card in cards.cards}
    assert said == {
        "Quiet": "Since 1 May 2024: 11 are new, 12 went to Visitors.",
        "Visitors": "Since 1 May 2024: 12 came from Quiet.",
        "Spenders": "Since 1 May 2024: no moves of 10 customers or more.",
    }
    assert cards.code.endswith("sg.moves_over_time(result, tables)")
    shown = sg.SegmentCards(result, tables=tables, minimum=1)
    assert dict(line[:2] for line in card_of(shown, ids["Spenders"])["lines"])["Moved"].endswith(
        "3 came from Quiet."
    )


def test_forecast_and_play_are_left_out_of_other_segments_and_this_is_said(made):
    result, ids = made
    playbook = pd.DataFrame({"segment": [ids["Quiet"]], "strategy": "Write to them", "offer": "Tea"})
    cards = sg.SegmentCards(result, playbook=playbook)
    card = card_of(cards, ids["Quiet"])
    assert (card["lines"], card["play"]) == ([["Do", "Write to them", ""]], [["Offer", "Tea", ""]])
    cards.result = sg.merge_segments(result, [ids["Visitors"], ids["Spenders"]])
    assert [card["lines"] + card["play"] for card in cards.cards] == [[], []]
    assert "left out" in cards.notes[-1]
    cards.result = result
    assert card_of(cards, ids["Quiet"])["play"] and "left out" not in cards.notes[-1]


def test_events_tell_what_they_like():
    lines = [(f"c{i:03}", f"2024-01-{1 + i % 20:02}", 1.0 + 50 * (i >= 40)) for i in range(60)]
    events = purchases(*lines, category=["TEA" if i >= 40 else "Milk" for i in range(60)])
    customers = sg.customer_features(events, sg.select_features("monetary"), as_of="2024-02-01")
    cards = sg.SegmentCards(sg.segment(customers, n_segments=2), events=events)
    likes = [dict(line[:2] for line in card["lines"])["Likes"] for card in cards.cards]
    assert [words.split(" (")[0] for words in likes] == ["Milk", "Tea"]


def test_one_segment_is_shown_without_differences():
    result = sg.segment(three_groups(), model=KMeans(1))
    cards = sg.SegmentCards(result)
    assert [card["apart"] for card in cards.cards] == [[]] and cards.cards[0]["size"] == "60 customers"


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"minimum": 0}, ValueError, "minimum"),
        ({"playbook": [1]}, TypeError, "table of playbook"),
        ({"events": 3}, TypeError, "events"),
        ({"value": "tea"}, ValueError, "tea"),
        ({"tables": pd.DataFrame({"visits": [1.0]})}, ValueError, "tables"),
    ],
)
def test_wrong_arguments_are_explained(made, given, error, said):
    with pytest.raises(error, match=said):
        sg.SegmentCards(made[0], **given)


def test_a_saved_notebook_shows_the_cards_as_a_table(made):
    result, ids = made
    cards = sg.SegmentCards(result.with_names({ids["Quiet"]: "Quiet & few"}))
    still = cards.still()
    assert "Quiet &amp; few" in still and "20 customers (33%)" in still and cards.code.split("\n")[0] in still
    assert not [customer for customer in result.customers.index if customer in still]


def test_an_error_of_a_callback_is_shown(made, monkeypatch):
    cards = sg.SegmentCards(made[0])
    monkeypatch.setattr(cards, "_draw", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cards.result = made[0].with_names({0: "New"})
    assert cards.error == "ZeroDivisionError: division by zero"
