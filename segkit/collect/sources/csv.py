"""CSV: parsed once, into the engine, all columns as text; each line is a row or is counted."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import ibis.expr.types as ir

from segkit.collect.sources.csv_quotes import records_of
from segkit.collect.sources.paths import literal
from segkit.collect.sources.source import MARK, Source, check_names, first_line, named, printable
from segkit.collect.sources.text_files import Text, as_text, first_not_utf8
from segkit.core.engine.connection import own_table, quoted, run, unique_name

DELIMITERS = (",", ";", "\t", "|")
LONGEST_HEADER = 100  # lines


@dataclass(frozen=True)
class Layout:
    """How a CSV file is laid out, as its header says.

    Attributes
    ----------
    delimiter : str
        What stands between two fields.
    columns : tuple of str
        Their names.
    above : int
        Number of lines before the first row.
    records_above : int
        The same, where a name over two lines counts once.
    """

    delimiter: str
    columns: tuple[str, ...]
    above: int = 0
    records_above: int = 0

    def options(self, text: Text) -> str:
        """Return all that DuckDB could guess otherwise, from the beginning of the file only."""
        types = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in self.columns)
        return (
            f"columns = {{{types}}}, auto_detect = false, header = false, skip = {self.records_above}, "
            f"delim = {quoted(self.delimiter)}, quote = '\"', escape = '\"', ignore_errors = true, "
            f"compression = {quoted(text.compression)}"
        )


def read_csv(path: str) -> Source:
    """Read a file once, all columns as text, into the engine: the text is parsed here and never again.

    Its header says how it is laid out. Every line after it is a row, is part of a quoted value, is blank, or is
    counted as broken: one that has too few or too many fields, that is not UTF-8, or whose quotes do not match.

    Raises
    ------
    ValueError
        If there is no header, or it cannot be read.
    """
    with as_text(path) as text:
        layout = _layout(text)
        check_names(text.name, layout.columns)
        try:
            table = _parsed(text, layout)
            if _count(table) == text.lines - layout.above:
                return Source(text.name, table, owned=True)
            return _accounted(text, layout, table)
        except duckdb.Error as error:
            raise ValueError(
                f"{text.name} could not be read as CSV: {first_line(error)} It should hold a header line and a "
                "line for each event, in UTF-8."
            ) from error


def _layout(text: Text) -> Layout:
    """Read the header as it is written: its delimiter is the one that splits it most."""
    beginning = text.beginning().decode("utf-8-sig", "surrogateescape")
    hint = re.match(r"sep=(.)\n", beginning.replace("\r\n", "\n"), re.IGNORECASE)  # as Excel writes it
    rest = beginning.partition("\n")[2] if hint else beginning
    layouts = [_header(text.name, rest, mark) for mark in ([hint[1]] if hint else DELIMITERS)]
    best = max(layouts, key=lambda layout: len(layout.columns))
    return replace(best, above=best.above + 1, records_above=best.records_above + 1) if hint else best


def _header(name: str, beginning: str, delimiter: str) -> Layout:
    records = csv.reader(io.StringIO(beginning, newline=""), delimiter=delimiter)
    try:
        record, cells = next(
            ((i, cells) for i, cells in enumerate(records, 1) if any(cell.strip() for cell in cells)),
            (0, None),
        )
        endless = records.line_num > LONGEST_HEADER and cells is not None
    except csv.Error:
        record, cells, endless = 0, [], True
    if cells is None:
        raise ValueError(f"{name} is empty. It should hold a header line and a line for each event.")
    if endless:
        raise ValueError(
            f"The header of {name} opens a quote that it does not close ({beginning[:40]!r}…). It should hold the "
            "names of the columns in one line; mend the quotes."
        )
    written = delimiter.join(cells)
    if not written.isascii() and any("\udc80" <= character <= "\udcff" for character in written):
        first = beginning.encode("utf-8", "surrogateescape")[:40]
        raise ValueError(
            f"The header of {name} is not UTF-8 ({first!r}). Read it by its encoding and pass the table: "
            "read_events(pd.read_csv(path, encoding='latin-1'), …)."
        )
    columns = tuple(cell.strip() or f"column{i}" for i, cell in enumerate(cells))
    return Layout(delimiter, columns, records.line_num, record)


def _parsed(text: Text, layout: Layout) -> ir.Table:
    table = unique_name("csv")
    run(f"CREATE TEMP TABLE {table} AS SELECT * FROM read_csv({literal(text.path)}, {layout.options(text)})")
    return own_table(table)


def _count(table: ir.Table) -> int:
    return run(f"SELECT count(*) FROM {table.get_name()}")[0][0]


def _accounted(text: Text, layout: Layout, table: ir.Table) -> Source:
    """Say where the lines are that gave no row: blank, within quotes, or not readable.

    DuckDB's own list of them is not complete, and costs 5 KB a line: they are what is left over.
    """
    lines = _raw_lines(text, layout)
    [(known, filled)] = run(f"SELECT count(*), count(line) FROM {lines.get_name()}")
    dropped = text.lines - layout.above - known  # not UTF-8, or without end
    broken = filled + dropped - _count(table) - _lines_within(table)
    left_out = ""
    found = records_of(lines, layout.delimiter, len(layout.columns)) if broken > 0 else None
    if found:
        records, left_out = found
        table = _mended(text, layout, records)
        broken = filled + dropped - _count(table) - _lines_within(table)
    if broken <= 0:
        return Source(text.name, table, owned=True)
    example = _first_broken(lines, layout) or left_out
    if dropped and (dropped > broken / 2 or not example):
        wrong = first_not_utf8(text)
        example = f"{wrong[:60]} {MARK}" if wrong else "a line of more than 2 MB"
    return Source(text.name, table, broken, printable(example), owned=True)


def _raw_lines(text: Text, layout: Layout) -> ir.Table:
    """Return the lines as they are; blank ones are missing, those that are not UTF-8 are not there."""
    lines = unique_name("lines")
    run(f"CREATE TEMP TABLE {lines} AS SELECT line FROM {text.scan(skip=layout.above)}")
    return own_table(lines)


def _lines_within(table: ir.Table) -> int:
    """Return how many lines, blank ones aside, continue a value that was begun in an earlier line."""
    runs = " + ".join(
        rf"coalesce(sum(CASE WHEN contains({c}, chr(10)) THEN len(regexp_extract_all({c}, '(\r?\n)+')) END), 0)"
        for c in map(named, table.columns)
    )
    return int(run(f"SELECT {runs} FROM {table.get_name()}")[0][0])


def _mended(text: Text, layout: Layout, records: ir.Table) -> ir.Table:
    """Read again what is left of a file."""
    with tempfile.TemporaryDirectory(prefix="segkit-") as folder:
        copy = Text(text.name, str(Path(folder) / "mended.csv"), "none", 0)
        run(
            f"COPY {records.get_name()} TO {quoted(copy.path)} "
            "(FORMAT csv, HEADER false, DELIMITER '\x01', QUOTE '', ESCAPE '')"
        )
        return _parsed(copy, Layout(layout.delimiter, layout.columns))


def _first_broken(lines: ir.Table, layout: Layout) -> str | None:
    """Return the first line without quotes that has not as many fields as the header."""
    fields = f"len(string_split(rtrim(line, {quoted(layout.delimiter)}), {quoted(layout.delimiter)}))"
    more = f"len(string_split(line, {quoted(layout.delimiter)}))"
    n = len(layout.columns)
    wrong = f"NOT contains(line, '\"') AND ({more} < {n} OR {fields} > {n})"
    found = run(f"SELECT line FROM {lines.get_name()} WHERE {wrong} LIMIT 1")
    return found[0][0] if found else None
