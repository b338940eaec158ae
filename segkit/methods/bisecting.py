"""Start k-means from centres that were found by halving: the same for every customer, and quick for many segments."""

from __future__ import annotations

from sklearn.cluster import BisectingKMeans, KMeans
from sklearn.utils.validation import validate_data


class RefinedBisectingKMeans(KMeans):
    """Halve the largest cluster again and again (bisecting k-means), then let k-means move the centres [1]_.

    After the last step each customer is in the cluster of the nearest centre, as scikit-learn's BisectingKMeans does
    not promise.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    n_init : int, default=3
        Starts of each halving.
    random_state : int, default=0
        Seed of the starts.

    Attributes
    ----------
    cluster_centers_, labels_, inertia_, n_iter_
        As of scikit-learn's KMeans.

    References
    ----------
    .. [1] Steinbach, Karypis & Kumar (2000), A comparison of document clustering techniques, KDD workshop on text
       mining.

    Examples
    --------
    >>> RefinedBisectingKMeans(2).fit_predict([[0.0], [1.0], [8.0], [9.0]]).tolist() in ([0, 0, 1, 1], [1, 1, 0, 0])
    True
    """

    def __init__(self, n_clusters=8, n_init=3, random_state=0):
        super().__init__(n_clusters, n_init=n_init, random_state=random_state)

    def fit(self, X, y=None, sample_weight=None):
        """Find the centres.

        Parameters
        ----------
        X : array of shape (n_customers, n_columns)
        y : ignored
        sample_weight : array of shape (n_customers,), optional

        Returns
        -------
        RefinedBisectingKMeans
        """
        X = validate_data(self, X, accept_sparse="csr", dtype=[float, "float32"])
        halved = BisectingKMeans(
            self.n_clusters,
            n_init=self.n_init,
            random_state=self.random_state,
            bisecting_strategy="biggest_inertia",
        ).fit(X, sample_weight=sample_weight)
        moved = KMeans(self.n_clusters, init=halved.cluster_centers_, n_init=1).fit(
            X, sample_weight=sample_weight
        )
        learned = set(vars(moved)) - set(moved.get_params()) - {"feature_names_in_"}
        for name in learned:
            setattr(self, name, getattr(moved, name))
        return self
