"""Tell models that keep rows of their customers from those that keep centres, cuts or rules."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.cluster import BisectingKMeans, KMeans, MiniBatchKMeans
from sklearn.mixture import GaussianMixture

from segkit.core.order import positions_by_id
from segkit.methods.assignment import preparer_and_clusterer
from segkit.methods.behaviour_parts import BehaviourParts
from segkit.methods.edited import EditedClusterer, Split
from segkit.methods.mixed_mixture import MixedMixture
from segkit.methods.partition import Partition
from segkit.methods.rfm import RFMSegmenter
from segkit.methods.rules import FirstRule
from segkit.methods.value_bands import ValueBands

SUMMARIES = (
    *(KMeans, MiniBatchKMeans, BisectingKMeans, GaussianMixture, MixedMixture),
    *(BehaviourParts, ValueBands, RFMSegmenter, FirstRule),
)
"""Clusterers that keep centres, cuts or rules, and no rows; the others keep their customers, or may."""


def keeps_rows(model: BaseEstimator) -> str:
    """Return the name of the clusterer of a model, if it keeps rows of customers, or may; else ""."""
    _, clusterer = preparer_and_clusterer(model)
    return _keeping(clusterer)


def _keeping(clusterer: BaseEstimator) -> str:
    if isinstance(clusterer, EditedClusterer) and not hasattr(clusterer, "rows_"):
        return "".join(_keeping(part) for part in _parts(clusterer))
    return "" if isinstance(clusterer, SUMMARIES) else type(clusterer).__name__


def _parts(clusterer: EditedClusterer) -> list[BaseEstimator]:
    """Return the fitted clusterers of one that was edited: the former, and those of segments that were split."""
    return [clusterer.former, *(step.clusterer for step in clusterer.steps if isinstance(step, Split))]


def groups_kept(result: Partition) -> list[pd.Series]:
    """Return the groups of customers that a model has means of, at each stage of its edits.

    Returns
    -------
    list of Series of int
        The segments of customers before the edits and after each; the present ones alone where nothing was edited.
    """
    _, clusterer = preparer_and_clusterer(result.model)
    if not isinstance(clusterer, EditedClusterer):
        return [result.labels]
    at = positions_by_id(result.customers.index)
    stages = clusterer.stages(result.prepared.to_numpy()[at])
    return [pd.Series(stage, result.customers.index[at]) for stage in stages]


def without_labels(model: BaseEstimator, gone: np.ndarray) -> BaseEstimator:
    """Return a copy of a model without the labels of some of its customers.

    Parameters
    ----------
    model : estimator
        Fitted.
    gone : ndarray of bool, shape (n_customers,)
        In the order of ids.
    """
    other = copy.deepcopy(model)
    _, clusterer = preparer_and_clusterer(other)
    while isinstance(clusterer, EditedClusterer):
        _forget(clusterer, gone)
        for part in _parts(clusterer)[1:]:
            part.labels_ = part.labels_[:0]  # of the members of one segment, whose order is not known
        clusterer = clusterer.former
    _forget(clusterer, gone)
    return other


def _forget(clusterer: BaseEstimator, gone: np.ndarray) -> None:
    if len(getattr(clusterer, "labels_", ())) == len(gone):
        clusterer.labels_ = clusterer.labels_[~gone]
