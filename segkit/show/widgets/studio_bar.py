"""The bar of the studio: its steps, and the slider of the number of segments."""

from __future__ import annotations

import anywidget
import traitlets as t

from segkit.show.widgets.parts import STYLE, script

FEATURES, HOW_MANY, SEE, EXPORT = "Features", "How many", "Map and cards", "Audience and export"
STEPS = (FEATURES, HOW_MANY, SEE, EXPORT)


class StudioBar(anywidget.AnyWidget):
    """The steps of the studio, the slider of the number of segments, and what is being done."""

    _esm = script("segment_studio")
    _css = STYLE
    steps = t.List(t.Unicode(), list(STEPS)).tag(sync=True)
    step = t.Unicode(SEE).tag(sync=True)
    numbers = t.List(t.Int()).tag(sync=True)
    at = t.Int().tag(sync=True)
    under = t.Int().tag(sync=True)
    drawn = t.Int().tag(sync=True)
    said = t.Unicode().tag(sync=True)
    busy = t.Unicode().tag(sync=True)
    error = t.Unicode().tag(sync=True)
    code = t.Unicode().tag(sync=True)
