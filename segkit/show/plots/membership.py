"""Draw how far segments overlap, by the probabilities of a mixture."""

from __future__ import annotations

import altair as alt
import pandas as pd

from segkit.create.segmentation import Segmentation
from segkit.explain.membership import ENTROPY, membership
from segkit.show.plots.profile import _wrapped
from segkit.show.plots.theme import INK, check_table, computed, themed, with_badge


def plot_membership(table: pd.DataFrame | Segmentation) -> alt.LayerChart:
    """Draw how probably the customers of each segment belong to it, and to each of the others.

    Parameters
    ----------
    table : DataFrame or Segmentation
        From :func:`segkit.membership`.

    Returns
    -------
    LayerChart
        A row for each segment, of the customers for whom it is the most probable one; a column for each segment, with
        their mean probability. The fuller the diagonal, the less the segments overlap.

    Raises
    ------
    ValueError
        If there is no customer, or the table is none of :func:`segkit.membership`.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> table = pd.DataFrame({"A": [1.0, 0.4], "B": [0.0, 0.6], "entropy": [0.0, 0.97]}, index=["ann", "bob"])
    >>> chart = sg.plot_membership(table)
    """
    table = computed(table, membership, pd.DataFrame, "membership(result)")
    check_table(table, (ENTROPY,), "membership(result)")
    table = table[table[ENTROPY].notna()]  # the others are outside
    names = [name for name in table.columns if name != ENTROPY]
    if not len(table) or not names:
        raise ValueError("The table holds no customer or no segment, so there is nothing to draw.")
    cells = _cells(table[names], names)
    base = alt.Chart(cells).encode(
        alt.X("segment:N", title="Probability of", sort=names, axis=_wrapped(names)),
        alt.Y("most probable:N", title="Most probable segment", sort=names, axis=alt.Axis(grid=False)),
        tooltip=[
            alt.Tooltip("most probable:N", title="Most probable segment"),
            alt.Tooltip("customers:Q", title="Customers", format=","),
            alt.Tooltip("segment:N", title="Segment"),
            alt.Tooltip("probability:Q", title="Mean probability", format=".1%"),
        ],
    )
    shade = alt.Scale(domain=[0, 1], range=["#0072B200", "#0072B2A0"], interpolate="rgb")
    tiles = base.mark_rect(cornerRadius=3, stroke=INK, strokeOpacity=0.25, strokeWidth=0.5).encode(
        alt.Color("probability:Q", scale=shade, legend=None)
    )
    text = base.mark_text(color=INK, fontSize=12).encode(alt.Text("probability:Q", format=".0%"))
    sure = 1 - table[ENTROPY].mean()
    line = f"Relative entropy {sure:.2f} (1: nobody lies between segments; 0: everybody between all)."
    chart = alt.LayerChart(layer=[tiles, text]).properties(
        title={"text": "How far do the segments overlap?", "subtitle": with_badge(table, line)},
        width=max(86 * len(names), 260),
        height=max(34 * len(names), 60),
    )
    return themed(chart)


def _cells(probabilities: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return the mean probability of each segment among the customers of each most probable one."""
    groups = probabilities.groupby(probabilities.idxmax(axis=1))
    means, counts = groups.mean(), groups.size()
    return pd.DataFrame(
        [
            {
                "most probable": row,
                "customers": int(counts[row]),
                "segment": name,
                "probability": means.at[row, name],
            }
            for row in names
            if row in counts.index
            for name in names
        ]
    )
