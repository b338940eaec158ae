"""Draw a multiverse: customers who stay together in all pipelines, and the choices that matter."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from segkit.core.checks import check_type
from segkit.show.plots.stability import side_of
from segkit.show.plots.theme import GREY, INK, OKABE_ITO, themed
from segkit.trust.multiverse import Multiverse

SIDE = 300  # pixels of the matrix, about
NAMES = {
    "transform": "transform",
    "scaling": "scaling",
    "left_out": "features left out",
    "method": "method",
    "k": "number of groups",
}


def plot_multiverse(multiverse: Multiverse) -> alt.HConcatChart:
    """Draw which customers stay together in all pipelines, and which choice matters most.

    Parameters
    ----------
    multiverse : Multiverse
        From :func:`segkit.multiverse`.

    Returns
    -------
    HConcatChart
        Left, the co-association of up to 70 customers drawn at random, in the order of groups: dark blocks
        stay together. Right, the agreement between pipelines that each choice costs, ± one standard error.
    """
    wanted = "It should be the result of multiverse(customers)."
    check_type("multiverse", multiverse, Multiverse, wanted)
    title = {"text": "What stays the same whatever you choose?", "subtitle": _subtitle(multiverse)}
    both = alt.hconcat(_matrix(multiverse), _costs(multiverse.choices), spacing=40)
    return themed(both.properties(title=title))


def _subtitle(multiverse: Multiverse) -> list[str]:
    words, lines = multiverse.verdict.split(), [f"{multiverse.facts['pipelines']} pipelines."]
    for word in words:
        if len(lines[-1]) + len(word) > 105:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _matrix(multiverse: Multiverse) -> alt.LayerChart:
    values = multiverse.together.to_numpy()
    groups = multiverse.together.attrs["groups"]
    n = len(values)
    names = [str(c) for c in multiverse.together.index]
    row, column = np.indices(values.shape)
    cells = pd.DataFrame(
        {
            "row": row.ravel(),
            "column": column.ravel(),
            "share": values.ravel().round(3),
            "one": [f"{names[i]} (group {groups[i]})" for i in row.ravel()],
            "other": [f"{names[i]} (group {groups[i]})" for i in column.ravel()],
        }
    )
    ends = cells["row"] + 1, cells["column"] + 1
    cells = cells.assign(row_end=ends[0], column_end=ends[1])
    side = alt.Scale(domain=[0, n], nice=False)
    down = alt.Scale(domain=[0, n], nice=False, reverse=True)
    tiles = (
        alt.Chart(cells)
        .mark_rect()
        .encode(
            alt.X("column:Q", title=None, axis=None, scale=side),
            alt.X2("column_end:Q"),
            alt.Y("row:Q", title=None, axis=None, scale=down),
            alt.Y2("row_end:Q"),
            alt.Color(
                "share:Q",
                title="In one group",
                scale=alt.Scale(domain=[0, 1], range=["#9A9A9A1A", OKABE_ITO[0]], interpolate="rgb"),
                legend=alt.Legend(format=".0%", orient="bottom", gradientLength=180),
            ),
            tooltip=[
                alt.Tooltip("one:N", title="Customer"),
                alt.Tooltip("other:N", title="and"),
                alt.Tooltip("share:Q", title="In one group", format=".0%"),
            ],
        )
    )
    return alt.LayerChart(layer=[tiles, *_group_marks(groups, side, down)]).properties(
        width=side_of(n, SIDE),
        height=side_of(n, SIDE),
        title=alt.Title("Which customers stay together?", fontSize=12, offset=6),
    )


def _group_marks(groups: list[int], side: alt.Scale, down: alt.Scale) -> list[alt.Chart]:
    """Return a line between groups, and their names beside the rows."""
    edges = [i for i in range(1, len(groups)) if groups[i] != groups[i - 1]]
    lines = alt.Chart(pd.DataFrame({"edge": edges}))
    middle = pd.DataFrame({"at": np.arange(len(groups)) + 0.5, "group": groups}).groupby("group")["at"].mean()
    names = alt.Chart(pd.DataFrame({"at": middle, "name": [f"Group {g}" for g in middle.index]}))
    return [
        lines.mark_rule(color=INK, strokeWidth=0.8).encode(alt.X("edge:Q", scale=side)),
        lines.mark_rule(color=INK, strokeWidth=0.8).encode(alt.Y("edge:Q", scale=down)),
        names.mark_text(color=INK, align="right", dx=-8, fontSize=11).encode(
            alt.Y("at:Q", scale=down), x=alt.value(0), text="name:N"
        ),
    ]


def _costs(choices: pd.DataFrame) -> alt.LayerChart:
    tried = choices.dropna(subset=["cost"])
    bars = pd.DataFrame(
        {
            "choice": [NAMES[c] for c in tried.index],
            "cost": tried["cost"].to_numpy(),
            "low": (tried["cost"] - tried["error"].fillna(0)).to_numpy(),
            "high": (tried["cost"] + tried["error"].fillna(0)).to_numpy(),
            "levels": tried["levels"].to_numpy(),
            "same": tried["same"].to_numpy(),
            "different": tried["different"].to_numpy(),
        }
    )
    order = list(bars["choice"])
    base = alt.Chart(bars).encode(alt.Y("choice:N", title=None, sort=order, axis=alt.Axis(grid=False)))
    rects = base.mark_bar(color=OKABE_ITO[1], cornerRadiusEnd=3).encode(
        alt.X(
            "cost:Q",
            title="Agreement lost (adjusted Rand index)",
            axis=alt.Axis(format=".2f", tickCount=4),
        ),
        tooltip=[
            alt.Tooltip("choice:N", title="Choice"),
            alt.Tooltip("levels:Q", title="Levels tried"),
            alt.Tooltip("same:Q", title="Agreement with the same choice", format=".2f"),
            alt.Tooltip("different:Q", title="Agreement with another choice", format=".2f"),
            alt.Tooltip("cost:Q", title="Lost by this choice alone", format="+.3f"),
        ],
    )
    whiskers = base.mark_rule(color=GREY, strokeWidth=1.5).encode(alt.X("low:Q"), alt.X2("high:Q"))
    return alt.LayerChart(layer=[rects, whiskers]).properties(
        width=270,
        height=max(34 * len(order), 60),
        title=alt.Title("Which choice changes the answer most?", fontSize=12, offset=6),
    )
