"""Read CSV with pyarrow, all columns as text; each record becomes a row or is counted as broken."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.collect.sources.batches import stored, without_wrong_bytes
from segkit.collect.sources.source import WRONG, Broken, Source, numbered
from segkit.collect.sources.text_files import parse_lines, text_blocks
from segkit.core.messages import counted

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

DELIMITERS = (",", ";", "\t", "|")
LONGEST_HEADER = 100  # lines
HEADER_FITS = 2**20  # bytes
LONGEST_RECORD = 20_000  # lines; a quote open for longer was never closed


@dataclass(frozen=True)
class Layout:
    """How a CSV file is laid out, according to its header.

    Attributes
    ----------
    delimiter : str
        The character between two fields.
    columns : tuple of str
        Their names.
    above : int
        Number of lines before the first row.
    """

    delimiter: str
    columns: tuple[str, ...]
    above: int = 0


@dataclass(frozen=True)
class CsvOptions:
    """How a CSV file is written, where the caller says it.

    Attributes
    ----------
    sep : str or None
        The character between two fields; that of the header where None.
    encoding : str or None
        UTF-8, or as its byte-order mark says, where None.
    """

    sep: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        sep = self.sep
        if sep is not None and not (
            isinstance(sep, str) and len(sep) == 1 and sep.isascii() and sep not in '"\r\n'
        ):
            raise ValueError(
                f"sep={sep!r} is not the character between two fields. It should be one character, such as ';' or "
                "'\\t'. Where blanks of any number separate them, pass pd.read_csv(path, sep=r'\\s+')."
            )
        if self.encoding is not None:
            try:
                "".encode(self.encoding)
            except (LookupError, TypeError, ValueError) as error:
                raise ValueError(
                    f"encoding={self.encoding!r} is not an encoding. It should be one of Python's, such as 'latin-1', "
                    "'cp1252' or 'utf-16'."
                ) from error

    def __str__(self) -> str:
        told = {"sep": self.sep, "encoding": self.encoding}
        return ", ".join(f"{name}={value!r}" for name, value in told.items() if value is not None)


USUAL_CSV = CsvOptions()


def read_csv(path: str, options: CsvOptions = USUAL_CSV) -> Source:
    """Copy a CSV file into the engine, all columns as text.

    Every record becomes a row, is blank, or is counted as broken: with too few or too many fields, not in UTF-8,
    or with a quote that is never closed.

    Raises
    ------
    ValueError
        If there is no header, it cannot be read, or it has one column only.
    """
    name = Path(path).name
    blocks = text_blocks(path, options.encoding)
    first = next(blocks, b"")
    layout = _layout(name, first, options.sep)
    columns, repeated = numbered(name, layout.columns)
    layout = replace(layout, columns=tuple(columns))
    broken = Broken()
    below = first.split(b"\n", layout.above)[layout.above :]
    table = stored(_tables(itertools.chain(below, blocks), layout, broken))
    return Source(name, table, broken.count, broken.example, owned=True, repeated=repeated)


def _layout(name: str, block: bytes, sep: str | None) -> Layout:
    """Read the header with the delimiter that was said, or else that splits it into most fields."""
    beginning = block[:HEADER_FITS].decode("utf-8", "ignore")
    hint = re.match(r"sep=(.)\n", beginning, re.IGNORECASE)  # as Excel writes it
    rest = beginning.partition("\n")[2] if hint else beginning
    marks = [sep] if sep else [hint[1]] if hint else DELIMITERS
    best = max((_header(name, rest, mark) for mark in marks), key=lambda layout: len(layout.columns))
    if len(best.columns) == 1:
        told = f"no {sep!r}" if sep else "no comma, semicolon, tab or bar between names of columns"
        raise ValueError(
            f"The first line of {name} has {told}: {best.columns[0][:60]!r}. It should name the columns. Remove lines "
            "above the names, or say what separates the columns: sep=':'. Where blanks of any number do, pass "
            "pd.read_csv(path, sep=r'\\s+')."
        )
    return replace(best, above=best.above + 1) if hint else best


def _header(name: str, beginning: str, delimiter: str) -> Layout:
    records = csv.reader(io.StringIO(beginning, newline=""), delimiter=delimiter)
    try:
        cells = next((cells for cells in records if any(cell.strip() for cell in cells)), None)
        endless = records.line_num > LONGEST_HEADER and cells is not None
    except csv.Error:
        cells, endless = [], True
    if cells is None:
        raise ValueError(f"{name} is empty. It should hold a header line and a line for each event.")
    if endless:
        raise ValueError(
            f"The header of {name} opens a quote that it does not close ({beginning[:40]!r}…). It should hold the "
            "names of the columns in one line; mend the quotes."
        )
    written = delimiter.join(cells)
    if WRONG in written:
        raise ValueError(
            f"The header of {name} is not in UTF-8, or not as was said ({written.replace(WRONG, '')[:40]!r}). Say "
            "which one it has: encoding='latin-1', for instance."
        )
    columns = tuple(cell.strip() or f"column{i}" for i, cell in enumerate(cells))
    return Layout(delimiter, columns, records.line_num)


def _tables(blocks: Iterator[bytes], layout: Layout, broken: Broken) -> Iterator[pa.Table]:
    """Parse blocks of lines; a record that is not complete at a block's end is parsed with the next block."""
    import pyarrow as pa

    rest, final = b"", False
    while not final:
        block = next(blocks, None)
        final = block is None
        block = rest + (block or b"")
        if final and not block.endswith(b"\n"):
            block += b"\n"
        if b'"' in block:
            table, bad, rest = _parse_quoted(block, layout, broken, final=final)
        else:
            rest = b""
            table, bad = parse_lines(block, layout.columns, layout.delimiter, '"')
        table = pa.concat_tables([table, _repaired(bad, layout, broken)])
        yield without_wrong_bytes(table, broken) if WRONG.encode() in block else table


