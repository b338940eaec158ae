"""Read a column as numbers, categories, ages or days, and count the values that cannot be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from segkit.collect.values import MISSING_WORDS
from segkit.core.messages import did_you_mean
from segkit.core.written import MANY, nearly_all

TYPES = ("number", "category", "age", "days")
OLDEST = 110  # years; hardly any person is older
YEARS = (1800, 2200)
NO_WORD = [word for word in MISSING_WORDS if word != "None"]  # "None" may be an answer
NO_NUMBER = [*MISSING_WORDS, "NA"]  # R's missing number; among words it is Namibia
ISO_DATE = r"\d{4}-\d{2}-\d{2}([ T].*)?"
CODE = r"0\d+"  # a number would lose the leading 0
TRUTH = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Raw:
    """A column of the source, converted to words, numbers and dates.

    Attributes
    ----------
    name, source : str
        Names of the column and of the source.
    kind : {"text", "number", "truth", "date"}
        Type of the column in the source.
    words : Series of str
        Stripped; words such as "NULL" are kept.
    numbers : Series of float
    dates : Series of datetime
        Missing for a column of text, unless the format of its dates was told.
    """

    name: str
    source: str
    kind: str
    words: pd.Series
    numbers: pd.Series
    dates: pd.Series

    @property
    def known_words(self) -> pd.Series:
        """The words, missing where they are "NULL", "N/A" and the like."""
        return self.words.mask(self.words.isin(NO_WORD))


@dataclass(frozen=True)
class Blank:
    """Values of a column that were set aside, though their rows are used."""

    column: str
    reason: str
    count: int
    example: str


@dataclass(frozen=True)
class Column:
    """A column after reading."""

    values: pd.Series
    unit: str
    meaning: str
    blanks: tuple[Blank, ...] = ()


def words_of(values: pd.Series) -> pd.Series:
    """Return values as words, whole numbers without a trailing ``.0``."""
    if pd.api.types.is_float_dtype(values.dtype) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    if not pd.api.types.is_string_dtype(values.dtype) or pd.api.types.is_object_dtype(values.dtype):
        values = values.map(str, na_action="ignore").astype("str")
    return values.str.strip()


def blanked(column: str, reason: str, shown: pd.Series, which: pd.Series) -> list[Blank]:
    """Return a list with a note on the values that are set aside, empty if there are none."""
    if not which.any():
        return []
    example = min(shown[which].astype("str"))
    return [Blank(column, reason, int(which.sum()), f"{column}={example[:60]}")]


def read_column(
    name: str,
    raw: Raw,
    basis: str,
    type_: str | None,
    levels: Iterable | None,
    as_of: pd.Timestamp | None,
) -> Column:
    """Read a column as its given type, or as the type of its values.

    Parameters
    ----------
    name : str
        Name of the attribute.
    raw : Raw
    basis : str
        Whole numbers of a geographic column are codes, such as postcodes.
    type_ : {"number", "category", "age", "days"}, optional
    levels : iterable, optional
        The words of an ordered category, the lowest first.
    as_of : Timestamp, optional
        The moment of ages and days.

    Returns
    -------
    Column

    Raises
    ------
    ValueError
        If the column cannot be read as this type, or its type is ambiguous.
    """
    if levels is not None:
        return _ordered(raw, levels)
    type_ = type_ or infer_type(name, raw, basis)
    if type_ == "category":
        return Column(raw.known_words.astype("category"), "category", f"{raw.name} of {raw.source}.")
    if type_ in ("number", "truth"):
        return _number(raw, type_)
    if as_of is None:
        raise ValueError(
            f"The column {raw.name!r} of {raw.source} holds dates, and features are numbers or categories. Add "
            f"as_of='2024-07-01' to get the days from each date to that moment; with types={{{name!r}: 'age'}} too you "
            "get years."
        )
    return _days(raw, as_of) if type_ == "days" else _age(raw, as_of)


def infer_type(name: str, raw: Raw, basis: str) -> str:
    """Return the type of a column: "number", "truth", "days" or "category".

    Raises
    ------
    ValueError
        If many numbers are mixed with a few words.
    """
    whole = bool((raw.numbers.dropna() % 1 == 0).all())
    if raw.kind != "text":
        number = "category" if basis == "geographic" and whole else "number"
        return {"date": "days", "truth": "truth", "number": number}[raw.kind]
    known = raw.known_words.dropna()
    words = pd.Series(known.unique(), dtype="str")
    if not len(words):
        return "category"
    if words.str.lower().isin(list(TRUTH)).all():
        return "truth"
    if words.str.fullmatch(ISO_DATE).all() or raw.dates.notna().any():
        return "days"
    if (basis == "geographic" and whole) or words.str.fullmatch(CODE).any():
        return "category"
    known = known[~known.isin(NO_NUMBER)]
    numeric = raw.numbers[known.index].notna()
    if len(known) and numeric.all():
        return "number"
    if known[numeric].nunique() > MANY and (numeric.mean() >= 0.9 or nearly_all(known, numeric)):
        raise ValueError(
            f"The column {raw.name!r} of {raw.source} holds {int(numeric.sum()):,} numbers and "
            f"{int((~numeric).sum()):,} words, such as {min(known[~numeric])!r}. Choose its type: "
            f"types={{{name!r}: 'number'}} sets the words aside, 'category' keeps all values as words."
        )
    return "category"


def _number(raw: Raw, type_: str) -> Column:
    numbers, unit = raw.numbers, ""
    if type_ == "truth":
        unit = "1 = true"
        if raw.kind == "text":
            numbers = raw.words.str.lower().map(TRUTH).astype("float64")
    infinite = pd.Series(np.isinf(numbers), index=numbers.index)
    unread = numbers.isna() & raw.words.notna() & ~raw.words.isin(NO_NUMBER)
    blanks = blanked(raw.name, "not a number", raw.words, unread)
    blanks += blanked(raw.name, "not finite", raw.words, infinite)
    if len(numbers) and unread.all():
        raise ValueError(
            f"No value of the column {raw.name!r} of {raw.source} is a number; it holds words such as "
            f"{min(raw.words)!r}. Leave it out of types to read it as a category."
        )
    if raw.kind == "text" and (raw.words.str.endswith("%", na=False) & numbers.notna()).any():
        unit = "share"
    return Column(numbers.mask(infinite), unit, f"{raw.name} of {raw.source}.", tuple(blanks))


def _ordered(raw: Raw, levels: Iterable) -> Column:
    levels = list(levels)
    order = list(words_of(pd.Series(levels, dtype="object")))
    if len(set(order)) < len(order) or not order:
        raise ValueError(
            f"ordered has {levels!r} for {raw.name!r}. It should list each word once, the lowest first."
        )
    words = raw.words.mask(raw.words.isin(set(NO_WORD) - set(order)))
    unknown = words.notna() & ~words.isin(order)
    if unknown.any() and unknown.sum() == words.notna().sum():
        raise ValueError(
            f"No value of the column {raw.name!r} of {raw.source} is among {', '.join(order)}; it holds words such as "
            f"{min(words.dropna())!r}.{did_you_mean(min(words.dropna()), order)} List its words, the lowest first."
        )
    blanks = blanked(raw.name, "not among the words in ordered", words, unknown)
    kind = pd.CategoricalDtype(pd.Index(order, dtype="str"), ordered=True)
    values = words.mask(unknown).astype(kind)
    return Column(
        values, "category", f"{raw.name} of {raw.source}, from {order[0]} to {order[-1]}.", tuple(blanks)
    )


def _dates(raw: Raw) -> tuple[pd.Series, list[Blank]]:
    if raw.kind == "date":
        return raw.dates, []
    words = raw.known_words
    iso = words.where(words.str.fullmatch(ISO_DATE).fillna(False).astype(bool))
    dates = pd.to_datetime(iso, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
    dates = dates.fillna(raw.dates)
    unread = words.notna() & dates.isna()
    if unread.any() and unread.sum() == words.notna().sum():
        raise ValueError(
            f"No value of the column {raw.name!r} of {raw.source} is a date as in 2024-07-31; it holds "
            f"{min(words.dropna())!r}. Say how its dates are written: date_format='%d.%m.%Y'."
        )
    return dates, blanked(raw.name, "not a date", words, unread)


def _days(raw: Raw, as_of: pd.Timestamp) -> Column:
    dates, blanks = _dates(raw)
    days = (as_of - dates) / pd.Timedelta(days=1)
    blanks += blanked(raw.name, "after as_of", raw.words, days < 0)
    meaning = f"Days from {raw.name} of {raw.source} to {as_of:%Y-%m-%d}."
    return Column(days.where(days >= 0).astype("float64"), "days", meaning, tuple(blanks))


def _age(raw: Raw, as_of: pd.Timestamp) -> Column:
    if raw.kind == "number" or (raw.kind == "text" and raw.numbers.notna().any()):
        years, blanks = _since_year(raw, as_of)
        meaning = f"Age in the year {as_of:%Y}, from the year in {raw.name} of {raw.source}."
    else:
        dates, blanks = _dates(raw)
        birthday = (dates.dt.month * 100 + dates.dt.day) <= as_of.month * 100 + as_of.day
        years = as_of.year - dates.dt.year - (~birthday).astype(int).where(dates.notna())
        meaning = f"Age on {as_of:%Y-%m-%d}, from {raw.name} of {raw.source}."
    blanks += blanked(raw.name, "born after as_of", raw.words, years < 0)
    blanks += blanked(raw.name, f"older than {OLDEST} years", raw.words, years > OLDEST)
    return Column(
        years.where((years >= 0) & (years <= OLDEST)).astype("float64"), "years", meaning, tuple(blanks)
    )


def _since_year(raw: Raw, as_of: pd.Timestamp) -> tuple[pd.Series, list[Blank]]:
    known = raw.numbers.notna() | (raw.words.notna() & ~raw.words.isin(NO_NUMBER))
    year = raw.numbers.where(raw.numbers.between(*YEARS) & (raw.numbers % 1 == 0))
    no_year = known & year.isna()
    if no_year.any() and no_year.sum() == known.sum():
        raise ValueError(
            f"No value of the column {raw.name!r} of {raw.source} is a year of birth; it holds "
            f"{min(raw.words[known])!r}. If these are ages, use the type 'number'."
        )
    return as_of.year - year, blanked(raw.name, "not a year of birth", raw.words, no_year)
