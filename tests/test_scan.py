"""What each number of segments would give."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from tables import three_groups

import segkit as sg
from segkit.datasets import make_events, one_population
from segkit.trust import scan_clusters, suggested_k
from segkit.trust.scan import _silhouette

COLUMNS = ["inertia", "silhouette", "silhouette_error", "stability", "stability_spread", "smallest"]


def scan(customers, **said):
    return scan_clusters(customers, **({"k": [2, 3, 4], "resamples": 4, "progress": False} | said))


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "ward"])
def test_three_groups_stand_out(method):
    table = scan(three_groups(), method=method)
    assert (list(table.columns), table.index.name, table.index.to_list()) == (COLUMNS, "k", [2, 3, 4])
    assert table["silhouette"].idxmax() == 3 and table.loc[3, "silhouette"] > 0.8
    assert table.loc[3, "stability"] == 1 and table.loc[3, "stability_spread"] == 0
    assert table.loc[3, "smallest"] == pytest.approx(1 / 3)
    assert table["inertia"].is_monotonic_decreasing


def test_each_number_is_what_its_name_says():
    """Inertia and silhouette, computed again from the segments themselves."""
    customers = three_groups()
    row = scan(customers).loc[3]
    result = sg.segment(customers, n_segments=3)
    prepared = result.prepared
    centers = prepared.groupby(result.labels).transform("mean")
    assert row["inertia"] == pytest.approx(((prepared - centers) ** 2).to_numpy().sum())
    assert row["silhouette"] == pytest.approx(silhouette_score(prepared, result.labels))
    assert row["silhouette_error"] == 0


def test_as_many_segments_as_customers_have_no_silhouette():
    table = scan(three_groups(2), k=[6], resamples=1)
    assert table.loc[6, "inertia"] == 0 and np.isnan(table.loc[6, "silhouette"])


def test_segments_are_made_again_on_halves(monkeypatch):
    halves = []
    monkeypatch.setattr(
        "segkit.trust.scan._made_on", lambda _, prepared, rows: halves.append(rows) or np.zeros(len(prepared))
    )
    table = scan(three_groups(), k=3)
    assert [len(np.unique(rows)) for rows in halves] == [30] * 4
    assert table.loc[3, "stability"] == 0


def test_the_order_of_rows_changes_nothing():
    customers = three_groups()
    assert_frame_equal(scan(customers), scan(customers.sample(frac=1, random_state=0)))


def test_another_seed_resamples_others():
    customers = sg.customer_features(make_events(80, kinds="purchase")[0], sg.RFM, as_of="2025-01-01")
    assert not scan(customers)["stability"].equals(scan(customers, random_state=1)["stability"])


def test_a_sample_is_stated(monkeypatch):
    monkeypatch.setattr("segkit.trust.scan.MOST", 30)
    facts = scan(three_groups(), resamples=2).attrs["segkit"]
    assert facts == {"customers": 60, "looked_at": 30, "resamples": 2}


def test_a_sampled_silhouette_has_an_error(monkeypatch):
    monkeypatch.setattr("segkit.trust.scan.SILHOUETTE_SAMPLE", 15)
    row = scan(three_groups(), k=3).loc[3]
    assert 0 < row["silhouette_error"] < 0.05 and row["silhouette"] == pytest.approx(0.9, abs=0.1)


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "ward"])
def test_a_shop_without_structure_is_scanned_too(method):
    events, _ = make_events(80, segments=one_population(), kinds=["purchase", "return"])
    customers = sg.customer_features(events, sg.RFM + sg.CADENCE, as_of="2025-01-01")
    table = scan(customers, method=method, k=range(2, 6))
    assert table.notna().all(axis=None) and table["stability"].max() <= 1


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "ward"])
def test_a_handful_of_customers_is_scanned_too(method):
    """Half of four customers are two: less than the segments that are asked for."""
    table = scan(three_groups(2).iloc[:4], method=method)
    assert table["stability"].notna().all()


def test_one_number_may_be_said_alone():
    assert scan(three_groups(), k=3).index.to_list() == [3]
    assert scan(three_groups(), k=[3, 2, 3]).index.to_list() == [2, 3]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"k": []}, "k names no number of segments"),
        ({"k": [1, 2]}, "n_segments=1 should be a whole number, 2 or more"),
        ({"k": [2, 61]}, "k goes up to 61, and only 60 customers differ"),
        ({"resamples": 0}, "resamples=0 should be 1 or more"),
        ({"method": "x"}, "method='x' is none of"),
    ],
)
def test_what_was_asked_wrongly_is_explained(said, message):
    with pytest.raises(ValueError, match=message):
        scan(three_groups(), **said)


@pytest.mark.parametrize("customers", [three_groups() * 0, three_groups() * np.nan, three_groups().iloc[:1]])
def test_customers_who_do_not_differ_are_explained(customers):
    with pytest.raises(ValueError, match="only 1 customers differ"):
        scan(customers)


def curves(**columns):
    return pd.DataFrame(columns, index=pd.Index([2, 3, 4, 5], name="k"))


@pytest.mark.parametrize(
    ("stability", "smallest", "k"),
    [
        ([1.0, 0.9, 0.85, 0.5], [0.4, 0.3, 0.2, 0.1], 4),  # the most that still hold
        ([1.0, 0.9, 0.85, 0.9], [0.4, 0.3, 0.2, 0.01], 4),  # five would leave a crumb
        ([1.0, 0.5, 0.6, 0.4], [0.4, 0.3, 0.2, 0.1], 4),  # none hold: the most stable of three and more
    ],
)
def test_a_number_to_begin_with(stability, smallest, k):
    assert suggested_k(curves(stability=stability, smallest=smallest)) == k


def test_two_segments_are_suggested_only_where_there_is_nothing_else():
    assert suggested_k(curves(stability=[0.9] * 4, smallest=[0.2] * 4).loc[[2]]) == 2


@pytest.mark.slow
def test_the_error_of_a_sampled_silhouette_covers_the_exact_one():
    """Of 40 samples in two structureless shops, about 95 % should lie within two standard errors."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2):
        crowd = np.log(rng.lognormal(size=(4_000, 4)))
        labels = KMeans(6, n_init=1, random_state=0).fit_predict(crowd)
        exact = silhouette_score(crowd, labels)
        for _ in range(20):
            told, error = _silhouette(crowd, labels, rng.choice(len(crowd), 1_000, replace=False))
            inside += abs(told - exact) <= 2 * error
    assert inside >= 35  # fewer by chance in 1 of 200 runs, were the coverage 95 %
