"""Features of customers: what they are, and the one query that computes them."""

from segkit.features._asking import customer_features, snapshots
from segkit.features._feature import Feature, family, with_settings
from segkit.features._query import feature_query
from segkit.features.basket import BASKET
from segkit.features.cadence import CADENCE
from segkit.features.catalogue import FAMILIES, feature_catalogue, select_features
from segkit.features.context import CONTEXT, distance_feature
from segkit.features.feedback import FEEDBACK
from segkit.features.messages import ADS, EMAIL, PUSH, SMS
from segkit.features.paths import path_feature
from segkit.features.preference import PREFERENCE
from segkit.features.rfm import RFM
from segkit.features.social import SOCIAL
from segkit.features.sql import feature_sql
from segkit.features.trend import TREND
from segkit.features.web import WEB

__all__ = [
    "ADS",
    "BASKET",
    "CADENCE",
    "CONTEXT",
    "EMAIL",
    "FAMILIES",
    "FEEDBACK",
    "PREFERENCE",
    "PUSH",
    "RFM",
    "SMS",
    "SOCIAL",
    "TREND",
    "WEB",
    "Feature",
    "customer_features",
    "distance_feature",
    "family",
    "feature_catalogue",
    "feature_query",
    "feature_sql",
    "path_feature",
    "select_features",
    "snapshots",
    "with_settings",
]
