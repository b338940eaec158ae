"""Apply events as they arrive, sweep for what time alone moves, and say what the batch says of a customer."""

from __future__ import annotations

import contextlib
import functools
import getpass
import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from segkit.analyse.features.feature import Feature
from segkit.collect.consent import Consent, read_consent
from segkit.collect.events import Events
from segkit.collect.sentiment import Scorer
from segkit.core.checks import check_type
from segkit.core.engine.connection import table_of
from segkit.core.messages import counted, did_you_mean, in_words, listed
from segkit.core.moments import read_moment
from segkit.create.segmentation import Segmentation
from segkit.live.arriving import Arrivals
from segkit.live.consenting import Consenting
from segkit.live.context import Context, context_table, contexts, visitors
from segkit.live.feature_reader import FeatureReader
from segkit.live.history import Correction, History
from segkit.live.hooks import Hook, url_hook
from segkit.live.kept import drop_result, keep_result
from segkit.live.outbox import Outbox
from segkit.live.placer import Placer
from segkit.live.placing import (
    INSTANT,
    Asked,
    CustomerAt,
    Placement,
    answers,
    answers_from,
    as_table,
    read_features,
)
from segkit.live.store import COLUMNS, EVENTS, Store
from segkit.live.trail import trail_of
from segkit.live.watching import Watcher, Watchers

T = TypeVar("T")
LONGEST_CALL = 3_600  # seconds


def _in_turn(method: Callable[..., T]) -> Callable[..., T]:
    """Let one thread at a time use the folder."""

    @functools.wraps(method)
    def alone(self: Live, *args: Any, **options: Any) -> T:
        with self._turn:
            if self._store.closed:
                raise ValueError(
                    f"{self._store.folder} is closed. Open it again: sg.live_segments(…, folder=…)."
                )
            return method(self, *args, **options)

    return alone


