"""Hold customers divided by a fitted model, and assign new ones."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from segkit.analyse.prepare import Preparer, make_preparer
from segkit.core.checks import SCALARS, check_frame, check_type, with_pandas_types
from segkit.core.messages import counted, did_you_mean, in_words, listed
from segkit.core.order import positions_by_id
from segkit.methods.assignment import OUTSIDE, Assigner, prepared_matrix, preparer_and_clusterer
from segkit.methods.mixture_preparer import MixturePreparer
from segkit.methods.provenance import hash_of

UNDECIDED = "Undecided"  # name of customers between segments; no segment can have it
VALUE_BANDS = "value_bands"  # the method of segkit.value_bands


@dataclass(frozen=True, eq=False)
class Partition:
    """Customers divided into segments by a fitted model.

    Functions of trust take it; :class:`segkit.Segmentation` adds the map, the trust and the confidence.

    Attributes
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        The features that the segments were made from, as given.
    model : scikit-learn estimator
        Fitted: the preparer and the clusterer, or what was passed as `model`.
    labels : Series of int, shape (n_customers,)
        Segment of each customer, on the index of `customers`; −1 is outside all segments.
    ids : dict of int to int
        Segment id of each label that the model gives.
    names : dict of int to str
        Names of the segments; those without one are "Segment 0", and so on.
    provenance : dict
        As-of, sources, features, parameters, versions, structure, kind, and the hash of the result.
    """

    customers: pd.DataFrame = field(repr=False)
    model: BaseEstimator
    labels: pd.Series = field(repr=False)
    ids: dict[int, int] = field(repr=False)
    names: dict[int, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def prepared(self) -> pd.DataFrame:
        """The matrix that distances were measured in, no unit, on the index of `customers`."""
        return self._prepared.copy(deep=False)

    @functools.cached_property
    def _prepared(self) -> pd.DataFrame:
        preparer, _ = preparer_and_clusterer(self.model)
        return self._with_names(prepared_matrix(preparer, self.customers))

    def prepare(self, customers: pd.DataFrame) -> pd.DataFrame:
        """Return the matrix of other customers, in which distances to those of `prepared` can be measured.

        Parameters
        ----------
        customers : DataFrame of shape (n, n_features)
            The same features; further columns are ignored.

        Returns
        -------
        DataFrame of shape (n, n_prepared)
            No unit, on their index.

        Raises
        ------
        ValueError
            If a feature is missing or not finite.
        """
        customers = self.checked_features(customers)
        with naming_customers():
            matrix = prepared_matrix(preparer_and_clusterer(self.model)[0], customers)
        return pd.DataFrame(matrix, index=customers.index, columns=self._prepared.columns)

    def _with_names(self, matrix: np.ndarray) -> pd.DataFrame:
        preparer, _ = preparer_and_clusterer(self.model)
        names = (
            list(self.customers.columns) if preparer is None else prepared_names(preparer, matrix.shape[1])
        )
        return pd.DataFrame(matrix, index=self.customers.index, columns=names)

    def keep(self, order: np.ndarray, prepared: np.ndarray) -> None:
        """Keep what the fit has computed already: the order of the customers, and their prepared matrix."""
        vars(self).update(order=order, _prepared=self._with_names(prepared))

    def keep_rows_of(self, other: Partition) -> None:
        """Keep the order and the prepared matrix of the same customers in other segments, uncopied."""
        vars(self).update(order=other.order, _prepared=other._prepared)

    @functools.cached_property
    def order(self) -> np.ndarray:
        """The positions of the customers in the order of their ids as text."""
        return positions_by_id(self.customers.index)

    @property
    def hash(self) -> str:
        """A SHA-256 of customers and labels in the order of ids: equal segmentations have equal ones."""
        return self.provenance.get("hash") or hash_of(
            self.customers.iloc[self.order], self.labels.iloc[self.order]
        )

    @property
    def segments(self) -> list[int]:
        """The ids of the segments, without −1."""
        return sorted(set(self.labels.unique().tolist()) - {OUTSIDE})

    def name_of(self, segment: int) -> str:
        """Return the name of a segment."""
        return self.names.get(segment, "Outside" if segment == OUTSIDE else f"Segment {segment}")

    def segment_id(self, segment: int | np.integer | str) -> int:
        """Return the id of a segment from its id or its name; −1 is those outside, if there are any.

        Raises
        ------
        TypeError, ValueError
            If there is no such segment.
        """
        known = self.segments + [OUTSIDE] * (OUTSIDE in self.labels.unique())
        by_name = {self.name_of(s): s for s in known}
        if isinstance(segment, str) and segment in by_name:
            return by_name[segment]
        if isinstance(segment, (int, np.integer)) and not isinstance(segment, bool) and segment in known:
            return int(segment)
        hint = did_you_mean(segment, by_name) if isinstance(segment, str) else ""
        there = listed(f"{s} ({name})" for name, s in by_name.items())
        if not isinstance(segment, SCALARS):
            raise TypeError(
                f"segment is {in_words(segment)}. It should be the id or name of a segment: {there}."
            )
        raise ValueError(f"There is no segment {segment!r}.{hint} The segments are {there}.")

    @property
    def named_labels(self) -> pd.Series:
        """Each customer's segment by name, as an ordered category."""
        order = self.segments + [OUTSIDE] * (OUTSIDE in self.labels.unique())
        kind = pd.CategoricalDtype([self.name_of(s) for s in order], ordered=True)
        return self.labels.map(self.name_of).astype(kind).rename("segment")

    @functools.cached_property
    def _features(self) -> pd.Index:
        return self.customers.columns

    @functools.cached_property
    def _assigner(self) -> Assigner:
        return Assigner(self.model, self.prepared, self.labels, self.ids)

    def assign(self, customers: pd.DataFrame) -> pd.Series:
        """Assign customers to these segments with the frozen model.

        Parameters
        ----------
        customers : DataFrame of shape (n, n_features)
            The same features; further columns are ignored.

        Returns
        -------
        Series of int, shape (n,)
            Segment of each, on their index. A row does not depend on the others.

        Raises
        ------
        ValueError
            If a feature is missing or not finite.

        Warns
        -----
        UserWarning
            If customers have words that were unseen when the segments were made, with their number.
        """
        customers = self.checked_features(customers)
        self.warn_of_unseen(customers)
        return self._assigned(customers)

    def assign_unwarned(self, customers: pd.DataFrame) -> pd.Series:
        """Assign customers without a warning of unseen words, where it was given before."""
        return self._assigned(self.checked_features(customers))

    def _assigned(self, customers: pd.DataFrame) -> pd.Series:
        if not len(customers):
            return pd.Series([], index=customers.index, dtype="int64", name="segment")
        with naming_customers():
            labels = self._assigner(customers)
        return pd.Series(labels, index=customers.index, name="segment")

    def checked_features(self, customers: pd.DataFrame) -> pd.DataFrame:
        """Return the columns that the segments were made from, or name the missing one."""
        check_frame("customers", customers, f"It should be a DataFrame with {', '.join(self._features)}.")
        if not customers.columns.equals(self._features):
            features = list(self._features)
            for name in features:
                if name not in customers.columns:
                    raise ValueError(
                        f"These customers have no feature {name!r}."
                        f"{did_you_mean(name, customers.columns)} The segments were "
                        f"made from {', '.join(features)}; compute the same features for them."
                    )
            customers = customers[features]
        if customers.shape[1] != len(self._features):
            twice = customers.columns[customers.columns.duplicated()][0]
            raise ValueError(f"These customers have two columns {twice!r}. Drop or rename one of them.")
        return with_pandas_types(customers)

    @functools.cached_property
    def _seen(self) -> dict[str, frozenset[str]]:
        """The words of each category feature that the segments were made from."""
        kinds = self.customers.dtypes
        words = [name for name, kind in kinds.items() if not pd.api.types.is_numeric_dtype(kind)]
        return {name: frozenset(map(str, self.customers[name].dropna().unique())) for name in words}

    def warn_of_unseen(self, customers: pd.DataFrame) -> None:
        """Warn of customers with a word that no customer had when the segments were made."""
        notes = []
        for name, seen in self._seen.items():
            codes, words = pd.factorize(customers[name])
            unseen = np.array([*(str(word) not in seen for word in words), False])[codes]
            if unseen.any():
                example = min(str(word) for word in words if str(word) not in seen)
                notes.append(
                    f"{name} {example[:40]!r} ({counted(int(unseen.sum()), 'customer')} with unseen words)"
                )
        if notes:
            warnings.warn(
                f"Some of these {len(customers):,} customers have words that no customer had when the segments were "
                f"made, so they are assigned by their other features: {listed(notes, 5)}. Correct the words, or make "
                "the segments again.",
                stacklevel=3,
            )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out cached values, which hold functions that cannot be pickled."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def prepared_names(preparer: Any, n: int) -> list[str]:
    """Return the names of the n columns that a preparer makes; their numbers where it does not name them."""
    try:
        return list(preparer.get_feature_names_out())
    except (AttributeError, ValueError):  # a pipeline with transformers that do not name their columns
        return [f"prepared {i}" for i in range(n)]


