"""Notebooks in a real browser: one private JupyterLab and one Chromium serve all of these tests.

Values in Python come from the kernel, never from the page. What a reader sees is checked on the page with Playwright's
``expect``, which tries again. Nothing waits for a fixed time. Environment variables: ``SEGKIT_CHROMIUM`` is the
browser's path; ``SEGKIT_BROWSER`` is ``required`` to fail where there is none, or ``later`` to skip these tests;
``SEGKIT_SHOTS`` is a folder for screenshots.
"""

import ast
import contextlib
import json
import math
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import notebook_runs
import pytest

WAIT = 120  # seconds at most, for a busy machine; nothing waits longer than it must
CHROMIUM_FLAGS = [
    "--use-angle=swiftshader",  # the map is drawn by WebGL, here without a graphics card
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
LAB_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # or cells off the screen are not in the page
}


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def until(get, what: str, timeout: float = WAIT):
    """Return the first true answer."""
    end = time.monotonic() + timeout
    while True:
        value = get()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout} s (last answer: {value!r})")
        time.sleep(0.05)


TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


class Lab:
    """A private JupyterLab: its own port, token, settings and folders."""

    def __init__(self, root: Path):
        self.notebooks, self.runtime, self.log = root / "notebooks", root / "runtime", root / "lab.log"
        self.notebooks.mkdir()
        for plugin, settings in LAB_SETTINGS.items():
            file = root / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(settings))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.token, self.url = secrets.token_hex(16), f"http://127.0.0.1:{port}"
        private = {
            "JUPYTER_CONFIG_DIR": root / "config",
            "JUPYTER_DATA_DIR": root / "data",
            "JUPYTER_RUNTIME_DIR": self.runtime,
            "JUPYTERLAB_SETTINGS_DIR": root / "settings",
            "JUPYTERLAB_WORKSPACES_DIR": root / "workspaces",
            "IPYTHONDIR": root / "ipython",
        }
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
            *(f"--ServerApp.root_dir={self.notebooks}", f"--IdentityProvider.token={self.token}"),
            "--LabApp.extension_manager=readonly",  # looks nothing up on a network
            "--LabApp.expose_app_in_browser=True",  # window.jupyterapp
        ]
        env = (
            os.environ
            | {name: str(folder) for name, folder in private.items()}
            | {"JUPYTER_PREFER_ENV_PATH": "1"}
        )
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        until(self._is_up, "JupyterLab up")

    def _is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError("JupyterLab ended:\n" + self.log.read_text())
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            return self.api("status")

    def api(self, path: str, method: str = "GET"):
        request = urllib.request.Request(
            f"{self.url}/api/{path}", headers={"Authorization": f"token {self.token}"}, method=method
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply) if method == "GET" else None

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Notebook:
    """A notebook open in the browser, with its kernel."""

    until = staticmethod(until)

    def __init__(self, lab: Lab, page, name: str, lesson: str = ""):
        self.lab, self.page, self.name, self.lesson = lab, page, name, lesson
        self.outside: list[str] = []  # requests that left this machine
        self.errors: list[str] = []  # errors that no script of the page caught; see _note
        own = (lab.url, lab.url.replace("http", "ws", 1), "data:", "blob:")
        page.on("request", lambda request: request.url.startswith(own) or self.outside.append(request.url))
        page.on("pageerror", self._note)
        page.goto(f"{lab.url}/doc/tree/{name}?token={lab.token}")
        page.wait_for_function("window.jupyterapp !== undefined")
        page.evaluate("async () => { await window.jupyterapp.restored; }")
        page.locator(".jp-Notebook").wait_for()
        self.client = _client(lab.runtime / f"kernel-{until(self._idle_kernel, 'kernel idle')}.json")

    def _note(self, error):
        """Keep an error, unless its whole stack is JupyterLab's own: it fails so now and then on a busy machine."""
        places = re.findall(r"\w+:[^\s()]+:\d+:\d+", error.stack or "")
        if not places or any(f"{self.lab.url}/static/lab/" not in place for place in places):
            self.errors.append(error.stack or str(error))

    def _idle_kernel(self):
        for session in self.lab.api("sessions"):
            if session["path"] == self.name and session["kernel"]["execution_state"] == "idle":
                return session["kernel"]["id"]

    def command(self, name: str, **arguments):
        """Execute one of JupyterLab's own commands."""
        run = "async ([name, given]) => { await window.jupyterapp.commands.execute(name, given); }"
        self.page.evaluate(run, [name, arguments])

    def cells(self) -> list[dict]:
        return self.page.evaluate("window.jupyterapp.shell.currentWidget.content.model.toJSON().cells")

    def run_all(self):
        """Run every cell through JupyterLab; fail if one raised, warned, did not run, or took too much."""
        self.command("notebook:run-all-cells")
        for cell in (c for c in self.cells() if c["cell_type"] == "code" and c["source"]):
            wrong = [o for o in cell["outputs"] if o["output_type"] == "error" or o.get("name") == "stderr"]
            assert not wrong, wrong
            assert cell["execution_count"], f"not run: {cell['source']}"
        notebook_runs.check_cost(self.lesson, *self.python("cost", after=notebook_runs.COST))

    def cell(self, source: str):
        """The place in the page of the one cell that holds these words."""
        found = [i for i, cell in enumerate(self.cells()) if source in cell["source"]]
        assert len(found) == 1, f"{len(found)} cells hold {source!r}"
        return self.page.locator(".jp-Notebook .jp-Cell").nth(found[0])

    def run_cell(self, source: str):
        """Run again the one cell that holds these words; return its place in the page."""
        count = "window.jupyterapp.shell.currentWidget.content.activeCell.model.executionCount"
        cell = self.cell(source)
        cell.locator(".jp-InputArea-prompt").click()
        before = self.page.evaluate(count)
        self.command("notebook:run-cell")
        until(lambda: self.page.evaluate(count) not in (None, before), f"run again: {source}")
        return cell

    def python(self, expression: str, after: str = ""):
        """Evaluate Python in the notebook's own kernel, perhaps after other code; the value should be a literal."""
        sent = self.client.execute(
            after, silent=True, store_history=False, user_expressions={"x": expression}
        )
        while True:
            reply = self.client.get_shell_msg(timeout=WAIT)
            if reply["parent_header"].get("msg_id") == sent:
                break
        answer = reply["content"]["user_expressions"]["x"]
        assert answer["status"] == "ok", answer
        return ast.literal_eval(answer["data"]["text/plain"])

    def wait_python(self, expression: str):
        return until(lambda: self.python(expression), f"Python: {expression}")

    def lasso(self, canvas, x: float, y: float, radius: float):
        """Draw around a part of a map with the mouse; x and y are shares of its size. The curve stays open."""
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        middle = (box["x"] + x * box["width"], box["y"] + y * box["height"])
        steps = [
            (middle[0] + radius * math.cos(t / 30), middle[1] + radius * math.sin(t / 30)) for t in range(180)
        ]
        self.page.mouse.move(*steps[0])
        self.page.mouse.down()
        for at in steps[1::6]:
            self.page.mouse.move(*at)
            self.page.evaluate(TWO_FRAMES)  # the map skips moves that come faster than a hand's
        self.page.mouse.up()

    def shot(self, name: str, place=None):
        """Keep a screenshot of a place, or of the page, in the folder of SEGKIT_SHOTS."""
        if folder := os.environ.get("SEGKIT_SHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            (self.page if place is None else place).screenshot(path=Path(folder) / f"{name}.png")

    def close(self):
        self.client.stop_channels()
        self.page.close()


def _client(connection_file: Path):
    from jupyter_client import BlockingKernelClient

    client = BlockingKernelClient(connection_file=str(connection_file))
    client.load_connection_file()
    client.start_channels()
    return client


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    pytest.importorskip("jupyterlab")
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def chromium():
    if notebook_runs.BROWSER == "later":
        pytest.skip("left to a later run: SEGKIT_BROWSER=later")
    lacks = pytest.fail if notebook_runs.BROWSER == "required" else pytest.skip
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        lacks("no playwright: install segkit[test]")
    path = notebook_runs.find_chromium()
    if path is None:
        lacks("no Chromium: install one, or give its path in SEGKIT_CHROMIUM")
    expect.set_options(timeout=WAIT * 1000)
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    flags = CHROMIUM_FLAGS + ["--no-sandbox"] * as_root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags, timeout=WAIT * 1000)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def new_page(chromium):
    """Open a page of the browser that waits as long as a busy machine needs."""

    def open_page(width: int = 1400, height: int = 1000):
        page = chromium.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(WAIT * 1000)
        return page

    return open_page


@pytest.fixture(scope="module")
def open_notebook(new_page, lab, request):
    """Open a notebook, given by its path or as a list of code cells, in a page and a kernel of its own."""
    opened: list[Notebook] = []

    def open_(source: Path | list[str]) -> Notebook:
        name = f"{request.module.__name__}-{len(opened)}.ipynb"
        if isinstance(source, list):
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in source])
            notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        else:
            notebook = nbformat.read(source, as_version=4)
        nbformat.write(notebook, lab.notebooks / name)
        opened.append(Notebook(lab, new_page(), name, "" if isinstance(source, list) else source.stem))
        return opened[-1]

    yield open_
    for notebook in opened:
        notebook.close()


@pytest.fixture(scope="module")
def run_notebook(open_notebook):
    """Open a notebook and run it; at the end no request has left this machine, and the page had no error."""
    opened: list[Notebook] = []

    def run(source: Path | list[str]) -> Notebook:
        opened.append(open_notebook(source))
        opened[-1].run_all()
        return opened[-1]

    yield run
    assert [notebook.outside for notebook in opened] == [[] for _ in opened]
    assert [notebook.errors for notebook in opened] == [[] for _ in opened]
