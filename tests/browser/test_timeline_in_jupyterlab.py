"""The timeline in JupyterLab: slider, keys and clicks reach Python, and the page follows Python."""

import pytest
from test_start_notebook import LOWEST_CONTRAST
from test_tailor_in_jupyterlab import TOO_WIDE

expect = pytest.importorskip("playwright.sync_api").expect
SET_UP = """
import pandas as pd
import segkit as sg
from segkit.datasets import make_shop_over_time
tables = make_shop_over_time(1200, n_periods=6, every="30 days", changes=["season"], same_customers=True).tables
result = sg.segment(tables.xs("2024-01-01", level="as_of"), n_segments=4)
result = result.with_names({0: "Regulars & friends of the shop"})
"""
TIMELINE = "timeline = sg.SegmentTimeline(result, tables, minimum=1)\ntimeline"
INK = """
async canvas => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum = (sum * 31 + data[i] + 7 * data[i + 1] + data[i + 3]) % 1000003;
  return sum;
}
"""
"""A number that changes with what is drawn."""


@pytest.fixture(scope="module")
def nb(run_notebook):
    return run_notebook([SET_UP, TIMELINE])


@pytest.fixture
def timeline(nb):
    nb.python(
        "[timeline.set_trait('as_of', timeline._dates[-1]), timeline.set_trait('flow', timeline._largest())]"
    )
    place = nb.page.locator(".segkit.timeline")
    expect(place.locator("pre")).to_have_text(nb.python("timeline.code"))
    expect(place.locator(".date")).to_have_text("30 May 2024")
    return place


def test_the_page_shows_the_largest_flow_at_first(nb, timeline):
    n = nb.python("len(timeline.customers)")
    pressed = timeline.locator('.flow[aria-pressed="true"]')
    expect(pressed).to_have_count(1)
    expect(pressed).to_contain_text(f"{n}")
    expect(timeline.locator(".rows tbody tr")).to_have_count(n)
    first = nb.python("timeline.shown['rows'][0]")
    expect(timeline.locator(".rows tbody tr").first.locator("td")).to_have_text(first)


def test_keys_move_through_the_dates_and_the_flow_stays(nb, timeline):
    flow = nb.python("timeline.flow")
    slider = timeline.get_by_role("slider", name="Date")
    slider.focus()
    before = timeline.locator("canvas.points").evaluate(INK)
    slider.press("ArrowLeft")
    nb.wait_python("str(timeline.as_of.date()) == '2024-04-30'")
    expect(timeline.locator(".date")).to_have_text("30 Apr 2024")
    expect(slider).to_have_attribute("aria-valuetext", "30 Apr 2024")
    assert timeline.locator("canvas.points").evaluate(INK) != before
    assert nb.python("timeline.flow") == flow
    expect(timeline.locator(".rows tbody tr")).to_have_count(nb.python("len(timeline.customers)"))
    slider.press("Home")
    nb.wait_python("str(timeline.as_of.date()) == '2024-01-01'")
    expect(timeline.get_by_text("Nothing earlier to compare with.")).to_be_visible()
    expect(timeline.locator(".flow")).to_have_count(0)


def test_a_flow_pressed_by_mouse_or_key_reads_back(nb, timeline):
    gone = timeline.get_by_role("button", name="Gone from Regulars & friends of the shop")
    gone.click()
    nb.wait_python("timeline.flow == ('Regulars & friends of the shop', '(gone)')")
    expect(timeline.locator("pre")).to_have_text(nb.python("timeline.code"))
    expect(gone).to_have_attribute("aria-pressed", "true")
    gone.focus()
    gone.press("Enter")
    nb.wait_python("timeline.flow is None")
    expect(gone).to_be_focused()
    expect(timeline.get_by_text("Press a flow to see its customers.")).to_be_visible()


def test_it_plays_to_the_end(nb, timeline):
    nb.python("timeline.set_trait('as_of', '2024-03-31')")
    expect(timeline.locator(".date")).to_have_text("31 Mar 2024")
    timeline.get_by_role("button", name="Play").click()
    expect(timeline.locator(".date")).to_have_text("30 May 2024")
    nb.wait_python("timeline.as_of == timeline._dates[-1]")
    expect(timeline.get_by_role("button", name="Play")).to_be_visible()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_text_is_legible_and_fits_a_narrow_screen(nb, timeline, theme):
    nb.command("apputils:change-theme", theme=f"JupyterLab {theme}")
    expect(nb.page.locator("body")).to_have_attribute("data-jp-theme-light", str(theme == "Light").lower())
    nb.page.set_viewport_size({"width": 1440, "height": 1900})
    timeline.get_by_text("The code").click()
    lowest = timeline.evaluate(LOWEST_CONTRAST)
    nb.shot(f"timeline_{theme.lower()}", timeline)
    timeline.evaluate("place => { place.style.width = '330px'; }")
    wide = timeline.evaluate(TOO_WIDE)
    nb.shot(f"timeline_{theme.lower()}_narrow", timeline)
    timeline.evaluate("place => { place.style.width = ''; }")
    timeline.get_by_text("The code").click()
    nb.page.set_viewport_size({"width": 1400, "height": 1000})
    assert lowest[0] >= 4.5, lowest
    assert wide == []
