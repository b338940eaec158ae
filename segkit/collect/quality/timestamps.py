"""Can the times be believed: the future, the distant past, whole days and hours, zones and clock changes."""

from __future__ import annotations

import dataclasses
import zoneinfo

import ibis
import numpy as np
import pandas as pd

from segkit.collect.quality.bots_and_shared_ids import hours_of_people
from segkit.collect.quality.clock_shifts import moved_hours
from segkit.collect.quality.findings import LOOK, NOTE, SERIOUS, Finding, day, from_to, share
from segkit.collect.quality.log_queries import Log, one_of
from segkit.core.messages import counted

OLD = pd.Timestamp("2000-01-01")
BEGINNINGS = {
    "1970-01-01": "the second 0 of Unix clocks",
    "1900-01-01": "the first day of spreadsheets",
    "1899-12-30": "the day 0 of spreadsheets",
    "1904-01-01": "the day 0 of old spreadsheets",
}
FEWEST = 10  # events of a kind, without which midnight or a whole hour may be chance
DATES_ONLY, SOME_DATES = 0.99, 0.02  # shares of events at midnight
CROWD, RUSH, AT_MOST = 100, 20, 100  # customers in one second; times the hour's usual number; hours looked at
CLOCKS = {
    "North America": "America/New_York",
    "Europe": "Europe/Berlin",
    "Australia": "Australia/Sydney",
}
NEAR = pd.Timedelta(days=10)
PEOPLE = 100  # customers a month, below which the hours of a kind are those of whoever happens to be active
EXPECTED = 20  # events of the hour that clocks repeat, without which nothing can be said


def future(log: Log) -> list[Finding]:
    """Count events at or after the moment that is looked at."""
    if log.as_of is None:
        return []
    t = log.table.filter(log.table.timestamp >= log.as_of)
    row = log.row(t.agg(n=t.count(), last=t.timestamp.max()))
    if not row["n"]:
        return []
    n = int(row["n"])
    return [
        Finding(
            LOOK,
            f"{counted(n, 'event')} at or after {log.as_of:%Y-%m-%d %H:%M}, the moment that is looked at.",
            n,
            f"{row['last']:%Y-%m-%d %H:%M:%S}",
            "Features leave them out. If they cannot have happened yet, the clock or the zone of the "
            "source is wrong.",
        )
    ]


def strays(log: Log) -> list[Finding]:
    """Count events that lie far from all others, or before there were shops online."""
    first, last = log.span
    days = log.hours.groupby("day")["events"].sum()
    out = (days.index < first) | ((days.index > last) & (log.as_of is None or days.index < log.as_of))
    if days[days.index >= OLD].sum() >= 0.99 * days.sum():
        out |= days.index < OLD
    lone = days[out]
    if not len(lone):
        return []
    n = int(lone.sum())
    begins = [
        said
        for date, said in BEGINNINGS.items()
        if (abs(lone.index - pd.Timestamp(date)) <= pd.Timedelta(days=1)).any()
    ]
    why = f" Some lie on {begins[0]}: the time was missing." if begins else ""
    return [
        Finding(
            SERIOUS if n > 0.001 * log.total else LOOK,
            f"{counted(n, 'event')} far from all others, which are {from_to(first, last)}.{why}",
            n,
            day(lone.index[0] if lone.index[0] < first else lone.index[-1]),
            "Leave them out when reading, or have their times mended: tenure and recency of these "
            "customers are nonsense.",
        )
    ]


