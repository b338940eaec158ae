"""Does what belongs together come together: returns, messages, ratings, sentiment, and columns half filled."""

from __future__ import annotations

import pandas as pd

from segkit.collect.quality.findings import LOOK, NOTE, SERIOUS, Finding, share
from segkit.collect.quality.log_queries import Log, once
from segkit.core.messages import counted

MEDIA = ("email", "push", "sms", "ad")
OFTEN = 0.05  # share from which on what does not belong together is worth a look
ANSWERS = 30  # of a group, without which its scale is unknown
SCALES = (5, 10, 100)  # up to which ratings may run
CODES = (
    0.05  # share of ratings up to which those beyond the others' scale are codes, such as 99 for no answer
)
NEUTRAL = 0.6  # share of sentiments of exactly 0 that no reading of texts gives
PARTLY = 0.001  # share of a column from which on it counts as missing, or as there
HALVES = ("order_id", "product_id", "amount", "quantity")


def returns(log: Log) -> list[Finding]:
    """Count returns of customers who never bought anything."""
    if "purchase" not in log.kinds:
        return []
    n, customers, example = _without(log, "return", "purchase", before=False)
    if not n:
        return []
    return [
        Finding(
            LOOK if n >= OFTEN * log.kinds["return"] else NOTE,
            f"{counted(n, 'return')} ({share(n, log.kinds['return'])}) of {counted(customers, 'customer')} "
            f"without a purchase.",
            n,
            f"customer {example}",
            "They bought before the log begins, or under another id. Their total is below 0: mind it in averages.",
        )
    ]


def messages(log: Log) -> list[Finding]:
    """Count messages that were opened by whom none was sent, and links that were clicked by who opened none."""
    findings = []
    for medium in MEDIA:
        for then, first, words in (("open", "sent", "opened"), ("click", "open", "clicked")):
            after, before = f"{medium}_{then}", f"{medium}_{first}"
            if after not in log.kinds:
                continue
            if before not in log.kinds:
                findings.append(
                    Finding(LOOK, f"There are events {after}, but none {before}.", int(log.kinds[after]), after,
                            f"Rates of what was {words} cannot be known. Add the log of {before}.")
                )  # fmt: skip
                continue
            n, customers, example = _without(log, after, before, before=True)
            if n >= OFTEN * log.kinds[after]:
                findings.append(
                    Finding(
                        LOOK,
                        f"{counted(n, 'event')} {after} ({share(n, log.kinds[after])}) of "
                        f"{counted(customers, 'customer')} with no {before} before.",
                        n,
                        f"customer {example}",
                        f"A part of {before} is missing, begins later, or bears other ids. "
                        + _of_rates(medium, then),
                    )
                )
    return findings


def _of_rates(medium: str, then: str) -> str:
    """Say what becomes of the rates of who opened or clicked without what should have come before."""
    if then == "open":
        return "Where nothing was sent, rates are missing; where sending begins later, they may come out too high."
    return (
        f"Or images were blocked, so that openings were not seen. What was clicked counts as opened: where "
        f"messages were sent, {medium}_click_to_open_rate comes out too high; where not, rates are missing."
    )


def _without(log: Log, kind: str, needed: str, *, before: bool) -> tuple[int, int, str]:
    """Count events of a kind by customers without another kind at all, or before the first of theirs."""
    t = log.by_customer
    ours, theirs = t.filter(t.kind == kind), t.filter(t.kind == needed).select("customer_id", began="first")
    both = ours.left_join(theirs, "customer_id")
    lone = both.filter(both.began.isnull() | (both["last"] < both.began) if before else both.began.isnull())
    row = log.row(lone.agg(n=lone.events.sum(), customers=lone.count(), example=lone.customer_id.min()))
    return int(row["n"] or 0), int(row["customers"]), str(row["example"])


@once
def _ratings(log: Log) -> pd.DataFrame:
    """Return how often each rating was given, by kind and by what may be a source: `kind`, `by`, `value`, "
    "`rating`, `n`."""
    t = log.table.filter(log.table.rating.notnull())
    month = log.local(t.timestamp).truncate("M").cast("date").cast("string")
    parts = {"month": month} | {c: t[c] for c in ("channel", "campaign") if c in t.columns}
    tables = [
        log.answer(t.group_by("kind", "rating", value=part).agg(n=t.count())).assign(by=by)
        for by, part in parts.items()
    ]
    return pd.concat(tables, ignore_index=True).dropna(subset="value")


