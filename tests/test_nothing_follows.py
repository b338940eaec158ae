"""Hidden sizes do not follow from what is shown: shares, effects, totals, tests, marks and heights of charts."""

import warnings

import numpy as np
import pandas as pd
import pytest
from artefacts import contacts_in, few_in
from hypothesis import given
from hypothesis import strategies as st

import segkit as sg
from segkit.core.disclosure import rounded_shares

SIZES = (300, 57, 3)


def segments(sizes=SIZES, **more):
    """Segments of these sizes, the last one below all rules."""
    group, within = np.repeat(range(len(sizes)), sizes), np.arange(sum(sizes))
    customers = pd.DataFrame(
        {"visits": 100.0 * (group + 1) + within % 7, **more}, index=[f"c{i:04}" for i in within]
    )
    last = len(sizes) - 1
    rules = {f"S{i}": f"visits < {100 * (i + 1) + 50}" for i in range(last)} | {f"S{last}": "True"}
    return sg.segment(customers, model=sg.rules_segmenter(rules))


@pytest.fixture(scope="module")
def result():
    within = np.arange(sum(SIZES))
    return segments(vip=within % 3 == 0, town=[f"town {i % 4}" if i % 90 else f"Ann of {i}" for i in within])


def chart_rows(chart):
    return [row for rows in chart.to_dict().get("datasets", {}).values() for row in rows]


@given(st.integers(20, 3000), st.integers(-9, 9), st.data())
def test_a_share_is_that_of_every_size_nearby(n, other, data):
    having = data.draw(st.integers(0, n))
    told = rounded_shares(np.array(having / n), n, 10)
    there = np.arange(n + other + 1) / (n + other)
    assert np.isclose(rounded_shares(there, n, 10), told).any()


def test_shares_of_a_segment_whose_size_is_hidden_do_not_tell_it(result):
    profile = sg.profile(result)
    events = sg.read_events(
        pd.DataFrame(
            {
                "customer_id": [f"c{i:04}" for i in range(360)],
                "timestamp": "2024-01-01",
                "product_id": ["tea"] * 290 + ["rum"] * 40 + ["tea"] * 30,
            }
        ),
        kind="purchase",
    )
    liked = sg.segment_products(events, result, as_of="2024-02-01")
    own = liked[liked["segment"] == "S1"]
    assert len(own) and own["buyers"].isna().all()
    rules = sg.rules(result)
    shares = [
        *profile.loc[
            (profile["segment"] == "S1") & profile["unit"].str.startswith("share"), "inside"
        ].dropna(),
        *own["share"],
        *rules.loc[rules["segment"] == "S1", "recall"],
    ]
    steps = np.array([share for share in shares if 0 < share < 1]) / 0.05
    assert len(steps) and np.allclose(steps, steps.round())
    assert profile["effect"].dropna().map(lambda d: d == round(d, 2)).all()


def test_words_that_few_have_are_not_named(result):
    profile = sg.profile(result)
    assert set(profile.loc[profile["column"] == "town", "level"]) == {f"town {i}" for i in range(4)}
    assert profile.attrs["segkit"]["words"] == 4
    assert "4 words are left out" in str(sg.plot_profile(result).to_dict()["title"])
    everything = sg.profile(result, minimum=1)
    assert everything["level"].str.startswith("Ann").any()


def test_a_word_of_few_does_not_follow_from_the_other_words():
    words = ["tea"] * 60 + ["rum"] * 37 + ["gin"] * 3 + ["tea"] * 40 + ["rum"] * 40 + ["gin"] * 20
    shares = sg.profile(segments((100, 100), drink=words))
    shares = shares[shares["column"] == "drink"].pivot_table(
        index="segment", columns="level", values="inside", dropna=False
    )
    assert shares.isna().sum(axis=1).to_list() == [2, 2] and shares["gin"].isna().all()


