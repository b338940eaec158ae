"""Any source as an Ibis table: files, frames and relations, before their columns mean anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis

from segkit.collect.sources.batches import batches_of, stored
from segkit.collect.sources.csv import USUAL_CSV, CsvOptions
from segkit.collect.sources.databases import is_database, open_database
from segkit.collect.sources.dataframes import arrow_of_pandas, in_memory
from segkit.collect.sources.files import open_files
from segkit.collect.sources.ibis_tables import check_one_engine, of_ibis
from segkit.collect.sources.paths import is_workbook, may_be_csv
from segkit.collect.sources.source import MARK, NOT_UTF8, Source, numbered
from segkit.collect.sources.spark import of_spark, of_spark_table
from segkit.collect.sources.urls import checked_text
from segkit.core.engine.dialects import dialect_of

__all__ = ["MARK", "NOT_UTF8", "Source", "check_one_engine", "open_source"]


def open_source(source: Any, *, table: str | None = None, csv: CsvOptions = USUAL_CSV) -> Source:
    """Open whatever a person has as an Ibis table.

    Parameters
    ----------
    source : str, Path, list of those, DataFrame, Table, relation, URL or connection
        A CSV, Parquet or JSON-lines file (globs welcome), an Excel workbook, a pandas, polars or Spark
        frame, a pyarrow table, a DuckDB relation, an Ibis table, or a database: its URL, an SQLite
        file, a SQLAlchemy engine or connection, a DBAPI or ADBC connection.
    table : str, optional
        The sheet of a workbook, the first if not said; the table of a database, or a query of it.
    csv : CsvOptions, optional
        How a CSV file is written.

    Returns
    -------
    Source

    Raises
    ------
    FileNotFoundError
        If no file fits the path.
    ValueError
        If the file's ending is unknown, or it cannot be read as what its ending says; if there is no
        such table.
    ConnectionError
        If a database cannot be reached, or goes away.
    TypeError
        If the object is none of the above, `table` is said of what has no tables, or `csv` of what is no CSV file.
    """
    if isinstance(source, str):
        source = checked_text(source)
    paths = _paths(source)
    if str(csv) and (is_database(source) or not (paths and all(map(may_be_csv, paths)))):
        raise TypeError(
            f"{csv} says how a CSV file is written, and {_in_words(source)} is none. Leave it out."
        )
    if is_database(source):
        return open_database(source, table)
    if table is not None and not (paths and all(map(is_workbook, paths))):
        raise TypeError(
            f"table={table!r} names a sheet of a workbook or a table of a database, and {_in_words(source)} is "
            "neither. Leave it out."
        )
    if paths:
        return open_files(paths, sheet=table, csv=csv)
    if isinstance(source, ibis.expr.types.Table):
        return (
            Source("the Ibis table", of_spark_table(source))
            if dialect_of(source) == "pyspark"
            else of_ibis(source)
        )
    family = type(source).__module__.partition(".")[0]
    if family == "pyspark" and hasattr(source, "sparkSession"):
        return Source("the Spark DataFrame", of_spark(source))
    if family == "pandas" and hasattr(source, "columns"):
        return in_memory("the DataFrame", arrow_of_pandas(source))
    if family == "polars" and hasattr(source, "lazy"):
        frame = source.lazy().collect()
        return in_memory("the DataFrame", frame.to_arrow())
    if family in ("duckdb", "_duckdb") and hasattr(source, "to_arrow_table"):
        return in_memory("the DuckDB relation", source.to_arrow_table())
    if family == "pyarrow" and hasattr(source, "read_all"):
        names, repeated = numbered("the Arrow table", source.schema.names)
        batches = (batch.rename_columns(names) for batch in batches_of(source))
        return Source("the Arrow table", stored(batches), owned=True, repeated=repeated)
    if family == "pyarrow" and hasattr(source, "schema"):
        return in_memory("the Arrow table", source)
    raise TypeError(
        f"The source is a {type(source).__module__}.{type(source).__qualname__}. It should be the path of a "
        "CSV, Parquet, JSON-lines or Excel file, a pandas, polars or Spark DataFrame, a pyarrow Table, a "
        "DuckDB relation, an Ibis table, or a database's URL or connection. Turn yours into one of these."
    )


def _paths(source: Any) -> list[str]:
    """Return the paths that a source is, if it is one or several."""
    if isinstance(source, (str, Path)):
        return [str(source)]
    several = isinstance(source, (list, tuple)) and all(isinstance(s, (str, Path)) for s in source)
    return [str(s) for s in source] if several else []


def _in_words(source: Any) -> str:
    return Path(source).name if isinstance(source, (str, Path)) else f"a {type(source).__qualname__}"
