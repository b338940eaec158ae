"""Define a check, its findings, and how numbers and days are written in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from segkit.collect.quality.log_queries import Log

SERIOUS, LOOK, NOTE = "serious", "look", "note"
SEVERITIES = (SERIOUS, LOOK, NOTE)
"""Features will be wrong; features may be wrong; good to know."""


@dataclass(frozen=True)
class Finding:
    """One problem of a log.

    Attributes
    ----------
    severity : {"serious", "look", "note"}
    what : str
        The problem, in a sentence.
    count : int
        Affected events, orders, days or customers.
    example : str
        One of them.
    advice : str
        What to do about it.
    """

    severity: str
    what: str
    count: int
    example: str
    advice: str


@dataclass(frozen=True)
class Check:
    """One check of a log.

    Attributes
    ----------
    name : str
        A word that indexes its findings.
    question : str
        The question that it answers, as a person would put it.
    find : callable
        Takes a log and returns its findings.
    columns : tuple of str
        Columns that it needs.
    kinds : tuple of str
        Kinds of event, of which it needs one.
    argument : str
        Argument of ``check_events`` that it needs.
    """

    name: str
    question: str
    find: Callable[[Log], list[Finding]]
    columns: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    argument: str = ""

    def lacks(self, log: Log) -> str:
        """Return what the log lacks for this check, or an empty text."""
        missing = [column for column in self.columns if column not in log.columns]
        if missing:
            return f"no column {' or '.join(missing)}"
        if self.kinds and not set(self.kinds) & set(log.kinds.index):
            return f"no event of kind {self.kinds[0]}" + (" or similar" if len(self.kinds) > 1 else "")
        if self.argument and getattr(log, self.argument) is None:
            return f"{self.argument} was not given"
        return ""


def share(part: float, whole: float) -> str:
    """Return a share as a percentage; a small one is never rounded to 0."""
    value = part / whole if whole else 0.0
    if 0 < value < 0.001:
        return "less than 0.1 %"
    return f"{value:.1%}".replace("%", " %") if value < 0.1 else f"{value:.0%}".replace("%", " %")


def day(moment: pd.Timestamp) -> str:
    """Return a day as text."""
    return f"{moment:%Y-%m-%d}"


def from_to(first: pd.Timestamp, last: pd.Timestamp) -> str:
    """Return a span of days in words."""
    return f"on {day(first)}" if day(first) == day(last) else f"from {day(first)} to {day(last)}"


def times(ratio: float) -> str:
    """Return a ratio as text, such as "12 times"."""
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.1f} times"


def row_as_text(row: dict[str, Any], columns: list[str]) -> str:
    """Return the known values of a row as text, such as "customer_id=7, amount=3.0"."""
    return ", ".join(f"{column}={row[column]}" for column in columns if row[column] is not None)
