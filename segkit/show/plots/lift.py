"""Draw lift: what a campaign did to each segment, raw beside pooled, and what would have been seen."""

from __future__ import annotations

import textwrap

import altair as alt
import pandas as pd

from segkit.core.disclosure import MINIMUM, check_minimum, hidden_sizes
from segkit.show.plots.theme import GREY, INK, OKABE_ITO, check_table, one_line, themed
from segkit.tailor.experiments.experiment_table import EVERYONE

RAW, POOLED = "by itself", "pooled with the others"
ROW = 40  # pixels
LINE = 96  # letters of a line of the subtitle
COLUMNS = (
    "arm",
    "segment",
    "lift",
    "low",
    "high",
    "pooled",
    "pooled_low",
    "pooled_high",
    "smallest_lift",
    "verdict",
)


def plot_lift(table: pd.DataFrame, *, minimum: int = MINIMUM) -> alt.VConcatChart:
    """Draw the lift of each segment with its interval, by itself and pooled.

    Parameters
    ----------
    table : DataFrame
        From :func:`segkit.lift`.
    minimum : int, default=10
        Fewer customers of a segment in an arm are not counted, nor others from whom they would follow. 1 counts all.

    Returns
    -------
    VConcatChart
        A panel for each treated arm, with a row for all customers and one for each segment: the lift and its interval,
        and the pooled lift. The grey band around 0 is what could not have been seen.

    Raises
    ------
    ValueError
        If a column is missing, or no lift is known.

    Examples
    --------
    >>> import segkit as sg
    >>> shop = sg.datasets.make_experiment()
    >>> chart = sg.plot_lift(sg.lift(shop.arms, shop.outcomes["conversion"], by=shop.segments))
    """
    check_table(table, COLUMNS, "lift(arms, outcomes, …)")
    check_minimum(minimum)
    if not table["low"].notna().any():
        raise ValueError(
            "No row of the table has an interval, so there is nothing to draw. Read its verdicts."
        )
    facts = table.attrs.get("segkit", {})
    shares = facts.get("unit") == "share"
    rows = _counted(table, minimum)
    numbers = [name for name in COLUMNS if name not in ("arm", "segment", "verdict")]
    rows[numbers] = rows[numbers] * (100 if shares else 1)
    rows["segment"] = [one_line(name) for name in rows["segment"]]
    rows["unseen"] = -rows["smallest_lift"]
    arms = list(dict.fromkeys(rows["arm"]))
    title = "Lift (percentage points)" if shares else f"Lift ({facts.get('outcome') or 'mean outcome'})"
    limits = _limits(rows)
    panels = [
        _panel(rows[rows["arm"] == arm], title, limits, heading=arm if len(arms) > 1 else "") for arm in arms
    ]
    everyone = table[table["segment"] == EVERYONE]
    said = everyone["verdict"].iloc[0] if len(arms) == 1 and len(everyone) else ""
    subtitle = [
        *textwrap.wrap(said[:1].upper() + said[1:], LINE),
        f"Line: {facts.get('level', 0.95):.0%} interval. Grey band: a lift that would probably not have been found.",
    ]
    return themed(
        alt.vconcat(*panels, spacing=18).properties(
            title={"text": "What did the campaign do?", "subtitle": subtitle}
        )
    )


def _counted(table: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Return what is drawn, with the customers of each arm where they are enough; no means, which tell counts."""
    counts = [side for side in ("treated", "held_out") if side in table]
    rows = table[[*COLUMNS, *counts]].astype(dict.fromkeys(counts, float))
    for at in rows.groupby(["arm", rows["segment"] == EVERYONE]).groups.values():
        for side in counts:
            rows.loc[at, side] = rows.loc[at, side].mask(hidden_sizes(rows.loc[at, side], minimum))
    return rows


def _limits(rows: pd.DataFrame) -> list[float]:
    """Return the range of lifts that are drawn: all estimates, and intervals unless they are far wider."""
    inner = float(rows[["lift", "pooled"]].abs().max().max())
    far = max(float(rows[["low", "high"]].abs().stack().median()) * 3, 1.2 * inner)
    low = max(min(float(rows[["low", "pooled_low"]].min().min()), float(rows["unseen"].max())), -far)
    high = min(max(float(rows[["high", "pooled_high"]].max().max()), 0.0), far)
    return [low, high] if low < high else [low - 1, high + 1]


def _panel(rows: pd.DataFrame, title: str, limits: list[float], *, heading: str) -> alt.LayerChart:
    order = list(rows["segment"])
    melted = pd.concat(
        [
            rows.assign(kind=RAW),
            rows.assign(kind=POOLED, lift=rows["pooled"], low=rows["pooled_low"], high=rows["pooled_high"]),
        ]
    ).dropna(subset=["low"])
    scale = alt.Scale(domain=limits, clamp=True, nice=True)
    axis = alt.Axis(tickCount=6, labelExpr="datum.value == 0 ? '0' : format(datum.value, '+.3~g')")
    kinds = [RAW, POOLED] if rows["pooled"].notna().any() else [RAW]
    y = alt.Y("segment:N", title=None, sort=order, scale=alt.Scale(domain=order), axis=alt.Axis(grid=False))
    offset = alt.YOffset("kind:N", sort=kinds, scale=alt.Scale(domain=kinds, paddingOuter=0.4))
    color = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=kinds, range=[OKABE_ITO[0], OKABE_ITO[1]][: len(kinds)]),
        legend=alt.Legend(orient="bottom") if len(kinds) > 1 else None,
    )
    x = alt.X("lift:Q", title=title, scale=scale, axis=axis)
    tooltip = [
        alt.Tooltip("segment:N", title="Segment"),
        alt.Tooltip("treated:Q", title="Treated", format=","),
        alt.Tooltip("held_out:Q", title="Held out", format=","),
        alt.Tooltip("lift:Q", title="Lift", format="+.3~g"),
        alt.Tooltip("low:Q", title="from", format="+.3~g"),
        alt.Tooltip("high:Q", title="to", format="+.3~g"),
        alt.Tooltip("verdict:N", title="Verdict"),
    ]
    base = alt.Chart(melted)
    band = (
        alt.Chart(rows.dropna(subset=["smallest_lift"]))
        .mark_bar(color=GREY, opacity=0.22, height={"band": 0.8})
        .encode(alt.X("unseen:Q", title=title, scale=scale, axis=axis), alt.X2("smallest_lift:Q"), y)
    )
    zero = alt.Chart(pd.DataFrame({"lift": [0.0]})).mark_rule(color=INK, opacity=0.6).encode(x)
    lines = base.mark_rule(strokeWidth=2.5).encode(alt.X("low:Q", title=title, scale=scale, axis=axis),
                                                   alt.X2("high:Q"), y, offset, color)  # fmt: skip
    points = base.mark_point(size=70, filled=True, opacity=1).encode(x, y, offset, color, tooltip=tooltip)
    panel = alt.LayerChart(layer=[band, zero, lines, points]).properties(width=430, height=ROW * len(order))
    return panel.properties(title=alt.Title(one_line(heading), fontSize=12, offset=6)) if heading else panel
