"""Draw the sizes of segments."""

from __future__ import annotations

from functools import partial

import altair as alt
import pandas as pd

from segkit.core.disclosure import MINIMUM
from segkit.create.segmentation import Segmentation
from segkit.explain.profile import segment_sizes
from segkit.show.plots.theme import INK, SHORT, check_table, computed, segment_scale, themed, with_badge


def plot_sizes(sizes: pd.DataFrame | Segmentation, *, minimum: int = MINIMUM) -> alt.LayerChart:
    """Draw the number of customers in each segment.

    Parameters
    ----------
    sizes : DataFrame or Segmentation
        From :func:`segkit.segment_sizes`: `segment`, `customers`, `share`; missing is hidden.
    minimum : int, default=10
        Of a Segmentation: sizes are those of ``segment_sizes(result, minimum=minimum)``.

    Returns
    -------
    LayerChart
        A bar for each segment, in the order of the table.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> chart = sg.plot_sizes(pd.DataFrame({"segment": ["A", "B"], "customers": [3, 1], "share": [0.75, 0.25]}))
    """
    sizes = computed(sizes, partial(segment_sizes, minimum=minimum), pd.DataFrame, "segment_sizes(result)")
    check_table(sizes, ("segment", "customers", "share"), "segment_sizes(result)")
    names = list(sizes["segment"])
    bars = sizes.assign(
        customers=sizes["customers"].astype(float),
        at=sizes["customers"].astype(float).fillna(0),
        label=[
            "hidden" if pd.isna(n) else f"{n:,}  ({s:.0%})"
            for n, s in zip(sizes["customers"], sizes["share"], strict=True)
        ],
    )
    base = alt.Chart(bars).encode(
        alt.Y("segment:N", title=None, sort=names),
        tooltip=[
            alt.Tooltip("segment:N", title="Segment"),
            alt.Tooltip("customers:Q", title="Customers", format=","),
            alt.Tooltip("share:Q", title="Share", format=".1%"),
        ],
    )
    bar = base.mark_bar(cornerRadiusEnd=4, height={"band": 0.7}).encode(
        alt.X("customers:Q", title="Customers", axis=alt.Axis(labelExpr=SHORT, tickCount=5)),
        alt.Color("segment:N", scale=segment_scale(names), legend=None),
    )
    text = base.mark_text(align="left", dx=6, color=INK).encode(alt.X("at:Q"), alt.Text("label:N"))
    chart = (bar + text).properties(
        title={"text": "How large are the segments?", "subtitle": with_badge(sizes)},
        width=420,
        height=34 * len(names),
    )
    return themed(chart)
