"""Say why a customer is in her segment, and which change would move her."""

from __future__ import annotations

import datetime
import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segkit.analyse.prepare import Preparer
from segkit.core.checks import check_type
from segkit.core.disclosure import MINIMUM, check_minimum, is_few
from segkit.core.messages import did_you_mean, joined
from segkit.create.segmentation import Segmentation
from segkit.explain.differences import is_share
from segkit.explain.name_words import WORDS
from segkit.explain.names import shown_names
from segkit.explain.profile import profiled
from segkit.explain.traits import in_units, key_of, of_data, readable, unit_of
from segkit.methods.assignment import OUTSIDE, preparer_and_clusterer
from segkit.methods.partition import check_segments, checked_result, plain_preparer

STEPS = 33  # values tried at once along a feature
IDS = (str, int, float, np.generic, datetime.date)
SAID = 2  # features in the sentence
COUNTED = ("orders", "items", "products", "categories", "visits", "searches", "times", "opens", "clicks")


@dataclass(frozen=True)
class Figures:
    """What explanations of customers share: where segments lie, and which values occur.

    Attributes
    ----------
    preparer : Preparer
    means : DataFrame of shape (n_segments, n_prepared)
        Mean of the prepared features of each segment.
    tried : dict of str to ndarray or list
        Values of each feature that customers have, from low to high; words by frequency.
    middles : dict of int to DataFrame
        Of the segments asked for so far: the median of each feature, or its commonest word, here and elsewhere.
    """

    preparer: Preparer
    means: pd.DataFrame
    tried: dict[str, Any]
    middles: dict[int, pd.DataFrame]


def why(result: Segmentation, customer_id: Hashable, *, minimum: int = MINIMUM) -> pd.DataFrame:
    """Explain why a customer is in her segment rather than in the nearest other one, and what would move her.

    Parameters
    ----------
    result : Segmentation
    customer_id : str or int
        A customer of the result.
    minimum : int, default=10
        Medians of fewer customers are missing. 1 shows them.

    Returns
    -------
    DataFrame
        Indexed by `feature`, what holds her most first: her `value`, the median of her `segment` and that of the
        `others` (the commonest word of categories), in the feature's `unit`; `contribution`, from −1 to 1: how much the
        feature holds her here (above 0) or draws her to the nearest other segment, as a share of all that does
        either; `moved_at`, the nearest value of this feature alone at which the model would move her, and `moves_to`,
        where to; both are missing where no value that customers have would.
        ``.attrs["segkit"]`` has the `sentence`, the `segment_id` and that of the `runner_up`.

    Raises
    ------
    ValueError
        If there is no such customer, or no segment.

    Notes
    -----
    The contribution is the difference of the squared distances from the means of the two segments, in prepared units:
    for k-means the very rule, for other models a description. `moved_at` asks the model itself, whatever it is. Neither
    says that a change would cause anything: it is about the segment, not about her.

    Examples
    --------
    >>> import pandas as pd
    >>> import segkit as sg
    >>> customers = pd.DataFrame({"frequency": [1, 2, 1, 30, 31, 29]}, index=list("abcdef"))
    >>> result = sg.segment(customers, n_segments=2).with_names({0: "Regulars", 1: "New"})
    >>> reasons = sg.why(result, "b", minimum=1)
    >>> for part in reasons.attrs["segkit"]["sentence"].split("; "):
    ...     print(part)
    Customer 'b' is in New, since they have placed 2 orders (the others: 30 orders)
    with 14 more orders they would be in Regulars.
    """
    checked_result(result)
    check_minimum(minimum)
    if not shown_names(result):
        check_segments(result, "why tells what holds a customer in her segment")
    at = position_of(result, customer_id)
    figures = figures_of(result)
    row = result.customers.iloc[[at]]
    own = int(result.labels.iloc[at])
    prepared = figures.preparer.matrix(row)[0]
    apart = ((figures.means - prepared) ** 2).to_numpy()
    total = pd.Series(apart.sum(axis=1), index=figures.means.index).drop(own, errors="ignore")
    second = int(total.idxmin()) if len(total) and np.isfinite(total.min()) else None
    table = _middles(result, figures, own)
    n = int((result.labels == own).sum())
    for side, size in (("segment", n), ("others", len(result.labels) - n)):
        if is_few(size, minimum):
            table[side] = np.nan
    table.insert(0, "value", pd.Series(row.iloc[0].to_dict(), dtype=object))
    table["contribution"] = _contributions(figures, apart, own, second)
    moves = _moves(result, figures, row, own)
    names = {**shown_names(result), OUTSIDE: result.name_of(OUTSIDE)}
    table["moved_at"] = pd.Series({f: value for f, (value, _) in moves.items()}, dtype=object).reindex(
        table.index
    )
    table["moves_to"] = pd.Series({f: names[s] for f, (_, s) in moves.items()}, dtype=object).reindex(
        table.index
    )
    table = table.sort_values("contribution", ascending=False, kind="stable", na_position="last")
    easiest = _easiest(figures, row, prepared, moves)
    table.attrs["segkit"] = {
        "badge": result.badge,
        "customer_id": customer_id,
        "segment_id": own,
        "segment": names[own],
        "runner_up": second,
        "runner_up_name": "" if second is None else names[second],
        "sentence": _sentence(customer_id, names[own], own, table, easiest),
    }
    return table.rename_axis("feature")


