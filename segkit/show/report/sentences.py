"""Say in three sentences who was looked at, how they were divided, and how far to trust that."""

from __future__ import annotations

import pandas as pd

from segkit.collect.events import Events
from segkit.core.messages import counted, joined, listed
from segkit.create.segmentation import Segmentation

MOST_REASONS = 3


def day(moment: str | pd.Timestamp) -> str:
    """Return a day in words.

    Examples
    --------
    >>> day("2011-12-09T12:50")
    '9 December 2011'
    """
    at = pd.Timestamp(moment)
    return f"{at.day} {at.month_name()} {at.year}"


def percent(share: float) -> str:
    """Return a share in words.

    Examples
    --------
    >>> percent(0.254), percent(0.004)
    ('25%', 'under 1%')
    """
    return "under 1%" if 0 < share < 0.005 else f"{share:.0%}"


def sentences_on(result: Segmentation, events: Events | None) -> list[str]:
    """Return what page one says first: who, what was refused, how many segments, and their kind."""
    who = [_who(result, events), _refused(result, events)]
    return [sentence for sentence in [*who, _divided(result), result.kind_sentence] if sentence]


def _who(result: Segmentation, events: Events | None) -> str:
    facts = result.provenance
    sources = joined(list(facts.get("sources", [])))
    source = f" of {sources}" if sources else ""
    people = f"We looked at {counted(len(result.labels), 'customer')}{source}"
    as_of, window = facts.get("as_of"), facts.get("window")
    if not as_of:
        return f"{people}."
    # What happens before midnight of a day is of the day before.
    last = pd.Timestamp(as_of) - pd.Timedelta(microseconds=1)
    if events is not None:
        last = min(last, events.last)
    if window:
        return f"{people}, and at what they did in the {_span(window)} up to {day(last)}."
    if events is not None and day(events.first) == day(last):
        return f"{people}, and at what they did on {day(last)}."
    if events is not None:
        return f"{people}, and at what they did from {day(events.first)} to {day(last)}."
    return f"{people}, and at what they did up to {day(last)}."


def _span(window: str) -> str:
    """Return a span of time in words, such as "91 days"."""
    days = pd.Timedelta(window) / pd.Timedelta(days=1)
    return f"{days:,.0f} days" if days >= 2 else str(window)


def _refused(result: Segmentation, events: Events | None) -> str:
    reasons = result.provenance.get("refused") or {}
    if events is not None:
        reasons = {r: int(n) for r, n in zip(events.refused["reason"], events.refused["count"], strict=True)}
    refused = sum(reasons.values())
    if events is None:
        return f"{_rows(refused)} refused: {_reasons(reasons)}." if refused else ""
    rows = refused + int(events.kinds().sum())
    if not refused:
        return f"All {rows:,} rows of the data could be used."
    were = "was" if refused == 1 else "were"
    return f"Of {rows:,} rows of the data, {refused:,} {were} refused ({percent(refused / rows)}): {_reasons(reasons)}."


def _rows(n: int) -> str:
    return f"{n:,} {'row was' if n == 1 else 'rows were'}"


def _reasons(reasons: dict[str, int]) -> str:
    if len(reasons) == 1:
        return next(iter(reasons))
    return listed([f"{reason} ({n:,})" for reason, n in reasons.items()], MOST_REASONS)


def _divided(result: Segmentation) -> str:
    n = len(result.segments)
    return (
        f"They are divided into {counted(n, 'segment')}." if n > 1 else f"They form {counted(n, 'segment')}."
    )
