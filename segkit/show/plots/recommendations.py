"""Draw the scoreboard of recommendations: how well each method foretold what customers bought."""

from __future__ import annotations

import textwrap
from typing import Any

import altair as alt
import pandas as pd

from segkit.show.plots.theme import GREY, OKABE_ITO, check_table, themed
from segkit.tailor.products.methods import LASTING_POPULARITY, RECENT_POPULARITY, SEGMENT_POPULARITY

HEADINGS = {"new": "Products that are new to the customer", "again": "Products bought before"}
LINE = 84  # letters of a line of the subtitle
YARDSTICK, SEGMENTS, OTHER = "the yardstick", "your segments", "learns from purchases"
COLUMNS = (
    *("goal", "method", "customers", "ndcg", "ndcg_low", "ndcg_high"),
    *("recall", "hit", "gain", "gain_low", "gain_high", "verdict"),
)


def plot_recommendations(board: pd.DataFrame) -> alt.VConcatChart:
    """Draw how well each method of recommending foretold what customers bought.

    Parameters
    ----------
    board : DataFrame
        From :func:`segkit.recommendation_scoreboard`.

    Returns
    -------
    VConcatChart
        A panel for products that are new to the customer, and one for products bought before: NDCG of each method with
        its 95 % interval, and dashes at recent popularity. The subtitle names the best method and says whether segments
        carry taste.

    Raises
    ------
    TypeError, ValueError
        If it is another table, or nobody could be tested.

    Examples
    --------
    >>> import segkit as sg
    >>> from segkit.datasets import make_events
    >>> events, _ = make_events(200, kinds="purchase")
    >>> chart = sg.plot_recommendations(
    ...     sg.recommendation_scoreboard(events, as_of="2024-12-01", horizon="91 days")
    ... )
    """
    check_table(board, COLUMNS, "recommendation_scoreboard(events, …)")
    known = board.dropna(subset=["ndcg"]).copy()
    if known.empty:
        raise ValueError(
            "No customer of the table could be tested, so there is nothing to draw. Read its verdicts, or make it with "
            "a longer horizon."
        )
    kinds = {
        RECENT_POPULARITY: YARDSTICK,
        LASTING_POPULARITY: YARDSTICK,
        SEGMENT_POPULARITY: SEGMENTS,
    }
    known["kind"] = [kinds.get(name, OTHER) for name in known["method"]]
    panels = [_panel(known[known["goal"] == goal], goal) for goal in dict.fromkeys(known["goal"])]
    return themed(
        alt.vconcat(*panels, spacing=20).properties(
            title={"text": "Who recommends best?", "subtitle": _subtitle(board)}
        )
    )


def _subtitle(board: pd.DataFrame) -> list[str]:
    """Name the best method of each goal, and say whether segments carry taste."""
    facts = board.attrs.get("segkit", {})
    said = []
    if facts:
        new, again = (facts["best"][goal] for goal in HEADINGS)
        said.append(f"Best for new products: {new}. For products bought before: {again}.")
    taste = board[(board["method"] == SEGMENT_POPULARITY) & (board["goal"] == "new")]["verdict"]
    said += [f"{text[:1].upper()}{text[1:]}." for text in taste]
    lines = [line for text in said for line in textwrap.wrap(text, LINE)]
    level = facts.get("level", 0.95)
    return [*lines, f"Line: {level:.0%} interval. Dashes: recent popularity, the yardstick."]


def _panel(rows: pd.DataFrame, goal: str) -> alt.LayerChart:
    order = list(rows["method"])
    x_title = "NDCG (0: no hits, 1: best possible order)"
    scale = alt.Scale(domainMin=0, nice=True)
    look: dict[str, Any] = {"title": x_title, "scale": scale, "axis": alt.Axis(tickCount=5)}
    x = alt.X("ndcg:Q", **look)
    y = alt.Y("method:N", title=None, sort=order, scale=alt.Scale(domain=order), axis=alt.Axis(grid=False))
    colors = alt.Scale(domain=[OTHER, SEGMENTS, YARDSTICK], range=[OKABE_ITO[0], OKABE_ITO[1], GREY])
    color = alt.Color("kind:N", title=None, scale=colors, legend=None)
    base = alt.Chart(rows)
    tooltip = [
        alt.Tooltip("method:N", title="Method"),
        alt.Tooltip("customers:Q", title="Customers", format=","),
        alt.Tooltip("ndcg:Q", title="NDCG", format=".3f"),
        alt.Tooltip("recall:Q", title="Recall", format=".1%"),
        alt.Tooltip("hit:Q", title="Hit any", format=".1%"),
        alt.Tooltip("gain:Q", title="Beyond the yardstick", format="+.3f"),
        alt.Tooltip("gain_low:Q", title="from", format="+.3f"),
        alt.Tooltip("gain_high:Q", title="to", format="+.3f"),
        alt.Tooltip("verdict:N", title="Verdict"),
    ]
    layers = [
        alt.Chart(rows[rows["method"] == RECENT_POPULARITY])
        .mark_rule(color=GREY, strokeDash=[4, 3])
        .encode(x),
        base.mark_rule(strokeWidth=2.5).encode(alt.X("ndcg_low:Q", **look), alt.X2("ndcg_high:Q"), y, color),
        base.mark_point(size=90, filled=True, opacity=1).encode(x, y, color, tooltip=tooltip),
    ]
    heading = f"{HEADINGS.get(goal, goal)} ({int(rows['customers'].max()):,} customers)"
    return alt.LayerChart(layer=layers).properties(
        width=430, height=26 * len(order), title=alt.Title(heading, fontSize=12, offset=6)
    )
