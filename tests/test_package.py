"""The wheel and the source distribution, built without a network."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import segkit

ROOT = Path(__file__).parents[1]


def files_in(folder: str, *suffixes: str) -> set[str]:
    found = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.suffix in suffixes}
    return {path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts)}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built) -> zipfile.ZipFile:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as opened:
        yield opened


def test_wheel_carries_code_and_views(wheel):
    expected = files_in("segkit", ".py", ".js", ".css") | {"segkit/py.typed"}
    assert expected <= set(wheel.namelist())


def test_wheel_carries_notebooks(wheel):
    carried = {name for name in wheel.namelist() if name.endswith(".ipynb")}
    notebooks = {
        name.replace("notebooks/", "segkit/_notebooks/", 1) for name in files_in("notebooks", ".ipynb")
    }
    assert carried == notebooks
    assert "segkit/_notebooks/00_start_here.ipynb" in carried


def test_wheel_holds_nothing_else(wheel):
    assert {name.split("/")[0] for name in wheel.namelist()} == {
        "segkit",
        f"segkit-{segkit.__version__}.dist-info",
    }


def test_wheel_declares_command_and_extras(wheel):
    info = f"segkit-{segkit.__version__}.dist-info"
    metadata = wheel.read(f"{info}/METADATA").decode()
    assert "segkit = segkit.__main__:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert f"{info}/licenses/LICENSE" in wheel.namelist()
    assert "License-Expression: BSD-3-Clause" in metadata
    for extra in ("ads", "lab", "data", "spark", "privacy", "text", "db", "stream", "test"):
        assert f"Provides-Extra: {extra}\n" in metadata


def test_source_distribution_is_complete(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    single = {"pyproject.toml", "constraints.txt", "LICENSE", "README.md", ".ci/run", "binder/postBuild"}
    assert single | files_in("segkit", ".py", ".js", ".css") | files_in("tests", ".py") <= names
    assert files_in("notebooks", ".ipynb") <= names
