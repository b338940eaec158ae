"""Time SegmentExplorer as a person meets it: in JupyterLab and Chromium without a graphics card.

.venv/bin/python benchmarks/explorer.py 1_000 100_000 1_000_000
.venv/bin/python benchmarks/explorer.py 1_000_000 --shots folder

Chromium is found as the browser tests find it: by SEGKIT_CHROMIUM, or by its name.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "browser"), str(TESTS)]

import nbformat  # noqa: E402
from conftest import CHROMIUM_FLAGS, TWO_FRAMES, WAIT, Lab, Notebook  # noqa: E402
from notebook_runs import find_chromium  # noqa: E402
from playwright.sync_api import Browser, sync_playwright  # noqa: E402

# Six groups of unequal size, twelve skewed numbers (three of counts, one with missing values) and a word; text ids.
MADE = """
import numpy as np, pandas as pd, segkit as sg
n, rng = {n}, np.random.default_rng(0)
group = rng.choice(6, n, p=[.3, .25, .2, .12, .08, .05])
numbers = np.exp(1.2 * rng.normal(size=(6, 12))[group] + .8 * rng.normal(size=(n, 12)))
numbers[:, :3] = np.round(3 * numbers[:, :3])
numbers[rng.random(n) < .2, 5] = np.nan
ids = pd.Index([f"c{{i:07}}" for i in range(n)], name="customer_id")
customers = pd.DataFrame(numbers, ids, [f"feature_{{i + 1}}" for i in range(12)])
customers["country"] = pd.array(np.array(["DE", "FR", "UK", "US", "PL"])[rng.integers(0, 5, n)], dtype="str")
del numbers, group, ids
result = sg.segment(customers, n_segments=6)
result = result.with_embedding(sg.project(result))
"""
SHOWN = "explorer = sg.SegmentExplorer(result)\nexplorer"
MEMORY = "int(dict(line.split(':') for line in open('/proc/self/status'))['VmHWM'].split()[0]) // 1024"
EXPLORER = "document.querySelector('.segkit.explorer')"
ANSWERED = f"!{EXPLORER}.classList.contains('waiting')"
COMPARED = f"{ANSWERED} && {EXPLORER}.querySelector('table tbody tr')"


class Clock:
    """Prints what each step takes: wall, and processor seconds of the kernel and of the browser."""

    def __init__(self, nb: Notebook, browser: Browser, shots: bool):
        self._nb, self._shots = nb, shots
        self._browser = browser.new_browser_cdp_session()

    def _spent(self) -> tuple[float, float]:
        processes = self._browser.send("SystemInfo.getProcessInfo")["processInfo"]
        return self._nb.python("__import__('time').process_time()"), sum(one["cpuTime"] for one in processes)

    def time(self, what: str, act: Callable[[], object], seen: str) -> None:
        """Act, and wait until something is seen on the page, which is looked at in every frame."""
        before = self._spent()
        began = time.perf_counter()
        act()
        self._nb.page.wait_for_function(f"() => Boolean({seen})", polling="raf")
        self._nb.page.evaluate(TWO_FRAMES)
        wall = time.perf_counter() - began
        kernel, page = (now - then for now, then in zip(self._spent(), before, strict=True))
        print(f"  {what:28} {wall:7.2f} {kernel:7.2f} {page:7.2f}", flush=True)
        if self._shots:
            self._nb.shot(f"{self._nb.name.removesuffix('.ipynb')}_{what.replace(' ', '_')}")


def drawn_around(nb: Notebook, x: float, y: float, radius: float) -> None:
    """Draw around a part of the map, and do not let go yet."""
    box = nb.page.locator("canvas.points").bounding_box()
    middle = box["x"] + x * box["width"], box["y"] + y * box["height"]
    path = [(middle[0] + radius * math.cos(t / 5), middle[1] + radius * math.sin(t / 5)) for t in range(30)]
    nb.page.mouse.move(*path[0])
    nb.page.mouse.down()
    for at in path[1:]:
        nb.page.mouse.move(*at)


def explore(n: int, lab: Lab, browser: Browser, shots: bool) -> None:
    """Explore n customers as a person does."""
    cells = [nbformat.v4.new_code_cell(source) for source in (MADE.format(n=n), SHOWN)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, lab.notebooks / f"explore_{n}.ipynb")
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(WAIT * 1000)
    nb = Notebook(lab, page, f"explore_{n}.ipynb")
    nb.run_cell("import numpy")
    made = nb.python(MEMORY)
    nb.cell(SHOWN).locator(".jp-InputArea-prompt").click()
    print(f"{n:,} customers, load {os.getloadavg()[0]:.1f}\n  {'':28}    wall  kernel    page")
    clock, place = Clock(nb, browser, shots), page.locator(".segkit.explorer")

    drawn = f"{EXPLORER}?.querySelector('.scatter').dataset.drawn === '{n}'"
    clock.time("first paint", lambda: nb.command("notebook:run-cell"), drawn)
    filled = f"{EXPLORER}.querySelectorAll('.histogram[data-filled]').length === 6"
    clock.time("histograms", lambda: None, filled)
    place.locator(".map").scroll_into_view_if_needed()
    drawn_around(nb, 0.35, 0.4, 110)
    clock.time("lasso to comparison", page.mouse.up, COMPARED)
    drawn_around(nb, 0.6, 0.6, 90)
    clock.time("another lasso", page.mouse.up, COMPARED)
    place.get_by_role("button", name="B: all others").click()
    drawn_around(nb, 0.4, 0.4, 60)
    clock.time("a second selection", page.mouse.up, COMPARED)
    color, ramp = place.get_by_label("Colour by"), f"{EXPLORER}.querySelector('.ramp .scale')"
    clock.time("colour by a feature", lambda: color.select_option("feature_4"), ramp)
    clock.time("colour by segment", lambda: color.select_option("segment"), f"!{ramp}")
    field = place.locator(".segments input[type=text]").first
    field.fill("Regulars")
    named = f"{EXPLORER}.querySelector('[aria-label=\"Name of Regulars\"]')"
    clock.time("rename", lambda: field.press("Enter"), named)
    undo = place.get_by_role("button", name="Undo")
    clock.time("undo", undo.click, f"{ANSWERED} && !{named}")
    for name in ("Segment 2", "Segment 3"):
        place.get_by_label(f"Tick {name}", exact=True).check()
    rows = f"{ANSWERED} && {EXPLORER}.querySelectorAll('.segment').length === "
    clock.time("merge", place.get_by_role("button", name="Merge").click, rows + "5")
    clock.time("undo a merge", undo.click, rows + "6")
    place.get_by_label("Name of this group").fill("Chosen")
    clock.time("make a segment", place.get_by_role("button", name="Make a segment").click, rows + "7")
    search = place.get_by_label("Find a customer by id")
    search.fill("c0000042")
    clock.time("find a customer", lambda: search.press("Enter"), f"!{EXPLORER}.querySelector('.card').hidden")
    clock.time("colour by map trust", lambda: color.select_option("map trust"), ramp)
    print(f"  kernel at its peak: {made:,} MB with the map made, {nb.python(MEMORY):,} MB at the end")
    assert nb.errors == [], nb.errors
    nb.close()


def main() -> None:
    """Explore each number of customers in one JupyterLab and one Chromium."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--shots", help="folder for screenshots")
    given = parser.parse_args()
    if given.shots:
        os.environ["SEGKIT_SHOTS"] = given.shots
    flags = CHROMIUM_FLAGS + ["--no-sandbox"] * (os.geteuid() == 0)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder))
        try:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
            for n in given.sizes:
                explore(n, lab, browser, bool(given.shots))
            browser.close()
        finally:
            lab.stop()


if __name__ == "__main__":
    main()
