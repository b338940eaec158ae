"""Measure how deep the density valleys between groups of customers are: the statistic of the structure test.

k-means cuts a continuum where it is densest, so the density along the line between two centres has no valley; between
distinct groups it has one. Densities along lines are used rather than distances, since a long tail alone moves the
parts of a continuum far apart.
"""

from __future__ import annotations

import numpy as np

BINS = 24  # of the density along a line
OUTER = 0.5  # length of the line beyond each centre, in distances between the two centres
TRIALS = 5  # places tried for each new centre
ROUNDS = 8  # of Lloyd's algorithm
KERNEL = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9.0  # smooths the density over neighbouring bins
LEAST = 5  # fewest customers of a group with a density
OWN_SIDE = 0.75  # least share of a group on its own centre's side, for a valley between the two


def deepest_valleys(points: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return the separation of the best separated group, for 2 to `most` groups of k-means.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Prepared customers.
    most : int
        Largest number of groups.
    rng : Generator

    Returns
    -------
    ndarray of shape (most − 1,)
        Standard errors by which the valley lies below the lower of the two peaks beside it.
    """
    best = np.zeros(most - 1)
    squares = np.einsum("ij,ij->i", points, points)
    centers = points.mean(axis=0, keepdims=True)
    for k in range(2, most + 1):
        centers = _with_another(points, squares, centers, rng)
        labels, centers = _lloyd(points, centers)
        best[k - 2] = separations(points, labels, centers)[0].max()
    return best


def separations(points: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure how well each group is separated from the one that it is least separated from.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    labels : ndarray of int, shape (n,)
        0 to k − 1.
    centers : ndarray of shape (k, d)

    Returns
    -------
    separation : ndarray of shape (k,)
        As in :func:`deepest_valleys`; 0 for groups of fewer than five customers, and between groups that overlap,
        such as random ones: a valley there does not lie between them.
    nearest : ndarray of int, shape (k,)
        The least separated other group of each.
    """
    k = len(centers)
    along = points @ centers.T
    squares = np.einsum("ij,ij->i", centers, centers)
    apart = squares[:, None] + squares[None, :] - 2 * centers @ centers.T
    np.fill_diagonal(apart, 1.0)
    # Position of each customer on the line from its own centre (0) to each other one (1).
    at = (along - along[np.arange(len(points)), labels][:, None]) - (
        (centers @ centers.T)[labels] - squares[labels][:, None]
    )
    at /= np.maximum(apart[labels], 1e-12)
    bins = np.floor((at + OUTER) / (1 + 2 * OUTER) * BINS).astype(np.int64)
    inside = (bins >= 0) & (bins < BINS)
    cell = (labels[:, None] * k + np.arange(k)[None, :]) * BINS + bins
    counts = np.bincount(cell[inside], minlength=k * k * BINS).reshape(k, k, BINS).astype(float)
    both = counts + counts.transpose(1, 0, 2)[:, :, ::-1]
    depth = np.where(_on_own_sides(at, labels, k), depths(both), 0.0)
    np.fill_diagonal(depth, np.inf)
    few = np.bincount(labels, minlength=k) < LEAST
    depth[:, few] = np.where(few.all(), 0.0, np.inf)
    depth[few, :] = 0.0
    return np.where(np.isfinite(depth.min(axis=1)), depth.min(axis=1), 0.0), depth.argmin(axis=1)


def _on_own_sides(at: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return for each pair of groups whether most members of both are nearer to their own centre."""
    sizes = np.maximum(np.bincount(labels, minlength=k), 1)
    near = (np.eye(k)[labels].T @ (at < 0.5)) / sizes[:, None]
    return np.minimum(near, near.T) >= OWN_SIDE


def depths(counts: np.ndarray) -> np.ndarray:
    """Return the depth of the deepest valley of each density, in standard errors of the counts beside it."""
    half = len(KERNEL) // 2
    padded = np.pad(counts, [(0, 0)] * (counts.ndim - 1) + [(half, half)])
    smooth = sum(w * padded[..., i : i + counts.shape[-1]] for i, w in enumerate(KERNEL))
    left = np.maximum.accumulate(smooth, axis=-1)
    right = np.maximum.accumulate(smooth[..., ::-1], axis=-1)[..., ::-1]
    lower = np.minimum(left, right)
    noise = np.sqrt((lower + smooth) * (KERNEL**2).sum() + 0.05)
    return ((lower - smooth) / noise).max(axis=-1)


def _with_another(
    points: np.ndarray, squares: np.ndarray, centers: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Add a centre: of a few customers drawn far from all centres, the one that lowers the inertia most."""
    nearest = _squared_distances(points, squares, centers).min(axis=1)
    total = np.cumsum(nearest)
    drawn = np.searchsorted(total, rng.random(TRIALS) * total[-1]).clip(0, len(points) - 1)
    left = np.minimum(nearest[:, None], _squared_distances(points, squares, points[drawn])).sum(axis=0)
    return np.vstack([centers, points[drawn[left.argmin()]]])


def _squared_distances(points: np.ndarray, squares: np.ndarray, centers: np.ndarray) -> np.ndarray:
    to = squares[:, None] - 2 * (points @ centers.T) + np.einsum("ij,ij->i", centers, centers)[None, :]
    return np.maximum(to, 0.0)


def _lloyd(points: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    k = len(centers)
    labels = np.full(len(points), -1)
    for _ in range(ROUNDS):
        nearest = (np.einsum("ij,ij->i", centers, centers)[None, :] - 2 * (points @ centers.T)).argmin(axis=1)
        if (nearest == labels).all():
            break
        labels = nearest
        members = np.eye(k)[labels]
        sizes = members.sum(axis=0)
        moved = (members.T @ points) / np.maximum(sizes, 1)[:, None]
        centers = np.where(sizes[:, None] > 0, moved, centers)
    return labels, centers
