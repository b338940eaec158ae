"""Widget to explore segments: a map with a lasso, what sets the chosen customers apart, names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as w
import jscatter
import numpy as np
import pandas as pd
import traitlets as t

from segkit.core.checks import check_frame
from segkit.core.disclosure import MINIMUM, check_minimum, state_without_contacts, without_contacts
from segkit.create.segmentation import Segmentation
from segkit.explain.compare import compare
from segkit.explain.differences import is_share
from segkit.explain.map import project
from segkit.explain.names import suggest_names
from segkit.explain.profile import segment_sizes
from segkit.methods.partition import checked_result
from segkit.show.plots.theme import GREY, segment_colors
from segkit.show.report.cards import plays_of, tags_of
from segkit.tailor.plays.segment_worth import worth_by_segment

ROWS = 8  # differences shown beside the map
VIRIDIS = ["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"]
EDGES = (-1.08, 1.08)  # of the map, with a margin around everyone
STEPS = 256  # colours of the ramp: the first two grey, for unknown, and the shades


class SegmentPanel(anywidget.AnyWidget):
    """The panel beside the map: colour, segments and their names, what sets a group apart."""

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_name("widgets.css")
    color_options = t.List(t.Unicode()).tag(sync=True)
    color_by = t.Unicode("segment").tag(sync=True)
    ramp = t.Dict().tag(sync=True)
    segments = t.List(t.Dict()).tag(sync=True)
    wanted_names = t.Dict().tag(sync=True)
    focus = t.Int(None, allow_none=True).tag(sync=True)
    group = t.Dict().tag(sync=True)
    code = t.Unicode().tag(sync=True)
    badge = t.Unicode().tag(sync=True)
    kind_sentence = t.Unicode().tag(sync=True)
    error = t.Unicode().tag(sync=True)


class SegmentExplorer(w.HBox):
    """Explore segments on a map of all customers; read back ``result`` with its names, and ``selected`` customers.

    Draw a lasso on the map, or press a segment's button, to choose customers; the panel shows what sets them apart
    from all others. Write names into the list of segments, or accept suggested ones.

    Parameters
    ----------
    result : Segmentation
        Drawn by :func:`segkit.project` if it has no embedding.
    height : int, default=560
        Height of the map, in pixels.
    value : DataFrame, optional
        From :func:`segkit.segment_value`: what each segment will bring stands beside its name.
    playbook : DataFrame, optional
        From :func:`segkit.playbook`: what to do stands below each name.
    minimum : int, default=10
        Nothing is said of segments, or of chosen groups, of fewer customers; these can be chosen and looked up all the
        same. 1 shows everything.

    Attributes
    ----------
    result : Segmentation
        With the names written here.
    chosen : list
        Ids of the chosen customers; set it to choose from Python.
    color_by : str
        "segment", or the feature that colours the map.
    code : str
        The same choices as Python.
    """

    result = t.Instance(Segmentation)
    chosen: t.List = t.List()
    color_by = t.Unicode("segment")
    code = t.Unicode()

    def __init__(
        self,
        result: Segmentation,
        *,
        height: int = 560,
        value: pd.DataFrame | None = None,
        playbook: pd.DataFrame | None = None,
        minimum: int = MINIMUM,
    ):
        checked_result(result)
        check_minimum(minimum)
        self._minimum = minimum
        if playbook is not None:
            check_frame("playbook", playbook, "It should be the table of playbook(result, …).")
        self._given = result
        self._worth = worth_by_segment(result, value)
        self._plays, self._tags = plays_of(result, playbook), tags_of(result, playbook)
        if result.embedding is None:
            result = result.with_embedding(project(result))
        self._index = result.customers.index
        self._quiet = False
        self._shown = _scatter_frame(result)
        self._scatter = jscatter.Scatter(
            data=self._shown, x="x", y="y", x_scale=EDGES, y_scale=EDGES,
            width="auto", height=height, axes=False, legend=False,
            background_color=(0.5, 0.5, 0.5, 0.06),
            lasso_initiator=True, mouse_mode="lasso", tooltip=True, tooltip_properties=["segment"],
        )  # fmt: skip
        self._scatter.widget.layout.width = "100%"
        self._scatter.size(default=_point_size(len(self._index)))
        self._scatter.options(regl_scatterplot_options={"pointSizeSelected": 0, "pointOutlineWidth": 1})
        self.panel = SegmentPanel(color_options=["segment", *result.customers.columns])
        super().__init__(
            [
                w.VBox([self._scatter.widget], layout=w.Layout(flex="1 1 420px", min_width="320px")),
                self.panel,
            ],
            result=result,
            layout=w.Layout(width="100%", align_items="flex-start", flex_flow="row wrap"),
        )
        w.link((self, "color_by"), (self.panel, "color_by"))
        w.link((self, "code"), (self.panel, "code"))
        self._scatter.widget.observe(self._on_lasso, "selection")
        self.panel.observe(self._on_focus, "focus")
        self.panel.observe(self._on_names, "wanted_names")
        self._draw_colors()
        self._draw_segments()
        self._draw_group()

    @property
    def selected(self) -> pd.DataFrame:
        """The chosen customers: their features, `segment_id` and `segment`; empty if none are chosen."""
        return self.result.to_frame().loc[self.chosen]

    @property
    def comparison(self) -> pd.DataFrame | None:
        """The result of :func:`segkit.compare` for the chosen customers; None where too few are chosen, or not."""
        if min(len(self.chosen), len(self._index) - len(self.chosen)) < self._minimum:
            return None
        return compare(self.result, self.chosen, minimum=self._minimum)

    @t.validate("chosen")
    def _only_customers(self, proposal: t.Bunch) -> list:
        ids = pd.Index(proposal["value"])
        unknown = ids[~ids.isin(self._index)]
        if len(unknown):
            raise t.TraitError(
                f"{unknown[0]!r} is not a customer of this segmentation. Choose ids of its index."
            )
        return self._index[self._index.isin(ids)].tolist()

    @t.validate("result")
    def _only_these_customers(self, proposal: t.Bunch) -> Segmentation:
        if not proposal["value"].customers.index.equals(self._index):
            raise t.TraitError(
                "result holds other customers than the map shows. Make a new explorer: SegmentExplorer(result)."
            )
        return proposal["value"]

    @t.validate("color_by")
    def _only_columns(self, proposal: t.Bunch) -> str:
        if proposal["value"] not in ("segment", *self.result.customers.columns):
            raise t.TraitError(f"There is no feature {proposal['value']!r} to colour by.")
        return proposal["value"]

    @t.observe("chosen")
    def _on_chosen(self, _change: t.Bunch) -> None:
        if not hasattr(self, "panel"):
            return
        if not self._quiet:
            self._scatter.widget.selection = self._index.get_indexer(self.chosen).astype("uint32")
        self._draw_group()

    @t.observe("color_by")
    def _on_color(self, _change: t.Bunch) -> None:
        if hasattr(self, "panel"):
            self._draw_colors()

    @t.observe("result")
    def _on_result(self, _change: t.Bunch) -> None:
        if hasattr(self, "panel"):
            self.panel.color_options = ["segment", *self.result.customers.columns]
            if self.color_by not in self.panel.color_options:
                self.color_by = "segment"
            self._draw_colors()
            self._draw_segments()
            self._draw_group()

    def _on_lasso(self, change: t.Bunch) -> None:
        """Take over the selection of the map, without sending it back."""
        at = np.asarray(change["new"] if change["new"] is not None else [], dtype=int)
        self._quiet = True
        try:
            self.chosen = self._index[np.sort(at)].tolist()
        finally:
            self._quiet = False

    def _on_focus(self, change: t.Bunch) -> None:
        if change["new"] is not None:
            labels = self.result.labels
            self.chosen = labels.index[labels == change["new"]].tolist()
            self.panel.focus = None

    def _on_names(self, change: t.Bunch) -> None:
        if not change["new"]:
            return
        try:
            self.result = self.result.with_names({int(s): name for s, name in change["new"].items()})
            self.panel.error = ""
        except ValueError as error:
            self.panel.error = str(error)
        self.panel.wanted_names = {}  # done: the same name can be written again, and the view is up to date

    def _draw_segments(self) -> None:
        sizes = segment_sizes(self.result, minimum=self._minimum)
        colors = segment_colors(list(sizes["segment"]))
        suggested = suggest_names(self.result, minimum=self._minimum)
        same = self.result.labels.equals(self._given.labels)  # value and playbook are of these segments only
        segments = [
            {
                "id": int(s),
                "name": row.segment,
                "color": color,
                "size": "hidden" if pd.isna(row.customers) else f"{row.customers:,} ({row.share:.0%})",
                "named": int(s) >= 0,
                "suggested": "" if s < 0 or s in self.result.names else suggested.loc[s, "name"],
                "why": "" if s < 0 else suggested.loc[s, "sentence"],
                "worth": self._worth[s].per_customer()
                if same and s in self._worth and self._worth[s].known
                else "",
                "play": [
                    [label, words, self._tags[s].get(label, "")]
                    for label, words in self._plays.get(s, {}).items()
                ]
                if same
                else [],
            }
            for (s, row), color in zip(sizes.iterrows(), colors, strict=True)
        ]
        self.panel.segments = state_without_contacts(segments)
        self.panel.badge, self.panel.kind_sentence = self.result.badge, self.result.kind_sentence
        self._write_code()

    def _draw_colors(self) -> None:
        """Colour the map by segment, or by a feature on a scale from its 1st to its 99th percentile."""
        name = self.color_by
        column = self.result.named_labels if name == "segment" else self.result.customers[name]
        self._shown["segment"] = self.result.named_labels.astype(str).map(without_contacts).to_numpy()
        if name == "segment" or not pd.api.types.is_numeric_dtype(column.dtype):
            words = column.astype("str").fillna("unknown").map(without_contacts)
            order = sorted(words.unique())
            if name == "segment":
                order = [without_contacts(str(word)) for word in column.cat.categories]
            values = pd.Series(pd.Categorical(words, categories=order))
            colors: dict | list = dict(zip(order, segment_colors(order), strict=True))
            self.panel.ramp = (
                {} if name == "segment" else {"words": [[word, colors[word]] for word in order[:12]]}
            )
        else:
            scaled, ends = _ramp(column)
            values, colors = pd.Series(scaled), [GREY, GREY, *_viridis(STEPS - 2)]
            self.panel.ramp = {"ends": ends, "colors": VIRIDIS} | _unknown(column)
        self._scatter.color(by=values, map=colors, norm=(0, 1))
        self._write_code()

    def _draw_group(self) -> None:
        table = self.comparison
        if table is None:
            few = 0 < len(self.chosen) < len(self._index)
            hint = f"Choose {self._minimum:,} customers or more to see what sets them apart." if few else ""
            self.panel.group = {"rows": [], "hint": hint}
        else:
            rows = [
                {
                    "feature": f,
                    "effect": _bounded(r.effect),
                    "inside": _figure(r.inside, r.unit),
                    "others": _figure(r.others, r.unit),
                    "unit": r.unit,
                }
                for f, r in table.head(ROWS).iterrows()
            ]
            self.panel.group = state_without_contacts({"count": len(self.chosen), "rows": rows})
        self._write_code()

    def _write_code(self) -> None:
        placed = self._given.embedding is not None
        lines = [] if placed else ["result = result.with_embedding(sg.project(result))"]
        before, now = self._given.names, self.result.names
        renamed = {s: now.get(s, "") for s in sorted({*before, *now}) if now.get(s) != before.get(s)}
        if renamed:
            lines.append(f"result = result.with_names({renamed!r})")
        color = "" if self.color_by == "segment" else f", color={self.color_by!r}"
        lines.append(f"sg.plot_map(result.to_frame(){color})")
        least = "" if self._minimum == MINIMUM else f", minimum={self._minimum}"
        some = min(len(self.chosen), len(self._index) - len(self.chosen)) >= self._minimum
        segments = set(self.result.labels.loc[self.chosen]) if some else set()
        if len(segments) == 1 and len(self.chosen) == (self.result.labels == next(iter(segments))).sum():
            lines.append(f"sg.compare(result, result.labels == {next(iter(segments))}{least})")
        elif some:
            lines.append(f"sg.compare(result, explorer.chosen{least})")
        self.code = "\n".join(lines)


def _point_size(n_customers: int) -> int:
    """Return how large points may be, in pixels, without covering each other too much."""
    return 7 if n_customers < 1_000 else 5 if n_customers < 5_000 else 3 if n_customers < 50_000 else 2


def _scatter_frame(result: Segmentation) -> pd.DataFrame:
    """Place everyone within ±1, both directions on one scale, so that distances stay what they are."""
    points = (result.embedding if result.embedding is not None else project(result)).to_numpy()
    low, high = points.min(axis=0), points.max(axis=0)
    points = (points - (low + high) / 2) / max((high - low).max() / 2, 1e-12)
    named = result.named_labels.astype(str).map(without_contacts).to_numpy()
    return pd.DataFrame({"x": points[:, 0], "y": points[:, 1], "segment": named})


def _viridis(steps: int) -> list[str]:
    """Return colours between the anchors of the ramp."""
    anchors = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in VIRIDIS])
    at = np.linspace(0, len(anchors) - 1, steps)
    channels = [np.interp(at, range(len(anchors)), anchors[:, i]).round().astype(int) for i in range(3)]
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in zip(*channels, strict=True)]


def _unknown(column: pd.Series) -> dict:
    """Return a legend entry for customers without a value, who are grey, where there are any."""
    n = int(column.isna().sum())
    return {"words": [[f"unknown ({n:,})", GREY]]} if n else {}


def _ramp(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    values = column.to_numpy(dtype=float, na_value=np.nan)
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return np.zeros(len(values)), ["unknown", "unknown"]
    long_tail = known.min() >= 0 and pd.Series(known).skew() > 1
    low, high = np.quantile(known, [0.01, 0.99])
    scaled = np.log1p(values) if long_tail else values
    bottom, top = (np.log1p([low, high])) if long_tail else (low, high)
    between = np.clip((scaled - bottom) / (top - bottom), 0, 1) if top > bottom else np.zeros(len(values))
    # The map rounds a colour's number down: the lowest known value lies within its own, not on the edge to grey.
    shades = (2.5 + between * (STEPS - 3)) / STEPS
    return np.where(np.isnan(between), 0, shades), [
        _figure(low, ""),
        _figure(high, "") + (" (logarithmic)" if long_tail else ""),
    ]


def _bounded(effect: float) -> float:
    return 0.0 if pd.isna(effect) else float(np.clip(effect, -9.99, 9.99))


def _figure(value: Any, unit: str) -> str:
    if pd.isna(value):
        return "unknown"
    if is_share(unit):
        return f"{value:.0%}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
