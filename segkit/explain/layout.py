"""Lay out points so that neighbours lie together, with numpy alone."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from tqdm.auto import tqdm

EPOCHS = 200
RATE = 0.5  # how far a point may step in the first epoch; the map is about 20 wide
REPULSION = 4.0
REPELLING = 48  # points that push all others away in an epoch, drawn anew in each
FADES = (0.9, 0.99)  # of the averages of the gradient and of its square, in Adam


def lay_out(
    graph: sparse.csr_matrix,
    start: np.ndarray,
    random_state: int,
    *,
    tied_to: np.ndarray | None = None,
    tie: float = 0.0,
    epochs: int = EPOCHS,
) -> np.ndarray:
    """Move points so that those joined in a graph come together, and all others keep apart.

    The forces are those of UMAP with both parameters of its curve 1: an edge pulls with its weight / (1 + d²), and any
    point pushes with 1 / (d² (1 + d²)). All points move at once, by Adam [1]_. Sums run in one thread, in one order, so
    the same start and seed give the same map.

    Parameters
    ----------
    graph : csr_matrix of shape (n_points, n_points)
        Symmetric weights, as from :func:`fuzzy_graph`.
    start : ndarray of shape (n_points, 2)
        About 20 wide.
    random_state : int
    tied_to : ndarray of shape (n_points, 2), optional
        Where points were on an earlier map; not a number for those that it did not have.
    tie : float
        How strongly they are held there, as by an edge of this weight: who is pulled far away is let go.
    epochs : int

    Returns
    -------
    ndarray of shape (n_points, 2)

    References
    ----------
    .. [1] Kingma & Ba (2015), Adam: A Method for Stochastic Optimization, arXiv:1412.6980.
    """
    rng = np.random.default_rng(random_state)
    n = len(start)
    x, y = (np.ascontiguousarray(start[:, i], dtype=np.float32) for i in (0, 1))
    edges = graph.tocoo()
    a, b, pull = edges.row, edges.col, graph.copy()
    weights = edges.data.astype(np.float32)
    push = np.float32(REPULSION / REPELLING) * np.asarray(graph.sum(axis=1)).ravel().astype(np.float32)
    means, squares = np.zeros((2, 2, n), dtype=np.float32)
    held = np.zeros(n, dtype=np.float32)
    old = np.zeros((2, n), dtype=np.float32)
    if tied_to is not None:
        known = ~np.isnan(tied_to).any(axis=1)
        held[known] = tie
        old[:, known] = tied_to[known].T
    for epoch in tqdm(range(epochs), desc="Laying out the map", unit="step", delay=1, leave=False):
        dx, dy = x[a] - x[b], y[a] - y[b]
        pull.data = weights / (1 + dx * dx + dy * dy)
        total = np.asarray(pull.sum(axis=1)).ravel()
        others = rng.integers(0, n, min(REPELLING, n))
        dx, dy = x[:, None] - x[others], y[:, None] - y[others]
        squared = dx * dx + dy * dy
        away = 1 / ((squared + np.float32(1e-3)) * (squared + 1))
        away[others, np.arange(len(others))] = 0
        gradient = np.stack(
            [
                total * x - pull @ x - push * (away * dx).sum(axis=1),
                total * y - pull @ y - push * (away * dy).sum(axis=1),
            ]
        )
        if tied_to is not None:
            apart = np.stack([x, y]) - old
            gradient += held / (1 + (apart * apart).sum(axis=0)) * apart
        means += np.float32(1 - FADES[0]) * (gradient - means)
        squares += np.float32(1 - FADES[1]) * (gradient * gradient - squares)
        mean, square = means / (1 - FADES[0] ** (epoch + 1)), squares / (1 - FADES[1] ** (epoch + 1))
        step = np.float32(RATE * (1 - epoch / epochs)) * mean / (np.sqrt(square) + np.float32(1e-8))
        x -= step[0]
        y -= step[1]
    return np.column_stack([x, y]).astype(float)
