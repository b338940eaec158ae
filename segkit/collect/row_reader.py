"""Turn the rows of a source into events under standard column names, or refuse them with a reason."""

from __future__ import annotations

import functools
import operator
import re
import sys
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import duckdb
import ibis
import pandas as pd

from segkit.collect.kinds import known_kind
from segkit.collect.sources.source import MARK, NOT_UTF8, Source
from segkit.collect.timestamps import EPOCHS, ZERO, Times, how_numbers_count, wrong_unit
from segkit.collect.values import (
    LONGEST_ID,
    as_shown,
    inexact_id,
    is_blank,
    is_plain_id,
    may_be_float,
    no_id,
    read_id,
    read_number,
    read_text,
)
from segkit.core.engine.connection import materialise, run, run_with_progress
from segkit.core.engine.dialects import dialect_of
from segkit.core.moments import EARLIEST, LATEST
from segkit.core.schema import EXACT, STANDARD

if TYPE_CHECKING:
    import ibis.expr.types as ir

    _Case = tuple[ir.BooleanValue, str, str]  # when a row is refused, why, and the column to show

T = TypeVar("T")
IDS = ("customer_id", "order_id", "product_id", "event_id")
TYPES = {**STANDARD, "price": "number"}
"""All columns that can be read, and whether each holds text, numbers or times."""
REPEATED_EVENT = "event_id counted already"
ROBOT = "robot: "
"""How reasons to refuse a robot's row begin."""
LARGEST = 1e12  # sums of larger numbers would not be exact to the millionth
BOUNDS = {"duration": (0, None), "sentiment": (-1, 1)}
HINTS = {
    "has lost digits": (
        "Read ids as text: pd.read_csv(path, dtype={'id': str}), for instance; in a workbook or a database, write them "
        "as text."
    ),
    "an object or a list": "Name the column, or make one, that holds the id alone.",
    "bytes that are no text": (
        "Write the ids as text where they come from: HEX(id) in a query, or ids.map(bytes.hex) in pandas."
    ),
    f"timestamp outside {EARLIEST.year} to {LATEST.year}": (
        "Check timestamp_format: a year of two digits is %y, one of four is %Y."
    ),
    "it has a comma": (
        "Say what a comma means: decimal=',' where 12,50 is twelve and a half. Where 1,250 is over a "
        "thousand, pass pd.read_csv(path, thousands=',')."
    ),
}
AS_READ = "{} as read by segkit"  # the name of a column after reading, beside the source's own
PLAIN_ID = AS_READ.format("plain id")


