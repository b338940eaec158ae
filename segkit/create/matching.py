"""Match the segments of two segmentations, by shared customers and by the earlier model."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from segkit.core.order import by_id
from segkit.methods.assignment import OUTSIDE, dense, preparer_and_clusterer
from segkit.methods.partition import Partition, labels_by_customer
from segkit.methods.provenance import hash_of

Divided = TypeVar("Divided", bound=Partition)

SURVIVES = 0.5  # least share of a segment in one new segment, to survive there
REACH = 1.5  # times the distance from its centre within which 99 % of a segment lie
VANISHED = 0.2  # of its former share, below which a segment that dominates no new one is gone
PART = 0.25  # least share of a segment in a new one, to count as a part of it


def shared_mass(previous: Partition, current: Partition, placed: pd.Series | None = None) -> pd.DataFrame:
    """Return the overlap of each old with each new segment, as a share of all customers compared.

    Two views count half each, or one alone where the other is impossible. Members: customers of both segmentations,
    with their old and new segment. Profile: new customers, with the old segment that the frozen model assigns and their
    new one; customers beyond the reach of all old segments are left out. An old segment of which less than a fifth is
    left, scattered over others, counts as gone, since those customers are the fringe of its neighbours.

    Parameters
    ----------
    previous, current : Partition
    placed : Series of int, optional
        The old segments of the new customers by the frozen model, where they are known.

    Returns
    -------
    DataFrame of shape (n_previous, n_current)
        Sums to 1, less the share outside all segments.

    Raises
    ------
    ValueError
        If there is no customer in common and the features differ.
    """
    views = []
    before, now = labels_by_customer(previous, "previous"), labels_by_customer(current, "current")
    common = before.index.intersection(now.index)
    if len(common):
        views.append((before.loc[common], now.loc[common]))
    if set(previous.customers.columns) <= set(current.customers.columns):
        try:
            views.append((_placed_within_reach(previous, current.customers, placed), current.labels))
        except ValueError:  # a value that the old model has no rule for: members alone are compared
            if not views:
                raise
    if not views:
        raise ValueError(
            "The two segmentations share no customer, and the features of the previous one "
            f"({', '.join(previous.customers.columns)}) are not all among the current ones. Make both from the same "
            "features, or of the same customers."
        )
    rows, columns = previous.segments, current.segments
    tables = [pd.crosstab(old.to_numpy(), new.to_numpy(), normalize="all") for old, new in views]
    mass = sum(t.reindex(index=rows, columns=columns, fill_value=0.0) for t in tables) / len(tables)
    former = previous.labels.value_counts(normalize=True).reindex(rows)
    few = mass.sum(axis=1) < VANISHED * former
    leads = _shares(mass, axis=0).max(axis=1) >= SURVIVES
    mass.loc[few & ~leads] = 0.0
    return mass


def _placed_within_reach(
    previous: Partition, customers: pd.DataFrame, placed: pd.Series | None = None
) -> pd.Series:
    """Assign customers by the old model; outside where they are unlike all of its segments.

    That is farther from the centre than the segment's members, and than half the way to the next segment.
    """
    placed = previous.assign(customers) if placed is None else placed
    preparer, _ = preparer_and_clusterer(previous.model)
    features = customers[list(previous.customers.columns)]
    rows = features.astype(float) if preparer is None else dense(preparer.transform(features))
    known = {s: previous.prepared[previous.labels == s].to_numpy() for s in previous.segments}
    centers = {s: own.mean(axis=0) for s, own in known.items()}
    far = np.zeros(len(placed), dtype=bool)
    for segment, own in known.items():
        center = centers[segment]
        apart = [float(np.linalg.norm(center - c)) / 2 for s, c in centers.items() if s != segment]
        spread = REACH * float(np.quantile(np.linalg.norm(own - center, axis=1), 0.99))
        here = (placed == segment).to_numpy()
        far[here] = np.linalg.norm(np.asarray(rows)[here] - center, axis=1) > max(
            [spread, min(apart, default=0)]
        )
    return placed.mask(far, OUTSIDE)


def transitions(mass: pd.DataFrame) -> pd.DataFrame:
    """Name the transition of each old segment, and the origin of each new one.

    Parameters
    ----------
    mass : DataFrame of shape (n_previous, n_current)
        From :func:`shared_mass`.

    Returns
    -------
    DataFrame
        Columns `previous`, `current` (missing for segments that died or were born), `transition`, `kept` (share of the
        old segment that is in this new one) and `made_of` (share of the new one that came from this old one).
    """
    kept = _shares(mass, axis=1)
    made_of = _shares(mass, axis=0)
    places = {old: _places(kept.loc[old]) for old in mass.index}
    rows = [_row(old, new, kept, made_of) for old in mass.index for new in places[old]]
    whole = {
        new: [r for r in rows if r["current"] == new and len(places[r["previous"]]) == 1] for new in mass
    }
    for row in rows:
        together = [r for r in whole[row["current"]] if r["made_of"] >= PART]
        if len(places[row["previous"]]) > 1:
            row["transition"] = "split"
        elif len(together) > 1 or row["made_of"] < max(r["made_of"] for r in whole[row["current"]]):
            row["transition"] = "merged"
        else:
            row["transition"] = "survived"
    rows += [_row(old, None, kept, made_of) | {"transition": "died"} for old in mass.index if not places[old]]
    reached = {row["current"] for row in rows}
    rows += [_row(None, new, kept, made_of) | {"transition": "born"} for new in mass if new not in reached]
    table = pd.DataFrame(rows, columns=["previous", "current", "transition", "kept", "made_of"])
    return table.astype({"previous": "Int64", "current": "Int64", "kept": float, "made_of": float})


def _shares(mass: pd.DataFrame, *, axis: int) -> pd.DataFrame:
    totals = mass.sum(axis=axis)
    return mass.div(totals.where(totals > 0, 1.0), axis=1 - axis)


def _places(kept: pd.Series) -> list[int]:
    """Return the new segments that hold an old one: one, several for its parts, or none if it is scattered."""
    if kept.max() >= SURVIVES and (kept >= PART).sum() == 1:
        return [int(kept.idxmax())]
    parts = kept[kept >= PART]
    if len(parts) > 1 and parts.sum() >= SURVIVES:
        return [int(new) for new in parts.index]
    return []


def _row(old: int | None, new: int | None, kept: pd.DataFrame, made_of: pd.DataFrame) -> dict:
    known = old is not None and new is not None
    return {
        "previous": old,
        "current": new,
        "kept": kept.loc[old, new] if known else np.nan,
        "made_of": made_of.loc[old, new] if known else np.nan,
    }


def continued_ids(table: pd.DataFrame, mass: pd.DataFrame, used: int) -> dict[int, int]:
    """Return the id of each new segment: that of the old one that it continues, or an unused one.

    Parameters
    ----------
    table, mass : DataFrame
        From :func:`transitions`, :func:`shared_mass`.
    used : int
        The highest id that was ever used.
    """
    score = pd.DataFrame(0.0, index=mass.index, columns=mass.columns)
    for row in table.dropna(subset=["previous", "current"]).itertuples():
        old, new = int(row.previous), int(row.current)
        union = mass.loc[old].sum() + mass[new].sum() - mass.loc[old, new]
        score.loc[old, new] = mass.loc[old, new] / union
    olds, news = linear_sum_assignment(-score.to_numpy())
    ids = {
        int(score.columns[j]): int(score.index[i])
        for i, j in zip(olds, news, strict=True)
        if score.iat[i, j] > 0
    }
    for new in mass.columns:
        if new not in ids:
            used += 1
            ids[int(new)] = used
    return ids


def continue_segments(previous: Partition, fitted: Divided) -> Divided:
    """Return a new segmentation under the ids and names of the one that it continues."""
    mass = shared_mass(previous, fitted)
    table = transitions(mass)
    used = max([previous.provenance.get("highest_id", 0), *previous.segments, 0])
    ids = continued_ids(table, mass, used) | {OUTSIDE: OUTSIDE}
    labels = fitted.labels.map(ids).astype("int64").rename("segment")
    renamed = {label: ids[new] for label, new in fitted.ids.items() if new in ids}
    table["current"] = table["current"].map(ids).astype("Int64")
    provenance = fitted.provenance | {
        "highest_id": max(used, *ids.values()),
        "hash": hash_of(by_id(fitted.customers), by_id(labels)),
        "previous": previous.hash,
        "continues": [*previous.provenance.get("continues", []), previous.hash],
        "transitions": [
            {k: None if pd.isna(v) else v for k, v in row.items()} for row in table.to_dict("records")
        ],
    }
    names = {s: n for s, n in previous.names.items() if s in set(labels)}
    result = dataclasses.replace(fitted, labels=labels, ids=renamed, names=names, provenance=provenance)
    return dataclasses.replace(result, names=names | names_apart(result))


def names_that_stay(previous: Partition, current: Partition) -> dict[int, str]:
    """Return the names that segments of the same customers inherit: where a segment survives that had a name.

    Compared are the customers of both; the features may differ. No name is given twice.

    Examples
    --------
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"visits": [1, 2, 1, 30, 31, 29, 60, 61, 62]}, index=list("abcdefghi"))
    >>> two, three = (sg.segment(customers, n_segments=k) for k in (2, 3))
    >>> names_that_stay(three.with_names({0: "Daily", 1: "Weekly", 2: "Rare"}), two)
    {1: 'Weekly'}
    """
    common = previous.labels.index.intersection(current.labels.index)
    mass = pd.crosstab(
        previous.labels[common].to_numpy(), current.labels[common].to_numpy(), normalize="all"
    ).reindex(index=previous.segments, columns=current.segments, fill_value=0.0)
    table = transitions(mass)
    survived = table[table["transition"] == "survived"].sort_values("made_of", kind="stable")
    stay = {
        int(row.current): previous.names[int(row.previous)]
        for row in survived.itertuples()
        if row.previous in previous.names
    }
    taken = {name for s, name in current.names.items() if s not in stay}
    return {s: name for s, name in stay.items() if name not in taken and current.names.get(s) != name}


def names_apart(result: Partition) -> dict[int, str]:
    """Return names for new segments whose default name is already taken."""
    taken, names = set(result.names.values()), {}
    for segment in set(result.segments) - set(result.names):
        name = result.name_of(segment)
        while name in taken:
            name += " (new)"
        if name != result.name_of(segment):
            names[segment] = name
        taken.add(name)
    return names
