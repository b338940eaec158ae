"""The single query that computes any choice of features."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import ibis
import pandas as pd

from segkit.analyse.features.custom_features import check_aggregate, finite, invalid_expression, is_own
from segkit.analyse.features.feature import Feature
from segkit.analyse.features.id_hashes import checks, customer_codes
from segkit.analyse.features.tables.builder import LOG, TableBuilder, key_columns
from segkit.analyse.features.tables.orders import MONEY, TOTAL, in_days
from segkit.analyse.features.tables.registry import GRAINS
from segkit.collect.events import Events
from segkit.core.engine.dialects import age_of, dialect_of
from segkit.core.engine.event_cache import with_codes
from segkit.core.schema import EXACT, STANDARD, TYPE_OF

if TYPE_CHECKING:
    import ibis.expr.types as ir

# Columns of a grain by the standard column that they are made of.
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
        Engine that it is written for; that of the events where it is not said.
    coded : bool, default=False
        Group by codes of the ids, which DuckDB does sooner, and say in two more columns whether any met.

    Returns
    -------
    ibis Table
        `customer_id` and a column for each feature; one row a customer, in no order.
    """
    dialect = dialect or dialect_of(events.table)
    t = with_codes(events.table) if coded else events.table
    seen = t.filter(t.timestamp < as_of)
    if window is not None:
        seen = seen.filter(seen.timestamp >= as_of - window)
    age = functools.partial(_age_at, as_of, dialect)
    return _assembled(_aged(seen, age, features), age, features, events, dialect, coded)


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
        As in :func:`snapshots`; dates sorted.
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
    seen = every.filter(every.timestamp < _moment_of(dates, every))
    age = functools.partial(_age_then, dates, dialect)
    aged = _aged(seen, age, features)
    if window is not None:
        aged = aged.filter(aged.age <= window // timedelta(microseconds=1))
    return _assembled(aged, age, features, events, dialect, coded)


def _age_at(moment: pd.Timestamp, dialect: str, table: ir.Table) -> ir.IntegerColumn:
    return age_of(table.timestamp, moment, dialect)


def _age_then(dates: list[pd.Timestamp], dialect: str, table: ir.Table) -> ir.IntegerColumn:
    return age_of(table.timestamp, _moment_of(dates, table), dialect)


def _moment_of(dates: list[pd.Timestamp], table: ir.Table) -> ir.Column:
    """Return the moment of each row's snapshot."""
    moments = (ibis.literal(date, type=TYPE_OF["time"]) for date in dates)
    return table.snapshot.cases(*enumerate(moments))


def _aged(
    seen: ir.Table, age: Callable[[ir.Table], ir.IntegerColumn], features: Iterable[Feature]
) -> ir.Table:
    """Say how old each event is at its moment; money and items become exact numbers.

    They are as wide as a feature of one's own needs that multiplies them; narrow ones are sooner summed.
    """
    aged = seen.mutate(age=age(seen))
    number = TOTAL if any(is_own(feature) for feature in features) else MONEY
    exact = {c: aged[c].cast(number) for c in EXACT if c in aged.columns}
    return aged.mutate(days_ago=in_days(aged.age), **exact)


def _grains_of(seen: ir.Table, age: Callable[[ir.Table], Any], events: Events, dialect: str) -> TableBuilder:
    return TableBuilder(seen, GRAINS, {"timezone": events.timezone, "dialect": dialect, "age": age})


def _assembled(
    seen: ir.Table,
    age: Callable[[ir.Table], ir.IntegerColumn],
    features: Iterable[Feature],
    events: Events,
    dialect: str,
    coded: bool,
) -> ir.Table:
    """Aggregate each grain by customer, once for all features of the same settings, and join the answers.

    The log itself has rows of every customer, so that what is aggregated of it comes with the list of them.
    """
    grains = _grains_of(seen, age, events, dialect)
    parts: dict[tuple, dict[str, ir.Scalar]] = {}
    of_log: dict[str, ir.Scalar] = {}
    for feature in features:
        grain, settings = feature.grain, feature.settings
        part = of_log if grain in LOG else parts.setdefault((grain, settings), {})
        part[feature.name] = _expression(feature, grains, events)
    names = [name for name in ("snapshot", "customer_id") if name in seen.columns]
    query = seen.group_by(*names).agg(**of_log) if of_log else seen.select(*names).distinct()
    if coded:
        query = query.mutate(**customer_codes(query))
    keys = key_columns(query)
    for i, ((grain, settings), expressions) in enumerate(parts.items()):
        part = grains.table(grain, settings).group_by(*keys).agg(**expressions)
        # All in one chain, without a step between: nested joins take three times as long to write as SQL.
        query = query.left_join(part, keys, rname=f"{{name}}_{i}")
    columns = {f.name: _finished(query[f.name], f) for f in features}
    if coded:
        columns |= checks(query, seen, grains)
    return query.select(*names, **columns)


def _expression(feature: Feature, grains: TableBuilder, events: Events) -> ir.Scalar:
    asked = _expression_or_lacking(feature, grains, events)
    if isinstance(asked, str):
        raise ValueError(
            f"The feature {feature.name!r} needs {asked!r}, which these events do not have. "
            f'Say which column holds it when reading: read_events(…, {asked}="…"), or leave '
            f"{feature.name!r} out."
        )
    return asked


def _expression_or_lacking(feature: Feature, grains: TableBuilder, events: Events) -> ir.Scalar | str:
    """Return a feature's expression; where the events lack a column that it needs, the name of that column."""
    table = None
    try:
        table = grains.table(feature.grain, feature.settings)
        value = grains.call_with_tables(feature.expr, feature.settings)
    except Exception as error:  # an expression of one's own can raise anything
        column = _lacking(events, error)
        if column is None:
            if is_own(feature):
                raise invalid_expression(feature, table, error) from error
            raise
        return column
    if is_own(feature):
        value = value.resolve(table) if isinstance(value, ibis.Deferred) else value
        check_aggregate(feature, table, value)
    return value


def _lacking(events: Events, error: Exception) -> str | None:
    """Say which standard column that the events lack an expression asked for in vain."""
    if not isinstance(error, (AttributeError, ibis.common.exceptions.IbisTypeError)):
        return None
    for column in (*STANDARD, *COMES_FROM):
        if f"'{column}'" in str(error) and column not in events.columns:
            return COMES_FROM.get(column, column)
    return None


def missing_columns(events: Events, features: Iterable[Feature]) -> dict[str, str]:
    """Say of each feature which column it needs that the events lack; empty where it has what it needs."""
    dialect = dialect_of(events.table)
    age = functools.partial(_age_at, pd.Timestamp("2000-01-01"), dialect)
    features = tuple(features)
    grains = _grains_of(_aged(events.table, age, features), age, events, dialect)
    needs = {}
    for feature in features:
        asked = _expression_or_lacking(feature, grains, events)
        needs[feature.name] = asked if isinstance(asked, str) else ""
    return needs


def unavailable(events: Events, features: Iterable[Feature]) -> dict[str, str]:
    """Say of each feature what these events lack for it: a column, or any event of its kinds; empty if nothing.

    For who chooses: a feature without events can be computed, but is 0 or unknown for everyone. Purchases
    count only for features that look at nothing else.
    """
    features = tuple(features)
    columns, present = missing_columns(events, features), set(events.kinds().index)
    return {f.name: columns[f.name] or _absent_kind(f.kinds, present) for f in features}


def _absent_kind(kinds: tuple[str, ...], present: set[str]) -> str:
    telling = [kind for kind in kinds if kind not in ("purchase", "return")] or list(kinds)
    return "" if not telling or present & set(telling) else f"{telling[0]} events"


def _finished(column: ir.Column, feature: Feature) -> ir.Column:
    number = column.type().is_numeric() or column.type().is_boolean()
    if number:
        column = column.cast("float64")
    if feature.empty is not None:
        column = column.fill_null(feature.empty)
    return finite(column) if number and is_own(feature) else column
