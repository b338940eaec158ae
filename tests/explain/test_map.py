"""The map: a place for each customer, for looking only."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal
from scipy.spatial import cKDTree
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from tables import three_groups

import segkit as sg
from segkit.explain.map_layouts import fast_layout
from segkit.explain.neighbour_graph import (
    fuzzy_graph,
    nearest,
    nearest_alone,
    nearest_of_few,
    nearest_of_many,
    spread_among_equals,
)
from segkit.explain.place_on_map import equals_of, median_place, reach_of, share_kept


def segments(customers=None, k=3):
    return sg.segment(three_groups() if customers is None else customers, n_segments=k)


def test_pca_keeps_distances():
    """With two prepared features the map is a rotation, and shows all there is."""
    result = segments()
    places = sg.project(result, "pca")
    assert list(places) == ["x", "y"] and places.index.equals(result.customers.index)
    there, here = result.prepared.iloc[[0, 25]].to_numpy(), places.iloc[[0, 25]].to_numpy()
    assert np.linalg.norm(here[0] - here[1]) == pytest.approx(np.linalg.norm(there[0] - there[1]))
    assert places.attrs["segkit"]["variance_shown"] == pytest.approx(1)


def test_row_order_changes_nothing():
    customers = three_groups()
    mixed = customers.sample(frac=1, random_state=0)
    for method in ("pca", "fast"):
        there, here = (sg.make_map(segments(table), method) for table in (mixed, customers))
        assert_frame_equal(there.embedding.loc[customers.index], here.embedding)
        assert_series_equal(there.trust.loc[customers.index], here.trust)


def test_one_feature_lies_on_a_line():
    places = sg.project(segments(three_groups()[["visits"]]), "pca")
    assert (places["y"] == 0).all() and places["x"].std() > 0


def test_identical_customers_share_a_point():
    alike = pd.DataFrame({"a": [1.0, 1, 1], "b": [2.0, 2, 2]})
    result = sg.segment(alike, model=KMeans(1, n_init=1))
    places = sg.project(result, "pca")
    assert (places == 0).all(axis=None) and places.attrs["segkit"]["variance_shown"] == 0
    drawn = sg.make_map(result)
    assert (drawn.embedding == 0).all(axis=None) and (drawn.trust == 1).all()


def test_wrong_arguments_are_explained():
    result = segments(three_groups().iloc[[0, 20, 40]])
    before = sg.project(result)
    for options, message in [
        ({"method": "tsne"}, r"no method 'tsne'\..*Choose from fast, aligned, pca, umap, densmap\."),
        ({"method": "umap"}, "UMAP needs 5 customers or more, got 3"),
        ({"method": "aligned"}, "belong together"),
        ({"method": "fast", "previous": before}, "belong together"),
        ({"method": "aligned", "previous": before[["x"]]}, "no columns 'x' and 'y'"),
        ({"method": "aligned", "previous": pd.concat([before, before])}, "3 customers twice"),
        ({"method": "aligned", "previous": before.assign(x="left")}, "places that are no numbers"),
        ({"method": "umap", "min_dist": -1}, "min_dist=-1 should be a distance on the map, from 0 to 1"),
        ({"method": "umap", "min_dist": float("nan")}, "min_dist=nan should be"),
        ({"n_neighbors": 1}, "n_neighbors=1 should be a whole number, 2 or more"),
        ({"n_neighbors": 501}, "n_neighbors=501 should be 500 or fewer"),
        ({"random_state": None}, "random_state=None should be"),
    ]:
        with pytest.raises(ValueError, match=message):
            sg.project(result, **options)


def test_missing_values_have_no_place():
    customers = three_groups()
    customers.iloc[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"no place on a map.*make_preparer\(\)"):
        sg.project(sg.segment(customers, model=HDBSCAN(copy=True)))


@pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ImportWarning"
)  # of numba and umap
def test_umap_keeps_groups_together(capsys):
    result = segments()
    places = sg.project(result, "umap", n_neighbors=10)
    said = capsys.readouterr().err
    assert "it compiles, for about a minute" in said and "Laying out the map:  " in said
    centers = places.groupby(result.labels).mean()
    widest = (places - centers.loc[result.labels].to_numpy()).abs().max(axis=None)
    apart = min(np.linalg.norm(centers.loc[a] - centers.loc[b]) for a, b in [(0, 1), (0, 2), (1, 2)])
    assert apart > widest
    mixed = segments(three_groups().sample(frac=1, random_state=1))
    assert_frame_equal(sg.project(mixed, "umap", n_neighbors=10).loc[places.index], places)
    assert sg.project(segments(three_groups(2).iloc[:5]), "umap").shape == (5, 2)


def blobs(n=600, random_state=0):
    points, groups = make_blobs(n, 6, centers=4, cluster_std=1.5, random_state=random_state)
    return pd.DataFrame(points, columns=list("abcdef"), index=[f"c{i}" for i in range(n)]), groups


def kept(prepared, places, k=15):
    """Return which share of the nearest neighbours a map keeps."""
    true, shown = nearest(prepared, k)[1], nearest(places, k)[1]
    return np.mean([len({*a} & {*b}) / k for a, b in zip(true, shown, strict=True)])


@pytest.fixture(scope="module")
def drawn():
    customers, _ = blobs()
    return sg.make_map(sg.segment(customers, n_segments=4))


def test_fast_map_keeps_neighbours_and_groups(drawn):
    prepared, places = drawn.result.prepared.to_numpy(), drawn.embedding.to_numpy()
    assert kept(prepared, places) > 1.8 * kept(prepared, sg.project(drawn.result, "pca").to_numpy())
    beside = nearest(places, 5)[1]
    labels = drawn.result.labels.to_numpy()
    assert (labels[beside] == labels[:, None]).mean() > 0.99
    again = sg.project(drawn.result, random_state=1)
    assert not np.allclose(again, places) and kept(prepared, again.to_numpy()) == pytest.approx(
        kept(prepared, places), abs=0.05
    )


def test_new_customers_lie_beside_those_like_them(drawn):
    customers = drawn.result.customers
    assert_frame_equal(drawn.transform(customers.iloc[[3, 40]]), drawn.embedding.iloc[[3, 40]])
    new = customers.iloc[:100] + 0.01
    placed = drawn.transform(new)
    by_one = pd.concat([drawn.transform(new.iloc[[i]]) for i in range(100)])
    assert_frame_equal(placed, by_one)
    apart = np.linalg.norm(placed.to_numpy() - drawn.embedding.iloc[:100].to_numpy(), axis=1)
    assert np.quantile(apart, 0.9) < 0.05 * np.ptp(drawn.embedding.to_numpy())
    flat = sg.make_map(drawn.result, "pca")
    np.testing.assert_allclose(flat.transform(customers), flat.embedding, atol=1e-8)
    assert not len(drawn.transform(customers.iloc[:0]))


def test_a_place_between_two_groups_is_in_one():
    """Of three neighbours two lie together: the point lies there, and not in the empty middle."""
    places = np.array([[[0.0, 0.0], [0.1, 0.0], [10.0, 0.0]]])
    (place,) = median_place(np.array([[1.0, 1.0, 1.0]]), places)
    assert 0 <= place[0] <= 0.11


def test_trust_finds_the_customers_whose_neighbours_were_lost(drawn):
    prepared, places = drawn.result.prepared.to_numpy(), drawn.embedding.to_numpy().copy()
    assert drawn.trust.median() > 0.5
    lost = np.random.default_rng(0).permutation(len(places))[:60]
    places[lost] = places[np.roll(lost, 1)]
    radius = reach_of(places, places, np.zeros(len(places)))
    trust = share_kept(places, places[nearest(prepared, 15)[1]], radius)
    assert roc_auc_score(np.isin(np.arange(len(places)), lost), -trust) > 0.9


def test_aligned_map_moves_only_those_who_changed(drawn):
    """Ten customers come to be like another group, ten are new, the rest change a little."""
    customers, groups = blobs()
    rng = np.random.default_rng(0)
    later = customers + rng.normal(0, 0.05, customers.shape)
    moved = np.flatnonzero(groups == 0)[:10]
    later.iloc[moved] = later.iloc[np.flatnonzero(groups == 1)[:10]].to_numpy() + 0.1
    later = later.rename(index=lambda name: "new" + name if name in customers.index[-10:] else name)
    result = sg.segment(later, n_segments=4)
    aligned = sg.project(result, "aligned", previous=drawn.embedding)
    fresh = sg.project(result)
    stayed = customers.index[:-10].difference(customers.index[moved])

    def steps(places, who):
        return np.linalg.norm(places.loc[who] - drawn.embedding.loc[who], axis=1)

    assert np.median(steps(aligned, stayed)) < 0.5 * np.median(steps(fresh, stayed))
    assert np.median(steps(aligned, customers.index[moved])) > 5 * np.median(steps(aligned, stayed))
    prepared = result.prepared.to_numpy()
    assert kept(prepared, aligned.to_numpy()) > 0.9 * kept(prepared, fresh.to_numpy())
    broken = drawn.embedding.copy()
    broken.iloc[:5] = np.inf
    assert np.isfinite(sg.project(result, "aligned", previous=broken)).all(axis=None)
    numbered = result.customers.set_axis(np.arange(len(later)))
    known = aligned.set_axis(numbered.index.astype(str))
    stay = sg.project(sg.segment(numbered, n_segments=4), "aligned", previous=known)
    assert np.median(np.linalg.norm(stay.to_numpy() - aligned.to_numpy(), axis=1)) < 0.5
    nobody = sg.project(result, "aligned", previous=drawn.embedding.iloc[:0])
    assert_frame_equal(nobody, fresh)
    strangers = drawn.embedding.rename(index=lambda name: "x" + name)
    assert_frame_equal(sg.project(result, "aligned", previous=strangers), fresh)


def equals(sizes):
    """Customers who are alike in groups of these sizes, in the order of ids mixed."""
    points = np.random.default_rng(1).integers(0, 2, (len(sizes), 4)) + np.arange(len(sizes))[:, None]
    of = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    index = pd.Index([f"c{i:04d}" for i in range(len(of))], name="customer_id")
    return pd.DataFrame(points[of].astype(float), index, columns=list("abcd")), of


def test_equal_customers_lie_together_and_are_trusted():
    """Of 150 with equal features, all have as many true neighbours, wherever among them the map puts each."""
    customers, of = equals([150, 100, 50, 60, 20])
    drawn = sg.make_map(sg.segment(customers, n_segments=2))
    beside = nearest(drawn.embedding.to_numpy(), 10)[1]
    assert (of[beside] == of[:, None]).all()
    assert drawn.trust.mean() > 0.95
    mixed = dataclasses.replace(drawn, embedding=drawn.embedding.iloc[::-1].set_axis(drawn.embedding.index))
    assert mixed.trust.mean() < 0.5


def test_equal_customers_are_placed_alike_in_any_batch():
    customers, of = equals([150, 100, 50, 60, 20])
    drawn = sg.make_map(sg.segment(customers, n_segments=2))
    placed = drawn.transform(customers)
    assert_frame_equal(
        pd.concat([drawn.transform(customers.iloc[i : i + 9]) for i in range(0, 380, 9)]), placed
    )
    first = pd.Series(of, customers.index).drop_duplicates().index
    assert_frame_equal(placed.loc[first], drawn.embedding.loc[first])
    assert (placed.groupby(of).nunique() == 1).all(axis=None)


def test_neighbours_among_equals_are_drawn_from_all_of_them():
    points = np.repeat([[0.0], [1.0], [2.0]], [40, 3, 10], axis=0)
    distances, neighbours = nearest(points, 5)
    spread = spread_among_equals(points, distances, neighbours, 0)
    assert (spread[40:43] == neighbours[40:43]).all()
    assert {*spread[:40].ravel()} <= {*range(40)} and {*spread[43:].ravel()} == {*range(43, 53)}
    assert len({*spread[:40].ravel()}) > 35
    assert all(len({*row, i}) == 6 for i, row in enumerate(spread))
    assert equals_of(points).tolist() == [40] * 40 + [3] * 3 + [10] * 10


def test_few_customers_have_a_map():
    for n in (1, 2, 3, 5):
        result = sg.segment(three_groups().iloc[:n], model=KMeans(1, n_init=1))
        drawn = sg.make_map(result)
        assert np.isfinite(drawn.embedding).all(axis=None) and drawn.trust.between(0, 1).all()
        assert drawn.transform(result.customers).shape == (n, 2)


def test_many_customers_are_placed_by_landmarks(monkeypatch):
    monkeypatch.setattr("segkit.explain.map_layouts.MOST", 500)
    monkeypatch.setattr("segkit.explain.map_layouts.LANDMARKS", 400)
    customers, groups = blobs()
    drawn = sg.make_map(sg.segment(customers, n_segments=4))
    beside = nearest(drawn.embedding.to_numpy(), 5)[1]
    assert (groups[beside] == groups[:, None]).mean() > 0.97
    assert drawn.trust.median() > 0.5
    assert_frame_equal(drawn.transform(customers), drawn.embedding, atol=1e-6)


def test_neighbours_are_found_by_every_way(monkeypatch):
    points, of = np.random.default_rng(0).normal(size=(2, 300, 5))
    distances, found = NearestNeighbors(n_neighbors=4).fit(points).kneighbors(of)
    for ours in (nearest(points, 4, of), nearest_of_few(points, 4, of), nearest_alone(points, 4, of)):
        np.testing.assert_allclose(ours[0], distances, atol=1e-7)
        assert (ours[1] == found).all()
    monkeypatch.setattr("segkit.explain.neighbour_graph.CANDIDATES", 60)
    monkeypatch.setattr("segkit.explain.neighbour_graph.CELLS", 40)
    near = nearest_of_many(points, 4, of, np.random.default_rng(0))[1]
    assert (near[:, :1] == found).any(axis=1).mean() > 0.5
    assert np.mean([len({*a} & {*b}) / 4 for a, b in zip(near, found, strict=True)]) > 0.8


def test_graph_has_umaps_weights():
    """Each row's weights, before both directions are joined, add up to log2 of the number of neighbours and itself."""
    points = np.random.default_rng(0).normal(size=(200, 3))
    distances, neighbours = nearest(points, 7)
    graph = fuzzy_graph(distances, neighbours)
    assert abs(graph - graph.T).max() < 1e-6 and graph.data.min() > 0 and graph.data.max() <= 1 + 1e-6
    first = np.asarray(graph[np.arange(200), neighbours[:, 0]]).ravel()
    np.testing.assert_allclose(first, 1, atol=1e-6)
    twins = fuzzy_graph(np.zeros((4, 3)), np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]))
    assert np.isfinite(twins.data).all()


def test_ties_and_giants_stay_on_the_map():
    table = np.r_[
        np.zeros((300, 2)), np.ones((300, 2)), np.random.default_rng(0).normal(size=(100, 2)), [[1e9, 0]]
    ]
    places = fast_layout(table, 15, 0)
    assert np.isfinite(places).all() and np.ptp(places[600:700], axis=0).min() > 1
    assert cKDTree(places[:300]).query(places[300:600])[0].min() > 0
