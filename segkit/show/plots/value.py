"""Draw what segments are worth: intervals checked against the past, and how far the forecast missed then."""

from __future__ import annotations

import textwrap

import altair as alt
import numpy as np
import pandas as pd

from segkit.core.messages import counted, listed
from segkit.show.plots.theme import GREY, OKABE_ITO, SHORT, check_table, one_line, themed
from segkit.tailor.experiments.experiment_table import EVERYONE

CHECKED, UNCHECKED, MODEL = "checked against the past", "not checked", "the model alone"
MISSED = "missed as in the past"
COLORS = {CHECKED: OKABE_ITO[0], UNCHECKED: OKABE_ITO[1], MODEL: GREY, MISSED: OKABE_ITO[5]}
COLUMNS = (
    "segment", "customers", "orders", "orders_low", "orders_high", "value", "value_low", "value_high",
    "model_low", "model_high", "per_customer", "verdict",
)  # fmt: skip
WIDTH, ROW = 430, 36  # pixels
LINE = 96  # letters of a line of the subtitle
NUMBER = ",.4~r"  # four digits that count
FAR = 2.5  # times the largest estimate: where an axis ends at the latest


def plot_value(table: pd.DataFrame) -> alt.VConcatChart:
    """Draw what each segment will bring, how sure that is, and how far the same forecast missed before.

    Parameters
    ----------
    table : DataFrame
        From :func:`segkit.segment_value`.

    Returns
    -------
    VConcatChart
        A row for each segment, the most valuable first: the interval that earlier periods were used to widen, and grey
        beside it that of the model alone. Each tick is an earlier period: where the segment would end up if the
        model missed by as many percent as it did then. All customers have a panel and an axis of their own.
        In a log without amounts, it shows orders.

    Raises
    ------
    ValueError
        If a column is missing, or no segment has an interval.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> row = {"segment": "Loyal", "customers": 40, "orders": 90, "orders_low": 70, "orders_high": 120, "value": 900,
    ...        "value_low": 700, "value_high": 1200, "model_low": 850, "model_high": 950, "per_customer": 22.5,
    ...        "verdict": "checked on 4 earlier periods"}
    >>> chart = sg.plot_value(pd.DataFrame([row]))
    """
    source = "segment_value(events, result, …)"
    check_table(table, COLUMNS, source)
    facts = table.attrs.get("segkit", {})
    money = bool(table["value"].notna().any())
    what = "value" if money else "orders"
    every = table.assign(at=table[what], low=table[f"{what}_low"], high=table[f"{what}_high"])
    every["segment"] = [one_line(name) for name in every["segment"]]
    every = every[["segment", "customers", "at", "low", "high", *COLUMNS[-4:]]]
    rows = every.dropna(subset=["at", "low", "high"])
    if not len(rows):
        raise ValueError(
            "No segment of the table has an interval, so there is nothing to draw. Read its verdicts."
        )
    checked = rows["verdict"].str.startswith("checked")
    rows = rows.assign(kind=np.where(checked, CHECKED, UNCHECKED))
    misses = _misses(rows, facts.get("backtests"))
    ahead = f" in the next {facts['horizon']}" if "horizon" in facts else ""
    title = f"Value{ahead} (currency)" if money else f"Orders{ahead}"
    everyone = rows["segment"] == EVERYONE
    parts = [rows[~everyone].sort_values("at", ascending=False, kind="stable"), rows[everyone]]
    drawn = [(part, _reach(part, misses), FAR * part["at"].max()) for part in parts if len(part)]
    present = {*rows["kind"], *misses["kind"], *([MODEL] if checked.any() else [])}
    kinds = [kind for kind in COLORS if kind in present]
    panels = [
        _panel(part, min(reach, far) or 1.0, misses, kinds, title if part is drawn[-1][0] else None)
        for part, reach, far in drawn
    ]
    cut = any(reach > far for _, reach, far in drawn)
    heading = {
        "text": f"What is each segment worth{ahead}?",
        "subtitle": _said(facts.get("level", 0.9), rows, misses, cut, every.drop(rows.index)),
    }
    return themed(alt.vconcat(*panels, spacing=14).resolve_scale(color="shared").properties(title=heading))


def _misses(rows: pd.DataFrame, backtests: list[dict] | pd.DataFrame | None) -> pd.DataFrame:
    """Return where each segment would end up if the model missed by as many percent as at each earlier origin."""
    columns = ["segment", "kind", "at", "origin", "predicted", "actual", "miss"]
    if backtests is None or not len(backtests):
        return pd.DataFrame(columns=columns)
    past = pd.DataFrame(backtests)
    known = past[(past["predicted"] > 0) & past["actual"].notna()]
    known = known.assign(segment=[one_line(name) for name in known["segment"]])
    known = known.merge(rows[["segment", "model_low", "model_high"]], on="segment")
    low, high = known["model_low"], known["model_high"]
    middle = np.where(low > 0, np.sqrt(low.clip(lower=0) * high), (low + high) / 2)  # its error is in percent
    known["at"] = middle * known["actual"] / known["predicted"]
    known["miss"] = known["actual"] / known["predicted"] - 1
    known["kind"] = MISSED
    known["origin"] = pd.to_datetime(known["origin"]).dt.strftime("%Y-%m-%d")
    return known.dropna(subset=["at"])[columns]


