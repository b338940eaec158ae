"""Read text files without a header line, whose format fixes the order of the columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.collect.sources.paths import literal, matching
from segkit.collect.sources.source import Source
from segkit.core.engine.connection import create, quoted, run, unique_name
from segkit.core.messages import counted

if TYPE_CHECKING:
    from segkit.collect.presets.preset import Preset

NOWHERE = "\x01\x02\x03\x04"  # occurs in no line, so that lines are not split
LONGEST_LINE = 32 * 2**20  # bytes
FORMATTED = (".parquet", ".pq", ".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
STORED = (".xlsx", ".xlsm", ".xls", ".db", ".sqlite", ".sqlite3", ".duckdb")


def is_headerless(source: Any, preset: Preset) -> bool:
    """Test whether the first line of text files is not the header of the preset."""
    paths = source if isinstance(source, (list, tuple)) else [source]
    if not preset.header or not paths or not all(isinstance(p, (str, Path)) for p in paths):
        return False
    if any("://" in str(p) or str(p).lower().endswith(FORMATTED + STORED) or Path(p).is_dir() for p in paths):
        return False
    first = matching(str(paths[0]))[0]
    line = run(f"SELECT line FROM {_scan([first])} LIMIT 1")
    return bool(line) and (line[0][0] or "").split("\t")[0].strip().lower() != preset.header[0].lower()


def open_headerless(source: Any, preset: Preset) -> Source:
    """Read tab-separated lines under the header of the preset, all columns as text.

    Returns
    -------
    Source
        Lines with more or fewer fields than the header are counted as broken.
    """
    patterns = source if isinstance(source, (list, tuple)) else [source]
    paths = [path for pattern in patterns for path in matching(str(pattern))]
    name = Path(patterns[0]).name if len(patterns) == 1 else f"{Path(patterns[0]).name} and others"
    raw, table, width = unique_name("lines"), unique_name("tsv"), len(preset.header)
    lines = create(raw, f"SELECT line, string_split(line, chr(9)) AS cells FROM {_scan(paths)}")
    wrong = f"FROM {raw} WHERE len(cells) != {width}"
    [(broken, line, fields)] = run(f"SELECT count(*), min(line), arg_min(len(cells), line) {wrong}")
    example = f"{line[:55]} ({counted(fields, 'field')}, not {width})" if broken else ""
    columns = ", ".join(
        f"nullif(cells[{i + 1}], '') AS \"{column}\"" for i, column in enumerate(preset.header)
    )
    rows = create(table, f"SELECT {columns} FROM {lines.get_name()} WHERE len(cells) = {width}")
    return Source(name, rows, broken, example, owned=True)


def _scan(paths: list[str]) -> str:
    files = ", ".join(map(literal, paths))
    return (
        f"(SELECT line FROM read_csv([{files}], all_varchar = true, header = false, columns = {{'line': 'VARCHAR'}}, "
        f"delim = {quoted(NOWHERE)}, quote = '', escape = '', max_line_size = {LONGEST_LINE})) "
        "WHERE trim(line) != ''"
    )
