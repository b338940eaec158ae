"""Simulate a shop with known true segments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from segkit.collect.events import Events
from segkit.core.engine.connection import table_of
from segkit.core.schema import KINDS
from segkit.datasets.engagement import check_kinds, engagement_pieces, random_streams
from segkit.datasets.event_log import DAY, event_table
from segkit.datasets.messages import MEDIA
from segkit.datasets.orders import make_orders, purchases, returns
from segkit.datasets.people import make_people
from segkit.datasets.personas import PERSONAS, Persona

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
    """Simulate the events of a shop with known true segments.

    The default segments differ clearly in frequency, regularity, amount and recency. Three things make segments
    harder to find: a larger ``Persona.spread`` (customers of a segment differ more), :func:`blended` (segments move
    closer), and a shorter period (fewer events per customer). :func:`one_population` has no segments at all.

    Parameters
    ----------
    n_customers : int, default=1000
        Number of customers; each has at least one order.
    segments : sequence of Persona, default=PERSONAS
        Behaviour of each segment. Their shares sum to 1.
    kinds : str or iterable of str, optional
        Kinds of event to return; all by default. Purchases are the same with any choice, since each kind has its
        own random stream.
    start, end : str or Timestamp
        First day, and the day after the last, in UTC.
    random_state : int or numpy Generator, default=0
        The same seed gives the same events (with the same NumPy).

    Returns
    -------
    events : Events
        In order of time. `amount` is the price paid, after `discount`. Causes come before effects: visit, page
        view, cart, order; order, return or review; sent, opened, clicked.
    truth : Series of shape (n_customers,)
        Name of the segment of each customer, by `customer_id`.

    Raises
    ------
    ValueError
        If the number of customers, the period, the shares or a kind is invalid.

    See Also
    --------
    Persona : the behaviour of a segment.

    Notes
    -----
    The gaps between a customer's orders follow a gamma distribution, as in Platzer & Reutterer [1]_, whose shape
    is their regularity. Order rates of customers are log-normal.

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
        raise ValueError(f"n_customers={n_customers!r} is not a number of customers. Use 1 or more.")
    wanted = set(KINDS) if kinds is None else check_kinds(kinds, tuple(KINDS), "make_events")
    streams = random_streams(random_state, _STREAMS)

    people = make_people(int(n_customers), personas, n_days, streams["people"])
    orders = make_orders(people, n_days, streams["order"])
    pieces = purchases(orders, people)
    if "return" in wanted:
        pieces += returns(orders, people, streams["return"])
    pieces += engagement_pieces(orders, people, n_days, first, wanted, streams)
    pieces = [piece for piece in pieces if piece.kind in wanted]
    table = event_table(pieces, people.ids, first, n_days * DAY)
    if not table.num_rows:
        raise ValueError(
            f"{n_customers} customers from {first:%Y-%m-%d} to {end} have no event of kind "
            f"{', '.join(sorted(wanted))}. Use more customers, more kinds or a longer period."
        )
    # The table has standard columns already, so read_events is not needed (a test compares the two).
    nothing = pd.DataFrame({"reason": [], "count": [], "example": []})
    refused = nothing.astype({"reason": "str", "count": "int64", "example": "str"})
    return Events(table_of(table), refused, ("make_events",)), people.truth(personas)


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
        raise ValueError(f"segments has {', '.join(twice)} more than once. Give each segment its own name.")


def _period(start: str, end: str) -> tuple[pd.Timestamp, int]:
    days = []
    for name, value in (("start", start), ("end", end)):
        moment = pd.Timestamp(value)
        if moment != moment.normalize() or moment.tzinfo is not None:
            raise ValueError(f"{name}={value!r} is not a day. Write it as {name}='2024-01-01'.")
        days.append(moment)
    if days[1] <= days[0]:
        raise ValueError(f"end={end!r} is not after start={start!r}. Choose a later end.")
    return days[0], (days[1] - days[0]).days
