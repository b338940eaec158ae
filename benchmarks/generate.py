"""Write a Parquet file of purchase lines of any size, with the skew of a real shop.

Run ``python3 benchmarks/generate.py 10_000_000 lines.parquet``.
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


def make_purchase_lines(n_lines: int, path: str | Path, *, random_state: int = 0) -> Path:
    """Write purchase lines of one year, a row group of a million at a time.

    A fifth of the customers buys more than half, and few products sell most (power laws);
    a customer's orders come in bursts of some days. There is a customer for every 100 lines, and a
    product for every 1,000.

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
        `quantity`, `price` (of one, after discount) and `discount` (of the line); in no order of time.

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
    if len(sys.argv) != 3:
        sys.exit(f"{Path(__file__).name} got {len(sys.argv) - 1} argument(s). Say how many lines and where.")
    print(make_purchase_lines(int(sys.argv[1]), sys.argv[2]))
