"""Read columns of text whose numbers or dates are written in a way of their own, as the caller says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from segkit.collect.attributes.column_types import ISO_DATE, NO_NUMBER, Raw
from segkit.core.messages import did_you_mean, joined, listed
from segkit.core.written import (
    DECIMALS,
    currencies,
    looks_like_dates,
    looks_like_numbers,
    nearly_all,
    read_written,
)


def check_written(argument: str, value: Any, example: str, names: Iterable[str]) -> dict[str, str]:
    """Return an argument that is one word, or words by attribute, as words by attribute.

    Raises
    ------
    TypeError, ValueError
    """
    names = list(names)
    of_each = value if isinstance(value, Mapping) else {} if value is None else dict.fromkeys(names, value)
    if not all(isinstance(word, str) for word in of_each.values()):
        raise TypeError(f"{argument}={value!r} should be {example}, or a dict with one for each attribute.")
    for name in of_each:
        if name not in names:
            raise ValueError(
                f"{argument} names {name!r}, which is not an attribute.{did_you_mean(str(name), names)} The attributes "
                f"are {listed(names, 30)}."
            )
    for word in of_each.values():
        if word not in DECIMALS if argument == "decimal" else "%" not in word:
            raise ValueError(f"{argument}={word!r} should be {example}.")
    return dict(of_each)


def as_written(
    name: str, raw: Raw, basis: str, type_: str | None, decimal: str | None, date_format: str | None
) -> Raw:
    """Return a column of text with its numbers and dates read as told.

    Raises
    ------
    ValueError
        If it looks like numbers or dates that nobody said how to read, or not as told.
    """
    if raw.kind != "text" or type_ == "category":
        return raw
    words = raw.known_words.mask(raw.words.isin(NO_NUMBER))
    if type_ != "number":
        raw = dataclasses.replace(raw, dates=_dates(name, raw, words, type_, date_format))
    if type_ in (None, "number"):
        known = words.dropna()
        codes = nearly_all(known, known.str.fullmatch(r"[\d\s-]*"))
        raw = (
            raw
            if codes and basis == "geographic" and type_ is None
            else dataclasses.replace(raw, numbers=_numbers(name, raw, words, decimal))
        )
    return raw


def _numbers(name: str, raw: Raw, words: pd.Series, decimal: str | None) -> pd.Series:
    """Return the numbers of a column, with those that are written in a way of their own."""
    numbers = raw.numbers
    if decimal is not None:
        other = ",."[decimal == ","]
        plain = numbers.mask(
            words.str.contains(other, regex=False, na=False) & read_written(words, other).notna()
        )
        numbers = read_written(words, decimal)
        numbers = numbers.fillna(plain)  # such as 1e5
    unread = words[words.notna() & numbers.isna()]
    alike = unread[looks_like_numbers(unread)]
    known = words.dropna()
    if len(alike) and nearly_all(known, numbers[known.index].notna() | known.index.isin(alike.index)):
        raise ValueError(_unread_numbers(name, raw, alike, decimal))
    if decimal is not None:
        _check_one_unit(name, raw, words[read_written(words, decimal).notna()])
    return numbers


def _unread_numbers(name: str, raw: Raw, alike: pd.Series, decimal: str | None) -> str:
    example = min(alike)
    readings = {mark: read_written(pd.Series([example], dtype="str"), mark)[0] for mark in DECIMALS}
    hints = [
        f"decimal={mark!r} reads it as {number:.15g}" for mark, number in readings.items() if number == number
    ]
    told = "" if decimal is None else f", which does not fit decimal={decimal!r}"
    return (
        f"The column {raw.name!r} of {raw.source} holds numbers as text, such as {example!r}{told}. Say how they are "
        f"written: {' and '.join(hints)}. For this column alone: decimal={{{name!r}: …}}. Or keep them as words: "
        f"types={{{name!r}: 'category'}}."
    )


def _check_one_unit(name: str, raw: Raw, words: pd.Series) -> None:
    """Refuse amounts in several currencies, and shares among plain numbers."""
    signs = currencies(words)
    shares = words.str.endswith("%")
    mixed = ""
    if len(signs) > 1:
        mixed = f"amounts in {joined(signs)}"
    elif shares.any() and not shares.all():
        mixed = f"{int(shares.sum()):,} numbers with a per cent sign and {int((~shares).sum()):,} without"
    if mixed:
        raise ValueError(
            f"The column {raw.name!r} of {raw.source} holds {mixed}, which are not the same unit. Convert them to one, "
            f"or keep them as words: types={{{name!r}: 'category'}}."
        )


def _dates(name: str, raw: Raw, words: pd.Series, type_: str | None, date_format: str | None) -> pd.Series:
    """Return the dates of a column in the format that was told; ISO dates need none."""
    alike = words.dropna()
    alike = alike[looks_like_dates(alike) & ~alike.str.fullmatch(ISO_DATE)]
    dates = pd.Series(pd.NaT, index=words.index, dtype="datetime64[us]")
    if date_format is not None:
        dates = pd.to_datetime(words, format=date_format, errors="coerce", utc=True).dt.tz_localize(None)
    iso = words.str.fullmatch(ISO_DATE, na=False)
    unread = alike[dates[alike.index].isna()]
    some_iso = iso.any() and not (iso | dates.notna())[words.notna()].all() and type_ is None
    known = words.dropna()
    dated = (iso | dates.notna())[known.index] | known.index.isin(unread.index)
    if (len(unread) or some_iso) and nearly_all(known, dated):
        told = "" if date_format is None else f", which date_format={date_format!r} does not fit"
        example = min(unread) if len(unread) else min(words[iso])
        hint = (
            "date_format='%d.%m.%Y' or '%m/%d/%Y', for instance"
            if len(unread)
            else f"types={{{name!r}: 'days'}}"
        )
        raise ValueError(
            f"The column {raw.name!r} of {raw.source} holds dates as text, such as {example!r}{told}. Say how to read "
            f"them: {hint}. Or keep them as words: types={{{name!r}: 'category'}}."
        )
    return dates
