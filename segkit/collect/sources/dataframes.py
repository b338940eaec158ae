"""Read data frames and tables that are in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segkit.collect.sources.batches import with_known_numbers
from segkit.collect.sources.source import Source, check_width, numbered
from segkit.core.engine.connection import table_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def in_memory(name: str, table: pa.Table) -> Source:
    """Read an Arrow table; dictionaries and columns of missing values become text.

    Raises
    ------
    ValueError
        If there are too many columns.
    """
    import pyarrow as pa

    names, repeated = numbered(name, table.column_names)
    table = table.rename_columns(names)
    for i, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type) or pa.types.is_null(column.type):
            table = table.set_column(i, column.name, table.column(i).cast(pa.string()))
    return Source(name, table_of(with_known_numbers(table)), repeated=repeated)


def arrow_of_pandas(frame: pd.DataFrame) -> pa.Table:
    """Turn a frame into Arrow; an index with a name becomes a column.

    Raises
    ------
    ValueError
        If there are no columns.
    """
    import pyarrow as pa

    if any(name is not None and name not in frame.columns for name in frame.index.names):
        frame = frame.reset_index()
    if not len(frame.columns):
        raise ValueError("The DataFrame is empty: it has no columns. It should hold a row for each event.")
    check_width("The DataFrame", len(frame.columns))
    columns = [arrow_column(frame.iloc[:, i]) for i in range(len(frame.columns))]
    return pa.table(columns, names=[str(name) for name in frame.columns])


def arrow_column(column: pd.Series) -> pa.Array:
    """Turn a column into Arrow; one of mixed types becomes text, missing values stay missing."""
    import pyarrow as pa

    try:
        values = pa.Array.from_pandas(column)
    except (pa.ArrowException, KeyError, OverflowError, UnicodeError):
        values = None
    if values is None or isinstance(values.type, pa.BaseExtensionType) or _of_many_zones(column, values):
        values = pa.Array.from_pandas(column.map(_word, na_action="ignore").astype("str"))
    return values


def _word(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode()


def _of_many_zones(column: pd.Series, values: pa.Array) -> bool:
    """Return whether only some times carry a zone: Arrow would read all as if they did, or none."""
    import pandas as pd
    import pyarrow as pa

    if not (pa.types.is_timestamp(values.type) and pd.api.types.is_object_dtype(column.dtype)):
        return False
    try:
        pd.to_datetime(column.dropna())
    except (ValueError, TypeError):
        return True
    return False
