"""Name the kind of a segmentation: natural, reproducible or constructive."""

from __future__ import annotations

from typing import Any

import pandas as pd

from segkit.core.messages import counted
from segkit.methods.assignment import OUTSIDE
from segkit.methods.partition import VALUE_BANDS, Partition
from segkit.trust.segment_structure import segment_table
from segkit.trust.stability import REPEATABLE, quick_stability
from segkit.trust.structure import StructureTest

NATURAL, REPRODUCIBLE, CONSTRUCTIVE, UNCLEAR = "natural", "reproducible", "constructive", "unclear"
MOSTLY = 0.5  # least share of segments that are distinct groups, for the whole to be called natural

BADGES = {
    NATURAL: "Natural segments",
    REPRODUCIBLE: "Reproducible segments",
    CONSTRUCTIVE: "Constructive segments",
    UNCLEAR: "Kind not known",
}
FOLLOWED = "Your customers form distinct groups, and these segments follow them."
PARTLY_FOLLOWED = "Your customers form distinct groups, which match {real} of these {n} segments."
FEW_FOLLOWED = "Your customers form groups, but these match only {real} of the {n} segments."
ACROSS = "Your customers form groups, but these segments do not follow them."
CONTINUUM = "Your customers form one continuum, without distinct groups."
COME_BACK = "The same segments come back in other samples of your customers."
SLICES = "Use these segments as convenient slices: other divisions are as good."
TIERS = "Tiers of {by}, from the highest to the lowest: a useful division, not groups."
ONE = "There is only one segment, so nothing was divided."
NONE = "No segment was found: all {outside:,} customers are outside."
ONE_AND_OUTSIDE = "There is one segment of {inside}; the other {outside:,} are outside."
SOME_OUTSIDE = "{outside:,} of {all} ({share:.0%}) {are} outside all segments."


def describe_kind(partition: Partition, test: StructureTest, points: pd.DataFrame) -> dict[str, Any]:
    """Name the kind of a segmentation: distinct groups, a division that comes back, or one of many as good [1]_.

    Parameters
    ----------
    partition : Partition
    test : StructureTest
        Of its customers.
    points : DataFrame of shape (n_looked_at, n_prepared)
        Prepared customers of the test.

    Returns
    -------
    dict
        `kind`: "natural" where at least half of the segments are distinct groups; else "reproducible" where each
        comes back on bootstrap samples (mean Jaccard similarity of 0.75 or more), else "constructive"; "unclear"
        with too little data. `sentence`: the same in words. `stability`: mean Jaccard similarity of the least stable
        segment, where it was measured.

    References
    ----------
    .. [1] Dolnicar & Leisch (2010), Evaluation of structure and reproducibility of cluster solutions using the
       bootstrap, Marketing Letters 21.
    """
    n, everyone = len(partition.segments), len(partition.labels)
    outside = int((partition.labels == OUTSIDE).sum())
    if not n:
        return _described(UNCLEAR, NONE.format(outside=outside))
    if n == 1 and outside and partition.provenance.get("method") != VALUE_BANDS:
        inside = counted(everyone - outside, "customer")
        return _described(UNCLEAR, ONE_AND_OUTSIDE.format(inside=inside, outside=outside))
    described = _of_segments(partition, test, points)
    if outside:
        words = {"outside": outside, "all": counted(everyone, "customer"), "share": outside / everyone}
        are = "is" if outside == 1 else "are"
        described["sentence"] += f" {SOME_OUTSIDE.format(**words, are=are)}"
    return described


def _of_segments(partition: Partition, test: StructureTest, points: pd.DataFrame) -> dict[str, Any]:
    n = len(partition.segments)
    if partition.provenance.get("method") == VALUE_BANDS:
        return _described(CONSTRUCTIVE, TIERS.format(by=partition.provenance.get("by", "value")))
    if n < 2:
        return _described(UNCLEAR, ONE)
    if test.verdict == "too little":
        return _described(UNCLEAR, test.sentence)
    real = int((segment_table(partition, test, points)["verdict"] == "real").sum())
    if real == n:
        return _described(NATURAL, FOLLOWED)
    if real >= MOSTLY * n:
        return _described(NATURAL, PARTLY_FOLLOWED.format(real=real, n=n))
    weakest = quick_stability(partition)
    crossed = FEW_FOLLOWED.format(real=real, n=n) if real else ACROSS
    start = CONTINUUM if test.verdict == "continuum" else crossed
    if weakest >= REPEATABLE:
        return _described(REPRODUCIBLE, f"{start} {COME_BACK}", weakest)
    return _described(CONSTRUCTIVE, f"{start} {SLICES}", weakest)


def _described(kind: str, sentence: str, stability: float | None = None) -> dict[str, Any]:
    return {"kind": kind, "sentence": sentence, "stability": stability}
