"""Prepare features for clustering: tame skew, equalise scales, and encode words and missing values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

NORMAL_IQR = 1.3489795003921634  # interquartile range of a standard normal distribution
NUMBERS = {"b", "i", "u", "f"}  # kinds of NumPy
# Types of pandas' infer_dtype for columns of objects that hold numbers.
OBJECT_NUMBERS = {"integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty"}
OTHER, MISSING = "(other)", "(missing)"  # the columns of rare and of missing words


def make_preparer(
    *, log: str | Sequence[str] = "auto", scale: str = "robust", clip: float = 5.0, max_categories: int = 12
) -> Preparer:
    """Make a transformer that prepares features for a clusterer.

    Parameters
    ----------
    log, scale, clip, max_categories
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
    >>> model = make_pipeline(sg.make_preparer(scale="standard"), KMeans(4, random_state=0))
    """
    return Preparer(log=log, scale=scale, clip=clip, max_categories=max_categories)


class Preparer(TransformerMixin, BaseEstimator):
    """Make features comparable: logarithms of skewed ones, robust scales, flags of missing values.

    It is one estimator rather than a pipeline, so that a single customer is prepared fast enough for live scoring.

    Parameters
    ----------
    log : "auto", "none" or sequence of str, default="auto"
        Numeric features to take ``log1p`` of. "auto": features without negative values whose skewness is over 1, as
        counts and money often have.
    scale : {"robust", "standard", "none"}, default="robust"
        "robust": centred on the median, in units of the interquartile range over 1.349 (one standard
        deviation of a normal distribution); where that range is 0, of the standard deviation. The standard deviation
        of the result is at most 1. "standard": mean and standard deviation. "none": unchanged, and not clipped.
    clip : float, default=5.0
        Scaled values beyond ±clip are clipped, so that a single outlier cannot form a segment.
    max_categories : int, default=12
        Number of words of a category feature that get a column each, the most frequent ones; all others share one.

    Attributes
    ----------
    logged_ : ndarray of bool, shape (n_numbers,)
        Which numeric features are logged.
    center_, scale_ : ndarray of shape (n_numbers,)
        Centre and scale of the (logged) numeric features.
    spread_ : ndarray of shape (n_numbers,)
        Standard deviation after scaling and clipping, at least 1. Values are divided by it, so that a feature that is
        0 for most customers does not outweigh the others.
    flagged_ : list of int
        Numeric features with a 0/1 column for missing values; features that are missing for the same customers share
        one.
    levels_ : dict of int to list of str
        Position of each category feature, and the words that have a column.

    Notes
    -----
    A missing number becomes the median (0 when scaled). Each row is transformed by itself, so the result does not
    depend on the other rows.
    """

    def __init__(self, log="auto", scale="robust", clip=5.0, max_categories=12):
        self.log = log
        self.scale = scale
        self.clip = clip
        self.max_categories = max_categories

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X, y=None):
        """Learn skew, centre and scale of each feature, and which have missing values.

        Parameters
        ----------
        X : DataFrame or array of shape (n_customers, n_features)
            Numbers, or categories (in a DataFrame).
        y : ignored

        Returns
        -------
        Preparer
        """
        self._check_parameters()
        X = self._checked(X, reset=True)
        words = _word_positions(X)
        self.levels_ = {i: self._levels(X.iloc[:, i]) for i in words}
        self._numbers = [i for i in range(X.shape[1]) if i not in self.levels_]
        self._at_numbers, self._at_words = np.array(self._numbers, dtype=int), np.array(words, dtype=int)
        values = self._matrix(X)
        self.logged_ = self._to_log(values, [X.columns[i] for i in self._numbers])
        self.center_, self.scale_ = _center_and_scale(_logged(values, self.logged_), self.scale)
        self.spread_ = np.maximum(_spread(self._clipped(values)), 1.0) if self.scale != "none" else 1.0
        self.flagged_ = _distinct_patterns(np.isnan(values))
        return self

    def transform(self, X):
        """Return the prepared matrix.

        Parameters
        ----------
        X : DataFrame or array of shape (n_customers, n_features)

        Returns
        -------
        ndarray of shape (n_customers, n_prepared)
            Scaled numbers, then flags of missing ones, then a column for each word.
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
        row = self._row(X) if len(X) == 1 and self.levels_ else None
        values, words = (self._matrix(X), None) if row is None else row
        missing = np.isnan(values)
        scaled = self._clipped(values) / self.spread_
        scaled[missing] = 0.0
        blocks = [scaled, missing[:, self.flagged_].astype(float)]
        if words is None:
            blocks += [_one_hot(X.iloc[:, i].array, levels) for i, levels in self.levels_.items()]
        else:
            blocks += [
                _hot(np.array([_position(word, levels)]), levels)
                for word, levels in zip(words, self.levels_.values(), strict=True)
            ]
        return np.concatenate(blocks, axis=1)

    def numbers(self, X):
        """Return the numeric features unchanged, in the order of the prepared columns.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_features)

        Returns
        -------
        ndarray of float, shape (n_customers, n_numbers)
        """
        return self._matrix(self._checked(X, reset=False))

    def _row(self, X):
        """Return the numbers and words of a single customer, or None where the code for many rows is needed.

        All values are taken at once: taking them column by column is the slowest part of live scoring.
        """
        row = X.to_numpy(dtype=object)[0]
        try:
            values = row[self._at_numbers].astype(float)
        except (TypeError, ValueError):  # NA, or not a number
            return None
        return None if np.isinf(values).any() else (values[None], row[self._at_words])

    def get_feature_names_out(self, input_features=None):
        """Name the prepared columns.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str
            "monetary", "gap_mean missing", "top_category = GROCERY".
        """
        check_is_fitted(self)
        names = list(getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)]))
        numbers = [names[i] for i in self._numbers]
        flags = [f"{numbers[i]} missing" for i in self.flagged_]
        words = [f"{names[i]} = {level}" for i, levels in self.levels_.items() for level in levels]
        made: list[str] = []
        for name in (*flags, *words):
            while name in names or name in made:  # a feature may already have that name
                name += " (2)"
            made.append(name)
        return np.array([*numbers, *made], dtype=object)

    def _clipped(self, values):
        scaled = (_logged(values, self.logged_) - self.center_) / self.scale_
        return scaled if self.scale == "none" else np.clip(scaled, -self.clip, self.clip)

    def _check_parameters(self):
        if self.scale not in ("robust", "standard", "none"):
            raise ValueError(
                f"scale={self.scale!r} is none of 'robust', 'standard', 'none'. Choose one of these."
            )
        if not self.clip > 0:
            raise ValueError(f"clip={self.clip!r} should be a positive number of scaled units, such as 5.")
        if not self.max_categories >= 1:
            raise ValueError(f"max_categories={self.max_categories!r} should be 1 or more.")

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
        numbers = X.take(self._numbers, axis=1) if self.levels_ else X
        if not NUMBERS.issuperset([kind.kind for kind in numbers.dtypes]):
            _check_numbers(numbers)
        values = np.array(numbers.to_numpy(dtype=float, na_value=np.nan))
        if np.isinf(values).any():
            column = X.columns[self._numbers[int(np.isinf(values).any(axis=0).argmax())]]
            raise ValueError(
                f"{column!r} holds infinity. Features must be finite or missing; replace it by NaN."
            )
        return values

    def _to_log(self, values, names):
        if isinstance(self.log, str) and self.log == "none":
            return np.zeros(len(names), dtype=bool)
        if not isinstance(self.log, str):
            unknown = sorted(set(self.log) - set(names))
            if unknown:
                raise ValueError(
                    f"log names {unknown}, which are not numeric features. Choose from {list(names)}."
                )
            return np.isin(np.array(names, dtype=object), list(self.log))
        if self.log != "auto":
            raise ValueError(
                f"log={self.log!r} is neither 'auto', 'none' nor a list of features. Choose one of these."
            )
        return np.array([_is_skewed(column[~np.isnan(column)]) for column in values.T], dtype=bool)

    def _levels(self, column):
        words = column.astype("str")[column.notna()]
        counts = words.value_counts().sort_index().sort_values(ascending=False, kind="stable")
        levels = list(counts.index[: self.max_categories])
        if len(counts) > self.max_categories and OTHER not in levels:
            levels.append(OTHER)
        if column.isna().any() and len(words) and MISSING not in levels:
            levels.append(MISSING)
        return levels


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


