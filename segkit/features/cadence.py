"""The rhythm of ordering: gaps between orders, how regular they are, and whether the next is late."""

import ibis

from segkit.features._core import Feature, family


def _mean_gap(orders):
    return (orders.days_ago.max() - orders.days_ago.min()) / (orders.count() - 1).nullif(0)


def _gap_std(gaps):
    """Sample standard deviation from exact sums, so that the order of rows cannot change its last digits."""
    n, total, squares = gaps.count(), gaps.days.sum().cast("float64"), _squares(gaps.days).cast("float64")
    return (ibis.greatest(squares - total * total / n, 0) / (n - 1).nullif(0)).sqrt()


def _squares(days):
    return (days * days).cast("decimal(38, 18)").sum()


CADENCE = family(
    "CADENCE",
    Feature("gap_mean", _mean_gap, "days", "Mean time between two orders."),
    Feature("gap_median", lambda gaps: gaps.days.median(), "days", "Median time between two orders."),
    Feature("gap_std", _gap_std, "days", "Standard deviation of the time between orders."),
    Feature(
        "gap_cv",
        lambda gaps: _gap_std(gaps) / gaps.days.mean().cast("float64").nullif(0),
        "ratio",
        "Irregularity: standard deviation of the gaps over their mean. 0 is clockwork, 1 is chance.",
    ),
    Feature("gap_max", lambda gaps: gaps.days.max(), "days", "Longest time between two orders so far."),
    Feature(
        "overdue",
        lambda orders: orders.days_ago.min() / _mean_gap(orders).nullif(0),
        "ratio",
        "Time since the last order over the mean gap: at 2, twice the usual time has passed.",
    ),
)
