"""Draw what holds a customer in her segment."""

from __future__ import annotations

import altair as alt
import pandas as pd

from segkit.core.checks import check_count
from segkit.show.plots.theme import check_table, one_line, themed, with_badge

HOLDS, DRAWS = "#E69F00", "#0072B2"


def plot_why(reasons: pd.DataFrame, *, most: int = 10, show_ids: bool = False) -> alt.Chart:
    """Draw what holds a customer in her segment, and what draws her to the nearest other one.

    Parameters
    ----------
    reasons : DataFrame
        From :func:`segkit.why`.
    most : int, default=10
        Features to show: those that count most.
    show_ids : bool, default=False
        Whether the title says the customer's id.

    Returns
    -------
    Chart
        A bar for each feature; values, medians and the change that would move her on hover.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 1, 30, 31, 29]}, index=list("abcdef"))
    >>> chart = sg.plot_why(sg.why(sg.segment(customers, n_segments=2), "b", minimum=1))
    """
    check_table(
        reasons, ("value", "segment", "others", "contribution", "moved_at", "moves_to"), "why(result, id)"
    )
    check_count("most", most, 1)
    facts = reasons.attrs.get("segkit", {})
    order = reasons["contribution"].abs().sort_values(ascending=False, kind="stable").index[:most]
    shown = reasons[reasons.index.isin(order)]
    bars = pd.DataFrame(
        {
            "feature": shown.index.astype(str),
            "contribution": shown["contribution"].astype(float).fillna(0.0).to_numpy(),
            **{
                c: [_written(v) for v in shown[c]]
                for c in ("value", "segment", "others", "moved_at", "moves_to")
            },
        }
    )
    other = facts.get("runner_up_name") or "another segment"
    subtitle = f"Orange: holds them there. Blue: draws them to {one_line(other)}."
    who = f"customer {facts['customer_id']}" if show_ids and "customer_id" in facts else "this customer"
    title = f"Why is {who} in {facts.get('segment', 'this segment')}?"
    return themed(
        alt.Chart(bars)
        .mark_bar(cornerRadiusEnd=3, height={"band": 0.7})
        .encode(
            alt.X("contribution:Q", title="Share of what counts", axis=alt.Axis(format="+.0%", tickCount=5)),
            alt.Y("feature:N", title=None, sort=list(bars["feature"]), axis=alt.Axis(grid=False)),
            color=alt.condition("datum.contribution < 0", alt.value(DRAWS), alt.value(HOLDS)),
            tooltip=[
                alt.Tooltip("feature:N", title="Feature"),
                alt.Tooltip("value:N", title="Here"),
                alt.Tooltip("segment:N", title="Segment"),
                alt.Tooltip("others:N", title="All others"),
                alt.Tooltip("moved_at:N", title="Moved at"),
                alt.Tooltip("moves_to:N", title="To"),
            ],
        )
        .properties(
            title={"text": one_line(title), "subtitle": with_badge(reasons, subtitle)},
            width=420,
            height=24 * len(bars),
        )
    )


def _written(value: object) -> str:
    if isinstance(value, float):
        return "unknown" if pd.isna(value) else f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return "" if pd.isna(value) else str(value)
