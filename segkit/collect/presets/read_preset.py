"""Read an export by a preset: find its columns, reshape its rows, and refuse those that are no events."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt
import pandas as pd

from segkit.collect.presets.copies import refuse_copies
from segkit.collect.presets.headerless import is_headerless, open_headerless
from segkit.collect.presets.helper_columns import HAS_ESSENTIALS, REFUSED
from segkit.collect.presets.preset import Preset
from segkit.collect.presets.rows import Rows, Value, as_json
from segkit.collect.presets.sql import (
    NO_TEXT,
    as_text,
    coalesced,
    is_any,
    is_id,
    is_moment,
    type_name,
    type_of_shape,
)
from segkit.collect.row_reader import REPEATED_EVENT, how_to_mend
from segkit.collect.sources.csv import USUAL_CSV, CsvOptions
from segkit.collect.sources.open import open_source
from segkit.collect.sources.source import Source
from segkit.core.engine.connection import (
    create,
    engine,
    gc_paused,
    run,
    table_of,
    unique_name,
)
from segkit.core.messages import did_you_mean, listed, warn_of_kinds
from segkit.core.schema import STANDARD

if TYPE_CHECKING:
    import ibis.expr.types as ir

CURRENCY = "segkit_currency"
UNREAD = "segkit_unread"
OFFERED = (*STANDARD, "price")


@dataclass(frozen=True, eq=False)
class Export:
    """An export whose rows are events under standard names.

    Attributes
    ----------
    source : Source
        The rows under standard names, a copy in the engine.
    kind : str or None
        The kind of all rows; None where the column `kind` says it.
    kinds : dict of str to str
        New words for the kinds in that column.
    formats : tuple of str
        How its times are written, as in `read_events`.
    refused : DataFrame
        Rows that are no events: columns `reason`, `count`, `example`.
    aliases : DataFrame, optional
        Ids that the export names together, such as a cookie and who signed in: columns `alias` and `customer_id`.
    """

    source: Source
    kind: str | None
    kinds: dict[str, str]
    formats: tuple[str, ...]
    refused: pd.DataFrame
    aliases: pd.DataFrame | None = None


def open_export(
    source: Any, preset: Preset, *, table: str | None = None, csv: CsvOptions = USUAL_CSV
) -> Source:
    """Open an export, with or without header line; `table` and `csv` are those of `open_source`."""
    if table is not None or str(csv):
        return open_source(source, table=table, csv=csv)
    return open_headerless(source, preset) if is_headerless(source, preset) else open_source(source)


def read_export(
    opened: Source,
    preset: Preset,
    *,
    columns: Mapping[str, str],
    kind: str | None = None,
    kind_column: str | None = None,
    kinds: Mapping[str, str] | None = None,
    formats: tuple[str, ...] = (),
    event_id: str | None = None,
    keep_robots: bool = False,
    with_aliases: bool = False,
) -> Export:
    """Turn the rows of an export into events under standard names.

    Parameters
    ----------
    opened : Source
        The opened export.
    preset : Preset
    columns, kind, kind_column, kinds, formats, event_id
        As in `read_events`; they take precedence over the preset.
    keep_robots : bool
        Whether rows that the export marks as a robot's are events.
    with_aliases : bool
        Whether to find the aliases of customers.

    Returns
    -------
    Export

    Raises
    ------
    ValueError
        If the export lacks a column that the preset needs, or every row is refused.
    """
    source = _embedded(opened)
    types = dict(source.schema().items())
    wanted = _wanted(preset, columns, kind, kind_column)
    rows = Rows(types, tuple(types), wanted, check=opened.check_once)
    _check_named(opened, rows, preset, columns, kind_column)
    _check_needed(opened, rows, preset, columns, kind is not None or kind_column is not None)
    rows = _typed(rows, preset, {**columns, "kind": kind_column}, opened.name)
    aliases = _aliases(source, rows, preset) if with_aliases else None
    words = {**preset.kinds, **(kinds or {})}
    if "timestamp" not in columns:
        formats = formats or preset.formats
    if preset.reshape is not None:
        rows = _with_essentials(rows, preset, formats)
        rows, aside = _set_aside(rows, preset, event_id, keep_robots, opened.name)
        rows = preset.reshape(rows, {word: new for word, new in words.items() if isinstance(word, str)})
        rows = rows if aside is None else rows.with_rows_of(aside)
    read = {name: value for name, spec in rows.standard.items() if (value := rows.value(spec)) is not None}
    table = _materialised(
        source, rows, preset, {name: value.sql for name, value in read.items()}, opened.name
    )
    every_kind = kind if kind is not None or "kind" in read else preset.kind
    seen = str(every_kind) if every_kind is not None else _different(table, "kind") if "kind" in read else []
    refused = _refused(table, read)
    if len(refused):
        _check_some_left(table, refused, preset, opened.name)
    if "amount" in read:
        _warn_of_currencies(table, opened.name)
    if kinds:
        known = preset.kinds if kind_column is None else ()
        warn_of_kinds(kinds, seen, opened.name, known, frames=3)
    good = table.filter(table[REFUSED].isnull()) if len(refused) else table
    ready = dataclasses.replace(opened, table=good.select(*read), owned=True, repeated=frozenset())
    return Export(
        ready, every_kind, words if kind_column is None else dict(kinds or {}), formats, refused, aliases
    )


def _materialised(
    source: ir.Table, rows: Rows, preset: Preset, columns: dict[str, str], name: str
) -> ir.Table:
    """Compute these columns of all rows, the reason to refuse a row, and the currency of its amount."""
    reasons = [reason for reason in (UNREAD, REFUSED) if reason in rows.types]
    refused = coalesced(*reasons) if reasons else NO_TEXT
    paid_in = None if preset.currency is None else rows.value(preset.currency)
    currency = NO_TEXT if paid_in is None else f"lower({as_text(paid_in.sql)})"
    backend = engine()
    with gc_paused():
        backend._run_pre_execute_hooks(source)
        query = rows.query(backend.compile(source), {**columns, REFUSED: refused, CURRENCY: currency})
    table = unique_name("export")
    return create(table, query, what=f"Reading {name}")


def _different(table: ir.Table, column: str) -> list[str]:
    """Return the different values of a column as text, including those of refused rows."""
    rows = run(
        f"SELECT DISTINCT CAST({column} AS VARCHAR) FROM {table.get_name()} WHERE {column} IS NOT NULL"
    )
    return [word for (word,) in rows]


def _embedded(opened: Source) -> ir.Table:
    """Return the table in the embedded engine, in whose SQL presets are written."""
    if ibis.get_backend(opened.table) is engine():
        return opened.table
    return table_of(opened.table.to_pyarrow())


def _wanted(
    preset: Preset, columns: Mapping[str, str], kind: str | None, kind_column: str | None
) -> dict[str, Any]:
    """Return the column of each standard name: the caller's, else the preset's."""
    wanted = {**preset.columns, **columns}
    if "price" in columns and "amount" not in columns:
        wanted.pop("amount", None)
    if kind_column is not None:
        wanted["kind"] = kind_column
    if kind is not None:
        wanted.pop("kind", None)
    return {name: wanted[name] for name in OFFERED if name in wanted}


def _check_named(
    opened: Source, rows: Rows, preset: Preset, columns: Mapping[str, str], kind_column: str | None
) -> None:
    named = dict(columns) if kind_column is None else {**columns, "kind": kind_column}
    for standard, column in named.items():
        if standard not in OFFERED or (standard == "kind" and kind_column is None):
            raise TypeError(
                f"read_events has no column {standard!r}.{did_you_mean(standard, OFFERED)} "
                f"The standard columns are {', '.join(c for c in OFFERED if c != 'kind')}."
            )
        if rows.at(column) is None:
            raise ValueError(
                f"{opened.name} has no column {column!r}.{did_you_mean(str(column), rows.types)} Its columns are "
                f"{listed(rows.types)}. Say which one holds {standard}, or leave that to preset={preset.name!r}."
            )


def _check_needed(
    opened: Source, rows: Rows, preset: Preset, columns: Mapping[str, str], has_kind: bool
) -> None:
    """Check that the file has the columns that the preset needs, unless the caller names others."""
    for standard, names in (*_plain_needs(preset), *preset.needs):
        is_named = has_kind if standard == "kind" else standard in columns
        if is_named or any(rows.found(n) or rows.found(n.partition(".")[0]) for n in names):
            continue
        mend = f'read_events(…, preset="{preset.name}", {standard}="…")'
        raise ValueError(
            f"{opened.name} has no column {' or '.join(map(repr, names))}, from which preset {preset.name!r} reads "
            f"{standard}."
            f"{did_you_mean(names[0], rows.types)} Its columns are {listed(rows.types)}. The preset reads "
            f"{preset.file} If your file has another name for it, say so: {mend}."
        )


def _plain_needs(preset: Preset) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return the columns of the export that a preset names for customer, time and kind."""
    for standard in ("customer_id", "timestamp", "kind"):
        spec = preset.columns.get(standard, ())
        names = spec if isinstance(spec, tuple) else (spec,)
        if names and all(isinstance(name, str) and not name.startswith("segkit_") for name in names):
            yield standard, names


