"""What the segments are: sizes, and what sets each apart."""

from segkit.explain.profile import compare, effect_sizes, profile, segment_sizes

__all__ = ["compare", "effect_sizes", "profile", "segment_sizes"]
