"""n_segments="auto": as many segments as can be defended, or those of a continuum that come back best."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import continuum, purchases, three_groups

import segkit as sg
from segkit.create import auto as module
from segkit.datasets import make_events, one_population
from segkit.trust import structure

pytestmark = pytest.mark.structure


@pytest.fixture(scope="module")
def three():
    return sg.segment(three_groups(40), n_segments="auto")


def test_auto_explains_its_number(three):
    choice = three.provenance["choice"]
    assert choice["chosen"] == 3 == len(three.segments) and 3 in choice["defensible"]
    assert choice["why"].startswith("Of 2 to 10 segments, 3 are the most that come back")
    assert choice["why"] in three._repr_html_()


def test_interrupted_scan_is_reported(monkeypatch):
    scan = module.scan_clusters
    monkeypatch.setattr(module, "scan_clusters", lambda *a, **k: scan(*a, **{**k, "k": [2, 3]}))
    why = sg.segment(three_groups(40), n_segments="auto").provenance["choice"]["why"]
    assert why.startswith("Of 2 to 3 segments, 3 are")
    assert why.endswith("The scan was stopped before 10 segments.")


def test_auto_divides_a_continuum_into_what_comes_back_best(monkeypatch):
    similar = pd.Series({2: 0.99, 3: 0.5, 4: 0.9, 5: 0.8, 6: 0.7, 7: 0.3, 8: 0.2})
    tried, scan, first_large = [], module.scan_clusters, module._first_large

    def recorded(customers, divide, numbers, *arguments):
        tried.append(numbers)
        return first_large(customers, divide, numbers, *arguments)

    monkeypatch.setattr(module, "scan_clusters", lambda *a, **k: scan(*a, **k).assign(jaccard=similar))
    monkeypatch.setattr(module, "_first_large", recorded)
    result = sg.segment(continuum(), n_segments="auto")
    choice, why = result.provenance["choice"], result.provenance["choice"]["why"]
    assert tried == [[4, 5, 6, 3, 7, 8, 2]]
    assert (result.provenance["method"], choice["chosen"], len(result.segments)) == ("kmeans", 4, 4)
    assert choice["defensible"] == [] and result.kind in ("reproducible", "constructive")
    assert (
        "Of 3 to 8 segments, 4 come back best on resampled customers (mean Jaccard similarity of 0.90" in why
    )
    assert why.endswith("The alternative is tiers of monetary: value_bands(customers, by='monetary').")
    least = result.labels.value_counts(normalize=True).min() + 0.02
    fewer = sg.segment(continuum(), n_segments="auto", min_share=least)
    assert len(fewer.segments) != 4
    assert "customers, of those that leave enough customers in each" in fewer.provenance["choice"]["why"]


def test_auto_takes_of_a_continuum_what_says_most_about_what_comes_later(monkeypatch):
    customers = continuum()
    customers.attrs["segkit"] = {"as_of": "2024-10-01"}
    spent = pd.Series(0.0, customers.index)
    spent.iloc[:100] = np.arange(1.0, 101)
    lines = [(c, "2024-11-01", amount) for c, amount in spent.items() if amount]
    events = purchases(*lines, ("c0000", "2024-09-30", 7.0), ("c0000", "2025-01-01", 7.0))
    seen, scan = [], module.scan_clusters

    def known(*arguments, **options):
        seen.append(options["outcome"])
        explained = pd.Series({2: 0.9, 3: 0.1, 4: 0.2, 5: 0.3, 6: 0.25, 7: 0.2, 8: 0.1})
        return scan(*arguments, **options).assign(outcome=explained)

    monkeypatch.setattr(module, "scan_clusters", known)
    result = sg.segment(customers, n_segments="auto", events=events, horizon="90 days")
    assert len(result.segments) == 5
    said = "5 say most about what customers spend later (they explain 30.0% of its variance)"
    assert said in result.provenance["choice"]["why"]
    np.testing.assert_allclose(np.expm1(seen[0]), spent)


def test_what_comes_later_is_asked_for_completely():
    events, _ = make_events(60, kinds="purchase")
    customers = sg.customer_features(events, sg.RFM, as_of="2024-10-01")
    for given in (
        {"events": events, "n_segments": "auto"},
        {"events": events, "horizon": "90 days", "n_segments": 3},
    ):
        with pytest.raises(ValueError, match="Give all three, or neither events nor horizon"):
            sg.segment(customers, **given)
    with pytest.raises(ValueError, match="do not say as of which moment they were computed"):
        sg.segment(continuum(), n_segments="auto", events=events, horizon="90 days")
    with pytest.raises(ValueError, match=r"The events end at .* before the horizon"):
        sg.segment(customers, n_segments="auto", events=events, horizon="900 days")


def test_auto_names_no_tiers_without_a_value():
    why = sg.segment(continuum().rename(columns={"monetary": "a"}), n_segments="auto").provenance["choice"][
        "why"
    ]
    assert "value_bands" not in why and why.endswith("Another number may serve as well.")


def test_min_share_is_kept():
    customers = pd.concat([three_groups(60), three_groups(3).set_axis([f"x{i}" for i in range(9)]) + 900])
    with pytest.raises(ValueError, match="min_share asks for 10"):
        sg.segment(customers, n_segments=4, min_share=0.1)
    result = sg.segment(customers, n_segments="auto", min_share=0.04)
    assert result.labels.value_counts(normalize=True).min() >= 0.04 and len(result.segments) >= 2
    with pytest.raises(ValueError, match="No number of segments up to 10 leaves 40%"):
        sg.segment(customers, n_segments="auto", min_share=0.4)
    with pytest.raises(ValueError, match=r"min_share=0.9 is not the share"):
        sg.segment(customers, n_segments=3, min_share=0.9)


def test_wrong_arguments_are_explained():
    with pytest.raises(ValueError, match="neither a number nor 'auto'"):
        sg.segment(three_groups(), n_segments="many")
    with pytest.raises(ValueError, match="a model is used exactly as passed"):
        sg.segment(three_groups(), n_segments="auto", model=KMeans(2))
    alike = pd.DataFrame({"a": [1.0] * 60, "b": [2.0] * 60}, index=[f"c{i:02}" for i in range(60)])
    with pytest.raises(ValueError, match="do not differ in these features"):
        sg.segment(alike, n_segments="auto")
    with pytest.raises(ValueError, match="There is 1 customer, and nothing to segment"):
        sg.segment(alike[:1], n_segments="auto")
    with pytest.raises(ValueError, match="do not differ in these features"):
        sg.segment(alike, n_segments=2)


def test_words_alone_are_divided():
    rng = np.random.default_rng(0)
    words = {c: rng.choice(list("uvwxyz"), 200) for c in "abcd"}
    result = sg.segment(pd.DataFrame(words, index=[f"c{i:03}" for i in range(200)]), n_segments="auto")
    assert result.provenance["method"] == "kmeans" and result.kind != "natural"


def test_auto_continues_segments(three):
    first = three.with_names({0: "A", 1: "B", 2: "C"})
    again = sg.segment(three_groups(40), n_segments="auto", previous=first, random_state=5)
    assert again.names == first.names and again.labels.equals(first.labels)


def test_auto_continues_value_bands():
    before = sg.value_bands(continuum(200, seed=4), by="c").with_names({0: "Gold"})
    again = sg.segment(continuum(200, seed=5), n_segments="auto", previous=before)
    assert again.provenance["by"] == "c" and again.name_of(0) == "Gold"
    assert again.provenance["choice"]["why"].endswith("So the previous value bands by c are continued.")
    without = sg.segment(continuum(200, seed=5).drop(columns="c"), n_segments="auto", previous=before)
    assert without.provenance["choice"]["why"].endswith("not continued, since these customers have no 'c'.")


def test_equal_customers_are_tested_once(monkeypatch):
    calls, test = [], structure.run_test
    monkeypatch.setattr(structure, "run_test", lambda *a, **more: calls.append(1) or test(*a, **more))
    customers = continuum(120, seed=9)
    for k in (2, 3):
        sg.segment(customers.sample(frac=1, random_state=k), n_segments=k)
    assert len(calls) == 1


@pytest.mark.simulation
def test_auto_finds_planted_numbers():
    """Of 8 shops with five kinds of customers 7 get five segments; none of 8 continua gets tiers of a column."""
    planted, ungrouped = [], []
    for seed in range(8):
        for personas, results in ((None, planted), (one_population(), ungrouped)):
            events, _ = make_events(500, kinds="purchase", segments=personas, random_state=seed)
            customers = sg.customer_features(events, sg.RFM + sg.CADENCE, as_of="2025-01-01")
            results.append(sg.segment(customers, n_segments="auto"))
    assert sum(len(r.segments) == 5 and r.provenance["method"] == "kmeans" for r in planted) >= 7
    assert sum("come back best" in r.provenance["choice"]["why"] for r in ungrouped) >= 6


# --- units of extreme size ---------------------------------------------------------------------------

TWO = pd.DataFrame({"a": [10.0, 11, 12, 30, 31, 33], "b": [5.0, 4, 5, 9, 8, 7]}, index=list("uvwxyz"))


@pytest.mark.parametrize("unit", [1e-310, 1e-300, 1e-200, 1e-14, 1e300])
@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "mixed_mixture", "ward"])
def test_segments_do_not_depend_on_the_unit(unit, method):
    result = sg.segment(TWO * unit, n_segments=2, method=method)
    assert result.labels.to_list() == sg.segment(TWO, n_segments=2, method=method).labels.to_list()
    assert result.assign(TWO * unit).equals(result.labels)


def test_a_model_of_ones_own_is_told_of_numbers_whose_squares_overflow_or_vanish():
    two = KMeans(2, n_init=1, random_state=0)
    with pytest.raises(ValueError, match=r"numbers of 'a' reach 3\.3e-199, too small to measure"):
        sg.segment(TWO * 1e-200, model=two)
    with pytest.raises(ValueError, match=r"'a' reach 3\.3e\+301, too large .* put the preparer first"):
        sg.segment(TWO * 1e300, model=make_pipeline(StandardScaler(), two))
    prepared = sg.segment(TWO * 1e300, model=make_pipeline(sg.make_preparer(), two))
    assert prepared.labels.nunique() == 2
