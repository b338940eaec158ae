"""The ways to lay out a map: places of two dimensions for prepared rows."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from segkit.explain.layout import lay_out
from segkit.explain.neighbour_graph import fuzzy_graph, nearest, nearest_of_many, spread_among_equals
from segkit.explain.place_on_map import ANCHORS, median_place

MOST = 30_000  # customers that are laid out themselves
LANDMARKS = 20_000  # of more customers: those who are
WIDTH = 10.0  # of the start, from the middle to nearly all customers
COMPILES = "UMAP by umap-learn: on its first call it compiles, for about a minute"
TIE = 1.0  # how strongly customers are held where they were on an earlier map: as by one near neighbour


def principal_components(prepared: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    """Return places along the two directions of most variance, and the share of it that they show."""
    with threadpool_limits(limits=1), np.errstate(invalid="ignore"):  # identical customers: 0 / 0
        model = PCA(min(2, *prepared.shape), svd_solver="full")
        points = model.fit_transform(prepared)
    flat = np.zeros((len(prepared), 2))
    flat[:, : points.shape[1]] = points
    return flat, {"variance_shown": float(np.nan_to_num(model.explained_variance_ratio_.sum()))}


def landmarks(n: int, random_state: int) -> np.ndarray:
    """Return the positions of those who are laid out: all, or of very many a sample."""
    if n <= MOST:
        return np.arange(n)
    return np.sort(np.random.default_rng(random_state).choice(n, LANDMARKS, replace=False))


def fast_layout(
    prepared: np.ndarray, n_neighbors: int, random_state: int, previous: np.ndarray | None = None
) -> np.ndarray:
    """Lay out UMAP's graph of neighbours from the principal components, or from an earlier map.

    Parameters
    ----------
    prepared : ndarray of shape (n_customers, n_dimensions)
    n_neighbors : int
    random_state : int
    previous : ndarray of shape (n_customers, 2), optional
        Places on an earlier map, not a number for those who were not on it.

    Returns
    -------
    ndarray of shape (n_customers, 2)
    """
    n = len(prepared)
    if n < 3:
        return principal_components(prepared)[0]
    at = landmarks(n, random_state)
    points = prepared[at]
    distances, neighbours = nearest(points, min(n_neighbors, len(at) - 1))
    neighbours = spread_among_equals(points, distances, neighbours, random_state)
    start, known = _start(points), None
    if previous is not None:
        known = previous[at]
        start = _from_before(points, known, start)
    laid = lay_out(fuzzy_graph(distances, neighbours), start, random_state, tied_to=known, tie=TIE)
    if len(at) == n:
        return laid
    places = np.empty((n, 2))
    places[at] = laid
    others = np.setdiff1d(np.arange(n), at)
    apart, near = nearest_of_many(points, ANCHORS, prepared[others], np.random.default_rng(random_state))
    places[others] = median_place(apart, laid[near])
    return places


def _start(points: np.ndarray) -> np.ndarray:
    start = principal_components(points)[0]
    span = np.quantile(np.abs(start), 0.99) or np.abs(start).max() or 1.0
    return np.clip(start * (WIDTH / span), -1.5 * WIDTH, 1.5 * WIDTH)


def _from_before(points: np.ndarray, previous: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Begin where customers were, and put new ones beside the nearest of those."""
    new = np.isnan(previous).any(axis=1)
    if new.all():
        return start
    places = previous.copy()
    if new.any():
        apart, near = nearest(points[~new], min(ANCHORS, int((~new).sum())), points[new])
        places[new] = median_place(apart, previous[~new][near])
    return places


def umap_layout(
    prepared: np.ndarray, n_neighbors: int, min_dist: float, random_state: int, *, dense: bool
) -> np.ndarray:
    """Lay out by umap-learn, in one thread."""
    if len(prepared) < 5:
        raise ValueError(f"UMAP needs 5 customers or more, got {len(prepared)}. Use method='fast'.")
    # Until the layout begins nothing can be counted; then umap-learn's own bar stands below these words.
    with tqdm(bar_format="{desc}", desc=COMPILES, leave=False):
        from umap import UMAP

        model = UMAP(
            n_neighbors=min(n_neighbors, len(prepared) - 1),
            min_dist=min_dist,
            init="pca" if prepared.shape[1] >= 2 else "random",
            densmap=dense,
            random_state=random_state,
            n_jobs=1,
            tqdm_kwds={"desc": "Laying out the map", "unit": "step", "leave": False, "disable": False},
        )
        return model.fit_transform(prepared)
