"""Place points on a map by those who lie on it already, and say how far a place can be believed."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

ANCHORS = 5  # nearest points that say where a new one lies
ROUNDS = 10  # of the search for their median
FEW = 64  # queries that are answered without setting anything up
SAMPLE = 1_000  # points of the map that measure how far its nearest twentieth reaches
REACH = 0.05


def nearest_of_few(points: np.ndarray, n_neighbors: int, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest points of a few queries, as :func:`nearest`, without its start-up cost."""
    distances, found = np.empty((2, len(of), n_neighbors))
    for i, query in enumerate(of):
        apart = points - query
        squared = np.einsum("ij,ij->i", apart, apart)
        at = np.argpartition(squared, n_neighbors - 1)[:n_neighbors]
        at = at[np.lexsort((at, squared[at]))]
        distances[i], found[i] = np.sqrt(squared[at]), at
    return distances, found.astype(np.int64)


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


def reach_of(
    places: np.ndarray, anchors: np.ndarray, n_neighbors: int, rng: np.random.Generator
) -> np.ndarray:
    """Return how far the nearest twentieth of the map reaches from each place, or the neighbours if they are more.

    Parameters
    ----------
    places : ndarray of shape (n_points, 2)
    anchors : ndarray of shape (n_anchors, 2)
        The points that neighbours are looked for among, on the map.
    n_neighbors : int
    rng : Generator
        Draws the anchors that measure it.

    Returns
    -------
    ndarray of shape (n_points, 1)
    """
    reach = max(REACH, min(1.0, n_neighbors / len(anchors)))
    sample = anchors if len(anchors) <= SAMPLE else anchors[rng.choice(len(anchors), SAMPLE, replace=False)]
    within = max(1, min(len(sample), round(reach * len(sample)) + 1))  # and the point itself
    return cKDTree(sample).query(places, [within])[0]


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
