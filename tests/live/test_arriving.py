"""Rows that arrive are read as by read_events, and those that cannot be used are refused and counted."""

from collections import Counter

import duckdb
import pandas as pd
import pytest
from followed import opened, segments
from pandas.testing import assert_frame_equal

import segkit as sg
from segkit.live.arriving import Arrivals
from segkit.live.placing import INSTANT


@pytest.fixture
def live(tmp_path):
    with opened(segments(), tmp_path / "live") as live:
        yield live


def test_bad_rows_are_refused_and_counted(live):
    before = live.events().kinds()["purchase"]
    good = {
        "event_id": "n1",
        "customer_id": "often 0",
        "timestamp": "2025-02-10",
        "kind": "Purchases",
        "amount": 5,
    }
    bad = [
        {"event_id": None},
        {"customer_id": " "},
        {"timestamp": "soon"},
        {"timestamp": None},
        {"kind": ""},
        {"order_id": "x" * 10_000_000},
        {"amount": "5,0"},
        {"event_id": "e" * 300},
        {"amount": None},
    ]
    rows = pd.DataFrame([good, *({**good, "event_id": f"n{i}", **change} for i, change in enumerate(bad, 2))])
    for _ in range(2):  # delivered twice, counted once
        live.apply(rows)
        assert live.refused.set_index("reason")["count"].to_dict() == {
            "event_id missing": 1,
            "customer_id missing": 1,
            "timestamp not readable": 1,
            "timestamp missing": 1,
            "kind missing": 1,
            "order_id longer than 100,000 characters": 1,
            "amount not a number: it has a comma": 1,
            "event_id longer than 256 characters": 1,
            "amount of a purchase missing": 1,
        }
    berlin = pd.Timestamp("2025-02-11", tz="Europe/Berlin")
    odd = [
        good,
        {**good, "amount": 6},
        {
            "event_id": "n20",
            "customer_id": 17,
            "timestamp": berlin,
            "kind": "odd",
        },
    ]
    placed = live.apply(pd.DataFrame(odd))
    assert placed["customer_id"].tolist() == ["17"]
    assert placed["as_of"].tolist() == [pd.Timestamp("2025-02-10 23:00") + INSTANT]
    assert live.refused.set_index("reason")["count"]["event_id of another event"] == 1
    assert live.events().kinds().to_dict() == {"purchase": before + 1, "odd": 1}
    assert live.apply(pd.DataFrame({"customer_id": ["ada"]})).empty
    assert live.apply(pd.DataFrame({"customer_id": []})).empty
    with pytest.raises(TypeError, match="new_events is a list"):
        live.apply([good])
    with pytest.raises(ValueError, match="'kind' more than once"):
        live.apply(pd.DataFrame([["a", "b"]], columns=["kind", "kind"]))
    with pytest.warns(UserWarning, match="no column 'page' when the folder was begun"):
        live.apply(pd.DataFrame([{**good, "event_id": "n30", "page": "/"}]))


def test_rows_are_read_as_by_read_events():
    day = pd.Timestamp("2025-01-05")
    rows = [
        ("a", 1, "2025-01-05 12:00", "Purchases", 2.5, 2, "Europe/London"),
        ("b", "2", "2025-01-05T12:00:00Z", "purchase", "3", 2, "Mars/Base"),
        ("c", 3.0, day.date(), "purchase", 4, -1, None),
        ("d", "4", 1736078400, "purchase", 5, 1, ""),
        ("e", {"a": 1}, day, "purchase", 1, 1, None),
        (1.2e17, "x", day, "purchase", 1, 1, None),
        ("f", '="007"', "2025-03-30 02:30", " page view ", "x", None, "UTC"),
        ("g", "y", "2025-01-06 09:00:00.1234567+02:00", "wink", None, None, "Asia/Tokyo"),
        ("h", "nan", day, "purchase", 1, 1, None),
    ]
    names = ["event_id", "customer_id", "timestamp", "kind", "price", "quantity", "zone"]
    frame = pd.DataFrame(rows, columns=names)
    read = sg.read_events(frame, timezone="Europe/Berlin", event_id="event_id")
    columns = ("customer_id", "timestamp", "kind", "quantity", "amount", "zone", "event_id")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        came, refused = Arrivals(columns, "Europe/Berlin").read(connection, frame)
    wanted = read.table.to_pandas()
    assert_frame_equal(came.to_pandas()[list(wanted)], wanted, check_dtype=False)
    assert came["customer_id"].to_pylist() == ["1", "3", "y"]
    assert Counter(reason for _, reason, _ in refused) == read.refused.set_index("reason")["count"].to_dict()
    assert {reason: example for _, reason, example in refused} == read.refused.set_index("reason")[
        "example"
    ].to_dict()
    assert len({key for key, _, _ in refused}) == len(refused) == 6
