"""Binder: the image that repo2docker would build from a fresh clone. Nothing is built, and no Docker is needed."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READ = ("binder/", "pyproject.toml", "constraints.txt")


def committed() -> list[str]:
    """Return the names of the files that a clone would have, with those about to be added."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so the files of a clone are unknown")
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """The Dockerfile that repo2docker would build, and its log."""
    clone = tmp_path_factory.mktemp("clone")
    for name in committed():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        if name.startswith(READ):
            shutil.copy2(ROOT / name, clone / name)
        else:
            (clone / name).touch()  # repo2docker looks at its name only
    return subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."],
        cwd=clone,
        env={**os.environ, "DOCKER_HOST": "unix:///nowhere"},
        capture_output=True,
        text=True,
        check=True,
    )


def test_binder_uses_python_of_runtime_txt(simulated):
    assert "Building conda environment for python=3.12" in simulated.stderr


def test_binder_copies_before_installing(simulated):
    """``-e .`` among the requirements would fail if it were installed before the whole checkout is there."""
    copied = re.search(r"^COPY --chown=\S+ src/ \$\{REPO_DIR\}", simulated.stdout, re.MULTILINE)
    installed = simulated.stdout.index('pip install --no-cache-dir -r "binder/requirements.txt"')
    assert copied.start() < installed < simulated.stdout.index("RUN ./binder/postBuild")


def test_binder_uses_our_start_script(simulated):
    assert 'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in simulated.stdout


def test_binder_installs_same_extras():
    lines = [line for line in (ROOT / "binder/requirements.txt").read_text().splitlines() if line[:1] != "#"]
    assert sorted(lines) == ["-c ../constraints.txt", "-e .[lab,data]"]
    assert (ROOT / "binder" / "../constraints.txt").exists()


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_binder_scripts_can_run(name):
    script = ROOT / "binder" / name
    assert script.stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", script], check=True)


def started(*command: str) -> list[str]:
    """Return the command that the start script runs instead of this one."""
    shell = 'jupyter() { :; }; exec() { printf "%s\\n" "$@"; }; . "$0"'
    script = str(ROOT / "binder/start")
    return subprocess.run(
        ["bash", "-c", shell, script, *command], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_binder_opens_first_notebook():
    command = started("jupyter", "lab", "--ip=0.0.0.0")
    page = next(word for word in command if word.startswith("--LabApp.default_url=")).partition("=")[2]
    assert command[:3] == ["jupyter", "lab", "--ip=0.0.0.0"]
    assert (ROOT / page.removeprefix("/lab/tree/")).exists()


def test_binder_leaves_other_commands():
    assert started("bash", "-c", "true") == ["bash", "-c", "true"]
