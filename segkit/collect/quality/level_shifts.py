"""Find days from which a feed changes its level, and days with many times the usual events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

WEEK = 7
SIDE = 14  # open days before and after, whose means are compared
RATIO = 3.0  # least ratio of these means
STANDS_OUT = 2.5  # least ratio of the logarithm of a change to that of the largest change elsewhere
MOST_SHIFTS = 2  # shifts of one feed: down, and up again
ELSEWHERE = 90  # least number of other days of the feed to compare with
LEAST = 5.0  # least events a day on the busier side
PEAK = 5.0  # least ratio of a peak to the open days around it
MOST_PEAKS = 4  # peaks of one feed: more are a habit
AROUND = 28  # open days on either side that a peak is compared with


@dataclass(frozen=True)
class Shift:
    """A change of level.

    Attributes
    ----------
    day : int
        Number of the first day of the new level.
    before, after : float
        Mean events a day in the two weeks on either side, adjusted for weekdays.
    """

    day: int
    before: float
    after: float


@dataclass(frozen=True)
class Peak:
    """One or more days in a row with many times the usual events.

    Attributes
    ----------
    start, stop : int
        Numbers of the first day, and of the one after the last.
    ratio : float
        Events of the busiest day over the median of the days around it, adjusted for weekdays.
    """

    start: int
    stop: int
    ratio: float


def peaks(counts: np.ndarray, weekdays: np.ndarray) -> list[Peak]:
    """Return the days with many times the events of the days around them.

    Parameters
    ----------
    counts, weekdays : ndarray of shape (n_days,)
        As in :func:`level_shifts`.

    Returns
    -------
    list of Peak
        At most four, in order of time.

    Notes
    -----
    A peak has five times the median of the four weeks on either side. The logarithm of that ratio must also be
    two and a half times that of any day more than a week away from peaks, so that a monthly sale is no peak.
    Its neighbours belong to it if they have three times the median.
    """
    counts = np.asarray(counts, dtype=float)
    open_ = np.flatnonzero(counts > 0)
    if len(open_) < 2 * SIDE + ELSEWHERE:
        return []
    level = counts[open_] / _weekday_factors(counts[open_], weekdays[open_])[weekdays[open_]]
    ratio = level / pd.Series(level).rolling(2 * AROUND + 1, center=True, min_periods=1).median().to_numpy()
    elsewhere = np.ones(len(ratio), bool)
    candidates: list[tuple[int, int, int]] = []
    while len(candidates) < MOST_PEAKS and elsewhere.sum() >= ELSEWHERE:
        top = int(np.argmax(np.where(elsewhere, ratio, -1)))
        low = np.flatnonzero(ratio < RATIO)
        start = int(low[low < top].max(initial=-1)) + 1
        stop = int(low[low > top].min(initial=len(ratio)))
        candidates.append((top, start, stop))
        elsewhere[max(start - WEEK, 0) : stop + WEEK] = False
    usual = ratio[elsewhere].max() if elsewhere.any() else np.inf
    least = max(PEAK, usual**STANDS_OUT)
    return [
        Peak(int(open_[start]), int(open_[stop - 1]) + 1, float(ratio[top]))
        for top, start, stop in sorted(candidates)
        if ratio[top] >= least and level[top] >= LEAST
    ]


def level_shifts(counts: np.ndarray, weekdays: np.ndarray) -> list[Shift]:
    """Return the days from which a feed has another level.

    Parameters
    ----------
    counts : ndarray of shape (n_days,)
        Events of each day.
    weekdays : ndarray of shape (n_days,)
        0 to 6.

    Returns
    -------
    list of Shift
        At most two, in order of time.

    Notes
    -----
    The mean of 14 open days is compared with that of the 14 before. It must be three times as large or small,
    and the logarithm of that ratio two and a half times as large as at any other time of the feed except the
    month around it, so that a feed with a wandering level rarely has shifts. The medians must differ too, since
    a few days are no level. Days without events and peaks are left out.
    """
    known = np.asarray(counts) > 0
    for peak in peaks(counts, weekdays):
        known[peak.start : peak.stop] = False
    open_ = np.flatnonzero(known)
    if len(open_) < 2 * SIDE + ELSEWHERE:
        return []
    level = counts[open_] / _weekday_factors(counts[open_], weekdays[open_])[weekdays[open_]]
    sides = np.lib.stride_tricks.sliding_window_view(level, SIDE)
    means, medians = sides.mean(axis=1), np.median(sides, axis=1)
    before, after = means[:-SIDE], means[SIDE:]
    change = np.abs(np.log(after / before))
    lasting = np.abs(np.log(medians[SIDE:] / medians[:-SIDE])) >= np.log(RATIO) / 2
    tops: list[int] = []
    elsewhere = np.ones(len(change), bool)
    for _ in range(MOST_SHIFTS):
        top = int(np.argmax(np.where(elsewhere, change, -1)))
        tops.append(top)
        elsewhere &= np.abs(np.arange(len(change)) - top) >= 2 * SIDE
        if elsewhere.sum() < ELSEWHERE:
            break
    usual = change[elsewhere].max() if elsewhere.any() else np.inf
    large = (change >= max(np.log(RATIO), STANDS_OUT * usual)) & (np.maximum(before, after) >= LEAST)
    return [
        Shift(int(open_[top + SIDE]), float(before[top]), float(after[top]))
        for top in sorted(tops)
        if large[top] and lasting[top]
    ]


def _weekday_factors(counts: np.ndarray, weekdays: np.ndarray) -> np.ndarray:
    """Return the median of each weekday over the median of all days; medians ignore peaks."""
    middle = np.median(counts)
    return np.array(
        [np.median(counts[weekdays == day]) if (weekdays == day).any() else middle for day in range(WEEK)]
    ) / max(middle, 1e-12)
