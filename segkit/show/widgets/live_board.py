"""What the live map shows, kept current beside the batches: for the widget, and for the page of the service."""

from __future__ import annotations

import base64
import threading
import zlib
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from segkit.core.checks import check_type
from segkit.core.messages import counted
from segkit.core.order import by_id
from segkit.create.segmentation import Segmentation
from segkit.live.live import Live
from segkit.methods.assignment import OUTSIDE
from segkit.methods.partition import plain_preparer
from segkit.show.plots.theme import GREY, axis_title, one_line
from segkit.show.widgets.parts import described_segments, script

VIEW = script("scatter", "live_map")  # of a page in JavaScript, that of the service too
SAMPLE = 8_000  # customers on the map from the beginning
MOVERS = 2_000  # others who moved, and are drawn since: the last of them
LISTED = 100  # moves in the list
REMEMBERED = 1_000  # moves that the service can still tell a slow reader
LONGEST_WORD = 60  # letters of a cause that are shown
PAUSE = 0.5  # seconds from picture to picture, so that a fast stream costs no more than a slow one
NOWHERE = -1  # the position of a segment where a customer is in none
FULL = 30_000  # a place at the edge of the customers that the segments were made from
NO_SEGMENT = "In no segment"


class LiveBoard:
    """Where customers are, how many are in each segment, and who moved last; current a moment after each batch.

    Parameters
    ----------
    live : Live
    changed : callable, optional
        Called after each change of :attr:`state`, in a thread of its own.

    Attributes
    ----------
    state : dict
        All that the page needs, as JSON; a new dict after each change.
    moves : list of dict
        The last 1,000 moves, the newest last; `n` counts them from 1.
    """

    def __init__(self, live: Live, changed: Callable[[], None] | None = None):
        check_type(
            "live", live, Live, "It should come from live_segments(result, events, features, folder=…)."
        )
        self._live, self._changed, self._turn = live, changed, threading.RLock()
        self._order: list[int | None] = [*live.result.segments, OUTSIDE, None]
        inside = [s for s in self._order if s is not None]
        self._position = {live.result.name_of(s): i for i, s in enumerate(inside)}
        self._names = [*self._position, NO_SEGMENT]
        self._described = described_segments(live.result, inside)
        self._described.append({"name": NO_SEGMENT, "legend": NO_SEGMENT, "color": GREY})
        self._places = _Places(live.result)
        self._arrived: deque[pd.DataFrame] = deque()
        self._wake, self._ended = threading.Event(), threading.Event()
        self._stop = live.watch(self._take)
        self.moves: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self._n, self._by_time, self._by_correction = 0, 0, 0
        self._error, self._behind = "", ""
        self._joined, self._left = np.zeros((2, len(self._order)), dtype=int)
        current = live.current()
        self._since = self._now = current["as_of"].max() if len(current) else None
        self._begin(current)
        self._worker = threading.Thread(target=self._work, name="segkit live map", daemon=True)
        self._worker.start()

    def _begin(self, current: pd.DataFrame) -> None:
        """Take over where everyone is."""
        segments = self._positions(current["segment"])
        self._last = dict(
            zip(current["customer_id"], zip(current["as_of"], segments, strict=True), strict=True)
        )
        self._sizes = np.bincount(segments, minlength=len(self._order))
        drawn = current
        if len(current) > SAMPLE:
            drawn = current.iloc[
                np.sort(np.random.default_rng(0).choice(len(current), SAMPLE, replace=False))
            ]
        self._slots = {customer: slot for slot, customer in enumerate(drawn["customer_id"])}
        self._sampled, self._guests = len(drawn), deque[str]()
        self._points = np.full((len(drawn) + MOVERS, 3), NOWHERE, dtype="<i2")
        self._put(drawn)
        self._behind = ""
        self.state = self._shown()

    def _take(self, placed: pd.DataFrame) -> None:
        """Note what a batch placed, or that customers were erased; the work is done in another thread."""
        if len(placed) or "erased" in placed.attrs["segkit"]:
            self._arrived.append(placed)
            self._wake.set()

    def _work(self) -> None:
        while not self._ended.is_set():
            self._wake.wait()
            self._wake.clear()
            if self._ended.is_set():
                return
            try:
                self.refresh()
            except Exception as error:  # shown on the page, since nobody waits for this thread
                with self._turn:
                    self._behind = f"The map stands still: {error}"
                    self._publish({**self.state, "error": self._behind})
            self._ended.wait(PAUSE)

    def refresh(self) -> None:
        """Take in all that has happened so far; done by itself within about a second."""
        with self._turn:
            tables = [self._arrived.popleft() for _ in range(len(self._arrived))]
            if self._behind or any("erased" in table.attrs["segkit"] for table in tables):
                self._begin(self._live.current())
                kept = [move for move in self.moves if move["customer"] in self._last]
                self.moves = deque(kept, maxlen=REMEMBERED)
                self._publish(self._shown())
            elif tables:
                self._follow(pd.concat(tables, ignore_index=True))
                self._publish(self._shown())

    def fail(self, why: str) -> None:
        """Say on the page, from now on, why no events come any more."""
        with self._turn:
            self._error = why
            self._publish({**self.state, "error": why})

    def _publish(self, state: dict[str, Any]) -> None:
        self.state = state
        if self._changed is not None:
            self._changed()

    def _follow(self, placed: pd.DataFrame) -> None:
        """Move the customers of batches, in their order."""
        causes = self._live.causes(placed)
        segments = self._positions(placed["segment"])
        by_time, late = placed["event_id"].isna(), placed["late"]
        rows = zip(placed["customer_id"], placed["as_of"], segments, causes, by_time, late, strict=True)
        touched: dict[str, int] = {}
        for row, (customer, moment, segment, why, timed, corrects) in enumerate(rows):
            before, was = self._last.get(customer, (None, NOWHERE))
            if before is not None and moment < before:
                continue  # it corrects an older placement, not where the customer is now
            self._last[customer] = (moment, segment)
            touched[customer] = row
            if segment == was:
                continue
            self._count_move(was, segment)
            self._by_time += timed
            self._by_correction += why == "correction"
            self._draw(customer)
            self.moves.append(
                {
                    "n": self._n,
                    "customer": customer,
                    "from": was,
                    "to": segment,
                    "as_of": in_utc(moment),
                    "when": self._said(moment),
                    "why": one_line(why)[:LONGEST_WORD],
                    "late": bool(corrects),
                }
            )
        self._now = max(self._now, placed["as_of"].max()) if self._now is not None else placed["as_of"].max()
        self._put(placed.iloc[[row for customer, row in touched.items() if customer in self._slots]])

    def _count_move(self, was: int, segment: int) -> None:
        self._n += 1
        self._sizes[segment] += 1
        self._joined[segment] += 1
        if was != NOWHERE:
            self._sizes[was] -= 1
            self._left[was] += 1

    def _draw(self, customer: str) -> None:
        """Give a customer a point; of those outside the sample, the one drawn longest gives way."""
        if customer in self._slots:
            return
        if len(self._guests) == MOVERS:
            self._slots[customer] = self._slots.pop(self._guests.popleft())
        else:
            self._slots[customer] = self._sampled + len(self._guests)
        self._guests.append(customer)

    def _put(self, placed: pd.DataFrame) -> None:
        """Set the points of drawn customers, by their features at the moments of their placements."""
        features = self._live.features(placed) if len(placed) else pd.DataFrame()
        if len(features):
            ids = features.index.get_level_values("customer_id")
            at = [self._slots[customer] for customer in ids]
            self._points[at, :2] = self._places.of(features.set_axis(ids))
        for customer in placed["customer_id"]:
            self._points[self._slots[customer], 2] = self._last[customer][1]

    def _positions(self, names: pd.Series) -> list[int]:
        return names.map(self._position).fillna(len(self._position)).astype(int).tolist()

    def _said(self, moment: pd.Timestamp) -> str:
        local = moment.tz_localize("UTC").tz_convert(self._live.timezone)
        return f"{local.day} {local:%b %Y, %H:%M:%S}"

    def _shown(self) -> dict[str, Any]:
        counts = zip(self._described, self._sizes, self._joined, self._left, strict=True)
        listed = list(self.moves)[: -LISTED - 1 : -1]
        return {
            "segments": [
                {
                    **segment,
                    "size": int(size),
                    "joined": int(joined),
                    "left": int(left),
                    "rare": i >= len(self._live.result.segments),
                }
                for i, (segment, size, joined, left) in enumerate(counts)
            ],
            "points": base64.b64encode(self._points.tobytes()).decode(),
            "moves": [{**move, "at": self._slots.get(move["customer"], NOWHERE)} for move in listed],
            "now": "" if self._now is None else self._said(self._now),
            "said": self._sentence(),
            "note": self._note(),
            "badge": self._live.result.badge,
            "kind": self._live.result.kind_sentence,
            "titles": self._titles(),
            "error": self._behind or self._error,
        }

    def _sentence(self) -> str:
        if self._since is None or not self._n:
            return f"{counted(len(self._last), 'customer')}. Nobody has moved yet."
        events = self._n - self._by_time - self._by_correction
        corrected = f", {self._by_correction:,} by correction" if self._by_correction else ""
        return (
            f"{counted(len(self._last), 'customer')}. {counted(self._n, 'move')} since {self._said(self._since)}: "
            f"{events:,} by what customers did, {self._by_time:,} by time alone{corrected}."
        )

    def _titles(self) -> dict[str, str]:
        """Return for each feature what it means, to be read beside its number."""
        known = self._live.result.provenance
        units, meanings = known.get("units", {}), known.get("meanings", {})
        names = self._live.result.customers.columns
        return {name: axis_title(name, units.get(name, ""), meanings.get(name, "")) for name in names}

    def _note(self) -> str:
        every, drawn = len(self._last), len(self._slots)
        if drawn == every:
            return self._places.said
        return (
            f"{self._places.said} {drawn:,} of {every:,} customers are drawn: a random sample, and whoever moved; "
            "numbers count everyone."
        )

    def sizes(self) -> dict[str, Any]:
        """Return how many customers are in each segment, and joined and left it, as JSON for programs."""
        with self._turn:
            counts = zip(self._names, self._sizes, self._joined, self._left, strict=True)
            rows = [
                {"segment": name, "customers": int(size), "joined": int(joined), "left": int(left)}
                for name, size, joined, left in counts
            ]
            return {"as_of": None if self._now is None else in_utc(self._now), "segments": rows}

    @property
    def counted(self) -> int:
        """How many moves there were."""
        return self._n

    def moves_after(self, n: int) -> list[dict[str, Any]]:
        """Return the remembered moves after the nth, with the names of the segments."""
        with self._turn:
            names = [*self._names, None]
            return [{**m, "from": names[m["from"]], "to": names[m["to"]]} for m in self.moves if m["n"] > n]

    def table(self) -> pd.DataFrame:
        """Return the remembered moves as a table, the newest last."""
        with self._turn:
            moves = list(self.moves)
        names = self._names
        words = {
            "customer_id": [m["customer"] for m in moves],
            "was": [None if m["from"] == NOWHERE else names[m["from"]] for m in moves],
            "segment": [names[m["to"]] for m in moves],
            "when": [m["when"] for m in moves],
            "why": [m["why"] for m in moves],
        }
        columns = {name: pd.array(values, dtype="str") for name, values in words.items()}
        columns["late"] = np.array([m["late"] for m in moves], dtype=bool)
        return pd.DataFrame(columns)

    def card(self, customer: str) -> dict[str, Any]:
        """Return what the batch says of a customer as of the last placement, as JSON.

        Raises
        ------
        ValueError
            If there is no such customer.
        """
        there = self._live.at(customer)
        features = there.features.iloc[0] if len(there.features) else pd.Series(dtype=object)
        corrected = there.corrected
        return {
            "customer_id": there.customer_id,
            "as_of": in_utc(there.as_of),
            "segment_id": there.segment_id,
            "segment": there.segment,
            "confidence": there.confidence,
            "features": {name: _plain(value) for name, value in features.items()},
            "corrected": None if corrected is None else {**corrected, "as_of": in_utc(corrected["as_of"])},
            "at": self._slots.get(there.customer_id, NOWHERE),
        }

    def mark(self, customer: str) -> None:
        """Draw a customer who should be seen.

        Raises
        ------
        ValueError
            If there is no such customer.
        """
        with self._turn:
            there = self._live.at(customer)
            if customer not in self._slots:
                self._draw(customer)
                self._put(pd.DataFrame({"customer_id": [customer], "as_of": [there.as_of]}))
                self.state = self._shown()

    def close(self) -> None:
        """Stop following."""
        self._stop()
        self._ended.set()
        self._wake.set()


