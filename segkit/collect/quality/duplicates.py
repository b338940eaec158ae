"""Find lines, files and orders that are in the log twice, and ids written in two ways."""

from __future__ import annotations

import ibis
import pandas as pd

from segkit.collect.quality.findings import LOOK, NOTE, SERIOUS, Finding, day, from_to, row_as_text, share
from segkit.collect.quality.log_queries import Log, once
from segkit.core.messages import counted

MANY, SOME = 0.2, 0.05  # shares of repeated lines that are serious, and worth a look
READ_TWICE, FEWEST = 0.5, 20  # share and number of repeated lines of a day that was read twice
TWINS = 0.05  # share of orders with another one of the same customer, day and total
REUSED = pd.Timedelta(days=60)  # least time between the first and the last line of a reused order id


@once
def repeats_by_day(log: Log) -> pd.DataFrame:
    """Return the `lines` of each kind and day, and how many are `repeats` of an equal line."""
    t = _lines(log)
    if log.dialect == "duckdb":
        line = {"line": ibis.struct({c: t[c] for c in t.columns}).hash()}
    else:
        # Other engines hash to 32 bits, where different lines often share a hash.
        line = {f"line_{c}": t[c] for c in t.columns}
    lines = t.select("kind", day=t.timestamp.truncate("D"), **line)
    different = lines.group_by("kind", "day", *line).agg(n=lines.count())
    return log.run(
        different.group_by("kind", "day").agg(
            lines=different.n.sum(),
            repeats=(different.n - 1).sum(),
            pairs=(different.n > 1).sum(),
            different=different.count(),
        )
    ).sort_values(["kind", "day"], ignore_index=True)


def _lines(log: Log) -> ibis.Table:
    """Return what the events say, without their ids: an event that is sent again may get another one."""
    return log.table.drop("event_id") if "event_id" in log.table.columns else log.table


def repeated_ids(log: Log) -> list[Finding]:
    """Report events with the id of another one."""
    t = log.table.filter(log.table.event_id.notnull())
    counts = t.group_by("event_id").agg(n=t.count())
    again = counts.filter(counts.n > 1)
    found = log.first_row(again.agg(n=(again.n - 1).sum(), example=again.event_id.min()))
    if found["n"] is None:
        return []
    n = int(found["n"])
    return [
        Finding(
            SERIOUS,
            f"{counted(n, 'event has', 'events have')} the event_id of another one.",
            n,
            f"event_id={found['example']}",
            "Probably they came twice, in two logs. Read these together, so that each counts once: "
            "read_events([…], event_id='event_id').",
        )
    ]


def repeats(log: Log) -> list[Finding]:
    """Report lines that equal an earlier one in every column but `event_id`."""
    totals = repeats_by_day(log).groupby("kind")[["lines", "repeats"]].sum().astype("int64")
    totals = totals[totals["repeats"] > 0].sort_values("repeats", ascending=False)
    part = totals["repeats"] / totals["lines"]
    findings = []
    for severity, rows in (
        (SERIOUS, totals[part >= MANY]),
        (LOOK, totals[(part >= SOME) & (part < MANY)]),
        (NOTE, totals[part < SOME]),
    ):
        if len(rows):
            by_kind = [
                f"{row.repeats:,} of kind {row.Index} ({share(row.repeats, row.lines)})"
                for row in rows.itertuples()
            ]
            findings.append(
                Finding(
                    severity,
                    f"Lines that equal an earlier one in every column: {', '.join(by_kind)}.",
                    int(rows["repeats"].sum()),
                    _example(log, rows.index[0]),
                    "Two equal lines may be two items scanned one by one, or one line exported twice. In the second "
                    "case leave them out: read_events(…, duplicates='refuse').",
                )
            )
    return findings


def _example(log: Log, kind: str) -> str:
    """Return a repeated line of the day with most of them, as text."""
    days = repeats_by_day(log)
    worst = days[days["kind"] == kind].sort_values("repeats", ascending=False, kind="stable")["day"].iloc[0]
    t = _lines(log)
    moment = ibis.literal(worst, type="timestamp(6)")
    t = t.filter(t.kind == kind, t.timestamp >= moment, t.timestamp < moment + ibis.interval(days=1))
    shown = [c for c in ("customer_id", "timestamp", "order_id", "product_id", "page") if c in t.columns]
    lines = t.group_by(t.columns).agg(n=t.count())
    most = log.first_row(lines.order_by(ibis.desc("n"), *shown).limit(1))
    return f"{int(most['n'])} times {row_as_text(most, shown)}"


def read_twice(log: Log) -> list[Finding]:
    """Report days of which most lines are in the log twice."""
    findings = []
    for kind, rows in repeats_by_day(log).groupby("kind"):
        twice = (rows["pairs"] >= READ_TWICE * rows["different"]) & (rows["repeats"] >= FEWEST)
        if not twice.any():
            continue
        days, n = rows["day"][twice], int(rows["repeats"][twice].sum())
        span = from_to(days.min(), days.max())
        when = span.capitalize() if len(days) == 1 else f"On {len(days):,} days {span}"
        findings.append(
            Finding(
                SERIOUS,
                f"{when}, most {kind} lines are in the log more than once: {counted(n, 'line')} too many.",
                n,
                f"{kind} on {day(days.iloc[0])}",
                "Probably a file was read twice. Read each file once, or use read_events(…, duplicates='refuse').",
            )
        )
    return findings


