"""Make segments of everyone, and at once of a sample, for the studio; each choice once."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from segkit.core.order import positions_by_id
from segkit.create.segment import segment, untested_segments
from segkit.create.segmentation import Segmentation
from segkit.explain.map import project
from segkit.methods.fitting import make_model
from segkit.show.widgets.feature_picker import FeaturePicker

SAMPLE = 2_000  # customers that follow the hand; of more, as many at equal steps by id


class Fits:
    """Segmentations by the same features, on one map, by number and method, with the edits made to them.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
    random_state : int
    code : str
        How the customers were computed, as Python; "" where they were given.
    n_sample : int
        How many customers a preview has.
    """

    def __init__(self, customers: pd.DataFrame, random_state: int, *, code: str = "", n_sample: int = SAMPLE):
        self.customers, self.code = customers, code
        self._random_state, self._n_sample = random_state, n_sample
        self._made: dict[tuple[int, str], Segmentation] = {}
        self._begun: dict[tuple[int, str], Segmentation] = {}
        self._remade: dict[str, tuple[int, str]] = {}
        self._previews: dict[tuple[int, str, bool], Segmentation] = {}
        self._maps: dict[str, pd.DataFrame] = {}
        self._maps_of_sample: dict[str, pd.DataFrame] = {}

    def everyone(self, n_segments: int, method: str) -> Segmentation:
        """Return the segments of all customers, on their map, as they were last kept."""
        at = (n_segments, method)
        if at not in self._made:
            made = segment(
                self.customers, n_segments=n_segments, method=method, random_state=self._random_state
            )
            self._begun[at] = self._made[at] = made.with_embedding(self._map_of(made, method))
        return self._made[at]

    def beside_pinned(self, pinned: Segmentation, n_segments: int, method: str) -> Segmentation:
        """Return the segments of all customers in which those that are pinned stay, and all others are made again."""
        made = segment(
            self.customers,
            n_segments=n_segments,
            method=method,
            random_state=self._random_state,
            previous=pinned,
        )
        self._remade[made.hash] = (n_segments, method)
        return made if pinned.embedding is None else made.with_embedding(pinned.embedding)

    def keep(self, result: Segmentation, n_segments: int, method: str) -> None:
        """Keep the names and edits of a number and method, for when one comes back to them."""
        self._made[(n_segments, method)] = result

    def preview_beside_pinned(self, pinned: Segmentation, n_segments: int, method: str) -> Segmentation:
        """Return the segments of the sample as :meth:`beside_pinned` makes them."""
        places = pinned.embedding
        rows = self.customers.loc[_drawn(self.customers.index, places, self._n_sample)]
        made = segment(
            rows, n_segments=n_segments, method=method, random_state=self._random_state, previous=pinned
        )
        return made if places is None else made.with_embedding(places)

    def preview(self, n_segments: int, method: str) -> Segmentation:
        """Return the segments of the sample, untested, on the map of everyone; on one of its own until there is one."""
        key = self.map_key(method)
        places = self._maps.get(key)
        at = (n_segments, method, places is None)
        if at not in self._previews:
            rows = self.customers.loc[_drawn(self.customers.index, places, self._n_sample)]
            made = untested_segments(rows, n_segments, method, self._random_state)
            if places is None:
                if key not in self._maps_of_sample:
                    self._maps_of_sample[key] = project(made)
                places = self._maps_of_sample[key]
            self._previews[at] = made.with_embedding(places)
        return self._previews[at]

    def begun_as(self, result: Segmentation) -> tuple[int, str] | None:
        """Return the number and method that a result began with, before its edits."""
        began = result.provenance.get("edited_from", result.hash)
        if began in self._remade:
            return self._remade[began]
        return next((at for at, made in self._begun.items() if made.hash == began), None)

    def map_key(self, method: str) -> str:
        """Return what the map depends on: methods that measure alike share one."""
        model = make_model(method, 2, self.customers, self._random_state)
        return repr(model[:-1]) if isinstance(model, Pipeline) else method

    def _map_of(self, result: Segmentation, method: str) -> pd.DataFrame:
        key = self.map_key(method)
        if key not in self._maps:
            self._maps[key] = project(result)
        return self._maps[key]


class FitsByFeatures:
    """The segmentations of each choice of features: those that were used, and the last that was tried.

    Parameters
    ----------
    source : DataFrame or FeaturePicker
        Customers, or where their features are ticked.
    random_state : int
    """

    def __init__(self, source: pd.DataFrame | FeaturePicker, random_state: int):
        self._source, self._random_state = source, random_state
        self._used: dict[tuple[str, ...], Fits] = {}
        self._tried: tuple[tuple[str, ...], Fits] | None = None
        self.present = self.of_ticked
        self.use(self.present)

    @property
    def ticked(self) -> tuple[str, ...]:
        """The features that are ticked now; none where customers were given."""
        return () if isinstance(self._source, pd.DataFrame) else tuple(self._source.value)

    @property
    def of_ticked(self) -> Fits:
        """The segmentations by the features that are ticked."""
        ticked = self.ticked
        if ticked in self._used:
            return self._used[ticked]
        if self._tried is None or self._tried[0] != ticked:
            self._tried = (ticked, self._new())
        return self._tried[1]

    def _new(self) -> Fits:
        if isinstance(self._source, pd.DataFrame):
            return Fits(self._source, self._random_state)
        return Fits(self._source.customers, self._random_state, code=self._source.code)

    def use(self, fits: Fits) -> None:
        """Keep the segmentations by these features, and go on with them."""
        if fits is self.of_ticked:
            self._used[self.ticked] = fits
        self.present = fits

    def begun_as(self, result: Segmentation) -> tuple[Fits, tuple[str, ...], int, str] | None:
        """Return what a result began with, before its edits: its features, number and method."""
        for ticked, fits in self._used.items():
            at = fits.begun_as(result)
            if at is not None:
                return fits, ticked, *at
        return None


def _drawn(index: pd.Index, places: pd.DataFrame | None, n: int) -> pd.Index:
    """Return customers at equal steps by id, and those at the edges of the map, so that it keeps its scale."""
    if len(index) <= n:
        return index
    order = positions_by_id(index)
    even = order[np.linspace(0, len(order) - 1, max(n - 4, 1)).astype(int)]
    if places is None:
        return index[np.unique(even)]
    points = places[["x", "y"]].to_numpy()
    edges = [*points.argmin(axis=0), *points.argmax(axis=0)]
    return index[np.unique([*even, *edges])]
