"""Read arriving events by the rules of :func:`segkit.read_events`, in a query that is written once."""

from __future__ import annotations

import functools
import hashlib
import warnings
import zoneinfo
from typing import TYPE_CHECKING

import ibis
import pandas as pd

from segkit.analyse.features.feedback import KINDS as FEEDBACK_KINDS
from segkit.collect.kinds import known_kind
from segkit.collect.row_reader import TYPES, RowReader
from segkit.collect.sentiment import Scorer, scored
from segkit.collect.sources.dataframes import arrow_column
from segkit.collect.sources.source import Source
from segkit.collect.values import LONGEST_ID
from segkit.core.checks import check_frame
from segkit.core.engine.connection import engine, gc_paused, locked_engine
from segkit.core.messages import counted
from segkit.live.store import COLUMNS, SHOWN, Refusal

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

LONGEST_TEXT = 100_000  # characters; longer texts would fill the log and slow each query
ARRIVING = "arriving"  # the batch, and how the tables that it is copied into begin
NEEDED = ("customer_id", "timestamp", "kind", "event_id")
WANTED = "They should be a DataFrame with customer_id, timestamp, kind and event_id, and any other standard column."


class ArrivingRows(RowReader):
    """Read rows without a look at them first, so that one query serves for all batches of the same columns."""

    @functools.cached_property
    def kind_words(self) -> list[str]:
        """No words: kinds are spelled as segkit does before the query runs."""
        return []

    def _certainly_used(self, read: dict[str, ir.Column]) -> list[ir.BooleanValue]:
        return []  # a batch is small

    def _zone_cases(self, read: dict[str, ir.Column]) -> list:
        if "zone" not in read:
            return []
        known = sorted(zoneinfo.available_timezones())
        unknown = read["zone"].notnull() & ~read["zone"].isin(known)
        return [(unknown, "zone not a time zone", "zone")]

    def _cases(self, read: dict[str, ir.Column]) -> list:
        found = [name for name in self.found if name in read]
        texts = [name for name in found if TYPES[name] == "text" and self._raw(name).type().is_string()]
        long = f"longer than {LONGEST_TEXT:,} characters"
        key = read["event_id"]
        return [
            *super()._cases(read),
            (key.isnull(), "event_id missing", "customer_id"),
            (key.length() > LONGEST_ID, f"event_id longer than {LONGEST_ID} characters", "event_id"),
            *((self._raw(name).length() > LONGEST_TEXT, f"{name} {long}", name) for name in texts),
        ]


class Arrivals:
    """Read batches of events into the standard columns.

    Parameters
    ----------
    columns : tuple of str
        Columns that each row should have; where a batch lacks one, it is missing in all rows.
    timezone : str
        Zone of times that state none.
    scorer : Scorer, optional
        By which the texts of the log were scored.
    """

    def __init__(self, columns: tuple[str, ...], timezone: str, scorer: Scorer | None = None):
        self._columns, self._timezone, self._scorer, self._warned = columns, timezone, scorer, False
        self._queries: dict[pa.Schema, tuple[str, list[tuple[str, str]]]] = {}

    def read(self, connection: DuckDBPyConnection, frame: pd.DataFrame) -> tuple[pa.Table, list[Refusal]]:
        """Return the events that can be used, and those that cannot.

        Returns
        -------
        events : pyarrow Table
            Standard columns.
        refused : list of Refusal
        """
        check_frame("new_events", frame, WANTED)
        arriving = _as_arrow(frame, self._columns)
        query = self._queries.get(arriving.schema)
        connection.register(ARRIVING, arriving)
        if query is None:
            query = self._queries[arriving.schema] = self._prepared(connection, arriving.schema)
        name, reasons = query
        connection.execute(f"DELETE FROM {name}")
        connection.execute(f"INSERT INTO {name} SELECT * FROM {ARRIVING}")
        connection.unregister(ARRIVING)
        rows = connection.sql(f"EXECUTE read_{name}").to_arrow_table()  # in their order, as DuckDB promises
        why = rows["refused"].to_pylist()
        bad = [i for i, number in enumerate(why) if number is not None]
        others = frame[[name for name in frame.columns if name not in TYPES]]
        refused = [(_key(arriving, others, i), *_shown(arriving, i, *reasons[int(why[i])])) for i in bad]
        events = rows.drop_columns(["refused"])
        if bad:
            events = events.filter(rows["refused"].is_null())
        if self._scorer is not None:
            return scored(events, self._scorer), refused
        if {"text", "sentiment"} <= set(self._columns) and not self._warned:
            self._warn_of_unscored(events)
        return events, refused

    def _warn_of_unscored(self, events: pa.Table) -> None:
        """Warn once of feedback without a sentiment, which the log has from a column."""
        rows = events.select(["kind", "text", "sentiment"]).to_pylist()
        unscored = sum(
            row["kind"] in FEEDBACK_KINDS and bool(row["text"]) and row["sentiment"] is None for row in rows
        )
        if unscored:
            self._warned = True
            warnings.warn(
                f"{counted(unscored, 'text')} of chats, surveys or reviews came without a sentiment, so features of "
                "sentiment leave them out: the log's came from a column, and nothing scores new texts. Send each "
                "event's sentiment, or begin a folder with events that were read with a scorer, such as "
                "read_events(…, sentiment='vader', language='en').",
                stacklevel=5,
            )

    def _prepared(
        self, connection: DuckDBPyConnection, schema: pa.Schema
    ) -> tuple[str, list[tuple[str, str]]]:
        """Return the table that the query for batches of these columns and types reads, and the reasons to refuse."""
        name = f"{ARRIVING}_{len(self._queries)}"
        sql, reasons = _query(schema, name, self._timezone)
        connection.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM {ARRIVING} LIMIT 0")
        connection.execute(f"PREPARE read_{name} AS {sql}")
        return name, reasons


