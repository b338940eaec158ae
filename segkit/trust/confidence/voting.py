"""Models that vote on where a customer belongs: what each of them holds, and how it places a row.

How they are made is told in `_other_models.py`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from segkit.methods.assignment import OUTSIDE, argmin_exact, costs_of_mixture, nearest, predicted

NOBODY = -2  # the segment of a cluster that is like none of them: a vote for no segment

Arrays = dict[str, np.ndarray]


class Numbers:
    """The numeric features of customers as they are, and logged, since each model takes one or the other."""

    def __init__(self, values: np.ndarray, logged: np.ndarray | None = None):
        self.values, self.missing = values, np.isnan(values)
        self.logged = np.sign(values) * np.log1p(np.abs(values)) if logged is None else logged

    def of(self, rows: np.ndarray) -> Numbers:
        """Return the numbers of some of the customers."""
        return Numbers(self.values[rows], self.logged[rows])


@dataclass(frozen=True, eq=False)
class Panel:
    """Models that vote.

    Attributes
    ----------
    kind : {"centers", "mixture", "neighbours", "own"}
        How they place a row.
    models : list of dict of ndarray
        What each needs for it, and the segment that each of its clusters is matched to.
    clusterers : list of estimator
        Where they place rows by their own rule: the fitted clusterers.
    confidences : ndarray of float, shape (n_models + 1,)
        What it means that none of them agrees, or one, and so on to all.
    """

    kind: str
    models: list[Arrays]
    confidences: np.ndarray
    clusterers: list[BaseEstimator] = field(default_factory=list)

    def votes(self, values: np.ndarray | None, prepared: np.ndarray) -> np.ndarray:
        """Return the segment that each model puts each customer in, −2 where it is none of them.

        Parameters
        ----------
        values : ndarray of shape (n, n_numbers) or None
            The numeric features as they are, where the models have preparers of their own.
        prepared : ndarray of shape (n, n_prepared)
            By the frozen preparer.

        Returns
        -------
        ndarray of int, shape (n, n_models)
        """
        found = np.empty((len(prepared), len(self.models)), dtype=np.int64)
        numbers = None if values is None else Numbers(values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # some clusterers say it again at each row
            for i, model in enumerate(self.models):
                clusterer = self.clusterers[i] if self.clusterers else None
                found[:, i] = placed_by(self.kind, model, clusterer, prepared_by(model, numbers, prepared))
        return found

    def judge(self, votes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, pd.Series]:
        """Return the confidence in each label, and the segment that most of the others vote for.

        Parameters
        ----------
        votes : ndarray of int, shape (n, n_models)
        labels : ndarray of int, shape (n,)

        Returns
        -------
        confidence : ndarray of float, shape (n,)
        runner_up : Series of Int64, shape (n,)
            Missing where nobody votes for another segment; of equals the lowest id.
        """
        confidence = self.confidences[(votes == labels[:, None]).sum(axis=1)]
        others = np.unique(votes[votes != NOBODY])
        most, second = np.zeros(len(labels), dtype=np.int64), np.full(len(labels), NOBODY)
        for segment in others:
            count = np.where(labels == segment, 0, (votes == segment).sum(axis=1))
            second[count > most] = segment
            most = np.maximum(most, count)
        return confidence, pd.Series(second, dtype="Int64").mask(most == 0)


def to_table(panel: Panel) -> pd.DataFrame:
    """Return what the models hold as a table that Parquet can keep: a row for each, lists of numbers in it."""
    names = sorted({name for model in panel.models for name in model})
    return pd.DataFrame(
        {name: [None if name not in m else m[name].ravel().tolist() for m in panel.models] for name in names}
    )


def from_table(
    table: pd.DataFrame, kind: str, confidences: np.ndarray, n_prepared: int, clusterers: list[BaseEstimator]
) -> Panel:
    """Return the panel that was made into a table, number for number."""
    shapes = {
        "centers": (-1, n_prepared),
        "points": (-1, n_prepared),
        "means": (-1, n_prepared),
        "cholesky": (-1, n_prepared, n_prepared),
    }
    types = {"segments": np.int64, "labels": np.int64, "logged": bool}
    models = [
        {
            name: np.array(held, dtype=types.get(name, float)).reshape(shapes.get(name, -1))
            for name, held in row.items()
            if held is not None
        }
        for row in table.to_dict("records")
    ]
    return Panel(kind, models, confidences, clusterers)


def clusters_of(kind: str, found: Arrays) -> np.ndarray:
    """Return the model's own name of each cluster, or that of each point."""
    if kind in ("own", "neighbours"):
        return found["labels"]
    return np.arange(len(found["centers" if kind == "centers" else "means"]))


def placed_by(kind: str, model: Arrays, clusterer: BaseEstimator | None, rows: np.ndarray) -> np.ndarray:
    """Return the segment that a model puts each row in."""
    segments = model["segments"]
    if not len(segments):
        return np.full(len(rows), NOBODY)
    if kind == "centers":
        return segments[nearest(rows, model["centers"])]
    if kind == "mixture":
        costs = costs_of_mixture(model["means"], model["cholesky"], model["log_weights"])
        return segments[argmin_exact(costs, rows)]
    if kind == "own":
        found, labels = predicted(clusterer, rows), model["labels"]
        at = np.minimum(np.searchsorted(labels, found), len(labels) - 1)
        return np.where(labels[at] == found, segments[at], NOBODY)
    known = np.isfinite(rows).all(axis=1)
    placed = np.full(len(rows), OUTSIDE)
    at = nearest(rows[known], model["points"])
    apart = rows[known] - model["points"][at]
    far = np.sqrt(np.einsum("ij,ij->i", apart, apart, optimize=False)) > model["reach"][at]
    placed[known] = np.where(far, OUTSIDE, segments[at])
    return placed


def prepared_by(model: Arrays, values: Numbers | None, prepared: np.ndarray) -> np.ndarray:
    """Return rows as a model's own preparer would have prepared them: its numbers, and the frozen flags and words."""
    if values is None or "center" not in model:
        return prepared
    scaled = np.where(model["logged"], values.logged, values.values)
    scaled -= model["center"]
    scaled /= model["scale"]
    np.clip(scaled, -model["clip"], model["clip"], out=scaled)
    scaled /= model["spread"]
    scaled[values.missing] = 0.0
    rows = prepared.copy()
    rows[:, : scaled.shape[1]] = scaled
    return rows
