"""Draw the plan of an experiment: the smallest lift that each segment can show."""

from __future__ import annotations

import altair as alt
import pandas as pd

from segkit.show.plots.theme import GREY, INK, OKABE_ITO, check_table, one_line, themed
from segkit.tailor.experiments.wording import amount

ENOUGH, SMALL = "can answer", "too small alone"
WIDTH = 430  # pixels; a fifth of them, beyond the longest bar, holds the labels
COLUMNS = ("segment", "customers", "held_out", "baseline", "smallest_lift", "power", "verdict")


def plot_power(plan: pd.DataFrame) -> alt.LayerChart:
    """Draw the smallest lift that each segment can show, and which segments are too small.

    Parameters
    ----------
    plan : DataFrame
        From :func:`segkit.plan_experiment`.

    Returns
    -------
    LayerChart
        A bar for all customers and for each segment; where a lift was planned for, a line at it.

    Raises
    ------
    ValueError
        If a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> segments = pd.Series(["Loyal"] * 20_000 + ["New"] * 2_000)
    >>> chart = sg.plot_power(sg.plan_experiment(segments, baseline=0.1, lift=0.03))
    """
    check_table(plan, COLUMNS, "plan_experiment(result, …)")
    facts = plan.attrs.get("segkit", {})
    shares, lift = facts.get("unit", "share") == "share", facts.get("lift")
    times = 100 if shares else 1
    rows = plan.drop(columns=[c for c in ("customers_needed",) if c in plan])
    rows["segment"] = [one_line(name) for name in rows["segment"]]
    rows["answer"] = [ENOUGH if v.startswith("can show") else SMALL for v in rows["verdict"]]
    rows["smallest_lift"] *= times
    rows["label"] = [
        "hidden" if pd.isna(b) else "none" if pd.isna(v) else amount(v / times, shares, signed=True)
        for v, b in zip(rows["smallest_lift"], rows["baseline"], strict=True)
    ]
    rows[["customers", "held_out"]] = rows[["customers", "held_out"]].astype(float)
    rows["at"] = rows["smallest_lift"].fillna(0.0)
    order = list(rows["segment"])
    title = f"Smallest lift that would be found{' (percentage points)' if shares else ''}"
    wanted = 0.0 if lift is None else abs(lift) * times
    # A segment of a handful could only show an enormous lift; its bar ends at the edge, its label says the number.
    middle = float(rows.loc[rows["at"] > 0, "at"].median()) if (rows["at"] > 0).any() else 1.0
    end = max(min(float(rows["at"].max()), 4 * middle), 1.5 * wanted)
    scale, axis = alt.Scale(domain=[0, end * 1.25], clamp=True), alt.Axis(tickCount=6)
    x = alt.X("at:Q", title=title, scale=scale, axis=axis)
    rows["at"] = rows["at"].clip(upper=end)
    y = alt.Y("segment:N", title=None, sort=order, axis=alt.Axis(grid=False))
    answers = alt.Scale(domain=[ENOUGH, SMALL], range=[OKABE_ITO[0], GREY])
    tooltip = [
        alt.Tooltip("segment:N", title="Segment"),
        alt.Tooltip("customers:Q", title="Customers", format=","),
        alt.Tooltip("held_out:Q", title="Held out", format=","),
        alt.Tooltip("baseline:Q", title="Baseline", format=".1%" if shares else ",.2f"),
        alt.Tooltip("power:Q", title="Power", format=".0%"),
        alt.Tooltip("verdict:N", title="Verdict"),
    ]
    base = alt.Chart(rows)
    bars = base.mark_bar(height={"band": 0.65}).encode(
        x,
        y,
        alt.Color("answer:N", title=None, scale=answers, legend=alt.Legend(orient="bottom")),
        tooltip=tooltip,
    )
    labels = base.mark_text(align="right", color=INK, fontSize=11).encode(
        y, alt.Text("label:N"), x=alt.value(WIDTH)
    )
    layers = [bars, labels]
    subtitle = [_said(facts)]
    if lift is not None:
        line = alt.Chart(pd.DataFrame({"at": [wanted]})).mark_rule(
            color=OKABE_ITO[5], strokeDash=[4, 3], strokeWidth=2
        )
        layers.append(line.encode(x))
        subtitle.append(f"Dashes: the lift that is planned for, {amount(lift, shares, signed=True)}.")
    return themed(
        alt.LayerChart(layer=layers).properties(
            title={"text": "Which segments can answer?", "subtitle": subtitle},
            width=WIDTH,
            height=32 * len(order),
        )
    )


def _said(facts: dict) -> str:
    if not facts:
        return "Found with the chance that was planned for."
    peeking = ", looked at while results come in" if facts["peeking"] else ""
    return f"Found with a chance of {facts['power']:.0%}, with {facts['holdout']:.0%} held out{peeking}."
