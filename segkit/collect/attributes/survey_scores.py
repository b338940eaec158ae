"""Compute the scores of all survey scales of a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from segkit.collect.attributes.column_types import NO_NUMBER, TRUTH, Blank, Raw, blanked
from segkit.collect.attributes.scales import Scale, item_statistics, recode_reversed, scores, summary
from segkit.core.messages import listed

SCALE_COLUMNS = {"items": "int64", "n": "int64", "alpha": float, "low": float, "high": float, "says": "str"}
ITEM_COLUMNS = {
    "reversed": bool,
    "answered": "int64",
    "mean": float,
    "with_rest": float,
    "alpha_without": float,
}


@dataclass(frozen=True, eq=False)
class SurveyScores:
    """Scores of customers on survey scales, and the statistics of the scales.

    Attributes
    ----------
    scores : dict of str to Series
        One number per customer, by scale.
    meanings : dict of str to str
        Description of each scale with its consistency.
    scales, items : DataFrame
        As in `Attributes`.
    blanks : list of Blank
        Answers that were set aside.
    """

    scores: dict[str, pd.Series]
    meanings: dict[str, str]
    scales: pd.DataFrame
    items: pd.DataFrame
    blanks: list[Blank]


def survey_scores(scales: Mapping[str, Scale], raws: Mapping[str, Raw]) -> SurveyScores:
    """Compute each scale from the answers to its items, which are columns by name."""
    scored, rows, items, blanks = {}, {}, {}, []
    for name, scale in scales.items():
        answers = {}
        for item in scale.items:
            answers[item], notes = _answers(raws[item], scale)
            blanks += notes
        table = recode_reversed(pd.DataFrame(answers), scale)
        scored[name] = scores(table, scale)
        items[name] = item_statistics(table, scale)
        rows[name] = summary(table, items[name])
    meanings = {name: _meaning(scale, rows[name]) for name, scale in scales.items()}
    index = pd.Index(list(rows), name="scale", dtype="str")
    table = pd.DataFrame(list(rows.values()), index=index, columns=list(SCALE_COLUMNS)).astype(SCALE_COLUMNS)
    return SurveyScores(scored, meanings, table, _all_items(items), blanks)


def _all_items(items: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    if items:
        return pd.concat(items, names=["scale"]).astype(ITEM_COLUMNS)
    index = pd.MultiIndex.from_arrays([pd.Index([], dtype="str")] * 2, names=["scale", "item"])
    return pd.DataFrame(columns=list(ITEM_COLUMNS), index=index).astype(ITEM_COLUMNS)


def _meaning(scale: Scale, row: Mapping) -> str:
    recoded = f" ({', '.join(scale.reversed)} recoded)" if scale.reversed else ""
    alpha = "unknown" if pd.isna(row["alpha"]) else f"{row['alpha']:.2f}"
    return f"Mean of {listed(scale.items, 4)}{recoded}. Cronbach's alpha {alpha}: {row['says']}."


def _answers(raw: Raw, scale: Scale) -> tuple[pd.Series, list[Blank]]:
    """Return the answers to one question as numbers, without impossible ones."""
    if scale.answers:
        order = {word.strip(): float(i) for i, word in enumerate(scale.answers, 1)}
        words = raw.words.mask(raw.words.isin(set(NO_NUMBER) - set(order)))
        numbers = words.map(order).astype("float64")
        return numbers, blanked(raw.name, "not among the answers", words, words.notna() & numbers.isna())
    numbers = raw.numbers
    if raw.kind == "text" and numbers.notna().sum() == 0:
        numbers = raw.words.str.lower().map(TRUTH).astype("float64")
    unread = numbers.isna() & raw.words.notna() & ~raw.words.isin(NO_NUMBER)
    if unread.any() and unread.sum() == (raw.words.notna() & ~raw.words.isin(NO_NUMBER)).sum():
        raise ValueError(
            f"No answer to the item {raw.name!r} of {raw.source} is a number; it holds words such as "
            f"{min(raw.words[unread])!r}. List the possible answers, the lowest first: "
            "Scale(…, answers=['no', 'maybe', 'yes'])."
        )
    outside = numbers.notna() & ~numbers.between(scale.low, scale.high)
    blanks = blanked(raw.name, "not a number", raw.words, unread)
    blanks += blanked(raw.name, f"outside {scale.low:g} to {scale.high:g}", raw.words, outside)
    return numbers.mask(outside), blanks
