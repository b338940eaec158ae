"""What the page of SegmentExplorer shows: rows of segments and of a chosen group, pictures of the map."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from segkit.core.disclosure import MINIMUM
from segkit.core.html import html_table, render
from segkit.create.segmentation import Segmentation
from segkit.explain.names import suggest_names
from segkit.explain.profile import segment_sizes
from segkit.show.plots.map import plot_map
from segkit.show.plots.theme import segment_colors, without_small
from segkit.show.widgets.map_colors import figure
from segkit.show.widgets.parts import code_line, scrolling

ROWS = 8  # differences shown beside the map
TYPICAL = 3  # customers in the middle of those who are chosen
SIDE = 420  # pixels of the map in a still

_NAMED = '<span style="color: {{ color }}">●</span> {{ name }}'
_STILL = """
{% if png -%}
<img alt="{{ alt }}" width="{{ side }}" height="{{ side }}" src="data:image/png;base64,{{ png }}">
{%- endif %}{{ tables }}
"""


def segment_rows(
    result: Segmentation, worth: dict[int, Any], plays: dict, tags: dict, minimum: int
) -> list[dict[str, Any]]:
    """Return the list of segments: id, name, colour, size, suggested name, worth, and what to do."""
    sizes = segment_sizes(result, minimum=minimum)
    suggested = suggest_names(result, minimum=minimum)
    pinned = set(result.provenance.get("pinned", []))
    return [
        {
            "id": int(s),
            "name": row.segment,
            "color": color,
            "size": "hidden" if pd.isna(row.customers) else f"{row.customers:,} ({row.share:.0%})",
            "named": int(s) >= 0,
            "pinned": int(s) in pinned,
            "suggested": "" if s < 0 or s in result.names else suggested.loc[s, "name"],
            "why": "" if s < 0 else suggested.loc[s, "sentence"],
            "worth": worth[s].per_customer() if s in worth and worth[s].known else "",
            "play": [[label, words, tags[s].get(label, "")] for label, words in plays.get(s, {}).items()],
        }
        for (s, row), color in zip(sizes.iterrows(), segment_colors(list(sizes["segment"])), strict=True)
    ]


def difference_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the strongest differences of two groups, as the page shows them."""
    return [
        {
            "feature": f,
            "effect": _bounded(r.effect),
            "inside": figure(r.inside, r.unit),
            "others": figure(r.others, r.unit),
            "unit": r.unit,
        }
        for f, r in table.head(ROWS).iterrows()
    ]


def evidence_rows(table: pd.DataFrame | None) -> list[list[str]]:
    """Return the tests of what was kept out, as the page shows them."""
    if table is None:
        return []
    return [
        [row.feature, figure(row.inside, row.unit), figure(row.others, row.unit), row.verdict]
        for row in table.head(ROWS).itertuples()
    ]


def typical_of(result: Segmentation, inside: np.ndarray) -> list[int]:
    """Return the positions of the chosen customers nearest to their mean, in prepared features."""
    at = np.flatnonzero(inside)
    rows = result.prepared.to_numpy()[at]
    far = np.nan_to_num(((rows - np.nanmean(rows, axis=0)) ** 2).sum(axis=1), nan=np.inf)
    n = min(TYPICAL, len(far))
    near = np.flatnonzero(far <= np.partition(far, n - 1)[n - 1])
    return at[near[np.argsort(far[near], kind="stable")[:n]]].tolist()


def sample_picture(result: Segmentation) -> bytes:
    """Return a chart of a sample as PNG, for a page that cannot draw."""
    import vl_convert

    return vl_convert.vegalite_to_png(plot_map(result.to_frame()).to_dict(), scale=1.5)


def explorer_still(
    result: Segmentation, picture: bytes, segments: list[dict], group: dict, code: str
) -> Markup:
    """Return the explorer without a page: the map, its segments, what sets the chosen apart, the code."""
    names = [(render(_NAMED, **s), s["size"]) for s in segments]
    tables = scrolling("Segments", html_table(["Segment", "Customers"], names, text=(0,)))
    if group.get("rows"):
        rows = [(r["feature"], r["inside"], r["others"]) for r in group["rows"]]
        title = f"What sets {group['count']:,} chosen customers apart"
        tables += scrolling(title, html_table(["Feature", "Here", "Others"], rows, text=(0,)))
    alt = f"Map of {len(result.labels):,} customers"
    png = base64.b64encode(picture).decode()
    return render(_STILL, alt=alt, side=SIDE, png=png, tables=tables) + code_line(code)


def map_picture(result: Segmentation, *, minimum: int = MINIMUM) -> bytes:
    """Return the map of all customers as PNG, on a clear ground: in each pixel the mean colour of who lies there.

    Customers of small segments are left out, as in :func:`segkit.plot_map`; nothing where all are small.
    """
    assert result.embedding is not None
    frame = pd.DataFrame({"x": result.embedding["x"], "y": result.embedding["y"], "segment": result.labels})
    frame = without_small(frame, minimum)
    if frame.empty:
        return b""
    order = [*result.segments, -1]
    colors = segment_colors([result.name_of(s) for s in order])
    shades = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colors], dtype=float)
    places = frame[["x", "y"]].to_numpy()
    low, high = places.min(axis=0), places.max(axis=0)
    scale = (SIDE - 5) / max((high - low).max(), 1e-12)
    px, py = (((places - (low + high) / 2) * scale) * [1, -1] + SIDE / 2).astype(int).T
    own = shades[pd.Index(order).get_indexer(frame["segment"])]
    reach = range(3) if len(frame) < 50_000 else range(1)
    at = np.concatenate([(py + dy) * SIDE + px + dx for dy in reach for dx in reach]).clip(0, SIDE**2 - 1)
    own = np.tile(own, (len(reach) ** 2, 1))
    n = np.bincount(at, minlength=SIDE**2)
    pixels = np.zeros((SIDE**2, 4))
    for i in range(3):
        pixels[:, i] = np.bincount(at, own[:, i], SIDE**2) / np.maximum(n, 1)
    pixels[:, 3] = 255 * (1 - np.exp(-n * (1.5 if len(frame) < 50_000 else 0.6)))
    return _png(pixels.round().astype("uint8").reshape(SIDE, SIDE, 4))


def _png(pixels: np.ndarray) -> bytes:
    """Return red, green, blue and ink of pixels as a PNG file."""
    high, wide = pixels.shape[:2]

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    lines = np.hstack([np.zeros((high, 1), dtype="uint8"), pixels.reshape(high, -1)])  # no filter on any line
    head = struct.pack(">IIBBBBB", wide, high, 8, 6, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(lines.tobytes(), 6)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _bounded(effect: float) -> float:
    return 0.0 if pd.isna(effect) else float(np.clip(effect, -9.99, 9.99))
