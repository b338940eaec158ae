"""The chart of how far predictions can be believed: what was counted, and a panel for each kind of target."""

import numpy as np
import pytest
import vl_convert

import segkit as sg


@pytest.fixture(scope="module")
def scores():
    tables = sg.datasets.make_shop_over_time(200, n_periods=6, same_customers=True).tables
    tables.attrs["segkit"] = {"as_of": ["2024-01-01"], "window": "14 days"}
    result = sg.segment(tables.loc["2024-01-01"], n_segments=3)
    return sg.score_next(result, tables, horizon="1 week")


def test_points_are_counted_and_within_their_intervals(scores):
    chart = sg.plot_next(scores)
    assert [row.title.text for row in chart.vconcat] == ["2 weeks ahead", "1 week ahead"]
    week = chart.vconcat[1]
    # 200 customers in 3 test periods; those who move go to one of two other segments
    assert [panel.title.text for panel in week.hconcat] == [
        "stays (60 in a point)",
        "moves to a segment (120 in a point)",
        "gone (60 in a point)",
    ]
    stays = week.hconcat[0].layer[2].data
    assert len(stays) == 10 and stays["count"].sum() == 600 and stays["predicted"].is_monotonic_increasing
    assert (stays["low"] < stays["seen"]).all() and (stays["seen"] < stays["high"] + 1e-9).all()
    seen = np.average(stays["seen"], weights=stays["count"])
    assert 0.8 < seen < 1
    assert abs(seen - np.average(stays["predicted"], weights=stays["count"])) < 0.03
    assert chart.title["subtitle"][0].startswith("2 weeks ahead: as good as guessing")
    assert "NaN" not in vl_convert.vegalite_to_svg(chart.to_json())


def test_other_tables_are_refused(scores):
    lost = scores.copy()
    lost.attrs = {}
    with pytest.raises(ValueError, match=r"lost its points\. Pass the table from score_next"):
        sg.plot_next(lost)
    with pytest.raises(ValueError, match="no column 'horizon'"):
        sg.plot_next(scores.drop(columns="horizon"))