class _Places:
    """Places on a map that stays as it is: two principal components of those whom the segments were made from."""

    def __init__(self, result: Segmentation):
        self._preparer = plain_preparer(result)
        prepared = self._preparer.matrix(by_id(result.customers))
        with threadpool_limits(limits=1), np.errstate(invalid="ignore"):  # identical customers: 0 / 0
            self._model = PCA(min(2, *prepared.shape), svd_solver="full").fit(prepared)
        points = self._model.transform(prepared)
        low, high = points.min(axis=0), points.max(axis=0)
        self._middle, self._reach = (low + high) / 2, max((high - low).max() / 2, 1e-12)
        variance = float(np.nan_to_num(self._model.explained_variance_ratio_.sum()))
        self.said = (
            "Customers near each other are alike. A customer moves as her numbers change; the map itself stays. It "
            f"keeps {variance:.0%} of the differences between customers."
        )

    def of(self, features: pd.DataFrame) -> np.ndarray:
        """Return a place for each customer; one far outside stands at the edge."""
        points = (self._model.transform(self._preparer.matrix(features)) - self._middle) / self._reach
        if points.shape[1] == 1:  # the height says nothing, and spreads the points
            heights = [zlib.crc32(str(name).encode()) / 2**32 * 0.4 - 0.2 for name in features.index]
            points = np.column_stack([points, heights])
        return (np.clip(points, -1.08, 1.08) * FULL).round().astype("<i2")


def in_utc(moment: pd.Timestamp) -> str:
    """Return a moment of the log in ISO 8601, with its zone.

    Examples
    --------
    >>> in_utc(pd.Timestamp("2025-01-01 12:00:00.000001"))
    '2025-01-01T12:00:00.000001Z'
    """
    return f"{moment.isoformat()}Z"


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: None where it is missing or infinite.

    Examples
    --------
    >>> [_plain(value) for value in (np.int64(3), "west", np.inf, None)]
    [3, 'west', None, None]
    """
    if pd.isna(value) or value in (np.inf, -np.inf):
        return None
    return value.item() if isinstance(value, np.generic) else value
