"""The live map by its traits: counts, moves and points follow what the batches say."""

import base64
import json
import threading

import numpy as np
import pandas as pd
import pytest
import traitlets as t
from tables import order, weekly_and_once

import segkit as sg
from segkit.show.widgets import live_board
from segkit.show.widgets.live_board import FULL, NOWHERE, LiveBoard

FEATURES = sg.select_features("recency", "frequency")


@pytest.fixture(scope="module")
def shop():
    """Ten customers with an order a week until 13 May, and ten who came once, in January."""
    events = sg.read_events(weekly_and_once(20), timezone="Europe/Berlin")
    customers = sg.customer_features(events, FEATURES, as_of="2024-05-14", window="200 days")
    result = sg.segment(customers, n_segments=2)
    regular = result.labels["often 0"]
    return result.with_names({regular: "Regular", 1 - regular: "Rare"}), events


@pytest.fixture
def live(shop, tmp_path):
    with sg.live_segments(*shop, FEATURES, folder=tmp_path / "live") as opened:
        yield opened


@pytest.fixture
def live_map(live):
    made = sg.LiveMap(live)
    yield made
    made.close()


def sizes(state):
    return {
        s["name"]: (s["size"], s["joined"], s["left"]) for s in state["segments"] if s["size"] or s["left"]
    }


def places(state):
    """All points as (x, y, position of the segment), also those that nobody has."""
    return np.frombuffer(base64.b64decode(state["points"]), dtype="<i2").astype(int).reshape(-1, 3)


def points(state):
    return places(state)[places(state)[:, 2] != NOWHERE]


def test_it_begins_with_everyone_where_they_are(live_map):
    assert sizes(live_map.state) == {"Regular": (10, 0, 0), "Rare": (10, 0, 0)}
    assert live_map.state["said"] == "20 customers. Nobody has moved yet."
    assert (
        live_map.state["now"] == "13 May 2024, 09:00:00"
    )  # 9 hours after midnight in the zone of the log, UTC + 2
    assert len(points(live_map.state)) == 20 and live_map.moves.empty
    assert "a random sample" not in live_map.state["note"]


def test_moves_by_events_time_and_corrections(live, live_map):
    regular = live.result.segment_id("Regular")
    live.apply(order("n1", "ada", "2024-05-20"))
    live.correct("once 3", "Regular", "is a partner")
    by_time = live.sweep(as_of="2024-12-20")
    live_map.refresh()
    moves = live_map.moves
    assert len(by_time) == 21 and by_time["segment"].isna().sum() > 5
    by_time = by_time[
        by_time["segment"].fillna("") != by_time["was"].fillna("")
    ]  # the correction still shows
    assert moves.iloc[:2].fillna("").to_dict("records") == [
        {
            "customer_id": "ada",
            "was": "",
            "segment": "Regular",
            "when": "20 May 2024, 00:00:00",
            "why": "purchase",
            "late": False,
        },
        {
            "customer_id": "once 3",
            "was": "Rare",
            "segment": "Regular",
            "when": "13 May 2024, 09:00:00",
            "why": "correction",
            "late": False,
        },
    ]
    timed = moves[moves["why"] == "time alone"]
    assert sorted(timed["customer_id"]) == sorted(by_time["customer_id"])
    assert (
        f"1 by what customers did, {len(by_time)} by time alone, 1 by correction." in live_map.state["said"]
    )
    counted = live.current()["segment"].fillna("In no segment").value_counts().to_dict()
    shown = sizes(live_map.state)
    assert {name: size for name, (size, _, _) in shown.items() if size} == counted
    before = {"Regular": 10, "Rare": 10}
    assert all(size == before.get(name, 0) + joined - left for name, (size, joined, left) in shown.items())
    listed = live_map.state["moves"]
    assert [m["n"] for m in listed] == list(range(len(moves), 0, -1))
    codes = places(live_map.state)[:, 2]
    names = [s["name"] for s in live_map.state["segments"]]
    now = {m["customer"]: m for m in reversed(listed)}
    assert all(codes[m["at"]] == m["to"] for m in now.values())
    assert names[regular] == "Regular" and json.loads(json.dumps(live_map.state)) == live_map.state


