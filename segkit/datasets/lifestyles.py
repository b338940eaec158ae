"""Simulate attributes of customers: age, income, household, place, and answers to a survey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from segkit.collect.attributes.scales import Scale
from segkit.core.messages import did_you_mean
from segkit.datasets.people import REGIONS, People, make_people
from segkit.datasets.personas import PERSONAS

AGE_BANDS = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
INCOME_BANDS = ("under 20k", "20k-40k", "40k-60k", "60k-100k", "over 100k")
HOUSEHOLDS = ("single", "couple", "family", "shared")
POSTCODES = {
    "01": "Capital", "02": "Capital", "11": "Coast", "23": "East", "34": "North", "35": "North", "46": "South",
    "57": "West",
}  # fmt: skip
"""Region of each postcode by its first two digits: ``Region("postcode", POSTCODES, match="prefix")``."""
COUNTRIES = {
    "Capital": "Avalon", "Coast": "Avalon", "South": "Avalon",
    "East": "Borealia", "North": "Borealia", "West": "Borealia",
}  # fmt: skip
BATTERY = {
    "price_conscious": Scale(("price_1", "price_2", "price_3", "price_4"), reversed=("price_4",)),
    "novelty_seeking": Scale(("novelty_1", "novelty_2", "novelty_3", "novelty_4"), reversed=("novelty_3",)),
    "green_minded": Scale(("green_1", "green_2", "green_3", "green_4"), reversed=("green_2",)),
}
"""Scales of the survey for ``read_attributes(…, scales=BATTERY)``, each of four items, one of them reversed."""

_OWN_STREAM = 1000  # random stream; those of the events have low numbers
_WITHIN, _NOISE, _STEP = 0.6, 0.85, 0.9  # spread of people and of answers; answers per unit of attitude


@dataclass(frozen=True)
class Lifestyle:
    """Average attributes of the customers with one lifestyle.

    Attributes
    ----------
    name : str
    attitudes : mapping of str to float
        Mean of each scale of ``BATTERY``, as distance from the middle answer; 0 by default.
    age : float
        Mean age in years, with a standard deviation of 10.
    income : float
        Mean position in ``INCOME_BANDS``: 0 the lowest, 4 the highest.
    households : tuple of float
        Weights of ``HOUSEHOLDS``.
    """

    name: str
    attitudes: Mapping[str, float] = field(default_factory=dict)
    age: float = 42.0
    income: float = 2.0
    households: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)


LIFESTYLES = (
    Lifestyle("Bargain seekers", {"price_conscious": 1.3, "green_minded": -0.6}, 38, 0.8, (2, 1, 2, 2)),
    Lifestyle("Planners", {"price_conscious": 0.4, "novelty_seeking": -1.1}, 46, 2.0, (0.5, 1, 4, 0.2)),
    Lifestyle("Explorers", {"price_conscious": -0.7, "novelty_seeking": 1.3}, 29, 1.6, (3, 1.5, 0.5, 3)),
    Lifestyle("Idealists", {"price_conscious": -0.8, "green_minded": 1.3}, 55, 3.0, (1, 3, 0.7, 0.3)),
)
"""The lifestyles of customers."""

FOLLOWS = {
    "Deal hunters": "Bargain seekers",
    "Weekly regulars": "Planners",
    "Monthly stockers": "Planners",
    "Newcomers": "Explorers",
    "Lapsed": "Idealists",
}
"""Lifestyle that goes with each default persona."""


def make_attributes(
    truth: pd.Series | int = 1000,
    *,
    strength: float = 0.5,
    missing: float = 0.03,
    follows: Mapping[str, str] = FOLLOWS,
    random_state: int | np.random.Generator = 0,
) -> tuple[pd.DataFrame, pd.Series]:
    """Simulate attributes of the customers of :func:`make_events`, as from a CRM and a survey.

    Each customer has a lifestyle that determines age, income, household and attitudes. The lifestyle depends on the
    persona, as strongly as given.

    Parameters
    ----------
    truth : Series or int, default=1000
        Name of each customer's persona by `customer_id`, as from :func:`make_events`; or a number of customers,
        for those of ``make_events(n)``.
    strength : float, default=0.5
        Share of the customers with the lifestyle of their persona; that of the others is drawn at random. It is
        also Cramér's V between lifestyle and persona.
    missing : float, default=0.03
        Share of the values that are missing, at random.
    follows : mapping of str to str, default=FOLLOWS
        Lifestyle of each persona. Personas without one have random lifestyles.
    random_state : int or numpy Generator, default=0
        The same seed gives the same customers. With the seed of :func:`make_events`, `region` equals the `place`
        of events.

    Returns
    -------
    people : DataFrame of shape (n_customers, 19)
        `customer_id`; `age_band`, `income`, `household`; `postcode`, `region`, `country`; and answers from 1 to 5
        to twelve questions, the items of ``BATTERY``. To be read by :func:`segkit.read_attributes`.
    lifestyles : Series of shape (n_customers,)
        Name of each customer's lifestyle, by `customer_id`.

    Raises
    ------
    ValueError
        If a share is outside 0 to 1, there are no customers, or `follows` has an unknown lifestyle.

    Examples
    --------
    >>> from segkit import Region, read_attributes
    >>> from segkit.datasets import BATTERY, INCOME_BANDS, make_attributes
    >>> people, lifestyles = make_attributes(200)
    >>> read_attributes(people, demographic="income", ordered={"income": INCOME_BANDS}, scales=BATTERY).columns
    ('income', 'price_conscious', 'novelty_seeking', 'green_minded')
    """
    _check(strength, missing, follows)
    seed = int(np.random.default_rng(random_state).integers(2**63))
    names = _personas(truth, seed)
    rng = np.random.default_rng([seed, _OWN_STREAM])
    which = _lifestyles(names.to_numpy(), follows, strength, rng)
    region = np.array(REGIONS)[_people(len(names), seed).region]
    people = pd.DataFrame(
        {
            "customer_id": names.index.astype("str"),
            **_demographics(which, rng),
            "postcode": _postcodes(region, rng),
            "region": region,
            "country": pd.Series(region).map(COUNTRIES).to_numpy(),
            **_answers(which, rng),
        }
    )
    for name in people.columns[1:]:
        people[name] = people[name].mask(rng.random(len(people)) < missing)
    lifestyles = [LIFESTYLES[i].name for i in which]
    return people, pd.Series(lifestyles, index=names.index, name="lifestyle", dtype="str")


def _check(strength: float, missing: float, follows: Mapping[str, str]) -> None:
    for name, share in (("strength", strength), ("missing", missing)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name}={share!r} is not a share. Choose a number from 0 to 1.")
    known = [lifestyle.name for lifestyle in LIFESTYLES]
    for persona, lifestyle in follows.items():
        if lifestyle not in known:
            raise ValueError(
                f"follows gives {persona!r} an unknown lifestyle {lifestyle!r}.{did_you_mean(lifestyle, known)} "
                f"The lifestyles are {', '.join(known)}."
            )


def _people(n: int, seed: int) -> People:
    """Return the customers that make_events draws with this seed."""
    return make_people(n, PERSONAS, 366, np.random.default_rng([seed, 0]))


def _personas(truth: pd.Series | int, seed: int) -> pd.Series:
    """Return the name of each customer's persona."""
    if isinstance(truth, pd.Series):
        if not len(truth):
            raise ValueError("truth is empty. It should have the persona of at least one customer.")
        return truth
    if isinstance(truth, bool) or not isinstance(truth, (int, np.integer)) or truth < 1:
        raise ValueError(
            f"truth={truth!r} should be a Series of personas, or a number of customers, 1 or more."
        )
    return _people(int(truth), seed).truth(PERSONAS)


