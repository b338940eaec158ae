"""Draw the scoreboard: how well each segmentation predicts the next period."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from segkit.show.plots.theme import GREY, OKABE_ITO, check_table, one_line, themed

YARDSTICK = "the yardstick"  # the verdict of RFM quintiles in a board
RIVAL = "RFM alone"
RIVALS = ("RFM quintiles", "RFM cells")

LOWEST = -0.2  # share explained that is still drawn
WITHIN, BEYOND = "within", "beyond"


def plot_scoreboard(board: pd.DataFrame) -> alt.VConcatChart:
    """Draw how much of the next period each segmentation explains, beside RFM and chance.

    Parameters
    ----------
    board : DataFrame
        From :func:`segkit.outcome_scoreboard`.

    Returns
    -------
    VConcatChart
        A panel for each outcome: the share explained, with its 95 % interval; a grey tick for the most
        that groups of the same sizes explain when they are drawn at random; a dashed line at RFM quintiles.

    Examples
    --------
    >>> import segkit as sg
    >>> from segkit.datasets import make_events
    >>> events, _ = make_events(200, kinds="purchase")
    >>> then = sg.customer_features(events, sg.RFM, as_of="2024-10-01")
    >>> board = sg.outcome_scoreboard(
    ...     events, sg.segment(then, n_segments=3), as_of="2024-10-01", horizon="91 days"
    ... )
    >>> chart = sg.plot_scoreboard(board)
    """
    check_table(board, ("explained", "verdict"), "outcome_scoreboard(events, result, …)")
    rows = board.reset_index()
    ours = "segments"
    rows["segmentation"] = [one_line(name) for name in rows["segmentation"]]
    rows["kind"] = [RIVAL if name in RIVALS else ours for name in rows["segmentation"]]
    # Where hardly anybody differs, as when nobody churns, intervals run off to nowhere: the page ends at −20 %.
    low, high = (
        float(min(rows["low"].min(), 0)),
        float(max(rows["high"].max(), rows["at_random"].max(), 0.05)),
    )
    limits = [max(low, LOWEST), min(high, 1.0)]
    rows["at"] = np.where(rows["explained"] < limits[0], BEYOND, WITHIN)
    outcomes = list(dict.fromkeys(rows["outcome"]))
    panels = [
        _panel(rows[rows["outcome"] == outcome], outcome, limits, ours, last=outcome == outcomes[-1])
        for outcome in outcomes
    ]
    return themed(
        alt.vconcat(*panels, spacing=18).properties(
            title={
                "text": "How well do they predict the next period?",
                "subtitle": _subtitle(board, beyond=(rows["at"] == BEYOND).any()),
            }
        )
    )


def _subtitle(board: pd.DataFrame, *, beyond: bool) -> list[str]:
    facts = board.attrs.get("segkit", {})
    lines = ["Line: 95 % interval. Grey tick: the most that random groups explain. Dashes: RFM quintiles."]
    if beyond:
        lines.append(f"Arrow: at least {abs(LOWEST):.0%} worse than predicting the mean for everyone.")
    if facts:
        days = pd.Timedelta(facts["horizon"]).days
        lines.insert(
            0, f"{facts['customers']:,} customers as of {facts['as_of'][:10]}, and the {days} days after."
        )
    return lines


def _panel(rows: pd.DataFrame, outcome: str, limits: list[float], ours: str, *, last: bool) -> alt.LayerChart:
    order = list(rows["segmentation"])
    known = rows.dropna(subset=["explained"])
    scale = alt.Scale(domain=limits, nice=True, clamp=True)
    axis = alt.Axis(format=".0%", tickCount=5, labels=last)
    look: dict[str, Any] = {"title": "Variance explained" if last else None, "scale": scale, "axis": axis}
    x = alt.X("explained:Q", **look)
    y = alt.Y(
        "segmentation:N", title=None, sort=order, scale=alt.Scale(domain=order), axis=alt.Axis(grid=False)
    )
    kinds = alt.Scale(domain=[ours, RIVAL], range=[OKABE_ITO[0], OKABE_ITO[1]])
    color = alt.Color("kind:N", title=None, scale=kinds, legend=alt.Legend(orient="bottom"))
    base = alt.Chart(known)
    lot = base.mark_tick(color=GREY, opacity=0.8, size=16, thickness=4)
    yardstick = alt.Chart(known[known["verdict"] == YARDSTICK])
    layers = [
        lot.encode(alt.X("at_random:Q", **look), y),
        yardstick.mark_rule(color=GREY, strokeDash=[4, 3]).encode(x),
        base.mark_rule(strokeWidth=2.5).encode(alt.X("low:Q", **look), alt.X2("high:Q"), y, color),
        base.mark_point(size=90, filled=True, opacity=1).encode(
            x,
            y,
            color,
            alt.Shape(
                "at:N",
                legend=None,
                scale=alt.Scale(domain=[WITHIN, BEYOND], range=["circle", "triangle-left"]),
            ),
            tooltip=[
                alt.Tooltip("segmentation:N", title="Segmentation"),
                alt.Tooltip("segments:Q", title="Groups"),
                alt.Tooltip("explained:Q", title="Explained", format=".1%"),
                alt.Tooltip("low:Q", title="from", format=".1%"),
                alt.Tooltip("high:Q", title="to", format=".1%"),
                alt.Tooltip("at_random:Q", title="At random, at most", format=".1%"),
                alt.Tooltip("gain:Q", title="Beyond RFM quintiles", format="+.1%"),
                alt.Tooltip("verdict:N", title="Verdict"),
            ],
        ),
    ]
    heading = outcome.capitalize() + ("" if len(known) else ": nothing to explain")
    return alt.LayerChart(layer=layers).properties(
        width=430, height=max(26 * len(order), 50), title=alt.Title(heading, fontSize=12, offset=6)
    )
