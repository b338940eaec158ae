"""Parts that widgets share: names and colours of segments, sliders of shares; notes, errors and code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import ipywidgets as w
import traitlets as t
from markupsafe import Markup

from segkit.core.html import render
from segkit.create.segmentation import Segmentation
from segkit.explain.names import SUGGESTED, shown_names
from segkit.show.plots.theme import segment_colors, vega_bundle

WIDE = {"width": "420px", "max_width": "calc(100% - 4px)"}
"""How wide a control is, and no wider than a narrow screen: beside its margins."""

STYLE = Path(__file__).with_name("widgets.css")
"""The look of all widgets."""

# As wide as the widget, whatever the table holds: the table scrolls in it.
_SCROLLS = """
<div style="width: 0; min-width: 100%; overflow-x: auto; text-align: right; line-height: 1.5" tabindex="0" role="region"
 aria-label="{{ title }}">{{ table }}</div>
"""
_APART = '<table style="border-spacing: 14px 2px; margin: 0 -14px">'


def script(*names: str) -> str:
    """Return the module of a widget's view: the shared parts, then these files beside this one.

    Examples
    --------
    >>> "function element(" in script("scatter")
    True
    """
    return "\n".join(Path(__file__).with_name(f"{name}.js").read_text("utf-8") for name in ("parts", *names))


class ChartView(w.Output):
    """A chart inside a widget, drawn by Jupyter's own Vega; set ``chart`` to draw another."""

    chart = t.Instance(alt.TopLevelMixin)

    @t.observe("chart")
    def _draw(self, change: t.Bunch) -> None:
        data, how = vega_bundle(change["new"].to_dict())
        self.outputs = ({"output_type": "display_data", "data": data, "metadata": how},)


@contextlib.contextmanager
def quietly(widget: Any) -> Iterator[None]:
    """Let traits of a widget follow each other: observers look at ``_quiet`` of it, and do nothing meanwhile."""
    before, widget._quiet = widget._quiet, True
    try:
        yield
    finally:
        widget._quiet = before


def described_segments(result: Segmentation, order: Sequence[int]) -> list[dict[str, str]]:
    """Return each segment as it is shown: its name, with its place in Python where that is a suggested one."""
    shown = shown_names(result)
    names = [result.name_of(s) for s in order]
    described = []
    for s, name, color in zip(order, names, segment_colors(names), strict=True):
        full = shown.get(s, name)
        legend = full if full == name else f"{name}: {full}"
        described.append({"name": full.removesuffix(SUGGESTED), "legend": legend, "color": color})
    return described


def percents(first: int, last: int) -> list[tuple[str, float]]:
    """Return whole percents with their labels.

    Examples
    --------
    >>> percents(9, 10)
    [('9%', 0.09), ('10%', 0.1)]
    """
    return [(f"{n}%", n / 100) for n in range(first, last + 1)]


def offered(name: str, value: float, options: Sequence[tuple[str, float]]) -> float:
    """Return the number on offer that a value stands for.

    Raises
    ------
    TraitError
        If it is not on offer.

    Examples
    --------
    >>> offered("holdout", 0.1 + 0.2, percents(0, 50))
    0.3
    """
    numbers = [number for _, number in options]
    nearest = min(numbers, key=lambda number: abs(number - value))
    if not abs(nearest - value) < 1e-9:
        raise t.TraitError(
            f"{name}={value!r} is not offered. Choose from {numbers[0]:g} to {numbers[-1]:g}, in steps of "
            f"{numbers[-1] - numbers[-2]:.3g}."
        )
    return nearest


def note(text: object) -> Markup:
    """Return a note in JupyterLab's softer colour.

    Examples
    --------
    >>> str(note("R&D"))
    '<span style="color: var(--jp-ui-font-color2)">R&amp;D</span>'
    """
    return render('<span style="color: var(--jp-ui-font-color2)">{{ text }}</span>', text=text)


def alert(error: object) -> Markup:
    """Return an error in JupyterLab's colour of errors, which screen readers say at once.

    Examples
    --------
    >>> alert("Tick one.").count('role="alert"')
    1
    """
    return render(
        '<b role="alert" style="color: var(--jp-error-color1, #b34700)">{{ error }}</b>', error=str(error)
    )


def code_line(code: str) -> Markup:
    """Return the code that a widget stands for.

    Examples
    --------
    >>> code_line("a < b").count("a &lt; b")
    1
    """
    return render(
        '{{ title }}<code style="white-space: pre-wrap; overflow-wrap: anywhere">{{ code }}</code>',
        title=note("The code: "),
        code=code,
    )


def folded(title: str, table: Markup) -> Markup:
    """Return a table under a title that unfolds it.

    Examples
    --------
    >>> folded("Numbers", Markup("<table></table>")).count("<summary>Numbers</summary>")
    1
    """
    return render(
        "<details><summary>{{ t }}</summary>{{ table }}</details>", t=title, table=_scrolls(title, table)
    )


def scrolling(title: str, table: Markup) -> Markup:
    """Return a titled table that scrolls on a narrow screen, also by the keyboard.

    Examples
    --------
    >>> scrolling("A < B", Markup("<table></table>")).count("A &lt; B")
    2
    """
    return render('<div style="margin: 8px 0 0">{{ title }}</div>', title=title) + _scrolls(title, table)


def _scrolls(title: str, table: Markup) -> Markup:
    return render(_SCROLLS, title=title, table=Markup(str(table).replace("<table>", _APART)))
