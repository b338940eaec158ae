"""Draw the coverage of a log: events of each kind by month, and gaps in the feeds."""

from __future__ import annotations

import altair as alt
import pandas as pd

from segkit.collect.quality.check import EventCheck
from segkit.core.checks import check_type
from segkit.core.disclosure import MINIMUM, check_minimum, is_few
from segkit.show.plots.theme import INK, OKABE_ITO, themed

BUSY, STILL = OKABE_ITO[0], OKABE_ITO[5]
ROW = 22


def plot_coverage(check: EventCheck, *, minimum: int = MINIMUM) -> alt.LayerChart:
    """Draw the events of each kind by month, with the gaps in the feeds.

    Parameters
    ----------
    check : EventCheck
        From :func:`segkit.check_events`.
    minimum : int, default=10
        Fewer customers of a month are not said. 1 says all.

    Returns
    -------
    LayerChart
        A row for each kind, those with most events on top; a cell for each month, the bluer the more events a
        day, against the kind's own busiest month. Days on which the feed stood still are orange. Months far
        from all others are left out.

    Examples
    --------
    >>> import segkit as sg
    >>> from segkit.datasets import make_events
    >>> events, _ = make_events(50, kinds=["purchase", "return"])
    >>> chart = sg.plot_coverage(sg.check_events(events))
    """
    check_minimum(minimum)
    check_type("check", check, EventCheck, "It should be the result of check_events(events).")
    cells = _cells(check)
    kinds = list(cells.groupby("kind")["events"].sum().sort_values(ascending=False, kind="stable").index)
    still = check.gaps[check.gaps["verdict"].isin(["gap", "end"])]
    y = alt.Y("kind:N", title=None, sort=kinds, axis=alt.Axis(grid=False))
    layers = [_behind(check, kinds, y), _months(cells, y, minimum)]
    if len(still):
        layers.append(_still(still, y))
    layers.append(_totals(cells, y))
    subtitle = ["Darker blue: more events a day than in other months of the same kind."]
    subtitle += [_about(still)]
    return themed(
        alt.layer(*layers)
        .resolve_scale(color="independent")
        .properties(
            title={"text": "Which events are there, and when?", "subtitle": subtitle},
            width=560,
            height=ROW * len(kinds),
        )
    )


def _cells(check: EventCheck) -> pd.DataFrame:
    """Return the months of the log, how busy each was for its kind, and where its cell begins and ends."""
    first, last = check.facts["first"], check.facts["last"]
    cells = check.coverage[check.coverage["month"].between(first.replace(day=1), last)].copy()
    cells["per_day"] = cells["events"] / cells["days"]
    cells["busy"] = cells["per_day"] / cells.groupby("kind")["per_day"].transform("max")
    cells["start"] = cells["month"].clip(lower=first)
    cells["end"] = (cells["month"] + pd.offsets.MonthBegin(1)).clip(upper=last + pd.Timedelta(days=1))
    return cells


def _behind(check: EventCheck, kinds: list[str], y: alt.Y) -> alt.Chart:
    whole = pd.DataFrame({"kind": kinds})
    whole["start"], whole["end"] = check.facts["first"], check.facts["last"] + pd.Timedelta(days=1)
    return (
        alt.Chart(whole)
        .mark_rect(color=INK, opacity=0.07, height={"band": 0.86})
        .encode(alt.X("start:T", title=None, axis=_time_axis()), alt.X2("end:T"), y)
    )


def _time_axis() -> alt.Axis:
    return alt.Axis(grid=False, format="%b %Y", tickCount=7, labelOverlap=True, orient="bottom")


def _months(cells: pd.DataFrame, y: alt.Y, minimum: int) -> alt.Chart:
    shown = cells[["kind", "month", "start", "end", "busy", "events", "customers", "per_day"]].copy()
    shown["customers"] = shown["customers"].astype(float).mask(is_few(shown["customers"], minimum))
    return (
        alt.Chart(shown)
        .mark_rect(color=BUSY, height={"band": 0.86}, stroke=INK, strokeOpacity=0.25, strokeWidth=0.4)
        .encode(
            alt.X("start:T", title=None),
            alt.X2("end:T"),
            y,
            alt.Opacity(
                "busy:Q",
                title="Events a day, of those in the busiest month",
                scale=alt.Scale(domain=[0, 1], range=[0.08, 1]),
                legend=alt.Legend(
                    format=".0%",
                    values=[0.1, 0.25, 0.5, 1],
                    symbolType="square",
                    symbolSize=180,
                    symbolStrokeWidth=0,
                    orient="bottom",
                    titleOrient="left",
                    titleLimit=300,
                    offset=14,
                ),
            ),
            tooltip=[
                alt.Tooltip("kind:N", title="Kind"),
                alt.Tooltip("month:T", title="Month", format="%B %Y"),
                alt.Tooltip("events:Q", title="Events", format=","),
                alt.Tooltip("customers:Q", title="Customers", format=","),
                alt.Tooltip("per_day:Q", title="Events a day", format=",.1f"),
            ],
        )
    )


def _still(gaps: pd.DataFrame, y: alt.Y) -> alt.Chart:
    """Draw the gaps; with an edge, so that three days of ten years can still be seen."""
    marks = gaps.assign(end=gaps["last"] + pd.Timedelta(days=1)).rename(columns={"first": "start"})
    return (
        alt.Chart(marks[["kind", "start", "end", "last", "days", "expected"]])
        .mark_rect(color=STILL, stroke=STILL, strokeWidth=1.5, height={"band": 0.86})
        .encode(
            alt.X("start:T", title=None),
            alt.X2("end:T"),
            y,
            tooltip=[
                alt.Tooltip("kind:N", title="Gap in"),
                alt.Tooltip("start:T", title="From", format="%Y-%m-%d"),
                alt.Tooltip("last:T", title="To", format="%Y-%m-%d"),
                alt.Tooltip("days:Q", title="Days"),
                alt.Tooltip("expected:Q", title="Events expected", format=",.0f"),
            ],
        )
    )


def _totals(cells: pd.DataFrame, y: alt.Y) -> alt.Chart:
    totals = cells.groupby("kind", as_index=False)["events"].sum()
    totals["label"] = [f"{n:,}" for n in totals["events"]]
    return (
        alt.Chart(totals)
        .mark_text(align="left", dx=6, color=INK, opacity=0.8, fontSize=11)
        .encode(alt.X(value="width"), y, alt.Text("label:N"))
    )


def _about(still: pd.DataFrame) -> str:
    if not len(still):
        return "No gap was found in any feed."
    days = int(still["days"].sum())
    feeds = still["kind"].nunique()
    return (
        f"Orange: gaps; {days:,} day{'' if days == 1 else 's'} in {feeds:,} "
        f"feed{'' if feeds == 1 else 's'}. Numbers: events in all."
    )
