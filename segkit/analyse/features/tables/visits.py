"""What customers did on the site, and the visits that it falls into."""

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
"""Channels, in small letters, through which nothing happens on the site."""
_A_STORE = tuple(f"store{mark}" for mark in "- 0123456789")  # how the name of a single one begins

MICROSECONDS = 1_000_000  # in a second
SUMS = ("web", "pages", "searches", "cart_adds", "orders", "time_on_pages", "timed_pages", "stayed")
LONGEST_VISIT = 86_400  # seconds: a source that says that a visit took longer is taken to mean a day


def hits(seen: ir.Table, *, visit_gap: float) -> ir.Table:
    """Return one row for each thing done on the site: web events, and lines of purchases not made in a store.

    `spell` is the stretch of time that it lies in, of a grid so narrow that what a customer does in one of them is
    of one visit. `step` is the time to what was done next in the visit, missing for the last and between two of the
    same instant; `own` the duration that the event itself says. All in microseconds.
    """
    keys, hits, gap = key_columns(seen), _on_the_site(seen), _microseconds(visit_gap)
    # Two of the same instant stand in the order of a visit, so that no row's place is left to chance.
    turns = ibis.window(group_by=keys, order_by=[hits.age.desc(), _turn(hits.kind), hits.own.fill_null(-1)])
    hits = hits.mutate(spell=hits.age - hits.age % (gap + 1), step=hits.age - hits.age.lead().over(turns))
    within = (hits.step > 0) & (hits.step <= gap)
    return hits.mutate(step=within.ifelse(hits.step, None))


def spells(hits: ir.Table, *, dwell_cap: float) -> ir.Table:
    """Return one row for each spell of a customer, a visit or a part of one: what visits add up.

    There are far fewer of them than of hits, and none needs its hits in order. Only `time_on_pages` and `stayed` do,
    and an engine leaves out what nobody asks for.
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
        said=hits.own.max(where=hits.kind == "visit"),
        stayed=stayed.sum(),
    )


def visits(
    seen: ir.Table, hits: ir.Table, spells: ir.Table, *, visit_gap: float, dwell_cap: float
) -> ir.Table:
    """Return one row a visit; what holds no web event, such as an order by telephone, is none.

    It is over when nothing was done for longer than `visit_gap`. Its time is that of its first hit: `age` in
    microseconds, `days_ago`. Further `pages` (how many were viewed, `different_pages`), `searches`, `cart_adds`,
    whether it `ordered` or `bounced` (missing where no page was viewed), and in microseconds `time_on_site`, missing
    where unknown, and `time_on_pages`, that of the `timed_pages`.
    """
    keys, spells = key_columns(spells), _with_ends(spells, _microseconds(visit_gap))
    whole = spells.begins & spells.stops  # as most are, which need no second window
    single = spells.filter(whole).mutate(visit=spells.age)
    parts = _of_visits(spells.filter(~whole))
    totals = parts.group_by(*keys, "visit").agg(
        last_age=parts.last_age.min(),
        said=parts.said.max(),
        **{name: parts[name].sum().cast("int64") for name in SUMS},
    )
    columns = [*keys, "visit", "last_age", "said", *SUMS]
    visits = ibis.union(single.select(*columns), totals.select(*columns))
    if "page" in hits.columns:
        visits = _with_depths(visits, hits, single, parts)
    visits = visits.rename(age="visit")
    stayed = visits.stayed
    if "duration" not in seen.columns and dwell_cap >= visit_gap:
        stayed = (visits.age - visits.last_age).nullif(0)  # what the steps add up to where none is cut
    ordered = visits.orders > 0
    alone = (visits.pages == 1) & (visits.searches + visits.cart_adds == 0) & ~ordered
    bounced = (visits.pages > 0).ifelse(alone, None)
    visits = visits.mutate(
        days_ago=in_days(visits.age),
        ordered=ordered,
        bounced=bounced,
        time_on_site=visits.said.fill_null(stayed),
    )
    told = [name for name in visits.columns if name not in ("web", "orders", "last_age", "said", "stayed")]
    return visits.filter(visits.web > 0).select(*told)  # not drop(), whose text has no order of its own


def _with_ends(spells: ir.Table, gap: int) -> ir.Table:
    """Say of each spell if a visit `begins` and if one `stops` with it: nothing was done for longer than the gap."""
    turn = {"group_by": key_columns(spells), "order_by": spells.age.desc()}
    before = spells.last_age.lag().over(**turn) - spells.age
    after = spells.last_age - spells.age.lead().over(**turn)
    return spells.mutate(begins=(before > gap).fill_null(True), stops=(after > gap).fill_null(True))


def _of_visits(parts: ir.Table) -> ir.Table:
    """Say of spells which `visit` each is a part of, by the age of the visit's first hit."""
    so_far = ibis.cumulative_window(group_by=key_columns(parts), order_by=parts.age.desc())
    first = parts.begins.ifelse(parts.age, None)  # of two, the later has the lower age
    return parts.mutate(visit=first.min().over(so_far))


def _with_depths(visits: ir.Table, hits: ir.Table, *spells: ir.Table) -> ir.Table:
    """Count the different pages of each visit, told which spells are of it."""
    keys = key_columns(hits)
    whose = ibis.union(*(some.select(*keys, "spell", "visit") for some in spells))
    views = hits.filter((hits.kind == "page_view") & hits.page.notnull()).select(*keys, "spell", "page")
    views = views.join(whose, [*keys, "spell"])
    depths = views.group_by(*keys, "visit").agg(different_pages=views.page.nunique())
    deep = visits.left_join(depths, [*keys, "visit"], rname="{name}_of_depths")
    return deep.select(*visits.columns, different_pages=deep.different_pages.fill_null(0))


def first_views(seen: ir.Table) -> ir.Table:
    """Return one row for each purchase line at or after the customer's first page view: `days` since that view."""
    viewed, bought = seen.filter(seen.kind == "page_view"), seen.filter(seen.kind == "purchase")
    keys = key_columns(seen)
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


def _on_the_site(seen: ir.Table) -> ir.Table:
    online = (seen.kind == "visit") | (seen.kind == "purchase")
    if "channel" in seen.columns:
        online &= ~in_store(seen.channel)
    # Of a value, DuckDB asks each different word once; of a condition, each row.
    done = seen.filter((among(seen.kind, CLICKS) | online).cast("int8") > 0)
    own = _in_microseconds(done.duration) if "duration" in done.columns else ibis.null("int64")
    page = ["page"] if "page" in done.columns else []
    return done.select(
        *key_columns(seen), "age", "kind", *page, own=(done.kind == "purchase").ifelse(None, own)
    )


def _turn(kind: ir.StringColumn) -> ir.IntegerColumn:
    """Return the place of an event among others of the same instant."""
    return ibis.cases(
        *((kind == word, i) for i, word in enumerate(("visit", "search", "cart_add", "purchase"))), else_=9
    )


def _microseconds(seconds: float) -> int:
    return int(seconds * MICROSECONDS)


def _in_microseconds(seconds: ir.FloatingColumn) -> ir.IntegerColumn:
    return (_at_most(seconds, LONGEST_VISIT) * MICROSECONDS + 0.5).floor().cast("int64")


def _at_most(value: ir.NumericColumn, most: int) -> ir.NumericColumn:
    """Return the value or the bound, missing where it is missing: the least of the two would be the bound."""
    return (value > most).ifelse(most, value)


GRAINS = (hits, spells, visits, first_views)
