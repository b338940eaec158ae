"""The alluvial of who moved and why, by its Vega-Lite."""

import pandas as pd
import pytest
import vl_convert
from tables import EVIL, three_groups

import segkit as sg
from segkit.show.plots.theme import GREY, OKABE_ITO

COUNTS = ["stayed", "behaviour", "both", "model", "came", "gone", "back"]


def flows(*rows):
    """A table as from `migration`: ids, names and the counts that are not 0."""
    made = [
        {
            "from_id": a,
            "from": "(came)" if a is None else f"S{a}",
            "to_id": b,
            "to": "(gone)" if b is None else f"S{b}",
        }
        | dict.fromkeys(COUNTS, 0)
        | counts
        for a, b, counts in rows
    ]
    table = pd.DataFrame(made).astype({"from_id": "Int64", "to_id": "Int64"})
    return table.assign(customers=table[COUNTS[:-1]].sum(axis=1))


def layers(chart):
    """The rows of each layer, and that the chart can be drawn."""
    svg = vl_convert.vegalite_to_svg(chart.to_json())
    assert not any(wrong in svg for wrong in ("<script", "<img", "NaN", "Infinity"))
    spec = chart.to_dict()
    return [pd.DataFrame(spec["datasets"][layer["data"]["name"]]) for layer in spec["layer"]], spec


def test_flows_are_split_by_their_reason():
    table = flows(
        (0, 0, {"stayed": 50, "back": 5}),
        (0, 7, {"behaviour": 20, "model": 10, "both": 10}),
        (0, None, {"gone": 10}),
        (None, 7, {"came": 100}),
    )
    (ribbons, boxes, left, right), spec = layers(sg.plot_migration(table, minimum=1))
    ends = ribbons.groupby("flow").agg(["first", "last"])
    starts, high = ends[("y", "first")], ends[("y2", "first")] - ends[("y", "first")]
    unit = high["0 stayed"] / 50
    assert (high / unit).round(6).to_dict() == {
        "0 stayed": 50, "1 behaviour": 20, "1 both": 10, "1 model": 10, "2 gone": 10, "3 came": 100,
    }  # fmt: skip
    assert (ends[("y2", "last")] - ends[("y", "last")]).round(6).equals(high.round(6))
    stacked = ["0 stayed", "1 behaviour", "1 both", "1 model", "2 gone"]  # from above, without gaps
    assert list(starts[stacked].diff().iloc[1:].round(6)) == list(high[stacked[:-1]].round(6))
    colors = ribbons.groupby("flow")["color"].first()
    assert (
        colors["1 behaviour"] == OKABE_ITO[0]
        and colors["1 model"] == GREY
        and colors["3 came"] == OKABE_ITO[1]
    )
    strengths = ribbons.groupby("flow")["strength"].first()
    assert strengths["0 stayed"] < strengths["1 both"] < strengths["1 behaviour"]
    assert ribbons.loc[ribbons["flow"] == "1 both", "share"].iloc[0] == "10.0% of those in S0 before"
    assert ribbons.loc[ribbons["flow"] == "3 came", "share"].iloc[0] == "71.4% of those in S7 now"
    assert list(boxes["color"]) == [OKABE_ITO[0], GREY, OKABE_ITO[0], OKABE_ITO[1], GREY]
    assert list(left["label"]) == ["Before", "S0\n100 (50%)", "(came)\n100 (50%)"]
    assert list(right["label"]) == ["Now", "S0\n50 (25%)", "S7\n140 (70%)", "(gone)\n10 (5%)"]
    said = spec["title"]["subtitle"]
    assert (
        said[0]
        == "44% of 90 customers changed segment: 22% by their behaviour, 11% by the new model alone, 11% by both."
    )
    assert (
        said[1] == "By the old model another 6% would have moved; the new one keeps them in place."
        and "Behaviour includes what time alone does, such as a longer tenure." in said
        and "100 came, 10 gone." in said
        and "Grey: by the new" in said[-1]
    )


def test_labels_lie_beside_each_other():
    """Also those of many small segments with long names."""
    rows = [(0, 0, {"stayed": 1000}), *((s, s, {"stayed": 1}) for s in range(1, 12))]
    table = flows(*rows).replace({"S3": "Lapsing big spenders with very many different words (suggested)"})
    table.attrs["segkit"] = {
        "as_of": ["2024-01-01T00:00:00", "2024-02-01T12:00:00"],
        "badge": "Constructive segments",
    }
    (_, _, left, right), spec = layers(sg.plot_migration(table, minimum=1))
    for side, day in ((left, "2024-01-01"), (right, "2024-02-01 12:00:00")):
        lines = side["label"].str.count("\n") + 1
        assert side["label"].iloc[0] == day and lines.max() == 3
        assert (side["y"].diff().iloc[1:] >= 14 * lines[:-1].to_numpy()).all()
        assert (side["y"] + 14 * (lines - 0.5)).max() <= spec["height"]
    assert spec["title"]["subtitle"][-1] == "Constructive segments"


def test_a_part_of_a_table_is_drawn_too():
    """Of those who came alone, nobody is said to have stayed."""
    _, spec = layers(sg.plot_migration(flows((None, 0, {"came": 5})), minimum=1))
    assert spec["title"]["subtitle"][0] == "5 came, 0 gone."


def test_names_cannot_break_the_page():
    result = sg.segment(three_groups(), n_segments=3).with_names({0: EVIL, 1: "constructor"})
    layers(sg.plot_migration(sg.migration(result, result), minimum=1))


def test_other_tables_are_refused():
    table = flows((0, 0, {"stayed": 1}))
    with pytest.raises(
        ValueError, match=r"no column 'model'\. Pass the table from migration\(previous, current\)"
    ):
        sg.plot_migration(table.drop(columns="model"), minimum=1)
    with pytest.raises(ValueError, match="The table has no row"):
        sg.plot_migration(table.iloc[:0], minimum=1)


def test_flows_of_few_are_not_drawn_nor_do_they_follow():
    table = flows(
        (0, 0, {"stayed": 50}),
        (0, 1, {"behaviour": 4}),
        (0, 2, {"behaviour": 30}),
        (1, 1, {"stayed": 60}),
        (1, 2, {"behaviour": 40}),
        (2, 2, {"stayed": 70}),
        (2, 1, {"behaviour": 25}),
    )
    chart = sg.plot_migration(table)
    (ribbons, *_), spec = layers(chart)
    drawn = {
        tuple(row) for row in ribbons[["from", "to", "customers"]].drop_duplicates().itertuples(index=False)
    }
    # Not the 4, and three more, so that from each segment and to each segment two are hidden.
    assert drawn == {("S0", "S0", 50), ("S1", "S1", 60), ("S1", "S2", 40)}
    said = " ".join(spec["title"]["subtitle"])
    assert "4 flows are not drawn, which would tell of fewer than 10." in said
    # Nor is there a gap as high as what is hidden: what is drawn of a segment begins at its top.
    assert ribbons.groupby("from")["y"].first().is_monotonic_increasing
