"""The explorer in JupyterLab, used as a person does: choose, compare, make, merge, undo, find, save."""

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

CELLS = [
    "import numpy as np, pandas as pd, segkit as sg\n"
    "rng = np.random.default_rng(0)\n"
    "middles = np.repeat([[2, 2, 1], [8, 2, 3], [2, 8, 2], [8, 8, 9]], 100, axis=0)\n"
    "ids = [f'c{i:03}' for i in range(400)]\n"
    "customers = pd.DataFrame(middles + rng.normal(size=(400, 3)) * .4, ids, ['visits', 'spend', 'gap'])\n"
    "result = sg.segment(customers, n_segments=4)\n"
    "places = pd.DataFrame(middles[:, :2] + rng.normal(size=(400, 2)) * .4, ids, ['x', 'y'])\n"
    "result = result.with_embedding(places)",
    "explorer = sg.SegmentExplorer(result)\nexplorer",
    "begun = sg.SegmentExplorer(result)\nbegun.chosen = ids[:100]\nbegun",
]
HAS_ORANGE = """canvas => {
  const dots = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return dots.some((red, i) => i % 4 === 0 && dots[i + 3] > 150 && red - dots[i + 2] > 80);
}"""
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
# Shares of the map at which the four groups lie: first those of rows 0 to 99, and so on.
FIRST, SECOND = (0.27, 0.85), (0.73, 0.85)


@pytest.fixture(scope="module")
def nb(open_notebook):
    notebook = open_notebook(CELLS)
    notebook.run_all()
    return notebook


def test_a_person_explores(nb):
    place = nb.cell("explorer = sg.SegmentExplorer(result)").locator(".segkit.explorer")
    canvas = place.locator("canvas.points")
    expect(place.locator(".scatter")).to_have_attribute("data-drawn", "400")

    nb.lasso(canvas, *FIRST, 110)
    nb.wait_python("explorer.chosen == ids[:100]")
    expect(place.get_by_role("heading", name="What sets these 100 apart")).to_be_visible()
    place.get_by_role("button", name="B: all others").click()
    nb.lasso(canvas, *SECOND, 110)
    nb.wait_python("explorer.other == ids[100:200]")
    expect(place.locator(".hint", has_text="Against the 100 of group B")).to_be_visible()
    row = place.locator("table").first.locator("tbody tr").first
    expect(row).to_contain_text(nb.python("explorer.comparison.index[0]"))
    expect(place.locator(".histogram[data-filled]")).to_have_count(3)
    nb.shot("explorer_compare", place)

    place.get_by_label("Name of this group").fill("Bargain hunters")
    place.get_by_role("button", name="Make a segment").click()
    nb.wait_python("'Bargain hunters' in explorer.result.names.values()")
    expect(place.get_by_label("Name of Bargain hunters")).to_be_visible()
    assert nb.python("explorer.result.labels[ids[:100]].nunique()") == 1
    expect(place.locator(".categories button")).to_have_count(1)  # all of them are in the new segment now

    before = nb.python("explorer.result.segments")
    for name in nb.python("[explorer.result.name_of(s) for s in explorer.result.segments[:2]]"):
        place.get_by_label(f"Tick {name}", exact=True).check()
    place.get_by_role("button", name="Merge").click()
    nb.wait_python(f"len(explorer.result.segments) == {len(before) - 1}")
    place.get_by_role("button", name="Undo").click()
    nb.wait_python(f"explorer.result.segments == {before}")
    place.get_by_role("button", name="Redo").click()
    nb.wait_python(f"len(explorer.result.segments) == {len(before) - 1}")

    search = place.get_by_label("Find a customer by id")
    search.fill("c042")
    search.press("Enter")
    card = place.get_by_role("region", name="Customer")
    expect(card).to_contain_text("Customer 'c042' is in Bargain hunters")
    search.fill("c42")
    search.press("Enter")
    expect(place.get_by_role("status")).to_contain_text("There is no customer 'c42'")

    place.get_by_label("Name of this group").fill("Spring")
    place.get_by_role("button", name="Save as audience").click()
    nb.wait_python("[len(saved.table) for saved in explorer.audiences.values()] == [100]")
    assert nb.python("list(explorer.audiences)") == ["Spring"]
    made = "(lambda space: exec(explorer.code.rsplit(chr(10), 1)[0], space) or space)"
    space = f"{made}({{'sg': sg, 'result': result, 'explorer': explorer}})"
    assert nb.python(f"{space}['result'].hash == explorer.result.hash")
    canvas.press("Escape")
    nb.wait_python("explorer.chosen == [] and explorer.other == []")
    assert nb.errors == [] and nb.outside == []


def test_customers_chosen_before_it_is_shown_are_in_the_histograms(nb):
    charts = nb.cell("begun = sg.SegmentExplorer(result)").locator(".histogram[data-filled] canvas")
    expect(charts).to_have_count(3)
    assert charts.first.evaluate(HAS_ORANGE)


def test_a_restart_is_said_and_the_cell_runs_again(nb):
    """The last test here: it restarts the kernel."""
    place = nb.cell("explorer = sg.SegmentExplorer(result)").locator(".segkit.explorer")
    expect(place.locator(".gone")).to_have_count(0)
    nb.page.evaluate(RESTART)
    expect(place.get_by_role("alert")).to_have_text(
        "Python was started again, and answers here no more. Run the cell again."
    )
    nb.run_all()
    expect(place.locator(".gone")).to_have_count(0)
    nb.lasso(place.locator("canvas.points"), *FIRST, 110)
    nb.wait_python("explorer.chosen == ids[:100]")
