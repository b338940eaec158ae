"""Draw the distributions of features by segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from segkit.core.checks import check_type
from segkit.core.disclosure import MINIMUM, check_minimum, may_have_quantile
from segkit.create.segmentation import Segmentation
from segkit.explain.profile import profiled
from segkit.show.plots.theme import (
    INK,
    SHORT,
    axis_title,
    check_table,
    computed,
    segment_scale,
    themed,
    with_badge,
    without_small,
)

QUANTILES = {"low": 0.05, "lower": 0.25, "median": 0.5, "upper": 0.75, "high": 0.95}
WIDE = 10.0  # at which a long tail gets a logarithmic axis
FEWEST_TICKS = 3
MOST = 4  # features, where none are named


def plot_distributions(
    frame: pd.DataFrame | Segmentation, features: Sequence[str] | None = None, *, minimum: int = MINIMUM
) -> alt.VConcatChart:
    """Draw the distribution of each feature by segment, in natural units.

    Parameters
    ----------
    frame : DataFrame or Segmentation
        From ``result.to_frame()``: `segment`, and numeric features.
    features : sequence of str, optional
        Which features to draw; by default those four of a Segmentation that set its segments apart the most, of
        another table its first four numbers.
    minimum : int, default=10
        Segments of fewer customers are not drawn; the subtitle names them. The lines need 100 customers. 1
        draws all.

    Returns
    -------
    VConcatChart
        For each feature a row a segment: the median as a dot, half of the customers under the thick
        line, nine in ten under the thin one. Features with a long tail have a logarithmic axis.

    Raises
    ------
    ValueError
        If a feature is not there, or is not a number.
    """
    check_minimum(minimum)
    if features is None:
        features = _strongest(frame)
    frame = computed(frame, Segmentation.to_frame, pd.DataFrame, "result.to_frame()")
    check_table(frame, ("segment",), "result.to_frame()")
    features = [features] if isinstance(features, str) else features
    check_type(
        "features", features, (list, tuple, pd.Index), "Name features, such as ['recency', 'monetary']."
    )
    for name in features:
        if name not in frame.columns or not pd.api.types.is_numeric_dtype(frame[name].dtype):
            numbers = [c for c in frame.select_dtypes("number") if c not in ("x", "y", "segment_id")]
            raise ValueError(
                f"{name!r} is no numeric feature of these customers. There are {', '.join(numbers)}."
            )
    if not features:
        raise ValueError("No feature was named. Say which to draw, such as ['recency', 'monetary'].")
    frame = without_small(frame, minimum)
    facts = frame.attrs.get("segkit", {})
    units, meanings = facts.get("units", {}), facts.get("meanings", {})
    rows = [
        _row(frame, name, axis_title(name, units.get(name, ""), meanings.get(name, "")), minimum)
        for name in features
    ]
    title = {
        "text": "How do the segments differ?",
        "subtitle": with_badge(
            frame, "Dot: median. Thick line: the middle half of the customers. Thin line: nine in ten."
        ),
    }
    return themed(alt.vconcat(*rows, spacing=18).properties(title=title))


def _strongest(frame: pd.DataFrame | Segmentation) -> list[str]:
    """Return the numeric features that differ the most between segments."""
    customers = frame.customers if isinstance(frame, Segmentation) else frame
    if not isinstance(customers, pd.DataFrame):
        return []
    numbers = [c for c in customers.select_dtypes("number") if c not in ("x", "y", "segment_id")]
    if isinstance(frame, Segmentation) and frame.labels.nunique() > 1 and frame.segments:
        table = profiled(frame)
        table = table.assign(effect=table["effect"].abs()).sort_values(
            "effect", ascending=False, kind="stable"
        )
        numbers = [c for c in dict.fromkeys(table["feature"]) if c in numbers]
    return numbers[:MOST]


def _row(frame: pd.DataFrame, feature: str, title: str, minimum: int) -> alt.LayerChart:
    names = list(frame["segment"].cat.categories)
    values = frame[feature].astype(float)
    summary = values.groupby(frame["segment"], observed=True).quantile(list(QUANTILES.values())).unstack()
    # Where every segment is small, none is left, and no column either.
    summary = summary.reindex(columns=list(QUANTILES.values())).set_axis(list(QUANTILES), axis="columns")
    known = values.groupby(frame["segment"], observed=True).count().to_numpy()
    for name, q in QUANTILES.items():
        summary[name] = summary[name].where(may_have_quantile(known, q, minimum))
    summary = summary.reset_index().astype({"segment": "str"})
    ends = summary.select_dtypes("number")
    low, high = ends.min(axis=None), ends.max(axis=None)
    # Below about ten, a logarithmic axis from 0 hardly bends, and has no round numbers to show.
    long_tail = values.min() >= 0 and values.skew() > 1 and high >= WIDE
    x: dict[str, Any] = {
        "scale": alt.Scale(type="symlog" if long_tail else "linear", zero=False, nice=False, padding=8),
        "title": title,
    }
    base = alt.Chart(summary).encode(
        alt.Y("segment:N", title=None, sort=names),
        alt.Color("segment:N", scale=segment_scale(names), legend=None),
        tooltip=[alt.Tooltip("segment:N", title="Segment")]
        + [
            alt.Tooltip(f"{q}:Q", title=f"{share:.0%} below", format=",.2~f")
            for q, share in QUANTILES.items()
        ],
    )
    ticks: dict[str, Any] = {"values": _decades(low, high)} if long_tail else {"tickCount": 6}
    axis = alt.Axis(labelExpr=SHORT, labelOverlap=True, **ticks)
    thin = base.mark_rule(strokeWidth=1.5, opacity=0.8).encode(
        alt.X("low:Q", axis=axis, **x), alt.X2("high:Q")
    )
    thick = base.mark_rule(strokeWidth=7, opacity=0.8, strokeCap="round").encode(
        alt.X("lower:Q", **x), alt.X2("upper:Q")
    )
    dot = base.mark_circle(size=70, opacity=1, stroke=INK, strokeWidth=1).encode(alt.X("median:Q", **x))
    return (thin + thick + dot).properties(width=460, height=22 * len(names))


def _decades(low: float, high: float) -> list[float]:
    """Return round numbers of a logarithmic axis: 1, 3, 10, 30, and so on; also 2, 5 and 7 where these are too few."""
    few, many = (
        [s for s in (0.0, *(m * 10.0**e for e in range(13) for m in parts)) if low <= s <= high]
        for parts in ((1, 3), (1, 2, 3, 5, 7))
    )
    return few if len(few) >= FEWEST_TICKS else many
