"""Pin segments, so that they stay as they are when the others are made again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from segkit.core.messages import counted, listed
from segkit.core.order import positions_by_id
from segkit.create.edit import divided, editable_of, named_segments, unused_id, with_clusterer
from segkit.create.matching import continued_ids, names_apart, shared_mass, transitions
from segkit.create.segmentation import Segmentation
from segkit.methods.assignment import OUTSIDE
from segkit.methods.edited import Split
from segkit.methods.partition import Partition, checked_result
from segkit.methods.provenance import describe_fit


def pin_segments(result: Segmentation, segments: Sequence[int | str]) -> Segmentation:
    """Pin segments: they stay as they are when ``segment(customers, previous=result)`` makes the others again.

    Parameters
    ----------
    result : Segmentation
    segments : list of int or str
        By id or name: these are pinned, and no others. An empty list unpins all.

    Returns
    -------
    Segmentation
        The same segments, with their trust; ``provenance["pinned"]`` lists the ids of those that are pinned.

    Raises
    ------
    TypeError
        If `segments` is no list.
    ValueError
        If there is no such segment.

    Notes
    -----
    Of the same customers, each pinned segment keeps its members. At another moment its members are those whom the
    frozen model puts into it, as :meth:`Segmentation.assign` does.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 1, 50, 51, 50, 90, 91]}, index=list("abcdefgh"))
    >>> result = sg.segment(customers, n_segments=2).with_names({1: "Rare"})
    >>> result.named_labels.to_list()[2:4]
    ['Rare', 'Segment 0']
    >>> again = sg.segment(customers, n_segments=3, previous=sg.pin_segments(result, ["Rare"]))
    >>> again.named_labels.to_list()[2:]
    ['Rare', 'Segment 0', 'Segment 0', 'Segment 0', 'Segment 2', 'Segment 2']
    """
    checked_result(result)
    pinned = sorted(named_segments(result, segments))
    facts = result.provenance
    made = {"edit": "pin_segments", "segments": pinned}
    provenance = facts | {"pinned": pinned, "edits": [*facts.get("edits", []), made]}
    other = dataclasses.replace(result, provenance=provenance)
    other.keep_of(result)
    return other


def remade(
    previous: Segmentation, customers: pd.DataFrame, n_segments: int | None, method: str, random_state: int
) -> Segmentation:
    """Return the segments of customers: those that are pinned as they were, and all others made again.

    Parameters
    ----------
    previous : Segmentation
        With pinned segments.
    customers : DataFrame
        With its features.
    n_segments : int
        Number of segments, the pinned ones included.
    method, random_state
        As for :func:`segkit.split_segment`.

    Raises
    ------
    ValueError
        If the number is not larger than that of pinned segments, or the others cannot be divided.
    """
    pinned = previous.provenance["pinned"]
    if n_segments is None or n_segments <= len(pinned):
        names = listed([previous.name_of(s) for s in pinned], 3)
        raise ValueError(
            f"n_segments={n_segments}, and {counted(len(pinned), 'segment is', 'segments are')} pinned ({names}). The "
            f"number counts them, so say {len(pinned) + 1} or more, or unpin all: pin_segments(result, [])."
        )
    free = [s for s in previous.segments if s not in pinned]
    if not free:
        raise ValueError(
            "All segments are pinned, so there are no others to make again. Unpin some: "
            f"pin_segments(result, {pinned[:-1]})."
        )
    table = previous.checked_features(customers).copy()
    before = _placed(previous, table)
    inside = before.isin(free).to_numpy()
    clusterer = editable_of(previous)
    order = positions_by_id(table.index)
    rows = clusterer.fitted.scaled(previous.prepare(table).to_numpy())
    chosen = order[inside[order]]
    step, parts = divided(
        table.iloc[chosen],
        rows[chosen],
        n_segments - len(pinned),
        method,
        random_state,
        segments=free,
        first=unused_id(previous),
    )
    labels = before.copy()
    labels.iloc[chosen] = parts
    return _continued(previous, table, labels, step, n_segments, random_state)


def _placed(previous: Segmentation, customers: pd.DataFrame) -> pd.Series:
    """Return the segments that customers are in before the others are made again."""
    labels = previous.labels
    same = len(customers) == len(labels) and customers.index.isin(labels.index).all()
    # Prepared ones are compared, since whole numbers may have become floats in a file.
    if same and np.array_equal(
        previous.prepared.loc[customers.index], previous.prepare(customers), equal_nan=True
    ):
        return labels.loc[customers.index]
    return previous.assign(customers)


def _continued(
    previous: Segmentation,
    customers: pd.DataFrame,
    labels: pd.Series,
    step: Split,
    n_segments: int,
    random_state: int,
) -> Segmentation:
    """Return the segmentation, in which a part that continues a segment has its id and name."""
    facts, pinned = previous.provenance, previous.provenance["pinned"]
    clusterer = editable_of(previous)

    def model_of(last: Split) -> BaseEstimator:
        return with_clusterer(previous.model, clusterer.with_steps([*clusterer.steps, last]))

    same = {s: s for s in sorted({*previous.ids.values(), *previous.segments, *step.ids.values(), OUTSIDE})}
    mass = shared_mass(previous, Partition(customers, model_of(step), labels, same))
    mass = mass.drop(index=pinned).drop(columns=pinned, errors="ignore")
    table = transitions(mass)
    used = unused_id(previous) - 1
    ids = continued_ids(table, mass, used)
    step = Split(step.inside, step.clusterer, {label: ids[s] for label, s in step.ids.items()})
    labels = labels.replace(ids).astype("int64").rename("segment")
    table["current"] = table["current"].map(ids).astype("Int64")
    order, model = positions_by_id(customers.index), model_of(step)
    made = {"edit": "segment", "n_segments": n_segments, "pinned": pinned}
    provenance = describe_fit(
        customers.iloc[order], labels.iloc[order], model, "model", n_segments, random_state
    ) | {
        "edits": [*facts.get("edits", []), made],
        "pinned": [s for s in pinned if s in set(labels)],
        "highest_id": max(used, *ids.values()),
        "previous": previous.hash,
        "continues": [*facts.get("continues", []), previous.hash],
        "transitions": [
            {k: None if pd.isna(v) else v for k, v in row.items()} for row in table.to_dict("records")
        ],
    }
    names = {s: n for s, n in previous.names.items() if s in set(labels)}
    known = {s: s for s in sorted({*same, *ids.values()})}
    result = Segmentation(customers, model, labels, known, names, provenance)
    return dataclasses.replace(result, names=names | names_apart(result))
