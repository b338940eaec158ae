"""Find weeks in which a feed's hours of the day are some hours earlier or later than in the others."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

DAY = 24
CHANGE = 12.0  # log-likelihood that a change of hour must gain, beside the number of weeks and hours
ALIKE = 0.35  # share of the misfit that may remain after moving the hours
FEWEST_WEEKS, FEWEST = 6, 500  # weeks and events that a feed needs
MOVED = 200  # least number of events in the moved weeks
ROUNDS = 5


@dataclass(frozen=True)
class Moved:
    """Weeks in a row with moved hours.

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
    """Return the weeks whose hours of the day are moved against those of most weeks.

    Parameters
    ----------
    counts : ndarray of shape (n_weeks, 24)
        Events of each hour of the day.

    Returns
    -------
    list of Moved
        In order of time. None where there are too few events, or where the hours changed in another way, such
        as longer opening hours.

    Notes
    -----
    Each week is one of 24 rotations of a common profile of the day. The rotations are the path of highest
    likelihood (Viterbi's algorithm), in which each change has a cost. Where weeks differ more than multinomial
    counts would, their likelihood is scaled down.
    """
    counts = np.asarray(counts, dtype=float)
    if len(counts) < FEWEST_WEEKS or counts.sum() < FEWEST:
        return []
    quarter = max(len(counts) // 4, 1)
    # The profile of all weeks may mix two hours, so that the first and the last quarter are tried too.
    starts = (counts, counts[:quarter], counts[-quarter:])
    turns = max((_rotations(counts, _profile(start)) for start in starts), key=lambda fit: fit[1])[0]
    weeks = np.bincount(turns, weights=counts.sum(axis=1) > 0, minlength=DAY)
    turns = (turns - int(weeks.argmax())) % DAY
    profile = _profile(counts, turns)
    edges = [0, *(np.flatnonzero(np.diff(turns)) + 1).tolist(), len(turns)]
    parts = [
        Moved(start, stop, int(turns[start]) if turns[start] <= DAY // 2 else int(turns[start]) - DAY)
        for start, stop in itertools.pairwise(edges)
    ]
    return [
        part
        for part in parts
        if part.hours and _explains(counts[part.start : part.stop].sum(axis=0), profile, part.hours)
    ]


def _rotations(counts: np.ndarray, profile: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the rotation of each week, from a first profile, and the log-likelihood of all."""
    scatter = _overdispersion(counts)
    turns, likelihood = _best_path(_log_likelihoods(counts, profile) / scatter)
    for _ in range(ROUNDS):
        refined, better = _best_path(_log_likelihoods(counts, _profile(counts, turns)) / scatter)
        if better <= likelihood:
            break
        turns, likelihood = refined, better
    return turns, likelihood


def _profile(counts: np.ndarray, turns: np.ndarray | None = None) -> np.ndarray:
    """Return the common share of each hour, with each week rotated back."""
    if turns is not None:
        counts = np.stack([np.roll(week, -turn) for week, turn in zip(counts, turns, strict=True)])
    return (counts.sum(axis=0) + 0.5) / (counts.sum() + 0.5 * DAY)


def _log_likelihoods(counts: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """Return the log-likelihood of each week under each rotation of the profile."""
    rotated = np.log(np.stack([np.roll(profile, turn) for turn in range(DAY)]))
    return counts @ rotated.T


def _overdispersion(counts: np.ndarray) -> float:
    """Return how many times more neighbouring weeks differ than two samples of one profile; at least 1."""
    known = counts[counts.sum(axis=1) > 0]
    if len(known) < 2:
        return 1.0
    a, b = known[:-1], known[1:]
    both = a + b
    total = both.sum(axis=1, keepdims=True)
    squares = 0.0
    for week in (a, b):
        expected = both * week.sum(axis=1, keepdims=True) / total
        squares = squares + ((week - expected) ** 2 / np.maximum(expected, 1e-9)).sum(axis=1)
    return max(float(np.median(squares / np.maximum((both > 0).sum(axis=1) - 1, 1))), 1.0)


def _best_path(fit: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the rotation of each week on the best path, and its log-likelihood less the cost of changes."""
    cost = CHANGE + np.log(len(fit) * DAY)
    best, previous = fit[0], np.zeros(fit.shape, dtype=int)
    for week in range(1, len(fit)):
        top = int(best.argmax())
        change = best[top] - cost > best
        previous[week] = np.where(change, top, np.arange(DAY))
        best = np.where(change, best[top] - cost, best) + fit[week]
    path = [int(best.argmax())]
    for week in range(len(fit) - 1, 0, -1):
        path.append(int(previous[week, path[-1]]))
    return np.array(path[::-1]), float(best.max())


def _explains(counts: np.ndarray, profile: np.ndarray, hours: int) -> bool:
    """Return whether moving the hours explains most of what sets these weeks apart."""
    if counts.sum() < MOVED:
        return False
    share = counts / counts.sum()

    def misfit(expected: np.ndarray) -> float:
        seen = share > 0
        return float((share[seen] * np.log(share[seen] / expected[seen])).sum())

    return misfit(np.roll(profile, hours)) <= ALIKE * misfit(profile)
