"""Features of cadence: gaps between orders, their regularity, and whether the next order is late."""

from segkit.analyse.features.feature import Feature, family
from segkit.analyse.features.statistics import TERM, mean_of, share_of, std_of
from segkit.analyse.features.tables.context import SATURDAY
from segkit.core.engine.dialects import local_time


def _mean_gap(orders):
    return (orders.days_ago.max() - orders.days_ago.min()) / (orders.count() - 1).nullif(0)


def _regularity(gap_pairs):
    """Estimate regularity from consecutive gaps, so that a slow change of pace does not matter.

    For gamma-distributed gaps of shape k, the squared contrast ((a − b) / (a + b))² of two gaps is 1 / (2k + 1) on
    average (Wheat & Morrison 1990, Estimating purchase regularity with two interpurchase times, Journal of Marketing
    Research 27; local variation in Shinomoto, Shima & Tanji 2003, Differences in spiking patterns among cortical
    neurons, Neural Computation 15). With its mean r, (1 − r) / (1 + r) is k / (k + 1).
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
    Feature(
        "gap_mean",
        _mean_gap,
        "days",
        "Average time between two orders.",
        synonyms=("purchase cycle", "interpurchase time"),
    ),
    Feature(
        "gap_median",
        lambda gaps: gaps.days.median(),
        "days",
        "Typical time between two orders (median).",
        synonyms=("purchase cycle", "interpurchase time"),
    ),
    Feature(
        "gap_std",
        lambda gaps: std_of(gaps.days),
        "days",
        "Variation of the time between orders (standard deviation).",
    ),
    Feature(
        "gap_cv",
        lambda gaps: std_of(gaps.days) / gaps.days.mean().cast("float64").nullif(0),
        "ratio",
        "Irregularity of orders: 0 = always the same gap, 1 = random. With only three orders, random is about 0.7.",
        synonyms=("regular", "loyal"),
    ),
    Feature("gap_max", lambda gaps: gaps.days.max(), "days", "Longest time between two orders so far."),
    Feature(
        "overdue",
        lambda orders: orders.days_ago.min() / _mean_gap(orders).nullif(0),
        "ratio",
        "Lateness of the next order: time since the last one compared with the customer's usual gap; 2 = twice the "
        "usual time has passed. Rough with only two or three orders.",
        synonyms=("churn", "lapsed", "at risk"),
    ),
    Feature(
        "next_order_due",
        lambda orders: _mean_gap(orders) - orders.days_ago.min(),
        "days",
        "Days until the next order at the usual pace; negative = overdue.",
        synonyms=("churn", "at risk", "reorder"),
    ),
    Feature(
        "regularity",
        _regularity,
        "ratio",
        "Regularity of orders: how similar consecutive gaps are; 1 = like clockwork, 0.5 = random, 0 = in bursts. "
        "Needs three orders.",
        synonyms=("regular", "clumpiness", "loyal"),
    ),
    Feature(
        "weekend_order_share",
        _weekend_share,
        "share",
        "Share of orders on a Saturday or Sunday (in the shop's time zone).",
    ),
)