def _typed(rows: Rows, preset: Preset, named: Mapping[str, str | None], name: str) -> Rows:
    """Give nested columns the types of the preset; refuse rows whose text is no such JSON.

    Fields of nested columns that the caller named become columns: the types of the preset may not include them.
    """
    inner = {f"segkit_own_{k}": path for k, path in named.items() if path and rows.found(path) is None}
    own = {column: rows.at(path) for column, path in inner.items()}
    columns = {column: value for column, value in own.items() if value is not None}
    typed, unread = {}, []
    for column, shape in preset.nested.items():
        raw, found = rows.at(column), rows.found(column)
        if raw is None or found is None:
            continue
        dtype = type_of_shape(shape)
        if raw.type.is_string() or raw.type.is_json():
            read = f"TRY_CAST({as_json(raw)} AS {type_name(dtype)})"
            # The JSON value null is readable, and means missing.
            is_blank = is_any(f"trim(CAST({raw.sql} AS VARCHAR))", ["", "null"])
            failed = f"{raw.sql} IS NOT NULL AND {_read_as(column)} IS NULL AND NOT {is_blank}"
            unread.append(f"WHEN {failed} THEN '{column} not readable as JSON'")
        elif raw.type.is_nested():
            read = f"TRY_CAST({raw.sql} AS {type_name(dtype)})"
        else:
            raise ValueError(
                f"The column {found!r} of {name} holds {raw.type}. Preset {preset.name!r} expects JSON or a "
                "structure there; leave the preset out and name the columns."
            )
        columns[_read_as(column)] = Value(read, dtype)
        typed[found] = Value(_read_as(column), dtype)
    if not columns:
        return rows
    # In a step of its own, so that JSON is parsed once.
    rows = rows.with_values(columns)
    if unread:
        typed[UNREAD] = Value(f"CASE {' '.join(unread)} END", dt.string)
    if typed:
        rows = rows.with_values(typed).without(*(name for name in columns if name not in own))
    kept = {column.removeprefix("segkit_own_"): column for column in inner}
    return dataclasses.replace(rows, standard={**rows.standard, **kept})


