"""Events are played in their order, at their pace, as lines that are read as the events that they were."""

import time

import numpy as np
import pandas as pd
import pytest

import segkit as sg
from segkit.datasets import make_events, play_events


def test_played_events_are_the_same(tmp_path):
    events, _ = make_events(3, end="2024-02-01")
    table = events.table.to_pandas().head(60).dropna(axis=1, how="all")
    table["event_id"] = [f"e{i}" for i in range(len(table))]
    began = time.monotonic()
    finished = play_events(table, tmp_path / "day.jsonl", per_second=200)
    assert not finished.is_set() and finished.wait(20)
    assert time.monotonic() - began >= 59 / 200
    read = sg.read_events(tmp_path / "day.jsonl", event_id="event_id").table.to_pandas()
    read = read.set_index("event_id").loc[table["event_id"]].reset_index()
    for name in table:
        assert (
            read[name].astype(object).fillna("-").tolist() == table[name].astype(object).fillna("-").tolist()
        )


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="per_second=0 is not positive"):
        play_events(pd.DataFrame({"customer_id": ["ada"]}), tmp_path / "a.jsonl", per_second=0)
    with pytest.raises(ValueError, match="not positive"):
        play_events(pd.DataFrame({"customer_id": ["ada"]}), tmp_path / "a.jsonl", per_second=np.nan)
    with pytest.raises(TypeError, match="events is"):
        play_events([1], tmp_path / "a.jsonl")
