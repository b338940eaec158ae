"""Everything that customers did, in one lazy table under standard column names."""

from __future__ import annotations

import functools
import html
import zoneinfo
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
import pandas as pd

from segkit.collect.presets.catalogue import preset_named
from segkit.collect.presets.read_preset import open_export, read_export
from segkit.collect.row_reader import RowReader
from segkit.collect.sentiment import ScoreFunction, add_sentiment, choose_scorer
from segkit.collect.sources.ibis_tables import check_one_engine
from segkit.collect.sources.open import open_source
from segkit.collect.sources.source import Source
from segkit.collect.timestamps import EPOCHS
from segkit.core.checks import check_count
from segkit.core.engine.connection import locked_engine, run_with_progress, table_of
from segkit.core.engine.dialects import dialect_of
from segkit.core.engine.event_cache import cached
from segkit.core.messages import did_you_mean, listed, warn_of_kinds
from segkit.core.schema import KINDS, STANDARD, TYPE_OF

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True, eq=False)
class Events:
    """A log of events: what was read, from where, and what had to be set aside.

    Made by :func:`read_events`; joined with ``+``, where both go by the same `timezone`.

    Attributes
    ----------
    table : ibis Table
        One row an event, under the standard column names; `timestamp` is UTC without a zone.
        Lazy: nothing is computed until something is asked of it.
    refused : DataFrame
        Rows that could not be used: columns `reason`, `count` and `example`. The rows of the
        source are the rows of `table` and the sum of `count`, never less.
    sources : tuple of str
        What was read.
    timezone : str
        The shop's zone, in which hours and weekdays are counted where an event says no `zone` of its own.
        Times are UTC whatever it is, so ``dataclasses.replace(events, timezone="Europe/London")`` goes by
        another clock and moves none of them.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> orders = pd.DataFrame({"who": ["ada", "ada", None], "when": ["2024-01-01", "2024-01-11", "2024-01-12"]})
    >>> events = sg.read_events(orders, kind="purchase", customer_id="who", timestamp="when")
    >>> events
    Events: 2 events of 1 customer, 2024-01-01 to 2024-01-11 (purchase 2); 1 row refused
    >>> events.refused
                    reason  count                     example
    0  customer_id missing      1  timestamp=2024-01-12
    """

    table: ir.Table
    refused: pd.DataFrame = field(repr=False)
    sources: tuple[str, ...] = ()
    timezone: str = "UTC"

    @property
    def columns(self) -> tuple[str, ...]:
        """The standard columns that these events have."""
        return tuple(self.table.columns)

    def kinds(self) -> pd.Series:
        """Count the events of each kind.

        Returns
        -------
        Series of int
            Number of events, indexed by `kind`, the most frequent first.
        """
        return pd.Series(self._totals["kinds"], dtype="int64", name="events").rename_axis("kind")

    def describe(self) -> pd.DataFrame:
        """Summarise the events of each kind.

        Returns
        -------
        DataFrame of shape (n_kinds, 6 or 7)
            Indexed by `kind`: number of `events`, `customers`, `orders` (where order ids are known),
            `first` and `last` timestamp (UTC), total `amount` (where known) and `repeats`, the lines
            that equal an earlier line in every column: two items scanned apart, or a file read twice.
        """
        return self._summary.copy()

    @functools.cached_property
    @locked_engine
    def _summary(self) -> pd.DataFrame:
        t = self.table
        numbers = {"events": t.count(), "customers": t.customer_id.nunique()}
        if "order_id" in self.columns:
            numbers["orders"] = t.order_id.nunique()
        numbers |= {"first": t.timestamp.min(), "last": t.timestamp.max()}
        if "amount" in self.columns:
            numbers["amount"] = t.amount.sum()
        by_kind = t.group_by("kind").agg(**numbers).order_by("kind")
        summary = run_with_progress(by_kind, by_kind.to_pandas, "Describing events").set_index("kind")
        if dialect_of(t) == "duckdb":
            lines = t.select("kind", line=ibis.struct({c: t[c] for c in self.columns}).hash())
            different = lines.group_by("kind").agg(different=lines.line.nunique())
        else:  # whose hashes are too short to tell lines apart
            lines = t.distinct()
            different = lines.group_by("kind").agg(different=lines.count())
        counted = run_with_progress(different, different.to_pandas, "Describing events")
        if "amount" in summary:  # no currency has more than three decimals: what is left is noise
            summary["amount"] = summary["amount"].round(3)
        summary["repeats"] = summary["events"] - counted.set_index("kind")["different"]
        return summary

    @functools.cached_property
    @locked_engine
    def _totals(self) -> dict[str, Any]:
        t = self.table
        totals = t.agg(customers=t.customer_id.nunique(), first=t.timestamp.min(), last=t.timestamp.max())
        by_kind = t.group_by("kind").agg(n=t.count())
        counts = run_with_progress(by_kind, by_kind.to_pandas, "Counting events")
        counts = counts.sort_values(["n", "kind"], ascending=[False, True])
        return run_with_progress(totals, totals.to_pandas, "Counting events").iloc[0].to_dict() | {
            "kinds": dict(zip(counts["kind"], counts["n"], strict=True))
        }

    @property
    def first(self) -> pd.Timestamp:
        """When the earliest event was, in UTC."""
        return pd.Timestamp(self._totals["first"])

    @property
    def last(self) -> pd.Timestamp:
        """When the latest event was, in UTC."""
        return pd.Timestamp(self._totals["last"])

    @locked_engine
    def sample(self, n_customers: int, *, random_state: int = 0) -> Events:
        """Return all events of some customers, drawn by lot: to try things out on less.

        Parameters
        ----------
        n_customers : int
            How many; all of them where there are no more.
        random_state : int, default=0
            The same seed draws the same customers, in whatever order the rows are.

        Returns
        -------
        Events
            What was refused is not drawn from, and stays as it is.

        Raises
        ------
        ValueError
            If `n_customers` is not 1 or more.
        """
        check_count("n_customers", n_customers, 1)
        ids = self.table.select("customer_id").distinct().order_by("customer_id")
        ids = run_with_progress(ids, ids.to_pyarrow, "Drawing customers")
        drawn = np.random.default_rng(random_state).choice(
            len(ids), min(int(n_customers), len(ids)), replace=False
        )
        chosen = ids.take(np.sort(drawn))
        here = dialect_of(self.table) == "duckdb"
        some = table_of(chosen) if here else ibis.memtable(chosen)
        return replace(self, table=self.table.semi_join(some, "customer_id"))

    @locked_engine
    def cache(self) -> Events:
        """Compute the log now and keep it in the order of customers, so that what is asked of it is answered sooner.

        Worth it where several things are asked of millions of events: features again and again, snapshots, a
        scoreboard. It costs about as much as thirty features of the file once; after it they take two thirds of the
        time, and nothing that the door cleans or joins is done again. What is answered is the same.

        Returns
        -------
        Events
            The same rows, what was refused too. They stand, compressed, in a file in a temporary folder of this
            process, which only this user can read. It is deleted once nothing refers to them any longer, and when
            Python ends; not where Python is killed. Events of another engine, such as Spark, are kept by that
            engine, in its own way.

        Raises
        ------
        OSError
            If the log cannot be written, such as where the disk is full. Nothing is left behind then.

        Examples
        --------
        >>> import segkit as sg
        >>> from segkit.datasets import make_events
        >>> events = make_events(50, kinds="purchase")[0].cache()
        >>> sg.customer_features(events, sg.RFM, as_of="2025-01-01").shape
        (50, 4)
        """
        return replace(self, table=cached(self.table))

    def __add__(self, other: Events) -> Events:
        if not isinstance(other, Events):
            return NotImplemented
        check_one_engine(self.table, other.table)
        if self.timezone != other.timezone:
            raise ValueError(
                f"These events go by two clocks, {self.timezone!r} and {other.timezone!r}, and a log has one, by which "
                "hours and weekdays are counted. All times are known in UTC, so say which clock is the shop's: "
                f"events + dataclasses.replace(more_events, timezone={self.timezone!r}). An event with a zone of its "
                "own, in a column zone, keeps it."
            )
        columns = [c for c in STANDARD if c in self.columns or c in other.columns]
        tables = []
        for part in (self.table, other.table):
            known = {c: part[c] if c in part.columns else ibis.null() for c in columns}
            tables.append(part.select(**{c: known[c].cast(TYPE_OF[STANDARD[c]]) for c in columns}))
        refused = pd.concat([self.refused, other.refused], ignore_index=True)
        refused = refused.groupby("reason", sort=False).agg(
            count=("count", "sum"), example=("example", "first")
        )
        return Events(
            ibis.union(*tables),
            refused.reset_index()[["reason", "count", "example"]],
            self.sources + other.sources,
            self.timezone,
        )

    def __repr__(self) -> str:
        return f"Events: {self._in_words()}"

    def _in_words(self) -> str:
        totals = self._totals
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in totals["kinds"].items())
        return (
            f"{_counted(sum(totals['kinds'].values()), 'event')} of {_counted(totals['customers'], 'customer')}, "
            f"{totals['first']:%Y-%m-%d} to {totals['last']:%Y-%m-%d} ({kinds}); "
            f"{_counted(int(self.refused['count'].sum()), 'row')} refused"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{html.escape(str(kind))}</td><td>{n:,}</td></tr>"
            for kind, n in self._totals["kinds"].items()
        )
        refused = "".join(
            f"<tr><td style='text-align:left'>{html.escape(row.reason)}</td><td>{row.count_:,}</td>"
            f"<td style='text-align:left'>{html.escape(row.example)}</td></tr>"
            for row in self.refused.rename(columns={"count": "count_"}).itertuples()
        )
        aside = (
            f"<table><thead><tr><th style='text-align:left'>refused because</th><th>rows</th><th>for example</th>"
            f"</tr></thead><tbody>{refused}</tbody></table>"
            if refused
            else ""
        )
        return (
            f"<p><b>Events</b> from {html.escape(', '.join(self.sources))}: {html.escape(self._in_words())}</p>"
            "<table><thead><tr><th style='text-align:left'>kind</th><th>events</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>{aside}"
        )


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


