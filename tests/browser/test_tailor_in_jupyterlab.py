"""Widgets of audiences and experiments in JupyterLab: clicks and keys reach Python; nothing is written unasked."""

import pytest
from accessible import broken_rules, lost_by_tab
from test_start_notebook import LOWEST_CONTRAST

expect = pytest.importorskip("playwright.sync_api").expect
SET_UP = """
import pandas as pd
import segkit as sg
ids = [f"c{i:03}" for i in range(600)]
LAPSING = "Lapsing: formerly big spenders on fresh food, mostly Lisbon (suggested)"
result = pd.Series((["Loyal customers"] * 5 + [LAPSING]) * 100, index=ids)
contacts = pd.DataFrame({"customer_id": ids, "email": [f"dana{i}@example.com" for i in range(600)],
                         "phone": "+49 30 1234567"})
contacts.loc[3, "email"], contacts.loc[3, "phone"] = "x@", None
consent = pd.Series([True] * 500 + [False] * 100, index=ids)
"""
BUILDER = "builder = sg.AudienceBuilder(result, contacts, consent=consent, experiment='spring')\nbuilder"
PLANNER = "planner = sg.ExperimentPlanner(result, baseline=0.2)\nplanner"
TOO_WIDE = """
root => {
  const edge = root.getBoundingClientRect().right + 1;
  const scrolls = at => at !== root && (getComputedStyle(at).overflowX !== "visible" || scrolls(at.parentElement));
  return [...root.querySelectorAll("*")]
    .filter(at => at.getBoundingClientRect().right > edge && !scrolls(at.parentElement))
    .map(at => at.outerHTML.slice(0, 80));
}
"""
"""What reaches beyond the widget, and is not in a part that scrolls."""


@pytest.fixture(scope="module")
def nb(run_notebook):
    return run_notebook([SET_UP, BUILDER, PLANNER])


def output(nb, source):
    return nb.cell(source).locator(".jp-OutputArea .widget-vbox")


@pytest.fixture
def builder(nb):
    nb.python(
        "[builder.set_trait(name, value) for name, value in dict(segments=[LAPSING, 'Loyal customers'], holdout=0.1, "
        "experiment='spring', to='csv', country_code='', path='').items()]"
    )
    place = output(nb, "sg.AudienceBuilder(")
    expect(place.locator("code")).to_have_text(nb.python("builder.code"))
    expect(place.get_by_label("Loyal customers")).to_be_checked()
    expect(place.get_by_label("File", exact=True)).to_have_value("")
    return place


@pytest.fixture
def planner(nb):
    nb.python("[planner.set_trait(*pair) for pair in dict(holdout=0.1, power=0.8, lift=0.0).items()]")
    place = output(nb, "sg.ExperimentPlanner(")
    expect(place.locator("code")).to_have_text(nb.python("planner.code"))
    expect(place.locator(".readout")).to_have_text(["10%", "80%", "none"])
    return place


def test_clicks_and_keys_choose_the_audience(nb, builder):
    expect(builder.get_by_text("Of 600 rows: ")).to_contain_text("are held out")
    builder.get_by_label("Lapsing").click()
    nb.wait_python("builder.segments == ('Loyal customers',)")
    slider = builder.get_by_role("slider")
    slider.focus()
    slider.press("ArrowRight")
    nb.wait_python("builder.holdout == 0.11")
    builder.get_by_label("For", exact=True).select_option("Klaviyo, list upload")
    builder.get_by_label("Experiment", exact=True).fill("autumn")
    builder.get_by_label("Experiment", exact=True).press("Enter")
    nb.wait_python("(builder.to, builder.experiment) == ('klaviyo', 'autumn')")
    expect(builder.locator("code")).to_have_text(nb.python("builder.code"))
    going = nb.python("len(builder.audience.table)")
    expect(builder.get_by_text(f"{going} go out")).to_be_visible()
    preview = builder.get_by_role("region", name="First rows of the file, masked")
    expect(preview.get_by_role("cell", name="d***@e***.com").first).to_be_visible()
    expect(
        builder.get_by_role("region", name="Refused").get_by_role("row", name="no consent")
    ).to_be_visible()
    assert "dana" not in builder.inner_text()


def test_the_file_is_written_when_asked(nb, builder):
    button = builder.get_by_role("button", name="Write the file")
    button.click()
    expect(builder.get_by_role("alert")).to_have_text("Type the file to write first, such as spring.csv.")
    builder.get_by_label("File", exact=True).fill("spring.csv")
    button.click()
    going = nb.python("len(builder.audience.table)")
    expect(builder.get_by_role("status")).to_have_text(f"Written: spring.csv, {going} rows.")
    assert nb.python("__import__('os').path.exists('spring.csv')")
    builder.get_by_label("Lapsing").click()
    builder.get_by_label("Loyal customers").click()
    expect(builder.get_by_role("alert")).to_have_text("No segment is chosen. Tick one or more.")


def test_sliders_plan_the_experiment(nb, planner):
    for name, key, value in (
        ("holdout", "ArrowLeft", 0.09),
        ("power", "ArrowRight", 0.81),
        ("lift", "ArrowRight", 0.001),
    ):
        slider = planner.get_by_role("slider", name={"holdout": "Hold out"}.get(name, name.title()))
        slider.focus()
        slider.press(key)
        nb.wait_python(f"planner.{name} == {value}")
    expect(planner.locator("code")).to_have_text(nb.python("planner.code"))
    table = planner.get_by_role("region", name="The plan by segment")
    expect(table.get_by_role("row", name="Lapsing")).to_contain_text(
        nb.python("planner.plan['verdict'].iloc[1]")
    )
    expect(planner.locator(".vega-embed svg").get_by_text("Which segments can answer?")).to_be_visible()


def test_keys_and_screen_readers_reach_everything(nb, builder, planner):
    wrong = [broken_rules(place) + lost_by_tab(place) for place in (builder, planner)]
    assert wrong == [[], []]


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_text_is_legible_and_fits_a_narrow_screen(nb, builder, planner, theme):
    nb.command("apputils:change-theme", theme=f"JupyterLab {theme}")
    expect(nb.page.locator("body")).to_have_attribute("data-jp-theme-light", str(theme == "Light").lower())
    builder.get_by_role("button", name="Write the file").click()
    expect(builder.get_by_role("alert")).to_be_visible()
    nb.page.set_viewport_size({"width": 1400, "height": 1900})
    lowest = []
    for name, place in (("builder", builder), ("planner", planner)):
        lowest.append(place.evaluate(LOWEST_CONTRAST))
        nb.shot(f"{name}_{theme.lower()}", place)
    assert [said for said in lowest if said[0] < 4.5] == []
    for name, place in (("builder", builder), ("planner", planner)):
        place.evaluate("place => { place.style.width = '360px'; }")
        wide = place.evaluate(TOO_WIDE)
        nb.shot(f"{name}_{theme.lower()}_narrow", place)
        place.evaluate("place => { place.style.width = ''; }")
        assert wide == []
    nb.page.set_viewport_size({"width": 1400, "height": 1000})
