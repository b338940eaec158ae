"""Project customers onto a map, where similar customers lie near each other."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from segkit.core.checks import check_count, check_seed
from segkit.core.messages import choose_from, counted
from segkit.core.order import arranged, positions_among
from segkit.create.segmentation import Segmentation
from segkit.explain.map_layouts import fast_layout, landmarks, principal_components, umap_layout
from segkit.explain.neighbour_graph import cells_of, nearest, nearest_alone, nearest_of_few
from segkit.explain.place_on_map import ANCHORS, FEW, equals_of, median_place, reach_of, sample_of, share_kept
from segkit.methods.partition import checked_result

METHODS = ("fast", "aligned", "pca", "umap", "densmap")
MOST_NEIGHBOURS = 500


@dataclass(frozen=True)
class CustomerMap:
    """A place for each customer, for looking only; made by :func:`make_map`.

    Attributes
    ----------
    result : Segmentation
    method : str
    embedding : DataFrame of shape (n_customers, 2)
        Columns `x`, `y`, no unit, on the customers' index.
    n_neighbors : int
    random_state : int
    """

    result: Segmentation = field(repr=False)
    method: str
    embedding: pd.DataFrame = field(repr=False)
    n_neighbors: int = 15
    random_state: int = 0

    @functools.cached_property
    def trust(self) -> pd.Series:
        """How far each customer's place can be believed, 0 to 1.

        Which share of the customers who are most alike, in all dimensions, lies among the nearest twentieth of the map.
        Where more than a twentieth have equal features, it is a larger share of the map, as many as these. With more
        than 30,000 customers they are looked for among a sample of 20,000.
        """
        points, places = self._anchors
        prepared = self._prepared
        n_neighbors, rng = min(self.n_neighbors, len(points) - 1), np.random.default_rng(self.random_state)
        if n_neighbors < 1:
            return pd.Series(1.0, index=self.embedding.index, name="map_trust")
        everyone = len(points) == len(prepared)
        cells = [(slice(None), slice(None))] if everyone else cells_of(points, prepared, rng)
        sample, equals, kept = sample_of(places, rng), equals_of(points), np.empty(len(prepared))
        for rows, near in cells:  # one after the other, so that very many need little memory
            apart, at = nearest(points[near], n_neighbors, None if everyone else prepared[rows])
            many = np.where(apart[:, -1] == 0, equals[near][at[:, 0]], n_neighbors)
            radius = reach_of(self._places[rows], sample, many / len(points))
            kept[self.result.order[rows]] = share_kept(self._places[rows], places[near][at], radius)
        return pd.Series(kept, index=self.embedding.index, name="map_trust")

    def transform(self, customers: pd.DataFrame) -> pd.DataFrame:
        """Place customers on this map by those on it who are most alike; nobody moves.

        Parameters
        ----------
        customers : DataFrame of shape (n, n_features)
            The same features; further columns are ignored.

        Returns
        -------
        DataFrame of shape (n, 2)
            Columns `x`, `y`, on their index. By method "pca" the projection itself; by the others the weighted median
            place of the five who are most alike.

        Raises
        ------
        ValueError
            If a feature is missing or not finite.
        """
        places = self.place(self.result.prepare(customers).to_numpy())
        return pd.DataFrame(places, index=customers.index, columns=["x", "y"])

    def place(self, prepared: np.ndarray) -> np.ndarray:
        """Place prepared rows, as of ``result.prepare(customers)``: an array of shape (n, 2)."""
        if self.method == "pca":
            middle, turn = self._rotation
            return (prepared - middle) @ turn
        points, places = self._different
        n_anchors = min(ANCHORS, len(points))
        if len(prepared) <= FEW:
            distances, at = nearest_of_few(points, n_anchors, prepared)
        else:
            distances, at = nearest_alone(points, n_anchors, prepared)
        return median_place(distances, places[at])

    @functools.cached_property
    def _prepared(self) -> np.ndarray:
        return arranged(self.result.prepared.to_numpy(), self.result.order)

    @functools.cached_property
    def _places(self) -> np.ndarray:
        return arranged(self.embedding.to_numpy(), self.result.order)

    @functools.cached_property
    def _anchors(self) -> tuple[np.ndarray, np.ndarray]:
        """Those by whom others are placed: all customers, or of very many those who were laid out."""
        at = landmarks(len(self._prepared), self.random_state)
        return self._prepared[at], self._places[at]

    @functools.cached_property
    def _different(self) -> tuple[np.ndarray, np.ndarray]:
        """The same, of customers with equal features the first by id."""
        points, places = self._anchors
        first = np.flatnonzero(~pd.DataFrame(points).duplicated())
        return points[first], places[first]

    @functools.cached_property
    def _rotation(self) -> tuple[np.ndarray, np.ndarray]:
        """The projection by principal components: the middle, and the two directions."""
        middle = self._prepared.mean(axis=0)
        return middle, np.linalg.pinv(self._prepared - middle) @ self._places


def make_map(
    result: Segmentation,
    method: str = "fast",
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    previous: pd.DataFrame | None = None,
    random_state: int = 0,
) -> CustomerMap:
    """Make a map that also places new customers, and says how far each place can be believed.

    Segments are never made on this map, but in all dimensions.

    Parameters
    ----------
    result : Segmentation
        Its prepared features are projected.
    method, n_neighbors, min_dist, previous, random_state
        As in :func:`project`.

    Returns
    -------
    CustomerMap
        Its :attr:`~CustomerMap.embedding` is that of :func:`project`.

    Raises
    ------
    ValueError
        As :func:`project`.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 3, 2, 1, 3, 31, 32, 33, 31, 32, 33]}, index=list("abcdefghijkl"))
    >>> drawn = sg.make_map(sg.segment(customers, n_segments=2))
    >>> drawn.transform(pd.DataFrame({"visits": [32]}, index=["new"])).shape
    (1, 2)
    >>> bool(drawn.trust.between(0, 1).all())
    True
    """
    checked_result(result)
    _check(method, n_neighbors, min_dist, previous, random_state)
    prepared = result.prepared.iloc[result.order]
    if prepared.isna().any(axis=None):
        raise ValueError(
            "Features of the model have missing values, so customers have no place on a map. Segment with "
            "make_pipeline(make_preparer(), …), which fills them in."
        )
    points = prepared.to_numpy()
    facts: dict[str, float] = {}
    if method == "pca":
        places, facts = principal_components(points)
    elif method in ("umap", "densmap"):
        places = umap_layout(points, n_neighbors, min_dist, random_state, dense=method == "densmap")
    else:
        before = None if previous is None else _on_index(previous, prepared.index)
        places = fast_layout(points, n_neighbors, random_state, before)
    embedding = pd.DataFrame(places, index=prepared.index, columns=["x", "y"]).loc[result.customers.index]
    embedding.attrs["segkit"] = {"method": method, **facts}
    return CustomerMap(result, method, embedding, n_neighbors, random_state)


def project(
    result: Segmentation,
    method: str = "fast",
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    previous: pd.DataFrame | None = None,
    random_state: int = 0,
) -> pd.DataFrame:
    """Project customers onto a map of two dimensions, for looking only.

    Segments are never made on this map, but in all dimensions.

    Parameters
    ----------
    result : Segmentation
        Its prepared features are projected.
    method : {"fast", "aligned", "pca", "umap", "densmap"}, default="fast"
        "fast": keeps neighbours together as UMAP does, by its graph and forces [1]_, in seconds and without compiling;
        of more than 30,000 customers 20,000 are laid out, and the others placed beside those most like them.
        "aligned": the same, from an earlier map, on which everyone stays who is like before. "pca": distances along the
        two directions of most variance; immediate. "umap": by umap-learn, a minute on the first call, since it
        compiles. "densmap": the same, and dense groups are drawn dense.
    n_neighbors : int, default=15
        Many show the coarse structure, few the fine one; 2 to 500. Not for "pca".
    min_dist : float, default=0.1
        For "umap" and "densmap": least distance between points, 0 to 1.
    previous : DataFrame of shape (n, 2), optional
        For "aligned": the map of an earlier moment, columns `x` and `y`, indexed by customer. New customers begin
        beside those most like them.
    random_state : int, default=0
        Seed; the same seed gives the same map, whatever the order of rows and the number of threads.

    Returns
    -------
    DataFrame of shape (n_customers, 2)
        Columns `x`, `y`, no unit, on the customers' index; ``.attrs["segkit"]`` holds the method and, for PCA, the
        share of variance that the map shows.

    Raises
    ------
    ValueError
        If there is no such method, there are too few customers for it, a feature of the model is missing, or "aligned"
        has no earlier map.

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
    return make_map(
        result,
        method,
        n_neighbors=n_neighbors,
        min_dist=min_dist,
        previous=previous,
        random_state=random_state,
    ).embedding


