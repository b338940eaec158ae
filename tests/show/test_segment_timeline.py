"""The timeline by its traits: what is chosen reads back as its code."""

import json
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import traitlets as t
from pandas.testing import assert_frame_equal
from sklearn.cluster import DBSCAN
from tables import EVIL, oddly_named, three_groups

import segkit as sg
from segkit.datasets import make_shop_over_time
from segkit.show.widgets import segment_timeline

MONTHS = pd.to_datetime(["2024-05-01", "2024-06-01", "2024-07-01"])


def tables_of(*tables, months=MONTHS):
    return pd.concat(tables, keys=months[: len(tables)], names=["as_of", "customer_id"])


def shop():
    """May: 20 customers a segment. June: c001 and c002 visit more, c020 is gone. July: c001 is back, c060 came."""
    may = three_groups()
    june = may.assign(visits=may["visits"].where(~may.index.isin(["c001", "c002"]), 60.0)).drop("c020")
    july = june.assign(visits=june["visits"].where(june.index != "c001", 10.0))
    july.loc["c060"] = [60.0, 10.0]
    result = sg.segment(may, n_segments=3)
    quiet, visitors, spenders = (result.labels[i] for i in ("c000", "c020", "c040"))
    result = result.with_names({quiet: "Quiet", visitors: "Visitors", spenders: "Spenders"})
    return result, tables_of(may, june, july)


def run(timeline, result, tables, sg=sg):
    """Execute the code that the widget shows."""
    space = {"sg": sg, "result": result, "tables": tables}
    exec(timeline.code, space)
    return space["customers"]


def size_of(timeline, name):
    at = next(i for i, segment in enumerate(timeline.segments) if segment["name"] == name)
    return timeline.sizes[timeline.at][at]


def places_of(timeline):
    return np.frombuffer(timeline.places, dtype="<u2").reshape(2, -1).T.astype(float)


def labels_of(timeline):
    """For each date the positions of the customers' segments."""
    return np.frombuffer(timeline.labels, dtype="u1").reshape(len(timeline.dates), -1)


def test_it_begins_with_the_largest_flow_to_the_last_date():
    result, tables = shop()
    timeline = sg.SegmentTimeline(result, tables, minimum=1)
    assert (timeline.as_of, timeline.flow, timeline.at) == (MONTHS[2], ("Visitors", "Quiet"), 2)
    assert timeline.customers.index.to_list() == ["c001"]
    assert timeline.shown["count"] == 1 and timeline.shown["rows"][0][0] == "c001"
    assert timeline.shown["rows"][0][1].startswith("visits −")
    assert timeline.said == [
        "60 customers. The first date: drag on to see who moves.",
        "2 of 59 customers (3%) changed segment; 0 came, 1 gone.",
        "1 of 59 customers (2%) changed segment; 1 came, 0 gone.",
    ]
    assert [size_of(timeline, name) for name in ("Quiet", "Visitors", "Spenders")] == [19, 21, 20]
    assert timeline.dates == ["1 May 2024", "1 Jun 2024", "1 Jul 2024"]


def test_the_slider_moves_and_the_flow_stays():
    result, tables = shop()
    timeline = sg.SegmentTimeline(result, tables, minimum=1)
    timeline.at = 1
    assert (timeline.as_of, timeline.flow) == (MONTHS[1], ("Visitors", "Quiet"))
    assert timeline.customers.empty and timeline.shown["count"] == 0
    timeline.flow = ["Quiet", "Visitors"]
    assert timeline.customers.index.to_list() == ["c001", "c002"]
    timeline.as_of = "2024-05-01"
    assert timeline.at == 0 and timeline.customers.empty and timeline.flows[0] == []


def test_every_date_and_flow_reads_back_as_its_code():
    result, tables = shop()
    timeline = sg.SegmentTimeline(result, tables, minimum=1)
    names = [result.name_of(s) for s in result.segments]
    flows = [None, *((a, b) for a in [*names, "(came)"] for b in [*names, "(gone)"] if a != b)]
    found, moves = 0, sg.moves_over_time(result, tables)
    assert_frame_equal(run(timeline, result, tables), timeline.customers)
    lines = SimpleNamespace(moves_over_time=lambda *_: moves)  # the first line is computed once
    for timeline.as_of in MONTHS:
        for timeline.flow in [flow for flow in flows if flow != ("(came)", "(gone)")]:
            assert_frame_equal(run(timeline, result, tables, sg=lines), timeline.customers)
            found += len(timeline.customers) * (timeline.flow is not None)
    assert found == len(timeline.moves) == 5
    assert_frame_equal(timeline.moves, moves)


