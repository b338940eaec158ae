"""Refit a model on bootstrap samples, so that the refits can vote on the segment of each customer.

A model of n other customers differs from the frozen one by two sampling errors, a refit on n of its own customers by
one only. Refits on n/2 of them, drawn with replacement, err with twice the variance, so that they differ from the
frozen model as much as one of other customers does [1]_. Fences and scales of numbers are learned again with each.

References
----------
.. [1] Bickel, Götze & van Zwet (1997), Resampling fewer than n observations, Statistica Sinica 7.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from segkit.analyse.numbers import learn_scales
from segkit.analyse.prepare import Preparer
from segkit.methods.assignment import OUTSIDE, is_mixture, neighbour_radius, preparer_and_clusterer
from segkit.methods.fitting import labels_of
from segkit.methods.mixed_mixture import MixedMixture
from segkit.trust.confidence.calibration import calibrated
from segkit.trust.confidence.voting import (
    NO_MATCH,
    Arrays,
    Ensemble,
    clusters_of,
    count_votes,
    placed_by,
    prepared_by,
)

MODELS = 50
MOST = 2_000  # customers that a model is refit on; their larger error is corrected
REFERENCE = 5_000  # customers by whom the clusters of a refit are matched to the segments
STARTS = 5  # of a mixed mixture
COUNTED = 1_000  # customers whose votes the correction for chance is fitted to


def fit_ensemble(
    model: BaseEstimator,
    customers: pd.DataFrame,
    prepared: np.ndarray,
    labels: np.ndarray,
    *,
    random_state: int,
) -> Ensemble:
    """Refit a model on bootstrap samples of its customers.

    Parameters
    ----------
    model : estimator
        Fitted to `customers`.
    customers : DataFrame of shape (n, n_features)
        In the order of ids.
    prepared : ndarray of shape (n, n_prepared)
    labels : ndarray of int, shape (n,)
        The segments.
    random_state : int

    Returns
    -------
    Ensemble
    """
    n = len(customers)
    rng = np.random.default_rng([random_state, n])
    half = max(n // 2, 2)
    size = min(half, MOST)
    refitter = _Refitter(model, customers, prepared, labels, rng)
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # segment() accepts a model that has not converged, and so do its refits.
        warnings.simplefilter("ignore", ConvergenceWarning)
        bar = tqdm(range(MODELS), desc="Refitting the model", delay=1, leave=False)
        models, clusterers = zip(*(refitter.refit(size, rng) for _ in bar), strict=True)
    own_rule = list(clusterers) if refitter.kind == "own" else []
    ensemble = Ensemble(refitter.kind, list(models), np.zeros(MODELS + 1), own_rule)
    sample = _sample(n, COUNTED, rng)
    votes = ensemble.votes(refitter.numbers(sample), prepared[sample])
    agreeing, _ = count_votes(votes, labels[sample])
    return replace(ensemble, calibrated=calibrated(agreeing, MODELS, np.sqrt(half / size)))


def _sample(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))


class _Refitter:
    """Refits a model on bootstrap samples, and matches the clusters of each refit to the segments."""

    def __init__(
        self,
        model: BaseEstimator,
        customers: pd.DataFrame,
        prepared: np.ndarray,
        labels: np.ndarray,
        rng: np.random.Generator,
    ):
        self.preparer, self.clusterer = preparer_and_clusterer(model)
        self.kind = _kind(self.clusterer)
        self._prepared, self._labels = prepared, labels
        ours = isinstance(self.preparer, Preparer)  # the only preparers that are refit
        self._numbers = self.preparer.logged_numbers(customers) if ours else None
        self._reference = _sample(len(customers), REFERENCE, rng)

    def numbers(self, rows: np.ndarray) -> np.ndarray | None:
        """Return the numeric features of some customers with their logarithms, where the scales are learned again."""
        return None if self._numbers is None else self._numbers[rows]

    def refit(self, size: int, rng: np.random.Generator) -> tuple[Arrays, BaseEstimator | None]:
        """Refit the model on a bootstrap sample; return its votes and its clusterer, or None if that failed."""
        sample = np.sort(rng.integers(len(self._prepared), size=size))
        seed = int(rng.integers(2**31))
        scales = {} if self._numbers is None else self._scales(self._numbers[sample])
        rows = prepared_by(scales, self.numbers(sample), self._prepared[sample])
        fitted = _fitted_again(self.clusterer, rows, seed)
        if fitted is None:
            return scales | {"segments": np.empty(0, dtype=np.int64)}, None
        found = scales | _what_places(self.kind, fitted, rows)
        return found | {"segments": self._matched(found, fitted, seed)}, fitted

    def _scales(self, numbers: np.ndarray) -> Arrays:
        """Return the fences and scales of the numbers of a sample; which are logged, and weights, stay as they are."""
        not_again = np.zeros(numbers.shape[1], dtype=bool)
        learned = learn_scales(numbers, not_again, self.preparer.scale, self.preparer.fences)
        weights = self.preparer.weight_[: numbers.shape[1]]
        with np.errstate(divide="ignore"):  # a feature of weight 0 is 0 for all
            scale = learned.scale / weights
        return {"low": learned.low, "high": learned.high, "center": learned.center, "scale": scale}

    def _matched(self, found: Arrays, fitted: BaseEstimator, seed: int) -> np.ndarray:
        """Return the segment that each cluster shares most customers with, one to one; ties are broken at random.

        Without chance the segments with low ids would seem surer, only for being first.
        """
        clusters, labels = clusters_of(self.kind, found), self._labels[self._reference]
        rows = prepared_by(found, self.numbers(self._reference), self._prepared[self._reference])
        raw = placed_by(self.kind, found | {"segments": clusters}, fitted, rows)
        segments = np.unique(labels[labels != OUTSIDE])
        ours = np.unique(clusters[clusters != OUTSIDE])
        shared = np.zeros((len(segments), len(ours)))
        both = np.isin(raw, ours) & (labels != OUTSIDE)
        np.add.at(shared, (np.searchsorted(segments, labels[both]), np.searchsorted(ours, raw[both])), 1)
        tie_break = np.random.default_rng(seed).random(shared.shape) / (
            max(shared.shape) + 1
        )  # under 1 in all
        i, j = linear_sum_assignment(-(shared + tie_break))
        pairs = {int(ours[b]): int(segments[a]) for a, b in zip(i, j, strict=True) if shared[a, b] > 0}
        pairs[OUTSIDE] = OUTSIDE
        return np.array([pairs.get(int(c), NO_MATCH) for c in clusters], dtype=np.int64)


def _kind(clusterer: BaseEstimator) -> str:
    if isinstance(clusterer, (KMeans, MiniBatchKMeans)):
        return "centers"
    if is_mixture(clusterer):
        return "mixture"
    return "own" if hasattr(clusterer, "predict") else "neighbours"


def _fitted_again(clusterer: BaseEstimator, rows: np.ndarray, seed: int) -> BaseEstimator | None:
    """Fit a clusterer of the same settings, or return None where it refuses such rows, as segment() would."""
    again = clone(clusterer)
    known = again.get_params()
    changed: dict[str, Any] = {"random_state": seed} if "random_state" in known else {}
    if isinstance(clusterer, MixedMixture):
        changed["n_init"] = min(known["n_init"], STARTS)
    size = next((p for p in ("n_clusters", "n_components") if isinstance(known.get(p), int)), None)
    if size is not None:
        changed[size] = min(known[size], len(np.unique(rows, axis=0)))
    again.set_params(**changed)
    names = getattr(clusterer, "feature_names_in_", None)
    try:
        return again.fit(rows if names is None else pd.DataFrame(rows, columns=names))
    except ValueError:
        return None


def _what_places(kind: str, fitted: BaseEstimator, rows: np.ndarray) -> Arrays:
    """Return what a fitted model needs to place a row, for each of its clusters or points."""
    if kind == "centers":
        return {"centers": fitted.cluster_centers_.astype(float)}
    if kind == "mixture":
        return {
            "means": fitted.means_,
            "cholesky": fitted.precisions_cholesky_,
            "log_weights": np.log(np.maximum(fitted.weights_, 1e-300)),
        }
    labels = labels_of(fitted, rows)
    if kind == "own":
        named = getattr(fitted, "names_", {})  # also those that no customer of the sample is in
        return {"labels": np.unique([*labels, *named, OUTSIDE])}
    known = np.isfinite(rows).all(axis=1)
    points, first = np.unique(rows[known], axis=0, return_index=True)
    reach = neighbour_radius(rows[known], labels[known])
    return {"points": points, "labels": labels[known][first], "reach": reach[first]}
