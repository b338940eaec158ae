"""Cluster groups of any form by a single linkage that lets no part stay small (Gagolewski, Bartoszuk and Cena 2016)."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from segkit.methods.sampled import SampledClusterer, check_clusters


class RobustLinkage(SampledClusterer):
    """Join near customers into groups of any form, and small groups first where sizes become unequal [1]_.

    Single linkage follows curved and elongated groups, but leaves single outliers for last. Here, whenever the sizes of
    the parts are more unequal than a Gini index, the next join is one of a smallest part. No customer is outside.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of groups.
    gini : float, default=0.3
        Gini index of the sizes of the parts, in [0, 1], above which a smallest part is joined next. 1 is single
        linkage; the lower, the more equal are the groups.
    max_rows : int, default=30000
        Of more customers a sample of so many is looked at, and its nearest five label each of the others.
    random_state : int, default=0
        Seed of the sample.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n_customers,)
        Group of each customer, in the order of their first customers.
    n_sampled_ : int
        Number of customers that were looked at.
    n_features_in_ : int

    Notes
    -----
    Equal customers are joined first. The tree that joins take their lengths from is exact, and needs n² distances.

    References
    ----------
    .. [1] Gagolewski, Bartoszuk & Cena (2016), Genie: A new, fast, and outlier-resistant hierarchical clustering
       algorithm, Information Sciences 363.

    Examples
    --------
    >>> import numpy as np
    >>> import segkit as sg
    >>> circle = np.linspace(0, 6.28, 40)
    >>> ring = np.column_stack([np.cos(circle), np.sin(circle)])
    >>> labels = sg.RobustLinkage(2).fit_predict(np.concatenate([ring, 3 * ring]))
    >>> bool((labels[:40] == 0).all() and (labels[40:] == 1).all())
    True
    """

    def __init__(self, n_clusters=8, gini=0.3, max_rows=30_000, random_state=0):
        self.n_clusters = n_clusters
        self.gini = gini
        self.max_rows = max_rows
        self.random_state = random_state

    def _clusters(self, rows, counts):
        check_clusters(self.n_clusters, len(rows))
        if not 0 <= self.gini <= 1:
            raise ValueError(f"gini={self.gini!r} is no Gini index. Say a number from 0 to 1; 0.3 is usual.")
        start, end, length = spanning_tree(rows)
        order = np.lexsort((np.maximum(start, end), np.minimum(start, end), length))
        return _joined(list(zip(start[order].tolist(), end[order].tolist(), strict=True)), counts, self)


def spanning_tree(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the minimum spanning tree of Euclidean distances, by Prim's algorithm.

    Parameters
    ----------
    rows : ndarray of shape (n, n_columns)

    Returns
    -------
    start, end : ndarray of int, shape (n − 1,)
        The rows that each edge joins.
    length : ndarray of shape (n − 1,)
        Squared.

    Examples
    --------
    >>> spanning_tree(np.array([[0.0], [5.0], [1.0]]))
    (array([0, 2]), array([2, 1]), array([ 1., 16.]))
    """
    n = len(rows)
    start, end = np.empty(n - 1, dtype=int), np.empty(n - 1, dtype=int)
    length = np.empty(n - 1)
    at, others, points = 0, np.arange(1, n), rows[1:]
    nearest, origin = np.full(n - 1, np.inf), np.zeros(n - 1, dtype=int)
    waiting = np.ones(n - 1, dtype=bool)
    for step in range(n - 1):
        apart = cdist(rows[at : at + 1], points, "sqeuclidean")[0]
        closer = (apart < nearest) & waiting
        np.copyto(nearest, apart, where=closer)
        np.copyto(origin, at, where=closer)
        next_one = int(nearest.argmin())
        start[step], end[step], length[step] = origin[next_one], others[next_one], nearest[next_one]
        at = int(others[next_one])
        waiting[next_one], nearest[next_one] = False, np.inf
        if n - 2 - step < 0.8 * len(others):  # leave out those that are joined
            others, nearest, origin = others[waiting], nearest[waiting], origin[waiting]
            points, waiting = rows[others], np.ones(len(others), dtype=bool)
    return start, end, length


class _Parts:
    """Sets of rows that are joined, with the Gini index of their sizes."""

    def __init__(self, sizes: list[int]):
        self._parent = list(range(len(sizes)))
        self.size = sizes
        self._total = sum(sizes)
        different, times = np.unique(sizes, return_counts=True)
        self._times = dict(zip(different.tolist(), times.tolist(), strict=True))
        self.number = len(sizes)
        self._gaps = sum(self._gaps_to(size) * n for size, n in self._times.items()) // 2  # of all pairs
        self.least = min(sizes)

    def _gaps_to(self, size: int) -> int:
        return sum(abs(size - other) * n for other, n in self._times.items())

    @property
    def gini(self) -> float:
        """Σ|sᵢ − sⱼ| over pairs of parts / ((number of parts − 1) · Σ sᵢ)."""
        return self._gaps / ((self.number - 1) * self._total) if self.number > 1 else 0.0

    def of(self, row: int) -> int:
        """Return the part of a row."""
        parent = self._parent
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    def join(self, one: int, other: int) -> None:
        """Join two parts, under the lower number."""
        one, other = min(one, other), max(one, other)
        for part in (one, other):
            size = self.size[part]
            self._times[size] -= 1
            if not self._times[size]:
                del self._times[size]
            self._gaps -= self._gaps_to(size)
        both = self.size[one] + self.size[other]
        self._gaps += self._gaps_to(both)
        self._times[both] = self._times.get(both, 0) + 1
        self._parent[other], self.size[one] = one, both
        self.number -= 1
        if self.least not in self._times:
            self.least = min(self._times)


def _joined(edges: list[tuple[int, int]], counts: np.ndarray, model: RobustLinkage) -> list[int]:
    """Join rows along edges, the shortest first, and return the part of each row."""
    parts = _Parts(counts.tolist())
    unused = edges
    used = [False] * len(edges)
    lightest = of_least = 0
    least = 0
    while parts.number > model.n_clusters:
        if parts.gini <= model.gini:
            while used[lightest]:
                lightest += 1
            at = lightest
        else:
            if parts.least > least:  # else all before `of_least` still join larger parts
                unused = [edge for edge, done in zip(unused, used, strict=True) if not done]
                used, lightest, of_least, least = [False] * len(unused), 0, 0, parts.least
            while used[of_least] or not _touches(parts, unused[of_least]):
                of_least += 1
            at = of_least
        used[at] = True
        parts.join(*(parts.of(row) for row in unused[at]))
    return [parts.of(row) for row in range(len(counts))]


def _touches(parts: _Parts, edge: tuple[int, int]) -> bool:
    return any(parts.size[parts.of(row)] == parts.least for row in edge)
