"""The page of the service: it follows by itself, light and dark, wide and narrow, and asks nobody else."""

import pandas as pd
import pytest
from test_start_notebook import LOWEST_CONTRAST
from test_tailor_in_jupyterlab import TOO_WIDE

import segkit as sg
from segkit.datasets import make_events

expect = pytest.importorskip("playwright.sync_api").expect
pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    events, _ = make_events(300, kinds="purchase")
    result = sg.segment(sg.customer_features(events, sg.RFM, as_of="2025-01-01"), n_segments=4)
    named = result.with_names({0: "Regulars & friends of the shop"})
    with sg.live_segments(named, events, sg.RFM, folder=tmp_path_factory.mktemp("live")) as opened:
        yield opened


@pytest.fixture(scope="module")
def service(live):
    with sg.serve(live, port=0) as running:
        yield running


@pytest.fixture
def open_page(chromium, service):
    """Open the page of the service in a window of its own, by the printed address."""
    windows, wrong = [], []

    def open_(width=1280, scheme="light"):
        window = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        windows.append(window)
        page = window.new_page()
        base = service.url.partition("?")[0]
        page.on("request", lambda r: r.url.startswith((base, "data:")) or wrong.append(r.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: said.type in ("error", "warning") and wrong.append(said.text))
        page.goto(service.url)
        expect(page.locator(".segkit.live canvas.points")).to_be_visible()
        return page

    yield open_
    assert wrong == []
    for window in windows:
        window.close()


def order(live, event_id, customer, when):
    row = {"event_id": event_id, "customer_id": customer, "timestamp": when, "kind": "purchase"}
    live.apply(pd.DataFrame([{**row, "amount": 30.0, "order_id": event_id}]))


def test_moves_appear_and_customers_are_looked_up(open_page, live):
    page = open_page()
    assert "token" not in page.url
    order(live, "a1", "ada", "2025-01-02 10:00")
    first = page.locator(".list tbody tr").first
    expect(first).to_contain_text("adaNew customer")
    page.get_by_role("button", name="ada", exact=True).click()
    card = page.get_by_role("region", name="Chosen customer")
    expect(card).to_contain_text("frequency: number of orders 1")
    order(live, "a2", "ada", "2025-01-02 11:00")
    expect(card).to_contain_text("frequency: number of orders 2")
    page.get_by_role("button", name="Close ada").click()
    expect(card).to_be_hidden()
    segment = page.locator(".counts button").first
    segment.click()
    page.mouse.move(0, 0)
    expect(segment).to_have_css("font-weight", "600")  # it is seen which segment is chosen
    segment.click()
    expect(segment).to_have_css("font-weight", "400")
    page.get_by_role("button", name="Pause").click()
    order(live, "a3", "bob", "2025-01-02 12:00")
    other = open_page()  # pauses are of one page, not of all
    expect(other.get_by_role("button", name="bob", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="bob", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="bob", exact=True)).to_be_visible()


def test_the_page_says_that_the_service_is_gone(chromium, live):
    with sg.serve(live, port=0) as running:
        window = chromium.new_context()
        page = window.new_page()
        page.goto(running.url)
        expect(page.locator(".segkit.live canvas.points")).to_be_visible()
        port = int(running.url.split(":")[2].split("/")[0])
    alert, status = page.get_by_role("alert"), page.locator(".status")
    expect(alert).to_contain_text("The map stands still: the service does not answer.")
    expect(status).to_have_text("Not current")
    with sg.serve(live, port=port) as running:
        with page.expect_response(lambda said: said.status == 401, timeout=120_000):
            pass  # another token counts now
        window.new_page().goto(running.url)
        expect(status).to_have_text("Live")
        expect(alert).to_have_count(0)
        window.close()


def test_words_of_strangers_stay_words_and_fit(open_page, live):
    page = open_page(390)
    for i, name in enumerate(("<img src=x onerror=alert(1)>", "x" * 256, "👩‍🌾 =1+1")):
        row = {
            "event_id": f"w{i}",
            "customer_id": name,
            "timestamp": "2025-01-02 13:00",
            "kind": f"<b>{name}</b>",
        }
        live.apply(pd.DataFrame([{**row, "amount": 30.0, "order_id": f"w{i}"}]))
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.locator(".card h4")).to_have_text(name)
        expect(page.locator(".list .tag").first).to_have_text(f"<b>{name}</b>"[:60])
    assert page.locator("img, b").count() == 0
    assert page.locator("main").evaluate(TOO_WIDE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_and_fits_a_narrow_screen(open_page, live, scheme, request):
    order(live, f"{scheme}1", "cyd", f"2025-01-0{3 if scheme == 'light' else 4}")
    live.sweep(as_of=f"2025-02-0{3 if scheme == 'light' else 4}")
    for width in (1280, 390):
        page = open_page(width, scheme)
        expect(page.locator("body")).to_have_attribute("data-jp-theme-light", str(scheme == "light").lower())
        order(
            live,
            f"{scheme}{width}",
            f"{scheme}-{width}",
            f"2025-02-0{5 if scheme == 'light' else 7} {width % 24}:00",
        )
        page.get_by_role("button", name=f"{scheme}-{width}", exact=True).click()
        expect(page.locator(".card")).to_be_visible()
        lowest = page.locator("body").evaluate(LOWEST_CONTRAST)
        assert lowest[0] >= 4.5, lowest
        assert page.locator("main").evaluate(TOO_WIDE) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
