"""Choose the play that fits a segment, and say what it is about the segment that it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from segkit.analyse.words import MISSING
from segkit.core.checks import with_pandas_types
from segkit.create.segmentation import Segmentation
from segkit.explain.name_words import CATEGORIES, WORDS
from segkit.explain.names import suggest_names
from segkit.explain.profile import profiled
from segkit.explain.traits import key_of, of_data, of_them, readable, says_number
from segkit.tailor.plays.plays import Play, features_of

ERRORS = 3  # standard errors that a difference is above 0
OVERDUE = "overdue"
MOST, CLEARLY = 0.5, 1.25  # least share of a word, and how many times that of the others


@dataclass(frozen=True)
class Fit:
    """A play that fits a segment.

    Attributes
    ----------
    play : Play
    met : tuple of str
        The features that meet its conditions.
    clearness : float
        How far they lie from the middle of all customers, together: of each from 0 to 1, added up over the root of
        their number, as z-scores are combined.
    """

    play: Play
    met: tuple[str, ...]
    clearness: float


class Describer:
    """Know where the segments of a result lie among all customers, by the usual names of features."""

    def __init__(self, result: Segmentation):
        self.result = result
        self._inside = {s: (result.labels == s).to_numpy() for s in result.segments}
        # Of two columns of the same meaning, the one that is called as segkit calls it, else the first.
        names = sorted(map(str, result.customers.columns), key=lambda c: c != key_of(c))
        self._columns: dict[str, str] = {c: c for c in names}
        for name in names:
            if not (key := key_of(name)).endswith("_30d"):  # words of any number of days
                self._columns.setdefault(key, name)
        self._places: dict[tuple[int, str], tuple[float, float]] = {}
        self._customers = with_pandas_types(result.customers)
        self.compared = bool(result.segments) and result.labels.nunique() > 1

    def column(self, feature: str) -> str | None:
        """Return the column of a feature; None where there is none."""
        return self._columns.get(feature)

    def overdue(self, segment: int) -> float:
        """Return the median of `overdue`, worked out from recency, frequency and tenure where it is not known itself.

        Missing where it is known of less than half of the customers.
        """
        if (column := self.column(OVERDUE)) is not None:
            return self.median(segment, column)
        columns = [self.column(feature) for feature in ("recency", "frequency", "tenure")]
        if None in columns:
            return float("nan")
        recency, frequency, tenure = (self._numbers(str(c))[self._inside[segment]] for c in columns)
        with np.errstate(divide="ignore", invalid="ignore"):
            overdue = recency * (frequency - 1) / (tenure - recency)
        known = overdue[np.isfinite(overdue)]
        return float(np.median(known)) if len(known) and 2 * len(known) >= len(overdue) else float("nan")

    def median(self, segment: int, column: str) -> float:
        """Return the median of a segment; missing where it is known of less than half of its customers."""
        return self._place(segment, column)[0]

    def rank(self, segment: int, column: str) -> float:
        """Return where a segment's median lies among all customers, from 0 to 1; missing where chance could do it.

        Equal values count half, so that the median of a feature that all have alike lies at 0.5. Chance could do it
        where the sign test finds no clear difference from the median of all customers: the share of a segment's
        customers above that has a standard error of 0.5 / √n.
        """
        return self._place(segment, column)[1]

    def _place(self, segment: int, column: str) -> tuple[float, float]:
        """Return the median of a segment and its rank among all customers, computed once."""
        if (segment, column) not in self._places:
            values, inside = self._numbers(column), self._inside[segment]
            known, here = values[~np.isnan(values)], values[inside & ~np.isnan(values)]
            median = rank = float("nan")
            if len(here) and 2 * len(here) >= inside.sum():
                median = float(np.median(here))
                middle = float(np.median(known))  # where many have it, less than half lie above
                off = abs(_above(here, middle) - _above(known, middle))
                sure = self.compared and off > ERRORS * 0.5 / np.sqrt(len(here))
                rank = 1 - _above(known, median) if sure else rank
            self._places[segment, column] = (median, rank)
        return self._places[segment, column]

    def share(self, segment: int, column: str, word: str) -> tuple[float, float]:
        """Return the share of a segment, and of the others, that have a word."""
        has = (self._customers[column].astype("str") == word).to_numpy()
        inside = self._inside[segment]
        return float(has[inside].mean()), float(has[~inside].mean()) if (~inside).any() else float("nan")

    def by_chance(self, segment: int, here: float, there: float) -> float:
        """Return how far two shares can lie apart by chance: three standard errors."""
        inside = self._inside[segment]
        n, others = inside.sum(), (~inside).sum()
        share = (n * here + others * there) / (n + others)
        return float(ERRORS * np.sqrt(share * (1 - share) * (1 / n + 1 / others))) if others else float("inf")

    def is_number(self, column: str) -> bool:
        return pd.api.types.is_numeric_dtype(self._customers[column].dtype)

    def _numbers(self, column: str) -> np.ndarray:
        return self._customers[column].to_numpy(dtype=float, na_value=np.nan)

    def says(self, segment: int, column: str) -> str:
        """Return the clause of :func:`segkit.profile` about a number of a segment, with the others beside it."""
        table = profiled(self.result)
        rows = table[(table["segment_id"] == segment) & (table["column"] == column)]
        rows = rows[rows["level"].fillna("") != MISSING]
        for row in rows.itertuples():
            return says_number(row, WORDS.get(key_of(column)), float(row.others))
        return ""

    def differs(self, segment: int) -> tuple[bool, str]:
        """Return whether anything sets a segment clearly apart, and the sentence of :func:`segkit.suggest_names`.

        A name may rest on two standard errors. What people are treated by needs three: of ten features of a random
        slice, one passes two often enough.
        """
        told = suggest_names(self.result).loc[segment]
        sentence = str(told["sentence"])
        if not told["features"]:
            return False, sentence
        table = profiled(self.result)
        effect = table.loc[table["segment_id"] == segment, "effect"].abs().max()
        inside = self._inside[segment]
        if effect > ERRORS * np.sqrt(1 / inside.sum() + 1 / (~inside).sum()):
            return True, sentence
        return False, f"They are too few to be sure: {sentence[:1].lower()}{sentence[1:]}"


def _above(values: np.ndarray, level: float) -> float:
    """Return the share of values above a level; equal ones count half."""
    return float(((values > level).sum() + (values == level).sum() / 2) / len(values))


def fitting_play(described: Describer, segment: int, plays: Iterable[Play]) -> Fit | None:
    """Return the play that fits a segment best; None where none does."""
    fits = [fit for play in plays if (fit := _fit(described, segment, play)) is not None]
    return max(
        enumerate(fits),
        key=lambda at: (at[1].play.priority, round(at[1].clearness, 9), at[0]),
        default=(0, None),
    )[1]


def _fit(described: Describer, segment: int, play: Play) -> Fit | None:
    met, clear = [], []
    if not _within_other_limits(described, segment, play):
        return None
    for key, wanted in play.when.items():
        columns = {f: c for f in features_of(key) if (c := described.column(f)) is not None}
        found = [(c, _clearness(described, segment, f, c, wanted, play.limits)) for f, c in columns.items()]
        column, clearness = max(found, key=lambda pair: pair[1], default=("", 0.0))
        if clearness <= 0:
            return None
        met.append(column)
        clear.append(clearness)
    return Fit(play, tuple(met), float(np.sum(clear) / np.sqrt(len(clear))))


def _within_other_limits(described: Describer, segment: int, play: Play) -> bool:
    """Return whether the features that are no conditions of a play lie within its limits, as far as they are known."""
    conditions = {feature for key in play.when for feature in features_of(key)}
    for feature, (low, high) in play.limits.items():
        column = described.column(feature)
        if feature in conditions or (column is None and feature != OVERDUE):
            continue
        median = described.overdue(segment) if feature == OVERDUE else described.median(segment, str(column))
        if median < low or median > high:
            return False
    return True


def _clearness(
    described: Describer,
    segment: int,
    feature: str,
    column: str,
    wanted: float | str,
    limits: Mapping[str, tuple[float, float]],
) -> float:
    """Return how clearly a segment meets a condition, from 0 (not met) to 1."""
    if isinstance(wanted, str):
        here, there = described.share(segment, column, wanted)
        sure = here - there > described.by_chance(segment, here, there)
        return here - there if sure and here > MOST and here >= CLEARLY * there else 0.0
    if not described.is_number(column):
        return 0.0
    rank = described.rank(segment, column)
    low, high = limits.get(feature, (-np.inf, np.inf))
    if np.isnan(rank) or not low <= described.median(segment, column) <= high:
        return 0.0
    return 2 * abs(rank - 0.5) if (rank >= wanted if wanted >= 0.5 else rank <= wanted) else 0.0


def clauses(described: Describer, segment: int, fit: Fit) -> list[str]:
    """Say what a play rests on: for each of its conditions what the segment does, with the others beside it."""
    said = []
    for column, wanted in zip(fit.met, fit.play.when.values(), strict=True):
        if isinstance(wanted, str):
            here, there = described.share(segment, column, wanted)
            words = CATEGORIES[column][-1] if column in CATEGORIES else f"have {readable(column)} {{}}"
            said.append(of_them(here, there, words.format(of_data(wanted))))
        else:
            said.append(described.says(segment, column))
    return [clause for clause in said if clause]
