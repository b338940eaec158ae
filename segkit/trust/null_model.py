"""Shops of one population: every margin and the rank correlations of the real one kept, and nothing else.

A Gaussian copula, whose draws are matched to the real values by rank. The correlations of the copula are
moved until the simulated rank correlations are the observed ones: ties, zeros and missing values bend the
relation between the two, so that no formula gives them.

Who misses which features is known without a test, and tells how the others stand together: of who ordered once there
is no gap between orders, and recency is tenure. So it stays as it is, and customers who miss the same features are
drawn by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from segkit.analyse.prepare import MISSING, Preparer

ROUNDS = 12  # of moving the correlations of the copula
DRAWS = (
    500,
    3_000,
)  # customers simulated to see the rank correlations that they give: 4 times as many as there are, within
STEP = 0.9  # of the difference that a round makes up for
NEAR_ONE = 0.9995
KIND = 30  # customers who miss the same features, to be drawn by themselves; fewer are drawn with all others like them


@dataclass(frozen=True)
class Marginal:
    """One latent variable, and what becomes of its ranks.

    Attributes
    ----------
    codes : ndarray of float, shape (n,)
        Values in their order: a number's own, 0/1 for missing or not, or a word's place in the order of words.
        NaN where the value is missing.
    flag : int, optional
        Position of the margin that says where this one is missing.
    """

    codes: np.ndarray
    flag: int | None = None


class CopulaNull:
    """Draws shops in which the same values stand together only as rank correlations make them.

    Customers who miss the same features are a kind, and each kind is drawn by itself; so is each of several
    populations, where the customers are said to be of several.

    Parameters
    ----------
    customers : DataFrame of shape (n, n_features)
        In the order of ids.
    preparer : Preparer
        Fitted to them. What it learnt depends on margins alone, so that it is the same for every drawn shop:
        prepared values are drawn instead of natural ones.
    rng : Generator
    one_mode : sequence of int
        Prepared columns of numbers that are to have one mode: normal scores, not values of their own.
    population : ndarray of int, shape (n,), optional
        Which population each customer is of; of one, if not said.
    """

    def __init__(
        self,
        customers: pd.DataFrame,
        preparer: Preparer,
        rng: np.random.Generator,
        one_mode: Sequence[int] = (),
        population: np.ndarray | None = None,
    ):
        self._prepared, self._customers = preparer.transform(customers), customers
        for column in one_mode:
            self._prepared[:, column] = _normal_scores(self._prepared[:, column])
        self._kinds = [
            (at, _PatternGroup(customers.iloc[at], preparer, self._prepared[at], rng))
            for at in _missingness_patterns(customers, population)
        ]

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return the prepared customers of a shop of one population, shape (n, n_prepared)."""
        drawn = np.empty_like(self._prepared)
        for at, kind in self._kinds:
            drawn[at] = kind.draw(rng)
        return drawn

    def draw_customers(self, rng: np.random.Generator, *, values_again: bool = False) -> pd.DataFrame:
        """Return such a shop's customers in natural units, of the same types, under ids 0, 1, 2 …

        `values_again` draws each feature's values with replacement from the real ones, instead of taking each once.
        """
        sources = np.tile(np.arange(len(self._customers))[:, None], (1, self._customers.shape[1]))
        for at, kind in self._kinds:
            sources[at] = at[kind.sources(rng, values_again)]
        return pd.DataFrame(
            {
                name: self._customers[name].array.take(sources[:, i])
                for i, name in enumerate(self._customers.columns)
            }
        )


def _missingness_patterns(customers: pd.DataFrame, population: np.ndarray | None) -> list[np.ndarray]:
    """Return where the customers of each kind stand: who miss the same features, and last all of rare kinds."""
    if population is not None:
        members = [np.flatnonzero(population == one) for one in np.unique(population)]
        return [who[at] for who in members for at in _missingness_patterns(customers.iloc[who], None)]
    _, kind, count = np.unique(customers.isna().to_numpy(), axis=0, return_inverse=True, return_counts=True)
    kind = kind.ravel()
    kinds = [np.flatnonzero(kind == i) for i in np.flatnonzero(count >= KIND)]
    rare = np.flatnonzero(count[kind] < KIND)
    return [*kinds, rare] if len(rare) else kinds


