"""Segments of customers: made once, frozen, and able to place any customer who comes later."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from segkit.analyse.prepare import Preparer
from segkit.core import parts
from segkit.core.messages import did_you_mean
from segkit.methods.fitting import OUTSIDE, Assigner, dense, preparer_and_clusterer
from segkit.methods.provenance import hash_of
from segkit.trust.confidence.ensemble import make_panel
from segkit.trust.confidence.voting import Panel

if TYPE_CHECKING:
    from segkit.trust.assess import Trust

UNDECIDED = "Undecided"  # what a customer between segments is called; no segment can be

ADDED = {"segment_id", "segment", "trust", "x", "y"}  # columns of to_frame that no feature may be called
BANDS = "value_bands"


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Customers in segments, and all that is needed to place another one.

    Made by :func:`segment`. Nothing changes it; ``with_names``, ``with_trust`` and ``with_embedding`` return a new
    one. Its tables are handed out as copies, which are yours to write into.

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
    assessment: Trust | None = field(default=None, repr=False)

    @property
    def prepared(self) -> pd.DataFrame:
        """The matrix that distances were measured in, no unit, on the index of `customers`."""
        return self._prepared.copy(deep=False)

    @functools.cached_property
    def _prepared(self) -> pd.DataFrame:
        preparer, _ = preparer_and_clusterer(self.model)
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
        return parts.BANDS if self.is_bands else parts.SEGMENTS

    def name_of(self, segment: int) -> str:
        """Return what a segment is called."""
        unnamed = f"{parts.PARTS[self.noun]} {segment}"
        return self.names.get(segment, "Outside" if segment == OUTSIDE else unnamed)

    @property
    def trust(self) -> Trust:
        """Are the segments real, repeatable, useful? Asked with :func:`segkit.assess` the first time, then kept.

        Whether they are useful needs the events after `as_of`: ``result.with_trust(sg.assess(result,
        events=events, horizon="90 days"))``.
        """
        if self.assessment is None:
            from segkit.trust.assess import assess

            object.__setattr__(self, "examined", assess(self))
        assert self.assessment is not None
        return self.assessment.renamed({s: self.name_of(s) for s in self.segments})

    @property
    def trust_line(self) -> str:
        """What is known of them so far, in one line: for titles, subtitles and exports."""
        if self.assessment is not None:
            return self.assessment.summary
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
        frame.attrs["segkit"] = {**frame.attrs.get("segkit", {}), "trust": self.trust_line, "noun": self.noun}
        if self.assessment is not None:
            frame["trust"] = self.labels.map(self.assessment.segments["verdict"]).fillna(
                "outside all segments"
            )
        if self.embedding is not None:
            frame[["x", "y"]] = self.embedding
        return frame

    @functools.cached_property
    def _features(self) -> pd.Index:
        return self.customers.columns

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
        customers = self._features_of(customers)
        if not len(customers):
            return pd.Series([], index=customers.index, dtype="int64", name="segment")
        with _said_of_customers():
            labels = self._assigner(customers)
        return pd.Series(labels, index=customers.index, name="segment")

    def _features_of(self, customers: pd.DataFrame) -> pd.DataFrame:
        """Return the columns that the segments were made from, or say which is not there."""
        if not isinstance(customers, pd.DataFrame):
            raise TypeError(
                f"customers is a {type(customers).__name__}. It should be a DataFrame with "
                f"{', '.join(self._features)}."
            )
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
        return customers

    @functools.cached_property
    def _panel(self) -> Panel:
        ordered = self.customers.sort_index()
        seed = self.provenance.get("random_state")
        return make_panel(
            self.model,
            ordered,
            self.prepared.loc[ordered.index].to_numpy(),
            self.labels.loc[ordered.index].to_numpy(),
            random_state=seed if isinstance(seed, int) and seed >= 0 else 0,
            continuum=self.is_bands,
        )

    def _judged(self, customers: pd.DataFrame, prepared: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
        """Return the confidence and the runner-up of customers whose labels are known."""
        preparer, _ = preparer_and_clusterer(self.model)
        values = preparer.numbers(customers) if isinstance(preparer, Preparer) else None
        confidence, runner_up = self._panel.judge(self._panel.votes(values, prepared), labels)
        return pd.DataFrame({"confidence": confidence, "runner_up": runner_up.array}, index=customers.index)

    @property
    def confidence(self) -> pd.Series:
        """How sure each customer's segment is: float in [0, 1], on the index of `customers`.

        The probability that a model made from other customers of the same population would put this one
        into the same segment. Fifty models vote, and the share that agrees is taken without the luck that so few votes
        have [2]_. They are made from customers drawn afresh, of as many populations as these seem to come from; some of
        those of k-means and mixtures from half as many customers each, drawn with replacement [1]_: these differ from
        the frozen model as much as one made from fresh customers does. So are all models of k-means of more than 4,000
        customers, of other methods of more than 2,000 who are of several populations, and those with a preparer that
        is not ours. Asked for the first time, it makes the models, which takes 1 to 12 seconds.

        It says whether the segment would be the same, not whether it is real.

        Notes
        -----
        Measured against models of fresh customers (``benchmarks/confidence.py``), in simulated shops that each have a
        population of their own, drawn by lot, as is the number of segments. At each level of confidence it is off by
        at most 5 points: k-means by 3 to 5 with 300, 1,000, 2,000 and 3,000 customers (60, 40, 30 and 60 shops), with
        6,000 by 6 at one level, where the standard error is 4 (46); Ward's method by 4 with 300 and by 3 with 1,000
        (40 and 24), Gaussian mixtures by 5 with 300 and 1,000 and by 3 with 3,000 (60, 30 and 40). Over shops of one
        single population it may be off by 10 and more, as there most samples find the same partition, or few do, and
        no sample tells which: too sure where more segments were asked for than there are groups, say; not sure enough
        where fewer were, or where values are missing for a reason (by 33 in one such case).

        References
        ----------
        .. [1] Bickel, Götze & van Zwet (1997), Resampling fewer than n observations, Statistica Sinica 7.
        .. [2] Kelley (1927), Interpretation of Educational Measurements.
        """
        return self._confidence.copy()

    @functools.cached_property
    def _confidence(self) -> pd.Series:
        known = self._judged(self.customers, self.prepared.to_numpy(), self.labels.to_numpy())
        return known["confidence"]

    def place(self, customers: pd.DataFrame, *, undecided_below: float = 0.6) -> pd.DataFrame:
        """Place customers into these segments, and say how surely.

        Parameters
        ----------
        customers : DataFrame of shape (n, n_features)
            The same features; further columns are ignored.
        undecided_below : float, default=0.6
            Who is placed with less confidence is called "Undecided".

        Returns
        -------
        DataFrame of shape (n, 4)
            On their index: `segment_id`, which is what :meth:`assign` says; `segment`, the name, or
            "Undecided"; `confidence`, see :attr:`confidence`; `runner_up`, the segment that most of the models
            that disagree would choose, missing where there is none. A row does not depend on the others.

        Raises
        ------
        ValueError
            If a feature is missing or not finite, or the level is no share.

        Examples
        --------
        >>> import pandas as pd
        >>> import segkit as sg
        >>> customers = pd.DataFrame({"visits": [1, 2, 3, 2, 1, 3, 31, 32, 33, 31, 32, 33]}, index=list("abcdefghijkl"))
        >>> result = sg.segment(customers, n_segments=2)
        >>> result.place(pd.DataFrame({"visits": [32]}, index=["new"])).round(2)
             segment_id    segment  confidence  runner_up
        new           0  Segment 0         1.0       <NA>
        """
        _check_share("undecided_below", undecided_below)
        customers = self._features_of(customers)
        if len(customers):
            with _said_of_customers():
                prepared = self._assigner.prepared(customers)
                labels = self._assigner.place(prepared)
            known = self._judged(customers, prepared, labels)
        else:
            labels = np.empty(0, dtype="int64")
            known = pd.DataFrame(
                {"confidence": np.empty(0), "runner_up": pd.array([], dtype="Int64")}, index=customers.index
            )
        names = pd.Series([self.name_of(s) for s in labels], index=customers.index, dtype="str")
        names = names.mask(known["confidence"] < undecided_below, UNDECIDED)
        placed = pd.DataFrame({"segment_id": labels, "segment": names.array}, index=customers.index)
        placed["confidence"], placed["runner_up"] = known["confidence"].array, known["runner_up"].array
        placed.attrs["segkit"] = {"noun": self.noun, "names": {s: self.name_of(s) for s in self.segments}}
        return placed

    def undecided(self, below: float = 0.6) -> pd.Series:
        """Return which of the fitted customers lie between segments.

        Parameters
        ----------
        below : float, default=0.6
            The level of confidence.

        Returns
        -------
        Series of bool, shape (n_customers,)
            On the index of `customers`.

        Raises
        ------
        ValueError
            If the level is no share.
        """
        _check_share("below", below)
        return (self.confidence < below).rename("undecided")

    def _with(self, **changed: Any) -> Segmentation:
        """Return a copy in which something is changed that no model depends on: the panel stays."""
        other = dataclasses.replace(self, **changed)
        vars(other).update({k: v for k, v in vars(self).items() if k in ("_panel", "_confidence")})
        return other

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
            If there is no such segment, two would be called the same, or a name is no text.
        """
        for segment in names:
            if segment not in self.segments:
                raise ValueError(
                    f"There is no {self.noun[:-1]} {segment!r}. The {self.noun} are {self.segments}."
                )
        wrong = [n for n in names.values() if not isinstance(n, str)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no name. A name is text; an empty one takes the name away.")
        merged = {s: " ".join(n.split()) for s, n in {**self.names, **names}.items()}
        merged = {s: n for s, n in merged.items() if n}
        unnamed = dataclasses.replace(self, names={})
        called = ["Outside", UNDECIDED, *(merged.get(s, unnamed.name_of(s)) for s in self.segments)]
        twice = sorted({name for name in called if called.count(name) > 1})
        if twice:
            raise ValueError(f"Two {self.noun} would be called {twice[0]!r}. Give each its own name.")
        return self._with(names=merged)

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
        TypeError
            If it is no trust.
        ValueError
            If it speaks of other customers, or of other segments of them.
        """
        if not hasattr(trust, "of") or not hasattr(trust, "segments"):
            raise TypeError(f"trust is a {type(trust).__name__}. It should come from sg.assess(result).")
        if trust.of != self.hash:
            raise ValueError(
                f"This trust is of another segmentation (hash {trust.of[:8] or 'unknown'}), and this one is "
                f"{self.hash[:8]}. Ask it of this result: sg.assess(result)."
            )
        return self._with(assessment=trust)

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
        return self._with(embedding=embedding.loc[self.customers.index, ["x", "y"]].astype(float))

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
        ValueError
            If the model cannot be saved without pickle, or a feature is of a type that Parquet does not hold, such as
            a category of intervals. Nothing is written then.
        """
        from segkit.create.storage import save

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
        from segkit.create.storage import load

        return load(cls, Path(path), trusted)

    def __repr__(self) -> str:
        counts = self.labels.value_counts()
        order = self.segments + [OUTSIDE] * (OUTSIDE in counts.index)
        sizes = ", ".join(f"{self.name_of(s)}: {counts[s]:,}" for s in order)
        said = f"Segmentation: {len(self.labels):,} customers in {len(self.segments)} {self.noun} ({sizes})"
        return f"{said}\n{self.trust_line}"

    def _repr_html_(self) -> str:
        counts = self.labels.value_counts()
        order = self.segments + [OUTSIDE] * (OUTSIDE in counts.index)
        left = "style='text-align:left'"
        rows = "".join(
            f"<tr><td {left}>{html.escape(self.name_of(s))}</td><td>{counts[s]:,}</td>"
            f"<td>{counts[s] / len(self.labels):.0%}</td></tr>"
            for s in order
        )
        why = (self.provenance.get("choice") or {}).get("why", "")
        return (
            f"<p><b>Segmentation</b> of {len(self.labels):,} customers in {len(self.segments)} {self.noun}. "
            f"{html.escape(self.trust_line)}</p>{f'<p>{html.escape(why)}</p>' if why else ''}"
            f"<table><thead><tr><th {left}>{parts.PARTS[self.noun]}</th><th>Customers</th><th>Share</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )


class _HandedOut:
    """A table that leaves as a copy: what is written into it would no longer fit the hash, the names and the trust.

    The copy shares its values until it is written into, so handing it out costs microseconds.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, result: Segmentation | None, kind: type[Segmentation]) -> Any:
        if result is None:
            return self
        table = vars(result)[self._name]
        return None if table is None else table.copy(deep=False)

    def __set__(self, result: Segmentation, table: pd.DataFrame | pd.Series | None) -> None:
        vars(result)[self._name] = table


for _table in ("customers", "labels", "embedding"):
    setattr(Segmentation, _table, _HandedOut(_table))


@contextlib.contextmanager
def _said_of_customers() -> Iterator[None]:
    """Say of an error that these customers are why."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"These customers could not be placed: {error} Each feature should be of the kind that the segments "
            "were made from, and finite or, where the model has a rule for it, missing."
        ) from error


def checked_result(result: object, name: str = "result") -> None:
    """Refuse what is no segmentation.

    Raises
    ------
    TypeError
    """
    if not isinstance(result, Segmentation):
        raise TypeError(
            f"{name} is a {type(result).__name__}. It should be a Segmentation, as from segment(customers, …)."
        )


def _check_share(name: str, share: float) -> None:
    if not isinstance(share, (int, float, np.number)) or not 0 <= share <= 1:
        raise ValueError(f"{name}={share!r} should be a confidence, from 0 to 1, such as 0.6.")
