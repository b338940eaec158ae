"""Project customers onto a map, where similar customers lie near each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from segkit.core.order import by_id
from segkit.create.segmentation import Segmentation
from segkit.methods.partition import checked_result


def project(
    result: Segmentation,
    method: str = "pca",
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    random_state: int = 0,
) -> pd.DataFrame:
    """Project customers onto a map of two dimensions, for looking only.

    Segments are never made on this map, but in all dimensions.

    Parameters
    ----------
    result : Segmentation
        Its prepared features are projected.
    method : {"pca", "umap"}, default="pca"
        "pca": distances along the two directions of most variance; immediate. "umap": keeps neighbours together [1]_; a
        minute on the first call, since it compiles, and slower with more customers.
    n_neighbors : int, default=15
        For UMAP: many show the coarse structure, few the fine one.
    min_dist : float, default=0.1
        For UMAP: least distance between points, 0 to 1.
    random_state : int, default=0
        Seed for UMAP, which then runs on one thread.

    Returns
    -------
    DataFrame of shape (n_customers, 2)
        Columns `x`, `y`, no unit, on the customers' index; ``.attrs["segkit"]`` holds the method and, for PCA, the
        share of variance that the map shows.

    Raises
    ------
    ValueError
        If there is no such method, or there are too few customers for it.

    References
    ----------
    .. [1] McInnes, Healy & Melville (2018), UMAP: Uniform Manifold Approximation and Projection for
       Dimension Reduction, arXiv:1802.03426.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 1, 30], "recency": [3, 2, 9, 1]}, index=list("abcd"))
    >>> result = sg.segment(customers, n_segments=2)
    >>> result.with_embedding(sg.project(result)).embedding.shape
    (4, 2)
    """
    checked_result(result)
    prepared = by_id(result.prepared)
    if prepared.isna().any(axis=None):
        raise ValueError(
            "Features of the model have missing values, so customers have no place on a map. Segment with "
            "make_pipeline(make_preparer(), …), which fills them in."
        )
    if method == "pca":
        points, facts = principal_components(prepared.to_numpy())
    elif method == "umap":
        points, facts = _umap(prepared.to_numpy(), n_neighbors, min_dist, random_state), {}
    else:
        raise ValueError(f"method={method!r} is neither 'pca' nor 'umap'. Say one of these.")
    embedding = pd.DataFrame(points, index=prepared.index, columns=["x", "y"]).loc[result.customers.index]
    embedding.attrs["segkit"] = {"method": method, **facts}
    return embedding


def principal_components(prepared: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    """Return places along the two directions of most variance, and the share of it that they show."""
    with threadpool_limits(limits=1), np.errstate(invalid="ignore"):  # identical customers: 0 / 0
        model = PCA(min(2, *prepared.shape), svd_solver="full")
        points = model.fit_transform(prepared)
    flat = np.zeros((len(prepared), 2))
    flat[:, : points.shape[1]] = points
    return flat, {"variance_shown": float(np.nan_to_num(model.explained_variance_ratio_.sum()))}


def _umap(prepared: np.ndarray, n_neighbors: int, min_dist: float, random_state: int) -> np.ndarray:
    if len(prepared) < 5:
        raise ValueError(f"UMAP needs 5 customers or more, got {len(prepared)}. Use method='pca'.")
    from umap import UMAP

    model = UMAP(
        n_neighbors=min(n_neighbors, len(prepared) - 1),
        min_dist=min_dist,
        init="pca" if prepared.shape[1] >= 2 else "random",
        random_state=random_state,
        n_jobs=1,
    )
    return model.fit_transform(prepared)
