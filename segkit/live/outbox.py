"""Keep who is to be told that a customer enters a segment: noted in the batch's transaction, delivered after it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pandas as pd

from segkit.live.courier import MOST_ATTEMPTS, Courier
from segkit.live.hooks import Hook, Message
from segkit.live.placing import Placement
from segkit.live.store import Store

AT_ONCE = 100  # messages that a courier reads at a time


class Outbox:
    """Messages to hooks, in a store, with a courier for each hook."""

    def __init__(self, store: Store, name_of: Callable[[int], str]):
        self._store, self._name_of = store, name_of
        self._couriers: dict[str, Courier] = {}
        self._subscribed: set[tuple[int, str]] = set(store.run("SELECT segment_id, hook FROM hooks"))

    def subscribe(self, segment: int, name: str, hook: Hook, timeout: float) -> None:
        """Add a hook, or the function of one that the store knows, and deliver what waits for it."""
        if (segment, name) not in self._subscribed:
            self._store.run("INSERT INTO hooks VALUES (?, ?)", [segment, name])
            self._subscribed.add((segment, name))
        if name in self._couriers:
            courier = self._couriers[name]
            courier.hook, courier.timeout = hook, timeout
        else:
            courier = self._couriers[name] = Courier(self, name, hook, timeout)
        courier.hurry()

    def names(self, segment: int) -> list[str]:
        """Return the names of the hooks that are subscribed to a segment."""
        return sorted(name for number, name in self._subscribed if number == segment)

    def unsubscribe(self, segment: int, name: str) -> None:
        """End a subscription; messages that wait stay."""
        self._store.run("DELETE FROM hooks WHERE segment_id = ? AND hook = ?", [segment, name])
        self._subscribed.discard((segment, name))
        if name in self._couriers:
            self._couriers.pop(name).end()

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
                    message = json.dumps(self._message(placement, was, name))
                    values = [placement.placement_id, name, message]
                    self._store.run("INSERT INTO outbox VALUES (?, ?, ?, 0, 'waiting', NULL)", values)

    def _message(self, placement: Placement, was: int | None, hook: str) -> Message:
        said = {
            "customer_id": placement.customer_id,
            "as_of": placement.as_of.isoformat(),
            "segment_id": placement.shown,
            "segment": None if placement.shown is None else self._name_of(placement.shown),
            "was": None if was is None else self._name_of(was),
            "event_id": placement.event_id,
            "late": placement.late,
        }
        # of all that is said: a receiver of several folders or hooks takes no message for another
        unique = json.dumps([placement.placement_id, hook, said])
        return {"key": hashlib.sha256(unique.encode()).hexdigest()[:32], **said}

    def waiting(self, hook: str) -> list[tuple[int, Message]]:
        """Return the next messages of a hook with their number, in order; none when the store is closed."""
        with self._store.turn:
            if self._store.closed:
                return []
            rows = self._store.run(
                "SELECT placement_id, payload FROM outbox WHERE state = 'waiting' AND hook = ? "
                f"ORDER BY placement_id LIMIT {AT_ONCE}",
                [hook],
            )
        return [(number, json.loads(payload)) for number, payload in rows]

    def tried(self, hook: str, number: int, error: str | None) -> int:
        """Keep how an attempt went, park the message after the last one, and return how many there were."""
        with self._store.turn:
            if self._store.closed:
                return MOST_ATTEMPTS
            (attempts,) = self._store.run(
                "UPDATE outbox SET attempts = attempts + 1, error = $1::VARCHAR, state = CASE WHEN $1::VARCHAR IS NULL "
                "THEN 'delivered' WHEN attempts + 1 < $2 THEN 'waiting' ELSE 'parked' END "
                "WHERE placement_id = $3 AND hook = $4 RETURNING attempts",
                [error, MOST_ATTEMPTS, number, hook],
            )[0]
        return int(attempts)

    def retry_parked(self) -> int:
        """Let the parked messages wait again, and return how many there were."""
        parked = self._store.run(
            "UPDATE outbox SET state = 'waiting', attempts = 0 WHERE state = 'parked' RETURNING placement_id"
        )
        for courier in self._couriers.values():
            courier.hurry()
        return len(parked)

    def wake(self) -> None:
        """Let the couriers deliver what a batch has noted."""
        for courier in self._couriers.values():
            courier.wake()

    def deliver(self) -> None:
        """Call each hook with what waits for it, now and in this thread."""
        for courier in list(self._couriers.values()):
            courier.deliver()

    def close(self) -> None:
        """End the couriers after what they are at; call it without the turn, which they need."""
        for courier in self._couriers.values():
            courier.end()
        for courier in self._couriers.values():
            courier.join()

    def counts(self) -> pd.DataFrame:
        """Count the messages by hook and state, with the last error."""
        rows = self._store.run(
            "SELECT hook, state, count(*), arg_max(error, placement_id) FROM outbox GROUP BY hook, state "
            "ORDER BY hook, state"
        )
        frame = pd.DataFrame(rows, columns=["hook", "state", "messages", "error"])
        return frame.astype({"hook": "str", "state": "str", "messages": "int64", "error": "str"})
