"""Divide customers into segments by a method or model, or into value bands."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from segkit.analyse.check_features import absent_events, no_difference, warn_of_features, without_constants
from segkit.analyse.prepare import make_preparer
from segkit.collect.events import Events
from segkit.core.checks import checked_customers
from segkit.core.messages import counted
from segkit.core.order import by_id, positions_by_id
from segkit.create.auto import check_auto, choose_segments
from segkit.create.matching import continue_segments
from segkit.create.pins import remade
from segkit.create.recentre import recentred
from segkit.create.segmentation import Segmentation
from segkit.methods.assignment import OUTSIDE, preparer_and_clusterer
from segkit.methods.fitting import (
    check_scales,
    checked_model,
    fit_and_label,
    make_model,
    n_different,
    relabel_by_size,
    without_cache,
)
from segkit.methods.partition import VALUE_BANDS, checked_result
from segkit.methods.provenance import describe_fit
from segkit.methods.value_bands import bands_of, check_bands, value_feature
from segkit.trust.kind import describe_kind
from segkit.trust.outcome import later_spend
from segkit.trust.structure import remembered_test, structure_summary

RECENTRE = "recentre"


def segment(
    customers: pd.DataFrame,
    *,
    n_segments: int | str | None = None,
    method: str = "kmeans",
    model: BaseEstimator | None = None,
    previous: Segmentation | None = None,
    min_share: float | None = None,
    events: Events | None = None,
    horizon: str | timedelta | None = None,
    refit: str = "full",
    random_state: int = 0,
) -> Segmentation:
    """Divide customers into segments and determine their kind.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        One row a customer, such as from :func:`segkit.customer_features`.
    n_segments : int or "auto", optional
        Number of segments; needed unless `model` is passed, or the method is "hdbscan". "auto": the most segments that
        can be defended; where customers are one continuum, the number from 3 to 8 whose segments come back best on
        resampled customers.
        ``provenance["choice"]`` holds the reason, the defensible range and the alternative.
    method : str, default="kmeans"
        Clustering method; segment 0 is the largest. All but "mixed_mixture" and "parts" follow the default preparer.

        * "kmeans", "mini_batch_kmeans" (quicker), "bisecting_kmeans" (steadier for many segments): round groups.
        * "gaussian_mixture": stretched groups; "mixed_mixture": groups in words and numbers, with missing values, that
          overlap. Both give probabilities: :func:`segkit.membership`.
        * "parts": what most of a customer's behaviour is, whatever its volume, for many counts or amounts of one kind
          (:class:`segkit.BehaviourParts`). Customers with 0 in all are outside (−1). :func:`segkit.membership` gives
          the share of each part.
        * "ward" and "average": nested groups, and those nearest on average.
        * "robust_linkage" and "spectral": groups of any form (:class:`segkit.RobustLinkage`,
          :class:`segkit.SpectralGraph`).
        * "hdbscan": dense groups, as many as there are; all others are outside (−1).

        Of more than 20,000 customers (robust linkage: 30,000) those of the last three lines look at a sample, and its
        five nearest label each of the others: ``provenance["n_sampled"]``.
    model : scikit-learn clusterer or pipeline, optional
        Any clusterer instead, used as passed (a copy is fitted). Its labels are kept, and so are names that it gives
        (:func:`segkit.rules_segmenter`, :class:`segkit.RFMSegmenter`). Nothing is prepared before it:
        put :func:`segkit.make_preparer` first in a pipeline.
    previous : Segmentation, optional
        An earlier segmentation to continue: a segment that survives keeps its id and name, a new one gets a new id.
        ``provenance["transitions"]`` lists the transitions of segments; see :func:`segkit.match_segments`. On a
        continuum, "auto" continues value bands by the same feature and names. Segments that are pinned in it
        (:func:`segkit.pin_segments`) stay as they are, and the others are made again, by the same preparation of
        features and a method with a rule of its own; customers outside stay there. `n_segments` counts the pinned ones.
    min_share : float, optional
        Least share of the customers in a segment, in (0, 0.5]. By default "auto" uses 0.02, where any number of
        segments allows that.
    events : Events, optional
        The log, up to the horizon or later. Of a continuum, "auto" then takes the number of segments that say most
        about what customers spend within the `horizon` after the moment of their features.
    horizon : str or timedelta, optional
        How far `events` are looked ahead, such as ``"90 days"``.
    refit : {"full", "recentre"}, default="full"
        With `previous`. "recentre": keep its segments and only measure the features anew, so that where all customers
        moved alike, segments move with them; see :func:`segkit.refit_advice`. Leave n_segments and model out.
    random_state : int, default=0
        Seed of the built-in methods.

    Returns
    -------
    Segmentation

    Raises
    ------
    ValueError
        If there are fewer different customers than segments, a feature is neither number nor category, or numbers or
        dates as text, two customers
        share an id, the model cannot be fitted, a segment is smaller than `min_share`, or `previous` are value bands
        (except with "auto").

    Warns
    -----
    UserWarning
        If features are the same for all customers, and left out (unless `model` is passed); if some look like ids or
        e-mail addresses; if features count events that the log does not have; or if a mixture has fewer segments than
        asked for.

    Notes
    -----
    ``result.kind`` comes from :func:`segkit.structure_test` (on a sample, once for the same customers) and a quick
    stability check; ``provenance["structure"]`` and ``provenance["kind"]`` hold the figures.

    To learn what customers do next, start with few features: on average over moments of three public logs, five
    segments of recency, frequency and monetary alone explained as much as RFM quintiles, and those with tenure, cadence
    and basket as well explained less (``benchmarks/README.md``). Add a family where :func:`segkit.outcome_scoreboard`
    finds more.

    The fit runs on one thread with customers in the order of their ids, so the result depends neither on the order of
    rows nor on the number of threads.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 1, 30, 31, 29]}, index=list("abcdef"))
    >>> sg.segment(customers, n_segments=2).labels.to_list()
    [1, 1, 1, 0, 0, 0]
    """
    customers = checked_customers(customers)
    if refit not in ("full", RECENTRE):
        raise ValueError(f"refit={refit!r} is neither 'full' nor {RECENTRE!r}. Say one of these.")
    if refit == RECENTRE:
        if previous is None or any(x is not None for x in (n_segments, model, min_share, events, horizon)):
            raise ValueError(
                "refit='recentre' keeps the segments of a previous segmentation as they are. Say "
                "segment(customers, previous=result, refit='recentre'), and nothing else."
            )
        return _recentred(customers, previous)
    pinned = previous if previous is not None and _has_pins(previous) else None
    if model is None and pinned is None:
        customers = without_constants(customers)
    warn_of_features(customers)
    later = None
    if events is not None or horizon is not None:
        if n_segments != "auto" or events is None or horizon is None:
            raise ValueError(
                "events= and horizon= choose the number of segments together: n_segments='auto', events=events, "
                "horizon='90 days'. Give all three, or neither events nor horizon."
            )
        later = later_spend(events, customers, horizon)
    if pinned is not None:
        if model is not None or isinstance(n_segments, str):
            raise ValueError(
                "Pinned segments stay, and the others are divided into a number of segments: say n_segments=5 without "
                "model=, or unpin all: previous=sg.pin_segments(result, [])."
            )
        result = remade(pinned, customers, n_segments, method, random_state)
        result.provenance.update(_kind_of(result, by_id(result.customers)))
        _check_sizes(result, min_share)
        return result
    return _segmented(customers, n_segments, method, model, previous, min_share, random_state, later)


def _has_pins(previous: Segmentation) -> bool:
    checked_result(previous, "previous")
    return bool(previous.provenance.get("pinned"))


def _recentred(customers: pd.DataFrame, previous: Segmentation) -> Segmentation:
    """Return the segments of `previous`, where its customers are now."""
    checked_result(previous, "previous")
    order = positions_by_id(customers.index)
    ordered = customers.iloc[order]
    model, labels = recentred(previous, ordered)
    ordered = ordered[list(previous.customers.columns)]
    facts = previous.provenance
    provenance = describe_fit(
        ordered, labels, model, facts["method"], facts["n_segments"], facts["random_state"]
    )
    provenance |= {
        "refit": RECENTRE,
        "previous": previous.hash,
        "continues": [*facts.get("continues", []), previous.hash],
        "highest_id": max([facts.get("highest_id", 0), *previous.segments]),
    }
    provenance |= {name: facts[name] for name in ("edits", "pinned") if name in facts}
    given = labels.loc[customers.index]
    table = customers[list(ordered.columns)].copy()
    result = Segmentation(table, model, given, previous.ids, previous.names, provenance)
    if result.segments:
        provenance |= _kind_of(result, ordered)
    return result


def _segmented(
    customers: pd.DataFrame,
    n_segments: int | str | None = None,
    method: str = "kmeans",
    model: BaseEstimator | None = None,
    previous: Segmentation | None = None,
    min_share: float | None = None,
    random_state: int = 0,
    later: pd.Series | None = None,
) -> Segmentation:
    """Divide customers whose features were checked."""
    if previous is not None:
        checked_result(previous, "previous")
    if min_share is not None and not (_is_number(min_share) and 0 < min_share <= 0.5):
        raise ValueError(
            f"min_share={min_share!r} is not the share of a smallest segment. Say 0.05, for 5 % of the customers."
        )
    if isinstance(n_segments, str):
        check_auto(n_segments, model)
        return choose_segments(
            customers, _segmented, value_bands, method, previous, min_share, random_state, later
        )
    if previous is not None and previous.provenance.get("method") == VALUE_BANDS:
        raise ValueError(
            "The previous segmentation is of value bands, which are numbered by value, so segments cannot continue "
            "them. Leave previous= out, or divide by the same feature again: "
            f"value_bands(customers, by={previous.provenance.get('by')!r})."
        )
    ordered = by_id(customers)
    if model is not None:
        if n_segments is not None:
            raise ValueError(
                f"Both n_segments={n_segments} and a model were given, and a model is used exactly as passed. "
                "Set the number in the model, or leave the model out."
            )
        estimator = without_cache(clone(checked_model(model)))
        check_scales(estimator, ordered)
    else:
        estimator = make_model(method, n_segments, ordered, random_state)
        _check_distinct(ordered, n_segments)
    result = _fitted(estimator, customers, method if model is None else "model", n_segments, random_state)
    if model is None:
        _warn_of_fewer(result, n_segments)
    if model is None and not result.segments:
        warnings.warn(
            f"method={method!r} found no dense group: all {counted(len(customers), 'customer')} are outside (-1). Use "
            "another method, such as 'kmeans', or fewer features.",
            stacklevel=3,
        )
    _check_sizes(result, min_share)
    return result if previous is None else continue_segments(previous, result)


def untested_segments(
    customers: pd.DataFrame, n_segments: int, method: str, random_state: int
) -> Segmentation:
    """Divide customers as :func:`segment` does, without tests of their kind: to look at while a number is chosen."""
    customers = without_constants(checked_customers(customers))
    ordered = by_id(customers)
    estimator = make_model(method, n_segments, ordered, random_state)
    _check_distinct(ordered, n_segments)
    return _fitted(estimator, customers, method, n_segments, random_state, tested=False)


def value_bands(customers: pd.DataFrame, *, by: str | None = None, n_bands: int = 5) -> Segmentation:
    """Divide customers into tiers of value.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        As for :func:`segment`.
    by : str, optional
        The feature that measures a customer's value. Default: `monetary`, else the first in units of currency
        (``customers.attrs["segkit"]["units"]``).
    n_bands : int, default=5
        Number of tiers of equal size. Customers who share the lowest value, such as 0, are a tier of their own if they
        fill one; where many customers share another value there are fewer tiers.

    Returns
    -------
    Segmentation
        Segment 0 has the highest values; customers without a value are outside (−1).

    Raises
    ------
    ValueError
        If there is no such numeric feature, it is the same for all, no feature is a value and `by` is not given, or
        `n_bands` is no whole number of 2 or more.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"monetary": [5.0, 10, 20, 40, 80, 160]}, index=list("abcdef"))
    >>> bands = sg.value_bands(customers, n_bands=3)
    >>> bands.named_labels["f"]
    'Band 1: highest monetary'
    """
    customers = checked_customers(customers)
    check_bands(n_bands)
    value = value_feature(customers, by)
    preparer = make_preparer()
    with threadpool_limits(limits=1):
        preparer.fit(by_id(customers))
    estimator = make_pipeline(preparer, bands_of(preparer, customers, value, n_bands))
    result = _fitted(estimator, customers, VALUE_BANDS, n_bands, 0, by=value)
    last = len(result.segments) - 1
    ends = {0: f": highest {value}", last: f": lowest {value}"} if last > 0 else {}
    return result.with_names({s: f"Band {s + 1}{ends.get(s, '')}" for s in result.segments})


def _fitted(
    estimator: BaseEstimator,
    customers: pd.DataFrame,
    method: str,
    n_segments: int | None,
    random_state: int,
    *,
    tested: bool = True,
    **more: Any,
) -> Segmentation:
    """Fit in the order of ids, number the segments by size, and determine their kind."""
    order = positions_by_id(customers.index)
    ordered = customers.iloc[order]
    raw, prepared = fit_and_label(estimator, ordered)
    own = method in ("model", VALUE_BANDS)  # whose labels have a meaning, and are kept
    different, at = np.unique(raw, return_inverse=True)
    ids = {int(label): int(label) for label in different} if own else relabel_by_size(raw)
    renamed = np.array([ids[int(label)] for label in different], dtype="int64")
    labels = pd.Series(renamed[at], ordered.index, name="segment")
    provenance = describe_fit(ordered, labels, estimator, method, n_segments, random_state) | more
    place = np.argsort(order)  # back to the order of the rows
    given = pd.Series(labels.to_numpy()[place], customers.index, name="segment")
    result = Segmentation(customers.copy(), estimator, given, ids, provenance=provenance)
    result.keep(order, prepared[place])
    if tested:
        provenance |= _kind_of(result, ordered)
    named = getattr(preparer_and_clusterer(estimator)[1], "names_", {})
    return result.with_names({s: named[s] for s in result.segments if s in named})


def _kind_of(result: Segmentation, ordered: pd.DataFrame) -> dict[str, Any]:
    """Return the structure and the kind, for provenance."""
    test, points = remembered_test(ordered, result.model, len(result.segments))
    return {"structure": structure_summary(test), "kind": describe_kind(result, test, points)}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _check_sizes(result: Segmentation, min_share: float | None) -> None:
    shares = result.labels.value_counts(normalize=True).drop(OUTSIDE, errors="ignore")
    if min_share is not None and len(shares) and shares.min() < min_share:
        raise ValueError(
            f"The smallest of {len(shares)} segments holds {shares.min():.1%} of the customers, and min_share asks for "
            f"{min_share:.1%}. Choose fewer segments, or n_segments='auto', which keeps to it."
        )


def _warn_of_fewer(result: Segmentation, n_segments: int | None) -> None:
    """Warn where a mixture has components that are the most probable one of no customer."""
    found = len(result.segments)
    if n_segments is not None and found < n_segments:
        warnings.warn(
            f"Of {n_segments} segments only {counted(found, 'holds', 'hold')} customers, since the others overlap "
            "them. Choose fewer segments, or another method.",
            stacklevel=4,
        )


def _check_distinct(customers: pd.DataFrame, n_segments: int | None) -> None:
    different = n_different(customers, max(n_segments or 0, 2))
    if different < 2:
        raise ValueError(no_difference(customers))
    if n_segments is not None and different < n_segments:
        raise ValueError(
            f"n_segments={n_segments}, and of {counted(len(customers), 'customer')} only {different:,} differ in these "
            f"features. Choose at most {counted(different, 'segment')}, or features that vary."
            f"{absent_events(customers, list(customers.columns))}"
        )
