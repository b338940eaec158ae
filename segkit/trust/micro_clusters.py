"""Compress customers into weighted micro-clusters, and refit and compare segments on them.

k-means on 3,000 weighted micro-clusters agrees with k-means on all customers as closely as two runs of the latter
agree with each other (``benchmarks/trust.py``).
"""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from threadpoolctl import ThreadpoolController, threadpool_limits

from segkit.methods.assignment import nearest, rule_of
from segkit.methods.behaviour_parts import BehaviourParts
from segkit.methods.fitting import labels_of
from segkit.methods.mixed_mixture import MixedMixture

MICRO = 3_000  # micro-clusters
LEARN = 60_000  # customers that micro-clusters are learnt from; all are then assigned to the nearest
PASSES = 3  # of Lloyd's algorithm, after which centres hardly move
REFITS = 3  # starts of a refit
BLOCK = 512  # rows measured at once, in 6 MB; fixed, so that no answer depends on the number of threads


@dataclass(frozen=True)
class Compressed:
    """Points that stand for customers.

    Attributes
    ----------
    points : ndarray of shape (n_points, n_prepared)
        Mean of each micro-cluster; the customers themselves where they are few.
    weights : ndarray of int, shape (n_points,)
        Number of customers that each stands for.
    member_of : ndarray of int, shape (n_customers,)
        The point of each customer.
    within : float
        Sum of squared distances of the customers to their points.
    """

    points: np.ndarray
    weights: np.ndarray
    member_of: np.ndarray
    within: float

    @property
    def n_customers(self) -> int:
        """Number of customers that the points stand for."""
        return int(self.weights.sum())

    def bootstrap_weights(self, rng: np.random.Generator) -> np.ndarray:
        """Return the weights of a bootstrap sample: as many customers, drawn with replacement."""
        return rng.multinomial(self.n_customers, self.weights / self.n_customers)

    def split_half_weights(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights of two halves of the customers."""
        half = rng.multivariate_hypergeometric(self.weights, self.n_customers // 2, method="marginals")
        return half, self.weights - half


def compress(prepared: np.ndarray, rng: np.random.Generator, *, most: int = MICRO) -> Compressed:
    """Compress customers into micro-clusters.

    Parameters
    ----------
    prepared : ndarray of shape (n_customers, n_prepared)
        Scaled features.
    rng : Generator
    most : int, default=3000
        Number of micro-clusters; where there are no more customers than that, each is one.

    Returns
    -------
    Compressed
    """
    n = len(prepared)
    if n <= most:
        return Compressed(prepared, np.ones(n, dtype=np.int64), np.arange(n), 0.0)
    learn = prepared if n <= LEARN else prepared[np.sort(rng.choice(n, LEARN, replace=False))]
    different = np.unique(learn, axis=0)
    centers = different[np.sort(rng.choice(len(different), min(most, len(different)), replace=False))]
    for _ in range(PASSES):
        centers = _means(learn, _nearest(learn, centers), len(centers))[0]
    member_of = _nearest(prepared, centers)
    points, kept = _means(prepared, member_of, len(centers))
    member_of = (np.cumsum(kept) - 1)[member_of]
    apart = prepared - points[member_of]
    within = float(np.einsum("ij,ij->", apart, apart))
    return Compressed(points, np.bincount(member_of), member_of, within)


def means_of(rows: np.ndarray, compressed: Compressed) -> np.ndarray:
    """Return the mean of each point's customers."""
    return _means(rows, compressed.member_of, len(compressed.points))[0]


def _means(rows: np.ndarray, group: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each group that has members, and which groups have."""
    counts = np.bincount(group, minlength=n)
    kept = counts > 0
    sums = np.stack([np.bincount(group, weights=column, minlength=n) for column in rows.T], axis=1)
    return sums[kept] / counts[kept, None], kept


def _nearest(rows: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return the nearest centre by a matrix product, in blocks that are shared out over threads."""
    transposed = np.ascontiguousarray(-2 * centers.T, dtype=np.float32)
    squares = np.einsum("ij,ij->i", centers, centers).astype(np.float32)
    labels = np.empty(len(rows), dtype=np.int64)

    def label_block(start: int) -> None:
        block = rows[start : start + BLOCK].astype(np.float32)
        distances = block @ transposed
        distances += squares
        labels[start : start + BLOCK] = distances.argmin(axis=1)

    with threadpool_limits(limits=1), ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(label_block, range(0, len(rows), BLOCK)))
    return labels


def fit_weighted(
    clusterer: BaseEstimator, points: np.ndarray, weights: np.ndarray, seed: int | None = None
) -> np.ndarray:
    """Fit a clusterer to weighted points and return the label of every point, also of those without weight.

    k-means and parts take weights; any other clusterer sees each point as often as it weighs. Give each refit
    another seed: from the same one, k-means starts at about the same customers.
    """
    refit, drawn = clone(clusterer), np.flatnonzero(weights)
    if seed is not None and "random_state" in refit.get_params():
        refit.set_params(random_state=seed)
    size = next((p for p in ("n_clusters", "n_components") if p in refit.get_params()), None)
    if size is not None:
        different = len(np.unique(points[drawn], axis=0))
        refit.set_params(**{size: min(refit.get_params()[size], different)})
    with _threads().limit(limits=1):
        if isinstance(refit, KMeans):
            refit.fit(points[drawn], sample_weight=weights[drawn])
            return nearest(points, refit.cluster_centers_)
        if isinstance(refit, BehaviourParts):
            return refit.fit(points[drawn], sample_weight=weights[drawn]).predict(points)
        rows = np.repeat(points, weights, axis=0)
        refit.fit(rows)
        return rule_of(refit, rows, labels_of(refit, rows))(points)


def with_few_starts(clusterer: BaseEstimator) -> BaseEstimator:
    """Return the same clusterer, not fitted, with fewer starts for refits where it has many."""
    few = isinstance(clusterer, (KMeans, MixedMixture))
    return clone(clusterer).set_params(n_init=REFITS) if few else clone(clusterer)


@functools.cache
def _threads() -> ThreadpoolController:
    """Return the controller of threads; finding the libraries takes as long as a small fit, so it is done once."""
    return ThreadpoolController()


def contingency(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Count the customers of each pair of labels; rows and columns in the order of labels."""
    _, a = np.unique(one, return_inverse=True)
    _, b = np.unique(other, return_inverse=True)
    n = b.max() + 1
    return np.bincount(a * n + b, weights=weights, minlength=(a.max() + 1) * n).reshape(-1, n)


def adjusted_rand(table: np.ndarray) -> float:
    """Return the adjusted Rand index of a contingency table (Hubert & Arabie 1985)."""
    pairs = _pairs(table).sum()
    rows, columns = _pairs(table.sum(axis=1)).sum(), _pairs(table.sum(axis=0)).sum()
    expected = rows * columns / _pairs(table.sum())
    most = (rows + columns) / 2
    return 1.0 if most == expected else float((pairs - expected) / (most - expected))


def jaccards(table: np.ndarray) -> np.ndarray:
    """Return the Jaccard similarity of each row's segment to the most similar column's segment."""
    union = table.sum(axis=1, keepdims=True) + table.sum(axis=0, keepdims=True) - table
    return (table / np.maximum(union, 1)).max(axis=1)


def pair_recall(table: np.ndarray) -> np.ndarray:
    """Return the share of each column's pairs of customers that share a row's segment as well."""
    size = table.sum(axis=0)
    return np.where(size > 1, _pairs(table).sum(axis=0) / np.maximum(_pairs(size), 1), 1.0)


def _pairs(counts: np.ndarray) -> np.ndarray:
    counts = np.asarray(counts, dtype=float)
    return counts * (counts - 1) / 2
