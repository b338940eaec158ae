"""Say what caused each placement of a customer: an event, a correction, or time alone."""

from __future__ import annotations

from typing import Any

import pandas as pd

from segkit.live.context import SHOWN, first_words
from segkit.live.history import Correction
from segkit.live.store import Store

_PLACED = ["as_of", "segment_id", "segment", "confidence", "was", "late"]
_CAUSE = {
    "cause": "str",
    "event_id": "str",
    "timestamp": "datetime64[us]",
    "kind": "str",
    "rating": "float64",
    "sentiment": "float64",
    "text": "str",
    "who": "str",
}


def trail_of(store: Store, placed: pd.DataFrame, corrections: list[Correction]) -> pd.DataFrame:
    """Return the placements of one customer with their causes, in the order in which they were written."""
    ids = [event_id for event_id in placed["event_id"] if pd.notna(event_id)]
    rows = store.run(
        f"SELECT event_id, timestamp, kind, rating, sentiment, left(text, {10 * SHOWN}) FROM log "
        "WHERE customer_id = ? AND event_id IN (SELECT unnest(?::VARCHAR[]))",
        [placed["customer_id"].iloc[0], ids],
    )
    events: dict[str, tuple[Any, ...]] = {
        event_id: ("event", event_id, timestamp, kind, rating, sentiment, first_words(text), None)
        for event_id, timestamp, kind, rating, sentiment, text in rows
    }
    causes = events | {
        c.event_id: (
            "correction",
            c.event_id,
            c.as_of,
            "correction",
            None,
            None,
            first_words(c.why),
            c.who,
        )
        for c in corrections
    }
    nothing = (None,) * (len(_CAUSE) - 1)
    found = [
        causes[event_id] if pd.notna(event_id) else ("time" if i else "begin", *nothing)
        for i, event_id in enumerate(placed["event_id"])
    ]
    table = pd.DataFrame(found, columns=list(_CAUSE)).astype(_CAUSE)
    return pd.concat([placed[_PLACED], table], axis=1)
