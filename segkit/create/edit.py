"""Edit segments by hand: merge them, split one, make one of chosen customers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from segkit.core.checks import check_count, check_seed, check_type
from segkit.core.chosen import chosen_rows
from segkit.core.messages import counted, in_words
from segkit.core.order import arranged, by_id
from segkit.create.segmentation import Segmentation
from segkit.methods.assignment import OUTSIDE, preparer_and_clusterer
from segkit.methods.edited import EditedClusterer, Made, Merge, Split, editable
from segkit.methods.edited_rows import translated
from segkit.methods.fitting import labels_of, make_clusterer, relabel_by_size
from segkit.methods.partition import checked_result
from segkit.methods.provenance import hash_of
from segkit.trust.kind import UNCLEAR

SPLITTING = ("kmeans", "mini_batch_kmeans", "bisecting_kmeans", "gaussian_mixture")  # with rules of their own
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
    [2, 2, 1, 1, 0, 0, 0]
    >>> merged = sg.merge_segments(result, [1, 2], name="Rare visitors")
    >>> merged.named_labels.to_list()[2:5]
    ['Rare visitors', 'Rare visitors', 'Segment 0']
    """
    checked_result(result)
    ids = named_segments(result, segments)
    if len(ids) < 2:
        raise ValueError(
            f"segments names {counted(len(ids), 'segment')}, and merging takes two or more: [0, 2], or their names."
        )
    if len(ids) == len(result.segments) and OUTSIDE not in result.labels.unique():
        raise ValueError(
            f"These are all {len(ids)} segments, so that everyone would be in one. Leave one of them out."
        )
    into = unused_id(result)
    if name is None and any(s in result.names for s in ids):
        name = " + ".join(result.name_of(s) for s in ids)
    labels = result.labels.where(~result.labels.isin(ids), into)
    made = {"edit": "merge_segments", "segments": ids, "into": into, "name": name}
    clusterer = editable_of(result)
    clusterer = clusterer.with_steps([*clusterer.steps, Merge(ids, into)])
    return _edited(result, clusterer, labels, {} if name is None else {into: name}, made)


def split_segment(
    result: Segmentation,
    segment: int | str,
    n_segments: int = 2,
    *,
    method: str = "kmeans",
    names: Sequence[str] | None = None,
    random_state: int = 0,
) -> Segmentation:
    """Split a segment into parts, by a model of its members.

    New customers are placed by the whole model first; those who belong to the split segment then by the model of its
    members. All other segments keep their id, their name and their members. Trust is forgotten, since the tests were of
    other segments; the map is kept.

    Parameters
    ----------
    result : Segmentation
    segment : int or str
        By id or name.
    n_segments : int, default=2
        Number of parts.
    method : {"kmeans", "mini_batch_kmeans", "bisecting_kmeans", "gaussian_mixture"}, default="kmeans"
        As for :func:`segkit.segment`, on the features as they are prepared already (by :func:`segkit.make_preparer`,
        where the model prepares none).
    names : list of str, optional
        Of the parts, the largest first. By default those of a segment "Regulars" are called "Regulars 1", "Regulars 2".
    random_state : int, default=0
        Seed of the method.

    Returns
    -------
    Segmentation
        The parts have ids that were never used. ``provenance["edits"]`` lists all edits.

    Raises
    ------
    ValueError
        If there is no such segment, its customers differ too little for so many parts, the method cannot place new
        customers, or there are not as many names as parts.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 1, 50, 51, 50, 90, 91]}, index=list("abcdefgh"))
    >>> result = sg.segment(customers, n_segments=2)
    >>> result.labels.to_list()
    [1, 1, 1, 0, 0, 0, 0, 0]
    >>> sg.split_segment(result, 0, names=["Often", "Daily"]).named_labels.to_list()[2:]
    ['Segment 1', 'Often', 'Often', 'Often', 'Daily', 'Daily']
    """
    checked_result(result)
    (old,) = named_segments(result, [segment])
    check_count("n_segments", n_segments, 2)
    check_seed(random_state)
    if names is not None and (not isinstance(names, (list, tuple)) or len(names) != n_segments):
        raise ValueError(f"names={names!r} should be a list of {n_segments} names, one for each part.")
    clusterer = editable_of(result)
    chosen = result.order[(result.labels == old).to_numpy()[result.order]]
    step, parts = divided(
        result.customers.iloc[chosen],
        clusterer.fitted.scaled(result.prepared.to_numpy()[chosen]),
        n_segments,
        method,
        random_state,
        segments=[old],
        first=unused_id(result),
    )
    labels = result.labels.copy()
    labels.iloc[chosen] = parts
    into = sorted(step.ids.values())
    if names is None and old in result.names:
        names = [f"{result.name_of(old)} {i + 1}" for i in range(n_segments)]
    made = {
        "edit": "split_segment",
        "segment": old,
        "n_segments": n_segments,
        "method": method,
        "random_state": random_state,
        "into": into,
        "names": None if names is None else list(names),
    }
    clusterer = clusterer.with_steps([*clusterer.steps, step])
    return _edited(result, clusterer, labels, dict(zip(into, names or [], strict=False)), made)


