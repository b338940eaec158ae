"""Find the parts that the behaviour of customers is a mix of, in a table of counts or amounts of money."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, ClusterMixin, OneToOneFeatureMixin, TransformerMixin
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from segkit.core.checks import check_count, check_seed
from segkit.core.messages import listed
from segkit.methods.assignment import OUTSIDE
from segkit.methods.sampled import FIRST

STEPS = 500  # most steps of the factorisation, after which hardly a customer moves


def check_amounts(customers: pd.DataFrame) -> None:
    """Refuse features that are no amounts: words, dates, missing values, negative numbers.

    Raises
    ------
    ValueError
    """
    numbers = customers.select_dtypes(["number", "bool"])
    words = [c for c in customers.columns if c not in numbers.columns]
    gaps = [c for c in numbers.columns if numbers[c].isna().any()]
    negative = [c for c in numbers.columns if (numbers[c] < 0).any()]
    for names, what, todo in (
        (words, "no numbers", "Leave them out"),
        (
            gaps,
            "missing values",
            "Fill in 0 where missing means none, with customers.fillna(0), or leave them out",
        ),
        (negative, "negative numbers", "Leave them out"),
    ):
        if names:
            raise ValueError(
                f"Parts are found in counts and amounts of 0 or more, and there are {what} in {listed(names, 5)}. "
                f"{todo}, or choose another method."
            )


class SharesPreparer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Prepare counts and amounts for :class:`BehaviourParts`: what a customer does, whatever the volume.

    Square roots are taken, each feature is divided by its mean among the customers who have any, and each customer is
    brought to length 1. The squares are then shares of the customer's total. No unit matters, and a frequent feature
    weighs no more than others.

    Attributes
    ----------
    typical_ : ndarray of shape (n_features,)
        Mean square root of each feature among the customers who have any; 1 where nobody has.
    n_features_in_ : int

    Examples
    --------
    >>> customers = pd.DataFrame({"clicks": [100, 0, 400], "orders": [0, 1, 1]})
    >>> (SharesPreparer().fit_transform(customers) ** 2).round(2).tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.64, 0.36]]
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def fit(self, X, y=None):
        """Learn what is typical of each feature.

        Parameters
        ----------
        X : DataFrame or array of shape (n_customers, n_features)
            Numbers of 0 or more.
        y : ignored

        Returns
        -------
        SharesPreparer

        Raises
        ------
        ValueError
            If a feature is no number, is missing for some, or is negative.
        """
        roots = self._roots(X, reset=True)
        total = roots.sum(axis=0)
        self.typical_ = np.where(total > 0, total / np.maximum((roots > 0).sum(axis=0), 1), 1.0)
        return self

    def transform(self, X):
        """Return the prepared matrix.

        Parameters
        ----------
        X : DataFrame or array of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_features)
            Each row of length 1 and independent of the others; zeros where a customer did nothing.
        """
        check_is_fitted(self)
        scaled = self._roots(X, reset=False) / self.typical_
        # Sums in the order of size: the order of columns changes no digit.
        length = np.sqrt(np.cumsum(np.sort(scaled**2, axis=1), axis=1)[:, -1:])
        return scaled / np.where(length > 0, length, 1.0)

    def _roots(self, X, *, reset):
        if isinstance(X, pd.DataFrame):
            check_amounts(X)
        X = validate_data(self, X, reset=reset, dtype=float)
        if (X < 0).any():
            raise ValueError(
                "Negative values in data passed to SharesPreparer. They should be counts or amounts."
            )
        return np.sqrt(X)


class BehaviourParts(ClusterMixin, BaseEstimator):
    """Find the parts that customers are mixes of (non-negative matrix factorisation [1]_), and the largest of each.

    Parameters
    ----------
    n_components : int, default=2
        Number of parts, at most that of the features.
    max_rows : int, default=20000
        Most customers that the parts are found on; the others are then assigned.
    random_state : int, default=0

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The parts, each of length 1.
    labels_ : ndarray of int, shape (n_customers,)
        The part that most of each customer is; −1 for those who did nothing.
    n_sampled_ : int
        Number of customers that the parts were found on.
    n_features_in_ : int

    References
    ----------
    .. [1] Lee & Seung (1999), Learning the parts of objects by non-negative matrix factorization, Nature 401.

    Examples
    --------
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"coffee": [9, 30, 1, 0], "bread": [4, 9, 0, 1], "wine": [0, 2, 7, 40]})
    >>> prepared = sg.SharesPreparer().fit_transform(customers)
    >>> labels = sg.BehaviourParts(2).fit_predict(prepared)
    >>> bool(labels[0] == labels[1] != labels[2] == labels[3])
    True
    """

    def __init__(self, n_components=2, *, max_rows=20_000, random_state=0):
        self.n_components = n_components
        self.max_rows = max_rows
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def fit(self, X, y=None, sample_weight=None):
        """Find the parts.

        Parameters
        ----------
        X : array of shape (n_customers, n_features)
            Of 0 or more, as from :class:`SharesPreparer`.
        y : ignored
        sample_weight : array of shape (n_customers,), optional
            How many customers each stands for.

        Returns
        -------
        BehaviourParts

        Raises
        ------
        ValueError
            If there are more parts than features or customers, or a number is negative.
        """
        X = self._checked(X, reset=True)
        check_count("n_components", self.n_components, 1)
        check_count("max_rows", self.max_rows, 1)
        check_seed(self.random_state)
        if self.n_components > min(X.shape):
            raise ValueError(
                f"n_components={self.n_components} is more than n_samples={len(X)} or n_features={X.shape[1]}. "
                "Choose fewer parts."
            )
        weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        rows = X * np.sqrt(weight)[:, None]  # the weighted sum of squared errors
        if len(X) > self.max_rows:
            draw = np.random.default_rng(self.random_state)
            rows = rows[np.sort(draw.choice(len(X), self.max_rows, replace=False))]
        order = np.lexsort(X[:FIRST][::-1])  # in one order, so that the order of columns changes no digit
        model = NMF(self.n_components, init="nndsvd", max_iter=STEPS, random_state=self.random_state)
        with warnings.catch_warnings():
            # About as many parts as features fit everything, and creep on towards no error at all.
            warnings.simplefilter("ignore", ConvergenceWarning)
            parts = model.fit(rows[:, order]).components_
        length = np.linalg.norm(parts, axis=1, keepdims=True)
        self.order_ = order
        self.components_ = (parts / np.where(length > 0, length, 1.0))[:, np.argsort(order)]
        self.n_sampled_ = len(rows)
        self.labels_ = self._labels(X)
        return self

    def predict(self, X):
        """Return the part that most of each customer is, −1 for those who did nothing.

        Parameters
        ----------
        X : array of shape (n, n_features)

        Returns
        -------
        ndarray of int, shape (n,)
        """
        check_is_fitted(self)
        return self._labels(self._checked(X, reset=False))

    def predict_proba(self, X):
        """Return the share of each part in what a customer does.

        Parameters
        ----------
        X : array of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_components)
            Squares of the weights, since the preparer takes square roots, divided by their sum. Missing (NaN) for
            customers who did nothing.
        """
        check_is_fitted(self)
        squares = self._weights(self._checked(X, reset=False)) ** 2
        total = squares.sum(axis=1, keepdims=True)
        return np.divide(squares, total, out=np.full_like(squares, np.nan), where=total > 0)

    def _checked(self, X, *, reset):
        X = validate_data(self, X, dtype=float, reset=reset)
        if (X < 0).any():
            raise ValueError(
                "Negative values in data passed to BehaviourParts. Put SharesPreparer() before it."
            )
        return X

    def _weights(self, X):
        """Return how much of each part a customer is: least squares with weights of 0 or more, row by row."""
        parts = np.ascontiguousarray(self.components_[:, self.order_].T)
        most = 100 * parts.shape[1]
        weights = np.zeros((len(X), parts.shape[1]))
        for at, row in enumerate(X[:, self.order_]):
            weights[at] = nnls(parts, row, maxiter=most)[0]
        return weights

    def _labels(self, X):
        weights = self._weights(X)
        return np.where(weights.any(axis=1), weights.argmax(axis=1), OUTSIDE).astype("int64")
