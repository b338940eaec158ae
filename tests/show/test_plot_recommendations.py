"""The chart of the scoreboard of recommendations, by its Vega-Lite."""

import numpy as np
import pandas as pd
import pytest
import vl_convert

import segkit as sg

COLUMNS = ["goal", "method", "customers", "recall", "ndcg", "ndcg_low", "ndcg_high", "hit"]


def board(customers=40):
    ndcg = 0.1 if customers else np.nan
    rows = [("new", name, customers, 0.1, ndcg, 0.08, 0.12, 0.3) for name in ("recent popularity", "EASE")]
    rows.insert(1, ("new", "segment popularity", customers, 0.1, ndcg, 0.08, 0.12, 0.3))
    rows += [
        ("again", name, customers, 0.4, 4 * ndcg, 0.3, 0.5, 0.9)
        for name in ("recent popularity", "own history")
    ]
    table = pd.DataFrame(rows, columns=COLUMNS).assign(
        gain=0.0, gain_low=-0.01, gain_high=0.01, verdict="no better"
    )
    table.loc[1, "verdict"] = "your segments carry no taste: what is popular in them is no better guide"
    table.attrs["segkit"] = {"best": {"new": "EASE", "again": "own history"}, "level": 0.95}
    return table


def test_a_panel_for_each_goal_and_its_verdict():
    chart = sg.plot_recommendations(board()).to_dict()
    panels = chart["vconcat"]
    assert [panel["title"]["text"] for panel in panels] == [
        "Products that are new to the customer (40 customers)",
        "Products bought before (40 customers)",
    ]
    y = panels[0]["layer"][2]["encoding"]["y"]
    assert y["sort"] == ["recent popularity", "segment popularity", "EASE"]
    points = pd.DataFrame(chart["datasets"][panels[1]["layer"][2]["data"]["name"]])
    assert list(points["method"]) == ["recent popularity", "own history"] and list(points["ndcg"]) == [
        0.4,
        0.4,
    ]
    assert chart["title"]["subtitle"] == [
        "Best for new products: EASE. For products bought before: own history.",
        "Your segments carry no taste: what is popular in them is no better guide.",
        "Line: 95% interval. Dashes: recent popularity, the yardstick.",
    ]
    assert "NaN" not in vl_convert.vegalite_to_svg(sg.plot_recommendations(board()).to_json())


def test_the_best_is_named_from_a_board_of_the_package():
    lines = pd.DataFrame({"customer_id": ["a", "b"] * 2, "product_id": ["tea", "rum", "tea", "tea"]})
    events = sg.read_events(lines.assign(timestamp=["2024-01-01"] * 2 + ["2024-03-01"] * 2), kind="purchase")
    chart = sg.plot_recommendations(
        sg.recommendation_scoreboard(events, as_of="2024-03-02", horizon="7 days")
    )
    assert "Best for new products: recent popularity." in chart.to_dict()["title"]["subtitle"][0]


def test_other_tables_and_empty_ones_are_refused():
    with pytest.raises(ValueError, match="recommendation_scoreboard"):
        sg.plot_recommendations(board().drop(columns="ndcg"))
    with pytest.raises(ValueError, match="nothing to draw"):
        sg.plot_recommendations(board(customers=0))
