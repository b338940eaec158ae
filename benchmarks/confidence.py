"""Measure whether a model of other customers agrees as often as `confidence` says.

    python benchmarks/confidence.py --data-sets 30 --customers 300 1000 3000 6000
    python benchmarks/confidence.py --data-sets 20 --customers 300 --null

Each simulated data set has a population of its own. Segments are made of n customers, and give 1,000 others a
confidence. Then models of n other customers each place the same 1,000, and their agreement is compared with it.
Method "made" also makes a segment of those who lie beyond a line, by `make_segment`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

import segkit as sg

BINS = np.array([0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 1.01])  # of confidence
SMALLEST_BIN = 0.05  # share of the customers of a bin that counts among the worst
METHODS = {
    "kmeans": KMeans(n_init=10),
    "ward": AgglomerativeClustering(),
    "gaussian_mixture": GaussianMixture(n_init=3, reg_covar=1e-4),
    "made": KMeans(n_init=10),
}
FEATURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "amount": lambda z: np.exp(z + 3),
    "count": lambda z: np.round(np.exp(0.7 * z + 2)),
    "score": lambda z: np.clip(np.round(z + 2), 0, 4),
    "rare": lambda z: np.where(z < 0, 0.0, np.ceil(np.exp(z))),
    "balance": lambda z: z,
    "word": lambda z: np.array(["web", "shop", "app", "phone"])[np.digitize(z, [-0.7, 0.2, 0.9])],
}
"""How a feature shows its latent variable."""


def random_population(rng: np.random.Generator, *, null: bool) -> Callable[[int], pd.DataFrame]:
    """Return a function that draws n customers of a population with random settings.

    It has 1 to 6 normal groups (1 if `null`) of random shares and distances, and 3 to 10 correlated features of all
    sorts. Values are missing at random, or where another feature is low.
    """
    groups, d = 1 if null else int(rng.integers(1, 7)), int(rng.integers(3, 11))
    shares = 0.05 + (1 - 0.05 * groups) * rng.dirichlet(np.ones(groups))
    distances = rng.uniform(0, 6) * rng.dirichlet(np.ones(d)) ** 0.5
    centers = rng.normal(size=(groups, d)) * distances / np.sqrt(2)
    loadings = rng.normal(size=(d, 2)) * rng.uniform(0, 1.5)
    covariance = loadings @ loadings.T + np.eye(d)
    deviations = np.sqrt(np.diag(covariance))
    root = np.linalg.cholesky(covariance / np.outer(deviations, deviations))
    kinds, cuts = rng.choice(list(FEATURES), d), rng.uniform(-0.5, 1, d)
    missing_share = np.where(rng.random(d) < 0.2, rng.uniform(0.02, 0.3, d), 0.0)
    reason, depends = int(rng.integers(d)), (rng.random(d) < 0.4) & (rng.random() < 0.4)
    depends[reason] = False

    def draw(n: int) -> pd.DataFrame:
        latent = centers[rng.choice(groups, n, p=shares)] + rng.normal(size=(n, d)) @ root.T
        table = {f"{kind}_{i}": FEATURES[kind](latent[:, i] - cuts[i]) for i, kind in enumerate(kinds)}
        low = latent[:, reason] < cuts[reason] - 0.5
        return pd.DataFrame(table).mask((rng.random((n, d)) < missing_share) | (low[:, None] & depends))

    return draw


def agreement(labels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return which customers have the same label, once segments are matched one to one by shared customers."""
    shared = np.zeros((labels.max() + 1, others.max() + 1))
    np.add.at(shared, (labels, others), 1)
    rows, columns = linear_sum_assignment(-shared)
    match = np.full(shared.shape[1], -1)
    match[columns] = rows
    return match[others] == labels


