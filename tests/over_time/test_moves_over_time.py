"""Moves over many moments by one frozen model: who moved, came and is gone, adding up to the tables."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from sklearn.cluster import DBSCAN, KMeans
from tables import three_groups

import segkit as sg

MONTHS = pd.to_datetime(["2024-05-01", "2024-06-01", "2024-07-01"])


def result_of(customers):
    """Three groups, named by what they do."""
    result = sg.segment(customers, n_segments=3)
    means = customers.groupby(result.labels).mean()
    order = {"Visitors": means["visits"].idxmax(), "Spenders": means["spend"].idxmax()}
    return result.with_names({s: name for name, s in order.items()})


def stacked(*tables, months=MONTHS):
    return pd.concat(tables, keys=months[: len(tables)], names=["as_of", "customer_id"])


def shuffled(customers, seed):
    """The same customers, some with the features of another, some gone and some new."""
    rng = np.random.default_rng(seed)
    values = customers.to_numpy()[rng.permutation(len(customers))]
    there = rng.random(len(customers)) < 0.8
    new = pd.DataFrame(values[~there], [f"n{seed}_{i}" for i in range((~there).sum())], customers.columns)
    return pd.concat([pd.DataFrame(values, customers.index, customers.columns)[there], new])


def test_by_hand():
    may = three_groups()
    june = may.drop("c003").assign(visits=may["visits"].where(may.index != "c001", 60.0))
    july = pd.concat([june, may.loc[["c003"]]])
    result = result_of(may)
    moved = sg.moves_over_time(result, stacked(may, june, july))
    quiet, visitors = (result.segment_id(result.named_labels[i]) for i in ("c000", "c020"))
    assert moved.index.to_list() == [(MONTHS[1], "c001"), (MONTHS[1], "c003"), (MONTHS[2], "c003")]
    assert moved["from_id"].to_list() == [quiet, quiet, pd.NA]
    assert moved["to_id"].to_list() == [visitors, pd.NA, quiet]
    assert moved["why"].to_list() == ["behaviour", "gone", "came"]
    assert moved["changed"].to_list()[1:] == ["", ""]
    assert moved["changed"].iloc[0].startswith("visits +")
    assert set(moved["to"]) == {"Visitors", "(gone)", result.name_of(quiet)}


@given(seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=3, unique=True))
def test_moves_add_up_to_the_tables(seeds):
    customers = three_groups(8)
    result = result_of(customers)
    tables = [customers, *(shuffled(customers, seed) for seed in seeds)]
    months = pd.date_range("2024-05-01", periods=len(tables), freq="MS")
    moved = sg.moves_over_time(result, stacked(*tables, months=months))
    for before, now, month in zip(tables[:-1], tables[1:], months[1:], strict=True):
        here = moved[moved.index.get_level_values("as_of") == month]
        sizes = result.assign(before).value_counts()
        sizes = sizes.sub(here["from_id"].value_counts(), fill_value=0)
        sizes = sizes.add(here["to_id"].value_counts(), fill_value=0)
        expected = result.assign(now).value_counts()
        assert sizes[sizes > 0].astype(int).to_dict() == expected.to_dict()
        elsewhere = here[here["why"] == "behaviour"]
        assert (elsewhere["from_id"] != elsewhere["to_id"]).all()


def test_unseen_words_are_told_once_for_all_moments():
    may = three_groups().assign(city=["Rome", "Oslo", "Bonn"] * 20)
    later = may.replace({"Bonn": "Paris"})
    with pytest.warns(UserWarning, match=r"city 'Paris' \(40 customers") as told:
        assert sg.moves_over_time(sg.segment(may, n_segments=3), stacked(may, later, later)).shape[0] < 60
    assert len(told) == 1


def test_the_same_table_twice_moves_nobody():
    customers = three_groups()
    moved = sg.moves_over_time(result_of(customers), stacked(customers, customers))
    assert len(moved) == 0 and list(moved.index.names) == ["as_of", "customer_id"]


def test_changes_are_those_of_moves():
    """Where a new fit places everyone as the old one does, `moves` lists the same customers and changes."""
    may = three_groups()
    june = may.iloc[::-1].set_axis(may.index)
    result = result_of(may)
    continued = sg.segment(june, n_segments=3, previous=result)
    assert continued.labels.equals(result.assign(june))
    pairs = sg.moves(result, continued)
    moved = sg.moves_over_time(result, stacked(may, june)).loc[MONTHS[1]]
    assert_frame_equal(moved[pairs.columns], pairs, check_dtype=False)


@pytest.mark.parametrize("kind", [int, str])
def test_order_and_kind_of_ids_change_nothing(kind):
    may = three_groups().set_axis([kind(i) for i in range(60)])
    tables = stacked(may, may.iloc[::-1].set_axis(may.index))
    result = result_of(may)
    moved = sg.moves_over_time(result, tables)
    assert len(moved) == 40
    assert_frame_equal(sg.moves_over_time(result, tables.sample(frac=1, random_state=0)), moved)


def test_a_model_without_preparer_and_customers_outside():
    may = three_groups()
    bare = sg.segment(may, model=KMeans(3, random_state=0, n_init=1))
    june = may.iloc[::-1].set_axis(may.index)
    assert len(sg.moves_over_time(bare, stacked(may, june))) == 40
    may.loc["c060"] = 200.0  # alone
    far = may.copy()
    far.loc["c001"] = 200.0
    dense = sg.segment(may, model=DBSCAN(eps=5))
    moved = sg.moves_over_time(dense, stacked(may, far))
    assert moved[["to_id", "to"]].to_numpy().tolist() == [[-1, "Outside"]]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (lambda may: stacked(may), "tables has one moment, 2024-05-01 00:00:00, and moves need two or more"),
        (lambda may: may, "The index of tables is customer_id; it should be as_of and customer_id"),
        (lambda may: stacked(may, may).drop(columns="spend"), "tables has no 'spend'"),
        (lambda may: stacked(may, pd.concat([may, may.head(1)])), "has more than one row"),
    ],
)
def test_bad_tables_are_refused(tables, said):
    may = three_groups()
    with pytest.raises(ValueError, match=said):
        sg.moves_over_time(result_of(may), tables(may))
    with pytest.raises(ValueError, match=said):
        sg.SegmentTimeline(result_of(may), tables(may))
