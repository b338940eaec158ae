"""A table as it came, before its columns mean anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir

MARK = "(not UTF-8)"  # after the example of a line
NOT_UTF8 = (
    "The file is not in UTF-8: save it again as UTF-8, or read it by its encoding and pass the table, "
    "pd.read_csv(path, encoding='latin-1') for instance."
)


@dataclass(frozen=True)
class Source:
    """A table as it came, and the lines of it that could not even be split into columns.

    Attributes
    ----------
    name : str
        What to call it in messages: a file's name, or the kind of the object.
    table : ibis Table
        Its rows. Columns of CSV and JSON lines are all text.
    broken : int
        Lines that could not be read as a row.
    broken_example : str
        One of them.
    owned : bool
        Whether the table is a copy of our own in the engine, to be replaced once it is understood.
    """

    name: str
    table: ir.Table
    broken: int = 0
    broken_example: str = ""
    owned: bool = False


def check_names(where: str, names: Sequence[str]) -> None:
    """Refuse columns that share a name: SQL takes capitals for small letters, and would read one for the other.

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
    """Return what an error says, without the hints of those who raised it."""
    return str(error).strip().partition("\n")[0]


def named(column: str) -> str:
    """Return a column's name as SQL writes it."""
    return '"' + column.replace('"', '""') + '"'


def printable(text: str) -> str:
    """Return the beginning of a line, as an example; what cannot be shown becomes a question mark."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text[:80])
