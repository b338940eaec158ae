"""Features of RFM: recency, frequency, monetary value, and tenure."""

from segkit.analyse.features.feature import Feature, family

RFM = family(
    "RFM",
    Feature("recency", lambda orders: orders.days_ago.min(), "days", "Time since the last order."),
    Feature(
        "frequency",
        lambda orders: orders.count(),
        "orders",
        "Number of orders, including the first.",
        empty=0,
    ),
    Feature(
        "monetary", lambda orders: orders.amount.sum(), "currency", "Total value of all orders.", empty=0
    ),
    Feature("tenure", lambda orders: orders.days_ago.max(), "days", "Time since the first order."),
)
