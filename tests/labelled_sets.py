"""Public data sets with known groups, and how well a clusterer finds them."""

import numpy as np
import pandas as pd
from shared_data import shared
from sklearn.metrics import adjusted_rand_score

BENCHMARK = "clustering_benchmark"


def labelled_sets():
    """Return the name, the customers, and the known labels of each set; 0 is noise. Constant columns are left out."""
    root = shared(BENCHMARK)
    sets = pd.read_csv(root / "catalogue.csv")[["battery", "dataset"]].drop_duplicates()
    for battery, name in sets.itertuples(index=False):
        values = np.loadtxt(root / battery / f"{name}.data.gz", ndmin=2)
        values = values[:, values.std(axis=0) > 0]
        labels = sorted((root / battery).glob(f"{name}.labels*.gz"))
        table = pd.DataFrame(values, columns=[f"f{i:02}" for i in range(values.shape[1])])
        yield f"{battery}/{name}", table, [np.loadtxt(path, dtype=int) for path in labels]


def best_rand(divide, table, known):
    """Return the adjusted Rand index of a function from a table and k to labels, at the known k; noise is left out.

    Of several known labellings the best counts, as the benchmark prescribes.
    """
    found = {k: divide(table, k) for k in {len(set(labels) - {0}) for labels in known}}
    return max(
        adjusted_rand_score(labels[labels > 0], found[len(set(labels) - {0})][labels > 0]) for labels in known
    )
