"""Time the map of customers from the start of a process, beside umap-learn's, and say how faithful each is.

.venv/bin/python benchmarks/map.py
.venv/bin/python benchmarks/map.py 70_000 1_000_000
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import numpy as np

DIMENSIONS, GROUPS, NEIGHBORS = 20, 8, 15
CHECKED, TRIPLETS = 2_000, 100_000  # customers, and triplets of customers, that faithfulness is measured on


def customers(n: int) -> np.ndarray:
    """Return eight groups that overlap."""
    rng = np.random.default_rng(0)
    middles = 1.2 * rng.normal(size=(GROUPS, DIMENSIONS))
    return middles[rng.integers(0, GROUPS, n)] + rng.normal(size=(n, DIMENSIONS))


def kept(points: np.ndarray, places: np.ndarray) -> float:
    """Return which share of the nearest neighbours are neighbours on the map."""
    from sklearn.neighbors import NearestNeighbors

    rows = np.random.default_rng(1).choice(len(points), CHECKED, replace=False)
    near = [
        NearestNeighbors(n_neighbors=NEIGHBORS + 1).fit(table).kneighbors(table[rows], return_distance=False)
        for table in (points, places)
    ]
    return float(np.mean([len({*a} & {*b} - {r}) / NEIGHBORS for a, b, r in zip(*near, rows, strict=True)]))


def triplets(points: np.ndarray, places: np.ndarray) -> float:
    """Return how often the map says rightly which of two customers is more like a third."""
    one, two, three = np.random.default_rng(2).integers(0, len(points), (3, TRIPLETS))

    def nearer(table: np.ndarray) -> np.ndarray:
        return ((table[one] - table[two]) ** 2).sum(axis=1) < ((table[one] - table[three]) ** 2).sum(axis=1)

    return float((nearer(points) == nearer(places)).mean())


def measure(method: str, n: int) -> None:
    """Make one map in this process, and print what it cost and how faithful it is."""
    points = customers(n)
    began = time.perf_counter()
    if method == "umap-learn":
        from umap import UMAP

        places = UMAP(random_state=0, n_jobs=1).fit_transform(points)
    else:
        from segkit.explain.map_layouts import fast_layout

        places = fast_layout(points, NEIGHBORS, 0)
    used = resource.getrusage(resource.RUSAGE_SELF)
    facts = {
        "CPU s from process start": round(used.ru_utime + used.ru_stime, 1),
        "wall s of the map": round(time.perf_counter() - began, 1),
        "peak MB": used.ru_maxrss // 1024,
        "neighbours kept": round(kept(points, places), 3),
        "triplets right": round(triplets(points, places), 3),
    }
    print(json.dumps(facts))


def main(sizes: list[int]) -> None:
    """Measure each method in a process of its own; umap-learn only up to 20,000 customers."""
    for n in sizes:
        print(f"{n:,} customers x {DIMENSIONS}")
        for method in ("fast", "umap-learn") if n <= 20_000 else ("fast",):
            command = [sys.executable, __file__, "measure", method, str(n)]
            print(
                f"  {method:10}",
                subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).strip(),
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2], int(sys.argv[3]))
    else:
        main([int(n) for n in sys.argv[1:]] or [10_000])
