"""How far to believe segments: what the data says, and what it cannot say."""

from segkit.trust.choice import choose_segments, told_structure
from segkit.trust.outcome import outcome_scoreboard, segment_outcomes
from segkit.trust.repeatability import Stability, stability
from segkit.trust.scan import defensible_k, scan_clusters, suggested_k
from segkit.trust.structure import StructureTest, segment_structure, structure_test
from segkit.trust.travelling import Multiverse, multiverse
from segkit.trust.verdicts import Trust, assess

__all__ = [
    "Multiverse",
    "Stability",
    "StructureTest",
    "Trust",
    "assess",
    "choose_segments",
    "defensible_k",
    "multiverse",
    "outcome_scoreboard",
    "scan_clusters",
    "segment_outcomes",
    "segment_structure",
    "stability",
    "structure_test",
    "suggested_k",
    "told_structure",
]
