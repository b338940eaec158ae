"""Long work of the engine shows how far it is, and ends where it is interrupted."""

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
    monkeypatch.setattr(interrupts, "SHORT", 0)
    monkeypatch.setattr(interrupts, "LOOK", 0.01)
    monkeypatch.setattr(interrupts, "DELAY", 0)


def test_what_work_returns_or_raises_comes_through():
    con = engine().con
    assert run_interruptibly(con, lambda: run("SELECT 42"), "Asking") == [(42,)]
    with pytest.raises(duckdb.CatalogException, match="nowhere"):
        run_interruptibly(con, lambda: run("FROM nowhere"), "Asking")


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

        def interrupt(self):
            engine().con.interrupt()

    counted = run_interruptibly(
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
        run_interruptibly(engine().con, lambda: run(LONG), "Counting")
    timer.join()
    assert time.monotonic() - begun < 30
    events = sg.read_events(orders(("ada", "2024-01-01", 1.0)), kind="purchase")
    assert sg.customer_features(events, sg.RFM, as_of="2024-02-01")["frequency"].to_list() == [1]


def test_reading_and_features_are_done_run_interruptibly(impatient, monkeypatch, tmp_path):
    asked = []
    real = run_interruptibly

    def noted(connection, work, what):
        asked.append(what)
        return real(connection, work, what)

    monkeypatch.setattr("segkit.core.engine.connection.patiently", noted)
    pd.DataFrame({"customer_id": ["ada"], "timestamp": ["2024-01-01"], "amount": [1.0]}).to_csv(
        tmp_path / "orders.csv", index=False
    )
    events = sg.read_events(tmp_path / "orders.csv", kind="purchase")
    assert asked and set(asked) == {"Reading orders.csv"}
    sg.customer_features(events.cache(), sg.RFM, as_of="2024-02-01")
    assert asked[-2:] == ["Keeping the log", "Computing features"]


def _sigint(after):
    timer = threading.Timer(after, _thread.interrupt_main)
    timer.start()
    return timer


@pytest.fixture
def orders_of_many(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "customer_id": rng.integers(500, size=20_000).astype(str),
            "timestamp": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(3_000_000, size=20_000), "s"),
            "amount": rng.integers(1, 99, size=20_000) / 4,
        }
    )
    path = tmp_path / "orders.parquet"
    table.to_parquet(path)
    return path


def _left():
    """Return the tables, attached logs and threads that there are, once those that nobody refers to are dropped."""
    gc.collect()
    drop_unused()
    tables = run(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'segkit_%' OR table_name = 'events'"
    )
    logs = list(Path(folder()).glob(f"*_{os.getpid()}.duckdb*"))
    return tables, logs, threading.active_count()


def test_interrupted_at_any_moment_nothing_is_left_and_all_goes_on(interruptible, orders_of_many):
    """Reading, keeping and features, forty times, each interrupted a little later than the one before."""

    def all_of_it():
        events = sg.read_events(orders_of_many, kind="purchase").cache()
        events.describe()
        return sg.customer_features(events, sg.RFM, as_of="2025-01-01")

    expected = all_of_it()
    begun = time.monotonic()
    all_of_it()
    lasts = time.monotonic() - begun
    before = _left()
    for i in range(40):
        with contextlib.suppress(KeyboardInterrupt):
            timer = _sigint(0.005 + lasts * i / 40)
            all_of_it()
            timer.join()
            time.sleep(0.01)  # heard here, where it comes that late
        timer.join()
    assert _left() == before
    pd.testing.assert_frame_equal(all_of_it(), expected)


@pytest.mark.parametrize("further", [0.002, 0.05])
def test_who_interrupts_twice_is_heard_once_and_the_engine_goes_on(further, interruptible):
    timers = [_sigint(0.7), _sigint(0.7 + further)]
    with pytest.raises(KeyboardInterrupt):
        locked_engine(lambda: run_interruptibly(engine().con, lambda: run(LONG), "Counting"))()
    for timer in timers:
        with contextlib.suppress(KeyboardInterrupt):  # where the second comes after the end of the first
            timer.join()
    assert run("SELECT 1") == [(1,)]


def test_a_statement_of_the_main_thread_is_interrupted_too(interruptible):
    timer = _sigint(0.3)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        locked_engine(run)(LONG)
    timer.join()
    assert time.monotonic() - begun < 30


def test_whoever_heard_interruptions_before_hears_them_after(interruptible):
    sg.read_events(orders(("ada", "2024-01-01", 1.0)), kind="purchase")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_handler_of_somebody_else_stays(interruptible):
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    timer = _sigint(0.3)
    assert run_interruptibly(engine().con, lambda: time.sleep(1) or run("SELECT 7"), "Asking") == [(7,)]
    timer.join()
    assert heard == [1]


