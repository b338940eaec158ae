"""Cross two segmentations of the same customers, and compare with chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from segkit.core.disclosure import MINIMUM, check_minimum, hidden_with_totals
from segkit.core.messages import in_words
from segkit.create.segmentation import Segmentation

FITS = 50  # of hidden cells to the totals, one after the other


def cross_segments(
    first: Segmentation | pd.Series,
    second: Segmentation | pd.Series,
    *,
    names: Sequence[str] = ("first", "second"),
    minimum: int = MINIMUM,
) -> pd.DataFrame:
    """Cross two segmentations of the same customers, such as by attitude and by behaviour.

    Parameters
    ----------
    first, second : Segmentation or Series
        A Series is any grouping of customers: words, categories or labels indexed by customer.
    names : sequence of two str, default=("first", "second")
        Names of the two in charts, such as ``("attitude", "behaviour")``.
    minimum : int, default=10
        Cells of fewer customers are missing, and so are others from which they, or the size of a small group, would
        follow; the association takes hidden cells as by chance. 1 shows everything.

    Returns
    -------
    DataFrame
        A row for each pair of groups, also without customers: `first`, `second` (the groups' names), `customers` in
        both, their `share` of all, `of_first` and `of_second` (their share of each group), `expected` (customers, if
        the two were independent), `lift` (customers over expected) and `residual` (adjusted standardised residual
        [1]_: distance from the expected in standard errors; chance alone gives about ±2).
        ``.attrs["segkit"]`` has the `association` (bias-corrected Cramér's V [2]_: 0 where the two are independent,
        towards 1 where one determines the other; missing where either has one group only), and the numbers of
        `customers` in both, `only_first` and `only_second`.

    Raises
    ------
    ValueError
        If no customer is in both, or one is in either of them twice.
    TypeError
        If either is neither a Segmentation nor a Series, or its groups are of several types.

    Notes
    -----
    Customers outside all segments are the last group. Those with a missing group count as not in that segmentation.
    There are no p-values: with many customers every difference would be significant, and groups that were made from
    the data flatter them. Without correction, Cramér's V is above 0 by chance, the more so with many groups.

    References
    ----------
    .. [1] Haberman (1973), The analysis of residuals in cross-classified tables, Biometrics 29.
    .. [2] Bergsma (2013), A bias-correction for Cramér's V and Tschuprow's T, Journal of the Korean
       Statistical Society 42.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> attitude = pd.Series(["thrifty", "thrifty", "green", "green"], index=list("abcd"))
    >>> behaviour = pd.Series(["rare", "rare", "often", "rare"], index=list("abcd"))
    >>> sg.cross_segments(attitude, behaviour, minimum=1)[["first", "second", "customers", "of_first", "lift"]]
         first second  customers  of_first      lift
    0    green  often          1       0.5  2.000000
    1    green   rare          1       0.5  0.666667
    2  thrifty  often          0       0.0  0.000000
    3  thrifty   rare          2       1.0  1.333333
    """
    names = _checked_names(names)
    check_minimum(minimum)
    one, other = _groups(first, "first"), _groups(second, "second")
    both = one.index.intersection(other.index)
    if not len(both):
        raise ValueError(
            f"The two have no customer in common: {len(one):,} are in the first, {len(other):,} in the second. Cross "
            "segmentations of the same customers, with ids written alike."
        )
    counts = pd.crosstab(one.loc[both], other.loc[both], dropna=False)
    table = _cells(counts).astype({"customers": "Int64"})
    hidden = _hide(table, counts.to_numpy(), minimum)
    table.attrs["segkit"] = {
        "names": list(names),
        "association": cramers_v(_as_far_as_shown(counts.to_numpy(dtype=float), hidden)),
        "customers": len(both),
        "only_first": len(one) - len(both),
        "only_second": len(other) - len(both),
    }
    return table


def _hide(table: pd.DataFrame, counts: np.ndarray, minimum: int) -> np.ndarray:
    """Set what tells of few to missing in a table of cells; return which cells are hidden.

    Totals of rows and columns follow from what is expected, so they are cells as well.
    """
    cells, rows, columns = hidden_with_totals(counts, minimum)
    of_row, of_column = rows[:, None], columns[None, :]
    told = {
        "customers": cells,
        "share": cells,
        "of_first": cells | of_row,
        "of_second": cells | of_column,
        "expected": of_row | of_column,
        "lift": cells | of_row | of_column,
        "residual": cells | of_row | of_column,
    }
    for name, where in told.items():
        table[name] = table[name].mask(np.broadcast_to(where, counts.shape).ravel())
    return cells


def _as_far_as_shown(counts: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Return counts whose hidden cells are as independent as the totals allow: what is made of them tells no more."""
    filled = np.where(hidden, 1.0, 0.0)
    left = np.where(hidden, counts, 0.0)
    for _ in range(FITS if hidden.any() else 0):
        for axis in (0, 1):
            have = filled.sum(axis=axis, keepdims=True)
            filled *= left.sum(axis=axis, keepdims=True) / np.where(have > 0, have, 1.0)
    return np.where(hidden, filled, counts)


def cramers_v(counts: np.ndarray) -> float:
    """Return the bias-corrected Cramér's V of a table of counts; missing where there is one row or column only."""
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0].astype(float)
    n, (rows, columns) = counts.sum(), counts.shape
    if min(rows, columns) < 2:
        return np.nan
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / n
    phi2 = ((counts - expected) ** 2 / expected).sum() / n
    by_chance = (rows - 1) * (columns - 1) / (n - 1)
    room = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    if room <= 1e-12:
        return np.nan  # as many groups as customers
    return float(np.sqrt(max(phi2 - by_chance, 0.0) / room))


