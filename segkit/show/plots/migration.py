"""Draw who moved from which segment to which, and why."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Literal

import altair as alt
import numpy as np
import pandas as pd

from segkit.core.disclosure import MINIMUM, check_minimum, hidden_with_totals, is_few
from segkit.core.messages import counted
from segkit.over_time.migration import in_sentences, share
from segkit.show.plots.theme import (
    GREY,
    INK,
    OUTSIDE_NAME,
    check_table,
    one_line,
    segment_colors,
    themed,
    with_badge,
)

COLUMNS = (
    "from_id",
    "from",
    "to_id",
    "to",
    "customers",
    "stayed",
    "behaviour",
    "both",
    "model",
    "came",
    "gone",
    "back",
)
# How strongly each reason is drawn, in the order in which flows are stacked, and what it is in words.
STRENGTH = {"stayed": 0.14, "behaviour": 0.75, "both": 0.4, "model": 0.6, "came": 0.14, "gone": 0.14}
WORDS = {
    "stayed": "stayed",
    "behaviour": "moved by their behaviour",
    "both": "moved by their behaviour and the new model",
    "model": "moved by the new model alone",
    "came": "came",
    "gone": "gone",
}
LEGEND = "Full colour: moved by behaviour. Pale: by both. Grey: by the new model alone. Faint: stayed, came or gone."
WIDTH, HEIGHT = 460, 340
NODE = 0.018  # width of a segment, as a share of the chart
BEND = 0.08  # where flows leave and reach segments level
GAP = 8.0  # pixels between segments
LINE = 14.0  # pixels of a line of text
LETTERS = 18  # of a line of a name


@dataclass(frozen=True)
class Side:
    """The segments on one side of the chart, from above: where each begins, how large it is, and its label.

    Attributes
    ----------
    top, size : dict of int to float
        In pixels.
    label, at : dict of int to str, and to float
        The label, and the pixel of its middle.
    """

    top: dict[int, float]
    size: dict[int, float]
    label: dict[int, str]
    at: dict[int, float]


CORNERS = ["flow", "from", "to", "why", "customers", "share", "color", "strength", "x", "y", "y2"]


def plot_migration(table: pd.DataFrame, *, minimum: int = MINIMUM) -> alt.LayerChart:
    """Draw who moved from which segment to which, and split each flow by its reason.

    Parameters
    ----------
    table : DataFrame
        From :func:`segkit.migration`.
    minimum : int, default=10
        Flows of fewer customers are not drawn, nor others from which they would follow; the sizes of segments of fewer
        are not said. 1 draws everything.

    Returns
    -------
    LayerChart
        The old segments on the left, the new ones on the right, as high as they have customers. Between them flow those
        who moved in the colour of the segment that they left: in full colour by their behaviour, pale by behaviour and
        model, grey by the new model alone. Who stayed is faint.

    Raises
    ------
    ValueError
        If a column of :func:`segkit.migration` is missing, or there is no row.
    TypeError
        If it is no table.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> may = pd.DataFrame({"orders": [1, 2, 1, 2, 30, 31, 29, 30]}, index=list("abcdefgh"))
    >>> june = pd.DataFrame({"orders": [1, 2, 31, 2, 30, 31, 29, 2]}, index=list("abcdefgi"))
    >>> before = sg.segment(may, n_segments=2)
    >>> chart = sg.plot_migration(sg.migration(before, sg.segment(june, n_segments=2, previous=before)), minimum=1)
    """
    check_table(table, COLUMNS, "migration(previous, current)")
    check_minimum(minimum)
    if not len(table):
        raise ValueError("The table has no row. Pass the table from migration(previous, current).")
    flows = table.assign(left=_places(table["from_id"]), right=_places(table["to_id"]))
    names = _names(flows)
    colors = dict(zip(names, segment_colors(list(names.values())), strict=True))
    drawn, left_out, unsaid = _without_few(flows, minimum)
    sides = (("left", "from"), ("right", "to"))
    left_labels, right_labels = (
        _labels(flows, side, name, hidden) for (side, name), hidden in zip(sides, unsaid, strict=True)
    )
    lines = max(
        sum(label.count("\n") + 1.4 for label in labels.values()) for labels in (left_labels, right_labels)
    )
    height = max(HEIGHT, round(LINE * lines))
    sizes = [
        _shown_sizes(flows, drawn, side, hidden, minimum)
        for (side, _), hidden in zip(sides, unsaid, strict=True)
    ]
    most, gaps = max(one.sum() for one in sizes), max(map(len, sizes)) - 1
    scale = (height - GAP * gaps) / most
    left, right = (
        _side(one * scale, labels, height)
        for one, labels in zip(sizes, (left_labels, right_labels), strict=True)
    )
    x = alt.X("x:Q", axis=None).scale(domain=[-NODE, 1 + NODE], nice=False)
    y = alt.Y("y:Q", axis=None).scale(domain=[0, height], reverse=True, nice=False)
    bands = _bands(_ribbons(drawn, left, right, colors, scale, sizes, unsaid)).encode(x, y)
    nodes = pd.concat(
        [_nodes(left, -NODE, 0.0, colors), _nodes(right, 1.0, 1 + NODE, colors)], ignore_index=True
    )
    boxes = (
        alt.Chart(nodes)
        .mark_rect()
        .encode(x, alt.X2("x2:Q"), y, alt.Y2("y2:Q"), alt.Color("color:N", scale=None))
    )
    heads = _heads(table.attrs.get("segkit", {}).get("as_of"))
    texts = [
        _labelled(_texts(left, heads[0], -NODE), align="right", dx=-6).encode(x, y),
        _labelled(_texts(right, heads[1], 1 + NODE), align="left", dx=6).encode(x, y),
    ]
    hidden = (
        f"{counted(left_out, 'flow is', 'flows are')} not drawn, which would tell of fewer than {minimum}."
    )
    subtitle = with_badge(table, *in_sentences(table, minimum), LEGEND, *[hidden] * bool(left_out))
    chart = alt.LayerChart(layer=[bands, boxes, *texts])
    title = {"text": "Who moved, and why?", "subtitle": subtitle}
    return themed(chart.properties(title=title, width=WIDTH, height=height))


def _bands(ribbons: pd.DataFrame) -> alt.Chart:
    return (
        alt.Chart(ribbons)
        .mark_area(interpolate="monotone")
        .encode(
            alt.Y2("y2:Q"),
            alt.Detail("flow:N"),
            alt.Fill("color:N", scale=None),
            alt.FillOpacity("strength:Q", scale=None),
            tooltip=[
                alt.Tooltip("from:N", title="From"),
                alt.Tooltip("to:N", title="To"),
                alt.Tooltip("why:N", title="Why"),
                alt.Tooltip("customers:Q", title="Customers", format=","),
                alt.Tooltip("share:N", title="Share"),
            ],
        )
    )


def _places(ids: pd.Series) -> pd.Series:
    """Return where each segment stands: in the order of ids, then those outside, then who come or go."""
    at = ids.astype("Int64").fillna(-2).astype("int64")
    return at.where(at >= 0, 2**31 - at)


def _names(flows: pd.DataFrame) -> dict[int, str]:
    """Return the name that gives each place its colour, in order; grey for those outside, who come or go."""
    sides = (("right", "to_id", "to"), ("left", "from_id", "from"))
    names = {
        p: n
        for place, own, name in sides
        for p, i, n in zip(flows[place], flows[own], flows[name], strict=True)
    }
    return {place: names[place] if place < 2**31 else OUTSIDE_NAME for place in sorted(names)}


def _without_few(flows: pd.DataFrame, minimum: int) -> tuple[pd.DataFrame, int, list[set[int]]]:
    """Return the flows, empty where a reason has few customers or these would follow, and how many are empty.

    Also the places of either side whose sizes are not said.
    """
    reasons = flows[list(STRENGTH)]
    least = reasons.where(reasons > 0).min(axis=1)
    cells = flows.assign(few=is_few(least, minimum)).pivot_table(
        index="left", columns="right", values=["customers", "few"], aggfunc="sum", fill_value=0
    )
    counts, few = (cells[name] for name in ("customers", "few"))
    hidden, rows, columns = hidden_with_totals(counts.to_numpy(), minimum, few.to_numpy() > 0)
    hidden = pd.DataFrame(hidden, counts.index, counts.columns)
    gone = np.array(
        [hidden.loc[one, other] for one, other in zip(flows["left"], flows["right"], strict=True)]
    )
    unsaid = [set(counts.index[rows]), set(counts.columns[columns])]
    return flows.assign(**{why: reasons[why].mask(gone, 0) for why in STRENGTH}), int(gone.sum()), unsaid


def _shown_sizes(
    flows: pd.DataFrame, drawn: pd.DataFrame, side: str, unsaid: set[int], minimum: int
) -> pd.Series:
    """Return the customers by whom each segment of a side is as high as it is: of hidden ones, those of their flows."""
    sizes = flows.groupby(side, sort=True)["customers"].sum()
    of_flows = drawn[list(STRENGTH)].sum(axis=1).groupby(drawn[side]).sum().clip(lower=minimum)
    return sizes.mask(sizes.index.isin(unsaid), of_flows).astype(float)


def _labels(flows: pd.DataFrame, side: str, name: str, unsaid: set[int]) -> dict[int, str]:
    """Return the label of each segment of a side: its name, broken into lines, and how many customers it has."""
    n = flows["customers"].sum()
    sizes = flows.groupby([side, name], sort=True)["customers"].sum()
    return {
        place: "\n".join(
            [
                *textwrap.wrap(one_line(said), LETTERS, max_lines=2, placeholder=" …"),
                "hidden" if place in unsaid else _size(size, n),
            ]
        )
        for (place, said), size in sizes.items()
    }


def _size(size: int, n: int) -> str:
    return f"{size:,} ({share(size, n)})"


def _side(high: pd.Series, labels: dict[int, str], height: float) -> Side:
    """Return where the segments of a side stand, and their labels beside them, none over another."""
    size = {int(place): float(pixels) for place, pixels in high.items()}
    y = (height - high.sum() - GAP * (len(size) - 1)) / 2
    top: dict[int, float] = {}
    for place, high in size.items():
        top[place] = y
        y += high + GAP
    needs = {place: LINE * (label.count("\n") + 1.4) for place, label in labels.items()}
    at, below = {}, 0.0
    for place, need in needs.items():  # down, each below the one before
        at[place] = max(top[place] + size[place] / 2, below + need / 2)
        below = at[place] + need / 2
    below = height
    for place, need in reversed(needs.items()):  # and up again, where the last ones would leave the chart
        at[place] = min(at[place], below - need / 2)
        below = at[place] - need / 2
    return Side(top, size, labels, at)


def _ribbons(
    flows: pd.DataFrame,
    left: Side,
    right: Side,
    colors: dict[int, str],
    scale: float,
    sizes: list[pd.Series],
    unsaid: list[set[int]],
) -> pd.DataFrame:
    """Return the corners of each flow and reason: level at its ends, with a bend between."""
    ends: dict[str, dict[tuple[int, str], float]] = {"left": {}, "right": {}}
    for side, tops, by in (("left", left.top, ["left", "right"]), ("right", right.top, ["right", "left"])):
        next_at = dict(tops)
        for at, row in flows.sort_values(by).iterrows():
            for why in STRENGTH:
                ends[side][(at, why)] = next_at[row[side]]
                next_at[row[side]] += row[why] * scale
    n, kept_back = (dict(zip(("left", "right"), both, strict=True)) for both in (sizes, unsaid))
    corners = []
    for why in STRENGTH:  # who stayed first, so that those who moved lie above
        for at, row in flows[flows[why] > 0].iterrows():
            side, name, when = ("right", "to", "now") if why == "came" else ("left", "from", "before")
            color = GREY if why == "model" else colors[row[side]]
            facts = {
                "flow": f"{at} {why}",
                "from": row["from"],
                "to": row["to"],
                "why": WORDS[why],
                "customers": row[why],
                "share": "not said"
                if row[side] in kept_back[side]
                else f"{row[why] / n[side][row[side]]:.1%} of those in {row[name]} {when}",
                "color": color,
                "strength": STRENGTH[why],
            }
            start, end = ends["left"][(at, why)], ends["right"][(at, why)]
            high = row[why] * scale
            corners += [
                facts | {"x": x, "y": y, "y2": y + high}
                for x, y in ((0, start), (BEND, start), (1 - BEND, end), (1, end))
            ]
    return pd.DataFrame(corners, columns=CORNERS)


def _nodes(side: Side, x: float, x2: float, colors: dict[int, str]) -> pd.DataFrame:
    rows = [(x, x2, top, top + side.size[place], colors[place]) for place, top in side.top.items()]
    return pd.DataFrame(rows, columns=["x", "x2", "y", "y2", "color"])


def _texts(side: Side, head: str, x: float) -> pd.DataFrame:
    """Return the labels of a side, and what stands above them."""
    rows = [(x, -LINE, head)]
    for place, label in side.label.items():  # Vega puts the first line at y
        rows.append((x, side.at[place] - LINE * label.count("\n") / 2, label))
    return pd.DataFrame(rows, columns=["x", "y", "label"])


def _labelled(texts: pd.DataFrame, *, align: Literal["left", "right"], dx: int) -> alt.Chart:
    marks = alt.Chart(texts).mark_text(
        align=align, dx=dx, baseline="middle", lineBreak="\n", lineHeight=LINE, color=INK, fontSize=12
    )
    return marks.encode(alt.Text("label:N"))


def _heads(as_of: list[str | None] | None) -> list[str]:
    """Return what stands above the two sides: the day, where it is known."""
    moments = as_of if as_of and all(as_of) else ["Before", "Now"]
    return [str(moment).removesuffix("T00:00:00").replace("T", " ") for moment in moments]
