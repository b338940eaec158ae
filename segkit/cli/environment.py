"""The environment that a checkout runs in: made once, checked in a moment, repaired when it must be.

Two small files inside ``.venv`` carry what is known of it. ``segkit-stamp.json`` says what was installed,
and is written when all of it was. ``segkit-unfinished`` is there while pip writes, so that the next run sees
that one died in between, and starts afresh: a package that was half written looks whole to pip.
"""

from __future__ import annotations

import contextlib
import errno
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
from dataclasses import asdict, dataclass
from pathlib import Path

from segkit.cli.messages import CannotStart, why
from segkit.cli.pip import PipStory, install
from segkit.cli.progress import Screen

NEEDED_BYTES = 2_000_000_000  # measured in 2026: 1.4 GB with JupyterLab, 1.8 GB with what tests need


@dataclass(frozen=True)
class Stamp:
    """What an environment was made from; where two are equal, nothing needs doing."""

    checkout: str
    python: str
    inputs: str
    extras: tuple[str, ...]


def checkout_root(package: Path) -> Path | None:
    """Return the folder of the source checkout that this package lies in, or None for an installed one."""
    try:
        project = tomllib.loads((package.parent / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return package.parent.resolve() if project.get("project", {}).get("name") == "segkit" else None


def ready_python(checkout: Path, extras: tuple[str, ...], screen: Screen) -> Path:
    """Return the interpreter of ``.venv``, with segkit and these extras installed."""
    venv = checkout / ".venv"
    with _one_at_a_time(checkout, screen):
        stamp, version = read_stamp(venv), _version_of(python_of(venv))
        wanted = wanted_stamp(checkout, extras, stamp, version)
        todo = what_to_do(stamp, wanted, unfinished=_unfinished(venv).exists())
        if todo != "nothing":
            _require_writable(checkout)
            if todo == "make":
                wanted = wanted_stamp(checkout, extras, stamp, _make_venv(venv, screen))
            _require_recent(wanted.python, venv)
            _install(venv, wanted, screen)
    return python_of(venv)


def what_to_do(stamp: Stamp | None, wanted: Stamp, *, unfinished: bool) -> str:
    """Return ``"nothing"``, ``"install"`` (into the environment as it is) or ``"make"`` (anew)."""
    if unfinished or not wanted.python:
        return "make"
    if stamp is None:
        return "install"  # made by hand or with another tool: theirs to keep
    if (stamp.checkout, stamp.python) != (wanted.checkout, wanted.python):
        return "make"  # moved, or Python was upgraded below it: its scripts and links lead nowhere
    return "nothing" if stamp == wanted else "install"


def wanted_stamp(checkout: Path, extras: tuple[str, ...], stamp: Stamp | None, python: str) -> Stamp:
    """Return the stamp that the environment should bear; extras once asked for stay."""
    inputs = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        inputs.update((checkout / name).read_bytes())
    known = stamp.extras if stamp else ()
    return Stamp(str(checkout), python, inputs.hexdigest(), tuple(sorted({*known, *extras})))


def read_stamp(venv: Path) -> Stamp | None:
    """Return the stamp of an environment, or None where none can be read."""
    try:
        fields = json.loads(_stamp_file(venv).read_text(encoding="utf-8"))
        return Stamp(**{**fields, "extras": tuple(fields["extras"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


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
    """Replace this process with a command, so that Ctrl-C and the exit code are the command's own."""
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


def _stamp_file(venv: Path) -> Path:
    return venv / "segkit-stamp.json"


def _unfinished(venv: Path) -> Path:
    return venv / "segkit-unfinished"


@contextlib.contextmanager
def _one_at_a_time(checkout: Path, screen: Screen) -> Iterator[None]:
    """Wait while another segkit prepares the same environment.

    The lock is on pyproject.toml: always there, nothing to clean up, and any kind of death releases it.
    """
    try:
        import fcntl
    except ImportError:  # Windows: not to start twice before the first is ready is left to the user
        yield
        return
    with (checkout / "pyproject.toml").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            screen.step("waiting for another segkit that is preparing .venv")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            screen.step("this disk has no locks: do not start segkit twice before the first is ready")
        yield


def _version_of(python: Path) -> str:
    """Return an interpreter's version as "3.11", or "" where it does not run."""
    try:
        answer = subprocess.run(
            [python, "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout.strip()


def _require_writable(checkout: Path) -> None:
    if not os.access(checkout, os.W_OK):
        raise PermissionError(errno.EACCES, "not writable", str(checkout))


def _require_recent(version: str, venv: Path) -> None:
    if tuple(map(int, version.split("."))) < (3, 11):
        raise CannotStart(
            f"{venv} holds Python {version}, and segkit needs 3.11 or newer. "
            "segkit did not make it: move it away, and run the same command again."
        )


def _make_venv(venv: Path, screen: Screen) -> str:
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        raise CannotStart(
            f"{sys.executable} lacks {' and '.join(missing)}, which making .venv needs. On Debian and "
            f"Ubuntu: sudo apt install python3.{sys.version_info.minor}-venv, then try again."
        )
    free = shutil.disk_usage(venv.parent).free
    if free < NEEDED_BYTES and not venv.exists():  # one that exists gives its own space back
        raise CannotStart(
            f"the disk of {venv.parent} has {free / 1e9:.1f} GB free, and segkit with JupyterLab needs "
            f"{NEEDED_BYTES / 1e9:.1f} GB. Free some, or move the checkout to a larger disk."
        )
    again = "making .venv anew" if venv.exists() else "making .venv"
    screen.step(f"{again} with Python {sys.version.split()[0]}; it takes some minutes, once")
    made = subprocess.run(
        [sys.executable, "-I", "-m", "venv", "--clear", venv], capture_output=True, text=True
    )
    version = _version_of(python_of(venv))
    if made.returncode or not version:
        raise CannotStart(why(made.stdout + made.stderr, "making .venv"))
    return version


def _install(venv: Path, wanted: Stamp, screen: Screen) -> None:
    story, unfinished = PipStory(), _unfinished(venv)
    unfinished.touch()
    try:
        install(venv, python_of(venv), wanted.extras, screen, story)
        _stamp_file(venv).write_text(json.dumps(asdict(wanted)), encoding="utf-8")
    except BaseException:
        if not story.to_install:
            unfinished.unlink(missing_ok=True)  # nothing was touched, so nothing needs making anew
        raise
    unfinished.unlink()
    screen.step("ready; the next start takes seconds")
