"""Compare two groups of customers, or the same customers at two moments."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pandas as pd

from segkit.core.checks import check_frame, with_pandas_types
from segkit.core.chosen import chosen_rows
from segkit.core.disclosure import MINIMUM, check_minimum
from segkit.core.messages import counted
from segkit.create.segmentation import Segmentation
from segkit.explain.differences import Groups, differences
from segkit.explain.profile import used_features
from segkit.methods.partition import Partition, checked_result, plain_preparer

Chosen: TypeAlias = int | np.integer | str | pd.Index | pd.Series | np.ndarray | list
Moment: TypeAlias = Segmentation | pd.DataFrame


def compare(
    result: Segmentation,
    chosen: Chosen | Moment,
    other: Chosen | Moment | None = None,
    *,
    minimum: int = MINIMUM,
) -> pd.DataFrame:
    """Compare a group of customers with all others, with another group, or with themselves at another moment.

    Parameters
    ----------
    result : Segmentation
        Its customers are compared.
    chosen : int, str, Index, list of ids, boolean Series on the customers' index, or boolean array in their order
        The group: a segment by its id or name, or any customers. With a Segmentation or a table of the same features
        at another moment, all customers that are in both.
    other : as chosen, optional
        The other group; by default all customers who are not in the first. With a Segmentation or a table of the same
        features at another moment, the chosen customers as they are there.
    minimum : int, default=10
        Least customers of a group. As in :func:`segkit.profile`, shares that fewer have, or lack, are missing, and
        effects of groups of fewer than 100 are those of medians. 1 shows everything.

    Returns
    -------
    DataFrame
        Indexed by `feature`, the strongest difference first, with the columns of :func:`segkit.profile`: `effect`,
        `inside` and `others` (the other group, or the other moment), `unit`, and so on; an `index` of 100 is that of
        both groups together. ``.attrs["segkit"]`` has the numbers of customers compared, `inside` and `others`, and
        `not_there`: of those chosen, how many are not at the other moment.

    Raises
    ------
    ValueError
        If a group is empty, has fewer customers than the minimum, holds all, or an unknown one, there is no such
        segment, or the two have customers in common.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 1, 30, 31, 29]}, index=list("abcdef"))
    >>> result = sg.segment(customers, n_segments=2)
    >>> sg.compare(result, ["d", "e"], minimum=1)[["inside", "others"]]
               inside  others
    feature
    frequency    30.5     1.5
    >>> sg.compare(result, ["d", "e"], ["f"], minimum=1)[["inside", "others"]]
               inside  others
    feature
    frequency    30.5    29.0
    >>> sg.compare(result, customers - 1, minimum=1)[["inside", "others"]]
               inside  others
    feature
    frequency    15.5    14.5
    """
    checked_result(result)
    check_minimum(minimum)
    index = result.customers.index
    not_there = 0
    if isinstance(chosen, (Partition, pd.DataFrame)):
        if other is not None:
            raise ValueError(
                "The other moment comes last: compare(result, chosen, other_moment), or compare(result, other_moment)."
            )
        chosen, other = index, chosen
    if isinstance(other, (Partition, pd.DataFrame)):
        inside = _membership(result, chosen)
        frame, codes, not_there = _two_moments(result, _checked_some(inside), other)
    else:
        inside = _membership(result, chosen)
        if other is None:
            rest = ~_checked_group(inside)
        else:
            rest = _checked_some(_membership(result, other, "other"))
            _check_apart(_checked_some(inside), rest)
        frame = with_pandas_types(result.customers)
        codes = np.where(inside, 0, 1)
        if other is not None:
            frame, codes = frame[inside | rest], codes[inside | rest]
    sizes = {"inside": int((codes == 0).sum()), "others": int((codes == 1).sum())}
    if min(sizes.values()) < minimum:
        raise ValueError(
            f"A group holds fewer than {counted(minimum, 'customer')}, of whom nothing is said. Choose more, or see "
            "everything by minimum=1."
        )
    groups = Groups(codes, 1, minimum=minimum)
    table = differences(frame, plain_preparer(result), groups, result.provenance.get("units", {}))
    table["used"] = table["column"].isin(used_features(result)).to_numpy()
    strongest = np.argsort(-table["effect"].abs().fillna(-1).to_numpy(), kind="stable")
    table = table.iloc[strongest].drop(columns="group").set_index("feature")
    table.attrs["segkit"] = {"badge": result.badge, **sizes, "not_there": not_there}
    return table


def _two_moments(
    result: Segmentation, inside: np.ndarray, other: Moment
) -> tuple[pd.DataFrame, np.ndarray, int]:
    """Return the rows of the chosen customers now, then those at the other moment, and how many are not there."""
    there = other.customers if isinstance(other, Partition) else other
    check_frame("other", there, "It should be a Segmentation, or a table of the same features.")
    columns = list(result.customers.columns)
    missing = [c for c in columns if c not in there.columns]
    if missing:
        raise ValueError(
            f"The other moment has no feature {missing[0]!r}. Compute the same features for it: {', '.join(columns)}."
        )
    if not there.index.is_unique:
        example = there.index[there.index.duplicated()][0]
        raise ValueError(f"The customer {example!r} has more than one row there. Each should have one row.")
    chosen = result.customers.index[inside]
    both = chosen[chosen.isin(there.index)]
    if not len(both):
        raise ValueError(
            f"None of the chosen customers ({len(chosen):,}) is at the other moment. Compare the same "
            "customers, with ids written alike."
        )
    parts = [with_pandas_types(result.customers.loc[both]), with_pandas_types(there.loc[both, columns])]
    frame = pd.concat(parts, ignore_index=True)
    return frame, np.repeat([0, 1], len(both)), len(chosen) - len(both)


def _membership(result: Segmentation, chosen: Chosen, name: str = "chosen") -> np.ndarray:
    index = result.customers.index
    if isinstance(chosen, (int, np.integer, str)):
        return _in_segment(result, chosen)
    wanted = "It should be a segment, by its id or name, or a list of customers."
    return chosen_rows(index, chosen, name, wanted)


def _in_segment(result: Segmentation, segment: int | np.integer | str) -> np.ndarray:
    try:
        return (result.labels == result.segment_id(segment)).to_numpy()
    except ValueError as error:
        if segment in result.customers.index:
            raise ValueError(f"{error} It is a customer: compare(result, [{segment!r}]).") from error
        raise


def _checked_group(inside: np.ndarray) -> np.ndarray:
    """Return which customers are in the group, if some are and some are not."""
    if not inside.any() or inside.all():
        raise ValueError(
            f"The group holds {int(inside.sum()):,} of {counted(len(inside), 'customer')}, so there is nothing to "
            "compare. Choose some, but not all."
        )
    return inside


def _checked_some(inside: np.ndarray) -> np.ndarray:
    if not inside.any():
        raise ValueError("A group holds no customer, so there is nothing to compare. Choose some.")
    return inside


def _check_apart(inside: np.ndarray, rest: np.ndarray) -> None:
    both = int((inside & rest).sum())
    if both:
        raise ValueError(
            f"{counted(both, 'customer is', 'customers are')} in both groups. Each customer should be in one of them."
        )