@dataclass(frozen=True)
class RowReader:
    """Read a source's columns by the standard's types, and refuse rows that cannot be used.

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
        Zone of times without one.
    decimal : str
        Decimal mark of numbers that are text.
    untouched : frozenset of str
        Standard columns that need no cleaning, and are used as they came.
    """

    source: Source
    found: dict[str, str]
    kind: str | None
    kinds: dict[str, str]
    formats: tuple[str, ...]
    timezone: str
    decimal: str = "."
    untouched: frozenset[str] = frozenset()

    @property
    def dialect(self) -> str:
        """The engine of the source."""
        return dialect_of(self.source.table)

    @property
    def times(self) -> Times:
        """How times are written."""
        column = f"The timestamp column {self.found['timestamp']!r} of {self.source.name}"
        return Times(column, self.formats, self.timezone, self.dialect)

    def split(self) -> tuple[ir.Table, pd.DataFrame]:
        """Split the rows into events and refused rows; of rows with the same `event_id`, the earliest is an event.

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
        table, refused = self._split_copy() if self.source.owned else self._split_view()
        if "event_id" not in self.found:
            return table, refused
        kept, n, example = _without_repeats(table)
        return (self.stored(kept) if n else kept), _with_reason(refused, REPEATED_EVENT, n, example)

    def marked(self) -> tuple[ir.Table, list[tuple[str, str]]]:
        """Return a query of every row, and the reasons to refuse one; nothing is run.

        Returns
        -------
        table : ibis Table
            Standard columns, and `refused`, the number of the reason, or missing.
        reasons : list of (str, str)
            Each with the column that shows it.
        """
        read = self._as_read()
        cases = self._cases(read)
        marked = self._typed.select(**_kept(read), refused=self._first_case(read, cases))
        return marked, [(why, name) for _, why, name in cases]

    def without_duplicates(self, table: ir.Table, refused: pd.DataFrame) -> tuple[ir.Table, pd.DataFrame]:
        """Refuse events equal to another one in all columns but `event_id`."""
        different = table.distinct()
        if "event_id" in table.columns:
            lines = table.group_by([name for name in table.columns if name != "event_id"])
            different = lines.agg(event_id=table.event_id.min()).select(table.columns)
        repeats = int(table.count().to_pandas()) - int(different.count().to_pandas())
        return self.stored(different), _with_reason(refused, "equal to another line", repeats, "")

    def stored(self, table: ir.Table) -> ir.Table:
        """Compute a table of events now, if the source is a copy; leave it lazy otherwise."""
        return materialise(table, self._label) if self.source.owned else table

    def _split_copy(self) -> tuple[ir.Table, pd.DataFrame]:
        """Read each row once, into a table of the engine, and delete the refused rows from it."""
        read = self._as_read()
        columns, cases = _kept(read), self._cases(read)
        table = self._run(lambda: materialise(self._checked(columns, read, cases), self._label))
        refused, _ = self._count_refused(table, cases, [])
        if refused["count"].sum() > self.source.broken:
            run(f"DELETE FROM {table.get_name()} WHERE refused IS NOT NULL")
        return table.select(*columns), refused

    def _split_view(self) -> tuple[ir.Table, pd.DataFrame]:
        """Count refused rows in one pass, and return a query of the others."""
        read = self._as_read()
        columns, cases = _kept(read), self._cases(read)
        cleaned = [name for name, column in columns.items() if self._may_be_untouched(name, column)]
        checked = {f"touched_{name}": ~columns[name].identical_to(self._raw(name)) for name in cleaned}
        checked["timestamp"] = columns["timestamp"]
        refused, untouched = self._count_refused(self._checked(checked, read, cases), cases, cleaned)
        if len(refused):
            columns |= {name: self._raw(name) for name in untouched}
            return self._typed.filter(self._first_case(read, cases).isnull()).select(**columns), refused
        # Without the steps of cleaning that change nothing, the query is shorter and faster.
        plain = replace(self, untouched=frozenset(untouched))
        return plain._typed.select(**_kept(plain._as_read())), refused

    @property
    def _label(self) -> str:
        return f"Reading {self.source.name}"

    def _as_read(self) -> dict[str, ir.Column]:
        """Return the columns by their standard names, as the types that they should be."""
        columns = {name: AS_READ.format(name) for name in TYPES}
        return {
            name: self._typed[column] for name, column in columns.items() if column in self._typed.columns
        }

    def _checked(
        self, columns: dict[str, ir.Column], read: dict[str, ir.Column], cases: list[_Case]
    ) -> ir.Table:
        """Return some columns, the number of the case that refuses a row, and an example of it."""
        names = {name for _, _, name in cases}
        table = self._typed.select(
            refused=self._first_case(read, cases),
            **columns,
            **{f"shown_{name}": self._raw(name) for name in names},
        )
        examples = [
            (table.refused.isnull(), ibis.null("string"))
        ]  # nothing is made for the rows that are used
        for name in sorted(names):
            numbers = [i for i, (_, _, shown) in enumerate(cases) if shown == name]
            text = as_shown(table[f"shown_{name}"], self.dialect).fill_null("missing").left(60)
            examples.append((table.refused.isin(numbers), ibis.literal(f"{name}=") + text))
        return table.select(*columns, "refused", example=ibis.cases(*examples))

    def _run(self, query: Callable[[], T]) -> T:
        """Run a query of the source; explain errors of its engine."""
        try:
            return query()
        except duckdb.InterruptException:
            raise  # by someone who has the connection: no fault of the source
        except _engine_errors() as error:
            raise ValueError(
                f"{self.source.name} could not be read to its end: {str(error).strip().partition(chr(10))[0]} "
                "Check its columns, and timestamp_format if one was given."
            ) from error

    def _count_refused(
        self, checked: ir.Table, cases: list[_Case], cleaned: list[str]
    ) -> tuple[pd.DataFrame, set[str]]:
        """Count the refused rows by reason, and find the columns that cleaning leaves as they came."""
        timed = checked.refused.isnull() & (checked.timestamp != ZERO)
        counted = checked.group_by("refused").agg(
            count=checked.count(),
            example=checked.example.min(),
            first=checked.timestamp.min(where=timed),
            last=checked.timestamp.max(where=timed),
            **{f"touched_{name}": checked[f"touched_{name}"].any() for name in cleaned},
        )
        counts = self._run(lambda: run_with_progress(counted, counted.to_pandas, self._label))
        used = counts["refused"].isna()
        rows = [(cases[int(row.refused)][1], row[2], row[3]) for row in counts[~used].itertuples()]
        if self.source.broken:
            rows.append(("line not readable as a row", self.source.broken, self.source.broken_example[:80]))
        refused = pd.DataFrame(rows, columns=["reason", "count", "example"])
        refused = refused.astype({"reason": "str", "count": "int64", "example": "str"})
        refused = refused.groupby("reason", as_index=False).agg({"count": "sum", "example": "min"})
        refused = refused.sort_values(["count", "reason"], ascending=[False, True], ignore_index=True)
        if not used.any():
            raise ValueError(self._nothing_usable(refused))
        self._check_unit(counts.loc[used, "first"].iloc[0], counts.loc[used, "last"].iloc[0])
        return refused, {name for name in cleaned if not counts.loc[used, f"touched_{name}"].any()}

    def _check_unit(self, first: pd.Timestamp, last: pd.Timestamp) -> None:
        """Refuse times that lie in the 1970s or after 2100, and in this century in another unit."""
        unit = self.formats[0] if self.formats and self.formats[0] in EPOCHS else None
        mend = "" if pd.isna(first) else wrong_unit(first, last, unit)
        if mend:
            raise ValueError(
                f"{self.times.column}{f', read as {unit},' if unit else ''} holds times from {first:%Y-%m-%d %H:%M:%S} "
                f"to {last:%Y-%m-%d %H:%M:%S} only. In another unit they are times since 2000: {mend}."
            )

    def _nothing_usable(self, refused: pd.DataFrame) -> str:
        if not len(refused):
            return f"{self.source.name} has columns but no rows. Check the filter or the export that made it."
        why = "; ".join(
            f"{r.count_:,} × {r.reason} ({r.example})"
            for r in refused.rename(columns={"count": "count_"}).itertuples()
        )
        form = 'Say how times are written: timestamp_format="%d/%m/%Y %H:%M", for instance.'
        hints = (
            how_to_mend(row.reason, row.example)
            or (form if row.reason.startswith("timestamp not readable") else "")
            for row in refused.itertuples()
        )
        hint = next((hint for hint in hints if hint), "Check which column is which.")  # for the most frequent
        return f"No row of {self.source.name} can be used: {why}. {hint}"

    @functools.cached_property
    def _table(self) -> ir.Table:
        """The source, with a further column for each that is read."""
        table = self.times.read(self.source.table, self.found["timestamp"], AS_READ.format("timestamp"))
        others = {AS_READ.format(name): self._read(name) for name in self.found if name != "timestamp"}
        if self._may_have_plain_ids:
            table = table.mutate(**{PLAIN_ID: is_plain_id(table[self.found["customer_id"]])})
            name = AS_READ.format("customer_id")
            others[name] = table[PLAIN_ID].ifelse(table[self.found["customer_id"]], others[name])
        return table.mutate(**others)

    @property
    def _may_have_plain_ids(self) -> bool:
        is_text = self.source.table[self.found["customer_id"]].type().is_string()
        return is_text and self.dialect == "duckdb" and "customer_id" not in self.untouched

    @functools.cached_property
    def _typed(self) -> ir.Table:
        """The same, with the kinds and amounts that follow from several columns.

        They are steps of their own, so that each is written, and computed, once.
        """
        table = self._table
        if "amount" not in self.found and "price" in self.found:
            price = table[AS_READ.format("price")]
            amount = price * table[AS_READ.format("quantity")] if "quantity" in self.found else price
            table = table.mutate(**{AS_READ.format("amount"): amount})
        if "kind" not in self.untouched:
            table = table.mutate(**{AS_READ.format("kind"): self._kinds()})
            table = table.mutate(**{AS_READ.format("kind"): self._with_returns(table)})
        if AS_READ.format("amount") in table.columns and "amount" not in self.untouched:
            back = table[AS_READ.format("kind")] == "return"  # money back, whichever sign the source gives it
            amount = table[AS_READ.format("amount")]
            table = table.mutate(**{AS_READ.format("amount"): back.ifelse(-amount.abs(), amount)})
        return table

    def _with_returns(self, table: ir.Table) -> ir.Column:
        """Return kinds, where a purchase of negative amount, or else quantity, is a return."""
        kind = table[AS_READ.format("kind")]
        value = next(
            (AS_READ.format(n) for n in ("amount", "quantity") if AS_READ.format(n) in table.columns), None
        )
        return kind if value is None else ((kind == "purchase") & (table[value] < 0)).ifelse("return", kind)

    def _raw(self, name: str) -> ir.Column:
        return self._typed[self.found[name]]

    def _may_be_untouched(self, name: str, column: ir.Column) -> bool:
        """Return whether the source's own column may already be what the standard one should be."""
        candidate = column.type().is_string() or name == "amount"
        return candidate and name in self.found and self._raw(name).type() == column.type()

    def _read(self, name: str) -> ir.Column:
        raw = self.source.table[self.found[name]]
        if name in self.untouched:
            return raw
        if name in IDS:
            return read_id(raw, self.dialect)
        if name == "zone" and raw.type().is_string():
            raw = raw.strip()
        return read_number(raw, self.decimal) if TYPES[name] == "number" else read_text(raw)

    def _kinds(self) -> ir.Column:
        if self.kind is not None:
            return ibis.literal(self._canonical(self.kind))
        kind = self._table[AS_READ.format("kind")]
        changed = {word: new for word, new in self.kind_of_word.items() if new != word}
        return kind.substitute(changed).nullif("") if changed else kind

    @functools.cached_property
    def kind_words(self) -> list[str]:
        """The different words for kinds, as they came."""
        return [self.kind] if self.kind is not None else _words(self._table[AS_READ.format("kind")])

    @property
    def kind_of_word(self) -> dict[str, str]:
        """The different words for kinds, and the kind of each."""
        return {word: self._canonical(word) for word in self.kind_words}

    def _canonical(self, word: str) -> str:
        """Return segkit's word for a kind: as `kinds` says, and known ones in any spelling."""
        return known_kind(self.kinds.get(word, word))

    def _cases(self, read: dict[str, ir.Column]) -> list[_Case]:
        """Return why a row may be refused; the first case that holds counts."""
        locator = "order_id" if "order_id" in self.found else "timestamp"
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
                f"timestamp outside {EARLIEST.year} to {LATEST.year}",
                "timestamp",
            ),
            (read["kind"].isnull(), "kind missing", "customer_id"),
            *self._zone_cases(read),
        ]
        for name in self.found:
            if TYPES[name] == "number":
                cases += self._number_cases(name, read)
        return cases + self._amount_cases(read)

    def _first_case(self, read: dict[str, ir.Column], cases: list[_Case]) -> ir.IntegerColumn:
        """Return the number of the first case that refuses a row; missing where none does."""
        numbered = [(when, i) for i, (when, _, _) in enumerate(cases)]
        certain = self._certainly_used(read)
        if certain:
            numbered.insert(0, (functools.reduce(operator.and_, certain), ibis.null("int8")))
        return ibis.cases(*numbered)

    def _certainly_used(self, read: dict[str, ir.Column]) -> list[ir.BooleanValue]:
        """Return conditions that exclude all cases and hold for most rows, so that these are checked faster."""
        others = [self._raw(name) for name in IDS[1:] if name in self.found]
        floats = any(raw.type().is_floating() for raw in others)
        if not self._may_have_plain_ids or "zone" in read or floats:
            return []
        conditions = [
            self._typed[PLAIN_ID],
            *(~may_be_float(raw).fill_null(False) for raw in others if raw.type().is_string()),
            read["customer_id"].length() <= LONGEST_ID,
            (read["timestamp"] >= EARLIEST) & (read["timestamp"] < LATEST),
            read["kind"].notnull(),
        ]
        for name in read:
            if TYPES[name] == "number":
                low, high = BOUNDS.get(name, (None, None))
                conditions.append(read[name].abs() < LARGEST)
                conditions += [read[name] >= low] * (low is not None) + [read[name] <= high] * (
                    high is not None
                )
        return [*conditions, read["price"] >= 0] if "price" in read else conditions

    def _number_cases(self, name: str, read: dict[str, ir.Column]) -> list[_Case]:
        cases: list[_Case] = []
        if self._raw(name).type().is_string():
            unread = self._unread(read, name, blank=False)
            cases.append(
                (unread & self._raw(name).contains(","), f"{name} not a number: it has a comma", name)
            )
            cases.append((unread, f"{name} not a number", name))
        cases.append((read[name].isinf(), f"{name} not finite", name))
        if name in EXACT:
            cases.append((read[name].abs() >= LARGEST, f"{name} beyond {LARGEST:,.0f}", name))
        low, high = BOUNDS.get(name, (None, None))
        sides = [read[name] < low] * (low is not None) + [read[name] > high] * (high is not None)
        if sides:
            why = f"{name} below {low}" if high is None else f"{name} outside {low} to {high}"
            cases.append((functools.reduce(operator.or_, sides), why, name))
        return cases

    def _id_cases(self, read: dict[str, ir.Column]) -> list[_Case]:
        """Return where a customer's id cannot be one, and where any ids are floats that have lost digits."""
        cases = [
            (when, f"customer_id {why}", "customer_id")
            for when, why in no_id(self._raw("customer_id"), read["customer_id"], self.dialect)
        ]
        for name in IDS[1:]:
            if name in self.found:
                cases += [(when, f"{name} {why}", name) for when, why in inexact_id(self._raw(name))]
        return cases

    def _unread(self, read: dict[str, ir.Column], name: str, *, blank: bool) -> ir.BooleanValue:
        """Return where no value was read of a cell that is blank, or is not; slow, so only where none was read."""
        stood = is_blank(self._raw(name))
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
    """Return what to do about rows that were refused for a reason, or nothing where that is not known."""
    if example.endswith(MARK):
        return NOT_UTF8
    if reason.startswith(ROBOT):
        return "The export marks these rows. To count them nevertheless: read_events(…, robots='keep')."
    if reason.startswith("timestamp not readable"):
        return _format_of_numbers(example)
    return next((hint for end, hint in HINTS.items() if reason.endswith(end)), "")


