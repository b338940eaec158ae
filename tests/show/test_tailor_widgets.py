"""Widgets of audiences and experiments by their traits: what is chosen reads back as its code."""

import numpy as np
import pandas as pd
import pytest
import traitlets as t
from pandas.testing import assert_frame_equal
from tables import EVIL, three_groups

import segkit as sg

LABELS = pd.Series(["Regulars"] * 4 + ["Lapsing"] * 3 + ["Undecided"], index=list("abcdefgh"))
PEOPLE = pd.DataFrame(
    {
        "customer_id": list("abcdefgh"),
        "email": [
            *(f"{name}@example.com" for name in ("ann", "bob", "cyd", "dan")),
            "info@example.com",
            "x@",
            None,
            "h@x.org",
        ],
        "phone": ["030 1234567", *[None] * 7],
    }
)


def run(code, **names):
    """Execute the code that a widget shows, and return what it made."""
    space = {"sg": sg, **names}
    exec(code, space)
    return space


def builder_of(labels=LABELS, **more):
    return sg.AudienceBuilder(labels, PEOPLE, **more)


def shown(widget):
    """All that a page would show of a widget's HTML."""
    return " ".join(child.value for child in widget.children if type(child).__name__ == "HTML")


# AudienceBuilder


def test_the_builder_begins_with_all_segments_and_nobody_held_out():
    builder = builder_of(minimum=1)
    assert (builder.segments, builder.holdout, builder.to, builder.arms) == (
        ("Lapsing", "Regulars"),
        0,
        "csv",
        None,
    )
    assert [tick.description for tick in builder._ticks.values()] == [
        "Lapsing, 3 customers (38%)", "Regulars, 4 customers (50%)", "Undecided, 1 customer (12%)"
    ]  # fmt: skip
    assert (builder.error, builder.written) == ("", None)
    assert all(tick.description.endswith(", size hidden") for tick in builder_of()._ticks.values())


def test_the_builder_counts_who_goes_out_and_says_why_others_do_not():
    builder = builder_of(suppress=["d"])
    assert "Of 8 rows: 4 go out, 0 are held out, 4 are refused." in shown(builder)
    builder.to = "google_ads"  # takes no address of a role
    assert "Of 8 rows: 3 go out, 0 are held out, 5 are refused." in shown(builder)
    for reason in ("undecided between segments", "invalid e-mail", "no e-mail, phone or address", "suppressed",
                   "address of a role", "phone without country"):  # fmt: skip
        assert f">{reason}</td><td>1</td>" in shown(builder)
    builder.country_code = "DE"
    assert "phone without country" not in shown(builder)


@pytest.mark.parametrize("to", ["csv", "sql", "klaviyo", "google_ads", "salesforce"])
def test_no_whole_contact_is_shown(to):
    ids = PEOPLE["email"].fillna("g@example.com").to_numpy()
    people = PEOPLE.assign(customer_id=ids, phone="+49 30 1234567", last_name="Marple")
    builder = sg.AudienceBuilder(LABELS.set_axis(ids), people, experiment="spring")
    builder.to = to
    assert builder.error == ""
    text = shown(builder)
    for secret in ("ann", "example", "bob@", "1234567", "Marple"):
        assert secret not in text
    assert "***" in text


@pytest.mark.parametrize("labels", [LABELS, LABELS.map({"Regulars": 1, "Lapsing": 0, "Undecided": -1})])
def test_the_builder_reads_back_as_its_code(labels, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"consent": pd.Series(True, index=list("abcdeh")), "suppress": ["b"]}
    builder = builder_of(labels, experiment="spring mail", **names)
    assert builder.holdout == 0.1
    builder.holdout, builder.to, builder.country_code, builder.path = 0.3, "klaviyo", "de", " spring.csv "
    builder.segments = [builder.segments[1], labels["h"]]
    made = run(builder.code, result=labels, contacts=PEOPLE, **names)
    assert_frame_equal(made["audience"].table, builder.audience.table)
    assert_frame_equal(made["audience"].refused, builder.audience.refused)
    assert made["audience"].provenance == builder.audience.provenance
    assert made["arms"].equals(builder.arms) and set(builder.arms) == {"treated", "held out"}
    held_out = set(builder.arms.index[builder.arms == "held out"])
    assert held_out and not held_out & set(builder.audience.table["customer_id"])
    first = (tmp_path / "spring.csv").read_bytes()
    builder._write(None)
    assert (tmp_path / "spring.csv").read_bytes() == first
    assert builder.written["rows"].to_list() == [len(builder.audience.table)]
    assert "Written: spring.csv, " in shown(builder)


