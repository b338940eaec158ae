"""Work that a widget does beside the kernel's own loop, so that the page can show how far it is and cancel it."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

Step = TypeVar("Step")


class Cancelled(Exception):
    """Raised in work that is no longer wanted."""


class BackgroundWork:
    """Work in a thread; its steps and its answer come back on the loop, where widgets may be changed.

    Where no loop runs, as in a script, the work is done at once.

    Parameters
    ----------
    work : callable
        Function of this object, which passes its loops through :meth:`steps`.
    done, failed : callable
        What to do with the answer, or with the exception.
    step : callable, optional
        What to do after each step, given how many are done.

    Examples
    --------
    >>> BackgroundWork(lambda work: sum(work.steps([1, 2])), done=print, failed=print, step=print).cancelled
    1
    2
    3
    False
    """

    def __init__(
        self,
        work: Callable[[BackgroundWork], Any],
        *,
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
        step: Callable[[int], None] = lambda _done: None,
    ):
        self.cancelled = False
        self._thread: threading.Thread | None = None
        self._work, self._done, self._failed, self._step = work, done, failed, step
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
            self._run()
        else:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """Forget the work: nothing more comes back, and it ends before its next step."""
        self.cancelled = True

    def join(self) -> None:
        """Wait until the work has ended; what came of it is on its way to the loop then."""
        if self._thread is not None:
            self._thread.join()

    def steps(self, items: Sequence[Step]) -> Iterator[Step]:
        """Yield the items, tell after each, and end where the work was cancelled."""
        for n, item in enumerate(items, start=1):
            if self.cancelled:
                raise Cancelled
            yield item
            self._tell(self._step, n)

    def _run(self) -> None:
        try:
            answer = self._work(self)
        except Cancelled:
            return
        except Exception as error:
            self._tell(self._failed, error)
        else:
            self._tell(self._done, answer)

    def _tell(self, callback: Callable[[Any], None], value: Any) -> None:
        if self._loop is None:
            callback(value)
        else:
            self._loop.call_soon_threadsafe(self._unless_cancelled, callback, value)

    def _unless_cancelled(self, callback: Callable[[Any], None], value: Any) -> None:
        if not self.cancelled:
            callback(value)


class LatestWork:
    """Work of which only the latest is wanted: it cancels the one before, and begins when that has ended.

    Examples
    --------
    >>> trials = LatestWork()
    >>> trials.begin(lambda: 1 + 1, done=print, failed=print)
    2
    """

    def __init__(self) -> None:
        self._latest: BackgroundWork | None = None
        self._one_at_a_time = threading.Lock()

    def begin(
        self, work: Callable[[], Any], *, done: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        """Work, and forget what was begun before."""
        self.cancel()

        def alone(mine: BackgroundWork) -> Any:
            with self._one_at_a_time:
                return next(work() for _ in mine.steps([None]))

        self._latest = BackgroundWork(alone, done=done, failed=failed)

    def cancel(self) -> None:
        """Forget what was begun."""
        if self._latest is not None:
            self._latest.cancel()
            self._latest = None

    def join(self) -> None:
        """Wait until the latest has ended."""
        if self._latest is not None:
            self._latest.join()


def in_turn(method: Callable[..., None]) -> Callable[..., None]:
    """Let the page and a running cell wait for each other: JupyterLab may answer a widget in another thread.

    The widget has an RLock as `_turn`.
    """

    @functools.wraps(method)
    def waiting(self: Any, *given: Any) -> None:
        with self._turn:
            method(self, *given)

    return waiting
