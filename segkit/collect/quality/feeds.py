"""Check that each kind of event arrives all the time: gaps, ends, changes of level and peaks."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from segkit.collect.quality.bots_and_shared_ids import hours_of_people
from segkit.collect.quality.findings import LOOK, NOTE, SERIOUS, Finding, day, from_to, times
from segkit.collect.quality.gaps import silences
from segkit.collect.quality.level_shifts import level_shifts, peaks
from segkit.collect.quality.log_queries import Log, once
from segkit.core.messages import counted

FALSE_ALARMS = 0.01  # share of logs without a gap in which one may be reported
GAPS = {
    "kind": "str",
    "first": "datetime64[us]",
    "last": "datetime64[us]",
    "days": "int64",
    "expected": "float64",
    "probability": "float64",
    "verdict": "str",
}


def daily_counts(log: Log, kind: str) -> pd.Series:
    """Return people's events of a kind on each day, up to the last full day."""
    first, last = log.span
    hours = hours_of_people(log)
    days = hours[hours["kind"] == kind].groupby("day")["events"].sum()[first:last]
    if not len(days):
        return days
    return days.reindex(pd.date_range(days.index[0], max(days.index[-1], log.last_full_day)), fill_value=0)


def _feeds(log: Log) -> Iterator[tuple[str, pd.Series]]:
    return ((kind, daily_counts(log, kind)) for kind in log.kinds.index)


@once
def find_gaps(log: Log) -> pd.DataFrame:
    """Return the days in a row on which events of a kind were expected and none came.

    Parameters
    ----------
    log : Log

    Returns
    -------
    DataFrame of shape (n_gaps, 7)
        `kind`, `first` and `last` day, number of `days`, events `expected` on them, `probability` of a silence
        this long from that day, and `verdict`: "gap"; "end" if it lasts to the end of the log; "empty day" if a
        closed shop explains it and the number of events does not.

    Notes
    -----
    The probability is compared with half of 1 %, divided by the numbers of kinds and days, so that at most about
    one in a hundred logs without gaps is reported to have one.
    """
    rows = []
    for kind, days in _feeds(log):
        threshold = FALSE_ALARMS / 2 / (len(log.kinds) * max(len(days), 1))
        for silence in silences(days.to_numpy(), days.index.day_of_week.to_numpy()):
            if not silence.busy or silence.by_counts > threshold:
                continue
            at_end = silence.start + silence.days == len(days)
            proven = silence.probability <= threshold
            # A closed day at the end of the log may be followed by events.
            if at_end and not proven:
                continue
            first = days.index[silence.start]
            last = first + pd.Timedelta(days=silence.days - 1)
            verdict = "empty day" if not proven else "end" if at_end else "gap"
            rows.append([kind, first, last, silence.days, silence.expected, silence.probability, verdict])
    table = pd.DataFrame(rows, columns=list(GAPS)).astype(GAPS)
    return table.sort_values(["first", "kind"], ignore_index=True)


def gaps(log: Log) -> list[Finding]:
    """Report gaps, with the kinds that stopped on the same days in one finding."""
    table = find_gaps(log)
    hours = hours_of_people(log)
    findings = []
    for (first, last), rows in table[table["verdict"] == "gap"].groupby(["first", "last"]):
        kinds, days = list(rows["kind"]), int(rows["days"].iloc[0])
        others = hours["day"].between(first, last) & ~hours["kind"].isin(kinds)
        findings.append(
            Finding(
                SERIOUS if others.any() else LOOK,
                f"No {' and no '.join(kinds)} {from_to(first, last)} ({counted(days, 'day')}), where about "
                f"{rows['expected'].sum():,.0f} events were expected"
                + (", while other kinds continued." if others.any() else "."),
                days,
                day(first),
                "If the shop was closed, nothing is wrong. Otherwise export these days again: until then recency, "
                "counts and trends around them are wrong.",
            )
        )
    return findings


def ends(log: Log) -> list[Finding]:
    """Report feeds that stop before the end of the log."""
    table = find_gaps(log)
    hours, end = hours_of_people(log), log.span[1]
    findings = []
    for kind, first, last, days, expected, _, verdict in table.itertuples(index=False):
        if verdict != "end":
            continue
        continues = hours["day"].between(first, end).any()
        rest = f"while the log continues to {day(end)}" if continues else "and no other event"
        findings.append(
            Finding(
                SERIOUS if continues else LOOK,
                f"No {kind} since {day(first)}, {rest}. About {expected:,.0f} were expected up to {day(last)}.",
                days,
                day(first),
                f"If {kind} was discontinued, leave its features out. Otherwise export the missing days, or use an "
                f"earlier moment: as_of='{day(first)}'.",
            )
        )
    return findings


def empty_days(log: Log) -> list[Finding]:
    """Report single days without events, such as holidays."""
    table = find_gaps(log)
    table = table[table["verdict"] == "empty day"]
    if not len(table):
        return []
    days = {
        date
        for _, first, _, n, *_ in table.itertuples(index=False)
        for date in pd.date_range(first, periods=n)
    }
    return [
        Finding(
            NOTE,
            f"{counted(len(days), 'day')} without any {' or '.join(dict.fromkeys(table['kind']))}, where nearly every "
            "other day has some.",
            len(days),
            ", ".join(day(date) for date in sorted(days)[:5]),
            "Probably holidays. If not, export these days again.",
        )
    ]


def shifts(log: Log) -> list[Finding]:
    """Report days from which a feed has another level."""
    findings = []
    for kind, days in _feeds(log):
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
                    "Find out what changed: a new tracker, a source added or lost, or the business itself. Trends "
                    "across this day compare two different things.",
                )
            )
    return findings


def busiest(log: Log) -> list[Finding]:
    """Report days with many times the usual events."""
    findings = []
    for kind, days in _feeds(log):
        for peak in peaks(days.to_numpy(), days.index.day_of_week.to_numpy()):
            first, last = days.index[peak.start], days.index[peak.stop - 1]
            n = int(days[first:last].sum())
            findings.append(
                Finding(
                    NOTE,
                    f"{counted(n, 'event')} of kind {kind} {from_to(first, last)}: up to {times(peak.ratio)} as many "
                    "a day as usual around then.",
                    n,
                    f"{int(days[first:last].max()):,} on {day(days[first:last].idxmax())}",
                    "Probably a sale or a campaign: keep it in mind for totals and trends. Or a file was imported "
                    "that day, and its events carry the date of the import.",
                )
            )
    return findings
