"""Accumulate growth, and draw the line at which it is an alarm, so that false alarms are as rare as was asked for."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator

import numpy as np

from segkit.core.messages import in_words

SLACK = (
    0.75  # growth of less than this is forgotten, in standard errors of a period, where counts do not last
)
UNITS = {"week": 7.0, "month": 365.25 / 12, "year": 365.25}  # days
YEAR = 365.25
RAREST, OFTENEST = 1 / 100, 2.0  # false alarms a year
PATHS = 100_000  # quiet cells that are simulated
TAIL = 1_000  # of them, those that grow most; beyond, growth falls off exponentially
OWN = 12  # periods of reference at which a cell's own wobble counts as much as that of all
TEXT = re.compile(
    r"\s*(\d+|one|once|two|twice)\s+(?:time[s]?\s+)?(?:in|every|per|a)\s+(?:(\d+)\s+)?(week|month|year)s?\s*",
    re.I,
)
WORDS = {"one": 1, "once": 1, "two": 2, "twice": 2}


def read_rate(false_alarms: object) -> float:
    """Return a rate of false alarms, such as "1 in 20 years", as a number a year.

    Raises
    ------
    TypeError, ValueError
        If it is no such text, or out of bounds.

    Examples
    --------
    >>> read_rate("1 in 20 years")
    0.05
    """
    wanted = "Write it as '1 in 20 years'."
    if not isinstance(false_alarms, str):
        raise TypeError(f"false_alarms is {in_words(false_alarms)}. {wanted}")
    found = TEXT.fullmatch(false_alarms)
    if not found:
        raise ValueError(f"false_alarms={false_alarms!r} is no rate. {wanted}")
    count, spans, unit = found.groups()
    span = int(spans or 1) * UNITS[unit.lower()]
    number = WORDS.get(count.lower()) or int(count if count.isdigit() else 0)
    if not number or not span:
        raise ValueError(f"false_alarms={false_alarms!r} should hold no 0. {wanted}")
    rate = number * (YEAR / span)
    if not RAREST <= rate <= OFTENEST * 1.0001:
        raise ValueError(
            f"false_alarms={false_alarms!r} should lie between '1 in 100 years' and '2 in 1 year': rarer ones cannot "
            "be told from a few periods, and more frequent ones would hide the true."
        )
    return rate


def slack_for(lasting: float) -> float:
    """Return the growth that is forgotten: the more, the longer counts last, as the error of their mean grows."""
    return SLACK * float(np.sqrt((1 + lasting) / (1 - lasting)))


def accumulated(growth: np.ndarray, slack: float = SLACK) -> np.ndarray:
    """Return the one-sided cumulative sum (CUSUM) of growth beyond the slack; it never falls below 0.

    Parameters
    ----------
    growth : ndarray of shape (n_periods, …)
        In standard errors; 0 where nothing is known.
    slack : float, default=0.75
    """
    sums = np.zeros_like(growth)
    now = np.zeros(growth.shape[1:], dtype=growth.dtype)
    for t, step in enumerate(growth):
        now = np.maximum(now + step - slack, 0)
        sums[t] = now
    return sums


def share_in_wobble(n: int, lasting: float) -> float:
    """Return the expected variance within n periods of a series, as a share of its variance over all times."""
    lags = np.arange(1, n)
    return 1 - (1 + 2 * ((1 - lags / n) * lasting**lags).sum()) / n


def wobble(squares: np.ndarray, n: int, lasting: float) -> tuple[np.ndarray, float]:
    """Return how much more the share of each cell varies than by chance, and how much more those of all do.

    Parameters
    ----------
    squares : ndarray of shape (n_cells,)
        Mean squared deviation from the mean over the reference, in squared standard errors of counts.
    n : int
        Periods of the reference.
    lasting : float
        Correlation of a count with that of the period before.

    Returns
    -------
    each : ndarray of shape (n_cells,)
        Ratio of variances; drawn towards that of all the more, the shorter the reference.
    all : float
        At least 1: shares that wobble less than those of customers drawn anew are taken to wobble as much.
    """
    own = squares / share_in_wobble(n, lasting)
    pooled = max(float(own.mean()), 1.0)
    return _drawn_towards(own, pooled, n), pooled


def _drawn_towards(own: np.ndarray, pooled: float, n: int) -> np.ndarray:
    return (own * (n - 1) + pooled * OWN) / (n - 1 + OWN)


def alarm_line(rate: float, days: float, cells: int, reference: int, lasting: float) -> float:
    """Return the accumulated growth that is an alarm.

    Of all quiet shops, as many raise an alarm within the year after the reference as the rate says.

    Parameters
    ----------
    rate : float
        False alarms a year.
    days : float
        From one period to the next.
    cells : int
        Number of cells that are watched.
    reference : int
        Number of periods that the share and the wobble of each cell are known from.
    lasting : float
        Correlation of a count with that of the period before, of customers who stay as they are.

    Notes
    -----
    Known formulas, such as Siegmund's [1]_, hold for growth that is independent from period to period and measured
    against a share that is known. Here the share and the wobble are estimated from a few periods, which makes false
    alarms more frequent, and the same customers come back. So quiet cells are simulated, with the same estimates.

    References
    ----------
    .. [1] Siegmund (1985), Sequential Analysis, Springer.
    """
    watched = max(round(YEAR / days), 1)
    quiet = 1 - np.exp(-rate)  # share of quiet shops with an alarm in a year
    of_cell = -np.expm1(np.log1p(-quiet) / cells)
    tail = _largest_of_quiet_cells(reference, watched, round(lasting, 2))
    if of_cell >= TAIL / PATHS:
        return float(np.quantile(tail, 1 - of_cell))
    top = tail[-TAIL:]
    start = tail[-TAIL - 1]
    return float(start + (top - start).mean() * np.log(TAIL / PATHS / of_cell))


@functools.lru_cache(maxsize=8)
def _largest_of_quiet_cells(reference: int, watched: int, lasting: float) -> np.ndarray:
    """Return the largest accumulated growth of each quiet cell within the watched periods, sorted."""
    quiet = _quiet_counts(lasting)
    total, squares = np.zeros(PATHS), np.zeros(PATHS)
    for count in itertools.islice(quiet, reference):
        total += count
        squares += count.astype(float) ** 2
    usual = total / reference
    squares = (squares / reference - usual**2) / share_in_wobble(reference, lasting)
    spread = np.sqrt(_drawn_towards(squares, 1.0, reference))
    slack = slack_for(lasting)
    now = np.zeros(PATHS)
    largest = np.zeros(PATHS)
    for count in itertools.islice(quiet, watched):
        now = np.maximum(now + (count - usual) / spread - slack, 0)
        largest = np.maximum(largest, now)
    return np.sort(largest)


def _quiet_counts(lasting: float) -> Iterator[np.ndarray]:
    """Yield the counts of quiet cells, period by period, so that no more than one is held."""
    rng = np.random.default_rng(0)
    counts = rng.standard_normal(PATHS, dtype=np.float32)
    while True:
        yield counts
        fresh = rng.standard_normal(PATHS, dtype=np.float32)
        counts = np.float32(lasting) * counts + np.float32(np.sqrt(1 - lasting**2)) * fresh
