"""Features of RFM: recency, frequency, monetary value, and tenure."""

from segkit.analyse.features.feature import Feature, family

RFM = family(
    "RFM",
    Feature(
        "recency",
        lambda orders: orders.days_ago.min(),
        "days",
        "Time since the last order.",
        synonyms=("churn", "lapsed", "inactive", "dormant"),
    ),
    Feature(
        "frequency",
        lambda orders: orders.count(),
        "orders",
        "Number of orders, including the first.",
        empty=0,
        synonyms=("loyal", "repeat purchases", "number of purchases"),
    ),
    Feature(
        "monetary",
        lambda orders: orders.amount.sum(),
        "currency",
        "Total value of all orders.",
        empty=0,
        synonyms=("lifetime value", "customer value", "revenue", "sales", "spend", "turnover"),
    ),
    Feature(
        "tenure",
        lambda orders: orders.days_ago.max(),
        "days",
        "Time since the first order.",
        synonyms=("lifetime", "loyal", "customer age", "length of relationship"),
    ),
)
