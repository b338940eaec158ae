"""Read events of any kind from any source."""

from __future__ import annotations

import warnings
import zoneinfo
from typing import TYPE_CHECKING, Any

import pandas as pd

from segkit.collect.events import Events
from segkit.collect.kinds import ask_about_kinds, known_kind
from segkit.collect.presets.catalogue import preset_named
from segkit.collect.presets.read_preset import open_export, read_export
from segkit.collect.row_reader import REPEATED_EVENT, RowReader
from segkit.collect.same_customer import aliases_of_export, as_same_customer, read_aliases
from segkit.collect.sentiment import ScoreFunction, add_sentiment, choose_scorer
from segkit.collect.sources.csv import CsvOptions
from segkit.collect.sources.open import open_source
from segkit.collect.sources.source import Source
from segkit.collect.timestamps import EPOCHS
from segkit.core.engine.connection import locked_engine
from segkit.core.messages import counted, did_you_mean, listed, warn_of_kinds
from segkit.core.schema import KINDS, STANDARD

if TYPE_CHECKING:
    import ibis.expr.types as ir


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
    event_id: str | None = None,
    same_customer: Any = None,
    robots: str = "refuse",
    sentiment: str | ScoreFunction | None = None,
    language: str | None = None,
    sep: str | None = None,
    encoding: str | None = None,
    decimal: str = ".",
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
        The sheet of a workbook, by default the first; the table of a database, or a query such as
        ``"SELECT * FROM orders WHERE paid"``.
    preset : str, optional
        Name of an export whose columns, kinds and times segkit knows, such as ``"ga4"`` or ``"shopify_orders"``. Other
        arguments override it. ``preset_catalogue()`` lists the presets, and how each counts rows and money.
    kind : str, optional
        The kind of every row, such as ``"purchase"``.
    kind_column : str, optional
        Column with the kind of each row; by default ``"kind"`` if there is one.
    kinds : dict of str to str, optional
        Translation of the words in `kind_column`, such as ``{"order": "purchase"}``. A word that no row has causes a
        warning. Known kinds are read in any spelling, such as "Page Views". Unknown words that resemble a known one or
        have amounts are asked about; ``{"order": "order"}`` keeps one as it is.
    timestamp_format : str or list of str, optional
        Format of times that are not ISO 8601: ``strptime`` formats such as ``"%d/%m/%Y"``, tried in turn, or
        ``"epoch_s"``, ``"epoch_ms"``, ``"epoch_us"``, ``"epoch_ns"`` for numbers. Formats are never guessed, since
        03/04 can be two different days.
    timezone : str, default="UTC"
        Zone of times that state none, such as ``"Europe/London"``.
    duplicates : {"keep", "refuse"}, default="keep"
        What to do with lines equal to another in all standard columns but `event_id`. Two equal lines may be two sales,
        so they are kept by default; ``describe()`` counts them.
    event_id : str, optional
        Column with an id of each event; by default ``"event_id"`` if there is one, with a warning if an id is twice.
        An event that came twice counts once: of rows with the same id the earliest that can be used; the others are
        refused. Rows without an id all count. Presets use the ids of their export by themselves, and keep none, since
        one row may become several events.
    same_customer : DataFrame, str, Path or other source, optional
        Table with the columns `alias`, such as the cookie before a sign-in, and `customer_id`. Events of an alias are
        read as events of that customer. Chains of aliases are followed; a circle, or an alias of two customers, is an
        error. ``.sources`` notes how many events were changed. ``"export"`` takes the aliases from the export itself,
        under the presets ``"ga4"``, ``"segment"`` and ``"snowplow"``: cookies of one signed-in customer become that
        customer, those of several stay as they are.
    robots : {"refuse", "keep"}, default="refuse"
        What to do with rows that the export of a preset marks as a machine's, such as Klaviyo's Bot Click and Apple
        Privacy Open. ``preset_catalogue()`` says which marks each preset reads.
    sentiment : str or callable, optional
        Column with each row's sentiment (−1 to 1), or a scorer of the column `text`: ``"vader"`` (Hutto & Gilbert
        [1]_; English, extra ``text``), or a function from a list of texts to as many numbers from −1 to 1, or None for
        a text without sentiment. Each different text is scored once. Rows with a value in a column `sentiment` keep
        it. Blank texts have none, never 0.
    language : str, optional
        Language of the texts, such as ``"en"``; VADER needs it, and reads English only. ``.sources`` notes it with the
        scorer and its version.
    sep, encoding : str, optional
        How a CSV file is written, such as ``sep=";"``, ``encoding="latin-1"``: by default, the separator that splits
        its header, and UTF-8.
    decimal : {".", ","}, default="."
        Decimal mark of numbers that are text. With ``","``, 1.250,50 and 1250,50 are the same number.
    **columns : str
        Column of the source for each standard column: `customer_id`, `timestamp`, `order_id`,
        `product_id`, `category`, `brand`, `quantity`, `price`, `amount`, `discount`, `channel`,
        `campaign`, `page`, `duration` (seconds), `rating`, `text`, `place`, `device`. Columns that already
        have the standard name need no mention. Without `amount`, it is quantity × price. A `rating` is 1 to 5 stars in
        reviews and 0 to 10 in surveys; the `quantity` of a social event is the number of people reached.

    Returns
    -------
    Events
        Rows that cannot be used are counted in ``.refused``, with the reason.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ConnectionError
        If a database cannot be reached, or the connection is lost while reading.
    ValueError
        If a named column does not exist, the kind is unknown, all amounts stand under unknown kinds, all times are in
        the 1970s because their unit is another, or no row can be used.
    TypeError
        If the source is of a type that cannot be read.

    Notes
    -----
    Ids are text: 17850, 17850.0 and "17850" are one customer. Objects, lists, true, false, and floats of 2**53 and more
    are refused as ids, also where they were written as text (1.2E+17), since two ids may have become one such float.
    Blanks around an id, marks of the direction of writing, and what spreadsheets add (``="00123"``, ``'+1555``) are
    removed; accents are composed (NFC), but not on Spark. Bytes are read as UTF-8.

    A purchase of negative amount (or quantity, where no amount is known) is a `return`. The amount of a return is
    always negative.

    Each line of a text file is an event, continues a quoted value, is blank, or is refused: too few or too many fields,
    an open quote, a quote inside a field that is not doubled, or not UTF-8. Fields are separated by a comma, a
    semicolon, a tab or a bar, as in the header. UTF-16 with a byte-order mark, any line ends, ``.gz`` and ``.zst`` are
    read. Where blanks of any number separate them, read the file with pandas and pass the DataFrame.

    Columns that share a name, but for capitals, are numbered in their order: ``note (1)`` and ``note (2)``.

    In a workbook, the first used row names the columns, dates stay dates, and a formula counts by its saved value. A
    sheet holds at most 1,048,576 rows.

    Databases are only read. Their rows are copied into segkit's engine in batches, so a query that leaves out what is
    not needed saves time. Passwords in a URL are never shown. Parquet is not copied: each query scans the file, and
    refuses to answer if the file has changed since it was read.

    A local time that clocks skip in spring is read as one hour later: 2:30 on 31 March 2024 is 3:30 in Berlin. Of a
    local time that occurs twice in autumn, the second is taken.

    With `same_customer`, all events of an alias count as the customer's, also those before the sign-in. Seen from an
    `as_of` before the sign-in, features thus know a little of the future.

    VADER scores texts without markup, links and @names, and texts of over 280 characters sentence by sentence, as their
    mean. Trust the mean of many texts, not a single one (``benchmarks/README.md``).

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
    _check_decimal(decimal, preset)
    csv = CsvOptions(sep, encoding)
    if known is None:
        opened = open_source(source, table=table, csv=csv)
    else:
        opened = open_export(source, known, table=table, csv=csv)
    _check_kind(opened, kind)
    columns, scorer = choose_scorer(sentiment, language, opened.table, opened.name, columns)
    formats, aside = _formats(timestamp_format), []
    _check_one_of("duplicates", duplicates, ("keep", "refuse"))
    _check_one_of("robots", robots, ("refuse", "keep"))
    from_export = isinstance(same_customer, str) and same_customer == "export"
    if from_export and known is None:
        raise ValueError(
            "same_customer='export' needs a preset that knows who signed in: preset='ga4', 'segment' or 'snowplow'. "
            "Otherwise give a table with the columns alias and customer_id."
        )
    aliases = None if same_customer is None or from_export else read_aliases(same_customer)
    if known is not None:
        export = read_export(
            opened,
            known,
            columns=columns,
            kind=kind,
            kind_column=kind_column,
            kinds=kinds,
            formats=formats,
            event_id=event_id,
            keep_robots=robots == "keep",
            with_aliases=from_export,
        )
        aliases = aliases_of_export(export.aliases) if export.aliases is not None else aliases
        opened, columns, formats, aside = export.source, {}, export.formats, [export.refused]
        kind, kinds, kind_column = export.kind, export.kinds, kind_column if kind is not None else None
    found = _found_columns(opened, columns, needs_text=scorer is not None)
    if event_id is not None and known is None:
        found["event_id"] = _checked_column(opened, "event_id", event_id)
    check_zone(timezone)
    if not all(isinstance(word, str) for pair in (kinds or {}).items() for word in pair):
        raise TypeError(f"kinds={kinds!r} should map words to words, such as {{'order': 'purchase'}}.")
    found = _kind_of(opened, found, kind, kind_column)
    reader = RowReader(opened, found, kind, kinds or {}, formats, timezone, decimal)
    if known is None and kinds:
        warn_of_kinds(kinds, kind if kind is not None else reader.kind_words, opened.name, frames=2)
    usable, refused = reader.split()
    if event_id is None and "event_id" in found:
        _warn_of_repeated_events(refused, opened.name)
    notes = []
    if aliases is not None:
        customers, unused = aliases
        usable, changes = as_same_customer(usable, customers, opened.name)
        usable = reader.stored(usable) if changes else usable
        notes += [words for words in (changes, unused) if words]
    if duplicates == "refuse":
        usable, refused = reader.without_duplicates(usable, refused)
    if known is None:
        _ask_about_kinds(reader, usable)
    if aside:
        refused = pd.concat([*aside, refused], ignore_index=True)
    if scorer is not None:
        usable, own = add_sentiment(usable, scorer, opened.name)
        notes.append(scorer.in_words(own))
    note = f" ({'; '.join(notes)})" if notes else ""
    return Events(usable, refused, (opened.name + note,), timezone, scorer=scorer)


def _warn_of_repeated_events(refused: pd.DataFrame, name: str) -> None:
    """Warn where a column was taken for the ids of events because of its name, and has an id twice."""
    n = int(refused.loc[refused["reason"] == REPEATED_EVENT, "count"].sum())
    if n:
        warnings.warn(
            f"The column 'event_id' of {name} has ids more than once, so {counted(n, 'row is', 'rows are')} refused as "
            "events that came twice. If so, say event_id='event_id'; if it holds no ids of events, rename it.",
            stacklevel=4,
        )


def _check_one_of(argument: str, value: str, words: tuple[str, str]) -> None:
    if value not in words:
        raise ValueError(f"{argument}={value!r} is neither {words[0]!r} nor {words[1]!r}. Say one of these.")


def _checked_column(source: Source, standard: str, column: str) -> str:
    """Return the name of a column that the source has."""
    source.check_once(column)
    if column in source.table.columns:
        return column
    raise ValueError(
        f"{source.name} has no column {column!r}.{did_you_mean(str(column), source.table.columns)} Its columns are "
        f'{listed(source.table.columns)}. Say which one holds {standard}: {standard}="…".'
    )


def _check_decimal(decimal: str, preset: str | None) -> None:
    if decimal not in (".", ","):
        raise ValueError(f"decimal={decimal!r} is no decimal mark. Say '.' or ','.")
    if decimal != "." and preset is not None:
        raise ValueError(
            f"Preset {preset!r} reads numbers with a decimal point, and decimal={decimal!r} was said. Leave the preset "
            "out and name the columns, or pass pd.read_csv(path, decimal=',')."
        )


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
                f"timestamp_format={form!r} is not a time format."
                f"{did_you_mean(form, EPOCHS)} It should be a format such as "
                f"'%d/%m/%Y %H:%M', or for numbers one of {', '.join(EPOCHS)}."
            )
    return tuple(formats)


