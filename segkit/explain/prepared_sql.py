"""Write how features are prepared as expressions of SQL, in the order of operations of Python."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir
import numpy as np

from segkit.analyse.numbers import Scales, as_logged, scaled
from segkit.analyse.prepare import Preparer
from segkit.analyse.words import MISSING, OTHER, WEIGHT
from segkit.explain.sql_parts import all_of, limit, number
from segkit.methods.mixture_preparer import MixturePreparer

LARGEST = struct.unpack("<q", struct.pack("<d", np.finfo(float).max))[0]  # the bits of the largest float


class Prepared(NamedTuple):
    """The prepared columns of customers.

    Attributes
    ----------
    columns : list of ibis columns
        As of the preparer's matrix; never NULL where there is a preparer.
    fills : bool
        Whether missing values are filled in.
    """

    columns: list[ir.Value]
    fills: bool


def prepared_columns(preparer: Any, customers: ir.Table, features: Sequence[str]) -> Prepared | None:
    """Return the expressions of the prepared columns, or None for a preparer that is not known here.

    Parameters
    ----------
    preparer : Preparer, MixturePreparer or None
        Fitted.
    customers : ibis Table
        The features: float64 or string, missing is NULL.
    features : sequence of str
        Their names in the order of the fit.
    """
    if preparer is None:
        return Prepared([customers[name] for name in features], fills=False)
    if isinstance(preparer, Preparer):
        return Prepared(_of_preparer(preparer, customers, features), fills=True)
    if isinstance(preparer, MixturePreparer):
        return Prepared(_of_mixture(preparer, customers, features), fills=True)
    return None


def numbers_of(preparer: Preparer, customers: ir.Table, features: Sequence[str]) -> list[ir.Value]:
    """Return the numeric features in the order of the prepared columns; words in an order are 0, 1, 2, …"""
    numbers: list[ir.Value] = []
    for i in preparer.positions_:
        name = features[i]
        if i in preparer.ranks_:
            words = preparer.ranks_[i]
            none = ibis.null("float64")
            ranks = [(word, number(rank)) for rank, word in enumerate(words)]
            numbers.append(customers[name].cases(*ranks, else_=none) if words else none)
        else:
            numbers.append(customers[name])
    return numbers


def scales_of(preparer: Preparer) -> Scales:
    """Return how a preparer scales numbers."""
    return Scales(*(getattr(preparer, f"{name}_") for name in Scales._fields))


def least_where(holds: Callable[[float], bool]) -> float | None:
    """Return the least float for which a condition holds that holds for all larger ones; None where it never does."""
    low, high = -LARGEST, LARGEST
    if not holds(_float_at(high)):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(_float_at(middle)) else (middle + 1, high)
    return _float_at(low)


def _float_at(place: int) -> float:
    """Return the float of a place in their order; that of 0 is 0."""
    size = struct.unpack("<d", struct.pack("<q", abs(place)))[0]
    return float(size if place >= 0 else -size)


def _of_preparer(preparer: Preparer, customers: ir.Table, features: Sequence[str]) -> list[ir.Value]:
    numbers = numbers_of(preparer, customers, features)
    scales = scales_of(preparer)
    weights = iter(preparer.weight_.tolist())
    columns = [
        _scaled(x, Scales(*(field[[at]] for field in scales)), next(weights)) for at, x in enumerate(numbers)
    ]
    for at, (known, missing) in zip(preparer.flagged_, preparer.flag_values_.T, strict=True):
        weight = next(weights)
        columns.append(numbers[at].isnull().ifelse(number(missing * weight), number(known * weight)))
    for i, levels in preparer.levels_.items():
        for level in levels:
            columns.append(_hot(customers[features[i]], level, levels, WEIGHT * 1.0 * next(weights)))
    return columns


def _of_mixture(preparer: MixturePreparer, customers: ir.Table, features: Sequence[str]) -> list[ir.Value]:
    plain = preparer.plain_
    every = numbers_of(plain, customers, features)
    kept = [every[at] for at in preparer.numbers_]
    logged, unit = plain.logged_, plain.unit_
    columns = []
    for place, at in enumerate(preparer.numbers_):
        ends = [
            fitted[[place]] for fitted in (preparer.low_, preparer.high_, preparer.center_, preparer.scale_)
        ]
        columns.append(_scaled(every[at], Scales(logged[[at]], unit[[at]], *ends), 1.0))
    columns += [x.isnull().ifelse(number(1), number(0)) for x in kept]
    for at, cuts in preparer.cuts_.items():
        columns += _bins(every[at], cuts, logged[[at]], unit[[at]])
    for i, levels in preparer.levels_.items():
        columns += [_hot(customers[features[i]], level, levels, 1.0) for level in levels]
    return columns


def _scaled(x: ir.Value, scales: Scales, weight: float) -> ir.Value:
    """Return a prepared number; 0 where it is missing. Beyond the fences it is a constant."""
    logged, unit, low, high, center, scale = (field[0] for field in scales)
    if weight == 0:
        return number(0)
    moved = x
    if logged:
        units = x / number(unit) if unit != 1 else x
        moved = units.sign() * (number(1) + units.abs()).ln()
    value = moved - number(center) if center != 0 else moved
    value = value / number(scale) if scale != 1 else value
    value = value * number(weight) if weight != 1 else value
    branches = [(x.isnull(), number(0))]
    for fence, beyond in ((low, x.__le__), (high, x.__ge__)):
        at = _unlogged(fence, unit) if logged else fence
        if np.isfinite(at):
            branches.append((beyond(number(at)), number((fence - center) / scale * weight)))
    return ibis.cases(*branches, else_=value)


def _unlogged(value: float, unit: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.sign(value) * np.expm1(np.abs(value)) * unit)


def _hot(word: ir.Value, level: str, levels: list[str], value: float) -> ir.Value:
    """Return the value where a word has a level, else 0."""
    if level == OTHER:
        others = [other for other in levels if other != OTHER]
        has = all_of([word.notnull(), word.notin(others)]) if others else word.notnull()
    elif level == MISSING:
        has = word.isnull() | (word == MISSING)
    else:
        has = word == level
    return ibis.cases((has, number(value)), else_=number(0))


def _bins(x: ir.Value, cuts: np.ndarray, logged: np.ndarray, unit: np.ndarray) -> list[ir.Value]:
    """Return a column for each bin, 1 where a number lies in it; the value of a cut belongs below."""

    def above(cut: float) -> Callable[[float], bool]:
        return lambda value: bool(as_logged(np.array([[value]]), logged, unit)[0, 0] > cut)

    starts = [least_where(above(cut)) for cut in cuts.tolist()]
    known = [limit(start) for start in starts if start is not None]
    inside = []
    for i in range(len(cuts) + 1):
        if i > len(known):
            inside.append(ibis.literal(False))
            continue
        within = [
            x.notnull(),
            *([x >= known[i - 1]] if i else []),
            *([x < known[i]] if i < len(known) else []),
        ]
        inside.append(all_of(within))
    return [ibis.cases((here, number(1)), else_=number(0)) for here in inside]


def reached(preparer: Preparer | None, column: int, cut: float) -> float | None:
    """Return the least number in its own unit whose prepared value reaches a cut; None where none does."""
    if preparer is None:
        return cut
    scales = Scales(*(field[[column]] for field in scales_of(preparer)))
    weight = float(preparer.weight_[column])
    return least_where(lambda value: bool(scaled(np.array([[value]]), scales)[0, 0] * weight >= cut))
