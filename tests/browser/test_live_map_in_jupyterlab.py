"""The live map in JupyterLab: batches reach the page by themselves, and choices reach Python."""

import pytest
from test_start_notebook import LOWEST_CONTRAST
from test_tailor_in_jupyterlab import TOO_WIDE

expect = pytest.importorskip("playwright.sync_api").expect
SET_UP = """
import tempfile
import pandas as pd
import segkit as sg
from segkit.datasets import make_events
events, _ = make_events(400, kinds="purchase")
customers = sg.customer_features(events, sg.RFM, as_of="2025-01-01")
result = sg.segment(customers, n_segments=4).with_names({0: "Regulars & friends of the shop"})
live = sg.live_segments(result, events, sg.RFM, folder=tempfile.mkdtemp())
def order(customer, when, n):
    row = {"event_id": f"e{n}", "customer_id": customer, "timestamp": when, "kind": "purchase"}
    return live.apply(pd.DataFrame([{**row, "amount": 30.0, "order_id": f"e{n}"}]))
"""
MAP = "live_map = sg.LiveMap(live)\nlive_map"


@pytest.fixture(scope="module")
def nb(run_notebook):
    return run_notebook([SET_UP, MAP])


@pytest.fixture
def live_map(nb):
    place = nb.page.locator(".segkit.live")
    expect(place).to_be_visible()
    return place


def test_a_batch_reaches_the_page_by_itself(nb, live_map):
    n = nb.python("len(live_map.moves)")
    customer = nb.python("order('ada', '2025-01-02 10:00', 1)['customer_id'].item()")
    first = live_map.locator(".list tbody tr").first
    expect(first).to_contain_text(f"{customer}New customer")
    expect(first).to_contain_text("purchase2 Jan 2025, 10:00:00")
    assert nb.python("len(live_map.moves)") == n + 1
    expect(live_map.locator(".date")).to_have_text("2 Jan 2025, 10:00:00")
    sizes = nb.python("[f\"{s['size']:,}\" for s in live_map.state['segments'] if s['size']]")
    expect(live_map.locator(".counts td.n")).to_have_text(sizes)


def test_a_chosen_customer_is_shown(nb, live_map):
    nb.python("order('bob', '2025-01-02 11:00', 2)['customer_id'].item()")
    live_map.get_by_role("button", name="bob", exact=True).click()
    nb.wait_python("live_map.chosen == 'bob'")
    card = live_map.get_by_role("region", name="Chosen customer")
    expect(card).to_contain_text("frequency: number of orders 1")
    nb.python("order('bob', '2025-01-02 12:00', 3)['customer_id'].item()")
    expect(card).to_contain_text("frequency: number of orders 2")
    nb.python("live_map.set_trait('chosen', live_map.state['moves'][-1]['customer'])")
    expect(card).not_to_contain_text("bob")
    nb.python("live_map.set_trait('chosen', '')")
    expect(card).to_be_hidden()


def test_it_pauses_and_goes_on(nb, live_map):
    live_map.get_by_role("button", name="Pause").click()
    nb.wait_python("live_map.paused")
    nb.python("order('cyd', '2025-01-02 13:00', 4)['customer_id'].item()")
    nb.wait_python("live_map.moves['customer_id'].iloc[-1] == 'cyd'")
    expect(live_map.get_by_role("button", name="cyd", exact=True)).to_have_count(0)
    nb.python("live_map.set_trait('paused', False)")
    expect(live_map.get_by_role("button", name="cyd", exact=True)).to_be_visible()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_text_is_legible_and_fits_a_narrow_screen(nb, live_map, theme):
    nb.command("apputils:change-theme", theme=f"JupyterLab {theme}")
    expect(nb.page.locator("body")).to_have_attribute("data-jp-theme-light", str(theme == "Light").lower())
    nb.page.set_viewport_size({"width": 1440, "height": 1900})
    nb.python("live_map.set_trait('chosen', live_map.state['moves'][0]['customer'])")
    expect(live_map.locator(".card")).to_be_visible()
    lowest = live_map.evaluate(LOWEST_CONTRAST)
    nb.shot(f"live_map_{theme.lower()}", live_map)
    live_map.evaluate("place => { place.style.width = '330px'; }")
    wide = live_map.evaluate(TOO_WIDE)
    nb.shot(f"live_map_{theme.lower()}_narrow", live_map)
    live_map.evaluate("place => { place.style.width = ''; }")
    nb.page.set_viewport_size({"width": 1400, "height": 1000})
    assert lowest[0] >= 4.5, lowest
    assert wide == []
