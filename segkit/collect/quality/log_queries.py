"""The log as checks see it: a few passes in the engine, each made once and small when it arrives here."""

from __future__ import annotations

import functools
import operator
import zoneinfo
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import ibis
import pandas as pd

from segkit.collect.events import Events
from segkit.core.engine.connection import is_embedded, materialise, run_with_progress, table_of
from segkit.core.engine.dialects import dialect_of, local_time
from segkit.core.engine.rewrites import portable
from segkit.core.schema import TYPE_OF

if TYPE_CHECKING:
    import ibis.expr.types as ir

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Log:
    """Events, and what is asked of them more than once.

    Attributes
    ----------
    events : Events
    zone : str
        In which days, months and hours are counted.
    as_of : Timestamp or None
        The moment up to which there should be events, in UTC.
    births : Series or None
        Since when each customer is known, by customer.
    """

    events: Events
    zone: str
    as_of: pd.Timestamp | None = None
    births: pd.Series | None = None
    known: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def table(self) -> ir.Table:
        return self.events.table

    @property
    def columns(self) -> tuple[str, ...]:
        return self.events.columns

    @functools.cached_property
    def dialect(self) -> str:
        return dialect_of(self.table)

    def answer(self, query: ir.Table) -> pd.DataFrame:
        """Run a query and return its rows."""
        query = portable(query, self.dialect)
        return run_with_progress(query, query.to_pyarrow, "Checking events").to_pandas()

    def row(self, query: ir.Table) -> dict[str, Any]:
        """Run a query and return its first row, with None for what is missing."""
        first = self.answer(query).iloc[0]
        return {name: None if pd.isna(value) else value for name, value in first.items()}

    @functools.cached_property
    def is_own(self) -> bool:
        """Whether the events live in segkit's own engine."""
        return is_embedded(self.table)

    def held(self, query: ir.Table) -> ir.Table:
        """Return a computed copy of a query, where the events live in segkit's own engine."""
        return materialise(query, "Checking events") if self.is_own else query

    def beside(self, columns: dict[str, pd.Series]) -> ir.Table:
        """Return a few rows as a table that can be joined to the events."""
        import pyarrow as pa

        table = pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False)
        if self.is_own:
            return table_of(table)
        kinds = {
            name: TYPE_OF["time"] if pa.types.is_timestamp(kind.type) else "string"
            for name, kind in zip(table.column_names, table.schema, strict=True)
        }
        rows = [
            ibis.struct({name: ibis.literal(value, type=kinds[name]) for name, value in row.items()})
            for row in table.to_pylist()
        ]
        return ibis.array(rows).unnest().name("row").as_table().unpack("row")

    @functools.cached_property
    def hours(self) -> pd.DataFrame:
        """Events of each kind and hour, see `hours_of`."""
        return self.hours_of(self.table)

    def hours_of(self, t: ir.Table) -> pd.DataFrame:
        """Count events of each kind and hour: `kind`, `hour` (UTC), `local`, `day`, `events`, `on_hour`, `on_minute`.

        An hour here is a quarter of one where the zone is not whole hours away from UTC.
        """
        whole = self._whole_hours
        step = t.timestamp.truncate("h") if whole else t.timestamp.bucket(minutes=15)
        clock = t.timestamp if whole else self.local(t.timestamp)
        grouped = t.group_by("kind", hour=step).agg(
            events=t.count(),
            on_hour=(clock == clock.truncate("h")).sum(),
            on_minute=(clock == clock.truncate("m")).sum(),
        )
        hours = self.answer(grouped).sort_values(["kind", "hour"], ignore_index=True)
        hours["hour"] = hours["hour"].astype("datetime64[us]")
        hours["local"] = hours["hour"].dt.tz_localize("UTC").dt.tz_convert(self.zone).dt.tz_localize(None)
        hours["day"] = hours["local"].dt.normalize()
        return hours

    @functools.cached_property
    def _whole_hours(self) -> bool:
        zone = zoneinfo.ZoneInfo(self.zone)
        seasons = (pd.Timestamp(f"2020-{month:02}-01", tz=zone) for month in (1, 4, 7, 10))
        return all(moment.utcoffset().total_seconds() % 3600 == 0 for moment in seasons)

    @functools.cached_property
    def kinds(self) -> pd.Series:
        """Events of each kind, the most frequent first."""
        sizes = self.hours.groupby("kind")["events"].sum()
        return sizes.sort_values(ascending=False, kind="stable")

    @functools.cached_property
    def total(self) -> int:
        return int(self.kinds.sum())

    @functools.cached_property
    def span(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """The first and last day of the log, without the few events that lie far from all others."""
        in_time = self.hours if self.as_of is None else self.hours[self.hours["hour"] < self.as_of]
        days = (in_time if len(in_time) else self.hours).groupby("day")["events"].sum()
        return bulk(days)

    @functools.cached_property
    def last_full_day(self) -> pd.Timestamp:
        """The last day on which a feed had until midnight to bring something."""
        if self.as_of is None:
            return self.span[1] - pd.Timedelta(days=1)
        return self.as_of.tz_localize("UTC").tz_convert(self.zone).tz_localize(
            None
        ).normalize() - pd.Timedelta(days=1)

    @functools.cached_property
    def by_customer(self) -> ir.Table:
        """Each customer's events of each kind: `customer_id`, `kind`, `events`, `first`, `last`."""
        t = self.table
        return self.held(
            t.group_by("customer_id", "kind").agg(
                events=t.count(), first=t.timestamp.min(), last=t.timestamp.max()
            )
        )

    @functools.cached_property
    def customers(self) -> ir.Table:
        """Each customer's events: `customer_id`, `events`."""
        t = self.by_customer
        return self.held(t.group_by("customer_id").agg(events=t.events.sum()))

    @functools.cached_property
    def n_customers(self) -> int:
        return int(self.row(self.customers.agg(n=self.customers.count()))["n"])

    @functools.cached_property
    def resolution(self) -> pd.Series:
        """How exact the times of each kind are, in seconds: 1, 60, 3600, or 86400 where they are dates."""
        sums = self.hours.groupby("kind")[["events", "on_hour", "on_minute"]].sum()
        midnight = self.at_midnight
        exact = pd.Series(1, index=sums.index)
        exact[sums["on_minute"] >= 0.99 * sums["events"]] = 60
        exact[sums["on_hour"] >= 0.99 * sums["events"]] = 3600
        exact[midnight >= 0.99 * sums["events"]] = 86400
        return exact

    @functools.cached_property
    def at_midnight(self) -> pd.Series:
        """Events of each kind at exactly 00:00:00, on the clocks of the zone."""
        on_midnight = self.hours["on_hour"].where(self.hours["local"] == self.hours["day"], 0)
        return on_midnight.groupby(self.hours["kind"]).sum()

    def local(self, column: ir.Column) -> ir.Column:
        """Return what clocks in the zone show."""
        return local_time(column, self.zone, self.dialect)

    def day_of(self, column: ir.Column) -> ir.Column:
        """Return the day in the zone, as a time."""
        return self.local(column).truncate("D")

    @functools.cached_property
    def coverage(self) -> pd.DataFrame:
        """Events and customers of each kind and month; `days` is how many days of the month the log spans."""
        t = self.table.mutate(month=self.local(self.table.timestamp).truncate("M"))
        months = self.answer(
            t.group_by("kind", "month").agg(events=t.count(), customers=t.customer_id.nunique())
        )
        months["month"] = months["month"].astype("datetime64[us]").dt.normalize()
        first, last = self.span
        start = months["month"].clip(lower=first)
        end = (months["month"] + pd.offsets.MonthBegin(1)).clip(upper=last + pd.Timedelta(days=1))
        months["days"] = (end - start).dt.days.clip(lower=1)
        months = months.sort_values(["kind", "month"], ignore_index=True)
        return months.astype({"events": "int64", "customers": "int64"})


def bulk(days: pd.Series, *, few: float = 0.01, apart: int = 90) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the first and last day of a log, without a few events that lie far from all others.

    Parameters
    ----------
    days : Series of shape (n_days,)
        Events of each day that has any, in order.
    few : float, default=0.01
        Share of the events that may be left out on either side.
    apart : int, default=90
        Days without any event from which on others are far.
    """
    gaps = days.index.to_series().diff().dt.days.fillna(0)
    share = days.cumsum() / days.sum()
    early = gaps.index[(gaps > apart) & (share.shift(fill_value=0.0) < few)]
    late = gaps.index[(gaps > apart) & (share.shift(fill_value=0.0) > 1 - few)]
    first = early[-1] if len(early) else days.index[0]
    last = days.index[days.index < late[0]][-1] if len(late) else days.index[-1]
    return first, last


def once(function: Callable[[Log], T]) -> Callable[[Log], T]:
    """Let a function answer each log once, and keep the answer with the log."""

    @functools.wraps(function)
    def known(log: Log) -> T:
        if function.__name__ not in log.known:
            log.known[function.__name__] = function(log)
        return log.known[function.__name__]

    return known


def one_of(column: ir.Column, values: Iterable[Any]) -> ir.BooleanColumn:
    """Say whether a column holds one of some values; as a list, DuckDB would join them."""
    return functools.reduce(operator.or_, (column == value for value in values))
