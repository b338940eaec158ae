"""Each widget's script in a page without Jupyter, with a stand-in for its model."""

import base64
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from accessible import broken_rules, lost_by_tab
from tables import EVIL, oddly_named, purchases

import segkit as sg
from segkit.show import widgets
from segkit.show.widgets.labelled_slider import LabelledSlider
from segkit.show.widgets.map_colors import packed, unpacked
from segkit.show.widgets.studio_bar import StudioBar

expect = pytest.importorskip("playwright.sync_api").expect

FOLDER = Path(widgets.__file__).parent
STAND_IN = """
async ([source, state]) => {
  const bytes = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  for (const [name, value] of Object.entries(state)) if (value?.base64 !== undefined) state[name] = bytes(value.base64);
  const heard = new Map(), saved = [], asked = [], onWindow = new Set();
  for (const [act, note] of [["addEventListener", "add"], ["removeEventListener", "delete"]]) {
    const own = window[act].bind(window);
    window[act] = (name, ...more) => { onWindow[note](name); own(name, ...more); };
  }
  const model = {
    get: (name) => structuredClone(state[name]),
    set: (name, value) => {
      const same = JSON.stringify(state[name]) === JSON.stringify(value);
      state[name] = value;
      if (!same) [...(heard.get("change:" + name) || [])].forEach((tell) => tell());
    },
    save_changes: () => saved.push(structuredClone(state)),
    send: (question) => asked.push(question),
    on: (event, tell) => heard.set(event, (heard.get(event) || new Set()).add(tell)),
    off: (event, tell) => heard.get(event).delete(tell),
  };
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const widget = (await import(url)).default;
  const undo = await widget.render({ model, el: document.body });
  const handlers = () => [...heard.values()].reduce((sum, tells) => sum + tells.size, 0) + onWindow.size;
  window.alone = { model, saved, asked, heard, undo, handlers };
}
"""


def sent(made):
    """Return the script of a widget and its state, as the page of a test takes them."""
    state = {name: value for name, value in made.get_state().items() if name[0] != "_" and name != "layout"}
    bits = {k: base64.b64encode(v).decode() for k, v in state.items() if isinstance(v, (bytes, memoryview))}
    return [str(made._esm), state | {name: {"base64": text} for name, text in bits.items()}]


def picker():
    """Return a picker with a feature full of markup, and one that needs a column that is missing."""
    evil = sg.Feature(EVIL, lambda orders: orders.count(), EVIL, EVIL, family=EVIL)
    events = purchases(("ada", "2024-01-01", 5.0), ("bob", "2024-01-02", 7.0), category=[EVIL, "Tea"])
    return sg.FeaturePicker(
        events, as_of="2024-02-01", offered=(*sg.RFM, *sg.BASKET, evil), chosen=["recency", EVIL]
    )


def explorer():
    """Return the explorer of segments, features and words full of markup."""
    made = sg.SegmentExplorer(sg.segment(oddly_named(), n_segments=3).with_names({0: EVIL}))
    made.color_by, made.error = "word", EVIL
    made.chosen = list(made.result.customers.index[:20])
    return made


def timeline():
    """Return the timeline of customers whose ids, features and segments are full of markup."""
    customers = oddly_named()
    months = [pd.Timestamp("2024-05-01"), pd.Timestamp("2024-06-01")]
    later = customers.iloc[::-1].set_axis(customers.index)
    tables = pd.concat([customers, later], keys=months, names=["as_of", "customer_id"])
    result = sg.segment(customers, n_segments=3).with_names({0: EVIL, 2: f"2 {EVIL}"})
    made = sg.SegmentTimeline(result, tables, minimum=1)
    made.error = EVIL
    return made


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """Live segments of customers, segments and kinds of event that are full of markup."""
    rows = [
        (f"{c} {EVIL}", f"2024-01-{1 + c % 9:02}", 5.0 * (1 + i))
        for c in range(20)
        for i in range(1 + 5 * (c < 10))
    ]
    events = purchases(*rows)
    features = sg.select_features("frequency", "monetary")
    result = sg.segment(sg.customer_features(events, features, as_of="2024-02-01"), n_segments=2)
    named = result.with_names({0: EVIL, 1: f"2 {EVIL}"})
    with sg.live_segments(named, events, features, folder=tmp_path_factory.mktemp("live")) as opened:
        yield opened


