"""Find days without events that chance does not explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WEEK = 7
REACH = 14  # days on either side that give the expected level
FEWEST = 14  # days that a feed needs before anything can be expected of it
CLOSED = 0.5  # share of empty days above which a weekday counts as closed
RARELY = 0.1  # share of empty days up to which a feed counts as one that rarely pauses
MOST = 10  # silences of a feed that are tested: those in which most was expected


@dataclass(frozen=True)
class Silence:
    """Days in a row without an event.

    Attributes
    ----------
    start : int
        Number of the first day.
    days : int
        Number of days.
    expected : float
        Events expected on these days.
    probability : float
        Probability of a silence this long from that day if the feed works, closing days included.
    by_counts : float
        The same, if a day is empty only because few events happen.
    busy : bool
        Whether days like these are rarely empty. Gaps are reported for such feeds only.
    """

    start: int
    days: int
    expected: float
    probability: float
    by_counts: float
    busy: bool


def silences(counts: np.ndarray, weekdays: np.ndarray) -> list[Silence]:
    """Return the silences of a feed with their probability, the most improbable first.

    Parameters
    ----------
    counts : ndarray of shape (n_days,)
        Events of each day.
    weekdays : ndarray of shape (n_days,)
        0 to 6.

    Returns
    -------
    list of Silence
        At most ten. None for feeds of fewer than 14 days, and none before the seventh day with events.

    Notes
    -----
    The expected count of a day is the mean of the two weeks on either side, without the silence, times the
    weekday's share. Counts around it follow a negative binomial with the dispersion of the other days. A day
    is never called less likely to be empty than comparable days have been: those of the same weekday with at
    least half its expected count. Where the deviations of neighbouring days correlate, a long silence counts
    as fewer independent days.
    """
    counts = np.asarray(counts, dtype=float)
    if len(counts) < FEWEST or not (counts > 0).any():
        return []
    level, factor = _expectations(counts, weekdays, np.ones(len(counts), bool))
    runs = sorted(_runs(counts == 0), key=lambda run: -float((level * factor[weekdays])[slice(*run)].sum()))
    # The first few days of a feed are its launch, not a gap.
    active_days = np.cumsum(counts > 0)
    runs = [(start, stop) for start, stop in runs if active_days[start] >= WEEK]
    tested = [_silence(counts, weekdays, start, stop) for start, stop in runs[:MOST]]
    return sorted(tested, key=lambda silence: (silence.probability, silence.start))


def _silence(counts: np.ndarray, weekdays: np.ndarray, start: int, stop: int) -> Silence:
    others = np.ones(len(counts), bool)
    others[start:stop] = False
    # A longer silence is no more probable, so the first days are enough.
    end = min(stop, start + REACH)
    level, factor = _expectations(counts, weekdays, others)
    expected = level * factor[weekdays]
    dispersion, memory = _dispersion(counts[others], expected[others])
    inside = slice(start, end)
    log_empty = _log_empty(expected[inside], dispersion)
    habit = _usual_emptiness(counts, weekdays, expected, others, range(start, end))
    independent = 1 + (end - start - 1) * (1 - memory)
    model = max(log_empty.sum(), _log_all_empty(expected[inside], dispersion, independent))
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
    """Return the level around each day, without the day itself, and the factor of each weekday."""
    mean = counts[known].mean()
    sums = np.bincount(weekdays[known], counts[known], minlength=WEEK)
    days = np.bincount(weekdays[known], minlength=WEEK)
    factor = (sums + mean) / (days + 1) / max(mean, 1e-12)
    events = _sum_around(counts * known)
    weight = _sum_around(factor[weekdays] * known)
    return np.where(weight > 1e-9, events / np.maximum(weight, 1e-9), mean), factor


def _sum_around(values: np.ndarray) -> np.ndarray:
    """Return the sum of the days around each day, without the day itself."""
    around = np.ones(2 * REACH + 1)
    around[REACH] = 0
    return np.convolve(values, around, "full")[REACH : REACH + len(values)]


def _dispersion(counts: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """Return the dispersion of counts, and the correlation of each day's deviation with the next day's."""
    off = counts - expected
    dispersion = max(float((off**2 - expected).sum() / max((expected**2).sum(), 1e-12)), 0.0)
    scaled = off / np.sqrt(np.maximum(expected + dispersion * expected**2, 1e-12))
    memory = float((scaled[1:] * scaled[:-1]).sum() / max((scaled**2).sum(), 1e-12))
    return dispersion, min(max(memory + 1 / np.sqrt(len(off)), 0.0), 1.0)


def _log_empty(expected: np.ndarray, dispersion: float) -> np.ndarray:
    """Return the log probability of each day to be empty."""
    if dispersion < 1e-6:
        return -expected
    return -np.log1p(dispersion * expected) / dispersion


def _log_all_empty(expected: np.ndarray, dispersion: float, independent: float) -> float:
    """Return the log probability that all days are empty, if they count as `independent` days."""
    if dispersion < 1e-6:
        return -float(expected.sum())
    return -independent / dispersion * float(np.log1p(dispersion * expected.sum() / independent))


def _usual_emptiness(
    counts: np.ndarray, weekdays: np.ndarray, expected: np.ndarray, known: np.ndarray, days: range
) -> np.ndarray:
    """Return the share of comparable days that were empty; never 0, since unseen is not impossible."""
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
    """Return whether each weekday is mostly empty."""
    days = np.bincount(weekdays[known], minlength=WEEK)
    return np.bincount(weekdays[empty], minlength=WEEK) > CLOSED * np.maximum(days, 1)


def _runs(empty: np.ndarray) -> list[tuple[int, int]]:
    """Return start and stop of each run of empty days."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], empty.astype(int), [0]])))
    return list(zip(edges[::2], edges[1::2], strict=True))