def _read_as(column: str) -> str:
    return f"segkit_read_{column}"


def _with_essentials(rows: Rows, preset: Preset, formats: tuple[str, ...]) -> Rows:
    """Mark rows whose customer and time can be read; of copies, only these can count."""
    customer, time = rows.value(rows.standard["customer_id"]), rows.value(rows.standard["timestamp"])
    if time is None:  # the preset makes the time from other columns
        needed = (names for standard, names in preset.needs if standard == "timestamp")
        time = rows.value(tuple(name for names in needed for name in names))
    checks = ["false" if customer is None else is_id(customer.sql, customer.type)]
    if UNREAD in rows.types:
        checks.append(f"{UNREAD} IS NULL")
    if time is not None and not time.type.is_nested():
        checks.append(is_moment(time.sql, time.type, formats))
    return rows.with_columns({HAS_ESSENTIALS: " AND ".join(checks)}, {HAS_ESSENTIALS: dt.boolean})


def _aliases(source: ir.Table, rows: Rows, preset: Preset) -> pd.DataFrame:
    """Return the ids that rows of an export name together."""
    if not preset.aliases:
        raise ValueError(
            f"same_customer='export' reads who signed in from the export, and {preset.title} does not say it. Give a "
            "table with the columns alias and customer_id."
        )
    backend, parts = engine(), []
    for alias, customer in preset.aliases:
        ids = {"alias": rows.text(*alias), "customer_id": rows.text(*customer)}
        query = rows.query(backend.compile(source), ids)
        parts += run(f"SELECT DISTINCT * FROM ({query}) WHERE alias IS NOT NULL AND customer_id IS NOT NULL")
    return pd.DataFrame(parts, columns=["alias", "customer_id"], dtype="str")


