"""Colour each customer on a map: by segment, by a feature, or by a share such as confidence, in one byte each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segkit.core.disclosure import without_contacts
from segkit.explain.differences import is_share
from segkit.show.plots.theme import GREY, segment_colors

VIRIDIS = ["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"]
STEPS = 255  # shades of a ramp; 0 stands for unknown
OWN = 14  # words that have a colour of their own; after them colours would come twice


@dataclass(frozen=True)
class Shades:
    """The colour of each customer, and the legend.

    Attributes
    ----------
    codes : ndarray of uint8, shape (n_customers,)
        Position of the colour.
    colors : list of str
    legend : dict
        `ends`, what the ends of the ramp stand for; `words`, what a colour stands for.
    """

    codes: np.ndarray
    colors: list[str]
    legend: dict[str, Any] = field(default_factory=dict)


def shades_of(column: pd.Series, *, share: bool = False) -> Shades:
    """Colour a feature: numbers from their 1st to their 99th percentile, words each for itself.

    With `share`, numbers from 0 to 1. The unknown are grey; so are words after the 13 most frequent ones, which say how
    many they are.

    Examples
    --------
    >>> shades_of(pd.Series([1.0, None, 3.0])).codes.tolist()
    [1, 0, 255]
    >>> shades_of(pd.Series(["a", None, "b"])).legend["words"][0]
    ['a', '#0072B2']
    """
    if pd.api.types.is_numeric_dtype(column.dtype) and column.dtype != bool:
        codes, ends = steps_of(column, share=share)
        n = int(column.isna().sum())
        unknown = {"words": [[f"unknown ({n:,})", GREY]]} if n else {}
        return Shades(codes, [GREY, *_ramp_colors()], {"ends": ends, "colors": VIRIDIS} | unknown)
    words = column.astype("str").fillna("unknown").map(without_contacts)
    counts = words.value_counts().sort_index(key=lambda index: index.astype(str))
    own = list(counts.index)
    if len(own) > OWN:
        often = counts.sort_values(ascending=False, kind="stable").index[: OWN - 1]
        own = [word for word in own if word in often]
    colors = segment_colors(own)
    positions = pd.Index(own).get_indexer(pd.Index(words))
    codes = np.where(positions < 0, len(own), positions).astype("uint8")
    legend = [[word, color] for word, color in zip(own, colors, strict=True)]
    if len(counts) > len(own):
        legend.append([f"{len(counts) - len(own):,} others", GREY])
    return Shades(codes, [*colors, GREY], {"words": legend})


def steps_of(column: pd.Series, *, share: bool = False) -> tuple[np.ndarray, list[str]]:
    """Put numbers on 255 steps, on a logarithmic scale where they have a long tail; 0 is unknown.

    Returns
    -------
    codes : ndarray of uint8, shape (n_customers,)
    ends : list of str
        What the first and the last step stand for.

    Examples
    --------
    >>> codes, ends = steps_of(pd.Series([0.0, 5.0, 10.0, None]))
    >>> codes.tolist(), ends
    ([1, 128, 255, 0], ['0.1', '9.9'])
    """
    values = column.to_numpy(dtype=float, na_value=np.nan)
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values), dtype="uint8"), ["unknown", "unknown"]
    if share:
        low, high, long_tail = 0.0, 1.0, False
    else:
        low, high = np.quantile(known, [0.01, 0.99])
        long_tail = bool(known.min() >= 0 and pd.Series(known).skew() > 1)
    scaled, (bottom, top) = values, (low, high)
    if long_tail:
        scaled, (bottom, top) = np.log1p(values), np.log1p([low, high])
    spread = top - bottom
    between = (
        np.clip((scaled - bottom) / spread, 0, 1) if spread > 0 else np.where(np.isnan(values), np.nan, 0.5)
    )
    codes = np.nan_to_num(1 + np.round(between * (STEPS - 1)), nan=0).astype("uint8")
    unit = "share of customers" if share else ""
    return codes, [figure(low, unit), figure(high, unit) + (" (logarithmic)" if long_tail else "")]


def figure(value: Any, unit: str) -> str:
    """Return a number as it is shown.

    Examples
    --------
    >>> figure(1234.5, "orders"), figure(0.256, "share of customers"), figure(None, "")
    ('1,234', '26%', 'unknown')
    """
    if pd.isna(value):
        return "unknown"
    if is_share(unit):
        return f"{value:.0%}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"


def places_in_bytes(points: pd.DataFrame) -> bytes:
    """Return places as whole numbers of 16 bits, first all x and then all y, both directions on one scale."""
    places = points[["x", "y"]].to_numpy()
    low, high = places.min(axis=0), places.max(axis=0)
    side = max((high - low).max(), 1e-12)
    whole = np.round(((places - (low + high) / 2) / side + 0.5) * 65535)
    return whole.T.astype("<u2").tobytes()


def packed(chosen: np.ndarray) -> bytes:
    """Return True and False of each customer as bits; nothing where nobody is chosen."""
    return np.packbits(chosen, bitorder="little").tobytes() if chosen.any() else b""


def unpacked(bits: bytes, n: int) -> np.ndarray:
    """Return what :func:`packed` was given.

    Examples
    --------
    >>> unpacked(packed(np.array([True, False, True])), 3).tolist(), unpacked(b"", 2).tolist()
    ([True, False, True], [False, False])
    """
    if not bits:
        return np.zeros(n, dtype=bool)
    return np.unpackbits(np.frombuffer(bits, dtype="uint8"), count=n, bitorder="little").astype(bool)


def _ramp_colors() -> list[str]:
    """Return colours between the anchors of the ramp."""
    anchors = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in VIRIDIS])
    at = np.linspace(0, len(anchors) - 1, STEPS)
    channels = [np.interp(at, range(len(anchors)), anchors[:, i]).round().astype(int) for i in range(3)]
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in zip(*channels, strict=True)]
