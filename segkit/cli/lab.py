"""Copy the notebooks without overwriting any, and open JupyterLab on the first."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import quote

from segkit.cli.messages import CannotStart

FIRST = "00_start_here.ipynb"
SETTINGS = Path(__file__).parent / "jupyter"  # settings of the page that no argument can set


def copy_notebooks(source: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Copy the files that are missing, and return the names of those copied and those left unchanged.

    An existing file may be the user's work, so it is never written to.
    """
    copied: list[str] = []
    kept: list[str] = []
    for original in sorted(source.rglob("*")):
        name = original.relative_to(source)
        if original.is_dir() or any(part.startswith((".", "__")) for part in name.parts):
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (copied if _copy_if_missing(original, target) else kept).append(name.as_posix())
    return copied, kept


def _copy_if_missing(original: Path, target: Path) -> bool:
    content = original.read_bytes()
    try:
        # "x" fails where a file exists, even one that another program made a moment ago.
        file = target.open("xb")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(content)
    except OSError:
        target.unlink()  # or half a notebook would count as the user's own
        raise
    return True


def free_port(port: int | None) -> int | None:
    """Return the port, after checking that JupyterLab can use it."""
    if port is None:
        return None
    with socket.socket() as probe:
        if os.name == "posix":
            # JupyterLab sets this too: a port that was closed a moment ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CannotStart(
                f"JupyterLab cannot use port {port} ({os.strerror(error.errno or 0).lower()}). "
                "Choose another with --port, or leave --port out to take the first free one."
            ) from error
    return port


def jupyterlab_arguments(root: Path, notebooks: str, *, port: int | None, browser: bool) -> list[str]:
    """Return JupyterLab's arguments: open the first notebook, confirm no exit, request nothing from a network."""
    root = root.resolve()
    first = root / notebooks / FIRST
    page = "/lab/tree/" + quote(first.relative_to(root).as_posix()) if first.exists() else "/lab"
    arguments = [
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url={page}",
        "--ServerApp.answer_yes=True",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        "--log-level=WARN",
    ]
    if port is not None:
        arguments += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if not browser:
        arguments.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # Containers run as root. The server still listens to this machine only, and asks for a token.
        arguments.append("--allow-root")
    return arguments


def serve(arguments: list[str]) -> int:
    """Run JupyterLab in this process until Ctrl-C, without its question about news."""
    others = os.environ.get("JUPYTER_CONFIG_PATH", "")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join([str(SETTINGS), *([others] if others else [])])
    try:
        from jupyterlab.labapp import LabApp

        LabApp.launch_instance(argv=arguments)
    except KeyboardInterrupt:
        pass  # Ctrl-C came before JupyterLab could handle it
    return 0
