"""Simulate orders and returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segkit.datasets.event_log import DAY, Coded, Column, Piece, repeated
from segkit.datasets.people import REGIONS, People
from segkit.datasets.personas import CATEGORIES

LADDER = 30
"""Products of a category, from the cheapest to the most expensive."""

PRODUCTS = [f"{category}-{i:02d}" for category in CATEGORIES for i in range(1, LADDER + 1)]
_MIDDLE = np.array([2.5, 9, 12, 6, 7, 2.5, 4, 5, 3, 14, 18, 8, 10, 2, 5, 15])
SHELF_CENTS = np.round(100 * np.outer(_MIDDLE, 4.0 ** (np.arange(LADDER) / (LADDER - 1) - 0.5))).ravel()
"""Shelf price of each product: from half to twice the middle price of its category, by equal ratios."""

BRANDS = ("Plain", "Alder", "Hearth", "Crown")
"""Brands of each category: the shop's own for the cheapest third, two for the middle, one for the top."""

CHANNELS = ("store", "web")


@dataclass(frozen=True)
class Orders:
    """Orders and their lines: `line_order`, `product`, `quantity`, `paid` and `off` are of lines, others of orders."""

    customer: np.ndarray
    seconds: np.ndarray
    online: np.ndarray
    ids: list[str]
    line_order: np.ndarray
    product: np.ndarray
    quantity: np.ndarray
    paid: np.ndarray
    off: np.ndarray

    @property
    def line_customer(self) -> np.ndarray:
        """Customer of each line."""
        return self.customer[self.line_order]

    @property
    def line_seconds(self) -> np.ndarray:
        """Time of each line's order."""
        return self.seconds[self.line_order]

    def goods(self, line: np.ndarray) -> dict[str, Column]:
        """Return the columns of order and product of these lines."""
        return {"order_id": Coded(self.ids, self.line_order[line]), **product_columns(self.product[line])}


def product_columns(product: np.ndarray) -> dict[str, Coded]:
    """Return the columns of these products: id, category and brand."""
    rung = product % LADDER
    third = 3 * rung // LADDER
    return {
        "product_id": Coded(PRODUCTS, product),
        "category": Coded(CATEGORIES, product // LADDER),
        "brand": Coded(BRANDS, np.where(third == 1, 1 + rung % 2, np.where(third == 2, 3, 0))),
    }


def choose_products(people: People, customer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a product for each entry of `customer`: a category by taste, then one of its products by price."""
    category = people.choose_category(customer, rng)
    return category * LADDER + rng.binomial(LADDER - 1, people.traits["price"][customer])


def make_orders(people: People, n_days: int, rng: np.random.Generator) -> Orders:
    """Draw the orders: the first on the day of joining, the next after gamma distributed gaps.

    Parameters
    ----------
    people : People
    n_days : int
        Length of the period.
    rng : Generator

    Returns
    -------
    Orders
        In order of time.
    """
    customer, day = _order_days(people, n_days, rng)
    seconds = people.moments(customer, day, rng)
    in_time = np.lexsort((customer, seconds))
    customer, seconds = customer[in_time], seconds[in_time]
    online = rng.random(len(customer)) < people.traits["online"][customer]
    lines = 1 + rng.poisson(np.maximum(people.traits["basket"][customer] - 1, 0))
    line_order, _ = repeated(lines)
    buyer = customer[line_order]
    product = choose_products(people, buyer, rng)
    quantity = 1 + rng.poisson(0.3, len(buyer))
    reduced = rng.random(len(buyer)) < people.traits["discount"][buyer]
    share_off = np.where(reduced, rng.choice([0.1, 0.2, 0.3, 0.5], size=len(buyer)), 0.0)
    shelf = SHELF_CENTS[product] * quantity
    off = np.round(shelf * share_off)
    paid = (shelf - off) / 100
    width = max(5, len(str(len(customer))))
    ids = [f"O{i:0{width}d}" for i in range(1, len(customer) + 1)]
    return Orders(customer, seconds, online, ids, line_order, product, quantity, paid, off / 100)


def _order_days(people: People, n_days: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw more order days than fit into the period, and keep those before the customer leaves."""
    rate, shape = people.traits["orders_per_year"] / 365, people.traits["regularity"]
    expected = rate * (people.left - people.joined)
    spare = 6 * np.sqrt(expected / shape) + 6 / shape + 3
    owner, position = repeated(1 + np.ceil(expected + spare).astype(np.int64))
    gaps = rng.gamma(shape[owner], 1 / (rate * shape)[owner])
    gaps[position == 0] = 0.0
    so_far = np.cumsum(gaps)
    first = np.flatnonzero(position == 0)
    elapsed = so_far - so_far[first][owner]
    day = people.joined[owner] + np.floor(elapsed)
    keep = day < np.minimum(people.left, n_days)[owner]
    return owner[keep], day[keep]


def purchases(orders: Orders, people: People) -> list[Piece]:
    """Return one purchase per line, with the amount paid and the discount."""
    every = np.arange(len(orders.line_order))
    return [
        Piece(
            "purchase",
            orders.line_customer,
            orders.line_seconds,
            {
                **orders.goods(every),
                "quantity": orders.quantity,
                "amount": orders.paid,
                "discount": orders.off,
                "channel": Coded(CHANNELS, orders.online[orders.line_order].astype(np.int64)),
                "place": Coded(REGIONS, people.region[orders.line_customer]),
            },
        )
    ]


def returns(orders: Orders, people: People, rng: np.random.Generator) -> list[Piece]:
    """Draw returns of whole lines, a day to some weeks after their order; quantity and amount are negative."""
    p_returned = people.traits["returned"][orders.line_customer]
    line = np.flatnonzero(rng.random(len(p_returned)) < p_returned)
    delay = DAY * (1 + rng.exponential(6.0, len(line)))
    return [
        Piece(
            "return",
            orders.line_customer[line],
            np.floor(orders.line_seconds[line] + delay),
            {
                **orders.goods(line),
                "quantity": -orders.quantity[line],
                "amount": -orders.paid[line],
                "channel": Coded(CHANNELS, orders.online[orders.line_order[line]].astype(np.int64)),
                "place": Coded(REGIONS, people.region[orders.line_customer[line]]),
            },
        )
    ]
