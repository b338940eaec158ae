"""The radar of emerging groups, by its Vega-Lite."""

import pandas as pd
import pytest
import vl_convert

import segkit as sg
from segkit.datasets import make_shop_over_time


def found(changes, n_periods=22):
    shop = make_shop_over_time(1200, n_periods=n_periods, changes=changes, apart=5, random_state=1)
    return sg.emerging(sg.segment(shop.tables.loc["2024-03-18"], n_segments=4), shop.tables)


def test_a_panel_shows_the_share_and_its_alarm():
    candidates = found("newcomers")
    chart = sg.plot_emerging(candidates)
    drawn = chart.to_dict()
    assert (
        len(drawn["vconcat"]) == len(candidates) == 1 and drawn["title"]["text"] == "What is about to emerge?"
    )
    panel = drawn["vconcat"][0]
    assert panel["title"]["text"].endswith(f"% of all; alarm on {candidates.loc[0, 'first_seen']:%d %b %y}")
    band, lines, point = (pd.DataFrame(drawn["datasets"][layer["data"]["name"]]) for layer in panel["layer"])
    assert list(pd.to_datetime(band.loc[0, ["from", "to"]]).astype(str)) == ["2024-01-01", "2024-03-18"]
    assert lines["line"].value_counts().to_dict() == {
        "share of the segment": 22,
        "usual share": 22,
        "alarm line": 10,
    }
    values = lines.set_index(["line", "as_of"])["value"]
    at = point.loc[0, "as_of"]
    assert values["share of the segment", at] > values["usual share", at]
    assert "NaN" not in vl_convert.vegalite_to_svg(chart.to_json())


def test_without_candidates_the_nearest_corner_is_drawn():
    candidates = found((), 14)
    drawn = sg.plot_emerging(candidates).to_dict()
    assert drawn["title"]["text"] == "Nothing emerges"
    assert "came nearest to an alarm" in drawn["vconcat"][0]["title"]["text"]
    with pytest.raises(ValueError, match="does not hold the shares of all moments"):
        candidates.attrs = {}
        sg.plot_emerging(candidates)
