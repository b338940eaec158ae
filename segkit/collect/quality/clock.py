"""Check the time zone: hours of the day that move, and the repeated hour when clocks go back."""

from __future__ import annotations

import dataclasses
import zoneinfo

import numpy as np
import pandas as pd

from segkit.collect.quality.bots_and_shared_ids import hours_of_people
from segkit.collect.quality.clock_shifts import Moved, moved_hours
from segkit.collect.quality.findings import LOOK, Finding, day, from_to
from segkit.collect.quality.log_queries import Log
from segkit.core.messages import counted

CLOCKS = {
    "North America": "America/New_York",
    "Europe": "Europe/Berlin",
    "Australia": "Australia/Sydney",
}
NEAR = pd.Timedelta(days=10)  # between a moved week and a change of clocks
CUSTOMERS = 100  # customers a month below which the hours of a kind are those of a few people
EXPECTED = 20  # least usual events of a repeated hour


def zones(log: Log) -> list[Finding]:
    """Report weeks whose hours of the day are moved against those of the other weeks."""
    findings: list[Finding] = []
    hours = hours_of_people(log)
    customers = log.coverage.groupby("kind")["customers"].median()
    for kind in log.kinds.index:
        if log.resolution[kind] > 3600 or kind.endswith("_sent") or customers[kind] < CUSTOMERS:
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
            findings.append(_moved_finding(log, kind, start, counts, moved))
    return _join_same_advice(findings)


def _join_same_advice(findings: list[Finding]) -> list[Finding]:
    """Join the findings of kinds that moved for the same reason: the first kind's, which names the others."""
    by_advice: dict[str, list[Finding]] = {}
    for finding in findings:
        by_advice.setdefault(finding.advice, []).append(finding)
    return [
        dataclasses.replace(
            first,
            what=first.what
            + (f" So do those of {', '.join(other.example for other in others)}." if others else ""),
            count=first.count + sum(other.count for other in others),
        )
        for first, *others in by_advice.values()
    ]


def _moved_finding(
    log: Log, kind: str, start: pd.Timestamp, counts: np.ndarray, moved: list[Moved]
) -> Finding:
    spans = [
        (start + pd.Timedelta(weeks=part.start), start + pd.Timedelta(weeks=part.stop, days=-1), part.hours)
        for part in moved
    ]
    last = start + pd.Timedelta(weeks=len(counts), days=-1)
    moves = ", ".join(
        f"{counted(abs(hours), 'hour')} {'later' if hours > 0 else 'earlier'} "
        f"{from_to(max(first, log.span[0]), min(end, log.span[1]))}"
        for first, end, hours in spans[:4]
    )
    edges = [first for first, _, _ in spans if first > start] + [
        end + pd.Timedelta(days=1) for _, end, _ in spans if end < last
    ]
    n = int(sum(counts[part.start : part.stop].sum() for part in moved))
    region = _region_of_changes(edges) if all(abs(hours) == 1 for *_, hours in spans) else ""
    return Finding(
        LOOK,
        f"The hours of the day of {kind} move: {moves}, compared with the other weeks.",
        n,
        kind,
        zone_advice(log, region),
    )


def zone_advice(log: Log, region: str) -> str:
    """Return what to do about moved hours, where clocks of a region ("" for none) explain them."""
    if region and clock_changes(log.zone, *log.span):
        return (
            f"Clocks in {region} change then, and these events do not follow. They were written in a zone without "
            f"daylight saving time, or by machines, or timezone={log.zone!r} is not their zone."
        )
    if region:
        return (
            f"Clocks in {region} change then, so these times are not in the shop's local time. Give its zone here and "
            f"to features of hours and days, for example check_events(events, timezone='{CLOCKS[region]}')."
        )
    return (
        "Probably a server, an export or a setting moved to another time zone. Read the two parts separately, each "
        "with its timezone=, and add them in one zone: "
        f"dataclasses.replace(part, timezone={log.zone!r}). If the business changed its hours, nothing is wrong."
    )


def _region_of_changes(edges: list[pd.Timestamp]) -> str:
    """Return the part of the world whose clocks change near all of these days, or an empty text."""
    if not edges:
        return ""
    for region, zone in CLOCKS.items():
        changes = clock_changes(zone, min(edges) - 2 * NEAR, max(edges) + 2 * NEAR)
        if changes and all(min(abs(edge - change) for change in changes) <= NEAR for edge in edges):
            return region
    return ""


def clock_changes(zone: str, first: pd.Timestamp, last: pd.Timestamp) -> list[pd.Timestamp]:
    """Return the days on which the clocks of a zone change."""
    tz = zoneinfo.ZoneInfo(zone)
    days = pd.date_range(first.normalize(), last.normalize(), freq="D")
    offset = [day.to_pydatetime().replace(tzinfo=tz).utcoffset() for day in days]
    return [days[i] for i in range(len(days) - 1) if offset[i] != offset[i + 1]]


def repeated_hours(log: Log) -> list[Finding]:
    """Report nights on which clocks go back, and one of the two equal hours is empty."""
    findings = []
    changes = clock_changes(log.zone, *log.span)
    for kind in log.kinds.index[log.resolution[log.kinds.index] <= 3600]:
        by_hour = log.hours[log.hours["kind"] == kind].groupby("hour")["events"].sum()
        for change in changes:
            hours = _repeated_hour(log.zone, change)
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
                        f"When clocks in {log.zone} went back on {day(change)}, one of the two equal hours of {kind} "
                        f"has {max(counts):,} events and the other none.",
                        max(counts),
                        f"{kind} {day(change)}",
                        "The source stored local times without their zone, so that these two hours cannot be "
                        "distinguished. It matters for that night only.",
                    )
                )
    return findings


def _repeated_hour(zone: str, change: pd.Timestamp) -> list[pd.Timestamp]:
    """Return the two hours, in UTC, with the same local time on the night of a change; none in spring."""
    midnight = change.tz_localize(zone, ambiguous=True, nonexistent="shift_forward").tz_convert("UTC")
    hours = [midnight.tz_localize(None) + pd.Timedelta(hours=h) for h in range(27)]
    local = [hour.tz_localize("UTC").tz_convert(zone).tz_localize(None) for hour in hours]
    return next(([hours[i], hours[i + 1]] for i in range(len(hours) - 1) if local[i] == local[i + 1]), [])
