"""Days on which a feed stood still: how long a silence may last before it is no longer chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WEEK = 7
REACH = 14  # days on either side that say what a day could have expected
FEWEST = 14  # days of a feed, without which nothing is known of its habits
CLOSED = 0.5  # share of empty days from which a weekday counts as one on which the feed rests
RARELY = 0.1  # share of empty days up to which a feed is one that hardly ever rests
MOST = 10  # silences of a feed that are looked into: those in which most was expected


@dataclass(frozen=True)
class Silence:
    """Days in a row without an event.

    Attributes
    ----------
    start : int
        Number of the first of them.
    days : int
        How many.
    expected : float
        Events that these days would have brought.
    probability : float
        Of a silence as long or longer that begins on that day, if the feed had worked, and days like
        these had been as often empty as they otherwise are.
    by_counts : float
        The same, if days were empty only because little happened, and never because a shop was closed.
    busy : bool
        Whether days like these are rarely empty. Of other feeds, nothing is claimed.
    """

    start: int
    days: int
    expected: float
    probability: float
    by_counts: float
    busy: bool


def silences(counts: np.ndarray, weekdays: np.ndarray) -> list[Silence]:
    """Return the silences of a feed and how probable each is, the most improbable first.

    Parameters
    ----------
    counts : ndarray of shape (n_days,)
        Events of each day.
    weekdays : ndarray of shape (n_days,)
        0 to 6.

    Returns
    -------
    list of Silence
        At most ten; none of a feed of fewer than 14 days, nor before a feed's seventh day with events.

    Notes
    -----
    What a day may expect is the level of the two weeks before and after it, the silence left out, times the
    weekday's share. Around it, counts scatter as a negative binomial does, whose dispersion is that of the
    other days. A day is never called less likely to be empty than days of the same weekday that expected
    half as much or more have been. Days that follow each other are as independent as the other days
    are: where their deviations correlate, a silence of many days counts as one of fewer.
    """
    counts = np.asarray(counts, dtype=float)
    if len(counts) < FEWEST or not (counts > 0).any():
        return []
    level, factor = _expectations(counts, weekdays, np.ones(len(counts), bool))
    runs = sorted(_runs(counts == 0), key=lambda run: -float((level * factor[weekdays])[slice(*run)].sum()))
    running = np.cumsum(counts > 0)  # before that, a feed was not there yet, but for a first few
    runs = [(start, stop) for start, stop in runs if running[start] >= WEEK]
    found = [_silence(counts, weekdays, start, stop) for start, stop in runs[:MOST]]
    return sorted(found, key=lambda silence: (silence.probability, silence.start))


def _silence(counts: np.ndarray, weekdays: np.ndarray, start: int, stop: int) -> Silence:
    others = np.ones(len(counts), bool)
    others[start:stop] = False
    looked = min(stop, start + REACH)  # as much longer is no more probable
    level, factor = _expectations(counts, weekdays, others)
    expected = level * factor[weekdays]
    dispersion, memory = _scatter(counts[others], expected[others])
    inside = slice(start, looked)
    log_empty = _log_of_none(expected[inside], dispersion)
    habit = _habit(counts, weekdays, expected, others, range(start, looked))
    independent = 1 + (looked - start - 1) * (1 - memory)
    model = max(log_empty.sum(), _log_of_none_shared(expected[inside], dispersion, independent))
    return Silence(
        start,
        stop - start,
        float(expected[start:stop].sum()),
        float(np.exp(max(model, np.maximum(log_empty, np.log(habit)).sum()))),
        float(np.exp(model)),
        bool(others.sum() >= FEWEST and (habit < CLOSED).any() and habit[habit < CLOSED].mean() <= RARELY),
    )


def _expectations(
    counts: np.ndarray, weekdays: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the level around each day, the day itself left out, and the share of each weekday."""
    mean = counts[known].mean()
    sums = np.bincount(weekdays[known], counts[known], minlength=WEEK)
    days = np.bincount(weekdays[known], minlength=WEEK)
    factor = (sums + mean) / (days + 1) / max(mean, 1e-12)
    weight = factor[weekdays] * known
    around = np.ones(2 * REACH + 1)
    around[REACH] = 0
    brought = (
        np.convolve(counts * known, around, "same")
        if len(counts) > len(around)
        else _near(counts * known, around)
    )
    offered = np.convolve(weight, around, "same") if len(counts) > len(around) else _near(weight, around)
    return np.where(offered > 1e-9, brought / np.maximum(offered, 1e-9), mean), factor


def _near(values: np.ndarray, around: np.ndarray) -> np.ndarray:
    return np.convolve(np.pad(values, len(around)), around, "same")[len(around) : -len(around)]


def _scatter(counts: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """Return the dispersion of counts around what was expected, and how far a day's deviation lasts into the next."""
    off = counts - expected
    dispersion = max(float((off**2 - expected).sum() / max((expected**2).sum(), 1e-12)), 0.0)
    scaled = off / np.sqrt(np.maximum(expected + dispersion * expected**2, 1e-12))
    memory = float((scaled[1:] * scaled[:-1]).sum() / max((scaled**2).sum(), 1e-12))
    return dispersion, min(max(memory + 1 / np.sqrt(len(off)), 0.0), 1.0)


def _log_of_none(expected: np.ndarray, dispersion: float) -> np.ndarray:
    if dispersion < 1e-6:
        return -expected
    return -np.log1p(dispersion * expected) / dispersion


def _log_of_none_shared(expected: np.ndarray, dispersion: float, independent: float) -> float:
    """Return the logarithm of the probability of none, where days in a row share their luck."""
    if dispersion < 1e-6:
        return -float(expected.sum())
    return -independent / dispersion * float(np.log1p(dispersion * expected.sum() / independent))


def _habit(
    counts: np.ndarray, weekdays: np.ndarray, expected: np.ndarray, known: np.ndarray, days: range
) -> np.ndarray:
    """Return how often days like each have been empty; never 0, for what has not been seen may still happen."""
    empty = (counts == 0) & known
    closed = _closed(empty, known, weekdays)[weekdays]
    shares = []
    for day in days:
        alike = known & (expected >= expected[day] / 2)
        same, open_ = alike & (weekdays == weekdays[day]), alike & ~closed
        share = empty[same].mean() if same.any() else 1.0
        shares.append(max(share, (empty[open_].sum() + 0.5) / (open_.sum() + 1)))
    return np.array(shares)


def _closed(empty: np.ndarray, known: np.ndarray, weekdays: np.ndarray) -> np.ndarray:
    """Say of each weekday whether the feed mostly rests."""
    days = np.bincount(weekdays[known], minlength=WEEK)
    return np.bincount(weekdays[empty], minlength=WEEK) > CLOSED * np.maximum(days, 1)


def _runs(empty: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], empty.astype(int), [0]])))
    return list(zip(edges[::2], edges[1::2], strict=True))
