"""Simulate a Parquet file of purchase lines, or of events of all kinds, of any size and skewed as in a real shop.

python benchmarks/generate.py 10_000_000 lines.parquet            # purchase lines
python benchmarks/generate.py 10_000_000 events.parquet events    # events of all kinds
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

CHUNK = 1_000_000
YEAR = 365 * 86_400
CATEGORIES = [f"category-{i:02d}" for i in range(20)]
SCHEMA = pa.schema(
    {
        "customer_id": pa.string(),
        "order_id": pa.string(),
        "timestamp": pa.timestamp("us"),
        "product_id": pa.string(),
        "category": pa.string(),
        "quantity": pa.int64(),
        "price": pa.float64(),
        "discount": pa.float64(),
    }
)

KINDS = {"page_view": 0.57, "cart_add": 0.13, "search": 0.09, "purchase": 0.21, "return": 0.0}
DEVICES = (
    *("Android phone", "iPhone", "Windows laptop", "MacBook", "iPad", "Android tablet", "Windows desktop"),
    *("Chromebook", "Linux desktop", "iMac", "Smart TV", "Games console"),
)
EVENTS_SCHEMA = pa.schema(
    {
        "customer_id": pa.string(),
        "timestamp": pa.timestamp("us"),
        "kind": pa.string(),
        "category": pa.string(),
        "device": pa.string(),
        "amount": pa.float64(),
    }
)


def make_purchase_lines(n_lines: int, path: str | Path, *, random_state: int = 0) -> Path:
    """Write purchase lines of one year, in row groups of a million.

    A fifth of the customers buy more than half, and few products sell most (power laws). Orders come in bursts of some
    days. There is one customer for every 100 lines, and one product for every 1,000.

    Parameters
    ----------
    n_lines : int
        Number of lines, 1 or more.
    path : str or Path
        File to write.
    random_state : int, default=0

    Returns
    -------
    Path
        The file: columns `customer_id`, `order_id`, `timestamp` (UTC), `product_id`, `category`,
        `quantity`, `price` (of one piece, after discount) and `discount` (of the line); not sorted by time.

    Raises
    ------
    ValueError
        If `n_lines` is below 1.
    """
    if n_lines < 1:
        raise ValueError(f"n_lines={n_lines} is not a number of lines. Ask for 1 or more.")
    rng = np.random.default_rng(random_state)
    n_customers, n_products = max(10, n_lines // 100), max(100, n_lines // 1000)
    shelf = np.round(np.exp(rng.normal(1.5, 0.8, n_products)) + 0.05, 2)
    written = orders = 0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        while written < n_lines:
            n = min(CHUNK, n_lines - written)
            customer, order, seconds = _burst_lines(n, n_customers, rng)
            product = _power_law(n, n_products, 2.5, rng)
            quantity = 1 + rng.poisson(0.4, n)
            share_off = np.where(rng.random(n) < 0.2, 0.2, 0.0)
            price = np.round(shelf[product] * (1 - share_off), 2)
            columns = [
                _ids("C", customer),
                _ids("O", order + orders),
                pa.array((1_704_067_200 + seconds).astype("datetime64[s]")).cast(pa.timestamp("us")),
                _ids("P", product),
                pa.array(CATEGORIES).take(pa.array(product % len(CATEGORIES))),
                pa.array(quantity),
                pa.array(price),
                pa.array(np.round(quantity * (shelf[product] - price), 2)),
            ]
            writer.write_table(pa.table(columns, schema=SCHEMA))
            written, orders = written + n, orders + int(order[-1]) + 1
    return Path(path)


def make_web_events(n_events: int, path: str | Path, *, random_state: int = 0) -> Path:
    """Write events of all kinds in one year, in row groups of a million.

    A fifth of the customers cause more than half of the events (a power law). A visit has eight events on average, a
    minute or two apart, and begins with a page view. A sixth of the events are purchases, each an order of its own.
    There is one customer for every 100 events.

    Parameters
    ----------
    n_events : int
        Number of events, 1 or more.
    path : str or Path
        File to write.
    random_state : int, default=0

    Returns
    -------
    Path
        The file: columns `customer_id`, `timestamp` (UTC, whole seconds), `kind` (page_view, cart_add, search,
        purchase or return), `category` (missing for a search), `device` (missing for a return) and `amount` (of a
        purchase; negative for a return); sorted by time within each million.

    Raises
    ------
    ValueError
        If `n_events` is below 1.
    """
    if n_events < 1:
        raise ValueError(f"n_events={n_events} is not a number of events. Ask for 1 or more.")
    rng = np.random.default_rng(random_state)
    n_customers, n_products = max(10, n_events // 100), max(100, n_events // 1000)
    own_device = _power_law(n_customers, len(DEVICES), 2.0, rng)  # the device that each customer uses most
    written, kinds = 0, pa.array(list(KINDS))
    with pq.ParquetWriter(path, EVENTS_SCHEMA, compression="zstd") as writer:
        while written < n_events:
            n = min(CHUNK, n_events - written)
            start, end = (YEAR * done / n_events for done in (written, written + n))
            customer, visit, seconds, kind = _visits(n, n_customers, start, end, rng)
            bought, back, searched = (kind == list(KINDS).index(k) for k in ("purchase", "return", "search"))
            n_visits = visit.max() + 1
            other = _power_law(n_visits, len(DEVICES), 2.0, rng)
            device = np.where(rng.random(n_visits)[visit] < 0.8, own_device[customer], other[visit])
            category = _power_law(n, n_products, 2.5, rng) % len(CATEGORIES)
            amount = np.round(np.exp(rng.normal(3.0, 0.8, n)) + 0.05, 2)
            columns = [
                _ids("C", customer),
                pa.array((1_704_067_200 + seconds).astype("datetime64[s]")).cast(pa.timestamp("us")),
                kinds.take(pa.array(kind)),
                pa.array(CATEGORIES).take(pa.array(category, mask=searched)),
                pa.array(DEVICES).take(pa.array(device, mask=back)),
                pa.array(np.where(back, -amount, amount), mask=~(bought | back)),
            ]
            writer.write_table(pa.table(columns, schema=EVENTS_SCHEMA))
            written += n
    return Path(path)


def _visits(
    n: int, n_customers: int, start: float, end: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw visits that begin in a part of the year, and return n events: customer, visit, time, index of the kind."""
    n_visits = n // 7 + 100  # more than needed
    visit = np.repeat(np.arange(n_visits), rng.geometric(1 / 8, n_visits))[:n]
    steps = rng.exponential(np.where(rng.random(n) < 0.05, 1_200, 60))  # a few pauses are long
    away = steps > 1_790  # after half an hour, a new visit opens with a page view
    opens = (visit != np.roll(visit, 1)) | away
    opens[0] = True
    closes = np.roll(visit, -1) != visit  # the last event may be a return
    kind = rng.choice(len(KINDS), n, p=list(KINDS.values()))
    kind[closes & (rng.random(n) < 0.15)] = list(KINDS).index("return")
    kind[opens] = list(KINDS).index("page_view")
    since_first = np.cumsum(steps)
    since_first -= since_first[np.searchsorted(visit, visit)]
    begun = start + rng.random(n_visits) * (end - start)
    seconds = np.minimum(begun[visit] + since_first, YEAR - 1).astype(np.int64)
    customer = _power_law(n_visits, n_customers, 3.0, rng)[visit]
    in_time = np.argsort(seconds, kind="stable")
    return customer[in_time], visit[in_time], seconds[in_time], kind[in_time]


