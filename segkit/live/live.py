"""Apply events as they arrive, and sweep for what time alone moves."""

from __future__ import annotations

import getpass
import warnings
from collections.abc import Iterable, Iterator

import pandas as pd

from segkit.collect.consent import Consent, read_consent
from segkit.collect.values import LONGEST_ID
from segkit.core.checks import check_type
from segkit.core.messages import listed
from segkit.core.moments import read_moment
from segkit.create.segmentation import Segmentation
from segkit.live.arriving import LONGEST_TEXT
from segkit.live.kept import drop_result, keep_result
from segkit.live.live_answers import LiveAnswers
from segkit.live.live_folder import in_turn
from segkit.live.live_hooks import LiveHooks
from segkit.live.placing import INSTANT, Asked, answers
from segkit.live.store import COLUMNS
from segkit.tailor.audiences.customer_ids import customer_ids


class Live(LiveAnswers, LiveHooks):
    """Segments that are current, in a folder; made by :func:`live_segments`.

    Notes
    -----
    *Moments.* A customer is placed as of a microsecond after the last of its events, so that the event itself counts.
    No clock is read: the same events give the same placements, in whichever batches they come.

    *All or nothing.* What follows from a batch is written in one transaction. A batch that is delivered again, in part
    or as a whole, appends nothing and places nobody twice.

    *Late events.* A customer was placed for a moment after the event already: its placements after the event are
    computed again, and those that differ are written beside the old ones, with `late` true.

    *Columns.* Features see the columns that the log had when the folder was begun. Other standard columns of new events
    are kept in the log.

    *Sentiment.* Where the log was read with a scorer, as by ``read_events(…, sentiment="vader", language="en")``, the
    texts of new events are scored by it too.
    """

    def begin(self) -> None:
        """Place every customer as of a microsecond after the last event, within the transaction of a new folder."""
        (last,) = self._store.run("SELECT max(timestamp) FROM log")[0]
        moment = pd.Timestamp(last) + INSTANT
        rows = self._store.run("SELECT DISTINCT customer_id FROM log ORDER BY customer_id")
        said = self._placer.said([name for (name,) in rows], moment)
        self._history.add(
            [self._placer.placement(Asked(name, moment, None), answer, None) for name, answer in said]
        )

    @in_turn
    def apply(self, new_events: pd.DataFrame, *, as_of: str | pd.Timestamp | None = None) -> pd.DataFrame:
        """Append events to the log, and place their customers.

        Parameters
        ----------
        new_events : DataFrame
            Columns `event_id`, `customer_id`, `timestamp`, `kind`, and any other standard column, read as by
            :func:`segkit.read_events`. Kinds may be unknown. A row that cannot be used is counted in :attr:`refused`,
            also one without `event_id`, since nobody could see that it was delivered twice, and one with a text of more
            than 100,000 characters.
        as_of : str or Timestamp, optional
            The present moment; events at or after it wait, and count in the first batch or sweep after their moment. By
            default a microsecond after the last of these events, so that none waits.

        Returns
        -------
        DataFrame
            A row for each new placement: `customer_id`; `as_of`, its moment; `segment_id` and `confidence`, what the
            batch says at that moment; `segment`, the name that is shown, perhaps a correction's; `was`, the segment
            shown before, missing for a new customer; `event_id`, the event that caused it; `late`, whether it
            corrects an older placement. ``.attrs["segkit"]`` counts the `events`, and those `appended`, `repeated` and
            `refused`, and all that are `waiting`.

        Raises
        ------
        TypeError, ValueError
            If it is no DataFrame, has a standard column twice, or `as_of` is no moment.
        """
        moment = None if as_of is None else read_moment(as_of)
        self._warn_of_unused(new_events)
        events, refused = self._arrivals.read(self._store.connection, new_events)
        if moment is None and len(events):
            moment = events["timestamp"].to_pandas().max() + INSTANT
        appended = repeated = 0
        if moment is not None:
            events, without = self._consenting.split(events, moment)
            refused = refused + without
        with self._batch() as placed:
            self._refuse(refused)
            if moment is not None:
                fresh, repeated = self._store.append(events)
                appended = len(fresh)
                placed += self._placer.place(self._store.take_due(fresh, moment))
        counts = {
            "appended": appended,
            "repeated": repeated,
            "refused": len(refused),
            "waiting": self.waiting,
        }
        return self._told(placed, events=len(new_events), **counts)

    @in_turn
    def sweep(self, *, as_of: str | pd.Timestamp | None = None) -> pd.DataFrame:
        """Place every customer whom time alone has moved.

        Parameters
        ----------
        as_of : str or Timestamp
            The moment; needed. Events that waited for it count now.

        Returns
        -------
        DataFrame
            As from :meth:`apply`: exactly the customers of whom the batch says another segment at `as_of` than their
            last placement says. Customers without any event in the window have none: their `segment_id` is missing.
            Customers who were placed for a later moment already are left out.

        Raises
        ------
        TypeError, ValueError
            If `as_of` is missing, or no moment.
        """
        moment = read_moment(as_of)
        self._erase(self._consenting.ended(moment))
        with self._batch() as waited:
            waited += self._placer.place(self._store.take_due([], moment))
        with self._store.on_all_cores(), self._batch() as moved:
            moved += self._placer.moved(moment)
        return self._told([*waited, *moved], waiting=self.waiting)

    @in_turn
    def correct(
        self,
        customer: str,
        segment: int | str | None,
        why: str,
        *,
        who: str | None = None,
        as_of: str | pd.Timestamp | None = None,
    ) -> pd.DataFrame:
        """Correct the segment that is shown of a customer, until the next correction.

        The model's answer stays beside it, in `segment_id`. A correction is an event of kind "correction" with its
        reason, in :meth:`corrections`; no feature counts it, since it is nothing that the customer did.

        Parameters
        ----------
        customer : str
            Its id.
        segment : int, str or None
            The id or name of the segment to show; None to show the model's answer again.
        why : str
            The reason, for those who look at it later, in at most 100,000 characters.
        who : str, optional
            Who corrects, in at most 256 characters; by default the user of this computer.
        as_of : str or Timestamp, optional
            From which moment on; by default that of the customer's last placement, and not before it.

        Returns
        -------
        DataFrame of shape (1, 8)
            As from :meth:`apply`.

        Raises
        ------
        TypeError, ValueError
            If there is no such customer or segment, no reason or one that is too long, or the customer was placed later
            than `as_of`.
        """
        last = self._known(customer)
        chosen = None if segment is None else self._result.segment_id(segment)
        _check_words("why", why, LONGEST_TEXT)
        by = getpass.getuser() if who is None else who
        _check_words("who", by, LONGEST_ID)
        if not why.strip():
            raise ValueError("why is empty. Say the reason: others will ask why the model was overruled.")
        moment = last.as_of if as_of is None else read_moment(as_of)
        if moment < last.as_of:
            raise ValueError(
                f"as_of={moment} is before the last placement of {customer!r}, as of {last.as_of}. Leave as_of out, or "
                "choose a later moment."
            )
        with self._batch() as placed:
            correction = self._history.correct(customer, moment, chosen, why, by)
            answer = answers(self._result, self._reader, [(customer, moment)])[customer, moment]
            placed.append(
                self._placer.placement(Asked(customer, moment, correction.event_id), answer, last.shown)
            )
        return self._told(placed)

    @in_turn
    def holds(self, customers: Iterable[str]) -> set[str]:
        """Return which of some customers, by their ids, have an event, a placement or a correction in the folder."""
        return self._store.holds(_ids(customers))

    @in_turn
    def erase(self, customers: Iterable[str], *, result: Segmentation | None = None) -> int:
        """Erase customers from the folder: their events, placements, corrections, messages and refused rows.

        The file is written anew, so that no byte of them is left in it. Events of theirs that come later are read as
        those of new customers. :func:`segkit.erase` calls this, and erases them from everything else.

        Parameters
        ----------
        customers : iterable of str
            Their ids; those of nobody are passed over.
        result : Segmentation, optional
            The segments without them, which place customers from now on. Placements so far stay; the next
            :meth:`sweep` places whom the new segments place elsewhere. Without it, the segmentation that the folder
            keeps is removed if it holds one of them, and ``segkit serve`` cannot open the folder any more.

        Returns
        -------
        int
            Number of rows that were erased.

        Raises
        ------
        TypeError, ValueError
            If these are no ids, or `result` is no Segmentation, or of other features. Nothing is erased then.
        """
        ids = _ids(customers)
        if result is not None:
            check_type("result", result, Segmentation, "It should be the Segmentation without the customers.")
            if list(result.customers.columns) != list(self._result.customers.columns):
                raise ValueError(
                    f"These segments are made from {listed(result.customers.columns, 5)}, and those of the folder from "
                    f"{listed(self._result.customers.columns, 5)}. Pass those that sg.erase(…) returns."
                )
        number = self._erase(ids, None if result is None else result.hash)
        if result is not None:
            self._result = result
            keep_result(self._store, result)
        return number

    def _erase(self, customers: list[str], segmentation: str | None = None) -> int:
        if not customers and segmentation is None:
            return 0
        if not self._result.customers.index.astype("str").intersection(customers).empty:
            drop_result(self._store.folder)  # it holds them; first, since a crash would leave it for good
        try:
            number = self._store.erase(customers, segmentation)
        finally:
            self._read()
        self._watchers.tell(self._table([], erased=number))
        return number

    @in_turn
    def use_consent(
        self,
        consent: pd.DataFrame | Consent,
        *,
        purpose: str = "segmentation",
        as_of: str | pd.Timestamp | None = None,
    ) -> int:
        """Keep only customers who consent, from now on: in place of the consent of before.

        Events without consent are refused and counted; of what is refused no example is kept any more. Whoever does
        not consent at present is erased from the folder, and so is at each :meth:`sweep` whoever does not any
        longer.

        Parameters
        ----------
        consent : DataFrame or Consent
            As for :func:`segkit.with_consent`, or that of its result, ``events.consent``.
        purpose : str, default="segmentation"
            Not looked at for a Consent, which has one.
        as_of : str or Timestamp, optional
            The present moment; by default a microsecond after the last event, or that of the Consent.

        Returns
        -------
        int
            Number of rows that were erased.

        Raises
        ------
        TypeError, ValueError
            As by :func:`segkit.with_consent`; or if the features are for another purpose.
        """
        if not isinstance(consent, Consent):
            if as_of is None:
                (last,) = self._store.run("SELECT max(timestamp) FROM log")[0]
                if last is None:
                    raise ValueError("The log has no events, so no present moment. Pass as_of.")
                as_of = pd.Timestamp(last) + INSTANT
            consent = read_consent(consent, purpose, read_moment(as_of))
        consent.check_purposes((feature.name, feature.purpose) for feature in self._features)
        with self._store.transaction():
            self._consenting.write(consent)
        return self._erase(self._consenting.ended(consent.as_of if as_of is None else read_moment(as_of)))

    def _warn_of_unused(self, new_events: pd.DataFrame) -> None:
        """Warn once of each column that features could use if the folder were begun with it."""
        columns = getattr(new_events, "columns", ())
        unused = {name for name in COLUMNS if name in columns} - set(self._columns) - self._unused
        if unused:
            self._unused |= unused
            warnings.warn(
                f"The log had no column {listed(sorted(map(repr, unused)))} when the folder was begun, so no feature "
                "uses it. It is kept in the log; begin a new folder with live.events() and these events to use it.",
                stacklevel=4,
            )


def _ids(customers: Iterable[str]) -> list[str]:
    """Return ids as text."""
    _, text = customer_ids(list(customers) if isinstance(customers, Iterator) else customers, "customers")
    return list(text)


def _check_words(name: str, value: str, most: int) -> None:
    check_type(name, value, str, "It should be text.")
    if len(value) > most:
        raise ValueError(f"{name} has {len(value):,} characters. Say it in at most {most:,}.")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError(f"{name} has half a character, which cannot be kept. Write it again.")
