"""Watch the share of each micro-cell within its segment, moment by moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from segkit.methods.assignment import Assigner, prepared_matrix, preparer_and_clusterer
from segkit.methods.partition import Partition
from segkit.over_time.alarm_line import accumulated, alarm_line, slack_for, wobble
from segkit.over_time.micro_cells import FEW, Cells, frame_of, learn_cells

RECENT = 8  # last moments, in which a new group is looked at
ROUNDS = 3  # of assigning customers anew, at most
SETTLED = 0.002  # share of customers who change; below, no further round is needed
LONGEST = 0.95  # correlation of counts; beyond, a year of reference would not show the wobble


@dataclass(frozen=True)
class Moment:
    """The customers of a moment: prepared, with their segments."""

    ids: pd.Index
    points: np.ndarray
    labels: np.ndarray

    def of(self, segment: int) -> np.ndarray:
        """Return the positions of the customers of a segment."""
        return np.flatnonzero(self.labels == segment)


@dataclass(frozen=True)
class Growth:
    """The growth of the cells of a segment.

    Attributes
    ----------
    cells : Cells
    counts : ndarray of shape (n_periods, n_cells)
    usual : ndarray of shape (n_cells,)
        Share of each within the segment, in the reference.
    error : ndarray of shape (n_periods, n_cells)
        Standard error of the share, of chance and wobble; infinite where the segment is empty.
    sums : ndarray of shape (n_periods, n_cells)
        Accumulated growth; 0 in the reference.
    middles : ndarray of shape (n_cells, n_prepared)
        Mean of the customers of each cell in the reference, in spreads of the segment from its middle.
    slack : float
        Growth that is forgotten each period, in standard errors.
    """

    cells: Cells
    counts: np.ndarray
    usual: np.ndarray
    error: np.ndarray
    sums: np.ndarray
    middles: np.ndarray
    slack: float

    @property
    def segment(self) -> int:
        """The id of the segment."""
        return self.cells.segment

    def shares(self, chosen: np.ndarray) -> np.ndarray:
        """Return the share of chosen cells within the segment at each moment; missing where the segment is empty."""
        sizes = self.counts.sum(axis=1)
        return np.where(sizes > 0, self.counts[:, chosen].sum(axis=1) / np.maximum(sizes, 1), np.nan)

    def alarming_share(self, cell: int, line: float) -> np.ndarray:
        """Return the share of the segment at which a cell raises the alarm, at each moment; missing where empty."""
        before = np.concatenate([[0.0], self.sums[:-1, cell]])
        error = np.where(np.isfinite(self.error[:, cell]), self.error[:, cell], np.nan)
        return self.usual[cell] + error * (self.slack + np.maximum(line - before, 0.0))


@dataclass(frozen=True)
class Watch:
    """What was seen at all moments.

    Attributes
    ----------
    moments : list of Timestamp
    reference : int
        Number of the first moments, which say what is usual.
    sizes : ndarray of int, shape (n_periods,)
        Customers at each moment.
    growths : list of Growth
        Of each segment that has enough customers.
    unwatched : list of int
        Segments that have too few, also those that nobody was in until the reference was over.
    line : float
        Accumulated growth that is an alarm.
    recent : list of Moment
        The last moments.
    lasting, wobble : float
        Correlation of counts with those of the period before; variance of shares, in that of chance.
    """

    moments: list[pd.Timestamp]
    reference: int
    sizes: np.ndarray
    growths: list[Growth]
    unwatched: list[int]
    line: float
    recent: list[Moment] = field(repr=False)
    lasting: float
    wobble: float


def watch(
    result: Partition, periods: Mapping[pd.Timestamp, pd.DataFrame], reference: int, rate: float, days: float
) -> Watch:
    """Count the customers of each micro-cell at each moment, and accumulate their growth after the reference."""
    with tqdm(total=len(periods), desc="Watching cells", unit="period", delay=1, leave=False) as bar:
        tables = list(periods.values())
        placer = _Placer(result)
        first = [placer.moment(table) for table in tables[:reference]]
        segments = sorted({int(s) for moment in first for s in np.unique(moment.labels)})
        learnt = {s: learn_cells(s, [moment.points[moment.of(s)] for moment in first]) for s in segments}
        counters = [_Counter(cells) for cells in learnt.values() if cells is not None]
        sizes: list[int] = []
        lasts: list[tuple[np.ndarray, np.ndarray]] = []
        recent: list[Moment] = []
        last: pd.Series | None = None
        seen_segments = set(segments)
        for t, table in enumerate(tables):
            moment = first[t] if t < reference else placer.moment(table)
            places = np.full(len(moment.labels), -1)
            start = 0
            for counter in counters:
                rows = moment.of(counter.cells.segment)
                places[rows] = start + counter.add(moment.points[rows], learn=t < reference)
                start += len(counter.cells)
            if t < reference:
                now = pd.Series(places, index=moment.ids)
                lasts += [] if last is None else [_kept(last, now, start)]
                last = now
            sizes.append(len(moment.labels))
            seen_segments.update(np.unique(moment.labels).tolist())
            recent = [*recent, moment][-RECENT:]
            bar.update()
    lasting = _lasting(counters, lasts)
    usual = [counter.usual(reference) for counter in counters]
    line = alarm_line(rate, days, max(sum(map(len, usual)), 1), reference, lasting)
    squares = np.concatenate([c.squares(reference) for c in counters]) if counters else np.ones(1)
    ratios, pooled = wobble(squares, reference, lasting)
    growths, start = [], 0
    for counter, share in zip(counters, usual, strict=True):
        growths.append(
            counter.growth(share, ratios[start : start + len(share)], reference, slack_for(lasting))
        )
        start += len(share)
    unwatched = sorted(s for s in seen_segments if learnt.get(s) is None)
    return Watch(list(periods), reference, np.array(sizes), growths, unwatched, line, recent, lasting, pooled)


class _Placer:
    """Prepares the customers of moment after moment, and assigns them as if a season had not moved their segments.

    A season moves customers over borders that stay where they were, which looks like growth beside each border. So they
    are moved back, by as much as the middle of their segment has moved since the segments were made, and assigned again
    by the same rule; the first time by as much as all had moved on average at the moment before.
    """

    def __init__(self, result: Partition):
        self._preparer, _ = preparer_and_clusterer(result.model)
        self._features = list(result.customers.columns)
        self._rule = Assigner(result.model, result.prepared, result.labels, result.ids).place
        points, labels = result.prepared.to_numpy(), result.labels.to_numpy()
        self._homes = {int(s): frame_of(points[labels == s]) for s in np.unique(labels)}
        self._moved = np.zeros(points.shape[1])

    def moment(self, table: pd.DataFrame) -> Moment:
        points = prepared_matrix(self._preparer, table[self._features])
        labels = self._rule(points - self._moved)
        for _ in range(ROUNDS):
            moved = np.zeros_like(points)
            for s, home in self._homes.items():
                rows = np.flatnonzero(labels == s)
                if len(rows) >= FEW:
                    moved[rows] = frame_of(points[rows], home.lumpy).middle - home.middle
            before, labels = labels, self._rule(points - moved)
            self._moved = moved.mean(axis=0)
            if (before != labels).mean() < SETTLED:
                break
        return Moment(table.index, points.astype(np.float32), labels)


class _Counter:
    """Counts the customers of each cell of a segment, moment by moment."""

    def __init__(self, cells: Cells):
        self.cells = cells
        self._counts: list[np.ndarray] = []
        self._totals = np.zeros((len(cells), cells.centers.shape[1]))

    def add(self, points: np.ndarray, *, learn: bool) -> np.ndarray:
        """Count the customers of a moment, and return the cell of each."""
        rows = self.cells.aligned(points)
        at = self.cells.of(rows)
        self._counts.append(np.bincount(at, minlength=len(self.cells)))
        if learn:
            self._totals += sums_by(rows, at, len(self.cells))
        return at

    @property
    def counts(self) -> np.ndarray:
        return np.array(self._counts, dtype=float)

    def usual(self, reference: int) -> np.ndarray:
        """Return the share of each cell in the reference; half a customer more, so that none is 0."""
        counts = self.counts[:reference].sum(axis=0) + 0.5
        return counts / counts.sum()

    def chance(self, reference: int) -> np.ndarray:
        """Return the variance of each count by chance, at each moment."""
        usual = self.usual(reference)
        return self.counts.sum(axis=1)[:, None] * usual * (1 - usual)

    def squares(self, reference: int) -> np.ndarray:
        """Return the mean squared deviation of each cell's count in the reference, in its variance by chance."""
        counts, chance = self.counts[:reference], self.chance(reference)[:reference]
        apart = counts - counts.sum(axis=1)[:, None] * self.usual(reference)
        return (apart**2 / np.maximum(chance, 1e-9)).mean(axis=0)

    def growth(self, usual: np.ndarray, ratios: np.ndarray, reference: int, slack: float) -> Growth:
        counts, sizes = self.counts, self.counts.sum(axis=1)[:, None]
        error = np.full(counts.shape, np.inf)
        np.divide(np.sqrt(self.chance(reference) * ratios), sizes, out=error, where=sizes > 0)
        steps = (counts / np.maximum(sizes, 1) - usual) / error
        sums = np.zeros_like(counts)
        sums[reference:] = accumulated(steps[reference:], slack)
        middles = self._totals / np.maximum(counts[:reference].sum(axis=0), 1)[:, None]
        return Growth(self.cells, counts, usual, error, sums, middles, slack)


