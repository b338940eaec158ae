"""Draw the structure test: these customers among null data sets."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from segkit.create.segmentation import Segmentation
from segkit.show.plots.theme import GREY, INK, OKABE_ITO, SHORT, computed, one_line, themed
from segkit.trust.segment_structure import test_partition
from segkit.trust.structure import StructureTest

BARS = 24
TAILED = 10.0  # at which a long tail gets a logarithmic axis


def plot_structure(test: StructureTest | Segmentation) -> alt.LayerChart:
    """Draw what the verdict on groups rests on.

    Parameters
    ----------
    test : StructureTest or Segmentation
        From :func:`segkit.structure_test`.

    Returns
    -------
    LayerChart
        Where a single feature falls into groups, its distribution. Else a line for these customers among grey null data
        sets, which have no groups: the deepest gap, or how surely their words tell them apart.

    Raises
    ------
    ValueError
        If there was too little data to test.
    """
    test = computed(test, _tested, StructureTest, "structure_test(customers)")
    if test.verdict == "too little":
        raise ValueError(f"There is nothing to draw. {test.sentence}")
    rests_on = test.facts["rests_on"]
    if rests_on == "feature":
        name = str(test.facts["by_themselves"][0])
        chart = alt.LayerChart(layer=[_bars(test.facts["values"], name, "Customers", OKABE_ITO[2])])
    elif rests_on == "words":
        ours, *theirs = test.facts["word_scores"]
        chart = _among(test, ours, np.array(theirs), "How surely words tell customers apart (no unit)")
    else:
        chart = _among(test, *test.scores, "Depth of the deepest gap between groups (standard deviations)")
    cut = test.sentence.find(":") + 1
    subtitle = [test.sentence[:cut], *_wrapped(test.sentence[cut:].strip())]
    title = {"text": "Are there distinct groups?", "subtitle": subtitle}
    return themed(chart.properties(title=title, width=520, height=180))


def _among(test: StructureTest, ours: float, theirs: np.ndarray, title: str) -> alt.LayerChart:
    """Draw a line for these customers among null data sets."""
    low, high = min(ours, theirs.min()) - 0.2, max(ours, theirs.max()) + 0.2
    grey = _bars(theirs, title, "Null data sets", GREY, (low, high))
    here = OKABE_ITO[2] if test.verdict == "structure" else OKABE_ITO[5]
    mark = pd.DataFrame({"low": [ours], "label": ["your customers"]})
    x = alt.X("low:Q", title=one_line(title))
    line = alt.Chart(mark).mark_rule(color=here, strokeWidth=3).encode(x)
    left = ours > (low + high) / 2
    text = (
        alt.Chart(mark)
        .mark_text(
            align="right" if left else "left", baseline="bottom", color=INK, fontWeight=600, fontSize=12
        )
        .encode(x, alt.Text("label:N"), y=alt.value(-4))  # above the bars, which it would cover
    )
    return grey + line + text


def _bars(
    values: np.ndarray, title: str, counted: str, color: str, ends: tuple[float, float] | None = None
) -> alt.Chart:
    """Draw a histogram, of values with a long tail on a logarithmic axis."""
    low, high = ends or (float(values.min()), float(values.max()))
    tailed = ends is None and low >= 0 and pd.Series(values).skew() > 1 and high >= TAILED
    edges = np.expm1(np.linspace(np.log1p(low), np.log1p(high), BARS + 1)) if tailed else None
    edges = np.linspace(low, high, BARS + 1) if edges is None else edges
    edges[[0, -1]] = low, high
    counts, _ = np.histogram(values, edges)
    bars = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "counted": counts})
    scale = alt.Scale(type="symlog" if tailed else "linear", zero=False)
    axis = alt.Axis(grid=False, tickCount=6, labelExpr=SHORT, labelOverlap=True)
    chart = (
        alt.Chart(bars[bars["counted"] > 0])
        .mark_bar(color=color, opacity=0.6)
        .encode(
            alt.X("low:Q", title=one_line(title), scale=scale, axis=axis),
            alt.X2("high:Q"),
            alt.Y("counted:Q", title=counted, axis=alt.Axis(tickMinStep=1, tickCount=4)),
            alt.Y2(datum=0),
            tooltip=[
                alt.Tooltip("counted:Q", title=counted),
                alt.Tooltip("low:Q", format=",.2~f", title="From"),
            ],
        )
    )
    return chart


def _tested(result: Segmentation) -> StructureTest:
    return result.trust.structure or test_partition(result)[0]


def _wrapped(sentence: str, width: int = 84) -> list[str]:
    lines, line = [], ""
    for word in sentence.split():
        if len(line) + len(word) + 1 > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line]
