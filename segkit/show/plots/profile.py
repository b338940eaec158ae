"""Draw the profile: what sets each segment apart."""

from __future__ import annotations

import json
import textwrap
from functools import partial

import altair as alt
import pandas as pd

from segkit.core.checks import check_count
from segkit.core.disclosure import MINIMUM
from segkit.create.segmentation import Segmentation
from segkit.explain.differences import in_unit
from segkit.explain.profile import profile as profiled
from segkit.show.plots.theme import INK, check_table, computed, themed, vega_safe, with_badge

COLUMNS = ("segment_id", "segment", "feature", "effect", "inside", "others", "unit")
LETTERS = 13  # of a line above a cell
STRONG = 2.0  # standard deviations at which the colours are full


def plot_profile(
    profile: pd.DataFrame | Segmentation, *, most: int = 20, minimum: int = MINIMUM
) -> alt.Chart:
    """Draw what sets segments apart: orange above all other customers, blue below.

    Parameters
    ----------
    profile : DataFrame or Segmentation
        From :func:`segkit.profile`.
    most : int, default=20
        Features to show: those with the strongest effects.
    minimum : int, default=10
        Of a Segmentation: numbers are those of ``profile(result, minimum=minimum)``. A cell without a number is empty.

    Returns
    -------
    Chart
        A cell for each segment and feature, coloured by Cohen's d; medians in natural units on hover.
    """
    profile = computed(profile, partial(profiled, minimum=minimum), pd.DataFrame, "profile(result)")
    check_table(profile, COLUMNS, "profile(result)")
    check_count("most", most, 1)
    strength = profile.assign(effect=profile["effect"].abs()).groupby("feature", sort=False)["effect"].max()
    features = list(strength.sort_values(ascending=False, kind="stable").index[:most])
    cells = profile[profile["feature"].isin(features)].copy()
    cells["here"], cells["elsewhere"] = (
        [in_unit(value, unit) for value, unit in zip(cells[side], cells["unit"], strict=True)]
        for side in ("inside", "others")
    )
    names = list(dict.fromkeys(cells.sort_values("segment_id")["segment"]))
    left_out = strength.size - len(features)
    subtitle = "Orange: above all other customers. Blue: below. Grey: like them. Hover for the numbers."
    if left_out:
        subtitle += f" The {left_out} weakest features are left out."
    return themed(
        alt.Chart(cells[["segment", "feature", "effect", "here", "elsewhere"]])
        .mark_rect(cornerRadius=3, stroke=INK, strokeOpacity=0.25, strokeWidth=0.5)
        .encode(
            alt.X("segment:N", title=None, sort=names, axis=_wrapped(names)),
            alt.Y("feature:N", title=None, sort=features, axis=alt.Axis(grid=False)),
            alt.Color("effect:Q", title="Cohen's d").scale(
                domain=[-STRONG, 0, STRONG],
                range=["#0072B2", "#9A9A9A33", "#E69F00"],
                clamp=True,
                interpolate="rgb",
            ),
            tooltip=[
                alt.Tooltip("segment:N", title="Segment"),
                alt.Tooltip("feature:N", title="Feature"),
                alt.Tooltip("here:N", title="Here"),
                alt.Tooltip("elsewhere:N", title="All others"),
                alt.Tooltip("effect:Q", title="Cohen's d", format="+.2f"),
            ],
        )
        .properties(
            title={"text": "What sets the segments apart?", "subtitle": with_badge(profile, subtitle)},
            width=max(86 * len(names), 260),
            height=24 * len(features),
        )
    )


def _wrapped(names: list[str]) -> alt.Axis:
    """Return an axis on top whose labels break between words; Vega counts lines downwards, so it needs the room."""
    names = vega_safe(names)  # as the data will have them
    broken = {name: textwrap.wrap(name, LETTERS, break_long_words=False) or [name] for name in names}
    lines = max((len(parts) for parts in broken.values()), default=1)
    return alt.Axis(
        orient="top",
        labelAngle=0,
        grid=False,
        labelExpr=f"({json.dumps(vega_safe(broken))})[datum.label] || datum.label",
        labelLimit=82,
        labelLineHeight=13,
        labelPadding=6 + 13 * (lines - 1),
    )
