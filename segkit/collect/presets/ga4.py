"""Google Analytics 4: the event export to BigQuery."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ibis.expr.datatypes as dt

from segkit.collect.presets.helper_columns import (
    AMOUNT,
    CUSTOMER,
    DISCOUNT,
    ITEM,
    KIND,
    ORDER,
    ORDER_KEY,
    TIME,
    TOTAL,
)
from segkit.collect.presets.order_lines import (
    no_products,
    order_or,
    price_times_quantity,
    refuse_unread,
    sales_as_lines,
    with_sales,
)
from segkit.collect.presets.preset import Preset
from segkit.collect.presets.rows import Rows, Value
from segkit.collect.presets.sql import (
    TEXT,
    as_number,
    coalesced,
    fields,
    in_known_spelling,
    is_any,
    type_of_shape,
)
from segkit.collect.values import MISSING_WORDS


def _parameter(key: str) -> Callable[[Rows], Value | None]:
    """Return an event parameter of any type."""

    def column(rows: Rows) -> Value | None:
        parameters = rows.at("event_params")
        if parameters is None:
            return None
        sent = f"list_filter({parameters.sql}, lambda pair: pair['key'] = '{key}')[1]['value']"
        types = ("string", "int", "double", "float")
        return Value(coalesced(*(f"{sent}['{kind}_value']" for kind in types)), dt.string)

    return column


def _seconds(rows: Rows) -> Value | None:
    milliseconds = _parameter("engagement_time_msec")(rows)
    return None if milliseconds is None else Value(f"({as_number(milliseconds.sql)}) / 1000", dt.float64)


def _reshape(rows: Rows, kinds: Mapping[str, str]) -> Rows:
    rows = rows.with_columns({KIND: in_known_spelling(rows.text("event_name"), kinds)})
    id_said = rows.text("ecommerce.transaction_id", _parameter("transaction_id"))
    order = f"CASE WHEN NOT {is_any(id_said, MISSING_WORDS)} THEN {id_said} END"
    refunded = rows.text("ecommerce.refund_value", _parameter("value"))
    paid = rows.text("ecommerce.purchase_revenue", _parameter("value"))
    returns = [word for word, kind in kinds.items() if kind == "return"]
    total = f"CASE WHEN {is_any(KIND, returns)} THEN {refunded} ELSE {paid} END"
    sale = {
        ORDER: order,
        ORDER_KEY: order,
        TOTAL: as_number(total),
        TIME: rows.text("event_timestamp"),
        CUSTOMER: rows.text(*CUSTOMER_IDS),
    }
    item = type_of_shape(PRODUCT)
    products = rows.first("items", no_products(item)).sql
    rows = with_sales(rows, kinds, columns=sale, products=products, price=_price)
    lines = sales_as_lines(refuse_unread(rows, total), item, _price)
    # Without an id, lines of the same customer and time are one sale.
    own = f"'ga4 ' || {rows.text(*CUSTOMER_IDS)} || ' ' || {rows.text('event_timestamp')}"
    return lines.with_columns({ORDER: order_or(own)})


def _price(item: str) -> str:
    """Return price × quantity, else the product that GA4 gives."""
    own = (as_number(f"{item}['{name}']") for name in ("item_revenue", "item_refund"))
    return coalesced(price_times_quantity(item), *own)


LEGACY = {"ecommerce_purchase": "purchase", "purchase_refund": "return"}
"""The names that apps sent before 2020."""
CUSTOMER_IDS = ("user_id", "user_pseudo_id")
PRODUCT = fields("item_id item_name item_brand item_category price quantity item_revenue item_refund coupon")
GA4 = Preset(
    name="ga4",
    title="Google Analytics 4, event export to BigQuery",
    file="the tables events_YYYYMMDD as JSON lines or Parquet, one event a row.",
    counts=(
        "A purchase or refund is one row for each item. The rows share ecommerce.purchase_revenue "
        "(refund_value), else the value parameter, in proportion to price × quantity. A repeated "
        "transaction_id is refused, and so is a refund without an amount, which GA4 sends when a whole "
        "order is refunded. GA4 leaves out known bots by itself, and marks none. "
        "Shipping and tax are included only where your tags add them to the revenue. "
        'in_app_purchase is not a sale unless you say so: kinds={"in_app_purchase": "purchase"} counts it '
        "by its value parameter."
    ),
    cites=(
        "https://developers.google.com/analytics/bigquery/event-schema",
        "https://support.google.com/firebase/answer/7029846",
        "https://support.google.com/analytics/answer/9267735",
        "https://support.google.com/analytics/answer/9234069",
        "https://taggingdocs.com/ga4/bigquery/schema-reference",
        "https://github.com/Velir/dbt-ga4 macros/base_select.sql",
    ),
    columns={
        "customer_id": CUSTOMER_IDS,
        "timestamp": "event_timestamp",
        "kind": "event_name",
        "order_id": ORDER,
        "product_id": (f"{ITEM}.item_id", f"{ITEM}.item_name"),
        "category": f"{ITEM}.item_category",
        "brand": f"{ITEM}.item_brand",
        "quantity": f"{ITEM}.quantity",
        "amount": AMOUNT,
        "discount": DISCOUNT,
        "channel": (_parameter("medium"), "traffic_source.medium"),
        "campaign": (_parameter("campaign"), "traffic_source.name"),
        "page": _parameter("page_location"),
        "duration": _seconds,
        "place": "geo.country",
        "device": "device.category",
    },
    kinds={
        "page_view": "page_view",
        "screen_view": "page_view",
        "search": "search",
        "view_search_results": "search",
        "add_to_cart": "cart_add",
        "session_start": "visit",
        "share": "social_share",
        "notification_receive": "push_sent",
        "notification_open": "push_open",
        # Of somebody else's ad that the app shows, not of the shop's own.
        "ad_click": "hosted_ad_click",
        "purchase": "purchase",
        "refund": "return",
        **LEGACY,
    },
    formats=("epoch_us",),
    nested={
        "event_params": [{"key": TEXT, "value": fields("string_value int_value float_value double_value")}],
        "device": fields("category"),
        "geo": fields("country region"),
        "traffic_source": fields("name medium source"),
        "ecommerce": fields("transaction_id purchase_revenue refund_value"),
        "items": [PRODUCT],
    },
    reshape=_reshape,
    aliases=((("user_pseudo_id",), ("user_id",)),),
    currency=_parameter("currency"),
)
