"""The kind of a segmentation: natural, reproducible or constructive."""

import numpy as np
import pandas as pd
import pytest
from simulated import CONTINUA, RandomLabels, four_groups
from sklearn.cluster import DBSCAN, KMeans
from sklearn.pipeline import make_pipeline
from tables import continuum, three_groups

import segkit as sg
from segkit.trust.kind import BADGES

pytestmark = pytest.mark.structure


def elongated(seed=0, n=500):
    """A continuum with one long direction, so that two halves of it come back."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n)
    ids = pd.Index([f"c{i:04}" for i in range(n)], name="customer_id", dtype="str")
    return pd.DataFrame({c: np.exp(size + rng.normal(0, 0.5, n)) for c in "abc"}, ids)


@pytest.fixture(scope="module")
def natural():
    return sg.segment(three_groups(40), n_segments=3)


@pytest.fixture(scope="module")
def reproducible():
    return sg.segment(elongated(), n_segments=2)


@pytest.fixture(scope="module")
def constructive():
    return sg.segment(continuum(), n_segments=6)


def test_planted_groups_are_natural(natural):
    assert natural.kind == "natural" and natural.badge == "Natural segments"
    assert natural.kind_sentence == "Your customers form distinct groups, and these segments follow them."


def test_customers_outside_are_told():
    """Real groups with many strays between them: the groups are natural, and the strays in no segment."""
    strays = pd.DataFrame(
        {"visits": [200.0 + 40 * i for i in range(9)], "spend": 500.0}, [f"s{i}" for i in range(9)]
    )
    result = sg.segment(pd.concat([three_groups(40), strays]), model=DBSCAN(eps=3, min_samples=4))
    outside = int((result.labels == -1).sum())
    assert outside >= 9
    assert result.kind_sentence.endswith(
        f" {outside} of 129 customers ({outside / 129:.0%}) are outside all segments."
    )


def test_halves_are_reproducible(reproducible):
    assert reproducible.kind == "reproducible" and reproducible.badge == "Reproducible segments"
    assert reproducible.kind_sentence.startswith("Your customers form one continuum")
    assert "The same segments come back" in reproducible.kind_sentence
    assert reproducible.provenance["kind"]["stability"] >= 0.75


def test_continuum_is_constructive(constructive):
    assert constructive.kind == "constructive" and constructive.badge == "Constructive segments"
    assert "convenient slices: other divisions are as good" in constructive.kind_sentence
    assert constructive.provenance["kind"]["stability"] < 0.75


def test_few_customers_are_unclear():
    few = sg.segment(three_groups(4), n_segments=3)
    assert few.kind == "unclear" and few.badge == "Kind not known"
    assert few.kind_sentence.startswith("Only 12 customers")


def test_one_segment_is_unclear():
    one = sg.segment(three_groups(40), model=make_pipeline(sg.make_preparer(), KMeans(1, n_init=1)))
    assert one.kind == "unclear" and "nothing was divided" in one.kind_sentence


def test_some_segments_follow_groups():
    """Of four segments of three groups, two share a group."""
    result = sg.segment(three_groups(60), n_segments=4)
    real = int((sg.segment_structure(result, progress=False)["verdict"] == "real").sum())
    assert real == 2 and result.kind == "natural"
    assert "which match 2 of these 4 segments" in result.kind_sentence


def test_segments_across_groups():
    customers = four_groups(400, np.random.default_rng(2))[0]
    random = sg.segment(customers, model=make_pipeline(sg.make_preparer(), RandomLabels()))
    assert random.kind == "constructive"
    assert random.kind_sentence.startswith(
        "Your customers form groups, but these segments do not follow them."
    )


def test_ends_of_groups_are_not_natural():
    """Rules that leave the middle out make segments far apart, and no groups."""
    customers = three_groups(80)
    high = customers["spend"].quantile(0.9)
    low = customers["spend"].quantile(0.1)
    rules = sg.rules_segmenter({"High": f"spend > {high}", "Low": f"spend < {low}"})
    assert sg.segment(customers, model=rules).kind != "natural"


def test_value_bands_are_constructive():
    bands = sg.value_bands(three_groups(40), by="spend", n_bands=3)
    assert bands.kind == "constructive" and bands.kind_sentence.startswith("Tiers of spend")


@pytest.mark.parametrize("kind", ["natural", "reproducible", "constructive"])
def test_row_order_changes_no_kind(kind, request):
    result = request.getfixturevalue(kind)
    mixed = sg.segment(result.customers.sample(frac=1, random_state=3), n_segments=len(result.segments))
    assert mixed.provenance["kind"] == result.provenance["kind"]


@pytest.mark.parametrize("kind", ["natural", "reproducible", "constructive"])
def test_kind_is_shown_everywhere(kind, request):
    result = request.getfixturevalue(kind)
    assert repr(result).endswith(f"{result.badge}. {result.kind_sentence}")
    assert result.badge in result._repr_html_() and result.kind_sentence in result._repr_html_()
    table = result.with_embedding(sg.project(result)).to_frame()
    assert table.attrs["segkit"]["kind"] == kind and table.attrs["segkit"]["badge"] == BADGES[kind]
    charts = [
        sg.plot_sizes(sg.segment_sizes(result, minimum=1)),
        sg.plot_profile(sg.profile(result, minimum=1)),
        sg.plot_map(table),
        sg.plot_distributions(table, [table.columns[0]]),
    ]
    for chart in charts:
        assert BADGES[kind] in str(chart.to_dict()["title"]["subtitle"])


@pytest.mark.parametrize("kind", ["natural", "reproducible", "constructive"])
def test_kind_is_saved(kind, request, tmp_path):
    result = request.getfixturevalue(kind)
    again = sg.Segmentation.load(result.save(tmp_path / "kept"))
    assert (again.kind, again.kind_sentence, again.badge) == (result.kind, result.kind_sentence, result.badge)


def test_names_keep_the_kind(natural):
    named = natural.with_names({0: "Regulars"})
    assert named.kind_sentence == natural.kind_sentence


@pytest.mark.simulation
def test_kinds_over_simulated_customers():
    """Ten data sets of each sort; a continuum is natural in at most one of ten.

    Groups that overlap are natural in about seven of ten: the test misses two, and k-means finds others in one.
    """
    kinds = {"groups": [], "halves": [], "continuum": []}
    for seed in range(10):
        rng = np.random.default_rng(seed)
        kinds["groups"].append(sg.segment(four_groups(600, rng)[0], n_segments=4).kind)
        kinds["halves"].append(sg.segment(elongated(seed), n_segments=2).kind)
        for make in CONTINUA.values():
            kinds["continuum"].append(sg.segment(make(400, rng), n_segments=6).kind)
    assert kinds["groups"].count("natural") >= 6
    assert kinds["halves"].count("reproducible") >= 8
    assert kinds["continuum"].count("natural") <= 3 and kinds["continuum"].count("constructive") >= 45


def test_outsiders_are_counted():
    customers = pd.DataFrame(np.random.default_rng(0).normal(size=(80, 2)), columns=["a", "b"])
    nobody = sg.segment(customers, model=make_pipeline(sg.make_preparer(), DBSCAN(eps=1e-6)))
    assert nobody.kind_sentence == "No segment was found: all 80 customers are outside."
    customers.iloc[:20] = customers.iloc[:20] / 100 + 5
    one = sg.segment(customers, model=make_pipeline(sg.make_preparer(), DBSCAN(eps=0.1, min_samples=15)))
    assert one.kind_sentence == "There is one segment of 20 customers; the other 60 are outside."
    assert one.kind == nobody.kind == "unclear"
