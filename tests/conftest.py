"""How the tests run: which are left out, how many examples they take, and what is replaced."""

import gc

import pytest
from hypothesis import HealthCheck, settings

# The same examples each time, so that a failure can be repeated.
always = {"deadline": None, "derandomize": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=6, **always)
settings.register_profile("simulations", max_examples=30, **always)

# Ibis makes objects by the ten thousand for each query; Python would search all modules for garbage as often.
gc.set_threshold(200_000, 100, 100)

# What `segment()` calls to learn whether customers form groups: a processor second each time, so most tests do without.
KIND_OF = "segkit.create.segment._kind_of"
UNKNOWN = {
    "structure": {"verdict": "too little", "p_value": None, "effect": None, "sentence": "Not tested."},
    "kind": {"kind": "unclear", "sentence": "Not tested.", "stability": None},
}
SKIPPED = "segkit/skipped"


def pytest_addoption(parser):
    parser.addoption("--simulations", action="store_true", help="run the large simulations too")
    parser.addoption("--skipped", action="store_true", help="run only the tests that were skipped last time")
    parser.addoption(
        "--covered", type=float, metavar="PERCENT", help="fail if the tests run fewer lines of segkit"
    )


def pytest_configure(config):
    settings.load_profile("simulations" if config.getoption("--simulations") else "quick")
    config.pluginmanager.register(SkippedTests(config))
    if (percent := config.getoption("--covered")) is not None:
        from covered import Coverage

        config.pluginmanager.register(Coverage(config, percent))


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--simulations"):
        select(config, items, lambda item: not item.get_closest_marker("simulation"))
    if config.getoption("--skipped"):
        skipped = config.cache.get(SKIPPED, [])
        select(
            config, items, lambda item: item.nodeid in skipped or item.nodeid.partition("::")[0] in skipped
        )


def select(config, items, wanted):
    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = [item for item in items if wanted(item)]


class SkippedTests:
    """Remember the tests, and the files, that were skipped."""

    def __init__(self, config):
        self.config, self.names = config, set()

    def pytest_runtest_logreport(self, report):
        if report.skipped and not hasattr(report, "wasxfail"):
            self.names.add(report.nodeid)

    def pytest_collectreport(self, report):
        if report.skipped:
            self.names.add(report.nodeid)

    def pytest_sessionfinish(self):
        if not hasattr(self.config, "workerinput") and hasattr(self.config, "cache"):
            self.config.cache.set(SKIPPED, sorted(self.names))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Let only the tests marked `structure` test structure when they make segments, and their fixtures too."""
    with pytest.MonkeyPatch.context() as patch:
        if not item.get_closest_marker("structure"):
            patch.setattr(KIND_OF, lambda *_: {name: dict(value) for name, value in UNKNOWN.items()})
        return (yield)
