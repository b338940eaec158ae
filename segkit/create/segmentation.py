"""Hold customers in segments, with their map, trust and confidence; save, load and show them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segkit.analyse.prepare import Preparer
from segkit.core.checks import check_frame, check_type, check_visible, checked_path
from segkit.core.disclosure import MINIMUM, check_minimum, hidden_sizes
from segkit.core.html import html_table, render
from segkit.core.messages import counted
from segkit.create import storage
from segkit.create.shared import save_shared
from segkit.methods.assignment import OUTSIDE, preparer_and_clusterer
from segkit.methods.partition import UNDECIDED, Partition, naming_customers
from segkit.trust.assess import Trust, assess
from segkit.trust.confidence.ensemble import fit_ensemble
from segkit.trust.confidence.voting import Ensemble
from segkit.trust.kind import BADGES, UNCLEAR

ADDED = {"segment_id", "segment", "trust", "x", "y"}  # columns of to_frame; no feature may have these names

# Cached, and the same under any names.
_KEPT = ("order", "_prepared", "_ensemble", "_confidence", "_profile", "_told", "_figures")


_SHOWN = """
<p><b>Segmentation</b> of {{ size }}. <b>{{ badge }}.</b> {{ sentence }}</p>
{%- if why %}<p>{{ why }}</p>{% endif %}{{ table }}
"""


@dataclass(frozen=True, eq=False)
class Segmentation(Partition):
    """Customers in segments, and all that is needed to assign new ones; made by :func:`segment`.

    ``with_names``, ``with_trust`` and ``with_embedding`` return a new one. Copy a table before you write into it:
    ``result.customers.copy()``.

    Attributes
    ----------
    customers : DataFrame of shape (n_customers, n_features)
        The features that the segments were made from, as given.
    model : scikit-learn estimator
        Fitted: the preparer and the clusterer, or what was passed as `model`.
    labels : Series of int, shape (n_customers,)
        Segment of each customer, on the index of `customers`; −1 is outside all segments.
    names : dict of int to str
        Names of the segments; those without one are "Segment 0", and so on.
    embedding : DataFrame of shape (n_customers, 2), optional
        Place of each customer on the map: columns `x`, `y`, no unit.
    provenance : dict
        As-of, sources, features, parameters, versions, structure, kind, and the hash of the result.
    assessment : Trust, optional
        Set by :meth:`with_trust`, or when :attr:`trust` is first read.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 1, 30, 31, 29]}, index=list("abcdef"))
    >>> result = sg.segment(customers, n_segments=2).with_names({0: "Regulars"})
    >>> result
    Segmentation: 6 customers in 2 segments (Regulars: hidden, Segment 1: hidden)
    Kind not known. Only 6 customers: at least 50 are needed to tell groups from chance.
    >>> result.assign(pd.DataFrame({"frequency": [28]}, index=["new"]))
    new    0
    Name: segment, dtype: int64
    """

    embedding: pd.DataFrame | None = field(default=None, repr=False)
    assessment: Trust | None = field(default=None, repr=False)

    @property
    def kind(self) -> str:
        """Kind of the segmentation: "natural", "reproducible", "constructive", or "unclear" with too little data.

        Natural: the segments are distinct groups. Reproducible: there are no distinct groups, but the same segments
        come back. Constructive: a useful division of a continuum, others are as good. See :attr:`kind_sentence`.
        """
        return str(self.provenance.get("kind", {}).get("kind", UNCLEAR))

    @property
    def kind_sentence(self) -> str:
        """The kind in a sentence or two for a reader."""
        return str(self.provenance.get("kind", {}).get("sentence", ""))

    @property
    def badge(self) -> str:
        """The kind in two words, for titles and exports."""
        return BADGES[self.kind]

    @property
    def trust(self) -> Trust:
        """Whether the segments are real, repeatable, useful: :func:`segkit.assess`, computed once.

        Whether they are useful needs the events after `as_of`: ``result.with_trust(sg.assess(result,
        events=events, horizon="90 days"))``.
        """
        if self.assessment is None:
            object.__setattr__(self, "assessment", assess(self))
        assert self.assessment is not None
        return self.assessment.renamed({s: self.name_of(s) for s in self.segments})

    def to_frame(self) -> pd.DataFrame:
        """Return the customers with their segment.

        Returns
        -------
        DataFrame
            The features, `segment_id`, `segment` (the name), `trust` (the verdict on the segment, where it was
            assessed), and `x`, `y` where there is an embedding.
        """
        taken = ADDED & set(self.customers.columns)
        if taken:
            raise ValueError(
                f"A feature is called {sorted(taken)[0]!r}, like a column that this table adds. Rename the feature."
            )
        frame = self.customers.copy()
        frame["segment_id"], frame["segment"] = self.labels, self.named_labels
        frame.attrs["segkit"] = {**frame.attrs.get("segkit", {}), "badge": self.badge, "kind": self.kind}
        if self.assessment is not None:
            verdicts = self.assessment.segments["verdict"].to_dict()
            frame["trust"] = [verdicts.get(s, "outside all segments") for s in self.labels]
        if self.embedding is not None:
            frame[["x", "y"]] = self.embedding
        return frame

    @functools.cached_property
    def _ensemble(self) -> Ensemble:
        seed = self.provenance.get("random_state")
        return fit_ensemble(
            self.model,
            self.customers.iloc[self.order],
            self.prepared.to_numpy()[self.order],
            self.labels.to_numpy()[self.order],
            random_state=seed if isinstance(seed, int) and seed >= 0 else 0,
        )

    def _scored(
        self, customers: pd.DataFrame, prepared: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, pd.api.extensions.ExtensionArray]:
        """Return the confidence and the runner-up of customers whose labels are known."""
        preparer, _ = preparer_and_clusterer(self.model)
        numbers = preparer.logged_numbers(customers) if isinstance(preparer, Preparer) else None
        return self._ensemble.score(numbers, prepared, labels)

    @property
    def confidence(self) -> pd.Series:
        """How sure each customer's segment is: float in [0, 1], on the index of `customers`.

        The estimated probability that a model of other customers like these puts this one into the same segment: the
        share of 50 refits that agree, each on half as many customers drawn with replacement, corrected for the chance
        error of so few votes. The first use takes 1 to 10 seconds. It says whether the segment would be the same, not
        whether it is real.

        Notes
        -----
        How far it is off is measured in `benchmarks/README.md`, under "Confidence".
        """
        return self._confidence.copy()

    @functools.cached_property
    def _confidence(self) -> pd.Series:
        confidence, _ = self._scored(self.customers, self.prepared.to_numpy(), self.labels.to_numpy())
        return pd.Series(confidence, index=self.customers.index, name="confidence")

    def place(self, customers: pd.DataFrame, *, undecided_below: float = 0.6) -> pd.DataFrame:
        """Assign customers to these segments, with their confidence.

        Parameters
        ----------
        customers : DataFrame of shape (n, n_features)
            The same features; further columns are ignored.
        undecided_below : float, default=0.6
            Customers with less confidence are called "Undecided".

        Returns
        -------
        DataFrame of shape (n, 4)
            On their index: `segment_id`, as from :meth:`assign`; `segment`, the name, or "Undecided"; `confidence`,
            see :attr:`confidence`; `runner_up`, the segment that most of the other refits vote for, missing where
            there is none. A row does not depend on the others.

        Raises
        ------
        ValueError
            If a feature is missing or not finite, or `undecided_below` is no share.

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
        customers = self.checked_features(customers)
        self.warn_of_unseen(customers)
        if len(customers):
            with naming_customers():
                prepared = self._assigner.prepared(customers)
                labels = self._assigner.place(prepared)
            confidence, runner_up = self._scored(customers, prepared, labels)
        else:
            labels, confidence = np.empty(0, dtype="int64"), np.empty(0)
            runner_up = pd.array([], dtype="Int64")
        segments, at = np.unique(labels, return_inverse=True)
        names = np.array([self.name_of(int(s)) for s in segments], dtype=object)[at]
        names[confidence < undecided_below] = UNDECIDED
        columns = {
            "segment_id": labels,
            "segment": pd.array(names, dtype="str"),
            "confidence": confidence,
            "runner_up": runner_up,
        }
        placed = pd.DataFrame(columns, index=customers.index)
        placed.attrs["segkit"] = {"names": {s: self.name_of(s) for s in self.segments}}
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
            If `below` is no share.
        """
        _check_share("below", below)
        return (self.confidence < below).rename("undecided")

    def _with(self, **changed: Any) -> Segmentation:
        """Return a copy with changes that the ensemble does not depend on."""
        other = dataclasses.replace(self, **changed)
        other.keep_of(self)
        return other

    def keep_of(self, other: Segmentation) -> None:
        """Keep what was computed for the same segments under other names."""
        vars(self).update({k: v for k, v in vars(other).items() if k in _KEPT})
        if self.assessment is None and other.assessment is not None:
            object.__setattr__(self, "assessment", other.assessment)

    def with_names(self, names: Mapping[Any, str] | Sequence[str] | pd.Series) -> Segmentation:
        """Return the same segments under new names.

        Parameters
        ----------
        names : mapping of int or str to str, Series, or sequence of str
            New names by segment id or present name, as those of :func:`segkit.suggest_names`; the others keep theirs.
            A list names all segments, in the order of their ids. An empty name removes the name.

        Returns
        -------
        Segmentation

        Raises
        ------
        ValueError
            If there is no such segment, two would have the same name, or a name is no text or holds invisible
            characters.
        """
        new = self._by_id(names)
        wrong = [n for n in new.values() if not isinstance(n, str)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no name. A name is text; an empty one removes the name.")
        for name in new.values():
            check_visible(name)
        merged = {s: " ".join(n.split()) for s, n in {**self.names, **new}.items()}
        merged = {s: n for s, n in merged.items() if n}
        unnamed = dataclasses.replace(self, names={})
        taken = ["Outside", UNDECIDED, *(merged.get(s, unnamed.name_of(s)) for s in self.segments)]
        twice = sorted({name for name in taken if taken.count(name) > 1})
        if twice:
            raise ValueError(f"Two segments would be called {twice[0]!r}. Give each its own name.")
        return self._with(names=merged)

    def _by_id(self, names: Mapping[Any, str] | Sequence[str] | pd.Series) -> dict[int, str]:
        """Return new names by the ids of their segments."""
        if isinstance(names, pd.Series):
            names = names.to_dict()
        wanted = "It should be a name for each segment, {0: 'Regulars'}, or a list of all names."
        check_type("names", names, (Mapping, list, tuple), wanted)
        if not isinstance(names, Mapping):
            if len(names) != len(self.segments):
                raise ValueError(
                    f"There are {counted(len(self.segments), 'segment')}, and {counted(len(names), 'name')}. Give each "
                    "segment one, or name some of them: {0: 'Regulars'}."
                )
            return dict(zip(self.segments, names, strict=True))
        by_id: dict[int, str] = {}
        for segment, name in names.items():
            at = self.segment_id(segment)
            if at == OUTSIDE:
                raise ValueError("There is no segment -1: it stands for customers outside, who have no name.")
            if at in by_id:
                raise ValueError(
                    f"Two names are given for segment {at}. Give one, by its id or present name."
                )
            by_id[at] = name
        return by_id

    def with_trust(self, trust: Trust) -> Segmentation:
        """Return the same segments with their trust.

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
            If it is the trust of other customers or other segments.
        """
        check_type("trust", trust, Trust, "It should come from sg.assess(result).")
        if trust.of != self.hash:
            raise ValueError(
                f"This trust is of another segmentation (hash {trust.of[:8] or 'unknown'}), and this one is "
                f"{self.hash[:8]}. Assess this one: sg.assess(result)."
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
        check_frame("embedding", embedding, "It should be the map of customers, from project(result).")
        if not {"x", "y"} <= set(embedding.columns):
            raise ValueError(
                f"An embedding has columns 'x' and 'y', got {list(embedding.columns)}. Use project(result)."
            )
        missing = self.customers.index.difference(embedding.index)
        if len(missing):
            raise ValueError(
                f"{counted(len(missing), 'customer has', 'customers have')} no place in the embedding, such as "
                f"{missing[0]!r}. Use project(result)."
            )
        return self._with(embedding=embedding.loc[self.customers.index, ["x", "y"]].astype(float))

    def save(
        self, path: str | Path, *, overwrite: bool = False, share: bool = False, minimum: int = MINIMUM
    ) -> Path:
        """Write everything to a folder: Parquet, JSON and skops, no pickle.

        It holds the ids and features of all customers: keep it as you keep these. ``share=True`` leaves them out.

        Parameters
        ----------
        path : str or Path
            The folder; made if needed.
        overwrite : bool, default=False
            Whether to replace an earlier segmentation.
        share : bool, default=False
            Whether to write only what places new customers: the model, the names of segments and features, units and
            versions; no customer, no sizes. Read it by :class:`segkit.SharedSegmentation`.
        minimum : int, default=10
            With `share`, segments have at least 100 customers, since the model holds their means. 1 shares any.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        FileExistsError
            If the folder is not empty, and `overwrite` is not set.
        ValueError
            If the model cannot be saved without pickle, or Parquet does not hold the type of a feature, such as a
            category of intervals. With `share`, also if the model keeps rows of customers, or means of fewer than 100.
            Nothing is written then.
        """
        check_minimum(minimum)
        if share:
            return save_shared(self, checked_path(path), minimum=minimum, overwrite=overwrite)
        return storage.save(
            self,
            checked_path(path),
            embedding=self.embedding,
            assessment=self.assessment,
            ensemble=vars(self).get("_ensemble"),
            overwrite=overwrite,
        )

    @classmethod
    def load(cls, path: str | Path, *, trusted: tuple[str, ...] = ()) -> Segmentation:
        """Read a folder that :meth:`save` wrote, without running code that it holds.

        Parameters
        ----------
        path : str or Path
            The folder.
        trusted : tuple of str
            Full names of types from outside scikit-learn and segkit that the model may hold.

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
        fields, ensemble = storage.load(checked_path(path), trusted)
        result = cls(**fields)
        if ensemble is not None:
            vars(result)["_ensemble"] = ensemble
        return result

    @property
    def _size(self) -> str:
        return f"{counted(len(self.labels), 'customer')} in {counted(len(self.segments), 'segment')}"

    def _sizes(self) -> list[tuple[str, str, str]]:
        """Return name, size and share of each segment; hidden where customers are few, or these would follow."""
        counts = self.labels.value_counts()
        order = self.segments + [OUTSIDE] * (OUTSIDE in counts.index)
        sizes = counts[order].to_numpy()
        return [
            (self.name_of(s), *(("hidden", "") if few else (f"{n:,}", f"{n / len(self.labels):.0%}")))
            for s, n, few in zip(order, sizes, hidden_sizes(sizes, MINIMUM), strict=True)
        ]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {size}" for name, size, _ in self._sizes())
        return f"Segmentation: {self._size} ({sizes})\n{self.badge}. {self.kind_sentence}".rstrip()

    def _repr_html_(self) -> str:
        return render(
            _SHOWN,
            size=self._size,
            badge=self.badge,
            sentence=self.kind_sentence,
            why=(self.provenance.get("choice") or {}).get("why", ""),
            table=html_table(["Segment", "Customers", "Share"], self._sizes()),
        )


def _check_share(name: str, share: float) -> None:
    if not isinstance(share, (int, float, np.number)) or not 0 <= share <= 1:
        raise ValueError(f"{name}={share!r} should be a confidence, from 0 to 1, such as 0.6.")