def _reach(rows: pd.DataFrame, misses: pd.DataFrame) -> float:
    """Return the largest number that a panel has to show."""
    own = misses.loc[misses["segment"].isin(rows["segment"]), "at"]
    return float(np.nanmax([rows["high"].max(), rows["model_high"].max(), own.max(), 0.0]))


def _panel(
    rows: pd.DataFrame, end: float, misses: pd.DataFrame, kinds: list[str], title: str | None
) -> alt.LayerChart:
    order = list(rows["segment"])
    rows = rows.assign(line="upper")
    alone = rows.assign(line="lower", kind=MODEL, low=rows["model_low"], high=rows["model_high"])
    alone = alone[rows["kind"] == CHECKED].dropna(subset=["low", "high"])  # elsewhere it is the same interval
    past = misses[misses["segment"].isin(order)].assign(line="upper")
    scale = alt.Scale(domain=[0, end], clamp=True, nice=False)
    axis = alt.Axis(tickCount=6, labelExpr=SHORT)
    x = alt.X("at:Q", title=title, scale=scale, axis=axis)
    y = alt.Y("segment:N", title=None, sort=order, scale=alt.Scale(domain=order), axis=alt.Axis(grid=False))
    lines = alt.Scale(domain=["upper", "lower"], paddingOuter=0.35)
    offset = alt.YOffset("line:N", sort=["upper", "lower"], scale=lines)
    colors = alt.Scale(domain=kinds, range=[COLORS[kind] for kind in kinds])
    color = alt.Color("kind:N", title=None, scale=colors, legend=alt.Legend(orient="bottom"))
    tooltip = [
        alt.Tooltip("segment:N", title="Segment"),
        alt.Tooltip("customers:Q", title="Customers", format=","),
        alt.Tooltip("at:Q", title="Expected", format=NUMBER),
        alt.Tooltip("low:Q", title="from", format=NUMBER),
        alt.Tooltip("high:Q", title="to", format=NUMBER),
        alt.Tooltip("per_customer:Q", title="A customer", format=NUMBER),
        alt.Tooltip("verdict:N", title="Verdict"),
    ]
    missed = [
        alt.Tooltip("segment:N", title="Segment"),
        alt.Tooltip("origin:N", title="As of"),
        alt.Tooltip("predicted:Q", title="Predicted", format=NUMBER),
        alt.Tooltip("actual:Q", title="Actual", format=NUMBER),
        alt.Tooltip("miss:Q", title="Actual beyond predicted", format="+.0%"),
    ]
    low = alt.X("low:Q", title=title, scale=scale, axis=axis)
    high = alt.X2("high:Q")
    base = alt.Chart(rows)
    layers = [
        alt.Chart(alone).mark_rule(strokeWidth=1.5).encode(low, high, y, offset, color),
        base.mark_rule(strokeWidth=3).encode(low, high, y, offset, color),
        alt.Chart(past)
        .mark_tick(thickness=2, size=16, opacity=1)
        .encode(x, y, offset, color, tooltip=missed),
        base.mark_point(size=80, filled=True, opacity=1).encode(x, y, offset, color, tooltip=tooltip),
    ]
    return alt.LayerChart(layer=layers).properties(width=WIDTH, height=ROW * len(order))


def _said(
    level: float, rows: pd.DataFrame, misses: pd.DataFrame, cut: bool, without: pd.DataFrame
) -> list[str]:
    """Return what the marks mean."""
    checked = rows["kind"].eq(CHECKED)
    said = []
    if checked.any():
        periods = counted(misses["origin"].nunique(), "earlier period")
        said.append(f"Blue: {level:.0%} interval, widened by how far the forecast missed in {periods}.")
        said.append("Grey: what the model alone claims.")
    if len(misses):
        said.append("Ticks: where each would end up if the model missed by as many percent as it did then.")
    if not checked.all():
        verdict = rows.loc[~checked, "verdict"].iloc[0]
        said.append(f"Orange is {verdict}. Such intervals are mostly too narrow.")
    if cut:
        said.append("What touches the right edge lies beyond it.")
    for verdict, names in without.groupby("verdict", sort=False)["segment"]:
        said.append(f"Not drawn ({verdict}): {listed(names, 5)}.")
    return textwrap.wrap(" ".join(said), LINE)
