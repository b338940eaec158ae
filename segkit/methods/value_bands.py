"""Divide customers into value bands: tiers of one feature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from segkit.core.checks import check_count, check_type
from segkit.core.messages import counted, did_you_mean, listed
from segkit.methods.assignment import OUTSIDE

if TYPE_CHECKING:
    from segkit.analyse.prepare import Preparer

VALUE = "monetary"  # the default feature of value


class ValueBands(ClusterMixin, BaseEstimator):
    """Cut customers into tiers of equal size by one column: band 0 has the highest values.

    Customers with the same value share a band. Those with the lowest value, such as 0, are a band of their own if they
    fill one, and the others share the rest; other shared values make fewer bands, of unequal size. New customers are
    assigned by the same cuts.

    Parameters
    ----------
    n_bands : int, default=5
        Number of tiers.
    column : int, default=0
        Position of the column that is divided.
    missing : int, optional
        Position of a 0/1 column which is 1 where the value is unknown; such customers are outside (−1).

    Attributes
    ----------
    cuts_ : ndarray of shape (n_found − 1,)
        The values between the bands, ascending; the value of a cut belongs to the upper band.
    labels_ : ndarray of int, shape (n_customers,)
        Band of each customer, 0 the highest; −1 where the value is unknown.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> ValueBands(3).fit_predict(np.array([[1.0], [2.0], [3.0], [4.0], [50.0], [60.0]]))
    array([2, 2, 1, 1, 0, 0])
    """

    def __init__(self, n_bands=5, column=0, missing=None):
        self.n_bands = n_bands
        self.column = column
        self.missing = missing

    def fit(self, X, y=None):
        """Find the cuts.

        Parameters
        ----------
        X : array of shape (n_customers, n_columns)
            Numbers.
        y : ignored

        Returns
        -------
        ValueBands

        Raises
        ------
        ValueError
            If there is no such column, or `n_bands` is not a whole number of 2 or more.
        """
        X = validate_data(self, X, dtype=float)
        check_bands(self.n_bands)
        for position in (self.column, self.missing):
            if position is not None and not 0 <= position < X.shape[1]:
                raise ValueError(
                    f"There is no column {position}: these customers have {X.shape[1]}, counted from 0."
                )
        self.cuts_ = _cuts(np.sort(X[self._known(X), self.column]), self.n_bands)
        self.labels_ = self._labels(X)
        return self

    def predict(self, X):
        """Assign customers by the cuts.

        Parameters
        ----------
        X : array of shape (n, n_columns)

        Returns
        -------
        ndarray of int, shape (n,)
        """
        check_is_fitted(self)
        return self._labels(validate_data(self, X, dtype=float, reset=False))

    def _known(self, X):
        return np.ones(len(X), dtype=bool) if self.missing is None else X[:, self.missing] < 0.5

    def _labels(self, X):
        above = np.searchsorted(self.cuts_, X[:, self.column], side="right")
        return np.where(self._known(X), len(self.cuts_) - above, OUTSIDE).astype("int64")


def check_bands(n_bands: object) -> None:
    """Check the number of bands."""
    check_count("n_bands", n_bands, 2, "; 5 is usual")


def _cuts(known: np.ndarray, n_bands: int) -> np.ndarray:
    """Return the cuts between tiers of equal size of sorted values; equal values share a tier."""
    if not len(known):
        return np.empty(0)
    lowest = int(np.searchsorted(known, known[0], side="right"))
    above = known[lowest:]
    if not len(above):
        return np.empty(0)
    if lowest >= len(known) / n_bands:  # a band by themselves
        tiers = n_bands - 1
        return np.unique(np.concatenate([above[:1], above[_starts(len(above), tiers)]]))
    cuts = np.unique(known[_starts(len(known), n_bands)])
    return cuts[cuts > known[0]] if (cuts > known[0]).any() else above[:1]


def _starts(n: int, tiers: int) -> np.ndarray:
    """Return the position at which each tier but the lowest begins, among n sorted values."""
    at = np.round(np.arange(1, tiers) * n / tiers).astype(int)
    return at[at < n]


def value_feature(customers: pd.DataFrame, by: str | None) -> str:
    """Return the feature that measures a customer's value.

    Parameters
    ----------
    customers : DataFrame
    by : str, optional
        As passed. Default: `monetary` in any case, else the first in units of currency.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If there is no such numeric feature, it is the same for all, or no feature is a value and `by` is not given.
    """
    numbers = [c for c in customers.columns if pd.api.types.is_numeric_dtype(customers[c].dtype)]
    if by is not None:
        check_type(
            "by", by, str, f"It should be one of the numeric features: {', '.join(numbers) or 'none'}."
        )
    if by is not None and by not in numbers:
        raise ValueError(
            f"by={by!r} is no numeric feature of these customers.{did_you_mean(str(by), numbers)} "
            f"There are {', '.join(numbers) or 'none'}."
        )
    varied = [c for c in numbers if customers[c].nunique() > 1]
    if not varied:
        raise ValueError(
            "No numeric feature of these customers varies, so there is no value to divide by. Add one, such as their "
            "spend."
        )
    if by is not None and by not in varied:
        raise ValueError(
            f"by={by!r} is the same for all {counted(len(customers), 'customer')}, so it has no tiers. Choose one that "
            f"varies: {', '.join(varied)}."
        )
    if by is not None:
        return by
    found = found_value(customers)
    if found is None:
        raise ValueError(
            "These customers have no value to divide by: no column that varies is called 'monetary' or is in currency. "
            f"Say which number to divide by: value_bands(customers, by={varied[0]!r}), or another of "
            f"{listed(varied)}."
        )
    return found


def found_value(customers: pd.DataFrame) -> str | None:
    """Return the feature that is a value: `monetary` in any case, else the first in units of currency; None without."""
    varied = [c for c in customers.select_dtypes("number").columns if customers[c].nunique() > 1]
    units = (customers.attrs.get("segkit") or {}).get("units") or {}
    money = [VALUE] if VALUE in varied else [c for c in varied if str(c).strip().lower() == VALUE]
    money = money or [c for c in varied if units.get(c) == "currency"]
    return money[0] if money else None


def bands_of(preparer: Preparer, customers: pd.DataFrame, by: str, n_bands: int) -> ValueBands:
    """Return the clusterer that divides a feature into bands, after a fitted preparer."""
    names = list(preparer.get_feature_names_out())
    unknown = customers[by].isna()
    flags = [c for c in customers.columns if f"{c} missing" in names and customers[c].isna().equals(unknown)]
    missing = names.index(f"{flags[0]} missing") if unknown.any() and flags else None
    return ValueBands(n_bands, names.index(by), missing)