def _format_of_numbers(example: str) -> str:
    """Return what numbers such as this one most probably count, and how to say so."""
    number = re.search(r"=(\d+)(?:\.\d*)?$", example.strip())
    mend = how_numbers_count(float(number[0][1:])) if number else ""
    return f"If these numbers are times since 2000, say how they count: {mend}." if mend else ""


def _kept(read: dict[str, ir.Column]) -> dict[str, ir.Column]:
    return {name: read[name] for name in STANDARD if name in read}


def _words(column: ir.StringColumn) -> list[str]:
    """Return the different words of a column."""
    return column.name("word").as_table().distinct().to_pandas()["word"].dropna().to_list()


def _engine_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of engines that cannot read a source; Spark's only if Spark is imported."""
    spark = sys.modules.get("pyspark.errors")
    return (duckdb.Error, spark.PySparkException) if spark else (duckdb.Error,)


def _without_repeats(table: ir.Table) -> tuple[ir.Table, int, str]:
    """Keep one event of each `event_id`, the earliest, whatever the order of rows; events without an id all stay.

    Returns
    -------
    table : ibis Table
    n : int
        Number of events left out.
    example : str
        One of their ids.
    """
    counts = table.filter(table.event_id.notnull()).group_by("event_id").agg(n=lambda t: t.count())
    again = counts.filter(counts.n > 1)
    found = again.agg(n=(again.n - 1).sum(), example=again.event_id.min()).to_pandas().iloc[0]
    if pd.isna(found["n"]):
        return table, 0, ""
    others = [name for name in table.columns if name not in ("event_id", "timestamp")]
    window = ibis.window(group_by=table.event_id, order_by=["timestamp", *others])
    numbered = table.mutate(nth=ibis.row_number().over(window))
    kept = numbered.filter(numbered.event_id.isnull() | (numbered.nth == 0)).drop("nth")
    return kept, int(found["n"]), f"event_id={str(found['example'])[:60]}"


def _with_reason(refused: pd.DataFrame, reason: str, count: int, example: str) -> pd.DataFrame:
    """Add a line to the refused rows, if there are any for this reason."""
    if not count:
        return refused
    line = pd.DataFrame([[reason, count, example]], columns=["reason", "count", "example"])
    return pd.concat([refused, line], ignore_index=True)
