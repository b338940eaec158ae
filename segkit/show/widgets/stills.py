"""What widgets share about themselves: a still in the saved notebook, and errors shown in the widget."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import ipywidgets as w
import numpy as np
from IPython.display import display
from markupsafe import Markup

from segkit.core.disclosure import MINIMUM, hidden_sizes
from segkit.core.html import html_table, render
from segkit.show.widgets.parts import alert, note, scrolling

VIEW, HTML = "application/vnd.jupyter.widget-view+json", "text/html"
OLD = "As it was when the notebook was saved. Run the cell again to use it."
_FRAMED = '<div class="segkit-still"{% if hidden %} hidden{% endif %}>{{ still }}<div>{{ note }}</div></div>'
# JupyterLab draws the view only, and where its kernel is gone an error in place of it: an output with both classes.
# The still stands in the next output, which is shown after such an error only.
_BEHIND = """
<style>
.jp-OutputArea-child:has(.segkit-still[hidden]) { display: none }
.jp-OutputArea-child:has(> .jp-OutputArea-output.jupyter-widgets):has(+ .jp-OutputArea-child .segkit-still[hidden])
 { display: none }
.jp-OutputArea-child:has(> .jp-OutputArea-output.jupyter-widgets) + .jp-OutputArea-child:has(.segkit-still[hidden])
 { display: revert }
.jp-OutputArea-child:has(> .jp-OutputArea-output.jupyter-widgets) + .jp-OutputArea-child .segkit-still[hidden]
 { display: block }
</style>
{{ framed }}
"""
Widget = TypeVar("Widget", bound=w.Widget)
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class WithStill(w.DOMWidget):
    """A widget that leaves a still in the notebook, so that it shows something where its kernel is gone.

    Name it first among the bases, and write :meth:`still`. The still goes along with the view, for viewers that show no
    widgets, and once more behind it, for JupyterLab and Notebook 7. That one follows the traits named in `still_of`.
    """

    still_of: tuple[str, ...] = ("code",)

    def still(self) -> Markup:
        """Return the widget as HTML without scripts; of boxes, what stands in them."""
        return still_of_children(self)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = super()._repr_mimebundle_(**options)
        data, how = bundle if isinstance(bundle, tuple) else (bundle, {})
        still = str(self._framed(hidden=False))
        return {**(data or {}), "text/plain": type(self).__name__, HTML: still}, how

    def _ipython_display_(self, **_options: Any) -> None:
        data, how = self._repr_mimebundle_()
        display(data, metadata=how, raw=True)
        behind = display({HTML: self._behind()}, raw=True, display_id=True)
        if behind is not None:
            self.observe(lambda _: behind.update({HTML: self._behind()}, raw=True), list(self.still_of))

    def _behind(self) -> str:
        return str(render(_BEHIND, framed=self._framed(hidden=True)))

    def _framed(self, *, hidden: bool) -> Markup:
        return render(_FRAMED, still=self.still(), note=note(OLD), hidden=hidden)


def sizes_still(title: str, names: Sequence[str], sizes: Sequence[int]) -> Markup:
    """Return how many customers are in each segment, without small ones, since notebooks are passed on.

    Examples
    --------
    >>> "hidden" in sizes_still("On 1 May", ["Loyal", "New"], [300, 3]), ">3<" in sizes_still("", ["New"], [3])
    (True, False)
    """
    few = hidden_sizes(np.asarray(sizes, dtype=int), MINIMUM)
    shown = ["hidden" if hide else f"{size:,}" for hide, size in zip(few, sizes, strict=True)]
    table = html_table(["Segment", "Customers"], list(zip(names, shown, strict=True)), text=(0,))
    return scrolling(title, table)


def still_of_children(box: w.Widget) -> Markup:
    """Return the texts of a box's controls, each with its value, and its HTML as it is.

    Examples
    --------
    >>> str(still_of_children(w.VBox([w.HTML("<b>Plan</b>"), w.Text(description="File", value="a<b.csv")])))
    '<div><b>Plan</b></div><div>File: a&lt;b.csv</div>'
    """
    lines = []
    for child in getattr(box, "children", ()):
        if isinstance(child, w.HTML):
            lines.append(Markup("<div>") + Markup(child.value) + Markup("</div>"))
        elif isinstance(child, w.Box):
            lines.append(still_of_children(child))
        elif isinstance(child, w.Checkbox):
            lines.append(
                render("<div>{{ m }} {{ t }}</div>", m="☑" if child.value else "☐", t=child.description)
            )
        elif shown := str(getattr(child, "label", None) or getattr(child, "value", "")):
            lines.append(render("<div>{{ t }}: {{ v }}</div>", t=child.description, v=shown))
    return Markup("").join(lines)


def shows_errors(
    callback: Callable[Concatenate[Widget, Given], Answer],
) -> Callable[Concatenate[Widget, Given], Answer]:
    """Let a callback of a widget say in the widget why it failed; the error goes on to whoever called it in Python.

    In a box, the error stands above its other children until a callback succeeds. Other widgets have a trait `error`
    that their page shows.
    """

    @functools.wraps(callback)
    def shown(self: Widget, /, *args: Given.args, **options: Given.kwargs) -> Answer:
        try:
            answer = callback(self, *args, **options)
        except Exception as error:
            _tell(self, f"{type(error).__name__}: {error}")
            raise
        _tell(self, "")
        return answer

    return shown


def _tell(widget: Any, why: str) -> None:
    if not isinstance(widget, w.Box):
        if why or widget.error.partition(":")[0].endswith("Error"):
            widget.error = why
        return
    others = tuple(child for child in widget.children if not getattr(child, "says_error", False))
    if why:
        said = w.HTML(alert(why))
        said.says_error = True
        widget.children = (said, *others)
    elif len(others) < len(widget.children):
        widget.children = others
