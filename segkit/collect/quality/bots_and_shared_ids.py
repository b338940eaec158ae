"""Are these people: machines, and ids that many share."""

from __future__ import annotations

import ibis
import pandas as pd

from segkit.collect.quality.findings import LOOK, SERIOUS, Finding, share
from segkit.collect.quality.log_queries import Log, once, one_of
from segkit.core.messages import counted

AN_HOUR, A_MINUTE = 300, 40  # acts of one customer that no hand does
BUSY = 60  # acts in an hour from which on its minutes are looked at
AWAKE, NIGHTS = 20, 3  # hours of a day with an act, and on how many days
BEATS, BEAT = (
    100,
    0.5,
)  # acts of a customer whose rhythm is looked at, and share of equal gaps that is a machine's
HEARD = 200  # customers whose rhythm is looked at: those with most acts
LARGE, AHEAD = 0.02, 5  # share of all events that one id holds, and times the next one's
NOBODY = (
    *(
        "0",
        "00",
        "000",
        "-1",
        "1-1",
        "9999",
        "99999",
        "999999",
        "guest",
        "anonymous",
        "anon",
        "unknown",
        "undefined",
    ),
    *(
        "nobody",
        "none",
        "n/a",
        "na",
        "null",
        "nil",
        "test",
        "tester",
        "admin",
        "dummy",
        "default",
        "cash",
        "walk-in",
    ),
    *(
        "walkin",
        "no_id",
        "noid",
        "not set",
        "(not set)",
        "not_set",
        "(none)",
        "missing",
        "customer",
        "user",
        "-",
        "?",
        "x",
    ),
    *("00000000-0000-0000-0000-000000000000", "noreply", "invalid", "empty"),
)
SUSPECTS = {"customer_id": "str", "why": "str", "events": "int64", "share": "float64", "example": "str"}


@once
def suspects_of(log: Log) -> pd.DataFrame:
    """Return customers who act as no person does.

    Returns
    -------
    DataFrame of shape (n_suspects, 5)
        `customer_id`, `why`, all their `events`, the `share` of all events that these are, and an `example`
        (a moment, in UTC). The most active first.
    """
    acts = _acts(log)
    if acts is None:
        return pd.DataFrame(columns=list(SUSPECTS)).astype(SUSPECTS)
    hours = log.held(acts.group_by("customer_id", hour=acts.timestamp.truncate("h")).agg(n=acts.count()))
    found = pd.concat([_too_fast(log, acts, hours), _never_asleep(log, hours), _beating(log, acts)])
    if not len(found):
        return pd.DataFrame(columns=list(SUSPECTS)).astype(SUSPECTS)
    found = found.groupby("customer_id", as_index=False).agg(
        why=("why", "; ".join), example=("example", "first")
    )
    known = _events_of(log, found["customer_id"].to_list())
    found["events"] = found["customer_id"].map(known)
    found["share"] = found["events"] / log.total
    found = found.sort_values(["events", "customer_id"], ascending=[False, True], ignore_index=True)
    return found[list(SUSPECTS)].astype(SUSPECTS)


@once
def hours_of_people(log: Log) -> pd.DataFrame:
    """Return the events of each kind and hour (see `Log.hours_of`) without those of suspects, who tell of no feed."""
    suspects = suspects_of(log)["customer_id"]
    if not len(suspects):
        return log.hours
    return log.hours_of(log.table.anti_join(log.beside({"customer_id": suspects}), "customer_id"))


def machines(log: Log) -> list[Finding]:
    """Say how much of the log comes from what acts as no person does."""
    found = suspects_of(log)
    if not len(found):
        return []
    top = found.iloc[0]
    n = int(found["events"].sum())
    return [
        Finding(
            SERIOUS if n >= 0.05 * log.total else LOOK,
            f"{counted(len(found), 'customer')} {'acts' if len(found) == 1 else 'act'} as no person does, and "
            f"{'makes' if len(found) == 1 else 'make'} {share(n, log.total)} of all events.",
            n,
            f"customer {top['customer_id']}: {top['why']}",
            "Robots, monitors and tests, most likely. Look at .suspects, and leave them out before "
            "reading: they become segments of their own.",
        )
    ]


def _acts(log: Log) -> ibis.Table | None:
    """Return what customers do by themselves, by times that are known to the minute at least; the order is the "
    "act."""
    kinds = [
        kind
        for kind in log.kinds.index
        if not kind.endswith("_sent") and kind != "return" and log.resolution[kind] <= 60
    ]
    if not kinds:
        return None
    t = log.table if len(kinds) == len(log.kinds) else log.table.filter(one_of(log.table.kind, kinds))
    act = t.timestamp.cast("string")
    return t.select(
        "customer_id", "timestamp", act=t.order_id.fill_null(act) if "order_id" in t.columns else act
    )


