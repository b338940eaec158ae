"""Segment customers by RFM scores: recency, frequency and monetary value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from segkit.core.messages import did_you_mean, joined, listed
from segkit.methods.assignment import OUTSIDE

RFM_COLUMNS = ("recency", "frequency", "monetary")
OTHERS = "Others"

RFM_LIMITS: dict[str, tuple[tuple[int, int], ...]] = {
    "Champions": ((5, 5), (5, 5), (5, 5)),
    "Potential Loyalist": ((3, 5), (3, 5), (2, 5)),
    "Loyal Customers": ((2, 4), (2, 4), (2, 4)),
    "Promising": ((3, 4), (1, 3), (3, 5)),
    "New Customers": ((4, 5), (1, 3), (1, 5)),
    "Can't Lose Them": ((1, 2), (3, 4), (4, 5)),
    "At Risk": ((1, 2), (2, 5), (4, 5)),
    "Need Attention": ((1, 3), (3, 5), (3, 5)),
    "About To Sleep": ((2, 3), (1, 3), (1, 4)),
    "Lost": ((1, 1), (1, 5), (1, 5)),
}
"""Lowest and highest score of recency, frequency and monetary value in each segment; the first that fits is taken.

The limits in the manual of the R package rfm 0.3.0 (A. Hebbali).
"""


class RFMSegmenter(TransformerMixin, BaseEstimator):
    """Score customers from 1 to 5 by recency, frequency and monetary value, and segment them by their scores.

    The cuts between scores are quantiles of the customers of the fit; new customers are scored by the same cuts. Scores
    and segments are those of the R package rfm [1]_.

    Parameters
    ----------
    bins : int or dict of str to int or sequence of float, default=5
        Number of scores, for all columns or for each by name; or ascending cuts instead of a number:
        ``{"recency": [30, 90, 180, 360]}``. A value at a cut lies above it.
    limits : "standard", dict or None, default="standard"
        Lowest and highest score of each column, by name of the segment; the first that fits is taken. The standard is
        :data:`RFM_LIMITS` and needs 5 bins. None: segments are sums of the scores, 0 for the lowest sum.
    offset : float, default=1.0
        Added to each quantile to make it a cut. 1 is the R package's choice, for days, orders and sums much larger than
        1; use 0 for money in thousands.

    Attributes
    ----------
    cuts_ : list of ndarray
        Values at which the scores of each column begin, from the second on.
    labels_ : ndarray of shape (n_customers,)
        Segment of each customer of the fit.
    names_ : dict of int to str
        Names of the segments: those of `limits`, then "Others" for scores that fit none.

    Notes
    -----
    Of a DataFrame with the columns `recency`, `frequency` and `monetary`, in any order and any case, these are used;
    if it has none of these, all columns in their order, as of an array. In the first column less is better. A customer
    with a missing value, such as the recency of someone who never ordered, has no score and segment −1.

    References
    ----------
    .. [1] Hebbali (2020), rfm: Recency, Frequency and Monetary Value Analysis, R package.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame(
    ...     {"recency": [9, 40, 90, 200, 400], "frequency": [40, 1, 12, 20, 6], "monetary": [900, 20, 150, 400, 60]},
    ...     index=["ada", "bob", "cy", "dan", "eve"],
    ... )
    >>> rfm = sg.RFMSegmenter().fit(customers)
    >>> rfm.set_output(transform="pandas").transform(customers)
         recency_score  frequency_score  monetary_score
    ada            5.0              5.0             5.0
    bob            4.0              1.0             1.0
    cy             3.0              3.0             3.0
    dan            2.0              4.0             4.0
    eve            1.0              2.0             2.0
    >>> [rfm.names_[segment] for segment in rfm.predict(customers)]
    ['Champions', 'New Customers', 'Potential Loyalist', 'Loyal Customers', 'Lost']
    """

    def __init__(self, bins=5, limits="standard", offset=1.0):
        self.bins = bins
        self.limits = limits
        self.offset = offset

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X, y=None):
        """Learn the cuts between scores.

        Parameters
        ----------
        X : DataFrame or array of shape (n_customers, n_columns)
        y : ignored

        Returns
        -------
        RFMSegmenter

        Raises
        ------
        ValueError
            If `bins` or `limits` do not fit these columns, or it is unclear which columns are recency, frequency and
            monetary.
        """
        values = self._values(X, reset=True)
        _check_names(self.bins, self._columns())
        wanted = [_wanted(self.bins, name) for name in self._columns()]
        self.cuts_ = [self._cuts(column, cuts) for column, cuts in zip(values.T, wanted, strict=True)]
        self._boxes = checked_limits(self.limits, [len(cuts) + 1 for cuts in self.cuts_])
        self.names_ = dict(enumerate([*self._boxes, OTHERS])) if self._boxes is not None else self._sums()
        self.labels_ = self._labels(self._scores(values))
        return self

    def transform(self, X):
        """Return the scores.

        Parameters
        ----------
        X : DataFrame or array of shape (n_customers, n_columns)

        Returns
        -------
        ndarray of float, shape (n_customers, n_columns)
            1 is the worst; missing where the value is.
        """
        check_is_fitted(self)
        return self._scores(self._values(X, reset=False))

    def predict(self, X):
        """Return the segment of each customer.

        Parameters
        ----------
        X : DataFrame or array of shape (n_customers, n_columns)

        Returns
        -------
        ndarray of int, shape (n_customers,)
            Keys of `names_`; −1 for customers with a missing value.
        """
        return self._labels(self.transform(X))

    def fit_predict(self, X, y=None):
        """Learn the cuts, and return the segment of each customer."""
        return self.fit(X).labels_

    def get_feature_names_out(self, input_features=None):
        """Name the scores: `recency_score`, and so on."""
        check_is_fitted(self)
        return np.array([f"{name}_score" for name in self._columns()], dtype=object)

    def _values(self, X, *, reset):
        if isinstance(X, pd.DataFrame):
            columns = rfm_columns(X)
            X = X[list(columns.values())].set_axis(list(columns), axis=1)
        return validate_data(self, X, reset=reset, dtype=float, ensure_all_finite="allow-nan")

    def _columns(self) -> list[str]:
        return list(getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)]))

    def _cuts(self, column, wanted):
        if not isinstance(wanted, int):
            return np.asarray(wanted, dtype=float)
        known = column[~np.isnan(column)]
        if not len(known):
            return np.full(wanted - 1, np.inf)
        return np.quantile(known, np.linspace(0, 1, wanted + 1)[1:-1]) + self.offset

    def _scores(self, values):
        scores = np.full(values.shape, np.nan)
        for i, cuts in enumerate(self.cuts_):
            known = ~np.isnan(values[:, i])
            passed = np.searchsorted(cuts, values[known, i], side="right")
            scores[known, i] = len(cuts) + 1 - passed if i == 0 else passed + 1
        return scores

    def _sums(self) -> dict[int, str]:
        lowest, highest = len(self.cuts_), sum(len(cuts) + 1 for cuts in self.cuts_)
        return {total - lowest: f"Scores sum to {total}" for total in range(lowest, highest + 1)}

    def _labels(self, scores):
        known = ~np.isnan(scores).any(axis=1)
        if self._boxes is None:
            totals = scores.sum(axis=1) - scores.shape[1]
        else:
            totals = np.full(len(scores), len(self._boxes), dtype=float)
            for label, box in reversed(list(enumerate(self._boxes.values()))):
                low, high = np.array(box, dtype=float).T
                totals[((scores >= low) & (scores <= high)).all(axis=1)] = label
        return np.where(known, totals, OUTSIDE).astype("int64")


def _standard_name(name: Any) -> Any:
    """Return recency, frequency or monetary for a name that is equal but for case and blanks, else the name."""
    plain = name.strip().lower() if isinstance(name, str) else name
    return plain if plain in RFM_COLUMNS else name


def rfm_columns(customers: pd.DataFrame) -> dict[Any, Any]:
    """Return the columns that are recency, frequency and monetary, by these names; all columns if none has such a name.

    Raises
    ------
    ValueError
        If recency is not there, or another one with columns that could be meant instead, or one is there twice.
    """
    there = {name: [c for c in customers.columns if _standard_name(c) == name] for name in RFM_COLUMNS}
    if not any(there.values()):
        return {name: name for name in customers.columns}
    chosen = {name: name if name in columns else columns[0] for name, columns in there.items() if columns}
    lacking = [name for name in RFM_COLUMNS if name not in chosen]
    if "recency" in lacking or (lacking and len(chosen) < customers.shape[1]):
        raise ValueError(
            f"The columns are {listed(customers.columns, 10)}: {joined(list(chosen))} by name, but no "
            f"{joined(lacking)}. Rename the columns: "
            f"customers.rename(columns={{'…': {lacking[0]!r}}})."
        )
    for name, column in chosen.items():
        columns = there[name]
        if column != name and len(columns) > 1:
            raise ValueError(
                f"The columns {joined([repr(c) for c in columns])} could each be {name}. Drop all but one."
            )
    return chosen


def _check_names(bins: Any, columns: list[str]) -> None:
    for name in bins if isinstance(bins, Mapping) else ():
        if _standard_name(name) not in columns:
            raise ValueError(
                f"bins names {name!r}, which is no column."
                f"{did_you_mean(str(name), columns)} There are {', '.join(columns)}."
            )


def _wanted(bins: Any, name: str) -> int | list[float]:
    """Return the number of bins of a column, or the cuts between them."""
    wanted = (
        {_standard_name(n): b for n, b in bins.items()}.get(name, 5) if isinstance(bins, Mapping) else bins
    )
    if isinstance(wanted, (int, np.integer)) and not isinstance(wanted, bool):
        if wanted < 2:
            raise ValueError(f"bins={wanted!r} should be 2 or more for {name}; 5 is usual.")
        return int(wanted)
    is_list = isinstance(wanted, (Sequence, np.ndarray)) and not isinstance(wanted, str)
    cuts = list(wanted) if is_list else []
    if not cuts or not np.isfinite(cuts).all() or (np.diff(cuts) < 0).any():
        raise ValueError(
            f"bins={wanted!r} for {name} is neither a number of bins nor ascending cuts. "
            'Say bins=5, or bins={"recency": [30, 90, 180, 360]}.'
        )
    return cuts


def checked_limits(limits: Any, n_bins: list[int]) -> dict[str, tuple[tuple[int, int], ...]] | None:
    """Return the scores that each segment spans, or None if segments are sums."""
    if limits is None:
        return None
    if isinstance(limits, str) and limits == "standard":
        if n_bins != [5, 5, 5]:
            raise ValueError(
                f"limits='standard' is for the columns recency, frequency and monetary in 5 bins each; here are "
                f"{len(n_bins)} column(s) in {', '.join(map(str, n_bins))} bins. Pass limits of your own, or None."
            )
        return RFM_LIMITS
    if not isinstance(limits, Mapping) or not limits:
        raise ValueError(
            f"limits={limits!r} is none of 'standard', None, or a dict of names to scores. Pass one, such as "
            '{"Best": ((4, 5), (4, 5), (4, 5))}.'
        )
    for name, box in limits.items():
        if np.shape(box) != (len(n_bins), 2):
            raise ValueError(
                f"limits[{name!r}]={box!r} should be the lowest and highest score of each of {len(n_bins)} columns, "
                f"such as {tuple((1, n) for n in n_bins)}."
            )
        for (low, high), n in zip(box, n_bins, strict=True):
            if not 1 <= low <= high <= n:
                raise ValueError(
                    f"limits[{name!r}] spans scores {low} to {high}, and there are 1 to {n}. Correct them."
                )
    return dict(limits)
