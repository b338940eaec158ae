"""An export under a preset: its columns found, its rows reshaped, what is no event set aside."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import pandas as pd

from segkit.collect.presets.columns import as_json, at, dtype_of, filled, found, is_any, value
from segkit.collect.presets.headerless import is_headless, open_headless
from segkit.collect.presets.order_lines import REFUSED, USABLE
from segkit.collect.presets.preset import Preset
from segkit.collect.row_reader import how_to_mend
from segkit.collect.sources.open import open_source
from segkit.collect.sources.source import Source
from segkit.collect.timestamps import Times
from segkit.collect.values import LONGEST_ID, read_id
from segkit.core.engine.connection import engine, materialise, table_of
from segkit.core.messages import did_you_mean, listed, warn_of_kinds
from segkit.core.moments import EARLIEST, LATEST
from segkit.core.schema import STANDARD

if TYPE_CHECKING:
    import ibis.expr.types as ir

CURRENCY = "segkit currency"
UNREAD = "segkit unread"
SAID, MOMENT = "segkit said", "segkit moment"
OFFERED = (*STANDARD, "price")


@dataclass(frozen=True, eq=False)
class Export:
    """An export as the door wants it.

    Attributes
    ----------
    source : Source
        Its rows under standard names, a copy of our own.
    kind : str or None
        The kind of all rows; None where the column `kind` says it.
    kinds : dict of str to str
        New words for the kinds in that column.
    formats : tuple of str
        How its times are written.
    refused : DataFrame
        Rows that are no events: columns `reason`, `count`, `example`.
    """

    source: Source
    kind: str | None
    kinds: dict[str, str]
    formats: tuple[str, ...]
    refused: pd.DataFrame


def open_export(source: Any, preset: Preset, *, table: str | None = None) -> Source:
    """Open an export, also one whose files have no header line; `table` is that of `open_source`."""
    if table is not None:
        return open_source(source, table=table)
    return open_headless(source, preset) if is_headless(source, preset) else open_source(source)


def read_export(
    opened: Source,
    preset: Preset,
    *,
    columns: Mapping[str, str],
    kind: str | None = None,
    kind_column: str | None = None,
    kinds: Mapping[str, str] | None = None,
    formats: tuple[str, ...] = (),
) -> Export:
    """Bring an export's rows under standard names.

    Parameters
    ----------
    opened : Source
        The export as it came.
    preset : Preset
    columns, kind, kind_column, kinds, formats
        What the caller says of them, as in `read_events`; it goes before what the preset says.

    Returns
    -------
    Export

    Raises
    ------
    ValueError
        If the export lacks a column that it needs, or every row is refused.
    """
    table = _ours(opened)
    wanted = _wanted(preset, columns, kind, kind_column)
    _check_named(opened, table, preset, columns, kind_column)
    _check_needed(opened, table, preset, columns, kind is not None or kind_column is not None)
    words = {**preset.kinds, **(kinds or {})}
    inner, wanted = _named_within(table, wanted, {**columns, "kind": kind_column})
    rows = _nested(table.mutate(**inner), preset, opened.name)
    if "timestamp" not in columns:
        formats = formats or preset.formats
    if preset.lines is not None:
        rows = _with_usable(rows, preset, wanted, formats, opened.name)
        rows = preset.lines(rows, {word: kind_ for word, kind_ in words.items() if isinstance(word, str)})
    read = {name: value(rows, spec) for name, spec in wanted.items()}
    read = {name: column for name, column in read.items() if column is not None}
    reasons = [rows[name] for name in (UNREAD, REFUSED) if name in rows.columns]
    aside = ibis.coalesce(*reasons) if reasons else ibis.null("string")
    paid = value(rows, preset.currency) if preset.currency is not None else None
    more = {} if paid is None else {CURRENCY: filled(paid).lower()}
    every = materialise(rows.select(**read, **more, **{REFUSED: aside}))
    refused = _refused(every, read)
    good = every.filter(every[REFUSED].isnull())
    if len(refused) and not int(good.count().to_pandas()):
        why = "; ".join(
            f"{n:,} × {reason}" for reason, n in zip(refused["reason"], refused["count"], strict=True)
        )
        mends = map(how_to_mend, refused["reason"], refused["example"])
        hint = next(
            (more for more in mends if more), f"Check that the file is what the preset reads: {preset.file}"
        )
        raise ValueError(f"No row of {opened.name} is an event under preset {preset.name!r}: {why}. {hint}")
    _warn_of_currencies(good, opened.name)
    every_kind = kind if kind is not None or "kind" in read else preset.kind
    if kinds:
        known = preset.kinds if kind_column is None else ()
        warn_of_kinds(
            kinds, str(every_kind) if every_kind is not None else _words(every), opened.name, known, frames=3
        )
    ready = dataclasses.replace(opened, table=good.select(*read), owned=True)
    return Export(ready, every_kind, words if kind_column is None else dict(kinds or {}), formats, refused)


def _words(every: ir.Table) -> list[str]:
    """Return the different words for kinds, those of rows that are set aside included."""
    if "kind" not in every.columns:
        return []
    return every.select(word=every.kind.cast("string")).distinct().to_pandas()["word"].dropna().to_list()


def _ours(opened: Source) -> ir.Table:
    """Return the table in our own engine: presets take structures and JSON apart as DuckDB does."""
    if ibis.get_backend(opened.table) is engine():
        return opened.table
    return table_of(opened.table.to_pyarrow())


def _wanted(
    preset: Preset, columns: Mapping[str, str], kind: str | None, kind_column: str | None
) -> dict[str, Any]:
    """Return the column of each standard name: as the caller says, else as the preset does."""
    wanted = {**preset.columns, **columns}
    if "price" in columns and "amount" not in columns:
        wanted.pop("amount", None)
    if kind_column is not None:
        wanted["kind"] = kind_column
    if kind is not None:
        wanted.pop("kind", None)
    return {name: wanted[name] for name in OFFERED if name in wanted}


def _check_named(
    opened: Source, table: ir.Table, preset: Preset, columns: Mapping[str, str], kind_column: str | None
) -> None:
    named = dict(columns) if kind_column is None else {**columns, "kind": kind_column}
    for standard, column in named.items():
        if standard not in OFFERED or (standard == "kind" and kind_column is None):
            raise TypeError(
                f"read_events has no column {standard!r}.{did_you_mean(standard, OFFERED)} "
                f"The standard columns are {', '.join(c for c in OFFERED if c != 'kind')}."
            )
        if at(table, column) is None:
            raise ValueError(
                f"{opened.name} has no column {column!r}.{did_you_mean(str(column), table.columns)} Its columns are "
                f"{listed(table.columns)}. Say which one holds {standard}, or leave that to preset={preset.name!r}."
            )


def _check_needed(
    opened: Source, table: ir.Table, preset: Preset, columns: Mapping[str, str], kind: bool
) -> None:
    """Refuse a file that lacks what the preset cannot do without, unless the caller names it."""
    for standard, names in (*_plain_needs(preset), *preset.needs):
        said = kind if standard == "kind" else standard in columns
        if said or any(found(table, n) or found(table, n.partition(".")[0]) for n in names):
            continue
        mend = f'read_events(…, preset="{preset.name}", {standard}="…")'
        raise ValueError(
            f"{opened.name} has no column {' or '.join(map(repr, names))}, by which preset {preset.name!r} knows the "
            f"{standard}."
            f"{did_you_mean(names[0], table.columns)} Its columns are {listed(table.columns)}. The preset reads "
            f"{preset.file} If yours has it under another name, say so: {mend}."
        )


def _plain_needs(preset: Preset) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What the columns of a preset need by their own names; those made by its `lines` need nothing here."""
    for standard in ("customer_id", "timestamp", "kind"):
        spec = preset.columns.get(standard, ())
        names = spec if isinstance(spec, tuple) else (spec,)
        if names and all(isinstance(name, str) and not name.startswith("segkit ") for name in names):
            yield standard, names


