"""Making segments of customers: with a number, a model, or left open; or value bands where there is nothing to find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

from segkit.analyse.prepare import make_preparer
from segkit.core.checks import checked_customers
from segkit.create.matching import continue_segments
from segkit.create.segmentation import BANDS, Segmentation, checked_result
from segkit.methods.fitting import (
    OUTSIDE,
    fit_single_threaded,
    fitted_labels,
    make_clusterer,
    relabel_by_size,
)
from segkit.methods.provenance import describe_fit
from segkit.methods.value_bands import bands_of, check_bands, value_feature


def segment(
    customers: pd.DataFrame,
    *,
    n_segments: int | str | None = None,
    method: str = "kmeans",
    model: BaseEstimator | None = None,
    previous: Segmentation | None = None,
    min_share: float | None = None,
    random_state: int = 0,
) -> Segmentation:
    """Divide customers into segments, and say whether there was anything to divide.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        One row a customer, such as from :func:`segkit.customer_features`.
    n_segments : int or "auto", optional
        How many segments; needed unless `model` is passed. "auto": customers who are one continuum get
        value bands (:func:`segkit.value_bands`), others the most segments that can be defended, and
        ``provenance["choice"]`` says why, with the range that can be (:func:`segkit.trust.defensible_k`).
    method : {"kmeans", "gaussian_mixture", "ward"}, default="kmeans"
        How to look for them, after the default preparer. Segment 0 is the largest.
    model : scikit-learn clusterer or pipeline, optional
        Instead: any clusterer, used exactly as passed (a copy is fitted). Its labels are kept, and
        nothing is prepared before it: put :func:`segkit.make_preparer` first in a pipeline yourself.
    previous : Segmentation, optional
        An earlier segmentation that this one continues: a segment that is found again keeps its id and
        its name, and a new one gets an id that was never used. Value bands that "auto" makes again are of the same
        feature, under the same names. What became of each is in
        ``provenance["transitions"]``; see :func:`segkit.match_segments`.
    min_share : float, optional
        Least share of the customers that a segment may hold, in (0, 0.5]. If not said, "auto" keeps to 0.02 where
        any number of segments does.
    random_state : int, default=0
        Seed of what is random in the built-in methods.

    Returns
    -------
    Segmentation

    Raises
    ------
    ValueError
        If there are fewer different customers than segments, a feature is not a number or category,
        two customers share an id, the model cannot be fitted, a segment is smaller than `min_share`, or
        `previous` are value bands (which "auto" does not continue, and says so).

    Notes
    -----
    :func:`segkit.structure_test` is asked each time (of a sample, prepared as for the segments; once for the same
    customers), and its answer is kept in ``provenance["structure"]``. Where it finds one continuum, the parts are
    called bands and not segments.

    Customers are put into the order of their ids and the fit runs on one thread, so that the answer
    depends neither on the order of rows nor on the number of threads.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 1, 30, 31, 29]}, index=list("abcdef"))
    >>> sg.segment(customers, n_segments=2).labels.to_list()
    [1, 1, 1, 0, 0, 0]
    """
    customers = checked_customers(customers)
    if previous is not None:
        checked_result(previous, "previous")
    if min_share is not None and not (_is_number(min_share) and 0 < min_share <= 0.5):
        raise ValueError(
            f"min_share={min_share!r} is not the share of a smallest segment. Say 0.05, for 5 % of the customers."
        )
    if isinstance(n_segments, str):
        return _chosen_for(customers, n_segments, method, model, previous, min_share, random_state)
    if previous is not None and previous.provenance.get("method") == BANDS:
        raise ValueError(
            "The previous segmentation is of value bands, which are numbered by value, so segments cannot continue "
            "them. Leave previous= out, or make bands of the same feature again: "
            f"value_bands(customers, by={previous.provenance.get('by')!r})."
        )
    ordered = customers.sort_index()
    if model is not None:
        if n_segments is not None:
            raise ValueError(
                f"Both n_segments={n_segments} and a model were given, and a model is used exactly as passed. "
                "Set the number in the model, or leave the model out."
            )
        estimator = clone(model)
    else:
        clusterer = make_clusterer(method, n_segments, len(customers), random_state)
        estimator = make_pipeline(make_preparer(), clusterer)
        _check_distinct(estimator, ordered, n_segments)
    result = _fitted(estimator, customers, method if model is None else "model", n_segments, random_state)
    _check_sizes(result, min_share)
    return result if previous is None else continue_segments(previous, result)


def value_bands(customers: pd.DataFrame, *, by: str | None = None, n_bands: int = 5) -> Segmentation:
    """Divide customers into tiers of value: for a continuum, which has no segments to be found.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        As for :func:`segment`.
    by : str, optional
        The feature that says what a customer is worth; if not said, `monetary`, else the first in units of
        currency, else the number that goes most with all others. The last may be another feature in another sample of
        the same shop; ``provenance["by"]`` says which was taken, so to keep it say ``by=earlier.provenance["by"]``.
    n_bands : int, default=5
        How many tiers of equal size. Who shares the lowest value, such as 0, is a tier of its own where these would
        fill one; where many customers share another value there are fewer tiers.

    Returns
    -------
    Segmentation
        Band 0 has the highest values; who has none is outside (−1).

    Raises
    ------
    ValueError
        If there is no such numeric feature, it is the same for all, or `n_bands` is no whole number of 2 or more.

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
        preparer.fit(customers.sort_index())
    estimator = make_pipeline(preparer, bands_of(preparer, customers, value, n_bands))
    result = _fitted(estimator, customers, BANDS, n_bands, 0)
    result.provenance["by"] = value
    last = len(result.segments) - 1
    ends = {0: f": highest {value}", last: f": lowest {value}"} if last > 0 else {}
    return result.with_names({s: f"Band {s + 1}{ends.get(s, '')}" for s in result.segments})


