"""Sheets of Excel workbooks, read by calamine (through fastexcel) as Arrow."""

from __future__ import annotations

import logging
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.collect.sources.source import Source, check_expansion, first_line, numbered
from segkit.core.engine.connection import table_of
from segkit.core.messages import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 2**20  # that a sheet can have
LONG = "^-?[0-9]{16,}$"  # a number that a float may not hold
MOST_ROWS_ABOVE = 20  # the names, to say where they stand
SPANS = r"^(1899-12-31|1900-\d\d-\d\d) \d\d:\d\d:\d\d(\.\d+)?$"  # how a span of time looks as text


def read_workbook(path: str, sheet: str | None = None) -> Source:
    """Read one sheet of a workbook; its first used row holds the names of the columns.

    Parameters
    ----------
    path : str
    sheet : str or None
        The first one where None.

    Returns
    -------
    Source
        Cells as Excel saved them: a formula is its value, an error is missing. Rows without any value,
        which formatting leaves behind, are no rows. A sheet that is full is warned of.

    Raises
    ------
    ValueError
        If there is no such sheet, it is empty, or its first row does not name the columns.
    ModuleNotFoundError
        If fastexcel is not installed.
    """
    book, name = _opened(path), Path(path).name
    sheet = book.sheet_names[0] if sheet is None else sheet
    if sheet not in book.sheet_names:
        raise ValueError(
            f"{name} has no sheet {sheet!r}.{did_you_mean(sheet, book.sheet_names)} Its sheets are "
            f"{', '.join(book.sheet_names)}. Name one of these: table='…'."
        )
    where = f"{name}, sheet {sheet!r}"
    top = _loaded(book, sheet, header_row=None, n_rows=1, dtypes="string")
    if not top.num_columns:
        raise ValueError(f"{where}, is empty. It should hold a row of names and a row for each event.")
    names = [(column[0].as_py() or "").strip() for column in top.columns]
    _check_names(where, names, book, sheet)
    columns, repeated = numbered(where, [name or f"column{i}" for i, name in enumerate(names)])
    table = _cells(book, sheet).rename_columns(columns)
    if table.num_rows + 1 >= MOST_ROWS:
        warnings.warn(
            f"{where}, has as many rows as a sheet can hold ({MOST_ROWS:,}): what came after them is not in the file. "
            "Export to CSV or Parquet instead.",
            stacklevel=2,
        )
    return Source(where if len(book.sheet_names) > 1 else name, table_of(_tidied(table)), repeated=repeated)


def _opened(path: str) -> Any:
    try:
        import fastexcel
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Reading {Path(path).name} takes the package fastexcel, which is not installed: "
            "pip install 'segkit[excel]'. Or save the sheet as CSV."
        ) from error
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
        check_expansion(Path(path).name, Path(path).stat().st_size, unpacked)
    try:
        with _quietly():
            return fastexcel.read_excel(path)
    except fastexcel.FastExcelError as error:
        raise ValueError(
            f"{Path(path).name} could not be read as a workbook: {first_line(error)}. It should be an .xlsx or .xlsm "
            "file without a password; open it in Excel and save it again."
        ) from error


def _cells(book: Any, sheet: str) -> pa.Table:
    """Return the cells below the names: of one type where all of a column have it, and else as text.

    Where most cells are numbers, the reader takes words such as "NA" for missing; as text they are there.
    """
    import fastexcel
    import pyarrow as pa

    text = _with_long_floats(book, sheet, _loaded(book, sheet, dtypes="string"))
    try:
        typed = _loaded(book, sheet)
    except fastexcel.UnsupportedColumnTypeCombinationError as error:
        return _spans_as_seconds(text) if "Duration" in str(error) else text
    for i, name in enumerate(text.column_names):
        column = typed.column(i)
        if pa.types.is_string(column.type) or column.null_count != text.column(i).null_count:
            typed = typed.set_column(i, name, text.column(i))
    return typed


