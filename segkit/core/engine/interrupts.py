"""Run long DuckDB queries with a progress bar and immediate Ctrl-C."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
SHORT = 0.5  # seconds after which progress is looked at
LOOK = 0.1  # seconds between two looks
DELAY = 1.5  # further seconds before the bar appears
LAST = 5.0  # seconds that Python waits at its end for running queries

_running: set[Future] = set()
_ending = threading.Event()


def run_interruptibly(connection: DuckDBPyConnection, work: Callable[[], T], what: str = "") -> T:
    """Run a query in a thread and return its result; on Ctrl-C, interrupt the query and raise KeyboardInterrupt.

    The progress bar is labelled `what`; without a label there is none.
    """
    if _ending.is_set():
        raise RuntimeError("Python is ending, so no further query is run.")
    result: Future[T] = Future()
    context = contextvars.copy_context()
    # A ThreadPoolExecutor would keep Python from ending: it waits for its threads before `stop_at_exit` runs.
    thread = threading.Thread(target=context.run, args=(_fulfil, result, work), daemon=True)
    try:
        _running.add(result)
        thread.start()  # a thread that waits for DuckDB cannot hear Ctrl-C, so this one waits for that thread
        if what and not wait([result], SHORT).done:
            _show_progress(connection, result, what)
        while not wait([result], LOOK).done:  # without a limit, Windows would not hear Ctrl-C
            continue
        return result.result()
    finally:
        while thread.ident is not None and not result.done():
            with contextlib.suppress(KeyboardInterrupt):  # the second one; the first is being raised
                connection.interrupt()  # again and again: between two statements it is not heard
                wait([result], LOOK)
        _running.discard(result)
        del result  # an error that refers to it would keep its tables alive


def stop_at_exit(connection: DuckDBPyConnection) -> None:
    """Interrupt the queries of other threads, so that the connection can be closed."""
    _ending.set()
    until = time.monotonic() + LAST
    while _running and time.monotonic() < until:
        connection.interrupt()
        time.sleep(LOOK)


def _fulfil(result: Future[T], work: Callable[[], T]) -> None:
    try:
        result.set_result(work())
    except BaseException as error:  # of whatever kind: it is raised where the result is waited for
        result.set_exception(error)
    del result


def _show_progress(connection: DuckDBPyConnection, result: Future, what: str) -> None:
    """Show DuckDB's progress until the query ends."""
    from tqdm.auto import tqdm

    form = "{desc}: {percentage:3.0f} %|{bar}| {elapsed}"
    try:
        with tqdm(total=100, desc=what, delay=DELAY, leave=False, bar_format=form) as bar:
            while not wait([result], LOOK).done:
                bar.update(max(connection.query_progress() - bar.n, 0))
            bar.update(bar.total - bar.n)  # an incomplete bar would stay on the screen
    except BaseException as error:
        # Where drawing fails, tqdm keeps its lock, and the bars of other threads would wait for it for ever.
        tqdm.set_lock(threading.RLock())
        if not isinstance(error, Exception):  # a query does not fail because its bar cannot be shown
            raise
