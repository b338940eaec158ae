"""Write the query of an export's rows step by step, and find its columns by name, whatever their shape.

Presets are written in SQL, because Ibis takes much longer to write such queries than DuckDB takes to run them on a
small export. They run in DuckDB only.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import ibis.expr.datatypes as dt

from segkit.collect.presets.sql import NO_TEXT, as_known_text, as_number, as_text, coalesced, lower_email
from segkit.collect.sources.source import named
from segkit.core.engine.connection import quoted

EXPORT = "segkit_export"
_numbers = itertools.count()


class Value(NamedTuple):
    """An SQL expression and its type."""

    sql: str
    type: dt.DataType


Spec = str | Callable[["Rows"], Value | None]
"""The name or path of a column, or a function that makes it."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of an export, as the steps of a query.

    Each step selects from the one before. Only columns that some step uses are read from the export.

    Attributes
    ----------
    types : dict of str to ibis type
        The columns. Those that a preset adds count as text if it does not say otherwise.
    export : tuple of str
        The columns of the export.
    standard : dict of str to column
        Where each standard column is read from, as in `Preset.columns`.
    name : str
        The last step.
    steps : dict of str to str
        SQL of each step, by its name.
    used : set of str
        Columns of the export that some step uses.
    check : callable
        Refuses a name that several columns of the export had.
    """

    types: Mapping[str, dt.DataType]
    export: tuple[str, ...]
    standard: Mapping[str, Any] = field(default_factory=dict)
    name: str = EXPORT
    steps: Mapping[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    check: Callable[[str], None] = lambda _: None

    def with_columns(
        self, columns: Mapping[str, str], types: Mapping[str, dt.DataType] | None = None
    ) -> Rows:
        """Add or replace columns; `types` holds the types of those that are not text."""
        replaced = ", ".join(named(column) for column in columns if column in self.types)
        kept = f"* EXCLUDE ({replaced})" if replaced else "*"
        made = ", ".join(f"{sql} AS {named(column)}" for column, sql in columns.items())
        known = {**self.types, **dict.fromkeys(columns, dt.string), **(types or {})}
        return self._next(f"SELECT {kept}, {made} FROM {self.name}", known)

    def with_values(self, values: Mapping[str, Value]) -> Rows:
        """Add or replace columns, each with its type."""
        columns = {name: value.sql for name, value in values.items()}
        return self.with_columns(columns, {name: value.type for name, value in values.items()})

    def without(self, *columns: str) -> Rows:
        """Drop columns."""
        kept = {name: dtype for name, dtype in self.types.items() if name not in columns}
        return self._next(f"SELECT * EXCLUDE ({', '.join(map(named, columns))}) FROM {self.name}", kept)

    def where(self, condition: str) -> Rows:
        """Keep the rows for which a condition is true."""
        return self._next(f"SELECT * FROM {self.name} WHERE {condition}", self.types)

    def with_rows_of(self, other: Rows) -> Rows:
        """Add the rows of another step; columns that are not in both are filled with missing values."""
        select = f"SELECT * FROM {self.name} UNION ALL BY NAME SELECT * FROM {other.name}"
        return self._next(select, {**other.types, **self.types}, other.steps)

    def _next(
        self, select: str, types: Mapping[str, dt.DataType], more: Mapping[str, str] | None = None
    ) -> Rows:
        name = f"segkit_step_{next(_numbers)}"
        steps = {**(more or {}), **self.steps, name: select}
        return replace(self, types=types, name=name, steps=steps)

    def query(self, source: str, columns: Mapping[str, str]) -> str:
        """Write the query that returns these columns.

        Parameters
        ----------
        source : str
            The query that returns the export.
        columns : dict of str to str
            Name of each column, and its SQL.
        """
        read = ", ".join(named(column) for column in self.export if column in self.used) or "1"
        steps = {EXPORT: f"SELECT {read} FROM ({source})", **self.steps}
        last = "SELECT " + ", ".join(f"{sql} AS {named(name)}" for name, sql in columns.items())
        last = f"{last} FROM {self.name}"
        uses = re.findall("FROM (segkit_[a-z0-9_]+)", " ".join([*steps.values(), last]))
        # Compute a step once if several others read it.
        shared = {name for name in self.steps if uses.count(name) > 1}
        how = {name: "MATERIALIZED" if name in shared else "NOT MATERIALIZED" for name in steps}
        return f"WITH {', '.join(f'{name} AS {how[name]} ({sql})' for name, sql in steps.items())} {last}"

    def found(self, name: str) -> str | None:
        """Return the name of a column with the export's capitals, or None if there is none."""
        self.check(name)
        if name in self.types:
            return name
        return next((column for column in self.types if column.lower() == name.lower()), None)

    def at(self, path: str) -> Value | None:
        """Return a column by its name, or a field of a nested column by its path; None if there is none."""
        whole = self.found(path)
        if whole is not None:
            return self._column(whole)
        root, _, rest = path.partition(".")
        name = self.found(root)
        return _within(self._column(name), rest) if name and rest else None

    def _column(self, name: str) -> Value:
        if name in self.export:
            self.used.add(name)
        dtype = self.types[name]
        if dtype.is_unknown() or dtype.is_null():  # all values are missing
            return Value(f"CAST({named(name)} AS VARCHAR)", dt.string)
        return Value(named(name), dtype)

    def value(self, spec: Any) -> Value | None:
        """Return the first value of each row that is not missing among these columns.

        Parameters
        ----------
        spec : str, callable, or tuple of those
            As in `Preset.columns`.

        Returns
        -------
        Value or None
            None if the export has none of them.
        """
        specs = spec if isinstance(spec, tuple) else (spec,)
        there = [self.at(one) if isinstance(one, str) else one(self) for one in specs]
        values = [value for value in there if value is not None]
        if len(values) < 2:
            return values[0] if values else None
        dtype = values[0].type
        if any(value.type != dtype for value in values) or dtype.is_string():
            # A word for missing, such as null, is passed over, but kept where nothing else is known.
            texts = [function(value.sql) for function in (as_known_text, as_text) for value in values]
            return Value(coalesced(*texts), dt.string)
        return Value(coalesced(*(value.sql for value in values)), dtype)

    def first(self, *specs: Spec) -> Value:
        """Return the first value that is not missing, as it came; missing if the export has no such column."""
        return self.value(specs) or Value(NO_TEXT, dt.string)

    def text(self, *specs: Spec) -> str:
        """Return the first value that is not missing, as text; missing if the export has no such column."""
        value = self.value(specs)
        return NO_TEXT if value is None else as_text(value.sql)

    def number(self, *specs: Spec) -> str:
        """Return the first value that is not missing, as a number."""
        return as_number(self.text(*specs))


def lowered(*specs: Spec) -> Callable[[Rows], Value | None]:
    """Return a column of the first value that is not missing, with e-mail addresses in small letters."""

    def column(rows: Rows) -> Value | None:
        return None if rows.value(specs) is None else Value(lower_email(rows.text(*specs)), dt.string)

    return column


def as_json(value: Value) -> str:
    """Return text as JSON, missing where it is not JSON."""
    return value.sql if value.type.is_json() else f"TRY_CAST(nullif({value.sql}, '') AS JSON)"


def _within(value: Value, path: str) -> Value | None:
    if value.type.is_string() or value.type.is_json():
        pointer = "".join("/" + part.replace("~", "~0") for part in path.replace("/", "~1").split("."))
        return Value(f"json_extract_string({as_json(value)}, {quoted(pointer)})", dt.string)
    step, _, rest = path.partition(".")
    if value.type.is_array() and step.isdigit():
        inner = Value(f"{value.sql}[{int(step) + 1}]", value.type.value_type)
    elif value.type.is_struct() and step in value.type.names:
        inner = Value(f"{value.sql}[{quoted(step)}]", value.type[step])
    else:
        return None
    return _within(inner, rest) if rest else inner
