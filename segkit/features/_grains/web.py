"""What customers did on the site, and the visits that it falls into."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING

import ibis

from segkit.features._grains._building import who
from segkit.features._grains.shopping import in_days

if TYPE_CHECKING:
    import ibis.expr.types as ir

CLICKS = ("page_view", "search", "cart_add")
WEB_KINDS = (*CLICKS, "visit")
IN_STORE = (
    *("store", "in store", "in-store", "shop", "retail", "pos", "offline", "brick-and-mortar"),
    *("phone", "telephone"),
)
"""Channels, in small letters, through which nothing happens on the site."""
_A_STORE = tuple(f"store{mark}" for mark in "- 0123456789")  # how the name of a single one begins

MICROSECONDS = 1_000_000  # in a second
LONGEST_VISIT = 86_400  # seconds: a source that says that a visit took longer is taken to mean a day


def hits(seen: ir.Table, *, visit_gap: float) -> ir.Table:
    """Return one row for each thing done on the site: web events, and purchases that were not made in a store.

    `visit` counts the customer's visits: one is over when nothing was done for longer than `visit_gap`.
    `step` is the time to what was done next in the visit, missing for the last and between two of the
    same instant; `own` the duration that the event itself says. Both in microseconds.
    """
    keys, hits = who(seen), ibis.union(_web_events(seen), _web_orders(seen))
    # Two of the same instant stand in the order of a visit, so that no row's place is left to chance.
    turns = ibis.window(group_by=keys, order_by=[hits.age.desc(), hits.turn, hits.own.fill_null(-1)])
    hits = hits.mutate(
        idle=hits.age.lag().over(turns) - hits.age, step=hits.age - hits.age.lead().over(turns)
    )
    gap = int(visit_gap * MICROSECONDS)
    begins = (hits.idle.isnull() | (hits.idle > gap)).cast("int64")
    so_far = ibis.range_window(group_by=keys, order_by=hits.age.desc(), preceding=None, following=0)
    within = (hits.step > 0) & (hits.step <= gap)
    return hits.mutate(visit=begins.sum().over(so_far), step=within.ifelse(hits.step, None)).drop(
        "idle", "turn"
    )


def visits(hits: ir.Table, *, dwell_cap: float) -> ir.Table:
    """Return one row a visit; what holds no web event, such as an order by telephone, is none.

    Its time is that of its first hit: `age` in microseconds, `days_ago`. Further `pages` (how many were
    viewed, `different_pages`), `searches`, `cart_adds`, whether it `ordered` or `bounced` (missing where
    no page was viewed), and in microseconds `time_on_site`, missing where unknown, and `time_on_pages`,
    that of the `timed_pages`.
    """
    cap = int(dwell_cap * MICROSECONDS)
    web, viewed, said = hits.kind != "purchase", hits.kind == "page_view", hits.kind == "visit"
    looked = _at_most(hits.own.fill_null(hits.step), cap)
    stayed = _at_most(hits.step.fill_null(hits.own), cap)
    different = {"different_pages": hits.page.nunique(where=viewed)} if "page" in hits.columns else {}
    visits = hits.group_by(*who(hits), "visit").agg(
        age=hits.age.max(),
        web=hits.count(where=web),
        pages=hits.count(where=viewed),
        searches=hits.count(where=hits.kind == "search"),
        cart_adds=hits.count(where=hits.kind == "cart_add"),
        orders=hits.count(where=~web),
        time_on_pages=looked.sum(where=viewed),
        timed_pages=looked.count(where=viewed),
        time_on_site=hits.own.max(where=said).fill_null(stayed.sum()),
        **different,
    )
    ordered = visits.orders > 0
    alone = (visits.pages == 1) & (visits.searches + visits.cart_adds == 0) & ~ordered
    bounced = (visits.pages > 0).ifelse(alone, None)
    visits = visits.mutate(days_ago=in_days(visits.age), ordered=ordered, bounced=bounced)
    return visits.filter(visits.web > 0).drop("web", "orders")


def first_views(seen: ir.Table) -> ir.Table:
    """Return one row for each purchase line at or after the customer's first page view: `days` since that view."""
    viewed, bought = seen.filter(seen.kind == "page_view"), seen.filter(seen.kind == "purchase")
    keys = who(seen)
    first = viewed.group_by(*keys).agg(first_view=viewed.age.max())
    after = bought.select(*keys, "age").join(first, keys)
    after = after.filter(after.age <= after.first_view)
    return after.select(*keys, days=in_days(after.first_view - after.age))


def among(column: ir.StringColumn, words: tuple[str, ...]) -> ir.BooleanColumn:
    """Say whether a column holds one of a few words: longer lists become joins in DuckDB, which take longer."""
    return functools.reduce(operator.or_, (column == word for word in words))


def in_store(channel: ir.StringColumn) -> ir.BooleanColumn:
    """Say whether a channel is a store, such as "Store 12", or the telephone; False where it is unknown."""
    said = channel.strip().lower()  # no regular expression: Snowflake's match whole texts only
    return (among(said, IN_STORE) | among(said.substr(0, 6), _A_STORE)).fill_null(False)


def _web_events(seen: ir.Table) -> ir.Table:
    counted = seen.kind == "visit"
    if "channel" in seen.columns:
        counted &= ~in_store(seen.channel)
    events = seen.filter(among(seen.kind, CLICKS) | counted)
    own = events.duration if "duration" in events.columns else ibis.null("float64")
    page = {"page": events.page} if "page" in events.columns else {}
    return events.select(
        *who(seen), "age", "kind", **page, own=_in_microseconds(own), turn=_turn(events.kind)
    )


def _web_orders(seen: ir.Table) -> ir.Table:
    """Lines of an order are one hit: a till's log would else be sorted whole for the sake of a few visits."""
    channel = ["channel"] if "channel" in seen.columns else []
    lines = seen.filter(seen.kind == "purchase").select(*who(seen), "age", "kind", *channel)
    orders = lines.distinct()
    if channel:
        orders = orders.filter(~in_store(orders.channel)).drop("channel").distinct()
    page = {"page": ibis.null("string")} if "page" in seen.columns else {}
    return orders.select(*who(seen), "age", "kind", **page, own=ibis.null("int64"), turn=_turn(orders.kind))


def _turn(kind: ir.StringColumn) -> ir.IntegerColumn:
    """Return the place of an event among others of the same instant."""
    return ibis.cases(
        *((kind == word, i) for i, word in enumerate(("visit", "search", "cart_add", "purchase"))), else_=9
    )


def _in_microseconds(seconds: ir.FloatingColumn) -> ir.IntegerColumn:
    return (_at_most(seconds, LONGEST_VISIT) * MICROSECONDS + 0.5).floor().cast("int64")


def _at_most(value: ir.NumericColumn, most: int) -> ir.NumericColumn:
    """Return the value or the bound, missing where it is missing: the least of the two would be the bound."""
    return (value > most).ifelse(most, value)


GRAINS = (hits, visits, first_views)
