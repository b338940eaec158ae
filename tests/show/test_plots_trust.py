"""Charts of trust, by their Vega-Lite: what is drawn, and what it says of itself."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import vl_convert
from tables import EVIL, three_groups

import segkit as sg
from segkit.show.plots.stability import MOST_CELLS, _binned, side_of
from segkit.trust.stability import Stability


def crowd(n=300, seed=0):
    values = np.random.default_rng(seed).lognormal(size=(n, 4))
    return pd.DataFrame(values, columns=list("abcd"), index=[f"c{i:03}" for i in range(n)])


def drawn(chart):
    svg = vl_convert.vegalite_to_svg(chart.to_json())
    assert not any(wrong in svg for wrong in ("<script", "<img", "NaN", "Infinity"))
    return svg


def tables(chart):
    return list(chart.to_dict()["datasets"].values())


def rows_with(chart, *columns):
    return next(rows for rows in tables(chart) if rows and set(columns) <= set(rows[0]))


def said(chart):
    title = chart.to_dict()["title"]
    return " ".join([title["text"], *title["subtitle"]])


@pytest.fixture(scope="module")
def stable():
    result = sg.segment(crowd(), n_segments=5).with_names({0: EVIL, 1: "a.b['x']"})
    return sg.stability(result, resamples=8, progress=False)


@pytest.fixture(scope="module")
def board():
    rows = {
        ("spend", "mine"): (4, 0.4, 0.3, 0.5, 0.02, 0.1, "more than RFM quintiles"),
        ("spend", "RFM quintiles"): (5, 0.3, 0.2, 0.4, 0.02, 0.0, "the yardstick"),
        ("churn", "mine"): (4, np.nan, np.nan, np.nan, np.nan, np.nan, "nothing to explain"),
        ("churn", "RFM quintiles"): (5, np.nan, np.nan, np.nan, np.nan, np.nan, "the yardstick"),
    }
    columns = ["segments", "explained", "low", "high", "at_random", "gain", "verdict"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    table.index = pd.MultiIndex.from_tuples(table.index, names=["outcome", "segmentation"])
    table.attrs["segkit"] = {"as_of": "2024-10-01T00:00:00", "horizon": "91 days", "customers": 1234}
    return table


@pytest.fixture(scope="module")
def many():
    return sg.multiverse(crowd(), n_segments=3, pipelines=10, null_sets=1, progress=False)


def test_stability_shows_each_segment_with_its_range_and_hennigs_levels(stable):
    chart = sg.plot_stability(stable)
    points = rows_with(chart, "measure")
    assert {row["measure"] for row in points} == {"mean Jaccard similarity", "prediction strength"}
    values = [row["value"] for row in points if row["measure"] == "mean Jaccard similarity"]
    assert values == pytest.approx(stable.segments["jaccard"].to_list())
    ranges = next(rows for rows in tables(chart) if "low" in rows[0] and "measure" not in rows[0])
    for end in ("low", "high"):
        assert [row[end] for row in ranges] == pytest.approx(stable.segments[end].to_list())
    assert [row["at"] for row in rows_with(chart, "at")] == [0.6, 0.75, 0.85]
    assert "8 bootstrap samples" in said(chart) and "Repeatable is not real" in said(chart)
    drawn(chart)


def test_consensus_of_many_is_means_within_segments(stable):
    chart = sg.plot_consensus(stable)
    cells = rows_with(chart, "share", "row")
    assert len(stable.consensus) == 200 and len(cells) <= MOST_CELLS**2 <= 5_000
    assert "200 customers drawn at random; a cell is the mean of about" in said(chart)
    by_cell = {(row["row"], row["column"]): row["share"] for row in cells}
    expected = np.nanmean(stable.consensus.to_numpy()[:3, :3])
    assert by_cell[0, 0] == pytest.approx(expected, abs=0.001)
    assert all(0 <= share <= 1 for share in by_cell.values())
    drawn(chart)


def test_consensus_of_few_is_drawn_as_it_is():
    told = sg.stability(sg.segment(three_groups(), n_segments=3), resamples=5, progress=False)
    cells = rows_with(sg.plot_consensus(told), "share", "row")
    assert len(cells) == told.consensus.notna().to_numpy().sum()
    assert "mean of" not in said(sg.plot_consensus(told))


def test_pairs_that_never_met_are_left_white():
    names = ["A", "A", "B"]
    matrix = pd.DataFrame([[1, np.nan, 0], [np.nan, 1, 0.5], [0, 0.5, 1]], list("xyz"), list("xyz"))
    matrix.attrs["segments"] = names
    values, shown, each = _binned(matrix)
    assert shown == names and each == 1 and np.isnan(values[0, 1])
    facts = {"resamples": 1}
    empty = pd.DataFrame()
    chart = sg.plot_consensus(Stability(empty, matrix, facts))
    assert len(rows_with(chart, "share", "row")) == 7


def test_a_scoreboard_is_a_panel_for_each_outcome(board):
    chart = sg.plot_scoreboard(board)
    panels = chart.to_dict()["vconcat"]
    assert [p["title"]["text"] for p in panels] == ["Spend", "Churn: nothing to explain"]
    shown = rows_with(chart, "explained", "at_random", "kind")
    assert [(row["explained"], row["kind"]) for row in shown] == [(0.4, "segments"), (0.3, "RFM alone")]
    assert said(chart).split("? ")[1].startswith("1,234 customers as of 2024-10-01, and the 91 days after.")
    drawn(chart)


def test_an_arrow_marks_values_beyond_the_chart(board):
    ours = board.rename(index={"mine": "segments"})
    ours.loc[("spend", "RFM quintiles"), ["explained", "low", "high"]] = [-3.0, -9.0, 9.0]
    chart = sg.plot_scoreboard(ours)
    shown = rows_with(chart, "explained", "at_random", "kind")
    assert [(r["segmentation"], r["kind"], r["at"]) for r in shown] == [
        ("segments", "segments", "within"),
        ("RFM quintiles", "RFM alone", "beyond"),
    ]
    assert "Arrow: at least 20% worse" in said(chart) and "Arrow" not in said(sg.plot_scoreboard(board))
    drawn(chart)


@pytest.mark.parametrize(("cells", "side"), [(70, 350), (55, 330), (3, 321), (900, 900)])
def test_cells_of_a_matrix_are_whole_pixels(cells, side):
    assert side_of(cells, 320) == side


def test_a_multiverse_is_a_matrix_by_group_and_what_each_choice_costs(many):
    chart = sg.plot_multiverse(many)
    cells = rows_with(chart, "share", "row")
    assert len(cells) == 70 * 70 and sum(len(rows) for rows in tables(chart)) <= 5_000
    assert cells[1]["share"] == pytest.approx(many.together.iloc[0, 1], abs=0.001)
    costs = rows_with(chart, "cost")
    tried = many.choices.dropna(subset=["cost"])
    assert [row["cost"] for row in costs] == pytest.approx(tried["cost"].to_list())
    assert [row["high"] - row["low"] for row in costs] == pytest.approx((2 * tried["error"]).to_list())
    assert "features left out" in {row["choice"] for row in costs}
    words = " ".join(said(chart).split())
    assert many.verdict in words and words.startswith(
        "What stays the same whatever you choose? 10 pipelines."
    )
    drawn(chart)


def test_a_multiverse_of_one_group_and_of_one_choice_is_drawn(many):
    alone = many.together.copy()
    alone.attrs["groups"] = [0] * len(alone)
    drawn(sg.plot_multiverse(dataclasses.replace(many, together=alone, choices=many.choices.head(1))))
    odd = many.together.set_axis([f"{i} {EVIL}" for i in range(70)])
    odd.attrs["groups"] = many.together.attrs["groups"]
    drawn(sg.plot_multiverse(dataclasses.replace(many, together=odd)))


def test_every_chart_has_tooltips_and_a_clear_page(stable, board, many):
    charts = (
        sg.plot_stability(stable),
        sg.plot_consensus(stable),
        sg.plot_scoreboard(board),
        sg.plot_multiverse(many),
    )
    for chart in charts:
        assert '"tooltip"' in chart.to_json() and chart.to_dict()["config"]["background"] == "transparent"
