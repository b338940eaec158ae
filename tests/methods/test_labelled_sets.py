"""Methods find the known groups of public data sets."""

import numpy as np
import pytest
from labelled_sets import best_rand, labelled_sets
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from segkit.methods.fitting import fit_and_label, make_model

LEAST = {"robust_linkage": 0.82, "spectral": 0.74, "gaussian_mixture": 0.69, "hdbscan": 0.60}


def plain(table, k):
    """Return the labels of k-means after plain standardising."""
    return make_pipeline(StandardScaler(), KMeans(k, n_init=10, random_state=0)).fit_predict(table)


def by_method(method):
    def labels(table, k):
        return fit_and_label(make_model(method, None if method == "hdbscan" else k, table, 0), table)[0]

    return labels


@pytest.mark.simulation
def test_known_groups_are_found():
    """By one set of parameters for all sets; the default is beside plain standardising."""
    methods = {"plain": plain} | {m: by_method(m) for m in ("kmeans", *LEAST)}
    with threadpool_limits(1):
        scores = [
            [best_rand(divide, table, known) for divide in methods.values()]
            for _, table, known in labelled_sets()
        ]
    mean = dict(zip(methods, np.mean(scores, axis=0), strict=True))
    assert len(scores) == 37
    assert {m: mean[m] for m in LEAST if mean[m] < LEAST[m]} == {}
    assert mean["kmeans"] > mean["plain"] - 0.01


def test_the_best_of_several_labellings_counts():
    """Noise, 0, is left out of each."""

    def halves(table, k):
        return np.arange(len(table)) * k // len(table)

    table = np.zeros((8, 1))
    four, two = np.repeat([1, 2, 3, 4], 2), np.array([1, 1, 2, 0, 2, 2, 1, 1])
    assert best_rand(halves, table, [two]) < 0.1
    assert best_rand(halves, table, [two, four]) == 1
    assert best_rand(halves, table, [np.array([1, 1, 1, 0, 0, 2, 2, 2])]) == 1
