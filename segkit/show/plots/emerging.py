"""Draw the radar: what grows within the segments, against the line at which it is an alarm."""

from __future__ import annotations

import altair as alt
import pandas as pd

from segkit.core.disclosure import MINIMUM, check_minimum, is_few, said_from
from segkit.core.messages import counted
from segkit.show.plots.theme import GREY, OKABE_ITO, check_table, one_line, themed

COLUMNS = ("first_seen", "found", "customers", "share", "parent")
SHARE, LINE, USUAL = "share of the segment", "alarm line", "usual share"
MOST = 6  # candidates that are drawn
WIDTH, HEIGHT = 460, 150


def plot_emerging(candidates: pd.DataFrame, *, minimum: int = MINIMUM) -> alt.TopLevelMixin:
    """Draw the share of each growing corner of a segment over time, with its alarm line.

    Parameters
    ----------
    candidates : DataFrame
        From :func:`segkit.emerging`.
    minimum : int, default=10
        Of candidates of fewer customers it is not said how many they are. 1 says it of all.

    Returns
    -------
    VConcatChart
        A panel for each of the first six candidates: the share of the corner of its segment that raised the alarm,
        dashes where the alarm would be raised, grey the reference, and a point at the alarm. Where there is
        no candidate, the corner that came nearest to one.

    Raises
    ------
    ValueError
        If a column is missing, or the table was made by hand.

    Examples
    --------
    >>> import segkit as sg
    >>> from segkit.datasets import make_shop_over_time
    >>> shop = make_shop_over_time(1000, n_periods=20)
    >>> result = sg.segment(shop.tables.loc["2024-03-18"], n_segments=4)
    >>> chart = sg.plot_emerging(sg.emerging(result, shop.tables))
    """
    source = "emerging(result, tables)"
    check_table(candidates, COLUMNS, source)
    check_minimum(minimum)
    facts = candidates.attrs.get("segkit", {})
    if "series" not in facts:
        raise ValueError(f"The table does not hold the shares of all moments. Pass the table from {source}.")
    series = pd.DataFrame(facts["series"])
    if series.empty:
        raise ValueError(f"No segment had enough customers to be watched. Pass another table from {source}.")
    series["as_of"] = pd.to_datetime(series["as_of"])
    drawn = [i for i in candidates.index if i in set(series["candidate"])][:MOST] or [-1]
    panels = [
        _panel(series[series["candidate"] == i], candidates, i, facts["reference"], minimum) for i in drawn
    ]
    left_out = len(candidates) - len(drawn) if len(candidates) else 0
    subtitle = [
        f"False alarms: {facts['false_alarms']}, if the wobble stays as in the reference (grey).",
        *([f"{counted(left_out, 'more candidate')} not drawn."] if left_out else []),
    ]
    return themed(
        alt.vconcat(*panels, spacing=18).properties(
            title={
                "text": "What is about to emerge?" if len(candidates) else "Nothing emerges",
                "subtitle": subtitle,
            }
        )
    )


def _panel(
    rows: pd.DataFrame, candidates: pd.DataFrame, candidate: int, reference: int, minimum: int
) -> alt.LayerChart:
    parent = one_line(rows["parent"].iloc[0])
    if candidate in candidates.index:
        row = candidates.loc[candidate]
        n = int(row["customers"])
        share = "" if is_few(n, minimum) else f", {row['share']:.1%} of all"
        who = "customer" if n == 1 == minimum else "customers"
        said = (
            f"{one_line(row['found'])}: {said_from(n, minimum)} {who}{share}; "
            f"alarm on {row['first_seen']:%d %b %y}"
        )
    else:
        said = f"The corner of {parent} that came nearest to an alarm"
    long = rows.melt(
        ["as_of", "alarm"], ["share", "alarm_line", "usual"], var_name="line", value_name="value"
    ).dropna()
    long["line"] = long["line"].map({"share": SHARE, "alarm_line": LINE, "usual": USUAL})
    x = alt.X(
        "as_of:T", title=None, axis=alt.Axis(grid=False, tickCount=6, labelOverlap=True, format="%d %b %y")
    )
    y = alt.Y(
        "value:Q",
        title="Share of segment",
        axis=alt.Axis(format=".1~%", tickCount=4),
        scale=alt.Scale(zero=True),
    )
    domain = [SHARE, LINE, USUAL]
    color = alt.Color(
        "line:N",
        title=None,
        scale=alt.Scale(domain=domain, range=[OKABE_ITO[0], OKABE_ITO[5], GREY]),
        legend=alt.Legend(orient="bottom", symbolType="stroke"),
    )
    dash = alt.StrokeDash(
        "line:N", legend=None, scale=alt.Scale(domain=domain, range=[[1, 0], [6, 4], [2, 3]])
    )
    tooltip = [
        alt.Tooltip("as_of:T", title="As of", format="%Y-%m-%d"),
        alt.Tooltip("line:N", title="Line"),
        alt.Tooltip("value:Q", title="Share", format=".2%"),
    ]
    span = pd.DataFrame({"from": [rows["as_of"].iloc[0]], "to": [rows["as_of"].iloc[reference - 1]]})
    band = alt.Chart(span).mark_rect(color=GREY, opacity=0.15).encode(x=alt.X("from:T"), x2="to:T")
    lines = alt.Chart(long).mark_line(strokeWidth=2).encode(x, y, color, dash, tooltip=tooltip)
    layers: list[alt.Chart] = [band, lines]
    alarm = rows[rows["alarm"]].dropna(subset=["share"])
    if len(alarm):
        point = alt.Chart(alarm.assign(value=alarm["share"])).mark_point(size=110, filled=True, opacity=1)
        layers.append(point.encode(x, y, color=alt.value(OKABE_ITO[5])))
    return alt.LayerChart(layer=layers).properties(
        title={"text": said, "fontSize": 12}, width=WIDTH, height=HEIGHT
    )
