"""Is anything there twice: lines, files, orders."""

from __future__ import annotations

import ibis
import pandas as pd

from segkit.collect.quality.findings import LOOK, NOTE, SERIOUS, Finding, day, from_to, share
from segkit.collect.quality.log_queries import Log, once
from segkit.core.messages import counted

MANY, SOME = 0.2, 0.05  # shares of repeated lines that are serious, and worth a look
BURST, FEWEST = (
    0.5,
    20,
)  # share of a day's lines that were there before, and their number, as after reading a file twice
TWINS = 0.05  # share of orders with another one of the same customer, day and total
REUSED = pd.Timedelta(days=60)  # between the first and the last line of one order


@once
def repeats_by_day(log: Log) -> pd.DataFrame:
    """Return, for each kind and day, the `lines`, and how many `repeats` of an earlier one are among them."""
    t = log.table
    if log.dialect == "duckdb":
        line = {"line": ibis.struct({c: t[c] for c in t.columns}).hash()}
    else:
        line = {f"line_{c}": t[c] for c in t.columns}  # others hash to 32 bits, where chance makes equals
    lines = t.select("kind", day=t.timestamp.truncate("D"), **line)
    different = lines.group_by("kind", "day", *line).agg(n=lines.count())
    return log.answer(
        different.group_by("kind", "day").agg(
            lines=different.n.sum(),
            repeats=(different.n - 1).sum(),
            pairs=(different.n > 1).sum(),
            different=different.count(),
        )
    ).sort_values(["kind", "day"], ignore_index=True)


def repeats(log: Log) -> list[Finding]:
    """Count lines that equal an earlier one in every column."""
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
            told = [
                f"{row.repeats:,} of kind {row.Index} ({share(row.repeats, row.lines)})"
                for row in rows.itertuples()
            ]
            findings.append(
                Finding(
                    severity,
                    f"Lines that equal an earlier one in every column: {', '.join(told)}.",
                    int(rows["repeats"].sum()),
                    _a_repeat(log, rows.index[0]),
                    "Two equal lines may be two items scanned apart, or one line exported twice. If the latter: "
                    "read_events(…, duplicates='refuse').",
                )
            )
    return findings


def _a_repeat(log: Log, kind: str) -> str:
    """Show a line that occurs several times, of the day that has most of them."""
    days = repeats_by_day(log)
    worst = days[days["kind"] == kind].sort_values("repeats", ascending=False, kind="stable")["day"].iloc[0]
    t = log.table
    moment = ibis.literal(worst, type="timestamp(6)")
    t = t.filter(t.kind == kind, t.timestamp >= moment, t.timestamp < moment + ibis.interval(days=1))
    shown = [c for c in ("customer_id", "timestamp", "order_id", "product_id", "page") if c in t.columns]
    lines = t.group_by(t.columns).agg(n=t.count())
    most = log.row(lines.order_by(ibis.desc("n"), *shown).limit(1))
    return f"{int(most['n'])} times " + ", ".join(f"{c}={most[c]}" for c in shown if most[c] is not None)


def read_twice(log: Log) -> list[Finding]:
    """Find days most of whose lines are there twice, as when a file is read again."""
    findings = []
    for kind, rows in repeats_by_day(log).groupby("kind"):
        twice = (rows["pairs"] >= BURST * rows["different"]) & (rows["repeats"] >= FEWEST)
        if not twice.any():
            continue
        days, n = rows["day"][twice], int(rows["repeats"][twice].sum())
        span = from_to(days.min(), days.max())
        when = span.capitalize() if len(days) == 1 else f"On {len(days):,} days {span}"
        findings.append(
            Finding(
                SERIOUS,
                f"{when}, most {kind} lines are there more than once: {counted(n, 'line')} too many.",
                n,
                f"{kind} on {day(days.iloc[0])}",
                "A file was read twice, most likely. Read each once; or read_events(…, duplicates='refuse').",
            )
        )
    return findings


@once
def orders_of(log: Log) -> ibis.Table:
    """Return each order of the purchases: `order_id`, customers, times, and total."""
    t = log.table.filter(log.table.kind == "purchase", log.table.order_id.notnull())
    numbers = {
        "customer": t.customer_id.min(),
        "other": t.customer_id.max(),
        "first": t.timestamp.min(),
        "last": t.timestamp.max(),
    }
    if "amount" in t.columns:
        numbers["total"] = t.amount.cast("decimal(18, 2)").sum()
    return log.held(t.group_by("order_id").agg(**numbers))


