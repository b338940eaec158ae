"""Web analytics: GA4 event exports, Segment's calls, Snowplow's events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import ibis

from segkit.collect.presets.columns import as_number, at, fields, found, is_any, number, text
from segkit.collect.presets.order_lines import (
    AMOUNT,
    BACK,
    DISCOUNT,
    ITEM,
    KIND,
    LINES,
    ONCE,
    ORDER,
    REFUSED,
    TOTAL,
    WHEN,
    WHO,
    WORTHLESS,
    alike,
    only_product,
    order_lines,
    repeats_refused,
    unpriced,
)
from segkit.collect.presets.preset import TEXT, Preset

if TYPE_CHECKING:
    import ibis.expr.types as ir

NO_ID = ("(not set)", "undefined", "null")


def _words_for(kinds: Mapping[str, str], *wanted: str) -> list[str]:
    return [word for word, kind in kinds.items() if kind in wanted]


def _priced(item: ir.Value, price: str = "price") -> ir.Value:
    return as_number(item[price]) * as_number(item["quantity"]).fill_null(1.0)


def _sales_as_lines(
    table: ir.Table,
    kinds: Mapping[str, str],
    sale: Callable[[ir.Table], dict[str, ir.Column]],
    worth: Callable[[ir.Value], ir.Value],
    products: Callable[[ir.Table], ir.Column],
) -> ir.Table:
    """Turn sales and returns into product lines, and leave other events as they are, with their one product."""
    back = _words_for(kinds, "return")
    sold = is_any(table[KIND], [*_words_for(kinds, "purchase"), *back])
    sales = table.filter(sold)
    sales = sales.mutate(**sale(sales), **{BACK: is_any(sales[KIND], back), LINES: products(sales)})
    lines = order_lines(sales, worth)
    worthless = (lines[BACK] & lines[AMOUNT].isnull()).ifelse(WORTHLESS, ibis.null("string"))
    lines = lines.mutate(**{REFUSED: ibis.coalesce(lines[REFUSED], worthless)})
    lines = lines.drop(ONCE, TOTAL, WHEN, WHO, BACK)
    rest = table.filter(~sold)
    return alike(lines, rest.mutate(**{ITEM: only_product(products(rest))}))


def _priced_if_sold(
    kinds: Mapping[str, str],
    sale: Callable[[ir.Table], dict[str, ir.Column]],
    worth: Callable[[ir.Value], ir.Value],
    products: Callable[[ir.Table], ir.Column],
) -> Callable[[ir.Table], ir.Column]:
    """Say of which rows the amount is known, if they are sales or returns at all."""

    def known(table: ir.Table) -> ir.Column:
        sold = is_any(table[KIND], _words_for(kinds, "purchase", "return"))
        return ~sold | (unpriced(sale(table)[TOTAL], products(table), worth) < 1)

    return known


# --- GA4 ----------------------------------------------------------------------------------------------


def _param(key: str) -> Callable[[ir.Table], ir.Column | None]:
    """Return the column of an event parameter, whichever type it was sent as."""

    def column(table: ir.Table) -> ir.Column | None:
        params = at(table, "event_params")
        if params is None:
            return None
        said = params.filter(lambda pair: pair["key"] == key)[0]["value"]
        return ibis.coalesce(*(said[f"{kind}_value"] for kind in ("string", "int", "double", "float")))

    return column


def _ga4_seconds(table: ir.Table) -> ir.Column | None:
    milliseconds = _param("engagement_time_msec")(table)
    return None if milliseconds is None else as_number(milliseconds) / 1000


def _ga4_sale(sales: ir.Table) -> dict[str, ir.Column]:
    said = text(sales, "ecommerce.transaction_id", _param("transaction_id"))
    order = is_any(said, list(NO_ID)).ifelse(ibis.null("string"), said)
    back = number(sales, "ecommerce.refund_value", _param("value"))
    paid = number(sales, "ecommerce.purchase_revenue", _param("value"))
    returned = is_any(sales[KIND], ["refund"])
    when = text(sales, "event_timestamp")
    who = text(sales, *GA4_CUSTOMER)
    return {ORDER: order, ONCE: order, TOTAL: returned.ifelse(back, paid), WHEN: when, WHO: who}


def _ga4_products(table: ir.Table) -> ir.Column:
    products = at(table, "items")
    shape = GA4_ITEM
    return products if products is not None else ibis.null(_array_of(shape))


def _array_of(shape: Mapping[str, str]) -> str:
    return "array<struct<" + ", ".join(f"{name}: string" for name in shape) + ">>"


def _ga4_worth(item: ir.Value) -> ir.Value:
    """Price × quantity; GA4's own product where it says only that."""
    return ibis.coalesce(_priced(item), as_number(item["item_revenue"]), as_number(item["item_refund"]))


