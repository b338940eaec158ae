"""Simulate visits to a web shop: pages, searches and carts, with and without an order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from segkit.datasets.event_log import Coded, Column, Piece, repeated
from segkit.datasets.orders import PRODUCTS, Orders, choose_products, product_columns
from segkit.datasets.people import REGIONS, People

DEVICES = ("desktop", "tablet", "phone")
SOURCES = ("direct", "search engine", "e-mail", "social", "ad")
_PAGES = ["/", "/search", "/cart", "/help", "/thanks", *(f"/p/{product}" for product in PRODUCTS)]
_HOME, _SEARCH, _CART, _HELP, _THANKS = range(5)
_FIRST_PRODUCT = 5


def browsing(orders: Orders, people: People, rng: np.random.Generator) -> list[Piece]:
    """Draw the visits with a web order, and those without.

    Parameters
    ----------
    orders : Orders
        Each web order ends a visit with page views and cart additions of its lines.
    people : People
    rng : Generator

    Returns
    -------
    list of Piece
        `visit`, `page_view`, `search` and `cart_add`, all within the duration of a visit.
    """
    return _with_order(orders, people, rng) + _without_order(people, rng)


def _with_order(orders: Orders, people: People, rng: np.random.Generator) -> list[Piece]:
    order = np.flatnonzero(orders.online)
    lines = np.bincount(orders.line_order, minlength=len(orders.customer))[order]
    length = np.ceil(np.minimum(120 + lines * rng.uniform(20, 60, len(order)), 2700))
    start, customer = orders.seconds[order] - length, orders.customer[order]
    after = rng.integers(10, 60, len(order))
    visit = _Visits(customer, start, length + after, *_arrivals(people, customer, rng))

    rank = np.full(len(orders.customer), -1)
    rank[order] = np.arange(len(order))
    line = np.flatnonzero(orders.online[orders.line_order])
    of = rank[orders.line_order[line]]
    carted = np.floor(start[of] + length[of] * rng.uniform(0.1, 0.95, len(line)))
    viewed = np.maximum(carted - rng.integers(3, 40, len(line)), start[of])
    product = orders.product[line]

    every = np.arange(len(order))
    searching = np.flatnonzero(rng.random(len(order)) < 0.4)
    pages = [
        (every, start, np.full_like(every, _HOME)),
        (every, start + length, np.full_like(every, _THANKS)),
        (of, viewed, _FIRST_PRODUCT + product),
    ]
    term = orders.product[np.searchsorted(orders.line_order, order[searching])]
    return visit.pieces(people, pages, (searching, start[searching] + 2, term), (of, carted, product), rng)


def _without_order(people: People, rng: np.random.Generator) -> list[Piece]:
    active = people.left - people.joined
    web_orders = people.traits["orders_per_year"] / 365 * active * people.traits["online"]
    customer, _ = repeated(rng.poisson(web_orders * np.maximum(people.traits["visits_per_order"] - 1, 0)))
    day = people.joined[customer] + np.floor(rng.random(len(customer)) * active[customer])
    start = people.moments(customer, day, rng)
    length = np.ceil(np.exp(rng.normal(4.5, 0.8, len(customer))).clip(10, 1500))
    visit = _Visits(customer, start, length, *_arrivals(people, customer, rng))

    of, _ = repeated(rng.poisson(1.5, len(customer)))
    viewed = np.floor(start[of] + length[of] * rng.uniform(0.05, 0.8, len(of)))
    product = choose_products(people, customer[of], rng)
    page = np.where(rng.random(len(of)) < 0.05, _HELP, _FIRST_PRODUCT + product)
    left_in_cart = np.flatnonzero((rng.random(len(of)) < 0.12) & (page != _HELP))
    carted = np.minimum(viewed[left_in_cart] + 5, (start + length)[of[left_in_cart]])

    every = np.arange(len(customer))
    searching = np.flatnonzero(rng.random(len(customer)) < 0.25)
    term = choose_products(people, customer[searching], rng)
    return visit.pieces(
        people,
        [(every, start, np.full_like(every, _HOME)), (of, viewed, page)],
        (searching, start[searching] + 2, term),
        (of[left_in_cart], carted, product[left_in_cart]),
        rng,
    )


def _arrivals(
    people: People, customer: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    mobile = rng.random(len(customer)) < people.traits["mobile"][customer]
    device = np.where(mobile, 2, (rng.random(len(customer)) < 0.15).astype(np.int64))
    return device, rng.choice(len(SOURCES), size=len(customer), p=(0.45, 0.25, 0.15, 0.08, 0.07))


Moments = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Row of the visit, seconds since the start, and the page or product."""


@dataclass(frozen=True)
class _Visits:
    """Visits, one entry each, and the log pieces within them."""

    customer: np.ndarray
    start: np.ndarray
    length: np.ndarray
    device: np.ndarray
    source: np.ndarray

    def pieces(
        self,
        people: People,
        pages: list[Moments],
        searches: Moments,
        carts: Moments,
        rng: np.random.Generator,
    ) -> list[Piece]:
        """Return the log pieces of the visits; searches and carts are for products."""
        log = [
            Piece(
                "visit",
                self.customer,
                self.start,
                {
                    "duration": self.length,
                    "device": Coded(DEVICES, self.device),
                    "channel": Coded(SOURCES, self.source),
                    "place": Coded(REGIONS, people.region[self.customer]),
                },
            )
        ]
        for of, seconds, page in pages:
            until_end = (self.start + self.length)[of] - seconds
            read = np.floor(np.minimum(np.exp(rng.normal(3.2, 0.7, len(of))), until_end))
            log.append(self._piece("page_view", of, seconds, {"page": Coded(_PAGES, page), "duration": read}))
        of, seconds, product = searches
        columns: dict[str, Column] = {"page": "/search", "text": product_columns(product)["category"]}
        log.append(self._piece("search", of, np.minimum(seconds, (self.start + self.length)[of]), columns))
        of, seconds, product = carts
        log.append(self._piece("cart_add", of, seconds, {"page": "/cart", **product_columns(product)}))
        return log

    def _piece(self, kind: str, of: np.ndarray, seconds: np.ndarray, columns: Mapping[str, Column]) -> Piece:
        return Piece(kind, self.customer[of], seconds, {**columns, "device": Coded(DEVICES, self.device[of])})
