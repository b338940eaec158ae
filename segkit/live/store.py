"""Keep the log and what follows from it in a DuckDB file, with one writer and one transaction a batch."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import duckdb
import pandas as pd
import pyarrow as pa

from segkit.core.engine.connection import quoted
from segkit.core.engine.erase_rows import erase_rows
from segkit.core.files import take_lock
from segkit.core.id_search import IdSearch
from segkit.core.messages import listed
from segkit.core.schema import STANDARD

FORMAT = 1
FILE, LOCK = "live.duckdb", "lock"
SHOWN = 60  # characters of a row that was refused
LEAST_OF_AN_ID = (
    4  # characters at the end of an example that was cut, by which it is taken to name a customer
)
KEPT = "segmentation"  # the folder with the segments that customers are placed in
COLUMNS = tuple(STANDARD)
OTHER = "event_id of another event"
EVENTS = "events"  # the view of the log with the columns that features may use

Event = tuple[str, str, pd.Timestamp]
"""An event by its `event_id`, `customer_id` and `timestamp`."""
Refusal = tuple[str, str, str]
"""Why a row was refused: a key, the same when it comes again; the reason; an example."""

_TYPES = {"text": "VARCHAR", "number": "DOUBLE", "time": "TIMESTAMP"}
_LOG = ", ".join(f"{name} {_TYPES[holds]}" for name, holds in STANDARD.items())
_TABLES = (
    "CREATE TABLE facts (name VARCHAR, value VARCHAR)",
    f"CREATE TABLE log ({_LOG}, UNIQUE (event_id))",
    "CREATE TABLE waiting (event_id VARCHAR, customer_id VARCHAR, timestamp TIMESTAMP)",
    "CREATE TABLE placements (placement_id BIGINT, customer_id VARCHAR, as_of TIMESTAMP, segment_id BIGINT, "
    "confidence DOUBLE, shown BIGINT, was BIGINT, event_id VARCHAR, late BOOLEAN)",
    "CREATE TABLE corrections (event_id VARCHAR, customer_id VARCHAR, as_of TIMESTAMP, segment_id BIGINT, "
    "why VARCHAR, who VARCHAR)",
    "CREATE TABLE outbox (placement_id BIGINT, hook VARCHAR, payload VARCHAR, attempts BIGINT, state VARCHAR, "
    "error VARCHAR)",
    "CREATE TABLE hooks (segment_id BIGINT, hook VARCHAR)",
    "CREATE TABLE consent (customer_id VARCHAR, begins TIMESTAMP, ends TIMESTAMP)",
    "CREATE TABLE purposes (purpose VARCHAR, as_of TIMESTAMP)",  # one row, once there is consent
    "CREATE TABLE refused (row_key VARCHAR PRIMARY KEY, reason VARCHAR, example VARCHAR)",
)
_HERS = {"outbox": "json_extract_string(payload, '$.customer_id') IN (SELECT id FROM hers)"}
"""Rows of tables without a `customer_id` that are about a customer of the table `hers`."""


class Store:
    """The DuckDB file of a folder, open for this process alone.

    Parameters
    ----------
    folder : Path
        Made where there is none.

    Raises
    ------
    BlockingIOError
        If another process, or another `Live` of this one, has the folder open.
    ValueError
        If the folder is a file, or its file was written by a newer segkit, or by something else.
    """

    def __init__(self, folder: Path):
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"folder={str(folder)!r} is a file. Pass a folder, or the name of a new one.")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self.closed = folder, False
        self.turn = threading.RLock()  # held by the one thread that uses the connection
        self._lock = _locked(folder)
        try:
            _drop_remains(folder)
            self._connect()
            tables = {name for (name,) in self.run("SELECT table_name FROM duckdb_tables()")}
            self.facts = self._read_facts() if "facts" in tables else {}
        except BaseException:
            self.close()
            raise

    def _connect(self) -> None:
        try:
            self.connection: Any = duckdb.connect(self.folder / FILE)
        except duckdb.IOException as error:
            if "not a valid DuckDB" not in str(error):
                raise
            raise ValueError(
                f"The file {self.folder / FILE} is not one of DuckDB, so no live segments. Pass another folder."
            ) from error
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET threads = 1")

    def _read_facts(self) -> dict[str, Any]:
        facts = {name: json.loads(value) for name, value in self.run("SELECT name, value FROM facts")}
        if facts.get("format", 0) > FORMAT:
            raise ValueError(
                f"The folder {self.folder} has format {facts['format']}, written by a newer segkit; this one reads "
                f"{FORMAT}. Update segkit, or begin a new folder."
            )
        return facts

    def run(self, sql: str, values: Sequence[Any] | dict[str, Any] | None = None) -> list[tuple]:
        """Run a statement and return its rows."""
        return self.connection.execute(sql, values).fetchall()

    def insert(self, table: str, rows: pa.Table) -> None:
        """Append rows to a table, by the names of their columns."""
        self.connection.register("rows_to_insert", rows)
        self.run(f"INSERT INTO {table} BY NAME SELECT * FROM rows_to_insert")
        self.connection.unregister("rows_to_insert")

    def copy_log(self, rows: pa.RecordBatchReader) -> None:
        """Append the rows of a log, sorted by customer, so that a customer's rows are found quickly."""
        self.connection.register("rows", rows)
        self.run("INSERT INTO log BY NAME SELECT * FROM rows ORDER BY customer_id, timestamp")
        self.connection.unregister("rows")

    def append(self, events: pa.Table) -> tuple[list[Event], int]:
        """Append the events whose `event_id` the log does not have; of those that share one, the earliest.

        Events that come with the id of another one or of a correction are refused; the same one again is counted.

        Returns
        -------
        fresh : list of Event
            The appended events.
        repeated : int
        """
        self.connection.register("arrived", events)
        rows = self.run(
            "INSERT INTO log BY NAME SELECT * FROM (SELECT DISTINCT ON (event_id) * FROM arrived "
            "WHERE event_id NOT IN (SELECT event_id FROM corrections) "
            "ORDER BY event_id, timestamp, customer_id) ON CONFLICT (event_id) DO NOTHING "
            "RETURNING event_id, customer_id, timestamp"
        )
        repeated = len(events) - len(rows)
        if repeated:
            came, kept = (
                ", ".join(f"{table}.{c}" for c in events.column_names) for table in ("arrived", "log")
            )
            self.run(
                f"INSERT INTO refused SELECT DISTINCT arrived.event_id || ' ' || hash(row({came})), '{OTHER}', "
                f"'event_id=' || arrived.event_id[:60] FROM arrived LEFT JOIN log USING (event_id) "
                f"WHERE row({came}) IS DISTINCT FROM row({kept}) ON CONFLICT DO NOTHING"
            )
        self.connection.unregister("arrived")
        return _events(rows), repeated

    def refuse(self, rows: list[Refusal]) -> None:
        """Keep why rows were refused."""
        if rows:
            keys, reasons, examples = zip(*rows, strict=True)
            self.run(
                "INSERT INTO refused SELECT DISTINCT ON (k) k, r, e FROM (SELECT unnest($1) AS k, unnest($2) AS r, "
                "unnest($3) AS e) ON CONFLICT DO NOTHING",
                [list(keys), list(reasons), list(examples)],
            )

    def take_due(self, fresh: list[Event], moment: pd.Timestamp) -> list[Event]:
        """Return the events before a moment that nobody was placed for, and let those at or after it wait."""
        due = self.run(
            "DELETE FROM waiting WHERE timestamp < ? RETURNING event_id, customer_id, timestamp",
            [moment.to_pydatetime()],
        )
        for event_id, customer, time in fresh:
            if time >= moment:
                self.run("INSERT INTO waiting VALUES (?, ?, ?)", [event_id, customer, time.to_pydatetime()])
        return [event for event in fresh if event[2] < moment] + _events(due)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing: whatever ends the block early, or kills the process, leaves the file as it was."""
        self.run("BEGIN")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            with contextlib.suppress(duckdb.Error):  # a failed COMMIT has ended the transaction already
                self.run("ROLLBACK")
            raise

    @contextlib.contextmanager
    def on_all_cores(self) -> Iterator[None]:
        """Let work on all customers use every core; a batch is small, and several threads would only cost it more."""
        self.run("RESET threads")
        try:
            yield
        finally:
            self.run("SET threads = 1")

    def create(self, facts: dict[str, Any]) -> None:
        """Create the tables, within a transaction; `facts` says what the folder is for."""
        for table in _TABLES:
            self.run(table)
        self.run(f"CREATE VIEW {EVENTS} AS SELECT {', '.join(facts['columns'])} FROM log")
        self.facts = {"format": FORMAT, **facts}
        for name, value in self.facts.items():
            self.run("INSERT INTO facts VALUES (?, ?)", [name, json.dumps(value)])

    def holds(self, ids: Iterable[str]) -> set[str]:
        """Return which of some customers it holds."""
        tables = ("log", "waiting", "placements", "corrections")
        known = " UNION ".join(f"SELECT customer_id FROM {table}" for table in tables)
        return {
            text for (text,) in self.run(f"SELECT unnest($1::VARCHAR[]) INTERSECT ({known})", [list(ids)])
        }

    def erase(self, ids: Iterable[str], segmentation: str | None = None) -> int:
        """Write the file anew without some customers, on a new connection, and return how many rows were left out.

        Parameters
        ----------
        ids : iterable of str
        segmentation : str, optional
            The hash of the segments that the folder is for from now on.
        """
        ids = list(ids)
        about = {**_HERS, "refused": self._refused_of(ids)}
        self.connection.close()
        try:
            number = erase_rows(self.folder / FILE, ids, about)
        finally:
            self._connect()
        if number:  # the log that the folder was begun with is not known any longer
            self.change_fact("begun", None)
        if segmentation is not None:
            self.change_fact("segmentation", segmentation)
        return number

    def _refused_of(self, ids: list[str]) -> str:
        """Return a condition for the refused rows that name a customer; an example is often how a raw row begins."""
        events = self.run(
            "SELECT event_id FROM log WHERE event_id IS NOT NULL AND customer_id IN (SELECT unnest($1::VARCHAR[]))",
            [ids],
        )
        search = IdSearch([*ids, *(event_id for (event_id,) in events)])
        begins = {text[:n] for text in ids for n in range(LEAST_OF_AN_ID, min(len(text), SHOWN + 1))}
        rows = self.run("SELECT row_key, coalesce(example, '') FROM refused")
        keys = [
            quoted(key)
            for key, example in rows
            if search.found_in(f"{key} {example}".encode()) or _cut_within(example, begins)
        ]
        return f"row_key IN ({', '.join(keys)})" if keys else "false"

    def change_fact(self, name: str, value: Any) -> None:
        """Write a fact anew."""
        self.run("UPDATE facts SET value = ? WHERE name = ?", [json.dumps(value), name])
        self.facts[name] = value

    def close(self) -> None:
        """Close the file, and let others have the folder."""
        if getattr(self, "connection", None) is not None:
            self.connection.close()
        self._lock.close()
        self.closed = True


def _events(rows: list[tuple]) -> list[Event]:
    return [(event_id, customer, pd.Timestamp(time)) for event_id, customer, time in rows]


def check_facts(folder: Path, kept: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Refuse a folder that was begun for another segmentation, other features or another window.

    Raises
    ------
    ValueError
    """
    differs = [name for name, value in wanted.items() if kept.get(name) != value]
    if differs:
        was, now = (listed(str(facts.get(name))[:60] for name in differs) for facts in (kept, wanted))
        raise ValueError(
            f"The folder {folder} was begun for another {listed(differs)}: {was}, and now {now}. Pass what it was "
            "begun with, or begin a new folder."
        )


def _cut_within(example: str, begins: set[str]) -> bool:
    """Return whether an example was cut after the beginning of an id."""
    return len(example) >= SHOWN and any(example[-n:] in begins for n in range(LEAST_OF_AN_ID, SHOWN + 1))


def _drop_remains(folder: Path) -> None:
    """Remove what a killed process left beside the file: customers could be in it who are erased later."""
    for path in folder.glob(f".{FILE}.*"):
        path.unlink()
    shutil.rmtree(folder / f"{FILE}.tmp", ignore_errors=True)


def _locked(folder: Path) -> IO[str]:
    """Open the lock file for this process alone; the system lets go of it when the process ends, however it ends."""
    file = (folder / LOCK).open("a+", encoding="utf-8")
    try:
        take_lock(file)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise BlockingIOError(
            f"The folder {folder} is open already: {holder} writes to it, and a folder has one writer. Close that one "
            "first, live.close(), or pass another folder."
        ) from error
    file.truncate(0)
    file.write(f"process {os.getpid()} on {platform.node() or 'this machine'}")
    file.flush()
    return file
