"""Segments cover all customers, stay what they were, and take in new customers."""

import dataclasses
import decimal
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.cluster import (
    DBSCAN,
    HDBSCAN,
    OPTICS,
    AgglomerativeClustering,
    Birch,
    FeatureAgglomeration,
    KMeans,
    MeanShift,
    MiniBatchKMeans,
)
from sklearn.linear_model import LinearRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tables import three_groups

import segkit as sg
from segkit.datasets import make_events, one_population

TRUE = np.repeat([0, 1, 2], 20)


def with_strays():
    """Three groups, and one customer far from all of them."""
    customers = three_groups()
    return pd.concat([customers, pd.DataFrame({"visits": [500.0], "spend": [500.0]}, index=["stray"])])


# --- making segments ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "mixed_mixture", "ward"])
def test_three_groups_are_found(method):
    result = sg.segment(three_groups(), n_segments=3, method=method)
    assert adjusted_rand_score(TRUE, result.labels) == 1


def test_largest_segment_is_zero():
    customers = pd.concat([three_groups(5).iloc[:5], three_groups(30).iloc[30:]])
    assert sg.segment(customers, n_segments=3).labels.value_counts().sort_index().to_list() == [30, 30, 5]


def test_labels_keep_the_index():
    customers = three_groups().sample(frac=1, random_state=1)
    result = sg.segment(customers, n_segments=3)
    assert result.labels.index.equals(customers.index)
    assert (result.labels.name, result.labels.dtype) == ("segment", "int64")
    assert_frame_equal(result.customers, customers)
    assert result.prepared.index.equals(customers.index)


def test_id_type_changes_nothing():
    customers = three_groups().set_axis(range(60))
    of_numbers = sg.segment(customers, n_segments=3).labels.to_list()
    as_text = customers.set_axis([str(i) for i in range(60)])
    assert sg.segment(as_text, n_segments=3).labels.to_list() == of_numbers
    levels = pd.CategoricalIndex(as_text.index, categories=as_text.index[::-1])
    assert sg.segment(as_text.set_axis(levels), n_segments=3).labels.to_list() == of_numbers


def test_invisible_names_are_refused():
    result = sg.segment(three_groups(), n_segments=3)
    for name in ("a\u200bb", "a\u202eb", "\ufeffa", "a\ud800", "a\x07b", "a\u200db"):
        with pytest.raises(ValueError, match=r"holds an invisible character, .* Write the name without it"):
            result.with_names({0: name})
    for name in ("Zürich 50+", "می‌خواهم", "👩‍💻 at work", "two\twords"):
        assert result.with_names({0: name}).names[0] == " ".join(name.split())


@pytest.mark.parametrize("seed", range(4))
def test_planted_segments_are_recovered(seed):
    events, truth = make_events(400, kinds=["purchase", "return"], random_state=seed)
    customers = sg.customer_features(events, sg.RFM + sg.CADENCE, as_of="2025-01-01")
    result = sg.segment(customers, n_segments=truth.nunique())
    assert adjusted_rand_score(truth.loc[customers.index], result.labels) >= 0.95


def test_continuum_is_divided_too():
    events, _ = make_events(150, segments=one_population(), kinds=["purchase", "return"])
    customers = sg.customer_features(events, sg.RFM + sg.CADENCE + sg.BASKET + sg.TREND, as_of="2025-01-01")
    for method in ("kmeans", "gaussian_mixture", "mixed_mixture", "ward"):
        result = sg.segment(customers, n_segments=4, method=method)
        assert len(result.segments) == 4
        assert len(sg.profile(result, minimum=1)) and len(sg.project(result)) == len(customers)


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, None, 3] * 20, dtype="Int64"),
        pd.array([True, None, False] * 20, dtype="boolean"),
        pd.Categorical(["x", "y", None] * 20),
        ["x", "y", None] * 20,
        [True, False] * 30,
    ],
)
def test_columns_of_every_type(column):
    result = sg.segment(three_groups(extra=column), n_segments=3)
    assert_series_equal(result.assign(result.customers), result.labels)


