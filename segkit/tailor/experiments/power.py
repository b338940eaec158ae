"""Compute the power of an experiment: the chance to find a lift, and the customers that it takes."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from segkit.tailor.experiments.intervals import newcombe

HALVINGS = 60


class Chance:
    """The chance to find a lift, by segment.

    Parameters
    ----------
    base, spread : array of shape (n_segments,)
        Mean and variance of the outcomes of untreated customers.
    shares : bool
        Whether outcomes are shares.
    z : float or array of shape (n_segments,)
        How many standard errors an interval is wide, to each side.
    """

    def __init__(self, base: np.ndarray, spread: np.ndarray, *, shares: bool, z: np.ndarray | float):
        self.base, self.spread = base, spread
        self.shares, self.z = shares, z

    def of(self, lift: np.ndarray, treated: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        """Return the chance to find a lift; missing where it leads beyond 0 or 1."""
        share = self.base + lift
        spread = share * (1 - share) if self.shares else self.spread
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.sqrt(np.maximum(spread, 0) / treated + self.spread / held_out)
            if self.shares:
                # As far from the lift as its interval, which holds the true one as often as not, ends.
                low, high = newcombe(share, treated, self.base, held_out, self.z)
                reach = np.where(lift > 0, lift - low, high - lift)
            else:
                reach = self.z * error
            found = norm.cdf((np.abs(lift) - reach) / error)
        return np.where(self.possible(lift) & (treated > 1) & (held_out > 1), found, np.nan)

    def possible(self, lift: np.ndarray) -> np.ndarray:
        """Return whether a lift leads to a share between 0 and 1."""
        return (self.base + lift >= 0) & (self.base + lift <= 1) | np.full(len(self.base), not self.shares)

    def smallest_lift(self, power: float, treated: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        """Return the smallest lift that is found with this chance; missing where there is none."""
        if not self.shares:
            with np.errstate(divide="ignore"):
                error = np.sqrt(self.spread / treated + self.spread / held_out)
            return np.where(np.minimum(treated, held_out) > 1, (self.z + norm.ppf(power)) * error, np.nan)
        low, high = np.zeros(len(self.base)), 1 - self.base
        there_is = self.of(high, treated, held_out) >= power
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            enough = self.of(middle, treated, held_out) >= power
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return np.where(there_is, high, np.nan)

    def customers(self, lift: np.ndarray, power: float, holdout: float) -> list[int | None]:
        """Return the customers that are needed to find a lift with this chance, those held out included."""
        low, high = (
            np.full(len(self.base), np.log(2 / min(holdout, 1 - holdout))),
            np.full(len(self.base), 60.0),
        )
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            enough = self.of(lift, np.exp(middle) * (1 - holdout), np.exp(middle) * holdout) >= power
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        possible = self.possible(lift)
        return [int(n) if ok else None for n, ok in zip(np.ceil(np.exp(high)), possible, strict=True)]
