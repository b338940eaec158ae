"""Draw how far probabilities of the next segment can be believed."""

from __future__ import annotations

import textwrap

import altair as alt
import numpy as np
import pandas as pd

from segkit.show.plots.theme import GREY, OKABE_ITO, check_table, themed

SIDE = 190  # pixels of a panel
LINE = 108  # letters of a line of the subtitle
Z = 1.96  # standard errors of the 95 % interval
SOURCE = "score_next(result, tables)"


def plot_next(scores: pd.DataFrame) -> alt.VConcatChart:
    """Draw what share came true of what was predicted with like probability: the reliability diagram.

    Parameters
    ----------
    scores : DataFrame
        From :func:`segkit.score_next`, as it came.

    Returns
    -------
    VConcatChart
        A row for each horizon, the longer first, and panels of staying, of moving to a segment, and of being gone. Each
        point is a tenth of the probabilities of all test periods: across, their mean; up, the share that came true,
        with its 95 % interval. On the dashes, probabilities are true. The heading counts the probabilities in a point.

    Raises
    ------
    TypeError, ValueError
        If it is another table.

    Examples
    --------
    >>> import segkit as sg
    >>> tables = sg.datasets.make_shop_over_time(300, n_periods=5, same_customers=True).tables
    >>> result = sg.segment(tables.loc["2024-01-01"], n_segments=3)
    >>> chart = sg.plot_next(sg.score_next(result, tables, horizon="1 week"))
    """
    check_table(scores, ("horizon", "start", "method", "log_loss"), SOURCE)
    facts = scores.attrs.get("segkit", {})
    points = pd.DataFrame(facts.get("reliability", []))
    if points.empty:
        raise ValueError(f"The table has lost its points. Pass the table from {SOURCE}, as it came.")
    points = pd.concat([points, _interval(points)], axis=1)
    rows = [
        _row(points[points["horizon"] == horizon], horizon) for horizon in dict.fromkeys(points["horizon"])
    ]
    lines = [line for text in facts["verdicts"].values() for line in textwrap.wrap(text, LINE)]
    return themed(
        alt.vconcat(*rows, spacing=24).properties(
            title={"text": "How far to believe where customers go next", "subtitle": lines}
        )
    )


def _interval(points: pd.DataFrame) -> pd.DataFrame:
    """Return Wilson's 95 % interval of the shares that came true."""
    n, seen = points["count"], points["seen"]
    middle = (seen + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * np.sqrt(seen * (1 - seen) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return pd.DataFrame({"low": middle - half, "high": middle + half})


def _row(points: pd.DataFrame, horizon: str) -> alt.HConcatChart:
    kinds = points.groupby("target", sort=False)
    panels = [
        _panel(of_kind, color, first=i == 0)
        for i, ((_, of_kind), color) in enumerate(zip(kinds, OKABE_ITO, strict=False))
    ]
    return alt.hconcat(*panels, spacing=20).properties(
        title=alt.Title(f"{horizon} ahead", fontSize=13, offset=8)
    )


def _panel(points: pd.DataFrame, color: str, *, first: bool) -> alt.LayerChart:
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(format=".0%", tickCount=3)
    said = "Share that came true" if first else None
    x = alt.X("predicted:Q", title="Predicted probability", scale=scale, axis=axis)
    y = alt.Y("seen:Q", title=said, scale=scale, axis=axis)
    base = alt.Chart(points)
    dashes = alt.Chart(pd.DataFrame({"predicted": [0.0, 1.0], "seen": [0.0, 1.0]}))
    layers = [
        dashes.mark_line(color=GREY, strokeDash=[4, 3]).encode(x, y),
        base.mark_rule(color=color, strokeWidth=2).encode(x, alt.Y("low:Q", title=said), alt.Y2("high:Q")),
        base.mark_point(color=color, filled=True, opacity=1, size=45).encode(
            x,
            y,
            tooltip=[
                alt.Tooltip("target:N", title="Customer"),
                alt.Tooltip("count:Q", title="Probabilities", format=",.0f"),
                alt.Tooltip("predicted:Q", title="Predicted", format=".1%"),
                alt.Tooltip("seen:Q", title="Came true", format=".1%"),
                alt.Tooltip("low:Q", title="from", format=".1%"),
                alt.Tooltip("high:Q", title="to", format=".1%"),
            ],
        ),
    ]
    heading = f"{points['target'].iloc[0]} ({points['count'].min():,} in a point)"
    return alt.LayerChart(layer=layers).properties(
        width=SIDE, height=SIDE, title=alt.Title(heading, fontSize=12, fontWeight=500, offset=6)
    )
