"""Which way a customer is going: the last days, the last quarter against the one before, and the pace of it all."""

from segkit.analyse.features.feature import Feature, family
from segkit.analyse.features.tables.orders import DAYS

QUARTER = 91.0  # days
WEEKS = 26
LONG_ENOUGH = "a window must be longer than 182 days"


def _change(orders, amount):
    """Relative change from −1 to 1; missing for who was no customer yet when the quarter before began.

    Who came in the midst of that quarter would seem to grow, and so would everyone where the log, or the
    window, begins in the midst of it.
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
    """Least squares over the last 26 weeks, weeks without orders counting as zero spent.

    Missing for who was no customer yet when they began: a span that starts with the first order starts
    with spend, so that every newcomer would seem to decline.

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
    """Laplace's test: where the orders after the first lie, on average, between the first and now.

    Under a steady pace that is the middle, and the distance from it over its standard deviation, which is
    the span over √(12 n), is about normal (Cox & Lewis 1966, The Statistical Analysis of Series of Events,
    ch. 3).
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
        f"Number of orders of the last {days} days.",
        empty=0,
    )


def _spend_within(days):
    return Feature(
        f"spend_{days}d",
        lambda orders: orders.amount.sum(where=orders.days_ago <= days),
        "currency",
        f"Total value of the orders of the last {days} days.",
        empty=0,
    )


TREND = family(
    "TREND",
    *(make(days) for make in (_orders_within, _spend_within) for days in (7, 30, 90)),
    Feature(
        "orders_change",
        _orders_change,
        "ratio",
        "Orders of the last 91 days against the 91 before: (last − before) / (last + before). "
        f"Of who ordered before both: {LONG_ENOUGH}.",
    ),
    Feature(
        "spend_change",
        _spend_change,
        "ratio",
        "Spend of the last 91 days against the 91 before: (last − before) / (last + before). "
        f"Of who ordered before both: {LONG_ENOUGH}.",
    ),
    Feature(
        "spend_slope",
        _spend_slope,
        "currency per week",
        f"Growth of weekly spend over the last 26 weeks. Of who ordered before them: {LONG_ENOUGH}.",
    ),
    Feature(
        "order_trend",
        _order_trend,
        "standard deviations",
        "Pace of ordering from the first order until now: above 2 ever faster, below −2 ever slower, 0 steady.",
    ),
)