@locked_engine
def read_events(
    source: Any,
    *,
    table: str | None = None,
    preset: str | None = None,
    kind: str | None = None,
    kind_column: str | None = None,
    kinds: dict[str, str] | None = None,
    timestamp_format: str | list[str] | None = None,
    timezone: str = "UTC",
    duplicates: str = "keep",
    sentiment: str | ScoreFunction | None = None,
    language: str | None = None,
    **columns: str,
) -> Events:
    """Read events of any kind under standard column names.

    Parameters
    ----------
    source : str, Path, list of those, DataFrame, Table, relation, URL or connection
        A CSV, Parquet, JSON-lines or Excel file (globs welcome); a pandas, polars or Spark frame, a pyarrow
        table, a DuckDB relation or an Ibis table; or a database: its URL, such as
        ``"postgresql://user:password@host/shop"`` or ``"sqlite:///shop.db"``, a SQLAlchemy engine or
        connection, a DBAPI or ADBC connection. See Notes for what is copied, and how files may look.
    table : str, optional
        The sheet of a workbook, the first if not said; the table of a database, or a query of it such as
        ``"SELECT * FROM orders WHERE paid"``.
    preset : str, optional
        The export that it is, such as ``"ga4"`` or ``"shopify_orders"``: its columns, words for kinds and times
        are known then, and what is said here of any of them goes before. ``preset_catalogue()`` lists them,
        and says how each counts rows and money.
    kind : str, optional
        The kind of every row, such as ``"purchase"``.
    kind_column : str, optional
        Instead: the column that says each row's kind; ``"kind"`` if there is one.
    kinds : dict of str to str, optional
        Other words for kinds, such as ``{"order": "purchase"}``, for `kind_column`. A word that no row has is
        warned of.
    timestamp_format : str or list of str, optional
        How times are written where that is not ISO 8601: ``strptime`` formats such as ``"%d/%m/%Y"``,
        tried in turn, or ``"epoch_s"``, ``"epoch_ms"``, ``"epoch_us"``, ``"epoch_ns"`` for numbers.
        A format is never guessed: 03/04 is two different days.
    timezone : str, default="UTC"
        Zone of the times that carry none, such as ``"Europe/London"``.
    duplicates : {"keep", "refuse"}, default="keep"
        What to do with lines equal to another in all standard columns. Two equal lines may well be
        two sales, so they are kept, and counted by ``describe()``, unless you know better.
    sentiment : str or callable, optional
        Either the column that holds each row's sentiment (−1 to 1), or what scores the `text`, each
        different one once: ``"vader"`` (Hutto & Gilbert [1]_; English, extra ``text``), or a function that
        is given a list of texts and returns as many numbers from −1 to 1, or None where a text says nothing.
        What comes with a sentiment, in a column of that name, keeps it. Blank texts have none, never 0.
    language : str, optional
        Language of the texts, such as ``"en"``; needed by VADER, which reads no other. It is noted in
        ``.sources`` with the scorer and its version.
    **columns : str
        Which column of the source holds each standard one: `customer_id`, `timestamp`, `order_id`,
        `product_id`, `category`, `brand`, `quantity`, `price`, `amount`, `discount`, `channel`,
        `campaign`, `page`, `duration` (seconds), `rating`, `text`, `place`, `device`. Columns that already
        bear the standard name need no mention. Without `amount` it is quantity × price. A `rating` is of
        1 to 5 stars in reviews and of 0 to 10 in surveys; the `quantity` of a social event is how many
        people it reached.

    Returns
    -------
    Events
        Rows that cannot be used are in ``.refused``, counted with their reason.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ConnectionError
        If a database cannot be reached, or goes away while it is read; nothing half read is left then.
    ValueError
        If a named column is not there, the kind is not said, or no row can be used.
    TypeError
        If the source is not something that can be read.

    Notes
    -----
    Ids are text: 17850, 17850.0 and "17850" are one customer. A purchase of negative amount (or
    quantity, where no amount is known) is a `return`, and the amount of a return is negative whatever
    its sign was.

    Every line of a text file becomes an event, continues a quoted value, is blank, or is counted as refused:
    with too few or too many fields, with a quote that is never closed, not in UTF-8, or of more than 2 MB.
    The header says what stands between the fields: a comma, a semicolon, a tab or a bar. UTF-16 with a
    byte-order mark, line ends of several kinds, and files packed as ``.gz`` or ``.zst`` are read. Other
    encodings are not guessed; a decimal comma is not a number. Read such files with pandas, which is told
    either, and pass the DataFrame.

    Of a workbook, the first used row names the columns, dates stay dates, and a formula counts by the value
    that was saved with it. A sheet holds at most 1,048,576 rows.

    Databases are only read. Rows come in batches and are copied into segkit's engine, so a query that leaves
    out what is not needed saves time. A user and a password in a URL are shown nowhere. Ibis tables of other
    engines than segkit's are copied in the same way. Parquet is not copied: it is scanned when asked, and
    refuses to answer once a file was changed after it was read.

    A local time that clocks skip in spring is taken as an hour later, as if they had not been put forward:
    2:30 on 31 March 2024 is 3:30 in Berlin. Of one that they show twice in autumn, the second is taken: 2:30
    on 27 October is that of 1:30 UTC. Times that carry their zone are never in doubt.

    No ids are objects, lists, true or false, or floats of 2**53 and more, of which two may have been one: such
    rows are refused. Blanks of any kind around an id are no part of it. Bytes are the text that they say in
    UTF-8, and refused as a customer's id where they say none.

    VADER sees texts without markup, links and @names, and one longer than a post (280 characters)
    sentence by sentence, of which the mean is taken. ``benchmarks/README.md`` says how far to believe it:
    means of many texts, but no single one.

    References
    ----------
    .. [1] Hutto & Gilbert (2014), VADER: A Parsimonious Rule-based Model for Sentiment Analysis of
       Social Media Text, ICWSM-14.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> lines = pd.DataFrame({"CustomerID": [17850.0, 17850.0], "InvoiceDate": ["2010-12-01", "2010-12-02"],
    ...                       "Quantity": [6, -1], "UnitPrice": [2.55, 2.55]})
    >>> events = sg.read_events(lines, kind="purchase", customer_id="CustomerID", timestamp="InvoiceDate",
    ...                         quantity="Quantity", price="UnitPrice")
    >>> events.table.to_pandas()[["customer_id", "kind", "amount"]]
      customer_id      kind  amount
    0       17850  purchase   15.30
    1       17850    return   -2.55
    """
    known = None if preset is None else preset_named(preset)
    opened = open_source(source, table=table) if known is None else open_export(source, known, table=table)
    columns, scorer = choose_scorer(sentiment, language, opened.table, opened.name, columns)
    formats, aside = _formats(timestamp_format), []
    if known is not None:
        export = read_export(
            opened, known, columns=columns, kind=kind, kind_column=kind_column, kinds=kinds, formats=formats
        )
        opened, columns, formats, aside = export.source, {}, export.formats, [export.refused]
        kind, kinds, kind_column = export.kind, export.kinds, kind_column if kind is not None else None
    found = _found_columns(opened, columns, needs_text=scorer is not None)
    if duplicates not in ("keep", "refuse"):
        raise ValueError(f"duplicates={duplicates!r} is neither 'keep' nor 'refuse'. Say one of these.")
    check_zone(timezone)
    if not all(isinstance(word, str) for pair in (kinds or {}).items() for word in pair):
        raise TypeError(f"kinds={kinds!r} should map words to words, such as {{'order': 'purchase'}}.")
    found = _kind_of(opened, found, kind, kind_column)
    reader = RowReader(opened, found, kind, kinds or {}, formats, timezone)
    if known is None and kinds:
        warn_of_kinds(kinds, kind if kind is not None else reader.kind_words, opened.name, frames=2)
    usable, refused = reader.split(keep_duplicates=duplicates == "keep")
    if aside:
        refused = pd.concat([*aside, refused], ignore_index=True)
    note = ""
    if scorer is not None:
        usable, own = add_sentiment(usable, scorer, opened.name)
        note = f" ({scorer.in_words(own)})"
    return Events(usable, refused, (opened.name + note,), timezone)


