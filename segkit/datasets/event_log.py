"""Assemble an event log from pieces with coded columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

DAY = 86_400

COLUMNS = {
    "order_id": pa.string(),
    "product_id": pa.string(),
    "category": pa.string(),
    "brand": pa.string(),
    "quantity": pa.float64(),
    "amount": pa.float64(),
    "discount": pa.float64(),
    "channel": pa.string(),
    "campaign": pa.string(),
    "page": pa.string(),
    "duration": pa.float64(),
    "rating": pa.float64(),
    "text": pa.string(),
    "sentiment": pa.float64(),
    "place": pa.string(),
    "device": pa.string(),
}


class Coded(NamedTuple):
    """A text column as codes into its vocabulary."""

    words: Sequence[str]
    codes: np.ndarray


Column = np.ndarray | Coded | str
"""Numbers, coded text, or one text for all rows."""


@dataclass(frozen=True)
class Piece:
    """Events of one kind.

    Attributes
    ----------
    kind : str
    customer : ndarray of int
        Row of the customer.
    seconds : ndarray
        Time since the start of the period.
    columns : mapping of str to Column
        Further columns.
    """

    kind: str
    customer: np.ndarray
    seconds: np.ndarray
    columns: Mapping[str, Column]


def repeated(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the owner of each row, and the row's position among those of its owner."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def event_table(pieces: Iterable[Piece], ids: Sequence[str], start: pd.Timestamp, seconds: int) -> pa.Table:
    """Join pieces in order of time, without events after the end.

    Parameters
    ----------
    pieces : iterable of Piece
    ids : sequence of str
        Text id of each customer row.
    start : Timestamp
        Moment from which `Piece.seconds` count.
    seconds : int
        Length of the period.

    Returns
    -------
    pyarrow.Table
        Columns `customer_id`, `timestamp`, `kind`, and those of ``COLUMNS`` that a piece has.
    """
    pieces = [_before(piece, seconds) for piece in pieces]
    pieces = [piece for piece in pieces if len(piece.customer)]
    if not pieces:
        return pa.table({"customer_id": [], "timestamp": [], "kind": []})
    moments = np.concatenate([piece.seconds.astype(np.int64) for piece in pieces])
    order = pa.array(np.argsort(moments, kind="stable"))
    stamps = np.datetime64(start, "us") + moments.astype("timedelta64[s]")
    sizes = [len(piece.customer) for piece in pieces]
    kinds = Coded([p.kind for p in pieces], np.repeat(np.arange(len(pieces)), sizes))
    customers = Coded(ids, np.concatenate([p.customer for p in pieces]))
    columns = {"customer_id": _array(customers), "timestamp": pa.array(stamps), "kind": _array(kinds)}
    for name, dtype in COLUMNS.items():
        if any(name in piece.columns for piece in pieces):
            chunks = [
                _array(piece.columns[name], size) if name in piece.columns else pa.nulls(size, dtype)
                for piece, size in zip(pieces, sizes, strict=True)
            ]
            columns[name] = pa.concat_arrays(chunks)
    return pa.table({name: array.take(order) for name, array in columns.items()})


def _before(piece: Piece, seconds: int) -> Piece:
    keep = np.floor(piece.seconds) < seconds
    if keep.all():
        return piece
    columns: dict[str, Column] = {}
    for name, values in piece.columns.items():
        if isinstance(values, Coded):
            columns[name] = Coded(values.words, values.codes[keep])
        else:
            columns[name] = values if isinstance(values, str) else values[keep]
    return Piece(piece.kind, piece.customer[keep], piece.seconds[keep], columns)


def _array(values: Column, size: int = 0) -> pa.Array:
    if isinstance(values, str):
        values = Coded([values], np.zeros(size, dtype=np.int64))
    if isinstance(values, Coded):
        return pa.array(values.words, pa.string()).take(pa.array(values.codes))
    return pa.array(values.astype(np.float64), from_pandas=True)
