"""Gather where customers were at one moment, and where they were a horizon later."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from segkit.analyse.prepare import Preparer
from segkit.core.checks import with_pandas_types
from segkit.methods.assignment import prepared_matrix, preparer_and_clusterer
from segkit.methods.partition import Partition, check_segments
from segkit.over_time.forecasters import Chosen, Moved, choose
from segkit.over_time.horizons import Pair
from segkit.over_time.periods import check_not_called, place_all

GONE = "gone"
MOST_OF_A_PERIOD = 20_000  # customers of a period that are learnt from, or tested on
FENCE = 5.0  # standard deviations


class Transitions:
    """The customers of each period, prepared, with the segment they are in and the one they go to.

    Parameters
    ----------
    result : Segmentation
    periods : dict of Timestamp to DataFrame
        From :func:`segkit.over_time.periods.checked_periods`.

    Attributes
    ----------
    names : list of str
        Where customers can be: the segments, "Outside" where the model places some there, and "gone".
    """

    def __init__(self, result: Partition, periods: dict[pd.Timestamp, pd.DataFrame]):
        check_segments(result, "there is nowhere to go")
        self._result, self._periods = result, periods
        check_not_called(result, [GONE])
        placed = place_all(result, periods)
        targets = np.unique(np.concatenate([result.segments, *placed.values()]))
        self._now = {moment: np.searchsorted(targets, here) for moment, here in placed.items()}
        self.names = [*(result.name_of(int(target)) for target in targets), GONE]
        preparer = preparer_and_clusterer(result.model)[0]
        self._preparer = Preparer().fit(result.customers) if preparer is None else preparer
        reference = prepared_matrix(self._preparer, with_pandas_types(result.customers))
        self._mean, spread = np.nanmean(reference, axis=0), np.nanstd(reference, axis=0)
        self._spread = np.where(spread > 0, spread, 1.0)
        self.of = functools.cache(self._gather)

    def at(
        self, moment: pd.Timestamp, rows: np.ndarray | slice = slice(None)
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the inputs of the customers of a moment, and the positions of their segments among the names.

        Inputs are prepared features, standardised and within fences; missing ones are at the mean.
        """
        customers = self._periods[moment].iloc[rows][list(self._result.customers.columns)]
        prepared = prepared_matrix(self._preparer, with_pandas_types(customers))
        standard = np.nan_to_num((prepared - self._mean) / self._spread, nan=0.0, posinf=FENCE, neginf=-FENCE)
        return np.clip(standard, -FENCE, FENCE), self._now[moment][rows]

    def _gather(self, pair: Pair) -> Moved:
        """Return the customers of the first moment of a pair, at most 20,000 drawn at random."""
        start, end = pair
        ids = self._periods[start].index
        rows = np.random.default_rng(0).permutation(len(ids))[:MOST_OF_A_PERIOD]
        found = self._periods[end].index.get_indexer(ids[rows])
        later = np.where(found >= 0, self._now[end][found], len(self.names) - 1)
        return Moved(*self.at(start, rows), later)

    def gone(self, pair: Pair) -> bool:
        """Whether anybody of the first moment of a pair has no row in the second."""
        return bool((self.of(pair).later == len(self.names) - 1).any())

    def learn(self, pairs: Sequence[Pair], step: Callable[[], object]) -> Chosen:
        """Return what is learnt from pairs, in the order of time; the latest checks and calibrates.

        What is checked learnt only from what was known at the first moment of the latest, where that is anything.
        """
        latest = pairs[-1]
        earlier = [pair for pair in pairs if pair[1] <= latest[0]] or list(pairs[:-1])
        known = [pair for pair in pairs[:-1] if pair not in earlier]
        return choose(
            [self.of(p) for p in earlier], self.of(latest), [self.of(p) for p in known], len(self.names), step
        )
