"""Make segments of everyone, and at once of a sample, for the studio; each number and method once."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from segkit.core.order import positions_by_id
from segkit.create.segment import segment, untested_segments
from segkit.create.segmentation import Segmentation
from segkit.explain.map import project
from segkit.methods.fitting import make_model

SAMPLE = 2_000  # customers that follow the hand; of more, as many at equal steps by id


class Fits:
    """Segmentations of the same customers on one map, by number and method, with the edits made to them.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
    random_state : int
    n_sample : int
        How many customers a preview has.
    """

    def __init__(self, customers: pd.DataFrame, random_state: int, n_sample: int = SAMPLE):
        self.customers = customers
        self._random_state, self._n_sample = random_state, n_sample
        self._made: dict[tuple[int, str], Segmentation] = {}
        self._begun: dict[tuple[int, str], Segmentation] = {}
        self._previews: dict[tuple[int, str], Segmentation] = {}
        self._maps: dict[str, pd.DataFrame] = {}

    def everyone(self, n_segments: int, method: str) -> Segmentation:
        """Return the segments of all customers, on their map, as they were last kept."""
        at = (n_segments, method)
        if at not in self._made:
            made = segment(
                self.customers, n_segments=n_segments, method=method, random_state=self._random_state
            )
            self._begun[at] = self._made[at] = made.with_embedding(self._map_of(made, method))
        return self._made[at]

    def begun(self, n_segments: int, method: str) -> Segmentation:
        """Return the segments of everyone as they were made, without names and edits."""
        self.everyone(n_segments, method)
        return self._begun[(n_segments, method)]

    def keep(self, result: Segmentation, n_segments: int, method: str) -> None:
        """Keep the names and edits of a number and method, for when one comes back to them."""
        self._made[(n_segments, method)] = result

    def preview(self, n_segments: int, method: str) -> Segmentation:
        """Return the segments of the sample, untested, on the map of everyone."""
        at = (n_segments, method)
        if at not in self._previews:
            places = self._places(method)
            rows = self.customers.loc[_drawn(places, self._n_sample)]
            made = untested_segments(rows, n_segments, method, self._random_state)
            self._previews[at] = made.with_embedding(places)
        return self._previews[at]

    def begun_as(self, result: Segmentation) -> tuple[int, str] | None:
        """Return the number and method that a result began with, before its edits."""
        began = result.provenance.get("edited_from", result.hash)
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

    def _places(self, method: str) -> pd.DataFrame:
        key = self.map_key(method)
        if key not in self._maps:
            self.everyone(2, method)
        return self._maps[key]


def _drawn(places: pd.DataFrame, n: int) -> pd.Index:
    """Return customers at equal steps by id, and those at the edges of the map, so that it keeps its scale."""
    if len(places) <= n:
        return places.index
    order = positions_by_id(places.index)
    even = order[np.linspace(0, len(order) - 1, max(n - 4, 1)).astype(int)]
    points = places[["x", "y"]].to_numpy()
    edges = [*points.argmin(axis=0), *points.argmax(axis=0)]
    return places.index[np.unique([*even, *edges])]
