"""Tell hooks who enters a segment: noted in the batch's transaction, delivered after it, at least once each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd

from segkit.live.placing import Placement
from segkit.live.store import Store

MOST_ATTEMPTS = 5

Hook = Callable[[dict[str, Any]], object]


class Outbox:
    """Messages to hooks, in a store."""

    def __init__(self, store: Store, name_of: Callable[[int], str]):
        self._store, self._name_of, self._delivering = store, name_of, False
        self._hooks: dict[str, Hook] = {}
        self._subscribed: set[tuple[int, str]] = set(store.run("SELECT segment_id, hook FROM hooks"))

    def subscribe(self, segment: int, name: str, hook: Hook | None) -> None:
        """Add a hook, or the function of one that the store knows; without a function, remove it."""
        if hook is None:
            self._store.run("DELETE FROM hooks WHERE segment_id = ? AND hook = ?", [segment, name])
            self._subscribed.discard((segment, name))
            return
        if (segment, name) not in self._subscribed:
            self._store.run("INSERT INTO hooks VALUES (?, ?)", [segment, name])
            self._subscribed.add((segment, name))
        self._hooks[name] = hook
        self.deliver()

    def note(self, placed: list[Placement], last: dict[str, Placement]) -> None:
        """Note, within the batch's transaction, who enters a segment that a hook waits for."""
        now: dict[str, Placement] = {}
        for placement in placed:
            before = now.get(placement.customer_id) or last.get(placement.customer_id)
            if before is None or before.order < placement.order:
                now[placement.customer_id] = placement
        for customer, placement in sorted(now.items()):
            before = last.get(customer)
            was = None if before is None else before.shown
            for segment, name in sorted(self._subscribed):
                if placement.shown == segment != was:
                    message = json.dumps(self._message(placement, was))
                    values = [placement.placement_id, name, message]
                    self._store.run("INSERT INTO outbox VALUES (?, ?, ?, 0, 'waiting')", values)

    def _message(self, placement: Placement, was: int | None) -> dict[str, Any]:
        return {
            "key": placement.placement_id,
            "customer_id": placement.customer_id,
            "as_of": placement.as_of.isoformat(),
            "segment_id": placement.shown,
            "segment": None if placement.shown is None else self._name_of(placement.shown),
            "was": None if was is None else self._name_of(was),
            "event_id": placement.event_id,
            "late": placement.late,
        }

    def deliver(self) -> None:
        """Call the hooks with what waits for them, in order; a hook that fails is tried again after the next batch."""
        if self._delivering:
            return  # a hook that applies events itself
        self._delivering = True
        try:
            rows = self._store.run(
                "SELECT placement_id, hook, payload, attempts FROM outbox WHERE state = 'waiting' ORDER BY placement_id"
            )
            failed: set[str] = set()
            for number, name, payload, attempts in rows:
                if name in self._hooks and name not in failed:
                    state = "delivered"
                    try:
                        self._hooks[name](json.loads(payload))
                    except (
                        Exception
                    ):  # whatever a hook raises; it is counted, and the batch is written already
                        state = "waiting" if attempts + 1 < MOST_ATTEMPTS else "parked"
                        failed.add(name)
                    self._store.run(
                        "UPDATE outbox SET state = ?, attempts = attempts + 1 WHERE placement_id = ? AND hook = ?",
                        [state, number, name],
                    )
        finally:
            self._delivering = False

    def counts(self) -> pd.DataFrame:
        """Count the messages by hook and state."""
        rows = self._store.run(
            "SELECT hook, state, count(*) FROM outbox GROUP BY hook, state ORDER BY hook, state"
        )
        return pd.DataFrame(rows, columns=["hook", "state", "messages"])
