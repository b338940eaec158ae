"""Choose the number of segments: as many as can be defended, or those of a continuum that come back best."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator

from segkit.analyse.check_features import no_difference
from segkit.core.messages import joined
from segkit.core.order import by_id
from segkit.create.segmentation import Segmentation
from segkit.methods.assignment import OUTSIDE
from segkit.methods.fitting import check_method, n_different
from segkit.methods.partition import VALUE_BANDS
from segkit.methods.value_bands import found_value
from segkit.trust.scan import defensible_k, scan_clusters
from segkit.trust.structure import StructureTest, remembered_test

DEFAULT_SHARE = 0.02  # least share of the smallest segment
MOST = 10  # segments that are tried; more are seldom useful
OF_CONTINUUM = (3, 8)  # fewest and most segments of a continuum
REFITS = 10  # resamples of a continuum: a quick check for each number of segments
FEW = 4  # fewest customers for each segment of a scan
USUAL_BANDS = 5


def check_auto(n_segments: str, model: BaseEstimator | None) -> None:
    """Check that a word in place of a number is "auto", and that no model is given with it.

    Raises
    ------
    ValueError
    """
    if n_segments != "auto":
        raise ValueError(f"n_segments={n_segments!r} is neither a number nor 'auto'. Say n_segments=5.")
    if model is not None:
        raise ValueError(
            "n_segments='auto' and a model were given, and a model is used exactly as passed. Leave one out."
        )


def choose_segments(
    customers: pd.DataFrame,
    divide: Callable[..., Segmentation],
    divide_by_value: Callable[..., Segmentation],
    method: str,
    previous: Segmentation | None,
    min_share: float | None,
    random_state: int,
    later: pd.Series | None = None,
) -> Segmentation:
    """Make as many segments as can be defended; of a continuum, the number whose segments come back best.

    Parameters
    ----------
    customers : DataFrame
    divide : callable
        Makes a given number of segments, with the arguments of :func:`segkit.segment`.
    divide_by_value : callable
        :func:`segkit.value_bands`.
    method, previous, min_share, random_state
        As in :func:`segkit.segment`.
    later : Series of shape (n_customers,), optional
        What customers spent later: of a continuum, the number whose segments explain most of it is taken.

    Returns
    -------
    Segmentation
        With its reason under ``provenance["choice"]``.

    Raises
    ------
    ValueError
        If the customers do not differ, or no number of segments leaves `min_share` in the smallest one.
    """
    check_method(method, "auto")
    most = min(MOST, max(customers.shape[1], 2)) if method == "parts" else MOST  # no more parts than features
    top = min(n_different(customers, most), max(len(customers) // FEW, 2))
    if top < 2:
        raise ValueError(no_difference(customers))
    test, _ = remembered_test(by_id(customers))
    bands = previous if previous is not None and previous.provenance.get("method") == VALUE_BANDS else None
    continuum = test.verdict == "continuum"
    if bands is not None and continuum and bands.provenance.get("by") in customers:
        return _continued_bands(customers, divide_by_value, bands, min_share)
    options: dict[str, Any] = {
        "method": method,
        "previous": None if bands else previous,
        "random_state": random_state,
    }
    least = DEFAULT_SHARE if min_share is None else min_share
    choose = functools.partial(_best_of_continuum, later=later) if continuum else _most_defensible
    result, defensible, why = choose(customers, divide, test, top, least, options)
    if min_share is not None and _smallest(result) < min_share:
        raise ValueError(
            f"No number of segments up to {top} leaves {min_share:.0%} of the customers in the smallest one. "
            f"Lower min_share{_equal_tiers(customers)}."
        )
    if bands is not None:
        why += " The previous value bands are not continued, since " + (
            f"these customers have no {bands.provenance.get('by')!r}."
            if continuum
            else "they were no segments."
        )
    return _with_choice(result, defensible, why)


def _most_defensible(
    customers: pd.DataFrame,
    divide: Callable[..., Segmentation],
    test: StructureTest,
    top: int,
    least: float,
    options: dict[str, Any],
) -> tuple[Segmentation, list[int], str]:
    """Make the most segments that can be defended; return them with the defensible numbers and the reason."""
    seeds = {"method": options["method"], "random_state": options["random_state"]}
    scan = scan_clusters(customers, k=range(2, top + 1), **seeds)
    defensible = defensible_k(scan, smallest=least)
    others = scan.drop(index=defensible).sort_values("stability", ascending=False, kind="stable").index
    result = _first_large(
        customers, divide, [*sorted(defensible, reverse=True), *others], least, options
    ) or divide(customers, n_segments=defensible[-1], **options)
    defensible = sorted({*defensible, len(result.segments)})
    why = _why(scan, result.provenance["n_segments"], defensible, least, test)
    return result, defensible, why + _stopped(scan, top)


def _best_of_continuum(
    customers: pd.DataFrame,
    divide: Callable[..., Segmentation],
    test: StructureTest,
    top: int,
    least: float,
    options: dict[str, Any],
    later: pd.Series | None,
) -> tuple[Segmentation, list[int], str]:
    """Divide a continuum into the number of segments that come back best, or say most about what comes later."""
    fewest, most = min(OF_CONTINUUM[0], top), min(OF_CONTINUUM[1], top)
    seeds = {"method": options["method"], "random_state": options["random_state"]}
    scan = scan_clusters(customers, k=range(2, most + 1), resamples=REFITS, outcome=later, **seeds)
    measure = "jaccard" if later is None or scan["outcome"].isna().all() else "outcome"
    ranked = scan[measure].sort_values(ascending=False, kind="stable").index
    best = [k for k in ranked if k >= fewest]
    # Two segments say little, so they are made only where no other number leaves enough customers in each.
    result = _first_large(customers, divide, [*best, 2], least, options) or divide(
        customers, n_segments=int(scan["smallest"].idxmax()), **options
    )
    asked, value = result.provenance["n_segments"], found_value(customers)
    small = "" if asked == best[0] else ", of those that leave enough customers in each"
    other = (
        "Another number may serve as well."
        if value is None
        else f"The alternative is tiers of {value}: value_bands(customers, by={value!r})."
    )
    reached = scan.loc[asked, measure]
    reasons = {
        "jaccard": (
            f"come back best on resampled customers{small} (mean Jaccard similarity of {reached:.2f}; 1 is the same)"
        ),
        "outcome": f"say most about what customers spend later{small} (they explain {reached:.1%} of its variance)",
    }
    said = f"Of {fewest} to {most} segments, {asked} {reasons[measure]}."
    return result, [], f"{test.sentence} {said} {other}{_stopped(scan, most)}"


def _first_large(
    customers: pd.DataFrame,
    divide: Callable[..., Segmentation],
    numbers: Iterable[int],
    least: float,
    options: dict[str, Any],
) -> Segmentation | None:
    """Return the first number of segments of which none is too small.

    A scan may use a sample, so the smallest segment of all customers may be smaller than there.
    """
    for n_segments in numbers:
        result = divide(customers, n_segments=int(n_segments), **options)
        if _smallest(result) >= least:
            return result
    return None


def _continued_bands(
    customers: pd.DataFrame,
    divide_by_value: Callable[..., Segmentation],
    previous: Segmentation,
    min_share: float | None,
) -> Segmentation:
    """Divide a continuum into value bands again, by the feature and under the names of previous ones."""
    by = previous.provenance["by"]
    n_bands = previous.provenance.get("n_segments") or USUAL_BANDS
    if min_share is not None:
        n_bands = max(2, min(n_bands, int(1 / min_share + 1e-9)))
    result = divide_by_value(customers, by=by, n_bands=n_bands)
    if result.segments == previous.segments:
        result = result.with_names(previous.names)
    if min_share is not None and _smallest(result) < min_share - 1 / len(customers):
        raise ValueError(
            f"Of {len(result.segments)} value bands by {by!r} the smallest holds {_smallest(result):.0%} of the "
            f"customers, where min_share asks for {min_share:.0%}: many customers share a value. Lower min_share, or "
            "choose another feature: value_bands(customers, by=…)."
        )
    sentence = result.provenance["structure"]["sentence"]
    return _with_choice(result, [], f"{sentence} So the previous value bands by {by} are continued.")


def _smallest(result: Segmentation) -> float:
    """Return the share of the customers in the smallest segment; 0 where there is no segment."""
    shares = result.labels.value_counts(normalize=True).drop(OUTSIDE, errors="ignore")
    return float(shares.min()) if len(shares) else 0.0


def _equal_tiers(customers: pd.DataFrame) -> str:
    value = found_value(customers)
    return (
        "" if value is None else f", or divide into tiers of equal size: value_bands(customers, by={value!r})"
    )


def _stopped(scan: pd.DataFrame, top: int) -> str:
    return f" The scan was stopped before {top} segments." if scan.index[-1] < top else ""


def _why(scan: pd.DataFrame, k: int, defensible: list[int], min_share: float, test: StructureTest) -> str:
    row = scan.loc[k]
    others = [str(n) for n in defensible if n != k]
    also = (
        f" {joined(others)} can be defended as well: choose by what the segments are for."
        if others
        else " No other number comes back as well."
    )
    too_little = " There is too little data to tell whether they are distinct groups."
    unsure = too_little if test.verdict == "too little" else ""
    evidence = (
        f"refitted on resampled customers they agree by {row['stability']:.2f} (adjusted Rand index; 1 is the same), "
        f"the weakest segment keeps {row['prediction_strength']:.0%} of its pairs from one half of the customers to "
        f"the other, and the smallest holds {row['smallest']:.0%} of the customers"
    )
    if row["smallest"] < min_share:
        evidence += f", less than the {min_share:.0%} of min_share"
    tried = f"Of {scan.index[0]} to {scan.index[-1]} segments"
    return f"{tried}, {k} are the most that come back: {evidence}.{also}{unsure}"


def _with_choice(result: Segmentation, defensible: list[int], why: str) -> Segmentation:
    choice = {"chosen": len(result.segments), "defensible": defensible, "why": why}
    return dataclasses.replace(result, provenance=result.provenance | {"choice": choice})