class _PatternGroup:
    """Draws customers of one kind, as :class:`CopulaNull` does."""

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
        drawn, rows = self._prepared.copy(), self._rows(rng)  # what is the same for all is not drawn
        for source, columns in self._columns:
            drawn[:, columns] = self._prepared[rows[source]][:, columns]
        return drawn

    def sources(self, rng: np.random.Generator, values_again: bool) -> np.ndarray:
        """Return whose value each drawn customer gets of each feature, shape (n, n_features)."""
        found = np.tile(np.arange(self._n)[:, None], (1, self._n_features))
        rows = self._rows(rng, values_again)
        for feature, margin in self._features.items():
            found[:, feature] = rows[margin]
        return found

    def _rows(self, rng: np.random.Generator, values_again: bool = False) -> list[np.ndarray]:
        noise = rng.standard_normal((self._n, len(self._margins)))
        latent = self._latent(noise, np.arange(self._n), self._onto, self._root)
        return self._matched(latent, rng if values_again else None)

    def _latent(self, noise: np.ndarray, who: np.ndarray, onto: np.ndarray, root: np.ndarray) -> np.ndarray:
        """Return latent values of customers who miss what `who` of the real ones miss, and are chance else."""
        missing = np.empty((len(noise), self._flags))
        for i in range(self._flags):
            order = np.lexsort((noise[:, i], self._margins[i].codes[who]))
            missing[order, i] = np.sort(noise[:, i])
        return np.hstack([missing, missing @ onto.T + noise[:, self._flags :] @ root.T])

    def _matched(self, latent: np.ndarray, again: np.random.Generator | None = None) -> list[np.ndarray]:
        """Return for each margin which real customer's value each drawn customer gets: by rank, flags first.

        With a generator, the values of numbers and words are drawn again, with replacement.
        """
        n = len(latent)
        rows: list[np.ndarray] = []
        for i, margin in enumerate(self._margins):
            known = ~np.isnan(margin.codes)
            order = np.flatnonzero(known)[np.argsort(margin.codes[known], kind="stable")]
            if again is not None and i >= self._flags and len(order):
                order = order[np.sort(again.integers(len(order), size=len(order)))]
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
        """Return the copula under which the drawn rank correlations are the observed, given who misses what."""
        if not self._margins:
            return np.empty((0, 0)), np.empty((0, 0))
        draws = max(self._n, int(np.clip(4 * self._n, *DRAWS)))
        noise = rng.standard_normal((draws, len(self._margins)))
        who = _stretched(np.arange(self._n), draws)
        wanted = 2 * np.sin(np.pi * observed / 6)
        for _ in range(ROUNDS):
            correlations = _possible(wanted)
            rows = self._matched(self._latent(noise, who, *_given(correlations, self._flags)))
            drawn = [m.codes[r] for m, r in zip(self._margins, rows, strict=True)]
            off = np.where(np.isnan(observed), 0.0, observed - _rank_correlations(drawn))
            wanted = np.clip(correlations + STEP * off, -NEAR_ONE, NEAR_ONE)
            np.fill_diagonal(wanted, 1.0)
        return _given(_possible(wanted), self._flags)