def _burst_lines(
    n: int, n_customers: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw bursts of orders of lines, and return the first n lines: customer, order number, time."""
    n_bursts = n // 4 + 10
    burst = np.repeat(np.arange(n_bursts), rng.geometric(0.5, n_bursts))
    start = rng.random(n_bursts) * YEAR * 0.9
    customer = _power_law(n_bursts, n_customers, 3.0, rng)
    seconds = np.minimum(start[burst] + rng.exponential(5 * 86_400, len(burst)), YEAR - 1)
    lines = rng.geometric(0.25, len(burst))
    order = np.repeat(np.arange(len(burst)), lines)[:n]
    return customer[burst][order], order, seconds[order].astype(np.int64)


def _power_law(n: int, size: int, power: float, rng: np.random.Generator) -> np.ndarray:
    """Draw ranks from 0 to size - 1, the low ones most: the density falls as rank ** (1/power - 1)."""
    return (size * rng.random(n) ** power).astype(np.int64)


def _ids(letter: str, numbers: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(letter, pa.array(numbers).cast(pa.string()), "")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) < 2 or arguments[2:] not in ([], ["events"]):
        sys.exit(
            f"{Path(__file__).name} got {len(arguments)} argument(s). Give the number of rows and the file."
        )
    make = make_web_events if arguments[2:] else make_purchase_lines
    print(make(int(arguments[0]), arguments[1]))