def _check(
    method: object, n_neighbors: object, min_dist: object, previous: object, random_state: object
) -> None:
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}.{choose_from(str(method), METHODS)}")
    check_count("n_neighbors", n_neighbors, 2)
    if n_neighbors > MOST_NEIGHBOURS:  # type: ignore[operator]
        raise ValueError(
            f"n_neighbors={n_neighbors} should be {MOST_NEIGHBOURS} or fewer, for the sake of memory."
        )
    check_seed(random_state)
    if not isinstance(min_dist, (int, float, np.number)) or not 0 <= min_dist <= 1:
        raise ValueError(f"min_dist={min_dist!r} should be a distance on the map, from 0 to 1, such as 0.1.")
    if (method == "aligned") != (previous is not None):
        raise ValueError(
            "method='aligned' and previous= belong together. Pass both: project(result, 'aligned', previous=earlier)."
        )
    if previous is not None and not (isinstance(previous, pd.DataFrame) and {"x", "y"} <= set(previous)):
        raise ValueError(
            "previous has no columns 'x' and 'y'. Pass the map of an earlier moment: project(earlier)."
        )


def _on_index(previous: pd.DataFrame, index: pd.Index) -> np.ndarray:
    """Return where customers were on an earlier map, not a number for those who were not on it."""
    if previous.index.has_duplicates:
        twice = previous.index[previous.index.duplicated()]
        raise ValueError(
            f"previous has {counted(len(twice), 'customer')} twice, such as {twice[0]!r}. Pass each once."
        )
    at = positions_among(index, previous.index)
    if not all(pd.api.types.is_numeric_dtype(kind) for kind in previous[["x", "y"]].dtypes):
        raise ValueError(
            "previous has places that are no numbers. Pass the map of an earlier moment: project(earlier)."
        )
    places = np.full((len(index), 2), np.nan)
    places[at >= 0] = previous[["x", "y"]].to_numpy(dtype=float, na_value=np.nan)[at[at >= 0]]
    places[np.isinf(places)] = np.nan
    return places
