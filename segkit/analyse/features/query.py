"""Write the single query that computes any choice of features."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

import ibis
import pandas as pd

from segkit.analyse.features.custom_features import (
    check_aggregate,
    finite,
    invalid_expression,
    is_custom,
    unknown_column,
)
from segkit.analyse.features.feature import Feature
from segkit.analyse.features.id_hashes import customer_codes, shared_codes
from segkit.analyse.features.tables.builder import LOG, MissingColumn, TableBuilder, key_columns
from segkit.analyse.features.tables.orders import MONEY, TOTAL, in_days
from segkit.analyse.features.tables.registry import TABLES
from segkit.collect.events import Events
from segkit.core.engine.dialects import age_of, dialect_of, microseconds_of
from segkit.core.engine.event_cache import with_codes
from segkit.core.messages import joined
from segkit.core.schema import EXACT, STANDARD, TYPE_OF

if TYPE_CHECKING:
    import ibis.expr.types as ir

# The standard column that a table's column is made from, where their names differ.
COMES_FROM = {"items": "quantity", "different_pages": "page"}


def feature_query(
    events: Events,
    features: Iterable[Feature],
    *,
    as_of: pd.Timestamp,
    window: timedelta | None = None,
    dialect: str | None = None,
    coded: bool = False,
) -> ir.Table:
    """Compile features into one Ibis query.

    Parameters
    ----------
    events, features, as_of, window
        As in :func:`customer_features`.
    dialect : str, optional
        The engine that the query is written for; that of the events by default.
    coded : bool, default=False
        Group by codes of the ids, which is quicker in DuckDB. Two more columns show whether ids share a code.

    Returns
    -------
    ibis Table
        `customer_id` and a column for each feature; one row for each customer, in no order.
    """
    dialect = dialect or dialect_of(events.table)
    t = with_codes(events.table) if coded else events.table
    log = t.filter(t.timestamp < as_of)
    if window is not None:
        log = log.filter(log.timestamp >= as_of - window)
    age = functools.partial(_age_at, as_of, dialect)
    return _assembled(_aged(log, age, features), age, features, events, dialect, coded)


def snapshot_query(
    events: Events,
    features: Iterable[Feature],
    *,
    dates: list[pd.Timestamp],
    window: timedelta | None = None,
    coded: bool = False,
) -> ir.Table:
    """Compile features at several moments into one Ibis query.

    Parameters
    ----------
    events, features, dates, window
        As in :func:`snapshots`; the dates are sorted.
    coded : bool, default=False
        As in :func:`feature_query`.

    Returns
    -------
    ibis Table
        `snapshot` (number of the date, from 0), `customer_id` and a column for each feature.
    """
    dialect = dialect_of(events.table)
    t = with_codes(events.table) if coded else events.table
    every = t.filter(t.timestamp < dates[-1]).mutate(snapshot=ibis.array(list(range(len(dates)))).unnest())
    log = every.filter(every.timestamp < _moment_of(dates, every))
    age = functools.partial(_age_then, dates, dialect)
    aged = _aged(log, age, features)
    if window is not None:
        aged = aged.filter(aged.age <= window // timedelta(microseconds=1))
    return _assembled(aged, age, features, events, dialect, coded)


def moment_query(
    log: ir.Table,
    asked: ir.Table,
    features: Iterable[Feature],
    *,
    window: timedelta | None = None,
    timezone: str = "UTC",
) -> ir.Table:
    """Compile features of some customers, each as of a moment of its own, into one Ibis query.

    Moments are data, so that one query serves for all customers and moments, and only rows of these customers count.

    Parameters
    ----------
    log : ibis Table
        One row an event, with the standard columns.
    asked : ibis Table
        Columns `customer_id` and `moment` (UTC), each pair once.
    features, window
        As in :func:`customer_features`.
    timezone : str
        The shop's zone.

    Returns
    -------
    ibis Table
        `snapshot` (the moment in microseconds since 1970), `customer_id` and a column for each feature; a row for each
        pair with events before the moment.
    """
    dialect = dialect_of(log)
    asked = asked.select("customer_id", "moment", snapshot=microseconds_of(asked.moment, dialect))
    own = log.join(asked, "customer_id")
    own = own.filter(own.timestamp < own.moment).drop("moment")
    age = functools.partial(_age_of_snapshot, dialect)
    aged = _aged(own, age, features)
    if window is not None:
        aged = aged.filter(aged.age <= window // timedelta(microseconds=1))
    no_rows = pd.DataFrame({"reason": [], "count": [], "example": []})
    return _assembled(aged, age, features, Events(log, no_rows, timezone=timezone), dialect, coded=False)


def missing_columns(events: Events, features: Iterable[Feature]) -> dict[str, str]:
    """Return the column that each feature needs and the events lack; empty where the feature can be computed."""
    features, dialect = tuple(features), dialect_of(events.table)
    age = functools.partial(_age_at, pd.Timestamp("2000-01-01"), dialect)
    tables = _tables_of(_aged(events.table, age, features), age, events, dialect)
    missing = {}
    for feature in features:
        try:
            _expression(feature, tables, events)
        except MissingColumn as error:
            missing[feature.name] = error.column
        else:
            missing[feature.name] = ""
    return missing


def unavailable(events: Events, features: Iterable[Feature]) -> dict[str, str]:
    """Return what each feature needs and the events lack: a column, or events of its kinds; empty if nothing.

    A feature without such events can be computed, but is 0, missing or the usual rate for everyone. Purchases count
    only for features that use no other kind.
    """
    features = tuple(features)
    columns, absent = missing_columns(events, features), absent_kinds(events, features)
    return {f.name: columns[f.name] or absent.get(f.name, "") for f in features}


def lacking(events: Events, features: Iterable[Feature]) -> dict[str, str]:
    """Return in words what each feature needs and the events lack: a column, and events of its kinds."""
    features = tuple(features)
    columns, absent = missing_columns(events, features), absent_kinds(events, features)
    wanted = {f.name: [f"the column {columns[f.name]!r}"] if columns[f.name] else [] for f in features}
    return {
        f.name: " and ".join([*wanted[f.name], *([absent[f.name]] if f.name in absent else [])])
        for f in features
    }


def absent_kinds(events: Events, features: Iterable[Feature]) -> dict[str, str]:
    """Return the features of whose kinds the log has no event, and these events in words."""
    present = set(events.kinds().index)
    lacking = {f.name: _absent_kind(f.kinds, present) or _absent_kind(f.needs, present) for f in features}
    return {name: events for name, events in lacking.items() if events}


def _age_at(moment: pd.Timestamp, dialect: str, table: ir.Table) -> ir.IntegerColumn:
    return age_of(table.timestamp, moment, dialect)


def _age_then(dates: list[pd.Timestamp], dialect: str, table: ir.Table) -> ir.IntegerColumn:
    return age_of(table.timestamp, _moment_of(dates, table), dialect)


def _age_of_snapshot(dialect: str, table: ir.Table) -> ir.IntegerColumn:
    return table.snapshot - microseconds_of(table.timestamp, dialect)


def _moment_of(dates: list[pd.Timestamp], table: ir.Table) -> ir.Column:
    """Return the moment of each row's snapshot."""
    moments = (ibis.literal(date, type=TYPE_OF["time"]) for date in dates)
    return table.snapshot.cases(*enumerate(moments))