def live_map(live):
    """Return the map after a few moves, with a chosen customer."""
    made, n = sg.LiveMap(live), len(live.placements())
    came = {
        "event_id": [f"{n}", f"{n + 1}"],
        "customer_id": [f"new {n} {EVIL}", f"3 {EVIL}"],
        "timestamp": "2024-02-02",
    }
    live.apply(pd.DataFrame({**came, "kind": EVIL, "amount": 5.0}))
    live.correct(f"19 {EVIL}", 1 - live.at(f"19 {EVIL}").segment_id, EVIL, who=EVIL)
    made.refresh()
    made.chosen, made.error = f"19 {EVIL}", EVIL
    made.close()
    return made


def cards():
    """Return cards of segments, features, customers and plays full of markup."""
    result = sg.segment(oddly_named(), n_segments=3).with_names({0: EVIL})
    made = sg.SegmentCards(
        result, playbook=pd.DataFrame({"segment": [EVIL], "strategy": EVIL, "offer": EVIL})
    )
    made.chosen, made.error = 1, EVIL
    return made


def studio():
    """Return the studio's bar with markup in what it says."""
    made = StudioBar(numbers=[2, 3, 5], at=3, under=3, drawn=3)
    made.said = made.error = made.code = EVIL
    return made


def slider():
    """Return a slider whose name and values are full of markup."""
    return LabelledSlider(EVIL, [("1", 1), (EVIL, 2)], 2)


SCRIPTS = {
    "feature_picker": picker,
    "labelled_slider": slider,
    "live_map": live_map,
    "segment_cards": cards,
    "segment_explorer": explorer,
    "segment_studio": studio,
    "segment_timeline": timeline,
}


PARTS = {"parts", "scatter", "histograms", "segment_panel"}  # that views are joined of


@pytest.fixture(params=SCRIPTS)
def alone(request, new_page):
    """A page with one widget's script, rendered with the state of a widget that Python made."""
    needs = [request.getfixturevalue("live")] if request.param == "live_map" else []
    made = SCRIPTS[request.param](*needs)
    page = new_page()
    page.made, page.errors = made, []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("dialog", lambda dialog: page.errors.append(dialog.message) or dialog.dismiss())
    page.evaluate(STAND_IN, sent(made))
    yield page
    assert page.errors == []
    page.close()


def test_every_script_is_tested():
    assert {path.stem for path in FOLDER.glob("*.js")} - PARTS == set(SCRIPTS)


def test_render_can_be_undone(alone):
    assert alone.evaluate("alone.handlers()") >= 2
    alone.evaluate("alone.undo()")
    assert alone.evaluate("alone.handlers()") == 0
    before = alone.content()
    alone.evaluate(
        "['value', 'segments', 'group', 'chosen', 'code'].forEach((name) => alone.model.set(name, []))"
    )
    assert alone.content() == before


def test_markup_stays_text(alone):
    assert EVIL in alone.evaluate(
        "document.body.innerText + [...document.querySelectorAll('input')].map(i => i.value)"
    )
    assert alone.locator("img, script").count() == 0


def test_every_control_has_a_name(alone):
    """And a role that allows its states; texts have contrast: what axe-core finds, with all parts unfolded."""
    alone.add_style_tag(content=(FOLDER / "widgets.css").read_text())
    alone.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert broken_rules(alone.locator(".segkit")) == []


def test_tab_reaches_every_control_and_leaves(alone):
    alone.add_style_tag(content=(FOLDER / "widgets.css").read_text())
    alone.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert lost_by_tab(alone.locator(".segkit")) == []


@pytest.mark.parametrize("alone", ["feature_picker"], indirect=True)
def test_picker_sends_and_follows_ticks(alone):
    tick = alone.locator('[data-feature="monetary"] input')
    tick.click()
    assert alone.evaluate("alone.saved.at(-1).value") == ["recency", "monetary", EVIL]
    alone.evaluate("alone.model.set('value', ['tenure'])")
    expect(tick).not_to_be_checked()
    offered = alone.evaluate("alone.model.get('options').filter((option) => !option.needs).length")
    expect(alone.locator(".count")).to_have_text(f"1 of {offered} features chosen")
    expect(alone.locator('[data-feature="variety"] input')).to_be_disabled()
    expect(alone.locator('[data-feature="variety"]')).to_contain_text(
        "Needs product_id, which these events lack."
    )


