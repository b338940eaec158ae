"""Write contacts as a tool expects them: e-mails, phones, names and places, one rule for each way."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import pandas as pd

from segkit.tailor.audiences.contacts import by_value, without_dots

COUNTRY = re.compile("[A-Za-z]{2}")
ZIP = re.compile(r"[^\W_][^\W_ -]*([ -][^\W_]+)*")
SEPARATORS = re.compile(r"[\s().\-/\u00a0]+")


def letters(name: str) -> str:
    """Return a name in lower case without punctuation, as Meta hashes it.

    Examples
    --------
    >>> letters("O'Hara-Li"), letters("Zoë ")
    ('oharali', 'zoë')
    """
    return "".join(c for c in name.lower() if not unicodedata.category(c).startswith("P")).strip()


def place(name: str) -> str:
    """Return a city or state in lower case, letters only, as Meta hashes it.

    Examples
    --------
    >>> place("St. John's"), place("CA")
    ('stjohns', 'ca')
    """
    return "".join(c for c in name.lower() if c.isalpha() or unicodedata.category(c).startswith("M"))


def _email_as_written(email: str) -> str:
    return email.lower() if email.lower() != without_dots(email) else ""


def _email_ascii(email: str) -> str | None:
    return email if email.partition("@")[0].isascii() else None


def _country(country: str) -> str | None:
    return country.upper() if COUNTRY.fullmatch(country) else None


def _zip(code: str) -> str | None:
    return code if ZIP.fullmatch(code) and len(code) <= 12 else None


RULES: dict[str, tuple[Callable[[str], str | None], str]] = {
    "text": (lambda text: text, ""),
    "lower": (str.lower, ""),
    "email_google": (without_dots, ""),
    "email_as_written": (_email_as_written, ""),
    "email_ascii": (_email_ascii, "e-mail not ASCII before the @"),
    "phone": (lambda number: number, ""),
    "phone_digits": (lambda number: number.removeprefix("+"), ""),
    "letters": (letters, ""),
    "place": (place, ""),
    "country": (_country, "country not a code of two letters"),
    "country_lower": (lambda c: (_country(c) or "").lower() or None, "country not a code of two letters"),
    "zip": (_zip, "invalid zip"),
    "zip_before_dash": (lambda z: SEPARATORS.sub("", z.lower().partition("-")[0]), ""),
    "day_digits": (lambda day: day.replace("-", ""), ""),
    "month_day": (lambda day: f"{day[5:7]}/{day[8:10]}", ""),
}
"""Each rule: a function of a value, which returns None for what cannot be used and "" for nothing; and why not."""


def e164(
    phones: pd.Series, countries: pd.Series | None, country_code: str | None
) -> tuple[pd.Series, pd.Series]:
    """Return phones as + and digits, and why others could not be read.

    Parameters
    ----------
    phones : Series of str
    countries : Series of str or None
        Where a phone without + is from; two letters. Those that are no code say nothing, also not `country_code`.
    country_code : str or None
        The country where `countries` is missing.

    Raises
    ------
    ImportError
        If `phonenumbers` is not installed.
    """
    there = phones.dropna()
    if not len(there):
        return phones, phones
    read = phone_reader()
    regions = pd.Series(country_code or "", index=there.index, dtype="str")
    if countries is not None:
        codes = countries[there.index]
        regions = codes.str.upper().where(codes.str.len() == 2, "-").where(codes.notna(), regions)
    found = [read(phone, region) for phone, region in zip(there.to_list(), regions.to_list(), strict=True)]
    answers = pd.Series(found, index=there.index, dtype="str").reindex(phones.index)
    good = answers.str.startswith("+", na=False)
    return answers.where(good), answers.mask(good)


def phone_reader() -> Callable[[str, str], str]:
    """Return a function that reads a phone of a country: + and digits, or why it cannot.

    phonenumbers takes 40 microseconds for each. So where it has read a number of this country and length digit by
    digit, others are read so too, unless they begin with a prefix that it would take away.
    """
    try:
        import phonenumbers
        from phonenumbers import PhoneMetadata
    except ImportError as error:
        raise ImportError(
            "Phones are written with their country, which needs phonenumbers: pip install 'segkit[ads]'. Or "
            "leave phones out: contacts.drop(columns='phone')."
        ) from error
    codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    # For a country and a number of digits: the code to write before them, and what is not part of a number.
    direct: dict[tuple[str, int], tuple[str, re.Pattern[str]]] = {}

    def parse(text: str, region: str) -> str:
        try:
            number = phonenumbers.parse(text, region or None)
        except phonenumbers.NumberParseException as error:
            lacks = error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
            return "phone without country" if lacks and not text.startswith("+") else "invalid phone"
        reason = phonenumbers.is_possible_number_with_reason(number)
        if reason != phonenumbers.ValidationResult.IS_POSSIBLE:
            return "invalid phone"
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    def prefixes(code: str, region: str) -> re.Pattern[str]:
        metadata = PhoneMetadata.metadata_for_region(region or codes[int(code)][0], None)
        known = [metadata.national_prefix_for_parsing] if metadata else [""]
        known += [metadata.international_prefix, code] if metadata and region else []
        return re.compile("|".join(f"(?:{prefix})" for prefix in known if prefix) or "(?!)")

    def read(text: str, region: str) -> str:
        plain = SEPARATORS.sub("", text)
        code = ""
        if plain.startswith("+"):
            code = next(
                (plain[1:n] for n in (2, 3, 4) if plain[1:n].isdigit() and int(plain[1:n]) in codes), ""
            )
            region = ""
        digits = plain[len(code) + 1 :] if code else plain
        key = (code or region, len(digits))
        is_plain = digits.isascii() and digits.isdecimal()
        if is_plain and key in direct:
            written, before = direct[key]
            if not before.match(digits):
                return f"+{written}{digits}"
        answer = parse(text, region)
        written = answer[1 : len(answer) - len(digits)]
        if is_plain and answer.endswith(digits) and written.isdecimal() and int(written) in codes:
            direct[key] = written, prefixes(written, region)
        return answer

    return read


def shortened(values: pd.Series, most: int) -> tuple[pd.Series, pd.Series]:
    """Return texts of at most so many bytes in UTF-8, and which were longer."""
    short = by_value(values, lambda text: text.encode()[:most].decode(errors="ignore"))
    return short, values.notna() & (short != values)
