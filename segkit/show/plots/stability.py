"""Draw stability: which segments come back in bootstrap samples, and which customers stay together."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from segkit.create.segmentation import Segmentation
from segkit.show.plots.theme import GREY, INK, OKABE_ITO, computed, one_line, themed
from segkit.trust.stability import Stability
from segkit.trust.stability import stability as measure

HENNIG = ((0.6, "dissolves below 0.6"), (0.75, "stable: 0.75"), (0.85, "0.85: very stable"))
SIDE = 320  # pixels of the consensus matrix, about: cells are of whole pixels, or seams would show
MOST_CELLS = 70  # a side: more customers than that are drawn as means of neighbours
NOT_REAL = "Repeatable is not real: a continuum may be cut at the same place every time."


def plot_stability(stability: Stability | Segmentation) -> alt.LayerChart:
    """Draw which segments come back on bootstrap samples.

    Parameters
    ----------
    stability : Stability or Segmentation
        From :func:`segkit.stability`.

    Returns
    -------
    LayerChart
        For each segment its mean Jaccard similarity over the bootstrap samples, with the range of 90 % of
        them, and as a diamond its prediction strength. Rules at 0.6, 0.75 and 0.85, after Hennig (2007).

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": range(1, 41)}, index=[f"c{i:02}" for i in range(40)])
    >>> found = sg.stability(sg.segment(customers, n_segments=2), resamples=5, progress=False)
    >>> chart = sg.plot_stability(found)
    """
    stability = _measured(stability)
    shown = ["name", "share", "jaccard", "low", "high", "recovered", "prediction_strength", "verdict"]
    rows = stability.segments[shown].assign(name=[one_line(n) for n in stability.segments["name"]])
    order = list(rows["name"])
    measures = ["mean Jaccard similarity", "prediction strength"]
    melted = pd.concat(
        [
            rows.assign(value=rows["jaccard"], measure=measures[0]),
            rows.assign(value=rows["prediction_strength"], measure=measures[1]),
        ]
    ).dropna(subset=["value"])
    x, scale = "Similarity (0 to 1)", alt.Scale(domain=[0, 1])
    axis = alt.Axis(grid=False, tickCount=6)
    y = alt.Y("name:N", title=None, sort=order, axis=alt.Axis(grid=False))
    ranges = (
        alt.Chart(rows)
        .mark_rule(color=OKABE_ITO[0], strokeWidth=5, opacity=0.35, strokeCap="round")
        .encode(alt.X("low:Q", title=x, scale=scale, axis=axis), alt.X2("high:Q"), y)
    )
    points = (
        alt.Chart(melted)
        .mark_point(size=85, filled=True, opacity=1)
        .encode(
            alt.X("value:Q", title=x, scale=scale, axis=axis),
            y,
            alt.Color("measure:N", title=None, scale=alt.Scale(domain=measures, range=list(OKABE_ITO[:2]))),
            alt.Shape("measure:N", title=None, scale=alt.Scale(domain=measures, range=["circle", "diamond"])),
            tooltip=[
                alt.Tooltip("name:N", title="Segment"),
                alt.Tooltip("share:Q", title="Share of customers", format=".1%"),
                alt.Tooltip("jaccard:Q", title="Mean Jaccard similarity", format=".2f"),
                alt.Tooltip("low:Q", title="5 % of samples below", format=".2f"),
                alt.Tooltip("high:Q", title="5 % of samples above", format=".2f"),
                alt.Tooltip("recovered:Q", title="Samples that find it again", format=".0%"),
                alt.Tooltip("prediction_strength:Q", title="Prediction strength", format=".2f"),
                alt.Tooltip("verdict:N", title="Verdict"),
            ],
        )
    )
    title = {
        "text": "Do the segments come back?",
        "subtitle": [
            f"Refitted on {stability.facts['resamples']} bootstrap samples; the bar holds 90 % of them.",
            NOT_REAL,
        ],
    }
    layers = [*_thresholds(scale), ranges, points]
    return themed(
        alt.LayerChart(layer=layers).properties(title=title, width=520, height=max(34 * len(rows), 70))
    )


def _measured(found: Stability | Segmentation) -> Stability:
    return computed(found, lambda r: r.trust.stability or measure(r), Stability, "stability(result)")


def _thresholds(scale: alt.Scale) -> list[alt.Chart]:
    marks = pd.DataFrame(HENNIG, columns=["at", "word"])
    base = alt.Chart(marks).encode(alt.X("at:Q", scale=scale, axis=alt.Axis(grid=False)))
    rules = base.mark_rule(color=GREY, strokeDash=[3, 3], opacity=0.8)
    words = alt.Chart(marks).encode(alt.X("at:Q", scale=scale), y=alt.value(-3), text="word:N")
    labels = [
        words.transform_filter("datum.at < 0.8").mark_text(
            color=INK, opacity=0.7, fontSize=10, baseline="bottom", align="right", dx=-2
        ),
        words.transform_filter("datum.at > 0.8").mark_text(
            color=INK, opacity=0.7, fontSize=10, baseline="bottom", align="left", dx=2
        ),
    ]
    return [rules, *labels]


def plot_consensus(stability: Stability | Segmentation) -> alt.LayerChart:
    """Draw which customers stay together on bootstrap samples.

    Parameters
    ----------
    stability : Stability or Segmentation
        From :func:`segkit.stability`.

    Returns
    -------
    LayerChart
        The consensus matrix of customers drawn at random, in the order of segments: in which share of the
        bootstrap samples two are together. Of more than 70 customers, neighbours within a segment are
        drawn as their mean.
    """
    stability = _measured(stability)
    values, names, sizes = _binned(stability.consensus)
    n = len(values)
    row, column = np.indices(values.shape)
    cells = pd.DataFrame(
        {
            "row": row.ravel(),
            "row_end": row.ravel() + 1,
            "column": column.ravel(),
            "column_end": column.ravel() + 1,
            "share": values.ravel().round(3),
            "one": [names[i] for i in row.ravel()],
            "other": [names[i] for i in column.ravel()],
        }
    ).dropna(subset=["share"])
    side = alt.Scale(domain=[0, n], nice=False)
    down = alt.Scale(domain=[0, n], nice=False, reverse=True)
    tiles = (
        alt.Chart(cells)
        .mark_rect()
        .encode(
            alt.X("column:Q", axis=None, scale=side),
            alt.X2("column_end:Q"),
            alt.Y("row:Q", axis=None, scale=down),
            alt.Y2("row_end:Q"),
            alt.Color(
                "share:Q",
                title="Together in",
                scale=alt.Scale(domain=[0, 1], range=["#9A9A9A1A", OKABE_ITO[0]], interpolate="rgb"),
                legend=alt.Legend(format=".0%"),
            ),
            tooltip=[
                alt.Tooltip("one:N", title="Segment"),
                alt.Tooltip("other:N", title="and segment"),
                alt.Tooltip("share:Q", title="Together in", format=".0%"),
            ],
        )
    )
    edges = pd.DataFrame({"edge": [i for i in range(1, n) if names[i] != names[i - 1]]})
    at = pd.Series(np.arange(n) + 0.5).groupby(pd.Series(names), sort=False).mean()
    labels = alt.Chart(pd.DataFrame({"at": at.to_numpy(), "name": at.index}))
    lines = [
        alt.Chart(edges).mark_rule(color=INK, strokeWidth=0.8).encode(alt.X("edge:Q", scale=side)),
        alt.Chart(edges).mark_rule(color=INK, strokeWidth=0.8).encode(alt.Y("edge:Q", scale=down)),
        labels.mark_text(color=INK, align="right", dx=-8, fontSize=11).encode(
            alt.Y("at:Q", scale=down), x=alt.value(0), text="name:N"
        ),
    ]
    shown = f"{len(stability.consensus):,} customers drawn at random"
    means = f"; a cell is the mean of about {sizes} by {sizes} of them" if sizes > 1 else ""
    title = {
        "text": "Which customers stay together?",
        "subtitle": [
            f"{shown}{means}.",
            "Dark blocks on the diagonal: segments that stay together.",
        ],
    }
    return themed(
        alt.LayerChart(layer=[tiles, *lines]).properties(
            title=title, width=side_of(n, SIDE), height=side_of(n, SIDE)
        )
    )


def side_of(cells: int, about: int) -> int:
    """Return the side of a matrix, in pixels, whose cells begin and end between pixels."""
    return cells * max(round(about / max(cells, 1)), 1)


def _binned(consensus: pd.DataFrame) -> tuple[np.ndarray, list[str], int]:
    """Return means over neighbours of the same segment, so that the cells can be drawn; and how many went together."""
    names = [one_line(n) for n in consensus.attrs["segments"]]
    each = 1
    while (count := len(set(bins := _bins(names, each)))) > MOST_CELLS and each < len(names):
        each += 1
    member = np.eye(count)[np.array(bins)]
    known = consensus.notna().to_numpy().astype(float)
    total = member.T @ consensus.fillna(0.0).to_numpy() @ member
    pairs = member.T @ known @ member
    values = np.divide(total, pairs, out=np.full(total.shape, np.nan), where=pairs > 0)
    first = [names[bins.index(b)] for b in range(count)]
    return values, first, each


def _bins(names: list[str], each: int) -> list[int]:
    """Number the rows so that up to so many neighbours of one segment share a number."""
    found: list[int] = []
    run = 0
    for i, name in enumerate(names):
        begins = i == 0 or name != names[i - 1] or run == each
        found.append((found[-1] if found else -1) + begins)
        run = 1 if begins else run + 1
    return found
