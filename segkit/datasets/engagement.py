"""Simulate web visits, messages, surveys, chats and posts of customers with real orders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from segkit.collect.events import Events
from segkit.core.engine.connection import run_with_progress, table_of
from segkit.core.messages import did_you_mean
from segkit.datasets.browsing import browsing
from segkit.datasets.event_log import DAY, Piece, event_table
from segkit.datasets.messages import MEDIA, messages
from segkit.datasets.orders import Orders, choose_products
from segkit.datasets.people import People, make_people
from segkit.datasets.personas import PERSONAS, Persona
from segkit.datasets.voices import chats, posts, reviews, surveys

WEB = ("visit", "page_view", "search", "cart_add")
SOCIAL = ("social_like", "social_share", "social_comment", "social_mention")
MESSAGES = tuple(f"{by}_{what}" for by in MEDIA for what in ("sent", "open", "click", "unsubscribe"))
GROUPS = {
    "web": WEB,
    "social": SOCIAL,
    **{by: tuple(k for k in MESSAGES if k.startswith(by)) for by in MEDIA},
}
"""Names of several kinds together."""

OFFERED = (*WEB, *MESSAGES, "survey", "chat", *SOCIAL)
_STREAMS = ("people", "online", "product", "browse", *MEDIA, "survey", "chat", "social")


def make_engagement(
    events: Events,
    *,
    kinds: str | Iterable[str] | None = None,
    segments: Sequence[Persona] | None = None,
    random_state: int | np.random.Generator = 0,
) -> tuple[Events, pd.Series]:
    """Simulate visits, messages, surveys, chats and posts of customers with real orders.

    Public logs rarely have several kinds of event of the same people. This function adds the other kinds to a log of
    orders, so that all features can be tried. **The events are simulated**, and say nothing about the real
    customers. Engagement is drawn at random and does not depend on purchases, with three exceptions: nobody is
    active before the first order, nor long after the last; some orders follow a visit; some are followed by a
    survey or a chat.

    Parameters
    ----------
    events : Events
        A log with purchases.
    kinds : str or iterable of str, optional
        Kinds of event to return; all by default: `visit`, `page_view`, `search`, `cart_add` (together "web"),
        messages such as `email_sent` ("email", "push", "sms", "ad"), `survey`, `chat`, and posts such as
        `social_like` ("social").
    segments : sequence of Persona, default=PERSONAS
        Personas of the engagement; each customer's is drawn by their shares.
    random_state : int or numpy Generator, default=0
        The same seed gives the same events.

    Returns
    -------
    engagement : Events
        In order of time, to be added: ``events + engagement``.
    truth : Series of shape (n_customers,)
        Name of each customer's persona, by `customer_id`.

    Raises
    ------
    ValueError
        If there are no purchases, or a kind is not one of those above.

    Examples
    --------
    >>> import segkit as sg
    >>> from segkit.datasets import make_engagement, make_events
    >>> orders, _ = make_events(50, kinds="purchase")
    >>> engagement, truth = make_engagement(orders, kinds=["email_sent", "email_open"])
    >>> (orders + engagement).kinds().index.to_list()
    ['purchase', 'email_sent', 'email_open']
    """
    names = check_kinds(kinds, (*OFFERED, *GROUPS), "make_engagement") if kinds is not None else {*OFFERED}
    wanted = {kind for name in names for kind in GROUPS.get(name, (name,))}
    personas = PERSONAS if segments is None else tuple(segments)
    streams = random_streams(random_state, _STREAMS)
    bought = _orders_of(events)
    first = bought["timestamp"].min().normalize()
    n_days = (bought["timestamp"].max().normalize() - first).days + 1
    people = _people(bought, personas, first, n_days, streams["people"])
    orders = _as_orders(bought, people, first, streams)
    pieces = [
        p for p in engagement_pieces(orders, people, n_days, first, wanted, streams) if p.kind in wanted
    ]
    engagement = Events(
        table_of(event_table(pieces, people.ids, first, n_days * DAY)),
        events.refused.iloc[:0],
        ("make_engagement",),
        events.timezone,
    )
    return engagement, people.truth(personas)


def check_kinds(kinds: str | Iterable[str], known: Sequence[str], function: str) -> set[str]:
    """Return kinds as a set, or raise if one is unknown to a function."""
    names = {kinds} if isinstance(kinds, str) else set(kinds)
    for kind in sorted(names):
        if kind not in known:
            raise ValueError(
                f"kinds has {kind!r}, which {function} does not make.{did_you_mean(kind, known)} "
                f"It makes {', '.join(known)}."
            )
    if not names:
        raise ValueError(
            "kinds is empty. Name one or more, such as kinds='visit', or leave it out for all kinds."
        )
    return names


def random_streams(
    random_state: int | np.random.Generator, names: Sequence[str]
) -> dict[str, np.random.Generator]:
    """Return an independent random stream for each name."""
    seed = int(np.random.default_rng(random_state).integers(2**63))
    return {name: np.random.default_rng([seed, i]) for i, name in enumerate(names)}


def engagement_pieces(
    orders: Orders,
    people: People,
    n_days: int,
    first: pd.Timestamp,
    wanted: set[str],
    streams: Mapping[str, np.random.Generator],
) -> Iterator[Piece]:
    """Yield the pieces of visits, messages, surveys, reviews, chats and posts, where any kind of them is wanted."""
    if wanted & set(WEB):
        yield from browsing(orders, people, streams["browse"])
    for medium in MEDIA:
        if any(kind.startswith(medium + "_") for kind in wanted):
            yield from messages(medium, people, n_days, first, streams[medium])
    for kind, voice in (("survey", surveys), ("review", reviews), ("chat", chats)):
        if kind in wanted:
            yield from voice(orders, people, streams[kind])
    if wanted & set(SOCIAL):
        yield from posts(people, streams["social"])


def _orders_of(events: Events) -> pd.DataFrame:
    """Return customer, id and time of each order, in order of time."""
    t = events.table.filter(events.table.kind == "purchase")
    if "order_id" in t.columns:
        t = t.group_by("customer_id", "order_id").agg(timestamp=t.timestamp.min())
    else:
        t = t.select("customer_id", "timestamp").mutate(order_id=t.timestamp.cast("string"))
    bought = run_with_progress(t, t.to_pyarrow, "Reading orders").to_pandas()
    if bought.empty:
        raise ValueError(
            "events hold no purchase, and make_engagement starts from purchases. Add orders first."
        )
    return bought.sort_values(["timestamp", "customer_id", "order_id"], ignore_index=True)


def _people(
    bought: pd.DataFrame,
    personas: Sequence[Persona],
    first: pd.Timestamp,
    n_days: int,
    rng: np.random.Generator,
) -> People:
    """Draw the engagement of each customer, with the real time of joining and leaving."""
    by_customer = bought.groupby("customer_id")["timestamp"]
    seen = pd.DataFrame(
        {"joined": by_customer.min(), "last": by_customer.max(), "orders": by_customer.size()}
    )
    drawn = make_people(len(seen), personas, n_days, rng)
    joined = (seen["joined"] - first).dt.days.to_numpy()
    gap = (seen["last"] - seen["joined"]).dt.days.to_numpy() / seen["orders"].to_numpy()
    left = np.minimum((seen["last"] - first).dt.days.to_numpy() + 1 + np.ceil(2 * gap).astype(int), n_days)
    traits = dict(drawn.traits)
    # Few of the orders are web orders, so visits do not depend on the number of orders.
    traits["orders_per_year"] = np.full(len(seen), 12.0)
    traits["visits_per_order"] = drawn.traits["visits_per_order"] + 1
    ids = [str(i) for i in seen.index]
    return People(
        ids, drawn.persona, joined, np.maximum(left, joined + 1), traits, drawn.tastes, drawn.region
    )


def _as_orders(
    bought: pd.DataFrame,
    people: People,
    first: pd.Timestamp,
    streams: Mapping[str, np.random.Generator],
) -> Orders:
    """Return the real orders with one simulated line each, the subject of visits and chats."""
    customer = pd.Index(people.ids).get_indexer(bought["customer_id"].astype("str"))
    seconds = np.floor((bought["timestamp"] - first).dt.total_seconds().to_numpy())
    online = streams["online"].random(len(customer)) < 0.25 * people.traits["online"][customer]
    line = np.arange(len(customer))
    product = choose_products(people, customer, streams["product"])
    ones, zeros = np.ones(len(customer)), np.zeros(len(customer))
    order_ids = bought["order_id"].astype("str").to_list()
    return Orders(customer, seconds, online, order_ids, line, product, ones, ones, zeros)
