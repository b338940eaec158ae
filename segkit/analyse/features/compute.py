"""Compute features of customers, at one moment or at several."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import pandas as pd

from segkit.analyse.features.feature import Feature, distinct_features
from segkit.analyse.features.id_hashes import run_checked
from segkit.analyse.features.query import absent_kinds, feature_query, lacking, snapshot_query
from segkit.collect.events import Events, checked_events
from segkit.core.engine.connection import locked_engine
from segkit.core.engine.dialects import dialect_of
from segkit.core.messages import counted, joined, listed
from segkit.core.moments import read_moment, read_moments, read_window

FAR = pd.Timedelta(days=366)  # from the events; a moment this far is probably a slip


@locked_engine
def customer_features(
    events: Events,
    features: Iterable[Feature],
    *,
    as_of: str | pd.Timestamp | None = None,
    window: str | timedelta | None = None,
    unavailable: str = "error",
) -> pd.DataFrame:
    """Compute features of each customer as of one moment.

    Parameters
    ----------
    events : Events
        What customers did.
    features : iterable of Feature
        What to compute, such as ``RFM + CADENCE``. A feature that is named twice is computed once.
    as_of : str or Timestamp
        The moment as of which features are computed; needed. In UTC unless it has a zone. Only earlier events count.
    window : str or timedelta, optional
        How far back to look, such as ``"365 days"``: events with as_of − window ≤ timestamp < as_of.
        `orders_change`, `spend_change` and `spend_slope` need a window of more than 182 days, `novelty` one of
        more than 90 days.
    unavailable : {"error", "skip"}, default="error"
        What to do about features that the events cannot give. "error": refuse those that need a column that is not
        there; those whose events never occur are 0 or missing. "skip": leave both out and warn; see
        :func:`segkit.available_features`.

    Returns
    -------
    DataFrame of shape (n_customers, n_features)
        Indexed by `customer_id` (text, sorted): each customer with any event in the window.
        Numbers are float64, words are categories; what is undefined is missing, never 0.
        ``.attrs["segkit"]`` holds units, as-of and sources, under `absent` the features whose events never occur, and
        under `skipped` those that were left out.

    Raises
    ------
    ValueError
        If the events lack a column that a feature needs, the expression of a custom feature is not an aggregate of
        its table, two features share a name, or no event lies before `as_of`.

    Warns
    -----
    UserWarning
        If `as_of` lies more than a year after the last event, or features are skipped.

    Notes
    -----
    All features compile into one query. Sums of money and items are exact to the millionth, so that
    results do not depend on the order of rows or the number of threads. To compute features of millions of events
    several times, store the log first: ``events = events.cache()``.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> orders = pd.DataFrame({"customer_id": ["ada", "ada"], "timestamp": ["2024-01-01", "2024-01-11"],
    ...                        "amount": [30.0, 50.0]})
    >>> events = sg.read_events(orders, kind="purchase")
    >>> sg.customer_features(events, sg.RFM, as_of="2024-01-15")
                 recency  frequency  monetary  tenure
    customer_id
    ada              4.0        2.0      80.0    14.0
    """
    checked_events(events)
    chosen, skipped = _computable(events, features, unavailable)
    moment, span = read_moment(as_of), read_window(window)
    build_query = functools.partial(feature_query, events, chosen, as_of=moment, window=span)
    frame = run_checked(build_query, dialect_of(events.table), int(events.kinds().sum()))
    frame = _consenting(events, frame, [moment])
    if frame.empty:
        raise ValueError(_no_events(events, moment, span))
    _warn_of_distance(events, [moment])
    return _described(frame.set_index("customer_id"), chosen, events, moment.isoformat(), span, skipped)


@locked_engine
def snapshots(
    events: Events,
    features: Iterable[Feature],
    *,
    dates: Iterable[str | pd.Timestamp] | None = None,
    window: str | timedelta | None = None,
    unavailable: str = "error",
) -> pd.DataFrame:
    """Compute features of each customer as of several moments.

    At each moment only earlier events count.

    Parameters
    ----------
    events, features, window, unavailable
        As in :func:`customer_features`.
    dates : iterable of str or Timestamp
        The moments; needed, such as ``pd.date_range("2024-01-01", periods=12, freq="MS")``; in UTC unless they
        have a zone.

    Returns
    -------
    DataFrame of shape (n_rows, n_features)
        Indexed by `as_of` (timestamp) and `customer_id`, sorted: at each moment the customers with any
        event before it. ``snapshots(…).loc["2024-03-01"]`` equals ``customer_features(…, as_of="2024-03-01")``.

    Raises
    ------
    ValueError
        As in :func:`customer_features`, or if there is no date or the same date twice.

    Notes
    -----
    One query computes all moments. Memory and time grow with their number.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> orders = pd.DataFrame({"customer_id": ["ada", "ada"], "timestamp": ["2024-01-01", "2024-01-11"],
    ...                        "amount": [30.0, 50.0]})
    >>> events = sg.read_events(orders, kind="purchase")
    >>> sg.snapshots(events, sg.RFM, dates=["2024-01-10", "2024-01-15"])[["recency", "monetary"]]
                            recency  monetary
    as_of      customer_id
    2024-01-10 ada              9.0      30.0
    2024-01-15 ada              4.0      80.0
    """
    checked_events(events)
    chosen, skipped = _computable(events, features, unavailable)
    moments, span = read_moments(dates), read_window(window)
    build_query = functools.partial(snapshot_query, events, chosen, dates=moments, window=span)
    frame = run_checked(build_query, dialect_of(events.table), int(events.kinds().sum()) * len(moments))
    frame = _consenting(events, frame, moments)
    if frame.empty:
        raise ValueError(_no_events(events, moments[-1], span))
    _warn_of_distance(events, moments)
    frame["snapshot"] = pd.DatetimeIndex(moments)[frame["snapshot"].to_numpy()]
    frame = frame.rename(columns={"snapshot": "as_of"}).set_index(["as_of", "customer_id"])
    return _described(frame, chosen, events, [moment.isoformat() for moment in moments], span, skipped)


def _computable(
    events: Events, features: Iterable[Feature], unavailable: str
) -> tuple[tuple[Feature, ...], dict[str, str]]:
    """Return the features to compute, and what those lack that are skipped.

    Raises
    ------
    ValueError
        If `unavailable` is not known, or all features would be skipped.
    """
    chosen = distinct_features(features)
    if events.consent is not None:
        events.consent.check_purposes((feature.name, feature.purpose) for feature in chosen)
    if unavailable not in ("error", "skip"):
        raise ValueError(f"unavailable={unavailable!r} is neither 'error' nor 'skip'. Choose one of these.")
    if unavailable == "error":
        return chosen, {}
    skipped = {name: what for name, what in lacking(events, chosen).items() if what}
    kept = tuple(feature for feature in chosen if feature.name not in skipped)
    if not kept:
        raise ValueError(
            f"None of these features can be computed: the log lacks {listed(dict.fromkeys(skipped.values()), 10)}. "
            "Choose others: available_features(events)."
        )
    if skipped:
        by_lack: dict[str, list[str]] = {}
        for name, what in skipped.items():
            by_lack.setdefault(what, []).append(name)
        shown = [f"{joined(names)} (needs {what})" for what, names in by_lack.items()]
        warnings.warn(
            f"The log lacks what {counted(len(skipped), 'feature needs', 'features need')}, so they are skipped: "
            f"{listed(shown, 10)}.",
            stacklevel=4,
        )
    return kept, skipped


def _consenting(events: Events, frame: pd.DataFrame, moments: list[pd.Timestamp]) -> pd.DataFrame:
    """Return the rows of customers who still consent at their moment; the log holds those who consent at present."""
    if events.consent is None:
        return frame
    ids, kept = pd.Index(frame["customer_id"]), np.ones(len(frame), dtype=bool)
    snapshot = frame["snapshot"].to_numpy() if "snapshot" in frame else np.zeros(len(frame), dtype=int)
    for i, moment in enumerate(moments):
        if moment > events.consent.as_of:
            kept &= (snapshot != i) | events.consent.having(ids, moment)
    return frame if kept.all() else frame[kept].reset_index(drop=True)


def _described(
    frame: pd.DataFrame,
    chosen: tuple[Feature, ...],
    events: Events,
    as_of: str | list[str],
    window: pd.Timedelta | None,
    skipped: dict[str, str],
) -> pd.DataFrame:
    """Return the frame sorted, with words as categories and with units and meanings in its ``attrs``."""
    frame = frame.sort_index()
    if frame.index.nlevels == 1:
        frame.index = frame.index.astype("str")
    for feature in chosen:
        if not pd.api.types.is_numeric_dtype(frame[feature.name]):
            frame[feature.name] = frame[feature.name].astype("category")
    frame.attrs["segkit"] = {
        "as_of": as_of,
        "window": None if window is None else str(window),
        "sources": list(events.sources),
        "refused": events.refused_reasons(),
        "units": {f.name: f.unit for f in chosen},
        "meanings": {f.name: f.doc for f in chosen},
        "bases": {f.name: f.basis for f in chosen},
        "settings": {f.name: {n: str(v) for n, v in f.settings} for f in chosen if f.settings},
    }
    absent = absent_kinds(events, chosen)
    if absent:
        frame.attrs["segkit"]["absent"] = absent
    if skipped:
        frame.attrs["segkit"]["skipped"] = skipped
    return frame


def _warn_of_distance(events: Events, moments: list[pd.Timestamp]) -> None:
    """Warn of a moment more than a year after the last event, or before the first."""
    far = [moment for moment in moments if moment > events.last + FAR or moment < events.first - FAR]
    if far:
        warnings.warn(
            f"as_of={far[0]:%Y-%m-%d} is more than a year {'after' if far[0] > events.last else 'before'} the events, "
            f"which run from {events.first:%Y-%m-%d} to {events.last:%Y-%m-%d}. Recency and tenure count up to as_of. "
            "Choose a moment near the events, unless you mean this one.",
            stacklevel=4,
        )


def _no_events(events: Events, as_of: pd.Timestamp, window: pd.Timedelta | None) -> str:
    if pd.isna(events.last):
        return "There are no events. Check the filter that was applied to them."
    period = f"before {as_of}" if window is None else f"in the {window} before {as_of}"
    return (
        f"No event lies {period}; the events run from {events.first} to {events.last}. "
        f"Choose a later moment, such as as_of='{(events.last + pd.Timedelta(days=1)):%Y-%m-%d}'."
    )
