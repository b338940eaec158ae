"""Check how exact times are: dates without a time of day, rounded times, and times of an import."""

from __future__ import annotations

import ibis

from segkit.collect.quality.findings import LOOK, NOTE, SERIOUS, Finding, share
from segkit.collect.quality.log_queries import Log, one_of
from segkit.core.messages import counted

FEWEST = 10  # events of a kind below which midnight or a whole hour may be chance
DATES_ONLY, SOME_DATES = 0.99, 0.02  # shares of events at midnight
CUSTOMERS, RUSH, MOST_HOURS = 100, 20, 100  # customers in a second; ratio to the usual hour; hours queried


def midnights(log: Log) -> list[Finding]:
    """Report kinds whose times are dates, all or in part."""
    findings = []
    shares = (log.at_midnight / log.kinds).reindex(log.kinds.index[log.kinds >= FEWEST])
    dates = shares.index[shares >= DATES_ONLY]
    if len(dates):
        findings.append(
            Finding(
                NOTE,
                f"Dates without a time of day: {', '.join(dates)}.",
                int(log.kinds[dates].sum()),
                f"all at 00:00:00 ({log.zone})",
                "Leave out features of the hour. Gaps of less than a day are unknown.",
            )
        )
    on_hour = log.hours.groupby("kind")["on_hour"].sum()
    for kind in shares.index[(shares >= SOME_DATES) & (shares < DATES_ONLY)]:
        n = int(log.at_midnight[kind])
        # Where other whole hours are as frequent, times are rounded to hours.
        if n < 0.5 * on_hour[kind]:
            continue
        findings.append(
            Finding(
                LOOK,
                f"{share(n, log.kinds[kind])} of {kind} are at exactly midnight: dates mixed with times.",
                n,
                f"{kind} at 00:00:00 ({log.zone})",
                "Probably two sources were mixed, and one has dates only. Its hours, and the order of events within "
                "a day, are wrong.",
            )
        )
    return findings


def rounded(log: Log) -> list[Finding]:
    """Report kinds whose times are whole hours, or partly whole minutes."""
    sums = log.hours.groupby("kind")[["events", "on_hour", "on_minute"]].sum()
    sums = sums.reindex(log.kinds.index[log.kinds >= FEWEST])
    findings = [
        Finding(
            NOTE,
            f"Times of {kind} are whole hours.",
            int(sums["events"][kind]),
            _first_whole(log, kind, "h"),
            "Leave out visits, time on page and other features of minutes.",
        )
        for kind in sums.index[(log.resolution == 3600).reindex(sums.index)]
    ]
    on_minute = (sums["on_minute"] / sums["events"])[(log.resolution == 1).reindex(sums.index)]
    midnight = (log.at_midnight / log.kinds).reindex(on_minute.index)
    for kind in on_minute.index[(on_minute - midnight > 0.15) & (sums["events"][on_minute.index] >= 200)]:
        n = int(sums["on_minute"][kind])
        findings.append(
            Finding(
                NOTE,
                f"{share(n, sums['events'][kind])} of {kind} are at a whole minute, the others are not.",
                n,
                _first_whole(log, kind, "m"),
                "Probably two sources of different precision were mixed. Do not rely on seconds between their events.",
            )
        )
    return findings


def _first_whole(log: Log, kind: str, unit: str) -> str:
    """Return the first event of a kind at a whole hour or minute, as text."""
    clock = log.local(log.table.timestamp)
    whole = log.table.filter((log.table.kind == kind) & (clock == clock.truncate(unit)))
    first = log.first_row(whole.agg(first=log.local(whole.timestamp).min()))["first"]
    return f"{kind} at {first:%Y-%m-%d %H:%M:%S}"


def busy_seconds(log: Log) -> list[Finding]:
    """Report seconds with events of many customers, which are the times of an import."""
    times = log.hours[log.hours["kind"].map(log.resolution) == 1]
    times = times[~times["kind"].str.endswith("_sent")]
    usual = times.groupby("kind")["events"].transform("median")
    rush = times[(times["events"] >= CUSTOMERS) & (times["events"] >= RUSH * usual)]
    if not len(rush):
        return []
    t = log.table
    hours = rush["hour"].drop_duplicates().nlargest(MOST_HOURS)
    busy = t.filter(
        one_of(t.timestamp.truncate("h"), (ibis.literal(hour, type="timestamp(6)") for hour in hours)),
        one_of(t.kind, rush["kind"].unique()),
    )
    seconds = busy.group_by("kind", second=busy.timestamp.truncate("s")).agg(
        events=busy.count(), customers=busy.customer_id.nunique()
    )
    busiest = log.run(seconds.filter(seconds.customers >= CUSTOMERS))
    findings = []
    for kind, rows in busiest.sort_values("events", ascending=False).groupby("kind", sort=True):
        n, most = int(rows["events"].sum()), rows.iloc[0]
        findings.append(
            Finding(
                SERIOUS if n >= 0.01 * log.kinds[kind] else LOOK,
                f"{counted(n, 'event')} of kind {kind} in {counted(len(rows), 'single second')}, each with many "
                "customers.",
                n,
                f"{most['second']:%Y-%m-%d %H:%M:%S}: {counted(int(most['customers']), 'customer')}",
                "This is the time of an import, not of the events. Export the true times, or leave these events out.",
            )
        )
    return findings
