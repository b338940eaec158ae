"""A table as it was read, before its columns mean anything."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segkit.core.checks import BYTE_ORDER_MARK

if TYPE_CHECKING:
    import ibis.expr.types as ir

MARK = "(not UTF-8)"  # after the example of a row
WRONG = "\ufdd0"  # before each byte that is not UTF-8; Unicode promises that no text contains this character
NOT_UTF8 = (
    "It is not in UTF-8. Say the encoding of a CSV file, encoding='latin-1' for instance; save other files again as "
    "UTF-8."
)
MOST_COLUMNS = 4_000  # with more, a query takes gigabytes and minutes
LARGEST = 2**30  # bytes; what is smaller is never taken for a bomb
EXPANSION = 200  # times; an ordinary log becomes 5 to 50 times as large when it is unpacked


@dataclass(frozen=True)
class Source:
    """A table as it was read, and the number of rows that could not be split into columns.

    Attributes
    ----------
    name : str
        Its name in messages: a file's name, or the kind of the object.
    table : ibis Table
        Its rows. Columns of CSV and JSON lines are all text.
    broken : int
        Number of rows that could not be read.
    broken_example : str
        One of them.
    owned : bool
        Whether the table is a temporary copy that only segkit uses.
    repeated : frozenset of str
        Names that several columns had, in small letters. The columns are numbered: ``note (1)`` and ``note (2)``.
    """

    name: str
    table: ir.Table
    broken: int = 0
    broken_example: str = ""
    owned: bool = False
    repeated: frozenset[str] = frozenset()

    def check_once(self, column: str) -> None:
        """Refuse a name that several columns had.

        Raises
        ------
        ValueError
        """
        if str(column).lower() in self.repeated:
            like = [name for name in self.table.columns if name.lower().startswith(f"{column} (".lower())]
            raise ValueError(
                f"{self.name} has {column!r} more than once. Name the one that you mean: "
                f"{' or '.join(map(repr, like))}."
            )


@dataclass
class Broken:
    """Count the rows that cannot be read, and keep the first as an example."""

    count: int = 0
    example: str = ""

    def add(self, row: str, count: int = 1, why: str = "") -> None:
        """Count rows, of which the first is given as text, with what is wrong with it."""
        if not self.count:
            text = printable(row.replace(WRONG, ""))
            note = MARK if WRONG in row else f"({why})" if why else ""
            self.example = f"{text[: 79 - len(note)]} {note}" if note else text
        self.count += count


def check_names(where: str, names: Sequence[str]) -> None:
    """Refuse columns that share a name: SQL does not tell capitals from small letters.

    Raises
    ------
    ValueError
        If two names are equal, or differ only in capitals.
    """
    check_width(where, len(names))
    counts = Counter(name.lower() for name in names)
    twice = [name for name in names if counts[name.lower()] > 1]
    if twice:
        raise ValueError(
            f"{where} has {', '.join(map(repr, dict.fromkeys(twice)))} more than once. Names of columns must differ by "
            "more than capitals; rename or drop all but one."
        )


def check_width(where: str, width: int) -> None:
    """Refuse more columns than a query can hold.

    Raises
    ------
    ValueError
    """
    if width > MOST_COLUMNS:
        raise ValueError(
            f"{where} has {width:,} columns, and segkit reads {MOST_COLUMNS:,} at most. Keep the columns that you "
            "need; names that differ from row to row, such as ids, belong into a column."
        )


def numbered(where: str, names: Sequence[str]) -> tuple[list[str], frozenset[str]]:
    """Number the columns that share a name, without the byte-order mark of a file; SQL ignores capitals.

    Returns
    -------
    (list of str, frozenset of str)
        The names, such as ``note (1)`` and ``note (2)``, and those that were shared, in small letters.

    Raises
    ------
    ValueError
        If there are too many columns.
    """
    check_width(where, len(names))
    names = [name.lstrip(BYTE_ORDER_MARK) or name for name in names]
    counts = Counter(name.lower() for name in names)
    repeated = frozenset(name for name, count in counts.items() if count > 1)
    taken, result = set(counts), []
    for name in names:
        new = name
        if name.lower() in repeated:
            new = next(new for i in itertools.count(1) if (new := f"{name} ({i})").lower() not in taken)
        taken.add(new.lower())
        result.append(new)
    return result, repeated


def check_expansion(name: str, packed: int, unpacked: int) -> None:
    """Refuse a small file that would fill memory or disk.

    Parameters
    ----------
    name : str
    packed, unpacked : int
        Bytes of the file, and bytes that it holds, or a lower bound.

    Raises
    ------
    ValueError
    """
    if unpacked > LARGEST and unpacked > EXPANSION * packed:
        raise ValueError(
            f"{name} has {packed:,} bytes and unpacks to {unpacked:,} or more, over {EXPANSION} times as many. An "
            "ordinary log does not, so it is not read. If it is one, write it again without compression."
        )


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, without hints."""
    return str(error).strip().partition("\n")[0]


def named(column: str) -> str:
    """Return a column's name as an SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def printable(text: str) -> str:
    """Return the first 80 characters of a line; unprintable ones are replaced."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text[:80])