def _repaired(bad: list[tuple[str, int]], layout: Layout, broken: Broken) -> pa.Table:
    """Return the rows whose only fault are delimiters at their end, and count the others as broken."""
    n, lines = len(layout.columns), []
    for text, fields in bad:
        kept = text.removesuffix(layout.delimiter * max(fields - n, 0))
        if fields > n and len(kept) < len(text):
            lines.append(kept)
        else:
            broken.add(text, why=f"{counted(fields, 'field')}, not {n}")
    table, still = parse_lines("\n".join(lines).encode(), layout.columns, layout.delimiter, '"')
    for text, fields in still:
        broken.add(text, why=f"{counted(fields, 'field')}, not {n}")
    return table


# --- quotes that are never closed ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Records:
    """A block without the lines whose quotes do not match.

    Attributes
    ----------
    text : bytes
        Complete records.
    count : int
        Their number.
    dropped : list of bytes
        The lines that were left out.
    rest : bytes
        The beginning of a record that goes on in the next block.
    """

    text: bytes
    count: int
    dropped: list[bytes]
    rest: bytes


def _parse_quoted(
    block: bytes, layout: Layout, broken: Broken, *, final: bool
) -> tuple[pa.Table, list[tuple[str, int]], bytes]:
    """Parse a block with quotes so that an open quote costs its own line only.

    Lines with an odd number of quotes are checked first. Where the number of rows shows that a quote still
    swallowed lines, all lines with quotes are.
    """
    records = _matched(block, layout, every=False, final=final)
    table, bad = parse_lines(records.text, layout.columns, layout.delimiter, '"')
    if table.num_rows + len(bad) != records.count:
        records = _matched(block, layout, every=True, final=final)
        table, bad = parse_lines(records.text, layout.columns, layout.delimiter, '"')
    for line in records.dropped:
        broken.add(line.decode(), why="quotes do not match")
    missing = records.count - table.num_rows - len(bad)
    if missing > 0:
        broken.add("a quote that is never closed", missing)
    return table, bad, records.rest


def _matched(block: bytes, layout: Layout, *, every: bool, final: bool) -> _Records:
    """Leave out lines with open quotes.

    A line that opens a quote and the next one with an odd number of quotes are one record, with all lines between,
    if together they have the right number of fields.
    """
    import numpy as np

    block = block if block.endswith(b"\n") else block + b"\n"  # the last line of a file may have no end
    whole, opens, closes, record = _patterns(layout)
    characters = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(characters == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    marks = np.flatnonzero(characters == ord('"'))
    line_of = np.searchsorted(ends, marks)
    quotes = np.bincount(line_of, minlength=len(ends))
    filled = ends > starts
    odd = np.flatnonzero(quotes % 2)
    if every:
        suspects = np.flatnonzero(quotes)
    else:
        suspects = np.union1d(odd, line_of[_misplaced(characters, marks, line_of, layout.delimiter)])
    dropped, stop, done, inside = [], len(ends), -1, 0
    for line in suspects.tolist():
        if line <= done or whole.fullmatch(block, starts[line], ends[line]):
            continue
        at = np.searchsorted(odd, line, side="right")
        last = odd[at] if at < len(odd) else None
        if opens.fullmatch(block, starts[line], ends[line]):
            if last is None and not final and len(ends) - line <= LONGEST_RECORD:
                stop = line
                break
            if (
                last is not None
                and last - line <= LONGEST_RECORD
                and closes.fullmatch(block, starts[last], ends[last])
                and record.fullmatch(block, starts[line], ends[last])
            ):
                inside += int(filled[line + 1 : last + 1].sum())
                done = last
                continue
        dropped.append(line)
    cut = starts[stop] if stop < len(ends) else len(block)
    edges = [0, *(edge for line in dropped for edge in (starts[line], ends[line] + 1)), cut]
    kept = b"".join(block[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))
    return _Records(
        kept,
        int(filled[:stop].sum()) - inside - len(dropped),
        [block[starts[line] : ends[line]] for line in dropped],
        block[cut:],
    )


def _misplaced(characters: np.ndarray, marks: np.ndarray, line_of: np.ndarray, delimiter: str) -> np.ndarray:
    """Return which quotes neither begin nor end a field, nor stand beside the other half of a doubled quote."""
    import numpy as np

    first = np.searchsorted(line_of, line_of)
    opens = (np.arange(len(marks)) - first) % 2 == 0
    before = np.where(marks > 0, characters[marks - 1], ord("\n"))
    beside = np.where(opens, before, characters[marks + 1])
    return ~np.isin(beside, [ord(delimiter), ord("\n"), ord('"')])


def _patterns(layout: Layout) -> Iterator[re.Pattern[bytes]]:
    """Return patterns of a complete line, of lines that open and close a quote, and of a record over several."""
    mark = re.escape(layout.delimiter)
    inside = '(?:[^"]|"")*+'
    cell = f'(?>"{inside}"|[^"{mark}\\n][^{mark}\\n]*+|)'
    whole = f"{cell}(?:{mark}{cell})*+"
    opens = f'(?:{cell}{mark})*"{inside}'
    closes = f'{inside}"(?:{mark}{cell})*+'
    record = f"{cell}(?:{mark}{cell}){{{len(layout.columns) - 1}}}"
    return (re.compile(pattern.encode()) for pattern in (whole, opens, closes, record))
