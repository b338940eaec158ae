"""Frames and tables that are in memory already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segkit._engine import table_of
from segkit._sources._source import check_names

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd
    import pyarrow as pa


def in_memory(table: pa.Table) -> ir.Table:
    import pyarrow as pa

    check_names("The table", table.column_names)
    for i, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type) or pa.types.is_null(column.type):
            table = table.set_column(i, column.name, table.column(i).cast(pa.string()))
    return table_of(table)


def arrow_of_pandas(frame: pd.DataFrame) -> pa.Table:
    """Turn a frame into Arrow; a column of mixed types becomes text, missing values stay missing."""
    import pyarrow as pa

    if any(name is not None and name not in frame.columns for name in frame.index.names):
        frame = frame.reset_index()
    if not len(frame.columns):
        raise ValueError("The DataFrame is empty: it has no columns. It should hold a row for each event.")
    check_names("The DataFrame", [str(name) for name in frame.columns])
    columns: dict[str, Any] = {}
    for i, name in enumerate(frame.columns):
        column = frame.iloc[:, i]
        try:
            values = pa.Array.from_pandas(column)
        except (pa.ArrowException, KeyError, OverflowError):
            values = None
        if values is None or isinstance(values.type, pa.BaseExtensionType):
            values = pa.Array.from_pandas(column.map(str, na_action="ignore").astype("str"))
        columns[str(name)] = values
    return pa.table(columns)
