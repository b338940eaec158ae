"""Read contacts of customers: which column is what, which values can be used, and how an example is masked."""

from __future__ import annotations

import datetime
import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from segkit.core.checks import check_frame
from segkit.core.messages import listed

CONTACTS = {
    "email": ("e-mail", "email address", "e-mail address", "mail"),
    "phone": ("phone number", "telephone", "telephone number", "mobile", "mobile phone", "cell phone", "tel"),
    "first_name": ("given name", "forename"),
    "last_name": ("surname", "family name"),
    "city": ("town",),
    "state": ("region", "province", "state/region", "state/province"),
    "zip": ("zip code", "postal code", "postcode"),
    "country": ("country code", "country/region"),
    "date_of_birth": ("birthday", "birth date", "birthdate", "dob"),
    "external_id": (),
}
"""The columns of contacts, and other names that are read as them. Case, blanks, `-` and `_` do not matter."""

ADDRESS = ("first_name", "last_name", "country", "zip")  # which together stand for a person
HASH = re.compile(r"[0-9a-fA-F]{64}")
BREAKS = re.compile("[\t\n\r\v\f\u0085\u2028\u2029]+")
# Controls, marks of direction and other characters that cannot be seen; joiners stay, which some scripts need.
UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
EMAIL = re.compile(
    r"(?=.{3,254}$)(?=[^@]{1,64}@)[^\W_][\w!#$%&'*+/=?^`{|}~-]*(\.[\w!#$%&'*+/=?^`{|}~-]+)*"
    r"@([^\W_]([^\W_]|-){0,62}(?<!-)\.)+([^\W\d_]{2,63}|xn--[a-z0-9-]{2,59})"
)
PHONE = re.compile(
    r"(?=(\D*\d){5,20}\D*$)\+?\s?\(?\+?\d[\d\s().\-/\u00a0]*((ext\.?|x)\s?\d{1,6})?", re.IGNORECASE
)
USUAL = {
    EMAIL: r"[A-Za-z0-9_]+([.+-][A-Za-z0-9_]+)*@([A-Za-z0-9]+(-[A-Za-z0-9]+)*\.)+[A-Za-z]{2,24}",
    PHONE: r"(\+?[0-9]{1,3}[ .-]?)?(\([0-9]{3}\)|[0-9]{3})[ .-]?[0-9]{3}[ .-]?[0-9]{4}",
}
"""What most values of up to 64 characters look like, in the quicker regular expressions of Arrow; all of it matches."""
GMAIL = ("gmail.com", "googlemail.com")
ROLE = re.compile(
    "(abuse|accounts|admin|administrator|billing|careers|contact|customer-?service|do-?not-?reply|enquiries|help|hello|"
    "hostmaster|hr|info|inquiries|jobs|legal|mail|mailer-daemon|marketing|media|newsletter|no[-_.]?reply|office|orders|"
    "postmaster|press|privacy|root|sales|security|service|shop|spam|support|team|webmaster)@.*",
    re.IGNORECASE,
)
"""Addresses that several people, or nobody, read."""


def read_contacts(
    contacts: pd.DataFrame, name: str = "contacts"
) -> tuple[pd.DataFrame, dict[str, str], list[str]]:
    """Return contacts as text under the standard names.

    Returns
    -------
    frame : DataFrame
        `customer_id` and those of `CONTACTS` that were given; blank values are missing.
    named : dict of str to str
        The column that each was read from.
    unused : list of str
        Columns that are not among `CONTACTS`.

    Raises
    ------
    TypeError, ValueError
        If it is no DataFrame, two columns hold the same, or a name looks misspelt.
    """
    check_frame(
        name, contacts, "It should be a DataFrame with customer_id and columns such as email and phone."
    )
    contacts = with_customer_id(contacts, name).reset_index(drop=True)
    named: dict[str, str] = {}
    unused = []
    for column in contacts.columns:
        known = standard_name(str(column))
        if known is None:
            unused.append(column)
        elif known in named:
            raise ValueError(
                f"{name} has two columns for {known}: {named[known]!r} and {column!r}. Drop one of them."
            )
        else:
            named[known] = column
    for column in unused:
        near = [k for n, k in _NAMES.items() if k not in named and _one_off(_plain(str(column)), n)]
        if near:
            raise ValueError(
                f"{name} has a column {column!r}. Did you mean {near[0]!r}? Rename it, or drop it: "
                f"{name}.rename(columns={{{column!r}: {near[0]!r}}})."
            )
    frame = pd.DataFrame({c: as_text(contacts[named[c]]) for c in ("customer_id", *CONTACTS) if c in named})
    for column in frame.columns.difference(["customer_id"]):
        frame[column] = cleaned(frame[column])
    return frame, {k: str(v) for k, v in named.items()}, [str(c) for c in unused]


