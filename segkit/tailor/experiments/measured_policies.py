"""Measure policies of whom to treat on customers that they were not learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from segkit.core.messages import counted
from segkit.tailor.experiments.wording import amount

FEWEST = 30  # customers of an arm, or outcomes other than 0, below which there is no interval
SEEN = 0.8  # chance at which a gain counts as one that we would have seen
ROUNDING = 1e-12  # of the largest score
POINTS = 41  # of a Qini curve
NOBODY = "nobody"
COLUMNS = [
    "policy",
    "value",
    "low",
    "high",
    "gain",
    "gain_low",
    "gain_high",
    "treated",
    "qini",
    "qini_se",
    "verdict",
]


@dataclass(frozen=True, eq=False)
class Measured:
    """The customers that policies are measured on.

    Attributes
    ----------
    net : ndarray of shape (n, n_arms)
        Doubly robust scores of each arm, less its cost.
    arm : ndarray of int, shape (n,)
    outcome : ndarray of float, shape (n,)
    best, best_arm : int
        The arm of the yardstick, and the best arm that treats, in the half that was learned from.
    """

    net: np.ndarray
    arm: np.ndarray
    outcome: np.ndarray
    best: int
    best_arm: int

    @property
    def shares(self) -> bool:
        """Whether outcomes are 0 or 1."""
        return bool(np.isin(self.outcome, (0, 1)).all())

    def value(self, chosen: np.ndarray, level: float) -> dict[str, Any]:
        """Return the value of the policy that gives each customer the chosen arm."""
        own = self.net[np.arange(len(chosen)), chosen]
        (value, error), *gains = (self._mean(v) for v in (own, *(own - column for column in self.net.T)))
        gain, gain_error = gains[self.best]
        scores = [g / e if e > 0 else np.inf for g, e in gains]
        changed = chosen != self.best
        told = changed & ((self.arm == chosen) | (self.arm == self.best)) & (self.outcome != 0)
        half, gain_half = (norm.ppf(0.5 + level / 2) * e if e > 0 else np.nan for e in (error, gain_error))
        if not changed.any():
            gain_half = 0.0
        elif told.sum() < FEWEST:
            gain_half = np.nan
        return {
            **{"value": value, "low": value - half, "high": value + half},
            **{"gain": gain, "gain_low": gain - gain_half, "gain_high": gain + gain_half},
            **{"treated": float((chosen > 0).mean()), "error": gain_error, "score": scores[self.best]},
            **{"rival": int(np.argmin(scores)), "least": min(scores)},
            **{"changed": int(changed.sum()), "told": int(told.sum())},
        }

    def _mean(self, values: np.ndarray) -> tuple[float, float]:
        """Return a mean and its standard error, 0 where there is only rounding."""
        mean, error = _mean(values)
        return mean, error if error > ROUNDING * np.abs(self.net).max() else 0.0

    def ranked(self, effect: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what each customer gains by the arm that suits her most, in groups ranked alike, the first ones first.

        Returns
        -------
        gains : ndarray of shape (n,)
            Beyond treating nobody.
        group, size : ndarray
            Rank of each customer's group, and the share of customers in each group.
        """
        rows, arm = np.arange(len(effect)), 1 + effect[:, 1:].argmax(axis=1)
        _, group, counts = np.unique(-effect[rows, arm], return_inverse=True, return_counts=True)
        return self.net[rows, arm] - self.net[:, 0], group, counts / len(rows)

    def qini(self, effect: np.ndarray) -> dict[str, float]:
        """Return the area between the Qini curve and the line of random treatment, with its standard error."""
        gains, group, size = self.ranked(effect)
        after = 1 - size.cumsum()[group] + size[group] / 2
        # a customer moves the area by what she gains, and by putting off all those who are ranked after her
        curve = np.bincount(group, gains).cumsum() / len(gains)
        at_random = self.net[:, self.best_arm] - self.net[:, 0]
        own = gains * after - at_random / 2
        shift = curve[group] - np.bincount(group, gains)[group] / len(gains) / 2
        return {"qini": float(own.mean()), "qini_se": _mean(own + shift)[1]}

    def curve(self, policy: str, effect: np.ndarray, level: float) -> list[dict[str, Any]]:
        """Return the points of a Qini curve: what treating the first ones gains, for each share of customers."""
        gains, group, size = self.ranked(effect)
        points, half = [], norm.ppf(0.5 + level / 2)
        at_random = _mean(self.net[:, self.best_arm] - self.net[:, 0])[0]
        for share in np.linspace(0, 1, POINTS):
            inside = np.clip((share - size.cumsum() + size) / size, 0, 1)[group]
            gain, error = _mean(gains * inside)
            ends = {"low": gain - half * error, "high": gain + half * error}
            points.append(
                {
                    "policy": policy,
                    "share": float(share),
                    "gain": gain,
                    **ends,
                    "at_random": share * at_random,
                }
            )
        return points


