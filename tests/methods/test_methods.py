"""What every method of `segment` keeps: groups are found, in any order of rows and columns, in any batch, and saved."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from tables import three_groups

import segkit as sg
from segkit.methods.bisecting import RefinedBisectingKMeans
from segkit.methods.fitting import FIND_THE_NUMBER, METHODS
from segkit.methods.hierarchy import SampledHDBSCAN, SampledHierarchy

TRUE = np.repeat([0, 1, 2], 30)
KINDS = [RefinedBisectingKMeans(3), SampledHierarchy(3), SampledHierarchy(3, "average"), SampledHDBSCAN()]


def not_kept(estimator):
    """Return the checks that scikit-learn's own KMeans fails too: weights draw other starts than repeated rows."""
    weights = (
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    )
    return dict.fromkeys(weights, "as KMeans") if isinstance(estimator, KMeans) else {}


@parametrize_with_checks(KINDS, expected_failed_checks=not_kept)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def customers():
    """Three groups with a word, and a number that is missing at times; some customers are equal."""
    table = three_groups(30).round(0).assign(channel=np.where(TRUE == 1, "web", "shop"))
    table.loc[table.index[::11], "spend"] = np.nan
    return table


def table_of(method):
    """Return the table that a method divides: parts are found in counts, whatever their sum."""
    if method != "parts":
        return customers()
    draw = np.random.default_rng(0)
    shares = np.array([[8, 2, 1, 1, 3], [1, 8, 2, 1, 3], [1, 1, 8, 2, 3]])[TRUE] / 15
    counts = draw.poisson(shares * draw.lognormal(5, 1, (90, 1)))
    return pd.DataFrame(counts, customers().index, ["visits", "spend", "returns", "calls", "all"])


def divided(table, method, **more):
    number = {} if method in FIND_THE_NUMBER else {"n_segments": 3}
    return sg.segment(table, method=method, **number, **more)


@pytest.fixture(scope="module", params=METHODS)
def result(request):
    return divided(table_of(request.param), request.param)


def test_groups_are_found(result):
    """Of the mixed mixture see its own tests: it takes a number that many customers share for a word."""
    method = result.provenance["method"]
    if method == "mixed_mixture":
        return
    assert len(result.segments) >= 3 if method in FIND_THE_NUMBER else 3
    inside = (result.labels >= 0).to_numpy() & result.customers["spend"].notna().to_numpy()
    assert adjusted_rand_score(TRUE[inside], result.labels[inside]) > 0.9
    assert result.provenance["n_sampled"] == 90


def test_order_of_rows_and_columns_changes_nothing(result):
    method = result.provenance["method"]
    table = table_of(method).sample(frac=1, random_state=1)
    assert_series_equal(divided(table, method).labels, result.labels.loc[table.index])
    swapped = divided(table[table.columns[::-1]], method).labels
    assert_series_equal(swapped, result.labels.loc[table.index])


def test_scores_are_frozen(result, tmp_path):
    """Customers who were there keep their segments, new ones do not depend on the batch, and saving changes nothing."""
    table = table_of(result.provenance["method"])
    assert_series_equal(result.assign(table), result.labels)
    new = table.assign(visits=table["visits"] * 1.3).iloc[::7].rename("new {}".format)
    placed = result.place(new)
    assert placed["confidence"].between(0, 1).all()
    one = new.iloc[[3]]
    assert_frame_equal(result.place(one), placed.loc[one.index], check_exact=True)
    again = sg.Segmentation.load(result.save(tmp_path / "segments"))
    assert_frame_equal(again.place(new), placed)


def test_two_columns_of_a_name_are_refused(result):
    table = result.customers
    twice = pd.concat([table, table.iloc[:, :1]], axis=1)
    with pytest.raises(ValueError, match=r"These customers have two columns '.*'\. Drop or rename"):
        result.assign(twice)


@pytest.mark.parametrize("method", FIND_THE_NUMBER)
def test_a_number_that_is_ignored_is_refused(method):
    for number in (3, "auto"):
        with pytest.raises(
            ValueError, match=f"n_segments={number!r}, and method='{method}' finds the number"
        ):
            sg.segment(customers(), n_segments=number, method=method)


@pytest.mark.filterwarnings("ignore:(Of 3 segments|method='hdbscan' found no)")
@pytest.mark.parametrize("method", [m for m in METHODS if m != "parts"])  # which are of counts alone
def test_ties_do_not_turn_with_columns(method):
    """Counts of which most are 0, words, and yes and no lie equally far from many others."""
    rng = np.random.default_rng(0)
    counts = pd.DataFrame(rng.poisson(0.1, (60, 12))).rename(columns="p{:02}".format)
    words = pd.DataFrame(rng.choice(list("abcd"), (60, 3))).rename(columns="w{}".format)
    bits = pd.DataFrame(rng.integers(0, 2, (60, 4))).rename(columns="b{}".format)
    for table in (counts, words, bits):
        assert_series_equal(divided(table, method).labels, divided(table[table.columns[::-1]], method).labels)


def test_customers_that_do_not_differ_are_refused():
    for table, message in (
        ({"a": [1.0] * 9}, "9 customers do not differ"),
        ({"a": [1.0]}, "There is 1 customer"),
    ):
        with pytest.raises(ValueError, match=message):
            sg.segment(pd.DataFrame(table), method="hdbscan")


def test_no_dense_group_is_said():
    table = pd.DataFrame({"a": [1.0, 2, 3, 9]}, index=list("abcd"))
    with pytest.warns(
        UserWarning, match="method='hdbscan' found no dense group: all 4 customers are outside"
    ):
        assert sg.segment(table, method="hdbscan").labels.eq(-1).all()


def test_density_leaves_strays_outside():
    """One column beyond ten, so that principal components are taken: new strays are outside too."""
    rng = np.random.default_rng(0)
    values = np.repeat(np.eye(2), 40, axis=0) @ rng.normal(size=(2, 12)) * 9 + rng.normal(size=(80, 12))
    table = pd.DataFrame(values, columns=[f"f{i:02}" for i in range(12)])
    far = table.mean() + table.std() * np.where(np.arange(12) % 2, 3, -3)
    table.loc[80] = far
    result = sg.segment(table, method="hdbscan")
    assert result.labels[80] == -1 and adjusted_rand_score(np.repeat([0, 1], 40), result.labels[:80]) > 0.9
    assert result.assign((table.loc[[80]] - table.mean()) * 0.9 + table.mean()).to_list() == [-1]


def test_impossible_parameters_are_named():
    with pytest.raises(ValueError, match=r"min_share=0\.7 is no share"):
        SampledHDBSCAN(min_share=0.7).fit([[0.0], [1.0]])
