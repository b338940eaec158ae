"""What each number of segments gives."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from tables import three_groups

import segkit as sg
from segkit.datasets import make_events, one_population
from segkit.trust.micro_clusters import (
    adjusted_rand,
    compress,
    contingency,
    fit_weighted,
    jaccards,
    pair_recall,
)
from segkit.trust.scan import (
    _Silhouettes,
    defensible_k,
    explained_outcome,
    scan_clusters,
    suggested_k,
    suggestion,
)

COLUMNS = [
    "inertia",
    "silhouette",
    "silhouette_error",
    "stability",
    "stability_spread",
    "jaccard",
    "weakest",
    "prediction_strength",
    "prediction_spread",
    "smallest",
]


def scan(customers, **arguments):
    return scan_clusters(customers, **({"k": [2, 3, 4], "resamples": 4, "progress": False} | arguments))


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "mixed_mixture", "ward"])
def test_three_groups_stand_out(method):
    table = scan(three_groups(), method=method)
    assert (list(table.columns), table.index.name, table.index.to_list()) == (COLUMNS, "k", [2, 3, 4])
    assert table["silhouette"].idxmax() == 3 and table.loc[3, "silhouette"] > 0.8
    assert table.loc[3, "stability"] == 1 and table.loc[3, "stability_spread"] == 0
    assert table.loc[3, ["jaccard", "weakest", "prediction_strength"]].eq(1).all()
    assert table.loc[3, "smallest"] == pytest.approx(1 / 3)
    assert table["inertia"].is_monotonic_decreasing


def test_inertia_and_silhouette_by_scikit_learn():
    """Inertia and silhouette, recomputed from the segments."""
    customers = three_groups()
    row = scan(customers).loc[3]
    result = sg.segment(customers, n_segments=3)
    prepared = result.prepared
    centers = prepared.groupby(result.labels).transform("mean")
    assert row["inertia"] == pytest.approx(((prepared - centers) ** 2).to_numpy().sum())
    assert row["silhouette"] == pytest.approx(silhouette_score(prepared, result.labels))
    assert row["silhouette_error"] == 0


def test_single_customers_have_no_silhouette():
    table = scan(three_groups(2), k=[6], resamples=1)
    assert table.loc[6, "inertia"] == 0 and np.isnan(table.loc[6, "silhouette"])


def test_refits_use_samples_and_halves(monkeypatch):
    drawn, seeds = [], []

    def recorded(clusterer, points, weights, seed=None):
        drawn.append(weights)
        seeds.append(seed)
        return fit_weighted(clusterer, points, weights, seed)

    monkeypatch.setattr("segkit.trust.scan.fit_weighted", recorded)
    scan(three_groups(), k=3, resamples=4)
    everyone, *again, train, test = drawn
    assert (everyone == 1).all() and len(again) == 4
    assert seeds[0] is None and len(set(seeds)) == len(seeds)  # a seed of its own for each refit
    assert all(weights.sum() == 60 and weights.max() > 1 for weights in again)
    assert train.sum() == test.sum() == 30 and (train + test == 1).all()


def test_agreement_by_hand():
    """Ten customers in two segments of five; one of each changes sides."""
    one = np.repeat([0, 1], 5)
    other = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 0])
    table = contingency(one, other, np.ones(10, dtype=int))
    assert table.tolist() == [[4, 1], [1, 4]]
    assert adjusted_rand(table) == pytest.approx(adjusted_rand_score(one, other))
    assert jaccards(table) == pytest.approx([4 / 6, 4 / 6])
    assert pair_recall(table) == pytest.approx([6 / 10, 6 / 10])


def test_weights_count_customers():
    one, other, weights = np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([3, 1, 6])
    assert adjusted_rand(contingency(one, other, weights)) == pytest.approx(
        adjusted_rand_score(np.repeat(one, weights), np.repeat(other, weights))
    )


def test_threads_change_no_micro_cluster(monkeypatch):
    rng = np.random.default_rng(0)
    customers = rng.normal(size=(5_000, 3))
    few = compress(customers[:100], np.random.default_rng(0))
    assert few.points is not None and (few.weights == 1).all() and few.within == 0
    answers = []
    for threads in (1, 2, 4):
        monkeypatch.setattr("os.cpu_count", lambda n=threads: n)
        answers.append(compress(customers, np.random.default_rng(0)))
    assert all((a.points == answers[0].points).all() for a in answers)
    many = answers[0]
    assert many.n_customers == 5_000 and len(many.points) <= 3_000 == compress.__kwdefaults__["most"]
    centers = np.array([customers[many.member_of == i].mean(axis=0) for i in range(20)])
    assert centers == pytest.approx(many.points[:20])
    assert many.within == pytest.approx(((customers - many.points[many.member_of]) ** 2).sum())


def test_segments_explain_an_outcome():
    """Three segments that later spend 0, 10 and 20, and a random outcome."""
    customers = three_groups()
    later = pd.Series(np.repeat([0.0, 10.0, 20.0], 20), index=customers.index)
    noise = pd.Series(np.random.default_rng(0).normal(size=60), index=customers.index)
    table = scan(customers, outcome=later)
    assert table.loc[3, "outcome"] == pytest.approx(1) and table.loc[2, "outcome"] < 0.9
    random = scan(customers, outcome=noise, k=3).loc[3]
    assert abs(random["outcome"]) < 3 * random["outcome_error"]
    with pytest.raises(ValueError, match="outcome lacks 1 customers"):
        scan(customers, outcome=later.iloc[1:])
    with pytest.raises(ValueError, match="missing or infinite"):
        scan(customers, outcome=later.where(later > 0))


def test_single_customers_explain_nothing():
    assert explained_outcome(np.arange(4), np.array([1.0, 2.0, 3.0, 4.0]))["outcome"] == 0


def test_interrupted_scan_keeps_rows(monkeypatch):
    import segkit.trust.scan as module

    separation, calls = module._separation, []

    def stopped(*arguments):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        return separation(*arguments)

    monkeypatch.setattr(module, "_separation", stopped)
    assert scan(three_groups()).index.to_list() == [2, 3]
    with pytest.raises(KeyboardInterrupt):
        scan(three_groups())


def test_row_order_changes_nothing():
    customers = three_groups()
    assert_frame_equal(scan(customers), scan(customers.sample(frac=1, random_state=0)))


def test_seed_changes_the_resamples():
    customers = sg.customer_features(make_events(80, kinds="purchase")[0], sg.RFM, as_of="2025-01-01")
    assert not scan(customers)["stability"].equals(scan(customers, random_state=1)["stability"])


def test_sample_size_is_stated(monkeypatch):
    monkeypatch.setattr("segkit.trust.scan.MOST", 30)
    facts = scan(three_groups(), resamples=2, method="ward").attrs["segkit"]
    assert facts == {"customers": 60, "looked_at": 30, "resamples": 2, "micro_clusters": 30}


def test_sampled_silhouette_has_an_error(monkeypatch):
    monkeypatch.setattr("segkit.trust.scan.SILHOUETTE_SAMPLE", 15)
    row = scan(three_groups(), k=3).loc[3]
    assert 0 < row["silhouette_error"] < 0.05 and row["silhouette"] == pytest.approx(0.9, abs=0.1)


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "mixed_mixture", "ward"])
def test_continuum_is_scanned_too(method):
    events, _ = make_events(80, segments=one_population(), kinds=["purchase", "return"])
    customers = sg.customer_features(events, sg.RFM + sg.CADENCE, as_of="2025-01-01")
    table = scan(customers, method=method, k=range(2, 6))
    assert table.notna().all(axis=None) and table["stability"].max() <= 1


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "mixed_mixture", "ward"])
def test_four_customers_are_scanned_too(method):
    """Half of four customers are two, fewer than the segments."""
    table = scan(three_groups(2).iloc[:4], method=method)
    assert table["stability"].notna().all()


def test_k_may_be_one_number():
    assert scan(three_groups(), k=3).index.to_list() == [3]
    assert scan(three_groups(), k=[3, 2, 3]).index.to_list() == [2, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": []}, "k names no number of segments"),
        ({"k": [1, 2]}, "n_segments=1 should be a whole number, 2 or more"),
        ({"k": [2.7]}, "k holds 2.7, which is no whole number"),
        ({"k": "3"}, "k='3' names no number of segments"),
        ({"random_state": -1}, "random_state=-1 should be a whole number"),
        ({"k": [2, 61]}, "k goes up to 61, and only 60 customers differ"),
        ({"resamples": 0}, "resamples=0 should be a whole number, 1 or more"),
        ({"method": "x"}, "method='x' is none of"),
    ],
)
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        scan(three_groups(), **arguments)


def test_wrong_outcomes_are_explained():
    customers = three_groups()
    with pytest.raises(TypeError, match="outcome is a list"):
        scan(customers, outcome=[1.0] * 60)
    with pytest.raises(TypeError, match="outcome is of type str"):
        scan(customers, outcome=pd.Series("much", customers.index))
    with pytest.raises(ValueError, match="outcome has two values for"):
        scan(customers, outcome=pd.Series(1.0, customers.index.append(customers.index[:1])))


@pytest.mark.parametrize("customers", [three_groups() * 0, three_groups() * np.nan, three_groups().iloc[:1]])
def test_identical_customers_are_explained(customers):
    with pytest.raises(ValueError, match="only 1 customers differ"):
        scan(customers)


def curves(**columns):
    return pd.DataFrame(columns, index=pd.Index([2, 3, 4, 5], name="k"))


@pytest.mark.parametrize(
    ("stability", "smallest", "k"),
    [
        ([1.0, 0.9, 0.85, 0.5], [0.4, 0.3, 0.2, 0.1], 4),  # the largest that is still stable
        ([1.0, 0.9, 0.85, 0.9], [0.4, 0.3, 0.2, 0.01], 4),  # five would leave a tiny segment
        (
            [1.0, 0.5, 0.6, 0.4],
            [0.4, 0.3, 0.2, 0.1],
            4,
        ),  # none is stable enough: the most stable of three and more
    ],
)
def test_suggested_k_by_hand(stability, smallest, k):
    assert suggested_k(curves(stability=stability, smallest=smallest)) == k


def test_two_segments_as_last_resort():
    assert suggested_k(curves(stability=[0.9] * 4, smallest=[0.2] * 4).loc[[2]]) == 2


@pytest.mark.parametrize(
    ("stability", "smallest", "why"),
    [
        (
            [0.9, 0.8, 0.85, 0.5],
            [0.4, 0.3, 0.2, 0.1],
            "the most stable of 3 or more (0.85); with more, stability",
        ),
        (
            [0.9, 0.9, 0.85, 0.88],
            [0.4, 0.3, 0.2, 0.01],
            "(0.85) is near the best of 3 or more: 0.90 with 3; with more, a segment holds",
        ),
        (
            [0.9, 0.9, 0.85, 0.88],
            [0.4, 0.3, 0.2, 0.1],
            "the highest number whose stability (0.88) is near the best of 3 or more: 0.90 with 3; no higher",
        ),
        (
            [0.9, 0.7, 0.6, 0.5],
            [0.4, 0.01, 0.01, 0.01],
            "the most stable of 3 or more (0.70), although a segment holds less than 5%",
        ),
    ],
)
def test_a_suggestion_says_why(stability, smallest, why):
    table = curves(stability=stability, smallest=smallest)
    k, said = suggestion(table)
    assert k == suggested_k(table) and why in said


def test_progress_may_be_shown_by_ones_own_bar():
    seen = []
    bar = lambda numbers: (seen.append(n) or n for n in numbers)  # noqa: E731
    customers = pd.DataFrame({"frequency": [1, 2, 3, 30, 31, 29, 60, 61, 62]}, index=list("abcdefghi"))
    scan = scan_clusters(customers, k=[2, 3], resamples=2, progress=bar)
    assert seen == [2, 3] == list(scan.index)


def test_defensible_k_is_a_range():
    steady = {"stability_spread": [0.02] * 4, "prediction_spread": [0.02] * 4}
    table = curves(
        stability=[0.99, 0.97, 0.95, 0.6],
        prediction_strength=[0.95, 0.9, 0.93, 0.4],
        smallest=[0.4, 0.3, 0.2, 0.1],
        **steady,
    )
    assert defensible_k(table) == [2, 3, 4]
    assert defensible_k(table.assign(smallest=[0.4, 0.01, 0.2, 0.1])) == [2, 4]
    assert defensible_k(table, smallest=0.9) == [2]


@pytest.mark.simulation
def test_silhouette_error_covers(monkeypatch):
    """Of 40 samples in two continua, about 95 % should lie within two standard errors."""
    rng = np.random.default_rng(0)
    inside = 0
    monkeypatch.setattr("segkit.trust.scan.SILHOUETTE_SAMPLE", 1_000)
    for _ in range(2):
        customers = np.log(rng.lognormal(size=(4_000, 4)))
        everyone = compress(customers, rng, most=4_000)
        labels = KMeans(6, n_init=1, random_state=0).fit_predict(customers)
        exact = silhouette_score(customers, labels)
        for _ in range(20):
            mean, error = _Silhouettes(customers, everyone, rng).mean(labels)
            inside += abs(mean - exact) <= 2 * error
    assert inside >= 35  # fewer by chance in 1 of 200 runs, were the coverage 95 %
