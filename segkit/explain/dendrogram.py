"""Show how segments nest: the top of a tree that joins the nearest customers, and then groups, step by step."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.cluster.hierarchy
from threadpoolctl import threadpool_limits

from segkit.core.checks import check_count
from segkit.core.order import by_id
from segkit.create.segmentation import Segmentation
from segkit.methods.partition import check_segments, checked_result

LOOKED = 2_000  # customers that the tree is made of
LINKAGES = ("ward", "average")


def dendrogram(result: Segmentation, *, linkage: str | None = None, n_leaves: int = 30) -> pd.DataFrame:
    """Join customers step by step into one tree, and return its top.

    Parameters
    ----------
    result : Segmentation
        Its prepared features are measured. Of more than 2,000 customers a sample of that size is looked at.
    linkage : {"ward", "average"}, optional
        How groups are joined; by default as the segments were made, or "ward".
    n_leaves : int, default=30
        Groups at the end of the branches.

    Returns
    -------
    DataFrame of shape (2 · n_leaves − 1, 7)
        A row for each group: `left` and `right`, the groups that it joins (missing for a leaf); `height` at which they
        are joined, in prepared units (0 for a leaf); `customers`; `segment`, the name that most of them have, and
        `share`, how many; `x`, its place from left to right. ``.attrs["segkit"]`` holds how many customers were looked
        at.

    Raises
    ------
    ValueError
        If there is no such linkage, or no segment.

    Notes
    -----
    Segments by "ward" or "average" are branches of this tree. Those by other methods need not be: a leaf with a low
    `share` is divided between them.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 8, 20, 22]}, index=list("abcde"))
    >>> result = sg.segment(customers, n_segments=2, method="average")
    >>> sg.dendrogram(result, n_leaves=3).round(2)
       left  right  height  customers    segment  share     x
    0  <NA>   <NA>    0.00          1  Segment 0    1.0  1.00
    1  <NA>   <NA>    0.00          2  Segment 0    1.0  2.00
    2  <NA>   <NA>    0.00          2  Segment 1    1.0  0.00
    3     0      1    0.73          3  Segment 0    1.0  1.50
    4     2      3    1.96          5  Segment 0    0.6  0.75
    """
    checked_result(result)
    check_segments(result, "a dendrogram shows how they nest")
    check_count("n_leaves", n_leaves, 2, "; 30 is usual")
    method = result.provenance.get("method")
    linkage = linkage or (method if method in LINKAGES else "ward")
    if linkage not in LINKAGES:
        raise ValueError(f"linkage={linkage!r} is neither 'ward' nor 'average'. Choose one of these.")
    prepared = by_id(result.prepared)
    prepared = prepared[np.isfinite(prepared.to_numpy()).all(axis=1)]
    if len(prepared) > LOOKED:
        drawn = np.random.default_rng(0).choice(len(prepared), LOOKED, replace=False)
        prepared = prepared.iloc[np.sort(drawn)]
    if len(prepared) < 2:
        raise ValueError("A dendrogram needs two customers without missing features, and there are fewer.")
    with threadpool_limits(limits=1):
        joins = scipy.cluster.hierarchy.linkage(prepared.to_numpy(), linkage)
    table = _top(joins, result.named_labels.loc[prepared.index].astype(object).to_numpy(), n_leaves)
    table.attrs["segkit"] = {
        "badge": result.badge,
        "linkage": linkage,
        "customers": len(result.labels),
        "looked_at": len(prepared),
        "segments": [result.name_of(s) for s in sorted(set(result.labels), key=lambda s: (s < 0, s))],
    }
    return table


def _top(joins: np.ndarray, segments: np.ndarray, n_leaves: int) -> pd.DataFrame:
    """Return the last joins of a tree as rows, leaves first."""
    n = len(segments)
    leaves = min(n_leaves, n)
    members = {i: [i] for i in range(n)}
    number: dict[int, int] = {}  # row of each group that is shown
    rows: list[dict[str, object]] = []
    for step, (left, right, height, _) in enumerate(joins):
        if step == n - leaves:
            rows = [_row(segments[who]) for who in members.values()]
            number = {group: row for row, group in enumerate(members)}
        members[n + step] = members.pop(int(left)) + members.pop(int(right))
        if step >= n - leaves:
            row = _row(segments[members[n + step]])
            number[n + step] = len(rows)
            rows.append(row | {"left": number[int(left)], "right": number[int(right)], "height": height})
    table = pd.DataFrame(rows).astype({"left": "Int64", "right": "Int64"})
    table["x"] = _places(table["left"].to_list(), table["right"].to_list())
    return table


def _row(segments: np.ndarray) -> dict[str, object]:
    names, counts = np.unique(segments, return_counts=True)
    most = int(counts.argmax())
    return {
        "left": pd.NA,
        "right": pd.NA,
        "height": 0.0,
        "customers": len(segments),
        "segment": names[most],
        "share": counts[most] / len(segments),
    }


def _places(left: list, right: list) -> np.ndarray:
    """Return the place of each group: leaves side by side as the tree is walked, each join in the middle of its two."""
    x = np.zeros(len(left))
    walk, order, placed = [len(left) - 1], [], 0
    while walk:
        at = walk.pop()
        order.append(at)
        if left[at] is pd.NA:
            x[at], placed = placed, placed + 1
        else:
            walk += [right[at], left[at]]
    for at in reversed(order):
        if left[at] is not pd.NA:
            x[at] = (x[left[at]] + x[right[at]]) / 2
    return x
