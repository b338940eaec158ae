"""Fit clusterers so that the same customers always give the same segments."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.cluster import AgglomerativeClustering, KMeans, MiniBatchKMeans
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

from segkit.analyse.prepare import Preparer, make_preparer
from segkit.core.checks import check_count, check_seed, check_type
from segkit.core.messages import counted, in_words
from segkit.methods.assignment import (
    OUTSIDE,
    is_mixture,
    mixture_rule,
    nearest,
    predicted,
    prepared_matrix,
    preparer_and_clusterer,
)
from segkit.methods.behaviour_parts import BehaviourParts, SharesPreparer, check_amounts
from segkit.methods.bisecting import RefinedBisectingKMeans
from segkit.methods.hierarchy import SampledHDBSCAN, SampledHierarchy
from segkit.methods.kmeans_of_many import KMeansOfMany
from segkit.methods.mixed_mixture import MixedMixture
from segkit.methods.mixture_preparer import MixturePreparer
from segkit.methods.robust_linkage import RobustLinkage
from segkit.methods.rules import RulePreparer
from segkit.methods.spectral import SpectralGraph

METHODS = (
    "kmeans",
    "mini_batch_kmeans",
    "bisecting_kmeans",
    "gaussian_mixture",
    "mixed_mixture",
    "parts",
    "ward",
    "average",
    "robust_linkage",
    "spectral",
    "hdbscan",
)
MIXTURES = ("mixed_mixture", "gaussian_mixture")  # methods that give probabilities
FIND_THE_NUMBER = ("hdbscan",)  # methods that find how many segments there are
LEAST_VARIANCE = 1e-4  # added to the variances of a Gaussian mixture, of prepared features
LEAST_OF_WORDS = 0.3  # the same with words, or yes and no, onto which a component would else collapse
LARGEST = 1e100  # the square of a larger number, or their sum, may overflow
MANY = 50_000  # customers from which the starts of k-means are tried on a sample
MOST_FOR_WARD = 20_000  # customers; the distances of more would take gigabytes, so a sample is looked at


def check_method(method: str, n_segments: int | str | None) -> None:
    """Refuse a method that there is not, and a number of segments that it would ignore.

    Raises
    ------
    ValueError
    """
    check_type("method", method, str, f"Say one of {', '.join(METHODS)}; pass a clusterer as model=.")
    if method not in METHODS:
        raise ValueError(
            f"method={method!r} is none of {', '.join(METHODS)}. Say one of these, or pass any scikit-learn "
            "clusterer as model=."
        )
    if method in FIND_THE_NUMBER and n_segments is not None:
        raise ValueError(
            f"n_segments={n_segments!r}, and method={method!r} finds the number of segments itself. Leave n_segments "
            "out, or choose another method."
        )


def make_model(method: str, n_segments: int | None, customers: pd.DataFrame, random_state: int) -> Pipeline:
    """Make the model of a method for these customers, not fitted: its preparer and its clusterer.

    Raises
    ------
    ValueError
        If there is no such method, or it or the number of segments is impossible for so many customers.
    """
    check_method(method, n_segments)
    check_seed(random_state)
    if method == "hdbscan":
        return make_pipeline(make_preparer(), SampledHDBSCAN(random_state=random_state))
    n_customers = len(customers)
    if n_segments is None:
        raise ValueError(
            "The number of segments is missing. Say n_segments=5, for instance; scan_clusters helps to choose."
        )
    check_count("n_segments", n_segments, 2)
    if n_segments > n_customers:
        raise ValueError(
            f"n_segments={n_segments} is more than {counted(n_customers, 'customer')}. Choose fewer segments."
        )
    if method == "mixed_mixture":
        preparer = MixturePreparer().fit(customers)  # knows the layout
        mixture = MixedMixture(n_segments, layout=preparer.layout_, random_state=random_state)
        return make_pipeline(preparer, mixture)
    if method == "parts":
        check_amounts(customers)
        if n_segments > customers.shape[1]:
            raise ValueError(
                f"n_segments={n_segments} is more than {counted(customers.shape[1], 'feature')}, and parts are mixes "
                "of features. Choose fewer segments, or another method."
            )
        return make_pipeline(SharesPreparer(), BehaviourParts(n_segments, random_state=random_state))
    return make_pipeline(make_preparer(), make_clusterer(method, n_segments, customers, random_state))


def make_clusterer(method: str, n_segments: int, customers: pd.DataFrame, random_state: int) -> BaseEstimator:
    """Return the clusterer of a method that takes prepared numbers and a number of segments."""
    if method == "kmeans" and len(customers) > MANY:
        return KMeansOfMany(n_segments, n_init=10, random_state=random_state)
    if method == "kmeans":
        return KMeans(n_segments, n_init=10, random_state=random_state)
    if method == "mini_batch_kmeans":
        return MiniBatchKMeans(n_segments, n_init=10, random_state=random_state)
    if method == "bisecting_kmeans":
        return RefinedBisectingKMeans(n_segments, random_state=random_state)
    if method == "gaussian_mixture":
        least = LEAST_OF_WORDS if _has_words(customers) else LEAST_VARIANCE
        return GaussianMixture(n_segments, n_init=3, reg_covar=least, random_state=random_state)
    if method == "robust_linkage":
        return RobustLinkage(n_segments, random_state=random_state)
    if method == "spectral":
        return SpectralGraph(n_segments, random_state=random_state)
    if len(customers) <= MOST_FOR_WARD:
        return AgglomerativeClustering(n_segments, linkage=method)
    return SampledHierarchy(n_segments, method, MOST_FOR_WARD, random_state)


def n_different(customers: pd.DataFrame, enough: int) -> int:
    """Return how many customers differ once they are prepared, counted up to `enough`: no more segments can be made."""
    for part in (customers.iloc[: max(10 * enough, 1_000)], customers):
        different = len(np.unique(make_preparer().fit_transform(part), axis=0))
        if different >= enough or len(part) == len(customers):
            return min(different, enough)
    return enough


def _has_words(customers: pd.DataFrame) -> bool:
    """Return whether a feature is prepared as yes and no: words, two values, missing numbers."""
    return any(
        not pd.api.types.is_numeric_dtype(column.dtype) or column.isna().any() or column.nunique() == 2
        for _, column in customers.items()
    )


def checked_model(model: object) -> BaseEstimator:
    """Check that a model is an estimator of scikit-learn, and not its class.

    Raises
    ------
    TypeError
    """
    call = f" Add parentheses and its parameters: {model.__name__}(…)." if isinstance(model, type) else ""
    wanted = f"It should be a scikit-learn clusterer, such as KMeans(5, random_state=0).{call}"
    if call or not (hasattr(model, "fit") and hasattr(model, "get_params")):
        raise TypeError(f"model is {in_words(model)}. {wanted}")
    return model


def without_cache(model: BaseEstimator) -> BaseEstimator:
    """Return the same model with every `memory=` set to None: a cache folder is read by pickle, which can run code."""
    cached = [n for n, v in model.get_params().items() if n.rpartition("__")[2] == "memory" and v is not None]
    return model.set_params(**dict.fromkeys(cached)) if cached else model


def check_scales(model: BaseEstimator, customers: pd.DataFrame) -> None:
    """Refuse numbers so large or small that their squares overflow or vanish, unless a preparer scales them first.

    Raises
    ------
    ValueError
    """
    preparer, _ = preparer_and_clusterer(model)
    first = preparer[0] if isinstance(preparer, Pipeline) else preparer
    if isinstance(first, (MixturePreparer, RulePreparer)) or (
        isinstance(first, Preparer) and first.scale != "none"
    ):
        return
    largest = customers.select_dtypes("number").astype(float).abs().max()
    extreme = largest[(largest > LARGEST) | ((largest < 1 / LARGEST) & (largest > 0))]
    if len(extreme):
        raise ValueError(
            f"The numbers of {extreme.index[0]!r} reach {extreme.iloc[0]:.3g}, too {_size(extreme.iloc[0])} to measure "
            f"distances. Change its unit, or put the preparer first: make_pipeline(sg.make_preparer(), model)."
        )


def _size(number: float) -> str:
    return "large" if number > 1 else "small"


def fit_and_label(model: BaseEstimator, customers: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Fit a model, and return its label of each customer and the prepared matrix; customers are prepared once.

    The fit runs on one thread, since sums over several threads differ in their last digits.

    Raises
    ------
    ValueError
        If the model refuses these customers, with its own message.
    TypeError
        If the model does not label customers.
    """
    ours = isinstance(model, Pipeline) and len(model) == 2 and isinstance(model[0], Preparer)
    with threadpool_limits(limits=1):
        try:
            prepared = model[0].fit_transform(customers) if ours else None
            if ours:
                model[1].fit(prepared)
            else:
                model.fit(customers)
        except (ValueError, TypeError) as error:
            hint = (
                " For missing values or categories, put make_preparer() before it: "
                "make_pipeline(make_preparer(), KMeans(5))."
            )
            alone = preparer_and_clusterer(model)[0] is None
            raise ValueError(
                f"The model could not be fitted to these customers: {error}{hint * alone}"
            ) from error
        preparer, clusterer = preparer_and_clusterer(model)
        if prepared is None:
            prepared = prepared_matrix(preparer, customers)
        labels = labels_of(clusterer, prepared)
    if len(labels) != len(customers):
        raise TypeError(
            f"{type(clusterer).__name__} gave {len(labels):,} labels for {len(customers):,} customers: it groups "
            "something else. The model should be a scikit-learn clusterer of rows."
        )
    return labels, prepared


