"""Show typical customers of each segment, and those on its border."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segkit.core.checks import check_count
from segkit.core.disclosure import MINIMUM, check_minimum, is_few
from segkit.core.order import positions_by_id
from segkit.create.segmentation import Segmentation
from segkit.explain.profile import hidden_facts
from segkit.explain.why import figures_of
from segkit.methods.assignment import preparer_and_clusterer
from segkit.methods.partition import check_segments, checked_result

TYPICAL, BORDERLINE = "typical", "borderline"
COLUMNS = ["segment_id", "segment", "customer_id", "role", "distance", "runner_up", "runner_up_distance"]


def typical(result: Segmentation, n: int = 3, *, minimum: int = MINIMUM) -> pd.DataFrame:
    """Return typical customers of each segment, and those nearest to another segment.

    Parameters
    ----------
    result : Segmentation
    n : int, default=3
        Customers of each role in a segment; fewer where it has fewer. Nobody is both.
    minimum : int, default=10
        Segments of fewer customers show none; ``.attrs["segkit"]["hidden"]`` names them. 1 shows all.

    Returns
    -------
    DataFrame
        A row each: `segment_id`, `segment`, `customer_id`; `role`, "typical" (the nearest to the mean of the segment,
        the nearest first) or "borderline" (those for whom another segment is hardly farther, the closest call first);
        `distance` from the mean of the segment, `runner_up`, the id of the nearest other segment, and
        `runner_up_distance`, in prepared units; then the features as given. A feature that is called like one of these
        columns is called "distance (feature)".

    Raises
    ------
    ValueError
        If there is no segment, or `n` is not 1 or more.

    Notes
    -----
    Distances are between prepared features, whatever the model: a borderline customer may be nearer to the mean of
    another segment than to that of her own. Customers outside, and those with missing features that the preparation
    does not fill, are left out.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 2, 6, 30, 31, 34]}, index=list("abcdefg"))
    >>> found = sg.typical(sg.segment(customers, n_segments=2), n=1, minimum=1)
    >>> found[["segment", "customer_id", "role", "frequency"]]
         segment customer_id        role  frequency
    0  Segment 0           b     typical          2
    1  Segment 0           d  borderline          6
    2  Segment 1           f     typical         31
    3  Segment 1           e  borderline         30
    """
    checked_result(result)
    check_segments(result, "typical shows customers of each")
    check_count("n", n, 1, "; 3 is usual")
    check_minimum(minimum)
    figures = figures_of(result)
    own, _ = preparer_and_clusterer(result.model)
    same = own is figures.preparer
    matrix = result.prepared.to_numpy() if same else figures.preparer.matrix(result.customers)
    rank = np.empty(len(matrix), dtype=int)
    rank[positions_by_id(result.customers.index)] = np.arange(len(matrix))
    sizes = result.labels.value_counts()
    shown = [s for s in result.segments if not is_few(sizes[s], minimum)]
    parts = [_of_segment(result, figures.means, matrix, segment, n, rank) for segment in shown]
    nobody = result.customers.iloc[:0].reset_index(drop=True)
    table = pd.concat(parts, ignore_index=True) if parts else nobody.reindex(columns=[*COLUMNS, *nobody])
    table.attrs["segkit"] = {"badge": result.badge, **hidden_facts(result, minimum)}
    return table


def _of_segment(
    result: Segmentation, means: pd.DataFrame, matrix: np.ndarray, segment: int, n: int, rank: np.ndarray
) -> pd.DataFrame:
    inside = np.flatnonzero((result.labels == segment).to_numpy() & np.isfinite(matrix).all(axis=1))
    others = means.drop(index=segment)
    distance = _apart(matrix[inside], means.loc[[segment]].to_numpy())[:, 0]
    away = _apart(matrix[inside], others.to_numpy()) if len(others) else np.full((len(inside), 1), np.inf)
    second, second_distance = away.argmin(axis=1), away.min(axis=1)
    near = np.lexsort((rank[inside], distance))[:n]
    margin = np.where(np.isfinite(second_distance), second_distance - distance, np.inf)
    border = [i for i in np.lexsort((rank[inside], margin)) if i not in set(near) and np.isfinite(margin[i])][
        :n
    ]
    at = np.array([*near, *border], dtype=int)
    known = np.isfinite(second_distance[at])
    facts = {
        "segment_id": segment,
        "segment": result.name_of(segment),
        "customer_id": result.customers.index[inside[at]],
        "role": [TYPICAL] * len(near) + [BORDERLINE] * len(border),
        "distance": distance[at],
        "runner_up": pd.array(
            [others.index[i] if k else None for i, k in zip(second[at], known, strict=True)], "Int64"
        ),
        "runner_up_distance": np.where(known, second_distance[at], np.nan),
    }
    features = result.customers.iloc[inside[at]].reset_index(drop=True)
    features = features.rename(columns={c: f"{c} (feature)" for c in features.columns if c in COLUMNS})
    return pd.concat([pd.DataFrame(facts, columns=COLUMNS), features], axis=1)


def _apart(rows: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Return the distance of each row from each mean."""
    squares = (rows**2).sum(axis=1)[:, None] - 2 * rows @ means.T + (means**2).sum(axis=1)
    return np.sqrt(np.maximum(squares, 0.0))