@functools.lru_cache(maxsize=64)
@locked_engine
def _query(schema: pa.Schema, name: str, timezone: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the query that reads a table of these columns and types, and the reasons to refuse a row."""
    table = ibis.table(ibis.Schema.from_pyarrow(schema), name=name)
    found = {column: column for column in schema.names}
    reader = ArrivingRows(Source("new_events", table), found, None, {}, (), timezone)
    marked, reasons = reader.marked()
    with gc_paused():
        return engine().compile(marked), reasons


def _as_arrow(frame: pd.DataFrame, columns: tuple[str, ...]) -> pa.Table:
    """Return the standard columns of a batch, in few types, so that few queries are written."""
    import pyarrow as pa

    if any(name is not None and name not in frame.columns for name in frame.index.names):
        frame = frame.reset_index()
    twice = sorted({str(name) for name in frame.columns[frame.columns.duplicated()] if name in TYPES})
    if twice:
        raise ValueError(f"new_events has {twice[0]!r} more than once. Drop or rename all columns but one.")
    priced = "price" in frame.columns and "amount" not in frame.columns
    wanted = [name for name in COLUMNS if name in columns or name in frame.columns]
    wanted = [name for name in wanted if not (priced and name == "amount")]
    wanted += ["price"] * priced
    arrays = {}
    for name in wanted:
        held = frame[name] if name in frame.columns else pd.Series([None] * len(frame), dtype=object)
        if name == "kind":
            held = _spelled(held)
        arrays[name] = _plain(name, held)
    return pa.table(arrays)


def _spelled(kinds: pd.Series) -> pd.Series:
    """Return the kinds in segkit's spelling; a blank is missing."""
    words = {word: known_kind(str(word)) or None for word in kinds.dropna().map(str).unique()}
    return kinds.map(lambda word: None if pd.isna(word) else words[str(word)]).astype(object)


def _plain(name: str, column: pd.Series) -> pa.Array:
    """Return a column as text, numbers or times of one width."""
    import pyarrow as pa

    array = arrow_column(column)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    kind, holds = array.type, TYPES[name]
    if pa.types.is_null(kind):
        return array.cast(pa.float64() if holds == "number" else pa.string())
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if is_text:
        return array.cast(pa.string())
    if holds == "number" and (is_number or pa.types.is_boolean(kind)):
        return array.cast(pa.float64(), safe=False)
    if holds == "time" and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        zone = getattr(kind, "tz", None)
        return array.cast(pa.timestamp("us", "UTC" if zone else None), safe=False)
    if name in ("customer_id", "event_id", "order_id", "product_id") and (
        pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_binary(kind)
    ):
        return array.cast(pa.float64()) if pa.types.is_floating(kind) else array
    if is_number:
        return array.cast(pa.string())
    return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())


def _shown(rows: pa.Table, i: int, reason: str, name: str) -> tuple[str, str]:
    """Return why a row was refused, and an example."""
    value = rows[name if name in rows.column_names else "price"][i].as_py()
    return reason, f"{name}={'missing' if value is None else str(value)[:SHOWN]}"


def _key(rows: pa.Table, others: pd.DataFrame, i: int) -> str:
    """Return a hash of a row, so that a refused row that is delivered twice is counted once.

    A row that comes again with further columns, all missing, is the same. Rows without any standard column each count.
    """
    values = {name: rows[name][i].as_py() for name in rows.column_names}
    held = {name: value for name, value in values.items() if value is not None}
    words = "\x1f".join(f"{name}={value}" for name, value in [*held.items(), *others.iloc[i].items()])
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:32]
