"""Files of one format, read as what their ending says."""

from __future__ import annotations

from pathlib import Path

from segkit.collect.sources.csv import USUAL_CSV, CsvOptions, read_csv
from segkit.collect.sources.excel import read_workbook
from segkit.collect.sources.json_lines import read_json_lines
from segkit.collect.sources.parquet import open_parquet
from segkit.collect.sources.paths import check_format, ending, matching
from segkit.collect.sources.source import Source
from segkit.core.engine.connection import create, unique_name


def open_files(patterns: list[str], *, sheet: str | None = None, csv: CsvOptions = USUAL_CSV) -> Source:
    """Open the files that fit some patterns, all of one format; of workbooks, one sheet, and CSV as `csv` says.

    Raises
    ------
    FileNotFoundError
        If no file fits one of them.
    ValueError
        If they are of several formats, or of one that is not known.
    """
    paths = [path for pattern in patterns for path in matching(pattern)]
    name = Path(patterns[0]).name if len(patterns) == 1 else f"{Path(patterns[0]).name} and others"
    endings = {ending(path) for path in paths}
    if len(endings) > 1:
        raise ValueError(
            f"{name} holds files of several formats ({', '.join(sorted(endings))}). One call reads one "
            "format; read each and add them: read_events(a) + read_events(b)."
        )
    format_ = endings.pop()
    if str(csv) and format_ != "csv":
        raise TypeError(f"{csv} says how a CSV file is written, and {name} is none. Leave it out.")
    for path in paths:
        check_format(path, format_)
    if format_ == "parquet":
        return open_parquet(name, paths)
    if format_ == "json":
        return read_json_lines(name, paths)
    if format_ == "workbook":
        return _together(name, [read_workbook(path, sheet) for path in paths])
    return _together(name, [read_csv(path, csv) for path in paths])


def _together(name: str, parts: list[Source]) -> Source:
    """Return several files as one, joined by column name: files of one export need not agree on the order."""
    if len(parts) == 1:
        return parts[0]
    joined = unique_name("joined")
    union = " UNION ALL BY NAME ".join(f"SELECT * FROM {part.table.get_name()}" for part in parts)
    table = create(joined, union)
    example = next((part.broken_example for part in parts if part.broken), "")
    repeated = frozenset().union(*(part.repeated for part in parts))
    broken = sum(part.broken for part in parts)
    return Source(name, table, broken, example, owned=True, repeated=repeated)
