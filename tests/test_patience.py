"""Long work of the engine shows how far it is, and ends where it is interrupted."""

import _thread
import signal
import threading
import time

import duckdb
import pandas as pd
import pytest
import tqdm.auto
from tables import orders

import segkit as sg
from segkit import _patience
from segkit._engine import engine, run
from segkit._patience import patiently

LONG = (
    "SELECT count(*) FROM range(100_000_000) a, range(500) b WHERE a.range * b.range = 7"  # a minute and more
)


@pytest.fixture
def interruptible():
    """Hear SIGINT as Python does by itself: what a shell started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def impatient(monkeypatch):
    """A bar is shown of whatever is not done at once."""
    monkeypatch.setattr(_patience, "SHORT", 0)
    monkeypatch.setattr(_patience, "LOOK", 0.01)
    monkeypatch.setattr(_patience, "DELAY", 0)


def test_what_work_returns_or_raises_comes_through():
    con = engine().con
    assert patiently(con, lambda: run("SELECT 42"), "Asking") == [(42,)]
    with pytest.raises(duckdb.CatalogException, match="nowhere"):
        patiently(con, lambda: run("FROM nowhere"), "Asking")


def test_a_bar_goes_from_left_to_right_and_away(impatient, monkeypatch, capsys):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    told, rows, closed = [0.0], 40_000_000, []

    class Noted(tqdm.auto.tqdm):
        """A bar, noting how full it was in the end."""

        def close(self):
            closed.append((self.n, self.total))
            super().close()

    monkeypatch.setattr("tqdm.auto.tqdm", Noted)

    class Told:
        """The engine, noting how far it said that it was."""

        def query_progress(self):
            told.append(engine().con.query_progress())
            return told[-1]

    counted = patiently(
        Told(), lambda: run(f"SELECT sum(hash(range) % 2) >= 0 FROM range({rows})"), "Counting"
    )
    assert counted == [(True,)]
    shown = capsys.readouterr().err
    assert "Counting:" in shown and "%|" in shown
    assert shown.endswith("\r") and not shown.rpartition("\r")[0].rpartition("\r")[2].strip()
    assert max(told) <= 100 and closed[-1] == (100, 100)


def test_what_is_soon_done_shows_nothing(capsys):
    events = sg.read_events(orders(("ada", "2024-01-01", 1.0)), kind="purchase")
    sg.customer_features(events, sg.RFM, as_of="2024-02-01")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("after", [0.2, 1.0])
def test_who_interrupts_is_heard_at_once_and_the_engine_goes_on(after, interruptible):
    begun = time.monotonic()
    timer = threading.Timer(after, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        patiently(engine().con, lambda: run(LONG), "Counting")
    timer.join()
    assert time.monotonic() - begun < 30
    events = sg.read_events(orders(("ada", "2024-01-01", 1.0)), kind="purchase")
    assert sg.customer_features(events, sg.RFM, as_of="2024-02-01")["frequency"].to_list() == [1]


def test_reading_and_features_are_done_patiently(impatient, monkeypatch, tmp_path):
    asked = []
    real = patiently

    def noted(connection, work, what):
        asked.append(what)
        return real(connection, work, what)

    for module in ("_engine", "_door"):
        monkeypatch.setattr(f"segkit.{module}.patiently", noted)
    pd.DataFrame({"customer_id": ["ada"], "timestamp": ["2024-01-01"], "amount": [1.0]}).to_csv(
        tmp_path / "orders.csv", index=False
    )
    events = sg.read_events(tmp_path / "orders.csv", kind="purchase")
    assert asked and set(asked) == {"Reading orders.csv"}
    sg.customer_features(events.cache(), sg.RFM, as_of="2024-02-01")
    assert asked[-2:] == ["Keeping the log", "Computing features"]
