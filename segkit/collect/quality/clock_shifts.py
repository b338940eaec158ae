"""Weeks in which a feed's hours of the day lie some hours earlier or later than in others."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

DAY = 24
CHANGE = 12.0  # log-likelihood that a change of hour must be worth: one in e¹², for all weeks and hours
ALIKE = 0.35  # share of what did not fit that may remain once the hours are moved
FEWEST_WEEKS, FEWEST = 6, 500  # of a feed, without which nothing is said of its hours
MOVED = 200  # events that lie elsewhere, at least
ROUNDS = 5


@dataclass(frozen=True)
class Moved:
    """Weeks in a row in which the hours lie elsewhere.

    Attributes
    ----------
    start, stop : int
        Numbers of the first week, and of the one after the last.
    hours : int
        How many hours later than in most weeks, −11 to 12.
    """

    start: int
    stop: int
    hours: int


def moved_hours(counts: np.ndarray) -> list[Moved]:
    """Return the weeks whose hours of the day lie some hours away from those of most weeks.

    Parameters
    ----------
    counts : ndarray of shape (n_weeks, 24)
        Events of each hour of the day.

    Returns
    -------
    list of Moved
        In order of time. None where too few events are known, or where the hours changed in another way,
        such as a shop that opens longer.

    Notes
    -----
    Each week is one of 24 turns of one common profile of the day. Which weeks take which is the path of
    highest likelihood (Viterbi's), where each change costs, and where the counts of a week scatter more than
    those of a die would, as much less is believed of them.
    """
    counts = np.asarray(counts, dtype=float)
    if len(counts) < FEWEST_WEEKS or counts.sum() < FEWEST:
        return []
    quarter = max(len(counts) // 4, 1)
    starts = (counts, counts[:quarter], counts[-quarter:])  # a mixture of two hours is a poor place to begin
    turns = max((_turns(counts, _profile(start)) for start in starts), key=lambda found: found[1])[0]
    weeks = np.bincount(turns, weights=counts.sum(axis=1) > 0, minlength=DAY)
    turns = (turns - int(weeks.argmax())) % DAY
    profile = _profile(counts, turns)
    edges = [0, *(np.flatnonzero(np.diff(turns)) + 1).tolist(), len(turns)]
    found = [
        Moved(start, stop, int(turns[start]) if turns[start] <= DAY // 2 else int(turns[start]) - DAY)
        for start, stop in itertools.pairwise(edges)
    ]
    return [
        part
        for part in found
        if part.hours and _fits(counts[part.start : part.stop].sum(axis=0), profile, part.hours)
    ]


def _turns(counts: np.ndarray, profile: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the turn of each week, from a first guess of the profile, and how well all fits together."""
    scatter = _scatter(counts)
    turns, worth = _path(_fit(counts, profile) / scatter)
    for _ in range(ROUNDS):
        again, better = _path(_fit(counts, _profile(counts, turns)) / scatter)
        if better <= worth:
            break
        turns, worth = again, better
    return turns, worth


def _profile(counts: np.ndarray, turns: np.ndarray | None = None) -> np.ndarray:
    """Return the common share of each hour, once each week is turned back."""
    if turns is not None:
        counts = np.stack([np.roll(week, -turn) for week, turn in zip(counts, turns, strict=True)])
    return (counts.sum(axis=0) + 0.5) / (counts.sum() + 0.5 * DAY)


def _fit(counts: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """Return the log-likelihood of each week under each turn of the profile."""
    turned = np.log(np.stack([np.roll(profile, turn) for turn in range(DAY)]))
    return counts @ turned.T


def _scatter(counts: np.ndarray) -> float:
    """Return how many times more a week differs from the next than two draws from one profile would, 1 at least."""
    known = counts[counts.sum(axis=1) > 0]
    a, b = known[:-1], known[1:]
    both = a + b
    total = both.sum(axis=1, keepdims=True)
    squares = sum(
        (
            (part - both * part.sum(axis=1, keepdims=True) / total) ** 2
            / np.maximum(both * part.sum(axis=1, keepdims=True) / total, 1e-9)
        ).sum(axis=1)
        for part in (a, b)
    )
    return max(float(np.median(squares / np.maximum((both > 0).sum(axis=1) - 1, 1))), 1.0) if len(a) else 1.0


def _path(fit: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the turn of each week on the best path, where each change costs, and what it is worth."""
    cost = CHANGE + np.log(len(fit) * DAY)
    best, came = fit[0], np.zeros(fit.shape, dtype=int)
    for week in range(1, len(fit)):
        top = int(best.argmax())
        change = best[top] - cost > best
        came[week] = np.where(change, top, np.arange(DAY))
        best = np.where(change, best[top] - cost, best) + fit[week]
    path = [int(best.argmax())]
    for week in range(len(fit) - 1, 0, -1):
        path.append(int(came[week, path[-1]]))
    return np.array(path[::-1]), float(best.max())


def _fits(counts: np.ndarray, profile: np.ndarray, hours: int) -> bool:
    """Say whether moving the hours explains most of what sets these weeks apart."""
    if counts.sum() < MOVED:
        return False
    share = counts / counts.sum()

    def misfit(expected: np.ndarray) -> float:
        seen = share > 0
        return float((share[seen] * np.log(share[seen] / expected[seen])).sum())

    return misfit(np.roll(profile, hours)) <= ALIKE * misfit(profile)
