"""What customers whose orders are real might have done on the web, with messages, and in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
from segkit.datasets.voices import chats, posts, surveys

WEB = ("visit", "page_view", "search", "cart_add")
SOCIAL = ("social_like", "social_share", "social_comment", "social_mention")
MESSAGES = tuple(f"{by}_{what}" for by in MEDIA for what in ("sent", "open", "click", "unsubscribe"))
GROUPS = {
    "web": WEB,
    "social": SOCIAL,
    **{by: tuple(k for k in MESSAGES if k.startswith(by)) for by in MEDIA},
}
"""Kinds that may be asked for together."""

OFFERED = (*WEB, *MESSAGES, "survey", "chat", *SOCIAL)
_STREAMS = ("people", "online", "product", "browse", *MEDIA, "survey", "chat", "social")


def make_engagement(
    events: Events,
    *,
    kinds: str | Iterable[str] | None = None,
    segments: Sequence[Persona] | None = None,
    random_state: int | np.random.Generator = 0,
) -> tuple[Events, pd.Series]:
    """Simulate what customers with real orders did besides: visits, messages, surveys, chats, posts.

    Real logs of several kinds about the same people are not public. This brings the rest to a log of
    orders, so that features of every kind can be tried: **it is made up**, and says nothing about the
    real customers. How someone engages is drawn by lot, apart from how they buy, but for three things:
    nobody is active before their first order or long after their last; some orders are preceded by a
    visit, and answered by a survey or a chat.

    Parameters
    ----------
    events : Events
        A log with purchases.
    kinds : str or iterable of str, optional
        Which kinds of event to return; all by default: `visit`, `page_view`, `search`, `cart_add` (or in one
        word "web"), messages such as `email_sent` ("email", "push", "sms", "ad"), `survey`, `chat`, and posts
        such as `social_like` ("social").
    segments : sequence of Persona, default=PERSONAS
        How the customers engage; who is of which is drawn by their shares.
    random_state : int or numpy Generator, default=0
        The same seed gives the same events.

    Returns
    -------
    engagement : Events
        In order of time; add them: ``events + engagement``.
    truth : Series of shape (n_customers,)
        Name of the persona that each customer engages as, by `customer_id`.

    Raises
    ------
    ValueError
        If there are no purchases, or a kind is not one that this function makes.

    Examples
    --------
    >>> import segkit as sg
    >>> from segkit.datasets import make_engagement, make_events
    >>> orders, _ = make_events(50, kinds="purchase")
    >>> engagement, truth = make_engagement(orders, kinds=["email_sent", "email_open"])
    >>> (orders + engagement).kinds().index.to_list()
    ['purchase', 'email_sent', 'email_open']
    """
    wanted = _wanted(kinds)
    personas = PERSONAS if segments is None else tuple(segments)
    seed = int(np.random.default_rng(random_state).integers(2**63))
    chance = {name: np.random.default_rng([seed, i]) for i, name in enumerate(_STREAMS)}
    bought = _orders_of(events)
    first = bought["timestamp"].min().normalize()
    n_days = (bought["timestamp"].max().normalize() - first).days + 1
    people, ids = _people(bought, personas, first, n_days, chance["people"])
    orders = _as_orders(bought, ids, people, first, chance)
    pieces = [p for p in _pieces(orders, people, n_days, first, wanted, chance) if p.kind in wanted]
    made = Events(
        table_of(event_table(pieces, people.ids, first, n_days * DAY)),
        events.refused.iloc[:0],
        ("make_engagement",),
        events.timezone,
    )
    index = pd.Index(people.ids, name="customer_id", dtype="str")
    return made, pd.Series(
        [personas[i].name for i in people.persona], index=index, name="segment", dtype="str"
    )


def _wanted(kinds: str | Iterable[str] | None) -> set[str]:
    run_with_progress = OFFERED if kinds is None else [kinds] if isinstance(kinds, str) else list(kinds)
    for kind in run_with_progress:
        if kind not in (*OFFERED, *GROUPS):
            raise ValueError(
                f"kinds has {kind!r}, which make_engagement does not make.{did_you_mean(kind, (*OFFERED, *GROUPS))} "
                f"It makes {', '.join(OFFERED)}, and in one word {', '.join(GROUPS)}."
            )
    return {one for kind in run_with_progress for one in GROUPS.get(kind, (kind,))}


def _orders_of(events: Events) -> pd.DataFrame:
    """Return each order's customer, id and time, in order of time."""
    t = events.table.filter(events.table.kind == "purchase")
    if "order_id" in t.columns:
        t = t.group_by("customer_id", "order_id").agg(timestamp=t.timestamp.min())
    else:
        t = t.select("customer_id", "timestamp").mutate(order_id=t.timestamp.cast("string"))
    bought = run_with_progress(t, t.to_pyarrow, "Reading orders").to_pandas()
    if bought.empty:
        raise ValueError("events hold no purchase, which make_engagement begins from. Read orders first.")
    return bought.sort_values(["timestamp", "customer_id", "order_id"], ignore_index=True)


