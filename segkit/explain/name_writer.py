"""Let a writer, such as a language model, name segments from a summary, and check its answers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from segkit.analyse.features.catalogue import FAMILIES
from segkit.analyse.words import MISSING
from segkit.core.checks import check_visible
from segkit.core.messages import counted, listed
from segkit.create.segmentation import Segmentation
from segkit.explain.differences import is_share
from segkit.explain.name_words import NUMBER_WORDS, SUPERLATIVES
from segkit.explain.profile import profiled
from segkit.explain.traits import spoken

Told = tuple[str, str, list[str]]
Writer = Callable[[dict[str, Any]], Any]

LEAST = 10  # customers in any figure of a summary
TOLD = 12  # features in a summary
NAME, SENTENCE = 50, 300  # letters at most
_NUMBER = re.compile(r"(?<![\w.,])[-−]?\d[\d,]*(?:\.\d+)?\s?%?")


def written_names(
    result: Segmentation, told: Mapping[int, Told], writer: Writer
) -> tuple[dict[int, Told], dict[int, str]]:
    """Return the names and sentences of a writer where they are right, the built-in ones elsewhere, and why.

    Raises
    ------
    TypeError
        If the writer cannot be called.
    """
    if not callable(writer):
        raise TypeError(
            f"writer={writer!r} cannot be called. It should be a function from a summary to a name and a sentence."
        )
    rows = profiled(result) if result.labels.nunique() > 1 else None
    known = result.customers.notna().groupby(result.labels).sum()
    accepted, refused = dict(told), {}
    for segment in result.segments:
        summary = _summary(result, rows, segment, told[segment], known)
        if summary is None:
            refused[segment] = f"fewer than {LEAST} customers are in it, or outside it, so nothing was asked"
            continue
        others = {name for s, (name, _, _) in accepted.items() if s != segment}
        others |= {name for s, name in result.names.items() if s != segment}
        try:
            name, sentence = _checked(writer(summary), summary, others)
        except Refused as reason:
            refused[segment] = str(reason)
            continue
        accepted[segment] = (name, sentence, told[segment][2])
    if refused:
        reasons = listed((f"{result.name_of(s)}: {reason}" for s, reason in refused.items()), 5)
        warnings.warn(
            f"The writer's answer is not used for {counted(len(refused), 'segment')} ({reasons}). The built-in names "
            "stay there.",
            stacklevel=3,
        )
    return accepted, refused


class Refused(ValueError):
    """Why an answer is not used."""


def _summary(
    result: Segmentation, rows: pd.DataFrame | None, segment: int, told: Told, known: pd.DataFrame
) -> dict[str, Any] | None:
    """Return what a writer may know of a segment: no figure of fewer than 10 customers; None where that leaves none."""
    size, everyone = int((result.labels == segment).sum()), len(result.labels)
    if rows is None or min(size, everyone - size) < LEAST:
        return None
    meanings = {feature.name: feature.doc for feature in FAMILIES}
    features = []
    for row in rows[rows["segment_id"] == segment].itertuples(index=False):
        ours = int(known.loc[segment, row.column])
        rest = int(known[row.column].sum()) - ours
        share = is_share(row.unit)
        if row.level == MISSING or min(ours, rest) < LEAST or pd.isna(row.effect) or pd.isna(row.others):
            continue
        counts = [n for p, n in ((row.inside, ours), (row.others, rest)) for n in (p * n, (1 - p) * n)]
        if share and any(0 < round(n, 6) < LEAST for n in counts):
            continue
        here, others = _rounded(row.inside), _rounded(row.others)
        features.append(
            {
                "feature": row.feature,
                "meaning": meanings.get(row.column, ""),
                "unit": row.unit,
                "here": here,
                "others": others,
                "times": _rounded(here / others) if here > 0 and others > 0 else None,
                "effect": round(row.effect, 2),
            }
        )
    return {
        "customers": size,
        "share": round(size / everyone, 3),
        "features": features[:TOLD],
        "name": told[0],
        "sentence": told[1],
    }


def _rounded(value: float) -> float:
    """Return a figure of three digits: a median may be one customer's own value."""
    return float(f"{value:.3g}")


def _checked(answer: Any, summary: Mapping[str, Any], others: set[str]) -> tuple[str, str]:
    """Return the name and the sentence of an answer.

    Raises
    ------
    Refused
    """
    if isinstance(answer, Mapping):
        answer = (answer.get("name"), answer.get("sentence"))
    if not (
        isinstance(answer, (tuple, list)) and len(answer) == 2 and all(isinstance(t, str) for t in answer)
    ):
        raise Refused("it is not a name and a sentence")
    name, sentence = (text.strip() for text in answer)
    for what, text, most in (("name", name, NAME), ("sentence", sentence, SENTENCE)):
        if not text or len(text) > most:
            raise Refused(f"its {what} has {len(text):,} letters, and should have 1 to {most}")
        try:
            check_visible(text.replace("\n", "\0").replace("\t", "\0"))
        except ValueError as error:
            raise Refused(f"its {what} holds a line break or an invisible character") from error
        if re.search(r"[<>`]|&\w+;", text):
            raise Refused(f"its {what} holds HTML or code")
        leading = sorted(SUPERLATIVES & set(re.findall(r"[a-z]+", text.casefold())))
        if leading:
            raise Refused(f"its {what} says {leading[0]!r}, which the summary does not")
        for number in _numbers(text):
            if not _is_told(number, summary):
                raise Refused(f"its {what} says {number.strip()}, which the summary does not")
    if name in others:
        raise Refused(f"another segment is called {name!r}")
    return name, sentence


def _numbers(text: str) -> list[str]:
    words = re.findall(r"[a-z]+", text.casefold())
    return [*_NUMBER.findall(text), *(word for word in words if word in NUMBER_WORDS)]


def _is_told(number: str, summary: Mapping[str, Any]) -> bool:
    """Return whether a number is one of the summary's, rounded as it is written."""
    figures = [summary["customers"], summary["share"]]
    figures += [
        row[key] for row in summary["features"] for key in ("here", "others", "times") if row[key] is not None
    ]
    shares = {f for row in summary["features"] if is_share(row["unit"]) for f in (row["here"], row["others"])}
    shares |= {
        f for row in summary["features"] if row["unit"] == "share" for f in (row["here"], row["others"])
    }
    shares.add(summary["share"])
    if number in NUMBER_WORDS:
        value, step = NUMBER_WORDS[number], 0.1 * NUMBER_WORDS[number]
        return any(abs(figure - value) <= step for figure in (*figures, *shares))
    digits = number.strip().replace(",", "").replace("−", "-")
    percent = digits.endswith("%")
    plain = digits.rstrip("% ")
    decimals = len(plain.partition(".")[2])
    zeros = 0 if decimals or not plain.strip("-0") else len(plain) - len(plain.rstrip("0"))
    step = 0.5 * 10.0 ** (zeros - decimals) * (1 + 1e-9)
    step = min(step, 0.05 * abs(float(plain)) + 0.5 * 10.0**-decimals)  # 1,000 is not said of 1,400
    return any(
        abs(abs(figure) * (100 if percent else 1) - abs(float(plain))) <= step
        for figure in (shares if percent else figures)
    ) or any(plain == spoken(figure).replace(",", "") for figure in figures)
