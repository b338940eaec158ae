"""Check a log of events for faults before features are computed."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from segkit.collect.events import Events, checked_events
from segkit.collect.quality import (
    amounts,
    bots_and_shared_ids,
    clock,
    duplicates,
    feeds,
    messages_and_ratings,
    time_precision,
    time_range,
)
from segkit.collect.quality.findings import LOOK, NOTE, SERIOUS, SEVERITIES, Check, Finding, day, share
from segkit.collect.quality.log_queries import Log
from segkit.collect.read_events import check_zone
from segkit.collect.row_reader import ROBOT, how_to_mend
from segkit.core.engine.connection import locked_engine
from segkit.core.html import render
from segkit.core.messages import counted
from segkit.core.moments import read_moment

IN_WORDS = {SERIOUS: "serious", LOOK: "worth a look", NOTE: "good to know"}
COLORS = {SERIOUS: "#D55E00", LOOK: "#E69F00", NOTE: "#56B4E9"}  # Okabe & Ito's, as in charts
COLUMNS = ("what", "severity", "count", "example", "advice")


@dataclass(frozen=True, eq=False)
class EventCheck:
    """The findings of a check of a log.

    Made by :func:`check_events`.

    Attributes
    ----------
    findings : DataFrame of shape (n_findings, 5)
        Indexed by `check`, the most serious first: `what` is wrong, in a sentence; its `severity`: "serious"
        (features will be wrong), "look" (they may be) or "note" (good to know); the `count` of affected events,
        orders, customers or days; an `example`; and `advice` on what to do.
    coverage : DataFrame of shape (n_kinds_and_months, 5)
        `kind`, `month` (its first day), `events`, `customers`, and `days` of that month within the log.
    gaps : DataFrame of shape (n_gaps, 7)
        Days on which events of a kind were expected and none came: `kind`, `first`, `last`, `days`, `expected`
        events, `probability` of a silence this long if the feed works, and `verdict`: "gap", "end" or
        "empty day".
    suspects : DataFrame of shape (n_suspects, 5)
        Customers with the behaviour of a bot: `customer_id`, `why`, `events`, `share` of all events, `example`.
    checks : DataFrame of shape (n_checks, 2)
        Each check's `question`, and its `answer`: the number of findings, or why it was not run.
    facts : dict
        `events`, `customers`, `first` and `last` day, `timezone`, `as_of` and `sources`.
    """

    findings: pd.DataFrame
    coverage: pd.DataFrame = field(repr=False)
    gaps: pd.DataFrame = field(repr=False)
    suspects: pd.DataFrame = field(repr=False)
    checks: pd.DataFrame = field(repr=False)
    facts: dict[str, Any] = field(repr=False)

    def in_words(self) -> str:
        """Return a summary in two sentences."""
        facts = self.facts
        counts = self.findings["severity"].value_counts()
        by_severity = [f"{counts[s]} {IN_WORDS[s]}" for s in SEVERITIES if s in counts]
        skipped = int(self.checks["answer"].str.startswith("not checked").sum())
        return (
            f"{counted(facts['events'], 'event')} of {counted(facts['customers'], 'customer')}, "
            f"{day(facts['first'])} to {day(facts['last'])} ({facts['timezone']}). "
            f"{counted(len(self.checks) - skipped, 'check')} run"
            + (f", {skipped} not possible" if skipped else "")
            + f". Findings: {', '.join(by_severity) or 'none'}."
        )

    def __repr__(self) -> str:
        lines = [f"EventCheck: {self.in_words()}"]
        for row in self.findings.itertuples():
            lines += textwrap.wrap(
                f"{row.severity:<8} {row.what}{_example(row)}", 100, subsequent_indent=" " * 9
            )
            lines += textwrap.wrap(row.advice, 100, initial_indent=" " * 9 + "→ ", subsequent_indent=" " * 11)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        others = self.checks[~self.checks.index.isin(self.findings.index)]
        n_clean = int((self.checks["answer"] == "nothing found").sum())
        return render(
            _HTML,
            words=self.in_words(),
            findings=[
                {
                    "color": COLORS[row.severity],
                    "severity": IN_WORDS[row.severity],
                    "what": row.what,
                    "example": _example(row),
                    "advice": row.advice,
                }
                for row in self.findings.itertuples()
            ],
            clean=counted(n_clean, "check"),
            others=others[["question", "answer"]].to_numpy().tolist(),
        )


_HTML = """
<p><b>Quality of the events.</b> {{ words }}</p>
{% for finding in findings -%}
<div style="margin:0.6em 0;padding:0.1em 0 0.1em 0.8em;border-left:4px solid {{ finding.color }};max-width:52em">
<div><b>{{ finding.severity }}</b> · {{ finding.what }}</div>
<div style="opacity:0.75">{{ finding.example }}</div>
<div>→ {{ finding.advice }}</div></div>
{% endfor -%}
<details style="margin-top:0.8em"><summary>{{ clean }} found nothing</summary>
<ul>{% for question, answer in others %}<li>{{ question }} — {{ answer }}</li>{% endfor %}</ul></details>
"""


def _example(row: Any) -> str:
    """Return the example as a sentence, unless the finding contains it."""
    return "" if row.example in row.what else f" For example: {row.example}."


def _refused(log: Log) -> list[Finding]:
    """Report rows of the source that could not be read."""
    refused = log.events.refused.rename(columns={"count": "rows"})
    total = log.total + int(refused["rows"].sum())
    findings = []
    for row in refused.itertuples():
        part = row.rows / total
        remedy = how_to_mend(row.reason, row.example) or (
            "Correct them at the source, or name the right column or format in read_events."
        )
        what = "left out" if row.reason.startswith(ROBOT) else "could not be read"
        findings.append(
            Finding(
                NOTE
                if row.reason.startswith(ROBOT)
                else SERIOUS
                if part >= 0.05
                else LOOK
                if part >= 0.005
                else NOTE,
                f"{counted(int(row.rows), 'row')} ({share(row.rows, total)}) {what}: {row.reason}.",
                int(row.rows),
                row.example,
                f"No feature uses these rows. {remedy}",
            )
        )
    return findings


_MESSAGES = tuple(f"{medium}_{what}" for medium in messages_and_ratings.MEDIA for what in ("open", "click"))
_BUY = ("purchase",)

CHECKS = (
    Check("refused", "Could all rows be read?", _refused),
    Check("gap", "Do events of each kind arrive without a gap?", feeds.gaps),
    Check("end", "Do events of each kind arrive until the end?", feeds.ends),
    Check("empty_day", "Are there single days without events?", feeds.empty_days),
    Check("level", "Does the number of events a day jump?", feeds.shifts),
    Check("peak", "Are there days far busier than all others?", feeds.busiest),
    Check("repeats", "Are lines in the log twice?", duplicates.repeats),
    Check("repeated_id", "Does each event have an id of its own?", duplicates.repeated_ids, ("event_id",)),
    Check("read_twice", "Was a file read twice?", duplicates.read_twice),
    Check("shared_order", "Does each order belong to one customer?", duplicates.shared_orders, ("order_id",), _BUY),
    Check("reused_order", "Is each order id used once?", duplicates.reused_orders, ("order_id",), _BUY),
    Check("order_spelling", "Is each order id spelt in one way?", duplicates.order_spellings, ("order_id",), _BUY),
    Check("twin_order", "Are orders in the log under two ids?", duplicates.twin_orders, ("order_id", "amount"), _BUY),
    Check("bot", "Are the customers people?", bots_and_shared_ids.bots),
    Check("shared_id", "Does an id stand for many people?", bots_and_shared_ids.shared_ids),
    Check("customer_spelling", "Is each customer id spelt in one way?", duplicates.customer_spellings),
    Check("future", "Are there events at or after as_of?", time_range.future, argument="as_of"),
    Check("stray", "Are there events far from all others?", time_range.strays),
    Check("midnight", "Do all events have a time of day?", time_precision.midnights),
    Check("rounded", "Are times exact?", time_precision.rounded),
    Check("busy_second", "Do many customers act in one second?", time_precision.busy_seconds),
    Check("zone", "Do the hours of the day stay the same?", clock.zones),
    Check("repeated_hour", "Is the repeated hour right when clocks go back?", clock.repeated_hours),
    Check("birth", "Are there events before a customer was known?", time_range.births, argument="births"),
    Check("zero_amount", "Are there purchases of amount 0?", amounts.zero_amounts, ("amount",), _BUY),
    Check("extreme", "Are some amounts far larger than all others?", amounts.extremes, ("amount",)),
    Check("quantity", "Are quantities above 0?", amounts.odd_quantities, ("quantity",), _BUY),
    Check("jump", "Are amounts in one unit from month to month?", amounts.jumps, ("amount",)),
    Check("scale", "Are prices in one unit?", amounts.scales, ("amount", "product_id"), _BUY),
    Check("currency", "Are prices in one currency?", amounts.currencies, ("amount", "product_id"), _BUY),
    Check("half_filled", "Do all purchases have the same columns?", messages_and_ratings.half_filled, (), _BUY),
    Check("returns", "Were returned goods bought?", messages_and_ratings.returns, (), ("return",)),
    Check("messages", "Were opened messages sent?", messages_and_ratings.messages, (), _MESSAGES),
    Check("rating", "Are ratings on one scale?", messages_and_ratings.rating_scales, ("rating",)),
    Check("sentiment", "Does each sentiment have a text?", messages_and_ratings.sentiments, ("sentiment",)),
)  # fmt: skip
"""All checks, in the order in which they are reported."""


@locked_engine
def check_events(
    events: Events,
    *,
    as_of: str | pd.Timestamp | None = None,
    timezone: str | None = None,
    births: pd.Series | None = None,
) -> EventCheck:
    """Check a log for faults that make features wrong, and report them in words.

    Gaps in a feed, repeated lines and files, bots, wrong clocks, amounts in two units, ids shared by many people:
    each check runs over the whole log, in the engine.

    Parameters
    ----------
    events : Events
    as_of : str or Timestamp, optional
        The moment of the features; in UTC if it has no zone. Events at or after it are in the future, and each
        kind of event is expected up to it. By default, the last event of the log.
    timezone : str, optional
        Time zone of days, months and hours; by default that of the events.
    births : Series of datetime, optional
        Birth of each customer, or the date since when the customer is known, by `customer_id`; in UTC if it has
        no zone.

    Returns
    -------
    EventCheck
        Shows itself in words; ``.findings`` and its other tables hold the details.

    Raises
    ------
    TypeError
        If `events` are not events, or `births` is not a Series of times.
    ValueError
        If `as_of` is not a moment, `timezone` is not a zone, or `births` has a customer twice.

    See Also
    --------
    segkit.plot_coverage : the kinds of event and their gaps as a chart.

    Notes
    -----
    A finding is a place to look, not a proof. Of a hundred logs without gaps, about one is reported to have one. A
    shop that closed for several days is reported as a gap: the log cannot tell why no event came. Engines other
    than DuckDB run the same checks, some of them with one more pass over the events each.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> days = pd.date_range("2024-01-01", "2024-03-31")
    >>> lines = pd.DataFrame({"customer_id": [f"c{i % 50}" for i in range(91 * 40)],
    ...                       "timestamp": days.repeat(40) + pd.to_timedelta(list(range(91 * 40)), unit="s")})
    >>> lines = lines[~lines["timestamp"].between("2024-02-10", "2024-02-13")]
    >>> check = sg.check_events(sg.read_events(lines, kind="visit"))
    >>> check.gaps[["kind", "first", "last", "days"]]
        kind      first       last  days
    0  visit 2024-02-10 2024-02-12     3
    """
    checked_events(events)
    log = Log(
        events,
        events.timezone if timezone is None else check_zone(timezone),
        None if as_of is None else read_moment(as_of),
        _read_births(births),
    )
    findings, answers = [], []
    for check in CHECKS:
        lacks = check.lacks(log)
        new = [] if lacks else check.find(log)
        findings += [(check.name, finding) for finding in new]
        answer = (
            f"not checked: {lacks}" if lacks else counted(len(new), "finding") if new else "nothing found"
        )
        answers.append((check.name, check.question, answer))
    return EventCheck(
        _findings_table(findings),
        log.coverage,
        feeds.find_gaps(log),
        bots_and_shared_ids.suspects_of(log),
        pd.DataFrame(answers, columns=["check", "question", "answer"]).set_index("check"),
        {
            "events": log.total,
            "customers": log.n_customers,
            "first": log.span[0],
            "last": log.span[1],
            "timezone": log.zone,
            "as_of": log.as_of,
            "sources": events.sources,
        },
    )


def _findings_table(findings: list[tuple[str, Finding]]) -> pd.DataFrame:
    rows = [[name, *(getattr(finding, column) for column in COLUMNS)] for name, finding in findings]
    table = pd.DataFrame(rows, columns=["check", *COLUMNS])
    table = table.astype({c: "int64" if c == "count" else "str" for c in table.columns})
    rank = table["severity"].map({severity: i for i, severity in enumerate(SEVERITIES)})
    order = rank.sort_values(kind="stable").index
    return table.loc[order].set_index("check")


def _read_births(births: pd.Series | None) -> pd.Series | None:
    """Return births in UTC by customer id as text."""
    if births is None:
        return None
    if not isinstance(births, pd.Series) or not pd.api.types.is_datetime64_any_dtype(births.dtype):
        what = str(births.dtype) if isinstance(births, pd.Series) else type(births).__qualname__
        raise TypeError(
            f"births is {what}; it should be a Series of times by customer_id: "
            f"births=pd.to_datetime(customers['joined'])."
        )
    if births.dt.tz is not None:
        births = births.dt.tz_convert("UTC").dt.tz_localize(None)
    known = births.dropna().astype("datetime64[us]")
    known.index = known.index.astype("str")
    twice = known.index[known.index.duplicated()]
    if len(twice):
        raise ValueError(f"births has customer {twice[0]!r} more than once. Keep one time for each customer.")
    return known
