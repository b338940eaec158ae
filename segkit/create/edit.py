"""Edit segments by hand: merge, split, make and pin them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from segkit.core.messages import counted
from segkit.core.order import by_id
from segkit.create.segmentation import Segmentation
from segkit.methods.assignment import OUTSIDE, preparer_and_clusterer
from segkit.methods.edited import EditedClusterer, Merge, Step, edited
from segkit.methods.partition import checked_result
from segkit.methods.provenance import hash_of
from segkit.trust.kind import UNCLEAR

EDITED = "Edited by hand, so earlier tests no longer hold: sg.assess(result) tests these segments."


def merge_segments(
    result: Segmentation, segments: Sequence[int | str], name: str | None = None
) -> Segmentation:
    """Merge segments into one.

    New customers are in it whom the model would put into any of them. All other segments keep their id, their name and
    their members. Trust is forgotten, since the tests were of other segments; the map is kept.

    Parameters
    ----------
    result : Segmentation
    segments : list of int or str
        Two or more, by id or name.
    name : str, optional
        Of the new segment. By default the names of its parts, if they have any: "Regulars + Newcomers".

    Returns
    -------
    Segmentation
        The new segment has an id that was never used. ``provenance["edits"]`` lists all edits.

    Raises
    ------
    TypeError
        If `segments` is no list.
    ValueError
        If there are fewer than two, no such segment, or nothing would be left beside the new one.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 30, 31, 90, 91, 92]}, index=list("abcdefg"))
    >>> result = sg.segment(customers, n_segments=3)
    >>> result.labels.to_list()
    [1, 1, 2, 2, 0, 0, 0]
    >>> merged = sg.merge_segments(result, [1, 2], name="Rare visitors")
    >>> merged.named_labels.to_list()[2:5]
    ['Rare visitors', 'Rare visitors', 'Segment 0']
    """
    checked_result(result)
    ids = _ids(result, segments)
    if len(ids) < 2:
        raise ValueError(
            f"segments names {counted(len(ids), 'segment')}, and merging takes two or more: [0, 2], or their names."
        )
    if len(ids) == len(result.segments) and OUTSIDE not in set(result.labels):
        raise ValueError(
            f"These are all {len(ids)} segments, so that everyone would be in one. Leave one of them out."
        )
    into = _unused(result)
    if name is None and any(s in result.names for s in ids):
        name = " + ".join(result.name_of(s) for s in ids)
    labels = result.labels.where(~result.labels.isin(ids), into)
    made = {"edit": "merge_segments", "segments": ids, "into": into, "name": name}
    return _edited(result, Merge(ids, into), labels, {into: name} if name is not None else {}, made)


def _ids(result: Segmentation, segments: Any) -> list[int]:
    """Return the ids of segments that are named by id or name, each once."""
    if isinstance(segments, str) or not isinstance(
        segments, (Sequence, set, np.ndarray, pd.Index, pd.Series)
    ):
        raise TypeError(f"segments={segments!r} is no list. Name segments by id or name: [0, 2].")
    ids = [result.segment_id(s) for s in segments]
    if OUTSIDE in ids:
        raise ValueError(
            "Customers outside (-1) are no segment. Make one of them first: "
            "make_segment(result, result.labels == -1, 'Outsiders')."
        )
    return list(dict.fromkeys(ids))


def _unused(result: Segmentation) -> int:
    """Return an id that no segment has, or had before an edit or a refit."""
    _, clusterer = preparer_and_clusterer(result.model)
    named = getattr(clusterer, "names_", {})
    used = [result.provenance.get("highest_id", 0), *result.segments, *result.ids.values(), *named, -1]
    return max(used) + 1


def _edited(
    result: Segmentation, step: Step, labels: pd.Series, names: dict[int, str], made: dict[str, Any]
) -> Segmentation:
    """Return the segmentation after one more edit, whose new segments have these names."""
    facts = result.provenance
    before, after = set(result.segments), labels.astype("int64").rename("segment")
    there = set(after.unique().tolist()) - {OUTSIDE}
    gone = {"choice", "transitions", "refit", "previous", "by"}  # said of how these segments were found
    provenance = {k: v for k, v in facts.items() if k not in gone} | {
        "method": "model",
        "n_segments": len(there),
        "edits": [*facts.get("edits", []), made],
        "edited_from": facts.get("edited_from", result.hash),
        "pinned": [s for s in facts.get("pinned", []) if s in there],
        "highest_id": max([facts.get("highest_id", 0), *before, *there]),
        "kind": {"kind": UNCLEAR, "sentence": EDITED, "stability": None},
        "hash": hash_of(by_id(result.customers), by_id(after)),
    }
    model = _model(result, step)
    provenance["model"] = " ".join(repr(model).split())
    bare = dataclasses.replace(
        result,
        model=model,
        labels=after,
        ids={s: s for s in sorted({*result.ids.values(), *there, OUTSIDE})},
        names={s: n for s, n in result.names.items() if s in there},
        provenance=provenance,
        assessment=None,
    )
    bare.keep(result.order, result.prepared.to_numpy())
    return bare.with_names(names)


def _model(result: Segmentation, step: Step) -> BaseEstimator:
    """Return the model with one more edit."""
    _, clusterer = preparer_and_clusterer(result.model)
    same = all(label == segment for label, segment in result.ids.items())
    if not (isinstance(clusterer, EditedClusterer) and same):
        order = result.order
        rows, segments = result.prepared.to_numpy()[order], result.labels.to_numpy()[order]
        clusterer = edited(clusterer, result.ids, rows, segments)
    clusterer = clusterer.with_steps([*clusterer.steps, step])
    if isinstance(result.model, Pipeline):
        return Pipeline([*result.model.steps[:-1], ("edited", clusterer)])
    return clusterer