def test_words_that_were_unseen_are_counted():
    result = sg.segment(three_groups(region=["north", "south", None] * 20), n_segments=3)
    new = three_groups(region=pd.Categorical(["mars"] * 3 + ["venus"] + ["north"] * 55 + [None]))
    told = r"60 customers have words .*: region 'mars' \(4 customers with unseen words\)"
    with pytest.warns(UserWarning, match=told):
        labels = result.assign(new)
    with pytest.warns(UserWarning, match=told):
        assert result.place(new)["segment_id"].equals(labels.rename("segment_id"))
    with pytest.warns(UserWarning, match=r"region 'mars' \(1 customer with"):
        result.assign(new.iloc[:1])
    assert result.assign(new.iloc[4:]).equals(labels.iloc[4:])


# --- models that are passed --------------------------------------------------------------------------

OWN = [
    KMeans(3, n_init=2, random_state=0),
    MiniBatchKMeans(3, n_init=2, random_state=0),
    GaussianMixture(3, random_state=0),
    AgglomerativeClustering(3),
    DBSCAN(eps=3),
    HDBSCAN(copy=True),
    OPTICS(min_samples=5),
    MeanShift(),
    Birch(n_clusters=3),
]


@pytest.mark.parametrize("clusterer", OWN, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("prepared", [True, False])
def test_any_clusterer_is_used_as_passed(clusterer, prepared):
    """Its customers keep its labels, assigned in one batch or one by one, and no other label appears."""
    customers = with_strays()
    model = make_pipeline(sg.make_preparer(), clusterer) if prepared else clusterer
    result = sg.segment(customers, model=model)
    assert_series_equal(result.assign(customers), result.labels)
    for i in customers.index[::7]:
        assert result.assign(customers.loc[[i]]).loc[i] == result.labels[i]
    rng = np.random.default_rng(0)
    anywhere = pd.DataFrame(rng.normal(scale=1000, size=(200, 2)), columns=customers.columns)
    assert set(result.assign(anywhere)) <= set(result.labels)


def test_model_is_copied():
    model = KMeans(3, n_init=1, random_state=0)
    result = sg.segment(three_groups(), model=model)
    assert not hasattr(model, "labels_") and hasattr(result.model, "labels_")


def test_unnamed_columns_are_numbered():
    model = make_pipeline(
        FunctionTransformer(np.log1p), StandardScaler(), KMeans(3, n_init=1, random_state=0)
    )
    result = sg.segment(three_groups(), model=model)
    assert list(result.prepared) == ["prepared 0", "prepared 1"]
    assert_series_equal(result.assign(three_groups()), result.labels)


def test_labels_of_a_model_are_kept():
    customers = three_groups()
    model = make_pipeline(StandardScaler(), AgglomerativeClustering(3))
    assert sg.segment(customers, model=model).labels.to_list() == model.fit(customers)[-1].labels_.tolist()


@pytest.mark.parametrize("clusterer", [DBSCAN(eps=3), HDBSCAN(copy=True)])
def test_outliers_stay_outliers(clusterer):
    result = sg.segment(with_strays(), model=clusterer)
    assert result.labels["stray"] == -1
    assert result.name_of(-1) == "Outside" and -1 not in result.segments
    far = pd.DataFrame({"visits": [-9999.0, 11.0], "spend": [-9999.0, 11.0]}, index=["far", "near"])
    placed = result.assign(far)
    assert placed["far"] == -1 and placed["near"] == result.labels["c000"]
    assert repr(result).splitlines()[0].endswith("Outside: hidden)")


def test_html_escapes_names():
    evil = "<img src=x>"
    result = sg.segment(with_strays(), model=HDBSCAN(copy=True)).with_names({0: evil})
    shown = result._repr_html_()
    assert "61 customers in 3 segments" in shown and evil not in shown and "&lt;img src=x&gt;" in shown
    # The one outside, and a segment whose size would tell how many are.
    assert shown.count("<td>20</td><td>33%</td>") == 2 and ">Outside</td><td>hidden</td>" in shown


def test_hdbscan_puts_missing_values_outside():
    """HDBSCAN labels them −3, which is no segment."""
    customers = with_strays()
    customers.loc["c005", "spend"] = np.nan
    result = sg.segment(customers, model=HDBSCAN(copy=True))
    assert result.labels["c005"] == -1 and min(result.labels) == -1
    assert_series_equal(result.assign(customers), result.labels)


class Halves(KMeans):
    """Predict a third label to the right, where no customer was fitted."""

    def fit(self, X, y=None):
        super().fit(X)
        self.cluster_centers_ = np.vstack([self.cluster_centers_, [[1000.0, 1000.0]]])
        return self


class Other(GaussianMixture):
    """The same, by a rule of its own."""

    def predict(self, X):
        return np.where(np.asarray(X)[:, 0] > 500, 7, super().predict(X))


@pytest.mark.parametrize("model", [Halves(2, n_init=1, random_state=0), Other(2, random_state=0)])
def test_labels_never_fitted_cannot_appear(model):
    """Customers in a part of the model without fitted ones join the nearest customer's segment."""
    result = sg.segment(three_groups(), model=model)
    far = pd.DataFrame({"visits": [2000.0], "spend": [1500.0]}, index=["far"])
    assert result.assign(far)["far"] == result.labels["c020"]


# --- placing customers -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result():
    return sg.segment(three_groups(), n_segments=3)


def test_column_order_changes_nothing(result):
    customers = three_groups()
    assert_series_equal(result.assign(customers[["spend", "visits"]].assign(more="x")), result.labels)


def test_empty_table_is_assigned(result):
    empty = result.assign(three_groups().iloc[:0])
    assert (len(empty), empty.dtype, empty.name) == (0, "int64", "segment")


def test_missing_values_are_assigned(result):
    assert result.assign(pd.DataFrame({"visits": [np.nan], "spend": [np.nan]}))[0] in result.segments


@pytest.mark.parametrize(
    ("customers", "error", "message"),
    [
        (
            pd.DataFrame({"visits": [1.0], "Spend": [1.0]}),
            ValueError,
            "no feature 'spend'. Did you mean 'Spend'",
        ),
        (pd.DataFrame({"visits": [np.inf], "spend": [1.0]}), ValueError, "'visits' holds infinity"),
        ({"visits": 1}, TypeError, "customers is a dict"),
    ],
)
def test_wrong_customers_are_explained(result, customers, error, message):
    with pytest.raises(error, match=message):
        result.assign(customers)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bare_clusterer_refuses_missing_values(value):
    bare = sg.segment(three_groups(), model=KMeans(3, n_init=1, random_state=0))
    with pytest.raises(ValueError, match="missing or infinite, and the model has no rule"):
        bare.assign(pd.DataFrame({"visits": [value], "spend": [1.0]}))


# --- names, frames, provenance -----------------------------------------------------------------------


def test_names_belong_to_ids(result):
    named = result.with_names({1: "  Big\nspenders "}).with_names({0: "Regulars"})
    assert named.names == {0: "Regulars", 1: "Big spenders"} and result.names == {}
    assert list(named.named_labels.cat.categories) == ["Regulars", "Big spenders", "Segment 2"]
    assert named.with_names({1: ""}).names == {0: "Regulars"}
    assert (named.named_labels.astype(str) == "Regulars").equals(named.labels == 0)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({9: "x"}, r"no segment 9. The segments are 0 \(Segment 0\), 1 \(Segment 1\), 2"),
        ({-1: "Noise"}, "no segment -1"),
        ({0: "Segment 1"}, "Two segments would be called 'Segment 1'"),
        ({0: "A", 1: " A "}, "Two segments would be called 'A'"),
        ({0: "Outside"}, "would be called 'Outside'"),
        ({"Segmnt 0": "x"}, r"no segment 'Segmnt 0'. Did you mean 'Segment 0'\?"),
        ({0: "x", "Segment 0": "y"}, "Two names are given for segment 0"),
        (["A", "B"], "There are 3 segments, and 2 names"),
    ],
)
def test_misleading_names_are_refused(result, names, message):
    with pytest.raises(ValueError, match=message):
        result.with_names(names)


