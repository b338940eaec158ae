"""Assess segments: three separate verdicts, real, repeatable and useful."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, norm

from segkit.collect.events import Events, checked_events
from segkit.core.checks import check_count, check_seed
from segkit.core.html import html_table, render
from segkit.core.messages import joined
from segkit.methods.partition import Partition, checked_result
from segkit.trust.outcome import OUTCOMES, checked_times, outcome_scoreboard, segment_outcomes
from segkit.trust.segment_structure import test_partition
from segkit.trust.stability import REPEATABLE, Stability, stability
from segkit.trust.structure import REFERENCES, StructureTest

PARTLY = 0.6  # mean Jaccard similarity (Hennig 2007)
FDR = 0.05  # false discovery rate
NOT_TESTED = "not tested"
WORDS = {
    ("real", "repeatable"): "real and repeatable",
    ("real", "in part"): "real, but its edges move",
    ("real", "not repeatable"): "real, but it does not come back",
    ("arbitrary", "repeatable"): "repeatable but arbitrary",
    ("arbitrary", "in part"): "arbitrary, and its edges move",
    ("arbitrary", "not repeatable"): "neither real nor repeatable",
}
UNDIVIDED = {"structure": "several groups in one segment", "continuum": "the whole continuum"}
TOO_FEW = "too little data to tell"

_SHOWN = """
<div>
{%- for question, verdict, sentence, evidence in questions -%}
<details><summary><b>{{ question }}</b> {{ verdict }}</summary>
{%- if sentence %}<p>{{ sentence }}</p>{% endif %}{{ evidence }}</details>
{%- endfor %}{{ table }}</div>
"""


@dataclass(frozen=True, eq=False)
class Trust:
    """Verdicts on a segmentation and each segment, with the evidence; made by :func:`assess` or ``result.trust``.

    Attributes
    ----------
    real, repeatable, useful : str
        The verdicts on the whole, in words.
    segments : DataFrame
        Indexed by segment id:

        * `name`, and `share` of the customers;
        * `verdict`: real and repeatable in one phrase. "repeatable but arbitrary": a part of a continuum with the same
          borders each time;
        * `real`: "real", "arbitrary" or "too little", with `separation` and `p_value`;
        * `repeatable`: "repeatable", "in part" or "not repeatable", by `jaccard` and its interval `low`, `high`;
        * `useful`: "useful", "no different" or "not tested", and `next_period` in words.
    structure : StructureTest, optional
        The evidence for "real"; missing where the segmentation was loaded from a folder.
    stability : Stability, optional
        The evidence for "repeatable", likewise.
    scoreboard : DataFrame, optional
        The evidence for "useful": from :func:`segkit.outcome_scoreboard`.
    of : str
        The hash of the segmentation that was assessed.
    """

    real: str
    repeatable: str
    useful: str
    segments: pd.DataFrame = field(repr=False)
    structure: StructureTest | None = field(default=None, repr=False)
    stability: Stability | None = field(default=None, repr=False)
    scoreboard: pd.DataFrame | None = field(default=None, repr=False)
    of: str = field(default="", repr=False)

    @property
    def summary(self) -> str:
        """The three verdicts in one line."""
        return f"Real? {self.real}. Repeatable? {self.repeatable}. Useful? {self.useful}."

    def renamed(self, names: Mapping[int, str]) -> Trust:
        """Return the same under other names of the segments."""
        repeated = self.stability
        if repeated is not None:
            repeated = dataclasses.replace(repeated, segments=_renamed(repeated.segments, names))
        return dataclasses.replace(self, segments=_renamed(self.segments, names), stability=repeated)

    def __repr__(self) -> str:
        lines = [f"{row.name}: {_line(row)}" for row in self.segments.itertuples(index=False)]
        return "\n".join([self.summary, *lines])

    def _repr_html_(self) -> str:
        """Show the verdicts; the evidence for each opens by a click."""
        rows = [(row.name, f"{row.share:.0%}", _line(row)) for row in self.segments.itertuples(index=False)]
        return render(
            _SHOWN,
            questions=self._questions(),
            table=html_table(["Segment", "Share", "Verdict"], rows, text=(0, 2)),
        )

    def _questions(self) -> list[tuple[str, str, str, str]]:
        real = self.segments[["name", "real", "separation", "p_value"]]
        repeatable = self.segments[["name", "repeatable", "jaccard", "low", "high"]]
        structure = self.structure.sentence if self.structure is not None else ""
        jaccard = (
            "Refitted on resampled customers: Jaccard similarity of each segment to itself (1 = the same, 0.75 or more "
            "= stable)."
        )
        board = "How much of the next period's behaviour each segmentation explains."
        return [
            ("Real?", self.real, structure, _evidence(real)),
            ("Repeatable?", self.repeatable, jaccard, _evidence(repeatable)),
            (
                "Useful?",
                self.useful,
                board if self.scoreboard is not None else "",
                _evidence(self.scoreboard),
            ),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the verdicts as JSON can hold them, without the evidence."""
        table = self.segments.astype(object).where(self.segments.notna(), None)
        records = [
            {"segment": int(s), **row} for s, row in zip(table.index, table.to_dict("records"), strict=True)
        ]
        return {
            "of": self.of,
            "real": self.real,
            "repeatable": self.repeatable,
            "useful": self.useful,
            "segments": records,
        }

    @classmethod
    def from_dict(cls, words: Mapping[str, Any]) -> Trust:
        """Return the verdicts that :meth:`to_dict` gave."""
        table = pd.DataFrame(list(words["segments"])).set_index("segment")
        numbers = [c for c in ("share", "separation", "p_value", "jaccard", "low", "high") if c in table]
        table[numbers] = table[numbers].astype(float)
        return cls(words["real"], words["repeatable"], words["useful"], table, of=words.get("of", ""))


