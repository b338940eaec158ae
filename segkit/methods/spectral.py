"""Cluster the graph of nearest neighbours by its eigenvectors: spectral clustering, for groups of any form."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, eigsh
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors

from segkit.core.checks import check_count
from segkit.methods.sampled import FEW_COLUMNS, SampledClusterer, check_clusters

SEVENTH = 7  # the neighbour whose distance is the scale of a customer [2]

SMALL = 200  # rows, up to which all eigenvectors are computed
LEAST_BASIS = 40  # vectors that Lanczos' method keeps at least
NEGLIGIBLE = 1e-8  # share of the weight of its ends, up to which a link is none
RESTARTS = 100  # of Lanczos' method; it needs far fewer, but for long chains


class SpectralGraph(SampledClusterer):
    """Cluster customers who are linked through near ones: k-means on eigenvectors of a graph of neighbours [1]_.

    Each customer is linked to the nearest others, with weight exp(−d² / (sᵢ sⱼ)), where s is the distance to the
    seventh neighbour [2]_. Groups may have any form and density. No customer is outside.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of groups.
    n_neighbors : int, default=10
        Number of nearest others that each customer is linked to.
    max_rows : int, default=20000
        Of more customers a sample of so many is looked at, and its nearest five label each of the others.
    random_state : int, default=0
        Seed of the sample, the eigenvectors and k-means.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n_customers,)
        Group of each customer, in the order of their first customers.
    n_sampled_ : int
        Number of customers that were looked at.
    n_features_in_ : int

    References
    ----------
    .. [1] Shi & Malik (2000), Normalized cuts and image segmentation, IEEE PAMI 22.
    .. [2] Zelnik-Manor & Perona (2004), Self-tuning spectral clustering, NIPS 17.

    Examples
    --------
    >>> import numpy as np
    >>> import segkit as sg
    >>> circle = np.linspace(0, 6.28, 40)
    >>> ring = np.column_stack([np.cos(circle), np.sin(circle)])
    >>> labels = sg.SpectralGraph(2).fit_predict(np.concatenate([ring, 3 * ring]))
    >>> bool((labels[:40] == 0).all() and (labels[40:] == 1).all())
    True
    """

    def __init__(self, n_clusters=8, n_neighbors=10, max_rows=20_000, random_state=0):
        self.n_clusters = n_clusters
        self.n_neighbors = n_neighbors
        self.max_rows = max_rows
        self.random_state = random_state

    def _clusters(self, rows, counts):
        check_clusters(self.n_clusters, len(rows))
        check_count("n_neighbors", self.n_neighbors, 1, "; 10 is usual")
        vectors = eigenvectors(neighbour_graph(rows, self.n_neighbors), self.n_clusters, self.random_state)
        kmeans = KMeans(self.n_clusters, n_init=10, random_state=self.random_state)
        return kmeans.fit(vectors, sample_weight=counts).labels_


def neighbour_graph(rows: np.ndarray, n_neighbors: int) -> scipy.sparse.csr_array:
    """Return the weights of links between different rows and their nearest others, the mean of both directions."""
    n = len(rows)
    near = min(max(n_neighbors, SEVENTH), n - 1)
    if not near:
        return scipy.sparse.csr_array((1, 1))
    algorithm = "kd_tree" if rows.shape[1] <= FEW_COLUMNS else "brute"
    distance, at = NearestNeighbors(n_neighbors=near, algorithm=algorithm).fit(rows).kneighbors()
    scale = np.maximum(distance[:, min(SEVENTH, near) - 1], 1e-300)
    linked = min(n_neighbors, near)
    start, end, apart = np.repeat(np.arange(n), linked), at[:, :linked].ravel(), distance[:, :linked].ravel()
    weight = np.exp(-(apart / scale[start]) * (apart / scale[end]))
    graph = scipy.sparse.csr_array((weight, (start, end)), shape=(n, n))
    return (graph + graph.T) / 2


def eigenvectors(graph: scipy.sparse.csr_array, n_vectors: int, random_state: int) -> np.ndarray:
    """Return the first eigenvectors of the random walk on a graph, each with its largest entry positive.

    Those of each unconnected part are found by themselves: all have the eigenvalue 1, of which Lanczos' method finds
    only one.

    Parameters
    ----------
    graph : sparse array of shape (n, n)
        Symmetric weights.
    n_vectors : int
    random_state : int
        Seed of the vector that Lanczos' method starts from.

    Returns
    -------
    ndarray of shape (n, n_vectors)
        The first ones are 0 outside one part each, the largest part first.
    """
    graph = _without_negligible(graph)
    n_parts, part = connected_components(graph, directed=False)
    wanted = max(n_vectors - n_parts, 0) + 1  # of each part
    found: list[tuple[float, int, np.ndarray, np.ndarray]] = []
    for i in range(n_parts):
        inside = np.flatnonzero(part == i)
        values, vectors = _of_connected(graph[inside][:, inside], min(wanted, len(inside)), random_state)
        found += [
            (value, len(inside), inside, vector) for value, vector in zip(values, vectors.T, strict=True)
        ]
    found.sort(key=lambda one: (-one[0], -one[1]))
    columns = np.zeros((graph.shape[0], n_vectors))
    for column, (_, _, inside, vector) in zip(columns.T, found, strict=False):
        column[inside] = vector
    return columns


def _without_negligible(graph: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Return a graph without links so weak that both ends hardly leave their part: numerically they are unconnected."""
    links = graph.tocoo()
    weight = graph.sum(axis=1)
    kept = links.data > NEGLIGIBLE * np.sqrt(weight[links.row] * weight[links.col])
    at = links.row[kept], links.col[kept]
    return scipy.sparse.csr_array((links.data[kept], at), shape=graph.shape)


def _of_connected(
    graph: scipy.sparse.csr_array, n_vectors: int, random_state: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first eigenvalues of a connected graph, the first exactly 1, and their eigenvectors."""
    n = graph.shape[0]
    weight = graph.sum(axis=1)
    if n_vectors == 1:
        return np.ones(1), np.full((n, 1), 1 / np.sqrt(weight.sum() or 1.0))
    root = scipy.sparse.diags_array(1 / np.sqrt(weight))
    walk = root @ graph @ root
    if n <= max(SMALL, 4 * n_vectors):
        values, vectors = np.linalg.eigh(walk.toarray())
        values, vectors = values[-n_vectors:], vectors[:, -n_vectors:]
    else:
        start = np.random.default_rng(random_state).normal(size=n)
        basis = max(4 * n_vectors, LEAST_BASIS)
        try:
            values, vectors = eigsh(walk, n_vectors, which="LA", v0=start, ncv=basis, maxiter=RESTARTS)
        except ArpackNoConvergence:  # a long chain of customers, of which a sparse factorisation is quick
            values, vectors = eigsh(walk.tocsc(), n_vectors, sigma=1 + 1e-6, which="LM", v0=start)
            order = np.argsort(values)
            values, vectors = values[order], vectors[:, order]
    vectors = root @ vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    vectors *= np.where(vectors[largest, np.arange(n_vectors)] < 0, -1.0, 1.0)
    return np.r_[1.0, np.minimum(values[::-1][1:], 1.0)], vectors
