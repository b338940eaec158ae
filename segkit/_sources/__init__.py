"""Any source as an Ibis table: files, frames and relations, before their columns mean anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis

from segkit._dialect import dialect_of
from segkit._sources._files import open_files
from segkit._sources._frames import arrow_of_pandas, in_memory
from segkit._sources._source import Source, check_names
from segkit._sources._spark import of_spark, of_spark_table

__all__ = ["Source", "check_names", "open_source"]


def open_source(source: Any) -> Source:
    """Open whatever a person has as an Ibis table.

    Parameters
    ----------
    source : str, Path, list of those, DataFrame, Table or relation
        A CSV, Parquet or JSON-lines file (globs welcome), a pandas, polars or Spark frame, a
        pyarrow table, a DuckDB relation or an Ibis table.

    Returns
    -------
    Source

    Raises
    ------
    FileNotFoundError
        If no file fits the path.
    ValueError
        If the file's ending is unknown, or it cannot be read as what its ending says.
    TypeError
        If the object is none of the above.
    """
    if isinstance(source, (str, Path)):
        return open_files([str(source)])
    if isinstance(source, (list, tuple)) and source and all(isinstance(s, (str, Path)) for s in source):
        return open_files([str(s) for s in source])
    if isinstance(source, ibis.expr.types.Table):
        return Source("the Ibis table", of_spark_table(source) if dialect_of(source) == "pyspark" else source)
    family = type(source).__module__.partition(".")[0]
    if family == "pyspark" and hasattr(source, "sparkSession"):
        return Source("the Spark DataFrame", of_spark(source))
    if family == "pandas" and hasattr(source, "columns"):
        return Source("the DataFrame", in_memory(arrow_of_pandas(source)))
    if family == "polars" and hasattr(source, "lazy"):
        frame = source.lazy().collect()
        return Source("the DataFrame", in_memory(frame.to_arrow()))
    if family in ("duckdb", "_duckdb") and hasattr(source, "to_arrow_table"):
        return Source("the DuckDB relation", in_memory(source.to_arrow_table()))
    if family == "pyarrow" and hasattr(source, "schema"):
        table = source.read_all() if hasattr(source, "read_all") else source
        return Source("the Arrow table", in_memory(table))
    raise TypeError(
        f"read_events got a {type(source).__module__}.{type(source).__qualname__}. It reads the path of a "
        "CSV, Parquet or JSON-lines file, a pandas, polars or Spark DataFrame, a pyarrow Table, a "
        "DuckDB relation or an Ibis table. Turn yours into one of these."
    )
