"""Prepare features for a mixture of numbers and words: many-valued numbers stay numbers, all others become words."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from segkit.analyse.numbers import learn_scales
from segkit.analyse.prepare import Preparer
from segkit.analyse.words import MISSING, one_hot

SHARED = 0.1  # share of the customers with one value from which a number becomes words: no bell curve has such a peak
FEW = 5  # customers with one value, below which it is no peak
OWN = 5  # values that become a word each; more are put into as many bins
TAIL = 0.025  # share of the values on each side that are pulled in


class MixturePreparer(TransformerMixin, BaseEstimator):
    """Prepare features for :class:`MixedMixture`: a finite matrix of numbers, flags and words, and its layout.

    A number of which one value is shared by 10 % of the customers or more (zeros, ratings, yes and no) becomes words:
    its own values where they are up to five, else the least value and four bins of the others. Of the other numbers
    skewed ones are logged, 2.5 % on each side are pulled in, and the standard deviation is made 1. A feature that says
    the same as an earlier one is left out.

    Parameters
    ----------
    max_categories : int, default=12
        Number of words of a category feature that get a column each; all others share one.

    Attributes
    ----------
    plain_ : Preparer
        The default preparer, which tells numbers, words and copies apart.
    layout_ : dict
        The prepared columns: "numbers", their count; there are as many flags after them, 1 where a number is missing
        (it is then 0); "words", the sizes of the blocks of 0/1 columns that follow, of which one is 1, or none where
        the word is missing.
    numbers_ : ndarray of int
        Which numbers of `plain_` stay numbers.
    cuts_ : dict of int to ndarray
        Which became words, and the values between these; the value of a cut belongs below.
    levels_ : dict of int to list of str
        Position of each category feature, and the words that have a column.
    low_, high_, center_, scale_ : ndarray of shape (n_numbers,)
        Fences, means and standard deviations.
    n_features_in_ : int

    Examples
    --------
    >>> import pandas as pd
    >>> customers = pd.DataFrame({"visits": [1.5, 2.25, None, 4.0], "plan": list("abca")})
    >>> preparer = MixturePreparer().fit(customers)
    >>> preparer.layout_
    {'numbers': 1, 'words': [3]}
    >>> preparer.transform(customers).round(1).tolist()[2]
    [0.0, 1.0, 0.0, 0.0, 1.0]
    """

    def __init__(self, max_categories=12):
        self.max_categories = max_categories

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X, y=None):
        """Learn how each feature is prepared.

        Parameters
        ----------
        X : DataFrame or array of shape (n_customers, n_features)
            Numbers, or categories (in a DataFrame).
        y : ignored

        Returns
        -------
        MixturePreparer
        """
        X = self._checked(X, reset=True)
        self.plain_ = Preparer(max_categories=self.max_categories).fit(X)
        values = self.plain_.logged_numbers(X)
        first = ~np.triu(self.plain_.redundant_, 1).any(axis=0)  # says nothing that an earlier one says
        kept = np.flatnonzero(first[: values.shape[1]])
        cuts = {int(at): _cuts(values[:, at]) for at in kept}
        self.cuts_ = {at: found for at, found in cuts.items() if found is not None}
        self.numbers_ = np.array([at for at in kept if at not in self.cuts_], dtype=int)
        self._learn_scales(values[:, self.numbers_])
        blocks = [i for i, levels in self.plain_.levels_.items() if levels]
        chosen = first[len(first) - len(blocks) :]
        self.levels_ = {
            i: [level for level in self.plain_.levels_[i] if level is not MISSING]
            for i, wanted in zip(blocks, chosen, strict=True)
            if wanted
        }
        sizes = [len(cuts) + 1 for cuts in self.cuts_.values()] + [len(v) for v in self.levels_.values()]
        self.layout_ = {"numbers": len(self.numbers_), "words": sizes}
        return self

    def transform(self, X):
        """Return the prepared matrix.

        Parameters
        ----------
        X : DataFrame or array of shape (n_customers, n_features)

        Returns
        -------
        ndarray of shape (n_customers, n_prepared)
            Numbers, flags of missing ones, and words, as in `layout_`. Each row depends on itself alone.
        """
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        values = self.plain_.logged_numbers(X)
        numbers = (np.clip(values[:, self.numbers_], self.low_, self.high_) - self.center_) / self.scale_
        missing = np.isnan(numbers)
        numbers[missing] = 0.0
        binned = [_one_hot_bins(values[:, at], cuts) for at, cuts in self.cuts_.items()]
        words = [one_hot(X.iloc[:, i].array, levels) for i, levels in self.levels_.items()]
        return np.concatenate([numbers, missing, *binned, *words], axis=1)

    def get_feature_names_out(self, input_features=None):
        """Name the prepared columns.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str
            "monetary", "monetary missing", "visits: 1 of 5" for the lowest of five bins, "plan = gold".
        """
        check_is_fitted(self)
        features = list(getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)]))
        of_number = [features[i] for i in self.plain_.positions_]
        numbers = [of_number[at] for at in self.numbers_]
        bins = [
            f"{of_number[at]}: {i + 1} of {len(cuts) + 1}"
            for at, cuts in self.cuts_.items()
            for i in range(len(cuts) + 1)
        ]
        words = [f"{features[i]} = {level}" for i, levels in self.levels_.items() for level in levels]
        return np.array([*numbers, *(f"{name} missing" for name in numbers), *bins, *words], dtype=object)

    def _learn_scales(self, values):
        """Learn the fences and scales of numbers whose logarithms are taken already."""
        low, high = np.nanquantile(values, [TAIL, 1 - TAIL], axis=0) if values.size else np.empty((2, 0))
        not_again = np.zeros(values.shape[1], dtype=bool)
        learned = learn_scales(np.clip(values, low, high), not_again, "standard", 1e9)
        self.center_, self.scale_ = learned.center, learned.scale
        self.low_, self.high_ = low, high

    def _checked(self, X, *, reset):
        if isinstance(X, pd.DataFrame):
            if reset or list(X.columns) != list(getattr(self, "feature_names_in_", ())):
                validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        return pd.DataFrame(
            validate_data(self, X, reset=reset, dtype=float, ensure_all_finite="allow-nan"),
        )


def _cuts(values: np.ndarray) -> np.ndarray | None:
    """Return the values between the words that a number becomes, or None where it stays a number."""
    known = values[~np.isnan(values)]
    different, counts = np.unique(known, return_counts=True)
    if len(different) > 2 and counts.max() < max(SHARED * len(known), FEW):
        return None
    if len(different) <= OWN:
        return different[:-1]
    others = known[known > different[0]]
    quartiles = np.quantile(others, [0.25, 0.5, 0.75], method="inverted_cdf")
    cuts = np.unique([different[0], *quartiles])
    return cuts[cuts < different[-1]]


def _one_hot_bins(values: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Return a column for each bin, with 1 where a value lies in it; none where it is missing."""
    hot = np.searchsorted(cuts, values)[:, None] == np.arange(len(cuts) + 1)
    return (hot & ~np.isnan(values)[:, None]).astype(float)