def test_picker_says_which_features_say_the_same(new_page):
    lines = [(f"c{i:02}", "2024-01-01", 1.0 + i) for i in range(20)]
    twice = sg.Feature("twice", lambda orders: 2 * orders.amount.sum(), "currency", "Twice the orders.")
    made = sg.FeaturePicker(
        purchases(*lines), as_of="2024-02-01", offered=(*sg.RFM, twice), chosen=["recency", "monetary"]
    )
    page = new_page()
    page.evaluate(STAND_IN, sent(made))
    said = page.locator('[data-feature="twice"]')
    expect(said).to_contain_text("Says the same as Total value of all orders, which you chose.")
    expect(page.locator(".same")).to_be_hidden()
    made.value = ["monetary", "twice"]
    page.evaluate("(same) => alone.model.set('same', same)", made.same)
    expect(page.locator(".same")).to_contain_text(
        "Total value of all orders and Twice the orders say the same"
    )
    page.evaluate("alone.model.set('value', ['recency'])")
    expect(said).not_to_contain_text("Says the same")
    page.close()


@pytest.mark.parametrize("alone", ["segment_explorer"], indirect=True)
def test_panel_sends_and_follows_names(alone):
    name = alone.get_by_label("Name of Segment 2")
    name.fill("Regulars")
    name.press("Enter")
    assert alone.evaluate("alone.saved.at(-1).wanted_names") == {"2": "Regulars"}
    alone.evaluate("alone.model.set('wanted_names', {})")  # refused: the old name stands again
    expect(name).to_have_value("Segment 2")
    expect(name).to_be_focused()


@pytest.mark.parametrize("alone", ["segment_explorer"], indirect=True)
def test_panel_sends_colour_and_segment(alone):
    alone.get_by_label("Colour by").select_option("spend")
    alone.get_by_role("button", name="Show Segment 1").click()
    assert alone.evaluate("alone.saved.at(-1).color_by") == "spend"
    of_1 = "numbers => [...new Uint8Array(alone.saved.at(-1).group_a.buffer)]"
    assert bytes(alone.evaluate(of_1)) == packed((alone.made.result.labels == 1).to_numpy())


@pytest.mark.parametrize("alone", ["segment_cards"], indirect=True)
def test_cards_send_names_choice_and_the_test(alone):
    alone.get_by_role("button", name="Keep the name").first.click()
    kept = alone.evaluate("alone.saved.at(-1).wanted_names")
    assert list(kept.values()) == [alone.evaluate("alone.model.get('cards')[1].name")]
    alone.evaluate("alone.model.set('wanted_names', {})")
    rename = alone.get_by_role("button", name="Rename").last
    rename.click()
    field = alone.locator("header input")
    field.fill("Never kept")
    field.press("Escape")
    expect(rename).to_be_focused()
    assert alone.evaluate("alone.model.get('wanted_names')") == {}
    rename.click()
    field.fill("Regulars")
    alone.evaluate("alone.model.set('value_name', 'Share')")  # drawn again meanwhile: what is written stays
    assert alone.evaluate("alone.model.get('wanted_names')") == {}
    expect(field).to_be_focused()
    field.press("Enter")
    assert alone.evaluate("alone.saved.at(-1).wanted_names") == {"2": "Regulars"}
    expect(rename).to_be_focused()
    expect(field).to_have_count(0)  # Enter did not press it as well
    chosen = alone.locator(".choose[aria-pressed=true]")
    chosen.press("Enter")
    assert alone.evaluate("alone.saved.at(-1).chosen") is None
    expect(chosen).to_have_count(0)
    alone.locator(".choose").last.click()
    assert alone.evaluate("alone.saved.at(-1).chosen") == 2
    alone.locator("summary").first.click()
    alone.evaluate("alone.model.set('cards', alone.model.get('cards').toReversed())")
    expect(alone.locator("details[open]")).to_have_count(1)
    alone.get_by_role("button", name="Test how far").click()
    assert alone.evaluate("alone.saved.at(-1).wanted_test") is True
    alone.evaluate("alone.model.set('wanted_test', false), alone.model.set('tested', true)")
    expect(alone.get_by_role("button", name="Test")).to_have_count(0)


