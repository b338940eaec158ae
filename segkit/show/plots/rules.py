"""Draw rules: how well they find the segments, and what more conditions would bring."""

from __future__ import annotations

import altair as alt
import pandas as pd

from segkit.core.messages import counted
from segkit.create.segmentation import Segmentation
from segkit.explain.rules import rules
from segkit.show.plots.theme import GREY, INK, OKABE_ITO, check_table, computed, one_line, themed

MEASURES = ("precision", "recall")


def plot_rules(table: pd.DataFrame | Segmentation) -> alt.VConcatChart:
    """Draw how well short rules find the segments.

    Parameters
    ----------
    table : DataFrame or Segmentation
        From :func:`segkit.rules`.

    Returns
    -------
    VConcatChart
        Above, the fidelity of all rules together by the number of conditions allowed, with the chosen number marked and
        its 95 % interval. Below, precision and recall of the rule of each segment.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [*range(1, 21), *range(80, 90)]})
    >>> chart = sg.plot_rules(sg.rules(sg.segment(customers, n_segments=2)))
    """
    table = computed(table, rules, pd.DataFrame, "rules(result)")
    check_table(table, ("segment", "rule", "conditions", "precision", "recall"), "rules(result)")
    facts = table.attrs.get("segkit")
    panels: list[alt.Chart | alt.LayerChart] = [_segments(table)]
    subtitle = [
        "Precision: share of those found who are in the segment. Recall: share of the segment that is found."
    ]
    if facts:
        panels.insert(0, _curve(facts))
        most = f"Rules of at most {counted(facts['max_conditions'], 'condition')}"
        if facts["measured"]:
            subtitle[:0] = [
                f"{most} put {facts['fidelity']:.0%} of {counted(facts['measured'], 'customer')} into their segment",
                f"(95 % interval: {facts['low']:.0%} to {facts['high']:.0%}); the rules were not learnt from them.",
            ]
        else:
            subtitle.insert(0, f"{most}; there are too few customers to measure them on.")
    title = {"text": "How well do short rules find the segments?", "subtitle": subtitle}
    return themed(alt.vconcat(*panels, spacing=22).properties(title=title))


def _curve(facts: dict) -> alt.LayerChart:
    chosen = facts["max_conditions"]
    rows = pd.DataFrame({"conditions": list(facts["curve"]), "fidelity": list(facts["curve"].values())})
    rows = rows.sort_values("conditions").dropna()
    mark = rows[rows["conditions"] == chosen].assign(low=facts["low"], high=facts["high"])
    x = alt.X("conditions:O", title="Most conditions in a rule", axis=alt.Axis(labelAngle=0, grid=False))
    y = alt.Y(
        "fidelity:Q",
        title="Customers in their segment",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".0%", tickCount=5),
    )
    tooltip = [
        alt.Tooltip("conditions:O", title="Most conditions"),
        alt.Tooltip("fidelity:Q", title="Customers in their segment", format=".1%"),
    ]
    base = alt.Chart(rows).encode(x, y, tooltip=tooltip)
    at = alt.Chart(mark).encode(x)
    layers = [
        base.mark_line(color=GREY, strokeWidth=2),
        base.mark_point(color=GREY, filled=True, size=45, opacity=1),
        at.mark_rule(color=OKABE_ITO[0], strokeWidth=3).encode(alt.Y("low:Q"), alt.Y2("high:Q")),
        at.mark_point(color=OKABE_ITO[0], filled=True, size=110, opacity=1).encode(y, tooltip=tooltip),
        base.mark_text(color=INK, dy=20, fontSize=11).encode(text=alt.Text("fidelity:Q", format=".0%")),
    ]
    return alt.LayerChart(layer=layers).properties(width=430, height=150)


def _segments(table: pd.DataFrame) -> alt.Chart:
    rows = pd.DataFrame(
        {
            "segment": [one_line(name) for name in table["segment"]],
            "rule": [
                "everyone else" if r == "True" else "no rule" if r == "False" else r for r in table["rule"]
            ],
            MEASURES[0]: table["precision"].to_numpy(),
            MEASURES[1]: table["recall"].to_numpy(),
        }
    )
    order = list(rows["segment"])
    melted = rows.melt(["segment", "rule"], var_name="measure", value_name="share").dropna()
    colors = alt.Scale(domain=list(MEASURES), range=list(OKABE_ITO[:2]))
    shapes = alt.Scale(domain=list(MEASURES), range=["circle", "diamond"])
    legend = alt.Legend(orient="bottom")
    return (
        alt.Chart(melted)
        .mark_point(size=90, filled=True, opacity=1)
        .encode(
            alt.X(
                "share:Q",
                title="Share of customers",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", tickCount=5),
            ),
            alt.Y(
                "segment:N",
                title=None,
                sort=order,
                scale=alt.Scale(domain=order),
                axis=alt.Axis(gridDash=[2, 3]),
            ),
            alt.Color("measure:N", title=None, scale=colors, legend=legend),
            alt.Shape("measure:N", title=None, scale=shapes, legend=legend),
            tooltip=[
                alt.Tooltip("segment:N", title="Segment"),
                alt.Tooltip("rule:N", title="Rule"),
                alt.Tooltip("measure:N", title="Measure"),
                alt.Tooltip("share:Q", title="Share", format=".0%"),
            ],
        )
        .properties(width=430, height=max(28 * len(order), 60))
    )