def test_segments_are_named_by_id_by_name_and_all_at_once(result):
    named = result.with_names(["A", "B", "C"])
    assert named.names == {0: "A", 1: "B", 2: "C"}
    assert result.with_names({"Segment 1": "B"}).names == {1: "B"}
    assert named.with_names({"A": "B", "B": "A"}).names == {0: "B", 1: "A", 2: "C"}
    with pytest.raises(TypeError, match=r"names is the text 'A'.*It should be a name for each segment"):
        result.with_names("A")


def test_to_frame_adds_columns(result):
    frame = result.with_embedding(sg.project(result)).to_frame()
    assert list(frame) == ["visits", "spend", "segment_id", "segment", "x", "y"]
    assert_series_equal(frame["segment_id"], result.labels, check_names=False)


def test_embedding_places_everyone(result):
    places = sg.project(result)
    mixed = result.with_embedding(places.sample(frac=1, random_state=0).assign(z=0))
    assert_frame_equal(mixed.embedding, places, check_like=False)
    with pytest.raises(ValueError, match="1 customer has no place in the embedding, such as 'c000'"):
        result.with_embedding(places.iloc[1:])
    with pytest.raises(ValueError, match=r"columns 'x' and 'y', got \['x'\]"):
        result.with_embedding(places[["x"]])


