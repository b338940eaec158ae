"""Spark DataFrames, which stay where they are: nothing of them is collected.

They are looked at from a session of our own beside the one that they come from: it shares the cluster, but
has its own settings, so that times are read in UTC here and stay as they were there.
"""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.operations as ops

from segkit._engine import fresh_name
from segkit._portable import portable, step_by_step
from segkit._sources._source import check_names

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.pyspark import Backend

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
    name = fresh_name("spark")
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
    """Return a connection through a session of our own, with the temporary tables and settings of theirs."""
    from pyspark.sql import SparkSession

    theirs = session._jsparkSession
    known = theirs.sessionUUID()
    if known not in _connections:
        ours = SparkSession(session.sparkContext, theirs.cloneSession())
        ours.conf.set("spark.sql.execution.arrow.pyspark.enabled", "true")
        _connections[known] = _backend()().connect(ours)  # which sets its zone to UTC
    return _connections[known]


@functools.cache
def _backend() -> type[Backend]:
    """Return Ibis's Spark, made only where Spark is there."""
    from ibis.backends.pyspark import Backend

    spark = ibis.pyspark.name  # naming it makes its options known to Ibis

    class Beside(Backend):
        """Ibis's Spark, asked in words that it answers as DuckDB does."""

        def compile(self, expr: ir.Expr, /, **options: Any) -> str:
            with step_by_step():
                return super().compile(portable(expr.as_table(), spark), **options)

    return Beside


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
    """Name the frame in our session, and return its columns: times that are moments have UTC as their zone."""
    from pyspark.sql import DataFrame
    from pyspark.sql.types import TimestampType

    session = connection._session
    plan = frame._jdf.queryExecution().analyzed()
    dataset = session._jvm.org.apache.spark.sql.classic.Dataset.ofRows(session._jsparkSession, plan)
    DataFrame(dataset, session).createOrReplaceTempView(name)
    moments = {
        f.name: "timestamp('UTC')" for f in frame.schema.fields if isinstance(f.dataType, TimestampType)
    }
    return ibis.schema({**dict(connection.get_schema(name)), **moments})


def _sweep() -> None:
    """Drop the views that nothing refers to any longer."""
    while _abandoned:
        connection, name = _abandoned.pop()
        connection._session.catalog.dropTempView(name)
