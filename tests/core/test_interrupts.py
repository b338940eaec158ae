"""Long queries show their progress, and Ctrl-C ends them at once."""

import _thread
import contextlib
import functools
import gc
import io
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import tqdm.auto
from shared_data import CHECKOUT
from tables import orders

import segkit as sg
from segkit.core.engine import connection, interrupts
from segkit.core.engine.connection import drop_unused, engine, folder, gc_paused, locked_engine, run
from segkit.core.engine.interrupts import run_interruptibly
from segkit.datasets import make_events

LONG = "SELECT count(*) FROM range(100_000_000) a, range(500) b WHERE a.range * b.range = 7"  # over a minute
ONE = orders(("ada", "2024-01-01", 1.0))


@pytest.fixture
def press_ctrl_c():
    """Press Ctrl-C after some seconds of work, once or more often.

    With Python's own handler: shells may have programs in the background ignore Ctrl-C.
    """

    def press_ctrl_c(work, *after):
        timers = [threading.Timer(seconds, _thread.interrupt_main) for seconds in after]
        for timer in timers:
            timer.start()
        try:
            return work()
        finally:
            with contextlib.suppress(KeyboardInterrupt):  # where the work ended before
                for timer in timers:
                    timer.join()
                time.sleep(0.01)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield press_ctrl_c
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def impatient(monkeypatch):
    """Show the bar of whatever is not done at once."""
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    for name, seconds in {"SHORT": 0, "LOOK": 0.01, "DELAY": 0}.items():
        monkeypatch.setattr(interrupts, name, seconds)


# --- the progress bar --------------------------------------------------------------------------------


def test_results_and_errors_come_through():
    assert run("SELECT 42", "Counting") == [(42,)]
    with pytest.raises(duckdb.CatalogException, match="nowhere"):
        run("FROM nowhere", "Counting")


def test_a_bar_fills_and_goes(impatient, monkeypatch, capsys):
    seen, closed = [0.0], []

    class Noted(tqdm.auto.tqdm):
        def close(self):
            closed.append((self.n, self.total))
            super().close()

    class Engine:
        def query_progress(self):
            seen.append(engine().con.query_progress())
            return seen[-1]

    monkeypatch.setattr("tqdm.auto.tqdm", Noted)
    query = "SELECT sum(hash(range) % 2) >= 0 FROM range(40_000_000)"
    assert run_interruptibly(Engine(), lambda: run(query), "Counting") == [(True,)]
    shown = capsys.readouterr().err
    assert "Counting:" in shown and "%|" in shown
    assert shown.endswith("\r") and not shown.rpartition("\r")[0].rpartition("\r")[2].strip()
    assert max(seen) <= 100 and closed[-1] == (100, 100)


def test_short_work_shows_nothing(capsys):
    sg.customer_features(sg.read_events(ONE, kind="purchase"), sg.RFM, as_of="2024-02-01")
    assert capsys.readouterr().err == ""


class Broken(io.StringIO):
    """A stream whose other end is closed."""

    def write(self, _):
        raise BrokenPipeError


@pytest.mark.parametrize("broken", ["none", "pipe", "columns"])
def test_work_needs_no_bar(broken, impatient, monkeypatch):
    if broken == "columns":
        monkeypatch.setattr("tqdm.auto.tqdm.display", functools.partial(int, "no number"))
    else:
        monkeypatch.setattr(sys, "stderr", None if broken == "none" else Broken())
    assert run("SELECT sum(hash(range) % 2) >= 0 FROM range(5_000_000)", "Counting") == [(True,)]
    with ThreadPoolExecutor(1) as other:  # tqdm keeps its lock where drawing fails
        assert other.submit(tqdm.auto.tqdm.get_lock().acquire, timeout=1).result()
        other.submit(tqdm.auto.tqdm.get_lock().release)


def test_reading_and_features_have_labels(monkeypatch, tmp_path):
    labels = []

    def noted(connection, work, what=""):
        labels.append(what)
        return run_interruptibly(connection, work, what)

    monkeypatch.setattr("segkit.core.engine.connection.run_interruptibly", noted)
    ONE.to_csv(tmp_path / "orders.csv", index=False)
    events = sg.read_events(tmp_path / "orders.csv", kind="purchase")
    assert set(labels) - {""} == {"Reading orders.csv"}
    cached = events.cache()
    assert "Keeping the log" in labels
    labels.clear()
    for _ in range(2):  # the kinds, the first and the last event are asked for once
        sg.customer_features(cached, sg.RFM, as_of="2024-02-01")
    assert [label for label in labels if label] == ["Computing features"] * 2


# --- Ctrl-C ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("presses", [(0.2,), (0.6, 0.602), (0.6, 0.65)], ids=["once", "twice", "later"])
def test_ctrl_c_ends_a_query(presses, press_ctrl_c):
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        press_ctrl_c(lambda: locked_engine(run)(LONG, "Counting"), *presses)
    assert time.monotonic() - begun < 30
    assert run("SELECT 1") == [(1,)] and not interrupts._running


@pytest.fixture
def many_orders(tmp_path):
    rng = np.random.default_rng(0)
    seconds = pd.to_timedelta(rng.integers(3_000_000, size=20_000), "s")
    ids, amounts = rng.integers(500, size=20_000).astype(str), rng.integers(1, 99, size=20_000) / 4
    table = pd.DataFrame(
        {"customer_id": ids, "timestamp": pd.Timestamp("2024-01-01") + seconds, "amount": amounts}
    )
    table.to_parquet(tmp_path / "orders.parquet")
    return tmp_path / "orders.parquet"


