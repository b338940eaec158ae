"""Draw the evidence: what was kept out and tested beside what built the segments."""

from __future__ import annotations

import altair as alt
import pandas as pd

from segkit.core.checks import check_count
from segkit.core.messages import counted
from segkit.explain.differences import in_unit
from segkit.explain.evidence import ALL_SEGMENTS, BUILT, KEPT_OUT
from segkit.show.plots.theme import GREY, INK, check_table, themed, with_badge

COLUMNS = (
    "segment", "feature", "kind", "effect", "effect_low", "effect_high", "inside", "others", "unit", "q", "verdict",
)  # fmt: skip
FOUND, NOT_FOUND, NOT_TESTED = "a finding", "no finding", "not tested"
TITLES = {
    KEPT_OUT: "Kept out: tested, with 95 % intervals",
    BUILT: "Built the segments: sizes only, no evidence",
}


LONGEST = 330  # pixels of a label


def plot_evidence(evidence: pd.DataFrame, *, most: int = 15) -> alt.VConcatChart:
    """Draw what was kept out and tested beside what built the segments and cannot be tested.

    Parameters
    ----------
    evidence : DataFrame
        From :func:`segkit.evidence`.
    most : int, default=15
        Rows to show in each panel: findings first, then the largest effects.

    Returns
    -------
    VConcatChart
        Above, blue, what was kept out: the effect with its interval; hollow and grey where there is no finding. Below,
        orange diamonds, what built the segments: the effect alone. A panel without rows is left out.

    Raises
    ------
    ValueError
        If a column of :func:`segkit.evidence` is missing, nothing in the table has an effect, or `most` is no whole
        number of 1 or more.
    TypeError
        If it is no table.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> visits = pd.DataFrame({"visits": [1, 2, 3, 2, 61, 62, 63, 61]})
    >>> later = pd.DataFrame({"spend": [3, 5, 4, 1, 80, 70, 95, 60]})
    >>> chart = sg.plot_evidence(sg.evidence(sg.segment(visits, n_segments=2), later, minimum=1))
    """
    source = "evidence(result, held_out)"
    check_table(evidence, COLUMNS, source)
    check_count("most", most, 1)
    rows = evidence[(evidence["segment"] != ALL_SEGMENTS) & evidence["effect"].notna()]
    fdr = evidence.attrs.get("segkit", {}).get("fdr", 0.05)
    panels = []
    left_out = 0
    for kind in (KEPT_OUT, BUILT):
        every = rows[rows["kind"] == kind]
        if len(every):
            found = every["q"].le(fdr)
            order = pd.DataFrame({"found": ~found, "effect": -every["effect"].abs()})
            shown = every.loc[order.sort_values(["found", "effect"], kind="stable").index[:most]]
            left_out += len(every) - len(shown)
            panels.append(_panel(shown, kind, fdr))
    if not panels:
        raise ValueError(f"No row of this table has an effect. Pass the table from {source}.")
    lines = [f"Blue: a finding; on average at most {fdr:.0%} of the findings are chance. Grey: no finding."]
    without = evidence.attrs.get("segkit", {}).get("without", 0)
    lines += [f"Without {counted(without, 'customer')} of whom nothing of it is known."] if without else []
    lines += [f"The {left_out} rows with the smallest effects are left out."] if left_out else []
    title = {"text": "What is evidence, and what is not?", "subtitle": with_badge(evidence, *lines)}
    return themed(alt.vconcat(*panels, spacing=30).resolve_scale(x="shared").properties(title=title))


def _panel(rows: pd.DataFrame, kind: str, fdr: float) -> alt.LayerChart:
    cells = rows.assign(
        row=[f"{f} · {s}" for f, s in zip(rows["feature"], rows["segment"], strict=True)],
        finding=[
            NOT_TESTED if kind == BUILT else FOUND if found else NOT_FOUND for found in rows["q"].le(fdr)
        ],
        here=[in_unit(v, u) for v, u in zip(rows["inside"], rows["unit"], strict=True)],
        elsewhere=[in_unit(v, u) for v, u in zip(rows["others"], rows["unit"], strict=True)],
    )[
        [
            "row",
            "segment",
            "feature",
            "finding",
            "effect",
            "effect_low",
            "effect_high",
            "here",
            "elsewhere",
            "verdict",
        ]
    ]
    names = list(cells["row"])
    scale = alt.Scale(domain=[FOUND, NOT_FOUND, NOT_TESTED], range=["#0072B2", GREY, "#E69F00"])
    base = alt.Chart(cells).encode(
        alt.Y("row:N", title=None, sort=names, axis=alt.Axis(labelLimit=LONGEST)),
        alt.Color("finding:N", scale=scale, legend=None),
        tooltip=[
            alt.Tooltip("segment:N", title="Segment"),
            alt.Tooltip("feature:N", title="Feature"),
            alt.Tooltip("here:N", title="Here"),
            alt.Tooltip("elsewhere:N", title="All others"),
            alt.Tooltip("effect:Q", title="Cohen's d", format="+.2f"),
            alt.Tooltip("verdict:N", title="Verdict"),
        ],
    )
    x = alt.X("effect:Q", title="Cohen's d (0: like all others)", axis=alt.Axis(tickCount=5))
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=INK, opacity=0.4).encode(alt.X("zero:Q"))
    marks = [zero]
    if kind == KEPT_OUT:
        marks.append(base.mark_rule(strokeWidth=2).encode(alt.X("effect_low:Q"), alt.X2("effect_high:Q")))
        hollow = alt.when(alt.datum.finding == FOUND).then(alt.value(1.0)).otherwise(alt.value(0.0))
        marks.append(base.mark_point(size=70, filled=False, opacity=1).encode(x))
        marks.append(base.mark_point(size=70, filled=True).encode(x, opacity=hollow))
    else:
        marks.append(base.mark_point(shape="diamond", size=70, filled=True, opacity=1).encode(x))
    return alt.LayerChart(layer=marks).properties(title=TITLES[kind], width=400, height=20 * len(names))
