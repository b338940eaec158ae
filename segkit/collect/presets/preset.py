"""Describe the export of a tool: its columns, its words for kinds, how its times are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segkit.collect.presets.rows import Rows


@dataclass(frozen=True, eq=False)
class Preset:
    """How the export of one tool becomes events.

    Where a column is named, ``"context.page.url"`` is the field `url` of the field `page` of the column
    `context`, be it a structure or JSON. Of several names, the first that holds something in a row is taken. Where
    a name is not enough, a function makes the column from the `Rows`.

    Attributes
    ----------
    name, title : str
        The argument of `read_events(…, preset=…)`, and the name of the export.
    file : str
        The file that it reads: its format, and what a row is.
    counts : str
        How rows and money are counted, where that is not one event a row.
    cites : tuple of str
        Where the header is documented.
    columns : dict of str to column
        Standard name, and ``"kind"`` where a column says it, to the export's column or columns.
    kind : str or None
        The kind of every row, where no column says it.
    kinds : dict of str to str
        The export's words to segkit's kinds. Other words stay as they are.
    formats : tuple of str
        How times are written, as in `read_events`; empty for ISO 8601. Times without a zone are UTC.
    needs : tuple of (str, tuple of str)
        For a standard column, columns of the export of which the file must have one. Those that `columns` names
        for `customer_id`, `timestamp` and `kind` need no mention.
    nested : dict of str to shape
        Columns that hold structures or JSON: a dict is an object, a list of one shape is an array of it.
    reshape : callable or None
        Makes rows that are events from the rows of the export and the words for kinds.
    aliases : tuple of (tuple of str, tuple of str)
        Columns of an alias, such as a cookie, and of the customer that rows name with it.
    robots : callable or None
        From the rows of the export to the SQL of why a row is a robot's, missing where it is not; see `robot_where`.
    currency : column or None
        The currency of a row's amount.
    header : tuple of str
        Column names of a file that has no header line.
    """

    name: str
    title: str
    file: str
    cites: tuple[str, ...]
    columns: Mapping[str, Any]
    counts: str = "One event a row."
    kind: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    nested: Mapping[str, Any] = field(default_factory=dict)
    reshape: Callable[[Rows, Mapping[str, str]], Rows] | None = None
    aliases: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    robots: Callable[[Rows], str | None] | None = None
    currency: Any = None
    header: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class AttributePreset:
    """How the export of one tool describes customers.

    Attributes
    ----------
    name, title, file : str
    cites : tuple of str
        As in `Preset`.
    customer_id : tuple of str
        Columns of the export that may hold it; the first that the file has is read.
    demographic, geographic, psychographic : dict of str to tuple of str
        For each basis: the names of attributes, and the columns of the export that may hold them.
    """

    name: str
    title: str
    file: str
    cites: tuple[str, ...]
    customer_id: tuple[str, ...]
    demographic: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    geographic: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    psychographic: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
