"""A null model: a Gaussian copula with the same margins and rank correlations as the customers, and no other structure.

Drawn values are matched to the real ones by rank. Ties, zeros and missing values bend the relation between the
correlations of the copula and the rank correlations that result, so that no formula gives the former: they are adjusted
until simulated rank correlations equal the observed ones.

Missing values and zeros follow rules, as customers without an order have spent 0 and have no gap between orders. So the
pattern of missing values and zeros is kept, and customers with the same pattern are drawn separately.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from segkit.analyse.prepare import Preparer
from segkit.analyse.words import MISSING

ROUNDS = 12  # of adjusting the correlations of the copula
DRAWS = (500, 3_000)  # least and most customers simulated for it; between them 4 times as many as there are
STEP = 0.9  # share of the difference that a round corrects
NEAR_ONE = 0.9995
SMALLEST_PATTERN = (
    30  # customers with a pattern of missing values and zeros, to be drawn separately; rarer ones are pooled
)


@dataclass(frozen=True)
class Marginal:
    """The observed values of one latent variable.

    Attributes
    ----------
    codes : ndarray of float, shape (n,)
        The values as numbers: a number itself, 0/1 for missing or not, or a word's position in the order of words.
        NaN where the value is missing.
    flag : int, optional
        Position of the margin that says where this one is missing.
    """

    codes: np.ndarray
    flag: int | None = None


class CopulaNull:
    """A null model: copula with the same margins and rank correlations.

    Parameters
    ----------
    customers : DataFrame of shape (n, n_features)
        In the order of ids.
    preparer : Preparer
        Fitted to them. It learns from margins alone, so that it is the same for every null data set, and prepared
        values can be drawn directly.
    rng : Generator
    one_mode : sequence of int
        Prepared columns of numbers that get one mode: normal scores in place of their own values.
    """

    def __init__(
        self,
        customers: pd.DataFrame,
        preparer: Preparer,
        rng: np.random.Generator,
        one_mode: Sequence[int] = (),
    ):
        self._prepared, self._customers = preparer.transform(customers), customers
        for column in one_mode:
            self._prepared[:, column] = _normal_scores(self._prepared[:, column])
        self._groups = [
            (rows, _PatternGroup(customers.iloc[rows], preparer, self._prepared[rows], rng))
            for rows in _patterns(customers)
        ]

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return a null data set as prepared customers, shape (n, n_prepared)."""
        drawn = np.empty_like(self._prepared)
        for rows, group in self._groups:
            drawn[rows] = group.draw(rng)
        return drawn

    def draw_customers(self, rng: np.random.Generator) -> pd.DataFrame:
        """Return a null data set as customers in natural units, of the same types, with ids 0, 1, 2 …"""
        sources = np.empty(self._customers.shape, dtype=np.int64)
        for rows, group in self._groups:
            sources[rows] = rows[group.sources(rng)]
        return pd.DataFrame(
            {
                name: self._customers[name].array.take(sources[:, i])
                for i, name in enumerate(self._customers.columns)
            }
        )


def _patterns(customers: pd.DataFrame) -> list[np.ndarray]:
    """Return the positions of customers with the same missing values and zeros, and last of all with rare patterns."""
    zero = np.column_stack([_is_zero(customers[name]) for name in customers])
    missing = customers.isna().to_numpy()
    _, pattern, count = np.unique(np.hstack([missing, zero]), axis=0, return_inverse=True, return_counts=True)
    pattern = pattern.ravel()
    patterns = [np.flatnonzero(pattern == i) for i in np.flatnonzero(count >= SMALLEST_PATTERN)]
    rare = np.flatnonzero(count[pattern] < SMALLEST_PATTERN)
    return [*patterns, rare] if len(rare) else patterns


def _is_zero(column: pd.Series) -> np.ndarray:
    """Return which values are 0, where the feature is a number that is never negative and often 0.

    Not of two-valued features: there 0 says as much as 1, and groups of yes and no would vanish into patterns.
    """
    nothing = np.zeros(len(column), dtype=bool)
    if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        return nothing
    values = column.to_numpy(dtype=float, na_value=np.nan)
    zero = values == 0
    two_valued = len(np.unique(values[~np.isnan(values)])) <= 2
    return zero if zero.sum() >= SMALLEST_PATTERN and not two_valued and not (values < 0).any() else nothing


