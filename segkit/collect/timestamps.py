"""Times as they are written, read alike in DuckDB and in Spark; a format is never guessed."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import ibis.expr.datatypes as dt
import pandas as pd

from segkit.collect.values import read_number
from segkit.core.engine.dialects import clock_of, parsed, time_at, utc_time
from segkit.core.moments import EARLIEST, LATEST

if TYPE_CHECKING:
    import ibis.expr.types as ir

EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1, "epoch_ns": 0.001}  # microseconds in each

RECENT = pd.Timestamp("2000-01-01"), pd.Timestamp("2036-01-01")  # when most logs were written
ODD = pd.Timestamp("1980-01-01"), pd.Timestamp("2100-01-01")  # before and after, hardly any was
ZERO = pd.Timestamp("1970-01-01")  # what a missing time of 0 becomes
_DATES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # by their number of digits
_DAYS = {"1899-12-30": "spreadsheet", "1970-01-01": "Unix"}  # whose numbers of days count from then

_OFFSET = " ?(?:[+-][0-9]{2}(?::?[0-9]{2}(?::[0-9]{2})?)?|Z)"
_NAMED = "(?:[Uu][Tt][Cc]|[Gg][Mm][Tt])(?:[+-][0-9]{1,2})?"  # no other: BST is the name of several zones
_AREA = "[A-Z][A-Za-z]+/[A-Za-z0-9_/+-]+"  # Europe/London
_DAY = r"([0-9]{1,5})([-/ \\])([0-9]{1,2})([-/ \\])([0-9]{1,2})"
_CLOCK = r"(?:T\s*|\s+)([0-9]{1,2}):(?:([0-9]{1,2})(?::([0-9]{0,2})(?:[.]([0-9]*))?)?)?"
_ISO = rf"{_DAY}(?:{_CLOCK}({_OFFSET}| {_NAMED})?)?"
_ISO_PARTS = ("year", "separator", "month", "again", "day", "hour", "minute", "second", "fraction", "zone")
_ZONED = rf":[0-9.]*(?:{_OFFSET}| {_NAMED})\s*$"
_USUAL_CLOCK = "(?:[01][0-9]|2[0-3]):[0-9]{2}(?::[0-9]{2}(?:[.][0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
_USUAL = f"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[ T]{_USUAL_CLOCK})?$"

_PLAIN = ["____-__-__ __:__:__", "____-__-__T__:__:__", "____-__-__"]  # far faster than a regular expression

_NAMES = {
    "b": calendar.month_abbr[1:],
    "B": calendar.month_name[1:],
    "a": list(calendar.day_abbr),
    "A": list(calendar.day_name),
}
_DIRECTIVES = {  # a possessive + never gives back a digit, as no reader of formats does
    "Y": ("year", "[0-9]{1,4}+"),
    "y": ("year_of_century", "[0-9]{1,2}+"),
    "m": ("month", "[0-9]{1,2}+"),
    "b": ("month_name", f"(?i:{'|'.join(_NAMES['b'])})"),
    "B": ("month_name", f"(?i:{'|'.join(_NAMES['B'])})"),
    "d": ("day", "[0-9]{1,2}+"),
    "a": ("weekday", f"(?i:{'|'.join(_NAMES['a'])})"),
    "A": ("weekday", f"(?i:{'|'.join(_NAMES['A'])})"),
    "H": ("hour", "[0-9]{1,2}+"),
    "I": ("hour_of_half", "[0-9]{1,2}+"),
    "p": ("half", "(?i:AM|PM)"),
    "M": ("minute", "[0-9]{1,2}+"),
    "S": ("second", "[0-9]{1,2}+"),
    "f": ("fraction", "[0-9]{1,6}+"),
    "g": ("fraction", "[0-9]{1,3}+"),
    "z": ("zone", "[+-][0-9]{2}(?::?[0-9]{2})?+"),
    "Z": ("zone", _NAMED),
}


@dataclass(frozen=True)
class Times:
    """How the times of a column are written.

    Attributes
    ----------
    column : str
        What to call the column in messages.
    formats : tuple of str
        ``strptime`` formats, or one of ``EPOCHS``; empty for ISO 8601.
    timezone : str
        Zone of times that carry none.
    dialect : str
        The engine that reads them.
    """

    column: str
    formats: tuple[str, ...]
    timezone: str
    dialect: str

    def read(self, table: ir.Table, name: str, into: str) -> ir.Table:
        """Return the table with a further column: times in UTC, missing where one cannot be read.

        It is computed step by step, each a query around the one before: as a single expression it would be
        too long for Spark, which has no word for a value used twice.

        Parameters
        ----------
        table : ibis Table
        name : str
            Its column that holds times.
        into : str
            What to call the further column.

        Raises
        ------
        ValueError
            If the column holds something else, or numbers of which it was not said what they count.
        """
        raw, kind = table[name], table[name].type()
        if "TIMESTAMPTZ_NS" in str(kind):  # DuckDB's zoned nanoseconds, a type that Ibis has no name for
            raw, kind = raw.cast(dt.Timestamp("UTC")), dt.Timestamp("UTC")
        if kind.is_timestamp() and kind.timezone:
            return table.mutate(**{into: clock_of(raw, self.dialect)})
        if kind.is_timestamp() or kind.is_date():
            return self._as_utc(table.mutate(**{into: self._to_the_microsecond(raw)}), into)
        if kind.is_numeric() and not kind.is_boolean():
            return self._read_number(table, raw, into)
        if not kind.is_string():
            raise ValueError(
                f"{self.column} holds {kind}. It should hold times, or text or numbers that say them; name another "
                "column."
            )
        if not self.formats and self.dialect == "duckdb":
            return self._read_iso(table, raw, into)
        table = table.mutate(**{into: raw.strip()})
        if self.formats and self.formats[0] in EPOCHS:
            return self._read_number(table, read_number(table[into]), into)
        if self.formats:
            return self._by_format(table, into)
        return self._as_utc(
            table.mutate(**{into: self._iso(table[into])}), into, zoned=raw.strip().re_search(_ZONED)
        )

    def _to_the_microsecond(self, raw: ir.Column) -> ir.TimestampColumn:
        if self.dialect == "duckdb":
            return raw.cast("timestamp(6)")
        return raw if raw.type().is_timestamp() else clock_of(raw.cast(dt.Timestamp("UTC")), self.dialect)

    def _as_utc(self, table: ir.Table, into: str, zoned: ir.BooleanColumn | None = None) -> ir.Table:
        """Take what carries no zone for a time of the zone that was said."""
        if self.timezone == "UTC":
            return table
        said, moved = table[into], utc_time(table[into], self.timezone, self.dialect)
        return table.mutate(**{into: moved if zoned is None else zoned.ifelse(said, moved)})

    def _read_number(self, table: ir.Table, raw: ir.NumericColumn, into: str) -> ir.Table:
        if self.formats and self.formats[0] not in EPOCHS:
            return self._by_format(table.mutate(**{into: raw.cast("int64").cast("string")}), into)
        if not self.formats:
            raise ValueError(
                f"{self.column} holds numbers. Say what they count: timestamp_format='epoch_s' (or "
                f"{', '.join(list(EPOCHS)[1:])}), or their format if they are dates such as 20240131: '%Y%m%d'."
            )
        moment = raw.cast("float64") * EPOCHS[self.formats[0]]
        inside = (moment > EARLIEST.value / 1e3) & (moment < LATEST.value / 1e3)
        microseconds = inside.ifelse(moment.round(), ibis.null("float64")).cast("int64")
        return table.mutate(**{into: time_at(microseconds, self.dialect)})

    def _read_iso(self, table: ir.Table, raw: ir.StringColumn, into: str) -> ir.Table:
        """Read ISO 8601 in DuckDB: times without zone and blanks, which most are, in the fastest way."""
        plain = raw.like(_PLAIN)
        # DuckDB itself would take 'epoch' for a time, and BST for some zone, and none with a blank before it.
        closed = raw.strip().re_replace(" ([+-]|Z)", r"\1").try_cast(dt.Timestamp("UTC"))
        other = raw.re_search(rf"^\s*{_ISO}\s*$").ifelse(clock_of(closed, "duckdb"), None)
        table = table.mutate(**{into: plain.ifelse(raw.try_cast("timestamp(6)"), other)})
        return self._as_utc(table, into, zoned=raw.re_search(_ZONED))

    def _by_format(self, table: ir.Table, into: str) -> ir.Table:
        read = ibis.coalesce(*(self._by_one_format(table[into], form) for form in self.formats))
        return table.mutate(**{into: read})

    def _by_one_format(self, text: ir.StringColumn, form: str) -> ir.TimestampColumn:
        zoned = "%z" in form or "%Z" in form
        if self.dialect == "duckdb":
            read = parsed(text, form, zoned=zoned)
            if "%Z" in form:
                read = text.re_search(rf"(?:^|\s)(?:{_NAMED}|{_AREA})(?:\s|$)").ifelse(read, None)
        else:
            pattern, names = _pattern_of(form)
            read = _put_together(_parts(text, pattern, names), self.dialect)
            read = text.re_search(pattern).ifelse(read, None)
        return read if zoned else utc_time(read, self.timezone, self.dialect)

    def _iso(self, text: ir.StringColumn) -> ir.TimestampColumn:
        """Read ISO 8601 in Spark; times without a zone as if they were UTC."""
        parts = _parts(text, f"^{_ISO}$", _ISO_PARTS)
        alike = text.re_search(f"^{_ISO}$") & (parts["separator"] == parts["again"])
        midnight = (parts["hour"] == "24") & (
            parts["minute"] + parts["second"] + parts["fraction"]
        ).re_search("^0*$")
        parts["hour"] = midnight.ifelse("0", parts["hour"])
        unusual = _put_together(parts, self.dialect) + midnight.ifelse(
            ibis.interval(days=1), ibis.interval(days=0)
        )
        usual = clock_of(text.try_cast(dt.Timestamp("UTC")), self.dialect)
        return text.re_search(_USUAL).ifelse(usual, alike.ifelse(unusual, None))


def how_numbers_count(number: float) -> str:
    """Return what to do so that a number is a time of this century, or nothing where it hardly is one.

    Examples
    --------
    >>> how_numbers_count(1704067200)
    "timestamp_format='epoch_s'"
    >>> how_numbers_count(20240131)
    "timestamp_format='%Y%m%d'"
    >>> how_numbers_count(45322.5)
    "pd.to_datetime(column, unit='D', origin='1899-12-30'), since these are spreadsheet days"
    """
    recent = [(moment - ZERO) / pd.Timedelta(1, "us") for moment in RECENT]
    for unit, microseconds in EPOCHS.items():
        if recent[0] <= number * microseconds < recent[1]:
            return f"timestamp_format={unit!r}"
    digits = f"{number:.0f}"
    form = _DATES.get(len(digits), "")
    date = pd.to_datetime(digits, format=form, errors="coerce") if form else pd.NaT
    if RECENT[0] <= date < RECENT[1]:
        return f"timestamp_format={form!r}"
    for origin, whose in _DAYS.items():
        first, last = ((moment - pd.Timestamp(origin)).days for moment in RECENT)
        if first <= number < last:
            return f"pd.to_datetime(column, unit='D', origin={origin!r}), since these are {whose} days"
    return ""


def wrong_unit(first: pd.Timestamp, last: pd.Timestamp, unit: str | None) -> str:
    """Return what to do about times that were read in the wrong unit, or nothing where they may be right.

    Parameters
    ----------
    first, last : Timestamp
        The times of a log as they were read, without those of number 0.
    unit : str or None
        One of `EPOCHS`; None where they came as times, so that somebody else took numbers for, say, nanoseconds.
    """
    early, late = first >= ZERO and last < ODD[0], first >= ODD[1]
    if not (early or late):
        return ""
    microseconds = [(moment - ZERO) / pd.Timedelta(1, "us") for moment in (first, last)]
    if unit is not None:
        mends = {how_numbers_count(number / EPOCHS[unit]) for number in microseconds}
        return mends.pop() if len(mends) == 1 else ""
    for finer in (10**3, 10**6, 10**9):
        mends = {how_numbers_count(number * finer / EPOCHS["epoch_s"]) for number in microseconds}
        if mends == {"timestamp_format='epoch_s'"}:
            return "pd.to_datetime(column, unit='s'), or the unit in which the numbers count"
    return ""


def _pattern_of(format: str) -> tuple[str, list[str]]:
    """Return a format as a regular expression, and what its groups are called."""
    pattern, names = "", []
    for directive, space, literal in re.findall(r"%-?(.)|(\s+)|(.)", format, re.DOTALL):
        if space or literal or directive == "%":
            pattern += r"\s+" if space else re.escape(literal or directive)
            continue
        if directive not in _DIRECTIVES:
            raise ValueError(
                f"timestamp_format={format!r} has %{directive}, which is not read in Spark. It reads "
                f"{', '.join('%' + known for known in _DIRECTIVES)}; turn the column into a timestamp there if it is "
                "written in another way."
            )
        name, digits = _DIRECTIVES[directive]
        pattern += f"({digits})"
        names.append(name)
    return f"^{pattern}$", names


def _parts(text: ir.StringColumn, pattern: str, names: Iterable[str]) -> dict[str, ir.StringColumn]:
    return {name: text.re_extract(pattern, i + 1) for i, name in enumerate(names)}


def _put_together(parts: dict[str, ir.StringColumn], dialect: str) -> ir.TimestampColumn:
    """Return the time that its parts say; missing where there is no such time."""

    def part(name: str, otherwise: str) -> ir.StringValue:
        return parts[name].nullif("").fill_null(otherwise) if name in parts else ibis.literal(otherwise)

    day = _year(parts) + "-" + _month(parts) + "-" + part("day", "1")
    clock = _hour(parts) + ":" + part("minute", "0") + ":" + part("second", "0") + "." + part("fraction", "0")
    zone = part("zone", "").upper().re_replace("^ ?([+-][0-9]{2}):?([0-9]{2})", "$1:$2")
    return clock_of((day + " " + clock + zone).try_cast(dt.Timestamp("UTC")), dialect)


def _year(parts: dict[str, ir.StringColumn]) -> ir.StringValue:
    if "year" in parts:
        return (parts["year"].length() == 4).ifelse(parts["year"], "0001")  # of no use either way
    if "year_of_century" not in parts:
        return ibis.literal("1900")
    year = parts["year_of_century"].lpad(2, "0")
    return (year < "69").ifelse("20", "19") + year


def _month(parts: dict[str, ir.StringColumn]) -> ir.StringValue:
    if "month_name" in parts:
        begins = parts["month_name"].lower().substr(0, 3)
        return begins.cases(*((name.lower(), str(i + 1)) for i, name in enumerate(_NAMES["b"])))
    return parts["month"] if "month" in parts else ibis.literal("1")


def _hour(parts: dict[str, ir.StringColumn]) -> ir.StringValue:
    """Return the hour of the day; missing where its half says twelve at most, and it is more."""
    said = parts.get("hour", parts.get("hour_of_half"))
    if said is None:
        said = ibis.literal("0")
    if "half" not in parts and "hour_of_half" not in parts:
        return said.nullif("").fill_null("0")
    hour = said.try_cast("int64")
    of_day = hour % 12 + (parts["half"].lower() == "pm").ifelse(12, 0) if "half" in parts else hour
    return hour.between(1 if "hour_of_half" in parts else 0, 12).ifelse(of_day.cast("string"), None)