def _too_fast(log: Log, acts: ibis.Table, hours: ibis.Table) -> pd.DataFrame:
    busy = hours.filter(hours.n >= BUSY).select("customer_id", "hour")
    within = acts.mutate(hour=acts.timestamp.truncate("h")).semi_join(busy, ["customer_id", "hour"])
    minutes = within.group_by("customer_id", "hour", minute=within.timestamp.truncate("m")).agg(
        n=within.act.nunique()
    )
    by_hour = minutes.group_by("customer_id", "hour").agg(n=minutes.n.sum(), most=minutes.n.max())
    fast = by_hour.filter((by_hour.n >= AN_HOUR) | (by_hour.most >= A_MINUTE))
    rows = log.answer(
        fast.group_by("customer_id").agg(n=fast.n.max(), most=fast.most.max(), example=fast.hour.min())
    )
    why = [
        f"{row.n:,} acts in an hour" if row.n >= AN_HOUR else f"{row.most:,} acts in a minute"
        for row in rows.itertuples()
    ]
    return pd.DataFrame(
        {"customer_id": rows["customer_id"], "why": why, "example": rows["example"].astype("str")}
    )


def _never_asleep(log: Log, hours: ibis.Table) -> pd.DataFrame:
    days = hours.group_by("customer_id", day=hours.hour.truncate("D")).agg(awake=hours.count())
    sleepless = days.filter(days.awake >= AWAKE)
    rows = log.answer(
        sleepless.group_by("customer_id").agg(days=sleepless.count(), example=sleepless.day.min())
    )
    rows = rows[rows["days"] >= NIGHTS]
    why = [f"round the clock on {row.days:,} days" for row in rows.itertuples()]
    return pd.DataFrame(
        {"customer_id": rows["customer_id"], "why": why, "example": rows["example"].astype("str")}
    )


def _beating(log: Log, acts: ibis.Table) -> pd.DataFrame:
    """Find those whose acts follow each other like the beats of a clock."""
    sizes = acts.group_by("customer_id").agg(n=acts.count())
    heard = (
        sizes.filter(sizes.n >= BEATS)
        .order_by(ibis.desc("n"), "customer_id")
        .limit(HEARD)
        .select("customer_id")
    )
    moments = (
        acts.semi_join(heard, "customer_id")
        .group_by("customer_id", second=lambda t: t.timestamp.truncate("s"))
        .agg()
    )
    window = ibis.window(group_by=moments.customer_id, order_by=moments.second)
    since = moments.second.epoch_seconds() - moments.second.lag().over(window).epoch_seconds()
    gaps = moments.mutate(since=since).filter(lambda t: t.since.notnull())
    counts = gaps.group_by("customer_id", "since").agg(n=gaps.count(), example=gaps.second.min())
    total = counts.group_by("customer_id").agg(total=counts.n.sum())
    rows = log.answer(counts.join(total, "customer_id").filter(lambda t: t.n >= BEAT * t.total))
    exact = 60 if (log.resolution[log.resolution <= 60] == 60).any() else 1
    rows = rows[(rows["total"] >= BEATS - 1) & rows["since"].between(5 * exact, 86_399)]
    why = [f"every {row.since:,} seconds, {row.n:,} times" for row in rows.itertuples()]
    return pd.DataFrame(
        {"customer_id": rows["customer_id"], "why": why, "example": rows["example"].astype("str")}
    )


def _events_of(log: Log, ids: list[str]) -> dict[str, int]:
    rows = log.answer(log.customers.semi_join(log.beside({"customer_id": pd.Series(ids)}), "customer_id"))
    return dict(zip(rows["customer_id"], rows["events"], strict=True))


def nobodies(log: Log) -> list[Finding]:
    """Find ids that stand for many people, or for nobody."""
    t = log.customers
    top = log.answer(t.order_by(ibis.desc("events"), "customer_id").limit(max(100, log.n_customers // 100)))
    findings = []
    names = top[top["customer_id"].str.strip().str.lower().isin(NOBODY)]
    if len(names) and log.n_customers > len(names):
        n = int(names["events"].sum())
        findings.append(
            Finding(
                SERIOUS if n >= 0.01 * log.total else LOOK,
                f"{counted(n, 'event')} ({share(n, log.total)}) {'belongs' if n == 1 else 'belong'} to "
                f"{', '.join(map(repr, names['customer_id'][:5]))}, which is no person's id.",
                n,
                f"customer_id={names['customer_id'].iloc[0]}",
                "Guests and missing ids look like one very good customer. Leave them out before reading.",
            )
        )
    if len(top) >= 20:
        first, second = top.iloc[0], top.iloc[1]
        alone = first["events"] >= max(LARGE * log.total, AHEAD * second["events"])
        told = {*names["customer_id"], *suspects_of(log)["customer_id"]}
        if alone and first["customer_id"] not in told:
            findings.append(
                Finding(
                    SERIOUS if first["events"] >= 0.1 * log.total else LOOK,
                    f"One customer has {share(first['events'], log.total)} of all events, "
                    f"{first['events'] / second['events']:,.0f} times as many as the next.",
                    int(first["events"]),
                    f"customer_id={first['customer_id']}",
                    "A shared till or account, a reseller, or the shop itself, most likely. Decide whether it "
                    "is a customer.",
                )
            )
    return findings
