"""Parquet: scanned where it is, each time anew, and only as long as it is what it was."""

from __future__ import annotations

from pathlib import Path

import duckdb

from segkit.collect.sources.paths import literal
from segkit.collect.sources.source import Source, check_expansion, first_line, named, numbered
from segkit.core.engine.connection import create, quoted, run, unique_name


def open_parquet(name: str, paths: list[str]) -> Source:
    """Return Parquet files as a view: nothing is copied.

    What was refused was counted once; of files that are changed afterwards, any query says that they are not
    what was read, and gives no answer.

    Raises
    ------
    ValueError
        If one is not Parquet, or unpacks to far more than it seems to hold.
    """
    import pyarrow as pa

    files = f"[{', '.join(map(literal, paths))}]"
    view = unique_name("parquet")
    try:
        columns, repeated = _told_apart(name, paths)
        query = f"SELECT {columns} FROM read_parquet({files}, union_by_name = true) WHERE {_unchanged(name, files)}"
        return Source(name, create(view, query, "VIEW"), repeated=repeated)
    except (duckdb.Error, pa.ArrowException) as error:
        raise ValueError(
            f"{name} could not be read as Parquet: {first_line(error)} Write it again, or check its ending."
        ) from error


def _told_apart(name: str, paths: list[str]) -> tuple[str, frozenset[str]]:
    """Return what to select of files, columns that share a name numbered, and the names that are shared."""
    import pyarrow.parquet as pq

    renamed: dict[str, str] = {}
    shared: frozenset[str] = frozenset()
    for path in paths:
        footer = pq.read_metadata(path)
        unpacked = sum(footer.row_group(i).total_byte_size for i in range(footer.num_row_groups))
        # Equal values are stored once, and a time in each row takes 8 bytes in memory.
        check_expansion(Path(path).name, Path(path).stat().st_size, max(unpacked, 8 * footer.num_rows))
        written = footer.schema.to_arrow_schema().names
        names, repeated = numbered(name, written)
        if names != written:
            engines = [column for column, *_ in run(f"DESCRIBE SELECT * FROM read_parquet({literal(path)})")]
            renamed |= {old: new for old, new in zip(engines, names, strict=True) if old != new}
            shared |= repeated
    if not renamed:
        return "*", shared
    others = ", ".join(f"{named(old)} AS {named(new)}" for old, new in renamed.items())
    return f"* EXCLUDE ({', '.join(map(named, renamed))}), {others}", shared


def _unchanged(name: str, files: str) -> str:
    """Return SQL that is true while the files are as large and as old as now, and an error from then on."""
    state = f"hash(list((filename, size, epoch_us(last_modified)) ORDER BY filename)) FROM read_blob({files})"
    [(now,)] = run(f"SELECT {state}")
    changed = (
        f"{name} was changed after it was read. Events of it should be those that were counted then, so read it "
        "again: read_events(…)."
    )
    return f"(SELECT CASE WHEN (SELECT {state}) = {now} THEN true ELSE error({quoted(changed)}) END)"
