"""Days from which on a feed brings several times as much, or as little; and days of many times as much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

WEEK = 7
SIDE = 14  # open days before and after, whose means are compared
RATIO = 3.0  # of these means, at least
ALONE = 2.5  # how many times as large its logarithm is as that of any change elsewhere
AT_MOST = 2  # changes of one feed: down, and up again
ELSEWHERE = 90  # splits of the same feed that it is held against, at least
LEAST = 5.0  # events a day on the busier side, at least
PEAK = 5.0  # times as many as on an open day around it, at least
PEAKS = 4  # of one feed, at most: what comes more often is a habit
AROUND = 28  # open days on either side, of whose middle that is told: longer is a level, and no peak


@dataclass(frozen=True)
class Shift:
    """A change of level.

    Attributes
    ----------
    day : int
        Number of the first day of the new level.
    before, after : float
        Events on a mean day of the two weeks on either side, as many as the weekday allows.
    """

    day: int
    before: float
    after: float


@dataclass(frozen=True)
class Peak:
    """A day, or days in a row, of many times the usual events.

    Attributes
    ----------
    start, stop : int
        Numbers of the first day, and of the one after the last.
    ratio : float
        Events on the busiest of them over those of a middling day around it, as many as the weekday allows.
    """

    start: int
    stop: int
    ratio: float


def peaks(counts: np.ndarray, weekdays: np.ndarray) -> list[Peak]:
    """Return the days on which a feed brought many times what it does around them.

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
    A peak is five times the median of the four weeks on either side, and the logarithm of that ratio two and a
    half times that of any other day's, a week around peaks left out: what a feed does often is its habit. Its
    days are those in a row that bring three times that median.
    """
    counts = np.asarray(counts, dtype=float)
    open_ = np.flatnonzero(counts > 0)
    if len(open_) < 2 * SIDE + ELSEWHERE:
        return []
    level = counts[open_] / _factor(counts[open_], weekdays[open_])[weekdays[open_]]
    ratio = level / pd.Series(level).rolling(2 * AROUND + 1, center=True, min_periods=1).median().to_numpy()
    elsewhere = np.ones(len(ratio), bool)
    found: list[tuple[int, int, int]] = []
    while len(found) < PEAKS and elsewhere.sum() >= ELSEWHERE:
        top = int(np.argmax(np.where(elsewhere, ratio, -1)))
        low = np.flatnonzero(ratio < RATIO)
        start = int(low[low < top].max(initial=-1)) + 1
        stop = int(low[low > top].min(initial=len(ratio)))
        found.append((top, start, stop))
        elsewhere[max(start - WEEK, 0) : stop + WEEK] = False
    usual = ratio[elsewhere].max() if elsewhere.any() else np.inf
    least = max(PEAK, usual**ALONE)
    return [
        Peak(int(open_[start]), int(open_[stop - 1]) + 1, float(ratio[top]))
        for top, start, stop in sorted(found)
        if ratio[top] >= least and level[top] >= LEAST
    ]


def level_shifts(counts: np.ndarray, weekdays: np.ndarray) -> list[Shift]:
    """Return the days from which on a feed is on another level.

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
    The mean of 14 days is held against that of the 14 before: it must be three times as large or small, and
    the logarithm of that ratio two and a half times as large as at any other time of this feed, but the month
    on either side. A feed whose level wanders thus has hardly any shifts: of simulated feeds without one, even
    those that wander most, about one in a hundred is said to have one. Days on which nothing came are left
    out: they are gaps, or a shop that was closed. So are peaks; and the medians must differ too, as a few days
    are no level.
    """
    known = np.asarray(counts) > 0
    for peak in peaks(counts, weekdays):
        known[peak.start : peak.stop] = False
    open_ = np.flatnonzero(known)
    if len(open_) < 2 * SIDE + ELSEWHERE:
        return []
    level = counts[open_] / _factor(counts[open_], weekdays[open_])[weekdays[open_]]
    sides = np.lib.stride_tricks.sliding_window_view(level, SIDE)
    means, medians = sides.mean(axis=1), np.median(sides, axis=1)
    before, after = means[:-SIDE], means[SIDE:]
    change = np.abs(np.log(after / before))
    lasting = np.abs(np.log(medians[SIDE:] / medians[:-SIDE])) >= np.log(RATIO) / 2
    tops: list[int] = []
    elsewhere = np.ones(len(change), bool)
    for _ in range(AT_MOST):
        top = int(np.argmax(np.where(elsewhere, change, -1)))
        tops.append(top)
        elsewhere &= np.abs(np.arange(len(change)) - top) >= 2 * SIDE
        if elsewhere.sum() < ELSEWHERE:
            break
    usual = change[elsewhere].max() if elsewhere.any() else np.inf
    large = (change >= max(np.log(RATIO), ALONE * usual)) & (np.maximum(before, after) >= LEAST)
    return [
        Shift(int(open_[top + SIDE]), float(before[top]), float(after[top]))
        for top in sorted(tops)
        if large[top] and lasting[top]
    ]


def _factor(counts: np.ndarray, weekdays: np.ndarray) -> np.ndarray:
    """Return the share of each weekday among days on which something came; its median, so that peaks do not count."""
    middle = np.median(counts)
    return np.array(
        [np.median(counts[weekdays == day]) if (weekdays == day).any() else middle for day in range(WEEK)]
    ) / max(middle, 1e-12)