def _aged(
    log: ir.Table, age: Callable[[ir.Table], ir.IntegerColumn], features: Iterable[Feature]
) -> ir.Table:
    """Add the age of each event, and make its numbers exact.

    Wide decimals are needed where a custom feature multiplies amounts; narrow ones are summed faster.
    """
    aged = log.mutate(age=age(log))
    number = TOTAL if any(is_custom(feature) for feature in features) else MONEY
    exact = {c: aged[c].cast(number) for c in EXACT if c in aged.columns}
    return aged.mutate(days_ago=in_days(aged.age), **exact)


def _tables_of(
    log: ir.Table, age: Callable[[ir.Table], ir.IntegerColumn], events: Events, dialect: str
) -> TableBuilder:
    return TableBuilder(log, TABLES, {"timezone": events.timezone, "dialect": dialect, "age": age})


def _assembled(
    log: ir.Table,
    age: Callable[[ir.Table], ir.IntegerColumn],
    features: Iterable[Feature],
    events: Events,
    dialect: str,
    coded: bool,
) -> ir.Table:
    """Aggregate each table by customer, once for all features with the same settings, and join the results.

    The log has rows of every customer, so the features of the log itself come with the list of customers.
    """
    tables = _tables_of(log, age, events, dialect)
    parts: dict[tuple, dict[str, ir.Scalar]] = {}
    of_log: dict[str, ir.Scalar] = {}
    missing: dict[str, list[str]] = {}
    for feature in features:
        part = of_log if feature.table in LOG else parts.setdefault((feature.table, feature.settings), {})
        try:
            part[feature.name] = _expression(feature, tables, events)
        except MissingColumn as error:
            missing.setdefault(error.column, []).append(feature.name)
    if missing:
        raise ValueError(_lacking_columns(missing))
    names = [name for name in ("snapshot", "customer_id") if name in log.columns]
    query = log.group_by(*names).agg(**of_log) if of_log else log.select(*names).distinct()
    if coded:
        query = query.mutate(**customer_codes(query))
    keys = key_columns(query)
    for i, ((table, settings), expressions) in enumerate(parts.items()):
        part = tables.table(table, settings).group_by(*keys).agg(**expressions)
        # All joins in one chain, without a step between: nested joins take three times as long to write as SQL.
        query = query.left_join(part, keys, rname=f"{{name}}_{i}")
    columns = {f.name: _finished(query[f.name], f) for f in features}
    if coded:
        columns |= shared_codes(query, log, tables)
    return query.select(*names, **columns)


