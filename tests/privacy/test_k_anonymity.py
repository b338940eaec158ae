"""Who can be picked out of a table, and how coarse it has to be so that nobody can."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import segkit as sg
from segkit.privacy.generalisations import generalisations_of
from segkit.privacy.k_anonymity import class_sizes


def people(n, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "city": rng.choice(["York", "Leeds", "Hull", "Bath", None], n, p=[0.5, 0.3, 0.15, 0.04, 0.01]),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1000, n), unit="D"),
            "spend": rng.exponential(100, n),
        },
        index=[f"c{i}" for i in range(n)],
    )


def sizes_of(table, quasi):
    return table.groupby(list(quasi), dropna=False, observed=True).size()


def test_classes_by_hand():
    """Ada is the only one of her age in York; the three others are two and one."""
    table = pd.DataFrame(
        {"age": [30, 40, 40, 40], "city": ["York", "York", "York", "Hull"], "spend": [1, 2, 3, 4]}
    )
    found = sg.k_anonymity(table, ["age", "city"], k=2)
    assert (found.smallest, found.below) == (1, 2)
    assert found.sentence.startswith("2 of 4 customers have the same values as fewer than 1 others")
    assert len(found.left_out) == 0 and sizes_of(found.generalised, found.quasi).min() >= 2
    assert found.generalised["spend"].tolist() == [1, 2, 3, 4]
    assert table["city"].tolist() == ["York", "York", "York", "Hull"]


def test_nothing_is_made_coarser_without_need():
    table = pd.DataFrame({"city": ["York"] * 10 + ["Hull"] * 12, "age": [30.0] * 22})
    found = sg.k_anonymity(table, "city")
    assert (found.smallest, found.below) == (10, 0) and found.generalised.equals(table)
    assert found.columns.loc["city"].tolist() == [2, "as it is", 2]
    assert found.sentence == "Each customer is one of 10 or more who have the same values."


@given(n=st.integers(60, 300), seed=st.integers(0, 99), k=st.sampled_from([2, 5, 20]))
def test_k_is_reached_and_no_column_could_be_finer(n, seed, k):
    table = people(n, seed)
    quasi = ["age", "city", "since"]
    found = sg.k_anonymity(table, quasi, k=k)
    assert found.smallest == sizes_of(table, quasi).min()
    assert sizes_of(found.generalised, quasi).min() >= k
    assert len(found.left_out) <= 0.02 * n and len(found.generalised) + len(found.left_out) == n
    ways = [generalisations_of(table[name]) for name in quasi]
    levels = [
        [one.words for one in way].index(words)
        for way, words in zip(ways, found.columns["generalised"], strict=True)
    ]
    for at in range(3):
        if levels[at]:
            finer = [
                way[level - (i == at)].codes for i, (way, level) in enumerate(zip(ways, levels, strict=True))
            ]
            assert (class_sizes(finer) < k).sum() > 0.02 * n


@given(seed=st.integers(0, 99))
def test_each_step_joins_values_of_the_one_before(seed):
    table = people(80, seed).assign(member=lambda t: t["age"] > 40)
    table.loc[table.index[:3], "spend"] = np.nan
    for name in table:
        steps = generalisations_of(table[name])
        for fine, coarse in itertools.pairwise(steps):
            pairs = set(zip(fine.codes.tolist(), coarse.codes.tolist(), strict=True))
            assert len(pairs) == len(fine.values) > len(coarse.values)
        assert steps[-1].values == ["any"]


def test_bands_do_not_tell_the_extremes():
    """The oldest is 97, and nothing says so."""
    ages = pd.Series([*range(20, 60)] * 5 + [97])
    bands = generalisations_of(ages)[-2]
    assert bands.values == ["under 40", "40 or more"]
    assert bands.column(ages.index).iloc[-1] == "40 or more"


def test_a_few_odd_customers_are_left_out():
    """One of 100 in Bath: rather she than the cities of all."""
    table = pd.DataFrame(
        {"city": ["York"] * 50 + ["Hull"] * 49 + ["Bath"]}, index=[f"c{i}" for i in range(100)]
    )
    found = sg.k_anonymity(table, ["city"])
    assert list(found.left_out) == ["c99"] and set(found.generalised["city"]) == {"York", "Hull"}
    assert found.sentence.endswith("Each is one of 10 or more once 1 customer is left out.")
    assert "10-anonymity" in found._repr_html_() and "1 of 100 customers has the same" in found._repr_html_()


def test_ids_become_any():
    table = pd.DataFrame({"email": [f"u{i}@x.org" for i in range(30)]})
    found = sg.k_anonymity(table, "email", k=20)
    assert set(found.generalised["email"]) <= {"any", "other"} and found.below == 30


def test_columns_without_one_value_a_customer_are_refused():
    ages = pd.DataFrame({"age": [1, 2] * 20, "tags": [["a"]] * 40})
    with pytest.raises(TypeError, match="'tags' holds lists or the like"):
        sg.k_anonymity(ages, "tags")
    with pytest.raises(ValueError, match="two columns 'age'"):
        sg.k_anonymity(pd.concat([ages, ages], axis=1), "age")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"quasi": ["agee"]}, ValueError, "'agee', which is no column of the table. Did you mean 'age'?"),
        ({"quasi": []}, ValueError, "quasi is empty"),
        ({"quasi": "age", "k": 41}, ValueError, "k=41 is more than the 40 customers"),
        ({"quasi": "age", "k": 1}, ValueError, "k=1 should be a whole number, 2 or more"),
        ({"quasi": 3}, TypeError, "quasi is 3"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message.replace("?", r"\?")):
        sg.k_anonymity(people(40), **arguments)