def _with_long_floats(book: Any, sheet: str, text: pa.Table) -> pa.Table:
    """Write long numbers as the floats that they are in a workbook, unlike cells of text with the same digits."""
    import pyarrow.compute as pc

    long = [pc.fill_null(pc.match_substring_regex(column, LONG), False) for column in text.columns]
    if not any(pc.any(column).as_py() for column in long):
        return text
    numbers = _loaded(book, sheet, dtypes="boolean")  # missing where a cell is text
    for i, name in enumerate(text.column_names):
        is_float = pc.and_(long[i], pc.is_valid(numbers.column(i)))
        written = pc.binary_join_element_wise(text.column(i), ".0", "")
        text = text.set_column(i, name, pc.if_else(is_float, written, text.column(i)))
    return text


def _spans_as_seconds(text: pa.Table) -> pa.Table:
    """Return cells as text, with spans of time as seconds: they are no moments in 1900, whence Excel counts them."""
    import pandas as pd
    import pyarrow as pa

    frame = text.to_pandas()
    for name in frame:
        spans = frame[name].astype("str").str.fullmatch(SPANS).fillna(False)
        if spans.any():
            moments = pd.to_datetime(frame.loc[spans, name], format="ISO8601")
            since = moments - pd.Timestamp("1899-12-31")
            since += pd.to_timedelta(
                (moments >= pd.Timestamp("1900-03-01")).astype(int), unit="D"
            )  # its 29 February
            frame.loc[spans, name] = since.dt.total_seconds().astype("str")
    return pa.Table.from_pandas(frame, schema=text.schema, preserve_index=False)


def _loaded(book: Any, sheet: str, **options: Any) -> pa.Table:
    import pyarrow as pa

    with _quietly():
        loaded = book.load_sheet(sheet, schema_sample_rows=None, dtype_coercion="coerce", **options)
        return pa.Table.from_batches([loaded.to_arrow()]) if loaded.width else pa.table({})


@contextmanager
def _quietly() -> Iterator[None]:
    """Do not say that a column without values has no type, or that a chart is no sheet."""
    loggers = [logging.getLogger(name) for name in ("fastexcel", "calamine")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _check_names(where: str, names: list[str], book: Any, sheet: str) -> None:
    """Refuse a first row that names hardly any column, as a title does."""
    given = [name for name in names if name]
    if 2 * len(given) < len(names):
        raise ValueError(
            f"The first row of {where}, names {len(given)} of {len(names)} columns: {', '.join(map(repr, given))}. It "
            "should hold the name of each column. Delete the rows above the names, or read it with pandas and pass "
            f"the table: read_events(pd.read_excel(path, header={_row_of_names(book, sheet)}), …), where the first row "
            "of the sheet is 0."
        )


def _row_of_names(book: Any, sheet: str) -> int:
    """Return the number of the first row that fills most columns, from 0; 1 where none does."""
    top = _loaded(book, sheet, header_row=None, skip_rows=0, n_rows=MOST_ROWS_ABOVE, dtypes="string")
    filled = [[bool((cell or "").strip()) for cell in row.values()] for row in top.to_pylist()]
    return next((i for i, row in enumerate(filled) if 2 * sum(row) >= len(row)), 1)


def _tidied(table: pa.Table) -> pa.Table:
    """Leave out rows and unnamed columns without any value; a span of time is seconds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for i, field in enumerate(table.schema):
        if pa.types.is_duration(field.type):
            seconds = pc.divide(
                table.column(i).cast(pa.duration("ms")).cast(pa.int64()).cast(pa.float64()), 1000.0
            )
            table = table.set_column(i, field.name, seconds)
        elif pa.types.is_null(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(pa.string()))
    filled = None
    for column in table.columns:
        valid = pc.is_valid(column)
        filled = valid if filled is None else pc.or_(filled, valid)
    table = table.filter(filled)
    empty = [
        name
        for i, name in enumerate(table.column_names)
        if name == f"column{i}" and table.column(i).null_count == table.num_rows
    ]
    return table.drop_columns(empty)
