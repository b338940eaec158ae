"""Columns of an export by their names, whatever shape they came in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt

from segkit.collect.presets.preset import TEXT

if TYPE_CHECKING:
    import ibis.expr.types as ir

NOTHING = ibis.literal("").nullif("")  # missing text, as an expression that can be compared
Spec = str | Callable[["ir.Table"], "ir.Column | None"]


@ibis.udf.scalar.builtin(name="json_extract_string", signature=((dt.json, dt.string), dt.string))
def _json_text(document, pointer):
    """What JSON holds at a place, as text."""


def found(table: ir.Table, name: str) -> str | None:
    """Return a column's name as the table writes it, or None: exports differ in their capitals."""
    lower = {column.lower(): column for column in table.columns}
    return name if name in table.columns else lower.get(name.lower())


def at(table: ir.Table, path: str) -> ir.Column | None:
    """Return the column of this name, or the field at this place of a nested one; None where there is none."""
    whole = found(table, path)
    if whole is not None:
        return table[whole]
    root, _, rest = path.partition(".")
    name = found(table, root)
    return _within(table[name], rest) if name and rest else None


def _within(column: ir.Column, path: str) -> ir.Column | None:
    if column.type().is_string() or column.type().is_json():
        pointer = "".join("/" + part.replace("~", "~0") for part in path.replace("/", "~1").split("."))
        return _json_text(as_json(column), pointer)
    step, _, rest = path.partition(".")
    if column.type().is_array() and step.isdigit():
        inner = column[int(step)]
    elif column.type().is_struct() and step in column.names:
        inner = column[step]
    else:
        return None
    return _within(inner, rest) if rest else inner


def as_json(column: ir.Column) -> ir.Column:
    """Return JSON, missing where the text is none."""
    return column if column.type().is_json() else column.nullif("").try_cast("json")


def value(table: ir.Table, spec: Any) -> ir.Column | None:
    """Return what each row has in the first of these columns that holds anything.

    Parameters
    ----------
    table : ibis Table
    spec : str, callable, or tuple of those
        As in `Preset.columns`.

    Returns
    -------
    ibis Column or None
        None where the table has none of them.
    """
    specs = spec if isinstance(spec, tuple) else (spec,)
    there = [at(table, one) if isinstance(one, str) else one(table) for one in specs]
    columns = [column for column in there if column is not None]
    if len(columns) < 2:
        return columns[0] if columns else None
    if len({str(column.type()) for column in columns}) > 1 or columns[0].type().is_string():
        columns = [filled(column) for column in columns]
    return ibis.coalesce(*columns)


def filled(column: ir.Column) -> ir.Column:
    """Return it as text, blank as missing."""
    text = column.cast("string")
    return text.strip().nullif("")


def first(table: ir.Table, *specs: Any) -> ir.Column:
    """Return the first of these that holds anything, as it came; missing where the table has none of them."""
    column = value(table, specs)
    return NOTHING if column is None else column


def text(table: ir.Table, *specs: Any) -> ir.Column:
    """Return the first of these that holds anything, as text; missing where the table has none of them."""
    column = value(table, specs)
    return NOTHING if column is None else filled(column)


def number(table: ir.Table, *specs: Any) -> ir.Column:
    """Return the first of these that holds anything, as a number."""
    return as_number(text(table, *specs))


def as_number(column: ir.Column) -> ir.Column:
    read = column.try_cast("float64")
    return (read.isnan() | read.isinf()).ifelse(ibis.null("float64"), read)


def lowered(*specs: Any) -> Callable[[ir.Table], ir.Column | None]:
    """Write e-mail addresses in small letters, so that one person is one customer; other ids stay as they are."""

    def lower(table: ir.Table) -> ir.Column | None:
        column = value(table, specs)
        return None if column is None else small_email(filled(column))

    return lower


def small_email(column: ir.Column) -> ir.Column:
    return column.contains("@").ifelse(column.lower(), column)


def dtype_of(shape: Any) -> dt.DataType:
    """Return the type of a nested column, from its shape in a preset."""
    if isinstance(shape, dict):
        return dt.Struct({name: dtype_of(inner) for name, inner in shape.items()})
    return dt.Array(dtype_of(shape[0])) if isinstance(shape, list) else dt.dtype(shape)


def fields(names: str) -> dict[str, str]:
    """Return the shape of an object of these fields, all of them plain."""
    return dict.fromkeys(names.split(), TEXT)


def place_in(column: ir.Column, words: list[str]) -> ir.Column:
    """Return how far down these words it stands, from 0; -1 for any other."""
    return ibis.cases(*((column == word, place) for place, word in enumerate(words)), else_=-1)


def is_any(column: ir.Column, words: list[str]) -> ir.Column:
    """Say whether it is one of these words; each is compared by itself, since DuckDB is slow on long lists."""
    same = ibis.literal(False)
    for word in words:
        same = same | (column == word)
    return same.fill_null(False)