def test_nothing_is_written_unasked_and_errors_stand_in_the_widget(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    builder = builder_of()
    builder._write(None)
    assert builder.error == "Type the file to write first, such as spring.csv."
    for change, said in {
        ("path", "there/x.csv"): "There is no folder 'there' to write x.csv into.",
        ("path", "x.xlsx"): "The file is CSV, and 'x.xlsx' ends in '.xlsx'.",
    }.items():
        setattr(builder, *change)
        builder._write(None)
        assert said in builder.error and 'role="alert"' in builder._outcome.value
    for change, said in {
        ("country_code", "USA"): "country_code='USA' should be two letters",
        ("holdout", 0.2): "Name the experiment",
        ("segments", ()): "No segment is chosen. Tick one or more.",
    }.items():
        before = getattr(builder, change[0])
        setattr(builder, *change)
        assert said in builder.error and 'role="alert"' in builder._shown.value
        setattr(builder, change[0], before)
        assert builder.error == "" and "4 go out" not in builder.error
    assert list(tmp_path.iterdir()) == []
    builder.segments, builder.to = ["Undecided"], "meta"
    builder.path = "few.csv"
    builder._write(None)
    assert (
        "Meta, customer list of a custom audience, hashed CSV file should hold 100 people"
        in builder._outcome.value
    )
    assert builder.error == "" and (tmp_path / "few.csv").exists()


def test_when_nobody_is_left_the_reasons_stand_below():
    builder = builder_of(consent=pd.Series({"a": False}))
    assert builder.error.startswith("The audience is empty: audience.refused says why.")
    assert ">no consent</td><td>7</td>" in builder._shown.value
    with pytest.raises(ValueError, match="Name the experiment"):
        builder.holdout = 0.5
        _ = builder.audience


def test_ticks_and_traits_are_the_same():
    builder = builder_of()
    builder._ticks["Lapsing"].value = False
    assert builder.segments == ("Regulars",) and "segments=['Regulars']" in builder.code
    builder.segments = ["Undecided", "Lapsing"]
    assert [tick.value for tick in builder._ticks.values()] == [True, False, True]
    for name, value, said in [
        ("segments", ["Regular"], "There is no segment 'Regular'. Did you mean 'Regulars'?"),
        ("holdout", 0.51, "holdout=0.51 is not offered. Choose from 0 to 0.5, in steps of 0.01"),
        ("holdout", float("nan"), "holdout=nan is not offered"),
        ("to", "fax", "fax"),
    ]:
        before = getattr(builder, name)
        with pytest.raises(t.TraitError, match=said):
            setattr(builder, name, value)
        assert getattr(builder, name) == before


def test_suggested_names_help_to_choose_and_any_name_stays_text():
    customers = three_groups()
    result = sg.segment(customers, n_segments=3).with_names({1: EVIL})
    people = pd.DataFrame({"customer_id": customers.index, "email": [f"{c}@x.org" for c in customers.index]})
    builder = sg.AudienceBuilder(result, people)
    assert builder.segments == ("Segment 0", EVIL, "Segment 2")
    assert builder._ticks["Segment 0"].description.startswith("Segment 0: ")
    assert builder._ticks["Segment 0"].description.endswith(" (suggested), 20 customers (33%)")
    builder.segments = [1]
    assert builder.segments == (EVIL,) and "<script" not in shown(builder) and "<img" not in shown(builder)
    made = run(builder.code.partition("\n")[0], result=result, contacts=people)
    assert_frame_equal(made["audience"].table, builder.audience.table)
    with pytest.raises(t.TraitError, match="There is no segment"):
        builder.segments = [7]


def test_customers_outside_all_segments_can_be_chosen():
    builder = builder_of(pd.Series(-1, index=LABELS.index))
    assert builder.segments == () and builder.error == "No segment is chosen. Tick one or more."
    builder._ticks[-1].value = True
    assert builder.segments == (-1,) and builder.error == "" and len(builder.audience.table) == 6


def test_suppressed_ids_that_can_be_read_once_are_kept():
    builder = builder_of(suppress=iter(["a"]))
    builder.segments = ["Regulars"]
    assert "a" not in set(builder.audience.table["customer_id"])


def test_tables_that_cannot_be_read_are_errors_of_the_call():
    with pytest.raises(ValueError, match="contacts has no column 'customer_id'"):
        sg.AudienceBuilder(LABELS, pd.DataFrame({"email": ["a@x.org"]}))
    with pytest.raises(TypeError, match="consent"):
        builder_of(consent="yes")


# ExperimentPlanner

SIZES = pd.Series(np.repeat(["Loyal", "New", EVIL], [20_000, 2_000, 3]))


def test_the_planner_reads_back_as_its_code():
    baseline = {"Loyal": 0.1, "New": 0.08, EVIL: 0.5}
    planner = sg.ExperimentPlanner(SIZES, baseline=baseline)
    for holdout, power, lift in ((0.1, 0.8, 0.0), (0.5, 0.99, 0.025), (0.01, 0.5, 0.1)):
        planner.holdout, planner.power, planner.lift = holdout, power, lift
        expected = sg.plan_experiment(
            SIZES, baseline=baseline, holdout=holdout, power=power, lift=lift or None
        )
        assert_frame_equal(planner.plan, expected)
        assert planner.plan.attrs == expected.attrs
        assert_frame_equal(run(planner.code, result=SIZES, baseline=baseline)["plan"], expected)
    assert planner._chart.chart.to_dict() == sg.plot_power(expected).to_dict()


def test_the_planner_shows_verdicts_and_follows_its_sliders():
    planner = sg.ExperimentPlanner(SIZES, baseline=0.1)
    holdout, power, lift = planner.children[:3]
    assert (holdout.value, power.value, lift.value) == (0.1, 0.8, 0.0)
    lift.value = 0.03
    assert planner.lift == 0.03
    assert ">20,000</td><td>2,000</td><td>+2.1 points</td>" in planner._table.value
    assert "hidden: fewer than 10 customers" in planner._table.value and "<script" not in shown(planner)
    planner.holdout = 0.5
    assert (
        holdout.label == "50%" and ">20,000</td><td>10,000</td><td>+1.2 points</td>" in planner._table.value
    )


def test_the_planner_takes_only_what_its_sliders_offer():
    planner = sg.ExperimentPlanner(SIZES, baseline=0.1)
    for name, value in {"holdout": 0, "power": 1, "lift": 0.0005}.items():
        with pytest.raises(t.TraitError, match=rf"{name}={value}\S* is not offered. Choose from"):
            setattr(planner, name, value)
    with pytest.raises(ValueError, match="baseline has no share of the segment"):
        sg.ExperimentPlanner(SIZES, baseline={"Loyal": 0.1})