def _ga4_lines(table: ir.Table, kinds: Mapping[str, str]) -> ir.Table:
    table = table.mutate(**{KIND: text(table, "event_name")})
    lines = _sales_as_lines(table, kinds, _ga4_sale, _ga4_worth, _ga4_products)
    own = ibis.literal("ga4 ") + text(lines, *GA4_CUSTOMER) + " " + text(lines, "event_timestamp")
    sold = lines[AMOUNT].notnull() & lines[ORDER].isnull()  # lines of one sale stay together without an id
    return lines.mutate(**{ORDER: sold.ifelse(own, lines[ORDER])})


GA4_CUSTOMER = ("user_id", "user_pseudo_id")
GA4_ITEM = fields("item_id item_name item_brand item_category price quantity item_revenue item_refund coupon")
GA4 = Preset(
    name="ga4",
    title="Google Analytics 4, event export to BigQuery",
    file="the tables events_YYYYMMDD as JSON lines or Parquet, one event a row.",
    counts=(
        "A purchase or refund is one row for each of its items, sharing ecommerce.purchase_revenue (refund_value), "
        "else the value parameter, in proportion to price × quantity. A purchase whose transaction_id came before "
        "is refused, and so is a refund that says no amount, which is how GA4 takes a whole order back. Shipping "
        "and tax count only where your tags put them into the revenue. in_app_purchase keeps its name and counts as "
        'no sale; kinds={"in_app_purchase": "purchase"} counts it by its value parameter, as that was sent.'
    ),
    cites=(
        "https://developers.google.com/analytics/bigquery/event-schema",
        "https://support.google.com/firebase/answer/7029846",
        "https://taggingdocs.com/ga4/bigquery/schema-reference",
        "https://github.com/Velir/dbt-ga4 macros/base_select.sql",
    ),
    columns={
        "customer_id": GA4_CUSTOMER,
        "timestamp": "event_timestamp",
        "kind": "event_name",
        "order_id": ORDER,
        "product_id": (f"{ITEM}.item_id", f"{ITEM}.item_name"),
        "category": f"{ITEM}.item_category",
        "brand": f"{ITEM}.item_brand",
        "quantity": f"{ITEM}.quantity",
        "amount": AMOUNT,
        "discount": DISCOUNT,
        "channel": (_param("medium"), "traffic_source.medium"),
        "campaign": (_param("campaign"), "traffic_source.name"),
        "page": _param("page_location"),
        "duration": _ga4_seconds,
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
        "purchase": "purchase",
        "refund": "return",
    },
    formats=("epoch_us",),
    nested={
        "event_params": [{"key": TEXT, "value": fields("string_value int_value float_value double_value")}],
        "device": fields("category"),
        "geo": fields("country region"),
        "traffic_source": fields("name medium source"),
        "ecommerce": fields("transaction_id purchase_revenue refund_value"),
        "items": [GA4_ITEM],
    },
    lines=_ga4_lines,
    currency=_param("currency"),
)


# --- Segment ------------------------------------------------------------------------------------------


def _segment_kind(table: ir.Table) -> ir.Column:
    """A track call is named by its event, any other call by its type."""
    called, event = text(table, "type"), text(table, "event_text", "event")
    return ibis.coalesce(((called == "track") | called.isnull()).ifelse(event, called), called)


def _property(name: str) -> tuple[str, str]:
    """The two places of a property: in JSON, and in a warehouse, where it is a column."""
    return (f"properties.{name}", name)


