"""Draw Qini curves: what is gained by treating first the customers who a policy says gain most."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import altair as alt
import pandas as pd

from segkit.core.messages import joined
from segkit.show.plots.theme import GREY, OKABE_ITO, check_table, themed

AT_RANDOM = "at random"


def plot_qini(table: pd.DataFrame) -> alt.LayerChart:
    """Draw what is gained by treating more and more customers, those who gain most first.

    Parameters
    ----------
    table : DataFrame
        From :func:`segkit.targeting`.

    Returns
    -------
    LayerChart
        A line for each policy that ranks customers; grey, the interval of the best one; dashed, treating customers at
        random with the best arm. The farther a line lies above the dashes, the better the ranking.

    Raises
    ------
    TypeError, ValueError
        If it is another table, or no policy ranks customers.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import segkit as sg
    >>> rng = np.random.default_rng(0)
    >>> ids = [f"c{i:03}" for i in range(400)]
    >>> arms = pd.Series(rng.permutation(["mail", "held out"] * 200), index=ids)
    >>> region = pd.Series(rng.permutation(["North", "South"] * 200), index=ids)
    >>> spend = pd.Series(rng.normal(10, 2, 400) + (arms == "mail") * (region == "North"), index=ids)
    >>> chart = sg.plot_qini(sg.targeting(arms, spend, by=region))
    """
    check_table(table, ("policy", "qini", "qini_se"), "targeting(arms, outcomes, by=…, features=…)")
    facts = table.attrs.get("segkit", {})
    points = pd.DataFrame(facts.get("qini", []))
    if points.empty:
        raise ValueError(
            "No policy of the table ranks customers. Pass the table from targeting(arms, outcomes, by=…, features=…), "
            "as it came."
        )
    policies = list(dict.fromkeys(points["policy"]))
    areas = table.set_index("policy")
    points["area"] = [
        f"{areas.loc[name, 'qini']:.2g} ± {areas.loc[name, 'qini_se']:.2g}" for name in points["policy"]
    ]
    ranked = table.dropna(subset=["qini"])
    first = ranked.loc[ranked["qini"].idxmax(), "policy"]
    line = points[points["policy"] == policies[0]][["share", "at_random"]].assign(policy=AT_RANDOM)
    x = alt.X("share:Q", title="Share of customers treated", axis=alt.Axis(format=".0%", tickCount=5))
    scale = alt.Scale(domain=[*policies, AT_RANDOM], range=[*OKABE_ITO[: len(policies)], GREY])
    title = "Gain per customer, over treating nobody"
    color = alt.Color("policy:N", title=None, scale=scale, legend=alt.Legend(orient="bottom"))
    y = alt.Y("gain:Q", title=title, axis=alt.Axis(tickCount=5))
    base = alt.Chart(points)
    layers = [
        alt.Chart(points[points["policy"] == first])
        .mark_area(color=GREY, opacity=0.2)
        .encode(x, alt.Y("low:Q", title=title), alt.Y2("high:Q")),
        alt.Chart(line).mark_line(strokeDash=[4, 3]).encode(x, alt.Y("at_random:Q", title=title), color),
        base.mark_line(strokeWidth=2.5).encode(
            x,
            y,
            color,
            tooltip=[
                alt.Tooltip("policy:N", title="Policy"),
                alt.Tooltip("share:Q", title="Treated", format=".0%"),
                alt.Tooltip("gain:Q", title="Gain", format=".3~g"),
                alt.Tooltip("low:Q", title="from", format=".3~g"),
                alt.Tooltip("high:Q", title="to", format=".3~g"),
                alt.Tooltip("area:N", title="Qini"),
            ],
        ),
    ]
    return themed(
        alt.LayerChart(layer=layers).properties(
            width=430,
            height=280,
            title={"text": "Whom to treat first?", "subtitle": _subtitle(facts, ranked, first)},
        )
    )


def _subtitle(facts: dict[str, Any], ranked: pd.DataFrame, first: str) -> list[str]:
    """Say on whom it was measured, and which rankings beat chance, as many as were asked about."""
    measured, level = facts["customers"]["measured"], facts["level"]
    errors = NormalDist().inv_cdf(1 - (1 - level) / 2 / len(ranked))
    better = ranked[ranked["qini"] > errors * ranked["qini_se"]]["policy"].to_list()
    return [
        f"{measured:,} customers that nothing was learned from. Grey: {level:.0%} interval of {first}.",
        f"Better than at random: {joined(better)}."
        if better
        else "No ranking is shown to be better than at random.",
    ]
