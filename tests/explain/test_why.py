"""Typical customers, and what holds a customer in a segment."""

import time

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.pipeline import make_pipeline
from tables import oddly_named, three_groups

import segkit as sg

SIX = pd.DataFrame({"frequency": [1, 2, 7, 30, 32, 31]}, index=list("abcdef"))


def plain_kmeans(customers, k=2):
    """Segments by k-means of the features as they are, so that the border is half way between the means."""
    preparer = sg.make_preparer(log="none", scale="none")
    return sg.segment(customers, model=make_pipeline(preparer, KMeans(k, n_init=5, random_state=0)))


def test_typical_by_hand():
    """Means 10/3 and 31: b is nearest to the one, c of these nearest to the other."""
    found = sg.typical(plain_kmeans(SIX), n=1, minimum=1)
    assert list(found)[:4] == ["segment_id", "segment", "customer_id", "role"]
    low = found[found["customer_id"].isin(list("abc"))].set_index("role")
    assert low["customer_id"].to_dict() == {"typical": "b", "borderline": "c"}
    assert low["distance"].to_list() == pytest.approx([4 / 3, 11 / 3])
    assert low["runner_up_distance"].to_list() == pytest.approx([29, 24])
    assert low["frequency"].to_list() == [2, 7]


def test_nobody_is_typical_and_borderline():
    found = sg.typical(sg.segment(three_groups(), n_segments=3), n=15, minimum=1)
    assert not found["customer_id"].duplicated().any()
    assert found.groupby(["segment_id", "role"]).size().to_list() == [5, 15] * 3
    for _, rows in found[found["role"] == "typical"].groupby("segment_id"):
        assert rows["distance"].is_monotonic_increasing


def test_typical_of_one_segment_and_of_namesakes():
    found = sg.typical(plain_kmeans(SIX, k=1), minimum=1)
    assert set(found["role"]) == {"typical"} and found["runner_up"].isna().all()
    two = sg.segment(SIX.assign(distance=[1.0, 2, 3, 1, 2, 3]), n_segments=2)
    assert sg.typical(two, minimum=1)["distance (feature)"].between(1, 3).all()


def test_the_border_is_found_by_hand():
    """Means 10/3 and 31: the border is at 17.2, so 18 orders move her."""
    result = plain_kmeans(SIX)
    reasons = sg.why(result, "b", minimum=1)
    row = reasons.loc["frequency"]
    assert row[["value", "segment", "others", "contribution", "moved_at"]].to_list() == [2, 2, 31, 1, 18]
    assert row["moves_to"] == sg.why(result, "d", minimum=1).attrs["segkit"]["segment"]
    said = reasons.attrs["segkit"]["sentence"]
    assert (
        "have placed 2 orders (the others: 31 orders)" in said
        and "with 16 more orders they would be in" in said
    )


def test_contributions_by_hand():
    """Means (0, 0) and (10, 2): for (1, 1), 81 − 1 of the first and 1 − 1 of the second feature."""
    corners = [(0, 0), (1, 1), (-1, -1), (10, 2), (11, 3), (9, 1)]
    reasons = sg.why(
        plain_kmeans(pd.DataFrame(corners, columns=["a", "b"], index=list("pqrstu")).astype(float)),
        "q",
        minimum=1,
    )
    assert reasons["contribution"].to_dict() == pytest.approx({"a": 1.0, "b": 0.0})
    assert reasons["moved_at"].notna().to_list() == [True, False]
    assert reasons.loc["a", "moved_at"] == pytest.approx(5, abs=0.3)


