"""Notebooks copied without loss, and JupyterLab opened on the first of them."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import quote

from segkit.cli.messages import CannotStart

FIRST = "00_start_here.ipynb"
SETTINGS = Path(__file__).parent / "jupyter"  # of the page, which no argument can say


def copy_notebooks(source: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Copy what is not there yet, and return the names copied and the names kept.

    A file that is there is the user's work, whatever it holds, and is never written to.
    """
    copied: list[str] = []
    kept: list[str] = []
    for original in sorted(source.rglob("*")):
        name = original.relative_to(source)
        if original.is_dir() or any(part.startswith((".", "__")) for part in name.parts):
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (copied if _copy_unless_there(original, target) else kept).append(name.as_posix())
    return copied, kept


def _copy_unless_there(original: Path, target: Path) -> bool:
    content = original.read_bytes()
    try:
        # "x" and not a look beforehand: no moment in which another program's file could be lost.
        file = target.open("xb")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(content)
    except OSError:
        target.unlink()  # half a notebook would be kept for ever
        raise
    return True


def free_port(port: int | None) -> int | None:
    """Return the port as it came, having found that JupyterLab can have it."""
    if port is None:
        return None
    with socket.socket() as probe:
        if os.name == "posix":
            # As JupyterLab does: a port that was closed a moment ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CannotStart(
                f"port {port} cannot be had ({os.strerror(error.errno or 0).lower()}), and JupyterLab needs "
                "a free one. Choose another with --port, or leave --port out to take the first that is free."
            ) from error
    return port


def jupyterlab_arguments(root: Path, notebooks: str, *, port: int | None, browser: bool) -> list[str]:
    """Return JupyterLab's command line: the first notebook, no questions, nothing asked of a network."""
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
        # Root is who one is in a container; the server still listens to this machine alone, by token.
        arguments.append("--allow-root")
    return arguments


def serve(arguments: list[str]) -> int:
    """Run JupyterLab in this process until Ctrl-C; it asks nobody whether news may be fetched."""
    others = os.environ.get("JUPYTER_CONFIG_PATH", "")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join([str(SETTINGS), *([others] if others else [])])
    try:
        from jupyterlab.labapp import LabApp

        LabApp.launch_instance(argv=arguments)
    except KeyboardInterrupt:
        # It came before JupyterLab was there to take it; the user asked for the end all the same.
        pass
    return 0