def test_segmentation_is_frozen(result):
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.labels = None


def test_provenance_describes_the_fit():
    events, _ = make_events(60, kinds="purchase")
    customers = sg.customer_features(events, sg.RFM, as_of="2025-01-01", window="300 days")
    facts = sg.segment(customers, n_segments=3, method="ward", random_state=7).provenance
    assert (facts["as_of"], facts["window"], facts["sources"]) == (
        "2025-01-01T00:00:00",
        "300 days 00:00:00",
        ["make_events"],
    )
    assert (facts["method"], facts["n_segments"], facts["random_state"]) == ("ward", 3, 7)
    assert (
        facts["features"] == ["recency", "frequency", "monetary", "tenure"]
        and facts["units"]["tenure"] == "days"
    )
    assert {"segkit", "python", "scikit-learn", "numpy", "pandas"} == set(facts["versions"])


def test_hash_follows_data_and_labels(result):
    customers = three_groups()
    same = sg.segment(customers.sample(frac=1, random_state=3), n_segments=3)
    other = customers.copy()
    other.iloc[0, 0] += 1e-9
    hashes = {r.provenance["hash"] for r in (result, same)}
    assert len(hashes) == 1
    assert sg.segment(other, n_segments=3).provenance["hash"] not in hashes
    assert sg.segment(customers, n_segments=2).provenance["hash"] not in hashes
    assert (
        sg.segment(customers.rename(columns={"spend": "spent"}), n_segments=3).provenance["hash"]
        not in hashes
    )


# --- what goes wrong ---------------------------------------------------------------------------------

GROUPS = three_groups()


