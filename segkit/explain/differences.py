"""Measure how groups of customers differ from all other customers, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from segkit.analyse.numbers import as_logged
from segkit.analyse.prepare import Preparer
from segkit.analyse.words import MISSING, one_hot, ranks
from segkit.core.disclosure import (
    hidden_cells,
    hidden_sizes,
    is_few,
    may_have_mean,
    may_have_quantile,
    rounded_shares,
)

LARGEST = 10.0  # Cohen's d; stands for all larger ones, also where neither group varies and they differ
FIELDS = (
    "feature", "effect", "inside", "others", "unit", "low", "high", "of_those", "of_those_others", "of_those_unit",
    "index", "level", "column",
)  # fmt: skip
SHARE_OF_CUSTOMERS = "share of customers"
SHARES = (SHARE_OF_CUSTOMERS, "share of value")
EPSILON = 1e-12
Quartiles: TypeAlias = tuple[np.ndarray, ...]


def is_share(unit: str) -> bool:
    """Return whether a unit of :func:`segkit.profile` says a share of customers or of value."""
    return unit.startswith(SHARES)


def in_unit(value: float, unit: str) -> str:
    """Return a value of :func:`segkit.profile` with its unit, to be read.

    Examples
    --------
    >>> in_unit(0.25, "share of customers above 0"), in_unit(1234.5, "days"), in_unit(float("nan"), "days")
    ('25% of customers above 0', '1,234 days', 'unknown')
    """
    if pd.isna(value):
        return "unknown"
    if is_share(unit):
        return f"{value:.0%} {unit.removeprefix('share ')}"
    return f"{figure(value)} {unit}".strip()


def figure(value: float) -> str:
    """Return a number as short text."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"


