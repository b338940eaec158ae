"""Features of trend: recent days, the last quarter against the one before, and the pace of ordering."""

from segkit.analyse.features.feature import Feature, family
from segkit.analyse.features.tables.orders import DAYS

QUARTER = 91.0  # days
WEEKS = 26
OLD_CUSTOMERS = "Needs an order more than 182 days ago, so a window must be longer than that."


def _change(orders, amount):
    """Relative change from −1 to 1, missing for customers who were new in the earlier quarter.

    They would seem to grow, and so would all customers where the log or the window begins in that quarter.
    """
    last = amount(orders.days_ago <= QUARTER)
    before = amount((orders.days_ago > QUARTER) & (orders.days_ago <= 2 * QUARTER))
    change = (last - before) / (last + before).nullif(0)
    return (orders.days_ago.max() >= 2 * QUARTER).ifelse(change, None)


def _orders_change(orders):
    return _change(orders, lambda when: orders.count(where=when).cast("float64"))


def _spend_change(orders):
    return _change(orders, lambda when: orders.amount.sum(where=when).fill_null(0).cast("float64"))


def _spend_slope(orders):
    """Slope by least squares over the last 26 weeks; weeks without orders count as zero.

    Missing for newer customers: a period that starts with the first order starts with spend, so that every new
    customer would seem to decline.

    With weeks t = 0 (now) … n − 1 and spend s(t), the slope over time is
    −(Σ t·s − t̄·Σ s) / Σ (t − t̄)², which needs no table of weeks.
    """
    weeks_ago = (orders.days_ago / 7).floor()
    recent = weeks_ago < WEEKS
    spent = orders.amount.sum(where=recent).fill_null(0).cast("float64")
    moment = (orders.amount * weeks_ago.cast("int64")).sum(where=recent).fill_null(0).cast("float64")
    spread = WEEKS * (WEEKS * WEEKS - 1) / 12
    slope = ((WEEKS - 1) / 2 * spent - moment) / spread
    return (orders.days_ago.max() >= 7.0 * WEEKS).ifelse(slope, None)


def _order_trend(orders):
    """Laplace's test for a trend in the times of the orders after the first.

    At a steady pace their mean lies in the middle between the first order and now. Its distance from the middle,
    divided by the span over √(12 n), is about normal (Cox & Lewis 1966, The Statistical Analysis of Series of
    Events, ch. 3).
    """
    n = orders.count() - 1
    span = orders.days_ago.max()
    after_first = orders.count() * span - orders.days_ago.cast(DAYS).sum().cast("float64")
    return (after_first / (n * span).nullif(0) - 0.5) * (12.0 * n).sqrt()


def _orders_within(days):
    return Feature(
        f"orders_{days}d",
        lambda orders: orders.count(where=orders.days_ago <= days),
        "orders",
        f"Number of orders in the last {days} days.",
        empty=0,
    )


def _spend_within(days):
    return Feature(
        f"spend_{days}d",
        lambda orders: orders.amount.sum(where=orders.days_ago <= days),
        "currency",
        f"Total value of orders in the last {days} days.",
        empty=0,
    )


TREND = family(
    "TREND",
    *(make(days) for make in (_orders_within, _spend_within) for days in (7, 30, 90)),
    Feature(
        "orders_change",
        _orders_change,
        "ratio",
        "Change in orders: the last 91 days compared with the 91 days before; −1 = only before, 0 = equal, 1 = only "
        "now. "
        f"{OLD_CUSTOMERS}",
        synonyms=("churn", "decline", "growth"),
    ),
    Feature(
        "spend_change",
        _spend_change,
        "ratio",
        "Change in spend: the last 91 days compared with the 91 days before; −1 = only before, 0 = equal, 1 = only "
        "now. "
        f"{OLD_CUSTOMERS}",
        synonyms=("churn", "decline", "growth"),
    ),
    Feature(
        "spend_slope",
        _spend_slope,
        "currency per week",
        f"Growth of weekly spend: over the last 26 weeks; negative = it fell. {OLD_CUSTOMERS}",
        synonyms=("churn", "decline", "trend"),
    ),
    Feature(
        "order_trend",
        _order_trend,
        "standard deviations",
        "Change of pace since the first order: above 2 = orders come ever faster, below −2 = ever slower, 0 = steady.",
        synonyms=("churn", "slowing", "accelerating"),
    ),
)