def position_of(result: Segmentation, customer_id: Hashable) -> int:
    """Return the position of a customer.

    Raises
    ------
    ValueError
        If there is none.
    """
    index = result.customers.index
    try:
        return int(index.get_loc(customer_id))
    except (KeyError, TypeError, pd.errors.InvalidIndexError) as error:
        check_type("customer_id", customer_id, IDS, "It should be the id of one customer.")
        alike = index[index.astype("str") == str(customer_id)]
        if len(alike):
            hint = f" Say {alike[0]!r}: ids are of type {type(alike[0]).__name__}."
        else:
            hint = did_you_mean(customer_id, index[:5000]) if isinstance(customer_id, str) else ""
        raise ValueError(
            f"There is no customer {customer_id!r} among these {len(index):,}.{hint} Their ids look like {index[0]!r}."
        ) from error


def figures_of(result: Segmentation) -> Figures:
    """Return what explanations share, computed on first use."""
    if "_figures" not in vars(result):
        preparer = plain_preparer(result)
        own, _ = preparer_and_clusterer(result.model)
        matrix = result.prepared.to_numpy() if own is preparer else preparer.matrix(result.customers)
        labels = result.labels.to_numpy()
        segments = result.segments
        means = pd.DataFrame([matrix[labels == s].mean(axis=0) for s in segments], index=segments)
        tried = {name: _tried(column) for name, column in result.customers.items()}
        vars(result)["_figures"] = Figures(preparer, means, tried, {})
    return vars(result)["_figures"]


def _tried(column: pd.Series) -> Any:
    """Return values of a feature that customers have: quantiles of a number, or the commonest words."""
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return column.value_counts().index[:STEPS].tolist()
    values = column.to_numpy(dtype=float, na_value=np.nan)
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return known
    return np.unique(known[np.linspace(0, len(known) - 1, STEPS).round().astype(int)])


def _middles(result: Segmentation, figures: Figures, segment: int) -> pd.DataFrame:
    """Return the median of each feature in a segment and among all others; the commonest word of a category."""
    if segment not in figures.middles:
        inside = (result.labels == segment).to_numpy()
        units = result.provenance.get("units", {})
        known = _medians(result, segment)
        rows = {}
        for name, column in result.customers.items():
            here, there = known.get(name) or (_middle(column[inside]), _middle(column[~inside]))
            rows[name] = {"segment": here, "others": there, "unit": unit_of(str(name), units.get(name, ""))}
        figures.middles[segment] = pd.DataFrame.from_dict(
            rows, orient="index", columns=["segment", "others", "unit"]
        )
    return figures.middles[segment].copy()


