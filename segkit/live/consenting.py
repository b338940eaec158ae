"""Keep, in a store, who consents to what live segments are for, and refuse events without consent."""

from __future__ import annotations

import hashlib

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from segkit.collect.consent import Consent
from segkit.live.store import Refusal, Store

_HOLDS = "begins <= $moment AND $moment < ends"


class Consenting:
    """The consent that a store keeps; without any, all events may come."""

    def __init__(self, store: Store):
        self._store = store
        rows = store.run("SELECT purpose, as_of FROM purposes")
        self._purpose, self._present = rows[0] if rows else (None, None)

    @property
    def needed(self) -> bool:
        """Whether only customers who consent may come."""
        return self._purpose is not None

    def write(self, consent: Consent) -> None:
        """Put consent in the place of that of before, within a transaction."""
        spans = pa.Table.from_pandas(consent.spans.reset_index(), preserve_index=False)
        self._store.run("UPDATE refused SET example = ''")  # it could name somebody who does not consent
        self._store.run("DELETE FROM consent")
        self._store.run("DELETE FROM purposes")
        self._store.insert("consent", spans)
        self._present = consent.as_of.to_pydatetime()
        self._store.run("INSERT INTO purposes VALUES (?, ?)", [consent.purpose, self._present])
        self._purpose = consent.purpose

    def ended(self, moment: pd.Timestamp) -> list[str]:
        """Return the customers of the log who do not consent at a moment, which is the present from now on."""
        if self._purpose is None:
            return []
        self._present = max(self._present, moment.to_pydatetime())
        self._store.run("UPDATE purposes SET as_of = ?", [self._present])
        rows = self._store.run(
            "SELECT DISTINCT customer_id FROM log WHERE customer_id NOT IN "
            f"(SELECT customer_id FROM consent WHERE {_HOLDS}) ORDER BY 1",
            {"moment": self._present},
        )
        return [text for (text,) in rows]

    def split(self, events: pa.Table, moment: pd.Timestamp) -> tuple[pa.Table, list[Refusal]]:
        """Return the events whose customers consented at their time and do now, and the others as refused rows.

        The key of a refused row is a hash, and it has no example: nothing is kept of who does not consent.
        """
        if self._purpose is None or not len(events):
            return events, []
        self._store.connection.register("came", events.append_column("line", pa.array(range(len(events)))))
        rows = self._store.run(
            "SELECT line FROM came WHERE customer_id IN (SELECT customer_id FROM consent WHERE "
            f"{_HOLDS}) AND EXISTS (SELECT 1 FROM consent WHERE consent.customer_id = came.customer_id AND "
            "came.timestamp >= begins AND came.timestamp < ends) ORDER BY line",
            {"moment": max(self._present, moment.to_pydatetime())},  # late events bring nobody back
        )
        self._store.connection.unregister("came")
        kept = events.take(pa.array([line for (line,) in rows], pa.int64()))
        gone = pc.invert(pc.is_in(events["event_id"], value_set=kept["event_id"].combine_chunks()))
        keys = [
            hashlib.sha256(text.encode()).hexdigest()[:32]
            for text in events["event_id"].filter(gone).to_pylist()
        ]
        return kept, [(key, f"no consent to {self._purpose}", "") for key in keys]
