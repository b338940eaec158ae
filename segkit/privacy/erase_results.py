"""Take customers out of a segmentation; make it again where its model still holds something of theirs."""

from __future__ import annotations

import dataclasses
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from segkit.core.disclosure import MEANS_FROM
from segkit.core.messages import counted
from segkit.core.order import by_id, positions_by_id
from segkit.create.segment import segment, value_bands
from segkit.create.segmentation import Segmentation
from segkit.methods.assignment import OUTSIDE, preparer_and_clusterer
from segkit.methods.kept_rows import groups_kept, keeps_rows, without_labels
from segkit.methods.partition import VALUE_BANDS
from segkit.methods.provenance import hash_of


@dataclass(frozen=True)
class Erased:
    """A segmentation without some customers.

    Attributes
    ----------
    result : Segmentation
    found : set of str
        The customers that it held.
    action : str
        What was done, and why.
    """

    result: Segmentation
    found: Set[str]
    action: str


def without_customers(result: Segmentation, ids: Set[str]) -> Erased:
    """Return a segmentation without some customers, made again where its model holds something of theirs.

    Raises
    ------
    ValueError
        If it has no other customers, or too few to be made again.
    """
    text = result.customers.index.astype("str")
    hers = text.isin(list(ids))
    found = set(text[hers])
    if not found:
        return Erased(result, found, "held none of them")
    if hers.all():
        raise ValueError(
            "A segmentation has no other customers than those to erase, so nothing of it would be left. Delete it, and "
            "leave it out of results."
        )
    rest = _trimmed(result, hers)
    reason = _why_again(result, hers)
    if reason is None:
        smallest = min(int((result.labels == s).sum()) for s in set(result.labels[hers]))
        return Erased(
            rest,
            found,
            f"rows removed; model kept: it holds no rows, and the segments had {smallest:,} or more",
        )
    return Erased(_again(rest), found, f"made again: {reason}")


def _why_again(result: Segmentation, hers: np.ndarray) -> str | None:
    """Return why the model has to be fitted again, or None."""
    if rows := keeps_rows(result.model):
        return f"{rows} keeps the rows of customers"
    for groups in groups_kept(result):
        sizes, ids = groups.value_counts(), result.customers.index[hers]
        few = [s for s in sorted(set(groups[ids]) - {OUTSIDE}) if sizes[s] < MEANS_FROM]
        if few:
            return f"a segment had {counted(int(sizes[few[0]]), 'customer')}, fewer than {MEANS_FROM}"
    name = _at_an_end(result.customers, hers)
    return f"the end of the scale of {name} was theirs" if name else None


def _at_an_end(customers: pd.DataFrame, hers: np.ndarray) -> str | None:
    """Return a feature of which nobody else has a value as low, or as high, or the same word."""
    for name in customers:
        own, others = customers.loc[hers, name].dropna(), customers.loc[~hers, name].dropna()
        if pd.api.types.is_numeric_dtype(customers[name].dtype):
            beyond = len(own) and (not len(others) or own.min() < others.min() or own.max() > others.max())
        else:
            beyond = bool(set(own) - set(others))
        if beyond:
            return str(name)
    return None


def _trimmed(result: Segmentation, hers: np.ndarray) -> Segmentation:
    """Return the same segments without the rows of some customers, and without what was computed from all."""
    customers, labels = result.customers[~hers].copy(), result.labels[~hers].copy()
    for name in customers.select_dtypes("category"):
        customers[name] = customers[name].cat.remove_unused_categories()
    provenance = result.provenance | {
        "n_customers": len(customers),
        "hash": hash_of(by_id(customers), by_id(labels)),
    }
    embedding = None if result.embedding is None else result.embedding[~hers].copy()
    model = without_labels(result.model, hers[positions_by_id(result.customers.index)])
    return dataclasses.replace(
        result,
        customers=customers,
        labels=labels,
        model=model,
        provenance=provenance,
        embedding=embedding,
        assessment=None,
    )


def _again(rest: Segmentation) -> Segmentation:
    """Make segments of the customers that are left, as these were made, under their ids and names."""
    kept: dict[str, Any] = {
        name: rest.provenance[name] for name in ("edits", "pinned") if name in rest.provenance
    }
    # Pinned segments are made again too: their model knew those who left.
    facts = {name: fact for name, fact in rest.provenance.items() if name not in kept}
    rest = dataclasses.replace(rest, provenance=facts)
    customers = rest.customers
    if facts["method"] == VALUE_BANDS:
        result = value_bands(customers, by=facts.get("by"), n_bands=facts["n_segments"])
        result = result.with_names({s: n for s, n in rest.names.items() if s in result.segments})
    elif facts["method"] == "model":
        named = hasattr(preparer_and_clusterer(rest.model)[1], "names_")  # whose labels have a meaning
        result = segment(customers, model=clone(rest.model), previous=None if named else rest)
    else:
        result = segment(
            customers,
            n_segments=facts["n_segments"],
            method=facts["method"],
            previous=rest,
            random_state=facts["random_state"],
        )
    if "pinned" in kept:
        kept["pinned"] = [s for s in kept["pinned"] if s in result.segments]
    result.provenance.update(kept)
    return result if rest.embedding is None else result.with_embedding(rest.embedding)
