"""Tell models that keep rows of their customers from those that keep centres, cuts or rules."""

from __future__ import annotations

import copy

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.cluster import BisectingKMeans, KMeans, MiniBatchKMeans
from sklearn.mixture import GaussianMixture

from segkit.methods.assignment import preparer_and_clusterer
from segkit.methods.behaviour_parts import BehaviourParts
from segkit.methods.mixed_mixture import MixedMixture
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
    return "" if isinstance(clusterer, SUMMARIES) else type(clusterer).__name__


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
    if len(getattr(clusterer, "labels_", ())) == len(gone):
        clusterer.labels_ = clusterer.labels_[~gone]
    return other
