"""A slider over labelled values, with a name and words for screen readers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import ipywidgets as w
import traitlets as t

from segkit.show.widgets.parts import STYLE, WIDE, script


class LabelledSlider(anywidget.AnyWidget):
    """Choose one of several values; Python is told when the slider is let go.

    In place of ``ipywidgets.SelectionSlider``, whose handle has neither a name nor the words of its value for screen
    readers.

    Parameters
    ----------
    description : str
    options : sequence of (str, value)
        Labels and values, in their order on the slider.
    value
        The one that is chosen at first.

    Examples
    --------
    >>> slider = LabelledSlider("Power", [("80%", 0.8), ("90%", 0.9)], 0.8)
    >>> slider.value = 0.9
    >>> slider.at, slider.label
    (1, '90%')
    """

    _esm = script("labelled_slider")
    _css = STYLE
    description = t.Unicode().tag(sync=True)
    labels: t.List[str] = t.List(t.Unicode()).tag(sync=True)
    at = t.Int().tag(sync=True)
    value = t.Any()

    def __init__(self, description: str, options: Sequence[tuple[str, Any]], value: Any):
        self.options = tuple(value for _, value in options)
        at = self.options.index(value)
        labels = [label for label, _ in options]
        super().__init__(description=description, labels=labels, at=at, value=value, layout=w.Layout(**WIDE))

    @property
    def label(self) -> str:
        """The label of the chosen value."""
        return self.labels[self.at]

    @t.validate("at")
    def _only_on_the_slider(self, proposal: t.Bunch) -> int:
        return min(max(proposal["value"], 0), len(self.options) - 1)

    @t.validate("value")
    def _only_offered(self, proposal: t.Bunch) -> Any:
        if proposal["value"] not in self.options:
            raise t.TraitError(
                f"{self.description}={proposal['value']!r} is not offered. Choose from {self.options}."
            )
        return proposal["value"]

    @t.observe("at")
    def _on_at(self, change: t.Bunch) -> None:
        self.value = self.options[change["new"]]

    @t.observe("value")
    def _on_value(self, change: t.Bunch) -> None:
        self.at = self.options.index(change["new"])