def _lacking_columns(lacking: dict[str, list[str]]) -> str:
    """Word which columns the events lack, and which features need them."""
    needs = [
        f"{'The feature' if len(names) == 1 else 'The features'} {joined([repr(n) for n in names])} "
        f"{'needs' if len(names) == 1 else 'need'} {column!r}"
        for column, names in lacking.items()
    ]
    held = ", ".join(f'{column}="…"' for column in lacking)
    columns, features = len(lacking), sum(map(len, lacking.values()))
    return (
        f"{'; '.join([needs[0], *(n[0].lower() + n[1:] for n in needs[1:])])}, which these events do not have. Say "
        f"which column holds {'it' if columns == 1 else 'each'} when reading: read_events(…, {held}), or leave "
        f"{repr(next(iter(lacking.values()))[0]) if features == 1 else 'these features'} out."
    )


def _expression(feature: Feature, tables: TableBuilder, events: Events) -> ir.Scalar:
    """Return the Ibis expression of a feature.

    Raises
    ------
    MissingColumn
        If it needs a standard column that the events lack.
    ValueError
        If it is a custom feature whose expression cannot be used.
    """
    table = None
    try:
        table = tables.table(feature.table, feature.settings)
        value = tables.call_with_tables(feature.expr, feature.settings)
        value = value.resolve(table) if isinstance(value, ibis.Deferred) else value
    except MissingColumn as error:
        column = COMES_FROM.get(error.column, error.column)
        if column in STANDARD and column not in events.columns:
            raise MissingColumn(column) from error
        if table is not None and is_custom(feature):
            raise unknown_column(feature, table, error.column) from error
        raise
    except Exception as error:  # a custom expression can raise anything
        if is_custom(feature):
            raise invalid_expression(feature, error) from error
        raise
    if is_custom(feature):
        check_aggregate(feature, table, value)
    return value


def _absent_kind(kinds: tuple[str, ...], present: set[str]) -> str:
    specific = [kind for kind in kinds if kind not in ("purchase", "return")] or list(kinds)
    return "" if not specific or present & set(specific) else f"{specific[0]} events"


def _finished(column: ir.Column, feature: Feature) -> ir.Column:
    """Turn numbers into floats and fill in what stands for customers without such events."""
    number = column.type().is_numeric() or column.type().is_boolean()
    if number:
        column = column.cast("float64")
    if feature.empty is not None:
        column = column.fill_null(feature.empty)
    return finite(column) if number and is_custom(feature) else column