def test_addresses_are_in_no_table():
    who = np.where(np.arange(200) % 2, "by ann@example.com", "by bo@example.com")
    more = np.array(["by cy@example.com", *who[1:]])
    found = segments((100, 100), contact=who, through=more, spend=np.r_[np.zeros(100), np.full(100, 9.0)])
    held_out = pd.DataFrame({"seller": who}, index=found.customers.index)
    for table in (sg.profile(found), sg.evidence(found, held_out), sg.suggest_names(found)):
        assert contacts_in(table.to_html()) == []


def test_a_cross_table_is_the_same_whatever_its_hidden_cells_are():
    def crossed(cells):
        rows = [pair for pair, n in cells.items() for _ in range(n)]
        both = pd.DataFrame(rows, columns=["one", "other"])
        return sg.cross_segments(both["one"], both["other"])

    cells = {(a, b): 40 + 10 * i for i, (a, b) in enumerate((a, b) for a in "ABC" for b in "xyz")}
    one = crossed(cells | {("A", "x"): 3, ("A", "y"): 60, ("B", "x"): 30, ("B", "y"): 33})
    other = crossed(cells | {("A", "x"): 7, ("A", "y"): 56, ("B", "x"): 26, ("B", "y"): 37})
    assert one["customers"].isna().sum() == 4
    pd.testing.assert_frame_equal(one, other)
    assert one.attrs["segkit"]["association"] == pytest.approx(other.attrs["segkit"]["association"], abs=1e-9)


def test_the_expected_do_not_tell_the_size_of_a_small_group():
    group = pd.Series(np.repeat(["A", "B", "VIP"], [300, 57, 3]))
    table = sg.cross_segments(group, pd.Series([f"{i % 2}" for i in range(360)]))
    totals = table.groupby("first")["expected"].sum(min_count=1)
    assert totals["A"] == 300 and totals[["B", "VIP"]].isna().all()
    assert table.loc[table["first"] != "A", ["of_first", "lift", "residual"]].isna().all(axis=None)


def test_a_hidden_share_does_not_follow_from_its_test(result):
    within = np.arange(360)
    table = sg.evidence(result, pd.DataFrame({"rare": within % 100 < 2}, index=result.customers.index))
    rare = table[(table["feature"] == "rare") & table["segment_id"].notna()]
    assert rare[["inside", "p", "q"]].isna().all(axis=None)
    exact = sg.evidence(result, pd.DataFrame({"half": within % 2 == 0}, index=result.customers.index))
    assert exact["p"].dropna().map(lambda p: p == float(f"{p:.1g}") and p >= 1e-4).all()


def test_a_finding_stays_one_after_rounding(result):
    held_out = pd.DataFrame(
        {
            f"f{i}": np.random.default_rng(i).random(360) < np.where(np.arange(360) < 300, 0.5, 0.62)
            for i in range(12)
        },
        index=result.customers.index,
    )
    tables = [sg.evidence(result, held_out, fdr=0.3, minimum=m) for m in (1, 2)]
    found = [t.set_index(["segment", "feature"])["q"].dropna().le(0.3) for t in tables]
    assert found[0].any() and not found[0].all()
    assert found[1].equals(found[0].reindex(found[1].index))


def test_rules_and_evidence_say_when_all_segments_are_small():
    small = segments((4, 5, 3))
    for tell in (sg.rules, lambda r: sg.evidence(r, r.customers)):
        with pytest.raises(ValueError, match="minimum=1"):
            tell(small)
    assert sg.profile(small)["inside"].isna().all()


@pytest.mark.parametrize("few", [3, 8])
def test_charts_tell_no_size_of_few(few):
    small = segments((300, 60 - few, few))
    placed = sg.plot_confidence(small)
    plan = sg.plan_experiment(small, baseline=0.1)
    for chart in (placed, sg.plot_power(plan)):
        assert few_in(chart) == []
    assert few_in(plan) == [] and plan["customers"].isna().sum() == 2
    assert plan.loc[plan["segment"] == "S2", "verdict"].item() == "hidden: fewer than 10 customers"
    bars = [row for row in chart_rows(placed) if row["name"] in ("S1", "S2")]
    assert all(row["customers"] is None for row in bars)


