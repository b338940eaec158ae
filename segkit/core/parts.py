"""What the parts of customers are called: segments, or bands where customers are one continuum."""

from __future__ import annotations

import pandas as pd

SEGMENTS, BANDS = "segments", "bands"
PARTS = {SEGMENTS: "Segment", BANDS: "Band"}


def noun_of(table: pd.DataFrame) -> str:
    """Return what the parts told of in a table are called: "segments", or "bands" if the result said so of them."""
    said = table.attrs.get("segkit", {}).get("noun")
    return said if said in PARTS else SEGMENTS


def called(table: pd.DataFrame, noun: str) -> pd.DataFrame:
    """Return the same table, which says what its parts are called."""
    told = table.copy(deep=False)
    told.attrs = {**table.attrs, "segkit": {**table.attrs.get("segkit", {}), "noun": noun}}
    return told


def part_of(table: pd.DataFrame) -> str:
    """Return what one of the parts in a table is called, as the head of a column: "Segment" or "Band"."""
    return PARTS[noun_of(table)]
