"""A simulated shop whose customers' true segments are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from segkit.collect.events import Events
from segkit.core.engine.connection import table_of
from segkit.core.messages import did_you_mean
from segkit.core.schema import KINDS
from segkit.datasets.browsing import browsing
from segkit.datasets.event_log import DAY, Piece, event_table
from segkit.datasets.messages import MEDIA, messages
from segkit.datasets.orders import make_orders, purchases, returns
from segkit.datasets.people import People, make_people
from segkit.datasets.personas import PERSONAS, Persona
from segkit.datasets.voices import chats, posts, reviews, surveys

_STREAMS = ("people", "order", "return", "browse", *MEDIA, "survey", "review", "chat", "social")


def make_events(
    n_customers: int = 1000,
    *,
    segments: Sequence[Persona] | None = None,
    kinds: str | Iterable[str] | None = None,
    start: str = "2024-01-01",
    end: str = "2025-01-01",
    random_state: int | np.random.Generator = 0,
) -> tuple[Events, pd.Series]:
    """Simulate the events of a shop whose customers' true segments are known.

    The default segments lie far apart in how often, how regularly, how much and how long ago they
    bought. Three things make a harder shop: a larger ``Persona.spread`` (customers of a segment
    differ more), :func:`blended` (segments move together), and a shorter period (each customer shows
    less). :func:`one_population` has no segments at all.

    Parameters
    ----------
    n_customers : int, default=1000
        Each places at least one order.
    segments : sequence of Persona, default=PERSONAS
        How the customers of each segment behave. Their shares sum to 1.
    kinds : str or iterable of str, optional
        Which kinds of event to return; all by default. Purchases stay the same whatever else is asked
        for: each concern draws from its own stream of chance.
    start, end : str or Timestamp
        First day, and the day after the last, in UTC.
    random_state : int or numpy Generator, default=0
        The same seed gives the same events (with the same NumPy).

    Returns
    -------
    events : Events
        In order of time. `amount` is what was paid, after `discount`. Causes come before effects:
        visit, page view, cart, order; order, return or review; sent, opened, clicked.
    truth : Series of shape (n_customers,)
        Name of each customer's segment, by `customer_id`.

    Raises
    ------
    ValueError
        If the number of customers, the period, the shares or a kind makes no sense.

    See Also
    --------
    Persona : what a segment is made of.

    Notes
    -----
    The gaps between a customer's orders follow a gamma distribution, as in Platzer & Reutterer [1]_,
    whose shape says how regular they are; rates differ between customers log-normally.

    References
    ----------
    .. [1] Platzer & Reutterer (2016), Ticking Away the Moments: Timing Regularity Helps to Better
       Predict Customer Activity, Marketing Science 35(5).

    Examples
    --------
    >>> from segkit.datasets import make_events
    >>> events, truth = make_events(100, kinds=["purchase", "return"])
    >>> truth.value_counts().sort_index().to_dict()
    {'Deal hunters': 20, 'Lapsed': 20, 'Monthly stockers': 20, 'Newcomers': 15, 'Weekly regulars': 25}
    >>> sorted(events.table.kind.value_counts().to_pandas()["kind"])
    ['purchase', 'return']
    """
    personas = PERSONAS if segments is None else tuple(segments)
    _check_segments(personas)
    first, n_days = _period(start, end)
    if n_customers < 1 or n_customers != int(n_customers):
        raise ValueError(f"n_customers={n_customers!r} is not a number of customers. Ask for 1 or more.")
    wanted = _wanted(kinds)
    seed = int(np.random.default_rng(random_state).integers(2**63))
    chance = {name: np.random.default_rng([seed, i]) for i, name in enumerate(_STREAMS)}

    people = make_people(int(n_customers), personas, n_days, chance["people"])
    log = [piece for piece in _everything(people, n_days, first, wanted, chance) if piece.kind in wanted]
    table = event_table(log, people.ids, first, n_days * DAY)
    if not table.num_rows:
        raise ValueError(
            f"{n_customers} customers from {first:%Y-%m-%d} to {end} left no event of kind "
            f"{', '.join(sorted(wanted))}. Ask for more customers, more kinds or a longer period."
        )
    # Made to the standard, so it need not pass the door of read_events (a test holds that it could).
    nothing = pd.DataFrame({"reason": [], "count": [], "example": []})
    refused = nothing.astype({"reason": "str", "count": "int64", "example": "str"})
    events = Events(table_of(table), refused, ("make_events",))
    ids = pd.Index(people.ids, name="customer_id", dtype="str")
    names = [personas[i].name for i in people.persona]
    return events, pd.Series(names, index=ids, name="segment", dtype="str")


def _everything(
    people: People, n_days: int, first: pd.Timestamp, wanted: set[str], chance: dict[str, np.random.Generator]
) -> Iterable[Piece]:
    """Yield the pieces of each concern of which anything is wanted."""
    orders = make_orders(people, n_days, chance["order"])
    yield from purchases(orders, people)
    if "return" in wanted:
        yield from returns(orders, people, chance["return"])
    if wanted & {"visit", "page_view", "search", "cart_add"}:
        yield from browsing(orders, people, chance["browse"])
    for medium in MEDIA:
        if any(kind.startswith(medium + "_") for kind in wanted):
            yield from messages(medium, people, n_days, first, chance[medium])
    for kind, voice in (("survey", surveys), ("review", reviews), ("chat", chats)):
        if kind in wanted:
            yield from voice(orders, people, chance[kind])
    if any(kind.startswith("social_") for kind in wanted):
        yield from posts(people, chance["social"])


def _check_segments(personas: Sequence[Persona]) -> None:
    total = sum(persona.share for persona in personas)
    if abs(total - 1) > 1e-6:
        listed = ", ".join(f"{p.name} {p.share:g}" for p in personas) or "none"
        raise ValueError(
            f"The shares of segments sum to {total:g} ({listed}). They must sum to 1; change them, or "
            "divide each by their sum."
        )
    names = [persona.name for persona in personas]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"segments has {', '.join(twice)} more than once. Names tell segments apart; give each its own."
        )


def _period(start: str, end: str) -> tuple[pd.Timestamp, int]:
    days = []
    for name, value in (("start", start), ("end", end)):
        moment = pd.Timestamp(value)
        if moment != moment.normalize() or moment.tzinfo is not None:
            raise ValueError(f"{name}={value!r} is not a day. Write one such as {name}='2024-01-01'.")
        days.append(moment)
    if days[1] <= days[0]:
        raise ValueError(
            f"end={end!r} is not after start={start!r}, so no day lies between them. Choose a later end."
        )
    return days[0], (days[1] - days[0]).days


def _wanted(kinds: str | Iterable[str] | None) -> set[str]:
    if kinds is None:
        return set(KINDS)
    wanted = {kinds} if isinstance(kinds, str) else set(kinds)
    for kind in sorted(wanted):
        if kind not in KINDS:
            raise ValueError(
                f"kinds has {kind!r}, which make_events does not know.{did_you_mean(kind, KINDS)} "
                f"It makes {', '.join(KINDS)}."
            )
    if not wanted:
        raise ValueError(
            "kinds is empty. Name one or more, such as kinds='purchase', or leave it out for all."
        )
    return wanted
