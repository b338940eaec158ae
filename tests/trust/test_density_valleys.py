"""Density valleys between groups and within single features, by hand."""

import numpy as np

from segkit.trust.density_valleys import separations
from segkit.trust.unimodality import own_valleys


def test_valley_by_hand():
    """Two groups 10 apart have an empty middle; a continuum cut where it is densest has none."""
    rng = np.random.default_rng(0)
    two = np.vstack([rng.normal(0, 1, (200, 2)), rng.normal(10, 1, (200, 2))])
    labels = np.repeat([0, 1], 200)
    depth, nearest = separations(two, labels, np.array([[0.0, 0], [10, 10]]))
    assert (depth > 6).all() and nearest.tolist() == [1, 0]
    one = rng.normal(0, 1, (400, 2))
    side = (one[:, 0] > 0).astype(int)
    depth, _ = separations(one, side, np.array([one[side == s].mean(axis=0) for s in (0, 1)]))
    assert (depth < 1.5).all()


def test_tiny_groups_have_no_valley():
    points = np.vstack([np.zeros((3, 2)), np.ones((50, 2))])
    depth, _ = separations(points, np.repeat([0, 1], [3, 50]), np.array([[0.0, 0], [1, 1]]))
    assert depth.tolist() == [0.0, 0.0]


def test_counts_are_no_groups():
    rng = np.random.default_rng(0)
    assert own_valleys(np.concatenate([rng.normal(0, 1, 200), rng.normal(9, 1, 200)]))[0] > 5
    assert np.isnan(own_valleys(np.log1p(rng.poisson(3, 400).astype(float)))[0])
    assert np.isnan(own_valleys(np.repeat([1.0, 5.0], 200))[0])
    zeros = np.concatenate([np.zeros(300), rng.normal(5, 1, 200)])
    depth, n = own_valleys(zeros)
    assert n == 200 and depth < 4  # the zeros are no group
