"""Fitting clusterers so that the same customers always give the same answer, and placing new ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from scipy.spatial import KDTree
from sklearn.base import BaseEstimator
from sklearn.cluster import AgglomerativeClustering, KMeans, MiniBatchKMeans
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

Rule = Callable[[np.ndarray], np.ndarray]

OUTSIDE = -1
METHODS = ("kmeans", "gaussian_mixture", "ward")
MOST_FOR_WARD = 20_000  # beyond it, its distances alone would take gigabytes
BLOCK = 4096  # rows measured at once: bounds the memory, and changes no answer


def built_in(method: str, n_segments: int | None, n_customers: int, random_state: int) -> BaseEstimator:
    """Return the clusterer that a method's name stands for.

    Raises
    ------
    ValueError
        If there is no such method, or the number of segments cannot be.
    """
    if method not in METHODS:
        raise ValueError(
            f"method={method!r} is none of {', '.join(METHODS)}. Say one of these, or pass any scikit-learn "
            "clusterer as model=."
        )
    if n_segments is None:
        raise ValueError(
            "How many segments was not said. Say n_segments=5, for instance; scan_clusters helps to choose."
        )
    if isinstance(n_segments, bool) or not isinstance(n_segments, (int, np.integer)) or n_segments < 2:
        raise ValueError(f"n_segments={n_segments!r} should be a whole number, 2 or more.")
    if n_segments > n_customers:
        raise ValueError(
            f"{n_segments} segments were asked for, and there are {n_customers:,} customers. Ask for fewer segments."
        )
    if method == "kmeans":
        return KMeans(n_segments, n_init=10, random_state=random_state)
    if method == "gaussian_mixture":
        return GaussianMixture(n_segments, n_init=3, reg_covar=1e-4, random_state=random_state)
    if n_customers > MOST_FOR_WARD:
        raise ValueError(
            f"method='ward' measures every pair of customers, and there are {n_customers:,}. It serves up to "
            f"{MOST_FOR_WARD:,}; use 'kmeans', or a sample of the customers."
        )
    return AgglomerativeClustering(n_segments, linkage="ward")


def split(model: BaseEstimator) -> tuple[Any, BaseEstimator]:
    """Return what prepares, or None, and what clusters."""
    if isinstance(model, Pipeline) and len(model) > 1:
        return model[:-1] if len(model) > 2 else model[0], model[-1]
    return None, model[-1] if isinstance(model, Pipeline) else model


def fit_quietly(model: BaseEstimator, customers: pd.DataFrame) -> None:
    """Fit on one thread: sums that several threads share would end in digits that vary.

    Raises
    ------
    ValueError
        If the model refuses these customers; what it said is kept.
    """
    try:
        with threadpool_limits(limits=1):
            model.fit(customers)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"The model could not be fitted to these customers: {error} If it is the missing values or the "
            "categories, put make_preparer() before it: make_pipeline(make_preparer(), KMeans(5))."
        ) from error


def fitted_labels(model: BaseEstimator, customers: pd.DataFrame) -> np.ndarray:
    """Return the model's own label of each customer that it was fitted to.

    Raises
    ------
    TypeError
        If the model does not label customers.
    """
    preparer, clusterer = split(model)
    labels = labels_of(clusterer, _prepared(preparer, customers))
    if len(labels) != len(customers):
        raise TypeError(
            f"{type(clusterer).__name__} gave {len(labels):,} labels for {len(customers):,} customers: it groups "
            "something else. The model should be a scikit-learn clusterer of rows."
        )
    return labels


def labels_of(clusterer: BaseEstimator, prepared: np.ndarray) -> np.ndarray:
    """Return the label that a fitted clusterer gives each row that it was fitted to."""
    if isinstance(clusterer, (KMeans, MiniBatchKMeans)):
        return nearest(prepared, clusterer.cluster_centers_)
    if hasattr(clusterer, "labels_"):
        labels = np.asarray(clusterer.labels_, dtype="int64")
        return np.where(labels < 0, OUTSIDE, labels)  # HDBSCAN calls who misses a value −3, infinity −2
    if hasattr(clusterer, "predict"):
        return _predicted(clusterer, prepared)
    raise TypeError(
        f"{type(clusterer).__name__} gives no labels. The model, or the last step of the pipeline, should be a "
        "scikit-learn clusterer."
    )


def _predicted(clusterer: BaseEstimator, rows: np.ndarray) -> np.ndarray:
    names = getattr(clusterer, "feature_names_in_", None)  # a clusterer that saw names wants them again
    return np.asarray(
        clusterer.predict(rows if names is None else pd.DataFrame(rows, columns=names)), dtype="int64"
    )


def by_size(labels: np.ndarray) -> dict[int, int]:
    """Map labels to ids so that 0 is the largest segment; noise stays −1. Ties go to the lower label."""
    found, counts = np.unique(labels[labels != OUTSIDE], return_counts=True)
    order = np.lexsort((found, -counts))
    return {int(found[label]): new for new, label in enumerate(order)} | {OUTSIDE: OUTSIDE}


def nearest(rows: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return the nearest centre of each row, by differences: a row's answer is the same in any batch."""
    labels = np.empty(len(rows), dtype="int64")
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        distances = np.empty((len(block), len(centers)))
        for i, center in enumerate(centers):
            apart = block - center
            np.einsum("ij,ij->i", apart, apart, out=distances[:, i], optimize=False)
        labels[start : start + BLOCK] = distances.argmin(axis=1)
    return labels


