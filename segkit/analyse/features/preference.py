"""What a customer likes: which products and brands, at what price, and how much of it is new to them."""

from segkit.analyse.features.feature import Feature, family
from segkit.analyse.features.statistics import entropy_of, favourite, share_of, spread_of
from segkit.analyse.features.tables.orders import MICROSECONDS_A_DAY

RECENT = 90  # days


def _top_product(products, *, dialect):
    return favourite(products.product_id, products.lines, dialect)


def _top_brand(brands, *, dialect):
    return favourite(brands.brand, brands.lines, dialect)


def _novelty(products):
    """New ones among the products of the last days; missing for who came in these days, to whom all is new."""
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
    Feature("top_product", _top_product, "product", "The product of most lines."),
    Feature(
        "top_product_share",
        lambda products: products.lines.max() / products.lines.sum(),
        "share",
        "Part of the lines that is of the most bought product.",
    ),
    Feature(
        "product_entropy",
        lambda products: entropy_of(products.lines),
        "bits",
        "Spread over products: 0 is a single one, 3 is like 8 alike. It grows with the number of lines: "
        "compare customers with about as many.",
    ),
    Feature(
        "repeat_product_share",
        lambda products: share_of(products.first_age > products.last_age),
        "share",
        "Part of the products that was bought again at a later time. It grows with the number of lines: "
        "compare customers with about as many.",
    ),
    Feature(
        "novelty",
        _novelty,
        "share",
        f"Part of the products of the last {RECENT} days that was never bought before; known of who bought before, so "
        f"a window must be longer than {RECENT} days. It shrinks with the number of lines: compare customers with "
        "about as many.",
    ),
    Feature("top_brand", _top_brand, "brand", "The brand of most lines."),
    Feature(
        "top_brand_share",
        lambda brands: brands.lines.max() / brands.lines.sum(),
        "share",
        "Brand loyalty: part of the lines that is of the most bought brand. It shrinks with the number of lines: "
        "compare customers with about as many.",
    ),
    Feature("price_level", _price_level, "currency per item", "Mean price paid for one item."),
    Feature(
        "price_spread",
        _price_spread,
        "factor",
        "By which factor prices paid usually differ from the typical one: 1 is always alike, 2 is half to double.",
    ),
)
