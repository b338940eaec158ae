"""The embedded DuckDB that all events of this process share, and how segkit speaks to it."""

from __future__ import annotations

import difflib
import functools
import itertools
import tempfile
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

_numbers = itertools.count()


@functools.cache
def engine() -> Backend:
    """Return the process's own DuckDB, opened when first asked for.

    In memory, in UTC, and spilling to the system's temporary folder when a query outgrows its
    memory. Settings are DuckDB's own: ``engine().raw_sql("SET memory_limit = '2GB'")``.

    Returns
    -------
    ibis.backends.duckdb.Backend
        The same connection at each call, so that events of different sources can be joined.
    """
    import ibis

    connection = ibis.duckdb.connect(temp_directory=tempfile.mkdtemp(prefix="segkit-"))
    connection.raw_sql("SET TimeZone = 'UTC'")
    connection.raw_sql("SET enable_progress_bar = false")
    return connection


def run(sql: str) -> list[tuple]:
    """Run a statement in the engine to its end and return its rows."""
    return engine().raw_sql(sql).fetchall()


def fresh_name(stem: str) -> str:
    """Return a table name that nothing in this process bears yet."""
    return f"segkit_{stem}_{next(_numbers)}"


def quoted(text: str) -> str:
    """Return ``text`` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def near(word: str, words: Iterable[str]) -> str:
    """Say which of ``words`` was probably meant, or nothing where none is close."""
    words = [str(w) for w in words]
    lower = {w.lower(): w for w in reversed(words)}
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return f" Did you mean {lower[close[0]]!r}?" if close else ""