def _named_within(
    table: ir.Table, wanted: Mapping[str, Any], named: Mapping[str, str | None]
) -> tuple[dict[str, ir.Column], dict[str, Any]]:
    """Keep what the caller named within a nested column: the preset's type of that column may leave it out."""
    inner = {name: path for name, path in named.items() if path is not None and found(table, path) is None}
    columns = {f"segkit own {name}": at(table, path) for name, path in inner.items()}
    return columns, {name: f"segkit own {name}" if name in inner else spec for name, spec in wanted.items()}


def _nested(table: ir.Table, preset: Preset, name: str) -> ir.Table:
    """Give nested columns the type that the preset says; a text that is no such JSON is a reason to refuse."""
    typed, unread = {}, []
    for column, shape in preset.nested.items():
        own = found(table, column)
        if own is None:
            continue
        raw, dtype = table[own], dtype_of(shape)
        if raw.type().is_unknown() or raw.type().is_null():  # a Parquet column that is nothing but missing
            raw = raw.cast("string")
        if raw.type().is_string() or raw.type().is_json():
            read = as_json(raw).try_cast(dtype)
            said = ~is_any(
                raw.cast("string").strip(), ["", "null"]
            )  # JSON's null says nothing, and says it well
            unread.append((raw.notnull() & read.isnull() & said, column))
        elif raw.type().is_nested():
            read = raw.try_cast(dtype)
        else:
            raise ValueError(
                f"The column {own!r} of {name} holds {raw.type()}. Preset {preset.name!r} expects JSON or a "
                "structure there; leave the preset out and name the columns."
            )
        typed[own] = read
    if not typed:
        return table
    if unread:
        cases = [(no.fill_null(False), f"{column} not readable as JSON") for no, column in unread]
        typed[UNREAD] = ibis.cases(*cases)
    return table.mutate(**typed)


