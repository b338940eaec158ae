"""Compare methods on 37 public data sets with known groups, at the known number of groups.

python benchmarks/methods.py [method …]
"""

import sys
import time
from pathlib import Path

import pandas as pd
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from segkit.methods.fitting import FIND_THE_NUMBER, METHODS, fit_and_label, make_model

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from labelled_sets import BENCHMARK, best_rand, labelled_sets
from shared_data import shared

PLAIN = "kmeans, plain standardising"
PUBLISHED = {
    "Genie_G0.3": "robust linkage",
    "ITM": "information-theoretic spanning tree",
    "sklearn_gm": "Gaussian mixture",
    "fastcluster_ward": "Ward",
    "sklearn_kmeans": "k-means",
    "fastcluster_average": "average linkage",
    "FCPS_HDBSCAN_8": "HDBSCAN",
}
"""Methods of the benchmark, by the name of their published scores."""


def divide(method):
    """Return a function from a table and k to labels."""

    def labels(table, k):
        if method == PLAIN:
            model = make_pipeline(StandardScaler(), KMeans(k, n_init=10, random_state=0))
        else:
            model = make_model(method, None if method in FIND_THE_NUMBER else k, table, 0)
        return fit_and_label(model, table)[0]

    return labels


def published():
    """Return the mean over the sets of the published scores."""
    scores = pd.read_csv(shared(BENCHMARK) / "reference_scores.csv")
    best = scores.groupby(["method", "battery", "dataset"])["AR"].max().groupby("method")
    return pd.DataFrame({"mean": best.mean(), "sets": best.size()})


def main():
    methods = sys.argv[1:] or [PLAIN, *(m for m in METHODS if m != "parts")]  # these tables hold no counts
    scores, seconds = {}, dict.fromkeys(methods, 0.0)
    with threadpool_limits(1):
        for name, table, known in labelled_sets():
            scores[name] = {}
            for method in methods:
                began = time.process_time()
                scores[name][method] = best_rand(divide(method), table, known)
                seconds[method] += time.process_time() - began
    table = pd.DataFrame(scores).T
    print(table.round(2).to_string(), end="\n\n")
    print(pd.DataFrame({"mean": table.mean().round(3), "CPU s": pd.Series(seconds).round(1)}).to_string())
    print("\nPublished scores of the same sets:")
    print(published().loc[list(PUBLISHED)].round(3).rename(PUBLISHED).to_string())
    print("The best of all published methods:")
    everywhere = published().query("sets == sets.max()")
    print(everywhere.sort_values("mean", ascending=False).head(5).round(3).to_string())


if __name__ == "__main__":
    main()
