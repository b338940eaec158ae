"""Features as the text of a query, for a warehouse that segkit does not speak to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import ibis
import pandas as pd

from segkit import __version__
from segkit._engine import near
from segkit._portable import portable
from segkit._standard import STANDARD, TYPE_OF
from segkit.events import Events
from segkit.features._core import Feature, distinct_features, feature_query, read_moment, read_window

DIALECTS = {
    "duckdb": "duckdb",
    "postgres": "postgres",
    "snowflake": "snowflake",
    "bigquery": "bigquery",
    "databricks": "databricks",
    "spark": "databricks",  # the same SQL, and Ibis writes it without PySpark being there
}
"""What a dialect is called here and by Ibis."""

SAID = {"text": "text", "number": "64-bit floating point", "time": "timestamp without time zone, in UTC"}


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
        The log, or the names of the standard columns that the table in the warehouse has.
    features : iterable of Feature
        As in :func:`customer_features`.
    as_of, window
        As in :func:`customer_features`.
    dialect : {"duckdb", "postgres", "snowflake", "bigquery", "databricks", "spark"}, default="duckdb"
        Whose SQL it is.
    table : str, default="events"
        The table's name there.

    Returns
    -------
    str
        One SELECT statement, which gives `customer_id` and a column for each feature; a comment above it
        says which columns the table should have.

    Raises
    ------
    ValueError
        If there is no such dialect, a name is no standard column, or a feature needs a column that is
        not among them.

    Notes
    -----
    It is made from the same definitions as :func:`customer_features`. The tests run it on PostgreSQL and
    Spark and compare; for Snowflake and BigQuery they only read it as that dialect's grammar.

    Examples
    --------
    >>> import segkit as sg
    >>> print(sg.feature_sql(["amount"], sg.RFM, as_of="2024-07-01"))
    -- Features of customers as of 2024-07-01 00:00:00, written by segkit ... for duckdb.
    -- The table "events" should have these columns, one row an event:
    --   customer_id: text
    --   timestamp: timestamp without time zone, in UTC
    --   kind: text
    --   amount: 64-bit floating point
    WITH ...
    """
    chosen = distinct_features(features)
    moment, span = read_moment(as_of), read_window(window)
    if dialect not in DIALECTS:
        raise ValueError(
            f"dialect={dialect!r} is none that features are written in.{near(str(dialect), DIALECTS)} "
            f"There are {', '.join(DIALECTS)}."
        )
    columns = _columns(events)
    zone = events.timezone if isinstance(events, Events) else "UTC"
    log = Events(
        ibis.table({name: TYPE_OF[STANDARD[name]] for name in columns}, name=table),
        pd.DataFrame({"reason": [], "count": [], "example": []}),
        timezone=zone,
    )
    compiler = DIALECTS[dialect]
    query = feature_query(log, chosen, as_of=moment, window=span, dialect=compiler)
    sql = ibis.to_sql(portable(query, compiler), dialect=compiler)
    back = "" if span is None else f", over the {span} before it"
    said = "\n".join(f"--   {name}: {SAID[STANDARD[name]]}" for name in columns)
    return (
        f"-- Features of customers as of {moment}{back}, written by segkit {__version__} for {dialect}.\n"
        f'-- The table "{" ".join(table.split())}" should have these columns, one row an event:\n{said}\n{sql}'
    )


def _columns(events: Events | Iterable[str]) -> list[str]:
    """Return the standard columns that the table has, in their order."""
    given = set(events.columns if isinstance(events, Events) else events)
    for name in sorted(given - set(STANDARD)):
        raise ValueError(
            f"{name!r} is no standard column.{near(name, STANDARD)} There are {', '.join(STANDARD)}."
        )
    return [name for name in STANDARD if name in given or name in ("customer_id", "timestamp", "kind")]