def _medians(result: Segmentation, segment: int) -> dict[str, tuple[float, float]]:
    """Return the medians that the profile holds, here and elsewhere."""
    if segment == OUTSIDE or result.labels.nunique() < 2:
        return {}
    rows = profiled(result)
    rows = rows[(rows["segment_id"] == segment) & (rows["feature"] == rows["column"])]
    plain = [not is_share(unit) and not unit.startswith("rank") for unit in rows["unit"]]
    return {r.column: (r.inside, r.others) for r in rows[plain].itertuples(index=False)}


def _middle(column: pd.Series) -> Any:
    known = column.dropna()
    if not len(known):
        return np.nan
    return float(known.median()) if pd.api.types.is_numeric_dtype(column.dtype) else known.mode().iloc[0]


def _contributions(figures: Figures, apart: np.ndarray, own: int, second: int | None) -> pd.Series:
    """Return how much each feature holds a customer: the farther she is in it from the other segment, the more."""
    names = list(figures.tried)
    if second is None or own == OUTSIDE:
        return pd.Series(np.nan, index=names)
    at = figures.means.index
    gained = apart[at.get_loc(second)] - apart[at.get_loc(own)]
    held = dict.fromkeys(names, 0.0)
    for gain, owners in zip(gained, figures.preparer.owners_, strict=True):
        for owner in owners:
            held[owner] += gain / len(owners)
    sums = pd.Series(held)
    return sums / max(sums.abs().sum(), 1e-12)


def _moves(result: Segmentation, figures: Figures, row: pd.DataFrame, own: int) -> dict[str, tuple[Any, int]]:
    """Return the nearest value of each feature at which the model moves a customer, and to which segment.

    All features are tried at once: first values that customers have, then values between the last that leaves her and
    the first that moves her.
    """
    numeric = {n: pd.api.types.is_numeric_dtype(c.dtype) for n, c in result.customers.items()}
    labels = _assigned(result, row, figures.tried)
    between: dict[str, np.ndarray] = {}
    found: dict[str, tuple[Any, int]] = {}
    for name, values in figures.tried.items():
        now = row[name].iloc[0]
        if not numeric[name]:
            moving = [(v, s) for v, s in zip(values, labels[name], strict=True) if s != own]
            if moving:
                found[name] = moving[0]
        elif not pd.isna(now):
            steps = _brackets(float(now), values, labels[name] != own)
            if len(steps):
                whole = float(now).is_integer() and bool((np.mod(figures.tried[name], 1) == 0).all())
                between[name] = np.unique(steps.round()) if whole else steps
    for name, moved in _assigned(result, row, between).items():
        now, values = float(row[name].iloc[0]), between[name]
        away = np.flatnonzero(moved != own)
        if len(away):
            nearest = away[np.abs(values[away] - now).argmin()]
            found[name] = (float(values[nearest]), int(moved[nearest]))
    return found


