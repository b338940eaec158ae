"""List the customers who moved to another segment, each with the reason and what changed most."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segkit.create.segmentation import Segmentation
from segkit.methods.partition import plain_preparer
from segkit.over_time.steps import BEHAVIOUR, BOTH, MODEL, steps_between

TOLD = 3  # features of a customer
LEAST = 0.05  # spreads; less would read as 0.0


def moves(previous: Segmentation, current: Segmentation) -> pd.DataFrame:
    """List the customers who are in another segment than before, with the reason and what changed most.

    Parameters
    ----------
    previous, current : Segmentation
        An earlier and a later one, from the same features.

    Returns
    -------
    DataFrame
        Indexed by `customer_id` (text, sorted), a row for each customer of both who moved; who came or is gone has
        nothing to compare, and is counted by :func:`segkit.migration`.

        * `from_id`, `from`, `to_id`, `to`: as in :func:`segkit.migration`.
        * `why`: "behaviour", "model" or "both".
        * `changed`: what changed most, such as "recency +2.1, frequency −0.8".
        * `feature_1`, `moved_1`, … `moved_3`: the same in columns, the largest first, in spreads: 1 is a standard
          deviation of the prepared feature in the old model, times its weight there. Words, and values that appeared
          or went, have no direction: `moved` is their distance, and `changed` says from what to what. Changes of less
          than 0.05 are left out; of whom the model alone moved, often all.

    Raises
    ------
    TypeError, ValueError
        As in :func:`segkit.migration`.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> may = pd.DataFrame({"orders": [1, 2, 1, 2, 30, 31, 29, 30]}, index=list("abcdefgh"))
    >>> june = pd.DataFrame({"orders": [1, 2, 31, 2, 30, 31, 29, 2]}, index=list("abcdefgi"))
    >>> before = sg.segment(may, n_segments=2).with_names({0: "Regular", 1: "Rare"})
    >>> sg.moves(before, sg.segment(june, n_segments=2, previous=before))[["from", "to", "why", "changed"]]
                 from       to        why      changed
    customer_id
    c            Rare  Regular  behaviour  orders +1.9
    """
    steps = steps_between(previous, current)
    who = steps.customers[steps.customers["why"].isin([BEHAVIOUR, MODEL, BOTH])]
    table = pd.DataFrame(
        {
            "from_id": who["before"],
            "from": who["before"].map(steps.names_before).astype("str"),
            "to_id": who["now"],
            "to": who["now"].map(steps.names_now).astype("str"),
            "why": who["why"].astype("str"),
        }
    )
    features = list(previous.customers.columns)
    before = previous.customers.iloc[who["at_before"].to_numpy()]
    now = current.customers[features].iloc[who["at_now"].to_numpy()]
    distances, directed = _distances(previous, before, now)
    largest = np.argsort(-np.abs(distances), axis=1, kind="stable")[:, :TOLD]
    rows = np.arange(len(who))
    said = np.full((len(who), TOLD), "", dtype=object)
    for rank in range(TOLD):
        at = largest[:, rank] if rank < largest.shape[1] else np.zeros(len(who), dtype=int)
        moved = distances[rows, at] if rank < largest.shape[1] else np.zeros(len(who))
        told = np.abs(moved) >= LEAST
        names = np.array(features, dtype=object)[at]
        table[f"feature_{rank + 1}"] = pd.Series(names, who.index, dtype="str").where(told)
        table[f"moved_{rank + 1}"] = np.where(told, moved, np.nan)
        for i in np.flatnonzero(told):
            feature = names[i]
            said[i, rank] = (
                f"{feature} {_signed(moved[i])}"
                if directed[i, at[i]]
                else f"{feature} {_word(before[feature].iloc[i])} → {_word(now[feature].iloc[i])}"
            )
    table.insert(
        5, "changed", pd.Series([", ".join(filter(None, row)) for row in said], who.index, dtype="str")
    )
    table.attrs["segkit"] = {"badge": current.badge}
    return table


def _distances(
    previous: Segmentation, before: pd.DataFrame, now: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each customer moved along each feature, in spreads, and whether that has a direction."""
    if not len(before):
        return np.zeros(before.shape), np.zeros(before.shape, dtype=bool)
    preparer = plain_preparer(previous)
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
