"""Fit k-means to very many customers: try its starts on a sample, and run the best one on everyone."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone
from sklearn.cluster import KMeans

SAMPLE = 20_000  # rows, evenly spaced, on which the starts are tried


class KMeansOfMany(KMeans):
    """k-means whose starts are tried on 20,000 rows; the best one is then run on all.

    Parameters
    ----------
    n_clusters, init, n_init, max_iter, tol, verbose, random_state, copy_x, algorithm
        As in :class:`sklearn.cluster.KMeans`.

    Notes
    -----
    Ten starts on a million rows take ten times as long as one, and find the same centres as a start from those of a
    sample. Up to 20,000 rows it is k-means.
    """

    def fit(self, X, y=None, sample_weight=None):
        """Fit, as :meth:`sklearn.cluster.KMeans.fit` does.

        Parameters
        ----------
        X : array of shape (n, n_features)
        y : ignored
        sample_weight : array of shape (n,), optional

        Returns
        -------
        KMeansOfMany
        """
        if getattr(X, "shape", (0,))[0] <= SAMPLE or not isinstance(X, np.ndarray):
            return super().fit(X, y, sample_weight)
        at = np.linspace(0, len(X) - 1, SAMPLE).astype(int)
        weights = None if sample_weight is None else np.asarray(sample_weight)[at]
        first = clone(self).fit(X[at], sample_weight=weights)
        given = self.get_params()
        wanted = {name: given[name] for name in ("init", "n_init")}
        self.set_params(init=first.cluster_centers_, n_init=1)
        try:
            return super().fit(X, y, sample_weight)
        finally:
            self.set_params(**wanted)
