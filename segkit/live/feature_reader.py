"""Read features of some customers, each as of a moment of its own, from a log in DuckDB.

The query is written and planned once; each reading only fills in who is asked for, and when.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

import ibis
import pandas as pd

from segkit.analyse.features.feature import Feature, distinct_features
from segkit.analyse.features.query import moment_query
from segkit.collect.read_events import check_zone
from segkit.core.checks import check_type
from segkit.core.engine.connection import as_queried, lean_sql, locked_engine, unique_name
from segkit.core.messages import choose_from, listed
from segkit.core.moments import EARLIEST, LATEST, read_window
from segkit.core.schema import STANDARD, TYPE_OF

if TYPE_CHECKING:
    import duckdb
    import ibis.expr.types as ir

DUCKDB_TYPES = {"text": "VARCHAR", "number": "DOUBLE", "time": "TIMESTAMP"}
ASKED = {"customer_id": TYPE_OF["text"], "moment": TYPE_OF["time"]}


class FeatureReader:
    """Read features of some customers, each as of a moment of its own.

    Parameters
    ----------
    connection : DuckDB connection
        Where the log is. A reading sees what this connection sees: also the events of a transaction that is still open.
    log : str
        The name of the log's table: one row an event, with standard columns as :func:`read_events` types them. Further
        columns are not looked at.
    features, window
        As in :func:`customer_features`. A feature without events of its kinds is 0 or missing.
    timezone : str, default="UTC"
        The shop's zone, as in :func:`read_events`.

    Raises
    ------
    ValueError
        If there is no such table, its columns have other types, or it lacks a column that a feature needs.

    Notes
    -----
    Rows of other customers are not read, since features are of the customer's own events. Of the connection it uses a
    temporary table and a prepared statement; close it before the connection to free them. Use it in one thread at a
    time, as the connection.

    Examples
    --------
    >>> import duckdb
    >>> import pandas as pd
    >>> import segkit as sg
    >>> from segkit.live.feature_reader import FeatureReader
    >>> connection = duckdb.connect()
    >>> log = connection.execute("CREATE TABLE log (customer_id TEXT, timestamp TIMESTAMP, kind TEXT, amount DOUBLE)")
    >>> log = connection.execute("INSERT INTO log VALUES ('ada', '2024-01-01', 'purchase', 30.0)")
    >>> reader = FeatureReader(connection, "log", sg.RFM)
    >>> asked = pd.DataFrame({"customer_id": ["ada"], "moment": pd.to_datetime(["2024-01-15 12:00"])})
    >>> reader.read(asked)
                                     recency  frequency  monetary  tenure
    as_of               customer_id
    2024-01-15 12:00:00 ada             14.5        1.0      30.0    14.5
    """

    @locked_engine
    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        log: str,
        features: Iterable[Feature],
        *,
        window: str | timedelta | None = None,
        timezone: str = "UTC",
    ):
        self._connection, self._asked, self._statement = connection, unique_name("asked"), unique_name("read")
        query = moment_query(
            _log_table(connection, log),
            ibis.table(ASKED, name=self._asked),
            distinct_features(features),
            window=read_window(window),
            timezone=check_zone(timezone),
        )
        query = query.order_by("snapshot", "customer_id")
        self._schema = query.schema().to_pyarrow()
        connection.execute(f"CREATE TEMP TABLE {self._asked} (customer_id VARCHAR, moment TIMESTAMP)")
        connection.execute(f"PREPARE {self._statement} AS {lean_sql(query)}")

    def read(self, asked: pd.DataFrame) -> pd.DataFrame:
        """Compute the features of customers, each as of its moment.

        Parameters
        ----------
        asked : DataFrame
            Columns `customer_id` (text) and `moment` (timestamp; in UTC unless it has a zone). A customer may be asked
            for at several moments. Other columns are not looked at.

        Returns
        -------
        DataFrame of shape (n_rows, n_features)
            Indexed by `as_of` and `customer_id`, sorted, as of :func:`snapshots`. Each row equals that of
            ``customer_features(…, as_of=moment)``; a customer without an event before the moment, in the window, has
            none. Words are categories of those that occur.

        Raises
        ------
        TypeError
            If `asked` is no such table.
        ValueError
            If an id or a moment is missing, or a moment is not within 1900 to 2200.
        """
        ids, moments = _checked(asked)
        self._connection.execute(f"DELETE FROM {self._asked}")
        self._connection.execute(
            f"INSERT INTO {self._asked} SELECT DISTINCT * FROM "
            "(SELECT unnest(?::VARCHAR[]), make_timestamp(unnest(?::BIGINT[])))",
            [ids, moments],
        )
        rows = self._connection.sql(f"EXECUTE {self._statement}").to_arrow_table()
        frame = as_queried(rows, self._schema).to_pandas()
        moment = pd.DatetimeIndex(frame.pop("snapshot").to_numpy().astype("datetime64[us]"), name="as_of")
        frame.index = pd.MultiIndex.from_arrays([moment, pd.Index(frame.pop("customer_id"))])
        for name in frame:
            if not pd.api.types.is_numeric_dtype(frame[name]):
                frame[name] = frame[name].astype("category")
        return frame

    def close(self) -> None:
        """Free the prepared statement and the temporary table; the connection stays open."""
        self._connection.execute(f"DEALLOCATE {self._statement}")
        self._connection.execute(f"DROP TABLE {self._asked}")


def _log_table(connection: duckdb.DuckDBPyConnection, log: str) -> ir.Table:
    """Return the standard columns of the log's table.

    Raises
    ------
    ValueError
        If there is no such table, or a column is missing or has another type.
    """
    found = dict(
        connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? AND schema_name = "
            "current_schema() AND database_name = current_database()",
            [log],
        ).fetchall()
    )
    if not found:
        tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        raise ValueError(f"There is no table {log!r}.{choose_from(str(log), tables)}")
    known = {name: found[name] for name in STANDARD if name in found}
    missing = [name for name in ("customer_id", "timestamp", "kind") if name not in known]
    if missing:
        raise ValueError(
            f"The table {log!r} has no column {missing[0]!r}. Its columns are {listed(list(found))}. Make it from "
            "events.table of read_events(…)."
        )
    for name, came in known.items():
        if came != DUCKDB_TYPES[STANDARD[name]]:
            raise ValueError(
                f"The column {name!r} of the table {log!r} is {came}. It should be {DUCKDB_TYPES[STANDARD[name]]}, as "
                "in events.table of read_events(…)."
            )
    return ibis.table({name: TYPE_OF[STANDARD[name]] for name in known}, name=log)


def _checked(asked: pd.DataFrame) -> tuple[list[str], list[int]]:
    """Return the ids, and the moments in microseconds since 1970."""
    check_type("asked", asked, pd.DataFrame, "Pass a table with the columns customer_id and moment.")
    for name in ASKED:
        if name not in asked:
            raise TypeError(f"asked has no column {name!r}. Its columns should be customer_id and moment.")
    ids, moments = asked["customer_id"].to_list(), asked["moment"]
    if not pd.api.types.is_datetime64_any_dtype(moments):
        raise TypeError(
            f"The column moment of asked is {moments.dtype}. Convert it: pd.to_datetime(asked['moment'])."
        )
    wrong = next((one for one in ids if not isinstance(one, str)), None)
    if wrong is not None or None in ids:
        raise ValueError(f"asked holds the customer_id {wrong!r}, which is not text. Pass ids as text.")
    if moments.dt.tz is not None:
        moments = moments.dt.tz_convert("UTC").dt.tz_localize(None)
    within = (moments >= EARLIEST) & (moments <= LATEST)
    if not within.all():
        first = asked[~within.to_numpy()].iloc[0]
        raise ValueError(
            f"asked holds the moment {first['moment']} for {first['customer_id']!r}. Moments lie within "
            f"{EARLIEST.year} to {LATEST.year}."
        )
    return ids, moments.astype("datetime64[us]").astype("int64").to_list()