@pytest.mark.parametrize("broken", ["none", "pipe", "columns"])
def test_where_no_bar_can_be_shown_the_work_is_done(broken, impatient, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    if broken == "none":
        monkeypatch.setattr(sys, "stderr", None)
    elif broken == "pipe":
        monkeypatch.setattr(sys, "stderr", _Broken())
    else:
        monkeypatch.setattr("tqdm.auto.tqdm", functools.partial(int, "no number"))
    rows = run_interruptibly(
        engine().con, lambda: run("SELECT sum(hash(range) % 2) >= 0 FROM range(20000000)"), "Asking"
    )
    assert rows == [(True,)]


class _Broken(io.StringIO):
    """A stream whose other end is closed."""

    def write(self, _):
        raise BrokenPipeError


def test_threads_get_their_own_answers():
    def asks(n):
        return [run(f"SELECT {n}") for _ in range(300)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(asks, range(4)))
    assert answers == [[[(n,)]] * 300 for n in range(4)]


def test_generators_and_readers_may_run_beside_each_other():
    def made(seed):
        events, _ = make_events(20, kinds="purchase", random_state=seed)
        return len(sg.customer_features(events, sg.RFM, as_of="2026-01-01"))

    def read(_):
        return len(sg.read_events(orders(("ada", "2024-01-01", 1.0)), kind="purchase").kinds())

    with ThreadPoolExecutor(4) as pool:
        sizes = list(pool.map(lambda i: (made if i % 2 else read)(i), range(24)))
    assert sizes[::2] == [1] * 12 and min(sizes[1::2]) > 10


@pytest.mark.parametrize(
    "asks",
    [
        f"run_interruptibly(engine().con, lambda: run({LONG!r}), 'Counting')",
        f"run({LONG!r})",
        f"again(lambda: run({LONG!r}))",
        "run_interruptibly(engine().con, lambda: time.sleep(60), 'Sleeping')",
    ],
)
def test_what_is_still_asked_at_the_end_is_ended(asks):
    """Python closes the engine while another thread waits for it, or asks again and again."""
    script = (
        "import threading, time\n"
        "from segkit.core.engine.connection import engine, run\n"
        "from segkit.core.engine.interrupts import run_interruptibly\n"
        "def again(ask):\n"
        "    while True:\n"
        "        try: ask()\n"
        "        except Exception: time.sleep(0.01)\n"
        "engine()\n"
        f"threading.Thread(target=lambda: {asks}, daemon=True).start()\n"
        "time.sleep(1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=CHECKOUT
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_is_looked_for_after_a_query_is_written_as_before(collects):
    switch = {True: gc.enable, False: gc.disable}
    switch[collects]()
    try:
        with pytest.raises(ValueError, match="cannot be written"), gc_paused():
            assert not gc.isenabled()
            raise ValueError("cannot be written")
        assert gc.isenabled() is collects
    finally:
        gc.enable()


def test_an_error_lets_go_of_its_tables():
    class Held:
        """Something that a failed work refers to."""

    def asked_in_vain():
        held = Held()

        def fails():
            raise ValueError(id(held))

        with contextlib.suppress(ValueError):
            run_interruptibly(engine().con, fails, "Asking")
        return weakref.ref(held)

    gc.collect()
    gc.disable()
    try:
        assert asked_in_vain()() is None
    finally:
        gc.enable()


def test_what_is_interrupted_while_it_is_dropped_is_dropped_later():
    def hit():
        raise KeyboardInterrupt

    tries = []
    with pytest.raises(KeyboardInterrupt):
        drop_unused(hit)
    assert connection._abandoned == [hit]
    connection._abandoned[:] = [lambda: tries.append(1)]
    drop_unused()
    assert tries == [1] and not connection._abandoned


@pytest.mark.parametrize("error", [duckdb.InterruptException, duckdb.OutOfMemoryException])
def test_only_a_full_disk_is_told_to_be_one(error, monkeypatch):
    events = sg.read_events(orders(("ada", "2024-01-01", 1.0)), kind="purchase")

    def fails(*_, **__):
        raise error("no")

    monkeypatch.setattr("segkit.core.engine.event_cache.insert_into", fails)
    with pytest.raises(error, match=r"^no$"):
        events.cache()


def test_a_source_that_somebody_interrupts_is_not_called_unreadable(monkeypatch):
    def interrupted(*_):
        raise duckdb.InterruptException("interrupted")

    monkeypatch.setattr("segkit.collect.row_reader.run_with_progress", interrupted)
    with pytest.raises(duckdb.InterruptException):
        sg.read_events(orders(("ada", "2024-01-01", 1.0)), kind="purchase")


def test_a_scorer_is_interrupted_while_it_scores(interruptible):
    reviews = pd.DataFrame({"customer_id": ["ada"], "timestamp": ["2024-01-01"], "text": ["good"]})

    def slow(texts):
        for _ in range(1_000):
            time.sleep(0.01)
        return [0.5] * len(texts)

    timer = _sigint(0.5)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        sg.read_events(reviews, kind="review", sentiment=slow, language="en")
    timer.join()
    assert time.monotonic() - begun < 8
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert (
        len(sg.read_events(reviews, kind="review", sentiment=lambda t: [0.5] * len(t), language="en").kinds())
        == 1
    )


def test_what_is_interrupted_while_its_table_is_looked_up_is_dropped(monkeypatch, tmp_path, orders_of_many):
    """The engine is asked what columns a table has, which can be interrupted like another question."""
    csv = tmp_path / "orders.csv"
    pd.read_parquet(orders_of_many).to_csv(csv, index=False)
    events = sg.read_events(orders_of_many, kind="purchase")
    before = _left()
    for action in (events.cache, lambda: sg.read_events(csv, kind="purchase")):
        with monkeypatch.context() as patch:
            patch.setattr(type(engine()), "table", _interrupted)
            with pytest.raises((duckdb.InterruptException, ValueError), match="interrupted"):
                action()
        assert _left() == before


def _interrupted(*_, **__):
    raise duckdb.InterruptException("interrupted")


def test_views_of_files_go_with_what_was_read(orders_of_many):
    def views():
        gc.collect()
        drop_unused()
        return run("SELECT count(*) FROM duckdb_views() WHERE view_name LIKE 'segkit_parquet%'")

    before = views()
    events = sg.read_events(orders_of_many, kind="purchase")
    held = events.table.filter(events.table.kind == "purchase")
    del events
    assert views() != before and held.count().to_pandas() == 20_000
    del held
    assert views() == before
