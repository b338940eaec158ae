"""Read messages into a table of events that :meth:`Live.apply` reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import pandas as pd

from segkit.core.schema import STANDARD
from segkit.live.sources.event_source import Message
from segkit.live.store import SHOWN, Refusal

NEEDED = ("customer_id", "timestamp", "kind", "event_id")


class FieldTwice(ValueError):
    """A JSON object has a field more than once, and which counts is anyone's guess."""


class Messages:
    """Read messages, each a JSON object with standard columns; other fields are not looked at.

    Columns that once came stay in the table, so that few queries are written for it.
    """

    def __init__(self) -> None:
        self._came = set(NEEDED)

    def read(self, messages: Iterable[Message]) -> tuple[pd.DataFrame, list[Refusal]]:
        """Return the events, and of each message that is none a key, the reason and an example."""
        rows, refused = [], []
        for message in messages:
            try:
                if message.problem:
                    raise ValueError(message.problem)
                rows.append(_event(message.body))
            except (ValueError, RecursionError) as error:  # JSON may be nested too deeply
                why = str(error) if isinstance(error, ValueError) else "message nested too deeply"
                refused.append((*_shown(message.body), why))
        self._came.update(*rows)
        columns = {
            name: _column(name, [row.get(name) for row in rows]) for name in STANDARD if name in self._came
        }
        return pd.DataFrame(columns), [(key, why, example) for key, example, why in refused]


def _event(body: bytes | Any) -> dict[str, Any]:
    """Return the standard columns of a message.

    Raises
    ------
    ValueError
        Why it is no event, in words that are the same for all such messages.
    """
    fields = _parsed(body) if isinstance(body, bytes) else body
    if not isinstance(fields, dict):
        raise ValueError("message not a JSON object")
    lacks = [name for name in NEEDED if name not in fields]
    if lacks:
        raise ValueError(f"{lacks[0]} missing")
    return {name: _value(name, value) for name, value in fields.items() if name in STANDARD}


def _parsed(body: bytes) -> Any:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("message not UTF-8") from error
    try:
        return json.loads(text, parse_constant=_no_number, object_pairs_hook=_fields)
    except FieldTwice:
        raise
    except ValueError as error:
        raise ValueError("message not JSON") from error


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise FieldTwice("field twice in a message")
    return fields


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number in JSON")


def _value(name: str, value: Any) -> str | float | None:
    """Return a value as text, or of a column of numbers as a number."""
    holds = STANDARD[name]
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(f"{name} has half a character") from error
        return value
    is_whole, is_number = type(value) is int, type(value) in (int, float)
    if value is None or (holds == "text" and is_whole):
        return None if value is None else str(value)
    if holds == "number" and is_number:
        try:
            return float(value)
        except OverflowError as error:
            raise ValueError(f"{name} too large") from error
    raise ValueError(f"{name} not {'a number or text' if holds == 'number' else 'text'}")


def _column(name: str, values: list[str | float | None]) -> pd.Series:
    """Return a column of numbers where all are, and of text otherwise."""
    if STANDARD[name] == "number" and not any(isinstance(value, str) for value in values):
        return pd.Series(values, dtype="float64")
    words = [repr(value) if isinstance(value, float) else value for value in values]
    return pd.Series(words, dtype=object)


def _shown(body: bytes | Any) -> tuple[str, str]:
    """Return a hash of a message, so that one that is delivered twice is counted once, and how it begins."""
    raw = body if isinstance(body, bytes) else repr(body).encode("utf-8", "replace")
    return hashlib.sha256(raw).hexdigest()[:32], raw[:SHOWN].decode("utf-8", "replace")
