"""Widget that holds the whole path: features, how many segments, map and cards, audience and export."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import ipywidgets as w
import pandas as pd
import traitlets as t
from markupsafe import Markup

from segkit.collect.attributes.attributes import Attributes
from segkit.collect.events import Events
from segkit.core.checks import check_type, checked_customers
from segkit.core.disclosure import MINIMUM, check_minimum
from segkit.core.messages import counted
from segkit.create.segmentation import Segmentation
from segkit.show.report.report import report
from segkit.show.widgets.audience_builder import AudienceBuilder
from segkit.show.widgets.cluster_tuner import OFFERED, ClusterTuner
from segkit.show.widgets.feature_picker import FeaturePicker
from segkit.show.widgets.parts import WIDE, alert, code_line, note
from segkit.show.widgets.segment_cards import SegmentCards
from segkit.show.widgets.segment_explorer import SegmentExplorer
from segkit.show.widgets.stills import WithStill
from segkit.show.widgets.studio_bar import EXPORT, FEATURES, HOW_MANY, SEE, STEPS, StudioBar
from segkit.show.widgets.studio_fits import Fits
from segkit.tailor.plays.playbook import playbook

ERRORS = (ValueError, TypeError, ImportError, OSError)  # which say what to do
MAPPED = "result = result.with_embedding(sg.project(result))"
NO_CONTACTS = "Pass contacts= to choose whom to write to, and to write the file for your e-mail tool."


def in_turn(method: Callable[..., None]) -> Callable[..., None]:
    """Let the page and a running cell wait for each other: JupyterLab may answer a widget in another thread."""

    @functools.wraps(method)
    def waiting(self: SegmentStudio, *given: Any) -> None:
        with self._turn:
            method(self, *given)

    return waiting


class SegmentStudio(WithStill, w.VBox):
    """Make segments from end to end in one place; read back ``result`` and ``code``.

    Choose features, move the number of segments, and map and cards move together: on a sample while the slider moves,
    on everyone when it is let go. Names, edits, trust and the chosen segment are the same on the map and the cards. The
    widgets inside can be used alone too: ``picker``, ``tuner``, ``explorer``, ``cards``, ``builder``.

    Parameters
    ----------
    data : Events or DataFrame
        The log, of which features are chosen; or a table of customers, as for :func:`segkit.segment`.
    as_of, window, attributes, chosen : optional
        With events, as for :class:`segkit.FeaturePicker`.
    n_segments : int, optional
        The number at first; by default the one that :class:`segkit.ClusterTuner` suggests.
    method : str, default="kmeans"
        As for :class:`segkit.ClusterTuner`.
    k : iterable of int, default=range(2, 11)
        Numbers to choose from.
    value : str or Series, optional
        What each customer is worth, as for :class:`segkit.SegmentCards`.
    playbook : callable, optional
        What to do: called with the result, as :func:`segkit.playbook`. None shows nothing to do.
    contacts, consent, suppress : optional
        As for :class:`segkit.AudienceBuilder`.
    minimum : int, default=10
        Nothing is said of segments of fewer customers. 1 shows everything.
    random_state : int, default=0

    Attributes
    ----------
    result : Segmentation
        The segments of everyone, with names, edits and trust; set it to show others of the same customers.
    n_segments : int
    method : str
    step : str
        "Features", "How many", "Map and cards" or "Audience and export".
    customers : DataFrame
    code : str
        The same as Python, for the next cells; `events`, `attributes`, `customers` and `contacts` are the arguments.
    error : str
        Why something was refused, or "".

    Raises
    ------
    TypeError, ValueError
        As in the widgets inside.

    Notes
    -----
    A preview is of at most 2,000 customers, at equal steps by id. Names and edits belong to a number of segments:
    another number begins without them, and they are there again when one comes back.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> visits = [1, 2, 3] * 10 + [50, 51, 52] * 10 + [90, 91, 92] * 10
    >>> customers = pd.DataFrame({"frequency": visits}, index=[f"c{i:02}" for i in range(90)])
    >>> studio = sg.SegmentStudio(customers, n_segments=2)
    >>> studio.n_segments = 3
    >>> studio.result.labels.value_counts().to_list()
    [30, 30, 30]
    >>> print(studio.code)
    result = sg.segment(customers, n_segments=3, method='kmeans', random_state=0)
    result = result.with_embedding(sg.project(result))
    """

    result = t.Instance(Segmentation)
    n_segments = t.Int()
    method = t.Enum(OFFERED, "kmeans")
    step = t.Enum(STEPS, SEE)
    code = t.Unicode()
    error = t.Unicode()

    def __init__(
        self,
        data: Events | pd.DataFrame,
        *,
        as_of: str | pd.Timestamp | None = None,
        window: str | timedelta | None = None,
        attributes: Attributes | None = None,
        chosen: Iterable[str] | None = None,
        n_segments: int | None = None,
        method: str = "kmeans",
        k: Iterable[int] = range(2, 11),
        value: str | pd.Series | None = None,
        playbook: Callable[[Segmentation], pd.DataFrame] | None = playbook,
        contacts: pd.DataFrame | None = None,
        consent: pd.Series | pd.DataFrame | None = None,
        suppress: Iterable[object] | pd.Series | pd.DataFrame | None = None,
        minimum: int = MINIMUM,
        random_state: int = 0,
    ):
        check_minimum(minimum)
        if value is not None:
            check_type("value", value, (str, pd.Series), "It should be a feature, or a Series by customer.")
        self._minimum, self._random_state, self._k = minimum, random_state, tuple(k)
        self._of_cards: dict[str, Any] = {"value": value, "playbook": playbook}
        self._to_whom: dict[str, Any] = {"contacts": contacts, "consent": consent, "suppress": suppress}
        self._events = None if isinstance(data, pd.DataFrame) else data
        self.picker: FeaturePicker | None = None
        self.tuner: ClusterTuner | None
        if isinstance(data, pd.DataFrame):
            customers = checked_customers(data)
        else:
            self.picker = FeaturePicker(
                data, as_of=as_of, window=window, attributes=attributes, chosen=chosen
            )
            customers = self.picker.customers
        self._begin(Fits(customers, random_state))
        if n_segments is None:
            self.tuner = self._new_tuner(None, method)
            n_segments = self.tuner.n_segments
        first = self._fits.everyone(n_segments, method)
        self._lines[first] = []
        self._quiet, self._turn = True, threading.RLock()
        super().__init__(result=first, n_segments=n_segments, method=method)
        self._lay_out()
        self._quiet = False
        self._show_everyone()

    def _begin(self, fits: Fits) -> None:
        """Begin with customers of whom nothing is shown yet."""
        self._fits = fits
        self._features = "" if self.picker is None else self.picker.code
        self.tuner = None
        self.builder: AudienceBuilder | None = None
        self.explorer: SegmentExplorer | None = None
        self.cards: SegmentCards | None = None
        self._drawn_map = ""
        # The code of each result: known lines, or those of its parent and one of the map.
        self._lines: WeakKeyDictionary[Segmentation, list[str]] = WeakKeyDictionary()
        self._parents: WeakKeyDictionary[Segmentation, Segmentation] = WeakKeyDictionary()
        self._of_sample: tuple[SegmentExplorer, SegmentCards] | None = None

    def _lay_out(self) -> None:
        """Put the bar above one pane for each step, of which one is shown."""
        numbers = sorted({int(n) for n in self._k} | {self.n_segments})
        self.bar = StudioBar(
            numbers=numbers, at=self.n_segments, under=self.n_segments, drawn=self.n_segments
        )
        self._use = w.Button(
            description="Use these features", layout=w.Layout(width="auto", align_self="flex-start")
        )
        self._use.on_click(lambda _: self.use_features())
        self._file = w.Text(description="Report", placeholder="segments.html", layout=w.Layout(**WIDE))
        self._write = w.Button(description="Write the report", layout=w.Layout(width="auto"))
        self._write.on_click(self._on_report)
        self._wrote = w.HTML()
        self._panes = {step: w.VBox() for step in STEPS}
        given = w.HTML(note("The customers came as a table: its columns are the features."))
        self._panes[FEATURES].children = [given] if self.picker is None else [self.picker, self._use]
        self.children = [self.bar, *self._panes.values()]
        w.link((self, "step"), (self.bar, "step"))
        self.bar.observe(self._on_under, "under")
        self.bar.observe(self._on_let_go, "at")
        self.observe(self._on_step, "step")
        self.observe(self._on_choice, ["n_segments", "method"])
        self.observe(self._on_result, "result")
        self._on_step()

    def still(self) -> Markup:
        """Return the stills of the cards and of the code of the next cells."""
        assert self.cards is not None
        return self.cards.still_of_segments() + code_line(self.code)

    @property
    def customers(self) -> pd.DataFrame:
        """The customers that the segments are of."""
        return self._fits.customers

    @in_turn
    def use_features(self) -> None:
        """Make the segments anew from the features that are ticked; names and edits begin anew too."""
        if self.picker is None:
            return
        fits = Fits(self.picker.customers, self._random_state)
        try:
            with self._busy("Making segments from these features …"):
                made = fits.everyone(self.n_segments, self.method)
        except ERRORS as error:
            self._refuse(error)
            return
        for part in (self.explorer, self.cards, self.tuner, self.builder, *(self._of_sample or ())):
            if part is not None:
                part.close()
        self._begin(fits)
        with self._quietly():
            self.result = made
        self._lines[made] = []
        self._show_everyone()
        self._on_step()

    @t.validate("result")
    def _only_these_customers(self, proposal: t.Bunch) -> Segmentation:
        if not proposal["value"].customers.index.equals(self.customers.index):
            raise t.TraitError(
                "result holds other customers than the studio. Make a new one: SegmentStudio(customers)."
            )
        return proposal["value"]

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        """Let traits and widgets follow each other without being observed."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    @contextlib.contextmanager
    def _busy(self, doing: str) -> Iterator[None]:
        """Grey the panes while something is made."""
        self.bar.busy, self.error, self.bar.error = doing, "", ""
        try:
            yield
        finally:
            self.bar.busy = ""

    def _refuse(self, error: Exception) -> None:
        self.error = self.bar.error = str(error)

    @in_turn
    def _on_under(self, change: t.Bunch) -> None:
        """Show the number under the finger, at once."""
        if self._quiet:
            return
        number = change["new"]
        try:
            if number == self.n_segments:
                self._show_everyone()
            else:
                self._show_preview(number)
            self.error = self.bar.error = ""
        except ERRORS as error:
            self._refuse(error)
        finally:
            self.bar.drawn = number

    @in_turn
    def _on_let_go(self, change: t.Bunch) -> None:
        if not self._quiet:
            self.n_segments = change["new"]
            self._follow()  # where it was refused, and where nothing has changed

    @in_turn
    def _on_choice(self, change: t.Bunch) -> None:
        """Make the chosen segments of everyone; put back what cannot be."""
        if self._quiet:
            return
        try:
            with self._busy(
                f"Making {self.n_segments} segments of {counted(len(self.customers), 'customer')} …"
            ):
                made = self._fits.everyone(self.n_segments, self.method)
                self._lines.setdefault(made, [])
        except ERRORS as error:
            with self._quietly():
                self.set_trait(change["name"], change["old"])
            self._follow()
            self._refuse(error)
            return
        if made is self.result:
            self._show_everyone()
        self.result = made

    @in_turn
    def _on_result(self, change: t.Bunch) -> None:
        """Show the result on map and cards, wherever it came from."""
        if self._quiet:
            return
        result, before = self.result, change["old"]
        if result not in self._parents and result not in self._lines:
            self._lines[result] = [*self._lines.get(before, []), *_changed(before, result)]
        self._fits.keep(result, self.n_segments, self.method)
        self._show_everyone()
        if self.builder is not None:
            self.builder.close()
            self.builder = None
            self._on_step()

    def _show_everyone(self) -> None:
        """Show the result, and let map and cards tell of names and edits."""
        key = self._fits.map_key(self.method)
        with self._quietly():
            if self.explorer is None or self.cards is None or key != self._drawn_map:
                self._drawn_map, self._of_sample = key, None
                self.explorer = SegmentExplorer(self.result, minimum=self._minimum)
                self.cards = self._new_cards(self.result)
                self.explorer.observe(self._on_explorer, "result")
                self.explorer.observe(self._tell, "code")
                self.cards.observe(self._on_cards, "result")
                self.cards.observe(self._on_card, "chosen")
            else:
                self.explorer.result = self.cards.result = self.result
        self._panes[SEE].children = [self.explorer, self.cards, *(self._of_sample or ())]
        self._turn_to(sample=False)
        n = counted(len(self.customers), "customer")
        self.bar.said = f"{n} in {counted(len(self.result.segments), 'segment')}."
        self._follow()

    def _show_preview(self, n_segments: int) -> None:
        """Show another number of segments: of a sample, or of everyone where they are few."""
        made = self._fits.preview(n_segments, self.method)
        assert self.explorer is not None and self.cards is not None
        if self._of_sample is None or not self._of_sample[0].result.customers.index.equals(
            made.customers.index
        ):
            self._of_sample = (SegmentExplorer(made, minimum=self._minimum), self._new_cards(made))
            self._panes[SEE].children = [self.explorer, self.cards, *self._of_sample]
        else:
            for part in self._of_sample:
                part.result = made
        self._turn_to(sample=True)
        n, everyone = len(made.labels), counted(len(self.customers), "customer")
        of = everyone if n == len(self.customers) else f"A sample of {n:,} of {everyone}"
        self.bar.said = f"{of} in {counted(n_segments, 'segment')}: let go to take them."

    def _turn_to(self, *, sample: bool) -> None:
        """Show the map and cards of the sample, or those of everyone."""
        for parts, shown in (((self.explorer, self.cards), not sample), (self._of_sample or (), sample)):
            for part in parts:
                if part is not None:
                    part.layout.display = None if shown else "none"

    def _new_cards(self, result: Segmentation) -> SegmentCards:
        return SegmentCards(result, minimum=self._minimum, **self._of_cards)

    @in_turn
    def _on_explorer(self, change: t.Bunch) -> None:
        """Take over an edit from the map, or an earlier state; its code is written a moment later."""
        if self._quiet:
            return
        new = change["new"]
        if new not in self._lines:
            self._parents[new] = self.result
        at = self._fits.begun_as(new)
        if at is not None and at != (self.n_segments, self.method):
            with self._quietly():
                self.n_segments, self.method = at
        self.result = new

    @in_turn
    def _on_cards(self, change: t.Bunch) -> None:
        """Take over names and trust from the cards."""
        if self._quiet:
            return
        new, before = change["new"], self.result
        self._lines[new] = [*self._lines[before], *_changed(before, new)]
        self.result = new

    @in_turn
    def _on_card(self, change: t.Bunch) -> None:
        """Choose the customers of the chosen card on the map."""
        assert self.explorer is not None
        labels = self.result.labels
        self.explorer.chosen = [] if change["new"] is None else labels.index[labels == change["new"]].tolist()

    @in_turn
    def _on_step(self, _change: t.Bunch | None = None) -> None:
        """Show the pane of the step; what takes long is made when it is first looked at."""
        for step, pane in self._panes.items():
            pane.layout.display = None if step == self.step else "none"
        try:
            if self.step == HOW_MANY and self.tuner is None:
                with self._busy("Comparing numbers of segments …"):
                    self.tuner = self._new_tuner(self.n_segments, self.method)
            if self.step == EXPORT and self.builder is None and self._to_whom["contacts"] is not None:
                self.builder = AudienceBuilder(self.result, minimum=self._minimum, **self._to_whom)
                self.builder.observe(self._tell, "code")
        except ERRORS as error:
            self._refuse(error)
        self._panes[HOW_MANY].children = [] if self.tuner is None else [self.tuner]
        audience = [w.HTML(note(NO_CONTACTS))] if self.builder is None else [self.builder]
        self._panes[EXPORT].children = [*audience, w.HBox([self._file, self._write]), self._wrote]
        self._tell()

    def _new_tuner(self, n_segments: int | None, method: str) -> ClusterTuner:
        tuner = ClusterTuner(
            self.customers, k=self._k, n_segments=n_segments, method=method, random_state=self._random_state
        )
        tuner.observe(self._on_tuner, ["n_segments", "method"])
        return tuner

    @in_turn
    def _on_tuner(self, change: t.Bunch) -> None:
        if not self._quiet:
            self.set_trait(change["name"], change["new"])

    def _follow(self) -> None:
        """Let the slider, the tuner and the code stand where the studio stands."""
        with self._quietly():
            self.bar.at = self.bar.under = self.bar.drawn = self.n_segments
            if self.tuner is not None:
                self.tuner.method = self.method
                if self.n_segments != self.tuner.n_segments:
                    self.tuner.n_segments = self.n_segments
        self._tell()

    @in_turn
    def _on_report(self, _button: w.Button) -> None:
        path = self._file.value.strip() or self._file.placeholder
        try:
            with self._busy("Writing the report …"):
                written = report(self.result, path, events=self._events, minimum=self._minimum)
            self._wrote.value = note(f"Written: {written}.")
        except ERRORS as error:
            self._wrote.value = alert(error)

    @in_turn
    def _tell(self, _change: t.Bunch | None = None) -> None:
        if self.cards is None:  # not laid out yet
            return
        self.code = self.bar.code = self._written_code()

    def _written_code(self) -> str:
        assert self.explorer is not None and self.cards is not None
        lines = [self._features] if self._features else []
        lines += [
            f"result = sg.segment(customers, n_segments={self.n_segments}, method={self.method!r}, "
            f"random_state={self._random_state})",
            MAPPED,
        ]
        lines += self._edits()
        if self.builder is not None:
            lines.append(self.builder.code)
        return "\n".join(lines)

    def _edits(self) -> list[str]:
        """Return the lines that make the names, edits and trust of the result."""
        assert self.explorer is not None
        parent = self._parents.get(self.result)
        if parent is not None and self.explorer.result is self.result:
            edits = [line for line in self.explorer.code.splitlines() if line.startswith("result = ")]
            last = [line.replace("explorer.", "studio.explorer.") for line in edits if line != MAPPED][-1:]
            if last:  # none where the map was given this result again: what is known stands
                self._lines[self.result] = [*self._lines[parent], *last]
            return self._lines.get(self.result, self._lines[parent])
        return self._lines[self.result]


def _changed(before: Segmentation, now: Segmentation) -> list[str]:
    """Return the lines that make one result from another of the same customers: its names and its trust."""
    if not now.labels.equals(before.labels):
        return ["# result was set in Python"]
    names = {s: now.names.get(s, "") for s in now.segments if now.names.get(s) != before.names.get(s)}
    lines = [f"result = result.with_names({names!r})"] if names else []
    return lines + ["result = result.with_trust(sg.assess(result))"] * (
        now.assessment is not None and not names
    )
