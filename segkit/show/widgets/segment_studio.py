"""Widget that holds the whole path: features, how many segments, map and cards, audience and export."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import ipywidgets as w
import pandas as pd
import traitlets as t
from markupsafe import Markup

from segkit.collect.attributes.attributes import Attributes
from segkit.collect.events import Events
from segkit.core.checks import check_type, checked_customers
from segkit.core.disclosure import MINIMUM, check_minimum
from segkit.core.messages import counted
from segkit.create.matching import names_that_stay
from segkit.create.segmentation import Segmentation
from segkit.show.widgets.audience_builder import AudienceBuilder
from segkit.show.widgets.background import LatestWork, in_turn
from segkit.show.widgets.cluster_tuner import OFFERED, ClusterTuner, offered_numbers
from segkit.show.widgets.explorer_edits import in_studio
from segkit.show.widgets.feature_picker import FeaturePicker
from segkit.show.widgets.parts import code_line, note, quietly
from segkit.show.widgets.segment_cards import SegmentCards
from segkit.show.widgets.segment_explorer import SegmentExplorer
from segkit.show.widgets.stills import WithStill, shows_errors
from segkit.show.widgets.studio_bar import EXPORT, FEATURES, HOW_MANY, SEE, STEPS, StudioBar
from segkit.show.widgets.studio_code import lines_between, names_left_out, names_line, pins_left_out
from segkit.show.widgets.studio_fits import Fits, FitsByFeatures
from segkit.show.widgets.studio_panes import ERRORS, Export, Shown
from segkit.show.widgets.studio_results import StudioResults
from segkit.tailor.plays.playbook import playbook

PREVIEW = "This is a preview of a sample. Take it first, then name and edit the segments of everyone."


class SegmentStudio(WithStill, w.VBox):
    """Make segments from end to end in one place; read back ``result`` and ``code``.

    Tick features, move the number of segments, and map and cards move together: on a sample while you try, on everyone
    when the slider is let go, or the features are used. Names, edits, trust and the chosen segment are the same on the
    map and the cards. The widgets inside can be used alone too: ``picker``, ``tuner``, ``explorer``, ``cards``,
    ``builder``. Ctrl+Z undoes, and Ctrl+Shift+Z redoes: choices on the map, edits, names, numbers and features.

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
        Groups that were chosen by hand are taken from ``explorer.groups``, and last as long as Python runs.
    error : str
        Why something was refused, or "".

    Raises
    ------
    TypeError, ValueError
        As in the widgets inside.

    Notes
    -----
    A preview is of at most 2,000 customers, at equal steps by id.

    A name stays where its segment does: where other features, another number or another method leave half of its
    customers or more together, and no larger segment joins them. The studio says which names do not stay. Edits belong
    to the features, number and method that they were made of, and are there again when one comes back to these. Pinned
    segments keep their customers with any number, by the same features; the number counts them.

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
        self._minimum, self._random_state, self._k = minimum, random_state, offered_numbers(k)
        self.picker: FeaturePicker | None = None
        self.tuner: ClusterTuner | None = None
        if isinstance(data, pd.DataFrame):
            self._fits = FitsByFeatures(checked_customers(data), random_state)
        else:
            self.picker = FeaturePicker(
                data, as_of=as_of, window=window, attributes=attributes, chosen=chosen
            )
            self._fits = FitsByFeatures(self.picker, random_state)
        self._trials = LatestWork()
        self._results = StudioResults(self._fits, random_state)
        self._quiet, self._turn = True, threading.RLock()
        if n_segments is None:
            self.tuner = self._new_tuner(None, method)
            n_segments = self.tuner.n_segments
        first = self._fits.present.everyone(n_segments, method)
        self._results.begin(first, n_segments, method)
        self._shown = Shown(
            first,
            self._on_edit,
            self._on_sample_edit,
            minimum=minimum,
            of_cards={"value": value, "playbook": playbook},
        )
        to_whom = {"contacts": contacts, "consent": consent, "suppress": suppress}
        events = None if isinstance(data, pd.DataFrame) else data
        self._export = Export(events, to_whom, minimum, self._tell)
        super().__init__(result=first, n_segments=n_segments, method=method)
        self._lay_out()
        self._quiet = False
        self._show_everyone()

    def _lay_out(self) -> None:
        """Put the bar above one pane for each step; features are chosen beside map and cards."""
        numbers = sorted({*self._k, self.n_segments})
        self.bar = StudioBar(
            numbers=numbers, at=self.n_segments, under=self.n_segments, drawn=self.n_segments
        )
        self._use = w.Button(
            description="Use these features", layout=w.Layout(width="auto", align_self="flex-start")
        )
        self._use.on_click(lambda _: self.use_features())
        given = w.HTML(note("The customers came as a table: its columns are the features."))
        self._panes: dict[str, w.VBox] = {
            FEATURES: w.VBox([given] if self.picker is None else [self._use, self.picker]),
            HOW_MANY: w.VBox(),
            SEE: self._shown,
            EXPORT: self._export,
        }
        for pane in self._panes.values():
            pane.layout.flex, pane.layout.min_width = "1 1 520px", "0"
        self._panes[FEATURES].layout.padding = "0 4px"  # the list of features is that much wider
        side_by_side = w.Layout(flex_flow="row wrap", align_items="flex-start", grid_gap="0 20px")
        self.children = [self.bar, w.Box(list(self._panes.values()), layout=side_by_side)]
        self.add_class("segkit-studio")
        w.link((self, "step"), (self.bar, "step"))
        self.bar.observe(self._on_under, "under")
        self.bar.observe(self._on_let_go, "at")
        self.bar.on_msg(self._on_key)
        self.observe(self._on_step, "step")
        self.observe(self._on_choice, ["n_segments", "method"])
        self.observe(self._on_result, "result")
        if self.picker is not None:
            self.picker.observe(self._on_ticks, "value")
        self._on_step()

    def still(self) -> Markup:
        """Return the stills of the cards and of the code of the next cells."""
        return self.cards.still_of_segments() + code_line(self.code)

    @property
    def explorer(self) -> SegmentExplorer:
        """The map of everyone."""
        return self._shown.everyone.explorer

    @property
    def cards(self) -> SegmentCards:
        """The cards of everyone."""
        return self._shown.everyone.cards

    @property
    def customers(self) -> pd.DataFrame:
        """The customers that the segments are of."""
        return self._fits.present.customers

    @property
    def builder(self) -> AudienceBuilder | None:
        """Whom to write to; None until it is looked at, and without contacts."""
        return self._export.builder

    @property
    def _trying(self) -> bool:
        """Whether other features are looked at than those that are used."""
        return self.step == FEATURES and self._fits.of_ticked is not self._fits.present

    def use_features(self) -> None:
        """Make the segments anew from the features that are ticked; names stay where their segments do."""
        if self.picker is not None:
            self._use_features()

    @in_turn
    @shows_errors
    def _use_features(self) -> None:
        fits = self._fits.of_ticked
        try:
            with self._busy("Making segments from these features …"):
                made = fits.everyone(self.n_segments, self.method)
        except ERRORS as error:
            self._refuse(error)
            return
        self._go_on_with(fits)
        self._take(made)

    def _go_on_with(self, fits: Fits) -> None:
        """Go on with the segmentations by these features; a tuner of others, or without the number, is closed."""
        if self.tuner is not None and (
            fits is not self._fits.present or self.n_segments not in self.tuner.numbers
        ):
            self.tuner.close()
            self.tuner = None
        self._fits.use(fits)

    def _take(self, made: Segmentation) -> None:
        """Show other segments of everyone, under the names of those that stay."""
        before = self.result
        names = names_that_stay(before, made)
        self._results.begin(made, self.n_segments, self.method)
        if names:
            bare, made = made, made.with_names(names)
            self._results.lines.add(made, bare, [names_line(names)])
        self.result = made
        self._on_step()
        if not self._trying:
            lost = (names_left_out(before, made), pins_left_out(before, made))
            self.bar.said = " ".join(filter(None, (self.bar.said, *lost)))

    @t.validate("result")
    def _only_these_customers(self, proposal: t.Bunch) -> Segmentation:
        if not proposal["value"].customers.index.equals(self.customers.index):
            raise t.TraitError(
                "result holds other customers than the studio. Make a new one: SegmentStudio(customers)."
            )
        return proposal["value"]

    @contextlib.contextmanager
    def _busy(self, doing: str) -> Iterator[None]:
        """Grey the panes while something is made."""
        self.bar.busy, self.error, self.bar.error = doing, "", ""
        try:
            yield
        finally:
            self.bar.busy = ""

    def _refuse(self, error: Exception | str) -> None:
        self.error = self.bar.error = str(error)

    @in_turn
    @shows_errors
    def _on_ticks(self, _change: t.Bunch) -> None:
        """Try the ticked features on the sample; where one ticks on meanwhile, only the last of them."""
        if not self._quiet:
            self._try_features()

    def _try_features(self) -> None:
        self._trials.cancel()
        if not self._trying:
            self._show_everyone()
            return
        fits, at = self._fits.of_ticked, (self.n_segments, self.method)
        self.bar.said = f"Trying {counted(len(self._fits.ticked), 'feature')} on a sample …"
        self._trials.begin(lambda: fits.preview(*at), done=self._show_tried, failed=self._on_failed)

    @in_turn
    @shows_errors
    def _show_tried(self, made: Segmentation) -> None:
        self.error = self.bar.error = ""
        self._show_sample(made)

    @in_turn
    def _on_failed(self, error: Exception) -> None:
        self._show_everyone()
        self._refuse(error)

    @in_turn
    @shows_errors
    def _on_under(self, change: t.Bunch) -> None:
        """Show the number under the finger, at once."""
        if self._quiet:
            return
        number = change["new"]
        try:
            if number == self.n_segments and not self._trying:
                self._show_everyone()
            else:
                self._show_sample(self._preview(number))
            self.error = self.bar.error = ""
        except ERRORS as error:
            self._refuse(error)
        finally:
            self.bar.drawn = number

    @in_turn
    @shows_errors
    def _on_let_go(self, change: t.Bunch) -> None:
        if not self._quiet:
            self.n_segments = change["new"]
            self._follow()  # where it was refused, and where nothing has changed

    @in_turn
    @shows_errors
    def _on_choice(self, change: t.Bunch) -> None:
        """Make the chosen segments of everyone; put back what cannot be."""
        if self._quiet:
            return
        try:
            with self._busy(
                f"Making {self.n_segments} segments of {counted(len(self.customers), 'customer')} …"
            ):
                made = self._results.after(self.result, self.n_segments, self.method)
        except ERRORS as error:
            with quietly(self):
                self.set_trait(change["name"], change["old"])
            self._show_everyone()
            self._refuse(error)
            return
        self._go_on_with(self._fits.present)
        self._take(made)

    @in_turn
    @shows_errors
    def _on_result(self, change: t.Bunch) -> None:
        """Show the result on map and cards, wherever it came from."""
        if self._quiet:
            return
        result, before = self.result, change["old"]
        self._results.lines.add(result, before, lines_between(before, result))
        if not result.provenance.get("pinned"):  # pins hold for other numbers too, as long as they are there
            self._fits.present.keep(result, self.n_segments, self.method)
        self._show_everyone()
        self._export.forget()
        if self.step == EXPORT:
            self._on_step()

    def _show_everyone(self) -> None:
        """Show the result on map and cards."""
        self._shown.show_everyone(self.result)
        n = counted(len(self.customers), "customer")
        self.bar.said = f"{n} in {counted(len(self.result.segments), 'segment')}."
        self._follow()

    def _show_sample(self, made: Segmentation) -> None:
        """Show other segments: of a sample, or of everyone where they are few."""
        names = names_that_stay(self.result, made)
        self._shown.show_sample(made.with_names(names) if names else made)
        n, everyone = len(made.labels), counted(len(self.customers), "customer")
        of = everyone if n == len(self.customers) else f"A sample of {n:,} of {everyone}"
        said = f"{of} in {counted(len(made.segments), 'segment')}"
        by = counted(len(self._fits.ticked), "feature")
        use = f" by {by}: press “{self._use.description}” to take them."
        self.bar.said = said + (use if self._trying else ": let go to take them.")

    def _preview(self, number: int) -> Segmentation:
        """Return this number of segments of the sample; those that are pinned stay, unless features are tried."""
        if self._trying:
            return self._fits.of_ticked.preview(number, self.method)
        return self._results.preview_after(self.result, number, self.method)

    @in_turn
    @shows_errors
    def _on_edit(self, new: Segmentation, lines: list[str]) -> None:
        """Take over an edit from map or cards, or an earlier state that was undone."""
        self._results.lines.add(new, self.result, [in_studio(line) for line in lines])
        began = self._fits.begun_as(new)
        if began is not None:
            fits, ticked, n_segments, method = began
            with quietly(self):
                self.n_segments, self.method = n_segments, method
                if fits is not self._fits.present and self.picker is not None:
                    self.picker.value = list(ticked)
            self._go_on_with(fits)
        self.result = new
        self._on_step()

    @in_turn
    def _on_sample_edit(self, _new: Segmentation, _lines: list[str]) -> None:
        """Put the preview back: what is done to it would be lost."""
        self._show_sample(self._preview(self.bar.under))
        self._refuse(PREVIEW)

    @in_turn
    @shows_errors
    def _on_key(self, _bar: w.Widget, asked: dict[str, Any], _buffers: Any) -> None:
        """Undo or redo by Ctrl+Z, anywhere in the studio."""
        self.explorer.wanted = asked

    @in_turn
    @shows_errors
    def _on_step(self, _change: t.Bunch | None = None) -> None:
        """Show the pane of the step; what takes long is made when it is first looked at."""
        for step, pane in self._panes.items():
            beside = step == SEE and self.step == FEATURES
            pane.layout.display = None if step == self.step or beside else "none"
        try:
            if self.step == HOW_MANY and self.tuner is None:
                with self._busy("Comparing numbers of segments …"):
                    self.tuner = self._new_tuner(self.n_segments, self.method)
            if self.step == EXPORT:
                self._export.show(self.result)
        except ERRORS as error:
            self._refuse(error)
        self._panes[HOW_MANY].children = [] if self.tuner is None else [self.tuner]
        self._try_features()

    def _new_tuner(self, n_segments: int | None, method: str) -> ClusterTuner:
        numbers = self._k if n_segments is None else [*self._k, n_segments]
        tuner = ClusterTuner(
            self.customers, k=numbers, n_segments=n_segments, method=method, random_state=self._random_state
        )
        tuner.observe(self._on_tuner, ["n_segments", "method"])
        return tuner

    @in_turn
    @shows_errors
    def _on_tuner(self, change: t.Bunch) -> None:
        if not self._quiet:
            self.set_trait(change["name"], change["new"])

    def _follow(self) -> None:
        """Let the slider, the tuner and the code stand where the studio stands."""
        with quietly(self):
            self.bar.numbers = sorted({*self.bar.numbers, self.n_segments})
            self.bar.at = self.bar.under = self.bar.drawn = self.n_segments
            if self.tuner is not None:
                self.tuner.method = self.method
                if self.n_segments != self.tuner.n_segments:
                    self.tuner.n_segments = self.n_segments
        self._tell()

    @in_turn
    def _tell(self, _change: t.Bunch | None = None) -> None:
        self.code = self.bar.code = self._written_code()

    def _written_code(self) -> str:
        lines = [code] if (code := self._fits.present.code) else []
        lines += self._results.lines.of(self.result)
        if self.builder is not None:
            lines.append(self.builder.code)
        return "\n".join(lines)
