"""Events: a log of behaviour as one lazy table with standard column names."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
import pandas as pd

from segkit.collect.consent import Consent
from segkit.collect.sentiment import Scorer
from segkit.collect.sources.ibis_tables import check_one_engine
from segkit.core.checks import check_count, check_type
from segkit.core.engine.connection import asked_once, locked_engine, run_with_progress, table_of
from segkit.core.engine.dialects import dialect_of
from segkit.core.engine.event_cache import cached
from segkit.core.html import html_table, render
from segkit.core.messages import counted, refusals
from segkit.core.schema import STANDARD, TYPE_OF

if TYPE_CHECKING:
    import ibis.expr.types as ir

_SHOWN = "<p><b>Events</b> from {{ sources }}: {{ words }}</p>{{ kinds }}{{ refused }}"


@dataclass(frozen=True, eq=False)
class Events:
    """A log of events, with its sources and the rows that were refused.

    Made by :func:`read_events`. ``+`` joins two logs of the same `timezone`, and keeps all events of both: one that is
    in both counts twice, also where its `event_id` says so, and :func:`check_events` reports it. Read the files
    together, ``read_events([…], event_id=…)``, to count it once.

    Attributes
    ----------
    table : ibis Table
        One row an event, with the standard column names; `timestamp` is UTC without a zone. Lazy: nothing is
        computed until it is needed.
    refused : DataFrame
        Rows that could not be used: columns `reason`, `count` and `example`. The rows of `table` and the sum of
        `count` are all rows of the source.
    sources : tuple of str
        The files, tables or frames.
    timezone : str
        The shop's zone: hours and weekdays of an event without a `zone` of its own are counted in it. Timestamps stay
        UTC, so ``dataclasses.replace(events, timezone="Europe/London")`` moves none of them.
    consent : Consent, optional
        Who may be looked at, for which purpose; set by :func:`with_consent`.
    scorer : Scorer or None
        What scored the sentiment of the texts, where :func:`read_events` did; live segments score new texts by it too.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> orders = pd.DataFrame({"who": ["ada", "ada", None], "when": ["2024-01-01", "2024-01-11", "2024-01-12"]})
    >>> events = sg.read_events(orders, kind="purchase", customer_id="who", timestamp="when")
    >>> events
    Events: 2 events of 1 customer, 2024-01-01 to 2024-01-11 (purchase 2); 1 row refused: customer_id missing
    >>> events.refused
                    reason  count                     example
    0  customer_id missing      1  timestamp=2024-01-12
    """

    table: ir.Table
    refused: pd.DataFrame = field(repr=False)
    sources: tuple[str, ...] = ()
    timezone: str = "UTC"
    consent: Consent | None = field(default=None, repr=False)
    scorer: Scorer | None = field(default=None, repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The standard columns that these events have."""
        return tuple(self.table.columns)

    def kinds(self) -> pd.Series:
        """Count the events of each kind.

        Returns
        -------
        Series of int
            Number of events, indexed by `kind`, the most frequent first.
        """
        return self._by_kind.set_index("kind")["n"].astype("int64").rename("events")

    def describe(self) -> pd.DataFrame:
        """Summarise the events of each kind.

        Returns
        -------
        DataFrame of shape (n_kinds, 6 or 7)
            Indexed by `kind`: number of `events`, `customers`, `orders` (where order ids are known), `first` and
            `last` timestamp (UTC), total `amount` (where known) and `repeats`: lines equal to an earlier line in
            every column but `event_id`.
        """
        return self._summary.copy()

    @asked_once
    def _summary(self) -> pd.DataFrame:
        t = self.table
        numbers = {"events": t.count(), "customers": t.customer_id.nunique()}
        if "order_id" in self.columns:
            numbers["orders"] = t.order_id.nunique()
        numbers |= {"first": t.timestamp.min(), "last": t.timestamp.max()}
        if "amount" in self.columns:
            numbers["amount"] = t.amount.sum()
        by_kind = t.group_by("kind").agg(**numbers).order_by("kind")
        summary = run_with_progress(by_kind, by_kind.to_pandas, "Describing events").set_index("kind")
        t = t.drop("event_id") if "event_id" in self.columns else t
        if dialect_of(t) == "duckdb":
            lines = t.select("kind", line=ibis.struct({c: t[c] for c in t.columns}).hash())
            different = lines.group_by("kind").agg(different=lines.line.nunique())
        else:  # the hashes of other engines are too short to tell lines apart
            lines = t.distinct()
            different = lines.group_by("kind").agg(different=lines.count())
        lines_of = run_with_progress(different, different.to_pandas, "Describing events")
        if "amount" in summary:  # no currency has more than three decimals
            summary["amount"] = summary["amount"].round(3)
        summary["repeats"] = summary["events"] - lines_of.set_index("kind")["different"]
        return summary

    @asked_once
    def _by_kind(self) -> pd.DataFrame:
        """Number, first and last time of the events of each kind, the most frequent first: one quick pass, kept."""
        t = self.table
        by_kind = t.group_by("kind").agg(n=t.count(), first=t.timestamp.min(), last=t.timestamp.max())
        found = run_with_progress(by_kind, by_kind.to_pandas, "")
        return found.sort_values(["n", "kind"], ascending=[False, True], ignore_index=True)

    @asked_once
    def _n_customers(self) -> int:
        number = self.table.agg(n=self.table.customer_id.nunique())
        return int(run_with_progress(number, number.to_pandas, "Counting customers").loc[0, "n"])

    @property
    def first(self) -> pd.Timestamp:
        """Time of the earliest event, in UTC."""
        return pd.Timestamp(self._by_kind["first"].min())

    @property
    def last(self) -> pd.Timestamp:
        """Time of the latest event, in UTC."""
        return pd.Timestamp(self._by_kind["last"].max())

    @locked_engine
    def sample(self, n_customers: int, *, random_state: int = 0) -> Events:
        """Return all events of a random sample of customers, to try things out quickly.

        Parameters
        ----------
        n_customers : int
            Size of the sample; all customers if there are no more.
        random_state : int, default=0
            The same seed draws the same customers, in any order of rows.

        Returns
        -------
        Events
            With the same refused rows.

        Raises
        ------
        ValueError
            If `n_customers` is not 1 or more.
        """
        check_count("n_customers", n_customers, 1)
        ids = self.table.select("customer_id").distinct().order_by("customer_id")
        ids = run_with_progress(ids, ids.to_pyarrow, "Drawing customers")
        drawn = np.random.default_rng(random_state).choice(
            len(ids), min(int(n_customers), len(ids)), replace=False
        )
        chosen = ids.take(np.sort(drawn))
        here = dialect_of(self.table) == "duckdb"
        some = table_of(chosen) if here else ibis.memtable(chosen)
        return replace(self, table=self.table.semi_join(some, "customer_id"))

    @locked_engine
    def cache(self) -> Events:
        """Compute the log now and store it sorted by customer, so that later queries are faster.

        Worth it for repeated queries of millions of events: features again and again, snapshots, a scoreboard. It costs
        about as much as thirty features of the file once; features then take two thirds of the time. Results are the
        same.

        Returns
        -------
        Events
            The same events and refused rows, stored compressed in a file in a temporary folder of this process, which
            only this user can read. The file is deleted when the log is no longer used and when Python ends, but not if
            Python is killed. Other engines, such as Spark, cache events in their own way.

        Raises
        ------
        OSError
            If the log cannot be written, as on a full disk. Nothing is left behind.

        Examples
        --------
        >>> import segkit as sg
        >>> from segkit.datasets import make_events
        >>> events = make_events(50, kinds="purchase")[0].cache()
        >>> sg.customer_features(events, sg.RFM, as_of="2025-01-01").shape
        (50, 4)
        """
        return replace(self, table=cached(self.table))

    def __add__(self, other: Events) -> Events:
        if not isinstance(other, Events):
            return NotImplemented
        check_one_engine(self.table, other.table)
        if self.timezone != other.timezone:
            raise ValueError(
                f"The two logs have different time zones, {self.timezone!r} and {other.timezone!r}, and a log has one "
                "zone, in which hours and weekdays are counted. Timestamps are UTC in both, so choose one: "
                f"events + dataclasses.replace(more_events, timezone={self.timezone!r}). Events with a zone of their "
                "own, in the column zone, keep it."
            )
        if self.consent is not other.consent:
            raise ValueError(
                "The customers of the two logs consent to different things. Join the logs first, and ask for consent "
                "then: with_consent(events + more_events, consent)."
            )
        columns = [c for c in STANDARD if c in self.columns or c in other.columns]
        tables = []
        for part in (self.table, other.table):
            known = {c: part[c] if c in part.columns else ibis.null() for c in columns}
            tables.append(part.select(**{c: known[c].cast(TYPE_OF[STANDARD[c]]) for c in columns}))
        refused = pd.concat([self.refused, other.refused], ignore_index=True)
        refused = refused.groupby("reason", sort=False).agg(
            count=("count", "sum"), example=("example", "first")
        )
        return Events(
            ibis.union(*tables),
            refused.reset_index()[["reason", "count", "example"]],
            self.sources + other.sources,
            self.timezone,
            self.consent,
            _common_scorer(self, other),
        )

    def __copy__(self) -> Events:
        return self  # frozen

    def __deepcopy__(self, _memo: dict) -> Events:
        return self

    def __reduce_ex__(self, _protocol: Any) -> Any:
        raise TypeError(
            "Events cannot be pickled or sent to another process: they are a query of this process's database. Send "
            "the path of the source, or the table events.table.to_pandas(), and call read_events there."
        )

    def __repr__(self) -> str:
        return f"Events: {self._in_words()}"

    def _in_words(self) -> str:
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in self.kinds().items())
        if not kinds:
            return f"no events; {refusals(self.refused_reasons())}"
        return (
            f"{counted(int(self.kinds().sum()), 'event')} of {counted(self._n_customers, 'customer')}, "
            f"{self.first:%Y-%m-%d} to {self.last:%Y-%m-%d} ({kinds}); {refusals(self.refused_reasons())}"
        )

    def refused_reasons(self) -> dict[str, int]:
        """Count the refused rows by reason, the most frequent first."""
        counts = self.refused.set_index("reason")["count"].sort_values(ascending=False, kind="stable")
        return {str(reason): int(n) for reason, n in counts.items()}

    def _repr_html_(self) -> str:
        kinds = [(kind, f"{n:,}") for kind, n in self.kinds().items()]
        refused = [
            (r.reason, f"{n:,}", r.example)
            for r, n in zip(self.refused.itertuples(), self.refused["count"], strict=True)
        ]
        return render(
            _SHOWN,
            sources=", ".join(self.sources),
            words=self._in_words(),
            kinds=html_table(["kind", "events"], kinds),
            refused=html_table(["refused because", "rows", "for example"], refused, text=(0, 2))
            if refused
            else "",
        )


def checked_events(events: Any) -> Events:
    """Check that an argument holds events, and return it.

    Raises
    ------
    TypeError
    """
    check_type("events", events, Events, "They should be Events, as from read_events(…).")
    return events


def _common_scorer(*logs: Events) -> Scorer | None:
    """Return what scored all texts of some logs; None where they were scored differently."""
    scorers = [log.scorer for log in logs if "text" in log.columns]
    known = {None if scorer is None else (scorer.name, scorer.language) for scorer in scorers}
    return scorers[0] if len(known) == 1 else None
