"""Make ``.venv`` in a source checkout, and keep it up to date with ``pyproject.toml`` and ``constraints.txt``.

``.venv/segkit-stamp.json`` records what was installed. It is empty while pip works, so that an environment whose
installation was interrupted is recognised and made from scratch.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from segkit.cli.messages import CannotStart


def checkout_root(package: Path) -> Path | None:
    """Return the folder of the source checkout that holds this package, or None for an installed package."""
    try:
        project = tomllib.loads((package.parent / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return package.parent.resolve() if project.get("project", {}).get("name") == "segkit" else None


def ready_python(checkout: Path, extras: tuple[str, ...]) -> Path:
    """Return the interpreter of ``.venv``, after installing segkit with these extras where that is still to do."""
    venv = checkout / ".venv"
    with _locked(checkout):
        stamp, version = _read_stamp(venv), _version_of(python_of(venv))
        unusable = stamp is not None and (stamp.get("checkout"), stamp.get("python")) != (
            str(checkout),
            version,
        )
        if not version or unusable:
            _make(venv)
            version = _version_of(python_of(venv))
        elif stamp is None:
            # Made by hand or by another tool. Some of them leave pip out.
            _run([str(python_of(venv)), "-m", "ensurepip"], stdout=subprocess.DEVNULL)
        inputs = b"".join((checkout / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
        wanted = {
            "checkout": str(checkout),
            "python": version,
            "inputs": hashlib.sha256(inputs).hexdigest(),
            "extras": sorted({*(stamp or {}).get("extras", ()), *extras}),
        }
        if stamp != wanted:
            _install(venv, wanted)
    return python_of(venv)


def python_of(venv: Path) -> Path:
    """Return where an environment keeps its interpreter."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def activated(environ: Mapping[str, str], python: Path) -> dict[str, str]:
    """Return the variables of an activated environment, so that ``!pip`` in a notebook is its own pip."""
    changed = dict(environ, VIRTUAL_ENV=str(python.parent.parent))
    changed["PATH"] = os.pathsep.join([str(python.parent), environ.get("PATH", os.defpath)])
    changed.pop("PYTHONHOME", None)  # it would lead the environment's Python to another library
    return changed


def become(
    command: list[str], *, environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> int:
    """Replace this process by a command, so that Ctrl-C and the exit code are the command's own."""
    environ = os.environ if environ is None else environ
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        if folder is not None:
            os.chdir(folder)
        os.execve(command[0], command, environ)
    # Windows cannot replace a process: wait for it, and leave Ctrl-C to it.
    process = subprocess.Popen(command, env=environ, cwd=folder)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return process.wait()


def _stamp_of(venv: Path) -> Path:
    return venv / "segkit-stamp.json"


def _read_stamp(venv: Path) -> dict[str, Any] | None:
    """Return what was installed: nothing where pip did not finish, None where segkit did not make it."""
    try:
        stamp = json.loads(_stamp_of(venv).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _version_of(python: Path) -> str:
    """Return an interpreter's version as "3.11", or "" where it does not run."""
    show = [str(python), "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(show, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _make(venv: Path) -> None:
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        raise CannotStart(
            f"{sys.executable} lacks {' and '.join(missing)}, and making .venv needs it. On Debian and "
            f"Ubuntu: sudo apt install python3.{sys.version_info.minor}-venv, then run the same command again."
        )
    again = " again, since it is not complete or no longer fits" if venv.exists() else ""
    print(f"Making {venv}{again}. Installing takes some minutes, once.", file=sys.stderr, flush=True)
    if venv.exists():
        shutil.rmtree(venv)
    venv.mkdir()
    _stamp_of(venv).touch()
    if _run([sys.executable, "-I", "-m", "venv", str(venv)]) or not _version_of(python_of(venv)):
        raise CannotStart(
            f"Python could not make {venv}; the lines above say why. Solve that, and run the same command again."
        )


def _install(venv: Path, wanted: dict[str, Any]) -> None:
    """Install the checkout into its environment, editable, with the versions of constraints.txt."""
    stamp = _stamp_of(venv)
    before = stamp.read_text(encoding="utf-8") if stamp.exists() else ""
    if before:
        stamp.write_text("")
    extras = f"[{','.join(wanted['extras'])}]" if wanted["extras"] else ""
    pip = [str(python_of(venv)), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    if _run([*pip, "--editable", f".{extras}", "--constraint", "constraints.txt"], cwd=venv.parent):
        if before:
            stamp.write_text(before, encoding="utf-8")  # pip undoes what it could not finish
        raise CannotStart(
            "pip could not install what segkit needs; its last lines above say why (often no network, or a full "
            "disk). Solve that, and run the same command again."
        )
    stamp.write_text(json.dumps(wanted), encoding="utf-8")


def _run(command: list[str], **options: Any) -> int:
    """Run a program whose output people see, on standard error: standard output stays free for results."""
    return subprocess.run(command, **{"stdout": sys.stderr, **options}).returncode


@contextlib.contextmanager
def _locked(checkout: Path) -> Iterator[None]:
    """Wait while another segkit prepares the same environment."""
    try:
        import fcntl
    except ImportError:  # Windows has other locks; there, two first starts at once are not guarded against
        yield
        return
    # A file that is always there: nothing to clean up, and the system releases the lock of a killed process.
    with (checkout / "pyproject.toml").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another segkit that is preparing .venv.", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            pass  # some network disks have no locks
        yield