def assess(
    result: Partition,
    *,
    events: Events | None = None,
    horizon: str | timedelta | None = None,
    resamples: int = 50,
    random_state: int = 0,
    progress: bool = True,
) -> Trust:
    """Assess whether segments are real, repeatable and useful.

    Parameters
    ----------
    result : Segmentation
    events : Events, optional
        The log, with events after the moment `as_of` of the segments; without it usefulness is not tested.
    horizon : str or timedelta, optional
        How far to look ahead, such as ``"90 days"``; needed with `events`.
    resamples : int, default=50
        Bootstrap samples for :func:`segkit.stability`.
    random_state : int, default=0
    progress : bool, default=True
        Whether to show progress bars.

    Returns
    -------
    Trust

    Raises
    ------
    ValueError
        If `events` comes without `horizon`, the horizon is no span of time or reaches beyond the events, or the
        segments have no `as_of`.

    Notes
    -----
    Real: :func:`segkit.structure_test`, and for each segment :func:`segkit.segment_structure`. Repeatable:
    :func:`segkit.stability`. Useful: :func:`segkit.outcome_scoreboard`; a segment is useful if its customers'
    next period differs from that of all others, at a false discovery rate of 5 % over all segments and
    outcomes [1]_. These p-values are valid, since the segments were not made from the next period.

    When interrupted while null data sets are drawn, it keeps their test and skips the rest.

    References
    ----------
    .. [1] Benjamini & Hochberg (1995), Controlling the False Discovery Rate, Journal of the Royal Statistical
       Society B 57.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import segkit as sg
    >>> rng = np.random.default_rng(0)
    >>> values = np.vstack([rng.normal(c, 1, (60, 2)) for c in ([0, 0], [9, 0], [4, 8])])
    >>> customers = pd.DataFrame(values, columns=["visits", "opens"], index=[f"c{i:03}" for i in range(180)])
    >>> trust = sg.assess(sg.segment(customers, n_segments=3), progress=False)
    >>> trust.segments["verdict"].unique().tolist()
    ['real and repeatable']
    """
    checked_result(result)
    check_count("resamples", resamples, 1)
    check_seed(random_state)
    if (events is None) != (horizon is None):
        raise ValueError(
            "Usefulness needs both the events and how far to look ahead. "
            "Say assess(result, events=events, horizon='90 days')."
        )
    when: dict[str, Any] = {}
    if events is not None and horizon is not None:
        checked_events(events)
        when = {"as_of": _moment(result), "horizon": horizon}
        checked_times(events, {"segments": result}, **when)  # before the long work
    structure, apart = test_partition(result, random_state=random_state, progress=progress)
    stopped = structure.facts.get("references", REFERENCES) < REFERENCES
    repeated = None
    if len(result.segments) > 1 and not stopped:
        repeated = stability(result, resamples=resamples, random_state=random_state, progress=progress)
    board = later = None
    if events is not None and when and not stopped:
        board = outcome_scoreboard(events, result, **when, random_state=random_state)
        later = segment_outcomes(events, result, **when, minimum=1)
    segments = _of_segments(result, structure, apart, repeated, later)
    return Trust(
        _real_in_words(structure, segments),
        _repeatable_in_words(segments),
        NOT_TESTED if board is None else _useful_in_words(board),
        segments,
        structure,
        repeated,
        board,
        result.hash,
    )


def _moment(result: Partition) -> str:
    as_of = result.provenance.get("as_of")
    if as_of is None:
        raise ValueError(
            "These segments do not know their as_of, so their next period is unknown. Make them from "
            "customer_features(…, as_of=…)."
        )
    return str(as_of)


def _renamed(segments: pd.DataFrame, names: Mapping[int, str]) -> pd.DataFrame:
    column = pd.Series([names.get(s, n) for s, n in segments["name"].items()], segments.index)
    return segments.assign(name=column.astype("str"))


