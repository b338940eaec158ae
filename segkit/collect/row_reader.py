"""The door: each row of a source becomes an event under standard columns, or is refused with a reason."""

from __future__ import annotations

import functools
import operator
import re
import sys
import zoneinfo
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import duckdb
import ibis
import pandas as pd

from segkit.collect.sources.source import MARK, NOT_UTF8, Source
from segkit.collect.timestamps import Times
from segkit.collect.values import (
    LONGEST_ID,
    as_shown,
    is_blank,
    no_id,
    not_a_number,
    read_id,
    read_number,
    read_text,
)
from segkit.core.engine.connection import materialise, run_with_progress
from segkit.core.engine.dialects import dialect_of
from segkit.core.moments import EARLIEST, LATEST
from segkit.core.schema import EXACT, KINDS, STANDARD

if TYPE_CHECKING:
    import ibis.expr.types as ir

    _Case = tuple[
        ir.BooleanValue, str | ir.StringValue, str
    ]  # when a row is refused, why, and the column to show

IDS = ("customer_id", "order_id", "product_id")
LARGEST = 1e12  # beyond it, these sums would no longer be exact to the millionth
BOUNDS = {"duration": (0, None), "sentiment": (-1, 1)}
HINTS = {
    "has lost digits": "Read ids as text: pd.read_csv(path, dtype={'id': str}), for instance.",
    "an object or a list": "Name the column, or make one, that holds the id alone.",
    "bytes that are no text": (
        "Write the ids as text where they come from: HEX(id) in a query, or ids.map(bytes.hex) in pandas."
    ),
    "it has a comma": (
        "Read it with pandas, which is told what a comma means, and pass the DataFrame: pd.read_csv(path, "
        "decimal=',') where 12,50 is twelve and a half, thousands=',' where 1,250 is over a thousand."
    ),
}
COUNTED = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}  # by the digits of our days
AS_READ = "{} as read by segkit"  # what a column is called beside that which came


