"""Show how each feature is prepared for distances, and how to change it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from segkit.analyse.numbers import natural
from segkit.analyse.prepare import Preparer, make_preparer
from segkit.analyse.words import MISSING, OTHER
from segkit.core.checks import check_type, checked_customers
from segkit.core.messages import listed
from segkit.core.order import by_id

SHOWN = 5  # words that are listed
CONSTANT = "one value"


def preparation(customers: pd.DataFrame, preparer: BaseEstimator | None = None) -> pd.DataFrame:
    """Show how each feature is prepared, in a table to read and to change.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        As for :func:`segkit.segment`.
    preparer : Preparer, optional
        From :func:`segkit.make_preparer`, or that of a result: ``result.model[0]``. Fitted to `customers` unless it is
        fitted. Default: ``make_preparer()``.

    Returns
    -------
    DataFrame
        Indexed by `feature`:

        * `is`: "number", "count" (whole numbers from 0), "two values" (however they are written), "words in order",
          "words", or "one value".
        * `logarithm`: whether distances are measured between logarithms.
        * `low`, `high`: the fences to which some customers' values are pulled in, in the feature's unit.
        * `scale`: what counts as a distance of 1, in the feature's unit; with a logarithm, the factor between two large
          values. Missing for words: two different ones lie 1.6 apart.
        * `missing`: share of the customers without a value. Each feature with missing values has a yes/no column for
          them as well.
        * `levels`: the words that have a column each, or their order.
        * `same_as`: features, or flags of missing values, that say the same (correlation of 0.98 or more) and share
          its weight.
        * `weight`: how much it counts: 1, or less where others say the same; a copy of two counts ½.
        * `change`: the arguments of :func:`segkit.make_preparer` that change this.

    Raises
    ------
    ValueError
        If the customers cannot be segmented, or have other features than the preparer was fitted to.
    TypeError
        If `preparer` is no Preparer.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"orders": [1, 2, 3, 4], "vip": ["yes", "no", "no", "yes"]}, index=list("abcd"))
    >>> sg.preparation(customers)[["is", "logarithm", "weight"]]
                     is  logarithm  weight
    feature
    orders        count      False     1.0
    vip      two values      False     1.0
    """
    customers = by_id(checked_customers(customers))
    preparer = make_preparer() if preparer is None else preparer
    wanted = "It should be from make_preparer(…), or the preparer of a result: result.model[0]."
    check_type("preparer", preparer, Preparer, wanted)
    if not hasattr(preparer, "scale_"):
        preparer = Preparer(**preparer.get_params()).fit(customers)
    values = preparer.numbers(customers)  # refuses other features
    owners, n = preparer.owners_, values.shape[1]
    copies = same_as(preparer)
    firsts = {own[0]: at for at, own in reversed(list(enumerate(owners))) if not _is_flag(preparer, at)}
    at_number = {owners[at][0]: at for at in range(n)}
    shares = customers.isna().mean()
    rows: dict[str, dict[str, Any]] = {}
    for position, feature in enumerate(customers.columns):
        at = at_number.get(feature)
        words = preparer.ranks_.get(position) or preparer.levels_.get(position)
        numbers = np.empty(0) if at is None else values[~np.isnan(values[:, at]), at]
        is_ = _what(numbers if at is not None else None, position in preparer.ranks_, words)
        rows[feature] = {
            "is": is_,
            "logarithm": at is not None and bool(preparer.logged_[at]),
            **_scale(preparer, at, is_, numbers),
            "missing": float(shares[feature]),
            "levels": _levels(words),
            "same_as": listed(copies[feature]),
            "weight": float(round(preparer.weight_[firsts[feature]] ** 2, 6)) if feature in firsts else 0.0,
            "change": _change(feature, is_, bool(copies[feature])),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("feature")


def same_as(preparer: Preparer, *, flags: bool = True) -> dict[str, list[str]]:
    """Return for each feature of a fitted preparer those that say the same.

    Parameters
    ----------
    preparer : Preparer
        Fitted.
    flags : bool, default=True
        Whether flags of missing values are compared too; they are named "age missing".
    """
    owners, names = preparer.owners_, preparer.get_feature_names_out()
    starts = [
        at for at, own in enumerate(owners) if at == 0 or _is_flag(preparer, at) or owners[at - 1] != own
    ]
    labels = [names[at] if _is_flag(preparer, at) else owners[at][0] for at in starts]
    used = [b for b, at in enumerate(starts) if flags or not _is_flag(preparer, at)]
    same: dict[str, list[str]] = {name: [] for name in preparer._names()}
    for block in used:
        for feature in owners[starts[block]]:
            others = [c for c in used if preparer.redundant_[block, c] and feature not in owners[starts[c]]]
            same[feature] += [labels[c] for c in others if labels[c] not in same[feature]]
    return same


def _is_flag(preparer: Preparer, column: int) -> bool:
    n = len(preparer.logged_)
    return n <= column < n + len(preparer.flagged_)


def _what(numbers: np.ndarray | None, ranked: bool, words: list[str] | None) -> str:
    """Return what a feature is; `numbers` are its known values, None for words without an order."""
    if numbers is None:
        return CONSTANT if len([w for w in words or () if w != MISSING]) < 2 else "words"
    different = len(np.unique(numbers))
    if different < 2:
        return CONSTANT
    if different == 2:
        return "two values"
    if ranked:
        return "words in order"
    return "count" if (numbers >= 0).all() and (numbers % 1 == 0).all() else "number"


def _scale(preparer: Preparer, at: int | None, is_: str, numbers: np.ndarray) -> dict[str, float]:
    """Return the fences that some values lie beyond, and the scale of a number, in its unit."""
    if at is None or is_ == CONSTANT:
        return dict.fromkeys(("low", "high", "scale"), float("nan"))
    scales = preparer._scales
    fences = (np.array([scales.low, scales.high]) - scales.center) / scales.scale
    with np.errstate(over="ignore"):
        low, high = (float(fence) for fence in natural(fences, scales)[:, at])
    scale = np.exp(scales.scale[at]) if scales.logged[at] else scales.scale[at]
    return {
        "low": low if numbers.min() < low else float("nan"),
        "high": high if numbers.max() > high else float("nan"),
        "scale": float(scale),
    }


def _levels(words: list[str] | None) -> str:
    """Return the words that have a column, those of all others and of missing ones last."""
    if not words:
        return ""
    own = [word for word in words if word not in (OTHER, MISSING)]
    return ", ".join([listed(own, SHOWN), *(word for word in words if word in (OTHER, MISSING))])


def _change(feature: str, is_: str, has_copies: bool) -> str:
    """Return the arguments of `make_preparer` that change how a feature is prepared."""
    if is_ == CONSTANT:
        return "segment leaves it out"
    ways = {
        "number": "log='none' or log=[…]; fences=…",
        "count": "log='none' or log=[…]; fences=…",
        "words": "max_categories=…; a category with an order is prepared as ranks",
    }
    weights = f"weights={{{feature!r}: 2}}"
    copies = (
        [f"weights={{{feature!r}: 0}} leaves it out, and the others share its weight"] if has_copies else []
    )
    return "; ".join([*([ways[is_]] if is_ in ways else []), weights, *copies])