def _real_in_words(test: StructureTest, segments: pd.DataFrame) -> str:
    """Put into words whether these segments are distinct groups."""
    if test.verdict == "too little":
        return TOO_FEW
    if test.verdict == "continuum":
        return f"no, one continuum (p = {test.p_value:.2g})"
    n, real = len(segments), int((segments["real"] == "real").sum())
    if n < 2:
        return f"yes (p = {test.p_value:.2g})"
    if not real:
        return f"no: there are groups (p = {test.p_value:.2g}), but these segments do not follow them"
    return f"{'yes' if real == n else f'{real} of {n}'} (p = {test.p_value:.2g})"


def _of_segments(
    result: Partition,
    structure: StructureTest,
    apart: pd.DataFrame,
    repeated: Stability | None,
    later: pd.DataFrame | None,
) -> pd.DataFrame:
    ids = pd.Index(result.segments, name="segment")
    table = pd.DataFrame(
        {
            "name": pd.Series([result.name_of(s) for s in ids], ids, dtype="str"),
            "share": [float((result.labels == s).mean()) for s in ids],
            "real": apart["verdict"].reindex(ids),
            "separation": apart["separation"].reindex(ids),
            "p_value": apart["p_value"].reindex(ids),
        },
        index=ids,
    )
    numbers = ["jaccard", "low", "high"]
    table[numbers] = np.nan if repeated is None else repeated.segments[numbers].reindex(ids)
    table["repeatable"] = [_repeats(j) for j in table["jaccard"]]
    table["useful"], table["next_period"] = _later_in_words(later, ids)
    verdicts = [_verdict(*pair) for pair in zip(table["real"], table["repeatable"], strict=True)]
    if len(ids) == 1:
        verdicts = [UNDIVIDED.get(structure.verdict, TOO_FEW)]
    table.insert(2, "verdict", verdicts)
    return table


def _verdict(real: str, repeatable: str) -> str:
    if real != "too little" and repeatable == NOT_TESTED:
        return f"{real}; repeatability not tested"
    return WORDS.get((real, repeatable), TOO_FEW)


def _repeats(jaccard: float) -> str:
    if np.isnan(jaccard):
        return NOT_TESTED
    return "repeatable" if jaccard >= REPEATABLE else "in part" if jaccard >= PARTLY else "not repeatable"


def _repeatable_in_words(segments: pd.DataFrame) -> str:
    if segments["jaccard"].isna().all():
        return NOT_TESTED
    n, stable = len(segments), int((segments["repeatable"] == "repeatable").sum())
    weakest = f"weakest {segments['jaccard'].min():.2f}"
    answer = "yes" if stable == n else f"{stable} of {n}" if stable else "no"
    return f"{answer} ({weakest})"


def _later_in_words(later: pd.DataFrame | None, ids: pd.Index) -> tuple[list[str], list[str]]:
    """Return whether each segment is useful, and the outcomes in which it differs from all others."""
    if later is None:
        return [NOT_TESTED] * len(ids), [""] * len(ids)
    rows = later[later.index.get_level_values("segment").isin(ids)]
    error = (rows["high"] - rows["low"]) / (2 * norm.ppf(0.975))
    known = rows[(error > 0) & rows["difference"].notna()]
    p = 2 * norm.sf((known["difference"] / error.loc[known.index]).abs())
    differs = set(known.index[false_discovery_control(p) <= FDR]) if len(known) else set()
    sentences = [
        "; ".join(_difference(o, known.loc[(o, segment)]) for o in OUTCOMES if (o, segment) in differs)
        for segment in ids
    ]
    return ["useful" if sentence else "no different" for sentence in sentences], sentences


def _difference(outcome: str, row: pd.Series) -> str:
    if outcome == "spend":
        return f"spend {row['mean']:,.3g} (others {row['others']:,.3g})"
    return f"{outcome} {row['mean']:.0%} (others {row['others']:.0%})"


def _useful_in_words(board: pd.DataFrame) -> str:
    verdicts = board["verdict"].xs("segments", level="segmentation")
    of = {word: [o for o in OUTCOMES if verdicts[o].startswith(word)] for word in ("more", "as much", "less")}
    parts = []
    if of["more"]:
        parts.append(f"yes, better than RFM quintiles at predicting {joined(of['more'])}")
    elif of["as much"]:
        parts.append(f"as good as RFM quintiles at predicting {joined(of['as much'])}")
    if of["less"]:
        parts.append(f"RFM quintiles predict {joined(of['less'])} better")
    return "; ".join(parts) or "no better than chance"


def _line(row: Any) -> str:
    verdict = row.verdict if np.isnan(row.jaccard) else f"{row.verdict} (Jaccard {row.jaccard:.2f})"
    return verdict + (f"; next: {row.next_period}" if row.next_period else "")


def _evidence(table: pd.DataFrame | None) -> str:
    """Return a table of evidence in HTML."""
    if table is None:
        return ""
    shown = table.round(3).reset_index()
    return html_table(list(shown.columns), shown.astype(object).where(shown.notna(), "").to_numpy())
