"""The chart of Qini curves, by its Vega-Lite."""

import numpy as np
import pandas as pd
import pytest
import vl_convert

import segkit as sg


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    ids = [f"c{i:03}" for i in range(600)]
    arms = pd.Series(rng.permutation(["mail", "held out"] * 300), index=ids)
    region = pd.Series(rng.permutation(["North", "South"] * 300), index=ids)
    spend = pd.Series(rng.normal(10, 1, 600) + 3 * ((arms == "mail") & (region == "North")), index=ids)
    return sg.targeting(arms, spend, by=region, features=pd.DataFrame({"age": rng.random(600)}, ids), cost=1)


def test_a_line_for_each_ranking_and_chance(table):
    chart = sg.plot_qini(table)
    layers = chart.to_dict()["layer"]
    assert [layer["mark"]["type"] for layer in layers] == ["area", "line", "line"]
    data = chart.to_dict()["datasets"]
    lines = pd.DataFrame(data[layers[2]["data"]["name"]])
    assert list(lines["policy"].unique()) == ["per segment", "T-learner", "DR-learner"]
    last = lines[lines["share"] == 1].set_index("policy")
    assert last.loc["per segment", "gain"] == pytest.approx(last.loc["per segment", "at_random"])
    area = lines[lines["policy"] == "per segment"].sort_values("share")
    between = np.trapezoid(area["gain"] - area["at_random"], area["share"])
    assert between == pytest.approx(table.set_index("policy").loc["per segment", "qini"], abs=0.01)
    band = pd.DataFrame(data[layers[0]["data"]["name"]])
    assert list(band["policy"].unique()) == ["per segment"]
    title = chart.to_dict()["title"]
    assert title["subtitle"] == [
        "300 customers that nothing was learned from. Grey: 95% interval of per segment.",
        "Better than at random: per segment.",
    ]
    assert "NaN" not in vl_convert.vegalite_to_svg(chart.to_json())


def test_a_table_without_rankings_is_refused(table):
    for policies in (table.iloc[:0], table.iloc[:2]):
        policies.attrs = {}
        with pytest.raises(
            ValueError, match=r"No policy of the table ranks customers\. Pass the table from targeting"
        ):
            sg.plot_qini(policies)
