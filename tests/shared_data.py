"""Where the real data lies that some tests check against, or a skip that says why not."""

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


def shared(name: str) -> Path:
    """Return a folder of real data such as "online_retail", or skip the test.

    Looked for under the environment variable SEGKIT_SHARED, else in ``shared/data`` beside the checkout.
    """
    root = Path(os.environ.get("SEGKIT_SHARED") or CHECKOUT.parent / "shared" / "data")
    if not (root / name).is_dir():
        pytest.skip(
            f"no real data {name!r}: SEGKIT_SHARED names no folder that has it, nor is it beside the checkout"
        )
    return root / name
