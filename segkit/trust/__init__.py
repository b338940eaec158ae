"""Whether segments are real, repeatable and useful."""

from segkit.trust.scan import scan_clusters, suggested_k

__all__ = ["scan_clusters", "suggested_k"]
