"""Measure how far each period lies from what is usual, against the wobble of the reference periods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ALARM = 5.0  # wobbles beyond the usual distance; fewer are no drift
CALM = ALARM / 2  # at or below this, a move is over
LEAST_WOBBLE = 0.25  # of the usual distance: that of so few periods is known badly


@dataclass(frozen=True)
class Distances:
    """The distance of each period from the mean of the reference.

    Attributes
    ----------
    offsets : ndarray of shape (n_periods, n)
        From the mean of the reference; of a reference period, from the mean of the others.
    sizes : ndarray of shape (n_periods,)
        In their own unit; missing where nothing can be measured.
    effects : ndarray of shape (n_periods,)
        In wobbles beyond the usual distance.
    moved : ndarray of bool, shape (n_periods,)
        From the first period beyond the alarm until one that is calm.
    usual : float
        Median distance in the reference.
    """

    offsets: np.ndarray
    sizes: np.ndarray
    effects: np.ndarray
    moved: np.ndarray
    usual: float


def offsets_from(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return each period's values minus the mean of the reference periods, without the period itself."""
    known = np.isfinite(values) & reference.reshape(-1, *[1] * (values.ndim - 1))
    filled = np.where(known, values, 0.0)
    sums, counts = filled.sum(axis=0) - filled, known.sum(axis=0) - known
    means = np.divide(sums, counts, out=np.full(values.shape, np.nan), where=counts > 0)
    return values - means


def distances(
    offsets: np.ndarray, sizes: np.ndarray, chance: np.ndarray, reference: np.ndarray, least: float
) -> Distances:
    """Compare the size of each period's offset with those of the reference.

    Parameters
    ----------
    offsets, sizes
        As in :class:`Distances`.
    chance : ndarray of shape (n_periods,)
        The size that chance alone gives on average, with so few customers.
    reference : ndarray of bool, shape (n_periods,)
    least : float
        Smaller moves are none, however steady the reference is.
    """
    known = sizes[reference & np.isfinite(sizes)]
    middle = float(np.median(known)) if len(known) else np.nan
    spread = 1.4826 * float(np.median(np.abs(known - middle))) if len(known) else np.nan
    usual = np.fmax(middle, chance)
    wobble = np.maximum(np.fmax(spread, LEAST_WOBBLE * usual), 1e-12)
    effects = (sizes - usual) / wobble
    return Distances(
        offsets, sizes, effects, _runs(effects, (effects > ALARM) & (sizes > least) & ~reference), middle
    )


def _runs(effects: np.ndarray, beyond: np.ndarray) -> np.ndarray:
    """Return whether each period is in a move: from the first that is beyond the alarm until one that is calm."""
    moved, inside = np.zeros(len(effects), dtype=bool), False
    for t, effect in enumerate(effects):
        inside = bool(beyond[t]) or (inside and not effect <= CALM)
        moved[t] = inside and np.isfinite(effect)
    return moved
