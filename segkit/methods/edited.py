"""Follow a clusterer whose segments were merged, split or made by hand afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree
from sklearn.base import BaseEstimator, ClusterMixin, clone
from sklearn.utils.validation import validate_data

from segkit.methods.assignment import Rule, own_rule, rule_of
from segkit.methods.fitting import labels_of

UNKNOWN = -2  # a label of the clusterer that no fitted customer had


class Step(BaseEstimator):
    """One edit: it changes the segments of some rows."""

    def __call__(self, rows: np.ndarray, segments: np.ndarray) -> np.ndarray:
        """Return the segments after the edit."""
        raise NotImplementedError

    def refitted(self, rows: np.ndarray, segments: np.ndarray, seed: int | None) -> Step:
        """Return the same edit, learned from other rows and their segments before it."""
        return self

    def __sklearn_clone__(self) -> Step:
        """Return the step itself: what was edited by hand cannot be learned from customers."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is built again when it is needed."""
        return _without_cache(super().__getstate__())


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

    def __call__(self, rows: np.ndarray, segments: np.ndarray) -> np.ndarray:
        """Return the segments after the edit."""
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

    def __call__(self, rows: np.ndarray, segments: np.ndarray) -> np.ndarray:
        """Return the segments after the edit."""
        here, after = np.isin(segments, self.inside), segments.copy()
        if here.any():
            rule = own_rule(self.clusterer)
            assert rule is not None  # as split_segment() has seen
            after[here] = translated(rule(rows[here]), self.ids)
        return after

    def refitted(self, rows: np.ndarray, segments: np.ndarray, seed: int | None) -> Split:
        """Return the same division, with a clusterer of the members among other rows."""
        here = np.isin(segments, self.inside)
        inside = rows[here]
        again = refitted(self.clusterer, inside, seed)
        before = self(rows, segments)[here]
        return Split(self.inside, again, matched(labels_of(again, inside), before))


class Made(Step):
    """Put those into a segment whose nearest fitted customer was chosen for it.

    Parameters
    ----------
    into : int

    Attributes
    ----------
    rows_ : ndarray of shape (n_customers, n_prepared)
        The fitted customers.
    chosen_ : ndarray of bool, shape (n_customers,)
    """

    def __init__(self, into=0):
        self.into = into

    def __call__(self, rows: np.ndarray, segments: np.ndarray) -> np.ndarray:
        """Return the segments after the edit."""
        after, known = segments.copy(), np.isfinite(rows).all(axis=1)
        if known.any():
            if not hasattr(self, "_tree"):
                usable = np.isfinite(self.rows_).all(axis=1)
                self._tree, self._chosen = KDTree(self.rows_[usable]), self.chosen_[usable]
            _, at = self._tree.query(rows[known])
            after[np.flatnonzero(known)[self._chosen[at]]] = self.into
        return after

    def refitted(self, rows: np.ndarray, segments: np.ndarray, seed: int | None) -> Made:
        """Return the same choice among other rows."""
        return made(self.into, rows, self(rows, segments) == self.into)


def made(into: int, rows: np.ndarray, chosen: np.ndarray) -> Made:
    """Return the step that makes a segment of chosen rows."""
    step = Made(into)
    step.rows_, step.chosen_ = rows, chosen
    return step


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
    rows_, segments_ : ndarray
        The fitted customers and their segments before the edits, where `former` has no rule of its own.
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
        return self.with_steps(list(self.steps))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is built again when it is needed."""
        return _without_cache(super().__getstate__())

    def with_steps(self, steps: list[Step]) -> EditedClusterer:
        """Return a copy with other edits."""
        other = EditedClusterer(self.former, self.ids, steps, self.random_state)
        for name in ("rows_", "segments_", "names_", "n_features_in_"):
            if hasattr(self, name):
                setattr(other, name, getattr(self, name))
        return other

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
            If it was not fitted before, or a segment that is split has too few customers.
        """
        if self.former is None:
            raise ValueError(
                "EditedClusterer repeats edits of fitted segments. Make it by merge_segments, split_segment or "
                "make_segment."
            )
        X = validate_data(self, X, dtype=float, ensure_all_finite=False)
        segments = self._before(X)
        former = refitted(self.former, X, self.random_state)
        labels = labels_of(former, X)
        if not (
            hasattr(former, "names_") or isinstance(former, EditedClusterer)
        ):  # whose labels have a meaning
            self.ids = matched(labels, segments)
        segments = translated(labels, self.ids)
        self.former = former
        if hasattr(self, "rows_"):
            self.rows_, self.segments_ = X, segments
        self.__dict__.pop("_rule", None)
        steps = []
        for step in self.steps:
            again = step.refitted(X, segments, self.random_state)
            segments = again(X, segments)
            steps.append(again)
        self.steps, self.labels_ = steps, segments
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
        rows = np.asarray(X, dtype=float)
        segments = self._before(rows)
        for step in self.steps:
            segments = step(rows, segments)
        return segments

    def _before(self, rows: np.ndarray) -> np.ndarray:
        """Return the segments before the edits."""
        if hasattr(self, "rows_"):
            if not hasattr(self, "_rule"):
                self._rule: Rule = rule_of(self.former, self.rows_, self.segments_)
            return self._rule(rows).copy()
        rule = own_rule(self.former)
        assert rule is not None  # else there are rows_
        return translated(rule(rows), self.ids)


def edited(
    former: BaseEstimator, ids: dict[int, int], rows: np.ndarray, segments: np.ndarray
) -> EditedClusterer:
    """Return a fitted clusterer that can be edited.

    Parameters
    ----------
    former : estimator
        Fitted.
    ids : dict of int to int
        The segment of each of its labels.
    rows, segments : ndarray
        The prepared customers and their segments, kept where `former` places customers by neighbours.
    """
    named = getattr(former, "names_", {})
    editable = EditedClusterer(former, {int(label): int(label) for label in named} | ids, [])
    if named:
        editable.names_ = {editable.ids[label]: name for label, name in named.items()}
    editable.n_features_in_ = rows.shape[1]
    if own_rule(former) is None:
        editable.rows_, editable.segments_ = rows, segments
    return editable


def translated(labels: np.ndarray, ids: dict[int, int]) -> np.ndarray:
    """Return the segment of each label, −2 of one without."""
    different, at = np.unique(labels, return_inverse=True)
    # Outside is outside, also where no fitted customer was.
    known = {-1: -1} | ids
    return np.array([known.get(int(label), UNKNOWN) for label in different], dtype="int64")[at]


def refitted(clusterer: BaseEstimator, rows: np.ndarray, seed: int | None) -> BaseEstimator:
    """Return a clusterer of the same settings, fitted to other rows."""
    again = clone(clusterer)
    if seed is not None and "random_state" in again.get_params():
        again.set_params(random_state=seed)
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


def _without_cache(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in ("_rule", "_tree", "_chosen")}
