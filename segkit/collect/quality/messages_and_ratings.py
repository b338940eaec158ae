"""Check events and columns that belong together: returns, messages, ratings, sentiment, half-filled columns."""

from __future__ import annotations

import pandas as pd

from segkit.collect.quality.findings import LOOK, NOTE, SERIOUS, Finding, share
from segkit.collect.quality.log_queries import Log, once
from segkit.core.messages import counted

MEDIA = ("email", "push", "sms", "ad")
OFTEN = 0.05  # share of unmatched events that is worth a look
ANSWERS = 30  # ratings or sentiments that are needed to know their scale
SCALES = (5, 10, 100)  # highest ratings of usual scales
CODES = 0.05  # share of ratings beyond the scale up to which they are codes, such as 99 for no answer
NEUTRAL = 0.6  # share of sentiments of exactly 0 that no scorer gives
PARTLY = 0.001  # share of missing or known values that makes a column half-filled
COLUMNS = ("order_id", "product_id", "amount", "quantity")


def returns(log: Log) -> list[Finding]:
    """Report returns by customers without a purchase."""
    if "purchase" not in log.kinds:
        return []
    n, customers, example = _unmatched(log, "return", "purchase", before=False)
    if not n:
        return []
    return [
        Finding(
            LOOK if n >= OFTEN * log.kinds["return"] else NOTE,
            f"{counted(n, 'return')} ({share(n, log.kinds['return'])}) of {counted(customers, 'customer')} "
            f"without a purchase.",
            n,
            f"customer {example}",
            "They bought before the log begins, or under another id. Their total is negative: keep it in mind for "
            "averages.",
        )
    ]


def messages(log: Log) -> list[Finding]:
    """Report opened messages that were not sent, and clicks in messages that were not opened."""
    findings = []
    for medium in MEDIA:
        for then, first, rates in (("open", "sent", "open"), ("click", "open", "click-to-open")):
            after, before = f"{medium}_{then}", f"{medium}_{first}"
            if after not in log.kinds:
                continue
            if before not in log.kinds:
                findings.append(
                    Finding(
                        LOOK,
                        f"There are {after} events, but no {before} events.",
                        int(log.kinds[after]),
                        after,
                        f"The {rates} rate cannot be computed. Add the {before} events.",
                    )
                )
                continue
            n, customers, example = _unmatched(log, after, before, before=True)
            if n >= OFTEN * log.kinds[after]:
                findings.append(
                    Finding(
                        LOOK,
                        f"{counted(n, f'{after} event')} ({share(n, log.kinds[after])}) of "
                        f"{counted(customers, 'customer')} without an earlier {before}.",
                        n,
                        f"customer {example}",
                        f"Some {before} events are missing, start later, or have other ids. "
                        + _effect_on_rates(medium, then),
                    )
                )
    return findings


def _effect_on_rates(medium: str, then: str) -> str:
    """Return what unmatched messages do to the rates."""
    if then == "open":
        return "Customers without a sent message have no rates. Where sending starts later, rates may be too high."
    return (
        "Or images were blocked, so that opens were not tracked. A click counts as an open: "
        f"{medium}_click_to_open_rate is too high for customers with sent messages, and missing for the others."
    )


def _unmatched(log: Log, kind: str, needed: str, *, before: bool) -> tuple[int, int, str]:
    """Count events of customers without a needed kind, or whose events are all before their first of it."""
    t = log.by_customer
    events, needs = t.filter(t.kind == kind), t.filter(t.kind == needed).select("customer_id", began="first")
    both = events.left_join(needs, "customer_id")
    lone = both.filter(both.began.isnull() | (both["last"] < both.began) if before else both.began.isnull())
    row = log.first_row(lone.agg(n=lone.events.sum(), customers=lone.count(), example=lone.customer_id.min()))
    return int(row["n"] or 0), int(row["customers"]), str(row["example"])


@once
def _ratings(log: Log) -> pd.DataFrame:
    """Count ratings by kind and by month, channel or campaign: `kind`, `by`, `value`, `rating`, `n`."""
    t = log.table.filter(log.table.rating.notnull())
    month = log.local(t.timestamp).truncate("M").cast("date").cast("string")
    parts = {"month": month} | {c: t[c] for c in ("channel", "campaign") if c in t.columns}
    tables = [
        log.run(t.group_by("kind", "rating", value=part).agg(n=t.count())).assign(by=by)
        for by, part in parts.items()
    ]
    return pd.concat(tables, ignore_index=True).dropna(subset="value")


