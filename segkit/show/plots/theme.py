"""Style charts: calm, colour-blind safe, legible on light and dark pages."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import altair as alt
import numpy as np
import pandas as pd

from segkit.core.checks import check_type
from segkit.core.disclosure import countable, hidden_in_words, is_few, without_contacts
from segkit.core.messages import counted
from segkit.create.segmentation import Segmentation
from segkit.explain.names import with_shown_names

# Okabe & Ito (2008), Color Universal Design, in an order that keeps neighbours apart; black, which
# a dark page swallows, is left out, and grey is kept for customers outside all segments.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
TINTS = (
    "#7FB8D8",
    "#B37A00",
    "#66C4AB",
    "#8F4A73",
    "#2B7DA8",
    "#EA9E66",
    "#B5AA1E",
)  # of the same hues, after them
GREY = "#8C8C8C"
MEANING = 60  # letters of what a feature means that fit beside its name
OUTSIDE_NAME = "Outside"
VEGA, RENDERER = "application/vnd.vegalite.v5+json", "segkit"

INK = "currentColor"  # the text colour of the page around the chart, light or dark; black in files
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

SHORT = "format(datum.value, datum.value >= 1000 ? '~s' : '~g')"  # 0.3, 800, 1k, 2.5M: each label by itself
OF_EVERY_OBJECT = (
    "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
    "__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
)  # fmt: skip
_SCRIPT_END = re.compile(r"<(?=/|!|script)", re.IGNORECASE)
Drawn = TypeVar("Drawn")
Chart = TypeVar("Chart", bound=alt.TopLevelMixin)

CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": FONT,
    "padding": 8,
    "view": {"stroke": None},
    "title": {
        "anchor": "start",
        "fontSize": 15,
        "fontWeight": 600,
        "subtitleFontSize": 12,
        "subtitlePadding": 5,
        "offset": 12,
        "color": INK,
        "subtitleColor": INK,
    },
    "axis": {
        "labelColor": INK,
        "labelOpacity": 0.8,
        "titleColor": INK,
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": 500,
        "titlePadding": 8,
        "gridColor": INK,
        "gridOpacity": 0.14,
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
        "labelLimit": 220,
    },
    "legend": {
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": 500,
        "symbolType": "circle",
        "labelLimit": 220,
    },
    "header": {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "labelFontWeight": 600},
}


def themed(chart: Chart) -> Chart:
    """Return the chart in segkit's look; the looks of other charts in the notebook stay as they are."""
    return vega_safe(chart.configure(**CONFIG))


def vega_safe(part: Any) -> Any:
    """Return a part of a chart without e-mail addresses and phone numbers, whose texts Vega can look up.

    Names that every JavaScript object has, such as "constructor", get an invisible mark: Vega would find the object's
    own property in place of the segment or word.

    A name could else end a script in the file of ``chart.save("x.html", inline=True)``, which holds texts as they are,
    and begin one of its own. An invisible mark after the "<" prevents that, in data, titles and lists of names alike.
    """
    if isinstance(part, str):
        part = without_contacts(part)
        return f"{part}\u200b" if part in OF_EVERY_OBJECT else _SCRIPT_END.sub("<\u200b", part)
    if isinstance(part, alt.SchemaBase):
        for name, value in part._kwds.items():
            part._kwds[name] = vega_safe(value)
        return part
    if isinstance(part, pd.DataFrame):
        unsafe = [c for c in part if any(vega_safe(value) != value for value in _texts(part[c]))]
        return part.assign(**{c: part[c].map(vega_safe) for c in unsafe}) if unsafe else part
    if isinstance(part, dict):
        return {vega_safe(name): vega_safe(value) for name, value in part.items()}
    if isinstance(part, (list, tuple)):
        return type(part)(vega_safe(value) for value in part)
    return part


def _texts(column: pd.Series) -> set[str]:
    return set() if column.dtype.kind in "biufmM" else {v for v in column.unique() if isinstance(v, str)}


