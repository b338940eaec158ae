"""Snowplow: enriched events, as lines without a header or from a warehouse."""

from __future__ import annotations

import re
from collections.abc import Mapping

import ibis.expr.datatypes as dt

from segkit.collect.presets.copies import refuse_copies
from segkit.collect.presets.helper_columns import (
    AMOUNT,
    CUSTOMER,
    DISCOUNT,
    IS_SALE,
    ITEM,
    KIND,
    ORDER,
    ORDER_KEY,
    TIME,
    TOTAL,
)
from segkit.collect.presets.order_lines import USABLE_SALE, sales_as_lines, with_sales
from segkit.collect.presets.preset import Preset
from segkit.collect.presets.rows import Rows, Value
from segkit.collect.presets.sql import (
    TEXT,
    as_number,
    coalesced,
    fields,
    is_any,
    robot_where,
    type_name,
    type_of_shape,
)
from segkit.core.engine.connection import quoted

ACTION = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1"
ENTITY = "contexts_com_snowplowanalytics_snowplow_ecommerce_{}_1"
PRODUCT = fields("id name category price quantity brand")
TRANSACTION = fields("transaction_id revenue currency")
REFUND = fields("transaction_id refund_amount currency")
CUSTOMER_IDS = ("user_id", "domain_userid", "network_userid")
TIMES = ("true_tstamp", "derived_tstamp", "collector_tstamp")
ITEM_FIELDS = {
    "id": ("ti_sku",),
    "name": ("ti_name",),
    "category": ("ti_category",),
    "price": ("ti_price",),
    "quantity": ("ti_quantity",),
}
"""The columns in which a transaction_item has the fields of a product."""


def _kind(rows: Rows) -> str:
    """Return the action of a structured event, the schema of a self-describing one, the name of any other."""
    event, name = rows.text("event"), rows.text("event_name")
    action = rows.text("unstruct_event.data.data.type", f"{ACTION}.type")
    sold = is_any(action, ["transaction", "refund"])
    action = f"CASE WHEN {sold} THEN 'ecommerce_' || {action} ELSE {action} END"
    schema = f"CASE WHEN {name} = 'snowplow_ecommerce_action' THEN {action} ELSE {name} END"
    return (
        f"CASE {event} WHEN 'struct' THEN coalesce({rows.text('se_action')}, {event}) "
        f"WHEN 'unstruct' THEN coalesce({schema}, {event}) ELSE coalesce({event}, {name}) END"
    )


def _entities(rows: Rows, name: str, shape: Mapping[str, str]) -> str:
    """Return the attached entities of a schema, from their own column or from all contexts."""
    own, every = rows.at(ENTITY.format(name)), rows.at("contexts.data")
    there = [] if own is None else [own.sql]
    if every is not None:
        schema = f"snowplow.ecommerce/{name}/"
        ours = f"list_filter({every.sql}, lambda entity: contains(entity['schema'], '{schema}'))"
        data = ", ".join(f"{key} := entity['data']['{key}']" for key in shape)
        there.append(f"list_transform({ours}, lambda entity: struct_pack({data}))")
    return coalesced(*there) if there else f"CAST(NULL AS {type_name(type_of_shape([shape]))})"


def _reshape(rows: Rows, kinds: Mapping[str, str]) -> Rows:
    rows = rows.with_columns({KIND: _kind(rows)})
    transaction, refund = _entities(rows, "transaction", TRANSACTION), _entities(rows, "refund", REFUND)
    ids = f"{transaction}[1]['transaction_id']", f"{refund}[1]['transaction_id']"
    order = coalesced(*ids, rows.text("tr_orderid", "ti_orderid"))
    total = coalesced(
        as_number(f"{transaction}[1]['revenue']"),
        as_number(f"{refund}[1]['refund_amount']"),
        rows.number("tr_total"),
    )
    is_item = f"{KIND} = 'transaction_item'"
    line = f"{order} || ' ' || coalesce({rows.text('ti_sku')}, '')"
    sale = {
        ORDER: order,
        ORDER_KEY: f"CASE WHEN {is_item} THEN {line} ELSE {order} END",
        TOTAL: f"CASE WHEN {is_item} THEN NULL ELSE {total} END",
        TIME: rows.text(*TIMES),
        CUSTOMER: rows.text(*CUSTOMER_IDS),
    }
    own = ", ".join(f"{key} := {rows.text(*ITEM_FIELDS.get(key, ()))}" for key in PRODUCT)
    products = _entities(rows, "product", PRODUCT)
    products = f"CASE WHEN {is_item} THEN [struct_pack({own})] ELSE {products} END"
    rows = with_sales(rows, kinds, columns=sale, products=products)
    event = rows.at("event_id")
    if event is not None:
        rows = refuse_copies(
            rows, event.sql, "event_id counted already", [rows.text(*TIMES)], usable=USABLE_SALE
        )
    return sales_as_lines(_without_itemised(rows), type_of_shape(PRODUCT))


