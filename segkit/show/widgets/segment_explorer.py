"""Widget to explore segments: a map of everyone, what sets chosen customers apart, names and edits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import numpy as np
import pandas as pd
import traitlets as t
from markupsafe import Markup

from segkit.core.checks import check_frame
from segkit.core.disclosure import MINIMUM, check_minimum, state_without_contacts
from segkit.create.segmentation import Segmentation
from segkit.explain.map import CustomerMap, project
from segkit.methods.partition import checked_result
from segkit.show.report.cards import plays_of, tags_of
from segkit.show.widgets.customer_answers import customer_said, position_of_text, telling_features, why_said
from segkit.show.widgets.explorer_edits import Edited, Groups, group_line
from segkit.show.widgets.explorer_page import explorer_still, map_picture, sample_picture, segment_rows
from segkit.show.widgets.map_colors import packed, places_in_bytes, shades_of, steps_of, unpacked
from segkit.show.widgets.parts import STYLE, code_line, quietly, script
from segkit.show.widgets.stills import WithStill, shows_errors
from segkit.show.widgets.two_groups import TwoGroups
from segkit.show.widgets.undo import History
from segkit.tailor.audiences.audience import Audience, audience
from segkit.tailor.plays.segment_worth import worth_by_segment

HISTOGRAMS = 6  # features whose distribution stands below it
CONFIDENCE, MAP_TRUST = "confidence", "map trust"  # colours beside those of features


class SegmentExplorer(WithStill, anywidget.AnyWidget):
    """Explore segments on a map of all customers: choose, compare, name and edit them; read back ``result``.

    Draw around customers on the map, click one, press a segment's button, or drag over a histogram to choose customers;
    the panel shows what sets them apart from all others, or from a second selection. Make them a segment or an
    audience. Name, merge, split and pin segments in their list; undo and redo. Find a customer by id, and read why she
    is in her segment.

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
    held_out : DataFrame, optional
        What did not build the segments, indexed by customer, such as outcomes of the next months: tests of it stand
        below what sets the chosen customers apart.
    minimum : int, default=10
        Nothing is said of segments, or of chosen groups, of fewer customers; these can be chosen and looked up all the
        same. 1 shows everything.

    Attributes
    ----------
    result : Segmentation
        With the names and edits made here.
    chosen : list
        Ids of the chosen customers; set it to choose from Python.
    other : list
        Ids of a second selection, whom the chosen ones are compared with; empty for all others. A customer of both is
        in the first.
    color_by : str
        "segment", "confidence", "map trust" (which share of the customers most alike are near on the map too), or the
        feature that colours the map.
    groups : dict of str to Index
        The customers of which segments or audiences were made here, by name; a second group of a name is "Loyal 2".
        `code` takes them from here, so they last as long as Python runs. ``result.save(…)`` keeps the segments.
    audiences : dict of str to Audience
        Selections saved as audiences: :func:`segkit.audience`, without contacts or consent.
    code : str
        The same choices as Python.

    Notes
    -----
    A notebook may be saved with the state of its widgets (nbconvert does so when it executes one, JupyterLab on
    demand). The state names nobody, but holds for each customer, in the order of the table, the place on the map, the
    segment, whether she is chosen, and the colour. Remove it before you pass the notebook on, such as by nbstripout.
    The still that stands in place of the map holds its picture, and what is said of `minimum` customers or more.
    """

    _esm = script("scatter", "histograms", "segment_panel", "segment_explorer")
    _css = STYLE
    result = t.Instance(Segmentation)
    chosen: t.List = t.List()
    other: t.List = t.List()

    # What the page draws: places and segments of customers by position, and who is chosen, one bit each.
    height = t.Int(560).tag(sync=True)
    places = t.Bytes().tag(sync=True)
    label_codes = t.Bytes().tag(sync=True)
    group_a = t.Bytes().tag(sync=True, from_json=lambda bits, _: bytes(bits))
    group_b = t.Bytes().tag(sync=True, from_json=lambda bits, _: bytes(bits))
    minimum = t.Int(MINIMUM).tag(sync=True)
    histograms = t.List(t.Unicode()).tag(sync=True)
    steps = t.Dict().tag(sync=True)
    drawn = t.Int().tag(sync=True)
    wanted = t.Dict().tag(sync=True)
    done = t.Unicode().tag(sync=True)
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
        held_out: pd.DataFrame | None = None,
        minimum: int = MINIMUM,
    ):
        checked_result(result)
        check_minimum(minimum)
        self._minimum = minimum
        if playbook is not None:
            check_frame("playbook", playbook, "It should be the table of playbook(result, …).")
        if held_out is not None:
            check_frame("held_out", held_out, "It should hold what did not build the segments, by customer.")
        self._held_out = held_out
        given, self._valued = result, result.labels
        self._worth = worth_by_segment(result, value)
        self._plays, self._tags = plays_of(result, playbook), tags_of(result, playbook)
        if result.embedding is None:
            result = result.with_embedding(project(result))
        assert result.embedding is not None
        self._index = result.customers.index
        self._quiet = True
        self._compared: tuple[Any, TwoGroups | None] = (None, None)
        self._trusted: tuple[Any, pd.Series] = (None, pd.Series(dtype=float))
        self._pictured: tuple[Any, bytes] = (None, b"")
        self.groups = Groups()
        self.audiences: dict[str, Audience] = {}
        self._placed: pd.DataFrame | None = None
        super().__init__(result=result, height=height, minimum=minimum)
        self._quiet = False
        self.edited = Edited(given, result)
        self._history = History(self._state())
        self.on_msg(self._on_question)
        self._draw()

    def still(self) -> Markup:
        """Return the map, its segments, and what sets the chosen customers apart, as HTML without scripts."""
        placed = self.result if self.result.embedding is not None else self.edited.given
        if placed.embedding is None:
            return code_line(self.code)
        if self._pictured[0] is not placed.labels:
            self._pictured = (placed.labels, map_picture(placed, minimum=self._minimum))
        return explorer_still(placed, self._pictured[1], self.segments, self.group, self.code)

    @property
    def selected(self) -> pd.DataFrame:
        """The chosen customers: their features, `segment_id` and `segment`; empty if none are chosen."""
        return self.result.to_frame()[self._inside]

    @property
    def comparison(self) -> pd.DataFrame | None:
        """The result of :func:`segkit.compare` for the chosen customers; None where too few are chosen, or not.

        Compared with the second selection, if there is one.
        """
        return self._groups.table

    @property
    def evidence(self) -> pd.DataFrame | None:
        """Tests of `held_out` for the chosen customers, as rows of :func:`segkit.evidence`; None where none can be.

        `inside` are the chosen customers, `others` all others, or those of the second selection.
        """
        return self._groups.evidence

    @property
    def _groups(self) -> TwoGroups:
        """The chosen customers and whom they are compared with; compared once."""
        labels, bits = self.result.labels, (self.group_a, self.group_b)  # other names change nothing
        before, groups = self._compared
        if groups is None or before[0] is not labels or before[1:] != bits:
            groups = TwoGroups(
                self.result, self._inside, self._second, held_out=self._held_out, minimum=self._minimum
            )
            self._compared = ((labels, *bits), groups)
        return groups

    @property
    def _inside(self) -> np.ndarray:
        return unpacked(self.group_a, len(self._index))

    @property
    def _second(self) -> np.ndarray | None:
        """The second selection, without customers of the first; None where there is none."""
        return unpacked(self.group_b, len(self._index)) & ~self._inside if self.group_b else None

    @t.validate("group_a", "group_b")
    def _only_bits_of_these(self, proposal: t.Bunch) -> bytes:
        bits = bytes(proposal["value"])
        if bits and len(bits) != -(-len(self._index) // 8):
            raise t.TraitError("The selection is of other customers than the map shows. Run the cell again.")
        return bits

    @t.validate("chosen", "other")
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
        if proposal["value"] not in self._colors():
            raise t.TraitError(f"There is no feature {proposal['value']!r} to colour by.")
        return proposal["value"]

    def _colors(self) -> list[str]:
        columns = list(self.result.customers.columns)
        return ["segment", *columns, *(c for c in (CONFIDENCE, MAP_TRUST) if c not in columns)]

    @t.observe("chosen", "other")
    @shows_errors
    def _on_chosen(self, change: t.Bunch) -> None:
        if self._quiet:
            return
        inside = np.zeros(len(self._index), dtype=bool)
        inside[self._index.get_indexer(pd.Index(change["new"]))] = True
        setattr(self, "group_a" if change["name"] == "chosen" else "group_b", packed(inside))

    @t.observe("group_a", "group_b", "result")
    @shows_errors
    def _on_state(self, change: t.Bunch) -> None:
        if self._quiet:
            return
        if change["name"] == "result":  # it came from Python: the code begins with it
            self.edited = Edited(change["new"], change["new"])
        self._follow()

    @t.observe("color_by")
    @shows_errors
    def _on_color(self, _change: t.Bunch) -> None:
        if not self._quiet:
            self._draw_colors()

    @t.observe("wanted_names", "wanted")
    @shows_errors
    def _on_wanted(self, change: t.Bunch) -> None:
        if not change["new"] or self._quiet:
            return
        try:
            if change["name"] == "wanted_names":
                names = {int(s): name for s, name in change["new"].items()}
                self._become(self.edited.named(names))
            else:
                self._act(**change["new"])
            self.error = ""
        except (ValueError, TypeError) as error:
            self.error = str(error)
        setattr(self, change["name"], {})  # done: the same can be wanted again, and the view is up to date

    def _act(self, do: str, **given: Any) -> None:
        acts: dict[str, Callable[..., None]] = {
            "merge": lambda segments: self._become(self.edited.merged(segments)),
            "split": lambda segment: self._become(self.edited.split(segment)),
            "pin": lambda segments: self._become(self.edited.pinned(segments)),
            "make": self._make,
            "audience": self._save,
            "undo": lambda: self._go(self._history.undo),
            "redo": lambda: self._go(self._history.redo),
        }
        acts[do](**given)

    def _make(self, name: str) -> None:
        name = self.edited.new_group(name)
        ids = self._index[self._inside]
        group = self.groups.name_for(name, ids)
        made = self.edited.with_segment(self._inside, name, group)
        self.groups[group] = ids
        self._become(made)

    def _save(self, name: str) -> None:
        name = self.edited.new_group(name)
        if not self.group_a:
            raise ValueError("Nobody is chosen. Draw around customers first.")
        ids = self._index[self._inside]
        name, saved = self.groups.name_for(name, ids), audience(self.result.named_labels[self._inside])
        self.groups[name], self.audiences[name] = ids, saved
        kept = f"Saved {len(saved.table):,} as explorer.audiences[{name!r}]."
        self.done = f"{kept} Add contacts and consent before you export."
        line = f"sg.audience(result.named_labels.loc[{group_line(name)}])"
        self._become(self.edited.having(self.result, line))

    def _become(self, edited: Edited) -> None:
        """Take an edited result."""
        with quietly(self):
            self.edited, self.result = edited, edited.result
        self._follow()

    def _state(self) -> tuple[Edited, bytes, bytes]:
        return (self.edited, self.group_a, self.group_b)

    def _follow(self) -> None:
        """Keep the state before for undo, and draw what has changed."""
        before, now = self._history.now, self._state()
        if before != now:
            self._history.add(now)
            self._draw(before)

    def _go(self, step: Callable[[], bool]) -> None:
        """Undo or redo, and draw what has changed."""
        before = self._history.now
        if step():
            with quietly(self):
                self.edited, self.group_a, self.group_b = self._history.now
                self.result = self.edited.result
            self._draw(before)

    def _draw(self, before: tuple[Edited, bytes, bytes] | None = None) -> None:
        with quietly(self):
            if before is None or before[1:] != self._state()[1:]:
                second = self._second
                self.chosen = self._index[self._inside].tolist()
                self.other = [] if second is None else self._index[second].tolist()
            if self.color_by not in self._colors():
                self.error = f"This result has no feature {self.color_by!r}, so the map shows segments."
                self.color_by = "segment"
        with self.hold_sync():  # the page never sees segments without their customers
            if before is None or before[0].result is not self.result:
                self._draw_places()
                self._draw_segments()
                self._draw_colors()
            self._draw_group()
            self.steps = self._history.steps
            self.drawn += 1  # the page waits for it: what is drawn may be what was there before

    def _on_question(self, _widget: Any, asked: dict, _buffers: Any) -> None:
        """Answer a page that asks, so that nothing is sent that nobody looks at."""
        try:
            answer, buffers = self._answer(**asked)
        except (ValueError, TypeError, KeyError) as error:
            answer, buffers = {"error": str(error)}, []
        self.send({"asked": asked, **answer}, buffers)

    def _answer(self, ask: str, **given: Any) -> tuple[dict, list[bytes]]:
        result = self.result
        if ask == "customer":
            return {"card": customer_said(result, int(given["at"]))}, []
        if ask == "why":
            at = given["at"] if "at" in given else position_of_text(result, given["text"])
            return {"card": why_said(result, int(at), minimum=self._minimum)}, []
        if ask == "column":
            codes, ends = steps_of(result.customers[given["name"]])
            return {"ends": ends}, [codes.tobytes()]
        if ask == "trust":
            return {}, [np.round(255 * self._map_trust.to_numpy()).astype("uint8").tobytes()]
        if ask == "picture":
            return {}, [sample_picture(result)]
        raise ValueError(f"There is no answer to {ask!r}.")

    @property
    def _map_trust(self) -> pd.Series:
        if self.result.embedding is None:
            raise ValueError("This result has no map. Add one: result.with_embedding(sg.project(result)).")
        if self._trusted[0] is not self.result.embedding:
            self._trusted = (
                self.result.embedding,
                CustomerMap(self.result, "given", self.result.embedding).trust,
            )
        return self._trusted[1]

    def _draw_places(self) -> None:
        """Place customers as the map of the result does; where it has none, they stay where they are."""
        embedding = self.result.embedding
        if embedding is not None and embedding is not self._placed:
            self._placed, self.places = embedding, places_in_bytes(embedding)

    def _draw_segments(self) -> None:
        same = self.result.labels.equals(self._valued)  # value and playbook are of these segments only
        told = (self._worth, self._plays, self._tags) if same else ({}, {}, {})
        self.segments = state_without_contacts(segment_rows(self.result, *told, self._minimum))
        ids = [segment["id"] for segment in self.segments]
        codes = pd.Index(ids).get_indexer(self.result.labels)
        self.label_codes = codes.astype("uint8" if len(ids) <= 256 else "<u2").tobytes()
        features = telling_features(self.result, n=len(self.result.customers.columns))
        numeric = [f for f in features if pd.api.types.is_numeric_dtype(self.result.customers[f].dtype)]
        self.histograms = numeric[:HISTOGRAMS]
        self.badge, self.kind_sentence = self.result.badge, self.result.kind_sentence

    def _draw_colors(self) -> None:
        """Colour the map by segment, as the list of segments says, or by a feature."""
        self.color_options = self._colors()
        if self.color_by == "segment":
            self.shade_codes, self.shade_colors, self.ramp = b"", [], {}
        else:
            share = self.color_by not in self.result.customers
            shades = shades_of(self._column(self.color_by), share=share)
            self.shade_codes, self.shade_colors = shades.codes.tobytes(), shades.colors
            self.ramp = shades.legend
        self._write_code()

    def _column(self, name: str) -> pd.Series:
        if name in self.result.customers:
            return self.result.customers[name]
        return self.result.confidence if name == CONFIDENCE else self._map_trust

    def _draw_group(self) -> None:
        self.group = self._groups.said()
        self._write_code()

    def _write_code(self) -> None:
        lines = self.edited.code
        if self.color_by in (CONFIDENCE, MAP_TRUST) and self.color_by not in self.result.customers:
            ask = "result.confidence" if self.color_by == CONFIDENCE else "sg.make_map(result).trust"
            lines.append(f"sg.plot_map(result.to_frame().assign(shade={ask}), color='shade')")
        else:
            color = "" if self.color_by == "segment" else f", color={self.color_by!r}"
            lines.append(f"sg.plot_map(result.to_frame(){color})")
        lines += self._groups.code()
        self.code = "\n".join(lines)
