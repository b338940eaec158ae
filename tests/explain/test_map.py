"""The map: a place for each customer, for looking only."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.cluster import HDBSCAN, KMeans
from tables import three_groups

import segkit as sg


def segments(customers=None, k=3):
    return sg.segment(three_groups() if customers is None else customers, n_segments=k)


def test_pca_keeps_distances():
    """With two prepared features the map is a rotation, and shows all there is."""
    result = segments()
    places = sg.project(result)
    assert list(places) == ["x", "y"] and places.index.equals(result.customers.index)
    there, here = result.prepared.iloc[[0, 25]].to_numpy(), places.iloc[[0, 25]].to_numpy()
    assert np.linalg.norm(here[0] - here[1]) == pytest.approx(np.linalg.norm(there[0] - there[1]))
    assert places.attrs["segkit"]["variance_shown"] == pytest.approx(1)


def test_row_order_changes_nothing():
    customers = three_groups()
    mixed = customers.sample(frac=1, random_state=0)
    assert_frame_equal(sg.project(segments(mixed)).loc[customers.index], sg.project(segments(customers)))


def test_one_feature_lies_on_a_line():
    places = sg.project(segments(three_groups()[["visits"]]))
    assert (places["y"] == 0).all() and places["x"].std() > 0


def test_identical_customers_share_a_point():
    alike = pd.DataFrame({"a": [1.0, 1, 1], "b": [2.0, 2, 2]})
    places = sg.project(sg.segment(alike, model=KMeans(1, n_init=1)))
    assert (places == 0).all(axis=None) and places.attrs["segkit"]["variance_shown"] == 0


@pytest.mark.parametrize(
    ("method", "message"), [("tsne", "method='tsne' is neither"), ("umap", "UMAP needs 5 customers")]
)
def test_wrong_arguments_are_explained(method, message):
    with pytest.raises(ValueError, match=message):
        sg.project(segments(three_groups().iloc[[0, 20, 40]]), method)


def test_missing_values_have_no_place():
    customers = three_groups()
    customers.iloc[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"no place on a map.*make_preparer\(\)"):
        sg.project(sg.segment(customers, model=HDBSCAN(copy=True)))


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ImportWarning"
)  # of numba and umap
def test_umap_keeps_groups_together():
    result = segments()
    places = sg.project(result, "umap", n_neighbors=10)
    centers = places.groupby(result.labels).mean()
    widest = (places - centers.loc[result.labels].to_numpy()).abs().max(axis=None)
    apart = min(np.linalg.norm(centers.loc[a] - centers.loc[b]) for a, b in [(0, 1), (0, 2), (1, 2)])
    assert apart > widest
    mixed = segments(three_groups().sample(frac=1, random_state=1))
    assert_frame_equal(sg.project(mixed, "umap", n_neighbors=10).loc[places.index], places)
    assert sg.project(segments(three_groups(2).iloc[:5]), "umap").shape == (5, 2)