def _prepared(preparer: Any, customers: pd.DataFrame) -> np.ndarray:
    if preparer is None:
        return customers.to_numpy(dtype=float, na_value=np.nan)
    return dense(preparer.transform(customers))


def dense(matrix: Any) -> np.ndarray:
    """Return a matrix as an array, also where a transformer made it sparse."""
    return np.asarray(matrix.toarray() if scipy.sparse.issparse(matrix) else matrix)


class Assigner:
    """Places customers with a fitted model, and calls the segments by their ids."""

    def __init__(self, model: BaseEstimator, prepared: pd.DataFrame, labels: pd.Series, ids: dict[int, int]):
        self._preparer, clusterer = split(model)
        label_of = {new: old for old, new in ids.items()}
        raw = np.array([label_of.get(int(i), int(i)) for i in labels], dtype="int64")
        self._ids = ids
        self._rule = rule_of(clusterer, prepared.to_numpy(), raw)

    def __call__(self, customers: pd.DataFrame) -> np.ndarray:
        raw = self._rule(_prepared(self._preparer, customers))
        if len(raw) == 1:
            return np.array([self._ids.get(int(raw[0]), int(raw[0]))], dtype="int64")
        found, at = np.unique(raw, return_inverse=True)
        return np.array([self._ids.get(int(i), int(i)) for i in found], dtype="int64")[at]


def rule_of(clusterer: BaseEstimator, prepared: np.ndarray, labels: np.ndarray) -> Rule:
    """Return how a fitted clusterer labels new rows: nearest centre, its own rule, or nearest neighbour.

    Parameters
    ----------
    clusterer : estimator
        Fitted.
    prepared, labels : ndarray
        What it was fitted to, and the labels it gave.

    Returns
    -------
    callable
        From an array of shape (n, n_prepared) to labels of shape (n,).
    """
    if isinstance(clusterer, (KMeans, MiniBatchKMeans)):
        return _fitted_only(lambda rows: nearest(_finite(rows), clusterer.cluster_centers_), prepared, labels)
    if hasattr(clusterer, "predict"):
        return _fitted_only(lambda rows: _predicted(clusterer, rows), prepared, labels)
    return _neighbour_rule(prepared, labels)


def _finite(rows: np.ndarray) -> np.ndarray:
    if not np.isfinite(rows).all():
        raise ValueError(
            "A feature of these customers is missing or infinite, and the model has no rule for that. Fill it in, "
            "or make the segments with make_preparer() before the clusterer."
        )
    return rows


def _fitted_only(own: Rule, prepared: np.ndarray, labels: np.ndarray) -> Rule:
    """Follow the model's own rule, save where it leads to a part that nobody was fitted into: such have no id."""
    fitted = np.unique(labels)
    by_neighbour = functools.cache(lambda: _neighbour_rule(prepared, labels))

    def rule(rows: np.ndarray) -> np.ndarray:
        found = own(rows)
        stray = ~np.isin(found, fitted)
        if stray.any():
            found[stray] = by_neighbour()(rows[stray])
        return found

    return rule


def _neighbour_rule(prepared: np.ndarray, labels: np.ndarray) -> Rule:
    """Take the label of the nearest fitted customer; where there is noise, what lies farther out is noise too.

    Farther out than any fitted customer lies from its nearest neighbour in the same segment. Where customers
    who miss a value were fitted (as noise), so is who misses one now.
    """
    known = np.isfinite(prepared).all(axis=1)
    if not known.all():
        rule_of_known = _neighbour_rule(prepared[known], labels[known])
        return lambda rows: _noise_where_missing(rule_of_known, rows)
    tree = KDTree(prepared)
    reach = (
        {} if OUTSIDE not in labels else {s: _widest_gap(prepared[labels == s]) for s in np.unique(labels)}
    )

    def rule(rows: np.ndarray) -> np.ndarray:
        distance, at = tree.query(rows)
        found = labels[at]
        if reach:
            far = distance > np.array([reach[s] for s in found])
            found = np.where(far, OUTSIDE, found)
        return found

    return rule


def _noise_where_missing(rule: Rule, rows: np.ndarray) -> np.ndarray:
    found = np.full(len(rows), OUTSIDE, dtype="int64")
    known = np.isfinite(rows).all(axis=1)
    if known.any():
        found[known] = rule(rows[known])
    return found


def _widest_gap(rows: np.ndarray) -> float:
    if len(rows) < 2:
        return 0.0
    distance, _ = KDTree(rows).query(rows, k=2)
    return float(distance[:, 1].max())
