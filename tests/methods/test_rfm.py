"""RFM scores and segments: those of the R package rfm, and new customers."""

import numpy as np
import pandas as pd
import pytest
from shared_data import shared
from sklearn.utils.estimator_checks import parametrize_with_checks

import segkit as sg
from segkit.methods.rfm import OTHERS, RFM_COLUMNS, RFMSegmenter

SCORES = [f"{name}_score" for name in RFM_COLUMNS]


@parametrize_with_checks([RFMSegmenter(limits=None), RFMSegmenter(bins=3, limits=None, offset=0)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


# --- the R package's answers -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def customers():
    """Recency, frequency and monetary value of the package's own orders, by segkit."""
    orders = shared("rfm_orders") / "rfm_orders.csv"
    events = sg.read_events(orders, kind="purchase", timestamp="order_date", amount="revenue")
    return sg.customer_features(events, sg.RFM, as_of="2006-12-31")


def reference(name, customers):
    table = pd.read_csv(shared("rfm_orders") / f"rfm_reference_{name}.csv").set_index("customer_id")
    assert set(table.index) == set(customers.index)
    return table.loc[customers.index]


def test_features_match_the_r_package(customers):
    theirs = reference("quintiles", customers)[["recency_days", "transaction_count", "amount"]]
    assert (customers[list(RFM_COLUMNS)].to_numpy() == theirs.to_numpy()).all()


def test_quintile_scores_match_r(customers):
    rfm = RFMSegmenter().fit(customers)
    expected = [[115, 181, 297.4, 482], [4, 5, 6, 8], [255.8, 382, 506.4, 666]]
    assert [cuts.round(9).tolist() for cuts in rfm.cuts_] == expected
    theirs = reference("quintiles", customers)
    scores = pd.DataFrame(rfm.transform(customers), customers.index, SCORES)
    assert (scores == theirs[SCORES]).all(axis=None)
    printed = {
        "Ethyl Botsford": 354,
        "Hosteen Jacobi": 122,
        "Edw Frami": 555,
    }  # in the package's documentation
    assert (scores.loc[list(printed)] @ [100, 10, 1]).to_dict() == printed


def test_scores_by_cuts_match_r(customers):
    cuts = {"recency": [115, 181, 297, 482], "frequency": [4, 5, 6, 8], "monetary": [256, 382, 506, 666]}
    scores = RFMSegmenter(bins=cuts).fit_transform(customers)
    assert (scores == reference("custom_bins", customers)[SCORES].to_numpy()).all()


def test_segments_match_r(customers):
    rfm = RFMSegmenter().fit(customers)
    named = pd.Series(rfm.labels_, customers.index).map(rfm.names_)
    assert (named == reference("segments", customers)["segment"]).all()
    assert OTHERS not in set(named)


# --- by hand -----------------------------------------------------------------------------------------

FIVE = pd.DataFrame(
    {"recency": [1, 2, 3, 4, 5], "frequency": [1, 2, 3, 4, 5], "monetary": [10, 20, 30, 40, 50.0]},
    index=list("abcde"),
)


def test_value_at_cut_lies_above():
    """Quintiles of 1 … 5 are 1.8, 2.6, 3.4, 4.2; the package adds 1, so 4 is between 3.6 and 4.4."""
    rfm = RFMSegmenter().fit(FIVE)
    assert rfm.transform(FIVE)[:, 1].tolist() == [1, 1, 2, 3, 4]
    assert RFMSegmenter(offset=0).fit_transform(FIVE)[:, 1].tolist() == [1, 2, 3, 4, 5]
    cut = RFMSegmenter(bins={"frequency": [2, 3, 3, 5]}).fit(FIVE)
    assert cut.transform(FIVE)[:, 1].tolist() == [1, 2, 4, 4, 5]


def test_new_customers_use_same_cuts():
    rfm = RFMSegmenter(offset=0).fit(FIVE)
    newcomers = pd.DataFrame(
        {"recency": [0, 99], "frequency": [99, 0], "monetary": [1e6, -5]}, index=["y", "z"]
    )
    assert rfm.transform(newcomers).tolist() == [[5, 5, 5], [1, 1, 1]]
    assert [rfm.names_[i] for i in rfm.predict(newcomers)] == ["Champions", "Lost"]
    assert rfm.predict(newcomers.iloc[[1]]).tolist() == rfm.predict(newcomers)[[1]].tolist()


def test_no_order_means_no_segment():
    never = pd.DataFrame({"recency": [np.nan], "frequency": [0.0], "monetary": [0.0]}, index=["f"])
    rfm = RFMSegmenter().fit(pd.concat([FIVE, never]))
    assert (rfm.cuts_[0] == RFMSegmenter().fit(FIVE).cuts_[0]).all()
    assert rfm.labels_.tolist()[-1] == -1 and -1 not in rfm.labels_[:-1]
    assert np.isnan(rfm.transform(never)).tolist() == [[True, False, False]]


def test_other_columns_are_ignored():
    more = FIVE.assign(word=pd.Categorical(list("vwxyz")), tenure=9.0)[
        ["word", "monetary", "tenure", "frequency", "recency"]
    ]
    assert (RFMSegmenter().fit(FIVE).transform(more) == RFMSegmenter().fit_transform(more)).all()
    assert list(RFMSegmenter().fit(more).get_feature_names_out()) == SCORES


def test_array_begins_with_recency():
    assert (RFMSegmenter().fit_transform(FIVE.to_numpy()) == RFMSegmenter().fit_transform(FIVE)).all()


def test_first_fitting_limits_apply():
    limits = {"new": ((4, 5), (1, 5), (1, 5)), "often": ((1, 5), (4, 5), (1, 5))}
    rfm = RFMSegmenter(limits=limits, offset=0).fit(FIVE)  # scores 5 1 1, 4 2 2, 3 3 3, 2 4 4, 1 5 5
    assert rfm.labels_.tolist() == [0, 0, 2, 1, 1]
    assert rfm.names_ == {0: "new", 1: "often", 2: OTHERS}


def test_segments_by_sums_of_scores():
    rfm = RFMSegmenter(limits=None, offset=0).fit(FIVE)
    assert rfm.labels_.tolist() == [4, 5, 6, 7, 8]  # sums 7 … 11, less the lowest possible 3
    assert rfm.names_[4] == "Scores sum to 7" and len(rfm.names_) == 13


def test_model_of_segment_is_saved(tmp_path):
    result = sg.segment(FIVE, model=RFMSegmenter(offset=0))
    names = {i: name for i, name in result.model.names_.items() if i in result.segments}
    assert [names[label] for label in result.labels] == [
        "New Customers",
        "Loyal Customers",
        "Potential Loyalist",
        "Loyal Customers",
        "At Risk",
    ]
    result.save(tmp_path / "kept")
    again = sg.Segmentation.load(tmp_path / "kept")
    assert again.assign(FIVE).tolist() == result.labels.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bins": 1}, "bins=1 should be 2 or more for recency"),
        ({"bins": "five"}, "neither a number of bins nor ascending cuts"),
        ({"bins": {"monetary": [5, 3]}}, "bins=\\[5, 3\\] for monetary is neither"),
        ({"bins": {"recensy": 5}}, "bins names 'recensy'.*Did you mean 'recency'"),
        ({"bins": 4}, "limits='standard' is for .* in 5 bins each; here are 3 column"),
        ({"limits": "usual"}, "limits='usual' is none of"),
        ({"limits": {"a": ((1, 5), (1, 5))}}, "of each of 3 columns, such as"),
        ({"limits": {"a": ((1, 5), (1, 5), (2, 6))}}, "spans scores 2 to 6, and there are 1 to 5"),
    ],
)
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        RFMSegmenter(**arguments).fit(FIVE)