@pytest.mark.parametrize(
    ("alone", "asked"),
    [("segment_explorer", "alone.saved.at(-1).wanted"), ("segment_studio", "alone.asked.at(-1)")],
    indirect=["alone"],
)
def test_ctrl_z_undoes_and_redoes(alone, asked):
    """In JupyterLab, too, which takes the key for its cells; fields of text keep their own."""
    alone.evaluate("document.addEventListener('keydown', (event) => { alone.taken = event.key; }, true)")
    alone.locator("button").first.focus()
    for key, step in (("Control+z", "undo"), ("Control+Shift+Z", "redo"), ("Meta+z", "undo")):
        alone.keyboard.press(key)
        assert alone.evaluate(asked) == {"do": step}
        assert alone.evaluate("alone.taken") in (None, "Control", "Meta", "Shift")
    asked_before = alone.evaluate(f"[{asked}, alone.asked.length, alone.saved.length]")
    alone.evaluate("document.querySelector('.segkit').append(document.createElement('textarea'))")
    alone.locator("textarea").press("Control+z")
    assert alone.evaluate(f"[{asked}, alone.asked.length, alone.saved.length]") == asked_before
    assert alone.evaluate("alone.taken") == "z"


@pytest.mark.parametrize("alone", ["segment_explorer"], indirect=True)
def test_explorer_moves_its_points(alone):
    """Another map of the same customers: the points move, and who is chosen stays."""
    pixels = "document.querySelector('canvas.points').toDataURL()"
    before = alone.evaluate(pixels)
    places = "new Uint16Array(new Uint8Array(alone.model.get('places').buffer).buffer)"
    alone.evaluate(f"alone.model.set('places', new DataView({places}.toReversed().buffer))")
    alone.evaluate("alone.heard.get('change:places').forEach((tell) => tell())")
    alone.wait_for_function(f"(before) => {pixels} !== before", arg=before)
    expect(alone.locator(".group.a")).to_have_text("A: 20 customers (33%)")


@pytest.mark.parametrize("alone", ["segment_explorer"], indirect=True)
def test_explorer_asks_for_what_it_shows_only(alone):
    names = alone.evaluate("alone.asked.map((question) => question.name)")
    assert names == alone.made.histograms
    codes = "new DataView(Uint8Array.from({ length: 60 }, (_, i) => 1 + 4 * i).buffer)"
    said = "{ asked: { ask: 'column', name }, ends: ['0', '9'] }"
    alone.evaluate(
        f"(name) => alone.heard.get('msg:custom').forEach((tell) => tell({said}, [{codes}]))", names[0]
    )
    chart = alone.locator(".histogram[data-filled] canvas")
    alone.get_by_role("button", name="Clear").click()
    box = chart.bounding_box()
    y = box["y"] + 20
    alone.mouse.move(box["x"] + 1, y)
    alone.mouse.down()
    alone.mouse.move(box["x"] + box["width"] / 2 - 4, y)
    alone.mouse.up()
    last = "[...new Uint8Array(alone.saved.at(-1).group_a.buffer)]"
    half = unpacked(bytes(alone.evaluate(last)), 60)
    assert half[:30].all() and not half[34:].any()
    alone.locator(".parts button").last.click()
    kept = unpacked(bytes(alone.evaluate(last)), 60)
    assert kept.any() and not (kept & ~half).any()
    assert alone.made.result.labels[kept].nunique() == 1


@pytest.mark.parametrize("alone", ["segment_explorer"], indirect=True)
def test_explorer_says_when_python_does_not_answer(alone):
    alone.clock.install()
    alone.get_by_label("Find a customer by id").fill("7")
    alone.get_by_label("Find a customer by id").press("Enter")
    assert alone.evaluate("alone.asked.at(-1)") == {"ask": "why", "text": "7"}
    alone.clock.fast_forward(16000)
    said = alone.get_by_role("status")
    expect(said).to_contain_text("Python does not answer")
    alone.evaluate("alone.model.set('drawn', 90)")
    expect(said).not_to_contain_text("Python")
    waiting = re.compile("waiting")
    show = alone.get_by_role("button", name="Show Segment 1")
    show.click()
    expect(alone.locator(".explorer")).to_have_class(waiting)
    alone.evaluate("alone.model.set('drawn', 91)")
    expect(alone.locator(".explorer")).not_to_have_class(waiting)
    show.click()  # the same customers: Python would not answer
    expect(alone.locator(".explorer")).not_to_have_class(waiting)
    alone.get_by_role("button", name="Clear").click()
    alone.clock.fast_forward(16000)
    expect(said).to_contain_text("Python does not answer")
    alone.evaluate("alone.model.set('error', 'Nobody is chosen.')")
    expect(said).to_have_text("Nobody is chosen.")
    expect(alone.locator(".explorer")).not_to_have_class(waiting)


