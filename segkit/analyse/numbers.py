"""Make numbers comparable: fences for outliers, logarithms of skewed ones, and a scale for any shape.

The scale is the standard deviation, which neither shrinks features with two modes nor lets them grow. Where more than
half of the customers share one value, such as 0, it is the deviation of the others from that value: so yes and no lie
equally far apart, whether they are balanced or one of them is rare.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
PULLED_IN = 0.01  # most customers on one side whose values are pulled in to the fence; one at least
SKEWED = 1.0  # skewness from which a logarithm is tried; it is taken if it at least halves the skewness
LOOKED = 20_000  # customers, evenly spaced, by whom fences and logarithms are chosen
UNIT = 0.05  # quantile of the positive values that a logarithm counts as one, so that cents and dollars agree


class Scales(NamedTuple):
    """How numbers are prepared, an entry for each feature: ``(clip(log1p(x / unit), low, high) - center) / scale``.

    Attributes
    ----------
    logged : ndarray of bool
        Where False, x itself is used.
    unit : ndarray of float
    low, high : ndarray of float
        The fences, after the logarithm; infinite where there are none.
    center, scale : ndarray of float
    """

    logged: np.ndarray
    unit: np.ndarray
    low: np.ndarray
    high: np.ndarray
    center: np.ndarray
    scale: np.ndarray


def learn_scales(values: np.ndarray, log: np.ndarray | None, scale: str, fences: float) -> Scales:
    """Learn how to prepare numbers.

    Parameters
    ----------
    values : ndarray of shape (n, n_numbers)
        NaN where missing.
    log : ndarray of bool, shape (n_numbers,), optional
        Which features to take logarithms of; by default, of those that become less skewed.
    scale : {"auto", "standard", "none"}
        As in :class:`segkit.Preparer`.
    fences : float
        As in :class:`segkit.Preparer`.

    Returns
    -------
    Scales
    """
    rows = [
        _learn(column[~np.isnan(column)], None if log is None else bool(log[i]), scale, fences)
        for i, column in enumerate(values.T)
    ]
    columns = np.array(rows, dtype=float).reshape(-1, len(Scales._fields)).T
    return Scales(columns[0].astype(bool), *columns[1:])


def scaled(values: np.ndarray, scales: Scales) -> np.ndarray:
    """Return prepared numbers; NaN where they are missing."""
    moved = as_logged(values, scales.logged, scales.unit)
    return (np.clip(moved, scales.low, scales.high) - scales.center) / scales.scale


def natural(prepared: np.ndarray, scales: Scales) -> np.ndarray:
    """Return the numbers in their own units, of prepared ones; those beyond the fences are at the fence."""
    moved = prepared * scales.scale + scales.center
    back = np.sign(moved) * np.expm1(np.abs(moved)) * scales.unit
    return np.where(scales.logged, back, moved)


def as_logged(values: np.ndarray, logged: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return the values, with logarithms of the logged ones; a loss lies as far below 0 as a gain above."""
    if not logged.any():
        return values
    moved = np.array(values, dtype=float)
    with np.errstate(over="ignore"):
        units = moved[:, logged] / unit[logged]
    moved[:, logged] = np.sign(units) * np.log1p(np.abs(units))
    return moved


def _learn(known: np.ndarray, log: bool | None, scale: str, fences: float) -> tuple[float, ...]:
    """Return the entries of :class:`Scales` for the known values of one feature."""
    if len(known) == 0:
        return (0.0, 1.0, -np.inf, np.inf, 0.0, 1.0)
    two_valued = bool(((known == known.min()) | (known == known.max())).all())
    every, known = known, known[:: max(len(known) // LOOKED, 1)]
    positive = known[known > 0]
    unit = float(np.quantile(positive, UNIT)) if len(positive) else 1.0
    none = scale == "none"
    low, high = (-np.inf, np.inf) if two_valued or none else fences_of(known, fences)
    logged = log if log is not None else not two_valued and _log_helps(known, unit, fences)
    if logged:
        every, known = _log(every, unit), _log(known, unit)
        low, high = (-np.inf, np.inf) if two_valued or none else fences_of(known, fences)
    center, spread = (0.0, 1.0) if none else _center_and_spread(np.clip(every, low, high), scale)
    return float(logged), unit, low, high, center, spread


def _log(values: np.ndarray, unit: float) -> np.ndarray:
    return as_logged(values[:, None], np.array([True]), np.array([unit]))[:, 0]


def fences_of(values: np.ndarray, width: float) -> tuple[float, float]:
    """Return the lowest and the highest value that is left as it is.

    Parameters
    ----------
    values : ndarray of shape (n,)
    width : float
        In standard deviations of a normal distribution of the same median absolute deviation; where that is 0, of the
        values that differ from the median.
    """
    middle = float(np.median(values))
    away = np.abs(values - middle)
    spread = float(np.median(away))
    if spread == 0 and away.any():
        spread = float(np.median(away[away > 0]))
    reach = width * NORMAL_MAD * spread
    most = min(max(int(PULLED_IN * len(values)), 1), len(values) - 1)
    ends = np.partition(values, [most, len(values) - 1 - most])
    return min(middle - reach, float(ends[most])), max(middle + reach, float(ends[-1 - most]))


def _log_helps(known: np.ndarray, unit: float, fences: float) -> bool:
    """Return whether a feature without negative values is skewed, and at most half as much after its logarithm."""
    if len(known) < 3 or known.min() < 0:
        return False
    skew = _skewness(np.clip(known, *fences_of(known, fences)))
    if skew <= SKEWED:
        return False
    logged = _log(known, unit)
    return abs(_skewness(np.clip(logged, *fences_of(logged, fences)))) <= skew / 2


def _skewness(values: np.ndarray) -> float:
    values, _ = _near_one(values)
    centred = values - values.mean()
    spread = np.sqrt((centred**2).mean())
    return float(((centred / spread) ** 3).mean()) if spread > 0 else 0.0


def _center_and_spread(values: np.ndarray, scale: str) -> tuple[float, float]:
    near_one, power = _near_one(values)
    center, spread = near_one.mean(), near_one.std()
    if scale == "auto":
        usual = np.quantile(near_one, 0.5, method="lower")
        others = near_one[near_one != usual]
        if len(others):
            spread = max(spread, np.sqrt(((others - usual) ** 2).mean() / 2))
    if not spread > 1e-12 * abs(center):  # the same for all, but for rounding
        return float(np.ldexp(center, power)), 1.0
    return float(np.ldexp(center, power)), float(np.ldexp(spread, power))


def _near_one(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Divide numbers by a power of two, which is exact, so that their squares do not overflow."""
    power = int(np.frexp(np.abs(values).max())[1])
    return np.ldexp(values, -power), power
