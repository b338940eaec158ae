"""Hold what the report says, whatever its format: sentences, cards of segments, tables and pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from segkit.privacy.data_sheet import DataSheet
from segkit.show.report.figures import Figure


@dataclass
class Card:
    """What page one says of a segment; shares are in [0, 1]. `tags` says how far lines of the play are proven.

    `size` is empty where it is hidden.
    """

    name: str
    color: str
    size: str
    share: float
    suggested: bool = False
    sentence: str = ""
    value: str = ""
    value_share: float | None = None
    likes: list[str] = field(default_factory=list)
    play: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    verdict: str = ""


@dataclass
class Table:
    """A table of the report; `text` holds the places of columns of words."""

    name: str
    title: str
    note: str
    head: list[str]
    rows: list[list[str]]
    text: tuple[int, ...] = (0,)
    code: str = ""


@dataclass
class Facts:
    """What the report says.

    Attributes
    ----------
    title : str
    sentences : list of str
        Who was looked at, what was refused, how they were divided and how far to trust that.
    notes : list of str
        On small segments and suggested names.
    cards : list of Card
    looks, proof : list of Figure or Table
        Of page two and page three.
    provenance : str
        JSON.
    sheet : DataSheet
        The last page.
    value_name : str
        What shares of value are shares of.
    """

    title: str
    sentences: list[str]
    notes: list[str]
    cards: list[Card]
    looks: list[Figure | Table]
    proof: list[Figure | Table]
    provenance: str
    sheet: DataSheet
    value_name: str = "Share of value"


def said_once(rows: list[list[str]]) -> list[list[str]]:
    """Return rows of a table in which a first cell that repeats the one above is empty.

    Examples
    --------
    >>> said_once([["a", "1"], ["a", "2"], ["b", "3"]])
    [['a', '1'], ['', '2'], ['b', '3']]
    """
    above = [None, *(row[0] for row in rows)]
    return [["" if row[0] == last else row[0], *row[1:]] for row, last in zip(rows, above, strict=False)]
