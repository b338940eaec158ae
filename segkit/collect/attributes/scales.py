"""Compute survey scales: several questions as one number, and their consistency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from segkit.core.messages import did_you_mean
from segkit.core.schema import BASES

LOOSE, FIRM, SAME = 0.5, 0.7, 0.95
"""Limits of alpha at which its description changes; 0.7 is Nunnally's for basic research."""


@dataclass(frozen=True)
class Scale:
    """Several survey questions (items) about one thing, whose mean becomes one number.

    Attributes
    ----------
    items : tuple of str
        Columns of the source, two or more.
    reversed : tuple of str
        Items that are worded the other way round: the answer 1 of 5 counts as 5.
    low, high : float, default=1, 5
        Lowest and highest possible answer. Others are set aside, and counted. Yes/no questions have
        ``low=0, high=1``.
    answers : tuple of str
        The possible answers from the lowest to the highest, if the source has words; they count as 1, 2, 3
        and so on. They replace `low` and `high`.
    answered : float, default=0.5
        Least share of the items that a customer must have answered to get a value.
    basis : str, default="psychographic"
        Its basis of segmentation.

    Examples
    --------
    >>> from segkit import Scale
    >>> Scale(["careful", "compares", "splurges"], reversed=["splurges"]).high
    5.0
    """

    items: tuple[str, ...]
    reversed: tuple[str, ...] = ()
    low: float = 1.0
    high: float = 5.0
    answers: tuple[str, ...] = ()
    answered: float = 0.5
    basis: str = "psychographic"

    def __post_init__(self) -> None:
        for name in ("items", "reversed", "answers"):
            value = getattr(self, name)
            listed = isinstance(value, Iterable) and not isinstance(value, (str, Mapping))
            words = tuple(value) if listed else (None,)
            if not all(isinstance(word, str) for word in words):
                raise TypeError(f"{name}={value!r} should be a list of words, such as ['q1', 'q2'].")
            object.__setattr__(self, name, words)
        for name in ("low", "high", "answered"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real):
                raise TypeError(
                    f"{name}={value!r} should be a number, such as {self.__dataclass_fields__[name].default:g}."
                )
        if self.answers:
            object.__setattr__(self, "low", 1.0)
            object.__setattr__(self, "high", float(len(self.answers)))
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        self._check()

    def _check(self) -> None:
        if len(self.items) < 2 or len(set(self.items)) < len(self.items):
            raise ValueError(
                f"items={list(self.items)!r} are not two or more different columns. A scale is their mean. Name a "
                "single question under its basis: psychographic=['q1']."
            )
        for item in self.reversed:
            if item not in self.items:
                raise ValueError(
                    f"reversed names {item!r}, which is not an item of the scale.{did_you_mean(item, self.items)} "
                    f"Its items are {', '.join(self.items)}."
                )
        if not self.low < self.high or not np.isfinite([self.low, self.high]).all():
            raise ValueError(
                f"low={self.low:g} and high={self.high:g} leave no answers between them. Give the lowest and "
                "the highest answer, such as low=1, high=5."
            )
        if len(set(self.answers)) < len(self.answers) or len(self.answers) == 1:
            raise ValueError(
                f"answers={list(self.answers)!r} should be two or more different words, the lowest first."
            )
        if not 0 < self.answered <= 1:
            raise ValueError(
                f"answered={self.answered!r} is not a share of the items. Use 0.5 for half of them."
            )
        if self.basis not in BASES:
            raise ValueError(
                f"basis={self.basis!r} is not a basis.{did_you_mean(str(self.basis), BASES)} Choose one of "
                f"{', '.join(BASES)}."
            )


def as_scale(name: str, scale: Any) -> Scale:
    """Return a scale from a Scale, a dict, or a list of items."""
    if isinstance(scale, Scale):
        return scale
    if isinstance(scale, Mapping):
        unknown = [key for key in scale if key not in Scale.__dataclass_fields__]
        if unknown or "items" not in scale:
            wrong = (
                f"has an unknown key {unknown[0]!r}.{did_you_mean(str(unknown[0]), Scale.__dataclass_fields__)}"
                if unknown
                else "has no items."
            )
            raise ValueError(
                f"The scale {name!r} {wrong} Write it as Scale(items=['q1', 'q2'], reversed=['q2'], low=1, high=5)."
            )
        return Scale(**scale)
    if isinstance(scale, Sequence) and not isinstance(scale, str):
        return Scale(tuple(scale))
    raise TypeError(
        f"The scale {name!r} is {scale!r}. Write it as Scale(items=['q1', 'q2'], reversed=['q2'], low=1, high=5)."
    )