def test_a_press_on_the_page_chooses_the_flow():
    result, tables = shop()
    timeline = sg.SegmentTimeline(result, tables, minimum=1)
    for at, flow in ((1, ("Visitors", "(gone)")), (2, ("(came)", "Visitors"))):
        timeline.at = at
        pressed = next(f for f in timeline.flows[at] if -1 in (f["from"], f["to"]))
        timeline.chosen = {"from": pressed["from"], "to": pressed["to"]}
        assert timeline.flow == flow and len(timeline.customers) == pressed["customers"] == 1
    timeline.chosen = {}
    assert timeline.flow is None and timeline.shown["rows"] == []
    assert timeline.customers.index.to_list() == ["c001", "c060"]
    timeline.flow = (result.segment_id("Quiet"), result.segment_id("Visitors"))
    assert timeline.flow == ("Quiet", "Visitors")
    assert timeline.chosen == {"from": result.segment_id("Quiet"), "to": result.segment_id("Visitors")}


def test_date_and_flow_are_checked():
    result, tables = shop()
    timeline = sg.SegmentTimeline(result, tables, as_of="2024-06-01", flow=("Quiet", "(gone)"), minimum=1)
    assert (timeline.at, timeline.customers.empty) == (1, True)
    for change, said in {
        ("as_of", "2024-06-02"): "'2024-06-02' is not a date of the tables. .* such as 2024-06-01",
        ("as_of", 7): "as_of",
        ("flow", ("Quite", "Visitors")): "no segment 'Quite'.* 'Quiet'",
        ("flow", ("Quiet", "Quiet")): "leads nowhere",
        ("flow", ("(gone)", "Quiet")): "no segment '(gone)'".replace("(", r"\(").replace(")", r"\)"),
        ("flow", "Quiet"): "is no pair of segments",
    }.items():
        with pytest.raises(t.TraitError, match=said):
            setattr(timeline, *change)
        with pytest.raises(t.TraitError, match=said):
            sg.SegmentTimeline(result, tables, **dict([change]), minimum=1)
    assert (timeline.as_of, timeline.flow) == (MONTHS[1], ("Quiet", "(gone)"))
    with pytest.raises(t.TraitError, match=r"no segment \['Quiet'\]"):
        timeline.flow = (["Quiet"], "Visitors")
    timeline.at = 99  # of a page that is out of date
    assert timeline.as_of == MONTHS[2]
    timeline.as_of = "2024-05-01"
    timeline.as_of = None  # the last, as where none is passed
    assert (timeline.as_of, timeline.at, run(timeline, result, tables).empty) == (MONTHS[2], 2, True)


def test_an_error_of_a_press_stands_in_the_widget(monkeypatch):
    result, tables = shop()
    timeline = sg.SegmentTimeline(result, tables, minimum=1)

    def fail(_rows):
        raise ValueError("no rows")

    monkeypatch.setattr(segment_timeline, "state_without_contacts", fail)
    timeline.at = 1
    assert (timeline.error, timeline.shown) == ("no rows", {})
    monkeypatch.undo()
    timeline.at = 2
    assert timeline.error == "" and timeline.shown["count"] == 1


def test_each_customer_has_one_place():
    """That of her last features: she who moved lies with those among whom she now is."""
    result, tables = shop()
    timeline = sg.SegmentTimeline(result, tables, minimum=1)
    ids = sorted(tables.index.unique("customer_id"))
    places, labels = pd.DataFrame(places_of(timeline), ids), labels_of(timeline)
    assert labels.shape == (3, 61)
    apart = {who: np.linalg.norm(places.loc["c002"] - places.loc[who]) for who in ("c000", "c025")}
    assert apart["c025"] < apart["c000"]
    nobody = len(timeline.segments)
    assert labels[:, ids.index("c020")].tolist() == [result.labels["c020"], nobody, nobody]
    assert labels[:, ids.index("c060")].tolist() == [nobody, nobody, result.labels["c020"]]
    assert "that of her last features" in timeline.note


