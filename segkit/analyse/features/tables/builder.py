"""Build the tables that features aggregate: each once, from the tables and settings that its parameters name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import ibis.expr.types as ir

from segkit.core.engine.event_cache import CODES

LOG = ("log", "events")  # two names of the log itself; use the one that reads best
DEFAULTS: dict[str, Any] = {
    "visit_gap": 30 * 60,  # seconds without a click after which a visit is over
    "dwell_cap": 30 * 60,  # longest time on one page, in seconds
}
SETTINGS = (*DEFAULTS, "timezone", "dialect", "age", "path", "point")
"""Names of the keyword-only parameters that tables and features may have; `age` is a function of a table."""


class MissingColumn(AttributeError):
    """A table does not have a column that a feature uses.

    Attributes
    ----------
    column : str
        The name of the column.
    """

    def __init__(self, column: str):
        super().__init__(f"The table has no column {column!r}.")
        self.column = column


class StrictTable(ir.Table):
    """An Ibis table that raises :class:`MissingColumn` for a column that it does not have.

    The error carries the name of the column, so that nothing depends on the wording of Ibis.
    """

    def __getattr__(self, key: str) -> Any:
        if key.startswith("_") or key in self.columns:
            return super().__getattr__(key)
        raise MissingColumn(key)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str) and key not in self.columns:
            raise MissingColumn(key)
        return super().__getitem__(key)


def key_columns(table: ir.Table) -> list[str]:
    """Return the columns that identify the customer of a row, and the snapshot where there are several."""
    snapshot = ["snapshot"] if "snapshot" in table.columns else []
    return [*snapshot, key_column(table, "customer_id")]


def key_column(table: ir.Table, column: str) -> str:
    """Return the column to group ids by: that of their codes, where the table has one."""
    return CODES[column] if CODES[column] in table.columns else column


def settings_of(function: Callable[..., Any], tables: Mapping[str, Callable[..., Any]]) -> frozenset[str]:
    """Return the settings that a feature or table depends on, also through the tables that it is made from."""
    return _settings_of(function, tuple(tables.items()))


@functools.cache
def _settings_of(function: Callable[..., Any], tables: tuple[tuple[str, Any], ...]) -> frozenset[str]:
    known, settings = dict(tables), set()
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            settings.add(parameter.name)
        elif parameter.name not in LOG:
            settings |= _settings_of(known[parameter.name], tables)
    return frozenset(settings)


class TableBuilder:
    """The tables of one log, each built once for each choice of settings.

    Parameters
    ----------
    log : ibis Table
        The events that count, with their `age` in microseconds and `days_ago`.
    tables : mapping of str to callable
        The functions that make the tables.
    defaults : mapping of str to Any
        Settings for features that have none of their own.
    """

    def __init__(self, log: ir.Table, tables: Mapping[str, Callable[..., Any]], defaults: Mapping[str, Any]):
        self._log = StrictTable(log.op())
        self._tables = tables
        self._defaults = {**DEFAULTS, **defaults}
        self._built: dict[tuple, ir.Table] = {}

    def has_built(self, name: str) -> bool:
        """Return whether a table was needed by any feature."""
        return any(built == name for built, _ in self._built)

    def table(self, name: str, settings: Iterable[tuple[str, Any]] = ()) -> ir.Table:
        """Return a table, which is built at the first call."""
        if name in LOG:
            return self._log
        needed = settings_of(self._tables[name], self._tables)
        key = (name, tuple(sorted((s, value) for s, value in settings if s in needed)))
        if key not in self._built:
            self._built[key] = StrictTable(self.call_with_tables(self._tables[name], settings).op())
        return self._built[key]

    def call_with_tables(self, function: Callable[..., Any], settings: Iterable[tuple[str, Any]] = ()) -> Any:
        """Call a function with the tables and settings that its parameters name."""
        tables, options, known = [], {}, {**self._defaults, **dict(settings)}
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY:
                options[parameter.name] = known[parameter.name]
            else:
                tables.append(self.table(parameter.name, settings))
        return function(*tables, **options)
