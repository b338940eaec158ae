"""Find the real data that some tests need, or skip them."""

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


def shared(name: str) -> Path:
    """Return a folder of real data such as "online_retail", or skip the test.

    The environment variable SEGKIT_SHARED names where to look, by default ``shared/data`` beside the checkout.
    """
    root = Path(os.environ.get("SEGKIT_SHARED") or CHECKOUT.parent / "shared" / "data")
    if not (root / name).is_dir():
        pytest.skip(f"no real data {name!r} in {root}: set SEGKIT_SHARED to a folder that has it")
    return root / name
