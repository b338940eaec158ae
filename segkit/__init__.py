"""segkit: from what customers did to segments that can be seen, trusted and used.

Public names load on first use, so that ``import segkit`` stays instant: neither pandas nor
scikit-learn is imported until something needs them.
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "segkit.events": ("Events", "read_events"),
    "segkit.presets": ("preset_catalogue",),
    "segkit.attributes": ("Attributes", "Region", "Scale", "bases", "read_attributes", "with_attributes"),
    "segkit.features": (
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
        "feature_sql",
        "path_feature",
        "select_features",
        "snapshots",
        "with_settings",
    ),
    "segkit.quality": ("EventCheck", "check_events"),
    "segkit.prepare": ("Preparer", "make_preparer"),
    "segkit.cluster": ("RFMSegmenter",),
    "segkit.bands": ("ValueBands",),
    "segkit.segmentation": ("Segmentation",),
    "segkit.segmenting": ("segment", "value_bands"),
    "segkit.trust": (
        "Trust",
        "assess",
        "multiverse",
        "outcome_scoreboard",
        "scan_clusters",
        "segment_outcomes",
        "segment_structure",
        "stability",
        "structure_test",
    ),
    "segkit.monitor": ("match_segments",),
    "segkit.projection": ("project",),
    "segkit.explain": ("compare", "cross_segments", "effect_sizes", "profile", "segment_sizes"),
    "segkit.plots": (
        "plot_confidence",
        "plot_consensus",
        "plot_coverage",
        "plot_cross",
        "plot_distributions",
        "plot_map",
        "plot_multiverse",
        "plot_profile",
        "plot_scan",
        "plot_scoreboard",
        "plot_sizes",
        "plot_stability",
        "plot_structure",
        "plot_trust",
    ),
    "segkit.widgets": ("ClusterTuner", "FeaturePicker", "SegmentExplorer"),
    "segkit.reporting": ("report",),
}
_MODULES = ("datasets", "features", "plots", "widgets")
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", "datasets", *sorted(_HOME_OF)]


def __getattr__(name):
    if name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    elif name in _MODULES:
        value = importlib.import_module("segkit." + name)
    else:
        raise AttributeError(f"module 'segkit' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(__all__))