def computed(
    value: Drawn | Segmentation, compute: Callable[[Segmentation], Drawn], kind: type[Drawn], source: str
) -> Drawn:
    """Return what a chart draws: itself, or what is computed from a Segmentation.

    Segments without a name are shown by a suggested one, which says so.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if isinstance(value, Segmentation):
        named = with_shown_names(value)
        drawn = compute(named)
        value.keep_of(named)
        return drawn
    what = "The table" if kind is pd.DataFrame else "What to draw"
    check_type(what, value, kind, f"Pass the segmentation, or {source}.")
    return value


def segment_colors(names: Sequence[str]) -> list[str]:
    """Return a colour for each segment, in order; grey for those outside. After 14 they begin again."""
    palette = OKABE_ITO + TINTS
    inside = [name for name in names if name != OUTSIDE_NAME]
    by_name = {name: palette[i % len(palette)] for i, name in enumerate(inside)}
    return [by_name.get(name, GREY) for name in names]


def segment_scale(names: Sequence[str]) -> alt.Scale:
    """Return the colour scale of segments, the same in every chart."""
    return alt.Scale(domain=list(names), range=segment_colors(names))


def one_line(name: str) -> str:
    """Return a name as a title: Vega cannot read a title that breaks the line."""
    return " ".join(str(name).split())


def axis_title(feature: str, unit: str = "", meaning: str = "") -> str:
    """Return an axis title: the name of the feature, the beginning of its meaning, and its unit.

    Examples
    --------
    >>> axis_title("gap_median", "days", "Typical (median) time between two orders. At least two are needed.")
    'gap_median: typical time between two orders (days)'
    """
    short = re.split(r"[.:;,]", re.sub(r" ?\([^)]*\)", "", meaning), maxsplit=1)[0].strip()
    lower = short if short[1:2].isupper() else short[:1].lower() + short[1:]
    meaning = f": {lower}" if 0 < len(short) <= MEANING else ""
    known = not unit or (meaning and unit in short.split())  # not "number of orders (orders)"
    return one_line(f"{feature}{meaning}" if known else f"{feature}{meaning} ({unit})")


def with_badge(table: pd.DataFrame, *lines: str) -> list[str]:
    """Return the lines of a subtitle, what is hidden, and the badge of the segmentation: its kind."""
    facts = table.attrs.get("segkit", {})
    hidden = hidden_in_words(facts.get("hidden", []), facts.get("minimum", 1))
    words = facts.get("words", 0)
    few = f"which fewer than {facts.get('minimum', 1):,} customers have"
    left_out = f"{counted(words, 'word is', 'words are')} left out, {few}."
    return [*lines, *filter(None, [hidden, left_out if words else "", facts.get("badge")])]


def without_small(frame: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Return a table of customers without those of segments below the minimum; its facts name these.

    A few more are left out at random, so that counting the others does not tell how many are hidden.
    """
    sizes = frame["segment"].value_counts(sort=False)
    few = list(sizes.index[is_few(sizes, minimum)])
    if not few:
        return frame
    most = pd.Series(countable(sizes, minimum), sizes.index.astype(object))
    order = np.random.default_rng(0).permutation(len(frame))
    drawn = frame["segment"].astype(object).iloc[order]
    stays = drawn.groupby(drawn, sort=False).cumcount() < drawn.map(most)
    shown = frame[stays.reindex(frame.index)].copy()  # the categories stay, and so do the colours
    shown.attrs["segkit"] = {**frame.attrs.get("segkit", {}), "hidden": [*map(str, few)], "minimum": minimum}
    return shown


def check_table(table: Any, columns: Sequence[str], source: str) -> None:
    """Refuse a table that a chart cannot draw.

    Raises
    ------
    TypeError, ValueError
    """
    check_type("The table", table, pd.DataFrame, f"Pass the table from {source}.")
    for column in columns:
        if column not in table.columns:
            inside = " It is in the index: table.reset_index()." if column in table.index.names else ""
            raise ValueError(f"The table has no column {column!r}.{inside} Pass the table from {source}.")


def vega_bundle(spec: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a chart as Jupyter's own Vega draws it, and how: without a network, and without a kernel too.

    Altair's own ways load scripts from a server, or pack a megabyte of them in each kernel. JupyterLab, Notebook 7,
    Voila and VS Code know Vega-Lite 5, in which charts of segkit look the same as in 6.

    Examples
    --------
    >>> data, how = vega_bundle({"mark": "bar"})
    >>> data["application/vnd.vegalite.v5+json"]
    {'mark': 'bar'}
    """
    shown = {name: part for name, part in spec.items() if name != "$schema"}
    data = {VEGA: shown, "text/plain": "A chart; this viewer cannot draw it."}
    return data, {VEGA: {"embed_options": {"renderer": "svg", "actions": False}}}


def draw_without_network() -> None:
    """Draw charts with Jupyter's own Vega, unless another renderer was chosen; Colab has none."""
    if "ipykernel" in sys.modules and "google.colab" not in sys.modules and alt.renderers.active == "default":
        alt.renderers.register(RENDERER, vega_bundle)
        alt.renderers.enable(RENDERER)


draw_without_network()
