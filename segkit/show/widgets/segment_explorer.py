"""Widget to explore segments: a map of everyone, what sets chosen customers apart, names and edits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import anywidget
import numpy as np
import pandas as pd
import traitlets as t

from segkit.core.checks import check_frame
from segkit.core.disclosure import MINIMUM, check_minimum, state_without_contacts
from segkit.create.segmentation import Segmentation
from segkit.explain.compare import compare
from segkit.explain.map import project
from segkit.explain.names import suggest_names
from segkit.explain.profile import segment_sizes
from segkit.methods.partition import checked_result
from segkit.show.plots.theme import segment_colors
from segkit.show.report.cards import plays_of, tags_of
from segkit.show.widgets.map_colors import figure, packed, places_in_bytes, shades_of, unpacked
from segkit.show.widgets.parts import STYLE, script
from segkit.tailor.plays.segment_worth import worth_by_segment

ROWS = 8  # differences shown beside the map


class SegmentExplorer(anywidget.AnyWidget):
    """Explore segments on a map of all customers; read back ``result`` with its names, and ``selected`` customers.

    Draw around customers on the map, click one, or press a segment's button to choose customers; the panel shows what
    sets them apart from all others. Write names into the list of segments, or accept suggested ones.

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

    _esm = script("scatter", "segment_explorer")
    _css = STYLE
    result = t.Instance(Segmentation)
    chosen: t.List = t.List()

    # What the page draws: places and segments of customers by position, and who is chosen, one bit each.
    height = t.Int(560).tag(sync=True)
    places = t.Bytes().tag(sync=True)
    label_codes = t.Bytes().tag(sync=True)
    group_a = t.Bytes().tag(sync=True, from_json=lambda bits, _: bytes(bits))
    color_options = t.List(t.Unicode()).tag(sync=True)
    color_by = t.Unicode("segment").tag(sync=True)
    shade_codes = t.Bytes().tag(sync=True)
    shade_colors = t.List(t.Unicode()).tag(sync=True)
    ramp = t.Dict().tag(sync=True)
    segments = t.List(t.Dict()).tag(sync=True)
    group = t.Dict().tag(sync=True)
    wanted_names = t.Dict().tag(sync=True)
    code = t.Unicode().tag(sync=True)
    badge = t.Unicode().tag(sync=True)
    kind_sentence = t.Unicode().tag(sync=True)
    error = t.Unicode().tag(sync=True)

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
        assert result.embedding is not None
        self._index = result.customers.index
        self._quiet = True
        self._compared: tuple[Any, pd.DataFrame | None] = (None, None)
        super().__init__(result=result, height=height, places=places_in_bytes(result.embedding))
        self._quiet = False
        self._draw_segments()
        self._draw_colors()
        self._draw_group()

    @property
    def selected(self) -> pd.DataFrame:
        """The chosen customers: their features, `segment_id` and `segment`; empty if none are chosen."""
        return self.result.to_frame()[self._inside]

    @property
    def comparison(self) -> pd.DataFrame | None:
        """The result of :func:`segkit.compare` for the chosen customers; None where too few are chosen, or not."""
        key = (id(self.result), self.group_a)
        if self._compared[0] != key:
            inside = self._inside
            few = min(inside.sum(), (~inside).sum()) < self._minimum
            self._compared = (key, None if few else compare(self.result, inside, minimum=self._minimum))
        return self._compared[1]

    @property
    def _inside(self) -> np.ndarray:
        return unpacked(self.group_a, len(self._index))

    @t.validate("group_a")
    def _only_bits_of_these(self, proposal: t.Bunch) -> bytes:
        bits = bytes(proposal["value"])
        if bits and len(bits) != -(-len(self._index) // 8):
            raise t.TraitError("group_a is of other customers than the map shows. Run the cell again.")
        return bits

    @t.validate("chosen")
    def _only_customers(self, proposal: t.Bunch) -> list:
        if self._quiet:
            return proposal["value"]
        ids = pd.Index(proposal["value"])
        at = self._index.get_indexer(ids)
        if (at < 0).any():
            raise t.TraitError(
                f"{ids[at < 0][0]!r} is not a customer of this segmentation. Choose ids of its index."
            )
        return self._index[np.unique(at)].tolist()

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

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        """Let traits follow each other without being observed."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    @t.observe("chosen")
    def _on_chosen(self, _change: t.Bunch) -> None:
        if self._quiet:
            return
        inside = np.zeros(len(self._index), dtype=bool)
        inside[self._index.get_indexer(pd.Index(self.chosen))] = True
        with self._quietly():
            self.group_a = packed(inside)
        self._draw_group()

    @t.observe("group_a")
    def _on_group(self, _change: t.Bunch) -> None:
        """Take over who was chosen in the page."""
        if self._quiet:
            return
        with self._quietly():
            self.chosen = self._index[self._inside].tolist()
        self._draw_group()

    @t.observe("color_by")
    def _on_color(self, _change: t.Bunch) -> None:
        if not self._quiet:
            self._draw_colors()

    @t.observe("result")
    def _on_result(self, _change: t.Bunch) -> None:
        if self._quiet:
            return
        if self.color_by not in ("segment", *self.result.customers.columns):
            self.color_by = "segment"
        self._draw_segments()
        self._draw_colors()
        self._draw_group()

    @t.observe("wanted_names")
    def _on_names(self, change: t.Bunch) -> None:
        if not change["new"]:
            return
        try:
            self.result = self.result.with_names({int(s): name for s, name in change["new"].items()})
            self.error = ""
        except ValueError as error:
            self.error = str(error)
        self.wanted_names = {}  # done: the same name can be written again, and the view is up to date

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
        codes = sizes.index.get_indexer(self.result.labels)
        self.label_codes = codes.astype("uint8" if len(sizes) <= 256 else "<u2").tobytes()
        self.segments = state_without_contacts(segments)
        self.badge, self.kind_sentence = self.result.badge, self.result.kind_sentence

    def _draw_colors(self) -> None:
        """Colour the map by segment, as the list of segments says, or by a feature."""
        self.color_options = ["segment", *self.result.customers.columns]
        if self.color_by == "segment":
            self.shade_codes, self.shade_colors, self.ramp = b"", [], {}
        else:
            shades = shades_of(self.result.customers[self.color_by])
            self.shade_codes, self.shade_colors = shades.codes.tobytes(), shades.colors
            self.ramp = shades.legend
        self._write_code()

    def _draw_group(self) -> None:
        table, n = self.comparison, int(self._inside.sum())
        if table is None:
            few = 0 < n < len(self._index)
            hint = f"Choose {self._minimum:,} customers or more to see what sets them apart." if few else ""
            self.group = {"rows": [], "hint": hint}
        else:
            rows = [
                {
                    "feature": f,
                    "effect": _bounded(r.effect),
                    "inside": figure(r.inside, r.unit),
                    "others": figure(r.others, r.unit),
                    "unit": r.unit,
                }
                for f, r in table.head(ROWS).iterrows()
            ]
            self.group = state_without_contacts({"count": n, "rows": rows})
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
        if self.comparison is not None:
            inside, labels = self._inside, self.result.labels.to_numpy()
            segment = labels[inside.argmax()]
            whole = bool((inside == (labels == segment)).all())
            group = f"result.labels == {segment}" if whole else "explorer.chosen"
            lines.append(f"sg.compare(result, {group}{least})")
        self.code = "\n".join(lines)


def _bounded(effect: float) -> float:
    return 0.0 if pd.isna(effect) else float(np.clip(effect, -9.99, 9.99))