def rating_scales(log: Log) -> list[Finding]:
    """Report ratings beyond their scale, and parts of a kind with another scale."""
    findings = []
    for kind, rows in _ratings(log).groupby("kind"):
        rows = rows.assign(top=[_scale(rating) for rating in rows["rating"]])
        sizes = rows[rows["by"] == "month"].groupby("rating")["n"].sum().sort_index()
        top = _main_scale(sizes)
        beyond = sizes[(sizes.index > top) | (sizes.index < 0)]
        if len(beyond):
            n = int(beyond.sum())
            findings.append(
                Finding(
                    SERIOUS if n >= 0.01 * sizes.sum() else LOOK,
                    f"{counted(n, 'rating')} of kind {kind} {'is' if n == 1 else 'are'} beyond the scale up to {top} "
                    "of the others.",
                    n,
                    f"rating={beyond.index[-1] if beyond.index[-1] > top else beyond.index[0]:g}",
                    "Probably codes for no answer, such as 99 or -1, or another questionnaire. Make codes missing "
                    "before reading.",
                )
            )
        findings += _mixed_scales(kind, rows[~rows["rating"].isin(beyond.index)], top)
    return findings


def _scale(rating: float) -> int:
    return next((top for top in SCALES if rating <= top), 1000)


def _main_scale(sizes: pd.Series) -> int:
    """Return the smallest scale with all ratings except a few."""
    for top in SCALES:
        if sizes[(sizes.index <= top) & (sizes.index >= 0)].sum() >= (1 - CODES) * sizes.sum():
            return top
    return int(sizes.index.max())


def _mixed_scales(kind: str, rows: pd.DataFrame, top: int) -> list[Finding]:
    """Report channels, campaigns or months of a kind with a smaller scale than the others."""
    for by in ("channel", "campaign", "month"):
        parts = rows[rows["by"] == by].groupby("value").agg(top=("top", "max"), n=("n", "sum"))
        parts = parts[parts["n"] >= ANSWERS]
        small = parts[parts["top"] < top]
        if top in SCALES[1:] and len(small) and (parts["top"] >= top).any():
            return [
                Finding(
                    SERIOUS,
                    f"Ratings of kind {kind} go up to {top}, but only to {small['top'].max()} where {by} is "
                    f"{', '.join(repr(value) for value in small.index[:3])}.",
                    int(small["n"].sum()),
                    f"{by}={small.index[0]}: {counted(int(small['n'].iloc[0]), 'rating')} up to "
                    f"{small['top'].iloc[0]}",
                    "Probably two scales were mixed. Convert them to one before reading: 5 stars are 10 points.",
                )
            ]
    return []


def sentiments(log: Log) -> list[Finding]:
    """Report sentiments without a text, and zeros that stand for missing sentiments."""
    t = log.table
    known = t.filter(t.sentiment.notnull())
    no_text = (
        known.text.isnull() | (known.text.strip() == "") if "text" in t.columns else known.sentiment.isnull()
    )
    row = log.first_row(
        known.agg(
            n=known.count(),
            zero=(known.sentiment == 0).sum(),
            no_text=no_text.sum(),
            example=known.customer_id.min(),
        )
    )
    n, zero, silent = (int(row[name] or 0) for name in ("n", "zero", "no_text"))
    findings = []
    if silent:
        findings.append(
            Finding(
                LOOK if silent >= OFTEN * n else NOTE,
                f"{counted(silent, 'event')} with a sentiment but no text ({share(silent, n)} of the sentiments).",
                silent,
                f"customer {row['example']}",
                "If texts were removed after scoring, nothing is wrong. Otherwise a missing text was scored as 0.",
            )
        )
    if n >= ANSWERS and zero >= NEUTRAL * n:
        findings.append(
            Finding(
                LOOK,
                f"{share(zero, n)} of the sentiments are exactly 0.",
                zero,
                "sentiment=0",
                "Missing sentiments may have been filled with 0, or the scorer does not know the texts' language. "
                "Make these sentiments missing before reading.",
            )
        )
    return findings


def half_filled(log: Log) -> list[Finding]:
    """Report columns that only part of the purchases have."""
    columns = [column for column in COLUMNS if column in log.columns]
    if not columns:
        return []
    t = log.table.filter(log.table.kind == "purchase")
    known = log.first_row(t.agg(**{column: t[column].count() for column in columns}))
    total = int(log.kinds["purchase"])
    findings = []
    for column in columns:
        missing = total - int(known[column])
        if PARTLY * total < missing < (1 - PARTLY) * total:
            findings.append(
                Finding(
                    LOOK if missing >= 0.01 * total else NOTE,
                    f"{share(missing, total)} of the purchase lines have no {column}; the others have one.",
                    missing,
                    f"{column} missing",
                    "Each line without an order_id counts as a separate order."
                    if column == "order_id"
                    else f"Features of {column} leave these lines out.",
                )
            )
    return findings