@contextlib.contextmanager
def naming_customers() -> Iterator[None]:
    """Name the customers as the cause of an error."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"These customers could not be assigned: {error} Each feature should be of the kind that the segments "
            "were made from, and finite or, where the model has a rule for it, missing."
        ) from error


def check_segments(result: Partition, why: str) -> None:
    """Refuse a result without any segment.

    Raises
    ------
    ValueError
    """
    if not result.segments:
        raise ValueError(
            f"No segment was found: all {len(result.labels):,} customers are outside, and {why}. Make segments "
            "first: let the model find smaller ones (min_cluster_size of HDBSCAN, eps of DBSCAN), or say n_segments=5."
        )


def checked_result(result: object, name: str = "result") -> None:
    """Refuse an argument that is not a segmentation.

    Raises
    ------
    TypeError
    """
    check_type(name, result, Partition, "It should be a Segmentation, as from segment(customers, …).")


def plain_preparer(result: Partition) -> Preparer:
    """Return the preparer that the features are measured with, fitted; a new one where the model has none of segkit's.

    A mixture makes words of many numbers; they are compared as the numbers that they are.
    """
    preparer, _ = preparer_and_clusterer(result.model)
    plain = preparer.plain_ if isinstance(preparer, MixturePreparer) else preparer
    return plain if isinstance(plain, Preparer) else make_preparer().fit(result.customers)


def labels_by_customer(by: Any, name: str = "segments") -> pd.Series:
    """Return the label of each customer, of a segmentation or of a Series of labels, with ids as text.

    Raises
    ------
    TypeError, ValueError
        If it is neither, a label is missing, or a customer has two.
    """
    labels = by.labels if isinstance(by, Partition) else by
    if not isinstance(labels, pd.Series):
        raise TypeError(f"{name!r} is {in_words(by)}. Pass a Segmentation, or a Series of labels.")
    if labels.isna().any():
        raise ValueError(
            f"{name!r} has no label for {int(labels.isna().sum()):,} customers. Give each customer one."
        )
    if labels.index.dtype != "str":
        labels = labels.set_axis(labels.index.astype("str"))
    if not labels.index.is_unique:
        example = labels.index[labels.index.duplicated()][0]
        raise ValueError(f"{name!r} has two labels for {example!r}. Give each customer one.")
    return labels
