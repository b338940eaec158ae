"""Features of customers: what they are, and the one query that computes them."""

from segkit.features._core import (
    Feature,
    customer_features,
    family,
    feature_query,
    snapshots,
    with_settings,
)
from segkit.features.basket import BASKET
from segkit.features.cadence import CADENCE
from segkit.features.catalogue import FAMILIES, feature_catalogue, select_features
from segkit.features.rfm import RFM
from segkit.features.trend import TREND

__all__ = [
    "BASKET",
    "CADENCE",
    "FAMILIES",
    "RFM",
    "TREND",
    "Feature",
    "customer_features",
    "family",
    "feature_catalogue",
    "feature_query",
    "select_features",
    "snapshots",
    "with_settings",
]
