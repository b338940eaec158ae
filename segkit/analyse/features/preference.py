"""Features of preference: products, brands, prices, and interest in new products."""

from segkit.analyse.features.feature import Feature, family
from segkit.analyse.features.statistics import entropy_of, favourite, share_of, spread_of
from segkit.analyse.features.tables.orders import MICROSECONDS_A_DAY

RECENT = 90  # days


def _top_product(products, *, dialect):
    return favourite(products.product_id, products.lines, dialect)


def _top_brand(brands, *, dialect):
    return favourite(brands.brand, brands.lines, dialect)


def _novelty(products):
    """Share of new products in recent days; missing for new customers, to whom every product is new."""
    recent = RECENT * MICROSECONDS_A_DAY
    share = share_of(products.first_age <= recent, of=products.last_age <= recent)
    return (products.first_age.max() > recent).ifelse(share, None)


def _price_level(purchases):
    known = purchases.amount.notnull() & (purchases.quantity > 0)
    paid, items = purchases.amount.sum(where=known), purchases.quantity.sum(where=known)
    return paid.cast("float64") / items.cast("float64")


def _price_spread(purchases):
    items = (purchases.quantity > 0).ifelse(purchases.quantity.cast("float64"), None)
    return spread_of(purchases.amount.cast("float64") / items)


PREFERENCE = family(
    "PREFERENCE",
    Feature("top_product", _top_product, "product", "The product bought most often."),
    Feature(
        "top_product_share",
        lambda products: products.lines.max() / products.lines.sum(),
        "share",
        "Share of purchases of the customer's main product.",
    ),
    Feature(
        "product_entropy",
        lambda products: entropy_of(products.lines),
        "bits",
        "Variety of products: 0 = one product, 3 = as varied as 8 equal ones. Frequent buyers score higher, so "
        "compare customers with similar numbers of purchases.",
        synonyms=("breadth", "diversity"),
    ),
    Feature(
        "repeat_product_share",
        lambda products: share_of(products.first_age > products.last_age),
        "share",
        "Share of products that were bought again later. Frequent buyers score higher, so compare customers with "
        "similar numbers of purchases.",
        synonyms=("loyal", "replenishment"),
    ),
    Feature(
        "novelty",
        _novelty,
        "share",
        f"Share of new products: those of the last {RECENT} days that the customer had not bought before. Needs "
        f"earlier purchases, so a window must be longer than {RECENT} days. Frequent buyers score lower, so compare "
        "customers with similar numbers of purchases.",
        synonyms=("explorer", "curious", "new products"),
    ),
    Feature("top_brand", _top_brand, "brand", "The brand bought most often."),
    Feature(
        "top_brand_share",
        lambda brands: brands.lines.max() / brands.lines.sum(),
        "share",
        "Brand loyalty: share of purchases of the customer's main brand. Frequent buyers score lower, so compare "
        "customers with similar numbers of purchases.",
        synonyms=("loyal",),
    ),
    Feature(
        "price_level",
        _price_level,
        "currency per item",
        "Average price paid for one item.",
        synonyms=("premium", "cheap", "willingness to pay"),
    ),
    Feature(
        "price_spread",
        _price_spread,
        "factor",
        "Variation of prices paid: 1 = always the same, 2 = usually between half and double the typical price.",
    ),
)
