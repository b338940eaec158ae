"""What the segments are: sizes, and what sets each apart."""

from segkit.explain.cross import cross_segments
from segkit.explain.profile import compare, effect_sizes, profile, segment_sizes

__all__ = ["compare", "cross_segments", "effect_sizes", "profile", "segment_sizes"]