def _mean(values: np.ndarray) -> tuple[float, float]:
    """Return a mean and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def policies_table(
    measured: Measured, effects: Mapping[str, np.ndarray], names: list[str], level: float
) -> pd.DataFrame:
    """Return a row for each policy."""
    none = {"qini": np.nan, "qini_se": np.nan}
    n = len(measured.arm)
    rows = [
        {"policy": constant_policy(names, arm), **measured.value(np.full(n, arm), level), **none}
        for arm in range(len(names))
    ]
    rows += [
        {"policy": name, **measured.value(effect.argmax(axis=1), level), **measured.qini(effect)}
        for name, effect in effects.items()
    ]
    table = pd.DataFrame(rows)
    table["verdict"] = _verdicts(table, measured, names, level)
    return table[COLUMNS]


def _verdicts(table: pd.DataFrame, measured: Measured, names: list[str], level: float) -> list[str]:
    """Say which policies are better than the yardstick, and than all else that needs no features.

    As many policies are asked about at once, p-values are those of Holm.
    """
    yardstick = _in_words(names, measured.best)
    asked = ((table["error"] > 0) & table["gain_low"].notna()).to_numpy()
    # better: than all arms for everyone and nobody; worse: than the yardstick
    score = np.where(table["score"] > 0, table["least"].clip(lower=0), table["score"])[asked]
    p, m = 2 * norm.sf(np.abs(score)), len(table) - 1
    order = np.argsort(p)
    found = np.zeros(len(table), dtype=bool)
    adjusted = np.maximum.accumulate(p[order] * (m - np.arange(len(p)))) <= 1 - level
    found[np.flatnonzero(asked)[order]] = adjusted
    enough = norm.ppf(1 - (1 - level) / 2 / m) + norm.ppf(SEEN)
    verdicts = []
    for row, sure in zip(table.to_dict("records"), found, strict=True):
        if row["policy"] == constant_policy(names, measured.best):
            verdict = "the yardstick: the best that needs no features"
        elif not row["changed"]:
            verdict = f"the same as {yardstick}"
        elif not row["error"] > 0:
            verdict = "no interval: the outcomes of each arm are all alike"
        elif np.isnan(row["gain_low"]):
            verdict = f"too few: {counted(row['told'], 'outcome')} of customers treated otherwise"
        elif sure:
            verdict = f"{'better' if row['gain'] > 0 else 'worse'} than {yardstick}"
        elif row["gain_low"] > 0 and row["rival"] != measured.best:
            verdict = f"not shown to be better than {_in_words(names, row['rival'])}"
        else:
            alone = row["gain_low"] > 0 or row["gain_high"] < 0
            among = " among several policies (alone it would be one)" if alone else ""
            least = amount(enough * row["error"], measured.shares)
            verdict = f"no difference from {yardstick} found{among}; we would have seen {least} or more"
        verdicts.append(verdict)
    warning = _few_buyers(measured, names)
    return [warning + verdict for verdict in verdicts]


def _few_buyers(measured: Measured, names: list[str]) -> str:
    """Return a warning where an arm has few outcomes of 1, for which intervals are too narrow."""
    if not measured.shares:
        return ""
    buyers = np.bincount(measured.arm, measured.outcome, len(names)).astype(int)
    least = int(buyers.argmin())
    return f"few buyers ({buyers[least]} in {names[least]}): " if buyers[least] < FEWEST else ""


def constant_policy(names: list[str], arm: int) -> str:
    """Return the name of the policy of one arm for everyone."""
    return f"everyone: {names[arm]}" if arm else NOBODY


def _in_words(names: list[str], arm: int) -> str:
    return constant_policy(names, arm) if arm else f"treating {NOBODY}"
