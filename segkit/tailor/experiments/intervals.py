"""Intervals and p-values of differences between two arms, for shares and means, also for results looked at often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import lambertw
from scipy.stats import norm, t

FURTHEST = 40.0  # standard errors; the p-value of more is 0
HALVINGS = 60
FEW_RESPONSES = 100  # of an arm, below which the variance of skewed amounts is mostly seen too small


@dataclass(frozen=True)
class Arm:
    """Moments of an outcome in one arm, an array for each with an entry for each segment.

    Attributes
    ----------
    n : array of shape (n_segments,)
        Customers whose outcome is known.
    mean, variance : array of shape (n_segments,)
        Of the outcome.
    before, before_variance, covariance : array of shape (n_segments,)
        Mean and variance of what was before, and its covariance with the outcome; zeros where nothing is known.
    responses : array of shape (n_segments,)
        Customers whose outcome is not 0.
    """

    n: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    before: np.ndarray
    before_variance: np.ndarray
    covariance: np.ndarray
    responses: np.ndarray


class Difference:
    """Treated minus held out, by segment.

    Parameters
    ----------
    treated, held_out : Arm
    shares : bool
        Whether outcomes are 0 or 1: then Newcombe's interval [1]_, else Welch's.

    Attributes
    ----------
    estimate : ndarray
        The difference, adjusted for what was before (CUPED [2]_). The slope minimises the variance of the difference.
    saved : ndarray
        Share of the variance that the adjustment saves.

    References
    ----------
    .. [1] Newcombe (1998), Interval estimation for the difference between independent proportions, method 10,
       Statistics in Medicine 17.
    .. [2] Deng, Xu, Kohavi & Walker (2013), Improving the sensitivity of online controlled experiments by utilizing
       pre-experiment data, WSDM.
    """

    def __init__(self, treated: Arm, held_out: Arm, *, shares: bool):
        self.treated, self.held_out, self.shares = treated, held_out, shares
        self.enough = np.minimum(treated.n, held_out.n) >= 2
        if not shares:  # the variance of an arm in which all are equal says nothing about others
            self.enough = self.enough & (np.minimum(treated.variance, held_out.variance) > 0)
        arms = ((treated, held_out), (held_out, treated))
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = [_variance(arm, than, shares) / arm.n for arm, than in arms]
            shared = sum(arm.covariance / arm.n for arm in (treated, held_out))
            of_before = sum(arm.before_variance / arm.n for arm in (treated, held_out))
            slope = np.where(of_before > 0, shared / of_before, 0.0)
            total = spread[0] + spread[1]
            degrees = total**2 / sum(
                v**2 / (arm.n - 1) for v, arm in zip(spread, (treated, held_out), strict=True)
            )
            degrees = np.where(np.isfinite(degrees), degrees, 1.0)
            explained = np.where(total > 0, slope * shared / total, 0.0)
            # The slope costs a degree of freedom, or what is before would seem to save something by chance.
            left = np.minimum((1 - explained) * degrees / np.maximum(degrees - 1, 1), 1.0)
        self.saved, self._degrees = np.where(slope == 0, 0.0, 1 - left), degrees
        self._error = np.sqrt(total * (1 - self.saved))
        self.estimate = treated.mean - held_out.mean - slope * (treated.before - held_out.before)

    def interval(self, z: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Return lower and upper ends, `z` standard errors away where the difference is normal."""
        if self.shares:
            low, high = newcombe(self.treated.mean, self.treated.n, self.held_out.mean, self.held_out.n, z)
            raw, narrower = self.treated.mean - self.held_out.mean, np.sqrt(1 - self.saved)
            low, high = (self.estimate + narrower * (end - raw) for end in (low, high))
        else:
            half = self._error * t.isf(norm.sf(z), self._degrees)
            low, high = self.estimate - half, self.estimate + half
        return np.where(self.enough, low, np.nan), np.where(self.enough, high, np.nan)

    @property
    def error(self) -> np.ndarray:
        """The standard error; of shares, that of Newcombe's interval, which is never 0."""
        if not self.shares:
            return np.where(self.enough, self._error, np.nan)
        low, high = self.interval(1.0)
        return (high - low) / 2

    @property
    def z(self) -> np.ndarray:
        """How many standard errors the interval may be wide before it reaches 0: the evidence for a difference."""
        if not self.shares:
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.abs(self.estimate) / self._error
            return np.where(self.enough, np.minimum(norm.isf(t.sf(ratio, self._degrees)), FURTHEST), np.nan)
        near, far = np.zeros(len(self.estimate)), np.full(len(self.estimate), FURTHEST)
        for _ in range(HALVINGS):
            middle = (near + far) / 2
            low, high = self.interval(middle)
            apart = np.where(self.estimate > 0, low > 0, high < 0)
            near, far = np.where(apart, middle, near), np.where(apart, far, middle)
        return np.where(self.enough, near, np.nan)


