"""Draw how much is given away: by each segment, and of a privacy budget."""

from __future__ import annotations

import textwrap

import altair as alt
import pandas as pd

from segkit.core.checks import check_type
from segkit.core.messages import counted
from segkit.privacy.budget import PrivacyBudget
from segkit.show.plots.theme import GREY, INK, OKABE_ITO, check_table, themed

ROW = 28  # pixels
RISK = ("segment", "customers", "shown", "auc", "low", "high", "risk")
SPENT, LEFT = "spent", "left"


def plot_privacy(given: pd.DataFrame | PrivacyBudget) -> alt.LayerChart:
    """Draw how well what is shown of segments tells who is in them, or what was spent of a privacy budget.

    Parameters
    ----------
    given : DataFrame or PrivacyBudget
        From :func:`segkit.membership_risk`, or a budget.

    Returns
    -------
    LayerChart
        Of the risk, a point for each segment with its interval, from 0.5 (guessing) to 1 (for sure). Of a budget, a bar
        for each release, from what was spent before it to what was spent after it; grey is left.

    Raises
    ------
    TypeError, ValueError
        If it is neither.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import segkit as sg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     budget = sg.PrivacyBudget(Path(folder) / "budget.sqlite", epsilon=1)
    ...     budget.spend("a table of my own", epsilon=0.4)
    ...     chart = sg.plot_privacy(budget)
    """
    wanted = "Pass the table from membership_risk(result), or a PrivacyBudget."
    check_type("What to draw", given, (pd.DataFrame, PrivacyBudget), wanted)
    return _budget(given) if isinstance(given, PrivacyBudget) else _risk(given)


def _risk(table: pd.DataFrame) -> alt.LayerChart:
    check_table(table, RISK, "membership_risk(result)")
    sizes = [counted(int(n), "customer") if pd.notna(n) else "size hidden" for n in table["customers"]]
    points = table.assign(
        label=[f"{name} ({size})" for name, size in zip(table["segment"], sizes, strict=True)]
    )
    base = alt.Chart(points[["label", *RISK[2:]]]).encode(
        alt.Y("label:N", title=None, sort=list(points["label"])),
        tooltip=[
            alt.Tooltip("label:N", title="Segment"),
            alt.Tooltip("shown:N", title="Shown"),
            alt.Tooltip("auc:Q", title="AUC", format=".2f"),
            alt.Tooltip("risk:N", title="It"),
        ],
    )
    scale = alt.Scale(domain=[0.45, 1], nice=False, zero=False, clamp=True)
    axis = alt.Axis(values=[0.5, 0.6, 0.7, 0.8, 0.9, 1], format=".1f", grid=False)
    title = "How well it tells who is in the segment (AUC)"
    dots = base.mark_circle(size=110, opacity=1, color=OKABE_ITO[0]).encode(
        alt.X("auc:Q", title=title, scale=scale, axis=axis)
    )
    lines = base.mark_rule(strokeWidth=2, color=OKABE_ITO[0]).encode(
        alt.X("low:Q", scale=scale), alt.X2("high:Q")
    )
    text = base.mark_text(align="left", dx=10, color=INK).encode(
        alt.X("high:Q", scale=scale), alt.Text("risk:N")
    )
    guess = alt.Chart(pd.DataFrame({"auc": [0.5]})).mark_rule(strokeDash=[4, 3], color=INK, opacity=0.7)
    sentence = str(table.attrs.get("segkit", {}).get("sentence", ""))
    head = {
        "text": "Who knows a person: is she in this segment?",
        "subtitle": [*textwrap.wrap(sentence, 90), "Dashed: no better than guessing."],
    }
    layers = guess.encode(alt.X("auc:Q", scale=scale)) + lines + dots + text
    return themed(layers.properties(title=head, width=420, height=ROW * len(points)))


def _budget(budget: PrivacyBudget) -> alt.LayerChart:
    ledger = budget.ledger
    names = [f"{i}. {name}" for i, name in enumerate(ledger["release"], 1)]
    ends = list(budget.epsilon - ledger["left"])
    bars = pd.DataFrame(
        {
            "release": [*names, "Left"],
            "epsilon": [*ledger["epsilon"], budget.left],
            "start": [0.0, *ends],
            "end": [*ends, budget.epsilon],
            "part": [SPENT] * len(names) + [LEFT],
        }
    )
    bars = bars[bars["epsilon"] > 0]
    title = {
        "text": "How much of the privacy budget is spent?",
        "subtitle": f"Epsilon {budget.spent:g} of {budget.epsilon:g}, in {counted(len(ledger), 'release')}",
    }
    return themed(_bars(bars).properties(title=title, width=420, height=ROW * len(bars)))


def _bars(bars: pd.DataFrame) -> alt.LayerChart:
    order = list(bars["release"])
    base = alt.Chart(bars).encode(alt.Y("release:N", title=None, sort=order))
    bar = base.mark_bar(cornerRadius=3, height={"band": 0.7}).encode(
        alt.X("start:Q", title="Epsilon spent").axis(tickCount=5, grid=False),
        alt.X2("end:Q"),
        alt.Color("part:N", legend=None).scale(domain=[SPENT, LEFT], range=[OKABE_ITO[0], GREY]),
        tooltip=[
            alt.Tooltip("release:N", title="Release"),
            alt.Tooltip("epsilon:Q", title="Epsilon", format="~g"),
        ],
    )
    text = base.mark_text(align="left", dx=5, color=INK).encode(
        alt.X("end:Q"), alt.Text("epsilon:Q", format="~g")
    )
    return bar + text
