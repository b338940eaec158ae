"""Draw the three verdicts on each segment: real, repeatable, useful."""

from __future__ import annotations

import altair as alt
import pandas as pd

from segkit.create.segmentation import Segmentation
from segkit.show.plots.theme import GREY, INK, OKABE_ITO, computed, themed
from segkit.trust.assess import Trust

GOOD, BETWEEN, BAD = OKABE_ITO[2], OKABE_ITO[1], OKABE_ITO[5]
SHADES = {
    "real": GOOD, "arbitrary": BAD,
    "repeatable": GOOD, "in part": BETWEEN, "not repeatable": BAD,
    "useful": GOOD, "no different": BAD,
    "too little": GREY, "not tested": GREY,
}  # fmt: skip
SIGNS = {GOOD: "✓", BETWEEN: "~", BAD: "✗", GREY: "?"}  # so that nobody needs to tell colours apart
GAP = 0.06  # between cells, as a share of one
QUESTIONS = {"real": "Real?", "repeatable": "Repeatable?", "useful": "Useful?"}


def plot_trust(trust: Trust | Segmentation) -> alt.LayerChart:
    """Draw the three verdicts on each segment, in colour and in words.

    Parameters
    ----------
    trust : Trust or Segmentation
        From ``result.trust`` or :func:`segkit.assess`.

    Returns
    -------
    LayerChart
        A cell for each segment and question; the figures on hover.

    Raises
    ------
    ValueError
        If there is no segment.
    """
    trust = computed(trust, lambda result: result.trust, Trust, "assess(result)")
    if not len(trust.segments):
        raise ValueError(
            "There are verdicts on no segment, so there is nothing to draw: all customers are outside. Make "
            "segments first."
        )
    table = trust.segments
    names = list(table["name"])
    cells = pd.DataFrame(
        [
            {
                "segment": row.name,
                "question": question,
                "word": getattr(row, column),
                "label": f"{SIGNS[SHADES[getattr(row, column)]]} {getattr(row, column)}",
                "why": _why(row, column),
            }
            for row in table.itertuples(index=False)
            for column, question in QUESTIONS.items()
        ]
    )
    words = list(dict.fromkeys(cells["word"]))
    base = alt.Chart(cells).encode(
        alt.X(
            "question:N", title=None, sort=list(QUESTIONS.values()), scale=alt.Scale(paddingInner=GAP)
        ).axis(orient="top", labelAngle=0, labelFontSize=13, labelFontWeight=600),
        alt.Y("segment:N", title=None, sort=names, scale=alt.Scale(paddingInner=GAP)),
        tooltip=[
            alt.Tooltip("segment:N", title="Segment"),
            alt.Tooltip("question:N", title="Question"),
            alt.Tooltip("word:N", title="Verdict"),
            alt.Tooltip("why:N", title="Because"),
        ],
    )
    cell = base.mark_rect(cornerRadius=6, opacity=0.45, stroke=INK, strokeOpacity=0.15).encode(
        alt.Color("word:N", legend=None, scale=alt.Scale(domain=words, range=[SHADES[w] for w in words]))
    )
    text = base.mark_text(fontSize=13, color=INK).encode(alt.Text("label:N"))
    verdicts = [f"Real? {trust.real}.", f"Repeatable? {trust.repeatable}.", f"Useful? {trust.useful}."]
    title = {"text": "How far can you trust these segments?", "subtitle": verdicts}
    return themed((cell + text).properties(title=title, width=420, height=max(40 * len(names), 60)))


def _why(row: tuple, column: str) -> str:
    facts = row._asdict()  # type: ignore[attr-defined]
    if column == "real":
        return "" if pd.isna(facts["p_value"]) else f"p = {facts['p_value']:.2g} against null data sets"
    if column == "repeatable":
        if pd.isna(facts["jaccard"]):
            return ""
        return f"Jaccard similarity {facts['jaccard']:.2f} ({facts['low']:.2f} to {facts['high']:.2f})"
    return facts["next_period"] or (
        "" if facts["useful"] == "not tested" else "next period like all other customers"
    )
