"""Tables of the website: hits, and the visits that they form."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING

import ibis

from segkit.analyse.features.tables.builder import key_columns
from segkit.analyse.features.tables.orders import in_days

if TYPE_CHECKING:
    import ibis.expr.types as ir

CLICKS = ("page_view", "search", "cart_add")
WEB_KINDS = (*CLICKS, "visit")
IN_STORE = (
    *("store", "in store", "in-store", "shop", "retail", "pos", "offline", "brick-and-mortar"),
    *("phone", "telephone"),
)
"""Channels, in lower case, that are not the website."""
_A_STORE = tuple(f"store{mark}" for mark in "- 0123456789")  # such as "Store 12"

MICROSECONDS = 1_000_000  # in a second
SUMS = ("web", "pages", "searches", "cart_adds", "orders", "time_on_pages", "timed_pages", "stayed")
LONGEST_VISIT = 86_400  # seconds; longer durations in the source count as a day


def hits(log: ir.Table, *, visit_gap: float) -> ir.Table:
    """Return the hits on the site: web events, and lines of purchases that were not made in a store.

    `spell` is the time slot of a hit; slots are so short that the hits of a customer in one slot belong to one visit.
    `step` is the time to the next hit of the visit, missing for the last hit and between hits of the same moment.
    `own` is the duration in the event itself. All in microseconds.
    """
    keys, hits, gap = key_columns(log), _on_the_site(log), _microseconds(visit_gap)
    # Hits of the same moment have a fixed order too, so that results do not depend on the order of rows.
    turns = ibis.window(group_by=keys, order_by=[hits.age.desc(), _turn(hits.kind), hits.own.fill_null(-1)])
    hits = hits.mutate(spell=hits.age - hits.age % (gap + 1), step=hits.age - hits.age.lead().over(turns))
    within = (hits.step > 0) & (hits.step <= gap)
    return hits.mutate(step=within.ifelse(hits.step, None))


def spells(hits: ir.Table, *, dwell_cap: float) -> ir.Table:
    """Return totals of each spell of a customer, which is a visit or a part of one.

    There are far fewer spells than hits. Only `time_on_pages` and `stayed` need the hits in order, and DuckDB leaves
    them out where no feature uses them.
    """
    cap = _microseconds(dwell_cap)
    viewed = hits.kind == "page_view"
    looked = _at_most(hits.own.fill_null(hits.step), cap)
    stayed = _at_most(hits.step.fill_null(hits.own), cap)
    return hits.group_by(*key_columns(hits), "spell").agg(
        age=hits.age.max(),
        last_age=hits.age.min(),
        web=hits.count(where=hits.kind != "purchase"),
        pages=hits.count(where=viewed),
        searches=hits.count(where=hits.kind == "search"),
        cart_adds=hits.count(where=hits.kind == "cart_add"),
        orders=hits.count(where=hits.kind == "purchase"),
        time_on_pages=looked.sum(where=viewed),
        timed_pages=looked.count(where=viewed),
        own=hits.own.max(where=hits.kind == "visit"),
        stayed=stayed.sum(),
    )


def visits(
    log: ir.Table, hits: ir.Table, spells: ir.Table, *, visit_gap: float, dwell_cap: float
) -> ir.Table:
    """Return one row for each visit: hits without a pause of more than `visit_gap`, at least one of them a web event.

    The time of a visit is that of its first hit: `age` in microseconds, `days_ago`. Columns are `pages` (viewed pages),
    `different_pages`, `searches`, `cart_adds`, `ordered`, `bounced` (missing where no page was viewed), and in
    microseconds `time_on_site` (missing where unknown) and `time_on_pages`, the total of the `timed_pages`.
    """
    keys, spells = key_columns(spells), _with_ends(spells, _microseconds(visit_gap))
    whole = spells.begins & spells.stops  # most spells are whole visits, which need no second window
    single = spells.filter(whole).mutate(visit=spells.age)
    parts = _of_visits(spells.filter(~whole))
    totals = parts.group_by(*keys, "visit").agg(
        last_age=parts.last_age.min(),
        own=parts.own.max(),
        **{name: parts[name].sum().cast("int64") for name in SUMS},
    )
    columns = [*keys, "visit", "last_age", "own", *SUMS]
    visits = ibis.union(single.select(*columns), totals.select(*columns))
    if "page" in hits.columns:
        visits = _with_depths(visits, hits, single, parts)
    visits = visits.rename(age="visit")
    stayed = visits.stayed
    if "duration" not in log.columns and dwell_cap >= visit_gap:
        stayed = (visits.age - visits.last_age).nullif(0)  # the sum of the steps where none is capped
    ordered = visits.orders > 0
    alone = (visits.pages == 1) & (visits.searches + visits.cart_adds == 0) & ~ordered
    bounced = (visits.pages > 0).ifelse(alone, None)
    visits = visits.mutate(
        days_ago=in_days(visits.age),
        ordered=ordered,
        bounced=bounced,
        time_on_site=visits.own.fill_null(stayed),
    )
    columns = [name for name in visits.columns if name not in ("web", "orders", "last_age", "own", "stayed")]
    return visits.filter(visits.web > 0).select(*columns)  # not drop(), whose SQL differs between processes


def _with_ends(spells: ir.Table, gap: int) -> ir.Table:
    """Add whether a visit `begins` and whether one `stops` with each spell."""
    turn = {"group_by": key_columns(spells), "order_by": spells.age.desc()}
    before = spells.last_age.lag().over(**turn) - spells.age
    after = spells.last_age - spells.age.lead().over(**turn)
    return spells.mutate(begins=(before > gap).fill_null(True), stops=(after > gap).fill_null(True))


def _of_visits(parts: ir.Table) -> ir.Table:
    """Add the `visit` that each spell is a part of, identified by the age of its first hit."""
    so_far = ibis.cumulative_window(group_by=key_columns(parts), order_by=parts.age.desc())
    first = parts.begins.ifelse(parts.age, None)  # a later visit has a lower age
    return parts.mutate(visit=first.min().over(so_far))


def _with_depths(visits: ir.Table, hits: ir.Table, *spells: ir.Table) -> ir.Table:
    """Add the number of different pages of each visit; `spells` have the visit that each belongs to."""
    keys = key_columns(hits)
    visit_of = ibis.union(*(some.select(*keys, "spell", "visit") for some in spells))
    views = hits.filter((hits.kind == "page_view") & hits.page.notnull()).select(*keys, "spell", "page")
    views = views.join(visit_of, [*keys, "spell"])
    depths = views.group_by(*keys, "visit").agg(different_pages=views.page.nunique())
    deep = visits.left_join(depths, [*keys, "visit"], rname="{name}_of_depths")
    return deep.select(*visits.columns, different_pages=deep.different_pages.fill_null(0))


def first_views(log: ir.Table) -> ir.Table:
    """Return the `days` from the first page view of a customer to each later purchase line."""
    viewed, bought = log.filter(log.kind == "page_view"), log.filter(log.kind == "purchase")
    keys = key_columns(log)
    first = viewed.group_by(*keys).agg(first_view=viewed.age.max())
    after = bought.select(*keys, "age").join(first, keys)
    after = after.filter(after.age <= after.first_view)
    return after.select(*keys, days=in_days(after.first_view - after.age))


def among(column: ir.StringColumn, words: tuple[str, ...]) -> ir.BooleanColumn:
    """Return whether a column holds one of a few words; DuckDB turns ``isin`` into a join, which is slower."""
    return functools.reduce(operator.or_, (column == word for word in words))


def in_store(channel: ir.StringColumn) -> ir.BooleanColumn:
    """Return whether a channel is a store, such as "Store 12", or the telephone; False where it is unknown."""
    name = channel.strip().lower()  # no regular expression: Snowflake matches whole texts only
    return (among(name, IN_STORE) | among(name.substr(0, 6), _A_STORE)).fill_null(False)


def _on_the_site(log: ir.Table) -> ir.Table:
    online = (log.kind == "visit") | (log.kind == "purchase")
    if "channel" in log.columns:
        online &= ~in_store(log.channel)
    # Cast to a number, DuckDB evaluates the condition once for each different word instead of each row.
    done = log.filter((among(log.kind, CLICKS) | online).cast("int8") > 0)
    own = _in_microseconds(done.duration) if "duration" in done.columns else ibis.null("int64")
    page = ["page"] if "page" in done.columns else []
    return done.select(
        *key_columns(log), "age", "kind", *page, own=(done.kind == "purchase").ifelse(None, own)
    )


def _turn(kind: ir.StringColumn) -> ir.IntegerColumn:
    """Return the position of a hit among those of the same moment."""
    return ibis.cases(
        *((kind == word, i) for i, word in enumerate(("visit", "search", "cart_add", "purchase"))), else_=9
    )


def _microseconds(seconds: float) -> int:
    return int(seconds * MICROSECONDS)


def _in_microseconds(seconds: ir.FloatingColumn) -> ir.IntegerColumn:
    return (_at_most(seconds, LONGEST_VISIT) * MICROSECONDS + 0.5).floor().cast("int64")


def _at_most(value: ir.NumericColumn, most: int) -> ir.NumericColumn:
    """Return the value or the bound; missing where the value is, unlike ``least``."""
    return (value > most).ifelse(most, value)


TABLES = (hits, spells, visits, first_views)
