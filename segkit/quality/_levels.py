"""The day from which on a feed brings several times as much, or as little, as before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WEEK = 7
SIDE = 14  # open days before and after, whose means are compared
RATIO = 3.0  # of these means, at least
ALONE = 2.5  # how many times as large its logarithm is as that of any change elsewhere
AT_MOST = 2  # changes of one feed: down, and up again
ELSEWHERE = 90  # splits of the same feed that it is held against, at least
LEAST = 5.0  # events a day on the busier side, at least


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
    out: they are gaps, or a shop that was closed.
    """
    open_ = np.flatnonzero(counts > 0)
    if len(open_) < 2 * SIDE + ELSEWHERE:
        return []
    level = counts[open_] / _factor(counts[open_], weekdays[open_])[weekdays[open_]]
    means = np.lib.stride_tricks.sliding_window_view(level, SIDE).mean(axis=1)
    before, after = means[:-SIDE], means[SIDE:]
    change = np.abs(np.log(after / before))
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
        if large[top]
    ]


def _factor(counts: np.ndarray, weekdays: np.ndarray) -> np.ndarray:
    """Return the share of each weekday among days on which something came; its median, so that peaks do not count."""
    middle = np.median(counts)
    return np.array(
        [np.median(counts[weekdays == day]) if (weekdays == day).any() else middle for day in range(WEEK)]
    ) / max(middle, 1e-12)
