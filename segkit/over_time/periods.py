"""Check tables of several moments, and place their customers in segments."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from segkit.core.checks import check_frame
from segkit.core.messages import did_you_mean, listed
from segkit.core.moments import read_moment
from segkit.core.order import by_id
from segkit.methods.partition import Partition, checked_result

LEAST = 8  # periods that say what is usual
FROM = "Pass the table from snapshots(events, features, dates=…)."


def checked_periods(result: Partition, tables: pd.DataFrame) -> dict[pd.Timestamp, pd.DataFrame]:
    """Check tables of several moments against a segmentation, and return one a period.

    Parameters
    ----------
    result : Segmentation
    tables : DataFrame
        From :func:`segkit.snapshots`: indexed by `as_of` and `customer_id`, in any order of rows.

    Returns
    -------
    dict of Timestamp to DataFrame
        In the order of time. Each has all columns, and customers in the order of their ids, under their ids alone.

    Raises
    ------
    TypeError
        If they are no segmentation and no DataFrame.
    ValueError
        If the index is of other levels, a moment or an id is missing, a customer has two rows at a moment, or features
        of the segmentation are missing or have another window.

    Warns
    -----
    UserWarning
        If customers have words that were unseen when the segments were made.

    Notes
    -----
    Where ids are numbers in some tables and text in others, all become text: 17850, 17850.0 and "17850" are one
    customer.
    """
    periods = read_periods(result, tables)
    result.warn_of_unseen(tables)
    return periods


def read_periods(result: Partition, tables: pd.DataFrame) -> dict[pd.Timestamp, pd.DataFrame]:
    """Return the tables of several moments as :func:`checked_periods`, without its warning."""
    checked_result(result)
    check_frame("tables", tables, FROM)
    level = _level_of_moments(tables)
    check_same_features(result, tables, "tables")
    check_same_window(result, tables.attrs.get("segkit") or {}, "tables")
    codes = tables.index.codes[level]
    ids = tables.index.droplevel(level)
    if (codes < 0).any() or ids.hasnans:
        what = "as_of" if (codes < 0).any() else "customer_id"
        n = int((codes < 0).sum() if what == "as_of" else ids.isna().sum())
        raise ValueError(f"tables has {n:,} rows without {what}. Drop these rows, or fill it in.")
    ids = _of_one_type(ids)
    moments = {code: read_moment(tables.index.levels[level][code]) for code in np.unique(codes)}
    if len(set(moments.values())) < len(moments):
        twice = max(moments.values(), key=list(moments.values()).count)
        raise ValueError(f"tables has {twice} twice, written in two ways. Keep each moment once.")
    order = np.argsort(codes, kind="stable")
    starts = dict(zip(moments, np.searchsorted(codes[order], list(moments)), strict=True))
    ends = dict(zip(moments, np.searchsorted(codes[order], list(moments), side="right"), strict=True))
    plain = tables.set_axis(ids)
    facts = plain.attrs.pop("segkit", None)
    periods = {}
    for code, moment in sorted(moments.items(), key=lambda item: item[1]):
        rows = by_id(plain.iloc[order[starts[code] : ends[code]]])
        if not rows.index.is_unique:
            example = rows.index[rows.index.duplicated()][0]
            raise ValueError(
                f"The customer {example!r} has more than one row at {moment}. Keep one for each customer."
            )
        if facts is not None:
            rows.attrs["segkit"] = {**facts, "as_of": moment.isoformat()}
        periods[moment] = rows
    return periods


def warn_of_endless_windows(tables: pd.DataFrame) -> None:
    """Warn of features that are known to look back on all events: some of them only grow."""
    facts = tables.attrs.get("segkit") or {}
    if facts.get("as_of") is not None and not facts.get("window"):
        warnings.warn(
            "The features of tables look back on all events, so features such as tenure only grow, and everything "
            "drifts. Compute tables, and those of the segments, with snapshots(…, window='91 days').",
            stacklevel=3,
        )


def place(result: Partition, table: pd.DataFrame) -> pd.Series:
    """Return the segment of each customer of a checked period, by the frozen model; −1 is outside.

    Unseen words are told once for all periods, by :func:`checked_periods`.
    """
    return result.assign_unwarned(table)


def place_all(
    result: Partition, periods: Mapping[pd.Timestamp, pd.DataFrame]
) -> dict[pd.Timestamp, pd.Series]:
    """Return the segments of the customers of each period, placed in one go."""
    tables = [table[list(result.customers.columns)] for table in periods.values()]
    for table in tables:
        table.attrs = {}
    labels = place(result, pd.concat(tables)).to_numpy()
    each = np.split(labels, np.cumsum([len(table) for table in tables])[:-1])
    return {
        moment: pd.Series(here, periods[moment].index, name="segment")
        for moment, here in zip(periods, each, strict=True)
    }


def check_not_called(result: Partition, names: Collection[str]) -> None:
    """Refuse a segment with a name that means those who come or go.

    Raises
    ------
    ValueError
    """
    for segment in result.segments:
        if result.name_of(segment).casefold() in names:
            raise ValueError(
                f"A segment is called {result.name_of(segment)!r}, which here means another thing. Give it another "
                "name: result.with_names(…)."
            )


def _of_one_type(ids: pd.Index) -> pd.Index:
    """Return ids as they are, or as text where some are numbers and some text."""
    if not pd.api.types.infer_dtype(ids, skipna=True).startswith("mixed"):
        return ids
    text = [str(int(i)) if isinstance(i, float) and i.is_integer() else str(i) for i in ids]
    return pd.Index(text, dtype="str", name=ids.name)


def check_same_features(result: Partition, table: pd.DataFrame, name: str, hint: str = "") -> None:
    """Refuse a table without the features of a segmentation.

    Raises
    ------
    ValueError
    """
    features = list(result.customers.columns)
    missing = [feature for feature in features if feature not in table.columns]
    if missing:
        raise ValueError(
            f"{name} has no {listed(map(repr, missing), 5)}.{did_you_mean(missing[0], map(str, table.columns))} The "
            f"segments were made from {listed(features, 10)}: compute the same features for {name}.{hint}"
        )


def check_same_window(result: Partition, facts: dict[str, Any], name: str) -> None:
    """Refuse features that look back over another window than those of a segmentation, where both are known.

    Raises
    ------
    ValueError
    """
    ours, theirs = _window_of(result.provenance), _window_of(facts)
    if ours and theirs and ours != theirs:
        raise ValueError(
            f"The features of {name} look back on {theirs}, those that the segments were made from on {ours}. "
            "Compute both with the same window=."
        )


def _window_of(facts: dict[str, Any]) -> str:
    """Return how far features look back, in words; "" where that is not known."""
    return (facts.get("window") or "all events") if from_events(facts) else ""


def from_events(facts: dict[str, Any]) -> bool:
    """Whether features are known to come from events; ``tables.loc[date]`` keeps its sources, but not its moment."""
    return facts.get("as_of") is not None or bool(facts.get("sources"))


def _level_of_moments(tables: pd.DataFrame) -> int:
    """Return the level of the index that holds the moments: `as_of`, or the first of two."""
    names = list(tables.index.names)
    if tables.index.nlevels == 2 and len(tables):
        return names.index("as_of") if "as_of" in names else 0
    if not len(tables):
        raise ValueError(f"tables has no row. {FROM}")
    hint = (
        " tables.set_index(['as_of', 'customer_id'])."
        if {"as_of", "customer_id"} <= set(tables.columns)
        else ""
    )
    raise ValueError(
        f"The index of tables is {listed(map(str, names))}; it should be as_of and customer_id.{hint or ' ' + FROM}"
    )


def reference_periods(result: Partition, periods: Mapping[pd.Timestamp, pd.DataFrame]) -> int:
    """Return the number of first periods that say what is usual; 0 where too few are there.

    Those up to the moment of the segmentation; the first half, where that is not known or no later one follows. At
    least 8.
    """
    made = _made_at(result, periods)
    before = len(periods) if made is None else sum(moment <= made for moment in periods)
    before = before if before < len(periods) else before // 2
    return max(before, LEAST) if len(periods) > LEAST else 0


def _made_at(result: Partition, periods: Mapping[pd.Timestamp, pd.DataFrame]) -> pd.Timestamp | None:
    """Return the moment of a segmentation, as it says or as that of the period with the same customers; else None."""
    made = result.provenance.get("as_of")
    if made is not None:
        return read_moment(made)
    own = result.customers.iloc[result.order]
    for moment, table in periods.items():
        if table.index.astype("str").equals(own.index.astype("str")) and table[list(own.columns)].set_axis(
            own.index
        ).equals(own):
            return moment
    return None


def no_wobble(n: int) -> str:
    """Say that too few periods are there to know what is usual."""
    return f"no wobble can be known: {LEAST} earlier periods are needed, there are {max(n - 1, 0)}"