def divided(
    customers: pd.DataFrame,
    rows: np.ndarray,
    n_segments: int,
    method: str,
    random_state: int,
    *,
    segments: list[int],
    first: int,
) -> tuple[Split, np.ndarray]:
    """Divide the members of some segments by a model of their own.

    Parameters
    ----------
    customers, rows
        The members, and the same prepared, in the order of ids.
    n_segments, method, random_state
        As for :func:`split_segment`.
    segments : list of int
        Those that are divided.
    first : int
        Id of the largest part; those of the others follow.

    Returns
    -------
    Split
        The step.
    ndarray of int, shape (n_members,)
        The new segment of each.
    """
    if method not in SPLITTING:
        raise ValueError(
            f"method={method!r} does not divide a segment. Choose one that places new customers by a rule of its own: "
            f"{', '.join(SPLITTING)}."
        )
    different = len(np.unique(rows, axis=0)) if np.isfinite(rows).all() else 0
    if different < n_segments:
        why = f"only {different:,} differ in these features" if different else "some have missing values"
        raise ValueError(
            f"n_segments={n_segments}, and of {counted(len(rows), 'customer')} to divide {why}. Ask for fewer "
            "segments, or choose another segment."
        )
    with threadpool_limits(limits=1):
        fitted = make_clusterer(method, n_segments, customers, random_state).fit(rows)
        found = labels_of(fitted, rows)
    ids = {label: first + i for label, i in relabel_by_size(found).items() if label != OUTSIDE}
    return Split(segments, fitted, ids), translated(found, ids)


def make_segment(
    result: Segmentation, customers: pd.Index | pd.Series | np.ndarray | list, name: str
) -> Segmentation:
    """Make a segment of chosen customers.

    New customers are in it whose nearest customer of `result` was chosen (in the distances of ``result.prepared``; by
    :func:`segkit.make_preparer` where the model prepares nothing); all others are placed as before. Trust is forgotten,
    since the tests were of other segments; the map is kept. The other segments keep their id and name, and their
    members who were not chosen.

    Parameters
    ----------
    result : Segmentation
    customers : Index, list of ids, boolean Series on the customers' index, or boolean array in their order
        Some, but not all.
    name : str

    Returns
    -------
    Segmentation
        The new segment has an id that was never used. ``provenance["edits"]`` lists all edits, without ids of
        customers.

    Raises
    ------
    TypeError, ValueError
        If no customer is chosen, or all; one is unknown; or the name is taken, or no name.

    Notes
    -----
    Where customers have equal features, new ones like them are in it if at least half of them were chosen. Such a model
    keeps the prepared features of all customers, so it cannot be shared without them.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 1, 50, 51, 50, 90, 91]}, index=list("abcdefgh"))
    >>> result = sg.segment(customers, n_segments=2)
    >>> made = sg.make_segment(result, ["g", "h"], "Daily")
    >>> made.named_labels.to_list()[5:]
    ['Segment 0', 'Daily', 'Daily']
    >>> made.assign(pd.DataFrame({"visits": [88]}, index=["new"])).map(made.name_of)
    new    Daily
    Name: segment, dtype: str
    """
    wanted = "It should be a name for the new segment, such as 'Regulars'."
    check_type("name", name, str, wanted)
    if not name.strip():
        raise ValueError(f"name is empty. {wanted}")
    checked_result(result)
    chosen = chosen_rows(result.customers.index, customers)
    if not chosen.any() or chosen.all():
        raise ValueError(
            f"customers holds {int(chosen.sum()):,} of {counted(len(chosen), 'customer')}. Choose some, but not all."
        )
    into = unused_id(result)
    clusterer = editable_of(result)
    step = Made(into).choosing(arranged(np.asarray(chosen), result.order))
    clusterer = clusterer.with_steps([*clusterer.steps, step], _rows_by_id(result))
    labels = result.labels.mask(chosen, into)
    made = {"edit": "make_segment", "into": into, "name": name}
    return _edited(result, clusterer, labels, {into: name}, made)


def named_segments(result: Segmentation, segments: Any) -> list[int]:
    """Return the ids of segments that are named by id or name, each once."""
    if isinstance(segments, str) or not isinstance(
        segments, (Sequence, set, np.ndarray, pd.Index, pd.Series)
    ):
        raise TypeError(
            f"segments is {in_words(segments)}. It should be a list of segments by id or name: [0, 2]."
        )
    ids = [result.segment_id(s) for s in segments]
    if OUTSIDE in ids:
        raise ValueError(
            "Customers outside (-1) are no segment. Make one of them first: "
            "make_segment(result, result.labels == -1, 'Outsiders')."
        )
    return list(dict.fromkeys(ids))


def unused_id(result: Segmentation) -> int:
    """Return an id that no segment has, or had before an edit or a refit."""
    _, clusterer = preparer_and_clusterer(result.model)
    named = getattr(clusterer, "names_", {})
    used = [result.provenance.get("highest_id", 0), *result.segments, *result.ids.values(), *named, -1]
    return max(used) + 1


def _edited(
    result: Segmentation,
    clusterer: EditedClusterer,
    labels: pd.Series,
    names: dict[int, str],
    made: dict[str, Any],
) -> Segmentation:
    """Return the segmentation by an edited clusterer, whose new segments have these names."""
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
    model = with_clusterer(result.model, clusterer)
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
    bare.keep_rows_of(result)
    return bare.with_names(names)


def with_clusterer(model: BaseEstimator, clusterer: EditedClusterer) -> BaseEstimator:
    """Return a model with another clusterer after the same preparer."""
    if isinstance(model, Pipeline):
        return Pipeline([*model.steps[:-1], ("edited", clusterer)])
    return clusterer


def editable_of(result: Segmentation) -> EditedClusterer:
    """Return the clusterer of a result as one that can be edited."""
    return editable(
        result.model, result.ids, _rows_by_id(result), arranged(result.labels.to_numpy(), result.order)
    )


def _rows_by_id(result: Segmentation) -> np.ndarray:
    """Return the prepared customers in the order of ids; the rows themselves where they are in it."""
    return arranged(result.prepared.to_numpy(), result.order)
