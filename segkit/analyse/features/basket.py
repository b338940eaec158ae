"""Features of baskets: value, size, variety, discounts and returns of orders."""

from segkit.analyse.features.feature import Feature, family
from segkit.analyse.features.statistics import entropy_of, favourite, mean_of, share_of, spread_of


def _top_category(categories, *, dialect):
    return favourite(categories.category, categories.lines, dialect)


def _spent(events, kind):
    return events.amount.sum(where=events.kind == kind).cast("float64")


def _discount_share(orders):
    given = orders.discount.sum().fill_null(0).cast("float64")
    return given / (orders.amount.sum().cast("float64") + given).nullif(0)


BASKET = family(
    "BASKET",
    Feature(
        "average_order_value",
        lambda orders: mean_of(orders.amount),
        "currency",
        "Average value of an order.",
        synonyms=("basket size", "AOV", "spend"),
    ),
    Feature("order_value_max", lambda orders: orders.amount.max(), "currency", "Value of the largest order."),
    Feature(
        "order_value_min", lambda orders: orders.amount.min(), "currency", "Value of the smallest order."
    ),
    Feature(
        "order_value_spread",
        lambda orders: spread_of(orders.amount),
        "factor",
        "Variation of order values: 1 = always the same, 2 = usually between half and double the typical value.",
    ),
    Feature(
        "items_per_order",
        lambda orders: mean_of(orders["items"]),
        "items",
        "Average number of items in an order.",
        synonyms=("basket size", "units per transaction"),
    ),
    Feature(
        "lines_per_order",
        lambda orders: orders.lines.sum().cast("float64") / orders.count(),
        "lines",
        "Average number of different products in an order (as order lines).",
    ),
    Feature(
        "single_item_order_share",
        lambda orders: share_of(orders["items"] == 1),
        "share",
        "Share of orders with a single item.",
    ),
    Feature(
        "variety",
        lambda products: products.count(),
        "products",
        "Number of different products bought.",
        empty=0,
        synonyms=("breadth", "cross-selling"),
    ),
    Feature(
        "category_count",
        lambda categories: categories.count(),
        "categories",
        "Number of different categories bought.",
        empty=0,
        synonyms=("breadth", "cross-selling"),
    ),
    Feature(
        "category_entropy",
        lambda categories: entropy_of(categories.lines),
        "bits",
        "Variety of categories: 0 = one category, 3 = as varied as 8 equal ones. Frequent buyers score higher, so "
        "compare customers with similar numbers of purchases.",
        synonyms=("breadth", "diversity"),
    ),
    Feature(
        "top_category_share",
        lambda categories: categories.lines.max() / categories.lines.sum(),
        "share",
        "Share of purchases in the customer's main category. Frequent buyers score lower, so compare customers with "
        "similar numbers of purchases.",
    ),
    Feature("top_category", _top_category, "category", "The category bought most often."),
    Feature(
        "discount_share",
        _discount_share,
        "share",
        "Discounts as a share of the full price. An empty discount counts as none.",
        synonyms=("promotion", "coupon", "price sensitive", "bargain"),
    ),
    Feature(
        "discounted_order_share",
        lambda orders: share_of(orders.discount.fill_null(0) > 0),
        "share",
        "Share of orders with a discount. An empty discount counts as none.",
        synonyms=("promotion", "coupon", "price sensitive", "bargain"),
    ),
    Feature(
        "return_rate",
        lambda events: (0 - _spent(events, "return").fill_null(0)) / _spent(events, "purchase").nullif(0),
        "share",
        "Returned value as a share of purchased value.",
        kinds=("purchase", "return"),
        synonyms=("refunds", "sent back"),
    ),
)
