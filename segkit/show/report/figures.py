"""Draw charts as still pictures for the report: no script, no ids, a wide form and one for phones."""

from __future__ import annotations

import copy
import dataclasses
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import altair as alt
from markupsafe import Markup

WIDE, NARROW = (
    760,
    342,
)  # pixels of a picture: of a page or sheet of paper, and of a phone 390 wide less its margins
LETTER = 6.5  # pixels of a letter of a title, about
LEAST = 70  # pixels of a panel beside its labels
TRIES = 4  # at the width of the panels, until the whole picture is as wide as wanted
TOLD_ON_HOVER = re.compile(r"\s*Hover for[^.]*\.")
SPOKEN = re.compile(r' (?:aria-label|aria-roledescription|role)="[^"]*"')  # of each mark: they name customers
LONG = re.compile(r"(\d+\.\d)\d+")
NAMED = re.compile(r'(id="|url\(#)')


@dataclass(frozen=True)
class Figure:
    """A picture in the report.

    Attributes
    ----------
    name : str
        Unique within the report.
    title, note : str
        What it shows, and how to read it.
    spec : dict
        The chart, without its title.
    code : str
        Python that draws it in a notebook.
    """

    name: str
    title: str
    note: str
    spec: dict[str, Any]
    code: str

    def wide(self) -> Markup:
        """Draw the picture as SVG; Markdown never asks for it."""
        return _picture(self.spec, WIDE, f"{self.name}-{WIDE}", self.title or self.name)

    def narrow(self) -> Markup:
        """Draw the picture as SVG for a phone."""
        return _picture(self.spec, NARROW, f"{self.name}-{NARROW}", self.title or self.name)

    def with_note(self, note: str) -> Figure:
        """Return the figure with another note."""
        return dataclasses.replace(self, note=note)


def draw(name: str, chart: alt.TopLevelMixin, code: str, *, badge: str = "", legend: bool = True) -> Figure:
    """Draw a chart as a figure; its title and subtitle become text of the page, which breaks lines as it needs.

    Parameters
    ----------
    name : str
        Unique within the report.
    chart : Chart
        From one of the `plot_` functions.
    code : str
        What drew it.
    badge : str, optional
        A line of the subtitle that the page says elsewhere.
    legend : bool, default=True
        Whether to keep the legend of colours.
    """
    spec = chart.to_dict()
    said = spec.pop("title", {})
    lines = said.get("subtitle", [])
    lines = [lines] if isinstance(lines, str) else lines
    note = " ".join(TOLD_ON_HOVER.sub("", line) for line in lines if line != badge)
    if not legend:
        spec.setdefault("config", {}).setdefault("legend", {})["disable"] = True
    return Figure(name, said.get("text", ""), note, spec, code)


def _picture(spec: dict[str, Any], wanted: int, name: str, title: str) -> Markup:
    """Return a chart as SVG of a width, by trying widths of its panels."""
    import vl_convert

    spec = copy.deepcopy(spec)
    if wanted == NARROW:
        _stack(spec)
    widest = max((panel["width"] for panel in _panels(spec)), default=0)
    across = min(spec.get("columns", 1), len(spec.get("concat", [0])))
    svg = vl_convert.vegalite_to_svg(spec)
    for _ in range(TRIES):
        excess = _width(svg) - wanted
        if abs(excess) <= 4 or widest <= LEAST:
            break
        widest = max(widest - excess // across, LEAST)
        for panel in _panels(spec):
            panel["width"] = widest
            if wanted == NARROW:
                _fit_words(panel, widest)
        svg = vl_convert.vegalite_to_svg(spec)
    return _still(svg, name, title)


def _width(svg: str) -> int:
    found = re.search(r'width="(\d+)', svg)
    return int(found[1]) if found else 0


def _panels(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the parts of a chart that have a width of their own."""
    if isinstance(spec.get("width"), (int, float)):
        yield spec
    for kind in ("concat", "hconcat", "vconcat"):
        for part in spec.get(kind, []):
            yield from _panels(part)
    if isinstance(spec.get("spec"), dict):
        yield from _panels(spec["spec"])


def _stack(spec: dict[str, Any]) -> None:
    """Put panels one below the other, and the legend below them."""
    if "hconcat" in spec:
        spec["vconcat"] = spec.pop("hconcat")
    for kind in ("concat", "vconcat"):
        for part in spec.get(kind, []):
            _stack(part)
    if "concat" in spec or "facet" in spec:
        spec["columns"] = 1
    legend = spec.setdefault("config", {}).setdefault("legend", {}) if "config" in spec else {}
    legend |= {"orient": "bottom", "columns": 2}


def _fit_words(panel: dict[str, Any], width: float) -> None:
    """Break titles that are longer than the panel, and turn the names above columns that are too narrow for them."""
    titled = panel.get("title")
    if isinstance(titled, dict) and isinstance(titled.get("text"), str):
        titled["text"] = textwrap.wrap(titled["text"], int(width / LETTER))
    for part in (panel, *panel.get("layer", [])):
        x = part.get("encoding", {}).get("x", {})
        if isinstance(x.get("title"), str):
            x["title"] = textwrap.wrap(x["title"], int(width / LETTER))
        axis = x.get("axis")
        if x.get("type") == "nominal" and isinstance(axis, dict) and axis.get("orient") == "top":
            axis.pop("labelExpr", None)
            axis |= {"labelAngle": -90, "labelLimit": 130, "labelPadding": 4, "labelAlign": "left"}


def _still(svg: str, name: str, title: str) -> Markup:
    """Return a picture that fits its place, takes the page's colours, and holds nothing but shapes and words."""
    head, body = svg.split(">", 1)
    width, height = re.findall(r'(?:width|height)="(\d+)', head)[:2]
    body = NAMED.sub(rf"\g<1>{name}-", LONG.sub(r"\1", SPOKEN.sub("", body)))
    start = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" '
        'overflow="visible">'
    )
    return start.format(title, width, height, width) + Markup(body)