@pytest.mark.parametrize("make", ["timeline", "live_map"])
def test_a_page_that_cannot_draw_says_so(new_page, make, live):
    page = new_page()
    page.evaluate("HTMLCanvasElement.prototype.getContext = () => null")
    page.evaluate(STAND_IN, sent(timeline() if make == "timeline" else live_map(live)))
    expect(page.get_by_text("This page cannot draw a map.")).to_be_visible()
    expect(page.locator("canvas")).to_have_count(0)
    page.close()


def test_a_page_that_cannot_draw_shows_a_picture(new_page):
    page = new_page()
    page.evaluate("HTMLCanvasElement.prototype.getContext = () => null")
    page.evaluate(STAND_IN, sent(explorer()))
    assert {"ask": "picture"} in page.evaluate("alone.asked")
    expect(page.get_by_text("This page cannot draw, so here is a picture of a sample.")).to_be_visible()
    page.get_by_role("button", name="Show Segment 1").click()
    assert page.evaluate("alone.saved.at(-1).group_a.byteLength") == 8
    page.close()


@pytest.mark.parametrize("alone", ["segment_studio"], indirect=True)
def test_studio_asks_for_one_number_at_a_time(alone):
    """A hand that moves on while Python draws is followed to where it is then; letting go takes the number."""
    slider = alone.get_by_role("slider", name="Number of segments")
    move = """(to) => {
      const slider = document.querySelector("input");
      slider.value = to;
      slider.dispatchEvent(new Event("input"));
    }"""
    asked = "alone.saved.map((state) => [state.under, state.at])"
    alone.evaluate(move, 2)
    alone.evaluate(move, 1)
    alone.evaluate(move, 0)
    assert alone.evaluate(asked) == [[5, 3]]
    expect(alone.locator("output")).to_have_text("2")
    alone.evaluate("alone.model.set('drawn', 5)")
    assert alone.evaluate(asked)[1:] == [[2, 3]]
    slider.dispatch_event("change")
    assert alone.evaluate("alone.saved.at(-1).at") == 2
    alone.evaluate("alone.model.set('at', 5)")
    expect(slider).to_have_attribute("aria-valuetext", "5 segments")
    alone.get_by_role("button", name="How many").press("Enter")
    assert alone.evaluate("alone.saved.at(-1).step") == "How many"
    expect(alone.get_by_role("button", name="How many")).to_have_attribute("aria-current", "step")


def test_plain_keys_skip_jupyterlab(alone):
    kept = "document.activeElement.hasAttribute('data-lm-suppress-shortcuts')"
    alone.locator("input:enabled, .live .play, .cards .choose").first.focus()
    for key, ours in (("Enter", True), ("Shift+Enter", False), ("j", True), ("Control+s", False)):
        alone.keyboard.press(key)
        assert alone.evaluate(kept) == ours


@pytest.mark.parametrize("alone", ["live_map"], indirect=True)
def test_live_map_sends_choice_and_pause(alone):
    card = alone.get_by_role("region", name="Chosen customer")
    expect(card).to_contain_text(f"Corrected by {EVIL}: {EVIL}")
    alone.get_by_role("button", name=f"Close 19 {EVIL}").click()
    assert alone.evaluate("alone.saved.at(-1).chosen") == ""
    expect(card).to_be_hidden()
    customer = alone.locator(".customer").last
    customer.press("Enter")
    assert alone.evaluate("alone.saved.at(-1).chosen") == customer.inner_text()
    expect(customer).to_have_attribute("aria-pressed", "true")
    alone.get_by_role("button", name="Pause").press("Enter")
    assert alone.evaluate("alone.saved.at(-1).paused") is True
    alone.evaluate("alone.model.set('state', { ...alone.model.get('state'), now: 'later' })")
    expect(alone.locator(".date")).not_to_have_text("later")
    alone.get_by_role("button", name="Resume").press("Enter")
    expect(alone.locator(".date")).to_have_text("later")


@pytest.mark.parametrize("alone", ["live_map"], indirect=True)
def test_live_map_shows_the_moves_of_a_segment(alone):
    rows = alone.locator(".list tbody tr:not([hidden])")
    ends = "rows => rows.filter(row => !row.hidden).map(row => row.dataset.ends.split(' '))"
    every = alone.locator(".list tbody tr").evaluate_all(ends)
    expect(rows).to_have_count(len(every))
    for at in ("0", "1"):
        button = alone.locator(f'.counts button[data-at="{at}"]')
        button.focus()
        button.press("Enter")
        expect(rows).to_have_count(sum(at in pair for pair in every))
        expect(button).to_be_focused()
        button.press("Enter")
        expect(rows).to_have_count(len(every))


