"""Can the money be believed: nothing, too much, cents among euros, currencies side by side."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd

from segkit.collect.quality.findings import LOOK, NOTE, SERIOUS, Finding, from_to, share, times
from segkit.collect.quality.log_queries import Log, once, one_of
from segkit.core.messages import counted

SOLD = ("purchase", "return")
PER_DECADE = 10  # bins of amounts for each power of ten
BEYOND = 10  # times the amount that 999 of 1,000 stay below
PRICE_BINS = 20  # bins of unit prices for each power of ten
SCALES = {
    100: 40,
    1000: 60,
}  # how many bins two prices of one product lie apart, if one is in cents, or in thousandths
SOME, PEAK, FEWEST = 0.002, 5, 20  # share of lines; times as many as a little nearer or further; lines
OTHER = (
    4.0  # times the price of the same products elsewhere, from which on a place is said to use other money
)
PRODUCTS, LINES = 3, 30  # of a place, or a month, that can be compared
JUMP = 20  # times the middle amount of other months


@once
def amounts_of(log: Log) -> pd.DataFrame:
    """Return how many events of a month have which amount: `kind`, `month`, `bin` (of its logarithm), `n`, `total`.

    The bin of an amount of 0 is missing.
    """
    t = log.table.filter(log.table.amount.notnull())
    size = t.amount.abs()
    step = (size > 0).ifelse((size.nullif(0).log10() * PER_DECADE).floor(), None)
    rows = log.answer(
        t.group_by("kind", month=t.timestamp.truncate("M"), bin=step.cast("int64")).agg(
            n=t.count(), total=size.cast("float64").sum()
        )
    )
    return rows.sort_values(["kind", "bin", "month"], ignore_index=True)


def jumps(log: Log) -> list[Finding]:
    """Find months in which the middle amount is many times that of the other months."""
    findings = []
    for kind, rows in amounts_of(log).dropna(subset="bin").groupby("kind"):
        months = rows[rows.groupby("month")["n"].transform("sum") >= LINES]
        middle = months.groupby("month").apply(_middle, include_groups=False)
        if len(middle) < 3:
            continue
        apart = middle - middle.median()
        odd = apart[apart.abs() >= np.log10(JUMP) * PER_DECADE]
        if not len(odd) or len(odd) > len(middle) / 2:
            continue
        n = int(months.loc[months["month"].isin(odd.index), "n"].sum())
        ratio = 10 ** (odd.iloc[0] / PER_DECADE)
        findings.append(
            Finding(
                SERIOUS,
                f"Amounts of {kind} are about {times(max(ratio, 1 / ratio))} as {'high' if ratio > 1 else 'low'} in "
                f"{counted(len(odd), 'month')} as in the others.",
                n,
                f"{odd.index[0]:%B %Y}",
                "Cents for whole units, or another currency, most likely. Bring all amounts to one before reading.",
            )
        )
    return findings


def _middle(rows: pd.DataFrame) -> float:
    """Return the bin of the middle amount."""
    sizes = rows.groupby("bin")["n"].sum()
    return float(sizes.index[(sizes.cumsum() >= sizes.sum() / 2).argmax()])


def nothing(log: Log) -> list[Finding]:
    """Count purchases of nothing."""
    rows = amounts_of(log)
    bought = rows[rows["kind"] == "purchase"]
    n, total = int(bought.loc[bought["bin"].isna(), "n"].sum()), int(bought["n"].sum())
    if not n:
        return []
    return [
        Finding(
            SERIOUS if n >= 0.2 * total else LOOK if n >= 0.01 * total else NOTE,
            f"{counted(n, 'purchase line')} of amount 0 ({share(n, total)}).",
            n,
            _example(log, lambda t: (t.kind == "purchase") & (t.amount == 0)),
            "Gifts, samples and vouchers count as orders. If that is not meant, give them a kind of their "
            "own: kind='gift'.",
        )
    ]


def extremes(log: Log) -> list[Finding]:
    """Find amounts that are larger by orders of magnitude than nearly all others."""
    findings = []
    for kind, rows in _over_time(log).groupby("kind"):
        below = rows["n"].cumsum() / rows["n"].sum()
        if rows["n"].sum() < 1_000:
            continue
        nearly_all = rows["bin"][below >= 0.999].iloc[0]
        far = rows[rows["bin"] > nearly_all + PER_DECADE * np.log10(BEYOND)]
        if not len(far):
            continue
        edge = 10 ** (far["bin"].iloc[0] / PER_DECADE) * (1 - 1e-9)
        n, smallest = _beyond(log, kind, edge)
        part = far["total"].sum() / rows["total"].sum()
        typical = 10 ** ((rows["bin"][below >= 0.5].iloc[0] + 0.5) / PER_DECADE)
        findings.append(
            Finding(
                LOOK if part >= 0.005 else NOTE,
                f"{counted(n, f'{kind} line')} of {smallest:,.0f} or more, where half are below {typical:,.0f}: "
                f"{share(far['total'].sum(), rows['total'].sum())} of the money.",
                n,
                _example(log, lambda t, kind=kind: t.kind == kind, order="amount"),
                "Wholesale, a slip of the keyboard, or another currency. Check the largest; means are "
                "theirs, so prefer medians and logarithms.",
            )
        )
    return findings


def _over_time(log: Log) -> pd.DataFrame:
    rows = amounts_of(log).dropna(subset="bin")
    return rows.groupby(["kind", "bin"], as_index=False)[["n", "total"]].sum()


def _beyond(log: Log, kind: str, edge: float) -> tuple[int, float]:
    """Count the events of a kind of an amount or more, and return the smallest of these amounts."""
    t = log.table
    far = t.filter(t.kind == kind, t.amount.abs() >= edge)
    row = log.row(far.agg(n=far.count(), smallest=far.amount.abs().min()))
    return int(row["n"]), float(row["smallest"])


def odd_quantities(log: Log) -> list[Finding]:
    """Count purchases of no piece, or of fewer than none."""
    t = log.table
    query = t.filter(t.kind == "purchase", t.quantity <= 0)
    n = int(log.row(query.agg(n=query.count()))["n"])
    if not n:
        return []
    return [
        Finding(
            NOTE if n < 0.01 * log.kinds["purchase"] else LOOK,
            f"{counted(n, 'purchase line')} of a quantity of 0 or less.",
            n,
            _example(log, lambda t: (t.kind == "purchase") & (t.quantity <= 0)),
            "Corrections, most likely: read them as returns, or leave them out.",
        )
    ]


def scales(log: Log) -> list[Finding]:
    """Find products whose price is a hundred or a thousand times another price of the same product."""
    offsets = _offsets(log)
    findings = []
    for ratio, apart in SCALES.items():
        for sign, said in ((1, "times as high"), (-1, "times as low")):
            at = offsets.reindex(range(sign * apart - 1, sign * apart + 2), fill_value=0).sum()
            around = [d for d in range(apart - 10, apart + 11) if abs(d - apart) > 2]
            beside = offsets.reindex([sign * d for d in around], fill_value=0).mean()
            if at < max(FEWEST, SOME * offsets.sum()) or at < PEAK * 3 * beside:
                continue
            findings.append(
                Finding(
                    SERIOUS,
                    f"{counted(int(at), 'line')} at {ratio:,} {said} as the usual price of the same product.",
                    int(at),
                    *_scaled(log, sign * apart, ratio),
                )
            )
    return findings


@once
def _prices(log: Log) -> ibis.Table:
    """Return the lines of each product by unit price: `product_id`, `bin`, `n`, `first`, `last`."""
    t = _priced(log)
    step = (t.price.log10() * PRICE_BINS).round().cast("int64")
    return log.held(
        t.group_by("product_id", bin=step).agg(n=t.count(), first=t.timestamp.min(), last=t.timestamp.max())
    )


def _priced(log: Log) -> ibis.Table:
    t = log.table.filter(one_of(log.table.kind, SOLD), log.table.product_id.notnull(), log.table.amount != 0)
    price = t.amount.abs()
    if "quantity" in t.columns:
        price = price / t.quantity.abs().nullif(0)
    return t.mutate(price=price).filter(lambda x: x.price > 0)


def _usual(log: Log) -> ibis.Table:
    """Return the prices of each product with the one that most lines have, as `usual`."""
    t = _prices(log)
    rank = ibis.row_number().over(group_by=t.product_id, order_by=[ibis.desc(t.n), t.bin])
    most = t.mutate(rank=rank).filter(lambda x: x.rank == 0).select("product_id", usual="bin")
    return t.join(most, "product_id")


def _offsets(log: Log) -> pd.Series:
    """Return how many lines lie how many bins above the usual price of their product."""
    t = _usual(log)
    rows = log.answer(t.group_by(offset=t.bin - t.usual).agg(lines=t.n.sum()))
    return rows.set_index("offset")["lines"].sort_index()


def _scaled(log: Log, apart: int, ratio: int) -> tuple[str, str]:
    """Return an example of a product with prices so far apart, and what to do."""
    t = _usual(log)
    far = t.filter((t.bin - t.usual).between(apart - 1, apart + 1))
    row = log.row(far.order_by(ibis.desc("n"), "product_id").limit(1))
    when = log.row(far.agg(first=far.first.min(), last=far.last.max()))
    prices = sorted(10 ** (row[name] / PRICE_BINS) for name in ("bin", "usual"))
    small = "cents and whole units" if ratio == 100 else "units and thousandths"
    return (
        f"product {row['product_id']}: about {prices[0]:,.2f} and {prices[1]:,.2f}",
        f"Two sources were mixed, one in {small}, most likely; such lines lie "
        f"{from_to(when['first'], when['last'])}. "
        f"Divide the one by {ratio:,} before reading.",
    )


def currencies(log: Log) -> list[Finding]:
    """Find places and channels where the same products cost several times as much, or as little."""
    findings = []
    for column in ("place", "channel"):
        if column in log.columns:
            findings += [_of_money(log, column, row) for row in _elsewhere(log, column).itertuples()]
    return findings


def _elsewhere(log: Log, column: str) -> pd.DataFrame:
    """Return the places where the same products cost otherwise: `where`, `ratio`, `lines`, `products`."""
    t = _priced(log)
    t = t.filter(t[column].notnull())
    each = t.group_by("product_id", where=t[column]).agg(n=t.count(), logs=t.price.ln().sum())
    every = each.group_by("product_id").agg(all_n=each.n.sum(), all_logs=each.logs.sum())
    both = each.join(every, "product_id").filter(lambda x: x.all_n > x.n)
    off = both.logs / both.n - (both.all_logs - both.logs) / (both.all_n - both.n)
    by_place = both.group_by("where").agg(
        ratio=(off * both.n).sum() / both.n.sum(), lines=both.n.sum(), products=both.count()
    )
    rows = log.answer(by_place.filter(by_place.lines >= LINES, by_place.products >= PRODUCTS))
    rows["ratio"] = np.exp(rows["ratio"])
    odd = rows[(rows["ratio"] >= OTHER) | (rows["ratio"] <= 1 / OTHER)]
    return odd[odd["lines"] < rows["lines"].sum() / 2].sort_values("where")


def _of_money(log: Log, column: str, row) -> Finding:  # type: ignore[no-untyped-def]
    more = row.ratio >= 1
    return Finding(
        SERIOUS,
        f"The same products cost {times(row.ratio if more else 1 / row.ratio)} as "
        f"{'much' if more else 'little'} where "
        f"{column} is {row.where!r}.",
        int(row.lines),
        f"{column}={row.where}: {counted(int(row.products), 'product')} that are sold elsewhere too",
        "Another currency, most likely. Turn all amounts into one before reading.",
    )


def _example(log: Log, condition, order: str = "") -> str:  # type: ignore[no-untyped-def]
    """Show one line of the log of which a condition holds."""
    t = log.table
    t = t.filter(condition(t))
    shown = [
        c
        for c in ("customer_id", "timestamp", "order_id", "product_id", "quantity", "amount")
        if c in t.columns
    ]
    first = [ibis.desc(t[order].abs())] if order else []
    row = log.row(t.order_by(*first, *shown).limit(1).select(*shown))
    return ", ".join(f"{c}={row[c]}" for c in shown if row[c] is not None)
