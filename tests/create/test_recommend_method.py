"""Which method suits which customers, by their features and the form of their groups."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_blobs, make_circles, make_moons
from tables import continuum, three_groups

import segkit as sg
from segkit.create import recommend_method as module
from segkit.methods.fitting import METHODS

pytestmark = pytest.mark.structure
FORMS = {
    "moons": make_moons(600, noise=0.07, random_state=0)[0],
    "rings": make_circles(600, noise=0.05, factor=0.5, random_state=0)[0],
    "blobs": make_blobs(400, centers=4, random_state=1)[0],
    "uneven": make_blobs(400, centers=[[0, 0], [4, 0], [2, 4]], cluster_std=[1.3, 0.5, 0.8], random_state=0)[
        0
    ],
}


def table(values, **columns):
    index = [f"c{i:04}" for i in range(len(values))]
    return pd.DataFrame(values, index, [f"f{i}" for i in range(values.shape[1])]).assign(**columns)


@pytest.fixture(scope="module")
def of_continuum():
    return sg.recommend_method(continuum())


def words(n=300):
    rng = np.random.default_rng(0)
    kinds = rng.integers(3, size=n)
    drawn = {f"w{i}": np.where(rng.random(n) < 0.8, kinds, rng.integers(4, size=n)) for i in range(4)}
    return table(rng.normal(size=(n, 2)), **{name: np.array(list("abcd"))[v] for name, v in drawn.items()})


def test_a_continuum_is_divided_by_kmeans(of_continuum):
    assert of_continuum.method == "kmeans" and of_continuum.table.index[0] == "kmeans"
    assert of_continuum.reason.startswith(
        "300 customers with 4 numbers. They form one continuum, so no method"
    )
    assert of_continuum.preparation == "Logarithms of monetary, b, c, d, which are skewed."
    assert sorted(of_continuum.table.index) == sorted(METHODS)
    assert of_continuum.table["suits"].eq("recommended").sum() == 1
    assert set(of_continuum.ruled_out) == {"average", "hdbscan", "parts", "robust_linkage", "spectral"}


def test_it_is_shown_in_words_and_as_html(of_continuum):
    lines = repr(of_continuum).splitlines()
    assert lines[0].startswith("kmeans: 300 customers") and lines[1].startswith("Preparation: Logarithms")
    assert "Not hdbscan: Without dense groups it leaves most customers outside all segments." in lines
    shown = of_continuum._repr_html_()
    assert "<b>kmeans</b>" in shown and shown.count("<tr>") == 1 + len(METHODS)


@pytest.mark.parametrize(
    ("name", "method"),
    [("moons", "robust_linkage"), ("rings", "robust_linkage"), ("blobs", "kmeans"), ("uneven", "kmeans")],
)
def test_the_form_of_groups_decides(name, method):
    advice = sg.recommend_method(table(FORMS[name]))
    assert advice.method == method and "There are groups" in advice.reason
    assert (advice.table.loc["spectral", "suits"] == "suits") == (method == "robust_linkage")


def test_a_gap_between_two_values_makes_no_groups():
    """Five blobs, and a coin thrown for each customer: a linkage would divide them by the coin."""
    coin = np.random.default_rng(0).integers(2, size=400)
    blobs = make_blobs(400, centers=[[0, 0], [5, 0], [0, 5], [5, 5], [2.5, 2.5]], random_state=0)[0]
    advice = sg.recommend_method(table(blobs, coin=coin))
    assert advice.method == "kmeans" and advice.reason.endswith("run between them, most clearly between 5.")
    assert advice.ruled_out["gaussian_mixture"].startswith("Features of two values")


def test_features_from_events_start_with_three():
    customers = continuum().set_axis(["monetary", "recency", "frequency", "tenure"], axis=1)
    assert module._features_in_words(customers) == ""  # nobody knows what they measure
    customers.attrs["segkit"] = {"units": dict.fromkeys(customers, "")}
    advice = sg.recommend_method(customers)
    assert advice.features.startswith(
        "Start with recency, frequency and monetary alone. Segments with tenure as well"
    )
    assert "Features: Start" in repr(advice) and "Features: Start" in advice._repr_html_()
    assert module._features_in_words(customers[["recency", "frequency", "monetary"]]) == ""


def test_groups_that_overlap_get_a_mixture(monkeypatch):
    monkeypatch.setattr(module, "_sparsest", lambda clusterer, points: (0.5, 2))
    advice = sg.recommend_method(three_groups(60))
    assert advice.method in ("mixed_mixture", "gaussian_mixture") and "they overlap" in advice.reason


def test_many_words_get_a_mixture_where_there_is_one(monkeypatch):
    with_mixture = dict.fromkeys([*METHODS, "mixed_mixture"])
    monkeypatch.setattr(module, "METHODS", tuple(with_mixture))
    monkeypatch.setattr(module, "make_model", lambda *arguments: None)
    advice = sg.recommend_method(words())
    assert advice.method == "mixed_mixture" and "2 numbers and 4 features of words" in advice.reason
    assert "words and missing values as they are" in advice.preparation
    assert advice.ruled_out["gaussian_mixture"].startswith("It treats columns of words as numbers")
    assert {"spectral", "robust_linkage"} <= set(advice.ruled_out)


def test_what_a_method_refuses_is_impossible(monkeypatch):
    def refusing(method, *arguments):
        if method == "ward":
            raise ValueError("Too many.")

    monkeypatch.setattr(module, "make_model", refusing)
    row = sg.recommend_method(continuum()).table.loc["ward"]
    assert row.to_list() == ["impossible", "Too many."]


def test_sizes_ties_and_columns_speak_against_some_methods(monkeypatch):
    rng = np.random.default_rng(0)
    zeros = {name: rng.poisson(0.3, 300) for name in ("visits", "returns")}
    customers = (
        continuum().rename(columns={"monetary": "m"})[["m", "b"]].assign(**zeros, copy=lambda t: 2 * t["m"])
    )
    advice = sg.recommend_method(customers)
    assert "it may collapse onto that value" in advice.ruled_out["gaussian_mixture"]
    assert "These say the same: m and copy. Each counts once." in advice.preparation
    assert advice.reason.startswith("300 customers with 5 numbers. ")
    many = table(rng.normal(size=(100, 9)))
    assert (
        "45 covariances a segment, too many for 100"
        in sg.recommend_method(many).ruled_out["gaussian_mixture"]
    )
    monkeypatch.setattr(module, "MOST_FOR_WARD", 99)
    assert "a sample of these 100 customers" in sg.recommend_method(many).table.loc["ward", "why"]


def test_parts_suit_many_counts_only():
    counts = table(np.random.default_rng(0).poisson(0.8, (120, 10)))
    row = sg.recommend_method(counts).table.loc["parts"]
    assert row["suits"] == "suits" and "as a mix of a few parts" in row["why"]
    for other, why in (
        (counts[["f0", "f1", "f2"]], "many counts or amounts of one kind"),
        (counts + 1, "many counts or amounts of one kind"),
    ):
        row = sg.recommend_method(other).table.loc["parts"]
        assert row["suits"] == "poor" and why in row["why"]
    assert sg.recommend_method(counts.clip(upper=1)).table.loc["parts", "suits"] == "possible"
    row = sg.recommend_method(counts - 1).table.loc["parts"]
    assert row["suits"] == "impossible" and "negative numbers in f0, f1" in row["why"]


def test_customers_that_cannot_be_segmented_are_refused():
    with pytest.raises(ValueError, match="do not differ in these features"):
        sg.recommend_method(pd.DataFrame({"a": [1.0] * 60, "b": [2.0] * 60}))
    few = sg.recommend_method(pd.DataFrame({"a": [1.0, 2, 3], "b": [2.0, 1, 5]}))
    assert few.method == "kmeans" and "too little data to tell" in few.reason
    of_any_form = few.table.loc[["average", "hdbscan", "spectral", "robust_linkage"]]
    assert (of_any_form["suits"] == "possible").all()
    assert of_any_form["why"].str.contains("too little data to tell whether there are any").all()
    with pytest.warns(UserWarning, match="1 feature is the same for all customers"):
        sg.recommend_method(continuum().assign(same=1.0))
