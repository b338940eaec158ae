"""Measure the customers of each period: the share of each segment, and where its middle is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from segkit.analyse.prepare import Preparer
from segkit.methods.partition import Partition, plain_preparer
from segkit.over_time.periods import place
from segkit.over_time.usual import Distances, distances, offsets_from

LEAST_SHARE = 0.02  # of the customers in another segment; smaller moves are none
LEAST_SHIFT = 0.15  # spreads; smaller moves of the middles are none


@dataclass(frozen=True)
class Places:
    """Where the customers of each period are.

    Attributes
    ----------
    moments : list of Timestamp
    segments : list of int
        In the order of the shares; −1 are those outside.
    features : list of str
        The prepared features.
    sizes : ndarray of shape (n_periods,)
    shares : ndarray of shape (n_periods, n_segments)
    middles : ndarray of shape (n_periods, n_segments, n_prepared)
        Mean of each segment; missing where it is empty.
    spreads : ndarray of shape (n_prepared,)
        Standard deviation within segments in the reference.
    """

    moments: list[pd.Timestamp]
    segments: list[int]
    features: list[str]
    sizes: np.ndarray
    shares: np.ndarray
    middles: np.ndarray
    spreads: np.ndarray


def measure_places(
    result: Partition, periods: Mapping[pd.Timestamp, pd.DataFrame], reference: np.ndarray
) -> Places:
    """Place the customers of each period with the frozen model, and measure them."""
    preparer, features = plain_preparer(result), list(result.customers.columns)
    segments = [*result.segments, -1]
    counts, middles, squares = [], [], []
    for table in tqdm(periods.values(), desc="Placing customers", unit="period", delay=1, leave=False):
        rows = points_of(preparer, table[features])
        at = positions(place(result, table).to_numpy(), segments)
        number = np.bincount(at, minlength=len(segments))
        middle = sums_by(rows, at, len(segments)) / np.where(number > 0, number, np.nan)[:, None]
        counts.append(number)
        middles.append(middle)
        squares.append((rows**2).sum(axis=0) - (number[:, None] * np.nan_to_num(middle) ** 2).sum(axis=0))
    sizes = np.array(counts).sum(axis=1)
    variance = np.array(squares)[reference].sum(axis=0) / max(sizes[reference].sum(), 1)
    names = list(preparer.get_feature_names_out())
    spreads = np.sqrt(np.maximum(variance, 0))
    shares = np.array(counts) / np.maximum(sizes, 1)[:, None]
    return Places(list(periods), segments, names, sizes, shares, np.array(middles), spreads)


def points_of(preparer: Preparer, table: pd.DataFrame) -> np.ndarray:
    """Return prepared customers; what is still missing counts as the middle."""
    return np.nan_to_num(np.asarray(preparer.matrix(table), dtype=float))


def positions(labels: np.ndarray, segments: list[int]) -> np.ndarray:
    """Return the position of each label among the segments; of unknown ones the last, outside."""
    at = pd.Index(segments).get_indexer(labels)
    return np.where(at < 0, len(segments) - 1, at)


def sums_by(rows: np.ndarray, at: np.ndarray, n: int) -> np.ndarray:
    """Return the sum of the rows of each group."""
    return np.stack([np.bincount(at, weights=column, minlength=n) for column in rows.T], axis=1)


def share_distances(places: Places, reference: np.ndarray) -> Distances:
    """Return the share of customers who would have to be in another segment for the shares to be as usual."""
    offsets = offsets_from(places.shares, reference)
    usual = places.shares[reference].mean(axis=0)
    deviation = np.sqrt(usual * (1 - usual) * 2 / np.pi)
    sizes = np.maximum(places.sizes, 1)
    # Where segments were empty, or everyone's, in the reference, chance is still that of one customer.
    chance = np.maximum(0.5 * deviation.sum() / np.sqrt(sizes), 1 / sizes)
    return distances(offsets, 0.5 * np.abs(offsets).sum(axis=1), chance, reference, LEAST_SHARE)


def shifts(places: Places, reference: np.ndarray) -> np.ndarray:
    """Return how far each segment's middle moved along each feature, in spreads; 0 where it cannot be known."""
    steps = offsets_from(places.middles, reference)
    known = places.spreads > 1e-9
    scaled = np.divide(steps, places.spreads, out=np.zeros_like(steps), where=known & np.isfinite(steps))
    return scaled


def middle_distances(places: Places, reference: np.ndarray) -> Distances:
    """Return how far the middles of the segments moved, in spreads, on average over customers."""
    moved = shifts(places, reference)
    weights = places.shares[reference].mean(axis=0)
    sizes = np.linalg.norm(moved, axis=2) @ weights
    counts = np.maximum(places.shares * places.sizes[:, None], 1)
    chance = np.sqrt((places.spreads > 1e-9).sum() / counts) @ weights
    weighted = moved * np.sqrt(weights)[:, None]
    return distances(weighted.reshape(len(sizes), -1), sizes, chance, reference, LEAST_SHIFT)
