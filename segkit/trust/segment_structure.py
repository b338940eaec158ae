"""Test each segment: is it a distinct group, or an arbitrary part of a continuum?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from segkit.methods.partition import Partition, checked_result
from segkit.trust.borders import border_sparseness
from segkit.trust.density_valleys import separations
from segkit.trust.structure import REFERENCES, StructureTest, run_test, test_settings

OF_SEGMENTS = 0.05  # level for each segment, once there are groups
SAME = 0.75  # least Jaccard similarity of a segment with a group that words form
# Least sparseness of the border of a distinct group; a border that cuts through one has about 0.5.
SPARSE = 0.6


def segment_structure(
    result: Partition, *, references: int = REFERENCES, random_state: int = 0, progress: bool = True
) -> pd.DataFrame:
    """Test each segment: is it a distinct group, or an arbitrary part of a continuum?

    Parameters
    ----------
    result : Segmentation
    references, random_state, progress
        As in :func:`structure_test`.

    Returns
    -------
    DataFrame
        Indexed by segment id: `name`; `nearest`, the id of the segment that it is least separated from;
        `separation`, the depth of the valley between the two in standard errors; `p_value`, the share of null data
        sets whose best separated of as many groups is separated as well; `border`, how sparse the places at its border
        are, from 0 to 1 (a border that cuts through a group has about 0.5, that of a distinct group 0.6 or more); and
        `verdict`: "real", "arbitrary", or "too little". All are arbitrary where the customers are one continuum.

    Notes
    -----
    The best group of each null data set is the yardstick for every segment, at a level of 5 %. This is less powerful
    than the test of the whole: of four groups, the least separated may be called arbitrary.
    """
    checked_result(result)
    return test_partition(result, references=references, random_state=random_state, progress=progress)[1]


def test_partition(
    result: Partition, *, references: int = REFERENCES, random_state: int = 0, progress: bool = True
) -> tuple[StructureTest, pd.DataFrame]:
    """Return the test of the whole and of each segment, from the same null data sets."""
    preparer, most = test_settings(result.model, len(result.segments))
    test, points = run_test(result.customers, preparer, most, references, random_state, progress)
    return test, segment_table(result, test, points)


def segment_table(result: Partition, test: StructureTest, points: pd.DataFrame) -> pd.DataFrame:
    """Return the separation of each segment, compared with the best separated groups of the null data sets."""
    ids = result.segments
    table = pd.DataFrame(
        {"name": [result.name_of(s) for s in ids], "nearest": pd.array([pd.NA] * len(ids), "Int64")},
        index=pd.Index(ids, name="segment"),
    )
    table["separation"], table["p_value"], table["border"], table["verdict"] = (
        np.nan,
        np.nan,
        np.nan,
        "too little",
    )
    labels = result.labels.loc[points.index]
    sampled = [s for s in ids if (labels == s).any()]
    if test.verdict == "too little" or len(sampled) < 2 or len(ids) not in test.observed.index:
        return table
    inside = labels.isin(sampled).to_numpy()
    rows, own = points.to_numpy()[inside], np.searchsorted(sampled, labels[inside])
    centers = np.array([rows[own == i].mean(axis=0) for i in range(len(sampled))])
    with threadpool_limits(limits=1):
        depth, nearest = separations(rows, own, centers)
        every = np.where(inside, np.searchsorted(sampled, labels), -1)
        border = border_sparseness(points.to_numpy(), every)
    best = test.references[len(ids)].to_numpy()
    alike = (
        _similarity(own, test.facts["classes"][inside]) if "classes" in test.facts else np.zeros(len(sampled))
    )
    for i, segment in enumerate(sampled):
        p = (1 + int((best >= depth[i] - 1e-12).sum())) / (len(best) + 1)
        table.loc[segment, ["separation", "p_value", "border"]] = depth[i], p, border[i]
        table.loc[segment, "nearest"] = sampled[int(nearest[i])]
        apart = p <= OF_SEGMENTS + 1e-12 and border[i] >= SPARSE
        real = test.verdict == "structure" and (apart or alike[i] >= SAME)
        table.loc[segment, "verdict"] = "real" if real else "arbitrary"
    return table


def _similarity(own: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the Jaccard similarity of each segment with the most similar of the classes that words form."""
    shared = np.zeros((own.max() + 1, classes.max() + 1))
    np.add.at(shared, (own, classes), 1)
    either = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0, keepdims=True) - shared
    return (shared / np.maximum(either, 1)).max(axis=1)
