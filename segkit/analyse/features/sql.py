"""Write features as SQL, for a warehouse that segkit does not connect to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import ibis
import pandas as pd

from segkit import __version__
from segkit.analyse.features.feature import Feature, distinct_features
from segkit.analyse.features.query import feature_query
from segkit.collect.events import Events
from segkit.core.checks import check_type
from segkit.core.engine.connection import locked_engine
from segkit.core.engine.rewrites import portable
from segkit.core.messages import choose_from, in_words
from segkit.core.moments import read_moment, read_window
from segkit.core.schema import STANDARD, TYPE_OF

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True)
class Dialect:
    """The SQL of one engine.

    Attributes
    ----------
    ibis : str
        Its name in Ibis.
    text, number, time : str
        Its types for the standard columns.
    note : str
        A note for the person who runs the query.
    longest : int or None
        Bytes after which it silently cuts names, or refuses them.
    barred : str
        Signs that no name of a column may have.
    most : int or None
        Bytes that a statement may have.
    """

    ibis: str
    text: str
    number: str
    time: str
    note: str = ""
    longest: int | None = None
    barred: str = ""
    most: int | None = None


# Spark and Databricks share one SQL, and Ibis writes that of Databricks without PySpark.
_SPARK = Dialect(
    "databricks", "STRING", "DOUBLE", "TIMESTAMP_NTZ", "From Spark 3.5 on, in any session time zone."
)
DIALECTS = {
    "duckdb": Dialect("duckdb", "VARCHAR", "DOUBLE", "TIMESTAMP"),
    "postgres": Dialect("postgres", "TEXT", "DOUBLE PRECISION", "TIMESTAMP", "From PostgreSQL 14 on.", 63),
    "snowflake": Dialect(
        "snowflake",
        "VARCHAR",
        "DOUBLE",
        "TIMESTAMP_NTZ",
        'Names are quoted, so "amount" is not AMOUNT: if needed, select customer_id AS "customer_id" … in a view.',
        most=1_000_000,
    ),
    "bigquery": Dialect(
        "bigquery", "STRING", "FLOAT64", "DATETIME", longest=300, barred='!"$()*,./;?@[\\]^`{}~\n'
    ),
    "databricks": _SPARK,
    "spark": _SPARK,
}
"""The dialects, by the names that users give."""

NAME = r"[A-Za-z_][A-Za-z0-9_$-]*"
PART = rf"""(?:{NAME}|"(?:[^"\n\r]|"")+")"""
"""A name, or one in double quotes, which may hold anything else."""


