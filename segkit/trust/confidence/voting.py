"""Let refitted models vote on the segment of each customer."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from segkit.methods.assignment import BLOCK, OUTSIDE, argmin_exact, costs_of_mixture, nearest, predicted

NO_MATCH = -2  # a vote for a cluster that matches no segment

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Models that vote.

    Attributes
    ----------
    kind : {"centers", "mixture", "neighbours", "own"}
        How they place a row.
    models : list of dict of ndarray
        What each needs for it, and the segment that each of its clusters is matched to.
    calibrated : ndarray of float, shape (n_models + 1,)
        The confidence that 0 agreeing models stand for, 1, and so on to all.
    clusterers : list of estimator
        The fitted clusterers, where `kind` is "own".
    """

    kind: str
    models: list[Arrays]
    calibrated: np.ndarray
    clusterers: list[BaseEstimator] = field(default_factory=list)

    def votes(self, numbers: np.ndarray | None, prepared: np.ndarray) -> np.ndarray:
        """Return the segment that each model puts each customer in, −2 where it is none of them.

        Parameters
        ----------
        numbers : ndarray of shape (n, n_numbers) or None
            Numeric features with their logarithms, where the models have scales of their own.
        prepared : ndarray of shape (n, n_prepared)
            By the frozen preparer.

        Returns
        -------
        ndarray of int, shape (n, n_models)
        """
        votes = np.empty((len(prepared), len(self.models)), dtype=np.int64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # some clusterers repeat it at each row
            for i, model in enumerate(self.models):
                clusterer = self.clusterers[i] if self.clusterers else None
                votes[:, i] = placed_by(self.kind, model, clusterer, prepared_by(model, numbers, prepared))
        return votes

    def score(
        self, numbers: np.ndarray | None, prepared: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, pd.api.extensions.ExtensionArray]:
        """Return the confidence in each label, and the segment that most of the other models vote for.

        Parameters
        ----------
        numbers : ndarray of shape (n, n_numbers) or None
            As for :meth:`votes`.
        prepared : ndarray of shape (n, n_prepared)
            By the frozen preparer.
        labels : ndarray of int, shape (n,)

        Returns
        -------
        confidence : ndarray of float, shape (n,)
        runner_up : array of Int64, shape (n,)
            Missing where no model votes for another segment; of equals the lowest id.
        """
        agreeing, second = np.empty(len(labels), dtype=np.int64), np.empty(len(labels), dtype=np.int64)
        for start in range(0, len(labels), BLOCK):  # small enough to stay in the processor's cache
            rows = slice(start, start + BLOCK)
            votes = self.votes(None if numbers is None else numbers[rows], prepared[rows])
            agreeing[rows], second[rows] = count_votes(votes, labels[rows])
        return self.calibrated[agreeing], pd.arrays.IntegerArray(second, second == NO_MATCH)


def count_votes(votes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many models agree with each label, and the segment that most others vote for, or −2."""
    most, second = np.zeros(len(labels), dtype=np.int64), np.full(len(labels), NO_MATCH)
    for segment in np.unique(votes[votes != NO_MATCH]):
        count = np.where(labels == segment, 0, (votes == segment).sum(axis=1))
        second[count > most] = segment
        most = np.maximum(most, count)
    return (votes == labels[:, None]).sum(axis=1), second


def to_table(ensemble: Ensemble) -> pd.DataFrame:
    """Return what the models hold as a table for Parquet: a row for each model, lists of numbers in it."""
    names = sorted({name for model in ensemble.models for name in model})
    return pd.DataFrame(
        {
            name: [None if name not in m else m[name].ravel().tolist() for m in ensemble.models]
            for name in names
        }
    )


def from_table(
    table: pd.DataFrame, kind: str, calibrated: np.ndarray, n_prepared: int, clusterers: list[BaseEstimator]
) -> Ensemble:
    """Return the ensemble that :func:`to_table` made a table of, number for number."""
    shapes = {
        "centers": (-1, n_prepared),
        "points": (-1, n_prepared),
        "means": (-1, n_prepared),
        "cholesky": (-1, n_prepared, n_prepared),
    }
    types = {"segments": np.int64, "labels": np.int64}
    models = [
        {
            name: np.array(held, dtype=types.get(name, float)).reshape(shapes.get(name, -1))
            for name, held in row.items()
            if held is not None
        }
        for row in table.to_dict("records")
    ]
    return Ensemble(kind, models, calibrated, clusterers)


def clusters_of(kind: str, model: Arrays) -> np.ndarray:
    """Return the model's own label of each cluster, or that of each point."""
    if kind in ("own", "neighbours"):
        return model["labels"]
    return np.arange(len(model["centers" if kind == "centers" else "means"]))


def placed_by(kind: str, model: Arrays, clusterer: BaseEstimator | None, rows: np.ndarray) -> np.ndarray:
    """Return the segment that a model puts each row in."""
    segments = model["segments"]
    if not len(segments):
        return np.full(len(rows), NO_MATCH)
    if kind == "centers":
        return segments[nearest(rows, model["centers"])]
    if kind == "mixture":
        costs = costs_of_mixture(model["means"], model["cholesky"], model["log_weights"])
        return segments[argmin_exact(costs, rows)]
    if kind == "own":
        predictions, labels = predicted(clusterer, rows), model["labels"]
        at = np.minimum(np.searchsorted(labels, predictions), len(labels) - 1)
        return np.where(labels[at] == predictions, segments[at], NO_MATCH)
    known = np.isfinite(rows).all(axis=1)
    placed = np.full(len(rows), OUTSIDE)
    at = nearest(rows[known], model["points"])
    apart = rows[known] - model["points"][at]
    far = np.sqrt(np.einsum("ij,ij->i", apart, apart, optimize=False)) > model["reach"][at]
    placed[known] = np.where(far, OUTSIDE, segments[at])
    return placed


def prepared_by(model: Arrays, numbers: np.ndarray | None, prepared: np.ndarray) -> np.ndarray:
    """Return rows with their numbers in the model's own scales; flags and words stay as they are."""
    if numbers is None or "center" not in model:
        return prepared
    rows = prepared.copy()
    moved = np.clip(numbers, model["low"], model["high"])
    moved -= model["center"]
    moved /= model["scale"]
    moved[np.isnan(moved)] = 0.0
    rows[:, : moved.shape[1]] = moved
    return rows
