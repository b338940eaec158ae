"""What is in an order: how much, how varied, how discounted, how often sent back."""

from segkit.features._core import Feature, family
from segkit.features._words import favourite


def _entropy(categories):
    """Shannon entropy in bits; each term is made exact, so that their order cannot change the sum."""
    n = categories.lines.sum()
    terms = (categories.lines * categories.lines.cast("float64").log2()).cast("decimal(38, 9)").sum()
    return (n.cast("float64").log2() - terms.cast("float64") / n).round(9)


def _top_category(categories, *, dialect):
    return favourite(categories.category, categories.lines, dialect)


def _spent(lines, kind):
    return lines.amount.sum(where=lines.kind == kind).cast("float64")


def _discount_share(orders):
    given = orders.discount.sum().cast("float64")
    return given / (orders.amount.sum().cast("float64") + given).nullif(0)


BASKET = family(
    "BASKET",
    Feature(
        "average_order_value",
        lambda orders: orders.amount.sum().cast("float64") / orders.amount.count().nullif(0),
        "currency",
        "Mean value of an order.",
    ),
    Feature(
        "items_per_order",
        lambda orders: orders["items"].sum().cast("float64") / orders["items"].count().nullif(0),
        "items",
        "Mean number of items in an order.",
    ),
    Feature(
        "variety",
        lambda purchases: purchases.product_id.nunique(),
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
        "category_entropy", _entropy, "bits", "Spread over categories: 0 is a single one, 3 is like 8 alike."
    ),
    Feature(
        "top_category_share",
        lambda categories: categories.lines.max() / categories.lines.sum(),
        "share",
        "Part of the lines that is of the most bought category.",
    ),
    Feature("top_category", _top_category, "category", "The category of most lines."),
    Feature("discount_share", _discount_share, "share", "Discounts over what would have been paid without."),
    Feature(
        "return_rate",
        lambda lines: -_spent(lines, "return").fill_null(0) / _spent(lines, "purchase").nullif(0),
        "share",
        "Value sent back over value bought.",
        kinds=("purchase", "return"),
    ),
)
