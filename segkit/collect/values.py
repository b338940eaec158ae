"""Ids, numbers and texts as they come, read alike on every engine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import ibis
import ibis.expr.datatypes as dt

if TYPE_CHECKING:
    import ibis.expr.types as ir

LONGEST_ID = 256
MISSING_WORDS = ("", "nan", "NaN", "NaT", "None", "<NA>", "NULL", "null", "\\N", "N/A")
"""How missing ids look once they were made text."""
_WHOLE_FLOATS = 2**53
_DIGITS = {
    2: 2**11,
    4: 2**24,
    8: _WHOLE_FLOATS,
}  # up to here, floats of so many bytes tell whole numbers apart
_MISSING = f"(?:{'|'.join(map(re.escape, MISSING_WORDS[1:]))})?"
_TRUTH = "true|false|True|False|TRUE|FALSE"
_VISIBLE = r"[!-Z\\^-z|~]"  # ASCII without brackets
_PLAIN = (
    f"^(?:{_VISIBLE}*[0-9]{_VISIBLE}*|{_VISIBLE}{{6,256}})$"  # no word for missing or true: they are short
)
_UNSEEN = "\\s\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000\ufeff"  # blanks of all kinds
UNSEEN_IN_ASCII = re.sub(r"[^\x00-\x7f]", lambda blank: rf"\x{{{ord(blank[0]):x}}}", _UNSEEN)
_COMPOSED = r"""(?s)^(?:\{\s*(?:["'].*)?\}|\[\s*(?:(?:["'\[{0-9-]|true|false|null).*)?\])$"""  # but not {GUID}, [word]

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
        is_plain_id(raw).ifelse(raw, _cleaned(raw, dialect))
        if dialect == "duckdb"
        else _cleaned(raw, dialect)
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
    opens = read.startswith("{") | read.startswith("[")
    return [
        (opens.ifelse(read.re_search(_COMPOSED), False), composed),
        ((read.length() <= 5).ifelse(read.re_search(f"^(?:{_TRUTH})$"), False), truth),
    ]


def read_number(raw: ir.Column) -> ir.FloatingColumn:
    """Return numbers as floats; text that is no number becomes missing."""
    if raw.type().is_integer():
        return raw.cast("float64")
    if raw.type().is_string():  # blanks around it are left to the engine; 1_000 is a number in Python only
        return raw.contains("_").ifelse(None, raw).try_cast("float64").nullif(float("nan"))
    return raw.cast("float64").nullif(float("nan"))


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


def is_blank(raw: ir.Column) -> ir.BooleanColumn:
    """Return where a cell is missing, blank, or a word for missing."""
    if raw.type().is_string():
        return raw.isnull() | raw.re_search(rf"^\s*{_MISSING}\s*$")
    return raw.isnull() | raw.isnan() if raw.type().is_floating() else raw.isnull()


def is_plain_id(raw: ir.StringColumn) -> ir.BooleanColumn:
    """Return where a text is an id as it stands: true of nearly all, and faster to find out than to clean them."""
    return raw.re_search(_PLAIN) & ~raw.endswith(".0")


def _cleaned(raw: ir.StringColumn, dialect: str) -> ir.StringColumn:
    """Remove blanks around ids, the ``.0`` of whole numbers, and words for missing."""
    # DuckDB's client takes ten times as long to parse a query that is not all ASCII.
    unseen, group = (UNSEEN_IN_ASCII, r"\1") if dialect == "duckdb" else (_UNSEEN, "$1")
    text = raw.re_replace(f"^[{unseen}]+|[{unseen}]+$", "")
    text = text.re_replace("^(-?[0-9]+)[.]0$", group)
    return text.re_replace(f"^{_MISSING}$", "").nullif("")
