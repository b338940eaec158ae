"""Draw a playbook: a card for each segment, with the grade of its evidence."""

from __future__ import annotations

import textwrap
from typing import Any

import altair as alt
import pandas as pd

from segkit.show.plots.theme import (
    GREY,
    INK,
    OKABE_ITO,
    check_table,
    one_line,
    segment_colors,
    themed,
    with_badge,
)
from segkit.tailor.plays.playbook import COLUMNS, CUSTOM, GRADES, MEASURED, SEEN, fact_by_segment

SAID = {
    "strategy": "Do",
    "offer": "Offer",
    "channel": "Channel",
    "cadence": "How often",
    "service_level": "Service",
    "avoid": "Avoid",
    "why": "Why",
    "measure": "Prove it",
}
WIDTH, SPOKEN_AT, TAG_AT = 640, 92, 628  # pixels: of a card, of its words, of the end of a tag
LETTERS, SHORTER = 84, 64  # of a line; of one that a tag stands beside
LINE, HEAD, PAD, GAP = 16, 26, 12, 14  # pixels
COLORS = {MEASURED: OKABE_ITO[2], SEEN: OKABE_ITO[0], CUSTOM: GREY}


def plot_playbook(playbook: pd.DataFrame) -> alt.LayerChart:
    """Draw a playbook as cards, one a segment, each line with a tag: measured, seen, or only custom.

    Parameters
    ----------
    playbook : DataFrame
        From :func:`segkit.playbook`.

    Returns
    -------
    LayerChart

    Raises
    ------
    ValueError
        If a column is missing, or there is no segment.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"recency": [3, 5, 8] * 10 + [140, 150, 160] * 10})
    >>> chart = sg.plot_playbook(sg.playbook(sg.segment(customers, n_segments=2)))
    """
    check_table(playbook, COLUMNS, "playbook(result, …)")
    if not len(playbook):
        raise ValueError("The playbook has no segment, so there is nothing to draw.")
    cards, texts = _placed(playbook)
    height = float(cards["end"].max())
    place = alt.Scale(domain=[0, height], range=[0, height])
    across = alt.Scale(domain=[0, WIDTH], range=[0, WIDTH])
    y, x = alt.Y("y:Q", scale=place, axis=None), alt.X("x:Q", scale=across, axis=None)
    to = alt.Y("start:Q", scale=place, axis=None), alt.Y2("end:Q")
    order = list(dict.fromkeys(cards["segment"]))
    boxes = alt.Chart(cards).mark_rect(color=INK, opacity=0.06, cornerRadius=6).encode(
        *to, x=alt.value(0), x2=alt.value(WIDTH), tooltip=[alt.Tooltip("segment:N", title="Segment")]
    )  # fmt: skip
    colors = alt.Color("segment:N", legend=None, scale=alt.Scale(domain=order, range=segment_colors(order)))
    edges = alt.Chart(cards).mark_rect().encode(*to, colors, x=alt.value(0), x2=alt.value(5))
    layers = [boxes, edges]
    looks: dict[str, dict[str, Any]] = {
        "head": {"fontSize": 14, "fontWeight": 600},
        "label": {"fontSize": 12, "opacity": 0.65},
        "words": {"fontSize": 12},
    }
    for style, look in looks.items():
        some = texts[texts["style"] == style]
        mark = alt.Chart(some).mark_text(
            align="left", baseline="top", color=INK, lineBreak="\n", lineHeight=LINE, **look
        )
        layers.append(mark.encode(x, y, alt.Text("text:N")))
    tags = texts[texts["style"] == "tag"]
    if len(tags):
        graded = alt.Chart(tags).encode(
            y,
            alt.Color(
                "text:N",
                title="How far it is proven",
                scale=alt.Scale(domain=list(GRADES), range=[COLORS[g] for g in GRADES]),
                legend=None,
            ),
        )
        layers.append(
            graded.mark_point(filled=True, size=55, opacity=1, yOffset=6).encode(x=alt.value(TAG_AT - 122))
        )
        layers.append(
            alt.Chart(tags)
            .mark_text(align="left", baseline="top", color=INK, fontSize=11, opacity=0.8)
            .encode(y, alt.Text("text:N"), x=alt.value(TAG_AT - 114))
        )
    service = playbook.attrs.get("segkit", {}).get("service", "")
    subtitle = [*textwrap.wrap(service, LETTERS), "Dots say how far a line is proven."]
    return themed(
        alt.LayerChart(layer=layers)
        .resolve_scale(color="independent")
        .properties(
            title={"text": "What to do for each segment", "subtitle": with_badge(playbook, *subtitle)},
            width=WIDTH,
            height=height,
        )
    )


def _placed(playbook: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return where each card lies, and each of its texts."""
    grades = fact_by_segment(playbook, "evidence")
    cards, texts = [], []
    top = 0
    for row in playbook.to_dict("records"):
        name = one_line(row["segment"])
        at = top + PAD
        head = textwrap.shorten(
            f"{name}: {row['goal']}" if row["goal"] else name, LETTERS - 8, placeholder="…"
        )
        texts.append({"x": PAD + 4, "y": at, "text": head, "style": "head"})
        at += HEAD
        graded = grades.get(row["segment_id"], {"strategy": row["evidence"]})
        for column, label in SAID.items():
            words = row[column]
            if pd.isna(words) or not str(words).strip():
                continue
            grade = graded.get(column, "")
            lines = textwrap.wrap(str(words), SHORTER if grade else LETTERS)
            texts.append({"x": PAD + 4, "y": at, "text": label, "style": "label"})
            texts.append({"x": SPOKEN_AT, "y": at, "text": "\n".join(lines), "style": "words"})
            if grade:
                texts.append({"x": TAG_AT, "y": at, "text": grade, "style": "tag"})
            at += LINE * len(lines) + 3
        cards.append({"segment": name, "start": top, "end": at + PAD - 3})
        top = at + PAD - 3 + GAP
    return pd.DataFrame(cards), pd.DataFrame(texts)
