"""Follow a clusterer whose segments were merged, split or made by hand afterwards."""

from __future__ import annotations

import abc
import functools
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.base import BaseEstimator, ClusterMixin, clone
from sklearn.utils.validation import validate_data
from threadpoolctl import threadpool_limits

from segkit.analyse.prepare import make_preparer
from segkit.methods.assignment import own_rule, preparer_and_clusterer
from segkit.methods.edited_rows import Fitted, Rows, own_rule_of, translated
from segkit.methods.fitting import labels_of


class Step(BaseEstimator, abc.ABC):
    """One edit: it changes the segments of some rows."""

    @abc.abstractmethod
    def __call__(self, rows: Rows, segments: np.ndarray) -> np.ndarray:
        """Return the segments of rows after the edit, from those before it."""

    def refitted(self, rows: Rows, segments: np.ndarray, seed: int | None) -> tuple[Step, np.ndarray]:
        """Return the same edit, learned from other rows, and their segments after it."""
        return self, self(rows, segments)

    def __sklearn_clone__(self) -> Step:
        """Return the step itself: what was edited by hand cannot be learned from customers."""
        return self


class Merge(Step):
    """Put the members of some segments into one.

    Parameters
    ----------
    segments : list of int
    into : int
    """

    def __init__(self, segments=(), into=0):
        self.segments = segments
        self.into = into

    def __call__(self, rows: Rows, segments: np.ndarray) -> np.ndarray:
        """Return the segments of rows after the edit, from those before it."""
        return np.where(np.isin(segments, self.segments), self.into, segments)


class Split(Step):
    """Divide the members of some segments by a clusterer of their own.

    Parameters
    ----------
    inside : list of int
        The segments.
    clusterer : estimator
        Fitted to their members, with a rule of its own.
    ids : dict of int to int
        The segment of each of its labels.
    """

    def __init__(self, inside=(), clusterer=None, ids=None):
        self.inside = inside
        self.clusterer = clusterer
        self.ids = ids

    def __call__(self, rows: Rows, segments: np.ndarray) -> np.ndarray:
        """Return the segments of rows after the edit, from those before it."""
        here, after = np.isin(segments, self.inside), segments.copy()
        if here.any():
            after[here] = translated(own_rule_of(self.clusterer)(rows.scaled[here]), self.ids)
        return after

    def refitted(self, rows: Rows, segments: np.ndarray, seed: int | None) -> tuple[Step, np.ndarray]:
        """Return the same division, with a clusterer of the members among other rows, and the segments after it.

        Where fewer members than parts differ there are fewer parts; of one sort of members, or none, one part.
        """
        here, after = np.isin(segments, self.inside), segments.copy()
        inside, before = rows.scaled[here], self(rows, segments)[here]
        different = int((~pd.DataFrame(inside).duplicated()).sum())
        if different < 2:
            whole = Merge(self.inside, int(before[0]) if different else min(self.ids.values()))
            return whole, whole(rows, segments)
        again = refitted(self.clusterer, inside, seed, most=different)
        labels = labels_of(again, inside)
        ids = matched(labels, before)
        after[here] = translated(labels, ids)
        return Split(self.inside, again, ids), after


class Made(Step):
    """Put those into a segment whose nearest fitted customer was chosen for it; of equal ones at least half.

    Parameters
    ----------
    into : int

    Attributes
    ----------
    chosen_ : ndarray of bool, shape (n_customers,)
        Of the fitted rows.
    """

    def __init__(self, into=0):
        self.into = into

    def choosing(self, chosen: np.ndarray) -> Made:
        """Return the same step for other fitted rows."""
        other = Made(self.into)
        other.chosen_ = chosen
        return other

    def __call__(self, rows: Rows, segments: np.ndarray) -> np.ndarray:
        """Return the segments of rows after the edit, from those before it."""
        return np.where(rows.like(self.chosen_), self.into, segments)

    def refitted(self, rows: Rows, segments: np.ndarray, seed: int | None) -> tuple[Made, np.ndarray]:
        """Return the same choice among other rows, and their segments after it."""
        after = self(rows, segments)
        return self.choosing(after == self.into), after


