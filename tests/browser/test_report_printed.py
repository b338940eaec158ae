"""The report in a real browser: on a phone, on a wide screen, in the dark, and printed."""

import os

import pytest
from tables import three_groups

import segkit as sg

pytest.importorskip("playwright.sync_api")
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
SHOWN = (
    "name => [...document.querySelectorAll('.picture.' + name)].filter(p => p.getClientRects().length).length"
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    result = sg.segment(three_groups(), n_segments=3)
    return sg.report(result, tmp_path_factory.mktemp("report") / "segments.html")


@pytest.mark.parametrize(
    ("width", "form", "other"), [(390, "narrow", "wide"), (768, "wide", "narrow"), (1440, "wide", "narrow")]
)
def test_nothing_is_wider_than_the_screen(new_page, path, width, form, other):
    page = new_page(width, 900)
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(SHOWN, form) >= 4 and page.evaluate(SHOWN, other) == 0
    light = page.evaluate(BACKGROUND)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(BACKGROUND) != light
    page.close()


def test_it_prints_as_pdf(chromium, path, monkeypatch, tmp_path):
    monkeypatch.setenv(
        "SEGKIT_CHROMIUM", os.environ.get("SEGKIT_CHROMIUM") or chromium.browser_type.executable_path
    )
    result = sg.segment(three_groups(), n_segments=3)
    pages = {}
    for paper, size in (("A4", b"59"), ("letter", b"612")):
        pdf = sg.report(result, tmp_path / f"{paper}.pdf", paper=paper).read_bytes()
        assert pdf.startswith(b"%PDF-") and b"/MediaBox [0 0 " + size in pdf
        pages[paper] = pdf.count(b"/Type /Page\n")
    assert min(pages.values()) >= 3