def _set_aside(
    rows: Rows, preset: Preset, event_id: str | None, keep_robots: bool, name: str
) -> tuple[Rows, Rows | None]:
    """Take robots' rows, and rows of an event that came before, out of those that are reshaped."""
    robot = None if keep_robots or preset.robots is None else preset.robots(rows)
    if robot is None and event_id is None:
        return rows, None
    rows = rows.with_columns({REFUSED: robot or NO_TEXT})
    if event_id is not None:
        own = rows.found(event_id)
        if own is None:
            raise ValueError(
                f"{name} has no column {event_id!r}.{did_you_mean(event_id, rows.export)} Its columns are "
                f'{listed(rows.export)}. Say which one holds event_id: event_id="…".'
            )
        times = (
            rows.standard["timestamp"],
            *(names for column, names in preset.needs if column == "timestamp"),
        )
        first = [rows.text(*(spec if isinstance(spec, tuple) else (spec,))) for spec in times]
        rows = refuse_copies(rows, rows.text(own), REPEATED_EVENT, first)
    return rows.where(f"{REFUSED} IS NULL"), rows.where(f"{REFUSED} IS NOT NULL")


def _refused(table: ir.Table, read: Mapping[str, Value]) -> pd.DataFrame:
    """Count the rows that are refused, with an example of each reason."""
    shown = next(name for name in ("order_id", "timestamp", "customer_id") if name in read)
    example = f"'{shown}=' || substring(coalesce(CAST({shown} AS VARCHAR), 'missing'), 1, 60)"
    counts = run(
        f"SELECT {REFUSED}, count(*), min({example}) FROM {table.get_name()} WHERE {REFUSED} IS NOT NULL "
        "GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    refused = pd.DataFrame(counts, columns=["reason", "count", "example"])
    return refused.astype({"reason": "str", "count": "int64", "example": "str"})


def _check_some_left(table: ir.Table, refused: pd.DataFrame, preset: Preset, name: str) -> None:
    if run(f"SELECT 1 FROM {table.get_name()} WHERE {REFUSED} IS NULL LIMIT 1"):
        return
    why = "; ".join(
        f"{n:,} × {reason}" for reason, n in zip(refused["reason"], refused["count"], strict=True)
    )
    mends = map(how_to_mend, refused["reason"], refused["example"])
    other = f"Check that the file is what the preset reads: {preset.file}"
    raise ValueError(
        f"No row of {name} is an event under preset {preset.name!r}: {why}. "
        f"{next((mend for mend in mends if mend), other)}"
    )


def _warn_of_currencies(table: ir.Table, name: str) -> None:
    """Warn if amounts are in several currencies."""
    counts = run(
        f"SELECT {CURRENCY} FROM {table.get_name()} WHERE {REFUSED} IS NULL AND amount IS NOT NULL "
        f"AND {CURRENCY} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1"
    )
    if len(counts) > 1:
        currencies = listed((currency for (currency,) in counts), 5)
        warnings.warn(
            f"{name} holds amounts in {len(counts)} currencies ({currencies}). segkit does not convert them, so sums "
            "would mix them. Read one currency at a time, or convert the amounts first.",
            stacklevel=5,
        )
