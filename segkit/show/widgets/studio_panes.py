"""Panes of the studio: map and cards, of everyone and of a sample; audience and report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w
import traitlets as t

from segkit.collect.events import Events
from segkit.create.segmentation import Segmentation
from segkit.show.report.report import report
from segkit.show.widgets.audience_builder import AudienceBuilder
from segkit.show.widgets.map_colors import packed
from segkit.show.widgets.parts import WIDE, alert, note, quietly
from segkit.show.widgets.segment_cards import SegmentCards
from segkit.show.widgets.segment_explorer import SegmentExplorer
from segkit.show.widgets.stills import shows_errors
from segkit.show.widgets.studio_code import lines_between

ERRORS = (ValueError, TypeError, ImportError, OSError)  # which say what to do
NO_CONTACTS = "Pass contacts= to choose whom to write to, and to write the file for your e-mail tool."
OnEdit = Callable[[Segmentation, list[str]], None]


class MapAndCards(w.VBox):
    """The map of a result above its cards: who is chosen on a card is chosen on the map, until others are.

    Parameters
    ----------
    result : Segmentation
    on_edit : callable
        Called with an edited result, and the line of Python that makes it of the one before.
    minimum : int
    of_cards : dict
        Further arguments of :class:`segkit.SegmentCards`.
    """

    def __init__(
        self,
        result: Segmentation,
        on_edit: OnEdit,
        *,
        minimum: int,
        of_cards: dict[str, Any],
    ):
        self._quiet, self._on_edit = False, on_edit
        self.explorer = SegmentExplorer(result, minimum=minimum)
        self.cards = SegmentCards(self.explorer.result, minimum=minimum, **of_cards)
        super().__init__([self.explorer, self.cards])
        self.explorer.observe(self._on_explorer, "result")
        self.explorer.observe(self._on_selection, "group_a")
        self.cards.observe(self._on_cards, "result")
        self.cards.observe(self._on_card, "chosen")

    def show(self, result: Segmentation) -> None:
        """Show another result of the same customers."""
        with quietly(self):
            self.explorer.result = self.cards.result = result
        self._on_selection()

    def _on_explorer(self, change: t.Bunch) -> None:
        if not self._quiet:
            self._on_edit(change["new"], self.explorer.edited.code[-1:])

    def _on_cards(self, change: t.Bunch) -> None:
        if not self._quiet:
            self._on_edit(change["new"], lines_between(change["old"], change["new"]))

    @shows_errors
    def _on_card(self, change: t.Bunch) -> None:
        if self._quiet:
            return
        labels = self.cards.result.labels
        self.explorer.chosen = [] if change["new"] is None else labels.index[labels == change["new"]].tolist()

    def _on_selection(self, _change: t.Bunch | None = None) -> None:
        """Let go of a card whose customers are not those who are chosen on the map any more."""
        segment, labels = self.cards.chosen, self.cards.result.labels
        if self._quiet or segment is None:
            return
        if self.explorer.group_a != packed((labels == segment).to_numpy()):
            with quietly(self):
                self.cards.chosen = None


class Shown(w.VBox):
    """The map and cards of everyone, or in their place those of a sample.

    Parameters
    ----------
    result : Segmentation
        Of everyone.
    on_edit, on_sample_edit : callable
        As for :class:`MapAndCards`.
    **drawn
        Its other arguments.
    """

    def __init__(self, result: Segmentation, on_edit: OnEdit, on_sample_edit: OnEdit, **drawn: Any):
        self.everyone = MapAndCards(result, on_edit, **drawn)
        self.sample: MapAndCards | None = None
        self._on_sample_edit, self._drawn = on_sample_edit, drawn
        super().__init__([self.everyone])

    def show_everyone(self, result: Segmentation) -> None:
        """Show the result of everyone."""
        self.everyone.show(result)
        self._turn_to(self.everyone)

    def show_sample(self, made: Segmentation) -> None:
        """Show segments of a sample."""
        if self.sample is not None and self.sample.cards.result.customers.index.equals(made.customers.index):
            self.sample.show(made)
        else:
            if self.sample is not None:
                self.sample.close()
            self.sample = MapAndCards(made, self._on_sample_edit, **self._drawn)
            self.children = [self.everyone, self.sample]
        self._turn_to(self.sample)

    def _turn_to(self, shown: MapAndCards) -> None:
        for pane in self.children:
            pane.layout.display = None if pane is shown else "none"


class Export(w.VBox):
    """Choose the audience of a result and write its files; write the report.

    Parameters
    ----------
    events : Events or None
        For the report.
    to_whom : dict
        Arguments of :class:`segkit.AudienceBuilder`; without contacts there is none.
    minimum : int
    on_code : callable
        Called when the code of the audience changes.
    **options
        Of the box.
    """

    def __init__(
        self,
        events: Events | None,
        to_whom: dict[str, Any],
        minimum: int,
        on_code: Callable[[Any], None],
        **options: Any,
    ):
        self._events, self._to_whom, self._minimum, self._on_code = events, to_whom, minimum, on_code
        self.builder: AudienceBuilder | None = None
        self._result: Segmentation | None = None
        self.file = w.Text(description="Report", placeholder="segments.html", layout=w.Layout(**WIDE))
        self.write = w.Button(description="Write the report", layout=w.Layout(width="auto"))
        self.write.on_click(self._on_write)
        self.wrote = w.HTML()
        self._report = [w.HBox([self.file, self.write], layout=w.Layout(flex_flow="row wrap")), self.wrote]
        super().__init__([w.HTML(note(NO_CONTACTS)), *self._report], **options)

    def show(self, result: Segmentation) -> None:
        """Begin with a result, unless it is the one that is shown."""
        if self._result is result:
            return
        self.forget()
        self._result = result
        if self._to_whom["contacts"] is not None:
            self.builder = AudienceBuilder(result, minimum=self._minimum, **self._to_whom)
            self.builder.observe(self._on_code, "code")
            self.children = [self.builder, *self._report]

    def forget(self) -> None:
        """Close the audience of a former result."""
        self._result, self.wrote.value = None, ""
        if self.builder is not None:
            self.builder.close()
            self.builder = None
            self.children = self._report

    @shows_errors
    def _on_write(self, _button: w.Button) -> None:
        assert self._result is not None
        self.wrote.value = note("Writing the report …")
        try:
            path = self.file.value.strip() or self.file.placeholder
            written = report(self._result, path, events=self._events, minimum=self._minimum)
            self.wrote.value = note(f"Written: {written}.")
        except ERRORS as error:
            self.wrote.value = alert(error)