@pytest.mark.parametrize("alone", ["live_map"], indirect=True)
def test_live_map_rings_who_moved_and_glides(alone):
    """One customer goes to the middle of the map, and is ringed from the first move on."""
    first = {**alone.made.state, "moves": []}
    points = np.frombuffer(base64.b64decode(first["points"]), "<i2").reshape(-1, 3).copy()
    points[0, :2] = 0
    move = {"n": 1, "customer": "a", "from": 0, "to": 1, "at": 0, "when": "now", "why": "x", "late": False}
    second = {**first, "points": base64.b64encode(points.tobytes()).decode(), "moves": [move]}
    ink = """() => { const c = document.querySelector('canvas.over');
      return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((value) => value > 0); }"""
    alone.evaluate("alone.undo(), document.body.replaceChildren()")
    alone.evaluate(STAND_IN, [str(alone.made._esm), {**sent(alone.made)[1], "state": first, "chosen": ""}])
    drawn = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    alone.evaluate(drawn)
    assert not alone.evaluate(ink)
    alone.evaluate("(state) => alone.model.set('state', state)", second)
    alone.evaluate(drawn)
    assert alone.evaluate(ink)
    box = alone.locator("canvas.points").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    there = """([x, y]) => {
      const over = new PointerEvent("pointermove", { clientX: x, clientY: y });
      document.querySelector("canvas.points").dispatchEvent(over);
      return !document.querySelector(".tip").hidden;
    }"""
    alone.wait_for_function(there, arg=middle)
    segment = alone.locator(".tip").inner_text()
    alone.mouse.click(*middle)
    pressed = alone.locator(".counts button[aria-pressed=true]")
    expect(pressed).to_have_count(1)
    expect(pressed).to_contain_text(segment)


@pytest.mark.parametrize("alone", ["segment_timeline"], indirect=True)
def test_timeline_chooses_the_flow_of_who_is_pressed_on_the_map(alone):
    before, now = np.frombuffer(alone.made.labels, "u1").reshape(2, -1).tolist()
    places = np.frombuffer(alone.made.places, "<u2").reshape(2, -1).astype(float)
    chosen = alone.made.chosen
    other = next(
        i
        for i, way in enumerate(zip(before, now, strict=True))
        if way[0] != way[1] and way != (chosen["from"], chosen["to"])
    )
    box = alone.locator("canvas.points").bounding_box()
    low, high = places.min(axis=1), places.max(axis=1)
    scale = min((np.array([box["width"], box["height"]]) - 24) / (high - low))
    dx, dy = (places[:, other] - (low + high) / 2) * scale
    alone.mouse.click(box["x"] + box["width"] / 2 + dx, box["y"] + box["height"] / 2 - dy)
    assert alone.evaluate("alone.saved.at(-1).chosen") == {"from": before[other], "to": now[other]}


@pytest.mark.parametrize("alone", ["segment_timeline"], indirect=True)
def test_timeline_sends_date_and_flow(alone):
    slider = alone.get_by_role("slider", name="Date")
    slider.press("ArrowLeft")
    assert alone.evaluate("alone.saved.at(-1).at") == 0
    expect(slider).to_have_attribute("aria-valuetext", "1 May 2024")
    expect(alone.locator(".flow")).to_have_count(0)
    slider.press("End")
    assert alone.evaluate("alone.saved.at(-1).at") == 1
    pressed = alone.locator(".flow[aria-pressed=true]")
    expect(pressed).to_have_count(1)
    pressed.press("Enter")
    assert alone.evaluate("alone.saved.at(-1).chosen") == {}
    expect(pressed).to_have_count(0)
    alone.locator(".flow").last.click()
    assert alone.evaluate("Object.keys(alone.saved.at(-1).chosen)") == ["from", "to"]
    expect(alone.locator(".rows")).to_be_hidden()  # until Python answers


@pytest.mark.parametrize("alone", ["labelled_slider"], indirect=True)
def test_slider_tells_its_value_when_it_is_let_go(alone):
    control = alone.get_by_role("slider", name=EVIL)
    expect(control).to_have_attribute("aria-valuetext", EVIL)
    control.evaluate("slider => { slider.value = 0; slider.dispatchEvent(new Event('input')); }")
    expect(alone.locator(".readout")).to_have_text("1")
    assert alone.evaluate("alone.saved") == []
    control.dispatch_event("change")
    assert alone.evaluate("alone.saved.at(-1).at") == 0
    alone.evaluate("alone.model.set('at', 1)")
    expect(control).to_have_value("1")
