"""Functions that differ between engines; everything else is plain Ibis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt
import pandas as pd

if TYPE_CHECKING:
    import ibis.expr.types as ir

SPARK = ("pyspark", "databricks")
_NAIVE, _UTC = dt.timestamp, dt.Timestamp("UTC")
_DAY = 86_400_000_000  # microseconds


def _builtin(name: str, function: Any, takes: tuple[Any, ...], gives: Any) -> Any:
    """Return a function that is built into the engine; `function` only names its parameters."""
    return ibis.udf.scalar.builtin(name=name, signature=(takes, gives))(function)


_instant = _builtin("timezone", lambda zone, local: None, (dt.string, _NAIVE), _UTC)
_clock = _builtin("timezone", lambda zone, instant: None, (dt.string, _UTC), _NAIVE)
_hash = _builtin("hash", lambda text: None, (dt.string,), dt.uint64)
_epoch_us = _builtin("epoch_us", lambda time: None, (_NAIVE,), dt.int64)
_make_timestamp = _builtin("make_timestamp", lambda microseconds: None, (dt.int64,), _NAIVE)
_strptime = _builtin("try_strptime", lambda text, form: None, (dt.string, dt.string), _NAIVE)
_zoned_strptime = _builtin("try_strptime", lambda text, form: None, (dt.string, dt.string), _UTC)

_spark_convert = _builtin(
    "convert_timezone", lambda source, target, local: None, (dt.string, dt.string, _NAIVE), _NAIVE
)
_spark_naive = _builtin("to_timestamp_ntz", lambda instant: None, (_UTC,), _NAIVE)
_spark_moment = _builtin("timestamp_micros", lambda microseconds: None, (dt.int64,), _UTC)
_spark_days = _builtin("unix_date", lambda day: None, (dt.date,), dt.int64)
_spark_part = _builtin("date_part", lambda part, time: None, (dt.string, _NAIVE), dt.Decimal(8, 6))

_bigquery_instant = _builtin("timestamp", lambda local, zone: None, (_NAIVE, dt.string), _UTC)
_bigquery_clock = _builtin("datetime", lambda instant, zone: None, (_UTC, dt.string), _NAIVE)

_postgres_bytes = _builtin("convert_to", lambda text, coding: None, (dt.string, dt.string), dt.binary)
_postgres_text = _builtin("convert_from", lambda bytes, coding: None, (dt.binary, dt.string), dt.string)
_postgres_hex = _builtin("encode", lambda bytes, form: None, (dt.binary, dt.string), dt.string)
_postgres_unhex = _builtin("decode", lambda text, form: None, (dt.string, dt.string), dt.binary)


def has_codes(dialect: str) -> bool:
    """Return whether an engine groups faster by hashes than by texts."""
    return dialect == "duckdb"


def codes_of(text: ir.StringColumn) -> ir.IntegerColumn:
    """Return hashes of texts, the same at each call.

    Two texts very rarely share a hash, so callers check whether any do.
    """
    return _hash(text)


def dialect_of(table: ir.Table) -> str:
    """Return the Ibis name of the engine of a table; DuckDB for a table without one."""
    backends = table._find_backends()[0]
    return backends[0].name if backends else "duckdb"


def age_of(timestamp: ir.Column, moment: pd.Timestamp | ir.Column, dialect: str) -> ir.IntegerColumn:
    """Return the exact number of microseconds from a time to a moment."""
    if dialect != "duckdb" and dialect not in SPARK:
        moment = moment if isinstance(moment, ibis.Expr) else ibis.literal(moment, type="timestamp(6)")
        return moment.delta(timestamp, unit="microsecond")
    since_1970 = microseconds_of(timestamp, dialect)
    if isinstance(moment, ibis.Expr):
        return microseconds_of(moment, dialect) - since_1970
    return (moment.floor("us") - pd.Timestamp(0)) // pd.Timedelta(1, "us") - since_1970


def microseconds_of(time: ir.Column, dialect: str) -> ir.IntegerColumn:
    """Return the microseconds since 1970 of a time, in DuckDB and Spark."""
    return _epoch_us(time) if dialect == "duckdb" else _spark_microseconds(time)


def _spark_microseconds(time: ir.Column) -> ir.IntegerColumn:
    """Return microseconds since 1970 from the parts of a time: Spark's own functions use the zone of the session."""
    seconds = time.hour().cast("int64") * 3600 + time.minute() * 60
    fraction = (_spark_part("SECOND", time) * 1_000_000).cast("int64")
    return _spark_days(time.date()) * _DAY + seconds * 1_000_000 + fraction


def local_time(timestamp: ir.Column, zone: str | ir.Column, dialect: str) -> ir.TimestampColumn:
    """Convert times in UTC to local times of a zone."""
    if isinstance(zone, str) and zone == "UTC":
        return timestamp
    if dialect in (*SPARK, "snowflake"):
        return _spark_convert("UTC", zone, timestamp)
    if dialect == "bigquery":
        return _bigquery_clock(_bigquery_instant(timestamp, "UTC"), zone)
    return _clock(zone, _instant("UTC", timestamp))


def utc_time(local: ir.Column, zone: str, dialect: str) -> ir.TimestampColumn:
    """Convert local times of a zone to UTC; a local time that occurs twice becomes the second one."""
    if zone == "UTC":
        return local
    if dialect == "duckdb":
        return _clock("UTC", _instant(zone, local))
    # Spark takes the first. With the offset of a day later it is the second, if that is a valid time too.
    day = ibis.interval(days=1)
    second = _spark_convert(zone, "UTC", local + day) - day
    return (_spark_convert("UTC", zone, second) == local).ifelse(second, _spark_convert(zone, "UTC", local))


def clock_of(instant: ir.Column, dialect: str) -> ir.TimestampColumn:
    """Convert times with a zone to times in UTC without one; the session of Spark has to be in UTC."""
    return _clock("UTC", instant) if dialect == "duckdb" else _spark_naive(instant)


def time_at(microseconds: ir.IntegerColumn, dialect: str) -> ir.TimestampColumn:
    """Convert microseconds since 1970 to times."""
    return _make_timestamp(microseconds) if dialect == "duckdb" else _spark_naive(_spark_moment(microseconds))


def parsed(text: ir.StringColumn, form: str, *, zoned: bool) -> ir.TimestampColumn:
    """Parse text by a ``strptime`` format in DuckDB; times with a zone are converted to UTC."""
    return clock_of(_zoned_strptime(text, form), "duckdb") if zoned else _strptime(text, form)


def sortable(text: ir.StringColumn, dialect: str) -> ir.StringColumn:
    """Return a text that sorts by the UTF-8 bytes of this one: PostgreSQL sorts by language."""
    return _postgres_hex(_postgres_bytes(text, "UTF8"), "hex") if dialect == "postgres" else text


def readable(text: ir.StringColumn, dialect: str) -> ir.StringColumn:
    """Return the original of a sortable text."""
    return _postgres_text(_postgres_unhex(text, "hex"), "UTF8") if dialect == "postgres" else text
