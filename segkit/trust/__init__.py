"""How far to believe segments: what the data says, and what it cannot say."""

from segkit.trust.multiverse import Multiverse, multiverse
from segkit.trust.outcome import outcome_scoreboard, segment_outcomes
from segkit.trust.repeatability import Stability, stability
from segkit.trust.scan import defensible_k, scan_clusters, suggested_k

__all__ = [
    "Multiverse",
    "Stability",
    "defensible_k",
    "multiverse",
    "outcome_scoreboard",
    "scan_clusters",
    "segment_outcomes",
    "stability",
    "suggested_k",
]