@dataclass(frozen=True)
class Door:
    """Reads a source's columns as what they should be, and says of each row why not, where not.

    Attributes
    ----------
    source : Source
        The table as it came.
    found : dict of str to str
        Standard name (or `price`) to the source's column.
    kind : str or None
        The kind of all rows; None where ``found["kind"]`` names a column.
    kinds : dict of str to str
        New words for the kinds in that column.
    formats : tuple of str
        How times are written; empty for ISO 8601.
    timezone : str
        Zone of times that carry none.
    fine : frozenset of str
        Standard columns that are known to be fine as they came.
    """

    source: Source
    found: dict[str, str]
    kind: str | None
    kinds: dict[str, str]
    formats: tuple[str, ...]
    timezone: str
    fine: frozenset[str] = frozenset()

    @property
    def dialect(self) -> str:
        """The engine that reads."""
        return dialect_of(self.source.table)

    @property
    def times(self) -> Times:
        """How times are written."""
        column = f"The timestamp column {self.found['timestamp']!r} of {self.source.name}"
        return Times(column, self.formats, self.timezone, self.dialect)

    def usable(self, *, keep_duplicates: bool = True) -> tuple[ir.Table, pd.DataFrame]:
        """Return the events that can be used, and the count of those that cannot.

        Returns
        -------
        table : ibis Table
            Standard columns only.
        refused : DataFrame
            Columns `reason`, `count`, `example`; most frequent first.

        Raises
        ------
        ValueError
            If no row can be used.
        """
        read = self._as_read()
        reason, example = self._reason(read)
        columns = {name: read[name] for name in STANDARD if name in read}
        refused, untouched = self._look_through(columns, reason, example)

        if len(refused) or self.source.owned:
            columns |= {name: self._raw(name) for name in untouched}
            table = self._table.filter(reason.isnull()) if len(refused) else self._table
        else:  # said anew, without the ways of reading that turned out to change nothing: shorter, and sooner run
            again = replace(self, fine=frozenset(untouched))
            columns, table = again._as_read(), again._table
        table = table.select(**{name: columns[name] for name in STANDARD if name in columns})
        if not keep_duplicates:
            table, refused = _without_duplicates(table, refused)
        if self.source.owned:
            table = materialise(table, f"Reading {self.source.name}")
        return table, refused

    def _as_read(self) -> dict[str, ir.Column]:
        """Return what was found, read as what it should be, and the amounts and returns that follow from it."""
        read = {name: self._table[AS_READ.format(name)] for name in self.found}
        if "kind" not in self.fine:
            read["kind"] = self._kinds()
        read |= self._amounts(read)
        if "kind" not in self.fine:
            read["kind"] = _returns_marked(read)
        if "amount" in read and "amount" not in self.fine:
            back = read["kind"] == "return"  # money that goes back, whichever sign the source gives it
            read["amount"] = back.fill_null(False).ifelse(-read["amount"].abs(), read["amount"])
        return read

    def _look_through(
        self, columns: dict[str, ir.Column], reason: ir.Column, example: ir.Column
    ) -> tuple[pd.DataFrame, set[str]]:
        """Pass once over the source: count what is refused, and see which columns are fine as they came."""
        cleaned = [name for name, column in columns.items() if self._could_stay(name, column)]
        looked = self._table.select(
            reason=reason,
            example=example,
            **{f"touched_{name}": ~columns[name].identical_to(self._raw(name)) for name in cleaned},
        )
        counted = looked.group_by("reason").agg(
            count=looked.count(),
            example=looked.example.min(),
            **{f"touched_{name}": looked[f"touched_{name}"].any() for name in cleaned},
        )
        try:
            counts = run_with_progress(counted, counted.to_pandas, f"Reading {self.source.name}")
        except duckdb.InterruptException:
            raise  # by somebody who has the connection: no fault of the source
        except _engine_errors() as error:
            raise ValueError(
                f"{self.source.name} could not be read through: {str(error).strip().partition(chr(10))[0]} "
                "Check its columns, and timestamp_format if one was given."
            ) from error
        used = counts["reason"].isna()
        refused = counts.loc[~used, ["reason", "count", "example"]]
        if self.source.broken:
            line = ["line not readable as a row", self.source.broken, self.source.broken_example[:80]]
            refused = pd.concat([refused, pd.DataFrame([line], columns=refused.columns)])
        refused = refused.sort_values(["count", "reason"], ascending=[False, True], ignore_index=True)
        refused = refused.astype({"reason": "str", "count": "int64", "example": "str"})
        if not used.any():
            raise ValueError(self._nothing_usable(refused))
        untouched = {name for name in cleaned if not counts.loc[used, f"touched_{name}"].any()}
        return refused, untouched

    def _nothing_usable(self, refused: pd.DataFrame) -> str:
        if not len(refused):
            return f"{self.source.name} has columns but no rows. Check the filter or the export that made it."
        why = "; ".join(
            f"{r.count_:,} × {r.reason} ({r.example})"
            for r in refused.rename(columns={"count": "count_"}).itertuples()
        )
        form = 'Say how times are written: timestamp_format="%d/%m/%Y %H:%M", for instance.'
        known = (
            how_to_mend(row.reason, row.example)
            or (form if row.reason.startswith("timestamp not readable") else "")
            for row in refused.itertuples()
        )
        hint = next((more for more in known if more), "Check which column is which.")  # of what refuses most
        return f"No row of {self.source.name} can be used: {why}. {hint}"

    @functools.cached_property
    def _table(self) -> ir.Table:
        """The source, with a further column for each that is read, so that each is computed once.

        Text of our own is parsed here and now: the reasons ask for what was read many times, and would
        each parse it anew.
        """
        table = self.times.read(self.source.table, self.found["timestamp"], AS_READ.format("timestamp"))
        others = {AS_READ.format(name): self._read(name) for name in self.found if name != "timestamp"}
        read = table.mutate(**others)
        return materialise(read, f"Reading {self.source.name}") if self.source.owned else read

    def _raw(self, name: str) -> ir.Column:
        return self._table[self.found[name]]

    def _could_stay(self, name: str, column: ir.Column) -> bool:
        """Say whether the source's own column may already be what the standard one should be."""
        run_with_progress = column.type().is_string() or name == "amount"
        return run_with_progress and name in self.found and self._raw(name).type() == column.type()

    def _read(self, name: str) -> ir.Column:
        raw = self.source.table[self.found[name]]
        if name in self.fine:
            return raw
        if name in IDS:
            return read_id(raw, self.dialect)
        if name == "zone" and raw.type().is_string():
            raw = raw.strip()
        return read_number(raw) if STANDARD.get(name, "number") == "number" else read_text(raw)

    def _kinds(self) -> ir.Column:
        if self.kind is not None:
            return ibis.literal(self.kind.strip())
        kind = self._table[AS_READ.format("kind")]
        changed = {word: self._canonical(word) for word in self.kind_words if self._canonical(word) != word}
        return kind.substitute(changed).nullif("") if changed else kind

    @functools.cached_property
    def kind_words(self) -> list[str]:
        """The different words for kinds, as they came."""
        return [self.kind] if self.kind is not None else _words(self._table[AS_READ.format("kind")])

    def _canonical(self, word: str) -> str:
        """Return what a kind is called here: as was said in `kinds`, and known ones in small letters."""
        said = self.kinds.get(word, word).strip()
        return said.lower() if said.lower() in KINDS else said

    def _amounts(self, read: dict[str, ir.Column]) -> dict[str, ir.Column]:
        if "amount" in read or "price" not in read:
            return {}
        return {"amount": read["price"] * read["quantity"] if "quantity" in read else read["price"]}

    def _reason(self, read: dict[str, ir.Column]) -> tuple[ir.Column, ir.Column]:
        """Say why a row cannot be used, and show it; missing where it can."""
        raw = {name: as_shown(self._raw(name), self.dialect) for name in self.found}
        locator = "order_id" if "order_id" in raw else "timestamp"
        cases: list[_Case] = [
            (read["customer_id"].isnull(), "customer_id missing", locator),
            (
                read["customer_id"].length() > LONGEST_ID,
                f"customer_id longer than {LONGEST_ID} characters",
                "customer_id",
            ),
            *self._id_cases(read),
            (self._unread(read, "timestamp", blank=True), "timestamp missing", "customer_id"),
            (read["timestamp"].isnull(), "timestamp not readable", "timestamp"),
            (
                (read["timestamp"] < EARLIEST) | (read["timestamp"] >= LATEST),
                self.times.outside(self._raw("timestamp")),
                "timestamp",
            ),
            (read["kind"].isnull(), "kind missing", "customer_id"),
            *self._zone_cases(read),
        ]
        for name in self.found:
            if STANDARD.get(name, "number") != "number":
                continue
            if self._raw(name).type().is_string():
                cases.append(
                    (self._unread(read, name, blank=False), not_a_number(name, self._raw(name)), name)
                )
            cases.append((read[name].isinf(), f"{name} not finite", name))
            if name in EXACT:
                cases.append((read[name].abs() >= LARGEST, f"{name} beyond {LARGEST:,.0f}", name))
            low, high = BOUNDS.get(name, (None, None))
            sides = [read[name] < low] * (low is not None) + [read[name] > high] * (high is not None)
            if sides:
                said = f"{name} below {low}" if high is None else f"{name} outside {low} to {high}"
                cases.append((functools.reduce(operator.or_, sides), said, name))
        cases += self._amount_cases(read)
        reason = ibis.cases(*((when.fill_null(False), why) for when, why, _ in cases))
        example = ibis.cases(
            *(
                (
                    when.fill_null(False),
                    ibis.literal(f"{name}=") + raw[name].fill_null("missing").substr(0, 60),
                )
                for when, _, name in cases
            )
        )
        return reason, example

    def _id_cases(self, read: dict[str, ir.Column]) -> list[_Case]:
        """Say where a customer's id cannot be one, and where numbers of any ids have lost what tells them apart."""
        return [
            (when, f"{name} {why}", name)
            for name in IDS
            if name in self.found and (name == "customer_id" or self._raw(name).type().is_floating())
            for when, why in no_id(self._raw(name), read[name], self.dialect)
        ]

    def _unread(self, read: dict[str, ir.Column], name: str, *, blank: bool) -> ir.BooleanValue:
        """Say where nothing was read, and nothing stood there, or something; a dear question, asked only there."""
        stood = is_blank(self._raw(name), self.dialect)
        return read[name].isnull().ifelse(stood if blank else ~stood, False)

    def _zone_cases(self, read: dict[str, ir.Column]) -> list[_Case]:
        if "zone" not in read:
            return []
        unknown = sorted(set(_words(read["zone"])) - zoneinfo.available_timezones())
        return [(read["zone"].isin(unknown), "zone not a time zone", "zone")] if unknown else []

    def _amount_cases(self, read: dict[str, ir.Column]) -> list[_Case]:
        if "amount" not in read:
            return []
        shown = "amount" if "amount" in self.found else "price"
        sold = (read["kind"] == "purchase") | (read["kind"] == "return")
        cases: list[_Case] = [
            (sold & read["amount"].isnull(), "amount of a purchase missing", "customer_id"),
            (
                read["amount"].isinf() | (read["amount"].abs() >= LARGEST),
                f"amount beyond {LARGEST:,.0f}",
                shown,
            ),
        ]
        if "quantity" in read and "price" in read:
            cases.append(
                ((read["quantity"] < 0) & (read["price"] < 0), "quantity and price both negative", "price")
            )
        return cases


