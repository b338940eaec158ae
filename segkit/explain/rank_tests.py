"""Test whether groups of customers differ, by ranks and by counts, with permutations where few are expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
import scipy.stats

ENOUGH = 5  # customers that should be expected in each cell
PERMUTATIONS = 4_999
MANY = 500  # values of which a few drawn with replacement hardly ever repeat
Chance: TypeAlias = tuple[np.ndarray, np.ndarray, int]  # rank sums, their weights, 1 where they were drawn


@dataclass(frozen=True)
class Tested:
    """The tests of a column: each group against all other customers, and over all groups.

    Attributes
    ----------
    p : ndarray of shape (k,)
        Two-sided; NaN where nothing can be told.
    tests : list of str, length k
    p_all : float
    test_all : str
    sizes : ndarray of shape (k,)
        Customers of each group whose value is known.
    n : int
        Customers whose value is known.
    """

    p: np.ndarray
    tests: list[str]
    p_all: float
    test_all: str
    sizes: np.ndarray
    n: int

    @classmethod
    def unknown(cls, k: int, sizes: np.ndarray | None = None, n: int = 0) -> Tested:
        """Return the tests of a column of which nothing can be told."""
        return cls(np.full(k, np.nan), [""] * k, np.nan, "", np.zeros(k) if sizes is None else sizes, n)


def numbers_differ(values: np.ndarray, codes: np.ndarray, k: int, rng: np.random.Generator) -> Tested:
    """Test by ranks, in one sort: Mann–Whitney of each group, Kruskal–Wallis over all; of two values, chi-square.

    Parameters
    ----------
    values : ndarray of shape (n,)
        NaN where missing; these are left out.
    codes : ndarray of int, shape (n,)
        0 … k − 1, or k for those in no group.
    k : int
    rng : numpy Generator
        For permutations, where fewer than five customers would differ from the most frequent value.
    """
    known = ~np.isnan(values)
    if not known.all():
        values, codes = values[known], codes[known]
    n = len(values)
    sizes = np.bincount(codes, minlength=k + 1)
    if n < 2 or values.min() == values.max():
        return Tested.unknown(k, sizes[:k], n)
    ranks, middles, counts = _ranks(values)
    sums = np.bincount(codes, weights=ranks, minlength=k + 1)[:k]
    ours = sizes[:k].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.abs(sums - ours * (n + 1) / 2)
        z = np.maximum(apart - 0.5, 0) / np.sqrt(ours * (n - ours) / 12 * _spread(counts))
    two_valued = len(counts) == 2
    p = np.where((ours > 0) & (ours < n), 2 * scipy.stats.norm.sf(z), np.nan)
    tests = ["chi-square" if two_valued else "Mann–Whitney" if known_p else "" for known_p in ~np.isnan(p)]
    unusual = n - counts.max()
    by_chance: dict[int, Chance] = {}
    for g in np.flatnonzero(~np.isnan(p) & (np.minimum(ours, n - ours) * unusual / n < ENOUGH)):
        tests[g] = "exact" if two_valued else "permutation"
        # The few customers are those of the group, or all others.
        few, sum_of_few = int(ours[g]), sums[g]
        if few > n - few:
            few, sum_of_few = n - few, n * (n + 1) / 2 - sums[g]
        if few not in by_chance:
            by_chance[few] = _by_chance(middles, counts, few, rng)
        p[g] = _as_far(sum_of_few, few * (n + 1) / 2, by_chance[few])
    if sizes[k]:
        inside = codes < k
        if values[inside].min(initial=np.inf) >= values[inside].max(initial=-np.inf):
            return Tested(np.minimum(p, 1.0), tests, np.nan, "", sizes[:k], n)
        ranks, middles, counts = _ranks(values[inside])
        sums = np.bincount(codes[inside], weights=ranks, minlength=k)
    p_all = _over_all(sums, ours, counts)
    test_all = "" if np.isnan(p_all) else "chi-square" if len(counts) == 2 else "Kruskal–Wallis"
    return Tested(np.minimum(p, 1.0), tests, p_all, test_all, sizes[:k], n)


def _ranks(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean rank of each value, and of each different value its mean rank and how many have it."""
    order = np.argsort(values)
    ordered = values[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts = np.diff(np.append(first, len(values)))
    middles = first + (counts + 1) / 2
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(middles, counts)
    return ranks, middles, counts


def _spread(counts: np.ndarray) -> float:
    """Return 12 times the variance of the ranks, with N − 1 and corrected for ties, over N."""
    n, ties = float(counts.sum()), counts.astype(float)
    return (n + 1) - float((ties**3 - ties).sum()) / (n * (n - 1))


def _over_all(sums: np.ndarray, sizes: np.ndarray, counts: np.ndarray) -> float:
    """Return the p-value of Kruskal and Wallis; groups in which too few are expected count as one."""
    n = float(sizes.sum())
    small = sizes * (n - counts.max()) / n < ENOUGH
    sums = np.append(sums[~small], sums[small].sum())
    sizes = np.append(sizes[~small], sizes[small].sum())
    sums, sizes = sums[sizes > 0], sizes[sizes > 0]
    if len(sizes) < 2:
        return np.nan
    statistic = 12 / n * (((sums / sizes - (n + 1) / 2) ** 2) * sizes).sum() / _spread(counts)
    return float(scipy.stats.chi2.sf(statistic, len(sizes) - 1))


def _by_chance(middles: np.ndarray, counts: np.ndarray, ours: int, rng: np.random.Generator) -> Chance:
    """Return the rank sums that a group of this size gets by chance, with their probabilities.

    All of them for two values, else drawn at random: first how many customers differ from the usual value, then which.
    """
    n, usual = int(counts.sum()), int(counts.argmax())
    others = np.repeat(np.delete(middles, usual), np.delete(counts, usual))
    if len(counts) == 2:
        drawn = np.arange(max(ours - int(counts[usual]), 0), min(ours, len(others)) + 1)
        sums = drawn * others[0] + (ours - drawn) * middles[usual]
        return sums, scipy.stats.hypergeom.pmf(drawn, n, len(others), ours), 0
    drawn = rng.hypergeometric(len(others), n - len(others), ours, PERMUTATIONS)
    if len(others) <= MANY:
        picked = rng.permuted(np.tile(others, (PERMUTATIONS, 1)), axis=1)
    else:
        picked = others[rng.integers(len(others), size=(PERMUTATIONS, max(int(drawn.max()), 1)))]
    upto = np.concatenate([np.zeros((PERMUTATIONS, 1)), np.cumsum(picked, axis=1)], axis=1)
    sums = upto[np.arange(PERMUTATIONS), drawn] + (ours - drawn) * middles[usual]
    return sums, np.ones(PERMUTATIONS), 1


def _as_far(observed: float, mean: float, chance: Chance) -> float:
    """Return how probable a rank sum at least as far from its mean is."""
    sums, weights, itself = chance
    far = np.abs(sums - mean) >= abs(observed - mean) * (1 - 1e-12) - 1e-9
    return float((itself + weights[far].sum()) / (itself + weights.sum()))


def words_differ(words: pd.Series, codes: np.ndarray, k: int, rng: np.random.Generator) -> tuple[float, str]:
    """Return the p-value of chi-square over all groups and words, by permutation where few are expected, and its name.

    Missing words and customers in no group are left out.
    """
    at, different = pd.factorize(words)
    known = (at >= 0) & (codes < k)
    table = np.bincount(codes[known] * len(different) + at[known], minlength=k * len(different))
    table = table.reshape(k, len(different))
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(table.shape) < 2:
        return np.nan, ""
    rows, columns, n = table.sum(axis=1), table.sum(axis=0), table.sum()
    expected = np.outer(rows, columns) / n
    statistic = ((table - expected) ** 2 / expected).sum()
    if expected.min() >= ENOUGH:
        return float(scipy.stats.chi2.sf(statistic, (len(rows) - 1) * (len(columns) - 1))), "chi-square"
    drawn = scipy.stats.random_table(rows, columns).rvs(PERMUTATIONS, method="patefield", random_state=rng)
    chance = ((drawn - expected) ** 2 / expected).sum(axis=(1, 2))
    return float((1 + (chance >= statistic * (1 - 1e-12)).sum()) / (PERMUTATIONS + 1)), "permutation"


def adjusted(p: np.ndarray) -> np.ndarray:
    """Return the Benjamini–Hochberg adjustment of p-values; those that are NaN were no tests."""
    q = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    if len(tested):
        q[tested] = scipy.stats.false_discovery_control(p[tested])
    return q
