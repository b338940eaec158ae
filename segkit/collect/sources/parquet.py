"""Parquet: scanned where it is, each time anew, and only as long as it is what it was."""

from __future__ import annotations

import duckdb

from segkit.collect.sources.paths import literal
from segkit.collect.sources.source import Source, check_names, first_line
from segkit.core.engine.connection import create, quoted, run, unique_name


def open_parquet(name: str, paths: list[str]) -> Source:
    """Return Parquet files as a view: nothing is copied.

    What was refused was counted once; of files that are changed afterwards, any query says that they are not
    what was read, and gives no answer.

    Raises
    ------
    ValueError
        If one is not Parquet, or two of its columns share a name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = f"[{', '.join(map(literal, paths))}]"
    view = unique_name("parquet")
    try:
        check_names(name, pq.read_schema(paths[0]).names)
        query = f"SELECT * FROM read_parquet({files}, union_by_name = true) WHERE {_unchanged(name, files)}"
        return Source(name, create(view, query, "VIEW"))
    except (duckdb.Error, pa.ArrowException) as error:
        raise ValueError(
            f"{name} could not be read as Parquet: {first_line(error)} Write it again, or check its ending."
        ) from error


def _unchanged(name: str, files: str) -> str:
    """Return SQL that is true while the files are as large and as old as now, and an error from then on."""
    state = f"hash(list((filename, size, epoch_us(last_modified)) ORDER BY filename)) FROM read_blob({files})"
    [(now,)] = run(f"SELECT {state}")
    changed = (
        f"{name} was changed after it was read. Events of it should be those that were counted then, so read it "
        "again: read_events(…)."
    )
    return f"(SELECT CASE WHEN (SELECT {state}) = {now} THEN true ELSE error({quoted(changed)}) END)"
