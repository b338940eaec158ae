"""Know the last placement and the corrections of each customer, as the store has them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from segkit.live.context import Feedback, first_words
from segkit.live.placing import Answer, Pair, Placement
from segkit.live.store import Store

_COLUMNS = "placement_id, customer_id, as_of, segment_id, confidence, shown, was, event_id, late"
_VERSIONS = f"SELECT {_COLUMNS} FROM placements"


@dataclass(frozen=True)
class Correction:
    """An analyst's word on the segment of a customer; without a segment, the model's answer is shown again."""

    event_id: str
    customer_id: str
    as_of: pd.Timestamp
    segment_id: int | None
    why: str
    who: str

    def as_feedback(self) -> Feedback:
        """Return the correction as feedback, which its reason is the text of."""
        return Feedback("correction", self.as_of, self.event_id, text=first_words(self.why))


class History:
    """The placements of a store: the last of each customer in memory, the others read when they are needed."""

    def __init__(self, store: Store):
        self._store = store
        self._load()

    def _load(self) -> None:
        newest = "OVER (PARTITION BY customer_id ORDER BY as_of DESC, placement_id DESC)"
        last = f"{_VERSIONS} QUALIFY row_number() {newest} = 1"
        self.last = {row[1]: _placement(row) for row in self._store.run(last)}
        (self._next,) = self._store.run("SELECT coalesce(max(placement_id) + 1, 0) FROM placements")[0]
        self.corrections: dict[str, list[Correction]] = {}
        rows = self._store.run(
            "SELECT event_id, customer_id, as_of, segment_id, why, who FROM corrections ORDER BY as_of, rowid"
        )
        for event_id, customer, as_of, segment, why, who in rows:
            self.know(Correction(event_id, customer, pd.Timestamp(as_of), segment, why, who))
        self._stale = False

    @contextlib.contextmanager
    def batch(self) -> Iterator[list[Placement]]:
        """Write one batch in one transaction: the placements that the block appends to the list, and all else."""
        if self._stale:
            self._load()
        self._stale = True  # what was not written to its end is read again
        placed: list[Placement] = []
        with self._store.transaction():
            yield placed
            self._write(placed)
        self._keep(placed)
        self._stale = False

    def add(self, placed: list[Placement]) -> None:
        """Write placements within a transaction that somebody else ends."""
        self._write(placed)
        self._keep(placed)

    def _keep(self, placed: list[Placement]) -> None:
        for placement in placed:
            before = self.last.get(placement.customer_id)
            if before is None or before.order < placement.order:
                self.last[placement.customer_id] = placement

    def number(self) -> int:
        """Return the id of the next placement."""
        self._next += 1
        return int(self._next) - 1

    def _write(self, placed: list[Placement]) -> None:
        if placed:
            columns = {
                "placement_id": [p.placement_id for p in placed],
                "customer_id": [p.customer_id for p in placed],
                "as_of": np.array([p.as_of for p in placed], dtype="datetime64[us]"),
                "segment_id": pa.array([p.answer.segment_id for p in placed], pa.int64()),
                "confidence": pa.array([p.answer.confidence for p in placed], pa.float64()),
                "shown": pa.array([p.shown for p in placed], pa.int64()),
                "was": pa.array([p.was for p in placed], pa.int64()),
                "event_id": pa.array([p.event_id for p in placed], pa.string()),
                "late": [p.late for p in placed],
            }
            self._store.insert("placements", pa.table(columns))

    def correct(
        self, customer: str, moment: pd.Timestamp, segment: int | None, why: str, who: str
    ) -> Correction:
        """Write a correction, within a batch."""
        correction = Correction(self._free_id(), customer, moment, segment, why, who)
        values = [correction.event_id, customer, moment.to_pydatetime(), segment, why, who]
        self._store.run("INSERT INTO corrections VALUES (?, ?, ?, ?, ?, ?)", values)
        self.know(correction)
        return correction

    def _free_id(self) -> str:
        """Return an id for the next correction that no event has, and none of the corrections left by an erasure."""
        last = "max(split_part(event_id, ' ', 2)::BIGINT)"
        number = self._store.run(f"SELECT coalesce({last}, 0) + 1 FROM corrections")[0][0]
        while self._store.run("SELECT 1 FROM log WHERE event_id = ?", [f"correction {number}"]):
            number += 1
        return f"correction {number}"

    def know(self, correction: Correction) -> None:
        """Take a correction into account from now on; those of one customer come in the order of their moments."""
        own = self.corrections.setdefault(correction.customer_id, [])
        own.append(correction)
        own.sort(key=lambda each: each.as_of)

    def correction(self, customer: str, moment: pd.Timestamp) -> Correction | None:
        """Return the correction of a customer that is shown at a moment."""
        until = [each for each in self.corrections.get(customer, []) if each.as_of <= moment]
        return until[-1] if until and until[-1].segment_id is not None else None

    def shown(self, customer: str, moment: pd.Timestamp, answer: Answer) -> int | None:
        """Return the segment that is shown at a moment: the model's answer, or a correction."""
        correction = self.correction(customer, moment)
        return answer.segment_id if correction is None else correction.segment_id

    def after(self, late: dict[str, list[Any]]) -> dict[Pair, Placement]:
        """Return the latest version of each placement of customers at a moment after their first late event."""
        if not late:
            return {}
        rows = self._store.run(
            f"SELECT {_COLUMNS} FROM placements JOIN (SELECT unnest($1::VARCHAR[]) AS customer, "
            "unnest($2::TIMESTAMP[]) AS first) ON customer_id = customer AND as_of > first "
            "QUALIFY row_number() OVER (PARTITION BY customer_id, as_of ORDER BY placement_id DESC) = 1 "
            "ORDER BY as_of, customer_id",
            [list(late), [own[0][1].to_pydatetime() for own in late.values()]],
        )
        return {(p.customer_id, p.as_of): p for p in map(_placement, rows)}

    def all(self) -> list[Placement]:
        """Return all placements, in the order in which they were written."""
        return [_placement(row) for row in self._store.run(f"{_VERSIONS} ORDER BY placement_id")]

    def of(self, customer: str) -> list[Placement]:
        """Return all placements of a customer, in the order in which they were written."""
        rows = self._store.run(f"{_VERSIONS} WHERE customer_id = ? ORDER BY placement_id", [customer])
        return [_placement(row) for row in rows]


def _placement(row: tuple) -> Placement:
    number, customer, as_of, segment, confidence, shown, was, event_id, late = row
    return Placement(
        number, customer, pd.Timestamp(as_of), Answer(segment, confidence), shown, was, event_id, late
    )
