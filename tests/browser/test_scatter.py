"""The map of points alone, without Jupyter: what the mouse and the keys choose, and what is drawn."""

import numpy as np
import pandas as pd
import pytest

from segkit.show.widgets.map_colors import places_in_bytes
from segkit.show.widgets.parts import STYLE, script

pytest.importorskip("playwright.sync_api")


START = """
async ([source, places, css]) => {
  document.body.innerHTML = '<style></style><div id="here" class="segkit"></div>';
  document.getElementById("here").style = "width: 420px; --height: 420px";
  document.querySelector("style").textContent = css;
  const module = new Blob([source + "\\nexport { makeScatter };"], { type: "text/javascript" });
  const url = URL.createObjectURL(module);
  const { makeScatter } = await import(url);
  const both = new Uint16Array(places), n = both.length / 2;
  const last = { chosen: null, cleared: 0, hovered: -1 };
  const map = makeScatter({
    select: (flags, add) => { last.chosen = [...flags].flatMap((one, i) => (one ? [i] : [])); last.add = add; },
    clear: () => { last.cleared += 1; }, hover: (at) => { last.hovered = at; },
  });
  document.getElementById("here").append(map.root);
  map.points(both.subarray(0, n), both.subarray(n));
  map.paint(Uint8Array.from({ length: n }, (_, i) => i % 4), ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]);
  map.use("lasso");
  window.t = { map, last };
}
"""


@pytest.fixture(scope="module")
def page(new_page):
    """Four customers at the corners of a square, in rows from below left to above right."""
    corners = pd.DataFrame({"x": [0.0, 1, 0, 1], "y": [0.0, 0, 1, 1]})
    opened = new_page(500, 500)
    errors = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    places = np.frombuffer(places_in_bytes(corners), "<u2").tolist()
    opened.evaluate(START, [script("scatter"), places, STYLE.read_text(encoding="utf-8")])
    opened.wait_for_selector(".scatter[data-drawn='4']")
    yield opened
    assert errors == []
    opened.close()


@pytest.fixture(autouse=True)
def whole(page):
    page.evaluate("t.map.fit(); t.map.use('lasso'); t.map.choose(null); t.last.chosen = null")


def corner(page, at):
    """Where a corner is on the page."""
    box = page.locator("canvas.points").bounding_box()
    x = box["x"] + (12 if at % 2 == 0 else box["width"] - 12)
    return x, box["y"] + (box["height"] - 12 if at < 2 else 12)


def drag(page, *points):
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=3)
    page.mouse.up()


def chosen(page):
    return page.evaluate("t.last.chosen")


def test_a_lasso_chooses_who_is_in_it(page):
    (x0, y0), (x1, _) = corner(page, 0), corner(page, 1)
    drag(page, (x0 - 10, y0 - 40), (x1 + 10, y0 - 40), (x1 + 10, y0 + 10), (x0 - 10, y0 + 10))
    assert chosen(page) == [0, 1]


def test_a_box_chooses_who_is_in_it_and_shift_adds(page):
    page.evaluate("t.map.use('box')")
    (x0, y0), (_, y2) = corner(page, 0), corner(page, 2)
    page.keyboard.down("Shift")
    drag(page, (x0 - 8, y2 - 8), (x0 + 30, y0 + 8))
    page.keyboard.up("Shift")
    assert chosen(page) == [0, 2] and page.evaluate("t.last.add") is True


def test_a_click_chooses_one_and_the_pointer_finds_her(page):
    x, y = corner(page, 3)
    page.mouse.move(x - 3, y + 2)
    assert page.evaluate("t.last.hovered") == 3
    page.mouse.click(x - 3, y + 2)
    assert chosen(page) == [3]
    page.mouse.move(x - 100, y + 100)
    assert page.evaluate("t.last.hovered") == -1


def test_keys_zoom_choose_what_is_in_view_and_clear(page):
    canvas = page.locator("canvas.points")
    canvas.press("Enter")
    assert chosen(page) == [0, 1, 2, 3]
    for _ in range(6):
        canvas.press("ArrowLeft")
    for _ in range(3):
        canvas.press("+")
    canvas.press("Enter")
    assert set(chosen(page)) <= {0, 2}
    canvas.press("0")
    canvas.press("Enter")
    assert chosen(page) == [0, 1, 2, 3]
    before = page.evaluate("t.last.cleared")
    canvas.press("Escape")
    assert page.evaluate("t.last.cleared") == before + 1


def test_move_drags_the_map_and_chooses_nobody(page):
    page.evaluate("t.map.use('move')")
    x, y = corner(page, 0)
    drag(page, (x + 60, y - 60), (x + 160, y - 160))
    page.mouse.move(x + 100, y - 100)
    assert chosen(page) is None and page.evaluate("t.last.hovered") == 0


def test_points_are_drawn_in_their_colours_and_the_others_fade(page):
    pixel = """(at) => { const c = document.querySelector('canvas.points'), b = c.getBoundingClientRect();
      const [x, y] = [Math.round(at[0] - b.left), Math.round(at[1] - b.top)];
      return [...c.getContext('2d').getImageData(x, y, 1, 1).data]; }"""
    drawn = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    page.evaluate(drawn)
    red, green, blue, ink = page.evaluate(pixel, corner(page, 1))
    assert (abs(red - 0xE6), abs(green - 0x9F), blue) <= (3, 3, 3) and ink > 150
    page.evaluate("t.map.choose(Uint8Array.from([0, 1, 0, 0]))")
    page.evaluate(drawn)
    assert page.evaluate(pixel, corner(page, 1))[3] > 150
    assert 0 < page.evaluate(pixel, corner(page, 2))[3] < 70


def test_points_that_go_elsewhere_stay_in_the_same_view(page):
    """Customer 0 goes to where 3 is, while the map is enlarged around that corner."""
    x, y = corner(page, 3)
    page.evaluate("t.map.use('move')")
    page.mouse.dblclick(x - 2, y + 2)
    moved = "t.map.move(Uint16Array.from([65535, 65535, 0]), Uint16Array.from([65535, 0, 65535]))"
    page.evaluate(f"t.map.paint(Uint8Array.from([0, 1, 2]), ['#0072B2', '#E69F00', '#009E73']), {moved}")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.mouse.move(x - 3, y + 3)
    assert page.evaluate("t.last.hovered") == 0
    assert page.locator(".scatter").get_attribute("data-drawn") == "3"
    page.locator("canvas.points").press("Enter")
    assert chosen(page) == [0]
