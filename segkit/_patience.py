"""Long work of the engine: a bar that says how far it is, and an end at once where somebody interrupts it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
SHORT = 0.5  # seconds: whatever is done sooner is never asked how far it is
LOOK = 0.1  # seconds between two looks after it
DELAY = 1.5  # seconds, further ones, before there is a bar


def patiently(connection: DuckDBPyConnection, work: Callable[[], T], what: str) -> T:
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
            done.append(work())
        except BaseException as error:  # of whatever kind: it is raised below
            failed.append(error)
        finally:
            over.set()

    threading.Thread(target=do, daemon=True).start()
    try:
        if not over.wait(SHORT):
            _look_on(connection, over, what)
    except BaseException:
        while not over.is_set():  # an interruption that comes between two statements is not heard
            connection.interrupt()
            over.wait(LOOK)
        raise
    if failed:
        raise failed[0]
    return done[0]


def _look_on(connection: DuckDBPyConnection, over: threading.Event, what: str) -> None:
    """Show how far the engine is, by its own account, until it is done."""
    from tqdm.auto import tqdm

    form = "{desc}: {percentage:3.0f} %|{bar}| {elapsed}"
    with tqdm(total=100, desc=what, delay=DELAY, leave=False, bar_format=form) as bar:
        while not over.wait(LOOK):
            bar.update(max(connection.query_progress() - bar.n, 0))
        bar.update(bar.total - bar.n)  # or it would stay, in red, as what was interrupted does
