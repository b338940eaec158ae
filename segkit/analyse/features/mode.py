"""Aggregates of words: the one that occurs most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.engine.dialects import readable, sortable

if TYPE_CHECKING:
    import ibis.expr.types as ir

_TWELVE_DIGITS = 100_000_000_000


def favourite(word: ir.StringColumn, count: ir.IntegerColumn, dialect: str) -> ir.StringScalar:
    """Return the word of the highest count; of equals, the last by its bytes, on every engine.

    The count stands before the word, in twelve digits, so that the largest text is the answer.
    """
    ranked = (count + _TWELVE_DIGITS).cast("string") + sortable(word, dialect)
    return readable(ranked.max().substr(12), dialect)