def _segment_sale(sales: ir.Table) -> dict[str, ir.Column]:
    shipping = number(sales, *_property("shipping")).fill_null(0.0)
    tax = number(sales, *_property("tax")).fill_null(0.0)
    paid = ibis.coalesce(
        number(sales, *_property("subtotal")),
        number(sales, *_property("total")) - shipping - tax,
        number(sales, *_property("revenue"), *_property("value")),
    )
    order = text(sales, *_property("order_id"))
    when, who = text(sales, *SEGMENT_TIMES), text(sales, *SEGMENT_CUSTOMER)
    return {ORDER: order, ONCE: order, TOTAL: paid, WHEN: when, WHO: who}


def _segment_products(table: ir.Table) -> ir.Column:
    nested, flat = at(table, "properties.products"), at(table, "products")
    there = [column for column in (nested, flat) if column is not None]
    return ibis.coalesce(*there) if there else ibis.null(_array_of(SEGMENT_ITEM))


def _segment_lines(table: ir.Table, kinds: Mapping[str, str]) -> ir.Table:
    table = table.mutate(**{KIND: _segment_kind(table)})
    calls = found(table, "messageId") or found(table, "id")
    if calls is not None:
        table = repeats_refused(
            table,
            table[calls],
            "call counted already",
            lambda calls: [text(calls, *SEGMENT_TIMES)],
            usable=_priced_if_sold(kinds, _segment_sale, _priced, _segment_products),
        )
    lines = _sales_as_lines(table, kinds, _segment_sale, _priced, _segment_products)
    own = ibis.literal("segment ") + text(lines, "messageId", "id")
    sold = lines[AMOUNT].notnull() & lines[ORDER].isnull()
    return lines.mutate(**{ORDER: sold.ifelse(own, lines[ORDER])})


def _both_spellings(events: Mapping[str, str]) -> dict[str, str]:
    """Name each event as it is tracked, and as warehouses write it."""
    return {**events, **{name.lower().replace(" ", "_"): kind for name, kind in events.items()}}


SEGMENT_CUSTOMER = ("userId", "user_id", "anonymousId", "anonymous_id")
SEGMENT_TIMES = ("timestamp", "originalTimestamp", "original_timestamp", "receivedAt", "received_at")
SEGMENT_ITEM = fields("product_id sku name category brand price quantity coupon")
SEGMENT = Preset(
    name="segment",
    title="Segment: track, page, screen and identify calls",
    file="calls as JSON lines, or a warehouse's table of them (tracks, pages, order_completed, …), one call a row.",
    counts=(
        "Order Completed and Order Refunded are one row for each of their products, sharing the subtotal, else the "
        "total without shipping and tax, else the revenue, in proportion to price × quantity. An Order Completed "
        "whose order_id came before is refused (of two at one moment the first by customer counts), and so are a "
        "call whose messageId came before and a refund that says no amount. Order Cancelled and Order "
        "Updated keep their names and count as no sale; "
        'kinds={"Order Cancelled": "return"} where nothing else tells of the money that went back.'
    ),
    cites=(
        "https://github.com/segmentio/segment-docs src/connections/spec/common.md",
        "https://github.com/segmentio/segment-docs src/connections/spec/ecommerce/v2.md",
        "https://github.com/segmentio/segment-docs src/connections/spec/email.md",
        "https://github.com/segmentio/segment-docs src/connections/spec/live-chat.md",
        "https://github.com/segmentio/segment-docs src/connections/storage/warehouses/schema.md",
    ),
    columns={
        "customer_id": SEGMENT_CUSTOMER,
        "timestamp": SEGMENT_TIMES,
        "kind": KIND,
        "order_id": (ORDER, *_property("order_id")),
        "product_id": (
            f"{ITEM}.sku",
            f"{ITEM}.product_id",
            f"{ITEM}.name",
            *_property("sku"),
            *_property("product_id"),
        ),
        "category": (f"{ITEM}.category", *_property("category")),
        "brand": (f"{ITEM}.brand", *_property("brand")),
        "quantity": (f"{ITEM}.quantity", *_property("quantity")),
        "amount": AMOUNT,
        "discount": DISCOUNT,
        "channel": ("context.campaign.medium", "context_campaign_medium", "channel"),
        "campaign": (
            *_property("campaign_name"),
            *_property("campaign_id"),
            "context.campaign.name",
            "context_campaign_name",
        ),
        "page": ("context.page.url", "context_page_url", *_property("url")),
        "rating": _property("rating"),
        "text": (*_property("message_body"), *_property("review_body")),
        "place": ("context.location.country", "context_location_country"),
        "zone": ("context.timezone", "context_timezone"),
        "device": ("context.device.type", "context_device_type"),
    },
    kinds={
        "page": "page_view",
        "screen": "page_view",
        **_both_spellings(
            {
                "Products Searched": "search",
                "Product Added": "cart_add",
                "Added Product": "cart_add",
                "Order Completed": "purchase",
                "Completed Order": "purchase",
                "Order Refunded": "return",
                "Product Reviewed": "review",
                "Product Shared": "social_share",
                "Email Delivered": "email_sent",
                "Email Opened": "email_open",
                "Email Link Clicked": "email_click",
                "Unsubscribed": "email_unsubscribe",
                "Live Chat Message Sent": "chat",
            }
        ),
    },
    nested={
        "properties": {
            **fields(
                "order_id total subtotal revenue value shipping tax currency product_id sku category brand"
            ),
            **fields("quantity url rating review_body message_body campaign_id campaign_name"),
            "products": [SEGMENT_ITEM],
        },
        "products": [SEGMENT_ITEM],
        "context": {
            "campaign": fields("name medium"),
            "page": fields("url"),
            "location": fields("country"),
            "device": fields("type"),
            "timezone": TEXT,
        },
    },
    needs=(("kind", ("type", "event", "event_text")),),
    lines=_segment_lines,
    currency=_property("currency"),
)