def how_to_mend(reason: str, example: str) -> str:
    """Return what to do about rows that were refused for this reason, or nothing where that is not known."""
    if example.endswith(MARK):
        return NOT_UTF8
    if reason.startswith("timestamp not readable"):
        return _how_numbers_are_times(example)
    return next((more for end, more in HINTS.items() if reason.endswith(end)), "")


def _how_numbers_are_times(example: str) -> str:
    """Return what long numbers count, which is told by how long they are in our days."""
    number = re.search(r"=(\d+)(?:\.\d*)?$", example.strip())
    digits = number[1] if number else ""
    if len(digits) in COUNTED:
        return (
            f"Numbers of {len(digits)} digits count from 1970: say what, timestamp_format={COUNTED[len(digits)]!r}, "
            "where these are times of our days."
        )
    if len(digits) == 8 and pd.notna(pd.to_datetime(digits, format="%Y%m%d", errors="coerce")):
        return "Say how dates are written: timestamp_format='%Y%m%d', where this is the year, month and day."
    return ""


def _words(column: ir.StringColumn) -> list[str]:
    """Return the different words of a column."""
    return column.name("word").as_table().distinct().to_pandas()["word"].dropna().to_list()


def _engine_errors() -> tuple[type[Exception], ...]:
    """Return what an engine raises when it cannot read a source; Spark's only where Spark is there."""
    spark = sys.modules.get("pyspark.errors")
    return (duckdb.Error, spark.PySparkException) if spark else (duckdb.Error,)


def _returns_marked(read: dict[str, ir.Column]) -> ir.Column:
    kind = read["kind"]
    value = read.get("amount", read.get("quantity"))
    if value is None:
        return kind
    return ((kind == "purchase") & (value < 0)).ifelse("return", kind)


def _without_duplicates(table: ir.Table, refused: pd.DataFrame) -> tuple[ir.Table, pd.DataFrame]:
    different = table.distinct()
    repeats = int(table.count().to_pandas()) - int(different.count().to_pandas())
    if repeats:
        line = pd.DataFrame([["equal to another line", repeats, ""]], columns=["reason", "count", "example"])
        refused = pd.concat([refused, line], ignore_index=True)
    return different, refused