def _fitted(
    estimator: BaseEstimator, customers: pd.DataFrame, method: str, n_segments: int | None, random_state: int
) -> Segmentation:
    """Fit in the order of ids, number the segments by size, and ask whether there was anything to find."""
    ordered = customers.sort_index()
    fit_single_threaded(estimator, ordered)
    raw = fitted_labels(estimator, ordered)
    own = method in ("model", BANDS)  # their labels mean something, and are kept
    ids = {int(label): int(label) for label in np.unique(raw)} if own else relabel_by_size(raw)
    labels = pd.Series([ids[int(label)] for label in raw], index=ordered.index, name="segment", dtype="int64")
    provenance = describe_fit(ordered, labels, estimator, method, n_segments, random_state)
    provenance["structure"] = _structure(ordered, estimator, len(set(ids.values()) - {OUTSIDE}))
    return Segmentation(customers.copy(), estimator, labels.loc[customers.index], ids, provenance=provenance)


def _structure(customers: pd.DataFrame, model: BaseEstimator, n_segments: int) -> dict[str, Any]:
    """Ask the structure test, in words that provenance can hold."""
    from segkit.create.choice import structure_summary

    return structure_summary(customers, model, n_segments)


def _chosen_for(
    customers: pd.DataFrame,
    n_segments: str,
    method: str,
    model: BaseEstimator | None,
    previous: Segmentation | None,
    min_share: float | None,
    random_state: int,
) -> Segmentation:
    if n_segments != "auto":
        raise ValueError(f"n_segments={n_segments!r} is neither a number nor 'auto'. Say n_segments=5.")
    if model is not None:
        raise ValueError(
            "n_segments='auto' and a model were given, and a model is used exactly as passed. Leave one out."
        )
    from segkit.create.choice import choose_segments

    return choose_segments(
        customers,
        method=method,
        previous=previous,
        min_share=min_share,
        random_state=random_state,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _check_sizes(result: Segmentation, min_share: float | None) -> None:
    shares = result.labels.value_counts(normalize=True).drop(OUTSIDE, errors="ignore")
    if min_share is not None and len(shares) and shares.min() < min_share:
        raise ValueError(
            f"The smallest of {len(shares)} segments holds {shares.min():.1%} of the customers, and min_share asks for "
            f"{min_share:.1%}. Ask for fewer segments, or n_segments='auto', which keeps to it."
        )


def _check_distinct(estimator: Pipeline, customers: pd.DataFrame, n_segments: int | None) -> None:
    different = len(np.unique(clone(estimator[0]).fit_transform(customers), axis=0))
    if n_segments is not None and different < n_segments:
        raise ValueError(
            f"{n_segments} segments were asked for, and there are {len(customers):,} customers of whom only "
            f"{different:,} differ in these features. Ask for at most {different}, or choose features that vary."
        )