def with_customer_id(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a frame with the column `customer_id`, which may have been its index.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"{name} has two columns {twice!r}. Drop or rename one of them.")
    ids = [c for c in frame.columns if standard_name(str(c)) == "customer_id"]
    if len(ids) == 1:
        return frame.rename(columns={ids[0]: "customer_id"})
    if ids:
        raise ValueError(f"{name} has two columns of ids, {ids[0]!r} and {ids[1]!r}. Drop one of them.")
    if isinstance(frame.index, pd.RangeIndex) and frame.index.name is None:
        raise ValueError(
            f"{name} has no column 'customer_id', only {listed(frame.columns, 8)}. Rename the column with the ids: "
            f"{name}.rename(columns={{'…': 'customer_id'}})."
        )
    return frame.rename_axis("customer_id").reset_index()


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


_NAMES = {_plain(n): standard for standard, near in CONTACTS.items() for n in (standard, *near)}
_NAMES |= {_plain(n): "customer_id" for n in ("customer_id", "customer", "client id", "user id")}


def standard_name(column: str) -> str | None:
    """Return the name in `CONTACTS`, or `customer_id`, that a column is read as."""
    return _NAMES.get(_plain(column))


def _one_off(word: str, other: str) -> bool:
    """Return whether two words differ by a letter: one more, one less, another, or two swapped."""
    if abs(len(word) - len(other)) > 1 or min(len(word), len(other)) < 4:
        return False
    start = next(
        (i for i, (a, b) in enumerate(zip(word, other, strict=False)) if a != b), min(len(word), len(other))
    )
    a, b = word[start:], other[start:]
    return a[1:] in (b, b[1:]) or a == b[1:] or (a[:2] == b[:2][::-1] and a[2:] == b[2:])


def as_text(values: pd.Series) -> pd.Series:
    """Return values as text without blanks around; whole numbers lose the `.0` of a column with missing ones."""
    if pd.api.types.is_float_dtype(values.dtype):
        numbers = values.astype("float64")
        whole = (numbers.dropna() % 1 == 0).all() and (numbers.dropna().abs() < 2**53).all()
        values = numbers.astype("Int64") if whole else values
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        values = values.dt.strftime("%Y-%m-%d")
    text = values.map(_written, na_action="ignore") if values.dtype == object else values
    text = text.astype("str").str.strip()
    return text.mask(text == "")


def _written(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, datetime.date):
        return value.strftime("%Y-%m-%d")
    return str(value).encode("utf-8", "ignore").decode()


def cleaned(values: pd.Series) -> pd.Series:
    """Return text on one line, without characters that cannot be seen."""
    odd = values[values.str.contains("[^ -~]", na=False)]
    plain = [UNSEEN.sub("", BREAKS.sub(" ", v)).strip() for v in odd]
    if plain != odd.to_list():
        values = values.copy()
        values[odd.index] = pd.Series(plain, index=odd.index, dtype="str").replace("", np.nan)
    return values


def by_value(values: pd.Series, function: Callable[[str], Any]) -> pd.Series:
    """Apply a function to each different value once; missing ones stay missing, and None is missing."""
    codes, words = pd.factorize(values)
    found = pd.array([function(word) for word in words.tolist()] + [None], dtype="str")
    return pd.Series(found.take(codes), index=values.index, name=values.name)


def where_matches(values: pd.Series, pattern: re.Pattern[str]) -> np.ndarray:
    """Return where a whole value matches; missing values do not."""
    usual = USUAL.get(pattern, pattern.pattern)
    found = (values.str.fullmatch(usual, na=False) & (values.str.len() <= 64)).to_numpy(dtype=bool).copy()
    if pattern in USUAL:
        others = np.flatnonzero(~found & values.notna().to_numpy())
        found[others] = [pattern.fullmatch(v) is not None for v in values.iloc[others].to_list()]
    return found


def is_hash(text: str) -> bool:
    """Return whether a value is a SHA-256 in hexadecimal digits."""
    return len(text) == 64 and HASH.fullmatch(text) is not None


