"""What a preset says of an export: its columns, its words for kinds, how its times are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir

TEXT = "string"
"""A leaf of nested data: all are read as text, and become numbers and times at the door like any other column."""


@dataclass(frozen=True, eq=False)
class Preset:
    """How one tool's export becomes events.

    Where a column is named, ``"context.page.url"`` is the field `url` of the field `page` of the column
    `context`, be it a structure or JSON. Several names are several shapes of one export: the first that holds
    something in a row is taken. A function from the opened table to a column stands where a name is not enough.

    Attributes
    ----------
    name, title : str
        What it is asked for by, and what it reads.
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
        What the file must have for the sake of a standard column: one of these columns of the export. What
        `columns` names for `customer_id`, `timestamp` and `kind` is needed without being said.
    nested : dict of str to shape
        Columns that hold structures or JSON: a dict is an object, a list of one shape is an array of it.
    lines : callable or None
        From the table and the words for kinds to the table that is read in its stead, of other rows.
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
    lines: Callable[[ir.Table, Mapping[str, str]], ir.Table] | None = None
    currency: Any = None
    header: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class AttributePreset:
    """Who the customers are, as one tool exports them.

    Attributes
    ----------
    name, title, file : str
    cites : tuple of str
        As in `Preset`.
    customer_id : tuple of str
        The export's columns that may hold it, the first that is there counts.
    demographic, geographic, psychographic : dict of str to tuple of str
        For each basis: what an attribute is called, and the export's columns that may hold it.
    """

    name: str
    title: str
    file: str
    cites: tuple[str, ...]
    customer_id: tuple[str, ...]
    demographic: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    geographic: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    psychographic: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