def _is_skewed(column: np.ndarray) -> bool:
    if len(column) < 3 or column.min() < 0:
        return False
    column, _ = _near_one(column)
    centred = column - column.mean()
    spread = np.sqrt((centred**2).mean())
    return bool(spread > 0 and ((centred / spread) ** 3).mean() > 1)


def _near_one(column: np.ndarray) -> tuple[np.ndarray, int]:
    """Divide numbers by a power of two, which is exact, so that their squares do not overflow."""
    power = int(np.frexp(np.abs(column).max())[1])
    return np.ldexp(column, -power), power


def _mean(column: np.ndarray) -> float:
    near_one, power = _near_one(column)
    return float(np.ldexp(near_one.mean(), power))


def _deviation(column: np.ndarray) -> float:
    near_one, power = _near_one(column)
    return float(np.ldexp(near_one.std(), power))


def _logged(values: np.ndarray, which: np.ndarray) -> np.ndarray:
    if not which.any():
        return values
    values = values.copy()
    values[:, which] = np.sign(values[:, which]) * np.log1p(np.abs(values[:, which]))
    return values


def _center_and_scale(values: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray]:
    centers, scales = np.zeros(values.shape[1]), np.ones(values.shape[1])
    for i, column in enumerate(values.T if how != "none" else ()):
        known = column[~np.isnan(column)]
        if len(known) == 0:
            continue
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
        robust = how == "robust"
        centers[i] = middle if robust else _mean(known)
        spread = (high - low) / NORMAL_IQR if robust and high > low else _deviation(known)
        if spread > 1e-12 * abs(centers[i]):  # else the same for all, but for rounding
            scales[i] = spread
    return centers, scales