# --- Snowplow -----------------------------------------------------------------------------------------

SNOWPLOW_ACTION = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1"
SNOWPLOW_ENTITY = "contexts_com_snowplowanalytics_snowplow_ecommerce_{}_1"
SNOWPLOW_PRODUCT = fields("id name category price quantity brand")
SNOWPLOW_ORDER = fields("transaction_id revenue currency")
SNOWPLOW_REFUND = fields("transaction_id refund_amount currency")
SNOWPLOW_CUSTOMER = ("user_id", "domain_userid", "network_userid")
SNOWPLOW_TIMES = ("true_tstamp", "derived_tstamp", "collector_tstamp")


def _snowplow_kind(table: ir.Table) -> ir.Column:
    """A structured event is named by its action, a self-describing one by its schema, any other by itself."""
    event, named = text(table, "event"), text(table, "event_name")
    action = text(table, "unstruct_event.data.data.type", f"{SNOWPLOW_ACTION}.type")
    action = is_any(action, ["transaction", "refund"]).ifelse(ibis.literal("ecommerce_") + action, action)
    named = (named == "snowplow_ecommerce_action").fill_null(False).ifelse(action, named)
    return ibis.cases(
        ((event == "struct").fill_null(False), ibis.coalesce(text(table, "se_action"), event)),
        ((event == "unstruct").fill_null(False), ibis.coalesce(named, event)),
        else_=ibis.coalesce(event, named),
    )


def _snowplow_entities(name: str, shape: Mapping[str, str]) -> Callable[[ir.Table], ir.Column]:
    """Return the attached entities of a schema: from the column of their own, or out of all contexts."""

    def entities(table: ir.Table) -> ir.Column:
        own, every = at(table, SNOWPLOW_ENTITY.format(name)), at(table, "contexts.data")
        there = [own] if own is not None else []
        if every is not None:
            ours = every.filter(lambda entity: entity["schema"].contains(f"snowplow.ecommerce/{name}/"))
            there.append(ours.map(lambda entity: ibis.struct({key: entity["data"][key] for key in shape})))
        return ibis.coalesce(*there) if there else ibis.null(_array_of(shape))

    return entities