def sums_by(rows: np.ndarray, at: np.ndarray, n: int) -> np.ndarray:
    """Return the sum of the rows of each cell."""
    return np.stack([np.bincount(at, weights=column, minlength=n) for column in rows.T], axis=1)


def _kept(before: pd.Series, now: pd.Series, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each cell how many customers stayed in it from one moment to the next, and were there at both."""
    at = now.index.get_indexer(before.index)
    pairs = before.to_numpy()[at >= 0], now.to_numpy()[at[at >= 0]]
    inside = (pairs[0] >= 0) & (pairs[1] >= 0)
    same = pairs[0][inside & (pairs[0] == pairs[1])]
    return np.bincount(same, minlength=n), np.bincount(pairs[0][inside], minlength=n)


def _lasting(counters: list[_Counter], kept: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the correlation of counts with those of the period before, from the customers who stay where they are."""
    covariance = variance = 0.0
    for stayed, there in kept:
        start = 0
        for counter in counters:
            n = len(counter.cells)
            usual = counter.usual(len(kept) + 1)
            both = there[start : start + n].sum()
            covariance += float((stayed[start : start + n] - both * usual**2).sum())
            start += n
    for counter in counters:
        variance += float(counter.chance(len(kept) + 1)[: len(kept)].sum())
    return float(np.clip(covariance / max(variance, 1e-9), 0.0, LONGEST))
