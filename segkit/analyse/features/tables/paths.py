"""What follows what: events of one kind, and which others came after them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import ibis

from segkit.analyse.features.tables.builder import key_columns
from segkit.analyse.features.tables.visits import MICROSECONDS, among

if TYPE_CHECKING:
    import ibis.expr.types as ir


class Path(NamedTuple):
    """What should follow what, and what should not.

    Attributes
    ----------
    steps : tuple of str
        Kinds, in their order.
    without : tuple of str
        Kinds that must not come from the first step to the last; after a single step, within the time.
    seconds : float
        Time from the first step within which it all must happen.
    """

    steps: tuple[str, ...]
    without: tuple[str, ...]
    seconds: float


def paths(seen: ir.Table, orders: ir.Table, *, path: Path) -> ir.Table:
    """Return one row for each event of the path's first kind; a purchase is an order.

    `held` says whether all went as the path says, as far as can be seen; `over` whether the time is up, so
    that nothing to come can change it; `took` the microseconds to the last step, missing where there is none.
    """
    events = _events(seen, orders, {*path.steps, *path.without})
    repeats = len({*path.steps, *path.without}) < len((*path.steps, *path.without))
    # From the newest to the oldest: what came later stands before, and the nearest of it has the largest age.
    later = {"preceding": (None, 1)} if repeats else {"preceding": None, "following": 0}
    window = ibis.range_window(group_by=key_columns(events), order_by=events.age, **later)

    def nearest(kinds: tuple[str, ...], age: ir.IntegerColumn) -> ir.IntegerColumn:
        return among(events.kind, kinds).ifelse(age, None).max().over(window)

    contact = nearest(path.without, events.age) if path.without else ibis.null("int64")
    events = events.mutate(contact=contact, reached=events.age)
    for step in reversed(path.steps[1:]):
        events = events.mutate(reached=nearest((step,), events.reached))
    firsts = events.filter(events.kind == path.steps[0])
    return _judged(firsts, int(path.seconds * MICROSECONDS), single=len(path.steps) == 1)


def _events(seen: ir.Table, orders: ir.Table, kinds: set[str]) -> ir.Table:
    """Return `age` and `kind` of the events that a path looks at."""
    keys, parts = key_columns(seen), []
    if "purchase" in kinds:
        parts.append(orders.select(*keys, "age", kind=ibis.literal("purchase")))
    others = tuple(sorted(kinds - {"purchase"}))
    if others:
        parts.append(seen.filter(among(seen.kind, others)).select(*keys, "age", "kind"))
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def _judged(firsts: ir.Table, within: int, *, single: bool) -> ir.Table:
    """Say of each first step how it went, from the ages at which the last one was `reached` and of a `contact`."""
    over = firsts.age > within
    if single:
        held = over & (firsts.contact.isnull() | (firsts.age - firsts.contact > within))
        return firsts.select(*key_columns(firsts), "age", over=over, held=held, took=ibis.null("int64"))
    took = firsts.age - firsts.reached
    alone = firsts.contact.isnull() | (firsts.contact < firsts.reached)
    held = ((took <= within) & alone).fill_null(False)
    return firsts.select(*key_columns(firsts), "age", over=over, held=held, took=took)


GRAINS = (paths,)