def _without_itemised(rows: Rows) -> Rows:
    """Do not count a transaction as a sale if its items are events of their own."""
    whole, item = rows.at("tr_orderid"), rows.at("ti_orderid")
    if whole is None or item is None:
        return rows
    itemised = f"SELECT {item.sql} FROM {rows.name} WHERE {KIND} = 'transaction_item'"
    itemised = f"coalesce({KIND} = 'transaction' AND {whole.sql} IN ({itemised}), false)"
    return rows.with_columns(
        {
            KIND: f"CASE WHEN {itemised} THEN 'transaction_itemised' ELSE {KIND} END",
            IS_SALE: f"{IS_SALE} AND NOT {itemised}",
        }
    )


def _robots(rows: Rows) -> str:
    """Return why an event is a robot's: by an enrichment, or by the tracker's plugin."""
    marks = [f"coalesce(starts_with({rows.text('br_type')}, 'Robot'), false)"]
    for column, pattern in _places_of_marks(rows):
        value = rows.at(column)
        if value is not None:
            text = value.sql if value.type.is_string() else f"to_json({value.sql})"
            marks.append(f"coalesce(regexp_matches(CAST({text} AS VARCHAR), {quoted(pattern)}), false)")
    every = rows.at("contexts.data")
    if every is not None:
        is_bot = f"contains(entity['schema'], '/{PLUGIN}/') AND entity['data']['bot'] = 'true'"
        marks.append(f"coalesce(len(list_filter({every.sql}, lambda entity: {is_bot})) > 0, false)")
    return robot_where({"Snowplow marks the event as a bot's": f"({' OR '.join(marks)})"})


def _places_of_marks(rows: Rows) -> list[tuple[str, str]]:
    """Return columns that may mark robots, and the pattern of a mark in their JSON."""
    own = [(name, ROBOT_MARK) for name in rows.types if re.search(MARKING, name.lower())]
    # Among all enrichments, a field called bot may mean something else.
    return [*own, ("derived_contexts", f"{SURE_MARK}|{BOT_DETECTION}")]


def _currency(rows: Rows) -> Value:
    return Value(f"{_entities(rows, 'transaction', TRANSACTION)}[1]['currency']", dt.string)


PLUGIN = "client_side_bot_detection"
MARKING = r"^contexts_.*_(spiders_and_robots|yauaa_context|bot_detection|asn)_1"
SURE_MARK = (
    r'"(spiderOrRobot|spider_or_robot|likelyBot|likely_bot)"\s*:\s*true'
    r'|"(deviceClass|device_class|agentClass|agent_class)"\s*:\s*"Robot'
)
ROBOT_MARK = SURE_MARK + r'|"bot"\s*:\s*true'
BOT_DETECTION = r'bot_detection/jsonschema/[^{}]*\{[^{}]*"bot"\s*:\s*true'
HEADER = (
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
        "Each transaction_item is a line of a purchase. A transaction with items becomes "
        "transaction_itemised, which is not a sale; one without items is a purchase of tr_total. A "
        "snowplow_ecommerce_action of type transaction is one row for each attached product; the rows share "
        "the revenue in proportion to price × quantity. Repeated event_ids, orders, and items of an order "
        "are refused, and so are events that an enrichment (IAB, YAUAA, ASN, bot detection) or the tracker marks as a "
        "bot's."
    ),
    cites=(
        "https://github.com/snowplow/iglu-central schemas/com.snowplowanalytics.snowplow/atomic/jsonschema/1-0-0",
        "https://github.com/snowplow/iglu-central schemas/com.snowplowanalytics.snowplow.ecommerce",
        "https://docs.snowplow.io/docs/events/filtering-bot-events/",
        "https://github.com/snowplow/snowplow-python-analytics-sdk snowplow_analytics_sdk/event_transformer.py",
        "https://github.com/snowplow/snowplow-python-analytics-sdk snowplow_analytics_sdk/json_shredder.py",
    ),
    columns={
        "customer_id": CUSTOMER_IDS,
        "timestamp": TIMES,
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
        "application_foreground": "visit",
        "site_search": "search",
        "add_to_cart": "cart_add",
        # Of somebody else's ad that the site shows, not of the shop's own.
        "ad_click": "hosted_ad_click",
        "transaction": "purchase",
        "transaction_item": "purchase",
        "ecommerce_transaction": "purchase",
        "ecommerce_refund": "return",
    },
    needs=(("kind", ("event", "event_name")),),
    nested={
        "contexts": {"data": [{"schema": TEXT, "data": {**PRODUCT, **TRANSACTION, **REFUND, "bot": TEXT}}]},
        "unstruct_event": {"data": {"schema": TEXT, "data": fields("type")}},
        ACTION: fields("type"),
        ENTITY.format("product"): [PRODUCT],
        ENTITY.format("transaction"): [TRANSACTION],
        ENTITY.format("refund"): [REFUND],
    },
    reshape=_reshape,
    aliases=((("domain_userid",), ("user_id",)), (("network_userid",), ("user_id",))),
    robots=_robots,
    currency=("tr_currency", "ti_currency", _currency),
    header=tuple(HEADER.split()),
)
