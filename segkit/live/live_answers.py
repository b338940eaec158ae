"""Say where customers are, were and why, as the batch does: nothing here writes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pandas as pd

from segkit.collect.events import Events
from segkit.core.checks import check_type
from segkit.core.engine.connection import table_of
from segkit.core.moments import LATEST, read_moment
from segkit.live.context import Context, context_table, contexts, visitors
from segkit.live.history import Correction
from segkit.live.live_folder import LiveFolder, in_turn
from segkit.live.placing import CustomerAt, Placement, answers_from, as_table, read_features
from segkit.live.store import EVENTS
from segkit.live.trail import trail_of


class LiveAnswers(LiveFolder):
    """What :class:`Live` says of customers."""

    @in_turn
    def at(self, customer: str, *, as_of: str | pd.Timestamp | None = None) -> CustomerAt:
        """Return what the batch says of a customer at a moment: nothing is written.

        Parameters
        ----------
        customer : str
            Its id.
        as_of : str or Timestamp, optional
            The moment; by default that of the customer's last placement.

        Returns
        -------
        CustomerAt

        Raises
        ------
        TypeError, ValueError
            If there is no such customer, or `as_of` is no moment.
        """
        last = self._known(customer)
        moment = last.as_of if as_of is None else read_moment(as_of)
        pair = (customer, moment)
        features = read_features(self._reader, [pair])
        answer = answers_from(self._result, features, [pair])[pair]
        correction = self._history.correction(customer, moment)
        shown = self._history.shown(customer, moment, answer)
        return CustomerAt(
            customer,
            moment,
            answer.segment_id,
            None if shown is None else self._result.name_of(shown),
            answer.confidence,
            features.droplevel("as_of"),
            None if correction is None else self._described(correction),
            self._contexts([customer], moment)[0],
        )

    @in_turn
    def where(
        self,
        *,
        segment: int | str | None = None,
        in_shop: bool | None = None,
        looked_at: str | None = None,
        as_of: str | pd.Timestamp | None = None,
    ) -> pd.DataFrame:
        """Return the customers for whom all of some conditions hold at a moment: nothing is written.

        Parameters
        ----------
        segment : int or str, optional
            The id or name of the segment that is shown.
        in_shop : bool, optional
            Whether the customer is on a visit: a page view, search, cart addition or visit in the last 30 minutes.
        looked_at : str, optional
            A product, category or page, in any case, that such an event is of.
        as_of : str or Timestamp, optional
            The moment; by default that of the latest placement of any customer.

        Returns
        -------
        DataFrame
            A row for each customer, by id: `customer_id`, `as_of`; `segment_id`, `segment` and `confidence` as of
            :meth:`at`; `hour`, `place`, `device` and `channel`; `in_shop`, and what was done on the visit: `minutes`,
            `page_views`, `searches`, `cart_adds`, `ordered`, `categories`; the last `feedback`, its `text`, and the
            last known `sentiment`. See :class:`Context`.

        Raises
        ------
        TypeError, ValueError
            If there is no such segment, a condition is of another type, or `as_of` is no moment.
        """
        chosen = None if segment is None else self._result.segment_id(segment)
        if in_shop is not None:
            check_type("in_shop", in_shop, bool, "Say True, False, or leave it out.")
        if looked_at is not None:
            check_type(
                "looked_at", looked_at, str, "It should be a product, category or page, as in the log."
            )
        last = self._history.last
        latest = max((placed.as_of for placed in last.values()), default=LATEST)
        moment = latest if as_of is None else read_moment(as_of)
        wanted = sorted(last)
        if looked_at is not None:
            looked = visitors(self._store, moment, looked_at)
            wanted = [name for name in wanted if name in looked]
        if in_shop is not None:
            there = visitors(self._store, moment)
            wanted = [name for name in wanted if (name in there) == in_shop]
        placed = [
            Placement(-1, name, moment, answer, self._history.shown(name, moment, answer))
            for name, answer in self._placer.said(wanted, moment)
        ]
        placed = [each for each in placed if chosen is None or each.shown == chosen]
        table = as_table(placed, self._result.name_of).drop(columns=["was", "event_id", "late"])
        found = self._contexts([each.customer_id for each in placed], moment)
        return pd.concat([table, context_table(found)], axis=1)

    def _contexts(self, customers: list[str], moment: pd.Timestamp) -> list[Context]:
        """Return the contexts of customers, with the corrections that are shown."""
        found = contexts(self._store, customers, moment, self._timezone)
        corrections = [self._history.correction(name, moment) for name in customers]
        return [
            found[name] if correction is None else found[name].with_feedback(correction.as_feedback())
            for name, correction in zip(customers, corrections, strict=True)
        ]

    @in_turn
    def trail(self, customer: str) -> pd.DataFrame:
        """Return how a customer came into its segment: each placement with what caused it.

        Parameters
        ----------
        customer : str
            Its id.

        Returns
        -------
        DataFrame
            A row for each placement, in the order in which they were written: `as_of`, `segment_id`, `segment`,
            `confidence`, `was` and `late` as from :meth:`apply`; `cause`, which is "begin" of the folder, "event",
            "time" alone, or "correction"; and of the event or correction `event_id`, `timestamp`, `kind`, `rating`,
            `sentiment`, `text` (the first words, or the reason of a correction) and `who` corrected.

        Raises
        ------
        TypeError, ValueError
            If there is no such customer.
        """
        self._known(customer)
        placed = as_table(self._history.of(customer), self._result.name_of)
        return trail_of(self._store, placed, self._history.corrections.get(customer, []))

    @in_turn
    def current(self) -> pd.DataFrame:
        """Return the last placement of each customer, as from :meth:`apply`, in the order of their ids."""
        last = self._history.last
        return as_table([last[customer] for customer in sorted(last)], self._result.name_of)

    @in_turn
    def placements(self) -> pd.DataFrame:
        """Return all placements, as from :meth:`apply`, in the order in which they were written."""
        return self._table(self._history.all())

    @in_turn
    def corrections(self) -> pd.DataFrame:
        """Return all corrections by moment: `event_id`, `customer_id`, `as_of`, `kind`, `segment`, `why`, `who`."""
        every = sorted(self._all_corrections(), key=lambda each: each.as_of)
        columns = ["event_id", "customer_id", "as_of", "kind", "segment", "why", "who"]
        return pd.DataFrame([self._described(each) for each in every], columns=columns)

    def _all_corrections(self) -> Iterator[Correction]:
        return itertools.chain(*self._history.corrections.values())

    def _described(self, correction: Correction) -> dict[str, Any]:
        segment = correction.segment_id
        return {
            "event_id": correction.event_id,
            "customer_id": correction.customer_id,
            "as_of": correction.as_of,
            "kind": "correction",
            "segment": None if segment is None else self._result.name_of(segment),
            "why": correction.why,
            "who": correction.who,
        }

    @in_turn
    def features(self, placed: pd.DataFrame) -> pd.DataFrame:
        """Compute the features that placements follow from: nothing is written.

        Parameters
        ----------
        placed : DataFrame
            Columns `customer_id` and `as_of`, as from :meth:`apply` or :meth:`current`.

        Returns
        -------
        DataFrame of shape (n_rows, n_features)
            Indexed by `customer_id` and `as_of`; customers without an event before the moment have no row.
        """
        _check_columns(placed, ("customer_id", "as_of"))
        return read_features(self._reader, list(zip(placed["customer_id"], placed["as_of"], strict=True)))

    @in_turn
    def causes(self, placed: pd.DataFrame) -> pd.Series:
        """Say why customers were placed.

        Parameters
        ----------
        placed : DataFrame
            As from :meth:`apply`.

        Returns
        -------
        Series of str
            On its index: the kind of the event, such as "purchase"; "correction"; or "time alone".
        """
        _check_columns(placed, ("event_id",))
        ids = placed["event_id"].dropna().tolist()
        kinds = self._store.run("SELECT event_id, kind FROM log WHERE event_id IN (SELECT unnest(?))", [ids])
        said = dict(kinds) | dict.fromkeys((each.event_id for each in self._all_corrections()), "correction")
        causes = [said.get(event_id, "time alone") for event_id in placed["event_id"]]
        return pd.Series(causes, placed.index, dtype="str", name="event_id")

    @in_turn
    def events(self) -> Events:
        """Return the log as events, in memory, for what works on all of it; events that wait are part of it."""
        rows = self._store.connection.sql(f"SELECT * FROM {EVENTS}").to_arrow_table()
        return Events(
            table_of(rows), self.refused, (str(self._store.folder),), self._timezone, scorer=self._scorer
        )


def _check_columns(placed: pd.DataFrame, names: tuple[str, ...]) -> None:
    check_type("placed", placed, pd.DataFrame, "It should be a table of placements, as from live.current().")
    missing = [name for name in names if name not in placed]
    if missing:
        raise ValueError(f"placed has no column {missing[0]!r}. Pass placements, as from live.current().")