def test_a_late_event_moves_only_who_is_placed_otherwise_now(live, live_map):
    live.apply(order("n1", "once 1", "2024-05-20"))
    live.apply(order("n0", "once 1", "2024-05-14"))  # late: the last placement is written again
    live_map.refresh()
    last = live.current().set_index("customer_id").loc["once 1"]
    assert live_map.card == {} and len(live_map.moves) == (last["segment"] != "Rare")
    live_map.chosen = "once 1"
    assert live_map.card["features"]["frequency"] == 3.0


def test_a_customer_goes_to_the_place_of_its_features(live, live_map, shop):
    def place(customer):
        live_map.chosen = customer
        return places(live_map.state)[live_map.card["at"]]

    begin = place("once 0")
    live.apply(pd.concat([order(f"n{i}", "once 0", f"2024-05-13 10:{i:02}") for i in range(19)]))
    live_map.refresh()
    now, regular = place("once 0"), place("often 9")
    assert abs(begin[:2] - regular[:2]).max() > FULL / 2
    assert abs(now[:2] - regular[:2]).max() < FULL / 10
    assert live_map.state["segments"][now[2]]["name"] == "Regular"
    assert live_map.card["segment"] == "Regular" and live_map.card["features"]["frequency"] == 20.0


def test_the_chosen_customer_is_checked(live_map):
    live_map.chosen = "often 2"
    assert live_map.card["customer_id"] == "often 2" and live_map.card["at"] >= 0
    with pytest.raises(t.TraitError, match=r"no customer 'oftn 2'.*Did you mean 'often 2'"):
        live_map.chosen = "oftn 2"
    assert live_map.chosen == "often 2" and "no customer 'oftn 2'" in live_map.error
    live_map.chosen = "often 3"
    assert live_map.card["customer_id"] == "often 3" and live_map.error == ""
    live_map.chosen = ""
    assert live_map.card == {}
    with pytest.raises(TypeError, match="live is the text 'live/'"):
        sg.LiveMap("live/")


def test_it_follows_by_itself_until_it_is_closed(live):
    changed = threading.Event()
    board = LiveBoard(live, changed.set)
    live.apply(order("n1", "ada", "2024-05-20"))
    assert changed.wait(30)
    assert [move["customer"] for move in board.moves] == ["ada"]
    board.close()
    board._worker.join(30)
    assert not board._worker.is_alive()
    live.apply(order("n2", "bob", "2024-05-21"))
    board.refresh()
    assert board.counted == 1


def test_a_closed_folder_is_said_on_the_page(live):
    said = threading.Event()
    board = LiveBoard(live, said.set)
    with board._turn:  # the folder closes before the board has looked
        live.apply(order("n1", "ada", "2024-05-20"))
        live.close()
    assert said.wait(30)
    assert "is closed" in board.state["error"]
    board.close()


def test_a_sample_is_drawn_and_whoever_moves(live, monkeypatch):
    monkeypatch.setattr(live_board, "SAMPLE", 4)
    monkeypatch.setattr(live_board, "MOVERS", 2)
    board = LiveBoard(live)
    assert len(points(board.state)) == 4
    assert "4 of 20 customers are drawn: a random sample, and whoever moved" in board.state["note"]
    for i, customer in enumerate(("ada", "bob", "cyd")):
        live.apply(order(f"n{i}", customer, f"2024-05-2{i}"))
    board.refresh()
    assert len(points(board.state)) == 6
    assert {m["customer"]: m["at"] for m in board.state["moves"]} == {"cyd": 4, "bob": 5, "ada": NOWHERE}
    assert sum(s["size"] for s in board.state["segments"]) == 23
    board.close()


def test_the_last_moves_are_remembered(live, monkeypatch):
    monkeypatch.setattr(live_board, "REMEMBERED", 3)
    board = LiveBoard(live)
    live.apply(pd.concat([order(f"n{i}", f"new {i}", f"2024-05-2{i}") for i in range(5)]))
    board.refresh()
    assert [m["n"] for m in board.moves_after(0)] == [3, 4, 5]
    assert board.moves_after(4) == [{**board.moves[-1], "from": None, "to": "Regular"}]
    assert board.counted == 5
    board.close()


