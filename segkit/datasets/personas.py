"""Define the personas of a simulated shop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from segkit.core.messages import did_you_mean

CATEGORIES = (
    "bakery", "beauty", "books", "cleaning", "coffee", "dairy", "drinks", "frozen",
    "fruit", "garden", "kitchen", "meat", "pets", "snacks", "stationery", "toys",
)  # fmt: skip
"""Product categories of the shop."""


@dataclass(frozen=True)
class Persona:
    """Average behaviour of the customers of a segment, and how much they differ.

    Attributes
    ----------
    name : str
        Name of the segment, as in ``truth``.
    share : float
        Share of all customers, in (0, 1].
    joined : tuple of float
        Earliest and latest moment of joining, as fractions of the period: 0 its start, 1 its end.
    left : tuple of float
        Earliest and latest moment of the last order, likewise; 1 or more for customers who stay.
    orders_per_year : float
        Orders a year while active.
    regularity : float
        Shape of the gamma distribution of the gaps between orders: below 1 for bursts, 1 for random moments, 10
        and more for a regular rhythm.
    basket : float
        Lines per order, 1 or more.
    price : float
        Position in the price range of a category: 0 the cheapest product, 1 the most expensive.
    categories : mapping of str to float
        Weight of the categories preferred; those not named weigh 1.
    discount : float
        Share of the lines bought at a reduced price.
    returned : float
        Share of the lines returned.
    online : float
        Share of the orders placed on the web; the others in a store.
    visits_per_order : float
        Web visits for each order placed on the web, 1 or more: conversion is its inverse.
    hour : float
        Preferred hour of the day, in UTC.
    mobile : float
        Share of the web visits on a phone.
    opens, clicks, unsubscribes : float
        Share of the e-mails opened; of those opened, shares clicked and unsubscribed. Push, text messages and
        ads scale with these.
    rating : float
        Mean rating of purchases, 1 to 5, which the tone of chats and posts follows.
    posts_per_year : float
        Likes, shares, comments and mentions a year while active.
    spread : float
        How much customers of this segment differ: standard deviation of the logarithm of each positive trait,
        and of the logit of each share. 0.15 gives a tight group, 0.7 a broad one.

    Examples
    --------
    >>> from segkit.datasets import Persona
    >>> night_owls = Persona("Night owls", 0.3, orders_per_year=20, hour=22.5, spread=0.2)
    >>> night_owls.visits_per_order
    3.0
    """

    name: str
    share: float
    joined: tuple[float, float] = (0.0, 0.1)
    left: tuple[float, float] = (1.0, 1.0)
    orders_per_year: float = 12.0
    regularity: float = 2.0
    basket: float = 5.0
    price: float = 0.5
    categories: Mapping[str, float] = field(default_factory=dict)
    discount: float = 0.1
    returned: float = 0.03
    online: float = 0.6
    visits_per_order: float = 3.0
    hour: float = 17.0
    mobile: float = 0.5
    opens: float = 0.3
    clicks: float = 0.2
    unsubscribes: float = 0.01
    rating: float = 4.0
    posts_per_year: float = 3.0
    spread: float = 0.15

    def __post_init__(self) -> None:
        for names, low, high in _BOUNDS:
            for name in names.split():
                value = getattr(self, name)
                if not low <= value <= high:
                    raise ValueError(
                        f"Persona {self.name!r} has {name}={value!r}, which is outside {low:g} to "
                        f"{high:g}. Choose {name} in this range."
                    )
        if not 0 <= self.joined[0] <= self.joined[1] < 1:
            raise ValueError(
                f"Persona {self.name!r} has joined={self.joined!r}. It should be a pair (earliest, latest) of "
                "fractions of the period, from 0 to below 1. Write (0, 0.1) for its first tenth."
            )
        if not self.joined[0] <= self.left[0] <= self.left[1]:
            raise ValueError(
                f"Persona {self.name!r} has left={self.left!r} and joined={self.joined!r}. left should be a pair "
                "(earliest, latest) not before joining. Write (1, 1) for customers who stay."
            )
        for category in self.categories:
            if category not in CATEGORIES:
                raise ValueError(
                    f"Persona {self.name!r} prefers {category!r}, which the shop does not sell."
                    f"{did_you_mean(category, CATEGORIES)} Choose from {', '.join(CATEGORIES)}."
                )


_BOUNDS = (
    ("share discount returned online mobile opens clicks unsubscribes price", 0.0, 1.0),
    ("orders_per_year", 0.1, 1000.0),
    ("regularity", 0.05, 1000.0),
    ("basket visits_per_order", 1.0, 1000.0),
    ("hour", 0.0, 24.0),
    ("rating", 1.0, 5.0),
    ("posts_per_year", 0.0, 1000.0),
    ("spread", 0.0, 3.0),
)

PERSONAS = (
    Persona(
        "Weekly regulars", 0.25,
        joined=(0.0, 0.35), orders_per_year=52, regularity=10, basket=4, price=0.5,
        categories={"bakery": 5, "dairy": 5, "fruit": 5, "meat": 3}, discount=0.08, returned=0.01,
        online=0.4, visits_per_order=1.5, hour=17.5, mobile=0.7,
        opens=0.45, clicks=0.15, unsubscribes=0.002, rating=4.3, posts_per_year=2,
    ),
    Persona(
        "Monthly stockers", 0.2,
        joined=(0.0, 0.35), orders_per_year=13, regularity=12, basket=20, price=0.4,
        categories={"cleaning": 6, "frozen": 5, "drinks": 4, "pets": 3}, discount=0.15, returned=0.02,
        online=0.8, visits_per_order=2, hour=10, mobile=0.2,
        opens=0.3, clicks=0.2, unsubscribes=0.005, rating=4.0, posts_per_year=1,
    ),
    Persona(
        "Deal hunters", 0.2,
        joined=(0.0, 0.35), orders_per_year=18, regularity=0.9, basket=5, price=0.15,
        categories={"toys": 6, "kitchen": 5, "stationery": 4}, discount=0.75, returned=0.12,
        online=0.9, visits_per_order=7, hour=21, mobile=0.6,
        opens=0.65, clicks=0.5, unsubscribes=0.005, rating=3.3, posts_per_year=5,
    ),
    Persona(
        "Lapsed", 0.2,
        joined=(0.0, 0.1), left=(0.3, 0.45), orders_per_year=14, regularity=2, basket=5, price=0.6,
        categories={"garden": 6, "books": 5, "kitchen": 3}, discount=0.15, returned=0.06,
        online=0.6, visits_per_order=3, hour=14, mobile=0.4,
        opens=0.15, clicks=0.08, unsubscribes=0.05, rating=2.8, posts_per_year=1,
    ),
    Persona(
        "Newcomers", 0.15,
        joined=(0.85, 0.92), orders_per_year=40, regularity=3, basket=4, price=0.75,
        categories={"coffee": 6, "beauty": 5, "snacks": 4}, discount=0.3, returned=0.05,
        online=0.95, visits_per_order=5, hour=20, mobile=0.9,
        opens=0.55, clicks=0.35, unsubscribes=0.02, rating=4.4, posts_per_year=18,
    ),
)  # fmt: skip
"""The default shop: five segments that differ clearly in recency, frequency, amount and manner of buying."""


def one_population(spread: float = 0.7) -> tuple[Persona, ...]:
    """Return a shop without segments: one broad log-normal continuum of customers.

    A good structure test finds no distinct groups in it.

    Parameters
    ----------
    spread : float, default=0.7
        Standard deviation of the logarithm of each customer's rate, basket, and so on.

    Returns
    -------
    tuple of one Persona

    Examples
    --------
    >>> from segkit.datasets import make_events, one_population
    >>> _, truth = make_events(50, segments=one_population(), kinds="purchase")
    >>> truth.unique().tolist()
    ['Everyone']
    """
    return (Persona("Everyone", 1.0, joined=(0.0, 0.5), regularity=1.5, spread=spread),)


def blended(personas: Sequence[Persona], amount: float) -> tuple[Persona, ...]:
    """Move personas towards their common average, from separate segments to none.

    Parameters
    ----------
    personas : sequence of Persona
        The segments, such as ``PERSONAS``.
    amount : float
        At 0 they stay as they are; at 1 they differ only in name.

    Returns
    -------
    tuple of Persona
        With the same names, shares and spread.

    Raises
    ------
    ValueError
        If `amount` is not in [0, 1].

    Examples
    --------
    >>> from segkit.datasets import PERSONAS, blended
    >>> [round(p.orders_per_year, 1) for p in blended(PERSONAS, 0.5)]
    [40.0, 20.5, 23.0, 21.0, 34.0]
    """
    if not 0 <= amount <= 1:
        raise ValueError(f"amount={amount!r} is not a share. Choose 0 (as they are) to 1 (all the same).")
    shares = [p.share for p in personas]
    weighed = [replace(p, categories={c: p.categories.get(c, 1.0) for c in CATEGORIES}) for p in personas]
    kept = ("name", "share", "spread")
    traits = [f.name for f in fields(Persona) if f.name not in kept]
    blends = []
    for persona in weighed:
        moved = {
            trait: _towards(getattr(persona, trait), [getattr(p, trait) for p in weighed], shares, amount)
            for trait in traits
        }
        blends.append(replace(persona, **moved))
    return tuple(blends)


def _towards(own: Any, everyone: Sequence[Any], shares: Sequence[float], amount: float) -> Any:
    """Interpolate a number, a pair or a mapping between its own value and the weighted average."""
    if isinstance(own, Mapping):
        return {key: _towards(own[key], [v[key] for v in everyone], shares, amount) for key in own}
    if isinstance(own, tuple):
        return tuple(_towards(own[i], [v[i] for v in everyone], shares, amount) for i in range(len(own)))
    total = sum(shares)
    mean = sum(share * value for share, value in zip(shares, everyone, strict=True)) / total
    return (1 - amount) * own + amount * mean