@dataclass(frozen=True)
class Groups:
    """Groups of customers, each of which is compared with all others.

    Attributes
    ----------
    codes : ndarray of int, shape (n_customers,)
        0 … k − 1, or k for customers who are only among the others.
    k : int
    weights : ndarray of float, shape (n_customers,), optional
        How much a customer counts; by default all alike.
    minimum : int, default=1
        Customers of whom something is said; see :mod:`segkit.core.disclosure`.
    """

    codes: np.ndarray
    k: int
    weights: np.ndarray | None = None
    minimum: int = 1

    @cached_property
    def order(self) -> np.ndarray:
        """The customers group by group."""
        return np.argsort(self.codes, kind="stable")

    @cached_property
    def ends(self) -> np.ndarray:
        """Where each group ends in that order."""
        return np.cumsum(self.sizes)

    @cached_property
    def sizes(self) -> np.ndarray:
        """How many customers are in each group, and how many in none."""
        return np.bincount(self.codes, minlength=self.k + 1)

    def totals(self, values: np.ndarray) -> np.ndarray:
        """Return the weighted sum of the values of each group, and of those in none."""
        weighted = values if self.weights is None else values * self.weights
        return np.bincount(self.codes, weights=weighted, minlength=self.k + 1)

    def weight(self, those: np.ndarray) -> np.ndarray:
        """Return how much some customers count in each group, and those in none."""
        if self.weights is None and those.all():
            return self.sizes.astype(float)
        return self.totals(those.astype(float))

    def counts(self, those: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how many of some customers are in each group, and how many elsewhere; all count alike."""
        everyone = those.all()
        inside = self.sizes if everyone else np.bincount(self.codes[those], minlength=self.k + 1)
        return inside[:-1], inside.sum() - inside[:-1]

    def have_means(self, known: np.ndarray) -> np.ndarray:
        """Return which groups may be compared with all others by means."""
        own, rest = self.counts(known)
        return may_have_mean(own, self.minimum) & may_have_mean(rest, self.minimum)

    @property
    def of(self) -> str:
        """What shares are of."""
        return SHARES[self.weights is not None]


def differences(
    frame: pd.DataFrame, preparer: Preparer, groups: Groups, units: Mapping[str, str]
) -> pd.DataFrame:
    """Compare each group with all other customers.

    Parameters
    ----------
    frame : DataFrame of shape (n_customers, n_columns)
    preparer : Preparer
        Fitted to these columns: effects are measured after its logarithms and fences.
    groups : Groups
    units : mapping of str to str
        Units of the columns.

    Returns
    -------
    DataFrame
        One row a group and described column, with the columns of :func:`segkit.profile` and `group`.
        ``.attrs["words"]`` has the column of each word that is left out: fewer customers than the minimum have it.
    """
    names = list(preparer.get_feature_names_out())
    positions = preparer.positions_
    rows: list[dict[str, Any]] = []
    flags: list[dict[str, Any]] = []
    for at, position in enumerate(positions):
        column, words = str(frame.columns[position]), preparer.ranks_.get(position, ())
        values = number_column(frame, position, words)
        row = _number(values, prepared_number(values, preparer, at), groups, units.get(column, ""), words)
        rows.append(row | {"feature": names[at], "column": column})
        if at in preparer.flagged_:
            flags.append(_share(np.isnan(values), None, groups) | {"column": column, "level": MISSING})
    flags_named = zip(flags, names[len(rows) :], strict=False)
    rows += [flag | {"feature": name} for flag, name in flags_named]
    made = flags_end = len(rows)
    left_out: list[str] = []
    for position, levels in preparer.levels_.items():
        hot = one_hot(frame.iloc[:, position].array, levels)
        hidden = _hidden_words(hot, groups)
        few = is_few(hot.sum(axis=0), groups.minimum)
        left_out += [str(frame.columns[position])] * int(few.sum())
        for at, level in enumerate(levels):
            # Beside a single word, "missing" would say the same the other way round.
            if not (few[at] or (level is MISSING and len(levels) == 2)):
                row = _share(hot[:, at], None, groups, hidden[at])
                rows.append(
                    row | {"feature": names[made], "column": str(frame.columns[position]), "level": level}
                )
            made += 1
    # Numbers, flags and words each in the order of the table, in which they are told where they differ alike.
    place = {str(name): at for at, name in enumerate(frame.columns)}
    parts = rows[: len(positions)], rows[len(positions) : flags_end], rows[flags_end:]
    rows = [row for part in parts for row in sorted(part, key=lambda row: place[row["column"]])]
    described = {row["column"] for row in rows}
    unknown = dict.fromkeys(("effect", "inside", "others"), np.full(groups.k, np.nan))
    rows += [
        unknown | {"feature": c, "column": c, "unit": units.get(c, "")}
        for c in frame.columns
        if c not in described
    ]
    table = _table(rows, groups.k)
    if groups.minimum > 1:
        table["effect"] = table["effect"].round(2)  # exact ones would tell sizes
    table.attrs["words"] = left_out
    return table


def number_column(frame: pd.DataFrame, position: int, words: Sequence[str] = ()) -> np.ndarray:
    """Return a column as floats, missing as NaN; words in an order as 0, 1, 2, …"""
    if words:
        return ranks(frame.iloc[:, position].array, list(words))
    return np.array(frame.iloc[:, position].to_numpy(dtype=float, na_value=np.nan))


def prepared_number(values: np.ndarray, preparer: Preparer, at: int) -> np.ndarray:
    """Return a number after its logarithm and fences, in standard deviations; NaN where it is missing."""
    logged = as_logged(values[:, None], preparer.logged_[[at]], preparer.unit_[[at]])[:, 0]
    return (np.clip(logged, preparer.low_[at], preparer.high_[at]) - preparer.center_[at]) / preparer.scale_[
        at
    ]


def _table(rows: list[dict[str, Any]], k: int) -> pd.DataFrame:
    """Return a row for each group and description, group by group."""
    texts = ("feature", "unit", "of_those_unit", "level", "column")
    columns: dict[str, Any] = {"group": np.repeat(np.arange(k), len(rows))}
    for field in FIELDS:
        missing = "" if field in texts else np.full(k, np.nan)
        cells = [row.get(field, missing) for row in rows]
        if field in texts:
            columns[field] = pd.array(cells * k, dtype="str")
        else:
            columns[field] = np.array(cells, dtype=float).reshape(len(rows), k).T.ravel()
    return pd.DataFrame(columns)


def _number(
    values: np.ndarray, scaled: np.ndarray, groups: Groups, unit: str, words: Any = ()
) -> dict[str, Any]:
    """Describe a number by its median and quartiles, or by shares where it has two values or one prevails."""
    ordered = np.sort(values[~np.isnan(values)])
    if len(ordered) and ordered[0] < ordered[-1]:
        low, high = ordered[0], ordered[-1]
        usual = ordered[(len(ordered) - 1) // 2]
        before, upto = np.searchsorted(ordered, usual), np.searchsorted(ordered, usual, "right")
        two_valued = np.searchsorted(ordered, low, "right") == np.searchsorted(ordered, high)
        known = ~np.isnan(values)
        if two_valued:
            plain = len(words) == 2 or (low, high) == (0, 1)
            row = _share(values == high, known, groups)
            more = {} if plain else {"unit": f"{groups.of} with {figure(high)}"}
            return row | more | ({"level": words[1]} if words else {})
        if 2 * (upto - before) >= len(ordered) and not words:
            below = usual == high
            beyond = values < usual if below else values > usual
            those = _quantiles(np.where(beyond, values, np.nan), groups)
            row = _share(beyond, known, groups)
            by_share = np.isnan(row["effect"]) | ~groups.have_means(known)
            row |= {
                "unit": f"{groups.of} {'below' if below else 'above'} {figure(usual)}",
                "effect": np.where((groups.minimum > 1) & by_share, row["effect"], cohen_d(scaled, groups)),
                "of_those_unit": unit,
            }
            return row | dict(zip(("low", "of_those", "high", "of_those_others"), those, strict=True))
    quartiles = _quantiles(values, groups, ordered)
    if len(words) > 2:
        unit = f"rank, 0 ({words[0]}) to {len(words) - 1} ({words[-1]})"
    row = dict(zip(("low", "inside", "high", "others"), quartiles, strict=True))
    return row | {"unit": unit, "effect": cohen_d(scaled, groups)}


def _share(
    hot: np.ndarray, known: np.ndarray | None, groups: Groups, hidden: np.ndarray | bool = False
) -> dict[str, Any]:
    """Describe what some customers have by its share inside, among the others, and their index."""
    some = groups.totals(hot.astype(float))
    every = groups.weight(np.ones(len(hot), dtype=bool) if known is None else known)
    n = len(hot) if known is None else int(known.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = some[:-1] / every[:-1]
        others = (some.sum() - some[:-1]) / (every.sum() - every[:-1])
        index = 100 * inside / (some.sum() / every.sum())
        ours = every[:-1] / every.sum()
        pooled = ours * inside * (1 - inside) + (1 - ours) * others * (1 - others)
    # Differences of sums leave rounding errors.
    others = np.clip(others, 0, 1)
    effect = _bounded(inside - others, np.maximum(pooled, 0) * n / max(n - 2, 1))
    row = {"effect": effect, "inside": inside, "others": others, "index": index}
    if groups.minimum > 1:
        known = np.ones(len(hot), dtype=bool) if known is None else known
        own, rest = groups.counts(known)
        row["inside"] = rounded_shares(inside, own, groups.minimum)
        row["others"] = rounded_shares(others, rest, groups.minimum)
        row["index"] = np.round(index)
        hidden = hidden | _hidden_shares(hot, known, groups)
        row = {field: np.where(hidden, np.nan, cells) for field, cells in row.items()}
    return row | {"unit": groups.of}


def _hidden_words(hot: np.ndarray, groups: Groups) -> np.ndarray:
    """Return of which words (rows) and groups no share is shown, since those of few would follow from the others."""
    if groups.minimum == 1:
        return np.zeros((hot.shape[1], groups.k), dtype=bool)
    counts = [np.bincount(groups.codes[words > 0], minlength=groups.k + 1) for words in hot.T]
    return hidden_cells(np.array(counts).reshape(-1, groups.k + 1), groups.minimum)[:, :-1]


def _hidden_shares(hot: np.ndarray, known: np.ndarray, groups: Groups) -> np.ndarray:
    """Return of which groups no share is shown: where few have it or lack it, or that would follow from others."""
    hot = hot.astype(bool)
    hidden = np.zeros(groups.k, dtype=bool)
    for those in (known & hot, known & ~hot):
        own, rest = groups.counts(those)
        elsewhere = own[:1] + rest[:1] - own.sum()  # those in no group
        hidden |= hidden_sizes(np.append(own, elsewhere), groups.minimum)[:-1] | is_few(rest, groups.minimum)
    own, rest = groups.counts(known)
    return hidden | (own < groups.minimum) | (rest < groups.minimum)


def cohen_d(values: np.ndarray, groups: Groups) -> np.ndarray:
    """Return the difference of each group's mean from that of all others, in pooled standard deviations.

    Missing values are left out; missing where a group, or the others, have no known value. Of groups too small for
    means to be shown, the difference of medians.
    """
    known = ~np.isnan(values)
    of_means = groups.have_means(known)
    medians = None if of_means.all() else _quantiles(values, groups)[1::2]
    if not known.all():
        values = np.where(known, values, 0.0)
    sizes = groups.weight(known)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = groups.totals(values) / sizes
        squares = groups.totals(np.where(known, values - means[groups.codes], 0.0) ** 2)
        rest = sizes.sum() - sizes[:-1]
        rest = np.where(rest > EPSILON * sizes.sum(), rest, 0.0)
        sums = np.where(sizes > 0, sizes * np.nan_to_num(means), 0.0)
        elsewhere = (sums.sum() - sums[:-1]) / rest
        apart = np.where(sizes > 0, np.nan_to_num(means), elsewhere[:, None])
        between = sizes * (apart - elsewhere[:, None]) ** 2
        between[np.arange(groups.k), np.arange(groups.k)] = 0.0
        n = int(known.sum())
        variance = (squares.sum() + between.sum(axis=1)) / sizes.sum() * n / max(n - 2, 1)
    differ = means[:-1] - elsewhere
    if medians is not None:
        differ = np.where(of_means, differ, medians[0] - medians[1])
    return _bounded(differ, variance)


def _bounded(apart: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return Cohen's d; 0 where the groups are the same but for rounding, and never beyond ±10."""
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.clip(apart / np.sqrt(variance), -LARGEST, LARGEST)
    return np.where(np.abs(apart) <= EPSILON, 0.0, effect)


def _quantiles(values: np.ndarray, groups: Groups, ordered: np.ndarray | None = None) -> Quartiles:
    """Return the lower quartile, the median and the upper quartile of each group, and the median of all others."""
    found = (
        _weighted_quantiles(values, groups) if groups.weights is not None else _plain(values, groups, ordered)
    )
    if groups.minimum > 1:
        own, rest = groups.counts(~np.isnan(values))
        shown = [may_have_quantile(own, q, groups.minimum) for q in (0.25, 0.5, 0.75)]
        shown.append((own >= groups.minimum) & may_have_quantile(rest, 0.5, groups.minimum))
        found = tuple(np.where(may, cells, np.nan) for may, cells in zip(shown, found, strict=True))
    return found


def _plain(values: np.ndarray, groups: Groups, ordered: np.ndarray | None) -> Quartiles:
    if ordered is None:
        ordered = np.sort(values[~np.isnan(values)])
    by_group = values[groups.order]
    found = np.full((4, groups.k), np.nan)
    for g in range(groups.k):
        own = by_group[groups.ends[g - 1] if g else 0 : groups.ends[g]]
        own = np.sort(own[~np.isnan(own)])
        found[:3, g] = [_quantile(own, q) for q in (0.25, 0.5, 0.75)]
        found[3, g] = _median_without(ordered, own)
    return found[0], found[1], found[2], found[3]


def _quantile(ordered: np.ndarray, q: float) -> float:
    """Return a quantile of sorted values: the mean of two values where it lies between them."""
    at = len(ordered) * q
    if not len(ordered):
        return np.nan
    return _middle(ordered[max(int(np.ceil(at)) - 1, 0)], ordered[min(int(at), len(ordered) - 1)])


def _middle(one: float, other: float) -> float:
    return float(one) if one == other else float(one / 2 + other / 2)


def _median_without(ordered: np.ndarray, own: np.ndarray) -> float:
    """Return the median of sorted values without those of a group, without sorting the rest."""
    n = len(ordered) - len(own)
    if n == 0:
        return np.nan

    def nth(wanted: int) -> float:
        first, last = 0, len(ordered) - 1
        while first < last:
            at = (first + last) // 2
            value = ordered[at]
            upto = np.searchsorted(ordered, value, "right") - np.searchsorted(own, value, "right")
            first, last = (first, at) if upto > wanted else (at + 1, last)
        return ordered[first]

    return _middle(nth((n - 1) // 2), nth(n // 2))


def _weighted_quantiles(values: np.ndarray, groups: Groups) -> Quartiles:
    assert groups.weights is not None
    order = np.argsort(values)[: int((~np.isnan(values)).sum())]
    values, weights, codes = values[order], groups.weights[order], groups.codes[order]
    found = np.full((4, groups.k), np.nan)
    for g in range(groups.k):
        inside = codes == g
        own, rest = np.cumsum(weights[inside]), np.cumsum(weights[~inside])
        found[:3, g] = [_weighted(values[inside], own, q) for q in (0.25, 0.5, 0.75)]
        found[3, g] = _weighted(values[~inside], rest, 0.5)
    return found[0], found[1], found[2], found[3]


def _weighted(values: np.ndarray, upto: np.ndarray, q: float) -> float:
    if not len(values) or not upto[-1] > 0:
        return np.nan
    at = q * upto[-1]
    first = np.searchsorted(upto, at * (1 - EPSILON))
    after = min(np.searchsorted(upto, at * (1 + EPSILON), "right"), len(values) - 1)
    return _middle(values[first], values[after])
