"""Who moved and why: flows add up to both tables, and each reason is arithmetic."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import DBSCAN
from tables import orders, purchases, three_groups

import segkit as sg
from segkit.over_time.migration import share
from segkit.over_time.steps import unchanged

SPLIT = ["stayed", "behaviour", "model", "both", "came", "gone"]


class Cuts(ClusterMixin, BaseEstimator):
    """Segments between borders of the first feature, numbered from below or from above."""

    def __init__(self, borders=(), from_above=False):
        self.borders = borders
        self.from_above = from_above

    def fit(self, X, y=None):
        self.labels_ = self.predict(X)
        return self

    def predict(self, X):
        place = np.searchsorted(self.borders, np.asarray(X, dtype=float)[:, 0], side="right")
        return (len(self.borders) - place if self.from_above else place).astype("int64")


def cut(customers, *borders, from_above=False, **more):
    return sg.segment(customers, model=Cuts(borders, from_above), **more)


def people(places):
    return pd.DataFrame({"orders": pd.Series(places, dtype=float)}).rename_axis("customer_id")


def crowd(**others):
    """Ten customers who always have 5 orders, ten with 15, ten with 25, and others."""
    return people({f"{n}{i}": n for n in (5, 15, 25) for i in range(10)} | others)


def read(flows):
    """The flows that are not of the crowd alone, and what is in them."""
    rows = flows.assign(**{"to": flows["to"].where(flows["to_id"].notna(), "(gone)")}).to_dict("records")
    return {(r["from"], r["to"]): {c: r[c] for c in [*SPLIT, "back"] if r[c]} for r in rows}


@pytest.fixture(scope="module")
def months():
    """Borders at 10 and 20, then at 12 and 20; one customer for each thing that can happen."""
    before = crowd(stays=5, acts=5, refitted=11, twice=25, returns=5, leaves=25)
    now = crowd(stays=6, acts=15, refitted=11, twice=11, returns=11, new=30)
    previous = cut(before, 10, 20).with_names({0: "Few", 1: "Some", 2: "Many"})
    return previous, cut(now, 12, 20, from_above=True)


def test_each_reason_by_hand(months):
    previous, current = months
    flows = sg.migration(previous, current)
    assert read(flows) == {
        ("Few", "Few"): {"stayed": 12, "back": 1},
        ("Few", "Some"): {"behaviour": 1},
        ("Some", "Few"): {"model": 1},
        ("Some", "Some"): {"stayed": 10},
        ("Many", "Few"): {"both": 1},
        ("Many", "Many"): {"stayed": 10},
        ("Many", "(gone)"): {"gone": 1},
        ("(came)", "Many"): {"came": 1},
    }
    assert list(flows["from_id"].fillna(9)) == [0, 0, 1, 1, 2, 2, 2, 9]
    assert flows["share"].sum() == pytest.approx(1) and flows["of_from"].iloc[0] == pytest.approx(12 / 13)
    facts = flows.attrs["segkit"]
    assert facts["ids"] == {0: 2, 1: 1, 2: 0, -1: -1}
    assert facts["sentence"] == (
        "9% of 35 customers changed segment: 3% by their behaviour, 3% by the new model alone, 3% by both. By the old "
        "model another 3% would have moved; the new one keeps them in place. Behaviour includes what time alone does, "
        "such as a longer tenure. 1 came, 1 gone."
    )
    kept = sg.migration(previous, cut(current.customers, 12, 20, from_above=True, previous=previous))
    pd.testing.assert_frame_equal(kept, flows, check_flags=False)
    shuffled = cut(current.customers.iloc[::-1], 12, 20)
    pd.testing.assert_frame_equal(sg.migration(previous, shuffled), flows)


counts = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(0, 30), min_size=1)
borders = st.lists(st.integers(1, 30), max_size=4, unique=True).map(sorted)


@given(counts, counts, borders, borders, st.booleans(), st.booleans())
def test_flows_add_up_to_both_tables(before, now, old, new, from_above, continued):
    previous = cut(people(before | {"k": 3}), *old)
    more = {"previous": previous} if continued else {}
    current = cut(people(now | {"k": 4}), *new, from_above=from_above, **more)
    flows = sg.migration(previous, current)
    assert (flows["customers"] == flows[SPLIT].sum(axis=1)).all() and (flows["back"] <= flows["stayed"]).all()
    assert flows["customers"].min() > 0 and not flows.duplicated(["from", "to"]).any()
    from_sizes = flows.dropna(subset="from_id").groupby("from_id")["customers"].sum()
    assert from_sizes.to_dict() == previous.labels.value_counts().to_dict()
    ids = flows.attrs["segkit"]["ids"]
    to_sizes = flows.dropna(subset="to_id").groupby("to_id")["customers"].sum()
    assert to_sizes.to_dict() == current.labels.map(ids).value_counts().to_dict()
    stayed = flows["from_id"].eq(flows["to_id"]).fillna(False)
    assert (flows["stayed"] > 0).equals(stayed.astype(bool))
    moved = flows.loc[~stayed, ["behaviour", "model", "both"]].to_numpy().sum()
    listed = sg.moves(previous, current)
    assert len(listed) == moved
    assert listed["why"].value_counts().to_dict() == {
        why: n for why in ("behaviour", "model", "both") if (n := flows[why].sum())
    }


@given(counts, counts, borders)
def test_one_model_moves_nobody_by_itself(before, now, old):
    previous = cut(people(before | {"k": 3}), *old)
    later = people(now | {"k": 4})
    frozen = dataclasses.replace(previous, customers=later, labels=previous.assign(later))
    assert not sg.migration(previous, frozen)[["model", "both", "back"]].to_numpy().any()


@given(counts, borders, borders)
def test_one_table_moves_nobody_by_behaviour(before, old, new):
    customers = people(before | {"k": 3})
    flows = sg.migration(cut(customers, *old), cut(customers, *new))
    assert not flows[["behaviour", "both", "back", "came", "gone"]].to_numpy().any()


def test_outside_is_a_segment_of_its_own():
    """A model that labels by neighbours would place its own fringe elsewhere: who is as before has not moved."""
    before = three_groups()
    before.iloc[0] = [99, 99]
    previous = sg.segment(before, model=DBSCAN(eps=4, min_samples=3))
    assert read(sg.migration(previous, previous))[("Outside", "Outside")] == {"stayed": 1}
    current = sg.segment(three_groups(), model=DBSCAN(eps=4, min_samples=3))
    assert read(sg.migration(previous, current))[("Outside", "Segment 0")] == {"behaviour": 1}


def test_new_segments_are_the_models():
    """Who is in a segment that the old model does not know was moved by the new one."""
    now = crowd(**{f"n{i}": 15 for i in range(4)})
    previous = cut(now, 10).with_names({0: "Few", 1: "Many"})
    flows = sg.migration(previous, cut(now, 10, 20).with_names({2: "Many"}))
    assert read(flows)[("Many", "Many")] == {"stayed": 14}
    assert read(flows)[("Many", "Many (new)")] == {"model": 10} and flows["to_id"].max() == 2


def test_ids_hold_over_several_months():
    first = sg.segment(three_groups(), n_segments=3)
    second = sg.segment(three_groups() + 1, n_segments=3, previous=first)
    third = cut(three_groups(), 1, 30, 200, previous=second)  # would match the first otherwise, too
    assert third.provenance["continues"] == [first.hash, second.hash]
    assert sg.migration(first, third).attrs["segkit"]["ids"] == {s: s for s in [*third.segments, -1]}


def test_bands_and_named_rules_keep_their_meaning():
    """All earn twice as much: by the old borders most are in a higher band, by the new ones each is where she was."""
    then = people({f"c{i}": 2**i for i in range(12)}).rename(columns={"orders": "monetary"})
    flows = sg.migration(sg.value_bands(then, n_bands=3), sg.value_bands(then * 4, n_bands=3))
    assert flows["stayed"].sum() == 12 and flows["back"].sum() == 4


def test_ids_as_numbers_and_as_text_are_the_same(months):
    previous, current = (cut(people(dict(enumerate(range(1, 30, step)))), 10, 20) for step in (2, 3))
    text = cut(current.customers.set_axis(current.customers.index.astype(str)), 10, 20)
    flows = sg.migration(previous, text)
    assert flows["came"].sum() == 0 and flows.equals(sg.migration(previous, current))


def test_who_did_nothing_was_moved_by_time():
    bought = purchases(
        ("idle", "2024-01-01", 1.0),
        ("told", "2024-01-02", 1.0),
        ("back", "2023-11-01", 1.0),
        ("back", "2024-02-01", 1.0),
    )
    events = bought + sg.read_events(
        orders(("told", "2024-02-01", None)).drop(columns="amount"), kind="email_sent"
    )
    previous, current = (
        cut(sg.customer_features(events, [f for f in sg.RFM if f.name == "recency"], as_of=moment), 30)
        for moment in ("2024-01-15", "2024-02-15")
    )
    flows = sg.migration(previous, current, events)
    moved = flows.set_index(["from", "to"])[["customers", "behaviour", "did_nothing", "by_time"]]
    assert moved.loc[("Segment 0", "Segment 1")].to_list() == [2, 2, 2, 2]
    assert moved.loc[("Segment 1", "Segment 0")].to_list() == [1, 1, 0, 0]
    assert flows.attrs["segkit"]["as_of"] == ["2024-01-15T00:00:00", "2024-02-15T00:00:00"]
    assert "by behaviour, 67% did nothing in between" in flows.attrs["segkit"]["sentence"]
    with pytest.raises(
        ValueError, match=r"previous is as of 2024-02-15 .*, later than current, as of 2024-01-15"
    ):
        sg.migration(current, previous)
    early = purchases(("idle", "2024-01-01", 1.0))
    with pytest.raises(ValueError, match=r"events end at 2024-01-01 .*, before the previous"):
        sg.migration(previous, current, early)
    with pytest.raises(ValueError, match="current does not say as of which moment"):
        sg.migration(previous, cut(people({"idle": 3.0}).rename(columns={"orders": "recency"}), 30), events)


def test_tables_that_cannot_be_compared(months):
    previous, _ = months
    other = sg.segment(three_groups(), n_segments=3)
    for function in (sg.migration, sg.moves):
        with pytest.raises(ValueError, match=r"current has no 'orders'\. The segments were made from orders"):
            function(previous, other)
        with pytest.raises(ValueError, match=r"No customer is in both: 36 .*'150'.* Write ids alike"):
            function(previous, cut(people({"nobody": 3, "no one": 12}), 10))
    one = people({"ann": 3})
    assert read(sg.migration(cut(one, 10), cut(one * 10, 10))) == {("Segment 0", "Segment 0"): {"stayed": 1}}


def test_segments_of_other_windows_and_constants():
    """Each is refused in words."""
    year, quarter = three_groups(), three_groups()
    year.attrs["segkit"] = {"as_of": "2024-01-01", "window": "365 days"}
    quarter.attrs["segkit"] = {"as_of": "2024-02-01", "window": "91 days"}
    previous = sg.segment(year, n_segments=3)
    with pytest.raises(ValueError, match=r"current look back on 91 days, .* on 365 days"):
        sg.migration(previous, sg.segment(quarter, n_segments=3))
    with pytest.warns(UserWarning, match="the same for all"):
        constant = sg.segment(three_groups().assign(spend=0.0), n_segments=2)
    with pytest.raises(ValueError, match=r"no 'spend'.*leave it out of the previous segments"):
        sg.migration(previous, constant)


def test_unseen_words_are_told_once():
    before = three_groups().assign(city=["Rome", "Oslo", "Bonn"] * 20)
    previous = sg.segment(before, n_segments=3)
    current = sg.segment(before.replace({"Bonn": "Paris"}), n_segments=3, random_state=1)
    with pytest.warns(UserWarning, match=r"city 'Paris' \(20 customers") as told:
        flows = sg.migration(previous, current)
    assert len(told) == 1 and flows["customers"].sum() == 60


def test_equal_rows_whatever_their_types():
    table = pd.DataFrame(
        {
            "n": pd.array([1, 2, None, 4], "Int64"),
            "x": [1.0, np.nan, 3, 4],
            "city": pd.Categorical(["a", None, "b", "c"]),
        }
    )
    other = pd.DataFrame({"n": [1.0, 2, np.nan, 4], "x": [1.0, np.nan, 3, 5], "city": ["a", None, "c", "c"]})
    assert list(unchanged(table, other)) == [True, True, False, False]


def test_sentences_are_true_where_only_time_passed():
    """Everybody's tenure grows by 30 days, and the new borders grow with it: nobody did anything."""
    before = people({f"c{i}": 10.0 * i for i in range(1, 21)}).rename(columns={"orders": "tenure"})
    previous, put_back = cut(before, 100), cut(before + 30, 130)
    said = sg.migration(previous, put_back).attrs["segkit"]["sentence"]
    assert said == (
        "None of 20 customers changed segment. By the old model 15% would have moved; the new one keeps them in place."
    )
    said = sg.migration(previous, cut(before + 30, 100)).attrs["segkit"]["sentence"]
    assert said.endswith(
        "by their behaviour. Behaviour includes what time alone does, such as a longer tenure."
    )
    said = sg.migration(previous, cut(before, 130)).attrs["segkit"]["sentence"]
    assert said.endswith("by the new model alone.")
    assert [share(part, 200) for part in (0, 1, 2, 198, 199, 200)] == [
        "0%",
        "under 1%",
        "1%",
        "99%",
        "over 99%",
        "100%",
    ]


