"""Charts of experiments, by their Vega-Lite."""

import numpy as np
import pandas as pd
import pytest
import vl_convert
from tables import EVIL

import segkit as sg
from segkit.show.plots.theme import GREY, OKABE_ITO

SHOP = sg.datasets.make_experiment(5000)


def data(chart):
    """Return the rows of each data set of a chart."""
    return list(chart.to_dict()["datasets"].values())


def drawn(chart):
    svg = vl_convert.vegalite_to_svg(chart.to_json())
    assert not any(wrong in svg for wrong in ("<script", "<img", "NaN", "Infinity"))
    return svg


def test_lift_is_a_forest_of_raw_and_pooled():
    table = sg.lift(SHOP.arms, SHOP.outcomes["conversion"], by=SHOP.segments.replace("New", EVIL))
    chart = sg.plot_lift(table)
    svg, rows = drawn(chart), max(data(chart), key=len)
    assert len(rows) == 7 + 6 and {row["kind"] for row in rows} == {"by itself", "pooled with the others"}
    by_itself = [row["lift"] for row in rows if row["kind"] == "by itself"]
    assert by_itself == pytest.approx((100 * table["lift"]).to_list())
    bands = [row for rows in data(chart) for row in rows if "kind" not in row and "unseen" in row]
    assert [row["smallest_lift"] for row in bands] == pytest.approx((100 * table["smallest_lift"]).to_list())
    assert "Lift (percentage points)" in svg and OKABE_ITO[0] in svg and GREY in svg
    assert (
        "ore: +" in chart.to_dict()["title"]["subtitle"][0]
        or "o difference" in chart.to_dict()["title"]["subtitle"][0]
    )


def test_lift_of_several_arms_is_a_panel_each():
    arms = SHOP.arms.where(np.arange(len(SHOP.arms)) % 2 == 0, SHOP.arms.replace("treated", "letter"))
    chart = sg.plot_lift(sg.lift(arms, SHOP.outcomes["spend"]))
    assert [panel["title"]["text"] for panel in chart.to_dict()["vconcat"]] == ["letter", "treated"]
    assert "Lift (mean outcome)" in drawn(chart)
    nothing = sg.lift(SHOP.arms, SHOP.outcomes["spend"] * 0 + 2)
    with pytest.raises(ValueError, match="nothing to draw"):
        sg.plot_lift(nothing)


def test_power_says_which_segments_can_answer():
    segments = pd.Series(["Loyal"] * 20_000 + ["New"] * 2_000 + ["Few"] * 20)
    plan = sg.plan_experiment(segments, baseline=0.1, lift=0.03)
    chart = sg.plot_power(plan)
    svg, rows = drawn(chart), max(data(chart), key=len)
    assert {row["segment"]: row["answer"] for row in rows} == {
        "all customers": "can answer", "Few": "too small alone", "Loyal": "can answer", "New": "too small alone"
    }  # fmt: skip
    assert "+2.0 points" in svg and "none" in svg and "the lift that is planned for, +3.0 points" in svg
    spend = sg.plan_experiment(SHOP.segments, baseline=SHOP.before["spend"], outcome="spend", peeking=True)
    assert "looked at while results come in" in drawn(sg.plot_power(spend))
