"""Measure whether what customers do next, given their features, is what it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from segkit.core.messages import did_you_mean, in_words
from segkit.methods.partition import Partition, plain_preparer
from segkit.over_time.periods import place
from segkit.over_time.places import points_of, positions, sums_by
from segkit.over_time.usual import Distances, distances, offsets_from

USUAL_OUTCOMES = ("monetary", "frequency")
LEARN = 20_000  # customers of the reference that the regression is learnt from, and of each period that are looked at
FEW = 30  # customers with an outcome in a period; of fewer, nothing is learnt
LEAST_CHANGE = 0.08  # spreads of the outcome; smaller changes are none
FAR = 4.0  # spreads; outcomes farther from the expected one count as that far


def outcome_column(result: Partition, tables: pd.DataFrame, outcome: str | None) -> str | None:
    """Return the column of the outcome, or None where there is none.

    Raises
    ------
    ValueError
        If there is no such column, or it is not of finite numbers.
    TypeError
        If it is no name.
    """
    if outcome is None:
        return next((name for name in USUAL_OUTCOMES if name in result.customers.columns), None)
    if not isinstance(outcome, str):
        raise TypeError(f"outcome is {in_words(outcome)}. It should name one column of tables.")
    if outcome not in tables.columns:
        raise ValueError(
            f"tables has no column {outcome!r}.{did_you_mean(outcome, map(str, tables.columns))} outcome= names a "
            "feature, whose value in the next table counts, or a column with what came after each moment."
        )
    if not pd.api.types.is_numeric_dtype(tables[outcome]):
        raise ValueError(
            f"The outcome {outcome!r} is not of numbers. Pass one that is, or 1 and 0 for yes and no."
        )
    if np.isinf(tables[outcome].to_numpy(dtype=float, na_value=np.nan)).any():
        raise ValueError(f"The outcome {outcome!r} holds infinity. Replace it by NaN where nothing is known.")
    return outcome


def outcomes_after(
    result: Partition, periods: Mapping[pd.Timestamp, pd.DataFrame], column: str
) -> list[pd.Series]:
    """Return what came after each period, for each of its customers: of a feature, the value in the next table."""
    tables = list(periods.values())
    if column not in result.customers.columns:
        return [table[column].astype(float) for table in tables]
    after = [later[column].astype(float).reindex(now.index) for now, later in pairwise(tables)]
    return [*after, pd.Series(np.nan, tables[-1].index)]


def outcome_distances(
    result: Partition,
    periods: Mapping[pd.Timestamp, pd.DataFrame],
    outcomes: list[pd.Series],
    reference: np.ndarray,
) -> Distances | None:
    """Return how far outcomes are from what features said in the reference; None where too few are known.

    Of each period: what a regression of the reference leaves unexplained, on average in each segment, and along each
    feature.
    """
    enough = np.array([int(after.notna().sum()) >= FEW for after in outcomes])
    learnt = reference & enough
    if learnt.sum() < min(reference.sum(), len(periods) - 1) or not (enough & ~reference).any():
        return None
    preparer, features = plain_preparer(result), list(result.customers.columns)
    segments = [*result.segments, -1]
    read = _reader(pd.concat([after for after, known in zip(outcomes, learnt, strict=True) if known]))

    def inputs(at: int, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        table, after = list(periods.values())[at], outcomes[at]
        rows = np.flatnonzero(after.notna())
        rows = rows[:: max(len(rows) // most, 1)]
        table = table.iloc[rows]
        groups = positions(place(result, table).to_numpy(), segments)
        return points_of(preparer, table[features]), groups, read(after.to_numpy()[rows])

    first = [inputs(t, max(LEARN // int(learnt.sum()), FEW)) for t in np.flatnonzero(learnt).tolist()]
    points, groups, target = (np.concatenate(parts) for parts in zip(*first, strict=True))
    expected = _regression(_design(points, groups, len(segments)), target)
    spread = float((target - expected(_design(points, groups, len(segments)))).std()) or 1.0
    center, width = points.mean(axis=0), np.where(points.std(axis=0) > 1e-9, points.std(axis=0), np.inf)
    left, sizes = np.full((len(periods), len(segments) + points.shape[1]), np.nan), np.zeros(len(periods))
    for t in np.flatnonzero(enough).tolist():
        points, groups, target = inputs(t, LEARN)
        rest = (target - expected(_design(points, groups, len(segments)))) / spread
        rest, n = np.clip(rest, -FAR, FAR), len(target)
        number = np.bincount(groups, minlength=len(segments))
        by_segment = sums_by(rest[:, None], groups, len(segments))[:, 0] / np.sqrt(np.maximum(number, 1) * n)
        left[t] = np.concatenate([by_segment, rest @ ((points - center) / width) / n])
        sizes[t] = n
    offsets = offsets_from(left, learnt)
    chance = np.sqrt(left.shape[1] / np.maximum(sizes, 1))
    return distances(offsets, np.linalg.norm(offsets, axis=1), chance, reference, LEAST_CHANGE)


def _reader(known: pd.Series) -> Callable[[np.ndarray], np.ndarray]:
    """Return how outcomes are read: amounts of 0 and more by their logarithm, others as they are."""
    amounts = (known >= 0).all() and known.nunique() > 2
    return (lambda values: np.log1p(np.maximum(values, 0))) if amounts else (lambda values: values)


def _design(points: np.ndarray, groups: np.ndarray, n: int) -> np.ndarray:
    return np.hstack([np.eye(n)[groups], points])


def _regression(inputs: np.ndarray, target: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from inputs to the expected outcome: a logistic regression of yes and no, else a linear one."""
    values = np.unique(target)
    with threadpool_limits(limits=1):
        if len(values) == 1:
            return lambda rows: np.full(len(rows), values[0])
        if len(values) == 2:
            logistic = LogisticRegression(max_iter=1000).fit(inputs, target == values[1])
            step = values[1] - values[0]
            return lambda rows: values[0] + step * logistic.predict_proba(rows)[:, 1]
        linear = Ridge().fit(inputs, target)
    return lambda rows: linear.predict(rows)