# --- columns by name ---------------------------------------------------------------------------------

DOCUMENTED = pd.DataFrame(
    {"recency": [9, 40, 90, 200, 400], "frequency": [40, 1, 12, 20, 6], "monetary": [900, 20, 150, 400, 60]}
)


@pytest.mark.parametrize(
    "names",
    [["Frequency", "Recency", "Monetary"], ["MONETARY", " recency ", "frequency"]],
)
def test_columns_are_found_by_name_in_any_case_and_order(names):
    table = pd.DataFrame({name: DOCUMENTED[name.strip().lower()] for name in names}).assign(age=50)
    rfm = RFMSegmenter(bins={names[0]: 5}).fit(table)
    assert rfm.get_feature_names_out().tolist() == SCORES
    assert (rfm.labels_ == RFMSegmenter().fit(DOCUMENTED).labels_).all()
    assert (rfm.predict(DOCUMENTED) == rfm.labels_).all()  # the same customers, with names in lower case


def test_names_that_fit_in_part_are_refused():
    """As of the package lifetimes: by position, frequency would be taken for recency."""
    table = DOCUMENTED.rename(columns={"monetary": "monetary_value"})[
        ["frequency", "recency", "monetary_value"]
    ]
    with pytest.raises(ValueError, match=r"recency and frequency by name, but no monetary\. Rename"):
        RFMSegmenter().fit(table)
    with pytest.raises(ValueError, match="'Recency' and 'RECENCY' could each be recency"):
        RFMSegmenter().fit(DOCUMENTED.rename(columns={"recency": "Recency"}).assign(RECENCY=1))
    with pytest.raises(ValueError, match="no recency"):
        RFMSegmenter(limits=None).fit(DOCUMENTED[["frequency", "monetary"]])
    two = RFMSegmenter(limits=None, offset=0).fit(DOCUMENTED[["frequency", "recency"]])
    assert two.get_feature_names_out().tolist() == SCORES[:2]
