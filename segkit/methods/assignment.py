"""Assign customers to segments with a fitted model, each row independently of its batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from scipy.spatial import KDTree
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline

from segkit.analyse.prepare import Preparer

Rule = Callable[[np.ndarray], np.ndarray]

OUTSIDE = -1  # the label of customers outside all segments
BLOCK = 4096  # rows measured at once, which bounds the memory
MEASURED = 2**18  # distances measured at once, which stay in the cache of a processor
CLOSE = 1e-9  # relative gap of distances, far more than the rounding error of a matrix product


def preparer_and_clusterer(model: BaseEstimator) -> tuple[Any, BaseEstimator]:
    """Return the preparer of a model, or None, and its clusterer."""
    if isinstance(model, Pipeline) and len(model) > 1:
        return model[:-1] if len(model) > 2 else model[0], model[-1]
    return None, model[-1] if isinstance(model, Pipeline) else model


def predicted(clusterer: BaseEstimator, rows: np.ndarray) -> np.ndarray:
    """Return the labels that a clusterer gives rows by its own rule."""
    names = getattr(clusterer, "feature_names_in_", None)  # fitted to names, so it expects them
    return np.asarray(
        clusterer.predict(rows if names is None else pd.DataFrame(rows, columns=names)), dtype="int64"
    )


def nearest(rows: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return the nearest centre of each row, independently of the batch; of equally near ones the first.

    A matrix product is fast, but its last digits depend on the number of rows. Rows whose second nearest centre is
    hardly farther are therefore measured again: those of a product in single precision by one in double precision, and
    those of this one by differences.
    """
    if len(rows) == 1:
        apart = centers - rows
        return np.einsum("ij,ij->i", apart, apart, optimize=False).argmin(keepdims=True)
    if len(centers) == 1:
        return np.zeros(len(rows), dtype="int64")
    rounding = 2 * (centers.shape[1] + 4) * float(np.finfo(np.float32).eps)
    labels, unsure = _by_products(rows, centers, np.float32, rounding)
    if len(unsure):
        rows = rows[unsure]
        again, close = _by_products(rows, centers, np.float64, CLOSE)
        if len(close):
            again[close] = _by_differences(rows[close], centers)
        labels[unsure] = again
    return labels


