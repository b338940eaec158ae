"""Charts: a table in, an Altair chart out. They draw what was computed, and compute nothing."""

from segkit.plots.confidence import plot_confidence
from segkit.plots.cross import plot_cross
from segkit.plots.distributions import plot_distributions
from segkit.plots.map import plot_map
from segkit.plots.multiverse import plot_multiverse
from segkit.plots.profile import plot_profile
from segkit.plots.quality import plot_coverage
from segkit.plots.scan import plot_scan
from segkit.plots.scoreboard import plot_scoreboard
from segkit.plots.sizes import plot_sizes
from segkit.plots.stability import plot_consensus, plot_stability
from segkit.plots.structure import plot_structure
from segkit.plots.theme import draw_without_network
from segkit.plots.trust import plot_trust

__all__ = [
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
]

draw_without_network()
