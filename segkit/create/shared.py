"""Share segments without their customers: a model that places new ones."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from segkit.core.checks import checked_path
from segkit.core.disclosure import may_have_mean
from segkit.core.messages import counted, listed
from segkit.create.storage import load_model, save_model
from segkit.methods.assignment import OUTSIDE, own_rule, prepared_matrix, preparer_and_clusterer
from segkit.methods.edited import EditedClusterer
from segkit.methods.kept_rows import groups_kept, keeps_rows, without_labels
from segkit.methods.partition import Partition, naming_customers

SHARED = "shared without customers"
TOLD = (
    "as_of",
    "window",
    "method",
    "n_segments",
    "features",
    "units",
    "meanings",
    "versions",
)  # of the provenance


@dataclass(frozen=True, eq=False)
class SharedSegmentation:
    """Segments without the customers that they were made from; read by :meth:`load`.

    Attributes
    ----------
    model : scikit-learn estimator
        Fitted; without the labels of its customers.
    features : list of str
        What the model places customers by.
    names : dict of int to str
        The name of each segment.
    provenance : dict
        As-of, method, units and versions.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1.0, 2, 3] * 50 + [30, 31, 32] * 50}, index=[f"c{i}" for i in range(300)])
    >>> folder = sg.segment(customers, n_segments=2).save(tempfile.mkdtemp(), share=True)
    >>> shared = sg.SharedSegmentation.load(folder)
    >>> shared.assign(pd.DataFrame({"visits": [29.0]}, index=["new"])).map(shared.names)
    new    Segment 0
    Name: segment, dtype: str
    """

    model: BaseEstimator
    features: list[str]
    names: dict[int, str]
    ids: dict[int, int] = field(repr=False)
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)

    @functools.cached_property
    def _nobody(self) -> Partition:
        labels = pd.Series([], dtype="int64")
        return Partition(pd.DataFrame(columns=pd.Index(self.features)), self.model, labels, self.ids)

    def assign(self, customers: pd.DataFrame) -> pd.Series:
        """Assign customers to these segments, as the segmentation would that was shared.

        Parameters
        ----------
        customers : DataFrame of shape (n, n_features)
            The same features; further columns are ignored.

        Returns
        -------
        Series of int, shape (n,)
            Segment of each, on their index; −1 is outside all segments.

        Raises
        ------
        ValueError
            If a feature is missing or not finite.
        """
        customers = self._nobody.checked_features(customers)
        if not len(customers):
            return pd.Series([], index=customers.index, dtype="int64", name="segment")
        preparer, clusterer = preparer_and_clusterer(self.model)
        rule = own_rule(clusterer)
        assert rule is not None  # as save() has seen
        with naming_customers():
            raw = rule(prepared_matrix(preparer, customers))
        return pd.Series(
            [self.ids.get(int(label), OUTSIDE) for label in raw], customers.index, "int64", "segment"
        )

    @classmethod
    def load(cls, path: str | Path, *, trusted: tuple[str, ...] = ()) -> SharedSegmentation:
        """Read a folder that ``result.save(path, share=True)`` wrote, without running code that it holds.

        Parameters
        ----------
        path : str or Path
            The folder.
        trusted : tuple of str
            Full names of types from outside scikit-learn and segkit that the model may hold.

        Returns
        -------
        SharedSegmentation

        Raises
        ------
        FileNotFoundError
            If the folder does not hold shared segments.
        ValueError
            If the model holds a type that is not trusted, or the files do not belong together.
        """
        folder = checked_path(path)
        model, words = load_model(folder, trusted)
        if words.get("kind") != SHARED:
            raise ValueError(
                f"{folder} holds a segmentation with its customers. Read it by Segmentation.load(path), or share it "
                "by result.save(path, share=True)."
            )
        numbered = {int(s): n for s, n in words["names"].items()}
        ids = {int(k): v for k, v in words["ids"].items()}
        return cls(model, words["features"], numbered, ids, words["provenance"])


def save_shared(result: Partition, folder: Path, *, minimum: int, overwrite: bool) -> Path:
    """Write the model and the names of segments, and nothing of customers.

    Raises
    ------
    ValueError
        If the model keeps rows of customers, or has the centre of too few.
    """
    rows = keeps_rows(result.model)
    _, clusterer = preparer_and_clusterer(result.model)
    if rows and isinstance(clusterer, EditedClusterer):
        raise ValueError(
            "Edited segments that new customers join by their nearest neighbour, such as those made of chosen "
            "customers, cannot be shared without them. Share rules instead: to_sql(sg.rules(result))."
        )
    if rows or own_rule(clusterer) is None:
        raise ValueError(
            f"{rows or type(clusterer).__name__} places customers by the rows of others, or may, so that it cannot be "
            "shared without them. Make the segments by method='kmeans', or share rules: to_sql(sg.rules(result))."
        )
    few = []
    for groups in groups_kept(result):
        sizes = groups[groups != OUTSIDE].value_counts().sort_index()
        few += [result.name_of(s) for s, n in sizes.items() if not may_have_mean(n, minimum)]
    few = list(dict.fromkeys(few))
    if few:
        raise ValueError(
            f"The model has the means of {listed(few, 3)}, {counted(len(few), 'segment')} of too few customers: they "
            "would tell who is in it. Make fewer, larger segments, of 100 customers or more, or share it all the same "
            "by minimum=1."
        )
    everyone = np.ones(len(result.labels), dtype=bool)
    words = {
        "kind": SHARED,
        "features": list(result.customers.columns),
        "names": {str(s): result.name_of(s) for s in result.segments},
        "ids": {str(label): s for label, s in result.ids.items()},
        "provenance": {k: v for k, v in result.provenance.items() if k in TOLD},
    }
    return save_model(without_labels(result.model, everyone), folder, words, overwrite=overwrite)