@pytest.mark.parametrize("method", ["kmeans", "ward", "gaussian_mixture", "mixed_mixture"])
def test_the_model_itself_moves_her(method):
    """What `moved_at` says is so by the frozen model, for numbers and for words."""
    customers = three_groups(city=["Lisbon"] * 20 + ["Porto", "Faro"] * 20)
    result = sg.segment(customers, n_segments=3, method=method)
    for customer in ("c003", "c025", "c050"):
        reasons = sg.why(result, customer, minimum=1)
        moves = reasons.dropna(subset="moved_at")
        for feature, row in moves.iterrows():
            moved = customers.loc[[customer]].copy()
            moved[feature] = [row["moved_at"]]
            assert result.assign(moved).map(result.name_of).iloc[0] == row["moves_to"].partition(" (")[0] or (
                row["moves_to"]
                == sg.suggest_names(result)["name"][result.assign(moved).iloc[0]] + " (suggested)"
            )
        said = reasons.attrs["segkit"]["sentence"]
        assert said.startswith(f"Customer '{customer}' is in ")
        assert ("no single feature would move them" in said) == moves.empty


def test_nothing_moves_her_where_both_are_needed():
    """In the middle of segments that differ in ten features alike, one of them is not enough."""
    rng = np.random.default_rng(0)
    customers = pd.DataFrame(
        np.repeat([[0.0], [10.0]], 30, axis=0) + rng.normal(size=(60, 10)),
        index=[f"c{i:02}" for i in range(60)],
    ).add_prefix("f")
    result = sg.segment(customers, n_segments=2)
    reasons = sg.why(result, "c05", minimum=1)
    assert reasons["moved_at"].isna().all() and "no single feature" in reasons.attrs["segkit"]["sentence"]


def test_unknown_customers_are_named():
    with pytest.raises(
        ValueError, match=r"There is no customer 'bb' among these 6\.(.*) Their ids look like 'a'"
    ):
        sg.why(plain_kmeans(SIX), "bb", minimum=1)
    numbered = sg.segment(SIX.set_axis(range(6)), n_segments=2)
    with pytest.raises(ValueError, match=r"no customer '3' among these 6\. Say 3: ids are of type int\."):
        sg.why(numbered, "3", minimum=1)
    with pytest.raises(TypeError, match=r"customer_id is a list\. It should be the id of one customer"):
        sg.why(plain_kmeans(SIX), ["a"], minimum=1)


def test_outside_and_missing_values():
    customers = pd.concat(
        [three_groups(), pd.DataFrame({"visits": [900.0], "spend": [900.0]}, index=["stray"])]
    )
    result = sg.segment(customers, model=HDBSCAN(copy=True))
    reasons = sg.why(result, "stray", minimum=1)
    assert (
        "is outside all segments" in reasons.attrs["segkit"]["sentence"]
        and reasons["contribution"].isna().all()
    )
    gaps = three_groups(gap=[np.nan, 1.0, 2.0] * 20)
    with_gap = sg.why(sg.segment(gaps, n_segments=3), "c000", minimum=1)
    assert np.isnan(with_gap.loc["gap", "value"]) and np.isnan(with_gap.loc["gap", "moved_at"])


def test_odd_names_and_charts():
    customers = oddly_named()
    customers["constructor"] = customers["spend"]
    result = sg.segment(customers, n_segments=3)
    reasons = sg.why(result, customers.index[0], minimum=1)
    drawn = sg.plot_why(reasons).to_dict()
    assert drawn["mark"]["type"] == "bar" and len(next(iter(drawn["datasets"].values()))) == len(reasons)
    assert len(sg.typical(result, minimum=1)) == 18
    with pytest.raises(TypeError, match=r"why\(result, id\)"):
        sg.plot_why(result)


def test_quick_enough():
    rng = np.random.default_rng(0)
    customers = pd.DataFrame(rng.lognormal(size=(5000, 20)), index=np.arange(5000)).add_prefix("f")
    result = sg.segment(customers, n_segments=6)
    sg.why(result, 0, minimum=1)
    took = []
    for customer in range(1, 6):
        start = time.process_time()
        sg.why(result, customer, minimum=1)
        took.append(time.process_time() - start)
    assert min(took) < 0.05
