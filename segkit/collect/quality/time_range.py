"""Find events at times when they cannot have happened: in the future, far from all others, before birth."""

from __future__ import annotations

import pandas as pd

from segkit.collect.quality.findings import LOOK, SERIOUS, Finding, day, from_to
from segkit.collect.quality.log_queries import Log
from segkit.core.messages import counted

OLD = pd.Timestamp("2000-01-01")
ZERO_DATES = {
    "1970-01-01": "the first day of Unix time",
    "1900-01-01": "the first day of spreadsheets",
    "1899-12-30": "day 0 of spreadsheets",
    "1904-01-01": "day 0 of old spreadsheets",
}


def future(log: Log) -> list[Finding]:
    """Report events at or after `as_of`."""
    t = log.table.filter(log.table.timestamp >= log.as_of)
    row = log.first_row(t.agg(n=t.count(), last=t.timestamp.max()))
    if not row["n"]:
        return []
    n = int(row["n"])
    return [
        Finding(
            LOOK,
            f"{counted(n, 'event')} at or after as_of, {log.as_of:%Y-%m-%d %H:%M}.",
            n,
            f"{row['last']:%Y-%m-%d %H:%M:%S}",
            "Features leave them out. If they cannot have happened yet, the source's clock or time zone is wrong.",
        )
    ]


def strays(log: Log) -> list[Finding]:
    """Report events far from all others, or before the year 2000."""
    first, last = log.span
    days = log.hours.groupby("day")["events"].sum()
    out = (days.index < first) | ((days.index > last) & (log.as_of is None or days.index < log.as_of))
    if days[days.index >= OLD].sum() >= 0.99 * days.sum():
        out |= days.index < OLD
    far = days[out]
    if not len(far):
        return []
    n = int(far.sum())
    zero_dates = [
        words
        for date, words in ZERO_DATES.items()
        if (abs(far.index - pd.Timestamp(date)) <= pd.Timedelta(days=1)).any()
    ]
    why = f" Some are on {zero_dates[0]}, which usually means a missing time." if zero_dates else ""
    return [
        Finding(
            SERIOUS if n > 0.001 * log.total else LOOK,
            f"{counted(n, 'event')} far from all others, which are {from_to(first, last)}.{why}",
            n,
            day(far.index[0] if far.index[0] < first else far.index[-1]),
            "Leave them out when reading, or correct their times: the tenure and recency of these customers are wrong.",
        )
    ]


def births(log: Log) -> list[Finding]:
    """Report events before the customer was born or known."""
    t = log.by_customer
    first = log.run(t.group_by("customer_id").agg(first=t["first"].min())).set_index("customer_id")["first"]
    assert log.births is not None  # else the check is not run
    known = log.births.reindex(first.index)
    wrong = known[first < known]
    if not len(wrong):
        return []
    born = log.small_table({"customer_id": wrong.index.to_series(), "birth": wrong})
    t = log.table.inner_join(born, "customer_id")
    early = t.filter(t.timestamp < t.birth)
    row = log.first_row(
        early.agg(n=early.count(), customers=early.customer_id.nunique(), example=early.customer_id.min())
    )
    n = int(row["n"])
    return [
        Finding(
            SERIOUS if n >= 0.01 * log.total else LOOK,
            f"{counted(n, 'event')} of {counted(int(row['customers']), 'customer')} before their date in births.",
            n,
            f"customer {row['example']}",
            "An id may have been given to a second customer, or one of the two tables has wrong dates. Tenure is wrong "
            "for these customers.",
        )
    ]
