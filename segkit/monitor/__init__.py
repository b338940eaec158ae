"""Segments over time: what became of them."""

from segkit.monitor.identity import match_segments

__all__ = ["match_segments"]
