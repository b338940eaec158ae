"""Ids, numbers and texts as they come, read alike on every engine."""

from __future__ import annotations

import functools
import operator
import re
from typing import TYPE_CHECKING

import ibis
import ibis.expr.datatypes as dt

if TYPE_CHECKING:
    import ibis.expr.types as ir

LONGEST_ID = 256
MISSING_WORDS = (
    "",
    "nan",
    "NaN",
    "NaT",
    "None",
    "<NA>",
    "NULL",
    "null",
    "\\N",
    "N/A",
)  # how missing ids look once they were made text
_WHOLE_FLOATS = 2**53
_DIGITS = {2: 2**11, 4: 2**24, 8: _WHOLE_FLOATS}  # whole numbers that a float of so many bytes tells apart
_UNSEEN = "\\s\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000\ufeff"  # blanks of all kinds
UNSEEN_IN_ASCII = re.sub(r"[^\x00-\x7f]", lambda blank: rf"\x{{{ord(blank[0]):x}}}", _UNSEEN)
_TRUTHS = ("true", "false", "True", "False", "TRUE", "FALSE")
_COMPOSED = r"""(?s)^(?:\{\s*(?:["'].*)?\}|\[\s*(?:(?:["'\[{0-9-]|true|false|null).*)?\])$"""  # but not {GUID}, [word]

_length_in_bytes = ibis.udf.scalar.builtin(name="strlen", signature=((dt.string,), dt.int64))(
    lambda text: None
)
_decoded = ibis.udf.scalar.builtin(name="decode", signature=((dt.binary,), dt.string))(lambda raw: None)
_tried = ibis.udf.scalar.builtin(name="try", signature=((dt.string,), dt.string))(lambda text: None)
_LONG_FLOATS = 10**16  # from here on, DuckDB too writes 1e+16


def read_id(raw: ir.Column, dialect: str = "duckdb") -> ir.StringColumn:
    """Return ids as text; whole numbers lose the ``.0`` that a table with missing values gave them."""
    if raw.type().is_floating():
        number = (raw.abs() < _WHOLE_FLOATS).ifelse(raw, None).cast("int64")
        whole = number.cast("float64") == raw
        text = whole.fill_null(False).ifelse(number.cast("string"), raw.cast("string"))
        return raw.isnan().ifelse(ibis.null("string"), text)
    if raw.type().is_decimal():
        return raw.cast("string").re_replace(r"\.0+$", "")
    if raw.type().is_binary() and dialect == "duckdb":
        return ibis.coalesce(_cleaned(_tried(_decoded(raw)), dialect), raw.cast("string").nullif(""))
    if not raw.type().is_string():
        return raw.cast("string")
    return (
        _is_plain(raw).ifelse(raw, _cleaned(raw, dialect)) if dialect == "duckdb" else _cleaned(raw, dialect)
    )


def no_id(
    raw: ir.Column, read: ir.StringColumn, dialect: str = "duckdb"
) -> list[tuple[ir.BooleanValue, str]]:
    """Say where what came cannot be the id of anyone, and why.

    Parameters
    ----------
    raw, read : ibis Column
        As it came, and as it was read.
    dialect : str
        The engine that reads; bytes are taken for text in DuckDB only, where they are UTF-8.
    """
    kind = raw.type()
    composed, truth = "an object or a list", "true or false"
    if kind.is_floating():
        return [
            (raw.isinf(), "not finite"),
            (
                (raw.abs() >= _DIGITS[kind.nbytes]) & ~raw.isnan(),
                "a float that has lost digits",
            ),  # NaN is the largest
        ]
    if kind.is_binary():
        text = _tried(_decoded(raw)) if dialect == "duckdb" else ibis.null("string")
        return [(raw.notnull() & text.isnull(), "bytes that are no text")]
    if kind.is_boolean():
        return [(read.notnull(), truth)]
    if kind.is_array() or kind.is_struct() or kind.is_map():
        return [(read.notnull(), composed)]
    if not (kind.is_string() or kind.is_json()):
        return []
    brackets = read.contains("{") | read.contains("[")
    return [
        (brackets.ifelse(read.re_search(_COMPOSED), False), composed),
        (functools.reduce(operator.or_, (read == word for word in _TRUTHS)), truth),
    ]


def read_number(raw: ir.Column) -> ir.FloatingColumn:
    """Return numbers as floats; missing where a text is none."""
    if raw.type().is_integer():
        return raw.cast("float64")
    if raw.type().is_string():
        text = raw.strip()
        number = (
            text.contains("_").ifelse(None, text).try_cast("float64")
        )  # 1_000 is Python, and no number here
    else:
        number = raw.cast("float64")
    return number.isnan().ifelse(ibis.null("float64"), number)


def not_a_number(name: str, raw: ir.StringColumn) -> ir.StringValue:
    """Return the reason to refuse what could not be read as a number: a comma means two things."""
    return raw.contains(",").ifelse(f"{name} not a number: it has a comma", f"{name} not a number")


def read_text(raw: ir.Column) -> ir.StringColumn:
    """Return texts as they are; missing where they are empty."""
    return raw.nullif("") if raw.type().is_string() else raw.cast("string")


def as_shown(raw: ir.Column, dialect: str = "duckdb") -> ir.StringColumn:
    """Return what stands there as text, in the way of DuckDB."""
    text = raw.cast("string")
    if dialect != "duckdb" and raw.type().is_timestamp() and raw.type().timezone:
        return text + "+00"
    if dialect != "duckdb" and raw.type().is_floating():
        whole = (raw.abs() < _LONG_FLOATS).ifelse(raw, None).cast("int64")
        return (whole.cast("float64") == raw).fill_null(False).ifelse(whole.cast("string") + ".0", text)
    return text


def is_blank(raw: ir.Column, dialect: str = "duckdb") -> ir.BooleanColumn:
    """Say whether nothing stands there."""
    if raw.type().is_string():
        return raw.isnull() | _says_missing(raw.strip(), dialect)
    return raw.isnull() | raw.isnan() if raw.type().is_floating() else raw.isnull()


def _is_plain(raw: ir.StringColumn) -> ir.BooleanColumn:
    """Say of a text, cheaply, that it is an id as it stands: most of all are, and are passed through."""
    ends = [raw.endswith(character) for character in (" ", "\t", "\n", "\r", ".0")]
    ascii = _length_in_bytes(raw) == raw.length()  # other texts may begin or end with blanks of other kinds
    framed = (raw >= "!") & ascii & ~functools.reduce(operator.or_, ends)
    return framed & ((raw.length() > 4) | ~_says_missing(raw, "duckdb"))


def _says_missing(text: ir.StringColumn, dialect: str) -> ir.BooleanColumn:
    """Compare with each word: given a list, DuckDB would join, and clean every id before it looks."""
    if dialect != "duckdb":
        return text.isin(MISSING_WORDS)
    return functools.reduce(operator.or_, (text == word for word in MISSING_WORDS))


def _cleaned(raw: ir.StringColumn, dialect: str) -> ir.StringColumn:
    # DuckDB's client takes ten times as long to look through a query that is not all ASCII.
    unseen = UNSEEN_IN_ASCII if dialect == "duckdb" else _UNSEEN
    text = raw.re_replace(f"^[{unseen}]+|[{unseen}]+$", "")
    number = text.endswith(".0") & text.re_search("^-?[0-9]+[.]0$")
    text = number.ifelse(text.substr(0, text.length() - 2), text)
    return _says_missing(text, dialect).ifelse(ibis.null("string"), text)
