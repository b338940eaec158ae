"""The studio in JupyterLab: the slider moves map and cards, names go round, and every step reaches Python."""

import pytest
from test_start_notebook import LOWEST_CONTRAST
from test_tailor_in_jupyterlab import TOO_WIDE

expect = pytest.importorskip("playwright.sync_api").expect
SET_UP = """
import time
import pandas as pd
import segkit as sg
from segkit.datasets import make_events
events, _ = make_events(2600, kinds="purchase")
ids = [f"{i}" for i in range(10)]
contacts = pd.DataFrame({"customer_id": ids, "email": [f"dana{i}@example.com" for i in range(10)]})
"""
STUDIO = """
chosen = ["recency", "frequency", "monetary"]
studio = sg.SegmentStudio(events, as_of="2025-01-01", chosen=chosen, n_segments=4)
studio
"""


@pytest.fixture(scope="module")
def nb(run_notebook):
    return run_notebook([SET_UP, STUDIO])


@pytest.fixture
def place(nb):
    shown = nb.page.locator(".widget-vbox").filter(has=nb.page.locator(".segkit.studio")).first
    nb.python("[studio.set_trait('step', 'Map and cards'), studio.set_trait('n_segments', 4)]")
    nb.python("studio.bar.set_trait('under', 4)")
    expect(shown.locator(".segkit.cards article:visible")).to_have_count(4)
    return shown


def test_the_slider_moves_map_and_cards_together(nb, place):
    slider = place.get_by_role("slider", name="Number of segments")
    slider.evaluate("slider => { slider.value = 4; slider.dispatchEvent(new Event('input')); }")
    expect(place.locator(".segkit.studio .said")).to_contain_text("A sample of")
    expect(place.locator(".segkit.cards article:visible")).to_have_count(6)
    expect(place.locator("canvas:visible")).not_to_have_count(0)
    assert nb.python("studio.n_segments") == 4
    under = "(lambda t: (studio.bar.set_trait('under', {}), time.process_time() - t))(time.process_time())[1]"
    assert min(nb.python(under.format(k)) for k in (3, 5, 6)) < 0.3  # seconds of a preview, in the kernel
    slider.evaluate("slider => slider.dispatchEvent(new Event('change'))")
    nb.wait_python("studio.n_segments == 6 and len(studio.result.segments) == 6")
    expect(place.locator(".segkit.studio .said")).to_contain_text("customers in 6 segments")
    expect(place.locator(".segkit.cards article:visible")).to_have_count(6)
    nb.wait_python("len(studio.explorer.result.segments) == 6")


def test_a_name_goes_round(nb, place):
    card = place.locator("article:visible").first
    card.get_by_role("button", name="Rename").click()
    card.locator("input").fill("Friends")
    card.locator("input").press("Enter")
    nb.wait_python("'Friends' in studio.result.names.values()")
    nb.wait_python("'Friends' in studio.explorer.result.names.values()")
    expect(place.locator(".segkit.studio pre")).to_have_text(nb.python("studio.code"))


def test_every_step_has_its_pane(nb, place):
    place.locator("nav button", has_text="Features").click()
    nb.wait_python("studio.step == 'Features'")
    expect(place.locator(".segkit.picker")).to_be_visible()
    place.get_by_role("button", name="How many").click()
    expect(place.get_by_text("Recommended:")).to_be_visible()
    expect(place.locator(".segkit.cards:visible")).to_have_count(0)
    place.get_by_role("button", name="Audience and export").click()
    expect(place.get_by_text("Pass contacts=")).to_be_visible()


def test_ticks_move_map_and_cards_and_ctrl_z_brings_features_back(nb, place):
    place.locator("nav button", has_text="Features").click()
    shown = place.locator("canvas.points:visible")
    expect(shown).to_have_count(1)
    pixels = "canvas => canvas.toDataURL()"
    before = shown.evaluate(pixels)
    place.get_by_label("Search the features").fill("average_order_value")
    place.locator(".picker label:visible", has_text="average_order_value").click()
    expect(place.locator(".segkit.studio .said")).to_contain_text("in 4 segments by 4 features: press")
    expect(place.locator(".segkit.cards article:visible")).to_have_count(4)
    assert shown.evaluate(pixels) != before
    assert nb.python("list(studio.customers.columns)") == ["recency", "frequency", "monetary"]
    place.get_by_role("button", name="Use these features").click()
    nb.wait_python("len(studio.customers.columns) == len(studio.result.customers.columns) == 4")
    expect(place.locator(".segkit.studio .said")).to_contain_text("2,600 customers in 4 segments.")
    place.locator("nav button", has_text="Features").press("Control+z")
    nb.wait_python("studio.picker.value == ['recency', 'frequency', 'monetary']")
    nb.wait_python("list(studio.customers.columns) == studio.picker.value")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_the_studio_is_legible_and_fits_a_narrow_screen(nb, place, theme):
    nb.command("apputils:change-theme", theme=f"JupyterLab {theme}")
    expect(nb.page.locator("body")).to_have_attribute("data-jp-theme-light", str(theme == "Light").lower())
    nb.page.set_viewport_size({"width": 1440, "height": 2600})
    bar = place.locator(".segkit.studio")
    lowest = bar.evaluate(LOWEST_CONTRAST)
    nb.shot(f"studio_{theme.lower()}", place)
    bar.evaluate("place => { place.style.width = '330px'; }")
    wide = bar.evaluate(TOO_WIDE)
    bar.evaluate("place => { place.style.width = ''; }")
    nb.page.set_viewport_size({"width": 460, "height": 2600})
    nb.shot(f"studio_{theme.lower()}_narrow", place)
    nb.page.set_viewport_size({"width": 1400, "height": 1000})
    assert lowest[0] >= 4.5, lowest
    assert wide == []
