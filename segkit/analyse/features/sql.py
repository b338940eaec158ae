"""Features as the text of a query, for a warehouse that segkit does not speak to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import ibis
import pandas as pd

from segkit import __version__
from segkit.analyse.features.feature import Feature, distinct_features
from segkit.analyse.features.query import feature_query
from segkit.collect.events import Events
from segkit.core.engine.connection import locked_engine
from segkit.core.engine.rewrites import portable
from segkit.core.messages import did_you_mean
from segkit.core.moments import read_moment, read_window
from segkit.core.schema import STANDARD, TYPE_OF


@dataclass(frozen=True)
class Dialect:
    """An engine's SQL.

    Attributes
    ----------
    ibis : str
        What Ibis calls it.
    text, number, time : str
        What it calls the types of the standard columns.
    note : str
        What else whoever runs it should know.
    longest : int or None
        Bytes after which it cuts a name without a word.
    """

    ibis: str
    text: str
    number: str
    time: str
    note: str = ""
    longest: int | None = None


# The SQL of Spark is that of Databricks, and Ibis writes the latter without PySpark being there.
_SPARK = Dialect(
    "databricks", "STRING", "DOUBLE", "TIMESTAMP_NTZ", "From Spark 3.5 on, whatever zone the session is in."
)
DIALECTS = {
    "duckdb": Dialect("duckdb", "VARCHAR", "DOUBLE", "TIMESTAMP"),
    "postgres": Dialect("postgres", "TEXT", "DOUBLE PRECISION", "TIMESTAMP", "From PostgreSQL 14 on.", 63),
    "snowflake": Dialect(
        "snowflake",
        "VARCHAR",
        "DOUBLE",
        "TIMESTAMP_NTZ",
        'Names are quoted, so that "amount" is not AMOUNT: select customer_id AS "customer_id" … in a view if need be.',
    ),
    "bigquery": Dialect("bigquery", "STRING", "FLOAT64", "DATETIME"),
    "databricks": _SPARK,
    "spark": _SPARK,
}
"""The dialects that features are written in."""

NAME = r"[A-Za-z_][A-Za-z0-9_$-]*"


@locked_engine
def feature_sql(
    events: Events | Iterable[str],
    features: Iterable[Feature],
    *,
    as_of: str | pd.Timestamp,
    window: str | timedelta | None = None,
    dialect: str = "duckdb",
    table: str = "events",
) -> str:
    """Write the query that computes features, in the SQL of a database or warehouse.

    Parameters
    ----------
    events : Events or iterable of str
        The log, or the names of the standard columns that the table there has.
    features : iterable of Feature
        As in :func:`customer_features`.
    as_of, window
        As in :func:`customer_features`.
    dialect : {"duckdb", "postgres", "snowflake", "bigquery", "databricks", "spark"}, default="duckdb"
        Whose SQL it is.
    table : str, default="events"
        The table's name there, with that of its schema if need be: ``"shop.events"``.

    Returns
    -------
    str
        One SELECT statement, which gives `customer_id` and a column for each feature; a comment above it
        says which columns the table should have, and of which types.

    Raises
    ------
    ValueError
        If there is no such dialect, a name is no standard column or no name of a table, a feature
        needs a column that is not among them, or its name is longer than the database allows.

    Notes
    -----
    It is made from the same definitions as :func:`customer_features`, and reads what
    :func:`read_events` made: the events of ``events.table``, written to the warehouse. The tests run it on
    DuckDB, PostgreSQL and Spark, and compare. For Snowflake and BigQuery they see that it is of the dialect's
    grammar and calls no function that is not of its own, and no more: it was never run there.

    Examples
    --------
    >>> import segkit as sg
    >>> print(sg.feature_sql(["amount"], sg.select_features("frequency"), as_of="2024-07-01"))  # doctest: +ELLIPSIS
    -- Features of customers as of 2024-07-01 00:00:00 UTC, written by segkit ... for duckdb.
    -- The table events should have these columns, and one row an event:
    --   customer_id VARCHAR
    --   timestamp TIMESTAMP (in UTC)
    --   kind VARCHAR
    --   amount DOUBLE
    WITH ...
    """
    chosen = distinct_features(features)
    moment, span = read_moment(as_of), read_window(window)
    if dialect not in DIALECTS:
        raise ValueError(
            f"dialect={dialect!r} is none that features are written in.{did_you_mean(str(dialect), DIALECTS)} "
            f"There are {', '.join(DIALECTS)}."
        )
    spoken, columns = DIALECTS[dialect], _columns(events)
    _check_names(chosen, spoken, dialect)
    nothing = pd.DataFrame({"reason": [], "count": [], "example": []})
    zone = events.timezone if isinstance(events, Events) else "UTC"
    log = Events(_unbound(table, columns), nothing, timezone=zone)
    query = feature_query(log, chosen, as_of=moment, window=span, dialect=spoken.ibis)
    sql = ibis.to_sql(portable(query, spoken.ibis), dialect=spoken.ibis)
    back = "" if span is None else f", over the {span} before it"
    header = [
        f"Features of customers as of {moment} UTC{back}, written by segkit {__version__} for {dialect}.",
        f"The table {table} should have these columns, and one row an event:",
        *(f"  {name} {_type_of(name, spoken)}" for name in columns),
        *[spoken.note] * bool(spoken.note),
    ]
    return "".join(f"-- {line}\n" for line in header) + str(sql)


def _check_names(features: Iterable[Feature], spoken: Dialect, dialect: str) -> None:
    for feature in features:
        length = len(feature.name.encode())
        if spoken.longest is not None and length > spoken.longest:
            raise ValueError(
                f"The feature's name {feature.name!r} is {length} bytes long, and {dialect} cuts names after "
                f"{spoken.longest}. Give it a shorter one: path_feature(…, name='carts'), or Feature(name='…')."
            )


def _type_of(column: str, spoken: Dialect) -> str:
    what = STANDARD[column]
    return f"{spoken.time} (in UTC)" if what == "time" else spoken.text if what == "text" else spoken.number


def _unbound(table: str, columns: list[str]) -> ibis.Table:
    """Return the table of that name, which Ibis never sees."""
    if not re.fullmatch(rf"{NAME}(\.{NAME}){{0,2}}", table):
        raise ValueError(
            f"table={table!r} is not the name of a table. Write it as 'events', 'shop.events' or 'company.shop.events'."
        )
    name, *homes = reversed(table.split("."))
    schema, catalog = (*homes, None, None)[:2]
    return ibis.table({c: TYPE_OF[STANDARD[c]] for c in columns}, name=name, database=schema, catalog=catalog)


def _columns(events: Events | Iterable[str]) -> list[str]:
    """Return the standard columns that the table has, in their order."""
    given = set(events.columns if isinstance(events, Events) else events)
    for name in sorted(given - set(STANDARD)):
        raise ValueError(
            f"{name!r} is no standard column.{did_you_mean(name, STANDARD)} There are {', '.join(STANDARD)}."
        )
    return [name for name in STANDARD if name in given or name in ("customer_id", "timestamp", "kind")]
