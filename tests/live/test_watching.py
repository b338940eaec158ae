"""Functions that watch live segments hear of each batch, and never hold one up."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from tables import order

import segkit as sg


@pytest.fixture(scope="module")
def shop():
    """Ten customers with an order a week, and ten with one order long ago."""
    weeks = pd.date_range("2024-01-01", periods=20, freq="7D")
    often = [order(f"o{c}-{i}", f"often {c}", day) for c in range(10) for i, day in enumerate(weeks)]
    once = [order(f"s{c}", f"once {c}", f"2024-01-{1 + c:02}", 5.0) for c in range(10)]
    events = sg.read_events(pd.concat(often + once, ignore_index=True))
    customers = sg.customer_features(events, sg.RFM, as_of="2024-05-14")
    return sg.segment(customers, n_segments=2), events


@pytest.fixture
def live(shop, tmp_path):
    with sg.live_segments(*shop, sg.RFM, folder=tmp_path / "live") as opened:
        yield opened


def test_a_watcher_hears_of_every_batch_until_it_stops(live):
    heard = []
    stop = live.watch(heard.append)
    placed = [
        live.apply(order("n1", "often 0", "2024-05-20")),
        live.sweep(as_of="2024-06-01"),
        live.correct("often 0", "Segment 0", "a test"),
        live.apply(order("n1", "often 0", "2024-05-20")),
    ]
    for told, returned in zip(heard, placed, strict=True):
        assert_frame_equal(told, returned)
        assert told.attrs == returned.attrs
    assert [len(table) for table in heard[::2]] == [1, 1] and heard[3].empty
    stop()
    stop()
    live.apply(order("n2", "often 1", "2024-05-21"))
    assert len(heard) == 4


def test_a_watcher_that_fails_changes_nothing(live):
    heard = []

    def spoil(placed):
        placed["customer_id"] = "nobody"
        raise OSError("the screen is off")

    live.watch(spoil)
    live.watch(heard.append)
    with pytest.warns(UserWarning, match=r"spoil, which watches .* OSError: the screen is off"):
        placed = live.apply(order("n1", "often 0", "2024-05-20"))
    assert placed["customer_id"].tolist() == heard[0]["customer_id"].tolist() == ["often 0"]
    assert live.placements()["event_id"].iloc[-1] == "n1"
    with pytest.raises(TypeError, match=r"watcher is .* should be a function that takes a table"):
        live.watch("print")


def test_a_watcher_may_ask_what_it_sees(live):
    seen = []
    live.watch(lambda placed: seen.append(live.at(placed["customer_id"].item()).as_of))
    live.apply(order("n1", "often 0", "2024-05-20"))
    assert seen == [pd.Timestamp("2024-05-20 00:00:00.000001")]


def test_current_placements_with_features_and_causes(live, shop):
    assert live.result is shop[0]
    first = live.current()
    assert first["customer_id"].tolist() == sorted(shop[0].customers.index)
    live.apply(order("n1", "often 0", "2024-05-20", 30.0))
    live.correct("often 1", "Segment 0", "a test")
    now = live.current()
    assert_frame_equal(now.iloc[2:], first.iloc[2:])
    assert now["event_id"].iloc[:2].tolist() == ["n1", "correction 1"]
    assert live.causes(now.iloc[:3]).tolist() == ["purchase", "correction", "time alone"]
    assert live.causes(now.iloc[:0]).empty
    features = live.features(now.iloc[:2])
    assert features.index.names == ["customer_id", "as_of"]
    assert features.loc["often 0", "frequency"].tolist() == [21.0]
    assert features.loc["often 0", "monetary"].tolist() == [430.0]
    np.testing.assert_allclose(features.loc["often 0", "recency"], 0, atol=1e-10)


def test_an_event_is_never_taken_for_a_correction(live):
    live.correct("often 1", "Segment 0", "a test")
    placed = live.apply(
        pd.concat(
            [order("correction 1", "often 0", "2024-05-20"), order("correction 2", "often 2", "2024-05-21")]
        )
    )
    assert placed["event_id"].tolist() == ["correction 2"]
    assert live.refused[["reason", "count"]].to_dict("records") == [
        {"reason": "event_id of another event", "count": 1}
    ]
    assert live.correct("often 2", "Segment 0", "a test")["event_id"].item() == "correction 3"
    assert live.causes(live.current()).iloc[:3].tolist() == ["time alone", "correction", "correction"]
    assert live.trail("often 2")["cause"].tolist() == ["begin", "event", "correction"]
