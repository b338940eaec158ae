"""Moments and spans of time as people say them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from datetime import timedelta

import pandas as pd

EARLIEST, LATEST = pd.Timestamp("1900-01-01"), pd.Timestamp("2200-01-01")  # no time outside is believed
SPANS = {"window": "365 days", "within": "7 days", "horizon": "90 days"}  # examples of what can be said
LONGEST = LATEST - EARLIEST
ISO = re.compile(r"\d{4}(-\d{2}(-\d{2}([ T]\d{2}.*)?)?)?")


def read_moment(as_of: str | pd.Timestamp) -> pd.Timestamp:
    """Return a moment as UTC without a zone."""
    try:
        if isinstance(as_of, (int, float)):
            raise TypeError("pandas would count it in nanoseconds")
        if isinstance(as_of, str) and not ISO.fullmatch(as_of.strip()):
            raise ValueError("only ISO 8601 means one day to everyone, and the clock is never asked")
        moment = pd.Timestamp(as_of)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"as_of={as_of!r} is not a moment. Write it as '2011-12-01' or '2011-12-01 18:00'."
        ) from error
    if moment is pd.NaT:
        raise ValueError(f"as_of={as_of!r} is no moment. Say when to look: as_of='2011-12-01'.")
    return moment.tz_convert("UTC").tz_localize(None) if moment.tzinfo else moment


def read_window(window: str | timedelta | None) -> pd.Timedelta | None:
    """Return a span of time, or none where none was said."""
    return None if window is None else read_span(window, "window")


def read_span(said: str | timedelta, name: str) -> pd.Timedelta:
    """Return a span of time that a person said as `name`, in whole microseconds, as times are.

    Raises
    ------
    ValueError
        If it is no span of time, shorter than a microsecond, or longer than times can be apart.
    """
    example = SPANS.get(name, "30 minutes")
    try:
        if isinstance(said, (int, float)) or (isinstance(said, str) and said.strip().isdigit()):
            raise TypeError("pandas would count it in nanoseconds")
        span = pd.Timedelta(said)
        if span > LONGEST:
            raise pd.errors.OutOfBoundsTimedelta
    except pd.errors.OutOfBoundsTimedelta as error:
        raise ValueError(
            f"{name}={said!r} is longer than {LONGEST.days // 365} years, and no times are so far apart. Write it as "
            f"{example!r}{', or leave it out to look at all' if name == 'window' else ''}."
        ) from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}={said!r} is not a span of time. Write it as {example!r}.") from error
    if not span > pd.Timedelta(0):
        raise ValueError(f"{name}={said!r} is not longer than nothing. Write it as {example!r}.")
    if span < pd.Timedelta(1, "us"):
        raise ValueError(
            f"{name}={said!r} is shorter than a microsecond, to which times are known. Write it as {example!r}."
        )
    return span.floor("us")


def read_moments(dates: Iterable[str | pd.Timestamp]) -> list[pd.Timestamp]:
    """Return moments as UTC without a zone, sorted."""
    if isinstance(dates, str) or not isinstance(dates, Iterable):
        raise TypeError(
            f"dates={dates!r} is no list of dates. Pass one, or use customer_features for a single date."
        )
    moments = sorted(read_moment(date) for date in dates)
    if not moments:
        raise ValueError("dates is empty. Say at least one, such as dates=['2024-01-01'].")
    twice = [a for a, b in itertools.pairwise(moments) if a == b]
    if twice:
        raise ValueError(f"dates has {twice[0]} more than once. Say each moment once.")
    return moments
