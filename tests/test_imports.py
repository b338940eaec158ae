"""Imports point one way, and nothing slow is loaded before it is needed."""

import ast
import subprocess
import sys

import pytest
from shared_data import CHECKOUT

import segkit

LAYERS = (
    {
        "_arguments",
        "_cache",
        "_engine",
        "_patience",
        "_standard",
        "_dialect",
        "_portable",
        "_times",
        "_reading",
        "_sentiment",
        "_door",
        "_sources",
    }
    | {"events", "attributes", "presets"},
    {"features", "datasets", "quality"},
    {"prepare", "bands", "cluster", "_customers", "_fit", "_parts", "_provenance"},
    {"segmentation", "_storage", "_identity", "segmenting"}
    | {"_one_population", "_other_models", "_panel", "_populations", "_votes"},
    {"trust", "projection", "explain", "tailor", "monitor", "live", "privacy"},
    {"plots"},
    {"widgets", "reporting"},
    {"_launch", "__main__"},
)
"""From left to right, as in DESIGN §3: a module imports from its own layer or from the left."""

ASKED = {("segmentation", "trust"), ("segmenting", "trust"), ("_storage", "trust")}
"""The one look to the right, inside functions: segments say how far to trust them, and trust is computed from them."""

LAYER = {name: i for i, names in enumerate(LAYERS) for name in names}
PACKAGE = CHECKOUT / "segkit"
HEAVY = {
    "pandas",
    "sklearn",
    "scipy",
    "ibis",
    "duckdb",
    "altair",
    "ipywidgets",
    "anywidget",
    "jscatter",
    "umap",
    "pyarrow",
}
DRAWING = {"altair", "ipywidgets", "anywidget", "jscatter", "umap", "vl_convert"}


def home(path):
    """The part of the package that a file belongs to: a module's name, or its folder's."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(node):
    """The parts of segkit that an import statement names."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are written out in full"
        names = [f"{node.module}.{a.name}" for a in node.names] if node.module == "segkit" else [node.module]
    else:
        return set()
    parts = [name.split(".") for name in names if name.split(".")[0] == "segkit"]
    return {part[1] for part in parts if len(part) > 1 and part[1] != "__version__"}


def for_types_only(tree):
    """Every node under ``if TYPE_CHECKING:``, which no interpreter runs."""
    tests = [
        n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test).endswith("TYPE_CHECKING")
    ]
    return {inner for test in tests for inner in ast.walk(test)}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_from_left_to_right(path):
    here = home(path)
    if here == "__init__":
        return  # the public names load whatever they are asked for
    assert here in LAYER, f"{here} has no place among the layers: give it one"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = for_types_only(tree)
    asked = {inner for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for inner in ast.walk(f)}
    for node in ast.walk(tree):
        if node not in skipped:
            for part in imported(node):
                if node in asked and (here, part) in ASKED:
                    continue
                assert LAYER[part] <= LAYER[here], f"line {node.lineno}: {here} imports {part}, to its right"


def fresh(code):
    """Run code in an interpreter of its own and return which of the modules it then has."""
    ending = "\nimport sys\nprint('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code + ending],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.rpartition("LOADED")[2].split())


def test_importing_segkit_loads_nothing_slow():
    assert not HEAVY & fresh("import segkit; dir(segkit); segkit.__version__")


COMPUTE = """
import segkit as sg
from segkit.datasets import make_events
events, truth = make_events(40, kinds="purchase")
customers = sg.customer_features(events, sg.RFM, as_of="2025-01-01")
result = sg.segment(customers, n_segments=3)
result = result.with_embedding(sg.project(result))
sg.scan_clusters(customers, k=[2, 3], resamples=2, progress=False)
sg.multiverse(customers, n_segments=2, pipelines=4, crowds=1, progress=False)
sg.profile(result), sg.segment_sizes(result), result.assign(customers)
import tempfile
sg.Segmentation.load(result.save(tempfile.mkdtemp()))
"""


def test_computing_never_loads_what_draws():
    assert not DRAWING & fresh(COMPUTE)


def test_drawing_loads_no_widgets():
    """None of ours: Altair itself brings ipywidgets."""
    loaded = fresh("from segkit import plot_map")
    assert "altair" in loaded and not {"jscatter", "umap"} & loaded


@pytest.mark.slow
def test_umap_is_loaded_only_when_it_is_asked_for():
    assert "umap" in fresh(COMPUTE + "sg.project(result, 'umap')")


def test_public_names_stay_what_they_are():
    """A submodule of the same name would take the place of a function once it is imported."""
    fresh(
        "import importlib, pkgutil, types, segkit as sg\n"
        "parts = ('_launch', '__main__', 'datasets.__main__')\n"
        "for module in pkgutil.walk_packages(sg.__path__, 'segkit.'):\n"
        "    if not module.name.removeprefix('segkit.').startswith(parts): importlib.import_module(module.name)\n"
        "for name in set(sg.__all__) - {'datasets'}:\n"
        "    assert not isinstance(getattr(sg, name), types.ModuleType), name\n"
    )


def test_every_public_name_is_there():
    for name in segkit.__all__:
        assert getattr(segkit, name) is not None
        assert name in dir(segkit)
    with pytest.raises(AttributeError, match="no attribute 'segmnt'"):
        _ = segkit.segmnt
