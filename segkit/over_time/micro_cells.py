"""Divide segments into micro-cells, and find the cell of each customer at each moment.

Each moment, the customers of a segment are first shifted and stretched so that their middle and their spread in each
feature are those of the reference. A season moves whole segments, and so leaves no trace in the counts; a new group
does, since the inner part of a segment hardly feels it.

A cell is a direction from the middle of the segment, within reach or on the edge: new groups appear on the edge.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from segkit.methods.assignment import nearest

DIRECTIONS = 12  # from the middle of a segment
EDGE = 0.2  # share of the customers of a direction who are farthest away
LEAST = 8  # customers of an edge, on average at each moment of the reference
FEWEST = 3  # directions of a segment that is watched
WATCHED = round(FEWEST * LEAST / EDGE)  # customers of a segment that is watched, on average in the reference
LEARN = 20_000  # customers that cells are learnt from
INNER = (0.2, 0.5, 0.8)  # between these quantiles lie the customers that say where a segment is
WIDTH = 0.7748  # distance between the means of the lower and the upper inner half, of a normal variable
LUMPY = (
    0.4  # a spread of less than this of the standard deviation is that of a feature with many equal values
)
STRETCH = 2.0  # most by which a feature is stretched or pressed
ENOUGH = 10_000  # customers that say where a segment is
FEW = 20  # customers of a segment at a moment; of fewer, no middle is known
FAR = 6.0  # spreads; beyond them, customers count as that far


@dataclass(frozen=True)
class Frame:
    """Where a segment is, and how wide, in each prepared feature."""

    middle: np.ndarray
    spread: np.ndarray
    lumpy: np.ndarray


def frame_of(points: np.ndarray, lumpy: np.ndarray | None = None) -> Frame:
    """Return where points are, and how wide, robustly; the width of features with many equal values not.

    Means of parts rather than the median: in counts it jumps from one whole number to the next. Not the mean: where
    almost all have one value, a few newcomers would move all others out of their cells at once.
    """
    points = points[:: max(len(points) // ENOUGH, 1)]
    n = len(points)
    cuts = [min(round(q * (n - 1)), n - 1) for q in INNER]
    ordered = np.partition(points, sorted(set(cuts)), axis=0)
    lower = ordered[cuts[0] : cuts[1] + 1].mean(axis=0)
    upper = ordered[cuts[1] : cuts[2] + 1].mean(axis=0)
    spread = (upper - lower) / WIDTH
    deviation = points.std(axis=0)
    if lumpy is None:
        lumpy = spread <= LUMPY * deviation
    spread = np.where(lumpy, deviation, spread)
    return Frame(
        middle=(lower + upper) / 2,
        spread=np.where(spread > 0, spread, 1.0),
        lumpy=lumpy,
    )


@dataclass(frozen=True)
class Cells:
    """The micro-cells of a segment.

    Attributes
    ----------
    segment : int
    frame : Frame
        Of the segment in the reference.
    centers : ndarray of shape (n_directions, n_prepared)
        In spreads from the middle of the segment.
    reach : ndarray of shape (n_directions,)
        Distance from the middle at which the edge begins.
    """

    segment: int
    frame: Frame
    centers: np.ndarray
    reach: np.ndarray

    def __len__(self) -> int:
        return 2 * len(self.centers)

    def aligned(self, points: np.ndarray) -> np.ndarray:
        """Return a moment's customers of the segment in its spreads from its middle, as if they were the reference."""
        return aligned(points, self.frame)

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the cell of each aligned customer: twice the direction, and 1 more on the edge."""
        if not len(rows):
            return np.empty(0, dtype=np.int64)
        at = nearest(rows, self.centers)
        return 2 * at + (_distance(rows) > self.reach[at])


def aligned(points: np.ndarray, reference: Frame) -> np.ndarray:
    """Return points in spreads from their own middle; lumpy features and far too wide ones keep some of the width."""
    if len(points) < FEW:
        return np.clip((points - reference.middle) / reference.spread, -FAR, FAR)
    now = frame_of(points, reference.lumpy)
    stretch = np.clip(now.spread / reference.spread, 1 / STRETCH, STRETCH)
    spread = reference.spread * np.where(reference.lumpy, 1.0, stretch)
    return np.clip((points - now.middle) / spread, -FAR, FAR)


def learn_cells(segment: int, moments: Iterable[np.ndarray]) -> Cells | None:
    """Learn the cells of a segment from its prepared customers at each moment of the reference; None of too few."""
    moments = [points for points in moments if len(points) >= FEW]
    usual = np.mean([len(points) for points in moments]) if moments else 0
    n = min(DIRECTIONS, int(usual * EDGE // LEAST))
    if n < FEWEST:
        return None
    frames = [frame_of(points) for points in moments]
    lumpy = np.mean([frame.lumpy for frame in frames], axis=0) > 0.5
    frames = [
        frame if (frame.lumpy == lumpy).all() else frame_of(points, lumpy)
        for frame, points in zip(frames, moments, strict=True)
    ]
    reference = Frame(
        middle=np.mean([frame.middle for frame in frames], axis=0),
        spread=np.mean([frame.spread for frame in frames], axis=0),
        lumpy=lumpy,
    )
    each = max(LEARN // len(moments), 1)
    rows = np.vstack([aligned(points, reference)[:: max(len(points) // each, 1)] for points in moments])
    with threadpool_limits(limits=1):
        centers = KMeans(n, n_init=1, random_state=0).fit(rows).cluster_centers_
    at, distance = nearest(rows, centers), _distance(rows)
    return Cells(
        segment, reference, centers, np.array([np.quantile(distance[at == c], 1 - EDGE) for c in range(n)])
    )


def _distance(rows: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("ij,ij->i", rows, rows))