def _spread(scaled: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the known values of each column; 0 where there are none."""
    return np.array(
        [_deviation(known) if len(known := column[~np.isnan(column)]) else 0.0 for column in scaled.T]
    )


def _distinct_patterns(missing: np.ndarray) -> list[int]:
    """Return the columns with missing values, one for each different pattern of missing values."""
    first: dict[bytes, int] = {}
    for i, column in enumerate(missing.T):
        if column.any() and not column.all():
            first.setdefault(np.packbits(column).tobytes(), i)
    return sorted(first.values())


def _one_hot(column: pd.api.extensions.ExtensionArray, levels: list[str]) -> np.ndarray:
    if isinstance(column, pd.Categorical):
        codes, words = column.codes, list(column.categories)
    elif isinstance(column.dtype, pd.StringDtype):
        codes, words = pd.factorize(column)
    else:
        return _hot(np.array([_position(word, levels) for word in np.asarray(column, dtype=object)]), levels)
    of_words = [*(_position(word, levels) for word in words), _position(None, levels)]  # −1 is the last
    return _hot(np.array(of_words, dtype=int)[codes], levels)


def _position(word: object, levels: list[str]) -> int:
    """Return the column of a word, or −1 if it has none."""
    name = MISSING if pd.api.types.is_scalar(word) and pd.isna(word) else str(word)
    if name is not MISSING and name not in levels:
        name = OTHER
    return levels.index(name) if name in levels else -1


def _hot(position: np.ndarray, levels: list[str]) -> np.ndarray:
    hot = np.zeros((len(position), len(levels)))
    known = np.flatnonzero(position >= 0)
    hot[known, position[known]] = 1.0
    return hot