def test_a_refit_on_a_bootstrap_moves_nobody_by_behaviour():
    customers = three_groups(20)
    previous = sg.segment(customers, n_segments=4)
    drawn = customers.iloc[np.unique(np.random.default_rng(0).integers(0, 60, 60))]
    flows = sg.migration(previous, sg.segment(drawn, n_segments=4, random_state=3))
    assert flows[["behaviour", "both", "back", "came"]].to_numpy().sum() == 0
    assert flows["model"].sum() + flows["stayed"].sum() == len(drawn)


def test_what_moved_each_customer_most():
    before = three_groups().assign(
        city=pd.Categorical(["Rome", "Oslo", "Bonn"] * 20), age=[30.0, 40, 50, 60] * 15
    )
    previous = sg.segment(before, n_segments=3)
    now = before.copy()
    now.loc["c000", ["visits", "spend"]] = before.loc["c025", ["visits", "spend"]]
    now.loc["c001", ["visits", "spend", "city", "age"]] = [
        *before.loc["c045", ["visits", "spend"]],
        "Rome",
        np.nan,
    ]
    listed = sg.moves(previous, sg.segment(now, n_segments=3, previous=previous))
    assert list(listed.index) == ["c000", "c001"] and list(listed["why"]) == ["behaviour"] * 2
    prepared = pd.DataFrame(previous.model[0].matrix(now) - previous.model[0].matrix(before), before.index)
    columns = dict(zip(previous.model[0].get_feature_names_out(), prepared, strict=True))
    row = listed.loc["c000"]
    assert row["feature_1"] == "visits" and row["moved_1"] == pytest.approx(
        prepared.loc["c000", columns["visits"]]
    )
    assert row["changed"].startswith(f"visits +{row['moved_1']:.1f}") and "age" not in row["changed"]
    row = listed.loc["c001"]
    assert {row["feature_1"], row["feature_2"], row["feature_3"]} == {"spend", "city", "age"}
    assert "city Oslo → Rome" in row["changed"] and "age 40 → missing" in row["changed"]
    assert sg.moves(previous, previous).empty
