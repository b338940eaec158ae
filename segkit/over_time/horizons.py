"""Find the pairs of moments that lie a horizon apart, and say whether their tables look back on the same days."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from segkit.core.messages import counted, listed
from segkit.core.moments import LONGEST, read_span
from segkit.over_time.periods import from_events

CALENDAR = re.compile(r"\s*(\d+)\s*(week|month|quarter|year)s?\s*", re.IGNORECASE)
DAYS = {"week": 7, "month": 31, "quarter": 92, "year": 365}
MONTHS = {"month": 1, "quarter": 3, "year": 12}
TOLERANCE = 0.125  # of the horizon: months of 28 to 31 days are one length, and 8 weeks are two months
LATER = ", and a third that begins when these have ended, to test on"
Horizon: TypeAlias = pd.Timedelta | pd.DateOffset
Pair = tuple[pd.Timestamp, pd.Timestamp]


def read_horizon(horizon: str | timedelta) -> Horizon:
    """Return how far to look ahead: months of the calendar, or days.

    Raises
    ------
    TypeError, ValueError
        If it is no span of time.

    Examples
    --------
    >>> pd.Timestamp("2024-01-01") + read_horizon("1 month")
    Timestamp('2024-02-01 00:00:00')
    """
    said = CALENDAR.fullmatch(horizon) if isinstance(horizon, str) else None
    if not said:
        return read_span(horizon, "horizon")
    n, unit = int(said[1]), said[2].lower()
    if not 0 < n * DAYS[unit] <= LONGEST.days:
        raise ValueError(
            f"horizon={horizon!r} is not within 1 day and {LONGEST.days // 365} years. Write it as '1 month'."
        )
    return pd.Timedelta(days=7 * n) if unit == "week" else pd.DateOffset(months=n * MONTHS[unit])


def pairs_apart(moments: Sequence[pd.Timestamp], horizon: Horizon) -> list[Pair]:
    """Return each moment with the one that lies a horizon later, within an eighth; moments are sorted.

    Of several that lie about a horizon before the same one, the nearest to it counts.
    """
    starts: dict[pd.Timestamp, tuple[pd.Timedelta, pd.Timestamp]] = {}
    for start in moments:
        wanted = start + horizon
        end = min(moments, key=lambda moment: abs(moment - wanted))
        off = abs(end - wanted)
        if (
            end > start
            and off <= TOLERANCE * (wanted - start)
            and (end not in starts or off < starts[end][0])
        ):
            starts[end] = off, start
    return [(start, end) for end, (_, start) in starts.items()]


def checked_pairs(moments: Sequence[pd.Timestamp], horizon: str | timedelta, *, test: bool) -> list[Pair]:
    """Return the pairs of moments a horizon apart: at least two, and with `test` one that begins after two have ended.

    Raises
    ------
    ValueError
        If there are too few; it names the horizons that are possible.
    """
    pairs = pairs_apart(moments, read_horizon(horizon))
    if _enough(pairs, test):
        return pairs
    possible = [text for text in gaps(moments) if _enough(pairs_apart(moments, read_horizon(text)), test)]
    there = f"Choose horizon={possible[0]!r}" if len(possible) == 1 else f"Choose among {listed(possible, 6)}"
    raise ValueError(
        f"Two pairs of tables that lie {horizon!r} apart are needed to learn from{LATER if test else ''}. Pairs found: "
        f"{len(pairs)} among {counted(len(moments), 'moment')} from {moments[0]:%Y-%m-%d} to "
        f"{moments[-1]:%Y-%m-%d}. {there + ', or compute' if possible else 'Compute'} tables of more moments: "
        "snapshots(events, features, dates=…)."
    )


def _enough(pairs: Sequence[Pair], test: bool) -> bool:
    return bool(testable(pairs)) if test else len(pairs) >= 2


def testable(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs that begin when at least two others have ended, which can be learnt from."""
    return [pair for pair in pairs if sum(end <= pair[0] for _, end in pairs) >= 2]


def gaps(moments: Sequence[pd.Timestamp]) -> list[str]:
    """Return how far the moments lie apart, as horizons in words, the shortest first."""
    found: dict[str, pd.Timedelta] = {}
    for start, end in itertools.combinations(moments, 2):
        months = 12 * (end.year - start.year) + end.month - start.month
        days = (end - start).days
        if months and start + pd.DateOffset(months=months) == end:
            found[counted(months, "month")] = end - start
        elif days:
            text = counted(days // 7, "week") if days % 7 == 0 else counted(days, "day")
            found[text] = end - start
    return sorted(found, key=lambda text: (found[text], text))


def window_of(tables: pd.DataFrame, provenance: dict[str, Any]) -> pd.Timedelta | None:
    """Return how far features look back; the longest span where on all events, None where it is not known."""
    for facts in (tables.attrs.get("segkit") or {}, provenance):
        if from_events(facts):
            return pd.Timedelta(facts["window"]) if facts.get("window") else pd.Timedelta.max
    return None


def overlap(pairs: Sequence[Pair], window: pd.Timedelta | None) -> float:
    """Return the share of its window that a table has in common with the one a horizon later; 0 where not known."""
    if window is None:
        return 0.0
    ahead = np.mean([(end - start) / window for start, end in pairs])
    return float(1 - ahead) if ahead < 1 - TOLERANCE / 2 else 0.0


def overlap_in_words(horizon: str | timedelta, share: float) -> str:
    """Return what an overlap of windows means for predictions, in a sentence; "" where there is none."""
    if not share:
        return ""
    common = f"{share:.0%} of the same days" if share < 0.995 else "nearly all the same days"
    return (
        f"Tables {horizon} apart look back on {common}, so most of what is gained over a Markov chain is to know "
        "which days drop out of the window."
    )
