"""Read moments and spans of time from arguments."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from datetime import timedelta

import pandas as pd

from segkit.core.messages import in_words

EARLIEST, LATEST = (
    pd.Timestamp("1900-01-01"),
    pd.Timestamp("2200-01-01"),
)  # times outside are errors in the data
SPANS = {"window": "365 days", "within": "7 days", "horizon": "90 days"}  # examples for error messages
LONGEST = LATEST - EARLIEST
ISO = re.compile(r"\d{4}(-\d{2}(-\d{2}([ T]\d{2}.*)?)?)?")


def read_moment(as_of: str | pd.Timestamp | None) -> pd.Timestamp:
    """Return a moment as UTC without a zone, in whole microseconds as the log has them.

    Raises
    ------
    TypeError
        If it is missing.
    ValueError
        If it is no moment, or not within 1900 to 2200.
    """
    if as_of is None:
        raise TypeError(
            "as_of is missing. Say as of which moment, such as as_of='2011-12-01': only events before it count."
        )
    if hasattr(as_of, "__len__") and not isinstance(as_of, str):
        raise TypeError(f"as_of is {in_words(as_of)}. It should be a moment, such as '2011-12-01'.")
    try:
        if isinstance(as_of, (int, float)):
            raise TypeError("pandas would count it in nanoseconds")
        if isinstance(as_of, str) and not ISO.fullmatch(as_of.strip()):
            raise ValueError(
                "01/02/2024 and the like are ambiguous, and results must not depend on the clock"
            )
        moment = pd.Timestamp(as_of)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"as_of={as_of!r} is not a moment. Write it as '2011-12-01' or '2011-12-01 18:00'."
        ) from error
    if moment is pd.NaT:
        raise ValueError(f"as_of={as_of!r} is not a moment. Write it as '2011-12-01'.")
    moment = moment.tz_convert("UTC").tz_localize(None) if moment.tzinfo else moment
    if not EARLIEST <= moment <= LATEST:
        raise ValueError(
            f"as_of={as_of!r} is not between {EARLIEST.year} and {LATEST.year}. Choose a moment within the log, or the "
            "day after its last event."
        )
    return moment.floor("us")


def read_window(window: str | timedelta | None) -> pd.Timedelta | None:
    """Return the argument `window` as a span of time, or None."""
    return None if window is None else read_span(window, "window")


def read_span(value: str | timedelta | None, name: str) -> pd.Timedelta:
    """Return an argument as a span of time in whole microseconds.

    Raises
    ------
    ValueError
        If it is not a span of time, shorter than a microsecond, or longer than 300 years.
    """
    example = SPANS.get(name, "30 minutes")
    if value is None or (hasattr(value, "__len__") and not isinstance(value, str)):
        what = "missing" if value is None else in_words(value)
        raise TypeError(f"{name} is {what}. It should be a span of time, such as {example!r}.")
    try:
        if isinstance(value, (int, float)) or (isinstance(value, str) and value.strip().isdigit()):
            raise TypeError("pandas would count it in nanoseconds")
        span = pd.Timedelta(value)
        if span > LONGEST:
            raise pd.errors.OutOfBoundsTimedelta
    except pd.errors.OutOfBoundsTimedelta as error:
        raise ValueError(
            f"{name}={value!r} is longer than {LONGEST.days // 365} years. Write it as "
            f"{example!r}{', or leave it out to use all events' if name == 'window' else ''}."
        ) from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}={value!r} is not a span of time. Write it as {example!r}.") from error
    if not span > pd.Timedelta(0):
        raise ValueError(f"{name}={value!r} is not positive. Write it as {example!r}.")
    if span < pd.Timedelta(1, "us"):
        raise ValueError(f"{name}={value!r} is shorter than a microsecond. Write it as {example!r}.")
    return span.floor("us")


def read_moments(dates: Iterable[str | pd.Timestamp] | None) -> list[pd.Timestamp]:
    """Return moments as UTC without a zone, sorted."""
    if dates is None:
        raise TypeError("dates is missing. Pass the moments, such as dates=['2024-01-01', '2024-02-01'].")
    if isinstance(dates, (str, pd.DataFrame, type)) or not isinstance(dates, Iterable):
        raise TypeError(
            f"dates is {in_words(dates)}, not a list of dates. Pass a list, or use customer_features for a single date."
        )
    moments = sorted(read_moment(date) for date in dates)
    if not moments:
        raise ValueError("dates is empty. Pass at least one, such as dates=['2024-01-01'].")
    twice = [a for a, b in itertools.pairwise(moments) if a == b]
    if twice:
        raise ValueError(f"dates has {twice[0]} more than once. Pass each date once.")
    return moments