def _found_columns(source: Source, named: dict[str, str], *, needs_text: bool = False) -> dict[str, str]:
    """Map standard names to columns of the source: those named, and those with a standard name."""
    offered = (*STANDARD, "price")
    for standard, column in named.items():
        if standard not in offered or standard == "kind":
            raise TypeError(
                f"read_events has no column {standard!r}.{did_you_mean(standard, offered)} "
                f"The standard columns are {', '.join(c for c in offered if c != 'kind')}."
            )
        _checked_column(source, standard, column)
    for name in offered:
        if name not in named and name != "kind":
            source.check_once(name)
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
    """Determine the kind of each row: one for all rows, or a column."""
    found = dict(found)
    if kind is not None and kind_column is not None:
        raise ValueError(
            f"Both kind={kind!r} and kind_column={kind_column!r} were given. Say one: kind for all rows "
            "or kind_column for a column."
        )
    if kind is not None:
        found.pop("kind", None)
        return found
    source.check_once("kind" if kind_column is None else kind_column)
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
            f"The kind of the events in {source.name} is unknown. Say kind='purchase' if all rows are "
            f'purchases, or kind_column="…" if a column holds it. segkit knows {", ".join(KINDS)}.'
        )
    return found


def _check_kind(source: Source, kind: str | None) -> None:
    if kind is None:
        return
    if not isinstance(kind, str) or not kind.strip():
        raise ValueError(f"kind={kind!r} is not a word. Say what the rows are, such as kind='purchase'.")
    if kind in source.table.columns and known_kind(kind) not in KINDS:
        raise ValueError(
            f"kind={kind!r} is a column of {source.name}, and would be the kind of every row. If the column holds the "
            f"kind of each row, say kind_column={kind!r}; if all rows are purchases, kind='purchase'."
        )


def _ask_about_kinds(reader: RowReader, usable: ir.Table) -> None:
    """Ask about unknown kinds; where there are none, the events are not looked at."""
    words = reader.kind_of_word
    if all(kind in KINDS or word in reader.kinds for word, kind in words.items()):
        return
    paid: list[str] = []
    if "amount" in usable.columns:
        paid = usable.filter(usable.amount != 0).select("kind").distinct().to_pandas()["kind"].to_list()
    ask_about_kinds(words, paid, reader.kinds, reader.source.name, frames=3)


def check_zone(timezone: str) -> str:
    """Return the name of a time zone, or refuse an unknown one."""
    try:
        zoneinfo.ZoneInfo(timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError) as error:
        raise ValueError(
            f"timezone={timezone!r} is not a time zone.{did_you_mean(str(timezone), zoneinfo.available_timezones())} "
            "Use a name such as 'Europe/London'."
        ) from error
    return timezone
