"""The cards in JupyterLab: what is written and chosen reaches Python, in both themes and on a narrow screen."""

import pytest
from test_start_notebook import LOWEST_CONTRAST
from test_tailor_in_jupyterlab import TOO_WIDE

expect = pytest.importorskip("playwright.sync_api").expect
SET_UP = """
import pandas as pd
import segkit as sg
from segkit.datasets import make_shop_over_time
tables = make_shop_over_time(1200, n_periods=3, every="30 days", changes=["season"], same_customers=True).tables
result = sg.segment(tables.xs("2024-01-01", level="as_of"), n_segments=4)
result = result.with_names({1: "Bargain hunters & friends of the shop"})
"""
CARDS = "cards = sg.SegmentCards(result, tables=tables, playbook=sg.playbook(result))\ncards"


@pytest.fixture(scope="module")
def nb(run_notebook):
    return run_notebook([SET_UP, CARDS])


@pytest.fixture
def place(nb):
    shown = nb.page.locator(".segkit.cards")
    expect(shown.locator("article")).to_have_count(4)
    return shown


def test_names_choice_and_test_reach_python(nb, place):
    card = place.get_by_role("article", name="Bargain hunters & friends of the shop")
    card.get_by_role("button", name="Rename").click()
    field = card.locator("input")
    field.fill("Bargain hunters & all")
    field.press("Enter")
    nb.wait_python("cards.result.name_of(1) == 'Bargain hunters & all'")
    card = place.get_by_role("article", name="Bargain hunters & all")
    card.get_by_role("button", name="Choose").click()
    nb.wait_python("cards.chosen == 1 and len(cards.customers) == int((result.labels == 1).sum())")
    expect(card.get_by_role("button", name="Choose")).to_have_attribute("aria-pressed", "true")
    place.get_by_role("button", name="Test how far").click()
    nb.wait_python("cards.tested and cards.result.assessment is not None")
    expect(card.get_by_text("Trust", exact=True)).to_be_visible()
    expect(place.locator("pre")).to_have_text(nb.python("cards.code"))


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_cards_are_legible_and_fit_a_narrow_screen(nb, place, theme):
    nb.command("apputils:change-theme", theme=f"JupyterLab {theme}")
    expect(nb.page.locator("body")).to_have_attribute("data-jp-theme-light", str(theme == "Light").lower())
    nb.page.set_viewport_size({"width": 1440, "height": 1900})
    place.evaluate("place => place.querySelectorAll('details').forEach(part => { part.open = true; })")
    lowest = place.evaluate(LOWEST_CONTRAST)
    nb.shot(f"cards_{theme.lower()}", place)
    place.evaluate("place => { place.style.width = '330px'; }")
    wide = place.evaluate(TOO_WIDE)
    nb.shot(f"cards_{theme.lower()}_narrow", place)
    place.evaluate("place => { place.style.width = ''; }")
    nb.page.set_viewport_size({"width": 1400, "height": 1000})
    assert lowest[0] >= 4.5, lowest
    assert wide == []
