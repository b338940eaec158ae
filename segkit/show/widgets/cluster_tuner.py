"""Widget to choose the number of segments and the method."""

from __future__ import annotations

import html
import operator
import threading
from collections.abc import Callable, Iterable

import ipywidgets as w
import pandas as pd
import traitlets as t
from sklearn.base import BaseEstimator

from segkit.core.checks import checked_customers
from segkit.core.disclosure import MINIMUM, is_few
from segkit.core.html import html_table
from segkit.core.messages import counted, joined
from segkit.core.order import by_id
from segkit.create.recommend_method import Recommendation, recommended
from segkit.create.segment import segment
from segkit.create.segmentation import Segmentation
from segkit.methods.fitting import FIND_THE_NUMBER, METHODS, make_model, n_different
from segkit.show.plots.scan import plot_scan, scan_numbers
from segkit.show.widgets.background import BackgroundWork
from segkit.show.widgets.labelled_slider import LabelledSlider
from segkit.show.widgets.parts import WIDE, ChartView, alert, code_line, folded, note
from segkit.show.widgets.stills import WithStill, shows_errors
from segkit.trust.scan import defensible_k, scan_clusters, suggested_k, suggestion
from segkit.trust.structure import remembered_test

LABELS = {
    "kmeans": "k-means: round groups",
    "gaussian_mixture": "Gaussian mixture: stretched groups",
    "mini_batch_kmeans": "k-means on batches: quicker",
    "bisecting_kmeans": "bisecting k-means: many round groups",
    "mixed_mixture": "Mixed mixture: words, overlapping groups",
    "parts": "parts of behaviour: what counts and amounts are a mix of",
    "ward": "Ward: nested groups",
    "average": "average linkage: compact groups of unequal size",
    "robust_linkage": "robust linkage: groups of any form",
    "spectral": "spectral: groups of any form, linked by near customers",
}
LOOK = (
    "<style>.segkit-old { opacity: 0.35; filter: grayscale(1); } "
    ".segkit-tuner .widget-html-content { line-height: 1.5; }</style>"
)
_BADGE = (
    '<span style="border: 1px solid var(--jp-border-color2, #bbb); border-radius: 9px; padding: 1px 8px; '
    'font-size: 12px">{}</span> <span style="color: var(--jp-ui-font-color2)">{}</span>'
)
HIDDEN = ("poor", "impossible")  # how methods suit that are not in the list
OFFERED = tuple(m for m in METHODS if m not in FIND_THE_NUMBER)


