"""A saved notebook, opened again without its kernel, shows a still of each widget and its charts."""

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import expect

CELLS = [
    "import pandas as pd, segkit as sg\n"
    "labels = pd.Series(['Loyal'] * 600 + ['New'] * 300)\n"
    "planner = sg.ExperimentPlanner(labels, baseline=0.1)\nplanner",
    "planner.lift = 0.03\nsg.plot_power(planner.plan)",
]


def test_stills_and_charts_outlive_the_kernel(open_notebook):
    nb = open_notebook(CELLS)
    nb.run_all()
    planner = nb.cell("ExperimentPlanner(")
    expect(planner.get_by_role("slider")).to_have_count(3)
    expect(planner.locator(".segkit-still")).to_be_hidden()
    expect(nb.cell("plot_power").locator(".vega-embed svg")).to_be_visible()
    nb.command("docmanager:save")
    for session in nb.lab.api("sessions"):
        if session["path"] == nb.name:
            nb.lab.api(f"sessions/{session['id']}", "DELETE")
    nb.page.reload()  # which starts another kernel, where nothing has run
    still = nb.page.locator(".segkit-still")
    expect(still).to_be_visible()
    expect(still).to_contain_text("lift=0.03")  # as it was last, not as it was when the cell ran
    expect(still).to_contain_text("Run the cell again to use it.")
    expect(nb.page.get_by_text("Error displaying widget")).to_be_hidden()
    expect(nb.page.locator(".vega-embed svg").first).to_be_visible()
    nb.shot("saved_notebook")
