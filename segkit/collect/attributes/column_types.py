"""One column of a source as a number, a category, an age or a count of days; what cannot be read is counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from segkit.collect.values import MISSING_WORDS
from segkit.core.messages import did_you_mean

TYPES = ("number", "category", "age", "days")
OLDEST = 110  # years: of a thousand million people a few hundred are older, of customers none
YEARS = (1800, 2200)
NO_WORD = [word for word in MISSING_WORDS if word != "None"]  # "None" may well be an answer
NO_NUMBER = [*MISSING_WORDS, "NA"]  # as R writes it; as a word it is Namibia
MANY = 20  # different numbers: fewer, with a few words among them, are likely bands such as 1, 2, 3, "4+"
ISO_DATE = r"\d{4}-\d{2}-\d{2}([ T].*)?"
CODE = r"0\d+"  # a number would lose what it begins with
TRUTH = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Raw:
    """A column of the source as each of the things that it might be.

    Attributes
    ----------
    name, source : str
        What the source calls it, and what to call the source.
    kind : {"text", "number", "truth", "date"}
        What the source says that it holds.
    words : Series of str
        Stripped, nothing taken for missing yet.
    numbers : Series of float
    dates : Series of datetime
        Missing where it is text.
    """

    name: str
    source: str
    kind: str
    words: pd.Series
    numbers: pd.Series
    dates: pd.Series

    @property
    def answered(self) -> pd.Series:
        """The words, without those that mean that there is none."""
        return self.words.mask(self.words.isin(NO_WORD))


@dataclass(frozen=True)
class Blank:
    """Values of one column that were set aside, though their rows are used."""

    column: str
    reason: str
    count: int
    example: str


@dataclass(frozen=True)
class Column:
    """A column as it was read."""

    values: pd.Series
    unit: str
    meaning: str
    blanks: tuple[Blank, ...] = ()


def words_of(values: pd.Series) -> pd.Series:
    """Return values as words, whole numbers without the ``.0`` that a missing neighbour gave them."""
    if pd.api.types.is_float_dtype(values.dtype) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    if not pd.api.types.is_string_dtype(values.dtype) or pd.api.types.is_object_dtype(values.dtype):
        values = values.map(str, na_action="ignore").astype("str")
    return values.str.strip()


def blanked(column: str, reason: str, shown: pd.Series, which: pd.Series) -> list[Blank]:
    """Return a note on the values that are set aside, or none where there are none."""
    if not which.any():
        return []
    example = min(shown[which].astype("str"))
    return [Blank(column, reason, int(which.sum()), f"{column}={example[:60]}")]


def read_column(
    name: str,
    raw: Raw,
    basis: str,
    how: str | None,
    levels: Iterable | None,
    as_of: pd.Timestamp | None,
) -> Column:
    """Read a column as what was said, or else as what it holds.

    Parameters
    ----------
    name : str
        What the attribute will be called.
    raw : Raw
    basis : str
        Of a geographic column whole numbers are codes, such as postcodes.
    how : {"number", "category", "age", "days"}, optional
    levels : iterable, optional
        The words of an ordered category, lowest first.
    as_of : Timestamp, optional
        For ages and days.

    Returns
    -------
    Column

    Raises
    ------
    ValueError
        If the column cannot be read so, or what it is cannot be told.
    """
    if levels is not None:
        return _ordered(raw, levels)
    how = how or guessed(name, raw, basis)
    if how == "category":
        return Column(raw.answered.astype("category"), "category", f"{raw.name} of {raw.source}.")
    if how in ("number", "truth"):
        return _number(raw, how)
    if as_of is None:
        raise ValueError(
            f"The column {raw.name!r} of {raw.source} holds dates, and features are numbers or categories. Say when to "
            f"look, as_of='2024-07-01', to have the days since then; with types={{{name!r}: 'age'}} it is years."
        )
    return _days(raw, as_of) if how == "days" else _age(raw, as_of)


def guessed(name: str, raw: Raw, basis: str) -> str:
    """Say what a column holds: a number, truth, days or category.

    Raises
    ------
    ValueError
        If it is many numbers and a few words, and so either.
    """
    whole = bool((raw.numbers.dropna() % 1 == 0).all())
    if raw.kind != "text":
        number = "category" if basis == "geographic" and whole else "number"
        return {"date": "days", "truth": "truth", "number": number}[raw.kind]
    answered = raw.answered.dropna()
    words = pd.Series(answered.unique(), dtype="str")
    if not len(words):
        return "category"
    if words.str.lower().isin(list(TRUTH)).all():
        return "truth"
    if words.str.fullmatch(ISO_DATE).all():
        return "days"
    if (basis == "geographic" and whole) or words.str.fullmatch(CODE).any():
        return "category"
    said = answered[~answered.isin(NO_NUMBER)]
    numeric = raw.numbers[said.index].notna()
    if len(said) and numeric.all():
        return "number"
    if numeric.mean() >= 0.9 and said[numeric].nunique() > MANY:
        raise ValueError(
            f"The column {raw.name!r} of {raw.source} holds {int(numeric.sum()):,} numbers and "
            f"{int((~numeric).sum()):,} words, such as {min(said[~numeric])!r}. Say which it is: "
            f"types={{{name!r}: 'number'}} sets the words aside, 'category' keeps all as words."
        )
    return "category"


def _number(raw: Raw, how: str) -> Column:
    numbers, unit = raw.numbers, ""
    if how == "truth":
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
            f"{min(raw.words)!r}. Leave it out of types to keep it as a category."
        )
    return Column(numbers.mask(infinite), unit, f"{raw.name} of {raw.source}.", tuple(blanks))


def _ordered(raw: Raw, levels: Iterable) -> Column:
    said = list(levels)
    order = list(words_of(pd.Series(said, dtype="object")))
    if len(set(order)) < len(order) or not order:
        raise ValueError(
            f"ordered says {said!r} of {raw.name!r}. It should list each of its words once, the lowest first."
        )
    words = raw.words.mask(raw.words.isin(set(NO_WORD) - set(order)))
    strange = words.notna() & ~words.isin(order)
    if strange.any() and strange.sum() == words.notna().sum():
        raise ValueError(
            f"No value of the column {raw.name!r} of {raw.source} is among {', '.join(order)}; it holds words such as "
            f"{min(words.dropna())!r}.{did_you_mean(min(words.dropna()), order)} List its words, the lowest first."
        )
    blanks = blanked(raw.name, "not among the words in ordered", words, strange)
    kind = pd.CategoricalDtype(pd.Index(order, dtype="str"), ordered=True)
    values = words.mask(strange).astype(kind)
    return Column(
        values, "category", f"{raw.name} of {raw.source}, from {order[0]} to {order[-1]}.", tuple(blanks)
    )


def _dates(raw: Raw) -> tuple[pd.Series, list[Blank]]:
    if raw.kind == "date":
        return raw.dates, []
    words = raw.answered
    iso = words.where(words.str.fullmatch(ISO_DATE).fillna(False).astype(bool))
    dates = pd.to_datetime(iso, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
    unread = words.notna() & dates.isna()
    if unread.any() and unread.sum() == words.notna().sum():
        raise ValueError(
            f"No value of the column {raw.name!r} of {raw.source} is a date as in 2024-07-31; it holds "
            f"{min(words.dropna())!r}. Formats are not guessed: read it with pandas.to_datetime(…, format=…) first."
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
    said = raw.numbers.notna() | (raw.words.notna() & ~raw.words.isin(NO_NUMBER))
    year = raw.numbers.where(raw.numbers.between(*YEARS) & (raw.numbers % 1 == 0))
    strange = said & year.isna()
    if strange.any() and strange.sum() == said.sum():
        raise ValueError(
            f"No value of the column {raw.name!r} of {raw.source} is a year of birth; it holds "
            f"{min(raw.words[said])!r}. If these are ages already, say 'number'."
        )
    return as_of.year - year, blanked(raw.name, "not a year of birth", raw.words, strange)
