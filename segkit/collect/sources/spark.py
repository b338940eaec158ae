"""Spark DataFrames, which stay where they are: nothing of them is collected.

They are looked at from a session of our own beside the one that they come from: it shares the cluster, but
has its own settings, so that times are read in UTC here and stay as they were there. Spark Connect has no
such session; there the settings are ours while a query runs, and theirs again after it.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.operations as ops

from segkit.collect.sources.source import check_names
from segkit.core.engine.connection import unfused_selects, unique_name
from segkit.core.engine.rewrites import portable

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.pyspark import Backend

ZONE = "spark.sql.session.timeZone"

_connections: dict[str, Backend] = {}
_abandoned: list[tuple[Backend, str]] = []


def of_spark(frame: Any) -> ir.Table:
    """Return a Spark DataFrame as a lazy Ibis table.

    Raises
    ------
    ValueError
        If two of its columns share a name.
    TypeError
        If it is a stream, which has no end.
    """
    if frame.isStreaming:
        raise TypeError(
            "read_events got a streaming Spark DataFrame, and features are of a table that stands still. Write the "
            "stream to a table, and read that: spark.read.table(…)."
        )
    check_names("The Spark DataFrame", frame.columns)
    _sweep()
    connection = _beside(frame.sparkSession)
    name = unique_name("spark")
    schema = _create_view(connection, _readable(frame), name)
    table = ops.DatabaseTable(name, schema=schema, source=connection, namespace=ops.Namespace()).to_expr()
    weakref.finalize(table.op(), _abandoned.append, (connection, name)).atexit = False
    return table


def of_spark_table(table: ir.Table) -> ir.Table:
    """Return an Ibis table of someone's own Spark connection likewise."""
    backend = table.get_backend()
    if backend in _connections.values():
        return table
    return of_spark(backend.raw_sql(backend.compile(table)))


def _beside(session: Any) -> Backend:
    """Return a connection beside theirs, with their temporary tables and settings."""
    connect = _backend()().connect
    if _is_remote(session):
        if session.session_id not in _connections:
            with _settings_kept(session):
                _connections[session.session_id] = connect(session)
        return _connections[session.session_id]
    from pyspark.sql import SparkSession

    known = session._jsparkSession.sessionUUID()
    if known not in _connections:
        ours = SparkSession(session.sparkContext, session._jsparkSession.cloneSession())
        _connections[known] = connect(ours)  # which sets its zone to UTC
    return _connections[known]


def _is_remote(session: Any) -> bool:
    return ".connect." in type(session).__module__


@functools.cache
def _backend() -> type[Backend]:
    """Return Ibis's Spark, made only where Spark is there."""
    from ibis.backends.pyspark import Backend
    from ibis.formats.pandas import PandasData
    from ibis.formats.pyarrow import PyArrowData

    spark = ibis.pyspark.name  # naming it makes its options known to Ibis

    class Beside(Backend):
        """Ibis's Spark, asked in words that it answers as DuckDB does."""

        def compile(self, expr: ir.Expr, /, **options: Any) -> str:
            with unfused_selects():
                return super().compile(portable(expr.as_table(), spark), **options)

        def to_pyarrow(self, expr: ir.Expr, /, **options: Any) -> Any:
            with _settings_kept(self._session):
                self._session.conf.set(ZONE, "UTC")
                table = self.raw_sql(self.compile(expr, **options)).toArrow()
            return expr.__pyarrow_result__(PyArrowData.convert_table(table, expr.as_table().schema()))

        def execute(self, expr: ir.Expr, /, **options: Any) -> Any:
            whole = expr.as_table()
            table = self.to_pyarrow(whole, **options)
            return expr.__pandas_result__(PandasData.convert_table(table.to_pandas(), whole.schema()))

    return Beside


@contextlib.contextmanager
def _settings_kept(session: Any) -> Iterator[None]:
    """Put back what Ibis, or we, set for a query."""
    before = {name: session.conf.get(name, None) for name in (ZONE, "spark.sql.mapKeyDedupPolicy")}
    try:
        yield
    finally:
        for name, value in before.items():
            session.conf.set(name, value) if value is not None else session.conf.unset(name)


def _readable(frame: Any) -> Any:
    """Return the frame with columns as text where Ibis has no word for their type."""
    from ibis.backends.pyspark.datatypes import PySparkType
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    def column(field: Any) -> Any:
        quoted = F.col("`" + field.name.replace("`", "``") + "`")
        try:
            known = not isinstance(field.dataType, T.NullType) and PySparkType.to_ibis(field.dataType)
        except (NotImplementedError, ibis.common.exceptions.IbisTypeError):
            known = None
        return quoted if known else quoted.cast("string").alias(field.name)

    return frame.select(*map(column, frame.schema.fields))


def _create_view(connection: Backend, frame: Any, name: str) -> ibis.Schema:
    """Name the frame in the session, and return its columns: times that are moments have UTC as their zone.

    Its plan was understood in the session that it comes from, and so are the times that it makes of texts.
    """
    from pyspark.sql import DataFrame
    from pyspark.sql.types import TimestampType

    session, ours = connection._session, frame
    if not _is_remote(session):
        plan = frame._jdf.queryExecution().analyzed()
        dataset = session._jvm.org.apache.spark.sql.classic.Dataset.ofRows(session._jsparkSession, plan)
        ours = DataFrame(dataset, session)
    ours.createOrReplaceTempView(name)
    moments = {
        f.name: "timestamp('UTC')" for f in frame.schema.fields if isinstance(f.dataType, TimestampType)
    }
    return ibis.schema({**dict(connection.get_schema(name)), **moments})


def _sweep() -> None:
    """Drop the views that nothing refers to any longer, but for those whose Spark was stopped."""
    while _abandoned:
        connection, name = _abandoned.pop()
        session = connection._session
        if not (session.is_stopped if _is_remote(session) else session.sparkContext._jsc is None):
            session.catalog.dropTempView(name)
