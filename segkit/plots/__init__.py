"""Charts: a table in, an Altair chart out. They draw what was computed, and compute nothing."""

from segkit.plots.confidence import plot_confidence
from segkit.plots.cross import plot_cross
from segkit.plots.distributions import plot_distributions
from segkit.plots.map import plot_map
from segkit.plots.profile import plot_profile
from segkit.plots.quality import plot_coverage
from segkit.plots.scan import plot_scan
from segkit.plots.sizes import plot_sizes
from segkit.plots.theme import draw_without_network

__all__ = [
    "plot_confidence",
    "plot_coverage",
    "plot_cross",
    "plot_distributions",
    "plot_map",
    "plot_profile",
    "plot_scan",
    "plot_sizes",
]

draw_without_network()
