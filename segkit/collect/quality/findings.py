"""What a check may find, and the words for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from segkit.collect.quality.log_queries import Log

SERIOUS, LOOK, NOTE = "serious", "look", "note"
SEVERITIES = (SERIOUS, LOOK, NOTE)
"""Features will be wrong; features may be wrong; good to know."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes
    ----------
    severity : {"serious", "look", "note"}
    what : str
        A sentence.
    count : int
        Events, orders, days or customers that it concerns.
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
    """One question that is asked of a log.

    Attributes
    ----------
    name : str
        A word, by which its findings are indexed.
    question : str
        What is asked.
    find : callable
        From a log to its findings.
    columns : tuple of str
        Columns without which it cannot be asked.
    kinds : tuple of str
        Kinds of which it needs one.
    """

    name: str
    question: str
    find: Callable[[Log], list[Finding]]
    columns: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def lacks(self, log: Log) -> str:
        """Say what the log lacks for this question; nothing where it can be asked."""
        missing = [column for column in self.columns if column not in log.columns]
        if missing:
            return f"no column {' or '.join(missing)}"
        if self.kinds and not set(self.kinds) & set(log.kinds.index):
            return f"no event of kind {self.kinds[0]}" + (" or the like" if len(self.kinds) > 1 else "")
        return ""


def share(part: float, whole: float) -> str:
    """Return a share as a percentage that is not rounded to nothing."""
    value = part / whole if whole else 0.0
    if 0 < value < 0.001:
        return "less than 0.1 %"
    return f"{value:.1%}".replace("%", " %") if value < 0.1 else f"{value:.0%}".replace("%", " %")


def day(moment: pd.Timestamp) -> str:
    """Return a day as it is written here."""
    return f"{moment:%Y-%m-%d}"


def from_to(first: pd.Timestamp, last: pd.Timestamp) -> str:
    """Return a span of days in words."""
    return f"on {day(first)}" if day(first) == day(last) else f"from {day(first)} to {day(last)}"


def times(ratio: float) -> str:
    """Return how many times as much."""
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.1f} times"