def midnights(log: Log) -> list[Finding]:
    """Say which kinds have dates for times, wholly or in part."""
    findings = []
    shares = (log.at_midnight / log.kinds).reindex(log.kinds.index[log.kinds >= FEWEST])
    dates = shares.index[shares >= DATES_ONLY]
    if len(dates):
        findings.append(
            Finding(
                NOTE,
                f"{_list(dates)}: dates without a time of day.",
                int(log.kinds[dates].sum()),
                f"all at 00:00:00 ({log.zone})",
                "Leave out features of the hour; gaps of less than a day are unknown.",
            )
        )
    on_hour = log.hours.groupby("kind")["on_hour"].sum()
    for kind in shares.index[(shares >= SOME_DATES) & (shares < DATES_ONLY)]:
        n = int(log.at_midnight[kind])
        if n < 0.5 * on_hour[kind]:
            continue  # other whole hours are as frequent: times are rounded
        findings.append(
            Finding(
                LOOK,
                f"{share(n, log.kinds[kind])} of {kind} lie at exactly midnight: dates among times.",
                n,
                f"{kind} at 00:00:00 ({log.zone})",
                "Two sources were mixed, of which one knows days only. Hours and the order within a day are "
                "wrong for it.",
            )
        )
    return findings


def rounded(log: Log) -> list[Finding]:
    """Say which kinds are known to the hour only, or to the minute in part."""
    sums = log.hours.groupby("kind")[["events", "on_hour", "on_minute"]].sum()
    sums = sums.reindex(log.kinds.index[log.kinds >= FEWEST])
    findings = []
    for kind in sums.index[(log.resolution == 3600).reindex(sums.index)]:
        findings.append(
            Finding(NOTE, f"Times of {kind} are whole hours.", int(sums["events"][kind]), _first_on(log, kind, "h"),
                    "Visits, time on page and other features of minutes mean nothing here.")
        )  # fmt: skip
    on_minute = (sums["on_minute"] / sums["events"])[(log.resolution == 1).reindex(sums.index)]
    midnight = (log.at_midnight / log.kinds).reindex(on_minute.index)
    for kind in on_minute.index[(on_minute - midnight > 0.15) & (sums["events"][on_minute.index] >= 200)]:
        n = int(sums["on_minute"][kind])
        findings.append(
            Finding(
                NOTE,
                f"{share(n, sums['events'][kind])} of {kind} lie on a whole minute, the others do not.",
                n,
                _first_on(log, kind, "m"),
                "Two sources of different exactness were mixed, most likely. Gaps of seconds between them "
                "mean nothing.",
            )
        )
    return findings


def _first_on(log: Log, kind: str, unit: str) -> str:
    """Return the first event of a kind whose clock shows a whole hour or minute."""
    clock = log.local(log.table.timestamp)
    whole = log.table.filter((log.table.kind == kind) & (clock == clock.truncate(unit)))
    return (
        f"{kind} at {log.row(whole.agg(first=log.local(whole.timestamp).min()))['first']:%Y-%m-%d %H:%M:%S}"
    )


def crowded_seconds(log: Log) -> list[Finding]:
    """Find seconds at which a whole crowd acts: a file was imported, and its time taken for that of the events."""
    times = log.hours[log.hours["kind"].map(log.resolution) == 1]
    times = times[~times["kind"].str.endswith("_sent")]
    usual = times.groupby("kind")["events"].transform("median")
    rush = times[(times["events"] >= CROWD) & (times["events"] >= RUSH * usual)]
    if not len(rush):
        return []
    t = log.table
    hours = rush["hour"].drop_duplicates().nlargest(AT_MOST)
    busy = t.filter(
        one_of(t.timestamp.truncate("h"), (ibis.literal(hour, type="timestamp(6)") for hour in hours)),
        one_of(t.kind, rush["kind"].unique()),
    )
    seconds = busy.group_by("kind", second=busy.timestamp.truncate("s")).agg(
        events=busy.count(), customers=busy.customer_id.nunique()
    )
    crowds = log.answer(seconds.filter(seconds.customers >= CROWD))
    findings = []
    for kind, rows in crowds.sort_values("events", ascending=False).groupby("kind", sort=True):
        n, most = int(rows["events"].sum()), rows.iloc[0]
        findings.append(
            Finding(
                SERIOUS if n >= 0.01 * log.kinds[kind] else LOOK,
                f"{counted(n, 'event')} of kind {kind} in {counted(len(rows), 'single second')}, each of "
                "many customers.",
                n,
                f"{most['second']:%Y-%m-%d %H:%M:%S}: {counted(int(most['customers']), 'customer')}",
                "That is when a file was loaded, and not when they acted. Have the true times exported, or "
                "leave them out.",
            )
        )
    return findings


