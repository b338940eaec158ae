"""Store Arrow tables that arrive one by one as one table of the engine."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from segkit.collect.sources.source import WRONG, Broken, named
from segkit.core.engine.connection import dropped_on_error, engine, own_table, run, table_of, unique_name

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

HELD = 512 * 2**20  # bytes; up to here, tables stay in memory and are not copied, which is faster


def stored(tables: Iterable[pa.Table], *, numbers: Sequence[str] = ()) -> ir.Table:
    """Return Arrow tables with the same columns as one table of the engine, which spills to disk when it is large.

    Their types may change on the way: a column of whole numbers that holds fractions or words later takes the type
    that fits all.

    Parameters
    ----------
    tables : iterable of pyarrow Table
        One or more.
    numbers : sequence of str
        Columns of text that become numbers.
    """
    import pyarrow as pa

    tables, held, size = iter(tables), [], 0
    for table in tables:
        held.append(_with_plain_types(table))
        size += table.nbytes
        if size > HELD:
            break
    alike = len({tuple(table.schema) for table in held}) == 1 and pa.null() not in held[0].schema.types
    if size <= HELD and alike and not numbers:
        return table_of(pa.concat_tables(held))
    name = unique_name("stored")
    with dropped_on_error(lambda: run(f"DROP TABLE IF EXISTS {name}")):
        _join_parts(name, itertools.chain(held, map(_with_plain_types, tables)))
        for column in numbers:
            _make_numbers(name, column)
    return own_table(name)


def batches_of(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Return the batches of a reader as tables; an empty one first, so that there is one at least."""
    import pyarrow as pa

    yield reader.schema.empty_table()
    for batch in reader:
        yield pa.Table.from_batches([batch])


def without_wrong_bytes(table: pa.Table, broken: Broken) -> pa.Table:
    """Return the rows whose text is all UTF-8, and count the others; bytes that are not UTF-8 are marked."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = [column for column in table.columns if pa.types.is_string(column.type)]
    marked = [pc.fill_null(pc.match_substring(column, WRONG), False) for column in text]
    if not marked:
        return table
    wrong = functools.reduce(pc.or_, marked)
    if not pc.any(wrong).as_py():
        return table
    rows = table.filter(wrong)
    first = ",".join(
        "" if value is None else str(value) for value in rows.slice(0, 1).to_pylist()[0].values()
    )
    broken.add(first, rows.num_rows)
    return table.filter(pc.invert(wrong))


def insert(name: str, table: pa.Table, select: str = "*") -> None:
    """Append Arrow rows to a table of the engine."""
    _run_on(table, f"INSERT INTO {name} SELECT {select}")


def _with_plain_types(table: pa.Table) -> pa.Table:
    """Replace dictionaries by their values."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(field.type.value_type))
    return with_known_numbers(table)


def with_known_numbers(table: pa.Table) -> pa.Table:
    """Replace half floats and wide decimals, which DuckDB does not have; those of more than 38 digits become text."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        column = table.column(i)
        if pa.types.is_float16(field.type):
            column = column.cast(pa.float32())
        elif pa.types.is_decimal256(field.type):
            try:
                column = column.cast(pa.decimal128(38, min(field.type.scale, 38)))
            except pa.ArrowInvalid:
                column = column.cast(pa.string())
        else:
            continue
        table = table.set_column(i, field.name, column)
    return table


def _join_parts(name: str, tables: Iterable[pa.Table]) -> None:
    """Create a table from parts, one for each change of types."""
    import pyarrow as pa

    parts: list[tuple[str, pa.Schema]] = []
    try:
        for table in tables:
            if parts and table.schema == parts[-1][1]:
                insert(parts[-1][0], table)
            else:
                parts.append((unique_name("part"), table.schema))
                _run_on(table, f"CREATE TEMP TABLE {parts[-1][0]} AS SELECT *")
        typed = {f.name for _, schema in parts for f in schema if f.type != pa.null()}
        selects = []
        for part, schema in parts:
            columns = []
            for f in schema:
                missing = "NULL" if f.name in typed else "NULL::VARCHAR"
                columns.append(f"{missing} AS {named(f.name)}" if f.type == pa.null() else named(f.name))
            selects.append(f"SELECT {', '.join(columns)} FROM {part}")
        run(f"CREATE TEMP TABLE {name} AS {' UNION ALL '.join(selects)}")
    finally:
        for part, _ in parts:
            run(f"DROP TABLE IF EXISTS {part}")


def _run_on(table: pa.Table, statement: str) -> None:
    view = unique_name("arriving")
    engine().con.register(view, table)
    try:
        run(f"{statement} FROM {view}")
    finally:
        engine().con.unregister(view)


def _make_numbers(name: str, column: str) -> None:
    """Turn text into numbers, but for those of more than 15 digits before the point: ids, which stay text."""
    digits = f"max(length(ltrim(split_part({named(column)}, '.', 1), '-')))"
    [(longest,)] = run(f"SELECT {digits} FROM {name}")
    if longest is None or longest <= 15:
        run(f"ALTER TABLE {name} ALTER {named(column)} TYPE DOUBLE")
