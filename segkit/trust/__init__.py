"""Whether segments are real, repeatable and useful."""

from segkit.trust.scan import scan_clusters

__all__ = ["scan_clusters"]