def zones(log: Log) -> list[Finding]:
    """Find weeks in which the hours of the day lie some hours away from those of the other weeks."""
    findings = []
    hours = hours_of_people(log)
    customers = log.coverage.groupby("kind")["customers"].median()
    for kind in log.kinds.index:
        if log.resolution[kind] > 3600 or kind.endswith("_sent") or customers[kind] < PEOPLE:
            continue
        rows = hours[(hours["kind"] == kind) & hours["day"].between(*log.span)]
        if not len(rows):
            continue
        start = rows["day"].min() - pd.Timedelta(days=int(rows["day"].min().day_of_week))
        week = ((rows["local"] - start).dt.days // 7).to_numpy()
        counts = np.zeros((week.max() + 1, 24))
        np.add.at(counts, (week, rows["local"].dt.hour.to_numpy()), rows["events"].to_numpy())
        moved = moved_hours(counts)
        if moved:
            findings.append(_of_moved(log, kind, start, counts, moved))
    return _said_once(findings)


def _said_once(findings: list[Finding]) -> list[Finding]:
    """Leave out, of the kinds that moved for one reason, all but that with most events; the others are named."""
    said: dict[str, list[Finding]] = {}
    for finding in findings:
        said.setdefault(finding.advice, []).append(finding)
    return [
        dataclasses.replace(
            first,
            what=first.what + (f" So do those of {', '.join(o.example for o in others)}." if others else ""),
            count=first.count + sum(other.count for other in others),
        )
        for first, *others in said.values()
    ]


def _of_moved(log: Log, kind: str, start: pd.Timestamp, counts: np.ndarray, moved: list) -> Finding:
    spans = [
        (start + pd.Timedelta(weeks=part.start), start + pd.Timedelta(weeks=part.stop, days=-1), part.hours)
        for part in moved
    ]
    last = start + pd.Timedelta(weeks=len(counts), days=-1)
    told = ", ".join(
        f"{abs(hours)} {'hour' if abs(hours) == 1 else 'hours'} {'later' if hours > 0 else 'earlier'} "
        f"{from_to(max(first, log.span[0]), min(end, log.span[1]))}"
        for first, end, hours in spans[:4]
    )
    edges = [first for first, _, _ in spans if first > start] + [
        end + pd.Timedelta(days=1) for _, end, _ in spans if end < last
    ]
    n = int(sum(counts[part.start : part.stop].sum() for part in moved))
    by_clock = _clock_changes(edges) if all(abs(hours) == 1 for *_, hours in spans) else ""
    return Finding(
        LOOK, f"The hours of {kind} move: {told}, against the rest.", n, kind, _zone_advice(log, by_clock)
    )


def _zone_advice(log: Log, by_clock: str) -> str:
    if by_clock and _changes(log.zone, *log.span):
        return (
            f"That is when clocks in {by_clock} change, and these events do not follow them: they were "
            f"written in a zone without daylight saving, or by machines, or timezone={log.zone!r} is not "
            "theirs."
        )
    if by_clock:
        return (
            f"That is when clocks in {by_clock} change, so the times are not those of the shop's clock. "
            f"Say its zone: check_events(events, timezone='{CLOCKS[by_clock]}'), for instance; and for "
            "features of hours and days too."
        )
    return (
        "A server, an export or a setting moved to another zone. Read the two parts apart, each with its timezone=, "
        f"and add them by one clock: dataclasses.replace(part, timezone={log.zone!r}). Or the business keeps other "
        "hours: then all is well."
    )


def _clock_changes(edges: list[pd.Timestamp]) -> str:
    """Name the part of the world whose clocks change at all of these times, as nearly as weeks can say."""
    if not edges:
        return ""
    for place, zone in CLOCKS.items():
        changes = _changes(zone, min(edges) - 2 * NEAR, max(edges) + 2 * NEAR)
        if changes and all(min(abs(edge - change) for change in changes) <= NEAR for edge in edges):
            return place
    return ""


def _changes(zone: str, first: pd.Timestamp, last: pd.Timestamp) -> list[pd.Timestamp]:
    """Return the days on which clocks of a zone change, found by their distance from UTC at midnight."""
    tz = zoneinfo.ZoneInfo(zone)
    days = pd.date_range(first.normalize(), last.normalize(), freq="D")
    offset = [day.to_pydatetime().replace(tzinfo=tz).utcoffset() for day in days]
    return [days[i] for i in range(len(days) - 1) if offset[i] != offset[i + 1]]


def repeated_hours(log: Log) -> list[Finding]:
    """Find autumn nights of which one of the two equal hours is empty: clocks were read without their zone."""
    findings = []
    changes = _changes(log.zone, *log.span)
    for kind in log.kinds.index:
        if log.resolution[kind] > 3600:
            continue
        rows = log.hours[log.hours["kind"] == kind]
        by_hour = rows.groupby("hour")["events"].sum()
        for change in changes:
            hours = _ambiguous_hours(log.zone, change)
            if not hours:
                continue
            counts = [int(by_hour.get(hour, 0)) for hour in hours]
            usual = np.mean(
                [by_hour.get(hour + pd.Timedelta(days=d), 0) for hour in hours for d in (-14, -7, 7, 14)]
            )
            if usual >= EXPECTED and min(counts) == 0 and max(counts) >= 1.5 * usual:
                findings.append(
                    Finding(
                        LOOK,
                        f"On {day(change)}, when clocks in {log.zone} go back, one of the two equal hours "
                        f"of {kind} holds {max(counts):,} events and the other none.",
                        max(counts),
                        f"{kind} {day(change)}",
                        "The source wrote down the clock without its zone, so that these two hours cannot "
                        "be told apart. It matters for that night only.",
                    )
                )
    return findings


def _ambiguous_hours(zone: str, change: pd.Timestamp) -> list[pd.Timestamp]:
    """Return the two hours, in UTC, that clocks show alike on the night of a change; none in spring."""
    start = (
        change.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
        .tz_convert("UTC")
        .tz_localize(None)
    )
    hours = [start + pd.Timedelta(hours=h) for h in range(0, 27)]
    shown = [hour.tz_localize("UTC").tz_convert(zone).tz_localize(None) for hour in hours]
    return next(([hours[i], hours[i + 1]] for i in range(len(hours) - 1) if shown[i] == shown[i + 1]), [])


def births(log: Log) -> list[Finding]:
    """Count events before the customer was known."""
    if log.births is None:
        return []
    t = log.by_customer
    began = log.answer(t.group_by("customer_id").agg(first=t["first"].min())).set_index("customer_id")[
        "first"
    ]
    known = log.births.reindex(began.index)
    wrong = known[began < known]
    if not len(wrong):
        return []
    born = log.beside({"customer_id": wrong.index.to_series(), "birth": wrong})
    t = log.table.inner_join(born, "customer_id")
    early = t.filter(t.timestamp < t.birth)
    found = log.row(
        early.agg(n=early.count(), customers=early.customer_id.nunique(), example=early.customer_id.min())
    )
    if not found["n"]:
        return []
    return [
        Finding(
            SERIOUS if found["n"] >= 0.01 * log.total else LOOK,
            f"{counted(int(found['n']), 'event')} of {counted(int(found['customers']), 'customer')} before "
            "they were born or first known, as births says.",
            int(found["n"]),
            f"customer {found['example']}",
            "Ids may have been given anew, or one of the two tables has its dates wrong. Tenure is wrong for them.",
        )
    ]


def _list(kinds: pd.Index) -> str:
    return ", ".join(map(str, kinds))