def reliability(
    method: str, n: int, *, data_sets: int, fresh: int = 5, null: bool = False, random_state: int = 0
) -> pd.DataFrame:
    """Return the confidence of new customers, and how many models of other customers agree.

    Parameters
    ----------
    method : {"kmeans", "ward", "gaussian_mixture", "made"}
    n : int
        Customers that segments are made of.
    data_sets : int
    fresh : int, default=5
        Models of other customers for each data set.
    null : bool, default=False
        Whether each population has one group only.
    random_state : int

    Returns
    -------
    DataFrame
        Columns `data_set`, `confidence`, `agreement` (share of the fresh models); 1,000 rows for each data set.
    """
    rng = np.random.default_rng([random_state, n, null])
    tables = []
    for data_set in range(data_sets):
        draw, size = random_population(rng, null=null), int(rng.integers(2, 9))
        clusterer = clone(METHODS[method]).set_params(
            **{"n_components" if method == "gaussian_mixture" else "n_clusters": size}
        )
        chosen = _beyond_a_line(draw(2_000)) if method == "made" else None
        result, new = _segments(clusterer, draw(n), chosen), draw(1_000)
        placed = result.place(new)
        agrees = [
            agreement(placed["segment_id"].to_numpy(), _fresh_labels(clusterer, draw(n), new, chosen))
            for _ in range(fresh)
        ]
        tables.append(
            pd.DataFrame(
                {
                    "data_set": data_set,
                    "confidence": placed["confidence"],
                    "agreement": np.mean(agrees, axis=0),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _beyond_a_line(customers: pd.DataFrame) -> Callable[[pd.DataFrame], np.ndarray]:
    """Return a function that chooses those customers of a table who lie beyond a line, about a quarter."""
    preparer = sg.make_preparer().fit(customers)

    def score(table: pd.DataFrame) -> np.ndarray:
        return np.asarray(preparer.transform(table))[:, :2].sum(axis=1)

    line = np.quantile(score(customers), 0.75)
    return lambda table: score(table) > line


def _segments(clusterer, customers: pd.DataFrame, chosen: Callable | None) -> sg.Segmentation:
    result = sg.segment(customers, model=make_pipeline(sg.make_preparer(), clone(clusterer)))
    return result if chosen is None else sg.make_segment(result, chosen(customers), "Made")


def _fresh_labels(
    clusterer, customers: pd.DataFrame, new: pd.DataFrame, chosen: Callable | None
) -> np.ndarray:
    if chosen is not None:
        return _segments(clusterer, customers, chosen).assign(new).to_numpy()
    preparer, clusterer = sg.make_preparer().fit(customers), clone(clusterer)
    rows, new_rows = preparer.transform(customers), preparer.transform(new)
    if hasattr(clusterer, "predict"):
        return clusterer.fit(rows).predict(new_rows)
    return KNeighborsClassifier(1).fit(rows, clusterer.fit_predict(rows)).predict(new_rows)


def by_bin(measured: pd.DataFrame) -> pd.DataFrame:
    """Return confidence less agreement in each bin of confidence, with its standard error over data sets."""
    measured = measured.assign(
        difference=measured["confidence"] - measured["agreement"],
        bin=pd.cut(measured["confidence"], BINS, right=False),
    )
    bins = measured.groupby("bin", observed=True)
    table = bins[["confidence", "agreement", "difference"]].mean()
    table.insert(0, "share", bins.size() / len(measured))
    off = measured["difference"] - measured["bin"].map(table["difference"]).astype(float)
    sums = off.groupby([measured["bin"], measured["data_set"]], observed=True).sum()
    table["error"] = np.sqrt((sums**2).groupby("bin", observed=True).sum()) / bins.size()
    return table


def main() -> None:
    """Print a row of a table for each method and size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-sets", type=int, default=10)
    parser.add_argument("--customers", type=int, nargs="+", default=[300])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--null", action="store_true", help="populations without groups")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| method | customers | data sets | average error | worst bin | all: confidence − agreement |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for method in chosen.methods:
        for n in chosen.customers:
            start = time.process_time()
            with threadpool_limits(limits=1):
                measured = reliability(method, n, data_sets=chosen.data_sets, null=chosen.null)
            table = by_bin(measured)
            full = table[table["share"] >= SMALLEST_BIN] * 100
            average = (table["difference"].abs() * table["share"]).sum() * 100
            worst = full.loc[full["difference"].abs().idxmax()]
            bias = (measured["confidence"] - measured["agreement"]).mean() * 100
            print(
                f"| {method}{', null data' * chosen.null} | {n:,} | {chosen.data_sets} | {average:.1f} | "
                f"{worst['difference']:+.1f} ± {worst['error']:.1f} | {bias:+.1f} |",
                flush=True,
            )
            seconds = time.process_time() - start
            print(f"\n{(table * 100).round(1).to_string()}\n{seconds:.0f} CPU s\n", flush=True)


if __name__ == "__main__":
    main()
