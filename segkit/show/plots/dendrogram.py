"""Draw a dendrogram: how segments nest."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from segkit.core.disclosure import MINIMUM, check_minimum, hidden_sizes
from segkit.create.segmentation import Segmentation
from segkit.explain.dendrogram import dendrogram
from segkit.show.plots.theme import GREY, check_table, computed, segment_scale, themed, with_badge

COLUMNS = ("left", "right", "height", "customers", "segment", "share", "x")


def plot_dendrogram(tree: pd.DataFrame | Segmentation, *, minimum: int = MINIMUM) -> alt.LayerChart:
    """Draw how customers join into segments, and these into one.

    Parameters
    ----------
    tree : DataFrame or Segmentation
        From :func:`segkit.dendrogram`.
    minimum : int, default=10
        Of leaves of fewer customers it is not said how many they are, nor of one more, from which it would follow. 1
        says it of all.

    Returns
    -------
    LayerChart
        A fork for each join, at its height; below, a circle for each leaf in the colour of its segment, larger for more
        customers.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 8, 20, 22]}, index=list("abcde"))
    >>> chart = sg.plot_dendrogram(sg.segment(customers, n_segments=2, method="ward"))
    """
    check_minimum(minimum)
    tree = computed(tree, dendrogram, pd.DataFrame, "dendrogram(result)")
    check_table(tree, COLUMNS, "dendrogram(result)")
    facts = tree.attrs.get("segkit", {})
    names = facts.get("segments") or list(dict.fromkeys(tree["segment"]))
    height = alt.Y("height:Q", title="Distance at which groups join (prepared units)")
    across = alt.X("x:Q", axis=None).scale(domain=[-1, int(tree["left"].isna().sum())], nice=False)
    forks = (
        alt.Chart(_forks(tree))
        .mark_line(color=GREY, strokeWidth=1.5)
        .encode(across, height, alt.Detail("join:N"), alt.Order("step:Q"))
    )
    ends = tree.loc[tree["left"].isna(), ["x", "height", "customers", "segment", "share"]]
    few = hidden_sizes(ends["customers"], minimum)
    ends = ends.assign(size=ends["customers"].mask(few, 2 * minimum).clip(lower=minimum))
    ends[["customers", "share"]] = ends[["customers", "share"]].astype(float).mask(np.c_[few, few])
    leaves = alt.Chart(ends)
    circles = leaves.mark_circle(opacity=1).encode(
        across,
        height,
        alt.Color("segment:N", scale=segment_scale(names), title="Segment"),
        alt.Size("size:Q", legend=None).scale(range=[40, 400]),
        tooltip=[
            alt.Tooltip("segment:N", title="Segment of most"),
            alt.Tooltip("share:Q", title="Share of them", format=".0%"),
            alt.Tooltip("customers:Q", title="Customers", format=","),
        ],
    )
    lines = [f"{len(circles.data)} groups at the end of the branches; larger circles hold more customers."]
    if facts.get("looked_at", 0) < facts.get("customers", 0):
        lines.insert(0, f"On a sample of {facts['looked_at']:,} of {facts['customers']:,} customers.")
    title = {"text": "How do the segments nest?", "subtitle": with_badge(tree, *lines)}
    return themed((forks + circles).properties(title=title, width=640, height=320))


def _forks(tree: pd.DataFrame) -> pd.DataFrame:
    """Return the four corners of each fork."""
    corners = []
    for at, row in tree[tree["left"].notna()].iterrows():
        left, right = tree.loc[row["left"]], tree.loc[row["right"]]
        points = [
            (left["x"], left["height"]),
            (left["x"], row["height"]),
            (right["x"], row["height"]),
            (right["x"], right["height"]),
        ]
        corners += [(at, step, x, y) for step, (x, y) in enumerate(points)]
    return pd.DataFrame(corners, columns=["join", "step", "x", "height"])
