"""Fetch the columns of a source, and choose one row for each customer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ibis
import pandas as pd
import pyarrow as pa

from segkit.collect.attributes.arguments import Selection
from segkit.collect.attributes.column_types import Raw
from segkit.collect.sources.source import MARK, NOT_UTF8, Source
from segkit.collect.values import LONGEST_ID, no_id, read_id, read_number
from segkit.core.engine.connection import table_of

if TYPE_CHECKING:
    import ibis.expr.types as ir


def fetch(source: Source, selection: Selection) -> tuple[pd.Series, pd.Series, dict[str, Raw]]:
    """Return the ids, the reasons why some cannot be used, and the columns as words, numbers and dates."""
    wanted = {f"c{i}": source.table[c] for i, c in enumerate(selection.needed)}
    if selection.customer_id is not None:
        wanted["ids"] = source.table[selection.customer_id]
    arrow = source.table.select(**wanted).to_pyarrow()
    if selection.customer_id is None:
        arrow = arrow.append_column("ids", pa.array(range(1, len(arrow) + 1), pa.int64()))
    memory = table_of(arrow)
    ids = read_id(memory.ids)
    why = [(when.fill_null(False), f"customer_id {reason}") for when, reason in no_id(memory.ids, ids)]
    expressions = {"ids": ids, "why": ibis.cases(*why) if why else ibis.null("string")}
    kinds = {}
    for i, column in enumerate(selection.needed):
        kinds[column] = _kind(memory[f"c{i}"], column, source.name)
        expressions |= _readings(memory[f"c{i}"], kinds[column], i)
    read = memory.select(**expressions).to_pyarrow()
    words = {name: _text(read[name]) for name in read.column_names if name[0] in "iw"}
    nothing = pd.Series(pd.NaT, index=words["ids"].index, dtype="datetime64[us]")
    raws = {}
    for i, column in enumerate(selection.needed):
        dates = _times(read[f"d{i}"]) if kinds[column] == "date" else nothing
        numbers = pd.Series(read[f"n{i}"].to_numpy(zero_copy_only=False), dtype="float64")
        raws[column] = Raw(column, source.name, kinds[column], words[f"w{i}"], numbers, dates)
    ids = words["ids"]
    if selection.lower:
        ids = ids.where(~ids.str.contains("@", na=False), ids.str.lower())
    return ids, words["why"], raws


def _kind(raw: ir.Column, column: str, where: str) -> str:
    dtype = raw.type()
    if dtype.is_boolean():
        return "truth"
    if dtype.is_numeric():
        return "number"
    if dtype.is_timestamp() or dtype.is_date():
        return "date"
    if dtype.is_string() or dtype.is_uuid():
        return "text"
    raise ValueError(
        f"The column {column!r} of {where} holds {dtype}. An attribute is a number, a word or a date. Convert the "
        "column, or leave it out."
    )


def _readings(raw: ir.Column, kind: str, i: int) -> dict[str, Any]:
    """Return the words and numbers of a column, and the times of a column of dates."""
    if kind == "date":
        time = raw.cast("timestamp(6)")
        return {
            f"w{i}": raw.cast("string"),
            f"n{i}": ibis.null("float64"),
            f"d{i}": time,
        }
    if kind == "text":
        text = raw.cast("string").strip()
        return {f"w{i}": text, f"n{i}": read_number(text)}
    if kind == "truth":
        return {f"w{i}": raw.cast("string"), f"n{i}": raw.cast("float64")}
    return {f"w{i}": read_id(raw), f"n{i}": read_number(raw)}


def _text(column: pa.ChunkedArray) -> pd.Series:
    return column.to_pandas().astype("str")


def _times(column: pa.ChunkedArray) -> pd.Series:
    times = column.cast(pa.timestamp("us", tz="UTC" if column.type.tz else None)).to_pandas()
    return times.dt.tz_localize(None) if times.dt.tz is not None else times.astype("datetime64[us]")


def keep_rows(raw: Raw, used: pd.Series) -> Raw:
    """Return a column with the used rows only."""
    return Raw(
        raw.name,
        raw.source,
        raw.kind,
        *(part[used].reset_index(drop=True) for part in (raw.words, raw.numbers, raw.dates)),
    )


def one_row_per_customer(
    source: Source, ids: pd.Series, why_no_id: pd.Series, raws: Mapping[str, Raw], duplicates: str
) -> tuple[pd.Series, pd.DataFrame]:
    """Return which rows are used, one per customer, and a table of the reasons why others are refused."""
    rows = pd.DataFrame({name: raw.words for name, raw in raws.items()} | {"": ids})
    reason = why_no_id.astype("object").where(why_no_id.notna(), None)
    reason[ids.isna()] = "customer_id missing"
    reason[ids.str.len() > LONGEST_ID] = f"customer_id longer than {LONGEST_ID} characters"
    keep = "last" if duplicates == "last" else "first"
    reason[reason.isna() & rows.duplicated(keep=keep)] = "equal to another row"
    left = ids[reason.isna()]
    if duplicates == "refuse":
        reason[left.index[left.duplicated(keep=False)]] = "rows of one customer differ"
    else:
        reason[left.index[left.duplicated(keep=keep)]] = f"not the {keep} row of its customer"
    first = next(iter(raws.values()))
    elsewhere = f"{first.name}=" + first.words.fillna("missing")
    shown = ("customer_id=" + ids).fillna(elsewhere).str.slice(0, 80)
    aside = pd.DataFrame({"reason": reason, "example": shown}).dropna(subset=["reason"])
    refused = aside.groupby("reason").agg(count=("example", "size"), example=("example", "min")).reset_index()
    if source.broken:
        line = ["line not readable as a row", source.broken, source.broken_example[:80]]
        refused = pd.concat([refused, pd.DataFrame([line], columns=refused.columns)])
    refused = refused.sort_values(["count", "reason"], ascending=[False, True], ignore_index=True)
    refused = refused.astype({"reason": "str", "count": "int64", "example": "str"})
    if reason.notna().all():
        why = "; ".join(
            f"{n:,} × {reason} ({example})" for reason, n, example in refused.itertuples(index=False)
        )
        what = (
            f"No row of {source.name} can be used: {why}" if why else f"{source.name} has columns but no rows"
        )
        hint = "Check the column of the ids, or use duplicates='last' to keep the last row of each customer."
        if refused["example"].iloc[:1].str.endswith(MARK).any():
            hint = NOT_UTF8
        raise ValueError(f"{what}. {hint}")
    return reason.isna(), refused