def test_the_heights_of_a_migration_do_not_tell_sizes():
    before = [segments((300, 60 - few, few)) for few in (3, 8)]
    drawn = [sg.plot_migration(sg.migration(one, one)) for one in before]
    boxes = [[row for row in chart_rows(chart) if "y" in row and "label" not in row] for chart in drawn]
    assert boxes[0] == boxes[1]


@pytest.mark.parametrize("to", list(sg.audience_formats().index))
def test_free_text_reaches_no_file(tmp_path, to):
    said = "My doctor says I must not eat this"
    ids = [f"c{i:02}" for i in range(20)]
    contacts = pd.DataFrame(
        {
            "customer_id": ids,
            "email": [f"{i}@example.com" for i in ids],
            "phone": "+442079460958",
            **dict.fromkeys(("comment", "notes", "text", "review", "answer", "first name of the dog"), said),
        }
    )
    people = sg.audience(pd.Series("Regulars", index=ids), contacts)
    file = tmp_path / ("a.sql" if to == "sql" else "a.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that ads tools want more people
        sg.export_audience(people, file, to=to, country_code="GB")
    assert all(said not in written.read_text(encoding="utf-8") for written in tmp_path.iterdir())


def test_a_scan_draws_no_segment_of_few():
    customers = pd.DataFrame({"visits": np.repeat([-40.0, 40.0, 0.0], [60, 60, 3])})
    scan = sg.scan_clusters(customers, k=[2, 3], resamples=2, progress=False)
    assert round(scan.loc[3, "smallest"] * 123) == 3
    shares = [row["value"] for row in chart_rows(sg.plot_scan(scan)) if row.get("k") == 3]
    assert 10 / 123 in shares and scan.loc[3, "smallest"] not in shares
    tuner = sg.ClusterTuner(customers, k=[2, 3], n_segments=3)
    assert "fewer than 10 of the customers" in tuner._note.value


def test_a_candidate_of_few_is_not_counted():
    row = {
        "first_seen": pd.Timestamp("2024-05-01"),
        "found": "a new group",
        "customers": 7,
        "share": 0.007,
        "parent": "A",
    }
    candidates = pd.DataFrame([row])
    series = [
        {
            "candidate": 0,
            "as_of": f"2024-0{i}-01",
            "share": 0.1,
            "alarm_line": 0.2,
            "usual": 0.1,
            "alarm": i == 5,
            "parent": "A",
        }
        for i in range(1, 6)
    ]
    candidates.attrs["segkit"] = {"series": series, "reference": 3, "false_alarms": "1 in 20 years"}
    assert few_in(sg.plot_emerging(candidates)) == [] and "fewer than 10" in str(
        sg.plot_emerging(candidates).to_dict()
    )
    assert "7 customers, 0.7% of all" in str(sg.plot_emerging(candidates, minimum=1).to_dict())


def test_the_arms_of_few_are_not_counted():
    ids = pd.Index([f"c{i:03}" for i in range(360)])
    arms = pd.Series(
        np.where(np.arange(360) % 10 == 0, "held out", "treated"), index=ids
    )  # 6 of S1 are held out
    outcomes = pd.Series((np.arange(360) % 3 == 0).astype(float), index=ids)
    by = pd.Series(np.repeat(["S0", "S1"], [300, 60]), index=ids)
    table = sg.lift(arms, outcomes, by=by)
    drawn = {row["segment"]: row for row in chart_rows(sg.plot_lift(table)) if "held_out" in row}
    assert [drawn[s]["held_out"] for s in ("all customers", "S0", "S1")] == [36, None, None]
    assert drawn["S1"]["treated"] == 54 and "mean_held_out" not in drawn["S1"]
