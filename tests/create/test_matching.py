"""Segments keep their ids and names over refits; splits, merges, births and deaths are reported."""

import dataclasses
import os

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

import segkit as sg
from segkit.create.matching import names_that_stay

CENTERS = np.array([[10, 10], [60, 10], [10, 60], [60, 60], [110, 110]])


def around(places, n=30, seed=0, first=0):
    """Customers around these centres, n of each."""
    rng = np.random.default_rng(seed)
    values = np.repeat(np.array(places, dtype=float), n, axis=0) + rng.normal(size=(n * len(places), 2))
    index = pd.Index([f"c{i + first:04}" for i in range(len(values))], name="customer_id", dtype="str")
    return pd.DataFrame(values, index=index, columns=["visits", "spend"])


def fates(table):
    """The transition of each old segment, and its number of new places."""
    by_segment = table.dropna(subset=["previous"]).groupby("previous")["transition"]
    return {int(old): (transitions.iloc[0], len(transitions)) for old, transitions in by_segment}


@pytest.fixture(scope="module")
def four():
    result = sg.segment(around(CENTERS[:4]), n_segments=4)
    return result.with_names({0: "A", 1: "B", 2: "C", 3: "D"})


def place_of(result, center):
    return result.assign(pd.DataFrame([center], columns=["visits", "spend"], index=["x"])).iloc[0]


def test_refit_keeps_ids_and_names(four):
    again = sg.segment(four.customers, n_segments=4, random_state=7, previous=four)
    assert again.labels.equals(four.labels) and again.names == four.names and again.hash == four.hash
    assert [t["transition"] for t in again.provenance["transitions"]] == ["survived"] * 4
    assert again.assign(four.customers).equals(again.labels)


def test_other_customers_keep_ids(four):
    others = sg.segment(around(CENTERS[:4], n=50, seed=1, first=5000), n_segments=4, previous=four)
    for center in CENTERS[:4]:
        assert place_of(others, center) == place_of(four, center)


def test_segment_splits(four):
    parts = [*CENTERS[1:4], CENTERS[0] - 9, CENTERS[0] + 9]
    later = sg.segment(around(parts, first=5000), n_segments=5, previous=four)
    old = place_of(four, CENTERS[0])
    table = sg.match_segments(four, later)
    assert fates(table) == {s: ("split", 2) if s == old else ("survived", 1) for s in four.segments}
    assert set(later.segments) == {0, 1, 2, 3, 4}  # one part continues the old segment, the other is new
    assert later.names.keys() == {0, 1, 2, 3}


def test_segments_merge(four):
    later = sg.segment(four.customers, n_segments=3, previous=four)
    table = sg.match_segments(four, later)
    merged = table[table["transition"] == "merged"]
    assert len(merged) == 2 and merged["current"].nunique() == 1
    assert set(merged["previous"]) >= set(merged["current"])  # under the id of one of them
    assert (table["transition"] == "survived").sum() == 2


def test_birth_and_death(four):
    stayed = around(CENTERS[:3])
    newcomers = around(CENTERS[4:], first=5000)
    later = sg.segment(pd.concat([stayed, newcomers]), n_segments=4, previous=four)
    table = sg.match_segments(four, later)
    dead = place_of(four, CENTERS[3])
    born = table[table["transition"] == "born"]
    assert born["current"].to_list() == [4] and place_of(later, CENTERS[4]) == 4
    assert table.loc[table["previous"] == dead, "transition"].to_list() in (["died"], ["merged"])
    assert dead not in later.segments


def test_ids_are_never_reused(four):
    three = sg.segment(around(CENTERS[:3]), n_segments=3, previous=four)
    gone = set(four.segments) - set(three.segments)
    again = sg.segment(
        pd.concat([around(CENTERS[:3]), around(CENTERS[4:], first=5000)]), n_segments=4, previous=three
    )
    assert len(gone) == 1 and max(again.segments) == 4 and not gone & set(again.segments)


SEEDS = int(os.environ.get("SEGKIT_SHOPS", "10"))  # 50 for the rates that the documentation states
CORNERS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=float)


def shop(centers, n, rng, *, natural, apart=4.0, first=0):
    """Customers around each centre, so many standard deviations apart; skewed in natural units."""
    latent = np.repeat(apart * np.asarray(centers, dtype=float), n, axis=0)
    latent = latent + rng.normal(size=latent.shape)
    index = pd.Index([f"c{i + first:05}" for i in range(len(latent))], name="customer_id", dtype="str")
    values = np.exp(1 + 0.6 * latent) if natural else 50 + 10 * latent
    return pd.DataFrame(values, index=index, columns=["visits", "spend"])


@pytest.mark.parametrize("natural", [False, True])
def test_row_order_changes_nothing(natural):
    """Orders of rows of overlapping groups: the same hash, also of a refit under old ids."""
    customers = shop(CORNERS, 40, np.random.default_rng(0), natural=natural, apart=3.0)
    for seed in range(2):
        first = sg.segment(customers, n_segments=4, random_state=seed)
        again = sg.segment(customers, n_segments=4, random_state=seed + 1, previous=first)
        hashes = set()
        for order in range(5):
            mixed = customers.sample(frac=1, random_state=order)
            assert sg.segment(mixed, n_segments=4, random_state=seed).hash == first.hash
            hashes.add(sg.segment(mixed, n_segments=4, random_state=seed + 1, previous=first).hash)
        assert hashes == {again.hash}


