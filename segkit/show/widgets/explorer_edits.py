"""Edits of segments that a map offers, each with the line of Python that makes it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from segkit.create.edit import make_segment, merge_segments, split_segment
from segkit.create.pins import pin_segments
from segkit.create.segmentation import Segmentation

MAPPED = "result = result.with_embedding(sg.project(result))"
MADE = "result = sg.make_segment(result, "


@dataclasses.dataclass(frozen=True, eq=False)
class Edited:
    """A result, the one that it was made from, and how: as lines of Python, and names of segments by id.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 30, 31, 90, 91, 92]}, index=list("abcdefg"))
    >>> begun = Edited(*2 * [sg.segment(customers, n_segments=3)])
    >>> for line in begun.merged([1, 2]).named({0: "Regulars"}).named({3: "Others"}).code:
    ...     print(line)
    result = result.with_embedding(sg.project(result))
    result = sg.merge_segments(result, [1, 2])
    result = result.with_names({0: 'Regulars', 3: 'Others'})
    """

    given: Segmentation
    result: Segmentation
    lines: tuple[str | dict[int, str], ...] = ()

    @property
    def code(self) -> list[str]:
        """The lines that make the result, on a map, of the given one."""
        mapped = [] if self.given.embedding is not None else [MAPPED]
        return mapped + [
            f"result = result.with_names({line!r})" if isinstance(line, dict) else line for line in self.lines
        ]

    def named(self, names: dict[int, str]) -> Edited:
        """Name segments; names given one after the other are one line."""
        result = self.result.with_names(names)
        given = {s: result.names.get(s, "") for s in names}
        *before, last = self.lines or ((),)
        if isinstance(last, dict):
            return Edited(self.given, result, (*before, {**last, **given}))
        return Edited(self.given, result, (*self.lines, given))

    def merged(self, segments: Sequence[int]) -> Edited:
        """Merge segments."""
        made = merge_segments(self.result, segments)
        return self.having(made, f"result = sg.merge_segments(result, {list(segments)})")

    def split(self, segment: int) -> Edited:
        """Split a segment in two."""
        made = split_segment(self.result, segment)
        return self.having(made, f"result = sg.split_segment(result, {segment})")

    def pinned(self, segments: Sequence[int]) -> Edited:
        """Pin these segments and no others."""
        made = pin_segments(self.result, segments)
        return self.having(made, f"result = sg.pin_segments(result, {list(segments)})")

    def with_segment(self, inside: np.ndarray, name: str, group: str) -> Edited:
        """Make a segment of chosen customers, who are kept as this one of `explorer.groups`."""
        made = make_segment(self.result, inside, name)
        return self.having(made, f"{MADE}{group_line(group)}, {name!r})")

    def having(self, result: Segmentation, line: str) -> Edited:
        """Go on with a result that a line makes."""
        return Edited(self.given, result, (*self.lines, line))

    def new_group(self, name: str) -> str:
        """Return a name for a selection, in one line.

        Raises
        ------
        ValueError
            If it is empty, or a selection is called so already.
        """
        name = " ".join(name.split())
        if not name:
            raise ValueError("The selection has no name. Write one first.")
        if any(group_line(name) in line for line in self.lines if isinstance(line, str)):
            raise ValueError(f"A selection is called {name!r} already. Choose another name.")
        return name


class Groups(dict[str, pd.Index]):
    """Customers who were chosen by hand, by name; a name never comes to mean others.

    Examples
    --------
    >>> groups = Groups(Loyal=pd.Index(["a", "b"]))
    >>> groups.name_for("Loyal", pd.Index(["a", "b"])), groups.name_for("Loyal", pd.Index(["c"]))
    ('Loyal', 'Loyal 2')
    """

    def name_for(self, name: str, customers: pd.Index) -> str:
        """Return under which name to keep customers: where others have it already, a number is added."""
        names = itertools.chain([name], (f"{name} {n}" for n in itertools.count(2)))
        return next(key for key in names if key not in self or self[key].equals(customers))

    def __missing__(self, name: str) -> pd.Index:
        raise KeyError(
            f"No group {name!r} was chosen here: groups that are chosen by hand last as long as Python runs. "
            f"Choose these customers again, or give their ids: groups[{name!r}] = ids. result.save(…) keeps segments."
        )


def group_line(name: str) -> str:
    """Return where the customers of a selection are kept, as Python."""
    return f"explorer.groups[{name!r}]"


def in_studio(line: str) -> str:
    """Return a line of an explorer as that of the studio which holds it.

    Examples
    --------
    >>> in_studio("result = sg.make_segment(result, explorer.groups['Mine'], 'Mine')")
    "result = sg.make_segment(result, studio.explorer.groups['Mine'], 'Mine')"
    >>> in_studio("result = result.with_names({0: 'explorer.'})")
    "result = result.with_names({0: 'explorer.'})"
    """
    return f"{MADE}studio.{line.removeprefix(MADE)}" if line.startswith(MADE) else line