def _formats(timestamp_format: str | list[str] | None) -> tuple[str, ...]:
    if timestamp_format is None:
        return ()
    formats = (timestamp_format,) if isinstance(timestamp_format, str) else timestamp_format
    if not isinstance(formats, (list, tuple)) or not all(isinstance(f, str) for f in formats):
        raise TypeError(
            f"timestamp_format={timestamp_format!r} should be a format such as '%d/%m/%Y', or a list of them."
        )
    for form in formats:
        if "%" not in form and form not in EPOCHS:
            raise ValueError(
                f"timestamp_format={form!r} says no part of a time."
                f"{did_you_mean(form, EPOCHS)} It should be a format such as "
                f"'%d/%m/%Y %H:%M', or for numbers one of {', '.join(EPOCHS)}."
            )
    return tuple(formats)


def _found_columns(source: Source, named: dict[str, str], *, needs_text: bool = False) -> dict[str, str]:
    """Map standard names to the source's columns: those named, and those that bear the standard name."""
    offered = (*STANDARD, "price")
    for standard, column in named.items():
        if standard not in offered or standard == "kind":
            raise TypeError(
                f"read_events has no column {standard!r}.{did_you_mean(standard, offered)} "
                f"The standard columns are {', '.join(c for c in offered if c != 'kind')}."
            )
        if column not in source.table.columns:
            raise ValueError(
                f"{source.name} has no column {column!r}."
                f"{did_you_mean(str(column), source.table.columns)} Its columns are "
                f'{listed(source.table.columns)}. Say which one holds {standard}: {standard}="…".'
            )
    found = {name: name for name in offered if name in source.table.columns} | named
    if "price" in named and "amount" not in named:
        found.pop("amount", None)
    for required in ("customer_id", "timestamp", *["text"] * needs_text):
        if required not in found:
            raise ValueError(
                f"{source.name} has no column {required!r}."
                f"{did_you_mean(required, source.table.columns)} Its columns are "
                f'{listed(source.table.columns)}. Say which one holds it: read_events(…, {required}="…").'
            )
    return found