def _given(correlations: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how normal variables depend on the first of them, and a root of what is left of their covariance."""
    known, cross = correlations[:first, :first], correlations[first:, :first]
    onto = cross @ np.linalg.pinv(known, rcond=1e-3, hermitian=True) if first else cross
    values, vectors = np.linalg.eigh(correlations[first:, first:] - onto @ cross.T)
    return onto, vectors * np.sqrt(np.maximum(values, 1e-9))


def _normal_scores(values: np.ndarray) -> np.ndarray:
    """Return values in the same order, with the same mean and spread, as of a normal distribution."""
    return values.mean() + values.std() * norm.ppf((rankdata(values) - 0.5) / len(values))


def _stretched(order: np.ndarray, n: int) -> np.ndarray:
    """Return n of them, evenly spread: the order itself where there are as many."""
    return order if n == len(order) else order[(np.arange(n) * len(order)) // n]


def _margins(
    customers: pd.DataFrame, preparer: Preparer, prepared: np.ndarray
) -> tuple[list[Marginal], list[tuple[int, list[int]]], dict[int, int]]:
    """Return the latent variables, flags first, the prepared columns that each fills, and that of each feature."""
    margins: list[Marginal] = []
    features: dict[int, int] = {}
    columns: list[tuple[int, list[int]]] = []
    numbers = [i for i in range(customers.shape[1]) if i not in preparer.levels_]
    values = [customers.iloc[:, i].to_numpy(dtype=float, na_value=np.nan) for i in numbers]
    flag_of: dict[bytes, int] = {}
    for at, position in enumerate(preparer.flagged_):
        unknown = np.isnan(values[position])
        flag_of[np.packbits(unknown).tobytes()] = len(margins)
        columns.append((len(margins), [len(numbers) + at]))
        margins.append(Marginal(unknown.astype(float)))
    for at, column in enumerate(values):
        unknown = np.isnan(column)
        if unknown.all() or (np.nanmin(column) == np.nanmax(column) and not unknown.any()):
            continue  # the same for all: nothing to draw, and 0 once prepared
        columns.append((len(margins), [at]))
        features[numbers[at]] = len(margins)
        margins.append(Marginal(column, flag_of[np.packbits(unknown).tobytes()] if unknown.any() else None))
    first = len(numbers) + len(preparer.flagged_)
    lead = _lead(prepared[:, :first])
    for position, levels in preparer.levels_.items():
        if len(levels) > 1:
            columns.append((len(margins), list(range(first, first + len(levels)))))
            features[position] = len(margins)
            margins.append(Marginal(_ordered_words(customers.iloc[:, position], lead)))
        first += len(levels)
    return margins, columns, features


def _lead(numbers: np.ndarray) -> np.ndarray:
    """Return where customers lie on the first principal direction of their numbers."""
    if not numbers.shape[1] or not numbers.std(axis=0).any():
        return np.zeros(len(numbers))
    centred = numbers - numbers.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    lead = centred @ directions[:, -1]
    return lead * np.sign(directions[np.abs(directions[:, -1]).argmax(), -1])


def _ordered_words(column: pd.Series, lead: np.ndarray) -> np.ndarray:
    """Return each word's place among the words: in their own order, else as they lie along the numbers."""
    words = column.astype("str").where(column.notna(), MISSING)
    if isinstance(column.dtype, pd.CategoricalDtype) and column.dtype.ordered:
        order = [str(c) for c in column.dtype.categories] + [MISSING]
        return pd.Categorical(words, categories=order).codes.astype(float)
    means = pd.Series(lead).groupby(words.to_numpy()).mean().sort_index().sort_values(kind="stable")
    return words.map({word: i for i, word in enumerate(means.index)}).to_numpy(dtype=float)


def _rank_correlations(codes: list[np.ndarray]) -> np.ndarray:
    """Return Spearman's correlations, of each pair over those who have both; 0 where one of the two is constant."""
    if not codes:
        return np.empty((0, 0))
    ranks = np.column_stack([rankdata(c, nan_policy="omit") for c in codes])
    known = ~np.isnan(ranks)
    if known.all():
        centred = ranks - ranks.mean(axis=0)
        spread = np.sqrt((centred**2).sum(axis=0))
        found = np.divide(
            centred.T @ centred,
            np.outer(spread, spread),
            out=np.zeros((len(codes),) * 2),
            where=np.outer(spread, spread) > 0,
        )
    else:
        found = _pairwise(np.where(known, ranks, 0.0), known.astype(float))
    np.fill_diagonal(found, 1.0)
    return found


def _pairwise(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    n = known.T @ known
    sums, products = values.T @ known, values.T @ values
    squares = (values**2).T @ known
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = products - sums * sums.T / n
        variance = squares - sums**2 / n
        spread = np.sqrt(np.maximum(variance, 0) * np.maximum(variance.T, 0))
        found = covariance / spread
    return np.where((n > 2) & (spread > 1e-9 * np.maximum(n, 1)), np.nan_to_num(found), 0.0)


def _possible(correlations: np.ndarray) -> np.ndarray:
    """Return the nearest correlations that can be: no negative eigenvalue."""
    values, vectors = np.linalg.eigh((correlations + correlations.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 1e-9))
    root /= np.linalg.norm(root, axis=1, keepdims=True)
    return root @ root.T
