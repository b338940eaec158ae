"""Make the values of a column coarser, step by step: bands, months and years, the most frequent words."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from segkit.core.messages import counted

BANDS = (32, 16, 8, 4, 2)  # of numbers, with as many customers in each
WORDS = (64, 32, 16, 8, 4, 2, 1)  # the most frequent, that are kept
UNKNOWN, OTHER, ANY = "unknown", "other", "any"


@dataclass(frozen=True)
class Generalisation:
    """A column with coarser values.

    Attributes
    ----------
    codes : ndarray of int, shape (n,)
    values : list
        The value of each code.
    words : str
        What was done.
    """

    codes: np.ndarray
    values: list
    words: str

    def column(self, index: pd.Index) -> pd.Series:
        """Return the values."""
        return pd.Series(pd.array(np.array(self.values, dtype=object)[self.codes], dtype="str"), index=index)


def generalisations_of(column: pd.Series) -> list[Generalisation]:
    """Return the column as it is, and ever coarser; the last says "any". Each joins values of the one before.

    Examples
    --------
    >>> [one.values for one in generalisations_of(pd.Series(["a", "a", "a", "b", "b", "c", "d"]))]
    [['a', 'b', 'c', 'd'], ['a', 'b', 'other'], ['a', 'other'], ['any']]
    """
    codes, found = pd.factorize(column, sort=False, use_na_sentinel=True)
    values = [*found.tolist(), UNKNOWN] if (codes < 0).any() else found.tolist()
    codes = np.where(codes < 0, len(found), codes)
    exact = Generalisation(codes, values, "as it is")
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        coarser = _times(column)
    elif pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        coarser = _bands(column.to_numpy(dtype=float, na_value=np.nan))
    else:
        coarser = _frequent(codes, values)
    kept = [exact]
    for one in coarser:
        if 1 < len(one.values) < len(kept[-1].values):
            kept.append(one)
    if len(kept[-1].values) > 1:
        kept.append(Generalisation(np.zeros(len(column), dtype="int64"), [ANY], f"as {ANY!r}"))
    return kept


def _times(column: pd.Series) -> list[Generalisation]:
    return [
        _coded(column.dt.strftime(form).fillna(UNKNOWN), words)
        for form, words in (("%Y-%m", "by month"), ("%Y", "by year"))
    ]


def _bands(numbers: np.ndarray) -> list[Generalisation]:
    """Return bands with as many customers in each; edges are round, so that none is the value of one customer."""
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return []
    edges = np.quantile(known, np.arange(1, BANDS[0]) / BANDS[0])
    spread = edges[-1] - edges[0]
    unit = 10.0 ** (np.floor(np.log10(spread)) - 1) if spread > 0 else 1.0
    found = []
    for bands in BANDS:
        every = BANDS[0] // bands
        cuts = np.unique(np.round(np.round(edges[every - 1 :: every] / unit) * unit, 10))
        cuts = cuts[(cuts > known.min()) & (cuts <= known.max())]
        if not len(cuts):
            continue
        between = [f"{a:,g} to under {b:,g}" for a, b in itertools.pairwise(cuts)]
        names = [f"under {cuts[0]:,g}", *between, f"{cuts[-1]:,g} or more", UNKNOWN]
        codes = np.where(np.isnan(numbers), len(cuts) + 1, np.searchsorted(cuts, numbers, side="right"))
        found.append(_coded(pd.Series(np.array(names, dtype=object)[codes]), f"in {len(cuts) + 1} bands"))
    return found


def _frequent(codes: np.ndarray, values: list) -> list[Generalisation]:
    """Return the most frequent words, all others joined; of those as frequent, the first in the alphabet."""
    counts = np.bincount(codes, minlength=len(values))
    order = sorted(range(len(values)), key=lambda at: (-counts[at], str(values[at])))
    rank = np.empty(len(values), dtype="int64")
    rank[order] = np.arange(len(values))
    words = [str(values[at]) for at in order]
    return [
        Generalisation(
            np.minimum(rank, most)[codes], [*words[:most], OTHER], f"as {counted(most, 'word')} and {OTHER!r}"
        )
        for most in WORDS
        if most < len(words) - 1
    ]


def _coded(column: pd.Series, words: str) -> Generalisation:
    codes, values = pd.factorize(column)
    return Generalisation(codes, values.tolist(), words)
