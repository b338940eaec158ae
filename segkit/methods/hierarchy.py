"""Cluster customers by a hierarchy, or by density, of a sample if there are many."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import HDBSCAN, AgglomerativeClustering
from sklearn.decomposition import PCA

from segkit.methods.sampled import SampledClusterer, check_clusters

MOST_COLUMNS = 10  # in more, all customers are about equally far from each other, and density says little
LEAST_SIZE = 10  # customers in a cluster of density
CORE = 10  # customers whose distance measures density


class SampledHierarchy(SampledClusterer):
    """Cut a hierarchy of customers into clusters, of a sample if there are many.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    linkage : {"ward", "average"}, default="ward"
        Join the two clusters with the least rise of the sum of squares, or with the least mean distance.
    max_rows : int, default=20000
        Of more customers a sample of so many is looked at, and its nearest five label each of the others.
    random_state : int, default=0
        Seed of the sample.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n_customers,)
    n_sampled_ : int
        Number of customers that were looked at.
    n_features_in_ : int

    Examples
    --------
    >>> SampledHierarchy(2, "average").fit_predict([[0.0], [1.0], [8.0], [9.0]])
    array([0, 0, 1, 1])
    """

    def __init__(self, n_clusters=8, linkage="ward", max_rows=20_000, random_state=0):
        self.n_clusters = n_clusters
        self.linkage = linkage
        self.max_rows = max_rows
        self.random_state = random_state

    def _clusters(self, rows, counts):
        check_clusters(self.n_clusters, len(rows))
        model = AgglomerativeClustering(self.n_clusters, linkage=self.linkage)
        return model.fit(np.repeat(rows, counts, axis=0)).labels_[np.cumsum(counts) - 1]


class SampledHDBSCAN(SampledClusterer):
    """Find clusters of high density (HDBSCAN [1]_), of a sample if there are many; others are outside.

    More than ten columns are reduced to their ten largest principal components before.

    Parameters
    ----------
    min_share : float, default=0.02
        Share of the customers that a cluster has at least.
    max_rows : int, default=20000
        Of more customers a sample of so many is looked at, and its nearest five label each of the others.
    random_state : int, default=0
        Seed of the sample.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n_customers,)
        Cluster of each customer; −1 is outside all clusters.
    n_sampled_ : int
        Number of customers that were looked at.
    n_features_in_ : int

    References
    ----------
    .. [1] Campello, Moulavi & Sander (2013), Density-based clustering based on hierarchical density estimates, PAKDD.

    Examples
    --------
    >>> import numpy as np
    >>> near = np.arange(10.0)[:, None] / 10
    >>> SampledHDBSCAN().fit_predict(np.concatenate([near, near + 8, [[99.0]]])).tolist()[::5]
    [0, 0, 1, 1, -1]
    """

    def __init__(self, min_share=0.02, max_rows=20_000, random_state=0):
        self.min_share = min_share
        self.max_rows = max_rows
        self.random_state = random_state

    def _clusters(self, rows, counts):
        if not 0 < self.min_share <= 0.5:
            raise ValueError(f"min_share={self.min_share!r} is no share of a least cluster. Say 0.02.")
        n = int(counts.sum())
        if rows.shape[1] > MOST_COLUMNS and len(rows) > MOST_COLUMNS:
            rows = PCA(MOST_COLUMNS, svd_solver="covariance_eigh").fit_transform(rows)
        every = np.repeat(rows, counts, axis=0)
        size = min(max(LEAST_SIZE, round(self.min_share * n)), max(n // 2, 2))
        model = HDBSCAN(min_cluster_size=size, min_samples=min(CORE, size, n), copy=True)
        return model.fit(every).labels_[np.cumsum(counts) - 1]
