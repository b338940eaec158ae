"""Time what people wait for every day: the import, assigning customers, and confidence.

    python benchmarks/everyday.py

In the same run, the import is compared with a bare Python and with pandas, and assigning with scikit-learn's
``predict`` on the prepared features.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

import numpy as np
import pandas as pd

import segkit as sg


def seconds_of(code: str, repeats: int = 7) -> float:
    """Return the median wall time of a fresh interpreter that runs some code."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def imports() -> None:
    """Print the time of the import beyond a bare interpreter."""
    bare = seconds_of("pass")
    for name in ("segkit", "pandas"):
        print(
            f"import {name:<7} {seconds_of(f'import {name}') - bare:7.3f} s beyond a bare Python's {bare:.3f} s"
        )


def simulated(n_customers: int) -> pd.DataFrame:
    """Return customers with 20 skewed features, some values missing, and one categorical feature."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.lognormal(size=(n_customers, 20)), columns=[f"feature_{i}" for i in range(20)])
    table[table > 20] = np.nan
    return table.assign(category=pd.Categorical(rng.choice(list("abcdefgh"), n_customers)))


def per_call(work, repeats: int) -> float:
    """Return the median seconds of one call."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def cpu_per_call(work, repeats: int) -> float:
    """Return the mean processor seconds of one call."""
    work()
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats


def assigning() -> None:
    """Print the time to assign 1, 100,000 and 1 M customers, compared with the clusterer's own predict."""
    customers = simulated(1_000_000)
    for method in ("kmeans", "gaussian_mixture", "ward"):
        result = sg.segment(customers.head(5_000), n_segments=5, method=method)
        one = customers.head(1)
        alone = cpu_per_call(lambda result=result, one=one: result.assign(one), 500)
        result.confidence  # noqa: B018  refits the models once
        sure = cpu_per_call(lambda result=result, one=one: result.place(one), 50)
        print(f"{method:<17} assign of one {alone * 1e3:6.3f} CPU ms; place of one {sure * 1e3:6.2f} CPU ms")
    result = sg.segment(customers.head(5_000), n_segments=5)
    clusterer = result.model[-1]
    for n, repeats in ((1, 300), (100_000, 3), (1_000_000, 1)):
        some = customers.head(n)
        prepared = result.model[:-1].transform(some)
        ours = per_call(lambda some=some: result.assign(some), repeats)
        cpu = cpu_per_call(lambda some=some: result.assign(some), repeats)
        theirs = per_call(lambda prepared=prepared: clusterer.predict(prepared), repeats)
        print(
            f"assign {n:>9,}: {ours * 1e3:9.2f} ms ({cpu * 1e3:.2f} CPU ms) from raw features; {theirs * 1e3:7.2f} ms "
            f"is KMeans.predict on prepared ones alone (ratio {ours / theirs:.1f})"
        )


def confidence() -> None:
    """Print the time of confidence for 100,000 customers with 20 features, with and without groups."""
    rng = np.random.default_rng(0)
    groups = rng.normal(size=(100_000, 20)) + 3 * rng.normal(size=(5, 20))[rng.integers(5, size=100_000)]
    for name, rows in (("five groups", groups), ("no groups", rng.normal(size=(100_000, 20)))):
        table = pd.DataFrame(rows, columns=[f"feature_{i}" for i in range(20)])
        result = sg.segment(table, n_segments=5)
        start = time.process_time()
        result.confidence  # noqa: B018
        print(f"confidence of 100,000 ({name}): {time.process_time() - start:.2f} CPU s")


if __name__ == "__main__":
    imports()
    assigning()
    confidence()
    print(f"load (1, 5, 15 min) {', '.join(f'{x:.2f}' for x in os.getloadavg())}; {os.cpu_count()} cores")
