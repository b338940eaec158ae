"""A table as it was read, before its columns mean anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir

MARK = "(not UTF-8)"  # after the example of a row
WRONG = "\ufdd0"  # before each byte that is not UTF-8; Unicode promises that no text contains this character
NOT_UTF8 = (
    "The file is not in UTF-8: save it again as UTF-8, or read it with its encoding and pass the table, "
    "pd.read_csv(path, encoding='latin-1') for instance."
)


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
    """

    name: str
    table: ir.Table
    broken: int = 0
    broken_example: str = ""
    owned: bool = False


@dataclass
class Broken:
    """Count the rows that cannot be read, and keep the first as an example."""

    count: int = 0
    example: str = ""

    def add(self, row: str, count: int = 1) -> None:
        """Count rows, of which the first is given as text."""
        if not self.count:
            text = printable(row.replace(WRONG, ""))
            self.example = f"{text[:60]} {MARK}" if WRONG in row else text
        self.count += count


def check_names(where: str, names: Sequence[str]) -> None:
    """Refuse columns that share a name: SQL does not tell capitals from small letters.

    Raises
    ------
    ValueError
        If two names are equal, or differ only in capitals.
    """
    lower = [name.lower() for name in names]
    twice = [name for name, low in zip(names, lower, strict=True) if lower.count(low) > 1]
    if twice:
        raise ValueError(
            f"{where} has {', '.join(map(repr, dict.fromkeys(twice)))} more than once. Names of columns must differ by "
            "more than capitals; rename or drop all but one."
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
