"""How the tests run: hypothesis draws the same few examples each time, so that a failure is there again."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "segkit", deadline=None, derandomize=True, max_examples=6, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("segkit")


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
        patch.setattr("segkit.segmenting._structure", lambda *_: dict(unknown))
        yield
