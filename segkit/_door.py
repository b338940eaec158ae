"""The door: each row of a source becomes an event under standard columns, or is refused with a reason."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import ibis
import ibis.expr.datatypes as dt
import pandas as pd

from segkit._engine import kept
from segkit._sources import Source
from segkit._standard import EXACT, KINDS, STANDARD

if TYPE_CHECKING:
    import ibis.expr.types as ir

IDS = ("customer_id", "order_id", "product_id")
LONGEST_ID = 256
LARGEST = 1e12  # beyond it, these sums would no longer be exact to the millionth
EARLIEST, LATEST = pd.Timestamp("1900-01-01"), pd.Timestamp("2200-01-01")
MISSING_WORDS = (
    "",
    "nan",
    "NaN",
    "NaT",
    "None",
    "<NA>",
    "NULL",
    "null",
    "\\N",
    "N/A",
)  # how missing ids look once they were made text
EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1, "epoch_ns": 0.001}  # microseconds in each
BOUNDS = {"duration": (0, None), "sentiment": (-1, 1)}


@ibis.udf.scalar.builtin(name="try_strptime", signature=((dt.string, dt.string), dt.timestamp))
def _naive_strptime(text, fmt):
    """Read a time by its format, or nothing."""


@ibis.udf.scalar.builtin(name="try_strptime", signature=((dt.string, dt.string), dt.Timestamp("UTC")))
def _zoned_strptime(text, fmt):
    """Read a time that carries its zone by its format, or nothing."""


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.timestamp), dt.Timestamp("UTC")))
def _instant(zone, local):
    """The moment at which clocks in the zone show this."""


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.Timestamp("UTC")), dt.timestamp))
def _clock(zone, instant):
    """What clocks in the zone show at this moment."""


@ibis.udf.scalar.builtin(name="make_timestamp", signature=((dt.int64,), dt.timestamp))
def _from_microseconds(microseconds):
    """The time so many microseconds after 1970 began."""


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
    """

    source: Source
    found: dict[str, str]
    kind: str | None
    kinds: dict[str, str]
    formats: tuple[str, ...]
    timezone: str

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
        read = {name: self._read(name) for name in self.found}
        read["kind"] = self._kinds()
        read |= self._amounts(read)
        read["kind"] = _returns_marked(read)
        if "amount" in read:
            back = read["kind"] == "return"  # money that goes back, whichever sign the source gives it
            read["amount"] = back.fill_null(False).ifelse(-read["amount"].abs(), read["amount"])
        reason, example = self._reason(read)
        columns = {name: read[name] for name in STANDARD if name in read}
        refused, untouched = self._look_through(columns, reason, example)

        columns = {name: self._raw(name) if name in untouched else column for name, column in columns.items()}
        table = self.source.table
        if len(refused):
            table = table.filter(reason.isnull())
        table = table.select(**columns)
        if not keep_duplicates:
            table, refused = _without_duplicates(table, refused)
        if self.source.owned:
            table = kept(table)
        return table, refused

    def _look_through(
        self, columns: dict[str, ir.Column], reason: ir.Column, example: ir.Column
    ) -> tuple[pd.DataFrame, set[str]]:
        """Pass once over the source: count what is refused, and see which columns are fine as they came."""
        cleaned = [name for name, column in columns.items() if self._could_stay(name, column)]
        looked = self.source.table.select(
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
            counts = counted.to_pandas()
        except duckdb.Error as error:
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
        hint = "Check which column is which."
        if refused["reason"].str.startswith("timestamp not readable").any():
            hint = 'Say how times are written: timestamp_format="%d/%m/%Y %H:%M", for instance.'
        return f"No row of {self.source.name} can be used: {why}. {hint}"

    def _raw(self, name: str) -> ir.Column:
        return self.source.table[self.found[name]]

    def _could_stay(self, name: str, column: ir.Column) -> bool:
        """Say whether the source's own column may already be what the standard one should be."""
        return name in self.found and name != "kind" and self._raw(name).type() == column.type() == dt.string

    def _read(self, name: str) -> ir.Column:
        raw = self._raw(name)
        if name == "timestamp":
            return self._read_time(raw)
        if name in IDS:
            return _read_id(raw)
        return _read_number(raw) if STANDARD.get(name, "number") == "number" else _read_text(raw)

    def _kinds(self) -> ir.Column:
        if self.kind is not None:
            return ibis.literal(self.kind.strip())
        kind = _read_text(self._raw("kind"))
        words = kind.name("word").as_table().distinct().to_pandas()["word"].dropna()
        changed = {word: self._canonical(word) for word in words if self._canonical(word) != word}
        return kind.substitute(changed).nullif("") if changed else kind

    def _canonical(self, word: str) -> str:
        """Return what a kind is called here: as was said in `kinds`, and known ones in small letters."""
        said = self.kinds.get(word, word).strip()
        return said.lower() if said.lower() in KINDS else said

    def _amounts(self, read: dict[str, ir.Column]) -> dict[str, ir.Column]:
        if "amount" in read or "price" not in read:
            return {}
        return {"amount": read["price"] * read["quantity"] if "quantity" in read else read["price"]}

    def _read_time(self, raw: ir.Column) -> ir.Column:
        kind = raw.type()
        if kind.is_timestamp() and kind.timezone:
            return _clock("UTC", raw.cast(dt.Timestamp("UTC")))
        if kind.is_timestamp() or kind.is_date():
            return self._as_utc(raw.cast("timestamp(6)"))
        if kind.is_numeric() and not kind.is_boolean():
            return self._read_numeric_time(raw)
        if not kind.is_string():
            raise ValueError(
                f"The timestamp column {self.found['timestamp']!r} of {self.source.name} holds {kind}. "
                "It should hold times, or text or numbers that say them; name another column."
            )
        text = raw.strip()
        if self.formats and self.formats[0] in EPOCHS:
            return self._read_numeric_time(text.try_cast("float64"))
        if self.formats:
            return ibis.coalesce(*(self._by_format(text, fmt) for fmt in self.formats))
        instant = _clock("UTC", text.try_cast(dt.Timestamp("UTC")))
        if self.timezone == "UTC":
            return instant
        zoned = text.re_search(r":\d{2}(\.\d+)?\s*([zZ]|[+-]\d{2}(:?\d{2})?|[A-Za-z][A-Za-z_/]+)$")
        return zoned.ifelse(instant, self._as_utc(text.try_cast("timestamp(6)")))

    def _by_format(self, text: ir.Column, fmt: str) -> ir.Column:
        if "%z" in fmt or "%Z" in fmt:
            return _clock("UTC", _zoned_strptime(text, fmt))
        return self._as_utc(_naive_strptime(text, fmt))

    def _read_numeric_time(self, raw: ir.Column) -> ir.Column:
        if self.formats and self.formats[0] not in EPOCHS:
            text = raw.cast("int64").cast("string")
            return ibis.coalesce(*(self._by_format(text, fmt) for fmt in self.formats))
        if not self.formats:
            raise ValueError(
                f"The timestamp column {self.found['timestamp']!r} of {self.source.name} holds numbers. "
                f"Say what they count: timestamp_format='epoch_s' (or {', '.join(list(EPOCHS)[1:])}), or their "
                "format if they are dates such as 20240131: '%Y%m%d'."
            )
        moment = raw.cast("float64") * EPOCHS[self.formats[0]]
        inside = (moment > EARLIEST.value / 1e3) & (moment < LATEST.value / 1e3)
        return _from_microseconds(inside.ifelse(moment.round(), ibis.null("float64")).cast("int64"))

    def _as_utc(self, naive: ir.Column) -> ir.Column:
        return naive if self.timezone == "UTC" else _clock("UTC", _instant(self.timezone, naive))

    def _reason(self, read: dict[str, ir.Column]) -> tuple[ir.Column, ir.Column]:
        """Say why a row cannot be used, and show it; missing where it can."""
        raw = {name: self._raw(name).cast("string") for name in self.found}
        locator = "order_id" if "order_id" in raw else "timestamp"
        cases = [
            (read["customer_id"].isnull(), "customer_id missing", locator),
            (
                read["customer_id"].length() > LONGEST_ID,
                f"customer_id longer than {LONGEST_ID} characters",
                "customer_id",
            ),
            (_blank(self._raw("timestamp")), "timestamp missing", "customer_id"),
            (read["timestamp"].isnull(), "timestamp not readable", "timestamp"),
            (
                (read["timestamp"] < EARLIEST) | (read["timestamp"] >= LATEST),
                "timestamp outside 1900 to 2200",
                "timestamp",
            ),
            (read["kind"].isnull(), "kind missing", "customer_id"),
        ]
        for name in self.found:
            if STANDARD.get(name, "number") != "number":
                continue
            if self._raw(name).type().is_string():
                unread = read[name].isnull() & ~_blank(self._raw(name))
                cases.append((unread, f"{name} not a number", name))
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

    def _amount_cases(self, read: dict[str, ir.Column]) -> list[tuple[ir.Column, str, str]]:
        if "amount" not in read:
            return []
        shown = "amount" if "amount" in self.found else "price"
        sold = (read["kind"] == "purchase") | (read["kind"] == "return")
        cases = [
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


def _blank(raw: ir.Column) -> ir.Column:
    if raw.type().is_string():
        return raw.isnull() | _says_missing(raw.strip())
    return raw.isnull() | raw.isnan() if raw.type().is_floating() else raw.isnull()


def _read_text(raw: ir.Column) -> ir.Column:
    return raw.nullif("") if raw.type().is_string() else raw.cast("string")


def _read_id(raw: ir.Column) -> ir.Column:
    """Ids are text; whole numbers lose the ``.0`` that a table with missing values gave them."""
    if raw.type().is_floating():
        number = raw.try_cast("int64")
        whole = (number.cast("float64") == raw) & (raw.abs() < 2**53)
        text = whole.fill_null(False).ifelse(number.cast("string"), raw.cast("string"))
        return raw.isnan().ifelse(ibis.null("string"), text)
    if raw.type().is_decimal():
        return raw.cast("string").re_replace(r"\.0+$", "")
    if not raw.type().is_string():
        return raw.cast("string")
    return _is_plain(raw).ifelse(raw, _cleaned(raw))


def _is_plain(raw: ir.Column) -> ir.Column:
    """Say of a text, cheaply, that it is an id as it stands: most of all are, and are passed through."""
    ends = [raw.endswith(character) for character in (" ", "\t", "\n", "\r", ".0")]
    framed = (raw >= "!") & ~functools.reduce(operator.or_, ends)
    return framed & ((raw.length() > 4) | ~_says_missing(raw))


def _says_missing(text: ir.Column) -> ir.Column:
    """Compare with each word: as a list, DuckDB would join, and clean every id before it looks."""
    return functools.reduce(operator.or_, (text == word for word in MISSING_WORDS))


def _cleaned(raw: ir.Column) -> ir.Column:
    text = raw.strip()
    text = text.endswith(".0").ifelse(text.re_replace(r"^(-?\d+)\.0$", r"\1"), text)
    return _says_missing(text).ifelse(ibis.null("string"), text)


def _read_number(raw: ir.Column) -> ir.Column:
    kind = raw.type()
    if kind.is_integer():
        return raw.cast("float64")
    number = raw.strip().try_cast("float64") if kind.is_string() else raw.cast("float64")
    return number.isnan().ifelse(ibis.null("float64"), number)