@pytest.mark.parametrize(
    ("customers", "message"),
    [
        (GROUPS.iloc[:0], "customers has 0 rows and 2 columns"),
        (GROUPS[[]], "customers has 60 rows and 0 columns"),
        (GROUPS.iloc[:1], "n_segments=3 is more than 1 customer"),
        (GROUPS.iloc[:2], "n_segments=3 is more than 2 customers"),
        (GROUPS * 0, "do not differ in these features"),
        (GROUPS * np.nan, "do not differ in these features"),
        (pd.concat([GROUPS, GROUPS.iloc[:1]]), "'c000' has more than one row"),
        (GROUPS.assign(spend=np.inf), "'spend' holds infinity"),
        (GROUPS.assign(spend=-np.inf), "'spend' holds infinity"),
        (
            GROUPS.assign(spend=pd.Timestamp("2024-01-01")),
            "'spend' holds dates, and features are numbers or categories",
        ),
        (GROUPS.assign(spend=np.arange(60) * 1j), "'spend' is of type complex128"),
        (
            GROUPS.assign(spend=pd.Series([1, "x"] * 30, dtype=object, index=GROUPS.index)),
            "'spend' holds objects",
        ),
        (
            GROUPS.assign(spend=[decimal.Decimal(1), decimal.Decimal(2)] * 30),
            r"'spend' holds objects \(decimal\)",
        ),
        (GROUPS.set_axis([1, 2], axis=1), "name of the column 1 is not text"),
        (GROUPS.set_axis(["a", "a"], axis=1), "two columns 'a'"),
        (GROUPS.rename(columns={"spend": "x"}), "called 'x', a column that result.to_frame"),
        (GROUPS.set_axis([*range(59), "a"]), "ids of different types"),
        (GROUPS.set_axis([*GROUPS.index[:59], None]), "has missing ids"),
        (GROUPS.set_axis(pd.MultiIndex.from_product([range(6), range(10)])), "all text or all numbers"),
    ],
)
def test_wrong_tables_are_explained(customers, message):
    with pytest.raises(ValueError, match=message):
        sg.segment(customers, n_segments=3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "The number of segments is missing"),
        ({"n_segments": 1}, ValueError, "n_segments=1 should be a whole number, 2 or more"),
        ({"n_segments": 2.5}, ValueError, "n_segments=2.5 should be"),
        ({"n_segments": True}, ValueError, "n_segments=True should be"),
        ({"n_segments": 3, "method": "kmedoids"}, ValueError, "method='kmedoids' is none of kmeans"),
        ({"n_segments": 3, "model": KMeans(3)}, ValueError, "Both n_segments=3 and a model"),
        ({"model": LinearRegression()}, ValueError, "could not be fitted"),
        ({"model": StandardScaler()}, TypeError, "StandardScaler gives no labels"),
        ({"model": 3}, TypeError, "model is 3. It should be a scikit-learn clusterer"),
        ({"model": KMeans}, TypeError, r"model is the class KMeans.*Add parentheses.*: KMeans\(…\)"),
    ],
)
def test_wrong_arguments_are_explained(arguments, error, message):
    with pytest.raises(error, match=message):
        sg.segment(GROUPS, **arguments)


def test_model_without_missing_values():
    with pytest.raises(ValueError, match=r"(?s)NaN.*put make_preparer\(\) before it"):
        sg.segment(GROUPS.where(GROUPS["visits"] > 30), model=KMeans(3, n_init=1))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.array([True, None, False] * 20, dtype="bool[pyarrow]"), [1.0, np.nan, 0.0]),
        (
            pd.arrays.ArrowExtensionArray(pa.array(["u", None, "v"] * 20).dictionary_encode()),
            ["u", None, "v"],
        ),
        (pd.arrays.ArrowExtensionArray(pa.array([4, None, 9] * 20).dictionary_encode()), [4.0, np.nan, 9.0]),
        (
            pd.arrays.ArrowExtensionArray(
                pa.array([Decimal("1.5"), Decimal(2), Decimal(4)] * 20, pa.decimal256(50, 2))
            ),
            [1.5, 2.0, 4.0],
        ),
        (pd.arrays.ArrowExtensionArray(pa.array(np.array([1, 2, 3] * 20, dtype="float16"))), [1.0, 2.0, 3.0]),
    ],
)
def test_arrow_types_are_features(column, expected, tmp_path):
    """Bools, dictionaries, wide decimals and half floats: as the same values of other types, and they last."""
    plain = pd.Series(expected * 20, GROUPS.index)
    plain = plain.astype("category" if isinstance(expected[0], str) else float)
    arrow = GROUPS.assign(extra=column)
    result, same = sg.segment(arrow, n_segments=3), sg.segment(GROUPS.assign(extra=plain), n_segments=3)
    assert_series_equal(result.labels, same.labels)
    assert_frame_equal(result.prepared, same.prepared)
    assert_series_equal(result.assign(arrow), result.labels)
    assert_series_equal(sg.Segmentation.load(result.save(tmp_path / "kept")).assign(arrow), result.labels)
    assert len(sg.profile(result, minimum=1)) == len(sg.profile(same, minimum=1))