def sha256(text: str) -> str:
    """Return a SHA-256 in lower-case hexadecimal digits, as of a value that already is one.

    Examples
    --------
    >>> sha256("dana@example.com")[:12], sha256("AB" * 32)[:4]
    ('07e2f1394b0e', 'abab')
    """
    return text.lower() if is_hash(text) else hashlib.sha256(text.encode()).hexdigest()


def without_dots(email: str) -> str:
    """Return an address as Google's documentation writes it before hashing.

    Lower case; before @gmail.com and @googlemail.com without dots, and without a plus and what follows it.

    Examples
    --------
    >>> without_dots("Dana.X+shop@GMail.com"), without_dots("dana.x@example.com")
    ('danax@gmail.com', 'dana.x@example.com')
    """
    local, _, domain = email.lower().partition("@")
    if domain in GMAIL:
        local = local.partition("+")[0].replace(".", "")
    return f"{local}@{domain}" if domain else local


def phone_ends(phones: pd.Series) -> pd.Series:
    """Return the last nine digits of phones: one number is written with and without its country; hashes stay."""

    def end(phone: str) -> str:
        return phone.lower() if is_hash(phone) else re.sub(r"\D", "", phone)[-9:]

    return by_value(phones, end).replace("", np.nan)


def _same_domain(email: str) -> str:
    """Return an address with its letters composed and its domain in ASCII."""
    local, at, domain = unicodedata.normalize("NFC", email).rpartition("@")
    try:
        return f"{local}{at}{domain.encode('idna').decode()}"
    except UnicodeError:  # no domain that could be written so
        return f"{local}{at}{domain}"


def mailboxes(emails: pd.Series, hashed: bool) -> list[pd.Series]:
    """Return what is equal for addresses of one mailbox.

    Where some are hashed already, all are: without Gmail's dots, and as they are written.
    """
    same = emails.str.lower()
    odd = same[same.str.contains("[^ -~]", na=False)]
    if len(odd):
        same = same.copy()
        same[odd.index] = [_same_domain(e) for e in odd.to_list()]
    google = same[same.str.endswith(tuple(f"@{domain}" for domain in GMAIL), na=False)]
    if len(google):
        same = same.copy()
        same[google.index] = [
            without_dots(e).replace("@googlemail.com", "@gmail.com") for e in google.to_list()
        ]
    if not hashed:
        return [same]
    return [by_value(same, sha256), by_value(emails.str.lower(), sha256)]


def masked(value: object) -> str:
    """Return an example that names nobody.

    Examples
    --------
    >>> masked("dana@gmail.com"), masked("c0001"), masked(None)
    ('d***@g***.com', 'c***', '')
    """
    if not isinstance(value, str) or not value:
        return ""
    local, at, domain = value.rpartition("@")
    if not at or not local:
        return f"{value[0]}***"
    end = re.search("[.][A-Za-z]{2,4}$", domain)  # anything else may be more than the end of a domain
    return f"{local[0]}***@{domain[:1]}***{end[0]}" if end else f"{local[0]}***@***"


def shown(value: object) -> str:
    """Return a value for an error, masked where it is an e-mail: ids and values may be some.

    Examples
    --------
    >>> shown("c0001"), shown("dana@gmail.com")
    ("'c0001'", "'d***@g***.com'")
    """
    return repr(masked(value) if isinstance(value, str) and "@" in value else value)


def reasons(counts: Mapping[str, tuple[int, str]]) -> pd.DataFrame:
    """Return reasons with their number of rows and a masked example, the most frequent first."""
    rows = [(reason, n, example) for reason, (n, example) in counts.items() if n]
    rows.sort(key=lambda row: (-row[1], row[0]))
    kinds = {"reason": "str", "rows": "int64", "example": "str"}
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


class Refusals:
    """Which rows are refused, each for its first reason."""

    def __init__(self, rows: pd.DataFrame):
        self.rows = rows
        self.kept = np.ones(len(rows), dtype=bool)
        self.counts: dict[str, tuple[int, str]] = {}

    def refuse(self, where: Any, reason: str) -> None:
        """Refuse the rows that are still there, and keep a masked example."""
        new = np.asarray(where, dtype=bool) & self.kept
        n = int(new.sum())
        if n:
            first = self.rows.iloc[int(new.argmax())]
            shown = first.get("email")
            example = masked(
                shown if isinstance(shown, str) and not HASH.fullmatch(shown) else first["customer_id"]
            )
            had = self.counts.get(reason, (0, example))
            self.counts[reason] = (had[0] + n, had[1])
            self.kept &= ~new
