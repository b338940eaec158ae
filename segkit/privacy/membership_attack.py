"""Attack what is shown of a group: tell whether a person, whose features are known, is one of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.stats

QUANTILES = {"low": 0.25, "median": 0.5, "high": 0.75}
MEAN, SHARE = "mean", "share"
LARGEST = 300  # customers of a group that is drawn; what larger ones give away follows from it
DRAWS = (500, 3000)  # groups that are drawn, the least and the most
WORK = 10_000_000  # numbers drawn for each segment
Release = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def attack(
    population: np.ndarray, size: int, shown: tuple[str, ...] | Release, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the area under the curve of the best of some attacks, and its standard error.

    Groups are drawn from the population, with a person and with another one in her place. The attacker knows the
    population and the person, and compares how likely what is shown is with and without her, feature by feature.

    Parameters
    ----------
    population : ndarray of shape (n, d)
    size : int
        Customers of the group.
    shown : tuple of str, or function
        Of "mean", "low", "median", "high", of features with more than two values; of those with two, such as words, the
        share is shown. Or a function of a group and a generator that returns d numbers.
    rng : numpy Generator

    Returns
    -------
    (float, float)
    """
    varied = population[:, np.ptp(population, axis=0) > 0]
    if not varied.shape[1] or (not callable(shown) and not shown):
        return 0.5, 0.0
    if not callable(shown):
        shown = (*shown, SHARE)
    # A person moves a statistic, in its spreads, by one over the root of the size.
    less = np.sqrt(min(1.0, LARGEST / size))
    size = min(size, LARGEST)
    draws = int(np.clip(WORK // (size * varied.shape[1]), *DRAWS))
    people = varied[rng.integers(len(varied), size=draws)]
    scores = _scores(varied, people, size, shown, rng)
    # The evidence of all that is shown together, and of each alone.
    attacks = [*scores, np.sum(scores, axis=0)]
    area, error = max((_area(inside, outside) for outside, inside in attacks), key=lambda found: found[0])
    return float(scipy.stats.norm.cdf(less * scipy.stats.norm.ppf(area))), float(less * error)


def _scores(
    population: np.ndarray,
    people: np.ndarray,
    size: int,
    shown: tuple[str, ...] | Release,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Return the evidence for each person, of each statistic: without her in the group, and with her."""
    draws, d = people.shape
    releases: dict[str, np.ndarray] = {}
    step = max(1, WORK // (10 * size * d))
    for start in range(0, draws, step):
        some = people[start : start + step]
        groups = population[rng.integers(len(population), size=(len(some), size))]
        for world in (0, 1):
            if world:
                groups[:, 0] = some
            for name, values in _shown(groups, shown, rng).items():
                kept = releases.setdefault(name, np.empty((2, draws, d)))
                kept[world, start : start + step] = values
    return [
        _evidence(values, shift, 1.0 if callable(shown) else 1 - 1 / size)
        for name, values in releases.items()
        for shift in _shifts(name, population, people, size, values[0].std(axis=0))
    ]


def _shown(
    groups: np.ndarray, shown: tuple[str, ...] | Release, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return what is shown of each group, by the name of the statistic; the shape of each is (n_groups, d)."""
    if callable(shown):
        return {"release": np.array([_checked(shown(group, rng), groups.shape[2]) for group in groups])}
    means = groups.mean(axis=1)
    found = {name: means for name in (MEAN, SHARE) if name in shown}
    quantiles = [name for name in QUANTILES if name in shown]
    if quantiles:
        levels = [QUANTILES[name] for name in quantiles]
        found |= dict(
            zip(quantiles, np.quantile(groups, levels, axis=1, method="averaged_inverted_cdf"), strict=True)
        )
    return found


def _checked(release: np.ndarray, features: int) -> np.ndarray:
    numbers = np.asarray(release, dtype=float)
    if numbers.shape != (features,) or not np.isfinite(numbers).all():
        raise ValueError(
            f"shows returned numbers of shape {numbers.shape}, or some that are missing or infinite. It should return "
            f"{features:,} finite numbers, one of each feature that varies."
        )
    return numbers


def _shifts(
    name: str, population: np.ndarray, people: np.ndarray, size: int, spread: np.ndarray
) -> list[np.ndarray]:
    """Return how far a person moves a statistic, in units of its spread over groups; 0 where it is not shown."""
    spreads = population.std(axis=0)
    distances = (people - population.mean(axis=0)) / spreads
    q = QUANTILES.get(name, 0.5)
    sides = (q - (people <= np.quantile(population, q, axis=0))) / np.sqrt(q * (1 - q))
    two_valued = ((population == population.min(axis=0)) | (population == population.max(axis=0))).all(axis=0)
    if name in (MEAN, SHARE):
        return [np.where(two_valued == (name == SHARE), distances, 0.0) / np.sqrt(size)]
    if name in QUANTILES:
        return [np.where(two_valued, 0.0, sides) / np.sqrt(size)]
    by_noise = spreads / size / np.where(spread > 0, spread, np.inf)
    return [distances * by_noise, sides * by_noise]


def _evidence(releases: np.ndarray, shift: np.ndarray, left: float) -> np.ndarray:
    """Return the log-likelihood ratio of the person being in the group, for normal statistics that are independent.

    Of the variance of a statistic, `left` is left once the person is known to be in the group.
    """
    outside = releases[0]
    spread = outside.std(axis=0)
    moved = (releases - outside.mean(axis=0)) / np.where(spread > 0, spread, np.inf)
    evidence = (moved**2 - (moved - shift) ** 2 / max(left, 1e-6)) / 2
    return np.where(shift == 0, 0.0, evidence).sum(axis=2)


def _area(inside: np.ndarray, outside: np.ndarray) -> tuple[float, float]:
    """Return the area under the curve, and its standard error by Hanley & McNeil (1982), Radiology 143."""
    n = len(inside)
    ranks = scipy.stats.rankdata(np.r_[inside, outside])[:n].sum()
    area = (ranks - n * (n + 1) / 2) / n**2
    one, other = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (n - 1) * (one + other - 2 * area**2)) / n**2
    return float(area), float(np.sqrt(max(variance, 0.0)))
