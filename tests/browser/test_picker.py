"""The picker with many features on four bases, in a page without Jupyter."""

import os
from pathlib import Path

import pandas as pd
import pytest
from tables import EVIL, purchases
from test_scripts_alone import FOLDER, STAND_IN, sent
from test_start_notebook import LOWEST_CONTRAST

import segkit as sg

expect = pytest.importorskip("playwright.sync_api").expect
LAB = {
    "light": "",
    "dark": "--jp-ui-font-color1: #fff; --jp-ui-font-color2: rgba(255, 255, 255, 0.7); --jp-border-color2: #424242;"
    "--jp-layout-color1: #111; --jp-layout-color2: #424242; background: #111;",
}
"""JupyterLab's own colours."""


def visits(i):
    return sg.Feature(
        f"visits_{i}",
        lambda orders: orders.count(),
        "visits",
        f"Visits of the {i}th kind, café.",
        family=f"WEB {i // 10}",
    )


NOTHING = sg.Feature(
    "nothing", lambda social: social.count(), "", "Done by no customer.", empty=0, family="EMPTY"
)


@pytest.fixture(scope="module")
def state():
    """The state of a picker with RFM, CADENCE, forty other features, and attributes of one customer of two."""
    events = purchases(("ada", "2024-01-01", 5.0), ("ada", "2024-01-05", 9.0), ("bob", "2024-01-02", 7.0))
    people = pd.DataFrame(
        {"customer_id": ["ada"], "age": [30], EVIL: [EVIL], "town": ["Rome"], "q1": [1], "q2": [2]}
    )
    attributes = sg.read_attributes(
        people, demographic=["age", EVIL], geographic="town", scales={"thrift": ["q1", "q2"]}
    )
    picker = sg.FeaturePicker(
        events,
        as_of="2024-02-01",
        offered=(*sg.RFM, *sg.CADENCE, *map(visits, range(40)), NOTHING),
        attributes=attributes,
        chosen=["recency", "monetary", "town"],
    )
    return sent(picker)


@pytest.fixture
def page(new_page, state):
    opened = new_page(1000, 900)
    errors = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("dialog", lambda dialog: errors.append(dialog.message) or dialog.dismiss())
    opened.add_style_tag(content=(FOLDER / "widgets.css").read_text())
    opened.evaluate(STAND_IN, state)
    yield opened
    assert errors == []
    opened.close()


def family(page, name):
    return page.get_by_role("group", name=name, exact=True)


def tick(page, name):
    return page.locator(f'[data-feature="{name}"] input')


def chosen(page):
    return page.evaluate("alone.saved.at(-1).value")


def test_unticked_families_are_folded(page):
    titles = page.locator(".basis > .head .title")
    expect(titles).to_have_text(["Demographic", "Geographic", "Psychographic", "Behavioural"])
    expect(page.locator(".basis > .head .tally")).to_have_text(["0 of 2", "1 of 1", "0 of 1", "2 of 54"])
    for name, open_ in (("RFM", True), ("CADENCE", False), ("WEB 0", False), ("WEB 3", False)):
        head = family(page, name).get_by_role("button")
        expect(head).to_have_attribute("aria-expanded", str(open_).lower())
    expect(tick(page, "tenure")).to_be_visible()
    expect(tick(page, "visits_3")).to_be_hidden()
    expect(page.locator(".note")).to_contain_text("known for 1 of 2 customers")
    expect(family(page, "WEB 0")).to_contain_text("Visits of the 0th kind, café, Visits of the 1th")
    expect(family(page, "EMPTY").get_by_role("button")).to_contain_text("nothing of this is known here")
    expect(page.locator('[data-feature="nothing"]')).to_contain_text("The same for all.")


def test_mouse_and_keys_fold(page):
    head = family(page, "WEB 1").get_by_role("button")
    head.click()
    expect(tick(page, "visits_12")).to_be_visible()
    head.press("Enter")
    expect(tick(page, "visits_12")).to_be_hidden()
    block = page.get_by_role("button", name="Behavioural")
    block.click()
    expect(family(page, "RFM")).to_be_hidden()
    block.press("Space")
    expect(tick(page, "recency")).to_be_visible()


def test_search_unfolds_matches(page):
    search = page.get_by_label("Search the features")
    search.fill("CAFE 23th")
    expect(page.locator("[data-feature]:visible")).to_have_count(1)
    expect(tick(page, "visits_23")).to_be_visible()
    expect(page.locator(".found")).to_have_text("1 found")
    search.fill("gap mean")
    expect(tick(page, "gap_mean")).to_be_visible()
    search.fill("xyzzy")
    expect(page.locator(".found")).to_have_text("none found")
    expect(page.locator(".basis:visible")).to_have_count(0)
    search.press("Escape")
    expect(search).to_have_value("")
    expect(tick(page, "visits_23")).to_be_hidden()
    expect(tick(page, "recency")).to_be_visible()


