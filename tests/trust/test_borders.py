"""How sparse the places at the borders of segments are."""

import numpy as np

from segkit.trust.borders import border_sparseness


def test_border_between_groups_and_across_them():
    rng = np.random.default_rng(0)
    left, right = rng.normal(-2, 1, 500), rng.normal(2, 1, 500)
    points = np.concatenate([left, right])[:, None]
    between = border_sparseness(points, (points[:, 0] > 0).astype(int))
    across = border_sparseness(points, np.digitize(points[:, 0], [-2.0, 0.0]))
    assert between.min() > 0.75 and across[0] < 0.45
    even = rng.random((2_000, 2))
    assert np.abs(border_sparseness(even, (even[:, 0] > 0.3).astype(int)) - 0.5).max() < 0.1


def test_no_border_is_the_sparsest():
    points = np.repeat([[0.0], [9.0]], 60, axis=0) + np.linspace(0, 1, 120)[:, None]
    assert (border_sparseness(points, np.repeat([0, 1], 60)) == 1).all()


def test_small_and_equal_segments_get_an_answer():
    equal = border_sparseness(np.zeros((40, 2)), np.repeat([0, 1], 20))
    assert ((equal > 0) & (equal <= 1)).all()
    single = border_sparseness(np.arange(4.0)[:, None], np.array([0, 1, 1, 1]))
    assert single.shape == (2,) and ((single > 0) & (single <= 1)).all()
    assert (border_sparseness(np.zeros((3, 1)), np.zeros(3, dtype=int)) == 1).all()


def test_a_cut_to_those_outside_is_a_border_too():
    """The two ends of a continuum are far apart only since the middle is left out."""
    points = np.random.default_rng(0).normal(size=(2_000, 2))
    ends = np.digitize(points[:, 0], [-0.5, 0.5])
    assert border_sparseness(points, np.array([0, -1, 1])[ends]).max() < 0.5