def recode_reversed(answers: pd.DataFrame, scale: Scale) -> pd.DataFrame:
    """Return the answers with reversed items recoded, so that a high answer always means the same."""
    answers = answers.copy()
    for item in scale.reversed:
        answers[item] = scale.low + scale.high - answers[item]
    return answers


def scores(answers: pd.DataFrame, scale: Scale) -> pd.Series:
    """Return the mean answer of each customer, missing if too few items are answered."""
    enough = answers.notna().mean(axis=1) >= scale.answered - 1e-9
    return answers.mean(axis=1).where(enough).astype("float64")


def cronbach_alpha(answers: pd.DataFrame) -> float:
    """Return Cronbach's alpha of recoded items; for yes/no items it is KR-20.

    Parameters
    ----------
    answers : DataFrame of shape (n_customers, n_items)
        Without missing answers.

    Returns
    -------
    float
        Missing if all customers answer alike, or there are fewer than two customers or items.
    """
    n, k = answers.shape
    if n < 2 or k < 2:
        return np.nan
    total = answers.sum(axis=1).var(ddof=1)
    if total <= 1e-12 * max(1.0, float(answers.abs().to_numpy().max()) ** 2):
        return np.nan
    return float(k / (k - 1) * (1 - answers.var(ddof=1).sum() / total))


def alpha_interval(alpha: float, n: int, k: int, level: float = 0.95) -> tuple[float, float]:
    """Return Feldt's confidence interval of an alpha from n complete answers to k items."""
    if np.isnan(alpha):
        return np.nan, np.nan
    tail = (1 - level) / 2
    high, low = 1 - (1 - alpha) * stats.f.ppf([tail, 1 - tail], n - 1, (n - 1) * (k - 1))
    return float(low), float(high)


def item_statistics(answers: pd.DataFrame, scale: Scale) -> pd.DataFrame:
    """Describe each item of a scale.

    Parameters
    ----------
    answers : DataFrame of shape (n_customers, n_items)
        With reversed items recoded.

    Returns
    -------
    DataFrame of shape (n_items, 5)
        Indexed by `item`: whether it is `reversed`, number of customers who `answered`, their `mean`,
        correlation `with_rest` (the sum of the other items), and `alpha_without` it. The last two use
        complete answers only.
    """
    whole = answers.dropna()
    rest = {item: whole.drop(columns=item) for item in answers}
    return pd.DataFrame(
        {
            "reversed": [item in scale.reversed for item in answers],
            "answered": answers.notna().sum().to_numpy(),
            "mean": answers.mean().to_numpy(dtype=float),
            "with_rest": [_correlation(whole[item], rest[item].sum(axis=1)) for item in answers],
            "alpha_without": [cronbach_alpha(rest[item]) for item in answers],
        },
        index=pd.Index(list(answers), name="item", dtype="str"),
    )


def _correlation(one: pd.Series, other: pd.Series) -> float:
    if len(one) < 2 or one.std() < 1e-12 or other.std() < 1e-12:
        return np.nan
    return float(np.corrcoef(one, other)[0, 1])


def summary(answers: pd.DataFrame, items: pd.DataFrame) -> dict[str, Any]:
    """Return one row of ``Attributes.scales``."""
    whole = answers.dropna()
    alpha = cronbach_alpha(whole)
    low, high = alpha_interval(alpha, *whole.shape)
    return {
        "items": answers.shape[1],
        "n": len(whole),
        "alpha": alpha,
        "low": low,
        "high": high,
        "says": in_words(alpha, len(whole), items),
    }


def in_words(alpha: float, n: int, items: pd.DataFrame) -> str:
    """Describe an alpha, and name the item that lowers it most."""
    against = _points_against(items["with_rest"])
    if n < 2:
        return "nobody answered every item" if n == 0 else "one person answered every item"
    if np.isnan(alpha) and against is None:
        return "all answer alike"
    # An alpha is missing too where answers differ but cancel out in the sum.
    if np.isnan(alpha) or alpha < LOOSE:
        words = "do not treat these as one scale"
    elif alpha < FIRM:
        words = "these items move together loosely"
    else:
        words = "these items move together" if alpha < SAME else "these items ask nearly the same"
    if against is not None:
        return f"{words}; {against} points against the others: is it reversed?"
    if items["alpha_without"].max() > max(alpha + 0.02, 0.0):
        worst = items["alpha_without"].idxmax()
        return f"{words}; without {worst} it is {items['alpha_without'].max():.2f}"
    return words


def _points_against(with_rest: pd.Series) -> str | None:
    """Return the item with the most negative correlation with the others, the later of two equal ones."""
    if not (with_rest < 0).any():
        return None
    return str(with_rest.round(9)[::-1].idxmin())
