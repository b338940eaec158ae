"""Find what has grown in a segment, whether it is a group of its own, and who belongs to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from segkit.over_time.growth import Growth, Watch, sums_by
from segkit.trust.density_valleys import BINS, KERNEL, LEAST, OUTER, depths

SMALLEST = 0.01  # of all customers: less growth than this may be a change of shape, and is no group yet
GONE = 0.25  # of that, below which what grew is gone again
SMOOTH = 3  # periods whose growth is averaged for that
DIP = 0.8  # of its height on the far side, to which the density falls in a valley
SURE = 2.0  # standard errors of a valley
FAR_SIDE = (
    0.6,
    1.45,
)  # where along the line the new group is looked for; it is at 1, the middle of the segment at 0


@dataclass(frozen=True)
class NewGroup:
    """What has grown in a segment.

    Attributes
    ----------
    growth : Growth
        Of the segment.
    cells : ndarray of int
        The cells that have risen.
    leading : int
        The one that has risen most.
    first : int
        Position of the moment of the alarm.
    since : int
        Position of the moment after which it grew.
    added : float
        Share of all customers that it has now beyond the usual.
    separate : bool
        Whether the density between it and the segment has a valley.
    members : Index
        Ids of those who belong to it at the last moment: beyond the valley; without one, in cells that have doubled, or
        else in all that have risen.
    apart : ndarray of shape (n_prepared,)
        Where its members are, from the other customers of the segment, in spreads of the segment.
    """

    growth: Growth
    cells: np.ndarray
    leading: int
    first: int
    since: int
    added: float
    separate: bool
    members: pd.Index
    apart: np.ndarray


def new_groups(seen: Watch) -> list[NewGroup]:
    """Return what has grown beyond the alarm line, in order of the alarms."""
    found = [_in_segment(seen, growth) for growth in seen.growths]
    return sorted((group for group in found if group is not None), key=lambda group: group.first)


def added_share(seen: Watch, growth: Growth) -> np.ndarray:
    """Return the share of all customers that each cell has beyond the usual, at each moment."""
    beyond = growth.counts - growth.usual * growth.counts.sum(axis=1)[:, None]
    return beyond / np.maximum(seen.sizes, 1)[:, None]


def least_added(seen: Watch, growth: Growth, risen: np.ndarray) -> np.ndarray:
    """Return the share of all customers that risen cells must have gained: 1 % and its standard error, each moment."""
    squares = np.where(risen & np.isfinite(growth.error), growth.error, 0.0) ** 2
    weights = growth.counts.sum(axis=1) / np.maximum(seen.sizes, 1)
    return SMALLEST + np.sqrt(squares.sum(axis=1)) * weights


def smoothed(added: np.ndarray) -> np.ndarray:
    """Return the mean of each moment and the few before it."""
    sums = np.cumsum(np.vstack([np.zeros(added.shape[1]), added]), axis=0)
    ends = np.arange(1, len(added) + 1)
    starts = np.maximum(ends - SMOOTH, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)[:, None]


def _in_segment(seen: Watch, growth: Growth) -> NewGroup | None:
    risen = growth.sums > seen.line
    added = smoothed(added_share(seen, growth))
    alarms = np.flatnonzero(np.where(risen, added, 0.0).sum(axis=1) >= least_added(seen, growth, risen))
    if not len(alarms):
        return None
    first = int(alarms[0])
    cells = np.flatnonzero(risen[first:].any(axis=0))
    leading = int(growth.sums[first].argmax())
    since = int(np.flatnonzero(growth.sums[: first + 1, leading] == 0)[-1])
    now, last = float(added[-1, cells].sum()), seen.recent[-1]
    center = _center_of_growth(seen, growth, cells) if now > GONE * SMALLEST else None
    if center is None:
        return NewGroup(growth, cells, leading, first, since, 0.0, False, last.ids[:0], np.zeros(0))
    rows = growth.cells.aligned(last.points[last.of(growth.segment)])
    valley = _valley(seen, growth, center)
    if valley is None:
        inside = np.isin(growth.cells.of(rows), _mostly_new(growth, cells, len(seen.recent)))
    else:
        inside = _along(rows, center) > valley
    apart = rows[inside].mean(axis=0) - rows[~inside].mean(axis=0) if 0 < inside.sum() < len(rows) else center
    members = last.ids[last.of(growth.segment)[inside]]
    return NewGroup(growth, cells, leading, first, since, now, valley is not None, members, apart)


def _mostly_new(growth: Growth, cells: np.ndarray, recent: int) -> np.ndarray:
    """Return those of the cells that hold at least twice as many customers as usual of late; all if none does."""
    counts = growth.counts[-recent:]
    usual = growth.usual * counts.sum()
    doubled = cells[counts.sum(axis=0)[cells] >= 2 * usual[cells]]
    return doubled if len(doubled) else cells


def _center_of_growth(seen: Watch, growth: Growth, cells: np.ndarray) -> np.ndarray | None:
    """Return the middle of those who came to the cells of late: of all there now, less those who usually are."""
    total, came = np.zeros(growth.middles.shape[1]), 0.0
    for moment in seen.recent:
        rows = growth.cells.aligned(moment.points[moment.of(growth.segment)])
        at = growth.cells.of(rows)
        counts = np.bincount(at, minlength=len(growth.cells))
        beyond = growth.usual * len(rows)
        total += (sums_by(rows, at, len(growth.cells)) - beyond[:, None] * growth.middles)[cells].sum(axis=0)
        came += float((counts - beyond)[cells].sum())
    return total / came if came > LEAST else None


def _along(rows: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Return where customers are on the line from the middle of the segment (0) to the new group (1)."""
    return rows @ center / max(float(center @ center), 1e-12)


def _valley(seen: Watch, growth: Growth, center: np.ndarray) -> float | None:
    """Return where on the line to the new group the density has its valley; None if it has none."""
    edges = np.linspace(-OUTER, 1 + OUTER, BINS + 1)
    counts = np.zeros(BINS)
    for moment in seen.recent:
        rows = growth.cells.aligned(moment.points[moment.of(growth.segment)])
        counts += np.histogram(_along(rows, center), edges)[0]
    middles = (edges[:-1] + edges[1:]) / 2
    density = np.convolve(counts, KERNEL, mode="same")
    far = np.flatnonzero((middles > FAR_SIDE[0]) & (middles < FAR_SIDE[1]))
    peak = far[density[far].argmax()]
    between = np.flatnonzero((middles > 0) & (middles < middles[peak]))
    lowest = between[density[between].argmin()]
    deep = density[lowest] < DIP * density[peak] and depths(counts[None])[0] >= SURE
    return float(middles[lowest]) if deep else None
