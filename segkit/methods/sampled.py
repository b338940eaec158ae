"""Fit clusterers that look at every pair of customers: on a sample, whose nearest customers then label the others."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from scipy.spatial import KDTree
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import validate_data

from segkit.core.checks import check_count, check_seed
from segkit.core.messages import counted
from segkit.methods.assignment import OUTSIDE

VOTES = 5  # customers of the sample that label each of the others
FIRST = 1_000  # rows by which columns are put in order
FEW_COLUMNS = 8  # up to which a tree finds neighbours faster than measuring all


class SampledClusterer(ClusterMixin, BaseEstimator):
    """A clusterer that looks at a sample of many rows, and lets five of its rows label each of the others.

    Rows that are equal always share a cluster. A subclass clusters different rows in :meth:`_clusters`, and has the
    parameters `max_rows` and `random_state`.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n_rows,)
        Cluster of each row, in the order of their first rows; −1 is outside all clusters.
    n_sampled_ : int
        Number of rows that were looked at.
    n_features_in_ : int
    """

    def fit(self, X, y=None):
        """Cluster the rows.

        Parameters
        ----------
        X : array of shape (n_rows, n_columns)
            Finite numbers of comparable scales. Of rows that are equally near, the first counts.
        y : ignored

        Returns
        -------
        SampledClusterer

        Raises
        ------
        ValueError
            If a parameter is impossible, or there are fewer different rows than clusters.
        """
        X = validate_data(self, X, dtype=float, ensure_min_samples=2)
        check_count("max_rows", self.max_rows, 2)
        check_seed(self.random_state)
        X = X[:, np.lexsort(X[:FIRST][::-1])]  # in one order, so that the order of columns decides no tie
        sample = np.arange(len(X))
        if len(X) > self.max_rows:
            draw = np.random.default_rng(self.random_state)
            sample = np.sort(draw.choice(len(X), self.max_rows, replace=False))
        rows, at, counts = different_rows(X[sample])
        labels = np.asarray(self._clusters(rows, counts), dtype="int64")[at]
        every = labels if len(sample) == len(X) else voted(X[sample], labels, X)
        every[sample] = labels
        self.labels_ = in_order_of_rows(every)
        self.n_sampled_ = len(sample)
        return self

    @abstractmethod
    def _clusters(self, rows: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return the cluster of each of these different rows, of which each was there so many times."""


def check_clusters(n_clusters: object, n_rows: int) -> None:
    """Refuse a number of clusters that is impossible for so many different rows."""
    check_count("n_clusters", n_clusters, 1)
    if n_clusters > n_rows:  # type: ignore[operator]
        raise ValueError(
            f"n_clusters={n_clusters}, and there {counted(n_rows, 'different row is', 'different rows are')} "
            f"(n_samples={n_rows}). Choose at most {n_rows}."
        )


def different_rows(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the different rows in the order of their first, which of them each row is, and how often each is there.

    Examples
    --------
    >>> rows, at, counts = different_rows(np.array([[3.0], [1.0], [3.0]]))
    >>> rows.tolist(), at.tolist(), counts.tolist()
    ([[3.0], [1.0]], [0, 1, 0], [2, 1])
    """
    _, first, at, counts = np.unique(X, axis=0, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return X[first[order]], place[at.reshape(-1)], counts[order]


def voted(sample: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the label that most of the five nearest rows of a sample have; of equally many, that of the nearest row.

    A row that is equal to one of the sample gets its label.

    Examples
    --------
    >>> sample = np.array([[0.0], [1.0], [2.0], [9.0], [8.0], [7.0]])
    >>> voted(sample, np.array([0, 0, 0, 1, 1, 1]), np.array([[1.5], [8.0]]))
    array([0, 1])
    """
    near = min(VOTES, len(sample))
    search = NearestNeighbors(
        n_neighbors=near, algorithm="kd_tree" if sample.shape[1] <= FEW_COLUMNS else "brute"
    ).fit(sample)
    distance, at = search.kneighbors(rows)
    different, cast = np.unique(labels[at], return_inverse=True)
    votes = np.zeros((len(rows), len(different)))
    each = np.arange(len(rows))
    for rank, cluster in enumerate(cast.reshape(len(rows), near).T):
        votes[each, cluster] += 1 + 0.5 ** (rank + 2)
    won = different[votes.argmax(axis=1)]
    close = np.flatnonzero(
        distance[:, 0] < 1e-6
    )  # where the rounding of "brute" may hide that rows are equal
    if len(close):
        exact, first = KDTree(sample).query(rows[close])
        won[close] = np.where(exact == 0, labels[first], won[close])
    return won


def in_order_of_rows(labels: np.ndarray) -> np.ndarray:
    """Number clusters in the order of their first rows; −1 stays.

    Examples
    --------
    >>> in_order_of_rows(np.array([7, -1, 3, 7]))
    array([ 0, -1,  1,  0])
    """
    different, first, at = np.unique(labels, return_index=True, return_inverse=True)
    inside = different != OUTSIDE
    number = np.full(len(different), OUTSIDE, dtype="int64")
    number[np.flatnonzero(inside)[np.argsort(first[inside])]] = np.arange(inside.sum())
    return number[at.reshape(-1)]
