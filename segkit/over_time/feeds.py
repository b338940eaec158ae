"""Find periods in which events are missing, in the log or from the tables alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segkit.collect.events import Events
from segkit.collect.quality.feeds import find_gaps
from segkit.collect.quality.findings import day, from_to
from segkit.collect.quality.log_queries import Log
from segkit.core.messages import counted, joined
from segkit.methods.partition import Partition
from segkit.over_time.periods import place

FALLEN = np.log(0.8)  # a fall of a fifth or more
ALIKE = 0.35  # segments may differ by this part of the fall
EMPTY, FILLED = 0.95, 0.8  # share of customers with 0 or nothing in a feature, now and at most before
LOST = 0.05  # share of customers with nothing in a feature that was never missing before


class LogGaps:
    """Gaps in a log, as :func:`segkit.check_events` finds them."""

    def __init__(self, events: Events):
        table = find_gaps(Log(events, events.timezone))
        self._gaps = table[table["verdict"] != "empty day"]
        self._last = events.last

    def between(self, start: pd.Timestamp, end: pd.Timestamp) -> str:
        """Return in words what is missing between two moments; "" where nothing is."""
        if pd.isna(self._last) or self._last < start:
            return f"The log has no event from {day(start)} to {day(end)}"
        rows = self._gaps[(self._gaps["first"] < end) & (self._gaps["last"] + pd.Timedelta("1 day") > start)]
        parts = [f"no {row.kind} {from_to(row.first, row.last)}" for row in rows.itertuples()]
        return f"The log has {joined(parts)}" if parts else ""


def empty_features(tables: list[pd.DataFrame], reference: np.ndarray) -> list[str]:
    """Return in words, for each period, the features whose values or words are gone all at once; or ""."""
    names = list(tables[0].columns)
    missing = np.array([[table[name].isna().mean() for name in names] for table in tables])
    first = [table for table, usual in zip(tables, reference, strict=True) if usual]
    numeric = np.array([pd.api.types.is_numeric_dtype(tables[0][name]) for name in names])
    words = {
        name: set().union(*(table[name].dropna().astype(str) for table in first))
        for name, number in zip(names, numeric, strict=True)
        if not number
    }
    empty = np.array([[_empty(table[name], words.get(name)) for name in names] for table in tables])
    least = min(len(table) for table, first in zip(tables, reference, strict=True) if first)
    gone = (empty >= EMPTY) & (empty[reference].max(axis=0) <= FILLED)
    lost = (missing >= LOST) & (missing[reference].max(axis=0) == 0)
    said = []
    for t, table in enumerate(tables):
        if reference[t]:
            said.append("")
        elif len(table) < 0.5 * least:
            said.append(f"only {counted(len(table), 'customer')}, at least {least:,} before")
        elif (gone[t] & numeric).any():
            said.append(_told(names, gone[t] & numeric, empty[t], "0 or missing for {:.0%} of the customers"))
        elif gone[t].any():
            said.append(
                _told(
                    names,
                    gone[t],
                    empty[t],
                    "missing or of new words for {:.0%} of the customers",
                )
            )
        elif lost[t].any():
            said.append(
                _told(names, lost[t], missing[t], "missing for {:.0%} of the customers, never before")
            )
        else:
            said.append("")
    return said


def _told(names: list[str], chosen: np.ndarray, shares: np.ndarray, words: str) -> str:
    which = np.flatnonzero(chosen)
    return f"{joined([names[i] for i in which])}: {words.format(shares[which[0]])}"


def _empty(column: pd.Series, words: set[str] | None) -> float:
    """Return the share of customers with 0 or nothing; of words, with nothing or with others than these."""
    if words is not None:
        return float((column.isna() | ~column.astype(str).isin(words)).mean()) if len(column) else 1.0
    values = column.to_numpy(dtype=float, na_value=np.nan)
    return float((np.isnan(values) | (values == 0)).mean()) if len(values) else 1.0


class Usual:
    """The means of features, over all customers and in each segment, to see whether some fall everywhere alike."""

    def __init__(self, result: Partition, tables: list[pd.DataFrame]):
        self._result = result
        kinds = result.customers.dtypes
        self._features = [name for name, kind in kinds.items() if pd.api.types.is_numeric_dtype(kind)]
        rows = pd.concat([table[self._features] for table in tables])
        labels = np.concatenate([place(result, table).to_numpy() for table in tables])
        self._everyone, self._segments = _means(rows), rows.groupby(labels).mean()

    def falls(self, table: pd.DataFrame) -> str:
        """Return in words the features that fell by the same factor in all segments while others did not; or ""."""
        if not len(table) or not self._features:
            return ""
        now = _means(table[self._features])
        positive = (now > 0) & (self._everyone > 0)
        moved = np.log(np.divide(now, self._everyone, out=np.ones_like(now), where=positive))
        fallen = positive & (moved <= FALLEN)
        if not fallen.any() or 2 * fallen.sum() > len(fallen):
            return ""
        if np.abs(moved[~fallen]).max() > 0.5 * np.abs(moved[fallen]).min():
            return ""
        names = [name for name, low in zip(self._features, fallen, strict=True) if low]
        factors = np.exp(moved[fallen])
        if not self._alike(table, names, factors):
            return ""
        said = [f"{name} at {factor:.0%} of before" for name, factor in zip(names, factors, strict=True)]
        return f"in all segments alike, {joined(said)}, while other features did not move"

    def _alike(self, table: pd.DataFrame, names: list[str], factors: np.ndarray) -> bool:
        """Whether each segment has the same factors, once customers are placed as if nothing were missing."""
        mended = table.assign(**{n: table[n] / f for n, f in zip(names, factors, strict=True)})
        labels = place(self._result, mended)
        sizes = labels.value_counts()
        large = sizes[sizes >= max(0.01 * len(labels), 5)].index
        before = self._segments.reindex(large)[names]
        ratios = table[names].groupby(labels.to_numpy()).mean().loc[large] / before.where(before > 0)
        apart = np.log(ratios.where(ratios > 0)) - np.log(factors)
        return len(apart) > 0 and bool((apart.abs() <= ALIKE * np.abs(np.log(factors))).to_numpy().all())


def _means(table: pd.DataFrame) -> np.ndarray:
    return np.nan_to_num(table.mean().to_numpy(dtype=float))
