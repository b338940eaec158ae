"""Features as the text of a query, for a warehouse that segkit does not speak to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import ibis
import pandas as pd

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


def feature_sql(
    events: Events | Iterable[str],
    features: Iterable[Feature],
    *,
    as_of: str | pd.Timestamp,
    window: str | timedelta | None = None,
    dialect: str = "duckdb",
    table: str = "events",
) -> str:
    chosen = distinct_features(features)
    moment, span = read_moment(as_of), read_window(window)
    compiler = DIALECTS[dialect]
    columns = {c: TYPE_OF[STANDARD[c]] for c in STANDARD}
    log = Events(ibis.table(columns, name=table), pd.DataFrame({"count": []}))
    query = feature_query(log, chosen, as_of=moment, window=span, dialect=compiler)
    return str(ibis.to_sql(portable(query, compiler), dialect=compiler))