def _checked_names(names: Sequence[str]) -> tuple[str, str]:
    pair = isinstance(names, Sequence) and not isinstance(names, str) and len(names) == 2
    if not pair or str(names[0]) == str(names[1]):
        raise ValueError(f"names={names!r} should be two different words, such as ('attitude', 'behaviour').")
    return str(names[0]), str(names[1])


def _groups(grouping: Segmentation | pd.Series, which: str) -> pd.Series:
    """Return each customer's group as an ordered category, without missing ones."""
    if isinstance(grouping, Segmentation):
        grouping = grouping.named_labels
    if not isinstance(grouping, pd.Series):
        raise TypeError(
            f"{which} is {in_words(grouping)}. Pass a Segmentation, or a Series of each customer's group."
        )
    if not grouping.index.is_unique:
        example = grouping.index[grouping.index.duplicated()][0]
        raise ValueError(f"The customer {example!r} is twice in the {which}. Each should have one row.")
    grouping = grouping.dropna()
    if not isinstance(grouping.dtype, pd.CategoricalDtype):
        grouping = grouping.astype(pd.CategoricalDtype(_in_order(grouping, which)))
    words = [str(group) for group in grouping.cat.categories]
    if len(set(words)) < len(words):
        raise ValueError(
            f"Two groups of the {which} would both be called {max(words, key=words.count)!r}. Rename one."
        )
    return grouping.cat.rename_categories(words).cat.remove_unused_categories().rename(which)


def _in_order(groups: pd.Series, which: str) -> list:
    try:
        return sorted(groups.unique())
    except TypeError as error:
        kinds = " and ".join(sorted({type(group).__name__ for group in groups}))
        raise TypeError(
            f"The groups of the {which} are {kinds}, which cannot be sorted. Each customer's group should be a word or "
            f"a number, all alike: {which}.astype(str)."
        ) from error


def _cells(counts: pd.DataFrame) -> pd.DataFrame:
    observed = counts.to_numpy(dtype=float)
    n = observed.sum()
    rows, columns = observed.sum(axis=1, keepdims=True), observed.sum(axis=0, keepdims=True)
    expected = rows * columns / n
    known = expected > 0
    spread = np.sqrt(expected * (1 - rows / n) * (1 - columns / n))
    cells = {
        "customers": observed.astype("int64"),
        "share": observed / n,
        "of_first": _ratio(observed, rows),
        "of_second": _ratio(observed, columns),
        "expected": expected,
        "lift": np.where(known, observed / np.where(known, expected, 1.0), np.nan),
        "residual": np.where(
            spread > 1e-12, (observed - expected) / np.where(spread > 1e-12, spread, 1.0), np.nan
        ),
    }
    pairs = {
        "first": np.repeat([str(name) for name in counts.index], counts.shape[1]),
        "second": np.tile([str(name) for name in counts.columns], counts.shape[0]),
    }
    return pd.DataFrame(pairs | {name: values.ravel() for name, values in cells.items()})


def _ratio(observed: np.ndarray, totals: np.ndarray) -> np.ndarray:
    return np.where(totals > 0, observed / np.where(totals > 0, totals, 1.0), np.nan)
