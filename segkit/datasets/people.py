"""Draw the customers of a simulated shop: their segments and their own traits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from segkit.datasets.personas import CATEGORIES, Persona

REGIONS = ("Capital", "Coast", "East", "North", "South", "West")

_POSITIVE = ("orders_per_year", "basket", "visits_per_order", "posts_per_year")
_SHARES = ("price", "discount", "returned", "online", "mobile", "opens", "clicks", "unsubscribes")
_TASTE = 0.8  # customers differ more in taste than in other traits
_SHIFTED = {"hour": 1.0, "rating": 0.3}


@dataclass(frozen=True)
class People:
    """Customers, one entry each in every array.

    Attributes
    ----------
    ids : list of str
    persona : ndarray of int
        Row of the customer's persona.
    joined, left : ndarray of int
        First day, and the day after the last possible order; days since the start.
    traits : dict of str to ndarray
        The customer's own value of each number of the persona.
    tastes : ndarray of shape (n_customers, n_categories)
        Cumulative probability of each category.
    region : ndarray of int
        Row in ``REGIONS``.
    """

    ids: list[str]
    persona: np.ndarray
    joined: np.ndarray
    left: np.ndarray
    traits: dict[str, np.ndarray]
    tastes: np.ndarray
    region: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def truth(self, personas: Sequence[Persona]) -> pd.Series:
        """Return the name of each customer's persona, by `customer_id`."""
        index = pd.Index(self.ids, name="customer_id", dtype="str")
        return pd.Series([personas[i].name for i in self.persona], index=index, name="segment", dtype="str")

    def choose_category(self, customer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw a category for each entry of `customer`, by the customer's taste."""
        n_customers, n = self.tastes.shape
        ladder = (self.tastes + np.arange(n_customers)[:, None]).ravel()
        category = np.searchsorted(ladder, customer + rng.random(len(customer))) - customer * n
        return category.clip(0, n - 1)

    def moments(self, customer: np.ndarray, day: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw a time on each day around the customer's preferred hour, in seconds since the start.

        Never in the first hour, so that the visit before an order is on the same day.
        """
        hour = rng.normal(self.traits["hour"][customer], 2.0).clip(1.0, 23.9)
        return np.floor(day * 86_400 + hour * 3600)


def make_people(n: int, personas: Sequence[Persona], n_days: int, rng: np.random.Generator) -> People:
    """Draw customers in random order, as many of each persona as its share.

    Parameters
    ----------
    n : int
        Number of customers.
    personas : sequence of Persona
        Their shares sum to 1.
    n_days : int
        Length of the period.
    rng : Generator

    Returns
    -------
    People
    """
    which = rng.permutation(np.repeat(np.arange(len(personas)), _sizes(n, [p.share for p in personas])))
    spread = _of(personas, "spread")[which]
    traits = {"regularity": _of(personas, "regularity")[which]}
    for name in _POSITIVE:
        traits[name] = _of(personas, name)[which] * np.exp(spread * rng.standard_normal(n))
    for name in _SHARES:
        share = _of(personas, name)[which]
        with np.errstate(divide="ignore"):
            odds = np.log(share) - np.log1p(-share) + spread * rng.standard_normal(n)
        traits[name] = 1 / (1 + np.exp(-odds))
    for name, size in _SHIFTED.items():
        traits[name] = _of(personas, name)[which] + size * spread * rng.standard_normal(n)
    early, late = _of(personas, "joined")[which].T
    joined = np.floor((early + (late - early) * rng.random(n)) * n_days).astype(np.int64)
    early, late = _of(personas, "left")[which].T
    left = np.ceil((early + (late - early) * rng.random(n)) * n_days).clip(max=n_days).astype(np.int64)
    weights = np.array([[p.categories.get(c, 1.0) for c in CATEGORIES] for p in personas])[which]
    weights = weights * np.exp(_TASTE * rng.standard_normal(weights.shape))
    tastes = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    width = max(4, len(str(n)))
    ids = [f"C{i:0{width}d}" for i in range(1, n + 1)]
    region = rng.choice(len(REGIONS), size=n, p=(0.3, 0.1, 0.15, 0.2, 0.15, 0.1))
    return People(ids, which, joined, np.maximum(left, joined + 1), traits, tastes, region)


def _of(personas: Sequence[Persona], name: str) -> np.ndarray:
    return np.array([getattr(p, name) for p in personas], dtype=float)


def _sizes(n: int, shares: Sequence[float]) -> np.ndarray:
    """Split n in proportion to shares, by largest remainder, so that the sizes sum to n."""
    exact = np.array(shares) / np.sum(shares) * n
    sizes = np.floor(exact + 1e-9).astype(np.int64)
    short = np.argsort(sizes - exact, kind="stable")[: n - sizes.sum()]
    sizes[short] += 1
    return sizes
