"""Keep live segments current with a queue of events."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import pandas as pd
from tqdm.auto import tqdm

from segkit.core.checks import check_count, check_type
from segkit.core.messages import in_words
from segkit.core.moments import read_span
from segkit.live.live import Live
from segkit.live.messages import Messages
from segkit.live.sources.event_source import EventSource, Message

MOST = 500  # events in a batch
WAIT = 0.5  # seconds for which an empty queue is waited for at once, so within which an interrupt is heard
LATE = 5.0  # seconds of lag that are warned of
PAUSES = (0.1, 30.0)  # seconds before the queue is tried again: at first, and at most
KEPT = 10_000  # batches in the table that is returned
CAUGHT_UP = "caught up"
T = TypeVar("T")


def present() -> pd.Timestamp:
    """Return the present moment."""
    return pd.Timestamp.now("UTC")


@dataclasses.dataclass(frozen=True)
class FollowedBatch:
    """What became of one batch; see :func:`follow`."""

    as_of: pd.Timestamp
    events: int = 0
    appended: int = 0
    repeated: int = 0
    refused: int = 0
    waiting: int = 0
    placed: int = 0
    swept: int = 0
    lag: float = float("nan")
    seconds: float = 0.0


def follow(
    live: Live,
    source: EventSource,
    *,
    until: Callable[[], bool] | str | None = None,
    sweep_every: str | timedelta | None = "15min",
    most: int = MOST,
    on_batch: Callable[[FollowedBatch], object] | None = None,
    now: Callable[[], pd.Timestamp] = present,
) -> pd.DataFrame:
    """Apply events as they arrive in a queue, and sweep now and then for whom time alone moves.

    A batch is what has arrived, at most `most` events; the rest waits in the queue. The queue lets go of a batch once
    it is in the log, so after a crash some events come again, which their `event_id` makes harmless. Where the queue is
    out of reach, it is tried again after growing pauses, up to half a minute. Ctrl-C stops after the present batch, a
    second one at once.

    Parameters
    ----------
    live : Live
        From :func:`live_segments`.
    source : EventSource
        From :func:`file_source`, :func:`redis_source` or :func:`kafka_source`.
    until : callable or "caught up", optional
        "caught up" stops once the queue is empty. A function without arguments is asked between batches, and stops when
        it returns true, such as ``threading.Event().is_set``. By default only an interrupt stops.
    sweep_every : str, timedelta or None, default="15min"
        The time between two sweeps, the first as soon as the queue is empty. Under load a sweep waits until fewer than
        `most` events have arrived. None for no sweeps.
    most : int, default=500
        Events in a batch, from 1 to 500.
    on_batch : callable, optional
        Called with each row of the table below, with the columns as attributes.
    now : callable, optional
        Returns the present moment; by default the clock of this computer. Events at or after it wait for their moment.
        The lag is by the clock of this computer in any case.

    Returns
    -------
    DataFrame
        A row a batch or sweep, the last 10,000 of them: `as_of`, the present moment; `events`, the messages read; of
        those the `appended`, `repeated` and `refused`; `waiting`, all events whose moment has not come; `placed`, new
        placements; `swept`, those whom time alone moved; `lag`, the seconds from the arrival of the batch's first event
        in the queue to the end of the batch, missing where the queue does not say; `seconds` that the batch took.
        ``.attrs["segkit"]`` has the sums over all batches, and how often the queue was `unreachable`.

    Raises
    ------
    ConnectionError
        If the queue cannot be reached at the start.
    TypeError, ValueError
        If an argument is no such thing.

    Warns
    -----
    UserWarning
        If the lag passes 5 seconds, or the queue is out of reach; once, until it is not.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> import segkit as sg
    >>> from segkit.datasets import make_events
    >>> events, _ = make_events(60, kinds="purchase")
    >>> customers = sg.customer_features(events, sg.RFM, as_of="2025-01-01")
    >>> result = sg.segment(customers, n_segments=3)
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> event = {"event_id": "e1", "customer_id": "ada", "timestamp": "2025-01-01", "kind": "purchase", "amount": 3}
    >>> _ = (folder / "new.jsonl").write_text(json.dumps(event))
    >>> with sg.live_segments(result, events, sg.RFM, folder=folder / "live") as live:
    ...     batches = sg.follow(live, sg.file_source(folder / "new.jsonl"), until="caught up", sweep_every=None)
    >>> batches[["events", "appended", "repeated", "refused", "placed"]]
       events  appended  repeated  refused  placed
    0       1         1         0        0       1
    """
    check_type("live", live, Live, "It should be a Live, as from live_segments(…).")
    check_type("source", source, EventSource, "It should be a source, as from file_source(…).")
    check_count("most", most, 1)
    if most > MOST:
        raise ValueError(
            f"most={most} is more than {MOST}, of which a batch is at most. Pass {MOST} or fewer."
        )
    if until is not None and until != CAUGHT_UP and not callable(until):
        raise TypeError(
            f"until is {in_words(until)}. It should be 'caught up', or a function that returns true to stop."
        )
    for name, value in (("now", now), ("on_batch", on_batch)):
        if value is not None and not callable(value):
            raise TypeError(f"{name} is {in_words(value)}. It should be a function.")
    every = None if sweep_every is None else read_span(sweep_every, "sweep_every")
    source.open(live.folder)
    with contextlib.closing(source), _interrupts() as interrupted, _Follower(live, on_batch, now) as follower:
        asked: Callable[[], bool] = until if callable(until) else lambda: False
        follower.run(source, lambda: interrupted() or asked(), until == CAUGHT_UP, every, most)
        return follower.table()


class _Follower:
    """Apply batches of messages, and count what becomes of them."""

    def __init__(
        self,
        live: Live,
        on_batch: Callable[[FollowedBatch], object] | None,
        now: Callable[[], pd.Timestamp],
    ):
        self._live, self._on_batch = live, on_batch
        self._now = lambda: now().floor("us")  # as finely as the log has it
        self._messages, self._late, self._pause = Messages(), False, PAUSES[0]
        self._rows: collections.deque[FollowedBatch] = collections.deque(maxlen=KEPT)
        self._sums: collections.Counter[str] = collections.Counter()
        self._bar = tqdm(desc="Following events", unit=" events", delay=1, leave=False)

    def __enter__(self) -> _Follower:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def run(
        self,
        source: EventSource,
        stop: Callable[[], bool],
        until_caught_up: bool,
        sweep_every: pd.Timedelta | None,
        most: int,
    ) -> None:
        """Apply what arrives until it should stop."""
        due, wait = None, 0.0 if until_caught_up else WAIT
        while not stop():
            messages = self._reached(source, lambda: source.read(most, wait), stop)
            if messages is None:
                continue
            if messages or self._live.waiting:
                self._apply(messages)
            if messages:  # what the queue does not let go of comes again, and is in the log
                self._reached(source, source.commit, stop)
            if len(messages) < most and sweep_every is not None and (due is None or self._now() >= due):
                self._sweep()
                due = self._now() + sweep_every
            if until_caught_up and not messages:
                return

    def _reached(self, source: EventSource, ask: Callable[[], T], stop: Callable[[], bool]) -> T | None:
        """Return what the queue says, or None after a pause where it is out of reach."""
        try:
            said = ask()
        except ConnectionError as error:
            self._sums["unreachable"] += 1
            self._bar.set_postfix_str(f"out of reach, tried again in {self._pause:.1f} s")
            if self._pause == PAUSES[0]:
                warnings.warn(
                    f"{source!r} is out of reach, and tried again until it answers: {error}", stacklevel=5
                )
            _sleep(self._pause, stop)
            self._pause = min(2 * self._pause, PAUSES[1])
            return None
        self._pause = PAUSES[0]
        return said

    def _apply(self, messages: list[Message]) -> None:
        moment, began = self._now(), time.perf_counter()
        events, refused = self._messages.read(messages)
        if refused:
            self._live.refuse(refused)
        placed = self._live.apply(events, as_of=moment)
        counts = placed.attrs["segkit"]
        arrived = [message.arrived for message in messages if message.arrived is not None]
        lag = max(0.0, time.time() - min(arrived)) if arrived else float("nan")  # on the queue's clock
        if not messages and not len(placed):
            return  # nothing came, and no moment has come
        self._add(
            moment,
            began,
            events=len(messages),
            appended=counts["appended"],
            repeated=counts["repeated"],
            refused=counts["refused"] + len(refused),
            waiting=counts["waiting"],
            placed=len(placed),
            lag=lag,
        )
        if lag > LATE and not self._late:
            warnings.warn(
                f"Events are applied {lag:.0f} s after they arrived. The others wait in the queue. If it stays so, use "
                "fewer features, or a faster computer.",
                stacklevel=5,
            )
        self._late = lag > LATE

    def _sweep(self) -> None:
        moment, began = self._now(), time.perf_counter()
        swept = self._live.sweep(as_of=moment)
        moved = int(swept["event_id"].isna().sum())
        waiting = swept.attrs["segkit"]["waiting"]
        self._add(moment, began, placed=len(swept) - moved, swept=moved, waiting=waiting)

    def _add(self, moment: pd.Timestamp, began: float, *, lag: float = float("nan"), **counts: int) -> None:
        """Keep a row, show it in the bar, and pass it on."""
        row = FollowedBatch(moment, lag=lag, seconds=time.perf_counter() - began, **counts)
        self._rows.append(row)
        self._sums.update({name: count for name, count in counts.items() if name != "waiting"})
        shown: dict[str, object] = {"refused": self._sums["refused"], "waiting": row.waiting}
        if row.events:
            shown = {"lag": f"{lag:.1f} s", **shown}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(row.events)
        if self._on_batch is not None:
            self._on_batch(row)

    def table(self) -> pd.DataFrame:
        """Return what became of the batches."""
        names = [field.name for field in dataclasses.fields(FollowedBatch)]
        table = pd.DataFrame([dataclasses.astuple(row) for row in self._rows], columns=names)
        table["as_of"] = (
            pd.to_datetime(table["as_of"], utc=True).dt.tz_localize(None).astype("datetime64[us]")
        )
        whole = {name: "float64" if name in ("lag", "seconds") else "int64" for name in names[1:]}
        table = table.astype(whole)
        counted = {name: self._sums[name] for name in (*names[1:5], "placed", "swept", "unreachable")}
        table.attrs["segkit"] = counted
        return table


def _sleep(seconds: float, stop: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not stop() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, WAIT))


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Return a function that says whether an interrupt came; a second one ends the work at once.

    In a thread other than the main one, interrupts go to the main one as ever.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return

    def interrupt(number: int, frame: Any) -> None:
        if came.is_set():
            raise KeyboardInterrupt
        came.set()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGINT, before)
