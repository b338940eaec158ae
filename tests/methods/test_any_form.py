"""Methods that look at pairs of customers: the tree and the graph by hand, and what all of them keep."""

import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist
from sklearn.utils.estimator_checks import parametrize_with_checks

import segkit as sg
from segkit.methods.robust_linkage import spanning_tree
from segkit.methods.sampled import voted
from segkit.methods.spectral import eigenvectors, neighbour_graph

EACH = [sg.RobustLinkage(3), sg.SpectralGraph(3)]
each = pytest.mark.parametrize("method", EACH, ids=lambda m: type(m).__name__)


@parametrize_with_checks(EACH)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def rings(n=60):
    """Return two rings around the same middle, and their truth."""
    angle = np.arange(n) * 2 * np.pi / n
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    return np.concatenate([ring, 3 * ring]), np.repeat([0, 1], n)


def same(one, other):
    """Whether two labellings divide in the same way."""
    return len(set(zip(one, other, strict=True))) == len(set(one)) == len(set(other))


def linkage_by_hand(rows, k, gini):
    """Join parts as the paper says, looking at all edges anew for each join."""
    start, end, length = spanning_tree(rows)
    edges = sorted((w, *sorted((int(u), int(v)))) for u, v, w in zip(start, end, length, strict=True))
    part = list(range(len(rows)))
    while len(set(part)) > k:
        sizes = np.array(sorted(part.count(p) for p in set(part)))
        gaps = np.abs(sizes[:, None] - sizes).sum() / 2
        unequal = gaps / ((len(sizes) - 1) * sizes.sum()) > gini
        unused = [(u, v) for _, u, v in edges if part[u] != part[v]]
        allowed = [
            (u, v)
            for u, v in unused
            if not unequal or min(part.count(part[u]), part.count(part[v])) == sizes[0]
        ]
        u, v = allowed[0]
        part = [part[u] if p == part[v] else p for p in part]
    return part


def test_parts_that_hardly_link_are_unconnected():
    """A dense line and six customers far away: the links between weigh e^-100 and less, so 1 is an eigenvalue twice."""
    line = np.column_stack([np.arange(250) / 1000, np.zeros(250)])
    far = np.array([[0, 50], [0, 51], [50, 0], [51, 0], [50, 50], [51, 50]])
    vectors = eigenvectors(neighbour_graph(np.vstack([line, far]), 10), 2, 0)
    assert [np.flatnonzero(v).tolist() for v in vectors.T] == [list(range(250)), list(range(250, 256))]


def test_a_long_chain_is_cut_in_order():
    """Its first eigenvalues nearly coincide, so that Lanczos' method does not converge."""
    labels = sg.SpectralGraph(4).fit_predict(np.arange(1500.0)[:, None])
    assert (np.diff(labels) != 0).sum() == 3


@pytest.mark.parametrize("gini", [0, 0.3, 0.6, 1])
def test_linkage_follows_the_paper(gini):
    rows = np.random.default_rng(7).lognormal(size=(70, 2))
    for k in (1, 2, 5, 20):
        assert same(sg.RobustLinkage(k, gini=gini).fit(rows).labels_, linkage_by_hand(rows, k, gini))


def test_one_outlier_is_no_group():
    """As single linkage makes it one."""
    rows = np.array([[0.0], [1], [2], [3], [10], [11], [12], [13], [99]])
    assert sg.RobustLinkage(2).fit(rows).labels_.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert sg.RobustLinkage(2, gini=1).fit(rows).labels_.tolist() == [0] * 8 + [1]


def test_spanning_tree_is_the_shortest():
    rows = np.random.default_rng(0).normal(size=(80, 3))
    start, end, length = spanning_tree(rows)
    distance = cdist(rows, rows)
    assert np.sqrt(length).sum() == pytest.approx(minimum_spanning_tree(distance).sum())
    assert np.sqrt(length) == pytest.approx(distance[start, end])
    assert set(end) | {0} == set(range(80))


def test_graph_by_hand():
    """Three customers at 0, 1 and 3, all linked: the scale of each is the distance to its farthest."""
    graph = neighbour_graph(np.array([[0.0], [1.0], [3.0]]), 2).toarray()
    expected = np.exp([-1 / (3 * 2), -9 / (3 * 3), -4 / (2 * 3)])
    assert graph[[0, 0, 1], [1, 2, 2]] == pytest.approx(expected)
    assert (graph == graph.T).all()


def test_eigenvectors_of_unconnected_parts():
    """Each part has its own, constant in it and 0 elsewhere, and the largest is first."""
    rows = np.r_[np.arange(20.0), np.arange(30.0) + 100][:, None]
    vectors = eigenvectors(neighbour_graph(rows, 3), 3, 0)
    assert np.ptp(vectors[20:, 0]) == pytest.approx(0, abs=1e-12) and (vectors[:20, 0] == 0).all()
    assert np.ptp(vectors[:20, 1]) == pytest.approx(0, abs=1e-12) and (vectors[20:, 1] == 0).all()
    assert (np.diff(vectors[20:, 2]) > 0).all() or (np.diff(vectors[20:, 2]) < 0).all()


@each
def test_rings_and_repeats(method):
    """Groups that no centre describes are found, equal customers share one, and many labels follow a sample."""
    rows, truth = rings()
    method = method.set_params(n_clusters=2)
    assert same(method.fit(rows).labels_, truth) and method.n_sampled_ == 120
    thrice = np.repeat(rows, 3, axis=0)
    order = np.random.default_rng(0).permutation(len(thrice))
    assert same(method.fit(thrice[order]).labels_, np.repeat(truth, 3)[order])
    many, truth = rings(2000)
    method = method.set_params(max_rows=400)
    assert same(method.fit(many).labels_, truth) and method.n_sampled_ == 400
    method.set_params(n_clusters=3, max_rows=1000)
    with pytest.raises(ValueError, match="2 different rows are"):
        method.fit([[0.0], [1.0], [1.0], [0.0]])


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (sg.RobustLinkage(2, gini=-1), "gini=-1 is no Gini index"),
        (sg.RobustLinkage(0), "n_clusters=0 should be"),
        (sg.RobustLinkage(2, max_rows=1), "max_rows=1 should be"),
        (sg.SpectralGraph(2, n_neighbors=0), "n_neighbors=0 should be"),
        (sg.SpectralGraph(2, random_state=None), "random_state=None should be"),
    ],
)
def test_impossible_parameters_are_named(method, message):
    with pytest.raises(ValueError, match=message):
        method.fit([[0.0], [1.0], [2.0]])


def test_votes_by_hand():
    sample = np.array([[0.0], [1], [2], [3], [4]])
    labels = np.array([0, 0, 1, 1, -1])
    # two for each of 0 and 1: the nearest decides; a row of the sample keeps its label
    assert voted(sample, labels, np.array([[1.2], [1.9], [4.0]])).tolist() == [0, 1, -1]