@locked_engine
def feature_sql(
    events: Events | Iterable[str],
    features: Iterable[Feature],
    *,
    as_of: str | pd.Timestamp | None = None,
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
        The SQL dialect.
    table : str, default="events"
        The name of the table there, with its schema if needed: ``"shop.events"``. A name with blanks or other signs
        stands in double quotes: ``'shop."raw events"'``.

    Returns
    -------
    str
        One SELECT statement with `customer_id` and a column for each feature. A comment above it lists the columns
        and types that the table should have.

    Raises
    ------
    ValueError
        If the dialect, a column or the name of the table is unknown, a feature needs a column that the table lacks,
        or its name is longer than the database allows.

    Notes
    -----
    Made from the same definitions as :func:`customer_features`, for a table of the events that :func:`read_events`
    made, which is ``events.table`` written to the warehouse. Tests compare the results on DuckDB, PostgreSQL and Spark.
    On Snowflake and BigQuery the SQL was never run: tests check only its grammar and its functions.

    Examples
    --------
    >>> import segkit as sg
    >>> print(sg.feature_sql(["amount"], sg.select_features("frequency"), as_of="2024-07-01"))  # doctest: +ELLIPSIS
    -- Features of customers as of 2024-07-01 00:00:00 UTC, written by segkit ... for duckdb.
    -- The table events should have these columns, and one row for each event:
    --   customer_id VARCHAR
    --   timestamp TIMESTAMP (in UTC)
    --   kind VARCHAR
    --   amount DOUBLE
    WITH ...
    """
    chosen = distinct_features(features)
    moment, span = read_moment(as_of), read_window(window)
    sql_of = dialect_named(dialect)
    query = features_of_table(events, chosen, moment, span, dialect, table)
    sql = ibis.to_sql(query, dialect=sql_of.ibis)
    header = [
        f"Features of customers as of {moment} UTC{window_in_words(span)}, "
        f"written by segkit {__version__} for {dialect}.",
        *columns_in_words(events, dialect, table),
        *[sql_of.note] * bool(sql_of.note),
    ]
    return "".join(f"-- {line}\n" for line in header) + str(sql)


def dialect_named(dialect: str) -> Dialect:
    """Return the dialect of a name that a user gives.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not isinstance(dialect, str) or dialect not in DIALECTS:
        raise ValueError(
            f"dialect={dialect!r} is not a dialect of segkit.{choose_from(str(dialect), DIALECTS)}"
        )
    return DIALECTS[dialect]


def features_of_table(
    events: Events | Iterable[str],
    features: tuple[Feature, ...],
    as_of: pd.Timestamp,
    window: pd.Timedelta | None,
    dialect: str,
    table: str,
) -> ir.Table:
    """Return the query of :func:`feature_sql` as an Ibis expression for that dialect."""
    sql_of, columns = dialect_named(dialect), _columns(events)
    check_names([feature.name for feature in features], dialect)
    no_rows = pd.DataFrame({"reason": [], "count": [], "example": []})
    zone = events.timezone if isinstance(events, Events) else "UTC"
    unbound = unbound_table(table, {c: TYPE_OF[STANDARD[c]] for c in columns})
    log = Events(unbound, no_rows, timezone=zone)
    return portable(
        feature_query(log, features, as_of=as_of, window=window, dialect=sql_of.ibis), sql_of.ibis
    )


def columns_in_words(events: Events | Iterable[str], dialect: str, table: str) -> list[str]:
    """Return the lines of a comment that list the columns which a table of events should have."""
    columns = _columns(events)
    return [
        f"The table {table} should have these columns, and one row for each event:",
        *(f"  {name} {_type_of(name, dialect_named(dialect))}" for name in columns),
    ]


def window_in_words(window: pd.Timedelta | None) -> str:
    """Return how far back features look, to follow a moment in a sentence."""
    return "" if window is None else f", over the {window} before it"


def check_names(features: Iterable[str], dialect: str) -> None:
    """Refuse names of features that a dialect would cut, or does not allow.

    Raises
    ------
    ValueError
    """
    longest, barred = dialect_named(dialect).longest, dialect_named(dialect).barred
    for name in features:
        wrong = sorted(set(name) & set(barred))
        if wrong:
            raise ValueError(
                f"The name of the feature {name!r} holds {wrong[0]!r}, which {dialect} does not allow in names of "
                "columns. Choose another name."
            )
        length = len(name.encode())
        if longest is not None and length > longest:
            raise ValueError(
                f"The name of the feature {name!r} is {length} bytes long, but {dialect} cuts names after "
                f"{longest}. Choose a shorter one: path_feature(…, name='carts'), or Feature(name='…')."
            )


def _type_of(column: str, sql_of: Dialect) -> str:
    what = STANDARD[column]
    return f"{sql_of.time} (in UTC)" if what == "time" else sql_of.text if what == "text" else sql_of.number


def unbound_table(table: str, columns: Mapping[str, str]) -> ir.Table:
    """Return an Ibis table of that name without a connection.

    Parameters
    ----------
    table : str
        With its schema if needed. A part with blanks or other signs stands in double quotes: ``'shop."raw events"'``.
    columns : mapping of str to str
        Names and types.

    Raises
    ------
    ValueError
        If it is not the name of a table.
    """
    if not isinstance(table, str) or not re.fullmatch(rf"{PART}(\.{PART}){{0,2}}", table):
        raise ValueError(
            f"table={table!r} is not the name of a table. Write it as 'events', 'shop.events' or "
            "'company.shop.events', and a name with blanks in double quotes: 'shop.\"raw events\"'."
        )
    parts = [p[1:-1].replace('""', '"') if p[0] == '"' else p for p in re.findall(PART, table)]
    name, *homes = reversed(parts)
    schema, catalog = (*homes, None, None)[:2]
    return ibis.table(dict(columns), name=name, database=schema, catalog=catalog)


def _columns(events: Events | Iterable[str]) -> list[str]:
    """Return the standard columns of the table, in their order."""
    names = events.columns if isinstance(events, Events) else events
    if isinstance(names, (str, type)) or hasattr(names, "columns") or not isinstance(names, Iterable):
        raise TypeError(
            f"events is {in_words(events)}. They should be Events, as from read_events(…), or a list of standard "
            "columns, such as ['amount']."
        )
    given = set()
    for name in names:
        check_type("A column", name, str, "Name standard columns, such as ['amount'].")
        given.add(name)
    for name in sorted(given - set(STANDARD)):
        raise ValueError(f"{name!r} is not a standard column.{choose_from(name, STANDARD)}")
    return [name for name in STANDARD if name in given or name in ("customer_id", "timestamp", "kind")]
