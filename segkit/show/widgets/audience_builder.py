"""Widget to choose an audience: its segments, a hold-out, and the tool that reads the file."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import ipywidgets as w
import pandas as pd
import traitlets as t
from markupsafe import Markup

from segkit.core.checks import check_frame
from segkit.core.disclosure import MINIMUM, check_minimum, hidden_sizes
from segkit.core.html import html_table, render
from segkit.core.messages import choose_from, counted
from segkit.create.segmentation import Segmentation
from segkit.explain.names import shown_names
from segkit.methods.partition import Partition, labels_by_customer
from segkit.show.widgets.labelled_slider import LabelledSlider
from segkit.show.widgets.parts import WIDE, alert, code_line, note, offered, percents, scrolling
from segkit.show.widgets.stills import WithStill, shows_errors
from segkit.tailor.audiences.audience import HELD_OUT_REASON, NO_SEGMENT, Audience, audience
from segkit.tailor.audiences.audience_formats import FORMATS
from segkit.tailor.audiences.audience_sheet import AudienceSheet, audience_sheet
from segkit.tailor.audiences.contacts import CONTACTS, masked
from segkit.tailor.audiences.export_audience import export_audience
from segkit.tailor.experiments.arms import CONTROL, assign_arms

HOLDOUTS = percents(0, 50)
SHOWN = 5  # rows of the preview
PERSONAL = {*CONTACTS, "customer_id", "external_id_or_customer_id"} - {"country"}  # shown masked
ERRORS = (ValueError, TypeError, ImportError, OSError)  # which say what to do
PLACEHOLDER = "audience"  # the file in the code until one is typed
# A long name goes on in the next line, where ipywidgets would cut it off.
_SEGMENTS = """<b>Segments</b><style>
.segkit-tick, .segkit-tick * { height: auto !important; white-space: normal !important; line-height: 1.5 !important; }
</style>"""


class AudienceBuilder(WithStill, w.VBox):
    """Choose whom to contact and see who is refused; read back ``audience``, and write the file when you ask for it.

    The preview shows no whole address: "d***@g***.com". Nothing is written before the button is pressed.

    Parameters
    ----------
    result : Segmentation or Series
        As `by` in :func:`segkit.audience`.
    contacts : DataFrame
        As in :func:`segkit.audience`.
    consent, suppress : optional
        As in :func:`segkit.audience`.
    experiment : str, optional
        The name of the experiment that holds customers out. With a name, a tenth is held out at first.
    minimum : int, default=10
        The sizes of segments of fewer customers are not said. 1 says all.

    Attributes
    ----------
    segments : tuple of str or int
        Names of the chosen segments, or labels of the Series; at first all but −1 and "Undecided".
    holdout : float
        Share of the customers to hold out, in whole percents from 0 to 0.5.
    experiment : str
    to : str
        The tool, as in :func:`segkit.export_audience`.
    country_code : str
        The country of phones without one; two letters, or "".
    path : str
        The file to write.
    written : DataFrame or None
        What :func:`segkit.export_audience` returned last.
    code : str
        The same choice as Python.
    error : str
        Why the file cannot be written, or "".

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> labels = pd.Series({"a": "Regulars", "b": "Lapsing"})
    >>> people = pd.DataFrame({"customer_id": ["a", "b"], "email": ["ann@example.com", "bo@example.com"]})
    >>> builder = sg.AudienceBuilder(labels, people)
    >>> builder.segments = ["Regulars"]
    >>> builder.audience
    Audience(1 customer of 1 segment, 1 refused)
    >>> print(builder.code)
    audience = sg.audience(result, contacts, segments=['Regulars'])
    sg.export_audience(audience, 'audience', to='csv')
    """

    segments = t.Tuple()
    holdout = t.Float(0.0)
    experiment = t.Unicode()
    to = t.Enum(tuple(FORMATS), "csv")
    country_code = t.Unicode()
    path = t.Unicode()
    written = t.Instance(pd.DataFrame, allow_none=True)
    code = t.Unicode()
    error = t.Unicode()

    def __init__(
        self,
        result: Partition | pd.Series,
        contacts: pd.DataFrame,
        *,
        consent: pd.Series | pd.DataFrame | None = None,
        suppress: Iterable[object] | pd.Series | pd.DataFrame | None = None,
        experiment: str | None = None,
        minimum: int = MINIMUM,
    ):
        check_minimum(minimum)
        labels_by_customer(result, "result")
        check_frame("contacts", contacts, "It should be a DataFrame with customer_id, email and phone.")
        suppress = (
            list(suppress) if isinstance(suppress, Iterator) else suppress
        )  # it is read again and again
        self._tables = (result, contacts)
        self._rules: dict[str, Any] = {"consent": consent, "suppress": suppress}
        self._labels = result.labels if isinstance(result, Partition) else result
        self._offered = _segments(result, self._labels, minimum)
        self._made: tuple[object, Audience] | None = None
        self._ticks = {
            segment: w.Checkbox(description=text, indent=False, layout=w.Layout(**WIDE | {"width": "auto"}))
            for segment, text in self._offered.items()
        }
        self._shown, self._outcome, self._shown_code = w.HTML(), w.HTML(), w.HTML()
        super().__init__(
            segments=tuple(s for s in self._offered if s not in NO_SEGMENT),
            experiment=experiment or "",
            holdout=0.1 if experiment else 0.0,
        )
        self.children = self._controls()
        if self.segments:
            _ = self.audience  # a table that cannot be read is an error of the call
        self.observe(self._draw, ["segments", "holdout", "experiment", "to", "country_code", "path"])
        self._draw()

    def _controls(self) -> list[w.Widget]:
        """Return the controls, linked to the traits, and what is shown below them."""
        style = {"description_width": "90px"}
        typed = {"style": style, "layout": w.Layout(**WIDE), "continuous_update": False}
        controls = {
            "holdout": LabelledSlider("Hold out", HOLDOUTS, self.holdout),
            "experiment": w.Text(description="Experiment", placeholder="spring mail", **typed),
            "to": w.Dropdown(
                description="For",
                options=[(form.title, name) for name, form in FORMATS.items()],
                style=style,
                layout=w.Layout(**WIDE),
            ),
            "country_code": w.Text(description="Country", placeholder="US: of phones without one", **typed),
            "path": w.Text(description="File", placeholder="spring.csv", **typed),
        }
        for name, control in controls.items():
            w.link((self, name), (control, "value"))
        for tick in self._ticks.values():
            tick.add_class("segkit-tick")
            tick.observe(self._on_tick, "value")
        self._show_ticks()
        button = w.Button(description="Write the file", layout=w.Layout(margin="2px 2px 2px 98px"))
        button.on_click(self._write)
        *choices, file = controls.values()
        titled = w.HTML(_SEGMENTS)
        return [
            titled,
            *self._ticks.values(),
            *choices,
            self._shown,
            file,
            button,
            self._outcome,
            self._shown_code,
        ]

    @t.validate("segments")
    def _only_present(self, proposal: t.Bunch) -> tuple[object, ...]:
        result, chosen = self._tables[0], set()
        for asked in proposal["value"]:
            try:
                known = result.name_of(result.segment_id(asked)) if isinstance(result, Partition) else asked
            except ValueError as error:
                raise t.TraitError(str(error)) from error
            if known not in self._offered:
                raise t.TraitError(
                    f"There is no segment {asked!r}.{choose_from(asked, map(str, self._offered))}"
                )
            chosen.add(known)
        return tuple(s for s in self._offered if s in chosen)

    @t.validate("holdout")
    def _only_percents(self, proposal: t.Bunch) -> float:
        return offered("holdout", proposal["value"], HOLDOUTS)

    @t.observe("segments")
    def _show_ticks(self, _change: t.Bunch | None = None) -> None:
        for segment, tick in self._ticks.items():
            tick.value = segment in self.segments

    @shows_errors
    def _on_tick(self, change: t.Bunch) -> None:
        ticked = next(segment for segment, tick in self._ticks.items() if tick is change["owner"])
        others = {*self.segments} - {ticked}
        self.segments = (*others, ticked) if change["new"] else tuple(others)

    @property
    def arms(self) -> pd.Series | None:
        """The arm of each customer, from :func:`segkit.assign_arms`; None if nobody is held out."""
        if not self.holdout:
            return None
        if not self.experiment.strip():
            raise ValueError("Name the experiment: its name decides who is held out. Or hold out 0%.")
        return assign_arms(self._labels.index, experiment=self.experiment, shares=self._shares)

    @property
    def _shares(self) -> dict[str, float]:
        return {"treated": round(1 - self.holdout, 2), CONTROL: self.holdout}

    @property
    def audience(self) -> Audience:
        """The chosen audience, from :func:`segkit.audience`."""
        choice = (self.segments, self.holdout, self.holdout and self.experiment)
        if self._made is None or self._made[0] != choice:
            if not self.segments:
                raise ValueError("No segment is chosen. Tick one or more.")
            made = audience(*self._tables, segments=list(self.segments), arms=self.arms, **self._rules)
            self._made = choice, made
        return self._made[1]

    @property
    def _form(self) -> dict[str, Any]:
        """The arguments of the export."""
        country = self.country_code.strip()
        return {"to": self.to} | ({"country_code": country} if country else {})

    @shows_errors
    def _draw(self, _change: t.Bunch | None = None) -> None:
        code, self.error = self._written_code(), ""
        self._shown_code.value, self._outcome.value = code_line(code), ""
        self._shown.value = note("Counting …")
        told = []
        try:
            chosen = self.audience
            told.append(_table("Refused", chosen.refused))
            told = [_in_html(chosen, audience_sheet(chosen, **self._form))]
        except ERRORS as error:
            self.error = str(error)
            told.insert(0, alert(error))
        told.append(note(FORMATS[self.to].note))
        self._shown.value = Markup("<br>").join(part for part in told if part)
        self.code = code  # last: the still follows it

    @shows_errors
    def _write(self, _button: w.Button) -> None:
        """Write the file, and say so or why not."""
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                if not self.path.strip():
                    raise ValueError("Type the file to write first, such as spring.csv.")
                self.written = export_audience(self.audience, self.path.strip(), **self._form)
            except ERRORS as error:
                self.error = str(error)
                self._outcome.value = alert(error)
                return
        self.error = ""
        lines = [
            f"Written: {file}, {counted(rows, 'row')}."
            for file, rows in zip(self.written["file"], self.written["rows"], strict=True)
        ]
        lines += [str(warning.message) for warning in warned]
        self._outcome.value = render(
            '<div role="status">{% for line in lines %}<div>{{ line }}</div>{% endfor %}</div>', lines=lines
        )

    def _written_code(self) -> str:
        given = [f"segments={list(self.segments)!r}"]
        given += [f"{name}={name}" for name, rule in self._rules.items() if rule is not None]
        lines = []
        if self.holdout:
            ids = "result.labels.index" if isinstance(self._tables[0], Partition) else "result.index"
            lines.append(
                f"arms = sg.assign_arms({ids}, experiment={self.experiment!r}, shares={self._shares!r})"
            )
            given.append("arms=arms")
        form = ", ".join(f"{name}={value!r}" for name, value in self._form.items())
        lines += [
            f"audience = sg.audience(result, contacts, {', '.join(given)})",
            f"sg.export_audience(audience, {self.path.strip() or PLACEHOLDER!r}, {form})",
        ]
        return "\n".join(lines)


def _segments(result: Partition | pd.Series, labels: pd.Series, minimum: int) -> dict[Any, str]:
    """Return the segments that there are, each with its name, the suggested one too, and its size."""
    counts = labels.value_counts()
    present = sorted(labels.unique().tolist(), key=lambda s: (isinstance(s, str), s))
    keys = {s: result.name_of(s) if isinstance(result, Partition) else s for s in present}
    suggested = shown_names(result) if isinstance(result, Segmentation) else {}
    said = {}
    hidden = hidden_sizes(counts[present], minimum)
    for (segment, key), few in zip(keys.items(), hidden, strict=True):
        name = suggested.get(segment, key)
        size = f"{counted(int(counts[segment]), 'customer')} ({counts[segment] / len(labels):.0%})"
        size = "size hidden" if few else size
        said[key] = f"{key if name == key else f'{key}: {name}'}, {size}"
    return dict(sorted(said.items(), key=lambda item: item[0] in NO_SEGMENT))


def _in_html(chosen: Audience, sheet: AudienceSheet) -> Markup:
    """Return how many go out, who is refused for which reason, and the first rows of the file, masked."""
    is_held = chosen.refused["reason"] == HELD_OUT_REASON
    going, held = int(sheet.kept.sum()), int(chosen.refused.loc[is_held, "rows"].sum())
    refused = pd.concat([chosen.refused[~is_held], sheet.refused])
    counts = (
        f"Of {counted(chosen.rows_in, 'row')}: {counted(going, 'goes out', 'go out')}, "
        f"{counted(held, 'is held out', 'are held out')}, "
        f"{counted(int(refused['rows'].sum()), 'is refused', 'are refused')}."
    )
    cells = sheet.cells[sheet.kept].head(SHOWN).astype("str").fillna("")
    rows = [
        [
            masked(value) if source in PERSONAL else value
            for value, source in zip(row, sheet.sources, strict=True)
        ]
        for row in cells.itertuples(index=False)
    ]
    tables = [
        _table("Refused", refused),
        _table("Left empty or changed", pd.concat([chosen.emptied, sheet.changed])),
        scrolling(
            "First rows of the file, masked", html_table(sheet.headers, rows, text=range(len(rows[0])))
        ),
    ]
    return render("<b>{{ counts }}</b>", counts=counts) + Markup().join(tables)


def _table(title: str, reasons: pd.DataFrame) -> Markup:
    """Return a table of reasons, or nothing."""
    if not len(reasons):
        return Markup()
    rows = [(reason, f"{n:,}", example) for reason, n, example in reasons.itertuples(index=False)]
    return scrolling(title, html_table(["Reason", "Rows", "Example"], rows, text=(0, 2)))
