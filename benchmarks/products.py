"""Time recommendations in a shop of a million customers, and measure the methods on real logs.

.venv/bin/python benchmarks/products.py [folder of real data]
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

import segkit as sg
from segkit.datasets.complete_journey import CompleteJourney
from segkit.tailor.products.methods import METHODS, fit_method
from segkit.tailor.products.purchase_matrix import purchase_matrix
from segkit.tailor.products.ranking import blocks, top_products

CUSTOMERS, PRODUCTS, LINES = 1_000_000, 8_000, 10_000_000
DAYS = 365
HORIZON = pd.Timedelta("28 days")


def made() -> sg.Events:
    """Return purchases of products whose popularity falls with their rank."""
    draw = np.random.default_rng(0)
    chance = 1 / np.arange(10, PRODUCTS + 10)
    customer = draw.integers(0, CUSTOMERS, LINES)
    product = draw.choice(PRODUCTS, LINES, p=chance / chance.sum())
    seconds = draw.integers(0, DAYS * 86_400, LINES)
    ids = pa.array([f"c{i:07}" for i in range(CUSTOMERS)])
    products = pa.array([f"p{i:04}" for i in range(PRODUCTS)])
    lines = {
        "customer_id": ids.take(pa.array(customer)),
        "product_id": products.take(pa.array(product)),
        "timestamp": pa.array(np.datetime64("2024-01-01", "us") + seconds * np.timedelta64(1_000_000, "us")),
    }
    return sg.read_events(pa.table(lines), kind="purchase").cache()


def timed(what: str, run: Callable[[], Any]) -> Any:
    """Run, and print processor and wall seconds, and the most memory so far."""
    used, started = time.process_time(), time.perf_counter()
    result = run()
    cpu, wall = time.process_time() - used, time.perf_counter() - started
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{what}: {cpu:.1f} CPU s, {wall:.1f} s, at most {most:.2f} GB so far", flush=True)
    return result


def best_products(scorer: Any, rows: np.ndarray, n_products: int) -> None:
    """Rank the products of some customers, block by block."""
    for block in blocks(rows, n_products, "Ranking"):
        top_products(scorer.scores(block), 10)


def real_logs(folder: Path) -> None:
    """Print the scoreboard of the last 28 days of each real log, with RFM segments made before them."""
    os.environ["SEGKIT_DATA_HOME"] = str(folder)
    logs = {
        "Online Retail": sg.datasets.fetch_online_retail(),
        "The Complete Journey": CompleteJourney(folder / "complete_journey", "department").events,
    }
    for name, events in logs.items():
        as_of = events.last + pd.Timedelta("1us")
        customers = sg.customer_features(events, sg.RFM, as_of=as_of - HORIZON)
        segments = pd.Series(sg.RFMSegmenter().fit_predict(customers), index=customers.index)
        options = {"as_of": as_of, "horizon": HORIZON, "by": segments}
        board = timed(name, lambda e=events, o=options: sg.recommendation_scoreboard(e, **o))
        print(
            board[["goal", "method", "customers", "recall", "ndcg", "hit", "gain", "verdict"]]
            .round(4)
            .to_string()
        )


def main() -> int:
    """Print the figures."""
    if len(sys.argv) > 1:
        real_logs(Path(sys.argv[1]))
    events = timed("making and storing 10 M lines", made)
    purchases = timed("purchase_matrix", lambda: purchase_matrix(events, "2025-01-01"))
    rows = np.arange(len(purchases.customers))
    labels = pd.Series(rows % 12, index=purchases.customers)
    for name in METHODS:
        scorer = timed(f"fit {name}", lambda m=name: fit_method(m, purchases, labels))
        timed("  rank 20,000 customers", lambda s=scorer: best_products(s, rows[:20_000], PRODUCTS))
        del scorer
    return 0


if __name__ == "__main__":
    sys.exit(main())
