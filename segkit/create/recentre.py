"""Recentre a segmentation: measure its features anew where customers are now, and keep the segments."""

from __future__ import annotations

import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from segkit.methods.assignment import Assigner, preparer_and_clusterer
from segkit.methods.partition import Partition
from segkit.methods.value_bands import ValueBands

INSTEAD = "Make the segments again instead, with previous= alone"


def recentred(previous: Partition, customers: pd.DataFrame) -> tuple[BaseEstimator, pd.Series]:
    """Return the model with its preparer fitted to these customers and its clusterer as it was, and their segments.

    Where all customers moved alike, each segment moves with them.

    Parameters
    ----------
    previous : Partition
    customers : DataFrame
        The features of `previous`, in the order of ids.

    Raises
    ------
    ValueError
        If the model has no preparer, or its segments are defined by values that should not move.
    """
    preparer, clusterer = preparer_and_clusterer(previous.model)
    if preparer is None or hasattr(clusterer, "names_") or isinstance(clusterer, ValueBands):
        raise ValueError(
            f"These segments cannot be recentred: {type(clusterer).__name__} divides customers by their values as they "
            f"are, with nothing that is measured anew. {INSTEAD}."
        )
    features = list(previous.customers.columns)
    missing = [name for name in features if name not in customers.columns]
    if missing:
        raise ValueError(
            f"These customers have no feature {missing[0]!r}, which the segments were made from. Compute the same "
            "features for them."
        )
    with threadpool_limits(limits=1):
        moved = clone(preparer).fit(customers[features])
    model = make_pipeline(moved, clusterer)
    assigner = Assigner(model, previous.prepared, previous.labels, previous.ids)
    rows = assigner.prepared(customers[features])
    if rows.shape[1] != previous.prepared.shape[1]:
        raise ValueError(
            f"The features are prepared in {rows.shape[1]} columns now, and were in {previous.prepared.shape[1]}: "
            f"words or missing values came or went. {INSTEAD}."
        )
    return model, pd.Series(assigner.place(rows), customers.index, name="segment")
