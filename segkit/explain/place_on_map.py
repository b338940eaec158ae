"""Place points on a map by those who lie on it already, and say how far a place can be believed."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

ANCHORS = 5  # nearest points that say where a new one lies
ROUNDS = 10  # of the search for their median
FEW = 64  # queries that are answered without setting anything up
SAMPLE = 1_000  # points of the map that measure how far its nearest twentieth reaches
REACH = 0.05


def median_place(distances: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return where points lie whose nearest neighbours lie at some places: their weighted geometric median.

    A mean would put a point whose neighbours lie in two groups into the empty space between them.

    Parameters
    ----------
    distances : ndarray of shape (n_points, n_neighbors)
        In all dimensions; near ones count more, by the inverse square.
    places : ndarray of shape (n_points, n_neighbors, 2)
        On the map.

    Returns
    -------
    ndarray of shape (n_points, 2)
        The place of a neighbour that equals the point, or else the median, found by Weiszfeld's algorithm.
    """
    least = np.maximum(1e-6 * distances.mean(axis=1, keepdims=True), 1e-12)
    weights = np.maximum(distances, least) ** -2
    weights = (weights / weights.sum(axis=1, keepdims=True))[:, :, None]
    middle = (weights * places).sum(axis=1)
    floor = 1e-3 * np.maximum(np.ptp(places, axis=1).max(axis=1), 1e-9)[:, None, None]
    for _ in range(ROUNDS):
        apart = np.linalg.norm(places - middle[:, None], axis=2)[:, :, None]
        shares = weights / np.maximum(apart, floor)
        middle = (shares * places).sum(axis=1) / shares.sum(axis=1)
    equal = distances[:, 0] == 0
    middle[equal] = places[equal, 0]
    return middle


def sample_of(places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return points of the map that measure how far its parts reach."""
    return places if len(places) <= SAMPLE else places[rng.choice(len(places), SAMPLE, replace=False)]


def reach_of(places: np.ndarray, sample: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return how far the nearest twentieth of the map reaches from each place, or a larger share of it.

    Parameters
    ----------
    places : ndarray of shape (n_points, 2)
    sample : ndarray of shape (n_sample, 2)
        Points of the map that measure it.
    shares : ndarray of shape (n_points,)
        The share of the map that is as much alike: more than a twentieth where very many are.

    Returns
    -------
    ndarray of shape (n_points, 1)
    """
    shares = np.clip(shares, REACH, 1.0)
    within = np.clip(np.round(shares * len(sample)).astype(int) + 1, 1, len(sample))  # and the point itself
    tree, radius = cKDTree(sample), np.empty((len(places), 1))
    for many in np.unique(within):
        radius[within == many] = tree.query(places[within == many], [many])[0]
    return radius


def equals_of(points: np.ndarray) -> np.ndarray:
    """Return how many points equal each, itself included.

    Examples
    --------
    >>> equals_of(np.array([[0.0, 1.0], [2.0, 1.0], [0.0, 1.0]])).tolist()
    [2, 1, 2]
    """
    _, groups, sizes = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    return sizes[groups]


def share_kept(places: np.ndarray, neighbours: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Return which share of each point's true neighbours lies within its radius on the map.

    Parameters
    ----------
    places : ndarray of shape (n_points, 2)
    neighbours : ndarray of shape (n_points, n_neighbors, 2)
        Places of the true neighbours.
    radius : ndarray of shape (n_points, 1)
        From :func:`reach_of`.

    Returns
    -------
    ndarray of shape (n_points,)
    """
    apart = np.linalg.norm(neighbours - places[:, None], axis=2)
    return (apart <= radius * (1 + 1e-9)).mean(axis=1)
