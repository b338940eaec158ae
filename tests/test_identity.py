"""The same segment keeps its id and its name; what split, merged, was born or died is said."""

import numpy as np
import pandas as pd
import pytest

import segkit as sg

CENTERS = np.array([[10, 10], [60, 10], [10, 60], [60, 60], [110, 110]])


def crowd(places, n=30, seed=0, first=0):
    """Customers around the centres of that number, n of each."""
    rng = np.random.default_rng(seed)
    values = np.repeat(np.array(places, dtype=float), n, axis=0) + rng.normal(size=(n * len(places), 2))
    index = pd.Index([f"c{i + first:04}" for i in range(len(values))], name="customer_id", dtype="str")
    return pd.DataFrame(values, index=index, columns=["visits", "spend"])


def fates(table):
    """What became of each old segment by name: the transition, and how many places."""
    said = table.dropna(subset=["previous"]).groupby("previous")["transition"]
    return {int(old): (transitions.iloc[0], len(transitions)) for old, transitions in said}


@pytest.fixture(scope="module")
def four():
    result = sg.segment(crowd(CENTERS[:4]), n_segments=4)
    return result.with_names({0: "A", 1: "B", 2: "C", 3: "D"})


def place_of(result, center):
    return result.assign(pd.DataFrame([center], columns=["visits", "spend"], index=["x"])).iloc[0]


def test_a_refit_with_another_seed_keeps_ids_and_names(four):
    again = sg.segment(four.customers, n_segments=4, random_state=7, previous=four)
    assert again.labels.equals(four.labels) and again.names == four.names and again.hash == four.hash
    assert [t["transition"] for t in again.provenance["transitions"]] == ["survived"] * 4
    assert again.assign(four.customers).equals(again.labels)


def test_other_customers_of_the_same_kinds_keep_ids(four):
    others = sg.segment(crowd(CENTERS[:4], n=50, seed=1, first=5000), n_segments=4, previous=four)
    for center in CENTERS[:4]:
        assert place_of(others, center) == place_of(four, center)


def test_a_segment_that_splits(four):
    parts = [*CENTERS[1:4], CENTERS[0] - 9, CENTERS[0] + 9]
    later = sg.segment(crowd(parts, first=5000), n_segments=5, previous=four)
    old = place_of(four, CENTERS[0])
    table = sg.match_segments(four, later)
    assert fates(table) == {s: ("split", 2) if s == old else ("survived", 1) for s in four.segments}
    assert set(later.segments) == {0, 1, 2, 3, 4}  # one part goes on as the old one, the other is new
    assert later.names.keys() == {0, 1, 2, 3}


def test_segments_that_merge(four):
    later = sg.segment(four.customers, n_segments=3, previous=four)
    table = sg.match_segments(four, later)
    merged = table[table["transition"] == "merged"]
    assert len(merged) == 2 and merged["current"].nunique() == 1
    assert set(merged["previous"]) >= set(merged["current"])  # it goes on under the id of one of them
    assert (table["transition"] == "survived").sum() == 2


def test_a_segment_that_is_born_and_one_that_dies(four):
    stayed = crowd(CENTERS[:3])
    newcomers = crowd(CENTERS[4:], first=5000)
    later = sg.segment(pd.concat([stayed, newcomers]), n_segments=4, previous=four)
    table = sg.match_segments(four, later)
    dead = place_of(four, CENTERS[3])
    born = table[table["transition"] == "born"]
    assert born["current"].to_list() == [4] and place_of(later, CENTERS[4]) == 4
    assert table.loc[table["previous"] == dead, "transition"].to_list() in (["died"], ["merged"])
    assert dead not in later.segments


def test_an_id_is_never_given_twice(four):
    three = sg.segment(crowd(CENTERS[:3]), n_segments=3, previous=four)
    gone = set(four.segments) - set(three.segments)
    again = sg.segment(
        pd.concat([crowd(CENTERS[:3]), crowd(CENTERS[4:], first=5000)]), n_segments=4, previous=three
    )
    assert len(gone) == 1 and max(again.segments) == 4 and not gone & set(again.segments)


def test_ids_hold_over_seeds_and_row_orders(four):
    """50 seeds, 20 orders of rows each: nobody changes id, as the partitions agree."""
    moved = 0
    for seed in range(50):
        mixed = four.customers.sample(frac=1, random_state=seed % 20)
        again = sg.segment(mixed, n_segments=4, random_state=seed, previous=four)
        moved += int((again.labels.loc[four.labels.index] != four.labels).sum())
    assert moved <= 0.01 * 50 * len(four.labels)


def test_two_strangers_cannot_be_matched(four):
    others = sg.segment(crowd(CENTERS[:2], first=9000).rename(columns=str.upper), n_segments=2)
    with pytest.raises(ValueError, match="share no customer"):
        sg.match_segments(four, others)


def test_members_alone_serve_where_the_features_differ(four):
    renamed = four.customers.rename(columns=str.upper)
    table = sg.match_segments(four, sg.segment(renamed, n_segments=4, random_state=3))
    assert (table["transition"] == "survived").all() and (table["kept"] == 1).all()
