"""All questions, asked of a log, and the answers in words."""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from segkit.collect.events import Events, check_zone
from segkit.collect.quality import (
    amounts,
    bots_and_shared_ids,
    duplicates,
    feeds,
    messages_and_ratings,
    timestamps,
)
from segkit.collect.quality.findings import (
    LOOK,
    NOTE,
    SERIOUS,
    SEVERITIES,
    Check,
    Finding,
    day,
    share,
)
from segkit.collect.quality.log_queries import Log
from segkit.collect.row_reader import how_to_mend
from segkit.core.engine.connection import locked_engine
from segkit.core.messages import counted
from segkit.core.moments import read_moment

SAID = {SERIOUS: "serious", LOOK: "to look at", NOTE: "good to know"}
COLORS = {SERIOUS: "#D55E00", LOOK: "#E69F00", NOTE: "#56B4E9"}  # Okabe & Ito's, as in charts
COLUMNS = ("what", "severity", "count", "example", "advice")


@dataclass(frozen=True, eq=False)
class EventCheck:
    """What a look through a log of events found.

    Made by :func:`check_events`.

    Attributes
    ----------
    findings : DataFrame of shape (n_findings, 5)
        Indexed by `check`, the most serious first: `what` was found, in a sentence; its `severity`:
        "serious" (features will be wrong), "look" (they may be) or "note" (good to know); the `count` of
        events, orders, customers or days that it concerns; an `example`; and what to do, as `advice`.
    coverage : DataFrame of shape (n_kinds_and_months, 5)
        `kind`, `month` (its first day), `events`, `customers`, and `days`: how many days of that month
        the log spans.
    gaps : DataFrame of shape (n_gaps, 7)
        Days on which a kind should have come: `kind`, `first`, `last`, `days`, `expected` events,
        `probability` of as long a silence if the feed had worked, and `verdict`: "gap", "end" or "empty day".
    suspects : DataFrame of shape (n_suspects, 5)
        Customers who act as no person does: `customer_id`, `why`, `events`, `share` of all events, `example`.
    checks : DataFrame of shape (n_checks, 2)
        Each `question` that was asked, and its `answer`: how many findings, or why it could not be asked.
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
        """Return the verdict in a sentence or two."""
        facts = self.facts
        counts = self.findings["severity"].value_counts()
        told = [f"{counts[s]} {SAID[s]}" for s in SEVERITIES if s in counts]
        unasked = int(self.checks["answer"].str.startswith("not asked").sum())
        found = f"Found: {', '.join(told)}." if told else "Nothing was found."
        asked = f"{counted(len(self.checks) - unasked, 'question')} asked" + (
            f", {unasked} could not be." if unasked else "."
        )
        return (
            f"{counted(facts['events'], 'event')} of {counted(facts['customers'], 'customer')}, "
            f"{day(facts['first'])} to {day(facts['last'])} ({facts['timezone']}). {asked} {found}"
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
        items = "".join(_item(row) for row in self.findings.itertuples())
        fine = self.checks["answer"] == "nothing found"
        quiet = "".join(
            f"<li>{html.escape(row.question)} — {html.escape(row.answer)}</li>"
            for row in self.checks[~self.checks.index.isin(self.findings.index)].itertuples()
        )
        return (
            f"<p><b>Quality of the events.</b> {html.escape(self.in_words())}</p>{items}"
            f"<details style='margin-top:0.8em'><summary>{int(fine.sum())} questions found nothing</summary>"
            f"<ul>{quiet}</ul></details>"
        )


def _example(row: Any) -> str:
    """Return the example as a sentence, unless the finding has said it already."""
    return "" if row.example in row.what else f" For example: {row.example}."


def _item(row: Any) -> str:
    color = COLORS[row.severity]
    return (
        f"<div style='margin:0.6em 0;padding:0.1em 0 0.1em 0.8em;border-left:4px solid {color};max-width:52em'>"
        f"<div><b>{html.escape(SAID[row.severity])}</b> · {html.escape(row.what)}</div>"
        f"<div style='opacity:0.75'>{html.escape(_example(row))}</div>"
        f"<div>→ {html.escape(row.advice)}</div></div>"
    )


def _refused(log: Log) -> list[Finding]:
    findings = []
    for row in log.events.refused.rename(columns={"count": "rows"}).itertuples():
        total = log.total + int(log.events.refused["count"].sum())
        part = row.rows / total
        findings.append(
            Finding(
                SERIOUS if part >= 0.05 else LOOK if part >= 0.005 else NOTE,
                f"{counted(int(row.rows), 'row')} ({share(row.rows, total)}) could not be read: {row.reason}.",
                int(row.rows),
                row.example,
                "They are in no feature. "
                + (
                    how_to_mend(row.reason, row.example)
                    or "Have them mended at the source, or name the right column or format in read_events."
                ),
            )
        )
    return findings


_MESSAGES = tuple(f"{medium}_{what}" for medium in messages_and_ratings.MEDIA for what in ("open", "click"))
_SOLD = ("purchase",)

CHECKS = (
    Check("refused", "Could all rows be read?", _refused),
    Check("gap", "Did each feed run without a gap?", feeds.gaps),
    Check("end", "Did each feed run to the end?", feeds.ends),
    Check("empty_day", "Are there single days without events?", feeds.empty_days),
    Check("level", "Did a feed jump to another level?", feeds.shifts),
    Check("peak", "Are there days far busier than all others?", feeds.busiest),
    Check("repeats", "Are lines there twice?", duplicates.repeats),
    Check("read_twice", "Was a file read twice?", duplicates.read_twice),
    Check("shared_order", "Has each order one customer?", duplicates.shared_orders, ("order_id",), _SOLD),
    Check("reused_order", "Are order ids given once?", duplicates.reused_orders, ("order_id",), _SOLD),
    Check("order_spelling", "Are order ids written alike?", duplicates.order_spellings, ("order_id",), _SOLD),
    Check(
        "twin_order", "Are orders there under two ids?", duplicates.twin_orders, ("order_id", "amount"), _SOLD
    ),
    Check("machine", "Are the customers people?", bots_and_shared_ids.machines),
    Check("nobody", "Does an id stand for many people?", bots_and_shared_ids.nobodies),
    Check("customer_spelling", "Are customer ids written alike?", duplicates.customer_spellings),
    Check("future", "Are there events after the moment that is looked at?", timestamps.future),
    Check("stray", "Are there events far from all others?", timestamps.strays),
    Check("midnight", "Have all events a time of day?", timestamps.midnights),
    Check("rounded", "Are times exact?", timestamps.rounded),
    Check("crowded_second", "Do crowds act in one second?", timestamps.crowded_seconds),
    Check("zone", "Do the hours of the day stay where they are?", timestamps.zones),
    Check("repeated_hour", "Are the two equal hours of autumn told apart?", timestamps.repeated_hours),
    Check("birth", "Are there events before a customer was known?", timestamps.births),
    Check("nothing", "Are there purchases of nothing?", amounts.nothing, ("amount",), _SOLD),
    Check("extreme", "Are there amounts beyond all others?", amounts.extremes, ("amount",)),
    Check("quantity", "Are quantities above 0?", amounts.odd_quantities, ("quantity",), _SOLD),
    Check("jump", "Do amounts stay in one unit from month to month?", amounts.jumps, ("amount",)),
    Check("scale", "Are prices in one unit?", amounts.scales, ("amount", "product_id"), _SOLD),
    Check("currency", "Are prices in one currency?", amounts.currencies, ("amount", "product_id"), _SOLD),
    Check("half_filled", "Are columns of purchases filled?", messages_and_ratings.half_filled, (), _SOLD),
    Check("returns", "Were returned goods bought?", messages_and_ratings.returns, (), ("return",)),
    Check("messages", "Were opened messages sent?", messages_and_ratings.messages, (), _MESSAGES),
    Check("rating", "Do ratings keep to one scale?", messages_and_ratings.rating_scales, ("rating",)),
    Check("sentiment", "Has each sentiment a text?", messages_and_ratings.sentiments, ("sentiment",)),
)
"""All questions, in the order in which a person would ask them."""


@locked_engine
def check_events(
    events: Events,
    *,
    as_of: str | pd.Timestamp | None = None,
    timezone: str | None = None,
    births: pd.Series | None = None,
) -> EventCheck:
    """Look through a log for what would make features wrong, and say it in words.

    Gaps in a feed, lines and files that are there twice, machines, clocks that went wrong, amounts in two
    units, ids that stand for many: each question is asked of the whole log, in the engine.

    Parameters
    ----------
    events : Events
    as_of : str or Timestamp, optional
        The moment that features will look at; in UTC where it has no zone. Events at or after it are in the
        future, and each feed should run up to it. Without it, up to the last event of the log.
    timezone : str, optional
        Zone in which days, months and hours are counted; that of the events where it is not said.
    births : Series of datetime, optional
        Since when each customer is known, or was born, by `customer_id`; in UTC where it has no zone.

    Returns
    -------
    EventCheck
        It shows itself in words; ``.findings`` and its other tables are for looking closer.

    Raises
    ------
    TypeError
        If `events` are none, or `births` is no Series of times.
    ValueError
        If `as_of` is no moment, `timezone` no zone, or `births` has a customer twice.

    See Also
    --------
    segkit.plot_coverage : the feeds and their gaps as a chart.

    Notes
    -----
    A finding is where to look, and no proof. Gaps have a stated rate of false alarms: of a hundred logs in which
    nothing is missing, about one is said to have a gap. Where a shop was closed for several days, the words are
    the same: the log cannot know why nothing came. On other engines than DuckDB the same questions are asked;
    some pass over the events again for each.

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
    if not isinstance(events, Events):
        raise TypeError(
            f"check_events got a {type(events).__qualname__}. It looks through events: check_events(read_events(…))."
        )
    log = Log(
        events,
        events.timezone if timezone is None else check_zone(timezone),
        None if as_of is None else read_moment(as_of),
        _read_births(births),
    )
    findings, answers = [], []
    for check in CHECKS:
        lacking = check.lacks(log) or (
            "births was not said" if check.name == "birth" and births is None else ""
        )
        lacking = lacking or ("as_of was not said" if check.name == "future" and as_of is None else "")
        found = [] if lacking else check.find(log)
        findings += [(check.name, finding) for finding in found]
        answer = (
            f"not asked: {lacking}"
            if lacking
            else counted(len(found), "finding")
            if found
            else "nothing found"
        )
        answers.append((check.name, check.question, answer))
    return EventCheck(
        _as_table(findings),
        log.coverage,
        feeds.gaps_of(log),
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


def _as_table(findings: list[tuple[str, Finding]]) -> pd.DataFrame:
    rows = [[name, *(getattr(finding, column) for column in COLUMNS)] for name, finding in findings]
    table = pd.DataFrame(rows, columns=["check", *COLUMNS])
    table = table.astype({c: "int64" if c == "count" else "str" for c in table.columns})
    rank = table["severity"].map({severity: i for i, severity in enumerate(SEVERITIES)})
    order = rank.sort_values(kind="stable").index
    return table.loc[order].set_index("check")


def _read_births(births: pd.Series | None) -> pd.Series | None:
    """Return the moment since when each customer is known, in UTC, by an id that is text."""
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
        raise ValueError(
            f"births has customer {twice[0]!r} more than once. It should have a time for each; drop the others."
        )
    return known