def _by_products(
    rows: np.ndarray, centers: np.ndarray, precision: type[np.floating], close: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest centre of each row, and the rows whose second nearest is hardly farther."""
    labels, sure = np.empty(len(rows), dtype="int64"), np.empty(len(rows), dtype=bool)
    block = min(BLOCK, max(1, MEASURED // len(centers)))
    distances = np.empty((block, len(centers)), dtype=precision)
    lengthened = np.ones((block, centers.shape[1] + 1), dtype=precision)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", centers, centers)
        # Squared distances but for each row's own square, which is the same for all centres.
        products = np.vstack([-2 * centers.T, squares]).astype(precision)
        for start in range(0, len(rows), block):
            part = rows[start : start + block]
            n = len(part)
            lengthened[:n, :-1] = part
            np.matmul(lengthened[:n], products, out=distances[:n])
            size = np.einsum("ij,ij->i", part, part) + squares.max()
            labels[start : start + n], gap = _first_and_gap(distances[:n])
            sure[start : start + n] = gap > close * size  # not where a number is too large to be squared
    return labels, np.flatnonzero(~sure)


def _first_and_gap(costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the position of each row's least cost, and the gap to the second; overwrites the costs."""
    at = costs.argmin(axis=1)
    each = np.arange(len(costs))
    lowest = costs[each, at]
    costs[each, at] = np.inf
    return at, costs.min(axis=1) - lowest


def _by_differences(rows: np.ndarray, centers: np.ndarray) -> np.ndarray:
    distances = np.empty((len(rows), len(centers)))
    for i, center in enumerate(centers):
        apart = rows - center
        np.einsum("ij,ij->i", apart, apart, out=distances[:, i], optimize=False)
    return distances.argmin(axis=1)


Costs = Callable[[np.ndarray], np.ndarray]


def argmin_exact(costs: Costs, rows: np.ndarray) -> np.ndarray:
    """Return the position of each row's least cost, independently of the batch."""
    if len(rows) == 1:
        return costs(rows).argmin(axis=1)
    labels = np.empty(len(rows), dtype="int64")
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        values = costs(block)
        size = 1.0 + np.abs(values).max(axis=1)
        at, gap = _first_and_gap(values)
        if values.shape[1] > 1:
            for i in np.flatnonzero(~(gap > CLOSE * size)):
                at[i] = costs(block[i : i + 1]).argmin()
        labels[start : start + BLOCK] = at
    return labels


def is_mixture(clusterer: BaseEstimator) -> bool:
    """Whether this is a full Gaussian mixture, whose rule can skip scikit-learn's checks."""
    return type(clusterer) is GaussianMixture and clusterer.covariance_type == "full"


def costs_of_mixture(means: np.ndarray, cholesky: np.ndarray, log_weights: np.ndarray) -> Costs:
    """Return a function from rows to the negative log of each component's weighted density, up to a constant.

    Parameters
    ----------
    means : ndarray of shape (n_components, n_prepared)
    cholesky : ndarray of shape (n_components, n_prepared, n_prepared)
        Cholesky factors of the inverse covariances.
    log_weights : ndarray of shape (n_components,)
    """
    fixed = -log_weights - np.log(np.diagonal(cholesky, axis1=1, axis2=2)).sum(axis=1)

    def costs(rows: np.ndarray) -> np.ndarray:
        values = np.empty((len(rows), len(means)))
        for i, (mean, factor) in enumerate(zip(means, cholesky, strict=True)):
            apart = (rows - mean) @ factor
            np.einsum("ij,ij->i", apart, apart, out=values[:, i], optimize=False)
        values *= 0.5
        values += fixed
        return values

    return costs


def mixture_rule(clusterer: GaussianMixture) -> Rule:
    """Return the rule of a Gaussian mixture, independent of the batch."""
    costs = costs_of_mixture(clusterer.means_, clusterer.precisions_cholesky_, np.log(clusterer.weights_))
    return lambda rows: argmin_exact(costs, _finite(rows))


def prepared_matrix(preparer: Any, customers: pd.DataFrame) -> np.ndarray:
    """Return the matrix of a fitted preparer; the features themselves without one."""
    if preparer is None:
        return customers.to_numpy(dtype=float, na_value=np.nan)
    if isinstance(preparer, Preparer):
        return preparer.matrix(customers)
    return dense(preparer.transform(customers))


def dense(matrix: Any) -> np.ndarray:
    """Return a matrix, possibly sparse, as an array."""
    return np.asarray(matrix.toarray() if scipy.sparse.issparse(matrix) else matrix)


class Assigner:
    """Assign customers with a fitted model, and translate its labels into ids."""

    def __init__(self, model: BaseEstimator, prepared: pd.DataFrame, labels: pd.Series, ids: dict[int, int]):
        self._preparer, clusterer = preparer_and_clusterer(model)
        label_of = {new: old for old, new in ids.items()}
        different, at = np.unique(labels, return_inverse=True)
        raw = np.array([label_of.get(int(i), int(i)) for i in different], dtype="int64")[at]
        self._ids = ids
        self._rule = rule_of(clusterer, prepared.to_numpy(), raw)

    def __call__(self, customers: pd.DataFrame) -> np.ndarray:
        return self.place(self.prepared(customers))

    def prepared(self, customers: pd.DataFrame) -> np.ndarray:
        """Return the prepared matrix of customers."""
        return prepared_matrix(self._preparer, customers)

    def place(self, prepared: np.ndarray) -> np.ndarray:
        """Return the segments of prepared customers."""
        raw = self._rule(prepared)
        if len(raw) == 1:
            return np.array([self._ids.get(int(raw[0]), int(raw[0]))], dtype="int64")
        different, at = np.unique(raw, return_inverse=True)
        return np.array([self._ids.get(int(i), int(i)) for i in different], dtype="int64")[at]


def rule_of(clusterer: BaseEstimator, prepared: np.ndarray, labels: np.ndarray) -> Rule:
    """Return the rule by which a fitted clusterer labels new rows: nearest centre, its own, or nearest neighbour.

    Parameters
    ----------
    clusterer : estimator
        Fitted.
    prepared, labels : ndarray
        The rows of the fit, and their labels.

    Returns
    -------
    callable
        From an array of shape (n, n_prepared) to labels of shape (n,).
    """
    own = own_rule(clusterer)
    if own is None:
        return _neighbour_rule(prepared, labels)
    # The labels of one with names have a meaning, also those of no fitted customer.
    return own if hasattr(clusterer, "names_") else _fitted_only(own, prepared, labels)


def own_rule(clusterer: BaseEstimator) -> Rule | None:
    """Return the rule of a clusterer that needs no fitted rows: nearest centre or its own; None without one."""
    if isinstance(clusterer, (KMeans, MiniBatchKMeans)):
        return lambda rows: nearest(_finite(rows), clusterer.cluster_centers_)
    if is_mixture(clusterer):
        return mixture_rule(clusterer)
    return (lambda rows: predicted(clusterer, rows)) if hasattr(clusterer, "predict") else None


def _finite(rows: np.ndarray) -> np.ndarray:
    if not np.isfinite(rows).all():
        raise ValueError(
            "A feature of these customers is missing or infinite, and the model has no rule for that. Fill it in, "
            "or put make_preparer() before the clusterer when you make the segments."
        )
    return rows


def _fitted_only(own: Rule, prepared: np.ndarray, labels: np.ndarray) -> Rule:
    """Follow a model's rule, or the nearest neighbour where it gives a label without fitted customers."""
    fitted = np.unique([*np.unique(labels), OUTSIDE])  # a model may say that a new customer is outside
    known = frozenset(fitted.tolist())
    by_neighbour = functools.cache(lambda: _neighbour_rule(prepared, labels))

    def rule(rows: np.ndarray) -> np.ndarray:
        assigned = own(rows)
        if len(assigned) == 1 and int(assigned[0]) in known:
            return assigned
        stray = ~np.isin(assigned, fitted)
        if stray.any():
            assigned[stray] = by_neighbour()(rows[stray])
        return assigned

    return rule


def _neighbour_rule(prepared: np.ndarray, labels: np.ndarray) -> Rule:
    """Return the rule of the nearest fitted customer; in models with noise, rows beyond the radius are noise.

    The radius is the widest gap between a fitted customer and the nearest one of the same segment. If customers with
    missing values were fitted (as noise), so are new ones.
    """
    known = np.isfinite(prepared).all(axis=1)
    if not known.all():
        rule_of_known = _neighbour_rule(prepared[known], labels[known])
        return lambda rows: _noise_where_missing(rule_of_known, rows)
    tree = KDTree(prepared)
    radius = neighbour_radius(prepared, labels) if OUTSIDE in labels else None

    def rule(rows: np.ndarray) -> np.ndarray:
        distance, at = tree.query(rows)
        assigned = labels[at]
        return assigned if radius is None else np.where(distance > radius[at], OUTSIDE, assigned)

    return rule


def _noise_where_missing(rule: Rule, rows: np.ndarray) -> np.ndarray:
    assigned = np.full(len(rows), OUTSIDE, dtype="int64")
    known = np.isfinite(rows).all(axis=1)
    if known.any():
        assigned[known] = rule(rows[known])
    return assigned


def neighbour_radius(prepared: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the distance from each fitted customer within which new ones get the same label; infinite without noise.

    It is the widest gap between a customer of the segment and the nearest one of the same.
    """
    radius = np.full(len(prepared), np.inf)
    if OUTSIDE in labels:
        for segment in np.unique(labels):
            radius[labels == segment] = _widest_gap(prepared[labels == segment])
    return radius


def _widest_gap(rows: np.ndarray) -> float:
    if len(rows) < 2:
        return 0.0
    distance, _ = KDTree(rows).query(rows, k=2)
    return float(distance[:, 1].max())
