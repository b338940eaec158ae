"""What is in an order: how much, how varied, how discounted, how often sent back."""

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
        "average_order_value", lambda orders: mean_of(orders.amount), "currency", "Mean value of an order."
    ),
    Feature("order_value_max", lambda orders: orders.amount.max(), "currency", "Value of the biggest order."),
    Feature(
        "order_value_min", lambda orders: orders.amount.min(), "currency", "Value of the smallest order."
    ),
    Feature(
        "order_value_spread",
        lambda orders: spread_of(orders.amount),
        "factor",
        "By which factor orders usually differ from the typical one: 1 is always alike, 2 is half to double.",
    ),
    Feature(
        "items_per_order",
        lambda orders: mean_of(orders["items"]),
        "items",
        "Mean number of items in an order.",
    ),
    Feature(
        "lines_per_order",
        lambda orders: orders.lines.sum().cast("float64") / orders.count(),
        "lines",
        "Mean number of lines in an order: different things, however many of each.",
    ),
    Feature(
        "single_item_order_share",
        lambda orders: share_of(orders["items"] == 1),
        "share",
        "Part of the orders that is of one item only.",
    ),
    Feature(
        "variety",
        lambda products: products.count(),
        "products",
        "Number of different products.",
        empty=0,
    ),
    Feature(
        "category_count",
        lambda categories: categories.count(),
        "categories",
        "Number of different categories.",
        empty=0,
    ),
    Feature(
        "category_entropy",
        lambda categories: entropy_of(categories.lines),
        "bits",
        "Spread over categories: 0 is a single one, 3 is like 8 alike. It grows with the number of lines: "
        "compare customers with about as many.",
    ),
    Feature(
        "top_category_share",
        lambda categories: categories.lines.max() / categories.lines.sum(),
        "share",
        "Part of the lines that is of the most bought category. It shrinks with the number of lines: "
        "compare customers with about as many.",
    ),
    Feature("top_category", _top_category, "category", "The category of most lines."),
    Feature(
        "discount_share",
        _discount_share,
        "share",
        "Discounts over what would have been paid without; a blank discount is none.",
    ),
    Feature(
        "discounted_order_share",
        lambda orders: share_of(orders.discount.fill_null(0) > 0),
        "share",
        "Part of the orders that had any discount; a blank discount is none.",
    ),
    Feature(
        "return_rate",
        lambda events: (0 - _spent(events, "return").fill_null(0)) / _spent(events, "purchase").nullif(0),
        "share",
        "Value sent back over value bought.",
        kinds=("purchase", "return"),
    ),
)
