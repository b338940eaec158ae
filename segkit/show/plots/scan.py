"""Draw a scan: what each number of segments would give."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from segkit.core.disclosure import MINIMUM, check_minimum, is_few
from segkit.show.plots.theme import GREY, OKABE_ITO, check_table, themed

PANELS: tuple[tuple[str, str | None, str], ...] = (
    ("stability", "stability_spread", "Repeatable? Stability (adjusted Rand index)"),
    ("prediction_strength", "prediction_spread", "Repeatable? Prediction strength (weakest segment)"),
    ("silhouette", "silhouette_error", "Separate? Silhouette (−1 to 1)"),
    ("smallest", None, "Large enough? Smallest segment (share)"),
    ("inertia", None, "Tight? Inertia (squared prepared units)"),
    ("outcome", "outcome_error", "Useful? Outcome explained (share)"),
)
SOURCE = "scan_clusters(result.customers)"
NOT_REAL = "No curve shows that distinct groups exist: structure_test does."
MARKS = "Shaded: ± one standard deviation or error. Ring: the number that this measure prefers."
LABELS = 34  # pixels that the labels beside each panel get, so that panels stand below each other
NOTHING = pd.Series(dtype=float)
LIKES = {"stability": "stability", "prediction_strength": "prediction strength", "silhouette": "silhouette"}
LIKES |= {"outcome": "outcome"}


def plot_scan(
    scan: pd.DataFrame, *, chosen: int | None = None, columns: int = 2, minimum: int = MINIMUM
) -> alt.ConcatChart:
    """Draw what each number of segments would give.

    Parameters
    ----------
    scan : DataFrame
        From :func:`segkit.scan_clusters`.
    chosen : int, optional
        A number of segments to mark.
    columns : int, default=2
        Panels side by side.
    minimum : int, default=10
        A smallest segment of fewer customers is drawn as if it had as many. 1 draws it as it is.

    Returns
    -------
    ConcatChart
        A panel for each measure, with its spread: stability, prediction strength, silhouette, the
        smallest segment, inertia, and the outcome where the scan has one. The number that a measure prefers is
        ringed, and named in the subtitle: measures seldom agree.
    """
    check_table(scan, (), SOURCE)
    check_minimum(minimum)
    facts = scan.attrs.get("segkit", {})
    few = _few(scan, minimum)
    if few.any():
        scan = scan.assign(smallest=scan["smallest"].mask(few, minimum / facts["looked_at"]))
    panels = [
        _panel(scan, value, spread, title, chosen) for value, spread, title in PANELS if value in scan.columns
    ]
    if not panels:
        check_table(scan, ("stability",), SOURCE)
    subtitle = [_preferred(scan), f"{NOT_REAL} {MARKS}"]
    if facts.get("looked_at", 0) < facts.get("customers", 0):
        subtitle.insert(0, f"On a sample of {facts['looked_at']:,} of {facts['customers']:,} customers.")
    title = {"text": "How many segments?", "subtitle": subtitle}
    return themed(alt.concat(*panels, columns=columns, spacing=28).properties(title=title))


def scan_numbers(scan: pd.DataFrame, *, minimum: int = MINIMUM) -> tuple[list[str], list[list[str]]]:
    """Return what the chart draws as a table: its head, and a row of words for each number of segments.

    Examples
    --------
    >>> scan = pd.DataFrame({"stability": [0.913], "smallest": [0.2]}, pd.Index([3], name="k"))
    >>> scan_numbers(scan)
    (['Segments', 'Stability (adjusted Rand index)', 'Smallest segment (share)'], [['3', '0.91', '20%']])
    """
    shown = {name: title.partition("? ")[2] for name, _, title in PANELS if name in scan}
    forms = {"smallest": ".0%", "outcome": ".0%", "inertia": ",.4g"}
    few, lines = _few(scan, minimum), []
    for k, row in scan[list(shown)].iterrows():
        words = [
            "unknown" if pd.isna(row[name]) else format(row[name], forms.get(name, ".2f")) for name in shown
        ]
        if few[k]:
            words[list(shown).index("smallest")] = f"fewer than {minimum}"
        lines.append([str(k), *words])
    return ["Segments", *shown.values()], lines


def _few(scan: pd.DataFrame, minimum: int) -> pd.Series:
    """Return for each number of segments whether the smallest one holds few customers."""
    n = scan.attrs.get("segkit", {}).get("looked_at")
    if not n or "smallest" not in scan:
        return pd.Series(False, index=scan.index)
    return pd.Series(is_few((scan["smallest"] * n).round(), minimum), index=scan.index)


def _preferred(scan: pd.DataFrame) -> str:
    best = {
        measure: int(scan[name].idxmax())
        for name, measure in LIKES.items()
        if scan.get(name, NOTHING).notna().any()
    }
    if not best:
        return "There is too little to compare."
    if len(set(best.values())) == 1:
        *others, last = best
        names, k = f"{', '.join(others)} and {last}" if others else last, best[last]
        return (
            f"{names[0].upper()}{names[1:]} {'agree' if others else 'prefers'} {'on ' if others else ''}{k}."
        )
    return (
        "The measures do not agree: "
        + ", ".join(f"{measure} prefers {k}" for measure, k in best.items())
        + "."
    )


def _panel(scan: pd.DataFrame, value: str, spread: str | None, title: str, chosen: int | None) -> Any:
    points = scan[[value]].rename(columns={value: "value"}).rename_axis("k").reset_index()
    wide = scan[spread].to_numpy() if spread else 0.0
    points["low"], points["high"] = points["value"] - wide, points["value"] + wide
    x = alt.X("k:O", title="Number of segments", axis=alt.Axis(labelAngle=0, grid=False))
    scale = alt.Scale(zero=value in ("smallest", "inertia"))
    axis = alt.Axis(
        format=".0%" if value in ("smallest", "outcome") else "~s" if value == "inertia" else ".2f",
        tickCount=4,
        minExtent=LABELS,
        maxExtent=LABELS,
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
    if value in LIKES and points["value"].notna().any():
        best = points.loc[[points["value"].idxmax()]]
        ring = alt.Chart(best).mark_point(
            size=190, filled=False, color=OKABE_ITO[5], strokeWidth=2, opacity=1
        )
        layers.append(ring.encode(x, alt.Y("value:Q", title=None, scale=scale)))
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
        tooltip=[
            alt.Tooltip("k:O", title="Segments"),
            alt.Tooltip("value:Q", title=value, format=",.3~f"),
        ],
    )
    # Unseen, at the same height above each panel: titles stand above all that is drawn, and so beside each other.
    above = base.transform_filter(f"datum.k == {points['k'].min()}").mark_point(opacity=0, size=60)
    layers.append(above.encode(y=alt.value(-3)))
    return alt.layer(*layers, dots).properties(
        width=250, height=130, title=alt.Title(title, fontSize=12, offset=9, frame="group", dx=-LABELS)
    )