def _variance(arm: Arm, other: Arm, shares: bool) -> np.ndarray:
    """Return the variance of an arm: of few responses, no less than that of another of more than twice its size.

    Few amounts mostly miss the largest ones, so that their mean and its error are too small together, and a lift is
    seen where there is none. Between arms of about one size this evens out.
    """
    few = (arm.responses < FEW_RESPONSES) & (2 * arm.n < other.n)
    return np.where(few & (not shares), np.fmax(arm.variance, other.variance), arm.variance)


def newcombe(
    share: np.ndarray, n: np.ndarray, other: np.ndarray, m: np.ndarray, z: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Return Newcombe's interval of ``share - other``, from Wilson's intervals of each.

    Examples
    --------
    >>> low, high = newcombe(56 / 70, 70, 48 / 80, 80, 1.959964)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0524, 0.3339)
    """
    (low, high), (other_low, other_high) = _wilson(share, n, z), _wilson(other, m, z)
    difference = share - other
    return (
        difference - np.sqrt((share - low) ** 2 + (other_high - other) ** 2),
        difference + np.sqrt((high - share) ** 2 + (other - other_low) ** 2),
    )


def _wilson(share: np.ndarray, n: np.ndarray, z: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(divide="ignore", invalid="ignore"):
        square = z**2 / n
        middle = (share + square / 2) / (1 + square)
        half = np.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    return np.minimum(middle - half, share), np.maximum(middle + half, share)


class FixedLook:
    """The usual limits, for results that are looked at once."""

    def z(self, alpha: np.ndarray | float) -> np.ndarray:
        """Return how many standard errors an interval that misses with chance `alpha` is wide, to each side."""
        return norm.isf(np.asarray(alpha) / 2)

    def p(self, z: np.ndarray) -> np.ndarray:
        """Return the two-sided p-value of a difference `z` standard errors away from 0."""
        return 2 * norm.sf(z)


class ManyLooks:
    """Always-valid limits: they hold at all looks together, however often results are looked at.

    Robbins' normal mixture [1]_, as an asymptotic confidence sequence [2]_. It is narrowest when all outcomes are in.

    Parameters
    ----------
    known : array of shape (n_segments,)
        Share of the information that is in, in (0, 1].
    alpha : float
        The chance of a miss for which it is narrowest.

    References
    ----------
    .. [1] Robbins (1970), Statistical methods related to the law of the iterated logarithm, Annals of Mathematical
       Statistics 41.
    .. [2] Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Time-uniform central limit theory and asymptotic
       confidence sequences, Annals of Statistics 52.
    """

    def __init__(self, known: np.ndarray | float, alpha: float):
        best = -float(np.real(lambertw(-(alpha**2) / np.e, -1))) - 1
        self._time = np.maximum(best * np.asarray(known, dtype=float), 1e-9)

    def z(self, alpha: np.ndarray | float) -> np.ndarray:
        """Return how many standard errors the interval is wide, to each side."""
        return np.sqrt((1 + 1 / self._time) * (np.log1p(self._time) - 2 * np.log(alpha)))

    def p(self, z: np.ndarray) -> np.ndarray:
        """Return the always-valid p-value: the least `alpha` at which the interval excludes 0."""
        exponent = z**2 * self._time / (1 + self._time) - np.log1p(self._time)
        return np.minimum(1.0, np.exp(-exponent / 2))


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Return the false discovery rate at which each p-value is called, missing where p is.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, np.nan, 0.03])).round(3).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(-p[known], kind="stable")]
    ranks = np.arange(len(order), 0, -1)
    q = np.full(len(p), np.nan)
    q[order] = np.minimum.accumulate(np.minimum(p[order] * len(order) / ranks, 1))
    return q
