"""Segments of customers: made once, frozen, and able to place any customer who comes later."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

from segkit._customers import checked_customers
from segkit._engine import near
from segkit._fit import OUTSIDE, Assigner, built_in, by_size, dense, fit_quietly, fitted_labels, split
from segkit._identity import continue_segments
from segkit._provenance import describe_fit, hash_of
from segkit.bands import bands_of, value_feature
from segkit.prepare import make_preparer

if TYPE_CHECKING:
    from segkit.trust import Trust

ADDED = {"segment_id", "segment", "trust", "x", "y"}  # columns of to_frame that no feature may be called
BANDS = "value_bands"
MIN_SHARE = 0.02  # of the customers, in the smallest segment that "auto" would make


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Customers in segments, and all that is needed to place another one.

    Made by :func:`segment`. Nothing in it changes; ``with_names`` and ``with_embedding`` return a new one.

    Attributes
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        The features that the segments were made from, as given.
    model : scikit-learn estimator
        Fitted: the preparer and the clusterer, or what was passed as `model`.
    labels : Series of int, shape (n_customers,)
        Segment of each customer, on the index of `customers`; −1 is outside all segments.
    names : dict of int to str
        What people call the segments; those not named are "Segment 0", and so on.
    embedding : DataFrame of shape (n_customers, 2), optional
        Where each customer sits on the map: columns `x`, `y`, no unit.
    provenance : dict
        As-of, sources, features, parameters, versions, what the structure test said, and the hash of the
        result.
    examined : Trust, optional
        What :func:`segkit.assess` found, where it was asked; :attr:`trust` asks it.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 1, 30, 31, 29]}, index=list("abcdef"))
    >>> result = sg.segment(customers, n_segments=2).with_names({0: "Regulars"})
    >>> result
    Segmentation: 6 customers in 2 segments (Regulars: 3, Segment 1: 3)
    Real? Too little to tell. Repeatable? Useful? Ask result.trust.
    >>> result.assign(pd.DataFrame({"frequency": [28]}, index=["new"]))
    new    0
    Name: segment, dtype: int64
    """

    customers: pd.DataFrame = field(repr=False)
    model: BaseEstimator
    labels: pd.Series = field(repr=False)
    ids: dict[int, int] = field(repr=False)
    names: dict[int, str] = field(default_factory=dict)
    embedding: pd.DataFrame | None = field(default=None, repr=False)
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)
    examined: Trust | None = field(default=None, repr=False)

    @functools.cached_property
    def prepared(self) -> pd.DataFrame:
        """The matrix that distances were measured in, no unit, on the index of `customers`."""
        preparer, _ = split(self.model)
        if preparer is None:
            return self.customers.astype(float)
        matrix = preparer.transform(self.customers)
        try:
            names = list(preparer.get_feature_names_out())
        except (AttributeError, ValueError):  # a pipeline of transformers that cannot name what they make
            names = [f"prepared {i}" for i in range(matrix.shape[1])]
        return pd.DataFrame(dense(matrix), index=self.customers.index, columns=names)

    @property
    def hash(self) -> str:
        """A SHA-256 of customers and labels in the order of ids: equal segmentations have equal ones."""
        return self.provenance.get("hash") or hash_of(self.customers.sort_index(), self.labels.sort_index())

    @property
    def segments(self) -> list[int]:
        """The ids of the segments, without −1."""
        return sorted(set(self.labels) - {OUTSIDE})

    @property
    def is_bands(self) -> bool:
        """Whether these are bands of one continuum: tiers of value, or parts that any clusterer cuts from it."""
        told = self.provenance.get("structure") or {}
        return self.provenance.get("method") == BANDS or told.get("verdict") == "continuum"

    @property
    def noun(self) -> str:
        """What its parts may be called: "segments", or "bands" where customers are one continuum."""
        return "bands" if self.is_bands else "segments"

    def name_of(self, segment: int) -> str:
        """Return what a segment is called."""
        unnamed = f"{'Band' if self.is_bands else 'Segment'} {segment}"
        return self.names.get(segment, "Outside" if segment == OUTSIDE else unnamed)

    @property
    def trust(self) -> Trust:
        """Are the segments real, repeatable, useful? Asked with :func:`segkit.assess` the first time, then kept.

        Whether they are useful needs the events after `as_of`: ``result.with_trust(sg.assess(result,
        events=events, horizon="90 days"))``.
        """
        if self.examined is None:
            from segkit.trust import assess

            object.__setattr__(self, "examined", assess(self))
        assert self.examined is not None
        return self.examined.renamed({s: self.name_of(s) for s in self.segments})

    @property
    def trust_line(self) -> str:
        """What is known of them so far, in one line: for titles, subtitles and exports."""
        if self.examined is not None:
            return self.examined.summary
        told = self.provenance.get("structure")
        real = told["line"] if told else "Real?"
        return f"{real} Repeatable? Useful? Ask result.trust."

    @property
    def named_labels(self) -> pd.Series:
        """Each customer's segment by name, as an ordered category."""
        order = self.segments + [OUTSIDE] * (OUTSIDE in set(self.labels))
        kind = pd.CategoricalDtype([self.name_of(s) for s in order], ordered=True)
        return self.labels.map(self.name_of).astype(kind).rename("segment")

    def to_frame(self) -> pd.DataFrame:
        """Return the customers with their segment.

        Returns
        -------
        DataFrame
            The features, `segment_id`, `segment` (the name), `trust` (what was found of the segment, where it
            was asked), and `x`, `y` where there is an embedding.
        """
        taken = ADDED & set(self.customers.columns)
        if taken:
            raise ValueError(
                f"A feature is called {sorted(taken)[0]!r}, as is a column that this table adds. Rename the feature."
            )
        frame = self.customers.copy()
        frame["segment_id"], frame["segment"] = self.labels, self.named_labels
        frame.attrs["segkit"] = {**frame.attrs.get("segkit", {}), "trust": self.trust_line}
        if self.examined is not None:
            frame["trust"] = self.labels.map(self.examined.segments["verdict"]).fillna("outside all segments")
        if self.embedding is not None:
            frame[["x", "y"]] = self.embedding
        return frame

    @functools.cached_property
    def _assigner(self) -> Assigner:
        return Assigner(self.model, self.prepared, self.labels, self.ids)

    def assign(self, customers: pd.DataFrame) -> pd.Series:
        """Place customers into these segments with the frozen model.

        Parameters
        ----------
        customers : DataFrame of shape (n, n_features)
            The same features; further columns are ignored.

        Returns
        -------
        Series of int, shape (n,)
            Segment of each, on their index. A row's answer does not depend on the other rows.

        Raises
        ------
        ValueError
            If a feature is missing or not finite.
        """
        features = list(self.customers.columns)
        if not isinstance(customers, pd.DataFrame):
            raise TypeError(
                f"customers is a {type(customers).__name__}. It should be a DataFrame with {', '.join(features)}."
            )
        if list(customers.columns) != features:
            for name in features:
                if name not in customers.columns:
                    raise ValueError(
                        f"These customers have no feature {name!r}.{near(name, customers.columns)} The segments were "
                        f"made from {', '.join(features)}; compute the same features for them."
                    )
            customers = customers[features]
        if not len(customers):
            return pd.Series([], index=customers.index, dtype="int64", name="segment")
        try:
            labels = self._assigner(customers)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"These customers could not be placed: {error} Each feature should be of the kind that the segments "
                "were made from, and finite or, where the model has a rule for it, missing."
            ) from error
        return pd.Series(labels, index=customers.index, name="segment")

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is computed when asked for: its rules could not be sent to another process."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def with_names(self, names: Mapping[int, str]) -> Segmentation:
        """Return the same segments under new names.

        Parameters
        ----------
        names : mapping of int to str
            New names by segment id; the others keep theirs. An empty name takes the name away.

        Returns
        -------
        Segmentation

        Raises
        ------
        ValueError
            If there is no such segment, or two would be called the same.
        """
        for segment in names:
            if segment not in self.segments:
                raise ValueError(f"There is no segment {segment!r}. The segments are {self.segments}.")
        merged = {s: " ".join(str(n).split()) for s, n in {**self.names, **names}.items()}
        merged = {s: n for s, n in merged.items() if n}
        unnamed = dataclasses.replace(self, names={})
        called = ["Outside", *(merged.get(s, unnamed.name_of(s)) for s in self.segments)]
        twice = sorted({name for name in called if called.count(name) > 1})
        if twice:
            raise ValueError(f"Two segments would be called {twice[0]!r}. Give each its own name.")
        return dataclasses.replace(self, names=merged)

    def with_trust(self, trust: Trust) -> Segmentation:
        """Return the same segments with what was found of them.

        Parameters
        ----------
        trust : Trust
            From :func:`segkit.assess`.

        Returns
        -------
        Segmentation

        Raises
        ------
        ValueError
            If it speaks of other segments.
        """
        if list(trust.segments.index) != self.segments:
            raise ValueError(
                f"This trust speaks of the segments {list(trust.segments.index)}, and these are {self.segments}. "
                "Ask it of this result: sg.assess(result)."
            )
        return dataclasses.replace(self, examined=trust)

    def with_embedding(self, embedding: pd.DataFrame) -> Segmentation:
        """Return the same segments with a place on the map for each customer.

        Parameters
        ----------
        embedding : DataFrame of shape (n_customers, 2)
            Columns `x`, `y`, indexed by customer, as from :func:`segkit.project`.

        Returns
        -------
        Segmentation

        Raises
        ------
        ValueError
            If a customer has no place.
        """
        if not {"x", "y"} <= set(embedding.columns):
            raise ValueError(
                f"An embedding has columns 'x' and 'y', got {list(embedding.columns)}. Use project(result)."
            )
        missing = self.customers.index.difference(embedding.index)
        if len(missing):
            raise ValueError(
                f"{len(missing):,} customers, such as {missing[0]!r}, have no place in the embedding."
            )
        return dataclasses.replace(
            self, embedding=embedding.loc[self.customers.index, ["x", "y"]].astype(float)
        )

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write everything to a folder: Parquet, JSON and skops, no pickle.

        Parameters
        ----------
        path : str or Path
            The folder; made if needed.
        overwrite : bool, default=False
            Whether to replace a segmentation that is there.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        FileExistsError
            If the folder holds something, and `overwrite` is not said.
        """
        from segkit._storage import save

        return save(self, Path(path), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path, *, trusted: tuple[str, ...] = ()) -> Segmentation:
        """Read what :meth:`save` wrote; runs no code that came with it.

        Parameters
        ----------
        path : str or Path
            The folder.
        trusted : tuple of str
            Types from outside scikit-learn and segkit that the model may hold, by full name.

        Returns
        -------
        Segmentation

        Raises
        ------
        FileNotFoundError
            If the folder does not hold a segmentation.
        ValueError
            If the model holds a type that is not trusted, or the files do not belong together.
        """
        from segkit._storage import load

        return load(cls, Path(path), trusted)

    def __repr__(self) -> str:
        counts = self.labels.value_counts()
        order = self.segments + [OUTSIDE] * (OUTSIDE in counts.index)
        sizes = ", ".join(f"{self.name_of(s)}: {counts[s]:,}" for s in order)
        said = f"Segmentation: {len(self.labels):,} customers in {len(self.segments)} {self.noun} ({sizes})"
        return f"{said}\n{self.trust_line}"


def segment(
    customers: pd.DataFrame,
    *,
    n_segments: int | str | None = None,
    method: str = "kmeans",
    model: BaseEstimator | None = None,
    previous: Segmentation | None = None,
    min_share: float | None = None,
    random_state: int = 0,
) -> Segmentation:
    """Divide customers into segments, and say whether there was anything to divide.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        One row a customer, such as from :func:`segkit.customer_features`.
    n_segments : int or "auto", optional
        How many segments; needed unless `model` is passed. "auto": customers who are one continuum get
        value bands (:func:`segkit.value_bands`), others the most segments that can be defended, and
        ``provenance["choice"]`` says why, with the range that can be (:func:`segkit.trust.defensible_k`).
    method : {"kmeans", "gaussian_mixture", "ward"}, default="kmeans"
        How to look for them, after the default preparer. Segment 0 is the largest.
    model : scikit-learn clusterer or pipeline, optional
        Instead: any clusterer, used exactly as passed (a copy is fitted). Its labels are kept, and
        nothing is prepared before it: put :func:`segkit.make_preparer` first in a pipeline yourself.
    previous : Segmentation, optional
        An earlier segmentation that this one continues: a segment that is found again keeps its id and
        its name, and a new one gets an id that was never used. What became of each is in
        ``provenance["transitions"]``; see :func:`segkit.match_segments`.
    min_share : float, optional
        Least share of the customers that a segment may hold, in (0, 0.5]. With "auto", 0.02 if not said.
    random_state : int, default=0
        Seed of what is random in the built-in methods.

    Returns
    -------
    Segmentation

    Raises
    ------
    ValueError
        If there are fewer different customers than segments, a feature is not a number or category,
        two customers share an id, the model cannot be fitted, or a segment is smaller than `min_share`.

    Notes
    -----
    :func:`segkit.structure_test` is asked each time (of a sample, with the default preparer; once for the same
    customers), and its answer is kept in ``provenance["structure"]``. Where it finds one continuum, the parts are
    called bands and not segments.

    Customers are put into the order of their ids and the fit runs on one thread, so that the answer
    depends neither on the order of rows nor on the number of threads.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 1, 30, 31, 29]}, index=list("abcdef"))
    >>> sg.segment(customers, n_segments=2).labels.to_list()
    [1, 1, 1, 0, 0, 0]
    """
    customers = checked_customers(customers)
    if min_share is not None and not 0 < min_share <= 0.5:
        raise ValueError(
            f"min_share={min_share!r} is not the share of a smallest segment. Say 0.05, for 5 % of the customers."
        )
    if isinstance(n_segments, str):
        return _chosen_for(customers, n_segments, method, model, previous, min_share, random_state)
    ordered = customers.sort_index()
    if model is not None:
        if n_segments is not None:
            raise ValueError(
                f"Both n_segments={n_segments} and a model were given, and a model is used exactly as passed. "
                "Set the number in the model, or leave the model out."
            )
        estimator = clone(model)
    else:
        clusterer = built_in(method, n_segments, len(customers), random_state)
        estimator = make_pipeline(make_preparer(), clusterer)
        _check_distinct(estimator, ordered, n_segments)
    result = _fitted(estimator, customers, method if model is None else "model", n_segments, random_state)
    _check_sizes(result, min_share)
    return result if previous is None else continue_segments(previous, result)


def value_bands(customers: pd.DataFrame, *, by: str | None = None, n_bands: int = 5) -> Segmentation:
    """Divide customers into tiers of value: for a continuum, which has no segments to be found.

    Parameters
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        As for :func:`segment`.
    by : str, optional
        The feature that says what a customer is worth; if not said, `monetary`, else the first in units of
        currency, else the number that goes most with all others.
    n_bands : int, default=5
        How many tiers of equal size. Where many customers have the same value there are fewer.

    Returns
    -------
    Segmentation
        Band 0 has the highest values; who has none is outside (−1).

    Raises
    ------
    ValueError
        If there is no such numeric feature, or it is the same for all.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"monetary": [5.0, 10, 20, 40, 80, 160]}, index=list("abcdef"))
    >>> bands = sg.value_bands(customers, n_bands=3)
    >>> bands.named_labels["f"]
    'Band 1: highest monetary'
    """
    customers = checked_customers(customers)
    value = value_feature(customers, by)
    preparer = make_preparer()
    with threadpool_limits(limits=1):
        preparer.fit(customers.sort_index())
    estimator = make_pipeline(preparer, bands_of(preparer, customers, value, n_bands))
    result = _fitted(estimator, customers, BANDS, n_bands, 0)
    last = len(result.segments) - 1
    ends = {0: f": highest {value}", last: f": lowest {value}"} if last > 0 else {}
    return result.with_names({s: f"Band {s + 1}{ends.get(s, '')}" for s in result.segments})


def _fitted(
    estimator: BaseEstimator, customers: pd.DataFrame, method: str, n_segments: int | None, random_state: int
) -> Segmentation:
    """Fit in the order of ids, number the segments by size, and ask whether there was anything to find."""
    ordered = customers.sort_index()
    fit_quietly(estimator, ordered)
    raw = fitted_labels(estimator, ordered)
    own = method in ("model", BANDS)  # their labels mean something, and are kept
    ids = {int(label): int(label) for label in np.unique(raw)} if own else by_size(raw)
    labels = pd.Series([ids[int(label)] for label in raw], index=ordered.index, name="segment", dtype="int64")
    provenance = describe_fit(ordered, labels, estimator, method, n_segments, random_state)
    provenance["structure"] = _structure(ordered)
    return Segmentation(customers.copy(), estimator, labels.loc[customers.index], ids, provenance=provenance)


def _structure(customers: pd.DataFrame) -> dict[str, Any]:
    """Ask the structure test, in words that provenance can hold."""
    from segkit.trust import told_structure

    return told_structure(customers)


def _chosen_for(
    customers: pd.DataFrame,
    n_segments: str,
    method: str,
    model: BaseEstimator | None,
    previous: Segmentation | None,
    min_share: float | None,
    random_state: int,
) -> Segmentation:
    if n_segments != "auto":
        raise ValueError(f"n_segments={n_segments!r} is neither a number nor 'auto'. Say n_segments=5.")
    if model is not None:
        raise ValueError(
            "n_segments='auto' and a model were given, and a model is used exactly as passed. Leave one out."
        )
    from segkit.trust import choose_segments

    return choose_segments(
        customers,
        method=method,
        previous=previous,
        min_share=min_share or MIN_SHARE,
        random_state=random_state,
    )


def _check_sizes(result: Segmentation, min_share: float | None) -> None:
    shares = result.labels.value_counts(normalize=True).drop(OUTSIDE, errors="ignore")
    if min_share is not None and len(shares) and shares.min() < min_share:
        raise ValueError(
            f"The smallest of {len(shares)} segments holds {shares.min():.1%} of the customers, and min_share asks for "
            f"{min_share:.1%}. Ask for fewer segments, or n_segments='auto', which keeps to it."
        )


def _check_distinct(estimator: Pipeline, customers: pd.DataFrame, n_segments: int | None) -> None:
    different = len(np.unique(clone(estimator[0]).fit_transform(customers), axis=0))
    if n_segments is not None and different < n_segments:
        raise ValueError(
            f"{n_segments} segments were asked for, and there are {len(customers):,} customers of whom only "
            f"{different:,} differ in these features. Ask for at most {different}, or choose features that vary."
        )