def test_the_own_map_is_kept_where_it_has_everyone():
    result, tables = shop()
    every = tables.index.unique("customer_id")
    result = result.with_embedding(pd.DataFrame({"x": range(61), "y": 0.0}, index=every))
    some = sg.SegmentTimeline(result, tables.loc[MONTHS[:2]], minimum=1)
    assert "own map" in some.note
    assert np.ptp(places_of(some)[:, 1]) > 0  # a line is spread out
    assert "own map" not in sg.SegmentTimeline(result, tables, minimum=1).note  # c060 has no place


def test_everyone_is_drawn_and_counts():
    tables = make_shop_over_time(5_400, n_periods=3, every="30 days", same_customers=True).tables
    result = sg.segment(tables.xs("2024-01-01", level="as_of"), n_segments=4)
    timeline = sg.SegmentTimeline(result, tables, minimum=1)
    assert len(places_of(timeline)) == tables.index.unique("customer_id").size
    counted = [np.bincount(row)[: len(timeline.segments)].tolist() for row in labels_of(timeline)]
    assert timeline.sizes == counted
    assert [sum(sizes) for sizes in timeline.sizes] == [5_400] * 3
    assert sum(f["customers"] for here in timeline.flows for f in here) == len(timeline.moves)
    largest = timeline.flows[2][0]
    before, now = labels_of(timeline)[1:]
    took_it = (before == largest["from"]) & (now == largest["to"])
    assert len(timeline.customers) == largest["customers"] == took_it.sum() > 0
    took = []
    for at in (0, 1, 2, 1):
        start = time.perf_counter()
        timeline.at = at
        took.append(time.perf_counter() - start)
    assert min(took) < 0.3


def test_odd_names_and_outside_customers():
    customers = oddly_named()
    result = sg.segment(customers, n_segments=3)
    result = result.with_names({result.labels.iloc[0]: EVIL})
    later = customers.iloc[::-1].set_axis(customers.index)
    timeline = sg.SegmentTimeline(result, tables_of(customers, later), minimum=1)
    assert EVIL in timeline.flow and len(timeline.customers) == 20
    assert_frame_equal(run(timeline, result, tables_of(customers, later)), timeline.customers)
    json.dumps(
        {name: timeline.trait_values()[name] for name in ("segments", "flows", "shown", "sizes", "said")}
    )
    may = three_groups()
    may.loc["c060"] = 200.0  # alone
    far = may.copy()
    far.loc["c001"] = 200.0
    dense = sg.SegmentTimeline(sg.segment(may, model=DBSCAN(eps=5)), tables_of(may, far), minimum=1)
    assert dense.flow[1] == "Outside" and dense.segments[-1]["name"] == "Outside"
    assert 'to_id == -1")' in dense.code


@pytest.mark.parametrize("name", ["(gone)", "(came)"])
def test_a_segment_is_not_called_as_those_who_come_or_go(name):
    may = three_groups()
    result = sg.segment(may, n_segments=3).with_names({0: name})
    with pytest.raises(ValueError, match=r"A segment is called '\(.*\)', which here means another thing"):
        sg.SegmentTimeline(result, tables_of(may, may), minimum=1)


def test_value_bands_of_one_feature():
    customers = pd.DataFrame({"monetary": np.arange(1.0, 41)}, [f"c{i:02}" for i in range(40)])
    bands = sg.value_bands(customers, n_bands=4)
    doubled = customers * 2
    timeline = sg.SegmentTimeline(bands, tables_of(customers, doubled), minimum=1)
    assert timeline.flow is not None and np.ptp(places_of(timeline)[:, 1]) > 0


def test_flows_of_few_are_not_listed_and_can_be_looked_up():
    result, tables = shop()
    timeline = sg.SegmentTimeline(result, tables)
    assert all(f["customers"] >= 10 for here in timeline.flows for f in here)
    assert timeline.said[1].startswith("Fewer than 10 of 59 customers changed segment;")
    every = sg.SegmentTimeline(result, tables, minimum=1)
    few = next(f for f in every.flows[2] if f["customers"] < 10 and -1 not in (f["from"], f["to"]))
    names = [s["name"] for s in every.segments]
    timeline.flow = names[few["from"]], names[few["to"]]
    assert len(timeline.customers) == few["customers"]