def _lifestyles(
    personas: np.ndarray, follows: Mapping[str, str], strength: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw the row of each customer's lifestyle; their shares do not depend on the strength."""
    row = {lifestyle.name: i for i, lifestyle in enumerate(LIFESTYLES)}
    drawn = rng.integers(len(LIFESTYLES), size=len(personas))
    own = np.array([row[follows[p]] if p in follows else drawn[i] for i, p in enumerate(personas)])
    follow = rng.random(len(personas)) < strength
    return np.where(follow, own, own[rng.integers(len(own), size=len(own))])


def _demographics(which: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    age = _of("age", which) + 10 * rng.standard_normal(len(which))
    band = np.clip((age - 15) // 10, 0, len(AGE_BANDS) - 1).astype(int)
    income = np.rint(_of("income", which) + 0.9 * rng.standard_normal(len(which)))
    weights = np.array([lifestyle.households for lifestyle in LIFESTYLES])
    shares = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)[which]
    household = (rng.random(len(which))[:, None] > shares).sum(axis=1).clip(max=len(HOUSEHOLDS) - 1)
    return {
        "age_band": _words(AGE_BANDS, band),
        "income": _words(INCOME_BANDS, income.clip(0, len(INCOME_BANDS) - 1).astype(int)),
        "household": _words(HOUSEHOLDS, household),
    }


def _postcodes(region: np.ndarray, rng: np.random.Generator) -> list[str]:
    prefixes = {name: [p for p, of in POSTCODES.items() if of == name] for name in REGIONS}
    draws, ends = rng.random(len(region)), rng.integers(1000, size=len(region))
    return [
        f"{prefixes[name][int(draw * len(prefixes[name]))]}{end:03d}"
        for name, draw, end in zip(region, draws, ends, strict=True)
    ]


def _answers(which: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw answers from 1 to 5: the attitude, reversed for reversed items, plus noise."""
    answers = {}
    for name, scale in BATTERY.items():
        means = np.array([lifestyle.attitudes.get(name, 0.0) for lifestyle in LIFESTYLES])
        attitude = means[which] + _WITHIN * rng.standard_normal(len(which))
        for item in scale.items:
            side = -1 if item in scale.reversed else 1
            answer = 3 + _STEP * side * attitude + _NOISE * rng.standard_normal(len(which))
            answers[item] = np.rint(answer).clip(scale.low, scale.high)
    return answers


def _of(trait: str, which: np.ndarray) -> np.ndarray:
    return np.array([getattr(lifestyle, trait) for lifestyle in LIFESTYLES], dtype=float)[which]


def _words(levels: Sequence[str], rows: np.ndarray) -> np.ndarray:
    return np.array(levels, dtype=object)[rows]
