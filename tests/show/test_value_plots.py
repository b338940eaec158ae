"""The chart of what segments are worth, by its Vega-Lite."""

import numpy as np
import pandas as pd
import pytest
import vl_convert
from tables import EVIL

from segkit.show.plots.theme import GREY, OKABE_ITO
from segkit.show.plots.value import plot_value

EVERYONE = "all customers"
SEGMENTS = ("Asleep", "Loyal", EVERYONE)


def table(money=True, verdict="checked on 2 earlier periods", backtests=True):
    """What `segment_value` returns: a row for each segment, and for all customers."""
    values = np.array([100.0, 400.0, 500.0])
    worth = pd.DataFrame({"segment_id": [0, 1, EVERYONE], "segment": SEGMENTS, "customers": [50, 20, 70]})
    for what, size in (("orders", values / 10), ("value", values if money else values * np.nan)):
        worth = worth.assign(**{what: size, f"{what}_low": size * 0.8, f"{what}_high": size * 1.3})
    model = values if money else values / 10
    worth = worth.assign(model_low=model * 0.9 / 0.8, model_high=model * 0.9 * 0.8, bias=0.9, spread=0.1)
    worth[["model_low", "model_high"]] = worth[["model_high", "model_low"]]
    worth = worth.assign(per_customer=worth["value"] / worth["customers"], verdict=verdict)
    past = pd.DataFrame(
        [
            (pd.Timestamp(origin), s, 10.0, 10.0 * times)
            for origin, times in (("2023-01-01", 0.5), ("2024-01-01", 2.0))
            for s in SEGMENTS
        ],
        columns=["origin", "segment", "predicted", "actual"],
    )
    worth.attrs["segkit"] = {"horizon": "365 days", "level": 0.9}
    if backtests:
        worth.attrs["segkit"]["backtests"] = past
    return worth


def panels(chart):
    """The marks of each panel with their rows, and whether the chart can be drawn."""
    svg = vl_convert.vegalite_to_svg(chart.to_json())
    assert not any(wrong in svg for wrong in ("<script", "<img", "NaN", "Infinity"))
    spec = chart.to_dict()
    rows = {name: pd.DataFrame(data) for name, data in spec["datasets"].items()}
    marks = ("model", "interval", "misses", "points")
    return [
        {m: rows[layer["data"]["name"]] for m, layer in zip(marks, panel["layer"], strict=True)}
        | {
            "x": panel["layer"][-1]["encoding"]["x"],
            "color": panel["layer"][-1]["encoding"]["color"]["scale"],
        }
        for panel in spec["vconcat"]
    ]


def test_intervals_the_model_beside_them_and_past_misses():
    chart = plot_value(table())
    segments, everyone = panels(chart)
    assert list(segments["interval"]["segment"]) == ["Loyal", "Asleep"]  # the most valuable first
    assert list(everyone["interval"]["segment"]) == [EVERYONE]
    assert segments["interval"][["at", "low", "high"]].to_numpy().tolist() == [
        [400, 320, 520],
        [100, 80, 130],
    ]
    assert segments["model"]["low"].to_list() == pytest.approx([288, 72])
    assert segments["model"]["high"].to_list() == pytest.approx([450, 112.5])
    # The model alone says 360 and 90; once the truth was half of that, once twice as much.
    misses = segments["misses"].sort_values(["segment", "origin"])
    assert misses["at"].to_list() == pytest.approx([45, 180, 180, 720])
    assert misses["miss"].to_list() == pytest.approx([-0.5, 1, -0.5, 1])
    assert misses["origin"].to_list() == ["2023-01-01", "2024-01-01"] * 2
    assert segments["color"]["range"] == [OKABE_ITO[0], GREY, OKABE_ITO[5]]
    assert (
        everyone["x"]["title"] == "Value in the next 365 days (currency)" and segments["x"]["title"] is None
    )
    title = chart.to_dict()["title"]
    assert title["text"] == "What is each segment worth in the next 365 days?"
    assert " ".join(title["subtitle"]) == (
        "Blue: 90% interval, widened by how far the forecast missed in 2 earlier periods. Grey: what the model alone "
        "claims. Ticks: where each would end up if the model missed by as many percent as it did then."
    )
    assert max(len(line) for line in title["subtitle"]) <= 96


def test_orders_where_the_log_knows_no_money():
    chart = plot_value(table(money=False))
    segments, everyone = panels(chart)
    assert (
        segments["interval"]["at"].to_list() == [40, 10]
        and everyone["x"]["title"] == "Orders in the next 365 days"
    )
    assert segments["misses"]["at"].max() == pytest.approx(72)


def test_what_was_not_checked_is_not_blue():
    worth = table(verdict="not checked: the log is too short", backtests=False)
    chart = plot_value(worth)
    segments, _ = panels(chart)
    assert segments["color"] == {"domain": ["not checked"], "range": [OKABE_ITO[1]]}
    assert not len(segments["model"]) and not len(segments["misses"])
    assert chart.to_dict()["title"]["subtitle"] == [
        "Orange is not checked: the log is too short. Such intervals are mostly too narrow."
    ]


def test_a_huge_interval_is_cut_off_and_said():
    worth = table()
    worth.loc[0, "value_high"] = 1e6
    chart = plot_value(worth)
    segments, everyone = panels(chart)
    assert (
        segments["x"]["scale"]["domain"] == pytest.approx([0, 2.5 * 400]) and segments["x"]["scale"]["clamp"]
    )
    assert everyone["x"]["scale"]["domain"] == pytest.approx([0, 900])
    assert "What touches the right edge lies beyond it." in " ".join(chart.to_dict()["title"]["subtitle"])


def test_odd_names_and_tables_that_cannot_be_drawn():
    worth = table()
    worth["segment"] = ["line\nbreak", EVIL, EVERYONE]
    worth.attrs["segkit"]["backtests"]["segment"] = ["line\nbreak", EVIL, EVERYONE] * 2
    segments, _ = panels(plot_value(worth))
    assert "line break" in set(segments["interval"]["segment"]) and len(segments["misses"]) == 4
    asleep = table()
    asleep.loc[0, ["value", "value_low", "value_high", "verdict"]] = [
        np.nan,
        np.nan,
        np.nan,
        "no orders in the log",
    ]
    chart = plot_value(asleep)
    assert list(panels(chart)[0]["interval"]["segment"]) == ["Loyal"]
    assert " ".join(chart.to_dict()["title"]["subtitle"]).endswith(
        "Not drawn (no orders in the log): Asleep."
    )
    only = table().iloc[2:]
    assert len(panels(plot_value(only))) == 1
    empty = table().assign(value=np.nan, orders=np.nan)
    with pytest.raises(ValueError, match=r"nothing to draw\. Read its verdicts"):
        plot_value(empty)
    with pytest.raises(ValueError, match=r"no column 'value_low'.*segment_value"):
        plot_value(table().drop(columns="value_low"))