def _people(
    bought: pd.DataFrame,
    personas: Sequence[Persona],
    first: pd.Timestamp,
    n_days: int,
    rng: np.random.Generator,
) -> tuple[People, pd.Index]:
    """Draw how each customer engages; when they came, left and how often they order is known."""
    by_customer = bought.groupby("customer_id")["timestamp"]
    seen = pd.DataFrame(
        {"joined": by_customer.min(), "last": by_customer.max(), "orders": by_customer.size()}
    )
    drawn = make_people(len(seen), personas, n_days, rng)
    joined = (seen["joined"] - first).dt.days.to_numpy()
    gap = (seen["last"] - seen["joined"]).dt.days.to_numpy() / seen["orders"].to_numpy()
    left = np.minimum((seen["last"] - first).dt.days.to_numpy() + 1 + np.ceil(2 * gap).astype(int), n_days)
    traits = dict(drawn.traits)
    # An order is rarely placed on the web, and visits are not tied to how often someone goes to the shop.
    traits["orders_per_year"] = np.full(len(seen), 12.0)
    traits["visits_per_order"] = drawn.traits["visits_per_order"] + 1
    ids = [str(i) for i in seen.index]
    people = People(
        ids, drawn.persona, joined, np.maximum(left, joined + 1), traits, drawn.tastes, drawn.region
    )
    return people, seen.index


def _as_orders(
    bought: pd.DataFrame,
    ids: pd.Index,
    people: People,
    first: pd.Timestamp,
    chance: dict[str, np.random.Generator],
) -> Orders:
    """Return the real orders with one made-up line each, which visits and chats are about."""
    customer = ids.get_indexer(bought["customer_id"])
    seconds = np.floor((bought["timestamp"] - first).dt.total_seconds().to_numpy())
    online = chance["online"].random(len(customer)) < 0.25 * people.traits["online"][customer]
    line = np.arange(len(customer))
    product = choose_products(people, customer, chance["product"])
    ones, zeros = np.ones(len(customer)), np.zeros(len(customer))
    order_ids = bought["order_id"].astype("str").to_list()
    return Orders(customer, seconds, online, order_ids, line, product, ones, ones, zeros)


def _pieces(
    orders: Orders,
    people: People,
    n_days: int,
    first: pd.Timestamp,
    wanted: set[str],
    chance: dict[str, np.random.Generator],
) -> Iterable[Piece]:
    if wanted & set(WEB):
        yield from browsing(orders, people, chance["browse"])
    for medium in MEDIA:
        if any(kind.startswith(medium + "_") for kind in wanted):
            yield from messages(medium, people, n_days, first, chance[medium])
    if "survey" in wanted:
        yield from surveys(orders, people, chance["survey"])
    if "chat" in wanted:
        yield from chats(orders, people, chance["chat"])
    if wanted & set(SOCIAL):
        yield from posts(people, chance["social"])
