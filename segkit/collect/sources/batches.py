"""Rows that arrive in batches, taken into the engine one batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from segkit.collect.sources.dataframes import arrow_column
from segkit.collect.sources.source import named
from segkit.core.engine.connection import engine, own_table, run, unique_name

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa


def copied(
    batches: pa.RecordBatchReader, *, select: str = "*", where: str = "true", numbers: Sequence[str] = ()
) -> ir.Table:
    """Return a copy, in the engine, of batches of one schema.

    Parameters
    ----------
    batches : RecordBatchReader
    select, where : str
        What of them, in SQL.
    numbers : sequence of str
        Columns of numbers that arrive as text.

    Raises
    ------
    duckdb.Error
        If they break off; nothing of them is left in the engine then.
    """
    name = _created(batches, select, where)
    _read_numbers(name, numbers)
    return own_table(name)


def gathered(chunks: Iterable[pa.Table], *, numbers: Sequence[str] = ()) -> ir.Table:
    """Return a copy, in the engine, of chunks whose types may change on the way.

    A column of whole numbers may hold fractions later, or words: it takes the type that fits all.
    """
    parts: dict[str, list[str]] = {}
    schema = None
    try:
        for chunk in chunks:
            chunk, missing = _typed(chunk, schema)
            if chunk.schema == schema:
                part = list(parts)[-1]
                _inserted(part, chunk)
                parts[part] = [column for column in parts[part] if column in missing]
            else:
                schema = chunk.schema
                parts[_created(chunk, "*", "true")] = missing
        name = _joined(parts)
        _read_numbers(name, numbers)
        return own_table(name)
    finally:
        for part in parts:
            run(f"DROP TABLE IF EXISTS {part}")


def _typed(chunk: pa.Table, before: pa.Schema | None) -> tuple[pa.Table, list[str]]:
    """Give columns that are missing throughout the type that they had before, or text; and say which they are."""
    import pyarrow as pa

    missing = [field.name for field in chunk.schema if pa.types.is_null(field.type)]
    fields = [
        pa.field(field.name, before.field(i).type if before is not None else pa.string())
        if field.name in missing
        else field
        for i, field in enumerate(chunk.schema)
    ]
    return chunk.cast(pa.schema(fields)), missing


def _joined(parts: dict[str, list[str]]) -> str:
    """Return the name of one table of all parts; where a part has nothing in a column, the others say its type."""
    if len(parts) == 1:
        return parts.popitem()[0]
    together = unique_name("gathered")
    nothing = {part: ", ".join(f"NULL AS {named(column)}" for column in parts[part]) for part in parts}
    union = " UNION ALL ".join(
        f"SELECT * REPLACE ({columns}) FROM {part}" if columns else f"SELECT * FROM {part}"
        for part, columns in nothing.items()
    )
    run(f"CREATE TEMP TABLE {together} AS {union}")
    return together


def chunks_of(rows: Iterable[Sequence[Sequence[Any]]], names: Sequence[str]) -> Iterable[pa.Table]:
    """Turn lists of rows into Arrow tables; where there are no rows, into one that is empty.

    Parameters
    ----------
    rows : iterable of lists of tuples
    names : sequence of str
        The columns.
    """
    import pandas as pd
    import pyarrow as pa

    empty = True
    for some in rows:
        if some:
            empty = False
            columns = [pd.Series(list(values), dtype="object") for values in zip(*some, strict=True)]
            yield pa.table([arrow_column(column) for column in columns], names=list(names))
    if empty:
        yield pa.table([pa.array([], pa.string()) for _ in names], names=list(names))


def _created(data: Any, select: str, where: str) -> str:
    name, view = unique_name("arrived"), unique_name("arriving")
    engine().con.register(view, data)
    try:
        run(f"CREATE TEMP TABLE {name} AS SELECT {select} FROM {view} WHERE {where}")
    finally:
        engine().con.unregister(view)
    return name


def _read_numbers(name: str, columns: Sequence[str]) -> None:
    """Make text that says numbers numbers; one of more than 15 digits before the point, an id, stays text."""
    if not columns:
        return
    longest = ", ".join(f"max(length(ltrim(split_part({named(c)}, '.', 1), '-')))" for c in columns)
    for column, length in zip(columns, run(f"SELECT {longest} FROM {name}")[0], strict=True):
        if length is None or length <= 15:
            run(f"ALTER TABLE {name} ALTER {named(column)} TYPE DOUBLE")


def _inserted(name: str, data: Any) -> None:
    view = unique_name("arriving")
    engine().con.register(view, data)
    try:
        run(f"INSERT INTO {name} SELECT * FROM {view}")
    finally:
        engine().con.unregister(view)
