"""Run the queries that several checks share, each once per log."""

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
    """Events, with the query results that several checks use.

    Attributes
    ----------
    events : Events
    zone : str
        Time zone of days, months and hours.
    as_of : Timestamp or None
        Moment up to which events are expected, in UTC.
    births : Series or None
        Moment since when each customer is known, by customer.
    results : dict
        Results of functions decorated with ``@once``.
    """

    events: Events
    zone: str
    as_of: pd.Timestamp | None = None
    births: pd.Series | None = None
    results: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def table(self) -> ir.Table:
        return self.events.table

    @property
    def columns(self) -> tuple[str, ...]:
        return self.events.columns

    @functools.cached_property
    def dialect(self) -> str:
        return dialect_of(self.table)

    def run(self, query: ir.Table) -> pd.DataFrame:
        """Run a query and return its rows."""
        query = portable(query, self.dialect)
        return run_with_progress(query, query.to_pyarrow, "Checking events").to_pandas()

    def first_row(self, query: ir.Table) -> dict[str, Any]:
        """Run a query and return its first row, with None for missing values."""
        first = self.run(query).iloc[0]
        return {name: None if pd.isna(value) else value for name, value in first.items()}

    @functools.cached_property
    def is_embedded(self) -> bool:
        """Whether the events are in segkit's own engine."""
        return is_embedded(self.table)

    def materialise(self, query: ir.Table) -> ir.Table:
        """Return a computed copy of a query where the events are in segkit's own engine, else the query."""
        return materialise(query, "Checking events") if self.is_embedded else query

    def small_table(self, columns: dict[str, pd.Series]) -> ir.Table:
        """Return a few rows as a table that can be joined to the events."""
        import pyarrow as pa

        table = pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False)
        if self.is_embedded:
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

        In zones that are not whole hours away from UTC, quarters of an hour are counted.
        """
        whole = self._whole_hours
        step = t.timestamp.truncate("h") if whole else t.timestamp.bucket(minutes=15)
        clock = t.timestamp if whole else self.local(t.timestamp)
        grouped = t.group_by("kind", hour=step).agg(
            events=t.count(),
            on_hour=(clock == clock.truncate("h")).sum(),
            on_minute=(clock == clock.truncate("m")).sum(),
        )
        hours = self.run(grouped).sort_values(["kind", "hour"], ignore_index=True)
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
        """All events."""
        return int(self.kinds.sum())

    @functools.cached_property
    def span(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """First and last day of the log, without a few events far from all others."""
        in_time = self.hours if self.as_of is None else self.hours[self.hours["hour"] < self.as_of]
        return main_span((in_time if len(in_time) else self.hours).groupby("day")["events"].sum())

    @functools.cached_property
    def last_full_day(self) -> pd.Timestamp:
        """Last day that is over: the one before `as_of`, or before the last event."""
        if self.as_of is None:
            return self.span[1] - pd.Timedelta(days=1)
        local = self.as_of.tz_localize("UTC").tz_convert(self.zone).tz_localize(None)
        return local.normalize() - pd.Timedelta(days=1)

    @functools.cached_property
    def by_customer(self) -> ir.Table:
        """Events of each customer and kind: `customer_id`, `kind`, `events`, `first`, `last`."""
        t = self.table
        return self.materialise(
            t.group_by("customer_id", "kind").agg(
                events=t.count(), first=t.timestamp.min(), last=t.timestamp.max()
            )
        )

    @functools.cached_property
    def customers(self) -> ir.Table:
        """Events of each customer: `customer_id`, `events`."""
        t = self.by_customer
        return self.materialise(t.group_by("customer_id").agg(events=t.events.sum()))

    @functools.cached_property
    def n_customers(self) -> int:
        return int(self.first_row(self.customers.agg(n=self.customers.count()))["n"])

    @functools.cached_property
    def resolution(self) -> pd.Series:
        """Precision of the times of each kind, in seconds: 1, 60, 3600, or 86400 for dates."""
        sums = self.hours.groupby("kind")[["events", "on_hour", "on_minute"]].sum()
        precision = pd.Series(1, index=sums.index)
        precision[sums["on_minute"] >= 0.99 * sums["events"]] = 60
        precision[sums["on_hour"] >= 0.99 * sums["events"]] = 3600
        precision[self.at_midnight >= 0.99 * sums["events"]] = 86400
        return precision

    @functools.cached_property
    def at_midnight(self) -> pd.Series:
        """Events of each kind at exactly 00:00:00 local time."""
        on_midnight = self.hours["on_hour"].where(self.hours["local"] == self.hours["day"], 0)
        return on_midnight.groupby(self.hours["kind"]).sum()

    def local(self, column: ir.Column) -> ir.Column:
        """Return local times."""
        return local_time(column, self.zone, self.dialect)

    @functools.cached_property
    def coverage(self) -> pd.DataFrame:
        """Events and customers of each kind and month, and `days` of the month within the log."""
        t = self.table.mutate(month=self.local(self.table.timestamp).truncate("M"))
        months = self.run(
            t.group_by("kind", "month").agg(events=t.count(), customers=t.customer_id.nunique())
        )
        months["month"] = months["month"].astype("datetime64[us]").dt.normalize()
        first, last = self.span
        start = months["month"].clip(lower=first)
        end = (months["month"] + pd.offsets.MonthBegin(1)).clip(upper=last + pd.Timedelta(days=1))
        months["days"] = (end - start).dt.days.clip(lower=1)
        months = months.sort_values(["kind", "month"], ignore_index=True)
        return months.astype({"events": "int64", "customers": "int64"})


def main_span(days: pd.Series, *, few: float = 0.01, apart: int = 90) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the first and last day of a log, without a few events far from all others.

    Parameters
    ----------
    days : Series of shape (n_days,)
        Events of each day that has any, in order.
    few : float, default=0.01
        Share of the events that may be left out on either side.
    apart : int, default=90
        Days without events that make others far.
    """
    gaps = days.index.to_series().diff().dt.days.fillna(0)
    share = days.cumsum() / days.sum()
    early = gaps.index[(gaps > apart) & (share.shift(fill_value=0.0) < few)]
    late = gaps.index[(gaps > apart) & (share.shift(fill_value=0.0) > 1 - few)]
    first = early[-1] if len(early) else days.index[0]
    last = days.index[days.index < late[0]][-1] if len(late) else days.index[-1]
    return first, last


def once(function: Callable[[Log], T]) -> Callable[[Log], T]:
    """Run a function once per log, and keep its result with the log."""

    @functools.wraps(function)
    def stored(log: Log) -> T:
        if function.__name__ not in log.results:
            log.results[function.__name__] = function(log)
        return log.results[function.__name__]

    return stored


def one_of(column: ir.Column, values: Iterable[Any]) -> ir.BooleanColumn:
    """Return whether a column holds one of some values; DuckDB would join a list of them, which is slower."""
    return functools.reduce(operator.or_, (column == value for value in values))
