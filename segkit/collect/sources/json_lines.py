"""Read JSON lines: one object a line, every key a column of text."""

from __future__ import annotations

from segkit.collect.sources.batches import insert, without_wrong_bytes
from segkit.collect.sources.source import (
    MARK,
    NOT_UTF8,
    Broken,
    Source,
    check_width,
    named,
    numbered,
    printable,
)
from segkit.collect.sources.text_files import parse_lines, text_blocks
from segkit.core.engine.connection import own_table, quoted, run, unique_name

NO_DELIMITER = "\x01"  # which JSON never holds, so that a line stays whole


def read_json_lines(name: str, paths: list[str]) -> Source:
    """Copy the objects of JSON lines into the engine, and count lines that are no object.

    Raises
    ------
    ValueError
        If no line is an object with keys, or there are too many different keys.
    """
    raw, broken = unique_name("lines"), Broken()
    run(f"CREATE TEMP TABLE {raw} (line VARCHAR, good BOOLEAN)")
    lines = own_table(raw)
    for block in (block for path in paths for block in text_blocks(path)):
        table, bad = parse_lines(block, ["line"], NO_DELIMITER, False)
        for text, _ in bad:
            broken.add(text)
        is_object = "CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END"
        insert(raw, without_wrong_bytes(table, broken), f"line, {is_object}")
    different = f"SELECT DISTINCT unnest(json_keys(line)) AS key FROM {raw} WHERE good"
    [(width,)] = run(f"SELECT count(*) FROM ({different})")
    check_width(name, width)
    every = run(f"{different} ORDER BY key")
    keys = [key for (key,) in every if key.strip()]
    if not keys:
        raise ValueError(_nothing(name, raw, broken))
    names, repeated = numbered(name, keys)
    columns = ", ".join(
        f"line ->> {quoted(_pointer(key))} AS {named(column)}"
        for key, column in zip(keys, names, strict=True)
    )
    table_name = unique_name("json")
    run(f"CREATE TEMP TABLE {table_name} AS SELECT {columns} FROM {lines.get_name()} WHERE good")
    [(count, first)] = run(
        f"SELECT count(*), min(line) FROM {raw} WHERE good IS NOT TRUE AND trim(line) != ''"
    )
    example = printable(first) if count else broken.example
    return Source(name, own_table(table_name), count + broken.count, example, owned=True, repeated=repeated)


def _nothing(name: str, raw: str, broken: Broken) -> str:
    [(empty,)] = run(f"SELECT count(*) FROM {raw} WHERE good")
    held = f"{empty:,} JSON objects, all of them empty" if empty else "no JSON object"
    more = f" {NOT_UTF8}" if broken.example.endswith(MARK) else ""
    return f"{name} holds {held}. It should hold one object a line, one line an event.{more}"


def _pointer(key: str) -> str:
    """Return the JSON pointer of a key."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
