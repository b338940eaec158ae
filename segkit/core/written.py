"""Recognise numbers, money, shares, dates and e-mail addresses in text, as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

MOST = 0.95  # share of the words that look alike, from which on a column is taken for numbers or dates
MANY = 20  # different numbers; fewer, with a few words among them, are bands such as 1, 2, 3, "4+"
DECIMALS = (".", ",")

_BLANK = " \u00a0\u2009\u202f"
_CURRENCY = (
    r"(?:US|CA|AU|NZ|HK|[ARCS])?\$|[€£¥₹₽₩₺₪₫฿₴₦₱]|kr\.?|zł|Kč|Ft|Rs\.?|Fr\.?|"
    "USD|EUR|GBP|JPY|CNY|INR|CHF|SEK|NOK|DKK|PLN|CZK|HUF|RON|TRY|BRL|MXN|CAD|AUD|NZD|ZAR|SGD|HKD|KRW|AED|ILS"
)
_TIMES = {"k": 1e3, "K": 1e3, "M": 1e6, "mn": 1e6, "Mio": 1e6, "Mio.": 1e6, "bn": 1e9, "%": 0.01}
_DATES = (
    r"\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2})",  # 01.03.2024, 3/1/24
    r"\d{4}([./-])\d{1,2}\2\d{1,2}",  # 2024-03-01, 2024/3/1
    r"\d{1,2}\.?[ -](?:Month)[a-z]*\.?,?[ -]\d{2,4}",  # 1 March 2024, 1-Mar-24
    r"(?:Month)[a-z]*\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4}",  # March 1, 2024
)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DATE = re.compile(
    f"(?:{'|'.join(_DATES).replace('Month', _MONTHS)})" + r"(?:,?[ T]+\d{1,2}:\d{2}.*)?", re.IGNORECASE
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


def _number(decimal: str) -> str:
    """Return the pattern of numbers with this decimal mark; the other mark, blanks and ' separate thousands."""
    between = f"[{'.,'.replace(decimal, '')}'’{_BLANK}]"
    grouped = rf"\d{{1,3}}(?P<between>{between})(?:\d{{2,3}}(?P=between))*\d{{3}}"
    return (
        rf"(?P<open>\()?(?P<minus>[-−+])?\s*(?P<before>{_CURRENCY})?\s*(?P<minus2>[-−])?\s*"
        rf"(?P<whole>(?!0\d)(?:{grouped}|\d+))?(?P<part>[{decimal}]\d+)?(?P<power>[eE][-+]?\d{{1,3}})?"
        rf"\s*(?P<times>{'|'.join(map(re.escape, _TIMES))})?\s*(?P<after>{_CURRENCY})?(?P<close>\))?(?P<minus3>[-−])?"
    )


_NUMBERS = {decimal: re.compile(_number(decimal)) for decimal in DECIMALS}


def looks_like_numbers(words: pd.Series) -> pd.Series:
    """Return where words are numbers, money or shares, with either decimal mark.

    Examples
    --------
    >>> import pandas as pd
    >>> looks_like_numbers(pd.Series(["$20,000", "1.000,50 €", "12%", "50k", "18-24", "01234"])).to_list()
    [True, True, True, True, False, False]
    """
    return read_written(words, ".").notna() | read_written(words, ",").notna()


def looks_like_dates(words: pd.Series) -> pd.Series:
    """Return where words are dates.

    Examples
    --------
    >>> import pandas as pd
    >>> looks_like_dates(pd.Series(["01.03.2024", "3/1/24", "2024-03-01 12:00", "1 Mar 2024", "1.2.3"])).to_list()
    [True, True, True, True, False]
    """
    return _each_once(words, lambda word: _DATE.fullmatch(word) is not None, missing=False)


def looks_like_emails(words: pd.Series) -> pd.Series:
    """Return where words are e-mail addresses."""
    return _each_once(words, lambda word: _EMAIL.fullmatch(word) is not None, missing=False)


def read_written(words: pd.Series, decimal: str) -> pd.Series:
    """Read numbers as people write them; what is none becomes missing.

    Parameters
    ----------
    words : Series of str
    decimal : {".", ","}
        The decimal mark. The other one, blanks and apostrophes separate thousands.

    Returns
    -------
    Series of float
        12% is 0.12, 50k is 50,000.

    Examples
    --------
    >>> import pandas as pd
    >>> read_written(pd.Series(["$20,000", "12%", "50k", "(1,234.50)", "1000,50"]), ".").to_list()
    [20000.0, 0.12, 50000.0, -1234.5, nan]
    >>> read_written(pd.Series(["1.000,50 €", "7,000"]), ",").to_list()
    [1000.5, 7.0]
    """
    return _each_once(words, lambda word: _read(word, _NUMBERS[decimal]), missing=math.nan)


def nearly_all(words: pd.Series, alike: pd.Series) -> bool:
    """Return whether nearly all words are alike, or nearly all of many different ones.

    In the second case the others are one answer that many gave, such as "prefer not to say" among incomes.

    Parameters
    ----------
    words : Series of str
    alike : Series of bool
        Where a word looks like a number, or a date.

    Examples
    --------
    >>> import pandas as pd
    >>> incomes = pd.Series([*map(str, range(20_000, 20_100)), *["unknown"] * 50])
    >>> nearly_all(incomes, looks_like_numbers(incomes))
    True
    """
    if not len(words):
        return False
    different, of_them = words.nunique(), words[alike].nunique()
    return bool(alike.mean() >= MOST or (of_them > MANY and of_them >= MOST * different))


def are_bands(words: pd.Series) -> bool:
    """Return whether words are bands: few different whole numbers, and words that are no numbers among them.

    Examples
    --------
    >>> import pandas as pd
    >>> are_bands(pd.Series(["0"] * 30 + ["1", "2", "3+"]))
    True
    """
    whole = words.str.fullmatch("[0-9]+")
    others = words[~whole]
    return bool(len(others) and words[whole].nunique() <= MANY and not looks_like_numbers(others).any())


def currencies(words: pd.Series) -> list[str]:
    """Return the different signs of currency among words, sorted."""
    found = words.dropna().drop_duplicates().str.extract(f"({_CURRENCY})")[0]
    return sorted(found.dropna().unique())


def _read(word: str, pattern: re.Pattern[str]) -> float:
    parts = pattern.fullmatch(word)
    if parts is None or not (parts["whole"] or parts["part"]) or bool(parts["open"]) != bool(parts["close"]):
        return math.nan
    whole, part = re.sub(r"\D", "", parts["whole"] or "0"), (parts["part"] or "").replace(",", ".")
    size = float(whole + part + (parts["power"] or ""))
    times = parts["times"]
    size = (
        size / 100 if times == "%" else size * _TIMES.get(times, 1)
    )  # a product would make 12% 0.12000000000000001
    negative = parts["open"] or parts["minus"] in ("-", "−") or parts["minus2"] or parts["minus3"]
    return -size if negative else size


def _each_once(words: pd.Series, function: Callable[[str], Any], missing: Any) -> pd.Series:
    """Apply a function to each different word once."""
    codes, different = pd.factorize(words)
    found = np.array([*map(function, different), missing])
    return pd.Series(found[codes], index=words.index)
