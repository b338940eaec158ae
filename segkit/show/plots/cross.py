"""Draw how two segmentations of the same customers overlap."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from segkit.core.checks import check_count
from segkit.show.plots.profile import _wrapped
from segkit.show.plots.theme import INK, check_table, themed

FULL = 3.0  # times as many, or as few, at which the colours are full
TINTS = (
    "#0072B2A0",
    "#0072B200",
    "#E69F0000",
    "#E69F00A0",
)  # never so full that text on them could not be read
COLUMNS = ("first", "second", "customers", "of_first", "of_second", "expected", "lift", "residual")
CHANCE = 2.0  # standard errors from the expected that chance alone goes
ENOUGH = 5  # customers, there or expected, below which standard errors say little


def plot_cross(table: pd.DataFrame, *, most: int = 20) -> alt.LayerChart:
    """Draw how two segmentations overlap: orange where more customers are in both than by chance.

    Parameters
    ----------
    table : DataFrame
        From :func:`segkit.cross_segments`.
    most : int, default=20
        Groups of each side to show: the largest.

    Returns
    -------
    LayerChart
        A row for each group of the first, a column for each of the second, and in each cell the share of
        the row. Cells that are no farther from the expected than chance goes, or hold fewer than five
        customers where fewer than five were expected, have no colour.

    Raises
    ------
    ValueError
        If a column of :func:`segkit.cross_segments` is missing, or `most` is no whole number of 1 or more.
    TypeError
        If it is no table.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> attitude = pd.Series(["thrifty", "thrifty", "green", "green"], index=list("abcd"))
    >>> behaviour = pd.Series(["rare", "rare", "often", "rare"], index=list("abcd"))
    >>> chart = sg.plot_cross(sg.cross_segments(attitude, behaviour, minimum=1))
    """
    check_table(table, COLUMNS, "cross_segments(first, second)")
    check_count("most", most, 1)
    facts = table.attrs.get("segkit", {})
    names = facts.get("names", ["first", "second"])
    shown, left_out = _largest(table, most)
    cells = shown.assign(
        strength=np.log2(shown["lift"].clip(1 / FULL, FULL)),
        customers=shown["customers"].astype(float),
        clear=(shown["residual"].abs() >= CHANCE) & (shown[["customers", "expected"]].max(axis=1) >= ENOUGH),
        label=[_share(s) for s in shown["of_first"]],
        times=[_times(lift) for lift in shown["lift"]],
    )
    rows, columns = (list(dict.fromkeys(cells[side])) for side in ("first", "second"))
    base = alt.Chart(cells).encode(
        alt.X("second:N", title=names[1], sort=columns, axis=_wrapped(columns)),
        alt.Y("first:N", title=names[0], sort=rows, axis=alt.Axis(grid=False)),
        tooltip=[
            alt.Tooltip("first:N", title=names[0]),
            alt.Tooltip("second:N", title=names[1]),
            alt.Tooltip("customers:Q", title="Customers", format=","),
            alt.Tooltip("expected:Q", title="Expected by chance", format=",.1f"),
            alt.Tooltip("times:N", title="Against chance"),
            alt.Tooltip("residual:Q", title="Standard errors from chance", format="+.1f"),
            alt.Tooltip("of_first:Q", title="Share of the row", format=".1%"),
            alt.Tooltip("of_second:Q", title="Share of the column", format=".1%"),
        ],
    )
    title = {"text": "How do the two segmentations overlap?", "subtitle": _subtitle(facts, left_out)}
    chart = alt.LayerChart(layer=[_tiles(base), _labels(base)])
    return themed(
        chart.properties(title=title, width=max(86 * len(columns), 260), height=max(34 * len(rows), 60))
    )


def _tiles(base: alt.Chart) -> alt.Chart:
    limit, same = float(np.log2(FULL)), 1e-6
    domain = [-limit, -same, same, limit]
    scale = alt.Scale(domain=domain, range=list(TINTS), clamp=True, interpolate="rgb")
    legend = alt.Legend(
        title="Against chance",
        values=[-limit, -1, 0, 1, limit],
        labelExpr="(datum.value < 0 ? '1/' : '× ') + format(pow(2, abs(datum.value)), '.0f')",
    )
    color = alt.when("datum.clear").then(alt.Color("strength:Q", scale=scale, legend=legend))
    return base.mark_rect(cornerRadius=3, stroke=INK, strokeOpacity=0.25, strokeWidth=0.5).encode(
        color=color.otherwise(alt.value("#9A9A9A1A"))
    )


def _labels(base: alt.Chart) -> alt.Chart:
    return base.mark_text(color=INK, fontSize=12).encode(
        alt.Text("label:N"), opacity=alt.when("datum.clear").then(alt.value(1.0)).otherwise(alt.value(0.75))
    )


def _subtitle(facts: dict, left_out: int) -> list[str]:
    lines = ["Share of each row. Orange: more than by chance. Blue: fewer. Grey: about as many."]
    association = facts.get("association", np.nan)
    if not pd.isna(association):
        lines.append(f"Association {association:.2f} (Cramér's V: 0 = none, 1 = complete).")
    if left_out:
        lines.append(f"The {left_out} smallest groups are left out.")
    return lines


def _largest(table: pd.DataFrame, most: int) -> tuple[pd.DataFrame, int]:
    """Return the cells of the largest groups of either side, and how many groups that leaves out."""
    keep, left_out = np.ones(len(table), dtype=bool), 0
    for side in ("first", "second"):
        sizes = table.groupby(side, sort=False)["customers"].sum()
        largest = sizes.sort_values(ascending=False, kind="stable").index[:most]
        keep &= table[side].isin(largest).to_numpy()
        left_out += len(sizes) - len(largest)
    return table[keep], left_out


def _share(share: float) -> str:
    return "hidden" if pd.isna(share) else "0" if share == 0 else "< 1%" if share < 0.01 else f"{share:.0%}"


def _times(lift: float) -> str:
    if pd.isna(lift):
        return "hidden"
    return "nobody" if lift == 0 else f"{lift:.2f} times as many"
