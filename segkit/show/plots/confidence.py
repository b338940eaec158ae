"""Draw how surely customers belong to their segments."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from segkit.core.disclosure import MINIMUM, check_minimum, hidden_cells, is_few, rounded_shares
from segkit.create.segmentation import Segmentation
from segkit.show.plots.theme import GREY, check_table, computed, themed

LEVELS = ("Decided", "Leaning", "Undecided")
_COLORS = ("#0072B2", "#9CC9E3", GREY)
_DECIDED = 0.9  # of the models agree: nine in ten


def plot_confidence(
    placed: pd.DataFrame | Segmentation, *, undecided_below: float = 0.6, minimum: int = MINIMUM
) -> alt.Chart:
    """Draw the share of each segment that is decided, leaning, or undecided.

    Parameters
    ----------
    placed : DataFrame or Segmentation
        From ``result.place(customers)``: `segment_id`, `segment`, `confidence`. Of a Segmentation, its own customers.
    undecided_below : float, default=0.6
        The level that ``place`` was called with.
    minimum : int, default=10
        Segments of fewer customers are named without a bar. Parts of fewer, and the sizes of small segments, are not
        said, nor others from which they would follow. 1 shows everything.

    Returns
    -------
    Chart
        A bar for each segment, of three parts: decided (confidence 0.9 or more), leaning, undecided.

    Raises
    ------
    ValueError
        If there is no customer, a column is missing, or the level is not between 0 and 0.9.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> placed = pd.DataFrame({"segment_id": [0, 0], "segment": ["A", "Undecided"], "confidence": [1.0, 0.5]})
    >>> chart = sg.plot_confidence(placed)
    """
    placed = computed(
        placed, lambda result: result.place(result.customers), pd.DataFrame, "result.place(customers)"
    )
    check_minimum(minimum)
    shares = _shares(placed, undecided_below, minimum)
    sure = (placed["confidence"] >= _DECIDED).mean()
    names = list(dict.fromkeys(shares["name"]))
    subtitle = [
        f"{LEVELS[0]}: at least 90 % sure that models of other customers would agree",
        f"{LEVELS[2]}: less than {undecided_below:.0%} sure",
    ]
    chart = (
        alt.Chart(shares)
        .mark_bar(height={"band": 0.7})
        .encode(
            alt.Y("name:N", title=None, sort=names),
            alt.X(
                "share:Q",
                title="Share of the segment's customers",
                axis=alt.Axis(format="%", tickCount=5),
            ).scale(domain=[0, 1]),
            alt.Color("level:N", title=None, sort=list(LEVELS)).scale(
                domain=list(LEVELS), range=list(_COLORS)
            ),
            alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("name:N", title="Segment"),
                alt.Tooltip("level:N", title="How surely"),
                alt.Tooltip("customers:Q", title="Customers", format=","),
                alt.Tooltip("share:Q", title="Share", format=".1%"),
            ],
        )
        .properties(
            title=alt.Title(f"How surely do they belong? {sure:.0%} are decided", subtitle=subtitle),
            width=420,
            height=34 * len(names),
        )
    )
    return themed(chart)


def _shares(placed: pd.DataFrame, level: float, minimum: int) -> pd.DataFrame:
    """Return how many customers of each segment are at each level; segments in the order of ids."""
    check_table(placed, ("segment_id", "segment", "confidence"), "result.place(customers)")
    if not len(placed):
        raise ValueError("The table holds no customer, so there is nothing to draw.")
    if not 0 <= level <= _DECIDED:
        raise ValueError(f"undecided_below={level!r} should lie between 0 and {_DECIDED}.")
    at = pd.cut(placed["confidence"], [-1, level, _DECIDED, 2], right=False, labels=LEVELS[::-1])
    counts = placed.groupby([placed["segment_id"], at.rename("level")], observed=True).size()
    table = counts.rename("customers").reset_index().astype({"level": str})
    sizes = table.groupby("segment_id")["customers"].transform("sum")
    share = table["customers"] / sizes
    cells = counts.unstack(fill_value=0)
    cells = cells.assign(all=cells.sum(axis=1))
    hidden = pd.DataFrame(hidden_cells(cells.to_numpy(), minimum), cells.index, cells.columns).to_dict(
        "index"
    )
    few = [hidden[s][level] for s, level in zip(table["segment_id"], table["level"], strict=True)]
    table["customers"] = table["customers"].astype(float).mask(few)
    table["share"] = rounded_shares(share.to_numpy(), sizes.to_numpy(), minimum)
    table.loc[is_few(sizes, minimum), "share"] = np.nan
    table["name"] = table["segment_id"].map(_names(placed))
    table["order"] = table["level"].map(LEVELS.index)
    return table.sort_values(["segment_id", "order"], ignore_index=True)


def _names(placed: pd.DataFrame) -> dict[int, str]:
    """Return the name of each segment, also where all its customers are undecided."""
    decided = placed[placed["segment"] != "Undecided"]
    known = dict(zip(decided["segment_id"], decided["segment"], strict=True))
    known = placed.attrs.get("segkit", {}).get("names", {}) | known
    return {i: known.get(i, "Outside" if i == -1 else f"Segment {i}") for i in placed["segment_id"].unique()}
