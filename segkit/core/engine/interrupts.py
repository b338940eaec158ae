"""Long work of the engine: a bar that says how far it is, and an end at once where somebody interrupts it.

Python hears an interruption between any two of its own steps: also between one that makes a table and the one that
notes it. So while the engine is asked for something, an interruption only stops what the engine does, and is raised
once all is over or undone.
"""

from __future__ import annotations

import contextlib
import contextvars
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
SHORT = 0.5  # seconds: whatever is done sooner is never asked how far it is
LOOK = 0.1  # seconds between two looks after it
DELAY = 1.5  # seconds, further ones, before there is a bar
LAST = 5.0  # seconds that Python waits at its end for what is still asked

_noted: list[int] | None = None  # interruptions of the main thread that wait, where they do
_running: set[object] = set()  # what the engine is being asked
_leaving = False


@contextlib.contextmanager
def defer_interrupts(stop: Callable[[], object]) -> Iterator[None]:
    """Let interruptions of the main thread wait for the end of what is within, and `stop` what is running.

    Handlers that somebody else has put there are left to him: whether they interrupt is not known.
    """
    global _noted
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or _noted is not None or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    noted: list[int] = []

    def note(number: int, _: Any) -> None:
        noted.append(number)
        stop()

    signal.signal(signal.SIGINT, note)
    _noted = noted
    try:
        yield
    finally:
        _noted = None
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if noted:
            raise KeyboardInterrupt from None  # whatever the stopping of the engine has led to


@contextlib.contextmanager
def allow_interrupts() -> Iterator[None]:
    """Hear interruptions at once for a while, as where somebody else's function runs: whatever it raises is undone."""
    global _noted
    if _noted is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    raise_if_interrupted()
    noted, handler = _noted, signal.signal(signal.SIGINT, signal.default_int_handler)
    _noted = None
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        _noted = noted


@contextlib.contextmanager
def asking() -> Iterator[None]:
    """Let it be known that the engine is asked something; once Python ends, nothing more is."""
    if _leaving:
        raise RuntimeError("Python is ending, and asks its engine nothing more.")
    token = object()
    _running.add(token)
    try:
        yield
    finally:
        _running.discard(token)


def raise_if_interrupted() -> None:
    """Raise the interruption that waits, if there is one, where nothing is half done."""
    if _noted and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt


def run_interruptibly(connection: DuckDBPyConnection, work: Callable[[], T], what: str) -> T:
    """Do what asks the engine something, beside a bar; interrupt the engine where that is interrupted.

    It is done in a thread of its own, since one that waits for DuckDB hears of nothing else.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Whom the work asks; nobody else may until it is done.
    work : callable
    what : str
        What to say beside the bar.

    Returns
    -------
    object
        What the work returns.
    """
    done: list[T] = []
    failed: list[BaseException] = []
    over = threading.Event()  # a thread whose join() was interrupted may say that it is done when it is not

    def do() -> None:
        try:
            with asking():
                done.append(work())
        except BaseException as error:  # of whatever kind: it is raised below
            failed.append(error)
        finally:
            over.set()

    with defer_interrupts(connection.interrupt):
        raise_if_interrupted()
        thread = threading.Thread(target=contextvars.copy_context().run, args=(do,), daemon=True)
        try:
            thread.start()
            if not over.wait(SHORT):
                _look_on(connection, over, what)
        finally:
            while thread.ident is not None and not over.wait(LOOK):
                connection.interrupt()  # again and again: between two statements it is not heard
        thread.join()  # and with it goes what it holds
        raise_if_interrupted()
    if failed:
        raise failed.pop()  # or the error, which knows this frame, would hold all that it holds
    return done[0]


def stop_at_exit(connection: DuckDBPyConnection) -> None:
    """End what is still running, so that the engine can be closed."""
    global _leaving
    _leaving, until = True, time.monotonic() + LAST
    while _running and time.monotonic() < until:
        connection.interrupt()
        time.sleep(LOOK)


def _look_on(connection: DuckDBPyConnection, over: threading.Event, what: str) -> None:
    """Show how far the engine is, by its own account, until it is done or interrupted."""
    from tqdm.auto import tqdm

    form = "{desc}: {percentage:3.0f} %|{bar}| {elapsed}"
    try:
        with tqdm(total=100, desc=what, delay=DELAY, leave=False, bar_format=form) as bar:
            while not over.wait(LOOK) and not _noted:
                bar.update(max(connection.query_progress() - bar.n, 0))
            bar.update(bar.total - bar.n)  # or it would stay, in red, as what was interrupted does
    except Exception:  # of whatever kind: that there is nowhere to show a bar is no reason to do no work
        while not over.wait(LOOK) and not _noted:
            continue
