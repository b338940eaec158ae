"""Imports point one way, public names have one home, and nothing slow is loaded before it is needed."""

import ast
import subprocess
import sys
from functools import cache

import pytest
from shared_data import CHECKOUT

import segkit

ROOMS = (
    ("core",),
    ("collect",),
    ("analyse", "datasets"),
    ("methods",),
    ("trust",),
    ("create",),
    ("explain", "over_time"),
    ("tailor",),
    ("live",),
    ("privacy",),
    ("show",),
    ("cli",),
)
"""From left to right: a file imports from its own room, or from a room to the left."""

PUBLIC = {
    "collect": (
        "Attributes EventCheck Events Region Scale bases check_events preset_catalogue read_attributes "
        "read_events with_attributes"
    ),
    "analyse": (
        "ADS BASKET CADENCE CONTEXT EMAIL FAMILIES FEEDBACK Feature PREFERENCE PUSH Preparer RFM SMS SOCIAL "
        "TREND WEB available_features customer_features distance_feature family feature_catalogue feature_sql "
        "make_preparer path_feature preparation select_features snapshots with_settings"
    ),
    "methods": (
        "BehaviourParts MixedMixture MixturePreparer RFMSegmenter RobustLinkage SharesPreparer SpectralGraph "
        "ValueBands rules_segmenter target_tree"
    ),
    "trust": (
        "Trust assess feature_influence multiverse outcome_scoreboard scan_clusters segment_outcomes segment_structure "
        "stability structure_test"
    ),
    "create": (
        "Segmentation SharedSegmentation make_segment merge_segments pin_segments recommend_method segment "
        "split_segment value_bands"
    ),
    "explain": (
        "CustomerMap compare cross_segments dendrogram effect_sizes evidence make_map membership profile project "
        "rules segment_sizes suggest_names to_sql typical why"
    ),
    "live": "WebhookInbox file_source follow kafka_source live_segments redis_source",
    "privacy": (
        "PrivacyBudget data_sheet erase k_anonymity membership_risk private_profile private_sizes proxy_audit "
        "pseudonymise suppress_small with_consent"
    ),
    "over_time": (
        "drift emerging match_segments migration moves moves_over_time next_segment refit_advice score_next"
    ),
    "tailor": (
        "Audience PLAYS Play arms_sql assign_arms audience audience_formats check_experiment customer_value "
        "export_audience lift message_templates plan_experiment playbook policy_value recommend "
        "recommendation_scoreboard segment_products segment_value targeting"
    ),
    "show": (
        "AudienceBuilder ClusterTuner ExperimentPlanner FeaturePicker LiveMap SegmentCards SegmentExplorer "
        "SegmentStudio SegmentTimeline "
        "plot_confidence plot_consensus plot_coverage plot_cross plot_dendrogram plot_distributions "
        "plot_drift "
        "plot_emerging "
        "plot_evidence plot_lift plot_map plot_membership plot_migration plot_multiverse plot_next "
        "plot_playbook "
        "plot_power plot_privacy plot_profile plot_qini plot_recommendations plot_rules plot_scan "
        "plot_scoreboard plot_sizes plot_stability "
        "plot_structure plot_trust plot_value plot_why report serve"
    ),
}
"""The public names of each room."""

PLACE = {room: place for place, rooms in enumerate(ROOMS) for room in rooms}
PACKAGE = CHECKOUT / "segkit"
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {
    "pandas",
    "sklearn",
    "scipy",
    "ibis",
    "duckdb",
    "altair",
    "ipywidgets",
    "anywidget",
    "umap",
    "pyarrow",
}
DRAWING = {"altair", "ipywidgets", "anywidget", "umap", "vl_convert"}


def module_name(path):
    """Return the dotted name of a file."""
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