def left():
    """Return the tables, views, stored logs and threads that there are when unused ones are dropped."""
    gc.collect()
    drop_unused()
    tables = run(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'segkit_%' OR table_name = 'events'"
    )
    views = run("SELECT count(*) FROM duckdb_views() WHERE view_name LIKE 'segkit_%'")
    logs = list(Path(folder()).glob(f"*_{os.getpid()}.duckdb*"))
    return tables, views, logs, threading.active_count()


def test_ctrl_c_leaves_nothing(press_ctrl_c, many_orders):
    """Press it in twelve moments of reading, caching and computing features."""

    def work():
        events = sg.read_events(many_orders, kind="purchase").cache()
        return sg.customer_features(events, sg.RFM, as_of="2025-01-01")

    expected = work()
    before, begun = left(), time.monotonic()
    work()
    lasts = time.monotonic() - begun
    for moment in range(12):
        with contextlib.suppress(KeyboardInterrupt):
            press_ctrl_c(work, 0.005 + lasts * moment / 12)
    assert left() == before
    pd.testing.assert_frame_equal(work(), expected)


def test_ctrl_c_ends_a_scorer(press_ctrl_c):
    reviews = pd.DataFrame({"customer_id": ["ada"], "timestamp": ["2024-01-01"], "text": ["good"]})

    def slow(texts):
        for _ in range(1_000):
            time.sleep(0.01)
        return [0.5] * len(texts)

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        press_ctrl_c(lambda: sg.read_events(reviews, kind="review", sentiment=slow, language="en"), 0.5)
    assert time.monotonic() - begun < 8
    read = sg.read_events(reviews, kind="review", sentiment=lambda texts: [0.5] * len(texts), language="en")
    assert read.kinds().sum() == 1


def test_an_interrupted_source_is_not_unreadable(monkeypatch):
    monkeypatch.setattr("segkit.collect.row_reader.run_with_progress", interrupted)
    with pytest.raises(duckdb.InterruptException):
        sg.read_events(ONE, kind="purchase")


def interrupted(*_, **__):
    raise duckdb.InterruptException("interrupted")


def test_python_ends_despite_queries():
    """Other threads still run queries, one of them again and again."""
    script = (
        "import threading, time\n"
        "from segkit.core.engine.connection import engine, run\n"
        "from segkit.core.engine.interrupts import _running\n"
        "def again():\n"
        "    while True:\n"
        f"        try: run({LONG!r}, 'Counting')\n"
        "        except Exception: time.sleep(0.01)\n"
        "engine()\n"
        "for _ in range(2): threading.Thread(target=again, daemon=True).start()\n"
        "while not _running: time.sleep(0.1)\n"
        "time.sleep(0.5)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=CHECKOUT
    )
    assert ended.returncode == 0, ended.stderr


# --- threads, tables, garbage ------------------------------------------------------------------------


def test_threads_get_their_own_rows():
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda n: [run(f"SELECT {n}") for _ in range(100)], range(4)))
    assert rows == [[[(n,)]] * 100 for n in range(4)]


def test_threads_read_and_compute_together():
    def work(i):
        if i % 2:
            return len(make_events(20, kinds="purchase", random_state=i)[0].kinds())
        read = sg.read_events(ONE, kind="purchase")
        return len(sg.customer_features(read, sg.RFM, as_of="2024-02-01"))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == [1] * 8


def test_a_table_without_user_is_dropped_on_error(monkeypatch, tmp_path, many_orders):
    """DuckDB looks up the columns of a new table, which can be interrupted too."""
    csv = tmp_path / "orders.csv"
    pd.read_parquet(many_orders).to_csv(csv, index=False)
    events = sg.read_events(many_orders, kind="purchase")
    before = left()
    for action in (events.cache, lambda: sg.read_events(csv, kind="purchase")):
        with monkeypatch.context() as patch:
            patch.setattr(type(engine()), "table", interrupted)
            with pytest.raises((duckdb.InterruptException, ValueError), match="interrupted"):
                action()
        assert left() == before


def test_views_of_files_are_dropped(many_orders):
    before = left()
    events = sg.read_events(many_orders, kind="purchase")
    held = events.table.filter(events.table.kind == "purchase")
    del events
    assert left() != before and held.count().to_pandas() == 20_000
    del held
    assert left() == before


def test_an_interrupted_drop_is_tried_again():
    def hit():
        raise KeyboardInterrupt

    tries = []
    with pytest.raises(KeyboardInterrupt):
        drop_unused(hit)
    assert connection._abandoned == [hit]
    connection._abandoned[:] = [lambda: tries.append(1)]
    drop_unused()
    assert tries == [1] and not connection._abandoned


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_collection_goes_on_as_before(collects):
    (gc.enable if collects else gc.disable)()
    try:
        with pytest.raises(ValueError, match="cannot be written"), gc_paused():
            assert not gc.isenabled()
            raise ValueError("cannot be written")
        assert gc.isenabled() is collects
    finally:
        gc.enable()


def test_an_error_keeps_no_table_alive():
    class Table:
        pass

    def failed():
        table = Table()

        def work():
            raise ValueError(id(table))

        with contextlib.suppress(ValueError):
            run_interruptibly(engine().con, work)
        return weakref.ref(table)

    gc.collect()
    gc.disable()
    try:
        table, until = failed(), time.monotonic() + 10
        while table() is not None and time.monotonic() < until:  # until the thread has ended
            time.sleep(0.01)
        assert table() is None
    finally:
        gc.enable()
