"""Put the arms of an experiment beside outcomes, segments and what was before."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from scipy.stats import chisquare, norm

from segkit.collect.events import Events
from segkit.core.engine.connection import run_with_progress
from segkit.core.messages import choose_from, counted, in_words, joined, listed
from segkit.core.moments import read_moment, read_span
from segkit.methods.partition import Partition
from segkit.tailor.audiences.contacts import shown
from segkit.tailor.audiences.customer_ids import segment_names, text_of
from segkit.tailor.experiments.arms import checked_shares
from segkit.tailor.experiments.intervals import Arm

EVERYONE = "all customers"
FAILED = 0.001  # p-value below which arms are not as they were assigned
LEAST_EXPECTED = 5  # customers of an arm from which on a chi-square test holds
FEWEST_OF_A_COPY = 30  # customers; fewer may lie on a line by chance
NUMBERS = ("boolean", "integer", "floating", "mixed-integer-float", "decimal")  # as pandas infers objects
PURCHASES = ("conversion", "spend")
HORIZON = "outcomes are Events, which need start= and horizon=: when the treatment began, and how long to count after."


@dataclass(frozen=True, eq=False)
class ExperimentTable:
    """Customers of an experiment.

    Attributes
    ----------
    arms : Series of category
        Arm of each customer, by id as text.
    outcomes : ndarray of float
        In the order of `arms`; unknown ones are missing.
    segments : Series of category, or None
    before : ndarray of float, or None
        What was before; where it is unknown, the mean stands for it.
    shares : bool
        Whether outcomes are 0 or 1.
    strangers : int
        Customers with an outcome and no arm.
    """

    arms: pd.Series
    outcomes: np.ndarray
    segments: pd.Series | None
    before: np.ndarray | None
    shares: bool
    strangers: int

    def moments(self) -> dict[str, Arm]:
        """Return the moments of each arm: an entry for each segment, and a last one for all customers."""
        names = list(self.arms.cat.categories)
        segments = 1 if self.segments is None else len(self.segments.cat.categories)
        codes = self.arms.cat.codes.to_numpy().astype(np.int64)
        place = codes * segments + (0 if self.segments is None else self.segments.cat.codes.to_numpy())
        known = ~np.isnan(self.outcomes)
        place, y = place[known], self.outcomes[known]
        responded = y != 0
        middle = y.mean() if len(y) else 0.0  # taken off, so that squares stay exact
        y = y - middle
        x = np.zeros(len(y)) if self.before is None else self.before[known]
        x_middle = np.nanmean(x) if not np.isnan(x).all() else 0.0
        x = np.where(np.isnan(x), 0.0, x - x_middle)

        def total(weights: np.ndarray | None) -> np.ndarray:
            sums = np.bincount(place, weights, len(names) * segments).reshape(len(names), segments)
            return sums if self.segments is None else np.column_stack([sums, sums.sum(axis=1)])

        n = total(None).astype(float)
        sums = {"y": total(y), "x": total(x), "yy": total(y * y), "xx": total(x * x), "xy": total(x * y)}
        with np.errstate(divide="ignore", invalid="ignore"):
            mean, before = sums["y"] / n, sums["x"] / n

            def spread(products: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
                return (products - n * one * other) / (n - 1)

            variance, of_before = spread(sums["yy"], mean, mean), spread(sums["xx"], before, before)
            both = spread(sums["xy"], mean, before)
        variance = np.where(variance < 1e-12 * np.maximum(middle**2, 1e-300), 0.0, variance)
        rows = (n, mean + middle, variance, before + x_middle, of_before, both, total(responded))
        return {name: Arm(*(np.asarray(values[i]) for values in rows)) for i, name in enumerate(names)}


def experiment_table(
    arms: pd.Series,
    outcomes: pd.Series | pd.DataFrame | Events,
    *,
    by: Partition | pd.Series | None,
    before: pd.Series | pd.DataFrame | Events | None,
    outcome: str | None,
    control: str,
    start: str | pd.Timestamp | None,
    horizon: str | timedelta | None,
) -> ExperimentTable:
    """Read the arguments of :func:`segkit.lift`.

    Raises
    ------
    TypeError, ValueError
        If a customer has two arms or two outcomes, there is no control, or `before` is from after the start.
    """
    ids, arms = arms.index if isinstance(arms, pd.Series) else None, checked_arms(arms)
    names = list(arms.cat.categories)
    if len(names) < 2:
        raise ValueError(f"All customers are in the arm {names[0]!r}. A comparison needs 2 arms or more.")
    if control not in names:
        raise ValueError(
            f"No customer is in the arm {control!r}, with which to compare. Say which of {joined(names)} was held out: "
            f"control={names[0]!r}."
        )
    moment = None if start is None else read_start(start)
    counted_after = _window(outcomes, moment, horizon)
    text = (ids, arms.index)
    values = _values(outcomes, outcome, "outcomes", counted_after, text)
    earlier = None
    if before is not None:
        window = None
        if isinstance(before, Events):
            window = _window(before, moment, horizon, back=True)
        else:
            check_earlier(before, moment)
        earlier = _values(before, outcome, "before", window, text)
    y, found = _in_order(values, arms.index)
    if not found:
        raise ValueError(
            f"None of the {len(values):,} customers of outcomes is in arms. Both should have the same ids: "
            f"{shown(values.index[0])} and {shown(arms.index[0])}."
        )
    x = None if earlier is None else _in_order(earlier, arms.index)[0]
    if x is not None and np.isnan(x).all():
        raise ValueError(
            f"before knows none of the {counted(len(x), 'customer')} in arms, such as {shown(arms.index[0])}. Pass "
            "values by the same ids."
        )
    if x is not None and _are_the_same(x, y):
        raise ValueError(
            "before is equal to the outcomes, or moves exactly with them. Pass what was known before the experiment "
            "began."
        )
    finite = y[~np.isnan(y)]
    shares = bool(len(finite)) and bool(((finite == 0) | (finite == 1)).all())
    if isinstance(by, pd.Series):
        by = by.set_axis(_text_of(by.index, "by", text))
    segments = None if by is None else segment_names(by, arms.index)
    if segments is not None:
        segments = segments.cat.remove_unused_categories()
        check_is_free(segments.cat.categories)
    return ExperimentTable(arms, y, segments, x, shares, len(values) - found)


def check_is_free(names: Collection[object]) -> None:
    """Refuse a segment that is called as the row of everyone is.

    Raises
    ------
    ValueError
    """
    if EVERYONE in names:
        raise ValueError(f"A segment is called {EVERYONE!r}, as the row of everyone is. Rename it.")


def _are_the_same(x: np.ndarray, y: np.ndarray) -> bool:
    """Return whether what was before gives the outcomes exactly, as only a copy of them does."""
    if np.array_equal(x, y, equal_nan=True):
        return True
    known = ~np.isnan(x) & ~np.isnan(y)
    if known.sum() < FEWEST_OF_A_COPY or not x[known].std() > 0 or not y[known].std() > 0:
        return False
    return bool(abs(np.corrcoef(x[known], y[known])[0, 1]) > 1 - 1e-12)


def checked_arms(arms: pd.Series) -> pd.Series:
    """Return arms as a category, by id as text, in the order of their shares, with what they know of themselves.

    Raises
    ------
    TypeError, ValueError
        If it is no Series, an arm is missing or a customer has two.
    """
    if not isinstance(arms, pd.Series):
        raise TypeError(
            f"arms is {in_words(arms)}. It should be a Series of arms by customer, as from assign_arms(…)."
        )
    if arms.isna().any() or not len(arms):
        raise ValueError(
            f"arms has {counted(len(arms), 'customer')}, {int(arms.isna().sum()):,} of them without an arm. Each "
            "customer should have one."
        )
    ids = text_of(arms.index, "arms")
    if not ids.is_unique:
        twice = ids[ids.duplicated()]
        raise ValueError(
            f"arms holds {counted(twice.nunique(), 'customer')} more than once, such as {shown(twice[0])}. Each should "
            "be in one arm; check_experiment(…) counts those in two."
        )
    codes, names = pd.factorize(arms, sort=True)
    known = arms.attrs.get("segkit", {}).get("shares", {})
    order = sorted(
        range(len(names)), key=lambda i: (list(known).index(names[i]) if names[i] in known else len(known), i)
    )
    place = np.argsort(order)
    read = pd.Series(
        pd.Categorical.from_codes(place[codes], [str(names[i]) for i in order]), index=ids, name="arm"
    )
    read.attrs = dict(arms.attrs)
    return read


def check_earlier(before: object, moment: pd.Timestamp | None, name: str = "before") -> None:
    """Refuse what was measured after the start: it would hide what the treatment did.

    Raises
    ------
    ValueError
    """
    seen = getattr(before, "attrs", {}).get("segkit", {}).get("as_of")
    if seen is None:
        return
    if moment is None:
        raise ValueError(
            f"{name} is as of {seen}, and when the treatment began is not known. Say start=, so that it is checked."
        )
    if read_moment(seen) > moment:
        raise ValueError(
            f"{name} is as of {seen}, after the treatment began ({moment}), so it holds what the treatment did. "
            f"Compute it as of {moment} or earlier."
        )


def sample_ratio(arms: pd.Series, shares: dict[str, float]) -> float:
    """Return the p-value of the chi-square test that arms have their shares; missing where too few to test."""
    expected = np.array(list(shares.values())) * len(arms)
    if expected.min() < LEAST_EXPECTED:
        return float("nan")
    counts = arms.value_counts().reindex(list(shares), fill_value=0)
    return float(chisquare(counts.to_numpy(), expected).pvalue)


def differences_before(table: ExperimentTable, control: str) -> dict[str, tuple[float, float]]:
    """Return how far each arm was from those held out before the experiment, and the p-value: an A/A test.

    A score test: at random, both arms have one variance, so an arm in which all are alike can be compared too.
    """
    if table.before is None:
        return {}
    known = ~np.isnan(table.before)
    arms, found = table.arms.to_numpy(), {}
    held_out = table.before[known & (arms == control)]
    for arm in table.arms.cat.categories.drop(control):
        own = table.before[known & (arms == arm)]
        if min(len(own), len(held_out)) < 2:
            found[arm] = (float("nan"), float("nan"))
            continue
        variance = np.concatenate([own, held_out]).var() * (1 / len(own) + 1 / len(held_out))
        difference = float(own.mean() - held_out.mean())
        p = 2 * norm.sf(abs(difference) / np.sqrt(variance)) if variance > 0 else float("nan")
        found[arm] = (difference, float(p))
    return found


def shares_of(arms: pd.Series, shares: dict[str, float] | None) -> dict[str, float] | None:
    """Return the shares that arms were assigned with, as said or as they know themselves.

    Raises
    ------
    ValueError
        If both are known and differ, or an arm has no share.
    """
    own = arms.attrs.get("segkit", {}).get("shares")
    said = None if shares is None else checked_shares(shares)
    if own and said and own != said:
        raise ValueError(
            f"These arms were assigned with the shares {own}, and shares= says {said}. An experiment keeps its shares; "
            "for other shares, start another experiment."
        )
    known = said or own
    unknown = sorted(set(arms.unique()) - set(known)) if known else []
    if known and unknown:
        raise ValueError(
            f"shares has no share of the arm {unknown[0]!r}. The arms are {listed(arms.unique())}."
        )
    return known


def read_start(start: str | pd.Timestamp) -> pd.Timestamp:
    """Return the moment when the treatment began."""
    try:
        return read_moment(start)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("as_of", "start")) from None


def _window(
    values: object, moment: pd.Timestamp | None, horizon: str | timedelta | None, *, back: bool = False
) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """Return when events count, or None for what are no events."""
    if not isinstance(values, Events):
        return None
    if moment is None or horizon is None:
        raise ValueError(HORIZON)
    ahead = read_span(horizon, "horizon")
    if back:
        return moment - ahead, moment
    if values.last < moment + ahead - pd.Timedelta(days=1):
        raise ValueError(
            f"The events end at {values.last}, before the horizon does ({moment} + {ahead}). Say a shorter horizon, or "
            "wait."
        )
    return moment, moment + ahead


def _values(
    values: pd.Series | pd.DataFrame | Events,
    outcome: str | None,
    name: str,
    window: tuple[pd.Timestamp, pd.Timestamp] | None,
    text: tuple[pd.Index, pd.Index],
) -> pd.Series:
    """Return a number for each customer, by id as text; `text` holds the ids of arms, as they are and as text."""
    if isinstance(values, Events):
        assert window is not None
        return _counted(values, outcome or "conversion", *window).reindex(text[1], fill_value=0.0)
    column = _column(values, outcome, name)
    if not len(column):
        raise ValueError(f"{name} holds no customer. Pass a value for each, by id.")
    column = column.set_axis(_text_of(column.index, name, text))
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) in NUMBERS:
        column = column.where(column.notna(), np.nan).astype(float)
    if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
        raise ValueError(
            f"{name} holds {shown(column.dropna().iloc[0])}, and it should hold numbers, or True and False."
            if column.notna().any()
            else f"{name} holds no value at all. Pass a number for each customer, by id."
        )
    if not column.index.is_unique:
        example = column.index[column.index.duplicated()][0]
        raise ValueError(
            f"The customer {shown(example)} occurs more than once in {name}. Sum up first: one value for each customer."
        )
    column = pd.Series(column.to_numpy(dtype=float, na_value=np.nan), index=column.index)
    if np.isinf(column.to_numpy()).any():
        raise ValueError(f"{name} holds infinity. Replace it by a number, or by a missing value.")
    return column


def _column(values: pd.Series | pd.DataFrame, outcome: str | None, name: str) -> pd.Series:
    if isinstance(values, pd.Series):
        return values
    if not isinstance(values, pd.DataFrame):
        raise TypeError(
            f"{name} is {in_words(values)}. It should be a Series by customer, a DataFrame with a row for each, or "
            "Events."
        )
    table = values.set_index("customer_id") if "customer_id" in values else values
    if outcome is not None and outcome in table:
        return table[outcome]
    if table.shape[1] == 1 and (outcome is None or name == "before"):
        return table.iloc[:, 0]
    if outcome is None:
        raise ValueError(
            f"{name} is a DataFrame of {counted(table.shape[1], 'column')}. Say which one counts: outcome='spend'. The "
            f"columns are {listed(table.columns)}."
        )
    raise ValueError(f"{name} has no column {outcome!r}.{choose_from(outcome, map(str, table.columns))}")


def _counted(events: Events, outcome: str, first: pd.Timestamp, end: pd.Timestamp) -> pd.Series:
    """Return what customers with an event in the window did: 1, or what they spent."""
    t = events.table
    kind = "purchase" if outcome in PURCHASES else outcome
    kinds = list(events.kinds().index)
    if kind not in kinds:
        raise ValueError(f"The events hold no {kind!r}.{choose_from(outcome, [*PURCHASES, *kinds])}")
    inside = t.filter((t.kind == kind) & (t.timestamp >= first) & (t.timestamp < end))
    if outcome == "spend":
        if "amount" not in events.columns:
            raise ValueError("The events have no amounts, so spend is not known. Say outcome='conversion'.")
        done = inside.group_by("customer_id").agg(value=inside.amount.sum())
    else:
        done = inside.select("customer_id").distinct().mutate(value=1.0)
    found = run_with_progress(done, done.to_pandas, "Counting outcomes")
    return pd.Series(found["value"].to_numpy(dtype=float), index=pd.Index(found["customer_id"], dtype="str"))


def _text_of(ids: pd.Index, name: str, text: tuple[pd.Index, pd.Index]) -> pd.Index:
    """Return ids as text, at once where they are those of the arms: a million take half a second."""
    return text[1] if ids.equals(text[0]) else text_of(ids, name)


def _in_order(values: pd.Series, ids: pd.Index) -> tuple[np.ndarray, int]:
    """Return the values of these ids, missing where unknown, and how many are known."""
    if values.index.equals(ids):
        return values.to_numpy(), len(ids)
    place = values.index.get_indexer(ids)
    return np.where(place >= 0, values.to_numpy()[place], np.nan), int((place >= 0).sum())
