"""Measure whether the borders of segments run through sparse places: between groups, not across them.

The density along the line between two centres can have a valley although the border cuts through the middle of a
curved group, since all customers are projected onto that line. So the customers beside the border are looked at.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

NEIGHBOURS = 25  # of each customer, itself not counted; for a segment of fewer than 50, half of its customers


def border_sparseness(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how sparse the places at each segment's border are, among those of its own and its neighbours' customers.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    labels : ndarray of int, shape (n,)
        0 to k − 1; −1 for customers outside all segments.

    Returns
    -------
    ndarray of shape (k,)
        From 0 to 1: the mean rank of the customers on either side of the border within their own segment, by distance
        to the 25th nearest neighbour; each counts by the share of its neighbours that lie across. About 0.5 where the
        border cuts through a group at random, less where it cuts the densest part, and 1 without neighbours across.
    """
    k = int(labels.max()) + 1
    most = min(NEIGHBOURS, len(points) - 1)
    distances, near = NearestNeighbors(n_neighbors=most).fit(points).kneighbors()
    sparseness = np.ones(k)
    for segment in range(k):
        own = labels == segment
        use = max(1, min(most, int(own.sum()) // 2))
        others = (labels >= 0)[:, None] & own[
            near[:, :use]
        ]  # those outside have no segment of their own to rank in
        across = np.where(own[:, None], ~own[near[:, :use]], others).mean(axis=1)
        if across.any():
            rank = pd.Series(distances[:, use - 1]).groupby(labels).rank(pct=True).to_numpy()
            sparseness[segment] = np.average(rank, weights=across)
    return sparseness
