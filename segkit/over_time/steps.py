"""Follow each customer from the old segment to the new one, in two steps: what she did, and the new model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from segkit.core.moments import read_moment
from segkit.core.order import positions_by_id
from segkit.create.matching import continued_ids, shared_mass, transitions
from segkit.create.segmentation import Segmentation
from segkit.methods.assignment import OUTSIDE, preparer_and_clusterer
from segkit.methods.partition import VALUE_BANDS, checked_result, labels_by_customer
from segkit.over_time.periods import check_same_features, check_same_window

CONSTANT = (
    " segment() leaves out a feature that is the same for all: leave it out of the previous segments, too."
)
STAYED, BEHAVIOUR, MODEL, BOTH, BACK = "stayed", "behaviour", "model", "both", "back"


@dataclass(frozen=True)
class Steps:
    """Where customers were, where the old model puts them now, and where the new one does.

    Attributes
    ----------
    customers : DataFrame
        Of those in both, in the order of ids: segment `before`, by the old model now (`placed`), and `now`, all under
        the ids of the old segmentation; `why`; and their rows `at_before`, `at_now` in the two tables.
    came, gone : Series of int
        The segment of customers who are in one of the two only.
    ids : dict of int to int
        The id here of each segment of the new segmentation.
    names_before, names_now : dict of int to str
        The name of each segment, under the id here.
    as_of : tuple of Timestamp, or of None where that is not known
    """

    customers: pd.DataFrame
    came: pd.Series
    gone: pd.Series
    ids: dict[int, int]
    names_before: dict[int, str]
    names_now: dict[int, str]
    as_of: tuple[pd.Timestamp | None, pd.Timestamp | None]


def steps_between(previous: Segmentation, current: Segmentation) -> Steps:
    """Return the two steps of each customer.

    Raises
    ------
    TypeError, ValueError
        As in :func:`segkit.migration`.
    """
    checked_result(previous, "previous")
    checked_result(current, "current")
    check_same_features(previous, current.customers, "current", CONSTANT)
    check_same_window(previous, current.provenance, "current")
    as_of = (moment_of(previous), moment_of(current))
    if as_of[0] is not None and as_of[1] is not None and as_of[0] > as_of[1]:
        raise ValueError(
            f"previous is as of {as_of[0]}, later than current, as of {as_of[1]}. Pass the earlier one first."
        )
    before, now = labels_by_customer(previous, "previous"), labels_by_customer(current, "current")
    before, now = before.iloc[positions_by_id(before.index)], now.iloc[positions_by_id(now.index)]
    found = now.index.get_indexer(before.index)
    both = np.flatnonzero(found >= 0)
    if not len(both):
        raise ValueError(
            f"No customer is in both: {len(before):,} are in the previous segmentation, such as {before.index[0]!r}, "
            f"and {len(now):,} in the current one, such as {now.index[0]!r}. Write ids alike in both."
        )
    at_before, at_now = previous.order[both], current.order[found[both]]
    placed = previous.assign(current.customers)
    ids = _common_ids(previous, current, placed)
    # A model that labels by neighbours may place its own customers elsewhere; who is as before has not moved.
    old, new = before.to_numpy()[both], current.labels.map(ids).to_numpy()[at_now]
    same = unchanged(previous.customers.iloc[at_before], current.customers.iloc[at_now])
    step = np.where(same, old, placed.to_numpy()[at_now])
    customers = pd.DataFrame(
        {"before": old, "placed": step, "now": new, "why": _why(old, step, new)}, index=before.index[both]
    )
    customers["at_before"], customers["at_now"] = at_before, at_now
    came = np.ones(len(now), dtype=bool)
    came[found[both]] = False
    names = {s: previous.name_of(s) for s in [*previous.segments, OUTSIDE]}
    return Steps(
        customers.rename_axis("customer_id"),
        now[came].map(ids),
        before[found < 0],
        ids,
        names,
        _names_now(names, current, ids),
        as_of,
    )


def moment_of(result: Segmentation) -> pd.Timestamp | None:
    """Return the moment of a segmentation, where it is known."""
    try:
        return read_moment(result.provenance.get("as_of"))
    except (TypeError, ValueError):  # made by hand, or of several moments
        return None


def _why(before: np.ndarray, placed: np.ndarray, now: np.ndarray) -> pd.Categorical:
    """Return the reason of each move."""
    did, refitted, elsewhere = before != placed, placed != now, before != now
    codes = np.select([did & refitted & elsewhere, did & elsewhere, elsewhere, did], [3, 1, 2, 4], default=0)
    return pd.Categorical.from_codes(codes, [STAYED, BEHAVIOUR, MODEL, BOTH, BACK])


def _common_ids(previous: Segmentation, current: Segmentation, placed: pd.Series) -> dict[int, int]:
    """Return the id of each new segment in terms of the old segmentation: that of the old segment that it continues.

    Ids are kept where the new one continues the old one, places every customer as the old one does, or has labels with
    a meaning, such as bands of value.
    """
    own = {s: s for s in [*current.segments, OUTSIDE]}
    kept = previous.hash in current.provenance.get("continues", [])
    if (
        kept
        or np.array_equal(placed.to_numpy(), current.labels.to_numpy())
        or _same_meaning(previous, current)
    ):
        return own
    mass = shared_mass(previous, current, placed)
    used = max([previous.provenance.get("highest_id", 0), *previous.segments, 0])
    return continued_ids(transitions(mass), mass, used) | {OUTSIDE: OUTSIDE}


def _same_meaning(previous: Segmentation, current: Segmentation) -> bool:
    """Return whether the labels of both mean the same: bands by one feature, or names that the model gives."""
    facts = [
        (r.provenance.get("by"), r.segments) if r.provenance.get("method") == VALUE_BANDS else None
        for r in (previous, current)
    ]
    given = [getattr(preparer_and_clusterer(r.model)[1], "names_", None) for r in (previous, current)]
    return any(first is not None and first == second for first, second in (facts, given))


def _names_now(before: dict[int, str], current: Segmentation, ids: dict[int, int]) -> dict[int, str]:
    """Return the names of the new segments: their own, else that of the segment they continue; no two alike."""
    names: dict[int, str] = {}
    for own, segment in ids.items():
        name = current.names.get(own) or before.get(segment) or f"Segment {segment}"
        taken = {other for s, other in (before | names).items() if s != segment}
        while name in taken:
            name += " (new)"
        names[segment] = name
    return names


def unchanged(before: pd.DataFrame, now: pd.DataFrame) -> np.ndarray:
    """Return which customers have the same features in both tables, row by row."""
    same = np.ones(len(before), dtype=bool)
    for name, column in before.items():
        old, new = column, now[name]
        if not all(pd.api.types.is_numeric_dtype(c.dtype) for c in (old, new)):
            old, new = old.astype(object), new.astype(object)
        equal = (old.to_numpy() == new.to_numpy()) | (old.isna().to_numpy() & new.isna().to_numpy())
        same &= np.asarray(pd.array(equal, dtype="boolean").to_numpy(bool, na_value=False))
    return same