class EditedClusterer(ClusterMixin, BaseEstimator):
    """A fitted clusterer, and the edits of its segments: made by :func:`segkit.merge_segments` and its like.

    Its copies remember what was edited. Fitted to other rows, they fit the clusterer again, find its segments by the
    rows that they share with the earlier ones, and repeat the edits.

    Parameters
    ----------
    former : estimator
        Fitted.
    ids : dict of int to int
        The segment of each of its labels.
    steps : list of Step
        The edits, in their order.
    random_state : int, optional
        Seed of the next fit; that of the clusterer by default.

    Attributes
    ----------
    rows_ : ndarray of shape (n_customers, n_columns)
        The fitted customers, where `former` or an edit places others by their neighbours.
    segments_ : ndarray of int, shape (n_customers,)
        Their segments before the edits, where `former` has no rule of its own.
    scaler_ : Preparer
        Where nothing prepares customers for `former`: for distances within the edits.
    labels_ : ndarray of int, shape (n_customers,)
        After a fit.
    names_ : dict of int to str
        Where `former` names its labels.
    """

    def __init__(self, former=None, ids=None, steps=(), random_state=None):
        self.former = former
        self.ids = ids
        self.steps = steps
        self.random_state = random_state

    def __sklearn_clone__(self) -> EditedClusterer:
        """Return a copy that knows the segments to find again."""
        other = self.with_steps(list(self.steps))
        # One search for neighbours serves all copies.
        other.__dict__["fitted"] = self.fitted
        return other

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is built again when it is needed."""
        return {k: v for k, v in super().__getstate__().items() if k != "fitted"}

    def with_steps(self, steps: list[Step], rows: np.ndarray | None = None) -> EditedClusterer:
        """Return a copy with other edits, and the fitted rows where these need them."""
        other = EditedClusterer(self.former, self.ids, steps, self.random_state)
        for name in ("rows_", "segments_", "scaler_", "names_", "n_features_in_"):
            if hasattr(self, name):
                setattr(other, name, getattr(self, name))
        if rows is not None and not hasattr(other, "rows_"):
            other.rows_ = rows
        elif "fitted" in vars(self):
            other.__dict__["fitted"] = self.fitted
        return other

    @functools.cached_property
    def fitted(self) -> Fitted:
        """What it was fitted to."""
        return Fitted(self)

    def fit(self, X, y=None):
        """Fit the clusterer again, find its segments, and repeat the edits.

        Parameters
        ----------
        X : array of shape (n_customers, n_columns)
        y : ignored

        Returns
        -------
        EditedClusterer

        Raises
        ------
        ValueError
            If it was not fitted before.
        """
        if self.former is None:
            raise ValueError(
                "EditedClusterer repeats edits of fitted segments. Make it by merge_segments, split_segment or "
                "make_segment."
            )
        X = validate_data(self, np.asarray(X), dtype=float, ensure_all_finite=False, reset=False)
        fitted = self.fitted
        segments = fitted.before(X)
        former = refitted(self.former, X, self.random_state)
        labels = labels_of(former, X)
        # These labels have a meaning, and the same in each fit.
        if not (hasattr(former, "names_") or isinstance(former, EditedClusterer)):
            self.ids = matched(labels, segments)
        segments = translated(labels, self.ids)
        if hasattr(self, "segments_"):
            self.segments_ = segments
        steps, placed = [], Rows(X, fitted)
        for step in self.steps:
            again, segments = step.refitted(placed, segments, self.random_state)
            steps.append(again)
        if hasattr(self, "rows_"):
            self.rows_ = X
        self.former, self.steps, self.labels_ = former, steps, segments
        self.__dict__.pop("fitted", None)
        return self

    def predict(self, X):
        """Return the segment of each row.

        Parameters
        ----------
        X : array of shape (n, n_columns)

        Returns
        -------
        ndarray of int, shape (n,)
            −2 where the clusterer gives a label that no fitted customer had.
        """
        return self.stages(np.asarray(X, dtype=float))[-1]

    def stages(self, matrix: np.ndarray) -> list[np.ndarray]:
        """Return the segments of rows before the edits, and after each of them."""
        stages, rows = [self.fitted.before(matrix)], Rows(matrix, self.fitted)
        for step in self.steps:
            stages.append(step(rows, stages[-1]))
        return stages


def editable(
    model: BaseEstimator, ids: dict[int, int], rows: np.ndarray, segments: np.ndarray
) -> EditedClusterer:
    """Return the clusterer of a model as one that can be edited.

    Parameters
    ----------
    model : estimator
        Fitted.
    ids : dict of int to int
        The segment of each of its labels.
    rows, segments : ndarray
        The prepared customers and their segments.
    """
    preparer, former = preparer_and_clusterer(model)
    if isinstance(former, EditedClusterer) and all(label == segment for label, segment in ids.items()):
        kept = getattr(former, "rows_", rows)
        # After a refit at another moment, the rows of earlier edits are of other customers.
        if kept is rows or np.array_equal(kept, rows, equal_nan=True):
            return former
    named = getattr(former, "names_", {})
    found = EditedClusterer(former, {int(label): int(label) for label in named} | ids, [])
    if named:
        found.names_ = {found.ids[label]: name for label, name in named.items()}
    found.n_features_in_ = rows.shape[1]
    if own_rule(former) is None:
        found.rows_, found.segments_ = rows, segments
    if preparer is None:
        with threadpool_limits(limits=1):
            found.scaler_ = make_preparer().fit(rows)
    return found


def refitted(
    clusterer: BaseEstimator, rows: np.ndarray, seed: int | None, most: int | None = None
) -> BaseEstimator:
    """Return a clusterer of the same settings, fitted to other rows, with so many clusters at most."""
    again = clone(clusterer)
    known = again.get_params()
    if seed is not None and "random_state" in known:
        again.set_params(random_state=seed)
    if most is not None:
        sizes = {size: min(known[size], most) for size in ("n_clusters", "n_components") if size in known}
        again.set_params(**sizes)
    return again.fit(rows)


def matched(labels: np.ndarray, segments: np.ndarray) -> dict[int, int]:
    """Return the segment that each label shares most rows with, one to one; a number of its own where none is left.

    Examples
    --------
    >>> matched(np.array([5, 5, 7, 9]), np.array([2, 2, 1, 1]))
    {5: 2, 7: 1, 9: 3}
    """
    ours, at = np.unique(labels, return_inverse=True)
    theirs, place = np.unique(segments, return_inverse=True)
    shared = np.zeros((len(ours), len(theirs)))
    np.add.at(shared, (at, place), 1)
    shared[np.ix_(ours < 0, theirs >= 0)] = 0
    shared[np.ix_(ours >= 0, theirs < 0)] = 0
    pairs = {
        int(ours[i]): int(theirs[j])
        for i, j in zip(*linear_sum_assignment(-shared), strict=True)
        if shared[i, j] > 0
    }
    unused = max([-1, *theirs.tolist()])
    for label in ours.tolist():
        if label not in pairs:
            unused += 1
            pairs[label] = label if label < 0 else unused
    return pairs
