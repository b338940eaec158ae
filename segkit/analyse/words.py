"""Give the words of a category feature a column each, the rare ones one together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

OTHER, MISSING = "(other)", "(missing)"  # the columns of rare and of missing words
WEIGHT = np.sqrt(4 / 3)  # of a word's column: two words then lie 1.6 apart, where yes and no lie 1.4 apart


def words_of(column: pd.Series) -> list[str]:
    """Return the different words of a column: in the order of its categories if they have one, else alphabetically."""
    known = column[column.notna()]
    if isinstance(column.dtype, pd.CategoricalDtype) and column.dtype.ordered:
        used = set(known.astype("str"))
        return [str(c) for c in column.dtype.categories if str(c) in used]
    return sorted(known.astype("str").unique())


def is_ordered(column: pd.Series) -> bool:
    """Return whether the words of a column have an order: given by its categories, or since there are only two."""
    given = isinstance(column.dtype, pd.CategoricalDtype) and column.dtype.ordered
    return bool(given or len(words_of(column)) == 2)


def levels_of(column: pd.Series, most: int) -> list[str]:
    """Return the words that get a column: the most frequent ones, then those of all others and of missing words."""
    words = column.astype("str")[column.notna()]
    counts = words.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    levels = list(counts.index[:most])
    if len(counts) > most and OTHER not in levels:
        levels.append(OTHER)
    if column.isna().any() and len(words) and MISSING not in levels:
        levels.append(MISSING)
    return levels


def ranks(column: pd.api.extensions.ExtensionArray, words: list[str]) -> np.ndarray:
    """Return the position of each word in an order as float; NaN where it is missing or not among the words."""
    at = _positions(column, lambda word: words.index(word) if word in words else -1)
    return np.where(at < 0, np.nan, at.astype(float))


def one_hot(column: pd.api.extensions.ExtensionArray, levels: list[str]) -> np.ndarray:
    """Return a column for each level, with 1 where a word has it."""

    def position(word: str) -> int:
        name = word if word is MISSING or word in levels else OTHER
        return levels.index(name) if name in levels else -1

    at = _positions(column, position)
    hot = np.zeros((len(at), len(levels)))
    known = np.flatnonzero(at >= 0)
    hot[known, at[known]] = 1.0
    return hot


def _positions(column: Any, position: Callable[[str], int]) -> np.ndarray:
    """Return the position of each word; each different word is looked up once. A missing one is looked up too."""
    if isinstance(column, pd.Categorical):
        codes, words = column.codes, list(column.categories)
    elif isinstance(column, np.ndarray) and len(column) == 1:  # a single customer
        return np.array([_of(column[0], position)])
    else:
        codes, words = pd.factorize(column)
    return np.array([*(_of(word, position) for word in words), _of(None, position)], dtype=int)[codes]


def _of(word: object, position: Callable[[str], int]) -> int:
    return position(MISSING if pd.api.types.is_scalar(word) and pd.isna(word) else str(word))
