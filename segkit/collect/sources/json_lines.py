"""JSON lines: one object a line, every key that occurs a column."""

from __future__ import annotations

import duckdb

from segkit.collect.sources.source import MARK, NOT_UTF8, Source, check_names, first_line, named, printable
from segkit.collect.sources.text_files import Text, as_text, first_not_utf8
from segkit.core.engine.connection import own_table, quoted, run, unique_name

LONGEST_LINE = 32 * 2**20  # bytes


def read_json_lines(name: str, paths: list[str]) -> Source:
    """Read objects once and take every key that occurs, as text; lines that are no object are counted."""
    raw, dropped = unique_name("lines"), 0
    example = ""
    run(f"CREATE TEMP TABLE {raw} (line VARCHAR, good BOOLEAN)")
    lines = own_table(raw)
    for path in paths:
        with as_text(path) as text:
            missing = text.lines - _added(text, raw)
            if missing and not example:
                wrong = first_not_utf8(text)
                example = f"{wrong[:60]} {MARK}" if wrong else "a line of more than 32 MB"
            dropped += missing
    [(count, first)] = run(
        f"SELECT count(*), min(line) FROM {raw} WHERE good IS NOT TRUE AND trim(line) != ''"
    )
    every = run(f"SELECT DISTINCT unnest(json_keys(line)) AS key FROM {raw} WHERE good ORDER BY key")
    keys = [key for (key,) in every if key.strip()]
    if not keys:
        [(empty,)] = run(f"SELECT count(*) FROM {raw} WHERE good")
        held = f"{empty:,} JSON objects, all of them empty" if empty else "no JSON object"
        more = (
            f" {NOT_UTF8.replace('read_csv(path', 'read_json(path, lines=True')}"
            if example.endswith(MARK)
            else ""
        )
        raise ValueError(f"{name} holds {held}. It should hold one object a line, one line an event.{more}")
    check_names(name, keys)
    columns = ", ".join(f"line ->> {quoted(_pointer(key))} AS {named(key)}" for key in keys)
    table = unique_name("json")
    run(f"CREATE TEMP TABLE {table} AS SELECT {columns} FROM {lines.get_name()} WHERE good")
    return Source(name, own_table(table), count + dropped, printable(first or example), owned=True)


def _added(text: Text, raw: str) -> int:
    """Add a file's lines to a table, and return how many it had; those that are not UTF-8 are left out."""
    try:
        [(count,)] = run(
            f"INSERT INTO {raw} SELECT line, "
            "CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END "
            f"FROM {text.scan(longest=LONGEST_LINE)}"
        )
    except duckdb.Error as error:
        raise ValueError(
            f"{text.name} could not be read as JSON lines: {first_line(error)} It should hold one object a line, "
            "in UTF-8."
        ) from error
    return count


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")