def test_one_feature_has_places(shop, tmp_path):
    events = shop[1]
    feature = sg.select_features("frequency")
    result = sg.segment(sg.customer_features(events, feature, as_of="2024-05-14"), n_segments=2)
    with sg.live_segments(result, events, feature, folder=tmp_path / "one") as live:
        board = LiveBoard(live)
        drawn = points(board.state)
        assert len(np.unique(drawn[:, 1])) > 15 and abs(drawn[:, 1]).max() <= 0.2 * FULL + 1
        board.close()


def test_erased_customers_leave_the_map(live, live_map):
    live.apply(order("n1", "ada", "2024-05-20"))
    live_map.refresh()
    live.correct("once 4", "Regular", "is a partner")
    live_map.chosen = "ada"
    sg.erase(["ada", "once 3"], results=[live.result], live=live)
    live_map.refresh()
    assert live_map.card == {} and "no customer 'ada'" in live_map.error
    assert live_map.moves["customer_id"].tolist() == ["once 4"] and len(points(live_map.state)) == 19
    assert sum(s["size"] for s in live_map.state["segments"]) == 19
    assert live_map.state["said"].startswith("19 customers. 2 moves since 13 May 2024, 09:00:00: 1 by what")
    assert sum(s["joined"] for s in live_map.state["segments"]) == 2
    live_map.chosen = ""
    assert live_map.error == ""


def test_the_ring_follows_whoever_is_chosen(live, live_map, monkeypatch):
    live_map.chosen = "often 5"
    before = live_map.card["at"]
    sg.erase(["often 1"], results=[live.result], live=live)  # the points are given out anew
    live_map.refresh()
    assert live_map.card["at"] == before - 1 and live_map._board._slots["often 5"] == before - 1
    monkeypatch.setattr(live_map._board, "_wake", threading.Event())  # the map does not look by itself
    live.apply(order("n1", "ada", "2024-05-20"))
    live_map.chosen = "ada"  # before the map has heard of her
    assert places(live_map.state)[live_map.card["at"], 2] != NOWHERE


def test_an_event_whose_kind_reads_like_time_is_an_event(live, live_map):
    live.apply(order("n1", "ada", "2024-05-20").assign(kind="time alone"))
    live_map.refresh()
    assert "1 by what customers did, 0 by time alone." in live_map.state["said"]


def test_segments_without_names_are_called_as_in_python(shop, tmp_path):
    customers = sg.customer_features(shop[1], FEATURES, as_of="2024-05-14", window="200 days")
    with sg.live_segments(
        sg.segment(customers, n_segments=2), shop[1], FEATURES, folder=tmp_path / "l"
    ) as live:
        board = LiveBoard(live)
        placed = live.apply(order("n1", "ada", "2024-05-20"))
        board.refresh()
        moved = [placed["segment"].item()]
        assert board.table()["segment"].tolist() == [move["to"] for move in board.moves_after(0)] == moved
        counts = live.current()["segment"].value_counts().to_dict()
        assert {s["segment"]: s["customers"] for s in board.sizes()["segments"] if s["customers"]} == counts
        assert board.state["titles"] == {
            "recency": "recency: time since the last order (days)",
            "frequency": "frequency: number of orders",
        }
        board.close()


def test_a_map_that_stood_still_goes_on_with_all_that_happened(live, monkeypatch):
    said, real = threading.Event(), live.causes
    board = LiveBoard(live, said.set)
    monkeypatch.setattr(live, "causes", lambda placed: 1 / 0)
    live.apply(order("n1", "ada", "2024-05-20"))
    assert said.wait(30) and board.state["error"] == "The map stands still: division by zero"
    said.clear()
    monkeypatch.setattr(live, "causes", real)
    live.apply(order("n2", "bob", "2024-05-21"))
    assert said.wait(30) and board.state["error"] == ""
    assert sum(s["size"] for s in board.state["segments"]) == 22
    board.close()