def shared_orders(log: Log) -> list[Finding]:
    """Find order ids that two customers have."""
    t = orders_of(log)
    two = t.filter(t.customer != t.other)
    row = log.row(two.agg(n=two.count(), example=two.order_id.min()))
    if not row["n"]:
        return []
    total = int(log.row(t.agg(n=t.count()))["n"])
    one = log.row(two.filter(two.order_id == row["example"]))
    return [
        Finding(
            SERIOUS if row["n"] >= 0.01 * total else LOOK,
            f"{counted(int(row['n']), 'order id')} of {share(int(row['n']), total)} of the orders "
            f"{'belongs' if row['n'] == 1 else 'belong'} to two customers or more.",
            int(row["n"]),
            f"order {row['example']}: customers {one['customer']} and {one['other']}",
            "Ids may be unique in one shop or year only: put that before them, such as shop + '-' + id. "
            "Or a customer has two ids. Each of them is counted an order.",
        )
    ]


def reused_orders(log: Log) -> list[Finding]:
    """Find order ids that come back after months."""
    t = orders_of(log)
    seconds = t.last.epoch_seconds() - t.first.epoch_seconds()
    again = t.filter((t.customer == t.other) & (seconds > int(REUSED.total_seconds())))
    row = log.row(again.agg(n=again.count(), example=again.order_id.min()))
    if not row["n"]:
        return []
    return [
        Finding(
            LOOK,
            f"{counted(int(row['n']), 'order')} of one customer with lines more than {REUSED.days} days apart.",
            int(row["n"]),
            f"order {row['example']}",
            "Order ids were given again, or are no order ids but contracts or customers. Frequency is too "
            "low for them.",
        )
    ]


def order_spellings(log: Log) -> list[Finding]:
    """Find order ids that differ only in how they are written."""
    t = orders_of(log)
    plain = t.order_id.lower().re_replace(r"[^a-z0-9]|^[^a-z1-9]+", "")
    written = t.mutate(plain=plain).filter(lambda x: x.plain != "")
    return _spellings(
        log,
        written.group_by("plain").agg(
            n=written.count(), one=written.order_id.min(), other=written.order_id.max()
        ),
        "order id",
        "The same orders from two sources, most likely, and so counted twice. Leave one source out, or mend the ids.",
    )


def customer_spellings(log: Log) -> list[Finding]:
    """Find customer ids that differ only in how they are written."""
    t = log.customers
    written = t.mutate(plain=t.customer_id.strip().lower())
    return _spellings(
        log,
        written.group_by("plain").agg(
            n=written.count(), one=written.customer_id.min(), other=written.customer_id.max()
        ),
        "customer id",
        "One person under two ids looks like two customers, each half as active. Write ids alike before reading: "
        "table['id'].str.strip().str.lower().",
    )


def _spellings(log: Log, written: ibis.Table, what: str, advice: str) -> list[Finding]:
    several = written.filter(written.n > 1)
    row = log.row(several.agg(n=several.count(), plain=several.plain.min()))
    if not row["n"]:
        return []
    one = log.row(several.filter(several.plain == row["plain"]))
    return [
        Finding(
            LOOK,
            f"{counted(int(row['n']), what)} written in two ways or more.",
            int(row["n"]),
            f"{one['one']!r} and {one['other']!r}",
            advice,
        )
    ]


def twin_orders(log: Log) -> list[Finding]:
    """Count orders that have a twin: of the same customer, day and total, under another id."""
    t = orders_of(log)
    paid = t.filter(t.total > 0).mutate(day=t.first.truncate("D"))
    alike = paid.group_by("customer", "day", "total").agg(n=paid.count(), order=paid.order_id.min())
    row = log.row(
        alike.agg(
            orders=alike.n.sum(),
            twins=(alike.n > 1).ifelse(alike.n - 1, 0).sum(),
            example=(alike.n > 1).ifelse(alike.order, None).min(),
        )
    )
    if not row["twins"] or row["twins"] < max(FEWEST, TWINS * row["orders"]):
        return []
    return [
        Finding(
            LOOK,
            f"{counted(int(row['twins']), 'order')} ({share(row['twins'], row['orders'])}) have a twin: "
            "same customer, day and total, another id.",
            int(row["twins"]),
            f"order {row['example']}",
            "The shop's orders and the payments for them may both be in the log. Leave one of them out: money and "
            "frequency are counted twice.",
        )
    ]