def _snowplow_products(table: ir.Table) -> ir.Column:
    """Return the product entities; a transaction item is its own product."""
    own = {
        "id": "ti_sku",
        "name": "ti_name",
        "category": "ti_category",
        "price": "ti_price",
        "quantity": "ti_quantity",
    }
    item = ibis.struct(
        {key: text(table, own[key]) if key in own else ibis.null("string") for key in SNOWPLOW_PRODUCT}
    )
    products = _snowplow_entities("product", SNOWPLOW_PRODUCT)(table)
    return (table[KIND] == "transaction_item").fill_null(False).ifelse(ibis.array([item]), products)


def _snowplow_sale(sales: ir.Table) -> dict[str, ir.Column]:
    order = _snowplow_entities("transaction", SNOWPLOW_ORDER)(sales)[0]
    refund = _snowplow_entities("refund", SNOWPLOW_REFUND)(sales)[0]
    item = (sales[KIND] == "transaction_item").fill_null(False)
    ids = ibis.coalesce(
        order["transaction_id"], refund["transaction_id"], text(sales, "tr_orderid", "ti_orderid")
    )
    total = ibis.coalesce(
        as_number(order["revenue"]), as_number(refund["refund_amount"]), number(sales, "tr_total")
    )
    line = ids + ibis.literal(" ") + text(sales, "ti_sku").fill_null("")
    return {
        ORDER: ids,
        ONCE: item.ifelse(line, ids),
        TOTAL: item.ifelse(ibis.null("float64"), total),
        WHEN: text(sales, *SNOWPLOW_TIMES),
        WHO: text(sales, *SNOWPLOW_CUSTOMER),
    }


def _snowplow_lines(table: ir.Table, kinds: Mapping[str, str]) -> ir.Table:
    table = table.mutate(**{KIND: _snowplow_kind(table)})
    event = at(table, "event_id")
    if event is not None:
        table = repeats_refused(
            table,
            event,
            "event_id counted already",
            lambda events: [text(events, *SNOWPLOW_TIMES)],
            usable=_priced_if_sold(kinds, _snowplow_sale, _priced, _snowplow_products),
        )
    table = _transactions_told_apart(table)
    return _sales_as_lines(table, kinds, _snowplow_sale, _priced, _snowplow_products)


def _snowplow_currency(table: ir.Table) -> ir.Column:
    return _snowplow_entities("transaction", SNOWPLOW_ORDER)(table)[0]["currency"]


def _transactions_told_apart(table: ir.Table) -> ir.Table:
    """A transaction whose items follow as events of their own is no sale beside them; one without items is."""
    if at(table, "tr_orderid") is None or at(table, "ti_orderid") is None:
        return table
    whole = (table[KIND] == "transaction").fill_null(False)
    items = table.filter(table[KIND] == "transaction_item").select(item_order="ti_orderid").distinct()
    totals = table.filter(whole)
    alone = totals.anti_join(items, totals.tr_orderid == items.item_order)
    itemised = totals.semi_join(items, totals.tr_orderid == items.item_order)
    itemised = itemised.mutate(**{KIND: ibis.literal("transaction_itemised")})
    return ibis.union(table.filter(~whole), alone, itemised)


