"""How notebooks are run: by the browser tests where there is a Chromium, else without one; and what each may cost."""

import os
import shutil
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "notebooks"
IN_BROWSER = ("00_start_here", "02_how_many_and_can_i_trust_it")
SECONDS = 120  # of processor time, which a busy machine does not lengthen
# Of memory at the peak, so that three open notebooks fit in Binder's 2 GB.
MEGABYTES = {"00_start_here": 470, "01_collect_and_features": 650}
MEGABYTES_OF_OTHERS = 700
SHUT_DOWN = "shut this one down first: **Kernel → Shut Down Kernel**"
# Run in the kernel. `ru_maxrss` also counts the process that started the kernel, so it is second choice.
COST = """
import pathlib, resource, sys, time
status = pathlib.Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
peak = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
peak += [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**10 if sys.platform == "darwin" else 1)]
cost = (round(time.process_time()), peak[0] // 2**10)
"""
BROWSER = os.environ.get("SEGKIT_BROWSER", "")
"""``required``: fail where there is no Chromium. ``later``: leave to a later run what needs one."""


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    paths = (os.environ.get("SEGKIT_CHROMIUM"), *map(shutil.which, names))
    return next((path for path in paths if path and Path(path).exists()), None)


def runs_in_browser(name: str) -> bool:
    """Return whether the browser tests run this notebook, so that no other test needs to."""
    return name in IN_BROWSER and (BROWSER == "later" or find_chromium() is not None)


def check_cost(name: str, seconds: int, megabytes: int) -> None:
    """Fail if a notebook took more than a reader would wait for or a small machine has."""
    assert seconds < SECONDS, f"{seconds} s of processor time"
    most = MEGABYTES.get(name, MEGABYTES_OF_OTHERS)
    assert megabytes <= most, f"{megabytes} MB at its peak, and {most} MB are allowed"
