"""Build DuckDB expressions for presets; each function takes and returns SQL."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt

from segkit.collect.kinds import spelling
from segkit.collect.row_reader import ROBOT
from segkit.collect.timestamps import Times
from segkit.collect.values import LONGEST_ID, MISSING_WORDS, SCIENTIFIC, UNSEEN_IN_ASCII, WHOLE_FLOATS
from segkit.core.engine.connection import engine, quoted
from segkit.core.moments import EARLIEST, LATEST

if TYPE_CHECKING:
    from sqlglot import expressions

TEXT = "string"
"""The type of all values within nested columns; they become numbers and times when events are read."""
NO_TEXT = "CAST(NULL AS VARCHAR)"
NO_NUMBER = "CAST(NULL AS DOUBLE)"
BLANKS = quoted(" \t\n\r\x0b\x0c")


def as_text(sql: str) -> str:
    """Return a value as text, missing where it is blank."""
    return f"nullif(trim(CAST({sql} AS VARCHAR), {BLANKS}), '')"


def as_known_text(sql: str) -> str:
    """Return a value as text, missing where it is blank or a word for missing."""
    words = "|".join(map(re.escape, MISSING_WORDS[1:]))
    return f"nullif(regexp_replace({as_text(sql)}, {quoted(f'^(?:{words})$')}, ''), '')"


def no_number(name: str, text: str) -> str:
    """Return SQL of the reason to refuse a text that is no number: a comma means two things."""
    why = f"{name} not a number"
    return f"CASE WHEN contains({text}, ',') THEN {quoted(why + ': it has a comma')} ELSE {quoted(why)} END"


def as_number(sql: str) -> str:
    """Return text as a number, missing where it is none, or not finite."""
    number = f"TRY_CAST({sql} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def coalesced(*sql: str) -> str:
    """Return the first that is not missing."""
    return f"coalesce({', '.join(sql)})"


def is_any(sql: str, words: Iterable[str]) -> str:
    """Test whether a text is one of these words; by single comparisons, since DuckDB is slow on long lists."""
    same = " OR ".join(f"{sql} = {quoted(word)}" for word in words)
    return f"coalesce({same}, false)" if same else "false"


def is_true(sql: str) -> str:
    """Test whether a text says true."""
    return is_any(f"lower({sql})", ["true", "1", "yes"])


def robot_where(marks: Mapping[str, str]) -> str:
    """Return SQL of why a row is a robot's, from each reason and the SQL of its mark; missing where none holds."""
    whens = " ".join(f"WHEN {mark} THEN {quoted(ROBOT + reason)}" for reason, mark in marks.items())
    return f"CASE {whens} END"


def in_known_spelling(sql: str, kinds: Mapping[str, str]) -> str:
    """Return a word for a kind as `kinds` spells it; words that no spelling of `kinds` has stay as they are."""
    words: dict[str, set[str]] = {}
    for word in kinds:
        words.setdefault(spelling(word), set()).add(word)
    known = {plain: alike for plain, alike in words.items() if len({kinds[word] for word in alike}) == 1}
    pairs = ", ".join(
        f"{quoted(plain)}: {quoted(max(alike))}" for plain, alike in sorted(known.items()) if plain
    )
    plain = f"lower(regexp_replace({sql}, '[^\\pL\\pN]', '', 'g'))"
    unknown = f"CASE WHEN NOT {is_any(sql, kinds)} THEN MAP {{{pairs}}}[{plain}] END"
    return f"coalesce({unknown}, {sql})" if pairs else sql


def place_in(sql: str, words: Sequence[str]) -> str:
    """Return the position of a text among these words, from 0; -1 for any other."""
    return f"coalesce(list_position([{', '.join(map(quoted, words))}], {sql}), 0) - 1"


def lower_email(sql: str) -> str:
    """Write e-mail addresses in small letters, so that a person is one customer; other ids stay as they are."""
    return f"CASE WHEN contains({sql}, '@') THEN lower({sql}) ELSE {sql} END"


def type_of_shape(shape: Any) -> dt.DataType:
    """Return the type of a nested column from its shape in a preset."""
    if isinstance(shape, dict):
        return dt.Struct({name: type_of_shape(inner) for name, inner in shape.items()})
    return dt.Array(type_of_shape(shape[0])) if isinstance(shape, list) else dt.dtype(shape)


def type_name(dtype: dt.DataType) -> str:
    """Return the name of a type in DuckDB."""
    return engine().compiler.type_mapper.to_string(dtype)


def fields(names: str) -> dict[str, str]:
    """Return the shape of an object that has these fields, all of them text."""
    return dict.fromkeys(names.split(), TEXT)


def is_id(sql: str, dtype: dt.DataType) -> str:
    """Test whether a value can be read as the id of a customer."""
    if dtype.is_floating():
        return f"coalesce(abs({sql}) < {WHOLE_FLOATS}, false)"
    bare = f"regexp_replace(CAST({sql} AS VARCHAR), '^[{UNSEEN_IN_ASCII}]+|[{UNSEEN_IN_ASCII}]+$', '', 'g')"
    is_exact = f"NOT regexp_matches({bare}, {quoted(SCIENTIFIC)})"
    return f"coalesce(length({bare}) <= {LONGEST_ID} AND NOT {is_any(bare, MISSING_WORDS)} AND {is_exact}, false)"


def is_moment(sql: str, dtype: dt.DataType, formats: tuple[str, ...]) -> str:
    """Test whether a value can be read as the time of an event."""
    moment = _moment(dtype, formats)(sql)
    return f"coalesce({moment} >= '{EARLIEST}' AND {moment} < '{LATEST}', false)"


@functools.lru_cache(maxsize=64)
def _moment(dtype: dt.DataType, formats: tuple[str, ...]) -> Callable[[str], str]:
    """Return a function from the SQL of a written time to the SQL that reads it."""
    written = ibis.table({"written": dtype}, name="rows")
    read = Times("The timestamp column", formats, "UTC", "duckdb").read(written, "written", "moment")
    place = "segkit_written"
    query = engine().compiler.to_sqlglot(read)
    text = _inlined(query, "moment").sql("duckdb").replace('"t0"."written"', place)
    return lambda sql: text.replace(place, sql)


def _inlined(query: expressions.Select, column: str) -> expressions.Expression:
    """Return a column of nested queries as one expression on the innermost table."""
    from sqlglot import expressions

    expression = next(one for one in query.expressions if one.alias_or_name == column)
    expression = expression.unalias().copy()
    inner = query.args["from_"].this
    if not isinstance(inner, expressions.Subquery):
        return expression
    return expression.transform(
        lambda node: _inlined(inner.this, node.name) if isinstance(node, expressions.Column) else node
    )
