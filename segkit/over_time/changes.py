"""Say what changed most in the features of each customer, from one moment to another."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segkit.methods.partition import Partition, plain_preparer

TOLD = 3  # features of a customer
LEAST = 0.05  # spreads; less would read as 0.0


def what_changed(result: Partition, before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Return what changed most for each customer.

    Parameters
    ----------
    result : Segmentation
        Its preparer measures the changes.
    before, now : DataFrame
        The features of the same customers, row by row.

    Returns
    -------
    DataFrame
        On the index of `before`: `changed`, in words, and `feature_1`, `moved_1`, … `moved_3`, as in
        :func:`segkit.moves`.
    """
    features = list(result.customers.columns)
    before, now = before[features], now[features]
    distances, directed = _distances(result, before, now)
    largest = np.argsort(-np.abs(distances), axis=1, kind="stable")[:, :TOLD]
    rows = np.arange(len(before))
    said = np.full((len(before), TOLD), "", dtype=object)
    shown_features = {}
    for rank in range(TOLD):
        at = largest[:, rank] if rank < largest.shape[1] else np.zeros(len(before), dtype=int)
        moved = distances[rows, at] if rank < largest.shape[1] else np.zeros(len(before))
        shown = np.abs(moved) >= LEAST
        names = np.array(features, dtype=object)[at]
        shown_features[f"feature_{rank + 1}"] = pd.Series(names, before.index, dtype="str").where(shown)
        shown_features[f"moved_{rank + 1}"] = np.where(shown, moved, np.nan)
        for i in np.flatnonzero(shown):
            feature = names[i]
            said[i, rank] = (
                f"{feature} {_signed(moved[i])}"
                if directed[i, at[i]]
                else f"{feature} {_word(before[feature].iloc[i])} → {_word(now[feature].iloc[i])}"
            )
    words = pd.Series([", ".join(filter(None, row)) for row in said], before.index, dtype="str")
    return pd.DataFrame({"changed": words, **shown_features})


def _distances(result: Partition, before: pd.DataFrame, now: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each customer moved along each feature, in spreads, and whether that has a direction."""
    if not len(before):
        return np.zeros(before.shape), np.zeros(before.shape, dtype=bool)
    preparer = plain_preparer(result)
    steps = preparer.matrix(now) - preparer.matrix(before)
    position = {name: at for at, name in enumerate(before.columns)}
    squares, sums = np.zeros(before.shape), np.zeros(before.shape)
    for step, owners in zip(steps.T, preparer.owners_, strict=True):
        for owner in owners:
            squares[:, position[owner]] += step**2 / len(owners)
    for column, at in enumerate(preparer.positions_):
        sums[:, at] = steps[:, column]
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in before.dtypes]
    directed = np.array(numeric) & before.notna().to_numpy() & now.notna().to_numpy()
    return np.where(directed, sums, np.sqrt(squares)), directed


def _signed(moved: float) -> str:
    return f"{moved:+.1f}".replace("-", "−")


def _word(value: object) -> str:
    return "missing" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)
