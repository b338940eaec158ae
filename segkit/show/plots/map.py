"""Draw the map of customers."""

from __future__ import annotations

import altair as alt
import pandas as pd

from segkit.core.disclosure import MINIMUM, check_minimum, pseudonyms
from segkit.core.messages import counted
from segkit.create.segmentation import Segmentation
from segkit.explain.map import project
from segkit.show.plots.theme import computed, one_line, segment_scale, themed, with_badge, without_small

MOST_MARKS = 5_000


def plot_map(
    frame: pd.DataFrame | Segmentation,
    *,
    color: str = "segment",
    random_state: int = 0,
    minimum: int = MINIMUM,
    show_ids: bool = False,
) -> alt.Chart:
    """Draw customers on the map.

    Parameters
    ----------
    frame : DataFrame or Segmentation
        From ``result.to_frame()`` of a result with an embedding: `x`, `y`, `segment`, and the features. A Segmentation
        without an embedding is projected first, see :func:`segkit.project`.
    color : str, default="segment"
        What to colour by: "segment", or a feature.
    random_state : int, default=0
        Seed of the sample that is drawn of more than 5,000 customers.
    minimum : int, default=10
        Segments of fewer customers are not drawn; the subtitle names them. 1 draws all.
    show_ids : bool, default=False
        Whether a mark says the customer's id, in place of a pseudonym. Share such a chart only with people who may see
        ids.

    Returns
    -------
    Chart
        A mark for each customer; of many, the same share of each segment, at least one, and the
        subtitle says so.

    Raises
    ------
    ValueError
        If there is no embedding, or no such column.
    """
    frame = computed(frame, _mapped, pd.DataFrame, "result.to_frame()")
    if not {"x", "y", "segment"} <= set(frame.columns):
        raise ValueError(
            "The table has no columns 'x' and 'y'. Make the map first: "
            "result.with_embedding(project(result)).to_frame()."
        )
    if color not in frame.columns:
        raise ValueError(
            f"There is no column {color!r} to colour by. There are {', '.join(map(str, frame.columns))}."
        )
    check_minimum(minimum)
    frame = without_small(frame, minimum)
    # By place, so that neither the order nor the pseudonym of a mark tells the customer.
    shown = _sample(frame, random_state).sort_values(["x", "y"], kind="stable")
    subtitle = f"{counted(len(frame), 'customer')}. Close together = alike; the axes have no unit."
    if len(shown) < len(frame):
        subtitle = (
            f"{len(shown):,} of {len(frame):,} customers. Close together = alike; the axes have no unit."
        )
    names = list(frame["segment"].cat.categories)
    unit = frame.attrs.get("segkit", {}).get("units", {}).get(color, "")
    marks = shown[["x", "y"]].reset_index(drop=True)
    marks["customer"] = shown.index.astype("str") if show_ids else pseudonyms(shown.index)
    marks["segment"], marks["value"] = shown["segment"].astype("str").array, shown[color].array
    title = one_line(color)  # a title only: as a field's name, its dots, brackets and quotes would be Vega's
    tooltip = [alt.Tooltip("customer:N", title="Customer"), alt.Tooltip("segment:N", title="Segment")]
    if color == "segment":
        hue = alt.Color("segment:N", title="Segment", scale=segment_scale(names), sort=names)
    elif pd.api.types.is_numeric_dtype(frame[color].dtype):
        skewed = frame[color].min() >= 0 and frame[color].skew() > 1
        scale = alt.Scale(scheme="viridis", type="symlog" if skewed else "linear")
        hue = alt.Color("value:Q", title=f"{title} ({unit})" if unit else title, scale=scale)
        tooltip.append(alt.Tooltip("value:Q", title=title, format=",.2~f"))
    else:
        marks["value"] = marks["value"].astype("str")
        hue = alt.Color("value:N", title=title)
        tooltip.append(alt.Tooltip("value:N", title=title))
    return themed(
        alt.Chart(marks)
        .mark_circle(size=22 if len(shown) > 1500 else 40, opacity=0.75)
        .encode(
            alt.X("x:Q", axis=None, scale=alt.Scale(zero=False)),
            alt.Y("y:Q", axis=None, scale=alt.Scale(zero=False)),
            hue,
            tooltip=tooltip,
        )
        .properties(
            title={"text": "The map of customers", "subtitle": with_badge(frame, subtitle)},
            width=560,
            height=420,
        )
    )


def _mapped(result: Segmentation) -> pd.DataFrame:
    placed = result if result.embedding is not None else result.with_embedding(project(result))
    return placed.to_frame()


def _sample(frame: pd.DataFrame, random_state: int) -> pd.DataFrame:
    if len(frame) <= MOST_MARKS:
        return frame
    sizes = frame["segment"].value_counts()
    take = (sizes * (MOST_MARKS - len(sizes)) // len(frame)).clip(lower=1).clip(upper=sizes)
    parts = [
        group.sample(take[name], random_state=random_state)
        for name, group in frame.groupby("segment", observed=True)
    ]
    return pd.concat(parts).sort_index()
