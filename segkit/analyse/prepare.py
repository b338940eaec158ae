"""Prepare features for clustering: tame skew, equalise scales, encode words and missing values, count copies once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from segkit.analyse.numbers import Scales, as_logged, learn_scales, natural, scaled
from segkit.analyse.redundancy import redundancy
from segkit.analyse.words import MISSING, WEIGHT, is_ordered, levels_of, one_hot, ranks, words_of
from segkit.core.checks import check_count, check_type
from segkit.core.messages import did_you_mean

NUMBERS = {"b", "i", "u", "f"}  # kinds of NumPy
# Types of pandas' infer_dtype for columns of objects that hold numbers.
OBJECT_NUMBERS = {"integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty"}


def make_preparer(
    *,
    log: str | Sequence[str] = "auto",
    scale: str = "auto",
    fences: float = 5.0,
    max_categories: int = 12,
    weights: Mapping[str, float] | None = None,
) -> Preparer:
    """Make a transformer that prepares features for a clusterer.

    Parameters
    ----------
    log, scale, fences, max_categories, weights
        As in :class:`Preparer`.

    Returns
    -------
    Preparer
        Not fitted yet; put it into a pipeline.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.pipeline import make_pipeline
    >>> import segkit as sg
    >>> model = make_pipeline(sg.make_preparer(weights={"age": 2}), KMeans(4, random_state=0))
    """
    return Preparer(log=log, scale=scale, fences=fences, max_categories=max_categories, weights=weights)


class Preparer(TransformerMixin, BaseEstimator):
    """Make features comparable by what they are: counts and money, yes and no, words, ranks, missing values.

    It is one estimator rather than a pipeline, so that a single customer is prepared fast enough for live scoring.

    Parameters
    ----------
    log : "auto", "none" or sequence of str, default="auto"
        Numeric features to take logarithms of. "auto": features without negative values that are skewed (skewness
        over 1 between the fences), and at most half as skewed afterwards, as counts and money often are.
    scale : {"auto", "standard", "none"}, default="auto"
        "auto": the mean is 0, and the standard deviation 1; where more than half of the customers share a value, the
        others lie √2 from it on (quadratic) average. "standard": standard deviation 1 for all. "none": unchanged,
        without fences.
    fences : float, default=5.0
        Values farther from the median than this many standard deviations (estimated by the median absolute deviation)
        are pulled in to there, but never more than 1 % of the customers on a side, so that no outlier forms a segment.
    max_categories : int, default=12
        Number of words of a category feature that get a column each, the most frequent ones; all others share one.
    weights : mapping of str to float, optional
        Weight of a feature, or of all features of a basis ("demographic", …) where the table knows the bases of its
        columns. A feature of weight 2 counts as if it were there twice; weight 0 leaves it out.

    Attributes
    ----------
    logged_, unit_, low_, high_, center_, scale_ : ndarray of shape (n_numbers,)
        How numbers are prepared, see :class:`segkit.analyse.numbers.Scales`.
    ranks_ : dict of int to list of str
        Position of each feature with words in an order, and the words: categories with an order, and any two words.
        They are prepared as numbers 0, 1, 2, …
    levels_ : dict of int to list of str
        Position of each other category feature, and the words that have a column.
    flagged_ : list of int
        Numeric features with a column for missing values; features that are missing for the same customers share one.
    redundant_ : ndarray of bool, shape (n_blocks, n_blocks)
        Which numbers, flags and categories say the same as which, in the order of prepared columns.
    weight_ : ndarray of shape (n_prepared,)
        Factor of each prepared column. Columns that say the same share the weight of one.

    Notes
    -----
    Two-valued features are one thing, however they are written: 0 and 1, True and False, yes and no lie √2 apart,
    whether they are balanced or one is rare. A missing number becomes the mean (0 when scaled). Each row is
    transformed by itself, so the result does not depend on the other rows.
    """

    def __init__(self, log="auto", scale="auto", fences=5.0, max_categories=12, weights=None):
        self.log = log
        self.scale = scale
        self.fences = fences
        self.max_categories = max_categories
        self.weights = weights

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
        Preparer
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X, y=None):
        """Learn how each feature is prepared, and return the prepared matrix.

        Parameters
        ----------
        X : DataFrame or array of shape (n_customers, n_features)
        y : ignored

        Returns
        -------
        ndarray of shape (n_customers, n_prepared)
        """
        self._check_parameters()
        X = self._checked(X, reset=True)
        # By name, so that the order of the columns of X decides nothing: not even a tie, or the last digit of a sum.
        by_name = sorted(range(X.shape[1]), key=lambda i: X.columns[i])
        words = set(_word_positions(X))
        self.ranks_ = {i: words_of(X.iloc[:, i]) for i in by_name if i in words and is_ordered(X.iloc[:, i])}
        self.levels_ = {
            i: levels_of(X.iloc[:, i], self.max_categories)
            for i in by_name
            if i in words and i not in self.ranks_
        }
        self._numbers = [i for i in by_name if i not in self.levels_]
        self._at_numbers = np.array(self._numbers, dtype=int)
        self._at_words = np.array(list(self.levels_), dtype=int)
        values = self._matrix(X)
        self._keep(learn_scales(values, self._to_log(list(X.columns)), self.scale, self.fences))
        missing = np.isnan(values)
        self.flagged_ = _distinct_patterns(missing)
        flags = missing[:, self.flagged_].astype(float)
        learned = learn_scales(flags, np.zeros(flags.shape[1], dtype=bool), self.scale, self.fences)
        self._flag_center, self._flag_scale = learned.center, learned.scale
        blocks = self._blocks()
        self.weight_ = np.ones(blocks[-1].stop)
        matrix = self._prepared(values, X)
        self.redundant_ = redundancy(matrix, blocks)
        wanted = self._wanted_weights(X, missing)
        # A block of weight 0 is left out, and shares nothing.
        sharing = np.maximum(self.redundant_[:, wanted > 0].sum(axis=1), 1)
        of_blocks = np.sqrt(wanted / sharing)
        self.weight_ = np.repeat(of_blocks, [block.stop - block.start for block in blocks])
        matrix *= self.weight_
        return matrix

    def transform(self, X):
        """Return the prepared matrix.

        Parameters
        ----------
        X : DataFrame or array of shape (n_customers, n_features)

        Returns
        -------
        ndarray of shape (n_customers, n_prepared)
            Scaled numbers, then flags of missing ones, then a column for each word; each in the order of the names of
            the features.
        """
        return self.matrix(X)

    def matrix(self, X):
        """Return the prepared matrix as an array, even if ``set_output`` asks for a DataFrame.

        Parameters
        ----------
        X : DataFrame or array of shape (n_customers, n_features)

        Returns
        -------
        ndarray of shape (n_customers, n_prepared)
            As from :meth:`transform`.
        """
        if "scale_" not in vars(self):
            check_is_fitted(self)
        X = self._checked(X, reset=False)
        row = self._row(X) if len(X) == 1 and (self.levels_ or self.ranks_) else None
        if row is None:
            return self._prepared(self._matrix(X), X)
        return self._prepared(row[0], X, row[1])

    def inverse_transform(self, X):
        """Return the features in their own units, of a prepared matrix such as the centres of clusters.

        Parameters
        ----------
        X : array of shape (n, n_prepared)

        Returns
        -------
        DataFrame of shape (n, n_features)
            Numbers beyond the fences are at the fence; a category is the word of its largest column, and one with an
            order (or two words) the nearest word. Missing where the flag says so. Features of weight 0 are at their
            mean, or missing if they are categories.
        """
        check_is_fitted(self)
        with np.errstate(divide="ignore", invalid="ignore"):
            matrix = np.nan_to_num(np.asarray(X, dtype=float) / self.weight_, posinf=0.0, neginf=0.0)
        n = len(self._numbers)
        values = natural(matrix[:, :n], self._scales)
        flags = matrix[:, n : n + len(self.flagged_)] * self._flag_scale + self._flag_center
        columns: dict[int, np.ndarray | list] = {}
        for at, position in enumerate(self._numbers):
            unknown = (
                flags[:, self._flag_of[at]] > 0.5 if at in self._flag_of else np.zeros(len(matrix), bool)
            )
            columns[position] = _named(np.where(unknown, np.nan, values[:, at]), self.ranks_.get(position))
        start = n + len(self.flagged_)
        for position, levels in self.levels_.items():
            hot = matrix[:, start : start + len(levels)]
            best = [levels[i] if row[i] > 0 else None for i, row in zip(hot.argmax(axis=1), hot, strict=True)]
            columns[position] = [None if word == MISSING else word for word in best]
            start += len(levels)
        return pd.DataFrame({name: columns[i] for i, name in enumerate(self._names())})

    def numbers(self, X):
        """Return the numeric features unchanged, in the order of the prepared columns.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_features)

        Returns
        -------
        ndarray of float, shape (n_customers, n_numbers)
            Words in an order are 0, 1, 2, …
        """
        return self._matrix(self._checked(X, reset=False))

    def unscaled(self, X):
        """Return the prepared columns before scaling.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_features)

        Returns
        -------
        values : DataFrame of shape (n_customers, n_prepared)
            Numbers in their own units, the position of words in an order, and 0 or 1 for a flag or a word.
        shares : ndarray of bool, shape (n_prepared,)
            Which columns are 0 or 1 for flags and words, so that means are shares of the customers.
        """
        X = self._checked(X, reset=False)
        numbers = self._matrix(X)
        flags = np.isnan(numbers)[:, self.flagged_].astype(float)
        hot = [one_hot(X.iloc[:, i].array, levels) for i, levels in self.levels_.items()]
        values = np.concatenate([numbers, flags, *hot], axis=1)
        shares = np.ones(values.shape[1], dtype=bool)
        shares[: len(self._numbers)] = [len(self.ranks_.get(i, ())) == 2 for i in self._numbers]
        return pd.DataFrame(values, X.index, self.get_feature_names_out()), shares

    def logged_numbers(self, X):
        """Return the numeric features with logarithms of the logged ones, not scaled yet.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_features)

        Returns
        -------
        ndarray of float, shape (n_customers, n_numbers)
        """
        return as_logged(self.numbers(X), self.logged_, self.unit_)

    def get_feature_names_out(self, input_features=None):
        """Name the prepared columns.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str
            "monetary", "gap_mean missing", "top_category = GROCERY"; "vip = yes" for one of two words.
        """
        check_is_fitted(self)
        names = self._names()
        two = {i: words[1] for i, words in self.ranks_.items() if len(words) == 2}
        numbers = [f"{names[i]} = {two[i]}" if i in two else names[i] for i in self._numbers]
        flags = [f"{names[self._numbers[i]]} missing" for i in self.flagged_]
        words = [f"{names[i]} = {level}" for i, levels in self.levels_.items() for level in levels]
        made: list[str] = []
        for name in (*flags, *words):
            while name in names or name in made:  # a feature may already have that name
                name += " (2)"
            made.append(name)
        return np.array([*numbers, *made], dtype=object)

    @property
    def positions_(self):
        """The positions of the features that are numbers, or words in an order, as their prepared columns stand."""
        return list(self._numbers)

    @property
    def owners_(self):
        """The features that each prepared column comes from; a flag may stand for several that miss together."""
        names = self._names()
        numbers = [names[i] for i in self._numbers]
        flags: list[list[str]] = [[] for _ in self.flagged_]
        for at, flag in self._flag_of.items():
            flags[flag].append(numbers[at])
        words = [[names[i]] for i, levels in self.levels_.items() for _ in levels]
        return [*([name] for name in numbers), *flags, *words]

    def factors_without(self, feature):
        """Return the factor of each prepared column when a feature is left out: 0 for its columns, 1 for most others.

        Columns that say the same as it get its share of the weight.

        Parameters
        ----------
        feature : str

        Returns
        -------
        ndarray of shape (n_prepared,)
        """
        kept = np.array([owners != [feature] for owners in self.owners_])
        blocks = self._blocks()
        starts = [block.start for block in blocks]
        kept_blocks, counted = kept[starts], self.weight_[starts] > 0
        same = self.redundant_[:, counted].sum(axis=1)
        left = self.redundant_[:, counted & kept_blocks].sum(axis=1)
        factors = np.where(kept_blocks, np.sqrt(same / np.maximum(left, 1)), 0.0)
        return np.repeat(factors, [block.stop - block.start for block in blocks])

    @property
    def flag_values_(self):
        """The value of each flag where its feature is known, and where it is missing, before the weight."""
        return (np.array([[0.0], [1.0]]) - self._flag_center) / self._flag_scale

    @property
    def _scales(self):
        return Scales(self.logged_, self.unit_, self.low_, self.high_, self.center_, self.scale_)

    def _keep(self, scales):
        self.logged_, self.unit_, self.low_, self.high_, self.center_, self.scale_ = scales

    def _names(self):
        return list(getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)]))

    def _blocks(self):
        """Return the prepared columns of each number, each flag, and each category."""
        sizes = [1] * (len(self._numbers) + len(self.flagged_)) + [len(v) for v in self.levels_.values()]
        ends = np.cumsum(sizes)
        return [slice(int(end) - size, int(end)) for end, size in zip(ends, sizes, strict=True) if size]

    def _prepared(self, values, X, words=None):
        """Return the matrix for the numbers of some customers, and their words where they were taken already."""
        missing = np.isnan(values)
        numbers = scaled(values, self._scales)
        numbers[missing] = 0.0
        flags = (missing[:, self.flagged_] - self._flag_center) / self._flag_scale
        columns = [X.iloc[:, i].array for i in self.levels_] if words is None else words
        hot = [WEIGHT * one_hot(c, v) for c, v in zip(columns, self.levels_.values(), strict=True)]
        matrix = np.concatenate([numbers, flags, *hot], axis=1)
        matrix *= self.weight_
        return matrix

    def _row(self, X):
        """Return the numbers and words of a single customer, or None where the code for many rows is needed.

        All values are taken at once: taking them column by column is the slowest part of live scoring.
        """
        row = X.to_numpy(dtype=object)[0]
        for position, words in self.ranks_.items():
            row[position] = ranks(row[position : position + 1], words)[0]
        try:
            values = row[self._at_numbers].astype(float)
        except (TypeError, ValueError):  # NA, or not a number
            return None
        if np.isinf(values).any():
            return None
        return values[None], [row[i : i + 1] for i in self.levels_]

    def _wanted_weights(self, X, missing):
        """Return the weight of each block; a flag has that of the heaviest feature that it stands for."""
        self._flag_of = {
            at: flag
            for flag, flagged in enumerate(self.flagged_)
            for at in range(missing.shape[1])
            if np.array_equal(missing[:, at], missing[:, flagged])
        }
        of_feature = self._weights_of_features(X)
        numbers = [of_feature[X.columns[i]] for i in self._numbers]
        flags = [
            max(numbers[at] for at, f in self._flag_of.items() if f == flag)
            for flag in range(len(self.flagged_))
        ]
        words = [of_feature[X.columns[i]] for i, levels in self.levels_.items() if levels]
        return np.array([*numbers, *flags, *words])

    def _weights_of_features(self, X):
        bases = (X.attrs.get("segkit") or {}).get("bases") or {}
        known = [*X.columns, *dict.fromkeys(bases.values())]
        for name, weight in (self.weights or {}).items():
            if name not in known:
                raise ValueError(
                    f"weights names {name!r}, which is no feature.{did_you_mean(str(name), [str(k) for k in known])}"
                )
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < np.inf:
                raise ValueError(f"The weight of {name!r} is {weight!r}. It should be a number, 0 or more.")
        weights = self.weights or {}
        of_feature = {c: float(weights.get(c, weights.get(bases.get(c), 1.0))) for c in X.columns}
        if not any(of_feature.values()):
            raise ValueError(
                "The weights of all features are 0, so that customers do not differ. Leave one above 0."
            )
        return of_feature

    def _check_parameters(self):
        if self.scale not in ("auto", "standard", "none"):
            raise ValueError(
                f"scale={self.scale!r} is none of 'auto', 'standard', 'none'. Choose one of these."
            )
        if not isinstance(self.fences, (int, float, np.number)) or not self.fences > 0:
            raise ValueError(f"fences={self.fences!r} should be a positive number of deviations, such as 5.")
        check_count("max_categories", self.max_categories, 1)
        if self.weights is not None:
            check_type(
                "weights", self.weights, Mapping, "It should be a number for each feature: {'age': 2}."
            )
        wanted = "It should be 'auto', 'none', or a list of features: ['monetary']."
        check_type("log", self.log, (str, list, tuple, set, frozenset, np.ndarray, pd.Index), wanted)

    def _checked(self, X, *, reset):
        if isinstance(X, pd.DataFrame):
            if reset or list(X.columns) != list(getattr(self, "feature_names_in_", ())):
                validate_data(self, X, reset=reset, skip_check_array=True)
            if reset and len(X) == 0:
                raise ValueError("Found array with 0 sample(s): there is no customer to learn scales from.")
            return X
        values = validate_data(self, X, reset=reset, dtype=float, ensure_all_finite="allow-nan")
        return pd.DataFrame(values)

    def _matrix(self, X):
        """Return the numbers as floats, words in an order as 0, 1, 2, …"""
        plain = [i for i in self._numbers if i not in self.ranks_]
        every = len(plain) == X.shape[1]
        numbers = X if every else X.take(plain, axis=1)
        if not NUMBERS.issuperset([kind.kind for kind in numbers.dtypes]):
            _check_numbers(numbers)
        values = numbers.to_numpy(dtype=float, na_value=np.nan)
        values = values[:, plain] if every else np.array(values)
        if np.isinf(values).any():
            column = X.columns[plain[int(np.isinf(values).any(axis=0).argmax())]]
            raise ValueError(
                f"{column!r} holds infinity. Features must be finite or missing; replace it by NaN."
            )
        if not self.ranks_:
            return values
        every = np.empty((len(X), len(self._numbers)))
        every[:, [at for at, i in enumerate(self._numbers) if i not in self.ranks_]] = values
        for at, i in enumerate(self._numbers):
            if i in self.ranks_:
                every[:, at] = ranks(X.iloc[:, i].array, self.ranks_[i])
        return every

    def _to_log(self, names):
        """Return which numbers to log, or None where that is learned."""
        numbers = [names[i] for i in self._numbers]
        if isinstance(self.log, str) and self.log == "none":
            return np.zeros(len(numbers), dtype=bool)
        if not isinstance(self.log, str):
            unknown = sorted(set(self.log) - set(numbers))
            if unknown:
                raise ValueError(
                    f"log names {unknown}, which are not numeric features. Choose from {numbers}."
                )
            return np.isin(np.array(numbers, dtype=object), list(self.log))
        if self.log != "auto":
            raise ValueError(
                f"log={self.log!r} is neither 'auto', 'none' nor a list of features. Choose one of these."
            )
        return None


def _check_numbers(numbers: pd.DataFrame) -> None:
    """Check that columns hold numbers: dates, text and categories would become meaningless ones."""
    for name, kind in zip(numbers.columns, numbers.dtypes, strict=True):
        content = pd.api.types.infer_dtype(numbers[name], skipna=True) if kind.kind == "O" else kind.kind
        if kind.kind not in NUMBERS and content not in OBJECT_NUMBERS:
            raise ValueError(
                f"The feature {name!r} held numbers when the preparer was fitted, but is of type {kind} here. Compute "
                "it in the same way."
            )


def _word_positions(X: pd.DataFrame) -> list[int]:
    words = []
    for i, (name, kind) in enumerate(zip(X.columns, X.dtypes, strict=True)):
        if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind):
            continue
        if not (isinstance(kind, pd.CategoricalDtype) or pd.api.types.is_string_dtype(kind)):
            raise ValueError(
                f"The feature {name!r} is of type {kind}. Features are numbers or categories; turn it into a "
                "number (days since, for a date) or leave it out."
            )
        is_object = pd.api.types.is_object_dtype(kind)
        content = pd.api.types.infer_dtype(X.iloc[:, i], skipna=True) if is_object else "string"
        if content not in ("string", "empty"):
            raise ValueError(
                f"The feature {name!r} holds objects ({content}). Features are numbers or categories; convert it: "
                "pd.to_numeric(…) or .astype('category')."
            )
        words.append(i)
    return words


def _distinct_patterns(missing: np.ndarray) -> list[int]:
    """Return the columns with missing values, one for each different pattern of missing values."""
    first: dict[bytes, int] = {}
    for i, column in enumerate(missing.T):
        if column.any() and not column.all():
            first.setdefault(np.packbits(column).tobytes(), i)
    return sorted(first.values())


def _named(values: np.ndarray, words: list[str] | None) -> np.ndarray | list[str | None]:
    """Return numbers, or the nearest word of each where they are positions in an order."""
    if words is None:
        return values
    near = np.clip(np.rint(np.nan_to_num(values)), 0, max(len(words) - 1, 0)).astype(int)
    return [None if np.isnan(v) or not words else words[i] for v, i in zip(values, near, strict=True)]