def test_columns_of_several_levels_are_refused_with_help():
    columns = pd.MultiIndex.from_tuples([("web", "visits"), ("shop", "spend")])
    table = GROUPS.set_axis(columns, axis=1)
    with pytest.raises(ValueError, match=r"have 2 levels, such as \('web', 'visits'\)") as caught:
        sg.segment(table, n_segments=3)
    customers = table
    exec(str(caught.value).partition("Join them: ")[2].rstrip("."), {"customers": customers})
    assert list(sg.segment(customers, n_segments=3).customers) == ["web_visits", "shop_spend"]


def result_of_one(one):
    place = pd.DataFrame({"x": [0.0], "y": [0.0]}, index=one.labels.index)
    return dataclasses.replace(one, customers=GROUPS.loc[one.labels.index], embedding=place)


def test_one_customer_is_singular():
    labels = sg.segment(GROUPS, n_segments=3).labels
    one = dataclasses.replace(sg.segment(GROUPS, n_segments=3), labels=labels.iloc[:1])
    assert repr(one).startswith("Segmentation: 1 customer in 1 segment (")
    assert "1 customer in 1 segment." in one._repr_html_()
    with pytest.raises(ValueError, match=r"n_segments=2 is more than 1 customer\. Choose fewer"):
        sg.segment(GROUPS.iloc[:1], n_segments=2)
    with pytest.raises(ValueError, match=r"The result has 1 segment, and stability"):
        sg.stability(one, progress=False)
    assert "1 customer. Close" in str(
        sg.plot_map(result_of_one(one), minimum=1).to_dict()["title"]["subtitle"]
    )


def test_list_is_no_table():
    with pytest.raises(TypeError, match="customers is a list"):
        sg.segment([[1], [2]], n_segments=2)


@pytest.mark.parametrize("method", ["ward", "average"])
def test_hierarchies_of_many_look_at_a_sample(monkeypatch, method):
    monkeypatch.setattr("segkit.methods.fitting.MOST_FOR_WARD", 40)
    result = sg.segment(GROUPS, n_segments=3, method=method)
    assert adjusted_rand_score(TRUE, result.labels) == 1
    assert (result.provenance["n_customers"], result.provenance["n_sampled"]) == (60, 40)
    assert result.assign(GROUPS).equals(result.labels)


def test_later_edits_change_nothing():
    customers = three_groups()
    result = sg.segment(customers, n_segments=3, method="ward")
    before = result.assign(result.customers)
    customers["segment"] = result.labels
    customers.iloc[:, 0] = 0.0
    assert "segment" not in result.customers
    assert result.assign(result.customers).equals(before)


def test_result_can_be_pickled():
    result = sg.segment(three_groups(), n_segments=3)
    labels = result.assign(result.customers)
    assert pickle.loads(pickle.dumps(result)).assign(result.customers).equals(labels)


def test_clusterers_of_features_are_refused():
    with pytest.raises(TypeError, match="groups something else"):
        sg.segment(three_groups(), model=FeatureAgglomeration(n_clusters=1))
