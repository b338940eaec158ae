"""Widgets: they hold a person's choices, call the public functions, and read back as plain Python."""

from segkit.widgets.cluster_tuner import ClusterTuner
from segkit.widgets.feature_picker import FeaturePicker
from segkit.widgets.segment_explorer import SegmentExplorer

__all__ = ["ClusterTuner", "FeaturePicker", "SegmentExplorer"]