SNOWPLOW_HEADER = (
    "app_id platform etl_tstamp collector_tstamp dvce_created_tstamp event event_id txn_id "
    "name_tracker v_tracker v_collector v_etl user_id user_ipaddress user_fingerprint domain_userid "
    "domain_sessionidx network_userid geo_country geo_region geo_city geo_zipcode geo_latitude "
    "geo_longitude geo_region_name ip_isp ip_organization ip_domain ip_netspeed page_url page_title "
    "page_referrer page_urlscheme page_urlhost page_urlport page_urlpath page_urlquery "
    "page_urlfragment refr_urlscheme refr_urlhost refr_urlport refr_urlpath refr_urlquery "
    "refr_urlfragment refr_medium refr_source refr_term mkt_medium mkt_source mkt_term mkt_content "
    "mkt_campaign contexts se_category se_action se_label se_property se_value unstruct_event "
    "tr_orderid tr_affiliation tr_total tr_tax tr_shipping tr_city tr_state tr_country ti_orderid "
    "ti_sku ti_name ti_category ti_price ti_quantity pp_xoffset_min pp_xoffset_max pp_yoffset_min "
    "pp_yoffset_max useragent br_name br_family br_version br_type br_renderengine br_lang "
    "br_features_pdf br_features_flash br_features_java br_features_director br_features_quicktime "
    "br_features_realplayer br_features_windowsmedia br_features_gears br_features_silverlight "
    "br_cookies br_colordepth br_viewwidth br_viewheight os_name os_family os_manufacturer "
    "os_timezone dvce_type dvce_ismobile dvce_screenwidth dvce_screenheight doc_charset doc_width "
    "doc_height tr_currency tr_total_base tr_tax_base tr_shipping_base ti_currency ti_price_base "
    "base_currency geo_timezone mkt_clickid mkt_network etl_tags dvce_sent_tstamp refr_domain_userid "
    "refr_dvce_tstamp derived_contexts domain_sessionid derived_tstamp event_vendor event_name "
    "event_format event_version event_fingerprint true_tstamp"
)
"""The fields of an enriched event, in the order of the tab-separated format."""

SNOWPLOW = Preset(
    name="snowplow",
    title="Snowplow events",
    file=(
        "enriched events as tab-separated lines without a header, or the table atomic.events as CSV, JSON lines "
        "or Parquet, one event a row."
    ),
    counts=(
        "Each transaction_item is a purchase line; the transaction event beside it becomes transaction_itemised "
        "and counts as no sale, and one without items is a purchase of tr_total. A snowplow_ecommerce_action of "
        "type transaction is one row for each attached product, sharing the revenue in proportion to "
        "price × quantity. An event_id, an order, or an item of an order that came before is refused."
    ),
    cites=(
        "https://github.com/snowplow/iglu-central schemas/com.snowplowanalytics.snowplow/atomic/jsonschema/1-0-0",
        "https://github.com/snowplow/iglu-central schemas/com.snowplowanalytics.snowplow.ecommerce",
        "https://github.com/snowplow/snowplow-python-analytics-sdk snowplow_analytics_sdk/event_transformer.py",
        "https://github.com/snowplow/snowplow-python-analytics-sdk snowplow_analytics_sdk/json_shredder.py",
    ),
    columns={
        "customer_id": SNOWPLOW_CUSTOMER,
        "timestamp": SNOWPLOW_TIMES,
        "kind": KIND,
        "order_id": (ORDER, "tr_orderid"),
        "product_id": (f"{ITEM}.id", f"{ITEM}.name"),
        "category": f"{ITEM}.category",
        "brand": f"{ITEM}.brand",
        "quantity": f"{ITEM}.quantity",
        "amount": AMOUNT,
        "discount": DISCOUNT,
        "channel": "mkt_medium",
        "campaign": "mkt_campaign",
        "page": "page_url",
        "place": "geo_country",
        "zone": ("os_timezone", "geo_timezone"),
        "device": "dvce_type",
    },
    kinds={
        "page_view": "page_view",
        "screen_view": "page_view",
        "site_search": "search",
        "add_to_cart": "cart_add",
        "transaction": "purchase",
        "transaction_item": "purchase",
        "ecommerce_transaction": "purchase",
        "ecommerce_refund": "return",
    },
    needs=(("kind", ("event", "event_name")),),
    nested={
        "contexts": {
            "data": [{"schema": TEXT, "data": {**SNOWPLOW_PRODUCT, **SNOWPLOW_ORDER, **SNOWPLOW_REFUND}}]
        },
        "unstruct_event": {"data": {"schema": TEXT, "data": fields("type")}},
        SNOWPLOW_ACTION: fields("type"),
        SNOWPLOW_ENTITY.format("product"): [SNOWPLOW_PRODUCT],
        SNOWPLOW_ENTITY.format("transaction"): [SNOWPLOW_ORDER],
        SNOWPLOW_ENTITY.format("refund"): [SNOWPLOW_REFUND],
    },
    lines=_snowplow_lines,
    currency=("tr_currency", "ti_currency", _snowplow_currency),
    header=tuple(SNOWPLOW_HEADER.split()),
)
