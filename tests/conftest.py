"""How the tests run: hypothesis draws the same few examples each time, so that a failure is there again."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "segkit", deadline=None, derandomize=True, max_examples=6, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("segkit")