def rating_scales(log: Log) -> list[Finding]:
    """Find ratings off their scale, and parts of a kind that use another scale."""
    findings = []
    for kind, rows in _ratings(log).groupby("kind"):
        rows = rows.assign(top=[_scale(kind_rows) for kind_rows in rows["rating"]])
        sizes = rows[rows["by"] == "month"].groupby("rating")["n"].sum().sort_index()
        top = _main_scale(sizes)
        beyond = sizes[(sizes.index > top) | (sizes.index < 0)]
        if len(beyond):
            findings.append(
                Finding(
                    SERIOUS if beyond.sum() >= 0.01 * sizes.sum() else LOOK,
                    f"{counted(int(beyond.sum()), 'rating')} of kind {kind} "
                    f"{'lies' if beyond.sum() == 1 else 'lie'} off the "
                    f"scale up to {top} that the others use.",
                    int(beyond.sum()),
                    f"rating={beyond.index[-1] if beyond.index[-1] > top else beyond.index[0]:g}",
                    "Codes for no answer, such as 99 or -1, or another questionnaire. Make codes missing "
                    "before reading.",
                )
            )
        findings += _mixed(kind, rows[~rows["rating"].isin(beyond.index)], top)
    return findings


def _scale(rating: float) -> int:
    return next((top for top in SCALES if rating <= top), 1000)


def _main_scale(sizes: pd.Series) -> int:
    """Return the smallest scale that holds all ratings but a few."""
    for top in SCALES:
        if sizes[(sizes.index <= top) & (sizes.index >= 0)].sum() >= (1 - CODES) * sizes.sum():
            return top
    return int(sizes.index.max())


def _mixed(kind: str, rows: pd.DataFrame, top: int) -> list[Finding]:
    """Say which months, channels or campaigns of a kind keep to a smaller scale than the others."""
    for by in ("channel", "campaign", "month"):
        parts = rows[rows["by"] == by]
        used = parts.groupby("value").agg(top=("top", "max"), n=("n", "sum"))
        used = used[used["n"] >= ANSWERS]
        small = used[used["top"] < top]
        if top in SCALES[1:] and len(small) and (used["top"] >= top).any():
            n = int(small["n"].sum())
            return [
                Finding(
                    SERIOUS,
                    f"Ratings of kind {kind} run up to {top}, but only to {small['top'].max()} where {by} is "
                    f"{', '.join(repr(value) for value in small.index[:3])}.",
                    n,
                    f"{by}={small.index[0]}: {counted(int(small['n'].iloc[0]), 'rating')} up to "
                    f"{small['top'].iloc[0]}",
                    "Two scales were mixed, most likely. Bring them to one before reading: 5 stars are 10 points.",
                )
            ]
    return []


def sentiments(log: Log) -> list[Finding]:
    """Find sentiments without a text, and zeros that stand for no sentiment."""
    t = log.table
    known = t.filter(t.sentiment.notnull())
    mute = (
        known.text.isnull() | (known.text.strip() == "") if "text" in t.columns else known.sentiment.isnull()
    )
    row = log.row(
        known.agg(
            n=known.count(),
            zero=(known.sentiment == 0).sum(),
            mute=mute.sum(),
            example=known.customer_id.min(),
        )
    )
    n, zero, mute = (int(row[name] or 0) for name in ("n", "zero", "mute"))
    findings = []
    if mute:
        findings.append(
            Finding(
                LOOK if mute >= OFTEN * n else NOTE,
                f"{counted(mute, 'event')} with a sentiment but no text ({share(mute, n)} of the sentiments).",
                mute,
                f"customer {row['example']}",
                "Texts may have been taken out after they were scored: then all is well. Or no text was scored as 0.",
            )
        )
    if n >= ANSWERS and zero >= NEUTRAL * n:
        findings.append(
            Finding(
                LOOK,
                f"{share(zero, n)} of the sentiments are exactly 0.",
                zero,
                "sentiment=0",
                "Missing sentiments may have been filled with 0, or the texts are in a language that the "
                "scorer does not read. Make them missing before reading.",
            )
        )
    return findings


def half_filled(log: Log) -> list[Finding]:
    """Find columns that a kind has in part: what is counted by them is then counted in two ways."""
    columns = [column for column in HALVES if column in log.columns]
    if not columns:
        return []
    t = log.table.filter(log.table.kind == "purchase")
    known = log.row(t.agg(**{column: t[column].count() for column in columns}))
    total = int(log.kinds["purchase"])
    findings = []
    for column in columns:
        missing = total - int(known[column])
        if PARTLY * total < missing < (1 - PARTLY) * total:
            findings.append(
                Finding(
                    LOOK if missing >= 0.01 * total else NOTE,
                    f"{share(missing, total)} of the purchase lines have no {column}, the others do.",
                    missing,
                    f"{column} missing",
                    "Each line without an order_id counts as an order of its own."
                    if column == "order_id"
                    else f"Features of {column} leave these lines out.",
                )
            )
    return findings
