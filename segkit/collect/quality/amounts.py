"""Check amounts and prices: zero, extremes, cents beside whole units, and mixed currencies."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd

from segkit.collect.quality.findings import LOOK, NOTE, SERIOUS, Finding, from_to, row_as_text, share, times
from segkit.collect.quality.log_queries import Log, once, one_of
from segkit.core.messages import counted

SOLD = ("purchase", "return")
PER_DECADE = 10  # bins of amounts for each power of ten
BEYOND = 10  # ratio of an extreme amount to the 99.9 % quantile
PRICE_BINS = 20  # bins of unit prices for each power of ten
SCALES = {100: 40, 1000: 60}  # ratio of two units of money, and how many bins it is
SOME, PEAK, FEWEST = 0.002, 5, 20  # share of lines; ratio to similar price ratios; lines
OTHER_CURRENCY = 4.0  # least ratio of the price of the same products elsewhere
PRODUCTS, LINES = 3, 30  # products and lines that a place or a month needs
JUMP = 20  # least ratio of a month's median to those of other months


@once
def amount_bins(log: Log) -> pd.DataFrame:
    """Count amounts by kind, month and size: `kind`, `month`, `bin` (of the logarithm), `n`, `total`.

    The bin of an amount of 0 is missing.
    """
    t = log.table.filter(log.table.amount.notnull())
    size = t.amount.abs()
    step = (size > 0).ifelse((size.nullif(0).log10() * PER_DECADE).floor(), None)
    rows = log.run(
        t.group_by("kind", month=t.timestamp.truncate("M"), bin=step.cast("int64")).agg(
            n=t.count(), total=size.cast("float64").sum()
        )
    )
    return rows.sort_values(["kind", "bin", "month"], ignore_index=True)


def jumps(log: Log) -> list[Finding]:
    """Report months whose median amount is many times that of other months."""
    findings = []
    for kind, rows in amount_bins(log).dropna(subset="bin").groupby("kind"):
        months = rows[rows.groupby("month")["n"].transform("sum") >= LINES]
        medians = months.groupby("month").apply(_median_bin, include_groups=False)
        if len(medians) < 3:
            continue
        apart = medians - medians.median()
        odd = apart[apart.abs() >= np.log10(JUMP) * PER_DECADE]
        if not len(odd) or len(odd) > len(medians) / 2:
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
                "Probably cents instead of whole units, or another currency. Convert all amounts to one unit before "
                "reading.",
            )
        )
    return findings


def _median_bin(rows: pd.DataFrame) -> float:
    sizes = rows.groupby("bin")["n"].sum()
    return float(sizes.index[(sizes.cumsum() >= sizes.sum() / 2).argmax()])


def zero_amounts(log: Log) -> list[Finding]:
    """Report purchases of amount 0."""
    rows = amount_bins(log)
    bought = rows[rows["kind"] == "purchase"]
    n, total = int(bought.loc[bought["bin"].isna(), "n"].sum()), int(bought["n"].sum())
    if not n:
        return []
    return [
        Finding(
            SERIOUS if n >= 0.2 * total else LOOK if n >= 0.01 * total else NOTE,
            f"{counted(n, 'purchase line')} of amount 0 ({share(n, total)}).",
            n,
            _example(log, (ibis._.kind == "purchase") & (ibis._.amount == 0)),
            "Gifts, samples and vouchers count as orders. To leave them out of orders, give them another kind: "
            "kind='gift'.",
        )
    ]


def extremes(log: Log) -> list[Finding]:
    """Report amounts that are many times larger than nearly all others."""
    bins = (
        amount_bins(log).dropna(subset="bin").groupby(["kind", "bin"], as_index=False)[["n", "total"]].sum()
    )
    findings = []
    for kind, rows in bins.groupby("kind"):
        below = rows["n"].cumsum() / rows["n"].sum()
        if rows["n"].sum() < 1_000:
            continue
        nearly_all = rows["bin"][below >= 0.999].iloc[0]
        far = rows[rows["bin"] > nearly_all + PER_DECADE * np.log10(BEYOND)]
        if not len(far):
            continue
        edge = 10 ** (far["bin"].iloc[0] / PER_DECADE) * (1 - 1e-9)
        n, smallest = _amounts_above(log, kind, edge)
        typical = 10 ** ((rows["bin"][below >= 0.5].iloc[0] + 0.5) / PER_DECADE)
        findings.append(
            Finding(
                LOOK if far["total"].sum() >= 0.005 * rows["total"].sum() else NOTE,
                f"{counted(n, f'{kind} line')} of {smallest:,.0f} or more, where half are below {typical:,.0f}: "
                f"{share(far['total'].sum(), rows['total'].sum())} of the money.",
                n,
                _example(log, ibis._.kind == kind, order="amount"),
                "Wholesale, a typing error, or another currency. Check the largest. They dominate means, so prefer "
                "medians and logarithms.",
            )
        )
    return findings


def _amounts_above(log: Log, kind: str, edge: float) -> tuple[int, float]:
    """Return how many events of a kind have at least this amount, and the smallest of these amounts."""
    t = log.table
    far = t.filter(t.kind == kind, t.amount.abs() >= edge)
    row = log.first_row(far.agg(n=far.count(), smallest=far.amount.abs().min()))
    return int(row["n"]), float(row["smallest"])


def odd_quantities(log: Log) -> list[Finding]:
    """Report purchases of a quantity of 0 or less."""
    t = log.table
    query = t.filter(t.kind == "purchase", t.quantity <= 0)
    n = int(log.first_row(query.agg(n=query.count()))["n"])
    if not n:
        return []
    return [
        Finding(
            NOTE if n < 0.01 * log.kinds["purchase"] else LOOK,
            f"{counted(n, 'purchase line')} of a quantity of 0 or less.",
            n,
            _example(log, (ibis._.kind == "purchase") & (ibis._.quantity <= 0)),
            "Probably corrections. Read them as returns, or leave them out.",
        )
    ]


def scales(log: Log) -> list[Finding]:
    """Report products with one price that is 100 or 1,000 times another."""
    offsets = _price_offsets(log)
    findings = []
    for ratio, apart in SCALES.items():
        for sign, words in ((1, "times as high"), (-1, "times as low")):
            at = offsets.reindex(range(sign * apart - 1, sign * apart + 2), fill_value=0).sum()
            around = [d for d in range(apart - 10, apart + 11) if abs(d - apart) > 2]
            beside = offsets.reindex([sign * d for d in around], fill_value=0).mean()
            if at < max(FEWEST, SOME * offsets.sum()) or at < PEAK * 3 * beside:
                continue
            example, advice = _example_of_scale(log, sign * apart, ratio)
            findings.append(
                Finding(
                    SERIOUS,
                    f"{counted(int(at), 'line')} priced {ratio:,} {words} as usual for the same product.",
                    int(at),
                    example,
                    advice,
                )
            )
    return findings


def _with_price(log: Log) -> ibis.Table:
    """Return the lines of products, with their unit price as `price`."""
    t = log.table.filter(one_of(log.table.kind, SOLD), log.table.product_id.notnull(), log.table.amount != 0)
    price = t.amount.abs()
    if "quantity" in t.columns:
        price = price / t.quantity.abs().nullif(0)
    return t.mutate(price=price).filter(lambda x: x.price > 0)


@once
def _price_bins(log: Log) -> ibis.Table:
    """Count lines by product and unit price: `product_id`, `bin`, `n`, `first`, `last`, and the `usual` bin."""
    t = _with_price(log)
    step = (t.price.log10() * PRICE_BINS).round().cast("int64")
    bins = log.materialise(
        t.group_by("product_id", bin=step).agg(n=t.count(), first=t.timestamp.min(), last=t.timestamp.max())
    )
    rank = ibis.row_number().over(group_by=bins.product_id, order_by=[ibis.desc(bins.n), bins.bin])
    most = bins.mutate(rank=rank).filter(lambda x: x.rank == 0).select("product_id", usual="bin")
    return bins.join(most, "product_id")


def _price_offsets(log: Log) -> pd.Series:
    """Count lines by how many bins their price is above the usual price of the product."""
    t = _price_bins(log)
    rows = log.run(t.group_by(offset=t.bin - t.usual).agg(lines=t.n.sum()))
    return rows.set_index("offset")["lines"].sort_index()


def _example_of_scale(log: Log, apart: int, ratio: int) -> tuple[str, str]:
    """Return a product with prices this far apart, and the advice."""
    t = _price_bins(log)
    far = t.filter((t.bin - t.usual).between(apart - 1, apart + 1))
    row = log.first_row(far.order_by(ibis.desc("n"), "product_id").limit(1))
    when = log.first_row(far.agg(first=far.first.min(), last=far.last.max()))
    prices = sorted(10 ** (row[name] / PRICE_BINS) for name in ("bin", "usual"))
    units = "cents and whole units" if ratio == 100 else "units and thousandths"
    return (
        f"product {row['product_id']}: about {prices[0]:,.2f} and {prices[1]:,.2f}",
        f"Probably two sources with different units ({units}) were mixed; these lines are "
        f"{from_to(when['first'], when['last'])}. Divide the larger unit's amounts by {ratio:,} before reading.",
    )


def currencies(log: Log) -> list[Finding]:
    """Report places and channels with prices several times those of the same products elsewhere."""
    findings = []
    for column in ("place", "channel"):
        for row in _other_prices(log, column).itertuples() if column in log.columns else ():
            more = row.ratio >= 1
            findings.append(
                Finding(
                    SERIOUS,
                    f"The same products cost {times(row.ratio if more else 1 / row.ratio)} as "
                    f"{'much' if more else 'little'} where {column} is {row.where!r}.",
                    int(row.lines),
                    f"{column}={row.where}: {counted(int(row.products), 'product')} also sold elsewhere",
                    "Probably another currency. Convert all amounts to one before reading.",
                )
            )
    return findings


def _other_prices(log: Log, column: str) -> pd.DataFrame:
    """Return the values of a column with other prices: `where`, `ratio`, `lines`, `products`."""
    t = _with_price(log)
    t = t.filter(t[column].notnull())
    each = t.group_by("product_id", where=t[column]).agg(n=t.count(), logs=t.price.ln().sum())
    every = each.group_by("product_id").agg(all_n=each.n.sum(), all_logs=each.logs.sum())
    both = each.join(every, "product_id").filter(lambda x: x.all_n > x.n)
    off = both.logs / both.n - (both.all_logs - both.logs) / (both.all_n - both.n)
    by_place = both.group_by("where").agg(
        ratio=(off * both.n).sum() / both.n.sum(), lines=both.n.sum(), products=both.count()
    )
    rows = log.run(by_place.filter(by_place.lines >= LINES, by_place.products >= PRODUCTS))
    rows["ratio"] = np.exp(rows["ratio"])
    odd = rows[(rows["ratio"] >= OTHER_CURRENCY) | (rows["ratio"] <= 1 / OTHER_CURRENCY)]
    return odd[odd["lines"] < rows["lines"].sum() / 2].sort_values("where")


def _example(log: Log, condition: ibis.Deferred, order: str = "") -> str:
    """Return one line that meets a condition, as text."""
    t = log.table.filter(condition)
    wanted = ("customer_id", "timestamp", "order_id", "product_id", "quantity", "amount")
    shown = [column for column in wanted if column in t.columns]
    largest = [ibis.desc(t[order].abs())] if order else []
    return row_as_text(log.first_row(t.order_by(*largest, *shown).limit(1).select(*shown)), shown)
