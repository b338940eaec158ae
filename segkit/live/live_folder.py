"""Use the folder of live segments, one thread at a time."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import pandas as pd

from segkit.analyse.features.feature import Feature
from segkit.collect.sentiment import Scorer
from segkit.core.checks import check_type
from segkit.core.messages import counted, did_you_mean
from segkit.create.segmentation import Segmentation
from segkit.live.arriving import Arrivals
from segkit.live.consenting import Consenting
from segkit.live.feature_reader import FeatureReader
from segkit.live.history import History
from segkit.live.outbox import Outbox
from segkit.live.placer import Placer
from segkit.live.placing import Placement, as_table
from segkit.live.store import EVENTS, Refusal, Store
from segkit.live.watching import Watchers

T = TypeVar("T")


def in_turn(method: Callable[..., T]) -> Callable[..., T]:
    """Let the threads that call it use the folder one after another."""

    @functools.wraps(method)
    def alone(self: LiveFolder, *args: Any, **options: Any) -> T:
        with self._turn:
            if self._store.closed:
                raise ValueError(
                    f"{self._store.folder} is closed. Open it again: sg.live_segments(…, folder=…)."
                )
            return method(self, *args, **options)

    return alone


class LiveFolder:
    """The folder of live segments, and what reads from it; the base of :class:`Live`."""

    def __init__(
        self,
        store: Store,
        result: Segmentation,
        features: tuple[Feature, ...],
        window: pd.Timedelta | None,
        scorer: Scorer | None = None,
    ):
        self._store, self._result, self._turn = store, result, store.turn
        self._columns, self._timezone = tuple(store.facts["columns"]), store.facts["timezone"]
        self._features, self._window, self._scorer = features, window, scorer
        self._read()
        self._consenting = Consenting(store)
        self._outbox = Outbox(store, lambda segment: self._result.name_of(segment))
        self._watchers = Watchers()
        self._unused: set[str] = set()

    def _read(self) -> None:
        """Prepare what reads from the connection of the store."""
        self._arrivals = Arrivals(self._columns, self._timezone, self._scorer)
        self._reader = FeatureReader(
            self._store.connection, EVENTS, self._features, window=self._window, timezone=self._timezone
        )
        self._history = History(self._store)

    @property
    def _placer(self) -> Placer:
        return Placer(self._result, self._reader, self._history)

    @contextlib.contextmanager
    def _batch(self) -> Iterator[list[Placement]]:
        """Write the placements that the block appends to a list in one transaction, then tell the hooks."""
        with self._history.batch() as placed:
            yield placed
            self._outbox.note(placed, self._history.last)
        self._outbox.wake()

    def _told(self, placed: list[Placement], **counts: int) -> pd.DataFrame:
        """Return what was written as a table, after telling those who watch."""
        table = self._table(placed, **counts)
        self._watchers.tell(table)
        return table

    def _table(self, placed: list[Placement], **counts: int) -> pd.DataFrame:
        table = as_table(sorted(placed, key=lambda p: p.placement_id), self._result.name_of)
        table.attrs["segkit"] = counts
        return table

    def _known(self, customer: str) -> Placement:
        check_type("customer", customer, str, "It should be the id of a customer, as text.")
        last = self._history.last
        if customer not in last:
            raise ValueError(
                f"There is no customer {customer!r} among the {len(last):,} of the log."
                f"{did_you_mean(customer, last)} Pass the id of one who has events."
            )
        return last[customer]

    @property
    def folder(self) -> Path:
        """Where the log is."""
        return self._store.folder

    @property
    def result(self) -> Segmentation:
        """The segments that customers are placed in."""
        return self._result

    @property
    def timezone(self) -> str:
        """The shop's zone, as in :func:`segkit.read_events`."""
        return str(self._timezone)

    @property
    @in_turn
    def refused(self) -> pd.DataFrame:
        """The rows that could not be used: columns `reason`, `count` and `example`; equal rows are counted once."""
        rows = self._store.run(
            "SELECT reason, count(*), min(example) FROM refused GROUP BY reason ORDER BY 2 DESC, reason"
        )
        frame = pd.DataFrame(rows, columns=["reason", "count", "example"])
        return frame.astype({"reason": "str", "count": "int64", "example": "str"})

    @property
    @in_turn
    def waiting(self) -> int:
        """The number of events whose moment has not come."""
        return int(self._store.run("SELECT count(*) FROM waiting")[0][0])

    @in_turn
    def refuse(self, rows: list[Refusal]) -> None:
        """Count what could not be read as events in :attr:`refused`.

        Parameters
        ----------
        rows : list of (str, str, str)
            A key, the same when it comes again; the reason; an example.
        """
        with self._store.transaction():
            self._refuse(rows)

    def _refuse(self, rows: list[Refusal]) -> None:
        """Write why rows were refused, within a transaction; an example could name somebody who does not consent."""
        if self._consenting.needed:
            rows = [(key, reason, "") for key, reason, _ in rows]
        self._store.refuse(rows)

    def close(self) -> None:
        """Close the folder, so that another process may open it.

        Hooks first get what waits for them, for as long as one call may take.
        """
        self._outbox.close()
        with self._turn:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        customers = counted(len(self._history.last), "customer")
        return (
            f"Live: {customers} in {counted(len(self._result.segments), 'segment')}, in {self._store.folder}"
        )
