"""Did each feed run all the time: gaps, ends, and changes of level."""

from __future__ import annotations

import pandas as pd

from segkit.collect.quality.bots_and_shared_ids import hours_of_people
from segkit.collect.quality.findings import LOOK, NOTE, SERIOUS, Finding, day, from_to, times
from segkit.collect.quality.gaps import silences
from segkit.collect.quality.level_shifts import level_shifts, peaks
from segkit.collect.quality.log_queries import Log, once
from segkit.core.messages import counted

ALARM = 0.01  # share of logs without any gap of which it may be said that they have one
GAPS = {
    "kind": "str",
    "first": "datetime64[us]",
    "last": "datetime64[us]",
    "days": "int64",
    "expected": "float64",
    "probability": "float64",
    "verdict": "str",
}


def daily(log: Log, kind: str) -> pd.Series:
    """Return people's events of a kind on each day, from its first to the last day that is over; empty without any."""
    first, last = log.span
    hours = hours_of_people(log)
    days = hours[hours["kind"] == kind].groupby("day")["events"].sum()[first:last]
    if not len(days):
        return days
    return days.reindex(pd.date_range(days.index[0], max(days.index[-1], log.last_full_day)), fill_value=0)


@once
def gaps_of(log: Log) -> pd.DataFrame:
    """Return the days in a row on which a kind should have come and did not.

    Parameters
    ----------
    log : Log

    Returns
    -------
    DataFrame of shape (n_gaps, 7)
        `kind`, `first` and `last` day, number of `days`, events `expected` on them, `probability` of as long a
        silence that begins on that day, and `verdict`: "gap"; "end" where it lasts to the end of the log; "empty
        day", which the number of events cannot explain, but a day's rest can.

    Notes
    -----
    The probability is held against half of 1 % by the number of kinds and of days, so that of a hundred logs
    in which nothing is missing, at most about one is said to have a gap.
    """
    rows = []
    for kind in log.kinds.index:
        days = daily(log, kind)
        strict = ALARM / 2 / (len(log.kinds) * max(len(days), 1))
        for silence in silences(days.to_numpy(), days.index.day_of_week.to_numpy()):
            if not silence.busy or silence.by_counts > strict:
                continue
            at_end = silence.start + silence.days == len(days)
            proven = silence.probability <= strict
            if at_end and not proven:
                continue  # it may go on tomorrow
            first = days.index[silence.start]
            last = first + pd.Timedelta(days=silence.days - 1)
            verdict = "empty day" if not proven else "end" if at_end else "gap"
            rows.append([kind, first, last, silence.days, silence.expected, silence.probability, verdict])
    gaps = pd.DataFrame(rows, columns=list(GAPS)).astype(GAPS)
    return gaps.sort_values(["first", "kind"], ignore_index=True)


def gaps(log: Log) -> list[Finding]:
    """Say on which days feeds stood still, those that did so together in one breath."""
    found = gaps_of(log)
    findings = []
    for (first, last), rows in found[found["verdict"] == "gap"].groupby(["first", "last"]):
        kinds, days = list(rows["kind"]), int(rows["days"].iloc[0])
        hours = hours_of_people(log)
        others = hours[hours["day"].between(first, last) & ~hours["kind"].isin(kinds)]
        findings.append(
            Finding(
                SERIOUS if len(others) else LOOK,
                f"No {' and no '.join(kinds)} {from_to(first, last)} ({counted(days, 'day')}), when about "
                f"{rows['expected'].sum():,.0f} were to be expected"
                + (", while other kinds went on." if len(others) else "."),
                days,
                day(first),
                "If the shop was closed, all is well. Else have these days exported again: recency, "
                "counts and trends of that time are too low.",
            )
        )
    return findings


def ends(log: Log) -> list[Finding]:
    """Say which feeds stopped before the log ends."""
    found = gaps_of(log)
    found = found[found["verdict"] == "end"]
    hours, end = hours_of_people(log), log.span[1]
    goes_on = {first: hours["day"].between(first, end).any() for first in found["first"]}
    return [
        Finding(
            SERIOUS if goes_on[first] else LOOK,
            f"No {kind} since {day(first)}, "
            + (
                f"while the log goes on to {day(end)}"
                if goes_on[first]
                else "nor anything else: the log ends there"
            )
            + f". About {expected:,.0f} were to be expected up to {day(last)}.",
            days,
            day(first),
            f"If {kind} was given up, leave its features out. Else get the rest, or look at an earlier moment: "
            f"as_of='{day(first)}'.",
        )
        for kind, first, last, days, expected, _, _ in found.itertuples(index=False)
    ]


def empty_days(log: Log) -> list[Finding]:
    """Name single days without events, such as holidays."""
    found = gaps_of(log)
    found = found[found["verdict"] == "empty day"]
    if not len(found):
        return []
    days: dict[pd.Timestamp, list[str]] = {}
    for kind, first, _, n, *_ in found.itertuples(index=False):
        for date in pd.date_range(first, periods=n):
            days.setdefault(date, []).append(kind)
    kinds = list(dict.fromkeys(found["kind"]))
    return [
        Finding(
            NOTE,
            f"{counted(len(days), 'day')} without any {' or '.join(kinds)}, in feeds that hardly ever rest.",
            len(days),
            ", ".join(day(date) for date in sorted(days)[:5]),
            "Holidays, most likely. If not, ask for these days again.",
        )
    ]


def shifts(log: Log) -> list[Finding]:
    """Say from when on a feed is on another level."""
    findings = []
    for kind in log.kinds.index:
        days = daily(log, kind)
        for shift in level_shifts(days.to_numpy(), days.index.day_of_week.to_numpy()):
            start = days.index[shift.day]
            up = shift.after > shift.before
            ratio = max(shift.after, shift.before) / min(shift.after, shift.before)
            findings.append(
                Finding(
                    LOOK,
                    f"From {day(start)} on, {times(ratio)} {'as many' if up else 'fewer'} events of kind {kind} a day: "
                    f"{shift.after:,.0f} instead of {shift.before:,.0f}.",
                    int((days.index >= start).sum()),
                    day(start),
                    "Ask what changed: another tracker, a source that was added or lost, or the business "
                    "itself. Trends across that day compare two different things.",
                )
            )
    return findings


def busiest(log: Log) -> list[Finding]:
    """Name days on which a feed brought many times what it does around them."""
    findings = []
    for kind in log.kinds.index:
        days = daily(log, kind)
        for peak in peaks(days.to_numpy(), days.index.day_of_week.to_numpy()):
            first, last = days.index[peak.start], days.index[peak.stop - 1]
            n = int(days[first:last].sum())
            findings.append(
                Finding(
                    NOTE,
                    f"{counted(n, 'event')} of kind {kind} {from_to(first, last)}: up to {times(peak.ratio)} as many "
                    "a day as around then.",
                    n,
                    f"{int(days[first:last].max()):,} on {day(days[first:last].idxmax())}",
                    "A sale or a campaign, most likely: mind it in totals and trends. Or a file was loaded, and its "
                    "day taken for that of the events.",
                )
            )
    return findings