def test_search_limits_ticking_a_family(page):
    page.get_by_label("All of WEB 2", exact=True).click()
    assert chosen(page)[-10:] == [f"visits_{i}" for i in range(20, 30)]
    expect(tick(page, "visits_25")).to_be_visible()
    page.get_by_label("Search the features").fill("visits_25")
    page.get_by_label("All of WEB 2 that are shown").click()
    assert "visits_25" not in chosen(page) and "visits_24" in chosen(page)
    expect(family(page, "WEB 2").locator(".tally")).to_have_text("9 of 10")


def test_search_knows_synonyms(page):
    for word, name in (("churn", "recency"), ("lifetime", "tenure"), ("loyal", "frequency")):
        page.get_by_label("Search the features").fill(word)
        expect(tick(page, name)).to_be_visible()
        expect(tick(page, "visits_3")).to_be_hidden()


def test_a_row_says_the_label_above_the_code_name(page):
    row = page.locator('[data-feature="monetary"]')
    expect(row.locator(".name")).to_have_text("Total value of all orders monetary · currency")
    expect(row.locator(".doc")).to_have_text("")
    expect(page.locator('[data-feature="gap_cv"] .doc')).to_contain_text("0 = always the same gap")


def test_only_what_is_chosen_is_shown(page):
    button = page.get_by_role("button", name="Show chosen")
    button.click()
    shown = page.locator("[data-feature]:visible")
    expect(shown).to_have_count(3)
    expect(button).to_have_attribute("aria-pressed", "true")
    tick(page, "recency").click()
    expect(shown).to_have_count(3)  # what was unticked by mistake can be ticked again
    page.evaluate("alone.model.set('value', ['age', 'monetary', 'town'])")
    expect(tick(page, "age")).to_be_visible()
    button.press("Enter")
    expect(tick(page, "tenure")).to_be_visible()
    expect(tick(page, "visits_3")).to_be_hidden()


def test_what_if_one_is_left_out(page):
    button = page.get_by_role("button", name="What if I leave one out?")
    button.click()
    assert page.evaluate("alone.saved.at(-1).asked") == 1
    expect(page.get_by_role("button", name="Comparing …")).to_be_disabled()
    page.evaluate("alone.model.set('agreement', {recency: 0.97, monetary: 0.4})")
    page.evaluate("alone.model.set('answered', 1)")
    expect(page.locator('[data-feature="recency"] .without')).to_have_text(
        "Without it: almost the same segments (agreement 0.97)."
    )
    expect(page.locator('[data-feature="monetary"] .without')).to_contain_text(
        "other segments (agreement 0.40)"
    )
    button.click()
    page.evaluate("alone.model.set('error', 'Too few.')")
    page.evaluate("alone.model.set('answered', 2)")
    expect(page.get_by_role("status")).to_have_text("Too few.")
    expect(button).to_be_enabled()
    page.evaluate("alone.model.set('value', ['recency'])")
    expect(button).to_be_disabled()


def test_arrows_walk_over_visible_features(page):
    page.get_by_label("Search the features").focus()
    walk = (
        "document.activeElement.closest('[data-feature]')?.dataset.feature"
        " ?? document.activeElement.innerText.split('\\n')[0]"
    )
    seen = []
    for _ in range(4):
        page.keyboard.press("ArrowDown")
        seen.append(page.evaluate(walk))
    assert seen == ["Demographic", "Your DataFrame", "Geographic", "Your DataFrame"]
    page.keyboard.press("ArrowDown")
    assert page.evaluate(walk) == "town"
    page.keyboard.press("Space")
    assert "town" not in chosen(page)
    page.keyboard.press("ArrowUp")
    assert page.evaluate(walk) == "Your DataFrame"


def test_ticks_of_python_are_unfolded(page):
    page.evaluate("alone.model.set('value', ['visits_33', 'age'])")
    expect(tick(page, "visits_33")).to_be_checked()
    expect(tick(page, "visits_33")).to_be_visible()
    expect(tick(page, "age")).to_be_visible()
    expect(page.locator(".count")).to_have_text("2 of 58 features chosen")
    expect(page.locator(".tally.some")).to_have_count(4)


@pytest.mark.parametrize("theme", LAB)
@pytest.mark.parametrize("width", [1280, 390])
def test_picker_is_legible_and_fits(page, theme, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("said => { document.body.style = said }", LAB[theme])
    page.evaluate("light => { document.body.dataset.jpThemeLight = light }", str(theme == "light").lower())
    page.get_by_text("The code").click()
    page.get_by_label("All of WEB 0", exact=True).click()
    page.evaluate("alone.model.set('agreement', {recency: 0.97, monetary: 0.4})")
    ratio, said = page.locator(".picker").evaluate(LOWEST_CONTRAST)
    assert ratio >= 4.5, said
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if folder := os.environ.get("SEGKIT_SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"picker_{theme}_{width}.png", full_page=True)
    assert page.locator("img, script").count() == 0