def _with_usable(
    rows: ir.Table, preset: Preset, wanted: Mapping[str, Any], formats: tuple[str, ...], name: str
) -> ir.Table:
    """Say under `USABLE` which rows have a customer and a time that the door takes: of copies, such a one counts."""
    who, when = value(rows, wanted["customer_id"]), value(rows, wanted["timestamp"])
    if when is None:  # it is made by the preset's `lines`, of what it needs
        when = value(
            rows, tuple(n for standard, names in preset.needs if standard == "timestamp" for n in names)
        )
    usable = ibis.literal(False) if who is None else read_id(who).length() <= LONGEST_ID
    if UNREAD in rows.columns:
        usable = usable & rows[UNREAD].isnull()
    if when is None or when.type().is_nested():
        return rows.mutate(**{USABLE: usable.fill_null(False)})
    times = Times(f"The timestamp column 'timestamp' of {name}", formats, "UTC", "duckdb")
    read = times.read(rows.mutate(**{USABLE: usable, SAID: when}), SAID, MOMENT)
    inside = (read[MOMENT] >= EARLIEST) & (read[MOMENT] < LATEST)
    return read.mutate(**{USABLE: (read[USABLE] & inside).fill_null(False)}).drop(SAID, MOMENT)


def _refused(every: ir.Table, read: Mapping[str, Any]) -> pd.DataFrame:
    shown = next(name for name in ("order_id", "timestamp", "customer_id") if name in read)
    example = ibis.literal(f"{shown}=") + every[shown].cast("string").fill_null("missing").substr(0, 60)
    aside = every.mutate(example=example).filter(every[REFUSED].notnull())
    counts = aside.group_by(reason=aside[REFUSED]).agg(count=aside.count(), example=aside.example.min())
    refused = counts.to_pandas().sort_values(["count", "reason"], ascending=[False, True], ignore_index=True)
    return refused.astype({"reason": "str", "count": "int64", "example": "str"})


def _warn_of_currencies(good: ir.Table, name: str) -> None:
    """Say that amounts of several currencies would be added up as if they were one."""
    if CURRENCY not in good.columns or "amount" not in good.columns:
        return
    paid = good.filter(good.amount.notnull() & good[CURRENCY].notnull())
    seen = paid.group_by(currency=paid[CURRENCY]).agg(n=paid.count()).order_by(ibis.desc("n"), "currency")
    currencies = seen.to_pandas()["currency"].tolist()
    if len(currencies) > 1:
        warnings.warn(
            f"{name} holds amounts in {len(currencies)} currencies ({listed(currencies, 5)}), and they are kept as "
            "they are: sums would mix them. Read one currency at a time, or convert the amounts first.",
            stacklevel=5,
        )
