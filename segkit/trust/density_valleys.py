"""How deep are the valleys between groups of customers: the statistic of the structure test.

k-means cuts a single crowd where it is densest, so that the density along the line between two centres has
no valley; between groups that exist it has one. Lines, and not distances, since a long tail makes any
crowd look as if its parts lay far apart.
"""

from __future__ import annotations

import numpy as np

BINS = 24  # of the density along a line, over which a peak or a valley is looked for
OUTER = 0.5  # how far beyond a centre the line goes on, in distances between the two centres
TRIALS = 5  # places tried for each new centre
ROUNDS = 8  # of Lloyd's algorithm
KERNEL = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9.0  # smooths the density over neighbouring bins
LEAST = 5  # customers without whom a group has no density
OWN_SIDE = (
    0.75  # of a group must be nearer to its own centre than to the other's, else no valley lies between them
)


def deepest_valleys(points: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return, for 2 to `most` groups, how well the best separated of them is separated.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Prepared customers.
    most : int
        Groups at the most.
    rng : Generator

    Returns
    -------
    ndarray of shape (most − 1,)
        Standard errors by which the valley lies below the lower of the peaks beside it.
    """
    found = np.zeros(most - 1)
    squares = np.einsum("ij,ij->i", points, points)
    centers = points.mean(axis=0, keepdims=True)
    for k in range(2, most + 1):
        centers = _with_another(points, squares, centers, rng)
        labels, centers = _lloyd(points, centers)
        found[k - 2] = separations(points, labels, centers)[0].max()
    return found


def separations(points: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how well each group is separated from the one that it is least separated from, and which that is.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    labels : ndarray of int, shape (n,)
        0 to k − 1.
    centers : ndarray of shape (k, d)

    Returns
    -------
    separation : ndarray of shape (k,)
        As in :func:`deepest_valleys`; 0 where a group has fewer than five customers, and between groups that lie in
        the same place, as lots do: what the density does there is not between them.
    nearest : ndarray of int, shape (k,)
    """
    k = len(centers)
    along = points @ centers.T
    squares = np.einsum("ij,ij->i", centers, centers)
    apart = squares[:, None] + squares[None, :] - 2 * centers @ centers.T
    np.fill_diagonal(apart, 1.0)
    own = labels
    # Where each customer lies on the line from its own centre (0) to each other one (1).
    at = (along - along[np.arange(len(points)), own][:, None]) - (
        (centers @ centers.T)[own] - squares[own][:, None]
    )
    at /= np.maximum(apart[own], 1e-12)
    bins = np.floor((at + OUTER) / (1 + 2 * OUTER) * BINS).astype(np.int64)
    inside = (bins >= 0) & (bins < BINS)
    cell = (own[:, None] * k + np.arange(k)[None, :]) * BINS + bins
    counts = np.bincount(cell[inside], minlength=k * k * BINS).reshape(k, k, BINS).astype(float)
    both = counts + counts.transpose(1, 0, 2)[:, :, ::-1]
    depth = np.where(_on_their_own_sides(at, own, k), depths(both), 0.0)
    np.fill_diagonal(depth, np.inf)
    few = np.bincount(own, minlength=k) < LEAST
    depth[few, :] = 0.0
    depth[:, few] = np.where(few.all(), 0.0, np.inf)
    depth[few, :] = 0.0
    return np.where(np.isfinite(depth.min(axis=1)), depth.min(axis=1), 0.0), depth.argmin(axis=1)


def _on_their_own_sides(at: np.ndarray, own: np.ndarray, k: int) -> np.ndarray:
    """Return for each two groups whether most members of both are nearer to their own centre."""
    sizes = np.maximum(np.bincount(own, minlength=k), 1)
    near = (np.eye(k)[own].T @ (at < 0.5)) / sizes[:, None]
    return np.minimum(near, near.T) >= OWN_SIDE


def depths(counts: np.ndarray) -> np.ndarray:
    """Return the depth of the deepest valley of each density, in standard errors of the counts beside it."""
    reach = len(KERNEL) // 2
    wide = np.pad(counts, [(0, 0)] * (counts.ndim - 1) + [(reach, reach)])
    smooth = sum(w * wide[..., i : i + counts.shape[-1]] for i, w in enumerate(KERNEL))
    left = np.maximum.accumulate(smooth, axis=-1)
    right = np.maximum.accumulate(smooth[..., ::-1], axis=-1)[..., ::-1]
    lower = np.minimum(left, right)
    noise = np.sqrt((lower + smooth) * (KERNEL**2).sum() + 0.05)
    return ((lower - smooth) / noise).max(axis=-1)


def _with_another(
    points: np.ndarray, squares: np.ndarray, centers: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the centres and one more: of some customers drawn far from all of them, the one that helps most."""
    nearest = _apart(points, squares, centers).min(axis=1)
    total = np.cumsum(nearest)
    drawn = np.searchsorted(total, rng.random(TRIALS) * total[-1]).clip(0, len(points) - 1)
    left = np.minimum(nearest[:, None], _apart(points, squares, points[drawn])).sum(axis=0)
    return np.vstack([centers, points[drawn[left.argmin()]]])


def _apart(points: np.ndarray, squares: np.ndarray, centers: np.ndarray) -> np.ndarray:
    to = squares[:, None] - 2 * (points @ centers.T) + np.einsum("ij,ij->i", centers, centers)[None, :]
    return np.maximum(to, 0.0)


def _lloyd(points: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    k = len(centers)
    labels = np.full(len(points), -1)
    for _ in range(ROUNDS):
        again = (np.einsum("ij,ij->i", centers, centers)[None, :] - 2 * (points @ centers.T)).argmin(axis=1)
        if (again == labels).all():
            break
        labels = again
        members = np.eye(k)[labels]
        sizes = members.sum(axis=0)
        moved = (members.T @ points) / np.maximum(sizes, 1)[:, None]
        centers = np.where(sizes[:, None] > 0, moved, centers)
    return labels, centers
