"""Draw whether customers drift, and why."""

from __future__ import annotations

import textwrap
from typing import Any, Literal

import altair as alt
import pandas as pd

from segkit.over_time.usual import ALARM
from segkit.show.plots.theme import GREY, INK, OKABE_ITO, check_table, themed

COLUMNS = ("verdict", "effect", "customers", "evidence")
PALE = "#C4C4C4"  # grey that can be seen on light and dark
VERDICTS = {  # the word of the legend, its colour, and its shape
    "feed": ("feed: data are missing", OKABE_ITO[1], "cross"),
    "concept": ("concept: same features, other outcome", OKABE_ITO[5], "triangle-up"),
    "population": ("population: other customers", OKABE_ITO[0], "square"),
    "season": ("season: it comes back", OKABE_ITO[2], "diamond"),
    "none": ("none: the usual wobble", GREY, "circle"),
    "reference": ("reference: says what is usual", PALE, "circle"),
    "unknown": ("unknown: too few data", GREY, "circle"),
}
HEIGHT = 240
NARROW = 480  # pixels; below, the legend has one column


def plot_drift(table: pd.DataFrame, *, width: int | Literal["container"] = 560) -> alt.LayerChart:
    """Draw how far the customers of each period are from what is usual, and why.

    Parameters
    ----------
    table : DataFrame
        From :func:`segkit.drift`.
    width : int or "container", default=560
        Of the chart, in pixels.

    Returns
    -------
    LayerChart
        A point for each period, as high as its effect, in the colour and shape of its verdict; above the dashed line
        is drift. Where nothing can be measured, points lie at 0. Hover for the evidence.

    Raises
    ------
    ValueError
        If a column of :func:`segkit.drift` is missing, or there is no row.
    TypeError
        If it is no table.

    Examples
    --------
    >>> import segkit as sg
    >>> shop = sg.datasets.make_shop_over_time(500, n_periods=14, changes="feed gap")
    >>> first = shop.tables.loc[shop.tables.index[0][0]]
    >>> chart = sg.plot_drift(sg.drift(sg.segment(first, n_segments=4), shop.tables))
    """
    check_table(table, COLUMNS, "drift(result, tables)")
    if not len(table):
        raise ValueError("The table has no row. Pass the table from drift(result, tables).")
    points = pd.DataFrame(
        {
            "as_of": table.index,
            "effect": table["effect"].fillna(0).clip(lower=0).to_numpy(),
            "verdict": [VERDICTS[verdict][0] for verdict in table["verdict"]],
            "customers": table["customers"].to_numpy(),
            "evidence": table["evidence"].to_numpy(),
        }
    )
    sentence = table.attrs.get("segkit", {}).get("sentence", "")
    letters = 90 if width == "container" else max(int(width / 6.5), 24)
    title = alt.TitleParams(
        "Do customers drift, and why?", subtitle=textwrap.wrap(sentence, letters), anchor="start"
    )
    verdicts = [verdict for verdict in VERDICTS if verdict in set(table["verdict"])]
    columns = 2 if width == "container" or width >= NARROW else 1
    return themed(_layers(points, verdicts, columns).properties(title=title, width=width, height=HEIGHT))


def _layers(points: pd.DataFrame, verdicts: list[str], columns: int) -> Any:
    """Return the line of effects, the line of the alarm, and the points."""
    words, colors, shapes = (
        list(column) for column in zip(*(VERDICTS[verdict] for verdict in verdicts), strict=True)
    )
    top = max(float(points["effect"].max()) * 1.1, 2 * ALARM)
    y = alt.Y("effect:Q", title="Effect, in usual wobbles").scale(type="sqrt", domain=[0, top])
    y = y.axis(values=[v for v in (1, 5, 10, 20, 50, 100, 200, 500, 1000) if v <= top], grid=False)
    x = alt.X("as_of:T", title=None).axis(grid=False, labelOverlap=True, tickCount=6)
    legend = alt.Legend(title=None, orient="bottom", columns=columns, labelLimit=260, symbolSize=70)
    base = alt.Chart(points).encode(x, y)
    marks = base.mark_point(filled=True, size=70, opacity=1, strokeWidth=2).encode(
        alt.Color("verdict:N").scale(domain=words, range=colors).legend(legend),
        alt.Shape("verdict:N").scale(domain=words, range=shapes).legend(legend),
        tooltip=[
            alt.Tooltip("as_of:T", title="As of"),
            alt.Tooltip("verdict:N", title="Verdict"),
            alt.Tooltip("effect:Q", title="Effect", format=".1f"),
            alt.Tooltip("customers:Q", title="Customers", format=","),
            alt.Tooltip("evidence:N", title="Evidence"),
        ],
    )
    edge = alt.Chart(pd.DataFrame({"effect": [ALARM], "text": ["drift ↑"]})).encode(y)
    line = edge.mark_rule(strokeDash=[4, 3], color=INK, opacity=0.7)
    text = edge.mark_text(align="left", baseline="bottom", dx=4, color=INK).encode(
        x=alt.value("width"), text="text:N"
    )
    return alt.layer(base.mark_line(color=GREY, opacity=0.5), line, text, marks)