@cache
def imported(path):
    """Return the files of segkit that a file imports, also in functions and for types only, each with its line."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}, line {node.lineno}: write imports out in full"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in inside]
        else:
            continue
        found |= {name: node.lineno for name in names if name in MODULES and name != "segkit"}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_left(path):
    room = path.relative_to(PACKAGE).parts[0]
    if path.parent == PACKAGE:
        return  # the public names, and the guard for an old Python
    for name, line in imported(path).items():
        other = name.split(".")[1]
        allowed = other == room or PLACE[other] < PLACE[room]
        assert allowed, f"line {line}: {room} imports {name}, which is not to its left"


def test_no_import_circles():
    def below(name, seen):
        for other in imported(MODULES[name]):
            if other not in seen:
                seen.add(other)
                below(other, seen)
        return seen

    assert [name for name in MODULES if name in below(name, set())] == []


CARRY = ("segkit.create.segmentation", "segkit.create.storage")  # they hold a map beside the segments
MAP = {"embedding", "places", "project", "make_map", "CustomerMap", "with_embedding"}
FITS = {"fit", "fit_predict", "fit_model", "segment"}


def words_of(code):
    """Return the names that stand in a piece of code."""
    return {getattr(part, "id", getattr(part, "attr", None)) for part in ast.walk(code)}


def fits_on_a_map(code):
    """Return the lines where something is fitted on what is called like a map."""
    calls = [node for node in ast.walk(code) if isinstance(node, ast.Call)]
    fits = [call for call in calls if getattr(call.func, "id", getattr(call.func, "attr", None)) in FITS]
    given = {call: [*call.args, *(keyword.value for keyword in call.keywords)] for call in fits}
    return [call.lineno for call, arguments in given.items() if any(words_of(one) & MAP for one in arguments)]


def test_no_clusterer_is_given_places_on_a_map():
    """A map bends distances, so groups on it are no evidence: what makes segments does not know it."""
    for bad in ("KMeans(3).fit(result.embedding)", "sg.segment(customers=sg.project(result), n_segments=2)"):
        assert fits_on_a_map(ast.parse(bad)) == [1]
    texts = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
    for name in (name for name, text in texts.items() if any(word in text for word in MAP)):
        code = ast.parse(texts[name])
        assert fits_on_a_map(code) == [], name
        if name.startswith(("segkit.methods", "segkit.trust", "segkit.create")) and name not in CARRY:
            assert not words_of(code) & (MAP - {"places"}), name


def test_rooms_are_listed():
    top = {path.relative_to(PACKAGE).parts[0] for path in FILES} - {"__init__.py", "__main__.py"}
    assert top <= set(PLACE) and len(top) + 2 <= 16


def test_files_have_plain_names():
    underscored = [p.name for p in FILES if p.stem.startswith("_") and not p.stem.startswith("__")]
    assert underscored == []


def test_folders_hand_nothing_on():
    """Only segkit itself hands names on, and segkit.datasets, which people import from as from sklearn.datasets.

    segkit.show hands nothing on either, but has to run before any of its files imports Altair.
    """
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent in (PACKAGE, PACKAGE / "datasets", PACKAGE / "show"):
            continue
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert len(body) == 1 and isinstance(body[0], ast.Expr), f"{path} holds more than a docstring"


def test_import_module_stands_once():
    users = [p for p in FILES if "import_module(" in p.read_text(encoding="utf-8")]
    assert users == [PACKAGE / "__init__.py"]


def test_public_names_by_room():
    rooms = {}
    for module, names in segkit._HOMES.items():
        rooms.setdefault(module.split(".")[1], []).extend(names)
    assert {room: sorted(names) for room, names in rooms.items()} == {
        room: sorted(names.split()) for room, names in PUBLIC.items()
    }


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


def test_importing_loads_nothing_slow():
    assert not HEAVY & fresh("import segkit; dir(segkit); segkit.__version__")


COMPUTE = """
import segkit as sg
from segkit.datasets import make_events
events, truth = make_events(40, kinds="purchase")
customers = sg.customer_features(events, sg.RFM, as_of="2025-01-01")
result = sg.segment(customers, n_segments=3)
result = result.with_embedding(sg.project(result))
sg.scan_clusters(customers, k=[2, 3], resamples=2, progress=False)
sg.multiverse(customers, n_segments=2, pipelines=4, null_sets=1, progress=False)
sg.profile(result), sg.segment_sizes(result), result.assign(customers)
import tempfile
sg.Segmentation.load(result.save(tempfile.mkdtemp()))
"""


def test_computing_loads_no_charts():
    assert not DRAWING & fresh(COMPUTE)


def test_drawing_loads_no_widgets():
    """None of ours: Altair itself brings ipywidgets."""
    loaded = fresh("from segkit import plot_map")
    assert "altair" in loaded and "umap" not in loaded


def test_no_module_hides_a_name():
    """A submodule of the same name would take the place of a function once it is imported."""
    fresh(
        "import importlib, pkgutil, types, segkit as sg\n"
        "parts = ('cli', '__main__', 'datasets.__main__')\n"
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