class Live:
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

    def begin(self) -> None:
        """Place every customer as of a microsecond after the last event, within the transaction of a new folder."""
        (last,) = self._store.run("SELECT max(timestamp) FROM log")[0]
        moment = pd.Timestamp(last) + INSTANT
        rows = self._store.run("SELECT DISTINCT customer_id FROM log ORDER BY customer_id")
        said = self._placer.said([name for (name,) in rows], moment)
        self._history.add(
            [self._placer.placement(Asked(name, moment, None), answer, None) for name, answer in said]
        )

    @_in_turn
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
            self._store.refuse(refused)
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

    @contextlib.contextmanager
    def _batch(self) -> Iterator[list[Placement]]:
        """Write the placements that the block appends to a list in one transaction, then tell the hooks."""
        with self._history.batch() as placed:
            yield placed
            self._outbox.note(placed, self._history.last)
        self._outbox.wake()

    @property
    def _placer(self) -> Placer:
        return Placer(self._result, self._reader, self._history)

    @_in_turn
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

    @_in_turn
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

    @_in_turn
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
        moment = max(p.as_of for p in last.values()) if as_of is None else read_moment(as_of)
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

    @_in_turn
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

    @_in_turn
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
            The reason, for those who look at it later.
        who : str, optional
            Who corrects; by default the user of this computer.
        as_of : str or Timestamp, optional
            From which moment on; by default that of the customer's last placement, and not before it.

        Returns
        -------
        DataFrame of shape (1, 8)
            As from :meth:`apply`.

        Raises
        ------
        TypeError, ValueError
            If there is no such customer or segment, no reason, or the customer was placed later than `as_of`.
        """
        last = self._known(customer)
        chosen = None if segment is None else self._result.segment_id(segment)
        check_type("why", why, str, "It should say the reason in words.")
        if not why.strip():
            raise ValueError("why is empty. Say the reason: others will ask why the model was overruled.")
        moment = last.as_of if as_of is None else read_moment(as_of)
        if moment < last.as_of:
            raise ValueError(
                f"as_of={moment} is before the last placement of {customer!r}, as of {last.as_of}. Leave as_of out, or "
                "choose a later moment."
            )
        with self._batch() as placed:
            by = getpass.getuser() if who is None else who
            correction = self._history.correct(customer, moment, chosen, why, by)
            answer = answers(self._result, self._reader, [(customer, moment)])[customer, moment]
            placed.append(
                self._placer.placement(Asked(customer, moment, correction.event_id), answer, last.shown)
            )
        return self._told(placed)

    @_in_turn
    def on_enter(
        self,
        segment: int | str,
        hook: Hook | str | None,
        *,
        name: str | None = None,
        timeout: float = 10.0,
        allow_network: bool = False,
    ) -> None:
        """Tell a function or a URL of each customer who enters a segment.

        What is to be told is written with the placement, in one transaction, and told afterwards, by a thread for each
        hook, in order and at least once: after a crash perhaps twice, with the same `key`. A hook that raises or takes
        too long is called again after 1, 5, 30 and 120 seconds; the message is then parked, and the next one comes. See
        :attr:`outbox`, :meth:`deliver` and :meth:`retry_parked`. The folder remembers hooks by name: what happens
        before the hook is passed again is told then.

        Parameters
        ----------
        segment : int or str
            The id or name of the segment that is shown, as in the column `segment`.
        hook : callable, str or None
            A function takes a dict with `key`, `customer_id`, `as_of`, `segment_id`, `segment`, `was`, `event_id` and
            `late`. To a URL the same is posted as JSON, with the header `Idempotency-Key`; any answer but 2xx is a
            failure, also a redirect. None ends the subscription of `name`.
        name : str, optional
            By which the folder knows the hook; by default the name of the function, or the URL.
        timeout : float, default=10.0
            Seconds that a call may take. A function that takes longer is left behind, and not called again until it has
            ended.
        allow_network : bool, default=False
            Whether a URL may lead to another computer.

        Raises
        ------
        TypeError, ValueError
            If there is no such segment; the hook is no function and no URL, has no name of its own, or leads to another
            computer without `allow_network`; or `timeout` is not above 0 and at most an hour.
        """
        chosen = self._result.segment_id(segment)
        called = name or (hook if isinstance(hook, str) else getattr(hook, "__qualname__", ""))
        if not called or (name is None and "<lambda>" in called):
            raise ValueError("The hook has no name by which the folder could know it again. Pass name='…'.")
        called = f"{called} on {chosen}"
        if hook is None:
            self._outbox.unsubscribe(chosen, called)
            return
        if (
            isinstance(timeout, bool)
            or not isinstance(timeout, int | float)
            or not 0 < timeout <= LONGEST_CALL
        ):
            raise ValueError(
                f"timeout={timeout!r}. It should be seconds, above 0 and at most {LONGEST_CALL:,}."
            )
        if isinstance(hook, str):
            hook = url_hook(hook, allow_network=allow_network, timeout=timeout)
        if not callable(hook):
            raise TypeError(f"hook is {in_words(hook)}. It should be a function that takes a dict, or a URL.")
        self._outbox.subscribe(chosen, called, hook, timeout)

    def deliver(self) -> pd.DataFrame:
        """Call the hooks with all that waits for them, without pauses, and return :attr:`outbox` afterwards.

        Each hook is called until it fails. Nothing needs this call; a script that ends, or a test, may.
        """
        self._outbox.deliver()
        return self.outbox

    @_in_turn
    def retry_parked(self) -> int:
        """Let all parked messages wait again, each for another five attempts, and return how many there were."""
        return self._outbox.retry_parked()

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call a function after each batch, sweep and correction, with what it returns.

        For screens and counters that may miss something; what must arrive goes through :meth:`on_enter`. It is called
        once all is written, in the thread of the batch, which waits for it: hand long work to another thread. Errors
        are warned of.

        Parameters
        ----------
        watcher : callable
            Takes the table that :meth:`apply`, :meth:`sweep` or :meth:`correct` returns, also one without rows.

        Returns
        -------
        callable
            Call it to stop.

        Raises
        ------
        TypeError
            If it is no function.
        """
        if not callable(watcher):
            raise TypeError(f"watcher is {in_words(watcher)}. It should be a function that takes a table.")
        return self._watchers.add(watcher)

    @_in_turn
    def holds(self, customers: Iterable[str]) -> set[str]:
        """Return which of some customers, by their ids, have an event, a placement or a correction in the folder."""
        return self._store.holds(customers)

    @_in_turn
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
            If `result` is no Segmentation, or of other features.
        """
        if result is not None:
            check_type("result", result, Segmentation, "It should be the Segmentation without the customers.")
            if list(result.customers.columns) != list(self._result.customers.columns):
                raise ValueError(
                    f"These segments are made from {listed(result.customers.columns, 5)}, and those of the folder from "
                    f"{listed(self._result.customers.columns, 5)}. Pass those that sg.erase(…) returns."
                )
        number = self._erase(customers, None if result is None else result.hash)
        if result is not None:
            self._result = result
            keep_result(self._store, result)
        return number

    def _erase(self, customers: Iterable[str], segmentation: str | None = None) -> int:
        customers = list(customers)
        if not customers and segmentation is None:
            return 0
        try:
            number = self._store.erase(customers, segmentation)
        finally:
            self._read()
        if not self._result.customers.index.astype("str").intersection(customers).empty:
            drop_result(self._store.folder)  # it holds them
        self._watchers.tell(self._table([], erased=number))
        return number

    @_in_turn
    def use_consent(
        self,
        consent: pd.DataFrame | Consent,
        *,
        purpose: str = "segmentation",
        as_of: str | pd.Timestamp | None = None,
    ) -> int:
        """Keep only customers who consent, from now on: in place of the consent of before.

        Events without consent are refused and counted. Whoever does not consent at present is erased from the folder,
        and so is at each :meth:`sweep` whoever does not any longer.

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
                as_of = pd.Timestamp(self._store.run("SELECT max(timestamp) FROM log")[0][0]) + INSTANT
            consent = read_consent(consent, purpose, read_moment(as_of))
        consent.check_purposes((feature.name, feature.purpose) for feature in self._features)
        with self._store.transaction():
            self._consenting.write(consent)
        return self._erase(self._consenting.ended(consent.as_of if as_of is None else read_moment(as_of)))

    @property
    def outbox(self) -> pd.DataFrame:
        """The messages to hooks: `hook`, `state` (waiting, delivered, parked), `messages` and the last `error`."""
        with self._turn:
            return self._outbox.counts()

    def _known(self, customer: str) -> Placement:
        check_type("customer", customer, str, "It should be the id of a customer, as text.")
        last = self._history.last
        if customer not in last:
            raise ValueError(
                f"There is no customer {customer!r} among the {len(last):,} of the log."
                f"{did_you_mean(customer, last)} Pass the id of one who has events."
            )
        return last[customer]

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

    @_in_turn
    def corrections(self) -> pd.DataFrame:
        """Return all corrections by moment: `event_id`, `customer_id`, `as_of`, `kind`, `segment`, `why`, `who`."""
        every = sorted(itertools.chain(*self._history.corrections.values()), key=lambda each: each.as_of)
        columns = ["event_id", "customer_id", "as_of", "kind", "segment", "why", "who"]
        return pd.DataFrame([self._described(each) for each in every], columns=columns)

    @_in_turn
    def current(self) -> pd.DataFrame:
        """Return the last placement of each customer, as from :meth:`apply`, in the order of their ids."""
        last = self._history.last
        return as_table([last[customer] for customer in sorted(last)], self._result.name_of)

    @_in_turn
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
        return read_features(self._reader, list(zip(placed["customer_id"], placed["as_of"], strict=True)))

    @_in_turn
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
        ids = placed["event_id"].dropna().tolist()
        kinds = self._store.run("SELECT event_id, kind FROM log WHERE event_id IN (SELECT unnest(?))", [ids])
        corrections = self._store.run(
            "SELECT event_id FROM corrections WHERE event_id IN (SELECT unnest(?))", [ids]
        )
        said = {**dict(kinds), **{name: "correction" for (name,) in corrections}}
        return placed["event_id"].map(lambda event_id: said.get(event_id, "time alone")).astype("str")

    @property
    def timezone(self) -> str:
        """The shop's zone, as in :func:`segkit.read_events`."""
        return str(self._timezone)

    @property
    def result(self) -> Segmentation:
        """The segments that customers are placed in."""
        return self._result

    @_in_turn
    def placements(self) -> pd.DataFrame:
        """Return all placements, as from :meth:`apply`, in the order in which they were written."""
        return self._table(self._history.all())

    @_in_turn
    def events(self) -> Events:
        """Return the log as events, in memory, for what works on all of it; events that wait are part of it."""
        rows = self._store.connection.sql(f"SELECT * FROM {EVENTS}").to_arrow_table()
        return Events(
            table_of(rows), self.refused, (str(self._store.folder),), self._timezone, scorer=self._scorer
        )

    @property
    def folder(self) -> Path:
        """Where the log is."""
        return self._store.folder

    @_in_turn
    def refuse(self, rows: list[tuple[str, str, str]]) -> None:
        """Count what could not be read as events in :attr:`refused`.

        Parameters
        ----------
        rows : list of (str, str, str)
            A key, the same when it comes again; the reason; an example.
        """
        with self._store.transaction():
            self._store.refuse(rows)

    @property
    def refused(self) -> pd.DataFrame:
        """The rows that could not be used: columns `reason`, `count` and `example`; equal rows are counted once."""
        with self._turn:
            rows = self._store.run(
                "SELECT reason, count(*), min(example) FROM refused GROUP BY reason ORDER BY 2 DESC, reason"
            )
        frame = pd.DataFrame(rows, columns=["reason", "count", "example"])
        return frame.astype({"reason": "str", "count": "int64", "example": "str"})

    @property
    def waiting(self) -> int:
        """The number of events whose moment has not come."""
        with self._turn:
            return int(self._store.run("SELECT count(*) FROM waiting")[0][0])

    def close(self) -> None:
        """Close the folder, so that another process may open it.

        Hooks first get what waits for them, for as long as one call may take.
        """
        self._outbox.close()
        with self._turn:
            self._store.close()

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        customers = counted(len(self._history.last), "customer")
        return (
            f"Live: {customers} in {counted(len(self._result.segments), 'segment')}, in {self._store.folder}"
        )

    def _told(self, placed: list[Placement], **counts: int) -> pd.DataFrame:
        """Return what was written as a table, after telling those who watch."""
        table = self._table(placed, **counts)
        self._watchers.tell(table)
        return table

    def _table(self, placed: list[Placement], **counts: int) -> pd.DataFrame:
        table = as_table(sorted(placed, key=lambda p: p.placement_id), self._result.name_of)
        table.attrs["segkit"] = counts
        return table

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