class ClusterTuner(WithStill, w.VBox):
    """Choose the number of segments and the method; read back ``n_segments``, ``method``, ``model`` or ``result``.

    The list holds the methods that suit these customers, the recommended one first. Those that do not are named below
    with the reason, and can still be set: ``tuner.method = "spectral"``.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        As for :func:`segkit.segment`.
    k : iterable of int, default=range(2, 11)
        Numbers to choose from, without those that these customers cannot be divided into.
    n_segments : int, optional
        The number at first; by default the suggested one: see :func:`segkit.trust.scan.suggested_k`.
    method : str, optional
        The method at first, one of those of :func:`segkit.segment` that take a number of segments; by default the
        recommended one.
    random_state : int, default=0

    Attributes
    ----------
    n_segments : int
    method : str
    scan : DataFrame
        The result of :func:`segkit.scan_clusters`.
    advice : Recommendation
        The result of :func:`segkit.recommend_method`.
    code : str
        The same choice as Python.
    badge : str
        The kind of the chosen segments in two words; "" until it is known.

    Notes
    -----
    A method chosen in the list is tried beside the kernel's other work: the old picture is grey meanwhile, and "Cancel"
    keeps it. Set in Python, it is tried at once.
    """

    n_segments = t.Int()
    method = t.Enum(OFFERED)
    scan = t.Instance(pd.DataFrame)
    code = t.Unicode()
    error = t.Unicode()
    badge = t.Unicode()
    still_of = ("code", "badge")
    children: tuple[w.Widget, ...]

    def __init__(
        self,
        customers: pd.DataFrame,
        *,
        k: Iterable[int] = range(2, 11),
        n_segments: int | None = None,
        method: str | None = None,
        random_state: int = 0,
    ):
        self._customers, self._random_state = customers, random_state
        self._k = _possible(customers, k)
        self.advice = recommended(checked_customers(customers))
        self._scans: dict[str, pd.DataFrame] = {}
        self._results: dict[tuple[str, int], Segmentation] = {}
        self._trying: BackgroundWork | None = None
        self._judging: BackgroundWork | None = None
        self._one_at_a_time = threading.Lock()
        method = self._recommended() if method is None else method
        scan = self._scan_with(method)
        start = suggested_k(scan) if n_segments is None else self._offered(n_segments)
        self._slider = LabelledSlider("Segments", [(str(k), k) for k in self._k], start)
        self._choice = w.Dropdown(
            options=self._methods(method), value=method, description="Method", layout=w.Layout(**WIDE)
        )
        self._choice.observe(self._on_choice, "value")
        self._chart = ChartView(chart=plot_scan(scan, chosen=self._slider.value))
        self._note, self._badge, self._numbers, self._shown_code = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        self._picture = w.VBox([self._badge, self._note, self._chart, self._numbers, self._shown_code])
        self._bar = w.IntProgress(max=len(self._k), layout=w.Layout(width="260px"))
        cancel = w.Button(description="Cancel", tooltip="Keep the old picture")
        cancel.on_click(lambda _: self._keep())
        self._busy_note = w.HTML()
        self._busy = w.HBox([self._busy_note, self._bar, cancel], layout=w.Layout(flex_flow="row wrap"))
        controls = w.HBox([self._slider, self._choice], layout=w.Layout(flex_flow="row wrap"))
        super().__init__(
            [controls, w.HTML(_in_html(self.advice) + LOOK), self._picture],
            n_segments=self._slider.value, method=method, scan=scan,
        )  # fmt: skip
        self.add_class("segkit-tuner")
        w.link((self, "n_segments"), (self._slider, "value"))
        self.observe(self._on_method, "method")
        self.observe(self._on_number, "n_segments")
        self._tell()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of segments to choose from."""
        return self._k

    @t.validate("n_segments")
    def _only_possible(self, proposal: t.Bunch) -> int:
        return self._offered(proposal["value"])

    @t.validate("method")
    def _only_usable(self, proposal: t.Bunch) -> str:
        try:
            self._scan_with(proposal["value"])
        except ValueError as error:
            raise t.TraitError(str(error)) from error
        return proposal["value"]

    @shows_errors
    def _on_method(self, change: t.Bunch) -> None:
        self._end_trying()
        self.scan, self.error = self._scan_with(change["new"]), ""
        self._choice.unobserve(self._on_choice, "value")  # new options choose the first of them
        self._choice.options = self._methods(change["new"])
        self._choice.value = change["new"]
        self._choice.observe(self._on_choice, "value")
        self._draw()

    @shows_errors
    def _on_number(self, _change: t.Bunch) -> None:
        self.error = ""
        self._draw()

    @shows_errors
    def _on_choice(self, change: t.Bunch) -> None:
        """Try the method chosen in the list, or show why it cannot be used and put the list back."""
        method = change["new"]
        self._end_trying()
        if method == self.method:
            return
        if method in self._scans:
            self.method = method
            return
        try:
            make_model(method, self._k[0], self._customers, self._random_state)
        except ValueError as error:
            self._refuse(error)
            return
        self._step(0)
        self._picture.add_class("segkit-old")
        at = self.children.index(self._picture)
        self.children = (*self.children[:at], self._busy, *self.children[at:])
        self._trying = BackgroundWork(
            lambda work: self._scan_of(method, work.steps),
            done=lambda scan: self._take(method, scan),
            failed=self._refuse,
            step=self._step,
        )

    def _step(self, done: int) -> None:
        """Say how far the trial is; screen readers say it, too."""
        self._bar.value = done
        said = note(f"Trying {self._k[0]} to {self._k[-1]} segments: {done} of {len(self._k)} done")
        self._busy_note.value = f'<span role="status">{said}</span>'

    @shows_errors
    def _take(self, method: str, scan: pd.DataFrame) -> None:
        self._scans[method] = scan
        self.method = method

    @shows_errors
    def _refuse(self, error: Exception) -> None:
        """Say why a method cannot be used, and put the list back."""
        self._keep()
        self.error = str(error)
        self._tell()

    def _keep(self) -> None:
        """Stop trying a method, and keep the old picture."""
        self._end_trying()
        self._choice.value = self.method

    def _end_trying(self) -> None:
        if self._trying is not None:
            self._trying.cancel()
            self._trying = None
        self._picture.remove_class("segkit-old")
        self.children = tuple(child for child in self.children if child is not self._busy)

    def _recommended(self) -> str:
        """Return the recommended method, of those that take a number of segments."""
        return next(m for m in self.advice.table.index if m in OFFERED)

    def _methods(self, chosen: str) -> list[tuple[str, str]]:
        """Return the methods of the list with what they are good for, the best first; the chosen one in any case."""
        suits = self.advice.table["suits"]
        shown = [m for m in suits.index if m in OFFERED and (suits[m] not in HIDDEN or m == chosen)]
        marks = {"recommended": " (recommended)", "poor": " (not suited)"}
        return [(LABELS[m] + marks.get(suits[m], ""), m) for m in shown]

    def _offered(self, n_segments: int) -> int:
        if n_segments not in self._k:
            raise t.TraitError(f"n_segments={n_segments} is not offered. Choose from {list(self._k)}.")
        return n_segments

    def _scan_with(self, method: str) -> pd.DataFrame:
        if method not in self._scans:
            # The scan may use a sample: check first that the method can handle everyone.
            make_model(method, self._k[0], self._customers, self._random_state)
            self._scans[method] = self._scan_of(method, True)
        return self._scans[method]

    def _scan_of(self, method: str, progress: bool | Callable[[list[int]], Iterable[int]]) -> pd.DataFrame:
        seed = self._random_state
        return scan_clusters(self._customers, k=self._k, method=method, random_state=seed, progress=progress)

    def _draw(self) -> None:
        self._chart.chart = plot_scan(self.scan, chosen=self.n_segments)
        self._tell()

    def _tell(self) -> None:
        """Say what the chosen number means, and show its code."""
        at, n = self.scan.loc[self.n_segments], self.scan.attrs["segkit"]["looked_at"]
        share = f"{at['smallest']:.1%}"
        if is_few(round(at["smallest"] * n), MINIMUM):
            share = f"fewer than {MINIMUM}"
        self._note.value = (
            alert(self.error)
            if self.error
            else note(
                f"With {self.n_segments} segments: refitted on resampled customers they agree by {at['stability']:.2f} "
                f"(adjusted Rand index; 1 is the same); the smallest segment holds {share} "
                f"of the customers. {self._why()}"
            )
        )
        code = (
            f"result = sg.segment(customers, n_segments={self.n_segments}, method={self.method!r}, "
            f"random_state={self._random_state})"
        )
        head, rows = scan_numbers(self.scan)
        self._numbers.value = folded("The numbers of the charts", html_table(head, rows))
        self._shown_code.value = code_line(code)
        self._judge()
        self.code = code  # last: the still follows it

    def _why(self) -> str:
        """Say which number is suggested and why, which others hold, and the answer of the structure test."""
        suggested, why = suggestion(self.scan)
        others = [str(k) for k in defensible_k(self.scan) if k != suggested]
        hold = f" Others that can be defended: {joined(others)}." if others else ""
        test, _ = remembered_test(by_id(self._customers))
        return f"Suggested: {suggested}, {why}.{hold} {test.sentence}"

    def _judge(self) -> None:
        """Show the kind of the chosen segments, once it is known."""
        if self._judging is not None:
            self._judging.cancel()
        chosen = (self.method, self.n_segments)
        if chosen in self._results:
            self._show_kind(self._results[chosen])
            return
        self._badge.value, self.badge = _BADGE.format("Kind …", "being measured"), ""
        self._judging = BackgroundWork(
            lambda work: self._judged(work, chosen), done=self._show_kind, failed=self._say_unknown
        )

    def _judged(self, work: BackgroundWork, chosen: tuple[str, int]) -> Segmentation:
        """Make segments one choice after the other: those passed over meanwhile are not made."""
        with self._one_at_a_time:
            return next(self._segmented(*chosen) for _ in work.steps([chosen]))

    @shows_errors
    def _show_kind(self, result: Segmentation) -> None:
        self._results[self.method, self.n_segments] = result
        self._badge.value = _BADGE.format(html.escape(result.badge), html.escape(result.kind_sentence))
        self.badge = result.badge  # last: the still follows it

    def _say_unknown(self, error: Exception) -> None:
        self._badge.value = str(alert(error))

    def _segmented(self, method: str, n_segments: int) -> Segmentation:
        return segment(self._customers, n_segments=n_segments, method=method, random_state=self._random_state)

    @property
    def model(self) -> BaseEstimator:
        """The chosen pipeline, not fitted: preparer and clusterer."""
        return make_model(self.method, self.n_segments, self._customers, self._random_state)

    @property
    def result(self) -> Segmentation:
        """The chosen segmentation, from :func:`segkit.segment`."""
        chosen = (self.method, self.n_segments)
        if chosen not in self._results:
            self._results[chosen] = self._segmented(*chosen)
        return self._results[chosen]


def offered_numbers(k: Iterable[int]) -> list[int]:
    """Return the numbers of segments to choose from, in order; fewer than 2 are none.

    Raises
    ------
    TypeError
        If they are not whole numbers.
    ValueError
        If there are none.

    Examples
    --------
    >>> offered_numbers(range(1, 4))
    [2, 3]
    """
    try:
        numbers = sorted({operator.index(n) for n in k})
    except TypeError as error:
        raise TypeError(f"k={k!r} should be whole numbers to choose from, such as range(2, 11).") from error
    if not (numbers := [n for n in numbers if n >= 2]):
        raise ValueError(f"k={k!r} offers no number of segments, 2 or more. Say range(2, 11).")
    return numbers


def _possible(customers: pd.DataFrame, k: Iterable[int]) -> tuple[int, ...]:
    """Return the numbers of segments for which there are enough different customers."""
    wanted = offered_numbers(k)
    different = n_different(checked_customers(customers), wanted[-1])
    possible = tuple(n for n in wanted if n <= different)
    if not possible:
        raise ValueError(
            f"k offers {wanted}, and only {counted(different, 'customer differs', 'customers differ')} in these "
            "features. Offer 2 or more, and no more than there are customers; choose features that vary."
        )
    return possible


def _in_html(advice: Recommendation) -> str:
    """Return the recommendation, and under a fold the methods that are not in the list and why."""
    hidden = [f"{LABELS[m].partition(':')[0]}: {why}" for m, why in advice.ruled_out.items() if m in OFFERED]
    shown = note(f"Recommended: {LABELS[advice.method].partition(':')[0]}. {advice.reason}")
    if not hidden:
        return shown
    items = "".join(f"<li>{html.escape(line)}</li>" for line in hidden)
    title = note("Methods that do not suit these customers")
    return f"{shown}<details><summary>{title}</summary><ul>{items}</ul></details>"
