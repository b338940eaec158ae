"""Recentre a segmentation: measure its features anew where customers are now, and keep the segments."""

from __future__ import annotations

import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from segkit.core.messages import counted, listed
from segkit.methods.assignment import Assigner, preparer_and_clusterer
from segkit.methods.edited import EditedClusterer
from segkit.methods.partition import Partition, prepared_names
from segkit.methods.value_bands import ValueBands

FEWEST = 10  # customers a segment; of fewer, nothing is measured anew
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
        If the model has no preparer, its segments are defined by values that should not move, customers are too few, or
        other words or missing values are among them.
    """
    preparer, clusterer = preparer_and_clusterer(previous.model)
    first = clusterer
    while isinstance(first, EditedClusterer):
        first = first.former
    if preparer is None or hasattr(first, "names_") or isinstance(first, ValueBands):
        raise ValueError(
            f"These segments cannot be recentred: {type(first).__name__} divides customers by their values as they "
            f"are, with nothing that is measured anew. {INSTEAD}."
        )
    features = list(previous.customers.columns)
    missing = [name for name in features if name not in customers.columns]
    if missing:
        raise ValueError(
            f"These customers have no feature {missing[0]!r}, which the segments were made from. Compute the same "
            "features for them."
        )
    least = FEWEST * len(previous.segments)
    if len(customers) < least:
        raise ValueError(
            f"{counted(len(customers), 'customer')} do not show where customers are now: at least {least} are needed, "
            f"{FEWEST} for each segment. Place them with previous.assign(customers)."
        )
    with threadpool_limits(limits=1):
        moved = clone(preparer).fit(customers[features])
    model = make_pipeline(moved, clusterer)
    assigner = Assigner(model, previous.prepared, previous.labels, previous.ids)
    rows = assigner.prepared(customers[features])
    before, now = list(previous.prepared.columns), prepared_names(moved, rows.shape[1])
    if now != before:
        other = sorted(map(str, set(now) ^ set(before)))
        raise ValueError(
            f"The features are prepared otherwise now ({listed(map(repr, other), 5)}): words or missing values came or "
            f"went. {INSTEAD}."
        )
    return model, pd.Series(assigner.place(rows), customers.index, name="segment")
