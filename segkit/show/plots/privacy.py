"""Draw what a privacy budget has spent."""

from __future__ import annotations

import altair as alt
import pandas as pd

from segkit.core.checks import check_type
from segkit.core.messages import counted
from segkit.privacy.budget import PrivacyBudget
from segkit.show.plots.theme import GREY, INK, OKABE_ITO, themed

ROW = 28  # pixels
SPENT, LEFT = "spent", "left"


def plot_privacy(budget: PrivacyBudget) -> alt.LayerChart:
    """Draw what each release has spent of a privacy budget, and what is left.

    Parameters
    ----------
    budget : PrivacyBudget

    Returns
    -------
    LayerChart
        A bar for each release, from what was spent before it to what was spent after it; grey is left.

    Raises
    ------
    TypeError
        If it is no budget.

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
    check_type("budget", budget, PrivacyBudget, "Begin one: sg.PrivacyBudget('budget.sqlite', epsilon=1).")
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
    return themed(_layers(bars).properties(title=title, width=420, height=ROW * len(bars)))


def _layers(bars: pd.DataFrame) -> alt.LayerChart:
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
