"""Files of one format, read as what their ending says."""

from __future__ import annotations

from pathlib import Path

import duckdb

from segkit._engine import engine, fresh_name
from segkit._sources._csv import read_csv
from segkit._sources._json import read_json_lines
from segkit._sources._paths import ending, matching, unglobbed
from segkit._sources._source import Source, check_names, first_line


def open_files(patterns: list[str]) -> Source:
    paths = [path for pattern in patterns for path in matching(pattern)]
    name = Path(patterns[0]).name if len(patterns) == 1 else f"{Path(patterns[0]).name} and others"
    endings = {ending(path) for path in paths}
    if len(endings) > 1:
        raise ValueError(
            f"{name} holds files of several formats ({', '.join(sorted(endings))}). One call reads one "
            "format; read each and add them: read_events(a) + read_events(b)."
        )
    format_ = endings.pop()
    if format_ == "parquet":
        return _open_parquet(name, paths)
    return read_csv(name, paths) if format_ == "csv" else read_json_lines(name, paths)


def _open_parquet(name: str, paths: list[str]) -> Source:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        check_names(name, pq.read_schema(paths[0]).names)
        return Source(
            name,
            engine().read_parquet(
                [unglobbed(p) for p in paths], table_name=fresh_name("parquet"), union_by_name=True
            ),
        )
    except (duckdb.Error, pa.ArrowException) as error:
        raise ValueError(
            f"{name} could not be read as Parquet: {first_line(error)} Write it again, or check its ending."
        ) from error
