"""The rhythm of ordering: gaps between orders, how regular they are, and whether the next is late."""

from segkit.analyse.features.feature import Feature, family
from segkit.analyse.features.statistics import TERM, mean_of, share_of, std_of
from segkit.analyse.features.tables.context import SATURDAY
from segkit.core.engine.dialects import local_time


def _mean_gap(orders):
    return (orders.days_ago.max() - orders.days_ago.min()) / (orders.count() - 1).nullif(0)


def _regularity(gap_pairs):
    """Regularity from each gap and the one before it, which a slow change of pace does not touch.

    The squared contrast ((a − b) / (a + b))² of two gaps is 1 / (2k + 1) on average where gaps are
    gamma-distributed of shape k (Wheat & Morrison 1990, Estimating purchase regularity with two
    interpurchase times, Journal of Marketing Research 27; local variation in Shinomoto, Shima & Tanji 2003,
    Differences in spiking patterns among cortical neurons, Neural Computation 15). With its mean r,
    (1 − r) / (1 + r) is k / (k + 1).
    """
    both = (gap_pairs.days + gap_pairs.before).nullif(0)
    contrast = (gap_pairs.days - gap_pairs.before) / both
    r = mean_of((contrast * contrast).cast(TERM))
    return (1 - r) / (1 + r)


def _weekend_share(orders, *, timezone, dialect):
    day = local_time(orders.timestamp, timezone, dialect).day_of_week.index()
    return share_of(day >= SATURDAY)


CADENCE = family(
    "CADENCE",
    Feature("gap_mean", _mean_gap, "days", "Mean time between two orders."),
    Feature("gap_median", lambda gaps: gaps.days.median(), "days", "Median time between two orders."),
    Feature(
        "gap_std", lambda gaps: std_of(gaps.days), "days", "Standard deviation of the time between orders."
    ),
    Feature(
        "gap_cv",
        lambda gaps: std_of(gaps.days) / gaps.days.mean().cast("float64").nullif(0),
        "ratio",
        "Irregularity: standard deviation of the gaps over their mean. 0 is clockwork, 1 is chance where orders are "
        "many; with three, chance gives about 0.7.",
    ),
    Feature("gap_max", lambda gaps: gaps.days.max(), "days", "Longest time between two orders so far."),
    Feature(
        "overdue",
        lambda orders: orders.days_ago.min() / _mean_gap(orders).nullif(0),
        "ratio",
        "Time since the last order over the mean gap: at 2, twice the usual time has passed. Very rough where there "
        "are only two or three orders.",
    ),
    Feature(
        "next_order_due",
        lambda orders: _mean_gap(orders) - orders.days_ago.min(),
        "days",
        "Time until the next order would come after the mean gap; below 0, so long overdue.",
    ),
    Feature(
        "regularity",
        _regularity,
        "ratio",
        "How alike each gap is to the one before: 1 is clockwork, 0.5 chance, 0 bursts. Needs three orders.",
    ),
    Feature(
        "weekend_order_share",
        _weekend_share,
        "share",
        "Part of the orders that was placed on a Saturday or Sunday, by the shop's clock.",
    ),
)
