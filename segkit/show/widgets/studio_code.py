"""How a studio's results were made: as lines of Python, and which names did not stay."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from segkit.core.messages import joined
from segkit.create.segmentation import Segmentation


class ResultLines:
    """The lines of Python that make each result, after those of its features."""

    def __init__(self) -> None:
        self._lines: WeakKeyDictionary[Segmentation, list[str]] = WeakKeyDictionary()

    def of(self, result: Segmentation) -> list[str]:
        """Return the lines of a result."""
        return self._lines[result]

    def begin(self, result: Segmentation, lines: list[str]) -> None:
        """Keep that these lines make a result, unless others are known."""
        self._lines.setdefault(result, lines)

    def add(self, result: Segmentation, before: Segmentation, lines: list[str]) -> None:
        """Keep that these lines make a result of the one before; lines that are known stay."""
        if result not in self._lines:
            self._lines[result] = [*self.of(before), *lines]


def names_line(names: dict[int, str]) -> str:
    """Return the line that names segments."""
    return f"result = result.with_names({names!r})"


def lines_between(before: Segmentation, now: Segmentation) -> list[str]:
    """Return the lines that make one result from another of the same customers: its names and its trust."""
    if not now.labels.equals(before.labels):
        return ["# result was set in Python"]
    names = {s: now.names.get(s, "") for s in now.segments if now.names.get(s) != before.names.get(s)}
    tested = now.assessment is not None and not names
    return [names_line(names)] * bool(names) + ["result = result.with_trust(sg.assess(result))"] * tested


def names_left_out(before: Segmentation, now: Segmentation) -> str:
    """Return a sentence on the names of segments that did not stay; "" where all did.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 30, 31, 90, 91]}, index=list("abcdef"))
    >>> three = sg.segment(customers, n_segments=3).with_names({0: "Daily"})
    >>> names_left_out(three, sg.segment(customers, n_segments=2))
    'No segment is like Daily any more, so the name is left out.'
    """
    gone = [
        before.names[s] for s in before.segments if before.names.get(s, "") not in {"", *now.names.values()}
    ]
    if not gone:
        return ""
    names = "the name is" if len(gone) == 1 else "the names are"
    return f"No segment is like {joined(gone)} any more, so {names} left out."


def pins_left_out(before: Segmentation, now: Segmentation) -> str:
    """Return a sentence on pinned segments that were made again by other features; "" where there are none.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 30, 31, 90, 91]}, index=list("abcdef"))
    >>> three = sg.segment(customers, n_segments=3).with_names({0: "Daily"})
    >>> pins_left_out(sg.pin_segments(three, ["Daily"]), sg.segment(customers, n_segments=2))
    'Daily was pinned, and is made again of other features. Undo brings it back.'
    """
    pinned = [before.name_of(s) for s in before.provenance.get("pinned", [])]
    if not pinned or now.provenance.get("pinned"):
        return ""
    were, are, them = ("was", "is", "it") if len(pinned) == 1 else ("were", "are", "them")
    return f"{joined(pinned)} {were} pinned, and {are} made again of other features. Undo brings {them} back."
