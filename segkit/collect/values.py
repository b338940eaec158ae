"""Ids, numbers and texts as they come, read alike on every engine."""

from __future__ import annotations

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
    "n/a",
    "#N/A",
    "undefined",
    "(not set)",
)
"""How missing ids look once they were made text."""
LOST_DIGITS = "a float that has lost digits"
WHOLE_FLOATS = 2**53
_DIGITS = {
    2: 2**11,
    4: 2**24,
    8: WHOLE_FLOATS,
}  # up to here, floats of so many bytes tell whole numbers apart
_MISSING = f"(?:{'|'.join(map(re.escape, MISSING_WORDS[1:]))})?"
_TRUTH = "true|false|True|False|TRUE|FALSE"
_VISIBLE = r"[!#-&(-*,-<>-Z\\^-z|~]"  # ASCII without brackets, quotes, plus and =
_PLAIN = f"^(?:{_VISIBLE}*[0-9]{_VISIBLE}*|{_VISIBLE}{{6,256}})$"  # no short word for missing or true
# Floats that were written as text: 1.2E+17, 1e+17, 1.2e17, 123456789012345680.0. 1e17 may be an id.
SCIENTIFIC = r"^\s*(?:-?[0-9]+(?:[.][0-9]*)?[eE][+]|[0-9][.][0-9]+[eE])[0-9]+\s*$"
_LONG_WHOLE = r"^\s*-?[0-9]{16,}[.]0\s*$"
_UNSEEN = "\\s\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000\ufeff"  # blanks of all kinds
_DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks of the direction of writing
UNSEEN_IN_ASCII, _DIRECTIONS_IN_ASCII = (
    re.sub(r"[^\x00-\x7f]", lambda mark: rf"\x{{{ord(mark[0]):x}}}", marks)
    for marks in (_UNSEEN, _DIRECTIONS)
)
_COMPOSED = r"""(?s)^(?:\{\s*(?:["'].*)?\}|\[\s*(?:(?:["'\[{0-9-]|true|false|null).*)?\])$"""  # but not {GUID}, [word]

_decoded = ibis.udf.scalar.builtin(name="decode", signature=((dt.binary,), dt.string))(lambda raw: None)
_tried = ibis.udf.scalar.builtin(name="try", signature=((dt.string,), dt.string))(lambda text: None)
_composed = ibis.udf.scalar.builtin(name="nfc_normalize", signature=((dt.string,), dt.string))(
    lambda text: None
)
_LONG_FLOATS = 10**16  # from here on, DuckDB too writes 1e+16


def read_id(raw: ir.Column, dialect: str = "duckdb") -> ir.StringColumn:
    """Return ids as text; whole numbers lose the ``.0`` that a table with missing values gave them."""
    if raw.type().is_floating():
        number = (raw.abs() < WHOLE_FLOATS).ifelse(raw, None).cast("int64")
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
        return inexact_id(raw)
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
        *inexact_id(raw),
        (opens.ifelse(read.re_search(_COMPOSED), False), composed),
        ((read.length() <= 5).ifelse(read.re_search(f"^(?:{_TRUTH})$"), False), truth),
    ]


def inexact_id(raw: ir.Column) -> list[tuple[ir.BooleanValue, str]]:
    """Say where an id is a float that may have been another number, be it as a float or written as text."""
    kind = raw.type()
    if kind.is_floating():  # NaN is the largest
        lost = (raw.abs() >= _DIGITS[kind.nbytes]) & ~raw.isnan()
        return [(raw.isinf(), "not finite"), (lost, LOST_DIGITS)]
    if not kind.is_string():
        return []
    whole = raw.re_search(_LONG_WHOLE).ifelse(raw.strip(), None).try_cast("float64")
    lost = raw.re_search(SCIENTIFIC) | (whole.abs() >= WHOLE_FLOATS).fill_null(False)
    return [(may_be_float(raw).ifelse(lost, False), LOST_DIGITS)]


def may_be_float(raw: ir.StringColumn) -> ir.BooleanColumn:
    """Return where a text may be a written float; faster to find out than whether it is one."""
    return raw.contains(".") | raw.contains("+")


def read_number(raw: ir.Column, decimal: str = ".") -> ir.FloatingColumn:
    """Return numbers as floats; text that is no number becomes missing."""
    if decimal == "," and raw.type().is_string():
        raw = _with_point(raw)
    if raw.type().is_integer():
        return raw.cast("float64")
    if raw.type().is_string():  # blanks around it are left to the engine; 1_000 is a number in Python only
        return raw.contains("_").ifelse(None, raw).try_cast("float64").nullif(float("nan"))
    return raw.cast("float64").nullif(float("nan"))


def _with_point(raw: ir.StringColumn) -> ir.StringColumn:
    """Return numbers with a decimal comma as with a point, 1.250,50 as 1250.50; others become missing."""
    is_number = raw.re_search(r"^\s*[-+]?([0-9]+|[0-9]{1,3}([.][0-9]{3})+)?(,[0-9]*)?([eE][-+]?[0-9]+)?\s*$")
    return is_number.ifelse(raw.replace(".", "").replace(",", "."), None)


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
    number = raw.endswith(".0") | raw.like("_.%")  # such as 5.0 and 1.2e17
    return raw.re_search(_PLAIN) & ~number & (raw != "undefined")


def _cleaned(raw: ir.StringColumn, dialect: str) -> ir.StringColumn:
    """Remove what does not belong to an id.

    That is blanks around it, marks of the direction of writing, what spreadsheets add to keep it text (``="00123"``,
    ``'+1555``), the ``.0`` of whole numbers, and words for missing. In DuckDB, accents become part of their letter.
    """
    here = dialect == "duckdb"
    # DuckDB's client takes ten times as long to parse a query that is not all ASCII.
    unseen, directions = (UNSEEN_IN_ASCII, _DIRECTIONS_IN_ASCII) if here else (_UNSEEN, _DIRECTIONS)
    group = r"\1" if here else "$1"
    text = raw.re_replace(f"[{directions}]", "").re_replace(f"^[{unseen}]+|[{unseen}]+$", "")
    text = text.re_replace('^="([^"]*)"$', group).re_replace("^'([-+=@0-9])", group)
    text = text.re_replace("^(-?[0-9]+)[.]0$", group)
    text = text.re_replace(f"^{_MISSING}$", "").nullif("")
    return _composed(text) if here else text