def _kind_of(
    source: Source, found: dict[str, str], kind: str | None, kind_column: str | None
) -> dict[str, str]:
    """Settle where each row's kind comes from: one word for all rows, or a column."""
    found = dict(found)
    if kind is not None and kind_column is not None:
        raise ValueError(
            f"Both kind={kind!r} and kind_column={kind_column!r} were given. Say one: kind for all rows "
            "alike, kind_column where a column holds it."
        )
    if kind is not None:
        if not isinstance(kind, str) or not kind.strip():
            raise ValueError(f"kind={kind!r} is not a word. Say what the rows are, such as kind='purchase'.")
        found.pop("kind", None)
        return found
    if kind_column is not None:
        if kind_column not in source.table.columns:
            raise ValueError(
                f"{source.name} has no column {kind_column!r}."
                f"{did_you_mean(kind_column, source.table.columns)} Its columns "
                f"are {listed(source.table.columns)}. Say which one holds the kind, or kind='purchase' for all."
            )
        found["kind"] = kind_column
    if "kind" not in found:
        raise ValueError(
            f"What kind of events {source.name} holds was not said. Say kind='purchase' if all rows are "
            f'purchases, or kind_column="…" if a column says it. segkit knows {", ".join(KINDS)}.'
        )
    return found


def check_zone(timezone: str) -> str:
    """Return the name of a time zone, or say that there is none of that name."""
    try:
        zoneinfo.ZoneInfo(timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError) as error:
        raise ValueError(
            f"timezone={timezone!r} is not a time zone.{did_you_mean(str(timezone), zoneinfo.available_timezones())} "
            "Use a name such as 'Europe/London'."
        ) from error
    return timezone
