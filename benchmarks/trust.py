"""Time ``scan_clusters``, ``multiverse`` and the kind of segments, and compare the scan with a naive one.

    python benchmarks/trust.py speed 100_000
    python benchmarks/trust.py multiverse 100_000
    python benchmarks/trust.py kind 100_000
    python benchmarks/trust.py faithful four_groups

A scan is k = 2 … 12 with 20 resamples and silhouettes. Naive is scikit-learn's KMeans on all customers, and on
bootstrap samples of all of them (one start less each, as segkit does), adjusted Rand indices, and every silhouette.
Data sets: four_groups, log_normal (no groups), complete_journey, online_retail, s3, a1 (real ones from SEGKIT_SHARED,
or ../shared/data).
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from threadpoolctl import threadpool_limits

import segkit as sg
from segkit.trust.stability import quick_stability

K = range(2, 13)
RESAMPLES = 20
SHARED = Path(os.environ.get("SEGKIT_SHARED") or Path(__file__).resolve().parents[2] / "shared" / "data")
UNKNOWN = ("category", "top_category", "discount")  # missing in these logs
BEHAVIOUR = tuple(f for f in sg.RFM + sg.CADENCE + sg.BASKET if not f.name.startswith(UNKNOWN))


def generated(n: int, *, groups: int, apart: float = 1.2, d: int = 20) -> pd.DataFrame:
    """Return log-normal features of a continuum, or of groups with random means."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(n, d))
    if groups:
        latent += apart * rng.normal(size=(groups, d))[rng.integers(groups, size=n)]
    return pd.DataFrame(np.exp(latent), columns=[f"feature_{i}" for i in range(d)])


def real(name: str) -> pd.DataFrame:
    """Return customers from real data beside the checkout."""
    if name == "complete_journey":
        lines = pd.read_parquet(SHARED / name / "transactions.parquet")
        events = sg.read_events(
            lines,
            kind="purchase",
            customer_id="household_id",
            timestamp="transaction_timestamp",
            order_id="basket_id",
            product_id="product_id",
            quantity="quantity",
            amount="sales_value",
        )
        return sg.customer_features(events, BEHAVIOUR, as_of="2018-01-01")
    if name == "online_retail":
        events = sg.read_events(
            SHARED / name / "online_retail.parquet",
            kind="purchase",
            customer_id="CustomerID",
            timestamp="InvoiceDate",
            order_id="InvoiceNo",
            product_id="StockCode",
            quantity="Quantity",
            price="UnitPrice",
        )
        return sg.customer_features(events, BEHAVIOUR, as_of="2011-12-10")
    points = np.loadtxt(SHARED / "clustering_benchmark" / "sipu" / f"{name}.data.gz")
    return pd.DataFrame(points, columns=[f"feature_{i}" for i in range(points.shape[1])])


def data(name: str, n: int = 10_000) -> pd.DataFrame:
    """Return a data set by name; generated ones with n customers."""
    if name in ("four_groups", "log_normal"):
        return generated(n, groups=4 if name == "four_groups" else 0)
    return real(name)


def naive_scan(prepared: np.ndarray, seed: int) -> pd.DataFrame:
    """Scan without compression: all customers, each time."""
    rng = np.random.default_rng(seed)
    n = len(prepared)
    drawn = [rng.integers(n, size=n) for _ in range(RESAMPLES)]
    rows = {}
    for k in K:
        labels = KMeans(k, n_init=10, random_state=seed).fit_predict(prepared)
        agreement = []
        for i, rows_drawn in enumerate(drawn):
            refit = KMeans(k, n_init=3, random_state=1_000 * seed + i).fit(prepared[rows_drawn])
            agreement.append(adjusted_rand_score(labels, refit.predict(prepared)))
        rows[k] = {
            "stability": np.mean(agreement),
            "silhouette": silhouette_score(prepared, labels),
            "smallest": np.bincount(labels).min() / n,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("k")


def spent(work):
    """Return a result with its CPU seconds and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def segkit_scan(customers: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Scan by segkit."""
    return sg.scan_clusters(customers, k=K, resamples=RESAMPLES, random_state=seed, progress=False)


def faithful(name: str) -> None:
    """Compare two scans by segkit with three naive ones, and these with each other."""
    customers = data(name)
    prepared = sg.make_preparer().fit_transform(customers.sort_index())
    with threadpool_limits(limits=1):
        naive = [spent(lambda s=s: naive_scan(prepared, s)) for s in (1, 2, 3)]
        ours = [spent(lambda s=s: segkit_scan(customers, s)) for s in (1, 2)]
    print(
        f"{name}: {len(customers):,} customers, {prepared.shape[1]} prepared features; CPU s naive {naive[0][1]:.1f}, "
        f"segkit {ours[0][1]:.1f}",
        flush=True,
    )
    pairs = {
        "naive / naive": [(naive[i][0], naive[j][0]) for i, j in ((0, 1), (0, 2), (1, 2))],
        "segkit / naive": [(a[0], b[0]) for a in ours for b in naive],
    }
    for measure in ("stability", "silhouette", "smallest"):
        for pair, both in pairs.items():
            r = np.mean([np.corrcoef(a[measure], b[measure])[0, 1] for a, b in both])
            apart = np.mean([(a[measure] - b[measure]).abs().mean() for a, b in both])
            print(f"  {measure:<11} {pair:<15} correlation {r:6.3f}   mean absolute difference {apart:.4f}")


def speed(n: int) -> None:
    """Time one scan of generated customers."""
    customers = generated(n, groups=4)
    sg.scan_clusters(customers.head(500), k=[2], resamples=2, progress=False)  # imports are not the scan's
    _, cpu, wall = spent(lambda: segkit_scan(customers, 0))
    print(f"scan of {n:,}: CPU {cpu:.1f} s, wall {wall:.1f} s")


def many_ways(n: int) -> None:
    """Time one multiverse of generated customers."""
    customers = generated(n, groups=4)
    sg.multiverse(customers.head(300), n_segments=3, pipelines=8, progress=False)
    result, cpu, wall = spent(lambda: sg.multiverse(customers, n_segments=4, progress=False))
    print(f"multiverse of {n:,}: CPU {cpu:.1f} s, wall {wall:.1f} s. {result}")


def kind(n: int) -> None:
    """Time the structure test and the quick stability check that give segments their kind."""
    customers = generated(n, groups=0)
    result = sg.segment(customers, n_segments=5)
    quick_stability(result)  # imports
    stability, cpu, _ = spent(lambda: quick_stability(result))
    print(f"quick stability of {n:,}: CPU {cpu:.2f} s, {stability:.2f}. {result.kind_sentence}")
    _, cpu, _ = spent(lambda: sg.structure_test(customers, progress=False))
    print(f"structure test of {n:,}: CPU {cpu:.2f} s")


if __name__ == "__main__":
    commands = {"speed": speed, "multiverse": many_ways, "kind": kind}
    if len(sys.argv) != 3 or sys.argv[1] not in (*commands, "faithful"):
        sys.exit(__doc__)
    what, which = sys.argv[1:]
    if what == "faithful":
        faithful(which)
    else:
        commands[what](int(which))
    print(f"load (1, 5, 15 min) {', '.join(f'{x:.2f}' for x in os.getloadavg())}; {os.cpu_count()} cores")
