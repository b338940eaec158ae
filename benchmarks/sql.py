"""Time the SQL of k-means in DuckDB, on columns of two million customers, and count labels that differ from Python's.

.venv/bin/python benchmarks/sql.py
"""

from __future__ import annotations

import resource
import sys
import time

import duckdb
import numpy as np
import pandas as pd

import segkit as sg

CUSTOMERS = 2_000_000


def made(n: int, seed: int) -> pd.DataFrame:
    """Return eight features of customers, half of them skewed."""
    draw = np.random.default_rng(seed)
    skewed = {f"spend_{i}": draw.lognormal(3, 1, n) for i in range(4)}
    return pd.DataFrame(skewed | {f"score_{i}": draw.normal(0, 1, n) for i in range(4)})


def cpu() -> float:
    """Return the CPU time of this process, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Print the figures."""
    customers = made(CUSTOMERS, 1)
    result = sg.segment(customers.head(20_000), n_segments=6)
    text = sg.to_sql(result)
    connection = duckdb.connect()
    given = customers.reset_index(names="customer_id")
    connection.register("given", given)
    connection.execute("CREATE TABLE customers AS SELECT * FROM given").fetchall()
    started, used = time.perf_counter(), cpu()
    connection.execute(f"CREATE TABLE segments AS {text}").fetchall()
    took = f"{cpu() - used:.2f} CPU s, {time.perf_counter() - started:.2f} s"
    print(f"{CUSTOMERS:,} customers, 8 features, 6 segments: {took}")
    found = (
        connection.sql("SELECT segment_id FROM segments ORDER BY customer_id").df()["segment_id"].to_numpy()
    )
    print(f"Labels that differ from Python's: {(found != result.assign(customers).to_numpy()).sum():,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
