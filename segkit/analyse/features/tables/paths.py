"""Table of paths: events of one kind, and whether others followed them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import ibis

from segkit.analyse.features.tables.builder import key_columns
from segkit.analyse.features.tables.visits import MICROSECONDS, among

if TYPE_CHECKING:
    import ibis.expr.types as ir


class Path(NamedTuple):
    """A sequence of kinds of event within a limited time.

    Attributes
    ----------
    steps : tuple of str
        Kinds, in their order.
    without : tuple of str
        Kinds that must not occur from the first step to the last, or after a single step within the time.
    seconds : float
        Time from the first step within which all must happen.
    """

    steps: tuple[str, ...]
    without: tuple[str, ...]
    seconds: float


def paths(log: ir.Table, orders: ir.Table, *, path: Path) -> ir.Table:
    """Return one row for each event of the first kind of a path; a purchase is an order.

    `completed` is whether the path was followed so far, `over` whether its time is over, so that this is final, and
    `took` the microseconds to the last step, missing where there is none.
    """
    events = _events(log, orders, {*path.steps, *path.without})
    repeats = len({*path.steps, *path.without}) < len((*path.steps, *path.without))
    # Sorted from the newest to the oldest: later events come before, and the next one has the largest age.
    later = {"preceding": (None, 1)} if repeats else {"preceding": None, "following": 0}
    window = ibis.range_window(group_by=key_columns(events), order_by=events.age, **later)

    def nearest(kinds: tuple[str, ...], age: ir.IntegerColumn) -> ir.IntegerColumn:
        return among(events.kind, kinds).ifelse(age, None).max().over(window)

    excluded = nearest(path.without, events.age) if path.without else ibis.null("int64")
    events = events.mutate(excluded=excluded, reached=events.age)
    for step in reversed(path.steps[1:]):
        events = events.mutate(reached=nearest((step,), events.reached))
    firsts = events.filter(events.kind == path.steps[0])
    return _completed(firsts, int(path.seconds * MICROSECONDS), single=len(path.steps) == 1)


def _events(log: ir.Table, orders: ir.Table, kinds: set[str]) -> ir.Table:
    """Return `age` and `kind` of the events that matter to a path."""
    keys, parts = key_columns(log), []
    if "purchase" in kinds:
        parts.append(orders.select(*keys, "age", kind=ibis.literal("purchase")))
    others = tuple(sorted(kinds - {"purchase"}))
    if others:
        parts.append(log.filter(among(log.kind, others)).select(*keys, "age", "kind"))
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def _completed(firsts: ir.Table, within: int, *, single: bool) -> ir.Table:
    """Add whether each first step was followed by the last one, `reached`, and not by one that is `excluded`."""
    over = firsts.age > within
    if single:
        completed = over & (firsts.excluded.isnull() | (firsts.age - firsts.excluded > within))
        return firsts.select(
            *key_columns(firsts), "age", over=over, completed=completed, took=ibis.null("int64")
        )
    took = firsts.age - firsts.reached
    undisturbed = firsts.excluded.isnull() | (firsts.excluded < firsts.reached)
    completed = ((took <= within) & undisturbed).fill_null(False)
    return firsts.select(*key_columns(firsts), "age", over=over, completed=completed, took=took)


TABLES = (paths,)
