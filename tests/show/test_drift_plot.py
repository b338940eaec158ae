"""The chart of drift, by its Vega-Lite."""

import numpy as np
import pandas as pd
import pytest
import vl_convert

import segkit as sg
from segkit.show.plots.theme import OKABE_ITO


def table(*verdicts, effect=3.0):
    index = pd.date_range("2024-01-01", periods=len(verdicts), name="as_of")
    told = pd.DataFrame(
        {"verdict": verdicts, "effect": effect, "customers": 10, "evidence": "<b>"}, index=index
    )
    told.attrs["segkit"] = {"sentence": "Of 3 periods: a season in 1."}
    return told


def test_points_have_the_colour_of_their_verdict():
    effects = [-2.0, 30.0, np.nan]
    for width in (300, "container"):
        chart = sg.plot_drift(table("reference", "season", "feed", effect=effects), width=width)
        svg = vl_convert.vegalite_to_svg(chart.to_json())
        assert "<script" not in svg and "NaN" not in svg and "season: it comes back" in svg
        spec = chart.to_dict()
        points = pd.DataFrame(spec["datasets"][spec["layer"][-1]["data"]["name"]])
        assert list(points["effect"]) == [0, 30, 0]
        color = spec["layer"][-1]["encoding"]["color"]["scale"]
        assert dict(zip(color["domain"], color["range"], strict=True)) == {
            "feed: data are missing": OKABE_ITO[1],
            "season: it comes back": OKABE_ITO[2],
            "reference: says what is usual": "#C4C4C4",
        }
        assert " ".join(spec["title"]["subtitle"]) == "Of 3 periods: a season in 1."


def test_other_tables_are_refused():
    with pytest.raises(ValueError, match=r"Pass the table from drift\(result, tables\)"):
        sg.plot_drift(table("none").drop(columns="effect"))
    with pytest.raises(ValueError, match="no row"):
        sg.plot_drift(table("none").iloc[:0])
    with pytest.raises(TypeError):
        sg.plot_drift([1])
