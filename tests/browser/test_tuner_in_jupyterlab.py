"""ClusterTuner in JupyterLab: a method is tried beside the kernel's other work, greyed, with a bar and Cancel."""

import pytest
from accessible import broken_rules, lost_by_tab
from test_start_notebook import LOWEST_CONTRAST
from test_tailor_in_jupyterlab import TOO_WIDE

expect = pytest.importorskip("playwright.sync_api").expect
SET_UP = """
import threading
import numpy as np, pandas as pd
import segkit as sg
from segkit.show.widgets import cluster_tuner
rng = np.random.default_rng(0)
customers = pd.DataFrame(rng.lognormal(size=(400, 3)), [f"c{i:03}" for i in range(400)], ["orders", "spend", "gap"])
real, go_on = cluster_tuner.scan_clusters, threading.Event()
go_on.set()

def slow(*given, progress, **options):
    def waiting(numbers):
        for n in progress(numbers) if callable(progress) else numbers:
            go_on.wait(60)
            yield n
    return real(*given, progress=waiting, **options)

cluster_tuner.scan_clusters = slow
"""
TUNER = "tuner = sg.ClusterTuner(customers, k=range(2, 6))\ntuner"
OPACITY = "place => getComputedStyle(place).opacity"


@pytest.fixture(scope="module")
def nb(run_notebook):
    return run_notebook([SET_UP, TUNER])


@pytest.fixture
def tuner(nb):
    nb.python(
        "go_on.set(), tuner._keep(), tuner.set_trait('method', 'kmeans'), tuner.set_trait('n_segments', 4)"
    )
    place = nb.cell("sg.ClusterTuner(").locator(".jp-OutputArea .widget-vbox").first
    expect(place.locator("select option:checked")).to_contain_text("k-means: round groups")
    return place


def test_a_method_is_tried_while_the_kernel_answers(nb, tuner):
    picture = tuner.locator(".widget-vbox").first
    curve = tuner.locator(".vega-embed .mark-line path").first
    before = curve.get_attribute("d")
    nb.python("go_on.clear()")
    tuner.get_by_label("Method").select_option("Ward: nested groups")
    expect(tuner.get_by_text("Trying 2 to 5 segments")).to_be_visible()
    expect(tuner.get_by_role("status")).to_contain_text("0 of 4 done")
    expect(tuner.locator(".progress")).to_be_visible()
    assert float(picture.evaluate(OPACITY)) < 0.5
    assert nb.python("tuner.method, 1 + 1") == ("kmeans", 2)  # the kernel is free
    nb.shot("tuner_trying", tuner)
    tuner.get_by_role("button", name="Cancel").press("Enter")
    expect(tuner.locator(".progress-bar")).to_have_count(0)
    expect(tuner.locator("select option:checked")).to_contain_text("k-means: round groups")
    assert float(picture.evaluate(OPACITY)) == 1
    tuner.get_by_label("Method").select_option("Ward: nested groups")
    nb.python("go_on.set()")
    nb.wait_python("tuner.method == 'ward'")
    expect(tuner.locator(".progress-bar")).to_have_count(0)
    expect(tuner.locator("code")).to_contain_text("method='ward'")
    expect(curve).not_to_have_attribute("d", before)


def test_the_kind_and_the_suggestion_stand_there(nb, tuner):
    expect(tuner.get_by_text(nb.wait_python("tuner.badge"), exact=True)).to_be_visible()
    expect(tuner.get_by_text("Suggested: ")).to_be_visible()


def test_keys_and_screen_readers_reach_everything(nb, tuner):
    nb.wait_python("tuner.badge")
    assert broken_rules(tuner) + lost_by_tab(tuner) == []


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_tuner_is_legible_and_fits(nb, tuner, theme, width):
    nb.page.set_viewport_size({"width": width, "height": 1000})
    nb.command("apputils:change-theme", theme=theme)
    nb.page.wait_for_function(f"document.body.dataset.jpThemeName === '{theme}'")
    nb.wait_python("tuner.badge")
    nb.shot(f"tuner_{theme[-5:].strip().lower()}_{width}", tuner)
    ratio, said = tuner.evaluate(LOWEST_CONTRAST)
    assert ratio >= 4.5, said
    assert tuner.evaluate(TOO_WIDE) == []
