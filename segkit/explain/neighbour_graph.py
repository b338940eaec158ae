"""Find nearest neighbours, and join them to the graph that a map is laid out by."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from segkit.methods.assignment import CLOSE
from segkit.methods.assignment import nearest as nearest_center

HALVINGS = 40  # of the range of a bandwidth; float32 has 24 bits
CELLS = 128  # of the space, when many look for their neighbours
CANDIDATES = 1_024  # nearest to the middle of a cell, among whom all in the cell look


def nearest(
    points: np.ndarray, n_neighbors: int, of: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest points by comparing all.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions)
    n_neighbors : int
    of : ndarray of shape (n_queries, n_dimensions), optional
        Whose neighbours; by default those of the points, without each point itself.

    Returns
    -------
    distances, positions : ndarrays of shape (n_queries, n_neighbors)
    """
    with threadpool_limits(limits=1):
        finder = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(points)
        found = finder.kneighbors(of, return_distance=False)
    distances = np.linalg.norm(
        points[found] - (points if of is None else of)[:, None], axis=2
    )  # free of rounding
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(found, order, axis=1)


def nearest_alone(points: np.ndarray, n_neighbors: int, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest points of each query, the same whatever other queries there are; as :func:`nearest`.

    Which of equally near points a matrix product finds depends on all queries, so these are measured one by one.
    """
    distances, found = nearest(points, min(n_neighbors + 1, len(points)), of)
    if n_neighbors < len(points):
        tied = distances[:, -1] <= distances[:, -2] * (1 + CLOSE)
        distances, found = distances[:, :-1].copy(), found[:, :-1].copy()
        distances[tied], found[tied] = nearest_of_few(points, n_neighbors, of[tied])
    return distances, found


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


def nearest_of_many(
    points: np.ndarray, n_neighbors: int, of: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest points of many queries, nearly always: each looks among those nearest to the middle of its cell.

    Parameters and returns as of :func:`nearest`.
    """
    distances = np.empty((len(of), n_neighbors))
    found = np.empty((len(of), n_neighbors), dtype=np.int64)
    for rows, near in cells_of(points, of, rng):
        distances[rows], at = nearest(points[near], n_neighbors, of[rows])
        found[rows] = near[at]
    return distances, found


def cells_of(
    points: np.ndarray, of: np.ndarray, rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Divide queries into cells; return the positions of each cell's queries, and of the points to look among.

    Of few points there is one cell, in which all are looked through.
    """
    if len(points) <= 4 * CANDIDATES:
        return [(np.arange(len(of)), np.arange(len(points)))]
    middles = points[rng.choice(len(points), CELLS, replace=False)]
    cells = nearest_center(of, middles)
    candidates = nearest(points, CANDIDATES, middles)[1]
    order = np.argsort(cells, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(cells[order])) + 1)
    return [(rows, candidates[cells[rows[0]]]) for rows in parts]


def spread_among_equals(
    points: np.ndarray, distances: np.ndarray, neighbours: np.ndarray, random_state: int
) -> np.ndarray:
    """Return the neighbours, drawn at random where more points equal one than it has neighbours.

    Otherwise all these would have the same few neighbours, and the map could tear them apart.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions)
    distances, neighbours : ndarrays of shape (n_points, n_neighbors)
    random_state : int

    Returns
    -------
    ndarray of int, shape (n_points, n_neighbors)
    """
    rows = np.flatnonzero(distances[:, -1] == 0)
    if not len(rows):
        return neighbours
    _, groups = np.unique(points, axis=0, return_inverse=True)
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    firsts, place = np.cumsum(sizes) - sizes, np.empty(len(points), dtype=np.int64)
    place[order] = np.arange(len(points))
    first, others = firsts[groups[rows]][:, None], sizes[groups[rows]][:, None] - 1
    # One from each of as many stretches of the others, so that nobody is drawn twice.
    bounds = others * np.arange(neighbours.shape[1] + 1) // neighbours.shape[1]
    chance = np.random.default_rng(random_state).random((len(rows), neighbours.shape[1]))
    steps = 1 + bounds[:, :-1] + (chance * np.diff(bounds)).astype(np.int64)
    spread = neighbours.copy()
    spread[rows] = order[first + (place[rows][:, None] - first + steps) % (others + 1)]
    return spread


def fuzzy_graph(distances: np.ndarray, neighbours: np.ndarray) -> sparse.csr_matrix:
    """Weigh how surely two points belong together, as UMAP does [1]_.

    The nearest neighbour of each point has weight 1, and the weights fall off so that they add up to log2 of the number
    of neighbours. Two points belong together if either says so.

    Parameters
    ----------
    distances, neighbours : ndarrays of shape (n_points, n_neighbors)

    Returns
    -------
    csr_matrix of shape (n_points, n_points), float32
        Symmetric; weights above 0 up to 1.

    References
    ----------
    .. [1] McInnes, Healy & Melville (2018), UMAP, arXiv:1802.03426, section 3.1.
    """
    n, k = distances.shape
    beyond_zero = np.where(distances > 0, distances, np.inf).min(axis=1)
    beyond = np.maximum(distances - np.where(np.isinf(beyond_zero), 0, beyond_zero)[:, None], 0)
    low, high, width = np.zeros(n), np.full(n, np.inf), np.ones(n)
    for _ in range(HALVINGS):
        wide = np.exp(-beyond / width[:, None]).sum(axis=1) > np.log2(k + 1)
        high, low = np.where(wide, width, high), np.where(wide, low, width)
        width = np.where(np.isinf(high), 2 * width, (low + high) / 2)
    width = np.maximum(width, 1e-3 * np.where(distances.any(axis=1), distances.mean(axis=1), 1))
    weights = np.exp(-beyond / width[:, None]).astype(np.float32)
    one_way = sparse.csr_matrix(
        (weights.ravel(), neighbours.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n)
    )
    other_way = one_way.T.tocsr()
    return (one_way + other_way - one_way.multiply(other_way)).tocsr()