class _PatternGroup:
    """Draws customers with one pattern of missing values and zeros, as :class:`CopulaNull` does."""

    def __init__(
        self, customers: pd.DataFrame, preparer: Preparer, prepared: np.ndarray, rng: np.random.Generator
    ):
        self._n, self._prepared, self._n_features = len(customers), prepared, customers.shape[1]
        self._margins, self._columns, self._features = _margins(customers, preparer, prepared)
        self._flags = len(preparer.flagged_)  # the first of the margins
        observed = _rank_correlations([m.codes for m in self._margins])
        self._onto, self._root = self._fitted(observed, rng)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return the prepared customers, shape (n, n_prepared)."""
        drawn, rows = self._prepared.copy(), self._rows(rng)  # constant columns stay
        for margin, columns in self._columns:
            drawn[:, columns] = self._prepared[rows[margin]][:, columns]
        return drawn

    def sources(self, rng: np.random.Generator) -> np.ndarray:
        """Return which customer's value each drawn customer gets of each feature, shape (n, n_features)."""
        sources = np.tile(np.arange(self._n)[:, None], (1, self._n_features))
        rows = self._rows(rng)
        for feature, margin in self._features.items():
            sources[:, feature] = rows[margin]
        return sources

    def _rows(self, rng: np.random.Generator) -> list[np.ndarray]:
        noise = rng.standard_normal((self._n, len(self._margins)))
        return self._matched(self._latent(noise, np.arange(self._n), self._onto, self._root))

    def _latent(self, noise: np.ndarray, real: np.ndarray, onto: np.ndarray, root: np.ndarray) -> np.ndarray:
        """Return latent values of random customers with the missing values of the customers `real`."""
        missing = np.empty((len(noise), self._flags))
        for i in range(self._flags):
            order = np.lexsort((noise[:, i], self._margins[i].codes[real]))
            missing[order, i] = np.sort(noise[:, i])
        return np.hstack([missing, missing @ onto.T + noise[:, self._flags :] @ root.T])

    def _matched(self, latent: np.ndarray) -> list[np.ndarray]:
        """Return for each margin which real customer's value each drawn customer gets: by rank, flags first."""
        n = len(latent)
        rows: list[np.ndarray] = []
        for i, margin in enumerate(self._margins):
            known = ~np.isnan(margin.codes)
            order = np.flatnonzero(known)[np.argsort(margin.codes[known], kind="stable")]
            if margin.flag is None:
                taken = np.empty(n, dtype=np.int64)
                taken[np.argsort(latent[:, i], kind="stable")] = _stretched(order, n)
            else:
                there = self._margins[margin.flag].codes[rows[margin.flag]] == 0
                taken = np.full(n, np.flatnonzero(~known)[0], dtype=np.int64)
                if len(order) and there.any():
                    at = np.flatnonzero(there)
                    taken[at[np.argsort(latent[at, i], kind="stable")]] = _stretched(order, len(at))
            rows.append(taken)
        return rows

    def _fitted(self, observed: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the copula whose rank correlations are the observed ones, given which values are missing."""
        if not self._margins:
            return np.empty((0, 0)), np.empty((0, 0))
        draws = max(self._n, int(np.clip(4 * self._n, *DRAWS)))
        noise = rng.standard_normal((draws, len(self._margins)))
        real = _stretched(np.arange(self._n), draws)
        wanted = 2 * np.sin(np.pi * observed / 6)
        for _ in range(ROUNDS):
            correlations = _nearest_correlations(wanted)
            rows = self._matched(self._latent(noise, real, *_conditional(correlations, self._flags)))
            drawn = [m.codes[r] for m, r in zip(self._margins, rows, strict=True)]
            off = np.where(np.isnan(observed), 0.0, observed - _rank_correlations(drawn))
            wanted = np.clip(correlations + STEP * off, -NEAR_ONE, NEAR_ONE)
            np.fill_diagonal(wanted, 1.0)
        return _conditional(_nearest_correlations(wanted), self._flags)


def _conditional(correlations: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the regression of normal variables on the first of them, and a root of the residual covariance."""
    known, cross = correlations[:first, :first], correlations[first:, :first]
    onto = cross @ np.linalg.pinv(known, rcond=1e-3, hermitian=True) if first else cross
    values, vectors = np.linalg.eigh(correlations[first:, first:] - onto @ cross.T)
    return onto, vectors * np.sqrt(np.maximum(values, 1e-9))


def _normal_scores(values: np.ndarray) -> np.ndarray:
    """Return values of a normal distribution with the same order, mean and standard deviation."""
    return values.mean() + values.std() * norm.ppf((rankdata(values) - 0.5) / len(values))


def _stretched(order: np.ndarray, n: int) -> np.ndarray:
    """Return n entries of `order`, evenly spread."""
    return order if n == len(order) else order[(np.arange(n) * len(order)) // n]


def _margins(
    customers: pd.DataFrame, preparer: Preparer, prepared: np.ndarray
) -> tuple[list[Marginal], list[tuple[int, list[int]]], dict[int, int]]:
    """Return the latent variables, flags first, the prepared columns that each fills, and each feature's variable."""
    margins: list[Marginal] = []
    features: dict[int, int] = {}
    columns: list[tuple[int, list[int]]] = []
    numbers = preparer.positions_
    values = preparer.numbers(customers).T
    flag_of: dict[bytes, int] = {}
    for at, position in enumerate(preparer.flagged_):
        unknown = np.isnan(values[position])
        flag_of[np.packbits(unknown).tobytes()] = len(margins)
        columns.append((len(margins), [len(numbers) + at]))
        margins.append(Marginal(unknown.astype(float)))
    for at, column in enumerate(values):
        unknown = np.isnan(column)
        if unknown.all() or (np.nanmin(column) == np.nanmax(column) and not unknown.any()):
            continue  # constant: nothing to draw, and 0 once prepared
        columns.append((len(margins), [at]))
        features[numbers[at]] = len(margins)
        margins.append(Marginal(column, flag_of[np.packbits(unknown).tobytes()] if unknown.any() else None))
    first = len(numbers) + len(preparer.flagged_)
    lead = _first_component(prepared[:, :first])
    for position, levels in preparer.levels_.items():
        if len(levels) > 1:
            columns.append((len(margins), list(range(first, first + len(levels)))))
            features[position] = len(margins)
            margins.append(Marginal(_ordered_words(customers.iloc[:, position], lead)))
        first += len(levels)
    return margins, columns, features


def _first_component(numbers: np.ndarray) -> np.ndarray:
    """Return the first principal component of the numeric features."""
    if not numbers.shape[1] or not numbers.std(axis=0).any():
        return np.zeros(len(numbers))
    centred = numbers - numbers.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    lead = centred @ directions[:, -1]
    return lead * np.sign(directions[np.abs(directions[:, -1]).argmax(), -1])


def _ordered_words(column: pd.Series, lead: np.ndarray) -> np.ndarray:
    """Return each word's position: in the order of its categories, else by the mean of `lead` among its customers."""
    words = column.astype("str").where(column.notna(), MISSING)
    if isinstance(column.dtype, pd.CategoricalDtype) and column.dtype.ordered:
        order = [str(c) for c in column.dtype.categories] + [MISSING]
        return pd.Categorical(words, categories=order).codes.astype(float)
    means = pd.Series(lead).groupby(words.to_numpy()).mean().sort_index().sort_values(kind="stable")
    return words.map({word: i for i, word in enumerate(means.index)}).to_numpy(dtype=float)


def _rank_correlations(codes: list[np.ndarray]) -> np.ndarray:
    """Return Spearman's correlations over the customers who have both values; 0 where one is constant."""
    if not codes:
        return np.empty((0, 0))
    ranks = np.column_stack([rankdata(c, nan_policy="omit") for c in codes])
    known = ~np.isnan(ranks)
    if known.all():
        centred = ranks - ranks.mean(axis=0)
        spread = np.sqrt((centred**2).sum(axis=0))
        correlations = np.divide(
            centred.T @ centred,
            np.outer(spread, spread),
            out=np.zeros((len(codes),) * 2),
            where=np.outer(spread, spread) > 0,
        )
    else:
        correlations = _pairwise(np.where(known, ranks, 0.0), known.astype(float))
    np.fill_diagonal(correlations, 1.0)
    return correlations


def _pairwise(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return Pearson's correlations over the rows that have both values; missing ones are 0 in both arguments."""
    n = known.T @ known
    sums, products = values.T @ known, values.T @ values
    squares = (values**2).T @ known
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = products - sums * sums.T / n
        variance = squares - sums**2 / n
        spread = np.sqrt(np.maximum(variance, 0) * np.maximum(variance.T, 0))
        correlations = covariance / spread
    return np.where((n > 2) & (spread > 1e-9 * np.maximum(n, 1)), np.nan_to_num(correlations), 0.0)


def _nearest_correlations(correlations: np.ndarray) -> np.ndarray:
    """Return the nearest correlation matrix: without negative eigenvalues."""
    values, vectors = np.linalg.eigh((correlations + correlations.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 1e-9))
    root /= np.linalg.norm(root, axis=1, keepdims=True)
    return root @ root.T
