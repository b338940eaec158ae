"""Customers of one population that look like the observed ones, feature by feature and in their correlations."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

LOOKED_AT = 20_000  # customers from whom margins and correlations are taken
ROUNDS = 4  # of correcting the latent correlations for what ties take away


class OneCrowd:
    """A Gaussian copula with the margins and rank correlations of some customers (a NORTA model).

    Each feature keeps its values, ties, zeros and missing values; between features only one, smooth
    dependence is left. Groups that show in a single feature's own distribution remain in it.

    Parameters
    ----------
    customers : DataFrame
        In the order of ids.
    rng : Generator

    References
    ----------
    .. [1] Cario & Nelson (1997), Modeling and generating random vectors with arbitrary marginal
       distributions and correlation matrix, Northwestern University.
    """

    def __init__(self, customers: pd.DataFrame, rng: np.random.Generator):
        n = len(customers)
        looked = (
            customers if n <= LOOKED_AT else customers.iloc[np.sort(rng.choice(n, LOOKED_AT, replace=False))]
        )
        self._customers = looked
        coded = np.stack([_coded(looked[c]) for c in looked], axis=1)
        self._order = np.argsort(coded, axis=0, kind="stable")
        self._sorted = np.take_along_axis(coded, self._order, axis=0)
        target = _correlations(_scores(coded))
        latent = target
        noise = rng.standard_normal((max(len(looked), 2_000), coded.shape[1]))
        for _ in range(ROUNDS):
            got = _correlations(_scores(self._coded_like(noise, latent)))
            latent = _proper(latent + target - got)
        self._latent = latent

    def drawn(self, n: int, rng: np.random.Generator) -> pd.DataFrame:
        """Return n customers of the one population, under ids 0, 1, 2 …"""
        at = self._places(rng.standard_normal((n, len(self._latent))), self._latent)
        columns = {
            c: self._customers[c].array.take(self._order[at[:, i], i])
            for i, c in enumerate(self._customers.columns)
        }
        return pd.DataFrame(columns)

    def _places(self, noise: np.ndarray, latent: np.ndarray) -> np.ndarray:
        values, vectors = np.linalg.eigh(latent)
        normal = noise @ (vectors * np.sqrt(np.maximum(values, 0))).T
        n = len(self._sorted)
        return np.minimum((ndtr(normal) * n).astype(int), n - 1)

    def _coded_like(self, noise: np.ndarray, latent: np.ndarray) -> np.ndarray:
        return np.take_along_axis(self._sorted, self._places(noise, latent), axis=0)


def _coded(column: pd.Series) -> np.ndarray:
    """Return numbers that stand in the order of the values: missing ones first, words by how many have them."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype=float, na_value=np.nan)
        return np.where(np.isnan(values), -np.inf, values)
    counts = column.astype("str").value_counts().sort_index().sort_values(kind="stable")
    codes = pd.Series(np.arange(len(counts), dtype=float), index=counts.index)
    return column.astype("str").map(codes).fillna(-1.0).to_numpy(dtype=float)


def _scores(coded: np.ndarray) -> np.ndarray:
    """Return normal scores; ties have the one of their mean rank."""
    ranks = np.stack([pd.Series(c).rank().to_numpy() for c in coded.T], axis=1)
    return ndtri((ranks - 0.5) / len(coded))


def _correlations(scores: np.ndarray) -> np.ndarray:
    centred = scores - scores.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    length[length == 0] = np.inf
    found = (centred / length).T @ (centred / length)
    np.fill_diagonal(found, 1.0)
    return found


def _proper(matrix: np.ndarray) -> np.ndarray:
    """Return a correlation matrix near this one: no negative eigenvalue, ones on the diagonal."""
    values, vectors = np.linalg.eigh(matrix)
    mended = (vectors * np.maximum(values, 1e-9)) @ vectors.T
    size = np.sqrt(np.diag(mended))
    return mended / np.outer(size, size)