@once
def orders_of(log: Log) -> ibis.Table:
    """Return the orders: `order_id`, smallest and largest customer id, first and last time, and total."""
    t = log.table.filter(log.table.kind == "purchase", log.table.order_id.notnull())
    numbers = {
        "customer": t.customer_id.min(),
        "other": t.customer_id.max(),
        "first": t.timestamp.min(),
        "last": t.timestamp.max(),
    }
    if "amount" in t.columns:
        numbers["total"] = t.amount.cast("decimal(18, 2)").sum()
    return log.materialise(t.group_by("order_id").agg(**numbers))


def shared_orders(log: Log) -> list[Finding]:
    """Report order ids of two customers."""
    t = orders_of(log)
    two = t.filter(t.customer != t.other)
    row = log.first_row(two.agg(n=two.count(), example=two.order_id.min()))
    if not row["n"]:
        return []
    n, total = int(row["n"]), int(log.first_row(t.agg(n=t.count()))["n"])
    one = log.first_row(two.filter(two.order_id == row["example"]))
    return [
        Finding(
            SERIOUS if n >= 0.01 * total else LOOK,
            f"{counted(n, 'order id')} ({share(n, total)} of all) {'belongs' if n == 1 else 'belong'} to two "
            "customers or more.",
            n,
            f"order {row['example']}: customers {one['customer']} and {one['other']}",
            "Order ids may repeat between shops or years: put these in front, such as shop + '-' + id. Or one "
            "person has two customer ids. Until this is corrected, each of the customers is counted an order.",
        )
    ]


def reused_orders(log: Log) -> list[Finding]:
    """Report order ids that a customer uses again after months."""
    t = orders_of(log)
    seconds = t.last.epoch_seconds() - t.first.epoch_seconds()
    reused = t.filter((t.customer == t.other) & (seconds > int(REUSED.total_seconds())))
    row = log.first_row(reused.agg(n=reused.count(), example=reused.order_id.min()))
    if not row["n"]:
        return []
    return [
        Finding(
            LOOK,
            f"{counted(int(row['n']), 'order')} with lines more than {REUSED.days} days apart.",
            int(row["n"]),
            f"order {row['example']}",
            "The shop may use order ids again, or the column holds contracts or customers. The frequency of these "
            "customers is too low.",
        )
    ]


def order_spellings(log: Log) -> list[Finding]:
    """Report order ids that differ only in their spelling."""
    t = orders_of(log)
    return _spellings(
        log,
        t.select(id=t.order_id, plain=t.order_id.lower().re_replace(r"[^a-z0-9]|^[^a-z1-9]+", "")),
        "order id",
        "Probably the same orders from two sources, counted twice. Leave one source out, or write the ids alike.",
    )


def customer_spellings(log: Log) -> list[Finding]:
    """Report customer ids that differ only in their spelling."""
    t = log.customers
    return _spellings(
        log,
        t.select(id=t.customer_id, plain=t.customer_id.strip().lower()),
        "customer id",
        "One person with two ids looks like two customers, each half as active. Write the ids alike before reading: "
        "table['id'].str.strip().str.lower().",
    )


def _spellings(log: Log, ids: ibis.Table, what: str, advice: str) -> list[Finding]:
    t = ids.filter(ids.plain != "")
    spelt = t.group_by("plain").agg(n=t.count(), one=t.id.min(), other=t.id.max())
    several = spelt.filter(spelt.n > 1)
    row = log.first_row(several.agg(n=several.count(), plain=several.plain.min()))
    if not row["n"]:
        return []
    one = log.first_row(several.filter(several.plain == row["plain"]))
    return [
        Finding(
            LOOK,
            f"{counted(int(row['n']), what)} spelt in two ways or more.",
            int(row["n"]),
            f"{one['one']!r} and {one['other']!r}",
            advice,
        )
    ]


def twin_orders(log: Log) -> list[Finding]:
    """Report orders with a twin: the same customer, day and total under another id."""
    t = orders_of(log)
    paid = t.filter(t.total > 0).mutate(day=t.first.truncate("D"))
    alike = paid.group_by("customer", "day", "total").agg(n=paid.count(), order=paid.order_id.min())
    row = log.first_row(
        alike.agg(
            orders=alike.n.sum(),
            twins=(alike.n > 1).ifelse(alike.n - 1, 0).sum(),
            example=(alike.n > 1).ifelse(alike.order, None).min(),
        )
    )
    if not row["twins"] or row["twins"] < max(FEWEST, TWINS * row["orders"]):
        return []
    n = int(row["twins"])
    return [
        Finding(
            LOOK,
            f"{counted(n, 'order has', 'orders have')} a twin ({share(n, row['orders'])} of all): the same customer, "
            "day and total under another id.",
            n,
            f"order {row['example']}",
            "The log may hold both the shop's orders and the payments for them. Leave one of them out: money and "
            "frequency are counted twice.",
        )
    ]
