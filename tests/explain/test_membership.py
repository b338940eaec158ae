"""Probabilities of segments: those of the mixture, under the ids and names of the segments."""

import numpy as np
import pandas as pd
import pytest
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from tables import three_groups

import segkit as sg
from segkit.methods.fitting import METHODS, MIXTURES

OVERLAPPING = pd.DataFrame(
    np.random.default_rng(0).normal(size=(300, 2))
    + np.repeat([[0, 0], [2.5, 0], [0, 2.5]], [150, 100, 50], axis=0),
    index=[f"c{i:03}" for i in range(300)],
    columns=["visits", "spend"],
)


@pytest.mark.parametrize("method", MIXTURES)
def test_probabilities_of_each_segment(method):
    result = sg.segment(OVERLAPPING.iloc[::-1], n_segments=3, method=method).with_names({1: "Regulars"})
    table = sg.membership(result)
    assert table.index.equals(result.labels.index)
    assert table.columns.to_list() == ["Segment 0", "Regulars", "Segment 2", "entropy"]
    assert table.iloc[:, :3].sum(axis=1).to_numpy() == pytest.approx(1)
    assert (table.iloc[:, :3].idxmax(axis=1) == result.named_labels.astype(str)).all()
    p = table.iloc[:, :3].to_numpy()
    assert table["entropy"].to_numpy() == pytest.approx(
        -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1) / np.log(3)
    )
    assert 0.1 < table["entropy"].max() <= 1
    assert table.attrs["segkit"]["relative_entropy"] == pytest.approx(1 - table["entropy"].mean())


def test_distinct_groups_are_sure():
    table = sg.membership(sg.segment(three_groups(), n_segments=3, method="mixed_mixture"))
    assert table["entropy"].max() < 1e-6 and table.attrs["segkit"]["relative_entropy"] > 1 - 1e-6


def test_ids_of_an_earlier_segmentation_are_kept():
    first = sg.segment(OVERLAPPING, n_segments=3, method="gaussian_mixture")
    fewer = OVERLAPPING[(first.labels != 0) | (np.arange(300) % 4 == 0)]  # segment 0 is the smallest now
    again = sg.segment(fewer, n_segments=3, method="gaussian_mixture", previous=first)
    table = sg.membership(again)
    assert (table.drop(columns="entropy").idxmax(axis=1) == again.named_labels.astype(str)).all()


def test_a_mixture_of_ones_own():
    model = make_pipeline(sg.make_preparer(), GaussianMixture(2, covariance_type="tied", random_state=0))
    result = sg.segment(OVERLAPPING, model=model)
    assert sg.membership(result).shape == (300, 3)


@pytest.mark.parametrize("method", [m for m in METHODS if m not in (*MIXTURES, "parts", "hdbscan")])
def test_methods_without_probabilities_say_which_have_them(method):
    result = sg.segment(three_groups(), n_segments=3, method=method)
    with pytest.raises(ValueError, match=r"no mixture.*method='mixed_mixture' or method='gaussian_mixture'"):
        sg.membership(result)


def test_a_name_like_a_column_is_refused():
    result = sg.segment(three_groups(), n_segments=3, method="mixed_mixture").with_names({0: "entropy"})
    with pytest.raises(ValueError, match="called 'entropy', like a column"):
        sg.membership(result)
    with pytest.raises(TypeError, match="should be a Segmentation"):
        sg.membership(three_groups())


def test_mean_probabilities_are_drawn():
    table = pd.DataFrame({"A": [1.0, 0.6, 0.2], "B": [0.0, 0.4, 0.8], "entropy": [0.0, 0.97, 0.72]})
    chart = sg.plot_membership(table)
    cells = {
        (c["most probable"], c["segment"]): (c["customers"], round(c["probability"], 9)) for c in rows(chart)
    }
    assert cells == {("A", "A"): (2, 0.8), ("A", "B"): (2, 0.2), ("B", "A"): (1, 0.2), ("B", "B"): (1, 0.8)}
    assert "Relative entropy 0.44" in chart.to_dict()["title"]["subtitle"][0]
    result = sg.segment(OVERLAPPING, n_segments=3, method="mixed_mixture")
    named = result.with_names({0: "A", 1: "B", 2: "C"})
    assert sg.plot_membership(named).to_dict() == sg.plot_membership(sg.membership(named)).to_dict()


def rows(chart):
    return next(iter(chart.to_dict()["datasets"].values()))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"A": [1.0]}), "no column 'entropy'. Pass the table from membership"),
        (pd.DataFrame({"entropy": [1.0]}), "no customer or no segment"),
        (pd.DataFrame({"A": [], "entropy": []}), "no customer or no segment"),
    ],
)
def test_what_is_no_table_of_membership_is_refused(table, message):
    with pytest.raises(ValueError, match=message):
        sg.plot_membership(table)
