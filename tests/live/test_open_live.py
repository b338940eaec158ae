"""A folder of live segments can be opened without the code that began it, where it holds all that is needed."""

import dataclasses
import shutil

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from tables import order, weekly_and_once

import segkit as sg
from segkit.live.open_live import open_live

FEATURES = sg.select_features("recency", "weekend_share")


@pytest.fixture(scope="module")
def shop():
    events = sg.read_events(weekly_and_once(12, apart="D"), timezone="Europe/Berlin")
    features = sg.with_settings(FEATURES, timezone="Asia/Tokyo")
    result = sg.segment(
        sg.customer_features(events, features, as_of="2024-04-01", window="100 days"), n_segments=2
    )
    return result.with_names({0: "Regular"}), events, features


@pytest.fixture
def folder(shop, tmp_path):
    result, events, features = shop
    sg.live_segments(result, events, features, folder=tmp_path / "live").close()
    return tmp_path / "live"


def test_it_goes_on_as_it_was_begun(shop, folder, tmp_path):
    result, events, features = shop
    shutil.copytree(folder, tmp_path / "other")
    new = order("n1", "once 0", "2024-04-06 16:00")
    with (
        open_live(folder) as live,
        sg.live_segments(result, events, features, folder=tmp_path / "other") as other,
    ):
        assert live.timezone == "Europe/Berlin" and live.result.names == {0: "Regular"}
        for given in (live, other):
            given.apply(new)
            given.sweep(as_of="2024-05-20")
        assert_frame_equal(live.placements(), other.placements())
        assert_frame_equal(live.at("once 0").features, other.at("once 0").features)
        with pytest.raises(BlockingIOError, match="is open already"):
            open_live(folder)


def test_new_names_are_kept(shop, folder):
    result, events, features = shop
    sg.live_segments(result.with_names({1: "Rare"}), events, features, folder=folder).close()
    with open_live(folder) as live:
        assert live.result.names == {0: "Regular", 1: "Rare"}


def test_what_only_python_has_is_named(shop, folder, tmp_path):
    _, events, features = shop
    own = dataclasses.replace(features[1], expr=lambda orders: orders.count())
    result = sg.segment(sg.customer_features(events, [features[0], own], as_of="2024-04-01"), n_segments=2)
    sg.live_segments(result, events, [features[0], own], folder=tmp_path / "own").close()
    with pytest.raises(
        ValueError, match=rf"features of your own: {own.name}\. Open it in Python, .*sg\.serve\(live\)"
    ):
        open_live(tmp_path / "own")
    shutil.rmtree(folder / "segmentation")
    with pytest.raises(ValueError, match=r"holds no segmentation.* Open it in Python"):
        open_live(folder)
    result.save(folder / "segmentation")
    with pytest.raises(ValueError, match="is another than that of the folder"):
        open_live(folder)
    with pytest.raises(FileNotFoundError, match="holds no live segments"):
        open_live(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.filterwarnings("ignore:.*the same for all customers")
def test_texts_are_scored_as_before(tmp_path):
    pytest.importorskip("vaderSentiment")
    rows = [
        order(f"{c}{i}", f"c{c}", f"2024-01-{1 + c + i:02}") for c in range(10) for i in range(1 + c % 2 * 5)
    ]
    events = sg.read_events(pd.concat(rows).assign(text="I love it"), sentiment="vader", language="en")
    result = sg.segment(sg.customer_features(events, sg.RFM[:2], as_of="2024-02-01"), n_segments=2)
    sg.live_segments(result, events, sg.RFM[:2], folder=tmp_path / "live").close()
    with open_live(tmp_path / "live") as live:
        live.apply(order("n1", "c0", "2024-02-02").assign(text="I hate it"))
        log = live.events().table.to_pandas().set_index("event_id")
        assert log.loc["n1", "sentiment"] < -0.5 and (log["sentiment"].drop("n1") > 0.5).all()


def test_erased_customers_leave_the_kept_segmentation(shop, folder):
    with open_live(folder) as live:
        heard = []
        live.watch(heard.append)
        erased = sg.erase(["once 3"], results=[live.result], live=live)
        assert heard[-1].empty and heard[-1].attrs["segkit"]["erased"] > 0
        assert live.result is erased.results[0]
    with open_live(folder) as live:
        assert "once 3" not in live.result.customers.index and len(live.result.customers) == 19
        live.erase(["once 4"])  # without segments that lack them, none are kept
    assert not (folder / "segmentation").exists()


def test_a_closed_folder_is_erased_as_a_whole(shop, folder):
    sg.erase(["once 3"], folders=[folder])
    with open_live(folder) as live:
        assert "once 3" not in live.result.customers.index and "once 3" not in set(
            live.current()["customer_id"]
        )
