"""Look up for edited segments: the rule before the edits, and which fitted customers are like others."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
from scipy.spatial import KDTree
from sklearn.base import BaseEstimator

from segkit.methods.assignment import Rule, nearest, own_rule, rule_of

UNKNOWN = -2  # a label of the clusterer that no fitted customer had
FEW = 4_096  # fitted rows, of which the nearest is found sooner by measuring all


class Fitted:
    """What an edited clusterer was fitted to: the rule before the edits, and the space that these measure in.

    Parameters
    ----------
    clusterer : EditedClusterer
    """

    def __init__(self, clusterer: BaseEstimator):
        self._former, self._ids = clusterer.former, clusterer.ids
        self._rows = getattr(clusterer, "rows_", None)
        self._segments = getattr(clusterer, "segments_", None)
        self._scaler = getattr(clusterer, "scaler_", None)
        self._mostly: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def before(self, rows: np.ndarray) -> np.ndarray:
        """Return the segments of rows before the edits."""
        if self._segments is None:
            return translated(own_rule_of(self._former)(rows), self._ids)
        return self._by_neighbours(rows)

    @functools.cached_property
    def _by_neighbours(self) -> Rule:
        assert self._rows is not None and self._segments is not None
        return rule_of(self._former, self._rows, self._segments)

    def scaled(self, rows: np.ndarray) -> np.ndarray:
        """Return rows in the space of the edits."""
        return rows if self._scaler is None else self._scaler.matrix(rows)

    def nearest(self, scaled: np.ndarray) -> np.ndarray:
        """Return the group of equal fitted rows that is nearest to each, −1 of rows with missing values."""
        found = np.full(len(scaled), -1)
        known = np.isfinite(scaled).all(axis=1)
        if known.any():
            _, place = self._places
            found[known] = place(scaled[known])
        return found

    def mostly(self, chosen: np.ndarray) -> np.ndarray:
        """Return of which groups of equal fitted rows at least half were chosen; the last stands for missing values."""
        kept, found = self._mostly.get(id(chosen), (None, None))
        if kept is not chosen or found is None:
            groups, _ = self._places
            known = groups >= 0
            share = np.bincount(groups[known], weights=chosen[known]) / np.bincount(groups[known])
            found = np.append(share >= 0.5, False)
            self._mostly[id(chosen)] = chosen, found
        return found

    @functools.cached_property
    def _places(self) -> tuple[np.ndarray, Rule]:
        """The group of equal rows that each fitted row is in, −1 with missing values, and the rule that finds one."""
        assert self._rows is not None
        scaled = self.scaled(self._rows)
        groups = np.full(len(scaled), -1)
        known = np.flatnonzero(np.isfinite(scaled).all(axis=1))
        rows = pd.DataFrame(scaled[known])
        again = rows.duplicated().to_numpy()  # also where a sample with replacement has a row twice
        points = scaled[known[~again]]
        groups[known] = (
            rows.groupby(list(rows), sort=False).ngroup() if again.any() else np.arange(len(known))
        )
        if len(points) > FEW:
            tree = KDTree(points)
            return groups, lambda rows: tree.query(rows)[1]
        return groups, lambda rows: nearest(rows, points)


class Rows:
    """Rows that edits place: what one edit looks up is there for the next.

    Parameters
    ----------
    matrix : ndarray of shape (n, n_columns)
    fitted : Fitted
    """

    def __init__(self, matrix: np.ndarray, fitted: Fitted):
        self._matrix, self._fitted = matrix, fitted

    @functools.cached_property
    def scaled(self) -> np.ndarray:
        """The rows in the space of the edits."""
        return self._fitted.scaled(self._matrix)

    @functools.cached_property
    def nearest(self) -> np.ndarray:
        """The group of equal fitted rows that is nearest to each, −1 of rows with missing values."""
        return self._fitted.nearest(self.scaled)

    def like(self, chosen: np.ndarray) -> np.ndarray:
        """Return whose nearest fitted rows were chosen: at least half of those that equal each other."""
        return self._fitted.mostly(chosen)[self.nearest]


def own_rule_of(clusterer: BaseEstimator) -> Rule:
    """Return the rule by which a clusterer that was edited assigns customers itself."""
    rule = own_rule(clusterer)
    assert rule is not None  # as was seen when it was edited
    return rule


def translated(labels: np.ndarray, ids: dict[int, int]) -> np.ndarray:
    """Return the segment of each label, −2 of one without."""
    different, at = np.unique(labels, return_inverse=True)
    # Outside is outside, also where no fitted customer was.
    known = {-1: -1} | ids
    return np.array([known.get(int(label), UNKNOWN) for label in different], dtype="int64")[at]
