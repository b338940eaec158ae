"""Find customers who are bots, and ids that stand for several people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ibis
import pandas as pd

from segkit.collect.quality.findings import LOOK, SERIOUS, Finding, share
from segkit.collect.quality.log_queries import Log, once, one_of
from segkit.core.messages import counted

AN_HOUR, A_MINUTE = 300, 40  # actions of one customer that are too many for a person
BUSY = 60  # actions in an hour from which its minutes are counted
AWAKE, NIGHTS = 20, 3  # hours of a day with an action, and on how many days
RHYTHM, EQUAL = 100, 0.5  # least actions for a rhythm, and share of equal gaps that makes it a machine's
MOST_RHYTHMS = 200  # customers whose rhythm is computed: those with most actions
LARGE, AHEAD = 0.02, 5  # share of all events of one id, and ratio to the next id
PLACEHOLDERS = (
    "0", "00", "000", "-1", "1-1", "9999", "99999", "999999", "guest", "anonymous", "anon", "unknown",
    "undefined", "nobody", "none", "n/a", "na", "null", "nil", "test", "tester", "admin", "dummy",
    "default", "cash", "walk-in", "walkin", "no_id", "noid", "not_set", "(none)", "missing", "customer",
    "user", "-", "?", "x", "00000000-0000-0000-0000-000000000000", "noreply", "invalid", "empty", "not set",
    "(not set)",
)  # fmt: skip
SUSPECTS = {"customer_id": "str", "why": "str", "events": "int64", "share": "float64", "example": "str"}


@once
def suspects_of(log: Log) -> pd.DataFrame:
    """Return customers with the behaviour of a bot.

    Returns
    -------
    DataFrame of shape (n_suspects, 5)
        `customer_id`, `why`, number of `events`, `share` of all events, and an `example` (a moment, in UTC). The
        most active first.
    """
    actions = _actions(log)
    suspects = pd.DataFrame(columns=["customer_id", "why", "example"])
    if actions is not None:
        hours = actions.group_by("customer_id", hour=actions.timestamp.truncate("h")).agg(n=actions.count())
        hours = log.materialise(hours)
        parts = [_too_fast(log, actions, hours), _never_asleep(log, hours), _clockwork(log, actions)]
        suspects = pd.concat([part for part in parts if len(part)] or [suspects])
    if not len(suspects):
        return pd.DataFrame(columns=list(SUSPECTS)).astype(SUSPECTS)
    suspects = suspects.groupby("customer_id", as_index=False).agg(
        why=("why", "; ".join), example=("example", "first")
    )
    ids = log.small_table({"customer_id": suspects["customer_id"]})
    events = log.run(log.customers.semi_join(ids, "customer_id")).set_index("customer_id")["events"]
    suspects["events"] = suspects["customer_id"].map(events)
    suspects["share"] = suspects["events"] / log.total
    suspects = suspects.sort_values(["events", "customer_id"], ascending=[False, True], ignore_index=True)
    return suspects[list(SUSPECTS)].astype(SUSPECTS)


@once
def hours_of_people(log: Log) -> pd.DataFrame:
    """Count events of each kind and hour (see `Log.hours_of`) without those of suspects."""
    suspects = suspects_of(log)["customer_id"]
    if not len(suspects):
        return log.hours
    return log.hours_of(log.table.anti_join(log.small_table({"customer_id": suspects}), "customer_id"))


def bots(log: Log) -> list[Finding]:
    """Report customers with the behaviour of a bot."""
    suspects = suspects_of(log)
    if not len(suspects):
        return []
    top = suspects.iloc[0]
    n = int(suspects["events"].sum())
    return [
        Finding(
            SERIOUS if n >= 0.05 * log.total else LOOK,
            f"{counted(len(suspects), 'customer behaves', 'customers behave')} like a bot, with {share(n, log.total)} "
            "of all events.",
            n,
            f"customer {top['customer_id']}: {top['why']}",
            "Probably crawlers, monitoring or tests. See .suspects, and leave them out before reading: otherwise they "
            "form segments of their own.",
        )
    ]


def _actions(log: Log) -> ibis.Table | None:
    """Return what customers do themselves, with times to the minute at least; an order is one action."""
    kinds = [
        kind
        for kind in log.kinds.index
        if not kind.endswith("_sent") and kind != "return" and log.resolution[kind] <= 60
    ]
    if not kinds:
        return None
    t = log.table if len(kinds) == len(log.kinds) else log.table.filter(one_of(log.table.kind, kinds))
    action = t.timestamp.cast("string")
    return t.select(
        "customer_id", "timestamp", action=t.order_id.fill_null(action) if "order_id" in t.columns else action
    )


def _reasons(rows: pd.DataFrame, reason: Callable[[Any], str]) -> pd.DataFrame:
    """Return the customers with the reason why they are suspects."""
    why = [reason(row) for row in rows.itertuples()]
    return pd.DataFrame(
        {"customer_id": rows["customer_id"], "why": why, "example": rows["example"].astype("str")}
    )


def _too_fast(log: Log, actions: ibis.Table, hours: ibis.Table) -> pd.DataFrame:
    """Return customers with more actions in an hour or a minute than a person can make."""
    busy = hours.filter(hours.n >= BUSY).select("customer_id", "hour")
    within = actions.mutate(hour=actions.timestamp.truncate("h")).semi_join(busy, ["customer_id", "hour"])
    minutes = within.group_by("customer_id", "hour", minute=within.timestamp.truncate("m")).agg(
        n=within.action.nunique()
    )
    by_hour = minutes.group_by("customer_id", "hour").agg(n=minutes.n.sum(), most=minutes.n.max())
    fast = by_hour.filter((by_hour.n >= AN_HOUR) | (by_hour.most >= A_MINUTE))
    rows = log.run(
        fast.group_by("customer_id").agg(n=fast.n.max(), most=fast.most.max(), example=fast.hour.min())
    )
    return _reasons(
        rows,
        lambda row: (
            f"{row.n:,} actions in an hour" if row.n >= AN_HOUR else f"{row.most:,} actions in a minute"
        ),
    )


def _never_asleep(log: Log, hours: ibis.Table) -> pd.DataFrame:
    """Return customers who are active around the clock on several days."""
    days = hours.group_by("customer_id", day=hours.hour.truncate("D")).agg(awake=hours.count())
    sleepless = days.filter(days.awake >= AWAKE)
    rows = log.run(sleepless.group_by("customer_id").agg(days=sleepless.count(), example=sleepless.day.min()))
    return _reasons(rows[rows["days"] >= NIGHTS], lambda row: f"active around the clock on {row.days:,} days")


def _clockwork(log: Log, actions: ibis.Table) -> pd.DataFrame:
    """Return customers whose actions follow each other at equal intervals."""
    sizes = actions.group_by("customer_id").agg(n=actions.count())
    active = sizes.filter(sizes.n >= RHYTHM).order_by(ibis.desc("n"), "customer_id").limit(MOST_RHYTHMS)
    moments = (
        actions.semi_join(active.select("customer_id"), "customer_id")
        .group_by("customer_id", second=lambda t: t.timestamp.truncate("s"))
        .agg()
    )
    window = ibis.window(group_by=moments.customer_id, order_by=moments.second)
    gap = moments.second.epoch_seconds() - moments.second.lag().over(window).epoch_seconds()
    gaps = moments.mutate(gap=gap).filter(lambda t: t.gap.notnull())
    counts = gaps.group_by("customer_id", "gap").agg(n=gaps.count(), example=gaps.second.min())
    total = counts.group_by("customer_id").agg(total=counts.n.sum())
    rows = log.run(counts.join(total, "customer_id").filter(lambda t: t.n >= EQUAL * t.total))
    precision = 60 if (log.resolution[log.resolution <= 60] == 60).any() else 1
    rows = rows[(rows["total"] >= RHYTHM - 1) & rows["gap"].between(5 * precision, 86_399)]
    return _reasons(rows, lambda row: f"an action every {row.gap:,} seconds, {row.n:,} times")


def shared_ids(log: Log) -> list[Finding]:
    """Report placeholder ids such as "guest", and an id with far more events than any other."""
    t = log.customers
    top = log.run(t.order_by(ibis.desc("events"), "customer_id").limit(max(100, log.n_customers // 100)))
    findings = []
    placeholders = top[top["customer_id"].str.strip().str.lower().isin(PLACEHOLDERS)]
    if len(placeholders) and log.n_customers > len(placeholders):
        n = int(placeholders["events"].sum())
        ids = ", ".join(map(repr, placeholders["customer_id"][:5]))
        findings.append(
            Finding(
                SERIOUS if n >= 0.01 * log.total else LOOK,
                f"{counted(n, 'event')} ({share(n, log.total)} of all) with a placeholder as customer id: {ids}.",
                n,
                f"customer_id={placeholders['customer_id'].iloc[0]}",
                "Guests and missing ids look like one very good customer. Leave them out before reading.",
            )
        )
    if len(top) >= 20:
        first, second = top.iloc[0], top.iloc[1]
        reported = {*placeholders["customer_id"], *suspects_of(log)["customer_id"]}
        ahead = first["events"] >= max(LARGE * log.total, AHEAD * second["events"])
        if ahead and first["customer_id"] not in reported:
            findings.append(
                Finding(
                    SERIOUS if first["events"] >= 0.1 * log.total else LOOK,
                    f"One customer has {share(first['events'], log.total)} of all events, "
                    f"{first['events'] / second['events']:,.0f} times as many as the next.",
                    int(first["events"]),
                    f"customer_id={first['customer_id']}",
                    "Probably a shared till or account, a reseller, or the shop itself. Decide whether it is a "
                    "customer.",
                )
            )
    return findings