def labels_of(clusterer: BaseEstimator, prepared: np.ndarray) -> np.ndarray:
    """Return the label that a fitted clusterer gives each row that it was fitted to."""
    if isinstance(clusterer, (KMeans, MiniBatchKMeans)):
        return nearest(prepared, clusterer.cluster_centers_)
    if is_mixture(clusterer):
        return mixture_rule(clusterer)(prepared)
    if hasattr(clusterer, "labels_"):
        labels = np.asarray(clusterer.labels_, dtype="int64")
        return np.where(labels < 0, OUTSIDE, labels)  # HDBSCAN labels missing values −3, infinity −2
    if hasattr(clusterer, "predict"):
        return predicted(clusterer, prepared)
    raise TypeError(
        f"{type(clusterer).__name__} gives no labels. The model, or the last step of the pipeline, should be a "
        "scikit-learn clusterer."
    )


def relabel_by_size(labels: np.ndarray) -> dict[int, int]:
    """Map labels to ids so that 0 is the largest segment; noise stays −1. Ties go to the lower label."""
    different, counts = np.unique(labels[labels != OUTSIDE], return_counts=True)
    order = np.lexsort((different, -counts))
    return {int(different[at]): new for new, at in enumerate(order)} | {OUTSIDE: OUTSIDE}
