"""Draw the structure test: these customers among null data sets."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from segkit.create.segmentation import Segmentation
from segkit.show.plots.theme import GREY, INK, OKABE_ITO, computed, themed
from segkit.trust.segment_structure import test_partition
from segkit.trust.structure import StructureTest

BARS = 24


def plot_structure(test: StructureTest | Segmentation) -> alt.LayerChart:
    """Draw the deepest gap between these customers among those of null data sets, which have no groups.

    Parameters
    ----------
    test : StructureTest or Segmentation
        From :func:`segkit.structure_test`.

    Returns
    -------
    LayerChart
        Grey: null data sets. Line: these customers.

    Raises
    ------
    ValueError
        If there was too little data to test.
    """
    test = computed(test, _tested, StructureTest, "structure_test(customers)")
    if test.verdict == "too little":
        raise ValueError(f"There is nothing to draw. {test.sentence}")
    ours, theirs = test.scores
    edges = np.linspace(min(ours, theirs.min()) - 0.2, max(ours, theirs.max()) + 0.2, BARS + 1)
    counts, _ = np.histogram(theirs, edges)
    bars = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "data_sets": counts})
    here = OKABE_ITO[2] if test.verdict == "structure" else OKABE_ITO[5]
    title = "Depth of the deepest gap between groups (standard deviations)"
    x = alt.X("low:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(grid=False, tickCount=6))
    grey = (
        alt.Chart(bars[bars["data_sets"] > 0])
        .mark_bar(color=GREY, opacity=0.6)
        .encode(
            x,
            alt.X2("high:Q"),
            alt.Y("data_sets:Q", title="Null data sets", axis=alt.Axis(tickMinStep=1, tickCount=4)),
            alt.Y2(datum=0),
            tooltip=[
                alt.Tooltip("data_sets:Q", title="Null data sets"),
                alt.Tooltip("low:Q", format=".2f", title="From"),
            ],
        )
    )
    mark = pd.DataFrame({"low": [ours], "label": ["your customers"]})
    line = alt.Chart(mark).mark_rule(color=here, strokeWidth=3).encode(x)
    left = ours > (edges[0] + edges[-1]) / 2
    text = (
        alt.Chart(mark)
        .mark_text(
            align="right" if left else "left", baseline="bottom", color=INK, fontWeight=600, fontSize=12
        )
        .encode(x, alt.Text("label:N"), y=alt.value(-4))  # above the bars, which it would cover
    )
    cut = test.sentence.find(":") + 1
    subtitle = [test.sentence[:cut], *_wrapped(test.sentence[cut:].strip())]
    return themed(
        (grey + line + text).properties(
            title={"text": "Are there distinct groups?", "subtitle": subtitle}, width=520, height=180
        )
    )


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