def _brackets(now: float, values: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Return values between the last that leaves a customer where she is and the first that moves her, both ways."""
    steps: list[np.ndarray] = []
    for side in (1, -1):
        order = np.argsort(side * values)
        beyond = [i for i in order if side * values[i] > side * now]
        first = next((n for n, i in enumerate(beyond) if moved[i]), None)
        if first is not None:
            last = values[beyond[first - 1]] if first else now
            steps.append(np.linspace(last, values[beyond[first]], STEPS)[1:])
    return np.concatenate(steps) if steps else np.empty(0)


def _assigned(result: Segmentation, row: pd.DataFrame, tried: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the segments of a customer with other values of one feature at a time."""
    lengths = {name: len(values) for name, values in tried.items() if len(values)}
    if not lengths:
        return {}
    labels = result.assign(_changed(row, {name: tried[name] for name in lengths})).to_numpy()
    return dict(zip(lengths, np.split(labels, np.cumsum(list(lengths.values()))[:-1]), strict=True))


def _changed(row: pd.DataFrame, tried: dict[str, Any]) -> pd.DataFrame:
    """Return copies of a customer, each with another value of one feature: the first feature's first, and so on."""
    n = sum(map(len, tried.values()))
    starts = dict(zip(tried, np.cumsum([0, *map(len, tried.values())]), strict=False))
    columns: dict[str, Any] = {}
    for name, column in row.items():
        numeric = pd.api.types.is_numeric_dtype(column.dtype)
        now = column.to_numpy(dtype=float, na_value=np.nan)[0] if numeric else column.iloc[0]
        cells = np.full(n, now) if numeric else np.full(n, now, dtype=object)
        if name in tried:
            cells[starts[name] : starts[name] + len(tried[name])] = tried[name]
        columns[str(name)] = cells if numeric else pd.Series(cells, dtype=column.dtype)
    return pd.DataFrame(columns)


def _easiest(
    figures: Figures, row: pd.DataFrame, prepared: np.ndarray, moves: dict[str, tuple[Any, int]]
) -> str | None:
    """Return the feature whose change is the smallest, in prepared units; None where none moves her."""
    if not moves:
        return None
    changed = figures.preparer.matrix(_changed(row, {name: [value] for name, (value, _) in moves.items()}))
    return list(moves)[int(np.linalg.norm(changed - prepared, axis=1).argmin())]


def _sentence(customer_id: Hashable, segment: str, own: int, table: pd.DataFrame, easiest: str | None) -> str:
    """Return why she is there, and what would move her."""
    holding = table[table["contribution"] > 0].head(SAID)
    reasons = [said for name, r in holding.iterrows() if (said := _reason(str(name), r))]
    reasons.sort(key=lambda said: not said.startswith("they "))
    reasons = [said.removeprefix("they ") if n else said for n, said in enumerate(reasons)]
    where = "is outside all segments" if own == OUTSIDE else f"is in {segment}"
    since = f", since {joined(reasons)}" if reasons else ""
    if easiest is None:
        change = "no single feature would move them"
    else:
        change = f"{_change(easiest, table.loc[easiest])} they would be in {table.loc[easiest, 'moves_to']}"
    return f"Customer {customer_id!r} {where}{since}; {change}."


def _reason(feature: str, row: Any) -> str:
    """Return a clause about a value, with the others beside it."""
    here, there = _told(row["value"], row["unit"]), _told(row["others"], row["unit"])
    if here == there:
        return ""
    words = WORDS.get(key_of(feature))
    if words is None or isinstance(row["value"], str) or "{}" not in words.says or pd.isna(row["value"]):
        return f"their {readable(feature)} is {here} (the others: {there})"
    if words.below and row["value"] < 0:
        return f"they {words.below.format(_told(-row['value'], row['unit']))}"
    days = "".join(re.findall(r"_(\d+)d$", feature))
    return f"they {words.says.format(here, days=days)} (the others: {there})"


def _told(value: Any, unit: str) -> str:
    if isinstance(value, (int, float, np.number)):
        return "unknown" if pd.isna(value) else in_units(float(value), unit)
    return "unknown" if pd.isna(value) else of_data(str(value))


def _change(feature: str, row: Any) -> str:
    """Return what would move a customer: "with 3 more orders"."""
    value, at, unit = row["value"], row["moved_at"], row["unit"]
    if unit in COUNTED and not isinstance(at, str) and float(value).is_integer() and float(at).is_integer():
        number, _, what = in_units(abs(at - value), unit).partition(" ")
        return f"with {number} {'more' if at > value else 'fewer'} {what}"
    here, there = _told(value, unit), _told(at, unit)
    if here == there:
        return f"with a slightly {'higher' if at > value else 'lower'} {readable(feature)}"
    return f"with {readable(feature)} {there} instead of {here}"
