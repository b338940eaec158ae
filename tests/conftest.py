"""How the tests run: hypothesis draws the same few examples each time, so that a failure is there again."""

import functools
import gc
import sys
from collections import Counter

import ibis.backends.duckdb
import ibis.backends.sql
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "segkit", deadline=None, derandomize=True, max_examples=6, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("segkit")

# Where nothing of segkit is called until they return, and half of the tests' time goes.
WITHIN_IBIS = {
    ibis.backends.duckdb.Backend: ("create_table", "execute", "to_pyarrow", "to_pyarrow_batches", "table"),
    ibis.backends.sql.SQLBackend: ("compile", "execute"),
}


def untraced(function):
    """Let coverage rest while this runs: each call and line that it is told of, and forgets, takes time."""

    @functools.wraps(function)
    def resting(*args, **options):
        tracer = sys.gettrace()
        if tracer is None:
            return function(*args, **options)
        sys.settrace(None)
        try:
            return function(*args, **options)
        finally:
            sys.settrace(tracer)
            _call()

    return resting


def _call():
    """Be called: coverage goes on in C at the next call, and else would not see `resting` return."""


for backend, names in WITHIN_IBIS.items():
    for name in names:
        setattr(backend, name, untraced(getattr(backend, name)))


# Ibis makes objects by the ten thousand for each query, and Python would look through all modules for garbage as often:
# an eighth of the tests' time.
gc.set_threshold(200_000, 100, 100)

SLOW = 25  # quick tests that a slow one lasts as long as


def pytest_addoption(parser):
    parser.addoption("--simulations", action="store_true", help="run the large simulations too")


def pytest_collection_modifyitems(config, items):
    """Begin with the files that last longest, so that of several processes none is left with one at the end."""
    if not config.getoption("--simulations"):
        large = [item for item in items if item.get_closest_marker("simulation")]
        config.hook.pytest_deselected(items=large)
        items[:] = [item for item in items if not item.get_closest_marker("simulation")]
    length = Counter()
    for item in items:
        slow = any(item.iter_markers("slow")) or any(item.iter_markers("browser"))
        length[item.path] += SLOW if slow else 1
        if slow:  # it repeats what quick tests cover, and being traced makes it half as long again
            item.add_marker(pytest.mark.no_cover)
    items.sort(key=lambda item: -length[item.path])


@pytest.fixture(scope="module")
def structure_not_asked():
    """Make segments without asking the structure test, a second each time, where it is not what is tested."""
    unknown = {
        "verdict": "too little",
        "p_value": None,
        "effect": None,
        "sentence": "Not asked.",
        "line": "Real? Not asked.",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segkit.create.segment._structure", lambda *_: dict(unknown))
        yield
