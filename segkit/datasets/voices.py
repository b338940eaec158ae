"""Simulate surveys, reviews, chats and posts."""

from __future__ import annotations

import itertools

import numpy as np

from segkit.datasets.event_log import DAY, Coded, Column, Piece, repeated
from segkit.datasets.orders import LADDER, Orders
from segkit.datasets.people import People
from segkit.datasets.personas import CATEGORIES

_OPINIONS = (
    ("Poor", "Disappointing", "Not good:", "Sorry to say, bad", "Below what we expected:", "Worst yet:"),
    ("Average", "Ordinary", "Usual", "So so:", "Nothing special:", "As expected:"),
    ("Great", "Lovely", "Very happy with the", "Excellent", "We liked the", "Best yet:"),
)
_DETAILS = (
    ("came late", "box was crushed", "too dear", "nobody answered", "not as shown", "had to send it back"),
    ("came on time", "fair price", "does the job", "might buy again", "packing was fine", "as described"),
    ("came early", "worth every penny", "kind help", "will order again", "beautifully packed", "just right"),
)
_SENTENCES = [
    f"{opinion} {category}, {detail}."
    for opinions, details in zip(_OPINIONS, _DETAILS, strict=True)
    for category, opinion, detail in itertools.product(CATEGORIES, opinions, details)
]
_PER_CATEGORY = len(_OPINIONS[0]) * len(_DETAILS[0])


def surveys(orders: Orders, people: People, rng: np.random.Generator) -> list[Piece]:
    """Draw answers from 0 to 10 (would you recommend us?), a day or more after some orders."""
    order = np.flatnonzero(rng.random(len(orders.customer)) < 0.08)
    customer = orders.customer[order]
    seconds = np.floor(orders.seconds[order] + DAY * (1 + rng.exponential(1.0, len(order))))
    columns: dict[str, Column] = {
        "order_id": Coded(orders.ids, order),
        "rating": np.round((_satisfaction(people, customer, rng) - 1) * 2.5).clip(0, 10),
        "campaign": "after the order",
    }
    return [Piece("survey", customer, seconds, columns)]


def reviews(orders: Orders, people: People, rng: np.random.Generator) -> list[Piece]:
    """Draw reviews of some lines, two days or more after their order: a rating and a matching sentence."""
    line = np.flatnonzero(rng.random(len(orders.line_order)) < 0.03)
    customer = orders.line_customer[line]
    seconds = np.floor(orders.line_seconds[line] + DAY * (2 + rng.exponential(5.0, len(line))))
    rating = _ratings(people, customer, rng)
    sentiment = _near((rating - 3) / 2, rng)
    text = _sentences(sentiment, orders.product[line] // LADDER, rng)
    columns = {**orders.goods(line), "rating": rating, "sentiment": sentiment, "text": text}
    return [Piece("review", customer, seconds, columns)]


def chats(orders: Orders, people: People, rng: np.random.Generator) -> list[Piece]:
    """Draw chats with the shop, within days after some orders."""
    order = np.flatnonzero(rng.random(len(orders.customer)) < 0.05)
    customer = orders.customer[order]
    seconds = np.floor(orders.seconds[order] + 600 + DAY * rng.exponential(2.0, len(order)))
    sentiment = _near((_ratings(people, customer, rng) - 3.5) / 2, rng)
    first_line = np.searchsorted(orders.line_order, order)
    columns: dict[str, Column] = {
        "order_id": Coded(orders.ids, order),
        "channel": "chat",
        "duration": np.floor(60 + rng.exponential(240, len(order))),
        "sentiment": sentiment,
        "text": _sentences(sentiment, orders.product[first_line] // LADDER, rng),
    }
    return [Piece("chat", customer, seconds, columns)]


def posts(people: People, rng: np.random.Generator) -> list[Piece]:
    """Draw likes, shares, comments and mentions while the customer is active."""
    active = people.left - people.joined
    log = []
    for what, share in (("like", 0.55), ("share", 0.15), ("comment", 0.2), ("mention", 0.1)):
        rate = people.traits["posts_per_year"] / 365 * share
        customer, _ = repeated(rng.poisson(rate * active))
        day = people.joined[customer] + np.floor(rng.random(len(customer)) * active[customer])
        columns: dict[str, Column] = {"channel": "social"}
        if what in ("share", "mention"):
            # The number of people reached.
            columns["quantity"] = np.floor(np.exp(rng.normal(3.5, 1.0, len(customer))))
        if what in ("comment", "mention"):
            sentiment = _near((_ratings(people, customer, rng) - 3) / 2, rng)
            columns["sentiment"] = sentiment
            columns["text"] = _sentences(sentiment, people.choose_category(customer, rng), rng)
        log.append(Piece(f"social_{what}", customer, people.moments(customer, day, rng), columns))
    return log


def _ratings(people: People, customer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.round(_satisfaction(people, customer, rng)).clip(1, 5)


def _satisfaction(people: People, customer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the satisfaction of this time, about from 1 to 5."""
    return rng.normal(people.traits["rating"][customer], 0.8)


def _near(sentiment: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.round(rng.normal(sentiment, 0.15).clip(-1, 1), 2)


def _sentences(sentiment: np.ndarray, category: np.ndarray, rng: np.random.Generator) -> Coded:
    """Draw a sentence of the right tone: negative below -0.3, positive above 0.3."""
    tone = np.digitize(sentiment, [-0.3, 0.3])
    pick = rng.integers(0, _PER_CATEGORY, len(sentiment))
    return Coded(_SENTENCES, (tone * len(CATEGORIES) + category) * _PER_CATEGORY + pick)
