"""How far to believe segments: what the data says, and what it cannot say."""

from segkit.trust.scan import defensible_k, scan_clusters, suggested_k
from segkit.trust.stability import Stability, stability

__all__ = ["Stability", "defensible_k", "scan_clusters", "stability", "suggested_k"]
