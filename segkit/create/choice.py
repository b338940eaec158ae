"""How many segments, where a person leaves it open: value bands, or as many as can be defended."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from segkit.analyse.prepare import make_preparer
from segkit.core.checks import checked_customers
from segkit.create.segment import segment, value_bands
from segkit.create.segmentation import BANDS, Segmentation
from segkit.methods.fitting import make_clusterer
from segkit.methods.provenance import hash_of
from segkit.trust.assess import real_in_words
from segkit.trust.scan import defensible_k, scan_clusters
from segkit.trust.structure import REFERENCES, prepared_test, test_settings

BANDS_USUAL = 5
FOUND = "Groups? Yes (p = {p:.2g}). Real?"  # there are groups; whether these segments are they is another question
ENDED = " The previous value bands are not continued: they were no segments."
DEFAULT_SHARE = 0.02  # of the customers in the smallest segment, where nothing else is said
MOST = 10  # segments that "auto" tries; more are seldom of use to anyone
REMEMBERED = 16  # tables of customers whose answer is kept
FEW = 4  # customers a segment, at the least, for a scan to say anything

_told: dict[str, dict[str, Any]] = {}


def structure_summary(
    customers: pd.DataFrame, model: BaseEstimator | None = None, n_segments: int = 0
) -> dict[str, Any]:
    """Ask the structure test, in words and numbers that JSON can hold; of the same customers, once.

    Parameters
    ----------
    customers : DataFrame
        In the order of ids.
    model : estimator, optional
        What they were divided by, whose preparer is used where it is segkit's.
    n_segments : int, default=0
        Into how many parts; as many groups are asked for, and 10 at the least.

    Returns
    -------
    dict
        `verdict`, `p_value`, `effect`, `sentence`, and a `line` of few words.
    """
    preparer, most = test_settings(model, n_segments)
    same = hash_of(customers, pd.Series(np.zeros(len(customers)), customers.index))
    key = f"{same} {most} {preparer.get_params()}"
    if key not in _told:
        test = prepared_test(customers, preparer, most)
        if test.facts.get("references", REFERENCES) < REFERENCES:
            raise KeyboardInterrupt  # an answer cut short is no answer to remember
        while len(_told) >= REMEMBERED:
            _told.pop(next(iter(_told)))
        real = real_in_words(test)
        _told[key] = {
            "verdict": test.verdict,
            "p_value": None if np.isnan(test.p_value) else float(test.p_value),
            "effect": None if np.isnan(test.effect) else float(test.effect),
            "sentence": test.sentence,
            "line": FOUND.format(p=test.p_value)
            if test.verdict == "structure"
            else f"Real? {real[0].upper()}{real[1:]}.",
        }
    return dict(_told[key])


def choose_segments(
    customers: pd.DataFrame,
    *,
    method: str = "kmeans",
    previous: Segmentation | None = None,
    min_share: float | None = None,
    random_state: int = 0,
    progress: bool = True,
) -> Segmentation:
    """Make as many segments as can be defended, or value bands of a continuum: ``segment(…, n_segments="auto")``.

    Parameters
    ----------
    customers, method, previous, min_share, random_state
        As in :func:`segkit.segment`.
    progress : bool, default=True

    Returns
    -------
    Segmentation
        With ``provenance["choice"]``: `chosen`, `defensible` (the range), and `why` in words.

    Raises
    ------
    ValueError
        If there is no such method, the customers do not differ, or no number of segments or bands keeps to a
        `min_share` that was said.
    """
    customers = checked_customers(customers)
    make_clusterer(method, 2, 2, random_state)  # refuses an unknown method whatever the customers are
    told = structure_summary(customers.sort_index())
    valued = any(customers[c].nunique() > 1 for c in customers.select_dtypes("number").columns)
    if told["verdict"] == "continuum" and valued:
        return _bands(customers, previous, min_share)
    apart = "" if previous is None or previous.provenance.get("method") != BANDS else ENDED
    previous = None if apart else previous
    different = len(np.unique(make_preparer().fit_transform(customers), axis=0))
    top = min(MOST, different, max(len(customers) // FEW, 2))
    if top < 2:
        raise ValueError(
            f"The {len(customers):,} customers do not differ in these features, so there is nothing to segment. "
            "Choose features that vary."
        )
    scan = scan_clusters(
        customers, k=range(2, top + 1), method=method, random_state=random_state, progress=progress
    )
    least = DEFAULT_SHARE if min_share is None else min_share
    defensible = defensible_k(scan, smallest=least)
    others = scan.drop(index=defensible).sort_values("stability", ascending=False, kind="stable").index
    result = None
    for chosen in [*sorted(defensible, reverse=True), *(int(k) for k in others)]:
        # The scan looked at a part of them, so that the smallest of everyone's segments may be smaller.
        made = segment(
            customers, n_segments=chosen, method=method, previous=previous, random_state=random_state
        )
        if made.labels.value_counts(normalize=True).min() >= least:
            result = made
            break
    if result is None and min_share is not None:
        raise ValueError(
            f"No number of segments from 2 to {top} leaves {min_share:.0%} of the customers in the smallest one. "
            "Ask for a lower min_share, or for tiers of equal size: value_bands(customers)."
        )
    if result is None:
        result = segment(
            customers, n_segments=defensible[-1], method=method, previous=previous, random_state=random_state
        )
    defensible = sorted({*defensible, len(result.segments)})
    why = _why(scan, len(result.segments), defensible, least, told)
    stopped = f" It was stopped before {top} was tried." if scan.index[-1] < top else ""
    return _with_choice(result, defensible, why + stopped + apart)


def _bands(customers: pd.DataFrame, previous: Segmentation | None, min_share: float | None) -> Segmentation:
    wanted = BANDS_USUAL if min_share is None else min(BANDS_USUAL, int(1 / min_share + 1e-9))
    before = None if previous is None or previous.provenance.get("method") != BANDS else previous
    by = None if before is None else before.provenance.get("by")
    result = value_bands(customers, by=by if by in customers else None, n_bands=wanted)
    if before is not None and by == result.provenance["by"] and result.segments == before.segments:
        result = result.with_names(before.names)
    smallest = result.labels.value_counts(normalize=True).min()
    if min_share is not None and smallest < min_share - 1 / len(customers):
        raise ValueError(
            f"These customers are one continuum, and of {len(result.segments)} bands of value the smallest holds "
            f"{smallest:.0%} of them, where min_share asks for {min_share:.0%}: many customers share a value. Ask for "
            "a lower min_share, or for bands of another feature: value_bands(customers, by=…)."
        )
    if previous is not None and before is None:
        why = " They do not continue the previous segments: bands are numbered by value."
    else:
        why = ""
    found = result.provenance["structure"]["sentence"]
    said = (
        f"No segments were found: {found} So the customers were put into {len(result.segments)} bands of value, from "
        f"the highest to the lowest. Any number of bands serves as well.{why}"
    )
    return _with_choice(result, [], said)


def _why(scan: pd.DataFrame, k: int, defensible: list[int], min_share: float, told: dict[str, Any]) -> str:
    row = scan.loc[k]
    others = [str(n) for n in defensible if n != k]
    also = (
        f" {', '.join(others)} can be defended as well. What they are for decides among these."
        if others
        else " No other number holds as well."
    )
    unsure = " There is too little to say whether they are real." if told["verdict"] == "too little" else ""
    held = (
        f"made again on resampled customers they agree by {row['stability']:.2f} (adjusted Rand index), from half to "
        f"half their worst segment keeps {row['prediction_strength']:.0%} of its pairs, and the smallest holds "
        f"{row['smallest']:.0%} of the customers"
    )
    if row["smallest"] < min_share:
        held += f", which is less than the {min_share:.0%} that was asked for"
    return (
        f"Of {scan.index[0]} to {scan.index[-1]} segments, {k} are the most that hold: {held}.{also}{unsure}"
    )


def _with_choice(result: Segmentation, defensible: list[int], why: str) -> Segmentation:
    choice = {"chosen": len(result.segments), "defensible": defensible, "why": why}
    return dataclasses.replace(result, provenance=result.provenance | {"choice": choice})
