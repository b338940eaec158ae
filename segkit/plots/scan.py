"""How many segments: the curves of a scan."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from segkit.plots.theme import GREY, OKABE_ITO, themed

PANELS: tuple[tuple[str, str | None, str], ...] = (
    ("stability", "stability_spread", "Repeatable? Stability (adjusted Rand index)"),
    ("prediction_strength", "prediction_spread", "Repeatable? Prediction strength (worst segment)"),
    ("silhouette", "silhouette_error", "Separate? Silhouette (−1 to 1)"),
    ("smallest", None, "Large enough? Smallest segment (share)"),
    ("inertia", None, "Tight? Inertia (squared prepared units)"),
    ("outcome", "outcome_error", "Useful? Outcome explained (share)"),
)
DISAGREE = "They need not agree, and none says that segments exist. Bands: ± one standard deviation or error."


def plot_scan(scan: pd.DataFrame, *, chosen: int | None = None, columns: int = 2) -> alt.ConcatChart:
    """Draw what each number of segments would give.

    Parameters
    ----------
    scan : DataFrame
        From :func:`segkit.scan_clusters`.
    chosen : int, optional
        A number of segments to mark.
    columns : int, default=2
        Panels side by side.

    Returns
    -------
    ConcatChart
        A panel for each measure, with its spread: stability, prediction strength, silhouette, the
        smallest segment, inertia, and the outcome where the scan has one.
    """
    panels = [
        _panel(scan, value, spread, title, chosen) for value, spread, title in PANELS if value in scan.columns
    ]
    facts = scan.attrs.get("segkit", {})
    subtitle = [DISAGREE]
    if facts.get("looked_at", 0) < facts.get("customers", 0):
        subtitle.insert(0, f"On a sample of {facts['looked_at']:,} of {facts['customers']:,} customers.")
    title = {"text": "How many segments?", "subtitle": subtitle}
    return themed(alt.concat(*panels, columns=columns, spacing=28).properties(title=title))


def _panel(scan: pd.DataFrame, value: str, spread: str | None, title: str, chosen: int | None) -> Any:
    points = scan[[value]].rename(columns={value: "value"}).rename_axis("k").reset_index()
    wide = scan[spread].to_numpy() if spread else 0.0
    points["low"], points["high"] = points["value"] - wide, points["value"] + wide
    x = alt.X("k:O", title="Number of segments", axis=alt.Axis(labelAngle=0, grid=False))
    scale = alt.Scale(zero=value in ("smallest", "inertia"))
    axis = alt.Axis(
        format=".0%" if value in ("smallest", "outcome") else "~s" if value == "inertia" else ".2f",
        tickCount=4,
    )
    base = alt.Chart(points).encode(x)
    layers = [
        base.mark_line(color=OKABE_ITO[0], strokeWidth=2).encode(
            alt.Y("value:Q", title=None, scale=scale, axis=axis)
        )
    ]
    if spread:
        layers.insert(
            0,
            base.mark_area(color=OKABE_ITO[0], opacity=0.18).encode(
                alt.Y("low:Q", scale=scale), alt.Y2("high:Q")
            ),
        )
    if chosen is not None:
        rule = alt.Chart(points[points["k"] == chosen]).mark_rule(
            color=GREY, strokeDash=[4, 3], strokeWidth=1.5
        )
        layers.append(rule.encode(x))
    dots = base.mark_circle(size=55, opacity=1).encode(
        alt.Y("value:Q", title=None, scale=scale),
        color=alt.when(alt.datum.k == chosen)
        .then(alt.value(OKABE_ITO[1]))
        .otherwise(alt.value(OKABE_ITO[0])),
        tooltip=[alt.Tooltip("k:O", title="Segments"), alt.Tooltip("value:Q", title=value, format=",.3~f")],
    )
    return alt.layer(*layers, dots).properties(
        width=250, height=130, title=alt.Title(title, fontSize=12, offset=6)
    )
