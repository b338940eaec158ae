"""How grains are built: each once, from the grains and settings that its parameters name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from segkit.core.engine.event_cache import CODES

if TYPE_CHECKING:
    import ibis.expr.types as ir

LOG = ("seen", "events")  # the log itself, under the name that reads best
DEFAULTS: dict[str, Any] = {
    "visit_gap": 30 * 60,  # seconds without a click after which a visit is over
    "dwell_cap": 30 * 60,  # seconds: nobody is taken to look at one page for longer
}
SETTINGS = (*DEFAULTS, "timezone", "dialect", "age", "path", "point")
"""What grains and features may ask for by a keyword-only parameter; `age` gives that of a table's rows."""


def key_columns(table: ir.Table) -> list[str]:
    """Return the columns that say whose row it is: the customer, and the snapshot where there are several."""
    snapshot = ["snapshot"] if "snapshot" in table.columns else []
    return [*snapshot, key_column(table, "customer_id")]


def key_column(table: ir.Table, column: str) -> str:
    """Return the column by which a table is grouped by these ids: that of their codes, where it has one."""
    return CODES[column] if CODES[column] in table.columns else column


def settings_of(function: Callable[..., Any], grains: Mapping[str, Callable[..., Any]]) -> frozenset[str]:
    """Return the settings that a feature or grain depends on, through the grains that it is made from."""
    return _settings_of(function, tuple(grains.items()))


@functools.cache
def _settings_of(function: Callable[..., Any], grains: tuple[tuple[str, Any], ...]) -> frozenset[str]:
    known, found = dict(grains), set()
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            found.add(parameter.name)
        elif parameter.name not in LOG:
            found |= _settings_of(known[parameter.name], grains)
    return frozenset(found)


class TableBuilder:
    """The grains of one log of events, each built once for each choice of settings.

    Parameters
    ----------
    seen : ibis Table
        The events that count, with their `age` in microseconds and `days_ago`.
    grains : mapping of str to callable
        How each grain is made.
    given : mapping of str to Any
        Settings that hold where a feature says nothing else.
    """

    def __init__(self, seen: ir.Table, grains: Mapping[str, Callable[..., Any]], given: Mapping[str, Any]):
        self._seen = seen
        self._grains = grains
        self._given = {**DEFAULTS, **given}
        self._built: dict[tuple, ir.Table] = {}

    def has_built(self, name: str) -> bool:
        """Say whether anything asked for a grain."""
        return any(built == name for built, _ in self._built)

    def table(self, name: str, said: Iterable[tuple[str, Any]] = ()) -> ir.Table:
        """Return a grain, built when first asked for."""
        if name in LOG:
            return self._seen
        needed = settings_of(self._grains[name], self._grains)
        key = (name, tuple(sorted((s, v) for s, v in said if s in needed)))
        if key not in self._built:
            self._built[key] = self.call_with_tables(self._grains[name], said)
        return self._built[key]

    def call_with_tables(self, function: Callable[..., Any], said: Iterable[tuple[str, Any]] = ()) -> Any:
        """Call a function with the grains and the settings that its parameters name."""
        tables, settings = [], {}
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY:
                settings[parameter.name] = {**self._given, **dict(said)}[parameter.name]
            else:
                tables.append(self.table(parameter.name, said))
        return function(*tables, **settings)
