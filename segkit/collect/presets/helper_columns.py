"""Names of the columns that presets add while they reshape an export."""

from __future__ import annotations

KIND = "segkit_kind"
REFUSED = "segkit_refused"
"""Why a row is no event; missing where it is one."""
HAS_ESSENTIALS = "segkit_has_essentials"
"""Whether a row has a customer and a time that can be read."""
TIME = "segkit_time"
TEXT_SAID = "segkit_text"
RATING = "segkit_rating"

# Of orders and other sales
ORDER = "segkit_order"
ORDER_KEY = "segkit_order_key"
"""Unique to a purchase, such as the id of its order; missing where the export has no such id."""
CUSTOMER = "segkit_customer"
TOTAL = "segkit_total"
"""The amount paid for the goods of a sale; missing where it is not known."""
PRODUCTS = "segkit_products"
"""The list of products in a sale."""
UNPRICED = "segkit_unpriced"
"""The share of products in a sale without a known amount, from 0 to 1."""
ITEM = "segkit_item"
"""One of these products."""
IS_SALE = "segkit_is_sale"
"""Whether a row is a purchase or a return."""
IS_RETURN = "segkit_is_return"

# Of the lines of a sale
SALE = "segkit_sale"
"""The same for all lines of a sale."""
LINE_NUMBER = "segkit_line_number"
"""The position of a line in its sale, from 0."""
LIST_PRICE = "segkit_list_price"
"""The price of a line without the discount of the order."""
AMOUNT = "segkit_amount"
DISCOUNT = "segkit_discount"