@pytest.mark.simulation
@pytest.mark.parametrize(("natural", "apart"), [(False, 6.0), (True, 3.0), (False, 3.0)])
def test_ids_hold_over_seeds(natural, apart):
    """At most 1 % of the customers change id where partitions agree."""
    customers = shop(CORNERS, 30, np.random.default_rng(1), natural=natural, apart=apart)
    first = sg.segment(customers, n_segments=4)
    moved = compared = 0
    for seed in range(SEEDS):
        for order in range(20 if SEEDS >= 50 else 2):
            mixed = customers.sample(frac=1, random_state=order)
            again = sg.segment(mixed, n_segments=4, random_state=seed, previous=first)
            labels = again.labels.loc[first.labels.index]
            if adjusted_rand_score(labels, first.labels) > 0.9:
                moved += int((labels != first.labels).sum())
                compared += len(labels)
    assert compared >= 0.8 * len(customers) * SEEDS and moved <= 0.01 * compared


def planted(event, n, rng, natural):
    """Return customers of four groups, later ones, their number of segments, and each group's transition."""
    then = shop(CORNERS, n, rng, natural=natural)
    stays, fate = ["survived"], [["survived"]] * 4
    later = {
        "nothing": (CORNERS, 4, fate),
        "split": (
            [*np.repeat(CORNERS[:3], 2, axis=0), [1, 2], [2, 1]],
            5,
            [stays] * 3 + [["split", "split"]],
        ),
        "merge": ([*CORNERS[:2], [0.5, 1.2], [0.5, 1.2]], 3, [stays] * 2 + [["merged"]] * 2),
        "birth": ([*CORNERS, [2.2, 2.2]], 5, fate),
        "death": (CORNERS[:3], 3, [stays] * 3 + [["died"]]),
    }
    centers, k, expected = later[event]
    return then, shop(centers, n // 2 if event == "split" else n, rng, natural=natural), k, expected


@pytest.mark.simulation
@pytest.mark.parametrize("natural", [False, True])
@pytest.mark.parametrize("n", [30, 200])
@pytest.mark.parametrize("event", ["nothing", "split", "merge", "birth", "death"])
def test_planted_changes_are_recovered(event, n, natural):
    """In 9 of 10 shops at least; segments that survive keep their ids."""
    recovered = kept = 0
    for seed in range(SEEDS):
        then, now, k, expected = planted(event, n, np.random.default_rng(seed), natural)
        old = sg.segment(then, n_segments=4, random_state=seed)
        new = sg.segment(now, n_segments=k, random_state=seed + 1, previous=old)
        ids = [int(old.labels.iloc[i * n : (i + 1) * n].mode()[0]) for i in range(4)]
        table = sg.match_segments(old, new)
        transitions = table.dropna(subset=["previous"]).groupby("previous")["transition"].apply(sorted)
        born = int((table["transition"] == "born").sum())
        recovered += transitions.to_dict() == dict(zip(ids, expected, strict=True)) and born == (
            event == "birth"
        )
        survivors = [i for i in range(4) if expected[i] == ["survived"]]
        kept += all(new.labels.iloc[i * n : (i + 1) * n].mode()[0] == ids[i] for i in survivors)
    assert recovered >= 0.9 * SEEDS and kept >= 0.9 * SEEDS


def test_unrelated_segmentations_are_refused(four):
    others = sg.segment(around(CENTERS[:2], first=9000).rename(columns=str.upper), n_segments=2)
    with pytest.raises(ValueError, match="share no customer"):
        sg.match_segments(four, others)


def test_other_features_match_by_members(four):
    renamed = four.customers.rename(columns=str.upper)
    table = sg.match_segments(four, sg.segment(renamed, n_segments=4, random_state=3))
    assert (table["transition"] == "survived").all() and (table["kept"] == 1).all()


def test_former_names_are_not_reused():
    old = sg.segment(around(CENTERS[:4]), n_segments=4).with_names({0: "Segment 4"})
    new = sg.segment(around(CENTERS), n_segments=5, previous=old)
    assert new.name_of(0) == "Segment 4" and new.name_of(4) == "Segment 4 (new)"
    assert new.named_labels.nunique() == 5


def test_missing_values_match_by_members():
    four = sg.segment(around(CENTERS[:4]), model=KMeans(4, n_init=3, random_state=0))
    today = four.customers.copy()
    today.iloc[0, 0] = np.nan
    again = sg.segment(today, n_segments=4, previous=four)
    assert (sg.match_segments(four, again)["transition"] == "survived").all()


def test_names_go_with_the_members_of_a_segment(four):
    """A to D are 30 customers each; what becomes of them, and who bears which name then."""
    everyone = four.labels

    def names_after(moved, names=()):
        labels = everyone.copy()
        for (old, first, last), new in moved.items():
            members = everyone.index[everyone == old][first:last]
            labels[members] = new
        now = dataclasses.replace(four, labels=labels, names=dict(names))
        return names_that_stay(four, now)

    same = {0: "A", 1: "B", 2: "C", 3: "D"}
    assert names_after({}) == same
    assert names_after({(0, 0, 30): 3, (3, 0, 30): 0}) == same | {0: "D", 3: "A"}
    assert names_after({(0, 0, 6): 4}) == same  # 24 of 30 stay together
    assert names_after({(0, 0, 15): 4}) == {1: "B", 2: "C", 3: "D"}  # no half is A
    assert names_after({(1, 0, 30): 0}) == {2: "C", 3: "D"}  # A and B are one
    assert names_after({}, {0: "A", 1: "Other"}) == {1: "B", 2: "C", 3: "D"}
    assert names_after({(0, 0, 15): 4}, {4: "B"}) == {2: "C", 3: "D"}  # no name is given twice
